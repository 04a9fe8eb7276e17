"""So many actions per second of simulated time."""

from __future__ import annotations

from .clock import SimClock

__all__ = ["Pace"]


class Pace:
    """Says how many actions are due since it was last asked.

    Parameters
    ----------
    most_s
        A stalled process must not answer with a burst of everything it missed: time beyond this
        is forgotten.
    """

    def __init__(self, clock: SimClock, most_s: float = 0.25) -> None:
        self._clock = clock
        self._most_s = most_s
        self._owed = 0.0
        self._last_ns = clock.elapsed_ns()

    def due(self, rate_per_s: float) -> int:
        """Return the whole actions due at this rate; the fraction is kept for the next time."""
        now_ns = self._clock.elapsed_ns()
        self._owed += min((now_ns - self._last_ns) / 1e9, self._most_s) * rate_per_s
        self._last_ns = now_ns
        count = int(self._owed)
        self._owed -= count
        return count
