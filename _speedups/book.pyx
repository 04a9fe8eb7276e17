"""Order books on integer ticks, and the live end of a sequence chain."""

from decimal import Context, Decimal

cimport cython
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t, uint64_t
from libc.string cimport memcpy, memset

from connectors._speedups.events cimport BookData, BookUpdate, EventFlag, InstrumentBase, _book_update

from connectors._speedups.errors import PrecisionError, ProtocolError

__all__ = ["BookSide", "ChainedBook", "OrderBook"]

# Wide enough that the sum of two prices, or half of one, is exact.
cdef object EXACT = Context(prec=80)
cdef object ROUNDED = Context(prec=28)


cdef class OrderBook(EventHandler):
    """Bids and asks of one instrument, as sizes in lots by price in ticks.

    Feed it with `apply`, or route an instrument's book updates to it: as an `EventHandler` it
    takes them without an event object, drops those older than what it has, and calls `on_change`.
    It does not check that nothing is missing in between: `ChainedBook` does.

    Parameters
    ----------
    instrument : InstrumentBase
        Its grids say what a tick and a lot are.
    max_levels : int, optional
        Most levels of one side; an update that might exceed it is refused.
    on_change : callable, optional
        `on_change(book)` after each update that came from a stream. What it raises goes up to the
        feed; the book is already up to date then.

    Attributes
    ----------
    last_seq, ts_event, ts_init : int
        Of the update applied last; -1, 0 and 0 before any. Times in ns.
    updates, stale, crossed_updates, crossed_run : int
        Updates applied, dropped as old, applied with bid >= ask afterwards, and the latter in a
        row until now. `clear` does not reset the first three.

    Notes
    -----
    An update is applied whole or, with an error, not at all. Two books are equal when instrument,
    grids and levels are; a book is mutable and so not hashable. Any 64-bit price can be held: the
    16384 ticks around the best in constant time, those beyond by a binary search.

    Belongs to one thread. `instrument` is given once; `reset` changes it.
    """

    def __cinit__(self):
        self._book = tw_book_new()
        if self._book == NULL:
            raise MemoryError("no memory for an order book")
        self.last_seq = -1
        self.max_levels = 131_072

    def __init__(self, InstrumentBase instrument not None, *, Py_ssize_t max_levels=131_072,
                 on_change=None):
        if not 1 <= max_levels <= 1 << 30:
            raise ValueError(f"max_levels must be from 1 to {1 << 30}, got {max_levels}")
        self.max_levels = max_levels
        self.on_change = on_change
        self.reset(instrument)

    def __dealloc__(self):
        tw_book_free(self._book)

    # ---- changing it --------------------------------------------------------------------------

    def apply(self, BookUpdate update not None):
        """Apply changes, or replace everything when `update` is a snapshot.

        Sizes are absolute; 0 removes, whether or not the level is there (BN-B-13). Sequence
        numbers are taken over, not checked.

        Raises
        ------
        PrecisionError
            If the update is of a finer grid than the book.
        ValueError
            If it is of another instrument.
        ProtocolError
            For a negative size or more than `max_levels` levels.
        """
        cdef BookData data
        update.data(&data)
        self.require_fit(update.instrument, &data)
        if update.is_snapshot:
            self.replace_data(&data, 0)
        else:
            self.apply_data(&data)

    def replace(self, BookUpdate snapshot not None, *, depth=None):
        """Replace everything by the levels of `snapshot`; sets `horizon`.

        Parameters
        ----------
        depth : int, optional
            How many levels a side the venue sends at most: a side with fewer is complete. Without
            it, flag `PARTIAL` tells that every side may go on beyond its last level.

        Raises
        ------
        PrecisionError, ValueError, ProtocolError
            As `apply`; ValueError also for a depth below 1.
        """
        cdef BookData data
        cdef Py_ssize_t limit = 0
        if depth is not None:
            limit = depth
            if limit < 1:
                raise ValueError(f"depth must be at least 1, got {depth}")
        snapshot.data(&data)
        self.require_fit(snapshot.instrument, &data)
        self.replace_data(&data, limit)

    def on_book_update(self, BookUpdate update not None):
        """Take an update as if it came from a stream routed to this book."""
        cdef BookData data
        update.data(&data)
        self.on_book(update.instrument, &data, update.is_snapshot)

    def clear(self):
        """Remove all levels and forget sequence number, times and horizon."""
        cdef int side
        for side in range(2):
            tw_side_clear(&self._book.side[side])
            self._bounded[side] = False
        self._seeded = False
        self.last_seq = -1
        self.ts_event = 0
        self.ts_init = 0
        self.crossed_run = 0

    def reset(self, InstrumentBase instrument not None):
        """Start over, empty, on the grids of `instrument`."""
        self.instrument = instrument
        self.clear()

    # ---- native side --------------------------------------------------------------------------

    cdef int on_book(self, InstrumentBase instrument, const BookData *data, bint snapshot) except -1:
        self.require_fit(instrument, data)
        # Older by both: a venue that starts its numbers again must not freeze the book (BN-B-22).
        if data.last_seq < self.last_seq and data.ts_event <= self.ts_event:
            self.stale += 1
            return 0
        if snapshot:
            self.replace_data(data, 0)
        else:
            self.apply_data(data)
        return self.changed(data)

    cdef int apply_levels(self, BookSide side, const int64_t *prices, const int64_t *sizes,
                          Py_ssize_t n) except -1:
        cdef tw_side *s
        if not 0 <= <int>side <= 1:
            raise ValueError(f"no such side: {<int>side}")
        s = &self._book.side[<int>side]
        cdef int code = tw_side_prepare(s, sizes, n, tw_side_count(s), self.max_levels)
        if code != TW_BOOK_OK:
            _refuse(code, self)
        tw_side_apply(s, prices, sizes, n, 1)
        return 0

    cdef int apply_data(self, const BookData *data) except -1:
        cdef tw_side *bids = &self._book.side[0]
        cdef tw_side *asks = &self._book.side[1]
        cdef int code = tw_side_prepare(bids, data.bid_sizes, data.n_bids, tw_side_count(bids),
                                        self.max_levels)
        if code == TW_BOOK_OK:
            code = tw_side_prepare(asks, data.ask_sizes, data.n_asks, tw_side_count(asks),
                                   self.max_levels)
        if code != TW_BOOK_OK:
            _refuse(code, self)
        tw_side_apply(bids, data.bid_prices, data.bid_sizes, data.n_bids, 1)
        tw_side_apply(asks, data.ask_prices, data.ask_sizes, data.n_asks, 1)
        return self.applied(data)

    cdef int replace_data(self, const BookData *data, Py_ssize_t depth) except -1:
        cdef tw_side *bids = &self._book.side[0]
        cdef tw_side *asks = &self._book.side[1]
        cdef bint partial = (data.flags & EventFlag.PARTIAL) != 0
        cdef int code = tw_side_prepare(bids, data.bid_sizes, data.n_bids, 0, self.max_levels)
        if code == TW_BOOK_OK:
            code = tw_side_prepare(asks, data.ask_sizes, data.n_asks, 0, self.max_levels)
        if code != TW_BOOK_OK:
            _refuse(code, self)
        tw_side_replace(bids, data.bid_prices, data.bid_sizes, data.n_bids)
        tw_side_replace(asks, data.ask_prices, data.ask_sizes, data.n_asks)
        self._seeded = True
        self._bounded[0] = data.n_bids > 0 and (data.n_bids >= depth if depth else partial)
        self._bounded[1] = data.n_asks > 0 and (data.n_asks >= depth if depth else partial)
        self._horizon[0] = _extreme(data.bid_prices, data.n_bids, True)
        self._horizon[1] = _extreme(data.ask_prices, data.n_asks, False)
        return self.applied(data)

    cdef inline int applied(self, const BookData *data) except -1:
        self.updates += 1
        self.last_seq = data.last_seq
        self.ts_event = data.ts_event
        self.ts_init = data.ts_init
        if self.crossed():
            self.crossed_updates += 1
            self.crossed_run += 1
        else:
            self.crossed_run = 0
        return 0

    cdef int changed(self, const BookData *data) except -1:
        if self.on_change is not None:
            self.on_change(self)
        return 0

    cdef inline bint fits(self, InstrumentBase instrument, const BookData *data) except -1:
        """Whether the levels are counted in this book's ticks and lots."""
        if data.flags & EventFlag.OFF_SCALE:
            return False
        return instrument is self.instrument or _same_grid(instrument, self.instrument)

    cdef int require_fit(self, InstrumentBase instrument, const BookData *data) except -1:
        if self.fits(instrument, data):
            return 0
        if self.instrument is None:
            raise RuntimeError("OrderBook.__init__ was not called")
        if instrument.id != self.instrument.id:
            raise ValueError(f"an update of {instrument.id} is not for the book of {self.instrument.id}")
        raise PrecisionError(f"the levels of {instrument.id} are not on the grid of the book: "
                             "reset it with the new instrument and take a snapshot")

    # ---- reading it ---------------------------------------------------------------------------

    @property
    def best_bid_ticks(self):
        """Highest bid in ticks, or None."""
        cdef int64_t price = 0, size = 0
        return price if self.best_bid(&price, &size) else None

    @property
    def best_ask_ticks(self):
        """Lowest ask in ticks, or None."""
        cdef int64_t price = 0, size = 0
        return price if self.best_ask(&price, &size) else None

    @property
    def best_bid_lots(self):
        """Size at the highest bid in lots, or None."""
        cdef int64_t price = 0, size = 0
        return size if self.best_bid(&price, &size) else None

    @property
    def best_ask_lots(self):
        """Size at the lowest ask in lots, or None."""
        cdef int64_t price = 0, size = 0
        return size if self.best_ask(&price, &size) else None

    @property
    def bid(self):
        """Highest bid as Decimal, or None."""
        cdef int64_t price = 0, size = 0
        return _price(self, price) if self.best_bid(&price, &size) else None

    @property
    def ask(self):
        """Lowest ask as Decimal, or None."""
        cdef int64_t price = 0, size = 0
        return _price(self, price) if self.best_ask(&price, &size) else None

    @property
    def bid_size(self):
        """Size at the highest bid as Decimal, or None."""
        cdef int64_t price = 0, size = 0
        return _size(self, size) if self.best_bid(&price, &size) else None

    @property
    def ask_size(self):
        """Size at the lowest ask as Decimal, or None."""
        cdef int64_t price = 0, size = 0
        return _size(self, size) if self.best_ask(&price, &size) else None

    @property
    def spread_ticks(self):
        """Best ask minus best bid in ticks (not above 0 when crossed); None if a side is empty."""
        bid, ask = self.best_bid_ticks, self.best_ask_ticks
        return None if bid is None or ask is None else ask - bid

    @property
    def mid(self):
        """Half way between best bid and ask as an exact Decimal; None if a side is empty."""
        bid, ask = self.best_bid_ticks, self.best_ask_ticks
        if bid is None or ask is None:
            return None
        half, odd = divmod(bid + ask, 2)
        price = _price(self, half)
        return EXACT.add(price, EXACT.divide(self.instrument.price_scale.increment, 2)) if odd else price

    @property
    def is_crossed(self):
        """Whether the best bid is at or above the best ask."""
        return self.crossed()

    @property
    def n_bids(self):
        """Number of bid levels."""
        return tw_side_count(&self._book.side[0])

    @property
    def n_asks(self):
        """Number of ask levels."""
        return tw_side_count(&self._book.side[1])

    @property
    def horizon(self):
        """Prices in ticks between which the book is exact, as (lowest, highest).

        Beyond the last level of a snapshot of limited depth a level is unknown until it changes
        (BN-B-14). None in a place: no limit on that side. None altogether: no snapshot yet.
        """
        if not self._seeded:
            return None
        return (self._horizon[0] if self._bounded[0] else None,
                self._horizon[1] if self._bounded[1] else None)

    def __len__(self):
        """Number of levels of both sides."""
        return tw_side_count(&self._book.side[0]) + tw_side_count(&self._book.side[1])

    def __bool__(self):
        """True: a book is a thing, also while it is empty."""
        return True

    def levels(self, side, n=None):
        """Return up to `n` levels of a side, best first, as a list of `(price_ticks, size_lots)`."""
        cdef Levels found = _levels(self, side, n)
        cdef Py_ssize_t i
        return [(found.at[i].key, found.at[i].size) for i in range(found.count)]

    def depth(self, n=None):
        """Return `(bids, asks)`, each up to `n` levels, best first.

        Two new numpy int64 arrays of shape (levels, 2): ticks, lots.
        """
        return _levels(self, BID, n).array(), _levels(self, ASK, n).array()

    def size_at(self, side, int64_t price_ticks):
        """Return the size in lots at a price, 0 where there is no level."""
        return tw_side_size(&self._book.side[_side(side)], price_ticks)

    def price_for_size(self, side, int64_t size_lots):
        """Return the worst price in ticks that taking `size_lots` from a side would reach.

        None if the side holds less. Raises ValueError unless `size_lots` is greater than 0.
        """
        reached = _take(self, side, size_lots)
        return None if reached is None else reached[0]

    def vwap(self, side, int64_t size_lots):
        """Return the average price of taking `size_lots` from a side, as a Decimal of 28 digits.

        None if the side holds less. Raises ValueError unless `size_lots` is greater than 0.
        """
        reached = _take(self, side, size_lots)
        if reached is None:
            return None
        total = EXACT.multiply(Decimal(reached[1]), self.instrument.price_scale.increment)
        return ROUNDED.divide(total, Decimal(size_lots))

    def check(self):
        """Raise RuntimeError if the book is broken inside, which would be a bug of ours."""
        cdef const char *what
        for side in range(2):
            what = tw_side_broken(&self._book.side[<int>side])
            if what != NULL:
                raise RuntimeError(f"{'ask' if side else 'bid'} side: {what.decode()}")

    def copy(self):
        """Return an `OrderBook` with the same levels, numbers and horizon, connected to nothing."""
        cdef OrderBook other = OrderBook.__new__(OrderBook)
        cdef tw_book *book = tw_book_copy(self._book)
        if book == NULL:
            raise MemoryError("no memory for an order book")
        tw_book_free(other._book)
        other._book = book
        other.instrument = self.instrument
        other.max_levels = self.max_levels
        other.last_seq = self.last_seq
        other.ts_event = self.ts_event
        other.ts_init = self.ts_init
        other.updates = self.updates
        other.stale = self.stale
        other.crossed_updates = self.crossed_updates
        other.crossed_run = self.crossed_run
        other._seeded = self._seeded
        other._bounded = self._bounded
        other._horizon = self._horizon
        return other

    def __eq__(self, other):
        if not isinstance(other, OrderBook):
            return NotImplemented
        cdef OrderBook that = other
        if self is that:
            return True
        if not _same_grid(self.instrument, that.instrument):
            return False
        return (self.levels(BID) == that.levels(BID) and self.levels(ASK) == that.levels(ASK))

    __hash__ = None

    def __repr__(self):
        if self.instrument is None:
            return f"<{type(self).__name__} without an instrument>"
        return (f"<{type(self).__name__} {self.instrument.id} {self.n_bids} bids {self.n_asks} asks "
                f"{self.bid} x {self.bid_size} / {self.ask} x {self.ask_size} seq={self.last_seq}>")


cdef class ChainedBook(OrderBook):
    """An `OrderBook` that follows a chain of sequence numbers, and notices when it breaks.

    While `live`, an update whose `prev_seq` is the `last_seq` of the book is applied at once.
    Everything else goes to `on_irregular` as an event object: repeats, gaps, snapshots, updates of
    another grid, and every update while the book is not live. A gap or another grid ends `live`
    before that, so that nobody sees a wrong book as a live one (BN-B-09). So does an update that is
    refused (a negative size, too many levels): its error goes up to the feed.

    Parameters
    ----------
    instrument, max_levels, on_change
        As of `OrderBook`.
    crossed_limit : int, optional
        How many updates in a row may leave bid >= ask before `on_crossed` is called (BN-B-21).

    Attributes
    ----------
    live : bool
        Whether the book may be trusted. Set by `go_live`; may be set to False.
    gaps, stale, irregular : int
        Updates that did not follow or were refused, that were not newer than the book, and all that
        went to `on_irregular`.
    """

    def __init__(self, InstrumentBase instrument not None, *, Py_ssize_t max_levels=131_072,
                 on_change=None, uint64_t crossed_limit=10):
        OrderBook.__init__(self, instrument, max_levels=max_levels, on_change=on_change)
        self.crossed_limit = crossed_limit

    def go_live(self, int64_t seq):
        """Follow the chain from `seq` on: the next update must name it as its `prev_seq`."""
        self.last_seq = seq
        self.crossed_run = 0
        self.live = True

    def on_irregular(self, update):
        """Override to take what does not continue the chain; the `BookUpdate` is yours to keep."""

    def on_crossed(self):
        """Override to act when the book stays crossed; by default it is no longer live.

        Called once for each such run, instead of `on_change`.
        """
        self.live = False

    def clear(self):
        """Remove all levels and end `live`; otherwise as `OrderBook.clear`."""
        self.live = False
        OrderBook.clear(self)

    cdef int on_book(self, InstrumentBase instrument, const BookData *data, bint snapshot) except -1:
        if not (self.live and data.prev_seq == self.last_seq and data.last_seq >= self.last_seq
                and not snapshot and self.fits(instrument, data)):
            return self.beside(instrument, data, snapshot)
        try:
            self.apply_data(data)
        except Exception:
            # Refused, so missing: what comes next will not follow, but may be long in coming.
            self.live = False
            self.gaps += 1
            raise
        if self.crossed_run == self.crossed_limit + 1:
            self.on_crossed()
            return 0
        return self.changed(data)

    cdef int beside(self, InstrumentBase instrument, const BookData *data, bint snapshot) except -1:
        if self.live and not snapshot:
            if not self.fits(instrument, data):
                self.live = False
            elif data.last_seq <= self.last_seq:
                self.stale += 1
            else:
                self.gaps += 1
                self.live = False
        self.irregular += 1
        self.on_irregular(_book_update(instrument, data, snapshot))
        return 0


@cython.final
@cython.internal
cdef class Levels:
    """Levels copied out of a book before any Python object is made of them: making one may start
    a garbage collection, and with it code that changes the book."""

    cdef tw_level *at
    cdef Py_ssize_t count

    def __dealloc__(self):
        PyMem_Free(self.at)

    cdef object array(self):
        import numpy as np

        array = np.empty((self.count, 2), dtype=np.int64)
        cdef int64_t[:, ::1] view = array
        if self.count:
            memcpy(&view[0, 0], self.at, self.count * sizeof(tw_level))
        return array


cdef Levels _levels(OrderBook book, side, n):
    cdef Levels found = Levels.__new__(Levels)
    cdef tw_side *s = &book._book.side[_side(side)]
    cdef Py_ssize_t count = tw_side_count(s), wanted
    if n is not None:
        wanted = min(n, count)
        if wanted < 0:
            raise ValueError(f"n must not be negative, got {n}")
        count = wanted
    found.at = <tw_level *>PyMem_Malloc(count * sizeof(tw_level))
    if found.at == NULL:
        raise MemoryError()
    found.count = tw_side_levels(s, found.at, count)
    return found


cdef object _take(OrderBook book, side, int64_t size_lots):
    """Worst price in ticks and sum of price x size of taking that much; None if there is less."""
    cdef Levels found = _levels(book, side, None)
    cdef int64_t left = size_lots, part
    cdef Py_ssize_t i
    cdef object total = 0
    if size_lots <= 0:
        raise ValueError(f"size must be greater than 0, got {size_lots} lots")
    for i in range(found.count):
        part = min(left, found.at[i].size)
        total += <object>found.at[i].key * part
        left -= part
        if left == 0:
            return found.at[i].key, total
    return None


cdef int _side(side) except -1:
    if side == BID:
        return 0
    if side == ASK:
        return 1
    raise ValueError(f"a side is BookSide.BID or BookSide.ASK, got {side!r}")


cdef object _price(OrderBook book, int64_t ticks):
    return book.instrument.price_scale.decimal(ticks)


cdef object _size(OrderBook book, int64_t lots):
    return book.instrument.size_scale.decimal(lots)


cdef bint _same_grid(InstrumentBase a, InstrumentBase b) except -1:
    if a is b:
        return True
    if a is None or b is None:
        return False
    return (a.id == b.id and a.price_scale == b.price_scale and a.size_scale == b.size_scale)


cdef int64_t _extreme(const int64_t *prices, Py_ssize_t n, bint lowest) noexcept:
    cdef Py_ssize_t i
    cdef int64_t found = prices[0] if n > 0 else 0
    for i in range(n):
        if (prices[i] < found) == lowest and prices[i] != found:
            found = prices[i]
    return found


cdef int _refuse(int code, OrderBook book) except -1:
    name = "the book" if book.instrument is None else book.instrument.id
    if code == TW_BOOK_NEGATIVE:
        raise ProtocolError(f"{name}: a level has a negative size; nothing was applied")
    if code == TW_BOOK_FULL:
        raise ProtocolError(f"{name}: more than {book.max_levels} levels on one side; nothing was applied")
    raise MemoryError(f"{name}: no memory for the levels; nothing was applied")
