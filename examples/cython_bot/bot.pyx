# cython: language_level=3
"""A handler at C level: no Python object is made for a quote."""

from libc.stdint cimport int64_t

from connectors._speedups.events cimport EventHandler, InstrumentBase, QuoteData


cdef class SpreadWatcher(EventHandler):
    cdef public int64_t quotes, widest_ticks

    cdef int on_quote(self, InstrumentBase instrument, const QuoteData *quote) except -1:
        self.quotes += 1
        if quote.ask - quote.bid > self.widest_ticks:
            self.widest_ticks = quote.ask - quote.bid
        return 0
