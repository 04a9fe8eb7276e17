"""One connection for public data: its session, its channels, the pace of its commands."""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import Callable
from typing import Protocol
from urllib.parse import urlsplit

from .._speedups.lighter import LighterDecoder
from ..errors import ClientError, DecodeError, TransportError
from ..net.attempts import AttemptBudget
from ..net.backoff import BackoffPolicy, Jitter
from ..net.endpoint import Endpoint
from ..net.policy import Heartbeat, SessionPolicy
from ..net.ratelimit import Quota, QuotaExceeded, RateLimiter, WindowQuota
from ..net.session import Session
from ..net.session_events import Closed, Connected, FeedProblem, Lost, SessionEvent
from .channels import inbound_name
from .config import Config
from .control import ChannelOutcome, Control, Method
from .limits import STREAM_LIMITS
from .wire import PONG, ControlKind, parse

__all__ = [
    "CONTROL_KEY",
    "CONTROL_QUOTA",
    "PublicStream",
    "StreamOwner",
    "control_limiter",
    "stream_policy",
]

log = logging.getLogger("connectors.lighter")

CONTROL_KEY = "control"
# The window keeps a burst and what comes back meanwhile from adding up to more than the limit.
CONTROL_QUOTA = (
    Quota(STREAM_LIMITS.control_per_min, 60.0, burst=STREAM_LIMITS.control_burst),
    WindowQuota(STREAM_LIMITS.control_per_min, 60.0),
)
PING = b'{"type":"ping"}'
GREETING_TIMEOUT_S = 10.0
STUCK_RETRY_S = 0.25
SHUTDOWN_GRACE_S = 2.0
LONGEST_SHUTDOWN_S = 600.0
FOR_EVER_S = 1e7
FIREWALL = frozenset({403, 405, 418, 429})


class _SharedLimiter(RateLimiter):
    """A limiter that lives as long as somebody uses it."""

    __slots__ = ("__weakref__",)


_limiters: weakref.WeakValueDictionary[str, _SharedLimiter] = weakref.WeakValueDictionary()


def control_limiter(url: str) -> RateLimiter:
    """Return the limit of control frames that all connections of this process to a host share."""
    parts = urlsplit(url)
    key = f"{parts.hostname}:{parts.port}"
    limiter = _limiters.get(key)
    if limiter is None:
        limiter = _limiters[key] = _SharedLimiter({CONTROL_KEY: CONTROL_QUOTA})
    return limiter


def stream_policy(config: Config) -> SessionPolicy:
    """Return how a connection to the venue is kept (sections 6.7, 6.8 and 21)."""
    return SessionPolicy(
        attempt_timeout_s=config.ws_timeout_s,
        backoff=BackoffPolicy(
            initial_s=0.25, maximum_s=30.0, factor=2.0, jitter=Jitter.ADD, jitter_amount=0.2
        ),
        stable_after_s=10.0,
        silence_timeout_s=config.idle_timeout_s,
        heartbeat=Heartbeat(
            interval_s=config.heartbeat_s,
            message=PING,
            reply_timeout_s=min(config.heartbeat_s, config.idle_timeout_s),
        ),
        refused_statuses=FIREWALL,
        ready_on_connect=False,
    )


class StreamOwner(Protocol):
    """What a connection tells; everything synchronously."""

    def on_outcomes(self, stream: PublicStream, outcomes: list[ChannelOutcome]) -> None:
        """Channels are served, refused, ended or asked for again."""

    def on_session_event(self, stream: PublicStream, event: SessionEvent) -> None:
        """The session changed; the channels already know."""

    def on_venue_error(self, stream: PublicStream, code: int | None, message: str) -> None:
        """An error that is about no channel."""

    def on_frame_problem(self, stream: PublicStream, error: Exception) -> None:
        """A frame, or a row of one, that did not decode."""

    def on_unknown_frame(self, stream: PublicStream, name: str, data: bytes) -> None:
        """A frame of a type we do not know."""


class PublicStream:
    """A connection and its channels.

    Parameters
    ----------
    owner : StreamOwner
    name : str
        For logs and events: `lighter/public/0`.
    config : Config
    decoder_factory : callable
        Makes the decoder, which reports to `on_control`, `on_first` and `on_problem` here.
    limit : int
        Channels it may carry.
    limiter : RateLimiter, optional
        Of control frames; by default the one of this process and host.
    policy : SessionPolicy, optional
        By default `stream_policy(config)`.
    """

    def __init__(
        self,
        owner: StreamOwner,
        name: str,
        config: Config,
        *,
        decoder_factory: Callable[[PublicStream], LighterDecoder],
        limit: int = STREAM_LIMITS.subscriptions,
        limiter: RateLimiter | None = None,
        attempts: AttemptBudget | None = None,
        policy: SessionPolicy | None = None,
    ) -> None:
        self.name = name
        self.control = Control(limit=limit)
        self.unknown_frames = 0
        self.venue_errors = 0
        url = config.endpoints.stream
        url += ("&" if "?" in url else "?") + "readonly=true"
        self._owner = owner
        self._limiter = limiter if limiter is not None else control_limiter(url)
        self.decoder = decoder_factory(self)
        self.session = Session(
            name,
            Endpoint(url=url, proxy=config.proxy),
            self.decoder,
            self._on_event,
            policy=policy or stream_policy(config),
            limiter=self._limiter,
            attempts=attempts,
        )
        self._pump_timer: asyncio.TimerHandle | None = None
        self._pump_at = 0.0
        self._greeting_timer: asyncio.TimerHandle | None = None
        self._shutdown_timer: asyncio.TimerHandle | None = None
        self._closing = False

    @property
    def is_active(self) -> bool:
        """Whether the connection is up and greeted."""
        return self.control.is_connected

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
        self.control.subscribe(channel)
        self.pump()

    def unsubscribe(self, channel: str) -> None:
        """Want a channel no more."""
        self.control.unsubscribe(channel)
        self.decoder.forget_first(inbound_name(channel))
        self.pump()

    def renew(self, channel: str) -> bool:
        """End a channel and ask for it again, for a new snapshot; see `Control.renew`."""
        started = self.control.renew(channel)
        self.pump()
        return started

    # -- commands out ----------------------------------------------------------------------

    def pump(self) -> None:
        """Send what the channels need, as fast as the limits allow."""
        if self._closing or not self.control.is_connected:
            return
        now = asyncio.get_running_loop().time()
        wake: float | None = None
        while (command := self.control.next_command(now)) is not None:
            try:
                self.session.send(command.data, key=CONTROL_KEY)
            except QuotaExceeded as held:
                wake = now + max(held.retry_after_s, 0.001)
                break
            except ClientError:
                return  # the connection is ending: all is asked for again on the next
            except TransportError as error:
                log.warning("conn=%s command waits: %s", self.name, error)
                wake = now + STUCK_RETRY_S
                break
            if command.method is Method.SUBSCRIBE:
                self.decoder.await_first(inbound_name(command.channel))
            self.control.sent(command, now)
        deadline = self.control.next_deadline(now)
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
        outcomes = self.control.overdue(asyncio.get_running_loop().time())
        self._tell(outcomes)
        self.pump()

    def _tell(self, outcomes: list[ChannelOutcome]) -> None:
        if outcomes:
            self._owner.on_outcomes(self, outcomes)

    # -- frames in -------------------------------------------------------------------------

    def on_first(self, channel: str, is_snapshot: bool) -> None:
        """Take note of the first typed frame of a channel; for the decoder."""
        if not is_snapshot and self.control.is_renewing(channel.replace(":", "/")):
            # Of the subscription that is being ended; the new one begins with a snapshot.
            self.decoder.await_first(channel)
            return
        self._tell(self.control.on_subscribed(channel))
        self.pump()

    def on_control(self, name: str, channel: str, data: bytes) -> None:
        """Take a frame of the control protocol; for the decoder."""
        if name == "ping":
            self._pong()
        elif name == "pong":
            pass
        elif name == "connected":
            self._greeted()
        elif name == "subscribed":
            self._tell(self.control.on_subscribed(channel))
            self.pump()
        elif name == "unsubscribed":
            self._tell(self.control.on_unsubscribed(channel))
            self.pump()
        else:
            self._other(name, data)

    def _other(self, name: str, data: bytes) -> None:
        try:
            frame = parse(data)
        except DecodeError as error:
            self._owner.on_frame_problem(self, error)
            return
        if frame.kind is ControlKind.ERROR:
            self.venue_errors += 1
            now = asyncio.get_running_loop().time()
            outcomes = self.control.on_error(frame.code, frame.message, now)
            self._tell(outcomes)
            if not outcomes:
                self._owner.on_venue_error(self, frame.code, frame.message)
            self.pump()
        elif frame.kind is ControlKind.SHUTDOWN:
            self._shutdown(frame.body.get("close_in_ms"))
        else:
            self.unknown_frames += 1
            log.debug("conn=%s frame of unknown type %r", self.name, name)
            self._owner.on_unknown_frame(self, name, data)

    def on_problem(self, error: Exception, data: bytes) -> None:
        """Take note of a frame or row that did not decode; for the decoder."""
        self._owner.on_frame_problem(self, error)

    def _pong(self) -> None:
        try:
            self.session.send(PONG)
        except (ClientError, TransportError) as error:
            log.debug("conn=%s no pong: %s", self.name, error)

    def _greeted(self) -> None:
        if self._greeting_timer is not None:
            self._greeting_timer.cancel()
            self._greeting_timer = None
        if not self.control.is_connected:
            self.session.mark_ready()
            self.control.on_connected()
            self.pump()

    def _shutdown(self, close_in_ms: object) -> None:
        """The venue restarts: it closes the connection, and the session makes a new one."""
        left_s = close_in_ms / 1000 if isinstance(close_in_ms, int | float) else 0.0
        left_s = min(max(left_s, 0.0), LONGEST_SHUTDOWN_S)
        log.info("conn=%s the venue closes it in %.1f s", self.name, left_s)
        if self._shutdown_timer is not None:
            self._shutdown_timer.cancel()
        loop = asyncio.get_running_loop()
        self._shutdown_timer = loop.call_later(
            left_s + SHUTDOWN_GRACE_S, self.session.reconnect, "shutdown announced and not done"
        )

    # -- the session -----------------------------------------------------------------------

    def _on_event(self, event: SessionEvent) -> None:
        if isinstance(event, Connected):
            self._stop_timers()
            loop = asyncio.get_running_loop()
            self._greeting_timer = loop.call_later(
                GREETING_TIMEOUT_S, self.session.reconnect, "the venue did not greet"
            )
        elif isinstance(event, Lost) or (isinstance(event, Closed) and not self._closing):
            self._stop_timers()
            self.control.on_lost()
        if isinstance(event, FeedProblem):
            self._owner.on_frame_problem(self, event.error)
        else:
            self._owner.on_session_event(self, event)

    def _stop_timers(self) -> None:
        for timer in (self._pump_timer, self._greeting_timer, self._shutdown_timer):
            if timer is not None:
                timer.cancel()
        self._pump_timer = self._greeting_timer = self._shutdown_timer = None

    def __repr__(self) -> str:
        return f"<PublicStream {self.name} {self.session.state.value} {self.control!r}>"
