"""Ledger of IBKR: look on through N disconnects, then compare everything with the venue.

::

    python tests/faults/ibkr_ledger.py --drops 1000 --seed 1

What is done stands in `watch_ledger`. Connections are reset, closed, cut in the middle of a frame,
left open and dead; the session is taken by another platform, lost, logged out, given another id;
the whole venue is away for a moment. Lines end without a word, rows and frames are spoilt, doubled,
late or out of order, answers of REST fail. One session is shared by a client of market data and one
of the account.
"""

from __future__ import annotations

import contextlib
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import patch

if __name__ == "__main__":  # by itself it finds its neighbours like this
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from connectors._speedups.book import BookSide
from connectors.ibkr.account_client import AccountClient
from connectors.ibkr.config import Config, Timers
from connectors.ibkr.data import DataClient
from connectors.ibkr.keeper import SessionKeeper
from connectors.ibkr.pacing import _QUOTAS, ALL, Pacer
from connectors.ibkr.rest import IbkrRest
from connectors.model import FillCorrection, FillReport
from connectors.net.attempts import AttemptBudget
from connectors.net.ratelimit import Quota, RateLimiter, WindowQuota
from connectors.sim.ibkr.lines import ladder
from connectors.sim.ibkr.server import Simulator, start
from faults import watch_ledger
from faults.watch_ledger import Plan, Result
from patience import until

__all__ = ["Ibkr", "Plan", "Result", "main", "run_ledger"]

ACCOUNT = "DU1234567"
CONIDS = (265598, 8314, 515416632, 12087792)
DEEP = 265598  # a session has one ladder
CODES = ("70", "71", "7762", "7635", "7741", "82")
ORDERS_MOST = 300  # every reconnection brings the day's executions again
PRICES = {265598: 19318, 8314: 13983, 515416632: 650000, 12087792: 108205}
SIZES = {265598: 20, 8314: 20, 515416632: 3, 12087792: 30_000}
CURRENT_S = 35.0  # until everything is asked for again
FREE = WindowQuota(100_000, 1.0)
TIMERS = Timers(
    tickle_s=2.0, tickle_alarm_s=4.0, tic_s=1.0, tic_timeout_s=2.0, silence_s=2.0, greeting_s=1.0,
    renewal_s=3.0, resend_s=0.5, login_poll_s=0.1, bridge_step_s=0.02, bridge_limit_s=5.0,
    reconnect_min_s=0.005, reconnect_max_s=0.1, stable_s=0.5,
)  # fmt: skip


class Ibkr(watch_ledger.Venue):
    """The simulator, one account that trades, and two clients that share a session."""

    sim: Simulator
    data: DataClient
    account: AccountClient

    def __init__(self) -> None:
        super().__init__()
        self.quotes: dict[int, Any] = {}
        self.trades: dict[int, Any] = {}
        self.stats: dict[int, dict[str, Any]] = {}
        self.fills: dict[str, FillReport] = {}
        self.twice: list[str] = []

    # -- life --------------------------------------------------------------------------------

    @contextlib.contextmanager
    def shortened(self) -> Iterator[None]:
        """Wait less between two looks; and closes at once, of which there are many, are no sign."""
        with (
            patch("connectors.ibkr.machine.QUICK_CLOSES", 10**9),
            patch.multiple(
                "connectors.ibkr.account_client", RETRY_S=0.05, POLL_S=0.3, POSITIONS_S=0.1
            ),
            patch("connectors.ibkr.account_queries.LIST_PAUSE_S", 0.02),
            patch("connectors.ibkr.account_feed.MISSING_S", 0.3),
            patch("connectors.ibkr.orders.INACTIVE_S", 0.5),
        ):
            yield

    async def start(self, plan: Plan) -> None:
        self.sim = await start(
            seed=plan.seed, questions=False, rate_per_s=300.0, md_interval_ms=50.0, stream_s=10.0,
            system_ms=1.0, sts_ms=5.0, heartbeat_s=0.5, init_ms=20.0, pnl_interval_ms=100.0,
            summary_interval_ms=300.0, ledger_interval_ms=300.0, commission_ms=20.0,
            resend_ms=30.0, cancel_ms=5.0, order_steps_ms=(1.0, 4.0), session_idle_s=0.0,
        )  # fmt: skip

    async def connect(self, stack: contextlib.AsyncExitStack) -> None:
        config = Config.sim(
            self.sim.rest_url, timers=TIMERS, compete="take_over", http_timeout_s=2.0
        )
        pacer = Pacer(config.pacing)
        # The venue's five seconds between two lists would make the run long and prove nothing.
        pacer.limiter = RateLimiter({ALL: FREE, **dict.fromkeys(_QUOTAS, FREE)})
        rest = IbkrRest(config, pacer=pacer)
        stack.push_async_callback(rest.close)
        free = AttemptBudget((Quota(1_000_000, 1.0),))
        keeper = SessionKeeper(config, rest=rest, attempts=free)
        self.data = DataClient(keeper=keeper, symbols=CONIDS)
        await stack.enter_async_context(self.data)
        self.account = AccountClient(keeper=keeper, on_event=self._on_event)
        await stack.enter_async_context(self.account)
        for conid in CONIDS:
            name = str(conid)
            self.stats[conid] = {}
            self.data.subscribe_quotes(name, self._keep(self.quotes, conid))
            self.data.subscribe_trades(name, self._keep(self.trades, conid))
            self.data.subscribe_market_stats(name, self._keep_stats(conid), codes=CODES)
        self.data.subscribe_book(str(DEEP), lambda book: None)
        await until(lambda: self._subscribed() == self._expected(), what="the first subscriptions")

    def _keep(self, where: dict[int, Any], conid: int) -> Callable[[Any], object]:
        return lambda event: where.__setitem__(conid, event)

    def _keep_stats(self, conid: int) -> Callable[[Any], object]:
        def keep(stats: Any) -> None:
            self.stats[conid] = {code: stats.line.number(code) for code in CODES}

        return keep

    def _on_event(self, event: Any) -> None:
        if isinstance(event, FillReport):
            if event.trade_id in self.fills:
                self.twice.append(f"twice: {event}")
            self.fills[event.trade_id] = event
        elif isinstance(event, FillCorrection):
            if event.fill.trade_id not in self.fills:
                self.twice.append(f"a correction of nothing: {event}")
            self.fills[event.fill.trade_id] = event.fill

    # -- what the account does -----------------------------------------------------------------

    def act(self, source: random.Random) -> None:
        sim = self.sim
        resting = [one for one in sim.exchange.orders.values() if one.state == "resting"]
        chance = source.random()
        if resting and chance < 0.25:
            self._fill(source.choice(resting), source)
        elif resting and chance < 0.40:
            sim.exchange.cancel(source.choice(resting))
        elif resting and chance < 0.50:
            order = source.choice(resting)
            size = order.size + order.contract.parse_size(1)
            sim.exchange.modify(order, price=order.price, aux=None, size=size)
        elif len(sim.exchange.orders) < ORDERS_MOST:
            self._place(source)

    def _fill(self, order: Any, source: random.Random) -> None:
        whole = order.contract.parse_size(1)
        part = max(order.open_size // whole // source.randint(1, 4), 1)
        self.sim.fill(order, str(part))

    def _place(self, source: random.Random) -> None:
        conid = source.choice(CONIDS)
        contract = self.sim.exchange.market(conid).contract
        step = contract.increment(PRICES[conid])
        is_buy = source.random() < 0.5
        distance = source.randint(30, 200)
        price = PRICES[conid] // step * step + (-distance if is_buy else distance) * step
        self.sim.admin_order(
            ACCOUNT, conid=conid, side="BUY" if is_buy else "SELL", tif="GTC",
            orderType=source.choice(("LMT", "LMT", "LMT", "MKT")), price=contract.price(price),
            quantity=source.randint(1, SIZES[conid]), cOID=f"w{source.getrandbits(60)}",
        )  # fmt: skip

    # -- what goes wrong -----------------------------------------------------------------------

    def drop(self, source: random.Random) -> str | None:
        sim, faults = self.sim, self.sim.faults
        used = [one for one in sim.connections.values() if one.subscriptions() and not one.quiet]
        if not used:
            return None
        number = used[0].number
        kind = source.choice(
            ("abort", "abort", "close", "close_1011", "close_after_next_frame", "reset_mid_frame",
             "dead", "mute", "competing", "outer_only", "expired", "other_id", "away", "unknown",
             "loop")
        )  # fmt: skip
        match kind:
            case "dead":  # sometimes until the client notices it by itself
                faults.freeze(number)
                if source.random() < 0.8:
                    sim.later(source.uniform(10, 100), lambda: faults.abort(number))
            case "mute":
                faults.stalled_heartbeat(number)
                sim.later(source.uniform(50, 300), lambda: faults.abort(number))
            case "expired":
                faults.session_expiry(ms=source.uniform(10, 100))
            case "other_id":
                faults.session_id_change()
                faults.close(number)
            case "away":
                faults.maintenance(ms=source.uniform(10, 100))
            case "unknown":
                faults.waiting_for_session()
                faults.abort(number)
            case "loop":
                faults.close_1000_loop(number, count=2, after_ms=5)
            case "competing" | "outer_only":
                getattr(faults, kind)()
            case _:
                getattr(faults, kind)(number)
        return kind

    def disturb(self, source: random.Random) -> str:
        sim, faults = self.sim, self.sim.faults
        kind = source.choice(
            ("malformed", "truncated", "empty_frames", "error_frame", "bad_row", "empty_update",
             "server_id_hop", "updated_backwards", "unknown_field", "invalid_utf8_binary",
             "duplicate_executions", "smd_expiry", "tic_dead", "fragmented", "burst", "tap", "tap",
             "answer", "answer", "silent", "poison", "commission", "reason", "bridge", "halt")
        )  # fmt: skip
        match kind:
            case "tap":
                what = source.choice(("duplicate", "delay", "swap"))
                topic = source.choice(("smd", "sor", "str"))
                faults.tap(topic, what, delay_ms=source.choice((5.0, 50.0)))
            case "answer":
                name = source.choice(
                    ("live_orders", "trades", "positions2", "summary", "ledger", "tickle",
                     "accounts", "auth_status", "portfolio_accounts")
                )  # fmt: skip
                way = source.choice(
                    ({"status": 503, "body": ""}, {"drop": True}, {"truncate": True},
                     {"delay_ms": 50.0}, {"status": 400, "body": "Bad Request: no bridge"})
                )  # fmt: skip
                faults.next_reply(name, **way)
            case "silent":
                sim.configure(sor_silent=True)
                sim.later(source.uniform(50, 500), lambda: sim.configure(sor_silent=False))
            case "poison":
                faults.filter_poison()
            case "commission":
                faults.commission_later(source.choice((100.0, 1_000.0)), count=2)
            case "reason":
                live = [one for one in sim.exchange.orders.values() if one.state == "resting"]
                if live:
                    faults.system_cancel(source.choice(live).order_id)
            case "bridge":
                faults.no_bridge_window(source.uniform(10, 50))
            case "halt":
                conid = source.choice(CONIDS)
                faults.halted(conid)
                sim.later(source.uniform(10, 200), lambda: faults.halted(conid, on=False))
            case "burst":
                faults.burst(count=200)
            case _:
                getattr(faults, kind)()
        return kind

    async def calm(self) -> None:
        sim = self.sim
        sim.faults.clear()
        sim.configure(sor_silent=False)
        for conid in CONIDS:
            sim.faults.halted(conid, on=False)
        if not sim.session.login:
            sim.session.log_in()
        with contextlib.suppress(AssertionError):  # what is missing will be named
            await until(
                lambda: self.account.is_caught_up and self._subscribed() == self._expected(),
                CURRENT_S,
                what="current again",
                grace_s=0.0,
            )
        await sim.quiesce()

    # -- what must be equal --------------------------------------------------------------------

    def _subscribed(self) -> list[list[str]]:
        return [
            one.subscriptions()
            for one in self.sim.connections.values()
            if one.ready and not one.quiet
        ]

    def _expected(self) -> list[list[str]]:
        lines = [f"smd+{conid}" for conid in CONIDS]
        of_account = [f"sbd+{ACCOUNT}+{DEEP}", f"ssd+{ACCOUNT}", f"sld+{ACCOUNT}"]
        return [sorted([*lines, *of_account, "sor", "str", "spl"])]

    def compare(self) -> list[str]:
        bad = []
        if self._subscribed() != self._expected():
            bad.append(f"subscribed to {self._subscribed()}")
        if not self.account.is_caught_up:
            bad.append(f"the account is not current: {self.account.keeper.state}")
        for conid in CONIDS:
            bad += self._compare_line(conid)
        bad += self._compare_ladder()
        bad += self._compare_orders()
        bad += self._compare_executions()
        bad += self._compare_money()
        return bad

    def told(self) -> list[str]:
        return self.twice

    def _compare_line(self, conid: int) -> list[str]:
        fields = self.sim.exchange.market(conid).fields()
        instrument = self.data.instrument(str(conid))
        number = {code: Decimal(str(fields[code]).replace(",", "")) for code in LEVEL}
        ticks, lots = instrument.price_scale.to_ticks, instrument.size_scale.to_ticks
        quote, trade = self.quotes.get(conid), self.trades.get(conid)
        told = quote and (quote.bid_ticks, quote.bid_lots, quote.ask_ticks, quote.ask_lots)
        real = (ticks(number["84"]), lots(number["88"]), ticks(number["86"]), lots(number["85"]))
        bad = []
        if told != real:
            bad.append(f"{conid}: quote {told}, at the venue {real}")
        last = trade and trade.price_ticks
        if last != ticks(number["31"]):
            bad.append(f"{conid}: last trade {last}, at the venue {ticks(number['31'])}")
        stats = {code: Decimal(str(fields[code])) for code in CODES}
        if self.stats[conid] != stats:
            bad.append(f"{conid}: stats {self.stats[conid]}, at the venue {stats}")
        self.compared["lines"] += 1
        self.compared["fields"] += len(number) + len(stats)
        return bad

    def _compare_ladder(self) -> list[str]:
        instrument = self.data.instrument(str(DEEP))
        market = self.sim.exchange.market(DEEP)
        ticks, lots = instrument.price_scale.to_ticks, instrument.size_scale.to_ticks
        real: dict[str, list[tuple[int, int]]] = {"bid": [], "ask": []}
        for row in ladder(market, self.sim.config.ladder_rows):
            for side, levels in real.items():
                if side in row:
                    price = ticks(Decimal(row["price"].split(" @ ")[-1]))
                    levels.append((price, lots(Decimal(row[side]))))
        book = self.data.book(str(DEEP))
        if book is None:
            return ["the ladder is not live"]
        told = {"bid": book.levels(BookSide.BID), "ask": book.levels(BookSide.ASK)}
        real["ask"].reverse()
        self.compared["levels"] += len(real["bid"]) + len(real["ask"])
        return [
            f"ladder, {side}: {told[side]}, at the venue {real[side]}"
            for side in real
            if told[side] != real[side]
        ]

    def _compare_orders(self) -> list[str]:
        bad = []
        for order in self.sim.exchange.orders.values():
            self.compared["orders"] += 1
            report = self.account.order(str(order.order_id))
            if report is None:
                bad.append(f"order {order.order_id} {order.status}: never told")
                continue
            contract = order.contract
            told = (report.status.name, report.size, report.filled_size, report.client_order_id)
            real = (_status(order), contract.quantity(order.size), contract.quantity(order.filled),
                    order.ref)  # fmt: skip
            if told != real:
                bad.append(f"order {order.order_id}: {told}, at the venue {real}")
        live = {one.order_id for one in self.sim.exchange.orders.values() if one.is_live}
        told_live = {int(report.venue_order_id) for report in self.account.orders()}
        if told_live != live:
            bad.append(f"live orders {sorted(told_live)}, at the venue {sorted(live)}")
        return bad

    def _compare_executions(self) -> list[str]:
        account = self.sim.exchange.account(ACCOUNT)
        bad, told = [], dict(self.fills)
        for execution in account.executions:
            self.compared["executions"] += 1
            contract = execution.order.contract
            fill = told.pop(execution.execution_id.rpartition(".")[0], None)
            real = (
                str(execution.order.order_id), contract.quantity(execution.size),
                contract.decimal(execution.price), execution.commission,
            )  # fmt: skip
            got = fill and (fill.venue_order_id, fill.last_size, fill.last_price, fill.commission)
            if got != real:
                bad.append(f"execution {execution.execution_id}: {got}, at the venue {real}")
        return bad + [f"never happened: {fill}" for fill in told.values()]

    def _compare_money(self) -> list[str]:
        account = self.sim.exchange.account(ACCOUNT)
        markets = self.sim.exchange.markets
        bad = []
        held = {
            self.data.instrument(key).id: one.contract.quantity(one.size)
            for key, one in account.positions.items()
            if one.size
        }
        told = {one.instrument_id: one.signed_size for one in self.account.positions()}
        if told != held:
            bad.append(f"positions {told}, at the venue {held}")
        row = {name: Decimal(str(value)) for name, value in account.pnl(markets).items()}
        real = (row["dpl"], row["upl"], row["nl"], row["mv"])
        rows = [
            (one.daily, one.unrealized, one.net_liquidation, one.market_value)
            for one in self.account.pnl
        ]
        if rows != [real]:
            bad.append(f"profit and loss {rows}, at the venue {real}")
        cash = account.cash.quantize(Decimal("0.01"))
        totals = {one.currency: one.total for one in self.account.balances()}
        if totals.get("USD") != cash:
            bad.append(f"balances {totals}, at the venue USD {cash}")
        self.compared["positions"] += len(held)
        self.compared["amounts"] += len(real) + 1
        return bad


LEVEL = ("31", "84", "86", "85", "88")


def _status(order: Any) -> str:
    """Return how we call the state of an order."""
    if order.status == "Filled":
        return "FILLED"
    if order.status == "Cancelled":
        return "REJECTED" if order.reason and not order.filled else "CANCELED"
    return "PARTIALLY_FILLED" if order.filled else "ACCEPTED"


async def run_ledger(plan: Plan, *, say: Callable[[str], object] = lambda line: None) -> Result:
    """Run a plan; `say` gets a line of progress now and then."""
    return await watch_ledger.run(Ibkr(), plan, say=say)


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line; return the exit code."""
    return watch_ledger.main(Ibkr, argv, __doc__)


if __name__ == "__main__":
    sys.exit(main())
