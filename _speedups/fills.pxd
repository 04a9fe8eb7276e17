"""Fills of our own orders, from a venue's numbers to the event, without Python in between.

A decoder fills in a `FillData`, looks for the order with `DirectFills.find` and hands both to
`DirectFills.take`.
"""

from libc.stdint cimport int32_t, int64_t, uint64_t

from connectors._speedups._csrc cimport tw_fixed
from connectors._speedups.dedup cimport BoundedDedup
from connectors._speedups.events cimport Fixed


cdef struct FillData:
    int64_t trade_id
    int64_t venue_order_id
    int64_t ts_event, ts_init
    Fixed size, price
    Fixed commission, realized_pnl      # absent: not known


cdef class OrderEvent:
    pass


cdef class OrderFilled(OrderEvent):
    cdef readonly object instrument_id, client_order_id, venue_order_id
    cdef readonly object side, order_type, liquidity
    cdef readonly object commission_currency, position_side, realized_pnl
    cdef readonly int64_t ts_event, ts_init
    # What Python was given, or was shown; None: the number beside it says it.
    cdef object _trade_id, _last_size, _last_price, _filled_size, _leaves_size, _commission
    cdef int64_t _trade_number
    cdef Fixed _last_size_n, _last_price_n, _filled_size_n, _leaves_size_n, _commission_n


cdef class OrderCore:
    cdef public object client_order_id, instrument_id, side, order_type
    cdef public object requested, final, missing_since_ns
    cdef public bint is_accepted
    cdef object _venue_order_id
    cdef int64_t _venue_number          # the same as a number; -1: it is none
    # What Python was given, or was shown, and the same as a number; see `_number`.
    cdef object _size, _filled_size, _reported_filled
    cdef tw_fixed _size_n, _filled_size_n, _reported_filled_n


cdef class SeenFills:
    cdef readonly BoundedDedup _seen
    cdef public uint64_t duplicates


cdef class DirectFills:
    cdef dict _by_key, _by_venue, _missing, _aside
    cdef BoundedDedup _seen
    cdef object _on_event, _on_error, _end
    cdef OrderFilled _spare             # an event that nobody kept
    cdef bint _with_order               # a trade is known by its order as well
    cdef readonly uint64_t taken

    # The order of a client key (None: the venue echoes none) or, failing that, of a venue order id;
    # None: it is not ours. An order that was accepted keeps both of them until it ends.
    cdef OrderCore find(self, object client_key, int64_t venue_order_id)
    # True: applied and told. False: nothing was changed, and it has to go the long way.
    cdef bint take(self, OrderCore order, const FillData *fill, object liquidity,
                   object currency) except -1
