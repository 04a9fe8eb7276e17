"""Each trade once, whatever brings it: streams, REST, replays after a reconnect.

A trade is marked only after its fill was applied and handed out, so that a copy that could not
be used (it did not parse, nobody knew the order) leaves the way free for the next one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from .._speedups.dedup import BoundedDedup
from ..model.reports import FillReport

__all__ = ["FillKey", "SeenFills"]

FillKey: TypeAlias = int | str | bytes | tuple[int | str | bytes, ...]


class SeenFills:
    """The trades that were handed out, the newest `capacity` of them.

    Parameters
    ----------
    capacity : int
        At least 100 000 unless a test says otherwise: a replay after a reconnect reaches
        back further than one would like.

    Attributes
    ----------
    duplicates : int
        How many copies were turned away.
    """

    __slots__ = ("_seen", "duplicates")

    def __init__(self, capacity: int = 200_000) -> None:
        self._seen = BoundedDedup(capacity)
        self.duplicates = 0

    def __contains__(self, key: object) -> bool:
        return key in self._seen

    def __len__(self) -> int:
        return len(self._seen)

    def is_new(self, key: FillKey) -> bool:
        """Tell whether this trade was not handed out yet; counts it if it was."""
        if key in self._seen:
            self.duplicates += 1
            return False
        return True

    def mark(self, key: FillKey) -> None:
        """Note that this trade was applied and is being handed out."""
        self._seen.insert(key)

    def take_new(self, reports: Iterable[FillReport]) -> list[FillReport]:
        """Return the reports nobody has seen yet and mark them (L-33), in their order."""
        fresh = []
        for report in reports:
            if self.is_new(report.trade_id):
                self.mark(report.trade_id)
                fresh.append(report)
        return fresh
