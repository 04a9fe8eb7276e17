"""The venue's words for orders and what they mean here (sections 7.1, 7.2 and 8.1).

A status we do not know is sorted by how it ends, and without such an ending means nothing (G34).
"""

from __future__ import annotations

from ..execution.meaning import StatusMeaning
from ..model.enums import OrderStatus, OrderType, TimeInForce

__all__ = ["ORDER_STATUSES", "order_status", "order_type", "time_in_force"]

ORDER_STATUSES = {
    OrderStatus.ACCEPTED: ("open", "accepted"),
    OrderStatus.TRIGGERED: ("triggered",),
    OrderStatus.FILLED: ("filled",),
    OrderStatus.CANCELED: (
        "canceled", "marginCanceled", "vaultWithdrawalCanceled", "openInterestCapCanceled",
        "selfTradeCanceled", "reduceOnlyCanceled", "siblingFilledCanceled", "delistedCanceled",
        "liquidatedCanceled", "scheduledCancel",
    ),
    OrderStatus.REJECTED: (
        "rejected", "tickRejected", "minTradeNtlRejected", "minTradeSpotNtlRejected",
        "perpMarginRejected", "reduceOnlyRejected", "badAloPxRejected", "iocCancelRejected",
        "badTriggerPxRejected", "marketOrderNoLiquidityRejected",
        "positionIncreaseAtOpenInterestCapRejected", "positionFlipAtOpenInterestCapRejected",
        "tooAggressiveAtOpenInterestCapRejected", "openInterestIncreaseRejected",
        "insufficientSpotBalanceRejected", "oracleRejected", "perpMaxPositionRejected",
    ),
}  # fmt: skip
_PLAIN = frozenset({"open", "accepted", "triggered", "filled", "canceled", "rejected"})
_POST_ONLY = "badAloPxRejected"
_ENDINGS = (("Canceled", OrderStatus.CANCELED), ("Rejected", OrderStatus.REJECTED))


def _meaning(word: str, status: OrderStatus) -> StatusMeaning:
    return StatusMeaning(status, None if word in _PLAIN else word, word == _POST_ONLY)


_MEANINGS = {
    word: _meaning(word, status) for status, words in ORDER_STATUSES.items() for word in words
}
_TYPES = {
    "Limit": OrderType.LIMIT,
    "Market": OrderType.MARKET,
    "Stop Market": OrderType.STOP_MARKET,
    "Stop Limit": OrderType.STOP_LIMIT,
    "Take Profit Market": OrderType.MARKET_IF_TOUCHED,
    "Take Profit Limit": OrderType.LIMIT_IF_TOUCHED,
}


def order_status(word: str) -> StatusMeaning | None:
    """Return what a status means, None if nothing can be said."""
    found = _MEANINGS.get(word)
    if found is not None:
        return found
    for ending, status in _ENDINGS:
        if word.endswith(ending):
            return StatusMeaning(status, word)
    return None


def order_type(word: str) -> OrderType:
    """Return the order type of a row; UNKNOWN for a word we do not know."""
    return _TYPES.get(word, OrderType.UNKNOWN)


def time_in_force(word: str | None) -> tuple[TimeInForce, bool]:
    """Return the time in force of a row, and whether it is post-only; GTC for an unknown word."""
    if word in ("Ioc", "FrontendMarket", "LiquidationMarket"):
        return TimeInForce.IOC, False
    return TimeInForce.GTC, word == "Alo"
