"""The JSON pull-scanner of csrc/scan.h, as Python sees it.

Decoders call the C functions; what is here takes the same ways through the same code, so that the
scanner can be held against other parsers, fuzzed, and used to look into a message without
building objects for all of it. For plain JSON to objects, orjson is the better tool.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint8_t

from connectors._speedups._csrc cimport (
    TW_DEPTH,
    TW_MAX_DEPTH,
    TW_MEMORY,
    TW_MISSING,
    TW_OFF_PRICE,
    TW_OFF_SIZE,
    TW_RANGE,
    TW_SYNTAX,
    TW_TRAILING,
    TW_TRUNCATED,
    TW_TYPE,
    TW_VALUE,
    tw_at_end,
    tw_byte,
    tw_err,
    tw_fixed,
    tw_fixed_value,
    tw_int,
    tw_next,
    tw_skip,
    tw_string,
    tw_unescape,
    tw_ws,
)
from connectors._speedups.ticks cimport fixed_decimal

from connectors._speedups.errors import DecodeError

__all__ = ["MAX_DEPTH", "REASONS", "check", "decimal", "elements", "integer", "members", "string"]

MAX_DEPTH = TW_MAX_DEPTH

# Words for the TW_* codes, used by every decoder.
REASONS = {
    TW_SYNTAX: "not valid JSON, or not a number where one must be",
    TW_TRUNCATED: "message is truncated",
    TW_DEPTH: "nested too deeply",
    TW_TYPE: "value has the wrong type",
    TW_RANGE: "number does not fit 64 bits",
    TW_OFF_PRICE: "price is not a multiple of the tick size",
    TW_OFF_SIZE: "size is not a multiple of the lot size",
    TW_MISSING: "a mandatory field is missing",
    TW_TRAILING: "bytes after the end of the message",
    TW_MEMORY: "out of memory",
    TW_VALUE: "value is not allowed here",
}


cdef object _error(const uint8_t *start, tw_err *err):
    return DecodeError(REASONS[err.code], err.at - start)


cdef inline const uint8_t *_start(const uint8_t[::1] data) noexcept:
    # An empty view has no first element to take the address of.
    return &data[0] if data.shape[0] else <const uint8_t *>b""


def check(const uint8_t[::1] data not None):
    """Check that `data` is one JSON value with nothing but blanks around it.

    Raises `DecodeError` with the offset of the first byte that does not fit. Strict, but for two
    things: nesting deeper than `MAX_DEPTH` is refused, and UTF-8 inside strings is not checked.
    """
    cdef tw_err err
    cdef const uint8_t *start = _start(data)
    cdef const uint8_t *end = start + data.shape[0]
    cdef const uint8_t *p = tw_skip(start, end, &err)
    if p == NULL or not tw_at_end(p, end, &err):
        raise _error(start, &err)


cdef object _text(const uint8_t *p, Py_ssize_t n, bint escaped, const uint8_t *start):
    cdef int length
    cdef bytearray room
    cdef bytes text
    if escaped:
        room = bytearray(n)
        length = tw_unescape(p, p + n, <uint8_t *><char *>room, <int>n)
        if length < 0:
            raise DecodeError("a surrogate stands alone", p - start)
        text = bytes(room[:length])
    else:
        text = PyBytes_FromStringAndSize(<const char *>p, n)
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        # Behind an escape the byte stands elsewhere in the message than in the text.
        raise DecodeError("string is not UTF-8", p - start + (0 if escaped else error.start)) from None


def members(const uint8_t[::1] data not None):
    """Return the members of a JSON object as a list of `(key, start, end)`.

    `data[start:end]` is the JSON of the value. Keys may repeat. Raises `DecodeError`.
    """
    cdef tw_err err
    cdef const uint8_t *start = _start(data)
    cdef const uint8_t *end = start + data.shape[0]
    cdef const uint8_t *p
    cdef const uint8_t *value
    cdef const uint8_t *next
    cdef const uint8_t *name
    cdef Py_ssize_t length
    cdef int escaped, more
    cdef list out = []
    p = tw_byte(start, end, c'{', &err)
    if p == NULL:
        raise _error(start, &err)
    p = tw_ws(p, end)
    if p < end and p[0] == c'}':
        p += 1
    else:
        while True:
            p = tw_ws(p, end)
            p = tw_string(p, end, &name, &length, &escaped, &err)
            if p != NULL:
                p = tw_byte(p, end, c':', &err)
            if p == NULL:
                raise _error(start, &err)
            value = tw_ws(p, end)
            p = tw_skip(value, end, &err)
            if p == NULL:
                raise _error(start, &err)
            out.append((_text(name, length, escaped, start), value - start, p - start))
            more = tw_next(p, end, c'}', &next, &err)
            if more < 0:
                raise _error(start, &err)
            p = next
            if more == 0:
                break
    if not tw_at_end(p, end, &err):
        raise _error(start, &err)
    return out


def elements(const uint8_t[::1] data not None):
    """Return the elements of a JSON array as a list of `(start, end)`; raises `DecodeError`."""
    cdef tw_err err
    cdef const uint8_t *start = _start(data)
    cdef const uint8_t *end = start + data.shape[0]
    cdef const uint8_t *p
    cdef const uint8_t *value
    cdef const uint8_t *next
    cdef int more
    cdef list out = []
    p = tw_byte(start, end, c'[', &err)
    if p == NULL:
        raise _error(start, &err)
    p = tw_ws(p, end)
    if p < end and p[0] == c']':
        p += 1
    else:
        while True:
            value = tw_ws(p, end)
            p = tw_skip(value, end, &err)
            if p == NULL:
                raise _error(start, &err)
            out.append((value - start, p - start))
            more = tw_next(p, end, c']', &next, &err)
            if more < 0:
                raise _error(start, &err)
            p = next
            if more == 0:
                break
    if not tw_at_end(p, end, &err):
        raise _error(start, &err)
    return out


def integer(const uint8_t[::1] data not None):
    """Read an integer that fits int64, bare or quoted; raises `DecodeError`."""
    cdef tw_err err
    cdef int64_t value = 0
    cdef const uint8_t *start = _start(data)
    cdef const uint8_t *end = start + data.shape[0]
    cdef const uint8_t *p = tw_int(tw_ws(start, end), end, &value, &err)
    if p == NULL or not tw_at_end(p, end, &err):
        raise _error(start, &err)
    return value


def decimal(const uint8_t[::1] data not None):
    """Read a decimal, bare or quoted, as an exact Decimal; raises `DecodeError`.

    The digits must fit int64 and the decimals 18 places; an exponent is refused.
    """
    cdef tw_err err
    cdef tw_fixed value
    cdef const uint8_t *start = _start(data)
    cdef const uint8_t *end = start + data.shape[0]
    cdef const uint8_t *p = tw_fixed_value(tw_ws(start, end), end, &value, &err)
    if p == NULL or not tw_at_end(p, end, &err):
        raise _error(start, &err)
    return fixed_decimal(value.mantissa, value.exponent)


def string(const uint8_t[::1] data not None):
    """Read a JSON string; raises `DecodeError`."""
    cdef tw_err err
    cdef const uint8_t *name
    cdef Py_ssize_t length
    cdef int escaped
    cdef const uint8_t *start = _start(data)
    cdef const uint8_t *end = start + data.shape[0]
    cdef const uint8_t *p = tw_string(tw_ws(start, end), end, &name, &length, &escaped, &err)
    if p == NULL or not tw_at_end(p, end, &err):
        raise _error(start, &err)
    return _text(name, length, escaped, start)
