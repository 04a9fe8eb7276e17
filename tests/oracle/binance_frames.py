"""What a Binance market-data message means, read slowly: bytes in, a list of outcomes out.

Written from the rules (spec: BN-F-*, BN-MD-*), not from the decoder. Every message gives a list of
plain tuples, in order:

    ("Quote", instrument id, flags, ...)   an event, its values as Decimals (see `told`)
    ("unknown symbol", name)               a frame that was dropped and counted (BN-F-12)
    ("control", json)                      a reply or an error of the control protocol
    ("venue", name, json, stream)          an event without a type of its own
    ("problem", json)                      an object, or a whole message, that does not decode

Rules that JSON leaves open: the last of equal keys counts, but each of them must be sound; a
message that breaks off in mid-array has delivered the elements before; a depth frame that names
its symbol twice is refused, since its levels could not be told apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from oracle import json_scan, ticks
from oracle.json_scan import Node

OFF_SCALE, NOT_MARKET, AGGREGATE, CLOSED, PARTIAL = 1, 2, 4, 8, 16
RPI, MINI, CONTINUOUS, INDEX, MARK = 32, 64, 128, 256, 512
MAX_MS = ticks.INT64_MAX // 1_000_000
INTERVALS = {b"1M": -1} | {
    f"{n}{unit}".encode(): n * seconds
    for unit, seconds, counts in [
        ("s", 1, [1]),
        ("m", 60, [1, 3, 5, 15, 30]),
        ("h", 3600, [1, 2, 4, 6, 8, 12]),
        ("d", 86400, [1, 3]),
        ("w", 604800, [1]),
    ]
    for n in counts
}
KLINES = {
    b"kline": 0,
    b"continuous_kline": CONTINUOUS,
    b"indexPrice_kline": INDEX,
    b"markPrice_kline": MARK,
}
Outcome = tuple[Any, ...]
Parser = Callable[[Node], Any]
PRICE, SIZE = 0, 1
Value = tuple[int, Decimal]  # PRICE or SIZE, and the number


class Bad(Exception):
    """The frame does not decode."""


class Unknown(Exception):
    """The frame is about a symbol that is not in the table."""


@dataclass(frozen=True)
class Grid:
    """An increment as digits and decimals, as small as it can be written."""

    mantissa: int
    decimals: int

    @classmethod
    def of(cls, increment: Decimal) -> Grid:
        _, digits, exponent = increment.normalize().as_tuple()
        mantissa = int("".join(map(str, digits)))
        assert isinstance(exponent, int)
        return cls(mantissa * 10 ** max(exponent, 0), max(-exponent, 0))

    def finer(self, decimals: int) -> Grid:
        return Grid(1, max(decimals, self.decimals))

    def misfit(self, value: Decimal) -> str:
        """Return "" for a value on the grid, else "off" or "range"."""
        digits, decimals = exact(value)
        shift = self.decimals - decimals
        if shift >= 0:
            digits *= 10**shift
            if abs(digits) > ticks.INT64_MAX:
                return "range"
        elif digits % 10**-shift:
            return "off"
        else:
            digits //= 10**-shift
        return "off" if digits % self.mantissa else ""


def exact(value: Decimal) -> tuple[int, int]:
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    number = int("".join(map(str, digits)))
    return -number if sign else number, -exponent


@dataclass
class Instrument:
    id: str
    price: Grid
    size: Grid
    depth_flags: int = 0  # of depth messages on a raw connection


# ---- values -------------------------------------------------------------------------------------


def number_text(node: Node) -> str:
    if node.kind == "number":
        return node.raw.decode()
    if node.kind == "string":
        return node.body.decode("latin-1")
    raise Bad


def integer(node: Node) -> int:
    text = number_text(node)
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()) or (digits[0] == "0" and digits != "0"):
        raise Bad
    if abs(int(text)) > ticks.INT64_MAX:
        raise Bad
    return int(text)


def decimal(node: Node) -> Decimal:
    try:
        return ticks.wire(number_text(node))
    except ticks.Refused:
        raise Bad from None


def optional(node: Node) -> Decimal | None:
    """An empty text or null stands for "none" (BN-MD-07)."""
    return None if node.raw in (b'""', b"null") else decimal(node)


def text(node: Node) -> bytes | None:
    if node.kind != "string":
        raise Bad
    return node.text


def boolean(node: Node) -> bool:
    if node.kind not in ("true", "false"):
        raise Bad
    return node.kind == "true"


def anything(node: Node) -> Node:
    return node


def levels(node: Node) -> list[tuple[Decimal, Decimal]]:
    if node.kind != "array":
        raise Bad
    out = []
    for item in node.items:
        if item.kind != "array" or len(item.items) < 2:
            raise Bad
        out.append((decimal(item.items[0]), decimal(item.items[1])))
    return out


def fields(node: Node, wanted: dict[str, Parser], needed: Iterable[str]) -> dict[str, Any]:
    """The wanted members: each occurrence must be sound, the last one counts."""
    if node.kind != "object":
        raise Bad
    out: dict[str, Any] = {}
    for name, value in node.members:
        key = "?" if name is None else name.decode("latin-1")
        if key in wanted:
            out[key] = wanted[key](value)
    if not set(needed) <= set(out):
        raise Bad
    return out


def named(parser: Parser, keys: str) -> dict[str, Parser]:
    return dict.fromkeys(keys.split(), parser)


def ns(ms: int) -> int:
    """BN-MD-11."""
    if not 0 <= ms <= MAX_MS:
        raise Bad
    return ms * 1_000_000


# ---- frames -------------------------------------------------------------------------------------


class SlowDecoder:
    def __init__(self, instruments: dict[str, Instrument], *, auto_register: bool = False) -> None:
        self.instruments = {name.encode(): known for name, known in instruments.items()}
        self.auto_register = auto_register

    def find(self, name: bytes | None) -> Instrument:
        found = self.instruments.get(name) if name is not None else None
        if found is not None:
            return found
        if self.auto_register and name is not None and 0 < len(name) <= 100:
            try:
                shown = name.decode()
            except UnicodeDecodeError:
                raise Unknown(name) from None
            if not any(c in '"\\' or c < " " for c in shown):
                grid = Grid.of(Decimal("1e-8"))
                self.instruments[name] = Instrument(shown, grid, grid)
                return self.instruments[name]
        raise Unknown(name)

    def fit(self, instrument: Instrument, values: Sequence[Value]) -> int:
        """Return OFF_SCALE when values need a finer grid (BN-MD-13); `Bad` if 64 bits are short."""
        grids = [instrument.price, instrument.size]
        wrong = next((w for side, v in values if (w := grids[side].misfit(v))), "")
        if wrong == "off":
            grids = [
                grid.finer(max(exact(v)[1] for kind, v in values if kind == side))
                for side, grid in enumerate(grids)
            ]
            wrong = next((w for side, v in values if (w := grids[side].misfit(v))), "")
            if not wrong:
                return OFF_SCALE
        if wrong:
            raise Bad
        return 0

    def quote(self, node: Node) -> Outcome:
        """BN-MD-04: time T, sequence u."""
        f = fields(
            node,
            named(integer, "u T") | named(decimal, "b B a A") | {"s": text},
            ["u", "T", "s", "b", "B", "a", "A"],
        )
        instrument = self.find(f["s"])
        time = ns(f["T"])
        bid, bid_size, ask, ask_size = f["b"], f["B"], f["a"], f["A"]
        flags = self.fit(
            instrument, [(PRICE, bid), (SIZE, bid_size), (PRICE, ask), (SIZE, ask_size)]
        )
        return ("Quote", instrument.id, flags, bid, bid_size, ask, ask_size, f["u"], time)

    def trade(self, node: Node, *, aggregate: bool) -> Outcome:
        """BN-MD-01 to BN-MD-03, BN-F-07."""
        ids = "a f l" if aggregate else "t"
        wanted = named(integer, f"{ids} T") | named(decimal, "p q") | {"s": text, "m": boolean}
        needed = list(wanted)
        kinds: list[bytes | None] = []
        if not aggregate:
            wanted["X"] = lambda x: None if x.kind == "null" else kinds.append(text(x))
        f = fields(node, wanted, needed)
        instrument = self.find(f["s"])
        time = ns(f["T"])
        flags = self.fit(instrument, [(PRICE, f["p"]), (SIZE, f["q"])])
        if aggregate:
            flags |= AGGREGATE
        if kinds and kinds[-1] != b"MARKET":
            flags |= NOT_MARKET
        first, last = (f["f"], f["l"]) if aggregate else (-1, -1)
        return ("Trade", instrument.id, flags, f["p"], f["q"], "SELLER" if f["m"] else "BUYER",
                f["a" if aggregate else "t"], first, last, time)  # fmt: skip

    def depth(self, node: Node, stream_flags: int | None) -> Outcome:
        """BN-MD-05, BN-F-04 to BN-F-06."""
        f = fields(
            node,
            named(integer, "T U u pu") | {"s": text} | named(anything, "b a"),
            ["T", "U", "u", "pu", "s", "b", "a"],
        )
        if len(list(node.all("s"))) > 1:
            raise Bad
        instrument = self.find(f["s"])
        # Levels before the symbol wait for it; of those only the last that counts is looked at.
        names = [name for name, _ in node.members]
        symbol_at = names.index(b"s")
        waiting: dict[bytes, Node] = {}
        sides: list[tuple[bytes, Node]] = []
        for at, (name, value) in enumerate(node.members):
            if name in (b"b", b"a"):
                if at < symbol_at:
                    waiting[name] = value
                else:
                    waiting.pop(name, None)
                    sides.append((name, value))
        sides += [(name, waiting[name]) for name in (b"b", b"a") if name in waiting]
        found = [(name, levels(value)) for name, value in sides]
        flags = self.fit_levels(instrument, [pair for _, side in found for pair in side])
        side = dict(found)
        time = ns(f["T"])
        flags |= instrument.depth_flags if stream_flags is None else stream_flags
        return ("BookUpdate", instrument.id, flags, bool(flags & PARTIAL), tuple(side[b"b"]),
                tuple(side[b"a"]), f["U"], f["u"], f["pu"], time)  # fmt: skip

    def fit_levels(self, instrument: Instrument, pairs: list[tuple[Decimal, Decimal]]) -> int:
        """Like `fit`, but the grids grow only as far as one level after the other needs it."""
        grids = [instrument.price, instrument.size]
        flags = 0
        while True:
            for side, value in ((i, v) for pair in pairs for i, v in enumerate(pair)):
                wrong = grids[side].misfit(value)
                if wrong == "range":
                    raise Bad
                if wrong:
                    grids[side] = grids[side].finer(exact(value)[1])
                    flags = OFF_SCALE
                    break
            else:
                return flags

    def mark_price(self, node: Node) -> Outcome:
        """BN-MD-06, BN-MD-07."""
        f = fields(
            node,
            named(integer, "E T") | {"s": text, "p": decimal} | named(optional, "i P r"),
            ["E", "T", "s", "p"],
        )
        instrument = self.find(f["s"])
        times = ns(f["E"]), ns(f["T"])
        return ("MarkPrice", instrument.id, 0, f["p"], f.get("i"), f.get("P"), f.get("r"),
                times[1], times[0])  # fmt: skip

    def index_price(self, node: Node) -> Outcome:
        f = fields(node, {"E": integer, "i": text, "p": decimal}, "Eip")
        instrument = self.find(f["i"])
        return ("IndexPrice", instrument.id, 0, f["p"], ns(f["E"]))

    def kline(self, node: Node, kind: int) -> Outcome:
        """BN-MD-08: the time of a bar is its close time."""
        body: dict[str, Any] = {}
        inner = named(integer, "t T n") | named(text, "s i") | named(decimal, "o c h l v q V Q")
        inner["x"] = boolean
        needed = [key for key in inner if key != "s"]
        f = fields(
            node,
            named(text, "s ps ct")
            | {"E": integer, "k": lambda k: body.update(fields(k, inner, needed))},
            "Ek",
        )
        if kind == CONTINUOUS:
            if f.get("ps") is None or f.get("ct") is None:
                raise Bad
            instrument = self.find(f["ps"] + b"_" + f["ct"])
        else:
            holder, key = (f, "ps") if kind == INDEX else (f if "s" in f else body, "s")
            if key not in holder:
                raise Bad
            instrument = self.find(holder[key])
        if body["i"] not in INTERVALS:
            raise Bad
        times = ns(body["t"]), ns(body["T"])
        prices = [body[key] for key in "ohlc"]
        values = [(PRICE, price) for price in prices] + [(SIZE, body["v"]), (SIZE, body["V"])]
        flags = kind | self.fit(instrument, values)
        flags |= CLOSED if body["x"] else 0
        return ("Bar", instrument.id, flags, INTERVALS[body["i"]], times[0], *prices, body["v"],
                body["V"], body["q"], body["Q"], body["n"], times[1])  # fmt: skip

    def ticker(self, node: Node, *, mini: bool) -> Outcome:
        """BN-MD-10."""
        short = "c o h l v q"
        long = "p P w Q"
        numbers = "F L n"
        times = "O C"
        wanted = named(integer, f"E {times} {numbers}") | named(decimal, f"{short} {long}")
        wanted["s"] = text
        f = fields(node, wanted, ["E", "s", *short.split()] if mini else wanted)
        instrument = self.find(f["s"])
        event_time = ns(f["E"])
        opened, closed = (0, 0) if mini else (ns(f["O"]), ns(f["C"]))
        return ("Ticker", instrument.id, MINI if mini else 0, *(f[k] for k in short.split()),
                *(f.get(k) for k in long.split()), opened, closed,
                *(f.get(k, -1) for k in numbers.split()), event_time)  # fmt: skip

    def liquidation(self, node: Node) -> Outcome:
        """BN-MD-14: side of the liquidation order, time T inside o."""
        order: dict[str, Any] = {}

        def body(value: Node) -> None:
            wanted = named(decimal, "q p ap l z") | {"s": text, "S": text, "T": integer}
            found = fields(value, wanted, wanted)
            if found["S"] not in (b"SELL", b"BUY"):
                raise Bad
            order.update(found)

        fields(node, {"E": integer, "o": body}, "Eo")
        instrument = self.find(order["s"])
        time = ns(order["T"])
        sizes = [order[key] for key in "qlz"]
        flags = self.fit(instrument, [(PRICE, order["p"]), *((SIZE, size) for size in sizes)])
        side = "SELLER" if order["S"] == b"SELL" else "BUYER"
        return ("Liquidation", instrument.id, flags, side, order["p"], *sizes, order["ap"], time)

    def frame(self, name: bytes | None, node: Node, stream_flags: int | None) -> Outcome | None:
        """The event of a frame; None when the name is none of ours."""
        if name in KLINES:
            return self.kline(node, KLINES[name])
        if name in (b"24hrTicker", b"24hrMiniTicker"):
            return self.ticker(node, mini=name == b"24hrMiniTicker")
        if name in (b"aggTrade", b"trade"):
            return self.trade(node, aggregate=name == b"aggTrade")
        if name == b"depthUpdate":
            return self.depth(node, stream_flags)
        single: dict[bytes | None, Callable[[Node], Outcome]] = {
            b"bookTicker": self.quote,
            b"markPriceUpdate": self.mark_price,
            b"indexPriceUpdate": self.index_price,
            b"forceOrder": self.liquidation,
        }
        return single[name](node) if name in single else None

    # ---- messages -------------------------------------------------------------------------------

    def feed(self, data: bytes) -> list[Outcome]:
        start = json_scan.blanks(data, 0)
        if data[start : start + 1] == b"[":
            return self.array_message(data, start)
        try:
            node = json_scan.parse(data)
            if node.kind != "object":
                raise Bad
            return self.object(node, None, None)
        except (json_scan.Refused, Bad):
            return [("problem", data)]

    def array_message(self, data: bytes, start: int) -> list[Outcome]:
        out: list[Outcome] = []
        try:
            p = json_scan.blanks(data, start + 1)
            if data[p : p + 1] != b"]":
                while True:
                    node = json_scan.value(data, p)
                    out += self.element(node, None, None)
                    p = json_scan.blanks(data, node.end)
                    if data[p : p + 1] == b"]":
                        break
                    if data[p : p + 1] != b",":
                        raise Bad
                    p = json_scan.blanks(data, p + 1)
            if json_scan.blanks(data, p + 1) != len(data):
                raise Bad
        except (json_scan.Refused, Bad):
            out.append(("problem", data))
        return out

    def element(self, node: Node, stream: bytes | None, flags: int | None) -> list[Outcome]:
        try:
            if node.kind != "object":
                raise Bad
            return self.object(node, stream, flags)
        except Bad:
            return [("problem", node.raw)]

    def object(self, node: Node, stream: bytes | None, flags: int | None) -> list[Outcome]:
        last = dict(node.members)
        event = last.get(b"e")
        streams = [value.text for value in node.all("stream") if value.kind == "string"]
        wrapped = last.get(b"event")
        if event is not None and event.kind == "string":
            try:
                found = self.frame(event.text, node, flags)
            except Unknown as unknown:
                return [("unknown symbol", unknown.args[0])]
            return [found if found is not None else venue(event.text, node, stream)]
        if streams and b"data" in last:
            return self.combined(streams[-1], last[b"data"])
        if wrapped is not None and wrapped.kind == "object":
            return self.object(wrapped, stream, flags)  # BN-T-15
        if {b"result", b"id", b"code", b"error"} & set(last):
            return [("control", node.raw)]
        return [venue(b"", node, stream)]

    def combined(self, stream: bytes | None, data: Node) -> list[Outcome]:
        flags = 0  # BN-F-06
        channel = (stream or b"").partition(b"@")[2]
        if channel.startswith(b"depth") and channel[5:6].isdigit():
            flags = PARTIAL
        elif channel.startswith(b"rpiDepth"):
            flags = RPI
        if data.kind == "array":
            return [out for item in data.items for out in self.element(item, stream, flags)]
        if data.kind != "object":
            raise Bad
        return self.object(data, stream, flags)


def venue(name: bytes | None, node: Node, stream: bytes | None) -> Outcome:
    shown = (name or b"").decode("utf-8", "replace")
    return ("venue", shown, node.raw, None if stream is None else stream.decode("utf-8", "replace"))


# ---- what the decoder really delivered, in the same form ----------------------------------------

TOLD = {
    "Quote": "bid bid_size ask ask_size seq",
    "Trade": "price size aggressor trade_id first_id last_id",
    "BookUpdate": "is_snapshot bids_decimal asks_decimal first_seq last_seq prev_seq",
    "MarkPrice": "mark index settle funding_rate ts_next_funding",
    "IndexPrice": "index",
    "Bar": "interval_s ts_open open high low close volume taker_buy_volume quote_volume "
    "taker_buy_quote_volume trade_count",
    "Ticker": "last open high low volume quote_volume change change_percent weighted_average "
    "last_size ts_open ts_close first_id last_id trade_count",
    "Liquidation": "side price size last_size filled_size average_price",
}


def told(event: Any) -> Outcome:
    """Return an event object as the tuple that `SlowDecoder` gives."""
    kind = type(event).__name__
    values = []
    for name in TOLD[kind].split():
        if name == "last_size" and kind == "Liquidation":
            value = event.instrument.size_scale.to_decimal(event.last_size_lots)
        else:
            value = getattr(event, name)
        if name in ("bids_decimal", "asks_decimal"):
            value = tuple(value())
        elif name in ("aggressor", "side"):
            value = value.name
        values.append(value)
    return (kind, event.instrument.id, event.flags, *values, event.ts_event)
