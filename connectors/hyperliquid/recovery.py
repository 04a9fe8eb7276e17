"""Orders nobody told us about, and what was missed while a connection was away (10.3, 12.3).

Nothing is replayed after a reconnect but fills. So fills are read first, then the list of open
orders, then each order of ours that is not in it: a fill belongs before the end it led to.

What became of a command without an answer is settled by the order itself, by the command's
expiry, or by its nonce: used up for something harmless, it shows whether the venue had seen it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Protocol

from ..execution.dispatch import OrderRow as DispatchRow
from ..execution.identity import TrackedOrder
from ..execution.legs import LegDispatch
from ..execution.lifecycle import Doubt
from ..execution.lookups import Lookup, LookupSchedule, Why
from ..execution.reconcile import Found, Reconciler
from ..execution.recovery import CREATES, MODIFIES, LookupRunner, OnProblem
from ..execution.sending import Command, Kind
from ..model.enums import OrderStatus
from ..model.reports import FillReport, OrderStatusReport
from ..net.clock import Clock
from ..net.tasks import OwnedTasks
from .account_feed import AccountFeed
from .config import VENUE
from .queries import Queries

__all__ = ["Recovery", "Voids"]

GAP_MARGIN_MS = 5_000  # fills are published late
FILLS_PAUSE_S = 1.0  # between two readings of fills that were found missing
NEVER = "not executed: its nonce was used up before it came"
REFUSED = "refused by the venue, and its answer was lost"
KEPT_VOIDS = 1_000
VOID_AFTER = 2  # look-ups that found nothing before a nonce is used up
KINDS = {
    Why.CREATE_IN_DOUBT: Kind.CREATE,
    Why.CANCEL_IN_DOUBT: Kind.CANCEL,
    Why.MODIFY_IN_DOUBT: Kind.MODIFY,
}
DOUBTS = {
    Why.CREATE_IN_DOUBT: Doubt.CREATE,
    Why.CANCEL_IN_DOUBT: Doubt.CANCEL,
    Why.MODIFY_IN_DOUBT: Doubt.MODIFY,
}


class Voids(Protocol):
    """Who can use up a nonce: the sender."""

    @property
    def is_running(self) -> bool: ...
    async def void(self, command: Command) -> bool | None: ...


class RecoveryOwner(Protocol):
    """Whom recovery tells that something may be sent now."""

    def settled(self) -> None:
        """An order may have a new leg, or a place for its next modification."""

    def command_of(self, order: TrackedOrder, kind: Kind) -> Command | None:
        """The newest command of a kind to an order."""

    def is_waiting(self, order: TrackedOrder) -> bool:
        """Whether the venue has taken an order without giving it an id."""


class Recovery(LookupRunner):
    """Looks orders up when the schedule says so, and reads what a gap has hidden.

    Parameters
    ----------
    owner, schedule, reconciler, dispatch, queries, feed, voids, tasks, clock :
        What it works with.
    on_problem : callable
        Told when an order had to be given up, or something could not be read.
    """

    def __init__(
        self,
        owner: RecoveryOwner,
        *,
        schedule: LookupSchedule,
        reconciler: Reconciler,
        dispatch: LegDispatch,
        queries: Queries,
        feed: AccountFeed,
        voids: Voids,
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
        self._owner = owner
        self._dispatch = dispatch
        self._queries = queries
        self._feed = feed
        self._voids = voids
        self._voided: dict[int, bool] = {}  # by nonce: never executed?
        self._fetching: asyncio.Task[None] | None = None
        self._missing_since_ms: int | None = None
        self._gap_since_ms: int | None = feed.newest_fill_ms or None  # of an earlier connection

    # -- single orders -----------------------------------------------------------------

    async def look(self, lookup: Lookup) -> Found:
        """Ask for the order; where that says nothing, ask its nonce."""
        order, why = lookup.order, lookup.why
        if why is Why.MISSING_FILLS:
            is_first = lookup.attempt == 1
            return Found(fills=await self._queries.fills_of(order, recent=is_first))
        rows = await self._queries.find_order(
            cloid=order.client_key if isinstance(order.client_key, str) else None,
            venue_order_id=order.venue_order_id,
            on_stranger=partial(self._stranger, lookup),
        )
        fills: list[FillReport] = []
        if any(self._dispatch.shows_more(row) for row in rows):
            # They belong before whatever the row says; those we know make nothing.
            fills = await self._queries.fills_of(order)
        failure = await self._proof(lookup, rows) if why in KINDS else None
        # Not to be found proves nothing of an order that was there, or whose place is taken.
        is_complete = why in CREATES and not lookup.note
        return Found(rows=rows, fills=fills, is_complete=is_complete, failure=failure)

    def _stranger(self, lookup: Lookup, report: OrderStatusReport) -> None:
        """The venue has answered with another order than the one that was sent; told once."""
        if not lookup.note:
            self._on_problem(
                f"order {lookup.order.client_order_id}: under its cloid the venue has another "
                f"order, {report.venue_order_id} ({report.side} {report.size:f} "
                f"{report.instrument_id}, {report.venue_status}): give each order an id that no "
                "other run or process uses",
                None,
                None,
            )
        lookup.note = 1

    async def _proof(self, lookup: Lookup, rows: list[DispatchRow]) -> str | None:
        """Return why a command in doubt has failed for certain; None: nobody knows yet."""
        order, why = lookup.order, lookup.why
        if not order.doubt & DOUBTS[why] or not self._shows_nothing(order, why, rows):
            return None  # the newest command is not the one that was in doubt
        command = self._owner.command_of(order, KINDS[why])
        if command is None or command.nonce is None or lookup.attempt < VOID_AFTER:
            return None
        nonce = command.nonce.value
        never = self._voided.get(nonce)
        if never is None:
            if not self._voids.is_running:
                return None
            never = await self._voids.void(command)
            if never is None:
                return None
            self._remember(nonce, never=never)
            if not never:
                return None  # the venue had it: the next look-up sees what came of it
        return NEVER if never else REFUSED

    def _remember(self, nonce: int, *, never: bool) -> None:
        self._voided[nonce] = never
        if len(self._voided) > KEPT_VOIDS:
            del self._voided[next(iter(self._voided))]

    def _shows_nothing(self, order: TrackedOrder, why: Why, rows: list[DispatchRow]) -> bool:
        """Tell whether an answer looks as if the command had not been executed."""
        if why in CREATES:
            return not rows
        if not rows:
            return False
        if why in MODIFIES:
            return all(
                row.report.venue_order_id == order.venue_order_id
                or row.report.status is OrderStatus.REJECTED
                for row in rows
            )
        return rows[-1].report.status.is_open

    def resolved(self, lookup: Lookup, found: Found, *, settled: bool) -> None:
        """Take what follows from an answer, give up what cannot come, let the next command out."""
        order = lookup.order
        if lookup.why in MODIFIES and not settled:
            self._settle_leg(order, found, is_late=lookup.attempt > VOID_AFTER)
        elif lookup.why is Why.MISSING_FILLS and not settled and lookup.attempt > VOID_AFTER:
            self._dispatch.stop_missing(order)
        self._owner.settled()

    def _settle_leg(self, order: TrackedOrder, found: Found, *, is_late: bool) -> None:
        for row in found.rows:
            report = row.report
            is_new_leg = report.venue_order_id != order.venue_order_id
            if is_new_leg and report.status in (OrderStatus.FILLED, OrderStatus.CANCELED):
                # The new leg was there, and is over: it has to be known before it can end.
                self._dispatch.replaced(
                    order,
                    report.venue_order_id,
                    ts_event=report.ts_last,
                    ts_init=report.ts_init,
                )
        if is_late:
            # Fills of a leg that nobody names: it can only be the one that was asked for.
            self._dispatch.release_held(order)

    # -- the whole account ---------------------------------------------------------------

    async def read_all(self) -> None:
        """Read fills of the gap, open orders and the account once, and settle what that shows.

        Raises
        ------
        ConnectorError
            The venue did not answer; what was read before that counts.
        """
        believed = self._dispatch.registry.live_orders()
        await self._read_gap()
        await self._read_open(believed)
        await self._queries.account()

    def gap_began(self) -> None:
        """The connection is gone: fills from here on are read, whatever the next snapshot shows."""
        if self._gap_since_ms is None:
            self._gap_since_ms = self._feed.newest_fill_ms

    async def _read_gap(self) -> None:
        newest_ms = self._feed.newest_fill_ms
        gap_ms, self._gap_since_ms = self._gap_since_ms, None
        last_ms = newest_ms if gap_ms is None else gap_ms
        live = self._dispatch.registry.live_orders()
        if not last_ms and not live:
            return  # nothing was missed: there was nothing
        venue_ms = self._queries.venue_ms
        starts = [venue_ms(order.ts_submitted) for order in live if order.ts_submitted]
        starts.append(newest_ms or venue_ms(self._clock.wall_ns()))
        since_ms = last_ms or min(starts)
        try:
            rows = await self._queries.fills_since(max(since_ms - GAP_MARGIN_MS, 0))
        except BaseException:
            self._gap_since_ms = gap_ms if gap_ms is not None else self._gap_since_ms
            raise
        self._feed.past_fills(rows)

    async def _read_open(self, believed: Sequence[TrackedOrder]) -> None:
        rows = await self._queries.open_orders()
        now_ns = self._clock.monotonic_ns()
        self._reconciler.open_orders(rows, now_ns=now_ns, believed_open=believed)
        for row in rows:
            self._check_over(row)
        present = {row.client_key for row in rows}
        for order in believed:
            if self._owner.is_waiting(order) and order.client_key not in present:
                self.ask(order, Why.ABSENT)  # a child whose parent may be gone
        self._owner.settled()
        self.arm()

    def _check_over(self, row: DispatchRow) -> None:
        """An order that is filled, and rests, or has too big a leg: that is to be canceled."""
        order = self._dispatch.registry.find(
            client_key=row.client_key, venue_order_id=row.report.venue_order_id
        )
        if order is None or not order.former_venue_order_ids:
            return
        is_over = order.filled_size >= order.size and self._dispatch.marker(order) is None
        if order.is_final or is_over or self._dispatch.is_too_big(order):
            self._dispatch.work.stray(order)

    async def catch_up(self) -> None:
        """Read everything after a gap, tried until the venue answers; then the doubts at once."""
        await self.until_answered(self.read_all, "what the gap has hidden")
        for order in self._dispatch.registry.live_orders():
            for why, doubt in DOUBTS.items():
                if order.doubt & doubt:
                    self.ask(order, why)

    async def reconcile(self, every_s: float) -> None:
        """Compare with the venue's list from time to time; ends by cancellation."""
        while True:
            await asyncio.sleep(every_s)
            try:
                await self.read_all()
            except Exception as error:  # noqa: BLE001 - the next time it may be readable
                self.unanswered("the account", error)

    # -- fills that a fill has shown to be missing -----------------------------------------

    def fetch_fills(self, since_ms: int) -> bool:
        """Read the fills since a time (venue's), once for all who ask meanwhile.

        False if that is under way, and will be done once more.
        """
        earliest = self._missing_since_ms
        self._missing_since_ms = since_ms if earliest is None else min(earliest, since_ms)
        if self._fetching is not None and not self._fetching.done():
            return False
        self._fetching = self._tasks.spawn(self._fetch_fills(), "missing-fills")
        return True

    async def _fetch_fills(self) -> None:
        while (since_ms := self._missing_since_ms) is not None:
            self._missing_since_ms = None
            start_ms = max(since_ms - 1_000, 0)
            rows = await self.until_answered(
                partial(self._queries.fills_since, start_ms), "missing fills"
            )
            self._feed.past_fills(rows or ())
            await asyncio.sleep(FILLS_PAUSE_S)
