from libc.stdint cimport int32_t, uint64_t

from connectors._speedups._csrc cimport tw_symbols
from connectors._speedups.events cimport InstrumentBase


cdef class SymbolTable:
    """Symbol text to a dense number and an instrument; shared by the decoders of one client."""
    cdef tw_symbols table
    cdef list _instruments              # by number
    cdef list _names                    # by number: the bytes that `table` points into
    cdef readonly uint64_t version      # grows with every change

    cdef int32_t add_name(self, bytes name, InstrumentBase instrument) except -1
