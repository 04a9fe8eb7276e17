"""Market data of dYdX: quotes, trades, books, bars, prices, block heights.

| method                        | channel           | event        |
|-------------------------------|-------------------|--------------|
| `subscribe_quotes`            | `v4_orderbook`    | Quote        |
| `subscribe_trades`            | `v4_trades`       | Trade        |
| `subscribe_liquidations`      | `v4_trades`       | Liquidation  |
| `subscribe_book`              | `v4_orderbook`    | the book     |
| `subscribe_book_deltas`       | `v4_orderbook`    | BookUpdate   |
| `subscribe_book_snapshots`    | `v4_orderbook`    | BookUpdate   |
| `subscribe_candles`           | `v4_candles`      | Bar          |
| `subscribe_mark_price`        | `v4_markets`      | MarkPrice    |
| `subscribe_index_price`       | `v4_markets`      | IndexPrice   |
| `subscribe_market_stats`      | `v4_markets`      | MarketStats  |
| `subscribe_instrument_status` | `v4_markets`      | see below    |
| `subscribe_height`            | `v4_block_height` | two numbers  |

A change of trading status is an `InstrumentStatus`; one of tick or step an `InstrumentUpdated`, and
both come on the stream while the client is open.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import orjson

from .._speedups.dydx import DydxDecoder
from .._speedups.events import EventFlag, EventKind
from ..data.control import ChannelOutcome
from ..data.dispatch import EVERY_SYMBOL
from ..data.market_client import Listeners
from ..data.trades import NewTrades
from ..errors import UNREADABLE, DecodeError
from ..model import (
    DataDropped,
    Instrument,
    StatusEvent,
    StreamState,
    Subscription,
    VenueEvent,
)
from ..net.attempts import AttemptBudget
from ..net.policy import SessionPolicy
from ..settings import config_from
from .books import Comparison, IndexerBook, RawBook
from .channels import RESOLUTIONS, Channel, ChannelKind
from .config import VENUE, Config
from .feeds import HEIGHT, MARKETS, MarketFeeds
from .instruments import parse_instruments, parse_market
from .markets import (
    MarketChange,
    Markets,
    contents_of,
    read_bar,
    read_height,
    read_mark_price,
    read_stats,
)
from .pool import stream_for
from .public_stream import PublicStream
from .rest import IndexerRest

__all__ = ["DataClient"]

log = logging.getLogger("connectors.dydx")

REST_LAG_S = 60.0  # how much older than the stream an answer of REST may be
WRONG_AFTER_S = 2.0  # a book whose top differs from REST for longer is asked for again


class DataClient(MarketFeeds):
    """Streams market data of perpetuals.

    ::

        async with DataClient(environment="mainnet") as data:
            data.subscribe_quotes("BTC-USD-PERP", on_quote)
            async for trade in data.trades("ETH-USD-PERP"):
                ...

    Parameters
    ----------
    config :
        Settings; or give them by name: `DataClient(environment="testnet")`. No account is used.
    on_status :
        Receives every `StatusEvent`: connections, subscriptions, books, instruments, errors.
    on_venue_event :
        Receives a `VenueEvent` for each frame that has no event of its own.
    instruments :
        In place of reading perpetualMarkets at the start.
    instrument_refresh_s :
        Time between readings; 0: only when a frame shows that it is needed.
    raw_books :
        Show books as the venue sends them, crossed or not.
    compare_books_s :
        Time between comparisons of each book with REST; 0: none. A book whose best prices differ
        for more than two seconds is asked for again.
    attempts, policy :
        Budget of connection attempts, by default that of the process; how connections are kept.

    Notes
    -----
    The client always follows `v4_markets`, which tells new markets, and changes of tick, step and
    status. Topics go to the first connection that has room for their kind; connections are opened
    when they are needed. All methods belong to one event loop.
    """

    def __init__(
        self,
        config: Config | None = None,
        *,
        on_status: Callable[[StatusEvent], object] | None = None,
        on_venue_event: Callable[[VenueEvent], object] | None = None,
        instruments: Iterable[Instrument] = (),
        instrument_refresh_s: float = 0.0,
        raw_books: bool = False,
        compare_books_s: float = 0.0,
        rest: IndexerRest | None = None,
        attempts: AttemptBudget | None = None,
        policy: SessionPolicy | None = None,
        **settings: Any,
    ) -> None:
        self.config = config_from(Config, config, settings)
        self.rest = rest if rest is not None else IndexerRest(self.config)
        super().__init__(
            VENUE,
            self.config,
            self.rest,
            on_status=on_status,
            on_venue_event=on_venue_event,
            instruments=instruments,
            instrument_refresh_s=instrument_refresh_s,
            max_channels=self.config.per_channel_limit,
            attempts=attempts,
            policy=policy,
            snapshot_timeout_s=self.config.subscribe_timeout_s,
            make_book=RawBook if raw_books else IndexerBook,
        )
        self._compare_books_s = compare_books_s
        self._heights: Listeners[None] = Listeners()
        self._markets = Markets()
        self._defined: dict[str, float] = {}  # when the stream last told a definition
        self.gaps = 0
        self.height: int | None = None

    # ---- life and instruments -----------------------------------------------------------------

    def _begin(self) -> None:
        self._want(self._make("markets", (MARKETS.name,)))
        if self._compare_books_s > 0:
            self._tasks.spawn(self._compare_books(), "compare-books")

    async def _load(self) -> Iterable[Instrument]:
        records = await self.rest.perpetual_markets()
        since = time.monotonic() - REST_LAG_S
        for ticker, told_at in self._defined.items():
            if told_at > since:  # REST may not have heard of it yet (DX-W-20)
                records[ticker] = self._markets.records[ticker]
        found = parse_instruments(records, self._unreadable_instrument)
        self._markets.load(records)
        return found

    def _on_instrument(self, instrument: Instrument) -> None:
        self._symbols.add(instrument)
        self._books.on_instrument(instrument)

    # ---- what MarketFeeds needs ---------------------------------------------------------------

    def _book_channel(self, instrument: Instrument) -> Channel:
        return Channel(ChannelKind.ORDERBOOK, instrument.symbol)

    def _add_height(self, callback: Callable[[int, int], object]) -> Subscription:
        return self._listen("height", (HEIGHT,), self._heights, None, callback)

    # ---- connections --------------------------------------------------------------------------

    def _stream_for(self, name: str) -> PublicStream | None:
        return stream_for(name, self._streams, self.config.max_ws_connections, self._new_stream)

    def _new_stream(self) -> PublicStream:
        return self._opened(
            PublicStream(
                self,
                f"dydx/public/{len(self._streams)}",
                self.config,
                decoder_factory=self._make_decoder,
                attempts=self._attempts,
                policy=self._policy,
            )
        )

    def _make_decoder(self, stream: PublicStream) -> DydxDecoder:
        return stream.make_decoder(
            self._symbols,
            self._dispatch.router,
            on_data=partial(self._on_data, stream),
            on_unknown_market=self._unknown_market,
            on_off_scale=self._off_scale,
        )

    def on_outcomes(self, stream: PublicStream, outcomes: list[ChannelOutcome]) -> None:
        """Take note of what became of topics; one that found no room goes elsewhere."""
        for outcome in outcomes:
            name = outcome.channel
            homeless = outcome.state is StreamState.PENDING and name not in stream.control.channels
            if homeless and self._carriers.get(name) is stream:
                del self._carriers[name]
                self._released(name, stream)
                self._align()
        super().on_outcomes(stream, outcomes)

    def _served(self, name: str, stream: PublicStream) -> None:
        super()._served(name, stream)
        if name in self._trades:  # the history comes with the same frame
            for new in self._trades[name]:
                new.on_history()
            asyncio.get_running_loop().call_soon(self._check_trades, name)

    def _follow_trades(self, subscription: Subscription, new: NewTrades) -> None:
        super()._follow_trades(subscription, new)
        (name,) = subscription.streams
        if subscription.is_active and self._trades[name] == [new]:
            # Liquidations have this channel: its history went by, and with it where trades begin.
            self._again(self._carriers[name], name, "its history is wanted")

    def _check_trades(self, name: str) -> None:
        """Tell when the history does not reach back to the loss."""
        stream = self._carriers.get(name)
        if stream is None or not stream.control.is_active(name):
            return  # asked for again meanwhile: its history is still to come
        if not self._is_whole(name):
            what = f"{name} while the connection was down"
            self._emit(DataDropped(venue=VENUE, ts_init=time.time_ns(), what=what, count=0))

    # ---- what is missing (GapOwner) -----------------------------------------------------------

    def on_gap(self, stream: PublicStream, lost: int) -> None:
        """Frames are missing, of whatever topics: have what they were about sent again."""
        self.gaps += 1
        reason = f"{lost} frames are missing" if lost > 0 else "another server answers"
        log.warning("conn=%s %s: what they hold is asked for again", stream.name, reason)
        what = f"frames of {stream.name}"
        dropped = DataDropped(venue=VENUE, ts_init=time.time_ns(), what=what, count=max(lost, 0))
        self._emit(dropped)
        for name in list(stream.control.channels):
            self._again(stream, name, reason)
        if MARKETS.name in stream.control.channels:  # a status, or a grid
            self._desk.refresh(urgent=True)

    def on_topic_gap(self, stream: PublicStream, channel: Channel, reason: str) -> None:
        """Frames of one topic are missing."""
        log.warning("conn=%s channel=%s %s", stream.name, channel.name, reason)
        if not channel.is_book:
            what = f"frames of {channel.name}"
            self._emit(DataDropped(venue=VENUE, ts_init=time.time_ns(), what=what, count=1))
        if self._carriers.get(channel.name) is stream:
            self._again(stream, channel.name, reason)

    def _again(self, stream: PublicStream, name: str, reason: str) -> None:
        """Have a topic sent again from its snapshot on: a book, or what has a history."""
        book = self._books.get(self._book_names.get(name))
        if book is not None:
            book.invalid(reason)
        elif self._begins_anew(name) and stream.renew(name):
            self._set_back(name)

    def _begins_anew(self, name: str) -> bool:
        if name in self._trades:
            return bool(self._trades[name])  # liquidations alone have no history
        channel = Channel.parse(name)
        return channel is not None and (channel.is_book or channel.kind is ChannelKind.CANDLES)

    async def _compare_books(self) -> None:
        """Compare the books with REST from time to time (DX-B-09)."""
        comparisons: dict[str, Comparison] = {}
        while True:
            await asyncio.sleep(self._compare_books_s)
            for identity in list(self._book_names.values()):
                book = self._books.get(identity)
                if book is None or not book.live:
                    comparisons.pop(identity, None)
                    continue
                try:
                    body = await self.rest.orderbook(book.instrument.symbol)
                    comparison = comparisons.setdefault(identity, Comparison(WRONG_AFTER_S))
                    if book.live and comparison.is_wrong(book, body, time.monotonic()):
                        comparisons.pop(identity)
                        book.invalid("its top differs from REST")
                except UNREADABLE as error:
                    log.warning("book=%s not compared with REST: %s", identity, error)

    # ---- the cold channels --------------------------------------------------------------------

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
        try:
            if topic is None or topic.is_account:
                self._venue_event(channel or "unknown", data, identity or None)
            else:
                if kind != "subscribed" and stream.control.is_renewing(topic.name):
                    return  # what it follows is missing; the snapshot that has both is to come
                for contents in contents_of(orjson.loads(data)):
                    self._take(stream, topic, contents)
        except UNREADABLE as error:
            self.on_frame_problem(stream, error)
            if topic is not None:
                self._set_back(topic.name)  # a bar that misses it is not told as closed

    def _take(self, stream: PublicStream, topic: Channel, contents: Mapping[str, Any]) -> None:
        now_ns = time.time_ns()
        if topic.kind is ChannelKind.CANDLES:
            self._on_candles(topic, contents, now_ns)
        elif topic.kind is ChannelKind.MARKETS:
            problem = partial(self.on_frame_problem, stream)
            for change in self._markets.apply(contents, problem):
                try:
                    self._on_market(change, now_ns)
                except UNREADABLE as error:
                    problem(error)
        elif topic.kind is ChannelKind.BLOCK_HEIGHT:
            self._on_height(*read_height(contents))

    def _on_candles(self, topic: Channel, contents: Mapping[str, Any], now_ns: int) -> None:
        ticker, _, resolution = topic.id.rpartition("/")
        number = self._symbols.find(ticker)
        candles = contents.get("candles")
        if number < 0:
            self._unknown_market(ticker)
            return
        # A snapshot has the newest first, which is the open one.
        rows = [contents] if candles is None else list(reversed(candles))
        for row in rows:
            if not isinstance(row, dict):
                raise DecodeError("a candle is no object")
            flags = 0 if row is rows[-1] else EventFlag.HISTORY
            instrument = self._symbols.instrument(number)
            bar = read_bar(instrument, row, RESOLUTIONS[resolution], now_ns, flags)
            self._dispatch.deliver(EventKind.BAR, number, bar)

    def _on_market(self, change: MarketChange, now_ns: int) -> None:
        if change.is_definition:
            self._defined[change.ticker] = time.monotonic()
            try:
                self._desk.take((parse_market(change.record),), complete=False)
            except UNREADABLE as error:
                self._unreadable_instrument(change.ticker, f"{type(error).__name__}: {error}")
        number = self._symbols.find(change.ticker)
        if number < 0:
            if not change.is_definition:
                self._unknown_market(change.ticker)
            return
        instrument = self._symbols.instrument(number)
        if change.is_price:
            price = read_mark_price(instrument, change.record, now_ns)
            if price is not None:
                self._dispatch.deliver(EventKind.MARK_PRICE, number, price)
        if self._stats.of(number, EVERY_SYMBOL):
            assert isinstance(instrument, Instrument)
            self._on_stats(read_stats(instrument, change.record, now_ns))

    def _on_height(self, height: int, ts_event: int) -> None:
        if self.height is None or height > self.height:  # another node may lag behind (5.5)
            self.height = height
            for callback in self._heights.of(None):
                self._call(callback, height, ts_event)
