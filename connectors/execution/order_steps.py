"""What happens to one order of ours: each step changes its state and makes its event.

**When a callback raises.** An event counts as delivered when the callback is entered. State and
marks are set before that, so an event is never delivered twice; what the callback raises goes to
`on_error` and nothing else is affected.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from decimal import Decimal
from typing import TypedDict

from .._speedups.fills import order_filled
from ..model.enums import OrderStatus
from ..model.order_events import (
    OrderAccepted,
    OrderCanceled,
    OrderEvent,
    OrderRejected,
    OrderUpdated,
)
from ..model.reports import FillReport, OrderStatusReport
from .dispatch_rules import DispatchRules, Outcome
from .fills import FillKey, SeenFills
from .identity import OrderRegistry, Shape, TrackedOrder
from .lifecycle import Doubt, OrderState

__all__ = ["OrderSteps", "about"]

_log = logging.getLogger("connectors.execution.dispatch")

_ZERO = Decimal(0)


class About(TypedDict):
    """What every event says of its order."""

    instrument_id: str
    client_order_id: str
    venue_order_id: str | None


def about(order: TrackedOrder) -> About:
    """Return the names of an order, for an event."""
    return {
        "instrument_id": order.instrument_id,
        "client_order_id": order.client_order_id,
        "venue_order_id": order.venue_order_id,
    }


class OrderSteps:
    """The steps; parameters and attributes are those of `OrderDispatch`."""

    def __init__(
        self,
        registry: OrderRegistry,
        *,
        on_event: Callable[[OrderEvent], object],
        wall_ns: Callable[[], int],
        on_error: Callable[[object, Exception], object] | None,
        rules: DispatchRules,
        fills: SeenFills,
    ) -> None:
        self.registry = registry
        self.rules = rules
        self.fills = fills
        self._on_event = on_event
        self._on_error = on_error
        self._wall_ns = wall_ns
        self._missing: dict[str, TrackedOrder] = {}
        self.contradictions = 0
        self.callback_errors = 0

    # -- events -------------------------------------------------------------------------

    def emit(self, event: OrderEvent) -> None:
        """Deliver an event; what the callback raises goes to `on_error`."""
        try:
            self._on_event(event)
        except Exception as error:  # noqa: BLE001 - a caller's callback
            self._report_error(event, error)

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

    # -- from its acceptance to its end -------------------------------------------------

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
        self.emit(OrderAccepted(**about(order), ts_event=ts_event, ts_init=ts_init))

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
                **about(order),
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
                    **about(order),
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
