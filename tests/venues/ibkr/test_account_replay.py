"""The recorded session, as an account and its lines see it (section 13 item 4, without a socket).

How the session itself is kept through it is tested with the machine; here every frame and every
answer goes through the readers, with the two gaps at their times.
"""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from venues.ibkr.ibkr_rig import Listener

from connectors.ibkr.market import MarketLine
from connectors.ibkr.orders import read_orders
from connectors.ibkr.topics import Detail, Topic, decode
from connectors.ibkr.wire import MessageKind, classify
from connectors.model import FillReport, OrderStatus, OrderStatusReport
from connectors.model.reports import FillCorrection

RECORDING = Path(__file__).parents[2] / "data/ibkr/ws_session_recording.jsonl"
LINES = [json.loads(line) for line in RECORDING.read_text().splitlines()]
ORDER = "1370093239"


class Replay:
    """Everything of the recording, in its order."""

    def __init__(self) -> None:
        self.user = Listener()
        self.lines = {265598: MarketLine(), 8314: MarketLine()}
        self.details: Counter[Detail] = Counter()
        self.mismatches: list[Any] = []
        self.malformed = 0
        self.halts: list[tuple[int, int, bool]] = []
        self.tics: set[int] = set()
        self._now_ms = 0
        for line in LINES:
            self.user.wait((line["t_ms"] - self._now_ms) / 1_000)
            self._now_ms = line["t_ms"]
            getattr(self, f"_{line['dir']}")(line)

    def _in(self, line: dict[str, Any]) -> None:
        if line["op"] not in ("text", "binary"):
            return
        raw = bytes.fromhex(line["hex"]) if "hex" in line else line["text"].encode()
        message = classify(raw)
        topic = decode(message)
        if (message.label, topic.detail) != (line["label"], line["detail"]):
            self.mismatches.append((line, message, topic))
        self.details[topic.detail] += 1
        self.malformed += message.kind is MessageKind.MALFORMED
        if topic.detail is Detail.TIC:
            self.tics.add(topic.value.last_accessed_ms)
        self._take(topic, message.conid)

    def _take(self, topic: Topic, conid: int | None) -> None:
        if topic.detail is Detail.MARKET_DATA and conid in self.lines:
            change = self.lines[conid].apply(topic.payload)
            if change.halted is not None:
                self.halts.append((self._now_ms, conid, change.halted))
        else:
            self.user.feed.take(topic)

    def _http(self, line: dict[str, Any]) -> None:
        if line["path"] == "/iserver/account/orders" and line["method"] == "GET":
            self.user.feed.live_orders(line["body"], self.user.clock.monotonic_ns())
        elif line["path"].startswith("/iserver/account/trades"):
            self.user.feed.trade_list(line["body"])

    def _ctl(self, line: dict[str, Any]) -> None:
        if line["event"] == "gap":
            for each in self.lines.values():
                each.clear()

    def _out(self, line: dict[str, Any]) -> None:
        """What we sent is the session's business."""


@pytest.fixture(scope="module")
def replay() -> Replay:
    return Replay()


def test_d_10_labels_and_details_of_every_frame(replay: Replay) -> None:
    assert replay.mismatches == []
    assert replay.details[Detail.MARKET_DATA] > 10


def test_w_40_w_41_one_fill_and_its_fee_later(replay: Replay) -> None:
    (fill,) = replay.user.of(FillReport)
    assert (fill.last_size, fill.last_price, fill.commission) == (2, 150, None)
    (correction,) = replay.user.of(FillCorrection)
    assert correction.fill.commission == Decimal("1.01")
    assert replay.user.feed.executions.repeated > 0


def test_r_56_the_order_ends_cancelled_with_two_filled(replay: Replay) -> None:
    reports = replay.user.of(OrderStatusReport)
    assert {report.venue_order_id for report in reports} == {ORDER}
    assert (reports[-1].status, reports[-1].filled_size) == (OrderStatus.CANCELED, 2)
    assert OrderStatus.REJECTED not in {report.status for report in reports}
    assert not replay.user.feed.board.has_open


def test_d_13_one_malformed_frame_and_no_bad_rows(replay: Replay) -> None:
    assert replay.malformed == 1
    assert replay.user.feed.bad_rows == 0


def test_v_06_conid_8314_is_halted_at_35_s(replay: Replay) -> None:
    assert replay.halts[0] == (35_000, 8314, True)


def test_w_05_tic_answers_count_once_each(replay: Replay) -> None:
    sent = [line for line in LINES if line["dir"] == "out" and line.get("text") == "tic"]
    assert len(replay.tics) == len(sent)


def test_the_rows_of_orders_could_all_be_read(replay: Replay) -> None:
    for line in LINES:
        if line.get("detail") == "orders":
            assert read_orders(json.loads(line["text"])).bad == 0
