"""How long does a Hyperliquid frame take to become an event, or a row, or a book in a callback?

Shapes, key order and number formats are those of the wire; values come from a seeded random walk,
and each kind is a list of different frames that stays within 32 kB.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

from bench.frame_cases import TYPED, decoding, loop, others, router_to
from bench.measure import Case, Claim, Group, Plan
from bench.ours import ignore
from connectors._speedups.hyperliquid import HyperliquidDecoder, UserFrame, UserHandler
from connectors._speedups.symbols import SymbolTable
from connectors.data.dispatch import Dispatch
from connectors.hyperliquid.books import Books, SnapshotBook
from connectors.hyperliquid.instruments import parse_instruments
from connectors.model import Instrument

__all__ = ["MAKERS", "run"]

ROOM = 32_768
USER = "0x31ca8395cf837de08b24da3f660e77761dfb974b"
BOOK, FAST = "l2Book, 20+20 levels", "l2Book, 5+5 levels"
BBO, TRADES, CONTEXT = "bbo", "trades, one", "activeAssetCtx"
FILLS, ORDERS = "userFills, one", "orderUpdates, one"
# Trade and book frames of this venue: what is claimed of them.
CLAIMS = {
    BOOK: [Claim(TYPED, at_least=3.5)],
    FAST: [Claim(TYPED, at_least=3.5)],
    TRADES: [Claim(TYPED, at_least=3.5)],
}
META = {"universe": [{"name": "BTC", "szDecimals": 5}]}


class Market:
    """A seeded market that moves a little with every look at it."""

    def __init__(self) -> None:
        self.random = random.Random(20_260_921)
        self.mid = 84_143
        self.ms = 1_790_232_236_546
        self.id = 375_273_716_474

    def step(self) -> None:
        self.mid += self.random.choice((-3, -1, 0, 0, 1, 3))
        self.ms += self.random.randrange(70, 900)
        self.id += self.random.randrange(1, 9_000)

    def size(self) -> str:
        return f"{self.random.choice((0.02, 0.5, 12.0, 60.0)) * self.random.random():.5f}"

    def level(self, away: int) -> dict[str, Any]:
        n = self.random.randrange(1, 40)
        return {"px": f"{self.mid + away}.0", "sz": self.size(), "n": n}

    def hash(self) -> str:
        return f"0x{self.random.getrandbits(256):064x}"

    def address(self) -> str:
        return f"0x{self.random.getrandbits(160):040x}"


def book(depth: int) -> Callable[[Market], Any]:
    def make(m: Market) -> Any:
        sides = [[m.level(sign * n) for n in range(1, depth + 1)] for sign in (-1, 1)]
        return {"channel": "l2Book", "data": {"coin": "BTC", "time": m.ms, "levels": sides}}

    return make


def bbo(m: Market) -> Any:
    sides = [m.level(-1), m.level(1)]
    return {"channel": "bbo", "data": {"coin": "BTC", "time": m.ms, "bbo": sides}}


def trades(m: Market) -> Any:
    row = {
        "coin": "BTC", "side": m.random.choice("AB"), "px": f"{m.mid}.0", "sz": m.size(),
        "time": m.ms, "hash": m.hash(), "tid": m.random.getrandbits(50),
        "users": [m.address(), m.address()],
    }  # fmt: skip
    return {"channel": "trades", "data": [row]}


def context(m: Market) -> Any:
    ctx = {
        "funding": "0.0000018952", "openInterest": f"36585.{m.random.randrange(10**5):05}",
        "prevDayPx": "86627.0", "dayNtlVlm": f"4161029539.{m.random.getrandbits(32):010}",
        "premium": "-0.0006413454", "oraclePx": f"{m.mid + 50}.0", "markPx": f"{m.mid}.0",
        "midPx": f"{m.mid}.5", "impactPxs": [f"{m.mid}.0", f"{m.mid + 1}.0"],
        "dayBaseVlm": "49116.08533",
    }  # fmt: skip
    return {"channel": "activeAssetCtx", "data": {"coin": "BTC", "ctx": ctx}}


def fills(m: Market) -> Any:
    row = {
        "coin": "BTC", "px": f"{m.mid}.0", "sz": m.size(), "side": "B", "time": m.ms,
        "startPosition": "0.00093", "dir": "Open Long", "closedPnl": "0.0", "hash": m.hash(),
        "oid": m.id, "crossed": False, "fee": "0.019785", "tid": m.random.getrandbits(50),
        "cloid": f"0x{m.random.getrandbits(128):032x}", "feeToken": "USDC", "twapId": None,
    }  # fmt: skip
    return {"channel": "userFills", "data": {"user": USER, "fills": [row]}}


def orders(m: Market) -> Any:
    order = {
        "coin": "BTC", "side": "B", "limitPx": f"{m.mid}.0", "sz": "0.0002", "oid": m.id,
        "timestamp": m.ms, "origSz": "0.0002", "cloid": f"0x{m.random.getrandbits(128):032x}",
    }  # fmt: skip
    row = {"order": order, "status": "open", "statusTimestamp": m.ms}
    return {"channel": "orderUpdates", "data": [row]}


MAKERS: dict[str, Callable[[Market], Any]] = {
    BOOK: book(20),
    FAST: book(5),
    BBO: bbo,
    TRADES: trades,
    CONTEXT: context,
    FILLS: fills,
    ORDERS: orders,
}


def frames(kind: str) -> list[bytes]:
    """Return different frames of a kind, as they come off the socket."""
    market = Market()
    found: list[bytes] = []
    while sum(map(len, found)) < ROOM - 2_000:
        market.step()
        found.append(json.dumps(MAKERS[kind](market), separators=(",", ":")).encode())
    return found


def btc() -> Instrument:
    """Return the instrument that all frames are about."""
    return parse_instruments({"tokens": [], "universe": []}, {"": META})[0]


class Rows(UserHandler):
    """Hands the rows of a frame on."""

    def __init__(self, callback: Callable[[Any], object]) -> None:
        self._callback = callback

    def on_orders(self, frame: UserFrame) -> None:
        for row in frame.rows:
            self._callback(row)

    def on_fills(self, frame: UserFrame) -> None:
        for row in frame.rows:
            self._callback(row)


def decoder_to(callback: Callable[[Any], object]) -> HyperliquidDecoder:
    """Return a decoder that calls `callback` with each event and row."""
    symbols = SymbolTable()
    router = router_to(symbols.add(btc()), callback)
    return HyperliquidDecoder(symbols, router, user=Rows(callback))


def decoder_to_book(callback: Callable[[Any], object]) -> HyperliquidDecoder:
    """Return a decoder behind which a local book is kept and shown to `callback`."""
    symbols = SymbolTable()
    dispatch = Dispatch(lambda error, kind, event: None)
    books = Books(emit=ignore, on_callback_error=lambda error, kind, book: None)
    kept = SnapshotBook(books, "l2Book BTC", btc(), symbols.add(btc()), 20)
    for consumer in kept.consumers:
        dispatch.add(consumer)
    books.attach(kept, callback)
    return HyperliquidDecoder(symbols, dispatch.router)


def run(plan: Plan) -> list[Group]:
    """Time every frame kind."""
    return decoding("Hyperliquid", MAKERS, cases, frames, CLAIMS, plan)


def cases(kind: str) -> list[Case]:
    inputs = frames(kind)
    check(kind, inputs)
    decode = decoder_to(ignore).feed_bytes
    what = "rows" if kind in (FILLS, ORDERS) else "integers, exact"
    found = [Case("tickwire", loop(decode, inputs), len(inputs), note=what)]
    if kind in (BOOK, FAST):
        # Times must grow, so each turn of the loop begins with a book that knows nothing.
        kept: list[SnapshotBook] = []
        to_book = decoder_to_book(kept.append)
        to_book.feed_bytes(inputs[0])

        def batch() -> None:
            kept[0].clear()
            kept.clear()
            feed = to_book.feed_bytes
            for frame in inputs:
                feed(frame)

        note = "applied to a local book, shown"
        found.append(Case("tickwire, to a book", batch, len(inputs), note=note))
    return [*found, *others(inputs)]


def check(kind: str, inputs: list[bytes]) -> None:
    """Make sure that what is timed also happens."""
    seen: list[Any] = []
    decoder = decoder_to(seen.append)
    for frame in inputs:
        decoder.feed_bytes(frame)
    wanted = len(inputs) * (2 if kind == CONTEXT else 1)
    if len(seen) != wanted:
        raise AssertionError(f"{kind}: {len(seen)} events instead of {wanted}")
    if kind in (BOOK, FAST):
        shown: list[Any] = []
        to_book = decoder_to_book(lambda book: shown.append(book.last_seq))
        for frame in inputs:
            to_book.feed_bytes(frame)
        if len(set(shown)) != len(inputs):
            raise AssertionError(f"{kind}: a book was not shown")
