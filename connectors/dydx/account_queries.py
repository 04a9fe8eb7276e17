"""What the venue says stands, asked over REST: reports of orders and trades."""

from __future__ import annotations

from typing import Any

from ..execution.scope import ReportScope
from ..model.reports import FillReport, OrderStatusReport
from .account import AccountFeed
from .channels import ticker_from_instrument_id
from .members import Members
from .reconcile import LIVE_KINDS
from .rest import IndexerRest
from .rows import FillRow

__all__ = ["Queries"]

ORDERS_MAX = 1_000


class Queries:
    """Questions about one account. What is read counts for the streams' orders as well."""

    def __init__(
        self, rest: IndexerRest, *, members: Members, feed: AccountFeed, height: int
    ) -> None:
        self._rest = rest
        self._height = height
        self._members = members
        self._feed = feed

    async def order_reports(self, scope: ReportScope) -> list[OrderStatusReport]:
        """Return the state of orders: the live ones, and the thousand that ended with latest ends.

        Where an answer lags behind the stream, what the stream has said stands.
        """
        members = self._members
        whose: dict[str, Any] = {"is_parent": members.is_parent, "ticker": _ticker(scope)}
        rows: list[Any] = []
        async for page in self._rest.stateful_order_pages(
            members.address, members.number, **whose, status=LIVE_KINDS
        ):
            rows += page
        async for page in self._rest.short_term_order_pages(
            members.address, members.number, **whose, after_block=self._height - 1
        ):
            rows += page
        if not scope.open_only:
            rows += await self._rest.orders(
                members.address, members.number, **whose, latest_first=True, limit=ORDERS_MAX
            )
        reports = {each.venue_order_id: each for each in self._feed.order_reports(rows)}
        return [report for report in reports.values() if scope.has_order(report)]

    async def fill_reports(self, scope: ReportScope) -> list[FillReport]:
        """Return trades that were not handed out yet, oldest first; they count as handed out now.

        Without `start_ns` the newest hundred are searched.
        """
        members = self._members
        rows: list[FillRow] = []
        pages = self._rest.fill_pages(
            members.address,
            members.number,
            is_parent=members.is_parent,
            ticker=_ticker(scope),
        )
        async for page in pages:
            read = self._feed.read_fills(page)
            rows += read
            start_ns = scope.start_ns
            if start_ns is None or any(row.created_ns < start_ns for row in read):
                break
        return self._feed.fill_reports(rows, scope.has_fill)


def _ticker(scope: ReportScope) -> str | None:
    name = scope.instrument_id
    return None if name is None else ticker_from_instrument_id(name)
