"""The venue's order record and its forms in replies and user events."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ..engine_order import EngineOrder, Side
from .account import Account, notional, plain
from .types import SymbolRules

if TYPE_CHECKING:
    from .algo import AlgoOrder

__all__ = ["Order", "modify_reply", "order_query", "order_reply"]

ZERO = Decimal(0)
FINAL = frozenset({"FILLED", "CANCELED", "EXPIRED", "EXPIRED_IN_MATCH", "REJECTED"})


@dataclass(slots=True, eq=False)
class Order:
    """One order of an account; sizes and prices in engine units, 0 for no price."""

    account: Account
    rules: SymbolRules
    order_id: int
    client_id: str
    side: Side
    type: str
    time_in_force: str
    position_side: str
    size: int
    price: int
    created_ms: int
    reduce_only: bool = False
    close_position: bool = False
    self_trade: str = "EXPIRE_MAKER"
    price_match: str = "NONE"
    good_till_ms: int = 0
    orig_type: str = ""
    stop_price: int = 0
    working_type: str = "CONTRACT_PRICE"
    price_protect: bool = False
    status: str = "NEW"
    filled: int = 0
    value: Decimal = ZERO  # sum of fills in quote currency, base currency for COIN-M
    realized: Decimal = ZERO
    updated_ms: int = 0
    modify_id: str | None = None
    modifications: int = 0
    expiry_reason: str = "0"
    engine: EngineOrder | None = None
    algo: AlgoOrder | None = None

    def __post_init__(self) -> None:
        self.orig_type = self.orig_type or self.type
        self.updated_ms = self.updated_ms or self.created_ms

    @property
    def side_text(self) -> str:
        return self.side.name

    @property
    def done(self) -> bool:
        return self.status in FINAL

    @property
    def average(self) -> Decimal:
        """Return the average fill price, 0 without a fill."""
        if not self.filled:
            return ZERO
        qty = self.rules.qty(self.filled)
        if self.rules.inverse:
            return qty * self.rules.contract_size / self.value
        return self.value / qty

    @property
    def average_text(self) -> str:
        """Return the average price with at least the price precision, as the venue prints it."""
        if not self.filled:
            return self.rules.price_text(0)
        text = plain(self.average)
        whole, _, decimals = text.partition(".")
        return f"{whole}.{decimals.ljust(self.rules.price_precision, '0')}".rstrip(".")

    def open_notional(self, mark: Decimal) -> Decimal:
        """Return the value of what is still open, at the limit price or else at `mark`."""
        price = self.rules.price(self.price) if self.price else mark
        return notional(self.rules, self.size - self.filled, price)


def order_reply(order: Order, *, acknowledge: bool = False) -> dict[str, Any]:
    """Return the reply to place, cancel and modify: no average price, no value (BN-R-14).

    With `acknowledge` the order is shown as it was accepted, before any fill (BN-R-13).
    """
    filled = 0 if acknowledge else order.filled
    rules = order.rules
    reply: dict[str, Any] = {
        "orderId": order.order_id,
        "symbol": rules.symbol,
        "status": "NEW" if acknowledge else order.status,
        "clientOrderId": order.client_id,
        "price": rules.price_text(order.price),
        "origQty": rules.qty_text(order.size),
        "executedQty": rules.qty_text(filled),
        "cumQty": rules.qty_text(filled),
        "timeInForce": order.time_in_force,
        "type": order.type,
        "reduceOnly": order.reduce_only,
        "closePosition": order.close_position,
        "side": order.side_text,
        "positionSide": order.position_side,
        "stopPrice": rules.price_text(order.stop_price),
        "workingType": order.working_type,
        "priceProtect": order.price_protect,
        "origType": order.orig_type,
        "priceMatch": order.price_match,
        "selfTradePreventionMode": order.self_trade,
        "goodTillDate": order.good_till_ms,
        "updateTime": order.updated_ms,
    }
    if rules.inverse:
        reply["pair"] = rules.pair
    return reply


def modify_reply(order: Order) -> dict[str, Any]:
    """Return the reply to modify; it names the modification if the request did."""
    reply = order_reply(order)
    if order.modify_id is not None:
        number = order.modify_id.isdecimal()
        reply["modifyId"] = int(order.modify_id) if number else order.modify_id
    return reply


def order_query(order: Order) -> dict[str, Any]:
    """Return the reply to query, open orders and all orders, with average price and value."""
    reply = order_reply(order)
    del reply["cumQty"]
    reply["avgPrice"] = order.average_text
    reply["cumBase" if order.rules.inverse else "cumQuote"] = plain(order.value)
    reply["time"] = order.created_ms
    return reply
