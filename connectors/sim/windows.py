"""What happened within a rolling span of time, for limits."""

from __future__ import annotations

from collections import deque

__all__ = ["RollingWindow"]


class RollingWindow:
    """Sums the weights of what happened within the last `span_ns`."""

    __slots__ = ("_items", "_span_ns", "_used")

    def __init__(self, span_ns: int) -> None:
        self._span_ns = span_ns
        self._items: deque[tuple[int, int]] = deque()
        self._used = 0

    def used(self, now_ns: int) -> int:
        """Return the sum; `now_ns` never goes back."""
        while self._items and self._items[0][0] <= now_ns - self._span_ns:
            self._used -= self._items.popleft()[1]
        return self._used

    def add(self, now_ns: int, weight: int = 1) -> int:
        """Count something and return the sum with it."""
        self._items.append((now_ns, weight))
        self._used += weight
        return self.used(now_ns)

    def retry_after_s(self, now_ns: int) -> int:
        """Return whole seconds until the oldest is forgotten, at least 1; 0 if there is none."""
        if not self._items:
            return 0
        return (self._items[0][0] + self._span_ns - now_ns) // 1_000_000_000 + 1

    def clear(self) -> None:
        self._items.clear()
        self._used = 0
