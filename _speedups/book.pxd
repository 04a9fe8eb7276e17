"""Price-level order book on integer ticks."""

from libc.stdint cimport int64_t

from connectors._speedups.events cimport BookData, BookUpdate, InstrumentBase
