"""Orders nobody told us about: asked for over REST until the matter is settled.

Runs while the client is connected: what is due is looked up, one request at a time, and what was
missed while a connection was away is fetched when the next one is up.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import replace

from ..errors import ConnectorError
from ..execution.dispatch import OrderDispatch
from ..execution.identity import TrackedOrder
from ..execution.lookups import Lookup, LookupSchedule, Why
from ..execution.reconcile import Found, Reconciler
from ..net.clock import NS_PER_S, Clock, to_ns
from ..net.tasks import OwnedTasks
from .account_feed import AccountFeed
from .queries import Queries
from .sending import Command, Sender

__all__ = ["Recovery"]

log = logging.getLogger("connectors.lighter")

CREATES = (Why.CREATE_IN_DOUBT, Why.CREATE_UNSEEN)
GAP_MARGIN_S = 60.0  # venue's and our clock differ
SUBSCRIBED_WAIT_S = 2.0
RETRY_S = 1.0
NOT_FOUND = "not found at venue"
SEARCHES = 2  # in vain, with growing pauses, for the order of an executed transaction


class Recovery:
    """Looks orders up when the schedule says so.

    Parameters
    ----------
    schedule, reconciler, dispatch, queries, sender, feed, tasks, clock :
        What it works with.
    on_problem : callable
        Told when an order had to be given up, or a gap could not be read.
    """

    def __init__(
        self,
        *,
        schedule: LookupSchedule,
        reconciler: Reconciler,
        dispatch: OrderDispatch,
        queries: Queries,
        sender: Sender,
        feed: AccountFeed,
        tasks: OwnedTasks,
        clock: Clock,
        on_problem: Callable[[str, int | None, Exception | None], None],
    ) -> None:
        self._schedule = schedule
        self._reconciler = reconciler
        self._dispatch = dispatch
        self._queries = queries
        self._sender = sender
        self._feed = feed
        self._tasks = tasks
        self._clock = clock
        self._on_problem = on_problem
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ns: int | None = None
        self._running: asyncio.Task[None] | None = None
        self._closed = False
        self._link_up = False
        self._connections = 0  # and renewed streams of trades
        self._subscribed = asyncio.Event()
        self._read_early = False  # before the stream had begun
        self._catching: asyncio.Task[None] | None = None

    def close(self) -> None:
        """Ask nothing any more; what is wanted stays wanted."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def ask(
        self, order: TrackedOrder, why: Why, *, in_s: float = 0.0, command: Command | None = None
    ) -> None:
        """Want an order looked up after a while."""
        expires_at = command.expires_ms * 1_000_000 if command is not None else None
        due_ns = self._clock.monotonic_ns() + to_ns(in_s)
        self._schedule.ask(order, why, due_ns, expires_at=expires_at)
        self.arm()

    def note_missing(self, order: TrackedOrder, *, in_s: float) -> None:
        """Want the trades of an order whose rows show more filled than came."""
        if order.missing_since_ns is not None:
            self.ask(order, Why.MISSING_FILLS, in_s=in_s)

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
            due = self._schedule.due(self._clock.monotonic_ns(), limit=20)
            if not due:
                return
            for lookup in due:
                if self._is_settled(lookup):
                    self._schedule.done(lookup.order, lookup.why)
                    continue
                as_of_ns = self._clock.wall_ns()
                try:
                    found = replace(await self._look(lookup), as_of_ns=as_of_ns)
                except ConnectorError as error:
                    log.warning("venue=LIGHTER look-up of %s failed: %s", lookup.order, error)
                    lookup.attempt -= 1  # nothing was answered: no reason to lose patience
                    await asyncio.sleep(RETRY_S)
                    continue
                given_up = self._reconciler.given_up
                self._reconciler.resolve(lookup, found, now_ns=self._clock.monotonic_ns())
                if self._reconciler.given_up > given_up:
                    self._on_problem(
                        f"order {lookup.order.client_order_id}: look-up ({lookup.why.value}) "
                        "given up",
                        None,
                        None,
                    )
                self.note_missing(lookup.order, in_s=0.0)

    # -- single orders -----------------------------------------------------------------

    def _is_settled(self, lookup: Lookup) -> bool:
        """Tell whether the matter ended by itself since it was scheduled."""
        order, why = lookup.order, lookup.why
        if why is Why.MISSING_FILLS:
            return order.missing_since_ns is None
        if order.is_final:
            return True
        if why in CREATES:
            return order.is_accepted
        if why is Why.MODIFY_UNSEEN:
            return order.requested is None
        return False

    async def _look(self, lookup: Lookup) -> Found:
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
