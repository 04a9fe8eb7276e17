"""Checks made while events arrive, by rules of their own and not by the client's.

Each finding goes to the `Ledger` as a violation: a book that is shown while it is not live, an
update applied in the wrong place, a gap that nobody was told about, a trade that came twice.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from connectors.binance.streams import parse
from connectors.books.sync import BookSync
from connectors.model import (
    BookGap,
    BookState,
    BookStatus,
    BookUpdate,
    ConnectionState,
    ConnectionStatus,
    ErrorEvent,
    EventFlag,
    MarkPrice,
    Quote,
    Reconnected,
    StatusEvent,
    StreamSilent,
    StreamState,
    SubscriptionStatus,
    Trade,
)

if TYPE_CHECKING:
    from connectors._speedups.book import ChainedBook
    from connectors.binance.data import DataClient

__all__ = ["BookWatch", "Ledger", "SequenceWatch", "Watch"]

KEPT = 50


class Ledger:
    """What must not happen and did, and counts of what was checked."""

    def __init__(self) -> None:
        self.violations: list[str] = []
        self.violation_count = 0
        self.counts: Counter[str] = Counter()
        self.compared_books = 0

    def fail(self, text: str) -> None:
        """Note a violation; only the first ones are kept in words."""
        self.violation_count += 1
        if len(self.violations) < KEPT:
            self.violations.append(text)


class BookWatch:
    """One book, seen through its callback and, where there are witnesses, update by update."""

    def __init__(self, ledger: Ledger, watch: Watch, symbol: str) -> None:
        self._ledger = ledger
        self._watch = watch
        self._symbol = symbol
        self._sync: BookSync
        self._seen: tuple[bool, int, int, int, int] | None = None
        self.state = BookState.BUFFERING
        self.gap_events = 0
        self.syncs = 0
        self._shown_seq = -1

    # ---- status events --------------------------------------------------------------------

    def on_status(self, event: BookStatus) -> None:
        """Take a change of state."""
        if event.state is BookState.LIVE:
            if self.state is BookState.LIVE:
                self._ledger.fail(f"{self._symbol} was told to be live twice in a row")
            self.syncs += 1
            self._shown_seq = -1
        self.state = event.state

    def on_gap(self, event: BookGap) -> None:
        """Take a gap."""
        self.gap_events += 1
        self._ledger.counts["gaps"] += 1
        if self.state is not BookState.LIVE:
            self._ledger.fail(f"{self._symbol} has a gap while {self.state}")

    def given_up(self) -> None:
        """Its subscription was canceled: another book follows, if any."""
        self.state = BookState.BUFFERING
        self._seen = None

    # ---- the book's callback --------------------------------------------------------------

    def on_change(self, book: ChainedBook) -> None:
        """See the book after a change."""
        self._ledger.counts["book changes"] += 1
        if not book.live or self.state is not BookState.LIVE:
            self._ledger.fail(f"{self._symbol} is shown while {self.state} live={book.live}")
        if book.last_seq <= self._shown_seq:
            self._ledger.fail(
                f"{self._symbol} goes back from {self._shown_seq} to {book.last_seq} unannounced"
            )
        self._shown_seq = book.last_seq

    # ---- witnesses ------------------------------------------------------------------------

    def before(self, update: BookUpdate) -> None:
        """See an update just before the book does."""
        sync = self._sync_now()
        chain = sync.chain
        self._seen = (sync.is_live, chain.last_seq, chain.ts_event, self.gap_events, chain.updates)

    def after(self, update: BookUpdate) -> None:
        """See the same update just after the book, and check what the book made of it."""
        if self._seen is None:
            return
        was_live, last, ts, gaps, updates = self._seen
        self._seen = None
        sync = self._sync_now()
        chain = sync.chain
        self._ledger.counts["witnessed updates"] += 1
        text = f"{self._symbol} at {last} got U={update.first_seq} u={update.last_seq}"
        text = f"{text} pu={update.prev_seq}"
        if not was_live:
            if sync.is_live and self.state is not BookState.LIVE:
                self._ledger.fail(f"{text}: live again without a word")
            if not sync.is_live and chain.updates != updates:
                self._ledger.fail(f"{text}: applied while not live")
        elif update.flags & EventFlag.OFF_SCALE:
            if sync.is_live or self.state is BookState.LIVE:
                self._ledger.fail(f"{text}: off the grid, but {sync}")
        elif update.prev_seq == last:
            if not sync.is_live or chain.last_seq != update.last_seq:
                self._ledger.fail(f"{text}: fits, but the book is at {chain.last_seq} {sync}")
        elif update.last_seq <= last and update.ts_event <= ts:
            if not sync.is_live or chain.last_seq != last or chain.updates != updates:
                self._ledger.fail(f"{text}: old, but the book is at {chain.last_seq} {sync}")
        elif sync.is_live or self.gap_events != gaps + 1:
            self._ledger.fail(f"{text}: a gap that was not told, {sync}")

    def _sync_now(self) -> BookSync:
        sync = self._watch.client.book_sync(self._symbol)
        assert sync is not None
        return sync

    def check_totals(self, sync: BookSync) -> None:
        """Compare the book's own counters with what was told."""
        # Another object after a subscription was made again: its counters start at 0.
        if sync.gaps > self.gap_events or (sync.epoch and sync.syncs > self.syncs):
            self._ledger.fail(
                f"{self._symbol}: {sync.gaps} gaps and {sync.syncs} syncs, "
                f"told {self.gap_events} and {self.syncs}"
            )


class SequenceWatch:
    """Numbers of one stream: growing, and within one connection without a hole if asked."""

    def __init__(self, ledger: Ledger, what: str, *, contiguous: bool) -> None:
        self._ledger = ledger
        self._what = what
        self._contiguous = contiguous
        self._last = -1
        self._fresh = True

    def restart(self) -> None:
        """Another connection carries the stream from now on."""
        self._fresh = True

    def __call__(self, event: Any) -> None:
        self.see(event.trade_id if isinstance(event, Trade) else event.seq)

    def see(self, number: int) -> None:
        """Take the next number."""
        self._ledger.counts[self._what.partition(" ")[0]] += 1
        if number <= self._last:
            self._ledger.fail(f"{self._what} {number} after {self._last}: repeated or backwards")
        elif self._contiguous and not self._fresh and number != self._last + 1:
            self._ledger.fail(f"{self._what} {number} after {self._last}: some are missing")
        self._last, self._fresh = number, False


class _QuoteWatch(SequenceWatch):
    """Quotes may restart lower when the venue starts its ids again; time may not."""

    _ts = 0

    def __call__(self, event: Quote) -> None:
        if event.seq <= self._last and event.ts_event >= self._ts:
            self._last = -1  # ids started again
        self._ts = event.ts_event
        self.see(event.seq)


class Watch:
    """Every watch of one client, and the status events that concern them."""

    def __init__(self, ledger: Ledger, *, contiguous: bool) -> None:
        self.ledger = ledger
        self.client: DataClient
        self.losses = 0
        self.reconnects = 0
        self.silent: set[str] = set()
        self.last_errors: list[str] = []
        self._contiguous = contiguous
        self._books: dict[str, BookWatch] = {}
        self._sequences: dict[str, list[SequenceWatch]] = {}
        self._connections: dict[str, ConnectionState] = {}

    def book(self, symbol: str) -> BookWatch:
        """Return the watch of a symbol's book."""
        if symbol not in self._books:
            self._books[symbol] = BookWatch(self.ledger, self, symbol)
        return self._books[symbol]

    def trades(self, symbol: str) -> SequenceWatch:
        """Return a new watch of aggregate trades."""
        watch = SequenceWatch(self.ledger, f"trades {symbol}", contiguous=self._contiguous)
        self._sequences.setdefault(f"{symbol.lower()}@aggTrade", []).append(watch)
        return watch

    def quotes(self, symbol: str) -> SequenceWatch:
        """Return a new watch of quotes."""
        watch = _QuoteWatch(self.ledger, f"quotes {symbol}", contiguous=False)
        self._sequences.setdefault(f"{symbol.lower()}@bookTicker", []).append(watch)
        return watch

    def on_mark_price(self, event: MarkPrice) -> None:
        """Count a mark price."""
        self.ledger.counts["mark prices"] += 1

    def on_venue_event(self, event: object) -> None:
        """Count what has no type of its own."""
        self.ledger.counts["venue events"] += 1

    def on_status(self, event: StatusEvent) -> None:
        """Take a status event of the client."""
        self.ledger.counts[type(event).__name__] += 1
        if isinstance(event, BookStatus):
            self._book_of(event.instrument_id).on_status(event)
        elif isinstance(event, BookGap):
            self._book_of(event.instrument_id).on_gap(event)
        elif isinstance(event, ConnectionStatus):
            self._on_connection(event)
        elif isinstance(event, Reconnected):
            self.reconnects += 1
        elif isinstance(event, SubscriptionStatus):
            self.ledger.counts["refused"] += event.state is StreamState.REFUSED
        elif isinstance(event, StreamSilent):
            self.silent.add(event.stream)
        elif isinstance(event, ErrorEvent):
            self.last_errors = [*self.last_errors[-9:], event.message]

    def _book_of(self, instrument_id: str) -> BookWatch:
        return self.book(self.client.instrument(instrument_id).symbol)

    def _on_connection(self, event: ConnectionStatus) -> None:
        previous = self._connections.get(event.connection)
        self._connections[event.connection] = event.state
        if event.state is not ConnectionState.RECONNECTING or previous not in (
            ConnectionState.LIVE,
            ConnectionState.STALE,
        ):
            return
        self.losses += 1
        for pool in self.client.pools:
            for name in pool.streams_of(event.connection):
                for watch in self._sequences.get(parse(name, "usdm").name, ()):
                    watch.restart()
