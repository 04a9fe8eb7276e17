"""The budget of connection attempts that all sessions of the process share.

Venues count attempts per address, so twenty sockets that drop together must come
back one after the other (BN-S-14, BN-T-08).
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from .clock import SYSTEM_CLOCK, Clock
from .ratelimit import Quota, RateLimiter, WindowQuota

__all__ = ["AttemptBudget", "attempt_key", "is_loopback", "shared_attempts"]


class AttemptBudget:
    """Connection attempts per host; waiting callers are served in order of arrival.

    Parameters
    ----------
    quotas : tuple of quotas
        Limits of each host; the default is BN-S-14: 1/s in bursts of 5, and never
        more than 250 in any five minutes.
    clock : Clock
        Only its monotonic time is used.
    """

    __slots__ = ("_limiter",)

    def __init__(
        self,
        quotas: tuple[Quota | WindowQuota, ...] = (
            Quota(1, 1.0, burst=5),
            WindowQuota(250, 300.0),
        ),
        *,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._limiter = RateLimiter(default=quotas, clock=clock)

    async def acquire(self, host: str, *, timeout_s: float) -> None:
        """Wait for the right to make one attempt; QuotaExceeded when it takes too long."""
        await self._limiter.acquire(host, timeout_s=timeout_s)

    def try_acquire(self, host: str) -> bool:
        """Take the right to make one attempt if it is free and nobody waits for it."""
        return self._limiter.try_acquire(host)

    def time_until(self, host: str) -> float:
        """Return the seconds until an attempt is free, not counting those who wait."""
        return self._limiter.time_until(host)

    def hold(self, host: str, for_s: float) -> None:
        """Stop all attempts to a host that told one of us to stay away (BN-T-14)."""
        self._limiter.hold(host, for_s)


_shared = AttemptBudget()


def shared_attempts() -> AttemptBudget:
    """Return the one budget of this process."""
    return _shared


def is_loopback(host: str) -> bool:
    """Tell whether the host name or address can only be this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def attempt_key(url: str) -> str:
    """Return what the budget counts by: the host; with its port on loopback.

    A venue counts per address whatever the port; on this machine each port is
    another venue (simulators, gateways).
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    return f"{host}:{parts.port}" if is_loopback(host) else host
