"""What the exchange tells the publisher: outcomes of transactions, and all that changed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..engine_order import Side
from .accounts import Account
from .orders import Order
from .trades import Trade
from .tx import Tx

__all__ = ["EXECUTED", "FAILED", "PENDING", "Changes", "TxRow"]

FAILED, PENDING, EXECUTED = 0, 1, 2


@dataclass(slots=True, eq=False)
class TxRow:
    """One transaction from acceptance to its outcome."""

    hash: str
    tx: Tx
    queued_us: int
    sequence: int
    status: int = PENDING
    event_info: str = ""
    executed_us: int = 0
    block: int = 0

    def row(self) -> dict[str, Any]:
        return {
            "hash": self.hash,
            "type": self.tx.tx_type,
            "info": self.tx.raw,
            "event_info": self.event_info,
            "status": self.status,
            "transaction_index": self.sequence,
            "l1_address": f"0x{self.tx.account_index:040x}",
            "account_index": self.tx.account_index,
            "nonce": self.tx.nonce,
            "expire_at": self.tx.expired_at_ms,
            "block_height": self.block,
            "queued_at": self.queued_us // 1_000,
            "executed_at": self.executed_us // 1_000,
            "sequence_index": self.sequence,
            "parent_hash": "",
            "api_key_index": self.tx.api_key_index,
            "transaction_time": self.executed_us,
        }


@dataclass(slots=True)
class Changes:
    """What happened since the publisher looked last."""

    orders: dict[int, dict[int, Order]] = field(default_factory=dict)
    trades: list[Trade] = field(default_factory=list)
    positions: dict[int, Account] = field(default_factory=dict)
    balances: dict[int, Account] = field(default_factory=dict)
    txs: list[TxRow] = field(default_factory=list)
    levels: dict[int, dict[tuple[Side, int], int]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(
            self.orders or self.trades or self.positions or self.balances or self.txs or self.levels
        )
