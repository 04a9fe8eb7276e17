"""Request weight counted in the venue's fixed windows and corrected by its headers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import ClientError, ConfigError
from .clock import NS_PER_S, SYSTEM_CLOCK, Clock, to_ns
from .ratelimit import QuotaExceeded

__all__ = ["WeightCounter", "WeightWindow"]


@dataclass(frozen=True, slots=True)
class WeightWindow:
    """One limit of the venue: at most `limit` units in each interval.

    Intervals are fixed and start at multiples of `interval_s` of Unix time: a
    minute starts at second 0 (BN-R-42). `header` names the response header with
    the venue's own count, in any letter case.
    """

    name: str
    limit: int
    interval_s: float
    header: str | None = None

    def __post_init__(self) -> None:
        if self.limit < 1 or self.interval_s <= 0:
            raise ConfigError("a weight window needs limit >= 1 and interval_s > 0")


class _Count:
    __slots__ = ("header", "index", "interval_ns", "limit", "used")

    def __init__(self, window: WeightWindow) -> None:
        self.limit = window.limit
        self.interval_ns = to_ns(window.interval_s)
        self.header = window.header.lower() if window.header else None
        self.index = -1
        self.used = 0


class WeightCounter:
    """Spends weight only where the venue would accept it.

    Time is the wall clock read once and carried on by the monotonic clock, so a
    step of the host's clock does not open a second window; `sync` sets it to the
    venue's time.

    Parameters
    ----------
    windows : WeightWindow
        The limits.
    reserve_share : float
        Share of each limit that only requests with `reserved=True` may use: cancels
        and queries of own orders (BN-R-45).
    clock : Clock
        Time source.
    """

    __slots__ = ("_clock", "_counts", "_held_until_ns", "_offset_ns", "_reserve_share")

    def __init__(
        self, *windows: WeightWindow, reserve_share: float = 0.1, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        if not 0 <= reserve_share < 1:
            raise ConfigError("reserve_share must be in [0, 1)")
        self._clock = clock
        self._reserve_share = reserve_share
        self._counts = {window.name: _Count(window) for window in windows}
        self._offset_ns = clock.wall_ns() - clock.monotonic_ns()
        self._held_until_ns = 0

    def sync(self, venue_time_ns: int) -> None:
        """Set the time that the windows follow to the venue's (Unix ns)."""
        self._offset_ns = venue_time_ns - self._clock.monotonic_ns()

    def set_limit(self, name: str, limit: int) -> None:
        """Replace a limit by the one the venue publishes (BN-R-41)."""
        if limit < 1:
            raise ConfigError("a weight limit must be at least 1")
        self._counts[name].limit = limit

    def used(self, name: str) -> int:
        """Return what is spent in the current interval of a window."""
        count = self._counts[name]
        return count.used if count.index == self._index(count, self._now_ns()) else 0

    def time_until(self, costs: Mapping[str, int], *, reserved: bool = False) -> float:
        """Return the seconds until the costs (by window name) can be spent, 0 for now."""
        monotonic_ns = self._clock.monotonic_ns()
        now_ns = self._now_ns()
        delay_ns = max(0, self._held_until_ns - monotonic_ns)
        for name, cost in costs.items():
            count = self._counts[name]
            allowed = count.limit if reserved else self._open_part(count)
            if cost > allowed:
                raise ClientError(f"cost {cost} is above the limit {allowed} of {name!r}")
            index = self._index(count, now_ns)
            used = count.used if count.index == index else 0
            if used + cost > allowed:
                delay_ns = max(delay_ns, (index + 1) * count.interval_ns - now_ns)
        return delay_ns / NS_PER_S

    def try_take(self, costs: Mapping[str, int], *, reserved: bool = False) -> bool:
        """Spend the costs if that is possible now."""
        if self.time_until(costs, reserved=reserved) > 0:
            return False
        now_ns = self._now_ns()
        for name, cost in costs.items():
            count = self._counts[name]
            self._roll(count, now_ns)
            count.used += cost
        return True

    async def take(
        self, costs: Mapping[str, int], *, reserved: bool = False, timeout_s: float
    ) -> None:
        """Spend the costs, waiting for the next interval if need be.

        Raises
        ------
        QuotaExceeded
            At once when the wait would be longer than `timeout_s`.
        """
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + timeout_s
        while not self.try_take(costs, reserved=reserved):
            delay_s = self.time_until(costs, reserved=reserved)
            if loop.time() + delay_s > deadline_s:
                raise QuotaExceeded(
                    f"request weight {dict(costs)}: not free within {timeout_s:g} s",
                    retry_after_s=delay_s,
                )
            await asyncio.sleep(delay_s)

    def mark(self) -> int:
        """Return a time stamp to hand to `observe` with the response of a request."""
        return self._now_ns()

    def observe(self, headers: Mapping[str, str], mark: int) -> None:
        """Take the venue's counts over where they are larger than ours (BN-R-43).

        A count is used only if the request was sent in the interval that still
        runs: a late answer must not fill the next one.
        """
        lower = {name.lower(): value for name, value in headers.items()}
        now_ns = self._now_ns()
        for count in self._counts.values():
            text = lower.get(count.header) if count.header else None
            if text is None or not text.isdecimal():
                continue
            if self._index(count, mark) == self._index(count, now_ns):
                self._roll(count, now_ns)
                count.used = max(count.used, int(text))

    def hold(self, for_s: float) -> None:
        """Spend nothing for that long: the venue said Retry-After (BN-R-44)."""
        until_ns = self._clock.monotonic_ns() + to_ns(for_s)
        self._held_until_ns = max(self._held_until_ns, until_ns)

    def _open_part(self, count: _Count) -> int:
        return max(1, count.limit - round(count.limit * self._reserve_share))

    def _now_ns(self) -> int:
        return self._clock.monotonic_ns() + self._offset_ns

    @staticmethod
    def _index(count: _Count, now_ns: int) -> int:
        return now_ns // count.interval_ns

    def _roll(self, count: _Count, now_ns: int) -> None:
        index = self._index(count, now_ns)
        if count.index != index:
            count.index = index
            count.used = 0
