"""Market data of IBKR: quotes, last trades, ladders, bars, fields.

| method                        | source                  | event         |
|-------------------------------|-------------------------|---------------|
| `subscribe_quotes`            | `smd` 84 85 86 88       | Quote         |
| `subscribe_trades`            | `smd` 31 7059           | Trade         |
| `subscribe_mark_price`        | `smd` 7635              | MarkPrice     |
| `subscribe_market_stats`      | `smd`, any field        | MarketStats   |
| `subscribe_book`              | `sbd`                   | the book      |
| `subscribe_book_deltas`       | `sbd`                   | BookUpdate    |
| `subscribe_book_snapshots`    | `sbd`                   | BookUpdate    |
| `subscribe_candles`           | history over REST       | Bar           |
| `subscribe_instrument_status` | the `H` in front of 31  | see below     |

A halt and its end are an `InstrumentStatus`. Notices and bulletins of the venue are a
`VenueEvent`, as is every frame without an event of its own.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson

from .._speedups.book import ChainedBook
from .._speedups.events import EventKind, InstrumentBase
from .._speedups.ibkr import IbkrDecoder
from ..data.market_client import Listeners
from ..data.snapshot_books import SnapshotBook, SnapshotBooks
from ..errors import ClientError, ConnectorError, PrecisionError
from ..model import (
    Bar,
    Instrument,
    MarketStatus,
    MarkPrice,
    StatusEvent,
    StreamState,
    Subscription,
    SubscriptionStatus,
    VenueEvent,
)
from ..net.clock import NS_PER_S
from ..settings import config_from
from .books import LADDER_ROWS, Depth, Ladder, make_update
from .catalog import ContractCatalog
from .channels import INTERVALS, LEVEL_1, SOURCES, Channel
from .config import VENUE, Config
from .control import Asked
from .feeds import MarketFeeds, StatsCallback
from .history import BarSeries, read_history
from .keeper import SessionKeeper
from .market import Code, MarketLine, MarketStats
from .stream import TopicStream
from .topics import Detail, decode
from .wire import Message

__all__ = ["DataClient"]

log = logging.getLogger("connectors.ibkr")

OPEN_TIMEOUT_S = 60.0
RETRY_BARS_S = 10.0
# Half of the first, and the longest pause between readings because of prices off the grid; ladders,
# which are not shown until then, wait for the half.
REREAD_PAUSE_S, REREAD_MAX_S = 300.0, 6 * 3_600.0
UPDATE_BARS_S = 5.0
RANK = 1  # after accounts: orders matter more than prices when all is asked for again
QUOTED = frozenset(LEVEL_1) - {Code.LAST, Code.AVAILABILITY}
_NAMED = frozenset({Detail.NOTIFICATION, Detail.PROMPT, Detail.BULLETIN, Detail.EXERCISE,
                    Detail.UNKNOWN})  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Gateway:
    """How a client is called in texts."""

    environment: str


class _Shared:
    """The session, as what is closed with a client."""

    def __init__(self, keeper: SessionKeeper) -> None:
        self._keeper = keeper
        self.is_open = False

    async def open(self) -> None:
        if not self.is_open:
            await self._keeper.open(timeout_s=OPEN_TIMEOUT_S)
            self.is_open = True

    async def close(self) -> None:
        was_open, self.is_open = self.is_open, False
        if was_open:
            await self._keeper.close()


class DataClient(MarketFeeds):
    """Streams market data of contracts.

    ::

        async with DataClient(symbols=("AAPL", "ES")) as data:
            data.subscribe_quotes("AAPL", on_quote)
            async for trade in data.trades("AAPL"):
                ...

    Parameters
    ----------
    config :
        Settings; or give them by name.
    symbols :
        Contracts to look up at the start: symbols of stocks, conids, `ES-261218`. The venue has no
        list of all; others can be added with `add_instruments`.
    on_status :
        Receives every `StatusEvent`: the session, subscriptions, books, halts, errors.
    on_venue_event :
        Receives a `VenueEvent` for each frame that has no event of its own.
    instruments :
        In place of, or besides, those that are looked up.
    instrument_refresh_s :
        Time between readings of the definitions; 0: only when a frame shows that it is needed.
    keeper :
        The session to share with other clients of the same login; by default one of its own.

    Notes
    -----
    All methods belong to one event loop. A login has one session: give clients of the same login
    the same `keeper`.
    """

    def __init__(
        self,
        config: Config | None = None,
        *,
        symbols: Iterable[str | int] = (),
        on_status: Callable[[StatusEvent], object] | None = None,
        on_venue_event: Callable[[VenueEvent], object] | None = None,
        instruments: Iterable[Instrument] = (),
        instrument_refresh_s: float = 0.0,
        keeper: SessionKeeper | None = None,
        **settings: Any,
    ) -> None:
        if keeper is not None and config is None and not settings:
            config = keeper.config
        self.config = config_from(Config, config, settings)
        self.keeper = keeper if keeper is not None else SessionKeeper(self.config)
        self._session = _Shared(self.keeper)
        super().__init__(
            VENUE,
            _Gateway(self.config.base_url),
            self._session,
            on_status=on_status,
            on_venue_event=on_venue_event,
            instruments=(),
            instrument_refresh_s=instrument_refresh_s,
            max_channels=self.config.lines_max,
        )
        self._catalog = ContractCatalog(names=symbols, instruments=instruments)
        self._decoder = IbkrDecoder(
            self._symbols,
            self._dispatch.router,
            on_cold=self.keeper.on_frame,
            on_fields=self._on_fields,
            on_line=self._on_line,
            on_halted=self._on_halted,
            on_empty_side=self._on_empty_side,
            on_problem=self._on_problem,
            on_off_scale=self._on_off_scale,
        )
        self.keeper.use_decoder(lambda _: self._decoder)
        self._books = SnapshotBooks(VENUE, emit=self._emit, on_callback_error=self._callback_failed)
        self._fields: Listeners[int] = Listeners()
        self._fresh = Listeners()
        self._lines: dict[int, MarketLine] = {}  # by dense number
        # By whether a ladder was refused: the last reading because of it, and the pause behind it.
        self._rereads = dict.fromkeys((False, True), (float("-inf"), REREAD_PAUSE_S))
        self._line_names: dict[int, set[str]] = {}
        self._depths: dict[str, tuple[Instrument, Ladder]] = {}  # by topic

    # ---- looking ------------------------------------------------------------------------------

    def book(self, instrument: Instrument | str, *, exchange: str | None = None) -> (
        ChainedBook | None
    ):  # fmt: skip
        """Return a subscribed ladder while it can be trusted, else None."""
        found = self._books.get(self._depth_channel(self.instrument(instrument), exchange).topic)
        return found if found is not None and found.live else None

    def age_s(self, instrument: Instrument | str) -> float | None:
        """Return how long ago the last frame of a contract's line came, None before the first.

        The venue ends streams without a word; they are renewed in time, and this shows it (F-01).
        """
        last_ns = self._decoder.line_age(self._number(self.instrument(instrument)))
        return (time.time_ns() - last_ns) / NS_PER_S if last_ns else None

    @property
    def decoder(self) -> IbkrDecoder:
        """What reads the lines, for its counters."""
        return self._decoder

    # ---- instruments --------------------------------------------------------------------------

    async def connect(self) -> None:
        """Open the session, look the contracts up and begin to serve subscriptions.

        Raises
        ------
        TransportError, AuthenticationError, VenueError
            The gateway or the venue could not be asked; nothing is left open.
        AmbiguousContract
            A symbol means several contracts; the text lists them.
        """
        try:
            await super().connect()
        except BaseException:
            await self._session.close()
            raise

    async def add_instruments(self, *names: str | int) -> list[Instrument]:
        """Look more contracts up, and know them from now on."""
        if not self._open:
            raise ClientError("the client is not connected: use `async with` or `connect()`")
        found = await self._catalog.find(*names)
        self._desk.take(self._catalog.instruments)
        return found

    async def _prepare(self) -> None:
        if not self.keeper.is_open:
            self.keeper.use_decoder(lambda _: self._decoder)
        elif self.keeper.decoder is not self._decoder:
            raise ClientError("the frames of this session are another DataClient's: use that one")
        await self._session.open()
        self._catalog.use(self.keeper.rest)

    async def _load(self) -> Iterable[Instrument]:
        return await self._catalog.load()

    def _on_instrument(self, instrument: Instrument) -> None:
        self._symbols.add(instrument)
        self._books.on_instrument(instrument)

    def _number(self, instrument: Instrument) -> int:
        number: int = self._symbols.find(instrument.symbol)
        return number

    # ---- life ---------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._opened(
            TopicStream(
                self,
                "ibkr/market",
                self.keeper,
                rank=RANK,
                on_message=self._on_message,
                on_asked=self._on_asked,
            )
        )

    def _stream_for(self, name: str) -> TopicStream:
        return self._streams[0]

    # ---- what MarketFeeds needs ---------------------------------------------------------------

    def _depth_channel(self, instrument: Instrument, exchange: str | None) -> Channel:
        return Channel.depth(self.keeper.account, instrument.symbol, exchange)

    def _add_book(
        self, instrument: Instrument, channel: Channel, callback: Callable[[ChainedBook], object]
    ) -> Subscription:
        subscription = self._make(f"book {instrument.id}", (channel.name,))
        book = self._books.get(channel.topic)
        if book is None:
            number = self._number(instrument)
            book = SnapshotBook(self._books, channel.topic, instrument, number, LADDER_ROWS)
            for consumer in book.consumers:
                self._dispatch.add(consumer)
        self._books.attach(book, callback)
        self._at_end(subscription, partial(self._drop_book, book, callback))
        self._want(subscription)
        return subscription

    def _drop_book(self, book: SnapshotBook, callback: Callable[[ChainedBook], object]) -> None:
        if self._books.detach(book, callback):
            for consumer in book.consumers:
                self._dispatch.remove(consumer)

    def _add_stats(
        self, instrument: Instrument, codes: tuple[str, ...], callback: StatsCallback
    ) -> Subscription:
        channel = Channel.market_data(instrument.symbol, dict.fromkeys((*LEVEL_1, *codes)))
        number = self._number(instrument)
        label = f"market stats {instrument.id}"
        return self._listen(label, (channel,), self._fields, number, callback)

    def _add_bars_of(
        self,
        instrument: Instrument,
        interval: str,
        source: str,
        callback: Callable[[Bar], object],
        *,
        closed_only: bool,
        outside_rth: bool,
    ) -> Subscription:
        for value, known in ((interval, INTERVALS), (source, SOURCES)):
            if value not in known:
                raise ClientError(f"no bars of {value!r}: one of {', '.join(known)}")
        asked = INTERVALS[interval]
        series = BarSeries(asked.seconds, partial(self._call, callback), closed_only=closed_only)
        label = f"candles {interval} {instrument.id}"
        subscription = self._make(label, ())
        ask = partial(
            self.keeper.rest.history,
            int(instrument.symbol),
            period=asked.period,
            bar=asked.bar,
            outside_rth=outside_rth,
            source=SOURCES[source],
        )
        every_s = None if closed_only else UPDATE_BARS_S
        task = self._tasks.spawn(
            self._follow_bars(series, instrument.id, ask, subscription, every_s), label
        )
        self._at_end(subscription, task.cancel)
        self._want(subscription)
        subscription.advance(StreamState.PENDING)
        return subscription

    async def _follow_bars(
        self,
        series: BarSeries,
        name: str,
        ask: Callable[[], Any],
        subscription: Subscription,
        every_s: float | None,
    ) -> None:
        """Ask at the end of each bar, for as long as the subscription lasts."""
        while True:
            try:
                history = read_history(await ask())
            except ConnectorError as error:
                self._error(f"bars of {name} could not be read: {error}", error=error)
                await asyncio.sleep(RETRY_BARS_S)
                continue
            off_grid = series.off_grid
            series.take(history, self.instrument(name), time.time_ns())
            if history.bad or series.off_grid > off_grid:
                bad = history.bad + series.off_grid - off_grid
                self._error(f"{bad} bars of {name} could not be read, or lie off the grid")
            subscription.advance(StreamState.ACTIVE)
            due_s = series.due_in_s(time.time_ns())
            await asyncio.sleep(due_s if every_s is None else min(due_s, every_s))

    # ---- lines --------------------------------------------------------------------------------

    def _assigned(self, name: str, stream: TopicStream) -> None:
        number = self._line_of(name)
        if number is not None:
            names = self._line_names.setdefault(number, set())
            if not names:
                self._lines[number] = MarketLine()
                factor = self.config.size_factor(self._symbols.symbol(number))
                self._decoder.open_line(number, want_fields=True, size_factor=factor)
            names.add(name)
        elif name.startswith("sbd+"):
            topic = Channel(name).topic
            conid = topic.split("+")[2]
            self._depths[topic] = self.instrument(conid), Ladder()

    def _released(self, name: str, stream: TopicStream) -> None:
        number = self._line_of(name)
        if number is not None:
            names = self._line_names[number]
            names.discard(name)
            if not names:
                del self._line_names[number], self._lines[number]
                self._decoder.close_line(number)
        else:
            self._depths.pop(Channel(name).topic, None)

    def _line_of(self, name: str) -> int | None:
        if not name.startswith("smd+"):
            return None
        number: int = self._symbols.find(Channel(name).line)
        return number

    def _on_asked(self, topic: str, why: Asked) -> None:
        """A topic is being asked for: its first frame tells all, and shows that it is served."""
        name, _, line = topic.partition("+")
        number = self._symbols.find(line) if name == "smd" else -1
        if number not in self._lines:
            return
        if why in (Asked.FIRST, Asked.AFTER_GAP):
            self._decoder.clear_line(number)
            self._lines[number].clear()
        for call in self._fresh.of(number):
            call()
        self._decoder.await_line(number)

    def _on_line(self, number: int) -> None:
        self._streams[0].heard(f"smd+{self._symbols.symbol(number)}")

    def _interrupted(self, stream: TopicStream) -> None:
        self._decoder.clear_lines()
        for line in self._lines.values():
            line.clear()
        for _, ladder in self._depths.values():
            ladder.clear()
        self._books.on_lost(list(self._depths))

    # ---- what comes in ------------------------------------------------------------------------

    def _on_problem(self, error: Exception, data: bytes) -> None:
        self.on_frame_problem(self._streams[0], error)

    def _on_off_scale(self, instrument: InstrumentBase, *, is_ladder: bool = False) -> None:
        """A price is off the grid: legal for mid-point trades (V-07), or the increments changed."""
        now_s = time.monotonic()
        last_s, pause_s = self._rereads[is_ladder]
        if now_s - last_s >= pause_s:
            longer_s = pause_s if is_ladder else min(2 * pause_s, REREAD_MAX_S)
            self._rereads[is_ladder] = now_s, longer_s
            self._off_scale(instrument)

    def _on_halted(self, instrument: InstrumentBase, halted: bool) -> None:
        status = MarketStatus.PAUSED if halted else MarketStatus.TRADING
        change = self._desk.catalog.set_status(instrument.symbol, status, "H" if halted else "")
        if change is not None:
            self._desk.tell(change)

    def _on_fields(self, number: int, data: bytes, ts_init: int) -> None:
        """Take the fields of a frame that are no quotes and trades."""
        line = self._lines.get(number)
        if line is None:
            return
        payload = {code: it for code, it in orjson.loads(data).items() if code not in QUOTED}
        instrument = self._symbols.instrument(number)
        assert isinstance(instrument, Instrument)
        change = line.apply(payload)
        if Code.LAST in change.codes:  # also after a gap, in which a halt may have ended
            self._on_halted(instrument, line.halted)
        line.last = None  # of 31 only the marks are told here: it would soon be an old price
        ts_event = line.ts_event or ts_init
        if Code.MARK in change.codes and (mark := line.number(Code.MARK)) is not None:
            event = MarkPrice(instrument, mark=mark, ts_event=ts_event, ts_init=ts_init)
            self._dispatch.deliver(EventKind.MARK_PRICE, number, event)
        if change.refused:
            self._tell_refused(instrument, line)
        if change.codes:
            stats = MarketStats(instrument, change.codes, line, ts_event, ts_init)
            for callback in self._fields.of(number):
                self._call(callback, stats)

    def _tell_refused(self, instrument: Instrument, line: MarketLine) -> None:
        words = ", ".join(line.availability.words)
        log.warning("instrument=%s no market data: %s", instrument.id, words)
        self._emit(
            SubscriptionStatus(
                venue=VENUE,
                ts_init=time.time_ns(),
                stream=f"smd+{instrument.symbol}",
                state=StreamState.PENDING,
                code=line.availability.code,
                message=f"no market data for {instrument.id}: {words}",
            )
        )

    def _on_message(self, message: Message, ts_init: int) -> None:
        topic = decode(message)
        if topic.detail is Detail.DEPTH:
            self._take_depth(message.topic, topic.value, ts_init)
        elif topic.detail in _NAMED:
            self._venue_event(topic.detail, orjson.dumps(topic.payload), message.topic or None)

    def _take_depth(self, topic: str, depth: Depth, ts_init: int) -> None:
        known = self._depths.get(topic)
        if known is None:
            return  # cancelled, and on its way
        instrument, ladder = self.instrument(known[0]), known[1]
        if depth.bad:
            self._error(f"{depth.bad} rows of the ladder of {instrument.id} could not be read")
        try:
            rows, number = ladder.take(depth), ladder.number(ts_init)
            update = make_update(rows, instrument, number=number, ts_init=ts_init)
        except PrecisionError as error:
            self._error(f"a ladder of {instrument.id} is refused: {error}", error=error)
            if (book := self._books.get(topic)) is not None:
                book.refuse(f"a ladder is refused: {error}")
            self._on_off_scale(instrument, is_ladder=True)
            return
        self._dispatch.deliver(EventKind.BOOK_SNAPSHOT, self._number(instrument), update)
