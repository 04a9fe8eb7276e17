"""Bars are closed by their successors (X-46)."""

from __future__ import annotations

from connectors._speedups.events import InstrumentBase
from connectors._speedups.ticks import TickScale
from connectors.data.bars import BarCloser
from connectors.model import Bar, EventFlag

ETH = InstrumentBase("ETH-PERP", "ETH", "LIGHTER", TickScale("0.01"), TickScale("0.0001"))
MINUTE = 60_000_000_000


def bar(minute: int, close: int, flags: int = 0, interval_s: int = 60) -> Bar:
    return Bar(
        ETH, interval_s=interval_s, ts_open=minute * MINUTE, open_ticks=1, high_ticks=9,
        low_ticks=1, close_ticks=close, volume_lots=3, quote_volume="1.5",
        ts_event=(minute + 1) * MINUTE - 1_000_000, flags=flags,
    )  # fmt: skip


def closer(*, closed_only: bool = True, mark: bool = False) -> tuple[BarCloser, list, list]:
    seen: list[tuple[int, int, bool]] = []
    lost: list[int] = []
    found = BarCloser(
        lambda b: seen.append((b.ts_open // MINUTE, b.close_ticks, b.is_closed)),
        interval_s=60, mark=mark, closed_only=closed_only,
        on_lost_bar=lambda b: lost.append(b.ts_open // MINUTE),
    )  # fmt: skip
    return found, seen, lost


def test_x_46_a_bar_is_closed_once_when_the_next_opens():
    close, seen, _ = closer()
    for each in (bar(1, 2), bar(1, 3), bar(2, 4), bar(2, 5), bar(3, 6)):
        close(each)
    assert seen == [(1, 3, True), (2, 5, True)]


def test_x_46_an_older_bar_is_ignored():
    close, seen, _ = closer()
    for each in (bar(2, 2), bar(1, 9), bar(3, 3), bar(2, 8), bar(4, 4)):
        close(each)
    assert seen == [(2, 2, True), (3, 3, True)]


def test_open_bars_are_handed_on_when_asked_for():
    close, seen, _ = closer(closed_only=False)
    for each in (bar(1, 2), bar(1, 3), bar(2, 4)):
        close(each)
    assert seen == [(1, 2, False), (1, 3, False), (1, 3, True), (2, 4, False)]


def test_bars_of_other_series_do_not_count():
    close, seen, _ = closer()
    for each in (bar(1, 2), bar(5, 9, interval_s=300), bar(7, 9, EventFlag.MARK), bar(2, 3)):
        close(each)
    assert seen == [(1, 2, True)]
    close, seen, _ = closer(mark=True)
    for each in (bar(1, 2, EventFlag.MARK), bar(2, 3), bar(2, 4, EventFlag.MARK)):
        close(each)
    assert seen == [(1, 2, True)]


def test_a_bar_whose_end_was_missed_is_not_told_as_closed():
    close, seen, lost = closer()
    close(bar(1, 2))
    close.on_lost()
    close(bar(4, 5))
    close(bar(5, 6))
    assert (seen, lost) == ([(4, 5, True)], [1])


def test_a_bar_that_the_venue_sends_again_is_whole():
    close, seen, lost = closer()
    close(bar(1, 2))
    close.on_lost()
    close(bar(1, 7))
    close(bar(2, 3))
    assert (seen, lost) == ([(1, 7, True)], [])


def test_a_closed_bar_keeps_everything_but_the_flag():
    kept = []
    close = BarCloser(kept.append, interval_s=60, mark=False, closed_only=True)
    open_bar = bar(1, 2)
    close(open_bar)
    close(bar(2, 2))
    (closed,) = kept
    assert closed.flags == EventFlag.CLOSED
    assert (closed.volume_lots, closed.quote_volume, closed.ts_event) == (
        open_bar.volume_lots, open_bar.quote_volume, open_bar.ts_event,
    )  # fmt: skip
