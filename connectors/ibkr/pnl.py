"""Profit and loss, summary and ledger of an account: partial rows, merged.

A missing key is unchanged, and so is a row that has nothing but its key and a time (W-24 ... W-26).
REST and the socket spell the ledger's keys in different cases: only their letters count here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from ..errors import DecodeError
from ..model.accounts import AccountPnl, AccountState, Balance, MarginBalance
from ..model.ids import AccountId
from .amounts import amount
from .config import VENUE
from .values import time_ns

__all__ = [
    "Ledger",
    "LedgerRow",
    "PnlRow",
    "PnlTable",
    "SummaryRow",
    "read_ledger",
    "read_pnl",
    "read_summary",
]

BASE = "BASE"


def _number(row: Mapping[str, Any], name: str) -> Decimal | None:
    """Return a number, None where there is none: such a value is unchanged."""
    try:
        return amount(row, name)
    except DecodeError:
        return None


# ---- profit and loss --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PnlRow:
    """What a frame says about one account (and model); None: unchanged."""

    account: str
    model: str
    daily: Decimal | None = None
    unrealized: Decimal | None = None
    net_liquidation: Decimal | None = None
    excess_liquidity: Decimal | None = None
    uncertain_excess: Decimal | None = None
    market_value: Decimal | None = None


_PNL_NAMES = {
    "daily": "dpl",
    "unrealized": "upl",
    "net_liquidation": "nl",
    "excess_liquidity": "el",
    "uncertain_excess": "uel",
    "market_value": "mv",
}


def read_pnl(payload: Mapping[str, Any]) -> tuple[PnlRow, ...]:
    """Read a `spl` frame, or the answer of pnl/partitioned (R-65)."""
    rows = payload.get("args", payload.get("upnl"))
    if not isinstance(rows, dict):
        return ()
    found = []
    for name, row in rows.items():
        if isinstance(row, dict):
            account, _, model = name.partition(".")
            values = {ours: _number(row, theirs) for ours, theirs in _PNL_NAMES.items()}
            found.append(PnlRow(account, model, **values))
    return tuple(found)


class PnlTable:
    """What is known by account and model.

    Parameters
    ----------
    name : callable
        Our name for an account of the venue.
    """

    __slots__ = ("_known", "_name")

    def __init__(self, name: Callable[[str], AccountId]) -> None:
        self._name = name
        self._known: dict[tuple[str, str], AccountPnl] = {}

    def clear(self) -> None:
        """Forget all: the next frames say it anew."""
        self._known.clear()

    @property
    def known(self) -> tuple[AccountPnl, ...]:
        """The newest of every account and model."""
        return tuple(self._known.values())

    def take(self, row: PnlRow, now_ns: int) -> AccountPnl | None:
        """Merge a row; return the whole if it said anything new."""
        key = row.account, row.model
        held = self._known.get(key)
        if held is None:
            held = AccountPnl(
                venue=VENUE,
                account_id=self._name(row.account),
                model=row.model,
                ts_event=now_ns,
                ts_init=now_ns,
            )
        news = {
            name: value
            for name in _PNL_NAMES
            if (value := getattr(row, name)) is not None and value != getattr(held, name)
        }
        if not news and key in self._known:
            return None
        self._known[key] = replace(held, ts_event=now_ns, ts_init=now_ns, **news)
        return self._known[key] if news else None


# ---- summary and ledger -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """One figure or word of the summary; both None: unchanged."""

    key: str
    amount: Decimal | None
    currency: str
    text: str | None
    ts_event: int


def read_summary(payload: Mapping[str, Any]) -> tuple[SummaryRow, ...]:
    """Read a `ssd` frame; blank rows are left out."""
    rows = payload.get("result")
    if not isinstance(rows, list):
        return ()
    found = []
    for row in rows:
        if not isinstance(row, dict) or not isinstance(row.get("key"), str):
            continue
        amount = _number(row, "monetaryValue")
        value = row.get("value")
        if amount is not None or value is not None:
            text = None if value is None else str(value)
            found.append(
                SummaryRow(row["key"].lower(), amount, str(row.get("currency") or ""), text,
                           time_ns(row.get("timestamp")))
            )  # fmt: skip
    return tuple(found)


def read_rest_summary(body: object) -> tuple[SummaryRow, ...]:
    """Read the answer of portfolio/{acct}/summary (R-63)."""
    if not isinstance(body, dict):
        return ()
    found = []
    for key, row in body.items():
        if isinstance(row, dict) and not row.get("isNull"):
            value = row.get("value")
            amount = None if value is not None else _number(row, "amount")
            found.append(
                SummaryRow(key.lower(), amount, str(row.get("currency") or ""),
                           None if value is None else str(value), time_ns(row.get("timestamp")))
            )  # fmt: skip
    return tuple(found)


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """What a frame says about one currency; `values` by lower-case name."""

    account: str
    currency: str
    values: Mapping[str, Decimal]
    ts_event: int


def read_ledger(payload: Mapping[str, Any]) -> tuple[LedgerRow, ...]:
    """Read a `sld` frame; blank rows are left out."""
    rows = payload.get("result")
    if not isinstance(rows, list):
        return ()
    found = (_ledger_row(row) for row in rows if isinstance(row, dict))
    return tuple(row for row in found if row is not None)


def read_rest_ledger(body: object) -> tuple[LedgerRow, ...]:
    """Read the answer of portfolio/{acct}/ledger (R-64)."""
    if not isinstance(body, dict):
        return ()
    rows = (row for row in body.values() if isinstance(row, dict))
    return tuple(row for row in map(_ledger_row, rows) if row is not None)


def _ledger_row(row: Mapping[str, Any]) -> LedgerRow | None:
    row = {name.lower(): value for name, value in row.items()}
    currency = row.get("secondkey") or str(row.get("key") or "").removeprefix("LedgerList")
    values = {
        name: value
        for name in row
        if name not in ("timestamp", "severity", "sessionid")
        and (value := _number(row, name)) is not None
    }
    if not currency or not values:
        return None
    return LedgerRow(
        str(row.get("acctcode") or ""), str(currency), values, time_ns(row.get("timestamp"))
    )


class Ledger:
    """Cash and margin of one account, merged from summary and ledger.

    A balance is the cash in one currency; what of it is not settled is locked. The venue's sum in
    the base currency (BASE) is no currency of its own and left out; margins are in that currency.
    """

    __slots__ = ("_account", "_account_id", "_cash", "_summary", "latest")

    def __init__(self, account: str, account_id: AccountId) -> None:
        self._account = account
        self._account_id = account_id
        self._cash: dict[str, dict[str, Decimal]] = {}
        self._summary: dict[str, SummaryRow] = {}
        self.latest: AccountState | None = None

    def figure(self, key: str) -> Decimal | None:
        """Return an amount of the summary, such as `buyingpower`."""
        row = self._summary.get(key.lower())
        return None if row is None else row.amount

    def cash(self, currency: str) -> Mapping[str, Decimal]:
        """Return all figures of the ledger for a currency, or for `BASE`."""
        return self._cash.get(currency, {})

    def take_summary(
        self, rows: tuple[SummaryRow, ...], now_ns: int, *, is_snapshot: bool = False
    ) -> AccountState | None:
        """Merge rows of the summary; return the account's state if it changed."""
        for row in rows:
            self._summary[row.key] = row
        return self._changed(now_ns, (row.ts_event for row in rows), is_snapshot)

    def take_ledger(
        self, rows: tuple[LedgerRow, ...], now_ns: int, *, is_snapshot: bool = False
    ) -> AccountState | None:
        """Merge rows of the ledger; a whole one also tells which currencies are gone."""
        if is_snapshot:
            present = {row.currency for row in rows}
            self._cash = {name: row for name, row in self._cash.items() if name in present}
        for row in rows:
            if row.account in ("", self._account):
                self._cash.setdefault(row.currency, {}).update(row.values)
        return self._changed(now_ns, (row.ts_event for row in rows), is_snapshot)

    def _changed(self, now_ns: int, times: Any, is_snapshot: bool) -> AccountState | None:
        balances = tuple(
            _balance(currency, values)
            for currency, values in self._cash.items()
            if currency != BASE and "cashbalance" in values
        )
        margins = self._margins()
        last = self.latest
        if last is not None and (last.balances, last.margins) == (balances, margins):
            return None
        if last is None and not balances and not margins:
            return None
        self.latest = AccountState(
            venue=VENUE,
            account_id=self._account_id,
            balances=balances,
            margins=margins,
            is_snapshot=True,
            ts_event=max(times, default=0) or now_ns,
            ts_init=now_ns,
        )
        return self.latest

    def _margins(self) -> tuple[MarginBalance, ...]:
        initial = self._summary.get("initmarginreq")
        maintenance = self._summary.get("maintmarginreq")
        if initial is None or maintenance is None:
            return ()
        if initial.amount is None or maintenance.amount is None:
            return ()
        return (
            MarginBalance(
                currency=initial.currency,
                initial=initial.amount,
                maintenance=maintenance.amount,
            ),
        )


def _balance(currency: str, values: Mapping[str, Decimal]) -> Balance:
    total = values["cashbalance"]
    settled = values.get("settledcash", total)
    return Balance.of(currency, total=total, free=min(settled, total))
