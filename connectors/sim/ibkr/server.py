"""The simulator: one port for `/v1/api/...`, `/v1/api/ws`, and `/_sim/...` (12.1)."""

from __future__ import annotations

import asyncio
import re
import ssl
from typing import Any

from aiohttp import web

from ..replies import Reply
from ..server import VenueServer
from . import certs
from .admin import Admin
from .answers import EDGE_403, NOT_FOUND, Answer, Call, Refusal, as_answer, error, plain, problem
from .config import SimConfig
from .connection import Connection
from .contracts import Contract
from .cookies import has_doubles
from .exchange import Exchange
from .faults import Faults
from .house import House
from .oauth import TOKEN_PATH, OAuth, Refused, credentials
from .orders import Order
from .pacing import Pacing
from .record import Record, Request
from .rest import Rest
from .session import Session
from .streams import Streams
from .tickets import parse
from .trading import Trading
from .views import Views

__all__ = ["Simulator", "start"]

BASE = "/v1/api"
QUIET_MS = 200.0


class Simulator(VenueServer[Connection]):
    """A running IBKR simulator; make one with `start`.

    Attributes
    ----------
    session, exchange, trading, streams, house, pacing, oauth
        The venue's parts, for tests in the same process.
    """

    venue = "ibkr"
    kept_connections = 5_000
    config: SimConfig
    record: Record
    faults: Faults

    def __init__(self, config: SimConfig) -> None:
        super().__init__(config)
        self.record = Record()
        self.exchange = Exchange(config, self.clock)
        self.house = House(self.exchange)
        self.session = Session(config, self.clock, list(self.exchange.accounts))
        self.views = Views(self.exchange, self.session, paper=config.paper)
        self.oauth = OAuth(config, self.clock)
        self.pacing = Pacing(config, self.clock)
        self.faults = Faults(self)
        self.streams = Streams(self)
        self.trading = Trading(self)
        self.rest = Rest(self)
        self.admin = Admin(self)
        self.exchange.watcher = self.streams
        self.session.on_change = self.streams.status
        self.session.on_reset = self.streams.forget
        self._histories = 0

    # -- addresses ---------------------------------------------------------------------------

    @property
    def rest_url(self) -> str:
        return f"{self.http_url}{BASE}"

    @property
    def ws_url(self) -> str:
        return f"{self.ws_origin}{BASE}/ws"

    def describe(self) -> dict[str, Any]:
        """Return the addresses and accounts a client needs."""
        names = list(self.exchange.accounts)
        session = self.session.session_id
        described: dict[str, Any] = {
            "http": self.rest_url,
            "ws": self.ws_url,
            "account": names[0],
            "accounts": [{"account_id": name, "session": session} for name in names],
        }
        if self.config.oauth:
            described["oauth"] = credentials()
        if self.config.tls:
            described["certificate"] = certs.CERTIFICATES[self.config.tls]
        return described

    @property
    def is_secure(self) -> bool:
        return bool(self.config.tls) or super().is_secure

    def load_certificate(self, tls: ssl.SSLContext) -> None:
        if self.config.tls:
            certs.load(tls, self.config.tls)
        else:
            super().load_certificate(tls)

    # -- time --------------------------------------------------------------------------------

    def tick(self, now_ns: int) -> None:
        self.session.tick(now_ns)
        self.house.advance(self.config.rate_per_s)
        self.streams.tick(now_ns)

    # -- for its parts -----------------------------------------------------------------------

    def open_lines(self) -> int:
        """Return how many market data lines are open (W-17)."""
        streaming = sum(len(one.lines) for one in self.connections.values())
        return streaming + len(self.session.snapshots)

    def has_line(self, contract: Contract) -> bool:
        """Whether market data of a contract is open, streaming or by snapshot."""
        if contract.key in self.session.snapshots:
            return True
        return any(
            line.market.contract is contract
            for connection in self.connections.values()
            for line in connection.lines.values()
        )

    def next_history(self) -> int:
        """Return a number for an answer with bars."""
        self._histories += 1
        return self._histories

    # -- by hand -----------------------------------------------------------------------------

    def admin_order(self, account: str, **ticket: Any) -> Order:
        """Place an order as from another platform (W-37): no questions, the ticket of R-30."""
        owner = self.exchange.account(account)
        try:
            order = parse(self, owner, ticket, self.exchange.order_id())
        except Refusal as refusal:
            raise ValueError(refusal.answer.body.decode()) from None
        self.exchange.place(order)
        return order

    def fill(self, order: Order, size: str | None = None) -> None:
        """Let the house trade with a resting order, all of it or so much."""
        contract = order.contract
        wanted = order.open_size if size is None else contract.parse_size(size)
        self.house.trade_with(order, min(wanted, order.open_size))

    def set_market(self, conid: int | str, **changes: Any) -> dict[str, Any]:
        """Change a market by hand: `last` (a trade of the house), `halted`, `availability`."""
        market = self.exchange.market(conid)
        unknown = changes.keys() - {"last", "size", "halted", "availability"}
        if unknown:
            raise ValueError(f"unknown settings {sorted(unknown)}")
        if "last" in changes:
            contract = market.contract
            size = contract.parse_size(changes["size"]) if "size" in changes else contract.lot
            self.house.move(market, contract.parse_price(changes["last"]), size)
        market.halted = bool(changes.get("halted", market.halted))
        market.availability = str(changes.get("availability", market.availability))
        market.changed(self.clock.now_ms())
        return {code: value for code, value in market.fields().items() if value != ""}

    async def quiesce(self) -> dict[str, Any]:
        """Still the house, let everything planned happen, and tell every line its last value."""
        self.configure(rate_per_s=0.0)
        config, now_ns = self.config, self.clock.elapsed_ns()
        due_ns = max((one.due_ns for one in self.exchange.orders.values()), default=0)
        wait_ms = max(
            (due_ns - now_ns) / 1e6, config.commission_ms + config.resend_ms * config.resends
        )
        wait_ms += config.cancel_ms + QUIET_MS
        if self.clock.virtual:
            await self.advance(wait_ms / 1000)
        else:
            done = asyncio.Event()
            self.later(wait_ms, done.set)
            await done.wait()
        self.streams.flush()
        return {"server_time_ms": self.clock.now_ms()}

    # -- requests ----------------------------------------------------------------------------

    async def answer(self, request: web.BaseRequest, path: str, query: str) -> web.StreamResponse:
        raw = await request.read()
        below = _below(path)
        found = self.rest.find(request.method, below) if below is not None else None
        name = found[0].name if found is not None else "unknown"
        self.record.hits[name] += 1
        fault: Reply | None = self.faults.take_reply(name)
        answer = self._carry_out(request, below, query, raw, fault)
        self.record.requests.append(
            Request(
                self.clock.now_ms(), request.method, below or path, query,
                raw.decode("utf-8", "replace"), answer.status,
                answer.body.decode("utf-8", "replace"), request.headers.get("User-Agent", ""),
            )
        )  # fmt: skip
        await self._wait(answer.delay_ms)
        hold = self.faults.take_hold(name)
        if hold is not None:
            await hold.wait()
        status, body = answer.status, answer.body
        if fault is not None:
            status, body = fault.over(status, body)
            spoilt = await fault.spoil(request, body, lambda s: self._wait(s * 1000))
            if spoilt is not None:
                return spoilt
        headers = {"Content-Type": answer.content_type, **answer.headers}
        return web.Response(body=body, status=status, headers=headers)

    async def _wait(self, ms: float) -> None:
        """Wait for simulated time."""
        if ms <= 0:
            return
        turn = asyncio.Event()
        self.later(ms, turn.set)
        await turn.wait()

    def _carry_out(
        self, request: web.BaseRequest, path: str | None, query: str, raw: bytes,
        fault: Reply | None,
    ) -> Answer:  # fmt: skip
        """Let a request pass what stands in front of the venue, and answer it."""
        if path is None:
            return NOT_FOUND
        at_edge = self._edge(request, path)
        if at_edge is not None:
            return at_edge
        if self.config.oauth:
            signed = self._oauth(request, path, query)
            if signed is not None:
                return signed
        self.session.touch()
        if fault is not None and not fault.execute:
            return Answer()
        found = self.rest.find(request.method, path)
        if found is None:
            return NOT_FOUND
        try:
            call = Call.of(request.method, path, query, raw)
        except Refusal as refusal:
            return refusal.answer
        return self.rest.answer(*found, call)

    def _edge(self, request: web.BaseRequest, path: str) -> Answer | None:
        """Return what refuses a request before the venue sees it (X-14, X-16)."""
        if self.config.edge_checks:
            headers = request.headers
            if not headers.get("User-Agent"):
                return EDGE_403
            if request.method == "POST" and "Content-Length" not in headers:
                return plain(411, content_type="text/html")
            if has_doubles(request):
                return plain(401)
        standing = self.faults.edge()
        if standing is not None:
            return standing
        if self.pacing.refuses(request.method, path):
            return error(429, "Too many requests")
        return None

    def _oauth(self, request: web.BaseRequest, path: str, query: str) -> Answer | None:
        """Give a token, or refuse what is not signed; None lets a request pass (X-15)."""
        oauth, header = self.oauth, request.headers.get("Authorization", "")
        url = f"{self.http_url}{request.raw_path.partition('?')[0]}"  # not the Host header's
        try:
            if path == TOKEN_PATH and request.method == "POST":
                answer = oauth.give_token(header, url)
                self.session.begin()
                return as_answer(answer)
            oauth.verify(request.method, url, query, header)
        except Refused as refused:
            return problem(401, "Unauthorized", str(refused))
        if path == "/logout":
            oauth.expire()
        return None

    # -- websockets --------------------------------------------------------------------------

    def refusal(self, request: web.BaseRequest, path: str, query: str) -> web.Response | None:
        standing = self.faults.edge()
        if standing is not None:
            return web.Response(status=standing.status, headers=dict(standing.headers))
        if _below(path) != "/ws":
            return web.Response(status=404, text=NOT_FOUND.body.decode())
        return None

    def accept(self, request: web.BaseRequest, path: str, query: str, number: int) -> Connection:
        return Connection(self, request, number)


def _below(path: str) -> str | None:
    """Return a path below the base, without doubled and trailing slashes; None if above (X-02)."""
    plain_path = re.sub(r"/{2,}", "/", path)
    if plain_path != BASE and not plain_path.startswith(f"{BASE}/"):
        return None
    return plain_path.removeprefix(BASE).rstrip("/") or "/"


async def start(config: SimConfig | None = None, **changes: Any) -> Simulator:
    """Start a simulator on the loopback address; it runs until `Simulator.stop`.

    Either a whole `config`, or changes to that of the calm scenario.
    """
    simulator = Simulator(config if config is not None else SimConfig.of(**changes))
    await simulator.start()
    return simulator
