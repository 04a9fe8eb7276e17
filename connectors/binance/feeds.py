"""What a data client can be asked for; how it gets it is in `data`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

from .._speedups.book import ChainedBook
from .._speedups.events import EventFlag, EventKind
from ..data.dispatch import EVERY_SYMBOL, Consumer
from ..data.feeds import check_callback, iterate
from ..data.market import index_price_of
from ..data.market_client import MarketClient
from ..errors import ClientError, Unsupported
from ..model import (
    Bar,
    BookUpdate,
    EventFeed,
    IndexPrice,
    Instrument,
    InstrumentKind,
    Liquidation,
    MarkPrice,
    Quote,
    Subscription,
    Ticker,
    Trade,
)
from ..net.stream import Overflow
from .config import Product
from .plans import BarFilter, bar_plan, depth_stream

__all__ = ["MarketFeeds"]


class MarketFeeds(MarketClient):
    """The subscriptions and iterations of `DataClient`.

    What holds on every venue stands with `MarketData`. `instrument` is our id (`BTCUSDT-PERP`), the
    venue's symbol or an `Instrument`.

    All raise `ClientError` for an instrument that is not known, a wrong argument, or a pool
    without room, and `Unsupported` for what the venue does not offer.
    """

    # ---- what the client provides -------------------------------------------------------------

    @property
    @abstractmethod
    def product(self) -> Product:
        """The product served."""

    @abstractmethod
    def _number(self, instrument: Instrument, wire_name: str | None = None) -> int:
        """Return the dense number of an instrument, or of a name that stands for it."""

    @abstractmethod
    def _add(self, label: str, stream: str, consumer: Consumer) -> Subscription:
        """Begin to deliver a stream."""

    @abstractmethod
    def _add_book(
        self,
        instrument: Instrument,
        stream: str,
        callback: Callable[[ChainedBook], object],
        priority: int,
    ) -> Subscription:
        """Begin to keep a book."""

    @abstractmethod
    def _set_depth_kind(self, instrument: Instrument, kind: str) -> None:
        """Say what depth messages of an instrument are (BN-F-06)."""

    # ---- quotes and trades --------------------------------------------------------------------

    def subscribe_quotes(
        self, instrument: Instrument | str | None, callback: Callable[[Quote], object]
    ) -> Subscription:
        """Deliver the best bid and ask whenever one changes; for all symbols every 5 s."""
        label, stream, number = self._target("quotes", instrument, "bookTicker", "!bookTicker")
        return self._add(label, stream, self._consumer(EventKind.QUOTE, number, callback))

    def subscribe_trades(
        self,
        instrument: Instrument | str,
        callback: Callable[[Trade], object],
        *,
        aggregate: bool = True,
        include_non_market: bool = False,
    ) -> Subscription:
        """Deliver trades: fills of one taker order at one price together, or each by itself.

        Single trades (`aggregate=False`) come from a stream the venue does not document. Those
        it made itself (insurance fund, ADL) are left out without `include_non_market` (BN-F-07).
        """
        channel = "aggTrade" if aggregate else "trade"
        label, stream, number = self._target("trades", instrument, channel)
        wanted = EventFlag.AGGREGATE if aggregate else 0
        mask = (
            EventFlag.AGGREGATE
            if include_non_market
            else (EventFlag.AGGREGATE | EventFlag.NOT_MARKET)
        )
        consumer = self._consumer(EventKind.TRADE, number, callback)
        consumer.wants = lambda trade: trade.flags & mask == wanted
        consumer.optional_filter = aggregate
        return self._add(label, stream, consumer)

    # ---- books --------------------------------------------------------------------------------

    def subscribe_book(
        self,
        instrument: Instrument | str,
        callback: Callable[[ChainedBook], object],
        *,
        speed_ms: int | None = None,
        priority: int = 100,
    ) -> Subscription:
        """Keep a local book and show it after each change, only while it can be trusted.

        The book is brought in step with a REST snapshot; a gap, a lost connection or a changed
        grid makes it invalid at once (`BookGap`, `BookStatus`) until it is in step again. Books
        of a lower `priority` get their snapshots first. The callback gets the book itself: read
        it there, keep it if you like, and look at `live` before you use it elsewhere.
        """
        found = self.instrument(instrument)
        check_callback(callback)
        stream = depth_stream(found.symbol, "diff", speed_ms)
        self._set_depth_kind(found, "diff")
        return self._add_book(found, stream, callback, priority)

    def subscribe_book_deltas(
        self,
        instrument: Instrument | str,
        callback: Callable[[BookUpdate], object],
        *,
        speed_ms: int | None = None,
    ) -> Subscription:
        """Deliver the changes of the book as they come; the chain is the caller's to check."""
        found = self.instrument(instrument)
        stream = depth_stream(found.symbol, "diff", speed_ms)
        self._set_depth_kind(found, "diff")
        consumer = self._consumer(EventKind.BOOK_DELTA, self._number(found), callback)
        return self._add(f"book deltas {found.id}", stream, consumer)

    def subscribe_book_snapshots(
        self,
        instrument: Instrument | str,
        callback: Callable[[BookUpdate], object],
        *,
        levels: int = 20,
        speed_ms: int | None = None,
        rpi: bool = False,
    ) -> Subscription:
        """Deliver the best 5, 10 or 20 levels, all of them each time; older ones are dropped.

        With `rpi` deliver the changes of the book that includes retail price improvement orders
        instead (USD-M only); `levels` does not count then.
        """
        found = self.instrument(instrument)
        if rpi and self.product is not Product.USDM:
            raise Unsupported("RPI depth exists on USD-M only")
        kind = "rpi" if rpi else "partial"
        stream = depth_stream(found.symbol, kind, speed_ms, levels)
        self._set_depth_kind(found, kind)
        event = EventKind.BOOK_DELTA if rpi else EventKind.BOOK_SNAPSHOT
        consumer = self._consumer(event, self._number(found), callback)
        if not rpi:
            consumer.wants = _NotOlder()
        return self._add(f"book snapshots {found.id}", stream, consumer)

    # ---- bars ---------------------------------------------------------------------------------

    def subscribe_candles(
        self,
        instrument: Instrument | str,
        interval: str,
        callback: Callable[[Bar], object],
        *,
        closed_only: bool = True,
        source: str = "trade",
        contract: str | None = None,
    ) -> Subscription:
        """Deliver bars: each closed one once, or with `closed_only=False` every update too.

        `source` is "trade", or on COIN-M "mark" or "index"; `contract` asks for a continuous
        contract on the instrument's pair ("perpetual", "current_quarter", "next_quarter").
        """
        found = self.instrument(instrument)
        plan = bar_plan(self.product, found, interval, source, contract)
        number = self._number(found, plan.wire_name)
        consumer = self._consumer(EventKind.BAR, number, callback)
        consumer.wants = BarFilter(plan, closed_only=closed_only)
        return self._add(f"candles {interval} {found.id}", plan.stream, consumer)

    # ---- prices -------------------------------------------------------------------------------

    def subscribe_mark_price(
        self,
        instrument: Instrument | str | None,
        callback: Callable[[MarkPrice], object],
        *,
        every_s: int = 1,
    ) -> Subscription:
        """Deliver mark price, index price and funding rate every second, or every 3."""
        label, stream, number = self._target(
            "mark price", instrument, "markPrice", "!markPrice@arr", _speed(every_s)
        )
        return self._add(label, stream, self._consumer(EventKind.MARK_PRICE, number, callback))

    def subscribe_index_price(
        self,
        instrument: Instrument | str,
        callback: Callable[[IndexPrice], object],
        *,
        every_s: int = 1,
    ) -> Subscription:
        """Deliver the index price under a contract, or on COIN-M that of a pair (`BTCUSD`)."""
        found = self.instrument(instrument)
        if found.kind is InstrumentKind.INDEX:
            stream = f"{found.symbol.lower()}@indexPrice{_speed(every_s)}"
            consumer = self._consumer(EventKind.INDEX_PRICE, self._number(found), callback)
            return self._add(f"index price {found.id}", stream, consumer)

        stream = f"{found.symbol.lower()}@markPrice{_speed(every_s)}"
        consumer = Consumer(EventKind.MARK_PRICE, self._number(found), index_price_of(callback))
        return self._add(f"index price {found.id}", stream, consumer)

    def subscribe_liquidations(
        self, instrument: Instrument | str | None, callback: Callable[[Liquidation], object]
    ) -> Subscription:
        """Deliver liquidation orders, at most one per symbol and second.

        While somebody listens to all of them the streams of single symbols are suspended, so
        that nothing comes twice; their callbacks go on being called (BN-MD-15).
        """
        label, stream, number = self._target(
            "liquidations", instrument, "forceOrder", "!forceOrder@arr"
        )
        return self._add(label, stream, self._consumer(EventKind.LIQUIDATION, number, callback))

    def subscribe_tickers(
        self,
        instrument: Instrument | str | None,
        callback: Callable[[Ticker], object],
        *,
        mini: bool = False,
    ) -> Subscription:
        """Deliver 24-hour statistics (a rolling window), with `mini` only the main ones."""
        channel = "miniTicker" if mini else "ticker"
        label, stream, number = self._target("tickers", instrument, channel, f"!{channel}@arr")
        consumer = self._consumer(EventKind.TICKER, number, callback)
        wanted = EventFlag.MINI if mini else 0
        consumer.wants = lambda ticker: ticker.flags & EventFlag.MINI == wanted
        consumer.optional_filter = True
        return self._add(label, stream, consumer)

    # ---- iterated over ------------------------------------------------------------------------

    def quotes(
        self,
        instrument: Instrument | str | None,
        *,
        capacity: int = 4096,
        overflow: Overflow = Overflow.DROP_OLDEST,
        **options: Any,
    ) -> EventFeed[Quote]:
        """Iterate over `subscribe_quotes`."""
        return iterate(self.subscribe_quotes, capacity, overflow, instrument, **options)

    # ---- helpers ------------------------------------------------------------------------------

    def _target(
        self,
        what: str,
        instrument: Instrument | str | None,
        channel: str,
        market_wide: str | None = None,
        speed: str = "",
    ) -> tuple[str, str, int]:
        """Return label, stream name and symbol number."""
        if instrument is None:
            if market_wide is None:
                raise Unsupported(f"{what} of the whole market are not streamed")
            if self.product is Product.COINM and market_wide.startswith("!markPrice"):
                raise Unsupported("COIN-M streams mark prices by symbol only")
            return f"{what} of all", market_wide + speed, EVERY_SYMBOL
        found = self.instrument(instrument)
        if found.kind is InstrumentKind.INDEX:
            raise Unsupported(f"{found.id} is an index: it has no {what}")
        return (
            f"{what} {found.id}",
            f"{found.symbol.lower()}@{channel}{speed}",
            self._number(found),
        )


class _NotOlder:
    """Drops a snapshot older than the last one (BN-B-22)."""

    __slots__ = ("_seq", "_ts")

    def __init__(self) -> None:
        self._seq = -1
        self._ts = -1

    def __call__(self, update: BookUpdate) -> bool:
        # By both: a venue that starts its numbers again must not silence the stream.
        if update.last_seq < self._seq and update.ts_event <= self._ts:
            return False
        self._seq, self._ts = update.last_seq, update.ts_event
        return True


def _speed(every_s: int) -> str:
    if every_s not in (1, 3):
        raise ClientError(f"prices come every 1 or 3 seconds, not every {every_s}")
    return "@1s" if every_s == 1 else ""
