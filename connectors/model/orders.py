"""Orders as the caller states them, the same for every venue.

An `Order` is a wish, not a state: it does not change, and what becomes of it
arrives as order events under its `client_order_id`. Build one with
`limit_order`, `market_order` and their siblings; prices and sizes are exact
(text, Decimal or int, never float) and are checked against the instrument when
the order is submitted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from ._numbers import Number, exact, exact_or_none
from .enums import (
    ContingencyType,
    OrderType,
    PositionSide,
    SelfTradePrevention,
    Side,
    TimeInForce,
    TriggerType,
)
from .ids import ClientOrderId, ClientOrderIds, InstrumentId

__all__ = [
    "Order",
    "OrderList",
    "limit_if_touched_order",
    "limit_order",
    "market_if_touched_order",
    "market_order",
    "stop_limit_order",
    "stop_market_order",
    "trailing_stop_market_order",
]

_NO_OPTIONS: Mapping[str, Any] = MappingProxyType({})
_ids = ClientOrderIds()


def _no_options() -> Mapping[str, Any]:
    return _NO_OPTIONS


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Order:
    """One order as it shall reach the venue.

    Attributes
    ----------
    instrument_id, side, order_type, size :
        `size` is in the instrument's size unit (base currency or contracts), or in quote
        currency with `quote_size`. It may be None only with `close_position`.
    price, trigger_price :
        None where the type has none.
    trailing_offset :
        Distance of a trailing stop in basis points (1 % is 100).
    activation_price :
        Where a trailing stop starts to follow; None: at once.
    expire_time :
        For GTD, ns since the epoch.
    post_only, reduce_only :
        Refuse to take; refuse to open or grow a position.
    close_position :
        Close whatever the position is when triggered, in place of a size.
    position_side :
        Which position in hedge mode; None in one-way mode.
    options :
        Venue-specific extras by name, as the venue's ExecutionClient documents them.
    """

    instrument_id: InstrumentId
    side: Side
    order_type: OrderType
    size: Decimal | None
    client_order_id: ClientOrderId
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    trigger_type: TriggerType = TriggerType.DEFAULT
    trailing_offset: Decimal | None = None
    activation_price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    expire_time: int | None = None
    post_only: bool = False
    reduce_only: bool = False
    close_position: bool = False
    quote_size: bool = False
    display_size: Decimal | None = None
    position_side: PositionSide | None = None
    self_trade_prevention: SelfTradePrevention = SelfTradePrevention.DEFAULT
    options: Mapping[str, Any] = field(default_factory=_no_options, hash=False)

    def __post_init__(self) -> None:
        if self.size is None and not self.close_position:
            raise ValueError("an order needs a size, or close_position=True")
        if self.size is not None and self.size <= 0:
            raise ValueError(f"size must be greater than zero, got {self.size}")
        if self.order_type.has_price and self.price is None and "price_match" not in self.options:
            raise ValueError(f"a {self.order_type} order needs a price")
        if self.order_type.has_trigger and self.trigger_price is None and not self.is_trailing:
            raise ValueError(f"a {self.order_type} order needs a trigger_price")
        if self.is_trailing and self.trailing_offset is None:
            raise ValueError(f"a {self.order_type} order needs a trailing_offset")
        if (self.time_in_force is TimeInForce.GTD) != (self.expire_time is not None):
            raise ValueError("expire_time goes with time_in_force GTD and only with it")
        if self.post_only and not self.order_type.has_price:
            raise ValueError(f"a {self.order_type} order cannot be post-only: it has no price")
        if self.post_only and self.time_in_force in (TimeInForce.IOC, TimeInForce.FOK):
            raise ValueError(f"post-only and {self.time_in_force} exclude each other")
        if self.options is not _NO_OPTIONS and not isinstance(self.options, MappingProxyType):
            object.__setattr__(self, "options", MappingProxyType(dict(self.options)))

    def __repr__(self) -> str:
        parts = [f"{self.side} {'all' if self.size is None else self.size} {self.instrument_id}"]
        parts.append(self.order_type)
        if self.price is not None:
            parts.append(f"at {self.price:f}")
        if self.trigger_price is not None:
            parts.append(f"trigger {self.trigger_price:f}")
        if self.trailing_offset is not None:
            parts.append(f"trailing {self.trailing_offset:f} bps")
        parts.append(self.time_in_force)
        parts += [name for name in ("post_only", "reduce_only") if getattr(self, name)]
        return f"<Order {self.client_order_id}: {' '.join(parts)}>"

    @property
    def is_trailing(self) -> bool:
        """Whether the trigger follows the market."""
        return self.order_type.is_trailing

    def with_changes(self, **changes: Any) -> Order:
        """Return a copy with some fields changed; the client order id stays unless changed."""
        return replace(self, **changes)


@dataclass(frozen=True, slots=True)
class OrderList:
    """Orders that are sent together, and how they depend on each other."""

    orders: tuple[Order, ...]
    contingency: ContingencyType = ContingencyType.NONE

    def __post_init__(self) -> None:
        if not self.orders:
            raise ValueError("an order list needs at least one order")


def limit_order(
    instrument_id: InstrumentId,
    side: Side,
    *,
    size: Number,
    price: Number,
    time_in_force: TimeInForce = TimeInForce.GTC,
    expire_time: int | None = None,
    post_only: bool = False,
    reduce_only: bool = False,
    client_order_id: ClientOrderId | None = None,
    **more: Any,
) -> Order:
    """Return an order that trades at `price` or better.

    `more` are further fields of `Order`. A missing client order id is made.
    """
    return Order(
        instrument_id=instrument_id,
        side=side,
        order_type=OrderType.LIMIT,
        size=exact(size, "size"),
        price=exact(price, "price"),
        time_in_force=time_in_force,
        expire_time=expire_time,
        post_only=post_only,
        reduce_only=reduce_only,
        client_order_id=client_order_id or _ids.next(),
        **more,
    )


def market_order(
    instrument_id: InstrumentId,
    side: Side,
    *,
    size: Number,
    reduce_only: bool = False,
    client_order_id: ClientOrderId | None = None,
    **more: Any,
) -> Order:
    """Return an order that trades at once at whatever price there is."""
    return Order(
        instrument_id=instrument_id,
        side=side,
        order_type=OrderType.MARKET,
        size=exact(size, "size"),
        reduce_only=reduce_only,
        client_order_id=client_order_id or _ids.next(),
        **more,
    )


def stop_market_order(
    instrument_id: InstrumentId, side: Side, *, trigger_price: Number, **more: Any
) -> Order:
    """Return an order that becomes a market order when the market moves against it.

    Takes `size=` or `close_position=True`, and further fields of `Order`.
    """
    return _triggered(OrderType.STOP_MARKET, instrument_id, side, trigger_price, None, more)


def stop_limit_order(
    instrument_id: InstrumentId, side: Side, *, trigger_price: Number, price: Number, **more: Any
) -> Order:
    """Return an order that becomes a limit order when the market moves against it."""
    return _triggered(OrderType.STOP_LIMIT, instrument_id, side, trigger_price, price, more)


def market_if_touched_order(
    instrument_id: InstrumentId, side: Side, *, trigger_price: Number, **more: Any
) -> Order:
    """Return an order that becomes a market order when the market moves in its favour.

    Venues also call it take-profit. Takes `size=` or `close_position=True`.
    """
    return _triggered(OrderType.MARKET_IF_TOUCHED, instrument_id, side, trigger_price, None, more)


def limit_if_touched_order(
    instrument_id: InstrumentId, side: Side, *, trigger_price: Number, price: Number, **more: Any
) -> Order:
    """Return an order that becomes a limit order when the market moves in its favour."""
    return _triggered(OrderType.LIMIT_IF_TOUCHED, instrument_id, side, trigger_price, price, more)


def trailing_stop_market_order(
    instrument_id: InstrumentId,
    side: Side,
    *,
    trailing_offset: Number,
    activation_price: Number | None = None,
    size: Number | None = None,
    client_order_id: ClientOrderId | None = None,
    **more: Any,
) -> Order:
    """Return a stop whose trigger follows the market at `trailing_offset` basis points."""
    return Order(
        instrument_id=instrument_id,
        side=side,
        order_type=OrderType.TRAILING_STOP_MARKET,
        size=exact_or_none(size, "size"),
        trailing_offset=exact(trailing_offset, "trailing_offset"),
        activation_price=exact_or_none(activation_price, "activation_price"),
        client_order_id=client_order_id or _ids.next(),
        **more,
    )


def _triggered(
    order_type: OrderType,
    instrument_id: InstrumentId,
    side: Side,
    trigger_price: Number,
    price: Number | None,
    more: dict[str, Any],
) -> Order:
    return Order(
        instrument_id=instrument_id,
        side=side,
        order_type=order_type,
        size=exact_or_none(more.pop("size", None), "size"),
        price=exact_or_none(price, "price"),
        trigger_price=exact(trigger_price, "trigger_price"),
        client_order_id=more.pop("client_order_id", None) or _ids.next(),
        **more,
    )
