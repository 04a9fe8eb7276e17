"""Rows of the venue from REST, like those the decoder makes of frames.

Every member but coin, side, oid, size and price is optional (section 14). A row is refused
(DecodeError) only where what it says cannot be acted on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from ..errors import DecodeError
from ..execution.members import Row, number, text, whole
from ..net.clock import NS_PER_MS

__all__ = [
    "FillLike",
    "FillRow",
    "OrderLike",
    "OrderRow",
    "fill_row",
    "order_row",
    "reported_order",
]

ZERO = Decimal(0)


class OrderLike(Protocol):
    """What every row of an order has, whoever read it."""

    @property
    def coin(self) -> str: ...
    @property
    def is_buy(self) -> bool: ...
    @property
    def limit_px(self) -> Decimal | None: ...
    @property
    def sz(self) -> Decimal: ...
    @property
    def orig_sz(self) -> Decimal: ...
    @property
    def order_id(self) -> str: ...
    @property
    def cloid(self) -> str | None: ...
    @property
    def reduce_only(self) -> bool: ...
    @property
    def status(self) -> str: ...
    @property
    def ts_event(self) -> int: ...
    @property
    def timestamp_ms(self) -> int: ...
    @property
    def trigger_px(self) -> Decimal | None: ...


class FillLike(Protocol):
    """What every row of a fill has, whoever read it."""

    @property
    def coin(self) -> str: ...
    @property
    def px(self) -> Decimal: ...
    @property
    def sz(self) -> Decimal: ...
    @property
    def is_buy(self) -> bool: ...
    @property
    def time_ms(self) -> int: ...
    @property
    def ts_event(self) -> int: ...
    @property
    def start_position(self) -> Decimal | None: ...
    @property
    def closed_pnl(self) -> Decimal | None: ...
    @property
    def hash(self) -> str: ...
    @property
    def order_id(self) -> str: ...
    @property
    def crossed(self) -> bool: ...
    @property
    def fee(self) -> Decimal: ...
    @property
    def fee_token(self) -> str: ...
    @property
    def tid(self) -> int: ...
    @property
    def cloid(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class OrderRow:
    """One order as REST shows it; what the streams do not tell is behind `trigger_px`."""

    coin: str
    is_buy: bool
    limit_px: Decimal | None
    sz: Decimal
    orig_sz: Decimal
    order_id: str
    cloid: str | None
    reduce_only: bool
    status: str
    ts_event: int
    timestamp_ms: int
    trigger_px: Decimal | None
    order_type: str = ""
    tif: str | None = None
    is_trigger: bool = False


@dataclass(frozen=True, slots=True)
class FillRow:
    """One fill as REST shows it."""

    coin: str
    px: Decimal
    sz: Decimal
    is_buy: bool
    time_ms: int
    ts_event: int
    start_position: Decimal | None
    closed_pnl: Decimal | None
    hash: str
    order_id: str
    crossed: bool
    fee: Decimal
    fee_token: str
    tid: int
    cloid: str | None


def order_row(row: Row, status: str = "open", status_ms: int | None = None) -> OrderRow:
    """Read an order of a list of open ones; DecodeError if it cannot be acted on."""
    timestamp_ms = whole(row, "timestamp", 0)
    size = number(row, "sz")
    trigger = number(row, "triggerPx", ZERO)
    return OrderRow(
        coin=_coin(row),
        is_buy=_is_buy(row),
        limit_px=number(row, "limitPx", ZERO) or None,
        sz=size,
        orig_sz=number(row, "origSz", size),
        order_id=_oid(row),
        cloid=text(row, "cloid").lower() or None,
        reduce_only=row.get("reduceOnly") is True,
        status=status,
        ts_event=(status_ms if status_ms is not None else timestamp_ms) * NS_PER_MS,
        timestamp_ms=timestamp_ms,
        trigger_px=trigger or None,
        order_type=text(row, "orderType"),
        tif=text(row, "tif") or None,
        is_trigger=row.get("isTrigger") is True,
    )


def reported_order(row: Mapping[str, Any]) -> OrderRow:
    """Read an order that comes with its status, as look-ups and the history have it."""
    inner, status = row.get("order"), row.get("status")
    if not isinstance(inner, Mapping) or not isinstance(status, str):
        raise DecodeError("an order without its status", 0)
    return order_row(inner, status, whole(row, "statusTimestamp", 0) or None)


def fill_row(row: Row) -> FillRow:
    """Read a fill; DecodeError if it cannot be booked."""
    size, price = number(row, "sz"), number(row, "px")
    oid = _oid(row)
    if size <= 0 or price < 0:
        raise DecodeError(f"fill of order {oid}: size {size} at {price} cannot be", 0)
    time_ms = whole(row, "time")
    return FillRow(
        coin=_coin(row),
        px=price,
        sz=size,
        is_buy=_is_buy(row),
        time_ms=time_ms,
        ts_event=time_ms * NS_PER_MS,
        start_position=_optional(row, "startPosition"),
        closed_pnl=_optional(row, "closedPnl"),
        hash=text(row, "hash"),
        order_id=oid,
        crossed=row.get("crossed") is True,
        fee=number(row, "fee", ZERO),
        fee_token=text(row, "feeToken"),
        tid=whole(row, "tid", 0),
        cloid=text(row, "cloid").lower() or None,
    )


def _coin(row: Row) -> str:
    coin = text(row, "coin")
    if not coin:
        raise DecodeError("a row without its coin", 0)
    return coin


def _is_buy(row: Row) -> bool:
    side = text(row, "side")
    if side not in ("B", "A"):
        raise DecodeError(f"side {side!r} is neither B nor A", 0)
    return side == "B"


def _oid(row: Row) -> str:
    oid = row.get("oid")
    if isinstance(oid, bool) or not isinstance(oid, int) or oid < 0:
        raise DecodeError("a row without its oid", 0)
    return str(oid)


def _optional(row: Row, name: str) -> Decimal | None:
    return None if row.get(name) is None else number(row, name)
