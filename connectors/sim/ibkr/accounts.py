"""Accounts: cash, positions, executions, and what is worth how much."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from .times import trade_time

if TYPE_CHECKING:
    from .contracts import Contract
    from .markets import Market
    from .orders import Order

__all__ = ["Account", "Execution", "Position"]

START_CASH = Decimal(1_000_000)
KEPT = 100_000


@dataclass(slots=True)
class Position:
    """What is held of an instrument: size with its sign, and what it cost."""

    contract: Contract
    size: int = 0
    cost: Decimal = Decimal(0)  # of what is held, with its sign
    realized: Decimal = Decimal(0)

    def trade(self, price: int, size: int, sign: int) -> None:
        """Buy (sign 1) or sell (-1) at a price; closing realises profit and loss."""
        signed = size * sign
        if self.size * signed >= 0:
            self.cost += self.contract.value(price, signed)
            self.size += signed
            return
        closed = min(abs(self.size), size)
        part = self.cost * closed / abs(self.size)
        self.realized += self.contract.value(price, -closed * sign) - part
        self.cost -= part
        self.size += closed * sign
        if closed < size:
            self.cost += self.contract.value(price, (size - closed) * sign)
            self.size += (size - closed) * sign

    @property
    def average(self) -> Decimal:
        """Return the average cost of one unit, multiplier included."""
        if not self.size:
            return Decimal(0)
        return self.cost / self.contract.quantity(self.size)

    def value(self, market: Market) -> Decimal:
        return self.contract.value(market.mark, self.size)


@dataclass(slots=True, eq=False)
class Execution:
    """One fill of one order, as `str` and the list of trades tell it."""

    execution_id: str
    order: Order
    price: int
    size: int
    ms: int
    position: int
    commission: Decimal
    shown_commission: bool = False

    def row(self, *, with_commission: bool) -> dict[str, Any]:
        """Return the row of the wire (W-40); its commission may come later (W-41)."""
        order, contract = self.order, self.order.contract
        verb = "Bot" if order.is_buy else "Sold"
        price = contract.price(self.price)
        exchange = "ISLAND" if contract.sec_type == "STK" else contract.listing
        row = {
            "execution_id": self.execution_id,
            "symbol": contract.symbol,
            "supports_tax_opt": "1",
            "side": "B" if order.is_buy else "S",
            "order_description": f"{verb} {contract.size(self.size)} @ {price} on {exchange}",
            "trade_time": trade_time(self.ms),
            "trade_time_r": self.ms,
            "size": float(contract.quantity(self.size)),
            "price": price,
            "order_ref": order.ref,
            "exchange": exchange,
            "net_amount": float(contract.value(self.price, self.size)),
            "account": order.account.account_id,
            "accountCode": order.account.account_id,
            "account_allocation_name": order.account.account_id,
            "company_name": contract.name,
            "contract_description_1": contract.symbol,
            "sec_type": contract.sec_type,
            "listing_exchange": contract.listing,
            "conid": contract.conid,
            "conidEx": contract.key,
            "clearing_id": "IB",
            "clearing_name": "IB",
            "liquidation_trade": "0",
            "is_event_trading": "0",
            "order_id": order.order_id,
            "position": contract.size(self.position),
            "open_close": "???",
        }
        if not order.ref:
            del row["order_ref"]
        if with_commission:
            row["commission"] = str(self.commission)
        return row


@dataclass(slots=True, eq=False)
class Account:
    """One trading account.

    Attributes
    ----------
    orders
        All of this session's, by id, oldest first.
    by_ref
        Client order ids in use.
    """

    account_id: str
    cash: Decimal = START_CASH
    positions: dict[str, Position] = field(default_factory=dict)
    orders: dict[int, Order] = field(default_factory=dict)
    by_ref: dict[str, Order] = field(default_factory=dict)
    executions: deque[Execution] = field(default_factory=lambda: deque(maxlen=KEPT))
    fees: Decimal = Decimal(0)

    def position(self, contract: Contract) -> Position:
        return self.positions.setdefault(contract.key, Position(contract))

    @property
    def realized(self) -> Decimal:
        return sum((one.realized for one in self.positions.values()), Decimal(0)) - self.fees

    def pnl(self, markets: Mapping[str, Market]) -> dict[str, float]:
        """Return the row of `spl` (W-24)."""
        value = unrealized = Decimal(0)
        for key, position in self.positions.items():
            worth = position.value(markets[key])
            value += worth
            unrealized += worth - position.cost
        worth = self.cash + value
        return {
            "rowType": 1,
            "dpl": money(self.realized + unrealized),
            "nl": money(worth),
            "upl": money(unrealized),
            "el": money(worth),
            "uel": money(worth),
            "mv": money(value),
        }


def money(amount: Decimal) -> float:
    """Return an amount of money as the venue writes it: a number with two decimals at most."""
    return float(amount.quantize(Decimal("0.01")))
