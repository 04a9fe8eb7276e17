"""Exact numbers: integers inside, plain decimal text on the wire.

Inside a size is a count of quantums, a price of subticks, money of quote quantums (10^-6 USDC);
what a quantum and a subtick are a market says (section 8.2).
"""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Context, Decimal

__all__ = ["MONEY", "count", "decimals", "money", "quotient", "show"]

MONEY = -6
_PLAIN = re.compile(r"-?[0-9]+(\.[0-9]+)?\Z")
_MAX_DIGITS = 60
_PRECISE = Context(prec=40)
_SHOWN = Decimal("1e-20")  # what the indexer keeps of a quotient


def show(value: int, exponent: int) -> str:
    """Return value * 10^exponent as plain decimal text without needless zeros."""
    if exponent >= 0:
        return str(value * 10**exponent)
    sign = "-" if value < 0 else ""
    whole, fraction = divmod(abs(value), 10**-exponent)
    text = str(fraction).rjust(-exponent, "0").rstrip("0")
    return f"{sign}{whole}.{text}" if text else f"{sign}{whole}"


def money(value: int) -> str:
    """Return quote quantums as USDC."""
    return show(value, MONEY)


def quotient(value: int, by: int, exponent: int) -> str:
    """Return value / by * 10^exponent as plain decimal text of at most 20 decimals."""
    exact = _PRECISE.divide(Decimal(value), Decimal(by)).scaleb(exponent, _PRECISE)
    shown = exact.quantize(_SHOWN, ROUND_HALF_UP, Context(prec=80))
    text = f"{shown:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def count(text: object, exponent: int) -> int:
    """Return decimal text as a count of 10^exponent.

    Raises
    ------
    ValueError
        It is no plain decimal number, or not a whole count.
    """
    if not isinstance(text, str) or len(text) > _MAX_DIGITS or not _PLAIN.match(text):
        raise ValueError(f"not a decimal number: {text!r}")
    scaled = Decimal(text).scaleb(-exponent, Context(prec=2 * _MAX_DIGITS))
    if scaled != int(scaled):
        raise ValueError(f"{text!r} is not a multiple of 10^{exponent}")
    return int(scaled)


def decimals(text: str) -> int:
    """Return how many decimals a number's text has."""
    return len(text.partition(".")[2])
