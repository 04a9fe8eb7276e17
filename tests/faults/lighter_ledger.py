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
strike meets each order is the operating system's. The engine is `ledger`.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import patch

if __name__ == "__main__":  # by itself it finds its neighbours like this
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from connectors.lighter.config import Config, Credentials
from connectors.lighter.execution import ExecutionClient
from connectors.model import LiquiditySide, Side
from connectors.net.attempts import AttemptBudget
from connectors.net.ratelimit import Quota
from connectors.sim.lighter.config import SimConfig
from connectors.sim.lighter.server import Simulator, start
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

MARKET = 0
TICK, LOT = Decimal("0.01"), Decimal("0.0001")
# An end of ours for each of the venue's.
END_OF = {
    "filled": {"OrderFilled"},
    "canceled-expired": {"OrderExpired"},
    "canceled-post-only": {"OrderRejected", "OrderCanceled"},
}


class Bot(ledger.Bot):
    """One account of Lighter."""

    INSTRUMENT, MID = "ETH-PERP", Decimal(3000)
    TICK, LOT = TICK, LOT

    def __init__(self, sim: Simulator, account: dict[str, Any], plan: Plan) -> None:
        self.index = account["account_index"]
        self.key = account["api_key_index"]
        super().__init__(str(self.index), plan)
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


class Mischief(ledger.Mischief):
    """What can break at Lighter."""

    CHANNELS, DEAD = 6, "stop_reading"

    def disturb(self) -> str:
        """Do something else."""
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
        return kind


class Venue(ledger.Venue):
    """The simulator of Lighter, its bots and its books."""

    async def start(self, plan: Plan) -> None:
        """Start the simulator and make the bots."""
        self.sim = await start(
            SimConfig.of("empty", seed=plan.seed, accounts=plan.bots, book_batch_ms=50.0)
        )
        self.bots = [Bot(self.sim, account, plan) for account in self.sim.accounts]

    def mischief(self, plan: Plan) -> Mischief:
        """Return what breaks things."""
        return Mischief(self.sim, self.bots, plan)

    @contextlib.contextmanager
    def shortened(self) -> Iterator[None]:
        """Shorten what is re-read after a gap: with so many gaps it would be mostly the same."""
        with (
            patch("connectors.lighter.recovery.GAP_MARGIN_S", 3.0),
            patch("connectors.execution.recovery.RETRY_S", 0.05),
        ):
            yield

    def live(self, bot: Bot) -> Any:
        return self.sim.exchange.account(bot.index).live

    def is_still(self, bot: Bot) -> bool:
        """Whether nothing of a bot is open, and no nonce is out."""
        return super().is_still(bot) and not bot.client._sender.nonces.outstanding

    def compare(self, bot: Bot) -> list[str]:
        """Compare a bot's ledger with the venue's books."""
        sim = self.sim
        account = sim.exchange.account(bot.index)
        bad = _compare_trades(sim, bot)
        venue_orders = {
            order.client_index: order for order in (*account.inactive, *account.live.values())
        }
        for line in bot.lines.values():
            bad += _compare_order(line, venue_orders.pop(line.key, None) if line.key else None)
        bad += [f"the venue has an order nobody placed: {one}" for one in venue_orders.values()]
        market = sim.exchange.market(MARKET)
        size = Decimal(account.size_in(market)) * LOT
        bad += compare_position(bot, size)
        state = bot.client._balances.latest
        held = {b.currency: b.total for b in state.balances} if state is not None else {}
        collateral = Decimal(account.collateral + account.spot.get(3, 0)) / 10**6
        if held.get("USDC") != collateral:
            bad.append(f"balance {held}, at the venue {collateral}")
        return bad


async def run_ledger(plan: Plan, *, say: Callable[[str], object] = lambda line: None) -> Result:
    """Run a plan; `say` gets a line of progress now and then."""
    return await ledger.run(Venue(), plan, say=say)


# -- the comparison -----------------------------------------------------------------------


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
            bad += compare_trade(name, bot.lines[event.client_order_id], event, expected)
    bad += [f"never happened: {event}" for event in told.values()]
    return bad


def _compare_order(line: Line, venue: Any) -> list[str]:
    if venue is None:
        return compare_absent(line)
    return compare_end(
        line,
        filled=Decimal(venue.filled) * LOT,
        ends=END_OF.get(venue.status, {"OrderCanceled"}),
        text=str(venue),
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line; return the exit code."""
    return ledger.main(Venue, argv, __doc__)


if __name__ == "__main__":
    sys.exit(main())
