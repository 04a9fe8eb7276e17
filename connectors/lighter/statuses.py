"""The venue's words for orders and what they mean here (section 8 of the venue's rules).

Words we do not know map to a neutral value and never raise.
"""

from __future__ import annotations

from ..execution.meaning import StatusMeaning
from ..model.enums import OrderStatus, OrderType, TimeInForce

__all__ = [
    "ORDER_STATUS_TEXTS",
    "ORDER_TYPES",
    "TIF_GTT",
    "TIF_IOC",
    "TIF_POST_ONLY",
    "order_status",
    "order_type",
    "time_in_force",
]

# Wire numbers of order types; texts in the same order appear in rows.
ORDER_TYPES = {
    OrderType.LIMIT: 0,
    OrderType.MARKET: 1,
    OrderType.STOP_MARKET: 2,
    OrderType.STOP_LIMIT: 3,
    OrderType.MARKET_IF_TOUCHED: 4,
    OrderType.LIMIT_IF_TOUCHED: 5,
}
_TYPE_TEXTS = {
    "limit": OrderType.LIMIT,
    "market": OrderType.MARKET,
    "stop-loss": OrderType.STOP_MARKET,
    "stop-loss-limit": OrderType.STOP_LIMIT,
    "take-profit": OrderType.MARKET_IF_TOUCHED,
    "take-profit-limit": OrderType.LIMIT_IF_TOUCHED,
    "twap": OrderType.TWAP,
    "twap-sub": OrderType.TWAP,
    "liquidation": OrderType.LIQUIDATION,
}
TIF_IOC, TIF_GTT, TIF_POST_ONLY = 0, 1, 2

# In the order of the venue's integer codes.
ORDER_STATUS_TEXTS = (
    "in-progress",
    "pending",
    "open",
    "filled",
    "canceled",
    "canceled-post-only",
    "canceled-reduce-only",
    "canceled-position-not-allowed",
    "canceled-margin-not-allowed",
    "canceled-too-much-slippage",
    "canceled-not-enough-liquidity",
    "canceled-self-trade",
    "canceled-expired",
    "canceled-oco",
    "canceled-child",
    "canceled-liquidation",
    "canceled-invalid-balance",
)
_CANCELED = "canceled-"


_MEANINGS = {
    # Not on the book yet, or waiting for nothing we can see.
    "in-progress": StatusMeaning(OrderStatus.SUBMITTED),
    # A resting conditional, or a child waiting for its parent: the venue has it.
    "pending": StatusMeaning(OrderStatus.ACCEPTED),
    "open": StatusMeaning(OrderStatus.ACCEPTED),
    "filled": StatusMeaning(OrderStatus.FILLED),
    "canceled": StatusMeaning(OrderStatus.CANCELED),
    "canceled-post-only": StatusMeaning(OrderStatus.REJECTED, "post-only", due_post_only=True),
    "canceled-expired": StatusMeaning(OrderStatus.EXPIRED, "expired"),
}
for _text in ORDER_STATUS_TEXTS:
    _MEANINGS.setdefault(
        _text, StatusMeaning(OrderStatus.CANCELED, _text.removeprefix(_CANCELED) or None)
    )


def order_status(word: str | int) -> StatusMeaning | None:
    """Return what a status means, by text or by number; None for one we do not know."""
    if isinstance(word, int):
        if not 0 <= word < len(ORDER_STATUS_TEXTS):
            return None
        word = ORDER_STATUS_TEXTS[word]
    return _MEANINGS.get(word)


def order_type(word: str) -> OrderType:
    """Return the order type of a row; UNKNOWN for a word we do not know."""
    return _TYPE_TEXTS.get(word, OrderType.UNKNOWN)


def time_in_force(word: str, *, expires: bool) -> tuple[TimeInForce, bool]:
    """Return the time in force of a row, and whether it is post-only.

    A good-till-time order that expires is GTD; words we do not know are GTC.
    """
    if word == "immediate-or-cancel":
        return TimeInForce.IOC, False
    if word == "good-till-time":
        return (TimeInForce.GTD if expires else TimeInForce.GTC), False
    return TimeInForce.GTC, word == "post-only"
