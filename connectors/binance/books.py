"""Local order books: `BookSync` fed by the streams, with snapshots from REST.

Snapshots cost weight that everything else needs too, so all books of a client share one worker
that fetches few at a time, in the order of the caller's priorities (BN-B-19), and stops for as
long as the venue says (BN-B-20).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from .._speedups.book import ChainedBook
from .._speedups.events import BookUpdate, EventKind
from ..books.sync import BookSync, SyncEvent, SyncLimits, SyncStep
from ..data.dispatch import Consumer, Dispatch
from ..data.feeds import show_to_all
from ..errors import ConnectorError, PrecisionError, RateLimited
from ..model import BookGap, BookState, BookStatus, DataDropped, Instrument, StatusEvent
from ..net.ratelimit import QuotaExceeded
from .config import VENUE

__all__ = ["Books", "ManagedBook", "SnapshotSource"]

log = logging.getLogger("connectors.binance")

AT_ONCE = 4
LEAST_HOLD_S = 1.0  # a limit that names no time, or none to speak of

# What a book that stopped being live says about it.
_DOWN = {
    SyncStep.GAP: "updates are missing",
    SyncStep.RECONNECT: "connection lost",
    SyncStep.RESCALED: "the grid changed",
    SyncStep.CROSSED: "the book stays crossed",
    SyncStep.RETRY: "trying again",
}


class SnapshotSource(Protocol):
    """Where snapshots come from; waits for the weight they cost."""

    async def book_snapshot(self, instrument: Instrument, limit: int) -> BookUpdate:
        """Return the book of an instrument, its best `limit` levels a side."""


class ManagedBook:
    """One book and who wants to see it."""

    __slots__ = ("callbacks", "consumer", "instrument", "order", "priority", "sync")

    def __init__(self, instrument: Instrument, priority: int, order: int) -> None:
        self.instrument = instrument
        self.priority = priority
        self.order = order
        self.callbacks: tuple[Callable[[ChainedBook], object], ...] = ()
        self.sync: BookSync
        self.consumer: Consumer


class Books:
    """All books of one client.

    Parameters
    ----------
    dispatch :
        Where the updates come from.
    source :
        Where the snapshots come from.
    depth :
        Levels a side of a snapshot (BN-MD-18).
    emit :
        Receives the status events.
    on_callback_error :
        As for `Dispatch`.
    on_off_grid :
        `on_off_grid(instrument)`: a snapshot does not fit the instrument's grid.
    """

    def __init__(
        self,
        dispatch: Dispatch,
        source: SnapshotSource,
        *,
        depth: int,
        emit: Callable[[StatusEvent], None],
        on_callback_error: Callable[[BaseException, int, Any], None],
        on_off_grid: Callable[[Instrument], None],
        limits: SyncLimits | None = None,
    ) -> None:
        self._dispatch = dispatch
        self._source = source
        self._depth = depth
        self._emit = emit
        self._on_callback_error = on_callback_error
        self._on_off_grid = on_off_grid
        self._limits = limits
        self._books: dict[str, ManagedBook] = {}
        self._order = 0
        self._wanted = asyncio.Event()
        self._fetching: set[asyncio.Task[None]] = set()
        self._held_until = 0.0
        self.snapshots = 0
        self.snapshot_failures = 0

    def __len__(self) -> int:
        return len(self._books)

    def get(self, symbol: str) -> BookSync | None:
        """Return the sync of a symbol's book, None if nobody asked for one."""
        book = self._books.get(symbol)
        return book.sync if book is not None else None

    def add(
        self,
        instrument: Instrument,
        number: int,
        callback: Callable[[ChainedBook], object],
        priority: int,
    ) -> None:
        """Show a book to one more callback, and begin to keep it if nobody had asked before."""
        book = self._books.get(instrument.symbol)
        if book is None:
            self._order += 1
            book = ManagedBook(instrument, priority, self._order)
            book.sync = self._make_sync(book)
            book.consumer = Consumer(
                EventKind.BOOK_DELTA, number, book.sync.on_update, native=book.sync.chain
            )
            self._books[instrument.symbol] = book
            self._dispatch.add(book.consumer)
        book.priority = min(book.priority, priority)
        self._show_to(book, (*book.callbacks, callback))
        if book.sync.is_live:
            self._shower((callback,))(book.sync.chain)

    def remove(self, symbol: str, callback: Callable[[ChainedBook], object]) -> None:
        """Show a book to one callback less, and drop it when that was the last."""
        book = self._books.get(symbol)
        if book is None:
            return
        self._show_to(book, tuple(each for each in book.callbacks if each is not callback))
        if not book.callbacks:
            del self._books[symbol]
            self._dispatch.remove(book.consumer)
            book.sync.close()

    def on_lost(self, symbols: Iterable[str]) -> None:
        """The connection that carried these symbols is gone (BN-B-17)."""
        for symbol in symbols:
            book = self._books.get(symbol)
            if book is not None:
                book.sync.on_reconnect()

    def on_instrument(self, instrument: Instrument) -> None:
        """An instrument has a new definition."""
        book = self._books.get(instrument.symbol)
        if book is not None:
            book.instrument = instrument
            book.sync.rescale(instrument)

    # ---- one book -----------------------------------------------------------------------------

    def _make_sync(self, book: ManagedBook) -> BookSync:
        return BookSync(
            book.instrument,
            on_event=lambda event: self._on_sync_event(book, event),
            on_wanted=self._wanted.set,
            now=time.monotonic,
            limits=self._limits,
        )

    def _show_to(
        self, book: ManagedBook, callbacks: tuple[Callable[[ChainedBook], object], ...]
    ) -> None:
        book.callbacks = callbacks
        book.sync.show_to(self._shower(callbacks))

    def _shower(
        self, callbacks: tuple[Callable[[ChainedBook], object], ...]
    ) -> Callable[[ChainedBook], None]:
        return show_to_all(
            callbacks,
            lambda error, chain: self._on_callback_error(error, EventKind.BOOK_DELTA, chain),
        )

    def _on_sync_event(self, book: ManagedBook, event: SyncEvent) -> None:
        now_ns = time.time_ns()
        identity = book.instrument.id
        step = event.step
        if step is SyncStep.GAP:
            log.warning(
                "book=%s gap: expected %d, got %d", identity, event.expected_seq, event.got_seq
            )
            self._emit(
                BookGap(
                    venue=VENUE,
                    ts_init=now_ns,
                    instrument_id=identity,
                    expected_seq=event.expected_seq,
                    got_seq=event.got_seq,
                )
            )
        elif step is SyncStep.OVERFLOW:
            what = f"buffered book updates of {identity}"
            count = book.sync.overflows
            self._emit(DataDropped(venue=VENUE, ts_init=now_ns, what=what, count=count))
        elif step in (SyncStep.STALE_SNAPSHOT, SyncStep.SNAPSHOT_FAILED, SyncStep.GAP_IN_BUFFER):
            log.info("book=%s %s %s", identity, step.value, event.reason)
        state, reason = None, ""
        if step is SyncStep.SYNCED:
            state = BookState.LIVE
        elif step is SyncStep.FAILED:
            state, reason = BookState.FAILED, event.reason
            log.error("book=%s failed: %s", identity, event.reason)
        elif step in _DOWN:
            state, reason = BookState.BUFFERING, event.reason or _DOWN[step]
        if state is not None:
            self._emit(
                BookStatus(
                    venue=VENUE,
                    ts_init=now_ns,
                    instrument_id=identity,
                    state=state,
                    last_seq=event.got_seq if state is BookState.LIVE else None,
                    reason=reason,
                )
            )
        self._wanted.set()

    # ---- snapshots ----------------------------------------------------------------------------

    async def run(self) -> None:
        """Fetch snapshots as they are wanted; ends by cancellation."""
        try:
            while True:
                wait_s = self._start_due()
                self._wanted.clear()
                try:
                    async with asyncio.timeout(wait_s):
                        await self._wanted.wait()
                except TimeoutError:
                    pass
        finally:
            for task in self._fetching:
                task.cancel()
            if self._fetching:
                await asyncio.wait(self._fetching, timeout=1.0)

    def _start_due(self) -> float | None:
        """Start what may be fetched now; return after how many seconds to look again."""
        now = time.monotonic()
        if now < self._held_until:
            return self._held_until - now
        due = [book for book in self._books.values() if book.sync.wants_snapshot(now)]
        due.sort(key=lambda book: (book.priority, book.order))
        for book in due[: AT_ONCE - len(self._fetching)]:
            epoch = book.sync.begin_snapshot()
            task = asyncio.get_running_loop().create_task(
                self._fetch(book, epoch), name=f"book-snapshot/{book.instrument.symbol}"
            )
            self._fetching.add(task)
            task.add_done_callback(self._fetched)
        wakes = [wake for b in self._books.values() if (wake := b.sync.next_wake()) is not None]
        later = [wake for wake in wakes if wake > now]
        return min(later) - now + 0.001 if later else None

    def _fetched(self, task: asyncio.Task[None]) -> None:
        self._fetching.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("task=%s died", task.get_name(), exc_info=error)
        self._wanted.set()

    async def _fetch(self, book: ManagedBook, epoch: int) -> None:
        self.snapshots += 1
        try:
            snapshot = await self._source.book_snapshot(book.instrument, self._depth)
        except ConnectorError as error:
            self.snapshot_failures += 1
            retry_after_s = getattr(error, "retry_after_s", None) or 0.0
            if isinstance(error, (RateLimited, QuotaExceeded)):
                # The venue's limit is no fault of this book.
                held_until = time.monotonic() + max(retry_after_s, LEAST_HOLD_S)
                self._held_until = max(self._held_until, held_until)
                book.sync.on_snapshot_withdrawn(epoch)
                return
            book.sync.on_snapshot_failed(epoch, str(error), retry_after_s=retry_after_s)
            if isinstance(error, PrecisionError):
                self._on_off_grid(book.instrument)
            return
        except Exception as error:
            # Nobody else would end the wait of this book.
            self.snapshot_failures += 1
            log.exception("book=%s the snapshot failed", book.instrument.id)
            book.sync.on_snapshot_failed(epoch, f"{type(error).__name__}: {error}")
            return
        book.sync.on_snapshot(epoch, snapshot, depth=self._depth)
