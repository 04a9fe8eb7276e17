"""Bars of a history answer, over REST and over the socket (W-20, R-21)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ..errors import DecodeError
from ..execution.members import number, whole
from ..model import Bar, EventFlag, Instrument

__all__ = ["History", "HistoryBar", "make_bars", "read_history"]

NS_PER_MS = 1_000_000


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

    The last bar of a running session is not closed: whether one is, is for the caller to say.
    Volumes are rounded down to lots: of some sources they are averages.
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
                flags=EventFlag.HISTORY,
            )
        )
    return made, off
