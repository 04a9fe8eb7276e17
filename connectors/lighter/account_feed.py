"""What the private streams say, handed to where it belongs.

====================  ===========================  =============================================
stream                first frame                  later frames
====================  ===========================  =============================================
account_all_orders    all live orders: those we    changed orders
                      believe open and are not in
                      it are looked up
account_all_trades    history: makes no fills      fills
account_all_positions full set                     full set
account_all_assets    full set                     full set
user_stats            full set                     full set
account_tx            outcomes of transactions     outcomes of transactions
====================  ===========================  =============================================

A row that cannot be used is told and costs only itself. Rows of a market we do not know wait for
one refresh of the definitions.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from .._speedups.lighter import AccountFrame
from ..errors import DecodeError
from ..execution.dispatch import OrderDispatch
from ..execution.dispatch import OrderRow as DispatchRow
from ..execution.markets import Markets
from ..execution.members import whole
from ..execution.reconcile import Reconciler, oldest_first
from ..model.accounts import AccountState
from ..model.reports import PositionStatusReport
from ..net.clock import Clock
from .account import Balances, Positions
from .reports import OwnFill, Reporter, UnknownMarket
from .rows import OrderLike, TradeLike, grouped_rows
from .wire import Frame

__all__ = ["AccountFeed", "FeedOwner", "TxOutcome"]

log = logging.getLogger("connectors.lighter")

MAX_ORPHANS = 1_000
GAP_MARGIN_NS = 60_000_000_000  # venue's and our clock differ, and trades are published late
TX_FAILED, TX_PENDING = 0, 1


@dataclass(frozen=True, slots=True)
class TxOutcome:
    """What the sequencer made of a transaction.

    `code` and `message` are set if it was refused; `nonce` is None where the row has none, and
    used up unless `is_pending`.
    """

    tx_hash: str
    is_failed: bool
    is_pending: bool
    api_key_index: int | None
    nonce: int | None
    code: int | str | None = None
    message: str = ""


class FeedOwner(Protocol):
    """Whom the feed tells what is not the dispatch's."""

    def deliver(self, report: PositionStatusReport | AccountState) -> None:
        """A report for the caller."""

    def order_seen(self, row: DispatchRow) -> None:
        """A row of an order went through the dispatch."""

    def tx_outcome(self, outcome: TxOutcome) -> None:
        """A row of the transaction log."""

    def unknown_market(self, market_index: int) -> None:
        """A row waits for the definition of this market."""

    def on_problem(self, message: str, code: int | None, error: Exception | None) -> None:
        """A row or frame that could not be used."""


class AccountFeed:
    """The frames of one account.

    Attributes
    ----------
    gap_ns : int or None
        Since when trades may have been missed; None: since never.
    bad_rows, unknown_words :
        Counters: rows that could not be read, rows with a status we do not know.
    """

    def __init__(
        self,
        owner: FeedOwner,
        *,
        dispatch: OrderDispatch,
        reconciler: Reconciler,
        reporter: Reporter,
        markets: Markets[int],
        positions: Positions,
        balances: Balances,
        clock: Clock,
    ) -> None:
        self._owner = owner
        self._dispatch = dispatch
        self._reconciler = reconciler
        self._reporter = reporter
        self._markets = markets
        self._positions = positions
        self._balances = balances
        self._clock = clock
        self._orphans: deque[OrderLike | TradeLike] = deque(maxlen=MAX_ORPHANS)
        direct = dispatch.direct
        self._direct = None if direct is None else reporter.direct(direct)
        self._newest_trade_ns = 0
        self.gap_ns: int | None = None
        self._since_ns = 0
        self.bad_rows = 0
        self.unknown_words = 0

    @property
    def newest_trade_ns(self) -> int:
        """Time of the newest trade seen, venue's clock; 0 before the first."""
        direct = 0 if self._direct is None else self._direct.newest_ns
        return max(self._newest_trade_ns, direct)

    def begin(self) -> None:
        """A `connect` begins: for the first there is nothing that could have been missed."""
        if self._since_ns:
            self.note_gap()
        else:
            self._since_ns = self._clock.wall_ns()

    def note_gap(self) -> None:
        """Trades may be missed from now on, until `gap_ns` is taken back.

        Noted when it begins: the next connection may show new trades before the old are read.
        """
        if self.gap_ns is None:
            newest_ns = self.newest_trade_ns
            self.gap_ns = max(newest_ns - GAP_MARGIN_NS, 0) if newest_ns else self._since_ns

    def take_rows(self, stream: str, frame: AccountFrame) -> None:
        """Take the rows of a busy stream; those that do not decode are told by the decoder."""
        if frame.problem_count:
            self.bad_rows += frame.problem_count
        rows: Any
        if stream == "account_all_trades":
            if not frame.is_snapshot:  # a snapshot is history
                rows = frame.rows if self._direct is None else self._direct.take(frame)
                if rows:
                    self.trades(rows)
        elif stream == "account_all_orders":
            rows = frame.rows
            self.orders(rows, is_snapshot=frame.is_snapshot)
        elif stream == "account_all_positions":
            self._take_positions(frame)

    def take(self, frame: Frame) -> None:
        """Take a frame of another stream.

        Raises
        ------
        DecodeError
            Nothing of the frame could be used.
        """
        if frame.stream == "account_all_assets":
            self._assets_frame(frame)
        elif frame.stream == "user_stats":
            self._stats_frame(frame)
        elif frame.stream == "account_tx":
            self._tx_frame(frame)

    # -- orders ------------------------------------------------------------------------

    def orders(self, rows: Iterable[OrderLike], *, is_snapshot: bool = False) -> None:
        """Take rows of orders, in the order they happened."""
        taken = [row for row in map(self._order, rows) if row is not None]
        if is_snapshot:
            self._reconciler.open_orders(taken, now_ns=self._clock.monotonic_ns())
        else:
            for row in taken:
                self._dispatch.status(row)
        for row in taken:
            self._owner.order_seen(row)

    def _order(self, row: OrderLike) -> DispatchRow | None:
        try:
            found = self._reporter.order(row)
        except UnknownMarket as error:
            self._hold(row, error)
            return None
        if found is None:
            self.unknown_words += 1
            self._owner.on_problem(f"order {row.order_id}: unknown status {row.status}", None, None)
        return found

    # -- trades ------------------------------------------------------------------------

    def trades(self, rows: Iterable[TradeLike]) -> None:
        """Take trades in any order; those handed out before make nothing."""
        own = [fill for row in rows for fill in self._fills(row)]
        if len(own) > 1:
            place = {id(fill.report): fill for fill in own}
            own = [place[id(report)] for report in oldest_first(fill.report for fill in own)]
        for fill in own:
            self._dispatch.fill(fill.report, client_key=fill.client_key)
            if fill.report.ts_event > self._newest_trade_ns:
                self._newest_trade_ns = fill.report.ts_event

    def _fills(self, row: TradeLike) -> list[OwnFill]:
        try:
            return self._reporter.fills(row)
        except UnknownMarket as error:
            self._hold(row, error)
            return []

    # -- positions, balances, transactions ---------------------------------------------

    def _take_positions(self, frame: AccountFrame) -> None:
        changes = self._positions.apply(frame, self._markets.by_key, self._clock.wall_ns())
        for index in changes.unknown_markets:
            self._owner.unknown_market(index)
        for report in changes.reports:
            self._owner.deliver(report)

    def _assets_frame(self, frame: Frame) -> None:
        state = self._balances.apply_assets(frame.body.get("assets"), self._clock.wall_ns())
        if state is not None:
            self._owner.deliver(state)

    def _stats_frame(self, frame: Frame) -> None:
        state = self._balances.apply_stats(frame.body.get("stats"), self._clock.wall_ns())
        if state is not None:
            self._owner.deliver(state)

    def _tx_frame(self, frame: Frame) -> None:
        for row in grouped_rows(frame.body.get("txs")):
            outcome = tx_outcome(row)
            if outcome is not None:
                self._owner.tx_outcome(outcome)

    # -- rows that have to wait --------------------------------------------------------

    def _hold(self, row: OrderLike | TradeLike, error: UnknownMarket) -> None:
        if len(self._orphans) == MAX_ORPHANS:
            self._bad(UnknownMarket(self._orphans[0].market_index))
        self._orphans.append(row)
        self._owner.unknown_market(error.market_index)

    def replay(self) -> None:
        """Take the rows that waited for definitions; what is still unknown is told and dropped."""
        waiting, self._orphans = self._orphans, deque(maxlen=MAX_ORPHANS)
        known = [row for row in waiting if self._markets.by_key(row.market_index) is not None]
        for row in waiting:
            if self._markets.by_key(row.market_index) is None:
                self._bad(UnknownMarket(row.market_index))
        self.orders(row for row in known if isinstance(row, OrderLike))
        self.trades(row for row in known if isinstance(row, TradeLike))

    # -- inside ------------------------------------------------------------------------

    def _bad(self, error: DecodeError) -> None:
        self.bad_rows += 1
        self._owner.on_problem(f"row not used: {error}", None, error)


def tx_outcome(row: Any) -> TxOutcome | None:
    """Read a row of the transaction log, or the answer of the `tx` endpoint."""
    tx_hash = row.get("hash")
    status = row.get("status")
    if not isinstance(tx_hash, str) or not isinstance(status, int):
        return None
    info = _json(row.get("info"))
    error = _json(_json(row.get("event_info")).get("ae"))
    code = error.get("code")
    message = str(error.get("message") or "")
    is_failed = status == TX_FAILED or bool(error)
    return TxOutcome(
        tx_hash=tx_hash,
        is_failed=is_failed,
        is_pending=status == TX_PENDING and not is_failed,
        api_key_index=_number(info, "ApiKeyIndex"),
        nonce=_number(info, "Nonce"),
        code=code if isinstance(code, int | str) else None,
        message=message or ("refused by the sequencer" if is_failed else ""),
    )


def _json(text: object) -> dict[str, Any]:
    if isinstance(text, dict):
        return text
    if not isinstance(text, str) or not text:
        return {}
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {"message": text}
    return found if isinstance(found, dict) else {}


def _number(info: dict[str, Any], name: str) -> int | None:
    try:
        return whole(info, name)
    except DecodeError:
        return None
