"""Ends of a leg that come too early: before their fills, or before the leg itself is known."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from connectors.execution.dispatch import Outcome
from connectors.execution.identity import OrderRegistry, Shape, TrackedOrder
from connectors.execution.legs import LegDispatch
from connectors.execution.lookups import LookupSchedule, Why
from connectors.execution.reconcile import Found, Reconciler
from connectors.model import OrderStatus, OrderType, Side
from oracle.execution import INSTRUMENT, row, trade

S = OrderStatus


class Bench:
    """One order in its first leg, `v1`."""

    def __init__(self, size: str = "10", *, accepted: bool = True) -> None:
        self.events: list[Any] = []
        self.late: list[str] = []
        self.dispatch = LegDispatch(
            OrderRegistry(),
            on_event=self.events.append,
            on_late_fill=lambda report, order: self.late.append(report.trade_id),
            wall_ns=lambda: 5,
        )
        self.order = self.dispatch.registry.add(
            TrackedOrder(
                "O1", INSTRUMENT, Side.BUY, OrderType.LIMIT,
                size=Decimal(size), price=Decimal(100), client_key=77,
            )
        )  # fmt: skip
        self.dispatch.submitted(self.order)
        if accepted:
            self.status(S.ACCEPTED)
        self.events.clear()

    def status(self, status: OrderStatus, **more: Any) -> Outcome:
        return self.dispatch.status(row(status, **more))

    def fill(self, trade_id: str, size: str, venue_id: str = "v1") -> Outcome:
        return self.dispatch.fill(trade(trade_id, size, venue_id=venue_id), client_key=77)

    def modify(self, target: str = "10", sent: str | None = None) -> None:
        shape = Shape(Decimal(target), Decimal(101), None)
        self.dispatch.replace_sent(
            self.order, shape, sent_size=None if sent is None else Decimal(sent)
        )

    def replaced(self, venue_id: str = "v2") -> bool:
        return self.dispatch.replaced(self.order, venue_id, ts_event=1, ts_init=2)

    def take(self) -> list[str]:
        kinds = [type(event).__name__.removeprefix("Order") for event in self.events]
        self.events.clear()
        return kinds


def test_a_cancel_waits_for_the_fills_it_speaks_of() -> None:
    bench = Bench()
    assert bench.status(S.CANCELED, filled="3") is Outcome.TRACKED
    assert bench.take() == []
    assert bench.order.final is None
    bench.fill("a", "1")
    assert bench.take() == ["Filled"]
    bench.fill("b", "2")
    assert bench.take() == ["Filled", "Canceled"]
    bench.fill("c", "1")
    assert bench.late == ["c"]


def test_a_cancel_that_is_the_first_word_is_accepted_and_waits() -> None:
    bench = Bench(accepted=False)
    bench.status(S.CANCELED, filled="4")
    assert bench.take() == ["Accepted"]
    bench.fill("a", "4")
    assert bench.take() == ["Filled", "Canceled"]


def test_a_rejection_of_what_traded_ends_as_canceled_after_its_fills() -> None:
    bench = Bench(accepted=False)
    bench.status(S.REJECTED, filled="4", reason="iocCancelRejected")
    bench.fill("a", "4")
    assert bench.take() == ["Accepted", "Filled", "Canceled"]


def test_a_repeated_cancel_changes_nothing() -> None:
    bench = Bench()
    for _ in range(2):
        bench.status(S.CANCELED, filled="3")
    bench.fill("a", "3")
    bench.status(S.CANCELED, filled="3")
    assert bench.take() == ["Filled", "Canceled"]


def test_fills_of_other_legs_do_not_count_for_the_end_of_this_one() -> None:
    bench = Bench()
    bench.fill("a", "2")
    bench.modify()
    bench.replaced()
    bench.status(S.CANCELED, venue_id="v2", filled="3", size="8")
    bench.fill("late", "3", "v1")  # of the retired leg: not what the cancel speaks of
    assert bench.take() == ["Filled", "Updated", "Filled"]
    bench.fill("b", "3", "v2")
    assert bench.take() == ["Filled", "Canceled"]


def test_the_wait_ends_when_the_fills_are_given_up() -> None:
    bench = Bench()
    bench.status(S.CANCELED, filled="3")
    assert bench.dispatch.missing_fills(5 + 2_000_000_000) == [bench.order]
    schedule = LookupSchedule()
    lookup = schedule.ask(bench.order, Why.MISSING_FILLS, 0)
    reconciler = Reconciler(bench.dispatch, schedule, wall_ns=lambda: 5, patience=1)
    (lookup,) = schedule.due(0)
    assert reconciler.resolve(lookup, Found(), now_ns=0)
    assert bench.take() == ["Canceled"]


def test_a_suppressed_cancel_waits_for_its_fills_too() -> None:
    bench = Bench()
    bench.modify()
    assert bench.status(S.CANCELED, filled="3") is Outcome.SKIP
    bench.dispatch.modify_refused(bench.order, "post only")
    assert bench.take() == ["ModifyRejected"]
    bench.fill("a", "3")
    assert bench.take() == ["Filled", "Canceled"]


def test_a_cancel_of_a_leg_that_is_not_known_yet_ends_it_when_it_is() -> None:
    bench = Bench()
    bench.modify()
    bench.status(S.CANCELED)
    assert bench.status(S.CANCELED, venue_id="v2") is Outcome.SKIP
    assert bench.take() == []
    bench.replaced()
    assert bench.take() == ["Updated", "Canceled"]


def test_a_cancel_of_an_unknown_leg_is_forgotten_when_another_one_is_promoted() -> None:
    bench = Bench()
    bench.modify()
    bench.status(S.CANCELED, venue_id="v9")
    bench.replaced()
    assert bench.take() == ["Updated"]
    assert bench.order.final is None


def test_a_filled_marker_before_its_leg_makes_its_fills_missing() -> None:
    bench = Bench()
    bench.modify()
    bench.status(S.FILLED, venue_id="v2", filled="10")
    bench.replaced()
    assert bench.take() == ["Updated"]
    assert bench.order.missing_since_ns is not None
    bench.fill("a", "10", "v2")
    assert bench.take() == ["Filled"]
    assert bench.order.missing_since_ns is None


def test_an_answer_about_another_leg_only_completes_a_modification() -> None:
    bench = Bench()
    assert bench.dispatch.answer(row(S.ACCEPTED, venue_id="v2")) is Outcome.SKIP
    assert bench.order.venue_order_id == "v1"
    bench.modify()
    assert bench.dispatch.answer(row(S.ACCEPTED, venue_id="v2")) is Outcome.TRACKED
    assert bench.take() == ["Updated"]
    assert bench.dispatch.answer(row(S.CANCELED, venue_id="v2")) is Outcome.TRACKED
    assert bench.take() == ["Canceled"]


def test_a_modification_that_is_not_sent_leaves_the_one_on_its_way_alone() -> None:
    bench = Bench()
    bench.modify()
    bench.dispatch.modify_denied(bench.order, "superseded")
    assert bench.take() == ["ModifyRejected"]
    assert bench.dispatch.marker(bench.order) == "v1"
    bench.replaced()
    bench.status(S.CANCELED, venue_id="v2")
    bench.dispatch.modify_denied(bench.order, "over")
    assert bench.take() == ["Updated", "Canceled", "ModifyRejected"]


def test_a_refusal_of_a_leg_nobody_waits_for_ends_nothing() -> None:
    bench = Bench()
    bench.modify()
    bench.dispatch.replace_refused(bench.order, "post only", row_may_follow=True)
    assert bench.status(S.REJECTED, venue_id="v2") is Outcome.SKIP
    assert bench.take() == ["ModifyRejected"]
    assert bench.order.final is None


def test_the_row_of_a_refusal_that_was_told_is_not_that_of_the_next_modification() -> None:
    bench = Bench()
    bench.modify()
    bench.dispatch.replace_refused(bench.order, "post only", row_may_follow=True)
    bench.modify()
    assert bench.status(S.REJECTED, venue_id="v2") is Outcome.SKIP
    assert bench.dispatch.marker(bench.order) == "v1"
    bench.status(S.REJECTED, venue_id="v3")
    assert bench.take() == ["ModifyRejected", "ModifyRejected"]
    assert bench.dispatch.marker(bench.order) is None


def test_a_refusal_that_is_told_again_is_not_that_of_the_next_modification() -> None:
    bench = Bench()
    bench.modify()
    bench.status(S.REJECTED, venue_id="v2")
    assert bench.take() == ["ModifyRejected"]
    bench.modify()
    assert bench.status(S.REJECTED, venue_id="v2") is Outcome.SKIP
    bench.status(S.CANCELED)
    bench.status(S.ACCEPTED, venue_id="v3")
    assert bench.take() == ["Updated"]
    assert bench.order.final is None


def test_a_refusal_older_than_the_present_leg_is_not_that_of_a_modification_on_its_way() -> None:
    """A reply told of 189's; its row comes when 191 stands and 193 is asked for."""
    bench = Bench(accepted=False)
    bench.status(S.ACCEPTED, venue_id="187")
    bench.modify()
    bench.dispatch.replace_refused(bench.order, "post only", row_may_follow=True)
    bench.modify()
    bench.replaced("191")
    bench.take()
    bench.modify()
    assert bench.status(S.REJECTED, venue_id="189") is Outcome.SKIP
    bench.status(S.CANCELED, venue_id="191")
    bench.replaced("193")
    assert bench.take() == ["Updated"]
    assert bench.order.final is None


def test_an_answer_that_a_replacement_was_refused_proves_nothing() -> None:
    bench = Bench()
    bench.modify()
    assert bench.dispatch.answer(row(S.REJECTED, venue_id="v2")) is Outcome.SKIP
    assert bench.dispatch.marker(bench.order) == "v1"


def test_an_order_the_venue_has_made_smaller_ends_with_its_fills() -> None:
    bench = Bench()
    bench.status(S.FILLED, size="3", filled="3")
    assert bench.order.final is None
    bench.fill("a", "3")
    assert bench.take() == ["Filled"]
    assert bench.order.state.value == "FILLED"
    early = Bench()
    early.fill("a", "3")
    early.status(S.FILLED, size="3", filled="3")
    assert early.order.state.value == "FILLED"


def test_a_shrunken_leg_that_filled_ends_when_its_modification_is_refused() -> None:
    bench = Bench()
    bench.modify()
    bench.fill("a", "3")
    bench.status(S.FILLED, size="3", filled="3")
    assert bench.order.final is None
    bench.dispatch.replace_refused(bench.order, "gone")
    assert bench.take() == ["Filled", "ModifyRejected"]
    assert bench.order.state.value == "FILLED"


def test_what_rests_of_an_order_that_is_filled_is_a_stray() -> None:
    bench = Bench()
    bench.modify("4", sent="4")
    bench.replaced()
    bench.fill("late", "4", "v1")  # the old leg had filled all that was wanted
    assert bench.take() == ["Updated", "Filled"]
    assert bench.order.state.value == "FILLED"
    assert bench.dispatch.work
    assert bench.dispatch.work.take_strays() == [bench.order]
    assert bench.dispatch.work.take_strays() == []


def test_an_order_that_filled_in_its_last_leg_leaves_no_stray() -> None:
    bench = Bench()
    bench.fill("a", "2")
    bench.modify("6", sent="4")
    bench.replaced()
    bench.fill("b", "4", "v2")
    assert bench.order.state.value == "FILLED"
    assert bench.dispatch.work.take_strays() == []
