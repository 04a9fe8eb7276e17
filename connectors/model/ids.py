"""Identifiers.

An instrument id is ours and says what is traded: `BTCUSDT-PERP`,
`BTCUSD-PERP`, `BTCUSDT-261225`, `ETH-PERP`. The venue's own name is the
instrument's `symbol`. Order ids are text on every venue, also where the venue
counts: the caller's is the *client order id*, the venue's the *venue order id*.
"""

from __future__ import annotations

import os
import time
from typing import TypeAlias

from .enums import InstrumentKind

__all__ = [
    "AccountId",
    "ClientOrderId",
    "ClientOrderIds",
    "InstrumentId",
    "TradeId",
    "VenueOrderId",
    "instrument_id",
]

InstrumentId: TypeAlias = str
ClientOrderId: TypeAlias = str
VenueOrderId: TypeAlias = str
TradeId: TypeAlias = str
AccountId: TypeAlias = str

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def instrument_id(pair: str, kind: InstrumentKind, expiry: str | None = None) -> InstrumentId:
    """Return the id of a contract on `pair`.

    `expiry` is the venue's six-digit date (`261225`), required for a future. A spot
    pair, an equity or an index is its own id.
    """
    if kind is InstrumentKind.PERPETUAL:
        return f"{pair}-PERP"
    if kind is InstrumentKind.FUTURE:
        if not expiry:
            raise ValueError(f"a future on {pair} needs its expiry")
        return f"{pair}-{expiry}"
    return pair


class ClientOrderIds:
    """Make client order ids: unique in this process and, by time and salt, across restarts.

    The form is `{prefix}{time}{salt}-{count}`: lower-case letters, digits and a hyphen, at
    most 20 characters behind the prefix, so that every venue of this package takes them.
    Not for use from several threads.
    """

    __slots__ = ("_count", "_stem")

    def __init__(self, prefix: str = "") -> None:
        salt = int.from_bytes(os.urandom(2), "big")
        self._stem = f"{prefix}{_base36(time.time_ns() // 1_000_000)}{_base36(salt).zfill(4)}-"
        self._count = 0

    def next(self) -> ClientOrderId:
        """Return an id that was never returned before."""
        self._count += 1
        return self._stem + _base36(self._count)


def _base36(value: int) -> str:
    text = ""
    while True:
        value, digit = divmod(value, 36)
        text = _DIGITS[digit] + text
        if value == 0:
            return text
