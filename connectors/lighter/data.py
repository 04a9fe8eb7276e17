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
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from .._speedups.book import ChainedBook
from .._speedups.events import EventKind
from .._speedups.lighter import LighterDecoder
from ..data.dispatch import Consumer
from ..data.market import book_snapshot
from ..data.market_client import Listeners
from ..model import BookUpdate, Instrument, StatusEvent, Subscription, VenueEvent
from ..net.attempts import AttemptBudget
from ..net.policy import SessionPolicy
from ..net.ratelimit import RateLimiter
from ..settings import config_from
from .books import Books, ManagedBook
from .channels import Channel, ChannelKind, covering
from .config import VENUE, Config
from .feeds import MarketFeeds
from .instruments import wire_name
from .limits import STREAM_LIMITS
from .public_stream import PublicStream
from .rest import LighterRest

__all__ = ["DataClient"]

log = logging.getLogger("connectors.lighter")


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
        self.config = config_from(Config, config, settings)
        self.rest = rest if rest is not None else LighterRest(self.config)
        super().__init__(
            VENUE,
            self.config,
            self.rest,
            on_status=on_status,
            on_venue_event=on_venue_event,
            instruments=instruments,
            instrument_refresh_s=instrument_refresh_s,
            max_channels=max_channels,
            attempts=attempts,
            policy=policy,
        )
        self._limiter = limiter
        self._books = Books(
            self._dispatch,
            resync=self._resync,
            emit=self._emit,
            on_callback_error=self._callback_failed,
        )
        self._heights: Listeners[None] = Listeners()
        self._resyncs: dict[str, asyncio.TimerHandle] = {}  # waiting to be made
        self._unseeded: dict[str, asyncio.TimerHandle] = {}  # served, the snapshot is to come

    # ---- looking ------------------------------------------------------------------------------

    @property
    def unknown_markets(self) -> int:
        """Frames that were dropped because their market is not known."""
        return sum(stream.decoder.unknown_markets for stream in self._streams)

    def book(self, instrument: Instrument | str) -> ChainedBook | None:
        """Return a subscribed book while it can be trusted, else None."""
        book = self.book_state(instrument)
        return book if book is not None and book.live else None

    def book_state(self, instrument: Instrument | str) -> ManagedBook | None:
        """Return a subscribed book in whatever state, None if it is not subscribed."""
        return self._books.get(self.instrument(instrument).id)

    # ---- instruments --------------------------------------------------------------------------

    async def _load(self) -> Iterable[Instrument]:
        return await self.rest.instruments(self._unreadable_instrument)

    def _on_instrument(self, instrument: Instrument) -> None:
        self._symbols.add(instrument, alias=wire_name(instrument))
        self._books.on_instrument(instrument)

    # ---- what MarketFeeds needs ---------------------------------------------------------------

    def _number(self, instrument: Instrument) -> int:
        number: int = self._symbols.find(wire_name(instrument))
        return number

    def _add_book(
        self, instrument: Instrument, callback: Callable[[ChainedBook], object]
    ) -> Subscription:
        channel = Channel(ChannelKind.ORDER_BOOK, wire_name(instrument))
        subscription = self._make(f"book {instrument.id}", (channel.name,))
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
        subscription = self._make(f"book deltas {instrument.id}", (channel.name,))
        number = self._number(instrument)
        book = self._books.get(instrument.id)
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

    def _add_height(self, callback: Callable[[int, int], object]) -> Subscription:
        channel = Channel(ChannelKind.HEIGHT)
        return self._listen("height", (channel,), self._heights, None, callback)

    # ---- channels -----------------------------------------------------------------------------

    def _covering(self, name: str) -> str | None:
        return covering(name)

    def _stream_for(self, name: str) -> PublicStream:
        for stream in self._streams:
            if stream.control.free > 0:
                return stream
        return self._opened(
            PublicStream(
                self,
                f"lighter/public/{len(self._streams)}",
                self.config,
                decoder_factory=self._make_decoder,
                limit=self._max_channels,
                limiter=self._limiter,
                attempts=self._attempts,
                policy=self._policy,
            )
        )

    def _released(self, name: str, stream: PublicStream) -> None:
        self._stop_timers(name)

    def _stopped(self) -> None:
        for name in {*self._resyncs, *self._unseeded}:
            self._stop_timers(name)

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

    def _served(self, name: str, stream: PublicStream) -> None:
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
        book = self._books.get(instrument.id) if isinstance(instrument, Instrument) else None
        if book is not None and not book.live and stream.control.is_active(name):
            log.warning("conn=%s channel=%s sent no snapshot, asking again", stream.name, name)
            self._renew(name)

    def _interrupted(self, stream: PublicStream) -> None:
        books = set()
        for name in stream.control.channels:
            self._stop_timers(name)
            channel = Channel.parse(name)
            if channel is not None and channel.is_book:
                number = self._symbols.find(channel.market)
                if number >= 0:
                    books.add(self._symbols.instrument(number).id)
        self._books.on_lost(books)

    # ---- what the decoder tells ---------------------------------------------------------------

    def _on_typed_frame(self, name: str, channel: str, data: bytes) -> None:
        self._venue_event(name, data, channel)

    def _on_height(self, height: int, ts_event: int) -> None:
        for callback in self._heights.of(None):
            self._call(callback, height, ts_event)
