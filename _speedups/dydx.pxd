"""What a Cython bot may want of the dYdX decoder: ids of trades. Events reach an `EventHandler`."""

from libc.stdint cimport int64_t


cpdef int64_t trade_id_of(str text) except? -1
cpdef str trade_id_text(int64_t trade_id)
