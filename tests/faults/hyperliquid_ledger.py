"""Ledger of Hyperliquid: trade through N disconnects, then compare the books with the venue's.

::

    python tests/faults/hyperliquid_ledger.py --drops 3000 --fills 30000 --seed 1

What is done and compared stands in `ledger`. Here a third of all commands are modifications, and
what is seen of each comes in any order, in one frame or several, with pauses, with parts that never
come; replacements are refused, with the old order left alone or gone; answers are lost, late, or
429; frames doubled, swapped, lost; ends told before fills; orders canceled by the venue itself.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from itertools import cycle
from pathlib import Path
from typing import Any
from unittest.mock import patch

if __name__ == "__main__":  # by itself it finds its neighbours like this
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from connectors.hyperliquid.config import Config
from connectors.hyperliquid.execution import ExecutionClient
from connectors.hyperliquid.limits import INFO, IpLimits
from connectors.model import FillReport, LiquiditySide, OrderFilled, Side
from connectors.net.attempts import AttemptBudget
from connectors.net.ratelimit import Quota
from connectors.sim.hyperliquid.config import MODIFY_STEPS, SimConfig
from connectors.sim.hyperliquid.server import Simulator, start
from faults import ledger
from faults.ledger import Plan, Result
from faults.ledger_lines import (
    Line,
    compare_absent,
    compare_end,
    compare_position,
    compare_trade,
)

__all__ = ["Plan", "Result", "main", "run_ledger"]

INSTRUMENT, COIN = "ETH-PERP", "ETH"
STREAMS = ("orderUpdates", "userFills", "userEvents")
# How the bots differ.
WAYS: Sequence[dict[str, Any]] = (
    {},
    {"fill_policy": "promote"},
    {"order_channel": "http"},
    {"accept_source": "stream"},
)


class Bot(ledger.Bot):
    """One account of Hyperliquid."""

    INSTRUMENT, MID = INSTRUMENT, Decimal(3000)
    TICK, LOT = Decimal("0.1"), Decimal("0.0001")
    SIZES = (60, 400)
    CHOICES = (
        (0.34, "limit"), (0.04, "market"), (0.04, "stop"), (0.04, "list"), (0.43, "modify"),
        (0.07, "cancel"), (0.03, "cancels"), (0.01, "cancel_all"),
    )  # fmt: skip

    def __init__(
        self, sim: Simulator, account: dict[str, Any], plan: Plan, **settings: Any
    ) -> None:
        self.address = account["address"].lower()
        super().__init__(self.address[:8], plan)
        self.client = ExecutionClient(
            Config.sim(
                sim.http_url,
                account["private_key"],
                post_timeout_ms=500,
                submit_unresolved_ms=250,
                cancel_unresolved_ms=250,
                modify_unresolved_ms=250,
                unresolved_max_pause_s=2.0,
                reconcile_interval_s=3.0,
                reconnect_min_s=0.005,
                reconnect_max_s=0.1,
                market_slippage_bps=2,
                **settings,
            ),
            on_event=self.on_event,
            attempts=AttemptBudget((Quota(1_000_000, 1.0),)),
        )

    def trade_key(self, trade: OrderFilled | FillReport) -> Any:
        """Return what makes a trade one trade: ids are of a pair of orders."""
        return trade.trade_id, trade.venue_order_id


class Mischief(ledger.Mischief):
    """What can go wrong on Hyperliquid."""

    CHANNELS, DEAD = 5, "freeze"

    def disturb(self) -> str:
        """Do something else."""
        sim, faults, pick = self._sim, self._sim.faults, self._random.choice
        kind = pick(
            ("answer", "answer", "answer", "info", "duplicate", "duplicate", "swap", "late", "lost",
             "order", "modify", "modify", "modify", "refused", "venue_cancel", "habits")
        )  # fmt: skip
        match kind:
            case "answer" if self._random.random() < 0.3:
                faults.next_reply(
                    "/exchange",
                    **pick(
                        (
                            {"lose": True},
                            {"lose": True, "execute": False},
                            {"truncate": True},
                            {"delay_s": 0.3},
                            {"status": 502, "execute": True},
                            {"status": 502},
                        )
                    ),
                )
            case "answer":
                err = {"status": "err", "response": "Invalid made up"}
                faults.next_reply(
                    "post",
                    **pick(
                        (
                            {"lose": True},
                            {"lose": True, "execute": False},
                            {"delay_s": 0.03},
                            {"delay_s": 0.7},
                            {"body": "429 Too Many Requests"},
                            {"body": err, "as_type": "action"},
                        )
                    ),
                )
            case "info":
                faults.next_reply("/info", **pick(({"status": 500, "body": "?"}, {"lose": True})))
            case "duplicate" | "swap":
                faults.tap(pick(STREAMS), kind, count=2)
            case "late":
                faults.tap(pick((*STREAMS, "post")), "delay", delay_ms=pick((5.0, 60.0)))
            case "lost":
                faults.tap(pick(STREAMS), "drop")
            case "order":
                order = ["orderUpdates", "userFills", "user"]
                self._random.shuffle(order)
                sim.configure(frame_order=tuple(order))
            case "modify":
                steps = list(MODIFY_STEPS)
                self._random.shuffle(steps)
                if self._random.random() < 0.2:
                    steps.pop()
                faults.next_modify(
                    steps, split=pick((True, False)), gap_ms=pick((0.0, 0.0, 20.0)), count=4
                )
            case "refused":
                sim.configure(modify_refused=pick(("survives", "gone")))
            case "venue_cancel":
                bot = pick(self._bots)
                live = list(sim.exchange.account(bot.address).live)
                if live:
                    status = pick(("marginCanceled", "openInterestCapCanceled", "canceled"))
                    faults.cancel_order(bot.address, pick(live), status)
            case "habits":
                sim.configure(
                    block_ms=pick((0.0, 20.0, 70.0)),
                    reply_first=pick((True, False)),
                    open_before_fill=pick((True, False)),
                    open_on_partial=pick((True, False)),
                    stream_rejections=pick((True, False)),
                )
        return kind


class Venue(ledger.Venue):
    """The simulator of Hyperliquid, its bots and its books."""

    async def start(self, plan: Plan) -> None:
        """Start the simulator and make the bots."""
        self.sim = await start(
            SimConfig.of("empty", seed=plan.seed, accounts=plan.bots, block_ms=20.0)
        )
        self.bots = [
            Bot(self.sim, account, plan, **settings)
            for account, settings in zip(self.sim.accounts, cycle(WAYS), strict=False)
        ]

    def mischief(self, plan: Plan) -> Mischief:
        """Return what breaks things."""
        return Mischief(self.sim, self.bots, plan)

    def calm(self) -> None:
        """Let nothing break any more."""
        self.sim.faults.clear()
        self.sim.configure(
            frame_order=("orderUpdates", "userFills", "user"), modify_refused="survives"
        )

    @contextlib.contextmanager
    def shortened(self) -> Iterator[None]:
        """Ask more often than the venue would allow, and keep all of its books."""
        limits = IpLimits(weight_per_min=10**9, messages_per_min=10**9, posts_max=10**6)
        with (
            patch("connectors.hyperliquid.recovery.GAP_MARGIN_MS", 1_000),
            patch("connectors.execution.recovery.RETRY_S", 0.05),
            patch("connectors.hyperliquid.rest.ip_limits", lambda config: limits),
            # There is a 429 every second: with ten seconds for each nothing would be asked at all.
            patch.object(IpLimits, "hold_info", _hold_briefly),
            patch("connectors.sim.hyperliquid.accounts.KEPT", 10**7),
        ):
            yield

    def live(self, bot: Bot) -> Any:
        return self.sim.exchange.account(bot.address).live

    def compare(self, bot: Bot) -> list[str]:
        """Compare a bot's ledger with the venue's books."""
        account = self.sim.exchange.account(bot.address)
        market = self.sim.exchange.markets[COIN]
        bad = _compare_trades(account.fills, bot)
        legs: dict[str | None, list[Any]] = {}
        for order in account.history.values():
            legs.setdefault(order.cloid, []).append(order)
        for line in bot.lines.values():
            own = legs.pop(line.key, None) if line.key else None
            bad += compare_absent(line) if not own else self._compare_order(line, own)
        bad += [f"the venue has an order nobody placed: {order}" for order in legs.values()]
        size = Decimal(market.size(account.lots(COIN)))
        return bad + compare_position(bot, size)

    def _compare_order(self, line: Line, legs: Sequence[Any]) -> list[str]:
        """Compare with all that was placed under an order's cloid."""
        market = self.sim.exchange.markets[COIN]
        placed = [leg for leg in legs if not leg.status.endswith("Rejected") or leg.filled_lots]
        filled = sum(Decimal(market.size(leg.filled_lots)) for leg in legs)
        text = " ".join(f"{leg.oid} {leg.status} {leg.filled_lots}" for leg in legs)
        if not placed:  # refused, if need be after it was shown as open
            is_told = line.ends == ["OrderRejected"] and line.kinds.count("OrderAccepted") <= 1
            return [] if is_told else [f"order {line.kinds}: refused, at the venue {text}"]
        last = placed[-1]
        ends = {"OrderFilled"} if last.status == "filled" else {"OrderCanceled"}
        return compare_end(line, filled=filled, ends=ends, text=text, had_filled=True)


def _hold_briefly(self: IpLimits, for_s: float = 0.0) -> None:
    self.limiter.hold(INFO, 0.05)


def _compare_trades(fills: Sequence[dict[str, Any]], bot: Bot) -> list[str]:
    bad: list[str] = []
    told = dict(bot.trades)
    for row in fills:
        event = told.pop((str(row["tid"]), str(row["oid"])), None)
        if event is None:
            bad.append(f"lost: {row}")
            continue
        expected = (
            row.get("cloid"),
            Side.BUY if row["side"] == "B" else Side.SELL,
            Decimal(row["sz"]),
            Decimal(row["px"]),
            LiquiditySide.TAKER if row["crossed"] else LiquiditySide.MAKER,
            Decimal(row["fee"]),
        )
        line = bot.lines[event.client_order_id or ""]
        bad += compare_trade(row["tid"], line, event, expected)
    bad += [f"never happened: {event}" for event in told.values()]
    return bad


async def run_ledger(plan: Plan, *, say: Callable[[str], object] = lambda line: None) -> Result:
    """Run a plan; `say` gets a line of progress now and then."""
    return await ledger.run(Venue(), plan, say=say)


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line; return the exit code."""
    return ledger.main(Venue, argv, __doc__)


if __name__ == "__main__":
    sys.exit(main())
