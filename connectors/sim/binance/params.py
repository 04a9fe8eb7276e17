"""Request parameters: parsing as the venue's gateway does it, and typed access with its codes."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from decimal import Decimal, InvalidOperation
from urllib.parse import unquote_to_bytes

from .types import ApiError

__all__ = ["Params", "missing", "parse_form"]

_PLAIN_NUMBER = re.compile(r"-?\d{1,20}(\.\d{0,20})?|-?\.\d{1,20}")


def missing(name: str) -> ApiError:
    return ApiError(
        -1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."
    )


def illegal(name: str, legal: str) -> ApiError:
    return ApiError(
        -1100, f"Illegal characters found in parameter '{name}'; legal range is {legal}."
    )


def parse_form(query: bytes, body: bytes) -> dict[str, str]:
    """Decode query and form body into one mapping; the query wins on duplicates (BN-R-04).

    Raises
    ------
    ApiError
        -1101 for a name sent twice in one part, -1100 for text that is not UTF-8.
    """
    merged: dict[str, str] = {}
    for part in (body, query):
        seen: set[str] = set()
        for pair in part.split(b"&"):
            if not pair:
                continue
            raw_name, _, raw_value = pair.partition(b"=")
            try:
                name = unquote_to_bytes(raw_name.replace(b"+", b" ")).decode()
                value = unquote_to_bytes(raw_value.replace(b"+", b" ")).decode()
            except UnicodeDecodeError:
                raise ApiError(-1100, "Illegal characters found in a parameter.") from None
            if name in seen:
                raise ApiError(-1101, "Duplicate values for a parameter detected.")
            seen.add(name)
            merged[name] = value
    return merged


class Params:
    """Parameters of one command, from a form, a batch item or a websocket request.

    Reading marks a name as known; `finish` then refuses what nobody read (BN-M-09), unless
    `strict` is off.
    """

    def __init__(self, values: Mapping[str, object], *, strict: bool = True) -> None:
        self.strict = strict
        self._values = {name: _as_text(value) for name, value in values.items()}
        self._read: set[str] = set()

    def __contains__(self, name: str) -> bool:
        self._read.add(name)
        return name in self._values

    def known(self, *names: str) -> None:
        """Mark names as known without looking at them."""
        self._read.update(names)

    def finish(self) -> None:
        """Refuse parameters that no rule asked for (-1104)."""
        sent = len(self._values)
        read = len(self._read & self._values.keys())
        if self.strict and read != sent:
            raise ApiError(
                -1104,
                f"Not all sent parameters were read; read '{read}' parameter(s) "
                f"but was sent '{sent}'.",
            )

    def text(self, name: str) -> str | None:
        """Return the text, None if absent. Raises -1105 for an empty one."""
        self._read.add(name)
        value = self._values.get(name)
        if value == "":
            raise ApiError(-1105, f"Parameter '{name}' was empty.")
        return value

    def require(self, name: str) -> str:
        self._read.add(name)
        value = self._values.get(name)
        if not value:
            raise missing(name)
        return value

    def choice(self, name: str, allowed: Collection[str], error: ApiError) -> str | None:
        value = self.text(name)
        if value is not None and value not in allowed:
            raise error
        return value

    def integer(self, name: str) -> int | None:
        value = self.text(name)
        if value is None:
            return None
        if not re.fullmatch(r"-?\d{1,19}", value):
            raise illegal(name, "'^[0-9]{1,20}$'")
        return int(value)

    def decimal(self, name: str) -> Decimal | None:
        """Return a number in plain notation; an exponent is illegal (BN-I-16)."""
        value = self.text(name)
        if value is None:
            return None
        if not _PLAIN_NUMBER.fullmatch(value):
            raise illegal(name, "'^([0-9]{1,20})(\\.[0-9]{1,20})?$'")
        try:
            return Decimal(value)
        except InvalidOperation:  # pragma: no cover - the pattern leaves nothing for this
            raise illegal(name, "a decimal number") from None

    def boolean(self, name: str) -> bool | None:
        value = self.text(name)
        if value is None:
            return None
        if value.lower() not in ("true", "false"):
            raise illegal(name, "'true' or 'false'")
        return value.lower() == "true"


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
