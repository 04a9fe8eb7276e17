"""Closing bars of venues that only ever send the bar of now."""

from __future__ import annotations

from collections.abc import Callable

from ..model import Bar, EventFlag

__all__ = ["BarCloser"]


class BarCloser:
    """Follows the bars of one series and tells when one is final.

    A bar is closed when one that opens later arrives; an older one is ignored. One of the history
    (flag HISTORY) only fills a gap: before anything else came there is none.

    Parameters
    ----------
    callback :
        Receives the bars: closed ones with flag CLOSED, once each.
    interval_s, mark :
        Which series: bars of other ones reach the same route.
    closed_only :
        Otherwise every update of the open bar is handed on too.
    on_lost_bar :
        Called in place of a closed bar whose end fell into a loss of the connection.
    """

    __slots__ = ("_callback", "_closed_only", "_interval_s", "_last", "_mark", "_on_lost", "_whole")

    def __init__(
        self,
        callback: Callable[[Bar], object],
        *,
        interval_s: int,
        mark: bool,
        closed_only: bool,
        on_lost_bar: Callable[[Bar], object] | None = None,
    ) -> None:
        self._callback = callback
        self._interval_s = interval_s
        self._mark = EventFlag.MARK if mark else 0
        self._closed_only = closed_only
        self._on_lost = on_lost_bar
        self._last: Bar | None = None
        self._whole = True  # nothing of the last bar can be missing

    def __call__(self, bar: Bar) -> None:
        """Take one bar."""
        if bar.interval_s != self._interval_s or bar.flags & EventFlag.MARK != self._mark:
            return
        last = self._last
        if bar.flags & EventFlag.HISTORY if last is None else bar.ts_open < last.ts_open:
            return
        ended = last is not None and bar.ts_open > last.ts_open
        whole, self._whole = self._whole, True
        self._last = bar
        if ended and last is not None:
            if whole:
                self._callback(closed(last))
            elif self._on_lost is not None:
                self._on_lost(last)
        if not self._closed_only:
            self._callback(bar)

    def on_lost(self) -> None:
        """The connection is gone: the end of the bar under way may be missed."""
        self._whole = False


def closed(bar: Bar) -> Bar:
    """Return the same bar, final."""
    return Bar(
        bar.instrument,
        interval_s=bar.interval_s,
        ts_open=bar.ts_open,
        open_ticks=bar.open_ticks,
        high_ticks=bar.high_ticks,
        low_ticks=bar.low_ticks,
        close_ticks=bar.close_ticks,
        volume_lots=bar.volume_lots,
        taker_buy_volume_lots=bar.taker_buy_volume_lots,
        quote_volume=bar.quote_volume,
        taker_buy_quote_volume=bar.taker_buy_quote_volume,
        trade_count=bar.trade_count,
        ts_event=bar.ts_event,
        ts_init=bar.ts_init,
        flags=bar.flags | EventFlag.CLOSED,
    )
