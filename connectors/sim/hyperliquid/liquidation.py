"""Liquidation against the book, and funding."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..engine_order import EngineOrder
from ..matching import EngineFill
from .numbers import MONEY, money, signed

if TYPE_CHECKING:
    from .accounts import Account
    from .exchange import Exchange
    from .markets import Market

__all__ = ["liquidate", "liquidate_the_broke", "pay_funding"]


def liquidate_the_broke(exchange: Exchange) -> None:
    for account in list(exchange.accounts.values()):
        if account.house or not any(p.lots for p in account.positions.values()):
            continue
        if account.value(exchange.markets) < account.maintenance(exchange.markets):
            liquidate(exchange, account)


def liquidate(exchange: Exchange, account: Account, coin: str | None = None) -> None:
    """Close positions against the book; what the book cannot take goes to the house."""
    value = account.value(exchange.markets)
    for order in list(account.live.values()):
        if order.is_live:
            exchange.cancel(order, "liquidatedCanceled")
    total = 0
    for market, position in list(account.open_positions(exchange.markets)):
        if coin is not None and market.coin != coin:
            continue
        total += market.notional(market.mark, abs(position.lots))
        _close_out(exchange, account, market)
    lid = exchange.new_event_id()
    event = {
        "lid": lid,
        "liquidator": exchange.house.address,
        "liquidated_user": account.address,
        "liquidated_ntl_pos": money(total),
        "liquidated_account_value": money(value),
    }
    exchange.tell(account, "event", {"liquidation": event})


def _close_out(exchange: Exchange, account: Account, market: Market) -> None:
    exchange.new_hash()
    lots = account.lots(market.coin)
    details = {
        "liquidatedUser": account.address,
        "markPx": market.price(market.mark),
        "method": "market",
    }
    bound = 10**15 if lots < 0 else 1
    order = exchange.make(account, market, is_buy=lots < 0, px=bound, lots=abs(lots), tif="Ioc")
    order.liquidation = details
    exchange.match(order)
    rest = account.lots(market.coin)
    if rest:
        other = exchange.make(
            exchange.house, market, is_buy=rest > 0, px=market.mark, lots=abs(rest), tif="Gtc"
        )
        left = exchange.make(
            account, market, is_buy=rest < 0, px=market.mark, lots=abs(rest), tif="Ioc"
        )
        left.liquidation = {**details, "method": "backstop"}
        taker, maker = (
            EngineOrder(one.oid, market.coin, one.engine_side, one.lots, one.px, tag=one)
            for one in (left, other)
        )
        exchange.on_fill(EngineFill(market.coin, taker, maker, market.mark, abs(rest), 0, 0))
        exchange.adopt(left)
        exchange.finish(left, "filled")


def pay_funding(exchange: Exchange, market: Market, rate: str | None = None) -> None:
    """Let longs pay shorts (or the other way round) for an hour."""
    scaled = signed(rate if rate is not None else market.funding_rate)
    now_ms = exchange.clock.now_ms()
    for account in exchange.accounts.values():
        lots = account.lots(market.coin)
        if not lots:
            continue
        value = market.notional(market.mark, abs(lots)) * (1 if lots > 0 else -1)
        paid = value * scaled // 10**MONEY
        account.usd -= paid
        account.position(market.coin).funding += paid
        row = {
            "time": now_ms,
            "coin": market.coin,
            "usdc": money(-paid),
            "szi": market.size(lots),
            "fundingRate": rate if rate is not None else market.funding_rate,
            "nSamples": None,
        }
        if not account.house:
            account.fundings.append(row)
            exchange.tell(account, "event", {"funding": row})
            exchange.tell(account, "funding", row)
