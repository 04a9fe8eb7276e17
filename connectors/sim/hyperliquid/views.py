"""The venue's state in the shapes of `/info` and the streams."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from ..engine_order import Side
from .markets import DEXES, TOKENS, meta
from .numbers import MONEY, money, show

if TYPE_CHECKING:
    from .accounts import Account, Position
    from .exchange import Exchange
    from .markets import Market

__all__ = [
    "active_asset_data",
    "asset_ctx",
    "balances",
    "bbo",
    "book",
    "clearinghouse",
    "ctxs",
    "mids",
    "open_orders",
]

RATIO = 7
DEEP, SHALLOW = 20, 5


# -- books -----------------------------------------------------------------------------------


def _rows(
    exchange: Exchange, market: Market, side: Side, depth: int, step: int | None = None
) -> list[dict[str, Any]]:
    """Return levels best first; with a step, prices are widened away from the middle."""
    engine_book = exchange.engine.book(market.coin)
    counts = Counter(order.price_ticks for order in engine_book.orders() if order.side is side)
    rows: list[list[int]] = []
    for px, lots in engine_book.levels(side, depth if step is None else None):
        shown = px
        if step is not None:
            shown = px // step * step if side is Side.BUY else -(-px // step) * step
        if rows and rows[-1][0] == shown:
            rows[-1][1] += lots
            rows[-1][2] += counts[px]
        elif len(rows) == depth:
            break
        else:
            rows.append([shown, lots, counts[px]])
    return [{"px": market.price(px), "sz": market.size(sz), "n": n} for px, sz, n in rows]


def book(
    exchange: Exchange,
    market: Market,
    *,
    figures: int | None = None,
    mantissa: int | None = None,
    fast: bool = False,
) -> dict[str, Any]:
    """Return an `l2Book`."""
    depth = SHALLOW if fast else DEEP
    step = None
    if figures is not None:
        digits = len(str(market.mark))
        step = max(10 ** max(digits - figures, 0) * (mantissa or 1), 1)
    return {
        "coin": market.coin,
        "time": exchange.clock.now_ms(),
        "levels": [
            _rows(exchange, market, Side.BUY, depth, step),
            _rows(exchange, market, Side.SELL, depth, step),
        ],
    }


def bbo(exchange: Exchange, market: Market) -> list[dict[str, Any] | None]:
    sides = (_rows(exchange, market, side, 1) for side in (Side.BUY, Side.SELL))
    return [rows[0] if rows else None for rows in sides]


def mid(exchange: Exchange, market: Market) -> str:
    """Return the middle of the book, the mark where it has one side or none."""
    engine_book = exchange.engine.book(market.coin)
    bid, ask = engine_book.best_bid, engine_book.best_ask
    if bid is None or ask is None:
        return market.price(market.mark)
    return show((bid + ask) * 5, market.px_decimals + 1)


def mids(exchange: Exchange, dex: str = "") -> dict[str, str]:
    """Return all mids of a dex; the first dex comes with spot."""
    return {
        market.coin: mid(exchange, market)
        for market in exchange.markets.values()
        if market.dex == dex and not market.delisted
    }


def asset_ctx(exchange: Exchange, market: Market) -> dict[str, Any]:
    """Return a market's context."""
    common: dict[str, Any] = {
        "prevDayPx": market.price(market.reference),
        "dayNtlVlm": money(market.volume),
        "markPx": market.price(market.mark),
        "midPx": mid(exchange, market),
        "dayBaseVlm": market.size(market.base_volume),
    }
    if market.is_spot:
        return {
            **common,
            "circulatingSupply": "333928180.1",
            "coin": market.coin,
            "totalSupply": "999000000.0",
        }
    engine_book = exchange.engine.book(market.coin)
    bid, ask = engine_book.best_bid, engine_book.best_ask
    held = sum(max(account.lots(market.coin), 0) for account in exchange.accounts.values())
    oracle = market.mark if market.oracle is None else market.oracle
    impact = None if bid is None or ask is None else [market.price(bid), market.price(ask)]
    return {
        "funding": market.funding_rate,
        "openInterest": market.size(held),
        "premium": show((market.mark - oracle) * 10**10 // oracle, 10),
        "oraclePx": market.price(oracle),
        "impactPxs": impact,
        **common,
    }


def ctxs(exchange: Exchange, dex: str) -> list[dict[str, Any]]:
    return [
        asset_ctx(exchange, market)
        for market in exchange.markets.values()
        if not market.is_spot and market.dex == dex
    ]


def spot_ctxs(exchange: Exchange) -> list[dict[str, Any]]:
    return [asset_ctx(exchange, market) for market in exchange.markets.values() if market.is_spot]


# -- accounts --------------------------------------------------------------------------------


def _summary(exchange: Exchange, account: Account, pairs: list[tuple[Market, Position]]) -> Any:
    value = account.usd + sum(position.profit(market) for market, position in pairs)
    total = raw = used = 0
    for market, position in pairs:
        notional = market.notional(market.mark, abs(position.lots))
        total += notional
        raw += notional if position.lots > 0 else -notional
        used += account.margin_of(market, position)
    return {
        "accountValue": money(value),
        "totalNtlPos": money(total),
        "totalRawUsd": money(value - raw),
        "totalMarginUsed": money(used),
    }


def _position(account: Account, market: Market, position: Position, value: int) -> dict[str, Any]:
    leverage, is_cross = account.leverage_of(market)
    lots = abs(position.lots)
    notional = market.notional(market.mark, lots)
    profit = position.profit(market)
    kind: dict[str, Any] = {"type": "cross" if is_cross else "isolated", "value": leverage}
    if not is_cross:
        kind["rawUsd"] = money(account.margin_of(market, position) - notional)
    unit = market.notional(1, 1)
    entry = show(position.entry * 10 // (unit * lots), market.px_decimals + 1)
    invested = position.entry // leverage
    return {
        "type": "oneWay",
        "position": {
            "coin": market.coin,
            "szi": market.size(position.lots),
            "leverage": kind,
            "entryPx": entry,
            "positionValue": money(notional),
            "unrealizedPnl": money(profit),
            "returnOnEquity": show(profit * 10**RATIO // invested if invested else 0, RATIO),
            "liquidationPx": _liquidation_px(market, position, value),
            "marginUsed": money(account.margin_of(market, position)),
            "maxLeverage": market.max_leverage,
            "cumFunding": {
                "allTime": money(position.funding),
                "sinceOpen": money(position.funding),
                "sinceChange": money(position.funding),
            },
        },
    }


def _liquidation_px(market: Market, position: Position, value: int) -> str | None:
    """Return about where the account value meets the maintenance margin of this position alone."""
    unit = market.notional(1, 1) * abs(position.lots)
    sign = 1 if position.lots > 0 else -1
    maintenance = market.notional(market.mark, abs(position.lots)) // (2 * market.max_leverage)
    px = market.mark - sign * (value - maintenance) // unit
    return market.price(px) if px > 0 else None


def clearinghouse(exchange: Exchange, account: Account, dex: str = "") -> dict[str, Any]:
    """Return `clearinghouseState` of a dex (the builder dexes share the balance)."""
    pairs = list(account.open_positions(exchange.markets, dex))
    cross = [pair for pair in pairs if account.leverage_of(pair[0])[1]]
    value = account.value(exchange.markets)
    kept = sum(
        market.notional(market.mark, abs(position.lots)) // (2 * market.max_leverage)
        for market, position in cross
    )
    return {
        "marginSummary": _summary(exchange, account, pairs),
        "crossMarginSummary": _summary(exchange, account, cross),
        "crossMaintenanceMarginUsed": money(kept),
        "withdrawable": money(max(account.free(exchange.markets), 0)),
        "assetPositions": [_position(account, m, p, value) for m, p in pairs],
        "time": exchange.clock.now_ms(),
    }


def all_clearinghouses(exchange: Exchange, account: Account) -> list[Any]:
    return [[dex, clearinghouse(exchange, account, dex)] for dex in DEXES]


def balances(account: Account) -> dict[str, Any]:
    """Return `spotClearinghouseState`."""
    return {
        "balances": [
            {
                "coin": token.name,
                "token": token.index,
                "total": money(account.spot[token.name]),
                "hold": money(account.hold(token.name)),
                "entryNtl": "0.0",
            }
            for token in TOKENS
            if token.name in account.spot
        ]
    }


def open_orders(
    exchange: Exchange, account: Account, dex: str = "", *, frontend: bool = False
) -> list[dict[str, Any]]:
    """Return live orders, newest first; children that wait for their parent are inside it."""
    orders = [
        order
        for order in account.live.values()
        if order.market.dex == dex and order.state != "waiting"
    ]
    orders.sort(key=lambda order: -order.oid)
    return [order.frontend() if frontend else order.basic() for order in orders]


def active_asset_data(exchange: Exchange, account: Account, market: Market) -> dict[str, Any]:
    leverage, is_cross = account.leverage_of(market)
    free = max(account.free(exchange.markets), 0)
    unit = market.notional(market.mark, 1)
    lots = account.lots(market.coin)
    buy, sell = (free * leverage // unit + 2 * max(sign * lots, 0) for sign in (-1, 1))
    return {
        "user": account.address,
        "coin": market.coin,
        "leverage": {"type": "cross" if is_cross else "isolated", "value": leverage},
        "maxTradeSzs": [market.size(buy), market.size(sell)],
        "availableToTrade": [show(free, MONEY), show(free, MONEY)],
        "markPx": market.price(market.mark),
    }


def web_data(exchange: Exchange, account: Account) -> dict[str, Any]:
    """Return the aggregate of `webData2`."""
    return {
        "clearinghouseState": clearinghouse(exchange, account),
        "leadingVaults": [],
        "totalVaultEquity": "0.0",
        "openOrders": open_orders(exchange, account, frontend=True),
        "agentAddress": next(iter(account.agents), None),
        "agentValidUntil": None,
        "cumLedger": "0.0",
        "meta": meta(exchange.markets, ""),
        "assetCtxs": ctxs(exchange, ""),
        "serverTime": exchange.clock.now_ms(),
        "isVault": account.role == "vault",
        "user": account.address,
        "twapStates": [[twap.twap_id, twap.state()] for twap in exchange.twaps.of(account)],
        "spotState": balances(account),
        "spotAssetCtxs": spot_ctxs(exchange),
    }
