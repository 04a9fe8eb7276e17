"""One order as the venue keeps and shows it (sections 4.4, 8.1 and 8.7)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

from ..engine_order import EngineOrder, Side
from .accounts import Account
from .markets import Market, fixed

__all__ = ["CONDITIONAL", "GTT", "IOC", "LIMIT", "MARKET", "POST_ONLY", "Order", "is_limit_kind"]

LIMIT, MARKET, STOP, STOP_LIMIT, TAKE, TAKE_LIMIT = range(6)
LIQUIDATION = 8
CONDITIONAL = frozenset({STOP, STOP_LIMIT, TAKE, TAKE_LIMIT})
IOC, GTT, POST_ONLY = range(3)
TYPE_TEXTS = {
    LIMIT: "limit",
    MARKET: "market",
    STOP: "stop-loss",
    STOP_LIMIT: "stop-loss-limit",
    TAKE: "take-profit",
    TAKE_LIMIT: "take-profit-limit",
    LIQUIDATION: "liquidation",
}
TIF_TEXTS = ("immediate-or-cancel", "good-till-time", "post-only")
STATUSES = (
    "in-progress",
    "pending",
    "open",
    "filled",
    "canceled",
    "canceled-post-only",
    "canceled-reduce-only",
    "canceled-position-not-allowed",
    "canceled-margin-not-allowed",
    "canceled-too-much-slippage",
    "canceled-not-enough-liquidity",
    "canceled-self-trade",
    "canceled-expired",
    "canceled-oco",
    "canceled-child",
    "canceled-liquidation",
    "canceled-invalid-balance",
)
STATUS_NUMBERS = {text: number for number, text in enumerate(STATUSES)}
LIVE = frozenset({"in-progress", "pending", "open"})


def is_limit_kind(order_type: int) -> bool:
    """Whether an order of this type, once active, may rest at its price."""
    return order_type in (LIMIT, STOP_LIMIT, TAKE_LIMIT)


@dataclass(slots=True, eq=False, repr=False)
class Order:
    """One order, from creation until long after its end."""

    index: int
    client_index: int
    account: Account
    market: Market
    is_ask: bool
    type: int
    tif: int
    reduce_only: bool
    price: int
    size: int
    trigger: int
    expiry_ms: int
    created_us: int
    tx_hash: str = ""
    self_trade: int = 0
    integrator: tuple[int, int, int] = (0, 0, 0)  # account, taker fee, maker fee

    status: str = "in-progress"
    trigger_status: str = "na"
    trigger_ms: int = 0
    filled: int = 0
    filled_quote: int = 0
    nonce: int = 0
    block: int = 0
    version: int = 0
    updated_us: int = 0
    reserved: int = 0  # margin held for it
    locked: int = 0  # units of the spot asset it would spend
    engine: EngineOrder | None = None
    parent: Order | None = None
    children: list[Order] = field(default_factory=list)
    rival: Order | None = None  # the other half of a one-cancels-the-other pair
    _spelled: tuple[int, str, orjson.Fragment] | None = None  # as of this nonce and status

    def __repr__(self) -> str:
        market = self.market
        return (
            f"<Order {self.index} {self.side.name} {market.size(self.size)} {market.symbol} @ "
            f"{market.price(self.price)} {self.status}, filled {market.size(self.filled)}>"
        )

    @property
    def side(self) -> Side:
        return Side.SELL if self.is_ask else Side.BUY

    @property
    def is_live(self) -> bool:
        return self.status in LIVE

    @property
    def remaining(self) -> int:
        return self.size - self.filled if self.is_live else 0

    @property
    def waits(self) -> bool:
        """Whether a condition has yet to come true."""
        return self.status == "pending"

    def json(self) -> orjson.Fragment:
        """Return `row` as JSON, spelled once per change."""
        spelled = self._spelled
        if spelled is None or spelled[0] != self.nonce or spelled[1] != self.status:
            fragment = orjson.Fragment(orjson.dumps(self.row()))
            spelled = self._spelled = (self.nonce, self.status, fragment)
        return spelled[2]

    def row(self) -> dict[str, Any]:
        """Return the order as REST and the streams show it."""
        market = self.market
        created_ms = self.created_us // 1_000
        updated_ms = self.updated_us // 1_000
        parent = self.parent.index if self.parent is not None else 0
        children = [str(child.index) for child in self.children] + ["0", "0"]
        return {
            "order_index": self.index,
            "client_order_index": self.client_index,
            "order_id": str(self.index),
            "client_order_id": str(self.client_index),
            "market_index": market.market_id,
            "owner_account_index": self.account.index,
            "initial_base_amount": market.size(self.size),
            "price": market.price(self.price),
            "nonce": self.nonce,
            "remaining_base_amount": market.size(self.remaining),
            "is_ask": self.is_ask,
            "base_size": self.size,
            "base_price": self.price,
            "filled_base_amount": market.size(self.filled),
            "filled_quote_amount": fixed(self.filled_quote, 6),
            "side": "sell" if self.is_ask else "buy",
            "type": TYPE_TEXTS[self.type],
            "time_in_force": TIF_TEXTS[self.tif],
            "reduce_only": self.reduce_only,
            "trigger_price": market.price(self.trigger),
            "order_expiry": self.expiry_ms,
            "status": self.status,
            "trigger_status": self.trigger_status,
            "trigger_time": self.trigger_ms,
            "parent_order_index": parent,
            "parent_order_id": str(parent),
            "to_trigger_order_id_0": children[0],
            "to_trigger_order_id_1": children[1],
            "to_cancel_order_id_0": str(self.rival.index) if self.rival is not None else "0",
            "integrator_fee_collector_index": str(self.integrator[0]),
            "integrator_taker_fee": str(self.integrator[1]),
            "integrator_maker_fee": str(self.integrator[2]),
            "block_height": self.block,
            "timestamp": updated_ms,
            "created_at": created_ms,
            "updated_at": updated_ms,
            "transaction_time": self.updated_us,
            "order_flags": 0,
            "order_version": self.version,
            "market_symbol": market.symbol,
            "market_kind": market.kind,
        }

    def simple_row(self) -> dict[str, Any]:
        """Return the order as `orderBookOrders` shows it."""
        return {
            "order_index": self.index,
            "order_id": str(self.index),
            "owner_account_index": self.account.index,
            "initial_base_amount": self.market.size(self.size),
            "remaining_base_amount": self.market.size(self.remaining),
            "price": self.market.price(self.price),
            "order_expiry": self.expiry_ms,
            "transaction_time": self.updated_us,
        }

    def event(self) -> dict[str, Any]:
        """Return the order as `event_info` of a transaction shows it, integers only."""
        return {
            "i": self.index,
            "u": self.client_index,
            "a": self.account.index,
            "is": self.size,
            "p": self.price,
            "rs": self.remaining,
            "ia": int(self.is_ask),
            "ot": self.type,
            "f": self.tif,
            "ro": int(self.reduce_only),
            "tp": self.trigger,
            "e": self.expiry_ms,
            "st": STATUS_NUMBERS[self.status],
        }
