"""Two ways out: what concerns an order of ours becomes order events, the rest reports.

Rows (states of orders) and fills (trades) come from several streams and from REST, in any
order, repeated, some of them old. What goes out obeys, per order of ours:

* `OrderAccepted` exactly once, before any trigger, fill, cancel or expiry: if the row that
  would have made it has not come, what came instead makes it;
* exactly one final event; a repeated final row makes nothing;
* every trade exactly once, also after the final event;
* a row older than the last one applied makes nothing.

One object holds the whole truth about an order, in three layers: what happens to an order
(`order_steps`), what the client knows about its own commands (`command_steps`), and here what the
venue says.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable
from typing import Any, TypeAlias

from .._speedups.fills import DirectFills
from ..model.enums import OrderStatus
from ..model.order_events import OrderEvent, OrderExpired, OrderTriggered
from ..model.reports import FillReport, OrderStatusReport
from .command_steps import CommandSteps
from .dispatch_rules import (
    DispatchRules,
    OrderRow,
    Outcome,
    is_older,
    trade_id_of,
    trade_of_order,
)
from .fills import FillKey, SeenFills
from .identity import OrderRegistry, TrackedOrder
from .lifecycle import Doubt, OrderState
from .order_steps import about

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


class OrderDispatch(CommandSteps):
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
        super().__init__(
            registry,
            on_event=on_event,
            wall_ns=wall_ns,
            on_error=on_error,
            rules=rules if rules is not None else DispatchRules(),
            fills=fills if fills is not None else SeenFills(),
        )
        self._on_report = on_report
        self._on_late_fill = on_late_fill
        self._fill_key = self.rules.fill_key
        self.direct = self._make_direct()
        self.stale_rows = 0

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
        self.emit(OrderTriggered(**about(order), ts_event=report.ts_last, ts_init=report.ts_init))

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

    # -- what is not, or no more, an order of ours --------------------------------------

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


_OPEN = frozenset(
    {
        OrderStatus.ACCEPTED,
        OrderStatus.PARTIALLY_FILLED,
        OrderStatus.PENDING_UPDATE,
        OrderStatus.PENDING_CANCEL,
    }
)
