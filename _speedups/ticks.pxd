from libc.stdint cimport int64_t, uint8_t


cdef class TickScale:
    cdef readonly int decimals          # the increment is `mantissa` x 10**-decimals
    cdef readonly int64_t mantissa
    cdef int64_t _pow                   # 10**decimals
    cdef double _float                  # the increment as a float
    cdef object _increment              # the increment as a Decimal

    # Text in [p, p+n) to ticks. Returns 0, or one of the TW_* codes of csrc/decimal.h;
    # *out is written only on success.
    cdef int parse(self, const uint8_t *p, Py_ssize_t n, int64_t *out) noexcept nogil
