"""How long does an update take to change an order book?"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import orjson
from sortedcontainers import SortedDict

from bench import frames
from bench.measure import Case, Claim, Group, Plan, time_cases
from bench.ours import ignore, instrument
from connectors._speedups.binance import BinanceDecoder
from connectors._speedups.book import BookSide, OrderBook
from connectors._speedups.events import BookUpdate, EventKind, Router
from connectors._speedups.symbols import SymbolTable

__all__ = ["run"]

UPDATES = 200
START, CHANGES = frames.level_changes(UPDATES)


def run(plan: Plan) -> list[Group]:
    size = f"20+20 levels into a book of 500+500, {UPDATES} different updates; per update"
    return [
        time_cases(
            "book update",
            [ours(), sorted_dicts(), plain_dicts()],
            plan,
            claims=[Claim("sortedcontainers", at_least=20.0)],
            note=f"{size}, decoded already, best bid and ask read afterwards",
        ),
        time_cases(
            "depth frame -> book",
            [
                frame_to_ours(),
                frame_to_sorted("msgspec floats + sortedcontainers", typed_levels()),
                frame_to_sorted("orjson floats + sortedcontainers", orjson_levels),
            ],
            plan,
            note=f"{size}, from the bytes of the frame to a Python callback",
        ),
    ]


def ours() -> Case:
    grid = instrument()
    book = OrderBook(grid)
    start = BookUpdate(grid, *START, is_snapshot=True)
    updates = [BookUpdate(grid, bids, asks) for bids, asks in CHANGES]

    def prepare() -> None:
        book.apply(start)

    def batch() -> None:
        apply = book.apply
        for update in updates:
            apply(update)
            _ = book.best_bid_ticks, book.best_ask_ticks

    prepare()
    batch()
    _check(book.levels(BookSide.BID), book.levels(BookSide.ASK))
    return Case("tickwire OrderBook", batch, UPDATES, prepare)


def _apply(book: Any, levels: Any) -> None:
    """Apply changes to a mapping of price to size: what every such book does."""
    for price, size in levels:
        if size:
            book[price] = size
        else:
            book.pop(price, None)


def sorted_dicts() -> Case:
    bids, asks = SortedDict(), SortedDict()

    def prepare() -> None:
        for book, levels in ((bids, START[0]), (asks, START[1])):
            book.clear()
            book.update(levels)

    def batch() -> None:
        for bid_changes, ask_changes in CHANGES:
            _apply(bids, bid_changes)
            _apply(asks, ask_changes)
            _ = bids.peekitem(-1), asks.peekitem(0)

    prepare()
    batch()
    _check(list(reversed(bids.items())), list(asks.items()))
    return Case("sortedcontainers", batch, UPDATES, prepare, "two SortedDicts of int prices")


def plain_dicts() -> Case:
    bids: dict[int, int] = {}
    asks: dict[int, int] = {}

    def prepare() -> None:
        for book, levels in ((bids, START[0]), (asks, START[1])):
            book.clear()
            book.update(levels)

    def batch() -> None:
        for bid_changes, ask_changes in CHANGES:
            _apply(bids, bid_changes)
            _apply(asks, ask_changes)
            _ = max(bids), min(asks)

    return Case("dict", batch, UPDATES, prepare, "max() and min() for the best")


def _check(bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> None:
    """Hold a book after all changes against a plain one."""
    books = [dict(START[0]), dict(START[1])]
    for changes in CHANGES:
        for book, levels in zip(books, changes, strict=True):
            _apply(book, levels)
    if bids != sorted(books[0].items(), reverse=True) or asks != sorted(books[1].items()):
        raise AssertionError("the book is not what the changes make of it")


# ---- from the frame ------------------------------------------------------------------------------


def depth_frames() -> list[bytes]:
    """Return the changes as the venue would send them."""

    def texts(levels: frames.Levels) -> list[list[str]]:
        return [[f"{p // 10}.{p % 10}0", f"{s // 1000}.{s % 1000:03d}"] for p, s in levels]

    found = []
    for i, (bids, asks) in enumerate(CHANGES):
        frame = {
            "e": "depthUpdate", "E": 1_728_972_148_700 + i, "T": 1_728_972_148_689 + i,
            "s": frames.SYMBOL, "U": i * 10 + 1, "u": i * 10 + 10, "pu": i * 10,
            "b": texts(bids), "a": texts(asks),
        }  # fmt: skip
        found.append(json.dumps(frame, separators=(",", ":")).encode())
    return found


def frame_to_ours() -> Case:
    grid = instrument()
    symbols, router = SymbolTable(), Router()
    number = symbols.add(grid)
    book = OrderBook(grid, on_change=ignore)
    router.route(EventKind.BOOK_DELTA, number, book)
    decode = BinanceDecoder(symbols, router).feed_bytes
    start = BookUpdate(grid, *START, is_snapshot=True)
    inputs = depth_frames()

    def prepare() -> None:
        book.clear()
        book.apply(start)

    def batch() -> None:
        for frame in inputs:
            decode(frame)

    prepare()
    batch()
    _check(book.levels(BookSide.BID), book.levels(BookSide.ASK))
    return Case("tickwire", batch, UPDATES, prepare, "integers, exact")


def frame_to_sorted(name: str, levels: Callable[[bytes], tuple[Any, Any]]) -> Case:
    bids, asks = SortedDict(), SortedDict()
    start = [[(p / 10, s / 1000) for p, s in side] for side in START]
    inputs = depth_frames()
    callback = ignore

    def prepare() -> None:
        for book, side in ((bids, start[0]), (asks, start[1])):
            book.clear()
            book.update(side)

    def batch() -> None:
        for frame in inputs:
            bid_changes, ask_changes = levels(frame)
            _apply(bids, bid_changes)
            _apply(asks, ask_changes)
            callback((bids, asks))

    return Case(name, batch, UPDATES, prepare)


class Depth(msgspec.Struct, gc=False):
    s: str
    T: int
    U: int
    u: int
    pu: int
    b: list[tuple[float, float]]
    a: list[tuple[float, float]]


def typed_levels() -> Callable[[bytes], tuple[Any, Any]]:
    decode = msgspec.json.Decoder(Depth, strict=False).decode

    def levels(frame: bytes) -> tuple[Any, Any]:
        event = decode(frame)
        return event.b, event.a

    return levels


def orjson_levels(frame: bytes) -> tuple[Any, Any]:
    event = orjson.loads(frame)
    return (
        [(float(price), float(size)) for price, size in event["b"]],
        [(float(price), float(size)) for price, size in event["a"]],
    )
