"""What rows, fills and refusals become (lighter.md 7.5, 8.7 a-j, 9)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from connectors.execution.dispatch import (
    DispatchRules,
    OrderDispatch,
    OrderRow,
    Outcome,
    is_older,
)
from connectors.execution.fills import SeenFills
from connectors.execution.identity import OrderRegistry, Shape, TrackedOrder
from connectors.execution.lifecycle import Doubt, OrderState
from connectors.model import FillReport, OrderStatus, OrderType, Side
from oracle.execution import INSTRUMENT, row, trade

S = OrderStatus


class Bench:
    def __init__(
        self,
        *,
        kind: OrderType = OrderType.LIMIT,
        size: str = "10",
        trigger: str | None = None,
        rules: DispatchRules | None = None,
    ) -> None:
        self.events: list[Any] = []
        self.reports: list[Any] = []
        self.late: list[FillReport] = []
        self.errors: list[Any] = []
        self.now = 5
        self.dispatch = OrderDispatch(
            OrderRegistry(),
            on_event=self.events.append,
            on_report=self.reports.append,
            on_late_fill=lambda report, order: self.late.append(report),
            on_error=lambda what, error: self.errors.append(error),
            wall_ns=lambda: self.now,
            rules=rules,
        )
        self.order = self.dispatch.registry.add(
            TrackedOrder(
                "O1",
                INSTRUMENT,
                Side.BUY,
                kind,
                size=Decimal(size),
                price=Decimal(100) if kind.has_price else None,
                trigger_price=None if trigger is None else Decimal(trigger),
                client_key=77,
            )
        )
        self.dispatch.submitted(self.order)
        self.events.clear()

    def status(self, status: OrderStatus, **more: Any) -> Outcome:
        return self.dispatch.status(row(status, **more))

    def fill(self, trade_id: str, size: str, **more: Any) -> Outcome:
        return self.dispatch.fill(trade(trade_id, size, **more), client_key=77)

    @property
    def kinds(self) -> list[str]:
        return [type(event).__name__.removeprefix("Order") for event in self.events]

    def take(self) -> list[str]:
        kinds = self.kinds
        self.events.clear()
        return kinds


def test_submitted_comes_first_and_dates_itself() -> None:
    bench = Bench()
    other = bench.dispatch.registry.add(
        TrackedOrder("O2", INSTRUMENT, Side.BUY, OrderType.LIMIT, size=Decimal(1))
    )
    bench.dispatch.submitted(other)
    (event,) = bench.events
    assert (event.client_order_id, event.ts_event, event.ts_init) == ("O2", 5, 5)
    assert other.state is OrderState.SUBMITTED


# -- Accepted, exactly once (8.7 a) -----------------------------------------------------


def test_8_7_in_progress_makes_nothing() -> None:
    bench = Bench()
    assert bench.status(S.SUBMITTED) is Outcome.TRACKED
    assert bench.kinds == []
    assert bench.order.state is OrderState.SUBMITTED


def test_the_first_open_row_accepts_and_binds() -> None:
    bench = Bench()
    assert bench.status(S.ACCEPTED) is Outcome.TRACKED
    assert bench.status(S.PARTIALLY_FILLED) is Outcome.TRACKED
    (event,) = bench.events
    assert bench.kinds == ["Accepted"]
    assert (event.venue_order_id, event.ts_event, event.ts_init) == ("v1", 1_000, 2_000)
    assert bench.dispatch.registry.by_venue_id("v1") is bench.order


@pytest.mark.parametrize(("status", "end"), [(S.CANCELED, "Canceled"), (S.EXPIRED, "Expired")])
def test_8_7_a_an_end_before_acceptance_synthesises_it(status: OrderStatus, end: str) -> None:
    bench = Bench()
    bench.status(status, reason="why")
    assert bench.kinds == ["Accepted", end]
    assert bench.events[1].reason == "why"
    assert bench.dispatch.registry.live == 0
    assert bench.status(S.ACCEPTED) is Outcome.SKIP
    assert bench.take() == ["Accepted", end]


def test_x_27_a_fill_before_any_row_synthesises_acceptance_once() -> None:
    bench = Bench()
    assert bench.fill("t1", "4") is Outcome.TRACKED
    bench.status(S.PARTIALLY_FILLED, filled="4")
    assert bench.kinds == ["Accepted", "Filled"]


def test_8_7_a_a_trigger_before_acceptance_synthesises_it() -> None:
    bench = Bench(kind=OrderType.STOP_LIMIT, trigger="90")
    bench.status(S.ACCEPTED, trigger="90", is_triggered=True)
    bench.status(S.ACCEPTED, trigger="90", is_triggered=True)
    assert bench.kinds == ["Accepted", "Triggered"]
    assert bench.order.state is OrderState.TRIGGERED


def test_8_7_a_waiting_conditional_is_accepted_before_it_triggers() -> None:
    bench = Bench(kind=OrderType.STOP_MARKET, trigger="90")
    bench.status(S.ACCEPTED, trigger="90", price="91")
    bench.status(S.TRIGGERED, trigger="90", price="91")
    assert bench.kinds == ["Accepted", "Triggered"]


def test_a_plain_order_never_triggers() -> None:
    bench = Bench()
    bench.status(S.ACCEPTED, is_triggered=True)
    bench.status(S.TRIGGERED)
    assert bench.kinds == ["Accepted"]


# -- refusals (8.7 b) -------------------------------------------------------------------


def test_x_34_post_only_refusal_of_a_fresh_order() -> None:
    bench = Bench()
    bench.status(S.REJECTED, due_post_only=True, reason="canceled-post-only")
    (event,) = bench.events
    assert bench.kinds == ["Rejected"]
    assert event.due_post_only
    assert event.reason == "canceled-post-only"
    assert event.venue_order_id == "v1"


def test_8_7_b_post_only_refusal_of_an_accepted_order_cancels_it() -> None:
    bench = Bench()
    bench.status(S.ACCEPTED)
    bench.status(S.REJECTED, due_post_only=True, reason="canceled-post-only")
    assert bench.kinds == ["Accepted", "Canceled"]


def test_a_refusal_without_a_reason_gets_one() -> None:
    bench = Bench()
    bench.status(S.REJECTED)
    assert bench.events[0].reason == "order rejected by the venue"


def test_l_20_refused_by_an_acknowledgement() -> None:
    bench = Bench()
    assert bench.dispatch.rejected(bench.order, "no margin", code=21739)
    assert not bench.dispatch.rejected(bench.order, "again")
    (event,) = bench.events
    assert (event.reason, event.code) == ("no margin", 21739)


def test_a_refusal_of_what_was_accepted_is_not_believed() -> None:
    bench = Bench()
    bench.status(S.ACCEPTED)
    assert not bench.dispatch.rejected(bench.order, "no")
    assert bench.take() == ["Accepted"]
    assert bench.dispatch.contradictions == 1


def test_life_in_a_refused_order_is_counted_and_its_fills_are_told() -> None:
    bench = Bench()
    bench.dispatch.rejected(bench.order, "no")
    assert bench.status(S.ACCEPTED) is Outcome.SKIP
    assert bench.dispatch.contradictions == 1
    assert bench.fill("t1", "4") is Outcome.TRACKED
    assert bench.kinds == ["Rejected", "Filled"]


def test_denied_orders_end_and_were_never_submitted() -> None:
    bench = Bench()
    fresh = TrackedOrder("O9", INSTRUMENT, Side.BUY, OrderType.LIMIT, size=Decimal(1))
    bench.dispatch.denied(fresh, "nonce window exhausted")
    assert bench.kinds == ["Denied"]
    assert fresh.state is OrderState.DENIED
    assert "O9" not in bench.dispatch.registry


# -- ends (8.7 c, f, g) -----------------------------------------------------------------


@pytest.mark.parametrize("status", [S.CANCELED, S.EXPIRED, S.REJECTED])
def test_8_7_c_a_repeated_final_row_makes_nothing(status: OrderStatus) -> None:
    bench = Bench()
    bench.status(status)
    bench.events.clear()
    assert bench.status(status) is Outcome.SKIP
    assert bench.status(S.CANCELED) is Outcome.SKIP
    assert bench.kinds == []


def test_8_7_f_canceled_stays_canceled_though_all_was_filled() -> None:
    bench = Bench()
    bench.status(S.CANCELED, filled="10")
    assert bench.kinds == ["Accepted", "Canceled"]
    assert bench.order.final is OrderState.CANCELED


def test_fills_end_the_order_by_themselves() -> None:
    bench = Bench()
    bench.status(S.ACCEPTED)
    bench.fill("t1", "4")
    bench.fill("t2", "6")
    first, last = bench.events[1:]
    assert (first.filled_size, first.leaves_size) == (4, 6)
    assert (last.filled_size, last.leaves_size) == (10, 0)
    assert bench.order.final is OrderState.FILLED
    assert bench.status(S.CANCELED) is Outcome.SKIP


def test_overfill_is_told_as_it_is() -> None:
    bench = Bench()
    bench.fill("t1", "11")
    assert bench.events[1].leaves_size == 0
    assert bench.order.filled_size == 11
    assert bench.order.final is OrderState.FILLED


# -- fills (9) --------------------------------------------------------------------------


def test_x_25_a_trade_counts_once() -> None:
    bench = Bench()
    bench.fill("t1", "4")
    assert bench.fill("t1", "4") is Outcome.TRACKED
    assert bench.kinds == ["Accepted", "Filled"]
    assert bench.order.filled_size == 4
    assert bench.dispatch.fills.duplicates == 1


def test_9_a_fill_after_the_end_is_still_a_fill_of_ours() -> None:
    bench = Bench()
    bench.status(S.ACCEPTED)
    bench.status(S.CANCELED)
    assert bench.fill("t1", "4") is Outcome.TRACKED
    assert bench.fill("t1", "4") is Outcome.SKIP
    assert bench.kinds == ["Accepted", "Canceled", "Filled"]
    assert bench.events[-1].leaves_size == 0
    assert bench.order.final is OrderState.CANCELED


def test_late_fills_may_go_elsewhere() -> None:
    bench = Bench(rules=DispatchRules(late_fills_are_events=False))
    bench.status(S.CANCELED)
    bench.events.clear()
    assert bench.fill("t1", "4") is Outcome.SKIP
    assert bench.fill("t1", "4") is Outcome.SKIP
    assert bench.kinds == []
    assert [report.trade_id for report in bench.late] == ["t1"]


def test_a_fill_names_the_order_where_the_acceptance_did_not() -> None:
    bench = Bench()
    bench.status(S.ACCEPTED, venue_id="")
    assert bench.order.venue_order_id is None
    bench.fill("t1", "4")
    assert bench.kinds == ["Accepted", "Filled"]
    assert bench.dispatch.registry.by_venue_id("v1") is bench.order


def test_side_and_type_come_from_the_order() -> None:
    bench = Bench(kind=OrderType.STOP_MARKET, trigger="90")
    bench.fill("t1", "4")
    event = bench.events[-1]
    assert (event.side, event.order_type) == (Side.BUY, OrderType.STOP_MARKET)


def test_l_33_fills_of_strangers_are_reported_once() -> None:
    bench = Bench()
    stranger = trade("t9", "1", venue_id="v9")
    assert bench.dispatch.fill(stranger, client_key=42) is Outcome.EXTERNAL
    assert bench.dispatch.fill(stranger, client_key=42) is Outcome.SKIP
    assert bench.reports == [stranger]
    assert bench.dispatch.fills.take_new([stranger, trade("t10", "1")]) == [trade("t10", "1")]
    assert bench.dispatch.fills.take_new([trade("t10", "1")]) == []


def test_seen_fills_are_bounded() -> None:
    seen = SeenFills(capacity=3)
    for number in range(5):
        seen.mark(number)
    assert len(seen) == 3
    assert 1 not in seen
    assert SeenFills()._seen.capacity >= 100_000


def test_x_26_a_trade_that_could_not_be_used_leaves_the_way_free() -> None:
    """What fails before the fill is applied must not mark the trade as seen."""
    bench = Bench()
    broken = trade("t1", "4")
    object.__setattr__(broken, "last_size", "four")
    with pytest.raises(TypeError):
        bench.dispatch.fill(broken, client_key=77)
    assert "t1" not in bench.dispatch.fills
    assert bench.order.filled_size == 0
    bench.fill("t1", "4")
    assert bench.kinds == ["Accepted", "Filled"]


def test_rows_of_strangers_are_handed_on() -> None:
    bench = Bench()
    stranger = row(S.CANCELED, key=42, venue_id="v9")
    assert bench.dispatch.status(stranger) is Outcome.EXTERNAL
    assert bench.reports == [stranger.report]
    assert bench.kinds == []


# -- age (8.7 d) ------------------------------------------------------------------------


def test_8_7_d_an_older_row_makes_nothing() -> None:
    bench = Bench()
    bench.status(S.ACCEPTED, seq=(5, 100))
    assert bench.status(S.ACCEPTED, seq=(4, 900), size="3") is Outcome.SKIP
    assert bench.status(S.ACCEPTED, seq=(5, 99), size="3") is Outcome.SKIP
    assert bench.dispatch.stale_rows == 2
    assert bench.kinds == ["Accepted"]
    assert bench.status(S.ACCEPTED, seq=(5, 100), size="3") is Outcome.TRACKED
    assert bench.kinds == ["Accepted", "Updated"]


@pytest.mark.parametrize(
    ("one", "other", "older"),
    [
        ((1,), (2,), True),
        ((2,), (1,), False),
        ((1, 5), (1, 6), True),
        ((0, 5), (9, 6), True),  # the first is not known of one
        ((0, 7), (9, 6), False),
        ((), (1,), False),
        ((1,), (), False),
        ((3, 3), (3, 3), False),
    ],
)
def test_is_older(one: tuple[int, ...], other: tuple[int, ...], older: bool) -> None:
    assert is_older(one, other) is older


# -- modifications (X-49, 8.8) ----------------------------------------------------------


def test_x_49_an_unchanged_echo_makes_no_update() -> None:
    bench = Bench()
    bench.status(S.ACCEPTED)
    bench.status(S.ACCEPTED)
    bench.dispatch.modify_sent(bench.order, bench.order.shape)
    assert bench.order.state is OrderState.PENDING_UPDATE
    bench.status(S.ACCEPTED)
    assert bench.kinds == ["Accepted"]
    assert bench.order.state is OrderState.ACCEPTED


def test_a_changed_row_updates_once() -> None:
    bench = Bench()
    bench.status(S.ACCEPTED)
    bench.dispatch.modify_sent(bench.order, Shape(Decimal(12), Decimal(101), None))
    for _ in range(2):
        bench.status(S.ACCEPTED, size="12", price="101")
    assert bench.kinds == ["Accepted", "Updated"]
    event = bench.events[-1]
    assert (event.size, event.price, event.trigger_price) == (12, 101, None)
    assert bench.order.requested is None


def test_a_protection_price_is_no_change_of_a_market_order() -> None:
    bench = Bench(kind=OrderType.MARKET)
    bench.status(S.ACCEPTED, price="95", trigger="0")
    assert bench.kinds == ["Accepted"]


def test_a_change_of_the_trigger_is_one() -> None:
    bench = Bench(kind=OrderType.STOP_MARKET, trigger="90")
    bench.status(S.ACCEPTED, price="91", trigger="90")
    bench.status(S.ACCEPTED, price="93", trigger="92")
    assert bench.kinds == ["Accepted", "Updated"]
    assert bench.events[-1].trigger_price == 92
    assert bench.events[-1].price is None


def test_a_close_all_gets_its_size_without_an_update() -> None:
    bench = Bench(kind=OrderType.STOP_MARKET, trigger="90", size="0")
    bench.status(S.ACCEPTED, trigger="90", size="7")
    bench.fill("t1", "3")
    assert bench.order.final is None
    bench.fill("t2", "4")
    assert bench.kinds == ["Accepted", "Filled", "Filled"]
    assert bench.order.final is OrderState.FILLED


def test_growing_order_is_not_over_at_its_old_size() -> None:
    """The fills can overtake the row of the modification."""
    bench = Bench(size="5")
    bench.status(S.ACCEPTED, size="5")
    bench.dispatch.modify_sent(bench.order, Shape(Decimal(10), Decimal(100), None))
    bench.fill("t1", "5")
    assert bench.order.final is None
    bench.fill("t2", "5")
    assert bench.order.final is OrderState.FILLED


def test_growing_in_vain_ends_at_the_old_size() -> None:
    for how in ("refused", "filled row", "given up"):
        bench = Bench(size="5")
        bench.status(S.ACCEPTED, size="5")
        bench.dispatch.modify_sent(bench.order, Shape(Decimal(10), Decimal(100), None))
        bench.fill("t1", "5")
        if how == "refused":
            bench.dispatch.modify_refused(bench.order, "too late")
        elif how == "given up":
            bench.dispatch.modify_done(bench.order)
        else:
            bench.status(S.FILLED, size="5", filled="5")
        assert bench.order.final is OrderState.FILLED, how
        assert bench.kinds[:2] == ["Accepted", "Filled"]


def test_l_25_a_refused_modification_is_told() -> None:
    bench = Bench()
    bench.status(S.ACCEPTED)
    bench.dispatch.modify_sent(bench.order, Shape(Decimal(12), Decimal(100), None))
    assert bench.dispatch.modify_refused(bench.order, "no", code=21702)
    event = bench.events[-1]
    assert (event.reason, event.code, event.venue_order_id) == ("no", 21702, "v1")
    assert bench.order.state is OrderState.ACCEPTED
    assert bench.order.size == 10
    bench.status(S.CANCELED)
    assert not bench.dispatch.modify_refused(bench.order, "no")


# -- cancels ----------------------------------------------------------------------------


def test_l_23_a_refused_cancel_of_a_pending_cancel_is_told() -> None:
    bench = Bench()
    bench.status(S.ACCEPTED)
    bench.dispatch.cancel_sent(bench.order)
    assert bench.order.state is OrderState.PENDING_CANCEL
    assert bench.dispatch.cancel_refused(bench.order, "no", code=21727)
    assert not bench.dispatch.cancel_refused(bench.order, "no")
    assert bench.kinds == ["Accepted", "CancelRejected"]
    assert bench.order.state is OrderState.ACCEPTED


def test_l_27_a_refused_cancel_of_an_open_order_is_not() -> None:
    bench = Bench()
    bench.status(S.ACCEPTED)
    assert not bench.dispatch.cancel_refused(bench.order, "no")
    assert bench.kinds == ["Accepted"]
    assert bench.dispatch.cancel_refused(bench.order, "no", force=True)


def test_a_cancel_that_comes_too_late_is_not_told_after_the_end() -> None:
    bench = Bench()
    bench.dispatch.cancel_sent(bench.order)
    bench.fill("t1", "10")
    assert not bench.dispatch.cancel_refused(bench.order, "inactive", force=True)
    assert bench.kinds == ["Accepted", "Filled"]
    bench.dispatch.cancel_sent(bench.order)
    bench.dispatch.modify_sent(bench.order, bench.order.shape)
    assert bench.order.state is OrderState.FILLED


def test_pending_commands_are_announced_where_that_is_wanted() -> None:
    bench = Bench(rules=DispatchRules(announces_pending=True))
    bench.status(S.ACCEPTED)
    bench.dispatch.modify_sent(bench.order, bench.order.shape)
    bench.dispatch.cancel_sent(bench.order)
    assert bench.kinds == ["Accepted", "PendingUpdate", "PendingCancel"]


# -- unknown outcomes (7.5) -------------------------------------------------------------


def test_an_unknown_creation_is_a_state_and_no_event() -> None:
    bench = Bench()
    bench.dispatch.in_doubt(bench.order, Doubt.CREATE)
    assert bench.order.state is OrderState.UNKNOWN
    assert bench.kinds == []
    bench.status(S.SUBMITTED)
    assert bench.order.state is OrderState.SUBMITTED
    bench.dispatch.in_doubt(bench.order, Doubt.CREATE)
    bench.fill("t1", "1")
    assert bench.order.doubt is Doubt.NONE
    bench.dispatch.in_doubt(bench.order, Doubt.CREATE)
    assert bench.order.doubt is Doubt.NONE, "it is there, so there is no doubt"


def test_an_unknown_creation_that_cannot_come_any_more_is_refused() -> None:
    bench = Bench()
    bench.dispatch.in_doubt(bench.order, Doubt.CREATE)
    assert bench.dispatch.not_found(bench.order)
    assert bench.events[0].reason == "not found at venue"


def test_a_doubtful_cancel_or_modification_leaves_the_order_what_it_is() -> None:
    bench = Bench()
    bench.status(S.ACCEPTED)
    bench.dispatch.cancel_sent(bench.order)
    bench.dispatch.in_doubt(bench.order, Doubt.CANCEL)
    bench.dispatch.in_doubt(bench.order, Doubt.MODIFY)
    assert bench.order.state is OrderState.PENDING_CANCEL
    assert bench.order.doubt == Doubt.CANCEL | Doubt.MODIFY
    assert bench.kinds == ["Accepted"]
    bench.status(S.CANCELED)
    assert bench.order.doubt is Doubt.NONE


# -- missing fills (8.7 e) --------------------------------------------------------------


def test_8_7_e_a_filled_row_waits_for_its_trades() -> None:
    bench = Bench()
    bench.status(S.ACCEPTED)
    assert bench.status(S.FILLED, filled="10") is Outcome.TRACKED
    assert bench.take() == ["Accepted"]
    assert bench.dispatch.missing_fills(bench.now + 1_999_999_999) == []
    assert bench.dispatch.missing_fills(bench.now + 2_000_000_000) == [bench.order]
    bench.fill("t1", "10")
    assert bench.dispatch.missing_fills(10**18) == []
    assert bench.order.final is OrderState.FILLED


def test_8_7_e_also_for_a_canceled_row_that_shows_more() -> None:
    bench = Bench()
    bench.status(S.CANCELED, filled="4")
    assert bench.dispatch.missing_fills(10**18) == [bench.order]
    bench.fill("t1", "3")
    assert bench.dispatch.missing_fills(10**18) == [bench.order]
    bench.fill("t2", "1")
    assert bench.dispatch.missing_fills(10**18) == []


def test_the_row_of_a_smaller_size_ends_the_order_when_all_fills_are_there() -> None:
    bench = Bench()
    bench.status(S.ACCEPTED)
    bench.fill("t1", "6")
    bench.status(S.FILLED, size="6", filled="6")
    assert bench.kinds == ["Accepted", "Filled", "Updated"]
    assert bench.order.final is OrderState.FILLED


def test_missing_fills_can_be_given_up() -> None:
    bench = Bench()
    bench.status(S.CANCELED, filled="4")
    bench.dispatch.stop_missing(bench.order)
    assert bench.dispatch.missing_fills(10**18) == []
    bench.status(S.CANCELED, filled="4")
    assert bench.dispatch.missing_fills(10**18) == [bench.order], "the row says it again"


# -- unknown statuses (8.7 i) -----------------------------------------------------------


def test_8_7_i_a_status_that_means_nothing_changes_nothing() -> None:
    bench = Bench()
    assert bench.status(S.INITIALIZED) is Outcome.TRACKED
    assert bench.kinds == []


# -- callbacks --------------------------------------------------------------------------


def test_a_callback_that_raises_has_had_its_event() -> None:
    bench = Bench()

    def bad(event: Any) -> None:
        bench.events.append(event)
        raise RuntimeError("the caller's own")

    bench.dispatch._on_event = bad
    bench.fill("t1", "4")
    bench.fill("t1", "4")
    assert bench.kinds == ["Accepted", "Filled"]
    assert bench.order.filled_size == 4
    assert [str(error) for error in bench.errors] == ["the caller's own"] * 2
    assert bench.dispatch.callback_errors == 2


def test_every_callback_is_guarded(caplog: pytest.LogCaptureFixture) -> None:
    def bad(*args: Any) -> None:
        raise RuntimeError("the caller's own")

    dispatch = OrderDispatch(
        OrderRegistry(),
        on_event=bad,
        on_report=bad,
        on_late_fill=bad,
        on_error=bad,
        wall_ns=lambda: 1,
        rules=DispatchRules(late_fills_are_events=False),
    )
    order = dispatch.registry.add(
        TrackedOrder("O1", INSTRUMENT, Side.BUY, OrderType.LIMIT, size=Decimal(1), client_key=77)
    )
    dispatch.status(row(S.CANCELED, size="1"))
    dispatch.fill(trade("t1", "1"))
    dispatch.fill(trade("t2", "1", venue_id="v2"))
    assert order.final is OrderState.CANCELED
    assert dispatch.callback_errors == 4
    assert "on_error raised" in caplog.text


def test_a_callback_may_give_commands() -> None:
    """The order is in the state the event tells of before the callback sees it."""
    bench = Bench()
    seen: list[OrderState] = []

    def reacts(event: Any) -> None:
        bench.events.append(event)
        seen.append(bench.order.state)
        if type(event).__name__ == "OrderAccepted":
            bench.dispatch.cancel_sent(bench.order)
            bench.fill("t1", "4")  # a simulator in the same process may be that quick

    bench.dispatch._on_event = reacts
    bench.fill("t1", "4")
    assert bench.kinds == ["Accepted", "Filled"]
    assert seen == [OrderState.ACCEPTED, OrderState.PENDING_CANCEL]
    assert bench.order.filled_size == 4


def test_a_callback_that_ends_the_order_leaves_no_second_end() -> None:
    bench = Bench()

    def reacts(event: Any) -> None:
        bench.events.append(event)
        if type(event).__name__ == "OrderAccepted":
            bench.fill("t1", "10")

    bench.dispatch._on_event = reacts
    bench.status(S.CANCELED)
    assert bench.kinds == ["Accepted", "Filled"]


def test_an_order_that_is_over_is_in_no_doubt() -> None:
    bench = Bench()
    bench.status(S.CANCELED)
    bench.dispatch.in_doubt(bench.order, Doubt.CANCEL)
    assert bench.order.doubt is Doubt.NONE


def test_an_order_that_is_over_drops_what_the_caller_hung_on_it() -> None:
    bench = Bench()
    bench.order.tag = object()
    bench.status(S.CANCELED)
    assert bench.order.tag is None
    assert bench.order.ts_submitted == 5


def test_a_row_names_its_order_by_any_id() -> None:
    bench = Bench()
    named = OrderRow(row(S.ACCEPTED, client_id="O1", key=None).report)
    assert bench.dispatch.status(named) is Outcome.TRACKED
    by_venue_id = row(S.CANCELED, key=None)
    assert bench.dispatch.status(by_venue_id) is Outcome.TRACKED
    assert bench.kinds == ["Accepted", "Canceled"]


@pytest.mark.parametrize("status", [S.ACCEPTED, S.PARTIALLY_FILLED, S.FILLED])
def test_life_in_a_rejected_order_is_reported(status: OrderStatus) -> None:
    """No event can say it any more; without the report nobody would know that it lives."""
    bench = Bench()
    bench.dispatch.rejected(bench.order, "not found at venue")
    bench.take()
    assert bench.status(status, client_id="O1") is Outcome.SKIP
    assert bench.kinds == []
    (report,) = bench.reports
    assert (report.client_order_id, report.venue_order_id) == ("O1", "v1")
    assert bench.dispatch.contradictions == 1
