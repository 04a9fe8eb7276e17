"""Decimal text as whole numbers."""

from __future__ import annotations

from decimal import Decimal

__all__ = ["positive_units"]


def positive_units(text: str, decimals: int) -> int:
    """Return decimal text as a count of 10^-decimals. Raises ValueError if it is not one."""
    value = Decimal(text).scaleb(decimals)
    if value != int(value) or value <= 0:
        raise ValueError(f"{text!r} is not a positive multiple of 10^-{decimals}")
    return int(value)
