"""The market's own traders: books at the start, random makers and takers."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic, TypeVar

from .clock import SimClock
from .pace import Pace

__all__ = ["House"]

MAX_ORDERS = 400
LEAST_LEVELS = 5
TAKER_SHARE = 0.15

M = TypeVar("M")
O = TypeVar("O")  # noqa: E741


class House(ABC, Generic[M, O]):
    """Quotes, cancels and takes so that each book stays about as deep as it was.

    Parameters
    ----------
    seed
        Same seed, same actions.
    levels
        Price levels to keep on each side of each book; 0 for empty books at the start.
    """

    def __init__(self, clock: SimClock, seed: str, levels: int) -> None:
        self._random = random.Random(seed)
        self._levels = levels
        self._pace = Pace(clock)

    # -- what a venue fills in ---------------------------------------------------------------

    @abstractmethod
    def markets(self) -> Sequence[M]:
        """Return the markets it trades."""

    @abstractmethod
    def quotes(self, market: M) -> Sequence[O]:
        """Return its live orders of a market."""

    @abstractmethod
    def quote(self, market: M, *, is_buy: bool, distance: int) -> None:
        """Place an order so many levels from the last price; its size is random."""

    @abstractmethod
    def take(self, market: M, *, is_buy: bool) -> None:
        """Trade with the best level of the other side, if there is one."""

    @abstractmethod
    def cancel(self, order: O) -> None:
        """Take an order of its own out of the book."""

    # -- what it does ------------------------------------------------------------------------

    def fill_books(self) -> None:
        """Quote every level of both sides."""
        for market in self.markets():
            for level in range(1, self._levels + 1):
                for is_buy in (True, False):
                    self.quote(market, is_buy=is_buy, distance=level)

    def advance(self, rate_per_s: float) -> None:
        """Act as often as the rate asks for."""
        markets = self.markets()
        for _ in range(self._pace.due(rate_per_s)):
            self._act(self._random.choice(markets))

    def _act(self, market: M) -> None:
        mine = self.quotes(market)
        chance = self._random.random()
        is_buy = self._random.random() < 0.5
        levels = max(self._levels, LEAST_LEVELS)
        if chance < TAKER_SHARE:
            self.take(market, is_buy=is_buy)
        elif mine and (len(mine) > min(2 * levels, MAX_ORDERS) or chance < 0.5):
            self.cancel(self._random.choice(mine))
        else:
            self.quote(market, is_buy=is_buy, distance=self._random.randint(1, levels))
