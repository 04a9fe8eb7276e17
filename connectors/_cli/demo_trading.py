"""The trading half of `connectors demo`: quote both sides of a market of a simulated venue.

A small market maker joins the best bid and ask, follows them by modifying its orders, and is
traded with. Its connection is reset while its orders rest, and they are filled before it can be
back. At the end everything is held against the simulator's own account. What differs between
venues stands in `demo_venues`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from ..errors import ConnectorError
from ..model import Quote, Side, limit_order
from .demo_base import VenueDemo, side_by_side
from .demo_checks import Story
from .demo_ledger import Ledger, Line, Truth, compare, compare_account
from .demo_venues import TradedVenue
from .latency import Latencies, microseconds
from .screen import Picture
from .simulator import SimulatorAdmin

__all__ = ["TradingDemo", "picture_of"]

STEADY_S = 2.0
HIT_EVERY_S = 0.15
REQUOTE_S = 0.04
MAX_SKEW = 5  # ticks
MOST_HITS = 10
CANCEL_EVERY = 12  # one of so many changes is a cancel and a new order instead
WAIT_S = 8.0
PERCENTILES = (0.5, 0.99)
HEADINGS = ("venue", "side", "order", "price", "size", "filled", "state")
BOTH = (Side.BUY, Side.SELL)


class TradingDemo(VenueDemo[TradedVenue]):
    """The market maker, its ledger, and the story so far."""

    def __init__(
        self,
        kind: type[TradedVenue],
        admin: SimulatorAdmin,
        ready: dict[str, Any],
        *,
        story: Story,
        draw: Callable[[], object],
    ) -> None:
        super().__init__(kind, admin, ready, story=story, draw=draw)
        self.ledger = Ledger()
        self.quote: Quote | None = None
        self.acting = False
        self.calls = Latencies()
        self.client = self.venue.execution
        self._changes = 0
        self._working: dict[Side, str] = {}

    # ---- the market maker ---------------------------------------------------------------------

    def on_event(self, event: Any) -> None:
        self.ledger.on_event(event)

    def on_quote(self, quote: Quote) -> None:
        self.quote = quote
        self.client.update_quote(quote)

    def requote(self) -> None:
        """Bring both orders to the best prices; called again and again."""
        if self.quote is None or not self.acting:
            return
        # The more we hold, the further away we offer to hold more.
        held = int(self.ledger.signed_position / self.venue.hit)
        self._requote(Side.BUY, self.quote.bid - self.venue.tick * min(max(held, 0), MAX_SKEW))
        self._requote(Side.SELL, self.quote.ask + self.venue.tick * min(max(-held, 0), MAX_SKEW))

    def _requote(self, side: Side, price: Decimal) -> None:
        order_id = self._working.get(side)
        line = self.ledger.lines.get(order_id) if order_id is not None else None
        if order_id is None or line is None or line.is_over:
            self._place(side, price)
        elif line.is_working and line.price != price and not self._is_changing(order_id):
            self._changes += 1
            began = time.perf_counter_ns()
            if self._changes % CANCEL_EVERY == 0:
                self.client.cancel_order(order_id)
            else:
                self.client.modify_order(order_id, price=price)
            self.calls.add(time.perf_counter_ns() - began)

    def _is_changing(self, order_id: str) -> bool:
        order = self.client.registry.by_client_id(order_id)
        return order is not None and (order.requested is not None or order.is_pending_cancel)

    def _place(self, side: Side, price: Decimal) -> None:
        size = self.venue.size
        order = limit_order(self.venue.instrument, side, size=size, price=price, post_only=True)
        self.ledger.lines[order.client_order_id] = Line(side, size, price)
        self._working[side] = order.client_order_id
        began = time.perf_counter_ns()
        self.client.submit_order(order)
        self.calls.add(time.perf_counter_ns() - began)

    # ---- the story ----------------------------------------------------------------------------

    async def run(self) -> None:
        """Connect, and play."""
        async with self.client, self.data:
            await self.play()

    async def play(self) -> None:
        """Quote, lose the connection, be filled meanwhile, stop and compare."""
        name = self.venue.instrument
        self.data.subscribe_quotes(name, self.on_quote)
        await self.until(lambda: self.quote is not None, WAIT_S, "a quote")
        self.note(f"quoting both sides of {name}, {self.venue.size:f} each")
        self.acting = True
        await self.trade_for(STEADY_S)
        await self.be_filled_while_away()
        await self.trade_for(STEADY_S)
        await self.stop_and_compare()

    async def trade_for(self, seconds: float) -> None:
        """Quote for a while; the simulator's accounts take from our orders now and then."""
        began = time.monotonic()
        next_hit = began
        while (now := time.monotonic()) < began + seconds:
            self.requote()
            if now >= next_hit:
                next_hit = now + HIT_EVERY_S
                for side in BOTH:
                    await self.hit(side)
            await asyncio.sleep(REQUOTE_S)
            self.draw()

    async def hit(self, side: Side, size: Decimal | None = None) -> None:
        """Have one of the simulator's own accounts trade with our order of a side."""
        line = self._line(side)
        if line is not None and line.is_working:
            await self.venue.take(side, line.price, size or self.venue.hit)

    async def hit_until_traded(self, side: Side) -> None:
        """Hit, harder each time, until we have traded: others may stand before us.

        In vain if the order has traded to its end just before.
        """
        before = await self.venue.trade_ids()
        size = self.venue.hit
        for _ in range(MOST_HITS):
            await self.hit(side, size)
            if await self.venue.trade_ids() - before:
                return
            size *= 2

    def _line(self, side: Side) -> Line | None:
        return self.ledger.lines.get(self._working.get(side, ""))

    async def be_filled_while_away(self) -> None:
        """Reset the connection, and let our orders trade before it is back."""
        self.acting = False

        def resting() -> bool:
            lines = [self._line(side) for side in BOTH]
            return all(line is not None and line.is_working for line in lines)

        def rest_again() -> bool:
            self.acting = True
            self.requote()
            self.acting = False
            return resting()

        await self.until(rest_again, WAIT_S, "two resting orders")
        losses = self.losses
        self.note("the simulator resets the private connection and trades with our orders")
        await self.venue.cut()
        await self.until(
            lambda: self.losses > losses and not self.client.is_connected,
            WAIT_S,
            "the loss is noticed",
        )
        before = await self.venue.trade_ids()
        for side in BOTH:
            await self.hit_until_traded(side)
        missed = await self.venue.trade_ids() - before
        if not missed:
            raise ConnectorError("the simulator's accounts do not trade with us")
        untold = missed - self.ledger.fills.keys()
        await self.venue.let_back()
        began = time.monotonic()
        told = await self.until(
            lambda: self.client.is_connected and missed <= self.ledger.fills.keys(), WAIT_S
        )
        self.check(
            "fills made while the connection was down arrived, once",
            told and untold == missed and not self.ledger.repeated_fills,
            f"{len(missed)} fills made while it was down, all known "
            f"{time.monotonic() - began:.2f} s after it was possible",
        )
        self.acting = True

    async def stop_and_compare(self) -> None:
        """Cancel everything, still the market, and hold the ledger against the simulator."""
        self.acting = False
        self.note("canceling what rests, and comparing")
        self.client.cancel_all_orders(self.venue.instrument)
        lines = self.ledger.lines.values()
        ended = await self.until(lambda: all(line.is_over for line in lines), WAIT_S)
        await self.admin.post("config", rate_per_s=0)
        live = await self.venue.live_orders()
        truth = await self.venue.truth()
        await self.until(lambda: not self._behind(truth), WAIT_S)
        self.check(
            "nothing of ours is left at the venue",
            ended and not live,
            f"{live} orders rest, {sum(not line.is_over for line in lines)} open in the ledger",
        )
        self.checks += compare(self.ledger, truth)
        errors = [str(event) for event in self.trouble]
        self.check(
            "nothing else happened",
            not errors and not self.client.callback_errors,
            f"{len(errors)} errors, {len(self.ledger.refusals)} changes refused because the "
            "order had traded" + "".join(f"; {text}" for text in errors[:2]),
        )

    def _behind(self, truth: Truth) -> bool:
        """Whether the last position or balance frame is still on its way."""
        return not all(check.held for check in compare_account(self.ledger, truth))

    # ---- what there is to show ----------------------------------------------------------------

    @property
    def state(self) -> str:
        """How it stands, in a few words."""
        ledger = self.ledger
        return (
            f"{self.name}: {len(ledger.lines)} orders, {len(ledger.fills)} fills, "
            f"position {ledger.signed_position:f}"
        )

    def rows(self) -> list[tuple[str, ...]]:
        """Return the working orders, as `HEADINGS` calls their columns."""
        return [self._row(self._working[side]) for side in BOTH if side in self._working]

    def _row(self, order_id: str) -> tuple[str, ...]:
        line = self.ledger.lines[order_id]
        state = "over" if line.is_over else "working" if line.is_working else "sent"
        return (
            self.name,
            line.side.name,
            line.venue_order_id or "",
            f"{line.price:f}",
            f"{line.size:f}",
            f"{line.filled:f}",
            state,
        )

    def summary(self) -> list[str]:
        """Return what is printed of this venue besides its checks."""
        stats = self.client.signer_stats
        signed, hits = (stats.signed, stats.pool_hits) if stats is not None else (0, 0)
        calls = ", ".join(
            f"p{100 * fraction:g} {microseconds(ns)}"
            for fraction, ns in zip(PERCENTILES, self.calls.percentiles(PERCENTILES), strict=False)
        )
        return [
            f"  {signed} transactions signed, {hits} with a nonce made ahead; "
            f"{len(self.ledger.fills)} fills, fees {self.ledger.commission:.6f} USDC",
            f"  from the call to the signed order in the socket: {calls}",
        ]


def picture_of(demos: Sequence[TradingDemo], story: Story) -> Picture:
    """Return what there is to see of several venues, side by side."""
    return side_by_side(demos, HEADINGS, story.lines)
