"""Look-ups on a timer: asked when due, again when the venue does not answer, not when settled."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

from connectors.errors import TransportError
from connectors.execution import recovery
from connectors.execution.dispatch import OrderDispatch
from connectors.execution.identity import OrderRegistry, TrackedOrder
from connectors.execution.lifecycle import Doubt
from connectors.execution.lookups import Lookup, LookupSchedule, Why
from connectors.execution.reconcile import Found, Reconciler
from connectors.execution.recovery import LookupRunner
from connectors.model import OrderStatus, OrderType, Side
from connectors.net.clock import SYSTEM_CLOCK
from connectors.net.tasks import OwnedTasks
from oracle.execution import INSTRUMENT, row


class Runner(LookupRunner):
    """Answers from a list; what is an error is raised."""

    def __init__(self, answers: list[Any]) -> None:
        self.events: list[Any] = []
        self.problems: list[str] = []
        self.asked: list[Why] = []
        self.answers = answers
        self.schedule = LookupSchedule(pause_ns=1_000_000)
        self.dispatch = OrderDispatch(
            OrderRegistry(), on_event=self.events.append, wall_ns=SYSTEM_CLOCK.wall_ns
        )
        self.order = self.dispatch.registry.add(
            TrackedOrder(
                "O1", INSTRUMENT, Side.BUY, OrderType.LIMIT,
                size=Decimal(10), price=Decimal(100), client_key=77,
            )
        )  # fmt: skip
        self.dispatch.submitted(self.order)
        self.tasks = OwnedTasks("test")
        super().__init__(
            "VENUE",
            schedule=self.schedule,
            reconciler=Reconciler(
                self.dispatch, self.schedule, wall_ns=SYSTEM_CLOCK.wall_ns, patience=2
            ),
            tasks=self.tasks,
            clock=SYSTEM_CLOCK,
            on_problem=lambda message, code, error: self.problems.append(message),
        )

    async def look(self, lookup: Lookup) -> Found:
        self.asked.append(lookup.why)
        answer = self.answers.pop(0) if self.answers else Found()
        if isinstance(answer, Exception):
            raise answer
        found: Found = answer
        return found


async def until(condition: Any) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.002)


def test_asked_until_the_venue_answers(run: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(recovery, "RETRY_S", 0.001)

    async def scenario() -> None:
        runner = Runner([TransportError("away"), Found(), Found(rows=[row(OrderStatus.ACCEPTED)])])
        runner.dispatch.in_doubt(runner.order, Doubt.CREATE)
        runner.ask(runner.order, Why.CREATE_IN_DOUBT)
        await until(lambda: runner.order.is_accepted)
        await until(lambda: not runner.schedule)
        assert len(runner.asked) == 3
        await runner.tasks.close(timeout_s=1)

    run(scenario(), 60.0)


def test_an_answer_of_no_shape_at_all_ends_nothing(run: Any, monkeypatch: Any) -> None:
    """The other look-ups are made, and what was asked is asked again."""
    monkeypatch.setattr(recovery, "RETRY_S", 0.001)

    async def scenario() -> None:
        runner = Runner([KeyError("oid"), Found(rows=[row(OrderStatus.ACCEPTED)])])
        runner.dispatch.in_doubt(runner.order, Doubt.CREATE)
        runner.ask(runner.order, Why.CREATE_IN_DOUBT)
        await until(lambda: runner.order.is_accepted)
        assert runner.tasks.deaths == 0
        answers = iter([AttributeError("none"), 7])

        async def ask() -> Any:
            answer = next(answers)
            if isinstance(answer, Exception):
                raise answer
            return answer

        assert await runner.until_answered(ask, "the account") == 7
        assert runner.problems == ["the account not read yet: none"]
        await runner.tasks.close(timeout_s=1)

    run(scenario(), 60.0)


def test_what_settles_by_itself_is_not_asked(run: Any) -> None:
    async def scenario() -> None:
        runner = Runner([])
        runner.ask(runner.order, Why.CREATE_IN_DOUBT, in_s=0.02)
        runner.dispatch.status(row(OrderStatus.ACCEPTED))
        await until(lambda: not runner.schedule)
        assert runner.asked == []
        await runner.tasks.close(timeout_s=1)

    run(scenario(), 60.0)


def test_what_is_given_up_is_a_problem(run: Any) -> None:
    async def scenario() -> None:
        runner = Runner([])
        runner.dispatch.status(row(OrderStatus.ACCEPTED))
        runner.ask(runner.order, Why.ABSENT)
        await until(lambda: runner.problems)
        assert "given up" in runner.problems[0]
        await runner.tasks.close(timeout_s=1)

    run(scenario(), 60.0)


def test_nothing_is_asked_after_the_end(run: Any) -> None:
    async def scenario() -> None:
        runner = Runner([])
        runner.ask(runner.order, Why.CREATE_IN_DOUBT, in_s=0.01)
        runner.close()
        runner.ask(runner.order, Why.ABSENT)
        await asyncio.sleep(0.05)
        assert runner.asked == []
        assert await runner.until_answered(never, "x") is None

    async def never() -> None:
        raise AssertionError("asked after the end")

    run(scenario(), 60.0)


def test_a_question_is_asked_until_it_is_answered(run: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(recovery, "RETRY_S", 0.001)

    async def scenario() -> None:
        runner = Runner([])
        answers = [TransportError("one"), TransportError("two"), 17]

        async def ask() -> Any:
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        assert await runner.until_answered(ask, "the thing") == 17
        assert len(runner.problems) == 2
        assert "the thing not read yet" in runner.problems[0]

    run(scenario(), 60.0)
