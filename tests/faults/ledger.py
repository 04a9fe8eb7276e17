"""The engine of the ledgers: trade through N disconnects, then prove that every book agrees.

Bots of several accounts trade with each other on one simulator while a mischief maker breaks what
can break. Each bot writes its own ledger from the events alone. At the end the market is stilled
and every line compared with the simulator's books. What is different about a venue is in
`lighter_ledger` and `hyperliquid_ledger`.

What happens comes from the seed; the moment at which each strike meets each order is the operating
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
from decimal import Decimal
from typing import Any, ClassVar

from connectors.model import (
    FillReport,
    Order,
    OrderEvent,
    OrderFilled,
    OrderRejected,
    OrderUpdated,
    Side,
    TimeInForce,
    limit_order,
    market_order,
    stop_limit_order,
)
from faults.ledger_lines import Line

__all__ = [
    "Bot",
    "Mischief",
    "Plan",
    "Result",
    "Venue",
    "main",
    "run",
]

LAST_FRAMES_S = 20.0
NEED_ORDERS = ("modify", "cancel", "cancels")
MISTAKES = 0.002  # share of events at which a bot's callback fails


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run does."""

    drops: int = 3000
    fills: int = 30_000
    seed: int = 1
    bots: int = 6
    pause_s: float = 0.004  # mean time between two actions of a bot
    strike_s: float = 0.04  # mean time between two strikes
    lifetime_s: float = 2.0  # of a command: unknown ones are settled after it
    settle_s: float = 30.0
    limit_s: float = 900.0


@dataclass(slots=True)
class Result:
    """What came out."""

    drops: int = 0
    fills: int = 0
    orders: int = 0
    modifies: int = 0
    commands: int = 0
    seconds: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether everything held."""
        return not self.violations


class Bot(ABC):
    """One account: what it does, and the ledger it keeps of what it is told.

    Attributes
    ----------
    CHOICES :
        What it does next, and how often: pairs of a share and a name.
    """

    INSTRUMENT: ClassVar[str]
    MID: ClassVar[Decimal]
    TICK: ClassVar[Decimal]
    LOT: ClassVar[Decimal]
    SIZES: ClassVar[tuple[int, int]] = (50, 400)  # in lots
    CHOICES: ClassVar[Sequence[tuple[float, str]]] = (
        (0.55, "limit"), (0.07, "market"), (0.04, "stop"), (0.06, "list"), (0.12, "modify"),
        (0.11, "cancel"), (0.04, "cancels"), (0.01, "cancel_all"),
    )  # fmt: skip
    client: Any

    def __init__(self, name: str, plan: Plan) -> None:
        self.name = name
        self._random = random.Random(f"ledger/{plan.seed}/{name}")
        self._plan = plan
        self.lines: dict[str, Line] = {}
        self.trades: dict[Any, OrderFilled | FillReport] = {}
        self.held = Decimal(0)
        self.repeated: list[str] = []
        self.strangers: list[Any] = []
        self.commands: Counter[str] = Counter()

    # -- the ledger ------------------------------------------------------------------------

    def trade_key(self, trade: OrderFilled | FillReport) -> Any:
        """Return what makes a trade one trade."""
        return trade.trade_id

    def on_event(self, event: Any) -> None:
        """Write an event down; now and then fail behind that, as a caller may."""
        if isinstance(event, OrderEvent):
            line = self.lines[event.client_order_id]
            line.kinds.append(type(event).__name__)
            if isinstance(event, OrderRejected):
                line.was_post_only = event.due_post_only
            elif isinstance(event, OrderUpdated):
                line.size = event.size
            elif isinstance(event, OrderFilled):
                self._note_fill(line, event)
                if line.filled != event.filled_size:
                    self.repeated.append(f"{event.trade_id}: sum {line.filled} {event}")
        elif isinstance(event, FillReport):
            late = self.lines.get(event.client_order_id or "")
            if late is not None and (late.ends or late.filled >= late.size):
                self._note_fill(late, event)  # of an order that was over
            else:
                self.strangers.append(event)
        if self._random.random() < MISTAKES:
            raise RuntimeError("a bot's own mistake")

    def _note_fill(self, line: Line, fill: OrderFilled | FillReport) -> None:
        key = self.trade_key(fill)
        if key in self.trades:
            self.repeated.append(str(key))
        self.trades[key] = fill
        line.filled += fill.last_size
        self.held += fill.last_size * fill.side.sign

    # -- what it does ------------------------------------------------------------------------

    async def trade(self, stopped: asyncio.Event) -> None:
        """Do one thing after the other until stopped."""
        while not stopped.is_set():
            await asyncio.sleep(self._random.expovariate(1 / self._plan.pause_s))
            if self.client.is_connected:
                self._act()

    def _act(self) -> None:
        open_ids = [order.client_order_id for order in self.client.registry.live_orders()]
        names = [name for _, name in self.CHOICES]
        (choice,) = self._random.choices(names, [share for share, _ in self.CHOICES])
        if len(open_ids) > 40:
            self.commands["cancel"] += len(open_ids)
            self.client.cancel_all_orders(self.INSTRUMENT)
        elif choice == "limit" or (not open_ids and choice in NEED_ORDERS):
            self._submit(self._limit())
        elif choice == "market":
            self._submit(self._market())
        elif choice == "stop":
            self._submit(self._stop())
        elif choice == "list":
            self._submit_list([self._limit() for _ in range(self._random.randint(2, 5))])
        elif choice == "modify":
            self._modify(self._random.choice(open_ids))
        elif choice == "cancel":
            self.commands["cancel"] += 1
            self.client.cancel_order(self._random.choice(open_ids))
        elif choice == "cancels":
            count = min(self._random.randint(2, 6), len(open_ids))
            self.commands["cancel"] += count
            self.client.batch_cancel_orders(self._random.sample(open_ids, count))
        else:
            self.client.cancel_all_orders(side=self._random.choice((Side.BUY, Side.SELL)))

    def _submit(self, order: Order) -> None:
        self._note(order)
        self.client.submit_order(order)
        self._note_key(order)

    def _submit_list(self, orders: list[Order]) -> None:
        for order in orders:
            self._note(order)
        self.client.submit_order_list(orders)
        for order in orders:
            self._note_key(order)

    def _note(self, order: Order) -> None:
        self.commands["create"] += 1
        assert order.size is not None
        self.lines[order.client_order_id] = Line(order, size=order.size)

    def _note_key(self, order: Order) -> None:
        tracked = self.client.registry.by_client_id(order.client_order_id)
        if tracked is not None:
            self.lines[order.client_order_id].key = tracked.client_key

    def _modify(self, client_order_id: str) -> None:
        tracked = self.client.registry.by_client_id(client_order_id)
        self.commands["modify"] += 1
        self.client.modify_order(
            client_order_id, size=tracked.filled_size + self._size(), price=self._price()
        )

    def _size(self) -> Decimal:
        return self.LOT * self._random.randint(*self.SIZES)

    def _price(self) -> Decimal:
        return self.MID + self.TICK * self._random.randint(-6, 6)

    def _side(self) -> Side:
        # Lean against the position, so that no account runs out of margin.
        long = 0.5 - float(self.held) / 20
        return Side.BUY if self._random.random() < long else Side.SELL

    def _limit(self) -> Order:
        kind = self._random.random()
        side = self._side()
        if kind < 0.45:  # cross the book: that makes the fills
            price = self.MID + self.TICK * 6 * side.sign
            force = TimeInForce.IOC if kind < 0.3 else TimeInForce.GTC
            return limit_order(
                self.INSTRUMENT, side, size=self._size(), price=price, time_in_force=force
            )
        return limit_order(
            self.INSTRUMENT,
            side,
            size=self._size(),
            price=self._price(),
            post_only=kind > 0.8,
            reduce_only=kind > 0.97,
        )

    def _market(self) -> Order:
        self.client.set_quote(self.INSTRUMENT, bid=self.MID, ask=self.MID)
        return market_order(self.INSTRUMENT, self._side(), size=self._size())

    def _stop(self) -> Order:
        trigger = self.MID + self.TICK * self._random.randint(-4, 4)
        return stop_limit_order(
            self.INSTRUMENT, self._side(), size=self._size(), trigger_price=trigger,
            price=self._price(),
        )  # fmt: skip


class Mischief(ABC):
    """Breaks things, one at a time, as the seed says.

    Attributes
    ----------
    CHANNELS :
        How many a connection in use has: a socket that has not got as far is no victim.
    DEAD :
        The simulator's fault after which nothing that a client writes arrives.
    """

    CHANNELS: ClassVar[int]
    DEAD: ClassVar[str]

    def __init__(self, sim: Any, bots: Sequence[Any], plan: Plan) -> None:
        self._sim = sim
        self._bots = bots
        self._random = random.Random(f"mischief/{plan.seed}")
        self._pause_s = plan.strike_s
        self.drops = 0
        self.counts: Counter[str] = Counter()

    async def strike(self, stopped: asyncio.Event) -> None:
        """Strike until stopped: every second strike, about, is a disconnect."""
        while not stopped.is_set():
            await asyncio.sleep(self._random.expovariate(1 / self._pause_s))
            if self._random.random() < 0.55:
                kind = self.drop()
                self.drops += kind is not None
            else:
                kind = self.disturb()
            if kind is not None:
                self.counts[kind] += 1

    def drop(self) -> str | None:
        """End a connection in use, or make it useless; return how, None if there was none."""
        sim, faults = self._sim, self._sim.faults
        used = [n for n, one in sim.connections.items() if len(one.channels) >= self.CHANNELS]
        if not used:
            return None
        number = self._random.choice(used)
        kind = self._random.choice(("abort", "abort", "close", "close_after_next_frame", self.DEAD))
        getattr(faults, kind)(number)
        if kind == self.DEAD:
            sim.later(self._random.uniform(1, 15), lambda: faults.abort(number))
        return kind

    @abstractmethod
    def disturb(self) -> str:
        """Break something else; return what."""


class Venue(ABC):
    """A venue's simulator, its bots and its books."""

    sim: Any
    bots: Sequence[Any]

    @abstractmethod
    async def start(self, plan: Plan) -> None:
        """Start the simulator and make the bots."""

    @abstractmethod
    def mischief(self, plan: Plan) -> Mischief:
        """Return what breaks things."""

    def calm(self) -> None:
        """Let nothing break any more."""
        self.sim.faults.clear()

    @abstractmethod
    def shortened(self) -> contextlib.AbstractContextManager[Any]:
        """Shorten what would make the run long and prove nothing."""

    @abstractmethod
    def live(self, bot: Any) -> Any:
        """Return what of a bot's orders lives at the venue."""

    def is_still(self, bot: Any) -> bool:
        """Whether nothing of a bot is open, in doubt or on its way, on either side."""
        client, sender = bot.client, bot.client._sender
        return (
            client.is_connected
            and not client.registry.live
            and not client._schedule
            and not client.dispatch._missing
            and not self.live(bot)
            and sender is not None
            and not sender.inflight
        )

    @abstractmethod
    def compare(self, bot: Any) -> list[str]:
        """Return what of a bot's ledger is not as the venue has it."""


async def run(
    venue: Venue, plan: Plan, *, say: Callable[[str], object] = lambda line: None
) -> Result:
    """Run a plan; `say` gets a line of progress now and then."""
    started = time.monotonic()
    result = Result()
    with venue.shortened():
        await venue.start(plan)
        bots = venue.bots
        try:
            async with contextlib.AsyncExitStack() as clients:
                for bot in bots:
                    await clients.enter_async_context(bot.client)
                mischief = venue.mischief(plan)
                await _trade(plan, bots, mischief, started, say)
                await _settle(venue, plan, result)
                for bot in bots:
                    result.violations += [f"{bot.name}: {text}" for text in _books(venue, bot)]
            result.counts = mischief.counts
            result.drops = mischief.drops
        finally:
            await venue.sim.stop()
    result.fills = sum(len(bot.trades) for bot in bots)
    result.orders = sum(len(bot.lines) for bot in bots)
    result.modifies = sum(bot.commands["modify"] for bot in bots)
    result.commands = sum(sum(bot.commands.values()) for bot in bots)
    result.seconds = time.monotonic() - started
    return result


def _books(venue: Venue, bot: Any) -> list[str]:
    bad = [f"twice: {text}" for text in bot.repeated]
    bad += [f"not told as ours: {report}" for report in bot.strangers]
    return bad + venue.compare(bot)


async def _trade(
    plan: Plan,
    bots: Sequence[Any],
    mischief: Mischief,
    started: float,
    say: Callable[[str], object],
) -> None:
    stopped = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for bot in bots:
            group.create_task(bot.trade(stopped))
        group.create_task(mischief.strike(stopped))
        said = 0.0
        while True:
            await asyncio.sleep(0.05)
            fills = sum(len(bot.trades) for bot in bots)
            passed_s = time.monotonic() - started
            if passed_s - said >= 10:
                said = passed_s
                say(f"{passed_s:5.0f} s  {mischief.drops} drops, {fills} fills")
            enough = mischief.drops >= plan.drops and fills >= plan.fills
            if enough or passed_s > plan.limit_s:
                break
        stopped.set()


async def _settle(venue: Venue, plan: Plan, result: Result) -> None:
    """Let nothing break any more, end every order, and wait until nothing is open."""
    venue.calm()
    deadline = time.monotonic() + plan.settle_s
    while time.monotonic() < deadline:
        await asyncio.sleep(0.25)
        for bot in venue.bots:
            if bot.client.is_connected:
                bot.client.cancel_all_orders()
        if all(venue.is_still(bot) for bot in venue.bots):
            break
    # The last frames of positions and balances may be on their way; what never comes is found then.
    last = time.monotonic() + LAST_FRAMES_S
    while (  # noqa: ASYNC110 - no event tells that books agree
        any(_books(venue, bot) for bot in venue.bots) and time.monotonic() < last
    ):
        await asyncio.sleep(0.25)
    for bot in venue.bots:
        live = bot.client.registry.live_orders()
        result.violations += [f"{bot.name}: not settled: {order} {order.doubt}" for order in live]
        if not live and not venue.is_still(bot):
            count = len(bot.client._schedule)
            result.violations.append(f"{bot.name}: not still: {count} look-ups")


# -- the command line --------------------------------------------------------------------------


def main(
    make: Callable[[], Venue], argv: Sequence[str] | None = None, description: str | None = None
) -> int:
    """Run from the command line; return the exit code."""
    plan = Plan()
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument("--drops", type=int, default=plan.drops)
    parser.add_argument("--fills", type=int, default=plan.fills)
    parser.add_argument("--seed", type=int, default=plan.seed)
    parser.add_argument("--bots", type=int, default=plan.bots)
    parser.add_argument("--limit", type=float, default=plan.limit_s, help="seconds of trading")
    parser.add_argument("--log", action="store_true", help="show what the client logs")
    given = parser.parse_args(argv)
    logging.basicConfig(level=logging.WARNING if given.log else logging.CRITICAL + 1)
    plan = Plan(given.drops, given.fills, given.seed, given.bots, limit_s=given.limit)
    print(f"seed {plan.seed}: {plan.drops} drops, {plan.fills} fills, {plan.bots} bots", flush=True)
    result = asyncio.run(run(make(), plan, say=lambda line: print(line, flush=True)))
    print(f"strikes: {dict(result.counts.most_common())}")
    for text in result.violations[:40]:
        print(f"  {text}")
    print(
        f"{result.drops} drops, {result.orders} orders, {result.modifies} modifications of "
        f"{result.commands} commands, {result.fills} fills in {result.seconds:.0f} s: "
        f"{len(result.violations)} violations"
    )
    short = result.drops < plan.drops or result.fills < plan.fills
    if short:
        print("the plan was not fulfilled")
    return 0 if result.ok and not short else 1
