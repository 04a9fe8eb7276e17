"""What the execution clients of all venues share beyond `reporting`: orders, and their needs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .._speedups.events import Quote
from ..errors import ClientError
from ..model._numbers import Number
from ..model.enums import Side
from ..model.ids import ClientOrderId, InstrumentId, VenueOrderId
from ..model.instruments import Instrument
from ..net.clock import Clock
from .commands import find_or_stand_in
from .identity import OrderRegistry, TrackedOrder
from .markets import Markets
from .planning import Denial
from .quotes import BestPrices
from .reporting import AccountQueries, ReportingClient
from .telling import OnEvent, OnStatus

__all__ = ["AccountQueries", "TradingClient"]


class TradingClient(ReportingClient):
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
        super().__init__(venue, on_event=on_event, on_status=on_status, clock=clock)
        self._closable = signer if owns_signer else None
        self._can_sign = signer is not None
        self._prices = BestPrices()
        self.registry = OrderRegistry()

    # -- what a venue says -------------------------------------------------------------

    markets: Markets[Any]

    # -- looking -----------------------------------------------------------------------

    @property
    def has_credentials(self) -> bool:
        """Whether orders can be signed at all."""
        return self._can_sign

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

    # -- the end -----------------------------------------------------------------------

    def _wipe(self) -> None:
        close = getattr(self._closable, "close", None)
        if close is not None:
            close()
