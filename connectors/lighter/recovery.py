"""Look-ups of single orders over REST, and what was missed while a connection was away."""

from __future__ import annotations

import asyncio
import contextlib

from ..errors import ConnectorError
from ..execution.lookups import Lookup, LookupSchedule, Why
from ..execution.reconcile import Found, Reconciler
from ..execution.recovery import CREATES, RETRY_S, LookupRunner, OnProblem
from ..net.clock import Clock, to_ns
from ..net.tasks import OwnedTasks
from .account_feed import AccountFeed
from .commands import Command
from .config import VENUE
from .queries import Queries

__all__ = ["Recovery"]

GAP_MARGIN_S = 60.0  # venue's and our clock differ
SUBSCRIBED_WAIT_S = 2.0
NOT_FOUND = "not found at venue"
SEARCHES = 2  # in vain, with growing pauses, for the order of an executed transaction


class Recovery(LookupRunner):
    """Looks orders up when the schedule says so.

    Parameters
    ----------
    schedule, reconciler, queries, feed, tasks, clock :
        What it works with.
    on_problem : callable
        Told when an order had to be given up, or a gap could not be read.
    """

    def __init__(
        self,
        *,
        schedule: LookupSchedule,
        reconciler: Reconciler,
        queries: Queries,
        feed: AccountFeed,
        tasks: OwnedTasks,
        clock: Clock,
        on_problem: OnProblem,
    ) -> None:
        super().__init__(
            VENUE,
            schedule=schedule,
            reconciler=reconciler,
            tasks=tasks,
            clock=clock,
            on_problem=on_problem,
        )
        self._queries = queries
        self._feed = feed
        self._link_up = False
        self._connections = 0  # and renewed streams of trades
        self._subscribed = asyncio.Event()
        self._read_early = False  # before the stream had begun
        self._catching: asyncio.Task[None] | None = None

    # -- single orders -----------------------------------------------------------------

    async def look(self, lookup: Lookup) -> Found:
        """Ask for the order, and if there is none for its transaction."""
        order = lookup.order
        if lookup.why is Why.MISSING_FILLS:
            return Found(fills=await self._queries.trades_of(order))
        client_index = order.client_key if isinstance(order.client_key, int) else None
        rows, is_complete = await self._queries.find_order(
            client_index=client_index,
            venue_order_id=order.venue_order_id,
            instrument_id=order.instrument_id,
            since_ns=order.ts_submitted - to_ns(GAP_MARGIN_S) if order.ts_submitted else None,
        )
        if lookup.why in CREATES and not rows:
            return await self._look_for_transaction(lookup, is_complete=is_complete)
        return Found(rows=rows, is_complete=is_complete)

    async def _look_for_transaction(self, lookup: Lookup, *, is_complete: bool) -> Found:
        """There is no order: the transaction itself may say why."""
        command = lookup.order.tag
        if not isinstance(command, Command) or not command.tx_hash:
            return Found(is_complete=is_complete)
        outcome = await self._queries.transaction(command.tx_hash)
        if outcome is None:
            return Found(is_complete=is_complete)
        if outcome.is_failed:
            return Found(failure=outcome.message, failure_code=outcome.code)
        if is_complete and not outcome.is_pending:
            # It was executed, and no order came of it (an invalid reduce-only one, for example);
            # unless that was after we had looked for the order, or the venue shows it late.
            lookup.note += 1
            if lookup.note > SEARCHES:
                return Found(failure=f"{NOT_FOUND} after its transaction was executed")
        return Found(is_complete=False)

    # -- after a gap -------------------------------------------------------------------

    def link_up(self) -> None:
        """There is a connection: look up what is due, and read what was missed."""
        self._link_up = True
        self._catch_up()
        self.arm()

    def link_lost(self) -> None:
        """Trades are missed from now on."""
        self._link_up = False
        self._connections += 1
        self._subscribed.clear()
        self._read_early = False
        self._feed.note_gap()

    def trades_subscribed(self) -> None:
        """The stream of trades has begun, perhaps anew: from here on it tells them all."""
        if self._link_up and (self._subscribed.is_set() or self._read_early):
            self._feed.note_gap()  # it was renewed, or begins after the gap was read
        self._connections += 1
        self._subscribed.set()
        self._catch_up()

    def _catch_up(self) -> None:
        if self._feed.gap_ns is None or not self._link_up or self._closed:
            return
        if self._catching is None or self._catching.done():
            self._catching = self._tasks.spawn(self.catch_up(), "catch-up")

    async def catch_up(self) -> None:
        """Fetch the trades of the time without a connection; tried until the venue answers.

        The orders themselves come with the first frame of their stream.
        """
        while self._link_up and not self._closed:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SUBSCRIBED_WAIT_S):
                    await self._subscribed.wait()  # what trades before that must be read as well
            connections, start_ns = self._connections, self._feed.gap_ns
            if start_ns is None:
                return
            try:
                rows = await self._queries.fills_since(start_ns)
            except ConnectorError as error:
                self._on_problem(f"trades of the gap not read yet: {error}", None, error)
                await asyncio.sleep(RETRY_S)
                continue
            self._feed.trades(rows)
            if connections == self._connections:
                self._feed.gap_ns = None
                self._read_early = not self._subscribed.is_set()
                return
