"""A data client whose books begin with a snapshot of the stream, which can be asked for again."""

from __future__ import annotations

import asyncio
import logging
from abc import abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from .._speedups.book import ChainedBook
from .._speedups.events import EventKind
from ..errors import ClientError
from ..model import BookUpdate, Instrument, Subscription
from .books import BookCallback
from .channel_stream import ChannelStream
from .client import ChannelClient, NamedChannel
from .dispatch import Consumer
from .feeds import check_callback
from .market import book_snapshot
from .resync import ResyncedBook, ResyncedBooks

__all__ = ["ResyncClient"]

log = logging.getLogger("connectors.data")

S = TypeVar("S", bound=ChannelStream)


class ResyncClient(ChannelClient[S]):
    """A `ChannelClient` that keeps such books.

    Parameters
    ----------
    *args, **options :
        As of `ChannelClient`.
    snapshot_timeout_s :
        A channel that is served for so long without its snapshot is asked for again.
    make_book :
        As `make` of `ResyncedBooks`.
    """

    def __init__(
        self,
        *args: Any,
        snapshot_timeout_s: float,
        make_book: Callable[[Instrument, int, ResyncedBooks], ResyncedBook] = ResyncedBook,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self._snapshot_timeout_s = snapshot_timeout_s
        self._books = ResyncedBooks(
            self._venue,
            self._dispatch,
            make=make_book,
            resync=self._resync,
            emit=self._emit,
            on_callback_error=self._callback_failed,
        )
        self._book_names: dict[str, str] = {}  # instruments by the channel of their book
        self._resyncs: dict[str, asyncio.TimerHandle] = {}  # waiting to be made
        self._unseeded: dict[str, asyncio.TimerHandle] = {}  # served, the snapshot is to come

    @abstractmethod
    def _book_channel(self, instrument: Instrument) -> NamedChannel:
        """Return the channel of an instrument's book."""

    # ---- looking ------------------------------------------------------------------------------

    def book(self, instrument: Instrument | str) -> ChainedBook | None:
        """Return a subscribed book while it can be trusted, else None."""
        book = self.book_state(instrument)
        return book if book is not None and book.live else None

    def book_state(self, instrument: Instrument | str) -> ResyncedBook | None:
        """Return a subscribed book in whatever state, None if it is not subscribed."""
        return self._books.get(self.instrument(instrument).id)

    # ---- subscriptions ------------------------------------------------------------------------

    def _add_book(
        self, instrument: Instrument, callback: BookCallback, label: str = "book"
    ) -> Subscription:
        """Begin to keep a book."""
        name = self._book_name(instrument)
        subscription = self._make(f"{label} {instrument.id}", (name,))
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
        """Begin to deliver a book's updates, a snapshot first."""
        name = self._book_name(instrument)
        subscription = self._make(f"book deltas {instrument.id}", (name,))
        number = self._number(instrument)
        book = self._books.get(instrument.id)
        if book is not None and book.live:
            self._call(callback, book_snapshot(book, None))
        for kind in (EventKind.BOOK_SNAPSHOT, EventKind.BOOK_DELTA):
            consumer = Consumer(kind, number, callback, stream=name)
            self._dispatch.add(consumer)
            self._at_end(subscription, partial(self._dispatch.remove, consumer))
        served = self._want(subscription)
        if served and (book is None or not book.live):
            self._resync(instrument, 0.0)
        return subscription

    def _add_snapshots(
        self, instrument: Instrument, callback: Callable[[BookUpdate], object], levels: int
    ) -> Subscription:
        """Begin to deliver the best levels of a book, read off a local one."""
        check_callback(callback)
        if levels < 1:
            raise ClientError(f"levels must be at least 1, got {levels}")

        def show(book: ChainedBook) -> None:
            callback(book_snapshot(book, levels))

        return self._add_book(instrument, show, "book snapshots")

    def _book_name(self, instrument: Instrument) -> str:
        name = self._book_channel(instrument).name
        self._book_names[name] = instrument.id
        return name

    # ---- snapshots ----------------------------------------------------------------------------

    def _resync(self, instrument: Instrument, wait_s: float) -> None:
        """Have a book's snapshot sent again; one resync of a market at a time."""
        name = self._book_channel(instrument).name
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

    def _served(self, name: str, stream: S) -> None:
        """A bare acknowledgement may not be followed by a snapshot."""
        if name not in self._book_names or name in self._unseeded:
            return
        loop = asyncio.get_running_loop()
        self._unseeded[name] = loop.call_later(
            self._snapshot_timeout_s, self._renew_if_unseeded, stream, name
        )

    def _renew_if_unseeded(self, stream: S, name: str) -> None:
        self._unseeded.pop(name, None)
        book = self._books.get(self._book_names.get(name))
        if self._carriers.get(name) is not stream or book is None:
            return
        if not book.live and stream.control.is_active(name):
            log.warning("conn=%s channel=%s sent no snapshot, asking again", stream.name, name)
            self._renew(name)

    # ---- what becomes of connections ----------------------------------------------------------

    def _released(self, name: str, stream: S) -> None:
        self._stop_timers(name)

    def _stopped(self) -> None:
        for name in {*self._resyncs, *self._unseeded}:
            self._stop_timers(name)

    def _set_back(self, name: str) -> None:
        super()._set_back(name)
        if name in self._book_names:
            self._stop_timers(name)
            self._books.on_lost((self._book_names[name],))
