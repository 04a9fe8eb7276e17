"""What the session machine wants done, and what happened to the session."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from ..errors import ConnectorError
from .config import VENUE
from .wire import Message

__all__ = [
    "Ask",
    "Call",
    "CloseSocket",
    "Command",
    "Competed",
    "Failed",
    "Gap",
    "GreetedLate",
    "KeeperEvent",
    "KeeperState",
    "KeeperStream",
    "LoginNeeded",
    "OpenSocket",
    "PenaltyBegan",
    "Ready",
    "Send",
    "SessionReplaced",
    "StateChanged",
    "Tell",
    "TickleOverdue",
    "VenueNotice",
    "log_keeper_event",
    "notice_of",
    "words_of",
]

log = logging.getLogger("connectors.ibkr")


class KeeperState(StrEnum):
    """Where a session stands (3.3)."""

    DOWN = "down"  # not started, ended, or failed for good
    AUTHENTICATING = "authenticating"
    NEEDS_LOGIN = "needs_login"  # somebody has to log in at the gateway
    CONNECTING = "connecting"
    READY = "ready"
    COMPETING = "competing"  # the user name is used elsewhere
    UNAUTHENTICATED = "unauthenticated"  # the brokerage session is gone, and being renewed
    STALE = "stale"  # the socket is gone or silent


# -- commands ------------------------------------------------------------------------------------


class Call(StrEnum):
    """A request; the keeper knows how to make it."""

    TICKLE = "tickle"
    STATUS = "status"
    INIT = "init"
    TAKE_OVER = "take_over"
    ACCOUNTS = "accounts"
    SWITCH = "switch"
    SUPPRESS = "suppress"
    LOGOUT = "logout"


@dataclass(frozen=True, slots=True)
class Ask:
    """Make a request; answer with `answered` or `failed` of this number."""

    number: int
    call: Call


@dataclass(frozen=True, slots=True)
class OpenSocket:
    """Connect with this session; answer with `socket_open` or `socket_over` of this epoch."""

    epoch: int
    session: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CloseSocket:
    """Close with code 1000; nothing of this epoch matters any more."""

    epoch: int


@dataclass(frozen=True, slots=True)
class Send:
    """Send a text frame on the socket of this epoch."""

    epoch: int
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Tell:
    """Hand the event to all who listen."""

    event: KeeperEvent


Command = Ask | OpenSocket | CloseSocket | Send | Tell


# -- events --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class KeeperEvent:
    """Base of all events; `ts_init` is ns since the epoch."""

    ts_init: int


@dataclass(frozen=True, slots=True)
class StateChanged(KeeperEvent):
    """The session went from one state to another."""

    old: KeeperState
    new: KeeperState
    reason: str


@dataclass(frozen=True, slots=True)
class Gap(KeeperEvent):
    """Readiness is lost: quotes, books and the state of orders are unknown from here."""

    reason: str
    error: ConnectorError | None = None


@dataclass(frozen=True, slots=True)
class Ready(KeeperEvent):
    """Everything can be asked for, and has to be: nothing is subscribed.

    `gap_ns` is how long the gap before lasted, 0 at the first time; `epoch` counts.
    """

    epoch: int
    gap_ns: int


@dataclass(frozen=True, slots=True)
class GreetedLate(KeeperEvent):
    """The venue's greeting came after we stopped waiting: what was asked before is lost (F-02)."""


@dataclass(frozen=True, slots=True)
class LoginNeeded(KeeperEvent):
    """Nobody is logged in at the gateway: open `url` in a browser (F-15)."""

    url: str
    reason: str


@dataclass(frozen=True, slots=True)
class Competed(KeeperEvent):
    """The user name is used elsewhere; `takes_over`: we take the session back (N-02)."""

    takes_over: bool
    reason: str


@dataclass(frozen=True, slots=True)
class SessionReplaced(KeeperEvent):
    """The session has another id: the socket is opened anew with it (N-08)."""


@dataclass(frozen=True, slots=True)
class TickleOverdue(KeeperEvent):
    """No tickle has been answered for `late_s`: the session may time out (F-11)."""

    late_s: float


@dataclass(frozen=True, slots=True)
class PenaltyBegan(KeeperEvent):
    """The venue sends us away: but for orders and tickles nothing leaves for `for_s` (P-10)."""

    for_s: float


@dataclass(frozen=True, slots=True)
class VenueNotice(KeeperEvent):
    """An error frame of the venue (W-08)."""

    text: str
    code: int | str | None = None


@dataclass(frozen=True, slots=True)
class Failed(KeeperEvent):
    """The session ended for good: something only the user can change is wrong."""

    error: ConnectorError


class KeeperStream(Protocol):
    """Who takes part in a session: its topics are on the keeper's socket."""

    def on_keeper_event(self, event: KeeperEvent) -> None:
        """Something happened to the session."""

    def on_message(self, message: Message, ts_init: int) -> None:
        """A frame arrived."""

    def wants(self, topic: str) -> bool:
        """Whether a topic must go on for it, also if another stream is done with it."""

    def on_problem(self, error: Exception, data: bytes) -> None:
        """A frame could not be used, or broke the protocol; then there is no `data`."""


def notice_of(message: Message, ts_init: int) -> VenueNotice | None:
    """Return what an error frame says, None for any other; the socket stays (W-08)."""
    body = message.payload
    if not isinstance(body, dict):
        return None
    error = body.get("error")
    if error is None and message.topic == "error":
        error = body.get("message") or body.get("args")
    if error in (None, ""):
        return None
    code = body.get("code")
    text = error if isinstance(error, str) else str(error)
    return VenueNotice(ts_init, text, code if isinstance(code, int | str) else None)


def words_of(event: KeeperEvent) -> tuple[int | None, str] | None:
    """Return code and text of what clients have to be told, None for what streams show anyway."""
    match event:
        case LoginNeeded(_, url, reason):
            return None, f"log in at {url}: {reason}"
        case Competed(_, takes_over, reason):
            what_next = "is taken back" if takes_over else "waits until they leave"
            return None, f"{reason}: the session {what_next}"
        case TickleOverdue(_, late_s):
            return None, f"no tickle was answered for {late_s:.0f} s: the session may time out"
        case PenaltyBegan(_, for_s):
            return None, f"the venue's penalty: no reading for {for_s:.0f} s"
        case VenueNotice(_, text, code):
            return (None, f"{code}: {text}") if isinstance(code, str) else (code, text)
        case _:
            return None


def log_keeper_event(event: KeeperEvent) -> None:
    """Write one line about an event."""
    match event:
        case StateChanged(_, old, new, reason):
            log.info("venue=%s session %s -> %s %s", VENUE, old.value, new.value, reason)
        case Gap(_, reason):
            log.warning("venue=%s gap: %s", VENUE, reason)
        case LoginNeeded(_, url, reason):
            log.warning("venue=%s log in at %s: %s", VENUE, url, reason)
        case Competed(_, takes_over, reason):
            log.warning("venue=%s %s; take over: %s", VENUE, reason, takes_over)
        case TickleOverdue(_, late_s):
            log.error("venue=%s no tickle was answered for %.0f s", VENUE, late_s)
        case VenueNotice(_, text):
            log.warning("venue=%s error frame: %s", VENUE, text[:200])
        case Failed(_, error):
            log.error("venue=%s session failed: %s", VENUE, error)
        case _:
            pass
