"""Orders that live and are shown as over, and the reverse."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from venues.ibkr.ibkr_rig import Listener, execution_row, order_row, topic
from venues.ibkr.test_account_client import ACCOUNT, place, status_of
from venues.ibkr.venue_rig import TIMERS, login, owned, venue

from connectors.errors import VenueError
from connectors.ibkr import account_client, orders
from connectors.ibkr.account_client import AccountClient
from connectors.ibkr.account_feed import ABSENCES, LIST_MAX
from connectors.ibkr.account_queries import AccountReader
from connectors.model import OrderStatus, OrderStatusReport
from connectors.net.clock import NS_PER_S
from patience import until

Run = Callable[..., Any]


def test_w_32_nobody_is_given_up_in_a_gap(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """`Inactive` right before a loss: silence says nothing while nothing can be heard."""
    for module in (orders, account_client):
        monkeypatch.setattr(module, "INACTIVE_S", 0.1)

    async def scenario() -> None:
        told: list[Any] = []
        async with venue(sor_snapshot="never") as sim, owned(sim, told) as client:
            order = place(sim, "gap-1")
            await until(lambda: status_of(client, order) is OrderStatus.ACCEPTED)
            go_on = asyncio.Event()

            async def wait(**_: Any) -> None:
                await go_on.wait()

            monkeypatch.setattr(client._reader, "refresh_orders", wait)
            sim.faults.apply({"fault": "abort"})
            await until(lambda: not client.is_caught_up, what="the loss is noticed")
            row = order_row("Inactive", sparse=True, orderId=order.order_id)
            client.feed.take(topic({"topic": "sor", "args": [row]}))
            client._wake.set()
            await asyncio.sleep(0.5)
            assert status_of(client, order) is OrderStatus.SUBMITTED
            go_on.set()
            await until(lambda: client.is_caught_up)
            await until(lambda: status_of(client, order) is OrderStatus.ACCEPTED)
            seen = {each.status for each in told if isinstance(each, OrderStatusReport)}
            assert OrderStatus.REJECTED not in seen

    run(scenario())


def test_r_51_r_57_an_order_that_ended_unseen_is_not_shown_for_ever(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A DAY order of yesterday is in no list and known to no status: it does not live.

    One that is only missing in lists does.
    """
    monkeypatch.setattr(account_client, "POLL_S", 0.05)

    async def scenario() -> None:
        told: list[Any] = []
        async with venue() as sim, owned(sim, told) as client:
            gone, lives = place(sim, "day-1"), place(sim, "day-2")
            for order in (gone, lives):
                await until(lambda it=order: status_of(client, it) is OrderStatus.ACCEPTED)
            sim.configure(sor_silent=True)
            read = client.keeper.rest.live_orders

            async def without_both(**options: Any) -> Any:
                answer = await read(**options)
                hidden = (gone.order_id, lives.order_id)
                rows = [row for row in answer["orders"] if row["orderId"] not in hidden]
                return {"orders": rows, "snapshot": True}

            monkeypatch.setattr(client.keeper.rest, "live_orders", without_both)
            for known in (sim.exchange.accounts[ACCOUNT].orders, sim.exchange.orders):
                del known[gone.order_id]
            await until(lambda: status_of(client, gone) is OrderStatus.CANCELED)
            assert [each.venue_order_id for each in client.orders()] == [str(lives.order_id)]
            report = client.order(str(gone.order_id))
            assert report is not None
            assert report.reason == orders.GONE
            row = order_row("Submitted", sparse=True, orderId=gone.order_id)
            client.feed.take(topic({"topic": "sor", "args": [row]}))
            assert status_of(client, gone) is OrderStatus.ACCEPTED, "a row brings it back"

    run(scenario())


def test_d_30_the_start_shows_an_order_of_a_contract_that_nothing_else_names(run: Run) -> None:
    """No position, no trade, no row of `sor`: only the list of live orders knows its conid."""

    async def scenario() -> None:
        told: list[Any] = []
        async with venue(sor_silent=True) as sim:
            place(sim, "lonely-1")
            async with owned(sim, told) as client:
                assert [each.client_order_id for each in client.orders()] == ["lonely-1"]
                place(sim, "lonely-2", conid=8314)
                asked = await client.generate_order_status_reports()
                assert {each.client_order_id for each in asked} == {"lonely-1", "lonely-2"}

    run(scenario())


@pytest.mark.parametrize("is_silenced", [False, True])
def test_w_36_w_37_an_order_from_elsewhere_is_found_without_a_row(
    run: Run, monkeypatch: pytest.MonkeyPatch, is_silenced: bool
) -> None:
    """Nothing is open and `sor` is inert: the list is read now and then all the same.

    Also where a filter of somebody else has silenced it (F-06).
    """

    async def scenario() -> None:
        told: list[Any] = []
        timers = replace(TIMERS, orders_idle_s=0.05)
        async with (
            venue(sor_silent=True) as sim,
            login(sim, timers=timers) as keeper,
            AccountClient(keeper=keeper, on_event=told.append) as client,
        ):
            read, forced = keeper.rest.live_orders, not is_silenced

            async def silenced(*, force: bool = False, **options: Any) -> Any:
                nonlocal forced
                forced = forced or force
                answer = await read(force=force, **options)
                return answer if forced else {"orders": [], "snapshot": False}

            monkeypatch.setattr(keeper.rest, "live_orders", silenced)
            assert client.orders() == []
            order = place(sim, "phone-1")
            await until(lambda: status_of(client, order) is OrderStatus.ACCEPTED)

    run(scenario())


@pytest.mark.parametrize(("polls", "pause_s"), [(True, 30.0), (False, None)])
def test_p_05_the_list_is_read_slowly_while_nothing_is_open(
    polls: bool, pause_s: float | None
) -> None:
    client = AccountClient(poll_orders=polls)
    client._polled_ns = 7 * NS_PER_S
    due_ns = client._poll_due_ns()
    assert due_ns == (None if pause_s is None else (7 + pause_s) * NS_PER_S)
    client.feed.take(topic({"topic": "sor", "args": [order_row("Submitted")]}))
    assert client._poll_due_ns() == (12 * NS_PER_S if polls else None)


def test_r_51_absence_counts_in_whole_lists_only() -> None:
    it = Listener()
    it.sor(order_row("Submitted"))
    other = order_row("Submitted", orderId=7)
    for _ in range(3):
        it.wait(5)
        assert not it.list_orders(snapshot=False), "no list yet"
        it.list_orders(other, {"orderId": "x"})  # a row that cannot be read may be the one
    assert it.feed.absent == []
    it.list_orders(other)
    it.list_orders(other)
    it.list_orders(other, order_row("Submitted"))
    it.list_orders(other)
    it.list_orders(other)
    assert it.feed.absent == []
    it.list_orders(other)
    (order,) = it.feed.absent
    it.str_(execution_row(size=5.0))
    it.feed.give_up(order)
    assert it.of(OrderStatusReport)[-1].status is OrderStatus.FILLED, "its executions say so"


def test_r_51_an_order_the_socket_spoke_of_meanwhile_is_not_absent() -> None:
    """A list is as old as its question; and one of a thousand rows may have left it out."""
    it = Listener()
    it.sor(order_row("Submitted"))
    other = order_row("Submitted", orderId=7)
    for _ in range(3):
        asked_ns = it.clock.monotonic_ns()
        it.wait(5)
        it.sor(order_row(sparse=True, remainingQuantity=5.0))
        it.feed.live_orders({"orders": [other], "snapshot": True}, asked_ns)
    assert it.feed.absent == []
    for _ in range(3):
        it.wait(5)
        it.list_orders(*(other | {"orderId": 7 + each} for each in range(LIST_MAX)))
    assert it.feed.absent == []


def test_r_53_an_order_that_speaks_while_it_is_looked_for_lives(run: Run) -> None:
    """Its row arrives before the status that knows nothing of it."""

    class Rest:
        async def live_orders(self) -> dict[str, Any]:
            return {"orders": [], "snapshot": True}

        async def order_status(self, order_id: str) -> dict[str, Any]:
            if speaks:
                it.sor(order_row("Submitted"))
                it.list_orders(order_row("Submitted"))
            raise VenueError(503, "unknown", status=503)

    it = Listener()
    it.sor(order_row("Submitted"))
    reader = AccountReader(Rest, it.feed, it.clock)  # type: ignore[arg-type]

    async def poll() -> OrderStatus:
        for _ in range(ABSENCES):
            it.wait(5)
            assert await reader.orders()
        last: OrderStatus = it.of(OrderStatusReport)[-1].status
        return last

    speaks = True
    assert run(poll()) is OrderStatus.ACCEPTED
    speaks = False
    assert run(poll()) is OrderStatus.CANCELED


def test_d_30_orders_are_read_even_if_the_money_is_not(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account_client, "RETRY_S", 0.05)

    async def scenario() -> None:
        told: list[Any] = []
        async with venue(sor_snapshot="never") as sim, owned(sim, told) as client:
            order = place(sim, "gap-2")
            await until(lambda: client.orders())

            async def fail(account: str) -> None:
                raise VenueError(500, f"no summary of {account}", status=500)

            monkeypatch.setattr(client._reader, "money", fail)
            sim.configure(sor_silent=True)
            sim.faults.apply({"fault": "abort"})
            sim.exchange.cancel(order, "")
            await until(lambda: status_of(client, order) is OrderStatus.CANCELED)
            assert not client.is_caught_up, "and nobody says that all is read"

    run(scenario())
