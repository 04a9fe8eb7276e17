"""Rows R1 to R11 of the rules (12.3): what a lost connection hid, and how it comes back."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

from aiohttp import web
from venues.hyperliquid.trading_rig import Rig, buy, trading, until

from connectors.execution.lifecycle import OrderState
from connectors.model import (
    AccountState,
    FillReport,
    OrderAccepted,
    OrderCanceled,
    OrderFilled,
    OrderModifyRejected,
    OrderRejected,
    OrderUpdated,
    PositionStatusReport,
)

QUICK = {"submit_unresolved_ms": 50, "modify_unresolved_ms": 50, "cancel_unresolved_ms": 50}


async def _away(rig: Rig) -> None:
    """Cut the connection, and keep the client away until `_home`."""

    async def refuse(request: Any, path: str) -> web.Response:
        return web.Response(status=503)

    rig.sim._websocket = refuse  # type: ignore[method-assign]
    rig.cut()
    await rig.lost()


def _home(rig: Rig) -> None:
    del rig.sim._websocket


def test_r1_a_fill_while_away(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            order = await rig.open_order()
            await _away(rig)
            rig.house("sell", "2900", "0.4", take=True)
            _home(rig)
            await rig.back()
            await rig.told(order, "Submitted", "Accepted", "Filled")

    run(scenario(), 60.0)


def test_r2_filled_while_away(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            order = await rig.open_order()
            await _away(rig)
            rig.house("sell", "2900", "0.4", take=True)
            rig.house("sell", "2900", "0.6", take=True)
            _home(rig)
            await rig.back()
            await rig.told(order, "Submitted", "Accepted", "Filled", "Filled")
            assert rig.tracked(order).state is OrderState.FILLED

    run(scenario(), 60.0)


def test_r3_filled_in_part_and_canceled_while_away(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            order = await rig.open_order()
            await _away(rig)
            rig.house("sell", "2900", "0.4", take=True)
            rig.sim.faults.cancel_order(rig.client.user, rig.venue_order(order).oid)
            _home(rig)
            await rig.back()
            await rig.told(order, "Submitted", "Accepted", "Filled", "Canceled")

    run(scenario(), 60.0)


async def _modify_and_lose(rig: Rig, *, price: str = "2901", execute: bool = True) -> Any:
    """Send a modification of which neither the reply nor a frame comes back."""
    order = await rig.open_order()
    rig.sim.faults.next_reply("post", lose=True, execute=execute)
    rig.sim.faults.tap("", "drop", count=1_000)
    rig.client.modify_order(order.client_order_id, price=price)
    if execute:
        await rig.taken("batchModify")
    else:
        await until(lambda: any("batchModify" in f.text for f in rig.sim.record.frames))
    await _away(rig)
    rig.sim.faults.release_all()
    return order


def test_r4_a_modification_of_which_the_replacement_lives(run: Any) -> None:
    async def scenario() -> None:
        async with trading(**QUICK) as rig:
            order = await _modify_and_lose(rig)
            _home(rig)
            await rig.back()
            await rig.told(order, "Submitted", "Accepted", "Updated")
            assert rig.of(OrderUpdated)[0].venue_order_id == str(rig.venue_order(order).oid)
            assert rig.client.dispatch.marker(rig.tracked(order)) is None

    run(scenario(), 60.0)


def test_r5_a_modification_of_which_the_replacement_filled(run: Any) -> None:
    async def scenario() -> None:
        async with trading(**QUICK) as rig:
            order = await _modify_and_lose(rig)
            rig.house("sell", "2901", "1", take=True)
            _home(rig)
            await rig.back()
            await rig.told(order, "Submitted", "Accepted", "Updated", "Filled")

    run(scenario(), 60.0)


def test_r5_a_replacement_that_was_canceled_again(run: Any) -> None:
    async def scenario() -> None:
        async with trading(**QUICK) as rig:
            order = await _modify_and_lose(rig)
            rig.sim.faults.cancel_order(rig.client.user, rig.venue_order(order).oid)
            _home(rig)
            await rig.told(order, "Submitted", "Accepted", "Updated", "Canceled")

    run(scenario(), 60.0)


def test_r6_a_modification_that_the_venue_refused(run: Any) -> None:
    async def scenario() -> None:
        async with trading(sim={"stream_rejections": False}, **QUICK) as rig:
            rig.house("sell", "3000", "1")
            order = await rig.open_order(buy(post_only=True))
            rig.sim.faults.next_reply("post", lose=True)
            rig.client.modify_order(order.client_order_id, price="3000")
            await rig.taken("batchModify")
            await _away(rig)
            _home(rig)
            await rig.back()
            await rig.told(order, "Submitted", "Accepted", "ModifyRejected")
            assert rig.client.dispatch.marker(rig.tracked(order)) is None
            rig.client.modify_order(order.client_order_id, price="2950")
            await rig.event(OrderUpdated, order)

    run(scenario(), 60.0)


def test_r6_a_modification_that_never_came(run: Any) -> None:
    async def scenario() -> None:
        async with trading(**QUICK) as rig:
            order = await _modify_and_lose(rig, execute=False)
            _home(rig)
            event = await rig.event(OrderModifyRejected, order)
            assert "nonce" in event.reason
            await rig.told(order, "Submitted", "Accepted", "ModifyRejected")

    run(scenario(), 60.0)


def test_r6_a_refused_modification_whose_order_is_gone(run: Any) -> None:
    async def scenario() -> None:
        async with trading(sim={"modify_refused": "gone"}, **QUICK) as rig:
            rig.house("sell", "3000", "1")
            order = await rig.open_order(buy(post_only=True))
            rig.sim.faults.next_reply("post", lose=True)
            rig.client.modify_order(order.client_order_id, price="3000")
            await rig.taken("batchModify")
            await _away(rig)
            _home(rig)
            await rig.told(order, "Submitted", "Accepted", "ModifyRejected", "Canceled")

    run(scenario(), 60.0)


def test_r7_a_submit_that_never_came(run: Any) -> None:
    async def scenario() -> None:
        async with trading(**QUICK) as rig:
            rig.sim.faults.next_reply("post", lose=True, execute=False)
            order = buy()
            rig.client.submit_order(order)
            await until(lambda: any('"order"' in f.text for f in rig.sim.record.frames))
            await _away(rig)
            assert rig.tracked(order).state is OrderState.UNKNOWN
            _home(rig)
            event = await rig.event(OrderRejected, order)
            assert "nonce" in event.reason
            await rig.told(order, "Submitted", "Rejected")
            assert len(rig.actions("noop")) == 1

    run(scenario(), 60.0)


def test_r7_a_submit_that_was_refused_and_nobody_said_so(run: Any) -> None:
    async def scenario() -> None:
        async with trading(sim={"stream_rejections": False}, **QUICK) as rig:
            rig.house("sell", "2900", "1")
            rig.sim.faults.next_reply("post", lose=True)
            order = buy(post_only=True)
            rig.client.submit_order(order)
            await rig.taken("order")
            await _away(rig)
            _home(rig)
            await rig.told(order, "Submitted", "Rejected")

    run(scenario(), 60.0)


def test_r8_a_snapshot_of_known_fills_says_nothing(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            order = await rig.open_order(buy("100", "2900"))
            for _ in range(20):
                rig.house("sell", "2900", "0.5", take=True)
            await rig.event(OrderFilled, order, 20)
            for count in (1, 2):
                rig.cut()
                await rig.back(count)
            await rig.settle()
            assert len(rig.of(OrderFilled)) == 20
            assert rig.of(FillReport) == []

    run(scenario(), 60.0)


def test_r10_refused_connections_do_not_pile_up(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            order = await rig.open_order()
            tasks = len(asyncio.all_tasks())
            await _away(rig)
            await until(lambda: rig.client._stream.session.counters.attempts >= 10)  # type: ignore[union-attr]
            _home(rig)
            await rig.back()
            await rig.settle()
            await until(lambda: len(asyncio.all_tasks()) <= tasks + 3, "the tasks to end")
            await rig.told(order, "Submitted", "Accepted")

    run(scenario(), 60.0)


def test_r11_a_connection_that_is_open_and_dead(run: Any) -> None:
    async def scenario() -> None:
        async with trading(ping_interval_s=0.2, pong_timeout_s=0.2) as rig:
            order = await rig.open_order()
            for connection in rig.sim.connections.values():
                connection.freeze()
            rig.sim.faults.cancel_order(rig.client.user, rig.venue_order(order).oid)
            await rig.event(OrderCanceled, order)

    run(scenario(), 60.0)


def test_reports_of_what_happened_to_others_while_away(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            wire = {
                "a": 1, "b": True, "p": "2700", "s": "1", "r": False,
                "t": {"limit": {"tif": "Gtc"}},
            }  # fmt: skip
            await rig.client.send_action({"type": "order", "orders": [wire], "grouping": "na"})
            await _away(rig)
            rig.house("sell", "2700", "1", take=True)
            _home(rig)
            await rig.back()
            await until(lambda: len(rig.of(FillReport)) == 1)
            reports = await rig.client.generate_position_status_reports()
            assert [r.signed_size for r in reports] == [Decimal(1)]
            assert rig.of(PositionStatusReport)

    run(scenario(), 60.0)


def test_a_second_connect_finds_out_what_the_first_left(run: Any) -> None:
    async def scenario() -> None:
        async with trading(**QUICK) as rig:
            order = await rig.open_order()
            await rig.client.disconnect()
            rig.house("sell", "2900", "0.4", take=True)
            await rig.client.connect()
            await rig.told(order, "Submitted", "Accepted", "Filled")
            rig.client.cancel_order(order.client_order_id)
            await rig.event(OrderCanceled, order)

    run(scenario(), 60.0)


def test_connect_reports_what_stands(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            await rig.open_order()
            rig.house("sell", "2900", "0.4", take=True)
            await rig.event(OrderFilled)
            clients: list[Any] = []
            other = Rig(rig.sim, rig.config, clients)
            try:
                await other.client.connect()
                (report,) = [e for e in other.events if type(e).__name__ == "OrderStatusReport"]
                assert report.filled_size == Decimal("0.4")
                assert report.status.value == "PARTIALLY_FILLED"
                assert other.of(PositionStatusReport)[0].signed_size == Decimal("0.4")
                assert other.of(AccountState)
                mass = await other.client.generate_mass_status()
                assert len(mass.orders) == 1
                assert len(mass.positions) == 1
            finally:
                await other.client.close()

    run(scenario(), 60.0)


def test_the_periodic_comparison_finds_a_lost_end(run: Any) -> None:
    async def scenario() -> None:
        async with trading(reconcile_interval_s=0.2) as rig:
            order = await rig.open_order()
            rig.sim.faults.tap("orderUpdates", "drop", count=1)
            rig.sim.faults.tap("userEvents", "drop", count=1)
            rig.sim.faults.cancel_order(rig.client.user, rig.venue_order(order).oid)
            await rig.told(order, "Submitted", "Accepted", "Canceled")

    run(scenario(), 60.0)


def test_a_gap_in_the_positions_has_the_fills_read(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            order = await rig.open_order(buy("4"))
            rig.house("sell", "2900", "1", take=True)
            await rig.event(OrderFilled, order)
            for name in ("userFills", "userEvents"):
                rig.sim.faults.tap(name, "drop", count=1)
            rig.house("sell", "2900", "1", take=True)
            await rig.settle()
            rig.house("sell", "2900", "1", take=True)
            await rig.event(OrderFilled, order, 3)
            assert rig.client._feed.gaps == 1
            assert rig.tracked(order).filled_size == Decimal(3)

    run(scenario(), 60.0)


def test_an_early_end_waits_for_its_fills(run: Any) -> None:
    """The venue tells the end of an IOC order before its fills; they come first all the same."""

    async def scenario() -> None:
        from connectors.model import TimeInForce

        async with trading() as rig:
            rig.house("sell", "2900", "0.4")
            order = buy("1", "2900", time_in_force=TimeInForce.IOC)
            rig.client.submit_order(order)
            await rig.told(order, "Submitted", "Accepted", "Filled", "Canceled")

    run(scenario(), 60.0)


def test_an_accept_by_the_stream_alone(run: Any) -> None:
    async def scenario() -> None:
        async with trading(accept_source="stream", submit_unresolved_ms=50) as rig:
            order = await rig.open_order()
            assert rig.of(OrderAccepted)[0].ts_event % 1_000_000 == 0  # the venue's time
            rig.sim.faults.tap("orderUpdates", "drop", count=1)
            other = buy(price="2800")
            rig.client.submit_order(other)
            await rig.told(other, "Submitted", "Accepted")  # by asking
            await rig.told(order, "Submitted", "Accepted")

    run(scenario(), 60.0)


def test_children_whose_parent_went_while_away(run: Any) -> None:
    async def scenario() -> None:
        from connectors.model import Side, stop_market_order
        from connectors.model.enums import ContingencyType

        async with trading() as rig:
            parent = buy("1", "2900")
            child = stop_market_order(
                "ETH-PERP", Side.SELL, trigger_price="2500", size="1", reduce_only=True
            )
            rig.client.submit_order_group([parent, child], ContingencyType.OTO)
            await rig.event(OrderAccepted, parent)
            assert rig.kinds(child) == ["Submitted"]
            await _away(rig)
            rig.sim.faults.cancel_order(rig.client.user, rig.venue_order(parent).oid)
            _home(rig)
            await rig.told(parent, "Submitted", "Accepted", "Canceled")
            await rig.told(child, "Submitted", "Accepted", "Canceled")

    run(scenario(), 60.0)


def test_a_settled_modification_is_not_looked_up(run: Any) -> None:
    async def scenario() -> None:
        async with trading(modify_unresolved_ms=600_000) as rig:
            order = await rig.open_order()
            for number in range(1, 30):
                rig.client.modify_order(order.client_order_id, price=str(2900 + number))
                await rig.event(OrderUpdated, order, number)
                await until(lambda: not rig.client._schedule, "the look-up to be wanted no more")
            assert rig.sim.record.hits["orderStatus"] == 0

    run(scenario(), 60.0)
