"""Notice streams that were confirmed and never send anything (BN-C-09)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from .._speedups.events import EventKind
from ..data.dispatch import Dispatch
from .streams import Stream

__all__ = ["FirstData", "talks"]

LATE_S = 0.25
"""A timer this late means that we were not running: what came meanwhile is still unread."""

# Streams that always have something to say, and what they say.
_TALKING = {
    "bookTicker": EventKind.QUOTE,
    "markPrice": EventKind.MARK_PRICE,
    "depth": EventKind.BOOK_DELTA,
    "depth5": EventKind.BOOK_SNAPSHOT,
    "depth10": EventKind.BOOK_SNAPSHOT,
    "depth20": EventKind.BOOK_SNAPSHOT,
}


def talks(stream: Stream) -> EventKind | None:
    """Return the kind of event a stream always sends soon, None if it may be silent for long."""
    return _TALKING.get(stream.channel) if stream.symbol is not None else None


class FirstData:
    """Waits for the first event of each confirmed stream.

    Parameters
    ----------
    timeout_s :
        Silence after the confirmation that is reported; None watches nothing.
    on_silent : callable
        `on_silent(stream name, seconds)`.
    """

    __slots__ = ("_dispatch", "_on_silent", "_timeout_s", "_waiting")

    def __init__(
        self,
        dispatch: Dispatch,
        timeout_s: float | None,
        on_silent: Callable[[str, float], None],
    ) -> None:
        self._dispatch = dispatch
        self._timeout_s = timeout_s
        self._on_silent = on_silent
        self._waiting: dict[str, tuple[EventKind, int, asyncio.TimerHandle]] = {}

    def confirmed(self, stream: Stream, number: int) -> None:
        """Begin to wait for the stream of the symbol with that number."""
        kind = talks(stream)
        if kind is None or self._timeout_s is None or number < 0:
            return
        name = stream.name
        self.forget(name)
        self._wait(name, kind, number, self._timeout_s)
        self._dispatch.on_first(kind, number, lambda: self._came(kind, number))

    def forget(self, name: str) -> None:
        """Wait for it no more."""
        entry = self._waiting.pop(name, None)
        if entry is not None:
            kind, number, timer = entry
            timer.cancel()
            self._let_go(kind, number)

    def close(self) -> None:
        """Wait for nothing any more."""
        for name in list(self._waiting):
            self.forget(name)

    def _names(self, kind: EventKind, number: int) -> list[str]:
        """Streams of different speeds bring the same events: `markPrice` and `markPrice@1s`."""
        return [name for name, entry in self._waiting.items() if entry[:2] == (kind, number)]

    def _let_go(self, kind: EventKind, number: int) -> None:
        if not self._names(kind, number):
            self._dispatch.forget_first(kind, number)

    def _came(self, kind: EventKind, number: int) -> None:
        for name in self._names(kind, number):
            self._waiting.pop(name)[2].cancel()

    def _wait(self, name: str, kind: EventKind, number: int, timeout_s: float) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + timeout_s
        timer = loop.call_at(due, self._silent, name, timeout_s, due)
        self._waiting[name] = (kind, number, timer)

    def _silent(self, name: str, timeout_s: float, due: float) -> None:
        kind, number, _ = self._waiting.pop(name)
        if asyncio.get_running_loop().time() - due >= LATE_S:
            self._wait(name, kind, number, timeout_s)
            return
        self._let_go(kind, number)
        self._on_silent(name, timeout_s)
