"""Rows of the venue from REST, like those the decoder makes of frames.

Numbers may come as JSON numbers or as text, lists may be null, members may be missing: a row is
refused (DecodeError) only where what it says cannot be acted on. Ids are taken from their text
form: 60 bits do not survive a double.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

from .._speedups import lighter as native
from ..errors import DecodeError
from ..execution.members import Row, number, text, whole

__all__ = [
    "OrderLike",
    "OrderRow",
    "TradeLike",
    "TradeRow",
    "grouped_rows",
    "order_row",
    "trade_row",
]

ZERO = Decimal(0)
NO_ID = ("", "0", "None")


@dataclass(frozen=True, slots=True)
class OrderRow:
    """One order as the venue shows it; times in ns, sizes and prices exact.

    `client_index` is 0 for an order without one. `sequence` orders the rows of one order:
    the engine's nonce, then the time of the transaction, then that of the update.
    """

    market_index: int
    order_id: str
    client_index: int
    is_ask: bool
    type: str
    time_in_force: str
    status: str
    size: Decimal
    filled_size: Decimal
    filled_quote: Decimal
    price: Decimal
    trigger_price: Decimal
    trigger_status: str
    reduce_only: bool
    order_expiry_ms: int
    sequence: tuple[int, int, int]
    ts_created: int
    ts_event: int


@dataclass(frozen=True, slots=True)
class TradeRow:
    """One trade of the account with both of its sides; times in ns, fees in 1e-6."""

    market_index: int
    trade_id: str
    type: str
    size: Decimal
    price: Decimal
    usd_amount: Decimal
    ask_id: str
    bid_id: str
    ask_client_index: int
    bid_client_index: int
    ask_account: int
    bid_account: int
    is_maker_ask: bool
    taker_fee: int
    maker_fee: int
    tx_hash: str
    ts_event: int


# A row, whoever read it: they have the same members.
OrderLike: TypeAlias = OrderRow | native.OrderRow
TradeLike: TypeAlias = TradeRow | native.TradeRow


def order_row(row: Row) -> OrderRow:
    """Read an order; DecodeError if it cannot be acted on."""
    order_id = identifier(row, "order_id", "order_index")
    status = row.get("status")
    if not order_id or not isinstance(status, str):
        raise DecodeError(f"order row without id or status (id {order_id or 'missing'!r})", 0)
    updated = times_ns(row, "transaction_time", "updated_at", "timestamp")
    return OrderRow(
        market_index=whole(row, "market_index"),
        order_id=order_id,
        client_index=int(identifier(row, "client_order_id", "client_order_index") or 0),
        is_ask=row.get("is_ask") is True,
        type=text(row, "type"),
        time_in_force=text(row, "time_in_force"),
        status=status,
        size=number(row, "initial_base_amount"),
        filled_size=number(row, "filled_base_amount", ZERO),
        filled_quote=number(row, "filled_quote_amount", ZERO),
        price=number(row, "price", ZERO),
        trigger_price=number(row, "trigger_price", ZERO),
        trigger_status=text(row, "trigger_status"),
        reduce_only=row.get("reduce_only") is True,
        order_expiry_ms=whole(row, "order_expiry", 0),
        sequence=(
            whole(row, "nonce", 0),
            whole(row, "transaction_time", 0),
            whole(row, "updated_at", 0),
        ),
        ts_created=times_ns(row, "created_at", "timestamp") or updated,
        ts_event=updated,
    )


def trade_row(row: Row) -> TradeRow:
    """Read a trade; DecodeError if it cannot be booked."""
    trade_id = identifier(row, "trade_id_str", "trade_id")
    if not trade_id:
        raise DecodeError("trade row without an id", 0)
    size, price = number(row, "size"), number(row, "price")
    if size <= 0 or price <= 0:
        raise DecodeError(f"trade {trade_id}: size {size} at {price} cannot be", 0)
    is_maker_ask = row.get("is_maker_ask")
    if not isinstance(is_maker_ask, bool):
        raise DecodeError(f"trade {trade_id}: is_maker_ask is missing", 0)
    return TradeRow(
        market_index=whole(row, "market_id"),
        trade_id=trade_id,
        type=text(row, "type"),
        size=size,
        price=price,
        usd_amount=number(row, "usd_amount", size * price),
        ask_id=identifier(row, "ask_id_str", "ask_id"),
        bid_id=identifier(row, "bid_id_str", "bid_id"),
        ask_client_index=int(identifier(row, "ask_client_id_str", "ask_client_id") or 0),
        bid_client_index=int(identifier(row, "bid_client_id_str", "bid_client_id") or 0),
        ask_account=whole(row, "ask_account_id"),
        bid_account=whole(row, "bid_account_id"),
        is_maker_ask=is_maker_ask,
        taker_fee=whole(row, "taker_fee", 0) + whole(row, "integrator_taker_fee", 0),
        maker_fee=whole(row, "maker_fee", 0) + whole(row, "integrator_maker_fee", 0),
        tx_hash=text(row, "tx_hash"),
        ts_event=times_ns(row, "transaction_time", "timestamp"),
    )


def grouped_rows(found: object) -> Iterator[Row]:
    """Go through rows that come as a list, or as a map from market to list; null is empty."""
    groups = found.values() if isinstance(found, dict) else [found]
    for group in groups:
        if isinstance(group, list):
            yield from (row for row in group if isinstance(row, dict))
        elif isinstance(group, dict):
            yield group


# -- members ---------------------------------------------------------------------------


def identifier(row: Row, *names: str) -> str:
    """Return the first id of these members as text, "" if there is none."""
    for name in names:
        value = row.get(name)
        if isinstance(value, str | int) and not isinstance(value, bool):
            found = str(value)
            if found in NO_ID:
                continue
            if not found.isdecimal():
                raise DecodeError(f"{name} is not an id", 0)
            return found
    return ""


def times_ns(row: Row, *names: str) -> int:
    """Return the first time of these members that can be read in ns, 0 if there is none.

    The venue's units differ between endpoints (and have been seen wrong in some): they are
    told apart by magnitude.
    """
    for name in names:
        try:
            value = whole(row, name, 0)
        except DecodeError:
            continue
        if value > 0:
            return to_ns(value)
    return 0


def to_ns(value: int) -> int:
    """Convert a time in s, ms, µs or ns, told apart by magnitude."""
    if value < 10**11:
        return value * 10**9
    if value < 10**14:
        return value * 10**6
    return value * 10**3 if value < 10**17 else value
