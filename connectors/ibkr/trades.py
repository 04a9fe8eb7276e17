"""Executions: the only source of fills (D-22).

The venue repeats them massively, brings the commission with a later copy, and replaces one by
another whose id has a higher last part (W-40 ... W-43).
"""

from __future__ import annotations

import html
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any

from ..errors import DecodeError
from ..execution.members import whole
from ..model.enums import Side
from ..net.clock import NS_PER_MS
from .amounts import amount

__all__ = ["Execution", "Executions", "Sight", "TradeRows", "read_execution", "read_trades"]

KEPT = 20_000

_REVISED = re.compile(r"([0-9A-Za-z]+\.[0-9A-Za-z]+\.[0-9]+)\.([0-9]{1,9})")

SIDES = {
    "B": Side.BUY,
    "BUY": Side.BUY,
    "BOT": Side.BUY,
    "S": Side.SELL,
    "SELL": Side.SELL,
    "SLD": Side.SELL,
    "SSHORT": Side.SELL,
}


def entity_text(value: str) -> str:
    """Return a text without the HTML entities the venue puts into some (R-06)."""
    return html.unescape(value) if "&" in value else value


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution.

    Attributes
    ----------
    commission : Decimal or None
        None: not known yet.
    position : Decimal or None
        What the account held after it.
    ts_event : int
        ns since the epoch.
    """

    execution_id: str
    account: str
    conid: int
    order_id: str | None
    order_ref: str | None
    side: Side
    size: Decimal
    price: Decimal
    commission: Decimal | None
    position: Decimal | None
    exchange: str
    ts_event: int

    @property
    def base_id(self) -> str:
        """The id without its revision: what makes an execution one execution (W-43)."""
        found = _REVISED.fullmatch(self.execution_id)
        return self.execution_id if found is None else found[1]

    @property
    def revision(self) -> int:
        """The last part of the id; 0 of an id of another form."""
        found = _REVISED.fullmatch(self.execution_id)
        return 0 if found is None else int(found[2])

    @property
    def key(self) -> tuple[str, str]:
        """Of all accounts."""
        return self.account, self.base_id


@dataclass(frozen=True, slots=True)
class TradeRows:
    """A frame of executions; those that could not be read are only counted."""

    rows: tuple[Execution, ...]
    bad: int = 0


def read_trades(payload: Mapping[str, Any]) -> TradeRows:
    """Read the executions of a `str` frame."""
    return read_executions(payload.get("args"))


def read_executions(rows: object) -> TradeRows:
    """Read executions, of a frame or of the list of trades (R-54)."""
    if not isinstance(rows, list):
        return TradeRows((), 0 if rows is None else 1)
    found: list[Execution] = []
    bad = 0
    for row in rows:
        try:
            found.append(read_execution(row))
        except DecodeError:
            bad += 1
    return TradeRows(tuple(found), bad)


def read_execution(row: object) -> Execution:
    """Read one execution.

    Raises
    ------
    DecodeError
        A value is missing, or not of its type.
    """
    if not isinstance(row, dict):
        raise DecodeError("an execution is not an object", 0)
    execution_id = row.get("execution_id")
    account = row.get("accountCode") or row.get("account")
    if not isinstance(execution_id, str) or not execution_id or not isinstance(account, str):
        raise DecodeError("an execution without id or account", 0)
    side = SIDES.get(str(row.get("side")).upper())
    if side is None:
        raise DecodeError(f"side {row.get('side')!r} of an execution is unknown", 0)
    size, price = amount(row, "size"), amount(row, "price")
    if size is None or price is None or size <= 0:
        raise DecodeError("an execution without size or price", 0)
    order_ref = row.get("order_ref")
    return Execution(
        execution_id=execution_id,
        account=account,
        conid=whole(row, "conid"),
        order_id=str(whole(row, "order_id")) if row.get("order_id") not in (None, "") else None,
        order_ref=order_ref if isinstance(order_ref, str) and order_ref else None,
        side=side,
        size=size,
        price=price,
        commission=amount(row, "commission"),
        position=amount(row, "position"),
        exchange=str(row.get("exchange") or ""),
        ts_event=whole(row, "trade_time_r", 0) * NS_PER_MS,
    )


class Sight(Enum):
    """What a copy of an execution is."""

    NEW = "new"
    COMMISSION = "commission"  # its fee is known now (W-41)
    CORRECTION = "correction"  # it replaces the one before (W-43)
    REPEATED = "repeated"


@dataclass(slots=True)
class _Seen:
    revision: int
    commission: Decimal | None
    size: Decimal
    price: Decimal


class Executions:
    """Tells the copies of executions apart; remembers the last `KEPT` (W-40).

    Attributes
    ----------
    repeated : int
        Copies that said nothing new.
    """

    __slots__ = ("_capacity", "_seen", "repeated")

    def __init__(self, capacity: int = KEPT) -> None:
        self._capacity = capacity
        self._seen: OrderedDict[tuple[str, str], _Seen] = OrderedDict()
        self.repeated = 0

    def __len__(self) -> int:
        return len(self._seen)

    def __contains__(self, execution: object) -> bool:
        return isinstance(execution, Execution) and execution.key in self._seen

    def size_of(self, execution: Execution) -> Decimal:
        """Return the size an execution is known with; 0 of a new one."""
        seen = self._seen.get(execution.key)
        return Decimal(0) if seen is None else seen.size

    def see(self, execution: Execution) -> Sight:
        """Take a copy."""
        seen = self._seen.get(execution.key)
        if seen is None:
            self._seen[execution.key] = _Seen(
                execution.revision, execution.commission, execution.size, execution.price
            )
            if len(self._seen) > self._capacity:
                self._seen.popitem(last=False)
            return Sight.NEW
        self._seen.move_to_end(execution.key)  # what is repeated all the time is not forgotten
        if execution.revision > seen.revision:
            changed = (seen.size, seen.price) != (execution.size, execution.price)
            seen.revision, seen.size, seen.price = (
                execution.revision, execution.size, execution.price
            )  # fmt: skip
            knows_fee = execution.commission is not None
            if knows_fee:
                seen.commission = execution.commission
            if changed or knows_fee:
                return Sight.CORRECTION
        elif execution.revision == seen.revision and execution.commission not in (
            None,
            seen.commission,
        ):
            seen.commission = execution.commission
            return Sight.COMMISSION
        self.repeated += 1
        return Sight.REPEATED
