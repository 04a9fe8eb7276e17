"""From an order as the caller states it to the fields of a transaction, or to a denial.

Everything here is local and exact: no binary float, no network. What the venue would certainly
refuse is denied before it costs a nonce (section 8.2 of the venue's rules); the texts name what to
change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal, localcontext
from typing import Any

from .._speedups.ticks import TickScale
from ..errors import PrecisionError
from ..execution.planning import (
    CONDITIONAL,
    CONDITIONAL_MARKET,
    BestPrice,
    Denial,
    base_ticks,
    check_expressible,
    check_tradable,
    protection_ticks,
    slippage_of,
)
from ..model.enums import InstrumentKind, OrderType, SelfTradePrevention, Side, TimeInForce
from ..model.instruments import Instrument
from ..model.orders import Order
from ..net.clock import NS_PER_MS
from .instruments import market_index
from .statuses import ORDER_TYPES, TIF_GTT, TIF_IOC, TIF_POST_ONLY
from .transactions import Attribute, GroupingType

__all__ = [
    "INDEXES_PER_MS",
    "INDEX_EPOCH_MS",
    "MAX_CLIENT_INDEX",
    "Denial",
    "Plan",
    "Rules",
    "group_fields",
    "plan_modify",
    "plan_order",
    "protection_ticks",
]

MAX_PRICE = 2**32 - 1
MAX_AMOUNT = 2**48 - 1
MAX_CLIENT_INDEX = 2**48 - 1
INDEX_EPOCH_MS = 1_735_689_600_000  # 2025-01-01: the client indexes we make count from here
INDEXES_PER_MS = 64
DEFAULT_LIFE_MS = 28 * 86_400_000
MIN_LIFE_MS = 5 * 60_000
MAX_LIFE_MS = 30 * 86_400_000
_SELF_TRADE = {
    SelfTradePrevention.EXPIRE_MAKER: 0,
    SelfTradePrevention.EXPIRE_TAKER: 1,
    SelfTradePrevention.EXPIRE_BOTH: 2,
    SelfTradePrevention.REDUCE: 3,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What of the settings decides how an order becomes a transaction."""

    slippage_bps: int = 50
    strict: bool = False
    integrator_index: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A transaction that is complete but for its nonce and its life time."""

    tx_type: int
    fields: dict[str, Any]
    attributes: dict[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Grid:
    """What an instrument's definition says about orders, as integers.

    `min_lots` is the least size; `min_value` the least product of ticks and lots.
    """

    market_index: int
    price_scale: TickScale
    size_scale: TickScale
    min_lots: int
    min_value: int
    is_spot: bool


_GRIDS: dict[int, tuple[Instrument, Grid]] = {}
MAX_GRIDS = 10_000


def grid_of(instrument: Instrument) -> Grid:
    """Return the grid of an instrument, worked out once."""
    held = _GRIDS.get(id(instrument))  # by identity: comparing definitions takes microseconds
    if held is not None and held[0] is instrument:
        return held[1]
    grid = _grid(instrument)
    if len(_GRIDS) >= MAX_GRIDS:
        _GRIDS.clear()
    _GRIDS[id(instrument)] = (instrument, grid)
    return grid


def _grid(instrument: Instrument) -> Grid:
    price, size = instrument.price_scale, instrument.size_scale
    with localcontext() as context:
        context.prec = 60
        unit = price.increment * size.increment
        least = (instrument.min_notional or Decimal(0)) / unit
        min_value = int(least.to_integral_value(ROUND_CEILING))
    return Grid(
        market_index=market_index(instrument),
        price_scale=price,
        size_scale=size,
        min_lots=size.to_ticks(instrument.min_size or Decimal(0), rounding="ceiling"),
        min_value=min_value,
        is_spot=instrument.kind is InstrumentKind.SPOT,
    )


def plan_order(
    order: Order,
    instrument: Instrument | None,
    *,
    client_index: int,
    now_ns: int,
    best_price: BestPrice,
    rules: Rules,
) -> Plan:
    """Return the transaction (type 14) that places the order.

    Parameters
    ----------
    client_index : int
        Our number of the order, 1 to 2**48 - 1.
    best_price : callable
        For market orders, the base of the protection price.

    Raises
    ------
    Denial
        The order is not sent.
    """
    check_supported(order, instrument)
    assert instrument is not None
    grid = grid_of(instrument)
    size_lots = _size(order, instrument, grid, rules)
    trigger_ticks = 0
    if order.order_type in CONDITIONAL:
        trigger_ticks = _trigger(order, instrument, rules)
    price_ticks = _price(order, instrument, rules, trigger_ticks, best_price)
    if size_lots * price_ticks < grid.min_value:
        raise _too_small(instrument, size_lots, price_ticks)
    tif, expiry_ms = _life(order, now_ns // NS_PER_MS)
    return Plan(
        14,
        {
            "MarketIndex": grid.market_index,
            "ClientOrderIndex": client_index,
            "BaseAmount": size_lots,
            "Price": price_ticks,
            "IsAsk": int(order.side is Side.SELL),
            "Type": ORDER_TYPES[order.order_type],
            "TimeInForce": tif,
            "ReduceOnly": int(order.reduce_only),
            "TriggerPrice": trigger_ticks,
            "OrderExpiry": expiry_ms,
        },
        _attributes(order, rules),
    )


def check_supported(order: Order, instrument: Instrument | None) -> None:
    """Deny what the venue has no way to express; needs no connection."""
    kind, tif = order.order_type, order.time_in_force
    check_expressible(order)
    if kind not in ORDER_TYPES:
        raise Denial(f"order type {kind} is not supported by the venue")
    if kind is OrderType.MARKET and tif not in (TimeInForce.GTC, TimeInForce.IOC):
        raise Denial(f"time in force {tif} does not go with a market order")
    if kind in CONDITIONAL_MARKET and tif is TimeInForce.IOC:
        raise Denial(f"a {kind} order needs a positive expiry and cannot be IOC")
    if order.self_trade_prevention is SelfTradePrevention.NONE:
        raise Denial("self_trade_prevention NONE is not supported by the venue")
    if instrument is None:
        is_spot = order.instrument_id.endswith("-SPOT")
    else:
        is_spot = instrument.kind is InstrumentKind.SPOT
    if is_spot and kind in CONDITIONAL:
        raise Denial(f"{kind} orders are not supported on spot markets")
    if is_spot and order.reduce_only:
        raise Denial("reduce_only has no meaning on spot markets")
    check_tradable(order, instrument)


# -- sizes and prices ------------------------------------------------------------------


def scaled(value: Decimal, scale: TickScale, what: str, *, strict: bool) -> int:
    """Return `value` in steps, truncated toward zero; off the grid is a Denial if `strict`."""
    try:
        return scale.to_ticks(str(value))  # as text: many times faster than as Decimal
    except PrecisionError:
        pass
    try:
        return scale.to_ticks(value) if strict else scale.to_ticks(value, rounding="down")
    except PrecisionError as error:
        raise Denial(
            f"{what} {value:f} does not fit the step {scale.increment:f}: {error}"
        ) from None


def _size(order: Order, instrument: Instrument, grid: Grid, rules: Rules) -> int:
    assert order.size is not None
    lots = scaled(order.size, grid.size_scale, "quantity", strict=rules.strict)
    if not grid.min_lots <= lots <= MAX_AMOUNT or lots < 1:
        raise _bad_size(order.size, lots, instrument)
    return lots


def _bad_size(size: Decimal, lots: int, instrument: Instrument) -> Denial:
    if lots < 1:
        return Denial(
            f"quantity {size:f} is zero at the precision of {instrument.id} "
            f"(step {instrument.lot_size:f})"
        )
    if lots > MAX_AMOUNT:
        return Denial(f"quantity {size:f} is above the largest base amount")
    return Denial(
        f"quantity {size:f} is below the min_base_amount {instrument.min_size:f} of {instrument.id}"
    )


def _trigger(order: Order, instrument: Instrument, rules: Rules) -> int:
    trigger = order.trigger_price
    if trigger is None:
        raise Denial(f"a {order.order_type} order needs a trigger_price")
    ticks = scaled(trigger, instrument.price_scale, "trigger_price", strict=rules.strict)
    check_ticks(ticks, trigger, "trigger_price", instrument)
    return ticks


def check_ticks(ticks: int, value: Decimal, what: str, instrument: Instrument) -> None:
    """Deny a price that the venue cannot hold."""
    if ticks < 1:
        raise Denial(
            f"{what} {value:f} is not above zero at the precision of {instrument.id} "
            f"(tick {instrument.tick_size:f})"
        )
    if ticks > MAX_PRICE:
        raise Denial(f"{what} {value:f} is above the largest price of the venue")


def _price(
    order: Order, instrument: Instrument, rules: Rules, trigger_ticks: int, best: BestPrice
) -> int:
    if order.price is not None and order.order_type.has_price:
        ticks = scaled(order.price, instrument.price_scale, "price", strict=rules.strict)
        check_ticks(ticks, order.price, "price", instrument)
        return ticks
    base = trigger_ticks
    if order.order_type is OrderType.MARKET:
        base = base_ticks(order, best)
    ticks = protection_ticks(base, order.side, slippage_of(order, rules.slippage_bps))
    check_ticks(ticks, instrument.price_scale.to_decimal(ticks), "protection price", instrument)
    return ticks


def _too_small(instrument: Instrument, lots: int, ticks: int) -> Denial:
    value = instrument.size_scale.to_decimal(lots) * instrument.price_scale.to_decimal(ticks)
    return Denial(
        f"order value {value:f} is below the min_quote_amount {instrument.min_notional:f} "
        f"of {instrument.id}"
    )


# -- life time and attributes ----------------------------------------------------------


def _life(order: Order, now_ms: int) -> tuple[int, int]:
    """Return the wire's time in force and the expiry in Unix ms (section 8.5)."""
    kind, tif = order.order_type, order.time_in_force
    if kind is OrderType.MARKET or (kind is OrderType.LIMIT and tif is TimeInForce.IOC):
        return TIF_IOC, 0
    if order.expire_time is None:
        expiry_ms = now_ms + DEFAULT_LIFE_MS
    else:
        expiry_ms = order.expire_time // NS_PER_MS
        if not MIN_LIFE_MS <= expiry_ms - now_ms <= MAX_LIFE_MS:
            raise Denial("expiry must be 5 minutes to 30 days ahead")
    if order.post_only:
        return TIF_POST_ONLY, expiry_ms
    if kind in CONDITIONAL_MARKET or tif is TimeInForce.IOC:
        return TIF_IOC, expiry_ms
    return TIF_GTT, expiry_ms


def _attributes(order: Order, rules: Rules) -> dict[int, int] | None:
    found: dict[int, int] = {}
    if rules.integrator_index is not None:
        found[Attribute.INTEGRATOR_ACCOUNT_INDEX] = rules.integrator_index
    mode = _SELF_TRADE.get(order.self_trade_prevention)
    if mode is not None:
        found[Attribute.SELF_TRADE_BEHAVIOR_MODE] = mode
    return found or None


# -- modifications and groups ----------------------------------------------------------


def plan_modify(
    instrument: Instrument,
    *,
    index: int,
    side: Side,
    order_type: OrderType,
    size: Decimal,
    price: Decimal | None,
    trigger_price: Decimal | None,
    rules: Rules,
) -> Plan:
    """Return the transaction (type 17) that changes an order; every value is absolute.

    `size` is the new total, what is filled included. The price of a conditional market order
    follows from its trigger.

    Raises
    ------
    Denial
        The modification is not sent.
    """
    grid = grid_of(instrument)
    lots = scaled(size, grid.size_scale, "quantity", strict=rules.strict)
    if not grid.min_lots <= lots <= MAX_AMOUNT or lots < 1:
        raise _bad_size(size, lots, instrument)
    trigger_ticks = 0
    if trigger_price is not None:
        scale = instrument.price_scale
        trigger_ticks = scaled(trigger_price, scale, "trigger_price", strict=rules.strict)
        check_ticks(trigger_ticks, trigger_price, "trigger_price", instrument)
    if order_type in CONDITIONAL_MARKET:
        ticks = protection_ticks(trigger_ticks, side, rules.slippage_bps)
        price = instrument.price_scale.to_decimal(ticks)
    elif price is None:
        raise Denial("a modification needs a price")
    else:
        ticks = scaled(price, instrument.price_scale, "price", strict=rules.strict)
    check_ticks(ticks, price, "price", instrument)
    return Plan(
        17,
        {
            "MarketIndex": grid.market_index,
            "Index": index,
            "BaseAmount": lots,
            "Price": ticks,
            "TriggerPrice": trigger_ticks,
        },
        _integrator(rules),
    )


def _integrator(rules: Rules) -> dict[int, int] | None:
    if rules.integrator_index is None:
        return None
    return {Attribute.INTEGRATOR_ACCOUNT_INDEX: rules.integrator_index}


def group_fields(grouping: GroupingType, orders: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the fields of a group (type 28) from those of its orders.

    The children of an OTO or OTOCO take their size from the parent: theirs goes out as 0.
    """
    legs = [dict(fields) for fields in orders]
    if grouping in (GroupingType.ONE_TRIGGERS_THE_OTHER, GroupingType.ONE_TRIGGERS_A_PAIR):
        for child in legs[1:]:
            child["BaseAmount"] = 0
    return {"GroupingType": int(grouping), "Orders": legs}
