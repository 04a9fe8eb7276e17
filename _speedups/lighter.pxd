"""The decoder of Lighter's streams, and the rows of its account frames.

A Cython bot cimports the row classes and overrides `AccountHandler`; numbers of the venue are
`Fixed` there and Decimals in Python.
"""

from libc.stdint cimport int32_t, int64_t, uint64_t

from connectors._speedups._csrc cimport tw_levels
from connectors._speedups.events cimport EventHandler, Fixed, InstrumentBase
from connectors._speedups.feed cimport Decoder
from connectors._speedups.symbols cimport SymbolTable


# Words of the venue by number; -1: a word that is not known, whose text is kept beside it.
cpdef enum OrderState:
    IN_PROGRESS = 0
    PENDING = 1
    OPEN = 2
    FILLED = 3
    CANCELED = 4
    CANCELED_POST_ONLY = 5
    CANCELED_REDUCE_ONLY = 6
    CANCELED_POSITION_NOT_ALLOWED = 7
    CANCELED_MARGIN_NOT_ALLOWED = 8
    CANCELED_TOO_MUCH_SLIPPAGE = 9
    CANCELED_NOT_ENOUGH_LIQUIDITY = 10
    CANCELED_SELF_TRADE = 11
    CANCELED_EXPIRED = 12
    CANCELED_OCO = 13
    CANCELED_CHILD = 14
    CANCELED_LIQUIDATION = 15
    CANCELED_INVALID_BALANCE = 16


cpdef enum TradeKind:
    TRADE = 0
    LIQUIDATION = 1
    DELEVERAGE = 2
    MARKET_SETTLEMENT = 3


cdef class OrderRow:
    cdef readonly int64_t order_index, client_index, account_index, nonce, block_height
    cdef readonly int64_t base_size, base_price         # ticks as the venue counts them
    cdef readonly int64_t order_expiry_ms, trigger_time
    cdef readonly int64_t ts_event, ts_created, ts_updated
    cdef readonly int64_t parent_order_index, to_trigger_0, to_trigger_1, to_cancel_0
    cdef int64_t _transaction_time, _updated_at         # as sent
    cdef readonly int32_t market_index
    cdef readonly int32_t status_code, type_code, time_in_force_code, trigger_status_code
    cdef readonly bint is_ask, reduce_only
    cdef readonly str status, type, time_in_force, trigger_status
    cdef Fixed _size, _remaining, _filled, _filled_quote, _price, _trigger_price


cdef class TradeRow:
    cdef readonly int64_t id, ask_index, bid_index, ask_client_index, bid_client_index
    cdef readonly int64_t ask_account, bid_account, block_height
    cdef readonly int64_t taker_fee, maker_fee          # 1e-6, integrator's share included
    cdef readonly int64_t integrator_taker_fee, integrator_maker_fee
    cdef readonly int64_t ts_event
    cdef readonly int32_t market_index
    cdef readonly int32_t kind                          # TradeKind, -1 for another word
    cdef readonly bint is_maker_ask
    cdef readonly str type
    cdef Fixed _size, _price, _usd_amount
    cdef char _tx_hash[80]
    cdef int32_t _tx_hash_length


cdef class PositionRow:
    cdef readonly int32_t market_index, sign, margin_mode
    cdef readonly int64_t open_order_count, pending_order_count
    cdef Fixed _size, _entry_price, _value, _unrealized, _realized, _liquidation_price
    cdef Fixed _margin_fraction, _allocated_margin, _funding_paid


cdef class AccountFrame:
    """Rows of one account frame. A row that could not be read is in `problems` instead."""
    cdef readonly str channel
    cdef readonly str stream                            # "account_all_trades"
    cdef readonly bint is_snapshot                      # subscribed/..., not update/...
    cdef readonly int64_t account_index                 # of the channel; -1 where it has none
    cdef readonly int64_t nonce, ts_event, ts_init
    cdef list _rows                                     # None: not made yet of the trades below
    cdef void *_trades                                  # tw_lg_trade, while the handler runs
    cdef Py_ssize_t _count
    cdef list _problems                                 # None: there are none


cdef class RowProblem:
    cdef readonly int32_t market_index                  # -1: not even that could be read
    cdef readonly object error
    cdef readonly bytes data


cdef class Ack:
    """An answer to a transaction, whatever its shape."""
    cdef readonly str type, id, message, tx_hash
    cdef readonly list tx_hashes                        # of a batch; None
    cdef readonly int64_t code, predicted_execution_ms, quota_remaining     # -1: absent
    cdef readonly bint is_error                         # an error frame, not an ack
    cdef readonly int64_t ts_init


cdef class AccountHandler:
    """Override what you want, in Python or Cython."""
    cpdef object on_orders(self, AccountFrame frame)
    cpdef object on_trades(self, AccountFrame frame)
    cpdef object on_positions(self, AccountFrame frame)
    cpdef object on_ack(self, Ack ack)


cdef class MarketStats:
    cdef readonly InstrumentBase instrument
    cdef readonly int64_t ts_event, ts_init, ts_funding
    cdef Fixed _index, _mark, _mid, _last, _open_interest, _open_interest_limit
    cdef Fixed _funding_rate, _current_funding_rate, _funding_clamp_small, _funding_clamp_big
    cdef Fixed _base_interest_rate, _volume, _quote_volume, _low, _high, _change_percent
