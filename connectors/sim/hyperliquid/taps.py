"""Faults of single subscriptions (15.3)."""

from __future__ import annotations

import random
import re
from typing import Any, ClassVar

import orjson

from .. import taps

__all__ = ["Tap"]

_NUMBER_TEXT = re.compile(rb'"(px|sz|limitPx|origSz)":"([0-9]+)\.([0-9]+)"')
UNKNOWN_STATUS = "fooBarCanceled"


class Tap(taps.Tap):
    """Stands on the subscriptions whose types begin with `prefix`; `post` is answers to posts."""

    __slots__ = ()

    actions: ClassVar[tuple[str, ...]] = (
        *taps.Tap.actions,
        *("exponent", "unknown_status", "bad_entry"),
    )
    number_marks: ClassVar[tuple[bytes, ...]] = (
        b'"sz":"',
        b'"px":"',
        b'"limitPx":"',
        b'"markPx":"',
    )

    def bend(self, payload: bytes, source: random.Random) -> bytes:
        if self.action == "exponent":
            return _NUMBER_TEXT.sub(rb'"\1":"\2.\g<3>000e0"', payload)
        frame = orjson.loads(payload)
        if self.action == "bad_entry":
            _add_bad_entry(frame)
        else:
            for entry in frame["data"] if isinstance(frame.get("data"), list) else ():
                if isinstance(entry, dict) and "status" in entry:
                    entry["status"] = UNKNOWN_STATUS
        return orjson.dumps(frame)


def _add_bad_entry(frame: Any) -> None:
    """Put an entry that cannot be read among the others."""
    data = frame.get("data")
    rows = data.get("fills") if isinstance(data, dict) else data
    if isinstance(rows, list):
        rows.insert(len(rows) // 2, {"order": {"oid": "not a number"}, "px": "?"})
