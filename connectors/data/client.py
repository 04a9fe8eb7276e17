"""What the data clients of venues with channels share: subscriptions, connections, telling.

A channel is carried by one connection and serves any number of subscriptions. The venue's client
says which channels a wish needs (`_add` and its kin), which connection may carry one, and what
its books need.
"""

from __future__ import annotations

import asyncio
import logging
import time
from abc import abstractmethod
from collections.abc import Callable, Hashable, Iterable
from functools import partial
from typing import Generic, Protocol, TypeVar

from .._speedups.events import EventFlag, EventKind, InstrumentBase
from ..errors import ClientError, ConnectorError, VenueError
from ..model import (
    Bar,
    ConnectionStatus,
    Instrument,
    Liquidation,
    Quote,
    Reconnected,
    StatusEvent,
    StreamState,
    Subscription,
    SubscriptionStatus,
    Trade,
    VenueEvent,
)
from ..net.attempts import AttemptBudget
from ..net.policy import SessionPolicy
from ..net.reporting import connection_change
from ..net.session_events import Closed, Connected, Lost, SessionEvent
from .bars import BarCloser
from .channel_stream import ChannelStream
from .control import ChannelOutcome
from .dispatch import EVERY_SYMBOL, Consumer, Dispatch
from .feeds import check_callback
from .market_client import HasEnvironment, Listeners, MarketClient, Rest
from .trades import NewTrades

__all__ = ["ChannelClient", "EmptySideCallback", "NamedChannel"]

log = logging.getLogger("connectors.data")

PROBLEM_EVERY_S = 1.0

K = TypeVar("K", bound=Hashable)
S = TypeVar("S", bound=ChannelStream)
EmptySideCallback = Callable[[Instrument, bool, bool], object]


class NamedChannel(Protocol):
    """A channel of a venue."""

    @property
    def name(self) -> str:
        """What it is called here."""


class HasInstrument(Protocol):
    """All a venue says about a market at once."""

    @property
    def instrument(self) -> InstrumentBase:
        """Which market."""


class ChannelClient(MarketClient, Generic[S]):
    """Subscriptions and connections of one client.

    Parameters
    ----------
    venue, config, rest, on_status, on_venue_event, instruments, instrument_refresh_s :
        As of `MarketClient`.
    max_channels :
        Channels of one connection.
    attempts, policy :
        Budget of connection attempts and how connections are kept; None: the venue's defaults.
    """

    def __init__(
        self,
        venue: str,
        config: HasEnvironment,
        rest: Rest,
        *,
        on_status: Callable[[StatusEvent], object] | None,
        on_venue_event: Callable[[VenueEvent], object] | None,
        instruments: Iterable[Instrument],
        instrument_refresh_s: float,
        max_channels: int,
        attempts: AttemptBudget | None = None,
        policy: SessionPolicy | None = None,
    ) -> None:
        if max_channels < 1:
            raise ClientError(f"max_channels must be at least 1, got {max_channels}")
        super().__init__(
            venue,
            config,
            rest,
            on_status=on_status,
            on_venue_event=on_venue_event,
            instruments=instruments,
            instrument_refresh_s=instrument_refresh_s,
        )
        self._max_channels = max_channels
        self._attempts = attempts
        self._policy = policy
        self._dispatch = Dispatch(self._callback_failed)
        self._streams: list[S] = []
        self._carriers: dict[str, S] = {}  # by channel on the wire
        self._wanted: dict[str, list[Subscription]] = {}
        self._refused: dict[str, VenueError] = {}
        self._losses: dict[Subscription, Callable[[], object]] = {}
        self._trades: dict[str, list[NewTrades]] = {}  # by channel
        self._empty_sides: Listeners[int] = Listeners()  # by symbol number
        self._stats: Listeners[int] = Listeners()
        self._problem_told_s = float("-inf")
        self.frame_problems = 0
        self.venue_errors = 0

    # ---- looking ------------------------------------------------------------------------------

    @property
    def streams(self) -> tuple[S, ...]:
        """The connections, for their counters."""
        return tuple(self._streams)

    @property
    def is_active(self) -> bool:
        """Whether at least one connection is up."""
        return any(stream.is_active for stream in self._streams)

    # ---- what the venue's client provides -----------------------------------------------------

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

    async def _end(self) -> None:
        self._stopped()
        streams, self._streams = self._streams, []
        await asyncio.gather(*(stream.close() for stream in streams))
        self._carriers.clear()

    def _interrupted(self, stream: S) -> None:
        """A connection is gone; subscriptions were told."""

    # ---- helpers of the feeds -----------------------------------------------------------------

    def _add(
        self, label: str, channels: tuple[NamedChannel, ...], *consumers: Consumer
    ) -> Subscription:
        """Begin to deliver what channels bring."""
        subscription = self._make(label, tuple(channel.name for channel in channels))
        for consumer in consumers:
            consumer.stream = channels[0].name
            for name in subscription.streams:
                self._attach(name, consumer)
                self._at_end(subscription, partial(self._detach, name, consumer))
        self._want(subscription)
        return subscription

    def _attach(self, name: str, consumer: Consumer) -> None:
        """Deliver to a consumer what comes on a channel."""
        self._dispatch.add(consumer)

    def _detach(self, name: str, consumer: Consumer) -> None:
        self._dispatch.remove(consumer)

    def _add_quotes(
        self,
        instrument: Instrument,
        channel: NamedChannel,
        callback: Callable[[Quote], object],
        on_empty_side: EmptySideCallback | None,
    ) -> Subscription:
        """Begin to deliver quotes, and to tell when the book lacks a side."""
        number = self._number(instrument)
        consumer = self._consumer(EventKind.QUOTE, number, callback)
        if on_empty_side is not None:
            check_callback(on_empty_side)
        subscription = self._add(f"quotes {instrument.id}", (channel,), consumer)
        if on_empty_side is not None:
            self._at_end(subscription, self._empty_sides.add(number, on_empty_side))
        return subscription

    def _add_trades(
        self,
        instrument: Instrument,
        channel: NamedChannel,
        callback: Callable[[Trade], object],
        new: NewTrades,
    ) -> Subscription:
        """Begin to deliver trades; `new` says which, and is told of losses."""
        consumer = self._consumer(EventKind.TRADE, self._number(instrument), callback)
        consumer.wants = new
        subscription = self._add(f"trades {instrument.id}", (channel,), consumer)
        self._follow_trades(subscription, new)
        return subscription

    def _add_liquidations(
        self,
        instrument: Instrument,
        channel: NamedChannel,
        callback: Callable[[Liquidation], object],
    ) -> Subscription:
        """Begin to deliver the liquidations on a channel of trades, but none of the past."""
        consumer = self._consumer(EventKind.LIQUIDATION, self._number(instrument), callback)
        consumer.wants = lambda event: not event.flags & EventFlag.HISTORY
        return self._add(f"liquidations {instrument.id}", (channel,), consumer)

    def _add_bars(
        self,
        instrument: Instrument,
        channel: NamedChannel,
        interval: str,
        callback: Callable[[Bar], object],
        *,
        interval_s: int,
        closed_only: bool,
        mark: bool = False,
    ) -> Subscription:
        """Begin to deliver bars of a channel that sends each bar as it grows."""
        check_callback(callback)
        closer = BarCloser(
            callback,
            interval_s=interval_s,
            mark=mark,
            closed_only=closed_only,
            on_lost_bar=self._bar_lost,
        )
        consumer = Consumer(EventKind.BAR, self._number(instrument), closer)
        subscription = self._add(f"candles {interval} {instrument.id}", (channel,), consumer)
        self._watch_losses(subscription, closer.on_lost)
        return subscription

    def _follow_trades(self, subscription: Subscription, new: NewTrades) -> None:
        """Tell what keeps old trades from a callback when its channels are interrupted."""
        for name in subscription.streams:
            watched = self._trades.setdefault(name, [])
            for other in watched:
                new.join(other)
            watched.append(new)
            self._at_end(subscription, partial(watched.remove, new))
        self._watch_losses(subscription, new.on_lost)

    def _is_whole(self, name: str) -> bool:
        """Whether the history that came with a channel of trades reached back to the loss."""
        return all(new.is_whole for new in self._trades.get(name, ()))

    def _listen(
        self,
        label: str,
        channels: tuple[NamedChannel, ...],
        listeners: Listeners[K],
        key: K,
        callback: Callable[..., object],
    ) -> Subscription:
        """Begin to deliver what channels bring that has no place in the router."""
        subscription = self._make(label, tuple(channel.name for channel in channels))
        self._at_end(subscription, listeners.add(key, callback))
        self._want(subscription)
        return subscription

    def _watch_losses(self, subscription: Subscription, on_lost: Callable[[], object]) -> None:
        """Call when the channels are interrupted, until the subscription ends."""
        self._losses[subscription] = on_lost
        self._at_end(subscription, lambda: self._losses.pop(subscription, None))

    # ---- subscriptions ------------------------------------------------------------------------

    def _want(self, subscription: Subscription) -> bool:
        """Count a subscription on its channels; True where all are served already."""
        for name in subscription.streams:
            self._wanted.setdefault(name, []).append(subscription)
            self._refused.pop(name, None)  # a later wish is asked for again
        self._align()
        self._show(subscription)
        return subscription.is_active

    def _cancel(self, subscription: Subscription) -> None:
        if not self._ended(subscription):
            return
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
            if outcome.state is StreamState.PENDING and not stream.control.is_active(name):
                self._set_back(name)  # the venue may have ended it while the connection is up
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
        for name in list(stream.control.channels):
            self._set_back(name)
            for subscription in self._served_by(name):
                self._show(subscription)
        self._interrupted(stream)

    def _set_back(self, name: str) -> None:
        """A channel is served no more, and is to begin anew."""
        for subscription in self._served_by(name):
            on_lost = self._losses.get(subscription)
            if on_lost is not None:
                on_lost()

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

    # ---- events without a place in the router -------------------------------------------------

    def _on_empty_side(self, instrument: InstrumentBase, has_bid: bool, has_ask: bool) -> None:
        assert isinstance(instrument, Instrument)
        for callback in self._empty_sides.of(self._number(instrument)):
            self._call(callback, instrument, has_bid, has_ask)

    def _on_stats(self, stats: HasInstrument) -> None:
        assert isinstance(stats.instrument, Instrument)
        for callback in self._stats.of(self._number(stats.instrument), EVERY_SYMBOL):
            self._call(callback, stats)
