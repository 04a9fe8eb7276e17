"""What is traded: identity, grid, limits and status of one instrument."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, localcontext
from types import MappingProxyType
from typing import Any

from .._speedups.errors import PrecisionError
from .._speedups.events import InstrumentBase
from .._speedups.ticks import TickScale
from ._numbers import Number, Rounding, exact
from .enums import InstrumentKind, MarketStatus, OrderType, Side, TimeInForce
from .ids import InstrumentId
from .orders import Order

__all__ = ["Instrument"]

_FIELDS = (
    "kind",
    "base",
    "quote",
    "settle",
    "pair",
    "inverse",
    "multiplier",
    "min_price",
    "max_price",
    "min_size",
    "max_size",
    "market_size_scale",
    "market_min_size",
    "market_max_size",
    "min_notional",
    "price_up",
    "price_down",
    "margin_initial",
    "margin_maintenance",
    "max_leverage",
    "max_orders",
    "max_trigger_orders",
    "order_types",
    "times_in_force",
    "status",
    "venue_status",
    "ts_listed",
    "ts_expiry",
    "info",
)
_NO_INFO: Mapping[str, Any] = MappingProxyType({})
_ONE = Decimal(1)


class Instrument(InstrumentBase):
    """One instrument of one venue. Immutable; a changed definition is a new object.

    Parameters
    ----------
    id, symbol, venue :
        Ours (`BTCUSDT-PERP`), the venue's own name (`BTCUSDT`), the venue (`BINANCE`).
    tick_size, lot_size :
        Smallest step of price and size; an int64 count of them is a price or size on the
        hot path (`price_scale`, `size_scale`).
    base, quote, settle :
        Currencies; `settle` is what margin and profit are paid in.
    pair :
        What several contracts share (`BTCUSD`); by default the symbol.
    inverse, multiplier :
        A linear contract is `multiplier` units of base; an inverse one `multiplier` units
        of quote, settled in base.
    min_price ... min_notional :
        Limits the venue enforces; None: it has no such limit. The `market_*` ones are for
        market orders and default to those of limit orders.
    price_up, price_down :
        Highest buy and lowest sell price as a multiple of the mark price.
    margin_initial, margin_maintenance :
        Fractions (0.05 is 5 %), None when not known.
    order_types, times_in_force :
        What the venue takes; empty: not known.
    ts_listed, ts_expiry :
        ns since the epoch; `ts_expiry` is None for what does not expire.
    info :
        The venue's own definition, read-only.
    """

    __slots__ = _FIELDS

    kind: InstrumentKind
    base: str
    quote: str
    settle: str
    pair: str
    inverse: bool
    multiplier: Decimal
    min_price: Decimal | None
    max_price: Decimal | None
    min_size: Decimal | None
    max_size: Decimal | None
    market_size_scale: TickScale
    market_min_size: Decimal | None
    market_max_size: Decimal | None
    min_notional: Decimal | None
    price_up: Decimal | None
    price_down: Decimal | None
    margin_initial: Decimal | None
    margin_maintenance: Decimal | None
    max_leverage: Decimal | None
    max_orders: int | None
    max_trigger_orders: int | None
    order_types: frozenset[OrderType]
    times_in_force: frozenset[TimeInForce]
    status: MarketStatus
    venue_status: str
    ts_listed: int | None
    ts_expiry: int | None
    info: Mapping[str, Any]

    def __init__(
        self,
        *,
        id: InstrumentId,
        symbol: str,
        venue: str,
        kind: InstrumentKind,
        base: str,
        quote: str,
        tick_size: Number,
        lot_size: Number,
        settle: str | None = None,
        pair: str | None = None,
        inverse: bool = False,
        multiplier: Number = _ONE,
        min_price: Decimal | None = None,
        max_price: Decimal | None = None,
        min_size: Decimal | None = None,
        max_size: Decimal | None = None,
        market_lot_size: Number | None = None,
        market_min_size: Decimal | None = None,
        market_max_size: Decimal | None = None,
        min_notional: Decimal | None = None,
        price_up: Decimal | None = None,
        price_down: Decimal | None = None,
        margin_initial: Decimal | None = None,
        margin_maintenance: Decimal | None = None,
        max_leverage: Decimal | None = None,
        max_orders: int | None = None,
        max_trigger_orders: int | None = None,
        order_types: frozenset[OrderType] = frozenset(),
        times_in_force: frozenset[TimeInForce] = frozenset(),
        status: MarketStatus = MarketStatus.TRADING,
        venue_status: str = "",
        ts_listed: int | None = None,
        ts_expiry: int | None = None,
        info: Mapping[str, Any] = _NO_INFO,
    ) -> None:
        size_scale = TickScale(lot_size)
        super().__init__(id, symbol, venue, TickScale(tick_size), size_scale)
        values: dict[str, Any] = {
            "kind": kind,
            "base": base,
            "quote": quote,
            "settle": settle or (base if inverse else quote),
            "pair": pair or symbol,
            "inverse": inverse,
            "multiplier": exact(multiplier, "multiplier"),
            "min_price": min_price,
            "max_price": max_price,
            "min_size": min_size,
            "max_size": max_size,
            "market_size_scale": TickScale(market_lot_size) if market_lot_size else size_scale,
            "market_min_size": market_min_size if market_min_size is not None else min_size,
            "market_max_size": market_max_size if market_max_size is not None else max_size,
            "min_notional": min_notional,
            "price_up": price_up,
            "price_down": price_down,
            "margin_initial": margin_initial,
            "margin_maintenance": margin_maintenance,
            "max_leverage": max_leverage,
            "max_orders": max_orders,
            "max_trigger_orders": max_trigger_orders,
            "order_types": order_types,
            "times_in_force": times_in_force,
            "status": status,
            "venue_status": venue_status or str(status),
            "ts_listed": ts_listed,
            "ts_expiry": ts_expiry,
            "info": MappingProxyType(dict(info)),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"an Instrument does not change; {name} was assigned")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"an Instrument does not change; {name} was deleted")

    def __repr__(self) -> str:
        return (
            f"<Instrument {self.id} ({self.venue} {self.symbol}) "
            f"tick {self.tick_size:f} lot {self.lot_size:f} {self.status}>"
        )

    def _state(self) -> tuple[Any, ...]:
        return (
            self.id,
            self.symbol,
            self.venue,
            self.price_scale,
            self.size_scale,
            *(getattr(self, name) for name in _FIELDS),
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Instrument):
            return NotImplemented
        return self is other or self._state() == other._state()

    def __hash__(self) -> int:
        return hash((self.venue, self.symbol))

    @property
    def tick_size(self) -> Decimal:
        """Smallest step of the price."""
        return self.price_scale.increment

    @property
    def lot_size(self) -> Decimal:
        """Smallest step of the size."""
        return self.size_scale.increment

    @property
    def is_tradable(self) -> bool:
        """Whether the venue takes ordinary orders now."""
        return self.status is MarketStatus.TRADING

    # ---- numbers ------------------------------------------------------------------------------

    def make_price(self, value: Number, *, rounding: Rounding | None = None) -> Decimal:
        """Return `value` as a price of this instrument: on the tick, within the limits.

        Parameters
        ----------
        value : Decimal, int or str
        rounding : {"down", "up", "floor", "ceiling", "half_even"}, optional
            What to do with a value off the tick. Without it such a value is refused.

        Raises
        ------
        PrecisionError
            If it is off the tick, or outside the venue's price limits.
        """
        price = self._on_grid(value, self.price_scale, "price", "tick", rounding)
        self._within(price, self.min_price, self.max_price, "price")
        return price

    def make_size(
        self, value: Number, *, rounding: Rounding | None = None, market: bool = False
    ) -> Decimal:
        """Return `value` as a size of this instrument: on the lot, within the limits.

        `market` applies the limits of market orders. Otherwise as `make_price`.
        """
        scale = self.market_size_scale if market else self.size_scale
        size = self._on_grid(value, scale, "size", "lot", rounding)
        least = self.market_min_size if market else self.min_size
        most = self.market_max_size if market else self.max_size
        self._within(size, least, most, "market order size" if market else "size")
        return size

    def notional(self, size: Decimal, price: Decimal) -> Decimal:
        """Return the value of `size` at `price`.

        In quote currency for a linear instrument; for an inverse one in its settlement
        currency (contracts x multiplier / price), to 28 digits.
        """
        with localcontext() as context:
            context.prec = 60
            if not self.inverse:
                return size * price * self.multiplier
            context.prec = 28
            return size * self.multiplier / price

    def order_problem(self, order: Order, *, reference_price: Decimal | None = None) -> str | None:
        """Say why the venue would refuse `order`, as far as its definition tells.

        Parameters
        ----------
        reference_price :
            Mark price, for the percent bounds and the notional of market orders. Without
            it those two are not checked.

        Returns
        -------
        str or None
            A sentence for an `OrderDenied`, or None when nothing is wrong.
        """
        if self.status in (MarketStatus.CLOSED, MarketStatus.NOT_AVAILABLE):
            return f"{self.id} cannot be traded: its status is {self.venue_status}"
        if self.order_types and order.order_type not in self.order_types:
            return f"{self.id} does not take {order.order_type} orders"
        if self.times_in_force and order.time_in_force not in self.times_in_force:
            return f"{self.id} does not take time in force {order.time_in_force}"
        try:
            for price in (order.price, order.trigger_price, order.activation_price):
                if price is not None:
                    self.make_price(price)
            if order.size is not None and not order.quote_size:
                self.make_size(order.size, market=not order.order_type.has_price)
        except PrecisionError as error:
            return error.reason
        return self._price_problem(order, reference_price)

    def _price_problem(self, order: Order, reference: Decimal | None) -> str | None:
        price = order.price
        if price is not None and reference is not None:
            factor = self.price_up if order.side is Side.BUY else self.price_down
            bound = reference * factor if factor is not None else price
            if (bound - price) * order.side.sign < 0:
                word = "above" if order.side is Side.BUY else "below"
                return (
                    f"{self.id}: {order.side.lower()} price {price:f} is {word} {bound:f}, "
                    f"{factor:f} times the mark price"
                )
        at = price if price is not None else order.trigger_price or reference
        if (
            self.min_notional is not None
            and order.size is not None
            and at is not None
            and not (order.reduce_only or order.close_position)
        ):
            value = order.size if order.quote_size else self.notional(order.size, at)
            if value < self.min_notional:
                return (
                    f"{self.id}: order value {value:f} is below the minimum of "
                    f"{self.min_notional:f} {self.quote}"
                )
        return None

    def _on_grid(
        self, value: Number, scale: TickScale, what: str, step: str, rounding: Rounding | None
    ) -> Decimal:
        number = exact(value, f"{self.id} {what}")
        if rounding is not None:
            return scale.to_decimal(scale.to_ticks(number, rounding=rounding))
        try:
            return scale.to_decimal(scale.to_ticks(number))
        except PrecisionError as error:
            increment = scale.increment
            lower = scale.to_ticks(number, rounding="floor")
            if lower == scale.to_ticks(number, rounding="ceiling"):
                raise PrecisionError(f"{self.id}: {error.reason}", value) from None
            raise PrecisionError(
                f"{self.id}: {what} {number:f} is not a multiple of the {step} {increment:f}; "
                f"use {scale.format(lower)} or {scale.format(lower + 1)}, or pass rounding=",
                value,
            ) from None

    def _within(
        self, number: Decimal, least: Decimal | None, most: Decimal | None, what: str
    ) -> None:
        if least is not None and number < least:
            raise PrecisionError(
                f"{self.id}: {what} {number:f} is below the minimum of {least:f}", number
            )
        if most is not None and number > most:
            raise PrecisionError(
                f"{self.id}: {what} {number:f} is above the maximum of {most:f}", number
            )
