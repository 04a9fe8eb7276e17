"""Auth tokens of private streams and reads: made, kept, and renewed in time; sans-I/O.

The venue lets a token live for 8 hours at most and forgets it by itself, whatever the socket does
(section 10.3 of the rules). The streams get a new one every six hours; a failure is tried again
after 30 s, doubling to 5 min, for an hour.
"""

from __future__ import annotations

from collections.abc import Callable

from ..net.clock import NS_PER_S, SYSTEM_CLOCK, Clock, to_ns

__all__ = ["Rotation", "Tokens"]

LEAST_LEFT_S = 60
CLOCK_STEP_NS = 60 * NS_PER_S
FIRST_RETRY_S = 30.0
LAST_RETRY_S = 300.0
RETRY_FOR_S = 3_600.0


class Tokens:
    """Make tokens, and use one again while it is good.

    Parameters
    ----------
    sign : callable
        Makes a token from its deadline in Unix seconds.
    lifetime_s : float
        Of a new token.
    given : str, optional
        A token of the venue that is used in place of our own.
    """

    __slots__ = (
        "_clock",
        "_deadline_s",
        "_given",
        "_lifetime_s",
        "_offset_ns",
        "_sign",
        "_token",
        "minted",
    )

    def __init__(
        self,
        sign: Callable[[int], str],
        *,
        lifetime_s: float,
        given: str | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._sign = sign
        self._lifetime_s = lifetime_s
        self._given = given
        self._clock = clock
        self._token = ""
        self._deadline_s = 0
        self._offset_ns = 0  # of the two clocks when the token was made
        self.minted = 0

    def __repr__(self) -> str:
        return f"<Tokens minted={self.minted}>"

    def current(self) -> str:
        """Return a token with at least a minute left.

        After a step of the wall clock it is a new one: the deadline of the old one was reckoned
        by a clock that was wrong, and the venue takes none that is too far away.
        """
        if self._given is not None:
            return self._given
        if self._deadline_s - self._clock.wall_ns() // NS_PER_S < LEAST_LEFT_S:
            return self.fresh()
        if abs(self._offset() - self._offset_ns) > CLOCK_STEP_NS:
            return self.fresh()
        return self._token

    def _offset(self) -> int:
        return self._clock.wall_ns() - self._clock.monotonic_ns()

    def fresh(self) -> str:
        """Return a new token."""
        if self._given is not None:
            return self._given
        deadline_s = self._clock.wall_ns() // NS_PER_S + int(self._lifetime_s)
        self._token = self._sign(deadline_s)
        self._deadline_s = deadline_s
        self._offset_ns = self._offset()
        self.minted += 1
        return self._token


class Rotation:
    """When the streams need a new token.

    Attributes
    ----------
    due_ns : int or None
        Monotonic time of the next attempt; None when it was given up.
    """

    __slots__ = ("_every_ns", "_failing_since_ns", "_retry_s", "due_ns")

    def __init__(self, every_s: float, now_ns: int) -> None:
        self._every_ns = to_ns(every_s)
        self.done(now_ns)

    def done(self, now_ns: int) -> None:
        """The streams have a new token."""
        self.due_ns: int | None = now_ns + self._every_ns
        self._retry_s = FIRST_RETRY_S
        self._failing_since_ns: int | None = None

    def failed(self, now_ns: int) -> None:
        """No token could be made, or the streams did not take it."""
        if self._failing_since_ns is None:
            self._failing_since_ns = now_ns
        if now_ns - self._failing_since_ns >= to_ns(RETRY_FOR_S):
            self.due_ns = None
            return
        self.due_ns = now_ns + to_ns(self._retry_s)
        self._retry_s = min(self._retry_s * 2, LAST_RETRY_S)
