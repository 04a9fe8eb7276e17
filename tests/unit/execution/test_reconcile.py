"""Unknown outcomes come to an end by evidence (lighter.md 7.5, 13)."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from connectors.errors import RequestTimeout
from connectors.execution.dispatch import OrderDispatch, OrderRow
from connectors.execution.identity import OrderRegistry, Shape, TrackedOrder
from connectors.execution.lifecycle import Doubt, OrderState
from connectors.execution.lookups import LookupSchedule, Why
from connectors.execution.reconcile import (
    Found,
    Reconciler,
    gather_mass_status,
    merge_order_reports,
    oldest_first,
)
from connectors.model import OrderStatus, OrderType, Side
from oracle.execution import INSTRUMENT, row, trade

S = OrderStatus
NS = 1_000_000_000


class Bench:
    def __init__(self) -> None:
        self.events: list[Any] = []
        self.now = 0
        self.schedule = LookupSchedule()
        self.dispatch = OrderDispatch(
            OrderRegistry(), on_event=self.events.append, wall_ns=lambda: self.now
        )
        self.reconciler = Reconciler(self.dispatch, self.schedule, wall_ns=lambda: self.now)
        self.order = self.add(77)

    def add(self, key: int) -> TrackedOrder:
        order = self.dispatch.registry.add(
            TrackedOrder(
                f"O{key}",
                INSTRUMENT,
                Side.BUY,
                OrderType.LIMIT,
                size=Decimal(10),
                price=Decimal(100),
                client_key=key,
                expires_at=300 * NS,
            )
        )
        order.is_submitted = True
        return order

    def look_up(self, why: Why, *found: Found, expires_at: int | None = None) -> list[bool]:
        """Schedule, and answer each attempt with what is given."""
        self.schedule.ask(self.order, why, 2 * NS, expires_at=expires_at)
        settled = []
        for answer in found:
            due = self.schedule.next_due_ns()
            assert due is not None
            (lookup,) = self.schedule.due(due)
            settled.append(self.reconciler.resolve(lookup, answer, now_ns=due))
        return settled

    @property
    def kinds(self) -> list[str]:
        return [type(event).__name__.removeprefix("Order") for event in self.events]


# -- the schedule -----------------------------------------------------------------------


def test_a_lookup_comes_again_with_growing_pauses() -> None:
    bench = Bench()
    bench.schedule.ask(bench.order, Why.CREATE_IN_DOUBT, 5 * NS)
    assert bench.schedule.due(5 * NS - 1) == []
    now = 5 * NS
    pauses = []
    for attempt in range(1, 8):
        (lookup,) = bench.schedule.due(now)
        assert lookup.attempt == attempt
        assert bench.schedule.due(now) == []
        due = bench.schedule.next_due_ns()
        assert due is not None
        pauses.append((due - now) // NS)
        now = due
    assert pauses == [2, 4, 8, 16, 30, 30, 30]
    bench.schedule.done(bench.order)
    assert bench.schedule.next_due_ns() is None
    assert len(bench.schedule) == 0


def test_one_lookup_per_order_and_reason_the_earlier_time_wins() -> None:
    bench = Bench()
    one = bench.schedule.ask(bench.order, Why.CANCEL_UNSEEN, 9 * NS, expires_at=5)
    two = bench.schedule.ask(bench.order, Why.CANCEL_UNSEEN, 3 * NS, expires_at=7)
    bench.schedule.ask(bench.order, Why.CANCEL_UNSEEN, 20 * NS)
    other = bench.schedule.ask(bench.order, Why.MISSING_FILLS, 4 * NS)
    assert one is two
    assert one.expires_at == 7
    assert bench.schedule.due(100 * NS, limit=1) == [one]
    assert bench.schedule.due(4 * NS) == [other]
    bench.schedule.done(bench.order, Why.CANCEL_UNSEEN)
    bench.schedule.again(one, 0)
    assert len(bench.schedule) == 1
    bench.schedule.clear()
    assert bench.schedule.due(10**18) == []


def test_a_lookup_that_was_moved_comes_once() -> None:
    bench = Bench()
    lookup = bench.schedule.ask(bench.order, Why.ABSENT, 4 * NS)
    bench.schedule.ask(bench.order, Why.ABSENT, 3 * NS)
    assert bench.schedule.due(3 * NS) == [lookup]
    assert bench.schedule.due(4 * NS) == [], "the old time counts no more"
    assert bench.schedule.due(5 * NS) == [lookup]


# -- creations --------------------------------------------------------------------------


def test_x_10_found_means_accepted_and_nothing_twice() -> None:
    bench = Bench()
    bench.dispatch.in_doubt(bench.order, Doubt.CREATE)
    found = Found(rows=[row(S.PARTIALLY_FILLED, filled="4")], fills=[trade("t1", "4")])
    assert bench.look_up(Why.CREATE_IN_DOUBT, found) == [True]
    bench.dispatch.status(row(S.ACCEPTED))
    bench.dispatch.fill(trade("t1", "4"))
    assert bench.kinds == ["Accepted", "Filled"]
    assert len(bench.schedule) == 0


def test_x_10_not_found_is_refused_only_after_the_command_expired() -> None:
    bench = Bench()
    bench.dispatch.in_doubt(bench.order, Doubt.CREATE)
    assert bench.look_up(Why.CREATE_IN_DOUBT, Found(), Found()) == [False, False]
    assert bench.kinds == []
    assert bench.order.state is OrderState.UNKNOWN
    bench.now = 301 * NS
    assert bench.look_up(Why.CREATE_IN_DOUBT, Found()) == [False], "clocks differ"
    bench.now = 302 * NS
    assert bench.look_up(Why.CREATE_IN_DOUBT, Found(is_complete=False)) == [False]
    assert bench.look_up(Why.CREATE_IN_DOUBT, Found()) == [True]
    assert bench.kinds == ["Rejected"]
    assert bench.events[0].reason == "not found at venue"


def test_x_56_proof_of_failure_refuses_at_once() -> None:
    bench = Bench()
    found = Found(failure="reduce only increases position", failure_code=21732)
    assert bench.look_up(Why.CREATE_UNSEEN, found) == [True]
    assert (bench.events[0].reason, bench.events[0].code) == (
        "reduce only increases position",
        21732,
    )


def test_a_row_in_progress_is_no_verdict() -> None:
    bench = Bench()
    bench.now = 400 * NS
    assert bench.look_up(Why.CREATE_IN_DOUBT, Found(rows=[row(S.SUBMITTED)])) == [False]
    assert bench.kinds == []


def test_an_order_that_ended_meanwhile_needs_no_answer() -> None:
    bench = Bench()
    bench.dispatch.status(row(S.CANCELED))
    assert bench.look_up(Why.CREATE_IN_DOUBT, Found()) == [True]


# -- cancels and modifications ----------------------------------------------------------


def test_x_33_an_acked_cancel_of_an_order_that_is_nowhere() -> None:
    bench = Bench()
    bench.dispatch.status(row(S.ACCEPTED))
    bench.dispatch.cancel_sent(bench.order)
    assert bench.look_up(Why.CANCEL_UNSEEN, Found(is_complete=False), Found()) == [False, True]
    assert bench.kinds == ["Accepted", "CancelRejected"]
    assert "order not found after venue ack" in bench.events[-1].reason


def test_an_acked_cancel_found_done() -> None:
    bench = Bench()
    bench.dispatch.status(row(S.ACCEPTED))
    bench.dispatch.cancel_sent(bench.order)
    assert bench.look_up(Why.CANCEL_UNSEEN, Found(rows=[row(S.CANCELED)])) == [True]
    assert bench.kinds == ["Accepted", "Canceled"]


def test_an_acked_cancel_without_effect_is_refused_after_a_while() -> None:
    bench = Bench()
    bench.dispatch.status(row(S.ACCEPTED))
    bench.dispatch.cancel_sent(bench.order)
    still_open = Found(rows=[row(S.ACCEPTED)])
    assert bench.look_up(Why.CANCEL_UNSEEN, *[still_open] * 5) == [False] * 4 + [True]
    assert bench.kinds == ["Accepted", "CancelRejected"]


def test_a_doubtful_cancel_is_refused_once_it_cannot_happen_any_more() -> None:
    bench = Bench()
    bench.dispatch.status(row(S.ACCEPTED))
    bench.dispatch.cancel_sent(bench.order)
    bench.dispatch.in_doubt(bench.order, Doubt.CANCEL)
    still_open = Found(rows=[row(S.ACCEPTED)])
    assert bench.look_up(Why.CANCEL_IN_DOUBT, still_open, expires_at=500 * NS) == [False]
    bench.now = 502 * NS
    assert bench.look_up(Why.CANCEL_IN_DOUBT, still_open) == [True]
    assert bench.kinds == ["Accepted", "CancelRejected"]
    assert bench.order.doubt is Doubt.NONE
    failed = Found(rows=[row(S.ACCEPTED)], failure="order is not active", failure_code=21715)
    bench.dispatch.cancel_sent(bench.order)
    assert bench.look_up(Why.CANCEL_IN_DOUBT, failed) == [True]
    assert bench.events[-1].code == 21715


def test_modifications_in_doubt_or_without_effect() -> None:
    target = Shape(Decimal(12), Decimal(101), None)
    unchanged, changed = (
        Found(rows=[row(S.ACCEPTED)]),
        Found(rows=[row(S.ACCEPTED, size="12", price="101")]),
    )
    for why, answers, end in (
        (Why.MODIFY_IN_DOUBT, [unchanged, changed], "Updated"),
        (Why.MODIFY_UNSEEN, [unchanged] * 5, "ModifyRejected"),
        (Why.MODIFY_UNSEEN, [Found()], "ModifyRejected"),
        (Why.MODIFY_IN_DOUBT, [unchanged, Found(failure="no")], "ModifyRejected"),
    ):
        bench = Bench()
        bench.dispatch.status(row(S.ACCEPTED))
        bench.dispatch.modify_sent(bench.order, target)
        if why is Why.MODIFY_IN_DOUBT:
            bench.dispatch.in_doubt(bench.order, Doubt.MODIFY)
        settled = bench.look_up(why, *answers)
        assert settled == [False] * (len(answers) - 1) + [True]
        assert bench.kinds == ["Accepted", end]
        assert bench.order.requested is None
        assert bench.order.doubt is Doubt.NONE
    bench = Bench()
    bench.dispatch.status(row(S.ACCEPTED))
    bench.dispatch.modify_sent(bench.order, target)
    bench.dispatch.in_doubt(bench.order, Doubt.MODIFY)
    bench.now = 302 * NS
    assert bench.look_up(Why.MODIFY_IN_DOUBT, unchanged) == [True]
    assert bench.kinds == ["Accepted", "ModifyRejected"]


# -- fills and snapshots ----------------------------------------------------------------


def test_missing_fills_are_fetched_or_given_up() -> None:
    bench = Bench()
    bench.dispatch.status(row(S.CANCELED, filled="4"))
    found = Found(fills=[trade("t2", "3", ts=9), trade("t1", "1", ts=8)])
    assert bench.look_up(Why.MISSING_FILLS, Found(), found) == [False, True]
    assert [event.trade_id for event in bench.events[2:]] == ["t1", "t2"]
    bench = Bench()
    bench.dispatch.status(row(S.CANCELED, filled="4"))
    assert bench.look_up(Why.MISSING_FILLS, *[Found()] * 5) == [False] * 4 + [True]
    assert bench.reconciler.given_up == 1
    assert bench.dispatch.missing_fills(10**18) == []


def test_8_7_h_an_order_believed_open_and_absent_is_looked_up() -> None:
    bench = Bench()
    present, absent, fresh = bench.add(1), bench.add(2), bench.add(3)
    for order in (present, absent):
        bench.dispatch.status(
            row(S.ACCEPTED, key=order.client_key, venue_id=f"v{order.client_key}")
        )
    bench.events.clear()
    rows = [row(S.ACCEPTED, key=1, venue_id="v1"), row(S.ACCEPTED, key=3, venue_id="v3")]
    assert bench.reconciler.open_orders(rows, now_ns=7) == [absent]
    assert bench.kinds == ["Accepted"], "the one that was new"
    assert fresh.state is OrderState.ACCEPTED
    (lookup,) = bench.schedule.due(7)
    assert (lookup.order, lookup.why) == (absent, Why.ABSENT)
    done = Found(rows=[row(S.CANCELED, key=2, venue_id="v2")])
    assert bench.reconciler.resolve(lookup, done, now_ns=7)
    assert bench.kinds == ["Accepted", "Canceled"]


def test_an_absent_order_found_open_after_all_stays_open() -> None:
    bench = Bench()
    bench.dispatch.status(row(S.ACCEPTED))
    assert bench.look_up(Why.ABSENT, Found(), Found(rows=[row(S.ACCEPTED)])) == [False, True]
    assert bench.kinds == ["Accepted"]
    assert bench.look_up(Why.ABSENT, *[Found()] * 5)[-1]
    assert bench.reconciler.given_up == 1
    assert bench.order.state is OrderState.ACCEPTED, "absence alone ends no order"


def test_candidates_of_a_list_are_those_from_before_it_was_asked_for() -> None:
    bench = Bench()
    before = bench.dispatch.registry.live_orders()
    bench.dispatch.status(row(S.ACCEPTED))
    later = bench.add(5)
    bench.dispatch.status(row(S.ACCEPTED, key=5, venue_id="v5"))
    assert bench.reconciler.open_orders([], now_ns=0, believed_open=before) == [bench.order]
    assert bench.reconciler.open_orders([], now_ns=0, instrument_id="BTC-PERP") == []
    assert bench.reconciler.open_orders([], now_ns=0) == [bench.order, later]


def test_10_000_orders_reconcile_within_a_second() -> None:
    bench = Bench()
    for number in range(1000, 11_000):
        bench.add(number)
    rows: list[OrderRow] = [
        row(S.ACCEPTED, key=number, venue_id=f"v{number}") for number in range(1000, 11_000)
    ]
    started = time.process_time()
    assert bench.reconciler.open_orders(rows, now_ns=0) == []
    assert bench.reconciler.open_orders(rows[::2], now_ns=0) == [
        bench.dispatch.registry.by_key(number) for number in range(1001, 11_000, 2)
    ]
    assert time.process_time() - started < 1.0
    assert bench.kinds == ["Accepted"] * 10_000


# -- reports ----------------------------------------------------------------------------


def test_merging_keeps_the_active_of_two() -> None:
    active = [row(S.ACCEPTED, venue_id="a").report, row(S.ACCEPTED, venue_id="b").report]
    inactive = [row(S.CANCELED, venue_id="b").report, row(S.CANCELED, venue_id="c").report]
    assert merge_order_reports(active, inactive) == [*active, inactive[1]]


def test_fills_are_sorted_by_time_and_number() -> None:
    fills = [trade(name, 1, ts=ts) for name, ts in (("100", 5), ("99", 5), ("7", 6), ("8", 4))]
    random.Random(1).shuffle(fills)
    assert [fill.trade_id for fill in oldest_first(fills)] == ["8", "99", "100", "7"]


def test_a_mass_status_degrades_part_by_part(
    run_any: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    report = row(S.ACCEPTED).report

    async def orders() -> list[Any]:
        return [report]

    async def fills() -> list[Any]:
        raise RequestTimeout("no answer")

    async def positions() -> list[Any]:
        return []

    status = run_any(
        gather_mass_status(
            "LIGHTER", "1", orders=orders, fills=fills, positions=positions, wall_ns=lambda: 3
        )
    )
    assert status.orders == (report,)
    assert status.fills == status.positions == ()
    assert status.ts_init == 3
    assert "without fill reports" in caplog.text


def test_a_mistake_of_ours_is_not_degraded_away(run: Callable[..., Any]) -> None:
    async def bad() -> list[Any]:
        raise KeyError("a bug")

    with pytest.raises(KeyError):
        run(
            gather_mass_status(
                "LIGHTER", "1", orders=bad, fills=bad, positions=bad, wall_ns=lambda: 3
            )
        )


@pytest.mark.parametrize("why", [Why.CREATE_IN_DOUBT, Why.CREATE_UNSEEN])
def test_a_search_that_began_before_the_expiry_proves_nothing_after_it(why: Why) -> None:
    """It may take long, and the order may have come while it was under way."""
    bench = Bench()
    bench.now = 310 * NS  # the answer is here; the command expired at 300
    assert bench.look_up(why, Found(as_of_ns=300 * NS)) == [False]
    assert bench.kinds == []
    assert bench.look_up(why, Found(as_of_ns=302 * NS)) == [True]
    assert bench.kinds == ["Rejected"]


@pytest.mark.parametrize(
    ("why", "name"),
    [(Why.CANCEL_IN_DOUBT, "CancelRejected"), (Why.MODIFY_IN_DOUBT, "ModifyRejected")],
)
def test_the_same_for_a_cancel_or_modification(why: Why, name: str) -> None:
    bench = Bench()
    bench.dispatch.status(row(S.ACCEPTED))
    if why is Why.CANCEL_IN_DOUBT:
        bench.dispatch.cancel_sent(bench.order)
        bench.dispatch.in_doubt(bench.order, Doubt.CANCEL)
    else:
        bench.dispatch.modify_sent(bench.order, Shape(Decimal(20), Decimal(100), None))
        bench.dispatch.in_doubt(bench.order, Doubt.MODIFY)
    bench.events.clear()
    bench.now = 310 * NS
    rows = [row(S.ACCEPTED)]
    early, late = Found(rows, as_of_ns=300 * NS), Found(rows, as_of_ns=302 * NS)
    assert bench.look_up(why, early, expires_at=300 * NS) == [False]
    assert bench.kinds == []
    assert bench.look_up(why, late, expires_at=300 * NS) == [True]
    assert bench.kinds == [name]
