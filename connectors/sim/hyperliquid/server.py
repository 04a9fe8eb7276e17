"""The simulator: one port for `POST /info`, `POST /exchange`, `GET /ws`, and `/_sim/...`."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from aiohttp import web

from ..decimals import positive_units
from ..replies import cut
from ..server import VenueServer
from .admin import Admin
from .admission import Admission, Outcome
from .config import SimConfig, generated_accounts
from .connection import Connection
from .crypto import address_of_key
from .errors import UNDESERIALIZABLE, Malformed
from .exchange import Exchange
from .faults import Faults, Reply
from .house import House
from .info import Info, base_weight, extra_weight
from .limits import Limits
from .liquidation import liquidate
from .markets import Market
from .orders import Order
from .publisher import Publisher
from .record import ActionRecord, Record, Request

__all__ = ["Simulator", "start"]

BATCH_PER_WEIGHT = 40


class Simulator(VenueServer[Connection]):
    """A running Hyperliquid simulator; make one with `start`.

    Attributes
    ----------
    accounts
        `address` and `private_key` of every wallet.
    exchange, publisher, admission, house
        The venue's parts, for tests in the same process.
    """

    venue = "hyperliquid"
    kept_connections = 5_000
    config: SimConfig
    record: Record
    faults: Faults

    def __init__(self, config: SimConfig) -> None:
        super().__init__(config)
        self.record = Record()
        self.limits = Limits(config, self.clock)
        self.exchange = Exchange(config, self.clock)
        self.house = House(self.exchange)
        self.admission = Admission(self.exchange)
        self.faults = Faults(self)
        self.publisher = Publisher(self)
        self.info = Info(self)
        self.admin = Admin(self)
        self._setups = generated_accounts(config)
        self._next_block_ns = 0
        self._flush_soon = False

    # -- addresses ---------------------------------------------------------------------------

    @property
    def accounts(self) -> list[dict[str, str]]:
        return [
            {"address": address_of_key(setup.private_key), "private_key": setup.private_key}
            for setup in self._setups
        ]

    @property
    def ws_url(self) -> str:
        return f"{self.ws_origin}/ws"

    def describe(self) -> dict[str, Any]:
        """Return the addresses and accounts a client needs."""
        return {
            "http": self.http_url,
            "ws": self.ws_url,
            "accounts": self.accounts,
            "network": self.config.network,
        }

    # -- time --------------------------------------------------------------------------------

    def tick(self, now_ns: int) -> None:
        self.exchange.tick()
        self.house.advance(self.config.rate_per_s)
        if now_ns >= self._next_block_ns:
            self._next_block_ns = now_ns + int(self.config.block_ms * 1e6)
            self.publisher.flush()
        self.publisher.advance()

    def flush(self) -> None:
        """End the block now."""
        self._flush_soon = False
        self.publisher.flush()

    def after_action(self) -> None:
        """Without blocks, stream what happened when the present turn of the loop is over."""
        self.exchange.settle()
        if self.config.block_ms == 0 and not self._flush_soon:
            self._flush_soon = True
            asyncio.get_running_loop().call_soon(self.flush)

    # -- by hand -----------------------------------------------------------------------------

    def market(self, coin: str) -> Market:
        """Return a market. Raises LookupError if there is none of this name."""
        market = self.exchange.markets.get(coin)
        if market is None:
            raise LookupError(f"no coin {coin!r}")
        return market

    def set_mark(self, coin: str, price: str | None) -> None:
        """Pin a mark price (decimal text), or let it follow the book again (None)."""
        market = self.market(coin)
        px = None if price is None else positive_units(price, market.px_decimals)
        self.exchange.set_mark(market, px)
        self.after_action()

    def house_order(
        self, coin: str, side: str, *, price: str, size: str, take: bool = False
    ) -> Order | None:
        """Place an order of the house, resting or taking; `side` is buy or sell."""
        if side not in ("buy", "sell"):
            raise ValueError(f"side is buy or sell, not {side!r}")
        market = self.market(coin)
        order = self.house.order(
            market,
            is_buy=side == "buy",
            px=positive_units(price, market.px_decimals),
            lots=positive_units(size, market.sz_decimals),
            take=take,
        )
        self.after_action()
        return order

    def liquidate(self, user: str, coin: str | None = None) -> None:
        """Close an account's positions as a liquidation."""
        liquidate(self.exchange, self.exchange.account(user), coin)
        self.after_action()

    # -- requests ----------------------------------------------------------------------------

    def ask(self, body: Any) -> tuple[int, Any]:
        """Answer a request to `/info`. Raises Malformed for one that is none."""
        kind = body.get("type") if isinstance(body, dict) else None
        self.record.hits[str(kind)] += 1
        if self.limits.too_heavy(base_weight(str(kind))):
            return 429, None
        answer = self.info.answer(body)
        self.limits.add_weight(extra_weight(str(kind), answer))
        return 200, answer

    def submit(self, body: Any, transport: str) -> Outcome:
        """Take a post to `/exchange` and record it."""
        action = body.get("action") if isinstance(body, dict) else None
        entries = 1
        if isinstance(action, dict):
            lists = (action.get(name) for name in ("orders", "cancels", "modifies"))
            entries = max((len(one) for one in lists if isinstance(one, list)), default=1)
        if self.limits.too_heavy(1 + entries // BATCH_PER_WEIGHT):
            return Outcome(429, None, refused="429")
        outcome = self.admission.submit(body)
        self.record.hits[outcome.kind or "unreadable"] += 1
        self.record.actions.append(
            ActionRecord(
                self.clock.now_ms(), transport, outcome.kind,
                body.get("nonce") if isinstance(body, dict) else None,
                outcome.signer, action, outcome.status, outcome.answer, outcome.refused,
            )
        )  # fmt: skip
        self.after_action()
        return outcome

    async def answer(self, request: web.BaseRequest, path: str, query: str) -> web.StreamResponse:
        if path not in ("/info", "/exchange"):
            return web.Response(status=404, text="Not Found")
        if request.method != "POST":
            return web.Response(status=405, text="Method Not Allowed")
        raw = await request.read()
        fault: Reply | None = self.faults.take_reply(path)
        status, answer, kind, outcome = self._carry_out(path, raw, fault)
        self.record.requests.append(Request(self.clock.now_ms(), path, kind, raw, status))
        if outcome is not None and outcome.slot is not None:
            if outcome.slot.lost:
                return cut(request)
            turn = asyncio.Event()
            outcome.slot.then(turn.set)
            await turn.wait()
        if fault is not None:
            status, answer = fault.over(status, answer)
            spoilt = await fault.spoil(request, answer)
            if spoilt is not None:
                return spoilt
        is_json = status == 200 or answer == b"null"
        content_type = "application/json" if is_json else "text/plain"
        return web.Response(body=answer, status=status, content_type=content_type)

    def _carry_out(
        self, path: str, raw: bytes, fault: Reply | None
    ) -> tuple[int, bytes, str, Outcome | None]:
        """Carry a request out; return status, body, its type and the outcome of an action."""
        try:
            body = orjson.loads(raw)
        except orjson.JSONDecodeError:
            return 400, b"Failed to parse the request body as JSON", "", None
        if fault is not None and not fault.execute:
            return 200, b"null", "", None
        if path == "/info":
            kind = str(body.get("type")) if isinstance(body, dict) else ""
            try:
                status, answer = self.ask(body)
            except Malformed:
                return 422, UNDESERIALIZABLE.encode(), kind, None
            return status, orjson.dumps(answer), kind, None
        outcome = self.submit(body, "http")
        if outcome.status == 422:
            return 422, UNDESERIALIZABLE.encode(), outcome.kind, None
        return outcome.status, orjson.dumps(outcome.answer), outcome.kind, outcome

    # -- websockets --------------------------------------------------------------------------

    def refusal(self, request: web.BaseRequest, path: str, query: str) -> web.Response | None:
        if path.rstrip("/") != "/ws":
            return web.Response(status=404, text="Not Found")
        limits = self.limits
        if limits.on("connections") and len(self.connections) >= self.config.max_connections:
            return web.Response(status=429, text="too many connections")
        if limits.too_many_new_connections():
            return web.Response(status=429, text="too many new connections")
        return None

    def accept(self, request: web.BaseRequest, path: str, query: str, number: int) -> Connection:
        return Connection(self, request, number)


async def start(config: SimConfig | None = None, **changes: Any) -> Simulator:
    """Start a simulator on the loopback address; it runs until `Simulator.stop`.

    Either a whole `config`, or changes to that of the calm scenario.
    """
    simulator = Simulator(config if config is not None else SimConfig.of(**changes))
    await simulator.start()
    return simulator
