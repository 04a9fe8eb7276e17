"""What the venue says stands, asked over REST: reports of orders and trades."""

from __future__ import annotations

from typing import Any

from ..execution.members import within
from ..model.ids import InstrumentId
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

    async def order_reports(
        self,
        instrument_id: InstrumentId | None = None,
        *,
        open_only: bool = False,
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> list[OrderStatusReport]:
        """Return the state of orders: the live ones, and the thousand that ended with latest ends.

        Where an answer lags behind the stream, what the stream has said stands.
        """
        members = self._members
        ticker = None if instrument_id is None else ticker_from_instrument_id(instrument_id)
        whose = {"is_parent": members.is_parent, "ticker": ticker}
        rows: list[Any] = []
        async for page in self._rest.stateful_order_pages(
            members.address, members.number, **whose, status=LIVE_KINDS
        ):
            rows += page
        async for page in self._rest.short_term_order_pages(
            members.address, members.number, **whose, after_block=self._height - 1
        ):
            rows += page
        if not open_only:
            rows += await self._rest.orders(
                members.address, members.number, **whose, latest_first=True, limit=ORDERS_MAX
            )
        reports = {each.venue_order_id: each for each in self._feed.order_reports(rows)}
        return [
            report
            for report in reports.values()
            if (instrument_id is None or report.instrument_id == instrument_id)
            and (
                report.status.is_open
                or (not open_only and within(report.ts_last, start_ns, end_ns))
            )
        ]

    async def fill_reports(
        self,
        instrument_id: InstrumentId | None = None,
        *,
        venue_order_id: str | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> list[FillReport]:
        """Return trades that were not handed out yet, oldest first; they count as handed out now.

        Without `start_ns` the newest hundred are searched.
        """
        members = self._members
        rows: list[FillRow] = []
        pages = self._rest.fill_pages(
            members.address,
            members.number,
            is_parent=members.is_parent,
            ticker=None if instrument_id is None else ticker_from_instrument_id(instrument_id),
        )
        async for page in pages:
            read = self._feed.read_fills(page)
            rows += read
            if start_ns is None or any(row.created_ns < start_ns for row in read):
                break
        return self._feed.fill_reports(
            rows,
            lambda report: (
                (instrument_id is None or report.instrument_id == instrument_id)
                and (venue_order_id is None or report.venue_order_id == venue_order_id)
                and within(report.ts_event, start_ns, end_ns)
            ),
        )
