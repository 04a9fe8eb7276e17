"""The venue's words for orders, in ours (5.6.4)."""

from __future__ import annotations

from enum import StrEnum

from ..model.enums import LiquiditySide, OrderType, TimeInForce

__all__ = [
    "EXPIRY_REASONS",
    "REPLACED",
    "Flags",
    "VenueStatus",
    "liquidity_side",
    "order_type",
    "time_in_force",
    "venue_status",
]


class Flags:
    """What kind an order is (`orderFlags`)."""

    SHORT_TERM = 0
    CONDITIONAL = 32
    LONG_TERM = 64
    TWAP = 128


class VenueStatus(StrEnum):
    """The states the indexer knows."""

    OPEN = "OPEN"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    BEST_EFFORT_OPENED = "BEST_EFFORT_OPENED"
    BEST_EFFORT_CANCELED = "BEST_EFFORT_CANCELED"
    UNTRIGGERED = "UNTRIGGERED"
    ERROR = "ERROR"


REPLACED = "REPLACED"  # the removal of the old terms, which is no cancel (7.3)
EXPIRY_REASONS = frozenset({"EXPIRED", "INDEXER_EXPIRED"})

_TYPES = {
    "LIMIT": OrderType.LIMIT,
    "MARKET": OrderType.MARKET,
    "STOP_LIMIT": OrderType.STOP_LIMIT,
    "STOP_MARKET": OrderType.STOP_MARKET,
    "TRAILING_STOP": OrderType.TRAILING_STOP_MARKET,
    "TAKE_PROFIT": OrderType.LIMIT_IF_TOUCHED,
    "TAKE_PROFIT_MARKET": OrderType.MARKET_IF_TOUCHED,
    "TWAP": OrderType.TWAP,
    "TWAP_SUBORDER": OrderType.TWAP,
}
_TIMES = {"IOC": TimeInForce.IOC, "FOK": TimeInForce.FOK}
_LIQUIDITY = {"TAKER": LiquiditySide.TAKER, "MAKER": LiquiditySide.MAKER}


def venue_status(word: str) -> VenueStatus | None:
    """Return a state, None for a word we do not know."""
    try:
        return VenueStatus(word)
    except ValueError:
        return None


def order_type(word: str | None) -> OrderType:
    """Return the type of an order."""
    return _TYPES.get(word or "", OrderType.UNKNOWN)


def time_in_force(word: str | None) -> TimeInForce:
    """Return how long an order stands. Every resting order of this venue has an end (GTD)."""
    return _TIMES.get(word or "", TimeInForce.GTD)


def liquidity_side(word: str) -> LiquiditySide:
    """Return which side of a match a trade was."""
    return _LIQUIDITY.get(word, LiquiditySide.UNKNOWN)
