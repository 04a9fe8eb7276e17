"""Quotes that are read off a book, for venues that send none."""

cimport cython
from libc.stdint cimport int64_t

from connectors._speedups.book cimport OrderBook
from connectors._speedups.events cimport Quote

__all__ = ["BookTops"]


@cython.final
cdef class BookTops:
    """Makes a quote of each change of a book's best levels; give it to the book as `on_change`.

    A quote's `seq` and times are those of the update that changed them.

    Parameters
    ----------
    callback : callable
        `callback(quote)`.
    on_empty_side : callable, optional
        `on_empty_side(instrument, has_bid, has_ask)` when it is another side, or both, that the book
        lacks: there is no quote then.

    Attributes
    ----------
    quotes : int
        How many were made.
    """

    cdef object _callback, _on_empty_side
    cdef int64_t _bid, _bid_lots, _ask, _ask_lots
    cdef int _sides                         # 1: a bid, 2: an ask; -1 before the first look
    cdef readonly int64_t quotes

    def __init__(self, callback, on_empty_side=None):
        self._callback = callback
        self._on_empty_side = on_empty_side
        self._sides = -1

    def __call__(self, OrderBook book not None):
        """Look at a book that changed."""
        cdef int64_t bid = 0, bid_lots = 0, ask = 0, ask_lots = 0
        cdef int sides = 0, before = self._sides
        cdef Quote quote
        if book.best_bid(&bid, &bid_lots):
            sides |= 1
        if book.best_ask(&ask, &ask_lots):
            sides |= 2
        if (sides == before and bid == self._bid and ask == self._ask
                and bid_lots == self._bid_lots and ask_lots == self._ask_lots):
            return
        self._sides = sides
        self._bid, self._bid_lots = bid, bid_lots
        self._ask, self._ask_lots = ask, ask_lots
        if sides != 3:
            if sides != before and self._on_empty_side is not None:
                self._on_empty_side(book.instrument, bool(sides & 1), bool(sides & 2))
            return
        quote = Quote.__new__(Quote)
        quote.instrument = book.instrument
        quote.bid_ticks, quote.bid_lots = bid, bid_lots
        quote.ask_ticks, quote.ask_lots = ask, ask_lots
        quote.seq = book.last_seq
        quote.ts_event, quote.ts_init = book.ts_event, book.ts_init
        self.quotes += 1
        self._callback(quote)
