"""What reports are asked for: of which orders and trades, and of what time."""

from __future__ import annotations

from dataclasses import dataclass

from ..model.ids import InstrumentId, VenueOrderId
from ..model.reports import FillReport, OrderStatusReport
from .members import within

__all__ = ["ReportScope"]


@dataclass(frozen=True, slots=True)
class ReportScope:
    """What a report has to be about; None: anything.

    Parameters
    ----------
    open_only : bool
        Leave out orders that have ended.
    start_ns, end_ns : int, optional
        Of trades, and of the last change of orders that have ended; both included. Those that live
        are of every time.
    """

    instrument_id: InstrumentId | None = None
    venue_order_id: VenueOrderId | None = None
    open_only: bool = False
    start_ns: int | None = None
    end_ns: int | None = None

    def has_order(self, report: OrderStatusReport) -> bool:
        """Tell whether an order is asked for."""
        if self.instrument_id not in (None, report.instrument_id):
            return False
        if not report.status.is_final:
            return True
        return not self.open_only and within(report.ts_last, self.start_ns, self.end_ns)

    def has_fill(self, report: FillReport) -> bool:
        """Tell whether a trade is asked for."""
        return (
            self.instrument_id in (None, report.instrument_id)
            and self.venue_order_id in (None, report.venue_order_id)
            and within(report.ts_event, self.start_ns, self.end_ns)
        )
