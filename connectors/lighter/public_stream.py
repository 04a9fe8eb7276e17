"""One connection for public data: its session, its channels, the pace of its commands."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from .._speedups.lighter import LighterDecoder
from ..data.channel_stream import ChannelStream, StreamOwner
from ..errors import ClientError, DecodeError, TransportError
from ..net.attempts import AttemptBudget
from ..net.backoff import BackoffPolicy, Jitter
from ..net.endpoint import Endpoint
from ..net.per_host import PerHost
from ..net.policy import Heartbeat, SessionPolicy
from ..net.ratelimit import Quota, RateLimiter, WindowQuota
from ..net.session import Session
from .channels import inbound_name
from .config import Config
from .control import Command, Control, Method
from .limits import STREAM_LIMITS
from .wire import PONG, ControlKind, parse

__all__ = [
    "CONTROL_KEY",
    "CONTROL_QUOTA",
    "PublicStream",
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
SHUTDOWN_GRACE_S = 2.0
LONGEST_SHUTDOWN_S = 600.0
FIREWALL = frozenset({403, 405, 418, 429})


_hosts: PerHost[RateLimiter] = PerHost()


def control_limiter(url: str) -> RateLimiter:
    """Return the limit of control frames that all connections of this process to a host share."""
    return _hosts.get(url, lambda: RateLimiter({CONTROL_KEY: CONTROL_QUOTA}))


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


class PublicStream(ChannelStream):
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

    session: Session

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
        self._control = Control(limit=limit)
        super().__init__(owner, name, control=self._control, key=CONTROL_KEY)
        url = config.endpoints.stream
        url += ("&" if "?" in url else "?") + "readonly=true"
        self.limiter = limiter if limiter is not None else control_limiter(url)
        self.decoder = decoder_factory(self)
        self.session = Session(
            name,
            Endpoint(url=url, proxy=config.proxy),
            self.decoder,
            self._on_event,
            policy=policy or stream_policy(config),
            limiter=self.limiter,
            attempts=attempts,
        )
        self._greeting_timer: asyncio.TimerHandle | None = None
        self._shutdown_timer: asyncio.TimerHandle | None = None

    def _forgotten(self, channel: str) -> None:
        self.decoder.forget_first(inbound_name(channel))

    def _leaving(self, command: Command) -> None:
        if command.method is Method.SUBSCRIBE:
            self.decoder.await_first(inbound_name(command.channel))

    # -- frames in -------------------------------------------------------------------------

    def on_first(self, channel: str, is_snapshot: bool) -> None:
        """Take note of the first typed frame of a channel; for the decoder."""
        if not is_snapshot and self._control.is_renewing(channel.replace(":", "/")):
            # Of the subscription that is being ended; the new one begins with a snapshot.
            self.decoder.await_first(channel)
            return
        self._tell(self._control.on_subscribed(channel))
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
            self._tell(self._control.on_subscribed(channel))
            self.pump()
        elif name == "unsubscribed":
            self._tell(self._control.on_unsubscribed(channel))
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
            now = asyncio.get_running_loop().time()
            outcomes = self._control.on_error(frame.code, frame.message, now)
            self._venue_error(frame.code, frame.message, outcomes)
        elif frame.kind is ControlKind.SHUTDOWN:
            self._shutdown(frame.body.get("close_in_ms"))
        else:
            self._unknown(name, data)

    def _pong(self) -> None:
        try:
            self.session.send(PONG)
        except (ClientError, TransportError) as error:
            log.debug("conn=%s no pong: %s", self.name, error)

    def _greeted(self) -> None:
        if self._greeting_timer is not None:
            self._greeting_timer.cancel()
            self._greeting_timer = None
        if not self._control.is_connected:
            self.session.mark_ready()
            self._control.on_connected()
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

    def _connected(self) -> None:
        loop = asyncio.get_running_loop()
        self._greeting_timer = loop.call_later(
            GREETING_TIMEOUT_S, self.session.reconnect, "the venue did not greet"
        )

    def _stop_timers(self) -> None:
        super()._stop_timers()
        for timer in (self._greeting_timer, self._shutdown_timer):
            if timer is not None:
                timer.cancel()
        self._greeting_timer = self._shutdown_timer = None
