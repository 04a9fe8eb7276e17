"""What became of a command, told to the order it was for (section 2.12).

==========  =========================  ============================  ============================
outcome     new order                  cancel                        modification
==========  =========================  ============================  ============================
taken       accepted, or (waiting for  look up if no cancel comes    the leg it names is promoted
            a parent) nothing
refused     Rejected                   CancelRejected, which says    ModifyRejected, and Canceled
                                       nothing about the order       if its cancel had come
not sent    Denied, or Rejected        CancelRejected                ModifyRejected
            after Submitted
unknown     nothing; look up           nothing; look up              the marker stays; look up
==========  =========================  ============================  ============================
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from decimal import Decimal, InvalidOperation

from ..execution.dispatch import OrderRow
from ..execution.identity import TrackedOrder
from ..execution.legs import LegDispatch
from ..execution.lifecycle import Doubt
from ..execution.lookups import Why
from ..execution.sending import Command, Kind
from ..model.enums import OrderStatus
from ..model.reports import OrderStatusReport
from ..net.clock import NS_PER_MS
from .config import AcceptSource, Config
from .lines import Line
from .recovery import Recovery
from .replies import Refusal, RefusalKind, State, Taken

__all__ = ["Outcomes"]

log = logging.getLogger("connectors.hyperliquid")

_DOUBTS = {
    Kind.CREATE: (Doubt.CREATE, Why.CREATE_IN_DOUBT),
    Kind.CANCEL: (Doubt.CANCEL, Why.CANCEL_IN_DOUBT),
    Kind.MODIFY: (Doubt.MODIFY, Why.MODIFY_IN_DOUBT),
}
_GONE = (RefusalKind.NOT_FOUND, RefusalKind.NOT_MODIFIABLE)


class Outcomes:
    """Tells orders what became of their commands.

    Parameters
    ----------
    dispatch : LegDispatch
    config : Config
    wall_ns : callable
        Unix time in ns.
    on_problem : callable
        For what concerns no order alone.
    """

    def __init__(
        self,
        dispatch: LegDispatch,
        *,
        config: Config,
        wall_ns: Callable[[], int],
        on_problem: Callable[[str, int | str | None], None],
    ) -> None:
        self._dispatch = dispatch
        self._wall_ns = wall_ns
        self._on_problem = on_problem
        self._accepts_replies = config.accept_source is AcceptSource.FIRST
        self._delays_s = {
            Kind.CREATE: config.submit_unresolved_ms / 1_000,
            Kind.CANCEL: config.cancel_unresolved_ms / 1_000,
            Kind.MODIFY: config.modify_unresolved_ms / 1_000,
        }
        self.recovery: Recovery | None = None

    # -- of the sender -----------------------------------------------------------------

    def tx_sent(self, command: Command) -> None:
        """Take note that the bytes are out."""
        order = command.subject
        line = order.tag
        if isinstance(line, Line):
            line.commands[command.kind] = command
        if command.kind is Kind.CREATE:
            order.expires_at = command.expires_ms * NS_PER_MS or None
            if not order.is_submitted and not order.is_final:
                self._dispatch.submitted(order)
        elif command.kind is Kind.MODIFY:
            if self.recovery is not None:  # the one before it is settled
                self.recovery.done(order, Why.MODIFY_UNSEEN)
                self.recovery.done(order, Why.MODIFY_IN_DOUBT)
            self._ask(command, Why.MODIFY_UNSEEN)

    def tx_accepted(self, command: Command, taken: Taken) -> None:
        """Take what the reply says; fills come on the stream, never from here."""
        order = command.subject
        if order.client_order_id not in self._dispatch.registry:
            return
        if command.kind is Kind.CREATE:
            self._created(command, order, taken)
        elif command.kind is Kind.MODIFY:
            self._replaced(order, taken)
        elif not order.is_final:
            order.doubt &= ~Doubt.CANCEL
            self._ask(command, Why.CANCEL_UNSEEN)

    def _created(self, command: Command, order: TrackedOrder, taken: Taken) -> None:
        order.doubt &= ~Doubt.CREATE
        if taken.venue_order_id is None:
            if isinstance(order.tag, Line):
                order.tag.is_waiting = True
            return
        if self._accepts_replies:
            self._dispatch.status(self._row(order, taken.venue_order_id, taken))
            self._note_missing(order)
        elif not order.is_accepted:
            self._ask(command, Why.CREATE_UNSEEN)

    def _replaced(self, order: TrackedOrder, taken: Taken) -> None:
        self._tell_leg(order, taken)
        self._settled(order)

    def _settled(self, order: TrackedOrder) -> None:
        """Want no look-up of a modification that is settled."""
        if self.recovery is not None and self._dispatch.marker(order) is None:
            self.recovery.done(order, Why.MODIFY_UNSEEN)

    def _tell_leg(self, order: TrackedOrder, taken: Taken) -> None:
        if taken.venue_order_id is None:
            return  # the stream tells, or the look-up that is wanted already
        now = self._wall_ns()
        self._dispatch.replaced(order, taken.venue_order_id, ts_event=now, ts_init=now)
        if not order.is_final and taken.venue_order_id == order.venue_order_id:
            self._dispatch.status(self._row(order, taken.venue_order_id, taken))
            self._note_missing(order)

    def _row(self, order: TrackedOrder, venue_order_id: str, taken: Taken) -> OrderRow:
        now = self._wall_ns()
        filled = _decimal(taken.filled_size) if taken.state is State.FILLED else Decimal(0)
        return OrderRow(
            OrderStatusReport(
                instrument_id=order.instrument_id,
                client_order_id=order.client_order_id,
                venue_order_id=venue_order_id,
                side=order.side,
                order_type=order.order_type,
                status=OrderStatus.ACCEPTED,
                size=order.size,
                filled_size=filled,
                ts_last=now,
                ts_init=now,
            ),
            client_key=order.client_key,
        )

    def tx_refused(self, command: Command, refusal: Refusal) -> None:
        """Tell the order of the refusal."""
        order = command.subject
        if command.kind is Kind.MODIFY:
            if self._is_current(command):
                self._dispatch.replace_refused(
                    order, refusal.text, code=refusal.code, row_may_follow=True
                )
            self._settled(order)
        else:
            self._refuse(command, refusal.text, refusal.code, due_post_only=refusal.due_post_only)
        is_odd = refusal.code in _GONE or command.kind is Kind.CREATE
        if is_odd and order.is_accepted and not order.is_final:
            self._ask(command, Why.ABSENT, in_s=0.0)

    def tx_not_sent(self, command: Command, error: Exception) -> None:
        """Tell the order that nothing left."""
        order = command.subject
        if command.kind is Kind.CREATE and not order.is_submitted:
            self._dispatch.denied(order, f"not sent: {error}")
            return
        if command.kind is Kind.MODIFY and self._dispatch.corrective_not_sent(order):
            return  # the leg is still too big: it goes out when something can
        self._refuse(command, f"not sent: {error}", None)

    def tx_unknown(self, command: Command, why: str) -> None:
        """Leave the order in doubt and find out."""
        order = command.subject
        log.warning(
            "venue=HYPERLIQUID %s of %s: outcome unknown (%s)",
            command.kind.value,
            order.client_order_id,
            why,
        )
        doubt, reason = _DOUBTS[command.kind]
        if command.kind is Kind.MODIFY and not self._is_current(command):
            return  # the stream has told
        if order.client_order_id not in self._dispatch.registry:
            text = f"{command.kind.value} of {order.client_order_id}: outcome unknown ({why})"
            self._on_problem(text, None)
        elif not order.is_final:
            self._dispatch.in_doubt(order, doubt)
            if order.doubt & doubt:
                self._ask(command, reason)
                if self.recovery is not None:
                    self.recovery.done(order, Why.MODIFY_UNSEEN)  # one look-up is enough

    def send_problem(self, message: str, code: int | str | None) -> None:
        """Pass on what concerns sending as such."""
        log.error("venue=HYPERLIQUID %s (code=%s)", message, code)
        self._on_problem(message, code)

    # -- inside ------------------------------------------------------------------------

    def _is_current(self, command: Command) -> bool:
        """Whether a modification is the one whose outcome its order waits for."""
        order = command.subject
        line = order.tag
        return (
            isinstance(line, Line)
            and line.commands.get(Kind.MODIFY) is command
            and self._dispatch.marker(order) is not None
        )

    def _ask(self, command: Command, why: Why, *, in_s: float | None = None) -> None:
        order = command.subject
        if self.recovery is None or order.client_order_id not in self._dispatch.registry:
            return
        delay_s = self._delays_s[command.kind] if in_s is None else in_s
        expires_at = command.expires_ms * NS_PER_MS or None
        self.recovery.ask(order, why, in_s=delay_s, expires_at=expires_at)

    def _note_missing(self, order: TrackedOrder) -> None:
        if self.recovery is not None:
            self.recovery.note_missing(order, in_s=self._delays_s[Kind.CREATE])

    def _refuse(
        self,
        command: Command,
        reason: str,
        code: int | str | None,
        *,
        due_post_only: bool = False,
    ) -> None:
        order = command.subject
        if command.kind is Kind.CREATE:
            self._dispatch.rejected(order, reason, code=code, due_post_only=due_post_only)
        elif command.kind is Kind.MODIFY:
            self._dispatch.modify_refused(order, reason, code=code)
        elif not self._dispatch.cancel_refused(order, reason, code=code):
            log.info("venue=HYPERLIQUID cancel of %s: %s", order.client_order_id, reason)


def _decimal(text: str | None) -> Decimal:
    try:
        found = Decimal(text or 0)
    except InvalidOperation:
        return Decimal(0)
    return found if found.is_finite() else Decimal(0)
