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
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Self

from picows import WSListener, WSMsgType

from .._speedups.feed import Decoder, FeedListener
from ..errors import ClientError, ConnectorError, RequestTimeout, TransportError
from .attempts import AttemptBudget, shared_attempts
from .clock import SYSTEM_CLOCK, Clock
from .dial import open_websocket
from .driver import MachineDriver
from .endpoint import Endpoint
from .link import Link
from .outbox import Outbox
from .policy import SessionPolicy
from .ratelimit import RateLimiter
from .redact import mask_text
from .session_core import AbandonDial, Beat, Command, Dial, Drop, Emit, SessionCore
from .session_events import (
    Closed,
    Closing,
    Connected,
    FeedProblem,
    Lost,
    SessionEvent,
    SessionState,
    log_event,
)
from .tasks import OwnedTasks

__all__ = ["Session", "SessionCounters"]

_log = logging.getLogger("connectors.net.session")

# Beyond the close time-out, for event loop turns and tasks to end.
CLOSE_MARGIN_S = 1.0

ListenerFactory = Callable[[Link], WSListener]


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
        self._outbox = Outbox(name, self._policy, limiter)
        self._driver: MachineDriver[Command] = MachineDriver(
            self._execute,
            deadline=lambda: self._core.deadline,
            look=self._look,
            clock=clock,
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._dial_task: asyncio.Task[None] | None = None
        self._links: set[Link] = set()  # the current connection, and older ones closing
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
        return self._outbox.link is not None

    @property
    def is_ready(self) -> bool:
        """Whether waiting senders may send: connected, and greeted where needed."""
        return self._outbox.is_ready

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
            sent=self._outbox.sent,
            sent_bytes=self._outbox.sent_bytes,
            refused_sends=self._outbox.refused,
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
        except BaseException as error:
            await self.close()
            if isinstance(error, TimeoutError) and not isinstance(error, ConnectorError):
                text = f"{self._endpoint.label}: no connection within {timeout_s:g} s"
                raise RequestTimeout(text) from None
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

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    def reconnect(self, reason: str) -> None:
        """Replace a connection that its owner found useless; no effect while there is none."""
        self._run(self._core.reconnect(self._now(), TransportError(reason)))

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
        self._outbox.send(data, key=key, epoch=epoch, binary=binary)

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
        await self._outbox.send_wait(data, key=key, epoch=epoch, binary=binary, timeout_s=timeout_s)

    async def wait_ready(self, *, timeout_s: float) -> None:
        """Wait until `is_ready`; RequestTimeout or, once closed, ClientError."""
        await self._outbox.wait_ready(timeout_s=timeout_s)

    def mark_ready(self) -> None:
        """Let waiting senders send; for policies with `ready_on_connect=False`."""
        self._outbox.mark_ready()

    # -- the machine -------------------------------------------------------------------

    def _now(self) -> int:
        return self._clock.monotonic_ns()

    def _run(self, commands: list[Command]) -> None:
        """Execute commands in order, also those that executing them brings about."""
        self._driver.run(commands)

    def _execute(self, command: Command) -> None:
        match command:
            case Emit(event):
                self._emit(event)
            case Dial(epoch):
                self._counters.attempts += 1
                self._dial_task = self._tasks.spawn(self._dial(epoch), f"dial-{epoch}")
                self._dial_task.add_done_callback(partial(self._dial_ended, epoch))
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
        outbox = self._outbox
        if isinstance(event, Connected):
            self._counters.connections += 1
            for link in self._links:
                if link.epoch == event.epoch:
                    outbox.attach(link)
        elif isinstance(event, Lost):
            self._counters.losses += 1
            outbox.detach()
        elif isinstance(event, Closing | Closed):
            outbox.shut()
        log_event(self.name, event)
        try:
            self._on_event(event)
        except Exception:  # noqa: BLE001 - the owner's bug must not end the connection
            self._counters.callback_errors += 1
            _log.exception("session=%s on_event raised for %s", self.name, type(event).__name__)
        if isinstance(event, Connected):
            if self._policy.ready_on_connect and outbox.link is not None:
                outbox.mark_ready()
            self._settle_open(None)
        elif isinstance(event, Closed):
            closed = ClientError(f"session {self.name} was closed while opening")
            self._settle_open(event.error or closed)
            self._over.set()

    def _settle_open(self, error: ConnectorError | None) -> None:
        opened = self._opened
        if opened is None or opened.done():
            return
        if error is None:
            opened.set_result(None)
        else:
            opened.set_exception(error)

    def _look(self) -> None:
        frames, messages, _, _ = self._totals()
        self._run(self._core.look(self._now(), frames, messages))

    def _totals(self) -> tuple[int, int, int, int]:
        counters = self._counters
        frames, messages = counters.frames, counters.messages
        received, errors = counters.bytes_received, counters.errors
        for link in self._links:
            counts = link.counts
            frames += counts.frames
            messages += counts.messages
            received += counts.bytes_received
            errors += counts.errors
        return frames, messages, received, errors

    # -- connecting --------------------------------------------------------------------

    def _feed_listener(self, owner: Link) -> FeedListener:
        return FeedListener(self._decoder, owner, max_message_size=self._max_message_size)

    async def _dial(self, epoch: int) -> None:
        policy, endpoint = self._policy, self._endpoint
        try:
            await self._attempts.acquire(endpoint.budget_key, timeout_s=policy.budget_timeout_s)
            async with asyncio.timeout(policy.attempt_timeout_s):
                url, headers = await endpoint.resolve()
                link = Link(self, epoch)
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

    def _dial_ended(self, epoch: int, task: asyncio.Task[None]) -> None:
        """Take note of an attempt that was abandoned, maybe before it had begun."""
        if task.cancelled():
            self._failed(epoch, TransportError("the attempt was abandoned"))

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
        heartbeat, link = self._policy.heartbeat, self._outbox.link
        if heartbeat is None or link is None:
            return
        if heartbeat.key is not None and self._limiter is not None:
            self._limiter.debit(heartbeat.key)
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

    # -- what a connection reports (LinkOwner) -----------------------------------------

    def link_up(self, link: Link) -> None:
        """Take note of a new connection; called by its listener."""
        self._links.add(link)
        self._quiet.clear()
        frames, messages, _, _ = self._totals()
        self._run(self._core.connected(self._now(), link.epoch, frames, messages))

    def link_down(self, link: Link, code: int, reason: str, *, clean: bool) -> None:
        """Take note of the end of a connection; called by its listener."""
        counts, counters = link.counts, self._counters
        self._links.discard(link)
        counters.frames += counts.frames
        counters.messages += counts.messages
        counters.bytes_received += counts.bytes_received
        counters.errors += counts.errors
        if not self._links:
            self._quiet.set()
        self._run(self._core.disconnected(self._now(), link.epoch, code, reason, clean=clean))

    def link_pong(self, link: Link, payload: bytes) -> None:
        """Take note of a pong; called by its listener."""
        if link is self._outbox.link:
            if self._beat_sent_ns:
                self.last_rtt_ns = self._now() - self._beat_sent_ns
                self._beat_sent_ns = 0
            self._run(self._core.pong(self._now(), link.epoch, payload))

    def link_problem(self, link: Link, error: Exception, data: bytes | None) -> None:
        """Pass a problem on; called by its listener."""
        self._run([Emit(FeedProblem(link.epoch, error, data))])
