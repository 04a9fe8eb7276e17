"""The simulator: one port for REST, streams and trading websockets (BN-M-01, BN-M-02).

Paths
-----
REST            `/fapi/...`, `/dapi/...`, `/api/v3/ping` and `/api/v3/time`
USD-M streams   `[/public|/market|/private]/ws[/name...]` and `.../stream[?streams=a/b]`
COIN-M streams  the same below `/dstream`, for example `/dstream/ws`; not split by route
trading         `/ws-fapi/v1` and `/ws-dapi/v1`
control         `/_sim/...`, see `admin`
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

import orjson
from aiohttp import web

from ..matching import ListenerGroup, MatchingEngine
from ..record import Record
from ..replies import cut
from ..server import VenueServer
from ..windows import RollingWindow
from .addresses import parse_stream_path
from .admin import Admin
from .config import SimConfig
from .connection import Connection, StreamConnection, TradingConnection
from .exchange import Exchange
from .faults import Faults
from .feed import BookView
from .limits import Limits
from .load import LoadGenerator
from .market import Market
from .orders import Order
from .rest_public import PublicRest
from .streams import Hub
from .symbols import list_contracts
from .trading import TradingRest
from .types import ApiError, Cost, Product, Response, SymbolRules, UserFrame
from .wsapi import TradingWs

__all__ = ["Simulator", "parse_stream_path", "start"]

LOAD_TICK_S = 0.001
HANDSHAKE_WINDOW_NS = 300_000_000_000
BAN_WINDOW_NS = 300_000_000_000
GZIP_FROM_BYTES = 1_024
KEPT_REQUESTS = 5_000
TRADING = {"/ws-fapi/v1": Product.USDM, "/ws-dapi/v1": Product.COINM}


@dataclass(frozen=True, slots=True)
class Request:
    """A REST request as it came in, for tests to look at (BN-M-17)."""

    ms: int
    method: str
    target: str
    body: bytes
    api_key_sent: bool
    status: int


class Simulator(VenueServer[Connection]):
    """A running Binance Futures simulator; make one with `start`.

    Attributes
    ----------
    accounts
        `{"api_key", "api_secret"}` of every account.
    market, exchange, hub, limits
        The venue's parts, for tests in the same process.
    """

    venue = "binance"
    check_every_ns = 20_000_000
    config: SimConfig
    faults: Faults
    admin: Admin

    def __init__(self, config: SimConfig) -> None:
        super().__init__(config)
        self.record = Record()
        self.hub = Hub()
        self.limits = Limits(config, self.clock)
        group = ListenerGroup()
        self.engine = MatchingEngine(group, self.clock.now_ns)
        self.symbols: dict[str, SymbolRules] = {}
        contracts = list_contracts(config.symbols, config.coinm_symbols, self.clock.now_ms())
        self.market = Market(
            self.engine,
            self.clock,
            self.hub,
            seed=config.seed,
            book_levels=config.book_levels,
            rate_per_s=config.rate_per_s,
        )
        self.exchange = Exchange(
            self.engine,
            self.symbols,
            self.clock.now_ns,
            seed=config.seed,
            accounts=config.accounts,
        )
        group.listeners += [self.market, self.exchange]
        for contract in contracts:
            self.symbols[contract.symbol] = contract.rules
            self.market.list_contract(contract)
        self.market.on_mark_price = self.exchange.set_mark_price
        self.market.on_funding = self.exchange.risk.apply_funding
        self.market.on_activity = self._schedule_settle
        self.exchange.on_force_order = self._on_force_order
        self.exchange.user_stream.subscribe(self._on_user_frame)
        self.public = PublicRest(self.market, self.clock, self.limits)
        self.trading = TradingRest(self.exchange)
        self.trading_ws_faults = self.trading.faults
        self.faults = Faults(self)
        self.admin = Admin(self)
        self.load: LoadGenerator | None = None
        if config.load_msgs_per_s:
            self.tick_s = LOAD_TICK_S
            self.load = LoadGenerator(
                self.hub,
                self.clock,
                self.market.feeds.values(),
                rate_per_s=config.load_msgs_per_s,
                kinds=config.load_kinds,
            )
        self.requests: deque[Request] = deque(maxlen=KEPT_REQUESTS)
        self.violations = 0
        self.bans = 0
        self.slow_consumers = 0
        self._handshakes = RollingWindow(HANDSHAKE_WINDOW_NS)
        self._recent_violations = RollingWindow(BAN_WINDOW_NS)
        self._banned_until_ns = 0
        self._settle_scheduled = False

    # -- addresses -------------------------------------------------------------------------

    @property
    def accounts(self) -> list[dict[str, str]]:
        return self.exchange.credentials

    @property
    def ws_url(self) -> str:
        """Base of the websocket addresses, without a path."""
        return self.ws_origin

    def describe(self) -> dict[str, Any]:
        """Return the addresses and accounts a client needs."""
        ws = self.ws_origin
        return {
            "http": self.http_url,
            "ws": f"{ws}/ws",
            "accounts": self.accounts,
            "streams": {
                "public": f"{ws}/public/ws",
                "market": f"{ws}/market/ws",
                "private": f"{ws}/private/ws",
                "coinm": f"{ws}/dstream/ws",
            },
            "trading": {"usdm": f"{ws}/ws-fapi/v1", "coinm": f"{ws}/ws-dapi/v1"},
        }

    # -- time ------------------------------------------------------------------------------

    def tick(self, now_ns: int) -> None:
        if self.load is not None:
            self.load.advance()
        self.market.advance()
        self.exchange.tick()
        self.market.settle()

    def configure(self, **changes: Any) -> None:
        """Change settings while running. Raises ValueError for one that is fixed."""
        super().configure(**changes)
        self.market.rate_per_s = self.config.rate_per_s

    def pause(self) -> None:
        """Still the simulated traders and publish everything pending (BN-M-51)."""
        self.market.paused = True
        self.market.flush()

    def resume(self) -> None:
        self.market.paused = False

    def book(self, symbol: str, at: int | None = None) -> BookView:
        """Return the whole book of a symbol, now or as of an update id.

        Raises
        ------
        KeyError
            The symbol is not listed.
        LookupError
            The update id is in the future or no longer kept.
        """
        feed = self.market.feeds[symbol]
        view = feed.view() if at is None else feed.view_at(at)
        if view is None:
            raise LookupError(f"update ids {feed.kept_from} to {feed.update_id} are kept, not {at}")
        return view

    def _schedule_settle(self) -> None:
        if self.clock.virtual:
            return  # published by the next step, whatever the loop does in between
        if not self._settle_scheduled:
            self._settle_scheduled = True
            asyncio.get_running_loop().call_soon(self._settle)

    def _settle(self) -> None:
        self._settle_scheduled = False
        self.market.settle()

    def _on_force_order(self, order: Order) -> None:
        """Show a liquidation on the public streams; ADL and settlements are not shown."""
        if not order.client_id.startswith("autoclose-"):
            return
        rules = order.rules
        price, qty = rules.price_text(order.price), rules.qty_text(order.size)
        self.market.publisher.note_liquidation(
            rules.symbol,
            (order.side_text, order.type, order.time_in_force, qty, price, price, order.status,
             qty, rules.qty_text(order.filled)),
        )  # fmt: skip

    def _on_user_frame(self, frame: UserFrame) -> None:
        for connection in list(self.connections.values()):
            if isinstance(connection, StreamConnection):
                connection.send_user(frame)

    def knows_listen_key(self, text: str) -> bool:
        return self.exchange.user_stream.owner(text) is not None

    def note_violation(self) -> None:
        """Count a connection that sent too much; many of them ban the IP (BN-M-05)."""
        self.violations += 1
        now_ns = self.clock.elapsed_ns()
        most = self.config.bans_after_violations
        if self._recent_violations.add(now_ns) > most > 0:
            self._recent_violations.clear()
            self.bans += 1
            self._banned_until_ns = now_ns + int(self.config.ban_s * 1e9)

    # -- HTTP ------------------------------------------------------------------------------

    async def answer(self, request: web.BaseRequest, path: str, query: str) -> web.StreamResponse:
        body = await request.read()
        fault = self.faults.take_request(request.method, path)
        if fault is not None and fault.response is not None:
            response = replace(fault.response, headers=dict(fault.response.headers))
        else:
            response = await self._rest(request, path, query.encode(), body)
        if fault is not None:
            response.delay_s += fault.delay_s
        self.requests.append(
            Request(
                self.clock.now_ms(),
                request.method,
                request.raw_path,
                body,
                "X-MBX-APIKEY" in request.headers,
                response.status,
            )
        )
        if response.delay_s:
            await asyncio.sleep(response.delay_s)
        if response.drop:
            return cut(request)
        return self._http(request, response)

    async def _rest(
        self, request: web.BaseRequest, path: str, query: bytes, body: bytes
    ) -> Response:
        method = request.method
        api_key = request.headers.get("X-MBX-APIKEY")
        trades = self.trading.serves(method, path) or not self.public.serves(path)
        cost = self.trading.cost(method, path, query) if trades else Cost()
        places_orders = bool(cost.orders_10s or cost.orders_1m)
        try:
            self.limits.admit(api_key, places_orders=places_orders)
        except ApiError as refused:
            payload = orjson.dumps({"code": refused.code, "msg": refused.message})
            headers = {"Content-Type": "application/json;charset=UTF-8", **refused.headers}
            headers |= self.limits.headers(None, Cost())
            return Response(refused.status, payload, headers)
        if trades:
            response = await self.trading.handle(method, path, query, body, request.headers)
        else:
            response = self.public.handle(method, path, query, body, api_key)
        counted = api_key if api_key in self.exchange.keys else None
        self.limits.count(counted, response.cost)
        if response.count_headers:
            # A refused order comes without order counts (BN-R-43).
            shown = counted if response.status == 200 else None
            response.headers |= self.limits.headers(shown, response.cost)
        return response

    def _http(self, request: web.BaseRequest, response: Response) -> web.Response:
        answer = web.Response(status=response.status, body=response.body, headers=response.headers)
        accepts = request.headers.get("Accept-Encoding", "")
        if "gzip" in accepts and len(response.body) >= GZIP_FROM_BYTES:
            answer.enable_compression(web.ContentCoding.gzip)
        if self.config.chunked_bodies:
            answer.enable_chunked_encoding()
        return answer

    # -- websockets ------------------------------------------------------------------------

    def refusal(self, request: web.BaseRequest, path: str, query: str) -> web.Response | None:
        refused = self._refuse_handshake()
        if refused is None and path not in TRADING and parse_stream_path(path, query) is None:
            refused = web.Response(status=404, text="Not Found")
        return refused

    def accept(self, request: web.BaseRequest, path: str, query: str, number: int) -> Connection:
        if path in TRADING:
            return self._trading_connection(request, number, TRADING[path], query)
        address = parse_stream_path(path, query)
        assert address is not None
        return StreamConnection(self, request, number, address)

    def _trading_connection(
        self, request: web.BaseRequest, number: int, product: Product, query: str
    ) -> TradingConnection:
        with_limits = dict(parse_qsl(query)).get("returnRateLimits", "true") != "false"
        session = TradingWs(
            self.exchange,
            self.limits.charge,
            product=product,
            faults=self.trading_ws_faults,
            public=self.public.ws_public,
            signature_form=self.config.ws_signature_form,
            return_rate_limits=with_limits,
        )
        self.limits.count(None, Cost(5))  # BN-W-08
        return TradingConnection(self, request, number, session, product)

    def _refuse_handshake(self) -> web.Response | None:
        """Refuse what comes too often or from a banned IP (BN-M-06)."""
        now_ns = self.clock.elapsed_ns()
        if now_ns < self._banned_until_ns:
            retry_s = (self._banned_until_ns - now_ns) // 1_000_000_000 + 1
            return web.Response(status=418, headers={"Retry-After": str(retry_s)})
        if self._handshakes.add(now_ns) > self.config.max_handshakes_per_5min:
            retry_s = self._handshakes.retry_after_s(now_ns)
            return web.Response(status=429, headers={"Retry-After": str(retry_s)})
        return None

    def lift_bans(self) -> None:
        """Forget bans, forced refusals and the handshakes counted so far."""
        self.limits.lift()
        self._banned_until_ns = 0
        self._recent_violations.clear()
        self._handshakes.clear()

    # -- instruments -----------------------------------------------------------------------

    def set_mark_price(self, symbol: str, price: Decimal) -> None:
        """Set a mark price by hand; it holds until the market's next second."""
        self.market.feeds[symbol].mark_e8 = int(price.scaleb(8))
        self.exchange.set_mark_price(symbol, price)


async def start(config: SimConfig | None = None, **changes: Any) -> Simulator:
    """Start a simulator on the loopback address; it runs until `Simulator.stop`.

    Either a whole `config`, or changes to that of the calm scenario.
    """
    simulator = Simulator(config if config is not None else SimConfig.of(**changes))
    await simulator.start()
    return simulator
