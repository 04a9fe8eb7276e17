"""Fills of our own orders: the event, what it changes of the order, and the direct way between them.

A fill is what a bot waits for. Most of them are of the simplest kind: of an order of ours that the
venue has accepted, under its present id, with a new trade id. `DirectFills` takes these from the
venue's numbers to the handler without a Decimal, a report or a Python frame in between, and leaves
everything else to `connectors.execution.dispatch`, which decides what is right: a fill that goes
either way makes the same event and leaves the same state behind.
"""

import dataclasses

cimport cython
from cpython.dict cimport PyDict_GetItemWithError
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from decimal import Decimal
from libc.stdint cimport int32_t, int64_t, uint8_t

from connectors._speedups._csrc cimport (
    TW_LIKELY,
    TW_UNLIKELY,
    tw_decimal_slow,
    tw_fixed,
    tw_fixed_add,
)
from connectors._speedups.dedup cimport BoundedDedup
from connectors._speedups.events cimport Fixed
from connectors._speedups.ticks cimport fixed_decimal

from connectors._speedups.words import LiquiditySide

__all__ = ["DirectFills", "OrderCore", "OrderEvent", "OrderFilled", "SeenFills", "order_filled"]

cdef extern from "Python.h":
    object PyObject_CallOneArg(object, object)
    Py_ssize_t Py_REFCNT(object)

cdef object UNKNOWN = LiquiditySide.UNKNOWN
cdef object ZERO = Decimal(0)


# ---- events --------------------------------------------------------------------------------------

def _declared(name, *members, bases=()):
    """A dataclass that only lends its declarations to a class that is compiled."""
    fields = [(field, kind, dataclasses.field(default=default[0])) if default else (field, kind)
              for field, kind, *default in members]
    return dataclasses.make_dataclass(name, fields, bases=bases, frozen=True, kw_only=True)


_Event = _declared(
    "OrderEvent", ("instrument_id", "str"), ("client_order_id", "str"),
    ("venue_order_id", "str | None", None), ("ts_event", "int"), ("ts_init", "int"),
)
_Filled = _declared(
    "OrderFilled", ("trade_id", "str"), ("side", "Side"), ("order_type", "OrderType"),
    ("last_size", "Decimal"), ("last_price", "Decimal"), ("filled_size", "Decimal"),
    ("leaves_size", "Decimal"), ("liquidity", "LiquiditySide", UNKNOWN),
    ("commission", "Decimal | None", None), ("commission_currency", "str | None", None),
    ("position_side", "PositionSide | None", None), ("realized_pnl", "Decimal | None", None),
    bases=(_Event,),
)
cdef tuple NAMES = tuple([field.name for field in dataclasses.fields(_Filled)])


@cython.auto_pickle(False)
cdef class OrderEvent:
    """Base of the events of one order: frozen dataclasses, and `OrderFilled`, which looks like one."""

    __slots__ = ()
    __match_args__ = ()
    __dataclass_fields__ = _Event.__dataclass_fields__
    __dataclass_params__ = _Event.__dataclass_params__


@cython.final
@cython.no_gc  # its values are atoms: no cycle can pass through here
@cython.auto_pickle(False)
cdef class OrderFilled(OrderEvent):
    """A part of the order, or its rest, traded.

    `commission` is negative for a rebate and None while the venue has not said it: an
    `OrderFillCorrected` brings it then. `venue_order_id` is that of the fill.

    Frozen, compared by value, and a dataclass to all who ask (`dataclasses.fields`, `replace`,
    `asdict`). Its numbers become Decimals when they are looked at.
    """

    __slots__ = ()
    __match_args__ = ()
    __dataclass_fields__ = _Filled.__dataclass_fields__
    __dataclass_params__ = _Filled.__dataclass_params__

    def __init__(self, *, instrument_id, client_order_id, venue_order_id=None, int64_t ts_event,
                 int64_t ts_init, trade_id, side, order_type, last_size, last_price, filled_size,
                 leaves_size, liquidity=None, commission=None, commission_currency=None,
                 position_side=None, realized_pnl=None):
        _set(self, instrument_id, client_order_id, venue_order_id, ts_event, ts_init, trade_id, side,
             order_type, last_size, last_price, filled_size, leaves_size,
             UNKNOWN if liquidity is None else liquidity, commission, commission_currency,
             position_side, realized_pnl)

    @property
    def trade_id(self):
        if self._trade_id is None:
            self._trade_id = str(self._trade_number)
        return self._trade_id

    @property
    def last_size(self):
        if self._last_size is None:
            self._last_size = _shown(self._last_size_n)
        return self._last_size

    @property
    def last_price(self):
        if self._last_price is None:
            self._last_price = _shown(self._last_price_n)
        return self._last_price

    @property
    def filled_size(self):
        if self._filled_size is None:
            self._filled_size = _shown(self._filled_size_n)
        return self._filled_size

    @property
    def leaves_size(self):
        if self._leaves_size is None:
            self._leaves_size = _shown(self._leaves_size_n)
        return self._leaves_size

    @property
    def commission(self):
        if self._commission is None:
            self._commission = _shown(self._commission_n)
        return self._commission

    def __setattr__(self, name, value):
        raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name):
        raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")

    def __eq__(self, other):
        if type(other) is not OrderFilled:
            return NotImplemented
        return self is other or _values(self) == _values(<OrderFilled>other)

    def __hash__(self):
        return hash(_values(self))

    def __repr__(self):
        shown = ", ".join([f"{name}={value!r}" for name, value in zip(NAMES, _values(self))])
        return f"OrderFilled({shown})"

    def __reduce__(self):
        return order_filled, _values(self)


cdef inline object _shown(Fixed x):
    """A Decimal; None for what is absent."""
    return fixed_decimal(x.mantissa, x.exponent)


cdef tuple _values(OrderFilled e):
    """All fields, in their order."""
    return (e.instrument_id, e.client_order_id, e.venue_order_id, e.ts_event, e.ts_init, e.trade_id, e.side,
            e.order_type, e.last_size, e.last_price, e.filled_size, e.leaves_size, e.liquidity,
            e.commission, e.commission_currency, e.position_side, e.realized_pnl)


cdef inline int _set(OrderFilled e, instrument_id, client_order_id, venue_order_id, int64_t ts_event,
                     int64_t ts_init, trade_id, side, order_type, last_size, last_price, filled_size,
                     leaves_size, liquidity, commission, commission_currency, position_side,
                     realized_pnl) except -1:
    e.instrument_id = instrument_id
    e.client_order_id = client_order_id
    e.venue_order_id = venue_order_id
    e.ts_event = ts_event
    e.ts_init = ts_init
    e.side = side
    e.order_type = order_type
    e.liquidity = liquidity
    e.commission_currency = commission_currency
    e.position_side = position_side
    e.realized_pnl = realized_pnl
    e._trade_id = trade_id
    e._last_size = last_size
    e._last_price = last_price
    e._filled_size = filled_size
    e._leaves_size = leaves_size
    e._commission = commission
    e._last_size_n.exponent = e._last_price_n.exponent = e._filled_size_n.exponent = -1
    e._leaves_size_n.exponent = e._commission_n.exponent = -1
    return 0


def order_filled(instrument_id, client_order_id, venue_order_id, int64_t ts_event, int64_t ts_init, trade_id,
                 side, order_type, last_size, last_price, filled_size, leaves_size, liquidity, commission,
                 commission_currency, position_side, realized_pnl, /):
    """Make an `OrderFilled` of the values of all its fields, in their order."""
    cdef OrderFilled e = OrderFilled.__new__(OrderFilled)
    _set(e, instrument_id, client_order_id, venue_order_id, ts_event, ts_init, trade_id, side, order_type,
         last_size, last_price, filled_size, leaves_size, liquidity, commission, commission_currency,
         position_side, realized_pnl)
    return e


# ---- orders --------------------------------------------------------------------------------------

cdef enum:
    NOT_LOOKED_AT = -1
    DOES_NOT_FIT = -2


@cython.auto_pickle(False)
cdef class OrderCore:
    """What a fill reads and changes of an order; `TrackedOrder` is the rest of it."""

    def __cinit__(self):
        self._venue_number = -1
        self._size_n.exponent = self._filled_size_n.exponent = NOT_LOOKED_AT
        self._reported_filled_n.exponent = NOT_LOOKED_AT

    def __init__(self, client_order_id, instrument_id, side, order_type, size, venue_order_id=None):
        self.client_order_id = client_order_id
        self.instrument_id = instrument_id
        self.side = side
        self.order_type = order_type
        self._size = size
        self._filled_size = self._reported_filled = ZERO
        if venue_order_id is not None:
            self.venue_order_id = venue_order_id

    @property
    def venue_order_id(self):
        return self._venue_order_id

    @venue_order_id.setter
    def venue_order_id(self, value):
        self._venue_order_id = value
        if not _number_of(value, &self._venue_number):
            self._venue_number = -1

    @property
    def size(self):
        return self._size

    @size.setter
    def size(self, value):
        self._size = value
        self._size_n.exponent = NOT_LOOKED_AT

    @property
    def filled_size(self):
        if self._filled_size is None and self._filled_size_n.exponent >= 0:
            self._filled_size = fixed_decimal(self._filled_size_n.mantissa, self._filled_size_n.exponent)
        return self._filled_size

    @filled_size.setter
    def filled_size(self, value):
        self._filled_size = value
        self._filled_size_n.exponent = NOT_LOOKED_AT

    @property
    def reported_filled(self):
        return self._reported_filled

    @reported_filled.setter
    def reported_filled(self, value):
        self._reported_filled = value
        self._reported_filled_n.exponent = NOT_LOOKED_AT


cdef inline bint _known(object value, tw_fixed *number) except -1:
    """Whether a Decimal is there as a number too; looks once."""
    if TW_LIKELY(number.exponent >= 0):
        return True
    if number.exponent == DOES_NOT_FIT:
        return False
    return _look(value, number)


cdef bint _look(object value, tw_fixed *number) except -1:
    cdef Fixed found
    number.exponent = DOES_NOT_FIT
    if type(value) is not Decimal or not _read(value, &found):
        return False
    number.mantissa = found.mantissa
    number.exponent = found.exponent
    return True


cdef bint _read(object value, Fixed *number) except -1:
    """Read text, Decimal or int in plain notation; False where it is something else or too long."""
    cdef Py_ssize_t n = 0
    cdef int code = 0
    cdef tw_fixed found
    cdef const uint8_t *text
    if type(value) is not str:
        if type(value) is not Decimal and type(value) is not int:
            raise TypeError(f"a number is text, Decimal or int, got {type(value).__name__}")
        value = str(value)
    text = <const uint8_t *>PyUnicode_AsUTF8AndSize(value, &n)
    if tw_decimal_slow(text, text + n, &found, &code) != text + n:
        return False
    number.mantissa = found.mantissa
    number.exponent = found.exponent
    return True


cdef bint _number_of(object text, int64_t *out) except -1:
    """Read an id of up to 18 digits; False for one that does not read back as it is."""
    cdef Py_ssize_t i, n = 0
    cdef const char *p
    cdef int64_t value = 0
    if type(text) is not str:
        return False
    p = PyUnicode_AsUTF8AndSize(text, &n)
    if n < 1 or n > 18 or (p[0] == c'0' and n > 1):
        return False
    for i in range(n):
        if not c'0' <= p[i] <= c'9':
            return False
        value = value * 10 + (p[i] - c'0')
    out[0] = value
    return True


# ---- trades once each ----------------------------------------------------------------------------

cdef class SeenFills:
    """The trades that were handed out, the newest `capacity` of them.

    A trade id that is a number is the same trade as that number.

    Parameters
    ----------
    capacity : int
        At least 100 000 unless a test says otherwise: a replay after a reconnect reaches
        back further than one would like.

    Attributes
    ----------
    duplicates : int
        How many copies were turned away.
    """

    def __init__(self, capacity=200_000):
        self._seen = BoundedDedup(capacity)

    def __contains__(self, key):
        cdef int64_t number
        return self._seen.contains_i64(number) if _number_of(key, &number) else key in self._seen

    def __len__(self):
        return len(self._seen)

    def is_new(self, key):
        """Tell whether this trade was not handed out yet; counts it if it was."""
        if key in self:
            self.duplicates += 1
            return False
        return True

    def mark(self, key):
        """Note that this trade was applied and is being handed out."""
        cdef int64_t number
        if _number_of(key, &number):
            self._seen.insert_i64(number)
        else:
            self._seen.insert(key)

    def take_new(self, reports):
        """Return the reports nobody has seen yet and mark them (L-33), in their order."""
        fresh = []
        for report in reports:
            if self.is_new(report.trade_id):
                self.mark(report.trade_id)
                fresh.append(report)
        return fresh

    def clear(self):
        """Forget all of them."""
        self._seen.clear()


# ---- the direct way ------------------------------------------------------------------------------

@cython.final
cdef class DirectFills:
    """Applies and tells the fills about which there is nothing to decide.

    Such a fill is of an order that is accepted, has not ended, waits for no modification, and has
    the fill's venue order id now; its trade id is a new number; and all
    sizes fit 64 bits. A fill that is refused here has changed nothing. As in the dispatch, state and
    mark are set before the event is told, and what the callback raises goes to `on_error`.

    Parameters
    ----------
    by_key, by_venue : dict
        The registry's orders (`OrderCore`) by client key and by venue order id.
    missing : dict
        The dispatch's orders whose rows have shown more filled than came.
    seen : SeenFills
    on_event : callable
        Receives each `OrderFilled`.
    on_error : callable
        `on_error(event, error)` when `on_event` raised.
    end : callable
        `end(order)`, in front of the event of an order that is filled completely.
    aside : dict, optional
        Fills of the client order ids in it go the long way.
    with_order : bool
        A trade is known by its id and its venue order id, as both of its orders may be ours; else
        by its id alone.

    Attributes
    ----------
    taken : int
        How many fills went this way.
    """

    def __init__(self, dict by_key not None, dict by_venue not None, dict missing not None,
                 SeenFills seen not None, *, on_event, on_error, end, dict aside=None,
                 bint with_order=False):
        self._by_key = by_key
        self._by_venue = by_venue
        self._missing = missing
        self._seen = seen._seen
        self._on_event = on_event
        self._on_error = on_error
        self._end = end
        self._aside = aside
        self._with_order = with_order

    def offer(self, client_key, int64_t venue_order_id, int64_t trade_id, size, price, *, liquidity,
              commission=None, commission_currency=None, realized_pnl=None, int64_t ts_event,
              int64_t ts_init):
        """Take a fill, its numbers as text, Decimal or int; False if it has to go the long way.

        `client_key` is None where the venue echoes none.
        """
        cdef FillData fill
        fill.venue_order_id = venue_order_id
        fill.trade_id = trade_id
        fill.ts_event = ts_event
        fill.ts_init = ts_init
        fill.commission.mantissa = fill.realized_pnl.mantissa = 0
        fill.commission.exponent = fill.realized_pnl.exponent = -1
        if (not _read(size, &fill.size) or not _read(price, &fill.price)
                or (commission is not None and not _read(commission, &fill.commission))
                or (realized_pnl is not None and not _read(realized_pnl, &fill.realized_pnl))):
            return False
        return self.take(self.find(client_key, venue_order_id), &fill, liquidity, commission_currency)

    cdef OrderCore find(self, object client_key, int64_t venue_order_id):
        cdef PyObject *found = PyDict_GetItemWithError(self._by_key, client_key)
        if TW_UNLIKELY(found == NULL):
            found = PyDict_GetItemWithError(self._by_venue, str(venue_order_id))
        if TW_UNLIKELY(found == NULL or not isinstance(<object>found, OrderCore)):
            return None
        return <OrderCore>found

    cdef bint take(self, OrderCore order, const FillData *fill, object liquidity,
                   object currency) except -1:
        cdef OrderFilled event
        cdef tw_fixed filled, leaves, size
        cdef bint is_missing, is_complete
        cdef tuple key = None
        if TW_UNLIKELY(order is None or order.final is not None or not order.is_accepted
                       or order.requested is not None or order._venue_number != fill.venue_order_id or order._venue_number < 0):
            return False
        if self._aside is not None and order.client_order_id in self._aside:
            return False
        if TW_UNLIKELY(fill.trade_id < 0):
            return False
        if self._with_order:
            key = (str(fill.trade_id), order._venue_order_id)
        if TW_UNLIKELY(self._seen.contains_i64(fill.trade_id) if key is None else key in self._seen):
            return False
        # The sizes as they will be.
        if TW_UNLIKELY(not _known(order._size, &order._size_n) or order._size_n.mantissa <= 0
                       or not _known(order._filled_size, &order._filled_size_n)):
            return False
        size.mantissa = fill.size.mantissa
        size.exponent = fill.size.exponent
        if TW_UNLIKELY(size.exponent < 0 or size.mantissa <= 0
                       or not tw_fixed_add(order._filled_size_n, size, &filled)):
            return False
        size = filled
        size.mantissa = -size.mantissa
        if TW_UNLIKELY(not tw_fixed_add(order._size_n, size, &leaves)):
            return False
        is_complete = leaves.mantissa <= 0
        is_missing = order.missing_since_ns is not None
        if TW_UNLIKELY(is_missing):
            if (not _known(order._reported_filled, &order._reported_filled_n)
                    or not tw_fixed_add(order._reported_filled_n, size, &size)):
                return False
            is_missing = size.mantissa > 0
        # Nothing can fail from here on.
        event = self._spare
        self._spare = None
        if TW_UNLIKELY(event is None):
            event = OrderFilled.__new__(OrderFilled)
        else:
            event._trade_id = event._last_size = event._last_price = event._filled_size = None
            event._leaves_size = event._commission = None
        event.instrument_id = order.instrument_id
        event.client_order_id = order.client_order_id
        event.venue_order_id = order._venue_order_id
        event.side = order.side
        event.order_type = order.order_type
        event.liquidity = liquidity
        event.commission_currency = currency
        event.realized_pnl = None if fill.realized_pnl.exponent < 0 else _shown(fill.realized_pnl)
        event.ts_event = fill.ts_event
        event.ts_init = fill.ts_init
        event._trade_number = fill.trade_id
        event._last_size_n = fill.size
        event._last_price_n = fill.price
        event._commission_n = fill.commission
        event._filled_size_n.mantissa = filled.mantissa
        event._filled_size_n.exponent = filled.exponent
        event._leaves_size_n.mantissa = leaves.mantissa
        event._leaves_size_n.exponent = leaves.exponent
        order._filled_size_n = filled
        order._filled_size = None
        if TW_UNLIKELY(order.missing_since_ns is not None) and not is_missing:
            order.missing_since_ns = None
            self._missing.pop(order.client_order_id, None)
        if TW_UNLIKELY(is_complete):
            event._leaves_size = ZERO
            self._end(order)
        if key is None:
            self._seen.insert_i64(fill.trade_id)
        else:
            self._seen.insert(key)
        self.taken += 1
        try:
            PyObject_CallOneArg(self._on_event, event)
        except Exception as error:
            self._on_error(event, error)
        if TW_LIKELY(Py_REFCNT(event) == 1):
            self._spare = event
        return True
