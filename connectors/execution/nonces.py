"""Transaction numbers: given out in bursts, taken back when refused, resynced when in doubt.

Two venues' ways behind one face (`NonceSource`). A *counting* venue wants exactly the last
number plus one and consumes it only when it accepts the transaction (Lighter, spec 11); a
*clock* venue wants unique milliseconds (Hyperliquid, spec 10.2).

Allocate at the moment of signing, when the transaction has its turn to go out (see
`sequence`): then a transaction that is dropped before its turn leaves no hole, and nothing
unsent stands in the way of a resync.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ..errors import ClientError
from ..net.clock import NS_PER_MS

__all__ = [
    "ClockNonces",
    "CountingNonces",
    "Nonce",
    "NonceRefresh",
    "NonceRefreshNeeded",
    "NonceSource",
    "NonceUnavailable",
    "NonceWindowFull",
]

_log = logging.getLogger("connectors.execution.nonces")


class NonceUnavailable(ClientError):
    """No nonce can be given out now; nothing was sent."""


class NonceWindowFull(NonceUnavailable):
    """Too many nonces are out without an answer; ask the venue where it stands."""


class NonceRefreshNeeded(NonceUnavailable):
    """The venue's next nonce is not known for sure; a refresh has to come first."""


class Nonce:
    """One nonce that was given out; hand it back with what became of it.

    It is its own identity: after a resync the same number may be out a second time, and the
    answer to the first must not settle the second.
    """

    __slots__ = ("epoch", "value")

    def __init__(self, value: int, epoch: int = 0) -> None:
        self.value = value
        self.epoch = epoch

    def __repr__(self) -> str:
        return f"Nonce({self.value})"


class NonceSource(Protocol):
    """What a sender needs of nonces, however the venue counts them."""

    @property
    def is_ready(self) -> bool:
        """Whether `allocate` would give one now."""

    def allocate(self) -> Nonce:
        """Give out the next nonce; NonceUnavailable if there is none."""

    def accepted(self, nonce: Nonce) -> None:
        """The venue took the transaction."""

    def refused(self, nonce: Nonce, *, resync: bool = False) -> None:
        """The venue refused the transaction; `resync` if because of its nonce."""

    def not_sent(self, nonce: Nonce) -> None:
        """The transaction never left."""

    def unknown(self, nonce: Nonce) -> None:
        """Nobody knows whether the venue has the transaction."""


@dataclass(frozen=True, slots=True)
class NonceRefresh:
    """What a refresh found.

    Attributes
    ----------
    next : int
        What goes out next.
    expected : int or None
        What would have gone out next without the refresh; None the first time.
    foreign : int
        How many numbers were used that this object never gave out: somebody else signs
        with the same key.
    """

    next: int
    expected: int | None
    foreign: int


class CountingNonces:
    """Nonces of one key on a venue that counts.

    ======================  ================================================================
    accepted                the baseline rises to it
    refused, not sent       the newest is given back; any other leaves a hole, and a hard
                            refresh is due once nothing is out
    refused for its nonce   given back, and a hard refresh is due
    unknown                 never given back; a hard refresh is due
    ======================  ================================================================

    A *hard* refresh sets the count to what the venue says. It is *due* (`refresh_due`) only
    when nothing is out any more, because it may give the same numbers out again; until it
    has come nothing is given out. Of a cascade (one refused, all behind it refused for their
    nonce) that makes one refresh. A *soft* refresh only ever raises the count.

    Parameters
    ----------
    window : int
        How far the next nonce may be ahead of the last one known to be accepted.

    Attributes
    ----------
    next, baseline : int
        What goes out next; the last one known to be accepted. -1 before the first refresh.
    refreshes, rollbacks, foreign : int
        Counters that only grow.
    """

    __slots__ = (
        "_epoch",
        "_hard_wanted",
        "_highest",
        "_out",
        "_refreshing",
        "_void",
        "baseline",
        "foreign",
        "next",
        "refreshes",
        "rollbacks",
        "window",
    )

    def __init__(self, *, window: int = 64) -> None:
        if window < 1:
            raise ValueError("a nonce window holds at least one")
        self.window = window
        self.next = -1
        self.baseline = -1
        self._out: dict[int, Nonce] = {}  # ascending: numbers are given out upwards
        self._hard_wanted = True
        self._refreshing: int | None = None
        self._void = False  # the refresh under way may be older than what happened since
        self._epoch = 0
        self._highest = -1  # highest number ever given out or seen
        self.refreshes = 0
        self.rollbacks = 0
        self.foreign = 0

    # -- giving out ---------------------------------------------------------------------

    @property
    def is_ready(self) -> bool:
        """Whether `allocate` would give one now."""
        return not self._hard_wanted and self.next - self.baseline <= self.window

    @property
    def outstanding(self) -> int:
        """How many are out without an answer."""
        return len(self._out)

    def allocate(self, *, beyond_window: bool = False) -> Nonce:
        """Give out the next nonce; `beyond_window` for what must not be held up (a cancel).

        Raises
        ------
        NonceRefreshNeeded
            Until the hard refresh that is wanted has come.
        NonceWindowFull
            When the window is used up; a soft refresh or answers make room.
        """
        if self._hard_wanted:
            raise NonceRefreshNeeded("nonce: the venue's next nonce has to be asked for first")
        if self.next - self.baseline > self.window and not beyond_window:
            raise NonceWindowFull(
                f"nonce window exhausted: {self.next - self.baseline - 1} of {self.window} "
                "transactions without an answer"
            )
        nonce = Nonce(self.next, self._epoch)
        self._out[nonce.value] = nonce
        self.next += 1
        if nonce.value > self._highest:
            self._highest = nonce.value
        return nonce

    def allocate_many(self, count: int, *, beyond_window: bool = False) -> list[Nonce]:
        """Give out `count` consecutive nonces, or none and the reason as an error."""
        given: list[Nonce] = []
        try:
            for _ in range(count):
                given.append(self.allocate(beyond_window=beyond_window))
        except NonceUnavailable:
            for nonce in reversed(given):
                self.not_sent(nonce)
            raise
        return given

    # -- what became of them ------------------------------------------------------------

    def accepted(self, nonce: Nonce) -> None:
        """The venue took it. Also right for a late answer, after `unknown`."""
        self._forget(nonce)
        self.observed(nonce.value)

    def refused(self, nonce: Nonce, *, resync: bool = False) -> None:
        """The venue refused it without consuming the number.

        `resync` says it was refused for its nonce: the count is wrong, so a hard refresh is
        wanted whatever else.
        """
        current = self._forget(nonce)
        if resync:
            self._want_hard()
        if current:
            self._give_back(nonce.value)

    def not_sent(self, nonce: Nonce) -> None:
        """It never left."""
        if self._forget(nonce):
            self._give_back(nonce.value)

    def unknown(self, nonce: Nonce) -> None:
        """Nobody knows whether the venue has it: a hard refresh decides.

        Also after a refresh that came while it was out: that may have been too early for it.
        """
        if self._forget(nonce) or nonce.value > self.baseline:
            self._want_hard()

    def suspect(self) -> None:
        """Want a hard refresh at once, whatever is out (an error nobody can attribute).

        What is out becomes doubtful: a late acceptance of it still counts, a late refusal
        gives nothing back.
        """
        self._out.clear()
        self._epoch += 1
        self._want_hard()

    def observed(self, value: int) -> None:
        """The venue consumed this number (an acknowledgement, a row of the account's log)."""
        if value > self._highest:
            if self._highest >= 0 and self.next >= 0:
                self._note_foreign(value - self._highest)
            self._highest = value
        if value > self.baseline:
            self.baseline = value
        if value >= self.next and self.next >= 0:
            self.next = value + 1

    # -- resync -------------------------------------------------------------------------

    @property
    def wants_refresh(self) -> bool:
        """Whether a hard refresh has to come before the next nonce."""
        return self._hard_wanted

    @property
    def refresh_due(self) -> bool:
        """Whether that refresh should be started now: nothing is out and none is under way."""
        return self._hard_wanted and not self._out and self._refreshing is None

    def reset(self) -> None:
        """Forget what is out and want a hard refresh (connect, reconnect)."""
        self.suspect()

    def begin_refresh(self) -> int | None:
        """Start asking the venue; None if that is already under way (single flight).

        Returns
        -------
        int or None
            Hand it back with the answer.
        """
        if self._refreshing is not None:
            return None
        self.refreshes += 1
        self._refreshing = self.refreshes
        self._void = False
        return self._refreshing

    def finish_refresh(self, token: int, venue_next: int) -> NonceRefresh | None:
        """Take the venue's answer.

        Hard if one is wanted and nothing is out, else soft. Returns None, and changes
        nothing, if the answer may be older than a doubt that came up while it was under
        way: `refresh_due` is true again then.
        """
        if token != self._refreshing:
            return None
        self._refreshing = None
        if self._hard_wanted and (self._void or self._out):
            return None
        expected = self.next if self.next >= 0 else None
        foreign = 0
        if self._highest >= 0 and venue_next - 1 > self._highest:
            foreign = venue_next - 1 - self._highest
            self._note_foreign(foreign)
        self._highest = max(self._highest, venue_next - 1)
        if self._hard_wanted:
            self.next = venue_next
            self.baseline = venue_next - 1
            self._epoch += 1
            self._hard_wanted = False
        else:
            self.baseline = max(self.baseline, venue_next - 1)
            self.next = max(self.next, venue_next)
        return NonceRefresh(self.next, expected, foreign)

    def fail_refresh(self, token: int) -> None:
        """The question was not answered; it may be asked again."""
        if token == self._refreshing:
            self._refreshing = None

    def abandon_refresh(self) -> None:
        """Wait for the answer no more, and take it for nothing when it comes."""
        self._refreshing = None

    # -- inside -------------------------------------------------------------------------

    def _forget(self, nonce: Nonce) -> bool:
        """Take it off the list; False if it was not (any more) on it."""
        if self._out.get(nonce.value) is not nonce:
            return False
        del self._out[nonce.value]
        return True

    def _give_back(self, value: int) -> None:
        if value == self.next - 1:
            self.next = value
            self.rollbacks += 1
        elif value > self.baseline:
            self._want_hard()  # a hole: what is behind it will be refused

    def _want_hard(self) -> None:
        self._hard_wanted = True
        self._void = True

    def _note_foreign(self, count: int) -> None:
        self.foreign += count
        _log.warning(
            "%d nonce(s) of this key were used by somebody else: one key per process", count
        )


class ClockNonces:
    """Nonces of one key on a venue that wants unique, recent milliseconds.

    ``max(now, last + 1)``: unique and increasing in bursts and across steps of the clock,
    which a burst may run ahead of. Refusals and unknown outcomes change nothing.

    Parameters
    ----------
    wall_ns : callable
        Unix time in ns.
    """

    __slots__ = ("_last", "_wall_ns")

    def __init__(self, wall_ns: Callable[[], int]) -> None:
        self._wall_ns = wall_ns
        self._last = 0

    @property
    def is_ready(self) -> bool:
        """Always."""
        return True

    @property
    def ahead_ms(self) -> int:
        """How far the last nonce is ahead of the clock, 0 if it is not."""
        return max(0, self._last - self._wall_ns() // NS_PER_MS)

    def allocate(self) -> Nonce:
        """Give out the next nonce."""
        self._last = max(self._wall_ns() // NS_PER_MS, self._last + 1)
        return Nonce(self._last)

    def accepted(self, nonce: Nonce) -> None:
        """Nothing to do."""

    def refused(self, nonce: Nonce, *, resync: bool = False) -> None:
        """Nothing to do: the number is used up."""

    def not_sent(self, nonce: Nonce) -> None:
        """Nothing to do: milliseconds need not be consecutive."""

    def unknown(self, nonce: Nonce) -> None:
        """Nothing to do; keep the number to ask whether it was used."""
