"""One stream connection: a session, its slot, and the pace at which commands leave."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from .._speedups.binance import BinanceDecoder
from ..errors import ClientError, ConnectorError, DecodeError, TransportError
from ..net.attempts import AttemptBudget
from ..net.endpoint import Endpoint
from ..net.policy import SessionPolicy
from ..net.ratelimit import Quota, QuotaExceeded, RateLimiter
from ..net.session import Session
from ..net.session_events import (
    Closed,
    Connected,
    FeedProblem,
    Lost,
    SessionEvent,
)
from .slots import Slot, StreamOutcome
from .wire import Reply, VenueProblem, parse_control

__all__ = ["SUBSCRIPTION_KEY", "Connection", "ConnectionOwner"]

SUBSCRIPTION_KEY = "subscription"
# The venue closes a connection for the eleventh message in a second as it counts them, and bans
# who goes on (BN-L-07). Delays on the way bunch what left apart: five in one second and five in the
# next (BN-S-12) are ten at once as soon as the first are a little late. At this pace, pings
# included, ten is the most that leave within two seconds, so a delay of a second does no harm.
SUBSCRIPTION_QUOTA = Quota(3, 1.0, burst=3)
POLICY_VIOLATION = 1008
SLOW_AFTER_VIOLATION_S = 60.0  # BN-T-13
STUCK_RETRY_S = 0.25

log = logging.getLogger("connectors.binance")


class ConnectionOwner(Protocol):
    """What a connection tells its pool; everything synchronously."""

    def on_outcomes(self, connection: Connection, outcomes: list[StreamOutcome]) -> None:
        """Streams were confirmed, refused, ended or not answered."""

    def on_session_event(self, connection: Connection, event: SessionEvent) -> None:
        """The session changed; the slot already knows."""

    def on_venue_problem(self, connection: Connection, problem: VenueProblem) -> None:
        """An error frame that answers no command."""

    def on_venue_event(
        self, connection: Connection, name: str, payload: bytes, stream: str | None
    ) -> None:
        """An event without a type of its own."""

    def on_frame_problem(self, connection: Connection, error: Exception) -> None:
        """A frame, or a part of it, that did not decode."""

    def on_reply(self, connection: Connection, reply: Reply) -> list[StreamOutcome]:
        """A reply; returns what became of the streams."""


class Connection:
    """A session and its slot.

    Parameters
    ----------
    owner : ConnectionOwner
    name : str
        For logs and events: `usdm/public/0`.
    endpoint, policy, attempts :
        As for `Session`.
    decoder_factory : callable
        Makes the decoder of this connection; it reports to `on_control`, `on_venue_event` and
        `on_problem` here.
    """

    def __init__(
        self,
        owner: ConnectionOwner,
        name: str,
        endpoint: Endpoint,
        *,
        policy: SessionPolicy,
        decoder_factory: Callable[[Connection], BinanceDecoder],
        attempts: AttemptBudget | None = None,
    ) -> None:
        self.name = name
        self.slot: Slot | None = None
        self.failure: str | None = None  # why the session ended without being asked to
        self._owner = owner
        self._limiter = RateLimiter({SUBSCRIPTION_KEY: SUBSCRIPTION_QUOTA})
        self.decoder = decoder_factory(self)
        self.session = Session(
            name,
            endpoint,
            self.decoder,
            self._on_event,
            policy=policy,
            limiter=self._limiter,
            attempts=attempts,
        )
        self._pump_timer: asyncio.TimerHandle | None = None
        self._overdue_timer: asyncio.TimerHandle | None = None
        self._closing = False

    @property
    def is_active(self) -> bool:
        """Whether the connection is up."""
        return self.session.is_connected

    async def open(self, *, retry: bool = False) -> None:
        """Connect; see `Session.open`."""
        await self.session.open(retry=retry)

    async def close(self) -> None:
        """End for good, within the session's close time."""
        self._closing = True
        self._stop_timers()
        await self.session.close()

    def use(self, slot: Slot) -> None:
        """Serve a slot from now on."""
        self.slot = slot
        slot.connected = self.session.is_connected

    def pump(self) -> None:
        """Send what the slot has to say, as fast as the quota allows."""
        slot, session = self.slot, self.session
        if slot is None or self._pump_timer is not None or self._closing:
            return
        while (command := slot.next_command()) is not None:
            try:
                session.send(command.data, key=SUBSCRIPTION_KEY)
            except QuotaExceeded as held:
                self._pump_later(held.retry_after_s)
                break
            except ClientError:
                break  # the connection is ending: everything is asked for again on the next
            except TransportError as error:
                log.warning("conn=%s command waits: %s", self.name, error)
                self._pump_later(STUCK_RETRY_S)
                break
            slot.sent(command, asyncio.get_running_loop().time())
        self._watch_deadline()

    def _pump_later(self, delay_s: float) -> None:
        loop = asyncio.get_running_loop()
        self._pump_timer = loop.call_later(max(delay_s, 0.001), self._pump_again)

    def _pump_again(self) -> None:
        self._pump_timer = None
        self.pump()

    def _watch_deadline(self) -> None:
        if self._overdue_timer is not None or self.slot is None:
            return
        deadline = self.slot.next_deadline()
        if deadline is not None:
            loop = asyncio.get_running_loop()
            self._overdue_timer = loop.call_at(deadline, self._overdue)

    def _overdue(self) -> None:
        self._overdue_timer = None
        if self.slot is None or self._closing:
            return
        outcomes = self.slot.overdue(asyncio.get_running_loop().time())
        if outcomes:
            self._owner.on_outcomes(self, outcomes)
        self.pump()

    def _stop_timers(self) -> None:
        for timer in (self._pump_timer, self._overdue_timer):
            if timer is not None:
                timer.cancel()
        self._pump_timer = self._overdue_timer = None

    # ---- what comes in ------------------------------------------------------------------------

    def on_control(self, data: bytes) -> None:
        """Take a frame of the control protocol; for the decoder."""
        try:
            parsed = parse_control(data)
        except DecodeError as error:
            self._owner.on_frame_problem(self, error)
            return
        if isinstance(parsed, VenueProblem):
            self._owner.on_venue_problem(self, parsed)
        elif parsed is not None and self.slot is not None:
            outcomes = self._owner.on_reply(self, parsed)
            if outcomes:
                self._owner.on_outcomes(self, outcomes)

    def on_venue_event(self, name: str, payload: bytes, stream: str | None) -> None:
        """Take an event without a type of its own; for the decoder."""
        try:
            self._owner.on_venue_event(self, name, payload, stream)
        except DecodeError as error:
            self._owner.on_frame_problem(self, error)

    def on_problem(self, error: Exception, data: bytes) -> None:
        """Take note of an object that did not decode; for the decoder."""
        self._owner.on_frame_problem(self, error)

    def _on_event(self, event: SessionEvent) -> None:
        slot = self.slot
        if isinstance(event, Lost):
            self._stop_timers()
            if slot is not None:
                slot.on_lost()
            if event.code == POLICY_VIOLATION:
                self._limiter.slow_down(SUBSCRIPTION_KEY, factor=2.0, for_s=SLOW_AFTER_VIOLATION_S)
        elif isinstance(event, Connected) and event.is_reconnect and slot is not None:
            slot.on_connected()
            self.pump()
        elif isinstance(event, Closed) and not self._closing:
            self._stop_timers()
            self.failure = str(event.error or ConnectorError("the session ended"))
            if slot is not None:
                slot.on_lost()
        if isinstance(event, FeedProblem):
            self._owner.on_frame_problem(self, event.error)
        else:
            self._owner.on_session_event(self, event)

    def __repr__(self) -> str:
        return f"<Connection {self.name} {self.session.state.value}>"
