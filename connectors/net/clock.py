"""Time sources: one that measures spans, one that dates events, and a manual pair for tests."""

from __future__ import annotations

import time
from typing import Protocol

__all__ = ["NS_PER_MS", "NS_PER_S", "SYSTEM_CLOCK", "Clock", "ManualClock", "SystemClock", "to_ns"]

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000


def to_ns(seconds: float) -> int:
    """Convert seconds to whole nanoseconds."""
    return round(seconds * NS_PER_S)


class Clock(Protocol):
    """What the sans-I/O parts need to know about time; both values are in ns."""

    def monotonic_ns(self) -> int:
        """Return a time that never goes back; only differences mean something."""

    def wall_ns(self) -> int:
        """Return Unix time; it may jump when the host's clock is set."""


class SystemClock:
    """The host's clocks."""

    __slots__ = ()

    def monotonic_ns(self) -> int:
        """Return the host's monotonic time in ns."""
        return time.monotonic_ns()

    def wall_ns(self) -> int:
        """Return the host's Unix time in ns."""
        return time.time_ns()


class ManualClock:
    """A clock that stands still until a test moves it.

    Parameters
    ----------
    monotonic_ns, wall_ns : int
        Start values.
    """

    __slots__ = ("_monotonic_ns", "_wall_ns")

    def __init__(self, *, monotonic_ns: int = 0, wall_ns: int = 0) -> None:
        self._monotonic_ns = monotonic_ns
        self._wall_ns = wall_ns

    def monotonic_ns(self) -> int:
        """Return the monotonic time in ns."""
        return self._monotonic_ns

    def wall_ns(self) -> int:
        """Return the Unix time in ns."""
        return self._wall_ns

    def advance(self, seconds: float) -> int:
        """Let time pass on both clocks and return the new monotonic time in ns."""
        if seconds < 0:
            raise ValueError("time does not run backwards; use step_wall for a clock step")
        self._monotonic_ns += to_ns(seconds)
        self._wall_ns += to_ns(seconds)
        return self._monotonic_ns

    def step_wall(self, seconds: float) -> None:
        """Set the wall clock forward or back, as NTP or an operator does."""
        self._wall_ns += to_ns(seconds)


SYSTEM_CLOCK: Clock = SystemClock()
