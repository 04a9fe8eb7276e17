"""Limits of section 15, enforced only when `SimConfig.limits` is on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..windows import RollingWindow

if TYPE_CHECKING:
    from ..clock import SimClock
    from .config import SimConfig

__all__ = ["Limits"]

MINUTE_NS = 60_000_000_000
MESSAGES_PER_MINUTE = 200
CONNECTIONS = 255
BUDGET = 24_000
WEIGHTS = {
    "sendTx": 6,
    "sendTxBatch": 6,
    "nextNonce": 6,
    "accountInactiveOrders": 100,
    "apikeys": 150,
    "transferFeeInfo": 500,
    "trades": 600,
    "recentTrades": 600,
}
OTHER_WEIGHT = 300


class Limits:
    """Rolling one-minute windows of what all clients of this simulator did together."""

    def __init__(self, config: SimConfig, clock: SimClock) -> None:
        self._config = config
        self._clock = clock
        self._messages = RollingWindow(MINUTE_NS)
        self._requests = RollingWindow(MINUTE_NS)
        self.refusals = 0

    def too_many_messages(self) -> bool:
        """Count a client frame; true if it is one too many (30009)."""
        if not self._config.limits:
            return False
        now_ns = self._clock.elapsed_ns()
        if self._messages.used(now_ns) >= MESSAGES_PER_MINUTE:
            self.refusals += 1
            return True
        self._messages.add(now_ns)
        return False

    def too_many_requests(self, endpoint: str) -> int:
        """Count a REST request; return after how many seconds to come back, 0 for welcome."""
        if not self._config.limits:
            return 0
        now_ns = self._clock.elapsed_ns()
        weight = WEIGHTS.get(endpoint, OTHER_WEIGHT)
        if self._requests.used(now_ns) + weight > BUDGET:
            self.refusals += 1
            return self._requests.retry_after_s(now_ns)
        self._requests.add(now_ns, weight)
        return 0
