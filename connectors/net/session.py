"""One WebSocket connection, kept alive: the I/O around `SessionCore`.

Received messages go from picows through the compiled `FeedListener` to the decoder and
never pass through this module; it only compares counters. While a connection is up the
session owns no task, one timer and one socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING

from picows import WSCloseCode, WSListener, WSMsgType, WSTransport

from .._speedups.feed import Decoder, FeedListener
from ..errors import ClientError, ConnectorError, RequestTimeout, TransportError
from .attempts import AttemptBudget, shared_attempts
from .clock import NS_PER_S, SYSTEM_CLOCK, Clock
from .dial import open_websocket
from .endpoint import Endpoint
from .policy import SessionPolicy
from .ratelimit import QuotaExceeded, RateLimiter
from .redact import mask_text
from .session_core import AbandonDial, Beat, Command, Dial, Drop, Emit, SessionCore
from .session_events import (
    AttemptFailed,
    Closed,
    Connected,
    FeedProblem,
    Lost,
    SessionEvent,
    SessionState,
)
from .tasks import OwnedTasks

if TYPE_CHECKING:
    from typing import Self

__all__ = ["Session", "SessionCounters"]

_log = logging.getLogger("connectors.net.session")

# Beyond the close time-out, for event loop turns and tasks to end.
CLOSE_MARGIN_S = 1.0

ListenerFactory = Callable[[object], WSListener]


@dataclass(slots=True)
class SessionCounters:
    """Numbers that only grow, over all connections of a session."""

    attempts: int = 0
    connections: int = 0
    losses: int = 0
    heartbeats: int = 0
    sent: int = 0
    sent_bytes: int = 0
    refused_sends: int = 0
    callback_errors: int = 0
    frames: int = 0
    messages: int = 0
    bytes_received: int = 0
    errors: int = 0


class Session:
    """Connects once, reconnects for ever, closes for good.

    Everything that happens is told to `on_event` synchronously and in order, see
    `session_events`. An exception from it is logged and counted in
    `counters.callback_errors`; the connection goes on. It may call any method here.
    All methods belong to the event loop on which `open` ran.

    Parameters
    ----------
    name : str
        For logs and task names.
    endpoint : Endpoint
        Where to connect.
    decoder : Decoder
        Gets every complete message, on the socket's stack, from each connection.
    on_event : callable
        Gets every `SessionEvent`.
    policy : SessionPolicy
        Times and rules.
    limiter : RateLimiter, optional
        Limits of `send(..., key=...)`; may be shared by several sessions.
    attempts : AttemptBudget, optional
        Budget of connection attempts; the one of this process by default.
    max_message_size : int
        Bytes of the largest message accepted.
    listener_factory : callable, optional
        Makes the picows listener of a connection from its owner; `FeedListener` by
        default. Its counters `frames`, `messages`, `bytes_received`, `errors` are read.
    clock, rng
        Time and chance, for tests.
    """

    def __init__(
        self,
        name: str,
        endpoint: Endpoint,
        decoder: Decoder,
        on_event: Callable[[SessionEvent], object],
        *,
        policy: SessionPolicy | None = None,
        limiter: RateLimiter | None = None,
        attempts: AttemptBudget | None = None,
        max_message_size: int = 8 << 20,
        listener_factory: ListenerFactory | None = None,
        clock: Clock = SYSTEM_CLOCK,
        rng: random.Random | None = None,
    ) -> None:
        self.name = name
        self._endpoint = endpoint
        self._decoder = decoder
        self._on_event = on_event
        self._policy = policy or SessionPolicy()
        self._limiter = limiter
        self._attempts = attempts or shared_attempts()
        self._max_message_size = max_message_size
        self._listener_factory = listener_factory or self._feed_listener
        self._clock = clock
        self._core = SessionCore(self._policy, rng or random.Random())
        self._tasks = OwnedTasks(f"session/{name}")
        self._commands: deque[Command] = deque()
        self._running = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at: int | None = None
        self._dial_task: asyncio.Task[None] | None = None
        self._link: _Link | None = None  # the connection of the current epoch
        self._links: set[_Link] = set()  # and older ones still being closed
        self._ready = False
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._opened: asyncio.Future[None] | None = None
        self._over = asyncio.Event()
        self._quiet = asyncio.Event()  # no link is left
        self._quiet.set()
        self._counters = SessionCounters()
        self._beat_sent_ns = 0
        self.last_rtt_ns: int | None = None

    # -- looking -----------------------------------------------------------------------

    @property
    def state(self) -> SessionState:
        """Where the session stands."""
        return self._core.state

    @property
    def epoch(self) -> int:
        """The number of the current connection or attempt."""
        return self._core.epoch

    @property
    def is_connected(self) -> bool:
        """Whether a connection is up, live or stale."""
        return self._link is not None and self._core.is_connected

    @property
    def is_ready(self) -> bool:
        """Whether waiting senders may send: connected, and greeted where needed."""
        return self._ready

    @property
    def counters(self) -> SessionCounters:
        """A copy of the counters as they are now."""
        frames, messages, received, errors = self._totals()
        counters = self._counters
        return SessionCounters(
            attempts=counters.attempts,
            connections=counters.connections,
            losses=counters.losses,
            heartbeats=counters.heartbeats,
            sent=counters.sent,
            sent_bytes=counters.sent_bytes,
            refused_sends=counters.refused_sends,
            callback_errors=counters.callback_errors,
            frames=frames,
            messages=messages,
            bytes_received=received,
            errors=errors,
        )

    def __repr__(self) -> str:
        return f"<Session {self.name} {self._endpoint.label} {self.state.value} epoch={self.epoch}>"

    # -- opening and closing -----------------------------------------------------------

    async def open(self, *, retry: bool = False, timeout_s: float | None = None) -> None:
        """Connect; after this the session keeps itself connected.

        Parameters
        ----------
        retry : bool
            Whether a failure of the first attempt is retried like a lost connection.
            Otherwise it is raised, and the session is closed.
        timeout_s : float, optional
            Bound of the whole; by default one attempt and the wait for its budget.

        Raises
        ------
        TransportError, HandshakeError, RequestTimeout, ConfigError
            No connection; the session is closed.
        ClientError
            Opened before, or closed meanwhile.
        """
        if timeout_s is None:
            timeout_s = self._policy.attempt_timeout_s + self._policy.budget_timeout_s
        self._loop = asyncio.get_running_loop()
        commands = self._core.start(self._now(), retry_first=retry)
        self._opened = self._loop.create_future()
        try:
            self._run(commands)
            async with asyncio.timeout(timeout_s):
                await self._opened
        except TimeoutError:
            await self.close()
            raise RequestTimeout(
                f"{self._endpoint.label}: no connection within {timeout_s:g} s"
            ) from None
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """End for good: a close frame, a bounded wait, then the socket is dropped.

        Idempotent; ends a back-off or a running attempt at once. When it returns no
        task, timer or socket of the session is left.
        """
        if self._loop is None:
            return
        self._run(self._core.close(self._now()))
        bound_s = self._policy.close_timeout_s + CLOSE_MARGIN_S
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(bound_s):
                    await self._over.wait()
            await self._tasks.close(timeout_s=CLOSE_MARGIN_S)
        finally:
            self._tasks.cancel()
            for link in list(self._links):
                link.drop(None, 0.0)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_MARGIN_S):
                await self._quiet.wait()  # an aborted transport reports back a turn later

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def reconnect(self, reason: str) -> None:
        """Replace a connection that its owner found useless; no effect while there is none."""
        self._run(self._core.reconnect(self._now(), TransportError(reason)))

    def mark_ready(self) -> None:
        """Let waiting senders send; for policies with `ready_on_connect=False`."""
        if not self.is_connected:
            raise ClientError(f"session {self.name} is {self.state.value}, not connected")
        self._ready = True
        self._wake_waiting()

    async def wait_ready(self, *, timeout_s: float) -> None:
        """Wait until `is_ready`; RequestTimeout or, once closed, ClientError."""
        deadline_s = asyncio.get_running_loop().time() + timeout_s
        while not self._ready:
            await self._wait_change(deadline_s, timeout_s)

    # -- sending -----------------------------------------------------------------------

    def send(
        self,
        data: str | bytes,
        *,
        key: str | None = None,
        epoch: int | None = None,
        binary: bool = False,
    ) -> None:
        """Write one message now; whatever is raised, nothing was written.

        Parameters
        ----------
        data : str or bytes
            Payload; bytes go out as a text frame too unless `binary`.
        key : str, optional
            Rate limit to take one unit of.
        epoch : int, optional
            Send only on this connection, not on one that replaced it.

        Raises
        ------
        ClientError
            Not connected, or not on that epoch any more.
        QuotaExceeded
            The rate limit is used up.
        TransportError
            The peer has stopped reading.
        """
        transport = self._sendable(epoch)
        if key is not None and self._limiter is not None and not self._limiter.try_acquire(key):
            self._counters.refused_sends += 1
            raise QuotaExceeded(
                f"session {self.name}: rate limit {key!r} is used up",
                retry_after_s=self._limiter.time_until(key),
            )
        self._write(transport, data, binary=binary)

    async def send_wait(
        self,
        data: str | bytes,
        *,
        key: str | None = None,
        epoch: int | None = None,
        binary: bool = False,
        timeout_s: float | None = None,
    ) -> None:
        """Write one message as soon as connection and rate limit allow (BN-T-05).

        Like `send`, but waits up to `timeout_s` (default: the policy's
        `send_timeout_s`) for a connection that is ready and for the rate limit.

        Raises
        ------
        RequestTimeout
            No connection in time; nothing was written.
        QuotaExceeded, ClientError, TransportError
            See `send`.
        """
        if timeout_s is None:
            timeout_s = self._policy.send_timeout_s
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + timeout_s
        unpaid = key if self._limiter is not None else None
        while True:
            if epoch is not None and epoch != self.epoch:
                self._sendable(epoch)
            if not self._ready:
                await self._wait_change(deadline_s, timeout_s)
            elif unpaid is not None and self._limiter is not None:
                await self._limiter.acquire(unpaid, timeout_s=max(0.0, deadline_s - loop.time()))
                unpaid = None
            else:
                self._write(self._sendable(epoch), data, binary=binary)
                return

    def _sendable(self, epoch: int | None) -> WSTransport:
        """Return the transport if a message written to it can still reach the peer."""
        link = self._link
        if link is None or not self._core.is_connected:
            self._counters.refused_sends += 1
            raise ClientError(f"session {self.name} is {self.state.value}: nothing was sent")
        if epoch is not None and epoch != link.epoch:
            self._counters.refused_sends += 1
            raise ClientError(f"session {self.name}: connection {epoch} was replaced, not sent")
        transport = link.transport
        # picows drops such messages without a word.
        if (
            transport.is_disconnected
            or transport.is_close_frame_sent
            or transport.underlying_transport.is_closing()
        ):
            self._counters.refused_sends += 1
            raise ClientError(f"session {self.name}: the connection is closing, not sent")
        return transport

    def _write(self, transport: WSTransport, data: str | bytes, *, binary: bool) -> None:
        unsent = transport.underlying_transport.get_write_buffer_size()
        if unsent > self._policy.max_unsent_bytes:
            self._counters.refused_sends += 1
            raise TransportError(
                f"session {self.name}: the peer left {unsent} bytes unread, not sent"
            )
        if isinstance(data, str):
            data = data.encode()
        transport.send(WSMsgType.BINARY if binary else WSMsgType.TEXT, data)
        self._counters.sent += 1
        self._counters.sent_bytes += len(data)

    async def _wait_change(self, deadline_s: float, timeout_s: float) -> None:
        """Wait until the session becomes ready or closed."""
        loop = asyncio.get_running_loop()
        if self._core.is_over or self._loop is None or self.state is SessionState.CLOSING:
            raise ClientError(f"session {self.name} is {self.state.value}")
        if len(self._waiting) >= self._policy.max_waiting_sends:
            raise ClientError(f"session {self.name}: too many senders wait for a connection")
        future = loop.create_future()
        self._waiting.append(future)
        try:
            async with asyncio.timeout_at(deadline_s):
                await future
        except TimeoutError:
            raise RequestTimeout(
                f"session {self.name}: not connected within {timeout_s:g} s, nothing was sent"
            ) from None
        finally:
            with contextlib.suppress(ValueError):
                self._waiting.remove(future)

    def _wake_waiting(self) -> None:
        waiting, self._waiting = self._waiting, deque()
        for future in waiting:
            if not future.done():
                future.set_result(None)

    # -- the machine -------------------------------------------------------------------

    def _now(self) -> int:
        return self._clock.monotonic_ns()

    def _run(self, commands: list[Command]) -> None:
        """Execute commands in order, also those that executing them brings about."""
        self._commands.extend(commands)
        if self._running:
            return
        self._running = True
        try:
            while self._commands:
                self._execute(self._commands.popleft())
        finally:
            self._running = False
            self._arm()

    def _execute(self, command: Command) -> None:
        match command:
            case Emit(event):
                self._emit(event)
            case Dial(epoch):
                self._counters.attempts += 1
                self._dial_task = self._tasks.spawn(self._dial(epoch), f"dial-{epoch}")
            case AbandonDial():
                if self._dial_task is not None:
                    self._dial_task.cancel()
            case Beat(_, payload):
                self._beat(payload)
            case Drop(epoch, code):
                for link in list(self._links):
                    if link.epoch == epoch:
                        link.drop(code, self._policy.close_timeout_s)

    def _emit(self, event: SessionEvent) -> None:
        if isinstance(event, Connected):
            self._counters.connections += 1
            self._ready = self._policy.ready_on_connect
        elif isinstance(event, Lost):
            self._counters.losses += 1
            self._ready = False
        _log_event(self.name, event)
        try:
            self._on_event(event)
        except Exception:  # noqa: BLE001 - the owner's bug must not end the connection
            self._counters.callback_errors += 1
            _log.exception("session=%s on_event raised for %s", self.name, type(event).__name__)
        opened = self._opened
        if isinstance(event, Connected):
            if opened is not None and not opened.done():
                opened.set_result(None)
            if self._ready:
                self._wake_waiting()
        elif isinstance(event, Closed):
            self._ready = False
            if opened is not None and not opened.done():
                opened.set_exception(
                    event.error or ClientError(f"session {self.name} was closed while opening")
                )
            self._wake_waiting()
            self._over.set()

    def _arm(self) -> None:
        """Set the one timer to the core's next deadline."""
        at = self._core.deadline
        if at == self._timer_at and self._timer is not None:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_at = at
        if at is not None and self._loop is not None:
            delay_s = max(0.0, (at - self._now()) / NS_PER_S)
            self._timer = self._loop.call_later(delay_s, self._look)

    def _look(self) -> None:
        self._timer = None
        frames, messages, _, _ = self._totals()
        self._run(self._core.look(self._now(), frames, messages))

    def _totals(self) -> tuple[int, int, int, int]:
        counters = self._counters
        frames, messages = counters.frames, counters.messages
        received, errors = counters.bytes_received, counters.errors
        for link in self._links:
            listener = link.listener
            frames += listener.frames
            messages += listener.messages
            received += listener.bytes_received
            errors += listener.errors
        return frames, messages, received, errors

    # -- connecting --------------------------------------------------------------------

    def _feed_listener(self, owner: object) -> FeedListener:
        return FeedListener(self._decoder, owner, max_message_size=self._max_message_size)

    async def _dial(self, epoch: int) -> None:
        policy, endpoint = self._policy, self._endpoint
        try:
            await self._attempts.acquire(endpoint.budget_key, timeout_s=policy.budget_timeout_s)
            async with asyncio.timeout(policy.attempt_timeout_s):
                url, headers = await endpoint.resolve()
                link = _Link(self, epoch)
                link.listener = self._listener_factory(link)
                await open_websocket(
                    link.listener,
                    url,
                    headers=headers,
                    max_message_size=self._max_message_size,
                    ssl_context=endpoint.ssl_context,
                    proxy=endpoint.proxy,
                    receive_buffer_bytes=endpoint.receive_buffer_bytes,
                )
        except asyncio.CancelledError:
            self._failed(epoch, TransportError("the attempt was abandoned"))
            raise
        except TimeoutError as error:
            if isinstance(error, ConnectorError):
                self._failed(epoch, error)
            else:
                text = f"{endpoint.label}: no connection within {policy.attempt_timeout_s:g} s"
                self._failed(epoch, RequestTimeout(text))
        except ConnectorError as error:
            self._failed(epoch, error)
        except Exception as error:  # noqa: BLE001 - the url or headers callable failed
            text = f"{endpoint.label}: {type(error).__name__}: {mask_text(str(error))}"
            self._failed(epoch, TransportError(text))

    def _failed(self, epoch: int, error: ConnectorError) -> None:
        status: int | None = getattr(error, "status", None)
        retry_after_s: float | None = getattr(error, "retry_after_s", None)
        if status is not None and retry_after_s is not None:
            # The peer told one of us to stay away; it means all of us.
            self._attempts.hold(self._endpoint.budget_key, retry_after_s)
        self._run(
            self._core.attempt_failed(
                self._now(), epoch, error, status=status, retry_after_s=retry_after_s
            )
        )

    def _beat(self, payload: bytes) -> None:
        heartbeat, link = self._policy.heartbeat, self._link
        if heartbeat is None or link is None:
            return
        if heartbeat.key is not None and self._limiter is not None:
            self._limiter.try_acquire(heartbeat.key)
        self._counters.heartbeats += 1
        self._beat_sent_ns = self._now()
        if heartbeat.message is None:
            link.transport.send_ping(payload)
            return
        try:
            message = heartbeat.message
            data = message() if callable(message) else message
            link.transport.send(WSMsgType.TEXT, data)
        except Exception:  # noqa: BLE001 - as above
            self._counters.callback_errors += 1
            _log.exception("session=%s heartbeat message could not be made", self.name)

    # -- what a connection reports -----------------------------------------------------

    def _link_up(self, link: _Link) -> None:
        self._links.add(link)
        self._quiet.clear()
        if link.epoch == self._core.epoch:
            self._link = link
        frames, messages, _, _ = self._totals()
        self._run(self._core.connected(self._now(), link.epoch, frames, messages))

    def _link_down(self, link: _Link, code: int, reason: str, *, clean: bool) -> None:
        listener, counters = link.listener, self._counters
        self._links.discard(link)
        counters.frames += listener.frames
        counters.messages += listener.messages
        counters.bytes_received += listener.bytes_received
        counters.errors += listener.errors
        if self._link is link:
            self._link = None
        if not self._links:
            self._quiet.set()
        self._run(self._core.disconnected(self._now(), link.epoch, code, reason, clean=clean))

    def _link_pong(self, link: _Link, payload: bytes) -> None:
        if link is self._link:
            if self._beat_sent_ns:
                self.last_rtt_ns = self._now() - self._beat_sent_ns
                self._beat_sent_ns = 0
            self._run(self._core.pong(self._now(), link.epoch, payload))

    def _link_problem(self, link: _Link, error: Exception, data: bytes | None) -> None:
        self._run([Emit(FeedProblem(link.epoch, error, data))])


class _Link:
    """The owner of one connection's listener; knows which epoch its calls belong to."""

    __slots__ = ("_kill", "_session", "epoch", "listener", "transport")

    transport: WSTransport
    listener: FeedListener

    def __init__(self, session: Session, epoch: int) -> None:
        self._session = session
        self._kill: asyncio.TimerHandle | None = None
        self.epoch = epoch

    def on_feed_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        self._session._link_up(self)

    def on_feed_disconnected(self, code: int, reason: str, clean: bool) -> None:
        if self._kill is not None:
            self._kill.cancel()
            self._kill = None
        self._session._link_down(self, code, reason, clean=clean)

    def on_feed_problem(self, error: Exception, data: bytes | None) -> None:
        self._session._link_problem(self, error, data)

    def on_feed_pong(self, payload: bytes) -> None:
        self._session._link_pong(self, payload)

    def drop(self, code: int | None, within_s: float) -> None:
        """Close with a code and abort if that takes longer than `within_s`; None: abort now."""
        transport = self.transport
        if code is None:
            transport.disconnect(graceful=False)
        elif self._kill is None:
            transport.send_close(WSCloseCode(code))
            self._kill = asyncio.get_running_loop().call_later(
                within_s, transport.disconnect, False
            )


def _log_event(name: str, event: SessionEvent) -> None:
    if isinstance(event, Lost):
        _log.warning(
            "session=%s epoch=%d lost: %s; next attempt in %.3f s",
            name,
            event.epoch,
            event.error,
            event.retry_in_s,
        )
    elif isinstance(event, AttemptFailed):
        _log.warning(
            "session=%s epoch=%d attempt %d failed: %s; next in %.3f s",
            name,
            event.epoch,
            event.attempt,
            event.error,
            event.retry_in_s,
        )
    elif isinstance(event, Connected):
        _log.info("session=%s epoch=%d connected", name, event.epoch)
    elif _log.isEnabledFor(logging.DEBUG):
        _log.debug("session=%s epoch=%d %s", name, event.epoch, type(event).__name__)
