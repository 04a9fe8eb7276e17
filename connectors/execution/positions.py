"""The open positions of an account, and what is new about them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from decimal import Decimal

from ..model.enums import PositionSide
from ..model.ids import InstrumentId
from ..model.reports import PositionStatusReport

__all__ = ["HeldPositions"]


class HeldPositions:
    """Positions by instrument."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: dict[InstrumentId, PositionStatusReport] = {}

    def __len__(self) -> int:
        return len(self._held)

    def clear(self) -> None:
        """Forget everything, for a new `connect`."""
        self._held.clear()

    def reports(self, instrument_id: InstrumentId | None = None) -> list[PositionStatusReport]:
        """Return the open positions, of one instrument or of all."""
        if instrument_id is None:
            return list(self._held.values())
        found = self._held.get(instrument_id)
        return [] if found is None else [found]

    @property
    def instruments(self) -> frozenset[InstrumentId]:
        """Where something is held."""
        return frozenset(self._held)

    def take(self, report: PositionStatusReport) -> bool:
        """Keep a report; False if it says nothing new."""
        held = self._held.get(report.instrument_id)
        if report.side is PositionSide.FLAT:
            if held is None:
                return False
            del self._held[report.instrument_id]
            return True
        self._held[report.instrument_id] = report
        same = replace(report, ts_event=0, ts_init=0)
        return held is None or replace(held, ts_event=0, ts_init=0) != same

    def drop_others(
        self, present: Collection[InstrumentId], now_ns: int
    ) -> list[PositionStatusReport]:
        """Forget what is not in a full set, and return that it is flat now."""
        gone = [self._held[name] for name in list(self._held) if name not in present]
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
    )
