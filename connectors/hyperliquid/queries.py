"""What the venue says stands, asked over REST: reports, and look-ups of single orders.

An order is looked up by its cloid first: an oid we know may be that of a leg that was replaced
(section 2.10). Rows that cannot be read are told in the log and left out.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

from ..errors import DecodeError
from ..execution.dispatch import OrderRow as DispatchRow
from ..execution.identity import TrackedOrder
from ..execution.legs import LegDispatch
from ..execution.members import read_rows
from ..execution.reconcile import merge_order_reports
from ..execution.scope import ReportScope
from ..model.reports import FillReport, OrderStatusReport
from ..net.clock import NS_PER_MS, Clock
from .account_feed import AccountFeed, oldest_first
from .reports import Reporter, shown
from .rest import HyperliquidRest
from .rows import FillRow, OrderRow, fill_row, order_row, reported_order

__all__ = ["Queries"]

log = logging.getLogger("connectors.hyperliquid")

RECENT_MS = 600_000


class Queries:
    """Questions about one account.

    Parameters
    ----------
    rest, reporter, dispatch, feed, clock :
        What is read about an order of ours goes through the dispatch as well: an answer may be
        ahead of the streams, and what it says must not be lost to the events.
    user : str
        Address of the account.
    dexes : tuple of str
        Names of the dexes that are asked, "" for the first.
    """

    def __init__(
        self,
        rest: HyperliquidRest,
        *,
        user: str,
        dexes: tuple[str, ...],
        reporter: Reporter,
        dispatch: LegDispatch,
        feed: AccountFeed,
        clock: Clock,
    ) -> None:
        self._rest = rest
        self._user = user
        self._dexes = dexes
        self._reporter = reporter
        self._dispatch = dispatch
        self._feed = feed
        self._clock = clock

    def venue_ms(self, ts_ns: int) -> int:
        """Return the earliest time the venue's clock may have shown at a time of ours."""
        return self._reporter.venue_ms(ts_ns)

    # -- lists -------------------------------------------------------------------------

    async def open_orders(self) -> list[DispatchRow]:
        """Return all live orders, oldest first; those that wait for their parent included."""
        rows: list[OrderRow] = []
        for dex in self._dexes:
            raw = await self._rest.frontend_open_orders(self._user, dex)
            rows += read_rows(order_row, _with_children(raw), log)
        rows.sort(key=lambda row: (row.timestamp_ms, len(row.order_id), row.order_id))
        return self._orders(rows)

    async def fills_since(self, start_ms: int) -> list[FillRow]:
        """Return all fills since a time of the venue's clock, oldest first."""
        return await self._collect(self._rest.fills_since(self._user, start_ms=start_ms))

    async def _collect(self, pages: AsyncIterator[list[dict[str, Any]]]) -> list[FillRow]:
        rows: list[FillRow] = []
        async for page in pages:
            rows += read_rows(fill_row, page, log)
        return rows

    async def account(self) -> None:
        """Read positions and balances of all dexes; the feed takes them."""
        self._feed.spot(await self._rest.spot_clearinghouse_state(self._user))
        for dex in self._dexes:
            self._feed.margin(dex, await self._rest.clearinghouse_state(self._user, dex))

    # -- one order ---------------------------------------------------------------------

    async def find_order(
        self,
        *,
        cloid: str | None,
        venue_order_id: str | None,
        on_stranger: Callable[[OrderStatusReport], object] | None = None,
    ) -> list[DispatchRow]:
        """Look an order up by its ids; none found proves nothing, DecodeError if it says nothing.

        Under its cloid stands what was placed last, which may be a replacement that was refused:
        then the leg we know is in a row of its own behind it. `on_stranger` is told of an order
        under the cloid that cannot be the one that was asked for; it is left out.
        """
        rows: list[DispatchRow] = []
        if cloid is not None:
            for row in await self._look_up(cloid):
                if row.client_key is not None:
                    rows.append(row)
                elif on_stranger is not None:
                    on_stranger(row.report)
        is_there = any(row.report.venue_order_id == venue_order_id for row in rows)
        if not is_there and venue_order_id is not None and venue_order_id.isdecimal():
            rows += await self._look_up(int(venue_order_id))
        return rows

    async def _look_up(self, oid: int | str) -> list[DispatchRow]:
        raw = await self._rest.order_status(self._user, oid)
        if raw is None:
            return []
        rows = self._orders([reported_order(raw)])
        if not rows:  # it is there: no answer may look as if it were not
            raise DecodeError(f"order {oid} has a status that is not known", 0)
        return rows

    async def fills_of(self, order: TrackedOrder, *, recent: bool = False) -> list[FillReport]:
        """Return the fills of an order, of all of its legs; or (`recent`) of the last minutes."""
        now_ms = self._clock.wall_ns() // NS_PER_MS
        if recent:
            rows = await self.fills_since(now_ms - RECENT_MS)
        elif order.ts_submitted:
            rows = await self.fills_since(self._reporter.venue_ms(order.ts_submitted))
        else:
            rows = read_rows(fill_row, await self._rest.user_fills(self._user), log)
        found = map(self._reporter.fill, oldest_first(rows))
        return [own.report for own in found if own.order is order]

    # -- reports -----------------------------------------------------------------------

    async def order_reports(self, scope: ReportScope) -> list[OrderStatusReport]:
        """Return the state of orders: the live ones, and the newest 2 000 that ended."""
        active = await self.open_orders()
        ended: list[DispatchRow] = []
        if not scope.open_only:
            raw = await self._rest.historical_orders(self._user)
            rows = [row for row in read_rows(reported_order, raw, log) if _is_end(row)]
            ended = self._orders(reversed(rows))
        for row in (*active, *ended):
            if self._of(row) is not None:
                self._dispatch.answer(row)
        reports = merge_order_reports(self._shown(active), self._shown(ended))
        return [report for report in reports if scope.has_order(report)]

    async def fill_reports(self, scope: ReportScope) -> list[FillReport]:
        """Return trades that were not handed out yet, oldest first.

        They count as handed out now: the stream will not repeat them. A new trade of an order of
        ours becomes its `OrderFilled` instead.
        """
        if scope.start_ns is None:
            rows = read_rows(fill_row, await self._rest.user_fills(self._user), log)
        else:
            end_ms = None if scope.end_ns is None else scope.end_ns // NS_PER_MS
            pages = self._rest.fills_since(
                self._user, start_ms=scope.start_ns // NS_PER_MS, end_ms=end_ms
            )
            rows = await self._collect(pages)
        fresh: list[FillReport] = []
        for row in oldest_first(rows):
            own = self._reporter.fill(row)
            report = own.report
            if not scope.has_fill(report) or self._dispatch.knows_fill(report):
                continue
            if own.order is not None:
                self._dispatch.fill(report, client_key=own.client_key)
            else:
                self._dispatch.remember_fill(report)
                fresh.append(report)
        return fresh

    # -- inside ------------------------------------------------------------------------

    def _orders(self, rows: Iterable[OrderRow]) -> list[DispatchRow]:
        return [found for row in rows if (found := self._feed.read_order(row)) is not None]

    def _of(self, row: DispatchRow) -> TrackedOrder | None:
        key = row.client_key
        cloid = key if isinstance(key, str) else None
        return self._reporter.find(cloid, row.report.venue_order_id)

    def _shown(self, rows: Iterable[DispatchRow]) -> list[OrderStatusReport]:
        """Return the reports, without the legs of our orders that were replaced."""
        found = []
        for row in rows:
            order = self._of(row)
            if order is None or row.report.venue_order_id not in order.former_venue_order_ids:
                found.append(shown(row.report))
        return found


def _with_children(raw: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return orders with those that wait inside them behind them."""
    found: list[dict[str, Any]] = []
    for row in raw:
        found.append(row)
        children = row.get("children")
        if isinstance(children, list):
            found += [child for child in children if isinstance(child, dict)]
    return found


def _is_end(row: OrderRow) -> bool:
    return row.status not in ("open", "accepted", "triggered")
