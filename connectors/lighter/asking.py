"""Questions to the venue: single orders, balances, and reports of everything."""

from __future__ import annotations

from ..model.accounts import AccountState
from ..model.ids import ClientOrderId, InstrumentId, VenueOrderId
from ..model.reports import OrderStatusReport, PositionStatusReport
from .account import balances_of
from .client_core import ClientCore

__all__ = ["Asking"]


class Asking(ClientCore):
    """The queries and reports."""

    # -- asking ------------------------------------------------------------------------

    async def query_order(
        self,
        client_order_id: ClientOrderId | None = None,
        *,
        venue_order_id: VenueOrderId | None = None,
        instrument_id: InstrumentId | None = None,
    ) -> OrderStatusReport | None:
        """Ask for one order; None if the venue does not know it.

        What it says about an order of ours becomes events too, where it is news.
        """
        order = self.registry.find(client_order_id=client_order_id, venue_order_id=venue_order_id)
        key = order.client_key if order is not None else None
        if order is None and client_order_id is not None and client_order_id.isdecimal():
            key = int(client_order_id)
        rows, _ = await self._queries().find_order(
            client_index=key if isinstance(key, int) else None,
            venue_order_id=venue_order_id or (order.venue_order_id if order else None),
            instrument_id=instrument_id or (order.instrument_id if order else None),
        )
        if not rows:
            return None
        if order is not None:
            self.dispatch.status(rows[0])
            self.order_seen(rows[0])
        return rows[0].report

    async def query_account(self) -> AccountState:
        """Return balances and margin: the latest of the streams, else asked for over REST."""
        if self._balances.latest is not None and self.is_connected:
            return self._balances.latest
        account = await self._need(self._rest).account()
        return balances_of(account, self.config.account_name, self._clock.wall_ns())

    async def generate_position_status_reports(
        self, instrument_id: InstrumentId | None = None
    ) -> list[PositionStatusReport]:
        """Return the open positions as the stream told them last."""
        return self._positions.reports(instrument_id)
