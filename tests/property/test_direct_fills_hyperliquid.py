"""Frames of Hyperliquid fills by the direct way and by the long one: the same events and state."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from connectors._speedups.hyperliquid import HyperliquidDecoder, UserFrame, UserHandler
from connectors._speedups.symbols import SymbolTable
from connectors.execution.dispatch import OrderRow, trade_of_order
from connectors.execution.identity import OrderRegistry, Shape, TrackedOrder
from connectors.execution.legs import CANCEL_REPLACE_RULES, LegDispatch
from connectors.hyperliquid.account_feed import AccountFeed
from connectors.hyperliquid.instruments import parse_instruments
from connectors.hyperliquid.reports import Reporter
from connectors.model import OrderFilled, OrderStatus, OrderType, Side
from oracle.execution import row as status_row

MODES = settings(max_examples=150, deadline=None)
USER = "0x" + "ab" * 20
META = {"universe": [{"name": name, "szDecimals": 4, "maxLeverage": 50} for name in ("BTC", "ETH")]}
SPOT = {"tokens": [{"name": "USDC", "szDecimals": 8, "index": 0}], "universe": []}
STATE = (
    "client_order_id", "size", "price", "client_key", "venue_order_id", "former_venue_order_ids",
    "filled_size", "reported_filled", "requested", "doubt", "final", "missing_since_ns", "state",
)  # fmt: skip


def cloid(number: int) -> str:
    return f"0x{number:032x}"


class Stream(UserHandler):
    """The fills of a connection, down to the events."""

    def __init__(self, *, direct: bool) -> None:
        self.events: list[str] = []
        self.kept: list[OrderFilled] = []
        self.said: list[str] = []
        self.registry = OrderRegistry()
        instruments = {each.symbol: each for each in parse_instruments(SPOT, {"": META})}
        self.dispatch = LegDispatch(
            self.registry, on_event=self._take, on_report=self._say,
            on_late_fill=lambda report, order: self._say(report), wall_ns=lambda: 5,
            rules=replace(CANCEL_REPLACE_RULES, fill_key=trade_of_order),
        )  # fmt: skip
        for number in (1, 2):
            self.registry.add(
                TrackedOrder(
                    f"O{number}", "BTC-PERP", Side.BUY, OrderType.LIMIT, size=Decimal("5.0"),
                    price=Decimal("84000"), client_key=cloid(number),
                )
            )  # fmt: skip
            self.open(number, str(100 + number))
        nothing: Any = None
        self.feed = AccountFeed(
            self, dispatch=self.dispatch,  # type: ignore[arg-type]
            reporter=Reporter(
                self.registry, instrument_of=instruments.get,
                on_unknown_coin=lambda coin: self.said.append(f"coin {coin}"), wall_ns=lambda: 7,
            ),
            positions=nothing, balances=nothing, clock=nothing,
        )  # fmt: skip
        if not direct:
            self.feed._direct = None
        self.decoder = HyperliquidDecoder(
            SymbolTable(), user=self, on_problem=lambda error, data: self.said.append(str(error))
        )

    def _say(self, report: Any) -> None:
        self.said.append(repr(report))

    def _take(self, event: Any) -> None:
        self.events.append(repr(event))
        if len(self.events) % 3 == 0:
            self.kept.append(event)
        if len(self.events) % 7 == 0:
            raise RuntimeError("the caller's own")

    def open(self, number: int, venue_id: str, *, filled: str = "0") -> None:
        found: OrderRow = status_row(
            OrderStatus.ACCEPTED, size="5.0", key=cloid(number), venue_id=venue_id, filled=filled
        )
        self.dispatch.status(found)

    def on_fills(self, frame: UserFrame) -> None:
        self.feed.fills(frame)

    # What the feed tells.

    def order_seen(self, order: TrackedOrder) -> None:
        if order.missing_since_ns is not None:
            self.said.append(f"missing fills of {order.client_order_id}")

    def fills_missing(self, since_ms: int) -> None:
        self.said.append(f"missing since {since_ms}")

    def state(self) -> list[Any]:
        return [
            self.events, [repr(event) for event in self.kept], self.said, self.feed.newest_fill_ms,
            self.feed.gaps, list(self.dispatch.fills._seen), self.dispatch.fills.duplicates,
            self.dispatch.callback_errors, self.dispatch.contradictions,
            [[repr(getattr(order, name)) for name in STATE] for order in self.registry],
        ]  # fmt: skip


def fill_row(rng: random.Random, position: dict[str, Decimal]) -> dict[str, Any]:
    number = rng.randrange(1, 4)  # one of them is nobody's
    coin = rng.choice(["BTC", "BTC", "BTC", "ETH", "@107", "PURR/USDC", "NEW"])
    tid, size = rng.choice([0, *range(1, 60)]), rng.choice(["0.1", "0.1336", "1.0", "2", "0.00"])
    is_buy = rng.random() < 0.7
    if rng.random() < 0.1:
        position[coin] = Decimal(rng.randrange(5))  # fills were missed
    start = position.get(coin, Decimal(0))
    position[coin] = start + Decimal(size) if is_buy else start - Decimal(size)
    found = {
        "coin": coin, "px": rng.choice(["84000.0", "99"]), "sz": size,
        "side": "B" if is_buy else "A", "time": 1_790_232_236_546 + rng.randrange(-2, 9),
        "startPosition": rng.choice([str(start), f"{start}0"]), "dir": "Open Long",
        "closedPnl": rng.choice(["0.0", "-12.5", "3"]), "hash": "0x" + "5f" * 32,
        "oid": rng.choice([100 + number] * 9 + [900 + number]), "crossed": rng.random() < 0.5,
        "fee": rng.choice(["0.0378", "-0.001", "0"]), "tid": tid, "cloid": cloid(number),
        "feeToken": rng.choice(["USDC", "HYPE", ""]), "twapId": None,
    }  # fmt: skip
    for name in ("cloid", "startPosition", "closedPnl", "feeToken", "fee", "hash", "sz"):
        if rng.random() < 0.04:
            del found[name]
    if rng.random() < 0.05:
        found["fee"] = "much"
    return found


def test_frames_of_fills_both_ways() -> None:
    taken = []

    @MODES
    @given(seed=st.integers(0, 2**32))
    def check(seed: int) -> None:
        taken.append(live(seed))

    check()
    assert sum(taken) > 20  # it was the direct way, not only the other one twice


def live(seed: int) -> int:
    """Compare the ways frame by frame; return how many fills went the direct one."""
    rng = random.Random(seed)
    position: dict[str, Decimal] = {}
    streams = Stream(direct=True), Stream(direct=False)
    for _ in range(rng.randrange(1, 9)):
        rows = [fill_row(rng, position) for _ in range(rng.choice([0, 1, 1, 2, 5]))]
        data: dict[str, Any] = {"user": USER, "fills": rows}
        if rng.random() < 0.15:
            data["isSnapshot"] = True
        channel = rng.choice(["userFills", "userFills", "user"])
        frame = json.dumps({"channel": channel, "data": data}, separators=(",", ":")).encode()
        number, what = rng.randrange(1, 3), rng.randrange(8)
        venue_id, filled = str(100 + number), str(rng.randrange(4))
        for stream in streams:
            order = stream.registry.by_client_id(f"O{number}")
            if what == 0:
                stream.feed.forget_positions()
            elif what == 1 and order is not None and order.final is None:
                stream.dispatch.replace_sent(order, Shape(Decimal(6), Decimal(84001), None))
            elif what == 2:
                stream.open(number, f"90{number}")
            elif what == 3:
                stream.open(number, venue_id, filled=filled)  # more than came
            stream.decoder.feed_bytes(frame)
        assert streams[0].state() == streams[1].state()
    assert streams[0].dispatch.direct is not None
    return int(streams[0].dispatch.direct.taken)


def test_ordinary_fills_go_the_direct_way_until_their_order_is_modified() -> None:
    stream, rng = Stream(direct=True), random.Random(5)
    direct = stream.dispatch.direct
    assert direct is not None

    def bring(first: int, count: int, *, oid: int = 101) -> None:
        rows = [
            fill_row(rng, {}) | {
                "tid": first + number, "oid": oid, "cloid": cloid(1), "sz": "0.01", "fee": "0.1",
                "coin": "BTC", "startPosition": f"{(first + number - 1) / 100:.2f}", "side": "B",
                "closedPnl": "1.5", "feeToken": "USDC", "time": 1_790_232_236_546 + first + number,
            }
            for number in range(count)
        ]  # fmt: skip
        data = {"user": USER, "fills": rows}
        stream.decoder.feed_bytes(json.dumps({"channel": "userFills", "data": data}).encode())

    bring(1, 6)
    assert (direct.taken, len(stream.events), stream.feed.gaps) == (6, 8, 0)
    filled = stream.kept[-1]
    assert (filled.realized_pnl, filled.commission, filled.commission_currency) == (
        Decimal("1.5"), Decimal("0.1"), "USDC",
    )  # fmt: skip
    bring(1, 6)  # again
    assert (direct.taken, len(stream.events), stream.dispatch.fills.duplicates) == (6, 8, 6)
    bring(9, 1)  # two are missing
    assert (direct.taken, stream.feed.gaps) == (7, 1)
    stream.open(1, "901")  # a replacement
    bring(10, 2, oid=901)
    assert direct.taken == 7
    assert len(stream.events) == 12
    assert stream.feed.gaps == 1


def test_both_orders_of_a_trade_may_be_ours() -> None:
    for direct in (True, False):
        stream, rng = Stream(direct=direct), random.Random(7)
        rows = [
            fill_row(rng, {}) | {
                "tid": 5, "oid": 100 + number, "cloid": cloid(number), "sz": "0.5", "fee": "0",
                "coin": "BTC",
            }
            for number in (1, 2, 1)
        ]  # fmt: skip
        data = {"user": USER, "fills": rows}
        stream.decoder.feed_bytes(json.dumps({"channel": "userFills", "data": data}).encode())
        assert [order.filled_size for order in stream.registry] == [Decimal("0.5")] * 2
        assert stream.dispatch.fills.duplicates == 1
