"""Conditional orders: the algo service's record, its trigger rule and its replies (BN-R-06)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ..engine_order import Side
from .account import Account, plain
from .types import SymbolRules

if TYPE_CHECKING:
    from .orders import Order

__all__ = ["ALGO_TYPES", "AlgoOrder", "algo_query", "algo_reply"]

ALGO_TYPES = frozenset(
    {"STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"}
)


@dataclass(slots=True, eq=False)
class AlgoOrder:
    """One conditional order; prices and sizes in engine units, 0 for none.

    `status` goes NEW, TRIGGERING, TRIGGERED, FINISHED, or ends in CANCELED, EXPIRED or REJECTED.
    """

    account: Account
    rules: SymbolRules
    algo_id: int
    client_id: str
    side: Side
    type: str
    time_in_force: str
    position_side: str
    size: int
    price: int
    trigger_price: int
    created_ms: int
    activate_price: int = 0
    callback_rate: Decimal | None = None  # percent, trailing stops only
    working_type: str = "CONTRACT_PRICE"
    price_protect: bool = False
    close_position: bool = False
    reduce_only: bool = False
    self_trade: str = "EXPIRE_MAKER"
    price_match: str = "NONE"
    good_till_ms: int = 0
    status: str = "NEW"
    updated_ms: int = 0
    triggered_ms: int = 0
    child: Order | None = None
    reject_text: str = ""
    activated: bool = False
    extreme: Decimal | None = None  # best price since activation, trailing stops only

    @property
    def open(self) -> bool:
        return self.status == "NEW"

    @property
    def is_market(self) -> bool:
        return self.type.endswith("_MARKET")

    def observe(self, price: Decimal) -> bool:
        """Take the next working price; return whether the order triggers at it."""
        if self.callback_rate is not None:
            return self._observe_trailing(price)
        # A buy stop waits for a rise; a sell stop and a buy take-profit wait for a fall.
        rising = (self.side is Side.BUY) == self.type.startswith("STOP")
        trigger = self.rules.price(self.trigger_price)
        return price >= trigger if rising else price <= trigger

    def _observe_trailing(self, price: Decimal) -> bool:
        assert self.callback_rate is not None
        side = int(self.side)
        if not self.activated:
            activate = self.rules.price(self.activate_price)
            if self.activate_price and (price - activate) * side > 0:
                return False
            self.activated = True
        if self.extreme is None or (price - self.extreme) * side < 0:
            self.extreme = price
        turn = self.extreme * (1 + side * self.callback_rate / 100)
        return (price - turn) * side >= 0


def algo_reply(algo: AlgoOrder) -> dict[str, Any]:
    """Return the reply to placing a conditional order."""
    rules = algo.rules
    reply: dict[str, Any] = {
        "algoId": algo.algo_id,
        "clientAlgoId": algo.client_id,
        "algoType": "CONDITIONAL",
        "orderType": algo.type,
        "symbol": rules.symbol,
        "side": algo.side.name,
        "positionSide": algo.position_side,
        "timeInForce": algo.time_in_force,
        "quantity": rules.qty_text(algo.size),
        "algoStatus": algo.status,
        "triggerPrice": rules.price_text(algo.trigger_price),
        "price": rules.price_text(algo.price),
        "icebergQuantity": None,
        "selfTradePreventionMode": algo.self_trade,
        "workingType": algo.working_type,
        "priceMatch": algo.price_match,
        "closePosition": algo.close_position,
        "priceProtect": algo.price_protect,
        "reduceOnly": algo.reduce_only,
    }
    if algo.callback_rate is not None:
        reply["activatePrice"] = (
            rules.price_text(algo.activate_price) if algo.activate_price else ""
        )
        reply["callbackRate"] = plain(algo.callback_rate)
    reply |= {
        "createTime": algo.created_ms,
        "updateTime": algo.updated_ms or algo.created_ms,
        "triggerTime": algo.triggered_ms,
        "goodTillDate": algo.good_till_ms,
    }
    return reply


def algo_query(algo: AlgoOrder) -> dict[str, Any]:
    """Return the reply to querying one: the reply to placing plus what the engine order did."""
    child = algo.child
    reply = algo_reply(algo)
    reply["actualOrderId"] = str(child.order_id) if child else ""
    reply["actualPrice"] = child.average_text if child else algo.rules.price_text(0)
    reply["actualQty"] = algo.rules.qty_text(child.filled if child else 0)
    reply["actualType"] = child.type if child else ""
    reply["failedReason"] = algo.reject_text
    return reply
