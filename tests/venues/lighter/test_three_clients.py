"""Two of our clients and the official SDK trade with each other; all books agree at the end.

About 5 s in the suite; `CONNECTORS_THREE_CLIENTS_S=60` trades for a minute, and
`CONNECTORS_THREE_CLIENTS_SEED` decides what the traders do. Each keeps its own ledger from what it
was told; the simulator, a process of its own, is the judge of all three.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import itertools
import json
import os
import random
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parent))

from three_traders import MIDDLE, PAUSE_S, SIZES, SWING

from connectors import lighter
from connectors._cli.demo_ledger import Ledger, Line, compare
from connectors._cli.demo_venues import lighter_truth
from connectors._cli.simulator import SimulatorAdmin, SimulatorProcess
from connectors.model import (
    AccountState,
    Balance,
    ErrorEvent,
    LiquiditySide,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderType,
    PositionSide,
    PositionStatusReport,
    Side,
    TimeInForce,
    limit_order,
)

WANTED = "1.1.8"
PROGRAM = Path(__file__).with_name("official_trader.py")
SECONDS = float(os.environ.get("CONNECTORS_THREE_CLIENTS_S", "4"))
SEED = int(os.environ.get("CONNECTORS_THREE_CLIENTS_SEED", "1"))
OFFICIAL = 2  # number of its account
INSTRUMENT = "ETH-PERP"
WAIT_S = 60.0
SETTLE_S = 40.0
TICK, LOT = Decimal("0.01"), Decimal("0.0001")

try:
    found = importlib.metadata.version("lighter-sdk")
except importlib.metadata.PackageNotFoundError:
    found = "none"
pytestmark = pytest.mark.skipif(
    found != WANTED, reason=f"lighter-sdk {WANTED} is not installed here (found: {found})"
)


class Bot:
    """One of ours: the same trader as `official_trader`, on `lighter.ExecutionClient`."""

    def __init__(self, ready: dict[str, Any], number: int, **settings: Any) -> None:
        account = ready["accounts"][number]
        self.index = account["account_index"]
        self.ledger = Ledger()
        self.errors: list[Any] = []
        self.venue = lighter.ExecutionClient(
            lighter.Config(
                environment="testnet",
                rest_url=ready["http"],
                stream_url=ready["ws"],
                credentials=lighter.Credentials(
                    account["private_key"], self.index, account["api_key_index"]
                ),
                tier=lighter.Tier.PLUS,
                sendtx_quota_per_min=60_000,
                **settings,
            ),
            on_event=self.ledger.on_event,
            on_status=self.on_status,
        )
        self.random = random.Random(SEED * 10 + number)
        self.fair = MIDDLE
        self.resting: dict[Side, str] = {}

    def on_status(self, event: object) -> None:
        if isinstance(event, ErrorEvent):
            self.errors.append(event)

    def act(self) -> None:
        """Do one thing on one side."""
        draw = self.random
        self.fair += draw.randint(-2, 2) + (MIDDLE - self.fair) // SWING
        side = draw.choice((Side.BUY, Side.SELL))
        price = self.clear_of_own(side, self.fair - side.sign * draw.randint(0, 4))
        line = self.line(side)
        if line is None or draw.random() < 0.15:
            self.place(side, price, rests=line is None)
        elif not line.is_working or self.is_changing(side):
            return
        elif draw.random() < 0.2:
            self.venue.cancel_order(self.resting[side])
        else:
            self.venue.modify_order(self.resting[side], price=price)

    def line(self, side: Side) -> Line | None:
        """Return the order of a side unless it is over."""
        line = self.ledger.lines.get(self.resting.get(side, ""))
        return None if line is None or line.is_over else line

    def is_changing(self, side: Side) -> bool:
        order = self.venue.registry.by_client_id(self.resting[side])
        return order is not None and (order.requested is not None or order.is_pending_cancel)

    def clear_of_own(self, side: Side, ticks: int) -> Decimal:
        """Return a price that does not meet our own order, as it is or is about to be."""
        price = ticks * TICK
        other = Side.SELL if side is Side.BUY else Side.BUY
        line = self.line(other)
        if line is not None:
            order = self.venue.registry.by_client_id(self.resting[other])
            prices = [line.price]
            if order is not None and order.requested is not None and order.requested.price:
                prices.append(order.requested.price)
            if side is Side.BUY:
                return min(price, min(prices) - TICK)
            return max(price, max(prices) + TICK)
        return price

    def place(self, side: Side, price: Decimal, *, rests: bool) -> None:
        size = self.random.choice(SIZES) * LOT
        order = limit_order(
            INSTRUMENT, side, size=size, price=price,
            post_only=rests and self.random.random() < 0.5,
            time_in_force=TimeInForce.GTC if rests else TimeInForce.IOC,
        )  # fmt: skip
        self.ledger.lines[order.client_order_id] = Line(side, size, price)
        if rests:
            self.resting[side] = order.client_order_id
        self.venue.submit_order(order)

    async def trade(self, end: float) -> None:
        while time.monotonic() < end:
            self.act()
            await asyncio.sleep(PAUSE_S)
        self.venue.cancel_all_orders(INSTRUMENT)

    @property
    def is_over(self) -> bool:
        return all(line.is_over for line in self.ledger.lines.values())


def official_ledger(books: dict[str, Any], account: int) -> Ledger:
    """Enter what the official client was told into a ledger like ours.

    Its WebSocket client has no stream of orders: their ends are those its order API reads.
    """
    ledger = Ledger()
    over = {str(row["index"]): row for row in books["over"]}
    for name, order in books["orders"].items():
        side = Side.SELL if order["is_ask"] else Side.BUY
        ledger.lines[name] = Line(side, order["size"] * LOT, order["price"] * TICK)
        if name in over:
            ledger.on_event(_event(OrderAccepted, name, over[name]["id"]))
        if order.get("refused"):
            ledger.on_event(_event(OrderRejected, name, reason="refused by the call"))
    for row in books["trades"]:
        ledger.on_event(_filled(ledger, row, account))
    for name, row in over.items():
        if row["status"] == "canceled-expired":
            ledger.on_event(_event(OrderExpired, name, row["id"]))
        elif row["status"].startswith("canceled"):
            ledger.on_event(_event(OrderCanceled, name, row["id"]))
    ledger.repeated_fills = books["repeated"]
    for row in books["positions"].values():
        ledger.on_event(
            PositionStatusReport(
                instrument_id=INSTRUMENT,
                side=PositionSide.LONG if row["sign"] > 0 else PositionSide.SHORT,
                size=Decimal(row["position"]),
                ts_event=0,
                ts_init=0,
            )
        )
    balances = tuple(
        Balance.of(
            row["symbol"],
            total=Decimal(row["balance"]) + Decimal(row["margin_balance"]),
            free=Decimal(row["balance"]),
        )
        for row in books["assets"].values()
    )
    ledger.on_event(
        AccountState(venue="LIGHTER", account_id=None, balances=balances, ts_event=0, ts_init=0)
    )
    return ledger


def _event(kind: Any, name: str, venue_id: str | None = None, **more: Any) -> Any:
    return kind(
        instrument_id=INSTRUMENT,
        client_order_id=name,
        venue_order_id=venue_id,
        ts_event=0,
        ts_init=0,
        **more,
    )


def _filled(ledger: Ledger, row: dict[str, Any], account: int) -> OrderFilled:
    """Return the trade of the official client as our event."""
    side = Side.BUY if row["bid_account_id"] == account else Side.SELL
    word = "bid" if side is Side.BUY else "ask"
    is_maker = row["is_maker_ask"] is (side is Side.SELL)
    rate = row.get("maker_fee" if is_maker else "taker_fee", 0)
    line, size = ledger.lines[row[f"{word}_client_id_str"]], Decimal(row["size"])
    filled: OrderFilled = _event(
        OrderFilled,
        row[f"{word}_client_id_str"],
        row[f"{word}_id_str"],
        trade_id=row["trade_id_str"],
        side=side,
        order_type=OrderType.LIMIT,
        last_size=size,
        last_price=Decimal(row["price"]),
        filled_size=line.filled + size,
        leaves_size=line.size - line.filled - size,
        liquidity=LiquiditySide.MAKER if is_maker else LiquiditySide.TAKER,
        commission=Decimal(row["usd_amount"]) * rate / 1_000_000,
    )
    return filled


class Outcome:
    """What the simulator holds of each account, and what each trader holds of itself."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.ledgers: dict[int, Ledger] = {}
        self.orders: dict[int, list[dict[str, Any]]] = {}
        self.trades: dict[int, list[dict[str, Any]]] = {}
        self.accounts: dict[int, dict[str, Any]] = {}
        self.errors: list[Any] = []
        self.official: dict[str, Any] = {}

    def failures(self, account: int) -> dict[str, str]:
        truth = lighter_truth(
            self.orders[account], self.trades[account], self.accounts[account], "ETH"
        )
        checks = compare(self.ledgers[account], truth)
        return {check.claim: check.evidence for check in checks if not check.held}

    def describe(self) -> str:
        parts = [f"seed {SEED}, {self.seconds:g} s"]
        for account, ledger in self.ledgers.items():
            parts.append(
                f"account {account}: {len(ledger.lines)} orders, {len(ledger.fills)} fills, "
                f"{sum(row['order_version'] > 0 for row in self.orders[account])} modified, "
                f"position {ledger.signed_position:f}, fees {ledger.commission:.6f}"
            )
        return "; ".join(parts)


async def play(seconds: float) -> Outcome:
    outcome = Outcome(seconds)
    async with (
        SimulatorProcess(
            "lighter", "--scenario", "empty", "--accounts", "3", "--seed", str(SEED)
        ) as simulator,
        SimulatorAdmin(simulator.http_url) as admin,
    ):
        ready = simulator.ready
        bots = [Bot(ready, 0, signing_pool=128), Bot(ready, 1)]
        program = await asyncio.create_subprocess_exec(
            sys.executable, "-W", "ignore", str(PROGRAM), json.dumps(ready), str(OFFICIAL),
            str(seconds), str(SEED), stdout=asyncio.subprocess.PIPE, limit=1 << 26,
        )  # fmt: skip
        assert program.stdout is not None
        try:
            async with bots[0].venue, bots[1].venue:
                async with asyncio.timeout(WAIT_S):
                    assert await program.stdout.readline() == b"trading\n"
                end = time.monotonic() + seconds
                await asyncio.gather(*(bot.trade(end) for bot in bots))
                async with asyncio.timeout(WAIT_S):
                    books = json.loads(await program.stdout.readline())
                    assert await program.wait() == 0
                index = ready["accounts"][OFFICIAL]["account_index"]
                outcome.official = books
                outcome.ledgers = {bot.index: bot.ledger for bot in bots}
                outcome.ledgers[index] = official_ledger(books, index)
                await settle(outcome, bots, admin)
                outcome.errors = [error for bot in bots for error in bot.errors]
                assert not any(bot.venue.callback_errors for bot in bots)
        finally:
            if program.returncode is None:
                program.kill()
                await program.wait()
    return outcome


async def settle(outcome: Outcome, bots: list[Bot], admin: SimulatorAdmin) -> None:
    """Read the simulator's books when nothing of ours rests; wait for the last frames of it."""
    await reached(lambda: all(bot.is_over for bot in bots))
    rows = {row["index"]: row for row in await admin.get("accounts")}
    for account in outcome.ledgers:
        outcome.accounts[account] = rows[account]
        outcome.orders[account] = await admin.get("orders", account=str(account))
        outcome.trades[account] = await admin.get("trades", account=str(account))
    await reached(lambda: not any(outcome.failures(bot.index) for bot in bots))


async def reached(condition: Callable[[], bool], timeout_s: float = SETTLE_S) -> bool:
    """Wait a while for something to come true; whether it did is for the assertions."""
    end = time.monotonic() + timeout_s
    while not condition() and time.monotonic() < end:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    return condition()


def test_all_three_ledgers_are_the_simulators(run, capsys):
    for seconds in (SECONDS, 8 * SECONDS):
        outcome = run(play(seconds), timeout_s=seconds + 4 * WAIT_S)
        print(outcome.describe())
        if "CONNECTORS_THREE_CLIENTS_S" in os.environ:
            with capsys.disabled():
                print(f"\n{outcome.describe()}")
        assert {account: outcome.failures(account) for account in outcome.ledgers} == {
            account: {} for account in outcome.ledgers
        }
        assert not outcome.errors
        assert sum(ledger.signed_position for ledger in outcome.ledgers.values()) == 0
        # Every pair traded: the judge's books are not empty, and nobody else was in the market.
        pairs = {
            frozenset((row["bid_account_id"], row["ask_account_id"]))
            for rows in outcome.trades.values()
            for row in rows
        }
        wanted = {frozenset(pair) for pair in itertools.combinations(outcome.ledgers, 2)}
        assert pairs <= wanted
        if pairs == wanted:  # on a busy machine it takes longer until all have met
            break
    assert pairs == wanted
