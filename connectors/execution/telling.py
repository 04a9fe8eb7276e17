"""What a trading client tells its caller: events, reports, and how things stand.

One place for the rule that a callback's error is the callback's: it is logged, counted and told as
an `ErrorEvent`, and nothing else is affected.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from ..model.accounts import AccountPnl, AccountState, Transfer
from ..model.order_events import OrderEvent
from ..model.reports import FillCorrection, FillReport, OrderStatusReport, PositionStatusReport
from ..model.status_events import (
    ConnectionStatus,
    ErrorEvent,
    Reconnected,
    StatusEvent,
    StreamState,
    SubscriptionStatus,
    VenueEvent,
)
from ..net.clock import Clock
from ..net.reporting import connection_change
from ..net.session_events import Connected, SessionEvent

__all__ = ["Event", "OnEvent", "OnStatus", "Teller"]

Event = (
    OrderEvent
    | OrderStatusReport
    | FillReport
    | FillCorrection
    | PositionStatusReport
    | AccountState
    | AccountPnl
    | Transfer
)
OnEvent = Callable[[Any], object]
OnStatus = Callable[[StatusEvent], object]


class Teller:
    """The two callbacks of a client.

    Parameters
    ----------
    venue : str
        For the events; also names the logger.
    on_event :
        Receives order events and reports.
    on_status :
        Receives status events.

    Attributes
    ----------
    callback_errors : int
        How often one of the two raised.
    """

    __slots__ = ("_clock", "_log", "_venue", "callback_errors", "on_event", "on_status")

    def __init__(
        self,
        venue: str,
        *,
        on_event: OnEvent | None,
        on_status: OnStatus | None,
        clock: Clock,
    ) -> None:
        self._venue = venue
        self._clock = clock
        self._log = logging.getLogger(f"connectors.{venue.lower()}")
        self.on_event: OnEvent = on_event if on_event is not None else _nobody
        self.on_status = on_status
        self.callback_errors = 0

    # -- events ------------------------------------------------------------------------

    def event(self, event: Event) -> None:
        """Hand an event over; what the callback raises is raised, for the dispatch to catch."""
        self.on_event(event)

    def report(self, report: Event) -> None:
        """Hand something over that is not the dispatch's; nothing is raised."""
        try:
            self.event(report)
        except Exception as error:  # noqa: BLE001 - a caller's callback
            self.callback_failed(report, error)

    def callback_failed(self, what: object, error: Exception) -> None:
        """Note that `on_event` raised."""
        self.callback_errors += 1
        name = type(what).__name__
        self._log.error("venue=%s on_event raised for %s", self._venue, name, exc_info=error)
        self.problem(f"on_event raised {type(error).__name__} for {name}")

    # -- how things stand --------------------------------------------------------------

    def status(self, event: StatusEvent) -> None:
        """Hand a status event over; nothing is raised."""
        if self.on_status is None:
            return
        try:
            self.on_status(event)
        except Exception:  # noqa: BLE001 - a caller's callback
            self.callback_errors += 1
            name = type(event).__name__
            self._log.exception("venue=%s on_status raised for %s", self._venue, name)

    def problem(
        self,
        message: str,
        code: int | str | None = None,
        error: BaseException | None = None,
        *,
        where: str = "orders",
    ) -> None:
        """Tell of what no order or call stands for."""
        self.status(
            ErrorEvent(
                venue=self._venue,
                ts_init=self._clock.wall_ns(),
                message=message,
                code=code,
                where=where,
                error=error,
            )
        )

    def session(
        self, connection: str, event: SessionEvent, *, tell_reconnected: bool = True
    ) -> None:
        """Tell of a change of a connection, if it is one.

        `tell_reconnected` is False where that waits until the gap was read: see `reconnected`.
        """
        change = connection_change(event)
        if change is None:
            return
        state, reason = change
        now_ns = self._clock.wall_ns()
        self.status(
            ConnectionStatus(
                venue=self._venue,
                ts_init=now_ns,
                connection=connection,
                state=state,
                reason=reason,
            )
        )
        if tell_reconnected and isinstance(event, Connected) and event.is_reconnect:
            self.reconnected(connection)

    def reconnected(self, connection: str) -> None:
        """Tell that a lost connection was replaced."""
        self.status(
            Reconnected(venue=self._venue, ts_init=self._clock.wall_ns(), connection=connection)
        )

    def refused(self, stream: str, code: int | str | None, message: str) -> None:
        """Tell that a stream will not come."""
        self._log.error(
            "venue=%s stream=%s refused: %s (code=%s)", self._venue, stream, message, code
        )
        self.status(
            SubscriptionStatus(
                venue=self._venue,
                ts_init=self._clock.wall_ns(),
                stream=stream,
                state=StreamState.REFUSED,
                code=code,
                message=message,
            )
        )

    def venue_event(self, name: str, payload: bytes, *, stream: str) -> None:
        """Hand on what the venue said and the vocabulary has no place for."""
        self.status(
            VenueEvent(
                venue=self._venue,
                ts_init=self._clock.wall_ns(),
                name=name,
                payload=payload,
                stream=stream,
            )
        )

    def task_died(self, name: str, error: BaseException) -> None:
        """Tell that something in the background ended by an error."""
        self.problem(f"task {name} died: {type(error).__name__}")


def _nobody(event: Event) -> None:
    """Nobody wants events."""
