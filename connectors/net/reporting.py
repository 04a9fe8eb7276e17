"""What happens to a session, in the words of the status events."""

from __future__ import annotations

from ..model import ConnectionState
from .session_events import (
    AttemptFailed,
    Closed,
    Connected,
    Connecting,
    Lost,
    Recovered,
    SessionEvent,
    WentStale,
)

__all__ = ["connection_change"]


def connection_change(event: SessionEvent) -> tuple[ConnectionState, str] | None:
    """Return the state a connection is in after an event, and why; None if that did not change."""
    match event:
        case Connecting():
            return ConnectionState.CONNECTING, ""
        case Connected():
            return ConnectionState.LIVE, ""
        case WentStale():
            return ConnectionState.STALE, ""
        case Recovered():
            return ConnectionState.LIVE, "data flows again"
        case Lost() | AttemptFailed():
            return ConnectionState.RECONNECTING, str(event.error)
        case Closed():
            return ConnectionState.CLOSED, str(event.error or "")
        case _:
            return None
