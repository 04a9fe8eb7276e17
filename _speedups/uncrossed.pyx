"""An order book whose levels remember when they were written, so that it can be uncrossed."""

from libc.stdint cimport int64_t, uint64_t

from connectors._speedups.book cimport (
    TW_BOOK_MEMORY,
    TW_BOOK_OK,
    BookSide,
    ChainedBook,
    tw_book,
    tw_book_free,
    tw_book_new,
    tw_side_apply,
    tw_side_clear,
    tw_side_count,
    tw_side_prepare,
    tw_side_size,
)
from connectors._speedups.events cimport BookData, InstrumentBase

__all__ = ["UncrossedBook"]


cdef class UncrossedBook(ChainedBook):
    """A book for venues whose two sides change independently and cross now and then.

    Each update is one tick of a clock, and every level keeps the clock of its last write. While the
    best bid is at or above the best ask, the one that was written earlier is removed; of two that
    were written by the same update the smaller size is taken off both (DX-B-05, DX-B-06). A level
    that was removed stays away until the venue writes it again.

    While `live`, an update with a greater `last_seq` is applied at once; numbers may be left out.
    Everything else goes to `on_irregular`, as with `ChainedBook`.

    Parameters
    ----------
    instrument, max_levels, on_change
        As of `OrderBook`.
    crossed_limit : int, optional
        As of `ChainedBook`; only a book that keeps what crosses can reach it.

    Attributes
    ----------
    keeps_crossed : bool
        Show the book as the venue sends it, crossed or not.
    clock : int
        Updates since the snapshot, and one.
    uncrossings : int
        Levels that were removed or made smaller because they crossed.
    """

    def __cinit__(self):
        self._written = tw_book_new()
        if self._written == NULL:
            raise MemoryError("no memory for the clocks of an order book")

    def __dealloc__(self):
        tw_book_free(self._written)

    def clear(self):
        """Remove all levels and end `live`; otherwise as `OrderBook.clear`."""
        cdef int side
        for side in range(2):
            tw_side_clear(&self._written.side[side])
        self.clock = 0
        ChainedBook.clear(self)

    def written_at(self, side, int64_t price_ticks):
        """Return the clock at which a level was written last, 0 where there is no level."""
        if side != BookSide.BID and side != BookSide.ASK:
            raise ValueError(f"a side is BookSide.BID or BookSide.ASK, got {side!r}")
        return tw_side_size(&self._written.side[<int>side], price_ticks)

    # ---- native side --------------------------------------------------------------------------

    cdef int on_book(self, InstrumentBase instrument, const BookData *data, bint snapshot) except -1:
        if not (self.live and not snapshot and data.last_seq > self.last_seq
                and self.fits(instrument, data)):
            return self.beside(instrument, data, snapshot)
        try:
            self.apply_data(data)
        except Exception:
            self.live = False  # refused, so missing
            self.gaps += 1
            raise
        if self.keeps_crossed and self.crossed_run == self.crossed_limit + 1:
            self.on_crossed()
            return 0
        return self.changed(data)

    cdef int apply_data(self, const BookData *data) except -1:
        self.prepare(data, tw_side_count(&self._written.side[0]), tw_side_count(&self._written.side[1]))
        ChainedBook.apply_data(self, data)
        self.clock += 1
        self.stamp(data)
        return self.uncross()

    cdef int replace_data(self, const BookData *data, Py_ssize_t depth) except -1:
        cdef int side
        self.prepare(data, 0, 0)
        ChainedBook.replace_data(self, data, depth)
        for side in range(2):
            tw_side_clear(&self._written.side[side])
        self.clock = 1
        self.stamp(data)
        return self.uncross()

    cdef int apply_levels(self, BookSide side, const int64_t *prices, const int64_t *sizes,
                          Py_ssize_t n) except -1:
        cdef BookData data
        data.n_bids = data.n_asks = 0
        data.bid_prices = data.ask_prices = prices
        data.bid_sizes = data.ask_sizes = sizes
        if side == BookSide.BID:
            data.n_bids = n
        else:
            data.n_asks = n
        self.prepare(&data, tw_side_count(&self._written.side[0]), tw_side_count(&self._written.side[1]))
        ChainedBook.apply_levels(self, side, prices, sizes, n)
        self.clock += 1
        self.stamp(&data)
        return self.uncross()

    cdef int prepare(self, const BookData *data, Py_ssize_t bids, Py_ssize_t asks) except -1:
        """Make room for the clocks first, so that they cannot fail when the levels are in place."""
        cdef Py_ssize_t limit = (<Py_ssize_t>1) << 40
        cdef int code = tw_side_prepare(&self._written.side[0], data.bid_sizes, data.n_bids, bids, limit)
        if code == TW_BOOK_OK:
            code = tw_side_prepare(&self._written.side[1], data.ask_sizes, data.n_asks, asks, limit)
        if code == TW_BOOK_MEMORY:
            raise MemoryError("no memory for the clocks of an order book; nothing was applied")
        return 0  # other refusals are the book's to make

    cdef int stamp(self, const BookData *data) except -1:
        cdef int64_t gone = 0
        cdef Py_ssize_t i
        for i in range(data.n_bids):
            tw_side_apply(&self._written.side[0], &data.bid_prices[i],
                          &self.clock if data.bid_sizes[i] else &gone, 1, 1)
        for i in range(data.n_asks):
            tw_side_apply(&self._written.side[1], &data.ask_prices[i],
                          &self.clock if data.ask_sizes[i] else &gone, 1, 1)
        return 0

    cdef int uncross(self) except -1:
        cdef int64_t bid = 0, ask = 0, bid_size = 0, ask_size = 0, bid_clock, ask_clock
        if self.keeps_crossed:
            return 0
        while self.crossed():
            self.best_bid(&bid, &bid_size)
            self.best_ask(&ask, &ask_size)
            bid_clock = tw_side_size(&self._written.side[0], bid)
            ask_clock = tw_side_size(&self._written.side[1], ask)
            self.uncrossings += 1
            if bid_clock < ask_clock:
                self.cut(0, bid, 0)
            elif ask_clock < bid_clock:
                self.cut(1, ask, 0)
            else:
                self.cut(0, bid, bid_size - ask_size if bid_size > ask_size else 0)
                self.cut(1, ask, ask_size - bid_size if ask_size > bid_size else 0)
        return 0

    cdef int cut(self, int side, int64_t price, int64_t left) except -1:
        """Set the size of a level that is there, so that no memory is needed."""
        tw_side_apply(&self._book.side[side], &price, &left, 1, 1)
        if left == 0:
            tw_side_apply(&self._written.side[side], &price, &left, 1, 1)
        return 0
