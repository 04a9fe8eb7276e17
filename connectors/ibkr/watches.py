"""What the session machine knows about its socket and its tickle; no I/O, no decisions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..net.clock import NS_PER_S, to_ns
from .config import Timers

__all__ = ["SocketWatch", "TickleWatch"]

# A look this late means that we were not running: answers may wait in the socket.
STALL_NS = NS_PER_S // 4
QUICK_CLOSE_S = 10.0


class SocketWatch:
    """The socket in use: what the venue said on it, and whether it still answers `tic`.

    Attributes
    ----------
    epoch :
        Of the socket that is wanted, 0 without one.
    is_open, greeted, told_session, doubted :
        Whether it is connected; whether the venue has greeted on it; whether we named the session;
        whether what it says against us was looked into.
    quick_closes :
        How many sockets in a row ended right after they opened.
    tics :
        Answers to `tic`, copies not counted.
    """

    def __init__(self, timers: Timers) -> None:
        self._timers = timers
        self._made = 0
        self._opened_at = 0
        self._status: dict[str, Any] = {}
        self._last_tic: object = None
        self.tic_at: int | None = None
        self.tic_by: int | None = None
        self.epoch = 0
        self.is_open = False
        self.greeted = False
        self.told_session = False
        self.doubted = False
        self.quick_closes = 0
        self.tics = 0

    def want(self) -> int:
        """Return the epoch of a new socket."""
        self._made += 1
        self.epoch = self._made
        return self.epoch

    def opened(self, now: int) -> None:
        """It is connected; nothing was said on it yet."""
        self.is_open = True
        self.greeted = self.told_session = self.doubted = False
        self._status = {}
        self._opened_at = now

    def over(self, now: int) -> None:
        """It ended by itself."""
        if self.is_open:
            quick = now - self._opened_at < to_ns(QUICK_CLOSE_S)
            self.quick_closes = self.quick_closes + 1 if quick else 0
        self.give_up()

    def give_up(self) -> int:
        """Want it no more; return its epoch, 0 without one."""
        epoch, self.epoch, self.is_open = self.epoch, 0, False
        self.stop_tic()
        return epoch

    # -- what the venue says -----------------------------------------------------------------

    def merge(self, status: Mapping[str, Any]) -> None:
        """Take a partial status: what is absent is unchanged (W-03)."""
        self._status.update(status)

    @property
    def is_fine(self) -> bool:
        """Whether the venue has greeted, and said that we are authenticated and alone."""
        return self.greeted and self._status.get("authenticated") is True and not self.is_refused

    @property
    def is_refused(self) -> bool:
        """Whether the venue has said that we are not."""
        status = self._status
        return status.get("authenticated") is False or status.get("competing") is True

    # -- tic ---------------------------------------------------------------------------------

    def start_tic(self, now: int) -> None:
        """It is used from now on: send the first one after a while."""
        self.doubted = False
        self.tic_at = now + to_ns(self._timers.tic_s)
        self.tic_by = None

    def stop_tic(self) -> None:
        """Send no more, and expect no answer."""
        self.tic_at = self.tic_by = None

    def tic_due(self, now: int) -> bool:
        """Tell whether one is to be sent now, and expect its answer."""
        if self.tic_at is None or now < self.tic_at:
            return False
        self.tic_at = now + to_ns(self._timers.tic_s)
        self.tic_by = now + to_ns(self._timers.tic_timeout_s)
        return True

    def tic_missed(self, now: int, planned: int | None) -> bool:
        """Tell whether an answer is overdue; `planned` is when we meant to look."""
        if self.tic_by is None:
            return False
        if planned is not None and now - planned >= STALL_NS:
            self.tic_by += now - planned
        return now >= self.tic_by

    def tic_answered(self, accessed: object) -> bool:
        """Take an answer; False for a copy of the last one (W-05)."""
        self.tic_by = None
        if accessed is not None and accessed == self._last_tic:
            return False
        self._last_tic = accessed
        self.tics += 1
        return True


class TickleWatch:
    """When to tickle, and whether it is answered.

    Attributes
    ----------
    asked :
        Number of the tickle under way, None without one.
    at :
        When the next one is due, None for never.
    answers :
        How many were answered.
    """

    def __init__(self, timers: Timers) -> None:
        self._timers = timers
        self._answered_at = 0
        self._alarmed = False
        self.asked: int | None = None
        self.at: int | None = None
        self.answers = 0

    def start(self, now: int) -> None:
        """Begin; the first one is for the machine to send."""
        self._answered_at = now
        self._alarmed = False
        self.asked = None

    def stop(self) -> None:
        """Tickle no more."""
        self.asked = self.at = None

    def sent(self, now: int, number: int) -> None:
        """One left."""
        self.asked = number
        self.at = now + to_ns(self._timers.tickle_s)

    def answered(self, now: int) -> None:
        """It was answered."""
        self.asked = None
        self._answered_at = now
        self._alarmed = False
        self.answers += 1

    def failed(self, now: int) -> None:
        """It was not: try again soon."""
        self.asked = None
        self.at = now + to_ns(self._timers.tickle_s / 6)

    @property
    def alarm_at(self) -> int | None:
        """When the lack of answers is worth an alarm; None if there was one."""
        if self._alarmed or self.at is None:
            return None
        return self._answered_at + to_ns(self._timers.tickle_alarm_s)

    def alarm(self, now: int) -> float | None:
        """Return for how many seconds none was answered if that is news, else None."""
        alarm_at = self.alarm_at
        if alarm_at is None or now < alarm_at:
            return None
        self._alarmed = True
        return (now - self._answered_at) / NS_PER_S
