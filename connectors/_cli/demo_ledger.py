"""The demo's own books: what its orders, fills, position and balance must be, from events alone.

`compare` holds them against the simulator's. Nothing here asks the client what it believes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from ..model import (
    AccountState,
    FillReport,
    LiquiditySide,
    OrderAccepted,
    OrderCanceled,
    OrderCancelRejected,
    OrderDenied,
    OrderEvent,
    OrderExpired,
    OrderFilled,
    OrderModifyRejected,
    OrderRejected,
    OrderUpdated,
    PositionStatusReport,
    Side,
)
from .demo_checks import Check

__all__ = ["Fill", "Ledger", "Line", "compare"]

ENDS = (OrderCanceled, OrderExpired, OrderRejected, OrderDenied)
# What the simulator calls the ends of orders, by ours; a post-only order that would have taken
# is refused if it never rested, else canceled.
VENUE_ENDS: Mapping[str, tuple[type[OrderEvent], ...]] = {
    "filled": (OrderFilled,),
    "canceled": (OrderCanceled,),
    "canceled-post-only": (OrderRejected, OrderCanceled),
    "canceled-expired": (OrderExpired,),
}


@dataclass(frozen=True, slots=True)
class Fill:
    """One trade as `OrderFilled` told it."""

    venue_order_id: str
    side: Side
    size: Decimal
    price: Decimal
    commission: Decimal
    is_maker: bool
    ts_event: int


@dataclass(slots=True)
class Line:
    """One order."""

    side: Side
    size: Decimal
    price: Decimal
    venue_order_id: str | None = None
    accepted: int = 0
    updates: int = 0
    filled: Decimal = Decimal(0)
    ends: list[OrderEvent] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        return bool(self.ends)

    @property
    def is_working(self) -> bool:
        return self.accepted > 0 and not self.ends


class Ledger:
    """Kept by `on_event`, an `ExecutionClient`'s callback."""

    def __init__(self) -> None:
        self.lines: dict[str, Line] = {}
        self.fills: dict[str, Fill] = {}
        self.repeated_fills = 0
        self.unknown: list[object] = []  # events and reports of orders that are not in the ledger
        self.refusals: list[OrderEvent] = []
        self.canceled_by_us = 0
        self.position: PositionStatusReport | None = None
        self.account: AccountState | None = None

    def on_event(self, event: object) -> None:
        """Write down an event or a report."""
        if isinstance(event, OrderEvent):
            line = self.lines.get(event.client_order_id)
            if line is None:
                self.unknown.append(event)
                return
            line.venue_order_id = event.venue_order_id or line.venue_order_id
            self._on_order(line, event)
        elif isinstance(event, PositionStatusReport):
            self.position = event
        elif isinstance(event, AccountState):
            self.account = event
        elif isinstance(event, FillReport):
            self.unknown.append(event)

    def _on_order(self, line: Line, event: OrderEvent) -> None:
        if isinstance(event, OrderAccepted):
            line.accepted += 1
        elif isinstance(event, OrderUpdated):
            line.updates += 1
            line.size, line.price = event.size, event.price or line.price
        elif isinstance(event, OrderFilled):
            self._on_fill(line, event)
        elif isinstance(event, OrderModifyRejected | OrderCancelRejected):
            self.refusals.append(event)
        elif isinstance(event, ENDS):
            line.ends.append(event)
            self.canceled_by_us += isinstance(event, OrderCanceled)

    def _on_fill(self, line: Line, event: OrderFilled) -> None:
        if event.trade_id in self.fills:
            self.repeated_fills += 1
            return
        self.fills[event.trade_id] = Fill(
            venue_order_id=event.venue_order_id or "",
            side=event.side,
            size=event.last_size,
            price=event.last_price,
            commission=event.commission or Decimal(0),
            is_maker=event.liquidity is LiquiditySide.MAKER,
            ts_event=event.ts_event,
        )
        line.filled += event.last_size
        # A fill told after the cancel leaves nothing either, but the order is over already.
        if event.leaves_size == 0 and not line.ends:
            line.ends.append(event)

    # ---- what follows from the fills ----------------------------------------------------------

    @property
    def signed_position(self) -> Decimal:
        """Bought less sold."""
        return sum(
            (fill.size if fill.side is Side.BUY else -fill.size for fill in self.fills.values()),
            Decimal(0),
        )

    @property
    def commission(self) -> Decimal:
        """Fees paid, rebates off."""
        return sum((fill.commission for fill in self.fills.values()), Decimal(0))

    def fills_between(self, begin_ns: int, end_ns: int) -> int:
        """Count the trades the venue made in that time."""
        return sum(begin_ns < fill.ts_event < end_ns for fill in self.fills.values())


def compare(
    ledger: Ledger,
    orders: Sequence[Mapping[str, Any]],
    trades: Sequence[Mapping[str, Any]],
    account: Mapping[str, Any],
    instrument_name: str,
) -> list[Check]:
    """Hold the ledger against the simulator's rows of the same account.

    Parameters
    ----------
    orders, trades, account :
        As the simulator shows them: every order and trade of the account, and the account itself.
    instrument_name :
        The venue's symbol of the market traded.
    """
    return [
        _compare_orders(ledger, orders),
        _compare_fills(ledger, trades, account["index"]),
        _compare_position(ledger, account, instrument_name),
        _compare_balance(ledger, account),
    ]


def _compare_orders(ledger: Ledger, rows: Sequence[Mapping[str, Any]]) -> Check:
    theirs = {row["order_id"]: row for row in rows}
    ours = {line.venue_order_id: line for line in ledger.lines.values() if line.venue_order_id}
    wrong = [venue_id for venue_id in theirs.keys() ^ ours.keys() if venue_id is not None]
    for venue_id in theirs.keys() & ours.keys():
        line, row = ours[venue_id], theirs[venue_id]
        expected = VENUE_ENDS.get(row["status"], ())
        # Moved to where it would have taken, a post-only order ends; the row then shows a price
        # at which it never rested.
        is_priced = line.price == Decimal(row["price"]) or row["status"] == "canceled-post-only"
        is_right = (
            line.accepted <= 1
            and len(line.ends) == 1
            and isinstance(line.ends[0], expected)
            and line.filled == Decimal(row["filled_base_amount"])
            and line.size == Decimal(row["initial_base_amount"])
            and is_priced
        )
        if not is_right:
            wrong.append(venue_id)
    # Orders the venue refused at once have no id; each must have ended all the same.
    nameless = [line for line in ledger.lines.values() if not line.venue_order_id]
    open_ones = sum(len(line.ends) != 1 for line in nameless)
    evidence = (
        f"{len(ours)} orders, {sum(line.updates for line in ledger.lines.values())} modified, "
        f"{ledger.canceled_by_us} canceled, {len(nameless)} refused unnamed, {len(wrong)} different"
    )
    return Check(
        "every order ended once, and as the simulator says",
        not wrong and not open_ones and not ledger.unknown and bool(ours),
        evidence + (f": {', '.join(map(str, wrong[:3]))}" if wrong else ""),
    )


def _compare_fills(ledger: Ledger, rows: Sequence[Mapping[str, Any]], account: int) -> Check:
    wrong = 0
    theirs = {row["trade_id_str"]: row for row in rows}
    for trade_id in theirs.keys() | ledger.fills.keys():
        fill, row = ledger.fills.get(trade_id), theirs.get(trade_id)
        if fill is None or row is None:
            wrong += 1
            continue
        is_buy = row["bid_account_id"] == account
        is_maker = row["is_maker_ask"] != is_buy
        rate = row.get("maker_fee" if is_maker else "taker_fee", 0)
        expected = (
            row["bid_id_str"] if is_buy else row["ask_id_str"],
            Side.BUY if is_buy else Side.SELL,
            Decimal(row["size"]),
            Decimal(row["price"]),
            is_maker,
        )
        seen = (fill.venue_order_id, fill.side, fill.size, fill.price, fill.is_maker)
        fee = Decimal(row["usd_amount"]) * rate / 1_000_000
        wrong += expected != seen or abs(fee - fill.commission) > Decimal("0.000001")
    return Check(
        "no fill was lost, repeated or different",
        not wrong and not ledger.repeated_fills and bool(theirs),
        f"{len(ledger.fills)} fills, {len(theirs)} trades at the simulator, {wrong} different, "
        f"{ledger.repeated_fills} repeated",
    )


def _compare_position(ledger: Ledger, account: Mapping[str, Any], name: str) -> Check:
    theirs = sum(
        (row["sign"] * Decimal(row["position"]) for row in account["positions"]
         if row["symbol"] == name),
        Decimal(0),
    )  # fmt: skip
    told = ledger.position.signed_size if ledger.position is not None else Decimal(0)
    return Check(
        "the position follows from the fills and is the simulator's",
        ledger.signed_position == told == theirs,
        f"{ledger.signed_position:f} from the fills, {told:f} reported, {theirs:f} there",
    )


def _compare_balance(ledger: Ledger, account: Mapping[str, Any]) -> Check:
    theirs = {
        row["symbol"]: Decimal(row["balance"]) + Decimal(row["margin_balance"])
        for row in account["assets"]
    }
    balances = ledger.account.balances if ledger.account is not None else ()
    told = {balance.currency: balance.total for balance in balances}
    usdc = theirs.get("USDC", Decimal(0))
    return Check(
        "the balances are the simulator's",
        bool(told) and told == theirs,
        f"{usdc:f} USDC there, {told.get('USDC', Decimal(0)):f} reported; "
        f"fees paid {ledger.commission:.6f}",
    )
