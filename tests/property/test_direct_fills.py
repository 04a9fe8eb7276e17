"""The direct way of a fill and the long one: the same events, and the same state behind them.

Two clients live through the same random life; the one offers every fill to `DirectFills` first, the
other has only the dispatch.
"""

from __future__ import annotations

import json
import random
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors._speedups.lighter import AccountFrame, AccountHandler, LighterDecoder
from connectors._speedups.symbols import SymbolTable
from connectors.execution.dispatch import (
    DispatchRules,
    OrderDispatch,
    OrderRow,
    trade_of_order,
)
from connectors.execution.identity import OrderRegistry, Shape, TrackedOrder
from connectors.execution.legs import CANCEL_REPLACE_RULES, LegDispatch
from connectors.execution.lifecycle import Doubt
from connectors.lighter.account_feed import AccountFeed
from connectors.lighter.instruments import parse_instruments
from connectors.lighter.reports import Reporter
from connectors.model import (
    FillReport,
    LiquiditySide,
    OrderFilled,
    OrderStatus,
    OrderType,
    Side,
)
from oracle.execution import INSTRUMENT, row

MODES = settings(max_examples=150, deadline=None)
STATE = (
    "client_order_id", "instrument_id", "side", "order_type", "size", "price", "trigger_price",
    "client_key", "venue_order_id", "former_venue_order_ids", "filled_size", "reported_filled",
    "sequence", "is_submitted", "is_accepted", "is_triggered", "is_pending_cancel", "requested",
    "doubt", "final", "missing_since_ns", "state", "leaves_size",
)  # fmt: skip
USUAL = ["1", "2", "0.5", "0.0050", "1.00"]
SIZES = ["1", "2", "0.5", "0.0050", "1.00", "12345678901.2345678", "0.000000000000000001", "100",
         "9223372036854775807", "92233720368547758070", "0.00"]  # fmt: skip


class Client:
    """A dispatch and a callback that now and then raises, or brings more while it runs."""

    def __init__(
        self, kind: type[OrderDispatch], rules: DispatchRules | None, seed: int, *, direct: bool
    ) -> None:
        self.rng = random.Random(seed)
        self.is_direct = direct
        self.events: list[Any] = []
        self.reports: list[Any] = []
        self.late: list[Any] = []
        self.errors: list[str] = []
        self.next: list[Any] = []  # what the callback brings
        self.dispatch = kind(
            OrderRegistry(),
            on_event=self._take,
            on_report=self.reports.append,
            on_late_fill=lambda report, order: self.late.append((report, order.client_order_id)),
            on_error=lambda what, error: self.errors.append(f"{what!r} {error}"),
            wall_ns=lambda: 5,
            rules=rules,
        )

    def _take(self, event: Any) -> None:
        # An event that nobody keeps may be used again for the next fill.
        self.events.append(event if self.rng.random() < 0.5 else repr(event))
        if self.next and self.rng.random() < 0.5:
            self.fill(*self.next.pop())
        if self.rng.random() < 0.2:
            raise RuntimeError("the caller's own")

    def order(self, number: int) -> TrackedOrder | None:
        return self.dispatch.registry.by_client_id(f"O{number}")

    def fill(self, key: int | None, venue_id: str, trade_id: str, values: tuple[Any, ...]) -> None:
        size, price, liquidity, commission, ts_event = values
        if (
            self.is_direct
            and self.dispatch.direct is not None
            and str(int("0" + trade_id.strip("t"))) == trade_id
            and str(int("0" + venue_id.strip("v"))) == venue_id
            and self.dispatch.direct.offer(
                key, int(venue_id), int(trade_id), size, price, liquidity=liquidity,
                commission=commission, commission_currency="USDC", ts_event=ts_event, ts_init=7,
            )
        ):  # fmt: skip
            return
        report = FillReport(
            instrument_id=INSTRUMENT, client_order_id=None, venue_order_id=venue_id,
            trade_id=trade_id, side=Side.BUY, last_size=size, last_price=price,
            liquidity=liquidity, commission=commission, commission_currency="USDC",
            ts_event=ts_event, ts_init=7,
        )  # fmt: skip
        self.dispatch.fill(report, client_key=key)

    def told(self) -> list[str]:
        return [event if isinstance(event, str) else repr(event) for event in self.events]

    def state(self) -> list[Any]:
        dispatch, orders = self.dispatch, self.dispatch.registry
        return [
            [[repr(getattr(order, name)) for name in STATE] for order in orders],
            list(dispatch.fills._seen), dispatch.fills.duplicates, sorted(dispatch._missing),
            [order.client_order_id for order in dispatch.missing_fills(10**18)],
            orders.live, dispatch.contradictions, dispatch.callback_errors, self.errors,
            [repr(report) for report in self.reports], [repr(each) for each in self.late],
        ]  # fmt: skip


def live(clients: tuple[Client, Client], seed: int) -> None:
    rng = random.Random(seed)
    trade = 0
    known: list[tuple[Any, ...]] = []
    for number in (1, 2, 3):
        size = Decimal(rng.choice(["4", "10", "30", "30", rng.choice([*SIZES, "1E+2"])]))
        is_open = rng.random() < 0.8
        for client in clients:
            client.dispatch.registry.add(
                TrackedOrder(
                    f"O{number}", INSTRUMENT, Side.BUY, OrderType.LIMIT, size=size,
                    price=Decimal(100), client_key=number,
                )
            )  # fmt: skip
            if is_open:
                client.dispatch.status(
                    row(OrderStatus.ACCEPTED, size=size, key=number, venue_id=str(number))
                )
    for seq in range(1, 40):
        number = rng.randrange(1, 5)  # one of them is nobody's
        venue_id = str(number)
        if rng.random() < 0.15:
            venue_id = rng.choice([f"1{number}", f"0{number}", f"v{number}"])
        step = rng.randrange(16)
        fills: list[tuple[Any, ...]] = []
        for _ in range(rng.randrange(1, 3)):
            trade += 1
            name = rng.choice([str(trade), str(trade), str(trade), f"t{trade}", f"0{trade}"])
            fills.append(
                (rng.choice([number, number, None]), venue_id, name, (
                    Decimal(rng.choice(USUAL if rng.random() < 0.85 else SIZES)),
                    Decimal(rng.choice(["100", "99.50", "0.1"])), rng.choice(list(LiquiditySide)),
                    rng.choice([None, Decimal("-0.0010")]), seq,
                ))
            )  # fmt: skip
        if known and step == 0:
            fills[0] = rng.choice(known)
        known += fills
        status = rng.choice([OrderStatus.CANCELED, OrderStatus.FILLED, OrderStatus.REJECTED])
        filled, grown = rng.choice(["0", "1", "2.5", "40"]), Decimal(rng.randrange(1, 20))
        for client in clients:
            order = client.order(number)
            dispatch = client.dispatch
            if step < 9:
                client.next = fills[1:]
                client.fill(*fills[0])
                client.next = []
            elif step == 9:
                dispatch.status(
                    row(status, seq=seq, key=number, venue_id=str(number), filled=filled)
                )
            elif step < 13:
                open_row: OrderRow = row(
                    OrderStatus.ACCEPTED if step < 12 else OrderStatus.PARTIALLY_FILLED, seq=seq,
                    key=number, venue_id=venue_id, filled=filled,
                    size=order.size if order is not None else "1",
                )  # fmt: skip
                dispatch.status(open_row)
            elif order is None:
                pass
            elif step == 13:
                if isinstance(dispatch, LegDispatch):
                    dispatch.replace_sent(order, Shape(grown, Decimal(101), None))
                else:
                    dispatch.modify_sent(order, Shape(grown, Decimal(101), None))
            elif step == 14:
                if isinstance(dispatch, LegDispatch):
                    dispatch.replaced(order, f"9{seq}", ts_event=seq, ts_init=6)
                else:
                    dispatch.modify_refused(order, "no")
            else:
                dispatch.in_doubt(order, Doubt.CANCEL)
        assert clients[0].told() == clients[1].told()
        assert clients[0].state() == clients[1].state()


@pytest.mark.parametrize(
    ("kind", "rules"),
    [
        (OrderDispatch, None),
        (LegDispatch, None),
        (LegDispatch, replace(CANCEL_REPLACE_RULES, fill_key=trade_of_order)),
    ],
    ids=["orders", "legs", "both orders ours"],
)
def test_the_same_life_both_ways(kind: type[OrderDispatch], rules: DispatchRules | None) -> None:
    taken = []

    @MODES
    @given(seed=st.integers(0, 2**32))
    def check(seed: int) -> None:
        clients = tuple(Client(kind, rules, seed, direct=direct) for direct in (True, False))
        live(clients, seed)
        direct = clients[0].dispatch.direct
        assert direct is not None
        taken.append(direct.taken)

    check()
    assert any(taken)  # it was the direct way, not only the other one twice


def test_another_idea_of_what_one_trade_is_has_no_direct_way() -> None:
    rules = DispatchRules(fill_key=lambda report: (report.trade_id, report.side))
    dispatch = OrderDispatch(
        OrderRegistry(), on_event=lambda event: None, wall_ns=lambda: 5, rules=rules
    )
    assert dispatch.direct is None


# ---- frames of Lighter ---------------------------------------------------------------------------

ACCOUNT = 12345
DETAILS = {
    "order_book_details": [
        {"symbol": name, "market_id": index, "market_type": "perp", "status": "active",
         "size_decimals": 4, "price_decimals": 2}
        for index, name in enumerate(["ETH", "BTC"])
    ]
}  # fmt: skip


class Stream(AccountHandler):
    """The trades of a connection, down to the events."""

    def __init__(self, *, direct: bool) -> None:
        self.events: list[str] = []
        self.kept: list[OrderFilled] = []
        self.said: list[str] = []
        self.frames: list[AccountFrame] = []
        registry = OrderRegistry()
        instruments = dict(enumerate(parse_instruments(DETAILS)))
        dispatch = OrderDispatch(
            registry, on_event=self._take,
            on_report=lambda report: self.said.append(repr(report)), wall_ns=lambda: 5,
        )  # fmt: skip
        for number in (1, 2):
            order = TrackedOrder(
                f"O{number}", "ETH-PERP", Side.BUY, OrderType.LIMIT, size=Decimal("20.0000"),
                price=Decimal("2352.73"), client_key=number,
            )  # fmt: skip
            registry.add(order)
            registry.bind(order, str(100 + number))
            order.is_submitted = order.is_accepted = True
        self.orders = list(registry)
        self.dispatch = dispatch
        nothing: Any = None
        self.feed = AccountFeed(
            self, dispatch=dispatch, reconciler=nothing,  # type: ignore[arg-type]
            reporter=Reporter(ACCOUNT, registry, instrument_of=instruments.get, wall_ns=lambda: 7),
            markets=nothing, positions=nothing, balances=nothing, clock=nothing,
        )  # fmt: skip
        if not direct:
            self.feed._direct = None
        self.decoder = LighterDecoder(
            SymbolTable(), account=self, on_problem=lambda error, data: self.said.append(str(error))
        )

    def _take(self, event: Any) -> None:
        self.events.append(repr(event))
        if len(self.events) % 3 == 0:
            self.kept.append(event)

    def on_trades(self, frame: AccountFrame) -> None:
        if len(self.frames) % 3 == 0:
            self.frames.append(frame)  # kept: its rows must outlive the bytes
        self.feed.take_rows(frame.stream, frame)

    def unknown_market(self, market_index: int) -> None:
        self.said.append(f"market {market_index}")

    def on_problem(self, message: str, code: int | None, error: Exception | None) -> None:
        self.said.append(message)

    def state(self) -> list[Any]:
        return [
            self.events, [repr(event) for event in self.kept], self.said, self.feed.newest_trade_ns,
            self.feed.bad_rows, list(self.dispatch.fills._seen), self.dispatch.fills.duplicates,
            [[repr(getattr(order, name)) for name in STATE] for order in self.orders],
            [[repr(row) for row in frame.rows] for frame in self.frames],
        ]  # fmt: skip


def trade_row(rng: random.Random) -> dict[str, Any]:
    number = rng.randrange(1, 4)
    ours, other = {"id": 100 + number, "client": number, "account": ACCOUNT}, {
        "id": 555, "client": 0, "account": rng.choice([77, 77, 77, 77, 77, 77, ACCOUNT]),
    }  # fmt: skip
    if rng.random() < 0.1:
        ours["client"] = 0
    if rng.random() < 0.05:
        ours["account"] = 78
    bid, ask = (ours, other) if rng.random() < 0.5 else (other, ours)
    trade_id, us = rng.randrange(1, 60), 1_774_884_082_309_144 + rng.randrange(4)
    size, price = rng.choice(["0.1336", "1.0000", "2", "19.99"]), rng.choice(["2352.73", "99"])
    found = {
        "trade_id": trade_id, "trade_id_str": str(trade_id), "tx_hash": f"{trade_id:016x}",
        "type": rng.choice(["trade", "trade", "liquidation"]),
        "market_id": rng.choice([0, 0, 0, 0, 0, 1, 9]), "size": size, "price": price,
        "usd_amount": str(Decimal(size) * Decimal(price)),
        "ask_id": ask["id"], "ask_id_str": str(ask["id"]), "bid_id": bid["id"],
        "bid_id_str": str(bid["id"]), "ask_client_id": ask["client"],
        "ask_client_id_str": str(ask["client"]), "bid_client_id": bid["client"],
        "bid_client_id_str": str(bid["client"]), "ask_account_id": ask["account"],
        "bid_account_id": bid["account"], "is_maker_ask": rng.random() < 0.5,
        "block_height": 227_535_535, "timestamp": us // 1000, "taker_fee": rng.choice([196, 0]),
        "maker_fee": rng.choice([28, -10]), "integrator_taker_fee": 4, "transaction_time": us,
    }  # fmt: skip
    for name in ("integrator_taker_fee", "usd_amount", "transaction_time", "taker_fee", "size"):
        if rng.random() < 0.05:
            del found[name]
    if rng.random() < 0.1:
        found["type"] = rng.choice(["deleverage", "novelty"])
    if rng.random() < 0.1:
        found = dict(rng.sample(list(found.items()), len(found)))
    return found


@MODES
@given(seed=st.integers(0, 2**32))
def test_frames_of_lighter_both_ways(seed: int) -> None:
    rng = random.Random(seed)
    streams = Stream(direct=True), Stream(direct=False)
    for _ in range(rng.randrange(1, 8)):
        rows = [trade_row(rng) for _ in range(rng.choice([0, 1, 2, 5, 9]))]
        if rng.random() < 0.5:
            rows.sort(key=lambda found: found.get("transaction_time", 0))
        stage = rng.choice(["update", "update", "update", "subscribed"])
        frame = {
            "type": f"{stage}/account_all_trades", "channel": f"account_all_trades:{ACCOUNT}",
            "trades": rows if rng.random() < 0.3 else {"0": rows},
        }  # fmt: skip
        data = json.dumps(frame, separators=(",", ":")).encode()
        for stream in streams:
            stream.decoder.feed_bytes(data)
        assert streams[0].state() == streams[1].state()
    direct = streams[0].dispatch.direct
    assert direct is not None
    assert direct.taken <= len(streams[0].events)


def test_a_frame_of_ordinary_fills_goes_the_direct_way_whole() -> None:
    stream = Stream(direct=True)
    rng = random.Random(3)
    rows = []
    for number in range(300):  # more than are taken at once go the long way
        found = trade_row(rng) | {
            "trade_id": 1000 + number, "trade_id_str": str(1000 + number), "size": "0.0100",
            "market_id": 0, "bid_id_str": "101", "bid_client_id_str": "1",
            "bid_account_id": ACCOUNT, "ask_account_id": 5, "usd_amount": "23.5273",
            "transaction_time": 1_774_884_082_309_144 - number,
        }  # fmt: skip
        rows.append(found)
    for count, taken in ((5, 5), (250, 250), (300, 250)):
        frame = {
            "type": "update/account_all_trades", "channel": f"account_all_trades:{ACCOUNT}",
            "trades": {"0": rows[:count]},
        }  # fmt: skip
        stream.decoder.feed_bytes(json.dumps(frame).encode())
        assert stream.dispatch.direct is not None
        assert stream.dispatch.direct.taken == taken
    assert len(stream.events) == 300
    ids = [event.trade_id for event in stream.kept]
    assert ids[:1] == ["1002"]  # oldest first: 1004, 1003, 1002
    assert len(set(ids)) == 100
