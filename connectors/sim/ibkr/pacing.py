"""Limits of requests and the penalty box (section 7)."""

from __future__ import annotations

import re
from collections import Counter

from ..clock import SimClock
from ..windows import RollingWindow
from .config import SimConfig

__all__ = ["Pacing"]

S = 1_000_000_000
_LIMITS: tuple[tuple[str, int, float], ...] = (
    (r"/iserver/marketdata/snapshot", 10, 1),
    (r"/iserver/marketdata/history", 10, 1),
    (r"/iserver/account/orders", 1, 5),
    (r"/iserver/account/trades", 1, 5),
    (r"/iserver/account/pnl/partitioned", 1, 5),
    (r"/portfolio/accounts", 1, 5),
    (r"/portfolio/subaccounts", 1, 5),
    (r"/tickle", 1, 1),
    (r"/iserver/scanner/run", 1, 1),
    (r"/sso/validate", 1, 60),
    (r"/iserver/scanner/params", 1, 900),
)
"""Requests of a path, and seconds in which there may be so many (P-03 to P-08)."""
_HISTORY_PER_MINUTE = 50
_EXEMPT = re.compile(r"/iserver/account/[^/]+/orders?(/.*)?|/iserver/reply/.*|/tickle")


class Pacing:
    """Counts requests; who exceeds a limit is in the penalty box (P-09).

    In the box everything is refused but orders, and tickles once a minute.

    Attributes
    ----------
    exceeded
        How often each limit was.
    ignored
        Requests made in the box, which a client should not make.
    """

    def __init__(self, config: SimConfig, clock: SimClock) -> None:
        self._config = config
        self._clock = clock
        self._all = RollingWindow(S)
        self._paths = {path: RollingWindow(int(span * S)) for path, _, span in _LIMITS}
        self._minute = RollingWindow(60 * S)
        self._box_tickles = RollingWindow(60 * S)
        self._until_ns = 0
        self.exceeded: Counter[str] = Counter()
        self.ignored = 0

    @property
    def penalty_s(self) -> float:
        """Return how long the box still holds."""
        return max(self._until_ns - self._clock.elapsed_ns(), 0) / 1e9

    def punish(self, seconds: float) -> None:
        """Put the user into the box."""
        self._until_ns = self._clock.elapsed_ns() + int(seconds * 1e9)

    def pardon(self) -> None:
        self._until_ns = 0

    def refuses(self, method: str, path: str) -> bool:
        """Count a request; whether it is answered with 429."""
        now_ns = self._clock.elapsed_ns()
        exempt = _EXEMPT.fullmatch(path) is not None
        if now_ns < self._until_ns:
            if path == "/tickle":
                return self._box_tickles.add(now_ns) > 1
            if exempt:
                return False
            self.ignored += 1
            return True
        if not self._config.pacing:
            return False
        over = self._over(method, path, now_ns)
        if over:
            self.exceeded[over] += 1
            self.punish(self._config.penalty_s)
        return bool(over)

    def _over(self, method: str, path: str, now_ns: int) -> str:
        """Return the limit that was exceeded, empty if none was."""
        if self._all.add(now_ns) > self._config.requests_per_s:
            return "all requests"
        for limited, most, _ in _LIMITS:
            if limited == path and method == _METHODS.get(path, "GET"):
                if self._paths[limited].add(now_ns) > most:
                    return limited
                break
        is_history = path == "/iserver/marketdata/history"
        if is_history and self._minute.add(now_ns) > _HISTORY_PER_MINUTE:
            return "history per minute"
        return ""


_METHODS = {"/tickle": "POST", "/iserver/scanner/run": "POST"}
