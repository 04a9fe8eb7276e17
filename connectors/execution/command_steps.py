"""What a client knows about the commands it sent: refused, done, or in doubt."""

from __future__ import annotations

from .._speedups.records import RecordMaker
from ..model.order_events import (
    OrderCancelRejected,
    OrderDenied,
    OrderModifyRejected,
    OrderPendingCancel,
    OrderPendingUpdate,
    OrderSubmitted,
)
from .identity import Shape, TrackedOrder
from .lifecycle import Doubt, OrderState
from .order_steps import OrderSteps, about

__all__ = ["CommandSteps"]

_submitted = RecordMaker(OrderSubmitted)  # by position: it is made before the bytes go out


class CommandSteps(OrderSteps):
    """The half of a dispatch that the venue's client tells of its own commands."""

    def submitted(self, order: TrackedOrder, *, ts_event: int | None = None) -> None:
        """The creation is about to be handed to the transport."""
        order.is_submitted = True
        now = self._wall_ns()
        order.ts_submitted = order.ts_submitted or now
        self.emit(
            _submitted(
                order.instrument_id,
                order.client_order_id,
                None,
                now if ts_event is None else ts_event,
                now,
            )
        )

    def denied(self, order: TrackedOrder, reason: str) -> None:
        """We refuse it ourselves; nothing was sent. Right also for an order not registered."""
        now = self._wall_ns()
        self._end(order, OrderState.DENIED)
        self.emit(
            OrderDenied(
                instrument_id=order.instrument_id,
                client_order_id=order.client_order_id,
                ts_event=now,
                ts_init=now,
                reason=reason,
            )
        )

    def rejected(
        self,
        order: TrackedOrder,
        reason: str,
        *,
        code: int | str | None = None,
        due_post_only: bool = False,
        ts_event: int | None = None,
    ) -> bool:
        """The venue refused the creation. False, and no event, if it had been accepted or is over.

        Call it only on evidence; for a time-out or lost connection there is `in_doubt`.
        """
        if order.final is not None:
            return False
        if order.is_accepted:
            self._contradiction(order, f"refused ({reason}) after it was accepted")
            return False
        now = self._wall_ns()
        self._reject(order, reason, code, due_post_only, now if ts_event is None else ts_event, now)
        return True

    def cancel_sent(self, order: TrackedOrder) -> None:
        """A single cancel is about to be sent: its refusal will be told."""
        if order.final is not None:
            return
        order.is_pending_cancel = True
        if self.rules.announces_pending and order.is_accepted:
            now = self._wall_ns()
            self.emit(OrderPendingCancel(**about(order), ts_event=now, ts_init=now))

    def cancel_refused(
        self,
        order: TrackedOrder,
        reason: str,
        *,
        code: int | str | None = None,
        force: bool = False,
    ) -> bool:
        """A cancel was refused. An event only if it is pending (or `force`) and not over."""
        told = order.is_pending_cancel or force
        order.is_pending_cancel = False
        order.doubt &= ~Doubt.CANCEL
        if not told or order.final is not None:
            return False
        now = self._wall_ns()
        self.emit(
            OrderCancelRejected(**about(order), ts_event=now, ts_init=now, reason=reason, code=code)
        )
        return True

    def modify_sent(self, order: TrackedOrder, requested: Shape) -> None:
        """A modification to `requested` (all absolute) is about to be sent."""
        if order.final is not None:
            return
        order.requested = requested
        if self.rules.announces_pending and order.is_accepted:
            now = self._wall_ns()
            self.emit(OrderPendingUpdate(**about(order), ts_event=now, ts_init=now))

    def modify_refused(
        self,
        order: TrackedOrder,
        reason: str,
        *,
        code: int | str | None = None,
        requested: Shape | None = None,
    ) -> bool:
        """A modification was refused: the order goes on as it was. No event if it is over.

        `requested` is what it asked for: one sent after it stays pending. None: there is none.
        """
        if requested is None or order.requested == requested:
            order.requested = None
            order.doubt &= ~Doubt.MODIFY
        if order.final is not None:
            return False
        self.modify_denied(order, reason, code=code)
        self._end_if_filled(order)
        return True

    def modify_denied(
        self, order: TrackedOrder, reason: str, *, code: int | str | None = None
    ) -> None:
        """Tell that a modification will not be sent. One on its way is not touched."""
        now = self._wall_ns()
        self.emit(
            OrderModifyRejected(**about(order), ts_event=now, ts_init=now, reason=reason, code=code)
        )

    def modify_done(self, order: TrackedOrder) -> None:
        """Nothing more is to be expected of a modification: it changed nothing, or was given up."""
        order.requested = None
        order.doubt &= ~Doubt.MODIFY
        self._end_if_filled(order)

    def in_doubt(self, order: TrackedOrder, command: Doubt) -> None:
        """Nobody knows whether the venue has this command. No event: look it up.

        A creation in doubt of an order that was accepted meanwhile is no doubt.
        """
        if order.final is None and not (command is Doubt.CREATE and order.is_accepted):
            order.doubt |= command

    def not_found(self, order: TrackedOrder, reason: str = "not found at venue") -> bool:
        """The venue does not have the order and can no longer get it: Rejected."""
        return self.rejected(order, reason)
