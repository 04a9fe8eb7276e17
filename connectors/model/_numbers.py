"""Exact numbers at the edge of the package."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Literal

from .._speedups.errors import PrecisionError

__all__ = ["Number", "Rounding", "exact", "exact_or_none"]

Number = Decimal | int | str
"""What a price or size may be given as. Never float: 0.1 is not a decimal in binary."""


Rounding = Literal["down", "up", "floor", "ceiling", "half_even"]
"""What to do with a value off the grid; "down" is toward zero, "up" away from it."""


def exact(value: Number, what: str) -> Decimal:
    """Return `value` as the Decimal it says; `what` names it in the error.

    Raises
    ------
    PrecisionError
        If it is not a finite decimal number.
    TypeError
        For float and bool, and anything else that is not text, Decimal or int.
    """
    if isinstance(value, Decimal):
        number = value
    elif isinstance(value, str):
        try:
            number = Decimal(value)
        except InvalidOperation:
            raise PrecisionError(f"{what} {value!r} is not a decimal number", value) from None
    elif isinstance(value, int) and not isinstance(value, bool):
        number = Decimal(value)
    else:
        raise TypeError(
            f"{what} must be text, Decimal or int, got {type(value).__name__} {value!r}; "
            "a float is not exact: write the number in quotes"
        )
    if not number.is_finite():
        raise PrecisionError(f"{what} {value!r} is not a finite number", value)
    return number


def exact_or_none(value: Number | None, what: str) -> Decimal | None:
    """Return `exact(value)`, or None for None."""
    return None if value is None else exact(value, what)
