"""A session machine with the time beside it, and a venue whose answers a test chooses."""

from __future__ import annotations

import json
import random
from typing import Any

from connectors import ibkr
from connectors.ibkr.events import (
    Ask,
    Call,
    CloseSocket,
    Command,
    Gap,
    KeeperEvent,
    KeeperState,
    OpenSocket,
    Ready,
    Send,
    Tell,
)
from connectors.ibkr.machine import SessionMachine

S = 1_000_000_000
FINE = {"authenticated": True, "established": True, "competing": False, "connected": True}
GONE = {**FINE, "authenticated": False, "established": False}
TAKEN = {**GONE, "competing": True}
OUT = {"authenticated": False, "competing": False, "connected": False}
ACCOUNTS = {"accounts": ["DU1"], "selectedAccount": "DU1", "isPaper": True}
SYSTEM = {"topic": "system", "success": "u", "isPaper": True}
STS = {"topic": "sts", "args": FINE}


def tickle(session: str = "s1", status: dict[str, Any] | None = FINE) -> dict[str, Any]:
    """Return a tickle's answer."""
    return {"session": session, "iserver": {"authStatus": status}}


class Rig:
    """Runs commands against `answers`: a body, an error, or None for no answer."""

    def __init__(self, **settings: Any) -> None:
        self.config = ibkr.Config(**settings)
        self.machine = SessionMachine(self.config, random.Random(1))
        self.now = 1_000 * S
        self.wall = 1_700_000_000 * S
        self.answers: dict[Call, Any] = {
            Call.TICKLE: tickle(),
            Call.STATUS: FINE,
            Call.INIT: FINE,
            Call.TAKE_OVER: FINE,
            Call.ACCOUNTS: ACCOUNTS,
            Call.SWITCH: {"set": True},
            Call.SUPPRESS: {"status": "submitted"},
            Call.LOGOUT: {"status": True},
        }
        self.greets = True
        self.answers_tic = True
        self.opens: Any = True  # or the error of the handshake, or None for no answer
        self.asked: list[Call] = []
        self.asked_at: list[tuple[float, Call]] = []
        self.pending: list[Ask] = []
        self.events: list[KeeperEvent] = []
        self.sockets: list[OpenSocket] = []
        self.closed: list[int] = []
        self.sent: list[str] = []

    # -- driving -----------------------------------------------------------------------------

    def start(self) -> Rig:
        self.run(self.machine.start(self.now, self.wall))
        return self

    def ready(self) -> Rig:
        self.start()
        assert self.machine.is_ready, self.machine.state
        self.asked.clear()
        self.events.clear()
        return self

    def run(self, commands: list[Command]) -> None:
        todo, done = list(commands), 0
        while todo:
            todo += self.execute(todo.pop(0))
            done += 1
            assert done < 100, f"goes round in circles: {self.asked[-6:]}"

    def execute(self, command: Command) -> list[Command]:
        at = (self.now, self.wall)
        match command:
            case Ask(number, call):
                self.asked.append(call)
                self.asked_at.append(((self.now - 1_000 * S) / S, call))
                answer = self.answers[call]
                if isinstance(answer, list):
                    answer = answer.pop(0) if len(answer) > 1 else answer[0]
                if answer is None:
                    self.pending.append(command)
                elif isinstance(answer, Exception):
                    return self.machine.failed(*at, number, answer)
                else:
                    return self.machine.answered(*at, number, answer)
            case OpenSocket(epoch):
                self.sockets.append(command)
                if isinstance(self.opens, Exception):
                    return self.machine.socket_over(*at, epoch, self.opens)
                if self.opens:
                    out = self.machine.socket_open(*at, epoch)
                    if self.greets:
                        out += self.machine.frame(*at, message(SYSTEM))
                        out += self.machine.frame(*at, message(STS))
                    return out
            case CloseSocket(epoch):
                self.closed.append(epoch)
            case Send(_, text):
                self.sent.append(text)
                if text == "tic" and self.answers_tic:
                    tic = {"topic": "tic", "alive": True, "id": self.machine.session}
                    return self.machine.frame(*at, message({**tic, "lastAccessed": self.now}))
            case Tell(event):
                self.events.append(event)
        return []

    def reply(self, call: Call, body: Any) -> None:
        """Answer a request that was left open."""
        ask = next(each for each in self.pending if each.call is call)
        self.pending.remove(ask)
        at = (self.now, self.wall)
        if isinstance(body, Exception):
            self.run(self.machine.failed(*at, ask.number, body))
        else:
            self.run(self.machine.answered(*at, ask.number, body))

    def frame(self, body: Any) -> None:
        self.run(self.machine.frame(self.now, self.wall, message(body)))

    def lose(self, error: Exception | None = None) -> None:
        epoch = self.machine.socket.epoch
        self.run(self.machine.socket_over(self.now, self.wall, epoch, error))

    def go(self, seconds: float, each: Any = None) -> None:
        """Let time pass, looking at every deadline; `each` after every look."""
        end = self.now + round(seconds * S)
        while (at := self.machine.deadline) is not None and at <= end:
            self.pass_time((max(at, self.now) - self.now) / S)
            self.run(self.machine.look(self.now, self.wall))
            if each is not None:
                each()
        self.pass_time((end - self.now) / S)

    def pass_time(self, seconds: float) -> None:
        self.now += round(seconds * S)
        self.wall += round(seconds * S)

    # -- looking -----------------------------------------------------------------------------

    @property
    def state(self) -> KeeperState:
        return self.machine.state

    def of(self, kind: type[KeeperEvent]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def gaps(self) -> list[str]:
        return [gap.reason for gap in self.of(Gap)]

    @property
    def readies(self) -> int:
        return len(self.of(Ready))


def message(body: Any) -> ibkr.Message:
    """Return the message of a frame."""
    return ibkr.classify(json.dumps(body))
