"""Price-level order book on integer ticks."""

cimport cython
from libc.stdint cimport int64_t, uint64_t

from connectors._speedups.events cimport BookData, BookUpdate, EventHandler, InstrumentBase


cdef extern from "ladder.h" nogil:
    enum:
        TW_BOOK_OK
        TW_BOOK_NEGATIVE
        TW_BOOK_FULL
        TW_BOOK_MEMORY

    ctypedef struct tw_level:
        int64_t key
        int64_t size

    ctypedef struct tw_side:
        int64_t flip
        int64_t best
        ptrdiff_t near_count

    ctypedef struct tw_book:
        tw_side side[2]

    tw_book *tw_book_new()
    tw_book *tw_book_copy(const tw_book *book)
    void tw_book_free(tw_book *book)
    ptrdiff_t tw_side_count(const tw_side *s)
    int64_t tw_side_size(const tw_side *s, int64_t price)
    ptrdiff_t tw_side_levels(const tw_side *s, tw_level *out, ptrdiff_t room)
    int tw_side_prepare(tw_side *s, const int64_t *sizes, ptrdiff_t n, ptrdiff_t kept, ptrdiff_t max_levels)
    void tw_side_apply(tw_side *s, const int64_t *prices, const int64_t *sizes, ptrdiff_t n, ptrdiff_t step)
    void tw_side_replace(tw_side *s, const int64_t *prices, const int64_t *sizes, ptrdiff_t n)
    void tw_side_clear(tw_side *s)
    const char *tw_side_broken(const tw_side *s)


cpdef enum BookSide:
    BID = 0
    ASK = 1


cdef class OrderBook(EventHandler):
    cdef tw_book *_book
    cdef readonly InstrumentBase instrument
    cdef readonly int64_t last_seq, ts_event, ts_init
    cdef readonly uint64_t updates              # applied, snapshots among them
    cdef readonly uint64_t stale                # dropped because older than what was applied
    cdef readonly uint64_t crossed_updates      # that left bid >= ask
    cdef readonly uint64_t crossed_run          # the same, in a row until now
    cdef readonly Py_ssize_t max_levels
    cdef public object on_change
    cdef bint _seeded                           # a snapshot was applied
    cdef bint _bounded[2]                       # and this side of it may have had more levels
    cdef int64_t _horizon[2]

    # Levels of one side, in order; all or, with an error, none of them. The sequence number and
    # the time stay.
    cdef int apply_levels(self, BookSide side, const int64_t *prices, const int64_t *sizes,
                          Py_ssize_t n) except -1
    # A change, or a snapshot in place of everything; all or none of it. Levels are on the grid of
    # `instrument`: that is for the caller to know. `depth` as in OrderBook.replace, 0 for None.
    cdef int apply_data(self, const BookData *data) except -1
    cdef int replace_data(self, const BookData *data, Py_ssize_t depth) except -1
    # Called after an update from a stream was applied; calls on_change.
    cdef int changed(self, const BookData *data) except -1
    cdef bint fits(self, InstrumentBase instrument, const BookData *data) except -1
    cdef int require_fit(self, InstrumentBase instrument, const BookData *data) except -1
    cdef int applied(self, const BookData *data) except -1

    # The best level, in ticks and lots; False (and nothing written) when the side is empty.
    @cython.final
    cdef inline bint best_bid(self, int64_t *price_ticks, int64_t *size_lots) noexcept:
        cdef tw_side *s = &self._book.side[0]
        if s.near_count == 0:
            return False
        price_ticks[0] = s.best
        size_lots[0] = tw_side_size(s, s.best)
        return True

    @cython.final
    cdef inline bint best_ask(self, int64_t *price_ticks, int64_t *size_lots) noexcept:
        cdef tw_side *s = &self._book.side[1]
        if s.near_count == 0:
            return False
        price_ticks[0] = ~s.best
        size_lots[0] = tw_side_size(s, ~s.best)
        return True

    @cython.final
    cdef inline bint crossed(self) noexcept:
        return (self._book.side[0].near_count != 0 and self._book.side[1].near_count != 0
                and self._book.side[0].best >= ~self._book.side[1].best)


cdef class ChainedBook(OrderBook):
    cdef public bint live
    cdef public uint64_t crossed_limit
    cdef readonly uint64_t gaps                 # updates that did not follow the one before
    cdef readonly uint64_t irregular            # handed to on_irregular, whatever the reason

    cdef int beside(self, InstrumentBase instrument, const BookData *data, bint snapshot) except -1
