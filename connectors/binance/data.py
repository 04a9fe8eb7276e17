"""Market data of Binance Futures: quotes, trades, books, bars, prices, liquidations.

| method                         | stream                         | route          | event       |
|--------------------------------|--------------------------------|----------------|-------------|
| `subscribe_quotes`             | `@bookTicker`, `!bookTicker`   | public         | Quote       |
| `subscribe_trades`             | `@aggTrade`, `@trade`          | market, public | Trade       |
| `subscribe_book`               | `@depth@0ms` and REST          | public         | the book    |
| `subscribe_book_deltas`        | `@depth@0ms`                   | public         | BookUpdate  |
| `subscribe_book_snapshots`     | `@depth5/10/20`, `@rpiDepth`   | public         | BookUpdate  |
| `subscribe_candles`            | `@kline_...` and its kin       | market         | Bar         |
| `subscribe_mark_price`         | `@markPrice@1s`                | market         | MarkPrice   |
| `subscribe_index_price`        | the same, `@indexPrice@1s`     | market         | IndexPrice  |
| `subscribe_liquidations`       | `@forceOrder`                  | market         | Liquidation |
| `subscribe_tickers`            | `@ticker`, `@miniTicker`       | market         | Ticker      |
| `subscribe_instrument_status`  | `!contractInfo`, exchangeInfo  | market         | see below   |

A change of trading status is an `InstrumentStatus`.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterable
from typing import Any

from .._speedups.book import ChainedBook
from .._speedups.events import InstrumentBase
from ..books.sync import BookSync
from ..data.dispatch import Consumer, Dispatch
from ..errors import ClientError, ConnectorError
from ..model import (
    ConnectionState,
    ConnectionStatus,
    Instrument,
    StatusEvent,
    StreamSilent,
    StreamState,
    Subscription,
    SubscriptionStatus,
)
from ..net.attempts import AttemptBudget
from ..net.backoff import Backoff, BackoffPolicy
from ..settings import config_from
from .books import Books
from .config import VENUE, Config, Product, Route
from .feeds import MarketFeeds
from .instruments import index_instrument, market_status
from .interest import Interest
from .pool import StreamPool
from .rest import BinanceRest
from .streams import parse
from .watchdog import FirstData
from .wire import ContractInfo, parse_cold_event

__all__ = ["DataClient"]

log = logging.getLogger("connectors.binance")

CONTRACT_INFO = "!contractInfo"
ALL_LIQUIDATIONS = "!forceOrder@arr"
OFF_GRID_REFRESH_S = 60.0
CLOCK_EVERY_S = 600.0  # BN-R-03


class DataClient(MarketFeeds):
    """Streams market data of USD-M or COIN-M futures.

    ::

        async with DataClient(product="usdm") as data:
            data.subscribe_quotes("BTCUSDT-PERP", on_quote)
            async for trade in data.trades("ETHUSDT-PERP"):
                ...

    Parameters
    ----------
    config :
        Settings; or give them by name: `DataClient(product="coinm", environment="testnet")`.
    on_status :
        Receives every `StatusEvent`: connections, subscriptions, books, instruments, errors.
    on_venue_event :
        Receives what has no type in the vocabulary: `wire.ColdEvent` or `VenueEvent`.
    instruments :
        In place of reading exchangeInfo at the start.
    attempts :
        Budget of connection attempts, by default the one of the process.

    Notes
    -----
    USD-M takes two pools of connections, one for each route; COIN-M one (section 2). A pool is
    opened when its first stream is wanted. All methods belong to one event loop.
    """

    def __init__(
        self,
        config: Config | None = None,
        *,
        on_status: Callable[[StatusEvent], object] | None = None,
        on_venue_event: Callable[[Any], object] | None = None,
        instruments: Iterable[Instrument] = (),
        rest: BinanceRest | None = None,
        attempts: AttemptBudget | None = None,
        **settings: Any,
    ) -> None:
        self.config = config_from(Config, config, settings)
        self.rest = rest if rest is not None else BinanceRest(self.config)
        super().__init__(
            VENUE,
            self.config,
            self.rest,
            on_status=on_status,
            on_venue_event=on_venue_event,
            instruments=instruments,
            instrument_refresh_s=self.config.instrument_refresh_s,
            refresh_pause_s=OFF_GRID_REFRESH_S,
        )
        self._indices: dict[str, Instrument] = {}
        self._dispatch = Dispatch(self._callback_failed)
        self._books = Books(
            self._dispatch,
            self.rest,
            depth=self.config.book_depth,
            emit=self._emit,
            on_callback_error=self._callback_failed,
            on_off_grid=self._off_grid,
        )
        self._watchdog = FirstData(
            self._dispatch, self.config.first_data_timeout_s, self._stream_silent
        )
        self._interests = self._make_interests(attempts)
        self._housekeeping = Subscription("contract info", (CONTRACT_INFO,), lambda each: None)
        self._overlaps = 0
        self._connections: dict[str, ConnectionState] = {}

    # ---- looking ------------------------------------------------------------------------------

    @property
    def product(self) -> Product:
        """The product served."""
        return self.config.product

    @property
    def pools(self) -> tuple[StreamPool, ...]:
        """The stream pools, for their counters."""
        return tuple(interest.pool for interest in self._interests.values())

    @property
    def is_active(self) -> bool:
        """Whether at least one connection is up."""
        return any(pool.is_active for pool in self.pools)

    def instrument(self, instrument: Instrument | str) -> Instrument:
        """Return the current definition by our id, the venue's symbol or an older definition.

        On COIN-M a pair (`BTCUSD`) or `BTCUSD-INDEX` gives the index.

        Raises
        ------
        ClientError
            There is none.
        """
        name = instrument if isinstance(instrument, str) else instrument.symbol
        index = self._indices.get(name.removesuffix("-INDEX").upper())
        return index if index is not None else self._desk.catalog.find(instrument)

    def book(self, instrument: Instrument | str) -> ChainedBook | None:
        """Return a subscribed book while it can be trusted, else None."""
        sync = self.book_sync(instrument)
        return sync.chain if sync is not None and sync.is_live else None

    def book_sync(self, instrument: Instrument | str) -> BookSync | None:
        """Return the state of a subscribed book, None if it is not subscribed."""
        return self._books.get(self.instrument(instrument).symbol)

    def __repr__(self) -> str:
        state = "open" if self._open else "closed"
        return f"<DataClient {self.product} {self.config.environment} {state}>"

    # ---- life ---------------------------------------------------------------------------------

    async def _prepare(self) -> None:
        await self.rest.sync_clock()

    def _begin(self) -> None:
        for route, interest in self._interests.items():
            self._tasks.spawn(interest.run(), f"streams-{route or 'all'}")
        self._tasks.spawn(self._books.run(), "book-snapshots")
        self._tasks.spawn(self._keep_clock(), "clock")
        if self.config.instrument_refresh_s > 0:
            self._interest_of(CONTRACT_INFO).add((CONTRACT_INFO,), self._housekeeping)

    async def _end(self) -> None:
        self._interest_of(CONTRACT_INFO).remove(self._housekeeping)
        self._watchdog.close()
        for interest in self._interests.values():
            interest.close()
        await self._tasks.close(timeout_s=2.0)  # before the pools that they use
        await asyncio.gather(*(pool.close() for pool in self.pools))

    # ---- instruments --------------------------------------------------------------------------

    async def _load(self) -> Iterable[Instrument]:
        info = await self.rest.exchange_info()
        for symbol, reason in info.problems:
            self._unreadable_instrument(symbol, reason)
        return info.instruments

    def _on_instrument(self, instrument: Instrument) -> None:
        self._symbols.add(instrument)
        self._books.on_instrument(instrument)
        if self.product is Product.COINM and instrument.pair not in self._indices:
            index = index_instrument(instrument.pair, instrument.quote)
            self._indices[instrument.pair] = index
            self._symbols.add(index)

    async def _keep_clock(self) -> None:
        while True:
            await asyncio.sleep(CLOCK_EVERY_S)
            try:
                await self.rest.sync_clock()
            except ConnectorError as error:
                log.warning("the venue's clock could not be read: %s", error)

    def _off_grid(self, instrument: InstrumentBase) -> None:
        """A value did not fit: the definition may be out of date (BN-MD-13)."""
        if self._desk.refresh():
            log.warning("instrument=%s a value is off its grid, reading it again", instrument.id)

    # ---- what MarketFeeds needs ---------------------------------------------------------------

    def _number(self, instrument: Instrument, wire_name: str | None = None) -> int:
        number: int = self._symbols.find(wire_name or instrument.symbol)
        if number < 0:
            number = self._symbols.add(instrument, alias=wire_name)
        return number

    def _add(self, label: str, stream: str, consumer: Consumer) -> Subscription:
        if parse(stream, self.product).depth_kind is not None:
            self._check_one_depth(stream)
        subscription, interest = self._want(label, stream)
        consumer.stream = stream
        self._dispatch.add(consumer)
        self._at_end(subscription, lambda: self._dispatch.remove(consumer))
        if stream.endswith(("@forceOrder", ALL_LIQUIDATIONS)):
            self._suspend_liquidations(interest)
        return subscription

    def _add_book(
        self,
        instrument: Instrument,
        stream: str,
        callback: Callable[[ChainedBook], object],
        priority: int,
    ) -> Subscription:
        self._check_one_depth(stream)
        subscription, _ = self._want(f"book {instrument.id}", stream)
        self._books.add(instrument, self._number(instrument), callback, priority)
        self._at_end(subscription, lambda: self._books.remove(instrument.symbol, callback))
        return subscription

    def _set_depth_kind(self, instrument: Instrument, kind: str) -> None:
        pool = self._interests[self._route_key(Route.PUBLIC)].pool
        symbol = instrument.symbol.lower()
        for name in (*self._interests[self._route_key(Route.PUBLIC)].names, *pool.ending_names):
            if not name.startswith(symbol + "@"):
                continue
            other = parse(name, self.product).depth_kind
            if other is not None and other != kind:
                raise ClientError(
                    f"{instrument.id} has {other} depth from {name!r}, whose messages cannot be "
                    f"told from {kind} depth: cancel that subscription first and let it end"
                )
        self._symbols.set_depth_mode(
            self._number(instrument), partial=kind == "partial", rpi=kind == "rpi"
        )

    def _check_one_depth(self, stream: str) -> None:
        """Refuse a second speed or number of levels: both would feed everybody (BN-F-06)."""
        symbol = stream.partition("@")[0]
        for name in self._interest_of(stream).names:
            if name != stream and name.startswith(symbol + "@depth"):
                raise ClientError(
                    f"messages of {stream!r} cannot be told from those of {name!r}, which is "
                    "subscribed: one book has one speed and one number of levels"
                )

    # ---- subscriptions ------------------------------------------------------------------------

    def _want(self, label: str, stream: str) -> tuple[Subscription, Interest]:
        subscription = self._make(label, (stream,))
        interest = self._interest_of(stream)
        try:
            interest.add(subscription.streams, subscription)
        except ClientError:
            self._ended(subscription)
            raise
        return subscription, interest

    def _cancel(self, subscription: Subscription) -> None:
        if not self._ended(subscription):
            return
        for stream in subscription.streams:
            interest = self._interest_of(stream)
            for name in interest.remove(subscription):
                self._watchdog.forget(name)
            if stream.endswith(("@forceOrder", ALL_LIQUIDATIONS)):
                self._suspend_liquidations(interest)

    def _suspend_liquidations(self, interest: Interest) -> None:
        """The stream of all liquidations has priority over those of symbols (BN-MD-15)."""
        singles = [name for name in interest.names if name.endswith("@forceOrder")]
        if ALL_LIQUIDATIONS in interest and not interest.is_refused(ALL_LIQUIDATIONS):
            interest.pause(singles)
        else:
            interest.resume(singles)

    # ---- pools --------------------------------------------------------------------------------

    def _route_key(self, route: Route) -> Route | None:
        return route if self.product.is_routed else None

    def _interest_of(self, stream: str) -> Interest:
        return self._interests[self._route_key(parse(stream, self.product).route)]

    def _make_interests(self, attempts: AttemptBudget | None) -> dict[Route | None, Interest]:
        routes = (Route.PUBLIC, Route.MARKET) if self.product.is_routed else (None,)
        return {route: self._make_interest(route, attempts) for route in routes}

    def _make_interest(self, route: Route | None, attempts: AttemptBudget | None) -> Interest:
        config = self.config
        credentials = config.credentials
        pool = StreamPool(
            config.product,
            config.environment,
            api_key=credentials.api_key if credentials else None,
            api_secret=credentials.api_secret if credentials else None,
            url=config.pool_url(route or Route.PUBLIC),
            heartbeat_s=config.heartbeat_s,
            route=route,
            max_streams=config.max_streams_per_connection,
            max_connections=config.max_connections,
            symbols=self._symbols,
            handler=self._dispatch.router,
            on_status=lambda event: self._on_pool_status(route, event),
            on_venue_event=self._on_cold,
            on_off_scale=self._off_grid,
            on_overlap=self._overlap,
            rotate=config.rotate,
            idle_timeout_s=config.idle_timeout_s,
            proxy=config.proxy,
            attempts=attempts,
        )
        backoff = Backoff(
            BackoffPolicy(initial_s=0.5, maximum_s=30.0, immediate_first=False), random.Random()
        )
        return Interest(pool, self._streams_failed, backoff)

    def _overlap(self, begins: bool) -> None:
        self._overlaps += 1 if begins else -1
        if self._overlaps:
            self._dispatch.begin_overlap()
        else:
            self._dispatch.end_overlap()

    def _on_pool_status(self, route: Route | None, event: StatusEvent) -> None:
        interest = self._interests[route]
        if isinstance(event, SubscriptionStatus):
            interest.on_stream(event.stream, event.state, event.code, event.message)
            if event.state is StreamState.ACTIVE and event.stream in interest:
                stream = parse(event.stream, self.product)
                number = self._symbols.find((stream.symbol or "").upper())
                self._watchdog.confirmed(stream, number)
            if event.stream == ALL_LIQUIDATIONS:
                self._suspend_liquidations(interest)
            if event.stream == CONTRACT_INFO:
                return
        elif isinstance(event, ConnectionStatus):
            previous = self._connections.get(event.connection)
            self._connections[event.connection] = event.state
            lost = event.state in (ConnectionState.RECONNECTING, ConnectionState.CLOSED)
            if lost and previous in (ConnectionState.LIVE, ConnectionState.STALE):
                self._lost(interest, interest.pool.streams_of(event.connection))
        self._emit(event)

    def _lost(self, interest: Interest, names: tuple[str, ...]) -> None:
        interest.on_lost(names)
        symbols = []
        for name in names:
            self._watchdog.forget(name)
            stream = parse(name, self.product)
            if stream.depth_kind == "diff" and stream.symbol is not None:
                symbols.append(stream.symbol.upper())
        self._books.on_lost(symbols)

    def _on_cold(self, name: str, payload: bytes, stream: str | None) -> None:
        known = parse_cold_event(payload) if name else None
        if isinstance(known, ContractInfo):
            self._on_contract_info(known)
        if known is None:
            self._venue_event(name or "unknown", payload, stream)
        elif self._on_venue_event is not None:
            self._call(self._on_venue_event, known)

    def _on_contract_info(self, info: ContractInfo) -> None:
        if info.symbol_type not in (None, self.product.symbol_type):
            return  # of the other product: the stream carries both (BN-L-14)
        change = self._desk.catalog.set_status(info.symbol, market_status(info.status), info.status)
        if change is not None:
            self._desk.tell(change)
        self._desk.refresh(urgent=True)

    # ---- telling ------------------------------------------------------------------------------

    def _streams_failed(self, error: ConnectorError) -> None:
        self._error(f"streams could not be changed: {error}", error=error)

    def _stream_silent(self, name: str, silent_s: float) -> None:
        log.warning("stream=%s was confirmed and sends nothing", name)
        self._interest_of(name).on_silent(name)
        self._emit(
            StreamSilent(venue=VENUE, ts_init=time.time_ns(), stream=name, silent_s=silent_s)
        )
