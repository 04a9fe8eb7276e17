"""Simulated time: the machine's clock with an offset, or a virtual clock moved by hand."""

from __future__ import annotations

import time

__all__ = ["SimClock"]


class SimClock:
    """Time as the venue tells it.

    `now_ns` is the wall clock of the venue: it carries `offset_ns`, which a clock fault may step
    in either direction. `elapsed_ns` only ever grows; timers hang on it.

    Parameters
    ----------
    virtual_start_ms
        Milliseconds since the epoch at which virtual time starts; None follows the machine.
    """

    __slots__ = ("_elapsed_ns", "_origin_ns", "_start_ns", "offset_ns", "virtual")

    def __init__(self, virtual_start_ms: int | None = None) -> None:
        self.virtual = virtual_start_ms is not None
        self.offset_ns = 0
        self._elapsed_ns = 0
        self._origin_ns = time.monotonic_ns()
        self._start_ns = (virtual_start_ms or 0) * 1_000_000

    def now_ns(self) -> int:
        if self.virtual:
            return self._start_ns + self._elapsed_ns + self.offset_ns
        return time.time_ns() + self.offset_ns

    def now_ms(self) -> int:
        return self.now_ns() // 1_000_000

    def elapsed_ns(self) -> int:
        """Nanoseconds since the simulator started, untouched by clock faults."""
        return self._elapsed_ns if self.virtual else time.monotonic_ns() - self._origin_ns

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
