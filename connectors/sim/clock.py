"""Simulated time: the machine's clock with an offset, or a virtual clock moved by hand."""

from __future__ import annotations

import time

__all__ = ["NS_PER_MS", "SimClock"]

NS_PER_MS = 1_000_000


class SimClock:
    """Time as the venue tells it.

    `now_ns` is the wall clock of the venue: it carries `offset_ns`, which a clock fault may step
    in either direction. `elapsed_ns` only ever grows; timers hang on it.

    Parameters
    ----------
    virtual_start_ms
        Milliseconds since the epoch at which virtual time starts; None follows the machine.
    speed
        How much faster than the machine's clock time passes, from now on.
    """

    __slots__ = ("_elapsed_ns", "_origin_ns", "_speed", "_start_ns", "offset_ns", "virtual")

    def __init__(self, virtual_start_ms: int | None = None, speed: float = 1.0) -> None:
        self.virtual = virtual_start_ms is not None
        self.offset_ns = 0
        self._elapsed_ns = 0
        self._origin_ns = time.monotonic_ns()
        if speed <= 0:
            raise ValueError(f"time passes forward, not at speed {speed}")
        self._speed = speed
        start_ns = time.time_ns() if virtual_start_ms is None else virtual_start_ms * NS_PER_MS
        self._start_ns = start_ns

    def now_ns(self) -> int:
        if self.virtual or self._speed != 1.0:
            return self._start_ns + self.elapsed_ns() + self.offset_ns
        return time.time_ns() + self.offset_ns

    def now_ms(self) -> int:
        return self.now_ns() // NS_PER_MS

    def elapsed_ns(self) -> int:
        """Nanoseconds since the simulator started, untouched by clock faults."""
        if self.virtual:
            return self._elapsed_ns
        passed_ns = time.monotonic_ns() - self._origin_ns
        return passed_ns if self._speed == 1.0 else int(passed_ns * self._speed)

    def advance(self, ns: int) -> None:
        """Move virtual time forward.

        Raises
        ------
        RuntimeError
            The clock follows the machine.
        ValueError
            `ns` is negative.
        """
        if not self.virtual:
            raise RuntimeError("only a virtual clock can be moved by hand")
        if ns < 0:
            raise ValueError(f"time cannot go back: {ns}")
        self._elapsed_ns += ns
