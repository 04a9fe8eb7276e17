"""The open positions of an account, and what is new about them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from decimal import Decimal

from ..model.enums import PositionSide
from ..model.ids import AccountId, InstrumentId
from ..model.reports import PositionStatusReport

__all__ = ["HeldPositions"]

_Key = tuple[AccountId | None, InstrumentId]


class HeldPositions:
    """Positions by instrument, and by account where reports name one."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: dict[_Key, PositionStatusReport] = {}

    def __len__(self) -> int:
        return len(self._held)

    def clear(self) -> None:
        """Forget everything, for a new `connect`."""
        self._held.clear()

    def reports(self, instrument_id: InstrumentId | None = None) -> list[PositionStatusReport]:
        """Return the open positions, of one instrument or of all."""
        held = self._held.values()
        return [report for report in held if instrument_id in (None, report.instrument_id)]

    @property
    def instruments(self) -> frozenset[InstrumentId]:
        """Where something is held."""
        return frozenset(report.instrument_id for report in self._held.values())

    def take(self, report: PositionStatusReport) -> bool:
        """Keep a report; False if it says nothing new."""
        key = report.account_id, report.instrument_id
        held = self._held.get(key)
        if report.side is PositionSide.FLAT:
            if held is None:
                return False
            del self._held[key]
            return True
        self._held[key] = report
        same = replace(report, ts_event=0, ts_init=0)
        return held is None or replace(held, ts_event=0, ts_init=0) != same

    def drop_others(
        self,
        present: Collection[InstrumentId],
        now_ns: int,
        *,
        account_id: AccountId | None = None,
    ) -> list[PositionStatusReport]:
        """Forget what is not in the full set of an account, and return that it is flat now."""
        gone = [
            held
            for (account, name), held in self._held.items()
            if account == account_id and name not in present
        ]
        flat = [_flat(held, now_ns) for held in gone]
        for report in flat:
            self.take(report)
        return flat


def _flat(held: PositionStatusReport, now_ns: int) -> PositionStatusReport:
    return PositionStatusReport(
        instrument_id=held.instrument_id,
        side=PositionSide.FLAT,
        size=Decimal(0),
        margin_mode=held.margin_mode,
        ts_event=now_ns,
        ts_init=now_ns,
        account_id=held.account_id,
    )
