"""What would cost money after a gap, or while a command is in doubt (10.3, 12.3)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from venues.hyperliquid.test_rows_state_reconnect import _away, _home
from venues.hyperliquid.trading_rig import buy, trading, until

from connectors.hyperliquid.rest import HyperliquidRest
from connectors.model import OrderAccepted, OrderFilled


def test_fills_of_a_gap_that_the_snapshot_does_not_reach_back_to(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How far the snapshot goes back is not known (4.4): what is before it is read over REST."""
    monkeypatch.setattr("connectors.sim.hyperliquid.publisher.SNAPSHOT", 2)
    monkeypatch.setattr("connectors.hyperliquid.recovery.GAP_MARGIN_MS", 0)

    async def scenario() -> None:
        async with trading(submit_unresolved_ms=600_000) as rig:
            order = await rig.open_order(buy("8"))
            rig.house("sell", "2900", "1", take=True)
            await rig.event(OrderFilled, order)
            await _away(rig)
            for _ in range(5):
                await asyncio.sleep(0.005)  # fills of their own milliseconds
                rig.house("sell", "2900", "1", take=True)
            _home(rig)
            await rig.back()
            assert len(rig.of(OrderFilled, order)) == 6

    run(scenario(), 60.0)


def test_an_order_the_venue_shows_in_an_unknown_word_is_not_dead(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that cannot be read does not prove that there is no order (10.3)."""
    ask = HyperliquidRest.order_status
    words = ["restingInAuction"] * 5
    asked: list[str] = []

    async def answer(self: HyperliquidRest, user: str, oid: int | str) -> dict[str, Any] | None:
        found = await ask(self, user, oid)
        if found is not None and words:
            asked.append(words.pop())
            return {**found, "status": asked[-1]}
        return found

    monkeypatch.setattr(HyperliquidRest, "order_status", answer)
    monkeypatch.setattr("connectors.execution.recovery.RETRY_S", 0.02)

    async def scenario() -> None:
        async with trading(submit_unresolved_ms=30, post_timeout_ms=100) as rig:
            stream = rig.client._stream
            assert stream is not None
            monkeypatch.setattr(rig.client, "on_orders", lambda frame: None)
            rig.sim.faults.next_reply("post", lose=True)
            order = buy()
            rig.client.submit_order(order)
            await until(lambda: not words, "five look-ups")
            await rig.event(OrderAccepted, order)
            assert rig.kinds(order) == ["Submitted", "Accepted"]

    run(scenario(), 60.0)
