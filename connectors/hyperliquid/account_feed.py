"""What the account's streams say, handed to where it belongs; sans-I/O.

* Order rows go to the dispatch in the order of the frame. The venue numbers nothing: that a row is
  old is seen by its leg (`connectors.execution.legs`).
* Fills come on two streams and, after a gap, in a snapshot of the last ones; the dispatch takes
  each once. The first snapshot is history: what is not an order's of ours is only remembered.
* `nonUserCancel` tells that the venue ended an order. The row that says how comes by itself as a
  rule; if it does not, the order is looked up.
* Each fill says what the position was before it. If that is not what the one before it left,
  fills were missed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Protocol

import orjson

from .._speedups.hyperliquid import UserFills, UserFrame
from ..errors import DecodeError
from ..execution.dispatch import OrderRow as DispatchRow
from ..execution.identity import TrackedOrder
from ..execution.legs import LegDispatch
from ..model.accounts import AccountState
from ..model.reports import PositionStatusReport
from ..net.clock import Clock
from .account import Balances, Positions, unwrapped
from .reports import OwnFill, Reporter
from .rows import FillLike, OrderLike

__all__ = ["AccountFeed", "FeedOwner"]

log = logging.getLogger("connectors.hyperliquid")


class FeedOwner(Protocol):
    """Whom the feed tells what is not the dispatch's."""

    def deliver(self, report: PositionStatusReport | AccountState) -> None:
        """A report for the caller."""

    def order_seen(self, order: TrackedOrder) -> None:
        """A row or fill of an order of ours went through the dispatch."""

    def order_ended_by_venue(self, order: TrackedOrder) -> None:
        """The venue ended an order of ours, and did not say how yet."""

    def fills_missing(self, since_ms: int) -> None:
        """Fills since then (venue's time) did not come."""

    def venue_event(self, name: str, payload: bytes) -> None:
        """Something without a place in the vocabulary."""

    def on_problem(self, message: str, code: int | None, error: Exception | None) -> None:
        """A row or frame that could not be used."""


class AccountFeed:
    """The frames of one account.

    Attributes
    ----------
    bad_rows, unknown_words, gaps :
        Counters: rows that could not be read, rows with a status we do not know, fills that did
        not continue where the one before them ended.
    """

    def __init__(
        self,
        owner: FeedOwner,
        *,
        dispatch: LegDispatch,
        reporter: Reporter,
        positions: Positions,
        balances: Balances,
        clock: Clock,
        emit_history: bool = False,
    ) -> None:
        self._owner = owner
        self._dispatch = dispatch
        self._reporter = reporter
        self._positions = positions
        self._balances = balances
        self._clock = clock
        self._emit_history = emit_history
        self._knows_history = False
        assert dispatch.direct is not None
        self._continuity = reporter.direct(dispatch.direct, self._gap)
        self._direct: UserFills | None = self._continuity
        self._newest_ms = 0
        self.bad_rows = 0
        self.unknown_words = 0
        self.gaps = 0

    @property
    def newest_fill_ms(self) -> int:
        """Time of the newest fill seen, venue's clock; 0 before the first."""
        return max(self._newest_ms, self._continuity.newest_ms)

    # -- orders ------------------------------------------------------------------------

    def orders(self, rows: Iterable[OrderLike]) -> None:
        """Take rows of orders, in the order of their frame."""
        for row in rows:
            found = self.read_order(row)
            if found is not None:
                self._dispatch.status(found)
                self._seen(found)

    def read_order(self, row: OrderLike) -> DispatchRow | None:
        """Return the report of a row; one with an unknown status is told and left out."""
        found = self._reporter.order(row)
        if found is None:
            self.unknown_words += 1
            text = f"order {row.order_id}: unknown status {row.status}"
            self._owner.on_problem(text, None, None)
        return found

    def _seen(self, row: DispatchRow) -> None:
        order = self._reporter.find(_text(row.client_key), row.report.venue_order_id)
        if order is not None:
            self._owner.order_seen(order)

    # -- fills -------------------------------------------------------------------------

    def fills(self, frame: UserFrame) -> None:
        """Take fills of a stream; those handed out before make nothing."""
        rows: Any = frame.rows
        if frame.is_snapshot:
            self.past_fills(rows, is_history=not self._knows_history)
            self._knows_history = True
            return
        if self._direct is not None:
            rows = self._direct.take(frame)
        for row in rows:
            if self._take_fill(row):
                self._continuity.follow(row)

    def past_fills(self, rows: Iterable[FillLike], *, is_history: bool = False) -> None:
        """Take fills of the past, in any order.

        With `is_history` those that are not of an order of ours are only remembered, unless they
        are wanted; so are those that an adopted order came with.
        """
        told: dict[str, Decimal] = {}
        for row in oldest_first(rows):
            if is_history:
                own = self._reporter.fill(row)
                is_old = not self._emit_history if own.order is None else _was_told(own, told)
                if is_old:
                    self._dispatch.remember_fill(own.report)
                    self._note_time(row)
                    continue
            self._take_fill(row)

    def _take_fill(self, row: FillLike) -> bool:
        """Take one fill; False if it was handed out before."""
        own = self._reporter.fill(row)
        seen = self._dispatch.fills
        before = seen.duplicates
        self._dispatch.fill(own.report, client_key=own.client_key)
        self._note_time(row)
        if own.order is not None:
            self._owner.order_seen(own.order)
        return seen.duplicates == before

    def _note_time(self, row: FillLike) -> None:
        if row.time_ms > self._newest_ms:
            self._newest_ms = row.time_ms

    def _gap(self, since_ms: int) -> None:
        """A fill does not continue where the one before it ended (8.2)."""
        self.gaps += 1
        self._owner.fills_missing(since_ms)

    def forget_positions(self) -> None:
        """The connection was away: what comes next need not continue what came last."""
        self._continuity.forget()

    # -- everything else ---------------------------------------------------------------

    def data(self, channel: str, data: Any) -> None:
        """Take a frame of another channel; DecodeError if it cannot be used."""
        if channel == "clearinghouseState":
            dex = data.get("dex") if isinstance(data, Mapping) else None
            self.margin(dex or "", unwrapped(data, "clearinghouseState"))
        elif channel == "spotState":
            self.spot(unwrapped(data, "spotState"))
        elif channel == "user" and isinstance(data, Mapping):
            self._user_event(data)
        else:
            self._owner.venue_event(channel, orjson.dumps(data))

    def margin(self, dex: str, state: Mapping[str, Any]) -> None:
        """Take positions and margin of a dex."""
        now_ns = self._clock.wall_ns()
        for report in self._positions.apply(dex, state, self._reporter.instrument_id, now_ns):
            self._owner.deliver(report)
        self._tell(self._balances.apply_margin(dex, state, now_ns))

    def spot(self, state: Mapping[str, Any]) -> None:
        """Take the tokens."""
        self._tell(self._balances.apply_spot(state, self._clock.wall_ns()))

    def _tell(self, state: AccountState | None) -> None:
        if state is not None:
            self._owner.deliver(state)

    def _user_event(self, data: Mapping[str, Any]) -> None:
        for name, value in data.items():
            if name == "nonUserCancel" and isinstance(value, list):
                self._non_user_cancel(value)
            elif name != "fills":
                self._owner.venue_event(name, orjson.dumps(value))

    def _non_user_cancel(self, rows: list[Any]) -> None:
        for row in rows:
            oid = row.get("oid") if isinstance(row, Mapping) else None
            if isinstance(oid, bool) or not isinstance(oid, int):
                self.bad(DecodeError("nonUserCancel without an oid", 0))
                continue
            order = self._reporter.find(None, str(oid))
            if order is not None and not order.is_final and order.venue_order_id == str(oid):
                self._owner.order_ended_by_venue(order)

    def bad(self, error: Exception) -> None:
        """Note a row that could not be read."""
        self.bad_rows += 1
        self._owner.on_problem(f"row not used: {error}", None, error)


def oldest_first(rows: Iterable[FillLike]) -> list[FillLike]:
    """Return fills in the order they happened; the venue lists them newest first or oldest first.

    Those of one millisecond stay in the order of the list: their ids are hashes.
    """
    listed = list(rows)
    if len(listed) > 1 and listed[0].time_ms > listed[-1].time_ms:
        listed.reverse()
    return sorted(listed, key=_time)


def _was_told(own: OwnFill, told: dict[str, Decimal]) -> bool:
    """Whether a fill is among those an adopted order came with, which are the oldest of it.

    `told` is what is left of them, by order.
    """
    order, size = own.order, own.report.last_size
    if order is None or order.ts_submitted:
        return False
    left = told.setdefault(order.client_order_id, order.filled_size)
    if left < size:
        return False
    told[order.client_order_id] = left - size
    return True


def _time(row: FillLike) -> int:
    return row.time_ms


def _text(key: object) -> str | None:
    return key if isinstance(key, str) else None
