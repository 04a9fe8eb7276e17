"""The decoder of Hyperliquid's streams, and the rows of its account frames.

A Cython bot cimports the row classes and overrides `UserHandler`; numbers of the venue are `Fixed`
there and Decimals in Python.
"""

from libc.stdint cimport int32_t, int64_t

from connectors._speedups.events cimport Fixed, InstrumentBase


cdef class OrderRow:
    """One entry of orderUpdates."""
    cdef readonly InstrumentBase instrument             # None: the coin is not in the table
    cdef readonly str coin, cloid, status               # `cloid` in lower case, None without one
    cdef readonly int64_t oid, status_ms, timestamp_ms
    cdef readonly bint is_buy, reduce_only
    cdef Fixed _limit_px, _sz, _orig_sz, _trigger_px


cdef class FillRow:
    """One fill of userFills or user."""
    cdef readonly InstrumentBase instrument             # None: the coin is not in the table
    cdef readonly str coin, cloid, dir, fee_token       # `cloid` in lower case, None without one
    cdef readonly int64_t oid, tid, time_ms
    cdef readonly int64_t twap_id                       # -1: of no TWAP
    cdef readonly bint is_buy, crossed, is_liquidation
    cdef Fixed _px, _sz, _start_position, _closed_pnl, _fee, _builder_fee
    cdef char _hash[80]
    cdef int32_t _hash_length


cdef class UserFrame:
    """Rows of one account frame. A row that could not be read is in `problems` instead."""
    cdef readonly str channel                           # orderUpdates, userFills, user
    cdef readonly str user                              # "" where the frame does not say
    cdef readonly bint is_snapshot
    cdef readonly int64_t ts_init
    cdef readonly list rows                             # in the order sent
    cdef readonly list problems                         # of RowProblem


cdef class RowProblem:
    cdef readonly object error
    cdef readonly bytes data


cdef class UserHandler:
    """Override what you want, in Python or Cython."""
    cpdef object on_orders(self, UserFrame frame)
    cpdef object on_fills(self, UserFrame frame)


cdef class AssetContext:
    cdef readonly InstrumentBase instrument
    cdef readonly int64_t ts_init
    cdef Fixed _mark, _oracle, _mid, _funding, _premium, _open_interest, _previous_day
    cdef Fixed _impact_bid, _impact_ask, _day_quote_volume, _day_base_volume
    cdef Fixed _circulating_supply, _total_supply
