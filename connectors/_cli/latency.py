"""Latencies and what they are summed up to."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

__all__ = ["Latencies", "microseconds"]


class Latencies:
    """Keeps the last `capacity` latencies, in ns; `count` is of all of them."""

    __slots__ = ("_capacity", "_values", "count")

    def __init__(self, capacity: int = 1_000_000) -> None:
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1, was {capacity}")
        self._capacity = capacity
        self._values = array("q")
        self.count = 0

    def add(self, latency_ns: int) -> None:
        """Take one more; the oldest gives way."""
        values = self._values
        if self.count < self._capacity:
            values.append(latency_ns)
        else:
            values[self.count % self._capacity] = latency_ns
        self.count += 1

    def clear(self) -> None:
        """Forget all."""
        self._values = array("q")
        self.count = 0

    def percentiles(self, fractions: Sequence[float]) -> list[int]:
        """Return the latency that each fraction of them stays below; empty without any."""
        ordered = sorted(self._values)
        if not ordered:
            return []
        last = len(ordered) - 1
        return [ordered[min(last, int(fraction * len(ordered)))] for fraction in fractions]


def microseconds(ns: float) -> str:
    """Return a latency for people: `8.3 µs`, `1.2 ms`."""
    us = ns / 1_000
    return f"{us:.1f} µs" if us < 1_000 else f"{us / 1_000:.1f} ms"
