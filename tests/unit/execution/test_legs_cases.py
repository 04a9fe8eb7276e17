"""Every case of Hyperliquid's dispatch, to show that the shared layer carries it unbent.

The cases are tests/data of that venue's own suite to come; here they are read beside the
repository and skipped where they are absent.
"""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connectors.execution.dispatch import OrderRow, Outcome
from connectors.execution.identity import DuplicateOrder, OrderRegistry, Shape, TrackedOrder
from connectors.execution.legs import LegDispatch
from connectors.execution.lifecycle import OrderState
from connectors.model import FillReport, OrderStatus, OrderStatusReport, OrderType, Side

CASES_FILE = (
    Path(__file__).resolve().parents[4] / "shared" / "data" / "hyperliquid" / "dispatch_cases.json"
)
CASES: list[dict[str, Any]] = (
    json.loads(CASES_FILE.read_bytes())["cases"] if CASES_FILE.exists() else []
)
RUNS = [
    pytest.param(case, mode, id=f"{case['id']}-{mode}")
    for case in CASES
    for mode in ("buffer", "promote")
    if case["mode"] in (mode, "both")
]
INSTRUMENT = "BTC-PERP"


class Bench:
    """One dispatch and the ops of the case file."""

    def __init__(self, mode: str) -> None:
        self.events: list[Any] = []
        self.late: list[str] = []
        self.correctives: list[Any] = []
        self.dispatch = LegDispatch(
            OrderRegistry(),
            on_event=self.events.append,
            on_late_fill=lambda report, order: self.late.append(report.trade_id),
            wall_ns=lambda: 1,
            hold_fills=mode == "buffer",
        )

    @property
    def registry(self) -> OrderRegistry:
        return self.dispatch.registry

    def order(self, cid: str) -> TrackedOrder:
        found = self.registry.by_client_id(cid)
        assert found is not None
        return found

    def row(self, op: dict[str, Any]) -> OrderRow:
        return OrderRow(
            OrderStatusReport(
                instrument_id=INSTRUMENT,
                client_order_id=op.get("cid"),
                venue_order_id=op["voi"],
                side=Side.BUY,
                order_type=OrderType.LIMIT,
                status=OrderStatus[op["st"].upper()],
                size=Decimal(op.get("qty") or 0),
                filled_size=Decimal(0),
                price=decimal_or_none(op.get("px")),
                trigger_price=decimal_or_none(op.get("trigger_px")),
                reason=op.get("reason"),
                ts_init=2,
            ),
            client_key=op.get("cid"),
        )

    def run(self, op: dict[str, Any]) -> None:
        getattr(self, "do_" + op["op"])(op)
        self.correctives += self.dispatch.work.take_correctives()

    def do_register(self, op: dict[str, Any]) -> None:
        order = TrackedOrder(
            op["cid"],
            INSTRUMENT,
            Side.BUY,
            OrderType[op["type"].upper()],
            size=Decimal(op["qty"]),
            price=decimal_or_none(op.get("px")),
            client_key=op.get("cloid", "0x00000000000000000000000000000001"),
        )
        try:
            self.registry.add(order)
        except DuplicateOrder:
            return  # an id that is known stays what it was
        order.is_submitted = True

    def do_prime(self, op: dict[str, Any]) -> None:
        order = self.order(op["cid"])
        order.is_accepted = True
        self.registry.bind(order, op["voi"])
        order.filled_size = Decimal(op.get("filled") or 0)

    def do_status(self, op: dict[str, Any]) -> None:
        assert self.dispatch.status(self.row(op)) is Outcome(op["outcome"])

    def do_fill(self, op: dict[str, Any]) -> None:
        report = FillReport(
            instrument_id=INSTRUMENT,
            client_order_id=op.get("cid"),
            venue_order_id=op["voi"],
            trade_id=op["trade_id"],
            side=Side.BUY,
            last_size=Decimal(op["qty"]),
            last_price=Decimal(op["px"]),
            ts_event=1,
            ts_init=2,
        )
        assert self.dispatch.fill(report) is Outcome(op["outcome"])

    def do_modify_sent(self, op: dict[str, Any]) -> None:
        order = self.order(op["cid"])
        price = decimal_or_none(op.get("px"))
        self.dispatch.replace_sent(
            order,
            Shape(Decimal(op["target"]), price, None),
            sent_size=decimal_or_none(op.get("sent")),
            venue_order_id=op["old_voi"],
        )

    def do_modify_failed(self, op: dict[str, Any]) -> None:
        self.dispatch.replace_refused(self.order(op["cid"]), op.get("reason", "post only"))

    def do_modify_unknown(self, op: dict[str, Any]) -> None:
        self.dispatch.replace_in_doubt(self.order(op["cid"]))

    def do_post_ack_new_oid(self, op: dict[str, Any]) -> None:
        self.dispatch.replaced(self.order(op["cid"]), op["voi"], ts_event=1, ts_init=2)

    def do_post_reject(self, op: dict[str, Any]) -> None:
        told = self.dispatch.rejected(self.order(op["cid"]), op["reason"])
        assert told is (op["outcome"] == "tracked")

    def do_query(self, op: dict[str, Any]) -> None:
        promoted = self.dispatch.promote_from_query(self.row(op))
        assert promoted is (op["outcome"] == "promoted")

    def do_cleanup(self, op: dict[str, Any]) -> None:
        self.dispatch._end(self.order(op["cid"]), OrderState.CANCELED)

    def do_reconnect(self, op: dict[str, Any]) -> None:
        pass


def decimal_or_none(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


FIELDS = {
    "cid": "client_order_id",
    "voi": "venue_order_id",
    "qty": {"Filled": "last_size", "Updated": "size"},
    "px": {"Filled": "last_price", "Updated": "price"},
    "trigger_px": "trigger_price",
    "trade_id": "trade_id",
    "reason": "reason",
}


def check_event(event: Any, expected: dict[str, Any]) -> None:
    kind = expected["e"]
    assert type(event).__name__ == "Order" + kind
    for name, value in expected.items():
        if name == "e":
            continue
        field = FIELDS[name]
        got = getattr(event, field[kind] if isinstance(field, dict) else field)
        if isinstance(got, Decimal):
            value = Decimal(value)
        assert got == value, name


@pytest.mark.skipif(not CASES, reason="the case file is not beside the repository")
def test_the_case_file_was_read_whole() -> None:
    assert len(CASES) == 108


@pytest.mark.parametrize(("case", "mode"), RUNS)
def test_dispatch_case(case: dict[str, Any], mode: str) -> None:
    bench = Bench(mode)
    for op in case["ops"]:
        bench.run(op)
    names = [type(event).__name__ for event in bench.events]
    assert names == ["Order" + expected["e"] for expected in case["events"]]
    for event, expected in zip(bench.events, case["events"], strict=True):
        check_event(event, expected)
    state = dict(case.get("state", {}))
    order = bench.registry.by_client_id("O1")
    if not state:
        return
    assert order is not None
    live = order.final is None
    seen = {
        "tracked": live,
        "terminal": order.final is not None,
        "cached_voi": order.venue_order_id,
        "pending": bench.dispatch.marker(order),
        "filled": order.filled_size,
        "quantity": order.size,
        "buffered": bench.dispatch.held_fills(order),
        "late_fills": bench.late,
    }
    for name, value in state.items():
        if name == "trade_seen":
            assert {k: k in bench.dispatch.fills for k in value} == value
        elif name == "corrective":
            got = [[c.venue_order_id, c.size] for c in bench.correctives]
            assert got == ([] if value is None else [[value[0], Decimal(value[1])]])
        elif name in ("filled", "quantity"):
            assert seen[name] == Decimal(value)
        else:
            assert seen[name] == value, name
