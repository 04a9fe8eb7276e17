"""How long does a dYdX frame take to become an event, or a book, in a callback?

Shapes, key order and number formats are those of the wire; values come from a seeded random walk,
and each kind is a list of different frames that stays within 32 kB.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

from bench.frame_cases import TYPED, decoding, loop, others, router_to
from bench.measure import Case, Claim, Group, Plan, time_cases
from bench.ours import ignore
from connectors._speedups.dydx import DydxDecoder
from connectors._speedups.events import BookUpdate, EventKind, InstrumentBase, Router
from connectors._speedups.symbols import SymbolTable
from connectors._speedups.ticks import TickScale
from connectors._speedups.uncrossed import UncrossedBook

__all__ = ["MAKERS", "run"]

ROOM = 32_768
CONNECTION = "004a1efa-21bb-4b19-a2e9-a8ffadd6dc53"
BATCH, CHANGE, TRADES = "book batch, 20 changes", "book change, one", "trades, one"
SNAPSHOT = "book snapshot, 100+100 levels"
CLAIMS = {
    BATCH: [Claim(TYPED, at_least=5)],
    CHANGE: [Claim(TYPED, at_least=2.5)],
    TRADES: [Claim(TYPED, at_least=3)],
}


class Market:
    """A seeded market that moves a little with every look at it."""

    def __init__(self) -> None:
        self.random = random.Random(20_261_121)
        self.mid = 89_947
        self.height = 66_624_085

    def step(self) -> None:
        self.mid += self.random.choice((-3, -1, 0, 0, 1, 3))
        self.height += 1

    def size(self) -> str:
        size = self.random.choice((0.02, 0.5, 12.0, 60.0)) * self.random.random()
        return f"{size:.4f}" if self.random.random() < 0.8 else "0"

    def change(self) -> dict[str, Any]:
        side, sign = self.random.choice((("bids", -1), ("asks", 1)))
        return {side: [[str(self.mid + sign * self.random.randrange(1, 60)), self.size()]]}

    def level(self, away: int) -> dict[str, str]:
        return {"price": str(self.mid + away), "size": f"0.{self.random.randrange(1, 9999):04}"}


def frame(kind: str, channel: str, version: str, contents: Any) -> dict[str, Any]:
    return {
        "type": kind, "connection_id": CONNECTION, "message_id": 0, "id": "BTC-USD",
        "channel": channel, "version": version, "contents": contents,
    }  # fmt: skip


def batch(m: Market) -> Any:
    changes = [m.change() for _ in range(20)]
    return frame("channel_batch_data", "v4_orderbook", "1.0.0", changes)


def change(m: Market) -> Any:
    return frame("channel_data", "v4_orderbook", "1.0.0", m.change())


def trades(m: Market) -> Any:
    row = {
        "id": f"{m.height:08x}00000002{m.random.randrange(900):08x}",
        "size": f"0.{m.random.randrange(1, 9999):04}", "price": str(m.mid),
        "side": m.random.choice(("BUY", "SELL")), "createdAt": "2025-12-08T16:12:00.500Z",
        "type": "LIMIT",
    }  # fmt: skip
    return frame("channel_data", "v4_trades", "2.1.0", {"trades": [row]})


def snapshot(m: Market) -> Any:
    bids, asks = ([m.level(sign * n) for n in range(1, 101)] for sign in (-1, 1))
    return {
        "type": "subscribed", "connection_id": CONNECTION, "message_id": 0,
        "channel": "v4_orderbook", "id": "BTC-USD", "contents": {"bids": bids, "asks": asks},
    }  # fmt: skip


MAKERS: dict[str, Callable[[Market], Any]] = {
    BATCH: batch,
    CHANGE: change,
    TRADES: trades,
    SNAPSHOT: snapshot,
}


def shape_of(kind: str) -> Callable[[Any], Any] | None:
    """Return how msgspec is to read a frame; None: as the first of them looks."""
    if kind not in (BATCH, CHANGE):
        return None

    def shape(number: Any) -> Any:
        import msgspec  # not for those who only count our own instructions

        levels = list[tuple[number, number]]
        sides = [("bids", levels, ()), ("asks", levels, ())]
        change = msgspec.defstruct("Change", sides, gc=False)
        members = [(name, int if name == "message_id" else str) for name in frame("", "", "", "")]
        members[-1] = ("contents", list[change] if kind == BATCH else change)
        return msgspec.defstruct("Frame", members, gc=False)

    return shape


def text_of(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def frames(kind: str, first: int = 1) -> list[bytes]:
    """Return different frames of a kind, as they follow each other on a connection."""
    market = Market()
    found: list[bytes] = []
    while sum(map(len, found)) < ROOM - 10_000:
        market.step()
        made = {**MAKERS[kind](market), "message_id": first + len(found)}
        found.append(text_of(made))
    return found


def connected(last_id: int = 0) -> bytes:
    """Return the frame a connection begins with."""
    return text_of({"type": "connected", "connection_id": CONNECTION, "message_id": last_id})


def btc() -> InstrumentBase:
    """Return the instrument that all frames are about."""
    return InstrumentBase("BTC-USD-PERP", "BTC-USD", "DYDX", TickScale("1"), TickScale("0.0001"))


def decoder_to(callback: Callable[[Any], object]) -> DydxDecoder:
    """Return a decoder that calls `callback` with each event."""
    symbols = SymbolTable()
    return DydxDecoder(symbols, router_to(symbols.add(btc()), callback))


class KeptBook:
    """A decoder behind which a local book is kept and shown to `callback`."""

    def __init__(self, callback: Callable[[Any], object]) -> None:
        symbols, router = SymbolTable(), Router()
        self.book = UncrossedBook(btc(), on_change=callback)
        router.route(EventKind.BOOK_DELTA, symbols.add(btc()), self.book)
        self.feed = DydxDecoder(symbols, router).feed_bytes

    def start(self) -> None:
        """Begin a connection with a book of some levels."""
        levels = [[(89_947 + sign * n, 5_000) for n in range(1, 61)] for sign in (-1, 1)]
        self.book.clear()
        self.book.replace(BookUpdate(btc(), *levels, is_snapshot=True, last_seq=0))
        self.book.go_live(0)
        self.feed(connected())


def to_book(inputs: list[bytes]) -> Case:
    kept = KeptBook(ignore)
    note = "applied to a local book, uncrossed, shown"
    return Case("tickwire, to a book", loop(kept.feed, inputs), len(inputs), kept.start, note)


def to_sorted_dicts(kind: str, inputs: list[bytes]) -> Case:
    """The same with what there is elsewhere: not uncrossed, and in floats."""
    import msgspec
    from sortedcontainers import SortedDict

    shape = shape_of(kind)
    assert shape is not None
    decode = msgspec.json.Decoder(shape(float), strict=False).decode
    sides: tuple[Any, Any] = (SortedDict(), SortedDict())

    def start() -> None:
        for side, sign in zip(sides, (-1, 1), strict=True):
            side.clear()
            side.update((89_947.0 + sign * n, 0.5) for n in range(1, 61))

    def batch() -> None:
        for data in inputs:
            contents = decode(data).contents
            for change in contents if kind == BATCH else (contents,):
                for side, levels in zip(sides, (change.bids, change.asks), strict=True):
                    for price, size in levels:
                        if size:
                            side[price] = size
                        else:
                            side.pop(price, None)
            ignore(sides)

    note = "applied to two SortedDict, in floats"
    return Case("msgspec typed, floats, to a book", batch, len(inputs), start, note)


def run(plan: Plan) -> list[Group]:
    """Time every frame kind, and books."""
    groups = decoding("dYdX", MAKERS, cases, frames, CLAIMS, plan)
    return [*groups, *(books(kind, plan) for kind in (BATCH, CHANGE))]


def books(kind: str, plan: Plan) -> Group:
    """Time a frame until a local book has it."""
    inputs = frames(kind)
    seen: list[int] = []
    kept = KeptBook(lambda book: seen.append(book.last_seq))
    kept.start()
    for each in inputs:
        kept.feed(each)
    kept.book.check()
    if seen != list(range(1, len(inputs) + 1)) or not kept.book.live:
        raise AssertionError(f"{kind}: a book was not shown")
    found = [to_book(inputs), to_sorted_dicts(kind, inputs)]
    claims = [Claim("msgspec typed, floats, to a book", at_least=10 if kind == BATCH else 6)]
    return time_cases(f"dYdX {kind}, to a book", found, plan, claims=claims, note="per frame")


def cases(kind: str) -> list[Case]:
    inputs = frames(kind)
    check(kind, inputs)
    feed = decoder_to(ignore).feed_bytes
    # Ids must follow each other, so each turn of the loop is a connection of its own.
    feed(connected())
    found = [
        Case("tickwire", loop(feed, [*inputs, connected()]), len(inputs), note="integers, exact")
    ]
    return [*found, *others(inputs, shape_of(kind))]


def check(kind: str, inputs: list[bytes]) -> None:
    """Make sure that what is timed also happens."""
    seen: list[Any] = []
    decoder = decoder_to(seen.append)
    for each in (connected(), *inputs):
        decoder.feed_bytes(each)
    if len(seen) != len(inputs) or decoder.id_surprises:
        raise AssertionError(f"{kind}: {len(seen)} events instead of {len(inputs)}")
