"""What the indexer says of an account, put together and handed on; sans-I/O (5.6, 5.7).

===================  ===========================================================================
message              becomes
===================  ===========================================================================
snapshot             orders, positions and balances; what is not in it is flat, or in doubt
`orders`             `OrderStatusReport` of each order that changed (`orders.OrderStore`)
`fills`              `FillReport`, once; without an order of ours (a liquidation) with a warning
`perpetualPositions` `PositionStatusReport`; a closed one is flat
`assetPositions`     `AccountState`
`transfers`          `Transfer`, once
`tradingReward`      a `VenueEvent`, as anything we do not know
block height         `OrderStatusReport` of the orders it ends
===================  ===========================================================================

Trades of a message go out before the states of their orders, and positions after both. A row that
cannot be read is told and left out; the others of its message count.

What REST answers goes the same way with `is_asked`: its replicas lag behind the stream, so nothing
older than what the stream has said is taken from them (DX-W-20).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import orjson

from ..execution.members import Row
from ..model.accounts import AccountState, Transfer
from ..model.reports import FillReport, OrderStatusReport, PositionStatusReport
from ..net.clock import Clock
from .config import VENUE
from .heights import BlockHeights
from .holdings import Holdings
from .members import Members
from .order_state import OrderState
from .orders import OrderStore
from .rows import (
    FillRow,
    OrderRow,
    RowReader,
    TransferRow,
    fill_row,
    height_of,
    instrument_id_of,
    iso_ns,
    object_of,
    optional_height,
    order_row,
    transfer_row,
)
from .statuses import VenueStatus, liquidity_side

__all__ = ["AccountFeed", "AccountSink"]

FEE_CURRENCY = "USDC"
KNOWN = frozenset(
    {
        "orders",
        "fills",
        "perpetualPositions",
        "assetPositions",
        "transfers",
        "blockHeight",
        "subaccount",
    }
)
UNASKED = frozenset({"LIQUIDATED", "DELEVERAGED", "OFFSETTING"})  # trades without an order (7.4)


_ENDED = (VenueStatus.FILLED, VenueStatus.CANCELED)


class AccountSink(Protocol):
    """Whom the feed hands things to; each returns whether it was news."""

    def take_order(self, report: OrderStatusReport) -> bool: ...
    def take_fill(self, report: FillReport) -> bool: ...
    def take_position(self, report: PositionStatusReport) -> bool: ...
    def take_account(self, state: AccountState) -> bool: ...
    def take_transfer(self, transfer: Transfer) -> bool: ...
    def is_new_fill(self, trade_id: str) -> bool:
        """Whether a trade was not handed on yet."""

    def remember_fill(self, trade_id: str) -> None:
        """Note a trade that was handed on by other ways."""

    def venue_event(self, name: str, payload: bytes) -> None:
        """Something without a place in the vocabulary."""

    def on_problem(self, message: str, code: int | None, error: Exception | None) -> None:
        """A row or message that could not be used, or something the trader must know."""


class AccountFeed:
    """The messages of one account: a subaccount, or a parent with its children.

    Parameters
    ----------
    sink : AccountSink
    members : Members
        Which subaccounts these are.
    store, heights, clock :
        What it works with.

    Attributes
    ----------
    holdings : Holdings
        Positions and balances.
    history_height : int or None
        The block of the first snapshot: trades up to it are past, and not handed on.
    snapshot_height : int
        The block of the last snapshot.
    is_funded : bool or None
        False: the venue does not know the account (yet), which is no failure (DX-W-19). None:
        nobody has said.
    unknown_members : int
        Members of messages we do not know.
    """

    def __init__(
        self,
        sink: AccountSink,
        *,
        members: Members,
        store: OrderStore,
        heights: BlockHeights,
        clock: Clock,
    ) -> None:
        self._sink = sink
        self._members = members
        self._store = store
        self._heights = heights
        self._clock = clock
        self._reader = RowReader(sink)
        self.holdings = Holdings(sink, members, self._reader, clock=clock)
        self.history_height: int | None = None
        self.snapshot_height = 0
        self.is_funded: bool | None = None
        self.unknown_members = 0

    # -- the streams ---------------------------------------------------------------------

    def snapshot(self, contents: Any) -> None:
        """Take what a subscription begins with; DecodeError if it is none."""
        message = object_of(contents, "a snapshot")
        if not message:
            self.is_funded = False
            self._begin(0)
            return
        height = optional_height(message, "blockHeight")
        account = message.get("subaccount")
        rows = message.get("orders")
        if isinstance(account, Mapping):
            self.is_funded = True
            self.subaccount(account, height=height)
        if height is None:
            height = self._heights.height or 0
        is_first = self.history_height is None
        self._begin(height)
        shown = self._take_orders(message, height=height, is_first=is_first)
        if isinstance(rows, list):
            self._store.doubt(but=shown)
        for name in message.keys() - KNOWN:
            self._unknown(name, message[name])

    def _begin(self, height: int) -> None:
        if self.history_height is None:
            self.history_height = height
        self.snapshot_height = height

    def update(self, contents: Any, number: int | None = None) -> None:
        """Take a message of the stream; `number` is the child it names. DecodeError if it is none.

        A batch is a list of them.
        """
        if isinstance(contents, list):
            for each in contents:
                self._reader.readable(lambda each=each: self.update(each, number))  # type: ignore[misc]
            return
        message = object_of(contents, "a message")
        height = self._reader.readable(lambda: optional_height(message, "blockHeight")) or 0
        orders = self._reader.member(order_row, message, "orders")
        for row in orders:
            self._store.identify(row, height)  # trades name their order by our client id
        fills = self._reader.member(fill_row, message, "fills")
        touched = self._take_fills(fills, number)
        for row in orders:
            touched[row.order_id] = self._store.take(row, height=height)
            self._place(touched[row.order_id], row, number)
        self._tell(touched.values())
        self.holdings.update(message, number, height)
        transfer = message.get("transfers")
        if transfer is not None:
            rows = transfer if isinstance(transfer, list) else [transfer]
            self.transfers(self.read_transfers(rows))
        for name in message.keys() - KNOWN:
            self._unknown(name, message[name])

    def block_height(self, contents: Any) -> None:
        """Take a block: `height` in the snapshot, `blockHeight` in updates (DX-N-11)."""
        message = object_of(contents, "a block height")
        name = "blockHeight" if "blockHeight" in message else "height"
        height = height_of(message, name)
        time = message.get("time")
        block_ns = None if time is None else self._reader.readable(lambda: iso_ns(time, "time"))
        self._heights.observe(height, block_ns, self._clock.monotonic_ns())
        self._tell(self._store.advance(height, block_ns))

    # -- answers -------------------------------------------------------------------------

    def subaccount(self, account: Any, *, height: int | None = None) -> None:
        """Take positions and balances of an account, or of a parent's children.

        `height` is the block they are of where they do not say; by default the newest.
        """
        self.holdings.snapshot(account, self._heights.height or 0 if height is None else height)

    def orders(
        self, rows: Iterable[Any], *, is_settled: bool = False, since_height: int = 0
    ) -> None:
        """Take orders that were asked for.

        Parameters
        ----------
        is_settled : bool
            They are of replicas that know all of the past.
        since_height : int
            Orders nobody has told of that ended before this block are past.
        """
        rows = self._reader.read(order_row, rows)
        self._take_all(rows, is_settled=is_settled, since_height=since_height)

    def _take_all(self, rows: Iterable[OrderRow], *, is_settled: bool, since_height: int) -> None:
        for row in rows:
            if self._store.get(row.order_id) is None and self._is_past(row, since_height):
                continue
            self._tell((self._take_asked(row, is_settled=is_settled),))

    def missed(
        self,
        orders: Iterable[Any],
        trades: Iterable[FillRow],
        *,
        is_settled: bool,
        since_height: int,
    ) -> None:
        """Take trades and their orders, which were asked for together, as a message has them.

        Trades go out by the client ids of their orders, and before their states.
        """
        fresh = [row for row in trades if row.height >= since_height]
        traded = {row.order_id for row in fresh}
        rows = self._reader.read(order_row, orders)
        for row in rows:
            if row.order_id in traded:
                self._store.identify(row, row.updated_height or 0)
        self.fills(fresh, since_height=since_height)
        self._take_all(rows, is_settled=is_settled, since_height=since_height)

    def is_known(self, order_id: str) -> bool:
        """Whether an order can be reported."""
        state = self._store.get(order_id)
        return state is not None and state.is_known

    def _is_past(self, row: OrderRow, since_height: int) -> bool:
        """Whether an order was over before this client began to look.

        The venue keeps removals of short-term orders as they were: nobody ends them there.
        """
        if row.status in _ENDED:
            return (row.updated_height or 0) < since_height
        last = row.good_til_block
        return last is not None and last < (self.history_height or 0)

    def order_reports(self, rows: Iterable[Any]) -> list[OrderStatusReport]:
        """Return the reports of orders that were asked for.

        Those of the past, which the stream never told of, are nobody's news.
        """
        found: list[OrderStatusReport] = []
        now_ns = self._clock.wall_ns()
        for row in self._reader.read(order_row, rows):
            state = self._store.get(row.order_id)
            if state is None and (row.status in _ENDED or self._is_past(row, 0)):
                past = OrderStore()
                state = past.take(row, height=row.updated_height or 0)
                past.advance(self.history_height or 0)
            else:
                state = self._take_asked(row, is_settled=False)
                self._tell((state,))
            self._place(state, row, None)
            report = state.report(self._members.account_id(state.subaccount_number), now_ns)
            if report is not None:
                found.append(report)
        return found

    def _take_asked(self, row: OrderRow, *, is_settled: bool) -> OrderState:
        height = row.updated_height or 0
        known = self._store.get(row.order_id)
        is_first = known is None or known.height < 0
        state = self._store.take(row, height=height, is_asked=True)
        if is_first and height:  # a row without a block may be of any time
            self._note_before(state, row, height)
        if is_settled:
            state.is_doubtful = False
        self._place(state, row, None)
        return state

    def read_fills(self, rows: Iterable[Any]) -> list[FillRow]:
        """Read trades that were asked for."""
        return self._reader.read(fill_row, rows)

    def fills(self, rows: Iterable[FillRow], *, since_height: int) -> None:
        """Take trades that were asked for; those before `since_height` are past."""
        fresh = sorted((row for row in rows if row.height >= since_height), key=_age)
        self._tell(self._take_fills(fresh, None).values())

    def fill_reports(
        self, rows: Iterable[FillRow], wanted: Callable[[FillReport], bool]
    ) -> list[FillReport]:
        """Return the wanted trades that were not handed on yet, oldest first; now they were."""
        found: list[FillReport] = []
        for row in sorted(rows, key=_age):
            if not self._sink.is_new_fill(row.fill_id):
                continue
            state = self._store.get(row.order_id)
            report = self._fill_report(row, state, row.subaccount_number)
            if wanted(report):
                found.append(report)
                self._sink.remember_fill(row.fill_id)
                self._store.fill(row)
                if state is not None:
                    self._tell((state,))
        return found

    def read_transfers(self, rows: Iterable[Any]) -> list[TransferRow]:
        """Read transfers."""
        return self._reader.read(transfer_row, rows)

    def transfers(self, rows: Iterable[TransferRow], *, since_height: int = 0) -> None:
        """Take transfers, in any order; those before `since_height` are past."""
        now_ns = self._clock.wall_ns()
        for row in sorted((row for row in rows if row.height >= since_height), key=_age):
            sender, recipient = self._members.side(row.sender), self._members.side(row.recipient)
            is_in = recipient == self._members.topic
            if is_in and sender == recipient:
                continue  # between two children
            amount = row.size.normalize()
            self._sink.take_transfer(
                Transfer(
                    venue=VENUE,
                    account_id=self._members.own_id,
                    transfer_id=f"{row.transaction}:{row.symbol}:{amount:f}:{sender}:{recipient}",
                    currency=row.symbol,
                    amount=row.size if is_in else -row.size,
                    kind=row.kind,
                    counterparty=(sender if is_in else recipient) or None,
                    ts_event=row.created_ns,
                    ts_init=now_ns,
                )
            )

    def expire(self) -> None:
        """End what height ends, when it was held back until now."""
        self._tell(self._store.expire())

    # -- orders and trades ---------------------------------------------------------------

    def _take_orders(self, message: Row, *, height: int, is_first: bool) -> set[str]:
        shown: set[str] = set()
        for row in self._reader.member(order_row, message, "orders"):
            state = self._store.take(row, height=height)
            if is_first:
                self._note_before(state, row, height)
            self._place(state, row, None)
            self._tell((state,))
            shown.add(row.order_id)
        return shown

    def _note_before(self, state: OrderState, row: OrderRow, height: int) -> None:
        """What an order had before this client began to look: no trades count for it.

        The row may be newer than the snapshot it stands in, and hold trades that are yet to come.
        """
        history = self.history_height
        if history is None or height <= history:
            state.filled_before = state.total_filled
            state.before_height = max(height, row.updated_height or 0)

    def _take_fills(self, rows: Iterable[FillRow], number: int | None) -> dict[str, OrderState]:
        touched: dict[str, OrderState] = {}
        for row in rows:
            if not self._sink.is_new_fill(row.fill_id):
                continue
            self._store.fill(row)
            state = self._store.get(row.order_id)
            if state is not None:
                touched[state.order_id] = state
            child = row.subaccount_number if row.subaccount_number is not None else number
            self._sink.take_fill(self._fill_report(row, state, child))
            if row.kind in UNASKED:
                self._sink.on_problem(
                    f"{row.kind.lower()}: {row.side} {row.size:f} {row.ticker} at {row.price:f}",
                    None,
                    None,
                )
        return touched

    def _fill_report(
        self, row: FillRow, state: OrderState | None, number: int | None
    ) -> FillReport:
        return FillReport(
            instrument_id=instrument_id_of(row.ticker),
            client_order_id=None if state is None else state.client_id,
            venue_order_id=row.order_id or "",
            trade_id=row.fill_id,
            side=row.side,
            last_size=row.size,
            last_price=row.price,
            liquidity=liquidity_side(row.liquidity),
            commission=row.fee,
            commission_currency=None if row.fee is None else FEE_CURRENCY,
            ts_event=row.created_ns,
            ts_init=self._clock.wall_ns(),
            account_id=self._members.account_id(number),
        )

    def _place(self, state: OrderState, row: OrderRow, number: int | None) -> None:
        """Note which child an order is of: the row, the envelope or the id of it says so."""
        if state.subaccount_number is None:
            if number is None and row.subaccount is not None:
                number = self._members.number_of(row.subaccount)
            state.subaccount_number = number

    def _tell(self, states: Iterable[OrderState]) -> None:
        now_ns = self._clock.wall_ns()
        for state in states:
            self._store.settle(state)
            report = state.report(self._members.account_id(state.subaccount_number), now_ns)
            if report is not None:
                self._sink.take_order(report)
            elif state.final is None:
                said = {"id": state.order_id, "status": state.status, "reason": state.reason}
                self._sink.venue_event("order", orjson.dumps(said))

    # -- what cannot be used -------------------------------------------------------------

    @property
    def bad_rows(self) -> int:
        """How many rows could not be read."""
        return self._reader.bad_rows

    def _unknown(self, name: str, value: Any) -> None:
        self.unknown_members += 1
        self._sink.venue_event(name, orjson.dumps(value))


def _age(row: FillRow | TransferRow) -> tuple[int, int]:
    return row.height, row.created_ns
