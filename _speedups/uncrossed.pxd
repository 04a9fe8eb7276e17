"""An order book whose levels remember when they were written, so that it can be uncrossed."""

from libc.stdint cimport int64_t, uint64_t

from connectors._speedups.book cimport ChainedBook, tw_book
from connectors._speedups.events cimport BookData


cdef class UncrossedBook(ChainedBook):
    cdef tw_book *_written                  # the clock of each level, in place of its size
    cdef public bint keeps_crossed          # leave crossed levels where they are
    cdef readonly int64_t clock             # of the last update; a snapshot has 1
    cdef readonly uint64_t uncrossings      # levels that were removed or cut because they crossed

    # Make room for the clocks of an update; what is refused otherwise is the book's to refuse.
    cdef int prepare(self, const BookData *data, Py_ssize_t bids, Py_ssize_t asks) except -1
    # Give the levels of an update the time of the clock.
    cdef int stamp(self, const BookData *data) except -1
    cdef int uncross(self) except -1
    # Set the size of a level that is there.
    cdef int cut(self, int side, int64_t price, int64_t left) except -1
