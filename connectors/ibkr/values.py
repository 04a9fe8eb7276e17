"""Values of market data fields as the venue prints them (section 5.3 of the venue's rules).

Exact, and never an exception: what is no number stays the text it was (V-05).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from ..net.clock import NS_PER_MS, NS_PER_S

__all__ = [
    "EMPTY",
    "Availability",
    "FieldValue",
    "PriceMark",
    "ValueKind",
    "parse_value",
    "time_ns",
]

LENGTH_MAX = 64
EXPONENT_MAX = 308
MILLISECONDS_FROM = 10**11  # R-63, V-08: what is larger counts ms, not s
_NUMBER = re.compile(
    r" *([CH]?)([+-]?)(?=\.?[0-9])([0-9]+(?:,[0-9]+)*)?(?:\.([0-9]*))?"
    r"(?:[eE]([+-]?[0-9]+)|([KMBT]))?(%?) *"
)
_POWERS = {"K": 3, "M": 6, "B": 9, "T": 12}


class ValueKind(StrEnum):
    """What a field holds."""

    NUMBER = "number"
    EMPTY = "empty"  # no value now, as for the missing side of a book (V-03)
    TEXT = "text"  # not a number


class PriceMark(StrEnum):
    """What is said in front of a price."""

    PREVIOUS_CLOSE = "previous_close"  # C: nothing was traded yet, this is the last close
    HALTED = "halted"  # H: the last price before the halt


_MARKS = {"C": PriceMark.PREVIOUS_CLOSE, "H": PriceMark.HALTED}


@dataclass(frozen=True, slots=True)
class FieldValue:
    """One value.

    Attributes
    ----------
    number : Decimal or None
        With NUMBER, exact as far as the venue printed it.
    text : str
        With TEXT, what was there.
    mark : PriceMark or None
    is_approximate : bool
        It was shortened by K, M, B or T: no size to rely on (V-02).
    is_percent : bool
        `number` counts percents.
    """

    kind: ValueKind
    number: Decimal | None = None
    text: str = ""
    mark: PriceMark | None = None
    is_approximate: bool = False
    is_percent: bool = False


EMPTY = FieldValue(ValueKind.EMPTY)


def parse_value(raw: object) -> FieldValue:
    """Read a field as JSON brought it (V-01 ... V-05)."""
    if isinstance(raw, str):
        return _of_text(raw)
    if raw is None:
        return EMPTY
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        return FieldValue(ValueKind.TEXT, text=str(raw))
    # V-04: the shortest spelling of a number is the one that was sent.
    return FieldValue(ValueKind.NUMBER, Decimal(repr(raw) if isinstance(raw, float) else raw))


def _of_text(raw: str) -> FieldValue:
    if not raw.strip(" "):
        return EMPTY
    found = _NUMBER.fullmatch(raw) if len(raw) <= LENGTH_MAX else None
    if found is None:
        return FieldValue(ValueKind.TEXT, text=raw)
    mark, sign, whole, fraction, exponent, suffix, percent = found.groups()
    power = _POWERS[suffix] if suffix else int(exponent or 0)
    if abs(power) > EXPONENT_MAX:
        return FieldValue(ValueKind.TEXT, text=raw)
    # By text: arithmetic would round to the precision of the context.
    digits = (whole or "0").replace(",", "")
    number = Decimal(f"{sign}{digits}.{fraction or ''}E{power}")
    return FieldValue(ValueKind.NUMBER, number, "", _MARKS.get(mark), bool(suffix), bool(percent))


_LETTERS = {
    "R": "realtime",
    "D": "delayed",
    "Z": "frozen",
    "Y": "frozen_delayed",
    "N": "not_subscribed",
    "O": "incomplete_api_ack",
    "i": "incomplete",
    "v": "vdr_exempt",
    "S": "streaming",
    "P": "snapshot",
    "p": "consolidated",
    "B": "book",
    "d": "performance_details",
}
_NOT_REALTIME = frozenset("DZYN")
_REFUSED = frozenset("NO")


@dataclass(frozen=True, slots=True)
class Availability:
    """What field 6509 says about the data of a line (section 5.2)."""

    code: str = ""

    @property
    def words(self) -> tuple[str, ...]:
        """The letters in words, in the venue's order; an unknown one behind a question mark."""
        return tuple(_LETTERS.get(letter, f"?{letter}") for letter in self.code)

    @property
    def is_realtime(self) -> bool:
        """False for delayed, frozen or refused data; True also where nothing is said."""
        return _NOT_REALTIME.isdisjoint(self.code)

    @property
    def is_delayed(self) -> bool:
        """The prices are of some time ago."""
        return "D" in self.code or "Y" in self.code

    @property
    def is_frozen(self) -> bool:
        """The prices are those of the last close."""
        return "Z" in self.code or "Y" in self.code

    @property
    def is_refused(self) -> bool:
        """There is no subscription, or an acknowledgement is missing."""
        return not _REFUSED.isdisjoint(self.code)


def time_ns(value: object) -> int:
    """Return a time given in s or ms in ns; 0 for what is none."""
    if not isinstance(value, int) or isinstance(value, bool):
        return 0
    return value * (NS_PER_MS if value >= MILLISECONDS_FROM else NS_PER_S)
