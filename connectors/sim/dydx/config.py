"""Settings of one dYdX simulator: accounts, markets, blocks, the indexer's habits, limits.

Section numbers and rows (`DX-...`) in this package name the venue's rules (CONTRIBUTING.md).
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from ..settings import Settings
from .keys import random_mnemonic

__all__ = ["LIMITS", "SCENARIOS", "AccountSetup", "SimConfig", "generated_accounts"]

LIMITS = ("rest", "subscribes", "invalid", "channels", "blocks", "tiers")
"""Names of the limits: requests per address (DX-R-01), subscribes and invalid messages per
second (1.2), subscriptions per connection (1.2), orders per block and open stateful orders by
equity (16). The last two are off unless `SimConfig.limits` holds them."""


@dataclass(frozen=True, slots=True)
class AccountSetup:
    """One wallet as the simulator starts with it.

    Parameters
    ----------
    mnemonic
        Kept so that `Simulator.accounts` can hand it out; the venue itself knows addresses only.
    subaccount_number
        The subaccount it trades with.
    usdc
        Decimal text; "0" for a subaccount that is not funded.
    """

    mnemonic: str = field(repr=False)
    subaccount_number: int = 0
    usdc: str = "1000000"


SCENARIOS: dict[str, dict[str, Any]] = {
    "calm": {},
    "still": {"rate_per_s": 0.0},
    "empty": {"rate_per_s": 0.0, "levels": 0},
    "stepped": {"rate_per_s": 0.0, "levels": 0, "block_ms": 0.0},
    "busy": {"rate_per_s": 1_000.0, "block_ms": 250.0},
    "limits": {"limits": LIMITS},
    "racy": {"snapshot_delay_ms": 60.0, "snapshot_race_ms": 40.0},
    "nodes": {"node_lags_ms": (0.0, 40.0, 150.0)},
    "drops": {"fault_interval_s": 3.0, "fault_kinds": ("abort", "close", "freeze")},
    "chaos": {
        "fault_interval_s": 0.5,
        "fault_kinds": (
            *("abort", "close", "duplicate", "swap", "malformed", "drop", "cross"),
            *("skip_ids", "subscribe_error"),
        ),
    },
}
"""What each scenario changes."""


@dataclass(slots=True)
class SimConfig(Settings):
    """How a dYdX simulator behaves, beside what `Settings` has.

    Parameters
    ----------
    accounts
        Number of wallets with mnemonics made from the seed, unless `setups` names them.
    markets
        How many there are: first the ones with names, then as many made up as it takes.
    levels
        Price levels the house keeps on each side of each book at the start; 0 for empty books.
    account_share
        Share of the house's actions that place or cancel orders of the accounts.
    block_ms, start_height
        Time between blocks (0: only by `/_sim/block`), and the height before the first.
    short_block_window
        How far ahead a short-term order's good-til-block may be (1.2).
    maker_fee_ppm, taker_fee_ppm
        Of the value of a fill; below zero it is a rebate.
    announce_refused
        An order that is removed at once is announced as opened before (10.1).
    height_first
        `v4_block_height` tells of a block before the accounts' frames do (7.5).
    indexer_expired_blocks
        Blocks after its good-til-block at which an expired order is told as removed
        (INDEXER_EXPIRED, 7.1); 0: never.
    snapshot_delay_ms, snapshot_race_ms
        `subscribed` comes so much later than the subscribe; and so much before that the snapshot
        was taken: what happens in between is lost on this subscriber (DX-W-14).
    batch_ms
        Period of batched subscriptions (DX-M-14).
    node_lags_ms
        One WebSocket node each, by what it is late; connections go to them in turn (DX-M-22).
    rest_lag_blocks, snapshot_lag_blocks
        How many blocks the accounts as REST shows them are behind (DX-M-20), and those in the
        first frame of a subscription.
    markets_interval_s
        Time between partial updates of `v4_markets`.
    ping_interval_s, pong_timeout_s
        Control pings of the server; 0: none (DX-W-09).
    oracle_follows
        Oracle prices follow the books, block by block; without it they stand unless set.
    limits
        Which of `LIMITS` are enforced.
    """

    setups: tuple[AccountSetup, ...] = ()
    markets: int = 5
    levels: int = 20
    account_share: float = 0.1

    block_ms: float = 500.0
    start_height: int = 66_624_150
    short_block_window: int = 20
    maker_fee_ppm: int = -110
    taker_fee_ppm: int = 500
    announce_refused: bool = True
    height_first: bool = False
    indexer_expired_blocks: int = 20
    oracle_follows: bool = True

    snapshot_delay_ms: float = 0.0
    snapshot_race_ms: float = 0.0
    snapshot_lag_blocks: int = 0
    batch_ms: float = 250.0
    node_lags_ms: tuple[float, ...] = (0.0,)
    rest_lag_blocks: int = 1
    markets_interval_s: float = 30.0
    ping_interval_s: float = 30.0
    pong_timeout_s: float = 10.0
    limits: tuple[str, ...] = ("rest", "subscribes", "invalid", "channels")

    scenarios: ClassVar[Mapping[str, Mapping[str, Any]]] = SCENARIOS
    fixed: ClassVar[frozenset[str]] = Settings.fixed | {
        *("setups", "markets", "levels", "start_height", "node_lags_ms"),
    }
    hidden: ClassVar[frozenset[str]] = frozenset({"setups"})  # holds mnemonics

    def check(self) -> None:
        for name in self.limits:
            if name not in LIMITS:
                raise ValueError(f"unknown limit {name!r}, known: {', '.join(LIMITS)}")
        if not 0 <= self.snapshot_race_ms <= self.snapshot_delay_ms:
            raise ValueError("snapshot_race_ms is a part of snapshot_delay_ms")
        if not self.node_lags_ms or min(self.node_lags_ms) < 0:
            raise ValueError("node_lags_ms names at least one node, none ahead of time")
        if self.markets < 1:
            raise ValueError("there is at least one market")


def generated_accounts(config: SimConfig) -> tuple[AccountSetup, ...]:
    """Return the wallets a simulator starts with; mnemonics come from the seed."""
    if config.setups:
        return config.setups
    source = random.Random(f"dydx-sim/keys/{config.seed}")
    return tuple(AccountSetup(random_mnemonic(source)) for _ in range(config.accounts))
