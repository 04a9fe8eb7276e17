"""Limits per IP of section 11.1, enforced as far as `SimConfig.limits` names them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..windows import RollingWindow

if TYPE_CHECKING:
    from ..clock import SimClock
    from .config import SimConfig

__all__ = ["MESSAGES", "POSTS", "SUBSCRIPTIONS", "USERS", "Limits"]

MINUTE_NS = 60_000_000_000
WEIGHT = 1_200
MESSAGES = 2_000
NEW_CONNECTIONS = 30
SUBSCRIPTIONS = 1_000
USERS = 10
POSTS = 100


class Limits:
    """Counts what all clients of this simulator do together: they share one IP."""

    def __init__(self, config: SimConfig, clock: SimClock) -> None:
        self._config = config
        self._clock = clock
        self._weight = RollingWindow(MINUTE_NS)
        self._messages = RollingWindow(MINUTE_NS)
        self._connections = RollingWindow(MINUTE_NS)
        self.refusals = 0

    def on(self, name: str) -> bool:
        return name in self._config.limits

    def _over(self, name: str, window: RollingWindow, weight: int, most: int) -> bool:
        now_ns = self._clock.elapsed_ns()
        used = window.used(now_ns)
        if self.on(name) and used + weight > most:
            self.refusals += 1
            return True
        window.add(now_ns, weight)
        return False

    def too_heavy(self, weight: int) -> bool:
        """Count a request; true if it is more than the minute's weight allows (429)."""
        return self._over("weight", self._weight, weight, WEIGHT)

    def add_weight(self, weight: int) -> None:
        """Debit what an answer cost on top."""
        if weight:
            self._weight.add(self._clock.elapsed_ns(), weight)

    def too_many_messages(self) -> bool:
        return self._over("messages", self._messages, 1, MESSAGES)

    def too_many_new_connections(self) -> bool:
        return self._over("new_connections", self._connections, 1, NEW_CONNECTIONS)

    @property
    def weight_used(self) -> int:
        return self._weight.used(self._clock.elapsed_ns())
