"""What does an order cost on Lighter, from the quote to the signed bytes?

Three questions: the call of `submit_order` alone, with a transport that only takes the bytes; a bot
that answers each quote of the simulator with an order, next to the same bot on the official SDK;
and an account of ten thousand orders, from the frame to what we believe of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from bench.bots import BotProcess, configure, simulator, tick_to_trade
from bench.lighter import ACCOUNT, decoder_to, eth
from bench.lighter_trader import POOL
from bench.measure import Case, Claim, Group, Plan, time_cases
from bench.submitting import Submitting, submitting_cases
from connectors import lighter
from connectors._speedups.lighter import AccountFrame, AccountHandler
from connectors.execution.dispatch import OrderDispatch
from connectors.execution.identity import OrderRegistry, TrackedOrder
from connectors.execution.lookups import LookupSchedule
from connectors.execution.reconcile import Reconciler
from connectors.lighter.account_feed import AccountFeed
from connectors.lighter.reports import Reporter
from connectors.lighter.sending import Sender
from connectors.lighter.wire import sendtx_frame
from connectors.model import Order, OrderType, Side, limit_order
from connectors.net.clock import SYSTEM_CLOCK
from connectors.net.tasks import OwnedTasks

__all__ = ["run"]

KEY = "0b8e0f63c24d8baacd9d29ad4e9a4b73c4a8d2bb8b16dc4fa9d7c2e1d3a8b1f0e8d3a4c5b6e7f001"
CALLS = 256
PRICE, SIZE = Decimal("2352.73"), Decimal("0.0050")
ORDERS = 10_000
RATES = ((1_000.0, 300, "busy"), (50.0, 40, "calm"))  # quotes a second, orders of a turn
SDK = "1.1.8"
OFFICIAL = "official SDK"


def run(plan: Plan) -> list[Group]:
    async def submitting() -> Group:
        return _submit(plan)

    return [asyncio.run(submitting()), *_tick_to_trade(plan), _reconcile(plan)]


# ---- the call ------------------------------------------------------------------------------------


class Account(Submitting):
    """A client of Lighter."""

    def __init__(self, pool: int) -> None:
        self.config = lighter.Config(
            environment="testnet",
            credentials=lighter.Credentials(KEY, ACCOUNT, 5),
            sendtx_quota_per_min=1_000_000,
            nonce_window=2 * CALLS,
        )
        self.instrument = eth()
        super().__init__(CALLS, _order, lighter.Signer(KEY, ACCOUNT, 5, 300, pool_capacity=pool))

    def connected(self) -> tuple[Any, Any]:
        venue: Any = lighter.ExecutionClient(
            self.config, on_event=self.count, instruments=[self.instrument], signer=self.signer
        )
        nothing: Any = None
        sender = Sender(
            venue._outcomes, config=self.config, signer=self.signer, rest=nothing,
            tasks=OwnedTasks("bench"), clock=SYSTEM_CLOCK,
        )  # fmt: skip
        token = sender.nonces.begin_refresh()
        assert token is not None
        sender.nonces.finish_refresh(token, 1)
        return venue, sender


def _order() -> Order:
    return limit_order("ETH-PERP", Side.BUY, size=SIZE, price=PRICE, post_only=True)


def _submit(plan: Plan) -> Group:
    pooled, plain = Account(CALLS), Account(0)
    pooled.proven()
    sent = json.loads(plain.proven())["data"]
    if sent["tx_type"] != 14:
        raise AssertionError(f"{sent['tx_type']} in place of an order")
    signed = plain.signer.sign(14, dict(_fields(sent["tx_info"])))
    return time_cases(
        "submit a Lighter order",
        [
            *submitting_cases(pooled, plain),
            Case("signature from the pool alone", *_sign(pooled, sent["tx_info"])),
            Case("signature alone", *_sign(plain, sent["tx_info"])),
            Case("frame alone", lambda: sendtx_frame(14, signed.tx_info, "t1"), 1),
        ],
        plan,
        unit="µs",
        note="call -> bytes handed to the transport, OrderSubmitted to a callback included",
    )  # fmt: skip


def _fields(info: dict[str, Any]) -> Iterator[tuple[str, int]]:
    for name, value in info.items():
        if isinstance(value, int) and name not in ("AccountIndex", "ApiKeyIndex"):
            yield name, value


def _sign(account: Account, info: dict[str, Any]) -> tuple[Any, int, Any]:
    fields, sign = dict(_fields(info)), account.signer.sign

    def batch() -> None:
        for _ in range(CALLS):
            sign(14, fields)

    return batch, CALLS, account.signer.precompute if account.signer.pool_capacity else None


# ---- from the quote to the order -----------------------------------------------------------------


def _tick_to_trade(plan: Plan) -> list[Group]:
    """Let bots answer quotes: more of them than the official SDK can, and few with long pauses.

    The simulator sends tickers, checks every signature and nonce, and executes nothing.
    """
    kinds = {
        "tickwire, pool filled while idle": f"ours-{POOL}",
        "tickwire, pool refilled meanwhile": "ours-128",
        "tickwire, no pool": "ours-0",
        OFFICIAL: "official",
    }
    note = "CPU of the client's process for each order, ticker frame -> signed order written"
    if not _has_sdk():
        del kinds[OFFICIAL]
        note += f"; lighter-sdk {SDK} is not installed"
    arguments = ["lighter", "--scenario", "load", "--accounts", str(len(kinds))]
    load = {"execute": False, "load_kinds": ["ticker"], "load_frames_per_s": RATES[0][0]}
    with simulator(arguments, **load) as ready, contextlib.ExitStack() as stack:
        bots = {}
        for number, (name, kind) in enumerate(kinds.items()):
            bots[name] = BotProcess("lighter_trader.py", kind, number, ready)
            stack.callback(bots[name].close)
        return tick_to_trade(
            "Lighter tick to trade",
            bots,
            RATES,
            lambda rate: configure(ready, load_frames_per_s=rate),
            plan,
            note=note,
            claims=[Claim(OFFICIAL, at_least=25.0)],
        )


def _has_sdk() -> bool:
    try:
        return importlib.metadata.version("lighter-sdk") == SDK
    except importlib.metadata.PackageNotFoundError:
        return False


# ---- ten thousand orders -------------------------------------------------------------------------


class Snapshot(AccountHandler):
    """An account that is shown all its open orders in one frame."""

    def __init__(self, on_event: Callable[[Any], object], *, known: bool) -> None:
        self.registry = OrderRegistry()
        instrument = eth()
        for number in range(1, ORDERS + 1):
            self.registry.add(
                TrackedOrder(
                    f"order-{number}", instrument.id, Side.BUY, OrderType.LIMIT,
                    size=SIZE, price=PRICE, client_key=number,
                )
            )  # fmt: skip
        nothing: Any = None
        dispatch = OrderDispatch(self.registry, on_event=on_event, wall_ns=SYSTEM_CLOCK.wall_ns)
        self.feed = AccountFeed(
            Owner(), dispatch=dispatch,
            reconciler=Reconciler(dispatch, LookupSchedule(), wall_ns=SYSTEM_CLOCK.wall_ns),
            reporter=Reporter(
                ACCOUNT, self.registry, instrument_of=lambda index: instrument,
                wall_ns=SYSTEM_CLOCK.wall_ns,
            ),
            markets=nothing, positions=nothing, balances=nothing, clock=SYSTEM_CLOCK,
        )  # fmt: skip
        self.decode = decoder_to(lambda event: None, self).feed_bytes
        if known:
            self.decode(FRAME)

    def on_orders(self, frame: AccountFrame) -> None:
        self.feed.take_rows("account_all_orders", frame)


class Owner:
    """Of a feed of which nothing but orders comes."""

    def order_seen(self, row: Any) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(name)


def _row(number: int) -> dict[str, Any]:
    return {
        "order_index": 281_474_976_710_656 + number, "client_order_index": number,
        "order_id": str(281_474_976_710_656 + number), "client_order_id": str(number),
        "market_index": 0, "owner_account_index": ACCOUNT, "initial_base_amount": "0.0050",
        "price": "2352.73", "nonce": number, "remaining_base_amount": "0.0050", "is_ask": False,
        "base_size": 50, "base_price": 235_273, "filled_base_amount": "0.0000",
        "filled_quote_amount": "0.000000", "side": "", "type": "limit",
        "time_in_force": "post-only", "reduce_only": False, "trigger_price": "0.00",
        "order_expiry": 1_797_677_658_427, "status": "open", "trigger_status": "na",
        "trigger_time": 0, "parent_order_index": 0, "parent_order_id": "0",
        "to_trigger_order_id_0": "0", "to_trigger_order_id_1": "0", "to_cancel_order_id_0": "0",
        "block_height": 227_535_535, "timestamp": 1_774_884_082, "created_at": 1_774_884_082,
        "updated_at": 1_774_884_082, "transaction_time": 1_774_884_082_309_144,
    }  # fmt: skip


FRAME = json.dumps(
    {
        "type": "subscribed/account_all_orders", "channel": f"account_all_orders:{ACCOUNT}",
        "orders": {"0": [_row(number) for number in range(1, ORDERS + 1)]},
    },
    separators=(",", ":"),
).encode()  # fmt: skip


def _reconcile(plan: Plan) -> Group:
    events: list[Any] = []
    fresh: list[Snapshot] = []

    def renew() -> None:
        events.clear()
        fresh[:] = [Snapshot(events.append, known=False)]

    known = Snapshot(events.append, known=True)
    if len(events) != ORDERS:
        raise AssertionError(f"{len(events)} events for {ORDERS} orders")
    return time_cases(
        "10 000 open Lighter orders reconciled",
        [
            Case("all known already", lambda: known.decode(FRAME), ORDERS),
            Case(
                "all new, each makes OrderAccepted", lambda: fresh[0].decode(FRAME), ORDERS, renew
            ),
            Case("json.loads of the frame", lambda: json.loads(FRAME), ORDERS, note="a dict"),
        ],
        plan,
        unit="µs",
        note=f"one frame of {len(FRAME) / 1e6:.1f} MB, decoded, reported, reconciled; per order",
    )
