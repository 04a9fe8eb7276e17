"""A WebSocket client of the indexer: subscribe topics, take the receiver, read messages.

::

    client = WebSocketClient.new_public("wss://indexer.dydx.trade/v4/ws")
    client.cache_instruments(instruments)
    await client.connect()
    messages = client.take_receiver()
    client.subscribe_trades("BTC-USD-PERP")
    async for message in messages:
        ...

It hands out what the venue sends and keeps no books: `DataClient` does. Rows are those of section 2
and 3 of the venue's rules.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Protocol

from ..errors import ClientError, ConnectorError
from ..model import Instrument
from ..net.attempts import AttemptBudget
from ..net.policy import SessionPolicy
from ..net.stream import EventStream
from .channels import Channel, ChannelKind, ticker_from_instrument_id
from .config import Config
from .errors import NeedsCredential, SocketClientError, SocketTransportError
from .handler import Handler
from .messages import (
    Command,
    InitializeInstruments,
    Message,
    Subscribe,
    Unsubscribe,
    UpdateInstrument,
)
from .mode import ConnectionMode, ModeHolder
from .wire import session_policy

__all__ = ["HasAddress", "WebSocketClient"]

log = logging.getLogger("connectors.dydx")

RECEIVER_CAPACITY = 100_000
NO_HANDLER = "Failed to send command to handler: the client is not connected"


class HasAddress(Protocol):
    """What a private client needs of a `Credential`: reading an account needs no key."""

    @property
    def address(self) -> str:
        """The account."""


class _Shared:
    """What a client and its clones have in common."""

    def __init__(
        self,
        url: str,
        heartbeat: int | None,
        *,
        credential: HasAddress | None = None,
        account_id: str | None = None,
        requires_auth: bool = False,
        max_ws_connections: int = 8,
        per_channel_limit: int = 32,
        capacity: int = RECEIVER_CAPACITY,
        attempts: AttemptBudget | None = None,
    ) -> None:
        self.config = Config(
            ws_url=url,
            heartbeat_s=heartbeat,
            max_ws_connections=max_ws_connections,
            per_channel_limit=per_channel_limit,
        )
        self.policy = session_policy(self.config)
        self.credential = credential
        self.requires_auth = requires_auth
        self.account_id = account_id
        self.capacity = capacity
        self.attempts = attempts
        self.mode = ModeHolder()
        self.instruments: dict[str, Instrument] = {}
        self.handler: Handler | None = None
        self.opening: Handler | None = None
        self.lock = asyncio.Lock()


class WebSocketClient:
    """Public and account channels of the indexer, over one connection or several.

    Made by `new_public` or `new_private`. A clone (`clone`) is another handle on the same client:
    it has all but the receiver. All methods belong to one event loop.

    Every message of all connections goes to one receiver with room for `capacity` messages;
    when it is full, the oldest are dropped and a `DataDropped` stands in their place.
    """

    def __init__(self, shared: _Shared) -> None:
        self._shared = shared
        self._receiver: EventStream[Message] | None = None

    @classmethod
    def new_public(cls, url: str, heartbeat: int | None = None, **options: Any) -> WebSocketClient:
        """Return a client without an account.

        Parameters
        ----------
        url :
            As it is; looked at by `connect`.
        heartbeat :
            Whole seconds between pings of ours; None: only the venue pings.
        max_ws_connections, per_channel_limit : int, optional
            Connections, by default 8, and topics of one kind on each, by default 32; both at
            least 1 (DX-N-01).
        capacity : int, optional
            Messages that may wait in the receiver, by default 100 000.
        attempts : AttemptBudget, optional
            Budget of connection attempts, by default that of this process.
        """
        return cls(_Shared(url, heartbeat, **options))

    @classmethod
    def new_private(
        cls,
        url: str,
        credential: HasAddress,
        account_id: str,
        heartbeat: int | None = None,
        **options: Any,
    ) -> WebSocketClient:
        """Return a client that may subscribe subaccounts; `options` as of `new_public`.

        The venue asks for no proof: the credential stays here, for its address (DX-S-06).
        """
        shared = _Shared(
            url,
            heartbeat,
            credential=credential,
            account_id=account_id,
            requires_auth=True,
            **options,
        )
        return cls(shared)

    def clone(self) -> WebSocketClient:
        """Return another handle on the same client, without a receiver (DX-S-44, DX-S-45)."""
        return type(self)(self._shared)

    # ---- looking ------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """What the client was made with."""
        return self._shared.config.ws_url or ""

    @property
    def policy(self) -> SessionPolicy:
        """How connections are kept (DX-S-22)."""
        return self._shared.policy

    @property
    def credential(self) -> HasAddress | None:
        """What the client was made with."""
        return self._shared.credential

    @property
    def requires_auth(self) -> bool:
        """Whether it was made by `new_private`."""
        return self._shared.requires_auth

    @property
    def account_id(self) -> str | None:
        """Our name of the account, in messages about it."""
        return self._shared.account_id

    def set_account_id(self, account_id: str) -> None:
        """Call the account so from now on, in the messages that come next too (DX-S-09)."""
        self._shared.account_id = account_id

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection, or there will be one again by itself."""
        handler = self._shared.handler
        return handler is not None and handler.is_connected

    @property
    def connection_mode(self) -> ModeHolder:
        """The state of the first connection, in an object that shows it as long as it is held."""
        return self._shared.mode

    @property
    def pool_size(self) -> int:
        """Connections there are (DX-N-07)."""
        handler = self._shared.handler
        return 0 if handler is None else len(handler.streams)

    @property
    def max_ws_connections(self) -> int:
        """Connections there may be."""
        return self._shared.config.max_ws_connections

    @property
    def per_channel_limit(self) -> int:
        """Topics of one kind on a connection."""
        return self._shared.config.per_channel_limit

    def __repr__(self) -> str:
        kind = "private" if self._shared.requires_auth else "public"
        return f"<WebSocketClient {kind} {self.url} {self._shared.mode.mode.name.lower()}>"

    # ---- instruments --------------------------------------------------------------------------

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """The cache by id (`BTC-USD-PERP`), as a live view that clones share."""
        return MappingProxyType(self._shared.instruments)

    def get_instrument(self, symbol: str) -> Instrument | None:
        """Return an instrument of the cache by its exact id, None if there is none."""
        return self._shared.instruments.get(symbol)

    def cache_instrument(self, instrument: Instrument) -> None:
        """Insert or replace one; messages about others are dropped. Never raises."""
        self._shared.instruments[instrument.id] = instrument
        self._tell(UpdateInstrument(instrument))

    def cache_instruments(self, instruments: Iterable[Instrument]) -> None:
        """Insert or replace several, in one command. Never raises."""
        given = tuple(instruments)
        self._shared.instruments.update((each.id, each) for each in given)
        self._tell(InitializeInstruments(given))

    def _tell(self, command: Command) -> None:
        try:
            self.send_command(command)
        except SocketTransportError as error:
            log.debug("instruments are cached only, for the next connect: %s", error)

    # ---- life ---------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Open the first connection; no-op while there is one, or one is being replaced.

        Raises
        ------
        SocketTransportError
            It could not be opened; the client stays unconnected, and may try again.
        """
        shared = self._shared
        async with shared.lock:
            if self.is_connected:
                return
            handler = Handler(
                shared.config,
                shared.policy,
                shared.mode,
                account_id=lambda: shared.account_id,
                capacity=shared.capacity,
                attempts=shared.attempts,
            )
            if shared.instruments:
                handler.execute(InitializeInstruments(tuple(shared.instruments.values())))
            shared.opening = handler
            try:
                await handler.open()
            except ConnectorError as error:
                await handler.close()
                raise SocketTransportError(str(error)) from error
            except BaseException:
                await handler.close()
                raise
            finally:
                shared.opening = None
            shared.handler = handler
            self._receiver = handler.output

    def take_receiver(self) -> EventStream[Message] | None:
        """Return the receiver of this connect to the first who asks, None to others (DX-S-24)."""
        receiver, self._receiver = self._receiver, None
        handler = self._shared.handler
        return receiver if handler is not None and receiver is handler.output else None

    async def disconnect(self) -> None:
        """End all connections, each with a close frame and within two seconds. Always succeeds.

        Whoever reads the receiver gets what it held, and then its end. May be called at any time
        and any number of times; a `connect` that is under way fails.
        """
        shared = self._shared
        if shared.opening is not None:
            await shared.opening.close()  # which ends the connect that holds the lock
        async with shared.lock:
            handler, shared.handler = shared.handler, None
            if handler is not None:
                await handler.close()
            shared.mode.show(ConnectionMode.CLOSED)

    def send_command(self, command: Command) -> None:
        """Have a command done now; nothing waits for an answer of the venue.

        Raises
        ------
        SocketTransportError
            Not connected.
        SubscriptionError
            See `subscribe_trades`.
        """
        handler = self._shared.handler
        if handler is None:
            raise SocketTransportError(NO_HANDLER)
        handler.execute(command)

    # ---- topics -------------------------------------------------------------------------------

    def subscribe_trades(self, instrument_id: str) -> None:
        """Want the trades of a market; the second wish of a topic sends nothing (DX-N-04).

        Raises
        ------
        SocketTransportError
            Not connected.
        SubscriptionError
            No connection has room for one more topic of its kind.
        """
        self.send_command(Subscribe(_topic(ChannelKind.TRADES, instrument_id)))

    def unsubscribe_trades(self, instrument_id: str) -> None:
        """Want them no more; sends with the last wish, and not for a topic nobody wants."""
        self.send_command(Unsubscribe(_topic(ChannelKind.TRADES, instrument_id)))

    def subscribe_orderbook(self, instrument_id: str) -> None:
        """Want the book of a market; errors as `subscribe_trades`."""
        self.send_command(Subscribe(_topic(ChannelKind.ORDERBOOK, instrument_id)))

    def unsubscribe_orderbook(self, instrument_id: str) -> None:
        """Want it no more."""
        self.send_command(Unsubscribe(_topic(ChannelKind.ORDERBOOK, instrument_id)))

    def subscribe_candles(self, instrument_id: str, resolution: str) -> None:
        """Want the candles of a market; errors as `subscribe_trades`.

        `resolution` is the venue's (`1MIN`) or ours (`1m`); SocketClientError for others.
        """
        self.send_command(Subscribe(_candles(instrument_id, resolution)))

    def unsubscribe_candles(self, instrument_id: str, resolution: str) -> None:
        """Want them no more."""
        self.send_command(Unsubscribe(_candles(instrument_id, resolution)))

    def subscribe_markets(self) -> None:
        """Want definitions, statistics and oracle prices of all markets."""
        self.send_command(Subscribe(Channel(ChannelKind.MARKETS)))

    def unsubscribe_markets(self) -> None:
        """Want them no more."""
        self.send_command(Unsubscribe(Channel(ChannelKind.MARKETS)))

    def subscribe_subaccount(self, address: str, subaccount_number: int) -> None:
        """Want a subaccount, anybody's; NeedsCredential for a client of `new_public`."""
        self._subscribe_account(Channel.subaccount(address, subaccount_number))

    def unsubscribe_subaccount(self, address: str, subaccount_number: int) -> None:
        """Want it no more; sent even if it was never wanted (DX-S-39)."""
        self.send_command(Unsubscribe(Channel.subaccount(address, subaccount_number)))

    def subscribe_parent_subaccount(self, address: str, parent_number: int) -> None:
        """Want a parent with all its children: not together with one of them (5.7)."""
        self._subscribe_account(Channel.subaccount(address, parent_number, parent=True))

    def unsubscribe_parent_subaccount(self, address: str, parent_number: int) -> None:
        """Want it no more."""
        channel = Channel.subaccount(address, parent_number, parent=True)
        self.send_command(Unsubscribe(channel))

    def subscribe_block_height(self) -> None:
        """Want the height of the chain."""
        self.send_command(Subscribe(Channel(ChannelKind.BLOCK_HEIGHT)))

    def unsubscribe_block_height(self) -> None:
        """Want it no more."""
        self.send_command(Unsubscribe(Channel(ChannelKind.BLOCK_HEIGHT)))

    def _subscribe_account(self, channel: Channel) -> None:
        if not self._shared.requires_auth:
            raise NeedsCredential(
                "Subaccount subscriptions require authentication. Use new_private() to create "
                "an authenticated client"
            )
        self.send_command(Subscribe(channel))


def _topic(kind: ChannelKind, instrument_id: str) -> Channel:
    ticker = ticker_from_instrument_id(instrument_id)
    if not ticker:
        raise SocketClientError(f"{instrument_id!r} names no market")
    return Channel(kind, ticker)


def _candles(instrument_id: str, resolution: str) -> Channel:
    topic = _topic(ChannelKind.CANDLES, instrument_id)
    try:
        return Channel.candles(topic.id, resolution)
    except ClientError as error:
        raise SocketClientError(str(error)) from None
