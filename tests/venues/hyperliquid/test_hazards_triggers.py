"""What would cost money with orders that trigger, and with groups of them (7.2, 15.2)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from venues.hyperliquid.trading_rig import Rig, buy, trading, until

from connectors.execution.identity import OrderRegistry, Shape, TrackedOrder
from connectors.execution.legs import LegDispatch
from connectors.model import (
    ContingencyType,
    FillReport,
    Order,
    OrderAccepted,
    OrderCanceled,
    OrderDenied,
    OrderFilled,
    OrderStatus,
    OrderType,
    OrderUpdated,
    Side,
    market_if_touched_order,
    stop_limit_order,
    stop_market_order,
)
from oracle.execution import INSTRUMENT, row, trade

S = OrderStatus


class Bench:
    """A stop of 10 that waits for its trigger as `1`."""

    def __init__(self, kind: OrderType = OrderType.STOP_MARKET) -> None:
        self.kind = kind
        self.events: list[Any] = []
        self.dispatch = LegDispatch(OrderRegistry(), on_event=self.events.append, wall_ns=lambda: 5)
        self.order = self.dispatch.registry.add(
            TrackedOrder(
                "O1", INSTRUMENT, Side.BUY, kind,
                size=Decimal(10), price=Decimal(100), client_key=77,
            )
        )  # fmt: skip
        self.dispatch.submitted(self.order)
        self.status(S.ACCEPTED, "1")
        self.events.clear()

    def status(self, status: OrderStatus, leg: str, **more: Any) -> None:
        self.dispatch.status(row(status, venue_id=leg, kind=self.kind, **more))

    def fill(self, trade_id: str, size: str, leg: str) -> None:
        self.dispatch.fill(trade(trade_id, size, venue_id=leg), client_key=77)

    @property
    def kinds(self) -> list[str]:
        return [type(event).__name__.removeprefix("Order") for event in self.events]


# -- what a trigger sets off may have an oid of its own ------------------------------------


@pytest.mark.parametrize(
    ("status", "reason"),
    [(S.CANCELED, None), (S.REJECTED, "marketOrderNoLiquidityRejected")],
)
def test_what_a_trigger_set_off_ends_the_order(status: OrderStatus, reason: str | None) -> None:
    """Its fills and its end are of an oid that nobody named; else it would live for ever."""
    bench = Bench()
    bench.status(S.TRIGGERED, "1")
    bench.fill("a", "4", "2")
    bench.status(status, "2", filled="4", reason=reason)
    assert bench.kinds == ["Filled", "Updated", "Canceled"]
    assert bench.events[1].size == bench.order.size == Decimal(10)
    assert (bench.events[-1].venue_order_id, bench.events[-1].reason) == ("2", reason)


def test_what_a_trigger_set_off_waits_for_the_fills_of_its_end() -> None:
    for before, after in (("Updated", "Filled"), ("Filled", "Updated")):
        bench = Bench()
        bench.status(S.TRIGGERED, "1")
        if before == "Filled":
            bench.fill("a", "4", "2")
        bench.status(S.FILLED, "2", filled="10")
        if after == "Filled":
            bench.fill("a", "4", "2")
        assert not bench.order.is_final
        bench.fill("b", "6", "2")
        assert bench.kinds == [before, after, "Filled"]
        assert bench.order.is_final


def test_the_row_of_a_refused_modification_is_not_what_a_trigger_set_off() -> None:
    """It bears an oid of its own too; the reply has told it, and the order lives on."""
    bench = Bench(OrderType.STOP_LIMIT)
    bench.status(S.TRIGGERED, "1")
    bench.dispatch.replace_sent(bench.order, Shape(Decimal(10), Decimal(99), Decimal(98)))
    bench.dispatch.replace_refused(bench.order, "Invalid TP/SL price.", row_may_follow=True)
    for _ in range(2):
        bench.status(S.REJECTED, "2", reason="badTriggerPxRejected")
    assert bench.kinds == ["Triggered", "ModifyRejected"]
    assert not bench.order.is_final


def test_a_limit_order_that_was_triggered_rests_under_its_own_oid() -> None:
    bench = Bench(OrderType.STOP_LIMIT)
    bench.status(S.TRIGGERED, "1")
    bench.status(S.ACCEPTED, "2")
    bench.fill("a", "4", "2")
    bench.status(S.CANCELED, "1")  # of what was armed
    assert bench.kinds == ["Triggered", "Updated", "Filled"]
    bench.status(S.CANCELED, "2", filled="4")
    assert bench.kinds[-1] == "Canceled"


def test_fills_of_a_leg_before_its_row_do_not_make_the_order_larger() -> None:
    """Somebody else modified it (X05): 10 in all, of which the new leg has traded 4."""
    bench = Bench(OrderType.LIMIT)
    bench.fill("a", "4", "2")
    bench.status(S.ACCEPTED, "2", size="10")
    assert bench.order.size == Decimal(10)
    bench.fill("b", "6", "2")
    assert bench.order.is_final


def test_a_trigger_that_fired_in_a_gap_is_told() -> None:
    """What is open is read, and the row shows that it was reached."""
    bench = Bench(OrderType.STOP_LIMIT)
    bench.status(S.ACCEPTED, "1", is_triggered=True)
    bench.status(S.ACCEPTED, "1", is_triggered=True)
    assert bench.kinds == ["Triggered"]


# -- end to end ----------------------------------------------------------------------------


def stop(size: str = "1", at: str = "2900", **more: Any) -> Order:
    return stop_market_order(
        "ETH-PERP", Side.SELL, size=size, trigger_price=at, reduce_only=True, **more
    )


def profit(size: str = "1", at: str = "3200", **more: Any) -> Order:
    return market_if_touched_order(
        "ETH-PERP", Side.SELL, size=size, trigger_price=at, reduce_only=True, **more
    )


async def long(rig: Rig, size: str) -> None:
    """Hold a position."""
    rig.sim.set_mark("ETH", "3000")
    rig.house("sell", "3000", size)
    await rig.event(OrderFilled, await rig.open_order(buy(size, "3000")))


RENAMES = pytest.mark.parametrize("renames", [False, True])


@RENAMES
def test_a_stop_that_fires_is_filled(run: Any, renames: bool) -> None:
    async def scenario() -> None:
        async with trading(sim={"trigger_renames": renames}) as rig:
            await long(rig, "1")
            order = await rig.open_order(stop())
            rig.house("buy", "2890", "0.4")
            rig.house("buy", "2889", "0.6")
            rig.sim.set_mark("ETH", "2900")
            await until(lambda: rig.tracked(order).is_final)
            assert [e.last_size for e in rig.of(OrderFilled, order)] == [
                Decimal("0.4"), Decimal("0.6"),
            ]  # fmt: skip
            await rig.settle()
            assert set(rig.kinds(order)) <= {"Submitted", "Accepted", "Updated", "Filled"}
            assert rig.late == []

    run(scenario(), 60.0)


@RENAMES
def test_a_stop_that_fires_and_finds_too_little_is_over(run: Any, renames: bool) -> None:
    async def scenario() -> None:
        async with trading(sim={"trigger_renames": renames}) as rig:
            await long(rig, "1")
            order = await rig.open_order(stop())
            rig.house("buy", "2890", "0.4")
            rig.sim.set_mark("ETH", "2900")
            await rig.event(OrderCanceled, order)
            assert [e.last_size for e in rig.of(OrderFilled, order)] == [Decimal("0.4")]

    run(scenario(), 60.0)


@RENAMES
def test_a_stop_limit_that_rests_is_canceled_and_modified(run: Any, renames: bool) -> None:
    """By its cloid, and by the oid it has now."""

    async def scenario() -> None:
        async with trading(sim={"trigger_renames": renames}) as rig:
            await long(rig, "1")
            order = stop_limit_order(
                "ETH-PERP", Side.SELL, size="1", trigger_price="2900", price="2950",
                reduce_only=True,
            )  # fmt: skip
            await rig.open_order(order)
            rig.sim.set_mark("ETH", "2900")
            live = await until(lambda: [o for o in rig.account.live.values() if o.resting])
            await until(lambda: rig.tracked(order).venue_order_id == str(live[0].oid))
            rig.house("buy", "2950", "0.4", take=True)
            await rig.event(OrderFilled, order)
            rig.client.cancel_order(order.client_order_id)
            await rig.event(OrderCanceled, order)
            assert rig.account.live == {}

    run(scenario(), 60.0)


def test_exits_of_a_position_trade_what_the_position_is(run: Any) -> None:
    """It has grown to 4 since they were given for 1: all four fills are of the order."""

    async def scenario() -> None:
        async with trading() as rig:
            await long(rig, "1")
            exits = [stop(), profit()]
            rig.client.submit_order_group(exits, ContingencyType.OCO)
            await rig.event(OrderAccepted, exits[1])
            await long(rig, "3")
            for price in ("2890", "2889", "2888", "2887"):
                rig.house("buy", price, "1")
            rig.sim.set_mark("ETH", "2900")
            await until(lambda: rig.tracked(exits[0]).is_final)
            fills = rig.of(OrderFilled, exits[0])
            assert [fill.filled_size for fill in fills] == [Decimal(n) for n in (1, 2, 3, 4)]
            await rig.event(OrderCanceled, exits[1])
            assert [event for event in rig.events if isinstance(event, FillReport)] == []

    run(scenario(), 60.0)


def test_an_exit_of_a_position_that_shrank_is_over_when_that_is_closed(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            await long(rig, "1")
            exits = [stop("5")]
            rig.client.submit_order_group(exits, ContingencyType.OCO)
            await rig.event(OrderAccepted, exits[0])
            rig.house("buy", "2890", "5")
            rig.sim.set_mark("ETH", "2900")
            await until(lambda: rig.tracked(exits[0]).is_final)
            assert rig.kinds(exits[0]) == ["Submitted", "Accepted", "Filled"]

    run(scenario(), 60.0)


def test_an_exit_that_waits_goes_on_waiting_when_it_is_modified(run: Any) -> None:
    """It must not be armed before the entry has filled, and the other exit ends it."""

    async def scenario() -> None:
        async with trading(reconcile_interval_s=0.05) as rig:
            rig.sim.set_mark("ETH", "3000")
            entry, *exits = bracket = [buy("1", "2990"), stop(), profit()]
            rig.client.submit_order_group(bracket, ContingencyType.OTOCO)
            await rig.event(OrderAccepted, exits[0])  # it is in the list of what is open
            rig.client.modify_order(exits[0].client_order_id, trigger_price="2850")
            await rig.event(OrderUpdated, exits[0])
            assert rig.venue_order(exits[0]).state == "waiting"
            rig.house("sell", "2990", "1", take=True)
            await rig.event(OrderFilled, entry)
            await until(lambda: rig.venue_order(exits[0]).state == "armed")
            rig.house("buy", "3210", "1")
            rig.sim.set_mark("ETH", "3200")
            await rig.event(OrderFilled, exits[1])
            end = await rig.event(OrderCanceled, exits[0])
            assert end.reason == "siblingFilledCanceled"

    run(scenario(), 60.0)


def test_exits_that_could_open_a_position_are_denied(run: Any) -> None:
    """The venue's are reduce-only (7.2): one that is not would trade after the other."""

    async def scenario() -> None:
        async with trading() as rig:
            wrong = [
                ([buy(), stop().with_changes(reduce_only=False)], ContingencyType.OTO, "reduce"),
                ([buy(), stop().with_changes(side=Side.BUY)], ContingencyType.OTO, "side"),
                ([stop(), profit().with_changes(side=Side.BUY)], ContingencyType.OCO, "side"),
            ]
            for orders, contingency, text in wrong:
                rig.events.clear()
                rig.client.submit_order_group(orders, contingency)
                denied = [event for event in rig.events if isinstance(event, OrderDenied)]
                assert len(denied) == len(orders)
                assert all(text in event.reason for event in denied)
            await rig.settle()
            assert rig.actions() == []

    run(scenario(), 60.0)
