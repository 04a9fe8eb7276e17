"""The steps a session comes up by: one request at a time, pauses between, and the states."""

from __future__ import annotations

import random
from enum import Enum, auto

from ..errors import ConnectorError
from ..net.backoff import Backoff, BackoffPolicy, Jitter
from ..net.clock import to_ns
from .config import Compete, Config
from .events import (
    Ask,
    Call,
    CloseSocket,
    Command,
    Failed,
    Gap,
    KeeperState,
    StateChanged,
    Tell,
)
from .watches import SocketWatch, TickleWatch

__all__ = ["Step", "Steps"]


class Step(Enum):
    """What the machine is at."""

    REST = auto()  # nothing to do but to keep what there is
    PAUSE = auto()  # another step follows
    TICKLE = auto()
    STATUS = auto()
    INIT = auto()
    LOGOUT = auto()
    ACCOUNTS = auto()
    SWITCH = auto()
    SUPPRESS = auto()
    OPENING = auto()  # of the socket
    GREETING = auto()  # by the venue


_CALLS = {
    Step.STATUS: Call.STATUS,
    Step.INIT: Call.INIT,
    Step.LOGOUT: Call.LOGOUT,
    Step.ACCOUNTS: Call.ACCOUNTS,
    Step.SWITCH: Call.SWITCH,
    Step.SUPPRESS: Call.SUPPRESS,
}


class Steps:
    """What `SessionMachine` decides with: the step it is at, and how one follows another.

    Parameters
    ----------
    config : Config
    rng : random.Random
        For the jitter of pauses.
    """

    def __init__(self, config: Config, rng: random.Random) -> None:
        self._config = config
        self._timers = timers = config.timers
        self._backoff = Backoff(
            BackoffPolicy(
                initial_s=timers.reconnect_min_s,
                maximum_s=timers.reconnect_max_s,
                jitter=Jitter.SPREAD,
                jitter_amount=0.2,
                immediate_first=False,
            ),
            rng,
        )
        self.state = KeeperState.DOWN
        self.epoch = 0
        self.socket = SocketWatch(timers)
        self.tickle = TickleWatch(timers)
        self._wall = 0
        self._step = Step.REST
        self._next = Step.REST  # after a pause
        self._due: int | None = None
        self._asked: int | None = None  # number of the step's request
        self._number = 0
        self._bridge_by: int | None = None
        self._inits = 0  # since the session was last stable
        self._ready_at = 0
        self._gap_at: int | None = None

    @property
    def is_ready(self) -> bool:
        """Whether everything can be asked for."""
        return self.state is KeeperState.READY

    # -- steps -------------------------------------------------------------------------------

    def _go(self, now: int, step: Step) -> list[Command]:
        self._step, self._due, self._asked = step, None, None
        if step is Step.TICKLE:
            out = self._tickle(now)
            self._asked = self.tickle.asked  # of one that is under way, the answer serves
            return out
        call = _CALLS[step]
        if step is Step.INIT and self._config.compete is Compete.TAKE_OVER:
            call = Call.TAKE_OVER
        self._number += 1
        self._asked = self._number
        return [Ask(self._number, call)]

    def _tickle(self, now: int) -> list[Command]:
        if self.tickle.asked is not None:
            self.tickle.at = now + to_ns(self._timers.tickle_s)
            return []
        self._number += 1
        self.tickle.sent(now, self._number)
        return [Ask(self._number, Call.TICKLE)]

    def _rest(self) -> list[Command]:
        self._step, self._due, self._asked = Step.REST, None, None
        return []

    def _pause(self, now: int, pause_s: float, then: Step) -> list[Command]:
        self._step, self._next, self._asked = Step.PAUSE, then, None
        self._due = now + to_ns(pause_s)
        return []

    def _retry(
        self, now: int, state: KeeperState, reason: str, error: ConnectorError | None = None
    ) -> list[Command]:
        """Start over after a pause, which grows."""
        out = self._enter(now, state, reason, error)
        told_s = getattr(error, "retry_after_s", None) or 0.0
        return out + self._pause(now, max(self._backoff.next_delay_s(), told_s), Step.TICKLE)

    # -- states ------------------------------------------------------------------------------

    def _close_socket(self) -> list[Command]:
        epoch = self.socket.give_up()
        return [CloseSocket(epoch)] if epoch else []

    def _enter(
        self, now: int, state: KeeperState, reason: str, error: ConnectorError | None = None
    ) -> list[Command]:
        """Change the state; every loss of READY is one gap."""
        old, self.state = self.state, state
        if old is state:
            return []
        out: list[Command] = [Tell(StateChanged(self._wall, old, state, reason))]
        if old is KeeperState.READY:
            if now - self._ready_at >= to_ns(self._timers.stable_s):
                self._backoff.reset()
                self._inits = 0
            self.socket.stop_tic()
            self._gap_at = now
            out.append(Tell(Gap(self._wall, reason, error)))
        return out

    def _down(self, now: int, reason: str) -> list[Command]:
        if self.state is KeeperState.DOWN:
            return []
        out = [*self._close_socket(), *self._enter(now, KeeperState.DOWN, reason)]
        self._rest()
        self.tickle.stop()
        self._bridge_by = None
        return out

    def _fail(self, now: int, error: ConnectorError) -> list[Command]:
        return [*self._down(now, str(error)), Tell(Failed(self._wall, error))]
