"""JSON members of markets, books and candles, for REST and for the streams."""

from __future__ import annotations

from typing import Any

from ..book import Book
from ..engine_order import Side
from .channels import RESOLUTIONS
from .markets import Bar, Market, fixed

__all__ = [
    "book_levels",
    "candles",
    "details_row",
    "market_row",
    "market_stats",
    "spot_stats",
    "ticker",
]

FUNDING_PERIOD_MS = 3_600_000


def market_row(market: Market) -> dict[str, Any]:
    """Return a market in the short form of `orderBooks`."""
    return {
        "symbol": market.symbol,
        "market_id": market.market_id,
        "market_type": market.kind,
        "base_asset_id": market.base_asset,
        "quote_asset_id": market.quote_asset,
        "status": market.status,
        "taker_fee": "0.0000",
        "is_taker_fee_enabled": True,
        "maker_fee": "0.0000",
        "is_maker_fee_enabled": True,
        "liquidation_fee": "1.0000",
        "min_base_amount": market.size(market.min_base),
        "min_quote_amount": fixed(market.min_quote, 6),
        "order_quote_limit": "281474976.710655",
        "supported_size_decimals": market.size_decimals,
        "supported_price_decimals": market.price_decimals,
        "supported_quote_decimals": 6,
        "created_at": "0",
        "multiplier": "1",
        "start_timestamp": 0,
        "end_timestamp": 0,
        "settlement_type": 0,
        "settlement_price": 0,
        "settlement_cap": 0,
        "outcome": 0,
        "default_price": 0,
        "operator_account_index": 0,
        "is_frozen": False,
        "open_interest": market.size(market.open_interest // 2),
    }


def details_row(market: Market) -> dict[str, Any]:
    """Return a market as `orderBookDetails` shows it (14)."""
    low, high, first, lots, quote = market.day()
    row = market_row(market) | {
        "size_decimals": market.size_decimals,
        "price_decimals": market.price_decimals,
        "last_trade_price": float(market.price(market.last_price)),
        "daily_trades_count": market.trades_count,
        "daily_base_token_volume": float(market.size(lots)),
        "daily_quote_token_volume": float(fixed(quote, 6)),
        "daily_price_low": float(market.price(low)),
        "daily_price_high": float(market.price(high)),
        "daily_price_change": _change(market, first),
        "daily_chart": {},
    }
    if market.is_spot:
        return row
    return row | {
        "quote_multiplier": 1,
        "default_initial_margin_fraction": market.default_imf,
        "min_initial_margin_fraction": market.min_imf,
        "maintenance_margin_fraction": market.maintenance_mf,
        "closeout_margin_fraction": market.closeout_mf,
        "open_interest": float(market.size(market.open_interest // 2)),
        "market_config": {
            "market_margin_mode": 0,
            "insurance_fund_account_index": 281474976710655,
            "liquidation_mode": 0,
            "force_reduce_only": False,
            "trading_hours": "",
            "funding_fee_discounts_enabled": False,
            "hidden": False,
            "rfq_enabled": True,
        },
        "strategy_index": 0,
        "funding_clamp_small": "0.0500",
        "funding_clamp_big": "4.0000",
        "base_interest_rate": "0.0100",
        "mark_price": market.price(market.mark),
        "index_price": market.price(market.mark),
        "market_flags": 0,
        "funding_premium_multiplier": 0,
    }


def _change(market: Market, first: int) -> float:
    return round((market.last_price - first) * 100 / first, 12) if first else 0.0


def _mid(market: Market, book: Book) -> str:
    bid, ask = book.best_bid, book.best_ask
    if bid is None or ask is None:
        return market.price(market.mark)
    return market.price((bid + ask) // 2)


def spot_stats(market: Market, book: Book) -> dict[str, Any]:
    """Return the members of `spot_market_stats`."""
    low, high, first, lots, quote = market.day()
    return {
        "symbol": market.symbol,
        "market_id": market.market_id,
        "index_price": market.price(market.mark),
        "mid_price": _mid(market, book),
        "last_trade_price": market.price(market.last_price),
        "daily_base_token_volume": float(market.size(lots)),
        "daily_quote_token_volume": float(fixed(quote, 6)),
        "daily_price_low": float(market.price(low)),
        "daily_price_high": float(market.price(high)),
        "daily_price_change": _change(market, first),
    }


def market_stats(market: Market, book: Book, now_ms: int) -> dict[str, Any]:
    """Return the members of `market_stats`."""
    return spot_stats(market, book) | {
        "mark_price": market.price(market.mark),
        "open_interest": market.size(market.open_interest // 2),
        "open_interest_limit": "72057594037927936.000000",
        "funding_clamp_small": "0.0500",
        "funding_clamp_big": "4.0000",
        "base_interest_rate": "0.0100",
        "current_funding_rate": "0.0012",
        "funding_rate": "0.0012",
        "funding_timestamp": now_ms - now_ms % FUNDING_PERIOD_MS,
    }


def book_levels(market: Market, levels: list[tuple[int, int]]) -> list[dict[str, str]]:
    return [{"price": market.price(ticks), "size": market.size(lots)} for ticks, lots in levels]


def ticker(market: Market, book: Book) -> dict[str, Any]:
    """Return the members of `ticker`; an empty side has empty texts."""
    sides: dict[str, dict[str, str]] = {}
    for name, side in (("a", Side.SELL), ("b", Side.BUY)):
        best = book.levels(side, 1)
        sides[name] = book_levels(market, best)[0] if best else {"price": "", "size": ""}
    return {"s": market.symbol, **sides, "last_updated_at": market.changed_us}


def candles(
    market: Market, resolution: str, start_ms: int = 0, end_ms: int = 1 << 62
) -> list[dict[str, Any]]:
    """Return the candles of a resolution that begin in [start, end), oldest first."""
    width = RESOLUTIONS[resolution]
    found: list[Bar] = []
    for bar in market.bars:
        t = bar.t - bar.t % width
        if not start_ms <= t < end_ms:
            continue
        if not found or found[-1].t != t:
            found.append(Bar(t, bar.open, bar.high, bar.low, bar.close))
        into = found[-1]
        into.high, into.low = max(into.high, bar.high), min(into.low, bar.low)
        into.close = bar.close
        into.lots += bar.lots
        into.quote += bar.quote
        into.last_trade = bar.last_trade
    return [_candle(market, bar) for bar in found]


def _candle(market: Market, bar: Bar) -> dict[str, Any]:
    prices = (bar.open, bar.high, bar.low, bar.close)
    o, h, low, c = (float(market.price(ticks)) for ticks in prices)
    return {
        "t": bar.t,
        "o": o,
        "h": h,
        "l": low,
        "c": c,
        "v": float(market.size(bar.lots)),
        "V": float(fixed(bar.quote, 6)),
        "i": bar.last_trade,
    }
