"""Values as the decoders read them: numbers as text or bare, exact, within 64 bits."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any


class Bad(Exception):
    """A value that makes its row, or its frame, unusable."""


class Unsure(Exception):
    """Whether the value fits 64 bits depends on how fine a grid the decoder takes."""


def whole(row: dict[str, Any], name: str, default: int = 0) -> int:
    value = row.get(name)
    if value is None or value == "":
        return default
    if isinstance(value, (bool, Decimal)):
        raise Bad(name)
    if isinstance(value, str):
        digits = value.removeprefix("-")
        if not digits.isascii() or not digits.isdigit() or (len(digits) > 1 and digits[0] == "0"):
            raise Bad(name)
        value = int(value)
    if not isinstance(value, int) or abs(value) >= 2**63:
        raise Bad(name)
    return value


def exact(row: dict[str, Any], name: str) -> Decimal | None:
    """A decimal as text or number, without exponent; None where it is absent."""
    value = row.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        raise Bad(name)
    text = value if isinstance(value, str) else str(value)
    body = text.removeprefix("-")
    head, dot, tail = body.partition(".")
    if not body.isascii() or not head.isdigit() or (dot and not tail.isdigit()):
        raise Bad(name)
    number = Decimal(text)
    if abs(number.scaleb(len(tail.rstrip("0")))) >= 2**63 or len(tail.rstrip("0")) > 18:
        raise Bad(name)
    return number


def required(row: dict[str, Any], name: str) -> Decimal:
    value = exact(row, name)
    if value is None:
        raise Bad(name)
    return value


def off_grid(
    decimals: tuple[int, int], *, price: tuple[Decimal, ...], size: tuple[Decimal, ...]
) -> bool:
    """Whether a value needs more decimals than the market has; Bad if it does not fit 64 bits."""
    off = False
    for values, places in zip((price, size), decimals, strict=True):
        if any(_places(v) > places for v in values):
            off = True
            places = max(places, *map(_kept, values))
            if any(abs(v.scaleb(places)) >= 2**63 for v in values):
                raise Unsure
        elif any(abs(v.scaleb(places)) >= 2**63 for v in values):
            raise Bad("range")
    return off


def _kept(value: Decimal) -> int:
    """Decimals as sent, without the trailing zeros that do not fit 64 bits."""
    _, digits, exponent = value.as_tuple()
    mantissa, places = int("".join(map(str, digits))), -int(exponent)
    while places > 0 and (places > 18 or mantissa >= 2**63) and mantissa % 10 == 0:
        mantissa //= 10
        places -= 1
    return max(places, 0)


def _places(value: Decimal) -> int:
    return max(-value.normalize().as_tuple().exponent, 0) if value else 0


JSON_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")


def float_value(row: dict[str, Any], name: str) -> Decimal | None:
    """A number that was a binary float: cut to 18 digits and 18 decimals."""
    value = row.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, (bool, list, dict)):
        raise Bad(name)
    if isinstance(value, str) and not JSON_NUMBER.fullmatch(value):
        raise Bad(name)
    number = Decimal(value)
    sign, digits, exponent = number.as_tuple()
    if not isinstance(exponent, int):
        raise Bad(name)
    text = "".join(map(str, digits)).lstrip("0")
    if len(text) > 18:
        exponent += len(text) - 18
        text = text[:18]
    while exponent < -18 and text:
        text = text[:-1]
        exponent += 1
    if not text:
        return Decimal(0)
    if exponent > 0 and int(text) * 10 ** min(exponent, 40) >= 2**63:
        return None
    return Decimal((sign, tuple(map(int, text)), exponent))
