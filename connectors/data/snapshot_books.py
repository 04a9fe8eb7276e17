"""Local order books from a channel that sends each book whole.

There are no numbers and no changes: each message replaces the book, so a lost one heals with the
next. Only the time orders them; one that is older than the book is not applied.
"""

from __future__ import annotations

import logging
from collections.abc import Hashable

from .._speedups.events import EventFlag
from ..errors import ConnectorError
from ..model import BookState, BookUpdate, Instrument
from .books import BookKeeper, KeptBook

__all__ = ["SnapshotBook", "SnapshotBooks"]

log = logging.getLogger("connectors.data")


class SnapshotBook(KeptBook):
    """One book; its key is, for most venues, the name of its channel.

    Attributes
    ----------
    most_levels :
        Levels a side that the channel brings.
    refused, outdated :
        Books that could not be applied (crossed, off the grid), and that were older.
    """

    def __init__(
        self,
        books: SnapshotBooks,
        key: Hashable,
        instrument: Instrument,
        number: int,
        most_levels: int,
    ) -> None:
        super().__init__(books, key, instrument, number)
        self.most_levels = most_levels
        self.refused = self.outdated = 0
        self._books = books
        self._state = BookState.BUFFERING

    def on_irregular(self, update: BookUpdate) -> None:
        """Replace the book by what came."""
        if update.flags & EventFlag.OFF_SCALE:
            self._off_scale = True
            # The instrument is being read again, which brings the book back (`rescale`).
            self.refuse("a value does not fit the instrument's grid")
            return
        if update.last_seq < self.last_seq:
            self.outdated += 1
            return
        try:
            self.replace(update, depth=self.most_levels)
        except (ConnectorError, ValueError) as error:
            log.warning("book=%s a book is refused: %s", self.instrument.id, error)
            self.refuse(f"a book is refused: {error}")
            return
        if self.is_crossed:
            self.refuse("best bid at or above best ask")
            return
        self.snapshots += 1
        self.go_live(update.last_seq)
        if self._state is not BookState.LIVE:
            self._state = BookState.LIVE
            self._books.tell(self, BookState.LIVE, "", update.last_seq)
        if self.show is not None:
            self.show(self)

    def refuse(self, reason: str) -> None:
        """Drop the book until the next one comes: what came can be none."""
        self.refused += 1
        self._drop(reason)

    def _drop(self, reason: str) -> None:
        self.clear()
        if self._state is BookState.LIVE:
            self._state = BookState.BUFFERING
            self._books.tell(self, BookState.BUFFERING, reason)

    def on_lost(self) -> None:
        """The connection is gone; a book comes with the next one."""
        self._drop("connection lost")

    def regrid(self) -> None:
        """Wait for a book on the new grid."""
        self._drop("the instrument was read again")


class SnapshotBooks(BookKeeper[SnapshotBook]):
    """All such books of one client."""
