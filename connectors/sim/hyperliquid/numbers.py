"""Exact numbers: texts on the wire, integers inside.

Prices are counts of 10^-(MAX - szDecimals), sizes of 10^-szDecimals, with MAX 6 for perps and 8
for spot (section 6.2); money is in 10^-8. So price times size is an exact amount of money.
"""

from __future__ import annotations

import re
from decimal import Decimal

from .errors import Malformed

__all__ = ["MONEY", "canonical", "money", "parse_scaled", "show", "signed"]

MONEY = 8
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?\Z")
_MAX_DIGITS = 40


def canonical(text: object) -> str:
    """Return a number's text as the venue writes it when it hashes: no needless zeros.

    Raises
    ------
    Malformed
        It is not a plain decimal number.
    """
    if not isinstance(text, str) or len(text) > _MAX_DIGITS or not _NUMBER.match(text):
        raise Malformed(f"not a number: {text!r}")
    sign = "-" if text.startswith("-") else ""
    whole, _, fraction = text.lstrip("-").partition(".")
    whole = whole.lstrip("0") or "0"
    fraction = fraction.rstrip("0")
    if whole == "0" and not fraction:
        return "0"
    return f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"


def parse_scaled(text: str, decimals: int) -> int | None:
    """Return a canonical number as a count of 10^-decimals, None if it is not a whole one."""
    whole, _, fraction = text.partition(".")
    if len(fraction) > decimals:
        return None
    return int(whole + fraction.ljust(decimals, "0"))


def show(value: int, decimals: int) -> str:
    """Return an integer's text as the streams write it: at least one decimal, no more than used."""
    if decimals <= 0:
        return f"{value * 10**-decimals}.0"
    sign = "-" if value < 0 else ""
    whole, fraction = divmod(abs(value), 10**decimals)
    text = str(fraction).rjust(decimals, "0").rstrip("0") or "0"
    return f"{sign}{whole}.{text}"


def money(value: int) -> str:
    return show(value, MONEY)


def signed(text: str) -> int:
    """Return decimal text (a setting) as money. Raises ValueError if it has too many decimals."""
    scaled = Decimal(text).scaleb(MONEY)
    if scaled != int(scaled):
        raise ValueError(f"{text!r} has more than {MONEY} decimals")
    return int(scaled)
