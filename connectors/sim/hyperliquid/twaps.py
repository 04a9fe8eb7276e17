"""TWAP orders: a slice every 30 seconds, each an IOC order near the mark (7.3)."""

from __future__ import annotations

import contextlib
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .errors import OrderError

if TYPE_CHECKING:
    from .accounts import Account
    from .exchange import Exchange
    from .markets import Market

__all__ = ["Twaps"]

SLICE_MS = 30_000
SLIPPAGE_PERCENT = 3


@dataclass(slots=True, eq=False)
class Twap:
    twap_id: int
    account: Account
    market: Market
    is_buy: bool
    lots: int
    reduce_only: bool
    minutes: int
    randomize: bool
    started_ms: int
    next_ms: int
    done_lots: int = 0
    done_value: int = 0

    def state(self) -> dict[str, Any]:
        market = self.market
        return {
            "coin": market.coin,
            "user": self.account.address,
            "side": "B" if self.is_buy else "A",
            "sz": market.size(self.lots),
            "executedSz": market.size(self.done_lots),
            "executedNtl": f"{self.done_value / 10**8:.6f}",
            "minutes": self.minutes,
            "reduceOnly": self.reduce_only,
            "randomize": self.randomize,
            "timestamp": self.started_ms,
        }


class Twaps:
    """Runs what is active and sends the slices that are due."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._active: dict[int, Twap] = {}
        self._last_id = 0
        self._random = random.Random(f"hyperliquid-sim/twap/{exchange.config.seed}")

    def of(self, account: Account) -> list[Twap]:
        return [twap for twap in self._active.values() if twap.account is account]

    def start(
        self, account: Account, market: Market, *, is_buy: bool, lots: int, reduce_only: bool,
        minutes: int, randomize: bool,
    ) -> int:  # fmt: skip
        self._last_id += 1
        now_ms = self._exchange.clock.now_ms()
        twap = Twap(
            self._last_id, account, market, is_buy, lots, reduce_only, minutes, randomize,
            now_ms, now_ms,
        )  # fmt: skip
        self._active[twap.twap_id] = twap
        self._tell(twap, "activated")
        return twap.twap_id

    def stop(self, account: Account, twap_id: int) -> bool:
        twap = self._active.get(twap_id)
        if twap is None or twap.account is not account:
            return False
        self._end(twap, "terminated")
        return True

    def _end(self, twap: Twap, status: str) -> None:
        del self._active[twap.twap_id]
        self._tell(twap, status)

    def _tell(self, twap: Twap, status: str) -> None:
        row = {
            "time": self._exchange.clock.now_ms() // 1_000,
            "state": twap.state(),
            "status": {"status": status},
            "twapId": twap.twap_id,
        }
        twap.account.twap_history.append(row)
        self._exchange.tell(twap.account, "twap", row)

    def advance(self, now_ms: int) -> None:
        """Send the slices that are due."""
        for twap in list(self._active.values()):
            while twap.twap_id in self._active and twap.next_ms <= now_ms:
                self._slice(twap)

    def _slice(self, twap: Twap) -> None:
        exchange, market = self._exchange, twap.market
        end_ms = twap.started_ms + twap.minutes * 60_000
        left = max((end_ms - twap.next_ms) // SLICE_MS, 1)
        lots = -(-(twap.lots - twap.done_lots) // left)
        twap.next_ms += SLICE_MS
        if twap.randomize and left > 1:
            lots = max(int(lots * self._random.uniform(0.8, 1.2)), 1)
        lots = min(lots, twap.lots - twap.done_lots)
        factor = 100 + (SLIPPAGE_PERCENT if twap.is_buy else -SLIPPAGE_PERCENT)
        px = market.round_price(market.mark * factor // 100)
        order = exchange.make(
            twap.account, market, is_buy=twap.is_buy, px=px, lots=lots, tif="Ioc",
            reduce_only=twap.reduce_only,
        )  # fmt: skip
        order.twap_id = twap.twap_id
        exchange.new_hash()
        with contextlib.suppress(OrderError):  # the next slices make up for one that finds nothing
            exchange.place(order)
        exchange.settle()
        twap.done_lots += order.filled_lots
        twap.done_value += order.filled_value
        for row in list(twap.account.fills):
            if row["oid"] == order.oid:
                entry = {"fill": row, "twapId": twap.twap_id}
                twap.account.twap_fills.append(entry)
                exchange.tell(twap.account, "twap_fill", entry)
        if twap.done_lots >= twap.lots or twap.next_ms >= end_ms:
            self._end(twap, "finished")
