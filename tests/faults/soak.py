"""Soak: force N disconnects under load, then prove that nothing was lost and nothing is left.

::

    python tests/faults/soak.py --drops 1000 --seed 1

A simulator runs in its own process; the client's streams and REST calls pass proxies that break
connections in the middle of frames. While it runs every event is checked (`support_watch`) and
live books are compared with the simulator's at the same update id. At the end the market is
stilled and EVERY level of EVERY book compared, the simulator's list of subscriptions compared
with the client's, and tasks, timers, sockets, objects and memory with what they were before.

Exit code 0 only if everything holds. The faults and the market come from the seed; the moment at
which each strikes is the operating system's.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import logging
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

if __name__ == "__main__":
    # The helpers beside this file, as the tests import them.
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from faults.support import Rig, SimControl, SimProcess, until
from faults.support_holdings import Holdings
from faults.support_mischief import (
    CONDITIONS,
    DROPS,
    HANDSHAKES,
    REST,
    VENUE,
    Mischief,
    client_left,
)

__all__ = ["Plan", "Result", "left_over", "main", "soak"]

# Nothing of these may be left once the client is closed.
MUST_GO = ("BookSync", "DataClient", "FeedListener", "Link", "Session", "StreamPool", "_Chain")
# One of each for every connection that is up, or on its way out.
PER_CONNECTION = ("connectors.net.link.Link", "connectors._speedups.feed.FeedListener")
# Resident memory may grow by this in a run of its own, from the warm-up to the end.
RSS_MB = 10.0
KINDS = {**DROPS, **CONDITIONS, **HANDSHAKES, **REST, **VENUE}


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run does."""

    drops: int = 1000
    seed: int = 1
    symbols: int = 60
    connections: int = 8
    rate_per_s: float = 600.0
    pause_s: float = 0.1  # mean time between two strikes
    warm_up: float = 0.1  # share of the drops before memory is measured
    warm_up_drops: int = 10  # at least
    settle_s: float = 60.0
    limit_s: float = 900.0
    # How much more may be in use after the last drop than after the warm-up, all being well.
    blocks: int = 2_000
    heap_mb: float = 1.0
    rss_mb: float | None = None  # None: a short run says nothing about pages


@dataclass(slots=True)
class Result:
    """What came out."""

    drops: int = 0
    seconds: float = 0.0
    violations: list[str] = field(default_factory=list)
    violation_count: int = 0
    summary: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether everything held."""
        return self.violation_count == 0


async def soak(plan: Plan, *, say: Callable[[str], object] = lambda line: None) -> Result:
    """Run a plan; `say` gets a line of progress now and then."""
    arguments = ("--seed", str(plan.seed), "--symbols", str(plan.symbols), "--coinm-symbols", "0",
                 "--rate", str(plan.rate_per_s))  # fmt: skip
    # What an earlier test left, such as the listeners in an error's traceback, is not the client's.
    # It is held until the end, so that its number stands.
    strangers = [each for each in gc.get_objects() if type(each).__name__ in MUST_GO]
    empty = Holdings.now()
    with SimProcess(*arguments) as sim:
        async with SimControl(sim.http_url) as control:
            result = await _Run(plan, say, control, sim.port, empty).run()
    await asyncio.sleep(0.05)  # closed transports let go of their sockets a turn later
    end = Holdings.now()
    left = left_over(empty, end)
    strangers.clear()
    result.violations += [f"left after close: {each}" for each in left]
    result.violation_count += len(left)
    return result


def left_over(empty: Holdings, end: Holdings) -> list[str]:
    """Return what is left of a closed client, given what was there before it."""
    left = end.grown_since(empty, sockets=0, timers=0, objects=1_000)
    left += [
        f"{count} of {name}"
        for name, count in (end.objects - empty.objects).items()
        if name.rpartition(".")[2] in MUST_GO
    ]
    return left


class _Run:
    def __init__(
        self,
        plan: Plan,
        say: Callable[[str], object],
        control: SimControl,
        port: int,
        empty: Holdings,
    ) -> None:
        self._plan = plan
        self._say = say
        self._empty = empty
        self._control = control
        self._rig = Rig(control, port, connections=plan.connections, symbols=plan.symbols)
        self._random = random.Random(f"audits/{plan.seed}")
        self._audits = 0
        self._started = time.monotonic()
        self._live_looks = self._live_books = 0

    async def run(self) -> Result:
        plan, rig = self._plan, self._rig
        result = Result()
        async with rig:
            await rig.settle(plan.settle_s)
            quiet = Holdings.now()
            mischief = Mischief(rig, plan.seed, KINDS)
            auditing = asyncio.create_task(self._audit_for_ever(), name="soak-audit")
            warm_at = max(plan.warm_up_drops, round(plan.drops * plan.warm_up))
            try:
                await self._strike_until(mischief, warm_at)
                await mischief.end()
                # Measured when all is well, as at the end: a book that waits for its snapshot
                # keeps updates, and a request its answer.
                await self._checked(rig.settle(plan.settle_s))
                warm = await self._quiet_holdings()
                await self._strike_until(mischief, plan.drops)
                await mischief.end()
            finally:
                auditing.cancel()
                await asyncio.gather(auditing, return_exceptions=True)
            result.drops = rig.losses
            recover = time.monotonic()
            await self._checked(rig.settle(plan.settle_s))
            recover = time.monotonic() - recover
            rate = await self._messages_per_s()
            after = await self._quiet_holdings()  # before the simulator's long lists come in
            await self._checked(rig.still())
            await self._checked(rig.verify())
            self._check_holdings(quiet, warm, after, result)
            await self._check_counters()
            result.summary = self._summary(mischief, quiet, warm, after, recover, rate)
        result.seconds = time.monotonic() - self._started
        result.violations += rig.ledger.violations
        result.violation_count += rig.ledger.violation_count
        return result

    async def _checked(self, step: object) -> None:
        try:
            await step  # type: ignore[misc]
        except AssertionError as error:
            self._rig.ledger.fail(str(error))

    async def _strike_until(self, mischief: Mischief, drops: int) -> None:
        plan, rig = self._plan, self._rig
        told = time.monotonic()
        while rig.losses < drops:
            if time.monotonic() - self._started > plan.limit_s:
                rig.ledger.fail(f"{rig.losses} of {drops} drops within {plan.limit_s:g} s")
                return
            await mischief.strike()
            await asyncio.sleep(mischief.pause_s(plan.pause_s))
            live = sum(bool((s := rig.client.book_sync(x)) and s.is_live) for x in rig.symbols)
            self._live_looks += len(rig.symbols)
            self._live_books += live
            if time.monotonic() - told >= 5.0:
                told = time.monotonic()
                self._say(self._progress(live))

    def _progress(self, live: int) -> str:
        rig, counts = self._rig, self._rig.ledger.counts
        return (
            f"{time.monotonic() - self._started:6.1f} s  drops {rig.losses}/{self._plan.drops}  "
            f"books live {live}/{len(rig.symbols)}  changes {counts['book changes']}  "
            f"gaps {counts['gaps']}  audits {self._audits}  "
            f"violations {rig.ledger.violation_count}"
        )

    async def _audit_for_ever(self) -> None:
        """Compare a live book with the simulator's, again and again, in the midst of it all."""
        while True:
            self._audits += await self._rig.audit(self._random.choice(self._rig.symbols))
            await asyncio.sleep(0.1)

    async def _messages_per_s(self) -> float:
        """Measure the load once all is well."""
        before, at = self._received(), time.monotonic()
        await asyncio.sleep(1.0)
        return (self._received() - before) / (time.monotonic() - at)

    def _received(self) -> int:
        pools = self._rig.client.pools
        return sum(c.session.counters.messages for p in pools for c in p._connections)

    async def _quiet_holdings(self) -> Holdings:
        """Measure, once what belonged to lost connections is gone; that takes moments."""
        give_up = time.monotonic() + 5.0
        while True:
            found = Holdings.now()
            links = len(self._rig.links())
            held = {
                name: found.objects[name] - self._empty.objects[name] for name in PER_CONNECTION
            }
            if all(count == links for count in held.values()):
                return found
            if time.monotonic() > give_up:
                self._rig.ledger.fail(f"leak: {held} for {links} connections")
                return found
            await asyncio.sleep(0.1)

    # ---- checks at the end ----------------------------------------------------------------

    def _check_holdings(
        self, quiet: Holdings, warm: Holdings, after: Holdings, result: Result
    ) -> None:
        # The proxy holds two sockets for each of ours; requests for snapshots keep a few alive.
        plan = self._plan
        grown = after.grown_since(quiet, sockets=3 * 8, timers=20, objects=200)
        grown += after.grown_since(
            warm,
            sockets=1_000,
            timers=1_000,
            objects=1_000,
            blocks=plan.blocks,
            heap_mb=plan.heap_mb,
            rss_mb=plan.rss_mb,
        )
        for each in dict.fromkeys(grown):
            self._rig.ledger.fail(f"leak: {each}")

    async def _check_counters(self) -> None:
        rig = self._rig
        if rig.client.callback_errors:
            rig.ledger.fail(f"{rig.client.callback_errors} callbacks raised")
        losses = sum(c.session.counters.losses for p in rig.client.pools for c in p._connections)
        if losses != rig.losses:
            rig.ledger.fail(f"{losses} losses counted, {rig.losses} told")

        def sockets() -> int:
            return sum(not client_left(each) for each in rig.streams.connections)

        # The proxy learns of a connection that was closed a moment after the client.
        with contextlib.suppress(AssertionError):
            await until(lambda: sockets() == len(rig.links()), 5.0)
        if sockets() != len(rig.links()):
            rig.ledger.fail(f"{sockets()} sockets open for {len(rig.links())} connections")

    def _summary(
        self,
        mischief: Mischief,
        quiet: Holdings,
        warm: Holdings,
        after: Holdings,
        recover_s: float,
        rate: float,
    ) -> list[str]:
        rig, counts = self._rig, self._rig.ledger.counts
        done = ", ".join(f"{name} {count}" for name, count in sorted(mischief.done.items()))
        connections = sum(pool.connection_count for pool in rig.client.pools)
        live = 100 * self._live_books / max(1, self._live_looks)
        return [
            f"seed            {self._plan.seed}",
            f"drops           {rig.losses} on {connections} connections, "
            f"{rig.watch.reconnects} reconnects",
            f"strikes         {sum(mischief.done.values())}: {done}",
            f"load            {rate:.0f} messages/s when all is well, "
            f"{counts['book changes']} book changes, {counts['trades']} trades, "
            f"{counts['quotes']} quotes seen",
            f"books           {rig.ledger.compared_books} equal to the simulator's in every level "
            f"at the end, {self._audits} compared while it ran; live {live:.0f} % of the time",
            f"chain           {counts['gaps']} gaps told, {counts['witnessed updates']} updates "
            f"witnessed one by one, {rig.client._books.snapshots} snapshots",
            f"recovery        {recover_s:.1f} s from the last strike until all was well",
            f"tasks           {quiet.tasks.total()} before, {after.tasks.total()} after",
            f"timers          {quiet.timers} before, {after.timers} after",
            f"sockets         {quiet.sockets} before, {after.sockets} after",
            f"resident        {quiet.rss_mb:.1f} MB before, {warm.rss_mb:.1f} MB warm, "
            f"{after.rss_mb:.1f} MB after",
            f"C heap in use   {quiet.heap_mb:.2f} MB before, {warm.heap_mb:.2f} MB warm, "
            f"{after.heap_mb:.2f} MB after",
            f"Python blocks   {quiet.blocks} before, {warm.blocks} warm, {after.blocks} after",
        ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; 0 only if everything held."""
    usual = Plan()
    parser = argparse.ArgumentParser(description="Force disconnects; nothing may be lost.")
    parser.add_argument("--drops", type=int, default=usual.drops)
    parser.add_argument("--seed", type=int, default=usual.seed)
    parser.add_argument("--symbols", type=int, default=usual.symbols)
    parser.add_argument("--connections", type=int, default=usual.connections)
    parser.add_argument("--rate", type=float, default=usual.rate_per_s, help="market actions/s")
    parser.add_argument("--pause", type=float, default=usual.pause_s, help="mean s between strikes")
    parser.add_argument("--limit", type=float, default=usual.limit_s, help="seconds at most")
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default="uvloop")
    given = parser.parse_args(arguments)
    plan = Plan(
        drops=given.drops,
        seed=given.seed,
        symbols=given.symbols,
        connections=given.connections,
        rate_per_s=given.rate,
        pause_s=given.pause,
        limit_s=given.limit,
        rss_mb=RSS_MB,
    )
    # What the client logs about each loss is wanted when something is wrong, not a thousand times.
    logging.getLogger("connectors").setLevel(logging.CRITICAL)
    factory = None
    if given.loop == "uvloop":
        with contextlib.suppress(ImportError):
            import uvloop

            factory = uvloop.new_event_loop
    print(f"{plan} loop={given.loop}", flush=True)
    with asyncio.Runner(loop_factory=factory) as runner:
        result = runner.run(soak(plan, say=lambda line: print(line, flush=True)))
    for line in result.summary:
        print(line)
    for violation in result.violations:
        print("VIOLATION", violation)
    verdict = "OK" if result.ok else f"FAILED: {result.violation_count} violations"
    print(f"{verdict}: {result.drops} drops in {result.seconds:.1f} s, seed {plan.seed}")
    return 0 if result.ok else 1


if __name__ == "__main__":
    raise SystemExit(main())
