"""Numbers as the venue writes them, and which prices and sizes it takes.

The venue hashes its own text of every number. A price or size in any other form (`1.0`, `1e3`)
makes it a signature of somebody else, so whatever goes into an action is written by `number_text`.

A size has at most `sz_decimals` decimals. A price has at most five significant figures and at most
6 - `sz_decimals` decimals (8 - `sz_decimals` on spot); a whole number is always allowed. So the
grid of prices depends on their magnitude, and their decimals have a bound besides:

===========  ===========================  ================================
price        grid by its five figures     grid at 2 decimals of size, perp
===========  ===========================  ================================
123 456      1 (any whole number)         1
84 143       1                            1
9 999.5      0.1                          0.1
1.2345       0.0001                       0.0001
0.01234      0.000001                     0.0001
===========  ===========================  ================================

Nothing is rounded unless a function with `round` in its name is called.

Source: sections 6.2 and 6.3 of the venue's rules.
"""

from __future__ import annotations

import math
from decimal import Decimal, InvalidOperation
from enum import Enum

from ..errors import PrecisionError

__all__ = [
    "Rounding",
    "check_price",
    "check_size",
    "float_to_wire",
    "number_text",
    "price_exponent",
    "round_price",
    "round_price_like_sdk",
    "round_size",
]

FIGURES = 5
PERP_DECIMALS = 6
SPOT_DECIMALS = 8
_EXPONENT_MAX = 40  # of a number anyone could mean: text of a million zeros is refused

Number = Decimal | int | str


class Rounding(Enum):
    """Which way a number that is off the grid goes."""

    NEAREST = "nearest"
    """Half goes to the even neighbour."""
    DOWN = "down"
    UP = "up"


def _decimal(value: object) -> Decimal:
    """Read a number exactly; floats are refused, because they rarely are what was meant."""
    if isinstance(value, Decimal):
        number = value
    elif isinstance(value, bool) or not isinstance(value, (int, str)):
        raise PrecisionError(
            f"a number must be Decimal, int or text, not {type(value).__name__}"
            + (" (`float_to_wire` takes floats)" if isinstance(value, float) else ""),
            value,
        )
    elif isinstance(value, int):
        if abs(value) >= 10**_EXPONENT_MAX:
            raise PrecisionError("the number is too large", value)
        number = Decimal(value)
    else:
        try:
            number = Decimal(value)
        except InvalidOperation:
            raise PrecisionError(f"{value[:40]!r} is not a number", value) from None
        if "_" in value or value != value.strip() or not value.isascii():
            raise PrecisionError(f"{value[:40]!r} is not a number", value)
    if not number.is_finite():
        raise PrecisionError(f"{number} is not a finite number", value)
    if number and not -_EXPONENT_MAX <= number.adjusted() < _EXPONENT_MAX:
        raise PrecisionError("the number is too large or too small", value)
    return number


def number_text(value: Number | float) -> str:
    """Return the venue's text of a number: no exponent, no zeros at the end, exact.

    Parameters
    ----------
    value : Decimal, int, str or float
        A float goes through `float_to_wire`.

    Raises
    ------
    PrecisionError
        If it is no finite number, or a float that eight decimals do not hold.
    """
    if isinstance(value, float):
        return float_to_wire(value)
    return _plain(_decimal(value))


def _plain(number: Decimal) -> str:
    text = f"{number:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def float_to_wire(value: float) -> str:
    """Return the text the official SDK writes for a float: eight decimals, no zeros at the end.

    Differs from it where its text would be nonsense: -0.0 gives 0, NaN and infinities are errors.

    Raises
    ------
    PrecisionError
        If eight decimals are not the float to within 1e-12.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise PrecisionError(f"not a float but {type(value).__name__}", value)
    try:
        given = float(value)
    except OverflowError:
        raise PrecisionError("the number is too large for a float", value) from None
    if not math.isfinite(given):
        raise PrecisionError(f"{given} is not a finite number", value)
    text = f"{given:.8f}"
    if abs(float(text) - given) >= 1e-12:
        raise PrecisionError(f"{given!r} has more than eight decimals", value)
    text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


# --- the grid -------------------------------------------------------------------------------------


def _decimals_max(sz_decimals: int, is_spot: bool) -> int:
    limit = SPOT_DECIMALS if is_spot else PERP_DECIMALS
    if isinstance(sz_decimals, bool) or not isinstance(sz_decimals, int):
        raise PrecisionError(f"sz_decimals must be an integer, not {type(sz_decimals).__name__}")
    if not 0 <= sz_decimals <= limit:
        raise PrecisionError(f"sz_decimals must be from 0 to {limit}", sz_decimals)
    return limit - sz_decimals


def price_exponent(price: Number, sz_decimals: int, *, is_spot: bool = False) -> int:
    """Return e such that prices around this one are multiples of 10**e; never more than 0."""
    number = _positive(_decimal(price))
    return min(0, max(-_decimals_max(sz_decimals, is_spot), number.adjusted() - FIGURES + 1))


def _positive(number: Decimal) -> Decimal:
    if number <= 0:
        raise PrecisionError("a price must be above 0", number)
    return number


def check_price(price: Number, sz_decimals: int, *, is_spot: bool = False) -> Decimal:
    """Return a price that the venue takes, as it is.

    Raises
    ------
    PrecisionError
        If it is not above 0, or has too many figures or decimals; the text says which.
    """
    number = _positive(_decimal(price))
    decimals = _decimals(number)
    if decimals == 0:
        return number
    limit = _decimals_max(sz_decimals, is_spot)
    if decimals > limit:
        raise PrecisionError(
            f"price {_plain(number)} has {decimals} decimals, {limit} are allowed", price
        )
    figures = number.adjusted() + decimals + 1
    if figures > FIGURES:
        raise PrecisionError(
            f"price {_plain(number)} has {figures} significant figures, {FIGURES} are allowed",
            price,
        )
    return number


def check_size(size: Number, sz_decimals: int) -> Decimal:
    """Return a size that the venue takes, as it is.

    Raises
    ------
    PrecisionError
        If it is below 0 or has too many decimals. 0 is for others to judge.
    """
    number = _decimal(size)
    if number < 0:
        raise PrecisionError("a size must not be negative", size)
    decimals = _decimals(number)
    if decimals > sz_decimals:
        raise PrecisionError(
            f"size {_plain(number)} has {decimals} decimals, {sz_decimals} are allowed", size
        )
    return number


def round_price(
    price: Number,
    sz_decimals: int,
    *,
    is_spot: bool = False,
    rounding: Rounding = Rounding.NEAREST,
) -> Decimal:
    """Return the nearest price the venue takes, or the next one below or above.

    Whole numbers stay what they are, even with more than five figures.

    Raises
    ------
    PrecisionError
        If no such price is left above 0.
    """
    number = _positive(_decimal(price))
    rounded = _rounded(number, price_exponent(number, sz_decimals, is_spot=is_spot), rounding)
    if rounded <= 0:
        raise PrecisionError(f"price {_plain(number)} rounds to 0", price)
    return rounded


def round_size(size: Number, sz_decimals: int, *, rounding: Rounding = Rounding.DOWN) -> Decimal:
    """Return a size with the decimals that are allowed; down unless told otherwise."""
    number = _decimal(size)
    if number < 0:
        raise PrecisionError("a size must not be negative", size)
    return _rounded(number, -sz_decimals, rounding)


def round_price_like_sdk(price: float, sz_decimals: int, *, is_spot: bool = False) -> float:
    """Round a price as the official SDK does, for comparison with it.

    Coarser than `round_price` (123456.7 becomes 123460), and may give 0.
    """
    return round(float(f"{price:.{FIGURES}g}"), _decimals_max(sz_decimals, is_spot))


def _decimals(number: Decimal) -> int:
    text = _plain(number)
    return len(text) - text.index(".") - 1 if "." in text else 0


def _rounded(number: Decimal, exponent: int, rounding: Rounding) -> Decimal:
    """Round a number that is not negative to a multiple of 10**exponent, exactly."""
    sign, digits, shift = number.as_tuple()
    assert not sign
    assert isinstance(shift, int)
    units = int("".join(map(str, digits)))
    if shift >= exponent:
        return number
    step = 10 ** (exponent - shift)
    whole, rest = divmod(units, step)
    if rounding is Rounding.NEAREST:
        whole += 2 * rest > step or (2 * rest == step and whole % 2)
    elif rounding is Rounding.UP:
        whole += rest > 0
    return Decimal(f"{whole}e{exponent}")
