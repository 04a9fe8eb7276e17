"""The engine of the watchers' ledgers: look on through N disconnects, then compare everything.

On one simulator the house trades and accounts trade, by command of the simulator and not of any
client. Clients of ours only look: at quotes, trades, books, orders, executions, positions, money.
A mischief maker breaks what can break. At the end nothing breaks any more, the market is stilled,
and what the clients hold must become equal to what the simulator knows, with every subscription
restored exactly. What is different about a venue is in `ibkr_ledger` and `dydx_ledger`.

What happens comes from the seed; the moment at which each strike meets each frame is the operating
system's.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import random
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Plan", "Result", "Venue", "main", "run"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run does."""

    drops: int = 1000
    seed: int = 1
    actions: int = 0  # of the accounts, at least
    pause_s: float = 0.02  # mean time between two actions of the accounts
    strike_s: float = 0.05  # mean time between two strikes
    settle_s: float = 60.0
    limit_s: float = 900.0  # of mischief


@dataclass(slots=True)
class Result:
    """What came out: disconnects, actions of the accounts, what was compared, what was wrong."""

    drops: int = 0
    actions: int = 0
    seconds: float = 0.0
    compared: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether everything agreed."""
        return not self.violations


class Venue(ABC):
    """A venue's simulator, its accounts, the clients that look on.

    Attributes
    ----------
    compared :
        How many things of each kind were compared the last time, so that a test can see that it
        was not nothing.
    """

    sim: Any

    def __init__(self) -> None:
        self.compared: Counter[str] = Counter()

    @abstractmethod
    async def start(self, plan: Plan) -> None:
        """Start the simulator."""

    @abstractmethod
    async def connect(self, stack: contextlib.AsyncExitStack) -> None:
        """Connect the clients, and subscribe to everything."""

    def shortened(self) -> contextlib.AbstractContextManager[Any]:
        """Shorten what would make the run long and prove nothing."""
        return contextlib.nullcontext()

    @abstractmethod
    def act(self, source: random.Random) -> None:
        """Let an account do something at the venue."""

    @abstractmethod
    def drop(self, source: random.Random) -> str | None:
        """End a connection in use, or make it useless; return how, None if there was none."""

    @abstractmethod
    def disturb(self, source: random.Random) -> str:
        """Break something else; return what."""

    @abstractmethod
    async def calm(self) -> None:
        """Let nothing break any more, and still the market."""

    @abstractmethod
    def compare(self) -> list[str]:
        """Return what the clients hold that is not as the simulator has it; count in `compared`."""

    def told(self) -> list[str]:
        """Return what the clients told that they should not have: things twice, unknown things."""
        return []


async def run(
    venue: Venue, plan: Plan, *, say: Callable[[str], object] = lambda line: None
) -> Result:
    """Run a plan; `say` gets a line of progress now and then."""
    started = time.monotonic()
    result = Result()
    with venue.shortened():
        await venue.start(plan)
        try:
            async with contextlib.AsyncExitStack() as stack:
                await venue.connect(stack)
                await _break_things(venue, plan, result, say)
                await venue.calm()
                result.violations = await _agree(venue, plan)
                result.violations += venue.told()
        finally:
            await venue.sim.stop()
    result.compared = venue.compared
    result.seconds = time.monotonic() - started
    return result


async def _break_things(
    venue: Venue, plan: Plan, result: Result, say: Callable[[str], object]
) -> None:
    started = time.monotonic()
    stopped = asyncio.Event()

    def is_enough() -> bool:
        return result.drops >= plan.drops and result.actions >= plan.actions

    async def trade() -> None:
        source = random.Random(f"watch/{plan.seed}/actions")
        while not stopped.is_set():
            await asyncio.sleep(source.expovariate(1 / plan.pause_s))
            venue.act(source)
            result.actions += 1

    async def strike() -> None:
        source = random.Random(f"watch/{plan.seed}/mischief")
        while not stopped.is_set():
            await asyncio.sleep(source.expovariate(1 / plan.strike_s))
            if source.random() < 0.7:
                kind = venue.drop(source)
                result.drops += kind is not None
            else:
                kind = venue.disturb(source)
            if kind is not None:
                result.counts[kind] += 1

    async with asyncio.TaskGroup() as group:
        group.create_task(trade())
        group.create_task(strike())
        said = 0.0
        while not is_enough() and (passed_s := time.monotonic() - started) < plan.limit_s:
            await asyncio.sleep(0.05)
            if passed_s - said >= 10:
                said = passed_s
                say(f"{passed_s:5.0f} s  {result.drops} drops, {result.actions} actions")
        stopped.set()


async def _agree(venue: Venue, plan: Plan) -> list[str]:
    """Compare until everything agrees, or it has had time enough."""
    deadline = time.monotonic() + plan.settle_s
    while True:
        venue.compared = Counter()
        bad = venue.compare()
        if not bad or time.monotonic() > deadline:
            return bad
        await asyncio.sleep(0.25)


def main(
    make: Callable[[], Venue], argv: Sequence[str] | None = None, description: str | None = None
) -> int:
    """Run from the command line; return the exit code."""
    plan = Plan()
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument("--drops", type=int, default=plan.drops)
    parser.add_argument("--seed", type=int, default=plan.seed)
    parser.add_argument("--limit", type=float, default=plan.limit_s, help="seconds of mischief")
    parser.add_argument("--log", action="store_true", help="show what the clients log")
    given = parser.parse_args(argv)
    logging.basicConfig(level=logging.WARNING if given.log else logging.CRITICAL + 1)
    plan = Plan(given.drops, given.seed, limit_s=given.limit)
    print(f"seed {plan.seed}: {plan.drops} drops", flush=True)
    result = asyncio.run(run(make(), plan, say=lambda line: print(line, flush=True)))
    print(f"strikes: {dict(result.counts.most_common())}")
    print(f"compared: {dict(result.compared)}")
    for text in result.violations[:40]:
        print(f"  {text}")
    print(
        f"{result.drops} drops, {result.actions} actions of the accounts in "
        f"{result.seconds:.0f} s: {len(result.violations)} violations"
    )
    if result.drops < plan.drops:
        print("the plan was not fulfilled")
    return 0 if result.ok and result.drops >= plan.drops else 1
