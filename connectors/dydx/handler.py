"""What stands behind the WebSocket client between one connect and the next disconnect.

It owns the connections, takes the client's commands and puts what comes in into the receiver.
Everything happens on the socket's stack or in the caller's call: there is no queue between.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import orjson

from .._speedups.dydx import DydxDecoder
from .._speedups.events import EventKind, Router
from .._speedups.symbols import SymbolTable
from ..data.control import ChannelOutcome
from ..data.dispatch import EVERY_SYMBOL
from ..errors import ClientError, ConnectorError, DecodeError, TransportError
from ..model import DataDropped, StreamState
from ..net.attempts import AttemptBudget
from ..net.policy import SessionPolicy
from ..net.session_events import (
    AttemptFailed,
    Closed,
    Closing,
    Connected,
    Lost,
    SessionEvent,
)
from ..net.stream import EventStream, Overflow
from ..net.subscriptions import SubscriptionState
from ..net.tasks import OwnedTasks
from .channels import RESOLUTIONS, Channel, ChannelKind
from .config import VENUE, Config
from .errors import (
    ErrorFrame,
    IndexerError,
    JsonError,
    ParseError,
    SocketTransportError,
    SubscriptionError,
)
from .markets import contents_of, read_bar, read_height
from .messages import (
    BlockHeight,
    Command,
    InitializeInstruments,
    MarketsMessage,
    Message,
    SendText,
    SocketReconnected,
    SubaccountMessage,
    Subscribe,
    Unsubscribe,
    UpdateInstrument,
)
from .mode import ConnectionMode, ModeHolder
from .pool import stream_for
from .public_stream import PublicStream
from .wire import error_text, unsubscribe_frame

__all__ = ["Handler"]

log = logging.getLogger("connectors.dydx")

_EVENTS = (EventKind.TRADE, EventKind.LIQUIDATION, EventKind.BOOK_SNAPSHOT, EventKind.BOOK_DELTA)


class Handler:
    """The connections of one `connect`.

    Parameters
    ----------
    config, policy :
        Where, how many connections, and how they are kept.
    mode :
        Shows the state of the first connection.
    account_id : callable
        Returns our name of the account when a message is made.
    capacity :
        Messages that may wait in the receiver; beyond it the oldest are dropped.
    """

    def __init__(
        self,
        config: Config,
        policy: SessionPolicy,
        mode: ModeHolder,
        *,
        account_id: Callable[[], str | None],
        capacity: int,
        attempts: AttemptBudget | None = None,
    ) -> None:
        self.output: EventStream[Message] = EventStream(
            capacity, Overflow.DROP_OLDEST, gap_marker=_dropped
        )
        self.symbols = SymbolTable()
        self.streams: list[PublicStream] = []
        self.unknown_markets = 0
        self._config = config
        self._policy = policy
        self._mode = mode
        self._account_id = account_id
        self._attempts = attempts
        self._router = Router(on_error=self._failed)
        for kind in _EVENTS:
            self._router.route(kind, EVERY_SYMBOL, self._put)
        self._users = SubscriptionState(":")  # counts who wants a topic
        self._carriers: dict[str, PublicStream] = {}
        self._tasks = OwnedTasks("dydx-socket")
        self._open = True

    @property
    def is_connected(self) -> bool:
        """Whether any connection is up or being replaced (DX-N-07)."""
        return self._open and any(mode.is_connected for mode in self._modes())

    def _modes(self) -> list[ConnectionMode]:
        return [ConnectionMode.of(stream.session.state) for stream in self.streams]

    # -- life ------------------------------------------------------------------------------

    async def open(self) -> None:
        """Open the first connection; TransportError or ConfigError where that fails."""
        await self._new_stream().session.open()

    async def close(self) -> None:
        """End everything: a close frame on each connection, and no longer than two seconds."""
        self._open = False
        self.output.close()
        await asyncio.gather(*(stream.close() for stream in self.streams))
        await self._tasks.close(timeout_s=2.0)

    # -- commands --------------------------------------------------------------------------

    def execute(self, command: Command) -> None:
        """Do what a command says.

        Raises
        ------
        SubscriptionError
            No connection has room for the topic (DX-N-03).
        SocketTransportError
            A text could not be sent (DX-N-09), or the handler is closed.
        """
        if not self._open:
            raise SocketTransportError("Failed to send command to handler: it has ended")
        match command:
            case UpdateInstrument(instrument):
                self.symbols.add(instrument)
            case InitializeInstruments(instruments):
                for instrument in instruments:
                    self.symbols.add(instrument)
            case Subscribe(channel):
                self._subscribe(channel)
            case Unsubscribe(channel):
                self._unsubscribe(channel)
            case SendText(text):
                self._send(text)

    def _subscribe(self, channel: Channel) -> None:
        name = channel.name
        if self._users.add_reference(name):
            try:
                self._place(name)
            except SubscriptionError:
                self._users.remove_reference(name)
                raise

    def _place(self, name: str) -> None:
        config, channel = self._config, Channel.parse(name)
        assert channel is not None
        stream = stream_for(name, self.streams, config.max_ws_connections, self._another_stream)
        if stream is None:
            raise SubscriptionError(
                f"Pool exhausted: {config.max_ws_connections} connections x "
                f"{config.per_channel_limit} {channel.kind.label} subscriptions"
            )
        self._carriers[name] = stream
        stream.subscribe(name)

    def _unsubscribe(self, channel: Channel) -> None:
        name = channel.name
        if self._users.remove_reference(name):
            stream = self._carriers.pop(name, None)
            if stream is not None:
                stream.unsubscribe(name)
        elif channel.is_account and not self._users.references(name):
            # The venue answers for topics that were never subscribed too (DX-S-39).
            self._send(unsubscribe_frame(channel))

    def _send(self, text: str | bytes) -> None:
        try:
            self.streams[0].session.send(text)
        except (ClientError, TransportError) as error:
            raise SocketTransportError(f"Slot 0 send failed: {error}") from error

    # -- connections -----------------------------------------------------------------------

    def _another_stream(self) -> PublicStream:
        stream = self._new_stream()
        self._tasks.spawn(stream.open(), f"open-{len(self.streams) - 1}")
        return stream

    def _new_stream(self) -> PublicStream:
        stream = PublicStream(
            self,
            f"dydx/socket/{len(self.streams)}",
            self._config,
            decoder_factory=self._make_decoder,
            attempts=self._attempts,
            policy=self._policy,
        )
        self.streams.append(stream)
        return stream

    def _make_decoder(self, stream: PublicStream) -> DydxDecoder:
        return stream.make_decoder(
            self.symbols,
            self._router,
            on_control=partial(self._on_control, stream),
            on_data=partial(self._on_data, stream),
            on_unknown_market=self._unknown_market,
        )

    # -- what connections tell (GapOwner) --------------------------------------------------

    def on_outcomes(self, stream: PublicStream, outcomes: list[ChannelOutcome]) -> None:
        """A topic that is refused is nobody's any more; one without room goes elsewhere."""
        for outcome in outcomes:
            name = outcome.channel
            if self._carriers.get(name) is not stream or name in stream.control.channels:
                continue
            del self._carriers[name]
            if outcome.state is StreamState.PENDING:
                try:
                    self._place(name)
                    continue
                except SubscriptionError as error:
                    self._put(error)
            while self._users.references(name):
                self._users.remove_reference(name)

    def on_session_event(self, stream: PublicStream, event: SessionEvent) -> None:
        """Show the state of the first connection; tell about one that was replaced."""
        if stream is self.streams[0] and isinstance(
            event, Connected | Lost | AttemptFailed | Closing | Closed
        ):
            self._mode.show(ConnectionMode.of(stream.session.state))
        if isinstance(event, Connected) and event.is_reconnect:
            self._put(SocketReconnected(tuple(stream.control.channels)))

    def on_venue_error(self, stream: PublicStream, code: int | None, message: str) -> None:
        """An error about no topic; it is in the receiver already."""

    def on_frame_problem(self, stream: PublicStream, error: Exception) -> None:
        """A frame that did not decode."""
        self._put(ParseError(str(error)))

    def on_unknown_frame(self, stream: PublicStream, name: str, data: bytes) -> None:
        """A frame of a type we do not know."""
        self._put(ParseError(f"unknown type {name!r}"))

    def on_gap(self, stream: PublicStream, lost: int) -> None:
        """Frames are missing: their topics come again with a snapshot."""
        self._put(_dropped(max(lost, 1)))
        for name in list(stream.control.channels):
            self._renew(stream, name)

    def on_topic_gap(self, stream: PublicStream, channel: Channel, reason: str) -> None:
        """Frames of one topic are missing."""
        self._put(_dropped(1))
        self._renew(stream, channel.name)

    def _renew(self, stream: PublicStream, name: str) -> None:
        channel = Channel.parse(name)
        if channel is not None and (channel.is_book or channel.is_account):
            stream.renew(name)

    # -- frames in -------------------------------------------------------------------------

    def _put(self, message: Message) -> None:
        self.output.push(message)

    def _failed(self, error: BaseException, kind: int, event: Any) -> None:
        log.error("a message could not be handed on: %r", event, exc_info=error)

    def _unknown_market(self, ticker: str) -> None:
        self.unknown_markets += 1
        log.debug("venue=%s ticker=%s is not in the cache of instruments", VENUE, ticker)

    def _on_control(
        self,
        stream: PublicStream,
        kind: str,
        channel: str,
        identity: str,
        number: int,
        data: bytes,
    ) -> None:
        if kind == "error":
            text, connection = error_text(data), stream.decoder.connection_id
            self._put(IndexerError(ErrorFrame(kind, text, connection, number, channel, identity)))
        stream.on_control(kind, channel, identity, number, data)

    def _on_data(
        self,
        stream: PublicStream,
        kind: str,
        channel: str,
        identity: str,
        number: int,
        data: bytes,
    ) -> None:
        topic = Channel.of(channel, identity)
        if topic is None:
            self.on_unknown_frame(stream, channel, data)
            return
        try:
            frame = orjson.loads(data)
            for contents in contents_of(frame):
                self._take(topic, frame, contents, is_snapshot=kind == "subscribed")
        except orjson.JSONDecodeError as error:
            self._put(JsonError(str(error)))
        except (ArithmeticError, ConnectorError, LookupError, TypeError, ValueError) as error:
            self._put(ParseError(f"{channel}: {error}"))

    def _take(
        self,
        topic: Channel,
        frame: Mapping[str, Any],
        contents: Mapping[str, Any],
        *,
        is_snapshot: bool,
    ) -> None:
        if topic.kind is ChannelKind.BLOCK_HEIGHT:
            self._put(BlockHeight(*read_height(contents)))
        elif topic.kind is ChannelKind.MARKETS:
            self._put(MarketsMessage(contents, is_snapshot))
        elif topic.kind is ChannelKind.CANDLES:
            self._candles(topic, contents)
        elif topic.is_account:
            child = frame.get("subaccountNumber")
            account_id = self._account_id()
            self._put(SubaccountMessage(topic, contents, is_snapshot, account_id, child))

    def _candles(self, topic: Channel, contents: Mapping[str, Any]) -> None:
        number = self.symbols.find(topic.ticker)
        if number < 0:
            self._unknown_market(topic.ticker)
            return
        interval_s = RESOLUTIONS[topic.id.rpartition("/")[2]]
        candles = contents.get("candles")
        for candle in [contents] if candles is None else reversed(candles):
            if not isinstance(candle, dict):
                raise DecodeError("a candle is no object")
            instrument = self.symbols.instrument(number)
            self._put(read_bar(instrument, candle, interval_s, time.time_ns()))


def _dropped(count: int) -> DataDropped:
    return DataDropped(venue=VENUE, ts_init=time.time_ns(), what="messages", count=count)
