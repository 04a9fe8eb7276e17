"""Market-data events and the C-level handler that receives them.

A decoder fills one of the structs below and hands it to an `EventHandler`.
`Router`, the handler behind the Python API, turns it into an event object and
calls the Python callback; a Cython bot overrides `EventHandler` and never
makes an object. Times are ns since the epoch, prices ticks and sizes lots of
`instrument` unless a field says otherwise.
"""

cimport cython
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from connectors._speedups.ticks cimport TickScale


cpdef enum EventKind:
    QUOTE = 0
    TRADE = 1
    BOOK_DELTA = 2          # changes since the previous update
    BOOK_SNAPSHOT = 3       # all the levels it has, replacing what was known
    BAR = 4
    MARK_PRICE = 5
    INDEX_PRICE = 6
    LIQUIDATION = 7
    TICKER = 8
    KIND_COUNT = 9


cpdef enum EventFlag:
    OFF_SCALE = 1           # did not fit the instrument's scale: `instrument` carries a finer one
    NOT_MARKET = 2          # a trade that was not a market trade (insurance fund, ADL)
    AGGREGATE = 4           # a trade that stands for several fills of one order
    CLOSED = 8              # a bar that will not change any more
    PARTIAL = 16            # a snapshot of the top levels only
    RPI = 32                # a book that includes retail price improvement orders
    MINI = 64               # a ticker without the long fields
    CONTINUOUS = 128        # a bar of a continuous contract (pair and contract type)
    INDEX = 256             # a bar of the index price
    MARK = 512              # a bar of the mark price
    HISTORY = 1024          # happened before the subscription, sent with it
    DELAYED = 2048          # what the venue shows of some time ago, or without a subscription
    FROZEN = 4096           # what the venue showed last before it closed
    HALTED = 8192           # trading is halted
    APPROXIMATE = 16384     # a size that the venue has rounded


cpdef enum AggressorSide:
    NO_AGGRESSOR = 0
    BUYER = 1
    SELLER = 2


cdef class InstrumentBase:
    """What the hot path needs of an instrument; `connectors.model.Instrument` extends it."""
    cdef readonly str id                # "BTCUSDT-PERP": ours, the same on every venue
    cdef readonly str symbol            # the venue's own name: "BTCUSDT"
    cdef readonly str venue             # "BINANCE"
    cdef readonly TickScale price_scale
    cdef readonly TickScale size_scale

    cdef InstrumentBase _finer          # made last by at_scale, and for which decimals
    cdef int32_t _finer_price, _finer_size

    # The same instrument on a finer grid, for values its own scale cannot hold; -1 decimals: keep
    # that scale.
    cdef InstrumentBase at_scale(self, int price_decimals, int size_decimals)


# A decimal exactly as sent: mantissa x 10**-exponent. `exponent` < 0 means absent.
cdef struct Fixed:
    int64_t mantissa
    int32_t exponent


cdef struct QuoteData:
    int64_t ts_event, ts_init
    int32_t symbol                      # the decoder's dense symbol number
    uint32_t flags
    int64_t bid, bid_size, ask, ask_size
    int64_t seq


cdef struct TradeData:
    int64_t ts_event, ts_init
    int32_t symbol
    uint32_t flags
    int64_t price, size
    int64_t trade_id
    int64_t first_id, last_id           # of an aggregate; -1 when absent
    int32_t aggressor


# Levels are best first as sent; the arrays belong to the decoder and are reused.
cdef struct BookData:
    int64_t ts_event, ts_init
    int32_t symbol
    uint32_t flags
    int64_t first_seq, last_seq, prev_seq   # prev_seq -1 where the venue has none
    Py_ssize_t n_bids, n_asks
    const int64_t *bid_prices
    const int64_t *bid_sizes            # 0 removes the level
    const int64_t *ask_prices
    const int64_t *ask_sizes


cdef struct BarData:
    int64_t ts_event, ts_init           # ts_event: close time
    int32_t symbol
    uint32_t flags
    int32_t interval_s                  # seconds; -1: one calendar month 
    int64_t ts_open
    int64_t open, high, low, close
    int64_t volume                      # lots
    int64_t taker_buy_volume            # lots
    Fixed quote_volume, taker_buy_quote_volume
    int64_t trade_count


cdef struct MarkPriceData:
    int64_t ts_event, ts_init
    int32_t symbol
    uint32_t flags
    Fixed mark, index, settle, funding_rate
    int64_t ts_next_funding             # 0: none


cdef struct IndexPriceData:
    int64_t ts_event, ts_init
    int32_t symbol
    uint32_t flags
    Fixed index


cdef struct LiquidationData:
    int64_t ts_event, ts_init
    int32_t symbol
    uint32_t flags
    int32_t side                        # AggressorSide of the liquidation order
    int64_t price, size
    int64_t last_size, filled_size
    Fixed average_price


cdef struct TickerData:
    int64_t ts_event, ts_init
    int32_t symbol
    uint32_t flags
    Fixed last, open, high, low, volume, quote_volume
    Fixed change, change_percent, weighted_average, last_size
    int64_t ts_open, ts_close           # 0: absent
    int64_t first_id, last_id, trade_count


cdef class EventHandler:
    """Override what you want; the rest is ignored. An exception reaches the feed,
    which counts and reports it and goes on."""
    cdef int on_quote(self, InstrumentBase instrument, const QuoteData *data) except -1
    cdef int on_trade(self, InstrumentBase instrument, const TradeData *data) except -1
    cdef int on_book(self, InstrumentBase instrument, const BookData *data, bint snapshot) except -1
    cdef int on_bar(self, InstrumentBase instrument, const BarData *data) except -1
    cdef int on_mark_price(self, InstrumentBase instrument, const MarkPriceData *data) except -1
    cdef int on_index_price(self, InstrumentBase instrument, const IndexPriceData *data) except -1
    cdef int on_liquidation(self, InstrumentBase instrument, const LiquidationData *data) except -1
    cdef int on_ticker(self, InstrumentBase instrument, const TickerData *data) except -1


# Event objects. Immutable; made from a freelist and not tracked by the garbage collector (an
# event refers to nothing but its instrument).

cdef class Quote:
    cdef readonly InstrumentBase instrument
    cdef readonly int64_t ts_event, ts_init
    cdef readonly uint32_t flags
    cdef readonly int64_t bid_ticks, bid_lots, ask_ticks, ask_lots
    cdef readonly int64_t seq


cdef class Trade:
    cdef readonly InstrumentBase instrument
    cdef readonly int64_t ts_event, ts_init
    cdef readonly uint32_t flags
    cdef readonly int64_t price_ticks, size_lots
    cdef readonly int64_t trade_id, first_id, last_id
    cdef int32_t _aggressor


cdef class BookUpdate:
    cdef readonly InstrumentBase instrument
    cdef readonly int64_t ts_event, ts_init
    cdef readonly uint32_t flags
    cdef readonly bint is_snapshot
    cdef readonly int64_t first_seq, last_seq, prev_seq
    cdef readonly Py_ssize_t n_bids, n_asks
    cdef int64_t *_levels       # bid prices, bid sizes, ask prices, ask sizes; owned

    # Fill *out with pointers into this event, valid as long as it lives.
    cdef void data(self, BookData *out) noexcept


# An event object with its own copy of the levels.
cdef BookUpdate _book_update(InstrumentBase instrument, const BookData *data, bint snapshot)


cdef class Bar:
    cdef readonly InstrumentBase instrument
    cdef BarData d


cdef class MarkPrice:
    cdef readonly InstrumentBase instrument
    cdef MarkPriceData d


cdef class IndexPrice:
    cdef readonly InstrumentBase instrument
    cdef IndexPriceData d


cdef class Liquidation:
    cdef readonly InstrumentBase instrument
    cdef LiquidationData d


cdef class Ticker:
    cdef readonly InstrumentBase instrument
    cdef TickerData d


@cython.final
cdef class Router(EventHandler):
    """Makes event objects and calls Python callbacks, one for each kind and symbol."""
    cdef list _tables                   # by kind: callables by symbol number
    cdef list _defaults                 # by kind
    cdef object _on_error
    cdef readonly uint64_t errors       # callbacks that raised
    cdef readonly uint64_t delivered    # events handed to a callback

    # The last of each; the next is made of it where no callback kept it.
    cdef Quote _quote
    cdef Trade _trade
    cdef BookUpdate _book

    cdef int failed(self, object event, int kind) except -1
