"""Handlers and decoders written in Cython, compiled against the installed .pxd files.

Every method of `EventHandler` is overridden, so a change of a struct or of the order of methods
that forgets the declarations shows here.
"""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.slow

NATIVE = """
from libc.stdint cimport int64_t, uint8_t

from connectors._speedups.events cimport (
    BarData, BookData, EventHandler, Fixed, IndexPriceData, InstrumentBase, LiquidationData,
    MarkPriceData, QuoteData, TickerData, TradeData,
)
from connectors._speedups.feed cimport Decoder
from connectors._speedups.ticks cimport TickScale


cdef tuple fixed(Fixed x):
    return x.mantissa, x.exponent


cdef class Recorder(EventHandler):
    cdef public list seen
    cdef public object during

    def __init__(self, during=None):
        self.seen = []
        self.during = during

    cdef int note(self, InstrumentBase instrument, str what, tuple values) except -1:
        if self.during is not None:
            self.during(what)
        # After the call: the instrument must still be there, whatever it did to the table.
        self.seen.append((what, instrument.id, *values))
        return 0

    cdef int on_quote(self, InstrumentBase instrument, const QuoteData *d) except -1:
        return self.note(instrument, "quote", (d.symbol, d.flags, d.bid, d.bid_size, d.ask,
                                               d.ask_size, d.seq, d.ts_event, d.ts_init))

    cdef int on_trade(self, InstrumentBase instrument, const TradeData *d) except -1:
        return self.note(instrument, "trade", (d.symbol, d.flags, d.price, d.size, d.trade_id,
                                               d.first_id, d.last_id, d.aggressor, d.ts_event))

    cdef int on_book(self, InstrumentBase instrument, const BookData *d, bint snapshot) except -1:
        cdef Py_ssize_t i
        bids = [(d.bid_prices[i], d.bid_sizes[i]) for i in range(d.n_bids)]
        asks = [(d.ask_prices[i], d.ask_sizes[i]) for i in range(d.n_asks)]
        return self.note(instrument, "book", (d.symbol, d.flags, snapshot, bids, asks, d.first_seq,
                                              d.last_seq, d.prev_seq, d.ts_event))

    cdef int on_bar(self, InstrumentBase instrument, const BarData *d) except -1:
        return self.note(instrument, "bar", (d.symbol, d.flags, d.interval_s, d.ts_open, d.open,
                                             d.high, d.low, d.close, d.volume, d.taker_buy_volume,
                                             fixed(d.quote_volume), fixed(d.taker_buy_quote_volume),
                                             d.trade_count, d.ts_event))

    cdef int on_mark_price(self, InstrumentBase instrument, const MarkPriceData *d) except -1:
        return self.note(instrument, "mark", (d.symbol, fixed(d.mark), fixed(d.index),
                                              fixed(d.settle), fixed(d.funding_rate),
                                              d.ts_next_funding, d.ts_event))

    cdef int on_index_price(self, InstrumentBase instrument, const IndexPriceData *d) except -1:
        return self.note(instrument, "index", (d.symbol, fixed(d.index), d.ts_event))

    cdef int on_liquidation(self, InstrumentBase instrument, const LiquidationData *d) except -1:
        return self.note(instrument, "liquidation", (d.symbol, d.side, d.price, d.size, d.last_size,
                                                     d.filled_size, fixed(d.average_price),
                                                     d.ts_event))

    cdef int on_ticker(self, InstrumentBase instrument, const TickerData *d) except -1:
        return self.note(instrument, "ticker", (d.symbol, d.flags, fixed(d.last), fixed(d.volume),
                                                fixed(d.change), d.ts_open, d.ts_close, d.first_id,
                                                d.last_id, d.trade_count, d.ts_event))


cdef class Sum(Decoder):
    cdef public int64_t total, messages, last_ts

    cdef int decode(self, const uint8_t *p, Py_ssize_t n, int64_t ts_init) except -1:
        cdef Py_ssize_t i
        self.messages += 1
        self.last_ts = ts_init
        for i in range(n):
            self.total += p[i]
        if n == 3 and p[0] == c"b":
            raise ValueError("bad")
        return 0


def parse(TickScale scale, bytes text):
    cdef int64_t ticks = -1
    cdef int code = scale.parse(<const uint8_t *><const char *>text, len(text), &ticks)
    return code, ticks
"""

SETUP = """
from Cython.Build import cythonize
from setuptools import setup

setup(name="native", ext_modules=cythonize("native.pyx", language_level=3))
"""

# Run with the package that is installed: plain assertions, the first that fails ends it.
USE = """
import json
from connectors._speedups.binance import BinanceDecoder
from connectors._speedups.events import EventKind, InstrumentBase, Router
from connectors._speedups.feed import FeedListener
from connectors._speedups.symbols import SymbolTable
from connectors._speedups.ticks import TickScale
from picows import WSMsgType
from picows.picows import _make_test_ws_frame
import native

MS = 1_000_000


def table():
    symbols = SymbolTable()
    symbols.add(InstrumentBase("B-PERP", "B", "V", TickScale("0.01"), TickScale("0.001")))
    return symbols


def send(decoder, **frame):
    decoder.feed(json.dumps(frame).encode(), 77)


quote = dict(e="bookTicker", u=1, s="B", b="1.5", B="2", a="1.6", A="3", T=4, E=5)
depth = dict(e="depthUpdate", E=1, T=2, s="B", U=3, u=4, pu=2, b=[["1", "2"]],
             a=[["3", "0"], ["4", "1"]])
frames = [
    quote,
    dict(e="aggTrade", E=1, s="B", a=7, p="1", q="0.001", f=5, l=6, T=2, m=True),
    dict(e="trade", E=1, s="B", t=7, p="1", q="0.001", X="ADL", T=2, m=False),
    depth,
    dict(e="kline", E=9, s="B", k=dict(t=1, T=2, s="B", i="1m", o="1", c="2", h="3", l="0.5", v="1",
                                      n=4, x=True, q="1.25", V="0.5", Q="0.75")),
    dict(e="markPriceUpdate", E=1, s="B", p="1.50", i="1.25", P="", r="-0.0001", T=8),
    dict(e="indexPriceUpdate", E=1, i="B", p="1.250"),
    dict(e="forceOrder", E=9, o=dict(s="B", S="SELL", q="3", p="1", ap="1.125", l="1", z="2", T=5)),
    dict(e="24hrMiniTicker", E=1, s="B", c="2.0", o="1", h="3", l="0.5", v="10", q="18"),
]
expected = [
    ("quote", "B-PERP", 0, 0, 150, 2000, 160, 3000, 1, 4 * MS, 77),
    ("trade", "B-PERP", 0, 4, 100, 1, 7, 5, 6, 2, 2 * MS),
    ("trade", "B-PERP", 0, 2, 100, 1, 7, -1, -1, 1, 2 * MS),
    ("book", "B-PERP", 0, 0, False, [(100, 2000)], [(300, 0), (400, 1000)], 3, 4, 2, 2 * MS),
    ("bar", "B-PERP", 0, 8, 60, MS, 100, 300, 50, 200, 1000, 500, (125, 2), (75, 2), 4, 2 * MS),
    ("mark", "B-PERP", 0, (150, 2), (125, 2), (0, -1), (-1, 4), 8 * MS, MS),
    ("index", "B-PERP", 0, (1250, 3), MS),
    ("liquidation", "B-PERP", 0, 2, 100, 3000, 1000, 2000, (1125, 3), 5 * MS),
    ("ticker", "B-PERP", 0, 64, (20, 1), (10, 0), (0, -1), 0, 0, -1, -1, -1, MS),
]

# Each method is called with its struct.
recorder = native.Recorder()
decoder = BinanceDecoder(table(), recorder)
for frame, want in zip(frames, expected, strict=True):
    send(decoder, **frame)
    assert recorder.seen.pop() == want, (frame, want)
assert decoder.events == len(frames)

# What it raises comes out of feed, and the next frame is decoded.
def fail(what):
    raise RuntimeError(what)

recorder.during = fail
for frame in frames:
    try:
        send(decoder, **frame)
    except RuntimeError:
        continue
    raise AssertionError(frame)
recorder.during = None
send(decoder, **quote)
assert len(recorder.seen) == 1

# It may replace the instrument it was given, and grow the table, in the middle of the call.
symbols = table()
def replace(what):
    for i in range(200):
        symbols.add(InstrumentBase(f"N{i}", f"N{i}", "V", TickScale("1"), TickScale("1")))
    symbols.add(InstrumentBase("B-NEW", "B", "V", TickScale("0.001"), TickScale("0.001")))

recorder = native.Recorder(replace)
decoder = BinanceDecoder(symbols, recorder)
decoder.feed(json.dumps([quote, depth, quote]).encode())
assert [seen[1] for seen in recorder.seen] == ["B-PERP", "B-NEW", "B-NEW"], recorder.seen
assert [seen[4] for seen in (recorder.seen[0], recorder.seen[2])] == [150, 1500]

# Routed to one symbol's books it is handed the levels; no event is made for it.
router, books = Router(), native.Recorder()
router.route(EventKind.BOOK_DELTA, 0, books)
router.route(EventKind.BOOK_SNAPSHOT, 0, books)
decoder = BinanceDecoder(table(), router)
send(decoder, **depth)
send(decoder, stream="b@depth5", data=depth)
kinds = [(seen[0], seen[3], seen[4]) for seen in books.seen]
assert kinds == [("book", 0, False), ("book", 16, True)], kinds
assert router.delivered == 0

# A native decoder behind the listener.
class Owner:
    problems = []
    def on_feed_problem(self, error, data):
        self.problems.append((error, data))

summing = native.Sum()
listener = FeedListener(summing, Owner(), clock_ns=lambda: 123)
for payload in (b"abc", b"bad", b""):
    listener.on_ws_frame(None, _make_test_ws_frame(WSMsgType.TEXT, payload, True, False))
assert (summing.messages, summing.total, summing.last_ts) == (3, sum(b"abcbad"), 123)
((error, data),) = Owner.problems
assert isinstance(error, ValueError) and data == b"bad"

# Text to ticks from C, with nothing readable in front of it.
assert native.parse(TickScale("0.25"), b"1.75") == (0, 7)
assert native.parse(TickScale("0.25"), b"1.80")[0] != 0
assert native.parse(TickScale("0.25"), b"")[0] != 0
print("ok")
"""


def test_every_handler_and_a_decoder_in_cython(installed, tmp_path):
    (tmp_path / "native.pyx").write_text(NATIVE)
    (tmp_path / "setup.py").write_text(SETUP)
    installed.run("setup.py", "-q", "build_ext", "--inplace", cwd=tmp_path, timeout_s=300)
    assert installed.run("-c", USE, cwd=tmp_path) == "ok\n"
