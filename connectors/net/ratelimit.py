"""Keyed rate limits that are fair to those who wait.

Two ways of counting: `Quota` is a GCRA (a steady rate with a burst), `WindowQuota`
an exact sliding window (never more than `limit` in any span of its length). A key
may have several; a request may name several keys and is let through when all agree.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from ..errors import ClientError, ConfigError
from .clock import NS_PER_S, SYSTEM_CLOCK, Clock, to_ns

__all__ = ["Quota", "QuotaExceeded", "RateLimiter", "WindowQuota"]


class QuotaExceeded(ClientError):
    """Our own limiter holds the request back; nothing was sent.

    Attributes
    ----------
    retry_after_s : float
        Seconds after which the request may pass.
    """

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class _Meter(Protocol):
    """One count; `cost` is how many units a request takes."""

    capacity: int

    def delay_ns(self, now_ns: int, cost: int) -> int:
        """Return after how long the cost can be taken, 0 for now."""

    def take(self, now_ns: int, cost: int) -> None:
        """Take the cost, whether or not it is there."""

    def slow_down(self, factor: float, until_ns: int) -> None:
        """Let units come back `factor` times slower until then."""


@dataclass(frozen=True, slots=True)
class Quota:
    """At most `limit` units per `period_s`, in bursts of at most `burst` (default: limit)."""

    limit: int
    period_s: float
    burst: int | None = None

    def __post_init__(self) -> None:
        if self.limit < 1 or self.period_s <= 0 or (self.burst is not None and self.burst < 1):
            raise ConfigError("a quota needs limit >= 1, period_s > 0 and burst >= 1")

    def meter(self) -> _Meter:
        """Return a fresh counter."""
        return _Gcra(to_ns(self.period_s) / self.limit, self.burst or self.limit)


@dataclass(frozen=True, slots=True)
class WindowQuota:
    """At most `limit` units in any span of `period_s`, wherever it starts."""

    limit: int
    period_s: float

    def __post_init__(self) -> None:
        if self.limit < 1 or self.period_s <= 0:
            raise ConfigError("a window quota needs limit >= 1 and period_s > 0")

    def meter(self) -> _Meter:
        """Return a fresh counter."""
        return _SlidingWindow(self.limit, to_ns(self.period_s))


class _Gcra:
    """Generic cell rate algorithm: one number, the time at which the bucket is full again."""

    __slots__ = ("_full_at_ns", "_interval_ns", "_slow_factor", "_slow_until_ns", "capacity")

    def __init__(self, interval_ns: float, burst: int) -> None:
        self._interval_ns = interval_ns
        self._full_at_ns = 0.0
        self._slow_factor = 1.0
        self._slow_until_ns = 0
        self.capacity = burst

    def _interval_at(self, now_ns: int) -> float:
        if now_ns < self._slow_until_ns:
            return self._interval_ns * self._slow_factor
        return self._interval_ns

    def delay_ns(self, now_ns: int, cost: int) -> int:
        full_at_ns = self._full_at_ns
        if full_at_ns < now_ns:
            full_at_ns = now_ns
        excess_ns = full_at_ns - now_ns + (cost - self.capacity) * self._interval_at(now_ns)
        return round(excess_ns) if excess_ns > 0 else 0

    def take(self, now_ns: int, cost: int) -> None:
        full_at_ns = self._full_at_ns
        if full_at_ns < now_ns:
            full_at_ns = now_ns
        self._full_at_ns = full_at_ns + cost * self._interval_at(now_ns)

    def slow_down(self, factor: float, until_ns: int) -> None:
        self._slow_factor = factor
        self._slow_until_ns = until_ns


class _SlidingWindow:
    """Times of the units taken within the last period, oldest first."""

    __slots__ = ("_period_ns", "_taken_ns", "capacity")

    def __init__(self, limit: int, period_ns: int) -> None:
        self._period_ns = period_ns
        self._taken_ns: deque[int] = deque()
        self.capacity = limit

    def delay_ns(self, now_ns: int, cost: int) -> int:
        taken = self._taken_ns
        while taken and taken[0] + self._period_ns <= now_ns:
            taken.popleft()
        excess = len(taken) + cost - self.capacity
        if excess <= 0:
            return 0
        return taken[excess - 1] + self._period_ns - now_ns

    def take(self, now_ns: int, cost: int) -> None:
        self._taken_ns.extend([now_ns] * cost)

    def slow_down(self, factor: float, until_ns: int) -> None:
        """A window has no rate to slow down; its limit already holds."""


class _Waiter:
    """One caller of `acquire` in the queues of its keys."""

    __slots__ = ("cost", "keys", "loop", "priority", "woken")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, keys: tuple[str, ...], cost: int, priority: int
    ) -> None:
        self.loop = loop
        self.keys = keys
        self.cost = cost
        self.priority = priority
        self.woken = asyncio.Event()

    def wake(self) -> None:
        """Let the caller look again; callable from any thread."""
        try:
            self.loop.call_soon_threadsafe(self.woken.set)
        except RuntimeError:  # its loop is closed, so nobody waits there any more
            self.woken.set()


class RateLimiter:
    """Limits per key, shared by any number of tasks, loops and threads.

    Callers of `acquire` are served by priority, then in order of arrival, per key, and nobody
    overtakes them through `try_acquire`.

    Parameters
    ----------
    quotas : mapping of str to one quota or a tuple of them
        The limits of each known key.
    default : tuple of quotas
        Limits that each other key gets for itself; without any, other keys are free.
    clock : Clock
        Only its monotonic time is used.
    """

    __slots__ = (
        "__weakref__",
        "_clock",
        "_default",
        "_held_until_ns",
        "_lock",
        "_meters",
        "_queues",
        "waited",
    )

    def __init__(
        self,
        quotas: Mapping[str, Quota | WindowQuota | tuple[Quota | WindowQuota, ...]] | None = None,
        *,
        default: tuple[Quota | WindowQuota, ...] = (),
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._clock = clock
        self._default = default
        self._lock = threading.Lock()
        self._meters: dict[str, tuple[_Meter, ...]] = {}
        for key, given in (quotas or {}).items():
            several = given if isinstance(given, tuple) else (given,)
            self._meters[key] = tuple(quota.meter() for quota in several)
        self._queues: dict[str, deque[_Waiter]] = {}
        self._held_until_ns: dict[str, int] = {}
        self.waited = 0  # callers that had to wait, for metrics

    def try_acquire(self, *keys: str, cost: int = 1) -> bool:
        """Take `cost` units of every key if that is possible now and nobody waits before."""
        # In one pass: it stands before every order.
        if cost < 1:
            raise ClientError("a rate limit cost must be at least 1")
        with self._lock:
            now_ns = self._clock.monotonic_ns()
            is_free = True
            for key in keys:
                if self._queues.get(key) or now_ns < self._held_until_ns.get(key, 0):
                    is_free = False
                for meter in self._meters.get(key) or self._meters_of(key):
                    if cost > meter.capacity:
                        raise _too_much(key, cost, meter.capacity)
                    if is_free and meter.delay_ns(now_ns, cost) > 0:
                        is_free = False
            if is_free:
                for key in keys:
                    for meter in self._meters[key]:
                        meter.take(now_ns, cost)
            return is_free

    def debit(self, key: str, cost: int = 1) -> None:
        """Take units for what was sent without asking, even if they are not there.

        What asks afterwards waits until they have come back.
        """
        if cost < 1:
            raise ClientError("a rate limit cost must be at least 1")
        with self._lock:
            now_ns = self._clock.monotonic_ns()
            for meter in self._meters_of(key):
                meter.take(now_ns, cost)

    def time_until(self, *keys: str, cost: int = 1) -> float:
        """Return the seconds until `cost` units are free, not counting those who wait."""
        self._check(keys, cost)
        with self._lock:
            return self._delay_ns(keys, cost) / NS_PER_S

    async def acquire(self, *keys: str, cost: int = 1, timeout_s: float, priority: int = 0) -> None:
        """Take `cost` units of every key, waiting in line behind those of the same priority.

        A higher priority goes first, so that an order does not wait for the polls before it.

        Raises
        ------
        QuotaExceeded
            When it takes longer than `timeout_s`; raised at once when that is certain.
        """
        if self.try_acquire(*keys, cost=cost):
            return
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + timeout_s
        waiter = _Waiter(loop, keys, cost, priority)
        with self._lock:
            self.waited += 1
            for key in keys:
                _line_up(self._queues.setdefault(key, deque()), waiter)
        try:
            while True:
                with self._lock:
                    waiter.woken.clear()
                    first = all(self._queues[key][0] is waiter for key in keys)
                    if first and self._take_if_free(keys, cost):
                        return
                    delay_s = self._delay_ns(keys, cost) / NS_PER_S
                left_s = deadline_s - loop.time()
                if left_s <= 0 or (first and delay_s > left_s):
                    raise QuotaExceeded(
                        f"rate limit {'+'.join(keys)}: not free within {timeout_s:g} s",
                        retry_after_s=max(delay_s, 0.0),
                    )
                await _wait(waiter.woken, min(delay_s, left_s) if first else left_s)
        finally:
            self._leave(waiter)

    def hold(self, key: str, for_s: float) -> None:
        """Let nothing through for this key for that long (a venue's Retry-After)."""
        with self._lock:
            until_ns = self._clock.monotonic_ns() + to_ns(for_s)
            self._held_until_ns[key] = max(until_ns, self._held_until_ns.get(key, 0))

    def slow_down(self, key: str, *, factor: float, for_s: float) -> None:
        """Divide the rate of this key's steady quotas by `factor` for that long."""
        if factor < 1:
            raise ConfigError("slow_down needs a factor of at least 1")
        with self._lock:
            until_ns = self._clock.monotonic_ns() + to_ns(for_s)
            for meter in self._meters_of(key):
                meter.slow_down(factor, until_ns)

    def _check(self, keys: tuple[str, ...], cost: int) -> None:
        if cost < 1:
            raise ClientError("a rate limit cost must be at least 1")
        with self._lock:
            for key in keys:
                for meter in self._meters_of(key):
                    if cost > meter.capacity:
                        raise _too_much(key, cost, meter.capacity)

    def _meters_of(self, key: str) -> tuple[_Meter, ...]:
        meters = self._meters.get(key)
        if meters is None:
            meters = self._meters[key] = tuple(quota.meter() for quota in self._default)
        return meters

    def _delay_ns(self, keys: tuple[str, ...], cost: int) -> int:
        now_ns = self._clock.monotonic_ns()
        delay_ns = 0
        for key in keys:
            delay_ns = max(delay_ns, self._held_until_ns.get(key, 0) - now_ns)
            for meter in self._meters_of(key):
                delay_ns = max(delay_ns, meter.delay_ns(now_ns, cost))
        return delay_ns

    def _take_if_free(self, keys: tuple[str, ...], cost: int) -> bool:
        if self._delay_ns(keys, cost) > 0:
            return False
        now_ns = self._clock.monotonic_ns()
        for key in keys:
            for meter in self._meters_of(key):
                meter.take(now_ns, cost)
        return True

    def _leave(self, waiter: _Waiter) -> None:
        with self._lock:
            next_ones: list[_Waiter] = []
            for key in waiter.keys:
                queue = self._queues[key]
                queue.remove(waiter)
                if queue:
                    next_ones.append(queue[0])
                else:
                    del self._queues[key]
        for other in next_ones:
            other.wake()


def _line_up(queue: deque[_Waiter], waiter: _Waiter) -> None:
    """Put a waiter behind all of its priority: the order is the same in each of its queues."""
    place = len(queue)
    while place and queue[place - 1].priority < waiter.priority:
        place -= 1
    queue.insert(place, waiter)


def _too_much(key: str, cost: int, capacity: int) -> ClientError:
    return ClientError(f"cost {cost} is above the burst {capacity} of {key!r}: split the request")


async def _wait(event: asyncio.Event, timeout_s: float) -> None:
    """Wait for the event or the end of the time, whichever is first."""
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        pass
