"""What the venue says about an account, from the socket and over REST, in our words; sans-I/O.

===================  =====================  ==================================================
about                sources                becomes
===================  =====================  ==================================================
orders               `sor`, live orders     `OrderStatusReport`
executions           `str`, trades          `FillReport` once; `FillCorrection` for a later
                                            commission or a replaced execution
profit and loss      `spl`, pnl/partitioned `AccountPnl`
balances, margin     `ssd`, `sld`, summary, `AccountState`
                     ledger
positions            portfolio2             `PositionStatusReport`
===================  =====================  ==================================================

Fills come from executions only, states of orders from rows only (D-22). An order that a row calls
filled is told as such when its executions have come, or were asked for in vain (R-56).

Rows of a contract nobody knows yet wait for its definition (`unknown_contract`, `replay`).
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from ..errors import DecodeError
from ..execution.fills import FillKey
from ..execution.members import whole
from ..model.accounts import AccountPnl, AccountState
from ..model.enums import OrderStatus, PositionSide
from ..model.ids import AccountId, InstrumentId
from ..model.instruments import Instrument
from ..model.reports import FillCorrection, FillReport, OrderStatusReport, PositionStatusReport
from ..net.clock import NS_PER_S, Clock
from .amounts import amount
from .orders import GONE, LiveOrder, OrderBoard, OrderDelta, OrderRows, read_rows
from .pnl import Ledger, LedgerRow, PnlRow, PnlTable, SummaryRow, read_pnl
from .topics import Detail, Topic
from .trades import Execution, Executions, Sight, TradeRows, read_executions
from .values import time_ns

__all__ = ["AccountFeed", "FeedOwner"]

log = logging.getLogger("connectors.ibkr")

MISSING_S = 5.0  # rows have shown more filled than executions, for that long (D-22)
QUERIES_MAX = 3
ORPHANS_MAX = 1_000
LIST_MAX = 1_000
CLOCK_NS = 3_600 * NS_PER_S  # how far our clock may be ahead of the venue's
ABSENCES = 3
ZERO = Decimal(0)


class FeedOwner(Protocol):
    """Whom the feed tells; everything synchronously."""

    def take_order(self, report: OrderStatusReport) -> bool:
        """The state of an order."""

    def take_fill(self, report: FillReport, key: FillKey | None = None) -> bool:
        """A trade, not told before."""

    def take_position(self, report: PositionStatusReport) -> bool:
        """A position."""

    def take_account(self, state: AccountState) -> bool:
        """Balances and margins."""

    def deliver(self, report: FillCorrection | AccountPnl) -> None:
        """Something else for the caller."""

    def unknown_contract(self, conid: int) -> None:
        """Rows wait for the definition of this contract."""

    def on_problem(self, message: str, code: int | None, error: Exception | None) -> None:
        """A row that could not be used."""


@dataclass(slots=True, eq=False)
class _Missing:
    """Executions of an order that rows speak of."""

    since_ns: int
    queries: int = 0


class AccountFeed:
    """The frames and answers of one login.

    Parameters
    ----------
    owner : FeedOwner
    instrument_of : callable
        Returns the instrument of a conid, None if unknown.
    account_id : callable
        Our name for an account of the venue.
    clock : Clock

    Attributes
    ----------
    since_ns : int
        Executions before that time (Unix, ns) are history: remembered, and not told.
    bad_rows : int
        Rows that could not be read.
    newest_ns : int
        Time of the newest execution seen, venue's clock; 0 before the first.
    """

    def __init__(
        self,
        owner: FeedOwner,
        *,
        instrument_of: Callable[[int], Instrument | None],
        account_id: Callable[[str], AccountId],
        clock: Clock,
    ) -> None:
        self._owner = owner
        self._instrument_of = instrument_of
        self._name = account_id
        self._clock = clock
        self.board = OrderBoard(instrument_of, clock.wall_ns, account_id)
        self.executions = Executions()
        self.pnl = PnlTable(account_id)
        self._ledgers: dict[str, Ledger] = {}
        self._orphans: OrderedDict[tuple[str, str], Execution] = OrderedDict()
        self._executed: dict[str, Decimal] = {}  # by order, of those on the board
        self._missing: dict[str, _Missing] = {}
        self.since_ns = 0
        self.newest_ns = 0
        self.bad_rows = 0

    def now_ns(self) -> int:
        """Return Unix time."""
        return self._clock.wall_ns()

    # ---- the socket ---------------------------------------------------------------------------

    def take(self, topic: Topic) -> bool:
        """Take a frame; False if it is about something else."""
        value = topic.value
        if topic.detail is Detail.ORDERS:
            self.orders(value)
        elif topic.detail is Detail.TRADES:
            self.trades(value)
        elif topic.detail is Detail.PNL:
            self.take_pnl(value)
        elif topic.detail is Detail.SUMMARY:
            self.take_summary(topic.targets[0] if topic.targets else "", value)
        elif topic.detail is Detail.LEDGER:
            self.take_ledger(topic.targets[0] if topic.targets else "", value)
        else:
            return False
        return True

    # ---- orders -------------------------------------------------------------------------------

    def orders(self, found: OrderRows, *, asked_ns: int | None = None) -> list[LiveOrder]:
        """Take rows; with `asked_ns` (monotonic) those of a list that was asked for then."""
        self._count_bad(found.bad, "orders")
        changed = self.board.take(found.rows, self._clock.monotonic_ns(), asked_ns=asked_ns)
        for order in changed:
            self._tell(order)
        return changed

    def live_orders(self, body: object, asked_ns: int) -> bool:
        """Take the answer of the live orders list; False if it is not one yet (R-51)."""
        rows = body.get("orders") if isinstance(body, Mapping) else None
        if not isinstance(rows, list):
            return False
        found = read_rows(rows)
        self.orders(found, asked_ns=asked_ns)
        is_list = bool(rows) or bool(isinstance(body, Mapping) and body.get("snapshot"))
        if is_list and not found.bad and len(rows) < LIST_MAX:
            self._compare(found, asked_ns)
        return is_list

    def _compare(self, found: OrderRows, asked_ns: int) -> None:
        """Count the whole lists in a row that did not have an order."""
        listed = {row.order_id for row in found.rows}
        for order in self.board.open_orders:
            is_known = order.order_id in listed or order.touched_ns >= asked_ns
            order.absences = 0 if is_known else order.absences + 1

    @property
    def absent(self) -> list[LiveOrder]:
        """Orders that should live, and that the last `ABSENCES` lists did not have."""
        return [each for each in self.board.open_orders if each.absences >= ABSENCES]

    def give_up(self, order: LiveOrder) -> None:
        """Take an order as over that is in no list, and of which the venue knows nothing."""
        order.filled = max(order.filled, self._executed.get(order.order_id, ZERO))
        self.board.give_up(order)
        log.warning("venue=IBKR order %s: %s", order.order_id, GONE)
        self._tell(order)

    def order(self, row: OrderDelta, asked_ns: int) -> None:
        """Take the answer of one order's status."""
        self.orders(OrderRows((row,)), asked_ns=asked_ns)

    def settle(self) -> bool:
        """Take orders that were Inactive for too long as over; True if any is left to wait for."""
        for order in self.board.settle(self._clock.monotonic_ns()):
            log.warning("venue=IBKR order %s is Inactive for good", order.order_id)
            self._tell(order)
        return bool(self.board.inactive)

    def _tell(self, order: LiveOrder) -> None:
        row = self.board.row(order)
        if row is None:
            if order.conid is not None and self._instrument_of(order.conid) is None:
                self._owner.unknown_contract(order.conid)
            return
        report = row.report
        filled = order.size if order.status == "Filled" and not order.filled else order.filled
        executed = self._executed.get(order.order_id, ZERO)
        if filled > executed:
            now_ns = self._clock.monotonic_ns()
            self._missing.setdefault(order.order_id, _Missing(now_ns))
            if report.status is OrderStatus.FILLED:
                return  # told when its executions are there
        else:
            self._missing.pop(order.order_id, None)
        self._owner.take_order(report)

    # ---- executions that rows speak of --------------------------------------------------------

    @property
    def has_missing(self) -> bool:
        """Whether rows speak of executions that did not come."""
        return bool(self._missing)

    def missing_due_ns(self) -> int | None:
        """Return when trades must be asked for (monotonic), None: nothing is missing."""
        dues = [
            each.since_ns + int(MISSING_S * NS_PER_S) * (each.queries + 1)
            for each in self._missing.values()
        ]
        return min(dues, default=None)

    def trades_answered(self, asked_ns: int, *, is_first: bool = False) -> None:
        """A list of trades was taken: what is still missing since before it will not come soon.

        After `QUERIES_MAX` lists, or the first of all (whatever is older than it reaches back),
        the rows are believed without executions.
        """
        if is_first and not self._orphans:
            self.since_ns -= CLOCK_NS  # that list had the history: what comes now is news
        for order_id, missing in list(self._missing.items()):
            if missing.since_ns > asked_ns:
                continue
            missing.queries += 1
            if is_first or missing.queries >= QUERIES_MAX:
                self._give_up(order_id, silently=is_first)

    def _give_up(self, order_id: str, *, silently: bool) -> None:
        del self._missing[order_id]
        order = self.board.get(order_id)
        if order is None:
            return
        executed = self._executed.get(order_id, ZERO)
        filled = order.filled or order.size
        if not silently:
            self._owner.on_problem(
                f"order {order_id}: {filled:f} filled, and executions of {executed:f} only",
                None,
                None,
            )
        self._executed[order_id] = max(filled, executed)
        self._tell(order)

    # ---- executions ---------------------------------------------------------------------------

    def trades(self, found: TradeRows) -> None:
        """Take executions in any order; copies make nothing."""
        self._count_bad(found.bad, "executions")
        for execution in sorted(found.rows, key=lambda each: each.ts_event):
            self._execution(execution)

    def trade_list(self, body: object) -> None:
        """Take the answer of the list of trades."""
        self.trades(read_executions(body))

    def _execution(self, execution: Execution) -> None:
        instrument = self._instrument_of(execution.conid)
        if instrument is None:
            self._hold(execution)
            return
        more = execution.size - self.executions.size_of(execution)
        sight = self.executions.see(execution)
        if sight is Sight.REPEATED:
            return
        self.newest_ns = max(self.newest_ns, execution.ts_event)
        report = self.fill_report(execution, instrument)
        if sight is not Sight.NEW:
            is_replaced = sight is Sight.CORRECTION
            self._owner.deliver(FillCorrection(fill=report, is_replaced=is_replaced))
        elif not execution.ts_event or execution.ts_event >= self.since_ns:
            self._owner.take_fill(report, execution.key)
        if execution.order_id is not None and more and sight is not Sight.COMMISSION:
            self._note_executed(execution.order_id, more)

    def _note_executed(self, order_id: str, size: Decimal) -> None:
        self._executed[order_id] = self._executed.get(order_id, ZERO) + size
        order = self.board.get(order_id)
        if order is not None and order_id in self._missing:
            self._tell(order)
        if len(self._executed) > 4 * (len(self.board) + ORPHANS_MAX):
            known = self.board
            self._executed = {key: it for key, it in self._executed.items() if key in known}

    def fill_report(self, execution: Execution, instrument: Instrument) -> FillReport:
        """Return an execution in our words; its trade id is that of all its revisions."""
        return FillReport(
            instrument_id=instrument.id,
            client_order_id=execution.order_ref,
            venue_order_id=execution.order_id or "",
            trade_id=execution.base_id,
            side=execution.side,
            last_size=execution.size,
            last_price=execution.price,
            commission=execution.commission,
            ts_event=execution.ts_event,
            ts_init=self._clock.wall_ns(),
            account_id=self._name(execution.account),
        )

    # ---- contracts that are not known yet -----------------------------------------------------

    def _hold(self, execution: Execution) -> None:
        held = self._orphans.get(execution.key)
        if held is None or held.revision <= execution.revision:
            self._orphans[execution.key] = execution  # a later copy knows more
        if len(self._orphans) > ORPHANS_MAX:
            _, lost = self._orphans.popitem(last=False)
            self._owner.on_problem(
                f"execution {lost.execution_id} dropped: contract {lost.conid} is not known",
                None,
                None,
            )
        self._owner.unknown_contract(execution.conid)

    def replay(self, conid: int) -> None:
        """Take what waited for a contract whose definition is there now."""
        waiting = [each for each in self._orphans.values() if each.conid == conid]
        for execution in sorted(waiting, key=lambda each: each.ts_event):
            del self._orphans[execution.key]
            self._execution(execution)
        for order in self.board.of_contract(conid):
            self._tell(order)

    # ---- money --------------------------------------------------------------------------------

    def take_pnl(self, rows: tuple[PnlRow, ...]) -> None:
        """Take rows of profit and loss."""
        for row in rows:
            found = self.pnl.take(row, self._clock.wall_ns())
            if found is not None:
                self._owner.deliver(found)

    def take_partitioned(self, body: object) -> None:
        """Take the answer of pnl/partitioned; the first one is empty (R-65)."""
        if isinstance(body, Mapping):
            self.take_pnl(read_pnl(body))

    def ledger(self, account: str) -> Ledger:
        """Return what is known of an account's money."""
        found = self._ledgers.get(account)
        if found is None:
            found = self._ledgers[account] = Ledger(account, self._name(account))
        return found

    def take_summary(
        self, account: str, rows: tuple[SummaryRow, ...], *, is_snapshot: bool = False
    ) -> None:
        """Take rows of an account's summary."""
        codes = (row.text for row in rows if row.key == "accountcode" and row.text)
        account = account or next(codes, "")
        if account and rows:
            self._account_state(
                self.ledger(account).take_summary(
                    rows, self._clock.wall_ns(), is_snapshot=is_snapshot
                )
            )

    def take_ledger(
        self, account: str, rows: tuple[LedgerRow, ...], *, is_snapshot: bool = False
    ) -> None:
        """Take rows of an account's ledger."""
        account = account or next((row.account for row in rows if row.account), "")
        if account and rows:
            self._account_state(
                self.ledger(account).take_ledger(
                    rows, self._clock.wall_ns(), is_snapshot=is_snapshot
                )
            )

    def _account_state(self, state: AccountState | None) -> None:
        if state is not None:
            self._owner.take_account(state)

    # ---- positions ----------------------------------------------------------------------------

    def positions(self, account: str, rows: object) -> set[InstrumentId]:
        """Take a full set of positions; return the instruments that must not count as flat."""
        present: set[InstrumentId] = set()
        for row in rows if isinstance(rows, list) else []:
            try:
                conid = whole(row, "conid") if isinstance(row, Mapping) else None
                if conid is None:
                    raise DecodeError("a position is not an object", 0)
                instrument = self._instrument_of(conid)
                if instrument is None:
                    self._owner.unknown_contract(conid)
                    continue
                present.add(instrument.id)  # also if the rest of its row cannot be read
                report = self._position(account, row, instrument)
            except DecodeError as error:
                self._count_bad(1, f"positions ({error})")
                continue
            self._owner.take_position(report)
        return present

    def _position(
        self, account: str, row: Mapping[str, Any], instrument: Instrument
    ) -> PositionStatusReport:
        size = amount(row, "position")
        if size is None:
            raise DecodeError("its size is missing", 0)
        side = PositionSide.FLAT
        if size:
            side = PositionSide.LONG if size > 0 else PositionSide.SHORT
        now_ns = self._clock.wall_ns()
        return PositionStatusReport(
            instrument_id=instrument.id,
            side=side,
            size=abs(size),
            average_entry_price=(amount(row, "avgPrice") or ZERO) if size else None,
            unrealized_pnl=(amount(row, "unrealizedPnl") or ZERO) if size else None,
            ts_event=time_ns(row.get("timestamp")) or now_ns,
            ts_init=now_ns,
            account_id=self._name(account),
        )

    # ---- inside -------------------------------------------------------------------------------

    def _count_bad(self, count: int, what: str) -> None:
        if count:
            self.bad_rows += count
            self._owner.on_problem(f"{count} rows of {what} could not be read", None, None)
