"""Settings of one Lighter simulator: accounts, market, answers, latencies and limits.

Section numbers in this package are those of the venue's rules (CONTRIBUTING.md).
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from ..settings import Settings

__all__ = [
    "ACCOUNT_CHANNELS",
    "SCENARIOS",
    "SEED_ACCOUNT",
    "SEED_PRIVATE_KEY",
    "AccountSetup",
    "AckMode",
    "SimConfig",
    "generated_accounts",
]

AckMode = Literal["bare", "hash", "id", "nested", "error_bare", "error_id", "error_flat"]
ACCOUNT_CHANNELS = (
    "account_all_orders",
    "account_all_trades",
    "account_all_positions",
    "account_all_assets",
    "user_stats",
)
SEED_PRIVATE_KEY = (
    "0b8e0f63c24d8baacd9d29ad4e9a4b73c4a8d2bb8b16dc4fa9d7c2e1d3a8b1f0e8d3a4c5b6e7f001"
)
SEED_ACCOUNT = 12345
API_KEY_INDEX = 5
_GROUP_ORDER_BELOW = 2**319 - 2**298  # comfortably below the group order, so never reduced


@dataclass(frozen=True, slots=True)
class AccountSetup:
    """One trading account as the simulator starts with it.

    Parameters
    ----------
    keys
        Private keys (80 hex digits) by api key index; kept so that `Simulator.accounts` can hand
        them out, the admission itself knows public keys only.
    first_nonce
        The nonce every key expects first.
    collateral
        USDC for perpetuals, as decimal text.
    spot
        Amounts by asset symbol, as decimal text.
    maker_fee, taker_fee
        Rates in millionths.
    integrators
        Approval expiry in ms by integrator account.
    master
        The account this one is a sub-account of.
    """

    account_index: int
    keys: Mapping[int, str] = field(default_factory=dict, repr=False)
    first_nonce: int = 1
    collateral: str = "1000000"
    spot: Mapping[str, str] = field(default_factory=lambda: {"USDC": "100000", "ETH": "100"})
    tier: int = 1
    maker_fee: int = 28
    taker_fee: int = 196
    maker_only: frozenset[int] = frozenset()
    integrators: Mapping[int, int] = field(default_factory=dict)
    master: int | None = None


SCENARIOS: dict[str, dict[str, Any]] = {
    "calm": {},
    "still": {"rate_per_s": 0.0},
    "empty": {"rate_per_s": 0.0, "levels": 0},
    "busy": {"rate_per_s": 1_000.0},
    "mock": {
        "rate_per_s": 0.0,
        "levels": 0,
        "setups": (AccountSetup(SEED_ACCOUNT, {API_KEY_INDEX: SEED_PRIVATE_KEY}, 9_999),),
        "chain_ids": (300,),
        "precheck": False,
        "execute": False,
        "bare_acks": True,
        "ack_mode": "bare",
        "ping_interval_s": 0.0,
    },
    "drops": {"fault_interval_s": 3.0, "fault_kinds": ("abort", "close", "shutdown")},
    "chaos": {
        "fault_interval_s": 0.5,
        "fault_kinds": ("abort", "close", "book_gap", "replay", "duplicate", "malformed", "drop"),
    },
    "load": {
        "rate_per_s": 0.0,
        "load_frames_per_s": 10_000.0,
        "idle_close_s": 0.0,
    },
}
"""What each scenario changes. `mock` accepts and records, and does nothing by itself (2.0)."""


@dataclass(slots=True)
class SimConfig(Settings):
    """How a Lighter simulator behaves, beside what `Settings` has.

    Parameters
    ----------
    accounts
        Number of accounts with keys made from the seed (12345, 12346, ... with api key 5),
        unless `setups` names them.
    setups
        The accounts, exactly. The market's own makers are account 1 and 2 and need no key.
    chain_ids
        Chains a signature may be for. With `verify` off hashes are those of the first.
    verify
        Whether signatures are checked; switch it off for load only.
    check_nonces
        Whether the nonce must be the expected one (21104).
    precheck
        Whether the API node refuses in its answer what it can see to be wrong with an order
        (no nonce is used then). Otherwise every such failure comes from the sequencer: the
        transaction is accepted, uses its nonce and fails in `account_tx`.
    execute
        Whether accepted transactions have any effect.
    levels
        Price levels the house keeps on each side of each book at the start; 0 for empty books.
    kept
        How many requests, frames and transactions `record` keeps of each.
    maker_latency_ms, taker_latency_ms
        From acceptance to execution; taker is an order that would trade or may not rest.
    min_expiry_ms
        How far ahead an order's expiry or a scheduled cancel-all must lie at least.
    book_batch_ms
        How long book changes gather before one update; 0 sends each at once.
    ack_mode
        Shape of answers to `jsonapi/sendtx`; the error shapes bend refusals only.
    ack_delay_ms
        Held back before each such answer.
    frame_order
        Order of the account frames that one execution causes.
    bare_acks, typed_frames
        Whether a subscribe is answered by the bare `subscribed` and by the typed first frame.
    token_refresh
        Whether subscribing again with a new token renews the old subscription and gives a new
        first frame; otherwise it is 30003 and changes nothing (an open point of the rules).
    limits
        Whether the limits of section 15 are enforced.
    quota
        Volume quota each account starts with when `limits` is on.
    idle_close_s, lifetime_s
        The venue cuts sockets that sent nothing, and sockets that are too old; 0 never.
    ping_interval_s
        JSON pings from the venue; 0 none.
    load_frames_per_s, load_kinds
        Prepared frames of market 0 to those who follow it: order_book, trade, ticker.
    """

    setups: tuple[AccountSetup, ...] = ()
    levels: int = 20
    kept: int = 20_000

    chain_ids: tuple[int, ...] = (300, 304)
    verify: bool = True
    check_nonces: bool = True
    precheck: bool = True
    execute: bool = True
    maker_latency_ms: float = 0.0
    taker_latency_ms: float = 0.0
    min_expiry_ms: int = 300_000
    book_batch_ms: float = 50.0
    ack_mode: AckMode = "id"
    ack_delay_ms: float = 0.0
    frame_order: tuple[str, ...] = ("orders", "trades", "positions", "assets", "stats", "tx")
    bare_acks: bool = False
    typed_frames: bool = True
    token_refresh: bool = False
    limits: bool = False
    quota: int = 1_000
    idle_close_s: float = 120.0
    lifetime_s: float = 86_400.0
    ping_interval_s: float = 60.0
    load_frames_per_s: float = 0.0
    load_kinds: tuple[str, ...] = ("order_book",)

    scenarios: ClassVar[Mapping[str, Mapping[str, Any]]] = SCENARIOS
    fixed: ClassVar[frozenset[str]] = Settings.fixed | {"setups", "levels", "kept"}
    hidden: ClassVar[frozenset[str]] = frozenset({"setups"})  # holds private keys


def generated_accounts(config: SimConfig) -> tuple[AccountSetup, ...]:
    """Return the accounts a simulator starts with; keys come from the seed."""
    if config.setups:
        return config.setups
    source = random.Random(f"lighter-sim/keys/{config.seed}")
    return tuple(
        AccountSetup(
            SEED_ACCOUNT + number,
            {API_KEY_INDEX: source.randrange(1, _GROUP_ORDER_BELOW).to_bytes(40, "little").hex()},
        )
        for number in range(config.accounts)
    )
