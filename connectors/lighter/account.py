"""Positions and balances as the private streams show them; sans-I/O.

Every frame of the position and asset streams is the full set (section 12 of the rules): what is
missing is gone. A row that does not parse is not missing; its position stays as it was.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

from .._speedups.lighter import PositionRow, RowProblem
from ..errors import DecodeError
from ..execution.members import number, text
from ..execution.positions import HeldPositions
from ..model.accounts import AccountState, Balance, MarginBalance
from ..model.enums import MarginMode, PositionSide
from ..model.ids import AccountId, InstrumentId
from ..model.instruments import Instrument
from ..model.reports import PositionStatusReport
from .config import VENUE
from .rows import ZERO

__all__ = ["Balances", "PositionChanges", "Positions"]

log = logging.getLogger("connectors.lighter")

MARGIN_CURRENCY = "USDC"

InstrumentOf = Callable[[int], Instrument | None]


class PositionRows(Protocol):
    """What is needed of an `AccountFrame` of positions."""

    @property
    def rows(self) -> list[Any]: ...
    @property
    def problems(self) -> list[RowProblem]: ...


@dataclass(slots=True)
class PositionChanges:
    """What a frame changed, and the markets of it that we do not know."""

    reports: list[PositionStatusReport] = field(default_factory=list)
    unknown_markets: list[int] = field(default_factory=list)


class Positions(HeldPositions):
    """The open positions of the account."""

    __slots__ = ()

    def apply(
        self, frame: PositionRows, instrument_of: InstrumentOf, now_ns: int
    ) -> PositionChanges:
        """Take the full set of a frame over and return what changed by it."""
        changes = PositionChanges()
        spared: set[InstrumentId] = set()
        for problem in frame.problems:
            instrument = instrument_of(problem.market_index)
            if instrument is None:
                # Nobody knows whose row it was: nothing that is held may be taken for gone.
                spared.update(self.instruments)
                continue
            log.warning("position of %s kept as it was: %s", instrument.id, problem.error)
            spared.add(instrument.id)
        for row in frame.rows:
            instrument = instrument_of(row.market_index)
            if instrument is None:
                log.debug("position of unknown market %s skipped", row.market_index)
                changes.unknown_markets.append(row.market_index)
                continue
            spared.add(instrument.id)
            report = _report(row, instrument, now_ns)
            if self.take(report):
                changes.reports.append(report)
        changes.reports += self.drop_others(spared, now_ns)
        return changes


def _report(row: PositionRow, instrument: Instrument, now_ns: int) -> PositionStatusReport:
    size = row.signed_size
    side = PositionSide.FLAT
    if size:
        side = PositionSide.LONG if size > 0 else PositionSide.SHORT
    isolated = row.margin_mode == 1
    return PositionStatusReport(
        instrument_id=instrument.id,
        side=side,
        size=abs(size),
        average_entry_price=row.avg_entry_price if size else None,
        unrealized_pnl=row.unrealized_pnl,
        liquidation_price=row.liquidation_price or None,
        margin_mode=MarginMode.ISOLATED if isolated else MarginMode.CROSS,
        isolated_margin=row.allocated_margin if isolated else None,
        ts_event=now_ns,
        ts_init=now_ns,
    )


class Balances:
    """Assets and margin, merged from two streams: nothing is told before both have spoken."""

    __slots__ = ("_account_id", "_balances", "_maintenance", "_margin", "latest")

    def __init__(self, account_id: AccountId | None) -> None:
        self._account_id = account_id
        self._maintenance = ZERO
        self.latest: AccountState | None = None
        self.reset()

    def reset(self) -> None:
        """Forget both halves, for a new connection; `latest` stays to be asked for."""
        self._balances: tuple[Balance, ...] | None = None
        self._margin: Decimal | None = None

    def set_maintenance(self, amount: Decimal) -> None:
        """Note the maintenance margin that REST tells; the streams have none."""
        self._maintenance = amount

    def apply_assets(self, rows: object, now_ns: int) -> AccountState | None:
        """Take the full set of an asset frame over; DecodeError if it does not parse."""
        if rows is None:
            rows = {}
        if not isinstance(rows, dict):
            raise DecodeError("assets frame without a map of assets", 0)
        self._balances = tuple(_balance(row) for row in rows.values() if isinstance(row, dict))
        return self._merged(now_ns)

    def apply_stats(self, stats: object, now_ns: int) -> AccountState | None:
        """Take a user_stats frame over; DecodeError if it does not parse."""
        if not isinstance(stats, dict):
            raise DecodeError("user_stats frame without stats", 0)
        total = stats.get("total_stats")
        scope = total if isinstance(total, dict) and total.get("collateral") is not None else stats
        used = number(scope, "collateral") - number(scope, "available_balance")
        self._margin = max(used, ZERO)
        return self._merged(now_ns)

    def _merged(self, now_ns: int) -> AccountState | None:
        if self._balances is None or self._margin is None:
            return None
        margin = MarginBalance(
            currency=MARGIN_CURRENCY, initial=self._margin, maintenance=self._maintenance
        )
        self.latest = AccountState(
            venue=VENUE,
            account_id=self._account_id,
            balances=self._balances,
            margins=(margin,),
            is_snapshot=True,
            ts_event=now_ns,
            ts_init=now_ns,
        )
        return self.latest


def balances_of(
    account: Mapping[str, Any], account_id: AccountId | None, now_ns: int
) -> AccountState:
    """Return the state that the REST account shows; DecodeError if it does not parse."""
    balances = Balances(account_id)
    balances.set_maintenance(number(account, "cross_maintenance_margin_requirement", ZERO))
    assets = account.get("assets")
    rows = assets if isinstance(assets, list) else []
    balances.apply_assets({str(place): row for place, row in enumerate(rows)}, now_ns)
    state = balances.apply_stats(dict(account), now_ns)
    assert state is not None
    return state


def _balance(row: Mapping[str, Any]) -> Balance:
    total = number(row, "balance", ZERO) + number(row, "margin_balance", ZERO)
    locked = number(row, "locked_balance", ZERO)
    return Balance(currency=text(row, "symbol"), total=total, free=total - locked, locked=locked)
