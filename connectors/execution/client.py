"""What the execution clients of all venues share: what is told, known, and asked."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Iterable
from typing import Any, Protocol

from .._speedups.events import Quote
from ..errors import ClientError
from ..model._numbers import Number
from ..model.accounts import AccountState
from ..model.enums import Side
from ..model.ids import AccountId, ClientOrderId, InstrumentId, VenueOrderId
from ..model.instruments import Instrument
from ..model.reports import FillReport, MassStatus, OrderStatusReport, PositionStatusReport
from ..net.clock import Clock, to_ns
from .commands import find_or_stand_in
from .connecting import Connectable
from .identity import OrderRegistry, TrackedOrder
from .markets import Markets
from .planning import Denial
from .quotes import BestPrices
from .reconcile import gather_mass_status
from .telling import OnEvent, OnStatus, Teller

__all__ = ["AccountQueries", "TradingClient"]


class AccountQueries(Protocol):
    """What of a venue's queries makes reports."""

    async def order_reports(
        self,
        instrument_id: InstrumentId | None = None,
        *,
        open_only: bool = False,
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> list[OrderStatusReport]: ...

    async def fill_reports(
        self,
        instrument_id: InstrumentId | None = None,
        *,
        venue_order_id: str | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> list[FillReport]: ...


class TradingClient(Connectable):
    """The venue-independent half of an execution client.

    Parameters
    ----------
    venue : str
        For events and logs.
    on_event, on_status :
        The caller's callbacks.
    signer : object or None
        None: nothing can be signed.
    owns_signer : bool
        Whether `close` closes it.
    """

    def __init__(
        self,
        venue: str,
        *,
        on_event: OnEvent | None,
        on_status: OnStatus | None,
        clock: Clock,
        signer: object | None,
        owns_signer: bool,
    ) -> None:
        super().__init__()
        self._venue = venue
        self._log = logging.getLogger(f"connectors.{venue.lower()}")
        self._teller = Teller(venue, on_event=on_event, on_status=on_status, clock=clock)
        self._clock = clock
        self._closable = signer if owns_signer else None
        self._can_sign = signer is not None
        self._prices = BestPrices()
        self.registry = OrderRegistry()

    # -- what a venue says -------------------------------------------------------------

    markets: Markets[Any]

    @abstractmethod
    def _queries(self) -> AccountQueries:
        """Return who asks; ClientError if there is no connection."""

    @property
    @abstractmethod
    def account_id(self) -> AccountId | None:
        """Our name for the account, None without credentials."""

    # -- looking -----------------------------------------------------------------------

    @property
    def has_credentials(self) -> bool:
        """Whether orders can be signed at all."""
        return self._can_sign

    @property
    def callback_errors(self) -> int:
        """How often a callback of the caller raised."""
        return self._teller.callback_errors

    # -- what is told ------------------------------------------------------------------

    def on_refused(self, channel: str, code: int | None, message: str) -> None:
        """A stream will not come."""
        self._teller.refused(channel, code, message)

    def on_problem(self, message: str, code: int | None, error: Exception | None) -> None:
        """Tell of what no order or call stands for."""
        self._log.warning("venue=%s %s (code=%s)", self._venue, message, code)
        self._teller.problem(message, code, error, where="private")

    def deliver(self, report: PositionStatusReport | AccountState) -> None:
        """Hand a report to the caller."""
        self._teller.report(report)

    # -- what is known -----------------------------------------------------------------

    def add_instruments(self, instruments: Iterable[Instrument]) -> None:
        """Make instruments known before, or besides, those `connect` loads."""
        self.markets.add(instruments)

    def update_quote(self, quote: Quote) -> None:
        """Remember the best prices; a handler for `DataClient.subscribe_quotes`.

        Market orders are protected by them: without the side they need they are denied.
        """
        self._prices.update(quote)

    def set_quote(
        self,
        instrument_id: InstrumentId,
        *,
        bid: Number | None = None,
        ask: Number | None = None,
    ) -> None:
        """Remember best prices by hand; None: that side is empty."""
        instrument = self.markets.get(instrument_id)
        if instrument is None:
            raise ClientError(f"unknown instrument {instrument_id}")
        self._prices.set(instrument, bid, ask)

    def _find(
        self,
        client_order_id: ClientOrderId | None,
        instrument_id: InstrumentId | None,
        venue_order_id: VenueOrderId | None,
        *,
        side: Side = Side.BUY,
    ) -> TrackedOrder:
        return find_or_stand_in(
            self.registry, client_order_id, instrument_id, venue_order_id, side=side
        )

    def _instrument_of(self, order: TrackedOrder) -> Instrument:
        instrument = self.markets.get(order.instrument_id)
        if instrument is None:
            raise Denial(f"unknown order or instrument {order.instrument_id!r}")
        return instrument

    # -- what can be asked -------------------------------------------------------------

    async def generate_order_status_reports(
        self,
        instrument_id: InstrumentId | None = None,
        *,
        open_only: bool = False,
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> list[OrderStatusReport]:
        """Return the state of orders, live and ended, of one instrument or all."""
        return await self._queries().order_reports(
            instrument_id, open_only=open_only, start_ns=start_ns, end_ns=end_ns
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
            instrument_id, venue_order_id=venue_order_id, start_ns=start_ns, end_ns=end_ns
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

    # -- the end -----------------------------------------------------------------------

    def _wipe(self) -> None:
        close = getattr(self._closable, "close", None)
        if close is not None:
            close()

    def __repr__(self) -> str:
        state = "connected" if self._connected else "not connected"
        return f"<{type(self).__name__} {self._venue} {self.account_id} {state}>"
