"""Hyperliquid stream frames to events, and account frames to rows.

| channel                            | handler                   | event or argument          |
|------------------------------------|---------------------------|----------------------------|
| l2Book                             | on_book                   | BookUpdate, a snapshot     |
| bbo                                | on_quote                  | Quote                      |
| trades                             | on_trade                  | Trade                      |
| candle                             | on_bar                    | Bar                        |
| activeAssetCtx, activeSpotAssetCtx,| on_mark_price, on_ticker  | MarkPrice, Ticker          |
| allDexsAssetCtxs, spotAssetCtxs    |                           |                            |
| the same                           | `on_context`              | AssetContext               |
| allMids                            | `on_mids`                 | dex, {id: price}           |
| orderUpdates                       | UserHandler.on_orders     | UserFrame of OrderRow      |
| userFills, fills of user           | .on_fills                 | ... of FillRow             |
| subscriptionResponse, error, pong, | `on_control`              | channel, JSON              |
| post, and what is not JSON         |                           |                            |
| every other                        | `on_venue_event`          | channel, JSON              |
"""

cimport cython
from cpython.unicode cimport PyUnicode_DecodeASCII
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from connectors._speedups._csrc cimport (
    TW_LIKELY,
    TW_MISSING,
    TW_OFF_PRICE,
    TW_OFF_SIZE,
    TW_TYPE,
    TW_UNLIKELY,
    tw_at_end,
    tw_choice,
    tw_err,
    tw_fixed,
    tw_fixed_add,
    tw_fixed_value,
    tw_levels,
    tw_literal,
    tw_next,
    tw_scale,
    tw_skip,
    tw_span,
    tw_string,
    tw_symbols,
    tw_ws,
)
from connectors._speedups.decoder cimport (
    PyList_GET_ITEM,
    Rows,
    SymbolDecoder,
    bring_back,
    error_of,
    fixed_of,
    is_off_scale,
    lend,
    number_of,
    number_or_none,
    scale_to,
    slot_for,
    tell_quote,
    tell_trade,
    text_of,
    words_of,
)
from connectors._speedups.events cimport (
    AggressorSide,
    BarData,
    BookData,
    EventFlag,
    EventHandler,
    Fixed,
    InstrumentBase,
    MarkPriceData,
    QuoteData,
    TickerData,
    TradeData,
)
from connectors._speedups.fills cimport DirectFills, FillData, OrderCore
from connectors._speedups.symbols cimport SymbolTable

__all__ = [
    "AssetContext",
    "FillRow",
    "HyperliquidDecoder",
    "OrderRow",
    "RowProblem",
    "UserFills",
    "UserFrame",
    "UserHandler",
    "parse_fills",
]

cdef extern from "hyperliquid.h" nogil:
    ctypedef enum tw_hl_kind:
        HL_OTHER
        HL_CONTROL
        HL_BOOK
        HL_BBO
        HL_TRADES
        HL_CANDLE
        HL_CTX
        HL_SPOT_CTX
        HL_MIDS
        HL_ALL_CTXS
        HL_SPOT_CTXS
        HL_ORDERS
        HL_FILLS
        HL_USER

    enum:
        TW_HL_BUY
        TW_HL_STATUSES
        TW_HL_DIRS
        TW_HL_TOKENS

    ctypedef struct tw_hl_frame:
        tw_hl_kind kind
        tw_span channel
        const uint8_t *data

    ctypedef struct tw_hl_book:
        const tw_symbols *symbols
        tw_levels *bids
        tw_levels *asks
        int64_t time
        int32_t number
        tw_span coin
        const uint8_t *levels

    ctypedef struct tw_hl_bbo:
        tw_span coin
        int64_t time
        tw_fixed bid
        tw_fixed bid_size
        tw_fixed ask
        tw_fixed ask_size

    ctypedef struct tw_hl_trade:
        tw_span coin
        int64_t time
        int64_t tid
        tw_fixed price
        tw_fixed size
        int side

    ctypedef struct tw_hl_candle:
        tw_span coin
        int64_t opened
        int64_t closed
        int64_t count
        tw_fixed open
        tw_fixed high
        tw_fixed low
        tw_fixed close
        tw_fixed volume
        int32_t interval_s

    ctypedef struct tw_hl_ctx:
        tw_span coin
        tw_span inner_coin
        tw_fixed mark
        tw_fixed oracle
        tw_fixed mid
        tw_fixed funding
        tw_fixed premium
        tw_fixed open_interest
        tw_fixed previous_day
        tw_fixed impact_bid
        tw_fixed impact_ask
        tw_fixed day_quote_volume
        tw_fixed day_base_volume
        tw_fixed circulating_supply
        tw_fixed total_supply

    ctypedef struct tw_hl_mids:
        const uint8_t *mids
        tw_span dex

    ctypedef struct tw_hl_order:
        tw_span coin
        tw_span cloid
        int64_t oid
        int64_t timestamp
        int64_t status_timestamp
        tw_fixed price
        tw_fixed size
        tw_fixed original
        tw_fixed trigger_price
        tw_choice status
        int side
        int reduce_only

    ctypedef struct tw_hl_fill:
        tw_span coin
        tw_span dir
        tw_span hash
        tw_span fee_token
        tw_span cloid
        int64_t oid
        int64_t tid
        int64_t time
        int64_t twap_id
        tw_fixed price
        tw_fixed size
        tw_fixed start_position
        tw_fixed closed_pnl
        tw_fixed fee
        tw_fixed builder_fee
        int side
        int crossed
        int liquidation

    ctypedef struct tw_hl_fills:
        tw_span user
        const uint8_t *fills
        int is_snapshot
        int others

    const tw_literal tw_hl_statuses[31]
    const tw_literal tw_hl_dirs[8]
    const tw_literal tw_hl_tokens[4]
    int tw_find_literal(const tw_span *s, const tw_literal *words, int count)

    const uint8_t *tw_hl_usual(const uint8_t *p, const uint8_t *end, tw_hl_frame *f)
    const uint8_t *tw_hl_scan(const uint8_t *p, const uint8_t *end, tw_hl_frame *f, tw_err *err)
    int32_t tw_hl_find(const tw_symbols *symbols, const tw_span *coin)
    int64_t tw_hl_ns(int64_t ms)
    const uint8_t *tw_hl_sides(const uint8_t *p, const uint8_t *end, const tw_scale *price, const tw_scale *size, tw_levels *bids, tw_levels *asks, tw_err *err)
    const uint8_t *tw_hl_book_data(const uint8_t *p, const uint8_t *end, tw_hl_book *b, tw_err *err)
    const uint8_t *tw_hl_bbo_data(const uint8_t *p, const uint8_t *end, tw_hl_bbo *b, tw_err *err)
    const uint8_t *tw_hl_trade_row(const uint8_t *p, const uint8_t *end, tw_hl_trade *t, tw_err *err)
    const uint8_t *tw_hl_candle_data(const uint8_t *p, const uint8_t *end, tw_hl_candle *c, tw_err *err)
    const uint8_t *tw_hl_ctx_data(const uint8_t *p, const uint8_t *end, tw_hl_ctx *c, tw_err *err)
    const uint8_t *tw_hl_ctx_values(const uint8_t *p, const uint8_t *end, tw_hl_ctx *c, tw_err *err)
    const uint8_t *tw_hl_ctxs_data(const uint8_t *p, const uint8_t *end, const uint8_t **list, tw_err *err)
    const uint8_t *tw_hl_mids_data(const uint8_t *p, const uint8_t *end, tw_hl_mids *m, tw_err *err)
    const uint8_t *tw_hl_order_row(const uint8_t *p, const uint8_t *end, tw_hl_order *o, tw_err *err)
    const uint8_t *tw_hl_fill_row(const uint8_t *p, const uint8_t *end, tw_hl_fill *f, tw_err *err)
    const uint8_t *tw_hl_fills_data(const uint8_t *p, const uint8_t *end, tw_hl_fills *f, tw_err *err)


# ---- rows ----------------------------------------------------------------------------------------

cdef tuple STATUSES = words_of(tw_hl_statuses, TW_HL_STATUSES)
cdef tuple DIRS = words_of(tw_hl_dirs, TW_HL_DIRS)
cdef tuple TOKENS = words_of(tw_hl_tokens, TW_HL_TOKENS)
cdef int64_t HOUR_NS = 3_600_000_000_000


cdef inline object _positive_or_none(Fixed x):
    """A price; zero stands for none, as in the venue's lists."""
    return None if x.exponent < 0 or x.mantissa == 0 else number_of(x)


@cython.final
@cython.no_gc
@cython.freelist(64)
cdef class OrderRow:
    """One order as orderUpdates shows it: a leg, told by `oid`.

    Times are as sent, ms (0: absent), `ts_event` is that of the status in ns. Sizes: what is left
    and what the leg began with.
    """

    @property
    def order_id(self):
        return str(self.oid)

    @property
    def side(self):
        return "B" if self.is_buy else "A"

    @property
    def limit_px(self):
        return _positive_or_none(self._limit_px)

    @property
    def sz(self):
        return number_of(self._sz)

    @property
    def orig_sz(self):
        return number_of(self._orig_sz)

    @property
    def trigger_px(self):
        return _positive_or_none(self._trigger_px)

    @property
    def ts_event(self):
        return tw_hl_ns(self.status_ms or self.timestamp_ms)

    def __repr__(self):
        return f"<OrderRow {self.oid} {self.coin} {self.side} {self.sz}/{self.orig_sz}@{self.limit_px} {self.status}>"


@cython.final
@cython.no_gc
@cython.freelist(64)
cdef class FillRow:
    """One fill of the account.

    `tid` is 0 for what was no trade. `fee` is in `fee_token`, negative for a rebate, and includes
    `builder_fee`. `time_ms` is as sent, `ts_event` the same in ns.
    """

    @property
    def order_id(self):
        return str(self.oid)

    @property
    def side(self):
        return "B" if self.is_buy else "A"

    @property
    def px(self):
        return number_of(self._px)

    @property
    def sz(self):
        return number_of(self._sz)

    @property
    def hash(self):
        return self._hash[:self._hash_length].decode("utf-8", "replace")

    @property
    def start_position(self):
        return number_or_none(self._start_position)

    @property
    def closed_pnl(self):
        return number_or_none(self._closed_pnl)

    @property
    def fee(self):
        return number_of(self._fee)

    @property
    def builder_fee(self):
        return number_or_none(self._builder_fee)

    @property
    def ts_event(self):
        return tw_hl_ns(self.time_ms)

    def __repr__(self):
        return f"<FillRow {self.tid} of {self.oid} {self.coin} {self.side} {self.sz}@{self.px} {self.dir}>"


@cython.final
@cython.freelist(16)
cdef class UserFrame:
    """The rows of one account frame, in the order sent.

    A row that does not decode is in `problems` and takes no other with it.
    """

    def __len__(self):
        return len(self.rows)

    def __repr__(self):
        return f"<UserFrame {self.channel} {len(self.rows)} rows {len(self.problems)} problems>"


@cython.final
cdef class RowProblem:
    """A row that does not decode: the error and its JSON."""

    def __repr__(self):
        return f"<RowProblem {self.error}>"


cdef class UserHandler:
    """Receives what happens to an account; override what you want.

    An exception reaches the feed, which counts and reports it and goes on.
    """

    cpdef object on_orders(self, UserFrame frame):
        """Take changed orders (`OrderRow`); there never is a snapshot."""

    cpdef object on_fills(self, UserFrame frame):
        """Take fills (`FillRow`); those of a snapshot may be known."""


@cython.final
@cython.no_gc
@cython.freelist(16)
cdef class AssetContext:
    """What the venue says about a market, exact Decimals as sent, None where absent.

    Sums of the day are cut at 18 digits. `funding` is the rate for the current hour. The frame has
    no time of its own: `ts_init` is when it arrived, ns. A spot market has no oracle, funding, open
    interest or impact prices; a perpetual has no supply.
    """

    @property
    def mark(self):
        return number_or_none(self._mark)

    @property
    def oracle(self):
        return number_or_none(self._oracle)

    @property
    def mid(self):
        return number_or_none(self._mid)

    @property
    def funding(self):
        return number_or_none(self._funding)

    @property
    def premium(self):
        return number_or_none(self._premium)

    @property
    def open_interest(self):
        return number_or_none(self._open_interest)

    @property
    def previous_day(self):
        return number_or_none(self._previous_day)

    @property
    def impact_bid(self):
        return number_or_none(self._impact_bid)

    @property
    def impact_ask(self):
        return number_or_none(self._impact_ask)

    @property
    def day_quote_volume(self):
        return number_or_none(self._day_quote_volume)

    @property
    def day_base_volume(self):
        return number_or_none(self._day_base_volume)

    @property
    def circulating_supply(self):
        return number_or_none(self._circulating_supply)

    @property
    def total_supply(self):
        return number_or_none(self._total_supply)

    def __repr__(self):
        return f"<AssetContext {self.instrument.id} mark={self.mark} oracle={self.oracle} mid={self.mid}>"


cdef inline object _cloid(const tw_span *s):
    cdef Py_ssize_t i
    cdef int odd = s.escaped
    if s.text == NULL or s.length == 0:
        return None
    for i in range(s.length):
        odd |= (<uint8_t>(s.text[i] - c'A') < 26) | (s.text[i] >= 0x80)
    if TW_UNLIKELY(odd):
        return text_of(s).lower()
    return PyUnicode_DecodeASCII(<const char *>s.text, s.length, NULL)


cdef inline str _one_of(tuple words, const tw_literal *table, int count, const tw_span *s):
    """A word that is mostly one of a few, of which all rows share the text."""
    cdef int number
    if s.text == NULL:
        return ""
    number = tw_find_literal(s, table, count)
    return <str>words[number] if number >= 0 else text_of(s)


cdef int _keep_hash(FillRow row, const tw_span *s) except -1:
    """A hash has 66 characters; of a longer text the first 80 are kept."""
    cdef bytes text
    cdef const char *at = <const char *>s.text
    cdef Py_ssize_t n = s.length if s.text != NULL else 0
    if TW_UNLIKELY(n and s.escaped):
        text = text_of(s).encode()
        at = text
        n = len(text)
    row._hash_length = <int32_t>min(n, <Py_ssize_t>sizeof(row._hash))
    if n:
        memcpy(row._hash, at, row._hash_length)
    return 0


cdef OrderRow _order_row(const tw_hl_order *o, SymbolTable symbols):
    cdef OrderRow row = OrderRow.__new__(OrderRow)
    cdef int32_t number = tw_hl_find(&symbols.table, &o.coin)
    if TW_LIKELY(number >= 0):
        row.instrument = <InstrumentBase>PyList_GET_ITEM(symbols._instruments, number)
        row.coin = row.instrument.symbol
    else:
        row.coin = text_of(&o.coin)
    row.cloid = _cloid(&o.cloid)
    row.status = <str>STATUSES[o.status.number] if o.status.number >= 0 else text_of(&o.status.text)
    row.oid = o.oid
    row.status_ms = o.status_timestamp
    row.timestamp_ms = o.timestamp
    row.is_buy = o.side == TW_HL_BUY
    row.reduce_only = o.reduce_only
    row._limit_px = fixed_of(o.price)
    row._sz = fixed_of(o.size)
    row._orig_sz = fixed_of(o.original if o.original.exponent >= 0 else o.size)
    row._trigger_px = fixed_of(o.trigger_price)
    return row


cdef FillRow _fill_row(const tw_hl_fill *f, SymbolTable symbols):
    cdef FillRow row = FillRow.__new__(FillRow)
    cdef int32_t number = tw_hl_find(&symbols.table, &f.coin)
    if TW_LIKELY(number >= 0):
        row.instrument = <InstrumentBase>PyList_GET_ITEM(symbols._instruments, number)
        row.coin = row.instrument.symbol
    else:
        row.coin = text_of(&f.coin)
    row.cloid = _cloid(&f.cloid)
    row.dir = _one_of(DIRS, tw_hl_dirs, TW_HL_DIRS, &f.dir)
    row.fee_token = _one_of(TOKENS, tw_hl_tokens, TW_HL_TOKENS, &f.fee_token)
    _keep_hash(row, &f.hash)
    row.oid = f.oid
    row.tid = f.tid
    row.time_ms = f.time
    row.twap_id = f.twap_id
    row.is_buy = f.side == TW_HL_BUY
    row.crossed = f.crossed > 0
    row.is_liquidation = f.liquidation
    row._px = fixed_of(f.price)
    row._sz = fixed_of(f.size)
    row._start_position = fixed_of(f.start_position)
    row._closed_pnl = fixed_of(f.closed_pnl)
    row._fee = fixed_of(f.fee)
    row._builder_fee = fixed_of(f.builder_fee)
    return row


cdef UserFrame _user_frame(str channel, int64_t ts_init):
    cdef UserFrame frame = UserFrame.__new__(UserFrame)
    frame.channel = channel
    frame.user = ""
    frame.ts_init = ts_init
    frame.rows = []
    frame.problems = []
    return frame


cdef const uint8_t *_row(const uint8_t *p, const uint8_t *end, bint fills, SymbolTable symbols, UserFrame frame,
                         tw_err *err) except? NULL:
    cdef tw_hl_order order
    cdef tw_hl_fill fill
    if fills:
        p = tw_hl_fill_row(p, end, &fill, err)
        if p != NULL:
            frame.rows.append(_fill_row(&fill, symbols))
    else:
        p = tw_hl_order_row(p, end, &order, err)
        if p != NULL:
            frame.rows.append(_order_row(&order, symbols))
    return p


cdef const uint8_t *_rows(const uint8_t *p, const uint8_t *end, const uint8_t *start, bint fills,
                          SymbolTable symbols, UserFrame frame, tw_err *err) except? NULL:
    """Read a list of rows; those that do not decode go to `problems`. NULL with err set where it is no
    list, or not JSON."""
    cdef const uint8_t *next
    cdef const uint8_t *after
    cdef RowProblem problem
    cdef int more, code
    cdef const uint8_t *at
    if p >= end or p[0] != c'[':
        after = tw_skip(p, end, err) if p < end else NULL
        if after != NULL or p >= end:
            err.code = TW_TYPE
            err.at = p
        return NULL
    p = tw_ws(p + 1, end)
    if p < end and p[0] == c']':
        return p + 1
    while True:
        after = _row(p, end, fills, symbols, frame, err)
        if TW_UNLIKELY(after == NULL):
            code = err.code
            at = err.at
            err.code = 0
            after = tw_skip(p, end, err) if p < end else NULL
            if after == NULL:
                if err.code == 0:
                    err.code = code
                    err.at = at
                return NULL
            problem = RowProblem.__new__(RowProblem)
            problem.error = error_of(code, at, start)
            problem.data = p[:after - p]
            frame.problems.append(problem)
        more = tw_next(after, end, c']', &next, err)
        if more < 0:
            return NULL
        p = next
        if more == 0:
            return p


def parse_fills(const uint8_t[::1] data not None, SymbolTable symbols not None, int64_t ts_init=0):
    """Read a list of fills, as REST gives it, into a `UserFrame` of channel "".

    Raises
    ------
    DecodeError
        It is not a JSON list. Rows that do not decode are in `problems`.
    """
    cdef const uint8_t *start = &data[0] if data.shape[0] else NULL
    cdef const uint8_t *end = start + data.shape[0]
    cdef const uint8_t *p
    cdef UserFrame frame = _user_frame("", ts_init)
    cdef tw_err err
    err.code = 0
    err.at = start
    p = _rows(tw_ws(start, end), end, start, True, symbols, frame, &err)
    if p == NULL or not tw_at_end(p, end, &err):
        raise error_of(err.code, err.at, start)
    return frame


# ---- fills of orders -----------------------------------------------------------------------------

cdef list NO_ROWS = []


@cython.final
@cython.internal
cdef class _Held:
    """A position after the last fill that told of it."""
    cdef int64_t time_ms
    cdef Fixed after


@cython.final
cdef class UserFills:
    """Takes an account's fills to its orders, as far as there is nothing to decide about them.

    Each fill of a perpetual says what the position was before it. If that is not what the one before
    it left, fills did not come.

    Parameters
    ----------
    direct : DirectFills
        Of the account's dispatch.
    on_gap : callable
        `on_gap(since_ms)` where fills since then (venue's time) did not come.
    wall_ns : callable
        Unix time in ns, for `ts_init`; read once a frame.
    maker, taker : LiquiditySide

    Attributes
    ----------
    newest_ms : int
        The latest time of those that were taken, 0 before the first.
    """

    cdef DirectFills _direct
    cdef object _on_gap, _wall_ns, _maker, _taker
    cdef dict _held                     # by coin
    cdef readonly int64_t newest_ms

    def __init__(self, DirectFills direct not None, *, on_gap, wall_ns, maker, taker):
        self._direct = direct
        self._on_gap = on_gap
        self._wall_ns = wall_ns
        self._maker = maker
        self._taker = taker
        self._held = {}

    def take(self, UserFrame frame not None):
        """Apply and tell the fills of a frame, in its order.

        Returns the rows from the first on that has to go the long way.
        """
        cdef list rows = frame.rows
        cdef Py_ssize_t i, n = len(rows)
        cdef int64_t now_ns
        if n == 0:
            return NO_ROWS
        now_ns = self._wall_ns()
        for i in range(n):
            if not self.fill(<FillRow?>rows[i], now_ns):
                return rows[i:]
        return NO_ROWS

    def follow(self, FillRow row not None):
        """Compare the position before a new fill with that after the last one."""
        cdef tw_fixed size, after
        cdef _Held held
        cdef Fixed was
        cdef int64_t since_ms
        cdef bint continues
        if row._start_position.exponent < 0 or "/" in row.coin or row.coin.startswith("@"):
            return  # tokens also come and go without a trade
        size.mantissa = row._sz.mantissa if row.is_buy else -row._sz.mantissa
        size.exponent = row._sz.exponent
        if TW_UNLIKELY(size.exponent < 0):
            size.mantissa = size.exponent = 0
        after.mantissa = row._start_position.mantissa
        after.exponent = row._start_position.exponent
        held = self._held.get(row.coin)
        if held is not None and row.time_ms < held.time_ms:
            return
        if TW_UNLIKELY(not tw_fixed_add(after, size, &after)):
            self._held.pop(row.coin, None)
            return
        if held is None:
            held = self._held[row.coin] = _Held.__new__(_Held)
            continues, since_ms = True, 0
        else:
            was, since_ms = held.after, held.time_ms
            continues = (was.mantissa == row._start_position.mantissa
                         if was.exponent == row._start_position.exponent
                         else number_of(was) == number_of(row._start_position))
        held.time_ms = row.time_ms
        held.after = fixed_of(after)
        if TW_UNLIKELY(not continues):
            self._on_gap(since_ms)

    def forget(self):
        """The connection was away: what comes next need not continue what came last."""
        self._held.clear()

    cdef bint fill(self, FillRow row, int64_t now_ns) except -1:
        cdef FillData fill
        cdef OrderCore order
        if TW_UNLIKELY(row.tid <= 0 or row._fee.exponent < 0):
            return False
        order = self._direct.find(row.cloid, row.oid)
        if order is None or order.missing_since_ns is not None:
            return False
        fill.trade_id = row.tid
        fill.venue_order_id = row.oid
        fill.ts_event = tw_hl_ns(row.time_ms)
        fill.ts_init = now_ns
        fill.size = row._sz
        fill.price = row._px
        fill.commission = row._fee
        fill.realized_pnl = row._closed_pnl
        if TW_UNLIKELY(not self._direct.take(order, &fill, self._taker if row.crossed else self._maker,
                                             row.fee_token or None)):
            return False
        self.follow(row)
        if row.time_ms > self.newest_ms:
            self.newest_ms = row.time_ms
        return True


# ---- the decoder ---------------------------------------------------------------------------------

# What one message was read into; handed out once all of it is known to be sound.
cdef struct Pass:
    const uint8_t *start
    const uint8_t *end
    tw_err err
    bint off_scale
    tw_hl_book book
    tw_hl_bbo bbo
    tw_hl_candle candle
    tw_hl_ctx ctx
    tw_hl_mids mids
    tw_hl_fills fills
    const uint8_t *ctxs


# A book's sides, to be read on another grid.
cdef struct Levels:
    const uint8_t *p
    const uint8_t *end


@cython.final
cdef class HyperliquidDecoder(SymbolDecoder):
    """Decodes the messages of one Hyperliquid connection, public or of an account.

    Parameters
    ----------
    symbols : SymbolTable
        May be shared by many decoders; the symbols are coins as the venue writes them (`BTC`, `@107`,
        `xyz:TSLA`). Frames of coins that are not in it are dropped and counted in `unknown_coins`.
    handler : EventHandler, optional
        Receives the events; a `Router` for Python callbacks.
    user : UserHandler, optional
        Receives the rows of account frames.
    assets : dict, optional
        By name of the dex, a dict from the place in its `meta` to the number in `symbols`: frames
        with the contexts of all markets name none. May be changed and shared.
    on_control : callable, optional
        `on_control(channel, data)` for acknowledgements, errors, pongs and answers to posts, as JSON
        bytes; channel "" for a greeting, which is no JSON.
    on_venue_event : callable, optional
        `on_venue_event(channel, data)` for frames that have no event here, such as events of the
        account other than fills.
    on_problem : callable, optional
        `on_problem(error, data)` for a frame, or a row of one, that was skipped because it does not
        decode; without it the error is raised to the feed. Rows of account frames are in
        `UserFrame.problems` as well.
    on_off_scale : callable, optional
        `on_off_scale(instrument)` when a price or size did not fit the instrument's scale. The event
        is delivered exactly, on a finer scale, with flag `OFF_SCALE`.
    on_unknown_coin : callable, optional
        `on_unknown_coin(text)` for each frame of a coin that is not in `symbols`.
    on_empty_side : callable, optional
        `on_empty_side(instrument, has_bid, has_ask)` in place of a Quote when the book has only one
        side, or none.
    on_context : callable, optional
        `on_context(AssetContext)`.
    on_mids : callable, optional
        `on_mids(dex, prices)`: Decimals by id of the instrument; coins that are not known are left
        out.

    Notes
    -----
    Books have no sequence numbers: `first_seq` and `last_seq` are the time in ms, as is `seq` of a
    quote. They have the flag PARTIAL, because the venue sends the best levels only. Trades are told
    oldest first; of the first frame after `await_trades` those older than the time given have the
    flag HISTORY. A bar's `ts_event` is the venue's close time.

    `events`, `control_messages`, `venue_events`, `user_frames`, `unknown_coins`, `decode_errors`,
    `row_errors` and `off_scale` count and only grow. Belongs to one thread. Numbers may stand bare or
    quoted; the last of duplicate keys counts.
    """

    cdef readonly UserHandler user
    cdef readonly dict assets
    cdef object _on_control, _on_venue_event, _on_unknown_coin, _on_empty_side, _on_context, _on_mids
    cdef readonly uint64_t control_messages, venue_events, user_frames, unknown_coins
    cdef dict _awaited                  # by number of a coin: trades before this, ms, are history
    cdef UserFrame frame                # being read

    def __init__(self, SymbolTable symbols not None, EventHandler handler=None, *, UserHandler user=None,
                 dict assets=None, on_control=None, on_venue_event=None, on_problem=None, on_off_scale=None,
                 on_unknown_coin=None, on_empty_side=None, on_context=None, on_mids=None):
        SymbolDecoder.__init__(self, symbols, handler, on_problem=on_problem, on_off_scale=on_off_scale)
        self.user = user if user is not None else UserHandler()
        self.assets = assets if assets is not None else {}
        self._on_control = on_control
        self._on_venue_event = on_venue_event
        self._on_unknown_coin = on_unknown_coin
        self._on_empty_side = on_empty_side
        self._on_context = on_context
        self._on_mids = on_mids
        self._awaited = {}

    def await_trades(self, str coin not None, int64_t before_ms):
        """Flag trades before `before_ms` in the next frame of a coin's trades as HISTORY."""
        cdef int32_t number = self.symbols.find(coin)
        if number >= 0:
            self._awaited[number] = before_ms

    cdef int decode(self, const uint8_t *p, Py_ssize_t n, int64_t ts_init) except -1:
        cdef tw_hl_frame f
        cdef Pass c
        self.ts_init = ts_init
        c.start = p
        c.end = p + n
        c.err.code = 0
        c.err.at = p
        if TW_LIKELY(tw_hl_usual(p, c.end, &f) != NULL):
            if TW_LIKELY(self.read_whole(&f, &c)):
                return self.deliver(&f, &c)
            # More members, or something is wrong: what that is comes out below.
            c.err.code = 0
            c.err.at = p
        if self.is_greeting(p, n):
            return self.control("", &c)
        p = tw_hl_scan(p, c.end, &f, &c.err)
        if p == NULL or not tw_at_end(p, c.end, &c.err):
            return self.refuse(c.start, c.end, &c.err)
        if f.kind > HL_CONTROL and f.data == NULL:
            c.err.code = TW_MISSING
            c.err.at = c.end - 1
            return self.refuse(c.start, c.end, &c.err)
        if self.read(&f, &c) == NULL:
            return self.refuse(c.start, c.end, &c.err)
        return self.deliver(&f, &c)

    cdef bint is_greeting(self, const uint8_t *p, Py_ssize_t n) noexcept:
        return n >= 9 and memcmp(p, b"Websocket", 9) == 0

    cdef inline bint read_whole(self, tw_hl_frame *f, Pass *c) except -1:
        """Read the data, and see that nothing but the end of the frame is behind it."""
        cdef const uint8_t *p = self.read(f, c)
        if TW_UNLIKELY(p == NULL):
            return False
        if TW_LIKELY(p + 1 == c.end and p[0] == c'}'):
            return True
        p = tw_ws(p, c.end)
        return p < c.end and p[0] == c'}' and tw_at_end(p + 1, c.end, &c.err)

    cdef const uint8_t *read(self, tw_hl_frame *f, Pass *c) except? NULL:
        """Read the data of a frame; returns the place behind it, NULL with c.err set."""
        cdef tw_hl_kind kind = f.kind
        cdef const uint8_t *p = f.data
        if kind == HL_BOOK:
            return self.read_book(p, c)
        if kind == HL_BBO:
            return tw_hl_bbo_data(p, c.end, &c.bbo, &c.err)
        if kind == HL_TRADES:
            return self.read_trades(p, c)
        if kind == HL_CANDLE:
            return tw_hl_candle_data(p, c.end, &c.candle, &c.err)
        if kind == HL_CTX or kind == HL_SPOT_CTX:
            return tw_hl_ctx_data(p, c.end, &c.ctx, &c.err)
        if kind == HL_MIDS:
            return tw_hl_mids_data(p, c.end, &c.mids, &c.err)
        if kind == HL_ALL_CTXS:
            return tw_hl_ctxs_data(p, c.end, &c.ctxs, &c.err)
        if kind == HL_SPOT_CTXS:
            c.ctxs = p
            return tw_skip(p, c.end, &c.err)
        if kind == HL_ORDERS:
            self.frame = _user_frame("orderUpdates", self.ts_init)
            return _rows(p, c.end, c.start, False, self.symbols, self.frame, &c.err)
        if kind == HL_FILLS or kind == HL_USER:
            return self.read_fills(p, kind, c)
        if p == NULL:
            return c.end
        return tw_skip(p, c.end, &c.err)

    cdef int deliver(self, tw_hl_frame *f, Pass *c) except -1:
        cdef tw_hl_kind kind = f.kind
        if kind == HL_BOOK:
            return self.deliver_book(c)
        if kind == HL_BBO:
            return self.deliver_bbo(c)
        if kind == HL_TRADES:
            return self.deliver_trades(c)
        if kind == HL_CANDLE:
            return self.deliver_candle(c)
        if kind == HL_CTX or kind == HL_SPOT_CTX:
            return self.deliver_ctx(c)
        if kind == HL_MIDS:
            return self.deliver_mids(c)
        if kind == HL_ALL_CTXS:
            return self.deliver_all_ctxs(c)
        if kind == HL_SPOT_CTXS:
            return self.deliver_ctxs(c.ctxs, None, c)
        if kind >= HL_ORDERS:
            return self.deliver_rows(f, c)
        if kind == HL_CONTROL:
            return self.control(text_of(&f.channel), c)
        self.venue_events += 1
        if self._on_venue_event is not None:
            self._on_venue_event(text_of(&f.channel), c.start[:c.end - c.start])
        return 0

    cdef int control(self, str channel, Pass *c) except -1:
        self.control_messages += 1
        if self._on_control is not None:
            self._on_control(channel, c.start[:c.end - c.start])
        return 0

    cdef int unknown(self, const tw_span *coin) except -1:
        self.unknown_coins += 1
        if self._on_unknown_coin is not None:
            self._on_unknown_coin(text_of(coin))
        return 0

    # ---- books -----------------------------------------------------------------------------------

    cdef inline const uint8_t *read_book(self, const uint8_t *p, Pass *c) except? NULL:
        cdef const uint8_t *after
        c.book.symbols = &self.symbols.table
        c.book.bids = &self.bids
        c.book.asks = &self.asks
        c.off_scale = False
        after = tw_hl_book_data(p, c.end, &c.book, &c.err)
        if TW_UNLIKELY(after == NULL) and is_off_scale(&c.err):
            # To be read on a finer grid at delivery; here it only has to be sound.
            c.off_scale = True
            after = tw_skip(p, c.end, &c.err)
            if after != NULL:
                self.find_book(p, c)
        return after

    cdef int find_book(self, const uint8_t *p, Pass *c) except -1:
        """Find out what a book is that does not fit its grid: where its sides stand."""
        cdef tw_symbols none
        memset(&none, 0, sizeof(tw_symbols))
        c.book.symbols = &none
        if tw_hl_book_data(p, c.end, &c.book, &c.err) != NULL:
            c.book.number = tw_hl_find(&self.symbols.table, &c.book.coin)
        return 0

    cdef int deliver_book(self, Pass *c) except -1:
        cdef BookData out
        cdef Levels levels
        cdef InstrumentBase instrument
        if TW_UNLIKELY(c.err.code != 0):
            return self.refuse(c.start, c.end, &c.err)
        if TW_UNLIKELY(c.book.number < 0):
            return self.unknown(&c.book.coin)
        out.flags = EventFlag.PARTIAL
        if TW_UNLIKELY(c.off_scale):
            levels.p = c.book.levels
            levels.end = c.end
            instrument = self.finer_book(c.book.number, &levels, &c.err)
            if instrument is None:
                return self.refuse(c.start, c.end, &c.err)
            out.flags |= EventFlag.OFF_SCALE
        else:
            instrument = <InstrumentBase>PyList_GET_ITEM(self.symbols._instruments, c.book.number)
        out.symbol = c.book.number
        out.ts_init = self.ts_init
        out.ts_event = tw_hl_ns(c.book.time)
        out.first_seq = out.last_seq = c.book.time
        out.prev_seq = -1
        out.n_bids = self.bids.count
        out.n_asks = self.asks.count
        out.bid_prices = self.bids.prices
        out.bid_sizes = self.bids.sizes
        out.ask_prices = self.asks.prices
        out.ask_sizes = self.asks.sizes
        self.events += 1
        self.handler.on_book(instrument, &out, True)
        return 0

    cdef bint read_levels(self, const void *at, const tw_scale *price, const tw_scale *size, tw_err *err) noexcept:
        cdef const Levels *levels = <const Levels *>at
        return tw_hl_sides(levels.p, levels.end, price, size, &self.bids, &self.asks, err) != NULL

    # ---- quotes ----------------------------------------------------------------------------------

    cdef int deliver_bbo(self, Pass *c) except -1:
        cdef QuoteData out
        cdef const tw_hl_bbo *b = &c.bbo
        cdef bint has_bid = b.bid.exponent >= 0
        cdef bint has_ask = b.ask.exponent >= 0
        out.symbol = tw_hl_find(&self.symbols.table, &b.coin)
        if TW_UNLIKELY(out.symbol < 0):
            return self.unknown(&b.coin)
        if TW_UNLIKELY(not has_bid or not has_ask):
            if self._on_empty_side is not None:
                self._on_empty_side(self.symbols._instruments[out.symbol], has_bid, has_ask)
            return 0
        out.flags = 0
        out.seq = b.time
        out.ts_init = self.ts_init
        out.ts_event = tw_hl_ns(b.time)
        tell_quote(self, &out, &b.bid, &b.bid_size, &b.ask, &b.ask_size, c.start, c.end, &c.err)
        return 0

    # ---- trades ----------------------------------------------------------------------------------

    cdef const uint8_t *read_trades(self, const uint8_t *p, Pass *c) except? NULL:
        cdef const uint8_t *next
        cdef const uint8_t *after
        cdef int more
        self.trades.count = 0
        self.failed = None
        if p >= c.end or p[0] != c'[':
            after = tw_skip(p, c.end, &c.err) if p < c.end else NULL
            if after != NULL or p >= c.end:
                c.err.code = TW_TYPE
                c.err.at = p
            return NULL
        p = tw_ws(p + 1, c.end)
        if p < c.end and p[0] == c']':
            return p + 1
        while True:
            after = tw_hl_trade_row(p, c.end, <tw_hl_trade *>slot_for(&self.trades, sizeof(tw_hl_trade)), &c.err)
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

    cdef int deliver_trades(self, Pass *c) except -1:
        cdef Rows trades = lend(&self.trades)
        cdef tw_hl_trade *rows = <tw_hl_trade *>trades.block
        cdef Py_ssize_t i, j, n = trades.count
        cdef tw_hl_trade held
        cdef list failed = self.failed
        self.failed = None
        try:
            for i in range(1, n):
                if TW_UNLIKELY(rows[i - 1].time > rows[i].time):
                    held = rows[i]
                    j = i
                    while j > 0 and rows[j - 1].time > held.time:
                        rows[j] = rows[j - 1]
                        j -= 1
                    rows[j] = held
            if n:
                self.tell_trades(rows, n, c)
        finally:
            bring_back(&self.trades, &trades)
        if TW_UNLIKELY(failed is not None):
            self.refuse_rows(failed)
        return 0

    cdef int tell_trades(self, const tw_hl_trade *rows, Py_ssize_t n, Pass *c) except -1:
        """All of one coin, as a rule."""
        cdef Py_ssize_t i
        cdef int32_t number = -1
        cdef int64_t history = 0
        cdef const tw_hl_trade *last = NULL
        for i in range(n):
            if last == NULL or not _same_coin(&rows[i].coin, &last.coin):
                last = &rows[i]
                number = tw_hl_find(&self.symbols.table, &last.coin)
                history = 0
                if number < 0:
                    self.unknown(&last.coin)
                elif TW_UNLIKELY(len(self._awaited) > 0):
                    history = self._awaited.pop(number, 0)
            if number >= 0:
                self.trade(number, &rows[i], rows[i].time < history, c)
        return 0

    cdef inline int trade(self, int32_t number, const tw_hl_trade *t, bint is_history, Pass *c) except -1:
        cdef TradeData out
        out.symbol = number
        out.flags = EventFlag.HISTORY if is_history else 0
        out.trade_id = t.tid
        out.first_id = out.last_id = -1
        out.aggressor = AggressorSide.BUYER if t.side == TW_HL_BUY else AggressorSide.SELLER
        out.ts_init = self.ts_init
        out.ts_event = tw_hl_ns(t.time)
        tell_trade(self, &out, &t.price, &t.size, False, c.start, c.end, &c.err)
        return 0

    # ---- bars ------------------------------------------------------------------------------------

    cdef int deliver_candle(self, Pass *c) except -1:
        cdef BarData out
        cdef tw_scale price, size
        cdef const tw_hl_candle *k = &c.candle
        cdef InstrumentBase instrument
        cdef int32_t number = tw_hl_find(&self.symbols.table, &k.coin)
        if TW_UNLIKELY(number < 0):
            return self.unknown(&k.coin)
        instrument = <InstrumentBase>PyList_GET_ITEM(self.symbols._instruments, number)
        price = self.symbols.table.symbols[number].price
        size = self.symbols.table.symbols[number].size
        memset(&out, 0, sizeof(BarData))
        out.symbol = number
        out.interval_s = k.interval_s
        out.ts_init = self.ts_init
        out.ts_open = tw_hl_ns(k.opened)
        out.ts_event = tw_hl_ns(k.closed)
        out.trade_count = k.count
        out.quote_volume.exponent = out.taker_buy_quote_volume.exponent = -1
        if TW_UNLIKELY(not _scale_bar(k, &price, &size, &out, &c.err)):
            if not is_off_scale(&c.err):
                return self.refuse(c.start, c.end, &c.err)
            self.tell_off_scale(instrument)
            instrument = self.at_scale(number, max(k.open.exponent, k.high.exponent, k.low.exponent,
                                                   k.close.exponent), k.volume.exponent, &price, &size)
            if not _scale_bar(k, &price, &size, &out, &c.err):
                return self.refuse(c.start, c.end, &c.err)
            out.flags |= EventFlag.OFF_SCALE
        self.events += 1
        self.handler.on_bar(instrument, &out)
        return 0

    # ---- contexts --------------------------------------------------------------------------------

    cdef int deliver_ctx(self, Pass *c) except -1:
        cdef int32_t number = tw_hl_find(&self.symbols.table, &c.ctx.coin)
        if TW_UNLIKELY(number < 0):
            return self.unknown(&c.ctx.coin)
        return self.tell_context(number, &c.ctx)

    cdef int deliver_all_ctxs(self, Pass *c) except -1:
        """[[dex, [context, ...]], ...]; dexes that are not in `assets` are passed over."""
        cdef const uint8_t *p = c.ctxs
        cdef const uint8_t *next
        cdef const uint8_t *inside
        cdef const uint8_t *after
        cdef tw_span dex
        if p[0] != c'[':
            c.err.code = TW_TYPE
            c.err.at = p
            return self.refuse(c.start, c.end, &c.err)
        # All of it is known to be sound JSON.
        p = tw_ws(p + 1, c.end)
        while p[0] != c']':
            after = tw_skip(p, c.end, &c.err)
            if p[0] == c'[':
                inside = tw_ws(p + 1, c.end)
                if inside[0] == c'"':
                    inside = tw_string(inside, c.end, &dex.text, &dex.length, &dex.escaped, &c.err)
                    if tw_next(inside, c.end, c']', &next, &c.err) == 1:
                        self.deliver_ctxs(next, self.assets.get(text_of(&dex)), c)
            if tw_next(after, c.end, c']', &next, &c.err) != 1:
                break
            p = next
        return 0

    cdef int deliver_ctxs(self, const uint8_t *p, object numbers, Pass *c) except -1:
        """Contexts in the order of `numbers`, a dict; those of spot name their coin themselves."""
        cdef const uint8_t *next
        cdef const uint8_t *after
        cdef object number
        cdef int index = -1
        cdef bint by_name = numbers is None and c.ctxs == p
        if numbers is None and not by_name:
            return 0
        if p[0] != c'[':
            c.err.code = TW_TYPE
            c.err.at = p
            return self.refuse(c.start, c.end, &c.err)
        p = tw_ws(p + 1, c.end)
        while p[0] != c']':
            index += 1
            after = tw_hl_ctx_values(p, c.end, &c.ctx, &c.err)
            if after == NULL:
                error = error_of(c.err.code, c.err.at, c.start)
                c.err.code = 0
                after = tw_skip(p, c.end, &c.err)
                self.refuse_rows([(error, p[:after - p])])
            elif by_name:
                if c.ctx.inner_coin.text != NULL:
                    number = tw_hl_find(&self.symbols.table, &c.ctx.inner_coin)
                    if <int32_t>number >= 0:
                        self.tell_context(number, &c.ctx)
            else:
                number = numbers.get(index)
                if number is not None and 0 <= <int32_t>number < self.symbols.table.count:
                    self.tell_context(number, &c.ctx)
            if tw_next(after, c.end, c']', &next, &c.err) != 1:
                break
            p = next
        return 0

    cdef int tell_context(self, int32_t number, const tw_hl_ctx *x) except -1:
        cdef MarkPriceData mark
        cdef TickerData ticker
        cdef InstrumentBase instrument
        instrument = <InstrumentBase>PyList_GET_ITEM(self.symbols._instruments, number)
        if x.mark.exponent >= 0:
            mark.symbol = number
            mark.flags = 0
            mark.ts_event = mark.ts_init = self.ts_init
            mark.mark = fixed_of(x.mark)
            mark.index = fixed_of(x.oracle)
            mark.settle.mantissa = 0
            mark.settle.exponent = -1
            mark.funding_rate = fixed_of(x.funding)
            mark.ts_next_funding = 0
            if x.funding.exponent >= 0:  # hourly
                mark.ts_next_funding = self.ts_init - self.ts_init % HOUR_NS + HOUR_NS
            self.events += 1
            self.handler.on_mark_price(instrument, &mark)
        memset(&ticker, 0, sizeof(TickerData))
        ticker.symbol = number
        ticker.ts_event = ticker.ts_init = self.ts_init
        ticker.open = fixed_of(x.previous_day)
        ticker.volume = fixed_of(x.day_base_volume)
        ticker.quote_volume = fixed_of(x.day_quote_volume)
        ticker.last.exponent = ticker.high.exponent = ticker.low.exponent = -1
        ticker.change.exponent = ticker.change_percent.exponent = -1
        ticker.weighted_average.exponent = ticker.last_size.exponent = -1
        ticker.first_id = ticker.last_id = ticker.trade_count = -1
        self.events += 1
        self.handler.on_ticker(instrument, &ticker)
        if self._on_context is not None:
            self._on_context(_context(instrument, x, self.ts_init))
        return 0

    cdef int deliver_mids(self, Pass *c) except -1:
        cdef const uint8_t *p = tw_ws(c.mids.mids + 1, c.end)
        cdef const uint8_t *next
        cdef const uint8_t *value
        cdef tw_span coin
        cdef tw_fixed x
        cdef int32_t number
        cdef dict prices = {}
        if self._on_mids is None:
            return 0
        # All of it is known to be sound JSON.
        while p < c.end and p[0] != c'}':
            p = tw_string(p, c.end, &coin.text, &coin.length, &coin.escaped, &c.err)
            value = tw_ws(tw_ws(p, c.end) + 1, c.end)
            p = tw_fixed_value(value, c.end, &x, &c.err)
            number = tw_hl_find(&self.symbols.table, &coin)
            if p == NULL:
                self.refuse_rows([(error_of(c.err.code, c.err.at, c.start), text_of(&coin).encode())])
                c.err.code = 0
                p = tw_skip(value, c.end, &c.err)
            elif number >= 0:
                prices[(<InstrumentBase>self.symbols._instruments[number]).id] = number_of(fixed_of(x))
            if tw_next(p, c.end, c'}', &next, &c.err) != 1:
                break
            p = next
        self.events += 1
        self._on_mids(text_of(&c.mids.dex), prices)
        return 0

    # ---- the account -----------------------------------------------------------------------------

    cdef const uint8_t *read_fills(self, const uint8_t *p, tw_hl_kind kind, Pass *c) except? NULL:
        cdef const uint8_t *after = tw_hl_fills_data(p, c.end, &c.fills, &c.err)
        self.frame = None
        if after == NULL:
            return NULL
        if c.fills.fills == NULL:
            if kind == HL_FILLS:
                c.err.code = TW_MISSING
                c.err.at = p
                return NULL
            return after
        self.frame = _user_frame("userFills" if kind == HL_FILLS else "user", self.ts_init)
        self.frame.user = text_of(&c.fills.user)
        self.frame.is_snapshot = c.fills.is_snapshot
        if _rows(c.fills.fills, c.end, c.start, True, self.symbols, self.frame, &c.err) == NULL:
            return NULL
        return after

    cdef int deliver_rows(self, tw_hl_frame *f, Pass *c) except -1:
        cdef UserFrame frame = self.frame
        cdef RowProblem problem
        self.frame = None
        if frame is not None:
            self.user_frames += 1
            if f.kind == HL_ORDERS:
                self.user.on_orders(frame)
            else:
                self.user.on_fills(frame)
            if frame.problems:
                self.refuse_rows([(problem.error, problem.data) for problem in frame.problems])
        if f.kind == HL_USER and (frame is None or c.fills.others):
            self.venue_events += 1
            if self._on_venue_event is not None:
                self._on_venue_event("user", c.start[:c.end - c.start])
        return 0


cdef inline bint _same_coin(const tw_span *a, const tw_span *b) noexcept nogil:
    return a.length == b.length and memcmp(a.text, b.text, a.length) == 0


cdef bint _scale_bar(const tw_hl_candle *k, const tw_scale *price, const tw_scale *size, BarData *out,
                     tw_err *err) noexcept nogil:
    return (scale_to(k.open, price, TW_OFF_PRICE, &out.open, err) == 0
            and scale_to(k.high, price, TW_OFF_PRICE, &out.high, err) == 0
            and scale_to(k.low, price, TW_OFF_PRICE, &out.low, err) == 0
            and scale_to(k.close, price, TW_OFF_PRICE, &out.close, err) == 0
            and scale_to(k.volume, size, TW_OFF_SIZE, &out.volume, err) == 0)


cdef AssetContext _context(InstrumentBase instrument, const tw_hl_ctx *x, int64_t ts_init):
    cdef AssetContext out = AssetContext.__new__(AssetContext)
    out.instrument = instrument
    out.ts_init = ts_init
    out._mark = fixed_of(x.mark)
    out._oracle = fixed_of(x.oracle)
    out._mid = fixed_of(x.mid)
    out._funding = fixed_of(x.funding)
    out._premium = fixed_of(x.premium)
    out._open_interest = fixed_of(x.open_interest)
    out._previous_day = fixed_of(x.previous_day)
    out._impact_bid = fixed_of(x.impact_bid)
    out._impact_ask = fixed_of(x.impact_ask)
    out._day_quote_volume = fixed_of(x.day_quote_volume)
    out._day_base_volume = fixed_of(x.day_base_volume)
    out._circulating_supply = fixed_of(x.circulating_supply)
    out._total_supply = fixed_of(x.total_supply)
    return out
