"""The third part of `connectors demo`: follow markets and an account of a simulated venue.

For venues without order entry yet. The simulator has the account trade; our connections are reset
meanwhile, and the trading goes on before they are back. At the end everything is held against the
simulator's own books and accounts. What differs between venues stands in `demo_watched`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from ..model import (
    FillCorrection,
    FillReport,
    Quote,
    Side,
    StreamState,
    Subscription,
    Trade,
)
from .demo_base import VenueDemo, side_by_side
from .demo_checks import Check, Story
from .demo_seen import Seen, WatchedTruth, compare_account, compare_markets
from .demo_watched import WatchedVenue
from .screen import Picture
from .simulator import SimulatorAdmin

__all__ = ["WatchingDemo", "picture_of"]

STEADY_S = 1.0
TRADE_EVERY_S = 0.2
WAIT_S = 10.0
SETTLE_S = 10.0
HEADINGS = ("venue", "instrument", "bid size", "bid", "ask", "ask size", "last trade", "position")


class WatchingDemo(VenueDemo[WatchedVenue]):
    """What the clients told, and the story so far."""

    def __init__(
        self,
        kind: type[WatchedVenue],
        admin: SimulatorAdmin,
        ready: dict[str, Any],
        *,
        story: Story,
        draw: Callable[[], object],
    ) -> None:
        super().__init__(kind, admin, ready, story=story, draw=draw)
        self.seen = Seen()
        self.subscriptions: list[Subscription] = []
        self.before: WatchedTruth
        self.account = self.venue.account

    # ---- what the clients report --------------------------------------------------------------

    def on_event(self, event: Any) -> None:
        if isinstance(event, FillReport):
            self.seen.fill(event)
        elif isinstance(event, FillCorrection):  # on IBKR the commission comes later
            self.seen.correct(event)

    def on_quote(self, quote: Quote) -> None:
        self.seen.quotes[quote.instrument.id] = quote

    def on_trade(self, trade: Trade) -> None:
        self.seen.trades[trade.instrument.id] = trade

    # ---- the story ----------------------------------------------------------------------------

    async def run(self) -> None:
        """Connect, and play."""
        self.before = await self.venue.prepare()
        async with self.data, self.account:
            await self.play()

    async def play(self) -> None:
        """Follow, lose the connections, stop and compare."""
        for name in self.venue.instruments:
            self.subscriptions += (
                self.data.subscribe_quotes(name, self.on_quote),
                self.data.subscribe_trades(name, self.on_trade),
            )
        for name in self.venue.with_books:
            self.subscriptions.append(self.data.subscribe_book(name, self.seen.on_book))
        await self.until(self.is_whole, WAIT_S, "all subscriptions, quotes and books")
        self.note(f"{len(self.subscriptions)} streams and the account are live")
        await self.be_traded_for(STEADY_S)
        await self.lose_the_connections()
        await self.be_traded_for(STEADY_S)
        await self.stop_and_compare()

    def is_whole(self) -> bool:
        """Whether every stream is live, and the account has been read."""
        return (
            all(each.state is StreamState.ACTIVE for each in self.subscriptions)
            and all(self.data.book(name) is not None for name in self.venue.with_books)
            and len(self.seen.quotes) == len(self.venue.instruments)
            and self.venue.has_caught_up
        )

    async def be_traded_for(self, seconds: float) -> None:
        """Have orders of the account trade for a while, on both sides by turns."""
        began = time.monotonic()
        side = Side.BUY
        while time.monotonic() < began + seconds:
            await self.trade(side)
            side = Side.SELL if side is Side.BUY else Side.BUY
            await self.draw_for(TRADE_EVERY_S)

    async def draw_for(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        await self.until(lambda: time.monotonic() >= end, WAIT_S)

    async def trade(self, side: Side) -> None:
        quote = self.seen.quotes[self.venue.instruments[0]]
        await self.venue.trade(side, quote.ask if side is Side.BUY else quote.bid)

    async def lose_the_connections(self) -> None:
        """Reset every connection, and have the account trade before they are back."""
        before = await self.venue.subscribed()
        names = await self.venue.cut()
        self.note(f"the simulator resets {names} connections, and the account trades meanwhile")
        began = time.monotonic()
        for side in (Side.BUY, Side.SELL):
            await self.trade(side)
        await self.until(lambda: bool(self.losses), WAIT_S, "the loss is noticed")
        came_back = await self.until(self.is_whole, WAIT_S)
        while (now := await self.venue.subscribed()) != before:
            if time.monotonic() > began + WAIT_S:
                break
            await asyncio.sleep(0.05)
        took_s = time.monotonic() - began
        self.check(
            "every subscription was restored, once",
            came_back and now == before,
            f"{len(before)} subscriptions on {names} connections, whole again after {took_s:.2f} s",
        )

    async def stop_and_compare(self) -> None:
        """Still the market, and hold everything against the simulator."""
        self.note("the simulator pauses: comparing markets and account")
        await self.venue.quiet()
        end = time.monotonic() + SETTLE_S
        checks = await self.compare()
        while not all(check.held for check in checks) and time.monotonic() < end:
            self.draw()
            await asyncio.sleep(0.1)
            checks = await self.compare()
        self.checks += checks
        errors = [str(event) for event in self.trouble]
        failed = self.data.callback_errors + self.account.callback_errors
        self.check(
            "nothing else happened",
            not errors and not failed,
            f"{len(errors)} errors, {failed} failed callbacks"
            + "".join(f"; {text}" for text in errors[:2]),
        )

    async def compare(self) -> list[Check]:
        truth = await self.venue.truth()
        return [
            compare_markets(self.venue, self.seen, truth),
            *compare_account(self.venue, self.seen, self.before, truth),
        ]

    # ---- what there is to show ----------------------------------------------------------------

    @property
    def state(self) -> str:
        """How it stands, in a few words."""
        return (
            f"{self.name}: {self.seen.book_updates} book updates, "
            f"{len(self.seen.fills)} fills of the account"
        )

    def rows(self) -> list[tuple[str, ...]]:
        """Return the instruments, as `HEADINGS` calls their columns."""
        return [self._row(name) for name in self.venue.instruments]

    def _row(self, name: str) -> tuple[str, ...]:
        quote, trade = self.seen.quotes.get(name), self.seen.trades.get(name)
        prices = ("", "", "", "")
        if quote is not None:
            prices = (f"{quote.bid_size}", f"{quote.bid}", f"{quote.ask}", f"{quote.ask_size}")
        position = self.seen.positions().get(name)
        held = f"{position:f}" if position else ""
        return (self.name, name, *prices, f"{trade.price}" if trade else "", held)

    def summary(self) -> list[str]:
        """Return what is printed of this venue besides its checks."""
        fees = sum((fill.commission or Decimal(0) for fill in self.seen.fills.values()), Decimal(0))
        return [
            f"  {self.seen.book_updates} book updates, {len(self.seen.fills)} fills, "
            f"fees {fees:f} {self.venue.currency}"
        ]


def picture_of(demos: Sequence[WatchingDemo]) -> Picture:
    """Return what there is to see of several venues, side by side."""
    return side_by_side(demos, HEADINGS)
