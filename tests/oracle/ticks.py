"""Decimal text and ticks by rational arithmetic."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction

INT64_MAX = 2**63 - 1
PLAIN = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)
ROUNDINGS = ("down", "up", "floor", "ceiling", "half_even")


class Refused(ValueError):
    """Not a number in plain notation, off the grid, or beyond 64 bits."""


def plain(text: str) -> Fraction:
    """Read plain notation, of any length; raise `Refused` for anything else."""
    if not PLAIN.fullmatch(text):
        raise Refused(text)
    return Fraction(text)


def wire(text: str) -> Decimal:
    """Read a number as the wire may carry it: at most 18 decimals and 64 bits of digits.

    Zeros at the end of the fraction are kept as far as there is room for them.
    """
    plain(text)
    whole, _, fraction = text.partition(".")
    needed = fraction.rstrip("0")
    if len(needed) > 18 or abs(int(whole + needed)) > INT64_MAX:
        raise Refused(text)
    kept = needed
    while len(kept) < min(len(fraction), 18) and abs(int(whole + kept + "0")) <= INT64_MAX:
        kept += "0"
    digits = int(whole + kept)
    return Decimal((int(digits < 0), tuple(map(int, str(abs(digits)))), -len(kept)))


def ticks(value: Fraction, increment: Fraction) -> int:
    """Count increments; raise `Refused` when that is no whole number or more than an int64."""
    count = value / increment
    if count.denominator != 1 or abs(count) > INT64_MAX:
        raise Refused(f"{value} in steps of {increment}")
    return int(count)


def rounded(value: Fraction, increment: Fraction, rounding: str) -> int:
    """Count increments after rounding to a whole number; raise `Refused` beyond 64 bits."""
    count = value / increment
    down = abs(count) // 1
    rest = abs(count) - down
    sign = -1 if count < 0 else 1
    away = {
        "down": False,
        "up": rest > 0,
        "floor": rest > 0 and sign < 0,
        "ceiling": rest > 0 and sign > 0,
        "half_even": rest > Fraction(1, 2) or (rest == Fraction(1, 2) and down % 2 == 1),
    }[rounding]
    result = sign * int(down + away)
    if abs(result) > INT64_MAX:
        raise Refused(f"{value} in steps of {increment}")
    return result
