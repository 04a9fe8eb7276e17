"""A user's own Cython code works against the installed wheel, without our sources."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.slow

BOT = """
from libc.stdint cimport int64_t

from connectors._speedups.events cimport EventHandler, InstrumentBase, QuoteData
from connectors._speedups.feed cimport Decoder


cdef class SpreadWatcher(EventHandler):
    cdef public int64_t quotes, widest

    cdef int on_quote(self, InstrumentBase instrument, const QuoteData *quote) except -1:
        self.quotes += 1
        self.widest = max(self.widest, quote.ask - quote.bid)
        return 0


def is_decoder(value) -> bool:
    return isinstance(value, Decoder)
"""

SETUP = """
from Cython.Build import cythonize
from setuptools import setup

setup(name="bot", ext_modules=cythonize("bot.pyx", language_level=3))
"""

USE = """
from connectors._speedups.binance import BinanceDecoder
from connectors._speedups.symbols import SymbolTable
from connectors.model import Instrument, InstrumentKind
import bot

symbols = SymbolTable()
symbols.add(Instrument(id="BTCUSDT-PERP", symbol="BTCUSDT", venue="BINANCE",
                       kind=InstrumentKind.PERPETUAL, base="BTC", quote="USDT",
                       tick_size="0.1", lot_size="0.001"))
watcher = bot.SpreadWatcher()
decoder = BinanceDecoder(symbols, watcher)
frame = (b'{"e":"bookTicker","u":1,"s":"BTCUSDT","b":"%s","B":"1","a":"100.5","A":"1",'
         b'"T":1,"E":1}')
for bid in (b"100.1", b"99.9", b"100.4"):
    decoder.feed(frame % bid)
assert bot.is_decoder(decoder)
print(watcher.quotes, watcher.widest)
"""


def test_a_user_overrides_a_handler_in_cython(installed, tmp_path):
    (tmp_path / "bot.pyx").write_text(BOT)
    (tmp_path / "setup.py").write_text(SETUP)
    installed.run("setup.py", "-q", "build_ext", "--inplace", cwd=tmp_path, timeout_s=300)
    assert installed.run("-c", USE, cwd=tmp_path) == "3 6\n"
