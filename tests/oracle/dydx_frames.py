"""What a frame of the dYdX indexer means, by json and Decimal: slow, short, independent.

`Oracle.decode(data)` returns the list of what a decoder must deliver and tell: tuples that begin
with the kind, ("row problem",) for a trade left out, ("problem",) for a frame, or what was left of
it, left out. It remembers what the decoder must remember: connection, ids, versions.
"""

from __future__ import annotations

import calendar
import json
import re
from decimal import Decimal
from typing import Any

from oracle.frame_values import Bad, off_grid, required, whole

# By ticker: id, decimals of the price, decimals of the size.
MARKETS = {
    "BTC-USD": ("BTC-USD-PERP", 0, 4),
    "ETH-USD": ("ETH-USD-PERP", 1, 3),
    "PEPE-USD": ("PEPE-USD-PERP", 11, 0),
    "FARTCOIN,RAYDIUM-USD": ("FARTCOIN,RAYDIUM-USD-PERP", 5, 0),
}
CONTENTS = ("subscribed", "channel_data", "channel_batch_data")
TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?Z", re.ASCII)
ROW_PROBLEM = ("row problem",)
PROBLEM = ("problem",)

Events = list[tuple[Any, ...]]


def text(row: dict[str, Any], name: str) -> str | None:
    value = row.get(name)
    if value is not None and not isinstance(value, str):
        raise Bad(name)
    return value


def an_object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Bad("object")
    return value


def a_list(row: dict[str, Any], name: str) -> list[Any]:
    value = row.get(name)
    if value is not None and not isinstance(value, list):
        raise Bad(name)
    return value or []


def ns(value: str) -> int:
    match = TIME.fullmatch(value)
    if match is None:
        raise Bad("time")
    year, month, day, hour, minute, second = map(int, match.groups()[:6])
    if not (
        1970 <= year <= 2261 and 1 <= month <= 12 and hour < 24 and minute < 60 and second < 60
    ):
        raise Bad("time")
    if not 1 <= day <= calendar.monthrange(year, month)[1]:
        raise Bad("time")
    seconds = calendar.timegm((year, month, day, hour, minute, second))
    return seconds * 10**9 + int((match[7] or "").ljust(9, "0"))


def trade_id(value: str) -> int:
    if re.fullmatch("[0-9a-f]{24}", value):
        height, transaction, event = (int(value[at : at + 8], 16) for at in (0, 8, 16))
        if height < 2**31 and transaction < 2**12 and event < 2**20:
            return height << 32 | transaction << 20 | event
    hashed = 0xCBF29CE484222325
    for byte in value.encode():
        hashed = (hashed ^ byte) * 0x100000001B3 % 2**64
    return ((hashed | 2**63) & ~1) - 2**64


def _refuse(constant: str) -> None:
    raise ValueError(constant)


class Oracle:
    """The memory of one connection."""

    def __init__(self) -> None:
        self.connection = ""
        self.next_id = 0
        self.versions: dict[str, str] = {}

    def decode(self, data: bytes) -> Events:
        """Return what must be told for one message."""
        try:
            frame = an_object(json.loads(data, parse_float=Decimal, parse_constant=_refuse))
            names = ("type", "connection_id", "channel", "id", "version")
            kind, connection, channel, key, version = (text(frame, name) for name in names)
            number = -1 if frame.get("message_id") is None else whole(frame, "message_id")
            if frame.get("message_id") == "" or not -1 <= number < 10**16:
                raise Bad("message_id")
        except (ValueError, RecursionError, Bad):
            return [PROBLEM]
        known = channel in ("v4_orderbook", "v4_trades")
        contents = frame.get("contents")
        if kind in CONTENTS and (
            number < 0 or channel is None or contents is None or (known and key is None)
        ):
            return [PROBLEM]
        what = (kind or "", channel or "", key or "")
        events = [] if kind == "error" or number < 0 else self._meet(connection, number, what)
        if kind not in CONTENTS or kind == "subscribed":
            if kind not in ("channel_data", "channel_batch_data"):
                events.append(("control", *what, number))
            if kind not in CONTENTS:
                return events
        if not known:
            return [*events, ("data", *what, number)]
        if kind != "subscribed" and version is not None and self.versions.get(channel) != version:
            self.versions[channel] = version
            events.append(("version", channel, version))
        if key not in MARKETS:
            return [*events, ("unknown", key)]
        read = self._book if channel == "v4_orderbook" else self._trades
        lost = ("lost", channel, key, number)
        try:
            return events + read(contents, kind == "subscribed", key, number, lost)
        except Bad:
            return [*events, lost, PROBLEM]

    def count(self, number: int, what: tuple[str, str, str]) -> Events:
        expected = self.next_id
        self.next_id = max(expected, number + 1)
        return [("id", number, expected, *what)] if number != expected else []

    def _meet(self, connection: str | None, number: int, what: tuple[str, str, str]) -> Events:
        before = self.connection
        if connection is None:
            connection = before
        if what[0] != "connected" and before and connection == before:
            return self.count(number, what)
        self.connection, self.next_id = connection, number + 1
        return [("id", number, -1, *what)] if before and what[0] != "connected" else []

    def _book(self, contents: Any, is_snapshot: bool, key: str, number: int, lost: Any) -> Events:
        parts = contents if isinstance(contents, list) and not is_snapshot else [contents]
        sides: dict[str, list[tuple[Decimal, Decimal]]] = {"bids": [], "asks": []}
        for part in map(an_object, parts):
            for side, levels in sides.items():
                if is_snapshot and part.get(side) is None:
                    raise Bad(side)
                levels += [_level(each) for each in a_list(part, side)]
        every = sides["bids"] + sides["asks"]
        name, *decimals = MARKETS[key]
        prices, sizes = tuple(p for p, _ in every), tuple(s for _, s in every)
        off = off_grid((decimals[0], decimals[1]), price=prices, size=sizes)
        bids, asks = map(tuple, sides.values())
        return [("book", name, is_snapshot, bids, asks, number, off)]

    def _trades(self, contents: Any, is_snapshot: bool, key: str, number: int, lost: Any) -> Events:
        parts = contents if isinstance(contents, list) else [contents]
        rows, problems = [], 0
        for part in map(an_object, parts):
            for each in a_list(part, "trades"):
                try:
                    rows.append(_trade(each))
                except Bad:
                    problems += 1
        name, *decimals = MARKETS[key]
        events: Events = []
        for price, size, is_buy, id, time, kind in reversed(rows) if is_snapshot else rows:
            try:
                off = off_grid((decimals[0], decimals[1]), price=(price,), size=(size,))
            except Bad:
                events += [PROBLEM, lost]
                continue
            adl = kind == "DELEVERAGED"
            events.append(("trade", name, price, size, is_buy, id, time, is_snapshot, adl, off))
            if kind == "LIQUIDATED":
                events.append(("liquidation", name, price, size, is_buy, time, is_snapshot, off))
        return events + ([lost] + [ROW_PROBLEM] * problems if problems else [])


def _level(value: Any) -> tuple[Decimal, Decimal]:
    if isinstance(value, dict):
        return required(value, "price"), required(value, "size")
    if not isinstance(value, list) or len(value) < 2:
        raise Bad("level")
    pair = dict(zip("ps", value[:2], strict=True))
    return required(pair, "p"), required(pair, "s")


def _trade(value: Any) -> tuple[Any, ...]:
    row = an_object(value)
    id, time, side = text(row, "id"), text(row, "createdAt"), text(row, "side")
    price, size = required(row, "price"), required(row, "size")
    if not id or time is None or side not in ("BUY", "SELL") or price <= 0 or size <= 0:
        raise Bad("trade")
    return price, size, side == "BUY", trade_id(id), ns(time), row.get("type")
