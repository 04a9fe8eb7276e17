"""Dispatch for venues that modify by cancel-replace (Hyperliquid, spec 2).

A modification there retires the venue's order and makes a new one, a new *leg*, under the same
client order id. What arrives is "canceled" for the old leg and "open" for the new one, in either
order, fills of both in between, and any of it late or never. Out comes one `OrderUpdated`:

* the *marker* is set before a modification is sent; while it is set the cancel of the old leg
  is swallowed, and remembered in case the modification fails;
* a row or reply that names a new leg *promotes* it: the order is bound to it;
* a fill of a leg nobody has named yet is held back until the promotion (``hold_fills``), so that
  the update comes before the fills of what it made; or it promotes the leg itself;
* what a retired leg still says is old news, but its fills count;
* an end that speaks of fills nobody brought yet waits for them: they belong before it;
* a trigger that fires may make a new leg too, which nobody asked for and no marker announces;
* a new leg that is too big, because the old one traded on its way, asks for a *corrective*; one
  that is not needed at all any more is a *stray*, to be canceled.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from decimal import Decimal
from typing import Any

from ..model.enums import OrderStatus
from ..model.order_events import OrderUpdated
from ..model.reports import FillReport, OrderStatusReport
from .dispatch import OrderDispatch, OrderRow, Outcome
from .fills import FillKey
from .identity import Shape, TrackedOrder
from .leg_state import CANCEL_REPLACE_RULES, Corrective, Legs, LegWork, is_older_leg
from .lifecycle import Doubt, OrderState

__all__ = ["CANCEL_REPLACE_RULES", "Corrective", "LegDispatch", "LegWork"]

_log = logging.getLogger("connectors.execution.legs")
_ZERO = Decimal(0)


class LegDispatch(OrderDispatch):
    """An `OrderDispatch` that knows legs.

    Parameters
    ----------
    hold_fills : bool
        Hold back fills of a leg that was not named yet; False: the first one promotes it.
    max_held : int
        Fills held back per order; beyond it they go out at once, with an error in the log.

    Further parameters are those of `OrderDispatch`; `rules` defaults to
    `CANCEL_REPLACE_RULES`.

    Attributes
    ----------
    work : LegWork
        What has to be sent that nobody asked for.
    """

    def __init__(
        self, *args: Any, hold_fills: bool = True, max_held: int = 1000, **kwargs: Any
    ) -> None:
        if kwargs.get("rules") is None:
            kwargs["rules"] = CANCEL_REPLACE_RULES
        self._legs: dict[str, Legs] = {}
        super().__init__(*args, **kwargs)
        self._hold_fills = hold_fills
        self._max_held = max_held
        self.work = LegWork()

    def _go_the_long_way(self) -> dict[str, Any] | None:
        return self._legs

    # -- commands and replies -----------------------------------------------------------

    def sized_by_venue(self, order: TrackedOrder) -> None:
        """Let only the venue say when an order is filled: its size follows the position."""
        self._legs_of(order).is_sized_by_venue = True

    def replace_sent(
        self,
        order: TrackedOrder,
        target: Shape,
        *,
        sent_size: Decimal | None = None,
        venue_order_id: str | None = None,
    ) -> None:
        """A modification is about to be sent; arm the marker before its bytes go out.

        `target` is absolute (its size includes what is filled), `sent_size` what the wire says.
        """
        old = venue_order_id or order.venue_order_id
        if order.final is not None or old is None:
            return
        legs = self._legs_of(order)
        legs.marker = old
        legs.target = target
        legs.sent_size = sent_size
        legs.is_corrective = False
        self.modify_sent(order, target)

    def replaced(
        self, order: TrackedOrder, venue_order_id: str, *, ts_event: int, ts_init: int
    ) -> bool:
        """A reply names the new leg. False if that is no news."""
        legs = self._legs.get(order.client_order_id)
        if order.final is not None or legs is None or legs.marker is None:
            return False
        if venue_order_id == order.venue_order_id or venue_order_id in legs.retired:
            return False
        price = legs.target.price if legs.target is not None else None
        return self._promote(
            order, venue_order_id, price, None, None, ts_event=ts_event, ts_init=ts_init
        )

    def replace_refused(
        self,
        order: TrackedOrder,
        reason: str,
        *,
        code: int | str | None = None,
        row_may_follow: bool = False,
    ) -> None:
        """The modification failed for certain: the order lives on in its old leg.

        Unless that was canceled meanwhile: then it is over. Unless too, it is too big and cannot be
        made smaller: then it has to be canceled. With `row_may_follow` a row may tell of the same
        refusal once more; it must not be taken for that of the next modification.
        """
        legs = self._legs.get(order.client_order_id)
        if order.final is not None:
            return
        if legs is None:
            super().modify_refused(order, reason, code=code)
            return
        legs.owed += row_may_follow
        was_corrective = legs.is_corrective
        canceled = legs.suppressed_cancel
        held = self._release(legs)
        legs.suppressed_cancel = None
        legs.disarm()
        if was_corrective:
            order.requested = None  # the caller did not ask for it
            order.doubt &= ~Doubt.MODIFY
            legs.excess = f"larger than was asked for, and cannot be made smaller: {reason}"
        else:
            super().modify_refused(order, reason, code=code)
        for report in held:
            self._fill_held(order, report)
        if canceled is not None:
            self._cancel_by(order, canceled)
        self._try_ending(order)
        if self.is_too_big(order):
            self.work.stray(order)

    def is_too_big(self, order: TrackedOrder) -> bool:
        """Tell whether the leg of an order may trade more than was asked for, and will stay so."""
        legs = self._legs.get(order.client_order_id)
        return legs is not None and legs.excess is not None and order.final is None

    def modify_refused(
        self,
        order: TrackedOrder,
        reason: str,
        *,
        code: int | str | None = None,
        requested: Shape | None = None,
    ) -> bool:
        """A modification was refused: the one under way, if there is one."""
        if order.final is None and self.marker(order) is not None:
            self.replace_refused(order, reason, code=code)
            return True
        return super().modify_refused(order, reason, code=code, requested=requested)

    def replace_in_doubt(self, order: TrackedOrder) -> None:
        """Nobody knows whether the venue has the modification: the marker stays."""
        self.in_doubt(order, Doubt.MODIFY)

    def promote_from_query(self, row: OrderRow) -> bool:
        """Take an answer to a question asked while a modification is on its way.

        Only an open order under a new id promotes; anything else changes nothing.
        """
        report = row.report
        order = self.registry.find(
            client_order_id=report.client_order_id, client_key=row.client_key
        )
        if order is None or order.final is not None or not report.status.is_open:
            return False
        legs = self._legs.get(order.client_order_id)
        if legs is None or legs.marker is None or not order.is_accepted:
            return False
        if report.venue_order_id == order.venue_order_id or report.venue_order_id in legs.retired:
            return False
        return self._promote_by_row(order, report)

    def answer(self, row: OrderRow) -> Outcome:
        """Take a row that was asked for; one about another leg only tells of a replacement.

        An answer can be older than what the streams told since, so it makes no new leg of its
        own unless one is expected.
        """
        report = row.report
        order = self.registry.find(
            client_order_id=report.client_order_id,
            client_key=row.client_key,
            venue_order_id=report.venue_order_id,
        )
        is_other_leg = (
            order is not None
            and order.is_accepted
            and report.venue_order_id != order.venue_order_id
        )
        if not is_other_leg:
            return self.status(row)
        if report.status is OrderStatus.REJECTED:
            return Outcome.SKIP  # of whichever modification: it proves nothing about the last one
        if not report.status.is_open:
            return self.status(row)
        return Outcome.TRACKED if self.promote_from_query(row) else Outcome.SKIP

    def shows_more(self, row: OrderRow) -> bool:
        """Tell whether a row speaks of fills that did not come, as far as that can be known."""
        report = row.report
        order = self.registry.find(client_key=row.client_key, venue_order_id=report.venue_order_id)
        if order is None or order.final is not None or not report.filled_size:
            return False
        if order.venue_order_id != report.venue_order_id:
            return True
        return report.filled_size > order.filled_size - self._base(order)

    def stop_missing(self, order: TrackedOrder) -> None:
        """Expect no more fills of an order than have come; an end that waited for them is one."""
        super().stop_missing(order)
        legs = self._legs.get(order.client_order_id)
        if legs is None or legs.ending is None:
            return
        if legs.ending.status is not OrderStatus.FILLED:
            self._end_by(order, legs.ending)
        elif legs.marker is None:
            self._end(order, OrderState.FILLED)

    def corrective_not_sent(self, order: TrackedOrder) -> bool:
        """Want a corrective once more that never left; False if there is none under way."""
        legs = self._legs.get(order.client_order_id)
        if order.final is not None or legs is None or not legs.is_corrective:
            return False
        if legs.marker is None or legs.target is None:
            return False
        left = legs.target.size - order.filled_size
        self.work.correct(Corrective(order, legs.marker, left, order.price))
        return True

    # -- what tests and logs want to know -----------------------------------------------

    def marker(self, order: TrackedOrder) -> str | None:
        """Return the leg a modification on its way replaces."""
        legs = self._legs.get(order.client_order_id)
        return None if legs is None else legs.marker

    def held_fills(self, order: TrackedOrder) -> int:
        """Return how many fills are held back."""
        legs = self._legs.get(order.client_order_id)
        return 0 if legs is None else len(legs.held)

    def release_held(self, order: TrackedOrder) -> bool:
        """Promote the leg of the oldest held fill with what was asked for (the deadline passed)."""
        legs = self._legs.get(order.client_order_id)
        if legs is None or not legs.held or order.final is not None:
            return False
        first = legs.held[0]
        return self.replaced(
            order, first.venue_order_id, ts_event=first.ts_event, ts_init=first.ts_init
        )

    # -- rows ---------------------------------------------------------------------------

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
        self._legs_of(order).is_fired = True
        super()._on_triggered(order, report)

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
        if legs is None or not legs.owed:  # else it is of a replacement that a reply refused
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

    # -- fills --------------------------------------------------------------------------

    def _fill(self, order: TrackedOrder, report: FillReport, key: FillKey) -> Outcome:
        legs = self._legs.get(order.client_order_id)
        leg = report.venue_order_id
        if legs is None:
            if not order.is_accepted or order.venue_order_id in (None, leg):
                return super()._fill(order, report, key)
            legs = self._legs_of(order)
        is_retired = leg in legs.retired
        is_new_leg = order.is_accepted and leg != order.venue_order_id and not is_retired
        if legs.marker is not None and is_new_leg:
            price = legs.target.price if legs.target is not None else None
            if self._hold_fills or (price is None and order.price is None):
                if self._hold(order, legs, report, key):
                    return Outcome.TRACKED
            else:
                return self._promote_by_fill(order, report, key, price)
        if is_retired:
            legs.base += report.last_size
        elif is_new_leg:
            legs.ahead[leg] = legs.ahead.get(leg, _ZERO) + report.last_size
        outcome = super()._fill(order, report, key)
        if legs.ending is not None:
            self._try_ending(order)
        if is_retired and legs.aim is not None:  # told late: the leg that came after it is too big
            self._correct(order, order.shape, legs.size, legs.base)
        return outcome

    def _hold(self, order: TrackedOrder, legs: Legs, report: FillReport, key: FillKey) -> bool:
        if any(self._fill_key(held) == key for held in legs.held):
            return True
        if len(legs.held) >= self._max_held:
            _log.error(
                "order %s: %d fills wait for their leg, the next goes out before its update",
                order.client_order_id,
                len(legs.held),
            )
            return False
        legs.held.append(report)
        return True

    def _promote_by_fill(
        self, order: TrackedOrder, report: FillReport, key: FillKey, price: Decimal | None
    ) -> Outcome:
        legs = self._legs_of(order)
        target, sent_size, retired_filled = legs.target, legs.sent_size, order.filled_size
        self._promote(
            order,
            report.venue_order_id,
            price,
            None,
            None,
            ts_event=report.ts_event,
            ts_init=report.ts_init,
            correct=False,
        )
        outcome = super()._fill(order, report, key)
        self._correct(order, target, sent_size, retired_filled)
        return outcome

    def _fill_held(self, order: TrackedOrder, report: FillReport) -> None:
        key = self._fill_key(report)
        if not self.fills.is_new(key):
            return
        if order.final is None:
            self._fill(order, report, key)
        else:
            self._hand_late(order, report, key)

    # -- legs ---------------------------------------------------------------------------

    def _legs_of(self, order: TrackedOrder) -> Legs:
        return self._legs.setdefault(order.client_order_id, Legs())

    def _promote_by_row(self, order: TrackedOrder, report: OrderStatusReport) -> bool:
        return self._promote(
            order,
            report.venue_order_id,
            report.price,
            report.size,
            report.trigger_price,
            ts_event=report.ts_last,
            ts_init=report.ts_init,
        )

    def _promote(
        self,
        order: TrackedOrder,
        venue_order_id: str,
        price: Decimal | None,
        leg_size: Decimal | None,
        trigger_price: Decimal | None,
        *,
        ts_event: int,
        ts_init: int,
        correct: bool = True,
    ) -> bool:
        """Bind the order to a new leg and say so; False if nobody knows its price."""
        price = price if price is not None else order.price
        if price is None:
            _log.warning("order %s: a leg without a price is left alone", order.client_order_id)
            return False
        legs = self._legs_of(order)
        target, sent_size = legs.target, legs.sent_size
        legs.size = leg_size if leg_size is not None else sent_size
        legs.excess = None
        legs.owed = 0
        before = order.filled_size - legs.ahead.pop(venue_order_id, _ZERO)  # by other legs
        legs.aim = target.size if legs.marker is not None and target is not None else None
        if legs.aim is not None:
            size = legs.aim
        elif leg_size is not None:
            size = before + leg_size
        else:
            size = order.size
        if order.venue_order_id is not None:
            legs.retired.append(order.venue_order_id)
        retired_filled = legs.base = before
        legs.suppressed_cancel = legs.ending = None
        legs.is_fired = legs.is_fired and legs.aim is None
        legs.ahead.clear()
        legs.disarm()
        self.registry.bind(order, venue_order_id)
        order.size = size
        order.price = price
        if trigger_price is not None:
            order.trigger_price = trigger_price
        order.requested = None
        order.doubt &= ~Doubt.MODIFY
        self.emit(
            OrderUpdated(
                instrument_id=order.instrument_id,
                client_order_id=order.client_order_id,
                venue_order_id=venue_order_id,
                ts_event=ts_event,
                ts_init=ts_init,
                size=size,
                price=price,
                trigger_price=trigger_price,
            )
        )
        for report in self._release(legs):
            self._fill_held(order, report)
        early, legs.early = legs.early, None
        if early is not None and early.venue_order_id == venue_order_id and order.final is None:
            if early.status is OrderStatus.CANCELED:
                self._cancel_by(order, early)
            else:
                self._note_filled(order, early)
        if correct:
            self._correct(order, target, sent_size, retired_filled)
        return True

    def _correct(
        self,
        order: TrackedOrder,
        target: Shape | None,
        sent_size: Decimal | None,
        retired_filled: Decimal,
    ) -> None:
        """Ask for a smaller leg if the retired ones traded while the new one was on its way.

        Fills of the new leg itself are no reason: they do not make it too big.
        """
        if order.final is not None or target is None or sent_size is None:
            return
        legs = self._legs_of(order)
        new = order.venue_order_id
        if new is None or legs.marker is not None or legs.is_sized_by_venue:
            return  # a newer modification, of a callback, goes out for what is left anyway
        if order.filled_size >= target.size:
            self.work.stray(order)  # the old leg has traded all that was wanted
            return
        if sent_size <= target.size - retired_filled:
            return
        left = target.size - order.filled_size
        legs.marker = new
        legs.target = target
        legs.sent_size = left
        legs.is_corrective = True
        order.requested = target
        self.work.correct(Corrective(order, new, left, order.price))

    def _release(self, legs: Legs) -> list[FillReport]:
        held, legs.held = legs.held, []
        return held

    def _complete_at(self, order: TrackedOrder) -> Decimal:
        """A replacement has its size from the venue before its fills count."""
        legs = self._legs.get(order.client_order_id)
        if legs is not None and legs.is_sized_by_venue:
            return Decimal("Infinity")
        return order.size if order.size else Decimal("Infinity")

    def _end(self, order: TrackedOrder, final: OrderState) -> bool:
        if not super()._end(order, final):
            return False
        legs = self._legs.pop(order.client_order_id, None)
        if legs is not None:
            if final is OrderState.FILLED and self._may_rest(order, legs):
                self.work.stray(order)
            for report in legs.held:  # not an event any more, and not lost either
                key = self._fill_key(report)
                if self.fills.is_new(key):
                    self._hand_late(order, report, key)
        return True

    def _may_rest(self, order: TrackedOrder, legs: Legs) -> bool:
        """Tell whether a leg may be at the venue that is not filled, though the order is."""
        if legs.marker is not None:
            return True
        if legs.is_sized_by_venue:
            return False
        return legs.size is not None and order.filled_size - legs.base < legs.size
