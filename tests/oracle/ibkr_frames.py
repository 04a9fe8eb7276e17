"""What IBKR's market data frames mean, by json, re and Decimal: slow, short, independent.

`Oracle.decode(data)` returns the list of what a decoder must deliver and tell for one message:
tuples that begin with the kind. It remembers the lines.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from oracle.frame_values import Bad, Unsure, whole

# By name on the wire: id, tick, step, whether it is open and wants the other fields.
LINES = {
    "265598": ("AAPL", "0.01", "1", True, True),
    "8314": ("IBM", "0.01", "1", True, False),
    "495512551": ("ESZ6", "0.25", "1", True, True),
    "479624278": ("BTC", "0.25", "0.00000001", True, True),
    "76792991": ("TSLA", "0.01", "1", False, False),
}
VALUES = {"31": "last", "84": "bid", "86": "ask", "88": "bid_size", "85": "ask_size",
          "7059": "last_size"}  # fmt: skip
PRICES = ("last", "bid", "ask")
KNOWN = {*VALUES, "87", "6509", "6119", "6508"}
QUOTE, TRADE = {"bid", "ask", "bid_size", "ask_size"}, {"last", "last_size"}
NUMBER = re.compile(
    r"([CH]?)([+-]?)(?:(\d+(?:,\d+)*)(?:\.(\d*))?|\.(\d+))(?:[eE]([+-]?\d+)|([KMBT]))?(%?)",
    re.ASCII,
)
NOW = 1_790_232_237_123_456_789
LIMIT = 2**63
Events = list[tuple[Any, ...]]


class Cold(Exception):
    """Not for the decoder."""


class Float(str):
    """The text of a bare number that is not whole."""


@dataclass
class Value:
    """One field: its number, None for none; `places` as printed."""

    number: Decimal | None = None
    mark: str = ""
    approximate: bool = False
    percent: bool = False
    is_text: bool = False


def read_text(text: str) -> Value:
    """The grammar V-01."""
    body = text.strip(" ")
    if not body:
        return Value()
    found = NUMBER.fullmatch(body) if len(text) <= 64 else None
    if found is None:
        return Value(is_text=True)
    mark, sign, head, tail, bare, exponent, suffix, percent = found.groups()
    power = {"K": 3, "M": 6, "B": 9, "T": 12}.get(suffix or "", 0) + int(exponent or 0)
    if abs(power) > 308:
        return Value(is_text=True)
    digits = (head or "0").replace(",", "")
    number = Decimal(f"{sign}{digits}.{bare or tail or ''}e{power}")
    return Value(number, mark, bool(suffix), bool(percent))


def read(value: Any) -> Value:
    """A value of any type (V-03 to V-05)."""
    if value is None:
        return Value()
    if isinstance(value, Float):
        number = float(value)
        if math.isinf(number):
            raise Cold
        return Value(Decimal(repr(number)))
    if isinstance(value, str):
        return read_text(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return Value(is_text=True)
    return Value(Decimal(value))


def taken(name: str, value: Any) -> Value:
    found = read(value)
    if found.number is None:
        return found
    odd = found.approximate if name in PRICES else found.number < 0
    if found.percent or odd or (found.mark and name != "last"):
        return Value(is_text=True)
    return found


@dataclass
class Line:
    values: dict[str, Value] = field(default_factory=dict)
    letters: str = ""
    mark: str = ""
    halted: bool = False
    updated: int = 0

    def number(self, name: str) -> Decimal | None:
        found = self.values.get(name)
        return None if found is None else found.number

    def clear(self) -> None:
        self.values, self.letters, self.mark, self.updated = {}, "", "", 0


def _refuse(constant: str) -> None:
    raise ValueError(constant)


class Oracle:
    """The memory of one connection, with the open lines of LINES."""

    def __init__(self) -> None:
        self.lines = {name: Line() for name, row in LINES.items() if row[3]}
        self.unreadable = self.approximate = self.regressions = 0

    def decode(self, data: bytes) -> Events:
        """Return what must be told for one message."""
        try:
            frame = json.loads(data, parse_float=Float, parse_constant=_refuse)
            topic = frame.get("topic") if isinstance(frame, dict) else None
            if not isinstance(topic, str) or isinstance(topic, Float):
                raise Cold
            name = topic.removeprefix("smd+")
            if name == topic or name not in self.lines or f'"{topic}"'.encode() not in data:
                raise Cold
            found = {VALUES[key]: taken(VALUES[key], frame[key]) for key in VALUES if key in frame}
        except (ValueError, RecursionError, Cold):
            return [("cold",)]
        return self._merge(name, self.lines[name], frame, found)

    def _merge(self, name: str, line: Line, frame: Any, found: dict[str, Value]) -> Events:
        instrument, _, _, _, want_fields = LINES[name]
        odd = any(
            key.isascii() and key.isdigit() and len(key) <= 8 and key not in KNOWN for key in frame
        )
        was_halted = line.halted
        line.values |= found
        for key, value in found.items():
            self.unreadable += value.is_text
            self.approximate += value.approximate
            odd |= value.is_text
            if key == "last" and value.number is not None:
                odd |= line.mark != value.mark
                line.mark, line.halted = value.mark, value.mark == "H"
        if "6509" in frame:
            letters = frame["6509"]
            letters = letters if isinstance(letters, str) and type(letters) is str else ""
            odd |= letters != line.letters
            line.letters = letters
        updated = _milliseconds(frame)
        self.regressions += 0 < updated < line.updated
        line.updated = updated or line.updated
        seq, ts_event = updated or -1, updated * 1_000_000 or NOW
        events: Events = []
        if QUOTE & found.keys():
            bid, ask = line.number("bid"), line.number("ask")
            if bid is None or ask is None:
                events.append(("empty", instrument, bid is not None, ask is not None))
            else:
                sizes = (
                    line.number("bid_size") or Decimal(0),
                    line.number("ask_size") or Decimal(0),
                )
                flags = self._flags(line, ("bid_size", "ask_size"))
                if line.halted:
                    flags.add("HALTED")
                off = grid(name, (bid, ask), sizes)
                events.append(
                    ("problem",) if off is None else
                    ("quote", instrument, bid, sizes[0], ask, sizes[1], seq, ts_event, flags | off)
                )  # fmt: skip
        price = line.number("last")
        if TRADE & found.keys() and price is not None and not line.mark:
            size = line.number("last_size") or Decimal(0)
            off = grid(name, (price,), (size,))
            flags = self._flags(line, ("last_size",)) | {"AGGREGATE"}
            events.append(
                ("problem",) if off is None else
                ("trade", instrument, price, size, ts_event, flags | off)
            )  # fmt: skip
        if line.halted != was_halted:
            events.append(("halted", instrument, line.halted))
        if odd and want_fields:
            events.append(("fields", list(LINES).index(name)))
        return events

    def _flags(self, line: Line, sizes: tuple[str, ...]) -> set[str]:
        flags = set()
        if set("DYN") & set(line.letters):
            flags.add("DELAYED")
        if set("ZY") & set(line.letters):
            flags.add("FROZEN")
        if any(line.values[name].approximate for name in sizes if name in line.values):
            flags.add("APPROXIMATE")
        return flags


def _milliseconds(frame: dict[str, Any]) -> int:
    value = frame.get("_updated")
    if isinstance(value, Float):
        return 0
    try:
        updated = whole({"x": value}, "x")
    except Bad:
        return 0
    if updated <= 0:
        return 0
    if updated < 10**11:
        updated *= 1000
    return updated if updated <= (LIMIT - 1) // 10**6 else 0


def grid(name: str, prices: tuple[Decimal, ...], sizes: tuple[Decimal, ...]) -> set[str] | None:
    """{"OFF_SCALE"} where a value is not on its grid; None where 64 bits do not hold one."""
    off: set[str] = set()
    for values, step in zip((prices, sizes), map(Decimal, LINES[name][1:3]), strict=True):
        places = -int(step.as_tuple().exponent)
        if any(not _fits(value) for value in values):
            return None
        if any(value % step for value in values):
            off = {"OFF_SCALE"}
            # How fine the grid gets depends on whether zeros at the end count.
            places = max(places, *(-int(value.as_tuple().exponent) for value in values))
            if any(abs(value).scaleb(places) >= LIMIT for value in values):
                raise Unsure
        if any(abs(value).scaleb(places) >= LIMIT for value in values):
            return None
    return off


def _fits(value: Decimal) -> bool:
    """Whether a mantissa of 63 bits and up to 18 decimals are enough."""
    if not value:
        return True
    _, digits, exponent = value.as_tuple()
    mantissa = int("".join(map(str, digits)))
    power = int(exponent)
    while mantissa % 10 == 0:
        mantissa, power = mantissa // 10, power + 1
    return power >= -18 and mantissa * 10 ** max(min(power, 40), 0) < LIMIT
