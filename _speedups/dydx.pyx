"""Frames of the dYdX indexer to events.

| channel                            | handler                   | event or argument                  |
|------------------------------------|---------------------------|------------------------------------|
| v4_orderbook                       | on_book                   | BookUpdate                         |
| v4_trades                          | on_trade, on_liquidation  | Trade, Liquidation                 |
| every other                        | `on_data`                 | type, channel, id, message id, JSON|
| connected, subscribed, unsubscribed,| `on_control`             | the same                           |
| error, and types that are not known|                           |                                    |
"""

cimport cython
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.string cimport memcmp

from connectors._speedups._csrc cimport (
    TW_LIKELY,
    TW_MISSING,
    TW_UNLIKELY,
    tw_at_end,
    tw_err,
    tw_fixed,
    tw_levels,
    tw_next,
    tw_scale,
    tw_span,
    tw_symbols,
    tw_ws,
)
from connectors._speedups.decoder cimport (
    PyList_GET_ITEM,
    Rows,
    SymbolDecoder,
    bring_back,
    is_off_scale,
    lend,
    slot_for,
    tell_trade,
    text_of,
)
from connectors._speedups.events cimport (
    AggressorSide,
    BookData,
    EventFlag,
    EventHandler,
    InstrumentBase,
    TradeData,
)
from connectors._speedups.symbols cimport SymbolTable

__all__ = ["DydxDecoder", "trade_id_of", "trade_id_text"]

cdef extern from "dydx.h" nogil:
    ctypedef enum tw_dx_type:
        DX_OTHER_TYPE
        DX_CONNECTED
        DX_SUBSCRIBED
        DX_UNSUBSCRIBED
        DX_ERROR
        DX_DATA
        DX_BATCH

    ctypedef enum tw_dx_channel:
        DX_OTHER_CHANNEL
        DX_BOOK
        DX_TRADES

    enum:
        TW_DX_BUY
        DX_T_LIQUIDATED
        DX_T_DELEVERAGED
        TW_DX_TX_BITS
        TW_DX_EVENT_BITS

    const int64_t TW_DX_ID_MAX

    ctypedef struct tw_dx_frame:
        tw_dx_type type
        tw_dx_channel channel
        tw_span type_text
        tw_span connection
        tw_span channel_text
        tw_span id
        tw_span version
        int64_t message_id
        int32_t number
        const uint8_t *contents

    ctypedef struct tw_dx_manner:
        unsigned tail_length[3]

    ctypedef struct tw_dx_trade:
        int64_t id
        int64_t time
        tw_fixed price
        tw_fixed size
        int side
        int type

    const uint8_t *tw_dx_usual(const tw_dx_manner *m, const tw_symbols *symbols, const uint8_t *p, const uint8_t *end, tw_dx_frame *f)
    const uint8_t *tw_dx_scan(const uint8_t *p, const uint8_t *end, const tw_symbols *symbols, tw_dx_frame *f, tw_err *err)
    void tw_dx_expect_connection(tw_dx_manner *m, const tw_span *connection)
    void tw_dx_expect_version(tw_dx_manner *m, tw_dx_channel channel, const tw_span *version)
    bint tw_dx_version_differs(const tw_dx_manner *m, const tw_dx_frame *f)
    bint tw_dx_quick_book(const uint8_t *p, const uint8_t *end, int batch, const tw_scale *price, const tw_scale *size, tw_levels *bids, tw_levels *asks)
    const uint8_t *tw_dx_book(const uint8_t *p, const uint8_t *end, int is_snapshot, const tw_scale *price, const tw_scale *size, tw_levels *bids, tw_levels *asks, tw_err *err)
    const uint8_t *tw_dx_trades_of(const uint8_t *p, const uint8_t *end, const uint8_t **rows, tw_err *err)
    const uint8_t *tw_dx_trade_row(const uint8_t *p, const uint8_t *end, tw_dx_trade *t, tw_err *err)
    int64_t tw_dx_trade_id(const uint8_t *text, Py_ssize_t n)


cpdef int64_t trade_id_of(str text) except? -1:
    """Return the `trade_id` that a Trade has for an id of the venue.

    It is not negative and grows with time for an id of 24 hex digits: 31 bits of the block's
    height, 12 of the transaction's number in it, 20 of the event's. Ids that have another shape, or
    numbers that do not fit, give a negative number.
    """
    cdef bytes data
    if text is None:
        raise TypeError("a trade id is a str, got None")
    data = text.encode()
    return tw_dx_trade_id(data, len(data))


cpdef str trade_id_text(int64_t trade_id):
    """Return the id of the venue for a `trade_id`; ValueError for a negative one."""
    if trade_id < 0:
        raise ValueError(f"trade id {trade_id} stands for a text that was no 24 hex digits")
    event = trade_id & ((1 << TW_DX_EVENT_BITS) - 1)
    transaction = trade_id >> TW_DX_EVENT_BITS & ((1 << TW_DX_TX_BITS) - 1)
    return f"{trade_id >> TW_DX_EVENT_BITS >> TW_DX_TX_BITS:08x}{transaction:08x}{event:08x}"


# What one message was read into; handed out once all of it is known to be sound.
cdef struct Pass:
    const uint8_t *start
    const uint8_t *end
    tw_err err
    bint off_scale


# A book's contents, to be read on another grid.
cdef struct Levels:
    const uint8_t *p
    const uint8_t *end
    bint is_snapshot


@cython.final
cdef class DydxDecoder(SymbolDecoder):
    """Decodes the messages of one connection to the dYdX indexer.

    Parameters
    ----------
    symbols : SymbolTable
        May be shared by many decoders; the symbols are tickers (`BTC-USD`). Books and trades of
        markets that are not in it are dropped and counted in `unknown_markets`.
    handler : EventHandler, optional
        Receives the events; a `Router` for Python callbacks.
    on_control : callable, optional
        `on_control(type, channel, id, message_id, data)` for `connected`, `subscribed` (before its
        contents), `unsubscribed`, `error`, and types that are not known; `data` is the frame as JSON
        bytes. What is absent is "" or -1.
    on_data : callable, optional
        `on_data(type, channel, id, message_id, data)` for `subscribed`, `channel_data` and
        `channel_batch_data` of channels that have no event here.
    on_id : callable, optional
        `on_id(message_id, expected, type, channel, id)` before a frame is delivered whose message id
        is not the one expected: greater where ids were passed over, less where it is late or a
        repetition. `expected` is -1 when the frame belongs to another connection than those before.
    on_lost : callable, optional
        `on_lost(channel, id, message_id)` when a frame, or a row of one, about a market in `symbols`
        could not be used, beside `on_problem`.
    on_version : callable, optional
        `on_version(channel, version)` when the version of books or trades changes, and the first.
    on_problem : callable, optional
        `on_problem(error, data)` for a frame, or a trade of one, that was skipped because it does not
        decode; without it the error is raised to the feed.
    on_off_scale : callable, optional
        `on_off_scale(instrument)` when a price or size did not fit the instrument's scale. The event
        is delivered exactly, on a finer scale, with flag `OFF_SCALE`.
    on_unknown_market : callable, optional
        `on_unknown_market(id)` for each frame of a market that is not in `symbols`.

    Notes
    -----
    The message id is `first_seq` and `last_seq` of a book. Frames of books carry no time: `ts_event`
    is that of their arrival. A frame is one event, also a batch: its levels stand in the order sent,
    so that the last of one price counts. Trades are told oldest first; those that come with a
    subscription have the flag HISTORY. See `trade_id_of`.

    Error frames are not counted among the ids (DX-W-05); for one that has an id of its own, call
    `count_id`. A frame that is no JSON is not counted either, so that the next one shows the gap.

    `events`, `control_messages`, `data_messages`, `unknown_markets`, `id_surprises`,
    `decode_errors`, `row_errors` and `off_scale` count and only grow. Belongs to one thread. Numbers
    may stand bare or quoted; the last of duplicate keys counts.
    """

    cdef object _on_control, _on_data, _on_id, _on_lost, _on_version, _on_unknown_market
    cdef readonly str connection_id     # "": none yet
    cdef readonly int64_t next_id       # of the frame to come, where none is passed over
    cdef readonly uint64_t control_messages, data_messages, unknown_markets, id_surprises
    cdef bytes _connection              # as connection_id
    cdef tw_dx_manner manner

    def __init__(self, SymbolTable symbols not None, EventHandler handler=None, *, on_control=None,
                 on_data=None, on_id=None, on_lost=None, on_version=None, on_problem=None,
                 on_off_scale=None, on_unknown_market=None):
        SymbolDecoder.__init__(self, symbols, handler, on_problem=on_problem, on_off_scale=on_off_scale)
        self._on_control = on_control
        self._on_data = on_data
        self._on_id = on_id
        self._on_lost = on_lost
        self._on_version = on_version
        self._on_unknown_market = on_unknown_market
        self.connection_id = ""
        self._connection = b""

    def count_id(self, int64_t message_id):
        """Count the id of an error frame that has one of its own."""
        if not 0 <= message_id <= TW_DX_ID_MAX:
            raise ValueError(f"message_id must be 0 to {TW_DX_ID_MAX}, got {message_id}")
        self.count(message_id, "error", "", "")

    cdef int decode(self, const uint8_t *p, Py_ssize_t n, int64_t ts_init) except -1:
        cdef tw_dx_frame f
        cdef Pass c
        self.ts_init = ts_init
        c.start = p
        c.end = p + n
        c.err.code = 0
        c.err.at = p
        c.off_scale = False
        if TW_LIKELY(tw_dx_usual(&self.manner, &self.symbols.table, p, c.end, &f) != NULL
                     and f.message_id == self.next_id and self.read_quick(&f, &c)):
            self.next_id += 1
            return self.deliver(&f, &c)
        # Something is unusual, or wrong: what that is comes out below.
        p = tw_dx_scan(p, c.end, &self.symbols.table, &f, &c.err)
        if p == NULL or not tw_at_end(p, c.end, &c.err):
            return self.refuse(c.start, c.end, &c.err)
        return self.take(&f, &c)

    cdef inline bint read_quick(self, tw_dx_frame *f, Pass *c) except -1:
        """Read the contents, and see that nothing but the end of the frame is behind them."""
        cdef const uint8_t *p
        cdef tw_scale price, size
        if f.channel == DX_BOOK:
            price = self.symbols.table.symbols[f.number].price
            size = self.symbols.table.symbols[f.number].size
            return tw_dx_quick_book(f.contents, c.end, f.type == DX_BATCH, &price, &size, &self.bids, &self.asks)
        p = self.read_trades(f.contents, c)
        if TW_LIKELY(p != NULL and p + 1 == c.end and p[0] == c'}'):
            return True
        c.err.code = 0
        return False

    cdef int take(self, tw_dx_frame *f, Pass *c) except -1:
        """Handle a frame of any shape, known to be sound JSON."""
        cdef tw_dx_type type = f.type
        cdef bint is_data = type == DX_DATA or type == DX_BATCH
        cdef bint known = f.channel != DX_OTHER_CHANNEL
        cdef bint has_contents = is_data or type == DX_SUBSCRIBED
        cdef str channel, id
        cdef str type_text = text_of(&f.type_text)
        cdef bytes data
        if has_contents and (f.message_id < 0 or f.channel_text.text == NULL or f.contents == NULL
                             or (known and f.id.text == NULL)):
            c.err.code = TW_MISSING
            c.err.at = c.end - 1
            return self.refuse(c.start, c.end, &c.err)
        channel = text_of(&f.channel_text)
        id = text_of(&f.id)
        if type != DX_ERROR:
            self.meet(f, type_text, channel, id)
        if not has_contents or not known or type == DX_SUBSCRIBED:
            data = c.start[:c.end - c.start]
        if not is_data:
            self.control_messages += 1
            if self._on_control is not None:
                self._on_control(type_text, channel, id, f.message_id, data)
        if not has_contents:
            return 0
        if not known:
            self.data_messages += 1
            if self._on_data is not None:
                self._on_data(type_text, channel, id, f.message_id, data)
            return 0
        if is_data and tw_dx_version_differs(&self.manner, f):
            tw_dx_expect_version(&self.manner, f.channel, &f.version)
            if self._on_version is not None:
                self._on_version(channel, text_of(&f.version))
        # Callbacks may have changed the table.
        f.number = self.symbols.find(id)
        if f.number < 0:
            self.unknown_markets += 1
            if self._on_unknown_market is not None:
                self._on_unknown_market(id)
            return 0
        if self.read(f, c) == NULL:
            return self.lose(f, c)
        return self.deliver(f, c)

    # ---- ids -------------------------------------------------------------------------------------

    cdef int meet(self, tw_dx_frame *f, str type_text, str channel, str id) except -1:
        """See what connection a frame belongs to, and count its id."""
        cdef bytes connection = self._connection
        cdef int64_t message_id = f.message_id
        if f.connection.text != NULL:
            connection = f.connection.text[:f.connection.length]
        if message_id < 0:
            return 0
        if f.type == DX_CONNECTED or not self._connection or connection != self._connection:
            is_other = f.type != DX_CONNECTED and self._connection != b""
            self._connection = connection
            self.connection_id = connection.decode("utf-8", "replace")
            tw_dx_expect_connection(&self.manner, &f.connection)
            self.next_id = message_id + 1
            if is_other:
                self.surprise(message_id, -1, type_text, channel, id)
            return 0
        return self.count(message_id, type_text, channel, id)

    cdef int count(self, int64_t message_id, str type_text, str channel, str id) except -1:
        cdef int64_t expected = self.next_id
        if message_id >= expected:
            self.next_id = message_id + 1
        if message_id != expected:
            self.surprise(message_id, expected, type_text, channel, id)
        return 0

    cdef int surprise(self, int64_t message_id, int64_t expected, str type_text, str channel, str id) except -1:
        self.id_surprises += 1
        if self._on_id is not None:
            self._on_id(message_id, expected, type_text, channel, id)
        return 0

    # ---- reading and delivery --------------------------------------------------------------------

    cdef const uint8_t *read(self, tw_dx_frame *f, Pass *c) except? NULL:
        """Read the contents of a book or trades; returns the place behind them, NULL with c.err set."""
        cdef const uint8_t *after
        cdef tw_scale price, size
        if f.channel == DX_TRADES:
            return self.read_trades(f.contents, c)
        price = self.symbols.table.symbols[f.number].price
        size = self.symbols.table.symbols[f.number].size
        after = tw_dx_book(f.contents, c.end, f.type == DX_SUBSCRIBED, &price, &size, &self.bids, &self.asks, &c.err)
        if after == NULL and is_off_scale(&c.err):
            c.off_scale = True  # to be read on a finer grid
            return c.end
        return after

    cdef int deliver(self, tw_dx_frame *f, Pass *c) except -1:
        if f.channel == DX_BOOK:
            return self.deliver_book(f, c)
        return self.deliver_trades(f, c)

    cdef int lose(self, tw_dx_frame *f, Pass *c) except -1:
        """Refuse a frame whose id was counted."""
        self.tell_lost(f)
        return self.refuse(c.start, c.end, &c.err)

    cdef int tell_lost(self, tw_dx_frame *f) except -1:
        if self._on_lost is not None:
            self._on_lost("v4_orderbook" if f.channel == DX_BOOK else "v4_trades", text_of(&f.id), f.message_id)
        return 0

    # ---- books -----------------------------------------------------------------------------------

    cdef int deliver_book(self, tw_dx_frame *f, Pass *c) except -1:
        cdef BookData out
        cdef Levels levels
        cdef InstrumentBase instrument
        out.flags = 0
        if TW_UNLIKELY(c.off_scale):
            levels.p = f.contents
            levels.end = c.end
            levels.is_snapshot = f.type == DX_SUBSCRIBED
            instrument = self.finer_book(f.number, &levels, &c.err)
            if instrument is None:
                return self.lose(f, c)
            out.flags = EventFlag.OFF_SCALE
        else:
            instrument = <InstrumentBase>PyList_GET_ITEM(self.symbols._instruments, f.number)
        out.symbol = f.number
        out.ts_init = out.ts_event = self.ts_init
        out.first_seq = out.last_seq = f.message_id
        out.prev_seq = -1
        out.n_bids = self.bids.count
        out.n_asks = self.asks.count
        out.bid_prices = self.bids.prices
        out.bid_sizes = self.bids.sizes
        out.ask_prices = self.asks.prices
        out.ask_sizes = self.asks.sizes
        self.events += 1
        self.handler.on_book(instrument, &out, f.type == DX_SUBSCRIBED)
        return 0

    cdef bint read_levels(self, const void *at, const tw_scale *price, const tw_scale *size, tw_err *err) noexcept:
        cdef const Levels *levels = <const Levels *>at
        return tw_dx_book(levels.p, levels.end, levels.is_snapshot, price, size, &self.bids, &self.asks, err) != NULL

    # ---- trades ----------------------------------------------------------------------------------

    cdef const uint8_t *read_trades(self, const uint8_t *p, Pass *c) except? NULL:
        """Read all rows of a frame's contents, one or a list of them."""
        cdef const uint8_t *next
        cdef int more = 1
        self.trades.count = 0
        self.failed = None
        if p >= c.end or p[0] != c'[':
            return self.read_contents(p, c)
        p = tw_ws(p + 1, c.end)
        if p < c.end and p[0] == c']':
            return p + 1
        while more > 0:
            p = self.read_contents(p, c)
            if p == NULL:
                return NULL
            more = tw_next(p, c.end, c']', &next, &c.err)
            p = next
        if more < 0:
            return NULL
        return p

    cdef inline const uint8_t *read_contents(self, const uint8_t *p, Pass *c) except? NULL:
        cdef const uint8_t *after
        cdef const uint8_t *rows
        cdef Py_ssize_t count = self.trades.count
        cdef list failed = self.failed
        if TW_LIKELY(failed is None and c.end - p > 16 and memcmp(p, b'{"trades":[', 11) == 0):
            after = self.read_rows(p + 10, c)
            if TW_LIKELY(after != NULL and after < c.end and after[0] == c'}'):
                return after + 1
            # More members, or something is wrong.
            c.err.code = 0
            self.trades.count = count
            self.failed = None
        after = tw_dx_trades_of(p, c.end, &rows, &c.err)
        if after == NULL or rows != NULL and self.read_rows(rows, c) == NULL:
            return NULL
        return after

    cdef const uint8_t *read_rows(self, const uint8_t *p, Pass *c) except? NULL:
        """Read a list of trades; those that do not decode go to `failed`."""
        cdef const uint8_t *next
        cdef const uint8_t *after
        cdef int more
        p = tw_ws(p + 1, c.end)
        if p < c.end and p[0] == c']':
            return p + 1
        while True:
            after = tw_dx_trade_row(p, c.end, <tw_dx_trade *>slot_for(&self.trades, sizeof(tw_dx_trade)), &c.err)
            if TW_LIKELY(after != NULL):
                self.trades.count += 1
            else:
                after = self.pass_over(p, c.start, c.end, &c.err)
                if after == NULL:
                    return NULL
            more = tw_next(after, c.end, c']', &next, &c.err)
            if more < 0:
                return NULL
            p = next
            if more == 0:
                return p

    cdef int deliver_trades(self, tw_dx_frame *f, Pass *c) except -1:
        cdef Rows trades = lend(&self.trades)
        cdef const tw_dx_trade *rows = <const tw_dx_trade *>trades.block
        cdef Py_ssize_t i, n = trades.count
        cdef list failed = self.failed
        self.failed = None
        try:
            if f.type == DX_SUBSCRIBED:
                for i in range(n):  # newest first
                    self.trade(&rows[n - 1 - i], f, c)
            else:
                for i in range(n):
                    self.trade(&rows[i], f, c)
        finally:
            bring_back(&self.trades, &trades)
        if TW_UNLIKELY(failed is not None):
            self.tell_lost(f)
            self.refuse_rows(failed)
        return 0

    cdef inline int trade(self, const tw_dx_trade *t, tw_dx_frame *f, Pass *c) except -1:
        cdef TradeData out
        out.symbol = f.number
        out.flags = EventFlag.HISTORY if f.type == DX_SUBSCRIBED else 0
        if t.type == DX_T_DELEVERAGED:
            out.flags |= EventFlag.NOT_MARKET
        out.trade_id = t.id
        out.first_id = out.last_id = -1
        out.aggressor = AggressorSide.BUYER if t.side == TW_DX_BUY else AggressorSide.SELLER
        out.ts_init = self.ts_init
        out.ts_event = t.time
        if not tell_trade(self, &out, &t.price, &t.size, t.type == DX_T_LIQUIDATED, c.start, c.end, &c.err):
            self.tell_lost(f)
        return 0
