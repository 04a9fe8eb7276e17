"""What rows say of the legs of an order; see `legs`, which says what a leg is."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from decimal import Decimal

from ..model.enums import OrderStatus
from ..model.reports import OrderStatusReport
from .dispatch import OrderDispatch, OrderRow, Outcome
from .identity import TrackedOrder
from .leg_state import Legs, is_older_leg
from .lifecycle import OrderState

__all__ = ["LegRows"]

_ZERO = Decimal(0)


class LegRows(OrderDispatch):
    """The rows of orders that are modified by cancel-replace."""

    _legs: dict[str, Legs]

    @abstractmethod
    def replace_refused(
        self,
        order: TrackedOrder,
        reason: str,
        *,
        code: int | str | None = None,
        row_may_follow: bool = False,
    ) -> None:
        """The modification failed for certain."""

    @abstractmethod
    def _promote_by_row(self, order: TrackedOrder, report: OrderStatusReport) -> bool:
        """Bind the order to the leg of a row; False if it cannot be."""

    def _legs_of(self, order: TrackedOrder) -> Legs:
        return self._legs.setdefault(order.client_order_id, Legs())

    def _apply(self, order: TrackedOrder, row: OrderRow) -> Outcome:
        legs = self._legs.get(order.client_order_id)
        if legs is not None and row.report.venue_order_id in legs.retired:
            return Outcome.SKIP
        return super()._apply(order, row)

    def _on_open(self, order: TrackedOrder, row: OrderRow) -> Outcome:
        report = row.report
        if report.status is OrderStatus.PARTIALLY_FILLED:
            return Outcome.TRACKED
        if order.is_accepted and order.venue_order_id != report.venue_order_id:
            return Outcome.TRACKED if self._promote_by_row(order, report) else Outcome.SKIP
        self._accept(order, report.venue_order_id, report.ts_last, report.ts_init)
        if row.is_triggered:
            self._on_triggered(order, report)
        if report.price is not None:
            order.price = report.price
        if report.filled_size:
            self._note_filled(order, report)
        return Outcome.TRACKED

    def _on_triggered(self, order: TrackedOrder, report: OrderStatusReport) -> None:
        legs = self._legs_of(order)
        legs.is_fired = True
        super()._on_triggered(order, report)
        if legs.early is not None:  # its end was told first
            self._follow_fired(order, legs.early)

    def _may_be_fired(self, order: TrackedOrder) -> bool:
        """Tell whether a refused leg can be what a trigger set off, and no replacement.

        One with a price rests then, and must not be ended by the row of a replacement; nor may a
        row be taken that a refusal in a reply has announced.
        """
        legs = self._legs.get(order.client_order_id)
        return (
            legs is not None
            and legs.is_fired
            and legs.marker is None
            and not legs.owed
            and not order.order_type.has_price
        )

    def _follow_fired(self, order: TrackedOrder, report: OrderStatusReport) -> None:
        """Promote the leg of a trigger that fired, of which the first that is heard is its end."""
        legs = self._legs.get(order.client_order_id)
        if (
            legs is not None
            and legs.is_fired
            and legs.marker is None
            and order.is_accepted
            and report.venue_order_id != order.venue_order_id
            and not is_older_leg(report.venue_order_id, order.venue_order_id)
        ):
            self._promote_by_row(order, report)

    def _on_canceled(self, order: TrackedOrder, row: OrderRow) -> Outcome:
        report = row.report
        self._follow_fired(order, report)
        if order.is_accepted and order.venue_order_id != report.venue_order_id:
            self._legs_of(order).early = report
            return Outcome.SKIP
        legs = self._legs.get(order.client_order_id)
        if legs is not None and legs.marker == report.venue_order_id:
            legs.suppressed_cancel = report
            return Outcome.SKIP
        self._cancel_by(order, report)
        return Outcome.TRACKED

    def _on_rejected(self, order: TrackedOrder, row: OrderRow) -> Outcome:
        report = row.report
        reason = report.reason or self.rules.reject_reason
        legs = self._legs.get(order.client_order_id)
        if self._may_be_fired(order):
            self._follow_fired(order, report)
        is_new_leg = order.is_accepted and order.venue_order_id != report.venue_order_id
        if is_new_leg:
            if legs is not None and legs.marker is None and legs.owed:
                legs.owed -= 1
                legs.retired.append(report.venue_order_id)
                return Outcome.SKIP
            if legs is None or legs.marker is None:
                return Outcome.SKIP  # of a replacement that failed, as a reply has told
            if is_older_leg(report.venue_order_id, order.venue_order_id):
                return Outcome.SKIP  # of one before the present leg
            legs.retired.append(report.venue_order_id)  # the row may come again
            if legs.owed:
                legs.owed -= 1
                return Outcome.SKIP
            self.replace_refused(order, reason)
        elif order.filled_size or report.filled_size:
            self._cancel_by(order, replace(report, reason=reason))
        else:
            self._reject(order, reason, None, row.due_post_only, report.ts_last, report.ts_init)
        return Outcome.TRACKED

    def _on_filled(self, order: TrackedOrder, row: OrderRow) -> Outcome:
        report = row.report
        self._follow_fired(order, report)
        legs = self._legs.get(order.client_order_id)
        if (
            legs is not None
            and legs.marker is not None
            and legs.held
            and report.venue_order_id != order.venue_order_id
        ):
            self._promote_by_row(order, report)
        elif order.is_accepted and order.venue_order_id != report.venue_order_id:
            self._legs_of(order).early = report
        if order.final is None:
            self._note_filled(order, report)
        is_sized = bool(report.size) or (legs is not None and legs.is_sized_by_venue)
        if order.final is None and report.venue_order_id == order.venue_order_id and is_sized:
            # A leg can be smaller than was asked for: the venue shrinks what only reduces.
            self._legs_of(order).ending = report
            self._try_ending(order)
        return Outcome.TRACKED

    def _try_ending(self, order: TrackedOrder) -> None:
        """End an order whose row said so, if the fills that it spoke of are here."""
        legs = self._legs.get(order.client_order_id)
        if legs is None or legs.ending is None or order.final is not None:
            return
        ending = legs.ending
        is_filled = ending.status is OrderStatus.FILLED
        filled = order.filled_size - legs.base
        if filled < (ending.size if is_filled else ending.filled_size):
            return
        if is_filled and not filled:
            return  # the row does not say how much
        if not is_filled:
            self._end_by(order, ending)
        elif legs.marker is None:
            self._end(order, OrderState.FILLED)

    def _note_filled(self, order: TrackedOrder, report: OrderStatusReport) -> None:
        """Compare with the fills that came; a row counts those of its own leg only."""
        if order.venue_order_id not in (None, report.venue_order_id):
            return
        filled = report.filled_size
        if report.status is OrderStatus.FILLED and not filled:
            filled = report.size
        self._expect_filled(order, self._base(order) + filled)

    def _base(self, order: TrackedOrder) -> Decimal:
        legs = self._legs.get(order.client_order_id)
        return legs.base if legs is not None else _ZERO

    def _cancel_by(self, order: TrackedOrder, report: OrderStatusReport) -> None:
        """End an order that was canceled, or have it end when all of its fills are here."""
        if report.filled_size <= order.filled_size - self._base(order):
            self._end_by(order, report)
            return
        self._accept(order, report.venue_order_id, report.ts_last, report.ts_init)
        if order.final is None:
            self._legs_of(order).ending = report
            self._note_filled(order, report)

    def _end_by(self, order: TrackedOrder, report: OrderStatusReport) -> None:
        legs = self._legs.get(order.client_order_id)
        reason = report.reason or (None if legs is None else legs.excess)
        self._cancel(order, report.venue_order_id, reason, report.ts_last, report.ts_init)
