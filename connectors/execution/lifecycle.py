"""The states of an order and the steps between them.

::

    INITIALIZED -> DENIED
        |
    SUBMITTED <-> UNKNOWN        UNKNOWN: sent, and nobody knows whether the venue has it
        |             |
        +-> REJECTED <+
        |             |
    ACCEPTED -> TRIGGERED -> PARTIALLY_FILLED        in this direction only
        |            |              |
        +-> PENDING_UPDATE, PENDING_CANCEL           and back when refused or done
        |            |              |
        +-> FILLED, CANCELED, EXPIRED                final

An order is UNKNOWN only while its creation is in doubt. A cancel or modification in doubt
leaves the order what it is, with the doubt noted (`Doubt`).
"""

from __future__ import annotations

from enum import Flag, StrEnum, auto

from ..model.enums import OrderStatus

__all__ = ["LEGAL_STEPS", "Doubt", "OrderState"]


class OrderState(StrEnum):
    """Where an order of ours stands."""

    INITIALIZED = "INITIALIZED"
    SUBMITTED = "SUBMITTED"
    UNKNOWN = "UNKNOWN"
    ACCEPTED = "ACCEPTED"
    TRIGGERED = "TRIGGERED"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    PENDING_UPDATE = "PENDING_UPDATE"
    PENDING_CANCEL = "PENDING_CANCEL"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"
    DENIED = "DENIED"

    @property
    def status(self) -> OrderStatus:
        """The same in the vocabulary, which calls an order in doubt submitted."""
        if self is OrderState.UNKNOWN:
            return OrderStatus.SUBMITTED
        return OrderStatus(self.value)

    @property
    def is_final(self) -> bool:
        """Whether nothing but a late fill can happen to the order any more."""
        return self in _FINAL

    @property
    def is_working(self) -> bool:
        """Whether the venue has the order and may fill it."""
        return self in _WORKING


_FINAL = frozenset(
    {
        OrderState.FILLED,
        OrderState.CANCELED,
        OrderState.EXPIRED,
        OrderState.REJECTED,
        OrderState.DENIED,
    }
)
_WORKING = frozenset(
    {
        OrderState.ACCEPTED,
        OrderState.TRIGGERED,
        OrderState.PARTIALLY_FILLED,
        OrderState.PENDING_UPDATE,
        OrderState.PENDING_CANCEL,
    }
)
_ENDS = frozenset({OrderState.FILLED, OrderState.CANCELED, OrderState.EXPIRED})

# PENDING_* also go back to where they came from; FILLED may still grow by an overfill.
LEGAL_STEPS: dict[OrderState, frozenset[OrderState]] = {
    OrderState.INITIALIZED: frozenset({OrderState.SUBMITTED, OrderState.DENIED}),
    OrderState.SUBMITTED: frozenset({OrderState.UNKNOWN, OrderState.ACCEPTED, OrderState.REJECTED}),
    OrderState.UNKNOWN: frozenset({OrderState.SUBMITTED, OrderState.ACCEPTED, OrderState.REJECTED}),
    # Where modifying replaces the order, a venue may refuse what it had accepted (`legs`).
    OrderState.ACCEPTED: (_WORKING | _ENDS | {OrderState.REJECTED}) - {OrderState.ACCEPTED},
    OrderState.TRIGGERED: (_WORKING | _ENDS) - {OrderState.ACCEPTED, OrderState.TRIGGERED},
    OrderState.PARTIALLY_FILLED: frozenset(
        {OrderState.PENDING_UPDATE, OrderState.PENDING_CANCEL} | _ENDS
    ),
    OrderState.PENDING_UPDATE: (_WORKING | _ENDS) - {OrderState.PENDING_UPDATE},
    OrderState.PENDING_CANCEL: (_WORKING | _ENDS) - {OrderState.PENDING_CANCEL},
    OrderState.FILLED: frozenset(),
    OrderState.CANCELED: frozenset(),
    OrderState.EXPIRED: frozenset(),
    OrderState.REJECTED: frozenset(),
    OrderState.DENIED: frozenset(),
}


class Doubt(Flag):
    """Which commands of an order were sent without anybody knowing what became of them."""

    NONE = 0
    CREATE = auto()
    CANCEL = auto()
    MODIFY = auto()
