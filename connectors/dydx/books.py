"""Local order books that are uncrossed (section 6).

Snapshots, changes, and asking for a snapshot again are as in `connectors.data.resync`. What is
special here: the two sides of a book change independently and cross now and then, which is no
error (DX-B-04): the compiled `UncrossedBook` removes what was written earlier (DX-B-06). What it
removes stays away until the venue writes it again (DX-B-09), so a book is compared with REST, and
asked for again when its top differs for too long.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from .._speedups.book import ChainedBook
from .._speedups.uncrossed import UncrossedBook
from ..data.resync import ResyncedBook, ResyncedBooks
from ..model import Instrument

__all__ = ["Comparison", "IndexerBook", "RawBook"]

# A book as the venue sends it may be crossed for as long as it likes.
NO_LIMIT = 2**63


class IndexerBook(ResyncedBook, UncrossedBook):
    """One book."""

    def __init__(self, instrument: Instrument, number: int, books: ResyncedBooks) -> None:
        super().__init__(instrument, number, books)
        self.crossed_limit = NO_LIMIT


class RawBook(IndexerBook):
    """One book as the venue sends it, crossed or not (DX-B-08)."""

    def __init__(self, instrument: Instrument, number: int, books: ResyncedBooks) -> None:
        super().__init__(instrument, number, books)
        self.keeps_crossed = True


class Comparison:
    """Whether a book and what REST says of it have agreed lately (DX-B-09).

    REST is another view, blocks behind: a difference of a moment means nothing, and neither do two
    in a market that has moved between them. A price that is wrong stands still.

    Parameters
    ----------
    patience_s :
        A best price that stands and differs for longer is wrong.
    """

    __slots__ = ("_differing", "_patience_s")

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        # Best bid and ask that differed the last time, and since when.
        self._differing: list[tuple[Decimal | None, float] | None] = [None, None]

    def is_wrong(self, book: ChainedBook, body: Mapping[str, Any], now: float) -> bool:
        """Compare with an `orderbooks` answer that came at monotonic `now`."""
        theirs = (_best(body, "bids", max), _best(body, "asks", min))
        if book.is_crossed:  # which one may be shown: REST is not
            self._differing = [None, None]
            return False
        is_wrong = False
        for side, (mine, other) in enumerate(zip((book.bid, book.ask), theirs, strict=True)):
            before = self._differing[side]
            if mine == other:
                self._differing[side] = None
            elif before is None or before[0] != mine:
                self._differing[side] = mine, now
            elif now - before[1] > self._patience_s:
                is_wrong = True
        return is_wrong


def _best(
    body: Mapping[str, Any], side: str, pick: Callable[[list[Decimal]], Decimal]
) -> Decimal | None:
    prices = [Decimal(str(level["price"])) for level in body[side]]
    return pick(prices) if prices else None
