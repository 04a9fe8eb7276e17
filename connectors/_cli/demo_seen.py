"""What the watching half of `connectors demo` saw, and what the simulator has, held together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ..model import FillCorrection, FillReport, Quote, Side, Trade
from .demo_checks import Check

if TYPE_CHECKING:
    from .demo_watched import WatchedVenue

__all__ = ["Level", "Levels", "Seen", "WatchedTruth", "compare_account", "compare_markets"]

Level = tuple[Decimal, Decimal]
Levels = list[Level]


@dataclass(slots=True)
class Seen:
    """What reached the callbacks."""

    quotes: dict[str, Quote] = field(default_factory=dict)
    trades: dict[str, Trade] = field(default_factory=dict)
    fills: dict[str, FillReport] = field(default_factory=dict)
    repeated_fills: int = 0
    book_updates: int = 0

    def fill(self, report: FillReport) -> None:
        self.repeated_fills += report.trade_id in self.fills
        self.fills[report.trade_id] = report

    def correct(self, correction: FillCorrection) -> None:
        if correction.fill.trade_id in self.fills:
            self.fills[correction.fill.trade_id] = correction.fill

    def on_book(self, book: object) -> None:
        self.book_updates += 1

    def positions(self) -> dict[str, Decimal]:
        """Return what the fills add up to."""
        sums: dict[str, Decimal] = {}
        for fill in self.fills.values():
            size = fill.side.sign * fill.last_size
            sums[fill.instrument_id] = sums.get(fill.instrument_id, Decimal(0)) + size
        return sums


@dataclass(frozen=True, slots=True)
class WatchedTruth:
    """What the simulator has: per instrument, and of the account.

    Attributes
    ----------
    books :
        Bids and asks, best first.
    quotes :
        Bid and ask, where the venue sends them by themselves.
    fills :
        By id: instrument, side, size, price.
    orders :
        By id: whether it is over, and how much of it is filled.
    positions :
        Those that are not flat.
    """

    books: Mapping[str, tuple[Levels, Levels]]
    quotes: Mapping[str, tuple[Level, Level]]
    fills: Mapping[str, tuple[str, Side, Decimal, Decimal]]
    orders: Mapping[str, tuple[bool, Decimal]]
    positions: Mapping[str, Decimal]

    def since(self, before: WatchedTruth) -> WatchedTruth:
        """Return what has happened since then; what stands, books and positions, is as it is."""
        return replace(
            self,
            fills={name: row for name, row in self.fills.items() if name not in before.fills},
            orders={name: row for name, row in self.orders.items() if name not in before.orders},
        )


def compare_markets(venue: WatchedVenue, seen: Seen, truth: WatchedTruth) -> Check:
    """Compare every level of every book, and the quotes that come by themselves."""
    levels, wrong = 0, []
    for name, (bids, asks) in truth.books.items():
        book = venue.data.book(name)
        levels += len(bids) + len(asks)
        if book is None or (_shown(book, bid=True), _shown(book, bid=False)) != (bids, asks):
            wrong.append(f"book of {name}")
    for name, sides in truth.quotes.items():
        quote = seen.quotes.get(name)
        if quote is None or sides != ((quote.bid, quote.bid_size), (quote.ask, quote.ask_size)):
            wrong.append(f"quote of {name}")
    quotes = f", {len(truth.quotes)} quotes" if truth.quotes else ""
    return Check(
        "market data is the simulator's, level by level",
        not wrong,
        f"{len(truth.books)} books, {levels} levels{quotes}, {len(wrong)} different"
        + (f": {', '.join(wrong)}" if wrong else ""),
    )


def compare_account(
    venue: WatchedVenue, seen: Seen, before: WatchedTruth, truth: WatchedTruth
) -> list[Check]:
    """Compare what happened since `before`: fills, orders and positions."""
    now = truth.since(before)
    told = {
        trade_id: (fill.instrument_id, fill.side, fill.last_size, fill.last_price)
        for trade_id, fill in seen.fills.items()
    }
    wrong = {
        trade_id
        for trade_id in told.keys() | now.fills.keys()
        if told.get(trade_id) != now.fills.get(trade_id)
    }
    unlike = [
        name
        for name, (is_over, filled) in now.orders.items()
        if (report := venue.account.order(name)) is None
        or report.status.is_final != is_over
        or report.filled_size != filled
    ]
    held = {report.instrument_id: report.signed_size for report in venue.account.positions()}
    follows = seen.positions()
    for name, size in before.positions.items():
        follows[name] = follows.get(name, Decimal(0)) + size
    follows, held = _open(follows), _open(held)
    return [
        Check(
            "no fill of the account was lost, repeated or different",
            bool(told) and not wrong and not seen.repeated_fills,
            f"{len(told)} fills, {len(now.fills)} at the simulator, {len(wrong)} different, "
            f"{seen.repeated_fills} repeated",
        ),
        Check(
            "every order of the account stands as the simulator says",
            bool(now.orders) and not unlike,
            f"{len(now.orders)} orders, {len(unlike)} different"
            + (f": {', '.join(unlike[:2])}" if unlike else ""),
        ),
        Check(
            "the positions follow from the fills and are the simulator's",
            follows == held == _open(truth.positions),
            f"{_sizes(follows)} from the fills, {_sizes(held)} reported, "
            f"{_sizes(truth.positions)} there",
        ),
    ]


def _open(positions: Mapping[str, Decimal]) -> dict[str, Decimal]:
    return {name: size for name, size in positions.items() if size}


def _sizes(positions: Mapping[str, Decimal]) -> str:
    return ", ".join(f"{name} {size:f}" for name, size in sorted(positions.items())) or "none"


def _shown(book: Any, *, bid: bool) -> Levels:
    from .._speedups.book import BookSide

    price, size = book.instrument.price_scale, book.instrument.size_scale
    return [
        (price.to_decimal(ticks), size.to_decimal(lots))
        for ticks, lots in book.levels(BookSide.BID if bid else BookSide.ASK)
    ]
