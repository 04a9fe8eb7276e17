"""The venue's request limits: weight per IP, orders per account, and what exceeding them costs.

Windows are fixed, not sliding: a minute starts at second 0 of the venue's clock (BN-R-42). The
simulator only listens on the loopback address, so there is one IP.
"""

from __future__ import annotations

from typing import Any

from ..clock import SimClock
from .config import SimConfig
from .types import ApiError, Cost

__all__ = ["Limits"]

MINUTE_MS = 60_000
TEN_SECONDS_MS = 10_000
LONGEST_BAN_MS = 3 * 86_400_000


class _Window:
    """A counter that starts again when its fixed window ends."""

    __slots__ = ("_index", "_period_ms", "_used")

    def __init__(self, period_ms: int) -> None:
        self._period_ms = period_ms
        self._index = -1
        self._used = 0

    def used(self, now_ms: int) -> int:
        index = now_ms // self._period_ms
        if index != self._index:
            self._index, self._used = index, 0
        return self._used

    def add(self, count: int, now_ms: int) -> int:
        self._used = self.used(now_ms) + count
        return self._used

    def left_s(self, now_ms: int) -> int:
        """Return the whole seconds until the window ends, at least 1."""
        return max(1, -(-(self._period_ms - now_ms % self._period_ms) // 1000))


class Limits:
    """Counters of weight and orders, 429 and 418 (BN-R-40 to BN-R-44).

    Attributes
    ----------
    omit_headers
        Leave the limit headers out of every reply (BN-M-40).
    refusals, bans
        How often a request was refused with 429, and how often that led to a ban.
    """

    def __init__(self, config: SimConfig, clock: SimClock) -> None:
        self._config = config
        self._clock = clock
        self._weight = _Window(MINUTE_MS)
        self._orders: dict[str, tuple[_Window, _Window]] = {}
        self._refused_in_a_row = 0
        self._next_ban_ms = 0
        self.banned_until_ms = 0
        self.limited_until_ms = 0
        self.omit_headers = False
        self.refusals = 0
        self.bans = 0

    @property
    def used_weight(self) -> int:
        return self._weight.used(self._clock.now_ms())

    def jump(self, *, weight: int = 0, orders: int = 0) -> None:
        """Let the counters leap, as if somebody else used the same IP and accounts (BN-M-40)."""
        now_ms = self._clock.now_ms()
        self._weight.add(weight, now_ms)
        if orders:
            for short, long in self._orders.values():
                short.add(orders, now_ms)
                long.add(orders, now_ms)

    def ban(self, seconds: float) -> None:
        """Answer 418 for that long."""
        self.bans += 1
        self.banned_until_ms = self._clock.now_ms() + int(seconds * 1000)

    def limit(self, seconds: float) -> None:
        """Answer 429 for that long, whatever the counters say."""
        self.limited_until_ms = self._clock.now_ms() + int(seconds * 1000)

    def lift(self) -> None:
        """End bans and forced refusals and forget what led to them."""
        self.banned_until_ms = self.limited_until_ms = 0
        self._refused_in_a_row = self._next_ban_ms = 0

    def admit(self, api_key: str | None = None, *, places_orders: bool = False) -> None:
        """Refuse a request that comes too early.

        Raises
        ------
        ApiError
            418 while banned, 429 while a window is used up; both carry Retry-After.
        """
        now_ms = self._clock.now_ms()
        if now_ms < self.banned_until_ms:
            raise ApiError(
                -1003,
                f"Way too many requests; IP banned until {self.banned_until_ms}. "
                "Please use the websocket for live updates to avoid bans.",
                status=418,
                headers={"Retry-After": str(-(-(self.banned_until_ms - now_ms) // 1000))},
            )
        limit = self._config.weight_per_minute
        if now_ms < self.limited_until_ms:
            self._refuse(-(-(self.limited_until_ms - now_ms) // 1000), _weight_text(limit))
        if self._weight.used(now_ms) >= limit:
            self._refuse(self._weight.left_s(now_ms), _weight_text(limit))
        if places_orders and api_key in self._orders:
            short, long = self._orders[api_key]
            for window, most, name in (
                (short, self._config.orders_per_10s, "TEN_SECONDS"),
                (long, self._config.orders_per_minute, "MINUTE"),
            ):
                if window.used(now_ms) >= most:
                    text = f"Too many new orders; current limit is {most} orders per {name}."
                    self._refuse(window.left_s(now_ms), text, code=-1015)
        self._refused_in_a_row = 0

    def _refuse(self, retry_after_s: int, text: str, *, code: int = -1003) -> None:
        self.refusals += 1
        self._refused_in_a_row += 1
        if self._refused_in_a_row > self._config.bans_after_429:
            self._refused_in_a_row = 0
            ban_ms = max(self._next_ban_ms, int(self._config.ban_s * 1000))
            self._next_ban_ms = min(ban_ms * 2, LONGEST_BAN_MS)
            self.ban(ban_ms / 1000)
            self.admit()
        raise ApiError(code, text, status=429, headers={"Retry-After": str(retry_after_s)})

    def count(self, api_key: str | None, cost: Cost) -> None:
        """Count an admitted request."""
        now_ms = self._clock.now_ms()
        self._weight.add(cost.weight, now_ms)
        if api_key is not None and (cost.orders_10s or cost.orders_1m):
            short, long = self._windows(api_key)
            short.add(cost.orders_10s, now_ms)
            long.add(cost.orders_1m, now_ms)

    def _windows(self, api_key: str) -> tuple[_Window, _Window]:
        windows = self._orders.get(api_key)
        if windows is None:
            windows = self._orders[api_key] = (_Window(TEN_SECONDS_MS), _Window(MINUTE_MS))
        return windows

    def charge(self, api_key: str | None, cost: Cost) -> list[dict[str, object]]:
        """Admit and count a websocket request; return the `rateLimits` of its reply.

        Raises
        ------
        ApiError
            As `admit`.
        """
        places_orders = bool(cost.orders_10s or cost.orders_1m)
        self.admit(api_key, places_orders=places_orders)
        self.count(api_key, cost)
        now_ms = self._clock.now_ms()
        rules = self.rules()
        used = [self._weight.used(now_ms)]
        if places_orders and api_key is not None:
            short, long = self._windows(api_key)
            used += [long.used(now_ms), short.used(now_ms)]
        return [{**rule, "count": count} for rule, count in zip(rules, used, strict=False)]

    def headers(self, api_key: str | None, cost: Cost) -> dict[str, str]:
        """Return the limit headers of a reply; order counts only where orders were counted."""
        if self.omit_headers:
            return {}
        now_ms = self._clock.now_ms()
        headers = {"X-MBX-USED-WEIGHT-1M": str(self._weight.used(now_ms))}
        if api_key is not None and (cost.orders_10s or cost.orders_1m):
            short, long = self._windows(api_key)
            headers["X-MBX-ORDER-COUNT-10S"] = str(short.used(now_ms))
            headers["X-MBX-ORDER-COUNT-1M"] = str(long.used(now_ms))
        return headers

    def rules(self) -> list[dict[str, Any]]:
        """Return `rateLimits` of exchangeInfo."""
        config = self._config
        return [
            {"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": limit}
            for kind, interval, number, limit in (
                ("REQUEST_WEIGHT", "MINUTE", 1, config.weight_per_minute),
                ("ORDERS", "MINUTE", 1, config.orders_per_minute),
                ("ORDERS", "SECOND", 10, config.orders_per_10s),
            )
        ]


def _weight_text(limit: int) -> str:
    return (
        f"Too many requests; current limit of IP(127.0.0.1) is {limit} requests per minute. "
        "Please use the websocket for live updates to avoid polling the API."
    )
