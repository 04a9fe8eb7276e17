"""What a Hyperliquid frame means, by json and Decimal: slow, short, independent of the decoder.

`decode(data)` returns the list of what a decoder must deliver: tuples that begin with the kind of
event, ended by ("row problem",) for each row left out, or by ("problem",) for a frame of which
something had to be left out altogether. Only frames of coins in COINS give events.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from oracle.frame_values import Bad, exact, float_value, off_grid, required, whole

# By coin on the wire: id, decimals of the price, decimals of the size.
COINS = {
    "BTC": ("BTC-PERP", 1, 5),
    "kPEPE": ("kPEPE-PERP", 6, 0),
    "PURR/USDC": ("PURR/USDC-SPOT", 8, 0),
    "@107": ("HYPE/USDC-SPOT", 6, 2),
    "xyz:TSLA": ("xyz:TSLA-PERP", 3, 3),
}
PLACES = {"": {0: "BTC", 3: "kPEPE"}, "xyz": {0: "xyz:TSLA"}}  # in `meta`, by dex
INTERVALS = {
    "1m": 60, "3m": 180, "5m": 300, "15m": 900, "30m": 1800, "1h": 3600, "2h": 7200, "4h": 14400,
    "8h": 28800, "12h": 43200, "1d": 86400, "3d": 259200, "1w": 604800, "1M": -1,
}  # fmt: skip
CONTROL = {"subscriptionResponse", "error", "pong", "post"}
CONTEXT = ("markPx", "oraclePx", "midPx", "funding", "premium", "openInterest", "prevDayPx",
           "dayNtlVlm", "dayBaseVlm", "circulatingSupply", "totalSupply")  # fmt: skip
NOW = 1_790_232_237_123_456_789
HOUR = 3_600_000_000_000

Events = list[tuple[Any, ...]]
ROW_PROBLEM = ("row problem",)


class Skipped(Exception):
    """The value fits no grid of 64 bits: that event is left out, and the frame is a problem."""


def ns(ms: int) -> int:
    return ms * 10**6 if 0 < ms * 10**6 < 2**63 else 0


def strict(row: dict[str, Any], name: str) -> int:
    """A whole number that must be there."""
    if row.get(name) in (None, ""):
        raise Bad(name)
    return whole(row, name)


def text(row: dict[str, Any], name: str, default: str | None = None) -> str:
    value = row.get(name)
    if value is None and default is not None:
        return default
    if not isinstance(value, str):
        raise Bad(name)
    return value


def flag(row: dict[str, Any], name: str) -> bool:
    value = row.get(name)
    if value is not None and not isinstance(value, bool):
        raise Bad(name)
    return bool(value)


def an_object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Bad("object")
    return value


def decode(data: bytes) -> Events:
    """Return what must be delivered for one message."""
    if data.startswith(b"Websocket"):
        return [("control", "")]
    try:
        frame = json.loads(data, parse_float=Decimal, parse_constant=_refuse)
        channel = text(an_object(frame), "channel", "")
        return _decode(channel, frame.get("data"))
    except (ValueError, RecursionError, Bad, Skipped):
        return [("problem",)]


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _decode(channel: str, data: Any) -> Events:
    if channel in CONTROL:
        return [("control", channel)]
    read = READERS.get(channel)
    if read is None:
        return [("venue", channel)]
    if data is None:
        raise Bad("data")
    return read(data)


def _level(value: Any) -> tuple[Decimal, Decimal]:
    row = an_object(value)
    return required(row, "px"), required(row, "sz")


def _book(data: Any) -> Events:
    row = an_object(data)
    coin, time, levels = text(row, "coin"), strict(row, "time"), row.get("levels")
    if levels is None or time < 0:
        raise Bad("levels")
    if coin not in COINS:
        return [("unknown", coin)]
    if not isinstance(levels, list) or len(levels) < 2:
        raise Bad("levels")
    if not all(isinstance(side, list) for side in levels[:2]):
        raise Bad("side")
    sides = [tuple(_level(level) for level in side) for side in levels[:2]]
    every = [level for side in sides for level in side]
    prices, sizes = tuple(p for p, _ in every), tuple(s for _, s in every)
    off = off_grid(COINS[coin][1:], price=prices, size=sizes)
    return [("book", COINS[coin][0], *sides, time, ns(time), off)]


def _bbo(data: Any) -> Events:
    row = an_object(data)
    coin, time, sides = text(row, "coin"), strict(row, "time"), row.get("bbo")
    if time < 0 or not isinstance(sides, list) or len(sides) < 2:
        raise Bad("bbo")
    found = [None if side is None else _level(side) for side in sides[:2]]
    if coin not in COINS:
        return [("unknown", coin)]
    bid, ask = found
    if bid is None or ask is None:
        return [("empty", COINS[coin][0], bid is not None, ask is not None)]
    off = off_grid(COINS[coin][1:], price=(bid[0], ask[0]), size=(bid[1], ask[1]))
    return [("quote", COINS[coin][0], *bid, *ask, time, ns(time), off)]


def _side(row: dict[str, Any]) -> bool:
    if row.get("side") not in ("A", "B"):
        raise Bad("side")
    return row["side"] == "B"


def _trades(data: Any) -> Events:
    if not isinstance(data, list):
        raise Bad("trades")
    rows, problems = [], 0
    for each in data:
        try:
            row = an_object(each)
            trade = (strict(row, "time"), text(row, "coin"), required(row, "px"),
                     required(row, "sz"), _side(row), strict(row, "tid"))  # fmt: skip
            if trade[0] < 0 or trade[5] < 0 or trade[2] <= 0 or trade[3] <= 0:
                raise Bad("value")
            rows.append(trade)
        except Bad:
            problems += 1
    rows.sort(key=lambda row: row[0])
    events: Events = []
    last = None
    for time, coin, price, size, is_buy, number in rows:
        if coin not in COINS:
            if coin != last:
                events.append(("unknown", coin))
        else:
            off = off_grid(COINS[coin][1:], price=(price,), size=(size,))
            events.append(("trade", COINS[coin][0], price, size, is_buy, number, ns(time), off))
        last = coin
    return [*events, *[ROW_PROBLEM] * problems]


def _candle(data: Any) -> Events:
    row = an_object(data)
    opened, closed, coin = strict(row, "t"), strict(row, "T"), text(row, "s")
    interval = text(row, "i")
    count = strict(row, "n") if row.get("n") is not None else -1
    prices = tuple(required(row, name) for name in "ohlc")
    volume = required(row, "v")
    if opened < 0 or closed < 0 or interval not in INTERVALS:
        raise Bad("candle")
    if coin not in COINS:
        return [("unknown", coin)]
    off = off_grid(COINS[coin][1:], price=prices, size=(volume,))
    return [("bar", COINS[coin][0], INTERVALS[interval], ns(opened), ns(closed), *prices, volume,
             count, off)]  # fmt: skip


def _values(value: Any) -> dict[str, Decimal | None]:
    row = an_object(value)
    found = {name: float_value(row, name) for name in CONTEXT}
    text(row, "coin", "")
    pair = row.get("impactPxs")
    if pair is not None:
        if not isinstance(pair, list):
            raise Bad("impactPxs")
        if any(each is None for each in pair[:2]):
            raise Bad("impactPxs")
        pair = [float_value({"x": each}, "x") for each in pair[:2]]
    found["bid"], found["ask"] = ([*(pair or ()), None, None])[:2]
    return found


def _told(coin: str, found: dict[str, Decimal | None]) -> Events:
    """The events of one context."""
    name = COINS[coin][0]
    events: Events = []
    if found["markPx"] is not None:
        funding = 0 if found["funding"] is None else NOW - NOW % HOUR + HOUR
        events.append(("mark", name, found["markPx"], found["oraclePx"], found["funding"], funding))
    events.append(("ticker", name, found["prevDayPx"], found["dayBaseVlm"], found["dayNtlVlm"]))
    events.append(("context", name, *found.values()))
    return events


def _context(data: Any) -> Events:
    row = an_object(data)
    coin = text(row, "coin")
    found = _values(row.get("ctx"))
    return _told(coin, found) if coin in COINS else [("unknown", coin)]


def _contexts(rows: Any, places: dict[int, str] | None) -> tuple[Events, bool]:
    """The events of a list, by place or by the coin they name; and whether it is one."""
    if not isinstance(rows, list):
        return [], False
    events: Events = []
    for place, row in enumerate(rows):
        try:
            found = _values(row)
        except Bad:
            events.append(ROW_PROBLEM)
            continue
        coin = row.get("coin") if places is None else places.get(place)
        if coin in COINS:
            events += _told(coin, found)
    return events, True


def _spot_contexts(data: Any) -> Events:
    events, sound = _contexts(data, None)
    return events if sound else [("problem",)]


def _all_contexts(data: Any) -> Events:
    dexes = an_object(data).get("ctxs")
    if not isinstance(dexes, list):
        raise Bad("ctxs")
    events: Events = []
    sound = True
    for pair in dexes:
        if not isinstance(pair, list) or len(pair) < 2 or pair[0] not in ("", "xyz"):
            continue
        found, good = _contexts(pair[1], PLACES[pair[0]])
        events += found
        sound &= good
    return events if sound else [each for each in events if each != ROW_PROBLEM] + [("problem",)]


def _mids(data: Any) -> Events:
    row = an_object(data)
    mids, dex = row.get("mids"), text(row, "dex", "")
    found, problems = {}, 0
    for coin in an_object(mids):
        try:
            value = required(mids, coin)
        except Bad:
            problems += 1
            continue
        if coin in COINS:
            found[COINS[coin][0]] = value
    return [*[ROW_PROBLEM] * problems, ("mids", dex, found)]


def _positive(value: Decimal | None) -> Decimal | None:
    return value or None


def _order(value: Any) -> tuple[Any, ...]:
    row = an_object(value)
    order = an_object(row.get("order"))
    coin, is_buy, oid = text(order, "coin"), _side(order), strict(order, "oid")
    size, original = exact(order, "sz"), exact(order, "origSz")
    if size is None or oid < 0 or not isinstance(row.get("status"), str):
        raise Bad("order")
    return (
        coin, COINS.get(coin, (None,))[0], oid, is_buy, _positive(exact(order, "limitPx")), size,
        size if original is None else original, (text(order, "cloid", "").lower() or None),
        flag(order, "reduceOnly"), row["status"], whole(order, "timestamp"),
        whole(row, "statusTimestamp"), _positive(exact(order, "triggerPx")),
    )  # fmt: skip


def _fill(value: Any) -> tuple[Any, ...]:
    row = an_object(value)
    coin, is_buy, oid, time = text(row, "coin"), _side(row), strict(row, "oid"), strict(row, "time")
    price, size = exact(row, "px"), exact(row, "sz")
    if price is None or size is None or oid < 0 or time < 0 or price < 0 or size <= 0:
        raise Bad("fill")
    try:
        twap = whole(row, "twapId", -1)
    except Bad:
        twap = -1
    return (
        coin, COINS.get(coin, (None,))[0], oid, whole(row, "tid"), time, is_buy, price, size,
        flag(row, "crossed"), exact(row, "fee") or Decimal(0), text(row, "feeToken", ""),
        exact(row, "builderFee"), float_value(row, "startPosition"), float_value(row, "closedPnl"),
        text(row, "dir", ""), text(row, "hash", ""), (text(row, "cloid", "").lower() or None),
        row.get("liquidation") is not None, twap,
    )  # fmt: skip


def _rows(value: Any, read: Any) -> tuple[tuple[Any, ...], int]:
    if not isinstance(value, list):
        raise Bad("rows")
    rows, problems = [], 0
    for each in value:
        try:
            rows.append(read(each))
        except Bad:
            problems += 1
    return tuple(rows), problems


def _orders(data: Any) -> Events:
    rows, problems = _rows(data, _order)
    return [("orders", rows, problems), *[ROW_PROBLEM] * problems]


def _fills(data: Any, *, channel: str = "userFills") -> Events:
    row = an_object(data)
    user, is_snapshot = text(row, "user", ""), flag(row, "isSnapshot")
    others = bool(set(row) - {"fills", "user", "isSnapshot"})
    if row.get("fills") is None:
        if channel == "userFills":
            raise Bad("fills")
        return [("venue", "user")]
    rows, problems = _rows(row["fills"], _fill)
    events: Events = [("fills", channel, user, is_snapshot, rows, problems)]
    events += [ROW_PROBLEM] * problems
    if channel == "user" and others:
        events.append(("venue", "user"))
    return events


READERS = {
    "l2Book": _book,
    "bbo": _bbo,
    "trades": _trades,
    "candle": _candle,
    "activeAssetCtx": _context,
    "activeSpotAssetCtx": _context,
    "spotAssetCtxs": _spot_contexts,
    "allDexsAssetCtxs": _all_contexts,
    "allMids": _mids,
    "orderUpdates": _orders,
    "userFills": _fills,
    "user": lambda data: _fills(data, channel="user"),
}
