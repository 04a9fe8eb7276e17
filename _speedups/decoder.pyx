"""What the decoders of several venues have in common."""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from decimal import Decimal
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.stdlib cimport free, realloc

from connectors._speedups._csrc cimport (
    TW_OFF_PRICE,
    TW_OFF_SIZE,
    TW_VALUE,
    tw_err,
    tw_fixed,
    tw_levels_free,
    tw_literal,
    tw_scale,
    tw_skip,
    tw_span,
    tw_unescape,
)
from connectors._speedups.events cimport (
    EventFlag,
    EventHandler,
    Fixed,
    InstrumentBase,
    LiquidationData,
    QuoteData,
    TradeData,
)
from connectors._speedups.feed cimport Decoder
from connectors._speedups.symbols cimport SymbolTable
from connectors._speedups.ticks cimport fixed_decimal

from connectors._speedups.errors import DecodeError
from connectors._speedups.scan import REASONS

__all__ = ["SymbolDecoder"]

cdef object ZERO = Decimal(0)


cdef class SymbolDecoder(Decoder):
    """A decoder of frames about instruments in a `SymbolTable`.

    Parameters
    ----------
    symbols : SymbolTable
        May be shared by many decoders.
    handler : EventHandler, optional
        Receives the events; a `Router` for Python callbacks.
    on_problem : callable, optional
        `on_problem(error, data)` for a message, or a row of one, that was skipped because it does not
        decode; without it the error is raised to the feed.
    on_off_scale : callable, optional
        `on_off_scale(instrument)` when a price or size did not fit the instrument's scale. The event
        is delivered exactly, on a finer scale, with flag `OFF_SCALE`.

    Notes
    -----
    `events`, `decode_errors`, `row_errors` and `off_scale` count and only grow. Belongs to one
    thread.
    """

    def __init__(self, SymbolTable symbols not None, EventHandler handler=None, *, on_problem=None,
                 on_off_scale=None):
        self.symbols = symbols
        self.handler = handler if handler is not None else EventHandler()
        self._on_problem = on_problem
        self._on_off_scale = on_off_scale

    def __dealloc__(self):
        tw_levels_free(&self.bids)
        tw_levels_free(&self.asks)
        free(self.trades.block)

    def feed(self, const uint8_t[::1] data not None, int64_t ts_init=0):
        """Decode one message, as the feed does: for tests, recordings and benchmarks."""
        self.decode(&data[0] if data.shape[0] else NULL, data.shape[0], ts_init)

    @cython.binding(False)
    @cython.always_allow_keywords(False)
    def feed_bytes(self, bytes data not None):
        """`feed` for bytes only, with `ts_init` 0: without the cost of a buffer request."""
        self.decode(<const uint8_t *>PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data), 0)

    cdef InstrumentBase at_scale(self, int32_t number, int price_decimals, int size_decimals, tw_scale *price,
                                 tw_scale *size):
        cdef InstrumentBase instrument = (<InstrumentBase>self.symbols._instruments[number]).at_scale(
            price_decimals, size_decimals)
        price.mantissa = instrument.price_scale.mantissa
        price.decimals = instrument.price_scale.decimals
        size.mantissa = instrument.size_scale.mantissa
        size.decimals = instrument.size_scale.decimals
        return instrument

    cdef int tell_off_scale(self, InstrumentBase instrument) except -1:
        self.off_scale += 1
        if self._on_off_scale is not None:
            self._on_off_scale(instrument)
        return 0

    cdef bint read_levels(self, const void *at, const tw_scale *price, const tw_scale *size, tw_err *err) noexcept:
        err.code = TW_VALUE
        return False

    cdef InstrumentBase finer_book(self, int32_t number, const void *at, tw_err *err):
        cdef tw_scale price, size
        cdef InstrumentBase instrument = self.symbols._instruments[number]
        cdef int tries, price_decimals = -1, size_decimals = -1
        # Told first: the callback may feed another frame, which takes the same buffers.
        self.tell_off_scale(instrument)
        price = self.symbols.table.symbols[number].price
        size = self.symbols.table.symbols[number].size
        # Each round adds decimals, of which there are at most 18 a side.
        for tries in range(40):
            if self.read_levels(at, &price, &size, err):
                return instrument
            if err.code == TW_OFF_PRICE:
                price_decimals = max(price_decimals, err.decimals)
            elif err.code == TW_OFF_SIZE:
                size_decimals = max(size_decimals, err.decimals)
            else:
                return None
            err.code = 0
            instrument = self.at_scale(number, price_decimals, size_decimals, &price, &size)
        err.code = TW_VALUE
        return None

    cdef InstrumentBase finer_quote(self, QuoteData *out, tw_fixed bid, tw_fixed bid_size, tw_fixed ask,
                                    tw_fixed ask_size, const uint8_t *start, const uint8_t *end, tw_err *err):
        cdef InstrumentBase instrument = self.symbols._instruments[out.symbol]
        cdef tw_scale price, size
        if is_off_scale(err):
            self.tell_off_scale(instrument)
            instrument = self.at_scale(out.symbol, max(places(bid), places(ask)),
                                       max(places(bid_size), places(ask_size)), &price, &size)
            quote_to_scale(&bid, &bid_size, &ask, &ask_size, &price, &size, out, err)
            out.flags |= EventFlag.OFF_SCALE
        return instrument if self.is_sound(start, end, err) else None

    cdef InstrumentBase finer_trade(self, TradeData *out, tw_fixed price, tw_fixed size, const uint8_t *start,
                                    const uint8_t *end, tw_err *err):
        cdef InstrumentBase instrument = self.symbols._instruments[out.symbol]
        cdef tw_scale price_scale, size_scale
        if is_off_scale(err):
            self.tell_off_scale(instrument)
            instrument = self.at_scale(out.symbol, places(price), places(size), &price_scale, &size_scale)
            trade_to_scale(&price, &size, &price_scale, &size_scale, out, err)
            out.flags |= EventFlag.OFF_SCALE
        return instrument if self.is_sound(start, end, err) else None

    cdef bint is_sound(self, const uint8_t *start, const uint8_t *end, tw_err *err) except -1:
        """Refuse a message with an error; returns whether there was none."""
        if err.code == 0:
            return True
        self.refuse(start, end, err)
        return False

    cdef int refuse(self, const uint8_t *start, const uint8_t *end, tw_err *err) except -1:
        error = error_of(err.code, err.at, start)
        err.code = 0  # other rows of the frame may be sound
        self.decode_errors += 1
        if self._on_problem is None:
            raise error
        self._on_problem(error, start[:end - start])
        return 0

    cdef int refuse_rows(self, list failed) except -1:
        self.row_errors += len(failed)
        if self._on_problem is None:
            raise failed[0][0]
        for error, data in failed:
            self._on_problem(error, data)
        return 0

    cdef const uint8_t *pass_over(self, const uint8_t *p, const uint8_t *start, const uint8_t *end,
                                  tw_err *err) except? NULL:
        cdef int code = err.code
        cdef const uint8_t *at = err.at
        cdef const uint8_t *after = NULL
        err.code = 0
        if p < end:
            after = tw_skip(p, end, err)
        if after == NULL:
            if err.code == 0:
                err.code = code
                err.at = at
            return NULL
        if self.failed is None:
            self.failed = []
        self.failed.append((error_of(code, at, start), p[:after - p]))
        return after

    cdef int tell_liquidation(self, InstrumentBase instrument, const TradeData *trade, tw_fixed price) except -1:
        cdef LiquidationData out
        out.symbol = trade.symbol
        out.flags = trade.flags
        out.ts_event = trade.ts_event
        out.ts_init = trade.ts_init
        out.side = trade.aggressor
        out.price = trade.price
        out.size = out.last_size = out.filled_size = trade.size
        out.average_price = fixed_of(price)
        self.events += 1
        self.handler.on_liquidation(instrument, &out)
        return 0


cdef int more_room(Rows *rows, size_t size) except -1:
    cdef Py_ssize_t room = rows.room * 2 if rows.room else 16
    cdef void *block = realloc(rows.block, room * size)
    if block == NULL:
        raise MemoryError()
    rows.block = block
    rows.room = room
    return 0


cdef int32_t places(tw_fixed x) noexcept nogil:
    while x.exponent > 0 and x.mantissa % 10 == 0:
        x.mantissa //= 10
        x.exponent -= 1
    return x.exponent


cdef object number_of(Fixed x):
    return ZERO if x.exponent < 0 else fixed_decimal(x.mantissa, x.exponent)


cdef object number_or_none(Fixed x):
    return None if x.exponent < 0 else fixed_decimal(x.mantissa, x.exponent)


cdef str text_of(const tw_span *s):
    cdef int n
    cdef bytearray room
    if s.text == NULL:
        return ""
    if not s.escaped:
        return s.text[:s.length].decode("utf-8", "replace")
    room = bytearray(s.length)
    n = tw_unescape(s.text, s.text + s.length, <uint8_t *><char *>room, <int>len(room))
    return "" if n < 0 else room[:n].decode("utf-8", "replace")


cdef tuple words_of(const tw_literal *words, int count):
    return tuple([words[i].text[:words[i].n].decode("ascii") for i in range(count)])


cdef object error_of(int code, const uint8_t *at, const uint8_t *start):
    return DecodeError(REASONS.get(code, "does not decode"), at - start)
