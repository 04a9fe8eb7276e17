"""How a session keeps its connection: times, limits and rules, all data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from ..errors import ConfigError
from .backoff import BackoffPolicy

__all__ = ["Heartbeat", "SessionPolicy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """Something sent at fixed times to keep the connection, and to prove that it lives.

    Parameters
    ----------
    interval_s : float
        Time between two heartbeats; the first is sent one interval after connecting.
    message : str, bytes or callable returning one of them, optional
        Text frame to send, such as `tic` or `{"method":"ping"}`; None sends a ping frame.
    reply_timeout_s : float, optional
        Reconnect when nothing answers within that time, at most `interval_s`. The answer
        to a ping frame is its pong; to a message, any frame. None expects no answer.
    key : str, optional
        Rate limit key that a heartbeat is charged to; it is sent even if that is exhausted,
        and other messages of the key then wait longer.
    """

    interval_s: float
    message: str | bytes | Callable[[], str | bytes] | None = None
    reply_timeout_s: float | None = None
    key: str | None = None

    def __post_init__(self) -> None:
        if self.interval_s <= 0:
            raise ConfigError("heartbeat interval_s must be positive")
        if self.reply_timeout_s is not None and not 0 < self.reply_timeout_s <= self.interval_s:
            raise ConfigError("heartbeat reply_timeout_s must be in (0, interval_s]")


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPolicy:
    """Every number a session decides by; the defaults suit Binance (BN-T-*).

    Parameters
    ----------
    attempt_timeout_s : float
        Bound of one attempt: address, token, TCP, TLS, proxy and upgrade together.
        Waiting for the shared attempt budget does not count.
    backoff : BackoffPolicy
        Delays between attempts.
    max_attempts : int, optional
        Consecutive failed attempts after which the session gives up; None: never.
    reconnect : bool
        False: the session ends with its first connection, for owners that must do more than
        dial before the next one. `Closed` then says why.
    stable_after_s : float
        Age a connection must reach before the next loss starts the delays over; with 0
        every successful connection does.
    stale_after_s : float, optional
        Silence of data messages after which the session reports itself stale.
    data_timeout_s : float, optional
        Silence of data messages after which it reconnects.
    silence_timeout_s : float, optional
        Silence of every kind of frame after which it reconnects (BN-T-11).
    heartbeat : Heartbeat, optional
        See there.
    close_delays_s : mapping of int to float
        Least delay before the next attempt, by close code (BN-T-13).
    refused_statuses : frozenset of int
        HTTP statuses at the handshake that forbid an immediate retry (BN-T-14).
    refused_delay_s : float
        Least delay after these when the peer gives no `Retry-After`.
    fatal_statuses : frozenset of int
        HTTP statuses at the handshake that end the session.
    max_age_s : float, optional
        Age at which the session replaces its connection by itself.
    rotation_notice_s : float
        Time before `max_age_s` at which `RotationDue` lets the owner do it better:
        open a second session, subscribe there, then close this one (BN-T-12).
    close_timeout_s : float
        Time for the close handshake before the socket is dropped (BN-S-36).
    send_timeout_s : float
        Default bound of a send that waits for connection and rate limit (BN-T-05).
    budget_timeout_s : float
        Longest wait for the shared attempt budget; longer counts as a failed attempt.
    ready_on_connect : bool
        False where a venue must be greeted or must greet first: waiting senders are
        held until the owner calls `Session.mark_ready()`.
    max_unsent_bytes : int
        Bytes the peer may leave unread before sends are refused.
    max_waiting_sends : int
        Senders that may wait at the same time.
    """

    attempt_timeout_s: float = 5.0
    backoff: BackoffPolicy = field(default_factory=BackoffPolicy)
    max_attempts: int | None = None
    reconnect: bool = True
    stable_after_s: float = 0.0
    stale_after_s: float | None = None
    data_timeout_s: float | None = None
    silence_timeout_s: float | None = 300.0
    heartbeat: Heartbeat | None = None
    close_delays_s: Mapping[int, float] = field(
        default_factory=lambda: MappingProxyType({1008: 5.0})
    )
    refused_statuses: frozenset[int] = frozenset({403, 418, 429})
    refused_delay_s: float = 5.0
    fatal_statuses: frozenset[int] = frozenset()
    max_age_s: float | None = None
    rotation_notice_s: float = 0.0
    close_timeout_s: float = 2.0
    send_timeout_s: float = 5.0
    budget_timeout_s: float = 120.0
    ready_on_connect: bool = True
    max_unsent_bytes: int = 1 << 20
    max_waiting_sends: int = 10_000

    def __post_init__(self) -> None:
        for name in (
            "attempt_timeout_s",
            "stale_after_s",
            "data_timeout_s",
            "silence_timeout_s",
            "max_age_s",
            "close_timeout_s",
            "send_timeout_s",
            "budget_timeout_s",
        ):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ConfigError(f"session policy: {name} must be positive")
        if self.max_attempts is not None and self.max_attempts < 1:
            raise ConfigError("session policy: max_attempts must be at least 1, or None")
        if self.rotation_notice_s and (
            self.max_age_s is None or self.rotation_notice_s >= self.max_age_s
        ):
            raise ConfigError("session policy: rotation_notice_s needs a larger max_age_s")
