"""Candles of every resolution, folded from those of one minute."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from . import ids
from .markets import Market
from .numbers import money, show

__all__ = ["RESOLUTIONS", "Candles"]

MINUTE_MS = 60_000
RESOLUTIONS = {
    "1MIN": 1, "5MINS": 5, "15MINS": 15, "30MINS": 30, "1HOUR": 60, "4HOURS": 240, "1DAY": 1_440,
}  # fmt: skip
KEPT = 10_000
PER_REQUEST = 1_000


@dataclass(slots=True)
class _Candle:
    """Prices in subticks; mid prices are counts of half a subtick."""

    open: int
    high: int
    low: int
    close: int
    quantums: int = 0
    value: int = 0
    trades: int = 0
    open_interest: int = 0
    mid_open: int | None = None
    mid_close: int | None = None

    def merge(self, later: _Candle) -> None:
        self.high, self.low = max(self.high, later.high), min(self.low, later.low)
        self.close = later.close
        self.quantums += later.quantums
        self.value += later.value
        self.trades += later.trades
        self.mid_close = later.mid_close


class Candles:
    """The candles of one market."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._minutes: OrderedDict[int, _Candle] = OrderedDict()

    def add(self, quantums: int, subticks: int, ms: int, middle: int | None) -> None:
        """Take a trade in; `middle` is the sum of best bid and best ask."""
        start = ms // MINUTE_MS * MINUTE_MS
        value = self._market.value(quantums, subticks)
        trade = _Candle(
            subticks, subticks, subticks, subticks, quantums, value, 1,
            self._market.open_interest, middle, middle,
        )  # fmt: skip
        candle = self._minutes.get(start)
        if candle is not None:
            candle.merge(trade)
            return
        self._minutes[start] = trade
        if len(self._minutes) > KEPT:
            self._minutes.popitem(last=False)

    def rows(
        self, resolution: str, from_ms: int, to_ms: int, limit: int = PER_REQUEST
    ) -> list[dict[str, Any]]:
        """Return the candles that begin in [from, to), newest first."""
        width = RESOLUTIONS[resolution] * MINUTE_MS
        folded: dict[int, _Candle] = {}
        for minute in reversed(self._minutes):
            at = minute // width * width
            if at >= to_ms:
                continue
            if at < from_ms or (len(folded) >= limit and at not in folded):
                break
            later = folded.get(at)
            candle = self._minutes[minute]
            folded[at] = _Candle(*(getattr(candle, name) for name in _Candle.__slots__))
            if later is not None:
                folded[at].merge(later)
        return [self._row(resolution, at, candle) for at, candle in folded.items()]

    def current(self, resolution: str, ms: int) -> dict[str, Any] | None:
        """Return the candle a time falls into, None if nothing was traded in it."""
        width = RESOLUTIONS[resolution] * MINUTE_MS
        at = ms // width * width
        found = self.rows(resolution, at, at + width, 1)
        return found[0] if found else None

    def _row(self, resolution: str, at: int, candle: _Candle) -> dict[str, Any]:
        market = self._market
        return {
            "startedAt": ids.iso(at),
            "ticker": market.ticker,
            "resolution": resolution,
            "low": market.price(candle.low),
            "high": market.price(candle.high),
            "open": market.price(candle.open),
            "close": market.price(candle.close),
            "baseTokenVolume": market.size(candle.quantums),
            "usdVolume": money(candle.value),
            "trades": candle.trades,
            "startingOpenInterest": market.size(candle.open_interest),
            "orderbookMidPriceOpen": self._middle(candle.mid_open),
            "orderbookMidPriceClose": self._middle(candle.mid_close),
        }

    def _middle(self, doubled: int | None) -> str | None:
        if doubled is None:
            return None
        return show(doubled * 5, self._market.price_exponent - 1)
