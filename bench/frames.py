"""Fixed inputs: Binance Futures frames of every kind that becomes an event.

Shapes, key order and number formats are those of the wire (tests/data/binance/market_frames.json);
values come from a seeded random walk, and each kind is a list of different frames, so that neither
the branch predictor nor a cache of keys meets the same bytes over and over. A list stays within
16 kB, because bytes fresh from a socket are in the cache too.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

__all__ = ["MAKERS", "PRICE_TICK", "SIZE_STEP", "SYMBOL", "frames", "level_changes"]

SYMBOL = "BTCUSDT"
PRICE_TICK = "0.10"
SIZE_STEP = "0.001"

_START_MS = 1_728_972_148_689
_ROOM = 16_384


class Market:
    """A seeded market that moves a little with every look at it."""

    def __init__(self) -> None:
        self.random = random.Random(20_241_015)
        self.mid_ticks = 654_321
        self.now_ms = _START_MS
        self.seq = 3_650_014_712_345

    def step(self) -> None:
        self.mid_ticks += self.random.choice((-3, -1, -1, 0, 0, 1, 1, 3))
        self.now_ms += self.random.randrange(1, 90)
        self.seq += self.random.randrange(1, 60)

    def price(self, ticks_away: int) -> str:
        ticks = self.mid_ticks + ticks_away
        return f"{ticks // 10}.{ticks % 10}0"

    def size(self) -> str:
        return f"{self.random.choice((0.001, 0.02, 0.5, 4.0)) * self.random.randrange(1, 400):.3f}"

    def index(self, decimals: int = 8) -> str:
        return f"{self.mid_ticks / 10 + self.random.random():.{decimals}f}"

    def levels(self, count: int, side: int) -> list[list[str]]:
        away, found = 1, []
        for _ in range(count):
            found.append([self.price(side * away), self.size()])
            away += self.random.choice((1, 1, 1, 2, 5))
        return found


def book_ticker(m: Market) -> dict[str, Any]:
    return {
        "e": "bookTicker", "u": m.seq, "E": m.now_ms + 3, "T": m.now_ms, "s": SYMBOL, "ps": SYMBOL,
        "b": m.price(0), "B": m.size(), "a": m.price(1), "A": m.size(), "st": 1,
    }  # fmt: skip


def agg_trade(m: Market) -> dict[str, Any]:
    return {
        "e": "aggTrade", "E": m.now_ms + 3, "s": SYMBOL, "a": m.seq, "p": m.price(0), "q": m.size(),
        "nq": m.size(), "f": m.seq * 2, "l": m.seq * 2 + 3, "T": m.now_ms,
        "m": m.random.random() < 0.5, "st": 1,
    }  # fmt: skip


def trade(m: Market) -> dict[str, Any]:
    return {
        "e": "trade", "E": m.now_ms + 3, "T": m.now_ms, "s": SYMBOL, "t": m.seq, "p": m.price(0),
        "q": m.size(), "X": "MARKET", "m": m.random.random() < 0.5,
    }  # fmt: skip


def depth(m: Market, bids: int, asks: int) -> dict[str, Any]:
    return {
        "e": "depthUpdate", "E": m.now_ms + 7, "T": m.now_ms, "s": SYMBOL, "U": m.seq + 1,
        "u": m.seq + 55, "pu": m.seq, "b": m.levels(bids, -1), "a": m.levels(asks, 1),
        "ps": SYMBOL, "st": 1,
    }  # fmt: skip


def mark_price(m: Market) -> dict[str, Any]:
    return {
        "e": "markPriceUpdate", "E": m.now_ms, "s": SYMBOL, "p": m.index(), "i": m.index(),
        "P": m.index(), "r": f"{m.random.uniform(-0.0003, 0.0003):.8f}", "ap": m.index(),
        "T": 1_728_979_200_000, "st": 1,
    }  # fmt: skip


def index_price(m: Market) -> dict[str, Any]:
    return {"e": "indexPriceUpdate", "E": m.now_ms, "i": SYMBOL, "p": m.index()}


def candle(m: Market, symbol: str | None) -> dict[str, Any]:
    opened = m.now_ms // 60_000 * 60_000
    found: dict[str, Any] = {"t": opened, "T": opened + 59_999}
    if symbol is not None:
        found["s"] = symbol
    return found | {
        "i": "1m", "f": m.seq, "L": m.seq + 542, "o": m.price(0), "c": m.price(5), "h": m.price(9),
        "l": m.price(-12), "v": m.size(), "n": 543, "x": False, "q": m.index(5), "V": m.size(),
        "Q": m.index(5), "B": "0",
    }  # fmt: skip


def kline(m: Market) -> dict[str, Any]:
    return {"e": "kline", "E": m.now_ms, "s": SYMBOL, "k": candle(m, SYMBOL)}


def continuous_kline(m: Market) -> dict[str, Any]:
    return {
        "e": "continuous_kline", "E": m.now_ms, "ps": SYMBOL, "ct": "PERPETUAL",
        "k": candle(m, None),
    }  # fmt: skip


def mark_kline(m: Market) -> dict[str, Any]:
    return {"e": "markPrice_kline", "E": m.now_ms, "ps": SYMBOL, "k": price_candle(m, SYMBOL)}


def index_kline(m: Market) -> dict[str, Any]:
    return {"e": "indexPrice_kline", "E": m.now_ms, "ps": SYMBOL, "k": price_candle(m, "0")}


def price_candle(m: Market, symbol: str) -> dict[str, Any]:
    """Return a candle of mark or index prices: eight decimals, off the grid of trades."""
    return candle(m, symbol) | {key: m.index() for key in "ochl"} | dict.fromkeys("vqVQ", "0")


def ticker(m: Market) -> dict[str, Any]:
    return {
        "e": "24hrTicker", "E": m.now_ms, "s": SYMBOL, "p": m.price(-650_000), "P": "1.482",
        "w": m.index(2), "c": m.price(0), "Q": m.size(), "o": m.price(-9_000), "h": m.price(900),
        "l": m.price(-12_000), "v": "183214.581", "q": m.index(2), "O": m.now_ms - 86_400_000,
        "C": m.now_ms, "F": m.seq, "L": m.seq + 3_912_345, "n": 3_912_346, "ps": SYMBOL, "st": 1,
    }  # fmt: skip


def mini_ticker(m: Market) -> dict[str, Any]:
    return {
        "e": "24hrMiniTicker", "E": m.now_ms, "s": SYMBOL, "c": m.price(0), "o": m.price(-9_000),
        "h": m.price(900), "l": m.price(-12_000), "v": "183214.581", "q": m.index(2), "ps": SYMBOL,
        "st": 1,
    }  # fmt: skip


def force_order(m: Market) -> dict[str, Any]:
    size = m.size()
    return {
        "e": "forceOrder", "E": m.now_ms + 2,
        "o": {
            "s": SYMBOL, "S": m.random.choice(("SELL", "BUY")), "o": "LIMIT", "f": "IOC", "q": size,
            "p": m.price(-40), "ap": m.price(-22), "X": "FILLED", "l": size, "z": size,
            "T": m.now_ms,
        },
        "ps": SYMBOL, "st": 1,
    }  # fmt: skip


def combined(m: Market) -> dict[str, Any]:
    return {"stream": "btcusdt@bookTicker", "data": book_ticker(m)}


def mark_price_array(m: Market) -> list[dict[str, Any]]:
    return [mark_price(m) for _ in range(10)]


MAKERS: dict[str, Callable[[Market], Any]] = {
    "bookTicker": book_ticker,
    "bookTicker, combined stream": combined,
    "aggTrade": agg_trade,
    "trade": trade,
    "depthUpdate, 5+5 levels": lambda m: depth(m, 5, 5),
    "depthUpdate, 20+20 levels": lambda m: depth(m, 20, 20),
    "markPriceUpdate": mark_price,
    "markPriceUpdate, array of 10": mark_price_array,
    "indexPriceUpdate": index_price,
    "kline": kline,
    "continuous_kline": continuous_kline,
    "markPrice_kline": mark_kline,
    "indexPrice_kline": index_kline,
    "24hrTicker": ticker,
    "24hrMiniTicker": mini_ticker,
    "forceOrder": force_order,
}


def frames(kind: str) -> list[bytes]:
    """Return different frames of one kind, the same ones in every run."""
    market, size = Market(), 0
    found: list[bytes] = []
    while (len(found) < 64 and size < _ROOM) or len(found) < 2:
        market.step()
        text = json.dumps(MAKERS[kind](market), separators=(",", ":"))
        found.append(text.encode())
        size += len(text)
    return found


Levels = list[tuple[int, int]]


def level_changes(
    updates: int, each: int = 20
) -> tuple[tuple[Levels, Levels], list[tuple[Levels, Levels]]]:
    """Return a starting book (bids, asks) of 500+500 levels, and changes of `each` levels a side.

    Levels are (price in ticks, size in lots), a size of 0 removing. Changes fall mostly near the
    top, and most on levels that exist; the price walks, and what it walked over is removed, so the
    book never crosses.
    """
    rng = random.Random(7)
    mid = 654_321
    start = (
        [(mid - 1 - i, rng.randrange(1, 5_000)) for i in range(500)],
        [(mid + 1 + i, rng.randrange(1, 5_000)) for i in range(500)],
    )
    books = [dict(start[0]), dict(start[1])]
    changes = []
    for _ in range(updates):
        mid += rng.choice((-1, 0, 0, 1))
        sides: list[Levels] = []
        for sign, book in zip((-1, 1), books, strict=True):
            # What the price has walked over is gone.
            change: dict[int, int] = {mid: 0} if mid in book else {}
            while len(change) < each:
                away = min(400, 1 + int(rng.expovariate(1 / 25)))
                price = mid + sign * away
                gone = rng.random() < 0.2 and price in book
                change.setdefault(price, 0 if gone else rng.randrange(1, 5_000))
            for price, size in change.items():
                if size:
                    book[price] = size
                else:
                    book.pop(price, None)
            sides.append(sorted(change.items(), key=lambda level: level[0] * sign))
        changes.append((sides[0], sides[1]))
    return start, changes
