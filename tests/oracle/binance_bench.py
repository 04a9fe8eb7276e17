"""Binance frames made to order, and a decoder whose every word is kept."""

from __future__ import annotations

import json
from typing import Any

from connectors._speedups.binance import BinanceDecoder
from connectors._speedups.errors import DecodeError
from connectors._speedups.events import EventKind, InstrumentBase, Router
from connectors._speedups.symbols import SymbolTable
from connectors._speedups.ticks import TickScale

KINDS = [kind for kind in EventKind if kind != EventKind.KIND_COUNT]
MS = 1_000_000


def instrument(symbol: str, tick: str = "0.01", lot: str = "0.001") -> InstrumentBase:
    return InstrumentBase(f"{symbol}-PERP", symbol, "BINANCE", TickScale(tick), TickScale(lot))


class Bench:
    """A decoder whose every word is kept."""

    def __init__(self, *symbols: str, **options: Any) -> None:
        self.events: list[Any] = []
        self.control: list[bytes] = []
        self.venue: list[tuple[str, bytes, str | None]] = []
        self.problems: list[tuple[DecodeError, bytes]] = []
        self.refreshes: list[InstrumentBase] = []
        self.handler_errors: list[BaseException] = []
        self.symbols = SymbolTable()
        for symbol in symbols or ("BTCUSDT", "ETHUSDT"):
            self.symbols.add(instrument(symbol))
        self.router = Router(lambda error, kind, event: self.handler_errors.append(error))
        for kind in KINDS:
            self.router.route(kind, -1, self.events.append)
        callbacks: dict[str, Any] = {
            "on_control": self.control.append,
            "on_venue_event": lambda *what: self.venue.append(what),
            "on_problem": lambda *what: self.problems.append(what),
            "on_off_scale": self.refreshes.append,
        }
        self.decoder = BinanceDecoder(self.symbols, self.router, **callbacks | options)

    def feed(self, data: bytes | dict[str, Any] | list[Any], ts_init: int = 0) -> Any:
        """Decode one message and return its last event."""
        if not isinstance(data, bytes):
            data = json.dumps(data, separators=(",", ":")).encode()
        before = len(self.events)
        self.decoder.feed(data, ts_init)
        return self.events[-1] if len(self.events) > before else None


def quote(
    **fields: Any,
) -> dict[
    str,
    Any,
]:
    return {"e": "bookTicker", "u": 1, "s": "BTCUSDT", "b": "1.00", "B": "0.001", "a": "2.00",
            "A": "0.002", "T": 1, "E": 1} | fields  # fmt: skip


def agg_trade(
    **fields: Any,
) -> dict[
    str,
    Any,
]:
    return {"e": "aggTrade", "E": 1, "s": "BTCUSDT", "a": 7, "p": "1.00", "q": "0.001", "f": 5,
            "l": 6, "T": 2, "m": False} | fields  # fmt: skip


def trade(
    **fields: Any,
) -> dict[
    str,
    Any,
]:
    return {"e": "trade", "E": 1, "T": 2, "s": "BTCUSDT", "t": 9, "p": "1.00", "q": "0.001",
            "X": "MARKET", "m": False} | fields  # fmt: skip


def depth(**fields: Any) -> dict[str, Any]:
    return {"e": "depthUpdate", "E": 1, "T": 2, "s": "BTCUSDT", "U": 3, "u": 4, "pu": 2,
            "b": [["1.00", "0.001"]], "a": [
                ["2.00", "0"],
            ]} | fields  # fmt: skip


def mark(
    **fields: Any,
) -> dict[
    str,
    Any,
]:
    return {"e": "markPriceUpdate", "E": 1, "s": "BTCUSDT", "p": "1.5", "i": "1.25", "P": "1.75",
            "r": "0.0001", "T": 8} | fields  # fmt: skip


def kline(
    name: str = "kline", body: dict[str, Any] | None = None, **fields: Any
) -> dict[
    str,
    Any,
]:
    inside = {"t": 60_000, "T": 119_999, "s": "BTCUSDT", "i": "1m", "f": 1, "L": 2, "o": "1.00",
              "c": "2.00", "h": "3.00", "l": "0.50", "v": "1.000", "n": 4, "x": True, "q": "1.2345",
              "V": "0.500", "Q": "0.6", "B": "0"} | (body or {})  # fmt: skip
    return {"e": name, "E": 120_000, "s": "BTCUSDT", "k": inside} | fields


def mini_ticker(
    **fields: Any,
) -> dict[
    str,
    Any,
]:
    return {"e": "24hrMiniTicker", "E": 1, "s": "BTCUSDT", "c": "2", "o": "1", "h": "3", "l": "0.5",
            "v": "10000", "q": "18"} | fields  # fmt: skip


def ticker(
    **fields: Any,
) -> dict[
    str,
    Any,
]:
    long = {"e": "24hrTicker", "p": "1", "P": "100.00", "w": "1.7", "Q": "10", "O": 0,
            "C": 86_400_000, "F": 0, "L": 18150, "n": 18151}  # fmt: skip
    return mini_ticker() | long | fields


def force_order(
    body: dict[str, Any] | None = None, **fields: Any
) -> dict[
    str,
    Any,
]:
    inside = {"s": "BTCUSDT", "S": "SELL", "o": "LIMIT", "f": "IOC", "q": "0.014", "p": "9910",
              "ap": "9910.12345678", "X": "FILLED", "l": "0.013", "z": "0.012", "T": 5}  # fmt: skip
    return {"e": "forceOrder", "E": 9, "o": inside | (body or {})} | fields
