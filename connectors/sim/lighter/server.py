"""The simulator: one port for REST below `/api/v1/`, the websocket `/stream`, and `/_sim/...`."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import parse_qsl

import orjson
from aiohttp import web

from ..decimals import positive_units
from ..replies import Reply
from ..server import VenueServer
from .admin import Admin
from .admission import Admission
from .config import SimConfig
from .connection import Connection
from .errors import Refused
from .exchange import Exchange
from .execution import Execution
from .faults import Faults
from .forms import read_form
from .house import House
from .limits import CONNECTIONS, Limits
from .load import LoadGenerator
from .orders import Order
from .publisher import Publisher
from .query import Query
from .record import Record, Request
from .rest import Rest
from .transact import Transact
from .tx import check_token, token_owner

__all__ = ["Simulator", "start"]

API = "/api/v1/"


class Simulator(VenueServer[Connection]):
    """A running Lighter simulator; make one with `start`.

    Attributes
    ----------
    accounts
        `account_index`, `api_key_index`, `private_key`, `public_key` of every key.
    exchange, publisher, admission, house
        The venue's parts, for tests in the same process.
    """

    venue = "lighter"
    config: SimConfig
    record: Record
    faults: Faults

    def __init__(self, config: SimConfig) -> None:
        super().__init__(config)
        self.record = Record(config.kept)
        self.limits = Limits(config, self.clock)
        self.exchange = Exchange(config, self.clock)
        self.execution = Execution(self.exchange)
        self.admission = Admission(self.exchange, self.execution)
        self.faults = Faults(self)
        self.publisher = Publisher(self.exchange, self.faults.taps)
        self.house = House(self.exchange)
        self.publisher.flush()
        self.transact = Transact(self)
        self.rest = Rest(self)
        self.admin = Admin(self)
        self.load = LoadGenerator(self.exchange, self.publisher)
        self.revoked_tokens: set[str] = set()

    # -- addresses ---------------------------------------------------------------------------

    @property
    def accounts(self) -> list[dict[str, Any]]:
        return [
            {
                "account_index": account.index,
                "api_key_index": index,
                "private_key": private_key,
                "public_key": account.keys[index].public_key.hex(),
            }
            for account in self.exchange.accounts.values()
            for index, private_key in account.secrets.items()
        ]

    @property
    def ws_url(self) -> str:
        return f"{self.ws_origin}/stream"

    def describe(self) -> dict[str, Any]:
        """Return the addresses and accounts a client needs."""
        return {
            "http": self.http_url,
            "ws": self.ws_url,
            "accounts": self.accounts,
            "chain_ids": list(self.config.chain_ids),
        }

    # -- time --------------------------------------------------------------------------------

    def tick(self, now_ns: int) -> None:
        self.admission.run_due()
        self.exchange.tick()
        self.house.advance(self.config.rate_per_s)
        if self.config.load_frames_per_s:
            self.load.advance()
        self.publisher.flush()
        self.publisher.advance()

    def pump(self) -> None:
        """Execute what is due and publish it; called after every answer."""
        self.admission.run_due()
        self.publisher.flush()

    # -- by hand -----------------------------------------------------------------------------

    def set_mark(self, market_id: int, price: str | None) -> None:
        """Pin a mark price (decimal text), or let it follow the trades again (None)."""
        market = self.exchange.market(market_id)
        ticks = None if price is None else positive_units(price, market.price_decimals)
        self.exchange.set_mark(market, ticks)
        self.exchange.settle()
        self.publisher.flush()

    def house_order(
        self, market_id: int, side: str, *, price: str, size: str, take: bool = False
    ) -> Order:
        """Place an order of the house, resting or taking; `side` is buy or sell."""
        if side not in ("buy", "sell"):
            raise ValueError(f"side is buy or sell, not {side!r}")
        market = self.exchange.market(market_id)
        order = self.house.order(
            market,
            is_ask=side == "sell",
            price=positive_units(price, market.price_decimals),
            size=positive_units(size, market.size_decimals),
            take=take,
        )
        self.publisher.flush()
        return order

    def liquidate(self, account_index: int, market_id: int) -> None:
        """Close a position against the book as a liquidation."""
        exchange = self.exchange
        exchange.liquidate(exchange.account(account_index), exchange.market(market_id))
        exchange.settle()
        self.publisher.flush()

    # -- tokens ------------------------------------------------------------------------------

    def check_token(self, token: str, account_index: int) -> None:
        """Check that a token is the account's, in time and signed. Raises Refused, 20001."""
        _, owner, key_index = token_owner(token)
        account = self.exchange.accounts.get(owner)
        if owner != account_index or account is None or key_index not in account.keys:
            raise Refused(20001, "invalid auth token")
        if token in self.revoked_tokens:
            raise Refused(20001, "auth token is expired")
        check_token(token, account.keys[key_index].public_key, self.clock.now_ns() / 1e9)

    # -- HTTP --------------------------------------------------------------------------------

    async def answer(self, request: web.BaseRequest, path: str, query: str) -> web.StreamResponse:
        body = await request.read()
        if path == "/":
            return web.json_response({"status": 200, "network_id": self.config.chain_ids[0]})
        if path == "/info":
            return web.json_response({"contract_address": "0x" + "0" * 40})
        if not path.startswith(API):
            return web.Response(status=404, text="404 page not found")
        endpoint = path.removeprefix(API)
        self.record.hits[endpoint] += 1
        fault: Reply | None = self.faults.take_reply(endpoint)
        hold = self.faults.take_hold(endpoint)
        retry_s = self.limits.too_many_requests(endpoint)
        if retry_s:
            status, answer = 429, orjson.dumps({"code": 23000, "message": "Too Many Requests!"})
        else:
            status, answer = self._carry_out(request, endpoint, query, body, fault)
        if fault is not None:
            status, answer = fault.over(status, answer)
            retry_s = fault.retry_after_s or retry_s
        self.record.requests.append(
            Request(
                self.clock.now_ms(), request.method, endpoint, dict(parse_qsl(query)),
                dict(request.headers), body, status,
            )
        )  # fmt: skip
        if hold is not None:
            await hold.wait()
        spoilt = await fault.spoil(request, answer) if fault is not None else None
        if spoilt is not None:
            return spoilt
        headers = {"Retry-After": str(retry_s)} if retry_s else {}
        return web.Response(
            body=answer, status=status, headers=headers, content_type="application/json"
        )

    def _carry_out(
        self, request: web.BaseRequest, endpoint: str, query: str, body: bytes, fault: Reply | None
    ) -> tuple[int, bytes]:
        """Carry a request out; return status and body."""
        status: int
        answer: dict[str, Any]
        if endpoint in ("sendTx", "sendTxBatch"):
            if request.method != "POST":
                return 405, b'{"code":405,"message":"method not allowed"}'
            kind = f"jsonapi/{endpoint.lower()}"
            form = read_form(request.headers.get("Content-Type", ""), body)
            if endpoint == "sendTx":
                types, infos = _json(form.get("tx_type")), form.get("tx_info")
            else:
                types, infos = _json(form.get("tx_types")), _json(form.get("tx_infos"))
            admit = fault is None or fault.execute
            sent, result = self.transact.take(kind, "http", types, infos, admit=admit)
            status, answer = self.transact.http_answer(kind, result)
            if not admit and fault is not None:
                sent.code = fault.status
            # The answer leaves in this turn of the loop, what it causes in the next.
            asyncio.get_running_loop().call_soon(self.pump)
        else:
            post = request.method == "POST"
            if request.method != "GET" and not (post and endpoint in self.rest.posts):
                return 405, b'{"code":405,"message":"method not allowed"}'
            values = dict(parse_qsl(query))
            if post:
                values |= read_form(request.headers.get("Content-Type", ""), body)
            header = request.headers.get("Authorization", "")
            token = header or values.get("auth") or values.get("authorization")
            asked = Query(values, token, bool(header))
            status, answer = self.rest.answer(endpoint, asked, post=post)
        return status, orjson.dumps(answer)

    # -- websockets --------------------------------------------------------------------------

    def refusal(self, request: web.BaseRequest, path: str, query: str) -> web.Response | None:
        if path.rstrip("/") != "/stream":
            return web.Response(status=404, text="404 page not found")
        if self.config.limits and len(self.connections) >= CONNECTIONS:
            return web.Response(status=429, text="too many connections")
        fault: Reply | None = self.faults.take_reply("stream")
        if fault is not None and fault.status is not None:
            return web.Response(status=fault.status, body=fault.body)
        return None

    def accept(self, request: web.BaseRequest, path: str, query: str, number: int) -> Connection:
        return Connection(self, request, number)


def _json(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


async def start(config: SimConfig | None = None, **changes: Any) -> Simulator:
    """Start a simulator on the loopback address; it runs until `Simulator.stop`.

    Either a whole `config`, or changes to that of the calm scenario.
    """
    simulator = Simulator(config if config is not None else SimConfig.of(**changes))
    await simulator.start()
    return simulator
