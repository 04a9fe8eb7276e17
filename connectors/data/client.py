"""What the data clients of venues with channels share: subscriptions, connections, telling.

A channel is carried by one connection and serves any number of subscriptions. The venue's client
says which channels a wish needs (`_add` and its kin), which connection may carry one, and what
its books need.
"""

from __future__ import annotations

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

from .._speedups.events import EventKind, InstrumentBase
from .._speedups.symbols import SymbolTable
from ..errors import ClientError, ConnectorError, VenueError
from ..model import (
    Bar,
    ConnectionStatus,
    DataDropped,
    ErrorEvent,
    Instrument,
    InstrumentStatus,
    MarketStatus,
    Reconnected,
    StatusEvent,
    StreamState,
    Subscription,
    SubscriptionStatus,
    VenueEvent,
)
from ..net.reporting import connection_change
from ..net.session_events import Closed, Connected, Lost, SessionEvent
from ..net.tasks import OwnedTasks
from .channel_stream import ChannelStream
from .control import ChannelOutcome
from .desk import InstrumentDesk

__all__ = ["ChannelClient"]

log = logging.getLogger("connectors.data")

REFRESH_PAUSE_S = 10.0
PROBLEM_EVERY_S = 1.0

S = TypeVar("S", bound=ChannelStream)
EmptySideCallback = Callable[[Instrument, bool, bool], object]


class Rest(Protocol):
    """What a client closes with itself."""

    async def close(self) -> None: ...


class ChannelClient(ABC, Generic[S]):
    """Subscriptions, connections and instruments of one client.

    Parameters
    ----------
    venue :
        For the events.
    rest :
        Closed with the client.
    on_status, on_venue_event :
        See the venues' clients.
    instruments :
        In place of reading them at the start.
    instrument_refresh_s :
        Time between readings; 0: only when a frame shows that it is needed.
    """

    def __init__(
        self,
        venue: str,
        rest: Rest,
        *,
        on_status: Callable[[StatusEvent], object] | None,
        on_venue_event: Callable[[VenueEvent], object] | None,
        instruments: Iterable[Instrument],
        instrument_refresh_s: float,
    ) -> None:
        self._venue = venue
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
            least_s=REFRESH_PAUSE_S,
        )
        self._streams: list[S] = []
        self._carriers: dict[str, S] = {}  # by channel on the wire
        self._wanted: dict[str, list[Subscription]] = {}
        self._refused: dict[str, VenueError] = {}
        self._ends: dict[Subscription, list[Callable[[], object]]] = {}
        self._losses: dict[Subscription, Callable[[], object]] = {}
        self._empty_sides: dict[int, list[tuple[Subscription, EmptySideCallback]]] = {}
        self._tasks = OwnedTasks(f"{venue.lower()}-data")
        self._open = False
        self._life = asyncio.Lock()  # connect and close, one at a time
        self._problem_told_s = float("-inf")
        self.callback_errors = 0
        self.frame_problems = 0
        self.venue_errors = 0

    # ---- looking ------------------------------------------------------------------------------

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """All instruments by our id, as a live read-only view."""
        return self._desk.instruments

    @property
    def streams(self) -> tuple[S, ...]:
        """The connections, for their counters."""
        return tuple(self._streams)

    @property
    def is_active(self) -> bool:
        """Whether at least one connection is up."""
        return any(stream.is_active for stream in self._streams)

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
        """Return the latest trading status known."""
        return self._desk.catalog.status(instrument)

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
                    await self._desk.load()
            except BaseException:
                await self._closing_rest.close()
                raise
            self._open = True
            self._tasks = OwnedTasks(f"{self._venue.lower()}-data", on_death=self._task_died)
            self._tasks.spawn(self._desk.run(), "instruments")

    async def close(self) -> None:
        """End all subscriptions, connections and tasks, each within its bound. Idempotent.

        A `connect` under way ends first; one called meanwhile waits.
        """
        async with self._life:
            self._open = False
            for subscription in list(self._ends):
                subscription.cancel()
            self._stopped()
            streams, self._streams = self._streams, []
            await asyncio.gather(*(stream.close() for stream in streams))
            self._carriers.clear()
            await self._tasks.close(timeout_s=2.0)
            await self._closing_rest.close()

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
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

    # ---- what the venue's client provides -----------------------------------------------------

    @abstractmethod
    async def _load(self) -> Iterable[Instrument]:
        """Read all definitions."""

    @abstractmethod
    def _on_instrument(self, instrument: Instrument) -> None:
        """Take a new or changed definition."""

    @abstractmethod
    def _number(self, instrument: Instrument) -> int:
        """Return the dense number of an instrument."""

    @abstractmethod
    def _stream_for(self, name: str) -> S | None:
        """Return the connection that is to carry a channel, perhaps a new one (`_opened`).

        None where there is no room for it: its subscriptions are refused.
        """

    def _covering(self, name: str) -> str | None:
        """Return the channel that brings all that this one does, None if there is none."""
        return None

    def _assigned(self, name: str, stream: S) -> None:
        """A connection carries a channel from now on, which was not asked for yet."""

    def _released(self, name: str, stream: S) -> None:
        """A connection carries a channel no more."""

    def _served(self, name: str, stream: S) -> None:
        """The venue serves a channel."""

    def _stopped(self) -> None:
        """The client closes."""

    def _interrupted(self, stream: S) -> None:
        """A connection is gone; subscriptions were told."""

    # ---- helpers of the feeds -----------------------------------------------------------------

    def _add_status(
        self, instrument: Instrument | None, callback: Callable[[InstrumentStatus], object]
    ) -> Subscription:
        subscription, end = self._desk.watch(instrument, callback, self._cancel)
        self._ends[subscription] = [end]
        return subscription

    def _watch_empty_side(
        self, subscription: Subscription, number: int, callback: EmptySideCallback
    ) -> None:
        entries = self._empty_sides.setdefault(number, [])
        entry = (subscription, callback)
        entries.append(entry)
        self._at_end(subscription, lambda: entries.remove(entry))

    def _watch_losses(self, subscription: Subscription, on_lost: Callable[[], object]) -> None:
        self._losses[subscription] = on_lost
        self._at_end(subscription, lambda: self._losses.pop(subscription, None))

    def _dropped_marker(self, what: str) -> Callable[[int], DataDropped]:
        return lambda count: DataDropped(
            venue=self._venue, ts_init=time.time_ns(), what=what, count=count
        )

    def _bar_lost(self, bar: Bar) -> None:
        what = f"closed bar {bar.interval_s} s of {bar.instrument.id}"
        self._emit(DataDropped(venue=self._venue, ts_init=time.time_ns(), what=what, count=1))

    # ---- subscriptions ------------------------------------------------------------------------

    def _make(self, label: str, names: tuple[str, ...]) -> Subscription:
        if not self._open:
            raise ClientError("the client is not connected: use `async with` or `connect()`")
        subscription = Subscription(label, names, self._cancel)
        self._ends[subscription] = []
        return subscription

    def _at_end(self, subscription: Subscription, call: Callable[[], object]) -> None:
        self._ends[subscription].append(call)

    def _want(self, subscription: Subscription) -> bool:
        """Count a subscription on its channels; True where all are served already."""
        for name in subscription.streams:
            self._wanted.setdefault(name, []).append(subscription)
            self._refused.pop(name, None)  # a later wish is asked for again
        self._align()
        self._show(subscription)
        return subscription.is_active

    def _cancel(self, subscription: Subscription) -> None:
        ends = self._ends.pop(subscription, None)
        if ends is None:
            return
        for end in ends:
            end()
        for name in subscription.streams:
            others = [each for each in self._wanted.get(name, ()) if each is not subscription]
            if others:
                self._wanted[name] = others
            else:
                self._wanted.pop(name, None)
                self._refused.pop(name, None)
        self._align()

    def _align(self) -> None:
        """Bring what is on the wire in line with what is wanted.

        While somebody wants a channel of all markets, those of single ones bring nothing new.
        """
        needed = {name: None for name in self._wanted if self._carried_as(name) == name}
        for name in [name for name in self._carriers if name not in needed]:
            stream = self._carriers.pop(name)
            self._released(name, stream)
            stream.unsubscribe(name)
        for name in needed:
            if name not in self._carriers and name not in self._refused:
                carrier = self._stream_for(name)
                if carrier is None:
                    self._refused[name] = VenueError(0, f"no connection has room for {name}")
                    continue
                self._carriers[name] = carrier
                self._assigned(name, carrier)
                carrier.subscribe(name)

    def _carried_as(self, name: str) -> str:
        cover = self._covering(name)
        return cover if cover in self._wanted and cover not in self._refused else name

    def _opened(self, stream: S) -> S:
        """Take a new connection and open it."""
        self._streams.append(stream)
        self._tasks.spawn(self._open_stream(stream), f"open-{len(self._streams) - 1}")
        return stream

    async def _open_stream(self, stream: S) -> None:
        try:
            await stream.open()
        except ConnectorError as error:
            if self._open:
                self._error(f"{stream.name} could not be opened: {error}", error=error)

    def _show(self, subscription: Subscription) -> None:
        names = [self._carried_as(name) for name in subscription.streams]
        refused = next((name for name in names if name in self._refused), None)
        if refused is not None:
            subscription.advance(StreamState.REFUSED, self._refused[refused])
        elif all(name in self._carriers and self._carriers[name].control.is_active(name)
                 for name in names):  # fmt: skip
            subscription.advance(StreamState.ACTIVE)
        else:
            subscription.advance(StreamState.PENDING)

    def _served_by(self, name: str) -> list[Subscription]:
        """The subscriptions that a channel on the wire serves."""
        found = list(self._wanted.get(name, ()))
        for other, subscriptions in self._wanted.items():
            if other != name and self._carried_as(other) == name:
                found += subscriptions
        return found

    # ---- what connections tell (StreamOwner) --------------------------------------------------

    def on_outcomes(self, stream: S, outcomes: list[ChannelOutcome]) -> None:
        """Take note of what became of channels."""
        for outcome in outcomes:
            name = outcome.channel
            if outcome.state is StreamState.REFUSED:
                self._refused[name] = VenueError(outcome.code or 0, outcome.message)
                if self._carriers.pop(name, None) is not None:
                    self._released(name, stream)
                log.warning("conn=%s channel=%s refused: %s", stream.name, name, outcome.message)
            for subscription in self._served_by(name):
                self._show(subscription)
            if outcome.state is StreamState.REFUSED:
                self._align()  # what it covered must be asked for by itself
            self._emit(
                SubscriptionStatus(
                    venue=self._venue,
                    ts_init=time.time_ns(),
                    stream=name,
                    state=outcome.state,
                    code=outcome.code,
                    message=outcome.message,
                )
            )
            if outcome.state is StreamState.ACTIVE:
                self._served(name, stream)

    def on_session_event(self, stream: S, event: SessionEvent) -> None:
        """Take note of a connection's state."""
        if isinstance(event, Lost | Closed):
            self._lost(stream)
        change = connection_change(event)
        if change is not None:
            state, reason = change
            self._emit(
                ConnectionStatus(
                    venue=self._venue,
                    ts_init=time.time_ns(),
                    connection=stream.name,
                    state=state,
                    reason=reason,
                )
            )
        if isinstance(event, Connected) and event.is_reconnect:
            self._emit(
                Reconnected(
                    venue=self._venue,
                    ts_init=time.time_ns(),
                    connection=stream.name,
                    streams=tuple(stream.control.channels),
                )
            )

    def _lost(self, stream: S) -> None:
        for name in stream.control.channels:
            for subscription in self._served_by(name):
                on_lost = self._losses.get(subscription)
                if on_lost is not None:
                    on_lost()
                self._show(subscription)
        self._interrupted(stream)

    def on_venue_error(self, stream: S, code: int | None, message: str) -> None:
        """Report an error that is about no channel."""
        self.venue_errors += 1
        log.warning("conn=%s venue error %s: %s", stream.name, code, message)
        self._error(message, code=code, where=stream.name)

    def on_frame_problem(self, stream: S, error: Exception) -> None:
        """Report a frame that did not decode; at most one a second, all are counted."""
        self.frame_problems += 1
        now = time.monotonic()
        if now - self._problem_told_s >= PROBLEM_EVERY_S:
            self._problem_told_s = now
            log.warning("conn=%s frame problem: %s", stream.name, error)
            self._error(f"a frame did not decode: {error}", where=stream.name, error=error)

    def on_unknown_frame(self, stream: S, name: str, data: bytes) -> None:
        """Hand on a frame of a type we do not know."""
        self._venue_event(name or "unknown", data, None)

    def _venue_event(self, name: str, data: bytes, channel: str | None) -> None:
        if self._on_venue_event is not None:
            event = VenueEvent(
                venue=self._venue, ts_init=time.time_ns(), name=name, payload=data, stream=channel
            )
            self._call(self._on_venue_event, event)

    # ---- events without a place in the router -------------------------------------------------

    def _on_empty_side(self, instrument: InstrumentBase, has_bid: bool, has_ask: bool) -> None:
        assert isinstance(instrument, Instrument)
        for _, callback in tuple(self._empty_sides.get(self._number(instrument), ())):
            try:
                callback(instrument, has_bid, has_ask)
            except Exception as error:  # noqa: BLE001 - reported; the others go on
                self._callback_failed(error, EventKind.QUOTE, instrument)

    # ---- telling ------------------------------------------------------------------------------

    def _call(self, callback: Callable[[Any], object], event: Any) -> None:
        try:
            callback(event)
        except Exception as error:  # noqa: BLE001 - the user's, and none of the frame's
            self._callback_failed(error, -1, event)

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
