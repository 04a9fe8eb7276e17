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
from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

from connectors._speedups._csrc cimport (
    TW_DEPTH,
    TW_LIKELY,
    TW_MEMORY,
    TW_MISSING,
    TW_OFF_PRICE,
    TW_OFF_SIZE,
    TW_OK,
    TW_RANGE,
    TW_SYNTAX,
    TW_TRAILING,
    TW_TRUNCATED,
    TW_TYPE,
    TW_UNLIKELY,
    TW_VALUE,
    tw_at_end,
    tw_err,
    tw_fixed,
    tw_levels,
    tw_levels_free,
    tw_next,
    tw_scale,
    tw_skip,
    tw_symbol,
    tw_symbols,
    tw_to_scale,
    tw_unescape,
    tw_ws,
)
from connectors._speedups.events cimport (
    AggressorSide,
    BarData,
    BookData,
    EventFlag,
    EventHandler,
    Fixed,
    IndexPriceData,
    InstrumentBase,
    LiquidationData,
    MarkPriceData,
    QuoteData,
    TickerData,
    TradeData,
)
from connectors._speedups.feed cimport Decoder
from connectors._speedups.symbols cimport SymbolTable
from connectors._speedups.ticks cimport TickScale

from connectors._speedups.errors import DecodeError

__all__ = ["BinanceDecoder"]

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
        int64_t event_time
        int64_t time
        uint32_t seen
        int renamed
        uint64_t key

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

    tw_bn_kind tw_bn_kind_of(const uint8_t *name, Py_ssize_t n)
    const uint8_t *tw_bn_book_ticker(const uint8_t *p, const uint8_t *end, tw_bn_quote *q, tw_err *err)
    const uint8_t *tw_bn_agg_trade(const uint8_t *p, const uint8_t *end, tw_bn_trade *t, tw_err *err)
    const uint8_t *tw_bn_single_trade(const uint8_t *p, const uint8_t *end, tw_bn_trade *t, tw_err *err)
    const uint8_t *tw_bn_depth_update(const uint8_t *p, const uint8_t *end, const tw_symbols *table, const tw_scale *price, const tw_scale *size, tw_bn_depth *d, tw_err *err)
    const uint8_t *tw_bn_mark_price(const uint8_t *p, const uint8_t *end, tw_bn_mark *m, tw_err *err)
    const uint8_t *tw_bn_index_price(const uint8_t *p, const uint8_t *end, tw_bn_mark *m, tw_err *err)
    const uint8_t *tw_bn_kline_frame(const uint8_t *p, const uint8_t *end, tw_bn_kline *k, tw_err *err)
    const uint8_t *tw_bn_ticker_frame(const uint8_t *p, const uint8_t *end, int mini, tw_bn_ticker *t, tw_err *err)
    const uint8_t *tw_bn_force_order(const uint8_t *p, const uint8_t *end, tw_bn_liquidation *l, tw_err *err)
    const uint8_t *tw_bn_envelope_parse(const uint8_t *p, const uint8_t *end, tw_bn_envelope *v, tw_err *err)
    int32_t tw_bn_lookup(const tw_symbols *table, const tw_span *s, uint8_t *scratch, int room)
    enum:
        TW_BN_SCRATCH

# What must follow an object before it counts: nothing but blanks, the brace that closes a combined
# frame, or (inside an array) nothing in particular.
cdef enum Enclosure:
    WHOLE = 0
    COMBINED = 1
    ELEMENT = 2

# The decoder has decided that another way must be tried; not an error.
cdef enum:
    AGAIN = 100

cdef dict REASONS = {
    TW_SYNTAX: "not valid JSON, or not a number where one must be",
    TW_TRUNCATED: "message is truncated",
    TW_DEPTH: "nested too deeply",
    TW_TYPE: "value has the wrong type",
    TW_RANGE: "number does not fit 64 bits",
    TW_OFF_PRICE: "price is not a multiple of the tick size",
    TW_OFF_SIZE: "size is not a multiple of the lot size",
    TW_MISSING: "a mandatory field is missing",
    TW_TRAILING: "bytes after the end of the message",
    TW_MEMORY: "out of memory",
    TW_VALUE: "value is not allowed here",
}

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


cdef inline Fixed _fixed(tw_fixed x) noexcept nogil:
    cdef Fixed out
    out.mantissa = x.mantissa
    out.exponent = x.exponent
    return out


cdef inline int _scale(tw_fixed x, const tw_scale *scale, int off, int64_t *out, tw_err *err) noexcept nogil:
    cdef int code = tw_to_scale(x, scale, off, out)
    if TW_UNLIKELY(code != 0):
        err.code = code
        err.decimals = x.exponent
    return code


cdef inline int _time(int64_t ms, int64_t *out, tw_err *err) noexcept nogil:
    """BN-MD-11: ms to ns by integer arithmetic; negative or beyond int64 is an error."""
    if TW_UNLIKELY(ms < 0 or ms > MAX_MS):
        err.code = TW_RANGE
        return TW_RANGE
    out[0] = ms * MS
    return 0


@cython.final
cdef class BinanceDecoder(Decoder):
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

    cdef readonly SymbolTable symbols
    cdef readonly EventHandler handler
    cdef object _on_control, _on_venue_event, _on_problem, _on_off_scale
    cdef readonly bint auto_register
    cdef readonly uint64_t events, control_messages, venue_events, unknown_symbols
    cdef readonly uint64_t unknown_events, decode_errors, off_scale
    cdef tw_levels bids, asks
    cdef const uint8_t *start           # of the message being decoded
    cdef int64_t ts_init
    cdef object _reason                 # words for the error being returned, where there are better ones

    def __init__(self, SymbolTable symbols not None, EventHandler handler not None, *, on_control=None,
                 on_venue_event=None, on_problem=None, on_off_scale=None, bint auto_register=False):
        self.symbols = symbols
        self.handler = handler
        self._on_control = on_control
        self._on_venue_event = on_venue_event
        self._on_problem = on_problem
        self._on_off_scale = on_off_scale
        self.auto_register = auto_register

    def __dealloc__(self):
        tw_levels_free(&self.bids)
        tw_levels_free(&self.asks)

    def feed(self, const uint8_t[::1] data not None, int64_t ts_init=0):
        """Decode one message, as the feed does: for tests, recordings and benchmarks."""
        self.decode(&data[0] if data.shape[0] else NULL, data.shape[0], ts_init)

    def feed_bytes(self, bytes data not None, int64_t ts_init=0):
        """`feed` for bytes only, without the cost of a buffer request."""
        self.decode(<const uint8_t *><const char *>data, len(data), ts_init)

    cdef int decode(self, const uint8_t *p, Py_ssize_t n, int64_t ts_init) except -1:
        cdef const uint8_t *end = p + n
        cdef const uint8_t *q
        cdef const uint8_t *after
        cdef const uint8_t *stream
        cdef tw_err err
        self.start = p
        self.ts_init = ts_init
        err.code = 0
        err.at = p
        err.decimals = -1
        # The two usual beginnings; everything else is sorted out in _other.
        if TW_LIKELY(n > 24):
            if TW_LIKELY(memcmp(p, b'{"e":"', 6) == 0):
                if self.named(p + 6, p, end, WHOLE, 0, &after, &err) == AGAIN:
                    return self._other(p, end)
                return self.settle(p, end, after, &err)
            if memcmp(p, b'{"stream":"', 11) == 0:
                stream = q = p + 11
                while q < end and q[0] != c'"' and q[0] != c'\\' and q[0] >= 0x20:
                    q += 1
                if end - q > 24 and memcmp(q, b'","data":{"e":"', 15) == 0:
                    if self.named(q + 15, q + 9, end, COMBINED, _stream_flags(stream, q - stream),
                                  &after, &err) == AGAIN:
                        return self._other(p, end)
                    return self.settle(p, end, after, &err)
        return self._other(p, end)

    cdef inline int settle(self, const uint8_t *p, const uint8_t *end, const uint8_t *after, tw_err *err) except -1:
        if TW_UNLIKELY(err.code != 0):
            self._problem(err, p, end)
        return 0

    # ---- one object with a known place of its event name ----------------------------------------

    cdef int named(self, const uint8_t *name, const uint8_t *object_start, const uint8_t *end,
                   Enclosure enclosure, uint32_t flags, const uint8_t **after, tw_err *err) except -1:
        """Decode an object whose first key is "e"; `name` stands behind the quote of its value.

        Returns AGAIN when the shape is not the usual one, else 0 with err->code set on error.
        """
        cdef const uint8_t *p = name
        cdef tw_bn_kind kind
        while p < end and p[0] != c'"' and p[0] != c'\\' and p[0] >= 0x20:
            p += 1
        if TW_UNLIKELY(end - p < 4 or p[0] != c'"' or p[1] != c','):
            return AGAIN
        kind = tw_bn_kind_of(name, p - name)
        if TW_UNLIKELY(kind == BN_UNKNOWN):
            return AGAIN
        return self.known(kind, p + 2, end, enclosure, flags, False, after, err)

    cdef int known(self, tw_bn_kind kind, const uint8_t *p, const uint8_t *end, Enclosure enclosure,
                   uint32_t flags, bint named_twice, const uint8_t **after, tw_err *err) except -1:
        """Decode an object of a known kind from its first key at `p`, and deliver it."""
        if kind == BN_BOOK_TICKER:
            return self.book_ticker(p, end, enclosure, named_twice, after, err)
        if kind == BN_DEPTH:
            return self.depth(p, end, enclosure, flags, named_twice, after, err)
        if kind == BN_AGG_TRADE or kind == BN_TRADE:
            return self.trade(kind, p, end, enclosure, named_twice, after, err)
        if kind == BN_MARK_PRICE or kind == BN_INDEX_PRICE:
            return self.mark_price(kind, p, end, enclosure, named_twice, after, err)
        if kind == BN_TICKER or kind == BN_MINI_TICKER:
            return self.ticker(kind, p, end, enclosure, named_twice, after, err)
        if kind == BN_FORCE_ORDER:
            return self.liquidation(p, end, enclosure, named_twice, after, err)
        return self.kline(kind, p, end, enclosure, named_twice, after, err)

    cdef inline int closed(self, const uint8_t *p, const uint8_t *end, Enclosure enclosure, tw_err *err) noexcept:
        """Check what follows the object, so that nothing of a broken message is delivered."""
        if TW_LIKELY(enclosure == WHOLE):
            return p == end or tw_at_end(p, end, err)
        if enclosure == COMBINED:
            p = tw_ws(p, end)
            if p >= end or p[0] != c'}':
                err.code = AGAIN  # a further key in the envelope, or an error the slow way finds
                return 0
            return tw_at_end(p + 1, end, err)
        return 1

    cdef inline int parsed(self, const uint8_t *p, const uint8_t *end, Enclosure enclosure, bint named_twice,
                           tw_bn_frame *f, const uint8_t **after, tw_err *err) noexcept:
        """What all kinds do behind the parser: 0 deliver, 1 error in err, AGAIN."""
        after[0] = p
        if TW_UNLIKELY(p == NULL):
            # An object with another "e" further on may be of another kind altogether.
            return AGAIN if f.renamed and not named_twice else 1
        if TW_UNLIKELY(f.renamed and not named_twice):
            return AGAIN
        if TW_LIKELY(self.closed(p, end, enclosure, err)):
            return 0
        if err.code == AGAIN:
            err.code = 0
            return AGAIN
        return 1

    cdef inline int32_t lookup(self, const tw_span *symbol) except -2:
        cdef uint8_t scratch[TW_BN_SCRATCH]
        cdef int32_t number = tw_bn_lookup(&self.symbols.table, symbol, scratch, TW_BN_SCRATCH)
        if TW_LIKELY(number >= 0):
            return number
        return self._unknown_symbol(_span_bytes(symbol))

    def _unknown_symbol(self, bytes name):
        if self.auto_register and name is not None and 0 < len(name) <= 100:
            text = name.decode()
            scale = TickScale("0.00000001")
            return self.symbols.add(InstrumentBase(text, text, "BINANCE", scale, scale))
        self.unknown_symbols += 1
        return -1

    cdef int book_ticker(self, const uint8_t *p, const uint8_t *end, Enclosure enclosure, bint named_twice,
                         const uint8_t **after, tw_err *err) except -1:
        cdef tw_bn_quote q
        cdef QuoteData out
        cdef const tw_symbol *s
        cdef int state = self.parsed(tw_bn_book_ticker(p, end, &q, err), end, enclosure, named_twice, &q.f, after, err)
        if TW_UNLIKELY(state != 0):
            return AGAIN if state == AGAIN else 0
        out.symbol = self.lookup(&q.f.symbol)
        if TW_UNLIKELY(out.symbol < 0):
            return 0
        s = &self.symbols.table.symbols[out.symbol]
        out.flags = 0
        out.seq = q.update_id
        out.ts_init = self.ts_init
        if TW_UNLIKELY(_time(q.f.time, &out.ts_event, err) != 0):
            return 0
        if TW_LIKELY(_scale(q.bid, &s.price, TW_OFF_PRICE, &out.bid, err) == 0
                     and _scale(q.bid_size, &s.size, TW_OFF_SIZE, &out.bid_size, err) == 0
                     and _scale(q.ask, &s.price, TW_OFF_PRICE, &out.ask, err) == 0
                     and _scale(q.ask_size, &s.size, TW_OFF_SIZE, &out.ask_size, err) == 0):
            self.events += 1
            self.handler.on_quote(<InstrumentBase>self.symbols._instruments[out.symbol], &out)
            return 0
        cdef tw_scale price, size
        cdef InstrumentBase finer = self.finer(out.symbol, max(q.bid.exponent, q.ask.exponent),
                                               max(q.bid_size.exponent, q.ask_size.exponent), &price, &size, err)
        if (finer is not None
                and _scale(q.bid, &price, TW_RANGE, &out.bid, err) == 0
                and _scale(q.bid_size, &size, TW_RANGE, &out.bid_size, err) == 0
                and _scale(q.ask, &price, TW_RANGE, &out.ask, err) == 0
                and _scale(q.ask_size, &size, TW_RANGE, &out.ask_size, err) == 0):
            out.flags |= EventFlag.OFF_SCALE
            self.events += 1
            self.handler.on_quote(finer, &out)
        return 0

    cdef InstrumentBase finer(self, int32_t number, int price_decimals, int size_decimals, tw_scale *price,
                              tw_scale *size, tw_err *err):
        """The instrument on a grid that holds values with that many decimals (BN-MD-13).

        None when the error is another one; otherwise err is cleared and the refresh is asked for.
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
        self.off_scale += 1
        if self._on_off_scale is not None:
            self._on_off_scale(instrument)
        return fine

    cdef int trade(self, tw_bn_kind kind, const uint8_t *p, const uint8_t *end, Enclosure enclosure,
                   bint named_twice, const uint8_t **after, tw_err *err) except -1:
        cdef tw_bn_trade t
        cdef TradeData out
        cdef const tw_symbol *s
        cdef tw_scale price, size
        cdef InstrumentBase finer
        if kind == BN_AGG_TRADE:
            p = tw_bn_agg_trade(p, end, &t, err)
        else:
            p = tw_bn_single_trade(p, end, &t, err)
        cdef int state = self.parsed(p, end, enclosure, named_twice, &t.f, after, err)
        if TW_UNLIKELY(state != 0):
            return AGAIN if state == AGAIN else 0
        out.symbol = self.lookup(&t.f.symbol)
        if TW_UNLIKELY(out.symbol < 0):
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
        if TW_UNLIKELY(_time(t.f.time, &out.ts_event, err) != 0):
            return 0
        if TW_LIKELY(_scale(t.price, &s.price, TW_OFF_PRICE, &out.price, err) == 0
                     and _scale(t.size, &s.size, TW_OFF_SIZE, &out.size, err) == 0):
            self.events += 1
            self.handler.on_trade(<InstrumentBase>self.symbols._instruments[out.symbol], &out)
            return 0
        finer = self.finer(out.symbol, t.price.exponent, t.size.exponent, &price, &size, err)
        if (finer is not None and _scale(t.price, &price, TW_RANGE, &out.price, err) == 0
                and _scale(t.size, &size, TW_RANGE, &out.size, err) == 0):
            out.flags |= EventFlag.OFF_SCALE
            self.events += 1
            self.handler.on_trade(finer, &out)
        return 0

    cdef int depth(self, const uint8_t *p, const uint8_t *end, Enclosure enclosure, uint32_t flags,
                   bint named_twice, const uint8_t **after, tw_err *err) except -1:
        cdef tw_bn_depth d
        cdef BookData out
        cdef tw_scale price, size
        cdef InstrumentBase instrument
        cdef int state, tries, price_decimals = -1, size_decimals = -1
        d.bids = &self.bids
        d.asks = &self.asks
        state = self.parsed(tw_bn_depth_update(p, end, &self.symbols.table, NULL, NULL, &d, err), end,
                            enclosure, named_twice, &d.f, after, err)
        out.flags = flags
        if TW_UNLIKELY(state != 0):
            if state == AGAIN:
                return AGAIN
            if err.code != TW_OFF_PRICE and err.code != TW_OFF_SIZE:
                return 0
            # Some level does not fit the scale: refine until all do. Each round adds decimals, of
            # which there are at most 18 a side.
            instrument = self.symbols._instruments[d.symbol]
            for tries in range(40):
                if err.code == TW_OFF_PRICE:
                    price_decimals = max(price_decimals, err.decimals)
                elif err.code == TW_OFF_SIZE:
                    size_decimals = max(size_decimals, err.decimals)
                else:
                    return 0
                instrument = (<InstrumentBase>self.symbols._instruments[d.symbol]).at_scale(
                    price_decimals, size_decimals)
                price.mantissa = instrument.price_scale.mantissa
                price.decimals = instrument.price_scale.decimals
                size.mantissa = instrument.size_scale.mantissa
                size.decimals = instrument.size_scale.decimals
                err.code = 0
                state = self.parsed(tw_bn_depth_update(p, end, &self.symbols.table, &price, &size, &d, err),
                                    end, enclosure, named_twice, &d.f, after, err)
                if state == AGAIN:
                    return AGAIN
                if state == 0:
                    break
            else:
                return 0
            self.off_scale += 1
            out.flags |= EventFlag.OFF_SCALE
            if self._on_off_scale is not None:
                self._on_off_scale(self.symbols._instruments[d.symbol])
        elif TW_UNLIKELY(d.symbol < 0):
            if self.lookup(&d.f.symbol) < 0:
                return 0
            # Registered just now, so its levels are still to be decoded.
            return self.depth(p, end, enclosure, flags, named_twice, after, err)
        else:
            instrument = <InstrumentBase>self.symbols._instruments[d.symbol]
        out.symbol = d.symbol
        if flags & EXPLICIT:
            out.flags &= ~EXPLICIT
        else:
            out.flags |= self.symbols.table.symbols[d.symbol].depth_flags
        out.ts_init = self.ts_init
        if TW_UNLIKELY(_time(d.f.time, &out.ts_event, err) != 0):
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

    cdef int mark_price(self, tw_bn_kind kind, const uint8_t *p, const uint8_t *end, Enclosure enclosure,
                        bint named_twice, const uint8_t **after, tw_err *err) except -1:
        cdef tw_bn_mark m
        cdef MarkPriceData out
        cdef IndexPriceData index
        cdef int32_t number
        if kind == BN_MARK_PRICE:
            p = tw_bn_mark_price(p, end, &m, err)
        else:
            p = tw_bn_index_price(p, end, &m, err)
        cdef int state = self.parsed(p, end, enclosure, named_twice, &m.f, after, err)
        if TW_UNLIKELY(state != 0):
            return AGAIN if state == AGAIN else 0
        number = self.lookup(&m.f.symbol)
        if number < 0:
            return 0
        if kind == BN_INDEX_PRICE:
            index.symbol = number
            index.flags = 0
            index.ts_init = self.ts_init
            index.index = _fixed(m.index)
            if _time(m.f.event_time, &index.ts_event, err) == 0:
                self.events += 1
                self.handler.on_index_price(<InstrumentBase>self.symbols._instruments[number], &index)
            return 0
        out.symbol = number
        out.flags = 0
        out.ts_init = self.ts_init
        out.mark = _fixed(m.mark)
        out.index = _fixed(m.index)
        out.settle = _fixed(m.settle)
        out.funding_rate = _fixed(m.rate)
        if _time(m.f.event_time, &out.ts_event, err) == 0 and _time(m.f.time, &out.ts_next_funding, err) == 0:
            self.events += 1
            self.handler.on_mark_price(<InstrumentBase>self.symbols._instruments[number], &out)
        return 0

    cdef int kline(self, tw_bn_kind kind, const uint8_t *p, const uint8_t *end, Enclosure enclosure,
                   bint named_twice, const uint8_t **after, tw_err *err) except -1:
        cdef tw_bn_kline k
        cdef BarData out
        cdef tw_scale price, size
        cdef InstrumentBase instrument
        cdef tw_span *name = &k.f.symbol
        p = tw_bn_kline_frame(p, end, &k, err)
        cdef int state = self.parsed(p, end, enclosure, named_twice, &k.f, after, err)
        if TW_UNLIKELY(state != 0):
            return AGAIN if state == AGAIN else 0
        out.flags = EventFlag.CLOSED if k.closed else 0
        if kind == BN_CONTINUOUS_KLINE:
            # No symbol at all on the wire: pair and contract type name the series.
            out.flags |= EventFlag.CONTINUOUS
            out.symbol = self._continuous(_span_bytes(&k.f.pair), _span_bytes(&k.f.contract))
        else:
            if kind == BN_INDEX_KLINE:
                out.flags |= EventFlag.INDEX
                name = &k.f.pair  # its `s` is the text "0"
            elif kind == BN_MARK_KLINE:
                out.flags |= EventFlag.MARK
            if name.text == NULL:
                err.code = TW_MISSING
                return 0
            out.symbol = self.lookup(name)
        if out.symbol < 0:
            return 0
        interval = INTERVALS.get(PyBytes_FromStringAndSize(<const char *>k.interval.text, k.interval.length))
        if interval is None:
            err.code = TW_VALUE
            err.at = k.interval.text
            return 0
        out.interval_s = interval
        out.ts_init = self.ts_init
        out.trade_count = k.trades
        out.quote_volume = _fixed(k.quote_volume)
        out.taker_buy_quote_volume = _fixed(k.taker_quote_volume)
        # BN-MD-08: the time of a bar is its close time.
        if _time(k.open_time, &out.ts_open, err) != 0 or _time(k.close_time, &out.ts_event, err) != 0:
            return 0
        instrument = <InstrumentBase>self.symbols._instruments[out.symbol]
        price = self.symbols.table.symbols[out.symbol].price
        size = self.symbols.table.symbols[out.symbol].size
        if not _scale_bar(&k, &price, &size, &out, err):
            # Mark and index bars have their own, finer prices; old bars may be off a new tick.
            instrument = self.finer(out.symbol, max(k.open.exponent, k.high.exponent, k.low.exponent,
                                                    k.close.exponent),
                                    max(k.volume.exponent, k.taker_volume.exponent), &price, &size, err)
            if instrument is None or not _scale_bar(&k, &price, &size, &out, err):
                return 0
            out.flags |= EventFlag.OFF_SCALE
        self.events += 1
        self.handler.on_bar(instrument, &out)
        return 0

    def _continuous(self, bytes pair, bytes contract):
        if pair is None or contract is None:
            raise DecodeError("a continuous kline without pair or contract type", 0)
        cdef bytes name = pair + b"_" + contract
        cdef tw_span span
        span.text = <const uint8_t *><const char *>name
        span.length = len(name)
        span.escaped = 0
        return self.lookup(&span)

    cdef int ticker(self, tw_bn_kind kind, const uint8_t *p, const uint8_t *end, Enclosure enclosure,
                    bint named_twice, const uint8_t **after, tw_err *err) except -1:
        cdef tw_bn_ticker t
        cdef TickerData out
        cdef tw_err skipped
        cdef bint mini = kind == BN_MINI_TICKER
        cdef int state = self.parsed(tw_bn_ticker_frame(p, end, mini, &t, err), end, enclosure, named_twice,
                                     &t.f, after, err)
        if TW_UNLIKELY(state != 0):
            if state == AGAIN:
                return AGAIN
            if p != NULL and t.f.key in TICKER_FIELDS:
                p = tw_skip(err.at, end, &skipped)
                if p != NULL:
                    self._bad_ticker_value(t.f.key, err.at[:p - err.at])
            return 0
        out.symbol = self.lookup(&t.f.symbol)
        if out.symbol < 0:
            return 0
        out.flags = EventFlag.MINI if mini else 0
        out.ts_init = self.ts_init
        out.last = _fixed(t.last)
        out.open = _fixed(t.open)
        out.high = _fixed(t.high)
        out.low = _fixed(t.low)
        out.volume = _fixed(t.volume)
        out.quote_volume = _fixed(t.quote_volume)
        out.change = _fixed(t.change)
        out.change_percent = _fixed(t.change_percent)
        out.weighted_average = _fixed(t.average)
        out.last_size = _fixed(t.last_size)
        out.first_id = t.first_id
        out.last_id = t.last_id
        out.trade_count = t.trades
        out.ts_open = out.ts_close = 0
        if _time(t.f.event_time, &out.ts_event, err) != 0:
            self._bad_ticker_value(c"E", str(t.f.event_time).encode())
            return 0
        if not mini and _time(t.open_time, &out.ts_open, err) != 0:
            self._bad_ticker_value(c"O", str(t.open_time).encode())
            return 0
        if not mini and _time(t.close_time, &out.ts_close, err) != 0:
            self._bad_ticker_value(c"C", str(t.close_time).encode())
            return 0
        self.events += 1
        self.handler.on_ticker(<InstrumentBase>self.symbols._instruments[out.symbol], &out)
        return 0

    cdef int liquidation(self, const uint8_t *p, const uint8_t *end, Enclosure enclosure, bint named_twice,
                         const uint8_t **after, tw_err *err) except -1:
        cdef tw_bn_liquidation l
        cdef LiquidationData out
        cdef tw_scale price, size
        cdef InstrumentBase instrument
        cdef int state = self.parsed(tw_bn_force_order(p, end, &l, err), end, enclosure, named_twice,
                                     &l.f, after, err)
        if TW_UNLIKELY(state != 0):
            return AGAIN if state == AGAIN else 0
        out.symbol = self.lookup(&l.f.symbol)
        if out.symbol < 0:
            return 0
        out.flags = 0
        out.side = AggressorSide.SELLER if l.sell else AggressorSide.BUYER
        out.average_price = _fixed(l.average_price)
        out.ts_init = self.ts_init
        if _time(l.f.time, &out.ts_event, err) != 0:
            return 0
        instrument = <InstrumentBase>self.symbols._instruments[out.symbol]
        price = self.symbols.table.symbols[out.symbol].price
        size = self.symbols.table.symbols[out.symbol].size
        if not _scale_liquidation(&l, &price, &size, &out, err):
            instrument = self.finer(out.symbol, l.price.exponent,
                                    max(l.size.exponent, l.last_size.exponent, l.filled_size.exponent),
                                    &price, &size, err)
            if instrument is None or not _scale_liquidation(&l, &price, &size, &out, err):
                return 0
            out.flags |= EventFlag.OFF_SCALE
        self.events += 1
        self.handler.on_liquidation(instrument, &out)
        return 0

    # ---- everything that does not begin in the usual way -----------------------------------------

    cdef int _other(self, const uint8_t *p, const uint8_t *end) except -1:
        """A whole message of any shape: arrays, envelopes, replies, odd layouts, broken ones."""
        cdef tw_err err
        cdef const uint8_t *start = tw_ws(p, end)
        cdef const uint8_t *after = NULL
        cdef object failed = None
        err.code = 0
        err.at = p
        err.decimals = -1
        if start < end and start[0] == c'[':
            failed = self._array(start, end, 0, &after, &err)
            if err.code == 0:
                tw_at_end(after, end, &err)
        else:
            self._object(start, end, WHOLE, 0, &after, &err)
        if err.code != 0:
            self._problem(&err, p, end)
        elif failed is not None and self._on_problem is None:
            raise failed
        return 0

    cdef object _array(self, const uint8_t *p, const uint8_t *end, uint32_t flags, const uint8_t **after, tw_err *err):
        """The objects of an array, each for itself: a bad one does not take the others with it.

        Returns the first error that was passed over.
        """
        cdef const uint8_t *element
        cdef const uint8_t *next
        cdef int more
        cdef object failed = None, problem
        p = tw_ws(p + 1, end)
        if p < end and p[0] == c']':
            after[0] = p + 1
            return None
        while True:
            element = p
            if p < end and p[0] == c'{':
                self._object(p, end, ELEMENT, flags, after, err)
                p = after[0]
            else:
                p = NULL
                if err.code == 0:
                    err.code = TW_TYPE
                    err.at = element
            if err.code != 0:
                # Find the end of the element; if there is none, the whole message is broken.
                problem = self._problem_of(err, element, end)
                err.code = 0
                p = tw_skip(element, end, err)
                if p == NULL:
                    return failed
                failed = failed or problem
                self._report(problem, element, p)
            more = tw_next(p, end, c']', &next, err)
            if more < 0:
                return failed
            p = next
            if more == 0:
                after[0] = p
                return failed

    cdef int _object(self, const uint8_t *p, const uint8_t *end, Enclosure enclosure, uint32_t flags,
                     const uint8_t **after, tw_err *err) except -1:
        """One object whose event name may stand anywhere in it."""
        cdef tw_bn_envelope v
        cdef tw_bn_kind kind
        cdef bytes name
        if enclosure == ELEMENT and end - p > 24 and memcmp(p, b'{"e":"', 6) == 0:
            if self.named(p + 6, p, end, ELEMENT, flags, after, err) != AGAIN:
                return 0
            err.code = 0
        after[0] = tw_bn_envelope_parse(p, end, &v, err)
        if after[0] == NULL:
            return 0
        if enclosure == WHOLE and not tw_at_end(after[0], end, err):
            return 0
        if v.event.text != NULL:
            name = _span_bytes(&v.event)
            kind = BN_UNKNOWN if name is None else tw_bn_kind_of(<const uint8_t *><const char *>name, len(name))
            if kind != BN_UNKNOWN:
                return self.known(kind, tw_ws(p + 1, end), end, ELEMENT, flags, True, after, err)
            return self._venue_event(name, p, after[0], None)
        if v.stream.text != NULL and v.data != NULL:
            return self._combined(&v, after, err)
        if v.event_object != NULL:
            # The official client looks for serverShutdown in this shape (BN-T-15).
            return self._object(v.event_object, v.event_object_end, ELEMENT, flags, after, err)
        if v.has_result or v.has_id or v.has_code or v.has_error:
            self.control_messages += 1
            if self._on_control is not None:
                self._on_control(p[:after[0] - p])
            return 0
        return self._venue_event(b"", p, after[0], None)

    cdef int _combined(self, tw_bn_envelope *v, const uint8_t **after, tw_err *err) except -1:
        cdef uint32_t flags = _stream_flags(v.stream.text, v.stream.length)
        cdef const uint8_t *inner = NULL
        cdef tw_bn_envelope body
        cdef bytes name, stream
        if v.data[0] == c'[':
            failed = self._array(v.data, v.data_end, flags, &inner, err)
            if failed is not None and self._on_problem is None:
                raise failed
            return 0
        if v.data[0] != c'{':
            err.code = TW_TYPE
            err.at = v.data
            return 0
        if tw_bn_envelope_parse(v.data, v.data_end, &body, err) == NULL:
            return 0
        if body.event.text != NULL:
            name = _span_bytes(&body.event)
            if name is None or tw_bn_kind_of(<const uint8_t *><const char *>name, len(name)) == BN_UNKNOWN:
                stream = _span_bytes(&v.stream)
                return self._venue_event(name, v.data, v.data_end, stream)
        return self._object(v.data, v.data_end, ELEMENT, flags, &inner, err)

    cdef int _venue_event(self, bytes name, const uint8_t *p, const uint8_t *end, bytes stream) except -1:
        if not name:
            self.unknown_events += 1
        self.venue_events += 1
        if self._on_venue_event is not None:
            self._on_venue_event((name or b"").decode("utf-8", "replace"), p[:end - p],
                                 None if stream is None else stream.decode("utf-8", "replace"))
        return 0

    # ---- errors ------------------------------------------------------------------------------------

    cdef object _problem_of(self, tw_err *err, const uint8_t *p, const uint8_t *end):
        """The error in words, with its offset from the start of the message."""
        reason = self._reason
        self._reason = None
        if reason is None:
            reason = REASONS.get(err.code, "does not decode")
        offset = err.at - self.start if err.at != NULL and self.start <= err.at <= end else 0
        self.decode_errors += 1
        return DecodeError(reason, offset)

    cdef int _problem(self, tw_err *err, const uint8_t *p, const uint8_t *end) except -1:
        error = self._problem_of(err, p, end)
        if self._on_problem is None:
            raise error
        self._report(error, p, end)
        return 0

    cdef int _report(self, object error, const uint8_t *p, const uint8_t *end) except -1:
        if self._on_problem is not None:
            self._on_problem(error, p[:end - p])
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
    return (_scale(k.open, price, TW_OFF_PRICE, &out.open, err) == 0
            and _scale(k.high, price, TW_OFF_PRICE, &out.high, err) == 0
            and _scale(k.low, price, TW_OFF_PRICE, &out.low, err) == 0
            and _scale(k.close, price, TW_OFF_PRICE, &out.close, err) == 0
            and _scale(k.volume, size, TW_OFF_SIZE, &out.volume, err) == 0
            and _scale(k.taker_volume, size, TW_OFF_SIZE, &out.taker_buy_volume, err) == 0)


cdef bint _scale_liquidation(const tw_bn_liquidation *l, const tw_scale *price, const tw_scale *size,
                             LiquidationData *out, tw_err *err) noexcept nogil:
    return (_scale(l.price, price, TW_OFF_PRICE, &out.price, err) == 0
            and _scale(l.size, size, TW_OFF_SIZE, &out.size, err) == 0
            and _scale(l.last_size, size, TW_OFF_SIZE, &out.last_size, err) == 0
            and _scale(l.filled_size, size, TW_OFF_SIZE, &out.filled_size, err) == 0)
