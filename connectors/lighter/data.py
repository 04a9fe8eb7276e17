"""Market data of Lighter: quotes, trades, books, bars, prices, statistics.

| method                        | channel                                   | event       |
|-------------------------------|-------------------------------------------|-------------|
| `subscribe_quotes`            | `ticker/{M}`                              | Quote       |
| `subscribe_trades`            | `trade/{M}`                               | Trade       |
| `subscribe_liquidations`      | `trade/{M}`                               | Liquidation |
| `subscribe_book`              | `order_book/{M}`                          | the book    |
| `subscribe_book_deltas`       | `order_book/{M}`                          | BookUpdate  |
| `subscribe_book_snapshots`    | `order_book/{M}`                          | BookUpdate  |
| `subscribe_candles`           | `candle/{M}/{R}`, `mark_price_candle/...` | Bar         |
| `subscribe_mark_price`        | `market_stats/{M}`                        | MarkPrice   |
| `subscribe_index_price`       | `market_stats/{M}`, `spot_market_stats/..`| IndexPrice  |
| `subscribe_tickers`           | the same                                  | Ticker      |
| `subscribe_market_stats`      | the same                                  | MarketStats |
| `subscribe_instrument_status` | orderBookDetails                          | see below   |
| `subscribe_height`            | `height`                                  | two numbers |

A change of trading status is an `InstrumentStatus`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import TracebackType
from typing import Any, Self

from .._speedups.book import ChainedBook
from .._speedups.events import EventKind, InstrumentBase
from .._speedups.lighter import LighterDecoder, MarketStats
from .._speedups.symbols import SymbolTable
from ..data.desk import InstrumentDesk
from ..data.dispatch import Consumer, Dispatch
from ..data.reporting import connection_change
from ..errors import ClientError, ConnectorError, VenueError
from ..model import (
    Bar,
    BookUpdate,
    ConnectionStatus,
    DataDropped,
    ErrorEvent,
    Instrument,
    InstrumentStatus,
    MarketStatus,
    Reconnected,
    StatusEvent,
    StreamState,
    Subscription,
    SubscriptionStatus,
    VenueEvent,
)
from ..net.attempts import AttemptBudget
from ..net.policy import SessionPolicy
from ..net.ratelimit import RateLimiter
from ..net.session_events import Closed, Connected, Lost, SessionEvent
from ..net.tasks import OwnedTasks
from .books import Books, ManagedBook
from .channels import Channel, ChannelKind, covering
from .config import VENUE, Config
from .control import ChannelOutcome
from .feeds import EVERY_SYMBOL, EmptySideCallback, MarketFeeds, StatsCallback, book_snapshot
from .instruments import wire_name
from .limits import STREAM_LIMITS
from .public_stream import PublicStream
from .rest import LighterRest

__all__ = ["DataClient"]

log = logging.getLogger("connectors.lighter")

REFRESH_PAUSE_S = 10.0
PROBLEM_EVERY_S = 1.0


class DataClient(MarketFeeds):
    """Streams market data of perpetual and spot markets.

    ::

        async with DataClient(environment="mainnet") as data:
            data.subscribe_quotes("ETH-PERP", on_quote)
            async for trade in data.trades("BTC-PERP"):
                ...

    Parameters
    ----------
    config :
        Settings; or give them by name: `DataClient(environment="testnet")`. Credentials are not
        used.
    on_status :
        Receives every `StatusEvent`: connections, subscriptions, books, instruments, errors.
    on_venue_event :
        Receives a `VenueEvent` for each typed frame that has no event of its own.
    instruments :
        In place of reading orderBookDetails at the start.
    instrument_refresh_s :
        Time between readings of orderBookDetails; 0: only when a frame shows that it is needed.
    max_channels :
        Channels of one connection; further ones open another.
    attempts, limiter, policy :
        Budget of connection attempts and limit of control frames, by default those of the
        process; how connections are kept.

    Notes
    -----
    A connection is opened when its first channel is wanted. All methods belong to one event loop.
    """

    def __init__(
        self,
        config: Config | None = None,
        *,
        on_status: Callable[[StatusEvent], object] | None = None,
        on_venue_event: Callable[[VenueEvent], object] | None = None,
        instruments: Iterable[Instrument] = (),
        instrument_refresh_s: float = 3_600.0,
        max_channels: int = STREAM_LIMITS.subscriptions,
        rest: LighterRest | None = None,
        attempts: AttemptBudget | None = None,
        limiter: RateLimiter | None = None,
        policy: SessionPolicy | None = None,
        **settings: Any,
    ) -> None:
        if config is not None and settings:
            raise ClientError(f"give a config or settings, not both: {', '.join(settings)}")
        if max_channels < 1:
            raise ClientError(f"max_channels must be at least 1, got {max_channels}")
        self.config = config if config is not None else Config(**settings)
        self.rest = rest if rest is not None else LighterRest(self.config)
        self._on_status = on_status
        self._on_venue_event = on_venue_event
        self._given = tuple(instruments)
        self._max_channels = max_channels
        self._attempts = attempts
        self._limiter = limiter
        self._policy = policy
        self._symbols = SymbolTable()
        self._dispatch = Dispatch(self._callback_failed)
        self._desk = InstrumentDesk(
            VENUE,
            load=self._load,
            on_instrument=self._on_instrument,
            emit=self._emit,
            on_callback_error=lambda error, event: self._callback_failed(error, -1, event),
            on_error=lambda message, error: self._error(message, error=error),
            every_s=instrument_refresh_s,
            least_s=REFRESH_PAUSE_S,
        )
        self._books = Books(
            self._dispatch,
            resync=self._resync,
            emit=self._emit,
            on_callback_error=self._callback_failed,
        )
        self._streams: list[PublicStream] = []
        self._carriers: dict[str, PublicStream] = {}  # by channel on the wire
        self._wanted: dict[str, list[Subscription]] = {}
        self._refused: dict[str, VenueError] = {}
        self._ends: dict[Subscription, list[Callable[[], object]]] = {}
        self._losses: dict[Subscription, Callable[[], object]] = {}
        self._empty_sides: dict[int, list[tuple[Subscription, EmptySideCallback]]] = {}
        self._stats: dict[int, list[tuple[Subscription, StatsCallback]]] = {}
        self._heights: list[tuple[Subscription, Callable[[int, int], object]]] = []
        self._resyncs: dict[str, asyncio.TimerHandle] = {}  # waiting to be made
        self._unseeded: dict[str, asyncio.TimerHandle] = {}  # served, the snapshot is to come
        self._tasks = OwnedTasks("lighter-data")
        self._open = False
        self._life = asyncio.Lock()  # connect and close, one at a time
        self._problem_told_s = float("-inf")
        self.callback_errors = 0
        self.frame_problems = 0
        self.venue_errors = 0

    # ---- looking ------------------------------------------------------------------------------

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """All instruments by our id, as a live read-only view."""
        return self._desk.instruments

    @property
    def streams(self) -> tuple[PublicStream, ...]:
        """The connections, for their counters."""
        return tuple(self._streams)

    @property
    def is_active(self) -> bool:
        """Whether at least one connection is up."""
        return any(stream.is_active for stream in self._streams)

    @property
    def instrument_refreshes(self) -> int:
        """How often orderBookDetails was read."""
        return self._desk.refreshes

    @property
    def unknown_markets(self) -> int:
        """Frames that were dropped because their market is not known."""
        return sum(stream.decoder.unknown_markets for stream in self._streams)

    def instrument(self, instrument: Instrument | str) -> Instrument:
        """Return the current definition by our id, the venue's symbol or an older definition.

        Raises
        ------
        ClientError
            There is none.
        """
        return self._desk.catalog.find(instrument)

    def status(self, instrument: Instrument | str) -> MarketStatus:
        """Return the latest trading status known."""
        return self._desk.catalog.status(instrument)

    def book(self, instrument: Instrument | str) -> ChainedBook | None:
        """Return a subscribed book while it can be trusted, else None."""
        book = self.book_state(instrument)
        return book if book is not None and book.live else None

    def book_state(self, instrument: Instrument | str) -> ManagedBook | None:
        """Return a subscribed book in whatever state, None if it is not subscribed."""
        return self._books.get(self.instrument(instrument))

    def __repr__(self) -> str:
        state = "open" if self._open else "closed"
        return f"<DataClient {VENUE} {self.config.environment} {state}>"

    # ---- life ---------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Load the instruments and begin to serve subscriptions; no-op when open.

        Raises
        ------
        TransportError, VenueError
            The venue could not be asked; nothing is left open.
        """
        async with self._life:
            if self._open:
                return
            try:
                if self._given:
                    self._desk.take(self._given)
                else:
                    await self._desk.load()
            except BaseException:
                await self.rest.close()
                raise
            self._open = True
            self._tasks = OwnedTasks("lighter-data", on_death=self._task_died)
            self._tasks.spawn(self._desk.run(), "instruments")

    async def close(self) -> None:
        """End all subscriptions, connections and tasks, each within its bound. Idempotent.

        A `connect` under way ends first; one called meanwhile waits.
        """
        async with self._life:
            self._open = False
            for subscription in list(self._ends):
                subscription.cancel()
            for name in {*self._resyncs, *self._unseeded}:
                self._stop_timers(name)
            streams, self._streams = self._streams, []
            await asyncio.gather(*(stream.close() for stream in streams))
            self._carriers.clear()
            await self._tasks.close(timeout_s=2.0)
            await self.rest.close()

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    # ---- instruments --------------------------------------------------------------------------

    async def load_instruments(self) -> Mapping[str, Instrument]:
        """Read orderBookDetails again now; return all instruments by our id."""
        return await self._desk.load()

    async def _load(self) -> Iterable[Instrument]:
        return await self.rest.instruments(self._unreadable_instrument)

    def _unreadable_instrument(self, symbol: str, reason: str) -> None:
        log.warning("symbol=%s cannot be read from orderBookDetails: %s", symbol, reason)
        self._error(f"{symbol}: {reason}", where="orderBookDetails")

    def _on_instrument(self, instrument: Instrument) -> None:
        self._symbols.add(instrument, alias=wire_name(instrument))
        self._books.on_instrument(instrument)

    def _off_scale(self, instrument: InstrumentBase) -> None:
        log.warning("instrument=%s a value is off its grid, reading it again", instrument.id)
        self._desk.refresh(instrument.symbol)

    def _unknown_market(self, market: str) -> None:
        log.debug("market=%s is not known, reading the instruments again", market)
        self._desk.refresh()

    # ---- what MarketFeeds needs ---------------------------------------------------------------

    def _number(self, instrument: Instrument) -> int:
        number: int = self._symbols.find(wire_name(instrument))
        return number

    def _add(self, label: str, channels: tuple[Channel, ...], *consumers: Consumer) -> Subscription:
        subscription = self._make(label, channels)
        for consumer in consumers:
            consumer.stream = channels[0].name
            self._dispatch.add(consumer)
            self._at_end(subscription, partial(self._dispatch.remove, consumer))
        self._want(subscription)
        return subscription

    def _add_book(
        self, instrument: Instrument, callback: Callable[[ChainedBook], object]
    ) -> Subscription:
        channel = Channel(ChannelKind.ORDER_BOOK, wire_name(instrument))
        subscription = self._make(f"book {instrument.id}", (channel,))
        book = self._books.add(instrument, self._number(instrument), callback)
        self._at_end(subscription, lambda: self._books.remove(instrument, callback))
        served = self._want(subscription)
        if served and not book.live and len(book.callbacks) == 1:
            # Others have this channel for its updates: the snapshot has long been sent.
            self._resync(instrument, 0.0)
        return subscription

    def _add_deltas(
        self, instrument: Instrument, callback: Callable[[BookUpdate], object]
    ) -> Subscription:
        channel = Channel(ChannelKind.ORDER_BOOK, wire_name(instrument))
        subscription = self._make(f"book deltas {instrument.id}", (channel,))
        number = self._number(instrument)
        book = self._books.get(instrument)
        if book is not None and book.live:
            self._call(callback, book_snapshot(book, None))
        for kind in (EventKind.BOOK_SNAPSHOT, EventKind.BOOK_DELTA):
            consumer = Consumer(kind, number, callback, stream=channel.name)
            self._dispatch.add(consumer)
            self._at_end(subscription, partial(self._dispatch.remove, consumer))
        served = self._want(subscription)
        if served and (book is None or not book.live):
            self._resync(instrument, 0.0)
        return subscription

    def _add_stats(
        self, label: str, channels: tuple[Channel, ...], number: int, callback: StatsCallback
    ) -> Subscription:
        subscription = self._make(label, channels)
        entries = self._stats.setdefault(number, [])
        entry = (subscription, callback)
        entries.append(entry)
        self._at_end(subscription, lambda: entries.remove(entry))
        self._want(subscription)
        return subscription

    def _add_height(self, callback: Callable[[int, int], object]) -> Subscription:
        subscription = self._make("height", (Channel(ChannelKind.HEIGHT),))
        entry = (subscription, callback)
        self._heights.append(entry)
        self._at_end(subscription, lambda: self._heights.remove(entry))
        self._want(subscription)
        return subscription

    def _add_status(
        self, instrument: Instrument | None, callback: Callable[[InstrumentStatus], object]
    ) -> Subscription:
        subscription, end = self._desk.watch(instrument, callback, self._cancel)
        self._ends[subscription] = [end]
        return subscription

    def _watch_empty_side(
        self, subscription: Subscription, number: int, callback: EmptySideCallback
    ) -> None:
        entries = self._empty_sides.setdefault(number, [])
        entry = (subscription, callback)
        entries.append(entry)
        self._at_end(subscription, lambda: entries.remove(entry))

    def _watch_losses(self, subscription: Subscription, on_lost: Callable[[], object]) -> None:
        self._losses[subscription] = on_lost
        self._at_end(subscription, lambda: self._losses.pop(subscription, None))

    def _dropped_marker(self, what: str) -> Callable[[int], DataDropped]:
        return lambda count: DataDropped(
            venue=VENUE, ts_init=time.time_ns(), what=what, count=count
        )

    def _bar_lost(self, bar: Bar) -> None:
        what = f"closed bar {bar.interval_s} s of {bar.instrument.id}"
        self._emit(DataDropped(venue=VENUE, ts_init=time.time_ns(), what=what, count=1))

    # ---- subscriptions ------------------------------------------------------------------------

    def _make(self, label: str, channels: tuple[Channel, ...]) -> Subscription:
        if not self._open:
            raise ClientError("the client is not connected: use `async with` or `connect()`")
        names = tuple(channel.name for channel in channels)
        subscription = Subscription(label, names, self._cancel)
        self._ends[subscription] = []
        return subscription

    def _at_end(self, subscription: Subscription, call: Callable[[], object]) -> None:
        self._ends[subscription].append(call)

    def _want(self, subscription: Subscription) -> bool:
        """Count a subscription on its channels; True where all are served already."""
        for name in subscription.streams:
            self._wanted.setdefault(name, []).append(subscription)
            self._refused.pop(name, None)  # a later wish is asked for again
        self._align()
        self._show(subscription)
        return subscription.is_active

    def _cancel(self, subscription: Subscription) -> None:
        ends = self._ends.pop(subscription, None)
        if ends is None:
            return
        for end in ends:
            end()
        for name in subscription.streams:
            others = [each for each in self._wanted.get(name, ()) if each is not subscription]
            if others:
                self._wanted[name] = others
            else:
                self._wanted.pop(name, None)
                self._refused.pop(name, None)
        self._align()

    def _align(self) -> None:
        """Bring what is on the wire in line with what is wanted.

        While somebody wants a channel of all markets, those of single ones bring nothing new.
        """
        needed = {name: None for name in self._wanted if self._carried_as(name) == name}
        for name in [name for name in self._carriers if name not in needed]:
            self._stop_timers(name)
            self._carriers.pop(name).unsubscribe(name)
        for name in needed:
            if name not in self._carriers and name not in self._refused:
                stream = self._carriers[name] = self._stream_with_room()
                stream.subscribe(name)

    def _carried_as(self, name: str) -> str:
        cover = covering(name)
        return cover if cover in self._wanted and cover not in self._refused else name

    def _stream_with_room(self) -> PublicStream:
        for stream in self._streams:
            if stream.control.free > 0:
                return stream
        name = f"lighter/public/{len(self._streams)}"
        stream = PublicStream(
            self,
            name,
            self.config,
            decoder_factory=self._make_decoder,
            limit=self._max_channels,
            limiter=self._limiter,
            attempts=self._attempts,
            policy=self._policy,
        )
        self._streams.append(stream)
        self._tasks.spawn(self._open_stream(stream), f"open-{len(self._streams) - 1}")
        return stream

    async def _open_stream(self, stream: PublicStream) -> None:
        try:
            await stream.open()
        except ConnectorError as error:
            if self._open:
                self._error(f"{stream.name} could not be opened: {error}", error=error)

    def _make_decoder(self, stream: PublicStream) -> LighterDecoder:
        return LighterDecoder(
            self._symbols,
            self._dispatch.router,
            on_control=stream.on_control,
            on_venue_event=self._on_typed_frame,
            on_problem=stream.on_problem,
            on_off_scale=self._off_scale,
            on_first=stream.on_first,
            on_unknown_market=self._unknown_market,
            on_empty_side=self._on_empty_side,
            on_stats=self._on_stats,
            on_height=self._on_height,
        )

    def _show(self, subscription: Subscription) -> None:
        names = [self._carried_as(name) for name in subscription.streams]
        refused = next((name for name in names if name in self._refused), None)
        if refused is not None:
            subscription.advance(StreamState.REFUSED, self._refused[refused])
        elif all(name in self._carriers and self._carriers[name].control.is_active(name)
                 for name in names):  # fmt: skip
            subscription.advance(StreamState.ACTIVE)
        else:
            subscription.advance(StreamState.PENDING)

    def _served_by(self, name: str) -> list[Subscription]:
        """The subscriptions that a channel on the wire serves."""
        found = list(self._wanted.get(name, ()))
        for other, subscriptions in self._wanted.items():
            if other != name and self._carried_as(other) == name:
                found += subscriptions
        return found

    def _resync(self, instrument: Instrument, wait_s: float) -> None:
        """Have a book's snapshot sent again; one resync of a market at a time."""
        name = Channel(ChannelKind.ORDER_BOOK, wire_name(instrument)).name
        if wait_s <= 0:
            self._renew(name)  # in place of one that waits
        elif name not in self._resyncs:
            loop = asyncio.get_running_loop()
            self._resyncs[name] = loop.call_later(wait_s, self._renew, name)

    def _stop_timers(self, name: str) -> None:
        for timers in (self._resyncs, self._unseeded):
            timer = timers.pop(name, None)
            if timer is not None:
                timer.cancel()

    def _renew(self, name: str) -> None:
        self._stop_timers(name)
        stream = self._carriers.get(name)
        if stream is not None and stream.renew(name):
            for subscription in self._served_by(name):
                self._show(subscription)

    # ---- what connections tell (StreamOwner) --------------------------------------------------

    def on_outcomes(self, stream: PublicStream, outcomes: list[ChannelOutcome]) -> None:
        """Take note of what became of channels."""
        for outcome in outcomes:
            name = outcome.channel
            if outcome.state is StreamState.REFUSED:
                self._refused[name] = VenueError(outcome.code or 0, outcome.message)
                self._carriers.pop(name, None)
                log.warning("conn=%s channel=%s refused: %s", stream.name, name, outcome.message)
            for subscription in self._served_by(name):
                self._show(subscription)
            if outcome.state is StreamState.REFUSED:
                self._align()  # what it covered must be asked for by itself
            self._emit(
                SubscriptionStatus(
                    venue=VENUE,
                    ts_init=time.time_ns(),
                    stream=name,
                    state=outcome.state,
                    code=outcome.code,
                    message=outcome.message,
                )
            )
            if outcome.state is StreamState.ACTIVE:
                self._check_book(stream, name)

    def _check_book(self, stream: PublicStream, name: str) -> None:
        """A bare acknowledgement, or 30003, may not be followed by a snapshot."""
        channel = Channel.parse(name)
        if channel is None or not channel.is_book or name in self._unseeded:
            return
        loop = asyncio.get_running_loop()
        self._unseeded[name] = loop.call_later(
            self.config.ws_timeout_s, self._renew_if_unseeded, stream, name, channel.market
        )

    def _renew_if_unseeded(self, stream: PublicStream, name: str, market: str) -> None:
        self._unseeded.pop(name, None)
        number = self._symbols.find(market)
        if self._carriers.get(name) is not stream or number < 0:
            return
        instrument = self._symbols.instrument(number)
        book = self._books.get(instrument) if isinstance(instrument, Instrument) else None
        if book is not None and not book.live and stream.control.is_active(name):
            log.warning("conn=%s channel=%s sent no snapshot, asking again", stream.name, name)
            self._renew(name)

    def on_session_event(self, stream: PublicStream, event: SessionEvent) -> None:
        """Take note of a connection's state."""
        if isinstance(event, Lost | Closed):
            self._lost(stream)
        change = connection_change(event)
        if change is not None:
            state, reason = change
            self._emit(
                ConnectionStatus(
                    venue=VENUE,
                    ts_init=time.time_ns(),
                    connection=stream.name,
                    state=state,
                    reason=reason,
                )
            )
        if isinstance(event, Connected) and event.is_reconnect:
            self._emit(
                Reconnected(
                    venue=VENUE,
                    ts_init=time.time_ns(),
                    connection=stream.name,
                    streams=tuple(stream.control.channels),
                )
            )

    def _lost(self, stream: PublicStream) -> None:
        books = set()
        for name in stream.control.channels:
            self._stop_timers(name)
            channel = Channel.parse(name)
            if channel is not None and channel.is_book:
                number = self._symbols.find(channel.market)
                if number >= 0:
                    books.add(self._symbols.instrument(number).id)
            for subscription in self._served_by(name):
                on_lost = self._losses.get(subscription)
                if on_lost is not None:
                    on_lost()
                self._show(subscription)
        self._books.on_lost(books)

    def on_venue_error(self, stream: PublicStream, code: int | None, message: str) -> None:
        """Report an error that is about no channel."""
        self.venue_errors += 1
        log.warning("conn=%s venue error %s: %s", stream.name, code, message)
        self._error(message, code=code, where=stream.name)

    def on_frame_problem(self, stream: PublicStream, error: Exception) -> None:
        """Report a frame that did not decode; at most one a second, all are counted."""
        self.frame_problems += 1
        now = time.monotonic()
        if now - self._problem_told_s >= PROBLEM_EVERY_S:
            self._problem_told_s = now
            log.warning("conn=%s frame problem: %s", stream.name, error)
            self._error(f"a frame did not decode: {error}", where=stream.name, error=error)

    def on_unknown_frame(self, stream: PublicStream, name: str, data: bytes) -> None:
        """Hand on a frame of a type we do not know."""
        self._venue_event(name or "unknown", data, None)

    def _on_typed_frame(self, name: str, channel: str, data: bytes) -> None:
        self._venue_event(name, data, channel)

    def _venue_event(self, name: str, data: bytes, channel: str | None) -> None:
        if self._on_venue_event is not None:
            event = VenueEvent(
                venue=VENUE, ts_init=time.time_ns(), name=name, payload=data, stream=channel
            )
            self._call(self._on_venue_event, event)

    # ---- events without a place in the router -------------------------------------------------

    def _on_empty_side(self, instrument: InstrumentBase, has_bid: bool, has_ask: bool) -> None:
        assert isinstance(instrument, Instrument)
        for _, callback in tuple(self._empty_sides.get(self._number(instrument), ())):
            try:
                callback(instrument, has_bid, has_ask)
            except Exception as error:  # noqa: BLE001 - reported; the others go on
                self._callback_failed(error, EventKind.QUOTE, instrument)

    def _on_stats(self, stats: MarketStats) -> None:
        assert isinstance(stats.instrument, Instrument)
        number = self._number(stats.instrument)
        for _, callback in (*self._stats.get(number, ()), *self._stats.get(EVERY_SYMBOL, ())):
            self._call(callback, stats)

    def _on_height(self, height: int, ts_event: int) -> None:
        for _, callback in tuple(self._heights):
            try:
                callback(height, ts_event)
            except Exception as error:  # noqa: BLE001 - reported; the others go on
                self._callback_failed(error, -1, height)

    # ---- telling ------------------------------------------------------------------------------

    def _call(self, callback: Callable[[Any], object], event: Any) -> None:
        try:
            callback(event)
        except Exception as error:  # noqa: BLE001 - the user's, and none of the frame's
            self._callback_failed(error, -1, event)

    def _emit(self, event: StatusEvent) -> None:
        if self._on_status is not None:
            try:
                self._on_status(event)
            except Exception:
                self.callback_errors += 1
                log.exception("on_status raised for %r", event)

    def _callback_failed(self, error: BaseException, kind: int, event: Any) -> None:
        self.callback_errors += 1
        log.error("a callback raised for %r", event, exc_info=error)
        self._error(f"a callback raised {type(error).__name__}: {error}", error=error)

    def _task_died(self, name: str, error: BaseException) -> None:
        self._error(f"task {name} died: {error}", error=error)

    def _error(
        self,
        message: str,
        *,
        code: int | None = None,
        where: str = "",
        error: BaseException | None = None,
    ) -> None:
        self._emit(
            ErrorEvent(
                venue=VENUE,
                ts_init=time.time_ns(),
                message=message,
                code=code,
                where=where,
                error=error,
            )
        )
