"""What a session tells its owner, in the order it happens.

================  ==========================================  ===================
event             happens when                                state afterwards
================  ==========================================  ===================
Connecting        the first attempt starts                    CONNECTING
Connected         a connection is up (again)                  LIVE
WentStale         data has been silent for too long           STALE
Recovered         data flows again on the same connection     LIVE
Lost              the connection ended and will be replaced   RECONNECTING
AttemptFailed     one attempt failed, another follows         unchanged
RotationDue       the connection nears its greatest age       unchanged
FeedProblem       a message or frame could not be handled     unchanged
Closing           the owner asked for the end                 CLOSING
Closed            nothing follows                             CLOSED
================  ==========================================  ===================

`epoch` numbers the attempts of a session; a connection has the epoch of the attempt
that made it, so epochs grow and are never used twice.
"""

from __future__ import annotations

import enum
import logging
from dataclasses import dataclass

from ..errors import ConnectorError

__all__ = [
    "AttemptFailed",
    "Closed",
    "Closing",
    "Connected",
    "Connecting",
    "FeedProblem",
    "Lost",
    "Recovered",
    "RotationDue",
    "SessionEvent",
    "SessionState",
    "WentStale",
    "log_event",
]

_log = logging.getLogger("connectors.net.session")


class SessionState(enum.Enum):
    """Where a session stands; before `open` it is CLOSED."""

    CONNECTING = "connecting"
    LIVE = "live"
    STALE = "stale"
    RECONNECTING = "reconnecting"
    CLOSING = "closing"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class SessionEvent:
    """Base of all events of a session."""

    epoch: int


@dataclass(frozen=True, slots=True)
class Connecting(SessionEvent):
    """The first attempt starts."""


@dataclass(frozen=True, slots=True)
class Connected(SessionEvent):
    """A connection is up; nothing is subscribed on it yet.

    `is_reconnect` is True if an earlier connection of this session was lost.
    """

    is_reconnect: bool
    attempt: int


@dataclass(frozen=True, slots=True)
class WentStale(SessionEvent):
    """No data message for `silent_s`; frames of other kinds may still arrive."""

    silent_s: float


@dataclass(frozen=True, slots=True)
class Recovered(SessionEvent):
    """Data flows again on a connection that was stale."""


@dataclass(frozen=True, slots=True)
class Lost(SessionEvent):
    """The connection ended; the next attempt starts after `retry_in_s`.

    `code` is the close code, 1006 when the peer sent none; `error` says why.
    """

    error: ConnectorError
    code: int
    reason: str
    clean: bool
    retry_in_s: float


@dataclass(frozen=True, slots=True)
class AttemptFailed(SessionEvent):
    """Attempt number `attempt` of this series failed; the next follows after `retry_in_s`."""

    error: ConnectorError
    attempt: int
    retry_in_s: float


@dataclass(frozen=True, slots=True)
class RotationDue(SessionEvent):
    """The connection will be replaced in `left_s`, unless the owner replaces the session."""

    age_s: float
    left_s: float


@dataclass(frozen=True, slots=True)
class FeedProblem(SessionEvent):
    """A message that the decoder refused (`data`), or a violation of the protocol (None)."""

    error: Exception
    data: bytes | None

    def __repr__(self) -> str:
        size = "None" if self.data is None else f"<{len(self.data)} bytes>"
        return f"FeedProblem(epoch={self.epoch}, error={type(self.error).__name__}, data={size})"


@dataclass(frozen=True, slots=True)
class Closing(SessionEvent):
    """The owner asked for the end."""


@dataclass(frozen=True, slots=True)
class Closed(SessionEvent):
    """The session has ended for good; `error` is None if its owner asked for it."""

    error: ConnectorError | None


def log_event(name: str, event: SessionEvent) -> None:
    """Write one line about an event of the session of that name."""
    if isinstance(event, Lost):
        _log.warning(
            "session=%s epoch=%d lost: %s; next attempt in %.3f s",
            name,
            event.epoch,
            event.error,
            event.retry_in_s,
        )
    elif isinstance(event, AttemptFailed):
        _log.warning(
            "session=%s epoch=%d attempt %d failed: %s; next in %.3f s",
            name,
            event.epoch,
            event.attempt,
            event.error,
            event.retry_in_s,
        )
    elif isinstance(event, Connected):
        _log.info("session=%s epoch=%d connected", name, event.epoch)
    elif _log.isEnabledFor(logging.DEBUG):
        _log.debug("session=%s epoch=%d %s", name, event.epoch, type(event).__name__)
