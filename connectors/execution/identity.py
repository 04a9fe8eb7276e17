"""The orders this client submitted, found again by any of their ids.

An order has up to three ids: the caller's *client order id* (text); the *client key*, which is
what the venue echoes of it (an integer, a 128-bit hash, or the same text); and the *venue order
id*. It is registered before its bytes go out, so that nothing that comes back, however fast,
finds it missing. Whatever is not in here is not ours: *external*.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterator
from decimal import Decimal
from typing import Any, NamedTuple

from .._speedups.fills import OrderCore
from ..errors import ClientError
from ..model.enums import OrderType, Side
from ..model.ids import ClientOrderId, InstrumentId, VenueOrderId
from ..model.orders import Order
from .lifecycle import Doubt, OrderState

__all__ = ["DuplicateOrder", "OrderRegistry", "Shape", "TrackedOrder"]

_ZERO = Decimal(0)
MAX_FORMER = 100  # venue order ids of an order that are kept after it got another one


class DuplicateOrder(ClientError):
    """The id was used before; choose another."""


class Shape(NamedTuple):
    """What a modification can change."""

    size: Decimal
    price: Decimal | None
    trigger_price: Decimal | None


class TrackedOrder(OrderCore):
    """One order of ours: what it is, and all that is known about what became of it.

    Only the dispatch changes it. `size`, `price` and `trigger_price` are the venue's as far
    as they are known, else what was submitted.

    Attributes
    ----------
    client_key : hashable or None
        What the venue echoes of the client order id.
    expires_at : int or None
        Wall time in ns after which the venue can no longer accept the creation.
    venue_order_id : str or None
        The venue's present id.
    former_venue_order_ids : list of str
        Ids it had before, oldest first; the last hundred of them.
    filled_size : Decimal
        Sum of the fills that were emitted.
    reported_filled : Decimal
        The highest filled size a row has shown; more than `filled_size` means fills are
        on their way, or lost.
    sequence : tuple of int
        Of the newest row that was applied; () before the first.
    requested : Shape or None
        What a modification on its way asks for; the order is pending update while set.
    is_pending_cancel : bool
        A single cancel is on its way.
    doubt : Doubt
        Commands whose outcome is unknown.
    final : OrderState or None
        How it ended.
    ts_submitted : int
        Unix time in ns of the first attempt to send it; 0: not by this process.
    missing_since_ns : int or None
        Since when rows have shown more filled than there were fills.
    tag : Any
        The caller's own; dropped when the order ends, of which many are kept.
    """

    __slots__ = (
        "client_key",
        "doubt",
        "expires_at",
        "former_venue_order_ids",
        "is_pending_cancel",
        "is_submitted",
        "is_triggered",
        "price",
        "sequence",
        "tag",
        "trigger_price",
        "ts_submitted",
    )

    requested: Shape | None
    final: OrderState | None

    def __init__(
        self,
        client_order_id: ClientOrderId,
        instrument_id: InstrumentId,
        side: Side,
        order_type: OrderType,
        *,
        size: Decimal,
        price: Decimal | None = None,
        trigger_price: Decimal | None = None,
        client_key: Hashable | None = None,
        venue_order_id: VenueOrderId | None = None,
        expires_at: int | None = None,
        tag: Any = None,
    ) -> None:
        super().__init__(client_order_id, instrument_id, side, order_type, size, venue_order_id)
        self.price = price
        self.trigger_price = trigger_price
        self.client_key = client_key
        self.expires_at = expires_at
        self.tag = tag
        self.former_venue_order_ids: list[VenueOrderId] = []
        self.sequence: tuple[int, ...] = ()
        self.is_submitted = False
        self.is_triggered = False
        self.is_pending_cancel = False
        self.doubt = Doubt.NONE
        self.ts_submitted = 0

    @classmethod
    def of(
        cls,
        order: Order,
        *,
        size: Decimal | None = None,
        price: Decimal | None = None,
        trigger_price: Decimal | None = None,
        client_key: Hashable | None = None,
        expires_at: int | None = None,
        tag: Any = None,
    ) -> TrackedOrder:
        """Return the entry of an order about to be submitted.

        `size`, `price` and `trigger_price` as they go to the venue, where that differs from
        what the caller wrote (rounded to the grid): rows are compared with these.
        """
        wanted = size if size is not None else order.size
        return cls(
            order.client_order_id,
            order.instrument_id,
            order.side,
            order.order_type,
            size=wanted if wanted is not None else _ZERO,
            price=price if price is not None else order.price,
            trigger_price=trigger_price if trigger_price is not None else order.trigger_price,
            client_key=client_key,
            expires_at=expires_at,
            tag=tag,
        )

    def __repr__(self) -> str:
        return (
            f"<TrackedOrder {self.client_order_id} {self.state} {self.filled_size:f}"
            f"/{self.size:f} {self.instrument_id} venue_order_id={self.venue_order_id}>"
        )

    @property
    def state(self) -> OrderState:
        """Where it stands."""
        if self.final is not None:
            return self.final
        if not self.is_accepted:
            if self.doubt & Doubt.CREATE:
                return OrderState.UNKNOWN
            return OrderState.SUBMITTED if self.is_submitted else OrderState.INITIALIZED
        if self.is_pending_cancel:
            return OrderState.PENDING_CANCEL
        if self.requested is not None:
            return OrderState.PENDING_UPDATE
        if self.filled_size:
            return OrderState.PARTIALLY_FILLED
        return OrderState.TRIGGERED if self.is_triggered else OrderState.ACCEPTED

    @property
    def is_final(self) -> bool:
        """Whether it ended; a late fill may still come."""
        return self.final is not None

    @property
    def leaves_size(self) -> Decimal:
        """What may still fill; zero once it ended."""
        if self.final is not None:
            return _ZERO
        return max(self.size - self.filled_size, _ZERO)

    @property
    def shape(self) -> Shape:
        """Size, price and trigger price."""
        return Shape(self.size, self.price, self.trigger_price)


class OrderRegistry:
    """All orders of one client: the live ones, and those that ended most recently.

    Parameters
    ----------
    capacity : int
        How many are kept. Beyond it the order that ended first is forgotten; a live order
        never is, however many there are.
    """

    __slots__ = ("_by_client", "_by_key", "_by_venue", "_capacity", "_ended", "_live")

    def __init__(self, capacity: int = 100_000) -> None:
        if capacity < 1:
            raise ValueError("a registry keeps at least one order")
        self._capacity = capacity
        self._by_client: dict[ClientOrderId, TrackedOrder] = {}
        self._by_key: dict[Hashable, TrackedOrder] = {}
        self._by_venue: dict[VenueOrderId, TrackedOrder] = {}
        self._live: dict[ClientOrderId, TrackedOrder] = {}
        self._ended: OrderedDict[ClientOrderId, TrackedOrder] = OrderedDict()

    def __len__(self) -> int:
        return len(self._by_client)

    def __contains__(self, client_order_id: object) -> bool:
        return client_order_id in self._by_client

    @property
    def tables(self) -> tuple[dict[Hashable, TrackedOrder], dict[VenueOrderId, TrackedOrder]]:
        """The orders by client key and by venue order id, for compiled code that only looks."""
        return self._by_key, self._by_venue

    @property
    def live(self) -> int:
        """How many have not ended."""
        return len(self._live)

    def live_orders(self, instrument_id: InstrumentId | None = None) -> list[TrackedOrder]:
        """Return those that have not ended, oldest first."""
        if instrument_id is None:
            return list(self._live.values())
        return [order for order in self._live.values() if order.instrument_id == instrument_id]

    def __iter__(self) -> Iterator[TrackedOrder]:
        return iter(list(self._by_client.values()))

    def add(self, order: TrackedOrder) -> TrackedOrder:
        """Register an order before it is sent.

        Raises
        ------
        DuplicateOrder
            If its client order id or client key belongs to an order that is still known:
            the venue's answers could not be told apart.
        """
        if order.client_order_id in self._by_client:
            raise DuplicateOrder(f"client order id {order.client_order_id!r} was used before")
        if order.client_key is not None and order.client_key in self._by_key:
            raise DuplicateOrder(f"client key {order.client_key!r} was used before")
        self._by_client[order.client_order_id] = order
        self._live[order.client_order_id] = order
        if order.client_key is not None:
            self._by_key[order.client_key] = order
        if order.venue_order_id is not None:
            self._by_venue[order.venue_order_id] = order
        self._shrink()
        return order

    def by_client_id(self, client_order_id: ClientOrderId | None) -> TrackedOrder | None:
        """Return the order of a client order id."""
        return None if client_order_id is None else self._by_client.get(client_order_id)

    def by_key(self, client_key: Hashable | None) -> TrackedOrder | None:
        """Return the order of a client key."""
        return None if client_key is None else self._by_key.get(client_key)

    def by_venue_id(self, venue_order_id: VenueOrderId | None) -> TrackedOrder | None:
        """Return the order of a venue order id, also of one it had before."""
        return None if venue_order_id is None else self._by_venue.get(venue_order_id)

    def find(
        self,
        *,
        client_order_id: ClientOrderId | None = None,
        client_key: Hashable | None = None,
        venue_order_id: VenueOrderId | None = None,
    ) -> TrackedOrder | None:
        """Return the order of the first of these ids that is known."""
        order = self.by_client_id(client_order_id)
        if order is None:
            order = self.by_key(client_key)
        return order if order is not None else self.by_venue_id(venue_order_id)

    def bind(self, order: TrackedOrder, venue_order_id: VenueOrderId) -> None:
        """Note the venue's id of an order; the last hundred it had before still find it."""
        former = order.former_venue_order_ids
        if order.venue_order_id is not None and order.venue_order_id != venue_order_id:
            former.append(order.venue_order_id)
            if len(former) > MAX_FORMER:  # an order can be replaced all day long
                self._drop_venue_id(order, former.pop(0))
        order.venue_order_id = venue_order_id
        self._by_venue[venue_order_id] = order

    def ended(self, order: TrackedOrder) -> None:
        """Note that an order is final: from now on it may be forgotten."""
        if self._live.pop(order.client_order_id, None) is not None:
            self._ended[order.client_order_id] = order
            self._shrink()

    def discard(self, order: TrackedOrder) -> None:
        """Forget an order that was never sent, with its ids free again."""
        self._live.pop(order.client_order_id, None)
        self._ended.pop(order.client_order_id, None)
        self._forget(order)

    def _shrink(self) -> None:
        while len(self._by_client) > self._capacity and self._ended:
            _, oldest = self._ended.popitem(last=False)
            self._forget(oldest)

    def _forget(self, order: TrackedOrder) -> None:
        self._by_client.pop(order.client_order_id, None)
        if order.client_key is not None and self._by_key.get(order.client_key) is order:
            del self._by_key[order.client_key]
        for venue_order_id in (order.venue_order_id, *order.former_venue_order_ids):
            self._drop_venue_id(order, venue_order_id)

    def _drop_venue_id(self, order: TrackedOrder, venue_order_id: VenueOrderId | None) -> None:
        if venue_order_id is not None and self._by_venue.get(venue_order_id) is order:
            del self._by_venue[venue_order_id]
