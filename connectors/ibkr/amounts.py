"""Amounts in the venue's rows of orders and executions: exact, whatever the spelling."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from ..execution.members import number

__all__ = ["amount"]


def amount(row: Mapping[str, Any], *names: str) -> Decimal | None:
    """Return the first of these numbers that is there, None without one.

    An empty text is none; commas between the digits do not count.

    Raises
    ------
    DecodeError
        It is there and is no number.
    """
    for name in names:
        value = row.get(name)
        if value is not None and value != "":
            if isinstance(value, str):
                return number({name: value.replace(",", "")}, name)
            return number(row, name)
    return None
