"""Orders as the matching engine of the simulators knows them, and why they end."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any

__all__ = ["DoneReason", "EngineOrder", "SelfTrade", "Side", "TimeInForce"]


class Side(enum.IntEnum):
    """Side of an order; the value is the sign of the position change it causes."""

    BUY = 1
    SELL = -1

    @property
    def opposite(self) -> Side:
        return Side.SELL if self is Side.BUY else Side.BUY


class TimeInForce(enum.Enum):
    """How long an order may live. Post-only is a flag of the order, not a time in force."""

    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"
    GTD = "GTD"


class SelfTrade(enum.Enum):
    """What happens when an order meets one of the same owner; the taker's mode decides."""

    NONE = "NONE"
    EXPIRE_TAKER = "EXPIRE_TAKER"
    EXPIRE_MAKER = "EXPIRE_MAKER"
    EXPIRE_BOTH = "EXPIRE_BOTH"


class DoneReason(enum.Enum):
    """Why an order is no longer live."""

    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"  # good-till date reached
    IOC_REMAINDER = "ioc_remainder"
    FOK_UNFILLABLE = "fok_unfillable"
    POST_ONLY_WOULD_TAKE = "post_only_would_take"
    SELF_TRADE = "self_trade"
    REDUCE_ONLY = "reduce_only"
    REPLACED_BELOW_FILLED = "replaced_below_filled"
    LIQUIDATED = "liquidated"
    DELISTED = "delisted"


@dataclass(slots=True, eq=False)
class EngineOrder:
    """One order, mutated by the engine while it lives.

    Parameters
    ----------
    order_id
        Unique in the engine (`MatchingEngine.next_order_id`).
    owner
        Whose order it is, for self-trade prevention; None never meets itself.
    price_ticks
        Limit price. For a market order the protection price, or None for no bound.
    is_market
        Never rests, whatever `time_in_force` says; the remainder ends as IOC_REMAINDER.
    expire_ns
        Good-till date of a GTD order.
    tag
        Anything the caller wants to find again in the callbacks.
    """

    order_id: int
    market: str
    side: Side
    size_lots: int
    price_ticks: int | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    owner: str | None = None
    is_market: bool = False
    post_only: bool = False
    reduce_only: bool = False
    self_trade: SelfTrade = SelfTrade.NONE
    expire_ns: int | None = None
    tag: Any = None
    filled_lots: int = field(default=0, init=False)
    resting: bool = field(default=False, init=False)
    done_reason: DoneReason | None = field(default=None, init=False)
    ts_ns: int = field(default=0, init=False)

    @property
    def open_lots(self) -> int:
        return self.size_lots - self.filled_lots
