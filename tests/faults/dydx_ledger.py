"""Ledger of dYdX: look on through N disconnects, then compare everything with the venue's books.

::

    python tests/faults/dydx_ledger.py --drops 1000 --seed 1

What is done stands in `watch_ledger`. Here a data client follows books, trades, markets and heights
of all markets over several connections, and account clients follow subaccounts and one parent.
Connections end in every way there is, half-open and in mid-frame among them; frames are lost,
doubled, late, swapped and spoilt; REST lags, limits and fails; subscribes fail; heights stand still
and go back; orders fill that were canceled, or that nobody announced.
"""

from __future__ import annotations

import contextlib
import random
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any
from unittest.mock import patch

if __name__ == "__main__":  # by itself it finds its neighbours like this
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from connectors._speedups.book import BookSide
from connectors._speedups.dydx import trade_id_of
from connectors.dydx import AccountClient, Config, DataClient
from connectors.model import FillReport, LiquiditySide, OrderStatus, Side, Transfer
from connectors.net.attempts import AttemptBudget
from connectors.net.ratelimit import Quota
from connectors.sim.dydx import views
from connectors.sim.dydx.config import SimConfig
from connectors.sim.dydx.numbers import MONEY, count, money
from connectors.sim.dydx.orders import Order
from connectors.sim.dydx.server import Simulator, start
from connectors.sim.dydx.subaccounts import Fill, Subaccount
from faults import watch_ledger
from faults.watch_ledger import Plan, Result
from patience import until

__all__ = ["Ledger", "Plan", "Result", "main", "run_ledger"]

DROPS = (
    "abort", "abort", "close", "close", "close", "freeze", "finish", "reset_mid_frame", "refuse",
)  # fmt: skip
CLOSES = (1000, 1001, 1008, 1011, 1012, 4000)
DISTURBANCES = (
    "drop", "drop", "duplicate", "swap", "delay", "malformed", "truncate", "ids",
    "subscribe_error", "rest", "rest", "repeat_fill", "sparse_removal", "stale_height",
    "height_back", "halt", "proposer_fill", "foreign_fill", "race", "habits",
)  # fmt: skip
TAPPED = (
    "v4_orderbook", "v4_trades", "v4_subaccounts", "v4_parent_subaccounts", "v4_block_height",
    "v4_markets",
)  # fmt: skip
ENDS = {
    "filled": {OrderStatus.FILLED},
    "canceled": {OrderStatus.CANCELED},
    "expired": {OrderStatus.EXPIRED},
}
# Whether an order was canceled that height has ended since nobody says again.
BY_HEIGHT = {OrderStatus.CANCELED, OrderStatus.EXPIRED}
FREE = AttemptBudget((Quota(1_000_000, 1.0),))


class Watcher:
    """One account, seen through one client, and what that client told."""

    def __init__(self, http: str, account: Subaccount, *, parent: bool, shortened: Any) -> None:
        self.account = account
        self.parent = parent
        self.fills: dict[str, FillReport] = {}
        self.transfers: list[Transfer] = []
        self.repeated: list[str] = []
        self.client = AccountClient(
            Config.sim(
                http, address=account.address, subaccount_number=account.number, parent=parent,
                **shortened,
            ),
            on_event=self._on_event,
            attempts=FREE,
        )  # fmt: skip

    @property
    def topics(self) -> list[str]:
        """Return what it must have subscribed."""
        channel = "v4_parent_subaccounts" if self.parent else "v4_subaccounts"
        return [f"{channel}:{self.account.name}", "v4_block_height"]

    def _on_event(self, event: Any) -> None:
        if isinstance(event, FillReport):
            if event.trade_id in self.fills:
                self.repeated.append(f"fill {event.trade_id}")
            self.fills[event.trade_id] = event
        elif isinstance(event, Transfer):
            if any(event.transfer_id == one.transfer_id for one in self.transfers):
                self.repeated.append(f"transfer {event.transfer_id}")
            self.transfers.append(event)


class Ledger(watch_ledger.Venue):
    """The simulator of dYdX, its clients and its books."""

    MARKETS, RATE_PER_S, BLOCK_MS = 6, 150.0, 50.0
    sim: Simulator

    async def start(self, plan: Plan) -> None:
        """Start the simulator; nothing trades yet."""
        self.sim = await start(
            SimConfig.of(
                "calm", seed=plan.seed, accounts=2, markets=self.MARKETS, block_ms=self.BLOCK_MS,
                levels=10, rate_per_s=0.0, account_share=0.0, rest_lag_blocks=2,
                ping_interval_s=0.5, pong_timeout_s=30.0, limits=("subscribes", "channels"),
            )
        )  # fmt: skip
        self.trades: dict[str, Counter[int]] = {}

    async def connect(self, stack: contextlib.AsyncExitStack) -> None:
        """Connect a data client, a client for each account, and one for a parent."""
        http, chain = self.sim.http_url, self.sim.chain
        shortened = {
            "reconnect_min_s": 0.005, "reconnect_max_s": 0.1, "idle_timeout_s": 3.0,
            "ws_timeout_s": 3.0, "http_timeout_s": 1.0, "subscribe_timeout_s": 2.0,
            "reconcile_interval_s": 2.0, "rest_lag_blocks": 6, "per_channel_limit": 3,
        }  # fmt: skip
        accounts = [chain.subaccount(one["address"], 0) for one in self.sim.accounts]
        self.watchers = [
            Watcher(http, account, parent=parent, shortened=shortened)
            for account, parent in ((accounts[0], False), (accounts[1], False), (accounts[0], True))
        ]
        for watcher in self.watchers:
            await stack.enter_async_context(watcher.client)
        self.data = DataClient(Config.sim(http, **shortened), attempts=FREE, compare_books_s=1.0)
        await stack.enter_async_context(self.data)
        for ticker in chain.markets:
            seen = self.trades[ticker] = Counter()
            symbol = f"{ticker}-PERP"
            self.data.subscribe_book(symbol, lambda book: None)
            self.data.subscribe_trades(
                symbol, lambda trade, seen=seen: seen.update((trade.trade_id,))
            )
        self.data.subscribe_height(lambda height, ts: None)
        await until(lambda: not self._compare_topics(), what="every topic subscribed")
        self.sim.configure(rate_per_s=self.RATE_PER_S)

    # -- what happens ------------------------------------------------------------------------

    def act(self, source: random.Random) -> None:
        """Place, replace or cancel an order of an account, or move money."""
        chain = self.sim.chain
        watcher = source.choice(self.watchers[:2])
        if source.random() < 0.02:
            chain.transfer(None, watcher.account, count("1.5", MONEY))
        else:
            self.sim.house.act_for(watcher.account, source.choice([*chain.markets.values()]))

    def drop(self, source: random.Random) -> str | None:
        """End a connection in use, or make it useless."""
        sim, faults = self.sim, self.sim.faults
        used = [n for n, one in sim.connections.items() if one.subscriptions and not one.frozen]
        if not used:
            return None
        number, kind = source.choice(used), source.choice(DROPS)
        match kind:
            case "close":
                code = source.choice(CLOSES)
                faults.close(number, code)
                return f"close {code}"
            case "freeze" if source.random() < 0.8:  # the others are found out by their silence
                faults.freeze(number)
                sim.later(source.uniform(1, 50), lambda: faults.abort(number))
            case "finish":
                sim.connections[number].hang_up()
            case "refuse":
                faults.abort(number)
                faults.refuse(source.choice(("status", "close", "garbage")), count=2)
            case _:
                getattr(faults, kind)(number)
        return kind

    def disturb(self, source: random.Random) -> str:
        """Break something else."""
        faults, pick = self.sim.faults, source.choice
        kind = pick(DISTURBANCES)
        account = pick(self.watchers).account
        match kind:
            case "drop" | "malformed" | "truncate" | "swap" | "duplicate":
                faults.tap(pick(TAPPED), kind, count=pick((1, 1, 3)))
            case "delay":
                faults.tap(pick(TAPPED), "delay", delay_ms=pick((5.0, 60.0)))
            case "ids":
                faults.skip_ids(pick((1, 3)))
            case "subscribe_error":
                faults.subscribe_error(pick(TAPPED), count=2)
            case "rest":
                faults.next_reply(
                    **pick(
                        (
                            {"status": 429}, {"status": 502}, {"status": 500, "count": 3},
                            {"lose": True}, {"truncate": True}, {"delay_s": 0.3},
                        )
                    )
                )  # fmt: skip
            case "repeat_fill":
                if account.fills:
                    faults.repeat_fill(account.address)
            case "sparse_removal":
                faults.sparse_removal(account.address, source.getrandbits(31))
            case "stale_height":
                faults.stale_height(ms=300)
            case "height_back":
                faults.height_back()
            case "halt":
                faults.halt(200)
            case "proposer_fill":
                self._fill_canceled(account)
            case "foreign_fill":
                faults.foreign_fill(
                    account.address, size="0.0003", price="89000", open_after=pick((True, False))
                )
            case "race":
                delay = pick((0.0, 0.0, 5.0, 30.0))
                self.sim.configure(snapshot_delay_ms=delay, snapshot_race_ms=0.0)
            case "habits":
                self.sim.configure(
                    height_first=pick((True, False)),
                    announce_refused=pick((True, False)),
                    indexer_expired_blocks=pick((0, 20)),
                    rest_lag_blocks=pick((0, 2, 4)),
                )
        return kind

    def _fill_canceled(self, account: Subaccount) -> None:
        """Let the proposer fill what its own node has canceled, while it may."""
        height = self.sim.chain.height
        for order in islice(reversed([*account.orders.values()]), 50):
            may = order.is_short_term and order.terms.good_til_block > height
            if may and order.removal == "USER_CANCELED" and order.open_quantums:
                self.sim.fill(order, order.open_quantums, order.terms.subticks)
                return

    async def calm(self) -> None:
        """Let nothing break any more, and still the market; blocks go on."""
        self.sim.faults.clear()
        for one in self.sim.connections.values():
            if one.frozen:
                one.abort()
        self.sim.configure(
            rate_per_s=0.0, snapshot_delay_ms=0.0, snapshot_race_ms=0.0, rest_lag_blocks=2
        )

    @contextlib.contextmanager
    def shortened(self) -> Iterator[None]:
        """Ask again sooner than a venue would like, and as often as there are faults."""
        with (
            patch("connectors.dydx.reconcile.RETRY_S", 0.05),
            patch.dict("connectors.dydx.rest.PER_WINDOW", reads=10**6, candles=10**6),
            patch("connectors.dydx.control.LONGEST_RETRY_S", 1.0),
            patch("connectors.data.resync.LONGEST_WAIT_S", 1.0),
        ):
            yield

    # -- comparison --------------------------------------------------------------------------

    def compare(self) -> list[str]:
        """Compare subscriptions, books, trades and accounts."""
        bad = self._compare_topics()
        for ticker in self.sim.chain.markets:
            bad += self._compare_book(ticker) + self._compare_trades(ticker)
        for watcher in self.watchers:
            name = "parent" if watcher.parent else watcher.account.address[:9]
            bad += [f"{name}: {text}" for text in self._compare_account(watcher)]
        return bad

    def told(self) -> list[str]:
        """Return what was told twice."""
        bad = [f"twice: {text}" for watcher in self.watchers for text in watcher.repeated]
        for ticker, seen in self.trades.items():
            bad += [f"twice: {ticker} trade {one:x}" for one, times in seen.items() if times > 1]
        return bad

    def _compare_topics(self) -> list[str]:
        """Compare what the simulator knows as subscribed with what must be; nothing twice."""
        wanted: Counter[str] = Counter(["v4_markets", "v4_block_height"])
        for ticker in self.sim.chain.markets:
            wanted.update((f"v4_orderbook:{ticker}", f"v4_trades:{ticker}"))
        for watcher in self.watchers:
            wanted.update(watcher.topics)
        held: Counter[str] = Counter()
        for one in self.sim.connections.values():
            held.update([*one.subscriptions])
            if one.pending:
                return [f"pending on {one.number}: {one.pending}"]
        self.compared["topics"] += sum(wanted.values())
        if held == wanted:
            return []
        return [f"subscribed {dict(held - wanted)} too much, {dict(wanted - held)} missing"]

    def _compare_book(self, ticker: str) -> list[str]:
        market, truth = self.sim.market(ticker), self.sim.chain.engine.book(ticker)
        book = self.data.book(f"{ticker}-PERP")
        if book is None:
            return [f"{ticker}: no book"]
        bad = []
        for side, levels in ((BookSide.BID, truth.bids()), (BookSide.ASK, truth.asks())):
            expected = [
                (price // market.subticks_per_tick, size // market.step_base_quantums)
                for price, size in levels
            ]
            self.compared["levels"] += len(expected)
            if book.levels(side) != expected:
                bad.append(f"{ticker} {side.name}: {book.levels(side)}, at the venue {expected}")
        return bad

    def _compare_trades(self, ticker: str) -> list[str]:
        """Compare with what the venue still has: what it can say again must have been told."""
        rows = self.sim.market(ticker).trades
        missing = [row["id"] for row in rows if trade_id_of(row["id"]) not in self.trades[ticker]]
        self.compared["trades"] += len(rows)
        return [f"{ticker}: {len(missing)} trades not told, {missing[:3]}"] if missing else []

    def _compare_account(self, watcher: Watcher) -> list[str]:
        client, account = watcher.client, watcher.account
        if not client.is_connected or not client.is_caught_up:
            return ["not caught up"]
        bad = self._compare_fills(watcher)
        for order in account.orders.values():
            bad += self._compare_order(watcher, order)
        known = {order.uuid for order in account.orders.values()}
        for report in client.orders():
            if report.venue_order_id not in known:
                bad.append(f"order {report.venue_order_id} lives, the venue has none")
        held = {
            f"{t}-PERP": Decimal(p.market.size(p.quantums)) for t, p in account.positions.items()
        }
        told = {r.instrument_id: r.signed_size for r in client.positions() if r.size}
        if told != held:
            bad.append(f"positions {told}, at the venue {held}")
        self.compared["positions"] += len(held)
        balances = {b.currency: b.total for b in client.balances()}
        if not watcher.parent and balances != {"USDC": Decimal(money(account.usdc))}:
            bad.append(f"balances {balances}, at the venue {money(account.usdc)}")
        amounts = Counter(Decimal(money(item.amount)) for item in account.transfers)
        if Counter(one.amount for one in watcher.transfers) != amounts:
            bad.append(f"{len(watcher.transfers)} transfers, at the venue {amounts}")
        self.compared["transfers"] += len(account.transfers)
        return bad

    def _compare_fills(self, watcher: Watcher) -> list[str]:
        account, bad, told = watcher.account, [], dict(watcher.fills)
        for item in account.fills:
            report = told.pop(item.fill_id, None)
            if report is None:
                bad.append(f"lost: {views.fill_rest(item, account)}")
            elif _shown(report) != _true(item):
                bad.append(f"fill {item.fill_id}: told {_shown(report)}, is {_true(item)}")
        self.compared["fills"] += len(account.fills)
        return bad + [f"never happened: {report}" for report in told.values()]

    def _compare_order(self, watcher: Watcher, order: Order) -> list[str]:
        report = watcher.client.order(order.uuid)
        text = f"order {order.terms.client_id} ({order.terms.flags}) {order.state}"
        if report is None:
            # What came and went while nobody listened, and did not trade, is nobody's news.
            if order.state in ("open", "untriggered") or order.committed:
                return [f"{text}, filled {order.committed}: unknown"]
            self.compared["orders never seen"] += 1
            return []
        self.compared["orders"] += 1
        filled = Decimal(order.market.size(order.committed))
        expected = ENDS.get(order.state)
        if order.is_short_term and expected and not expected.isdisjoint(BY_HEIGHT):
            expected = BY_HEIGHT
        if expected is None and report.status.is_final:
            return [f"{text}: {report.status}"]
        if expected is not None and report.status not in expected:
            return [f"{text}: {report.status} {order.removal} {order.status}"]
        if report.filled_size != filled:
            return [f"{text}: filled {report.filled_size}, at the venue {filled}"]
        return []


def _shown(report: FillReport) -> Sequence[Any]:
    return (
        report.venue_order_id, report.instrument_id, report.side, report.last_size,
        report.last_price, report.liquidity, report.commission,
    )  # fmt: skip


def _true(item: Fill) -> Sequence[Any]:
    market = item.market
    return (
        "" if item.order is None else item.order.uuid,
        f"{market.ticker}-PERP",
        Side.BUY if item.is_buy else Side.SELL,
        Decimal(market.size(item.quantums)),
        Decimal(market.price(item.subticks)),
        LiquiditySide[item.liquidity],
        Decimal(money(item.fee)),
    )


async def run_ledger(plan: Plan, **options: Any) -> Result:
    """Run a plan; `say` gets a line of progress now and then."""
    return await watch_ledger.run(Ledger(), plan, **options)


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line; return the exit code."""
    return watch_ledger.main(Ledger, argv, __doc__)


if __name__ == "__main__":
    sys.exit(main())
