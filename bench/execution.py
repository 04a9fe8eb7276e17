"""What keeping orders costs: fills and modifications to their events, orders reconciled."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from bench.measure import Case, Group, Plan, time_cases
from connectors._speedups.hyperliquid import HyperliquidDecoder
from connectors._speedups.symbols import SymbolTable
from connectors.execution.dispatch import OrderDispatch, OrderRow
from connectors.execution.identity import OrderRegistry, Shape, TrackedOrder
from connectors.execution.lookups import LookupSchedule
from connectors.execution.reconcile import Reconciler
from connectors.execution.sending import Command, Kind
from connectors.hyperliquid.config import Config
from connectors.hyperliquid.execution import ExecutionClient
from connectors.hyperliquid.instruments import parse_instruments
from connectors.hyperliquid.orders import cloid_of, plan_external
from connectors.hyperliquid.outcomes import Line
from connectors.hyperliquid.private_stream import UserRows
from connectors.hyperliquid.replies import State, Taken
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
MODIFICATIONS = 200
FILL, ROW = "fill", "row"
META = {"universe": [{"name": "BTC", "szDecimals": 5, "maxLeverage": 50}]}
SPOT = {"tokens": [{"name": "USDC", "szDecimals": 8, "index": 0}], "universe": []}
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
            "Hyperliquid: a frame of the account to its event",
            [
                frames("a fill", FILL),
                frames("a fill, of an order that was modified", FILL, modified=True),
                frames("a row about an order that is open already", ROW),
                modification("a modification: sent, answered, shown"),
            ],
            plan,
            note="bytes decoded, order found by its cloid, applied, event in a callback; of the "
            "modification the reply, both rows, and the marker before them",
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


class Trader:
    """A Hyperliquid client without a connection, with one order in it that never fills up."""

    def __init__(self, *, modified: bool) -> None:
        self.events = 0
        self.oid = 375_273_716_474
        instruments = parse_instruments(SPOT, {"": META})
        self.client = ExecutionClient(
            Config.sim("http://127.0.0.1:9", "01" * 32),
            on_event=self._count,
            instruments=instruments,
        )
        self.cloid = cloid_of("order")
        self.order = self.client.registry.add(
            TrackedOrder(
                "order",
                instruments[0].id,
                Side.BUY,
                OrderType.LIMIT,
                size=Decimal(1_000_000),
                price=Decimal(84_000),
                client_key=self.cloid,
                tag=Line(plan_external(instruments[0], Side.BUY, cloid=self.cloid)),
            )
        )
        self.decoder = HyperliquidDecoder(SymbolTable(), user=UserRows(self.client))
        self.decoder.feed_bytes(self.rows("open", self.oid))
        if modified:
            self.modify()

    def _count(self, event: object) -> None:
        self.events += 1

    def rows(self, status: str, oid: int) -> bytes:
        order = {
            "coin": "BTC", "side": "B", "limitPx": "84000.0", "sz": "1000000.0", "oid": oid,
            "timestamp": 1_790_232_236_546, "origSz": "1000000.0", "cloid": self.cloid,
        }  # fmt: skip
        entry = {"order": order, "status": status, "statusTimestamp": 1_790_232_236_546}
        return json.dumps({"channel": "orderUpdates", "data": [entry]}).encode()

    def fill(self, tid: int) -> bytes:
        row = {
            "coin": "BTC", "px": "84000.0", "sz": "0.00100", "side": "B",
            "time": 1_790_232_236_546, "startPosition": f"{(tid - 1) / 1000:.3f}",
            "dir": "Open Long", "closedPnl": "0.0", "hash": "0x" + "5f" * 32, "oid": self.oid,
            "crossed": True,
            "fee": "0.0378", "tid": tid, "cloid": self.cloid, "feeToken": "USDC", "twapId": None,
        }  # fmt: skip
        data = {"user": self.client.user, "fills": [row]}
        return json.dumps({"channel": "userFills", "data": data}).encode()

    def modify(self, shown: tuple[bytes, bytes] | None = None) -> None:
        """Replace the order: what is told of it comes as reply, open, canceled."""
        client, order = self.client, self.order
        opened, canceled = shown or self.pair(self.oid)
        self.oid += 1
        command = Command(Kind.MODIFY, None, order)
        order.tag.commands[Kind.MODIFY] = command
        target = Shape(order.size, Decimal(84_001), None)
        client.dispatch.replace_sent(order, target, sent_size=order.size - order.filled_size)
        client._outcomes.tx_accepted(command, Taken(State.RESTING, str(self.oid)))
        self.decoder.feed_bytes(opened)
        self.decoder.feed_bytes(canceled)

    def pair(self, old: int) -> tuple[bytes, bytes]:
        """Return the frames of a leg's replacement by the next."""
        return self.rows("open", old + 1), self.rows("canceled", old)


def frames(name: str, kind: str, *, modified: bool = False) -> Case:
    trader = Trader(modified=modified)
    before = trader.events
    numbers = itertools.count(1)
    inputs: list[bytes] = []

    def prepare() -> None:
        if kind is FILL:
            inputs[:] = [trader.fill(next(numbers)) for _ in range(FILLS)]
        else:
            inputs[:] = [trader.rows("open", trader.oid)] * FILLS

    def batch() -> None:
        feed = trader.decoder.feed_bytes
        for data in inputs:
            feed(data)

    prepare()
    batch()
    if trader.events - before != (FILLS if kind is FILL else 0):
        raise AssertionError(f"{trader.events - before} events for {FILLS} frames")
    return Case(name, batch, FILLS, prepare)


def modification(name: str) -> Case:
    trader = Trader(modified=False)
    shown: list[tuple[bytes, bytes]] = []

    def prepare() -> None:
        shown[:] = [trader.pair(trader.oid + number) for number in range(MODIFICATIONS)]

    def batch() -> None:
        for frames_of_one in shown:
            trader.modify(frames_of_one)

    before = trader.events
    prepare()
    batch()
    if trader.events - before != MODIFICATIONS:
        raise AssertionError(f"{trader.events - before} events")
    return Case(name, batch, MODIFICATIONS, prepare)


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
