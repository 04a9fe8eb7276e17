"""Reading the members of a venue's cold JSON rows: exact, and no guess for what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from ..errors import DecodeError

__all__ = ["Row", "number", "text", "whole"]

Row = Mapping[str, Any]


def number(row: Row, name: str, default: Decimal | None = None) -> Decimal:
    """Return an exact number given as text or number; DecodeError if there is none."""
    value = row.get(name)
    if (value is None or value == "") and default is not None:
        return default
    try:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise InvalidOperation
        found = Decimal(repr(value) if isinstance(value, float) else value)
    except InvalidOperation:
        raise DecodeError(f"{name} is not a number", 0) from None
    if not found.is_finite():
        raise DecodeError(f"{name} is not a number", 0)
    return found


def whole(row: Row, name: str, default: int | None = None) -> int:
    """Return a whole number given as text or number; DecodeError if there is none."""
    value = row.get(name)
    if (value is None or value == "") and default is not None:
        return default
    if isinstance(value, str):
        try:
            return int(value)
        except ValueError:
            pass
    elif isinstance(value, int) and not isinstance(value, bool):
        return value
    raise DecodeError(f"{name} is not a whole number", 0)


def text(row: Row, name: str) -> str:
    """Return a text, "" for anything else."""
    value = row.get(name)
    return value if isinstance(value, str) else ""
