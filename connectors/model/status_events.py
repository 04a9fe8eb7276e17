"""What happens to connections, subscriptions, instruments and the flow of data itself.

These reach the client's status callback. Nothing is lost silently: a gap, a full
buffer, a frame that does not decode and an unknown message each make one of these.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from .enums import MarketStatus
from .ids import InstrumentId

__all__ = [
    "BookGap",
    "BookState",
    "BookStatus",
    "ConnectionState",
    "ConnectionStatus",
    "DataDropped",
    "ErrorEvent",
    "InstrumentStatus",
    "InstrumentUpdated",
    "Reconnected",
    "StatusEvent",
    "StreamSilent",
    "StreamState",
    "SubscriptionStatus",
    "VenueEvent",
]


class ConnectionState(StrEnum):
    """State of one connection."""

    CONNECTING = "CONNECTING"
    LIVE = "LIVE"
    STALE = "STALE"  # open, but nothing arrives
    RECONNECTING = "RECONNECTING"
    CLOSING = "CLOSING"
    CLOSED = "CLOSED"


class StreamState(StrEnum):
    """State of one subscription."""

    PENDING = "PENDING"  # asked for, not answered
    ACTIVE = "ACTIVE"
    REFUSED = "REFUSED"  # by the venue; may be asked for again
    CANCELING = "CANCELING"
    CANCELED = "CANCELED"


class BookState(StrEnum):
    """State of a local order book."""

    BUFFERING = "BUFFERING"  # collects updates, has no snapshot
    ANCHORING = "ANCHORING"  # has a snapshot, waits for the update that fits
    LIVE = "LIVE"
    FAILED = "FAILED"  # gave up for now; will try again


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusEvent:
    """Base of the events below; `ts_init` is ns since the epoch."""

    venue: str
    ts_init: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionStatus(StatusEvent):
    """A connection changed its state. `connection` names it: `usdm/public/0`."""

    connection: str
    state: ConnectionState
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconnected(StatusEvent):
    """A connection was replaced after a loss.

    Its subscriptions have been asked for again but are not confirmed yet; what was sent
    meanwhile is lost.
    """

    connection: str
    streams: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionStatus(StatusEvent):
    """A subscription was confirmed, refused or ended; `code` and `message` are the venue's."""

    stream: str
    state: StreamState
    code: int | str | None = None
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSilent(StatusEvent):
    """A confirmed stream that always talks has not sent anything for `silent_s` seconds."""

    stream: str
    silent_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BookGap(StatusEvent):
    """Updates of a book are missing: it is invalid from now until it is live again."""

    instrument_id: InstrumentId
    expected_seq: int
    got_seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BookStatus(StatusEvent):
    """A book changed its state; only a `LIVE` book may be trusted."""

    instrument_id: InstrumentId
    state: BookState
    last_seq: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataDropped(StatusEvent):
    """Events did not fit a bounded buffer and were dropped by its policy."""

    what: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentStatus(StatusEvent):
    """The trading status of an instrument changed; `venue_status` is the venue's word."""

    instrument_id: InstrumentId
    status: MarketStatus
    venue_status: str
    previous: MarketStatus | None = None
    ts_event: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentUpdated(StatusEvent):
    """The definition of an instrument changed, or it is new; look it up again."""

    instrument_id: InstrumentId
    is_new: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueEvent(StatusEvent):
    """A message without a place in the vocabulary, as the venue sent it.

    `name` is the venue's name for it, "unknown" when it has none we know.
    """

    name: str
    payload: bytes
    stream: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorEvent(StatusEvent):
    """Something failed that no call is waiting for. `code` is the venue's where it gave one."""

    message: str
    code: int | str | None = None
    where: str = ""
    error: BaseException | None = None
