"""What a dispatch is told, how venues differ, and what it answers; see `dispatch`."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from enum import Enum

from ..model.enums import OrderType
from ..model.reports import FillReport, OrderStatusReport
from .fills import FillKey

__all__ = ["DispatchRules", "OrderRow", "Outcome", "is_older", "trade_id_of", "trade_of_order"]


class Outcome(Enum):
    """What became of a row or fill."""

    TRACKED = "tracked"  # ours: turned into events, possibly none
    EXTERNAL = "external"  # not ours: handed on as it is
    SKIP = "skip"  # stale, repeated, or of an order that is over


@dataclass(slots=True)
class OrderRow:
    """A venue's row about one order, in our words.

    Attributes
    ----------
    report : OrderStatusReport
        The state. A terminal status is believed; `filled_size` is only compared.
    client_key : hashable or None
        What the venue echoes of our client order id.
    sequence : tuple of int
        Orders rows of one order by age, first member first; a zero is "not known". () if the
        venue numbers nothing.
    is_triggered : bool
        The row shows that the trigger was reached.
    due_post_only : bool
        With REJECTED: because it would have taken.
    """

    report: OrderStatusReport
    client_key: Hashable | None = None
    sequence: tuple[int, ...] = ()
    is_triggered: bool = False
    due_post_only: bool = False


def is_older(sequence: tuple[int, ...], than: tuple[int, ...]) -> bool:
    """Tell whether a row is older; members that either does not know do not count."""
    for mine, theirs in zip(sequence, than, strict=False):
        if mine and theirs and mine != theirs:
            return mine < theirs
    return False


def trade_id_of(report: FillReport) -> FillKey:
    return report.trade_id


def trade_of_order(report: FillReport) -> FillKey:
    """Return what makes a fill one fill where both orders of a trade may be of one account."""
    return report.trade_id, report.venue_order_id


@dataclass(frozen=True, slots=True)
class DispatchRules:
    """Where venues differ.

    Attributes
    ----------
    fill_key : callable
        What makes a trade one trade; the trade id unless the venue reuses ids.
    announces_trigger : frozenset of OrderType
        Types for which `OrderTriggered` is emitted.
    rows_reshape : bool
        A row with another size, price or trigger price makes `OrderUpdated`. False where
        only a replacement does.
    late_fills_are_events : bool
        A fill after the final event is an `OrderFilled` all the same. False: it goes to
        `on_late_fill`, once.
    announces_pending : bool
        `OrderPendingCancel` and `OrderPendingUpdate` are emitted.
    reject_reason : str
        For a refusal without one.
    refuses_accepted : bool
        An order that was accepted, and never filled, can still be refused. False: a row that says
        so ends it as canceled.
    """

    fill_key: Callable[[FillReport], FillKey] = trade_id_of
    announces_trigger: frozenset[OrderType] = field(
        default_factory=lambda: frozenset(t for t in OrderType if t.has_trigger)
    )
    rows_reshape: bool = True
    late_fills_are_events: bool = True
    announces_pending: bool = False
    reject_reason: str = "order rejected by the venue"
    refuses_accepted: bool = False
