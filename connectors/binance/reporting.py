"""What happens to a pool, as status events."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from ..errors import ConnectorError, VenueError
from ..model import (
    ConnectionState,
    ConnectionStatus,
    DataDropped,
    ErrorEvent,
    Reconnected,
    StatusEvent,
    StreamState,
    SubscriptionStatus,
    VenueEvent,
)
from ..net.reporting import connection_change
from ..net.session_events import SessionEvent
from .config import VENUE
from .slots import Outcome, StreamOutcome
from .wire import VenueProblem

__all__ = ["Reporter", "is_control"]

PROBLEM_EVERY_S = 1.0

log = logging.getLogger("connectors.binance")

_STATES = {
    Outcome.ACTIVE: StreamState.ACTIVE,
    Outcome.REFUSED: StreamState.REFUSED,
    Outcome.ENDED: StreamState.CANCELED,
    Outcome.UNANSWERED: StreamState.PENDING,
}


def is_control(event: StatusEvent) -> bool:
    """Whether a pool's output carries the event; confirmations would only fill it."""
    if isinstance(event, SubscriptionStatus):
        return event.state is StreamState.REFUSED
    return isinstance(event, (Reconnected, ErrorEvent))


def refusal(outcome: StreamOutcome) -> ConnectorError | None:
    """Return the error of a refused stream, None for any other outcome."""
    if outcome.outcome is not Outcome.REFUSED:
        return None
    return VenueError(outcome.code if outcome.code is not None else 0, outcome.message)


class Reporter:
    """Makes the status events of one pool and counts its problems.

    Attributes
    ----------
    frame_problems, venue_problems :
        Frames that did not decode, and errors nobody asked for; they only grow.
    """

    __slots__ = ("_emit", "_problem_told_s", "frame_problems", "venue_problems")

    def __init__(self, emit: Callable[[StatusEvent], None]) -> None:
        self._emit = emit
        self._problem_told_s = -PROBLEM_EVERY_S
        self.frame_problems = 0
        self.venue_problems = 0

    def outcome(self, where: str, outcome: StreamOutcome) -> None:
        """Tell what became of a stream."""
        error = refusal(outcome)
        if error is not None:
            log.warning("conn=%s stream=%s refused: %s", where, outcome.name, error)
        self._emit(
            SubscriptionStatus(
                venue=VENUE,
                ts_init=time.time_ns(),
                stream=outcome.name,
                state=_STATES[outcome.outcome],
                code=outcome.code,
                message=outcome.message,
            )
        )

    def session(self, where: str, event: SessionEvent) -> None:
        """Tell that a connection changed its state."""
        change = connection_change(event)
        if change is not None:
            self.connection(where, *change)

    def connection(self, where: str, state: ConnectionState, reason: str = "") -> None:
        """Tell the state of a connection."""
        self._emit(
            ConnectionStatus(
                venue=VENUE,
                ts_init=time.time_ns(),
                connection=where,
                state=state,
                reason=reason,
            )
        )

    def reconnected(self, where: str, streams: tuple[str, ...]) -> None:
        """Tell that a connection is back; its commands are queued already (BN-S-83)."""
        log.info("conn=%s is back, subscribing %d streams again", where, len(streams))
        self._emit(
            Reconnected(venue=VENUE, ts_init=time.time_ns(), connection=where, streams=streams)
        )

    def venue_problem(self, where: str, problem: VenueProblem) -> None:
        """Surface an error that answers no command (BN-H-10)."""
        self.venue_problems += 1
        self._error(problem.message, code=problem.code, where=where)

    def frame_problem(self, where: str, error: Exception) -> None:
        """Count a frame that does not decode, and surface one a second."""
        self.frame_problems += 1
        now = time.monotonic()
        if now - self._problem_told_s >= PROBLEM_EVERY_S:
            self._problem_told_s = now
            log.warning("conn=%s frame dropped (%d so far): %s", where, self.frame_problems, error)
            self._error(str(error), where=where, error=error)

    def _error(
        self,
        message: str,
        *,
        code: int | None = None,
        where: str = "",
        error: Exception | None = None,
    ) -> None:
        self._emit(
            ErrorEvent(
                venue=VENUE,
                ts_init=time.time_ns(),
                message=message,
                code=code,
                where=where,
                error=error,
            )
        )

    @staticmethod
    def venue_event(name: str, payload: bytes, stream: str | None) -> VenueEvent:
        """Return the event for a message without a type of its own."""
        return VenueEvent(
            venue=VENUE,
            ts_init=time.time_ns(),
            name=name or "unknown",
            payload=payload,
            stream=stream,
        )

    @staticmethod
    def dropped(what: str, count: int) -> DataDropped:
        """Return the event that stands where others are missing."""
        return DataDropped(venue=VENUE, ts_init=time.time_ns(), what=what, count=count)
