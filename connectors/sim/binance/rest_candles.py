"""Candle endpoints of both products (14.1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..clock import SimClock
from .candles import Candle, bucket_ms, next_bucket_ms
from .feed import Feed
from .market import Market
from .names import INTERVALS
from .params import Params
from .types import ApiError, Cost, Product, fixed_text

__all__ = ["CandleRest", "find_feed", "page_limit"]

MAX_CANDLES = 1_500
MAX_LOOK_BACK = 20 * MAX_CANDLES

Answer = tuple[Any, Cost]
Handler = Callable[[Product, Params], Answer]


def find_feed(market: Market, product: Product, symbol: str) -> Feed:
    """Return a listed contract of the product. Raises ApiError -1121 for any other symbol."""
    feed = market.feeds.get(symbol)
    if feed is None or feed.rules.product is not product:
        raise ApiError(-1121, "Invalid symbol.")
    return feed


def page_limit(params: Params, default: int, largest: int) -> int:
    """Read `limit`; a larger one than the largest gives the largest."""
    limit = params.integer("limit")
    if limit is None:
        return default
    if limit <= 0:
        raise ApiError(-1130, "Data sent for parameter 'limit' is not valid.")
    return min(limit, largest)


class CandleRest:
    """Klines of trades, of mark and index price, and of the premium."""

    def __init__(self, market: Market, clock: SimClock) -> None:
        self._market = market
        self._clock = clock

    def handlers(self) -> dict[str, Handler]:
        """Return the handlers by endpoint name."""
        return {
            "klines": self._klines,
            "continuousKlines": self._continuous_klines,
            "indexPriceKlines": self._index_klines,
            "markPriceKlines": self._mark_klines,
            "premiumIndexKlines": self._premium_klines,
        }

    def _feed(self, product: Product, params: Params) -> Feed:
        return find_feed(self._market, product, params.require("symbol"))

    def _klines(self, product: Product, params: Params) -> Answer:
        return self._candles(self._feed(product, params), params)

    def _continuous_klines(self, product: Product, params: Params) -> Answer:
        pair, contract_type = params.require("pair"), params.require("contractType")
        feed = self._market.find_continuous(pair, contract_type, product)
        if feed is None:
            raise ApiError(-1121, "Invalid symbol.")
        return self._candles(feed, params)

    def _candles(self, feed: Feed, params: Params) -> Answer:
        interval = _interval(params)
        limit, start, end, cost = _candle_page(params)
        now_ms = self._clock.now_ms()
        count = limit
        if start is not None or end is not None:
            oldest = start if start is not None else end
            assert oldest is not None
            span = next_bucket_ms(bucket_ms(now_ms, interval), interval) - bucket_ms(
                now_ms, interval
            )
            count = min(limit + max(0, (now_ms - oldest) // span) + 2, MAX_LOOK_BACK)
        found = feed.candles(interval, count, now_ms)[::-1]
        rows = [
            candle
            for candle in found
            if (start is None or candle.open_ms >= start) and (end is None or candle.open_ms <= end)
        ]
        page = rows[:limit] if start is not None else rows[-limit:]
        return [_candle_row(feed, candle) for candle in page], cost

    def _index_klines(self, product: Product, params: Params) -> Answer:
        pair = params.require("pair")
        feed = next(
            (
                feed
                for feed in self._market.feeds.values()
                if feed.rules.product is product and feed.rules.pair == pair
            ),
            None,
        )
        if feed is None:
            raise ApiError(-1121, "Invalid symbol.")
        return self._sampled(feed, "index", params)

    def _mark_klines(self, product: Product, params: Params) -> Answer:
        return self._sampled(self._feed(product, params), "mark", params)

    def _premium_klines(self, product: Product, params: Params) -> Answer:
        """Premium candles: mark against index of the same candle."""
        feed = self._feed(product, params)
        interval = _interval(params)
        limit, start, end, cost = _candle_page(params)
        mark = self._market.sampled_series(feed, "mark", interval)
        index = self._market.sampled_series(feed, "index", interval)
        rows = []
        for m, i in zip(mark.latest(), index.latest(), strict=False):
            if (start is None or m.open_ms >= start) and (end is None or m.open_ms <= end):
                prices = [
                    f"{(a - b) / b:.8f}"
                    for a, b in ((m.open, i.open), (m.high, i.high), (m.low, i.low),
                                 (m.close, i.close))
                ]  # fmt: skip
                rows.append([m.open_ms, *prices, "0", m.close_ms, "0", m.trades, "0", "0", "0"])
        return rows[:limit][::-1], cost

    def _sampled(self, feed: Feed, kind: str, params: Params) -> Answer:
        interval = _interval(params)
        limit, start, end, cost = _candle_page(params)
        series = self._market.sampled_series(feed, kind, interval)
        series.roll(self._clock.now_ms())
        found = [
            candle
            for candle in series.latest()
            if (start is None or candle.open_ms >= start) and (end is None or candle.open_ms <= end)
        ]
        rows = [
            [c.open_ms, *(fixed_text(x, 8) for x in (c.open, c.high, c.low, c.close)), "0",
             c.close_ms, "0", c.trades, "0", "0", "0"]
            for c in found[:limit][::-1]
        ]  # fmt: skip
        return rows, cost


def _interval(params: Params) -> str:
    interval = params.require("interval")
    if interval not in INTERVALS:
        raise ApiError(-1120, "Invalid interval.")
    return interval


def _candle_page(params: Params) -> tuple[int, int | None, int | None, Cost]:
    """Read limit, startTime and endTime; the weight depends on the limit."""
    limit = page_limit(params, 500, MAX_CANDLES)
    weight = 1 if limit < 100 else 2 if limit < 500 else 5 if limit <= 1_000 else 10
    return limit, params.integer("startTime"), params.integer("endTime"), Cost(weight)


def _candle_row(feed: Feed, candle: Candle) -> list[Any]:
    price, qty, value = feed.rules.price_text, feed.rules.qty_text, feed.value_text
    return [
        candle.open_ms,
        *(price(x) for x in (candle.open, candle.high, candle.low, candle.close)),
        qty(candle.lots),
        candle.close_ms,
        value(candle.value),
        candle.trades,
        qty(candle.taker_lots),
        value(candle.taker_value),
        "0",
    ]
