"""A pool of stream connections that acts like one (section 2 of the venue's rules)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Self

from .._speedups.binance import BinanceDecoder
from .._speedups.events import EventHandler, EventKind, Router
from .._speedups.symbols import SymbolTable
from ..errors import ClientError, ConnectorError
from ..model import DataDropped, Instrument, StatusEvent
from ..net.attempts import AttemptBudget
from ..net.redact import mask_url
from ..net.session_events import Closed, Connected, RotationDue, SessionEvent
from ..net.tasks import OwnedTasks
from .config import (
    Credentials,
    Environment,
    Product,
    Route,
    check_heartbeat,
    endpoints,
    futures_only,
    pool_route,
    route_url,
)
from .confirmation import Confirmation
from .connection import Connection
from .connection_plan import ROTATION_AGE_S, ConnectionPlan
from .output import Output
from .pool_core import PoolCore
from .reporting import Reporter, is_control, refusal
from .rotation import Rotation
from .slots import Outcome, StreamOutcome
from .streams import check_depth_kinds, parse_on
from .wire import Reply, VenueProblem, parse_cold_event

__all__ = ["StreamPool"]

log = logging.getLogger("connectors.binance")


class StreamPool:
    """Up to 20 connections of up to 200 streams each, feeding one output.

    Parameters
    ----------
    product, environment :
        USD-M or COIN-M futures, live by default.
    api_key, api_secret :
        Both or none; with them each connection carries the key in a header (BN-S-37).
    url :
        In place of the environment's, used byte for byte.
    heartbeat_s :
        Send a ping every so many seconds, at least 1, and reconnect when its pong does not come:
        that tells a dead connection from a quiet one. None: only `idle_timeout_s` does.
    route :
        Which USD-M route the pool is on; by default the one its URL names, else market.
    max_streams, max_connections :
        BN-S-01, BN-S-02, BN-L-08.
    check_names :
        Refuse names that do not exist or belong to another route (BN-L-05), which the venue
        would acknowledge and never serve.
    symbols, handler :
        Where decoded events go. By default the pool has its own table, which learns every
        symbol it meets, and its events come out of `stream()`.
    on_status : callable, optional
        Receives every `StatusEvent`, also those that `stream()` delivers.
    on_venue_event : callable, optional
        `on_venue_event(name, payload, stream)` for events without a type of their own.
    on_off_scale : callable, optional
        `on_off_scale(instrument)`: a value did not fit the instrument's grid.
    on_overlap : callable, optional
        `on_overlap(begins)` around the time in which two connections carry the same streams.
    rotate :
        Replace connections before the venue ends them after 24 h (BN-T-12).
    idle_timeout_s :
        No frame of any kind for so long means reconnect (BN-T-11).
    output_capacity :
        Market events `stream()` keeps for a slow consumer; then the oldest go (BN-S-73).
    attempts :
        Budget of connection attempts, by default the one of the process (BN-S-14).

    Notes
    -----
    Nothing is opened before `connect`. All methods belong to one event loop.
    """

    def __init__(
        self,
        product: Product | str = Product.USDM,
        environment: Environment | str = Environment.LIVE,
        *,
        api_key: str | None = None,
        api_secret: str | None = None,
        url: str | None = None,
        heartbeat_s: float | None = None,
        route: Route | None = None,
        max_streams: int = 200,
        max_connections: int = 20,
        check_names: bool = True,
        symbols: SymbolTable | None = None,
        handler: EventHandler | None = None,
        on_status: Callable[[StatusEvent], object] | None = None,
        on_venue_event: Callable[[str, bytes, str | None], object] | None = None,
        on_off_scale: Callable[[Any], object] | None = None,
        on_overlap: Callable[[bool], object] | None = None,
        rotate: bool = True,
        idle_timeout_s: float = 300.0,
        output_capacity: int = 65_536,
        proxy: str | None = None,
        attempts: AttemptBudget | None = None,
        rotation_age_s: float = ROTATION_AGE_S,
    ) -> None:
        check_heartbeat(heartbeat_s)
        self._product = futures_only(product)
        self._environment = Environment(environment)
        self._credentials = Credentials.optional(api_key, api_secret)
        self._route = route or pool_route(self._product, url)
        self._plan = ConnectionPlan(
            url
            or route_url(
                endpoints(self._product, self._environment).streams, self._route or Route.MARKET
            ),
            api_key=self._credentials.api_key if self._credentials is not None else None,
            proxy=proxy,
            heartbeat_s=heartbeat_s,
            idle_timeout_s=idle_timeout_s,
            rotation_age_s=rotation_age_s if rotate else None,
        )
        self._check_names = check_names
        self._symbols = symbols if symbols is not None else SymbolTable()
        self._auto_register = symbols is None
        self._handler = handler
        self._on_status = on_status
        self._on_venue_event = on_venue_event
        self._on_off_scale = on_off_scale
        self._on_overlap = on_overlap
        self._rotate = rotate
        self._output_capacity = output_capacity
        self._attempts = attempts
        self._core = PoolCore(max_streams=max_streams, max_connections=max_connections)
        self._connections: list[Connection] = []
        self._output: Output | None = None
        self._output_taken = False
        self._shutdown = False
        self._lock = asyncio.Lock()
        self._tasks = OwnedTasks("binance-pool")
        self._instruments: dict[str, Instrument] = {}
        self._confirmations: list[Confirmation] = []
        self._delivers = handler is None
        self._opening: Connection | None = None
        self._rotation = Rotation(self)
        self._reporter = Reporter(self._emit)

    # ---- looking ------------------------------------------------------------------------------

    @property
    def product_type(self) -> Product:
        """The product given (BN-S-25)."""
        return self._product

    @property
    def url(self) -> str:
        """The URL each connection opens, secrets masked."""
        return mask_url(self._plan.url)

    @property
    def is_active(self) -> bool:
        """Whether at least one connection is up (BN-S-27)."""
        return any(connection.is_active for connection in self._connections)

    @property
    def is_closed(self) -> bool:
        """Whether there is no connection that is open or coming back (BN-S-28)."""
        return all(connection.session.state.value == "closed" for connection in self._connections)

    @property
    def subscription_count(self) -> int:
        """Subscriptions the venue has confirmed (BN-S-29)."""
        return self._core.confirmed

    @property
    def stream_count(self) -> int:
        """Streams that have a place, confirmed or not."""
        return self._core.assigned

    @property
    def connection_count(self) -> int:
        """Connections opened."""
        return len(self._connections)

    @property
    def capacity(self) -> int:
        """Streams the pool can hold."""
        return self._core.capacity

    @property
    def frame_problems(self) -> int:
        """Frames, or parts of them, that did not decode."""
        return self._reporter.frame_problems

    @property
    def venue_problems(self) -> int:
        """Error frames that answered no command."""
        return self._reporter.venue_problems

    @property
    def rotations(self) -> int:
        """Connections replaced as planned."""
        return self._rotation.done

    @property
    def stream_names(self) -> list[str]:
        """The streams that have a place."""
        return self._core.names()

    @property
    def ending_names(self) -> list[str]:
        """Streams that were unsubscribed and may still send until the venue has answered."""
        return [name for slot in self._core.slots for name in slot.state.pending_unsubscribe]

    def exhausted(self) -> ClientError:
        """Return the error of a pool without room, for who counts by himself (BN-S-48)."""
        return self._core.exhausted()

    @property
    def decoders(self) -> tuple[BinanceDecoder, ...]:
        """The decoder of each connection, for its counters."""
        return tuple(connection.decoder for connection in self._connections)

    def streams_of(self, connection_name: str) -> tuple[str, ...]:
        """Return the streams assigned to a connection, in order; empty when unknown."""
        for connection in self._connections:
            if connection.name == connection_name and connection.slot is not None:
                return tuple(connection.slot.streams)
        return ()

    def __repr__(self) -> str:
        credential = "<redacted>" if self._credentials is not None else None
        return (
            f"StreamPool(url={self.url!r}, product_type={self._product.label}, "
            f"credential={credential}, heartbeat={self._plan.heartbeat_s})"
        )

    # ---- instruments (BN-S-74) ----------------------------------------------------------------

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """The cached instruments by the venue's symbol, as a live read-only view."""
        return MappingProxyType(self._instruments)

    def cache_instrument(self, instrument: Instrument) -> None:
        """Insert or replace one; its grid is used for frames decoded from now on."""
        self._instruments[instrument.symbol] = instrument
        self._symbols.add(instrument)

    def cache_instruments(self, instruments: Iterable[Instrument]) -> None:
        """Insert or replace several."""
        for instrument in instruments:
            self.cache_instrument(instrument)

    def get_instrument(self, symbol: str) -> Instrument | None:
        """Return the instrument with the venue's symbol (`BTCUSDT`), None if missing."""
        return self._instruments.get(symbol)

    # ---- connect and close --------------------------------------------------------------------

    async def connect(self) -> None:
        """Open the first connection; no-op when connected (BN-S-30 to 32).

        Raises
        ------
        TransportError
            No connection; the pool stays closed and may be connected again.
        """
        async with self._lock:
            if self._connections:
                return
            self._shutdown = False
            self._tasks = OwnedTasks("binance-pool")
            output = Output(self._output_capacity, self._gap_marker)
            self._output, self._output_taken = output, False
            try:
                await self._open_slot()
            except BaseException:
                output.close()
                self._output = None
                raise
            log.info("conn=%s connected url=%s", self._label, self.url)

    async def close(self) -> None:
        """Close every connection, each within 2 s, and end the output. Idempotent, never raises."""
        self._shutdown = True
        await self._tasks.close(timeout_s=2.0)
        if self._opening is not None:
            await self._opening.close()
        connections, self._connections = self._connections, []
        # Taken now: while the connections close somebody may connect again.
        output, self._output = self._output, None
        confirmations, self._confirmations = self._confirmations, []
        self._core.clear()
        results = await asyncio.gather(
            *(connection.close() for connection in connections), return_exceptions=True
        )
        for connection, result in zip(connections, results, strict=True):
            if isinstance(result, Exception):
                log.warning("conn=%s did not close cleanly: %s", connection.name, result)
        for confirmation in confirmations:
            for name in tuple(confirmation.pending):
                confirmation.settle(name, ClientError("the pool was closed"))
        if output is not None:
            output.close()
        if connections:
            log.info("conn=%s disconnected", self._label)

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    def stream(self) -> Output:
        """Return the receiving end, once per connect; later an output that has ended."""
        if self._output is None or self._output_taken:
            return Output.finished()
        self._output_taken = True
        return self._output

    # ---- subscribe and unsubscribe ------------------------------------------------------------

    async def subscribe(self, streams: Iterable[str]) -> Confirmation:
        """Subscribe streams; returns when the commands are queued, not when they are answered.

        Names already subscribed are skipped. Connections are opened when the existing ones
        have no room.

        Raises
        ------
        ClientError
            Not connected, a name that does not exist or is served elsewhere, or no room:
            nothing was subscribed.
        TransportError
            A further connection could not be opened: nothing was subscribed.
        """
        names = list(streams)
        if self._check_names:
            names = [parse_on(name, self._product, self._route).name for name in names]
        async with self._lock:
            if self._output is None:
                raise ClientError("Output channel not initialized")
            new = self._core.new_names(names)
            if self._check_names:
                check_depth_kinds(self._core.names(), new, self._product)
            while self._core.needs_slot(len(new)):
                await self._open_slot()
            batches = self._core.stage(new)
            confirmation = Confirmation(new)
            if new:
                self._confirmations.append(confirmation)
            for batch in batches:
                self._available(batch.slot.index)
                self._core.subscribe(batch)
                self._connections[batch.slot.index].pump()
            return confirmation

    async def unsubscribe(self, streams: Iterable[str]) -> None:
        """Unsubscribe streams; names that are not subscribed are ignored.

        Raises
        ------
        ClientError
            A connection has ended for good.
        """
        names = list(streams)
        async with self._lock:
            for batch in self._core.stage_unsubscribe(names):
                self._available(batch.slot.index)
                self._core.unsubscribe(batch)
                self._connections[batch.slot.index].pump()
            for name in names:
                self._settle(name, ClientError(f"{name} was unsubscribed"))

    def _available(self, index: int) -> None:
        failure = self._connections[index].failure
        if failure is not None:
            raise ClientError(f"Handler not available for pool slot {index}: {failure}")

    # ---- connections --------------------------------------------------------------------------

    @property
    def _label(self) -> str:
        return f"{self._product}/{self._route}" if self._route else str(self._product)

    def _make_connection(self, index: int) -> Connection:
        return Connection(
            self,
            f"{self._label}/{index}",
            self._plan.endpoint(),
            policy=self._plan.policy(index),
            decoder_factory=self._make_decoder,
            attempts=self._attempts,
        )

    def _make_decoder(self, connection: Connection) -> BinanceDecoder:
        return BinanceDecoder(
            self._symbols,
            self._handler if self._handler is not None else self._own_handler(),
            on_control=connection.on_control,
            on_venue_event=connection.on_venue_event,
            on_problem=connection.on_problem,
            on_off_scale=self._on_off_scale,
            auto_register=self._auto_register,
        )

    def _own_handler(self) -> EventHandler:
        router = Router(on_error=self._push_failed)
        for kind in EventKind:
            if kind is not EventKind.KIND_COUNT:
                router.route(kind, -1, self._push)
        self._handler = router
        return router

    def _push(self, event: Any) -> None:
        if self._output is not None:
            self._output.push(event)

    def _push_failed(self, error: BaseException, kind: int, event: object) -> None:
        log.error("conn=%s event could not be delivered", self._label, exc_info=error)

    async def _open_slot(self) -> None:
        connection = self._opening = self._make_connection(len(self._connections))
        try:
            await connection.open()
            if self._shutdown:
                raise ClientError("the pool was closed")
        except BaseException:
            await connection.close()
            raise
        finally:
            self._opening = None
        self._connections.append(connection)
        connection.use(self._core.add_slot())
        log.debug("conn=%s opened", connection.name)

    # ---- what connections tell ----------------------------------------------------------------

    def on_reply(self, connection: Connection, reply: Reply) -> list[StreamOutcome]:
        """Apply a reply; for the connection."""
        assert connection.slot is not None
        return self._core.on_reply(connection.slot, reply)

    def on_outcomes(self, connection: Connection, outcomes: list[StreamOutcome]) -> None:
        """Tell what became of streams; for the connection."""
        self._rotation.on_outcomes(connection)
        for each in outcomes:
            if each.outcome is Outcome.ENDED and self._core.owner(each.name) is not None:
                continue  # wanted again meanwhile, and on another connection
            if each.outcome in (Outcome.ACTIVE, Outcome.REFUSED):
                self._settle(each.name, refusal(each))
            if connection in self._connections:
                self._reporter.outcome(connection.name, each)

    def on_venue_problem(self, connection: Connection, problem: VenueProblem) -> None:
        """Surface an error nobody asked for; for the connection."""
        self._reporter.venue_problem(connection.name, problem)

    def on_frame_problem(self, connection: Connection, error: Exception) -> None:
        """Count and surface a frame that does not decode; for the connection."""
        self._reporter.frame_problem(connection.name, error)

    def on_session_event(self, connection: Connection, event: SessionEvent) -> None:
        """Act on a change of a session and tell it; for the connection."""
        ours = connection in self._connections
        if isinstance(event, RotationDue):
            if ours:
                self._rotate_now(connection)
            return
        # A connection that is being rotated in, or was rotated out, has nothing to tell.
        if ours or connection is self._opening or self._shutdown:
            self._reporter.session(connection.name, event)
        if not ours:
            return
        if isinstance(event, Connected) and event.is_reconnect:
            self.reconnected(connection)
        elif isinstance(event, Closed) and not self._shutdown:
            log.warning("conn=%s Handler loop ended unexpectedly", connection.name)
            self._tasks.spawn(self._rotation.replace(connection), f"replace-{connection.name}")

    def on_venue_event(
        self, connection: Connection, name: str, payload: bytes, stream: str | None
    ) -> None:
        """Hand on an event without a type of its own (BN-H-12); for the connection."""
        if name == "serverShutdown" and self._rotate and connection in self._connections:
            self._rotate_now(connection)
        if self._on_venue_event is not None:
            self._on_venue_event(name, payload, stream)
            return
        event: object | None = parse_cold_event(payload) if name else None
        self._push(event or self._reporter.venue_event(name, payload, stream))

    def reconnected(self, connection: Connection) -> None:
        """Tell that a connection is back; for the pool's own parts."""
        streams = tuple(connection.slot.streams) if connection.slot is not None else ()
        self._reporter.reconnected(connection.name, streams)

    def _rotate_now(self, connection: Connection) -> None:
        self._tasks.spawn(self._rotation.rotate(connection), f"rotate-{connection.name}")

    def _emit(self, event: StatusEvent) -> None:
        if self._output is not None and self._delivers and is_control(event):
            self._output.push_control(event)
        if self._on_status is not None:
            try:
                self._on_status(event)
            except Exception:
                log.exception("on_status raised for %r", event)

    def _gap_marker(self, count: int) -> DataDropped:
        return self._reporter.dropped(f"{self._label} stream", count)

    def _settle(self, name: str, error: ConnectorError | None) -> None:
        for confirmation in self._confirmations:
            confirmation.settle(name, error)
        self._confirmations = [each for each in self._confirmations if not each.is_done]
