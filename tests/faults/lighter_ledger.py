"""Ledger: trade through N disconnects, then prove that every account book agrees with the venue.

::

    python tests/faults/lighter_ledger.py --drops 3000 --fills 30000 --seed 1

Bots of several accounts trade with each other on one simulator: limit, post-only, market and stop
orders, lists, modifications, cancels. Meanwhile connections are cut at any moment of an order's
life, answers lost, doubled and delayed, requests answered by 5xx though they were executed, frames
repeated, trades sent before the rows of their orders, transactions refused by the sequencer, nonces
used by somebody else. Each bot writes its own ledger from the events alone. At the end the market
is stilled and every line compared with the simulator's books:

* every trade of the account exactly once, with its order, side, size, price, fee and liquidity;
* every order: accepted at most once, exactly one end, and the end the venue gave it; nothing ended
  that the venue does not know, except what it refused or never got;
* positions and balances as the venue has them; no order live, no look-up open, no nonce out.

Exit code 0 only if all of it holds. What happens comes from the seed; the moment at which each
strike meets each order is the operating system's.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from unittest.mock import patch

from connectors.lighter.config import Config, Credentials
from connectors.lighter.execution import ExecutionClient
from connectors.model import (
    FillReport,
    LiquiditySide,
    Order,
    OrderEvent,
    OrderFilled,
    OrderRejected,
    Side,
    TimeInForce,
    limit_order,
    market_order,
    stop_limit_order,
)
from connectors.net.attempts import AttemptBudget
from connectors.net.ratelimit import Quota
from connectors.sim.lighter.config import SimConfig
from connectors.sim.lighter.server import Simulator, start

__all__ = ["Plan", "Result", "main", "run_ledger"]

INSTRUMENT, MARKET = "ETH-PERP", 0
MID = Decimal(3000)
TICK, LOT = Decimal("0.01"), Decimal("0.0001")
ENDS = frozenset({"OrderCanceled", "OrderExpired", "OrderRejected", "OrderDenied"})
# An end of ours for each of the venue's.
END_OF = {
    "filled": {"OrderFilled"},
    "canceled-expired": {"OrderExpired"},
    "canceled-post-only": {"OrderRejected", "OrderCanceled"},
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run does."""

    drops: int = 3000
    fills: int = 30_000
    seed: int = 1
    bots: int = 6
    pause_s: float = 0.004  # mean time between two actions of a bot
    strike_s: float = 0.04  # mean time between two strikes
    lifetime_s: float = 2.0  # of a transaction: unknown ones are settled after it
    settle_s: float = 30.0
    limit_s: float = 900.0


@dataclass(slots=True)
class Result:
    """What came out."""

    drops: int = 0
    fills: int = 0
    orders: int = 0
    seconds: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether everything held."""
        return not self.violations


@dataclass(slots=True)
class Line:
    """One order in a bot's ledger."""

    order: Order
    index: int = 0
    kinds: list[str] = field(default_factory=list)
    filled: Decimal = Decimal(0)
    was_post_only: bool = False  # refused because it would have taken


class Bot:
    """One account: what it does, and the ledger it keeps of what it is told."""

    def __init__(self, sim: Simulator, account: dict[str, Any], plan: Plan) -> None:
        self.index = account["account_index"]
        self.key = account["api_key_index"]
        self._random = random.Random(f"ledger/{plan.seed}/{self.index}")
        self._plan = plan
        self.lines: dict[str, Line] = {}
        self.trades: dict[str, OrderFilled] = {}
        self.held = Decimal(0)
        self.repeated: list[str] = []
        self.strangers: list[Any] = []
        self.client = ExecutionClient(
            Config(
                environment="testnet",
                credentials=Credentials(account["private_key"], self.index, self.key),
                rest_url=sim.http_url,
                stream_url=sim.ws_url,
                rest_quota_per_min=10**9,
                sendtx_quota_per_min=10**9,
                control_frames_per_min=10**6,
                tx_lifetime_s=plan.lifetime_s,
                ack_timeout_s=0.5,
                probe_delay_s=0.25,
                reconnect_min_s=0.005,
                reconnect_max_s=0.1,
            ),
            on_event=self.on_event,
            attempts=AttemptBudget((Quota(1_000_000, 1.0),)),
        )

    # -- the ledger ------------------------------------------------------------------------

    def on_event(self, event: Any) -> None:
        """Write an event down; now and then fail behind that, as a caller may."""
        if isinstance(event, OrderEvent):
            line = self.lines[event.client_order_id]
            line.kinds.append(type(event).__name__)
            if isinstance(event, OrderRejected):
                line.was_post_only = event.due_post_only
            if isinstance(event, OrderFilled):
                if event.trade_id in self.trades:
                    self.repeated.append(event.trade_id)
                self.trades[event.trade_id] = event
                line.filled += event.last_size
                self.held += event.last_size * event.side.sign
                if line.filled != event.filled_size:
                    self.repeated.append(f"{event.trade_id}: sum {line.filled} {event}")
        elif isinstance(event, FillReport):
            self.strangers.append(event)
        if self._random.random() < 0.002:
            raise RuntimeError("a bot's own mistake")

    # -- what it does ------------------------------------------------------------------------

    async def trade(self, stopped: asyncio.Event) -> None:
        """Do one thing after the other until stopped."""
        while not stopped.is_set():
            await asyncio.sleep(self._random.expovariate(1 / self._plan.pause_s))
            if self.client.is_connected:
                self._act()

    def _act(self) -> None:
        open_ids = [order.client_order_id for order in self.client.registry.live_orders()]
        choice = self._random.random()
        if len(open_ids) > 40:
            self.client.cancel_all_orders(INSTRUMENT)
        elif choice < 0.55 or not open_ids:
            self._submit(self._limit())
        elif choice < 0.62:
            self._submit(self._market())
        elif choice < 0.66:
            self._submit(self._stop())
        elif choice < 0.72:
            self._submit_list([self._limit() for _ in range(self._random.randint(2, 5))])
        elif choice < 0.84:
            self._modify(self._random.choice(open_ids))
        elif choice < 0.95:
            self.client.cancel_order(self._random.choice(open_ids))
        elif choice < 0.99:
            count = self._random.randint(2, 6)
            self.client.batch_cancel_orders(
                self._random.sample(open_ids, min(count, len(open_ids)))
            )
        else:
            self.client.cancel_all_orders(side=self._random.choice((Side.BUY, Side.SELL)))

    def _submit(self, order: Order) -> None:
        self.lines[order.client_order_id] = Line(order)
        self.client.submit_order(order)
        self._note_index(order)

    def _submit_list(self, orders: list[Order]) -> None:
        for order in orders:
            self.lines[order.client_order_id] = Line(order)
        self.client.submit_order_list(orders)
        for order in orders:
            self._note_index(order)

    def _note_index(self, order: Order) -> None:
        tracked = self.client.registry.by_client_id(order.client_order_id)
        if tracked is not None and isinstance(tracked.client_key, int):
            self.lines[order.client_order_id].index = tracked.client_key

    def _size(self) -> Decimal:
        return LOT * self._random.randint(50, 400)

    def _price(self) -> Decimal:
        return MID + TICK * self._random.randint(-6, 6)

    def _side(self) -> Side:
        # Lean against the position, so that no account runs out of margin.
        long = 0.5 - float(self.held) / 20
        return Side.BUY if self._random.random() < long else Side.SELL

    def _limit(self) -> Order:
        kind = self._random.random()
        side = self._side()
        if kind < 0.45:  # cross the book: that makes the fills
            price = MID + TICK * 6 * side.sign
            force = TimeInForce.IOC if kind < 0.3 else TimeInForce.GTC
            return limit_order(
                INSTRUMENT, side, size=self._size(), price=price, time_in_force=force
            )
        return limit_order(
            INSTRUMENT,
            side,
            size=self._size(),
            price=self._price(),
            post_only=kind > 0.8,
            reduce_only=kind > 0.97,
        )

    def _market(self) -> Order:
        self.client.set_quote(INSTRUMENT, bid=MID, ask=MID)
        return market_order(INSTRUMENT, self._side(), size=self._size())

    def _stop(self) -> Order:
        trigger = MID + TICK * self._random.randint(-4, 4)
        return stop_limit_order(
            INSTRUMENT, self._side(), size=self._size(), trigger_price=trigger, price=self._price()
        )

    def _modify(self, client_order_id: str) -> None:
        tracked = self.client.registry.by_client_id(client_order_id)
        assert tracked is not None
        self.client.modify_order(
            client_order_id,
            size=tracked.filled_size + self._size(),
            price=self._price(),
        )


class Mischief:
    """Breaks things, one at a time, as the seed says."""

    def __init__(self, sim: Simulator, bots: Sequence[Bot], plan: Plan) -> None:
        self._sim = sim
        self._bots = bots
        self._random = random.Random(f"mischief/{plan.seed}")
        self._pause_s = plan.strike_s
        self.drops = 0
        self.counts: Counter[str] = Counter()

    async def strike(self, stopped: asyncio.Event) -> None:
        """Strike until stopped: every second strike, about, is a disconnect."""
        while not stopped.is_set():
            await asyncio.sleep(self._random.expovariate(1 / self._pause_s))
            if self._random.random() < 0.55:
                self._drop()
            else:
                self._disturb()

    def _drop(self) -> None:
        faults = self._sim.faults
        # Only what is in use: a socket that has not got as far as its streams is no victim.
        used = [number for number, one in self._sim.connections.items() if len(one.channels) >= 6]
        if not used:
            return
        number = self._random.choice(used)
        kind = self._random.choice(("abort", "abort", "close", "close_after_next_frame", "deaf"))
        if kind == "deaf":  # what is written in the meantime never arrives
            faults.stop_reading(number)
            self._sim.later(self._random.uniform(1, 15), lambda: faults.abort(number))
        else:
            getattr(faults, kind)(number)
        self.drops += 1
        self.counts[kind] += 1

    def _disturb(self) -> None:
        sim, faults, pick = self._sim, self._sim.faults, self._random.choice
        bot = pick(self._bots)
        kind = pick(
            ("ack", "ack", "reply", "reply", "get", "duplicate", "replay", "order",
             "sequencer", "nonce", "token", "latency")
        )  # fmt: skip
        match kind:
            case "ack":
                faults.next_ack(
                    **pick(
                        (
                            {"drop": True},
                            {"duplicate": True},
                            {"delay_ms": 30.0},
                            {"delay_ms": 700.0},
                            {"code": 21702, "message": "made up"},
                        )
                    )
                )
            case "reply":
                faults.next_reply(
                    "sendTxBatch",
                    **pick(
                        (
                            {"status": 502, "body": "bad gateway", "admit": True},
                            {"status": 502, "body": "bad gateway"},
                            {"drop": True, "admit": True},
                            {"drop": True},
                            {"delay_s": 0.05},
                            {"status": 400, "body": {"code": 21702, "message": "made up"}},
                        )
                    ),
                )
            case "get":
                endpoint = pick(("nextNonce", "trades", "accountOrders", "accountActiveOrders",
                                 "accountInactiveOrders", "tx"))  # fmt: skip
                faults.next_reply(endpoint, **pick(({"status": 500, "body": "?"}, {"drop": True})))
            case "duplicate":
                faults.tap("account", "duplicate", count=3)
            case "replay":
                names = [name for name in sim.publisher.recent if str(bot.index) in name]
                if names:
                    faults.replay(pick(sorted(names)), self._random.randint(1, 5))
            case "order":
                order = ["orders", "trades", "positions", "assets", "stats", "tx"]
                self._random.shuffle(order)
                sim.configure(frame_order=tuple(order))
            case "sequencer":
                faults.fail_next(21739, "made up by the sequencer")
            case "nonce":
                faults.shift_nonce(bot.index, bot.key, 1)
            case "token":
                faults.expire_tokens(bot.index)
                faults.abort()  # or their streams would be silent until the next rotation
                self.drops += 1
            case "latency":
                sim.configure(
                    maker_latency_ms=self._random.choice((0, 0, 5)),
                    taker_latency_ms=self._random.choice((0, 0, 20)),
                )
        self.counts[kind] += 1


async def run_ledger(plan: Plan, *, say: Callable[[str], object] = lambda line: None) -> Result:
    """Run a plan; `say` gets a line of progress now and then."""
    started = time.monotonic()
    result = Result()
    sim = await start(SimConfig.of("empty", seed=plan.seed, accounts=plan.bots, book_batch_ms=50.0))
    with _short_gaps():
        try:
            bots = [Bot(sim, account, plan) for account in sim.accounts]
            async with contextlib.AsyncExitStack() as clients:
                for bot in bots:
                    await clients.enter_async_context(bot.client)
                mischief = Mischief(sim, bots, plan)
                await _trade(plan, sim, bots, mischief, started, say)
                await _settle(plan, sim, bots, result)
                for bot in bots:
                    _compare(sim, bot, result)
            result.counts = mischief.counts
            result.drops = mischief.drops
        finally:
            await sim.stop()
    result.fills = sum(len(bot.trades) for bot in bots)
    result.orders = sum(len(bot.lines) for bot in bots)
    result.seconds = time.monotonic() - started
    return result


@contextlib.contextmanager
def _short_gaps() -> Iterator[None]:
    """Shorten what is re-read after a gap: with so many gaps it would be mostly the same."""
    with (
        patch("connectors.lighter.recovery.GAP_MARGIN_S", 3.0),
        patch("connectors.execution.recovery.RETRY_S", 0.05),
    ):
        yield


async def _trade(
    plan: Plan,
    sim: Simulator,
    bots: Sequence[Bot],
    mischief: Mischief,
    started: float,
    say: Callable[[str], object],
) -> None:
    stopped = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for bot in bots:
            group.create_task(bot.trade(stopped))
        group.create_task(mischief.strike(stopped))
        said = 0.0
        while True:
            await asyncio.sleep(0.05)
            fills = sum(len(bot.trades) for bot in bots)
            passed_s = time.monotonic() - started
            if passed_s - said >= 10:
                said = passed_s
                say(f"{passed_s:5.0f} s  {mischief.drops} drops, {fills} fills")
            enough = mischief.drops >= plan.drops and fills >= plan.fills
            if enough or passed_s > plan.limit_s:
                break
        stopped.set()


async def _settle(plan: Plan, sim: Simulator, bots: Sequence[Bot], result: Result) -> None:
    """Let nothing break any more, end every order, and wait until nothing is open."""
    sim.faults.clear()
    deadline = time.monotonic() + plan.settle_s
    while time.monotonic() < deadline:
        await asyncio.sleep(0.25)
        for bot in bots:
            if bot.client.is_connected:
                bot.client.cancel_all_orders()
        if all(_is_still(sim, bot) for bot in bots):
            break
    await asyncio.sleep(0.3)  # the last frames of positions and balances
    for bot in bots:
        live = bot.client.registry.live_orders()
        result.violations += [f"{bot.index}: not settled: {order} {order.doubt}" for order in live]
        if not live and not _is_still(sim, bot):
            result.violations.append(
                f"{bot.index}: not still: {len(bot.client._schedule)} look-ups"
            )


def _is_still(sim: Simulator, bot: Bot) -> bool:
    sender = bot.client._sender
    return (
        bot.client.is_connected
        and not bot.client.registry.live
        and not bot.client._schedule
        and not bot.client.dispatch._missing
        and not sim.exchange.account(bot.index).live
        and sender is not None
        and not sender.inflight
        and not sender.nonces.outstanding
    )


# -- the comparison -----------------------------------------------------------------------


def _compare(sim: Simulator, bot: Bot, result: Result) -> None:
    account = sim.exchange.account(bot.index)
    bad: list[str] = []
    bad += [f"twice: {text}" for text in bot.repeated]
    bad += [f"not told as ours: {report}" for report in bot.strangers]
    bad += _compare_trades(sim, bot)
    venue_orders = {
        order.client_index: order for order in (*account.inactive, *account.live.values())
    }
    for line in bot.lines.values():
        bad += _compare_order(line, venue_orders.pop(line.index, None) if line.index else None)
    bad += [f"the venue has an order nobody placed: {order}" for order in venue_orders.values()]
    market = sim.exchange.market(MARKET)
    size = Decimal(account.size_in(market)) * LOT
    if bot.held != size:
        bad.append(f"position by fills {bot.held}, at the venue {size}")
    reported = {r.instrument_id: r.signed_size for r in bot.client._positions.reports()}
    if reported.get(INSTRUMENT, Decimal(0)) != size:
        bad.append(f"position reported {reported}, at the venue {size}")
    state = bot.client._balances.latest
    held = {b.currency: b.total for b in state.balances} if state is not None else {}
    collateral = Decimal(account.collateral + account.spot.get(3, 0)) / 10**6
    if held.get("USDC") != collateral:
        bad.append(f"balance {held}, at the venue {collateral}")
    result.violations += [f"{bot.index}: {text}" for text in bad]


def _compare_trades(sim: Simulator, bot: Bot) -> list[str]:
    bad: list[str] = []
    told = dict(bot.trades)
    for trade in sim.exchange.account(bot.index).trades:
        bid, ask = trade.sides()
        for order in {id(o): o for o in (bid, ask) if o.account.index == bot.index}.values():
            both = bid.account is ask.account
            side = Side.SELL if order.is_ask else Side.BUY
            name = f"{trade.trade_id}-{side.lower()}" if both else str(trade.trade_id)
            event = told.pop(name, None)
            if event is None:
                bad.append(f"lost: {trade} of {order}")
                continue
            is_maker = order is trade.maker
            rate = trade.maker_fee if is_maker else trade.taker_fee
            expected = (
                order.client_index,
                side,
                Decimal(trade.size) * LOT,
                Decimal(trade.price) * TICK,
                LiquiditySide.MAKER if is_maker else LiquiditySide.TAKER,
                Decimal(trade.quote) * rate / 10**12,
            )
            line = bot.lines[event.client_order_id]
            got = (
                line.index,
                event.side,
                event.last_size,
                event.last_price,
                event.liquidity,
                event.commission,
            )
            if got != expected:
                bad.append(f"trade {name}: told {got}, is {expected}")
    bad += [f"never happened: {event}" for event in told.values()]
    return bad


def _compare_order(line: Line, venue: Any) -> list[str]:
    kinds = Counter(line.kinds)
    name = f"order {line.order.client_order_id} {line.kinds}"
    bad: list[str] = []
    for kind in ("OrderSubmitted", "OrderAccepted"):
        if kinds[kind] > 1:
            bad.append(f"{name}: {kinds[kind]} {kind}")
    ends = [kind for kind in line.kinds if kind in ENDS]
    if venue is None:
        if ends not in (["OrderRejected"], ["OrderDenied"]) or kinds["OrderAccepted"]:
            bad.append(f"{name}: the venue never had it")
        return bad
    filled = Decimal(venue.filled) * LOT
    if line.filled != filled:
        bad.append(f"{name}: filled {line.filled}, at the venue {filled} ({venue})")
    expected = END_OF.get(venue.status, {"OrderCanceled"})
    if expected == {"OrderFilled"}:
        if ends:
            bad.append(f"{name}: ended as {ends}, at the venue {venue}")
    elif len(ends) != 1 or ends[0] not in expected:
        bad.append(f"{name}: ended as {ends}, at the venue {venue}")
    if ends == ["OrderRejected"]:
        if kinds["OrderAccepted"] or not line.was_post_only:
            bad.append(f"{name}: rejected, at the venue {venue}")
    elif kinds["OrderAccepted"] != 1:
        bad.append(f"{name}: {kinds['OrderAccepted']} OrderAccepted")
    return bad


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line; return the exit code."""
    plan = Plan()
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--drops", type=int, default=plan.drops)
    parser.add_argument("--fills", type=int, default=plan.fills)
    parser.add_argument("--seed", type=int, default=plan.seed)
    parser.add_argument("--bots", type=int, default=plan.bots)
    parser.add_argument("--limit", type=float, default=plan.limit_s, help="seconds of trading")
    parser.add_argument("--log", action="store_true", help="show what the client logs")
    given = parser.parse_args(argv)
    logging.basicConfig(level=logging.WARNING if given.log else logging.CRITICAL + 1)
    plan = Plan(given.drops, given.fills, given.seed, given.bots, limit_s=given.limit)
    print(f"seed {plan.seed}: {plan.drops} drops, {plan.fills} fills, {plan.bots} bots", flush=True)
    result = asyncio.run(run_ledger(plan, say=lambda line: print(line, flush=True)))
    print(f"strikes: {dict(result.counts.most_common())}")
    for text in result.violations[:40]:
        print(f"  {text}")
    print(
        f"{result.drops} drops, {result.orders} orders, {result.fills} fills in "
        f"{result.seconds:.0f} s: {len(result.violations)} violations"
    )
    short = result.drops < plan.drops or result.fills < plan.fills
    if short:
        print("the plan was not fulfilled")
    return 0 if result.ok and not short else 1


if __name__ == "__main__":
    sys.exit(main())
