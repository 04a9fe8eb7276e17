"""The trading half of `connectors demo`: quote both sides on the Lighter simulator.

A small market maker joins the best bid and ask, follows them by modifying its orders, and is
traded with. Its connection is reset while its orders rest, and they are filled before it can be
back. At the end everything is held against the simulator's own accounts.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from .. import lighter
from ..errors import ConnectorError
from ..model import (
    ConnectionState,
    ConnectionStatus,
    ErrorEvent,
    Quote,
    Reconnected,
    Side,
    StatusEvent,
    limit_order,
)
from .demo_checks import Check
from .demo_ledger import Ledger, Line, compare
from .latency import Latencies, microseconds
from .screen import Picture, Screen
from .simulator import SimulatorAdmin

__all__ = ["TradingDemo", "trading_config"]

INSTRUMENT = "ETH-PERP"
SIZE = Decimal("0.2000")
HIT = "0.0500"  # what the simulator's own accounts take from our orders each time
STEADY_S = 2.0
HIT_EVERY_S = 0.15
REQUOTE_S = 0.04
CANCEL_EVERY_S = 1.0
TICK = Decimal("0.01")
MAX_SKEW = 5  # ticks
CANCEL_EVERY = 12  # one of so many changes is a cancel and a new order instead
WAIT_S = 8.0
PERCENTILES = (0.5, 0.99)
HEADINGS = ("side", "order", "price", "size", "filled", "state")


def trading_config(ready: dict[str, Any], **settings: Any) -> lighter.Config:
    """Return the settings with which a client trades on a Lighter simulator.

    `ready` is the line the simulator printed; its first account is taken.
    """
    account = ready["accounts"][0]
    credentials = lighter.Credentials(
        account["private_key"], account["account_index"], account["api_key_index"]
    )
    return lighter.Config(
        environment=lighter.Environment.TESTNET,
        rest_url=ready["http"],
        stream_url=ready["ws"],
        credentials=credentials,
        **settings,
    )


class TradingDemo:
    """One run: the market maker, its ledger, and the story so far."""

    def __init__(self, admin: SimulatorAdmin, ready: dict[str, Any], screen: Screen) -> None:
        self.admin = admin
        self.screen = screen
        self.ledger = Ledger()
        self.checks: list[Check] = []
        self.notes: list[str] = []
        self.trouble: list[StatusEvent] = []
        self.lost_ns: list[int] = []
        self.back_ns: list[int] = []
        self.quote: Quote | None = None
        self.acting = False
        self.calls = Latencies()
        self._account = str(ready["accounts"][0]["account_index"])
        self._began = time.monotonic()
        self._changes = 0
        self._working: dict[Side, str] = {}
        config = trading_config(
            ready, tier=lighter.Tier.PLUS, sendtx_quota_per_min=60_000, signing_pool=128
        )
        self.venue = lighter.ExecutionClient(
            config, on_event=self.ledger.on_event, on_status=self.on_status
        )
        self.data = lighter.DataClient(config, on_status=self.on_status)

    # ---- what the clients report --------------------------------------------------------------

    def on_status(self, event: StatusEvent) -> None:
        if isinstance(event, ConnectionStatus) and event.state is ConnectionState.RECONNECTING:
            self.lost_ns.append(event.ts_init)
            self.note(f"{event.connection} lost: {event.reason or 'reset'}")
        elif isinstance(event, Reconnected):
            self.back_ns.append(event.ts_init)
            self.note(f"{event.connection} is back")
        elif isinstance(event, ErrorEvent):
            self.trouble.append(event)

    def note(self, text: str) -> None:
        self.notes.append(f"{time.monotonic() - self._began:5.1f} s  {text}")

    # ---- the market maker ---------------------------------------------------------------------

    def on_quote(self, quote: Quote) -> None:
        self.quote = quote
        self.venue.update_quote(quote)

    def requote(self) -> None:
        """Bring both orders to the best prices; called again and again."""
        if self.quote is None or not self.acting:
            return
        # The more we hold, the further away we offer to hold more.
        held = int(self.ledger.signed_position / Decimal(HIT))
        self._requote(Side.BUY, self.quote.bid - TICK * min(max(held, 0), MAX_SKEW))
        self._requote(Side.SELL, self.quote.ask + TICK * min(max(-held, 0), MAX_SKEW))

    def _requote(self, side: Side, price: Decimal) -> None:
        order_id = self._working.get(side)
        line = self.ledger.lines.get(order_id) if order_id is not None else None
        if order_id is None or line is None or line.is_over:
            self._place(side, price)
        elif line.is_working and line.price != price and not self._is_changing(order_id):
            self._changes += 1
            began = time.perf_counter_ns()
            if self._changes % CANCEL_EVERY == 0:
                self.venue.cancel_order(order_id)
            else:
                self.venue.modify_order(order_id, price=price)
            self.calls.add(time.perf_counter_ns() - began)

    def _is_changing(self, order_id: str) -> bool:
        order = self.venue.registry.by_client_id(order_id)
        return order is not None and (order.requested is not None or order.is_pending_cancel)

    def _place(self, side: Side, price: Decimal) -> None:
        order = limit_order(INSTRUMENT, side, size=SIZE, price=price, post_only=True)
        self.ledger.lines[order.client_order_id] = Line(side, SIZE, price)
        self._working[side] = order.client_order_id
        began = time.perf_counter_ns()
        self.venue.submit_order(order)
        self.calls.add(time.perf_counter_ns() - began)

    # ---- the story ----------------------------------------------------------------------------

    async def play(self) -> None:
        """Quote, lose the connection, be filled meanwhile, stop and compare."""
        self.data.subscribe_quotes(INSTRUMENT, self.on_quote)
        await self.until(lambda: self.quote is not None, WAIT_S, "a quote")
        self.note(f"quoting both sides of {INSTRUMENT}, {SIZE:f} each")
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
                for side in (Side.BUY, Side.SELL):
                    await self.hit(side)
            await asyncio.sleep(REQUOTE_S)
            self.screen.show(self.picture())

    async def hit(self, side: Side) -> None:
        """Have one of the simulator's own accounts trade with our order of a side."""
        line = self._line(side)
        if line is None or not line.is_working:
            return
        other = "sell" if side is Side.BUY else "buy"
        await self.admin.post(
            "order", market=0, side=other, price=str(line.price), size=HIT, take=True
        )

    async def hit_for_sure(self, side: Side) -> None:
        """Hit until the simulator shows a trade of ours: others may stand before us."""
        before = len(await self.admin.get("trades", account=self._account))
        for _ in range(20):
            await self.hit(side)
            if len(await self.admin.get("trades", account=self._account)) > before:
                return
        raise ConnectorError("the simulator's accounts do not trade with us")

    def _line(self, side: Side) -> Line | None:
        return self.ledger.lines.get(self._working.get(side, ""))

    async def be_filled_while_away(self) -> None:
        """Reset the connection, and let our orders trade before it is back."""
        self.acting = False
        both = (Side.BUY, Side.SELL)

        def resting() -> bool:
            lines = [self._line(side) for side in both]
            return all(line is not None and line.is_working for line in lines)

        def rest_again() -> bool:
            self.acting = True
            self.requote()
            self.acting = False
            return resting()

        await self.until(rest_again, WAIT_S, "two resting orders")
        # A reply held back keeps the client from being back before the trades are made.
        await self.admin.post("fault", fault="hold", endpoint="nextNonce")
        private = next(
            each for each in await self.admin.get("connections", open="true")
            if any(name.startswith("account_all_orders") for name in each["channels"])
        )  # fmt: skip
        losses = len(self.lost_ns)
        await self.admin.post("fault", fault="abort", connection=private["number"])
        self.note("the simulator resets the private connection and trades with our orders")
        await self.until(lambda: len(self.lost_ns) > losses, WAIT_S, "the loss is noticed")
        for side in both:
            await self.hit_for_sure(side)
        await self.admin.post("fault", fault="release_holds")
        began = time.monotonic()

        def caught_up() -> bool:
            return self.venue.is_connected and self._missed() >= len(both)

        held = await self.until(caught_up, WAIT_S)
        self.check(
            "fills made while the connection was down arrived, once",
            held and not self.ledger.repeated_fills,
            f"{self._missed()} fills between the loss and the return, known "
            f"{time.monotonic() - began:.2f} s after it was possible",
        )
        self.acting = True

    def _missed(self) -> int:
        if not self.lost_ns:
            return 0
        end_ns = self.back_ns[-1] if self.back_ns else time.time_ns()
        return self.ledger.fills_between(self.lost_ns[-1], end_ns)

    async def stop_and_compare(self) -> None:
        """Cancel everything, still the market, and hold the ledger against the simulator."""
        self.acting = False
        self.note("canceling what rests, and comparing")
        asked_at = float("-inf")

        def is_over() -> bool:
            # Again now and then: a cancel behind a change that the venue refuses, because the
            # order has just traded, is refused for its nonce.
            nonlocal asked_at
            if all(line.is_over for line in self.ledger.lines.values()):
                return True
            if time.monotonic() - asked_at > CANCEL_EVERY_S:
                asked_at = time.monotonic()
                self.venue.cancel_all_orders(INSTRUMENT)
            return False

        ended = await self.until(is_over, WAIT_S)
        await self.admin.post("config", rate_per_s=0)
        live = await self.admin.get("orders", account=self._account, live="true")
        account = await self._account_row()
        await self.until(lambda: not self._behind(account), 2.0)
        orders = await self.admin.get("orders", account=self._account)
        trades = await self.admin.get("trades", account=self._account)
        self.check(
            "nothing of ours is left at the venue",
            ended and not live,
            f"{len(live)} orders rest, {sum(not e.is_over for e in self.ledger.lines.values())} "
            "open in the ledger",
        )
        self.checks += compare(self.ledger, orders, trades, account, "ETH")
        errors = [str(event) for event in self.trouble]
        refused = [str(event) for event in self.ledger.refusals]
        self.check(
            "nothing else happened",
            not errors and not self.venue.callback_errors,
            f"{len(errors)} errors, {len(refused)} changes refused because the order had traded"
            + "".join(f"; {text}" for text in errors[:2]),
        )

    async def _account_row(self) -> dict[str, Any]:
        rows = await self.admin.get("accounts")
        row: dict[str, Any] = next(each for each in rows if str(each["index"]) == self._account)
        return row

    def _behind(self, account: dict[str, Any]) -> bool:
        """Whether the last position or balance frame is still on its way."""
        return not all(check.held for check in compare(self.ledger, (), (), account, "ETH")[2:])

    # ---- helpers ------------------------------------------------------------------------------

    def check(self, claim: str, held: bool, evidence: str) -> None:
        self.checks.append(Check(claim, held, evidence))

    async def until(
        self, condition: Callable[[], bool], timeout_s: float, needed: str = ""
    ) -> bool:
        """Draw until the condition holds; False after the time, or an error if it is `needed`."""
        end = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() >= end:
                if needed:
                    raise ConnectorError(f"not within {timeout_s:.0f} s: {needed}")
                return False
            self.screen.show(self.picture())
            await asyncio.sleep(0.01)
        return True

    def picture(self) -> Picture:
        ledger = self.ledger
        state = (
            f"{len(ledger.lines)} orders, {len(ledger.fills)} fills, "
            f"position {ledger.signed_position:f}"
        )
        rows = [
            self._row(order_id)
            for order_id in (self._working.get(Side.BUY), self._working.get(Side.SELL))
            if order_id is not None
        ]
        return Picture(
            title=f"Lighter simulator, quoting {INSTRUMENT}: {state}",
            headings=HEADINGS,
            rows=rows,
            notes=tuple(self.notes),
            lines=(f"         {state}",),
        )

    def _row(self, order_id: str) -> tuple[str, ...]:
        line = self.ledger.lines[order_id]
        state = "over" if line.is_over else "working" if line.is_working else "sent"
        return (
            line.side.name,
            line.venue_order_id or "",
            f"{line.price:f}",
            f"{line.size:f}",
            f"{line.filled:f}",
            state,
        )

    def summary(self) -> list[str]:
        """Return what is printed of this half besides its checks."""
        stats = self.venue.signer_stats
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
