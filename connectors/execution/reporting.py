"""What every client of an account shares: the two callbacks, and the reports that can be asked for.

::

    ReportingClient            told and asked
    |-- TradingClient          and gives orders (`client`)
    `-- AccountClient          and holds what the account has (`account_client`)
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from typing import Protocol

from ..model.ids import AccountId, InstrumentId, VenueOrderId
from ..model.reports import FillReport, MassStatus, OrderStatusReport, PositionStatusReport
from ..net.clock import Clock, to_ns
from .connecting import Connectable
from .reconcile import gather_mass_status
from .scope import ReportScope
from .telling import Event, OnEvent, OnStatus, Teller

__all__ = ["AccountQueries", "ReportingClient"]


class AccountQueries(Protocol):
    """What of a venue's queries makes reports."""

    async def order_reports(self, scope: ReportScope) -> list[OrderStatusReport]: ...

    async def fill_reports(self, scope: ReportScope) -> list[FillReport]: ...


class ReportingClient(Connectable):
    """A client of an account.

    Parameters
    ----------
    venue : str
        For events and logs.
    on_event, on_status :
        The caller's callbacks.
    """

    def __init__(
        self,
        venue: str,
        *,
        on_event: OnEvent | None,
        on_status: OnStatus | None,
        clock: Clock,
    ) -> None:
        super().__init__()
        self._venue = venue
        self._log = logging.getLogger(f"connectors.{venue.lower()}")
        self._teller = Teller(venue, on_event=on_event, on_status=on_status, clock=clock)
        self._clock = clock

    # -- what a venue says -------------------------------------------------------------

    @abstractmethod
    def _queries(self) -> AccountQueries:
        """Return who asks; ClientError if there is no connection."""

    @property
    @abstractmethod
    def account_id(self) -> AccountId | None:
        """Our name for the account; None as long as nobody knows which it is."""

    # -- what is told ------------------------------------------------------------------

    @property
    def callback_errors(self) -> int:
        """How often a callback of the caller raised."""
        return self._teller.callback_errors

    def on_refused(self, channel: str, code: int | None, message: str) -> None:
        """A stream will not come."""
        self._teller.refused(channel, code, message)

    def on_problem(self, message: str, code: int | None, error: Exception | None) -> None:
        """Tell of what no order or call stands for."""
        self._log.warning("venue=%s %s (code=%s)", self._venue, message, code)
        self._teller.problem(message, code, error, where="private")

    def deliver(self, report: Event) -> None:
        """Hand a report to the caller."""
        self._teller.report(report)

    # -- what can be asked -------------------------------------------------------------

    async def generate_order_status_reports(
        self,
        instrument_id: InstrumentId | None = None,
        *,
        open_only: bool = False,
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> list[OrderStatusReport]:
        """Return the state of orders of one instrument or all: the live ones, and ended ones.

        The span is that of the last change of orders that have ended.
        """
        return await self._queries().order_reports(
            ReportScope(instrument_id, open_only=open_only, start_ns=start_ns, end_ns=end_ns)
        )

    async def generate_fill_reports(
        self,
        instrument_id: InstrumentId | None = None,
        *,
        venue_order_id: VenueOrderId | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> list[FillReport]:
        """Return trades that were not handed out yet, oldest first."""
        return await self._queries().fill_reports(
            ReportScope(instrument_id, venue_order_id, start_ns=start_ns, end_ns=end_ns)
        )

    @abstractmethod
    async def generate_position_status_reports(
        self, instrument_id: InstrumentId | None = None
    ) -> list[PositionStatusReport]:
        """Return the open positions."""

    async def generate_mass_status(self, *, lookback_s: float | None = None) -> MassStatus:
        """Return orders, fills and positions; a part that cannot be read is empty."""
        start_ns = None
        if lookback_s is not None:
            start_ns = self._clock.wall_ns() - to_ns(lookback_s)
        return await gather_mass_status(
            self._venue,
            self.account_id,
            orders=lambda: self.generate_order_status_reports(start_ns=start_ns),
            fills=lambda: self.generate_fill_reports(start_ns=start_ns),
            positions=self.generate_position_status_reports,
            wall_ns=self._clock.wall_ns,
        )

    def __repr__(self) -> str:
        state = "connected" if self._connected else "not connected"
        return f"<{type(self).__name__} {self._venue} {self.account_id} {state}>"
