"""How long does a Lighter frame take to become an event, and a frame of fills to be applied?

Shapes, key order and number formats are those of the wire; values come from a seeded random walk,
and each kind is a list of different frames that stays within 16 kB.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from bench.frame_cases import TYPED, decoding, loop, others, router_to
from bench.measure import Case, Claim, Group, Plan
from bench.ours import ignore
from connectors import lighter
from connectors._speedups.lighter import AccountFrame, AccountHandler, LighterDecoder
from connectors._speedups.symbols import SymbolTable
from connectors.execution.identity import TrackedOrder
from connectors.lighter.instruments import parse_instruments, wire_name
from connectors.lighter.private_stream import PrivateStream
from connectors.model import Instrument, OrderFilled, OrderType, Side
from connectors.net.clock import SYSTEM_CLOCK

__all__ = ["BOOK", "FILLS", "MAKERS", "Applied", "decoder_to", "frames", "run"]

ROOM = 16_384
ACCOUNT, CLIENT_INDEX, ORDER_INDEX = 12345, 7_001_011_966, 562_947_905_631_053
KEY = "0b8e0f63c24d8baacd9d29ad4e9a4b73c4a8d2bb8b16dc4fa9d7c2e1d3a8b1f0e8d3a4c5b6e7f001"
BOOK, TICKER, TRADE = "order_book, 6+6 levels", "ticker", "trade"
FILLS = "account_all_trades, 5 fills"
CLAIMS = {BOOK: [Claim(TYPED, at_least=3.5)], FILLS: [Claim(TYPED, at_least=1.5)]}
DETAILS = {
    "order_book_details": [
        {"symbol": "ETH", "market_id": 0, "market_type": "perp", "status": "active",
         "size_decimals": 4, "price_decimals": 2}
    ]
}  # fmt: skip


class Market:
    """A seeded market that moves a little with every look at it."""

    def __init__(self) -> None:
        self.random = random.Random(20_260_521)
        self.mid = 235_273
        self.nonce = 9_182_389_998
        self.id = 19_209_006_902
        self.us = 1_774_884_082_309_144

    def step(self) -> None:
        self.mid += self.random.choice((-3, -1, 0, 0, 1, 3))
        self.nonce += self.random.randrange(1, 30)
        self.id += self.random.randrange(1, 9)
        self.us += self.random.randrange(1_000, 90_000)

    def price(self, away: int) -> str:
        ticks = self.mid + away
        return f"{ticks // 100}.{ticks % 100:02}"

    def size(self) -> str:
        return f"{self.random.choice((0.0, 0.1336, 2.5, 40.0)) * self.random.random():.4f}"

    def level(self, away: int) -> dict[str, str]:
        return {"price": self.price(away), "size": self.size()}


def order_book(m: Market) -> dict[str, Any]:
    begin = m.nonce
    m.step()
    return {
        "channel": "order_book:0", "last_updated_at": m.us, "offset": 1_558_300,
        "order_book": {
            "code": 0, "asks": [m.level(n) for n in range(1, 7)],
            "bids": [m.level(-n) for n in range(1, 7)], "offset": 1_558_300, "nonce": m.nonce,
            "last_updated_at": m.us, "begin_nonce": begin,
        },
        "timestamp": m.us // 1000 + 17, "type": "update/order_book",
    }  # fmt: skip


def ticker(m: Market) -> dict[str, Any]:
    return {
        "channel": "ticker:0", "last_updated_at": m.us, "nonce": m.nonce,
        "ticker": {"s": "ETH", "a": m.level(1), "b": m.level(-1), "last_updated_at": m.us},
        "timestamp": m.us // 1000 + 12, "type": "update/ticker",
    }  # fmt: skip


def trade_row(m: Market) -> dict[str, Any]:
    m.step()
    ask, bid = 281_476_929_510_102, ORDER_INDEX
    return {
        "trade_id": m.id, "trade_id_str": str(m.id), "tx_hash": f"{m.id:016x}", "type": "trade",
        "market_id": 0, "size": "0.1336", "price": m.price(0), "usd_amount": "314.324728",
        "ask_id": ask, "ask_id_str": str(ask), "bid_id": bid, "bid_id_str": str(bid),
        "ask_client_id": 0, "ask_client_id_str": "0", "bid_client_id": CLIENT_INDEX,
        "bid_client_id_str": str(CLIENT_INDEX), "ask_account_id": 91249,
        "bid_account_id": ACCOUNT, "is_maker_ask": True, "block_height": 227_535_535,
        "timestamp": m.us // 1000, "taker_fee": 196, "maker_fee": 28, "transaction_time": m.us,
    }  # fmt: skip


def trade(m: Market) -> dict[str, Any]:
    return {
        "channel": "trade:0", "liquidation_trades": [], "nonce": m.nonce,
        "trades": [trade_row(m)], "type": "update/trade",
    }  # fmt: skip


def fills(m: Market) -> dict[str, Any]:
    return {
        "type": "update/account_all_trades", "channel": f"account_all_trades:{ACCOUNT}",
        "trades": {"0": [trade_row(m) for _ in range(5)]},
    }  # fmt: skip


MAKERS: dict[str, Callable[[Market], dict[str, Any]]] = {
    BOOK: order_book,
    TICKER: ticker,
    TRADE: trade,
    FILLS: fills,
}


def frames(kind: str) -> list[bytes]:
    """Return different frames of a kind, as they come off the socket."""
    market = Market()
    found: list[bytes] = []
    while sum(map(len, found)) < ROOM - 4_000:
        market.step()
        found.append(json.dumps(MAKERS[kind](market), separators=(",", ":")).encode())
    return found


def eth() -> Instrument:
    """Return the instrument that all frames are about."""
    return parse_instruments(DETAILS)[0]


def decoder_to(callback: Callable[[Any], object], account: AccountHandler) -> LighterDecoder:
    """Return a decoder that calls `callback` with each event."""
    symbols = SymbolTable()
    number = symbols.add(eth(), alias=wire_name(eth()))
    return LighterDecoder(symbols, router_to(number, callback), account=account)


class Rows(AccountHandler):
    """Hands the rows of a frame on."""

    def on_trades(self, frame: AccountFrame) -> None:
        ignore(frame.rows)


class Applied:
    """An account with one order of ours, which every trade fills: bytes to `OrderFilled`.

    All that a connected client does with a frame, from the decoder on.
    """

    def __init__(self, on_event: Callable[[Any], object]) -> None:
        config = lighter.Config(
            environment="testnet", credentials=lighter.Credentials(KEY, ACCOUNT, 5)
        )
        self.venue = lighter.ExecutionClient(config, on_event=on_event, instruments=[eth()])
        registry = self.venue.registry
        self.order = registry.add(
            TrackedOrder(
                "O-1", eth().id, Side.BUY, OrderType.LIMIT, size=Decimal(10**9),
                price=Decimal("2352.73"), client_key=CLIENT_INDEX,
            )
        )  # fmt: skip
        registry.bind(self.order, str(ORDER_INDEX))
        self.order.is_submitted = self.order.is_accepted = True
        tokens: Any = None
        stream = PrivateStream(
            self.venue, config=config, tokens=tokens, account_index=ACCOUNT, clock=SYSTEM_CLOCK
        )
        self.handler = stream.account

    def again(self) -> None:
        """Forget the trades seen, so that the same frames make events again."""
        self.venue.dispatch.fills.clear()
        self.order.filled_size = Decimal(0)


def run(plan: Plan) -> list[Group]:
    """Time every frame kind."""
    return decoding("Lighter", MAKERS, cases, frames, CLAIMS, plan)


def cases(kind: str) -> list[Case]:
    inputs = frames(kind)
    check(kind, inputs)
    if kind == FILLS:
        applied = Applied(ignore)
        ours = decoder_to(ignore, applied.handler).feed_bytes

        def batch() -> None:
            applied.again()
            for frame in inputs:
                ours(frame)

        rows = decoder_to(ignore, Rows()).feed_bytes
        found = [
            Case("tickwire, to OrderFilled", batch, len(inputs), note="decoded and dispatched"),
            Case("tickwire, rows", loop(rows, inputs), len(inputs), note="decoded only"),
        ]
    else:
        decode = decoder_to(ignore, AccountHandler()).feed_bytes
        found = [Case("tickwire", loop(decode, inputs), len(inputs), note="integers, exact")]
    return [*found, *others(inputs)]


def check(kind: str, inputs: list[bytes]) -> None:
    """Make sure that what is timed also happens."""
    seen: list[Any] = []
    decoder = decoder_to(seen.append, Applied(seen.append).handler)
    for frame in inputs:
        decoder.feed_bytes(frame)
    wanted = len(inputs) * (5 if kind == FILLS else 1)
    if len(seen) != wanted or (kind == FILLS and not isinstance(seen[0], OrderFilled)):
        raise AssertionError(f"{kind}: {len(seen)} events instead of {wanted}")
