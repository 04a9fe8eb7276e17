"""What every simulator is: one port for HTTP, websockets and `/_sim/...`, and a market."""

from __future__ import annotations

import asyncio
import logging
import ssl
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Any, ClassVar, Generic, TypeVar

from aiohttp import web

from .admin import Admin
from .agenda import Agenda
from .clock import SimClock
from .connection import Connection
from .faults import Faults
from .record import Record
from .settings import Settings

__all__ = ["VenueServer"]

VIRTUAL_TICK_NS = 10_000_000

C = TypeVar("C", bound=Connection)


class VenueServer(ABC, Generic[C]):
    """A running simulator; a venue's `Simulator` fills in what is different about the venue.

    A subclass makes `faults`, `admin` and its own parts in its constructor, and defines `tick`,
    `describe`, `answer`, `refusal` and `accept`.

    Attributes
    ----------
    record, faults, admin, clock, config
        The parts, for tests in the same process.
    connections
        Open connections by number, in the order in which they came.
    closed_connections
        The last of those that have ended.
    tick_s
        Time between two calls of `tick` on the machine's clock.
    """

    venue: ClassVar[str]
    check_every_ns: ClassVar[int] = 50_000_000
    kept_connections: ClassVar[int] = 1_000

    config: Settings
    record: Record
    faults: Faults
    admin: Admin

    def __init__(self, config: Settings) -> None:
        self.config = config
        self.clock = SimClock(config.virtual_start_ms, config.speed)
        self.connections: dict[int, C] = {}
        self.closed_connections: deque[C] = deque(maxlen=self.kept_connections)
        self.port = 0
        self.tick_s = 0.010
        self._agenda = Agenda(self.clock)
        self._next_number = 1
        self._next_check_ns = 0
        self._runner: web.ServerRunner | None = None
        self._driver: asyncio.Task[None] | None = None

    # -- what a venue fills in ---------------------------------------------------------------

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Return the addresses and accounts a client needs: `http`, `ws`, `accounts`, and more."""

    @abstractmethod
    def tick(self, now_ns: int) -> None:
        """Do what is due in the market at `SimClock.elapsed_ns` = `now_ns`."""

    @abstractmethod
    async def answer(self, request: web.BaseRequest, path: str, query: str) -> web.StreamResponse:
        """Answer a request that is neither a handshake nor below `/_sim/`."""

    @abstractmethod
    def refusal(self, request: web.BaseRequest, path: str, query: str) -> web.Response | None:
        """Return why a websocket handshake is not taken; None if it is."""

    @abstractmethod
    def accept(self, request: web.BaseRequest, path: str, query: str, number: int) -> C:
        """Return the connection of a handshake that was taken."""

    # -- addresses ---------------------------------------------------------------------------

    @property
    def http_url(self) -> str:
        return self._address("http")

    @property
    def ws_origin(self) -> str:
        """Base of the websocket addresses, without a path."""
        return self._address("ws")

    @property
    def is_secure(self) -> bool:
        """Whether the port speaks TLS."""
        return self.config.tls_cert is not None

    def _address(self, scheme: str) -> str:
        return f"{scheme}{'s' if self.is_secure else ''}://{self.config.host}:{self.port}"

    # -- life --------------------------------------------------------------------------------

    async def start(self) -> None:
        server = web.Server(self._handle, access_log=None)
        self._runner = web.ServerRunner(server, handle_signals=False, shutdown_timeout=1.0)
        await self._runner.setup()
        tls: ssl.SSLContext | None = None
        if self.is_secure:
            tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            self.load_certificate(tls)
        site = web.TCPSite(self._runner, self.config.host, self.config.port, ssl_context=tls)
        await site.start()
        self.port = self._runner.addresses[0][1]
        if not self.clock.virtual:
            self._driver = asyncio.create_task(self._drive(), name=f"{self.venue}-sim-driver")

    def load_certificate(self, tls: ssl.SSLContext) -> None:
        """Load what the port shows its clients."""
        assert self.config.tls_cert is not None
        tls.load_cert_chain(self.config.tls_cert, self.config.tls_key)

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
                due = max(due + self.tick_s, loop.time())
                await asyncio.sleep(due - loop.time())
        except Exception:
            logger = logging.getLogger(f"connectors.sim.{self.venue}")
            logger.exception("the simulated market stopped")
            raise

    def step(self) -> None:
        """Do what is due at the present simulated time."""
        now_ns = self.clock.elapsed_ns()
        self._agenda.run_due(now_ns)
        self.tick(now_ns)
        if now_ns >= self._next_check_ns:
            self._next_check_ns = now_ns + self.check_every_ns
            self.faults.advance(now_ns)
            for connection in list(self.connections.values()):
                connection.check(now_ns)

    def later(self, ms: float, action: Callable[[], None]) -> None:
        """Do something after that much simulated time."""
        self._agenda.after(ms, action)

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

    # -- requests ----------------------------------------------------------------------------

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        if path.startswith("/_sim/"):
            return await self.admin.handle(request, path, query)
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._websocket(request, path, query)
        return await self.answer(request, path, query)

    async def _websocket(
        self, request: web.BaseRequest, path: str, query: str
    ) -> web.StreamResponse:
        refused: web.StreamResponse | None = self.refusal(request, path, query)
        if refused is None:
            refused = await self.faults.bend_handshake(request, path)
        if refused is not None:
            return refused
        ws = web.WebSocketResponse(
            autoping=False,
            autoclose=False,
            compress=False,
            max_msg_size=self.config.max_client_frame,
        )
        await ws.prepare(request)
        number = self._next_number
        self._next_number += 1
        connection = self.connections[number] = self.accept(request, path, query, number)
        self.record.opened += 1
        try:
            await connection.serve(ws)
        finally:
            del self.connections[number]
            self.closed_connections.append(connection)
            self.record.closed += 1
        return ws
