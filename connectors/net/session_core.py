"""The life of a connection as a state machine: events and time in, commands out.

No socket, no clock, no task: `Session` owns those. Every method returns the commands
to execute, in order. Times are monotonic ns; a step of the wall clock cannot matter.

Silence is measured with counters of received frames that `Session` hands in at each
look, never with time stamps of frames. A look that comes late because the process was
busy or stopped is not held against the peer: bytes may be waiting in the socket.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from ..errors import (
    ClientError,
    ConfigError,
    ConnectionLost,
    ConnectorError,
    RequestTimeout,
    TransportError,
)
from .backoff import Backoff
from .clock import NS_PER_S, to_ns
from .policy import SessionPolicy
from .session_events import (
    AttemptFailed,
    Closed,
    Closing,
    Connected,
    Connecting,
    Lost,
    Recovered,
    RotationDue,
    SessionEvent,
    SessionState,
    WentStale,
)

__all__ = ["AbandonDial", "Beat", "Command", "Dial", "Drop", "Emit", "SessionCore"]

ABNORMAL = 1006
# Looks per threshold: silence is noticed at most an eighth late, and never early.
LOOKS = 8
LONGEST_LOOK_NS = NS_PER_S
# A look this late means that we were not running; see the module docstring.
STALL_NS = NS_PER_S // 4


@dataclass(frozen=True, slots=True)
class Dial:
    """Start connecting; answer with `connected` or `attempt_failed` of this epoch."""

    epoch: int


@dataclass(frozen=True, slots=True)
class AbandonDial:
    """Stop the running attempt; answer with `attempt_failed`."""

    epoch: int


@dataclass(frozen=True, slots=True)
class Beat:
    """Send the heartbeat; `payload` is for a ping frame."""

    epoch: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Drop:
    """End a connection: with this close code, or by aborting the socket when None."""

    epoch: int
    code: int | None


@dataclass(frozen=True, slots=True)
class Emit:
    """Hand the event to the owner."""

    event: SessionEvent


Command = Dial | AbandonDial | Beat | Drop | Emit


class SessionCore:
    """Decides when to dial, beat, drop and give up.

    Parameters
    ----------
    policy : SessionPolicy
        The numbers.
    rng : random.Random
        For the jitter of delays.
    """

    __slots__ = (
        "_attempt",
        "_backoff",
        "_beat_at",
        "_close_by",
        "_data_at",
        "_dialing",
        "_ever_connected",
        "_frame_at",
        "_frames",
        "_live_since",
        "_look_at",
        "_look_ns",
        "_messages",
        "_ping_number",
        "_policy",
        "_redial_at",
        "_reply_by",
        "_reply_frames",
        "_retry_first",
        "_rotation_told",
        "_started",
        "epoch",
        "state",
    )

    def __init__(self, policy: SessionPolicy, rng: random.Random) -> None:
        self._policy = policy
        self._backoff = Backoff(policy.backoff, rng)
        self.state = SessionState.CLOSED
        self.epoch = 0
        self._started = False
        self._retry_first = False
        self._ever_connected = False
        self._dialing = False
        self._attempt = 0
        self._redial_at: int | None = None
        self._close_by: int | None = None
        # Of the current connection:
        self._live_since = 0
        self._frames = 0
        self._messages = 0
        self._frame_at = 0
        self._data_at = 0
        self._beat_at: int | None = None
        self._reply_by: int | None = None
        self._reply_frames = 0
        self._ping_number = 0
        self._rotation_told = False
        self._look_at: int | None = None
        limits = [
            policy.stale_after_s,
            policy.data_timeout_s,
            policy.silence_timeout_s,
        ]
        shortest = min((to_ns(limit) for limit in limits if limit is not None), default=None)
        self._look_ns = None if shortest is None else min(shortest // LOOKS, LONGEST_LOOK_NS)

    @property
    def is_connected(self) -> bool:
        """Whether a connection is up and not being closed."""
        return self.state in (SessionState.LIVE, SessionState.STALE)

    @property
    def is_over(self) -> bool:
        """Whether the session has been opened and has ended."""
        return self._started and self.state is SessionState.CLOSED

    # -- what the owner wants ------------------------------------------------------

    def start(self, now: int, *, retry_first: bool) -> list[Command]:
        """Begin; with `retry_first` a failure of the very first attempt is retried too."""
        if self._started:
            raise ClientError("a session is opened once; make a new one")
        self._started = True
        self._retry_first = retry_first
        self.state = SessionState.CONNECTING
        self._backoff.next_delay_s()  # the attempt without delay is this one
        return [Emit(Connecting(1)), *self._dial()]

    def close(self, now: int) -> list[Command]:
        """End for good: no attempt follows, whatever happens (BN-T-09)."""
        if self.state in (SessionState.CLOSING, SessionState.CLOSED):
            return []
        was_connected = self.is_connected
        self.state = SessionState.CLOSING
        self._redial_at = None
        self._clear_connection()
        self._close_by = now + to_ns(self._policy.close_timeout_s)
        commands: list[Command] = [Emit(Closing(self.epoch))]
        if was_connected:
            commands.append(Drop(self.epoch, 1000))
        elif self._dialing:
            commands.append(AbandonDial(self.epoch))
        else:
            commands += self._ended(None)
        return commands

    def reconnect(self, now: int, error: ConnectorError) -> list[Command]:
        """Replace the connection because the owner found it useless."""
        if not self.is_connected:
            return []
        return self._lose(now, error, 1000)

    # -- what the connection does --------------------------------------------------

    def connected(self, now: int, epoch: int, frames: int, messages: int) -> list[Command]:
        """The attempt succeeded."""
        if epoch != self.epoch or not self._dialing:
            return [Drop(epoch, 1000)]
        self._dialing = False
        if self.state is SessionState.CLOSING:
            return [Drop(epoch, 1000)]
        self.state = SessionState.LIVE
        is_reconnect, self._ever_connected = self._ever_connected, True
        attempt, self._attempt = self._attempt, 0
        self._live_since = self._frame_at = self._data_at = now
        self._frames = frames
        self._messages = messages
        self._reply_by = None
        self._rotation_told = False
        heartbeat = self._policy.heartbeat
        self._beat_at = None if heartbeat is None else now + to_ns(heartbeat.interval_s)
        self._plan_look(now)
        return [Emit(Connected(epoch, is_reconnect, attempt))]

    def attempt_failed(
        self,
        now: int,
        epoch: int,
        error: ConnectorError,
        *,
        status: int | None = None,
        retry_after_s: float | None = None,
    ) -> list[Command]:
        """The attempt failed or was abandoned."""
        if epoch != self.epoch or not self._dialing:
            return []
        self._dialing = False
        if self.state is SessionState.CLOSING:
            return self._ended(None)
        policy = self._policy
        first = not self._ever_connected and not self._retry_first
        exhausted = policy.max_attempts is not None and self._attempt >= policy.max_attempts
        fatal = isinstance(error, ConfigError) or status in policy.fatal_statuses
        if first or exhausted or fatal:
            return self._ended(error)
        delay_s = self._backoff.next_delay_s()
        if status in policy.refused_statuses:
            delay_s = max(delay_s, policy.refused_delay_s if retry_after_s is None else 0.0)
        if retry_after_s is not None:
            delay_s = max(delay_s, retry_after_s)
        self._redial_at = now + to_ns(delay_s)
        return [Emit(AttemptFailed(epoch, error, self._attempt, delay_s))]

    def disconnected(
        self, now: int, epoch: int, code: int, reason: str, *, clean: bool
    ) -> list[Command]:
        """The connection ended by itself, or in answer to a `Drop`."""
        if epoch != self.epoch:
            return []
        if self.state is SessionState.CLOSING:
            return self._ended(None)
        if not self.is_connected:
            return []
        error = ConnectionLost(code, reason, clean=clean)
        return self._lose(now, error, None, ended=(code, reason, clean))

    def pong(self, now: int, epoch: int, payload: bytes) -> list[Command]:
        """A pong frame arrived; an unsolicited one proves nothing about our pings."""
        if epoch == self.epoch and self.is_connected and payload == self._ping_payload():
            self._reply_by = None
        return []

    # -- time ------------------------------------------------------------------------

    @property
    def deadline(self) -> int | None:
        """When `look` must be called next, None for never."""
        if self.state is SessionState.CLOSING:
            return self._close_by
        if not self.is_connected:
            return self._redial_at
        times = (self._look_at, self._beat_at, self._reply_by, self._age_deadline())
        return min((time for time in times if time is not None), default=None)

    def look(self, now: int, frames: int, messages: int) -> list[Command]:
        """Do what is due; `frames` and `messages` count all frames and data received."""
        if self.state is SessionState.CLOSING:
            if self._close_by is not None and now >= self._close_by:
                return [Drop(self.epoch, None), *self._ended(None)]
            return []
        if not self.is_connected:
            if self._redial_at is not None and now >= self._redial_at:
                self._redial_at = None
                return self._dial()
            return []
        self._forgive_stall(now)
        commands = self._observe(now, frames, messages)
        commands += self._check_silence(now, frames)
        if self.is_connected:
            commands += self._check_beat(now, frames)
            commands += self._check_age(now)
        self._plan_look(now)
        return commands

    # -- inside ----------------------------------------------------------------------

    def _dial(self) -> list[Command]:
        self.epoch += 1
        self._attempt += 1
        self._dialing = True
        return [Dial(self.epoch)]

    def _lose(
        self,
        now: int,
        error: ConnectorError,
        drop_code: int | None,
        *,
        ended: tuple[int, str, bool] | None = None,
    ) -> list[Command]:
        """Go from LIVE or STALE to RECONNECTING, or to the end where that is the policy.

        `ended` if the connection is gone already.
        """
        if not self._policy.reconnect:
            drops: list[Command] = [] if ended else [Drop(self.epoch, drop_code)]
            return [*drops, *self._ended(error)]
        code, reason, clean = ended or (ABNORMAL, str(error), False)
        self.state = SessionState.RECONNECTING
        if now - self._live_since >= to_ns(self._policy.stable_after_s):
            self._backoff.reset()
        delay_s = self._backoff.next_delay_s()
        delay_s = max(delay_s, self._policy.close_delays_s.get(code, 0.0))
        self._clear_connection()
        # Dialled by the next look, never here: the owner may close on hearing of the loss.
        self._redial_at = now + to_ns(delay_s)
        lost = Emit(Lost(self.epoch, error, code, reason, clean, delay_s))
        return [lost] if ended else [Drop(self.epoch, drop_code), lost]

    def _ended(self, error: ConnectorError | None) -> list[Command]:
        self.state = SessionState.CLOSED
        self._redial_at = self._close_by = None
        self._dialing = False
        self._clear_connection()
        return [Emit(Closed(self.epoch, error))]

    def _clear_connection(self) -> None:
        self._look_at = self._beat_at = self._reply_by = None

    def _forgive_stall(self, now: int) -> None:
        planned = self.deadline
        if planned is None or now - planned < STALL_NS:
            return
        late = now - planned + STALL_NS
        self._frame_at = min(now, self._frame_at + late)
        self._data_at = min(now, self._data_at + late)
        if self._reply_by is not None:
            self._reply_by += late

    def _observe(self, now: int, frames: int, messages: int) -> list[Command]:
        if frames != self._frames:
            self._frames = frames
            self._frame_at = now
        if messages == self._messages:
            return []
        self._messages = messages
        self._data_at = now
        if self.state is not SessionState.STALE:
            return []
        self.state = SessionState.LIVE
        return [Emit(Recovered(self.epoch))]

    def _check_silence(self, now: int, frames: int) -> list[Command]:
        policy = self._policy
        if _over(now - self._frame_at, policy.silence_timeout_s):
            text = f"no frame of any kind for {policy.silence_timeout_s:g} s"
            return self._lose(now, TransportError(text), None)
        if _over(now - self._data_at, policy.data_timeout_s):
            text = f"no data for {policy.data_timeout_s:g} s"
            return self._lose(now, TransportError(text), None)
        if self._reply_by is not None and now >= self._reply_by:
            heartbeat = policy.heartbeat
            assert heartbeat is not None
            if heartbeat.message is None or frames == self._reply_frames:
                text = f"heartbeat not answered within {heartbeat.reply_timeout_s:g} s"
                return self._lose(now, RequestTimeout(text), None)
            self._reply_by = None
        if self.state is SessionState.LIVE and _over(now - self._data_at, policy.stale_after_s):
            self.state = SessionState.STALE
            return [Emit(WentStale(self.epoch, (now - self._data_at) / NS_PER_S))]
        return []

    def _check_beat(self, now: int, frames: int) -> list[Command]:
        heartbeat = self._policy.heartbeat
        if heartbeat is None or self._beat_at is None or now < self._beat_at:
            return []
        self._beat_at = now + to_ns(heartbeat.interval_s)
        self._ping_number += 1
        if heartbeat.reply_timeout_s is not None:
            self._reply_by = now + to_ns(heartbeat.reply_timeout_s)
            self._reply_frames = frames
        return [Beat(self.epoch, self._ping_payload())]

    def _age_deadline(self) -> int | None:
        max_age_s = self._policy.max_age_s
        if max_age_s is None:
            return None
        notice_s = 0.0 if self._rotation_told else self._policy.rotation_notice_s
        return self._live_since + to_ns(max_age_s - notice_s)

    def _check_age(self, now: int) -> list[Command]:
        max_age_s = self._policy.max_age_s
        due = self._age_deadline()
        if max_age_s is None or due is None or now < due:
            return []
        age_s = (now - self._live_since) / NS_PER_S
        if self._policy.rotation_notice_s and not self._rotation_told:
            self._rotation_told = True
            return [Emit(RotationDue(self.epoch, age_s, max(0.0, max_age_s - age_s)))]
        return self._lose(now, TransportError("connection reached its greatest age"), 1000)

    def _plan_look(self, now: int) -> None:
        """Plan the next sample of the counters: often, and exactly when silence is too long."""
        if self._look_ns is None or not self.is_connected:
            return
        policy = self._policy
        look_at = now + self._look_ns
        for since, limit_s in (
            (self._frame_at, policy.silence_timeout_s),
            (self._data_at, policy.data_timeout_s),
            (self._data_at, policy.stale_after_s),
        ):
            if limit_s is not None and since + to_ns(limit_s) > now:
                look_at = min(look_at, since + to_ns(limit_s))
        self._look_at = look_at

    def _ping_payload(self) -> bytes:
        return self._ping_number.to_bytes(8, "big")


def _over(silent_ns: int, limit_s: float | None) -> bool:
    return limit_s is not None and silent_ns >= to_ns(limit_s)
