from libc.stdint cimport int32_t, int64_t, uint8_t


cdef class TickScale:
    # the increment is mantissa * 10**-decimals, and is not divisible by ten unless decimals == 0
    cdef readonly int64_t mantissa
    cdef readonly int32_t decimals
    cdef object _increment

    # Text in [p, p+n) to ticks. Returns 0, or a TW_* code of csrc/decimal.h with *out untouched.
    cdef int parse(self, const uint8_t *p, Py_ssize_t n, int64_t *out) noexcept nogil
    cdef str text(self, int64_t ticks)
    cdef object decimal(self, int64_t ticks)


# mantissa * 10**-exponent as text and as Decimal; exponent < 0 gives None.
cdef object fixed_decimal(int64_t mantissa, int32_t exponent)
# And back: text, Decimal or int as it is, with the zeros it has. Raises PrecisionError, TypeError.
cdef int fixed_from(object value, int64_t *mantissa, int32_t *exponent) except -1
