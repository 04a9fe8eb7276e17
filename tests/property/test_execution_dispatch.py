"""Whatever comes, in whatever order, as often as it likes: no fill lost, none twice, one end."""

from __future__ import annotations

import random
from collections import Counter
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.execution.dispatch import OrderDispatch, OrderRow
from connectors.execution.identity import OrderRegistry, Shape, TrackedOrder
from connectors.execution.lifecycle import LEGAL_STEPS, Doubt, OrderState
from connectors.model import FillReport, OrderStatus, OrderType, Side
from oracle.execution import INSTRUMENT, expected_events, make_script, row, trade

FINAL = {"OrderCanceled", "OrderExpired", "OrderRejected", "OrderDenied"}


def _kind(event: Any) -> str:
    return type(event).__name__


class Bench:
    """One dispatch with one order of ours in it, watching every step."""

    def __init__(self, size: Decimal) -> None:
        self.events: list[Any] = []
        self.reports: list[Any] = []
        self.dispatch = OrderDispatch(
            OrderRegistry(),
            on_event=self.events.append,
            on_report=self.reports.append,
            wall_ns=lambda: 5,
        )
        self.order = self.dispatch.registry.add(
            TrackedOrder(
                "O1",
                INSTRUMENT,
                Side.BUY,
                OrderType.LIMIT,
                size=size,
                price=Decimal(100),
                client_key=77,
            )
        )
        self.states = [self.order.state]
        self.dispatch.submitted(self.order)
        self.note()

    def deliver(self, item: OrderRow | FillReport) -> None:
        if isinstance(item, FillReport):
            self.dispatch.fill(item, client_key=77)
        else:
            self.dispatch.status(item)
        self.note()

    def note(self) -> None:
        """Check the step of the state; an accepted order may go on within one delivery."""
        now, last = self.order.state, self.states[-1]
        if now is not last:
            via_accepted = LEGAL_STEPS[OrderState.ACCEPTED] if not last.is_working else frozenset()
            assert now in LEGAL_STEPS[last] | via_accepted, f"{last} -> {now}"
            self.states.append(now)

    def told(self) -> list[tuple[Any, ...]]:
        said: list[tuple[Any, ...]] = []
        for event in self.events[1:]:
            kind = type(event).__name__
            if kind == "OrderFilled":
                said.append((kind, event.trade_id, event.last_size, event.filled_size))
            else:
                said.append((kind,))
        return said

    def check(self, trades: dict[str, Decimal]) -> None:
        """Check what must hold whatever was delivered."""
        kinds = Counter(type(event).__name__ for event in self.events)
        fills = [event for event in self.events if type(event).__name__ == "OrderFilled"]
        assert kinds["OrderAccepted"] <= 1
        assert {e.trade_id: e.last_size for e in fills} == trades
        assert len(fills) == len(trades)
        assert self.order.filled_size == sum(trades.values(), Decimal(0))
        assert sum(kinds[kind] for kind in FINAL) <= 1
        if kinds["OrderRejected"]:
            assert not kinds["OrderAccepted"]
            return
        about_commands = ("OrderCancelRejected", "OrderModifyRejected")
        first = [kind for kind in map(_kind, self.events[1:]) if kind not in about_commands][:1]
        assert first in ([], ["OrderAccepted"])


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_any_order_of_delivery_says_what_the_oracle_says(seed: int) -> None:
    rng = random.Random(seed)
    script = make_script(rng)
    delivered = [*script.sent, *rng.choices(script.sent, k=rng.randint(0, 4))]
    if rng.random() < 0.8:
        rng.shuffle(delivered)
    delivered = delivered[: rng.randint(1, len(delivered))]
    bench = Bench(script.size)
    for item in delivered:
        bench.deliver(item)
    assert bench.told() == expected_events(script.size, delivered)
    bench.check({i.trade_id: i.last_size for i in delivered if isinstance(i, FillReport)})


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_everything_delivered_ends_the_order_as_the_venue_did(seed: int) -> None:
    rng = random.Random(seed)
    script = make_script(rng)
    delivered = [*script.sent, *script.sent]
    rng.shuffle(delivered)
    bench = Bench(script.size)
    for item in delivered:
        bench.deliver(item)
    assert bench.order.final is OrderState(script.ends_by.value)
    assert bench.dispatch.registry.live == 0
    assert bench.dispatch.missing_fills(10**18) == []
    bench.check(script.trades)


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_commands_and_doubts_in_between_lose_nothing(seed: int) -> None:
    """Cancels, modifications, refusals and doubts at random points; size goes up and down."""
    rng = random.Random(seed)
    bench = Bench(Decimal(4))
    dispatch, order = bench.dispatch, bench.order
    trades: dict[str, Decimal] = {}
    for seq in range(1, 30):
        match rng.randrange(10):
            case 0:
                dispatch.cancel_sent(order)
            case 1:
                dispatch.cancel_refused(order, "no")
            case 2:
                dispatch.modify_sent(order, Shape(Decimal(rng.randint(1, 8)), Decimal(100), None))
            case 3:
                dispatch.modify_refused(order, "no")
            case 4:
                dispatch.in_doubt(order, rng.choice(list(Doubt)))
            case 5 if rng.random() < 0.2:
                ends = (OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REJECTED)
                bench.deliver(row(rng.choice(ends), seq=seq, size=order.size))
            case 6:
                size = order.requested.size if order.requested else order.size
                bench.deliver(row(OrderStatus.ACCEPTED, seq=rng.randint(1, seq), size=size))
            case 7:
                trades[f"t{seq}"] = Decimal(rng.randint(1, 3))
                bench.deliver(trade(f"t{seq}", trades[f"t{seq}"]))
            case 8 if trades:
                name = rng.choice(sorted(trades))
                bench.deliver(trade(name, trades[name]))
            case 9:
                dispatch.rejected(order, "refused")
        bench.note()
    bench.check(trades)
    kinds = [type(event).__name__ for event in bench.events]
    ends = [index for index, kind in enumerate(kinds) if kind in FINAL]
    if ends:
        assert set(kinds[ends[0] + 1 :]) <= {"OrderFilled"}


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_callback_that_raises_neither_loses_nor_repeats_a_fill(seed: int) -> None:
    rng = random.Random(seed)
    script = make_script(rng)
    bench = Bench(script.size)
    calls: list[Any] = []
    errors: list[Any] = []

    def unreliable(event: Any) -> None:
        calls.append(event)
        if rng.random() < 0.5:
            raise RuntimeError("the caller's own")

    bench.dispatch._on_event = unreliable
    bench.dispatch._on_error = lambda what, error: errors.append(error)
    delivered = [*script.sent, *script.sent]
    rng.shuffle(delivered)
    for item in delivered:
        bench.deliver(item)
    fills = [e.trade_id for e in calls if type(e).__name__ == "OrderFilled"]
    assert sorted(fills) == sorted(script.trades)
    assert bench.order.final is OrderState(script.ends_by.value)
    assert bench.dispatch.callback_errors == len(errors)


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_orders_and_strangers_do_not_mix(seed: int) -> None:
    """Many orders, half of them not ours: events for ours only, reports for the rest only."""
    rng = random.Random(seed)
    events: list[Any] = []
    reports: list[Any] = []
    dispatch = OrderDispatch(
        OrderRegistry(), on_event=events.append, on_report=reports.append, wall_ns=lambda: 5
    )
    for number in range(10):
        if number % 2:
            dispatch.registry.add(
                TrackedOrder(
                    f"O{number}",
                    INSTRUMENT,
                    Side.BUY,
                    OrderType.LIMIT,
                    size=Decimal(5),
                    price=Decimal(100),
                    client_key=number,
                )
            )
    sent: set[tuple[int, str]] = set()
    for _ in range(60):
        number = rng.randrange(10)
        if rng.random() < 0.5:
            name = f"{number}-{rng.randrange(4)}"
            sent.add((number, name))
            key = number if rng.random() < 0.5 else None
            dispatch.status(row(OrderStatus.ACCEPTED, size=5, key=number, venue_id=f"v{number}"))
            dispatch.fill(trade(name, 1, venue_id=f"v{number}"), client_key=key)
        else:
            dispatch.status(row(OrderStatus.ACCEPTED, size=5, key=number, venue_id=f"v{number}"))
    got = [(int(e.client_order_id[1:]), e.trade_id) for e in events if hasattr(e, "trade_id")]
    outside = [(int(r.venue_order_id[1:]), r.trade_id) for r in reports if hasattr(r, "trade_id")]
    assert sorted(got) == sorted(item for item in sent if item[0] % 2)
    assert sorted(outside) == sorted(item for item in sent if not item[0] % 2)
