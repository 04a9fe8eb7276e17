"""What keeping orders costs: a fill to its event, and ten thousand orders reconciled."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from bench.measure import Case, Group, Plan, time_cases
from connectors.execution.dispatch import OrderDispatch, OrderRow
from connectors.execution.identity import OrderRegistry, TrackedOrder
from connectors.execution.lookups import LookupSchedule
from connectors.execution.reconcile import Reconciler
from connectors.model import (
    FillReport,
    LiquiditySide,
    OrderFilled,
    OrderStatus,
    OrderStatusReport,
    OrderType,
    Side,
)

__all__ = ["run"]

ORDERS = 10_000
FILLS = 2_000
INSTRUMENT = "ETH-PERP"
ONE, PRICE = Decimal("0.0050"), Decimal("2361.31")


class Account:
    """A dispatch with orders of ours in it; events are counted and dropped."""

    def __init__(self, orders: int) -> None:
        self.events = 0
        self.dispatch = OrderDispatch(OrderRegistry(), on_event=self._count, wall_ns=lambda: 1)
        self.reconciler = Reconciler(self.dispatch, LookupSchedule(), wall_ns=lambda: 1)
        for number in range(1, orders + 1):
            self.dispatch.registry.add(
                TrackedOrder(
                    f"order-{number}",
                    INSTRUMENT,
                    Side.BUY,
                    OrderType.LIMIT,
                    size=Decimal(1_000_000),
                    price=PRICE,
                    client_key=number,
                )
            )

    def _count(self, event: object) -> None:
        self.events += 1


def run(plan: Plan) -> list[Group]:
    return [
        time_cases(
            "fill to OrderFilled",
            [
                direct("new, of an order of ours"),
                fills("the same, by the long way", same=False),
                fills("seen before", same=True),
                Case("OrderFilled(...) alone", _plain, FILLS, note="made of Decimals"),
            ],
            plan,
            note="a trade in our words, found, deduplicated, applied and handed to a callback",
        ),
        time_cases(
            "10 000 open orders reconciled",
            [
                snapshot("all known already", warm=True, every=1),
                snapshot("all new, each makes OrderAccepted", warm=False, every=1),
                snapshot("every second one missing", warm=True, every=2),
            ],
            plan,
            unit="µs",
            note="a snapshot of what is open against what we believe; per order",
        ),
    ]


def fills(name: str, *, same: bool) -> Case:
    account = Account(1)
    account.dispatch.status(row(1))
    numbers = itertools.count(1)
    reports: list[FillReport] = []

    def prepare() -> None:
        if not (same and reports):
            reports[:] = [fill(str(next(numbers))) for _ in range(FILLS)]

    def batch() -> None:
        take = account.dispatch.fill
        for report in reports:
            take(report, client_key=1)

    prepare()
    batch()
    if account.events != FILLS + 1:
        raise AssertionError(f"{account.events} events for {FILLS} fills")
    return Case(name, batch, FILLS, prepare)


def direct(name: str) -> Case:
    """Offer trades with numbers as text, as a venue's client that reads JSON has them."""
    account = Account(1)
    account.dispatch.status(row(1))
    numbers = itertools.count(1)
    ids: list[int] = []
    offer: Any = account.dispatch.direct.offer if account.dispatch.direct else None

    def prepare() -> None:
        ids[:] = [next(numbers) for _ in range(FILLS)]

    def batch() -> None:
        maker = LiquiditySide.MAKER
        for trade_id in ids:
            offer(
                1, 1, trade_id, "0.0050", "2361.31", liquidity=maker, commission="0.0050",
                commission_currency="USDC", ts_event=1, ts_init=2,
            )  # fmt: skip

    prepare()
    batch()
    if account.events != FILLS + 1:
        raise AssertionError(f"{account.events} events for {FILLS} fills")
    return Case(name, batch, FILLS, prepare)


def _plain() -> None:
    for _ in range(FILLS):
        OrderFilled(
            instrument_id=INSTRUMENT,
            client_order_id="order-1",
            venue_order_id="1",
            ts_event=1,
            ts_init=2,
            trade_id="1",
            side=Side.BUY,
            order_type=OrderType.LIMIT,
            last_size=ONE,
            last_price=PRICE,
            filled_size=ONE,
            leaves_size=ONE,
            liquidity=LiquiditySide.MAKER,
            commission=ONE,
            commission_currency="USDC",
        )


def snapshot(name: str, *, warm: bool, every: int) -> Case:
    rows = [row(number) for number in range(1, ORDERS + 1)]
    shown = rows[::every]
    holder: list[Account] = []

    def renew() -> None:
        holder[:] = [Account(ORDERS)]
        if warm:
            holder[0].reconciler.open_orders(rows, now_ns=0)

    def batch() -> list[TrackedOrder]:
        return holder[0].reconciler.open_orders(shown, now_ns=0)

    renew()
    absent = batch()
    if len(absent) != (0 if every == 1 else ORDERS // every):
        raise AssertionError(f"{len(absent)} orders absent")
    prepare: Callable[[], Any] | None = None if warm else renew
    return Case(name, batch, ORDERS, prepare)


def row(number: int) -> OrderRow:
    return OrderRow(
        OrderStatusReport(
            instrument_id=INSTRUMENT,
            client_order_id=None,
            venue_order_id=str(number),
            side=Side.BUY,
            order_type=OrderType.LIMIT,
            status=OrderStatus.ACCEPTED,
            size=Decimal(1_000_000),
            filled_size=Decimal(0),
            price=PRICE,
            ts_init=2,
        ),
        client_key=number,
        sequence=(number, 1, 1),
    )


def fill(trade_id: str) -> FillReport:
    return FillReport(
        instrument_id=INSTRUMENT,
        client_order_id=None,
        venue_order_id="1",
        trade_id=trade_id,
        side=Side.BUY,
        last_size=ONE,
        last_price=PRICE,
        liquidity=LiquiditySide.MAKER,
        commission=ONE,
        commission_currency="USDC",
        ts_event=1,
        ts_init=2,
    )
