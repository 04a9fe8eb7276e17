"""The life of a session as a state machine: answers, frames and time in, commands out (section 3).

No socket, no clock, no task: `SessionKeeper` owns those. Every method returns the commands to
execute, in order. `now` is monotonic ns, `wall` Unix ns.

A session comes up in steps, one request at a time, so that there is never more than one attempt to
renew it (F-20). The tickle goes on beside them, whatever happens (F-11). What the machine is told
of an earlier step or socket is ignored.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from ..errors import AuthenticationError, ConfigError, ConnectorError, TransportError, VenueError
from ..net.clock import NS_PER_S, to_ns
from .answers import is_usable, session_of, status_of
from .config import Compete, Config
from .errors import NoBridge, NotAuthenticated, is_retryable
from .events import (
    CloseSocket,
    Command,
    Competed,
    GreetedLate,
    KeeperState,
    LoginNeeded,
    OpenSocket,
    Ready,
    Send,
    SessionReplaced,
    Tell,
    TickleOverdue,
)
from .steps import Step, Steps
from .wire import TIC, Message, session_login

__all__ = ["SessionMachine"]

RENEWALS_BEFORE_LOGOUT = 3
QUICK_CLOSES = 3
WAITING = "waiting for session"


_WAITING_STATES = (KeeperState.COMPETING, KeeperState.UNAUTHENTICATED, KeeperState.NEEDS_LOGIN)


class SessionMachine(Steps):
    """Decides what to ask, when to connect, and when the session can be used.

    Parameters
    ----------
    config : Config
    rng : random.Random
        For the jitter of pauses.

    Attributes
    ----------
    state : KeeperState
    epoch :
        Counts how often the session became ready.
    session :
        Its id, None while it is not known.
    accounts, account :
        As the venue says; `account` is the one that is used.
    is_paper :
        Whether they are; None while it is not known.
    socket, tickle :
        What is known of both.
    """

    def __init__(self, config: Config, rng: random.Random) -> None:
        super().__init__(config, rng)
        self.session: str | None = None
        self.accounts: tuple[str, ...] = ()
        self.account: str | None = None
        self.is_paper: bool | None = None
        self._offset: int | None = None  # between the clocks, at the last look
        self._is_fresh = False  # the session's id is newer than the last socket
        self._has_none = False  # the last tickle named no session
        self._renewals = 0  # that failed, in a row
        self._took_over_at: int | None = None

    # -- what the owner wants ----------------------------------------------------------------

    def start(self, now: int, wall: int) -> list[Command]:
        """Begin."""
        self._wall = wall
        self.tickle.start(now)
        return [*self._enter(now, KeeperState.AUTHENTICATING, ""), *self._go(now, Step.TICKLE)]

    def stop(self, now: int, wall: int) -> list[Command]:
        """End; nothing follows."""
        self._wall = wall
        return self._down(now, "stopped")

    def doubt(self, now: int, wall: int) -> list[Command]:
        """Look whether the session is still there: somebody's request was refused."""
        self._wall = wall
        return self._go(now, Step.STATUS) if self.is_ready and self._step is Step.REST else []

    # -- answers -----------------------------------------------------------------------------

    def answered(self, now: int, wall: int, number: int, body: Any) -> list[Command]:
        """A request was answered."""
        self._wall = wall
        answer: Mapping[str, Any] = body if isinstance(body, Mapping) else {}
        out: list[Command] = []
        is_step = number == self._asked
        if number == self.tickle.asked:
            out = self._tickled(now, answer)
            if not is_step:
                return out + self._judge_tickle(now, answer)
        if not is_step:
            return out
        self._asked = None
        match self._step:
            case Step.TICKLE:
                status = status_of(answer)
                return out + (
                    self._go(now, Step.STATUS) if status is None else self._judge(now, status)
                )
            case Step.STATUS | Step.INIT:
                return self._judge(now, answer)
            case Step.LOGOUT:
                return self._go(now, Step.INIT)
            case Step.ACCOUNTS:
                return self._take_accounts(now, answer)
            case Step.SWITCH:
                return self._after_accounts(now)
            case Step.SUPPRESS:
                return self._connect(now)
        return out

    def failed(self, now: int, wall: int, number: int, error: ConnectorError) -> list[Command]:
        """A request failed."""
        self._wall = wall
        is_step = number == self._asked
        if number == self.tickle.asked:
            self.tickle.failed(now)
            if not is_step and self.is_ready and _is_loss(error):
                return self._renew(now, f"the tickle was refused: {error}")
        if not is_step:
            return []
        self._asked = None
        step = self._step
        if step is Step.LOGOUT:
            return self._go(now, Step.INIT)  # there was nothing to log out of
        if isinstance(error, ConfigError):
            return self._fail(now, error)
        if self.is_ready:
            return self._renew(now, str(error)) if _is_loss(error) else self._rest()
        if isinstance(error, NotAuthenticated):
            return self._need_login(now, str(error))
        if isinstance(error, NoBridge) and step not in (Step.TICKLE, Step.STATUS):
            return self._await_bridge(now)
        if _is_loss(error):
            return self._renew(now, str(error))
        if step in (Step.SWITCH, Step.SUPPRESS) and not is_retryable(error):
            return self._fail(now, error)
        self._renewals += step is Step.INIT
        return self._retry(now, self.state, f"{step.name.lower()}: {error}", error)

    # -- the socket --------------------------------------------------------------------------

    def socket_open(self, now: int, wall: int, epoch: int) -> list[Command]:
        """The socket is connected."""
        self._wall = wall
        if epoch != self.socket.epoch:
            return [CloseSocket(epoch)]
        self.socket.opened(now)
        return self._await_greeting(now)

    def socket_over(
        self, now: int, wall: int, epoch: int, error: ConnectorError | None
    ) -> list[Command]:
        """The socket could not be opened, or ended by itself."""
        self._wall = wall
        if epoch != self.socket.epoch:
            return []
        self.socket.over(now)
        if isinstance(error, ConfigError):
            return self._fail(now, error)
        reason = str(error or "the venue closed the connection")
        closes = self.socket.quick_closes
        if closes >= QUICK_CLOSES:
            return self._compete(now, f"closed {closes} times at once; another client? {reason}")
        if self.is_ready or self._step in (Step.OPENING, Step.GREETING):
            return self._retry(now, KeeperState.STALE, reason, error)
        return []  # the session is being renewed: another socket follows

    def frame(self, now: int, wall: int, message: Message) -> list[Command]:
        """Take a frame of the topics `system`, `sts`, `tic`, `act`, or one without a topic."""
        self._wall = wall
        body, socket = message.payload, self.socket
        if not socket.is_open or not isinstance(body, Mapping):
            return []
        topic, arguments = message.topic, body.get("args")
        if topic == "system" and "success" in body:
            return self._greeting(now, body)
        if topic == "tic":
            return self._tic(now, body)
        if topic == "sts" and isinstance(arguments, Mapping):
            return self._status_frame(now, arguments)
        if topic == "act" and isinstance(arguments, Mapping):
            return self._check_paper(now, arguments)
        waits = not topic and str(body.get("message", "")).lower() == WAITING
        if waits and not socket.told_session and self.session is not None:
            socket.told_session = True  # once, and only when asked for (T-09)
            return [Send(socket.epoch, session_login(self.session))]
        return []

    # -- time --------------------------------------------------------------------------------

    @property
    def deadline(self) -> int | None:
        """When `look` must be called next, None for never."""
        if self.state is KeeperState.DOWN:
            return None
        tickle, socket = self.tickle, self.socket
        times = (self._due, tickle.at, tickle.alarm_at, socket.tic_at, socket.tic_by)
        return min((time for time in times if time is not None), default=None)

    def look(self, now: int, wall: int) -> list[Command]:
        """Do what is due."""
        planned = self.deadline
        slept_ns = 0 if self._offset is None else wall - now - self._offset
        self._wall, self._offset = wall, wall - now
        if self.state is KeeperState.DOWN:
            return []
        if slept_ns >= to_ns(self._timers.sleep_s):
            return self._woke(now, f"this machine slept for {slept_ns / NS_PER_S:.0f} s")
        out: list[Command] = []
        if self.tickle.at is not None and now >= self.tickle.at:
            out += self._tickle(now)
        late_s = self.tickle.alarm(now)
        if late_s is not None:
            out.append(Tell(TickleOverdue(wall, late_s)))
        if self.socket.tic_missed(now, planned):
            return out + self._replace(now, "tic was not answered")
        if self.socket.tic_due(now):
            out.append(Send(self.socket.epoch, TIC))
        if self._due is not None and now >= self._due:
            out += self._step_due(now)
        return out

    def _step_due(self, now: int) -> list[Command]:
        self._due = None
        if self._step is Step.PAUSE:
            out: list[Command] = []
            if self.state is KeeperState.STALE:
                out = self._enter(now, KeeperState.AUTHENTICATING, "again")
            return out + self._go(now, self._next)
        if self._step is not Step.GREETING:
            return []
        if not self.socket.is_refused:
            return self._ready(now)
        if self.socket.doubted:  # the status was fine, and this socket will not hear of it
            return self._replace(now, "the socket says: not authenticated", at_once=True)
        self.socket.doubted = True
        return self._go(now, Step.STATUS)

    def _woke(self, now: int, reason: str) -> list[Command]:
        """Whatever was connected is not any more (F-32)."""
        self._backoff.reset()
        if self.socket.epoch:
            return self._replace(now, reason, at_once=True)
        return self._go(now, Step.TICKLE)

    # -- the brokerage session ---------------------------------------------------------------

    def _tickled(self, now: int, answer: Mapping[str, Any]) -> list[Command]:
        self.tickle.answered(now)
        session = session_of(answer)
        self._has_none = session is None
        if session is None:
            return []
        was, self.session, self._is_fresh = self.session, session, True
        is_new = was is not None and was != session
        return self._replaced(now) if is_new and self.socket.epoch else []

    def _judge_tickle(self, now: int, answer: Mapping[str, Any]) -> list[Command]:
        """A tickle beside the steps with status 200 may say that the session is lost (N-07)."""
        status = status_of(answer)
        if status is None:
            return []
        if self.state is KeeperState.NEEDS_LOGIN and is_usable(status):
            return self._go(now, Step.STATUS)
        if not self.is_ready:
            return []
        if status.get("competing") is True:
            return self._compete(now, "the user name is used elsewhere")
        if status.get("authenticated") is False:
            return self._renew(now, "the tickle says: not authenticated")
        return []

    def _judge(self, now: int, status: Mapping[str, Any]) -> list[Command]:
        """Go on as the brokerage session's status allows (N-03)."""
        if is_usable(status):
            self._renewals = 0
            if self.is_ready:
                return self._rest()
            if self.socket.epoch or self._is_fresh:
                return self._go(now, Step.ACCOUNTS)
            if self._has_none:
                return self._need_login(now, "gateway has no active session")
            return self._go(now, Step.TICKLE)
        if status.get("competing"):
            return self._compete(now, "the user name is used elsewhere")
        if self.state is KeeperState.NEEDS_LOGIN and not status.get("connected"):
            return self._pause(now, self._timers.login_poll_s, Step.STATUS)
        if self._step is Step.INIT or (self._step is Step.STATUS and self._bridge_by is not None):
            return self._await_bridge(now)
        return self._renew(now, "the venue says: not authenticated")

    def _renew(self, now: int, reason: str) -> list[Command]:
        """Open the brokerage session (again); log out first where that has failed often.

        At once the first time, later after a pause: a venue may take it away again and again.
        """
        is_start = self.state is KeeperState.AUTHENTICATING
        out = [] if is_start else self._enter(now, KeeperState.UNAUTHENTICATED, reason)
        then = Step.INIT
        if self._renewals >= RENEWALS_BEFORE_LOGOUT:
            self._renewals, then = 0, Step.LOGOUT
        self._inits += 1
        if self._inits == 1:
            return out + self._go(now, then)
        return out + self._pause(now, self._backoff.next_delay_s(), then)

    def _await_bridge(self, now: int) -> list[Command]:
        """Look every second whether the brokerage session is up, and give up after a while."""
        if self._bridge_by is None:
            self._bridge_by = now + to_ns(self._timers.bridge_limit_s)
        if now < self._bridge_by:
            return self._pause(now, self._timers.bridge_step_s, Step.STATUS)
        self._bridge_by = None
        self._renewals += 1
        reason = "no brokerage session within the time for it"
        return self._retry(now, KeeperState.UNAUTHENTICATED, reason)

    def _compete(self, now: int, reason: str) -> list[Command]:
        """Somebody else has the session: take it back, or wait until they leave (N-02)."""
        takes_over = self._config.compete is Compete.TAKE_OVER
        out: list[Command] = []
        if self.state is not KeeperState.COMPETING:
            out = self._enter(now, KeeperState.COMPETING, reason)
            out.append(Tell(Competed(self._wall, takes_over, reason)))
        self._bridge_by = None
        poll_ns = to_ns(self._timers.login_poll_s)
        last = self._took_over_at
        since_ns = poll_ns if last is None else now - last
        if not takes_over or since_ns < poll_ns:
            pause_ns = poll_ns - since_ns if takes_over else poll_ns
            return out + self._pause(now, pause_ns / NS_PER_S, Step.STATUS)
        self._took_over_at = now
        return out + self._go(now, Step.INIT)

    def _need_login(self, now: int, reason: str) -> list[Command]:
        """A person has to log in at the gateway; look from time to time whether one did."""
        out: list[Command] = []
        if self.state is not KeeperState.NEEDS_LOGIN:
            parts = urlsplit(self._config.base_url)
            out = self._enter(now, KeeperState.NEEDS_LOGIN, reason)
            url = f"{parts.scheme}://{parts.netloc}"
            out.append(Tell(LoginNeeded(self._wall, url, reason)))
        self._bridge_by = None
        out += self._close_socket()
        return out + self._pause(now, self._timers.login_poll_s, Step.STATUS)

    # -- accounts ----------------------------------------------------------------------------

    def _take_accounts(self, now: int, answer: Mapping[str, Any]) -> list[Command]:
        self._bridge_by = None
        listed = answer.get("accounts")
        known = [each for each in listed or () if isinstance(each, str)]
        selected = answer.get("selectedAccount")
        only = known[0] if len(known) == 1 else None
        wanted = self._config.account or self.account or selected or only
        self.accounts = tuple(known)
        if out := self._check_paper(now, answer):
            return out
        if not isinstance(wanted, str) or (known and wanted not in known):
            shown = ", ".join(known) or "none"
            text = f"account {wanted!r} is not one of this login, which has: {shown}"
            return self._fail(now, ConfigError(text))
        self.account = wanted
        if isinstance(selected, str) and selected != wanted:
            return self._go(now, Step.SWITCH)
        return self._after_accounts(now)

    def _after_accounts(self, now: int) -> list[Command]:
        return self._go(now, Step.SUPPRESS) if self._config.suppress else self._connect(now)

    def _check_paper(self, now: int, said: Mapping[str, Any]) -> list[Command]:
        """Refuse a session of the wrong kind (T-03)."""
        is_paper = said.get("isPaper")
        if not isinstance(is_paper, bool):
            return []
        self.is_paper = is_paper
        if self._config.expect_paper in (None, is_paper):
            return []
        kind, other = ("paper", "live") if is_paper else ("live", "paper")
        return self._fail(now, ConfigError(f"this session is {kind}, and a {other} one is wanted"))

    # -- the socket, inside ------------------------------------------------------------------

    def _connect(self, now: int) -> list[Command]:
        if self.socket.is_open:
            return self._await_greeting(now)
        if self.session is None or not self._is_fresh:
            return self._go(now, Step.TICKLE)
        self._is_fresh = False
        self._step, self._due = Step.OPENING, None
        epoch = self.socket.want()
        return [*self._enter(now, KeeperState.CONNECTING, ""), OpenSocket(epoch, self.session)]

    def _await_greeting(self, now: int) -> list[Command]:
        self._step = Step.GREETING
        self._due = now + to_ns(self._timers.greeting_s)
        return self._ready(now) if self.socket.is_fine else []

    def _greeting(self, now: int, body: Mapping[str, Any]) -> list[Command]:
        first, self.socket.greeted = not self.socket.greeted, True
        if out := self._check_paper(now, body):
            return out
        if self.is_ready:
            return [Tell(GreetedLate(self._wall))] if first else []
        return self._ready(now) if self._step is Step.GREETING and self.socket.is_fine else []

    def _status_frame(self, now: int, arguments: Mapping[str, Any]) -> list[Command]:
        self.socket.merge(arguments)
        if self.is_ready or self.state is KeeperState.CONNECTING:
            if arguments.get("competing") is True:
                return self._compete(now, "the user name is used elsewhere")
            if arguments.get("authenticated") is False:
                return self._renew(now, "the venue says: not authenticated")
        if self._step is Step.GREETING:
            return self._ready(now) if self.socket.is_fine else []
        better = arguments.get("competing") is False or arguments.get("authenticated") is True
        if better and self._step is Step.PAUSE and self.state in _WAITING_STATES:
            return self._go(now, Step.STATUS)  # no need to wait the pause out
        return []

    def _tic(self, now: int, body: Mapping[str, Any]) -> list[Command]:
        if not self.socket.tic_answered(body.get("lastAccessed")) or not self.is_ready:
            return []
        if body.get("alive") is False:
            return self._renew(now, "the venue says: the session is not alive")
        if body.get("id") not in (None, "", self.session):
            return self._replaced(now)
        return []

    def _replaced(self, now: int) -> list[Command]:
        """The session has another id than the socket was opened with (N-08)."""
        out = self._replace(now, "the session was replaced", at_once=True)
        return [Tell(SessionReplaced(self._wall)), *out]

    def _replace(self, now: int, reason: str, *, at_once: bool = False) -> list[Command]:
        """Give the socket up, and open another with the session of a new tickle."""
        out = self._close_socket()
        if not at_once:
            return out + self._retry(now, KeeperState.STALE, reason, TransportError(reason))
        out += self._enter(now, KeeperState.STALE, reason, TransportError(reason))
        out += self._enter(now, KeeperState.AUTHENTICATING, reason)
        return out + self._go(now, Step.TICKLE)

    # -- states ------------------------------------------------------------------------------

    def _ready(self, now: int) -> list[Command]:
        self._rest()
        self._ready_at = now
        self.socket.start_tic(now)
        self.epoch += 1
        gap_ns = 0 if self._gap_at is None else now - self._gap_at
        self._gap_at = None
        out = self._enter(now, KeeperState.READY, "")
        return [*out, Tell(Ready(self._wall, self.epoch, gap_ns))]


def _is_loss(error: ConnectorError) -> bool:
    """Tell whether the session is lost: we are refused, or told so in a 200 (N-07)."""
    if isinstance(error, AuthenticationError | NoBridge):
        return True
    return isinstance(error, VenueError) and error.status == 200
