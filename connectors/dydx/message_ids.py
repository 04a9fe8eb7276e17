"""Message ids of one connection: what is missing, and what is only late (DX-W-01 to DX-W-08).

The compiled decoder counts and tells of every frame that is not the successor of the one before.
Most of these are harmless: a subscribe takes its id when the venue receives it and is answered
with that id later. So an id that was passed over is lost only if more of them are open than
subscribes are without an answer.
"""

from __future__ import annotations

import enum

__all__ = ["Late", "MessageIds"]

OPEN_MAX = 4_096


class Late(enum.Enum):
    """What a frame with an old id is."""

    ANSWER = enum.auto()  # with an id that was passed over
    REPEAT = enum.auto()  # with one that was there before, or is lost for certain
    REGRESSION = enum.auto()  # data, which always has a new id: the venue, or a proxy, is broken


class MessageIds:
    """Ids that were passed over and may still come.

    Attributes
    ----------
    lost :
        Ids that will never come.
    regressions, repeats :
        Data frames, and others, with an id that was there before.
    """

    __slots__ = ("_open", "_told", "lost", "regressions", "repeats")

    def __init__(self) -> None:
        self.lost = self.regressions = self.repeats = 0
        self._open: set[int] = set()
        self._told = 0  # of the open ones, so many are lost; which is not known yet

    @property
    def open(self) -> int:
        """Ids that were passed over."""
        return len(self._open)

    def reset(self) -> None:
        """A new connection, or another one behind the same socket."""
        self._open.clear()
        self._told = 0

    def skipped(self, expected: int, got: int) -> None:
        """Ids from `expected` to below `got` were passed over."""
        excess = len(self._open) + got - expected - OPEN_MAX
        if excess > 0:  # nobody has so many subscribes without an answer
            self.lost += excess
            expected = min(expected + excess, got)
        self._open.update(range(expected, got))

    def late(self, message_id: int, *, is_data: bool) -> Late:
        """A frame came with an id below the expected one."""
        known = message_id in self._open
        self._open.discard(message_id)
        if is_data:
            self.regressions += 1
            return Late.REGRESSION
        if not known:
            self.repeats += 1
        return Late.ANSWER if known else Late.REPEAT

    def settle(self, unanswered: int) -> int:
        """Return how many ids are newly known to be lost, with so many subscribes unanswered."""
        excess = max(len(self._open) - unanswered, 0)
        news = max(excess - self._told, 0)
        self._told = max(excess, min(self._told, len(self._open)))
        self.lost += news
        if unanswered == 0:
            self.reset()
        return news

    def __repr__(self) -> str:
        return f"<MessageIds {len(self._open)} open, {self.lost} lost>"
