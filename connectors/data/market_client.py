"""What the data clients of all venues share: instruments, life, the ends of subscriptions, telling.

How events reach their subscriptions differs: see `client` for venues with channels.
"""

from __future__ import annotations

import asyncio
import logging
import time
from abc import abstractmethod
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, Generic, Protocol, Self, TypeVar

from .._speedups.events import InstrumentBase
from .._speedups.symbols import SymbolTable
from ..errors import ClientError
from ..model import (
    Bar,
    DataDropped,
    ErrorEvent,
    Instrument,
    InstrumentStatus,
    MarketStatus,
    StatusEvent,
    Subscription,
    VenueEvent,
)
from ..net.tasks import OwnedTasks
from .desk import InstrumentDesk
from .market import MarketData

__all__ = ["Listeners", "MarketClient"]

log = logging.getLogger("connectors.data")

REFRESH_PAUSE_S = 10.0

K = TypeVar("K", bound=Hashable)


class Rest(Protocol):
    """What a client closes with itself."""

    async def close(self) -> None: ...


class HasEnvironment(Protocol):
    """What a client shows of its config."""

    @property
    def environment(self) -> object: ...


class Listeners(Generic[K]):
    """Callbacks by key, for what has no place in the router."""

    __slots__ = ("_calls",)

    def __init__(self) -> None:
        self._calls: dict[K, tuple[Callable[..., object], ...]] = {}

    def __contains__(self, key: K) -> bool:
        return key in self._calls

    def add(self, key: K, callback: Callable[..., object]) -> Callable[[], None]:
        """Add a callback; return what takes it back."""
        self._calls[key] = (*self._calls.get(key, ()), callback)
        return lambda: self._remove(key, callback)

    def _remove(self, key: K, callback: Callable[..., object]) -> None:
        others = list(self._calls[key])
        others.remove(callback)
        if others:
            self._calls[key] = tuple(others)
        else:
            del self._calls[key]

    def of(self, *keys: K) -> tuple[Callable[..., object], ...]:
        """Return the callbacks of some keys."""
        return tuple(call for key in keys for call in self._calls.get(key, ()))


class MarketClient(MarketData):
    """Instruments and life of one client.

    Parameters
    ----------
    venue :
        For the events.
    config :
        The venue's.
    rest :
        Closed with the client.
    on_status, on_venue_event :
        See the venues' clients.
    instruments :
        In place of reading them at the start.
    instrument_refresh_s :
        Time between readings; 0: only when a frame shows that it is needed.
    refresh_pause_s :
        Least time between two readings of the latter kind; 10 s by default.
    """

    def __init__(
        self,
        venue: str,
        config: HasEnvironment,
        rest: Rest,
        *,
        on_status: Callable[[StatusEvent], object] | None,
        on_venue_event: Callable[[Any], object] | None,
        instruments: Iterable[Instrument],
        instrument_refresh_s: float,
        refresh_pause_s: float | None = None,
    ) -> None:
        self._venue = venue
        self._environment = config.environment
        self._closing_rest = rest
        self._on_status = on_status
        self._on_venue_event = on_venue_event
        self._given = tuple(instruments)
        self._symbols = SymbolTable()
        self._desk = InstrumentDesk(
            venue,
            load=self._load,
            on_instrument=self._on_instrument,
            emit=self._emit,
            on_callback_error=lambda error, event: self._callback_failed(error, -1, event),
            on_error=lambda message, error: self._error(message, error=error),
            every_s=instrument_refresh_s,
            least_s=REFRESH_PAUSE_S if refresh_pause_s is None else refresh_pause_s,
        )
        self._ends: dict[Subscription, list[Callable[[], object]]] = {}
        self._tasks = OwnedTasks(f"{venue.lower()}-data")
        self._open = False
        self._life = asyncio.Lock()  # connect and close, one at a time
        self.callback_errors = 0

    # ---- what the venue's client provides -----------------------------------------------------

    @abstractmethod
    async def _load(self) -> Iterable[Instrument]:
        """Read all definitions."""

    @abstractmethod
    def _on_instrument(self, instrument: Instrument) -> None:
        """Take a new or changed definition."""

    @abstractmethod
    def _cancel(self, subscription: Subscription) -> None:
        """End a subscription."""

    def _number(self, instrument: Instrument) -> int:
        number: int = self._symbols.find(instrument.symbol)
        return number

    async def _prepare(self) -> None:
        """Ask the venue what must be known before the instruments."""

    def _begin(self) -> None:
        """The instruments are there and `_tasks` may be given work."""

    async def _end(self) -> None:
        """Close the connections; subscriptions have ended."""

    # ---- looking ------------------------------------------------------------------------------

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """All instruments by our id, as a live read-only view."""
        return self._desk.instruments

    @property
    def instrument_refreshes(self) -> int:
        """How often the instruments were read."""
        return self._desk.refreshes

    def instrument(self, instrument: Instrument | str) -> Instrument:
        """Return the current definition by our id, the venue's symbol or an older definition.

        Raises
        ------
        ClientError
            There is none.
        """
        return self._desk.catalog.find(instrument)

    def status(self, instrument: Instrument | str) -> MarketStatus:
        """Return the latest trading status known, which may be newer than the definition."""
        return self._desk.catalog.status(instrument)

    def __repr__(self) -> str:
        state = "open" if self._open else "closed"
        return f"<{type(self).__name__} {self._venue} {self._environment} {state}>"

    # ---- life ---------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Load the instruments and begin to serve subscriptions; no-op when open.

        Raises
        ------
        TransportError, VenueError
            The venue could not be asked; nothing is left open.
        """
        async with self._life:
            if self._open:
                return
            try:
                if self._given:
                    self._desk.take(self._given)
                else:
                    await self._prepare()
                    await self._desk.load()
            except BaseException:
                await self._closing_rest.close()
                raise
            self._open = True
            self._tasks = OwnedTasks(f"{self._venue.lower()}-data", on_death=self._task_died)
            self._tasks.spawn(self._desk.run(), "instruments")
            self._begin()

    async def close(self) -> None:
        """End all subscriptions, connections and tasks, each within its bound. Idempotent.

        A `connect` under way ends first; one called meanwhile waits.
        """
        async with self._life:
            self._open = False
            for subscription in list(self._ends):
                subscription.cancel()
            await self._end()
            await self._tasks.close(timeout_s=2.0)
            await self._closing_rest.close()

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    # ---- instruments --------------------------------------------------------------------------

    async def load_instruments(self) -> Mapping[str, Instrument]:
        """Read the definitions again now; return all instruments by our id."""
        return await self._desk.load()

    def _unreadable_instrument(self, symbol: str, reason: str) -> None:
        log.warning("venue=%s symbol=%s cannot be read: %s", self._venue, symbol, reason)
        self._error(f"{symbol}: {reason}", where="instruments")

    def _off_scale(self, instrument: InstrumentBase) -> None:
        if self._desk.refresh(instrument.symbol):
            log.warning("instrument=%s a value is off its grid, reading it again", instrument.id)

    def _unknown_market(self, market: str) -> None:
        if self._desk.refresh():
            log.debug("venue=%s market=%s is not known, reading again", self._venue, market)

    # ---- subscriptions ------------------------------------------------------------------------

    def _make(self, label: str, names: tuple[str, ...]) -> Subscription:
        if not self._open:
            raise ClientError("the client is not connected: use `async with` or `connect()`")
        subscription = Subscription(label, names, self._cancel)
        self._ends[subscription] = []
        return subscription

    def _at_end(self, subscription: Subscription, call: Callable[[], object]) -> None:
        self._ends[subscription].append(call)

    def _ended(self, subscription: Subscription) -> bool:
        """Undo what was done for a subscription; False where that was done before."""
        ends = self._ends.pop(subscription, None)
        for end in ends or ():
            end()
        return ends is not None

    def _add_status(
        self, instrument: Instrument | None, callback: Callable[[InstrumentStatus], object]
    ) -> Subscription:
        subscription, end = self._desk.watch(instrument, callback, self._cancel)
        self._ends[subscription] = [end]
        return subscription

    # ---- telling ------------------------------------------------------------------------------

    def _dropped_marker(self, what: str) -> Callable[[int], DataDropped]:
        return lambda count: DataDropped(
            venue=self._venue, ts_init=time.time_ns(), what=what, count=count
        )

    def _bar_lost(self, bar: Bar) -> None:
        """Tell that a bar's end fell into a loss of the connection."""
        self._emit(self._dropped_marker(f"closed bar {bar.interval_s} s of {bar.instrument.id}")(1))

    def _venue_event(self, name: str, data: bytes, channel: str | None) -> None:
        if self._on_venue_event is not None:
            event = VenueEvent(
                venue=self._venue, ts_init=time.time_ns(), name=name, payload=data, stream=channel
            )
            self._call(self._on_venue_event, event)

    def _call(self, callback: Callable[..., object], *event: Any) -> None:
        try:
            callback(*event)
        except Exception as error:  # noqa: BLE001 - the user's, and none of the frame's
            self._callback_failed(error, -1, event[0])

    def _emit(self, event: StatusEvent) -> None:
        if self._on_status is not None:
            try:
                self._on_status(event)
            except Exception:
                self.callback_errors += 1
                log.exception("on_status raised for %r", event)

    def _callback_failed(self, error: BaseException, kind: int, event: Any) -> None:
        self.callback_errors += 1
        log.error("a callback raised for %r", event, exc_info=error)
        self._error(f"a callback raised {type(error).__name__}: {error}", error=error)

    def _task_died(self, name: str, error: BaseException) -> None:
        self._error(f"task {name} died: {error}", error=error)

    def _error(
        self,
        message: str,
        *,
        code: int | None = None,
        where: str = "",
        error: BaseException | None = None,
    ) -> None:
        self._emit(
            ErrorEvent(
                venue=self._venue,
                ts_init=time.time_ns(),
                message=message,
                code=code,
                where=where,
                error=error,
            )
        )
