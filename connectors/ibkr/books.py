"""The price ladder of a contract (W-21) as a book.

A ladder has rows of one price each around the focus row. Frames with as many rows as are known
replace it, those with fewer change the rows they name (whether the venue sends such is not
certain; read this way, both are right as long as the number of rows stays). Nothing is chained.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ..errors import PrecisionError
from ..model import BookUpdate, Instrument
from .values import ValueKind, parse_value

__all__ = ["LADDER_ROWS", "Depth", "DepthLevel", "Ladder", "make_update", "read_depth"]

LADDER_ROWS = 1_000


@dataclass(frozen=True, slots=True)
class DepthLevel:
    """One row: a price, and what is bid or asked there; None: not told."""

    row: int
    price: Decimal
    bid: Decimal | None = None
    ask: Decimal | None = None
    last_size: Decimal | None = None
    is_focus: bool = False


@dataclass(frozen=True, slots=True)
class Depth:
    """A ladder.

    Attributes
    ----------
    bad : int
        Rows that could not be read.
    """

    account: str
    conid: int | None
    exchange: str
    levels: tuple[DepthLevel, ...]
    bad: int = 0


def read_depth(payload: Mapping[str, Any]) -> Depth:
    """Read a `sbd` frame."""
    _, *targets = str(payload.get("topic") or "").split("+")
    account, conid, exchange = (*targets, "", "", "")[:3]
    rows = payload.get("data")
    levels: list[DepthLevel] = []
    bad = 0
    for row in rows if isinstance(rows, list) else []:
        level = _level(row)
        if level is None:
            bad += 1
        else:
            levels.append(level)
    return Depth(account, int(conid) if conid.isdecimal() else None, exchange, tuple(levels), bad)


def _level(row: object) -> DepthLevel | None:
    if not isinstance(row, dict):
        return None
    text = str(row.get("price") or "")
    size, at, price = text.rpartition(" @ ")  # the focus row also says the last size
    amounts = [parse_value(each) for each in (price, row.get("bid"), row.get("ask"), size)]
    if amounts[0].kind is not ValueKind.NUMBER or amounts[0].number is None:
        return None
    if any(each.kind is ValueKind.TEXT for each in amounts):
        return None
    index = row.get("row")
    if not isinstance(index, int) or not 0 <= index < LADDER_ROWS:
        return None
    return DepthLevel(
        index,
        amounts[0].number,
        amounts[1].number,
        amounts[2].number,
        amounts[3].number if at else None,
        is_focus=bool(row.get("focus")),
    )


class Ladder:
    """The rows of one ladder as they are known."""

    __slots__ = ("_newest", "_rows")

    def __init__(self) -> None:
        self._rows: dict[int, DepthLevel] = {}
        self._newest = 0

    def number(self, ts_init: int) -> int:
        """Return a frame's number: the time of its arrival, or more where our clock went back."""
        self._newest = max(ts_init, self._newest + 1)
        return self._newest

    def clear(self) -> None:
        """Know nothing: it is asked for anew."""
        self._rows.clear()

    def take(self, depth: Depth) -> tuple[DepthLevel, ...]:
        """Take a frame and return all rows."""
        if len(depth.levels) >= len(self._rows):
            self._rows.clear()
        for level in depth.levels:
            self._rows[level.row] = level
        return tuple(self._rows.values())


def make_update(
    levels: Iterable[DepthLevel], instrument: Instrument, *, number: int, ts_init: int
) -> BookUpdate:
    """Return the rows of a ladder as a snapshot, best levels first; `number` orders them.

    Raises
    ------
    PrecisionError
        A price or size is off the instrument's grid.
    """
    sides: tuple[dict[int, int], dict[int, int]] = ({}, {})
    for level in levels:
        ticks = None
        for side, size in zip(sides, (level.bid, level.ask), strict=True):
            if size:
                if ticks is None:
                    ticks = instrument.price_scale.to_ticks(level.price)
                side[ticks] = instrument.size_scale.to_ticks(size)
    bids, asks = sides
    if any(lots <= 0 for lots in (*bids.values(), *asks.values())):
        raise PrecisionError(f"{instrument.id}: a size of the ladder is not positive")
    return BookUpdate(
        instrument,
        sorted(bids.items(), reverse=True),
        sorted(asks.items()),
        is_snapshot=True,
        first_seq=number,
        last_seq=number,
        ts_event=ts_init,
        ts_init=ts_init,
    )
