"""Orders as the venue shows them: rows that hold only what changed, and where they lead.

The socket's rows (`sor`), those of the live orders list and the answer of an order's status are
three spellings of one thing (4.4, R-51, R-53). An absent key is *unchanged* (W-30): `OrderBoard`
keeps what is known of each order and gives whole rows to the dispatch.

`Inactive` is the first word about nearly every order and refuses nothing by itself (W-31). It
counts as the end when the venue's list confirms it with a reason, or when nothing else has been
said for `INACTIVE_S` (W-32).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ..errors import DecodeError
from ..execution.dispatch import OrderRow
from ..execution.meaning import StatusMeaning
from ..execution.members import whole
from ..model.enums import OrderStatus, OrderType, Side, TimeInForce
from ..model.ids import AccountId
from ..model.instruments import Instrument
from ..model.reports import OrderStatusReport
from ..net.clock import NS_PER_MS, NS_PER_S
from .amounts import amount
from .trades import SIDES, entity_text

__all__ = ["INACTIVE_S", "LiveOrder", "OrderBoard", "OrderDelta", "OrderRows", "read_orders"]

INACTIVE_S = 5.0
GONE = "the venue does not list the order any more"
ENDED_KEPT = 2_000
ZERO = Decimal(0)

# What full rows say about an order, and others leave out.
IDENTITY = ("account", "conid", "order_ref", "side", "order_type", "time_in_force", "size",
            "price", "stop_price")  # fmt: skip
INACTIVE = "Inactive"
FILLED = "Filled"
_STATUSES = {
    "PendingSubmit": OrderStatus.ACCEPTED,
    "PreSubmitted": OrderStatus.ACCEPTED,
    "Submitted": OrderStatus.ACCEPTED,
    "WarnState": OrderStatus.ACCEPTED,
    "PendingCancel": OrderStatus.PENDING_CANCEL,
    "PreCancelled": OrderStatus.PENDING_CANCEL,
    FILLED: OrderStatus.FILLED,
    "Cancelled": OrderStatus.CANCELED,
}
_TYPES = {
    "LIMIT": OrderType.LIMIT,
    "LMT": OrderType.LIMIT,
    "LOC": OrderType.LIMIT,
    "MARKET": OrderType.MARKET,
    "MKT": OrderType.MARKET,
    "MOC": OrderType.MARKET,
    "STOP": OrderType.STOP_MARKET,
    "STP": OrderType.STOP_MARKET,
    "STOPLIMIT": OrderType.STOP_LIMIT,
    "STPLMT": OrderType.STOP_LIMIT,
    "TRAIL": OrderType.TRAILING_STOP_MARKET,
    "TRAILINGSTOP": OrderType.TRAILING_STOP_MARKET,
    "TRAILLMT": OrderType.TRAILING_STOP_LIMIT,
    "TRAILINGSTOPLIMIT": OrderType.TRAILING_STOP_LIMIT,
}
_TIMES = {
    "CLOSE": TimeInForce.DAY,  # W-33
    "DAY": TimeInForce.DAY,
    "GTC": TimeInForce.GTC,
    "GTD": TimeInForce.GTD,
    "IOC": TimeInForce.IOC,
    "FOK": TimeInForce.FOK,
    "OPG": TimeInForce.AT_OPEN,
}


def status_meaning(word: str, reason: str | None = None) -> StatusMeaning | None:
    """Return what a word means (R-55), None for one that says nothing (unknown, Inactive)."""
    status = _STATUSES.get(word)
    if status is None:
        return None
    if status is OrderStatus.CANCELED and reason:
        return StatusMeaning(OrderStatus.REJECTED, reason)
    return StatusMeaning(status, reason)


def _letters(word: str) -> str:
    return "".join(letter for letter in word.upper() if letter.isalpha())


@dataclass(frozen=True, slots=True)
class OrderDelta:
    """What one row says about an order; None: nothing.

    Attributes
    ----------
    price, stop_price : Decimal or None
        Of an order without a price there is an empty text, which is None too (W-33).
    reason : str or None
        Why the venue itself ended it.
    ts_changed : int or None
        Venue's clock, ns.
    """

    order_id: str
    account: str | None = None
    conid: int | None = None
    order_ref: str | None = None
    status: str | None = None
    side: Side | None = None
    order_type: str | None = None
    time_in_force: str | None = None
    size: Decimal | None = None
    filled: Decimal | None = None
    remaining: Decimal | None = None
    price: Decimal | None = None
    stop_price: Decimal | None = None
    average_price: Decimal | None = None
    reason: str | None = None
    ts_changed: int | None = None


@dataclass(frozen=True, slots=True)
class OrderRows:
    """A frame of rows; those that could not be read are only counted (W-38)."""

    rows: tuple[OrderDelta, ...]
    bad: int = 0


def read_orders(payload: Mapping[str, Any]) -> OrderRows:
    """Read the rows of a `sor` frame."""
    return read_rows(payload.get("args"))


def read_rows(rows: object) -> OrderRows:
    """Read rows of orders, of a frame or of the live orders list."""
    if not isinstance(rows, list):
        return OrderRows((), 0 if rows is None else 1)
    found: list[OrderDelta] = []
    bad = 0
    for row in rows:
        try:
            found.append(read_order(row))
        except DecodeError:
            bad += 1
    return OrderRows(tuple(found), bad)


def read_order(row: object) -> OrderDelta:
    """Read one row, also the answer of an order's status (R-53).

    Raises
    ------
    DecodeError
        It names no order, or a value is not of its type.
    """
    if not isinstance(row, dict):
        raise DecodeError("a row of an order is not an object", 0)
    row = {name: value for name, value in row.items() if value is not None}
    name = "orderId" if "orderId" in row else "order_id"
    side = _word(row, "side")
    if side is not None and side.upper() not in SIDES:
        raise DecodeError(f"side {side!r} of an order is unknown", 0)
    return OrderDelta(
        order_id=str(whole(row, name)),
        account=_word(row, "account", "acct"),
        conid=whole(row, "conid") if "conid" in row else None,
        order_ref=_word(row, "order_ref") or None,
        status=_word(row, "status", "order_status"),
        side=None if side is None else SIDES[side.upper()],
        order_type=_word(row, "origOrderType", "order_type", "orderType"),
        time_in_force=_word(row, "timeInForce", "tif"),
        size=amount(row, "totalSize", "total_size"),
        filled=amount(row, "filledQuantity", "filled_quantity", "cum_fill"),
        remaining=amount(row, "remainingQuantity", "remaining_quantity"),
        price=amount(row, "price", "limit_price"),
        stop_price=amount(row, "auxPrice", "stop_price", "aux_price"),
        average_price=amount(row, "avgPrice", "average_price", "avg_fill_price"),
        reason=_word(row, "order_cancellation_by_system_reason") or None,
        ts_changed=_time(row),
    )


def _word(row: Mapping[str, Any], *names: str) -> str | None:
    for name in names:
        if name in row:
            value = row[name]
            if not isinstance(value, str):
                raise DecodeError(f"{name} of an order is not a text", 0)
            return entity_text(value)
    return None


def _time(row: Mapping[str, Any]) -> int | None:
    value = row.get("lastExecutionTime_r")
    return whole(row, "lastExecutionTime_r") * NS_PER_MS if value else None


@dataclass(slots=True, eq=False)
class LiveOrder:
    """All that is known about one order.

    Attributes
    ----------
    touched_ns : int
        Monotonic time of the newest row of the socket.
    inactive_ns : int or None
        Since when `Inactive` is the last word.
    absences : int
        Lists in a row that did not have it.
    is_given_up : bool
        Inactive for good, or nowhere to be found.
    """

    order_id: str
    account: str = ""
    conid: int | None = None
    order_ref: str | None = None
    status: str = ""
    side: Side | None = None
    order_type: str = ""
    time_in_force: str = ""
    size: Decimal = ZERO
    filled: Decimal = ZERO
    price: Decimal | None = None
    stop_price: Decimal | None = None
    average_price: Decimal | None = None
    reason: str | None = None
    ts_changed: int = 0
    touched_ns: int = -1
    inactive_ns: int | None = None
    absences: int = 0
    is_given_up: bool = False

    @property
    def is_over(self) -> bool:
        """Whether it ended at the venue."""
        return self.is_given_up or self.status in (FILLED, "Cancelled")

    def complete(self, row: OrderDelta) -> bool:
        """Take over only what was not known, of a row that is too old for the rest."""
        before = self.conid, self.side
        for name in IDENTITY:
            if not getattr(self, name) and getattr(row, name) is not None:
                setattr(self, name, getattr(row, name))
        return (self.conid, self.side) != before

    def merge(self, row: OrderDelta) -> None:
        """Take over what a row says."""
        for name in (*IDENTITY, "average_price", "reason", "ts_changed"):
            value = getattr(row, name)
            if value is not None:
                setattr(self, name, value)
        filled = row.filled
        if filled is None and row.remaining is not None and self.size:
            filled = self.size - row.remaining
        if filled is not None:
            self.filled = max(self.filled, filled)  # a row of another source may be older


class OrderBoard:
    """The orders of an account, whoever placed them.

    Parameters
    ----------
    instrument_of : callable
        Returns the instrument of a conid, None if unknown.
    wall_ns : callable
    account_id : callable
        Our name for an account of the venue.

    Attributes
    ----------
    out_of_order : int
        Rows that would have brought an order that ended back to life, or were older than the
        socket's.
    unknown_words : int
        Rows with a status we do not know.
    """

    __slots__ = (
        "_by_id",
        "_ended",
        "_instrument_of",
        "_name",
        "_wall_ns",
        "out_of_order",
        "unknown_words",
    )

    def __init__(
        self,
        instrument_of: Callable[[int], Instrument | None],
        wall_ns: Callable[[], int],
        account_id: Callable[[str], AccountId],
    ) -> None:
        self._instrument_of = instrument_of
        self._name = account_id
        self._wall_ns = wall_ns
        self._by_id: dict[str, LiveOrder] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()
        self.out_of_order = 0
        self.unknown_words = 0

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[LiveOrder]:
        return iter(list(self._by_id.values()))

    def __contains__(self, order_id: object) -> bool:
        return order_id in self._by_id

    def get(self, order_id: str) -> LiveOrder | None:
        """Return an order, also one that ended lately."""
        return self._by_id.get(order_id)

    @property
    def open_orders(self) -> list[LiveOrder]:
        """Those that did not end, in the order they became known."""
        return [order for order in self._by_id.values() if not order.is_over]

    @property
    def has_open(self) -> bool:
        """Whether any order did not end (D-31)."""
        return len(self._by_id) > len(self._ended)

    def of_contract(self, conid: int) -> list[LiveOrder]:
        """Return the orders of a contract."""
        return [order for order in self._by_id.values() if order.conid == conid]

    # ---- rows ---------------------------------------------------------------------------------

    def take(
        self, rows: Iterable[OrderDelta], now_ns: int, *, asked_ns: int | None = None
    ) -> list[LiveOrder]:
        """Take rows; return the orders that one changed, in their order.

        Parameters
        ----------
        now_ns : int
            Monotonic.
        asked_ns : int, optional
            For rows of a list: when it was asked for. What the socket said since is newer.
        """
        changed: dict[str, LiveOrder] = {}
        for row in rows:
            order = self._by_id.get(row.order_id)
            if order is None:
                order = self._by_id[row.order_id] = LiveOrder(row.order_id)
            if self._apply(order, row, now_ns, asked_ns):
                changed[row.order_id] = order
        return list(changed.values())

    def _apply(self, order: LiveOrder, row: OrderDelta, now_ns: int, asked_ns: int | None) -> bool:
        was_over = order.is_over
        is_end = row.status in (FILLED, "Cancelled")
        is_old = asked_ns is not None and asked_ns < order.touched_ns and not is_end
        if was_over and row.status is not None and row.status != order.status:
            is_old = is_old or not self._follows(order, row.status)
        if is_old:
            self.out_of_order += 1
            return order.complete(row)
        order.merge(row)
        if asked_ns is None:
            order.touched_ns = now_ns
        if row.status is not None:
            self._set_status(order, row.status, now_ns)
        if row.status == FILLED and row.filled is None and row.remaining is None:
            order.filled = max(order.filled, order.size)  # what was known is of an earlier part
        if order.is_over and not was_over:
            self._end(order)
        elif was_over and not order.is_over:
            self._ended.pop(order.order_id, None)  # given up as Inactive, and it lives
        return True

    @staticmethod
    def _follows(order: LiveOrder, word: str) -> bool:
        """Tell whether a status can follow the one an order ended with (R-56)."""
        if order.is_given_up:
            return word != INACTIVE
        return word == FILLED

    def _set_status(self, order: LiveOrder, word: str, now_ns: int) -> None:
        if word == INACTIVE:
            order.inactive_ns = now_ns if order.inactive_ns is None else order.inactive_ns
            order.is_given_up = order.reason is not None
        else:
            order.inactive_ns = None
            order.is_given_up = False
            if word not in _STATUSES:
                self.unknown_words += 1
        order.status = word

    def _end(self, order: LiveOrder) -> None:
        self._ended[order.order_id] = None
        self._ended.move_to_end(order.order_id)
        while len(self._ended) > ENDED_KEPT:
            oldest, _ = self._ended.popitem(last=False)
            del self._by_id[oldest]

    def give_up(self, order: LiveOrder) -> None:
        """Take an order as over; a row that shows it again brings it back."""
        order.is_given_up = True
        self._end(order)

    # ---- Inactive -----------------------------------------------------------------------------

    @property
    def inactive(self) -> list[LiveOrder]:
        """Those whose last word is `Inactive`, and nobody knows yet whether for good."""
        return [
            order
            for order in self._by_id.values()
            if order.inactive_ns is not None and not order.is_over
        ]

    def settle(self, now_ns: int) -> list[LiveOrder]:
        """Give up those that were Inactive for too long, and return them (W-32)."""
        bound_ns = now_ns - int(INACTIVE_S * NS_PER_S)
        found = [
            order
            for order in self.inactive
            if order.inactive_ns is not None and order.inactive_ns <= bound_ns
        ]
        for order in found:
            self.give_up(order)
        return found

    # ---- reports ------------------------------------------------------------------------------

    def row(self, order: LiveOrder) -> OrderRow | None:
        """Return what is known as a row for the dispatch.

        None while that is too little: the instrument is not known, or no full row has come.
        """
        instrument = None if order.conid is None else self._instrument_of(order.conid)
        if instrument is None or order.side is None or not order.status:
            return None
        kind = _TYPES.get(_letters(order.order_type), OrderType.UNKNOWN)
        price, stop = order.price, order.stop_price
        if kind is OrderType.STOP_MARKET and stop is None:
            price, stop = None, price  # the stop is in `price`
        now_ns = self._wall_ns()
        report = OrderStatusReport(
            instrument_id=instrument.id,
            client_order_id=order.order_ref,
            venue_order_id=order.order_id,
            side=order.side,
            order_type=kind,
            status=_status_of(order),
            size=order.size,
            filled_size=order.filled,
            price=price if kind.has_price or kind is OrderType.UNKNOWN else None,
            average_price=order.average_price if order.filled else None,
            trigger_price=stop if kind.has_trigger else None,
            time_in_force=_TIMES.get(order.time_in_force.upper(), TimeInForce.DAY),
            reason=order.reason or (GONE if _is_gone(order) else None),
            venue_status=order.status,
            ts_last=order.ts_changed or now_ns,
            ts_init=now_ns,
            account_id=self._name(order.account) if order.account else None,
        )
        return OrderRow(report, client_key=order.order_ref)


def _is_gone(order: LiveOrder) -> bool:
    return order.is_given_up and order.status != INACTIVE


def _status_of(order: LiveOrder) -> OrderStatus:
    if _is_gone(order):
        return OrderStatus.FILLED if order.filled >= order.size > 0 else OrderStatus.CANCELED
    if order.status == INACTIVE:
        if not order.is_given_up:
            return OrderStatus.SUBMITTED  # the venue has it, and what becomes of it is open
        return OrderStatus.CANCELED if order.filled else OrderStatus.REJECTED
    meaning = status_meaning(order.status, order.reason)
    if meaning is None:
        return OrderStatus.ACCEPTED  # an unknown word ends nothing
    if meaning.status is OrderStatus.REJECTED and order.filled:
        return OrderStatus.CANCELED
    if meaning.status is OrderStatus.ACCEPTED and order.filled:
        return OrderStatus.PARTIALLY_FILLED
    return meaning.status
