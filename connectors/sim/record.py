"""What came in, for tests to look at: every text frame, and what a venue adds."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from typing import Any

__all__ = ["FrameRecord", "Record"]


@dataclass(frozen=True, slots=True)
class FrameRecord:
    """One text or binary frame from a client."""

    ms: int
    connection: int
    text: str


class Record:
    """The last `kept` of everything received, and counters of all of it.

    Attributes
    ----------
    hits
        How often each endpoint or kind of request was asked.
    opened, closed
        Connections; these two are never forgotten.
    """

    def __init__(self, kept: int = 20_000) -> None:
        self._kept = kept
        self._logs: list[deque[Any]] = []
        self.frames: deque[FrameRecord] = self.log()
        self.hits: Counter[str] = Counter()
        self.opened = 0
        self.closed = 0

    def log(self) -> deque[Any]:
        """Return a new bounded log, which `clear` will empty."""
        log: deque[Any] = deque(maxlen=self._kept)
        self._logs.append(log)
        return log

    def clear(self) -> None:
        """Forget everything but what is open now."""
        for log in self._logs:
            log.clear()
        self.hits.clear()
