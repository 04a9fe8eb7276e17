"""What is known of the legs of an order where modifying replaces it; see `legs`."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal

from ..model.enums import OrderType
from ..model.reports import FillReport, OrderStatusReport
from .dispatch import DispatchRules
from .identity import Shape, TrackedOrder

__all__ = ["CANCEL_REPLACE_RULES", "Corrective", "LegWork", "Legs", "is_older_leg"]

_ZERO = Decimal(0)

CANCEL_REPLACE_RULES = DispatchRules(
    announces_trigger=frozenset(
        {OrderType.STOP_LIMIT, OrderType.TRAILING_STOP_LIMIT, OrderType.LIMIT_IF_TOUCHED}
    ),
    rows_reshape=False,
    late_fills_are_events=False,
    reject_reason="Order rejected by exchange",
)


@dataclass(frozen=True, slots=True)
class Corrective:
    """A further modification that brings a leg down to what is left.

    The marker is armed for it already: send it, and tell `replace_refused` or
    `replace_in_doubt` as for any other.
    """

    order: TrackedOrder
    venue_order_id: str
    size: Decimal
    price: Decimal | None


@dataclass(slots=True)
class Legs:
    """What is known of an order's legs beyond the present one.

    `base` is what was filled by other legs than the present one; `ending` the row that ends the
    order as soon as the fills it speaks of are here; `early` what was said last about the end of
    a leg that is not known yet; `size` that of the present leg, if known; `aim` what the order
    was to have in all when that was asked for; `excess` why a leg that is too big stayed so;
    `ahead` what was told as filled by legs that nobody has named; `is_fired` whether the trigger
    was reached: what trades then may be a leg of its own; `owed` how many refusals a reply has
    told that rows may tell again.
    """

    marker: str | None = None
    target: Shape | None = None
    sent_size: Decimal | None = None
    is_corrective: bool = False
    held: list[FillReport] = field(default_factory=list)
    suppressed_cancel: OrderStatusReport | None = None
    base: Decimal = _ZERO
    ending: OrderStatusReport | None = None
    early: OrderStatusReport | None = None
    size: Decimal | None = None
    aim: Decimal | None = None
    excess: str | None = None
    ahead: dict[str, Decimal] = field(default_factory=dict)
    is_fired: bool = False
    is_sized_by_venue: bool = False
    owed: int = 0
    retired: deque[str] = field(default_factory=lambda: deque(maxlen=32))

    def disarm(self) -> None:
        self.marker = self.target = self.sent_size = None
        self.is_corrective = False


class LegWork:
    """What has to be sent that nobody asked for: smaller legs, and cancels of those left over."""

    def __init__(self) -> None:
        self._correctives: list[Corrective] = []
        self._strays: list[TrackedOrder] = []

    def __bool__(self) -> bool:
        return bool(self._correctives or self._strays)

    def correct(self, corrective: Corrective) -> None:
        """Want a leg made smaller."""
        self._correctives.append(corrective)

    def stray(self, order: TrackedOrder) -> None:
        """Want the leg of an order that is over canceled."""
        if order not in self._strays:
            self._strays.append(order)

    def take_strays(self) -> list[TrackedOrder]:
        """Return the orders that are over and of which a leg may still rest; cancel it."""
        strays, self._strays = self._strays, []
        return strays

    def take_correctives(self) -> list[Corrective]:
        """Return the modifications to send, and forget them."""
        wanted, self._correctives = self._correctives, []
        return [corrective for corrective in wanted if corrective.order.final is None]


def is_older_leg(venue_order_id: str, than: str | None) -> bool:
    """Tell by their numbers, which the venue counts up, which of two legs came first."""
    if than is None or not (venue_order_id.isdecimal() and than.isdecimal()):
        return False
    return int(venue_order_id) < int(than)
