"""The first part of `connectors demo`: market data of Binance Futures.

Hundreds of instruments with quotes, trades and books. The simulator resets a connection and
withholds updates of a book; at the end every book, trade and quote is held against its own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .. import binance
from .._speedups.book import ChainedBook
from ..errors import ConnectorError
from ..model import (
    BookGap,
    BookState,
    BookStatus,
    ConnectionState,
    ConnectionStatus,
    DataDropped,
    ErrorEvent,
    Quote,
    Reconnected,
    StatusEvent,
    StreamSilent,
    Subscription,
    Trade,
)
from .demo_checks import (
    BookComparison,
    Check,
    Story,
    TradeRun,
    compare_books,
    compare_frames,
    messages_of,
    top_of_book,
)
from .latency import Latencies, microseconds
from .screen import Picture, Screen
from .simulator import SimulatorAdmin, sim_config

__all__ = ["StreamingDemo"]

RATE_PER_S = 2_500
BOOK_LEVELS = 40
SNAPSHOT_LEVELS = 100  # a snapshot of so many costs a weight of 5: 300 of them fit into a minute
READY_S = 15.0
FAULT_S = 10.0
STEADY_S = 3.0
QUIET_S = 5.0
REFRESH_S = 0.2
POLL_S = 0.01
SHOWN_ROWS = 12
WITHHELD = 2
PERCENTILES = (0.5, 0.99, 0.999)
HEADINGS = (
    "instrument",
    "bid size",
    "bid",
    "ask",
    "ask size",
    "last trade",
    "book updates",
    "book",
)


@dataclass(slots=True)
class Seen:
    """What reached the callbacks."""

    quotes: dict[str, Quote] = field(default_factory=dict)
    trades: dict[str, TradeRun] = field(default_factory=dict)
    last_price: dict[str, str] = field(default_factory=dict)
    updates: dict[str, int] = field(default_factory=dict)
    late_quotes: int = 0
    events: int = 0
    latencies: Latencies = field(default_factory=Latencies)

    def on_quote(self, quote: Quote) -> None:
        self.latencies.add(time.time_ns() - quote.ts_init)
        self.events += 1
        name = quote.instrument.id
        before = self.quotes.get(name)
        if before is not None and quote.seq <= before.seq:
            self.late_quotes += 1
        self.quotes[name] = quote

    def on_trade(self, trade: Trade) -> None:
        self.latencies.add(time.time_ns() - trade.ts_init)
        self.events += 1
        name = trade.instrument.id
        self.trades.setdefault(name, TradeRun()).add(trade.trade_id)
        self.last_price[name] = str(trade.price)

    def on_book(self, book: ChainedBook) -> None:
        self.latencies.add(time.time_ns() - book.ts_init)
        self.events += 1
        name = book.instrument.id
        self.updates[name] = self.updates.get(name, 0) + 1


@dataclass(slots=True)
class Figures:
    """What was measured while nothing but streaming went on."""

    seconds: float = 0.0
    cpu_s: float = 0.0
    messages: int = 0
    total_messages: int = 0


class StreamingDemo:
    """One run: client, what it reported, and the story so far."""

    def __init__(self, admin: SimulatorAdmin, http_url: str, screen: Screen) -> None:
        self.admin = admin
        self.screen = screen
        self.seen = Seen()
        self.story = Story()
        self.checks: list[Check] = []
        self.figures = Figures()
        self.reconnects: list[Reconnected] = []
        self.gaps: list[BookGap] = []
        self.trouble: list[StatusEvent] = []
        self.losses = 0
        self.instruments: list[str] = []
        self.client = binance.DataClient(
            sim_config(http_url, "usdm", book_depth=SNAPSHOT_LEVELS), on_status=self.on_status
        )

    # ---- what the client reports --------------------------------------------------------------

    def on_status(self, event: StatusEvent) -> None:
        if isinstance(event, Reconnected):
            self.reconnects.append(event)
            self.story.tell(
                f"{event.connection} is back, {len(event.streams)} streams asked for again"
            )
        elif isinstance(event, BookGap):
            self.gaps.append(event)
            self.story.tell(
                f"{event.instrument_id}: gap, update {event.expected_seq} expected, "
                f"{event.got_seq} came; the book is invalid until it is repaired"
            )
        elif isinstance(event, ConnectionStatus):
            if event.state is ConnectionState.RECONNECTING:
                self.losses += 1
                self.story.tell(f"{event.connection} lost: {event.reason or 'reset'}")
        elif isinstance(event, BookStatus):
            if event.state is BookState.FAILED:
                self.trouble.append(event)
        elif isinstance(event, DataDropped | ErrorEvent | StreamSilent):
            self.trouble.append(event)

    # ---- the story ----------------------------------------------------------------------------

    async def play(self) -> None:
        """Stream, lose a connection, miss updates, stop and compare."""
        subscriptions = self.subscribe()
        await self.until(lambda: all(s.is_active for s in subscriptions), READY_S, "subscriptions")
        await self.until(lambda: self.live_books() == len(self.instruments), READY_S, "live books")
        connections = sum(pool.connection_count for pool in self.client.pools)
        self.story.tell(
            f"{len(subscriptions)} streams of {len(self.instruments)} instruments "
            f"on {connections} connections, every book live"
        )
        await self.stream_steadily()
        lasting = await self.lose_a_connection()
        await self.miss_updates()
        await self.stream_steadily()
        await self.stop_and_compare(lasting)

    def subscribe(self) -> list[Subscription]:
        client, seen = self.client, self.seen
        self.instruments = [name for name in client.instruments if name.endswith("-PERP")]
        subscriptions: list[Subscription] = []
        for name in self.instruments:
            subscriptions += (
                client.subscribe_quotes(name, seen.on_quote),
                client.subscribe_trades(name, seen.on_trade),
                client.subscribe_book(name, seen.on_book),
            )
        return subscriptions

    async def stream_steadily(self) -> None:
        """Let it run and measure it; the cost of drawing is not the client's."""
        figures, screen = self.figures, self.screen
        cpu_s, drawn_s = time.process_time(), screen.cpu_s
        began, messages = time.monotonic(), self.messages()
        while time.monotonic() - began < STEADY_S:
            await self.draw()
        figures.cpu_s += time.process_time() - cpu_s - (screen.cpu_s - drawn_s)
        figures.seconds += time.monotonic() - began
        figures.messages += self.messages() - messages

    async def lose_a_connection(self) -> list[int]:
        """Have the simulator reset a connection; return the numbers of those that last."""
        opened = await self.stream_connections()
        victim = next(c for c in opened if c["route"] == "public")
        began = time.monotonic()
        done = await self.admin.post("fault", fault="drop", mode="reset", connection=victim["id"])
        self.story.tell(
            f"the simulator resets a connection with {len(victim['subscriptions'])} streams"
        )

        def recovered() -> bool:
            return bool(self.reconnects) and self.live_books() == len(self.instruments)

        came_back = await self.until(recovered, FAULT_S)
        took_s = time.monotonic() - began
        now = await self.stream_connections()
        closed = next(c for c in await self.admin.get("connections") if c["id"] == victim["id"])
        replaced = [
            c for c in now
            if c["id"] != victim["id"] and set(c["subscriptions"]) == set(victim["subscriptions"])
        ]  # fmt: skip
        self.check(
            "a reset connection came back with all its streams and books",
            came_back
            and done["connections"] == [victim["id"]]
            and not closed["open"]
            and len(replaced) == 1
            and len(self.reconnects) == self.losses == 1,
            f"{len(victim['subscriptions'])} streams, books live again after {took_s:.2f} s, "
            f"simulator: connection {victim['id']} replaced by "
            f"{', '.join(str(c['id']) for c in replaced) or 'none'}",
        )
        return [c["id"] for c in opened if c["id"] != victim["id"]]

    async def miss_updates(self) -> None:
        """Have the simulator withhold depth updates of one instrument."""
        name = self.instruments[0]
        symbol = self.client.instrument(name).symbol
        began = time.monotonic()
        await self.admin.post(
            "fault", fault="sequence", action="skip", symbol=symbol, count=WITHHELD
        )
        self.story.tell(f"the simulator withholds {WITHHELD} depth updates of {name}")
        noticed = await self.until(lambda: bool(self.gaps), FAULT_S)
        repaired = await self.until(lambda: self.client.book(name) is not None, FAULT_S)
        took_s = time.monotonic() - began
        self.story.tell(f"{name}: repaired")
        right_one = [gap.instrument_id for gap in self.gaps] == [name]
        self.check(
            "a gap in the depth updates was noticed and repaired",
            noticed and repaired and right_one,
            f"{len(self.gaps)} gap in {', '.join({g.instrument_id for g in self.gaps}) or 'none'}, "
            f"book live again after {took_s:.2f} s",
        )

    async def stop_and_compare(self, lasting: list[int]) -> None:
        """Still the market and hold everything against the simulator."""
        self.figures.total_messages = self.messages()
        update_ids = (await self.admin.post("pause"))["update_ids"]
        self.story.tell("the simulator pauses its market: comparing every level of every book")
        client = self.client
        symbols = {name: client.instrument(name).symbol for name in self.instruments}

        def caught_up() -> bool:
            return all(
                (book := client.book(name)) is not None and book.last_seq == update_ids[symbol]
                for name, symbol in symbols.items()
            )

        quiet = await self.until(caught_up, QUIET_S)
        books = await compare_books(client, self.instruments, self.admin)
        self._check_books(books, quiet=quiet)
        state = await self.admin.get("state")
        self._check_trades({n: state["symbols"][s]["last_agg_id"] for n, s in symbols.items()})
        wrong = top_of_book(client, self.seen.quotes)
        self.check(
            "the last quote of each instrument is the top of its book",
            not wrong and len(self.seen.quotes) == len(symbols) and not self.seen.late_quotes,
            f"{len(self.seen.quotes)} quotes, {len(wrong)} differ, {self.seen.late_quotes} late",
        )
        await self._check_frames(lasting)
        self.check(
            "nothing else happened",
            not self.trouble and not client.callback_errors,
            f"{len(self.trouble)} errors or dropped events, "
            f"{client.callback_errors} failed callbacks"
            + "".join(f"; {event}" for event in self.trouble[:3]),
        )

    def _check_books(self, books: BookComparison, *, quiet: bool) -> None:
        self.check(
            "every local book equals the simulator's, level by level",
            quiet and not books.different and books.books == len(self.instruments),
            f"{books.books} books, {books.levels} levels, {len(books.different)} different"
            + (f": {', '.join(books.different[:5])}" if books.different else ""),
        )

    def _check_trades(self, last_ids: dict[str, int | None]) -> None:
        runs = self.seen.trades
        holes = [name for name, trades in runs.items() if not trades.is_whole]
        behind = [name for name, trades in runs.items() if trades.last != last_ids[name]]
        self.check(
            "no trade was lost, repeated or missed at the end",
            bool(runs) and not holes and not behind,
            f"{sum(trades.count for trades in runs.values())} trades of {len(runs)} instruments, "
            f"{len(holes)} with holes, {len(behind)} behind the simulator",
        )

    async def _check_frames(self, lasting: list[int]) -> None:
        lasted = [c for c in await self.stream_connections() if c["id"] in lasting]
        paired, sent, decoded = compare_frames(self.client, lasted)
        self.check(
            "each frame sent on the other connections was decoded",
            paired == len(lasting) == len(lasted) and sent == decoded,
            f"{paired} connections, {sent} frames sent, {decoded} decoded",
        )

    # ---- helpers ------------------------------------------------------------------------------

    def check(self, claim: str, held: bool, evidence: str) -> None:
        self.checks.append(Check(claim, held, evidence))

    async def stream_connections(self) -> list[dict[str, Any]]:
        """Return the open stream connections as the simulator sees them, oldest first."""
        listed = await self.admin.get("connections", open="true")
        return [c for c in listed if c["kind"] == "stream" and c["open"]]

    def live_books(self) -> int:
        return sum(self.client.book(name) is not None for name in self.instruments)

    def messages(self) -> int:
        return sum(messages_of(d) for pool in self.client.pools for d in pool.decoders)

    async def until(
        self, condition: Callable[[], bool], timeout_s: float, needed: str = ""
    ) -> bool:
        """Draw until the condition holds; False after the time, or an error if it is `needed`."""
        end = time.monotonic() + timeout_s
        next_look = 0.0
        while not condition():
            now = time.monotonic()
            if now >= end:
                if needed:
                    raise ConnectorError(f"not within {timeout_s:.0f} s: {needed}")
                return False
            if now >= next_look:
                next_look = now + REFRESH_S
                self.screen.show(self.picture())
            await asyncio.sleep(POLL_S)
        return True

    async def draw(self) -> None:
        self.screen.show(self.picture())
        await asyncio.sleep(REFRESH_S)

    def picture(self) -> Picture:
        names = self.instruments[:SHOWN_ROWS]
        live, count = self.live_books(), len(self.instruments)
        state = (
            f"{self.messages()} messages, {live}/{count} books live, "
            f"reconnects: {len(self.reconnects)}, gaps: {len(self.gaps)}"
        )
        return Picture(
            title=f"Binance Futures simulator, {count} instruments: {state}",
            headings=HEADINGS,
            rows=[self._row(name) for name in names],
            notes=tuple(self.story.lines),
            lines=(f"         {state}",),
        )

    def _row(self, name: str) -> tuple[str, ...]:
        seen = self.seen
        quote = seen.quotes.get(name)
        prices = (
            (str(quote.bid_size), str(quote.bid), str(quote.ask), str(quote.ask_size))
            if quote is not None
            else ("", "", "", "")
        )
        book = self.client.book(name)
        levels = f"{book.n_bids}+{book.n_asks} levels" if book is not None else "waiting"
        updates = str(seen.updates.get(name, 0))
        return (name, *prices, seen.last_price.get(name, ""), updates, levels)

    def summary(self) -> list[str]:
        """Return what is printed of this part besides its checks."""
        figures, seen = self.figures, self.seen
        latency = ", ".join(
            f"p{100 * fraction:g} {microseconds(ns)}"
            for fraction, ns in zip(
                PERCENTILES, seen.latencies.percentiles(PERCENTILES), strict=False
            )
        )
        cpu_us = 1e6 * figures.cpu_s / figures.messages if figures.messages else 0.0
        rate = figures.messages / figures.seconds if figures.seconds else 0.0
        return [
            f"  {figures.total_messages} messages, {seen.events} events, "
            f"reconnects: {len(self.reconnects)}, gaps repaired: {len(self.gaps)}",
            f"  read from the socket to your callback: {latency}",
            f"  {cpu_us:.1f} µs of CPU a message at {rate:.0f} messages/s, callbacks included",
        ]
