"""A modification with two fills, told in every order, one part doubled and one that never comes.

What is known of the order in the end is what the venue has, or the client knows that it does not
know: the order is not over, and asking the venue (`answer`, the fills) brings it there. It is never
wrong: no end that the venue has not given, no fill twice or of nobody, no update twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from itertools import permutations
from typing import Any

import pytest

from connectors.execution.fills import SeenFills
from connectors.execution.identity import OrderRegistry, Shape, TrackedOrder
from connectors.execution.legs import LegDispatch
from connectors.model import OrderStatus, OrderType, Side
from oracle.execution import INSTRUMENT, row, trade

S = OrderStatus
Part = Callable[["Client"], object]


@cache
def _row(status: OrderStatus, leg: str, size: str, filled: str) -> Any:
    price = "100" if leg == "v1" else "101"
    return row(status, venue_id=leg, size=size, filled=filled, price=price)


@cache
def _trade(trade_id: str, size: str, leg: str) -> Any:
    return trade(trade_id, size, venue_id=leg)


class Client:
    """One order in leg `v1`, of which a modification to leg `v2` is on its way."""

    def __init__(self, *, hold_fills: bool, target: str, sent: str) -> None:
        self.events: list[Any] = []
        self.late: list[str] = []
        self.dispatch = LegDispatch(
            OrderRegistry(),
            on_event=self.events.append,
            on_late_fill=lambda report, order: self.late.append(report.trade_id),
            wall_ns=lambda: 5,
            hold_fills=hold_fills,
            fills=SeenFills(100),
        )
        self.order = self.dispatch.registry.add(
            TrackedOrder(
                "O1", INSTRUMENT, Side.BUY, OrderType.LIMIT,
                size=Decimal(10), price=Decimal(100), client_key=77,
            )
        )  # fmt: skip
        self.dispatch.submitted(self.order)
        self.dispatch.status(_row(S.ACCEPTED, "v1", "10", "0"))
        self.target = Shape(Decimal(target), Decimal(101), None)
        self.dispatch.replace_sent(self.order, self.target, sent_size=Decimal(sent))
        self.events.clear()

    @property
    def kinds(self) -> list[str]:
        return [type(event).__name__.removeprefix("Order") for event in self.events]

    @property
    def filled(self) -> list[str]:
        return [event.trade_id for event in self.events if hasattr(event, "trade_id")] + self.late

    def reply(self, leg: str = "v2") -> None:
        self.dispatch.replaced(self.order, leg, ts_event=1, ts_init=2)

    def refuse(self) -> None:
        if self.dispatch.marker(self.order) is not None:
            self.dispatch.replace_refused(self.order, "refused", row_may_follow=True)

    def status(self, status: OrderStatus, leg: str, *, size: str, filled: str = "0") -> None:
        self.dispatch.status(_row(status, leg, size, filled))

    def fill(self, trade_id: str, size: str, leg: str) -> None:
        self.dispatch.fill(_trade(trade_id, size, leg), client_key=77)


@dataclass(frozen=True)
class Story:
    """What happens at the venue, the parts that tell it, and how it stands in the end."""

    parts: dict[str, Part]
    fills: dict[str, tuple[str, str]]  # trade -> size, leg
    leg: str = "v2"
    leg_size: str = "10"
    end: OrderStatus | None = None  # of the last leg; None: it rests
    target: str = "10"
    sent: str = "10"
    refused: bool = False

    @property
    def leg_filled(self) -> Decimal:
        return sum((Decimal(s) for s, leg in self.fills.values() if leg == self.leg), Decimal(0))


def _fills(**fills: tuple[str, str]) -> dict[str, Part]:
    return {
        f"fill {name}": (lambda c, n=name, s=size, g=leg: c.fill(n, s, g))
        for name, (size, leg) in fills.items()
    }


def _story(fills: dict[str, tuple[str, str]], parts: dict[str, Part], **more: Any) -> Story:
    return Story({**_fills(**fills), **parts}, fills, **more)


REPLY: dict[str, Part] = {"reply": lambda c: c.reply()}
PAIR: dict[str, Part] = {
    "open": lambda c: c.status(S.ACCEPTED, "v2", size="10"),
    "canceled": lambda c: c.status(S.CANCELED, "v1", size="10"),
}
STORIES = {
    "rests": _story({"a": ("3", "v2"), "b": ("4", "v2")}, {**REPLY, **PAIR}),
    "fills": _story(
        {"a": ("3", "v2"), "b": ("7", "v2")},
        {**REPLY, **PAIR, "filled": lambda c: c.status(S.FILLED, "v2", size="10", filled="10")},
        end=S.FILLED,
    ),
    "is canceled": _story(
        {"a": ("3", "v2"), "b": ("4", "v2")},
        {**REPLY, **PAIR, "end": lambda c: c.status(S.CANCELED, "v2", size="10", filled="7")},
        end=S.CANCELED,
    ),
    "after the old leg traded": _story(
        {"a": ("4", "v1"), "b": ("6", "v2")},
        {
            **REPLY,
            "open": lambda c: c.status(S.ACCEPTED, "v2", size="10"),
            "canceled": lambda c: c.status(S.CANCELED, "v1", size="10", filled="4"),
        },
        target="12",
        sent="12",
        leg_size="12",
    ),
    "is refused, the old leg lives": _story(
        {"a": ("3", "v1"), "b": ("4", "v1")},
        {"reply": lambda c: c.refuse(), "row": lambda c: c.status(S.REJECTED, "v2", size="10")},
        leg="v1",
        refused=True,
    ),
    "is refused, the old leg is gone": _story(
        {"a": ("3", "v1"), "b": ("4", "v1")},
        {
            "reply": lambda c: c.refuse(),
            "canceled": lambda c: c.status(S.CANCELED, "v1", size="10", filled="7"),
        },
        leg="v1",
        end=S.CANCELED,
        refused=True,
    ),
}


def tellings(names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Every order of the parts: of all of them, and with one missing and another one doubled."""
    yield from permutations(names)
    for dropped in names:
        rest = [name for name in names if name != dropped]
        for doubled in rest:
            seen = set()
            for order in permutations([*rest, doubled]):
                if order not in seen:
                    seen.add(order)
                    yield order


def check_events(client: Client, story: Story) -> None:
    """What was told is true, whatever came so far."""
    kinds, order = client.kinds, client.order
    filled = client.filled
    assert len(filled) == len(set(filled))
    assert set(filled) <= set(story.fills)
    if story.refused:
        assert kinds.count("Updated") == 0
        assert kinds.count("ModifyRejected") <= 1
    else:
        assert kinds.count("ModifyRejected") == 0
        assert kinds.count("Updated") <= 1
        if "Updated" in kinds:
            of_new_leg = [
                at
                for at, event in enumerate(client.events)
                if hasattr(event, "trade_id") and event.venue_order_id == "v2"
            ]
            assert all(at > kinds.index("Updated") for at in of_new_leg)
    if order.final is not None:
        assert story.end is not None
        assert order.final.value == story.end.value
        assert len(filled) == len(story.fills), "an end before all of its fills"
    assert kinds.count("Canceled") == (order.final is not None and order.final.value == "CANCELED")


def ask(client: Client, story: Story) -> None:
    """Ask the venue as the client does: its fills, then the order by its cloid and its leg."""
    for name, (size, leg) in story.fills.items():
        client.fill(name, size, leg)
    if story.refused and client.dispatch.marker(client.order) is not None:
        client.refuse()  # what its nonce proves
    status = story.end or S.ACCEPTED
    client.dispatch.answer(_row(status, story.leg, story.leg_size, str(story.leg_filled)))
    if client.order.final is None and status.is_final and client.order.venue_order_id != story.leg:
        client.reply(story.leg)


def check_equal(client: Client, story: Story) -> None:
    order = client.order
    assert set(client.filled) == set(story.fills)
    assert order.filled_size == sum(Decimal(size) for size, _ in story.fills.values())
    if story.end is None:
        assert order.final is None
        assert order.venue_order_id == story.leg
        assert client.dispatch.held_fills(order) == 0
    else:
        assert order.final is not None
        assert order.final.value == story.end.value


@pytest.mark.parametrize("hold_fills", [True, False], ids=["buffer", "promote"])
@pytest.mark.parametrize("name", STORIES)
def test_every_telling_of_a_modification_that(name: str, hold_fills: bool) -> None:
    story = STORIES[name]
    count = 0
    for telling in tellings(list(story.parts)):
        client = Client(hold_fills=hold_fills, target=story.target, sent=story.sent)
        try:
            for part in telling:
                story.parts[part](client)
                check_events(client, story)
            is_whole = set(telling) == set(story.parts)
            if is_whole and not story.refused:
                check_equal(client, story)  # nothing was missing: nothing is unknown
            ask(client, story)
            check_events(client, story)
            check_equal(client, story)
        except AssertionError as error:
            raise AssertionError(f"{' | '.join(telling)}: {client.kinds} {error}") from error
        count += 1
    assert count > 100
