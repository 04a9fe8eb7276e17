"""The recorded session as a scenario: the simulator answers its client as the recording does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from venues.ibkr.sim_desk import ACCOUNT, START_MS, Desk, Socket, desk

RECORDING = (
    Path(__file__).resolve().parents[3].parent / "shared/data/ibkr/ws_session_recording.jsonl"
)
SILENCE_MS = 70_078  # the last heartbeat before the silence
RECORDED_ORDER = "1370093239"
SETTINGS: dict[str, Any] = {
    "system_ms": 5.0, "sts_ms": 130.0, "sor_snapshot": "never", "init_ms": 300.0,
    "commission_ms": 400.0, "resends": 1, "resend_ms": 10.0, "cancel_ms": 20.0,
    "session_idle_s": 0.0,
}  # fmt: skip


def mark(frame: Any) -> Any:
    """Return what of a frame must come again; None for what may differ: prices, money, filler."""
    if not isinstance(frame, dict):
        return None if frame == "" else "malformed"
    topic, args = frame.get("topic"), frame.get("args")
    match topic:
        case "system":
            return (topic, "success" in frame)
        case "sts":
            return (topic, *sorted(args.items())) if len(args) == 1 else (topic, sorted(args))
        case "act":
            return topic
        case "tic":
            return (topic, frame["alive"])
        case "sor" if args:
            (row,) = args
            return (topic, row.get("status"), row.get("sizeAndFills"), "ticker" in row)
        case "str" if args:
            return (topic, [(row["size"], row["price"], "commission" in row) for row in args])
    return None


def parsed(line: dict[str, Any]) -> Any:
    """Return the frame of a line; text if it is no JSON."""
    label = line["label"]
    if label == "heartbeat":
        return ""
    return line["text"] if label == "malformed" else json.loads(line["text"])


class Replay:
    """Does what client and venue do in the recording, and collects what our venue sends."""

    def __init__(self, table: Desk) -> None:
        self.table = table
        self.socket: Socket | None = None
        self.frames: list[Any] = []
        self.order_id = RECORDED_ORDER
        self.reply_id = ""

    async def play(self, line: dict[str, Any]) -> None:
        now_ms = self.table.sim.clock.now_ms() - START_MS
        await self.table.advance(max(line["t_ms"] - now_ms, 0) / 1000)
        await self._read()
        match line["dir"], line.get("event") or line.get("op"):
            case "http", _:
                await self._ask(line)
            case "ctl", "connect":
                self.socket = await self.table.dial()
            case "ctl", "close":
                assert self.socket is not None
                await self.socket.ws.close()
                self.socket = None
                self.table.sim.faults.clear()
            case "out", "text":
                assert self.socket is not None
                await self.socket.send(line["text"])
            case "in", "text" | "binary":
                self._happen(parsed(line))
                if line["t_ms"] == SILENCE_MS:
                    await self.table.advance(0.2)
                    await self._read()
                    self.table.sim.faults.stalled_heartbeat()
        await self._read()

    async def _read(self) -> None:
        if self.socket is not None:
            self.frames += await self.socket.frames()

    async def _ask(self, line: dict[str, Any]) -> None:
        path = line["path"].replace(RECORDED_ORDER, self.order_id)
        if "/reply/" in path:
            path = f"/iserver/reply/{self.reply_id}"
        status, ours = await self.table.call(line["method"], path, line["request"])
        theirs = line["body"]
        if isinstance(theirs, list):
            (theirs,), (ours,) = theirs, ours
        assert status == line["status"], line
        assert set(theirs) <= set(ours), line
        self.order_id = str(ours.get("order_id", self.order_id))
        self.reply_id = ours.get("id", self.reply_id)

    def _happen(self, frame: Any) -> None:
        """Let happen at the venue what a frame of the recording tells."""
        sim = self.table.sim
        if isinstance(frame, str):
            if frame:
                sim.faults.truncated()
        elif frame.get("args") == {"competing": True}:
            sim.faults.competing()
        elif frame.get("topic") == "str" and not sim.exchange.account(ACCOUNT).executions:
            if frame["args"]:
                (order,) = sim.exchange.orders.values()
                sim.fill(order, "2")
        elif "31" in frame and "6509" not in frame:
            price = frame["31"]
            sim.set_market(frame["conid"], last=price.lstrip("H"), halted=price[0] == "H")


def test_the_recorded_session_happens_again(run):
    if not RECORDING.exists():
        pytest.skip("no data folder beside the checkout")
    lines = [json.loads(text) for text in RECORDING.read_text().splitlines()]
    recorded = [one for one in lines if one["dir"] == "in" and one["op"] != "ping"]

    async def scenario() -> None:
        async with desk(**SETTINGS) as table:
            table.sim.session.suppressed.add("o10153")  # its client did
            replay = Replay(table)
            for line in lines:
                await replay.play(line)
        ours = [mark(frame) for frame in replay.frames]
        theirs = [mark(parsed(line)) for line in recorded]
        assert [one for one in ours if one] == [one for one in theirs if one]
        objects = [one for one in replay.frames if isinstance(one, dict)]
        lasts = [one.get("31") for one in objects if one.get("conid") == 8314]
        assert "H139.10" in lasts

    run(scenario(), timeout_s=120.0)
