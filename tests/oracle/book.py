"""A book as two dicts that are sorted again for every question."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction

BID, ASK = 0, 1
Level = tuple[int, int]


@dataclass
class SlowBook:
    """Sizes by price, bids and asks; size 0 removes, the later of two levels counts."""

    sides: tuple[dict[int, int], dict[int, int]] = field(default_factory=lambda: ({}, {}))
    horizon: tuple[int | None, int | None] | None = None

    def apply(self, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        for side, levels in zip(self.sides, (bids, asks), strict=True):
            for price, size in levels:
                if size:
                    side[price] = size
                else:
                    side.pop(price, None)

    def replace(self, bids: list[Level], asks: list[Level], *, limited: bool = False) -> None:
        self.clear()
        self.apply(bids, asks)
        self.horizon = (
            min(price for price, _ in bids) if limited and bids else None,
            max(price for price, _ in asks) if limited and asks else None,
        )

    def clear(self) -> None:
        self.sides[BID].clear()
        self.sides[ASK].clear()
        self.horizon = None

    def levels(self, side: int) -> list[Level]:
        """Best first."""
        return sorted(self.sides[side].items(), reverse=side == BID)

    def best(self, side: int) -> int | None:
        levels = self.levels(side)
        return levels[0][0] if levels else None

    @property
    def is_crossed(self) -> bool:
        bid, ask = self.best(BID), self.best(ASK)
        return bid is not None and ask is not None and bid >= ask

    def take(self, side: int, size: int) -> tuple[int, Fraction] | None:
        """Worst price and average price in ticks of taking `size`; None if there is less."""
        paid, left = 0, size
        for price, available in self.levels(side):
            part = min(left, available)
            paid += price * part
            left -= part
            if left == 0:
                return price, Fraction(paid, size)
        return None
