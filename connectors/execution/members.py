"""Reading a venue's cold JSON rows and their members: exact, and no guess for what is missing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

from ..errors import DecodeError

__all__ = ["Row", "number", "read_rows", "text", "whole", "within"]

Row = Mapping[str, Any]
T = TypeVar("T")


def read_rows(reader: Callable[[Any], T], rows: Iterable[Any], log: logging.Logger) -> list[T]:
    """Read rows; one that cannot be read is told in the log and left out."""
    found: list[T] = []
    for row in rows:
        try:
            found.append(reader(row))
        except DecodeError as error:
            log.warning("a row is left out: %s", error)
    return found


def within(ts: int, start_ns: int | None, end_ns: int | None) -> bool:
    """Tell whether a time is in a span, both ends included; None: open."""
    return (start_ns is None or ts >= start_ns) and (end_ns is None or ts <= end_ns)


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
