"""Executions that a gap, a midnight or a clock could hide."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from venues.ibkr.ibkr_rig import AAPL, Listener, execution_row, order_row
from venues.ibkr.venue_rig import owned, venue

from connectors.ibkr.account_queries import days_since
from connectors.model import FillReport, OrderStatus, OrderStatusReport
from connectors.net.clock import NS_PER_S
from patience import until

Run = Callable[..., Any]
DAY_NS = 86_400 * NS_PER_S
T = 1_783_031_465


def test_r_54_the_days_asked_for_reach_over_midnight() -> None:
    """The venue's days may be those of the calendar: two minutes may lie in two of them."""
    now_ns = 1_783_036_860 * NS_PER_S  # 00:01 UTC
    assert days_since(now_ns - 120 * NS_PER_S, now_ns) == 2
    assert days_since(None, now_ns) == 2
    assert days_since(now_ns - 2 * DAY_NS, now_ns) == 4
    assert days_since(now_ns - 30 * DAY_NS, now_ns) == 7


def test_w_42_a_gap_noticed_late_is_read_from_its_beginning(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that slept over the week-end notices its loss when it wakes (F-32)."""

    async def scenario() -> None:
        told: list[Any] = []
        async with venue() as sim, owned(sim, told) as client:
            client.feed.since_ns -= 3 * DAY_NS  # opened then, and nothing was executed since
            asked: list[int | None] = []
            read = client._reader.trades

            async def trades(*, since_ns: int | None = None) -> None:
                asked.append(since_ns)
                await read(since_ns=since_ns)

            monkeypatch.setattr(client._reader, "trades", trades)
            sim.faults.apply({"fault": "abort"})
            await until(lambda: asked, what="the gap is read")
            assert asked[0] is not None
            assert asked[0] <= client.feed.since_ns

    run(scenario())


def test_w_40_a_clock_that_is_ahead_hides_no_fill() -> None:
    """What the first list did not have is no history, even if our clock says so."""
    it = Listener()
    it.feed.since_ns = (T + 300) * NS_PER_S  # our clock is five minutes ahead
    it.feed.trade_list([execution_row(trade_time_r=(T - 60) * 1000)])
    assert it.of(FillReport) == []
    it.feed.trades_answered(it.clock.monotonic_ns(), is_first=True)
    it.str_(execution_row(trade_time_r=(T - 60) * 1000))
    assert it.of(FillReport) == [], "history stays history"
    it.str_(execution_row("0000e0d5.6576fd38.02.01", trade_time_r=T * 1000))
    assert len(it.of(FillReport)) == 1


def test_w_43_a_held_correction_is_not_replaced_by_an_older_copy() -> None:
    it = Listener(())
    old, new = execution_row(), execution_row("0000e0d5.6576fd38.01.02", size=3.0)
    it.str_(old, new)
    it.str_(old)
    it.instruments[265598] = AAPL
    it.feed.replay(265598)
    assert [fill.last_size for fill in it.of(FillReport)] == [3]


def test_w_43_r_56_a_corrected_size_counts_for_its_order() -> None:
    it = Listener()
    it.sor(order_row("Submitted"))
    it.str_(execution_row(size=2.0))
    it.str_(execution_row("0000e0d5.6576fd38.01.02", size=5.0))
    it.sor(order_row("Filled", sparse=True, filledQuantity=5.0))
    assert not it.feed.has_missing
    assert it.of(OrderStatusReport)[-1].status is OrderStatus.FILLED


def test_r_56_filled_without_a_size_means_all_of_it() -> None:
    """The word comes alone (W-31), and the sizes that are known are those of an earlier part."""
    it = Listener()
    it.sor(order_row("Submitted"))
    it.str_(execution_row(size=2.0))
    it.sor(order_row(sparse=True, filledQuantity=2.0, remainingQuantity=3.0))
    it.sor(order_row("Filled", sparse=True))
    last = it.of(OrderStatusReport)[-1]
    assert (last.status, last.filled_size) == (OrderStatus.PARTIALLY_FILLED, 2)
    assert it.feed.has_missing
    it.str_(execution_row("0000e0d5.6576fd38.02.01", size=3.0))
    last = it.of(OrderStatusReport)[-1]
    assert (last.status, last.filled_size) == (OrderStatus.FILLED, 5)


def test_r_56_filled_with_a_size_means_that_size() -> None:
    it = Listener()
    it.sor(order_row("Submitted"))
    it.str_(execution_row(size=2.0))
    it.sor(order_row("Filled", sparse=True, filledQuantity=2.0, remainingQuantity=0.0))
    last = it.of(OrderStatusReport)[-1]
    assert (last.status, last.filled_size) == (OrderStatus.FILLED, 2)
