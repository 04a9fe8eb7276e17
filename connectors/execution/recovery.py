"""Orders nobody told us about: asked for until the matter is settled.

Runs while the client is connected: what is due is looked up, one request at a time. A venue says
how an order is looked up (`look`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

from ..errors import ConnectorError
from ..net.clock import NS_PER_S, Clock, to_ns
from ..net.tasks import OwnedTasks
from .identity import TrackedOrder
from .lifecycle import Doubt
from .lookups import Lookup, LookupSchedule, Why
from .reconcile import Found, Reconciler

__all__ = ["CREATES", "MODIFIES", "RETRY_S", "LookupRunner", "OnProblem"]

CREATES = (Why.CREATE_IN_DOUBT, Why.CREATE_UNSEEN)
MODIFIES = (Why.MODIFY_IN_DOUBT, Why.MODIFY_UNSEEN)
RETRY_S = 1.0  # before the venue is asked again when it did not answer
AT_ONCE = 20  # look-ups taken from the schedule together

OnProblem = Callable[[str, int | None, Exception | None], None]
T = TypeVar("T")


class LookupRunner:
    """Looks orders up when the schedule says so.

    Parameters
    ----------
    venue : str
        For the log.
    schedule, reconciler, tasks, clock :
        What it works with.
    on_problem : callable
        Told when an order had to be given up, or something could not be read.
    """

    def __init__(
        self,
        venue: str,
        *,
        schedule: LookupSchedule,
        reconciler: Reconciler,
        tasks: OwnedTasks,
        clock: Clock,
        on_problem: OnProblem,
    ) -> None:
        self._venue = venue
        self._schedule = schedule
        self._reconciler = reconciler
        self._tasks = tasks
        self._clock = clock
        self._on_problem = on_problem
        self._log = logging.getLogger(f"connectors.{venue.lower()}")
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ns: int | None = None
        self._running: asyncio.Task[None] | None = None
        self._closed = False

    # -- what a venue says -------------------------------------------------------------

    async def look(self, lookup: Lookup) -> Found:
        """Ask the venue; ConnectorError if it does not answer."""
        raise NotImplementedError

    def resolved(self, lookup: Lookup, found: Found, *, settled: bool) -> None:
        """A look-up was answered and went through the dispatch."""

    # -- wanting -----------------------------------------------------------------------

    def close(self) -> None:
        """Ask nothing any more; what is wanted stays wanted."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def ask(
        self, order: TrackedOrder, why: Why, *, in_s: float = 0.0, expires_at: int | None = None
    ) -> None:
        """Want an order looked up after a while.

        `expires_at` is the Unix time in ns after which its command can no longer be executed.
        """
        due_ns = self._clock.monotonic_ns() + to_ns(in_s)
        self._schedule.ask(order, why, due_ns, expires_at=expires_at)
        self.arm()

    def done(self, order: TrackedOrder, why: Why) -> None:
        """Want it no more."""
        self._schedule.done(order, why)

    def note_missing(self, order: TrackedOrder, *, in_s: float) -> None:
        """Want the trades of an order whose rows show more filled than came."""
        if order.missing_since_ns is not None:
            self.ask(order, Why.MISSING_FILLS, in_s=in_s)

    # -- running -----------------------------------------------------------------------

    def arm(self) -> None:
        """Set the one timer to what is due next."""
        if self._closed or (self._running is not None and not self._running.done()):
            return
        due_ns = self._schedule.next_due_ns()
        if due_ns is None or (self._timer is not None and self._timer_ns == due_ns):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_ns = due_ns
        delay_s = max(0.0, (due_ns - self._clock.monotonic_ns()) / NS_PER_S)
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._start)

    def _start(self) -> None:
        self._timer = None
        if not self._closed:
            self._running = self._tasks.spawn(self._run(), "look-up")
            self._running.add_done_callback(lambda _: self.arm())

    async def _run(self) -> None:
        while not self._closed:
            due = self._schedule.due(self._clock.monotonic_ns(), limit=AT_ONCE)
            if not due:
                return
            for lookup in due:
                if self.is_settled(lookup):
                    self._schedule.done(lookup.order, lookup.why)
                    continue
                as_of_ns = self._clock.wall_ns()  # what happens while it is asked may be unseen
                try:
                    found = replace(await self.look(lookup), as_of_ns=as_of_ns)
                except Exception as error:  # noqa: BLE001 - others are still to be looked up
                    self._log.warning(
                        "venue=%s look-up of %s failed: %s",
                        self._venue,
                        lookup.order,
                        error,
                        exc_info=None if isinstance(error, ConnectorError) else error,
                    )
                    lookup.attempt -= 1  # nothing was answered: no reason to lose patience
                    await asyncio.sleep(RETRY_S)
                    continue
                if lookup.is_open:  # else it was settled meanwhile, and says nothing of what is new
                    self._resolve(lookup, found)

    def _resolve(self, lookup: Lookup, found: Found) -> None:
        given_up = self._reconciler.given_up
        settled = self._reconciler.resolve(lookup, found, now_ns=self._clock.monotonic_ns())
        if self._reconciler.given_up > given_up:
            self._on_problem(
                f"order {lookup.order.client_order_id}: look-up ({lookup.why.value}) given up",
                None,
                None,
            )
        self.note_missing(lookup.order, in_s=0.0)
        self.resolved(lookup, found, settled=settled)

    def is_settled(self, lookup: Lookup) -> bool:
        """Tell whether the matter ended by itself since it was scheduled."""
        order, why = lookup.order, lookup.why
        if why is Why.MISSING_FILLS:
            return order.missing_since_ns is None
        if order.is_final:
            return True
        if why in CREATES:
            return order.is_accepted
        if why in MODIFIES:
            return order.requested is None and not order.doubt & Doubt.MODIFY
        return False

    async def until_answered(self, ask: Callable[[], Awaitable[T]], what: str) -> T | None:
        """Ask until the venue answers and return that; None once this was closed."""
        while not self._closed:
            try:
                return await ask()
            except Exception as error:  # noqa: BLE001 - an answer of any shape must not end this
                self.unanswered(what, error)
                await asyncio.sleep(RETRY_S)
        return None

    def unanswered(self, what: str, error: Exception) -> None:
        """Tell that something could not be read; an error that is not the venue's is logged too."""
        text = f"{what} not read yet: {error}"
        if not isinstance(error, ConnectorError):
            self._log.error("venue=%s %s", self._venue, text, exc_info=error)
        self._on_problem(text, None, error)
