"""Faults of single channels: frames dropped, doubled, held, swapped, late, spoilt (15.3)."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from typing import Any

import orjson

__all__ = ["TAP_ACTIONS", "Tap"]

TAP_ACTIONS = (
    "drop",
    "duplicate",
    "hold",
    "swap",
    "delay",
    "malformed",
    "truncate",
    "extra_keys",
    "shuffle",
    "exponent",
    "unknown_status",
    "bad_entry",
)
_NUMBER_TEXT = re.compile(rb'"(px|sz|limitPx|origSz)":"([0-9]+)\.([0-9]+)"')
UNKNOWN_STATUS = "fooBarCanceled"


@dataclass(slots=True, eq=False)
class Tap:
    """Stands on the channels whose types begin with `prefix`, for the next `count` frames.

    The first `after` such frames pass. `hold` keeps them until released, `swap` lets the next two
    change places, `delay` lets them go `delay_ms` later. With a `probability` below 1 not every
    frame is hit.
    """

    prefix: str
    action: str
    count: int = 1
    connection: int | None = None
    delay_ms: float = 0.0
    probability: float = 1.0
    after: int = 0
    held: list[tuple[Any, bytes]] = field(default_factory=list)

    @property
    def spent(self) -> bool:
        return self.count <= 0 and not self.held

    def applies(self, kind: str, connection: int, source: random.Random) -> bool:
        """Whether it hits this frame; a fault with a probability asks the seeded source."""
        if self.count <= 0 or not kind.startswith(self.prefix):
            return False
        if self.connection is not None and self.connection != connection:
            return False
        if self.after > 0:
            self.after -= 1
            return False
        return self.probability >= 1 or source.random() < self.probability

    def put(self, receiver: Any, payload: bytes, source: random.Random) -> list[bytes]:
        """Return what goes out in place of a frame (`delay` is done by the caller)."""
        self.count -= 1
        action = self.action
        if action == "drop":
            return []
        if action == "duplicate":
            return [payload, payload]
        if action == "hold":
            self.held.append((receiver, payload))
            return []
        if action == "swap":
            if not self.held:
                self.held.append((receiver, payload))
                self.count = 1
                return []
            if self.held[0][0] is not receiver:  # only frames of one connection change places
                self.count += 1
                return [payload]
            return [payload, self.held.pop()[1]]
        if action == "truncate":
            return [payload[: len(payload) // 2]]
        if action == "malformed":
            return [_spoil(payload)]
        if action == "exponent":
            return [_NUMBER_TEXT.sub(rb'"\1":"\2.\g<3>000e0"', payload)]
        frame = orjson.loads(payload)
        if action == "extra_keys":
            _each_object(frame, lambda item: item.update(simUnknown={"a": [1, None]}))
        elif action == "shuffle":
            _each_object(frame, lambda item: _shuffle(item, source))
        elif action == "unknown_status":
            for entry in frame["data"] if isinstance(frame.get("data"), list) else ():
                if isinstance(entry, dict) and "status" in entry:
                    entry["status"] = UNKNOWN_STATUS
        elif action == "bad_entry":
            _add_bad_entry(frame)
        return [orjson.dumps(frame)]


def _each_object(value: Any, change: Any) -> None:
    if isinstance(value, dict):
        for item in list(value.values()):
            _each_object(item, change)
        change(value)
    elif isinstance(value, list):
        for item in value:
            _each_object(item, change)


def _shuffle(item: dict[str, Any], source: random.Random) -> None:
    pairs = list(item.items())
    source.shuffle(pairs)
    item.clear()
    item.update(pairs)


def _add_bad_entry(frame: Any) -> None:
    """Put an entry that cannot be read among the others."""
    data = frame.get("data")
    rows = data.get("fills") if isinstance(data, dict) else data
    if isinstance(rows, list):
        rows.insert(len(rows) // 2, {"order": {"oid": "not a number"}, "px": "?"})


def _spoil(payload: bytes) -> bytes:
    """Return the frame, still JSON, with one number or text that cannot be one."""
    for good in (b'"sz":"', b'"px":"', b'"limitPx":"', b'"markPx":"'):
        if good in payload:
            return payload.replace(good, good + b"-x", 1)
    return b"{}"
