"""What is asked over REST about an account, through the feed or as reports (6.5, 6.6)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from ..errors import VenueError
from ..execution.fills import FillKey
from ..execution.reconcile import oldest_first
from ..execution.scope import ReportScope
from ..model.reports import FillReport, OrderStatusReport
from ..net.clock import NS_PER_S, Clock
from .account_feed import AccountFeed
from .catalog import ContractCatalog
from .orders import read_order
from .pnl import read_rest_ledger, read_rest_summary
from .rest import IbkrRest
from .trades import read_executions

__all__ = ["AccountReader", "Queries"]

log = logging.getLogger("connectors.ibkr")

DAY_NS = 86_400 * NS_PER_S
DAYS_MAX = 7
NOT_KNOWN = frozenset({404, 503})  # of an order
LIST_TRIES = 4
LIST_PAUSE_S = 0.5  # an empty first answer is followed by the real one


def days_since(since_ns: int | None, now_ns: int) -> int:
    """Return how many days of trades to ask for; the first of them is today, whenever it began."""
    if since_ns is None:
        return 2
    return min(max((now_ns - since_ns) // DAY_NS + 2, 2), DAYS_MAX)


class AccountReader:
    """Reads the parts of an account into the feed.

    Parameters
    ----------
    rest : callable
        Returns who asks: a session that is opened again has a new one.
    """

    def __init__(self, rest: Callable[[], IbkrRest], feed: AccountFeed, clock: Clock) -> None:
        self._rest = rest
        self._feed = feed
        self._clock = clock
        self._knows_accounts = False

    def begin(self) -> None:
        """Know that the session may be another one: what it must be asked once is asked again."""
        self._knows_accounts = False

    async def refresh_orders(self) -> None:
        """Have the venue make its list of orders anew, which undoes filters too (F-06)."""
        await self._rest().live_orders(force=True)

    async def orders(self, *, patiently: bool = True) -> bool:
        """Read the live orders; False if the venue's list never became one (R-51, F-06)."""
        for attempt in range(LIST_TRIES if patiently else 1):
            if attempt:
                await asyncio.sleep(LIST_PAUSE_S)
            asked_ns = self._clock.monotonic_ns()
            if self._feed.live_orders(await self._rest().live_orders(), asked_ns):
                await self._look_for_absent()
                return True
        log.log(
            logging.WARNING if patiently else logging.DEBUG,
            "venue=IBKR the list of live orders stays empty and without a snapshot",
        )
        return False

    async def _look_for_absent(self) -> None:
        """Ask for each order that the list should have; one that ended long ago is in none."""
        for order in self._feed.absent:
            asked_ns = self._clock.monotonic_ns()
            try:
                row = read_order(await self._rest().order_status(order.order_id))
            except VenueError as error:
                if error.status not in NOT_KNOWN:
                    raise
                if order in self._feed.absent:  # and no row came meanwhile
                    self._feed.give_up(order)
                continue
            self._feed.order(row, asked_ns)

    async def trades(self, *, since_ns: int | None = None) -> None:
        """Read the executions since a time, of today by default."""
        asked_ns = self._clock.monotonic_ns()
        days = days_since(since_ns, self._clock.wall_ns())
        self._feed.trade_list(await self._rest().trades(days=days))
        self._feed.trades_answered(asked_ns)

    async def _accounts(self) -> None:
        if not self._knows_accounts:
            await self._rest().portfolio_accounts()  # what is below needs it once (N-11)
            self._knows_accounts = True

    async def positions(self, account: str) -> list[Any]:
        """Return the rows of all positions of this moment (R-62)."""
        await self._accounts()
        return await self._rest().positions_now(account)

    async def money(self, account: str) -> None:
        """Read summary, ledger, profit and loss."""
        await self._accounts()
        summary = read_rest_summary(await self._rest().summary(account))
        self._feed.take_summary(account, summary)
        ledger = read_rest_ledger(await self._rest().ledger(account))
        self._feed.take_ledger(account, ledger, is_snapshot=True)

    async def list_trades(self, days: int) -> list[Any]:
        """Return the rows of executions."""
        return await self._rest().trades(days=days)


class Queries:
    """Makes reports of what the venue says now."""

    def __init__(
        self,
        reader: AccountReader,
        feed: AccountFeed,
        catalog: ContractCatalog,
        told: Callable[[FillReport, FillKey], bool],
        look_up: Callable[[], Awaitable[None]],
    ) -> None:
        self._reader = reader
        self._feed = feed
        self._catalog = catalog
        self._told = told
        self._look_up = look_up

    async def order_reports(self, scope: ReportScope) -> list[OrderStatusReport]:
        """Return the orders of the session's list, and those of the socket."""
        await self._reader.orders()
        await self._look_up()
        rows = (self._feed.board.row(order) for order in self._feed.board)
        return [row.report for row in rows if row is not None and scope.has_order(row.report)]

    async def fill_reports(self, scope: ReportScope) -> list[FillReport]:
        """Return executions that were not handed out yet, oldest first; up to seven days back."""
        now_ns = self._feed.now_ns()
        rows = await self._reader.list_trades(days_since(scope.start_ns, now_ns))
        found: dict[FillKey, FillReport] = {}
        for execution in read_executions(rows).rows:
            instrument = self._catalog.get(execution.conid)
            if instrument is None:
                (instrument,) = await self._catalog.find(execution.conid)
            report = self._feed.fill_report(execution, instrument)
            if scope.has_fill(report) and not self._told(report, execution.key):
                found[execution.key] = report  # the last copy has the highest revision
        return oldest_first(found.values())
