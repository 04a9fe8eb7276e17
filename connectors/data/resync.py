"""Local order books that begin with a snapshot of the stream, which can be asked for again.

The book comes with the stream: a snapshot of all of it, then changes. What does not follow makes
the book invalid at once and asks for a new snapshot, which the venue only sends after an
unsubscribe; one such resync at a time. What follows is for the compiled book to say: a chain of
numbers (`ChainedBook`), or growing ones (`UncrossedBook`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from .._speedups.events import EventFlag
from ..errors import ConnectorError
from ..model import BookGap, BookState, BookUpdate, Instrument, StatusEvent
from .books import BookCallback, BookKeeper, KeptBook
from .dispatch import Dispatch

__all__ = ["ResyncedBook", "ResyncedBooks"]

log = logging.getLogger("connectors.data")

# A book that breaks again so soon after its snapshot waits before it asks for the next.
RELAPSE_S = 5.0
FIRST_WAIT_S = 0.25
LONGEST_WAIT_S = 10.0

# A replay is short. So many old updates without a new one: the venue counts from lower numbers now.
MOST_REPEATS = 20


class ResyncedBook(KeptBook):
    """One book.

    Attributes
    ----------
    dropped :
        Updates dropped while there was no snapshot.
    resyncing :
        A new snapshot was asked for and has not come.
    """

    def __init__(self, instrument: Instrument, number: int, books: ResyncedBooks) -> None:
        super().__init__(books, instrument.id, instrument, number)
        self.resyncing = False
        self.dropped = 0
        self._books = books
        self._relapses = 0
        self._live_at = float("-inf")
        self._following = False  # a snapshot was applied, and nothing has gone wrong since
        self._repeats = self._repeats_at = 0  # old updates since the book was at that number

    def on_irregular(self, update: BookUpdate) -> None:
        """Take what the compiled chain did not apply."""
        if update.flags & EventFlag.OFF_SCALE:
            if not self._off_scale:
                self._off_scale = True
                # The instrument is being read again, which brings the book back (`rescale`).
                self.invalid("a value does not fit the instrument's grid", LONGEST_WAIT_S)
        elif update.is_snapshot:
            self._seed(update)
        elif self.live:
            self._on_repeat()  # counted in `stale`
        elif self._following:
            if update.prev_seq >= 0:
                self._books.on_gap(self, self.last_seq, update.prev_seq)
            self.invalid("updates are missing")
        else:
            self.dropped += 1

    def _on_repeat(self) -> None:
        """Drop an old update; a book that sees nothing else stands still, and is not live."""
        if self.last_seq != self._repeats_at:
            self._repeats_at, self._repeats = self.last_seq, 0
        self._repeats += 1
        if self._repeats > MOST_REPEATS:
            self.invalid("only old updates come")

    def _seed(self, snapshot: BookUpdate) -> None:
        self.resyncing = self._off_scale = False
        try:
            self.replace(snapshot)
        except (ConnectorError, ValueError) as error:
            self.clear()
            log.warning("book=%s the snapshot is refused: %s", self.instrument.id, error)
            self.invalid(f"the snapshot is refused: {error}")
            return
        if self.is_crossed:
            self.invalid("the snapshot is crossed")
            return
        self.snapshots += 1
        self._repeats = 0
        self._following = True
        self._live_at = self._books.now()
        self.go_live(snapshot.last_seq)
        self._books.tell(self, BookState.LIVE, "", snapshot.last_seq)
        if self.show is not None:
            self.show(self)

    def on_crossed(self) -> None:
        """The last update left bid >= ask."""
        self.live = False
        self.invalid("best bid at or above best ask")

    def invalid(self, reason: str, wait_s: float = 0.0) -> None:
        """Drop the book and ask for a new snapshot, in `wait_s` at the earliest."""
        now = self._books.now()
        self._relapses = self._relapses + 1 if now - self._live_at < RELAPSE_S else 0
        if self._relapses > 1:
            again_s = min(FIRST_WAIT_S * 2 ** min(self._relapses - 2, 10), LONGEST_WAIT_S)
            wait_s = max(wait_s, again_s)
        self._following = False
        self.clear()
        self._books.tell(self, BookState.BUFFERING, reason)
        if not self.resyncing:
            self.resyncing = True
            self._books.resync(self, wait_s)

    def on_lost(self) -> None:
        """The connection is gone; a snapshot comes with the next one."""
        was_followed = self._following
        self.resyncing = self._following = False
        self.clear()
        if was_followed:
            self._books.tell(self, BookState.BUFFERING, "connection lost")

    def regrid(self) -> None:
        """Ask for a snapshot on the new grid."""
        self._following = False
        self._books.tell(self, BookState.BUFFERING, "the instrument was read again")
        self.resyncing = True
        self._books.resync(self, 0.0)


class ResyncedBooks(BookKeeper[ResyncedBook]):
    """All books of one client, by the id of the instrument.

    Parameters
    ----------
    venue :
        For the events.
    dispatch :
        Where the updates come from.
    make :
        `make(instrument, number, books)` makes a book.
    resync : callable
        `resync(instrument, wait_s)`: have the book's channel ended and asked for again, after
        that many seconds.
    emit, on_callback_error, now :
        As of `BookKeeper`.
    """

    def __init__(
        self,
        venue: str,
        dispatch: Dispatch,
        *,
        make: Callable[[Instrument, int, ResyncedBooks], ResyncedBook] = ResyncedBook,
        resync: Callable[[Instrument, float], object],
        emit: Callable[[StatusEvent], object],
        on_callback_error: Callable[[BaseException, int, Any], None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(venue, emit=emit, on_callback_error=on_callback_error, now=now)
        self._dispatch = dispatch
        self._make = make
        self._resync = resync
        self.gaps = 0
        self.resyncs = 0

    def add(self, instrument: Instrument, number: int, callback: BookCallback) -> ResyncedBook:
        """Show a book to one more callback, and begin to keep it if nobody had asked before."""
        book = self.get(instrument.id)
        if book is None:
            book = self._make(instrument, number, self)
            for consumer in book.consumers:
                self._dispatch.add(consumer)
        self.attach(book, callback)
        return book

    def remove(self, instrument: Instrument, callback: BookCallback) -> None:
        """Show a book to one callback less, and drop it when that was the last."""
        book = self.get(instrument.id)
        if book is not None and self.detach(book, callback):
            for consumer in book.consumers:
                self._dispatch.remove(consumer)

    # -- what a book tells -----------------------------------------------------------------

    def resync(self, book: ResyncedBook, wait_s: float) -> None:
        """Ask for a new snapshot of a book."""
        self.resyncs += 1
        instrument = book.instrument
        assert isinstance(instrument, Instrument)
        self._resync(instrument, wait_s)

    def on_gap(self, book: ResyncedBook, expected: int, got: int) -> None:
        """Tell about updates that are missing."""
        self.gaps += 1
        identity = book.instrument.id
        log.warning("book=%s gap: expected %d, got %d", identity, expected, got)
        self._emit(
            BookGap(
                venue=self._venue,
                ts_init=time.time_ns(),
                instrument_id=identity,
                expected_seq=expected,
                got_seq=got,
            )
        )
