"""Our side of the comparison, without the libraries it is compared with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bench import frames
from connectors._speedups.binance import BinanceDecoder
from connectors._speedups.events import EventHandler, EventKind, InstrumentBase, Router
from connectors._speedups.symbols import SymbolTable
from connectors._speedups.ticks import TickScale

__all__ = ["decoder_to", "ignore", "instrument"]


def ignore(event: object) -> None:
    """The callback of every alternative: a Python function that does nothing."""


def instrument() -> InstrumentBase:
    """Return the contract that all frames are about."""
    return InstrumentBase(
        "BTCUSDT-PERP",
        frames.SYMBOL,
        "BINANCE",
        TickScale(frames.PRICE_TICK),
        TickScale(frames.SIZE_STEP),
    )


def decoder_to(callback: Callable[[Any], object] | None) -> BinanceDecoder:
    """Return a decoder that calls `callback` with each event; None: a native handler, no events."""
    symbols = SymbolTable()
    number = symbols.add(instrument())
    # A continuous kline names pair and contract type instead of a symbol.
    series = symbols.add(instrument(), alias=f"{frames.SYMBOL}_PERPETUAL")
    if callback is None:
        return BinanceDecoder(symbols, EventHandler())
    router = Router()
    for kind in EventKind:
        if kind is not EventKind.KIND_COUNT:
            router.route(kind, number, callback)
            router.route(kind, series, callback)
    return BinanceDecoder(symbols, router)
