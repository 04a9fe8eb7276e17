"""What would cost money after a gap, or while a command is in doubt (10.3, 12.3)."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest
from venues.hyperliquid.test_rows_state_reconnect import _away, _home
from venues.hyperliquid.trading_rig import buy, trading, until

from connectors.execution.identity import TrackedOrder
from connectors.execution.lifecycle import Doubt
from connectors.execution.lookups import Lookup, Why
from connectors.execution.reconcile import Found
from connectors.hyperliquid.execution import ExecutionClient
from connectors.hyperliquid.rest import HyperliquidRest
from connectors.model import OrderAccepted, OrderFilled, OrderUpdated
from connectors.net.clock import NS_PER_S, SystemClock


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


class Fast(SystemClock):
    """Half a minute ahead."""

    def wall_ns(self) -> int:
        return super().wall_ns() + 30 * NS_PER_S


def test_an_order_has_expired_by_the_clock_of_the_venue(run: Any) -> None:
    """Ours is ahead: what has expired by it may be executed for half a minute more (10.3)."""

    async def scenario() -> None:
        async with trading() as rig:
            client = ExecutionClient(rig.config, clock=Fast())
            try:
                await client.connect()
                order = TrackedOrder.of(buy())
                client.registry.add(order)
                client.dispatch.submitted(order)
                client.dispatch.in_doubt(order, Doubt.CREATE)
                now_ns = Fast().wall_ns()
                for late_s, is_over in ((15, False), (600, True)):
                    order.expires_at = now_ns - late_s * NS_PER_S
                    lookup = Lookup(order, Why.CREATE_IN_DOUBT, 0)
                    client._reconciler.resolve(lookup, Found(as_of_ns=now_ns), now_ns=0)
                    assert order.is_final is is_over
            finally:
                await client.close()

    run(scenario(), 60.0)


def test_what_has_a_time_has_it_by_the_clock_of_the_venue(run: Any) -> None:
    """Else an order trades, and a dead man's switch fires, as much later as our clock is ahead."""

    async def scenario() -> None:
        async with trading(expires_after_ms=5_000) as rig:
            client = ExecutionClient(rig.config, clock=Fast())
            try:
                await client.connect()
                order = buy()
                client.submit_order(order)
                placed = client.registry.by_client_id(order.client_order_id)
                assert placed is not None
                assert placed.expires_at is not None
                assert placed.expires_at / NS_PER_S < rig.sim.clock.now_ms() / 1_000 + 6
                rig.account.volume = 10**18
                await client.schedule_cancel_all(10.0)
                assert rig.account.cancel_at_ms < rig.sim.clock.now_ms() + 11_000
            finally:
                await client.close()

    run(scenario(), 60.0)


def test_the_nonce_of_a_command_nobody_doubts_is_not_used_up(run: Any) -> None:
    """The look-up was for the modification before; over HTTP the question would overtake this."""

    async def scenario() -> None:
        async with trading(post_timeout_ms=60_000) as rig:
            order = await rig.open_order()
            tracked = rig.tracked(order)
            old = await rig.client._queries().find_order(
                cloid=None, venue_order_id=tracked.venue_order_id
            )
            for channel in ("orderUpdates", "post"):
                rig.sim.faults.tap(channel, "drop")
            rig.client.modify_order(order.client_order_id, price="2901")
            await rig.taken("batchModify")
            lookup = Lookup(tracked, Why.MODIFY_IN_DOUBT, 0)
            lookup.attempt = 5
            recovery = rig.client._recovery
            assert recovery is not None
            proof = asyncio.ensure_future(recovery._proof(lookup, old))
            await asyncio.wait([proof], timeout=0.1)
            proof.cancel()
            assert rig.actions("noop") == []
            rig.sim.faults.clear()

    run(scenario(), 60.0)


def test_an_order_that_is_modified_all_the_time_is_never_called_unchanged(run: Any) -> None:
    """The next goes out in the call that tells of the last: each has a patience of its own."""

    async def scenario() -> None:
        async with trading(
            modify_unresolved_ms=20, submit_unresolved_ms=20, unresolved_max_pause_s=0.02
        ) as rig:
            order = await rig.open_order()
            prices = itertools.cycle(("2901", "2902"))

            def take(event: Any) -> None:
                rig.events.append(event)
                if isinstance(event, OrderUpdated):
                    rig.client.modify_order(order.client_order_id, price=next(prices))

            rig.take = take
            rig.client.modify_order(order.client_order_id, price=next(prices))
            await rig.event(OrderUpdated, order, 400)
            rig.take = rig.events.append
            await rig.settle()
            assert set(rig.kinds(order)) == {"Submitted", "Accepted", "Updated"}

    run(scenario(), 60.0)


def test_an_account_in_no_shape_at_all_is_compared_again(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody would notice a comparison that ended for good."""
    ask = HyperliquidRest.clearinghouse_state
    broken: list[int] = []

    async def answer(self: HyperliquidRest, user: str, dex: str = "") -> Any:
        if broken:
            broken.pop()
            return [None]
        return await ask(self, user, dex)

    monkeypatch.setattr(HyperliquidRest, "clearinghouse_state", answer)

    async def scenario() -> None:
        async with trading(reconcile_interval_s=0.03) as rig:
            broken.extend((1, 2))
            await until(lambda: not broken)
            order = await rig.open_order()
            rig.sim.faults.tap("orderUpdates", "drop")
            rig.sim.faults.cancel_order(rig.client.user, rig.venue_order(order).oid)
            await until(lambda: rig.tracked(order).is_final, "what the stream did not tell")

    run(scenario(), 60.0)
