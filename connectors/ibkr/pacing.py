"""What the venue lets a user name ask for, and what happens after a 429 (section 7).

Exceeding a limit costs ten minutes in the venue's penalty box, and repeat offenders their access.
So requests wait for their turn here; during a penalty nothing leaves but orders and one tickle a
minute.
"""

from __future__ import annotations

import re
import weakref
from enum import IntEnum
from typing import Final

from ..net.clock import NS_PER_S, SYSTEM_CLOCK, Clock, to_ns
from ..net.ratelimit import RateLimiter, WindowQuota
from .config import Config, Pacing
from .errors import InPenalty

__all__ = [
    "ALL",
    "HISTORIES_MAX",
    "SNAPSHOT_CONIDS_MAX",
    "SNAPSHOT_FIELDS_MAX",
    "Lane",
    "Pacer",
    "endpoint_key",
    "shared_pacer",
]

ALL: Final = "all"
HISTORIES_MAX: Final = 5  # at the same time (P-04)
SNAPSHOT_CONIDS_MAX, SNAPSHOT_FIELDS_MAX = 100, 50  # P-13
PENALTY_TICKLE_S: Final = 60.0
# The venue counts arrivals, and two requests may travel at different speed.
MARGIN_S: Final = 0.05


class Lane(IntEnum):
    """Who goes first where requests wait (P-10)."""

    READ = 0
    TICKLE = 1
    ORDER = 2
    CANCEL = 3


def _once_in(seconds: float) -> WindowQuota:
    return WindowQuota(1, seconds + MARGIN_S)


_FIVE_SECONDS = (
    "/iserver/account/orders",
    "/iserver/account/trades",
    "/iserver/account/pnl/partitioned",
    "/portfolio/accounts",
    "/portfolio/subaccounts",
)
_QUOTAS: Final[dict[str, tuple[WindowQuota, ...]]] = {
    "/iserver/marketdata/snapshot": (WindowQuota(10, 1.0 + MARGIN_S),),  # P-03
    "/iserver/marketdata/history": (  # P-04
        WindowQuota(10, 1.0 + MARGIN_S),
        WindowQuota(50, 60.0 + MARGIN_S),
    ),
    **{path: (_once_in(5.0),) for path in _FIVE_SECONDS},  # P-05
    "/tickle": (_once_in(1.0),),  # P-06
    "/iserver/scanner/run": (_once_in(1.0),),
    "/sso/validate": (_once_in(60.0),),  # P-07
    "/iserver/scanner/params": (_once_in(900.0),),  # P-08
}
# Families of endpoints of which each has a limit of its own.
_FAMILIES: Final = (("/fyi/", 1.0), ("/pa/", 900.0))
_POSTED: Final = re.compile(r"/iserver/account/[^/]+/orders")


def endpoint_key(method: str, path: str) -> str | None:
    """Return the key of an endpoint's own limit, None if it has none.

    Placing an order has the path of the list of orders, with the account in it, and no limit.
    """
    if path in _QUOTAS and not (method == "POST" and _POSTED.fullmatch(path)):
        return path
    if path.startswith(tuple(stem for stem, _ in _FAMILIES)):
        return path
    return None


class Pacer:
    """Limits of one user name at one gateway; shared by all its clients in this process.

    Attributes
    ----------
    limiter : RateLimiter
        `ALL` counts every request, the other keys are those of `endpoint_key`.
    penalties :
        How often the venue sent us away.
    """

    def __init__(self, pacing: Pacing, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._pacing = pacing
        self._clock = clock
        self.limiter = RateLimiter(
            {ALL: WindowQuota(pacing.per_second, 1.0 + MARGIN_S), **_QUOTAS}, clock=clock
        )
        self._families: dict[str, RateLimiter] = {
            stem: RateLimiter(default=(_once_in(seconds),), clock=clock)
            for stem, seconds in _FAMILIES
        }
        self._penalty_ends_ns = 0
        self._tickled_ns: int | None = None
        self.penalties = 0

    @property
    def penalty_left_s(self) -> float:
        """Seconds of penalty that are left, 0 without one."""
        return max(0.0, (self._penalty_ends_ns - self._clock.monotonic_ns()) / NS_PER_S)

    def began_penalty(self) -> bool:
        """Note a 429; True if it is the first of a penalty."""
        is_new = self.penalty_left_s == 0.0
        self.penalties += is_new
        self._penalty_ends_ns = self._clock.monotonic_ns() + to_ns(self._pacing.penalty_s)
        return is_new

    def admit(self, lane: Lane) -> None:
        """Refuse what must not leave during a penalty.

        Raises
        ------
        InPenalty
            `retry_after_s` says when to come back.
        """
        left_s = self.penalty_left_s
        if left_s == 0.0 or lane >= Lane.ORDER:
            return
        now = self._clock.monotonic_ns()
        if lane is Lane.TICKLE:
            due = self._tickled_ns is None or now - self._tickled_ns >= to_ns(PENALTY_TICKLE_S)
            if due:
                self._tickled_ns = now
                return
        raise InPenalty(
            429,
            f"the venue's penalty lasts {left_s:.0f} s more: nothing was sent",
            retry_after_s=left_s,
        )

    async def wait(self, key: str | None, lane: Lane, *, timeout_s: float) -> None:
        """Wait for an endpoint's own limit; QuotaExceeded when that takes too long.

        Separate from `ALL`, so that who waits here keeps nobody else from leaving.
        """
        if key is None:
            return
        limiter = self.limiter
        for stem, family in self._families.items():
            if key.startswith(stem):
                limiter = family
        await limiter.acquire(key, timeout_s=timeout_s, priority=lane)


_pacers: weakref.WeakValueDictionary[str, Pacer] = weakref.WeakValueDictionary()


def shared_pacer(config: Config) -> Pacer:
    """Return the limits of the config's gateway; those of its first client hold for all."""
    found = _pacers.get(config.base_url)
    if found is None:
        found = _pacers[config.base_url] = Pacer(config.pacing)
    return found
