"""What the stream did not say is read: at the start, after every gap, and now and then (DX-R-06).

A gap opens when the connection is lost, when message ids are missing, and with every subscription,
because what happens between its snapshot and its first message is told to nobody (DX-W-14). While
one is open, height ends no order: trades of blocks that have passed may be unread.

A gap is read twice: at once, for news; and again when every replica must have what happened in it,
since one that lags behind would answer as if nothing had (DX-R-05, DX-W-20). Then it is closed.

=================================  =========================================================
orders                             are read
=================================  =========================================================
short-term                         all whose good-til block is not before the gap
others that live                   all
others that ended                  those with the latest ends: the venue sorts by nothing else
of trades, and in none of these    one by one
in doubt still                     one by one; one that nobody knows stays in doubt
=================================  =========================================================
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

from ..errors import AuthenticationError, ConnectorError, RateLimited
from ..execution.members import text
from ..net.tasks import OwnedTasks
from .account import AccountFeed
from .heights import BlockHeights
from .members import Members
from .orders import OrderStore
from .rest import IndexerRest
from .rows import FillRow, TransferRow
from .statuses import VenueStatus

__all__ = ["Reconciliation"]

RETRY_S = 1.0
LONGEST_RETRY_S = 30.0
PAUSE_S = 0.25  # between readings, however often frames are lost
LATEST, LATEST_MAX = 100, 1_000  # orders that ended, read from time to time, and for a gap
LIVE_KINDS = (VenueStatus.OPEN, VenueStatus.UNTRIGGERED, VenueStatus.BEST_EFFORT_OPENED)


class ReconcileOwner(Protocol):
    """Whom it tells."""

    def on_problem(self, message: str, code: int | None, error: Exception | None) -> None:
        """Something could not be read yet."""

    def on_read(self) -> None:
        """What a gap has hidden was read, as far as the replicas know it."""


class Reconciliation:
    """Reads what gaps have hidden.

    Parameters
    ----------
    owner, rest, feed, store, heights, members, tasks :
        What it works with.
    lag_blocks : int
        How many blocks a replica may lag.
    unread_since : int, optional
        Where a gap begins that an earlier one has left open.

    Attributes
    ----------
    has_read : asyncio.Event
        Set once the account was read, or that was refused.
    refusal : AuthenticationError or None
        Why the venue lets nobody here read (a blocked country or address).
    is_deaf : bool
        Nobody tells of the account (yet): heights may come, but no gap is closed.
    readings, gaps :
        Counters: times the account was read, gaps that were closed.
    """

    def __init__(
        self,
        owner: ReconcileOwner,
        *,
        rest: IndexerRest,
        feed: AccountFeed,
        store: OrderStore,
        heights: BlockHeights,
        members: Members,
        tasks: OwnedTasks,
        lag_blocks: int,
        unread_since: int | None = None,
    ) -> None:
        self._owner = owner
        self._rest = rest
        self._feed = feed
        self._store = store
        self._heights = heights
        self._members = members
        self._tasks = tasks
        self._lag_blocks = lag_blocks
        self._since = unread_since  # block from which trades are unread
        self._opened = 0  # how often that was noted: a gap may begin while one is read
        self._is_wanted = False
        self._stirred = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()
        self.has_read = asyncio.Event()
        self.refusal: AuthenticationError | None = None
        self.is_deaf = False
        self.readings = 0
        self.gaps = 0

    @property
    def is_open(self) -> bool:
        """Whether a gap is open."""
        return self._since is not None

    @property
    def unread_since(self) -> int | None:
        """The block with which the open gap begins."""
        return self._since

    # -- gaps ---------------------------------------------------------------------------

    def open_gap(self) -> None:
        """Messages may be missing from now on, and from the newest block before."""
        if self._since is None:
            self._since = max((self._heights.height or 0) - 1, 0)
        self._store.is_held = True
        self._opened += 1

    def read_gap(self) -> None:
        """Read what is missing, now that there is a connection; once for all who ask meanwhile."""
        self.open_gap()
        self._is_wanted = True
        self._stirred.set()
        if self._reading is None or self._reading.done():
            self._reading = self._tasks.spawn(self._read_gaps(), "read-gap")

    def on_height(self) -> None:
        """The height of the chain has risen."""
        self._stirred.set()

    async def _read_gaps(self) -> None:
        while self._is_wanted:
            self._is_wanted = False
            opened = self._opened
            await self._until_answered()
            self.has_read.set()
            self._owner.on_read()
            # Where heights stood still, the snapshot may be of a later block.
            newest = max(self._heights.height or 0, self._feed.snapshot_height)
            target = newest + self._lag_blocks
            while self._opened == opened and (self._heights.height or 0) < target:
                self._stirred.clear()
                await self._stirred.wait()
            if self._opened == opened:
                await self._until_answered(is_settled=True)
            if self._opened == opened and not self.is_deaf:
                self._close_gap()
            else:  # the connection was lost, or lost frames, meanwhile
                await asyncio.sleep(PAUSE_S)

    def _close_gap(self) -> None:
        self._since = None
        self._store.is_held = False
        self.gaps += 1
        self._feed.expire()
        for state in self._store.live:
            if state.missing:
                missing = f"{state.missing:f} was filled in trades that are not to be found"
                self._owner.on_problem(f"order {state.order_id}: {missing}", None, None)
            if state.is_doubtful and not state.is_short_term:
                lost = "believed open, and nowhere to be found"
                self._owner.on_problem(f"order {state.order_id}: {lost}", None, None)

    async def _until_answered(self, *, is_settled: bool = False) -> None:
        pause_s = RETRY_S
        while True:
            try:
                await self.read(is_settled=is_settled)
                return
            except ConnectorError as error:
                self._owner.on_problem(f"the account was not read yet: {error}", None, error)
                if isinstance(error, AuthenticationError):
                    self.refusal = error
                    self.has_read.set()
                wait_s = error.retry_after_s if isinstance(error, RateLimited) else 0.0
            await asyncio.sleep(max(wait_s, pause_s))
            pause_s = min(2 * pause_s, LONGEST_RETRY_S)

    # -- reading -------------------------------------------------------------------------

    async def read(
        self, *, is_settled: bool = False, since: int | None = None, limit: int = LATEST_MAX
    ) -> None:
        """Read the account once: money, live orders, trades and transfers, orders in doubt.

        Parameters
        ----------
        is_settled : bool
            Every replica has what a gap has hidden: what is found as it was, is.
        since : int, optional
            Block from which trades are read; by default that of the gap.
        limit : int
            How many orders that end by time are read, whatever became of them.

        Raises
        ------
        ConnectorError
            The venue did not answer; what was read before that counts.
        """
        async with self._lock:
            self.readings += 1
            start = self._start(since)
            await self._read_account()
            await self._read_live(is_settled=is_settled)
            trades = await self._trades(start)
            await self._read_transfers(start)
            orders = await self._orders(start, limit)
            orders += await self._orders_of(trades, orders, start)
            self._feed.missed(orders, trades, is_settled=is_settled, since_height=start)
            if is_settled:  # before, a replica that lags knows no more of one order than of all
                await self._look_up()

    def _start(self, since: int | None) -> int:
        if since is None:
            since = self._since if self._since is not None else (self._heights.height or 0)
        return max(since, (self._feed.history_height or 0) + 1)  # what was before is not news

    async def _read_account(self) -> None:
        members = self._members
        found = await self._rest.subaccount(
            members.address, members.number, is_parent=members.is_parent
        )
        if found is not None:
            self._feed.is_funded = True
            self._feed.subaccount(found, height=0)

    async def _read_live(self, *, is_settled: bool) -> None:
        members = self._members
        async for rows in self._rest.stateful_order_pages(
            members.address, members.number, is_parent=members.is_parent, status=LIVE_KINDS
        ):
            self._feed.orders(rows, is_settled=is_settled)

    async def _trades(self, start: int) -> list[FillRow]:
        members = self._members
        rows: list[FillRow] = []
        async for page in self._rest.fill_pages(
            members.address, members.number, is_parent=members.is_parent
        ):
            read = self._feed.read_fills(page)
            rows += read
            if any(row.height < start for row in read):
                break
        return rows

    async def _read_transfers(self, start: int) -> None:
        members = self._members
        rows: list[TransferRow] = []
        async for page in self._rest.transfer_pages(
            members.address, members.number, is_parent=members.is_parent
        ):
            read = self._feed.read_transfers(page)
            rows += read
            if any(row.height < start for row in read):
                break
        self._feed.transfers(rows, since_height=start)

    async def _orders(self, start: int, limit: int) -> list[Any]:
        """Return short-term orders that may have traded, and the newest of the others."""
        members = self._members
        rows: list[Any] = []
        async for page in self._rest.short_term_order_pages(
            members.address, members.number, is_parent=members.is_parent, after_block=start - 1
        ):
            rows += page
        rows += await self._rest.orders(
            members.address,
            members.number,
            is_parent=members.is_parent,
            latest_first=True,
            limit=limit,
        )
        return rows

    async def _orders_of(
        self, trades: list[FillRow], orders: list[Any], start: int
    ) -> list[dict[str, Any]]:
        """Return the orders of trades that nobody has named: they may be newer than the lists."""
        named = {text(row, "id") for row in orders if isinstance(row, Mapping)}
        wanted = dict.fromkeys(
            row.order_id
            for row in trades
            if row.order_id is not None
            and row.height >= start
            and row.order_id not in named
            and not self._feed.is_known(row.order_id)
        )
        found = [await self._rest.order(order_id) for order_id in wanted]
        return [row for row in found if row is not None]

    async def _look_up(self) -> None:
        """Ask for the orders that are in doubt still, one by one.

        Height and trades settle what became of short-term orders: of them, of which there may be
        hundreds, nobody is asked.
        """
        for state in [state for state in self._store.in_doubt if not state.is_short_term]:
            if not state.is_doubtful:
                continue  # the stream spoke of it meanwhile
            row = await self._rest.order(state.order_id)
            if row is not None:
                self._feed.orders([row], is_settled=True)

    async def every(self, interval_s: float) -> None:
        """Read the account from time to time, with the trades since the last time."""
        last = self._heights.height or 0
        limit = LATEST
        while True:
            await asyncio.sleep(interval_s)
            if self._since is not None:  # it is being read
                limit = LATEST_MAX  # as trades, orders of more than one interval come next
                continue
            now = self._heights.height or 0
            try:
                await self.read(is_settled=True, since=last - self._lag_blocks, limit=limit)
            except ConnectorError as error:
                self._owner.on_problem(f"the account was not read: {error}", None, error)
                limit = LATEST_MAX
                continue
            last, limit = now, LATEST
