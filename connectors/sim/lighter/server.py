"""The simulator: one port for REST below `/api/v1/`, the websocket `/stream`, and `/_sim/...`."""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections import deque
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

import orjson
from aiohttp import web

from ..clock import SimClock
from .admin import Admin
from .admission import Admission
from .config import SimConfig
from .connection import Connection
from .errors import Refused
from .exchange import Exchange
from .execution import Execution
from .faults import Faults, Reply
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

logger = logging.getLogger("connectors.sim.lighter")

TICK_S = 0.010
VIRTUAL_TICK_NS = 10_000_000
CHECK_EVERY_NS = 50_000_000
KEPT_CONNECTIONS = 1_000
API = "/api/v1/"


class Simulator:
    """A running Lighter simulator; make one with `start`.

    Attributes
    ----------
    accounts
        `account_index`, `api_key_index`, `private_key`, `public_key` of every key.
    exchange, publisher, admission, house, faults, record, clock, config
        The parts, for tests in the same process.
    connections
        Open connections by number, in the order in which they came.
    """

    def __init__(self, config: SimConfig) -> None:
        self.config = config
        self.clock = SimClock(config.virtual_start_ms)
        self.record = Record(config.kept)
        self.limits = Limits(config, self.clock)
        self.exchange = Exchange(config, self.clock)
        self.execution = Execution(self.exchange)
        self.admission = Admission(self.exchange, self.execution)
        self.publisher = Publisher(self.exchange)
        self.house = House(self.exchange)
        self.publisher.flush()
        self.transact = Transact(self)
        self.faults = Faults(self)
        self.rest = Rest(self)
        self.admin = Admin(self)
        self.load = LoadGenerator(self.exchange, self.publisher)
        self.connections: dict[int, Connection] = {}
        self.closed_connections: deque[Connection] = deque(maxlen=KEPT_CONNECTIONS)
        self.revoked_tokens: set[str] = set()
        self.port = 0
        self._later: list[tuple[int, int, Callable[[], None]]] = []
        self._later_count = 0
        self._next_number = 1
        self._next_check_ns = 0
        self._runner: web.ServerRunner | None = None
        self._driver: asyncio.Task[None] | None = None

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
    def http_url(self) -> str:
        return f"http://{self.config.host}:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"ws://{self.config.host}:{self.port}/stream"

    def describe(self) -> dict[str, Any]:
        """Return the addresses and accounts a client needs."""
        return {
            "http": self.http_url,
            "ws": self.ws_url,
            "accounts": self.accounts,
            "chain_ids": list(self.config.chain_ids),
        }

    # -- life --------------------------------------------------------------------------------

    async def start(self) -> None:
        server = web.Server(self._handle, access_log=None)
        self._runner = web.ServerRunner(server, handle_signals=False, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, self.config.host, self.config.port).start()
        self.port = self._runner.addresses[0][1]
        if not self.clock.virtual:
            self._driver = asyncio.create_task(self._drive(), name="lighter-sim-driver")

    async def wait(self, stopped: asyncio.Event) -> None:
        """Return when `stopped` is set, or when the market fails."""
        waiting = asyncio.ensure_future(stopped.wait())
        watched: set[asyncio.Future[Any]] = {waiting}
        if self._driver is not None:
            watched.add(self._driver)
        await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()

    async def stop(self) -> None:
        """Close every connection and the port. Raises what made the market stop, if it did."""
        driver, self._driver = self._driver, None
        if driver is not None:
            driver.cancel()
            await asyncio.wait([driver])
        self.faults.clear()
        for connection in list(self.connections.values()):
            connection.abort()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        if driver is not None and not driver.cancelled() and driver.exception():
            raise driver.exception()  # type: ignore[misc]

    async def _drive(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        try:
            while True:
                self.step()
                due = max(due + TICK_S, loop.time())
                await asyncio.sleep(due - loop.time())
        except Exception:
            logger.exception("the simulated market stopped")
            raise

    def step(self) -> None:
        """Do what is due at the present simulated time."""
        now_ns = self.clock.elapsed_ns()
        while self._later and self._later[0][0] <= now_ns:
            heapq.heappop(self._later)[2]()
        self.admission.run_due()
        self.exchange.tick()
        if self.config.rate_per_s:
            self.house.advance()
        if self.config.load_frames_per_s:
            self.load.advance()
        self.publisher.flush()
        self.publisher.advance()
        if now_ns >= self._next_check_ns:
            self._next_check_ns = now_ns + CHECK_EVERY_NS
            self.faults.advance(now_ns)
            for connection in list(self.connections.values()):
                connection.check(now_ns)

    def pump(self) -> None:
        """Execute what is due and publish it; called after every answer."""
        self.admission.run_due()
        self.publisher.flush()

    def later(self, ms: float, action: Callable[[], None]) -> None:
        """Do something after that much simulated time."""
        self._later_count += 1
        due_ns = self.clock.elapsed_ns() + int(ms * 1e6)
        heapq.heappush(self._later, (due_ns, self._later_count, action))

    async def advance(self, seconds: float) -> None:
        """Move a virtual clock forward in steps of 10 ms, letting the sockets run in between."""
        end_ns = self.clock.elapsed_ns() + round(seconds * 1e9)
        while (left_ns := end_ns - self.clock.elapsed_ns()) > 0:
            self.clock.advance(min(left_ns, VIRTUAL_TICK_NS))
            self.step()
            await asyncio.sleep(0)

    def configure(self, **changes: Any) -> None:
        """Change settings while running. Raises ValueError for one that is fixed."""
        self.config.set(changes)

    # -- by hand -----------------------------------------------------------------------------

    def set_mark(self, market_id: int, price: str | None) -> None:
        """Pin a mark price (decimal text), or let it follow the trades again (None)."""
        market = self.exchange.market(market_id)
        ticks = None if price is None else _ticks(price, market.price_decimals)
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
            price=_ticks(price, market.price_decimals),
            size=_ticks(size, market.size_decimals),
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

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        if path.startswith("/_sim/"):
            return await self.admin.handle(request, path, query)
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._websocket(request, path)
        body = await request.read()
        if path == "/":
            return web.json_response({"status": 200, "network_id": self.config.chain_ids[0]})
        if path == "/info":
            return web.json_response({"contract_address": "0x" + "0" * 40})
        if not path.startswith(API):
            return web.Response(status=404, text="404 page not found")
        endpoint = path.removeprefix(API)
        self.record.hits[endpoint] += 1
        fault = self.faults.take_reply(endpoint)
        hold = self.faults.take_hold(endpoint)
        retry_s = self.limits.too_many_requests(endpoint)
        if retry_s:
            status, answer = 429, orjson.dumps({"code": 23000, "message": "Too Many Requests!"})
        else:
            status, answer = self._answer(request, endpoint, query, body, fault)
        if fault is not None:
            status = fault.status if fault.status is not None else status
            answer = fault.body if fault.body is not None else answer
            retry_s = fault.retry_after_s or retry_s
        self.record.requests.append(
            Request(
                self.clock.now_ms(), request.method, endpoint, dict(parse_qsl(query)),
                dict(request.headers), body, status,
            )
        )  # fmt: skip
        if hold is not None:
            await hold.wait()
        if fault is not None and fault.delay_s:
            await asyncio.sleep(fault.delay_s)
        if fault is not None and fault.drop:
            assert request.transport is not None
            request.transport.abort()
            return web.Response(status=500)
        headers = {"Retry-After": str(retry_s)} if retry_s else {}
        return web.Response(
            body=answer, status=status, headers=headers, content_type="application/json"
        )

    def _answer(
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
            admit = fault is None or fault.admit
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

    async def _websocket(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        if path.rstrip("/") != "/stream":
            return web.Response(status=404, text="404 page not found")
        if self.config.limits and len(self.connections) >= CONNECTIONS:
            return web.Response(status=429, text="too many connections")
        refused = self.faults.take_reply("stream")
        if refused is not None and refused.status is not None:
            return web.Response(status=refused.status, body=refused.body)
        ws = web.WebSocketResponse(
            autoping=False, autoclose=False, compress=False, max_msg_size=1 << 22
        )
        await ws.prepare(request)
        number = self._next_number
        self._next_number += 1
        connection = Connection(self, request, number)
        self.connections[number] = connection
        self.record.opened += 1
        try:
            await connection.serve(ws)
        finally:
            del self.connections[number]
            self.closed_connections.append(connection)
            self.record.closed += 1
        return ws


def _ticks(text: str, decimals: int) -> int:
    """Return decimal text as a count of 10^-decimals. Raises ValueError if it is not one."""
    value = Decimal(text).scaleb(decimals)
    if value != int(value) or value <= 0:
        raise ValueError(f"{text!r} is not a positive multiple of 10^-{decimals}")
    return int(value)


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
