"""Local books that follow their channel, and who is shown them.

What makes a book valid or not differs by venue: a chain of numbers, or each message whole.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Hashable, Iterable
from typing import Any, Generic, TypeVar

from .._speedups.book import ChainedBook
from .._speedups.events import EventKind
from ..model import BookState, BookStatus, BookUpdate, Instrument, StatusEvent
from .dispatch import Consumer
from .feeds import show_to_all

__all__ = ["BookCallback", "BookKeeper", "KeptBook"]

log = logging.getLogger("connectors.data")

BookCallback = Callable[[ChainedBook], object]


class KeptBook(ChainedBook):
    """One book and who wants to see it.

    Attributes
    ----------
    key :
        What the keeper calls it.
    snapshots :
        How many were applied.
    """

    def __init__(
        self, keeper: BookKeeper[Any], key: Hashable, instrument: Instrument, number: int
    ) -> None:
        # A crossed book is as wrong as one with a gap: no update is given a second chance.
        super().__init__(instrument, crossed_limit=0)
        self.key = key
        self.number = number
        self.callbacks: tuple[BookCallback, ...] = ()
        self.show: BookCallback | None = None
        self.snapshots = 0
        self.consumers = tuple(
            Consumer(kind, number, self.on_book_update, native=self)
            for kind in (EventKind.BOOK_DELTA, EventKind.BOOK_SNAPSHOT)
        )
        self._keeper = keeper
        self._off_scale = False

    @property
    def is_live(self) -> bool:
        """Whether the book may be trusted."""
        return bool(self.live)

    def on_irregular(self, update: BookUpdate) -> None:
        """Take what the compiled chain did not apply."""
        raise NotImplementedError

    def on_lost(self) -> None:
        """The connection is gone; a snapshot comes with the next one."""
        raise NotImplementedError

    def regrid(self) -> None:
        """The grid is another one: start over, the levels are gone."""
        raise NotImplementedError

    def rescale(self, instrument: Instrument) -> None:
        """Start over on the grid of an instrument that was read again."""
        same = (
            instrument.price_scale == self.instrument.price_scale
            and instrument.size_scale == self.instrument.size_scale
        )
        if same and not self._off_scale:
            return
        self._off_scale = False
        self.reset(instrument)
        self.regrid()


B = TypeVar("B", bound=KeptBook)


class BookKeeper(Generic[B]):
    """All books of one client.

    Parameters
    ----------
    venue :
        For the events.
    emit :
        Receives the status events.
    on_callback_error :
        As for `Dispatch`.
    now : callable
        Monotonic seconds.
    """

    def __init__(
        self,
        venue: str,
        *,
        emit: Callable[[StatusEvent], object],
        on_callback_error: Callable[[BaseException, int, Any], None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._venue = venue
        self._emit = emit
        self._on_callback_error = on_callback_error
        self._books: dict[Hashable, B] = {}
        self.now = now

    def __len__(self) -> int:
        return len(self._books)

    def get(self, key: Hashable) -> B | None:
        """Return a book, None if nobody asked for it."""
        return self._books.get(key)

    def attach(self, book: B, callback: BookCallback) -> None:
        """Show a book to one more callback, at once if it is live."""
        self._books[book.key] = book
        self._show(book, (*book.callbacks, callback))
        if book.live:
            self._shower((callback,))(book)

    def detach(self, book: B, callback: BookCallback) -> bool:
        """Show a book to one callback less; drop it, and return True, when that was the last."""
        others = list(book.callbacks)
        others.remove(callback)
        self._show(book, tuple(others))
        if others:
            return False
        del self._books[book.key]
        book.clear()
        return True

    def _show(self, book: B, callbacks: tuple[BookCallback, ...]) -> None:
        book.callbacks = callbacks
        book.show = book.on_change = self._shower(callbacks)

    def _shower(self, callbacks: tuple[BookCallback, ...]) -> Callable[[ChainedBook], None]:
        return show_to_all(
            callbacks,
            lambda error, book: self._on_callback_error(error, EventKind.BOOK_DELTA, book),
        )

    def on_lost(self, keys: Iterable[Hashable]) -> None:
        """The connection that carried these books is gone."""
        for key in list(keys):  # who is told may end a subscription
            book = self._books.get(key)
            if book is not None:
                book.on_lost()

    def on_instrument(self, instrument: Instrument) -> None:
        """An instrument was read again."""
        for book in list(self._books.values()):
            if book.instrument.id == instrument.id:
                book.rescale(instrument)

    def emit(self, event: StatusEvent) -> None:
        """Tell about something else."""
        self._emit(event)

    def tell(
        self, book: KeptBook, state: BookState, reason: str, last_seq: int | None = None
    ) -> None:
        """Tell about the state of a book."""
        self._emit(
            BookStatus(
                venue=self._venue,
                ts_init=time.time_ns(),
                instrument_id=book.instrument.id,
                state=state,
                last_seq=last_seq,
                reason=reason,
            )
        )
