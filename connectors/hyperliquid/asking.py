"""Questions to the venue: single orders, balances, and reports of everything."""

from __future__ import annotations

from ..model.accounts import AccountState
from ..model.ids import ClientOrderId, InstrumentId, VenueOrderId
from ..model.reports import OrderStatusReport, PositionStatusReport
from .client_core import ClientCore
from .orders import cloid_of
from .reports import shown

__all__ = ["Asking"]


class Asking(ClientCore):
    """The queries and reports."""

    async def query_order(
        self,
        client_order_id: ClientOrderId | None = None,
        *,
        venue_order_id: VenueOrderId | None = None,
        instrument_id: InstrumentId | None = None,
    ) -> OrderStatusReport | None:
        """Ask for one order; None if the venue does not know it, which proves nothing.

        What it says about an order of ours becomes events too, where it is news.
        """
        order = self.registry.find(client_order_id=client_order_id, venue_order_id=venue_order_id)
        cloid: str | None = None
        if order is not None and isinstance(order.client_key, str):
            cloid = order.client_key
        elif client_order_id is not None:
            cloid = cloid_of(client_order_id)
        rows = await self._queries().find_order(
            cloid=cloid,
            venue_order_id=venue_order_id or (order.venue_order_id if order else None),
        )
        if not rows:
            return None
        if order is not None:
            for row in rows:
                self.dispatch.answer(row)
            self.order_seen(order)
            self.settled()
        return shown(rows[-1].report)

    async def query_account(self) -> AccountState:
        """Return balances and margin: the latest that is known, else asked for."""
        if self._balances.latest is None or not self.is_connected:
            await self._queries().account()
        assert self._balances.latest is not None
        return self._balances.latest

    async def generate_order_status_reports(
        self,
        instrument_id: InstrumentId | None = None,
        *,
        open_only: bool = False,
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> list[OrderStatusReport]:
        """Return the state of orders, live and ended, of one instrument or all."""
        reports = await super().generate_order_status_reports(
            instrument_id, open_only=open_only, start_ns=start_ns, end_ns=end_ns
        )
        self.settled()
        return reports

    async def generate_position_status_reports(
        self, instrument_id: InstrumentId | None = None
    ) -> list[PositionStatusReport]:
        """Return the open positions, asked for now."""
        await self._queries().account()
        return self._positions.reports(instrument_id)
