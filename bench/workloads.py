"""The hot functions as Callgrind runs them: started by callgrind.py inside valgrind.

All run in one process, because starting Python under valgrind takes longer than they do. A function
of libc that nothing else calls here marks where a stretch begins and ends: `getloadavg`, at which
valgrind writes out its counters and clears them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from itertools import islice
from pathlib import Path

if __name__ == "__main__":
    # The dedup seeds its hashes at import; a fixed seed makes its chains, and so the counts, equal
    # in every run.
    os.urandom = lambda n: bytes(range(1, n + 1))
    sys.path.append(str(Path(__file__).resolve().parent.parent))

from bench import dydx, frames, hyperliquid_sign, ibkr, lighter
from bench import hyperliquid as hyperliquid_frames
from bench.ours import decoder_to, instrument
from connectors import hyperliquid
from connectors._speedups.book import OrderBook
from connectors._speedups.dedup import BoundedDedup
from connectors._speedups.events import BookUpdate
from connectors._speedups.lighter import AccountHandler
from connectors._speedups.ticks import TickScale

__all__ = ["ROUNDS", "WORKLOADS", "main"]

Calls = Callable[[int], object]  # does so many operations

# The difference of the two is what counts: it holds nothing of what surrounds the calls.
ROUNDS = (200, 1_200)


def _fed(feed: Callable[[bytes], object], inputs: list[bytes]) -> Calls:
    def calls(n: int) -> None:
        for i in range(n):
            feed(inputs[i % len(inputs)])

    return calls


def _decode(kind: str) -> Calls:
    inputs = frames.frames(kind)
    # A built-in as callback: what Python does with the event is no business of a budget.
    return _fed(decoder_to(id).feed_bytes, inputs)


def _lighter_book() -> Calls:
    inputs = lighter.frames(lighter.BOOK)
    return _fed(lighter.decoder_to(id, AccountHandler()).feed_bytes, inputs)


def _dydx(kind: str) -> Calls:
    # Ids must follow each other: behind the last frame the connection begins anew.
    inputs = dydx.frames(kind)
    return _fed(dydx.decoder_to(id).feed_bytes, [dydx.connected(), *inputs])


def _ibkr(kind: str) -> Calls:
    return _fed(ibkr.decoder_to(id).feed_bytes, ibkr.frames(kind))


def _hyperliquid(kind: str) -> Calls:
    inputs = hyperliquid_frames.frames(kind)
    return _fed(hyperliquid_frames.decoder_to(id).feed_bytes, inputs)


def _lighter_fills() -> Calls:
    """Frames of five fills, all of them new, down to the events."""
    inputs = lighter.frames(lighter.FILLS)
    applied = lighter.Applied(id)
    feed = lighter.decoder_to(id, applied.handler).feed_bytes

    def calls(n: int) -> None:
        for i in range(n):
            if i % len(inputs) == 0:
                applied.again()
            feed(inputs[i % len(inputs)])

    return calls


def _ticks_one() -> Calls:
    to_ticks = TickScale("0.10").to_ticks
    texts = _texts(1_200)

    def calls(n: int) -> None:
        for text in texts[:n]:
            to_ticks(text)

    return calls


def _ticks_list() -> Calls:
    scale, texts = TickScale("0.10"), _texts(1_200)
    return lambda n: scale.to_ticks_array(texts[:n])


def _texts(n: int) -> list[str]:
    return [f"{60_000 + i * 7 % 9_000}.{i % 10}0" for i in range(n)]


def _dedup(key: Callable[[int], object]) -> Calls:
    """Inserts into a full table, each key new, and every fourth again."""
    table = BoundedDedup(1_000)
    for i in range(2_000):
        table.insert(key(i))
    keys = iter([key(2_000 + i - (i % 4 == 3)) for i in range(ROUNDS[0] + sum(ROUNDS))])

    def calls(n: int) -> None:
        insert = table.insert
        for each in islice(keys, n):
            insert(each)

    return calls


def _text_key(i: int) -> str:
    """Return a text like an order id, a new object each time."""
    return f"x-{i:08d}-4f1c-9b2e"


def _book() -> Calls:
    start, changes = frames.level_changes(ROUNDS[0] + sum(ROUNDS))
    grid = instrument()
    book = OrderBook(grid)
    book.apply(BookUpdate(grid, *start, is_snapshot=True))
    updates = iter([BookUpdate(grid, bids, asks) for bids, asks in changes])

    def calls(n: int) -> None:
        apply = book.apply
        for update in islice(updates, n):
            apply(update)

    return calls


def _hyperliquid_hash() -> Calls:
    def calls(n: int) -> None:
        for _ in range(n):
            hyperliquid.action_hash(hyperliquid_sign.ONE, hyperliquid_sign.NONCE)

    return calls


def _hyperliquid_pool() -> Calls:
    """Sign with nonces made ahead; making them is libsecp256k1's work and does not count."""
    total = ROUNDS[0] + sum(ROUNDS)
    signer = hyperliquid.Signer(hyperliquid_sign.KEY, pool_capacity=total)
    signer.precompute(total)

    def calls(n: int) -> None:
        for _ in range(n):
            signer.sign_l1_action(hyperliquid_sign.ONE, hyperliquid_sign.NONCE)

    return calls


WORKLOADS: dict[str, Callable[[], Calls]] = {
    "decode bookTicker": lambda: _decode("bookTicker"),
    "decode aggTrade": lambda: _decode("aggTrade"),
    "decode depth 20+20": lambda: _decode("depthUpdate, 20+20 levels"),
    "decode markPrice": lambda: _decode("markPriceUpdate"),
    "lighter, book 6+6": _lighter_book,
    "lighter, five fills": _lighter_fills,
    "hyperliquid, decode a book": lambda: _hyperliquid(hyperliquid_frames.BOOK),
    "hyperliquid, decode a trade": lambda: _hyperliquid(hyperliquid_frames.TRADES),
    "dydx, decode a batch": lambda: _dydx(dydx.BATCH),
    "dydx, decode a trade": lambda: _dydx(dydx.TRADES),
    "ibkr, merge both sides": lambda: _ibkr(ibkr.QUOTE),
    "ibkr, merge a last price": lambda: _ibkr(ibkr.LAST),
    "ticks, one text": _ticks_one,
    "ticks, list": _ticks_list,
    "dedup, int": lambda: _dedup(lambda i: 5_511_234_567 + i),
    "dedup, str": lambda: _dedup(_text_key),
    "book update 20+20": _book,
    "hyperliquid, hash an order": _hyperliquid_hash,
    "hyperliquid, sign from the pool": _hyperliquid_pool,
}


def main() -> None:
    """Run each workload: once to warm up, then a stretch for each round count."""
    ready = {name: make() for name, make in WORKLOADS.items()}
    mark = os.getloadavg
    for calls in ready.values():
        calls(ROUNDS[0])
        for rounds in ROUNDS:
            mark()
            calls(rounds)
            mark()


if __name__ == "__main__":
    main()
