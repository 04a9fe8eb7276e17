"""Exact conversion between decimal text and integer ticks.

| function         | ns a value (bench/ticks.py) |
|------------------|-----------------------------|
| `to_ticks(text)` | about 30                    |
| `to_ticks_array` | about 8                     |
"""

cimport cython
from cpython.object cimport PyObject
from decimal import Decimal
from libc.stdint cimport INT64_MAX, INT64_MIN, int32_t, int64_t, uint8_t

from connectors._speedups._csrc cimport (
    TW_LIKELY,
    TW_OFF_PRICE,
    TW_RANGE,
    TW_UNLIKELY,
    TW_VALUE,
    tw_pow10,
    tw_scale,
    tw_text_to_scale,
)

from connectors._speedups.errors import PrecisionError

__all__ = ["TickScale"]

cdef extern from *:
    """
    /* Borrowed access to ASCII text and bytes, which is what prices come as. */
    static inline int tw_py_text(PyObject *o) {
        return PyUnicode_CheckExact(o) ? PyUnicode_IS_COMPACT_ASCII(o) : PyBytes_CheckExact(o);
    }
    static inline const uint8_t *tw_py_ascii(PyObject *o) {
        return PyUnicode_CheckExact(o) ? (const uint8_t *)PyUnicode_1BYTE_DATA(o)
                                       : (const uint8_t *)PyBytes_AS_STRING(o);
    }
    static inline Py_ssize_t tw_py_length(PyObject *o) {
        return PyUnicode_CheckExact(o) ? PyUnicode_GET_LENGTH(o) : PyBytes_GET_SIZE(o);
    }
    _Static_assert(sizeof(Py_ssize_t) == 8, "counts of ticks are passed as Py_ssize_t");
    /* Both kinds of object have more than this in front of their bytes. */
    #define TW_TEXT_HEADER 16
    """
    const Py_ssize_t TEXT_HEADER "TW_TEXT_HEADER"
    bint tw_py_text(PyObject *o)
    const uint8_t *tw_py_ascii(PyObject *o)
    Py_ssize_t tw_py_length(PyObject *o)
    PyObject *PyList_GET_ITEM(object, Py_ssize_t)
    Py_ssize_t PyList_GET_SIZE(object)

cdef tuple ROUNDINGS = ("ceiling", "down", "floor", "half_even", "up")


cdef object fixed_decimal(int64_t mantissa, int32_t exponent):
    if exponent < 0:
        return None
    return Decimal(_text(mantissa, exponent))


cdef int fixed_from(object value, int64_t *mantissa, int32_t *exponent) except -1:
    cdef object number = _as_decimal(value)
    if not number.is_finite():
        raise PrecisionError(f"{value!r} is not a number", value)
    sign, digits, places = number.as_tuple()
    text = "".join(map(str, digits)).lstrip("0") or "0"
    if text == "0":
        places = max(min(places, 0), -18)
    while places < -18 and text.endswith("0"):
        text = text[:len(text) - 1]
        places += 1
    if places < -18 or len(text) + max(places, 0) > 19 or int(text) * 10 ** max(places, 0) > INT64_MAX:
        raise PrecisionError(f"{_shown(value)} has more than 64 bits or 18 decimals", value)
    mantissa[0] = (-1 if sign else 1) * int(text) * 10 ** max(places, 0)
    exponent[0] = -min(places, 0)
    return 0


cdef str _text(int64_t value, int32_t decimals):
    """Plain notation with exactly `decimals` digits behind the dot."""
    cdef char buffer[48]
    cdef char *p = buffer + 47
    # Negating INT64_MIN as signed would overflow; as unsigned it is its magnitude.
    cdef unsigned long long rest = <unsigned long long>value
    cdef int32_t i
    if value < 0:
        rest = 0 - rest
    if decimals > 0:
        for i in range(decimals):
            p -= 1
            p[0] = <char>(48 + rest % 10)
            rest //= 10
        p -= 1
        p[0] = c'.'
    while True:
        p -= 1
        p[0] = <char>(48 + rest % 10)
        rest //= 10
        if rest == 0:
            break
    if value < 0:
        p -= 1
        p[0] = c'-'
    return p[:buffer + 47 - p].decode("ascii")


cdef class TickScale:
    """The grid of a price or size: text, `Decimal` and int to whole ticks and back, exactly.

    Parameters
    ----------
    increment : str, bytes, Decimal or int
        The smallest step, greater than zero, with at most 18 decimals: `"0.10"`, `"0.25"`, `10`.
        Trailing zeros mean nothing: `"0.10"` and `"0.1"` are the same grid.

    Raises
    ------
    PrecisionError
        If the increment is not such a number.

    Notes
    -----
    A tick count is an int64, and never a float. Text is `-?digits[.digits]`; an exponent, a leading `+`, blanks, NaN
    and infinities are refused. Instances are immutable, hashable, picklable, and compare by value.
    """

    def __init__(self, increment):
        cdef object value = _as_decimal(increment)
        if not value.is_finite() or value <= 0:
            raise PrecisionError(f"increment must be greater than zero, got {increment!r}", increment)
        digits, exponent = _digits(value)
        if exponent < -18:
            raise PrecisionError(f"increment {increment!r} has more than 18 decimals", increment)
        if len(digits) + max(exponent, 0) > 19 or int(digits) * 10 ** max(exponent, 0) > INT64_MAX:
            raise PrecisionError(f"increment {increment!r} does not fit 64 bits", increment)
        self.mantissa = int(digits) * 10 ** max(exponent, 0)
        exponent = min(exponent, 0)
        self.decimals = -exponent
        self._increment = Decimal(_text(self.mantissa, self.decimals))

    @property
    def increment(self):
        """The step as a Decimal."""
        return self._increment

    cdef int parse(self, const uint8_t *p, Py_ssize_t n, int64_t *out) noexcept nogil:
        cdef tw_scale scale
        scale.mantissa = self.mantissa
        scale.decimals = self.decimals
        return tw_text_to_scale(p, p + n, 0, &scale, out)

    @cython.binding(False)
    def to_ticks(self, value, *, rounding=None):
        """Return `value` as a count of ticks (int).

        Parameters
        ----------
        value : str, bytes, bytearray, Decimal or int
            An int is a number of whole units, not of ticks: `TickScale("0.1").to_ticks(3) == 30`.
        rounding : {"down", "up", "floor", "ceiling", "half_even"}, optional
            Only when given is a value off the grid rounded; then a float is taken too.
            "down" is toward zero, "up" away from it.

        Raises
        ------
        PrecisionError
            Off the grid (without `rounding`), beyond int64, an exponent, or not a number.
        TypeError
            For any other type; also for float without `rounding`, because a binary float rarely is
            the decimal it was written as.
        """
        cdef int64_t ticks = 0
        cdef int code
        cdef tw_scale scale
        cdef const uint8_t *p
        if rounding is None:
            if not tw_py_text(<PyObject *>value):
                return self._exact(value)
            scale.mantissa = self.mantissa
            scale.decimals = self.decimals
            p = tw_py_ascii(<PyObject *>value)
            code = tw_text_to_scale(p, p + tw_py_length(<PyObject *>value), TEXT_HEADER, &scale, &ticks)
            if TW_UNLIKELY(code != 0):
                return self._refused(code, value)
            return ticks
        return self._rounded(value, rounding)

    def to_ticks_array(self, values):
        """Return many values as a numpy int64 array of ticks, in one pass.

        Parameters
        ----------
        values : list, tuple or numpy.ndarray
            Of what `to_ticks` takes. One-dimensional arrays of dtype S, U, integer or object; a
            float array is refused as a float is. The GIL is released while an array of
            dtype S is read.

        Raises
        ------
        PrecisionError
            As `to_ticks`; the text names the index of the first value that does not fit.
        """
        import numpy as np

        if isinstance(values, np.ndarray):
            if values.ndim != 1:
                raise ValueError(f"expected one dimension, got {values.ndim}")
            kind = values.dtype.kind
            if kind == "S" and values.dtype.itemsize > 0:
                return self._bytes_array(np, np.ascontiguousarray(values))
            if kind == "f":
                raise TypeError("a float array has no exact decimal values: pass text, Decimal or "
                                "integers, or use round_to_ticks_array")
            if kind not in "SUOiu":
                raise TypeError(f"cannot read prices from dtype {values.dtype}")
            values = values.tolist()
        elif isinstance(values, tuple):
            values = list(values)
        elif not isinstance(values, list):
            raise TypeError(f"expected list, tuple or numpy array, got {type(values).__name__}")
        return self._list_array(np, values)

    def round_to_ticks_array(self, values, rounding="half_even"):
        """Return a float array as the ticks nearest to it (int64 array), explicitly rounded.

        `rounding` as in `to_ticks`. Raises `PrecisionError` for NaN, infinities and overflow.
        Computed in double precision: exact while ticks stay below 2**53.
        """
        import numpy as np

        modes = {"down": np.trunc, "floor": np.floor, "ceiling": np.ceil, "half_even": np.rint,
                 "up": lambda x: np.copysign(np.ceil(np.abs(x)), x)}
        if rounding not in modes:
            raise ValueError(f"rounding must be one of {sorted(modes)}, got {rounding!r}")
        with np.errstate(all="ignore"):  # NaN, infinities and overflow are found below
            # Multiplying by 10**decimals first keeps grid values on the grid: 0.1 is not 1/10.
            scaled = np.asarray(values, dtype=np.float64) * float(tw_pow10[self.decimals])
            if self.mantissa != 1:
                scaled = scaled / float(self.mantissa)
            near = np.rint(scaled)
            on_grid = np.abs(scaled - near) <= 4 * np.spacing(np.abs(scaled))
            ticks = np.where(on_grid, near, modes[rounding](scaled))
        if not np.all(np.abs(ticks) < 2.0 ** 63):
            index = int(np.flatnonzero(~(np.abs(ticks) < 2.0 ** 63))[0])
            raise PrecisionError(f"value at index {index} is not a number that fits 64 bits", index)
        return ticks.astype(np.int64)

    def to_decimal(self, Py_ssize_t ticks):
        """Return `ticks` as an exact Decimal."""
        return self.decimal(ticks)

    def to_float(self, Py_ssize_t ticks):
        """Return the float nearest to `ticks`."""
        cdef int64_t whole = 0
        if -(1 << 53) <= ticks <= (1 << 53) and self.mantissa <= (1 << 10):
            whole = ticks * self.mantissa
            # Both operands are exact doubles, so the quotient is correctly rounded.
            if -(1 << 53) <= whole <= (1 << 53):
                return <double>whole / <double>tw_pow10[self.decimals]
        return float(self.decimal(ticks))

    def to_float_array(self, ticks):
        """Return an int64 array of ticks as float64."""
        import numpy as np

        return np.asarray(ticks, dtype=np.int64) * float(self.mantissa) / float(tw_pow10[self.decimals])

    def format(self, Py_ssize_t ticks):
        """Return `ticks` in plain notation with as many decimals as the increment has."""
        return self.text(ticks)

    cdef str text(self, int64_t ticks):
        if self.mantissa == 1:
            return _text(ticks, self.decimals)
        whole = ticks * <object>self.mantissa
        if INT64_MIN < whole <= INT64_MAX:
            return _text(whole, self.decimals)
        # Put in by hand: any Decimal operation rounds to the context's precision.
        digits = str(abs(whole)).rjust(self.decimals + 1, "0")
        point = len(digits) - self.decimals
        sign = "-" if whole < 0 else ""
        return f"{sign}{digits[:point]}.{digits[point:]}" if self.decimals else f"{sign}{digits}"

    cdef object decimal(self, int64_t ticks):
        return Decimal(self.text(ticks))

    def __repr__(self):
        return f"TickScale('{self._increment:f}')"

    def __eq__(self, other):
        if not isinstance(other, TickScale):
            return NotImplemented
        cdef TickScale that = other
        return self.mantissa == that.mantissa and self.decimals == that.decimals

    def __hash__(self):
        return hash((self.mantissa, self.decimals))

    def __reduce__(self):
        return TickScale, (f"{self._increment:f}",)

    # ---- cold paths -------------------------------------------------------------------------

    def _exact(self, value):
        """Ticks of anything `to_ticks` takes that is not plain text."""
        if isinstance(value, float):
            raise TypeError("a float is not an exact decimal: pass text or Decimal, "
                            "or say how to round with rounding=")
        number = _as_decimal(value)
        if not number.is_finite():
            raise PrecisionError(f"{value!r} is not a number", value)
        digits, exponent = _digits(number)
        if len(digits) + exponent > 40:
            raise self._overflow(value)
        if len(digits) > 40 or exponent < -40:
            raise self._off_grid(value)
        # Whole-number arithmetic: Decimal operations would round to the context's precision.
        shift = exponent + self.decimals
        if shift >= 0:
            ticks, rest = divmod(int(digits) * 10 ** shift, self.mantissa)
        else:
            ticks, rest = divmod(int(digits), self.mantissa * 10 ** -shift)
        if rest:
            raise self._off_grid(value)
        if ticks > INT64_MAX:
            raise self._overflow(value)
        return -ticks if number.is_signed() else ticks

    def _rounded(self, value, rounding):
        if rounding not in ROUNDINGS:
            raise ValueError(f"rounding must be one of {list(ROUNDINGS)}, got {rounding!r}")
        number = Decimal(value) if isinstance(value, float) else _as_decimal(value)
        if not number.is_finite():
            raise PrecisionError(f"{value!r} is not a number", value)
        digits, exponent = _digits(number)
        if len(digits) + exponent > 40:
            raise self._overflow(value)
        if exponent < -40:
            # No tick and no half of one has that many decimals: what is there only says "more".
            digits = digits[:max(len(digits) + exponent + 40, 0)] + "1"
            exponent = -41
        # Whole-number arithmetic: Decimal operations would round to the context's precision first.
        shift = exponent + self.decimals
        one = self.mantissa * 10 ** max(-shift, 0)
        ticks, rest = divmod(int(digits) * 10 ** max(shift, 0), one)
        negative = number.is_signed()
        if (rounding == "up" and rest
                or rounding == "floor" and rest and negative
                or rounding == "ceiling" and rest and not negative
                or rounding == "half_even" and (2 * rest, ticks & 1) > (one, 0)):
            ticks += 1
        if ticks > INT64_MAX:
            raise self._overflow(value)
        return -ticks if negative else ticks

    def _off_grid(self, value):
        return PrecisionError(f"{_shown(value)} is not a multiple of {self._increment:f}", value)

    def _overflow(self, value):
        return PrecisionError(f"{_shown(value)} does not fit 64 bits in steps of {self._increment:f}", value)

    def _refused(self, int code, value):
        """Raise what the code means; for numbers at the edge of 64 bits exact arithmetic decides."""
        if code == TW_OFF_PRICE:
            raise self._off_grid(value)
        if code == TW_RANGE:
            return self._exact(value)
        if code == TW_VALUE:
            raise PrecisionError(f"{_shown(value)} has an exponent; write it in plain notation", value)
        raise PrecisionError(f"{_shown(value)} is not a decimal number", value)

    def _list_array(self, np, list values):
        """Each text is parsed where it lies. The GIL is kept: the texts are Python objects."""
        cdef Py_ssize_t i, n = PyList_GET_SIZE(values)
        cdef object out = np.empty(n, dtype=np.int64)
        cdef int64_t[::1] view = out
        cdef int64_t *ticks = &view[0] if n else NULL
        cdef PyObject *item
        cdef tw_scale scale
        scale.mantissa = self.mantissa
        scale.decimals = self.decimals
        for i in range(n):
            # Borrowed: nothing between here and the parse can run Python code.
            item = PyList_GET_ITEM(values, i)
            if tw_py_text(item):
                if TW_LIKELY(tw_text_to_scale(tw_py_ascii(item), tw_py_ascii(item) + tw_py_length(item),
                                              TEXT_HEADER, &scale, &ticks[i]) == 0):
                    continue
            ticks[i] = self._at_index(<object>item, i)
            if PyList_GET_SIZE(values) != n:
                raise RuntimeError("the list changed its size while it was read")
        return out

    def _at_index(self, item, Py_ssize_t index):
        try:
            return self.to_ticks(item)
        except PrecisionError as error:
            raise PrecisionError(f"index {index}: {error.reason}", item) from None
        except TypeError as error:
            raise TypeError(f"index {index}: {error}") from None

    def _bytes_array(self, np, values):
        """dtype S: rows of fixed width, padded with NUL."""
        cdef Py_ssize_t width = values.dtype.itemsize
        cdef Py_ssize_t i, n = len(values), length, failed = -1
        cdef object out = np.empty(n, dtype=np.int64)
        if n == 0:
            return out
        cdef const uint8_t[:, ::1] rows = values.view(np.uint8).reshape(n, width)
        cdef int64_t[::1] view = out
        cdef tw_scale scale
        scale.mantissa = self.mantissa
        scale.decimals = self.decimals
        with nogil:
            for i in range(n):
                length = width
                while length > 0 and rows[i, length - 1] == 0:
                    length -= 1
                if TW_UNLIKELY(tw_text_to_scale(&rows[i, 0], &rows[i, 0] + length, i * width, &scale, &view[i]) != 0):
                    failed = i
                    break
        if failed >= 0:
            for i in range(failed, n):
                view[i] = self._at_index(bytes(values[i]), i)
        return out


cdef object _shown(value):
    """A value for an error text: bytes as text, and never a whole page of it."""
    if isinstance(value, (bytes, bytearray)):
        value = bytes(value).decode("utf-8", "backslashreplace")
    shown = repr(value) if isinstance(value, str) else str(value)
    return shown if len(shown) <= 80 else shown[:77] + "..."


cdef tuple _digits(number):
    """Significant digits of a finite Decimal as text without outer zeros, and their exponent."""
    _, digits, exponent = number.as_tuple()
    text = "".join(map(str, digits)).lstrip("0")
    stripped = text.rstrip("0")
    if not stripped:
        return "0", 0
    return stripped, exponent + len(text) - len(stripped)


cdef object _as_decimal(value):
    """Strict: what `to_ticks` takes, as a Decimal; never through a float."""
    if isinstance(value, bool):
        raise TypeError("a bool is not a price or a size")
    if isinstance(value, (bytes, bytearray)):
        try:
            value = bytes(value).decode("ascii")
        except UnicodeDecodeError:
            raise PrecisionError(f"{_shown(value)} is not a decimal number", value) from None
    if isinstance(value, str):
        head, _, tail = value.removeprefix("-").partition(".")
        plain = head + tail
        if not (plain.isascii() and plain.isdigit() and head) or ("." in value and not tail):
            if "e" in value.lower() and any(c.isdigit() for c in value):
                raise PrecisionError(f"{_shown(value)} has an exponent; write it in plain notation", value)
            raise PrecisionError(f"{_shown(value)} is not a decimal number", value)
        return Decimal(value)
    if isinstance(value, Decimal):
        return value
    if isinstance(value, int):
        return Decimal(value)
    raise TypeError(f"expected text, Decimal or int, got {type(value).__name__}")
