"""Two ways out: what concerns an order of ours becomes order events, the rest reports.

Rows (states of orders) and fills (trades) come from several streams and from REST, in any
order, repeated, some of them old. What goes out obeys, per order of ours:

* `OrderAccepted` exactly once, before any trigger, fill, cancel or expiry: if the row that
  would have made it has not come, what came instead makes it;
* exactly one final event; a repeated final row makes nothing;
* every trade exactly once, also after the final event;
* a row older than the last one applied makes nothing.

**When a callback raises.** An event counts as delivered when the callback is entered. State and
marks are set before that, so an event is never delivered twice; what the callback raises goes to
`on_error` and nothing else is affected.

The venue's client reports here too what it knows about its own commands (sent, refused, in
doubt), so that one object holds the whole truth about an order.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable
from decimal import Decimal
from typing import Any, TypeAlias, TypedDict

from .._speedups.fills import DirectFills, order_filled
from .._speedups.records import RecordMaker
from ..model.enums import OrderStatus
from ..model.order_events import (
    OrderAccepted,
    OrderCanceled,
    OrderCancelRejected,
    OrderDenied,
    OrderEvent,
    OrderExpired,
    OrderModifyRejected,
    OrderPendingCancel,
    OrderPendingUpdate,
    OrderRejected,
    OrderSubmitted,
    OrderTriggered,
    OrderUpdated,
)
from ..model.reports import FillReport, OrderStatusReport
from .dispatch_rules import (
    DispatchRules,
    OrderRow,
    Outcome,
    is_older,
    trade_id_of,
    trade_of_order,
)
from .fills import FillKey, SeenFills
from .identity import OrderRegistry, Shape, TrackedOrder
from .lifecycle import Doubt, OrderState

__all__ = [
    "DispatchRules",
    "OrderDispatch",
    "OrderRow",
    "Outcome",
    "Report",
    "is_older",
    "trade_of_order",
]

_log = logging.getLogger("connectors.execution.dispatch")

Report: TypeAlias = OrderStatusReport | FillReport
_ZERO = Decimal(0)
_submitted = RecordMaker(OrderSubmitted)  # by position: it is made before the bytes go out


class OrderDispatch:
    """Turns rows and fills into events and reports.

    Loop-affine, not thread-safe; `status` and `fill` never raise over what a row says.

    Parameters
    ----------
    registry : OrderRegistry
        Which orders are ours.
    on_event : callable
        Receives the order events, in the call.
    on_report : callable, optional
        Receives rows and fills of orders that are not ours. A fill comes here once.
    wall_ns : callable
        Unix time in ns, for events that no row dates.
    on_late_fill : callable, optional
        See `DispatchRules.late_fills_are_events`.
    on_error : callable, optional
        `on_error(what, error)` when a callback raised; the default logs it.
    fills : SeenFills, optional
        To share the memory of trades.

    Attributes
    ----------
    direct : DirectFills or None
        The compiled way of fills about which there is nothing to decide; what it refuses goes to
        `fill`. None where the rules have a `fill_key` of their own.
    stale_rows, contradictions, callback_errors :
        Counters that only grow. A contradiction is a row or refusal that cannot be true
        together with what was said before, such as life in an order that was refused.
    """

    def __init__(
        self,
        registry: OrderRegistry,
        *,
        on_event: Callable[[OrderEvent], object],
        wall_ns: Callable[[], int],
        on_report: Callable[[Report], object] | None = None,
        on_late_fill: Callable[[FillReport, TrackedOrder], object] | None = None,
        on_error: Callable[[object, Exception], object] | None = None,
        rules: DispatchRules | None = None,
        fills: SeenFills | None = None,
    ) -> None:
        self.registry = registry
        self.rules = rules if rules is not None else DispatchRules()
        self.fills = fills if fills is not None else SeenFills()
        self._on_event = on_event
        self._on_report = on_report
        self._on_late_fill = on_late_fill
        self._on_error = on_error
        self._wall_ns = wall_ns
        self._fill_key = self.rules.fill_key
        self._missing: dict[str, TrackedOrder] = {}
        self.direct = self._make_direct()
        self.stale_rows = 0
        self.contradictions = 0
        self.callback_errors = 0

    # -- what the venue says ------------------------------------------------------------

    def status(self, row: OrderRow) -> Outcome:
        """Take one row."""
        report = row.report
        order = self.registry.find(
            client_order_id=report.client_order_id,
            client_key=row.client_key,
            venue_order_id=report.venue_order_id,
        )
        if order is None:
            self._hand_on(report)
            return Outcome.EXTERNAL
        if is_older(row.sequence, order.sequence):
            self.stale_rows += 1
            return Outcome.SKIP
        if order.final is not None:
            self._after_the_end(order, row)
            return Outcome.SKIP
        outcome = self._apply(order, row)
        if outcome is Outcome.TRACKED and row.sequence:
            order.sequence = row.sequence
        return outcome

    def answer(self, row: OrderRow) -> Outcome:
        """Take a row that somebody asked for: it may be older than what the streams told."""
        return self.status(row)

    def fill(self, report: FillReport, *, client_key: Hashable | None = None) -> Outcome:
        """Take one trade."""
        registry = self.registry
        order = registry.by_client_id(report.client_order_id)
        if order is None:
            order = registry.find(client_key=client_key, venue_order_id=report.venue_order_id)
        key = self._fill_key(report)
        if not self.fills.is_new(key):
            is_live = order is not None and order.final is None
            return Outcome.TRACKED if is_live else Outcome.SKIP
        if order is None:
            self.fills.mark(key)
            self._hand_on(report)
            return Outcome.EXTERNAL
        if order.final is not None and not self.rules.late_fills_are_events:
            self._hand_late(order, report, key)
            return Outcome.SKIP
        return self._fill(order, report, key)

    def knows_fill(self, report: FillReport) -> bool:
        """Tell whether a trade was handed out, or remembered, before."""
        return self._fill_key(report) in self.fills

    def remember_fill(self, report: FillReport) -> None:
        """Note a trade that nobody wants to be told of: it is no news from now on."""
        key = self._fill_key(report)
        if key not in self.fills:
            self.fills.mark(key)

    def _go_the_long_way(self) -> dict[str, Any] | None:
        """Return the table of client order ids whose fills need more than this class does."""
        return None

    def _make_direct(self) -> DirectFills | None:
        if self._fill_key not in (trade_id_of, trade_of_order):
            return None
        by_key, by_venue_id = self.registry.tables
        return DirectFills(
            by_key,
            by_venue_id,
            self._missing,
            self.fills,
            on_event=self._on_event,
            on_error=self._report_error,
            end=self._end_filled,
            aside=self._go_the_long_way(),
            with_order=self._fill_key is trade_of_order,
        )

    # -- what the client knows about its commands ---------------------------------------

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
            self.emit(OrderPendingCancel(**_about(order), ts_event=now, ts_init=now))

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
            OrderCancelRejected(
                **_about(order), ts_event=now, ts_init=now, reason=reason, code=code
            )
        )
        return True

    def modify_sent(self, order: TrackedOrder, requested: Shape) -> None:
        """A modification to `requested` (all absolute) is about to be sent."""
        if order.final is not None:
            return
        order.requested = requested
        if self.rules.announces_pending and order.is_accepted:
            now = self._wall_ns()
            self.emit(OrderPendingUpdate(**_about(order), ts_event=now, ts_init=now))

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
            OrderModifyRejected(
                **_about(order), ts_event=now, ts_init=now, reason=reason, code=code
            )
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

    # -- fills that rows speak of and nobody brought ------------------------------------

    def missing_fills(self, now_ns: int, *, after_ns: int = 2_000_000_000) -> list[TrackedOrder]:
        """Return the orders whose rows have shown more filled than came, for that long.

        `now_ns` is Unix time, as `wall_ns` gives it. Fetch their trades and hand them to
        `fill`; then `stop_missing` for those that stay.
        """
        return [
            order
            for order in self._missing.values()
            if order.missing_since_ns is not None and now_ns - order.missing_since_ns >= after_ns
        ]

    def stop_missing(self, order: TrackedOrder) -> None:
        """Expect no more fills of an order than have come."""
        order.missing_since_ns = None
        order.reported_filled = order.filled_size
        self._missing.pop(order.client_order_id, None)

    # -- events -------------------------------------------------------------------------

    def emit(self, event: OrderEvent) -> None:
        """Deliver an event; what the callback raises goes to `on_error`."""
        try:
            self._on_event(event)
        except Exception as error:  # noqa: BLE001 - a caller's callback
            self._report_error(event, error)

    # -- rows, by status ----------------------------------------------------------------

    def _apply(self, order: TrackedOrder, row: OrderRow) -> Outcome:
        report = row.report
        status = report.status
        if status is OrderStatus.REJECTED:
            return self._on_rejected(order, row)
        if status is OrderStatus.CANCELED:
            return self._on_canceled(order, row)
        if status is OrderStatus.EXPIRED:
            return self._on_expired(order, row)
        if status is OrderStatus.FILLED:
            return self._on_filled(order, row)
        if status is OrderStatus.SUBMITTED:
            order.doubt &= ~Doubt.CREATE  # the venue has it, if not yet in its book
            return Outcome.TRACKED
        if status in _OPEN:
            return self._on_open(order, row)
        if status is OrderStatus.TRIGGERED:
            self._on_triggered(order, report)
        return Outcome.TRACKED

    def _on_open(self, order: TrackedOrder, row: OrderRow) -> Outcome:
        report = row.report
        self._accept(order, report.venue_order_id, report.ts_last, report.ts_init)
        if row.is_triggered:
            self._on_triggered(order, report)
        self._reshape(order, report)
        self._note_filled(order, report)
        return Outcome.TRACKED

    def _on_triggered(self, order: TrackedOrder, report: OrderStatusReport) -> None:
        if order.order_type not in self.rules.announces_trigger or order.is_triggered:
            return
        self._accept(order, report.venue_order_id, report.ts_last, report.ts_init)
        order.is_triggered = True
        self.emit(OrderTriggered(**_about(order), ts_event=report.ts_last, ts_init=report.ts_init))

    def _on_filled(self, order: TrackedOrder, row: OrderRow) -> Outcome:
        """The row alone makes no fill: trades do. It tells how many there must be."""
        report = row.report
        order.doubt &= ~Doubt.CREATE
        if order.venue_order_id is None and report.venue_order_id:
            self.registry.bind(order, report.venue_order_id)  # its trades are asked for by this
        if order.is_accepted:
            self._reshape(order, report)
        if order.final is None:
            self._note_filled(order, report)
            if order.filled_size and order.filled_size >= (report.filled_size or report.size):
                self._end(order, OrderState.FILLED)
        return Outcome.TRACKED

    def _on_canceled(self, order: TrackedOrder, row: OrderRow) -> Outcome:
        report = row.report
        self._cancel(order, report.venue_order_id, report.reason, report.ts_last, report.ts_init)
        self._note_filled(order, report)
        return Outcome.TRACKED

    def _on_expired(self, order: TrackedOrder, row: OrderRow) -> Outcome:
        report = row.report
        self._accept(order, report.venue_order_id, report.ts_last, report.ts_init)
        if self._end(order, OrderState.EXPIRED):
            self.emit(
                OrderExpired(
                    instrument_id=order.instrument_id,
                    client_order_id=order.client_order_id,
                    venue_order_id=report.venue_order_id,
                    ts_event=report.ts_last,
                    ts_init=report.ts_init,
                    reason=report.reason,
                )
            )
        self._note_filled(order, report)
        return Outcome.TRACKED

    def _on_rejected(self, order: TrackedOrder, row: OrderRow) -> Outcome:
        report = row.report
        can_refuse = self.rules.refuses_accepted and not order.filled_size
        if order.is_accepted and not can_refuse:  # it lived, so it was not refused: it ends
            return self._on_canceled(order, row)
        if report.venue_order_id:
            self.registry.bind(order, report.venue_order_id)
        self._reject(
            order,
            report.reason or self.rules.reject_reason,
            None,
            row.due_post_only,
            report.ts_last,
            report.ts_init,
        )
        return Outcome.TRACKED

    def _after_the_end(self, order: TrackedOrder, row: OrderRow) -> None:
        """A row of an order that is over: only its number of fills can still be news."""
        status = row.report.status
        if order.final in (OrderState.REJECTED, OrderState.DENIED):
            if status.is_open or status is OrderStatus.FILLED:
                self._contradiction(order, f"the venue shows it as {status}")
                self._hand_on(row.report)  # no event can say it, and it must not live unseen
            return
        if status.is_final:
            self._note_filled(order, row.report)

    # -- steps --------------------------------------------------------------------------

    def _accept(
        self, order: TrackedOrder, venue_order_id: str, ts_event: int, ts_init: int
    ) -> None:
        """Make `OrderAccepted` if there was none."""
        if order.is_accepted:
            if order.venue_order_id is None and venue_order_id:
                self.registry.bind(order, venue_order_id)
            return
        if venue_order_id:
            self.registry.bind(order, venue_order_id)
        order.is_submitted = True
        order.is_accepted = True
        order.doubt &= ~Doubt.CREATE
        self.emit(OrderAccepted(**_about(order), ts_event=ts_event, ts_init=ts_init))

    def _reshape(self, order: TrackedOrder, report: OrderStatusReport) -> None:
        """Take over size and prices of a row; `OrderUpdated` if they changed."""
        if not self.rules.rows_reshape or order.final is not None:
            return
        kind = order.order_type
        shape = Shape(
            report.size if report.size else order.size,
            report.price if kind.has_price and report.price else order.price,
            report.trigger_price
            if kind.has_trigger and report.trigger_price
            else order.trigger_price,
        )
        if order.requested is not None and shape == order.requested:
            order.requested = None
            order.doubt &= ~Doubt.MODIFY
        if shape == order.shape:
            return
        was_unsized = not order.size  # a close-all has its size from the venue
        order.size, order.price, order.trigger_price = shape
        if was_unsized:
            return
        self.emit(
            OrderUpdated(
                **_about(order),
                ts_event=report.ts_last,
                ts_init=report.ts_init,
                size=order.size,
                price=order.price,
                trigger_price=order.trigger_price,
            )
        )

    def _cancel(
        self,
        order: TrackedOrder,
        venue_order_id: str,
        reason: str | None,
        ts_event: int,
        ts_init: int,
    ) -> None:
        self._accept(order, venue_order_id, ts_event, ts_init)
        if self._end(order, OrderState.CANCELED):
            self.emit(
                OrderCanceled(
                    instrument_id=order.instrument_id,
                    client_order_id=order.client_order_id,
                    venue_order_id=venue_order_id or order.venue_order_id,
                    ts_event=ts_event,
                    ts_init=ts_init,
                    reason=reason,
                )
            )

    def _reject(
        self,
        order: TrackedOrder,
        reason: str,
        code: int | str | None,
        due_post_only: bool,
        ts_event: int,
        ts_init: int,
    ) -> None:
        if self._end(order, OrderState.REJECTED):
            self.emit(
                OrderRejected(
                    **_about(order),
                    ts_event=ts_event,
                    ts_init=ts_init,
                    reason=reason,
                    code=code,
                    due_post_only=due_post_only,
                )
            )

    def _fill(self, order: TrackedOrder, report: FillReport, key: FillKey) -> Outcome:
        """Apply a trade that is new to an order of ours."""
        if order.final is None and (not order.is_accepted or order.venue_order_id is None):
            self._accept(order, report.venue_order_id, report.ts_event, report.ts_init)
            if key in self.fills:  # the callback of `OrderAccepted` brought it
                return Outcome.TRACKED
        elif order.final is OrderState.REJECTED or order.final is OrderState.DENIED:
            self._contradiction(order, f"trade {report.trade_id} of it")
        filled = order.filled_size + report.last_size
        leaves = order.size - filled
        is_complete = order.final is None and filled >= self._complete_at(order)
        event = order_filled(
            order.instrument_id,
            order.client_order_id,
            report.venue_order_id,
            report.ts_event,
            report.ts_init,
            report.trade_id,
            order.side,
            order.order_type,
            report.last_size,
            report.last_price,
            filled,
            leaves if leaves > _ZERO and order.final is None else _ZERO,
            report.liquidity,
            report.commission,
            report.commission_currency,
            report.position_side,
            report.realized_pnl,
        )
        order.filled_size = filled
        if order.missing_since_ns is not None and filled >= order.reported_filled:
            order.missing_since_ns = None
            self._missing.pop(order.client_order_id, None)
        if is_complete:
            self._end(order, OrderState.FILLED)
        self.fills.mark(key)
        self.emit(event)
        return Outcome.TRACKED

    def _complete_at(self, order: TrackedOrder) -> Decimal:
        """Return the filled size at which the order is over.

        While a modification is on its way that may be the larger size it asks for: ending
        at the old one would be wrong if it was applied before the fills. A size of zero is
        not known yet.
        """
        size = order.size
        if order.requested is not None and order.requested.size > size:
            size = order.requested.size
        return size if size else Decimal("Infinity")

    def _end_if_filled(self, order: TrackedOrder) -> None:
        """End an order whose fills reach the size it has got, or kept."""
        if (
            order.final is None
            and order.filled_size
            and order.filled_size >= self._complete_at(order)
        ):
            self._end(order, OrderState.FILLED)

    def _end_filled(self, order: TrackedOrder) -> None:
        self._end(order, OrderState.FILLED)

    def _end(self, order: TrackedOrder, final: OrderState) -> bool:
        """Claim the end of an order; False if it is over already."""
        if order.final is not None:
            return False
        order.final = final
        order.is_pending_cancel = False
        order.requested = None
        order.doubt = Doubt.NONE
        order.tag = None  # what is kept of it now is for late fills
        self.registry.ended(order)
        return True

    def _note_filled(self, order: TrackedOrder, report: OrderStatusReport) -> None:
        """Compare the filled size of a row with the fills that came."""
        filled = report.filled_size
        if report.status is OrderStatus.FILLED and not filled:
            filled = report.size
        self._expect_filled(order, filled)

    def _expect_filled(self, order: TrackedOrder, filled: Decimal) -> None:
        """The fills of an order add up to `filled` at least; the rest is missing from now on."""
        if filled > order.reported_filled:
            order.reported_filled = filled
        if order.reported_filled > order.filled_size and order.missing_since_ns is None:
            order.missing_since_ns = self._wall_ns()
            self._missing[order.client_order_id] = order

    def _hand_late(self, order: TrackedOrder, report: FillReport, key: FillKey) -> None:
        order.filled_size += report.last_size
        self.fills.mark(key)
        if self._on_late_fill is None:
            _log.warning("order %s: trade %s after its end", order, report.trade_id)
            return
        try:
            self._on_late_fill(report, order)
        except Exception as error:  # noqa: BLE001 - a caller's callback
            self._report_error(report, error)

    def _hand_on(self, report: Report) -> None:
        if self._on_report is None:
            return
        try:
            self._on_report(report)
        except Exception as error:  # noqa: BLE001 - a caller's callback
            self._report_error(report, error)

    def _report_error(self, what: object, error: Exception) -> None:
        self.callback_errors += 1
        if self._on_error is not None:
            try:
                self._on_error(what, error)
                return
            except Exception:  # noqa: BLE001 - the last resort is the log
                _log.exception("on_error raised")
        _log.error("callback failed for %s", type(what).__name__, exc_info=error)

    def _contradiction(self, order: TrackedOrder, text: str) -> None:
        self.contradictions += 1
        _log.warning("order %s (%s): %s", order.client_order_id, order.state, text)


_OPEN = frozenset(
    {
        OrderStatus.ACCEPTED,
        OrderStatus.PARTIALLY_FILLED,
        OrderStatus.PENDING_UPDATE,
        OrderStatus.PENDING_CANCEL,
    }
)


class _About(TypedDict):
    instrument_id: str
    client_order_id: str
    venue_order_id: str | None


def _about(order: TrackedOrder) -> _About:
    return {
        "instrument_id": order.instrument_id,
        "client_order_id": order.client_order_id,
        "venue_order_id": order.venue_order_id,
    }
