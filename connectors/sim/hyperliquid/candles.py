"""Candles of every interval, folded from those of one minute."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from .markets import Market

__all__ = ["INTERVALS", "Candles"]

MINUTE_MS = 60_000
INTERVALS = {
    "1m": 1, "3m": 3, "5m": 5, "15m": 15, "30m": 30, "1h": 60, "2h": 120, "4h": 240, "8h": 480,
    "12h": 720, "1d": 1_440, "3d": 4_320, "1w": 10_080, "1M": 43_200,
}  # fmt: skip
KEPT = 10_000
MOST = 5_000


class _Candle:
    __slots__ = ("close", "count", "high", "lots", "low", "open")

    def __init__(self, px: int) -> None:
        self.open = self.close = self.high = self.low = px
        self.lots = self.count = 0


class Candles:
    """The candles of one market."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._minutes: OrderedDict[int, _Candle] = OrderedDict()

    def add(self, px: int, lots: int, ms: int) -> None:
        """Take a trade in."""
        start = ms // MINUTE_MS * MINUTE_MS
        candle = self._minutes.get(start)
        if candle is None:
            candle = self._minutes[start] = _Candle(px)
            if len(self._minutes) > KEPT:
                self._minutes.popitem(last=False)
        candle.close = px
        candle.high = max(candle.high, px)
        candle.low = min(candle.low, px)
        candle.lots += lots
        candle.count += 1

    def range(self, interval: str, start_ms: int, end_ms: int) -> list[dict[str, Any]]:
        """Return the candles that begin in a range, oldest first."""
        width = INTERVALS[interval] * MINUTE_MS
        folded: OrderedDict[int, _Candle] = OrderedDict()
        for minute, candle in self._minutes.items():
            at = minute // width * width
            if not start_ms <= at <= end_ms:
                continue
            into = folded.get(at)
            if into is None:
                into = folded[at] = _Candle(candle.open)
            into.close = candle.close
            into.high = max(into.high, candle.high)
            into.low = min(into.low, candle.low)
            into.lots += candle.lots
            into.count += candle.count
        rows = list(folded.items())[-MOST:]
        return [self._row(interval, at, width, candle) for at, candle in rows]

    def current(self, interval: str, now_ms: int) -> dict[str, Any]:
        """Return the candle that is being made; without a trade in it, a flat one."""
        width = INTERVALS[interval] * MINUTE_MS
        at = now_ms // width * width
        rows = self.range(interval, at, at)
        return rows[0] if rows else self._row(interval, at, width, _Candle(self._market.last))

    def _row(self, interval: str, at: int, width: int, candle: _Candle) -> dict[str, Any]:
        market = self._market
        return {
            "t": at,
            "T": at + width - 1,
            "s": market.coin,
            "i": interval,
            "o": market.price(candle.open),
            "c": market.price(candle.close),
            "h": market.price(candle.high),
            "l": market.price(candle.low),
            "v": market.size(candle.lots),
            "n": candle.count,
        }
