"""The enumerations of the vocabulary: one set of words for every venue.

A venue maps its own words onto these; where it knows a finer distinction the
event or report carries the venue's word beside ours. Members are strings, so
they print, compare and serialise as themselves.
"""

from __future__ import annotations

from enum import StrEnum

from .._speedups.words import LiquiditySide

__all__ = [
    "ContingencyType",
    "InstrumentKind",
    "LiquiditySide",
    "MarginMode",
    "MarketStatus",
    "OrderStatus",
    "OrderType",
    "PositionSide",
    "SelfTradePrevention",
    "Side",
    "TimeInForce",
    "TriggerType",
]


class Side(StrEnum):
    """Direction of an order or fill."""

    BUY = "BUY"
    SELL = "SELL"

    @property
    def opposite(self) -> Side:
        """The other direction."""
        return Side.SELL if self is Side.BUY else Side.BUY

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell."""
        return 1 if self is Side.BUY else -1


class PositionSide(StrEnum):
    """What a position is, and in hedge mode which of the two an order touches."""

    FLAT = "FLAT"
    LONG = "LONG"
    SHORT = "SHORT"


class OrderType(StrEnum):
    """How an order becomes executable and at what price.

    Stop orders trigger against the position's favour, if-touched orders ("take
    profit") in it. The last three appear in reports only.
    """

    MARKET = "MARKET"
    LIMIT = "LIMIT"
    STOP_MARKET = "STOP_MARKET"
    STOP_LIMIT = "STOP_LIMIT"
    MARKET_IF_TOUCHED = "MARKET_IF_TOUCHED"
    LIMIT_IF_TOUCHED = "LIMIT_IF_TOUCHED"
    TRAILING_STOP_MARKET = "TRAILING_STOP_MARKET"
    TRAILING_STOP_LIMIT = "TRAILING_STOP_LIMIT"
    TWAP = "TWAP"
    LIQUIDATION = "LIQUIDATION"
    UNKNOWN = "UNKNOWN"

    @property
    def has_trigger(self) -> bool:
        """Whether the order waits for a trigger price before it reaches the book."""
        return self in _WITH_TRIGGER

    @property
    def has_price(self) -> bool:
        """Whether the order carries a limit price."""
        return self in _WITH_PRICE

    @property
    def is_trailing(self) -> bool:
        """Whether the trigger price follows the market."""
        return self in (OrderType.TRAILING_STOP_MARKET, OrderType.TRAILING_STOP_LIMIT)


_WITH_TRIGGER = frozenset(
    {
        OrderType.STOP_MARKET,
        OrderType.STOP_LIMIT,
        OrderType.MARKET_IF_TOUCHED,
        OrderType.LIMIT_IF_TOUCHED,
        OrderType.TRAILING_STOP_MARKET,
        OrderType.TRAILING_STOP_LIMIT,
    }
)
_WITH_PRICE = frozenset(
    {
        OrderType.LIMIT,
        OrderType.STOP_LIMIT,
        OrderType.LIMIT_IF_TOUCHED,
        OrderType.TRAILING_STOP_LIMIT,
    }
)


class TimeInForce(StrEnum):
    """How long an order may work. Post-only is a flag of the order, not one of these."""

    GTC = "GTC"  # until canceled
    IOC = "IOC"  # what fills at once, the rest is canceled
    FOK = "FOK"  # all at once or nothing
    GTD = "GTD"  # until `expire_time`
    DAY = "DAY"  # until the session ends
    AT_OPEN = "AT_OPEN"
    AT_CLOSE = "AT_CLOSE"


class TriggerType(StrEnum):
    """The price a trigger watches."""

    DEFAULT = "DEFAULT"  # whatever the venue uses by itself
    LAST = "LAST"
    MARK = "MARK"
    INDEX = "INDEX"
    BID_ASK = "BID_ASK"


class OrderStatus(StrEnum):
    """Where an order stands."""

    INITIALIZED = "INITIALIZED"  # made, not sent
    DENIED = "DENIED"  # refused by us, never sent
    SUBMITTED = "SUBMITTED"  # sent, outcome not known yet
    ACCEPTED = "ACCEPTED"  # the venue works it
    TRIGGERED = "TRIGGERED"  # its trigger price was reached
    PENDING_UPDATE = "PENDING_UPDATE"
    PENDING_CANCEL = "PENDING_CANCEL"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"  # refused by the venue

    @property
    def is_final(self) -> bool:
        """Whether nothing can happen to the order any more."""
        return self in _FINAL

    @property
    def is_open(self) -> bool:
        """Whether the venue has the order and may still fill it."""
        return self in _OPEN


_FINAL = frozenset(
    {
        OrderStatus.DENIED,
        OrderStatus.FILLED,
        OrderStatus.CANCELED,
        OrderStatus.EXPIRED,
        OrderStatus.REJECTED,
    }
)
_OPEN = frozenset(
    {
        OrderStatus.ACCEPTED,
        OrderStatus.TRIGGERED,
        OrderStatus.PENDING_UPDATE,
        OrderStatus.PENDING_CANCEL,
        OrderStatus.PARTIALLY_FILLED,
    }
)


class ContingencyType(StrEnum):
    """How the orders of a list depend on each other."""

    NONE = "NONE"
    OTO = "OTO"  # one triggers the others
    OCO = "OCO"  # one cancels the others
    OTOCO = "OTOCO"  # one triggers two of which one cancels the other


class SelfTradePrevention(StrEnum):
    """What happens when an order would trade against the same account."""

    DEFAULT = "DEFAULT"  # what venue and account are set to
    NONE = "NONE"
    EXPIRE_TAKER = "EXPIRE_TAKER"
    EXPIRE_MAKER = "EXPIRE_MAKER"
    EXPIRE_BOTH = "EXPIRE_BOTH"
    REDUCE = "REDUCE"


class MarginMode(StrEnum):
    """How a position is backed."""

    CROSS = "CROSS"
    ISOLATED = "ISOLATED"


class InstrumentKind(StrEnum):
    """What is traded."""

    SPOT = "SPOT"
    PERPETUAL = "PERPETUAL"
    FUTURE = "FUTURE"
    OPTION = "OPTION"
    EQUITY = "EQUITY"
    FX = "FX"
    INDEX = "INDEX"
    BOND = "BOND"
    OTHER = "OTHER"


class MarketStatus(StrEnum):
    """Whether an instrument can be traded now, and if not, why."""

    TRADING = "TRADING"
    PRE_OPEN = "PRE_OPEN"  # announced or in auction, no continuous trading yet
    PAUSED = "PAUSED"  # halted or on a break; will go on
    POST_ONLY = "POST_ONLY"
    REDUCE_ONLY = "REDUCE_ONLY"  # closing only: delisting or before delivery
    SETTLING = "SETTLING"
    CLOSED = "CLOSED"  # ended or delivered; will not go on
    NOT_AVAILABLE = "NOT_AVAILABLE"  # the venue does not list it (any more)
    UNKNOWN = "UNKNOWN"
