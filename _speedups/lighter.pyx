"""Lighter stream frames to events, and account frames to rows.

| type                                    | handler                   | event or argument        |
|-----------------------------------------|---------------------------|--------------------------|
| order_book                              | on_book                   | BookUpdate               |
| ticker                                  | on_quote                  | Quote                    |
| trade                                   | on_trade, on_liquidation  | Trade, Liquidation       |
| market_stats                            | on_mark_price, on_ticker  | MarkPrice, Ticker        |
| spot_market_stats                       | on_index_price, on_ticker | IndexPrice, Ticker       |
| market_stats, spot_market_stats         | `on_stats`                | MarketStats              |
| candle, mark_price_candle               | on_bar                    | Bar                      |
| height                                  | `on_height`               | height, time             |
| account_all_orders, account_orders      | AccountHandler.on_orders  | AccountFrame of OrderRow |
| account_all_trades                      | .on_trades                | ... of TradeRow          |
| account_all_positions                   | .on_positions             | ... of PositionRow       |
| jsonapi/sendtx, sendtxbatch, response   | .on_ack                   | Ack                      |
| any other `subscribed/`, `update/`      | `on_venue_event`          | type, channel, JSON      |
| everything else                         | `on_control`              | type, channel, JSON      |
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

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
    tw_choice,
    tw_err,
    tw_fail,
    tw_fixed,
    tw_fixed_share,
    tw_levels,
    tw_literal,
    tw_next,
    tw_scale,
    tw_skip,
    tw_span,
    tw_string,
    tw_symbol_find,
    tw_word,
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
    places,
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
    IndexPriceData,
    InstrumentBase,
    MarkPriceData,
    QuoteData,
    TickerData,
    TradeData,
)
from connectors._speedups.fills cimport DirectFills, FillData, OrderCore

__all__ = [
    "AccountFills",
    "AccountFrame",
    "AccountHandler",
    "Ack",
    "LighterDecoder",
    "MarketStats",
    "OrderRow",
    "OrderState",
    "PositionRow",
    "RowProblem",
    "TradeKind",
    "TradeRow",
    "parse_ack",
]

cdef extern from "Python.h":
    Py_ssize_t Py_REFCNT(object)

cdef extern from "lighter.h" nogil:
    ctypedef enum tw_lg_kind:
        LG_OTHER
        LG_BOOK
        LG_TICKER
        LG_TRADE
        LG_STATS
        LG_SPOT_STATS
        LG_CANDLE
        LG_MARK_CANDLE
        LG_HEIGHT
        LG_ORDERS
        LG_MARKET_ORDERS
        LG_FILLS
        LG_POSITIONS
        LG_ACK

    enum:
        TW_SHORT_TEXT
        TW_LG_NO_TYPE
        TW_LG_SUBSCRIBED
        TW_LG_UPDATE
        TW_LG_CONTROL
        LG_K_BOOK
        LG_K_LIQUIDATIONS
        LG_T_TRADE
        LG_T_LIQUIDATION

    ctypedef enum tw_lg_step_result:
        LG_STEP_DATA
        LG_STEP_END
        LG_STEP_ERROR

    ctypedef struct tw_lg_frame:
        const uint8_t *p
        int taken
        int again
        int stage
        tw_lg_kind kind
        tw_lg_kind channel_kind
        tw_span type
        tw_span channel
        tw_span suffix
        const uint8_t *data[16]
        int64_t timestamp
        int64_t last_updated
        int64_t nonce
        int64_t height

    ctypedef struct tw_lg_book:
        int64_t nonce
        int64_t begin_nonce
        int64_t last_updated
        tw_levels *bids
        tw_levels *asks

    ctypedef struct tw_lg_ticker:
        tw_fixed ask
        tw_fixed ask_size
        tw_fixed bid
        tw_fixed bid_size
        int64_t last_updated

    ctypedef struct tw_lg_trade:
        int64_t trade_id
        int64_t market
        int64_t ask_id
        int64_t bid_id
        int64_t ask_client
        int64_t bid_client
        int64_t ask_account
        int64_t bid_account
        int64_t block_height
        int64_t timestamp
        int64_t transaction_time
        int64_t taker_fee
        int64_t maker_fee
        int64_t integrator_taker_fee
        int64_t integrator_maker_fee
        tw_fixed size
        tw_fixed price
        tw_fixed usd_amount
        int is_maker_ask
        int kind
        tw_span type
        tw_span tx_hash

    ctypedef struct tw_lg_stats:
        int64_t market
        int64_t funding_timestamp
        tw_fixed index
        tw_fixed mark
        tw_fixed mid
        tw_fixed last
        tw_fixed open_interest
        tw_fixed open_interest_limit
        tw_fixed funding_rate
        tw_fixed current_funding_rate
        tw_fixed funding_clamp_small
        tw_fixed funding_clamp_big
        tw_fixed base_interest_rate
        tw_fixed volume
        tw_fixed quote_volume
        tw_fixed low
        tw_fixed high
        tw_fixed change

    ctypedef struct tw_lg_candle:
        int64_t time
        tw_fixed open
        tw_fixed high
        tw_fixed low
        tw_fixed close
        tw_fixed volume
        tw_fixed quote_volume

    ctypedef struct tw_lg_order:
        int64_t order_id
        int64_t client_index
        int64_t market
        int64_t account
        int64_t nonce
        int64_t block_height
        int64_t base_size
        int64_t base_price
        int64_t order_expiry
        int64_t trigger_time
        int64_t timestamp
        int64_t created_at
        int64_t updated_at
        int64_t transaction_time
        int64_t parent_id
        int64_t to_trigger_0
        int64_t to_trigger_1
        int64_t to_cancel_0
        tw_fixed size
        tw_fixed remaining
        tw_fixed filled
        tw_fixed filled_quote
        tw_fixed price
        tw_fixed trigger_price
        tw_choice status
        tw_choice type
        tw_choice tif
        tw_choice trigger_status
        int is_ask
        int reduce_only

    ctypedef struct tw_lg_position:
        int64_t market
        int64_t sign
        int64_t margin_mode
        int64_t open_orders
        int64_t pending_orders
        tw_fixed size
        tw_fixed entry_price
        tw_fixed value
        tw_fixed unrealized
        tw_fixed realized
        tw_fixed liquidation_price
        tw_fixed margin_fraction
        tw_fixed allocated_margin
        tw_fixed funding_paid

    ctypedef struct tw_lg_ack:
        int64_t code
        int64_t predicted_ms
        int64_t quota_remaining
        tw_span id
        tw_span message
        tw_span tx_hash
        const uint8_t *hashes
        int has_error

    const tw_literal tw_lg_statuses[17]
    const tw_literal tw_lg_order_types[9]
    const tw_literal tw_lg_tifs[3]
    const tw_literal tw_lg_trigger_statuses[5]
    const tw_literal tw_lg_trade_kinds[4]

    const uint8_t *tw_short_text(const uint8_t *p, const uint8_t *end, tw_span *s, uint8_t *scratch, tw_err *err)
    void tw_lg_begin(tw_lg_frame *f, const uint8_t *p, int late)
    tw_lg_step_result tw_lg_step(tw_lg_frame *f, const uint8_t *end, tw_err *err)
    int tw_lg_data_key(tw_lg_kind kind)
    const uint8_t *tw_lg_data(const tw_lg_frame *f)
    int64_t tw_lg_ns(int64_t time)
    int tw_lg_nearest(tw_fixed x, const tw_scale *s, int64_t *out)
    const uint8_t *tw_lg_book_data(const uint8_t *p, const uint8_t *end, const tw_scale *price, const tw_scale *size, tw_lg_book *b, tw_err *err)
    const uint8_t *tw_lg_ticker_data(const uint8_t *p, const uint8_t *end, tw_lg_ticker *t, tw_err *err)
    const uint8_t *tw_lg_trade_row(const uint8_t *p, const uint8_t *end, tw_lg_trade *t, tw_err *err)
    const uint8_t *tw_lg_stats_data(const uint8_t *p, const uint8_t *end, tw_lg_stats *s, tw_err *err)
    const uint8_t *tw_lg_candle_row(const uint8_t *p, const uint8_t *end, tw_lg_candle *c, tw_err *err)
    const uint8_t *tw_lg_order_row(const uint8_t *p, const uint8_t *end, tw_lg_order *o, tw_err *err)
    const uint8_t *tw_lg_position_row(const uint8_t *p, const uint8_t *end, tw_lg_position *o, tw_err *err)
    const uint8_t *tw_lg_ack_data(const uint8_t *p, const uint8_t *end, tw_lg_ack *a, tw_err *err)


# ---- rows ----------------------------------------------------------------------------------------

cdef tuple STATUSES = words_of(tw_lg_statuses, 17)
cdef tuple ORDER_TYPES = words_of(tw_lg_order_types, 9)
cdef tuple TIFS = words_of(tw_lg_tifs, 3)
cdef tuple TRIGGER_STATUSES = words_of(tw_lg_trigger_statuses, 5)
cdef tuple TRADE_KINDS = words_of(tw_lg_trade_kinds, 4)


cdef inline str _word(tuple words, const tw_span *s, int number):
    if TW_LIKELY(number >= 0):
        return <str>words[number]
    return text_of(s)


cdef inline str _stream(tw_lg_kind kind):
    """What a channel of an account begins with."""
    if kind == LG_FILLS:
        return "account_all_trades"
    if kind == LG_POSITIONS:
        return "account_all_positions"
    return "account_all_orders" if kind == LG_ORDERS else "account_orders"


cdef inline int32_t _index(int64_t value) noexcept nogil:
    """A market index; -1 for what cannot be one."""
    return <int32_t>value if 0 <= value <= 0x7FFFFFFF else -1


@cython.final
@cython.no_gc
@cython.freelist(64)
cdef class OrderRow:
    """One order as an account frame shows it.

    Times are ns (0: absent); ids are taken from their text where there is one. `status`, `type`,
    `time_in_force` and `trigger_status` are the venue's words; `..._code` their numbers, -1 for a
    word that is not known. `client_index` is 0 for an order without one. `sequence` orders the rows
    of one order: the engine's nonce, the time of the transaction, that of the update.
    """

    @property
    def order_id(self):
        return str(self.order_index)

    @property
    def size(self):
        return number_of(self._size)

    @property
    def remaining_size(self):
        return number_of(self._remaining)

    @property
    def filled_size(self):
        return number_of(self._filled)

    @property
    def filled_quote(self):
        return number_of(self._filled_quote)

    @property
    def price(self):
        return number_of(self._price)

    @property
    def trigger_price(self):
        return number_of(self._trigger_price)

    @property
    def sequence(self):
        return self.nonce, self._transaction_time, self._updated_at

    def __repr__(self):
        side = "SELL" if self.is_ask else "BUY"
        return (f"<OrderRow {self.order_id} client={self.client_index} market={self.market_index} {side} "
                f"{self.filled_size}/{self.size}@{self.price} {self.status}>")


@cython.final
@cython.no_gc
@cython.freelist(64)
cdef class TradeRow:
    """One trade with both of its sides, as an account frame shows it.

    `ts_event` is ns; fees are rates in 1e-6, the integrator's share included; `id` and the indexes
    are the numbers of the venue's ids, -1 where there was none, 0 for an order without a client
    index. `kind` is a `TradeKind`, -1 for a `type` that is not known.
    """

    @property
    def trade_id(self):
        return str(self.id)

    @property
    def ask_id(self):
        return "" if self.ask_index <= 0 else str(self.ask_index)

    @property
    def bid_id(self):
        return "" if self.bid_index <= 0 else str(self.bid_index)

    @property
    def size(self):
        return number_of(self._size)

    @property
    def price(self):
        return number_of(self._price)

    @property
    def usd_amount(self):
        return self.size * self.price if self._usd_amount.exponent < 0 else number_of(self._usd_amount)

    @property
    def tx_hash(self):
        return self._tx_hash[:self._tx_hash_length].decode("ascii", "replace")

    def __repr__(self):
        return (f"<TradeRow {self.trade_id} market={self.market_index} {self.size}@{self.price} "
                f"ask={self.ask_id} bid={self.bid_id} {self.type}>")


@cython.final
@cython.no_gc
@cython.freelist(16)
cdef class PositionRow:
    """One position; `signed_size` is negative for a short."""

    @property
    def size(self):
        return number_of(self._size)

    @property
    def signed_size(self):
        return -number_of(self._size) if self.sign < 0 else number_of(self._size)

    @property
    def avg_entry_price(self):
        return number_of(self._entry_price)

    @property
    def position_value(self):
        return number_of(self._value)

    @property
    def unrealized_pnl(self):
        return number_of(self._unrealized)

    @property
    def realized_pnl(self):
        return number_of(self._realized)

    @property
    def liquidation_price(self):
        return number_of(self._liquidation_price)

    @property
    def initial_margin_fraction(self):
        return number_of(self._margin_fraction)

    @property
    def allocated_margin(self):
        return number_of(self._allocated_margin)

    @property
    def total_funding_paid_out(self):
        return number_of(self._funding_paid)

    def __repr__(self):
        return f"<PositionRow market={self.market_index} {self.signed_size}@{self.avg_entry_price}>"


@cython.final
@cython.freelist(16)
cdef class AccountFrame:
    """The rows of one account frame, in the order sent.

    `is_snapshot` tells `subscribed/...` from `update/...`. A row that does not decode is in
    `problems` and takes no other with it. The rows of trades are made when they are looked at, or
    when the frame is kept.
    """

    @property
    def type(self):
        return ("subscribed/" if self.is_snapshot else "update/") + self.stream

    @property
    def rows(self):
        cdef Py_ssize_t i
        cdef tw_lg_trade *trades = <tw_lg_trade *>self._trades
        if self._rows is None:
            self._rows = []
            if trades != NULL:
                for i in range(self._count):
                    self._rows.append(_trade_row(&trades[i]))
        return self._rows

    @property
    def problem_count(self):
        return 0 if self._problems is None else len(self._problems)

    @property
    def problems(self):
        if self._problems is None:
            self._problems = []
        return self._problems

    def __len__(self):
        return self._count if self._rows is None else len(self._rows)

    def __repr__(self):
        return f"<AccountFrame {self.type} {self.channel} {len(self)} rows {self.problem_count} problems>"


@cython.final
cdef class RowProblem:
    """A row that does not decode: its market (-1: not known), the error and its JSON."""

    def __repr__(self):
        return f"<RowProblem market={self.market_index} {self.error}>"


@cython.final
@cython.freelist(16)
cdef class Ack:
    """An answer to a transaction, or an error frame.

    `id`, `message` and `tx_hash` are "" where absent, numbers -1. `tx_hash` is in lower case and
    without `0x`; of a batch it is that of the first transaction and `tx_hashes` has all.
    `is_error` tells an error frame (`type` "error" or "") from an ack.
    """

    @property
    def is_accepted(self):
        """Whether the venue's node took the transaction: code 200 and no error frame."""
        return self.code == 200 and not self.is_error

    def __repr__(self):
        return f"<Ack {self.type} code={self.code} id={self.id!r} hash={self.tx_hash!r} {self.message}>"


cdef class AccountHandler:
    """Receives what happens to an account; override what you want.

    An exception reaches the feed, which counts and reports it and goes on.
    """

    cpdef object on_orders(self, AccountFrame frame):
        """Take the rows (`OrderRow`) of changed orders, in a snapshot of all live ones."""

    cpdef object on_trades(self, AccountFrame frame):
        """Take trades (`TradeRow`); those of a snapshot are history."""

    cpdef object on_positions(self, AccountFrame frame):
        """Take all positions (`PositionRow`): every frame has the full set."""

    cpdef object on_ack(self, Ack ack):
        """Take an answer to a transaction."""


@cython.final
@cython.no_gc
@cython.freelist(16)
cdef class MarketStats:
    """Statistics of one market, exact Decimals as sent, None where absent.

    The `daily_...` values left the venue as binary floats. Spot markets have no mark price, open
    interest or funding. Rates of funding are in the venue's own unit. `ts_funding` is the venue's
    `funding_timestamp`, ns.
    """

    @property
    def index(self):
        return number_or_none(self._index)

    @property
    def mark(self):
        return number_or_none(self._mark)

    @property
    def mid(self):
        return number_or_none(self._mid)

    @property
    def last(self):
        return number_or_none(self._last)

    @property
    def open_interest(self):
        return number_or_none(self._open_interest)

    @property
    def open_interest_limit(self):
        return number_or_none(self._open_interest_limit)

    @property
    def funding_rate(self):
        return number_or_none(self._funding_rate)

    @property
    def current_funding_rate(self):
        return number_or_none(self._current_funding_rate)

    @property
    def funding_clamp_small(self):
        return number_or_none(self._funding_clamp_small)

    @property
    def funding_clamp_big(self):
        return number_or_none(self._funding_clamp_big)

    @property
    def base_interest_rate(self):
        return number_or_none(self._base_interest_rate)

    @property
    def daily_volume(self):
        return number_or_none(self._volume)

    @property
    def daily_quote_volume(self):
        return number_or_none(self._quote_volume)

    @property
    def daily_low(self):
        return number_or_none(self._low)

    @property
    def daily_high(self):
        return number_or_none(self._high)

    @property
    def daily_change_percent(self):
        return number_or_none(self._change_percent)

    def __repr__(self):
        return f"<MarketStats {self.instrument.id} mark={self.mark} index={self.index} last={self.last}>"


cdef OrderRow _order_row(const tw_lg_order *o, int32_t market):
    cdef OrderRow row = OrderRow.__new__(OrderRow)
    row.order_index = o.order_id
    row.client_index = max(o.client_index, 0)
    row.market_index = market if o.market < 0 else _index(o.market)
    row.account_index = o.account
    row.nonce = max(o.nonce, 0)
    row.block_height = o.block_height
    row.base_size = o.base_size
    row.base_price = o.base_price
    row.order_expiry_ms = o.order_expiry
    row.trigger_time = o.trigger_time
    row.ts_event = (tw_lg_ns(o.transaction_time) or tw_lg_ns(o.updated_at) or tw_lg_ns(o.timestamp))
    row.ts_created = tw_lg_ns(o.created_at) or tw_lg_ns(o.timestamp) or row.ts_event
    row.ts_updated = tw_lg_ns(o.updated_at) or row.ts_event
    row._transaction_time = o.transaction_time
    row._updated_at = o.updated_at
    row.parent_order_index = max(o.parent_id, 0)
    row.to_trigger_0 = o.to_trigger_0
    row.to_trigger_1 = o.to_trigger_1
    row.to_cancel_0 = o.to_cancel_0
    row.status_code = o.status.number
    row.type_code = o.type.number
    row.time_in_force_code = o.tif.number
    row.trigger_status_code = o.trigger_status.number
    row.status = _word(STATUSES, &o.status.text, o.status.number)
    row.type = _word(ORDER_TYPES, &o.type.text, o.type.number)
    row.time_in_force = _word(TIFS, &o.tif.text, o.tif.number)
    row.trigger_status = _word(TRIGGER_STATUSES, &o.trigger_status.text, o.trigger_status.number)
    row.is_ask = o.is_ask > 0
    row.reduce_only = o.reduce_only
    row._size = fixed_of(o.size)
    row._remaining = fixed_of(o.remaining)
    row._filled = fixed_of(o.filled)
    row._filled_quote = fixed_of(o.filled_quote)
    row._price = fixed_of(o.price)
    row._trigger_price = fixed_of(o.trigger_price)
    return row


cdef TradeRow _trade_row(const tw_lg_trade *t):
    cdef TradeRow row = TradeRow.__new__(TradeRow)
    cdef bytes text
    row.id = t.trade_id
    row.ask_index = t.ask_id
    row.bid_index = t.bid_id
    row.ask_client_index = max(t.ask_client, 0)
    row.bid_client_index = max(t.bid_client, 0)
    row.ask_account = t.ask_account
    row.bid_account = t.bid_account
    row.block_height = t.block_height
    row.taker_fee = t.taker_fee + t.integrator_taker_fee
    row.maker_fee = t.maker_fee + t.integrator_maker_fee
    row.integrator_taker_fee = t.integrator_taker_fee
    row.integrator_maker_fee = t.integrator_maker_fee
    row.ts_event = tw_lg_ns(t.transaction_time) or tw_lg_ns(t.timestamp)
    row.market_index = _index(t.market)
    row.kind = t.kind
    row.type = _word(TRADE_KINDS, &t.type, t.kind)
    row.is_maker_ask = t.is_maker_ask
    row._size = fixed_of(t.size)
    row._price = fixed_of(t.price)
    row._usd_amount = fixed_of(t.usd_amount)
    row._tx_hash_length = 0
    if TW_LIKELY(not t.tx_hash.escaped):
        _keep_hash(row, t.tx_hash.text, t.tx_hash.length)
    else:
        text = text_of(&t.tx_hash).encode("ascii", "replace")
        _keep_hash(row, <const uint8_t *><const char *>text, len(text))
    return row


cdef inline void _keep_hash(TradeRow row, const uint8_t *text, Py_ssize_t n) noexcept:
    """A hash has at most 80 digits; what is longer is none."""
    if text != NULL and n <= <Py_ssize_t>sizeof(row._tx_hash):
        memcpy(row._tx_hash, text, n)
        row._tx_hash_length = <int32_t>n


cdef PositionRow _position_row(const tw_lg_position *o, int32_t market):
    cdef PositionRow row = PositionRow.__new__(PositionRow)
    row.market_index = market if o.market < 0 else _index(o.market)
    row.sign = <int32_t>o.sign if -1 <= o.sign <= 1 else 0
    row.margin_mode = _index(o.margin_mode)
    row.open_order_count = o.open_orders
    row.pending_order_count = o.pending_orders
    row._size = fixed_of(o.size)
    row._entry_price = fixed_of(o.entry_price)
    row._value = fixed_of(o.value)
    row._unrealized = fixed_of(o.unrealized)
    row._realized = fixed_of(o.realized)
    row._liquidation_price = fixed_of(o.liquidation_price)
    row._margin_fraction = fixed_of(o.margin_fraction)
    row._allocated_margin = fixed_of(o.allocated_margin)
    row._funding_paid = fixed_of(o.funding_paid)
    return row


cdef object _hash(str text):
    text = text.lower()
    return text[2:] if text.startswith("0x") else text


cdef Ack _ack(const tw_lg_ack *a, str type, const uint8_t *end, int64_t ts_init):
    cdef Ack ack = Ack.__new__(Ack)
    cdef tw_span s
    cdef tw_err err
    cdef const uint8_t *p = a.hashes
    cdef const uint8_t *next
    cdef const uint8_t *value
    ack.type = type
    ack.id = text_of(&a.id)
    ack.message = text_of(&a.message)
    ack.tx_hash = _hash(text_of(&a.tx_hash))
    ack.tx_hashes = None
    ack.code = a.code
    ack.predicted_execution_ms = a.predicted_ms
    ack.quota_remaining = a.quota_remaining
    ack.is_error = a.has_error or type == "error" or not type
    ack.ts_init = ts_init
    if p == NULL:
        return ack
    ack.tx_hashes = []
    p = tw_ws(p + 1, end)  # known to be a sound array
    if p[0] == c']':
        return ack
    while True:
        value = p
        if p[0] == c'"':
            p = tw_string(p, end, &s.text, &s.length, &s.escaped, &err)
            ack.tx_hashes.append(_hash(text_of(&s)))
        else:
            p = tw_skip(value, end, &err)
            ack.tx_hashes.append("")
        if p == NULL or tw_next(p, end, c']', &next, &err) != 1:
            break
        p = next
    if not ack.tx_hash and ack.tx_hashes:
        ack.tx_hash = ack.tx_hashes[0]
    return ack


def parse_ack(bytes data not None, int64_t ts_init=0):
    """Read an answer to a transaction or an error frame, in any shape the venue has been seen to use.

    Raises
    ------
    DecodeError
        It is not a JSON object.
    """
    cdef const uint8_t *p = <const uint8_t *>PyBytes_AS_STRING(data)
    cdef const uint8_t *end = p + PyBytes_GET_SIZE(data)
    cdef tw_lg_ack a
    cdef tw_lg_frame f
    cdef tw_err err
    cdef const uint8_t *after
    err.code = 0
    err.at = p
    tw_lg_begin(&f, p, 1)
    if tw_lg_step(&f, end, &err) == LG_STEP_END and tw_at_end(f.p, end, &err):
        after = tw_lg_ack_data(p, end, &a, &err)
        if after != NULL:
            return _ack(&a, text_of(&f.type), end, ts_init)
    raise error_of(err.code, err.at, p)


# ---- fills ---------------------------------------------------------------------------------------

cdef list NO_ROWS = []

cdef enum:
    MOST_AT_ONCE = 256      # trades of a frame; more come only in a history


@cython.final
cdef class AccountFills:
    """Takes an account's trades to its orders, as far as there is nothing to decide about them.

    Parameters
    ----------
    direct : DirectFills
        Of the account's dispatch.
    account_index : int
    instrument_of : callable
        Returns the instrument of a market index, None if unknown. One that is known stays so.
    wall_ns : callable
        Unix time in ns, for `ts_init`; read once a frame.
    maker, taker : LiquiditySide
    currency : str
        Of commissions.
    fee_decimals : int
        The fees of a trade count 10**-fee_decimals of its value.

    Attributes
    ----------
    newest_ns : int
        The latest `ts_event` of those that were taken, 0 before the first.
    """

    cdef DirectFills _direct
    cdef int64_t _account
    cdef int64_t _market, _index        # of the last trade
    cdef OrderCore _order
    cdef int32_t _fee_decimals
    cdef object _instrument_of, _wall_ns, _maker, _taker, _currency
    cdef readonly int64_t newest_ns

    def __init__(self, DirectFills direct not None, int64_t account_index, *, instrument_of, wall_ns, maker,
                 taker, str currency not None, int32_t fee_decimals):
        self._direct = direct
        self._account = account_index
        self._instrument_of = instrument_of
        self._wall_ns = wall_ns
        self._maker = maker
        self._taker = taker
        self._currency = currency
        self._fee_decimals = fee_decimals
        self._market = -2

    def take(self, AccountFrame frame not None):
        """Apply and tell the trades of a frame that is being handed out, oldest first.

        Returns the rows from the first on that has to go the long way, oldest first.
        """
        cdef const tw_lg_trade *trades = <const tw_lg_trade *>frame._trades
        cdef const tw_lg_trade *ordered[MOST_AT_ONCE]
        cdef Py_ssize_t i, j, n = frame._count
        cdef int64_t now_ns
        if n == 0 or n > MOST_AT_ONCE or trades == NULL:
            return frame.rows
        for i in range(n):
            j = i
            while j > 0 and TW_UNLIKELY(_is_older(&trades[i], ordered[j - 1])):
                ordered[j] = ordered[j - 1]
                j -= 1
            ordered[j] = &trades[i]
        now_ns = self._wall_ns()
        for i in range(n):
            if TW_UNLIKELY(not self.trade(ordered[i], now_ns)):
                return [_trade_row(ordered[j]) for j in range(i, n)]
        return NO_ROWS

    cdef inline bint trade(self, const tw_lg_trade *t, int64_t now_ns) except -1:
        cdef FillData fill
        cdef tw_fixed commission
        cdef bint is_ask = t.ask_account == self._account
        cdef bint is_maker = is_ask == t.is_maker_ask
        cdef int64_t client_index = t.ask_client if is_ask else t.bid_client
        cdef int64_t rate = (t.maker_fee + t.integrator_maker_fee if is_maker
                             else t.taker_fee + t.integrator_taker_fee)
        if TW_UNLIKELY(is_ask == (t.bid_account == self._account)):  # of nobody, or with itself
            return False
        if TW_UNLIKELY(t.market != self._market):
            if self._instrument_of(_index(t.market)) is None:
                return False
            self._market = t.market
        if TW_UNLIKELY(t.usd_amount.exponent < 0 or not tw_fixed_share(t.usd_amount, rate, self._fee_decimals,
                                                                       &commission)):
            return False
        fill.trade_id = t.trade_id
        fill.venue_order_id = t.ask_id if is_ask else t.bid_id
        fill.ts_event = tw_lg_ns(t.transaction_time) or tw_lg_ns(t.timestamp)
        fill.ts_init = now_ns
        fill.size = fixed_of(t.size)
        fill.price = fixed_of(t.price)
        fill.commission = fixed_of(commission)
        fill.realized_pnl.mantissa = 0
        fill.realized_pnl.exponent = -1
        # Fills come in runs of one order, which keeps its index as long as it lives.
        if client_index <= 0 or client_index != self._index or self._order.final is not None:
            self._order = self._direct.find(client_index if client_index > 0 else None, fill.venue_order_id)
            self._index = 0 if self._order is None or not self._order.is_accepted else client_index
        if TW_UNLIKELY(not self._direct.take(self._order, &fill, self._maker if is_maker else self._taker,
                                             self._currency)):
            return False
        if fill.ts_event > self.newest_ns:
            self.newest_ns = fill.ts_event
        return True


cdef inline bint _is_older(const tw_lg_trade *t, const tw_lg_trade *than) noexcept nogil:
    cdef int64_t mine = tw_lg_ns(t.transaction_time) or tw_lg_ns(t.timestamp)
    cdef int64_t its = tw_lg_ns(than.transaction_time) or tw_lg_ns(than.timestamp)
    return mine < its or (mine == its and t.trade_id < than.trade_id)


# ---- the decoder ---------------------------------------------------------------------------------

cdef dict INTERVALS = {
    b"1m": 60, b"5m": 300, b"15m": 900, b"30m": 1800, b"1h": 3600, b"4h": 14400, b"12h": 43200,
    b"1d": 86400, b"1w": 604800,
}

cdef int64_t HOUR_NS = 3_600_000_000_000
cdef int64_t MAX_TIME_NS = 0x7FFFFFFFFFFFFFFF
cdef const uint8_t *NULL_TEXT = b"null"


# What take() has read and deliver() hands out; one at a time.
cdef struct Pass:
    const uint8_t *start
    const uint8_t *end
    int32_t number                      # of the symbol, -1: unknown, -2: no single market
    tw_err err
    tw_lg_book book
    tw_lg_ticker ticker


# A book, to be read on another grid.
cdef struct Levels:
    const uint8_t *p
    const uint8_t *end
    tw_lg_book *book


@cython.final
cdef class LighterDecoder(SymbolDecoder):
    """Decodes the messages of one Lighter connection, public or of an account.

    Parameters
    ----------
    symbols : SymbolTable
        May be shared by many decoders; the name of a market on the wire is its index in decimal
        (`symbols.add(instrument, alias="0")`). Frames of markets that are not in it are dropped and
        counted in `unknown_markets`.
    handler : EventHandler, optional
        Receives the events; a `Router` for Python callbacks.
    account : AccountHandler, optional
        Receives the rows of account frames and the answers to transactions.
    on_control : callable, optional
        `on_control(type, channel, data)` for every frame that is neither `subscribed/...` nor
        `update/...`, such as `ping` and errors (of type "" or "error"), as JSON bytes.
    on_venue_event : callable, optional
        `on_venue_event(type, channel, data)` for typed frames that have no event here.
    on_problem : callable, optional
        `on_problem(error, data)` for a frame, or a row of one, that was skipped because it does not
        decode; without it the error is raised to the feed. Rows of account frames are in
        `AccountFrame.problems` as well.
    on_off_scale : callable, optional
        `on_off_scale(instrument)` when a price or size did not fit the instrument's scale. The event
        is delivered exactly, on a finer scale, with flag `OFF_SCALE`.
    on_first : callable, optional
        `on_first(channel, is_snapshot)` once for the first typed frame of each channel given to
        `await_first`, before it is delivered.
    on_unknown_market : callable, optional
        `on_unknown_market(text)` for each frame of a market that is not in `symbols`.
    on_empty_side : callable, optional
        `on_empty_side(instrument, has_bid, has_ask)` in place of a Quote when the ticker has only
        one side, or none.
    on_stats, on_height : callable, optional
        `on_stats(MarketStats)`; `on_height(height, ts_event)`.

    Notes
    -----
    `events`, `control_messages`, `venue_events`, `account_frames`, `acks`, `unknown_markets`,
    `decode_errors`, `row_errors` and `off_scale` count and only grow. Belongs to one thread. Numbers
    may stand bare or quoted; the last of duplicate keys counts.
    """

    cdef readonly AccountHandler account
    cdef object _on_control, _on_venue_event, _on_first
    cdef object _on_unknown_market, _on_empty_side, _on_stats, _on_height
    cdef set _awaited
    cdef bint _awaiting
    cdef readonly uint64_t control_messages, venue_events, account_frames, acks, unknown_markets
    cdef AccountFrame frame             # being read
    cdef str _channel                   # of the last account frame, and its bytes
    cdef bytes _channel_bytes

    def __init__(self, SymbolTable symbols not None, EventHandler handler=None, *,
                 AccountHandler account=None, on_control=None, on_venue_event=None, on_problem=None,
                 on_off_scale=None, on_first=None, on_unknown_market=None, on_empty_side=None,
                 on_stats=None, on_height=None):
        SymbolDecoder.__init__(self, symbols, handler, on_problem=on_problem, on_off_scale=on_off_scale)
        self.account = account if account is not None else AccountHandler()
        self._on_control = on_control
        self._on_venue_event = on_venue_event
        self._on_first = on_first
        self._on_unknown_market = on_unknown_market
        self._on_empty_side = on_empty_side
        self._on_stats = on_stats
        self._on_height = on_height
        self._awaited = set()
        self._channel = ""
        self._channel_bytes = b""

    def await_first(self, str channel not None):
        """Report the next typed frame of a channel (`order_book:0`) to `on_first`, once."""
        self._awaited.add(channel.replace("/", ":"))
        self._awaiting = True

    def forget_first(self, str channel not None):
        """Take an `await_first` back."""
        self._awaited.discard(channel.replace("/", ":"))
        self._awaiting = bool(self._awaited)

    cdef int decode(self, const uint8_t *p, Py_ssize_t n, int64_t ts_init) except -1:
        cdef tw_lg_frame f
        cdef Pass c
        self.ts_init = ts_init
        c.start = p
        c.end = p + n
        c.err.code = 0
        c.err.at = p
        c.number = -2
        cdef bint sound
        tw_lg_begin(&f, p, 0)
        sound = self.read(&f, &c)
        if TW_UNLIKELY(f.again or not sound and f.taken):
            # Something behind the data has, or may have, another opinion of what it is.
            self.frame = None
            self.failed = None
            c.err.code = 0
            c.number = -2
            tw_lg_begin(&f, p, 1)
            self.read(&f, &c)
        if TW_UNLIKELY(c.err.code != 0):
            self.frame = None
            self.failed = None
            return self.refuse(c.start, c.end, &c.err)
        return self.deliver(&f, &c)

    cdef inline bint read(self, tw_lg_frame *f, Pass *c) except -1:
        """Go through a whole frame; False with c.err.code set when it does not decode."""
        cdef tw_lg_step_result step
        cdef int key
        while True:
            step = tw_lg_step(f, c.end, &c.err)
            if step == LG_STEP_DATA:
                if TW_UNLIKELY(not self.take(f, c)):
                    return False
            elif step == LG_STEP_END:
                break
            else:
                return False
        if TW_UNLIKELY(f.p != c.end) and not tw_at_end(f.p, c.end, &c.err):
            return False
        if TW_UNLIKELY(f.again) or f.taken or f.stage == TW_LG_CONTROL or f.stage == TW_LG_NO_TYPE:
            return True
        key = tw_lg_data_key(f.kind)
        if key < 0:
            return True
        if f.data[key] == NULL:
            # A list that is missing is empty. Not so positions: that would close all of them.
            if f.kind == LG_BOOK or f.kind == LG_TICKER or f.kind == LG_POSITIONS:
                c.err.code = TW_MISSING
                c.err.at = c.end - 1
                return False
            f.data[key] = NULL_TEXT
            return self.empty(f)
        f.p = f.data[key]
        return self.take(f, c)

    cdef bint empty(self, tw_lg_frame *f) except -1:
        """What take() leaves behind where there is no data."""
        self.trades.count = 0
        if f.kind >= LG_ORDERS:
            self.frame = AccountFrame.__new__(AccountFrame)
            if f.kind != LG_FILLS:
                self.frame._rows = []
        return True

    cdef inline int32_t lookup(self, const tw_span *market) noexcept:
        """The number of a market, by the text in front of any further colon; -1: unknown."""
        cdef Py_ssize_t n = 0
        while n < market.length and market.text[n] != c':' and market.text[n] != c'/':
            n += 1
        return tw_symbol_find(&self.symbols.table, market.text, n)

    cdef bint take(self, tw_lg_frame *f, Pass *c) except -1:
        """Read the data of a frame at f.p and move f.p behind it; False with c.err set."""
        cdef const uint8_t *p = f.p
        if f.kind == LG_BOOK:
            p = self.book(f, c)
        elif f.kind == LG_TICKER:
            p = tw_lg_ticker_data(p, c.end, &c.ticker, &c.err)
        elif f.kind == LG_TRADE or f.kind >= LG_ORDERS:
            self.empty(f)
            p = self.rows(p, f.kind, c, -1)
        else:
            p = tw_skip(p, c.end, &c.err)  # read again at delivery, row by row
        if TW_UNLIKELY(p == NULL):
            return False
        f.p = p
        return True

    # ---- books -----------------------------------------------------------------------------------

    cdef const uint8_t *book(self, tw_lg_frame *f, Pass *c) except? NULL:
        cdef tw_scale price, size
        cdef const uint8_t *p
        c.book.bids = &self.bids
        c.book.asks = &self.asks
        c.number = self.lookup(&f.suffix)
        if TW_UNLIKELY(c.number < 0):
            return tw_skip(f.p, c.end, &c.err)
        price = self.symbols.table.symbols[c.number].price
        size = self.symbols.table.symbols[c.number].size
        p = tw_lg_book_data(f.p, c.end, &price, &size, &c.book, &c.err)
        if TW_UNLIKELY(p == NULL) and (c.err.code == TW_OFF_PRICE or c.err.code == TW_OFF_SIZE):
            # To be read on a finer grid at delivery; here it only has to be sound.
            c.err.code = 0
            c.book.nonce = -1
            f.data[LG_K_BOOK] = f.p
            p = tw_skip(f.p, c.end, &c.err)
        return p

    cdef int deliver_book(self, tw_lg_frame *f, Pass *c) except -1:
        cdef BookData out
        cdef Levels levels
        cdef InstrumentBase instrument
        if TW_UNLIKELY(c.number < 0):
            return self.unknown(&f.suffix)
        out.flags = 0
        if TW_UNLIKELY(c.book.nonce < 0):
            levels.p = tw_lg_data(f)
            levels.end = c.end
            levels.book = &c.book
            instrument = self.finer_book(c.number, &levels, &c.err)
            if instrument is None:
                return self.refuse(c.start, c.end, &c.err)
            out.flags = EventFlag.OFF_SCALE
        else:
            instrument = <InstrumentBase>PyList_GET_ITEM(self.symbols._instruments, c.number)
        out.symbol = c.number
        out.ts_init = self.ts_init
        out.ts_event = tw_lg_ns(c.book.last_updated)
        if TW_UNLIKELY(out.ts_event == 0):
            out.ts_event = tw_lg_ns(f.last_updated) or tw_lg_ns(f.timestamp)
        out.last_seq = c.book.nonce
        if f.stage == TW_LG_SUBSCRIBED:
            out.first_seq = c.book.nonce
            out.prev_seq = -1
        else:
            if TW_UNLIKELY(c.book.begin_nonce < 0):
                c.err.code = TW_MISSING
                c.err.at = c.end - 1
                return self.refuse(c.start, c.end, &c.err)
            out.prev_seq = c.book.begin_nonce
            out.first_seq = min(c.book.begin_nonce + 1, c.book.nonce)
        out.n_bids = self.bids.count
        out.n_asks = self.asks.count
        out.bid_prices = self.bids.prices
        out.bid_sizes = self.bids.sizes
        out.ask_prices = self.asks.prices
        out.ask_sizes = self.asks.sizes
        self.events += 1
        self.handler.on_book(instrument, &out, f.stage == TW_LG_SUBSCRIBED)
        return 0

    cdef bint read_levels(self, const void *at, const tw_scale *price, const tw_scale *size, tw_err *err) noexcept:
        cdef const Levels *levels = <const Levels *>at
        return tw_lg_book_data(levels.p, levels.end, price, size, levels.book, err) != NULL

    cdef int32_t unknown(self, const tw_span *market) except -2:
        self.unknown_markets += 1
        if self._on_unknown_market is not None:
            self._on_unknown_market(text_of(market).replace("/", ":").partition(":")[0])
        return 0

    # ---- quotes ----------------------------------------------------------------------------------

    cdef int deliver_ticker(self, tw_lg_frame *f, Pass *c) except -1:
        cdef QuoteData out
        cdef const tw_lg_ticker *t = &c.ticker
        cdef bint has_bid = t.bid.exponent >= 0 and t.bid_size.exponent >= 0
        cdef bint has_ask = t.ask.exponent >= 0 and t.ask_size.exponent >= 0
        out.symbol = self.lookup(&f.suffix)
        if TW_UNLIKELY(out.symbol < 0):
            return self.unknown(&f.suffix)
        if TW_UNLIKELY(not has_bid or not has_ask):
            if self._on_empty_side is not None:
                self._on_empty_side(self.symbols._instruments[out.symbol], has_bid, has_ask)
            return 0
        out.flags = 0
        out.seq = f.nonce
        out.ts_init = self.ts_init
        out.ts_event = tw_lg_ns(t.last_updated)
        if TW_UNLIKELY(out.ts_event == 0):
            out.ts_event = tw_lg_ns(f.last_updated) or tw_lg_ns(f.timestamp)
        tell_quote(self, &out, &t.bid, &t.bid_size, &t.ask, &t.ask_size, c.start, c.end, &c.err)
        return 0

    # ---- rows ------------------------------------------------------------------------------------

    cdef const uint8_t *rows(self, const uint8_t *p, tw_lg_kind kind, Pass *c, int32_t market) except? NULL:
        """Rows as a list, or as a map from market to a list or a row; null is none.

        Returns the place behind them, NULL with c.err set where it is no JSON.
        """
        cdef const uint8_t *next
        cdef tw_span key
        cdef uint8_t scratch[TW_SHORT_TEXT]
        cdef int more
        cdef bint listed
        if p >= c.end or (p[0] != c'[' and p[0] != c'{'):
            if p < c.end and p[0] == c'n':
                return tw_word(p, c.end, "null", &c.err)
            next = tw_skip(p, c.end, &c.err) if p < c.end else NULL
            if next != NULL or p >= c.end:
                c.err.code = TW_TYPE
                c.err.at = p
            return NULL
        listed = p[0] == c'['
        p = tw_ws(p + 1, c.end)
        if p < c.end and p[0] == (c']' if listed else c'}'):
            return p + 1
        while True:
            if not listed:
                p = tw_short_text(p, c.end, &key, scratch, &c.err)
                if p == NULL:
                    return NULL
                p = tw_ws(p, c.end)
                if p >= c.end or p[0] != c':':
                    c.err.code = TW_TYPE
                    c.err.at = p
                    return NULL
                p = tw_ws(p + 1, c.end)
                market = _market_of(key.text, key.length)
            if p < c.end and p[0] == c'{':
                p = self.row(p, kind, c, market)
            elif p < c.end and p[0] == c'[' and not listed:
                p = self.rows(p, kind, c, market)
            elif p < c.end and p[0] == c'n':
                p = tw_word(p, c.end, "null", &c.err)
            else:
                c.err.code = TW_TYPE
                c.err.at = p
                p = self.bad_row(p, c, market, kind)
            if p == NULL:
                return NULL
            more = tw_next(p, c.end, c']' if listed else c'}', &next, &c.err)
            if more < 0:
                return NULL
            p = next
            if more == 0:
                return p

    cdef const uint8_t *row(self, const uint8_t *p, tw_lg_kind kind, Pass *c, int32_t market) except? NULL:
        cdef const uint8_t *after
        cdef tw_lg_trade *slot
        cdef tw_lg_order order
        cdef tw_lg_position position
        if kind == LG_TRADE or kind == LG_FILLS:
            slot = <tw_lg_trade *>slot_for(&self.trades, sizeof(tw_lg_trade))
            after = tw_lg_trade_row(p, c.end, slot, &c.err)
            if TW_LIKELY(after != NULL):
                if TW_UNLIKELY(slot.market < 0):
                    slot.market = market
                self.trades.count += 1
                return after
        elif kind == LG_POSITIONS:
            after = tw_lg_position_row(p, c.end, &position, &c.err)
            if TW_LIKELY(after != NULL):
                self.frame._rows.append(_position_row(&position, market))
                return after
            if position.market >= 0:
                market = _index(position.market)
        else:
            after = tw_lg_order_row(p, c.end, &order, &c.err)
            if TW_LIKELY(after != NULL):
                self.frame._rows.append(_order_row(&order, market))
                return after
        return self.bad_row(p, c, market, kind)

    cdef const uint8_t *bad_row(self, const uint8_t *p, Pass *c, int32_t market, tw_lg_kind kind) except? NULL:
        """Note a row that does not decode and pass over it; NULL where it is no JSON."""
        cdef RowProblem found
        cdef const uint8_t *after = self.pass_over(p, c.start, c.end, &c.err)
        if after != NULL and kind >= LG_ORDERS:
            found = RowProblem.__new__(RowProblem)
            found.market_index = market
            found.error, found.data = self.failed[len(self.failed) - 1]
            self.frame.problems.append(found)
        return after

    # ---- trades ----------------------------------------------------------------------------------

    cdef int deliver_trades(self, tw_lg_frame *f, Pass *c) except -1:
        cdef Rows trades
        cdef tw_lg_trade *rows
        cdef Py_ssize_t i, j, n
        cdef tw_lg_trade held
        cdef int32_t number = self.lookup(&f.suffix)
        if f.data[LG_K_LIQUIDATIONS] != NULL:
            if self.rows(f.data[LG_K_LIQUIDATIONS], LG_TRADE, c, -1) == NULL:
                return self.refuse(c.start, c.end, &c.err)
        if TW_UNLIKELY(number < 0):
            self.trades.count = 0
            return self.unknown(&f.suffix)
        trades = lend(&self.trades)
        rows = <tw_lg_trade *>trades.block
        try:
            # Sent newest first; told oldest first, each once.
            n = trades.count
            for i in range(1, n):
                held = rows[i]
                j = i
                while j > 0 and rows[j - 1].trade_id > held.trade_id:
                    rows[j] = rows[j - 1]
                    j -= 1
                rows[j] = held
            for i in range(n):
                if i == 0 or rows[i].trade_id != rows[i - 1].trade_id:
                    self.trade(number, &rows[i], f, c)
        finally:
            bring_back(&self.trades, &trades)
        return 0

    cdef int trade(self, int32_t number, const tw_lg_trade *t, tw_lg_frame *f, Pass *c) except -1:
        cdef TradeData out
        out.symbol = number
        out.flags = 0
        if f.stage == TW_LG_SUBSCRIBED:
            out.flags |= EventFlag.HISTORY
        if t.kind != LG_T_TRADE and t.kind != LG_T_LIQUIDATION:
            out.flags |= EventFlag.NOT_MARKET
        out.trade_id = t.trade_id
        out.first_id = out.last_id = -1
        out.aggressor = AggressorSide.BUYER if t.is_maker_ask else AggressorSide.SELLER
        out.ts_init = self.ts_init
        out.ts_event = tw_lg_ns(t.transaction_time) or tw_lg_ns(t.timestamp)
        tell_trade(self, &out, &t.price, &t.size, t.kind == LG_T_LIQUIDATION, c.start, c.end, &c.err)
        return 0

    # ---- bars ------------------------------------------------------------------------------------

    cdef int deliver_candles(self, tw_lg_frame *f, Pass *c) except -1:
        cdef const uint8_t *p = tw_lg_data(f)
        cdef const uint8_t *next
        cdef const uint8_t *after
        cdef tw_lg_candle candle
        cdef Py_ssize_t colon = 0
        cdef uint32_t flags = EventFlag.MARK if f.kind == LG_MARK_CANDLE else 0
        cdef int32_t number = self.lookup(&f.suffix)
        if TW_UNLIKELY(number < 0):
            return self.unknown(&f.suffix)
        while colon < f.suffix.length and f.suffix.text[colon] != c':' and f.suffix.text[colon] != c'/':
            colon += 1
        interval = INTERVALS.get(f.suffix.text[min(colon + 1, f.suffix.length):f.suffix.length])
        if interval is None:
            c.err.code = TW_VALUE
            c.err.at = c.end - 1
            return self.refuse(c.start, c.end, &c.err)
        if p[0] == c'n':
            return 0
        if p[0] != c'[':
            c.err.code = TW_TYPE
            c.err.at = p
            return self.refuse(c.start, c.end, &c.err)
        p = tw_ws(p + 1, c.end)
        if p[0] == c']':
            return 0
        while True:
            after = tw_lg_candle_row(p, c.end, &candle, &c.err)
            if after != NULL and tw_lg_ns(candle.time) > MAX_TIME_NS - <int64_t>interval * 1_000_000_000:
                after = tw_fail(&c.err, TW_RANGE, p)
            if after == NULL:
                after = self.bad_row(p, c, -1, f.kind)
                if after == NULL:
                    return self.refuse(c.start, c.end, &c.err)
            else:
                self.bar(number, &candle, interval, flags, c)
            if tw_next(after, c.end, c']', &next, &c.err) != 1:
                return 0
            p = next

    cdef int bar(self, int32_t number, const tw_lg_candle *k, int32_t interval_s, uint32_t flags,
                 Pass *c) except -1:
        cdef BarData out
        cdef tw_scale price = self.symbols.table.symbols[number].price
        cdef tw_scale size = self.symbols.table.symbols[number].size
        cdef InstrumentBase instrument = self.symbols._instruments[number]
        cdef bint mark = (flags & EventFlag.MARK) != 0
        memset(&out, 0, sizeof(BarData))
        out.symbol = number
        out.flags = flags
        out.interval_s = interval_s
        out.ts_init = self.ts_init
        out.ts_open = tw_lg_ns(k.time)
        # As elsewhere the time of a bar is the last ms in it.
        out.ts_event = out.ts_open + <int64_t>interval_s * 1_000_000_000 - 1_000_000
        out.quote_volume = fixed_of(k.quote_volume)
        out.taker_buy_quote_volume.exponent = -1
        if not _scale_bar(k, &price, &size, &out, &c.err):
            if not is_off_scale(&c.err):
                return self.refuse(c.start, c.end, &c.err)
            if not mark:  # mark prices are finer than any tick
                self.tell_off_scale(instrument)
            instrument = self.at_scale(number, max(places(k.open), places(k.high), places(k.low),
                                                   places(k.close)), -1, &price, &size)
            if not _scale_bar(k, &price, &size, &out, &c.err):
                return self.refuse(c.start, c.end, &c.err)
            out.flags |= EventFlag.OFF_SCALE
        self.events += 1
        self.handler.on_bar(instrument, &out)
        return 0

    # ---- statistics ------------------------------------------------------------------------------

    cdef int deliver_stats(self, tw_lg_frame *f, Pass *c) except -1:
        """One market, or a map of them: a bad one does not take the others with it."""
        cdef const uint8_t *p = tw_lg_data(f)
        cdef const uint8_t *key
        cdef const uint8_t *next
        cdef const uint8_t *value
        cdef Py_ssize_t n
        cdef int escaped
        cdef tw_span market
        cdef uint8_t scratch[TW_SHORT_TEXT]
        cdef bint many
        if p[0] == c'n':
            return 0
        if p[0] != c'{':
            c.err.code = TW_TYPE
            c.err.at = p
            return self.refuse(c.start, c.end, &c.err)
        value = tw_ws(p + 1, c.end)
        if value[0] == c'}':
            return 0
        # All of it is known to be sound JSON.
        p = tw_string(value, c.end, &key, &n, &escaped, &c.err)
        many = tw_ws(tw_ws(p, c.end) + 1, c.end)[0] == c'{'
        if not many:
            return self.stats(tw_lg_data(f), &f.suffix, f, c)
        p = value
        while True:
            p = tw_short_text(p, c.end, &market, scratch, &c.err)
            p = tw_ws(tw_ws(p, c.end) + 1, c.end)
            value = p
            p = tw_skip(p, c.end, &c.err)
            if value[0] == c'{':
                self.stats(value, &market, f, c)
            if tw_next(p, c.end, c'}', &next, &c.err) != 1:
                return 0
            p = next

    cdef int stats(self, const uint8_t *p, const tw_span *market, tw_lg_frame *f, Pass *c) except -1:
        cdef tw_lg_stats s
        cdef MarkPriceData mark
        cdef IndexPriceData index
        cdef TickerData ticker
        cdef InstrumentBase instrument
        cdef int32_t number = self.lookup(market)
        cdef int64_t ts_event
        if tw_lg_stats_data(p, c.end, &s, &c.err) == NULL:
            self.bad_row(p, c, -1, f.kind)
            c.err.code = 0
            return 0
        if number < 0:
            return self.unknown(market)
        instrument = self.symbols._instruments[number]
        ts_event = tw_lg_ns(f.timestamp)
        if s.mark.exponent >= 0:
            mark.symbol = number
            mark.flags = 0
            mark.ts_event = ts_event
            mark.ts_init = self.ts_init
            mark.mark = fixed_of(s.mark)
            mark.index = fixed_of(s.index)
            mark.settle.mantissa = 0
            mark.settle.exponent = -1
            mark.funding_rate = fixed_of(s.current_funding_rate)
            mark.ts_next_funding = _next_funding(tw_lg_ns(s.funding_timestamp), ts_event)
            self.events += 1
            self.handler.on_mark_price(instrument, &mark)
        elif s.index.exponent >= 0:
            index.symbol = number
            index.flags = 0
            index.ts_event = ts_event
            index.ts_init = self.ts_init
            index.index = fixed_of(s.index)
            self.events += 1
            self.handler.on_index_price(instrument, &index)
        memset(&ticker, 0, sizeof(TickerData))
        ticker.symbol = number
        ticker.ts_event = ts_event
        ticker.ts_init = self.ts_init
        ticker.last = fixed_of(s.last)
        ticker.open.exponent = ticker.change.exponent = ticker.weighted_average.exponent = -1
        ticker.last_size.exponent = -1
        ticker.high = fixed_of(s.high)
        ticker.low = fixed_of(s.low)
        ticker.volume = fixed_of(s.volume)
        ticker.quote_volume = fixed_of(s.quote_volume)
        ticker.change_percent = fixed_of(s.change)
        ticker.first_id = ticker.last_id = ticker.trade_count = -1
        self.events += 1
        self.handler.on_ticker(instrument, &ticker)
        if self._on_stats is not None:
            self._on_stats(_stats(instrument, &s, ts_event, self.ts_init))
        return 0

    # ---- delivery --------------------------------------------------------------------------------

    cdef int deliver(self, tw_lg_frame *f, Pass *c) except -1:
        cdef tw_lg_kind kind = f.kind
        cdef list failed = self.failed  # rows of this frame, not of one that a handler feeds
        self.failed = None
        if TW_UNLIKELY(f.stage == TW_LG_CONTROL or f.stage == TW_LG_NO_TYPE):
            return self.control(f, c)
        if TW_UNLIKELY(self._awaiting):
            self.first(f)
        if kind >= LG_ORDERS:
            return self.rows_of_account(f, failed)
        if TW_UNLIKELY(kind == LG_OTHER):
            return self.venue_event(f, c)
        if TW_UNLIKELY(kind != f.channel_kind):
            self.failed = None  # rows read as what the frame turned out not to be
            c.err.code = TW_VALUE
            c.err.at = c.end - 1
            return self.refuse(c.start, c.end, &c.err)
        if kind == LG_BOOK:
            return self.deliver_book(f, c)
        if kind == LG_TICKER:
            return self.deliver_ticker(f, c)
        if kind == LG_TRADE:
            try:
                self.deliver_trades(f, c)
            finally:
                if failed is not None:
                    self.refuse_rows(failed)
        elif kind == LG_HEIGHT:
            if f.height < 0:
                c.err.code = TW_MISSING
                c.err.at = c.end - 1
                return self.refuse(c.start, c.end, &c.err)
            if self._on_height is not None:
                self._on_height(f.height, tw_lg_ns(f.timestamp))
        elif kind == LG_CANDLE or kind == LG_MARK_CANDLE:
            self.deliver_candles(f, c)
        else:
            self.deliver_stats(f, c)
        if TW_UNLIKELY(self.failed is not None):  # read at delivery
            failed = self.failed
            self.failed = None
            self.refuse_rows(failed)
        return 0

    def _first(self, str channel, bint is_snapshot):
        if channel in self._awaited:
            self._awaited.discard(channel)
            self._awaiting = bool(self._awaited)
            if self._on_first is not None:
                self._on_first(channel, is_snapshot)

    cdef int first(self, tw_lg_frame *f) except -1:
        self._first(text_of(&f.channel).replace("/", ":"), f.stage == TW_LG_SUBSCRIBED)
        return 0

    cdef int rows_of_account(self, tw_lg_frame *f, list failed) except -1:
        cdef AccountFrame frame = self.frame
        self.frame = None
        frame.stream = _stream(f.kind)
        frame.channel = self.channel_of(f)
        frame.is_snapshot = f.stage == TW_LG_SUBSCRIBED
        frame.account_index = _account_of(&f.suffix)
        frame.nonce = f.nonce
        frame.ts_event = tw_lg_ns(f.timestamp)
        frame.ts_init = self.ts_init
        self.account_frames += 1
        try:
            if f.kind == LG_FILLS:
                self.fills_of_account(frame)
            elif f.kind == LG_POSITIONS:
                self.account.on_positions(frame)
            else:
                self.account.on_orders(frame)
        finally:
            if failed is not None:
                self.refuse_rows(failed)
        return 0

    cdef int fills_of_account(self, AccountFrame frame) except -1:
        """Hand out trades that are made rows only if somebody looks at them."""
        cdef Rows trades = lend(&self.trades)
        frame._trades = <tw_lg_trade *>trades.block
        frame._count = trades.count
        try:
            self.account.on_trades(frame)
        finally:
            if TW_UNLIKELY(Py_REFCNT(frame) > 1):
                frame.rows  # somebody keeps it, and the bytes it was read from go
            frame._trades = NULL
            frame._count = 0
            bring_back(&self.trades, &trades)
        return 0

    cdef str channel_of(self, tw_lg_frame *f):
        """The channel, most often that of the last frame of an account."""
        cdef Py_ssize_t n = f.channel.length
        if n == 0:
            return ""
        if (TW_UNLIKELY(n != PyBytes_GET_SIZE(self._channel_bytes))
                or memcmp(f.channel.text, PyBytes_AS_STRING(self._channel_bytes), n) != 0):
            self._channel_bytes = f.channel.text[:n]
            self._channel = text_of(&f.channel)
        return self._channel

    cdef int control(self, tw_lg_frame *f, Pass *c) except -1:
        cdef tw_lg_ack a
        if f.kind == LG_ACK:
            if tw_lg_ack_data(c.start, c.end, &a, &c.err) == NULL:
                return self.refuse(c.start, c.end, &c.err)
            self.acks += 1
            self.account.on_ack(_ack(&a, text_of(&f.type), c.end, self.ts_init))
            return 0
        self.control_messages += 1
        if self._on_control is not None:
            self._on_control(text_of(&f.type), text_of(&f.channel), c.start[:c.end - c.start])
        return 0

    cdef int venue_event(self, tw_lg_frame *f, Pass *c) except -1:
        self.venue_events += 1
        if self._on_venue_event is not None:
            self._on_venue_event(text_of(&f.type), text_of(&f.channel), c.start[:c.end - c.start])
        return 0


cdef bint _scale_bar(const tw_lg_candle *k, const tw_scale *price, const tw_scale *size, BarData *out,
                     tw_err *err) noexcept nogil:
    if (scale_to(k.open, price, TW_OFF_PRICE, &out.open, err) != 0
            or scale_to(k.high, price, TW_OFF_PRICE, &out.high, err) != 0
            or scale_to(k.low, price, TW_OFF_PRICE, &out.low, err) != 0
            or scale_to(k.close, price, TW_OFF_PRICE, &out.close, err) != 0):
        return False
    out.volume = 0
    if k.volume.exponent >= 0:
        err.code = tw_lg_nearest(k.volume, size, &out.volume)
    return err.code == 0


cdef MarketStats _stats(InstrumentBase instrument, const tw_lg_stats *s, int64_t ts_event, int64_t ts_init):
    cdef MarketStats out = MarketStats.__new__(MarketStats)
    out.instrument = instrument
    out.ts_event = ts_event
    out.ts_init = ts_init
    out.ts_funding = tw_lg_ns(s.funding_timestamp)
    out._index = fixed_of(s.index)
    out._mark = fixed_of(s.mark)
    out._mid = fixed_of(s.mid)
    out._last = fixed_of(s.last)
    out._open_interest = fixed_of(s.open_interest)
    out._open_interest_limit = fixed_of(s.open_interest_limit)
    out._funding_rate = fixed_of(s.funding_rate)
    out._current_funding_rate = fixed_of(s.current_funding_rate)
    out._funding_clamp_small = fixed_of(s.funding_clamp_small)
    out._funding_clamp_big = fixed_of(s.funding_clamp_big)
    out._base_interest_rate = fixed_of(s.base_interest_rate)
    out._volume = fixed_of(s.volume)
    out._quote_volume = fixed_of(s.quote_volume)
    out._low = fixed_of(s.low)
    out._high = fixed_of(s.high)
    out._change_percent = fixed_of(s.change)
    return out


cdef int64_t _next_funding(int64_t funding, int64_t now) noexcept nogil:
    """Funding is hourly. The venue's time of it has been seen to name the last hour (2026-06) and
    the next one; 0: not known."""
    if funding == 0 or funding > now:
        return funding
    if now > MAX_TIME_NS - HOUR_NS:
        return 0
    return now - now % HOUR_NS + HOUR_NS


cdef int32_t _market_of(const uint8_t *text, Py_ssize_t n) noexcept nogil:
    cdef int64_t value = 0
    cdef Py_ssize_t i
    if n < 1 or n > 9:
        return -1
    for i in range(n):
        if not c'0' <= text[i] <= c'9':
            return -1
        value = value * 10 + (text[i] - c'0')
    return <int32_t>value


cdef int64_t _account_of(const tw_span *suffix) noexcept nogil:
    """The account is the last number of a channel; -1: there is none that fits."""
    cdef int64_t value = 0
    cdef Py_ssize_t i, start = suffix.length
    while start > 0 and suffix.text[start - 1] != c':' and suffix.text[start - 1] != c'/':
        start -= 1
    if suffix.length - start < 1 or suffix.length - start > 18:
        return -1
    for i in range(start, suffix.length):
        if not c'0' <= suffix.text[i] <= c'9':
            return -1
        value = value * 10 + (suffix.text[i] - c'0')
    return value
