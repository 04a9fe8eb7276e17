"""From an order as the caller states it to the entry of an action, or to a denial (section 7).

====================  ==============================================================
order                 wire
====================  ==============================================================
limit                 limit, tif Gtc or Ioc; Alo where post-only
market                limit, tif Ioc, at the best price and the slippage beyond it
stop-market           trigger sl, market; its price the slippage beyond the trigger
stop-limit            trigger sl
market-if-touched     trigger tp, market; its price the slippage beyond the trigger
limit-if-touched      trigger tp
====================  ==============================================================

Everything here is local and exact. A price has at most five significant figures, so its grid
depends on how large it is; one that is off the grid is denied, or rounded where
`Config.normalize_prices` says so. Sizes are never rounded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from .._speedups.hyperliquid_signer import keccak256
from .._speedups.ticks import TickScale
from ..errors import PrecisionError
from ..execution.identity import Shape
from ..execution.planning import (
    BPS,
    CONDITIONAL,
    CONDITIONAL_MARKET,
    BestPrice,
    Denial,
    base_ticks,
    check_expressible,
    check_tradable,
    slippage_of,
)
from ..model.enums import OrderType, SelfTradePrevention, Side, TimeInForce
from ..model.instruments import Instrument
from ..model.orders import Order
from .instruments import asset_id, is_spot, size_decimals
from .numbers import FIGURES, Rounding, check_price, check_size, number_text, round_price

__all__ = [
    "CancelPlan",
    "Denial",
    "ModifyPlan",
    "OrderPlan",
    "Rules",
    "cloid_of",
    "is_cloid",
    "plan_external",
    "plan_modify",
    "plan_order",
    "price_text",
    "size_text",
]

TIF_GTC, TIF_IOC, TIF_POST_ONLY = "Gtc", "Ioc", "Alo"
_CLOID = re.compile(r"0x[0-9a-fA-F]{32}")
_LIMIT = 10**FIGURES
_STOPS = frozenset({OrderType.STOP_MARKET, OrderType.STOP_LIMIT})
_TYPES = CONDITIONAL | {OrderType.LIMIT, OrderType.MARKET}
_TIMES = (TimeInForce.GTC, TimeInForce.IOC)
_SELF_TRADE = (SelfTradePrevention.DEFAULT, SelfTradePrevention.EXPIRE_MAKER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What of the settings decides how an order becomes an action."""

    slippage_bps: int = 50
    normalize_prices: bool = False


@dataclass(frozen=True, slots=True)
class OrderPlan:
    """An order as the venue reads it.

    Attributes
    ----------
    wire : dict
        The entry of the action, keys in the venue's order.
    cloid : str or None
        Our id of it at the venue.
    size, price, trigger_price :
        What really goes out; `price` is None for an order without a limit of its own.
    slippage_bps : int or None
        What protects it where it is a market order; None: as the rules say.
    """

    wire: dict[str, Any]
    cloid: str | None
    size: Decimal
    price: Decimal | None
    trigger_price: Decimal | None
    slippage_bps: int | None = None

    @property
    def asset(self) -> int:
        """The number of its market."""
        asset: int = self.wire["a"]
        return asset

    @property
    def is_post_only(self) -> bool:
        """Whether it can only make."""
        limit = self.wire["t"].get("limit")
        return limit is not None and limit["tif"] == TIF_POST_ONLY


@dataclass(frozen=True, slots=True)
class ModifyPlan:
    """What replaces an order.

    Attributes
    ----------
    oid : int or str
        The order that goes: its oid, or its cloid.
    order : OrderPlan
        The one that comes, with its size what is left to fill.
    target : Shape
        What the caller asked for; its size includes what is filled.
    """

    oid: int | str
    order: OrderPlan
    target: Shape

    @property
    def wire(self) -> dict[str, Any]:
        """The new order as the venue reads it."""
        return self.order.wire

    @property
    def sent_size(self) -> Decimal:
        """The size of the new order."""
        return self.order.size


@dataclass(frozen=True, slots=True)
class CancelPlan:
    """An order to cancel, named by its cloid or else by its oid."""

    asset: int
    cloid: str | None = None
    oid: int | None = None


def is_cloid(text: str) -> bool:
    """Whether a text has the form of the venue's client id."""
    return _CLOID.fullmatch(text) is not None


def cloid_of(client_order_id: str) -> str:
    """Return the venue's 128-bit form of a client order id.

    One that has that form already is taken as it is, in lower case; of any other the first half
    of its Keccak-256 hash.
    """
    if is_cloid(client_order_id):
        return client_order_id.lower()
    return "0x" + keccak256(client_order_id.encode())[:16].hex()


# -- new orders --------------------------------------------------------------------------


def plan_order(
    order: Order,
    instrument: Instrument | None,
    *,
    cloid: str | None,
    best_price: BestPrice,
    rules: Rules,
) -> OrderPlan:
    """Return the entry that places an order.

    Parameters
    ----------
    best_price : callable
        For market orders, the base of the protection price.

    Raises
    ------
    Denial
        The order is not sent.
    """
    known = check_supported(order, instrument)
    assert order.size is not None
    kind, is_buy = order.order_type, order.side is Side.BUY
    size = size_text(order.size, known)
    trigger = None
    slippage_bps: int | None = None
    if kind in CONDITIONAL:
        if order.trigger_price is None:
            raise Denial(f"a {kind} order needs a trigger_price")
        trigger = _on_grid(order.trigger_price, known, "trigger_price", rules, Rounding.NEAREST)
    if kind.has_price:
        if order.price is None:
            raise Denial(f"a {kind} order needs a price")
        passive = Rounding.DOWN if is_buy else Rounding.UP
        price = _on_grid(order.price, known, "price", rules, passive)
        text = price_text(price, known)
    else:
        slippage_bps = slippage_of(order, rules.slippage_bps)
        if kind is OrderType.MARKET:
            base = known.price_scale.to_decimal(base_ticks(order, best_price))
        else:
            assert trigger is not None
            base = trigger
        price = _protection(base, order.side, slippage_bps, known)
        text = number_text(price)
    wire: dict[str, Any] = {
        "a": asset_id(known),
        "b": is_buy,
        "p": text,
        "s": size,
        "r": order.reduce_only,
        "t": _terms(order, trigger),
    }
    if cloid is not None:
        wire["c"] = cloid
    limit = price if kind.has_price else None
    return OrderPlan(wire, cloid, order.size, limit, trigger, slippage_bps)


def check_supported(order: Order, instrument: Instrument | None) -> Instrument:
    """Deny what the venue has no way to express; needs no connection."""
    kind, tif = order.order_type, order.time_in_force
    check_expressible(order)
    if kind not in _TYPES:
        raise Denial(f"order type {kind} is not supported by the venue")
    if tif not in _TIMES:
        raise Denial(f"time in force {tif} is not supported by the venue")
    if kind in CONDITIONAL:
        if tif is TimeInForce.IOC:
            raise Denial(f"a {kind} order waits for its trigger and cannot be IOC")
        if order.post_only:
            raise Denial(f"a {kind} order cannot be post-only at this venue")
    if order.self_trade_prevention not in _SELF_TRADE:
        raise Denial(
            f"self_trade_prevention {order.self_trade_prevention}: the venue always cancels the "
            "resting order"
        )
    known = check_tradable(order, instrument)
    if is_spot(known) and order.reduce_only:
        raise Denial("reduce_only has no meaning on spot markets")
    return known


def _terms(order: Order, trigger: Decimal | None) -> dict[str, Any]:
    if trigger is not None:
        return {
            "trigger": {
                "isMarket": order.order_type in CONDITIONAL_MARKET,
                "triggerPx": number_text(trigger),
                "tpsl": "sl" if order.order_type in _STOPS else "tp",
            }
        }
    if order.post_only:
        return {"limit": {"tif": TIF_POST_ONLY}}
    takes_only = order.order_type is OrderType.MARKET or order.time_in_force is TimeInForce.IOC
    return {"limit": {"tif": TIF_IOC if takes_only else TIF_GTC}}


# -- modifications -------------------------------------------------------------------------


def plan_modify(
    original: OrderPlan,
    instrument: Instrument,
    *,
    oid: int | str,
    target: Shape,
    filled: Decimal,
    rules: Rules,
) -> ModifyPlan:
    """Return the entry that replaces an order; the cloid is repeated, or the new one has none.

    Parameters
    ----------
    original : OrderPlan
        The order as it went out.
    target : Shape
        Absolute: its size includes what is filled.
    filled : Decimal
        What is filled, of all legs: the new order starts from zero.

    Raises
    ------
    Denial
        The modification is not sent.
    """
    if target.size <= filled:
        raise Denial(f"modify quantity {target.size:f} not greater than filled {filled:f}")
    is_buy = original.wire["b"]
    side = Side.BUY if is_buy else Side.SELL
    size = target.size - filled
    terms = original.wire["t"]
    trigger = terms.get("trigger")
    trigger_price: Decimal | None = None
    if trigger is not None:
        trigger_price = target.trigger_price or original.trigger_price
        assert trigger_price is not None
        trigger_price = _on_grid(
            trigger_price, instrument, "trigger_price", rules, Rounding.NEAREST
        )
        terms = {"trigger": {**trigger, "triggerPx": number_text(trigger_price)}}
    elif target.trigger_price is not None:
        raise Denial("this order has no trigger_price to change")
    price: Decimal | None = None
    if original.price is not None or trigger_price is None:
        if target.price is None:
            raise Denial("a modification needs a price")
        passive = Rounding.DOWN if is_buy else Rounding.UP
        price = _on_grid(target.price, instrument, "price", rules, passive)
        text = price_text(price, instrument)
    else:
        slippage_bps = original.slippage_bps
        if slippage_bps is None:
            slippage_bps = rules.slippage_bps
        text = number_text(_protection(trigger_price, side, slippage_bps, instrument))
    wire = {
        "a": original.wire["a"],
        "b": is_buy,
        "p": text,
        "s": size_text(size, instrument),
        "r": original.wire["r"],
        "t": terms,
    }
    if original.cloid is not None:
        wire["c"] = original.cloid
    order = OrderPlan(wire, original.cloid, size, price, trigger_price)
    return ModifyPlan(oid, order, Shape(target.size, price, trigger_price))


def plan_external(
    instrument: Instrument,
    side: Side,
    *,
    cloid: str | None = None,
    reduce_only: bool = False,
    post_only: bool = False,
) -> OrderPlan:
    """Return the plan of a limit order that was not ours, for `plan_modify` to start from."""
    terms = {"limit": {"tif": TIF_POST_ONLY if post_only else TIF_GTC}}
    wire: dict[str, Any] = {
        "a": asset_id(instrument),
        "b": side is Side.BUY,
        "p": "0",
        "s": "0",
        "r": reduce_only,
        "t": terms,
    }
    if cloid is not None:
        wire["c"] = cloid
    return OrderPlan(wire, cloid, Decimal(0), Decimal(0), None)


# -- numbers -------------------------------------------------------------------------------


def size_text(size: Decimal, instrument: Instrument) -> str:
    """Return a size as it is sent; deny one that is not on the grid, or zero."""
    scale = instrument.size_scale
    try:
        lots = _steps(size, scale)
    except PrecisionError:
        raise Denial(_reason("quantity", size, instrument)) from None
    if lots <= 0:
        raise Denial(f"quantity {size:f} is not above zero")
    return _canonical(scale.format(lots))


def price_text(price: Decimal, instrument: Instrument) -> str:
    """Return a price as it is sent; deny one that has too many figures or decimals."""
    scale = instrument.price_scale
    try:
        ticks = _steps(price, scale)
    except PrecisionError:
        raise Denial(_reason("price", price, instrument)) from None
    if ticks <= 0:
        raise Denial(f"price {price:f} is not above zero")
    text = _canonical(scale.format(ticks))
    if ticks >= _LIMIT and "." in text:  # a whole number may have any length
        while ticks % 10 == 0:
            ticks //= 10
        if ticks >= _LIMIT:
            raise Denial(_reason("price", price, instrument))
    return text


def _steps(value: Decimal, scale: TickScale) -> int:
    """Return a number in steps, exactly."""
    text = str(value)  # many times faster than as Decimal
    return scale.to_ticks(value if "E" in text else text)


def _canonical(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def _on_grid(
    price: Decimal, instrument: Instrument, what: str, rules: Rules, rounding: Rounding
) -> Decimal:
    """Return a price on the venue's grid; off it, it is rounded if the rules say so, or denied."""
    if not rules.normalize_prices:
        if what != "price":  # `price_text` sees to the price itself
            try:
                check_price(price, size_decimals(instrument), is_spot=is_spot(instrument))
            except PrecisionError as error:
                raise Denial(f"{what}: {error.reason}") from None
        return price
    try:
        return round_price(
            price, size_decimals(instrument), is_spot=is_spot(instrument), rounding=rounding
        )
    except PrecisionError as error:
        raise Denial(f"{what}: {error.reason}") from None


def _protection(base: Decimal, side: Side, slippage_bps: int, instrument: Instrument) -> Decimal:
    """Return the worst price a market order may trade at, on the grid and away from `base`."""
    is_buy = side is Side.BUY
    factor = Decimal(BPS + slippage_bps if is_buy else BPS - slippage_bps) / BPS
    try:
        return round_price(
            base * factor,
            size_decimals(instrument),
            is_spot=is_spot(instrument),
            rounding=Rounding.UP if is_buy else Rounding.DOWN,
        )
    except PrecisionError as error:
        raise Denial(f"protection price: {error.reason}") from None


def _reason(what: str, value: Decimal, instrument: Instrument) -> str:
    """Say why a number is not on the grid."""
    try:
        if what == "price":
            check_price(value, size_decimals(instrument), is_spot=is_spot(instrument))
        else:
            check_size(value, size_decimals(instrument))
    except PrecisionError as error:
        return f"{instrument.id}: {error.reason}"
    return f"{instrument.id}: {what} {value:f} is too large"
