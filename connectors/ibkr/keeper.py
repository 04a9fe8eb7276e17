"""A brokerage session that stays up, and the one socket on it: the I/O around `SessionMachine`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable
from functools import partial
from typing import Self

from .._speedups.feed import Decoder
from ..errors import ClientError, ConnectorError, RequestTimeout, TransportError
from ..net.attempts import AttemptBudget
from ..net.clock import SYSTEM_CLOCK, Clock
from ..net.driver import MachineDriver
from ..net.session import Session
from ..net.session_events import Closed, Connected, FeedProblem, SessionEvent
from ..net.tasks import OwnedTasks
from .config import VENUE, Config
from .errors import NotAuthenticated
from .events import (
    Ask,
    Call,
    CloseSocket,
    Command,
    Failed,
    KeeperEvent,
    KeeperState,
    KeeperStream,
    LoginNeeded,
    OpenSocket,
    PenaltyBegan,
    Ready,
    Send,
    StateChanged,
    Tell,
    log_keeper_event,
    notice_of,
)
from .machine import SessionMachine
from .rest import IbkrRest
from .session_calls import make_call
from .socket_client import handshake_error, make_socket
from .wire import MessageKind, classify

__all__ = ["FrameDecoder", "KeeperStream", "SessionKeeper"]

log = logging.getLogger("connectors.ibkr")

OPEN_TIMEOUT_S = 60.0
CLOSE_TIMEOUT_S = 2.0  # D-41
_OWN_TOPICS = frozenset({"system", "sts", "tic", "act"})


class FrameDecoder(Decoder):
    """Hands every frame to a keeper, without a compiled decoder in front of it."""

    def __init__(self, keeper: SessionKeeper) -> None:
        self._keeper = keeper

    def on_message(self, data: bytes, ts_init: int) -> None:
        self._keeper.on_frame(data, ts_init)


class SessionKeeper:
    """Keeps one login's session up; shared by all its clients in this process.

    Each client opens it and closes it again; the last one ends it. Nothing may be asked for before
    it is ready, and nothing is: streams hear of it, and of every gap.

    Parameters
    ----------
    config : Config
    rest : IbkrRest, optional
        One of our own by default, which is closed with the keeper.
    on_event : callable, optional
        Receives every `KeeperEvent`, synchronously.
    decoder : callable, optional
        `decoder(keeper)` makes the decoder of every socket; what it does not take itself it hands
        to `on_frame`.
    attempts, clock, rng :
        As elsewhere.

    Attributes
    ----------
    rest : IbkrRest
    malformed, notices, problems, callback_errors, send_failures :
        Counters: frames that are not JSON, error frames, frames a decoder refused or that broke
        the protocol, callbacks that raised, frames of ours that found no socket.
    """

    def __init__(
        self,
        config: Config | None = None,
        *,
        rest: IbkrRest | None = None,
        on_event: Callable[[KeeperEvent], object] | None = None,
        decoder: Callable[[SessionKeeper], Decoder] | None = None,
        attempts: AttemptBudget | None = None,
        clock: Clock = SYSTEM_CLOCK,
        rng: random.Random | None = None,
    ) -> None:
        if config is None:
            config = rest.config if rest is not None else Config()
        self.config = config
        self.rest = rest if rest is not None else IbkrRest(config, clock=clock)
        self._owns_rest = rest is None
        self.rest.on_penalty, self.rest.on_refused = self._penalty, self._refused
        self._on_event = on_event
        self._make_decoder = decoder or FrameDecoder
        self._decoder: Decoder | None = None
        self._attempts = attempts
        self._clock = clock
        self._rng = rng or random.Random()
        self._machine = SessionMachine(config, self._rng)
        self._streams: list[tuple[int, KeeperStream]] = []
        self._tasks = OwnedTasks("ibkr/session")
        self._driver: MachineDriver[Command] = MachineDriver(
            self._execute,
            deadline=lambda: self._machine.deadline,
            look=self._look,
            clock=clock,
        )
        self._sockets: dict[int, Session] = {}
        self._users = 0
        self._life = asyncio.Lock()
        self._changed = asyncio.Event()
        self._obstacle: ConnectorError | None = None
        self._why = ""
        self.malformed = self.notices = self.problems = 0
        self.callback_errors = self.send_failures = 0

    # -- looking -----------------------------------------------------------------------------

    @property
    def state(self) -> KeeperState:
        """Where the session stands."""
        return self._machine.state

    @property
    def is_open(self) -> bool:
        """Whether the session is being kept."""
        return self._users > 0

    @property
    def is_ready(self) -> bool:
        """Whether everything can be asked for."""
        return self._machine.is_ready

    @property
    def epoch(self) -> int:
        """How often the session became ready."""
        return self._machine.epoch

    @property
    def accounts(self) -> tuple[str, ...]:
        """The accounts of the login; empty before it was ready."""
        return self._machine.accounts

    @property
    def account(self) -> str:
        """The account in use; ClientError before it is known."""
        if self._machine.account is None:
            raise ClientError("the account is not known before the session is ready")
        return self._machine.account

    @property
    def is_paper(self) -> bool | None:
        """Whether it is a paper account; None while that is not known."""
        return self._machine.is_paper

    @property
    def machine(self) -> SessionMachine:
        """The state machine, for its counters."""
        return self._machine

    @property
    def decoder(self) -> Decoder:
        """The decoder of every socket."""
        if self._decoder is None:
            self._decoder = self._make_decoder(self)
        return self._decoder

    def require_ready(self) -> None:
        """Raise ClientError, with the reason, unless orders may be sent (3.3)."""
        if not self.is_ready:
            why = f": {self._why}" if self._why else ""
            raise ClientError(f"the session is {self.state.value}{why}: nothing was sent")

    def __repr__(self) -> str:
        return f"<SessionKeeper {self.config.base_url} {self.state.value} epoch={self.epoch}>"

    # -- life --------------------------------------------------------------------------------

    def use_decoder(self, decoder: Callable[[SessionKeeper], Decoder]) -> None:
        """Use another decoder; before the first `open` only.

        Raises
        ------
        ClientError
            The keeper is open.
        """
        if self.is_open:
            raise ClientError("the decoder is chosen before the session is opened")
        self._make_decoder, self._decoder = decoder, None

    async def open(self, *, timeout_s: float = OPEN_TIMEOUT_S, wait: bool = True) -> None:
        """Bring the session up, and keep it up; each call needs a `close`.

        Parameters
        ----------
        timeout_s : float
            Longest wait until it is ready.
        wait : bool
            False: return at once. Otherwise what cannot end without a person is raised.

        Raises
        ------
        NotAuthenticated
            Nobody is logged in at the gateway; the text says where to.
        ConfigError
            It cannot work with these settings.
        RequestTimeout
            It is not ready in time; the text says what is in the way.
        """
        async with self._life:
            self._users += 1
            if self._users == 1:
                self._begin()
        if not wait:
            return
        try:
            await self.wait_ready(timeout_s=timeout_s)
        except BaseException:
            await self.close()
            raise

    def _begin(self) -> None:
        if self._owns_rest:
            self.rest.open()
        self._machine = SessionMachine(self.config, self._rng)
        self._tasks = OwnedTasks("ibkr/session")
        self._obstacle = None
        self._run(self._machine.start(*self._now()))

    async def wait_ready(self, *, timeout_s: float) -> None:
        """Wait until it is ready; raises what `open` does."""
        try:
            async with asyncio.timeout(timeout_s):
                while not self.is_ready:
                    if self._obstacle is not None:
                        raise self._obstacle
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError as error:
            if isinstance(error, ConnectorError):
                raise
            why = f": {self._why}" if self._why else ""
            raise RequestTimeout(
                f"no session within {timeout_s:g} s, it is {self.state.value}{why}"
            ) from None

    async def close(self) -> None:
        """Give it up; the last one who does ends the session's socket (D-41).

        The login stays, unless the config says `logout` (F-16).
        """
        async with self._life:
            if self._users == 0:
                return
            self._users -= 1
            if self._users == 0:
                await self._end()

    async def _end(self) -> None:
        if self.is_ready:
            with contextlib.suppress(ConnectorError, TimeoutError):
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await self.rest.unsubscribe_all()
        sockets = list(self._sockets.values())  # stopping takes them away from us
        self._run(self._machine.stop(*self._now()))
        self._driver.stop()
        if self.config.logout:
            with contextlib.suppress(ConnectorError, TimeoutError):
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await self.rest.logout()
        sockets += [each for each in self._sockets.values() if each not in sockets]
        self._sockets = {}
        await asyncio.gather(*(socket.close() for socket in sockets), return_exceptions=True)
        await self._tasks.close(timeout_s=CLOSE_TIMEOUT_S)
        if self._owns_rest:
            await self.rest.close()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    # -- who takes part ----------------------------------------------------------------------

    def attach(self, stream: KeeperStream, *, rank: int = 0) -> None:
        """Let a stream take part; it is told at once if the session is ready."""
        if any(each is stream for _, each in self._streams):
            return
        self._streams.append((rank, stream))
        self._streams.sort(key=lambda entry: entry[0])
        if self.is_ready:
            stream.on_keeper_event(Ready(self._clock.wall_ns(), self.epoch, 0))

    def detach(self, stream: KeeperStream) -> None:
        """Let a stream take part no more."""
        self._streams = [entry for entry in self._streams if entry[1] is not stream]

    def is_wanted(self, topic: str, *, besides: KeeperStream) -> bool:
        """Tell whether another stream wants a topic: the venue ends it for all of the socket."""
        return any(each is not besides and each.wants(topic) for _, each in self._streams)

    def send(self, data: str | bytes) -> None:
        """Send a text frame.

        Raises
        ------
        ClientError
            The session is not ready: nothing was sent.
        TransportError
            The venue has stopped reading.
        """
        self.require_ready()
        socket = self._sockets.get(self._machine.socket.epoch)
        if socket is None:
            raise ClientError("the session has no socket: nothing was sent")
        socket.send(data)

    def reconnect(self, reason: str) -> None:
        """Replace the socket, which somebody found useless."""
        socket = self._sockets.get(self._machine.socket.epoch)
        if socket is not None:
            socket.reconnect(reason)

    # -- frames ------------------------------------------------------------------------------

    def on_frame(self, data: bytes, ts_init: int) -> None:
        """Take a whole frame that the decoder does not take itself."""
        message = classify(data)
        kind = message.kind
        if kind is MessageKind.HEARTBEAT:
            return
        if kind is MessageKind.MALFORMED:
            self.malformed += 1
            log.debug("venue=%s a frame is not JSON: %s", VENUE, message.error)
        elif message.topic in _OWN_TOPICS or not message.topic:
            self._run(self._machine.frame(*self._now(), message))
        if kind is MessageKind.SYSTEM:
            return
        notice = notice_of(message, ts_init)
        if notice is not None:
            self.notices += 1
            self._tell(notice)
        for _, stream in tuple(self._streams):
            try:
                stream.on_message(message, ts_init)
            except Exception:
                self.callback_errors += 1
                log.exception("venue=%s a stream raised for %r", VENUE, message)

    # -- the machine -------------------------------------------------------------------------

    def _now(self) -> tuple[int, int]:
        return self._clock.monotonic_ns(), self._clock.wall_ns()

    def _run(self, commands: list[Command]) -> None:
        """Execute commands in order, also those that executing them brings about."""
        self._driver.run(commands)

    def _execute(self, command: Command) -> None:
        match command:
            case Tell(event):
                self._tell(event)
            case Ask(number, call):
                self._tasks.spawn(self._ask(number, call), f"{call.value}-{number}")
            case OpenSocket(epoch, session):
                self._tasks.spawn(self._dial(epoch, session), f"dial-{epoch}")
            case CloseSocket(epoch):
                socket = self._sockets.pop(epoch, None)
                if socket is not None:
                    self._tasks.spawn(socket.close(), f"close-{epoch}")
            case Send(epoch, text):
                self._write(epoch, text)

    def _write(self, epoch: int, text: str) -> None:
        socket = self._sockets.get(epoch)
        try:
            if socket is None:
                raise ClientError("no socket")
            socket.send(text)
        except (ClientError, TransportError) as error:
            self.send_failures += 1  # its end is on its way to us
            log.debug("venue=%s a frame was not sent: %s", VENUE, error)

    def _look(self) -> None:
        self._run(self._machine.look(*self._now()))

    # -- requests ----------------------------------------------------------------------------

    async def _ask(self, number: int, call: Call) -> None:
        try:
            body = await make_call(self.rest, call, account=self._machine.account)
        except ConnectorError as error:
            self._run(self._machine.failed(*self._now(), number, error))
        except Exception as error:
            log.exception("venue=%s request %s failed", VENUE, call.value)
            failed = TransportError(f"{call.value}: {type(error).__name__}")
            self._run(self._machine.failed(*self._now(), number, failed))
        else:
            self._run(self._machine.answered(*self._now(), number, body))

    def _refused(self, error: ConnectorError) -> None:
        """Somebody's request says that the session may be gone: look, once for all (F-20)."""
        if self.is_open:
            self._run(self._machine.doubt(*self._now()))

    def _penalty(self, for_s: float) -> None:
        self._tell(PenaltyBegan(self._clock.wall_ns(), for_s))

    # -- the socket --------------------------------------------------------------------------

    async def _dial(self, epoch: int, session: str) -> None:
        socket: Session | None = None
        try:
            socket = await make_socket(
                self.config,
                session,
                self.decoder,
                partial(self._socket_event, epoch),
                silence_timeout_s=self.config.timers.silence_s,
                attempts=self._attempts,
                clock=self._clock,
            )
            if self._machine.socket.epoch != epoch:
                return  # not wanted any more
            self._sockets[epoch] = socket
            await socket.open()
        except ConnectorError as error:
            self._sockets.pop(epoch, None)
            failed = handshake_error(self.config, error)
            self._run(self._machine.socket_over(*self._now(), epoch, failed))
        except asyncio.CancelledError:
            if socket is not None:
                await socket.close()
            raise
        except Exception as error:  # a decoder that cannot be made, for one: try again, slowly
            log.exception("venue=%s the socket could not be opened", VENUE)
            self._sockets.pop(epoch, None)
            failed = TransportError(f"the socket could not be opened: {type(error).__name__}")
            self._run(self._machine.socket_over(*self._now(), epoch, failed))

    def _socket_event(self, epoch: int, event: SessionEvent) -> None:
        if isinstance(event, Connected):
            self._run(self._machine.socket_open(*self._now(), epoch))
        elif isinstance(event, Closed):
            # Of one that never opened `_dial` tells, with all that is known.
            if self._machine.socket.epoch == epoch and self._machine.socket.is_open:
                self._sockets.pop(epoch, None)
                self._run(self._machine.socket_over(*self._now(), epoch, event.error))
        elif isinstance(event, FeedProblem):
            self.problems += 1
            log.warning("venue=%s a frame could not be used: %s", VENUE, event.error)
            for _, stream in tuple(self._streams):
                stream.on_problem(event.error, event.data or b"")

    # -- telling -----------------------------------------------------------------------------

    def _tell(self, event: KeeperEvent) -> None:
        log_keeper_event(event)
        match event:
            case StateChanged():
                self._why = event.reason
            case Ready():
                self._obstacle = None
            case LoginNeeded():
                self._obstacle = NotAuthenticated(f"log in at {event.url}: {event.reason}")
            case Failed():
                self._obstacle = event.error
        if self._on_event is not None:
            self._call_out(self._on_event, event)
        for _, stream in tuple(self._streams):
            self._call_out(stream.on_keeper_event, event)
        self._changed.set()

    def _call_out(self, call: Callable[[KeeperEvent], object], event: KeeperEvent) -> None:
        try:
            call(event)
        except Exception:
            self.callback_errors += 1
            log.exception("venue=%s a callback raised for %r", VENUE, event)
