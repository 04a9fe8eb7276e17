"""Executions that a gap, a midnight or a clock could hide."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from venues.ibkr.venue_rig import owned, venue

from connectors.ibkr.account_queries import days_since
from connectors.net.clock import NS_PER_S
from patience import until

Run = Callable[..., Any]
DAY_NS = 86_400 * NS_PER_S


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
