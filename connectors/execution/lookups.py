"""What has to be asked for, and when: orders whose state nobody told us.

An acknowledged command without a row, a command in doubt, fills that rows speak of: each is
looked up after a while, again with growing pauses, until it is settled. Only times in here, no
requests; the venue's client asks when `due` says so.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from enum import Enum

from ..net.clock import NS_PER_S
from .identity import TrackedOrder

__all__ = ["Lookup", "LookupSchedule", "Why"]


class Why(Enum):
    """Why an order is looked up."""

    CREATE_UNSEEN = "create_unseen"  # acknowledged, and no row came
    CREATE_IN_DOUBT = "create_in_doubt"
    CANCEL_UNSEEN = "cancel_unseen"
    CANCEL_IN_DOUBT = "cancel_in_doubt"
    MODIFY_UNSEEN = "modify_unseen"
    MODIFY_IN_DOUBT = "modify_in_doubt"
    MISSING_FILLS = "missing_fills"  # rows show more filled than came
    ABSENT = "absent"  # believed open, and not in a snapshot of what is open


@dataclass(slots=True, eq=False)
class Lookup:
    """One thing to look up.

    Attributes
    ----------
    expires_at : int or None
        Unix time in ns after which the command can no longer be executed; None: as the order.
    attempt : int
        How often it was handed out, this time included.
    note : int
        The caller's own.
    """

    order: TrackedOrder
    why: Why
    due_ns: int
    expires_at: int | None = None
    attempt: int = field(default=0, init=False)
    note: int = field(default=0, init=False)
    is_open: bool = field(default=True, init=False)


class LookupSchedule:
    """Lookups by the time they are due; one per order and reason.

    Parameters
    ----------
    pause_ns, max_pause_ns : int
        Before the second attempt; doubled for each further one up to the maximum.
    """

    __slots__ = ("_heap", "_max_pause_ns", "_open", "_pause_ns", "_serial")

    def __init__(self, *, pause_ns: int = 2 * NS_PER_S, max_pause_ns: int = 30 * NS_PER_S) -> None:
        self._pause_ns = pause_ns
        self._max_pause_ns = max_pause_ns
        self._open: dict[tuple[str, Why], Lookup] = {}
        self._heap: list[tuple[int, int, Lookup]] = []
        self._serial = 0

    def __len__(self) -> int:
        return len(self._open)

    def ask(
        self, order: TrackedOrder, why: Why, due_ns: int, *, expires_at: int | None = None
    ) -> Lookup:
        """Want an order looked up at `due_ns` (monotonic); of two for one reason the earlier."""
        key = (order.client_order_id, why)
        lookup = self._open.get(key)
        if lookup is None:
            lookup = self._open[key] = Lookup(order, why, due_ns, expires_at)
            self._push(lookup)
        else:
            if expires_at is not None:
                lookup.expires_at = max(expires_at, lookup.expires_at or 0)
            if due_ns < lookup.due_ns:
                lookup.due_ns = due_ns
                self._push(lookup)
        return lookup

    def done(self, order: TrackedOrder, why: Why | None = None) -> None:
        """Want it no more: for one reason, or (None) for any."""
        for reason in Why if why is None else (why,):
            lookup = self._open.pop((order.client_order_id, reason), None)
            if lookup is not None:
                lookup.is_open = False

    def due(self, now_ns: int, *, limit: int = 100) -> list[Lookup]:
        """Return what is due, at most `limit`; hand each back to `again` or `done`.

        One that is not handed back comes again by itself after its pause.
        """
        found: list[Lookup] = []
        while self._heap and self._heap[0][0] <= now_ns and len(found) < limit:
            due_ns, _, lookup = heapq.heappop(self._heap)
            if not lookup.is_open or due_ns != lookup.due_ns:
                continue  # settled, or moved
            lookup.attempt += 1
            self.again(lookup, now_ns)
            found.append(lookup)
        return found

    def again(self, lookup: Lookup, now_ns: int) -> None:
        """Want it once more after the pause of its attempt."""
        if not lookup.is_open:
            return
        pause_ns = min(self._pause_ns << min(max(lookup.attempt - 1, 0), 32), self._max_pause_ns)
        due_ns = now_ns + pause_ns
        if due_ns != lookup.due_ns:
            lookup.due_ns = due_ns
            self._push(lookup)

    def next_due_ns(self) -> int | None:
        """Return when the next one is due, None if nothing is wanted."""
        while self._heap:
            due_ns, _, lookup = self._heap[0]
            if lookup.is_open and due_ns == lookup.due_ns:
                return due_ns
            heapq.heappop(self._heap)
        return None

    def clear(self) -> None:
        """Want nothing any more."""
        for lookup in self._open.values():
            lookup.is_open = False
        self._open.clear()
        self._heap.clear()

    def _push(self, lookup: Lookup) -> None:
        self._serial += 1
        heapq.heappush(self._heap, (lookup.due_ns, self._serial, lookup))
