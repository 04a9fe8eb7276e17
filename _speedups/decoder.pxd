"""What the decoders of several venues have in common: instruments, scales, problems, values."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t

from connectors._speedups._csrc cimport (
    TW_OFF_PRICE,
    TW_OFF_SIZE,
    TW_UNLIKELY,
    tw_err,
    tw_fixed,
    tw_levels,
    tw_literal,
    tw_scale,
    tw_span,
    tw_to_scale,
)
from connectors._speedups.events cimport EventHandler, Fixed, InstrumentBase
from connectors._speedups.feed cimport Decoder
from connectors._speedups.symbols cimport SymbolTable


cdef class SymbolDecoder(Decoder):
    """A decoder of frames about instruments in a `SymbolTable`."""
    cdef readonly SymbolTable symbols
    cdef readonly EventHandler handler
    cdef object _on_problem, _on_off_scale
    cdef readonly uint64_t events, decode_errors, row_errors, off_scale
    cdef tw_levels bids, asks           # of the book being read
    cdef int64_t ts_init                # of the message being decoded

    # The instrument, and its scales, for values of so many decimals; -1: as its own.
    cdef InstrumentBase at_scale(self, int32_t number, int price_decimals, int size_decimals, tw_scale *price,
                                 tw_scale *size)
    # Count a value off its grid and tell about it.
    cdef int tell_off_scale(self, InstrumentBase instrument) except -1
    # Tell about a message that does not decode; without a callback it is raised. Clears err.
    cdef int refuse(self, const uint8_t *start, const uint8_t *end, tw_err *err) except -1
    # Tell about rows, (error, data), that were passed over; without a callback the first is raised.
    cdef int refuse_rows(self, list failed) except -1


cdef inline Fixed fixed_of(tw_fixed x) noexcept nogil:
    cdef Fixed out
    out.mantissa = x.mantissa
    out.exponent = x.exponent
    return out


cdef inline bint is_off_scale(tw_err *err) noexcept nogil:
    """Whether a value only needs a finer grid; clears the error then."""
    if err.code != TW_OFF_PRICE and err.code != TW_OFF_SIZE:
        return False
    err.code = 0
    return True


cdef inline int scale_to(tw_fixed x, const tw_scale *scale, int off, int64_t *out, tw_err *err) noexcept nogil:
    """Bring a value to its grid; `off` is the code for one that is not on it."""
    cdef int code = tw_to_scale(x, scale, off, out)
    if TW_UNLIKELY(code != 0):
        err.code = code
        err.decimals = x.exponent
    return code


# A Decimal; zero for a value that was not there, as for the venues.
cdef object number_of(Fixed x)

# A Decimal, None for a value that was not there.
cdef object number_or_none(Fixed x)

# The text of a string value, "" where there is none or it cannot be decoded.
cdef str text_of(const tw_span *s)

# The words of a table as one set of str objects that all rows share.
cdef tuple words_of(const tw_literal *words, int count)

# The error for a code, at a place of a message.
cdef object error_of(int code, const uint8_t *at, const uint8_t *start)
