"""What is to be done later, in simulated time."""

from __future__ import annotations

import heapq
from collections.abc import Callable

from .clock import SimClock

__all__ = ["Agenda"]


class Agenda:
    """Actions in the order of their times; those of one time in the order they were given."""

    def __init__(self, clock: SimClock) -> None:
        self._clock = clock
        self._waiting: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0

    def after(self, ms: float, action: Callable[[], None]) -> None:
        """Do something after that much simulated time."""
        self._count += 1
        due_ns = self._clock.elapsed_ns() + int(ms * 1e6)
        heapq.heappush(self._waiting, (due_ns, self._count, action))

    def run_due(self, now_ns: int) -> None:
        """Do what is due at `SimClock.elapsed_ns` = `now_ns`."""
        while self._waiting and self._waiting[0][0] <= now_ns:
            heapq.heappop(self._waiting)[2]()

    def run_all(self) -> None:
        """Do now what waits, except what that puts on the agenda anew."""
        waiting, self._waiting = sorted(self._waiting, key=lambda item: item[:2]), []
        for _, _, action in waiting:
            action()
