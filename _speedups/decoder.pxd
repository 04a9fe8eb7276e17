"""What the decoders of several venues have in common: instruments, scales, rows, problems, values."""

from cpython.object cimport PyObject
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.stdlib cimport free

from connectors._speedups._csrc cimport (
    TW_LIKELY,
    TW_OFF_PRICE,
    TW_OFF_SIZE,
    TW_UNLIKELY,
    tw_err,
    tw_fixed,
    tw_levels,
    tw_literal,
    tw_scale,
    tw_span,
    tw_symbol,
    tw_to_scale,
)
from connectors._speedups.events cimport EventHandler, Fixed, InstrumentBase, QuoteData, TradeData
from connectors._speedups.feed cimport Decoder
from connectors._speedups.symbols cimport SymbolTable

cdef extern from "Python.h":
    PyObject *PyList_GET_ITEM(object, Py_ssize_t)


# Rows of a frame, of one size, in a block that grows.
cdef struct Rows:
    void *block
    Py_ssize_t count, room


cdef class SymbolDecoder(Decoder):
    """A decoder of frames about instruments in a `SymbolTable`."""
    cdef readonly SymbolTable symbols
    cdef readonly EventHandler handler
    cdef object _on_problem, _on_off_scale
    cdef readonly uint64_t events, decode_errors, row_errors, off_scale
    cdef tw_levels bids, asks           # of the book being read
    cdef Rows trades                    # of the frame being read
    cdef list failed                    # rows of it that do not decode: (error, data)
    cdef int64_t ts_init                # of the message being decoded

    # The instrument, and its scales, for values of so many decimals; -1: as its own.
    cdef InstrumentBase at_scale(self, int32_t number, int price_decimals, int size_decimals, tw_scale *price,
                                 tw_scale *size)
    # Count a value off its grid and tell about it.
    cdef int tell_off_scale(self, InstrumentBase instrument) except -1
    # Override: read the levels that `at` stands for again, on a grid.
    cdef bint read_levels(self, const void *at, const tw_scale *price, const tw_scale *size, tw_err *err) noexcept
    # Read levels that do not fit the instrument's scale on one that holds them, which is returned with
    # them; None with err set where there is none.
    cdef InstrumentBase finer_book(self, int32_t number, const void *at, tw_err *err)
    # Bring a quote or trade for which err is set to a finer grid, the instrument of which is returned;
    # None where it was refused.
    cdef InstrumentBase finer_quote(self, QuoteData *out, tw_fixed bid, tw_fixed bid_size, tw_fixed ask,
                                    tw_fixed ask_size, const uint8_t *start, const uint8_t *end, tw_err *err)
    cdef InstrumentBase finer_trade(self, TradeData *out, tw_fixed price, tw_fixed size, const uint8_t *start,
                                    const uint8_t *end, tw_err *err)
    cdef bint is_sound(self, const uint8_t *start, const uint8_t *end, tw_err *err) except -1
    # Tell about a message that does not decode; without a callback it is raised. Clears err.
    cdef int refuse(self, const uint8_t *start, const uint8_t *end, tw_err *err) except -1
    # Tell about rows, (error, data), that were passed over; without a callback the first is raised.
    cdef int refuse_rows(self, list failed) except -1
    # Note a row that does not decode, with the error in err, and pass over it; NULL where it is no JSON.
    cdef const uint8_t *pass_over(self, const uint8_t *p, const uint8_t *start, const uint8_t *end,
                                  tw_err *err) except? NULL
    # Tell about a liquidation that is this trade: the liquidated account takes.
    cdef int tell_liquidation(self, InstrumentBase instrument, const TradeData *trade, tw_fixed price) except -1


cdef int more_room(Rows *rows, size_t size) except -1


cdef inline void *slot_for(Rows *rows, size_t size) except NULL:
    """The place behind the last row."""
    if TW_UNLIKELY(rows.count == rows.room):
        more_room(rows, size)
    return <char *>rows.block + rows.count * size


cdef inline Fixed fixed_of(tw_fixed x) noexcept nogil:
    """Hand a number on; of one that is absent nothing was ever written but the exponent."""
    cdef Fixed out
    out.mantissa = x.mantissa if x.exponent >= 0 else 0
    out.exponent = x.exponent
    return out


cdef inline bint is_off_scale(tw_err *err) noexcept nogil:
    """Whether a value only needs a finer grid; clears the error then."""
    if err.code != TW_OFF_PRICE and err.code != TW_OFF_SIZE:
        return False
    err.code = 0
    return True


cdef inline int scale_to(tw_fixed x, const tw_scale *scale, int off, int64_t *out, tw_err *err) noexcept nogil:
    """Bring a value to its grid; `off` is the code for one that is not on it."""
    cdef int code = tw_to_scale(x, scale, off, out)
    if TW_UNLIKELY(code != 0):
        err.code = code
        err.decimals = x.exponent
    return code


cdef inline Rows lend(Rows *rows) noexcept nogil:
    """Take the rows away while handlers run, of which one may feed another frame."""
    cdef Rows taken = rows[0]
    rows.block = NULL
    rows.count = rows.room = 0
    return taken


cdef inline void bring_back(Rows *rows, Rows *taken) noexcept nogil:
    if TW_LIKELY(rows.block == NULL):
        rows.block = taken.block
        rows.room = taken.room
    else:
        free(taken.block)


cdef inline bint quote_to_scale(const tw_fixed *bid, const tw_fixed *bid_size, const tw_fixed *ask,
                                const tw_fixed *ask_size, const tw_scale *price, const tw_scale *size,
                                QuoteData *out, tw_err *err) noexcept nogil:
    return (scale_to(bid[0], price, TW_OFF_PRICE, &out.bid, err) == 0
            and scale_to(bid_size[0], size, TW_OFF_SIZE, &out.bid_size, err) == 0
            and scale_to(ask[0], price, TW_OFF_PRICE, &out.ask, err) == 0
            and scale_to(ask_size[0], size, TW_OFF_SIZE, &out.ask_size, err) == 0)


cdef inline int tell_quote(SymbolDecoder self, QuoteData *out, const tw_fixed *bid, const tw_fixed *bid_size,
                           const tw_fixed *ask, const tw_fixed *ask_size, const uint8_t *start,
                           const uint8_t *end, tw_err *err) except -1:
    """Hand out a quote on the grid of its symbol, or a finer one; 0 where it was refused.

    The numbers are read before anybody is called.
    """
    cdef const tw_symbol *symbol = &self.symbols.table.symbols[out.symbol]
    cdef InstrumentBase instrument = <InstrumentBase>PyList_GET_ITEM(self.symbols._instruments, out.symbol)
    if TW_UNLIKELY(not quote_to_scale(bid, bid_size, ask, ask_size, &symbol.price, &symbol.size, out, err)):
        instrument = self.finer_quote(out, bid[0], bid_size[0], ask[0], ask_size[0], start, end, err)
        if instrument is None:
            return 0
    self.events += 1
    self.handler.on_quote(instrument, out)
    return 1


cdef inline bint trade_to_scale(const tw_fixed *price, const tw_fixed *size, const tw_scale *price_scale,
                                const tw_scale *size_scale, TradeData *out, tw_err *err) noexcept nogil:
    return (scale_to(price[0], price_scale, TW_OFF_PRICE, &out.price, err) == 0
            and scale_to(size[0], size_scale, TW_OFF_SIZE, &out.size, err) == 0)


cdef inline int tell_trade(SymbolDecoder self, TradeData *out, const tw_fixed *price, const tw_fixed *size,
                           bint is_liquidation, const uint8_t *start, const uint8_t *end,
                           tw_err *err) except -1:
    """Hand out a trade on the grid of its symbol, or a finer one; 0 where it was refused.

    The numbers are read before anybody is called, but for the price of a liquidation.
    """
    cdef const tw_symbol *symbol = &self.symbols.table.symbols[out.symbol]
    cdef InstrumentBase instrument = <InstrumentBase>PyList_GET_ITEM(self.symbols._instruments, out.symbol)
    if TW_UNLIKELY(not trade_to_scale(price, size, &symbol.price, &symbol.size, out, err)):
        instrument = self.finer_trade(out, price[0], size[0], start, end, err)
        if instrument is None:
            return 0
    self.events += 1
    self.handler.on_trade(instrument, out)
    if TW_UNLIKELY(is_liquidation):
        self.tell_liquidation(instrument, out, price[0])
    return 1


# Decimals that a value needs: zeros at its end would only take room from larger values.
cdef int32_t places(tw_fixed x) noexcept nogil

# A Decimal; zero for a value that was not there, as for the venues.
cdef object number_of(Fixed x)

# A Decimal, None for a value that was not there.
cdef object number_or_none(Fixed x)

# The text of a string value, "" where there is none or it cannot be decoded.
cdef str text_of(const tw_span *s)

# The words of a table as one set of str objects that all rows share.
cdef tuple words_of(const tw_literal *words, int count)

# The error for a code, at a place of a message.
cdef object error_of(int code, const uint8_t *at, const uint8_t *start)
