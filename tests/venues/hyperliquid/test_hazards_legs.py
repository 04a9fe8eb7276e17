"""What would cost money while an order is being replaced (2.8, 2.11)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from connectors.execution.identity import OrderRegistry, Shape, TrackedOrder
from connectors.execution.legs import LegDispatch
from connectors.model import OrderFilled, OrderStatus, OrderType, OrderUpdated, Side
from oracle.execution import INSTRUMENT, row, trade

S = OrderStatus


class Bench:
    """An order of 10 in its first leg, `1`; `react` is the bot."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.react: Callable[[Any], object] = lambda event: None
        self.dispatch = LegDispatch(OrderRegistry(), on_event=self._take, wall_ns=lambda: 5)
        self.order = self.dispatch.registry.add(
            TrackedOrder(
                "O1", INSTRUMENT, Side.BUY, OrderType.LIMIT,
                size=Decimal(10), price=Decimal(100), client_key=77,
            )
        )  # fmt: skip
        self.dispatch.submitted(self.order)
        self.status(S.ACCEPTED, "1")
        self.events.clear()

    def _take(self, event: Any) -> None:
        self.events.append(event)
        self.react(event)

    def status(self, status: OrderStatus, leg: str, **more: Any) -> None:
        self.dispatch.status(row(status, venue_id=leg, **more))

    def fill(self, trade_id: str, size: str, leg: str) -> None:
        self.dispatch.fill(trade(trade_id, size, venue_id=leg), client_key=77)

    def modify(self, target: str, *, price: str = "101") -> None:
        """Send it as the client does: what is left goes out."""
        size = Decimal(target)
        self.dispatch.replace_sent(
            self.order,
            Shape(size, Decimal(price), None),
            sent_size=size - self.order.filled_size,
        )

    def replaced(self, leg: str) -> None:
        self.dispatch.replaced(self.order, leg, ts_event=1, ts_init=2)

    @property
    def kinds(self) -> list[str]:
        return [type(event).__name__.removeprefix("Order") for event in self.events]


def test_a_leg_that_came_after_all_that_was_wanted_had_traded_is_canceled() -> None:
    """Down to 5, while the old leg trades 6: the venue opens 5 more that nobody asked for."""
    bench = Bench()
    bench.modify("5")
    bench.fill("a", "6", "1")
    bench.replaced("2")
    assert bench.kinds == ["Filled", "Updated"]
    assert bench.dispatch.work.take_correctives() == []
    assert bench.dispatch.work.take_strays() == [bench.order]
    bench.status(S.CANCELED, "2", size="5")
    assert bench.kinds == ["Filled", "Updated", "Canceled"]


def test_a_modification_from_within_the_update_outlives_the_corrective() -> None:
    """The old leg traded on its way, and the bot asks for 20 in the call that tells of it."""
    bench = Bench()
    bench.react = lambda event: (
        bench.modify("20", price="99") if isinstance(event, OrderUpdated) else None
    )
    bench.modify("10")
    bench.fill("a", "2", "1")
    bench.replaced("2")
    bench.react = lambda event: None
    assert bench.dispatch.work.take_correctives() == []  # the bot's is of the right size already
    bench.replaced("3")
    last = bench.events[-1]
    assert isinstance(last, OrderUpdated)
    assert (last.size, last.price) == (Decimal(20), Decimal(99))
    bench.fill("b", "8", "3")
    assert not bench.order.is_final


def test_a_modification_from_within_a_held_fill_outlives_the_corrective() -> None:
    bench = Bench()
    bench.react = lambda event: (
        bench.modify("20", price="99")
        if isinstance(event, OrderFilled) and event.trade_id == "b"
        else None
    )
    bench.modify("10")
    bench.fill("a", "2", "1")
    bench.fill("b", "1", "2")
    bench.replaced("2")
    bench.react = lambda event: None
    assert bench.dispatch.work.take_correctives() == []
    bench.replaced("3")
    assert bench.order.size == Decimal(20)


def oversized() -> Bench:
    """Down to 5 while the old leg traded 2, and the venue does not let the new one be 3."""
    bench = Bench()
    bench.modify("5")
    bench.fill("a", "2", "1")
    bench.replaced("2")
    (corrective,) = bench.dispatch.work.take_correctives()
    assert (corrective.venue_order_id, corrective.size) == ("2", Decimal(3))
    bench.dispatch.replace_refused(bench.order, "Order must have minimum value of $10.")
    return bench


def test_a_leg_that_is_too_big_and_cannot_be_made_smaller_is_canceled() -> None:
    """More would trade than was asked for; the end says why it came (2.11)."""
    bench = oversized()
    assert bench.kinds == ["Filled", "Updated"]
    assert bench.dispatch.work.take_strays() == [bench.order]
    assert bench.dispatch.is_too_big(bench.order)
    bench.status(S.CANCELED, "2", size="5")
    assert bench.kinds == ["Filled", "Updated", "Canceled"]
    assert "larger than was asked for" in bench.events[-1].reason
    assert "minimum value" in bench.events[-1].reason


def test_a_new_modification_makes_a_leg_that_is_too_big_right() -> None:
    bench = oversized()
    bench.dispatch.work.take_strays()
    bench.modify("8")
    bench.replaced("3")
    assert not bench.dispatch.is_too_big(bench.order)
    assert not bench.dispatch.work
    bench.status(S.CANCELED, "3", size="6")
    assert bench.events[-1].reason is None


def test_a_leg_that_is_too_big_is_canceled_when_the_next_modification_is_refused_too() -> None:
    bench = oversized()
    bench.dispatch.work.take_strays()
    bench.modify("8")
    bench.dispatch.replace_refused(bench.order, "no")
    assert bench.dispatch.work.take_strays() == [bench.order]
    assert bench.kinds == ["Filled", "Updated", "ModifyRejected"]


def test_a_fill_of_the_old_leg_that_is_told_after_the_new_one_makes_that_smaller() -> None:
    """The reply overtook it; the new leg has 5 where 3 are left (2.11)."""
    bench = Bench()
    bench.modify("5")
    bench.replaced("2")
    assert not bench.dispatch.work
    bench.fill("a", "2", "1")
    (corrective,) = bench.dispatch.work.take_correctives()
    assert (corrective.venue_order_id, corrective.size) == ("2", Decimal(3))
    bench.fill("b", "0.5", "1")  # one is on its way: the next is as small as it has to be then
    assert bench.dispatch.work.take_correctives() == []
    bench.replaced("3")
    (corrective,) = bench.dispatch.work.take_correctives()
    assert (corrective.venue_order_id, corrective.size) == ("3", Decimal("2.5"))
    assert bench.order.size == Decimal(5)


def test_a_leg_of_somebody_elses_making_is_as_large_as_it_was_made() -> None:
    """Nobody here knows what they wanted in all (X05)."""
    bench = Bench()
    bench.status(S.ACCEPTED, "2", size="6")
    bench.fill("a", "2", "1")
    assert not bench.dispatch.work
