"""What becomes of an order.

::

    Submitted -> Accepted -> (Updated | Triggered | Filled)* -> Filled | Canceled | Expired
    Denied       refused by us, never sent
    Rejected     refused by the venue
    CancelRejected, ModifyRejected   the order goes on as it was

Only explicit evidence makes a Denied, Rejected, CancelRejected or
ModifyRejected: a time-out or a lost connection leaves the order in flight. Every
order gets exactly one final event. `ts_event` is the venue's time, `ts_init` when
we made the event, both ns since the epoch.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from .._speedups.fills import OrderEvent, OrderFilled
from .enums import LiquiditySide
from .ids import TradeId

__all__ = [
    "OrderAccepted",
    "OrderCancelRejected",
    "OrderCanceled",
    "OrderDenied",
    "OrderEvent",
    "OrderExpired",
    "OrderFillCorrected",
    "OrderFilled",
    "OrderModifyRejected",
    "OrderPendingCancel",
    "OrderPendingUpdate",
    "OrderRejected",
    "OrderSubmitted",
    "OrderTriggered",
    "OrderUpdated",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSubmitted(OrderEvent):
    """The order was handed to the transport; its outcome is not known yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderDenied(OrderEvent):
    """We refused the order before sending it. Final."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderAccepted(OrderEvent):
    """The venue has the order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRejected(OrderEvent):
    """The venue refused the order. Final.

    `code` is the venue's; `due_post_only` tells a post-only order that would have taken.
    """

    reason: str
    code: int | str | None = None
    due_post_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPendingUpdate(OrderEvent):
    """A modification was sent; its outcome is not known yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPendingCancel(OrderEvent):
    """A cancel was sent; its outcome is not known yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderUpdated(OrderEvent):
    """The order works with a new size, price or venue order id.

    `size` is the absolute total, what is filled included. None means "has none".
    """

    size: Decimal
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    modify_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderModifyRejected(OrderEvent):
    """The venue, or we, refused a modification; the order goes on as it was."""

    reason: str
    code: int | str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderCancelRejected(OrderEvent):
    """The venue, or we, refused a cancel; the order goes on as it was."""

    reason: str
    code: int | str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderTriggered(OrderEvent):
    """The order's trigger price was reached; it works as a limit order now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFillCorrected(OrderEvent):
    """Something about an earlier fill became known. Sizes and price never change."""

    trade_id: TradeId
    commission: Decimal
    commission_currency: str | None = None
    liquidity: LiquiditySide = LiquiditySide.UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderCanceled(OrderEvent):
    """The order works no more; what was filled stays filled. Final."""

    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderExpired(OrderEvent):
    """The order's time in force ended. Final."""

    reason: str | None = None
