"""One connection for public data: its session, its channels, the pace of its commands."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from typing import Any, Protocol

from ..errors import ClientError, TransportError
from ..net.ratelimit import QuotaExceeded
from ..net.session_events import (
    Closed,
    Connected,
    FeedProblem,
    Lost,
    SessionEvent,
    SessionState,
)
from .control import ChannelControl, ChannelOutcome, Command

__all__ = ["ChannelStream", "StreamOwner", "StreamSession"]

log = logging.getLogger("connectors.data")

STUCK_RETRY_S = 0.25
FOR_EVER_S = 1e7


class StreamSession(Protocol):
    """What a stream needs of its connection; `Session` has it, and what shares one."""

    @property
    def state(self) -> SessionState:
        """Where it stands."""

    @property
    def epoch(self) -> int:
        """The number of the connection."""

    async def open(self, *, retry: bool = False, timeout_s: float | None = None) -> None:
        """Connect."""

    async def close(self) -> None:
        """End for good."""

    def reconnect(self, reason: str) -> None:
        """Replace the connection."""

    def send(self, data: str | bytes, *, key: str | None = None) -> None:
        """Write one message now, or raise."""


class StreamOwner(Protocol):
    """What a connection tells; everything synchronously."""

    def on_outcomes(self, stream: Any, outcomes: list[ChannelOutcome]) -> None:
        """Channels are served, refused, ended or asked for again."""

    def on_session_event(self, stream: Any, event: SessionEvent) -> None:
        """The session changed; the channels already know."""

    def on_venue_error(self, stream: Any, code: int | None, message: str) -> None:
        """An error that is about no channel."""

    def on_frame_problem(self, stream: Any, error: Exception) -> None:
        """A frame, or a row of one, that did not decode."""

    def on_unknown_frame(self, stream: Any, name: str, data: bytes) -> None:
        """A frame of a type we do not know."""


class ChannelStream(ABC):
    """A connection and its channels.

    Parameters
    ----------
    owner : StreamOwner
    name : str
        For logs and events: `lighter/public/0`.
    control : ChannelControl
    key : str
        What a command costs, a key of the session's limiter.

    Attributes
    ----------
    session : StreamSession
        Set by the venue's class; its events go to `_on_event`.
    """

    session: StreamSession

    def __init__(self, owner: StreamOwner, name: str, *, control: ChannelControl, key: str) -> None:
        self.name = name
        self.unknown_frames = 0
        self.venue_errors = 0
        self._owner = owner
        self._channels = control
        self._key = key
        self._pump_timer: asyncio.TimerHandle | None = None
        self._pump_at = 0.0
        self._closing = False

    @property
    def control(self) -> ChannelControl:
        """The state of the channels."""
        return self._channels

    @property
    def is_active(self) -> bool:
        """Whether the connection is up, and greeted where that is the custom."""
        return self._channels.is_connected

    async def open(self) -> None:
        """Connect, trying again for as long as it takes; returns when it is up."""
        await self.session.open(retry=True, timeout_s=FOR_EVER_S)

    async def close(self) -> None:
        """End for good, within the session's close time."""
        self._closing = True
        self._stop_timers()
        await self.session.close()

    def subscribe(self, channel: str) -> None:
        """Want a channel."""
        self._channels.subscribe(channel)
        self.pump()

    def unsubscribe(self, channel: str) -> None:
        """Want a channel no more."""
        self._channels.unsubscribe(channel)
        self._forgotten(channel)
        self.pump()

    def renew(self, channel: str) -> bool:
        """End a channel and ask for it again, for a new snapshot; see `ChannelControl.renew`."""
        started = self._channels.renew(channel)
        self.pump()
        return started

    # -- what venues add --------------------------------------------------------------------

    def _forgotten(self, channel: str) -> None:  # noqa: B027 - most have nothing to do
        """A channel is not wanted any more."""

    def _leaving(self, command: Command) -> None:  # noqa: B027 - most have nothing to do
        """A command was handed to the socket; nobody may be told of anything yet."""

    def _left(self, command: Command) -> None:  # noqa: B027 - most have nothing to do
        """It was, and the channels know it: whoever is told may ask for more at once."""

    @abstractmethod
    def _connected(self) -> None:
        """The session is connected: greet, or tell the channels."""

    # -- commands out ----------------------------------------------------------------------

    def pump(self) -> None:
        """Send what the channels need, as fast as the limits allow."""
        if self._closing or not self._channels.is_connected:
            return
        now = asyncio.get_running_loop().time()
        wake: float | None = None
        while (command := self._channels.next_command(now)) is not None:
            try:
                self.session.send(command.data, key=self._key)
            except QuotaExceeded as held:
                wake = now + max(held.retry_after_s, 0.001)
                break
            except ClientError:
                return  # the connection is ending: all is asked for again on the next
            except TransportError as error:
                log.warning("conn=%s command waits: %s", self.name, error)
                wake = now + STUCK_RETRY_S
                break
            self._leaving(command)
            self._channels.sent(command, now)
            self._left(command)
        deadline = self._channels.next_deadline(now)
        times = [time for time in (wake, deadline) if time is not None]
        if times:
            self._wake_at(min(times))

    def _wake_at(self, at: float) -> None:
        if self._pump_timer is not None:
            if self._pump_at <= at:
                return
            self._pump_timer.cancel()
        self._pump_at = at
        self._pump_timer = asyncio.get_running_loop().call_at(at, self._woken)

    def _woken(self) -> None:
        self._pump_timer = None
        if self._closing:
            return
        outcomes = self._channels.overdue(asyncio.get_running_loop().time())
        self._tell(outcomes)
        self.pump()

    def _tell(self, outcomes: list[ChannelOutcome]) -> None:
        if outcomes:
            self._owner.on_outcomes(self, outcomes)

    # -- what comes in -----------------------------------------------------------------------

    def on_problem(self, error: Exception, data: bytes) -> None:
        """Take note of a frame or row that did not decode; for the decoder."""
        self._owner.on_frame_problem(self, error)

    def _unknown(self, name: str, data: bytes) -> None:
        self.unknown_frames += 1
        log.debug("conn=%s frame of unknown type %r", self.name, name)
        self._owner.on_unknown_frame(self, name, data)

    def _venue_error(self, code: int | None, message: str, outcomes: list[ChannelOutcome]) -> None:
        """An error frame, and what it means for channels."""
        self.venue_errors += 1
        self._tell(outcomes)
        if not outcomes:
            self._owner.on_venue_error(self, code, message)
        self.pump()

    # -- the session -----------------------------------------------------------------------

    def _on_event(self, event: SessionEvent) -> None:
        if isinstance(event, Lost) or (isinstance(event, Closed) and not self._closing):
            self._stop_timers()
            self._lost(event)
        if isinstance(event, FeedProblem):
            self._owner.on_frame_problem(self, event.error)
            return
        if isinstance(event, Connected):
            self._stop_timers()
            self._connected()
        self._owner.on_session_event(self, event)

    def _lost(self, event: Lost | Closed) -> None:
        """The connection is gone."""
        self._channels.on_lost()

    def _stop_timers(self) -> None:
        if self._pump_timer is not None:
            self._pump_timer.cancel()
            self._pump_timer = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} {self.session.state.value} {self._channels!r}>"
