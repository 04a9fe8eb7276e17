"""What the venue says stands, asked over REST: reports, and look-ups of single orders.

Source: section 13 of the rules. Rows that cannot be read are told in the log and left out: they
never blank the rest of a report.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Hashable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from ..errors import RateLimited, VenueError
from ..execution.dispatch import OrderDispatch
from ..execution.dispatch import OrderRow as DispatchRow
from ..execution.identity import TrackedOrder
from ..execution.markets import Markets
from ..execution.members import read_rows
from ..execution.reconcile import merge_order_reports, oldest_first
from ..execution.scope import ReportScope
from ..model.ids import InstrumentId
from ..model.reports import FillReport, OrderStatusReport
from ..net.clock import NS_PER_S, Clock
from .account_feed import TxOutcome, tx_outcome
from .instruments import market_index
from .orders import INDEX_EPOCH_MS, INDEXES_PER_MS
from .reports import OwnFill, Reporter, UnknownMarket
from .rest import LighterRest
from .rows import OrderRow, TradeRow, order_row, trade_row

__all__ = ["Queries"]

log = logging.getLogger("connectors.lighter")

SEARCH_PAGES = 5  # of ended orders, when one is looked for
DAY_NS = 86_400 * NS_PER_S
REUSE_MARGIN_NS = 60 * NS_PER_S  # how far the venue's clock and ours may be apart


class Queries:
    """Questions about one account.

    Parameters
    ----------
    rest, reporter, markets, dispatch, clock :
        What is read about an order of ours goes through the dispatch as well: an answer may be
        ahead of the streams, and what it says must not be lost to the events.
    """

    def __init__(
        self,
        rest: LighterRest,
        *,
        reporter: Reporter,
        markets: Markets[int],
        dispatch: OrderDispatch,
        clock: Clock,
    ) -> None:
        self._rest = rest
        self._reporter = reporter
        self._markets = markets
        self._dispatch = dispatch
        self._clock = clock

    # -- reports -----------------------------------------------------------------------

    async def order_reports(self, scope: ReportScope) -> list[OrderStatusReport]:
        """Return the state of orders: the live ones, and those that ended.

        Without a market the account was seen in, the ended orders of all markets are read first
        to learn them; then each market is asked for both.
        """
        span = self._span(scope.start_ns, scope.end_ns)
        inactive: list[DispatchRow] = []
        markets = self._markets_of(scope.instrument_id)
        if not markets and scope.instrument_id is None:
            inactive += await self._ended(None, span)
            markets = self._markets_of(None)
        active: list[DispatchRow] = []
        for market in markets:
            active += self._orders(await self._rest.active_orders(market))
            if not scope.open_only:
                inactive += await self._ended(market, span)
        for row in (*inactive, *active):
            self._tell_tracked(row)
        reports = merge_order_reports(
            (row.report for row in active), (row.report for row in inactive)
        )
        return [report for report in reports if scope.has_order(report)]

    async def fill_reports(self, scope: ReportScope) -> list[FillReport]:
        """Return trades that were not handed out yet, oldest first.

        They count as handed out now: the stream will not repeat them. A new trade of an order of
        ours becomes its `OrderFilled` instead.
        """
        market = self._market_of(scope.instrument_id)
        found: list[OwnFill] = []
        async for rows in self._rest.trades(market, order_index=scope.venue_order_id):
            own = self._own_fills(rows)
            found += [fill for fill in own if scope.has_fill(fill.report)]
            if scope.start_ns is not None and own and _all_older(own, scope.start_ns):
                break
        keys = {fill.report.trade_id: fill.client_key for fill in found}
        fresh: list[FillReport] = []
        for report in oldest_first(fill.report for fill in found):
            key = keys[report.trade_id]
            if self._is_tracked(key, report.venue_order_id):
                self._dispatch.fill(report, client_key=key)
            else:
                fresh += self._dispatch.fills.take_new([report])
        return fresh

    async def fills_since(self, start_ns: int) -> list[TradeRow]:
        """Return the rows of the trades since a time of the venue's clock."""
        found: list[TradeRow] = []
        async for raw in self._rest.trades():
            rows = read_rows(trade_row, raw, log)
            found += [row for row in rows if row.ts_event >= start_ns]
            if any(row.ts_event < start_ns for row in rows):
                break
        return found

    async def trades_of(self, order: TrackedOrder) -> list[FillReport]:
        """Return all trades of an order that the venue knows."""
        if order.venue_order_id is None:
            return []
        market = self._market_of(order.instrument_id)
        found: list[FillReport] = []
        async for rows in self._rest.trades(market, order_index=order.venue_order_id):
            found += [
                fill.report
                for fill in self._own_fills(rows)
                if fill.report.venue_order_id == order.venue_order_id
            ]
        return found

    # -- one order ---------------------------------------------------------------------

    async def find_order(
        self,
        *,
        client_index: int | None = None,
        venue_order_id: str | None = None,
        instrument_id: InstrumentId | None = None,
        since_ns: int | None = None,
    ) -> tuple[list[DispatchRow], bool]:
        """Look an order up by either id; it did not exist before `since_ns`.

        Returns
        -------
        tuple
            Its rows, at most one, and whether every place it could be in was searched.
        """

        def is_it(row: DispatchRow) -> bool:
            if venue_order_id is not None and row.report.venue_order_id == venue_order_id:
                return True
            return client_index is not None and row.client_key == client_index

        if client_index is not None:
            try:
                rows = self._orders(await self._rest.orders_by_client_index([client_index]))
            except VenueError as error:
                if isinstance(error, RateLimited):
                    raise
                log.debug("venue=LIGHTER accountOrders: %s", error)
            else:
                found = [row for row in rows if is_it(row)]
                if found or venue_order_id is None:
                    # It covers every live order, and the ended ones of a day.
                    return found[-1:], True
        return await self._search(is_it, self._market_of(instrument_id), since_ns)

    async def _search(
        self, is_it: Callable[[DispatchRow], bool], market: int | None, since_ns: int | None
    ) -> tuple[list[DispatchRow], bool]:
        for row in self._orders(await self._rest.active_orders(market)):
            if is_it(row):
                return [row], True
        pages = 0
        span = self._span(since_ns, None)
        if span is None:
            ended = self._rest.inactive_orders(market)
        else:
            ended = self._rest.inactive_orders(market, start_s=span[0], end_s=span[1] + 60)
        async for raw in ended:
            for row in self._orders(raw):
                if is_it(row):
                    return [row], True
            pages += 1
            if span is None and pages == SEARCH_PAGES:
                return [], False
        return [], True

    async def transaction(self, tx_hash: str) -> TxOutcome | None:
        """Return what became of a transaction; None if the venue does not know it."""
        body = await self._rest.transaction(tx_hash)
        return None if body is None else tx_outcome(body)

    # -- inside ------------------------------------------------------------------------

    def _is_tracked(self, client_key: Hashable, venue_order_id: str) -> bool:
        registry = self._dispatch.registry
        return (
            registry.find(client_key=client_key or None, venue_order_id=venue_order_id) is not None
        )

    def _tell_tracked(self, row: DispatchRow) -> None:
        if self._is_tracked(row.client_key, row.report.venue_order_id):
            self._dispatch.status(row)

    def _markets_of(self, instrument_id: InstrumentId | None) -> list[int]:
        market = self._market_of(instrument_id)
        return sorted(self._markets.active) if market is None else [market]

    def _market_of(self, instrument_id: InstrumentId | None) -> int | None:
        instrument = None if instrument_id is None else self._markets.get(instrument_id)
        return None if instrument is None else market_index(instrument)

    def _span(self, start_ns: int | None, end_ns: int | None) -> tuple[int, int] | None:
        if start_ns is None and end_ns is None:
            return None
        end = self._clock.wall_ns() if end_ns is None else end_ns
        return (start_ns or 0) // NS_PER_S, -(-end // NS_PER_S)

    async def _ended(self, market: int | None, span: tuple[int, int] | None) -> list[DispatchRow]:
        pages: AsyncIterator[list[dict[str, Any]]]
        if span is None:
            pages = self._rest.inactive_orders(market)
        else:
            pages = self._rest.inactive_orders(market, start_s=span[0], end_s=span[1])
        found: list[DispatchRow] = []
        async for raw in pages:
            found += self._orders(raw)
        return found

    def _orders(self, raw: Sequence[dict[str, Any]]) -> list[DispatchRow]:
        found = []
        for row in read_rows(order_row, raw, log):
            try:
                report = self._reporter.order(row)
            except UnknownMarket as error:
                log.warning("venue=LIGHTER order left out: %s", error)
                continue
            if report is None:
                report = self._neutral(row)
            shown = report.report
            if shown.status.is_final and self._is_namesake(
                report.client_key, shown.venue_order_id, shown.ts_last
            ):
                report.report = replace(shown, client_order_id=str(report.client_key))
                report.client_key = None
            found.append(report)
        return found

    def _is_namesake(self, client_key: Hashable | None, venue_order_id: str, ts: int) -> bool:
        """Tell whether an ended order, or a trade, has but the number of one of ours.

        A trader's program that counts from one again uses numbers a second time, and the venue's
        reads reach back to the first. Numbers that we make, from the clock, never repeat.
        """
        order = self._dispatch.registry.by_key(client_key)
        if order is None or order.venue_order_id == venue_order_id:
            return False
        if not isinstance(client_key, int) or _made_at_ns(client_key) > order.ts_submitted - DAY_NS:
            return False
        return 0 < ts < order.ts_submitted - REUSE_MARGIN_NS

    def _neutral(self, row: OrderRow) -> DispatchRow:
        """A status we do not know: the venue has the order, more cannot be said."""
        report = self._reporter.order(replace(row, status="in-progress"))
        assert report is not None
        report.report = replace(report.report, venue_status=row.status)
        return report

    def _own_fills(self, raw: Sequence[dict[str, Any]]) -> list[OwnFill]:
        found: list[OwnFill] = []
        for row in read_rows(trade_row, raw, log):
            try:
                found += map(self._disown, self._reporter.fills(row))
            except UnknownMarket as error:
                log.warning("venue=LIGHTER trade left out: %s", error)
        return found

    def _disown(self, fill: OwnFill) -> OwnFill:
        """Take our order's name off the trade of a namesake."""
        report = fill.report
        if not self._is_namesake(fill.client_key, report.venue_order_id, report.ts_event):
            return fill
        return OwnFill(replace(report, client_order_id=str(fill.client_key)), None)


def _made_at_ns(client_index: int) -> int:
    """Return when we made a number, if it was us."""
    return (client_index // INDEXES_PER_MS + INDEX_EPOCH_MS) * 1_000_000


def _all_older(own: Iterable[OwnFill], start_ns: int) -> bool:
    return all(fill.report.ts_event < start_ns for fill in own)
