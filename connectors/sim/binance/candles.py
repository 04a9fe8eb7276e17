"""Candles of every interval, the made-up history before the start, and the rolling day."""

from __future__ import annotations

import datetime as dt
import math
import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Candle", "DayStats", "Series", "bucket_ms", "history", "next_bucket_ms"]

MINUTE_MS = 60_000
DAY_MS = 86_400_000
KEPT = 1_500  # the largest `limit` of a klines request

_UNITS = {"s": 1_000, "m": MINUTE_MS, "h": 3_600_000, "d": DAY_MS}
_MONDAY_MS = 4 * DAY_MS  # 1970-01-05, the first Monday of the epoch


def bucket_ms(ts_ms: int, interval: str) -> int:
    """Return the open time of the candle that holds `ts_ms`; weeks start on Monday, UTC."""
    if interval == "1M":
        day = dt.datetime.fromtimestamp(ts_ms / 1000, tz=dt.UTC)
        return _month_ms(day.year, day.month)
    if interval == "1w":
        return (ts_ms - _MONDAY_MS) // (7 * DAY_MS) * 7 * DAY_MS + _MONDAY_MS
    step = int(interval[:-1]) * _UNITS[interval[-1]]
    return ts_ms // step * step


def next_bucket_ms(open_ms: int, interval: str) -> int:
    """Return the open time of the candle after the one that opens at `open_ms`."""
    if interval == "1M":
        return bucket_ms(open_ms + 31 * DAY_MS, "1M")
    if interval == "1w":
        return open_ms + 7 * DAY_MS
    return open_ms + int(interval[:-1]) * _UNITS[interval[-1]]


def _month_ms(year: int, month: int) -> int:
    return int(dt.datetime(year, month, 1, tzinfo=dt.UTC).timestamp() * 1000)


@dataclass(slots=True)
class Candle:
    """Prices in engine units, `lots` in engine sizes, `value` in the feed's value units.

    A candle without trades repeats the close before it and has ids of -1.
    """

    open_ms: int
    close_ms: int
    open: int
    high: int
    low: int
    close: int
    first_id: int = -1
    last_id: int = -1
    lots: int = 0
    value: int = 0
    taker_lots: int = 0
    taker_value: int = 0
    trades: int = 0

    def add(self, price: int, lots: int, value: int, trade_id: int, *, taker_buys: bool) -> None:
        if self.trades == 0:
            self.first_id = trade_id
            self.open = self.high = self.low = price
        self.last_id = trade_id
        self.trades += 1
        self.high = max(self.high, price)
        self.low = min(self.low, price)
        self.close = price
        self.lots += lots
        self.value += value
        if taker_buys:
            self.taker_lots += lots
            self.taker_value += value

    def merge(self, other: Candle) -> None:
        """Add a later candle of a shorter interval."""
        if other.trades == 0:
            return
        if self.trades == 0:
            self.first_id = other.first_id
            self.open, self.high, self.low = other.open, other.high, other.low
        self.last_id = other.last_id
        self.high = max(self.high, other.high)
        self.low = min(self.low, other.low)
        self.close = other.close
        self.trades += other.trades
        self.lots += other.lots
        self.value += other.value
        self.taker_lots += other.taker_lots
        self.taker_value += other.taker_value


class Series:
    """Candles of one interval: the live one and those closed since the start."""

    __slots__ = ("_ended", "changed", "closed", "interval", "live", "next_ms")

    def __init__(self, interval: str, start_ms: int, price: int) -> None:
        self.interval = interval
        self.closed: deque[Candle] = deque(maxlen=KEPT)
        self._ended: deque[Candle] = deque(maxlen=100)
        self.changed = False
        self.live = self._open(bucket_ms(start_ms, interval), price)

    def _open(self, open_ms: int, price: int) -> Candle:
        self.next_ms = next_bucket_ms(open_ms, self.interval)
        return Candle(open_ms, self.next_ms - 1, price, price, price, price)

    def roll(self, now_ms: int) -> None:
        """Close every candle that ended before `now_ms`.

        A time before the live candle (a clock fault) closes nothing.
        """
        count = 0
        while now_ms >= self.next_ms:
            self.closed.append(self.live)
            self._ended.append(self.live)
            self.live = self._open(self.next_ms, self.live.close)
            count += 1
            if count > KEPT:  # a clock far ahead: no one can ask for the candles between
                self.live = self._open(bucket_ms(now_ms, self.interval), self.live.close)

    def take_ended(self) -> list[Candle]:
        """Return the candles closed since the last call, oldest first, at most 100."""
        ended = list(self._ended)
        self._ended.clear()
        return ended

    def add(self, price: int, lots: int, value: int, trade_id: int, ts_ms: int, *,
            taker_buys: bool) -> None:  # fmt: skip
        if ts_ms >= self.next_ms:
            self.roll(ts_ms)
        self.live.add(price, lots, value, trade_id, taker_buys=taker_buys)
        self.changed = True

    def sample(self, price: int, ts_ms: int) -> None:
        """Add a price without volume (mark and index candles); ids are the sample times."""
        self.add(price, 0, 0, ts_ms, ts_ms, taker_buys=False)

    def merge(self, candle: Candle) -> None:
        self.roll(candle.open_ms)
        self.live.merge(candle)

    def latest(self) -> Iterator[Candle]:
        """Iterate from the live candle back."""
        yield self.live
        yield from reversed(self.closed)


def history(
    series: Series, price: int, tick: int, step: int, first_id: int, seed: str, value_of: ValueOf
) -> Iterator[Candle]:
    """Make up candles before the simulator started, newest first, without end.

    They join: each closes where the next one opens, and the newest closes at `price`. Prices are
    multiples of `tick`, sizes of `step`.
    """
    source = random.Random(seed)
    oldest = series.closed[0] if series.closed else series.live
    next_ms, close, last_id = oldest.open_ms, price, first_id - 1
    while True:
        open_ms = bucket_ms(next_ms - 1, series.interval)
        spread = min(0.0006 * math.sqrt((next_ms - open_ms) / MINUTE_MS), 0.1)
        opened = max(1, round(close * math.exp(source.gauss(0, spread)) / tick)) * tick
        reach = close * spread / tick / 2
        high = max(opened, close) + round(reach * source.random()) * tick
        low = max(tick, min(opened, close) - round(reach * source.random()) * tick)
        trades = source.randrange(20, 400)
        lots = trades * source.randrange(1, 40) * step
        value = value_of((high + low) // 2, lots)
        share = source.randrange(30, 70)
        bought = lots * share // 100 // step * step
        yield Candle(open_ms, next_ms - 1, opened, high, low, close, last_id - trades + 1, last_id,
                     lots, value, bought, value * share // 100, trades)  # fmt: skip
        next_ms, close, last_id = open_ms, opened, last_id - trades


class ValueOf:
    """Value of lots at a price, as an integer with a fixed number of decimals.

    Linear contracts: price x size in the quote currency, exact. Inverse contracts: contracts x
    contract size / price in the base currency, cut to 8 decimals.
    """

    __slots__ = ("_inverse_scale", "decimals")

    def __init__(
        self, price_precision: int, quantity_precision: int, contract_size: int | None
    ) -> None:
        if contract_size is None:
            self._inverse_scale = 0
            self.decimals = price_precision + quantity_precision
        else:
            self.decimals = 8
            self._inverse_scale = contract_size * 10 ** (8 + price_precision - quantity_precision)

    def __call__(self, price: int, lots: int) -> int:
        if self._inverse_scale:
            return lots * self._inverse_scale // price
        return price * lots


@dataclass(frozen=True, slots=True)
class DayStats:
    """Statistics of the rolling 24 hours (BN-F-13), in the units of `Candle`."""

    open_ms: int
    close_ms: int
    open: int
    high: int
    low: int
    close: int
    lots: int
    value: int
    trades: int
    first_id: int
    last_id: int
    last_lots: int
    average: int

    @property
    def change(self) -> int:
        return self.close - self.open

    @property
    def percent_text(self) -> str:
        return f"{self.change / self.open * 100:.3f}"
