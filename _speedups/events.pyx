"""Market-data events, and the handlers that receive them."""

import logging

cimport cython
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.object cimport PyObject
from libc.stdint cimport int32_t, int64_t, uint32_t
from libc.string cimport memcpy, memset

from connectors._speedups.ticks cimport TickScale, fixed_decimal, fixed_from

__all__ = [
    "AggressorSide",
    "Bar",
    "BookUpdate",
    "EventFlag",
    "EventHandler",
    "EventKind",
    "IndexPrice",
    "InstrumentBase",
    "Liquidation",
    "MarkPrice",
    "Quote",
    "Router",
    "Ticker",
    "Trade",
]

cdef extern from "Python.h":
    PyObject *PyObject_CallOneArg(PyObject *, PyObject *)
    void Py_DECREF(PyObject *)
    Py_ssize_t Py_REFCNT(object)
    PyObject *PyList_GET_ITEM(object, Py_ssize_t)
    Py_ssize_t PyList_GET_SIZE(object)

log = logging.getLogger("connectors.events")


cdef class InstrumentBase:
    """An instrument as the hot path sees it: its names and its two grids.

    Parameters
    ----------
    id : str
        Our name, the same style on every venue: `"BTCUSDT-PERP"`.
    symbol : str
        The venue's own name: `"BTCUSDT"`.
    venue : str
    price_scale, size_scale : TickScale
        One tick is one step of the price, one lot one step of the size.
    """

    def __init__(self, str id not None, str symbol not None, str venue not None,
                 TickScale price_scale not None, TickScale size_scale not None):
        self.id = id
        self.symbol = symbol
        self.venue = venue
        self.price_scale = price_scale
        self.size_scale = size_scale

    cdef InstrumentBase at_scale(self, int price_decimals, int size_decimals):
        # Mark price bars and the like need the same finer grid frame after frame.
        if (self._finer is None or self._finer_price != price_decimals
                or self._finer_size != size_decimals):
            self._finer = InstrumentBase(self.id, self.symbol, self.venue,
                                         _finer(self.price_scale, price_decimals),
                                         _finer(self.size_scale, size_decimals))
            self._finer_price = price_decimals
            self._finer_size = size_decimals
        return self._finer

    def __repr__(self):
        return f"<{type(self).__name__} {self.id} {self.venue}>"


cdef TickScale _finer(TickScale scale, int decimals):
    if decimals < 0:
        return scale
    # As fine as both, and a power of ten, so that any value with that many decimals fits.
    decimals = max(decimals, scale.decimals)
    return TickScale("1" if decimals == 0 else "0." + "0" * (decimals - 1) + "1")


cdef class EventHandler:
    """Receives decoded data as C structs; subclass it in Cython, or use `Router` from Python."""

    cdef int on_quote(self, InstrumentBase instrument, const QuoteData *data) except -1:
        return 0

    cdef int on_trade(self, InstrumentBase instrument, const TradeData *data) except -1:
        return 0

    cdef int on_book(self, InstrumentBase instrument, const BookData *data, bint snapshot) except -1:
        return 0

    cdef int on_bar(self, InstrumentBase instrument, const BarData *data) except -1:
        return 0

    cdef int on_mark_price(self, InstrumentBase instrument, const MarkPriceData *data) except -1:
        return 0

    cdef int on_index_price(self, InstrumentBase instrument, const IndexPriceData *data) except -1:
        return 0

    cdef int on_liquidation(self, InstrumentBase instrument, const LiquidationData *data) except -1:
        return 0

    cdef int on_ticker(self, InstrumentBase instrument, const TickerData *data) except -1:
        return 0


# ---- event objects ------------------------------------------------------------------------------
#
# Every class: `_fields` names what makes two events equal, in constructor order; equality, hash,
# repr and pickling follow from it.
#
# Counts are taken as Py_ssize_t: 64 bits like int64_t, but a float or Decimal is a TypeError instead
# of being cut to a whole number.

cdef object _same(a, b):
    if type(a) is not type(b):
        return NotImplemented
    return a._key() == b._key()


cdef object _shown(event, str detail):
    return f"{type(event).__name__}({event.instrument.id} {detail} ts_event={event.ts_event})"


@cython.final
@cython.no_gc
@cython.freelist(64)
cdef class Quote:
    """Best bid and ask.

    `bid_ticks`, `ask_ticks` count `instrument.price_scale`, `bid_lots`, `ask_lots`
    `instrument.size_scale`; `bid`, `ask`, `bid_size`, `ask_size` are the same as exact Decimals and
    `..._float` as floats. `seq` is the venue's update id. Times are ns since the epoch: `ts_event`
    by the venue's clock, `ts_init` when the bytes were received.
    """

    def __init__(self, InstrumentBase instrument not None, Py_ssize_t bid_ticks, Py_ssize_t bid_lots,
                 Py_ssize_t ask_ticks, Py_ssize_t ask_lots, Py_ssize_t seq=-1, Py_ssize_t ts_event=0,
                 Py_ssize_t ts_init=0, uint32_t flags=0):
        self.instrument = instrument
        self.bid_ticks = bid_ticks
        self.bid_lots = bid_lots
        self.ask_ticks = ask_ticks
        self.ask_lots = ask_lots
        self.seq = seq
        self.ts_event = ts_event
        self.ts_init = ts_init
        self.flags = flags

    @property
    def bid(self):
        return self.instrument.price_scale.decimal(self.bid_ticks)

    @property
    def bid_size(self):
        return self.instrument.size_scale.decimal(self.bid_lots)

    @property
    def ask(self):
        return self.instrument.price_scale.decimal(self.ask_ticks)

    @property
    def ask_size(self):
        return self.instrument.size_scale.decimal(self.ask_lots)

    @property
    def bid_float(self):
        return self.instrument.price_scale.to_float(self.bid_ticks)

    @property
    def bid_size_float(self):
        return self.instrument.size_scale.to_float(self.bid_lots)

    @property
    def ask_float(self):
        return self.instrument.price_scale.to_float(self.ask_ticks)

    @property
    def ask_size_float(self):
        return self.instrument.size_scale.to_float(self.ask_lots)

    @property
    def mid_float(self):
        return (self.instrument.price_scale.to_float(self.bid_ticks)
                + self.instrument.price_scale.to_float(self.ask_ticks)) / 2

    def _key(self):
        return (self.instrument.id, self.bid, self.bid_size, self.ask, self.ask_size, self.seq,
                self.ts_event, self.flags)

    def __eq__(self, other):
        return _same(self, other)

    def __hash__(self):
        return hash(self._key())

    def __repr__(self):
        return _shown(self, f"bid={self.bid}x{self.bid_size} ask={self.ask}x{self.ask_size} seq={self.seq}")

    def __reduce__(self):
        return Quote, (self.instrument, self.bid_ticks, self.bid_lots, self.ask_ticks, self.ask_lots,
                       self.seq, self.ts_event, self.ts_init, self.flags)


@cython.final
@cython.no_gc
@cython.freelist(64)
cdef class Trade:
    """A trade, or with flag `AGGREGATE` the fills of one taker order at one price.

    `first_id` and `last_id` delimit the fills of an aggregate and are -1 otherwise. A trade with
    flag `NOT_MARKET` was made by the venue (insurance fund, ADL): `is_market` is False.
    """

    def __init__(self, InstrumentBase instrument not None, Py_ssize_t price_ticks, Py_ssize_t size_lots,
                 int32_t aggressor=0, Py_ssize_t trade_id=-1, Py_ssize_t first_id=-1,
                 Py_ssize_t last_id=-1, Py_ssize_t ts_event=0, Py_ssize_t ts_init=0, uint32_t flags=0):
        self.instrument = instrument
        self.price_ticks = price_ticks
        self.size_lots = size_lots
        self._aggressor = aggressor
        self.trade_id = trade_id
        self.first_id = first_id
        self.last_id = last_id
        self.ts_event = ts_event
        self.ts_init = ts_init
        self.flags = flags

    @property
    def price(self):
        return self.instrument.price_scale.decimal(self.price_ticks)

    @property
    def size(self):
        return self.instrument.size_scale.decimal(self.size_lots)

    @property
    def price_float(self):
        return self.instrument.price_scale.to_float(self.price_ticks)

    @property
    def size_float(self):
        return self.instrument.size_scale.to_float(self.size_lots)

    @property
    def aggressor(self):
        return _aggressor(self._aggressor)

    @property
    def is_market(self):
        return not self.flags & EventFlag.NOT_MARKET

    @property
    def is_aggregate(self):
        return bool(self.flags & EventFlag.AGGREGATE)

    def _key(self):
        return (self.instrument.id, self.price, self.size, self._aggressor, self.trade_id,
                self.first_id, self.last_id, self.ts_event, self.flags)

    def __eq__(self, other):
        return _same(self, other)

    def __hash__(self):
        return hash(self._key())

    def __repr__(self):
        return _shown(self, f"{self.size}@{self.price} {self.aggressor.name} id={self.trade_id}")

    def __reduce__(self):
        return Trade, (self.instrument, self.price_ticks, self.size_lots, self._aggressor,
                       self.trade_id, self.first_id, self.last_id, self.ts_event, self.ts_init, self.flags)




cdef object _aggressor(int32_t side):
    return AggressorSide(side)


cdef int _fill_levels(object levels, int64_t *columns, Py_ssize_t n) except -1:
    """Pairs of whole numbers into two columns of n."""
    cdef Py_ssize_t price, size, i = 0  # of this type a float is refused, of int64_t it is cut
    for price, size in levels:
        if i < n:
            columns[i] = price
            columns[n + i] = size
        i += 1
    if i != n:
        raise ValueError(f"a sequence of length {n} has {i} levels")
    return 0


cdef BookUpdate _book_update(InstrumentBase instrument, const BookData *data, bint snapshot):
    cdef BookUpdate event = BookUpdate.__new__(BookUpdate)
    event._levels = <int64_t *>PyMem_Malloc((data.n_bids + data.n_asks) * 2 * sizeof(int64_t))
    if event._levels == NULL:
        raise MemoryError()
    _fill_book(event, instrument, data, snapshot)
    return event


cdef inline void _fill_book(BookUpdate event, InstrumentBase instrument, const BookData *data,
                            bint snapshot) noexcept:
    """Make an event that has room for the levels one of this update."""
    cdef Py_ssize_t b = data.n_bids, a = data.n_asks
    cdef int64_t *levels = event._levels
    if b:  # a side without levels may have no array
        memcpy(levels, data.bid_prices, b * sizeof(int64_t))
        memcpy(levels + b, data.bid_sizes, b * sizeof(int64_t))
    if a:
        memcpy(levels + 2 * b, data.ask_prices, a * sizeof(int64_t))
        memcpy(levels + 2 * b + a, data.ask_sizes, a * sizeof(int64_t))
    if event.instrument is not instrument:
        event.instrument = instrument
    event.ts_event = data.ts_event
    event.ts_init = data.ts_init
    event.flags = data.flags
    event.is_snapshot = snapshot
    event.first_seq = data.first_seq
    event.last_seq = data.last_seq
    event.prev_seq = data.prev_seq
    event.n_bids = b
    event.n_asks = a


@cython.final
@cython.no_gc
@cython.freelist(64)
cdef class BookUpdate:
    """One order-book message: changed levels, or with `is_snapshot` all there are.

    `bids` and `asks` are lists of `(price_ticks, size_lots)` in the order sent (best first where
    the venue sorts); in a delta a size of 0 removes the level. `first_seq`, `last_seq`, `prev_seq`
    are the venue's chain: an update follows the one whose `last_seq` equals its `prev_seq`
    (-1 where the venue has no such number).
    """

    def __init__(self, InstrumentBase instrument not None, bids, asks, *, bint is_snapshot=False,
                 Py_ssize_t first_seq=-1, Py_ssize_t last_seq=-1, Py_ssize_t prev_seq=-1,
                 Py_ssize_t ts_event=0, Py_ssize_t ts_init=0, uint32_t flags=0):
        cdef Py_ssize_t b = len(bids), a = len(asks)
        if self._levels != NULL:
            raise TypeError("an event is immutable")
        if b > 1 << 40 or a > 1 << 40:  # so that the product below cannot overflow
            raise MemoryError()
        self._levels = <int64_t *>PyMem_Malloc((b + a) * 2 * sizeof(int64_t))
        if self._levels == NULL:
            raise MemoryError()
        _fill_levels(bids, self._levels, b)
        _fill_levels(asks, self._levels + 2 * b, a)
        self.instrument = instrument
        self.is_snapshot = is_snapshot
        self.first_seq = first_seq
        self.last_seq = last_seq
        self.prev_seq = prev_seq
        self.ts_event = ts_event
        self.ts_init = ts_init
        self.flags = flags
        self.n_bids = b
        self.n_asks = a

    def __dealloc__(self):
        PyMem_Free(self._levels)
        self._levels = NULL

    cdef void data(self, BookData *out) noexcept:
        memset(out, 0, sizeof(BookData))
        out.ts_event = self.ts_event
        out.ts_init = self.ts_init
        out.flags = self.flags
        out.symbol = -1
        out.first_seq = self.first_seq
        out.last_seq = self.last_seq
        out.prev_seq = self.prev_seq
        out.n_bids = self.n_bids
        out.n_asks = self.n_asks
        out.bid_prices = self._levels
        out.bid_sizes = self._levels + self.n_bids
        out.ask_prices = self._levels + 2 * self.n_bids
        out.ask_sizes = self._levels + 2 * self.n_bids + self.n_asks

    @property
    def bids(self):
        cdef Py_ssize_t i
        return [(self._levels[i], self._levels[self.n_bids + i]) for i in range(self.n_bids)]

    @property
    def asks(self):
        cdef Py_ssize_t i
        cdef int64_t *asks = self._levels + 2 * self.n_bids
        return [(asks[i], asks[self.n_asks + i]) for i in range(self.n_asks)]

    def bids_array(self):
        """The bids as a new numpy int64 array of shape (n, 2): ticks, lots."""
        return _levels_array(self._levels, self.n_bids)

    def asks_array(self):
        """The asks as a new numpy int64 array of shape (n, 2): ticks, lots."""
        return _levels_array(self._levels + 2 * self.n_bids, self.n_asks)

    def bids_decimal(self):
        """The bids as a list of `(price, size)` Decimals."""
        return _levels_decimal(self.instrument, self.bids)

    def asks_decimal(self):
        """The asks as a list of `(price, size)` Decimals."""
        return _levels_decimal(self.instrument, self.asks)

    def _key(self):
        return (self.instrument.id, self.instrument.price_scale, self.instrument.size_scale,
                tuple(self.bids), tuple(self.asks), self.is_snapshot, self.first_seq, self.last_seq,
                self.prev_seq, self.ts_event, self.flags)

    def __eq__(self, other):
        return _same(self, other)

    def __hash__(self):
        return hash(self._key())

    def __repr__(self):
        what = "snapshot" if self.is_snapshot else "delta"
        return _shown(self, f"{what} {self.n_bids} bids {self.n_asks} asks seq={self.last_seq}")

    def __reduce__(self):
        return _restore_book, (self.instrument, self.bids, self.asks, self.is_snapshot, self.first_seq,
                               self.last_seq, self.prev_seq, self.ts_event, self.ts_init, self.flags)


def _restore_book(instrument, bids, asks, is_snapshot, first_seq, last_seq, prev_seq, ts_event,
                  ts_init, flags):
    return BookUpdate(instrument, bids, asks, is_snapshot=is_snapshot, first_seq=first_seq,
                      last_seq=last_seq, prev_seq=prev_seq, ts_event=ts_event, ts_init=ts_init,
                      flags=flags)


cdef object _levels_array(const int64_t *columns, Py_ssize_t n):
    import numpy as np

    cdef Py_ssize_t i
    array = np.empty((n, 2), dtype=np.int64)
    cdef int64_t[:, ::1] view = array
    for i in range(n):
        view[i, 0] = columns[i]
        view[i, 1] = columns[n + i]
    return array


cdef object _levels_decimal(InstrumentBase instrument, list levels):
    return [(instrument.price_scale.decimal(price), instrument.size_scale.decimal(size))
            for price, size in levels]


cdef object _fixed(Fixed x):
    return fixed_decimal(x.mantissa, x.exponent)


cdef object _float(Fixed x):
    value = fixed_decimal(x.mantissa, x.exponent)
    return None if value is None else float(value)


cdef int _parse_fixed(object value, Fixed *out) except -1:
    """A Decimal, text, int or None into the form it has on the wire."""
    if value is None:
        out.mantissa = 0
        out.exponent = -1
        return 0
    return fixed_from(value, &out.mantissa, &out.exponent)


@cython.final
@cython.no_gc
@cython.freelist(16)
cdef class Bar:
    """A candle. Prices in ticks, volumes in lots, quote volumes as exact Decimals.

    `interval_s` is -1 for a calendar month. `ts_open` and `ts_event` (the close) delimit it;
    `is_closed` says whether it can still change.
    """

    def __init__(self, InstrumentBase instrument not None, *, int32_t interval_s, Py_ssize_t ts_open,
                 Py_ssize_t open_ticks, Py_ssize_t high_ticks, Py_ssize_t low_ticks, Py_ssize_t close_ticks,
                 Py_ssize_t volume_lots=0, Py_ssize_t taker_buy_volume_lots=0, quote_volume=None,
                 taker_buy_quote_volume=None, Py_ssize_t trade_count=0, Py_ssize_t ts_event=0,
                 Py_ssize_t ts_init=0, uint32_t flags=0):
        memset(&self.d, 0, sizeof(BarData))
        self.instrument = instrument
        self.d.interval_s = interval_s
        self.d.ts_open = ts_open
        self.d.open = open_ticks
        self.d.high = high_ticks
        self.d.low = low_ticks
        self.d.close = close_ticks
        self.d.volume = volume_lots
        self.d.taker_buy_volume = taker_buy_volume_lots
        _parse_fixed(quote_volume, &self.d.quote_volume)
        _parse_fixed(taker_buy_quote_volume, &self.d.taker_buy_quote_volume)
        self.d.trade_count = trade_count
        self.d.ts_event = ts_event
        self.d.ts_init = ts_init
        self.d.flags = flags

    @property
    def ts_event(self):
        return self.d.ts_event

    @property
    def ts_init(self):
        return self.d.ts_init

    @property
    def flags(self):
        return self.d.flags

    @property
    def interval_s(self):
        return self.d.interval_s

    @property
    def ts_open(self):
        return self.d.ts_open

    @property
    def open_ticks(self):
        return self.d.open

    @property
    def high_ticks(self):
        return self.d.high

    @property
    def low_ticks(self):
        return self.d.low

    @property
    def close_ticks(self):
        return self.d.close

    @property
    def volume_lots(self):
        return self.d.volume

    @property
    def taker_buy_volume_lots(self):
        return self.d.taker_buy_volume

    @property
    def open(self):
        return self.instrument.price_scale.decimal(self.d.open)

    @property
    def high(self):
        return self.instrument.price_scale.decimal(self.d.high)

    @property
    def low(self):
        return self.instrument.price_scale.decimal(self.d.low)

    @property
    def close(self):
        return self.instrument.price_scale.decimal(self.d.close)

    @property
    def close_float(self):
        return self.instrument.price_scale.to_float(self.d.close)

    @property
    def volume(self):
        return self.instrument.size_scale.decimal(self.d.volume)

    @property
    def taker_buy_volume(self):
        return self.instrument.size_scale.decimal(self.d.taker_buy_volume)

    @property
    def quote_volume(self):
        return _fixed(self.d.quote_volume)

    @property
    def taker_buy_quote_volume(self):
        return _fixed(self.d.taker_buy_quote_volume)

    @property
    def trade_count(self):
        return self.d.trade_count

    @property
    def is_closed(self):
        return bool(self.d.flags & EventFlag.CLOSED)

    def _key(self):
        return (self.instrument.id, self.d.interval_s, self.d.ts_open, self.open, self.high, self.low,
                self.close, self.volume, self.taker_buy_volume, self.quote_volume,
                self.taker_buy_quote_volume, self.d.trade_count, self.d.ts_event, self.d.flags)

    def __eq__(self, other):
        return _same(self, other)

    def __hash__(self):
        return hash(self._key())

    def __repr__(self):
        state = "closed" if self.is_closed else "open"
        return _shown(self, f"{self.d.interval_s}s {state} o={self.open} h={self.high} l={self.low} "
                            f"c={self.close} v={self.volume}")

    def __reduce__(self):
        return _restore, (Bar, self.instrument, dict(
            interval_s=self.d.interval_s, ts_open=self.d.ts_open, open_ticks=self.d.open,
            high_ticks=self.d.high, low_ticks=self.d.low, close_ticks=self.d.close,
            volume_lots=self.d.volume, taker_buy_volume_lots=self.d.taker_buy_volume,
            quote_volume=self.quote_volume, taker_buy_quote_volume=self.taker_buy_quote_volume,
            trade_count=self.d.trade_count, ts_event=self.d.ts_event, ts_init=self.d.ts_init,
            flags=self.d.flags))


def _restore(cls, instrument, fields):
    return cls(instrument, **fields)


@cython.final
@cython.no_gc
@cython.freelist(16)
cdef class MarkPrice:
    """Mark, index and settlement price and the funding rate, exact Decimals as sent.

    `funding_rate` is None and `ts_next_funding` 0 where there is no funding.
    """

    def __init__(self, InstrumentBase instrument not None, *, mark, index=None, settle=None,
                 funding_rate=None, Py_ssize_t ts_next_funding=0, Py_ssize_t ts_event=0,
                 Py_ssize_t ts_init=0, uint32_t flags=0):
        memset(&self.d, 0, sizeof(MarkPriceData))
        self.instrument = instrument
        _parse_fixed(mark, &self.d.mark)
        _parse_fixed(index, &self.d.index)
        _parse_fixed(settle, &self.d.settle)
        _parse_fixed(funding_rate, &self.d.funding_rate)
        self.d.ts_next_funding = ts_next_funding
        self.d.ts_event = ts_event
        self.d.ts_init = ts_init
        self.d.flags = flags

    @property
    def ts_event(self):
        return self.d.ts_event

    @property
    def ts_init(self):
        return self.d.ts_init

    @property
    def flags(self):
        return self.d.flags

    @property
    def mark(self):
        return _fixed(self.d.mark)

    @property
    def mark_float(self):
        return _float(self.d.mark)

    @property
    def index(self):
        return _fixed(self.d.index)

    @property
    def settle(self):
        return _fixed(self.d.settle)

    @property
    def funding_rate(self):
        return _fixed(self.d.funding_rate)

    @property
    def ts_next_funding(self):
        return self.d.ts_next_funding

    def _key(self):
        return (self.instrument.id, self.mark, self.index, self.settle, self.funding_rate,
                self.d.ts_next_funding, self.d.ts_event, self.d.flags)

    def __eq__(self, other):
        return _same(self, other)

    def __hash__(self):
        return hash(self._key())

    def __repr__(self):
        return _shown(self, f"mark={self.mark} index={self.index} funding={self.funding_rate}")

    def __reduce__(self):
        return _restore, (MarkPrice, self.instrument, dict(
            mark=self.mark, index=self.index, settle=self.settle, funding_rate=self.funding_rate,
            ts_next_funding=self.d.ts_next_funding, ts_event=self.d.ts_event,
            ts_init=self.d.ts_init, flags=self.d.flags))


@cython.final
@cython.no_gc
@cython.freelist(16)
cdef class IndexPrice:
    """The index price of a pair, an exact Decimal as sent."""

    def __init__(self, InstrumentBase instrument not None, *, index, Py_ssize_t ts_event=0,
                 Py_ssize_t ts_init=0, uint32_t flags=0):
        memset(&self.d, 0, sizeof(IndexPriceData))
        self.instrument = instrument
        _parse_fixed(index, &self.d.index)
        self.d.ts_event = ts_event
        self.d.ts_init = ts_init
        self.d.flags = flags

    @property
    def ts_event(self):
        return self.d.ts_event

    @property
    def ts_init(self):
        return self.d.ts_init

    @property
    def flags(self):
        return self.d.flags

    @property
    def index(self):
        return _fixed(self.d.index)

    @property
    def index_float(self):
        return _float(self.d.index)

    def _key(self):
        return (self.instrument.id, self.index, self.d.ts_event, self.d.flags)

    def __eq__(self, other):
        return _same(self, other)

    def __hash__(self):
        return hash(self._key())

    def __repr__(self):
        return _shown(self, f"index={self.index}")

    def __reduce__(self):
        return _restore, (IndexPrice, self.instrument, dict(
            index=self.index, ts_event=self.d.ts_event, ts_init=self.d.ts_init, flags=self.d.flags))


@cython.final
@cython.no_gc
@cython.freelist(16)
cdef class Liquidation:
    """A liquidation order: `side` is the side of that order (`AggressorSide`)."""

    def __init__(self, InstrumentBase instrument not None, *, int32_t side, Py_ssize_t price_ticks,
                 Py_ssize_t size_lots, Py_ssize_t last_size_lots=0, Py_ssize_t filled_size_lots=0,
                 average_price=None, Py_ssize_t ts_event=0, Py_ssize_t ts_init=0, uint32_t flags=0):
        memset(&self.d, 0, sizeof(LiquidationData))
        self.instrument = instrument
        self.d.side = side
        self.d.price = price_ticks
        self.d.size = size_lots
        self.d.last_size = last_size_lots
        self.d.filled_size = filled_size_lots
        _parse_fixed(average_price, &self.d.average_price)
        self.d.ts_event = ts_event
        self.d.ts_init = ts_init
        self.d.flags = flags

    @property
    def ts_event(self):
        return self.d.ts_event

    @property
    def ts_init(self):
        return self.d.ts_init

    @property
    def flags(self):
        return self.d.flags

    @property
    def side(self):
        return _aggressor(self.d.side)

    @property
    def price_ticks(self):
        return self.d.price

    @property
    def size_lots(self):
        return self.d.size

    @property
    def last_size_lots(self):
        return self.d.last_size

    @property
    def filled_size_lots(self):
        return self.d.filled_size

    @property
    def price(self):
        return self.instrument.price_scale.decimal(self.d.price)

    @property
    def size(self):
        return self.instrument.size_scale.decimal(self.d.size)

    @property
    def filled_size(self):
        return self.instrument.size_scale.decimal(self.d.filled_size)

    @property
    def average_price(self):
        return _fixed(self.d.average_price)

    def _key(self):
        return (self.instrument.id, self.d.side, self.price, self.size, self.d.last_size,
                self.filled_size, self.average_price, self.d.ts_event, self.d.flags)

    def __eq__(self, other):
        return _same(self, other)

    def __hash__(self):
        return hash(self._key())

    def __repr__(self):
        return _shown(self, f"{self.side.name} {self.filled_size}/{self.size}@{self.average_price}")

    def __reduce__(self):
        return _restore, (Liquidation, self.instrument, dict(
            side=self.d.side, price_ticks=self.d.price, size_lots=self.d.size,
            last_size_lots=self.d.last_size, filled_size_lots=self.d.filled_size,
            average_price=self.average_price, ts_event=self.d.ts_event, ts_init=self.d.ts_init,
            flags=self.d.flags))


cdef tuple TICKER_TIMES = ("ts_open", "ts_close", "first_id", "last_id", "trade_count")
cdef tuple TICKER_VALUES = ("last", "open", "high", "low", "volume", "quote_volume", "change",
                            "change_percent", "weighted_average", "last_size")


@cython.final
@cython.no_gc
@cython.freelist(16)
cdef class Ticker:
    """Rolling-window statistics, exact Decimals as sent.

    With flag `MINI` the fields from `change` on are None, the ids -1 and the times 0.
    """

    def __init__(self, InstrumentBase instrument not None, *, last, open, high, low, volume,
                 quote_volume, change=None, change_percent=None, weighted_average=None,
                 last_size=None, Py_ssize_t ts_open=0, Py_ssize_t ts_close=0, Py_ssize_t first_id=-1,
                 Py_ssize_t last_id=-1, Py_ssize_t trade_count=-1, Py_ssize_t ts_event=0,
                 Py_ssize_t ts_init=0, uint32_t flags=0):
        memset(&self.d, 0, sizeof(TickerData))
        self.instrument = instrument
        _parse_fixed(last, &self.d.last)
        _parse_fixed(open, &self.d.open)
        _parse_fixed(high, &self.d.high)
        _parse_fixed(low, &self.d.low)
        _parse_fixed(volume, &self.d.volume)
        _parse_fixed(quote_volume, &self.d.quote_volume)
        _parse_fixed(change, &self.d.change)
        _parse_fixed(change_percent, &self.d.change_percent)
        _parse_fixed(weighted_average, &self.d.weighted_average)
        _parse_fixed(last_size, &self.d.last_size)
        self.d.ts_open = ts_open
        self.d.ts_close = ts_close
        self.d.first_id = first_id
        self.d.last_id = last_id
        self.d.trade_count = trade_count
        self.d.ts_event = ts_event
        self.d.ts_init = ts_init
        self.d.flags = flags

    @property
    def ts_event(self):
        return self.d.ts_event

    @property
    def ts_init(self):
        return self.d.ts_init

    @property
    def flags(self):
        return self.d.flags

    @property
    def last(self):
        return _fixed(self.d.last)

    @property
    def last_float(self):
        return _float(self.d.last)

    @property
    def open(self):
        return _fixed(self.d.open)

    @property
    def high(self):
        return _fixed(self.d.high)

    @property
    def low(self):
        return _fixed(self.d.low)

    @property
    def volume(self):
        return _fixed(self.d.volume)

    @property
    def quote_volume(self):
        return _fixed(self.d.quote_volume)

    @property
    def change(self):
        return _fixed(self.d.change)

    @property
    def change_percent(self):
        return _fixed(self.d.change_percent)

    @property
    def weighted_average(self):
        return _fixed(self.d.weighted_average)

    @property
    def last_size(self):
        return _fixed(self.d.last_size)

    @property
    def ts_open(self):
        return self.d.ts_open

    @property
    def ts_close(self):
        return self.d.ts_close

    @property
    def first_id(self):
        return self.d.first_id

    @property
    def last_id(self):
        return self.d.last_id

    @property
    def trade_count(self):
        return self.d.trade_count

    def _key(self):
        return (self.instrument.id, *(getattr(self, name) for name in TICKER_VALUES + TICKER_TIMES),
                self.d.ts_event, self.d.flags)

    def __eq__(self, other):
        return _same(self, other)

    def __hash__(self):
        return hash(self._key())

    def __repr__(self):
        return _shown(self, f"last={self.last} high={self.high} low={self.low} volume={self.volume}")

    def __reduce__(self):
        fields = {name: getattr(self, name) for name in TICKER_VALUES + TICKER_TIMES}
        return _restore, (Ticker, self.instrument, dict(
            fields, ts_event=self.d.ts_event, ts_init=self.d.ts_init, flags=self.d.flags))


# ---- delivery to Python -------------------------------------------------------------------------

cdef int _pending_error() except -1:
    return -1


def _log_error(error, kind, event):
    log.error("handler for %s raised on %r", EventKind(kind).name, event, exc_info=error)


# References to an event that no callback kept: the router's, and that of the function that looks.
cdef enum:
    UNKEPT = 2


cdef inline object _target(Router router, int kind, int32_t symbol):
    cdef list table = <list>PyList_GET_ITEM(router._tables, kind)
    cdef PyObject *callback
    if 0 <= symbol < PyList_GET_SIZE(table):
        callback = PyList_GET_ITEM(table, symbol)
        if callback != <PyObject *>None:
            return <object>callback
    return <object>PyList_GET_ITEM(router._defaults, kind)


cdef inline int _call(Router router, object callback, object event, int kind) except -1:
    # Tested by hand: a try block would save and restore the exception state on every call.
    cdef PyObject *result = PyObject_CallOneArg(<PyObject *>callback, <PyObject *>event)
    router.delivered += 1
    if result == NULL:
        return router.failed(event, kind)
    Py_DECREF(result)
    return 0


@cython.final
cdef class Router(EventHandler):
    """Turns decoded data into event objects and calls the callback of its kind and symbol.

    Parameters
    ----------
    on_error : callable, optional
        `on_error(exception, kind, event)` for a callback that raised. The event counts as
        delivered and the stream goes on. By default the error is logged with its traceback.

    Notes
    -----
    Belongs to one thread. An event object is made only where a callback wants it; a quote, trade or
    book update that no callback kept is used again for the next one. Exceptions that are not
    `Exception` (KeyboardInterrupt, SystemExit) are reported and then raised on.
    """

    def __init__(self, on_error=None):
        self._tables = [[] for _ in range(EventKind.KIND_COUNT)]
        self._defaults = [None] * EventKind.KIND_COUNT
        self._on_error = on_error if on_error is not None else _log_error

    def route(self, int kind, int32_t symbol, callback):
        """Call `callback(event)` for `kind` of the symbol with that number; None ends it.

        `symbol` -1 sets the callback of all symbols of that kind without one of their own. For book
        updates an `EventHandler` is taken too: it is handed the levels without an event object.
        """
        if not 0 <= kind < EventKind.KIND_COUNT:
            raise ValueError(f"no such event kind: {kind}")
        if isinstance(callback, EventHandler):
            if kind not in (EventKind.BOOK_DELTA, EventKind.BOOK_SNAPSHOT):
                raise TypeError("only book updates can be routed to a native handler")
        elif callback is not None and not callable(callback):
            raise TypeError(f"callback must be callable, got {type(callback).__name__}")
        if symbol < -1:
            raise ValueError(f"no such symbol number: {symbol}")
        if symbol == -1:
            self._defaults[kind] = callback
            return
        cdef list table = self._tables[kind]
        while len(table) <= symbol:
            table.append(None)
        table[symbol] = callback

    def routed(self, int kind, int32_t symbol):
        """Return the callback in force, or None."""
        if not 0 <= kind < EventKind.KIND_COUNT:
            raise ValueError(f"no such event kind: {kind}")
        return _target(self, kind, symbol)

    cdef int failed(self, object event, int kind) except -1:
        """Report what a callback raised."""
        self.errors += 1
        try:
            _pending_error()
        except Exception as error:
            self._report(error, kind, event)
        except BaseException as error:
            self._report(error, kind, event)
            raise
        return 0

    def _report(self, error, kind, event):
        try:
            self._on_error(error, kind, event)
        except Exception as second:
            _log_error(error, kind, event)
            log.error("on_error itself raised", exc_info=second)

    cdef int on_quote(self, InstrumentBase instrument, const QuoteData *data) except -1:
        cdef object callback = _target(self, EventKind.QUOTE, data.symbol)
        cdef Quote event
        if callback is None:
            return 0
        event = self._quote
        if Py_REFCNT(event) != UNKEPT:
            event = self._quote = Quote.__new__(Quote)
        if event.instrument is not instrument:
            event.instrument = instrument
        event.ts_event = data.ts_event
        event.ts_init = data.ts_init
        event.flags = data.flags
        event.bid_ticks = data.bid
        event.bid_lots = data.bid_size
        event.ask_ticks = data.ask
        event.ask_lots = data.ask_size
        event.seq = data.seq
        return _call(self, callback, event, EventKind.QUOTE)

    cdef int on_trade(self, InstrumentBase instrument, const TradeData *data) except -1:
        cdef object callback = _target(self, EventKind.TRADE, data.symbol)
        cdef Trade event
        if callback is None:
            return 0
        event = self._trade
        if Py_REFCNT(event) != UNKEPT:
            event = self._trade = Trade.__new__(Trade)
        if event.instrument is not instrument:
            event.instrument = instrument
        event.ts_event = data.ts_event
        event.ts_init = data.ts_init
        event.flags = data.flags
        event.price_ticks = data.price
        event.size_lots = data.size
        event.trade_id = data.trade_id
        event.first_id = data.first_id
        event.last_id = data.last_id
        event._aggressor = data.aggressor
        return _call(self, callback, event, EventKind.TRADE)

    cdef int on_book(self, InstrumentBase instrument, const BookData *data, bint snapshot) except -1:
        cdef int kind = EventKind.BOOK_SNAPSHOT if snapshot else EventKind.BOOK_DELTA
        cdef object callback = _target(self, kind, data.symbol)
        cdef BookUpdate event
        if callback is None:
            return 0
        if isinstance(callback, EventHandler):
            # A native book takes the levels where they lie: no copy, no event object.
            return (<EventHandler>callback).on_book(instrument, data, snapshot)
        event = self._book
        if Py_REFCNT(event) != UNKEPT or event.n_bids + event.n_asks != data.n_bids + data.n_asks:
            event = self._book = _book_update(instrument, data, snapshot)
        else:
            _fill_book(event, instrument, data, snapshot)
        return _call(self, callback, event, kind)

    cdef int on_bar(self, InstrumentBase instrument, const BarData *data) except -1:
        cdef object callback = _target(self, EventKind.BAR, data.symbol)
        if callback is None:
            return 0
        cdef Bar event = Bar.__new__(Bar)
        event.instrument = instrument
        event.d = data[0]
        return _call(self, callback, event, EventKind.BAR)

    cdef int on_mark_price(self, InstrumentBase instrument, const MarkPriceData *data) except -1:
        cdef object callback = _target(self, EventKind.MARK_PRICE, data.symbol)
        if callback is None:
            return 0
        cdef MarkPrice event = MarkPrice.__new__(MarkPrice)
        event.instrument = instrument
        event.d = data[0]
        return _call(self, callback, event, EventKind.MARK_PRICE)

    cdef int on_index_price(self, InstrumentBase instrument, const IndexPriceData *data) except -1:
        cdef object callback = _target(self, EventKind.INDEX_PRICE, data.symbol)
        if callback is None:
            return 0
        cdef IndexPrice event = IndexPrice.__new__(IndexPrice)
        event.instrument = instrument
        event.d = data[0]
        return _call(self, callback, event, EventKind.INDEX_PRICE)

    cdef int on_liquidation(self, InstrumentBase instrument, const LiquidationData *data) except -1:
        cdef object callback = _target(self, EventKind.LIQUIDATION, data.symbol)
        if callback is None:
            return 0
        cdef Liquidation event = Liquidation.__new__(Liquidation)
        event.instrument = instrument
        event.d = data[0]
        return _call(self, callback, event, EventKind.LIQUIDATION)

    cdef int on_ticker(self, InstrumentBase instrument, const TickerData *data) except -1:
        cdef object callback = _target(self, EventKind.TICKER, data.symbol)
        if callback is None:
            return 0
        cdef Ticker event = Ticker.__new__(Ticker)
        event.instrument = instrument
        event.d = data[0]
        return _call(self, callback, event, EventKind.TICKER)
