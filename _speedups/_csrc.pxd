"""Declarations of the plain C headers in csrc/, for our own modules only."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t


cdef extern from "decimal.h" nogil:
    enum:
        TW_OK
        TW_SYNTAX
        TW_TRUNCATED
        TW_DEPTH
        TW_TYPE
        TW_RANGE
        TW_OFF_PRICE
        TW_OFF_SIZE
        TW_MISSING
        TW_TRAILING
        TW_MEMORY
        TW_VALUE

    ctypedef struct tw_fixed:
        int64_t mantissa
        int32_t exponent

    ctypedef struct tw_scale:
        int64_t mantissa
        int32_t decimals

    const int64_t tw_pow10[19]
    bint TW_LIKELY(bint)
    bint TW_UNLIKELY(bint)
    const uint8_t *tw_decimal_slow(const uint8_t *p, const uint8_t *end, tw_fixed *out, int *code)
    int tw_fixed_add(tw_fixed a, tw_fixed b, tw_fixed *out)
    int tw_fixed_share(tw_fixed x, int64_t factor, int32_t decimals, tw_fixed *out)
    int tw_to_scale(tw_fixed x, const tw_scale *s, int off, int64_t *out)
    int tw_text_to_scale(const uint8_t *p, const uint8_t *end, Py_ssize_t before, const tw_scale *s, int64_t *out)


cdef extern from "scan.h" nogil:
    enum:
        TW_MAX_DEPTH

    ctypedef struct tw_err:
        int code
        const uint8_t *at
        int32_t decimals

    const uint8_t *tw_fail(tw_err *err, int code, const uint8_t *at)
    const uint8_t *tw_ws(const uint8_t *p, const uint8_t *end)
    const uint8_t *tw_byte(const uint8_t *p, const uint8_t *end, uint8_t byte, tw_err *err)
    const uint8_t *tw_string_end(const uint8_t *p, const uint8_t *end, int *escaped, tw_err *err)
    const uint8_t *tw_number_end(const uint8_t *p, const uint8_t *end, tw_err *err)
    const uint8_t *tw_word(const uint8_t *p, const uint8_t *end, const char *word, tw_err *err)
    const uint8_t *tw_skip(const uint8_t *p, const uint8_t *end, tw_err *err)
    const uint8_t *tw_key(const uint8_t *p, const uint8_t *end, uint64_t *key, tw_err *err)
    int tw_next(const uint8_t *p, const uint8_t *end, uint8_t close, const uint8_t **next, tw_err *err)
    const uint8_t *tw_int(const uint8_t *p, const uint8_t *end, int64_t *out, tw_err *err)
    const uint8_t *tw_fixed_value(const uint8_t *p, const uint8_t *end, tw_fixed *out, tw_err *err)
    const uint8_t *tw_string(const uint8_t *p, const uint8_t *end, const uint8_t **s, Py_ssize_t *n, int *escaped, tw_err *err)
    int tw_unescape(const uint8_t *p, const uint8_t *end, uint8_t *out, int room)
    bint tw_at_end(const uint8_t *p, const uint8_t *end, tw_err *err)


cdef extern from "levels.h" nogil:
    ctypedef struct tw_levels:
        int64_t *prices
        int64_t *sizes
        Py_ssize_t count
        Py_ssize_t room
    void tw_levels_free(tw_levels *levels)
    const uint8_t *tw_levels_parse(const uint8_t *p, const uint8_t *end, const tw_scale *price, const tw_scale *size, tw_levels *levels, tw_err *err)


cdef extern from "symbols.h" nogil:
    ctypedef struct tw_symbol:
        tw_scale price
        tw_scale size
        uint32_t depth_flags

    ctypedef struct tw_symbols:
        tw_symbol *symbols
        int32_t count

    int32_t tw_symbol_find(const tw_symbols *t, const uint8_t *p, Py_ssize_t n)
    int32_t tw_symbol_add(tw_symbols *t, const uint8_t *p, Py_ssize_t n)
    void tw_symbols_free(tw_symbols *t)


cdef extern from "object.h" nogil:
    ctypedef struct tw_span:
        const uint8_t *text
        Py_ssize_t length
        int escaped

    ctypedef struct tw_literal:
        const char *text
        int32_t n

    ctypedef struct tw_choice:
        tw_span text
        int number
