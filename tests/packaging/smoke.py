"""Tries an installed tickwire; run by the packaging tests with other interpreters.

It stands for what a user does first: decode a frame, scale a price, guard against repeats.
"""

from __future__ import annotations

import sys
from pathlib import Path

import connectors
from connectors._speedups.binance import BinanceDecoder
from connectors._speedups.events import Router
from connectors._speedups.symbols import SymbolTable
from connectors.model import EventKind, Instrument, InstrumentKind

FRAME = (
    b'{"e":"bookTicker","u":400900217,"E":1568014460893,"T":1568014460891,"s":"BTCUSDT",'
    b'"b":"25351.20","B":"31.210","a":"25351.30","A":"40.660"}'
)


def main() -> None:
    assert Path(connectors.__file__).is_relative_to(sys.prefix), connectors.__file__
    instrument = Instrument(
        id="BTCUSDT-PERP",
        symbol="BTCUSDT",
        venue="BINANCE",
        kind=InstrumentKind.PERPETUAL,
        base="BTC",
        quote="USDT",
        tick_size="0.1",
        lot_size="0.001",
    )
    symbols = SymbolTable()
    number = symbols.add(instrument)
    quotes = []
    router = Router()
    router.route(EventKind.QUOTE, number, quotes.append)
    BinanceDecoder(symbols, router).feed(FRAME)
    (quote,) = quotes
    assert (quote.bid_ticks, quote.bid_lots) == (253512, 31210), quote
    assert str(quote.ask) == "25351.3", quote
    assert quote.instrument is instrument

    scale = connectors.TickScale("0.01")
    assert scale.to_ticks("12.34") == 1234
    assert scale.format(1234) == "12.34"
    try:
        scale.to_ticks("12.345")
    except connectors.PrecisionError:
        pass
    else:
        raise AssertionError("12.345 is not a multiple of 0.01")

    seen = connectors.BoundedDedup(2)
    assert [seen.insert(key) for key in (1, "1", 1, 2, 1)] == [False, False, True, False, False]
    print(f"ok {connectors.__version__}")


main()
