"""Settings of one Hyperliquid simulator: accounts, market, answers, emission, limits.

Section numbers in this package are those of the venue's rules (CONTRIBUTING.md).
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from ..settings import Settings
from .crypto import random_key

__all__ = ["LIMITS", "MODIFY_STEPS", "SCENARIOS", "AccountSetup", "SimConfig", "generated_accounts"]

LIMITS = (
    "weight",
    "connections",
    "new_connections",
    "subscriptions",
    "users",
    "messages",
    "posts",
    "address",
    "open_orders",
)
"""Names of the limits of section 11, all off unless `SimConfig.limits` holds them."""
MODIFY_STEPS = ("open", "canceled", "fills", "reply")


@dataclass(frozen=True, slots=True)
class AccountSetup:
    """One wallet as the simulator starts with it.

    Parameters
    ----------
    private_key
        Kept so that `Simulator.accounts` can hand it out; the venue itself knows addresses only.
    perp_usd
        USDC for perpetuals, as decimal text.
    spot
        Amounts by token, as decimal text.
    agents
        Private keys of approved agents, by name ("" for the unnamed one).
    sub_accounts, vaults
        Addresses this wallet trades for with `vaultAddress`.
    volume_usd
        What it has traded before (budget of requests, scheduled cancels).
    """

    private_key: str = field(repr=False)
    perp_usd: str = "1000000"
    spot: Mapping[str, str] = field(
        default_factory=lambda: {"USDC": "100000", "PURR": "1000000", "HYPE": "10000"}
    )
    agents: Mapping[str, str] = field(default_factory=dict, repr=False)
    sub_accounts: tuple[str, ...] = ()
    vaults: tuple[str, ...] = ()
    volume_usd: str = "0"


SCENARIOS: dict[str, dict[str, Any]] = {
    "calm": {},
    "still": {"rate_per_s": 0.0},
    "empty": {"rate_per_s": 0.0, "levels": 0},
    "instant": {"rate_per_s": 0.0, "block_ms": 0.0},
    "busy": {"rate_per_s": 1_000.0},
    "limits": {"limits": LIMITS},
    "modify-reversed": {"modify_sequence": ("reply", "canceled", "open", "fills")},
    "modify-fills-first": {"modify_sequence": ("fills", "open", "canceled", "reply")},
    "modify-reply-last": {
        "modify_sequence": ("canceled", "open", "fills", "reply"),
        "modify_split": True,
        "modify_gap_ms": 20.0,
    },
    "drops": {"fault_interval_s": 3.0, "fault_kinds": ("abort", "close", "freeze")},
    "chaos": {
        "fault_interval_s": 0.5,
        "fault_kinds": ("abort", "close", "duplicate", "swap", "malformed", "drop", "lose_reply"),
    },
}
"""What each scenario changes."""


@dataclass(slots=True)
class SimConfig(Settings):
    """How a Hyperliquid simulator behaves, beside what `Settings` has.

    Parameters
    ----------
    network
        Which network signatures must be for. The official SDK signs for testnet on any URL
        that is not the main network's.
    accounts
        Number of wallets with keys made from the seed, unless `setups` names them.
    levels
        Price levels the house keeps on each side of each book at the start; 0 for empty books.
    verify
        Whether the signer must be the wallet or an agent of an account. Off for load only: the
        first account is then everybody.
    accept_low_v
        Whether a signature's v may be 0 or 1 instead of 27 or 28.
    check_nonces, nonces_kept
        Nonces are unique among the highest so many of a key, and near the clock (10.1).
    block_ms
        Time between blocks: what happens is streamed once per block. 0: at once.
    reply_first
        Whether the reply to an action leaves before what it causes on the streams.
    frame_order
        Order in which one block's frames of a user go out.
    modify_sequence
        What the user sees of a modify, in this order: the new leg's status (`open`), the old
        leg's (`canceled`), fills of the new leg (`fills`), the reply (`reply`). A step that is
        left out never comes.
    modify_split
        Each status of a modify in a frame of its own.
    modify_gap_ms
        Time between the steps of a modify; later blocks may overtake them.
    modify_refused
        Whether the old leg survives a modify whose new order is refused (7.6 leaves it open).
    strict_modify
        Without `a` the new order must be post-only, or Gtc and not cross (7.6, unconfirmed).
    trigger_renames
        What a trigger sets off has an oid of its own, and the cloid of what was armed.
    open_before_fill
        An order that trades at once is streamed `open` first.
    open_on_partial
        A partial fill of a resting order is streamed as another `open`.
    ioc_remainder
        The status of an IOC order that was filled in part.
    stream_rejections
        Whether refused orders get an oid and a status on the stream.
    error_suffix
        Whether texts of single orders end in ` asset=N`.
    prevalidate_batch
        One invalid order fails the batch with one status.
    grouped_reply_once
        A group of orders with their TP/SL is answered by one status.
    post_only_window
        Refuse everything that is not post-only, as after a network upgrade.
    price_band
        How far from the mark a limit price may be, as a share of it; 0 for any.
    unknown_coin_drops
        A subscription for an unknown coin cuts the socket (4.5).
    greeting
        Send the plain text some deployments begin with.
    idle_close_s
        The venue cuts sockets it has sent nothing for so long; 0 never.
    limits
        Which of `LIMITS` are enforced.
    schedule_cancel_volume_usd
        Volume that opens `scheduleCancel` (the venue: 1 000 000).
    """

    network: Literal["mainnet", "testnet"] = "testnet"
    setups: tuple[AccountSetup, ...] = ()
    levels: int = 20

    verify: bool = True
    check_nonces: bool = True
    nonces_kept: int = 100
    accept_low_v: bool = False
    block_ms: float = 70.0
    reply_first: bool = True
    frame_order: tuple[str, ...] = ("orderUpdates", "userFills", "user")
    modify_sequence: tuple[str, ...] = ("reply", "open", "canceled", "fills")
    modify_split: bool = False
    modify_gap_ms: float = 0.0
    modify_refused: Literal["survives", "gone"] = "survives"
    strict_modify: bool = False
    trigger_renames: bool = False
    open_before_fill: bool = False
    open_on_partial: bool = False
    ioc_remainder: str = "canceled"
    stream_rejections: bool = True
    error_suffix: bool = True
    prevalidate_batch: bool = False
    grouped_reply_once: bool = False
    post_only_window: bool = False
    price_band: float = 0.8
    maker_fee: int = 150
    taker_fee: int = 450
    spot_maker_fee: int = 400
    spot_taker_fee: int = 700
    book_interval_ms: float = 5_400.0
    fast_book_interval_ms: float = 540.0
    mids_interval_ms: float = 5_000.0
    ctx_interval_ms: float = 1_000.0
    all_ctx_interval_ms: float = 13_600.0
    unknown_coin_drops: bool = True
    greeting: bool = False
    idle_close_s: float = 60.0
    limits: tuple[str, ...] = ()
    max_connections: int = 10
    schedule_cancel_volume_usd: float = 0.0

    scenarios: ClassVar[Mapping[str, Mapping[str, Any]]] = SCENARIOS
    fixed: ClassVar[frozenset[str]] = Settings.fixed | {"setups", "levels"}
    hidden: ClassVar[frozenset[str]] = frozenset({"setups"})  # holds private keys

    def check(self) -> None:
        for name in self.modify_sequence:
            if name not in MODIFY_STEPS:
                raise ValueError(f"unknown step {name!r}, known: {', '.join(MODIFY_STEPS)}")
        for name in self.limits:
            if name not in LIMITS:
                raise ValueError(f"unknown limit {name!r}, known: {', '.join(LIMITS)}")
        if sorted(self.frame_order) != ["orderUpdates", "user", "userFills"]:
            raise ValueError("frame_order names orderUpdates, userFills and user, each once")


def generated_accounts(config: SimConfig) -> tuple[AccountSetup, ...]:
    """Return the wallets a simulator starts with; keys come from the seed."""
    if config.setups:
        return config.setups
    source = random.Random(f"hyperliquid-sim/keys/{config.seed}")
    return tuple(AccountSetup(random_key(source)) for _ in range(config.accounts))
