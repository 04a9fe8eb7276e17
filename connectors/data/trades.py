"""Each trade once, and of the history that comes with a subscription what was missed."""

from __future__ import annotations

from collections.abc import Callable

from .._speedups.dedup import BoundedDedup
from .._speedups.events import EventFlag
from ..model import Trade

__all__ = ["NewTrades"]

TRADES_KEPT = 4_096

TradeKey = int | tuple[int, ...]


def _by_id(trade: Trade) -> int:
    return trade.trade_id


class NewTrades:
    """Lets each trade of an instrument pass once, and of the history what was missed.

    That is what came after the first history, or after the first trade where there was none, and
    was not there before. A loss may be noticed late: what was lost is older then than what came.

    Parameters
    ----------
    include_history :
        Let all of it pass.
    refused :
        Flags of trades that never pass.
    rank :
        What grows from trade to trade: by it a trade of the history is old, or was missed.
    key :
        What makes a trade one trade.
    """

    __slots__ = (
        "_begin",
        "_floor",
        "_has_lost",
        "_history",
        "_key",
        "_newest",
        "_rank",
        "_refused",
        "_seen",
        "_whole",
    )

    def __init__(
        self,
        *,
        include_history: bool,
        refused: int = 0,
        rank: Callable[[Trade], int] = _by_id,
        key: Callable[[Trade], TradeKey] = _by_id,
    ) -> None:
        self._history = include_history
        self._refused = refused
        self._rank = rank
        self._key = key
        self._seen = BoundedDedup(TRADES_KEPT)
        self._newest = -1
        self._begin = -1  # trades of a history from it on may have been missed; -1: not known yet
        self._floor = -1  # a history that reaches back to it is whole
        self._has_lost = False
        self._whole = True

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing: what came since the last loss reaches back to before it."""
        return self._whole

    def __call__(self, trade: Trade) -> bool:
        """Tell whether a trade passes."""
        rank = self._rank(trade)
        if rank <= self._floor:
            self._whole = True
        if self._seen.insert(self._key(trade)):
            return False
        if rank > self._newest:
            self._newest = rank
        is_history = trade.flags & EventFlag.HISTORY
        if not self._has_lost and (is_history or self._begin < 0):
            self._begin = max(self._begin, rank)
        if is_history and not self._history and not (self._has_lost and rank >= self._begin):
            return False
        return not trade.flags & self._refused

    def on_history(self) -> None:
        """A history has come, empty or not: what a later one has that this had not is new."""
        self._newest = max(self._newest, 0)
        self._begin = max(self._begin, 0)

    def join(self, other: NewTrades) -> None:
        """Begin behind what another one has seen of the same channel, which was served before."""
        if other._newest >= 0:
            self._begin = self._newest = max(self._newest, other._newest + 1)

    def on_lost(self) -> None:
        """The connection is gone: what comes in the next history from here on is new."""
        self._floor = self._newest
        self._whole = self._newest <= 0
        self._has_lost = self._has_lost or self._newest >= 0
