"""What does an order cost on Hyperliquid, from the quote to the signed bytes?

Two questions: the call of `submit_order` and `modify_order` alone, with a transport that only takes
the bytes; and a bot that answers each quote of the simulator with an order, next to the same bot on
the official SDK (`make hyperliquid-sdk`; without it, only ours are measured).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from bench import ROOT
from bench.bots import BotProcess, tick_to_trade
from bench.hyperliquid_trader import POOL
from bench.measure import Case, Group, Plan, time_cases
from bench.submitting import Submitting, submitting_cases
from connectors import hyperliquid
from connectors.hyperliquid.instruments import parse_instruments
from connectors.hyperliquid.limits import IpLimits
from connectors.hyperliquid.posting import envelope
from connectors.hyperliquid.rest import HyperliquidRest
from connectors.hyperliquid.sending import Sender
from connectors.model import Instrument, Order, Side, limit_order
from connectors.net.clock import SYSTEM_CLOCK
from connectors.net.tasks import OwnedTasks

sys.path.append(str(ROOT / "tests"))
from oracle.hyperliquid_official import find

__all__ = ["run"]

KEY = "0x0123456789012345678901234567890123456789012345678901234567890123"
CALLS = 256
PRICE, SIZE = Decimal("3097.1"), Decimal("0.0100")
NEVER = 1_000_000_000
RATES = ((1_000.0, 300, "busy"), (50.0, 40, "calm"))  # quotes a second, orders of a turn
OFFICIAL = "official SDK"


def run(plan: Plan) -> list[Group]:
    async def submitting() -> Group:
        return await _submit(plan)

    return [asyncio.run(submitting()), *_tick_to_trade(plan)]


# ---- the call ------------------------------------------------------------------------------------


def eth() -> Instrument:
    meta = {"universe": [{"name": "ETH", "szDecimals": 4, "maxLeverage": 25}]}
    (instrument,) = parse_instruments({"tokens": [], "universe": []}, {"": meta})
    return instrument


class Account(Submitting):
    """A client of Hyperliquid."""

    def __init__(self, pool: int) -> None:
        self.config = hyperliquid.Config(
            environment="testnet",  # type: ignore[arg-type]
            credentials=hyperliquid.Credentials(KEY),
            rest_url="http://127.0.0.1:1",
            rest_weight_per_min=NEVER,
            messages_per_min=NEVER,
            inflight_posts_max=NEVER,
        )
        self.tasks = OwnedTasks("bench")
        self.limits = IpLimits(weight_per_min=NEVER, messages_per_min=NEVER, posts_max=NEVER)
        self.rest = HyperliquidRest(self.config, limits=self.limits)
        self.instrument = eth()
        super().__init__(CALLS, _order, hyperliquid.Signer(KEY, pool_capacity=pool))

    def connected(self) -> tuple[Any, Any]:
        venue: Any = hyperliquid.ExecutionClient(
            self.config, on_event=self.count, instruments=[self.instrument], signer=self.signer
        )
        sender = Sender(
            venue._outcomes, config=self.config, signer=self.signer, rest=self.rest,
            tasks=self.tasks, clock=SYSTEM_CLOCK,
        )  # fmt: skip
        sender._learning = asyncio.current_task()  # type: ignore[assignment]  # nobody to ask
        return venue, sender

    async def close(self) -> None:
        self.venue._sender.close("done")
        await self.tasks.close(timeout_s=5.0)
        await self.rest.close()
        self.signer.close()


def _order() -> Order:
    return limit_order("ETH-PERP", Side.BUY, size=SIZE, price=PRICE, post_only=True)


async def _submit(plan: Plan) -> Group:
    pooled, plain = Account(CALLS), Account(0)
    pooled.proven()
    sent = json.loads(plain.proven())["request"]["payload"]
    action, nonce = sent["action"], sent["nonce"]
    if action["type"] != "order":
        raise AssertionError(f"{action['type']} in place of an order")
    signature = plain.signer.sign_l1_action(action, nonce, None, None, False)
    try:
        return time_cases(
            "submit a Hyperliquid order",
            [
                *submitting_cases(pooled, plain),
                Case("signature from the pool alone", *_sign(pooled, action, nonce)),
                Case("signature alone", *_sign(plain, action, nonce)),
                Case("envelope alone", lambda: envelope(action, nonce, signature), 1),
            ],
            plan,
            unit="µs",
            note="call -> bytes handed to the transport, OrderSubmitted to a callback included",
        )  # fmt: skip
    finally:
        await pooled.close()
        await plain.close()


def _sign(account: Account, action: Any, nonce: int) -> tuple[Any, int, Any]:
    sign = account.signer.sign_l1_action

    def batch() -> None:
        for _ in range(CALLS):
            sign(action, nonce, None, None, False)

    return batch, CALLS, account.signer.precompute if account.signer.pool_capacity else None


# ---- from the quote to the order -----------------------------------------------------------------


@contextlib.contextmanager
def _venue(accounts: int) -> Iterator[tuple[dict[str, Any], Any]]:
    """Run `hyperliquid_venue.py`; return its line, and what sets its rate of quotes."""
    script = str(Path(__file__).with_name("hyperliquid_venue.py"))
    with subprocess.Popen(
        [sys.executable, "-P", script, str(accounts)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        answers, questions = process.stdout, process.stdin

        def set_rate(rate: float) -> None:
            questions.write(f"{rate}\n")
            questions.flush()
            answers.readline()

        try:
            yield json.loads(answers.readline()), set_rate
        finally:
            process.terminate()


def _tick_to_trade(plan: Plan) -> list[Group]:
    """Let bots answer quotes: about as many as the official SDK can, and few with long pauses."""
    kinds = {
        "tickwire, pool filled while idle": f"ours-{POOL}",
        "tickwire, pool refilled meanwhile": "ours-128",
        "tickwire, no pool": "ours-0",
    }
    note = "CPU of the client's process for each order, bbo frame -> order accepted"
    sdk = find()
    pythons = dict.fromkeys(kinds, sys.executable)
    if sdk is not None:
        kinds[OFFICIAL], pythons[OFFICIAL] = "official", sdk
    else:
        note += "; the official SDK is not installed"
    with _venue(len(kinds)) as (ready, set_rate), contextlib.ExitStack() as stack:
        bots = {}
        for number, (name, kind) in enumerate(kinds.items()):
            bots[name] = BotProcess("hyperliquid_trader.py", kind, number, ready, pythons[name])
            stack.callback(bots[name].close)
        return tick_to_trade(
            "Hyperliquid tick to trade",
            bots,
            RATES,
            set_rate,
            plan,
            note=note,
            claims=[],
        )
