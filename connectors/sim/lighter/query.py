"""What a REST request asks, read with the venue's own complaints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import Refused

__all__ = ["Query", "Row"]

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Query:
    """The parameters of a request, and its token from wherever it came."""

    values: Mapping[str, str]
    token: str | None
    header_token: bool

    def text(self, name: str, default: str | None = None) -> str:
        value = self.values.get(name, "")
        if value:
            return value
        if default is None:
            raise Refused(20001, f"field {name!r} is required")
        return default

    def number(self, name: str, default: int | None = None) -> int:
        text = self.values.get(name, "")
        if not text:
            if default is None:
                raise Refused(20001, f"field {name!r} is required")
            return default
        try:
            return int(text)
        except ValueError as error:
            raise Refused(20001, f"field {name!r} is not a number") from error

    def optional(self, name: str) -> int | None:
        return self.number(name) if self.values.get(name, "") else None

    def limit(self, most: int) -> int:
        number = self.number("limit")
        if not 1 <= number <= most:
            raise Refused(20001, f"limit must be between 1 and {most}")
        return number
