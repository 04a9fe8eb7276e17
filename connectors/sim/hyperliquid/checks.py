"""What is refused on entry: crossing, reducing, margin, balance (5.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import OrderError
from .orders import Order

if TYPE_CHECKING:
    from .exchange import Exchange
    from .markets import Market

__all__ = ["check_funds", "precheck"]


def precheck(exchange: Exchange, order: Order, replacing: Order | None = None) -> None:
    """Refuse what would be refused on entry. Raises OrderError; changes nothing."""
    account, market = order.account, order.market
    if order.cloid is not None:
        other = account.by_cloid.get(order.cloid)
        if other is not None and other is not replacing:
            raise OrderError("Order has a client order id that is in use already.")
    if order.reduce_only and not market.is_spot and order.trigger is None:
        side = 1 if order.is_buy else -1
        if account.lots(market.coin) * side >= 0:
            text = "Reduce only order would increase position."
            raise OrderError(text, "reduceOnlyRejected")
    if order.trigger is not None:
        if order.trigger.fires(market.mark, is_buy=order.is_buy):
            raise OrderError("Invalid TP/SL price.", "badTriggerPxRejected")
        return
    book = exchange.engine.book(market.coin)
    takes = book.would_take(order.engine_side, order.px)
    if order.tif == "Alo" and takes:
        raise OrderError(_crossing_text(exchange, market), "badAloPxRejected")
    if order.tif in ("Ioc", "FrontendMarket") and not takes:
        if order.tif == "FrontendMarket":
            text = "No liquidity available for market order."
            raise OrderError(text, "marketOrderNoLiquidityRejected")
        text = "Order could not immediately match against any resting orders."
        raise OrderError(text, "iocCancelRejected")
    if not account.house:
        check_funds(exchange, order, replacing)


def _crossing_text(exchange: Exchange, market: Market) -> str:
    book = exchange.engine.book(market.coin)
    bid, ask = ("-" if px is None else market.price(px) for px in (book.best_bid, book.best_ask))
    return f"Post only order would have immediately matched, bbo was {bid}@{ask}."


def check_funds(exchange: Exchange, order: Order, replacing: Order | None = None) -> None:
    account, market = order.account, order.market
    freed = replacing if replacing is not None and replacing.resting else None
    if market.is_spot:
        assert market.base is not None
        assert market.quote is not None
        token = market.quote.name if order.is_buy else market.base.name
        have = account.available(token)
        need = _spot_need(order)
        if freed is not None and freed.market is market and freed.is_buy == order.is_buy:
            have += _spot_need(freed)
        if need > have:
            text = "Order has insufficient spot balance to trade"
            raise OrderError(text, "insufficientSpotBalanceRejected")
        return
    lots = account.lots(market.coin)
    closing = max(-lots * (1 if order.is_buy else -1), 0)
    opening = max(order.lots - closing, 0)
    if order.reduce_only or not opening:
        return
    leverage, _ = account.leverage_of(market)
    have = account.free(exchange.markets)
    if freed is not None and not freed.reduce_only and not freed.market.is_spot:
        held, _ = account.leverage_of(freed.market)
        have += freed.market.notional(freed.px, freed.open_lots) // held
    if market.notional(order.px, opening) // leverage > have:
        raise OrderError("Insufficient margin to place order.", "perpMarginRejected")


def _spot_need(order: Order) -> int:
    market = order.market
    if order.is_buy:
        return market.notional(order.px, order.open_lots)
    return market.base_amount(order.open_lots)
