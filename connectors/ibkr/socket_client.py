"""The WebSocket of a gateway: one connection, raw messages (sections 1.2 to 1.6).

`WsClient` is the whole of it for programs that keep their session themselves. It connects once and
ends with its connection; `SessionKeeper` builds on the same socket, keeps the session and comes
back by itself.
"""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol, Self

from .._speedups.feed import Decoder, FeedListener
from ..errors import (
    ClientError,
    ConfigError,
    ConnectionLost,
    ConnectorError,
    HandshakeError,
    ProtocolError,
    TransportError,
)
from ..net.attempts import AttemptBudget
from ..net.clock import SYSTEM_CLOCK, Clock
from ..net.endpoint import Endpoint
from ..net.link import Link
from ..net.policy import SessionPolicy
from ..net.redact import mask_url
from ..net.session import Session
from ..net.session_events import Closed, FeedProblem, SessionEvent
from ..net.stream import EventStream, Overflow
from .answers import session_of
from .config import Config
from .errors import NoSession
from .rest import IbkrRest
from .tls import make_context
from .user_agent import USER_AGENT
from .wire import (
    CANCEL_ORDERS,
    CANCEL_PNL,
    ORDERS,
    PNL,
    RECOMMENDED_KEEPALIVE_S,
    FieldSet,
    Message,
    cancel_market_data,
    classify,
    market_data,
)

__all__ = [
    "RawFrame",
    "Subscription",
    "WsClient",
    "WsReceiver",
    "WsSender",
    "cookie",
    "handshake_error",
    "make_socket",
]

CAPACITY = 65_536
ABNORMAL = 1006


# -- one connection ------------------------------------------------------------------------------


def cookie(session: str) -> str:
    """Return the cookie that lets a socket into a session (S-13).

    Raises
    ------
    ConfigError
        The session's id cannot stand in a header, or would break out of it (S-15).
    """
    if any((char < " " and char != "\t") or char == "\x7f" for char in session):
        raise ConfigError("header cookie: the session's id contains a control character")
    try:
        session.encode()
    except UnicodeEncodeError as error:
        raise ConfigError("header cookie: the session's id is no text") from error
    return f'api={{"session":"{session}"}}'


async def make_socket(
    config: Config,
    session: str,
    decoder: Decoder,
    on_event: Callable[[SessionEvent], object],
    *,
    name: str = "ibkr/ws",
    silence_timeout_s: float | None = None,
    listener: Callable[[Link], FeedListener] | None = None,
    attempts: AttemptBudget | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> Session:
    """Return a connection to open, which is not replaced when it ends (S-10, S-14, S-17).

    Raises
    ------
    ConfigError
        The session's id cannot be sent.
    TransportError
        The gateway's certificate is pinned by its fingerprint, and it does not show that one.
    """
    headers = {"Cookie": cookie(session), "User-Agent": USER_AGENT}
    context = await make_context(config.tls, config.base_url, timeout_s=config.ws_timeout_s)
    return Session(
        name,
        Endpoint(
            url=config.ws_url,
            headers=headers,
            proxy=config.proxy,
            ssl_context=context,
            allow_plaintext=config.allow_plaintext,
            allow_unverified=True,  # the config lets loopback hosts only
        ),
        decoder,
        on_event,
        policy=SessionPolicy(
            attempt_timeout_s=config.ws_timeout_s,
            reconnect=False,
            silence_timeout_s=silence_timeout_s,
        ),
        listener_factory=listener,
        attempts=attempts,
        clock=clock,
    )


def handshake_error(config: Config, error: ConnectorError) -> ConnectorError:
    """Return what to raise for a socket that could not be opened: where, and why (S-16)."""
    if isinstance(error, ConfigError):
        return error
    failed = HandshakeError(
        f"WebSocket handshake with {mask_url(config.ws_url)} failed: {error}",
        status=getattr(error, "status", None),
        retry_after_s=getattr(error, "retry_after_s", None),
    )
    failed.__cause__ = error
    return failed


# -- what the client hands out -------------------------------------------------------------------


class TextSink(Protocol):
    """What a cancel frame can be sent through."""

    def send_text(self, text: str) -> None:
        """Send a text frame."""


class Subscription:
    """What a subscribe call returns: a name, and the frame that ends it (S-38, S-41).

    A copy (`clone`) stands for itself: ending both sends a second frame that does no harm.
    """

    __slots__ = ("_cancel_payload", "_used", "name")

    def __init__(self, name: str, cancel_payload: str) -> None:
        self.name = name
        self._cancel_payload = cancel_payload
        self._used = False

    def cancel_payload(self) -> str:
        """Return the frame that ends it, for another sink (S-41)."""
        return self._cancel_payload

    def clone(self) -> Subscription:
        """Return an independent copy."""
        return copy.copy(self)

    def cancel(self, client: TextSink) -> None:
        """Send the frame that ends it; the handle is used up then and does nothing more (S-39).

        Raises
        ------
        TransportError
            The socket is closed, which ended the subscription as well (S-40).
        """
        if not self._used:
            client.send_text(self._cancel_payload)
            self._used = True

    def __repr__(self) -> str:
        return f"Subscription(name={self.name!r}, cancel_payload={self._cancel_payload!r})"


@dataclass(frozen=True, slots=True)
class RawFrame:
    """One message as it came; `ts_init` is when, in ns since the epoch."""

    data: bytes
    is_text: bool
    ts_init: int


class _Inbox(Decoder):
    """Collects the messages of a connection for whoever reads them."""

    def __init__(self, capacity: int, overflow: Overflow) -> None:
        self.frames: EventStream[RawFrame] = EventStream(capacity, overflow)
        self.problem: ConnectorError | None = None
        self.on_full: Callable[[], None] | None = None
        self._listener: FeedListener | None = None

    def listener(self, link: Link) -> FeedListener:
        """Return a listener that this can ask of which kind a message is."""
        self._listener = FeedListener(self, link)
        return self._listener

    def on_message(self, data: bytes, ts_init: int) -> None:
        assert self._listener is not None
        frame = RawFrame(data, self._listener.is_text, ts_init)
        if not self.frames.push(frame) and self.frames.is_closed and self.on_full is not None:
            self.on_full()

    def on_event(self, event: SessionEvent) -> None:
        """End the stream with the connection: with an error unless the peer said goodbye."""
        if isinstance(event, FeedProblem):
            self.problem = TransportError(f"the venue broke the protocol: {event.error}")
        elif isinstance(event, Closed):
            error = event.error
            if isinstance(error, ConnectionLost) and error.code != ABNORMAL:
                error = None
            self.frames.close(self.problem or error)

    async def read(self) -> RawFrame | None:
        """Return the next message, None at the end; TransportError where it did not end well."""
        try:
            return await self.frames.__anext__()
        except StopAsyncIteration:
            return None


class WsSender:
    """The half of a client that sends; usable from another task than its receiver (S-58)."""

    def __init__(self, socket: Session) -> None:
        self._socket = socket

    def send_text(self, text: str) -> None:
        """Send a text frame, unchanged (S-35).

        Raises
        ------
        TransportError
            There is no connection any more: nothing was sent (S-37).
        ProtocolError
            The text cannot be written.
        """
        try:
            data = text.encode()
        except UnicodeEncodeError as error:
            raise ProtocolError(f"the text cannot be sent: {error}") from error
        try:
            self._socket.send(data)
        except ClientError as error:
            raise TransportError(str(error)) from error

    async def close(self) -> None:
        """End the connection with code 1000, within the policy's time; idempotent."""
        await self._socket.close()


class WsReceiver:
    """The half of a client that receives raw messages, not classified (S-58)."""

    def __init__(self, inbox: _Inbox) -> None:
        self._inbox = inbox

    async def next_frame(self) -> RawFrame | None:
        """Return the next message, None at the end and ever after."""
        return await self._inbox.read()

    async def __aiter__(self) -> AsyncIterator[RawFrame]:
        while (frame := await self._inbox.read()) is not None:
            yield frame


class WsClient:
    """A connected WebSocket of a gateway; made by `connect`.

    Pings are answered once each by the socket itself, also while nobody reads (S-53). One object
    owns the connection: it cannot be copied (S-59), and `raw_stream` and `split` use it up.
    """

    def __init__(self, socket: Session, inbox: _Inbox) -> None:
        self._socket = socket
        self._inbox = inbox
        self._sender = WsSender(socket)
        self._used: str | None = None

    @classmethod
    async def connect(
        cls,
        config: Config | None = None,
        *,
        rest: IbkrRest | None = None,
        capacity: int = CAPACITY,
        overflow: Overflow = Overflow.ERROR,
        attempts: AttemptBudget | None = None,
    ) -> WsClient:
        """Tickle, take the session, connect (S-10).

        Parameters
        ----------
        rest : IbkrRest, optional
            To tickle with; one of our own is closed again.
        capacity, overflow :
            Of the messages that wait to be read, and what happens when they are too many: by
            default the stream ends with an error, and nothing is lost unnoticed.

        Raises
        ------
        NoSession
            Nobody has opened a session at the gateway (S-12).
        NotAuthenticated, VenueError, DecodeError, TransportError
            The tickle failed (S-11). No socket was opened.
        HandshakeError
            The socket could not be opened (S-16).
        ConfigError
            Settings that cannot work.
        """
        if config is None:
            config = rest.config if rest is not None else Config()
        session = await _tickle(config, rest)
        inbox = _Inbox(capacity, overflow)
        try:
            socket = await make_socket(
                config, session, inbox, inbox.on_event, listener=inbox.listener, attempts=attempts
            )
            await socket.open()
        except ConnectorError as error:
            raise handshake_error(config, error) from error
        inbox.on_full = lambda: socket.reconnect("the messages are not read fast enough")
        return cls(socket, inbox)

    @staticmethod
    def recommended_keepalive() -> float:
        """Return the seconds after which something should be sent (S-83)."""
        return RECOMMENDED_KEEPALIVE_S

    # -- sending -------------------------------------------------------------------------------

    def subscribe_market_data(
        self, conid: int, fields: FieldSet | Iterable[str] | None = None
    ) -> Subscription:
        """Ask for fields of a contract, by default those of level 1 (S-30, S-31).

        `conid` is any integer of 64 bits (S-36). Raises like `send_text`.
        """
        chosen = FieldSet.default_l1() if fields is None else fields
        self.send_text(market_data(conid, chosen))
        return Subscription(f"market_data:{conid}", cancel_market_data(conid))

    def unsubscribe_market_data(self, conid: int) -> None:
        """End the market data of a contract (S-32)."""
        self.send_text(cancel_market_data(conid))

    def subscribe_orders(self) -> Subscription:
        """Ask for orders (S-33)."""
        self.send_text(ORDERS)
        return Subscription("orders", CANCEL_ORDERS)

    def subscribe_pnl(self) -> Subscription:
        """Ask for profit and loss (S-34)."""
        self.send_text(PNL)
        return Subscription("pnl", CANCEL_PNL)

    def send_text(self, text: str) -> None:
        """Send a text frame, unchanged (S-35); see `WsSender.send_text`."""
        self._check()
        self._sender.send_text(text)

    # -- receiving -----------------------------------------------------------------------------

    async def next_message(self) -> Message | None:
        """Return the next message, None at the end and ever after (S-50, S-55).

        Raises
        ------
        TransportError
            The connection broke, or the venue broke the protocol; the end follows (S-56).
        BufferOverflow
            Messages were not read fast enough.
        """
        self._check()
        frame = await self._inbox.read()
        return None if frame is None else classify(frame.data)

    def raw_stream(self) -> AsyncIterator[Message | ConnectorError]:
        """Use the client up; iterate over messages, and over errors, which are items (S-57)."""
        self._use_up("raw_stream")
        return self._messages()

    async def _messages(self) -> AsyncIterator[Message | ConnectorError]:
        while True:
            try:
                frame = await self._inbox.read()
            except ConnectorError as error:
                yield error
                continue
            if frame is None:
                return
            yield classify(frame.data)

    def split(self) -> tuple[WsSender, WsReceiver]:
        """Use the client up; return halves for two tasks, which carry raw messages (S-58)."""
        self._use_up("split")
        return self._sender, WsReceiver(self._inbox)

    # -- the end -------------------------------------------------------------------------------

    async def close(self) -> None:
        """End the connection with code 1000, within the policy's time; idempotent."""
        await self._socket.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    def _check(self) -> None:
        if self._used is not None:
            raise ClientError(f"the client was used up by {self._used}: use what that returned")

    def _use_up(self, by: str) -> None:
        self._check()
        self._used = by

    def __copy__(self) -> Any:
        raise TypeError("a connection has one owner: it cannot be copied")

    def __deepcopy__(self, memo: Any) -> Any:
        raise TypeError("a connection has one owner: it cannot be copied")

    def __repr__(self) -> str:
        return f"<WsClient {self._socket.state.value}>"


async def _tickle(config: Config, rest: IbkrRest | None) -> str:
    """Return the gateway's session (S-10 to S-12)."""
    own = rest if rest is not None else IbkrRest(config)
    try:
        session = session_of(await own.tickle())
    finally:
        if rest is None:
            await own.close()
    if session is None:
        raise NoSession("gateway has no active session")
    return session
