"""The demo's own books: what its orders, fills, position and balance must be, from events alone.

`compare` holds them against the simulator's. Nothing here asks the client what it believes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

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

__all__ = ["Ends", "Fill", "Ledger", "Line", "TrueOrder", "Truth", "compare", "compare_account"]

ENDS = (OrderCanceled, OrderExpired, OrderRejected, OrderDenied)
FEE_GRAIN = Decimal("0.000001")

Ends = tuple[type[OrderEvent], ...]


@dataclass(frozen=True, slots=True)
class Fill:
    """One trade: as `OrderFilled` told it, or as the simulator has it."""

    venue_order_id: str
    side: Side
    size: Decimal
    price: Decimal
    commission: Decimal
    is_maker: bool


@dataclass(frozen=True, slots=True)
class TrueOrder:
    """What the simulator says became of an order of ours.

    Attributes
    ----------
    venue_order_ids :
        More than one where a modification makes a new order of it.
    ends :
        The events that tell its end rightly.
    size, price :
        At last; None where the venue shows what never rested.
    """

    venue_order_ids: frozenset[str]
    ends: Ends
    filled: Decimal
    size: Decimal | None
    price: Decimal | None


@dataclass(frozen=True, slots=True)
class Truth:
    """An account as the simulator has it: every order and trade, the position, the balances."""

    orders: Sequence[TrueOrder]
    trades: Mapping[str, Fill]
    position: Decimal
    balances: Mapping[str, Decimal]


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


def compare(ledger: Ledger, truth: Truth) -> list[Check]:
    """Hold the ledger against the simulator's account: orders, fills, position, balances."""
    return [
        _compare_orders(ledger, truth.orders),
        _compare_fills(ledger, truth.trades),
        *compare_account(ledger, truth),
    ]


def compare_account(ledger: Ledger, truth: Truth) -> list[Check]:
    """Hold the position and the balances against the simulator's."""
    return [_compare_position(ledger, truth.position), _compare_balances(ledger, truth.balances)]


def _compare_orders(ledger: Ledger, orders: Sequence[TrueOrder]) -> Check:
    ours = {line.venue_order_id: line for line in ledger.lines.values() if line.venue_order_id}
    left = dict(ours)
    wrong: list[str] = []
    for order in orders:
        known = order.venue_order_ids & left.keys()
        if len(known) != 1 or not _is_right(left.pop(next(iter(known))), order):
            wrong.append("/".join(sorted(order.venue_order_ids)))
    wrong += left  # at the venue there is no such order
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
        evidence + (f": {', '.join(wrong[:3])}" if wrong else ""),
    )


def _is_right(line: Line, order: TrueOrder) -> bool:
    return (
        line.accepted <= 1
        and len(line.ends) == 1
        and isinstance(line.ends[0], order.ends)
        and line.filled == order.filled
        and order.size in (line.size, None)
        and order.price in (line.price, None)
    )


def _compare_fills(ledger: Ledger, trades: Mapping[str, Fill]) -> Check:
    wrong = 0
    for trade_id in trades.keys() | ledger.fills.keys():
        told, true = ledger.fills.get(trade_id), trades.get(trade_id)
        wrong += (
            told is None
            or true is None
            or replace(told, commission=true.commission) != true
            or abs(told.commission - true.commission) > FEE_GRAIN
        )
    return Check(
        "no fill was lost, repeated or different",
        not wrong and not ledger.repeated_fills and bool(trades),
        f"{len(ledger.fills)} fills, {len(trades)} trades at the simulator, {wrong} different, "
        f"{ledger.repeated_fills} repeated",
    )


def _compare_position(ledger: Ledger, position: Decimal) -> Check:
    told = ledger.position.signed_size if ledger.position is not None else Decimal(0)
    return Check(
        "the position follows from the fills and is the simulator's",
        ledger.signed_position == told == position,
        f"{ledger.signed_position:f} from the fills, {told:f} reported, {position:f} there",
    )


def _compare_balances(ledger: Ledger, balances: Mapping[str, Decimal]) -> Check:
    known = ledger.account.balances if ledger.account is not None else ()
    told = {balance.currency: balance.total for balance in known}
    usdc = balances.get("USDC", Decimal(0))
    return Check(
        "the balances are the simulator's",
        bool(told) and told == balances,
        f"{usdc:f} USDC there, {told.get('USDC', Decimal(0)):f} reported; "
        f"fees paid {ledger.commission:.6f}",
    )
