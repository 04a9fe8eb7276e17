"""How callers name the orders of a command."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from ..errors import ClientError
from ..model.enums import OrderType, Side
from ..model.ids import ClientOrderId, InstrumentId, VenueOrderId
from .identity import OrderRegistry, TrackedOrder

__all__ = ["CancelOrder", "find_or_stand_in", "wanted_cancels"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelOrder:
    """One cancel of a batch; an order of this client needs its client order id only."""

    client_order_id: ClientOrderId | None = None
    instrument_id: InstrumentId | None = None
    venue_order_id: VenueOrderId | None = None


def wanted_cancels(cancels: Iterable[CancelOrder | ClientOrderId]) -> list[CancelOrder]:
    """Return cancels of which some may be named by their client order id alone."""
    return [
        CancelOrder(client_order_id=item) if isinstance(item, str) else item for item in cancels
    ]


def find_or_stand_in(
    registry: OrderRegistry,
    client_order_id: ClientOrderId | None,
    instrument_id: InstrumentId | None,
    venue_order_id: VenueOrderId | None,
    *,
    side: Side = Side.BUY,
) -> TrackedOrder:
    """Return our order of an id, or a stand-in for one that is not ours.

    Raises
    ------
    ClientError
        It has neither id.
    """
    found = registry.find(client_order_id=client_order_id, venue_order_id=venue_order_id)
    if found is not None:
        return found
    name = client_order_id if client_order_id is not None else venue_order_id
    if name is None:
        raise ClientError("an order is named by client_order_id or venue_order_id")
    return TrackedOrder(
        name,
        instrument_id or "",
        side,
        OrderType.LIMIT,
        size=Decimal(0),
        venue_order_id=venue_order_id,
    )
