"""Limits of section 15, enforced only when `SimConfig.limits` is on."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

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
        self._messages: deque[int] = deque()
        self._requests: deque[tuple[int, int]] = deque()
        self._used = 0
        self.refusals = 0

    def too_many_messages(self) -> bool:
        """Count a client frame; true if it is one too many (30009)."""
        if not self._config.limits:
            return False
        now_ns = self._clock.elapsed_ns()
        messages = self._messages
        while messages and messages[0] <= now_ns - MINUTE_NS:
            messages.popleft()
        if len(messages) >= MESSAGES_PER_MINUTE:
            self.refusals += 1
            return True
        messages.append(now_ns)
        return False

    def too_many_requests(self, endpoint: str) -> int:
        """Count a REST request; return after how many seconds to come back, 0 for welcome."""
        if not self._config.limits:
            return 0
        now_ns = self._clock.elapsed_ns()
        requests = self._requests
        while requests and requests[0][0] <= now_ns - MINUTE_NS:
            self._used -= requests.popleft()[1]
        weight = WEIGHTS.get(endpoint, OTHER_WEIGHT)
        if self._used + weight > BUDGET:
            self.refusals += 1
            return (requests[0][0] + MINUTE_NS - now_ns) // 1_000_000_000 + 1 if requests else 60
        self._used += weight
        requests.append((now_ns, weight))
        return 0
