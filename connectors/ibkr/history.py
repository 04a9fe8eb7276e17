"""Bars: what an answer holds, over REST and over the socket (W-20, R-21), and when one is final.

The venue sends no bars by itself. Whoever wants to follow them asks when one is over; `BarSeries`
says which of an answer are news.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import zip_longest
from typing import Any

from ..data.bars import closed
from ..errors import DecodeError
from ..execution.members import number, whole
from ..model import Bar, Instrument
from ..net.clock import NS_PER_MS, NS_PER_S

__all__ = ["BarSeries", "History", "HistoryBar", "make_bars", "read_history"]

SETTLE_S = 1.0  # the last trades of a bar take their time
LOOK_S = 1_800  # sessions begin at the hour or half past, and with them bars of hours and days


@dataclass(frozen=True, slots=True)
class HistoryBar:
    """One bar, in prices as they are; `ts_open` in ns."""

    ts_open: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


@dataclass(frozen=True, slots=True)
class History:
    """An answer.

    Attributes
    ----------
    server_id : str
        Ends the stream; a forgotten one keeps its place of five.
    interval_s : int
    availability : str
        As field 6509.
    bad : int
        Bars that could not be read.
    """

    server_id: str
    interval_s: int
    availability: str
    bars: tuple[HistoryBar, ...]
    bad: int = 0


def read_history(payload: Mapping[str, Any]) -> History:
    """Read an answer; prices are scaled already, only volumes have a factor."""
    rows = payload.get("data")
    factor = payload.get("volumeFactor")
    scale = factor if isinstance(factor, int) and factor > 0 else 1
    bars: list[HistoryBar] = []
    bad = 0
    for row in rows if isinstance(rows, list) else []:
        try:
            bars.append(_bar(row, scale))
        except DecodeError:
            bad += 1
    length = payload.get("barLength")
    return History(
        server_id=str(payload.get("serverId") or ""),
        interval_s=length if isinstance(length, int) else 0,
        availability=str(payload.get("mdAvailability") or ""),
        bars=tuple(bars),
        bad=bad,
    )


def _bar(row: object, scale: int) -> HistoryBar:
    if not isinstance(row, dict):
        raise DecodeError("a bar is not an object", 0)
    return HistoryBar(
        whole(row, "t") * NS_PER_MS,
        number(row, "o"),
        number(row, "h"),
        number(row, "l"),
        number(row, "c"),
        number(row, "v", Decimal(0)) * scale,
    )


def make_bars(
    history: History, instrument: Instrument, interval_s: int, *, ts_init: int
) -> tuple[list[Bar], int]:
    """Return the bars on the instrument's grid, oldest first, and how many lie off it.

    None is marked as closed. Volumes are rounded down to lots: of some sources they are averages.
    """
    made: list[Bar] = []
    off = 0
    price, size = instrument.price_scale, instrument.size_scale
    for bar in sorted(history.bars, key=lambda bar: bar.ts_open):
        try:
            ticks = [price.to_ticks(each) for each in (bar.open, bar.high, bar.low, bar.close)]
            lots = size.to_ticks(bar.volume, rounding="down")
        except ValueError:
            off += 1
            continue
        made.append(
            Bar(
                instrument,
                interval_s=interval_s,
                ts_open=bar.ts_open,
                open_ticks=ticks[0],
                high_ticks=ticks[1],
                low_ticks=ticks[2],
                close_ticks=ticks[3],
                volume_lots=lots,
                ts_event=bar.ts_open,
                ts_init=ts_init,
            )
        )
    return made, off


class BarSeries:
    """Which bars of the answers to one question are news.

    A bar is closed when its time is over or the next one has begun; what the first answer has of
    those is the past, and is not told. One that was missed because nobody could ask comes with the
    next answer.

    Parameters
    ----------
    callback :
        Receives bars: closed ones with the flag, once each.
    closed_only :
        Otherwise the bar under way is told with every answer too.
    """

    __slots__ = ("_callback", "_closed_only", "_interval_ns", "_newest", "interval_s", "off_grid")

    def __init__(
        self, interval_s: int, callback: Callable[[Bar], object], *, closed_only: bool
    ) -> None:
        self.interval_s = interval_s
        self.off_grid = 0
        self._interval_ns = interval_s * NS_PER_S
        self._callback = callback
        self._closed_only = closed_only
        self._newest: int | None = None  # opening of the newest closed one

    def take(self, history: History, instrument: Instrument, now_ns: int) -> None:
        """Take an answer; `now_ns` is Unix time."""
        bars, off = make_bars(history, instrument, self.interval_s, ts_init=now_ns)
        self.off_grid += off
        settled_ns = now_ns - int(SETTLE_S * NS_PER_S)
        final = [
            bar
            for bar, after in zip_longest(bars, bars[1:])
            if bar.ts_open + self._interval_ns <= settled_ns
            or (after is not None and bar.ts_open < after.ts_open <= settled_ns)
        ]
        first = self._newest is None
        newest = -1 if self._newest is None else self._newest
        self._newest = max(newest, final[-1].ts_open) if final else newest
        if not first:
            for bar in final:
                if bar.ts_open > newest:
                    self._callback(closed(bar))
        if not self._closed_only and bars and bars[-1:] != final[-1:]:
            self._callback(bars[-1])

    def due_in_s(self, now_ns: int) -> float:
        """Return the seconds until the bar under way may be over and settled."""
        step_ns = min(self._interval_ns, LOOK_S * NS_PER_S)
        left_ns = step_ns - now_ns % step_ns
        return left_ns / NS_PER_S + 2 * SETTLE_S
