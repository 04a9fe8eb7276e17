"""Which transaction an answer belongs to.

Answers on a socket may name their transaction by an id we gave, by its hash, by nothing but
their order, or not at all. Guessing wrong settles somebody else's order, so the rules are
strict (Lighter, spec 7.3), in this order:

1. an id decides alone: an id nobody waits for settles nothing;
2. a hash decides alone: no fall-back to the oldest on a miss, that one was settled before;
3. a true answer of a *lane* (one kind of request) without either settles the oldest of its lane;
4. a bare error settles the oldest on the socket, if that was sent a moment ago;
5. whatever else is no answer.

An entry belongs to the connection it was sent on: an answer from an older connection settles
nothing of a newer one. An entry nobody answers becomes *overdue*: its outcome is unknown then,
it leaves the queues of rules 3 and 4, and only its own id or hash still find it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Generic, TypeVar

from ..errors import ClientError

__all__ = ["Answer", "InFlight", "Match", "Matched", "Pending", "same_hash"]

T = TypeVar("T")


def same_hash(text: str) -> str:
    """Return a hash in the one form in which it is compared: lower case, without 0x."""
    text = text.lower()
    return text[2:] if text.startswith("0x") else text


@dataclass(slots=True, eq=False)
class Pending(Generic[T]):
    """One request on its way.

    Attributes
    ----------
    item : T
        The caller's own: what to do with the outcome.
    id : str or None
        The id it was sent with.
    hashes : tuple of str
        Its transaction hash, of a batch all of them; any form.
    lane : str or None
        The kind of answer it gets in order of sending; None where answers do not come in
        order on a socket (HTTP).
    epoch : int
        The connection it was sent on.
    sent_at_ns : int
        Monotonic time.
    timeout_ns : int or None
        After which it is overdue; None: never (its own reply decides).
    """

    item: T
    id: str | None = None
    hashes: tuple[str, ...] = ()
    lane: str | None = None
    epoch: int = 0
    sent_at_ns: int = 0
    timeout_ns: int | None = None
    is_overdue: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        if self.hashes:
            self.hashes = tuple(map(same_hash, self.hashes))


@dataclass(frozen=True, slots=True)
class Answer:
    """What an inbound frame says about itself.

    Attributes
    ----------
    epoch : int
        The connection it came on.
    id : str or None
    hashes : tuple of str
        One, or those of a batch.
    lane : str or None
        Set if the frame is a true answer of that kind; None for a bare error.
    code : int or None
        The venue's code; None if the frame has none.
    """

    epoch: int
    id: str | None = None
    hashes: tuple[str, ...] = ()
    lane: str | None = None
    code: int | None = None


class Matched(Enum):
    """How an answer found its request, or why it did not."""

    BY_ID = "by_id"
    BY_HASH = "by_hash"
    IN_ORDER = "in_order"
    IN_WINDOW = "in_window"  # a bare error right after the send
    UNKNOWN_ID = "unknown_id"
    UNKNOWN_HASH = "unknown_hash"
    OLD_CONNECTION = "old_connection"
    TOO_LATE = "too_late"  # a bare error, long after the send
    NOTHING_PENDING = "nothing_pending"
    NOT_AN_ANSWER = "not_an_answer"

    @property
    def is_hit(self) -> bool:
        """Whether a request was found."""
        return self in _HITS


_HITS = frozenset({Matched.BY_ID, Matched.BY_HASH, Matched.IN_ORDER, Matched.IN_WINDOW})


@dataclass(frozen=True, slots=True)
class Match(Generic[T]):
    """The request an answer belongs to (None: no request) and how it was found."""

    how: Matched
    pending: Pending[T] | None = None


def _any_code(code: int, named: bool) -> bool:
    return True


class InFlight(Generic[T]):
    """Requests without an answer, oldest first.

    Parameters
    ----------
    settles : callable, optional
        `settles(code, named)` tells whether an error of that code may settle a request at
        all; `named` if it carries an id or hash. The default: any code. A frame without a
        code never settles anything.
    success_codes : frozenset of int
        Codes that are no error.
    window_ns : int
        How long after the send a bare error may be attributed (rule 4).
    capacity : int
        Bound of the pending, and of the overdue that are kept for a late answer (of those
        the oldest goes).

    Attributes
    ----------
    unmatched : dict of Matched to int
        How many answers found nothing, by reason.
    """

    __slots__ = (
        "_by_hash",
        "_by_id",
        "_capacity",
        "_overdue",
        "_pending",
        "_settles",
        "_success",
        "_window_ns",
        "unmatched",
    )

    def __init__(
        self,
        *,
        settles: Callable[[int, bool], bool] = _any_code,
        success_codes: frozenset[int] = frozenset({0, 200}),
        window_ns: int = 1_000_000_000,
        capacity: int = 10_000,
    ) -> None:
        self._settles = settles
        self._success = success_codes
        self._window_ns = window_ns
        self._capacity = capacity
        self._pending: OrderedDict[int, Pending[T]] = OrderedDict()  # by id() of the entry
        self._overdue: OrderedDict[int, Pending[T]] = OrderedDict()
        self._by_id: dict[str, Pending[T]] = {}
        self._by_hash: dict[str, Pending[T]] = {}
        self.unmatched: dict[Matched, int] = {}

    def __len__(self) -> int:
        return len(self._pending)

    def __iter__(self) -> Iterator[Pending[T]]:
        return iter(list(self._pending.values()))

    def add(self, pending: Pending[T]) -> Pending[T]:
        """Enter a request, before its bytes are written: the answer can be that fast.

        Raises
        ------
        ClientError
            When the table is full, or the id is in use.
        """
        if len(self._pending) >= self._capacity:
            raise ClientError(f"{self._capacity} requests wait for an answer: send slower")
        if pending.id is not None:
            if pending.id in self._by_id:
                raise ClientError(f"request id {pending.id!r} is in use")
            self._by_id[pending.id] = pending
        for text in pending.hashes:
            self._by_hash[text] = pending
        self._pending[id(pending)] = pending
        return pending

    def remove(self, pending: Pending[T]) -> bool:
        """Take a request out (its write failed, its own reply came); False if it was not in."""
        key = id(pending)
        if (self._pending.pop(key, None) or self._overdue.pop(key, None)) is None:
            return False
        self._unlink(pending)
        return True

    def match(self, answer: Answer, now_ns: int) -> Match[T]:
        """Find the request of an answer and take it out.

        A hit by id or hash on an overdue request is a late answer (`pending.is_overdue`).
        """
        how, found = self._find(answer, now_ns)
        if found is None:
            self.unmatched[how] = self.unmatched.get(how, 0) + 1
        else:
            self.remove(found)
        return Match(how, found)

    def find_hash(self, text: str) -> Pending[T] | None:
        """Return the request of a transaction hash, pending or overdue, and leave it in."""
        return self._by_hash.get(same_hash(text))

    def expire(self, now_ns: int) -> list[Pending[T]]:
        """Return what became overdue since the last call, oldest first."""
        late = [
            pending
            for pending in self._pending.values()
            if pending.timeout_ns is not None and now_ns - pending.sent_at_ns >= pending.timeout_ns
        ]
        for pending in late:
            del self._pending[id(pending)]
            pending.is_overdue = True
            self._overdue[id(pending)] = pending
        while len(self._overdue) > self._capacity:
            _, oldest = self._overdue.popitem(last=False)
            self._unlink(oldest)
        return late

    def next_deadline_ns(self) -> int | None:
        """Return when the next request becomes overdue, None if none can."""
        times = [
            pending.sent_at_ns + pending.timeout_ns
            for pending in self._pending.values()
            if pending.timeout_ns is not None
        ]
        return min(times, default=None)

    def connection_lost(self, epoch: int) -> list[Pending[T]]:
        """Take out and return what was sent on this connection or an older one.

        Their outcome is unknown, and an answer to them can only come by another way.
        Requests without a lane (their own reply decides) stay.
        """
        lost = [p for p in self._pending.values() if p.lane is not None and p.epoch <= epoch]
        for pending in lost:
            self.remove(pending)
        for pending in [p for p in self._overdue.values() if p.epoch <= epoch]:
            self.remove(pending)
        return lost

    def clear(self) -> list[Pending[T]]:
        """Take out everything and return what was pending, oldest first."""
        pending = list(self._pending.values())
        self._pending.clear()
        self._overdue.clear()
        self._by_id.clear()
        self._by_hash.clear()
        return pending

    # -- inside -------------------------------------------------------------------------

    def _find(self, answer: Answer, now_ns: int) -> tuple[Matched, Pending[T] | None]:
        named = answer.id is not None or bool(answer.hashes)
        if answer.code is None:
            return Matched.NOT_AN_ANSWER, None
        is_success = answer.code in self._success
        if not is_success and not self._settles(answer.code, named):
            return Matched.NOT_AN_ANSWER, None
        if answer.id is not None:
            found = self._by_id.get(answer.id)
            if found is None:
                return Matched.UNKNOWN_ID, None
            return self._same_connection(answer, found, Matched.BY_ID)
        if answer.hashes:
            for text in answer.hashes:
                found = self._by_hash.get(same_hash(text))
                if found is not None:
                    return self._same_connection(answer, found, Matched.BY_HASH)
            return Matched.UNKNOWN_HASH, None
        if answer.lane is None and is_success:
            return Matched.NOT_AN_ANSWER, None
        head = self._head(answer.epoch, answer.lane)
        if head is None:
            return Matched.NOTHING_PENDING, None
        if answer.lane is not None:
            return Matched.IN_ORDER, head
        if now_ns - head.sent_at_ns > self._window_ns:
            return Matched.TOO_LATE, None
        return Matched.IN_WINDOW, head

    def _same_connection(
        self, answer: Answer, found: Pending[T], how: Matched
    ) -> tuple[Matched, Pending[T] | None]:
        if found.lane is not None and found.epoch != answer.epoch:
            return Matched.OLD_CONNECTION, None
        return how, found

    def _head(self, epoch: int, lane: str | None) -> Pending[T] | None:
        for pending in self._pending.values():
            if pending.lane is None or pending.epoch != epoch:
                continue
            if lane is None or pending.lane == lane:
                return pending
        return None

    def _unlink(self, pending: Pending[T]) -> None:
        if pending.id is not None and self._by_id.get(pending.id) is pending:
            del self._by_id[pending.id]
        for text in pending.hashes:
            if self._by_hash.get(text) is pending:
                del self._by_hash[text]
