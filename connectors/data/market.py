"""What the data clients of every venue are asked for with the same words, and iterating over it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from .._speedups.book import BookSide, ChainedBook
from .._speedups.events import EventFlag, EventKind
from ..model import (
    Bar,
    BookUpdate,
    DataDropped,
    EventFeed,
    IndexPrice,
    Instrument,
    InstrumentStatus,
    Liquidation,
    MarkPrice,
    Quote,
    Subscription,
    Ticker,
    Trade,
)
from ..net.stream import Overflow
from .dispatch import Consumer
from .feeds import check_callback, iterate

__all__ = ["MarketData", "best_levels", "book_snapshot", "index_price_of"]


class MarketData(ABC):
    """Subscriptions by callback, and their twins that are iterated over.

    Callbacks are plain functions, called on the socket's stack before the next message is read.
    `instrument` is our id, the venue's symbol or an `Instrument`; None, where a venue takes it,
    means the whole market. The twins have `capacity` events of buffer and a policy for when it is
    full; their `options` are those of the venue's `subscribe_*`.
    """

    # ---- what a venue says --------------------------------------------------------------------

    @abstractmethod
    def instrument(self, instrument: Instrument | str) -> Instrument:
        """Return the current definition of an instrument."""

    @abstractmethod
    def subscribe_quotes(
        self, instrument: Instrument | str, callback: Callable[[Quote], object]
    ) -> Subscription:
        """Deliver best bid and ask."""

    @abstractmethod
    def subscribe_trades(
        self, instrument: Instrument | str, callback: Callable[[Trade], object]
    ) -> Subscription:
        """Deliver trades."""

    @abstractmethod
    def subscribe_liquidations(
        self, instrument: Instrument | str | None, callback: Callable[[Liquidation], object]
    ) -> Subscription:
        """Deliver liquidations."""

    @abstractmethod
    def subscribe_book_deltas(
        self, instrument: Instrument | str, callback: Callable[[BookUpdate], object]
    ) -> Subscription:
        """Deliver a book's updates."""

    @abstractmethod
    def subscribe_book_snapshots(
        self,
        instrument: Instrument | str,
        callback: Callable[[BookUpdate], object],
        *,
        levels: int = 20,
    ) -> Subscription:
        """Deliver the best levels."""

    @abstractmethod
    def subscribe_candles(
        self,
        instrument: Instrument | str,
        interval: str,
        callback: Callable[[Bar], object],
        *,
        closed_only: bool = True,
        source: str = "trade",
    ) -> Subscription:
        """Deliver bars."""

    @abstractmethod
    def subscribe_mark_price(
        self, instrument: Instrument | str | None, callback: Callable[[MarkPrice], object]
    ) -> Subscription:
        """Deliver mark prices."""

    @abstractmethod
    def subscribe_index_price(
        self, instrument: Instrument | str, callback: Callable[[IndexPrice], object]
    ) -> Subscription:
        """Deliver index prices."""

    @abstractmethod
    def subscribe_tickers(
        self, instrument: Instrument | str | None, callback: Callable[[Ticker], object]
    ) -> Subscription:
        """Deliver statistics of the day."""

    @abstractmethod
    def _number(self, instrument: Instrument) -> int:
        """Return the dense number of an instrument."""

    @abstractmethod
    def _add_status(
        self, instrument: Instrument | None, callback: Callable[[InstrumentStatus], object]
    ) -> Subscription:
        """Begin to tell about trading statuses."""

    @abstractmethod
    def _dropped_marker(self, what: str) -> Callable[[int], DataDropped]:
        """Return what makes the item that stands where events are missing."""

    # ---- the same everywhere ------------------------------------------------------------------

    def subscribe_instrument_status(
        self, instrument: Instrument | str | None, callback: Callable[[InstrumentStatus], object]
    ) -> Subscription:
        """Tell when an instrument's trading status changes; silent about the first load."""
        check_callback(callback)
        found = None if instrument is None else self.instrument(instrument)
        return self._add_status(found, callback)

    def _numbered(self, instrument: Instrument | str) -> tuple[Instrument, int]:
        """Return the instrument and its dense number."""
        found = self.instrument(instrument)
        return found, self._number(found)

    @staticmethod
    def _consumer(kind: EventKind, number: int, callback: Callable[[Any], object]) -> Consumer:
        check_callback(callback)
        return Consumer(kind, number, callback)

    # ---- iterated over ------------------------------------------------------------------------

    def quotes(
        self,
        instrument: Instrument | str,
        *,
        capacity: int = 4096,
        overflow: Overflow = Overflow.DROP_OLDEST,
        **options: Any,
    ) -> EventFeed[Quote]:
        """Iterate over `subscribe_quotes`."""
        return iterate(self.subscribe_quotes, capacity, overflow, instrument, **options)

    def trades(
        self,
        instrument: Instrument | str,
        *,
        capacity: int = 4096,
        overflow: Overflow = Overflow.DROP_OLDEST,
        **options: Any,
    ) -> EventFeed[Trade]:
        """Iterate over `subscribe_trades`."""
        return iterate(self.subscribe_trades, capacity, overflow, instrument, **options)

    def book_deltas(
        self,
        instrument: Instrument | str,
        *,
        capacity: int = 4096,
        overflow: Overflow = Overflow.DROP_OLDEST,
        **options: Any,
    ) -> EventFeed[BookUpdate | DataDropped]:
        """Iterate over `subscribe_book_deltas`; a `DataDropped` stands where some are missing."""
        marker = self._dropped_marker(f"book deltas {self.instrument(instrument).id}")
        return iterate(
            self.subscribe_book_deltas,
            capacity,
            overflow,
            instrument,
            gap_marker=marker,
            **options,
        )

    def book_snapshots(
        self,
        instrument: Instrument | str,
        *,
        capacity: int = 1024,
        overflow: Overflow = Overflow.DROP_OLDEST,
        **options: Any,
    ) -> EventFeed[BookUpdate]:
        """Iterate over `subscribe_book_snapshots`."""
        return iterate(self.subscribe_book_snapshots, capacity, overflow, instrument, **options)

    def candles(
        self,
        instrument: Instrument | str,
        interval: str,
        *,
        capacity: int = 1024,
        overflow: Overflow = Overflow.DROP_OLDEST,
        **options: Any,
    ) -> EventFeed[Bar]:
        """Iterate over `subscribe_candles`."""
        return iterate(self.subscribe_candles, capacity, overflow, instrument, interval, **options)

    def mark_prices(
        self,
        instrument: Instrument | str | None,
        *,
        capacity: int = 1024,
        overflow: Overflow = Overflow.DROP_OLDEST,
        **options: Any,
    ) -> EventFeed[MarkPrice]:
        """Iterate over `subscribe_mark_price`."""
        return iterate(self.subscribe_mark_price, capacity, overflow, instrument, **options)

    def index_prices(
        self,
        instrument: Instrument | str,
        *,
        capacity: int = 1024,
        overflow: Overflow = Overflow.DROP_OLDEST,
        **options: Any,
    ) -> EventFeed[IndexPrice]:
        """Iterate over `subscribe_index_price`."""
        return iterate(self.subscribe_index_price, capacity, overflow, instrument, **options)

    def liquidations(
        self,
        instrument: Instrument | str | None = None,
        *,
        capacity: int = 1024,
        overflow: Overflow = Overflow.DROP_OLDEST,
        **options: Any,
    ) -> EventFeed[Liquidation]:
        """Iterate over `subscribe_liquidations`."""
        return iterate(self.subscribe_liquidations, capacity, overflow, instrument, **options)

    def tickers(
        self,
        instrument: Instrument | str | None,
        *,
        capacity: int = 4096,
        overflow: Overflow = Overflow.DROP_OLDEST,
        **options: Any,
    ) -> EventFeed[Ticker]:
        """Iterate over `subscribe_tickers`."""
        return iterate(self.subscribe_tickers, capacity, overflow, instrument, **options)


def index_price_of(callback: Callable[[IndexPrice], object]) -> Callable[[MarkPrice], None]:
    """Return what takes mark prices and delivers the index prices in them."""
    check_callback(callback)

    def from_mark(event: MarkPrice) -> None:
        if event.index is not None:
            callback(
                IndexPrice(
                    event.instrument,
                    index=event.index,
                    ts_event=event.ts_event,
                    ts_init=event.ts_init,
                )
            )

    return from_mark


def book_snapshot(book: ChainedBook, levels: int | None) -> BookUpdate:
    """Return the best levels of a book as an event."""
    return BookUpdate(
        book.instrument,
        book.levels(BookSide.BID, levels),
        book.levels(BookSide.ASK, levels),
        is_snapshot=True,
        first_seq=book.last_seq,
        last_seq=book.last_seq,
        ts_event=book.ts_event,
        ts_init=book.ts_init,
        flags=0 if levels is None else EventFlag.PARTIAL,
    )


def best_levels(snapshot: BookUpdate, levels: int) -> BookUpdate:
    """Return the best levels of a snapshot as an event."""
    return BookUpdate(
        snapshot.instrument,
        snapshot.bids[:levels],
        snapshot.asks[:levels],
        is_snapshot=True,
        first_seq=snapshot.first_seq,
        last_seq=snapshot.last_seq,
        ts_event=snapshot.ts_event,
        ts_init=snapshot.ts_init,
        flags=snapshot.flags | EventFlag.PARTIAL,
    )
