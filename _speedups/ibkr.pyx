"""IBKR's market data frames, merged by line, to quotes and trades.

| in the frame               | handler, callback         | event or argument           |
|----------------------------|---------------------------|-----------------------------|
| 84, 86, 85, 88             | on_quote, `on_empty_side` | Quote                       |
| 31, 7059                   | on_trade                  | Trade                       |
| a mark in front of 31      | `on_halted`               | instrument, is it           |
| other fields               | `on_fields`               | number, JSON, time          |
| nothing of an open line    | `on_cold`                 | whatever it is, time        |
"""

cimport cython
from libc.math cimport isinf
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcmp, memcpy, memset

from connectors._speedups._csrc cimport (
    TW_LIKELY,
    TW_RANGE,
    TW_UNLIKELY,
    tw_at_end,
    tw_err,
    tw_fixed,
    tw_fixed_share,
    tw_span,
    tw_symbol_find,
    tw_symbols,
)
from connectors._speedups.decoder cimport SymbolDecoder, tell_quote, tell_trade
from connectors._speedups.events cimport (
    AggressorSide,
    EventFlag,
    EventHandler,
    QuoteData,
    TradeData,
)
from connectors._speedups.symbols cimport SymbolTable

__all__ = ["IbkrDecoder"]

cdef extern from *:
    int __builtin_ctz(unsigned)

cdef extern from "ibkr.h" nogil:
    ctypedef enum tw_ib_kind:
        IB_EMPTY
        IB_NUMBER
        IB_TEXT
        IB_FLOAT

    enum:
        IB_LAST
        IB_BID
        IB_ASK
        IB_BID_SIZE
        IB_ASK_SIZE
        IB_LAST_SIZE
        IB_VALUES
        TW_IB_QUOTE
        TW_IB_TRADE
        TW_IB_AVAILABILITY
        TW_IB_OTHER
        TW_IB_FLOAT
        TW_IB_DELAYED
        TW_IB_FROZEN

    ctypedef struct tw_ib_manner:
        unsigned n_behind

    ctypedef struct tw_ib_value:
        tw_fixed number
        tw_span text
        uint8_t kind
        uint8_t mark
        uint8_t approximate

    ctypedef struct tw_ib_frame:
        uint32_t seen
        uint32_t plain
        tw_ib_value values[6]
        int64_t updated
        tw_span availability
        tw_span topic

    const uint8_t *tw_ib_frame_data(const uint8_t *p, const uint8_t *end, tw_ib_frame *f, tw_err *err)
    int32_t tw_ib_peek(const tw_symbols *symbols, const uint8_t *p, const uint8_t *end)
    bint tw_ib_quick(tw_ib_manner *m, const uint8_t *p, const uint8_t *end, tw_ib_frame *f)
    void tw_ib_learn(tw_ib_manner *m, const uint8_t *p, const uint8_t *end)
    void tw_ib_text(const uint8_t *p, const uint8_t *end, tw_ib_value *v)
    tw_ib_kind tw_ib_taken(const tw_ib_value *v, unsigned field)
    int64_t tw_ib_ms(int64_t updated)
    int tw_ib_availability(const uint8_t *p, Py_ssize_t n)


# What is known of a line. A bit of `known`, `approximate` and `wide` for each value.
cdef struct Line:
    bint is_open
    bint want_fields
    bint is_awaited
    bint is_halted
    tw_fixed values[6]                  # 0 where it is not known
    uint32_t known
    uint32_t approximate
    uint32_t wide                       # do not fit 64 bits
    uint32_t flags                      # of every event: what 6509 says
    uint8_t mark                        # in front of the last price
    uint8_t letters[32]                 # of 6509
    Py_ssize_t n_letters
    int64_t updated                     # ms, 0: not told
    int64_t ts_init                     # of the last frame, 0: none
    int64_t size_factor                 # of 88 and 85
    uint64_t frames
    tw_ib_manner manner


cdef struct Pass:
    const uint8_t *start
    const uint8_t *end
    tw_err err
    tw_ib_frame frame


@cython.final
cdef class IbkrDecoder(SymbolDecoder):
    """Merges the market data frames of one connection by line.

    Parameters
    ----------
    symbols : SymbolTable
        May be shared by many decoders; a line is a number of it, and its name what the venue puts
        behind `smd+` (`symbols.add(instrument, alias="265598")`).
    handler : EventHandler, optional
        Receives the events; a `Router` for Python callbacks.
    on_cold : callable, optional
        `on_cold(data, ts_init)` for every frame that is not a sound one of an open line.
    on_fields : callable, optional
        `on_fields(number, data, ts_init)` behind the events of a line that wants it, when its frame
        has a field that is not merged here or could not be read, or 6509 or the mark in front of
        the last price changed.
    on_line : callable, optional
        `on_line(number)` before the events of the first frame of a line since `await_line`.
    on_halted : callable, optional
        `on_halted(instrument, is_halted)` when that changes.
    on_empty_side : callable, optional
        `on_empty_side(instrument, has_bid, has_ask)` in place of a Quote while one of the prices is
        not there.
    on_problem : callable, optional
        `on_problem(error, data)` for a frame with a price or size that 64 bits do not hold, which
        gives no event; without it the error is raised to the feed.
    on_off_scale : callable, optional
        `on_off_scale(instrument)` when a price or size did not fit the instrument's scale. The event
        is delivered exactly, on a finer scale, with flag `OFF_SCALE`.

    Notes
    -----
    Frames hold what changed; quotes are whole, of what is known of the line, with a size of 0 where
    there is none. A Trade is the last price the venue shows, of which it leaves out many: flag
    AGGREGATE, no side and no id. Its size is the last one known.

    Flags of 6509: DELAYED, FROZEN. HALTED from a price with an H in front of it to the next without;
    such a price, and one with a C (of the day before), is no trade. APPROXIMATE: a size was cut by
    the venue to K, M, B or T. A text that is no number leaves the field without a value.

    `ts_event` is `_updated`, which may go back with a change of server; `seq` of a quote is the same
    in ms, -1 where it is missing.

    `events`, `market_data_messages`, `cold_messages`, `unreadable_values`, `approximate_values`,
    `time_regressions`, `decode_errors` and `off_scale` count and only grow. Belongs to one thread.
    """

    cdef object _on_cold, _on_fields, _on_line, _on_halted, _on_empty_side
    cdef Line **lines                   # by number, NULL where none was ever open
    cdef int32_t room
    cdef readonly uint64_t market_data_messages, cold_messages
    cdef readonly uint64_t unreadable_values, approximate_values, time_regressions

    def __init__(self, SymbolTable symbols not None, EventHandler handler=None, *, on_cold=None,
                 on_fields=None, on_line=None, on_halted=None, on_empty_side=None, on_problem=None,
                 on_off_scale=None):
        SymbolDecoder.__init__(self, symbols, handler, on_problem=on_problem, on_off_scale=on_off_scale)
        self._on_cold = on_cold
        self._on_fields = on_fields
        self._on_line = on_line
        self._on_halted = on_halted
        self._on_empty_side = on_empty_side

    def __dealloc__(self):
        cdef int32_t number
        for number in range(self.room):
            free(self.lines[number])
        free(self.lines)

    # ---- lines -----------------------------------------------------------------------------------

    def open_line(self, int32_t number, *, bint want_fields=False, int64_t size_factor=1):
        """Take the frames of a line from now on, of which nothing is known yet.

        Sizes of bid and ask are multiplied by `size_factor`. Raises IndexError when no symbol has
        that number.
        """
        cdef Line *line
        self.symbols.instrument(number)
        line = self.make_line(number)
        memset(line, 0, sizeof(Line))
        line.is_open = True
        line.want_fields = want_fields
        line.size_factor = size_factor

    def close_line(self, int32_t number):
        """Leave the frames of a line to `on_cold`."""
        cdef Line *line = self.line(number)
        if line != NULL:
            line.is_open = False

    def clear_line(self, int32_t number):
        """Know nothing of a line: its next frame has everything."""
        cdef Line *line = self.line(number)
        if line != NULL:
            _forget(line)

    def clear_lines(self):
        """Know nothing of any line."""
        cdef int32_t number
        for number in range(self.room):
            if self.lines[number] != NULL:
                _forget(self.lines[number])

    def await_line(self, int32_t number):
        """Tell `on_line` of the next frame of a line, once."""
        cdef Line *line = self.line(number)
        if line != NULL:
            line.is_awaited = True

    def line_age(self, int32_t number):
        """Return when the last frame of a line came, ns; 0 for none since it was opened."""
        cdef Line *line = self.line(number)
        return line.ts_init if line != NULL else 0

    def line_frames(self, int32_t number):
        """Return how many frames of a line came since it was opened."""
        cdef Line *line = self.line(number)
        return line.frames if line != NULL else 0

    cdef inline Line *line(self, int32_t number) noexcept:
        """An open line, or NULL."""
        if 0 <= number < self.room and self.lines[number] != NULL and self.lines[number].is_open:
            return self.lines[number]
        return NULL

    cdef Line *make_line(self, int32_t number) except NULL:
        """The place of a line, which stays where it is for as long as the decoder lives."""
        cdef int32_t room = self.room or 16
        cdef void *block
        while room <= number:
            room *= 2
        if room > self.room:
            block = realloc(self.lines, room * sizeof(Line *))
            if block == NULL:
                raise MemoryError()
            self.lines = <Line **>block
            memset(&self.lines[self.room], 0, (room - self.room) * sizeof(Line *))
            self.room = room
        if self.lines[number] == NULL:
            self.lines[number] = <Line *>malloc(sizeof(Line))
            if self.lines[number] == NULL:
                raise MemoryError()
        return self.lines[number]

    # ---- frames ----------------------------------------------------------------------------------

    cdef int decode(self, const uint8_t *p, Py_ssize_t n, int64_t ts_init) except -1:
        cdef Pass c
        cdef Line *line
        cdef int32_t number = tw_ib_peek(&self.symbols.table, p, p + n)
        self.ts_init = ts_init
        c.start = p
        c.end = p + n
        c.err.code = 0
        c.err.at = p
        line = self.line(number)
        if TW_UNLIKELY(line == NULL or not tw_ib_quick(&line.manner, p, c.end, &c.frame)):
            number = self.read(&c)
            line = self.line(number)
            if line != NULL:
                tw_ib_learn(&line.manner, p, c.end)
        if TW_UNLIKELY(line == NULL or c.frame.seen & TW_IB_FLOAT and not self.settle(&c.frame)):
            self.cold_messages += 1
            if self._on_cold is not None:
                self._on_cold(c.start[:c.end - c.start], ts_init)
            return 0
        self.market_data_messages += 1
        return _take(self, number, line, &c)

    cdef int32_t read(self, Pass *c) noexcept:
        """Read a frame of any shape; the number of the line that it is about, -1: none."""
        cdef const tw_span *topic = &c.frame.topic
        cdef const uint8_t *p = tw_ib_frame_data(c.start, c.end, &c.frame, &c.err)
        if (p == NULL or not tw_at_end(p, c.end, &c.err) or topic.text == NULL or topic.escaped
                or topic.length < 5 or memcmp(topic.text, b"smd+", 4) != 0):
            return -1
        return tw_symbol_find(&self.symbols.table, topic.text + 4, topic.length - 4)

    cdef bint settle(self, tw_ib_frame *f) except -1:
        """Find the values of long numbers; False where one is none to a JSON parser."""
        cdef int field
        for field in range(IB_VALUES):
            if f.seen >> field & 1 and f.values[field].kind == IB_FLOAT and not self.settle_float(&f.values[field]):
                return False
        return True

    cdef bint settle_float(self, tw_ib_value *v) except -1:
        cdef double value = float(v.text.text[:v.text.length])
        cdef bytes text = repr(value).encode()
        if isinf(value):
            return False
        tw_ib_text(text, <const uint8_t *>text + len(text), v)
        if v.kind != IB_NUMBER:  # too small for anything but a double
            v.kind = IB_NUMBER
            v.number.mantissa = -1 if value < 0 else 1
            v.number.exponent = -1
        return True

    cdef int refuse_wide(self, Pass *c) except -1:
        """Refuse a frame of a line with a value that 64 bits do not hold."""
        c.err.code = TW_RANGE
        return self.refuse(c.start, c.end, &c.err)

    cdef int tell_rest(self, int32_t number, Pass *c, bint is_changed, bint is_halted, bint want_fields) except -1:
        """Tell about what is no event."""
        if is_changed and self._on_halted is not None:
            self._on_halted(self.symbols._instruments[number], is_halted)
        if want_fields and self._on_fields is not None:
            self._on_fields(number, c.start[:c.end - c.start], self.ts_init)
        return 0

    cdef int tell_line(self, int32_t number, Line *line) except -1:
        """Tell that an awaited line is back."""
        line.is_awaited = False
        if self._on_line is not None:
            self._on_line(number)
        return 0

    cdef bint merge_odd(self, Line *line, tw_ib_frame *f, uint32_t values) noexcept:
        """Take over values that need not be numbers; returns whether Python may want to see them."""
        cdef int field
        cdef bint is_odd = False
        cdef tw_ib_kind kind
        line.known &= ~values
        line.approximate &= ~values
        line.wide &= ~values
        while values:
            field = __builtin_ctz(values)
            values &= values - 1
            kind = tw_ib_taken(&f.values[field], field)
            line.values[field].mantissa = line.values[field].exponent = 0
            if kind == IB_NUMBER:
                line.values[field] = f.values[field].number
                line.known |= 1u << field
                if f.values[field].number.exponent < 0:
                    line.wide |= 1u << field
                elif line.size_factor != 1 and (field == IB_BID_SIZE or field == IB_ASK_SIZE):
                    if not tw_fixed_share(line.values[field], line.size_factor, 0, &line.values[field]):
                        line.wide |= 1u << field
                if f.values[field].approximate:
                    line.approximate |= 1u << field
                    self.approximate_values += 1
                if field == IB_LAST:
                    is_odd |= line.mark != f.values[field].mark
                    line.mark = f.values[field].mark
                    line.is_halted = line.mark == c'H'
            elif kind == IB_TEXT:
                self.unreadable_values += 1
                is_odd = True
        return is_odd


cdef inline int _take(IbkrDecoder self, int32_t number, Line *line, Pass *c) except -1:
    """Merge a frame, then tell about it."""
    cdef uint32_t seen = c.frame.seen
    cdef bint was_halted = line.is_halted
    cdef bint is_odd = _merge(self, line, &c.frame)
    # Taken down first: a callback may close the line, or feed another frame.
    cdef bint is_halted = line.is_halted
    cdef bint want_fields = is_odd and line.want_fields
    cdef bint is_trade = seen & TW_IB_TRADE and line.known >> IB_LAST & 1 and line.mark == 0
    cdef TradeData trade
    cdef tw_fixed price, size
    cdef bint is_wide
    if not is_trade:
        if TW_UNLIKELY(line.is_awaited):
            self.tell_line(number, line)
        if TW_LIKELY(seen & TW_IB_QUOTE):
            _quote(self, number, line, c)
    else:
        trade.flags = line.flags | EventFlag.AGGREGATE
        if TW_UNLIKELY(line.approximate >> IB_LAST_SIZE & 1):
            trade.flags |= EventFlag.APPROXIMATE
        price = line.values[IB_LAST]
        size = line.values[IB_LAST_SIZE]
        is_wide = (line.wide & TW_IB_TRADE) != 0
        if TW_UNLIKELY(line.is_awaited):
            self.tell_line(number, line)
        if seen & TW_IB_QUOTE:
            _quote(self, number, line, c)
        if TW_UNLIKELY(is_wide):
            self.refuse_wide(c)
        else:
            trade.symbol = number
            trade.trade_id = trade.first_id = trade.last_id = -1
            trade.aggressor = AggressorSide.NO_AGGRESSOR
            trade.ts_init = self.ts_init
            trade.ts_event = c.frame.updated * 1_000_000 or self.ts_init
            tell_trade(self, &trade, &price, &size, False, c.start, c.end, &c.err)
    if TW_UNLIKELY(want_fields or is_halted != was_halted):
        return self.tell_rest(number, c, is_halted != was_halted, is_halted, want_fields)
    return 0


cdef inline bint _merge(IbkrDecoder self, Line *line, tw_ib_frame *f) noexcept:
    """Take over what a frame has; returns whether Python may want to see it."""
    cdef int field
    cdef int64_t updated = tw_ib_ms(f.updated)
    cdef uint32_t values = f.seen & ((1u << IB_VALUES) - 1)
    cdef uint32_t plain = f.plain
    cdef bint is_odd = (f.seen & TW_IB_OTHER) != 0
    # A price without a mark behind one with it is more than a number.
    if TW_UNLIKELY(line.mark != 0):
        plain &= ~(1u << IB_LAST)
    if TW_UNLIKELY(values != plain):
        is_odd |= self.merge_odd(line, f, values & ~plain)
    line.known |= plain
    line.approximate &= ~plain
    line.wide &= ~plain
    while plain:
        field = __builtin_ctz(plain)
        plain &= plain - 1
        line.values[field].mantissa = f.values[field].number.mantissa
        line.values[field].exponent = f.values[field].number.exponent
    if TW_UNLIKELY(f.seen & TW_IB_AVAILABILITY):
        is_odd |= _take_letters(line, &f.availability)
    if updated:
        self.time_regressions += updated < line.updated
        line.updated = updated
    line.ts_init = self.ts_init
    line.frames += 1
    f.updated = updated
    return is_odd


cdef inline int _quote(IbkrDecoder self, int32_t number, const Line *line, Pass *c) except -1:
    cdef QuoteData out
    cdef bint has_bid = line.known >> IB_BID & 1
    cdef bint has_ask = line.known >> IB_ASK & 1
    if TW_UNLIKELY(not has_bid or not has_ask):
        if self._on_empty_side is not None:
            self._on_empty_side(self.symbols._instruments[number], has_bid, has_ask)
        return 0
    out.symbol = number
    out.flags = line.flags
    if TW_UNLIKELY(line.is_halted):
        out.flags |= EventFlag.HALTED
    if TW_UNLIKELY(line.approximate & (1u << IB_BID_SIZE | 1u << IB_ASK_SIZE)):
        out.flags |= EventFlag.APPROXIMATE
    out.seq = c.frame.updated or -1
    out.ts_init = self.ts_init
    out.ts_event = c.frame.updated * 1_000_000 or self.ts_init
    if TW_UNLIKELY(line.wide & TW_IB_QUOTE):
        return self.refuse_wide(c)
    tell_quote(self, &out, &line.values[IB_BID], &line.values[IB_BID_SIZE], &line.values[IB_ASK],
               &line.values[IB_ASK_SIZE], c.start, c.end, &c.err)
    return 0


cdef void _forget(Line *line) noexcept:
    """Not whether it is halted, and of what kind its data is: both hold until told otherwise."""
    memset(line.values, 0, sizeof(line.values))
    line.known = line.approximate = line.wide = 0
    line.mark = 0
    line.n_letters = 0
    line.updated = 0


cdef bint _take_letters(Line *line, const tw_span *letters) noexcept:
    """Note what 6509 says; returns whether that is new."""
    cdef Py_ssize_t n = min(letters.length, <Py_ssize_t>sizeof(line.letters))
    cdef int availability = tw_ib_availability(letters.text, n)
    if n == line.n_letters and (n == 0 or memcmp(letters.text, line.letters, n) == 0):
        return False
    if n:
        memcpy(line.letters, letters.text, n)
    line.n_letters = n
    line.flags = 0
    if availability & TW_IB_DELAYED:
        line.flags |= EventFlag.DELAYED
    if availability & TW_IB_FROZEN:
        line.flags |= EventFlag.FROZEN
    return True
