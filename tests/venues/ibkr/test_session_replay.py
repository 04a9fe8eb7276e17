"""The recorded session, replayed through machine, topics and silence with a clock of its own.

Section 13, item 4: what leaves, the two gaps, one resubscription set after each, tics counted
once. What rows of orders and executions mean is tested where they are read.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from typing import Any

import pytest
from venues.ibkr.gateway_rig import DATA

from connectors import ibkr
from connectors.data.control import Method
from connectors.ibkr.control import TopicControl, cancel_frame
from connectors.ibkr.events import (
    Ask,
    Call,
    CloseSocket,
    Gap,
    KeeperEvent,
    OpenSocket,
    Ready,
    Send,
    Tell,
)
from connectors.ibkr.machine import SessionMachine
from connectors.ibkr.wire import ORDERS, PNL, market_data, trades
from connectors.net.policy import SessionPolicy
from connectors.net.session_core import Drop, Emit, SessionCore
from connectors.net.session_events import Closed

MS = 1_000_000
L1 = ibkr.FieldSet.default_l1()
AAPL, IBM = market_data(265598, L1), market_data(8314, L1)
# Whose answers after the gaps the recording leaves out.
LEFT_OUT = ("spl", "smd+8314")
PATHS = {
    Call.TICKLE: "POST /tickle",
    Call.STATUS: "POST /iserver/auth/status",
    Call.TAKE_OVER: "POST /iserver/auth/ssodh/init",
    Call.ACCOUNTS: "GET /iserver/accounts",
    Call.LOGOUT: "POST /logout",
}


def lines() -> list[dict[str, Any]]:
    text = (DATA / "ws_session_recording.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


@dataclass
class Replay:
    """Answers HTTP with what was recorded for it, and plays the frames when their time comes.

    The recording's client waited as long as it did before it reconnected; ours waits by chance. So
    from a connect on, time is counted from our own.
    """

    out: list[tuple[int, str]] = field(default_factory=list)
    events: list[tuple[int, KeeperEvent]] = field(default_factory=list)
    messages: list[tuple[int, ibkr.Message]] = field(default_factory=list)
    closed: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.config = ibkr.Config(compete="take_over", expect_paper=True)
        self.machine = SessionMachine(self.config, random.Random(7))
        self.topics = TopicControl(self.config)
        self.socket: SessionCore | None = None
        self.socket_epoch = 0
        self.frames = 0
        self.now = 0
        self.shift = 0
        self.answers: dict[str, Any] = {}
        self.waiting: list[Ask] = []
        self.wants_socket = 0

    # -- the shell -----------------------------------------------------------------------------

    @property
    def wall(self) -> int:
        return 1_783_031_090_000 * MS + self.now

    def run(self, commands: list[Any]) -> None:
        for command in commands:
            match command:
                case Ask():
                    self.waiting.append(command)
                case OpenSocket(epoch):
                    self.wants_socket = epoch
                case CloseSocket():
                    self.closed.append(self.now // MS)
                    self.socket = None
                case Send(_, text):
                    self.out.append((self.now // MS, text))
                case Tell(event):
                    self.events.append((self.now // MS, event))
                    if isinstance(event, Ready):
                        self.topics.on_connected()
                    elif isinstance(event, Gap):
                        self.topics.on_lost()
        self.pump()

    def pump(self) -> None:
        seconds = self.now / 1e9
        while (command := self.topics.next_command(seconds)) is not None:
            if command.method is Method.SUBSCRIBE and self.topics.may_be_silent(command.channel):
                self.topics.on_subscribed(command.channel)
            self.topics.sent(command, seconds)
            self.out.append((self.now // MS, command.data.decode()))
        while self.waiting and PATHS[self.waiting[0].call] in self.answers:
            ask = self.waiting.pop(0)
            body = self.answers[PATHS[ask.call]]
            self.run(self.machine.answered(self.now, self.wall, ask.number, body))

    def until(self, at_ms: int) -> None:
        """Let time pass, looking at whatever is due."""
        end = at_ms * MS
        while True:
            due = [each for each in (self.machine.deadline, self._socket_due(), self._topics_due())
                   if each is not None and each <= end]  # fmt: skip
            if not due:
                break
            self.now = max(self.now, min(due))
            if self.socket is not None:
                self.run_socket(self.socket.look(self.now, self.frames, self.frames))
            self.topics.overdue(self.now / 1e9)
            self.run(self.machine.look(self.now, self.wall))
        self.now = max(self.now, end)

    def _socket_due(self) -> int | None:
        return None if self.socket is None else self.socket.deadline

    def _topics_due(self) -> int | None:
        due = self.topics.next_deadline(self.now / 1e9)
        return None if due is None else round(due * 1e9) + 1

    def run_socket(self, commands: list[Any]) -> None:
        for command in commands:
            match command:
                case Emit(Closed(_, error)):
                    self.socket = None
                    self.run(
                        self.machine.socket_over(self.now, self.wall, self.socket_epoch, error)
                    )
                case Drop():
                    self.closed.append(self.now // MS)

    def connected(self) -> None:
        """Open the socket that was asked for; the recording goes on from here."""
        policy = SessionPolicy(reconnect=False, silence_timeout_s=self.config.timers.silence_s)
        self.socket = SessionCore(policy, random.Random(0))
        self.socket.start(self.now, retry_first=False)
        self.socket.connected(self.now, 1, self.frames, self.frames)
        self.socket_epoch = self.wants_socket
        self.wants_socket = 0
        self.run(self.machine.socket_open(self.now, self.wall, self.socket_epoch))

    # -- the recording -------------------------------------------------------------------------

    def play(self) -> Replay:
        for name in (ORDERS, trades(days=1), PNL, AAPL, IBM):
            self.topics.subscribe(name)
        self.run(self.machine.start(self.now, self.wall))
        for line in lines():
            at = line["t_ms"] + self.shift
            if line["dir"] == "ctl" and line["event"] == "open":
                while not self.wants_socket:  # our pause may be longer than theirs
                    self.until(self.now // MS + 1)
                self.shift = max(self.now // MS, line["t_ms"]) - line["t_ms"]
                self.until(line["t_ms"] + self.shift)
                self.connected()
                continue
            if line["t_ms"] >= 640_000:
                break
            if line["dir"] != "in" or line["op"] == "ping":
                if line["dir"] == "http":
                    self.until(at)
                    self.answers[f"{line['method']} {line['path']}"] = line["body"]
                    self.pump()
                continue
            self.until(at)
            self.frame(line)
        return self

    def frame(self, line: dict[str, Any]) -> None:
        message = ibkr.classify(line["text"].encode())
        assert (message.label, message.conid) == (line["label"], line.get("conid"))
        self.frames += 1
        self.messages.append((line["t_ms"], message))
        if self.socket is None:
            return
        self.run(self.machine.frame(self.now, self.wall, message))
        for topic in (message.topic, *LEFT_OUT):
            self.topics.heard(topic)


@pytest.fixture(scope="module")
def replay():
    return Replay().play()


def test_two_gaps_with_their_reasons(replay):
    gaps = [(at, event.reason) for at, event in replay.events if isinstance(event, Gap)]
    assert len(gaps) == 2
    assert (gaps[0][0], gaps[0][1]) == (65_000, "the user name is used elsewhere")
    assert 95_078 <= gaps[1][0] <= 96_200
    assert "no frame" in gaps[1][1]


def test_frames_out_in_the_recorded_order(replay):
    theirs = [line["text"] for line in lines() if line["dir"] == "out" and line["op"] == "text"]
    theirs = theirs[: theirs.index("umd+265598+{}")]
    assert [text for _, text in replay.out] == theirs


def test_one_resubscription_set_after_each_gap(replay):
    ready = [at for at, event in replay.events if isinstance(event, Ready)]
    assert len(ready) == 3
    for at in ready:
        asked = [text for when, text in replay.out if at <= when < at + 1_000]
        assert [text[:3] for text in asked] == ["sor", "str", "spl", "smd", "smd"]
    histories = [text for _, text in replay.out if text.startswith("str")]
    assert [json.loads(text[4:])["realtimeUpdatesOnly"] for text in histories] == [
        True, False, False
    ]  # fmt: skip


def test_competing_is_taken_over_on_the_same_socket_and_silence_replaces_it(replay):
    assert len(replay.closed) == 1
    assert replay.machine.socket.epoch == 2


def test_tics_are_counted_once_each(replay):
    tics = {message.payload["lastAccessed"] for _, message in replay.messages
            if message.topic == "tic"}  # fmt: skip
    assert replay.machine.socket.tics == len(tics) == 10


def test_one_malformed_frame_and_the_halt_where_it_was_recorded(replay):
    malformed = [at for at, message in replay.messages if message.label == "malformed"]
    assert malformed == [45_000]
    marks = [(at, str(message.payload.get("31"))) for at, message in replay.messages
             if message.conid == 8314]  # fmt: skip
    halted = [at for at, last in marks if last.startswith("H")]
    assert halted == [35_000]


def test_lines_are_renewed_before_the_venue_ends_them(replay):
    renewed = [at for at, text in replay.out if text == AAPL]
    assert len(renewed) == 4
    assert 539_000 <= renewed[3] - renewed[2] <= 541_000


def test_the_end_cancels_everything(replay):
    recorded = [
        line["text"] for line in lines() if line["dir"] == "out" and line["t_ms"] >= 640_000
    ]
    ours = {cancel_frame(name) for name in replay.topics.channels}
    assert ours == set(recorded)
