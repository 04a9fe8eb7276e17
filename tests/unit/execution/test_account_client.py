"""What a client that only looks at an account holds, and tells: each thing once."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from connectors.errors import ClientError
from connectors.execution.account_client import AccountClient, HeldOrders
from connectors.execution.reporting import AccountQueries
from connectors.model import (
    AccountState,
    Balance,
    FillReport,
    OrderStatus,
    OrderStatusReport,
    OrderType,
    PositionSide,
    PositionStatusReport,
    Side,
    Transfer,
)
from connectors.net.clock import SYSTEM_CLOCK


def order(name: str, status: OrderStatus, *, filled: int = 0, ts: int = 1) -> OrderStatusReport:
    return OrderStatusReport(
        instrument_id="A",
        client_order_id=None,
        venue_order_id=name,
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        status=status,
        size=Decimal(5),
        filled_size=Decimal(filled),
        ts_last=ts,
        ts_init=ts,
    )


def fill(name: str) -> FillReport:
    return FillReport(
        instrument_id="A",
        client_order_id=None,
        venue_order_id="1",
        trade_id=name,
        side=Side.BUY,
        last_size=Decimal(1),
        last_price=Decimal(2),
        ts_event=1,
        ts_init=1,
    )


def position(size: int, account_id: str | None = None) -> PositionStatusReport:
    return PositionStatusReport(
        instrument_id="A",
        side=PositionSide.LONG if size else PositionSide.FLAT,
        size=Decimal(size),
        ts_event=1,
        ts_init=1,
        account_id=account_id,
    )


def balance(name: str, total: int) -> Balance:
    return Balance.of(name, total=Decimal(total), free=Decimal(total))


def state(*balances: Balance, whole: bool = False, account_id: str = "ME") -> AccountState:
    return AccountState(
        venue="VENUE",
        account_id=account_id,
        balances=balances,
        is_snapshot=whole,
        ts_event=1,
        ts_init=1,
    )


class Client(AccountClient):
    account_id = "ME"

    def _queries(self) -> AccountQueries:
        raise ClientError("not connected")


@pytest.fixture
def told() -> list[Any]:
    return []


@pytest.fixture
def client(told: list[Any]) -> Client:
    return Client("VENUE", on_event=told.append, on_status=None, clock=SYSTEM_CLOCK)


def test_an_order_is_told_when_anything_but_its_time_is_new(client: Client, told: list) -> None:
    live = order("1", OrderStatus.ACCEPTED)
    assert client.take_order(live)
    assert not client.take_order(replace(live, ts_last=2, ts_init=3))
    assert client.take_order(order("1", OrderStatus.PARTIALLY_FILLED, filled=2))
    assert client.take_order(order("2", OrderStatus.ACCEPTED))
    assert client.take_order(order("1", OrderStatus.FILLED, filled=5))
    assert [report.venue_order_id for report in client.orders()] == ["2"]
    assert [report.venue_order_id for report in client.orders(open_only=False)] == ["1", "2"]
    assert client.orders("B") == []
    ended = client.order("1")
    assert ended is not None
    assert ended.status is OrderStatus.FILLED
    assert client.order("3") is None
    assert len(told) == 4


def test_orders_that_ended_are_kept_for_a_while_and_live_ones_always() -> None:
    held = HeldOrders(capacity=2)
    for name in range(1_000):
        held.take(order(str(name), OrderStatus.CANCELED))
        held.take(order(f"live-{name}", OrderStatus.ACCEPTED))
    assert len(held) == 1_002
    assert held.get("997") is None
    assert held.get("998") is not None
    held.take(order("998", OrderStatus.ACCEPTED))
    assert held.get("998").status is OrderStatus.ACCEPTED, "it lives again"
    assert len(held.reports()) == 1_001


def test_a_trade_and_a_transfer_are_told_once(client: Client, told: list) -> None:
    transfer = Transfer(
        venue="VENUE",
        account_id="ME",
        transfer_id="t",
        currency="USDC",
        amount=Decimal(-5),
        kind="WITHDRAWAL",
        ts_event=1,
        ts_init=1,
    )
    assert client.take_fill(fill("t"))
    assert client.take_transfer(transfer), "its id is another thing's"
    assert not client.take_fill(fill("t"))
    assert not client.take_transfer(transfer)
    assert client.take_fill(fill("t"), ("other", "t"))
    assert len(told) == 3


def test_a_callback_that_raises_does_not_bring_a_trade_again() -> None:
    def raises(event: object) -> None:
        raise RuntimeError("the caller's own")

    client = Client("VENUE", on_event=raises, on_status=None, clock=SYSTEM_CLOCK)
    assert client.take_fill(fill("1"))
    assert not client.take_fill(fill("1"))
    assert client.callback_errors == 1


def test_positions_of_two_accounts_are_two(client: Client, told: list) -> None:
    assert client.take_position(position(1, "ME"))
    assert client.take_position(position(2, "CHILD"))
    assert not client.take_position(position(2, "CHILD"))
    assert {(p.account_id, p.size) for p in client.positions("A")} == {
        ("ME", Decimal(1)),
        ("CHILD", Decimal(2)),
    }
    (flat,) = client._positions.drop_others((), 7, account_id="ME")
    assert (flat.account_id, flat.side) == ("ME", PositionSide.FLAT)
    assert [p.account_id for p in client.positions()] == ["CHILD"]
    assert not client.take_position(position(0, "ME")), "flat already"


def test_balances_are_put_together(client: Client, told: list) -> None:
    assert client.take_account(state(balance("USDC", 5), balance("X", 1), whole=True))
    assert not client.take_account(state(balance("X", 1)))
    assert client.take_account(state(balance("X", 2)))
    assert {b.currency: b.total for b in client.balances()} == {"USDC": 5, "X": 2}
    assert client.take_account(state(balance("X", 2), whole=True))
    assert {b.currency: b.total for b in client.balances()} == {"X": 2}
    assert client.take_account(state(balance("Y", 9), whole=True, account_id="CHILD"))
    assert {b.currency: b.total for b in client.balances("CHILD")} == {"Y": 9}
    assert client.balances("NOBODY") == ()
    assert len(told) == 4
