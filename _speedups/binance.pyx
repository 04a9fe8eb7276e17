"""Binance Futures stream frames to events.

| event name                        | handler          | event                       |
|-----------------------------------|------------------|-----------------------------|
| bookTicker                        | on_quote         | Quote                       |
| aggTrade, trade                   | on_trade         | Trade                       |
| depthUpdate                       | on_book          | BookUpdate                  |
| kline, continuous_kline, indexPrice_kline, markPrice_kline | on_bar | Bar          |
| markPriceUpdate                   | on_mark_price    | MarkPrice                   |
| indexPriceUpdate                  | on_index_price   | IndexPrice                  |
| forceOrder                        | on_liquidation   | Liquidation                 |
| 24hrTicker, 24hrMiniTicker        | on_ticker        | Ticker                      |
| any other                         | on_venue_event   | the object's JSON bytes     |
| no event name; result, id or code | on_control       | the message's JSON bytes    |

Raw frames, combined frames (`{"stream":..,"data":..}`) and arrays of objects are taken alike.
"""

cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.object cimport PyObject
from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

from connectors._speedups._csrc cimport (
    TW_LIKELY,
    TW_MISSING,
    TW_OFF_PRICE,
    TW_OFF_SIZE,
    TW_RANGE,
    TW_TYPE,
    TW_UNLIKELY,
    TW_VALUE,
    tw_at_end,
    tw_err,
    tw_fixed,
    tw_levels,
    tw_next,
    tw_scale,
    tw_skip,
    tw_symbol,
    tw_symbols,
    tw_unescape,
    tw_ws,
)
from connectors._speedups.decoder cimport SymbolDecoder, fixed_of, scale_to
from connectors._speedups.events cimport (
    AggressorSide,
    BarData,
    BookData,
    EventFlag,
    EventHandler,
    IndexPriceData,
    InstrumentBase,
    LiquidationData,
    MarkPriceData,
    QuoteData,
    TickerData,
    TradeData,
)
from connectors._speedups.symbols cimport SymbolTable
from connectors._speedups.ticks cimport TickScale

from connectors._speedups.errors import DecodeError
from connectors._speedups.scan import REASONS

__all__ = ["BinanceDecoder"]

cdef extern from "Python.h":
    PyObject *PyList_GET_ITEM(object, Py_ssize_t)

cdef extern from "binance.h" nogil:
    ctypedef enum tw_bn_kind:
        BN_UNKNOWN
        BN_BOOK_TICKER
        BN_AGG_TRADE
        BN_TRADE
        BN_DEPTH
        BN_MARK_PRICE
        BN_INDEX_PRICE
        BN_KLINE
        BN_CONTINUOUS_KLINE
        BN_INDEX_KLINE
        BN_MARK_KLINE
        BN_TICKER
        BN_MINI_TICKER
        BN_FORCE_ORDER

    ctypedef struct tw_span:
        const uint8_t *text
        Py_ssize_t length
        int escaped

    ctypedef struct tw_bn_frame:
        tw_span symbol
        tw_span pair
        tw_span contract
        int32_t number
        int64_t event_time
        int64_t time
        uint32_t seen
        int renamed
        uint64_t key
        const uint8_t *name

    ctypedef struct tw_bn_quote:
        tw_bn_frame f
        int64_t update_id
        tw_fixed bid
        tw_fixed bid_size
        tw_fixed ask
        tw_fixed ask_size

    ctypedef struct tw_bn_trade:
        tw_bn_frame f
        int64_t id
        int64_t first_id
        int64_t last_id
        tw_fixed price
        tw_fixed size
        int buyer_is_maker
        int not_market

    ctypedef struct tw_bn_depth:
        tw_bn_frame f
        int64_t first
        int64_t last
        int64_t prev
        int32_t symbol
        tw_levels *bids
        tw_levels *asks

    ctypedef struct tw_bn_mark:
        tw_bn_frame f
        tw_fixed mark
        tw_fixed index
        tw_fixed settle
        tw_fixed rate

    ctypedef struct tw_bn_kline:
        tw_bn_frame f
        int64_t open_time
        int64_t close_time
        int64_t trades
        tw_fixed open
        tw_fixed high
        tw_fixed low
        tw_fixed close
        tw_fixed volume
        tw_fixed quote_volume
        tw_fixed taker_volume
        tw_fixed taker_quote_volume
        tw_span interval
        int closed

    ctypedef struct tw_bn_ticker:
        tw_bn_frame f
        tw_fixed last
        tw_fixed open
        tw_fixed high
        tw_fixed low
        tw_fixed volume
        tw_fixed quote_volume
        tw_fixed change
        tw_fixed change_percent
        tw_fixed average
        tw_fixed last_size
        int64_t open_time
        int64_t close_time
        int64_t first_id
        int64_t last_id
        int64_t trades

    ctypedef struct tw_bn_liquidation:
        tw_bn_frame f
        tw_fixed price
        tw_fixed average_price
        tw_fixed size
        tw_fixed last_size
        tw_fixed filled_size
        int sell

    ctypedef struct tw_bn_envelope:
        tw_span event
        tw_span stream
        const uint8_t *data
        const uint8_t *data_end
        const uint8_t *event_object
        const uint8_t *event_object_end
        int has_result
        int has_id
        int has_code
        int has_error

    tw_bn_kind tw_bn_name(const uint8_t *p, const uint8_t *end, const uint8_t **after)
    tw_bn_kind tw_bn_kind_of(const uint8_t *name, Py_ssize_t n)
    const uint8_t *tw_bn_book_ticker(const uint8_t *p, const uint8_t *end, const tw_symbols *table, tw_bn_quote *q, tw_err *err)
    const uint8_t *tw_bn_agg_trade(const uint8_t *p, const uint8_t *end, const tw_symbols *table, tw_bn_trade *t, tw_err *err)
    const uint8_t *tw_bn_single_trade(const uint8_t *p, const uint8_t *end, const tw_symbols *table, tw_bn_trade *t, tw_err *err)
    const uint8_t *tw_bn_depth_update(const uint8_t *p, const uint8_t *end, const tw_symbols *table, const tw_scale *price, const tw_scale *size, tw_bn_depth *d, tw_err *err)
    const uint8_t *tw_bn_mark_price(const uint8_t *p, const uint8_t *end, const tw_symbols *table, tw_bn_mark *m, tw_err *err)
    const uint8_t *tw_bn_index_price(const uint8_t *p, const uint8_t *end, const tw_symbols *table, tw_bn_mark *m, tw_err *err)
    const uint8_t *tw_bn_kline_frame(const uint8_t *p, const uint8_t *end, tw_bn_kline *k, tw_err *err)
    const uint8_t *tw_bn_ticker_frame(const uint8_t *p, const uint8_t *end, const tw_symbols *table, int mini, tw_bn_ticker *t, tw_err *err)
    const uint8_t *tw_bn_force_order(const uint8_t *p, const uint8_t *end, const tw_symbols *table, tw_bn_liquidation *l, tw_err *err)
    const uint8_t *tw_bn_envelope_parse(const uint8_t *p, const uint8_t *end, tw_bn_envelope *v, tw_err *err)
    const uint8_t *tw_bn_failed_value(const tw_bn_frame *f, const uint8_t *end, Py_ssize_t *n)
    int32_t tw_bn_lookup(const tw_symbols *table, const tw_span *s, uint8_t *scratch, int room)
    enum:
        TW_BN_SCRATCH

# What must follow an object before it counts: nothing but blanks, the brace that closes a combined
# frame, or (inside an array) nothing in particular.
cdef enum Enclosure:
    WHOLE = 0
    COMBINED = 1
    ELEMENT = 2

# One pass over one object, handed down by pointer.
cdef struct Pass:
    const uint8_t *end                  # of the message
    const uint8_t *after                # set: behind the object
    Enclosure enclosure
    bint named_twice                    # the last of several "e" has been found already
    uint32_t flags                      # what the stream name says of a depth message
    const tw_span *stream               # its name on a combined connection, else NULL
    tw_err err                          # code 0: none


# The decoder has decided that another way must be tried; not an error.
cdef enum:
    AGAIN = 100

# BN-MD-10: the names in the error text of a bad ticker value.
cdef dict TICKER_FIELDS = {
    ord("p"): "price_change", ord("P"): "price_change_percent", ord("w"): "weighted_avg_price",
    ord("c"): "last_price", ord("Q"): "last_qty", ord("o"): "open_price", ord("h"): "high_price",
    ord("l"): "low_price", ord("v"): "volume", ord("q"): "quote_volume", ord("O"): "open_time",
    ord("C"): "close_time", ord("E"): "event_time",
}

cdef dict INTERVALS = {
    b"1s": 1, b"1m": 60, b"3m": 180, b"5m": 300, b"15m": 900, b"30m": 1800, b"1h": 3600, b"2h": 7200,
    b"4h": 14400, b"6h": 21600, b"8h": 28800, b"12h": 43200, b"1d": 86400, b"3d": 259200,
    b"1w": 604800, b"1M": -1,
}

cdef int64_t MS = 1_000_000
cdef int64_t MAX_MS = INT64_MAX // 1_000_000


cdef inline int _time(int64_t ms, int64_t *out, tw_err *err) noexcept nogil:
    """BN-MD-11: ms to ns by integer arithmetic; negative or beyond int64 is an error."""
    if TW_UNLIKELY(ms < 0 or ms > MAX_MS):
        err.code = TW_RANGE
        return TW_RANGE
    out[0] = ms * MS
    return 0


@cython.final
cdef class BinanceDecoder(SymbolDecoder):
    """Decodes the messages of one Binance Futures stream connection.

    Parameters
    ----------
    symbols : SymbolTable
        May be shared by many decoders. Frames of symbols that are not in it are dropped and
        counted in `unknown_symbols` (BN-F-12).
    handler : EventHandler
        Receives the events; a `Router` for Python callbacks.
    on_control : callable, optional
        `on_control(data)` for replies and errors of the control protocol, as JSON bytes.
    on_venue_event : callable, optional
        `on_venue_event(name, payload, stream)` for every event that has no type of its own here;
        `payload` is the JSON of the object, `stream` its stream name on combined connections.
    on_problem : callable, optional
        `on_problem(error, data)` for an object that was skipped because it does not decode;
        without it the error is raised to the feed.
    on_off_scale : callable, optional
        `on_off_scale(instrument)` when a book or trade value did not fit the instrument's scale
        (BN-MD-13). The event is delivered exactly, on a finer scale, with flag `OFF_SCALE`.
    auto_register : bool
        Give unknown symbols an instrument with eight decimals instead of dropping their frames.

    Notes
    -----
    `events`, `control_messages`, `venue_events`, `unknown_symbols`, `unknown_events`,
    `decode_errors` and `off_scale` count and only grow. Belongs to one thread. Numbers may stand
    bare or quoted; the last of duplicate keys counts, as in other JSON parsers; an exponent is
    refused (never seen on this venue, so never guessed at).
    """

    cdef object _on_control, _on_venue_event
    cdef readonly bint auto_register
    cdef readonly uint64_t control_messages, venue_events, unknown_symbols, unknown_events
    cdef const uint8_t *start           # of the message being decoded
    cdef object _reason                 # words for the error being returned, where there are better ones

    def __init__(self, SymbolTable symbols not None, EventHandler handler not None, *, on_control=None,
                 on_venue_event=None, on_problem=None, on_off_scale=None, bint auto_register=False):
        SymbolDecoder.__init__(self, symbols, handler, on_problem=on_problem, on_off_scale=on_off_scale)
        self._on_control = on_control
        self._on_venue_event = on_venue_event
        self.auto_register = auto_register

    cdef int decode(self, const uint8_t *p, Py_ssize_t n, int64_t ts_init) except -1:
        cdef const uint8_t *q
        cdef const uint8_t *stream
        cdef Pass c
        self.start = p
        self.ts_init = ts_init
        c.end = p + n
        c.enclosure = WHOLE
        c.named_twice = False
        c.flags = 0
        c.stream = NULL
        c.err.code = 0
        c.err.at = p
        # The two usual beginnings; everything else, and whatever does not decode, is sorted out
        # in other: a later "e" may still give the object another name.
        if TW_LIKELY(n > 24 and memcmp(p, b'{"e":"', 6) == 0):
            if TW_LIKELY(self.named(p + 6, &c) != AGAIN and c.err.code == 0):
                return 0
        elif n > 48 and memcmp(p, b'{"stream":"', 11) == 0:
            stream = q = p + 11
            while q < c.end and q[0] != c'"' and q[0] != c'\\' and q[0] >= 0x20:
                q += 1
            if c.end - q > 24 and memcmp(q, b'","data":{"e":"', 15) == 0:
                c.enclosure = COMBINED
                c.flags = _stream_flags(stream, q - stream)
                if self.named(q + 15, &c) != AGAIN and c.err.code == 0:
                    return 0
        return self.other(p, p + n)

    # ---- one object with a known place of its event name ----------------------------------------

    cdef inline int named(self, const uint8_t *name, Pass *c) except -1:
        """Decode an object whose first key is "e"; `name` stands behind the quote of its value.

        Returns AGAIN when the shape is not the usual one, else 0 with c.err.code set on error.
        """
        cdef const uint8_t *p = NULL
        cdef tw_bn_kind kind = tw_bn_name(name, c.end, &p)
        if TW_UNLIKELY(kind == BN_UNKNOWN):
            return AGAIN
        return self.known(kind, p, c)

    cdef inline int known(self, tw_bn_kind kind, const uint8_t *p, Pass *c) except -1:
        """Decode an object of a known kind from its first key at `p`, and deliver it."""
        if kind == BN_BOOK_TICKER:
            return self.book_ticker(p, c)
        if kind == BN_DEPTH:
            return self.depth(p, c)
        if kind == BN_AGG_TRADE or kind == BN_TRADE:
            return self.trade(kind, p, c)
        if kind == BN_MARK_PRICE or kind == BN_INDEX_PRICE:
            return self.mark_price(kind, p, c)
        if kind == BN_TICKER or kind == BN_MINI_TICKER:
            return self.ticker(kind, p, c)
        if kind == BN_FORCE_ORDER:
            return self.liquidation(p, c)
        return self.kline(kind, p, c)

    cdef inline int parsed(self, const uint8_t *p, int renamed, Pass *c) noexcept:
        """What all kinds do behind the parser: 0 deliver, 1 error in c.err, AGAIN.

        What follows the object is checked first, so that nothing of a broken message is delivered.
        """
        c.after = p
        # An object with another "e" further on may be of another kind altogether.
        if TW_UNLIKELY(renamed and not c.named_twice):
            return AGAIN
        if TW_UNLIKELY(p == NULL):
            return 1
        if TW_LIKELY(c.enclosure == WHOLE):
            return 0 if TW_LIKELY(p == c.end) or tw_at_end(p, c.end, &c.err) else 1
        if c.enclosure == ELEMENT:
            return 0
        p = tw_ws(p, c.end)
        if p >= c.end or p[0] != c'}':
            return AGAIN  # a further key in the envelope, or an error the slow way finds
        return 0 if tw_at_end(p + 1, c.end, &c.err) else 1

    cdef inline int32_t lookup(self, const tw_span *symbol) except -2:
        cdef uint8_t scratch[TW_BN_SCRATCH]
        cdef int32_t number = tw_bn_lookup(&self.symbols.table, symbol, scratch, TW_BN_SCRATCH)
        if TW_LIKELY(number >= 0):
            return number
        return self._unknown_symbol(_span_bytes(symbol))

    def _unknown_symbol(self, bytes name):
        if self.auto_register and name is not None and 0 < len(name) <= 100:
            try:
                text = name.decode()
                scale = TickScale("0.00000001")
                return self.symbols.add(InstrumentBase(text, text, "BINANCE", scale, scale))
            except ValueError:
                pass  # not UTF-8, or with a quote or control character: no name to register
        self.unknown_symbols += 1
        return -1

    cdef int book_ticker(self, const uint8_t *p, Pass *c) except -1:
        cdef tw_bn_quote q
        cdef QuoteData out
        cdef const tw_symbol *s
        cdef InstrumentBase instrument
        p = tw_bn_book_ticker(p, c.end, &self.symbols.table, &q, &c.err)
        cdef int state = self.parsed(p, q.f.renamed, c)
        if TW_UNLIKELY(state != 0):
            return AGAIN if state == AGAIN else 0
        out.symbol = q.f.number
        if TW_UNLIKELY(out.symbol < 0):
            out.symbol = self.lookup(&q.f.symbol)
            if out.symbol < 0:
                return 0
        s = &self.symbols.table.symbols[out.symbol]
        out.flags = 0
        out.seq = q.update_id
        out.ts_init = self.ts_init
        if TW_UNLIKELY(_time(q.f.time, &out.ts_event, &c.err) != 0):
            return 0
        if TW_LIKELY(scale_to(q.bid, &s.price, TW_OFF_PRICE, &out.bid, &c.err) == 0
                     and scale_to(q.bid_size, &s.size, TW_OFF_SIZE, &out.bid_size, &c.err) == 0
                     and scale_to(q.ask, &s.price, TW_OFF_PRICE, &out.ask, &c.err) == 0
                     and scale_to(q.ask_size, &s.size, TW_OFF_SIZE, &out.ask_size, &c.err) == 0):
            self.events += 1
            # Held: the handler may replace the instrument of its own symbol.
            instrument = <InstrumentBase>PyList_GET_ITEM(self.symbols._instruments, out.symbol)
            self.handler.on_quote(instrument, &out)
            return 0
        cdef tw_scale price, size
        cdef InstrumentBase finer = self.finer(out.symbol, max(q.bid.exponent, q.ask.exponent),
                                               max(q.bid_size.exponent, q.ask_size.exponent), &price, &size, &c.err)
        if (finer is not None
                and scale_to(q.bid, &price, TW_RANGE, &out.bid, &c.err) == 0
                and scale_to(q.bid_size, &size, TW_RANGE, &out.bid_size, &c.err) == 0
                and scale_to(q.ask, &price, TW_RANGE, &out.ask, &c.err) == 0
                and scale_to(q.ask_size, &size, TW_RANGE, &out.ask_size, &c.err) == 0):
            out.flags |= EventFlag.OFF_SCALE
            self.events += 1
            self.handler.on_quote(finer, &out)
        return 0

    cdef InstrumentBase finer(self, int32_t number, int price_decimals, int size_decimals, tw_scale *price,
                              tw_scale *size, tw_err *err, bint expected=False):
        """The instrument on a grid that holds values with that many decimals (BN-MD-13).

        None when the error is another one; otherwise err is cleared and, unless this was to be
        `expected`, the refresh is asked for.
        """
        if err.code != TW_OFF_PRICE and err.code != TW_OFF_SIZE:
            return None
        err.code = 0
        cdef InstrumentBase instrument = self.symbols._instruments[number]
        cdef InstrumentBase fine = instrument.at_scale(price_decimals, size_decimals)
        price.mantissa = fine.price_scale.mantissa
        price.decimals = fine.price_scale.decimals
        size.mantissa = fine.size_scale.mantissa
        size.decimals = fine.size_scale.decimals
        if not expected:
            self.off_scale += 1
            if self._on_off_scale is not None:
                self._on_off_scale(instrument)
        return fine

    cdef int trade(self, tw_bn_kind kind, const uint8_t *p, Pass *c) except -1:
        cdef tw_bn_trade t
        cdef TradeData out
        cdef const tw_symbol *s
        cdef tw_scale price, size
        cdef InstrumentBase instrument, finer
        if kind == BN_AGG_TRADE:
            p = tw_bn_agg_trade(p, c.end, &self.symbols.table, &t, &c.err)
        else:
            p = tw_bn_single_trade(p, c.end, &self.symbols.table, &t, &c.err)
        cdef int state = self.parsed(p, t.f.renamed, c)
        if TW_UNLIKELY(state != 0):
            return AGAIN if state == AGAIN else 0
        out.symbol = t.f.number
        if TW_UNLIKELY(out.symbol < 0):
            out.symbol = self.lookup(&t.f.symbol)
            if out.symbol < 0:
                return 0
        s = &self.symbols.table.symbols[out.symbol]
        out.flags = EventFlag.AGGREGATE if kind == BN_AGG_TRADE else 0
        if TW_UNLIKELY(t.not_market):
            out.flags |= EventFlag.NOT_MARKET
        out.trade_id = t.id
        out.first_id = t.first_id
        out.last_id = t.last_id
        out.aggressor = AggressorSide.SELLER if t.buyer_is_maker else AggressorSide.BUYER
        out.ts_init = self.ts_init
        if TW_UNLIKELY(_time(t.f.time, &out.ts_event, &c.err) != 0):
            return 0
        if TW_LIKELY(scale_to(t.price, &s.price, TW_OFF_PRICE, &out.price, &c.err) == 0
                     and scale_to(t.size, &s.size, TW_OFF_SIZE, &out.size, &c.err) == 0):
            self.events += 1
            instrument = <InstrumentBase>PyList_GET_ITEM(self.symbols._instruments, out.symbol)
            self.handler.on_trade(instrument, &out)
            return 0
        finer = self.finer(out.symbol, t.price.exponent, t.size.exponent, &price, &size, &c.err)
        if (finer is not None and scale_to(t.price, &price, TW_RANGE, &out.price, &c.err) == 0
                and scale_to(t.size, &size, TW_RANGE, &out.size, &c.err) == 0):
            out.flags |= EventFlag.OFF_SCALE
            self.events += 1
            self.handler.on_trade(finer, &out)
        return 0

    cdef int depth(self, const uint8_t *p, Pass *c) except -1:
        cdef tw_bn_depth d
        cdef BookData out
        cdef tw_scale price, size
        cdef InstrumentBase instrument
        cdef const uint8_t *q
        cdef int state, tries, price_decimals = -1, size_decimals = -1
        d.bids = &self.bids
        d.asks = &self.asks
        q = tw_bn_depth_update(p, c.end, &self.symbols.table, NULL, NULL, &d, &c.err)
        state = self.parsed(q, d.f.renamed, c)
        out.flags = c.flags
        out.ts_init = self.ts_init
        if TW_UNLIKELY(state != 0):
            if state == AGAIN:
                return AGAIN
            if c.err.code != TW_OFF_PRICE and c.err.code != TW_OFF_SIZE:
                return 0
            # Told first: the callback may feed another depth message, which takes the same buffers,
            # or bring a new instrument.
            out.flags |= EventFlag.OFF_SCALE
            self.off_scale += 1
            if self._on_off_scale is not None:
                self._on_off_scale(self.symbols._instruments[d.symbol])
            # Some level does not fit the scale: refine until all do. Each round adds decimals, of
            # which there are at most 18 a side.
            for tries in range(40):
                if c.err.code == TW_OFF_PRICE:
                    price_decimals = max(price_decimals, c.err.decimals)
                elif c.err.code == TW_OFF_SIZE:
                    size_decimals = max(size_decimals, c.err.decimals)
                else:
                    return 0
                instrument = (<InstrumentBase>self.symbols._instruments[d.symbol]).at_scale(
                    price_decimals, size_decimals)
                price.mantissa = instrument.price_scale.mantissa
                price.decimals = instrument.price_scale.decimals
                size.mantissa = instrument.size_scale.mantissa
                size.decimals = instrument.size_scale.decimals
                c.err.code = 0
                q = tw_bn_depth_update(p, c.end, &self.symbols.table, &price, &size, &d, &c.err)
                state = self.parsed(q, d.f.renamed, c)
                if state == AGAIN:
                    return AGAIN
                if state == 0:
                    break
            else:
                return 0
        elif TW_UNLIKELY(d.symbol < 0):
            if self.lookup(&d.f.symbol) < 0:
                return 0
            # Registered just now, so its levels are still to be decoded.
            return self.depth(p, c)
        else:
            instrument = <InstrumentBase>self.symbols._instruments[d.symbol]
        out.symbol = d.symbol
        if c.flags & EXPLICIT:
            out.flags &= ~EXPLICIT
        else:
            out.flags |= self.symbols.table.symbols[d.symbol].depth_flags
        if TW_UNLIKELY(_time(d.f.time, &out.ts_event, &c.err) != 0):
            return 0
        out.first_seq = d.first
        out.last_seq = d.last
        out.prev_seq = d.prev
        out.n_bids = self.bids.count
        out.n_asks = self.asks.count
        out.bid_prices = self.bids.prices
        out.bid_sizes = self.bids.sizes
        out.ask_prices = self.asks.prices
        out.ask_sizes = self.asks.sizes
        self.events += 1
        self.handler.on_book(instrument, &out, (out.flags & EventFlag.PARTIAL) != 0)
        return 0

    cdef int mark_price(self, tw_bn_kind kind, const uint8_t *p, Pass *c) except -1:
        cdef tw_bn_mark m
        cdef MarkPriceData out
        cdef IndexPriceData index
        cdef int32_t number
        if kind == BN_MARK_PRICE:
            p = tw_bn_mark_price(p, c.end, &self.symbols.table, &m, &c.err)
        else:
            p = tw_bn_index_price(p, c.end, &self.symbols.table, &m, &c.err)
        cdef int state = self.parsed(p, m.f.renamed, c)
        if TW_UNLIKELY(state != 0):
            return AGAIN if state == AGAIN else 0
        number = self.lookup(&m.f.symbol)
        if number < 0:
            return 0
        if kind == BN_INDEX_PRICE:
            index.symbol = number
            index.flags = 0
            index.ts_init = self.ts_init
            index.index = fixed_of(m.index)
            if _time(m.f.event_time, &index.ts_event, &c.err) == 0:
                self.events += 1
                self.handler.on_index_price(<InstrumentBase>self.symbols._instruments[number], &index)
            return 0
        out.symbol = number
        out.flags = 0
        out.ts_init = self.ts_init
        out.mark = fixed_of(m.mark)
        out.index = fixed_of(m.index)
        out.settle = fixed_of(m.settle)
        out.funding_rate = fixed_of(m.rate)
        if _time(m.f.event_time, &out.ts_event, &c.err) == 0 and _time(m.f.time, &out.ts_next_funding, &c.err) == 0:
            self.events += 1
            self.handler.on_mark_price(<InstrumentBase>self.symbols._instruments[number], &out)
        return 0

    cdef int kline(self, tw_bn_kind kind, const uint8_t *p, Pass *c) except -1:
        cdef tw_bn_kline k
        cdef BarData out
        cdef tw_scale price, size
        cdef InstrumentBase instrument
        cdef tw_span *name = &k.f.symbol
        p = tw_bn_kline_frame(p, c.end, &k, &c.err)
        cdef int state = self.parsed(p, k.f.renamed, c)
        if TW_UNLIKELY(state != 0):
            return AGAIN if state == AGAIN else 0
        out.flags = EventFlag.CLOSED if k.closed else 0
        if kind == BN_CONTINUOUS_KLINE:
            # No symbol at all on the wire: pair and contract type name the series.
            out.flags |= EventFlag.CONTINUOUS
            out.symbol = self._continuous(_span_bytes(&k.f.pair), _span_bytes(&k.f.contract))
            if out.symbol == -2:
                c.err.code = TW_MISSING
                return 0
        else:
            if kind == BN_INDEX_KLINE:
                out.flags |= EventFlag.INDEX
                name = &k.f.pair  # its `s` is the text "0"
            elif kind == BN_MARK_KLINE:
                out.flags |= EventFlag.MARK
            if name.text == NULL:
                c.err.code = TW_MISSING
                return 0
            out.symbol = self.lookup(name)
        if out.symbol < 0:
            return 0
        interval = INTERVALS.get(_span_bytes(&k.interval))
        if interval is None:
            c.err.code = TW_VALUE
            c.err.at = k.interval.text
            return 0
        out.interval_s = interval
        out.ts_init = self.ts_init
        out.trade_count = k.trades
        out.quote_volume = fixed_of(k.quote_volume)
        out.taker_buy_quote_volume = fixed_of(k.taker_quote_volume)
        # BN-MD-08: the time of a bar is its close time.
        if _time(k.open_time, &out.ts_open, &c.err) != 0 or _time(k.close_time, &out.ts_event, &c.err) != 0:
            return 0
        instrument = <InstrumentBase>self.symbols._instruments[out.symbol]
        price = self.symbols.table.symbols[out.symbol].price
        size = self.symbols.table.symbols[out.symbol].size
        if not _scale_bar(&k, &price, &size, &out, &c.err):
            # Bars from before a change of the tick size may be off the new one. Mark and index
            # prices are finer than any tick (BN-MD-13): that says nothing about the instrument.
            instrument = self.finer(out.symbol, max(k.open.exponent, k.high.exponent, k.low.exponent,
                                                    k.close.exponent),
                                    max(k.volume.exponent, k.taker_volume.exponent), &price, &size, &c.err,
                                    kind == BN_MARK_KLINE or kind == BN_INDEX_KLINE)
            if instrument is None or not _scale_bar(&k, &price, &size, &out, &c.err):
                return 0
            out.flags |= EventFlag.OFF_SCALE
        self.events += 1
        self.handler.on_bar(instrument, &out)
        return 0

    def _continuous(self, bytes pair, bytes contract):
        if pair is None or contract is None:
            return -2
        cdef bytes name = pair + b"_" + contract
        cdef tw_span span
        span.text = <const uint8_t *><const char *>name
        span.length = len(name)
        span.escaped = 0
        return self.lookup(&span)

    cdef int ticker(self, tw_bn_kind kind, const uint8_t *p, Pass *c) except -1:
        cdef tw_bn_ticker t
        cdef TickerData out
        cdef InstrumentBase instrument
        cdef Py_ssize_t length
        cdef bint mini = kind == BN_MINI_TICKER
        p = tw_bn_ticker_frame(p, c.end, &self.symbols.table, mini, &t, &c.err)
        cdef int state = self.parsed(p, t.f.renamed, c)
        if TW_UNLIKELY(state != 0):
            if state == AGAIN:
                return AGAIN
            if t.f.key in TICKER_FIELDS:
                p = tw_bn_failed_value(&t.f, c.end, &length)
                if p != NULL:
                    self._bad_ticker_value(t.f.key, p[:length])
            return 0
        out.symbol = self.lookup(&t.f.symbol)
        if out.symbol < 0:
            return 0
        out.flags = EventFlag.MINI if mini else 0
        out.ts_init = self.ts_init
        out.last = fixed_of(t.last)
        out.open = fixed_of(t.open)
        out.high = fixed_of(t.high)
        out.low = fixed_of(t.low)
        out.volume = fixed_of(t.volume)
        out.quote_volume = fixed_of(t.quote_volume)
        out.change = fixed_of(t.change)
        out.change_percent = fixed_of(t.change_percent)
        out.weighted_average = fixed_of(t.average)
        out.last_size = fixed_of(t.last_size)
        out.first_id = t.first_id
        out.last_id = t.last_id
        out.trade_count = t.trades
        out.ts_open = out.ts_close = 0
        if _time(t.f.event_time, &out.ts_event, &c.err) != 0:
            self._bad_ticker_value(c"E", str(t.f.event_time).encode())
            return 0
        if not mini and _time(t.open_time, &out.ts_open, &c.err) != 0:
            self._bad_ticker_value(c"O", str(t.open_time).encode())
            return 0
        if not mini and _time(t.close_time, &out.ts_close, &c.err) != 0:
            self._bad_ticker_value(c"C", str(t.close_time).encode())
            return 0
        self.events += 1
        instrument = <InstrumentBase>self.symbols._instruments[out.symbol]
        self.handler.on_ticker(instrument, &out)
        return 0

    cdef int liquidation(self, const uint8_t *p, Pass *c) except -1:
        cdef tw_bn_liquidation l
        cdef LiquidationData out
        cdef tw_scale price, size
        cdef InstrumentBase instrument
        p = tw_bn_force_order(p, c.end, &self.symbols.table, &l, &c.err)
        cdef int state = self.parsed(p, l.f.renamed, c)
        if TW_UNLIKELY(state != 0):
            return AGAIN if state == AGAIN else 0
        out.symbol = self.lookup(&l.f.symbol)
        if out.symbol < 0:
            return 0
        out.flags = 0
        out.side = AggressorSide.SELLER if l.sell else AggressorSide.BUYER
        out.average_price = fixed_of(l.average_price)
        out.ts_init = self.ts_init
        if _time(l.f.time, &out.ts_event, &c.err) != 0:
            return 0
        instrument = <InstrumentBase>self.symbols._instruments[out.symbol]
        price = self.symbols.table.symbols[out.symbol].price
        size = self.symbols.table.symbols[out.symbol].size
        if not _scale_liquidation(&l, &price, &size, &out, &c.err):
            instrument = self.finer(out.symbol, l.price.exponent,
                                    max(l.size.exponent, l.last_size.exponent, l.filled_size.exponent),
                                    &price, &size, &c.err)
            if instrument is None or not _scale_liquidation(&l, &price, &size, &out, &c.err):
                return 0
            out.flags |= EventFlag.OFF_SCALE
        self.events += 1
        self.handler.on_liquidation(instrument, &out)
        return 0

    # ---- everything that does not begin in the usual way -----------------------------------------

    cdef int other(self, const uint8_t *p, const uint8_t *end) except -1:
        """A whole message of any shape: arrays, envelopes, replies, odd layouts, broken ones."""
        cdef Pass c
        cdef object failed = None
        cdef const uint8_t *start = tw_ws(p, end)
        c.end = end
        c.after = NULL
        c.enclosure = WHOLE
        c.named_twice = False
        c.flags = 0
        c.stream = NULL
        c.err.code = 0
        c.err.at = p
        self._reason = None
        if start < end and start[0] == c'[':
            failed = self.array(start, &c)
            if c.err.code == 0:
                tw_at_end(c.after, end, &c.err)
        else:
            self.object(start, &c)
        if c.err.code != 0:
            self.problem(&c, p)
        elif failed is not None and self._on_problem is None:
            raise failed
        return 0

    cdef object array(self, const uint8_t *p, Pass *c):
        """The objects of an array, each for itself: a bad one does not take the others with it.

        Returns the first error that was passed over.
        """
        cdef const uint8_t *element
        cdef const uint8_t *next
        cdef const uint8_t *start = self.start
        cdef const tw_span *stream = c.stream
        cdef uint32_t flags = c.flags
        cdef int64_t ts_init = self.ts_init
        cdef int more
        cdef object failed = None, error
        p = tw_ws(p + 1, c.end)
        if p < c.end and p[0] == c']':
            c.after = p + 1
            return None
        while True:
            element = p
            c.enclosure = ELEMENT
            c.named_twice = False
            c.stream = stream  # the element before may have been an envelope of its own
            c.flags = flags
            if p < c.end and p[0] == c'{':
                self.object(p, c)
                p = c.after
            else:
                c.err.code = TW_TYPE
                c.err.at = element
            if c.err.code != 0:
                # Find the end of the element; if there is none, the whole message is broken.
                error = self._error(c.err.code, c.err.at - start)
                c.err.code = 0
                p = tw_skip(element, c.end, &c.err)
                if p == NULL:
                    return failed
                failed = failed or error
                self.decode_errors += 1
                if self._on_problem is not None:
                    self._on_problem(error, element[:p - element])
            # A callback may have fed another message meanwhile.
            self.start = start
            self.ts_init = ts_init
            more = tw_next(p, c.end, c']', &next, &c.err)
            if more < 0:
                return failed
            p = next
            if more == 0:
                c.after = p
                return failed

    cdef int object(self, const uint8_t *p, Pass *c) except -1:
        """One object whose event name may stand anywhere in it."""
        cdef tw_bn_envelope v
        cdef tw_bn_kind kind
        cdef bytes name
        cdef const uint8_t *after
        if c.enclosure == ELEMENT and c.end - p > 24 and memcmp(p, b'{"e":"', 6) == 0:
            if self.named(p + 6, c) != AGAIN and c.err.code == 0:
                return 0
            c.err.code = 0
        after = c.after = tw_bn_envelope_parse(p, c.end, &v, &c.err)
        if after == NULL:
            return 0
        if c.enclosure == WHOLE and not tw_at_end(after, c.end, &c.err):
            return 0
        # From here on the object is known to be whole, with nothing behind it that matters.
        c.enclosure = ELEMENT
        if v.event.text != NULL:
            name = _span_bytes(&v.event)
            kind = BN_UNKNOWN if name is None else tw_bn_kind_of(<const uint8_t *><const char *>name, len(name))
            if kind == BN_UNKNOWN:
                return self.venue_event(name, p, after, c.stream)
            c.named_twice = True
            return self.known(kind, tw_ws(p + 1, c.end), c)
        if v.stream.text != NULL and v.data != NULL:
            self.combined(&v, c)
        elif v.event_object != NULL:
            # The official client looks for serverShutdown in this shape (BN-T-15).
            self.object(v.event_object, c)
        elif v.has_result or v.has_id or v.has_code or v.has_error:
            self.control_messages += 1
            if self._on_control is not None:
                self._on_control(p[:after - p])
        else:
            self.venue_event(b"", p, after, c.stream)
        c.after = after
        return 0

    cdef int combined(self, tw_bn_envelope *v, Pass *c) except -1:
        """The data of a combined frame that is not laid out in the usual way."""
        cdef bytes name = _span_bytes(&v.stream)
        c.stream = &v.stream
        c.flags = EXPLICIT if name is None else _stream_flags(<const uint8_t *><const char *>name, len(name))
        if v.data[0] == c'{':
            return self.object(v.data, c)
        if v.data[0] != c'[':
            c.err.code = TW_TYPE
            c.err.at = v.data
            return 0
        failed = self.array(v.data, c)
        if failed is not None and self._on_problem is None:
            raise failed
        return 0

    cdef int venue_event(self, bytes name, const uint8_t *p, const uint8_t *end, const tw_span *span) except -1:
        cdef bytes stream = None if span == NULL else _span_bytes(span)
        if not name:
            self.unknown_events += 1
        self.venue_events += 1
        if self._on_venue_event is not None:
            self._on_venue_event((name or b"").decode("utf-8", "replace"), p[:end - p],
                                 None if stream is None else stream.decode("utf-8", "replace"))
        return 0

    # ---- errors ------------------------------------------------------------------------------------

    def _error(self, int code, Py_ssize_t offset):
        """The error in words, with its offset from the start of the message."""
        reason, self._reason = self._reason, None
        return DecodeError(reason or REASONS.get(code, "does not decode"), offset)

    cdef int problem(self, Pass *c, const uint8_t *p) except -1:
        error = self._error(c.err.code, c.err.at - p)
        self.decode_errors += 1
        if self._on_problem is None:
            raise error
        self._on_problem(error, p[:c.end - p])
        return 0

    def _bad_ticker_value(self, uint64_t key, bytes value):
        text = value.decode("utf-8", "replace").strip().strip('"')
        self._reason = f"invalid Binance ticker {TICKER_FIELDS[key]}='{text}'"


cdef uint32_t EXPLICIT = 1u << 30


cdef uint32_t _stream_flags(const uint8_t *p, Py_ssize_t n) noexcept nogil:
    """What kind of depth a stream name says it is (BN-F-06)."""
    cdef const uint8_t *end = p + n
    while p < end and p[0] != c'@':
        p += 1
    if end - p > 6 and memcmp(p, b"@depth", 6) == 0 and c'0' <= p[6] <= c'9':
        return EXPLICIT | EventFlag.PARTIAL
    if end - p >= 9 and memcmp(p, b"@rpiDepth", 9) == 0:
        return EXPLICIT | EventFlag.RPI
    return EXPLICIT


cdef bytes _span_bytes(const tw_span *s):
    """The text of a string value; None when absent or not decodable."""
    cdef int n
    if s.text == NULL:
        return None
    if not s.escaped:
        return PyBytes_FromStringAndSize(<const char *>s.text, s.length)
    cdef bytearray room = bytearray(s.length)
    n = tw_unescape(s.text, s.text + s.length, <uint8_t *><char *>room, <int>len(room))
    return None if n < 0 else bytes(room[:n])


cdef bint _scale_bar(const tw_bn_kline *k, const tw_scale *price, const tw_scale *size, BarData *out,
                     tw_err *err) noexcept nogil:
    return (scale_to(k.open, price, TW_OFF_PRICE, &out.open, err) == 0
            and scale_to(k.high, price, TW_OFF_PRICE, &out.high, err) == 0
            and scale_to(k.low, price, TW_OFF_PRICE, &out.low, err) == 0
            and scale_to(k.close, price, TW_OFF_PRICE, &out.close, err) == 0
            and scale_to(k.volume, size, TW_OFF_SIZE, &out.volume, err) == 0
            and scale_to(k.taker_volume, size, TW_OFF_SIZE, &out.taker_buy_volume, err) == 0)


cdef bint _scale_liquidation(const tw_bn_liquidation *l, const tw_scale *price, const tw_scale *size,
                             LiquidationData *out, tw_err *err) noexcept nogil:
    return (scale_to(l.price, price, TW_OFF_PRICE, &out.price, err) == 0
            and scale_to(l.size, size, TW_OFF_SIZE, &out.size, err) == 0
            and scale_to(l.last_size, size, TW_OFF_SIZE, &out.last_size, err) == 0
            and scale_to(l.filled_size, size, TW_OFF_SIZE, &out.filled_size, err) == 0)
