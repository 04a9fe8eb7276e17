"""Every numbered row of the dispatch table (2.16), told by the venue's own frames.

One test per row, named after it: `test_c03_reversed_order_...`. Frames go through the decoder and
the client's feed, replies through its outcomes, answers to questions through the rows of REST. A
row whose mode is "both" runs with either fill policy.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connectors._speedups.hyperliquid import HyperliquidDecoder
from connectors._speedups.symbols import SymbolTable
from connectors.execution.dispatch import OrderRow, Outcome
from connectors.execution.identity import DuplicateOrder, Shape, TrackedOrder
from connectors.execution.lifecycle import OrderState
from connectors.execution.sending import Command, Kind
from connectors.hyperliquid.config import Config
from connectors.hyperliquid.execution import ExecutionClient
from connectors.hyperliquid.instruments import parse_instruments
from connectors.hyperliquid.lines import Line
from connectors.hyperliquid.orders import cloid_of, plan_external
from connectors.hyperliquid.private_stream import UserRows
from connectors.hyperliquid.replies import Refusal, State, Taken
from connectors.hyperliquid.rows import reported_order
from connectors.hyperliquid.statuses import ORDER_STATUSES
from connectors.model import (
    FillReport,
    OrderEvent,
    OrderStatus,
    OrderStatusReport,
    OrderType,
    Side,
)

DATA = Path(__file__).resolve().parents[2] / "data" / "hyperliquid"
CASES: list[dict[str, Any]] = json.loads((DATA / "dispatch_cases.json").read_bytes())["cases"]
KEY = "01" * 32
META = {"universe": [{"name": "BTC", "szDecimals": 5, "maxLeverage": 50}]}
SPOT = {"tokens": [{"name": "USDC", "szDecimals": 8, "index": 0}], "universe": []}
# The venue's words for the table's, where it has one.
WORDS = {"accepted": "open", "partially_filled": "open", "triggered": "triggered",
         "filled": "filled", "canceled": "canceled"}  # fmt: skip
REASONS = {word for words in ORDER_STATUSES.values() for word in words}
NOW = 1_775_800_000_000


class Bench:
    """A client without a connection, and the operations of the table."""

    def __init__(self, mode: str) -> None:
        self.events: list[Any] = []
        self.correctives: list[Any] = []
        self.tids: dict[str, int] = {}
        self.cloids: dict[str, str] = {}
        self.last: Command | None = None
        self.client = ExecutionClient(
            Config.sim("http://127.0.0.1:9", KEY, fill_policy=mode),
            on_event=self.events.append,
            instruments=parse_instruments(SPOT, {"": META}),
        )
        self.dispatch = self.client.dispatch
        self.decoder = HyperliquidDecoder(
            SymbolTable(),
            on_control=lambda channel, data: None,
            on_problem=lambda error, data: pytest.fail(f"{error}"),
            user=UserRows(self.client),
        )

    # -- what the table compares -----------------------------------------------------------

    @property
    def order_events(self) -> list[Any]:
        return [event for event in self.events if isinstance(event, OrderEvent)]

    @property
    def reports(self) -> list[Any]:
        """Reports of what is not ours."""
        return [e for e in self.events if not isinstance(e, OrderEvent) and e not in self.late]

    @property
    def late(self) -> list[FillReport]:
        known = self.client.registry.by_client_id
        return [
            event
            for event in self.events
            if isinstance(event, FillReport) and known(event.client_order_id) is not None
        ]

    def trade(self, tid: str) -> str:
        """Return the table's name of a trade."""
        return {str(number): name for name, number in self.tids.items()}[tid]

    # -- operations ------------------------------------------------------------------------

    def run(self, op: dict[str, Any]) -> None:
        before = len(self.reports)
        getattr(self, "do_" + op["op"])(op)
        self.correctives += self.dispatch.work.take_correctives()
        is_external = op.get("outcome") == "external"
        assert len(self.reports) - before == int(is_external)

    def order(self, cid: str) -> TrackedOrder:
        found = self.client.registry.by_client_id(cid)
        assert found is not None
        return found

    def cloid(self, cid: str | None) -> str | None:
        """Return what the venue echoes of a client order id."""
        if cid is None or cid.startswith("0x"):
            return cid
        return self.cloids.get(cid) or cloid_of(cid)

    def do_register(self, op: dict[str, Any]) -> None:
        instrument = self.client.markets.by_key("BTC")
        assert instrument is not None
        cloid = self.cloid(op["cid"])
        order = TrackedOrder(
            op["cid"],
            instrument.id,
            Side.BUY,
            OrderType[op["type"].upper()],
            size=Decimal(op["qty"]),
            price=None if op.get("px") is None else Decimal(op["px"]),
            client_key=cloid,
            tag=Line(plan_external(instrument, Side.BUY, cloid=cloid)),
        )
        try:
            self.client.registry.add(order)
        except DuplicateOrder:
            return  # an id that is known stays what it was
        order.is_submitted = True

    def do_prime(self, op: dict[str, Any]) -> None:
        order = self.order(op["cid"])
        order.is_accepted = True
        self.client.registry.bind(order, op["voi"])
        order.filled_size = Decimal(op.get("filled") or 0)

    def entry(self, op: dict[str, Any], word: str) -> dict[str, Any]:
        known = self.client.registry.by_client_id(op.get("cid"))
        size = op.get("qty") or (str(known.size) if known is not None else "1")
        left = "0.0" if word == "filled" else size
        row: dict[str, Any] = {
            "coin": "BTC", "side": "B", "sz": left, "oid": int(op["voi"]), "timestamp": NOW,
            "origSz": size,
        }  # fmt: skip
        if op.get("px") is not None:
            row["limitPx"] = op["px"]
        if op.get("trigger_px") is not None:
            row["triggerPx"] = op["trigger_px"]
        if (cloid := self.cloid(op.get("cid"))) is not None:
            row["cloid"] = cloid
        return {"order": row, "status": word, "statusTimestamp": NOW}

    def do_status(self, op: dict[str, Any]) -> None:
        reason = op.get("reason")
        word = WORDS.get(op["st"])
        if op["st"] == "rejected":
            word = "rejected" if reason is None else reason if reason in REASONS else None
        if word is not None:
            self.feed("orderUpdates", [self.entry(op, word)])
            return
        # The venue has no such word: no expiry, and no refusal in words of its own.
        report = OrderStatusReport(
            instrument_id="BTC-PERP",
            client_order_id=op["cid"],
            venue_order_id=op["voi"],
            side=Side.BUY,
            order_type=OrderType.LIMIT,
            status=OrderStatus[op["st"].upper()],
            size=Decimal(op.get("qty") or 0),
            filled_size=Decimal(0),
            reason=reason,
            ts_init=2,
        )
        row = OrderRow(report, client_key=self.cloid(op["cid"]))
        assert self.dispatch.status(row) is Outcome(op["outcome"])

    def do_fill(self, op: dict[str, Any]) -> None:
        tid = self.tids.setdefault(op["trade_id"], 1_000 + len(self.tids))
        row: dict[str, Any] = {
            "coin": "BTC", "px": op["px"], "sz": op["qty"], "side": "B", "time": NOW,
            "startPosition": "0.0", "dir": "Open Long", "closedPnl": "0.0", "hash": "0x00",
            "oid": int(op["voi"]), "crossed": False, "fee": "0.0", "tid": tid,
            "feeToken": "USDC", "twapId": None,
        }  # fmt: skip
        if (cloid := self.cloid(op.get("cid"))) is not None:
            row["cloid"] = cloid
        self.feed("userFills", {"user": self.client.user, "fills": [row]})

    def feed(self, channel: str, data: Any) -> None:
        self.decoder.feed_bytes(json.dumps({"channel": channel, "data": data}).encode())

    def do_modify_sent(self, op: dict[str, Any]) -> None:
        order = self.order(op["cid"])
        sent = op.get("sent")
        price = None if op.get("px") is None else Decimal(op["px"])
        self.last = Command(Kind.MODIFY, None, order)
        if isinstance(order.tag, Line):
            order.tag.commands[Kind.MODIFY] = self.last
        self.dispatch.replace_sent(
            order,
            Shape(Decimal(op["target"]), price, None),
            sent_size=None if sent is None else Decimal(sent),
            venue_order_id=op["old_voi"],
        )

    def do_modify_failed(self, op: dict[str, Any]) -> None:
        assert self.last is not None
        self.client._outcomes.tx_refused(self.last, Refusal.of(op.get("reason", "post only")))

    def do_modify_unknown(self, op: dict[str, Any]) -> None:
        assert self.last is not None
        self.client._outcomes.tx_unknown(self.last, "no answer")

    def do_post_ack_new_oid(self, op: dict[str, Any]) -> None:
        assert self.last is not None
        self.client._outcomes.tx_accepted(self.last, Taken(State.RESTING, op["voi"]))

    def do_post_reject(self, op: dict[str, Any]) -> None:
        before = len(self.order_events)
        command = Command(Kind.CREATE, None, self.order(op["cid"]))
        self.client._outcomes.tx_refused(command, Refusal.of(op["reason"]))
        assert (len(self.order_events) > before) is (op["outcome"] == "tracked")

    def do_query(self, op: dict[str, Any]) -> None:
        row = self.client._feed.read_order(reported_order(self.entry(op, WORDS[op["st"]])))
        assert row is not None
        order = self.order(op["cid"])
        before = order.venue_order_id
        self.dispatch.answer(row)
        assert (order.venue_order_id != before) is (op["outcome"] == "promoted")

    def do_cleanup(self, op: dict[str, Any]) -> None:
        self.dispatch._end(self.order(op["cid"]), OrderState.CANCELED)

    def do_reconnect(self, op: dict[str, Any]) -> None:
        self.client.on_link_lost(1, "cut")


FIELDS: dict[str, Any] = {
    "cid": "client_order_id",
    "voi": "venue_order_id",
    "qty": {"Filled": "last_size", "Updated": "size"},
    "px": {"Filled": "last_price", "Updated": "price"},
    "trigger_px": "trigger_price",
    "trade_id": "trade_id",
    "reason": "reason",
}


def check_event(bench: Bench, event: Any, expected: dict[str, Any]) -> None:
    kind = expected["e"]
    for name, value in expected.items():
        if name == "e":
            continue
        field = FIELDS[name]
        got = getattr(event, field[kind] if isinstance(field, dict) else field)
        if name == "trade_id":
            got = bench.trade(got)
        assert got == (Decimal(value) if isinstance(got, Decimal) else value), name


def check_state(bench: Bench, expected: dict[str, Any]) -> None:
    order = bench.order("O1")
    seen = {
        "tracked": order.final is None,
        "terminal": order.final is not None,
        "cached_voi": order.venue_order_id,
        "pending": bench.dispatch.marker(order),
        "filled": order.filled_size,
        "quantity": order.size,
        "buffered": bench.dispatch.held_fills(order),
        "late_fills": [bench.trade(report.trade_id) for report in bench.late],
    }
    for name, value in expected.items():
        if name == "trade_seen":
            for trade, is_seen in value.items():
                keys = [key for key in bench.dispatch.fills._seen if bench.trade(key[0]) == trade]
                assert bool(keys) is is_seen
        elif name == "corrective":
            got = [[c.venue_order_id, c.size] for c in bench.correctives]
            assert got == ([] if value is None else [[value[0], Decimal(value[1])]])
        elif name in ("filled", "quantity"):
            assert seen[name] == Decimal(value)
        else:
            assert seen[name] == value, name


def run_case(case: dict[str, Any], mode: str) -> None:
    bench = Bench(mode)
    bench.cloids = {op["cid"]: op["cloid"] for op in case["ops"] if "cloid" in op}
    for op in case["ops"]:
        bench.run(op)
    names = [type(event).__name__ for event in bench.order_events]
    assert names == ["Order" + expected["e"] for expected in case["events"]]
    for event, expected in zip(bench.order_events, case["events"], strict=True):
        check_event(bench, event, expected)
    if case.get("state"):
        check_state(bench, case["state"])


def _test_of(case: dict[str, Any]) -> Callable[[str], None]:
    modes = ("buffer", "promote") if case["mode"] == "both" else (case["mode"],)

    @pytest.mark.parametrize("mode", modes)
    def test(mode: str) -> None:
        run_case(case, mode)

    test.__doc__ = f"{case['id']} ({case['tier']}): {case['title']}."
    return test


def _name_of(case: dict[str, Any]) -> str:
    slug = re.sub(r"[^a-z0-9]+", "_", case["title"].lower()).strip("_")
    return f"test_{case['id'].lower()}_{slug}"


for _case in CASES:
    _name = _name_of(_case)
    globals()[_name] = _test_of(_case)
    globals()[_name].__name__ = _name


def test_the_table_is_complete() -> None:
    assert len(CASES) == 108
    assert len({case["id"] for case in CASES}) == 108
