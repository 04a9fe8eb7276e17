"""Orders read from the wire: asset, grid, notional, price band (5.3, 6.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .errors import OrderError
from .markets import Market
from .numbers import MONEY
from .orders import Order, Trigger

if TYPE_CHECKING:
    from .accounts import Account
    from .exchange import Exchange

__all__ = ["OPEN_ORDERS", "read_order"]

MIN_NOTIONAL = 10 * 10**MONEY
OPEN_ORDERS = 1_000
OPEN_ORDERS_MOST = 5_000
VOLUME_PER_ORDER = 5_000_000 * 10**MONEY


def read_order(
    exchange: Exchange,
    account: Account,
    wire: Mapping[str, Any],
    *,
    position_tpsl: bool = False,
    builder: tuple[str, int] | None = None,
) -> Order:
    """Return the order a canonical wire describes, not placed yet.

    Raises
    ------
    OrderError
        It breaks a rule that needs no look at the book.
    """
    market = exchange.by_asset.get(wire["a"])
    if market is None or market.delisted:
        raise OrderError(f"Asset {wire['a']} is not a valid asset.")
    px = _price(market, wire["p"], "tickRejected")
    kind = wire["t"]
    trigger = None
    if "trigger" in kind:
        inner = kind["trigger"]
        trigger_px = _price(market, inner["triggerPx"], "badTriggerPxRejected")
        trigger = Trigger(trigger_px, inner["isMarket"], inner["tpsl"])
    lots = market.read_size(wire["s"])
    if lots is None or (lots <= 0 and not position_tpsl):
        raise OrderError("Order has invalid size.", "rejected")
    tif = "Gtc" if trigger is not None else kind["limit"]["tif"]
    order = exchange.make(
        account, market, is_buy=wire["b"], px=px, lots=lots, tif=tif, trigger=trigger,
        reduce_only=wire["r"],
    )  # fmt: skip
    order.cloid = wire.get("c")
    order.builder = builder
    order.position_tpsl = position_tpsl
    if not position_tpsl and not order.reduce_only:
        _check_notional(market, order)
    if builder is not None and account.builder_fees.get(builder[0], 0) < builder[1]:
        error = OrderError("Builder fee has not been approved.", "rejected")
        raise _refused(exchange, order, error)
    band = exchange.config.price_band
    if band and trigger is None and abs(px - market.mark) > band * market.mark:
        text = "Order price cannot be more than 80% away from the reference price"
        raise _refused(exchange, order, OrderError(text, "oracleRejected"))
    if "open_orders" in exchange.config.limits:
        most = min(OPEN_ORDERS + account.volume // VOLUME_PER_ORDER, OPEN_ORDERS_MOST)
        if len(account.live) >= most:
            raise OrderError(f"Too many open orders: at most {most}.")
    return order


def _check_notional(market: Market, order: Order) -> None:
    px = order.px if order.trigger is None else order.trigger.px
    if market.notional(px, order.lots) >= MIN_NOTIONAL:
        return
    if market.is_spot:
        assert market.quote is not None
        text = f"Order must have minimum value of 10 {market.quote.name}."
        raise OrderError(text, "minTradeSpotNtlRejected")
    raise OrderError("Order must have minimum value of $10.", "minTradeNtlRejected")


def _price(market: Market, text: str, status: str) -> int:
    px = market.read_price(text)
    if px is None:
        bad = text.startswith("-") or not text.strip("0.")
        reason = "Order has invalid price." if bad else "Price must be divisible by tick size."
        raise OrderError(reason, status)
    return px


def _refused(exchange: Exchange, order: Order, error: OrderError) -> OrderError:
    exchange.refuse(order, error)
    return error
