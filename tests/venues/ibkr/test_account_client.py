"""The account client against the simulator: start, gaps, and rows that stay away or come twice."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from venues.ibkr.venue_rig import login, owned, venue

from connectors.errors import ClientError
from connectors.ibkr import account_client
from connectors.ibkr.account_client import AccountClient
from connectors.ibkr.data import DataClient
from connectors.ibkr.topics import Prompt
from connectors.model import (
    AccountState,
    ErrorEvent,
    FillReport,
    OrderStatus,
    OrderStatusReport,
    PositionStatusReport,
    Reconnected,
)
from connectors.model.reports import FillCorrection
from connectors.sim.ibkr.server import Simulator
from patience import until

ACCOUNT = "DU1234567"
NAME = f"IBKR-{ACCOUNT}"
Run = Callable[..., Any]


def place(sim: Simulator, ref: str, price: float = 150.0, quantity: int = 5, **more: Any) -> Any:
    """Place an order from another platform."""
    ticket = {"conid": 265598, "cOID": ref, "orderType": "LMT", "price": price, "side": "BUY",
              "tif": "DAY", "quantity": quantity}  # fmt: skip
    return sim.admin_order(ACCOUNT, **(ticket | more))


async def order_over_rest(client: AccountClient, sim: Simulator, ref: str) -> Any:
    """Place an order as this login itself would, with all the rows of its life (W-31)."""
    ticket = {"acctId": ACCOUNT, "conid": 265598, "cOID": ref, "orderType": "LMT", "price": 150.0,
              "side": "BUY", "tif": "DAY", "quantity": 5}  # fmt: skip
    path = f"/iserver/account/{ACCOUNT}/orders"
    (answer,) = await client.keeper.rest.post(path, {"orders": [ticket]})
    return sim.exchange.orders[int(answer["order_id"])]


def of(told: list[Any], kind: type) -> list[Any]:
    return [each for each in told if isinstance(each, kind)]


def status_of(client: AccountClient, order: Any) -> OrderStatus | None:
    report = client.order(str(order.order_id))
    return None if report is None else report.status


def at_the_venue(sim: Simulator) -> tuple[dict[str, str], dict[str, Decimal]]:
    """Return open orders and positions as the simulator has them."""
    account = sim.exchange.accounts[ACCOUNT]
    rows = [order.row() for order in account.orders.values()]
    orders = {str(row["orderId"]): row["status"] for row in rows
              if row["status"] not in ("Filled", "Cancelled", "Inactive")}  # fmt: skip
    positions = {str(one.contract.key): Decimal(str(one.contract.size(one.size)))
                 for one in account.positions.values() if one.size}  # fmt: skip
    return orders, positions


def agrees(client: AccountClient, sim: Simulator) -> bool:
    orders, positions = at_the_venue(sim)
    seen = {report.venue_order_id for report in client.orders()}
    held = {report.instrument_id: report.signed_size for report in client.positions()}
    return seen == set(orders) and list(held.values()) == list(positions.values())


@pytest.mark.parametrize("sor_snapshot", ["always", "never"])
def test_d_30_w_35_the_start_shows_all_there_is(run: Run, sor_snapshot: str) -> None:
    """Whether `sor` begins with the orders there are or not."""

    async def scenario() -> None:
        told: list[Any] = []
        async with venue(sor_snapshot=sor_snapshot) as sim:
            bought, _ = place(sim, "early-1", 200.0), place(sim, "early-2")
            await until(lambda: not bought.open_size, what="the order fills")
            async with owned(sim, told) as client:
                assert client.account_id == NAME
                assert [report.client_order_id for report in client.orders()] == ["early-2"]
                assert [report.signed_size for report in client.positions()] == [5]
                assert client.balances()[0].currency == "USD"
                assert client.is_caught_up
                assert agrees(client, sim)
                fills = of(told, FillReport)
                assert sum(fill.last_size for fill in fills) == 5, "of the last minute, once"
                ended = client.orders(open_only=False)
                assert {report.status for report in ended} >= {OrderStatus.FILLED}

    run(scenario())


def test_w_31_w_40_w_41_the_life_of_an_order(run: Run) -> None:
    """Rows step by step, one fill however often it is told, its fee later, and the position."""

    async def scenario() -> None:
        told: list[Any] = []
        async with venue(resends=3, resend_ms=10.0, commission_ms=30.0) as sim:
            async with owned(sim, told) as client:
                order = await order_over_rest(client, sim, "live-1")
                await until(lambda: status_of(client, order) is OrderStatus.ACCEPTED)
                sim.fill(order, "2")
                await until(lambda: status_of(client, order) is OrderStatus.PARTIALLY_FILLED)
                sim.fill(order)
                await until(lambda: status_of(client, order) is OrderStatus.FILLED)
                await until(lambda: len(of(told, FillCorrection)) == 2, what="both fees")
                await until(lambda: agrees(client, sim), what="the position is read again")
                await sim.quiesce()
            fills = of(told, FillReport)
            assert [fill.last_size for fill in fills] == [2, 3]
            assert {fill.account_id for fill in fills} == {NAME}
            assert all(each.fill.commission is not None for each in of(told, FillCorrection))
            words = [each.venue_status for each in of(told, OrderStatusReport)]
            assert words[-1] == "Filled"
            assert OrderStatus.REJECTED not in {each.status for each in of(told, OrderStatusReport)}
            assert of(told, AccountState)
            assert of(told, ErrorEvent) == []

    run(scenario())


def test_d_30_a_gap_is_closed_exactly_once(run: Run) -> None:
    """Fills, a cancel and a new order while the socket is gone; nothing twice, nothing lost."""

    async def scenario() -> None:
        told: list[Any] = []
        async with venue() as sim, owned(sim, told) as client:
            filled, canceled = place(sim, "gap-1"), place(sim, "gap-2")
            await until(lambda: len(client.orders()) == 2)
            for _ in range(2):  # three losses at once look like another client (F-12)
                gone = len(of(told, Reconnected))
                sim.faults.apply({"fault": "abort"})
                sim.fill(filled, "1")
                place(sim, f"gap-new-{gone}")
                await until(lambda: not client.is_caught_up, what="the loss is noticed")
                await until(lambda n=gone: len(of(told, Reconnected)) == n + 1)
            sim.exchange.cancel(canceled, "")
            await sim.quiesce()
            await until(lambda: client.is_caught_up and agrees(client, sim))
            fills = of(told, FillReport)
            assert [fill.last_size for fill in fills] == [1, 1]
            assert len({fill.trade_id for fill in fills}) == 2
            assert [each.signed_size for each in client.positions()] == [2]

    run(scenario())


def test_w_36_d_31_without_rows_the_poll_tells(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account_client, "POLL_S", 0.1)

    async def scenario() -> None:
        told: list[Any] = []
        async with venue() as sim, owned(sim, told) as client:
            order = place(sim, "silent-1")
            await until(lambda: status_of(client, order) is OrderStatus.ACCEPTED)
            sim.configure(sor_silent=True)
            sim.exchange.cancel(order, "")
            await until(lambda: status_of(client, order) is OrderStatus.CANCELED)
            assert not client.feed.board.has_open

    run(scenario())


@pytest.mark.parametrize(
    "fault", ["duplicate_executions", "bad_row", "out_of_order_status", "inactive_then_submitted"]
)
def test_w_38_w_40_r_56_faults_of_rows(run: Run, fault: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(account_client, "POLL_S", 0.2)

    async def scenario() -> None:
        told: list[Any] = []
        async with venue() as sim, owned(sim, told) as client:
            sim.faults.apply({"fault": fault})
            order = place(sim, "odd-1")
            await until(lambda: status_of(client, order) is OrderStatus.ACCEPTED, what=fault)
            sim.fill(order)
            await until(lambda: status_of(client, order) is OrderStatus.FILLED, what=fault)
            await sim.quiesce()
            await until(lambda: agrees(client, sim))
            assert sum(fill.last_size for fill in of(told, FillReport)) == 5

    run(scenario())


def test_w_32_a_rejection_by_the_system_says_why(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account_client, "POLL_S", 0.1)

    async def scenario() -> None:
        told: list[Any] = []
        async with venue() as sim, owned(sim, told) as client:
            sim.faults.apply({"fault": "system_reject"})
            order = await order_over_rest(client, sim, "refused-1")
            await until(lambda: status_of(client, order) is OrderStatus.REJECTED)
            report = client.order(str(order.order_id))
            assert report is not None
            assert report.reason

    run(scenario())


def test_r_34_a_prompt_about_an_order_reaches_the_user(run: Run) -> None:
    async def scenario() -> None:
        told: list[Any] = []
        async with venue() as sim, owned(sim, told):
            order = place(sim, "asked-1")
            sim.faults.apply({"fault": "ntf_prompt", "order_id": order.order_id})
            await until(lambda: of(told, Prompt))
            assert of(told, Prompt)[0].options

    run(scenario())


def test_reports_on_request(run: Run) -> None:
    async def scenario() -> None:
        told: list[Any] = []
        async with venue() as sim, owned(sim, told) as client:
            order = place(sim, "asked-2", 200.0)
            await until(lambda: of(told, FillReport))
            status = await client.generate_mass_status()
            assert [each.venue_order_id for each in status.orders] == [str(order.order_id)]
            assert status.fills == (), "all were handed out"
            assert [each.signed_size for each in status.positions] == [5]
            (position,) = await client.generate_position_status_reports("AAPL")
            assert isinstance(position, PositionStatusReport)
            assert await client.generate_order_status_reports("MSFT") == []
        with pytest.raises(ClientError, match="not connected"):
            await client.generate_fill_reports()

    run(scenario())


def test_a_client_can_be_opened_again(run: Run) -> None:
    async def scenario() -> None:
        told: list[Any] = []
        async with venue() as sim, login(sim) as keeper:
            client = AccountClient(keeper=keeper, on_event=told.append)
            async with client:
                order = place(sim, "twice-1")
                await until(lambda: status_of(client, order) is OrderStatus.ACCEPTED)
            sim.fill(order, "2")
            async with client:
                assert agrees(client, sim)
                assert sum(fill.last_size for fill in of(told, FillReport)) == 2
            assert "not connected" in repr(client)

    run(scenario())


def test_d_41_a_client_that_leaves_ends_its_topics_only(run: Run) -> None:
    async def scenario() -> None:
        async with (
            venue() as sim,
            login(sim) as keeper,
            DataClient(keeper=keeper, symbols=("AAPL",)) as data,
        ):
            await data.subscribe_quotes("AAPL", lambda _: None).active(timeout_s=30)
            (link,) = sim.connections.values()
            async with AccountClient(keeper=keeper):
                assert link.pnl is not None
            await until(lambda: link.pnl is None and link.trades is None, what="the venue is told")
            assert link.lines

    run(scenario())


def test_two_clients_of_a_session_do_not_end_each_others_topics(run: Run) -> None:
    """Who leaves ends what nobody else on the socket wants; fills and orders reach who stays."""

    async def scenario() -> None:
        told: list[Any] = []
        async with venue() as sim, login(sim) as keeper:
            other = AccountClient(keeper=keeper)
            async with AccountClient(keeper=keeper, on_event=told.append) as client:
                async with other:
                    order = place(sim, "shared-1")
                    await until(lambda: status_of(other, order) is OrderStatus.ACCEPTED)
                sim.fill(order, "2")
                await until(lambda: of(told, FillReport), what="the fill, by the socket")
                await until(lambda: status_of(client, order) is OrderStatus.PARTIALLY_FILLED)
                (link,) = sim.connections.values()
                assert link.trades is not None
                assert link.orders is not None
                assert link.pnl is not None

    run(scenario())
