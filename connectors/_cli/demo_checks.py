"""What the demo claims, held against what the simulator itself knows."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .. import binance
from .._speedups.book import BookSide
from ..model import Quote
from .simulator import SimulatorAdmin

__all__ = [
    "BookComparison",
    "Check",
    "Story",
    "TradeRun",
    "compare_books",
    "compare_frames",
    "messages_of",
    "top_of_book",
]


@dataclass(frozen=True, slots=True)
class Check:
    """One claim, whether it held, and the numbers that show it."""

    claim: str
    held: bool
    evidence: str


class Story:
    """What happened so far, a line each, with the seconds since the beginning."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._began = time.monotonic()

    def tell(self, text: str) -> None:
        """Add what happened now."""
        self.lines.append(f"{time.monotonic() - self._began:5.1f} s  {text}")


@dataclass(slots=True)
class TradeRun:
    """Trade ids of one instrument, which the venue numbers without holes."""

    first: int = -1
    last: int = -1
    count: int = 0

    def add(self, trade_id: int) -> None:
        if self.first < 0:
            self.first = trade_id
        self.last = max(self.last, trade_id)
        self.count += 1

    @property
    def is_whole(self) -> bool:
        """Whether each id between the first and the last came exactly once."""
        return self.count == 0 or self.last - self.first + 1 == self.count


@dataclass(frozen=True, slots=True)
class BookComparison:
    """Books held against the simulator's; `different` names those that are not equal."""

    books: int
    levels: int
    different: tuple[str, ...]


async def compare_books(
    client: binance.DataClient, instruments: Sequence[str], admin: SimulatorAdmin
) -> BookComparison:
    """Compare every level and the update id of each local book with the simulator's own.

    The market must be paused and all updates have arrived. Beyond its horizon a local book says
    that it does not know; those levels are left out.
    """
    levels = 0
    different = []
    for name in instruments:
        instrument = client.instrument(name)
        theirs = await admin.get("book", symbol=instrument.symbol)
        ours = client.book(instrument)
        if ours is None or ours.last_seq != theirs["u"]:
            different.append(name)
            continue
        lowest, highest = ours.horizon or (None, None)
        for side, key, limit in ((BookSide.BID, "bids", lowest), (BookSide.ASK, "asks", highest)):
            expected = _within(
                [
                    (instrument.price_scale.to_ticks(price), instrument.size_scale.to_ticks(size))
                    for price, size in theirs[key]
                ],
                side,
                limit,
            )
            levels += len(expected)
            if _within(ours.levels(side), side, limit) != expected:
                different.append(name)
                break
    return BookComparison(len(instruments), levels, tuple(different))


def _within(
    levels: list[tuple[int, int]], side: BookSide, limit: int | None
) -> list[tuple[int, int]]:
    if limit is None:
        return levels
    if side is BookSide.BID:
        return [level for level in levels if level[0] >= limit]
    return [level for level in levels if level[0] <= limit]


def top_of_book(client: binance.DataClient, quotes: Mapping[str, Quote]) -> list[str]:
    """Return the instruments whose last quote is not the top of their book."""
    wrong = []
    for name, quote in quotes.items():
        book = client.book(name)
        top = (quote.bid_ticks, quote.bid_lots, quote.ask_ticks, quote.ask_lots)
        if book is None or top != (
            book.best_bid_ticks, book.best_bid_lots, book.best_ask_ticks, book.best_ask_lots
        ):  # fmt: skip
            wrong.append(name)
    return wrong


def compare_frames(
    client: binance.DataClient, connections: Sequence[Mapping[str, Any]]
) -> tuple[int, int, int]:
    """Count frames on the connections that lasted: connections, sent there, decoded here.

    The simulator's connections and ours are paired by the streams they carry. Its answers to our
    pings are no messages.
    """
    sent_by_streams = {
        frozenset(connection["subscriptions"]): connection["sent_count"]
        - sum(message["type"] == "ping" for message in connection["received"])
        for connection in connections
        if connection["kind"] == "stream"
    }
    paired = sent = decoded = 0
    for pool in client.pools:
        route = pool.url.rsplit("/", 2)[-2]
        for index, decoder in enumerate(pool.decoders):
            streams = frozenset(pool.streams_of(f"{client.product}/{route}/{index}"))
            if streams in sent_by_streams:
                paired += 1
                sent += sent_by_streams[streams]
                decoded += messages_of(decoder)
    return paired, sent, decoded


def messages_of(decoder: Any) -> int:
    """Return how many messages a decoder has seen, whatever became of them.

    Unknown events are venue events too; a decoder of single streams has one event a message.
    """
    return int(
        decoder.events
        + decoder.control_messages
        + decoder.venue_events
        + decoder.unknown_symbols
        + decoder.decode_errors
    )
