"""Bring a local order book in step with a venue's stream of changes, and keep it there.

Sans-I/O: updates and snapshots in, events out, clock passed in. The venue numbers its
updates; each names the last number of the one before it. The order of things (rules BN-B)::

    BUFFERING   updates are kept; a snapshot is wanted once there is one
        | snapshot
    ANCHORING   everything kept is older than the snapshot: wait for the update that fits
        | an update that spans the snapshot, or follows it exactly
    LIVE        each update must name the last one applied; otherwise back to BUFFERING
    FAILED      too many snapshots were too old; tried again after a pause

Only a LIVE book may be trusted. On a gap it stops being live at once, before anybody could
look at it, and the update that showed the gap is the first of the new buffer (BN-B-10).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from .._speedups.book import ChainedBook
from .._speedups.errors import ConnectorError
from .._speedups.events import BookUpdate, EventFlag, InstrumentBase
from ..model.status_events import BookState

__all__ = ["BookSync", "SyncEvent", "SyncLimits", "SyncStep"]


class SyncStep(Enum):
    """What happened to a book."""

    SYNCED = "synced"
    DROP_OLD = "drop_old"
    GAP = "gap"
    GAP_IN_BUFFER = "gap_in_buffer"
    STALE_SNAPSHOT = "stale_snapshot"
    SNAPSHOT_FAILED = "snapshot_failed"
    OVERFLOW = "overflow"  # the buffer was full, its oldest update went
    RESCALED = "rescaled"  # a value did not fit the instrument's grid
    CROSSED = "crossed"  # bid at or above ask for too many updates
    RECONNECT = "reconnect"
    FAILED = "failed"
    RETRY = "retry"


@dataclass(frozen=True, slots=True)
class SyncEvent:
    """One step, with the numbers that show it; -1 where there is none."""

    step: SyncStep
    expected_seq: int = -1
    got_seq: int = -1
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SyncLimits:
    """Bounds and waits (BN-B-15).

    Attributes
    ----------
    buffer :
        Updates kept while there is no snapshot; beyond it the oldest goes.
    retries :
        Snapshots after the first stale or failed one before the book is failed.
    wait_s, max_wait_s :
        Before the first of those, doubled each time up to the second.
    pause_s :
        Before a failed book is tried again.
    relapse_s :
        A gap this soon after a sync counts as a relapse: after the second one in a row the waits
        above come before the next snapshot, so that a stream that does not hold cannot use up
        everybody's request weight.
    crossed :
        Updates in a row that may leave the book crossed (BN-B-21).
    """

    buffer: int = 10_000
    retries: int = 5
    wait_s: float = 0.25
    max_wait_s: float = 3.0
    pause_s: float = 30.0
    relapse_s: float = 5.0
    crossed: int = 10


class _Chain(ChainedBook):
    """The compiled live part; what does not fit its chain comes to the sync."""

    sync: BookSync

    def on_irregular(self, update: BookUpdate) -> None:
        self.sync._irregular(update)

    def on_crossed(self) -> None:
        self.sync._crossed()


class BookSync:
    """A book of one instrument, kept in step.

    Route the instrument's book updates to `chain` (compiled, for the hot path) or hand them to
    `on_update`. When `wants_snapshot(now)` says so, fetch one: `begin_snapshot()` gives the epoch
    to hand back with it.

    Parameters
    ----------
    instrument :
        Whose ticks and lots the book counts.
    on_event : callable
        Receives each `SyncEvent`. For GAP, RECONNECT and RESCALED the book is no longer live
        when it is called.
    on_change : callable, optional
        `on_change(book)` after each applied update and after a sync, while live.
    on_wanted : callable, optional
        Called when an update has come for which there is no snapshot yet.
    now : callable
        Monotonic seconds.

    Attributes
    ----------
    chain : ChainedBook
        The book itself.
    gaps, syncs, overflows :
        Counters that only grow.
    """

    def __init__(
        self,
        instrument: InstrumentBase,
        *,
        on_event: Callable[[SyncEvent], None],
        now: Callable[[], float],
        on_change: Callable[[ChainedBook], None] | None = None,
        on_wanted: Callable[[], None] | None = None,
        limits: SyncLimits | None = None,
    ) -> None:
        self.limits = limits or SyncLimits()
        self.chain = _Chain(instrument, crossed_limit=self.limits.crossed)
        self.chain.sync = self
        self.chain.on_change = on_change
        self.epoch = 0
        self.gaps = 0
        self.syncs = 0
        self.overflows = 0
        self._on_event = on_event
        self._on_change = on_change
        self._on_wanted = on_wanted
        self._now = now
        self._state = BookState.BUFFERING
        self._buffer: deque[BookUpdate] = deque()
        self._snapshot: BookUpdate | None = None
        self._depth: int | None = None
        self._newest_seq = -1  # highest number kept, and its time
        self._newest_ts = 0
        self._in_flight = False
        self._setbacks = 0  # stale or failed snapshots since the last sync
        self._not_before = 0.0
        self._synced_at = float("-inf")
        self._relapses = 0

    # ---- state --------------------------------------------------------------------------------

    @property
    def state(self) -> BookState:
        """Where the book stands."""
        return self._state

    @property
    def is_live(self) -> bool:
        """Whether the book may be trusted."""
        return self._state is BookState.LIVE and bool(self.chain.live)

    @property
    def instrument(self) -> InstrumentBase:
        """The instrument whose grid the book is on."""
        return self.chain.instrument

    @property
    def buffered(self) -> int:
        """Updates that wait for a snapshot."""
        return len(self._buffer)

    def wants_snapshot(self, now: float) -> bool:
        """Whether a snapshot should be fetched now (BN-B-02); retries a failed book in time."""
        if self._state is BookState.FAILED and now >= self._not_before:
            self._setbacks = 0
            self._enter(BookState.BUFFERING)
            self._emit(SyncStep.RETRY)
        return (
            self._state is BookState.BUFFERING
            and bool(self._buffer)
            and not self._in_flight
            and now >= self._not_before
        )

    def next_wake(self) -> float | None:
        """Return when `wants_snapshot` may turn true without a new update; None: not by itself."""
        waits = self._state is BookState.FAILED or (
            self._state is BookState.BUFFERING and bool(self._buffer) and not self._in_flight
        )
        return self._not_before if waits else None

    def show_to(self, on_change: Callable[[ChainedBook], None] | None) -> None:
        """Call another `on_change` from now on."""
        self._on_change = on_change
        self.chain.on_change = on_change

    # ---- input --------------------------------------------------------------------------------

    def on_update(self, update: BookUpdate) -> None:
        """Take one update, as the route to `chain` does."""
        self.chain.on_book_update(update)

    def begin_snapshot(self) -> int:
        """Note that a snapshot is being fetched; return the epoch to hand back with it."""
        self._in_flight = True
        return self.epoch

    def on_snapshot(self, epoch: int, snapshot: BookUpdate, *, depth: int | None = None) -> None:
        """Take a snapshot; one of an older epoch is thrown away (BN-B-16).

        `depth` is how many levels a side it has at most: a side with fewer is complete, the
        others are known only as far as they go (`chain.horizon`, BN-B-14).
        """
        if epoch != self.epoch:
            return
        self._in_flight = False
        if self._state not in (BookState.BUFFERING, BookState.ANCHORING):
            return
        if not snapshot.n_bids and not snapshot.n_asks:
            # A book that changes has orders; this one would be live and full of holes.
            self._setback(SyncEvent(SyncStep.SNAPSHOT_FAILED, reason="it has no levels"), 0.0)
            return
        self._note_newest(snapshot)
        self._snapshot = snapshot
        self._depth = depth
        self._anchor()

    def on_snapshot_failed(self, epoch: int, reason: str, *, retry_after_s: float = 0.0) -> None:
        """Note that a snapshot could not be had; counts like a stale one (BN-B-15)."""
        if epoch != self.epoch:
            return
        self._in_flight = False
        if self._state is BookState.BUFFERING:
            self._setback(SyncEvent(SyncStep.SNAPSHOT_FAILED, reason=reason), retry_after_s)

    def on_snapshot_withdrawn(self, epoch: int) -> None:
        """Note that a snapshot was not asked for after all; it counts for nothing."""
        if epoch == self.epoch:
            self._in_flight = False

    def on_reconnect(self) -> None:
        """Start over: updates may have been lost, even if the chain happens to fit (BN-B-17)."""
        self._restart()
        self._emit(SyncStep.RECONNECT)

    def rescale(self, instrument: InstrumentBase) -> None:
        """Start over on the grid of a changed instrument (BN-I-17)."""
        if (
            instrument.price_scale == self.instrument.price_scale
            and instrument.size_scale == self.instrument.size_scale
        ):
            return
        self._restart()
        self.chain.reset(instrument)
        self._emit(SyncStep.RESCALED, reason="the instrument has a new grid")

    def close(self) -> None:
        """Forget everything; replies under way are thrown away."""
        self._restart()

    # ---- the chain's slow path ----------------------------------------------------------------

    def _irregular(self, update: BookUpdate) -> None:
        """Handle what the live chain did not apply, and everything while not live."""
        if update.is_snapshot:
            return  # of a stream of another kind; this book is made of changes
        if update.flags & EventFlag.OFF_SCALE:
            self._off_scale()
            return
        if self._state is BookState.LIVE:
            last = self.chain.last_seq
            # A repeat is never newer than what was applied. One that is shows that the venue
            # has started its numbers again, and dropping it would freeze the book for ever.
            if update.last_seq <= last and update.ts_event <= self.chain.ts_event:
                self._emit(SyncStep.DROP_OLD, last, update.last_seq)
                return
            self.gaps += 1
            self._restart()
            self._note_relapse()
            self._keep(update)
            self._emit(SyncStep.GAP, last, update.prev_seq)
            return
        self._keep(update)
        if self._state is BookState.ANCHORING:
            self._anchor()

    def _note_relapse(self) -> None:
        now, limits = self._now(), self.limits
        self._relapses = self._relapses + 1 if now - self._synced_at < limits.relapse_s else 0
        if self._relapses > 1:
            wait = min(limits.wait_s * 2 ** (self._relapses - 2), limits.max_wait_s)
            self._not_before = now + wait

    def _off_scale(self) -> None:
        was_live = self.is_live
        self._restart()
        if was_live:
            self.gaps += 1
        self._emit(SyncStep.RESCALED, reason="a value does not fit the instrument's grid")

    def _crossed(self) -> None:
        """The chain has been crossed for too long (BN-B-21)."""
        self._restart()
        self._emit(SyncStep.CROSSED, reason="best bid stays at or above best ask")

    def _keep(self, update: BookUpdate) -> None:
        if update.last_seq < self._newest_seq and update.ts_event > self._newest_ts:
            # Later, and yet a lower number: the venue has started its numbers again, and what
            # is kept here fits nothing that is still to come.
            expected = self._newest_seq
            self._restart()
            self._emit(SyncStep.GAP_IN_BUFFER, expected, update.prev_seq)
        self._note_newest(update)
        if len(self._buffer) >= self.limits.buffer:
            self._buffer.popleft()
            self.overflows += 1
            if self.overflows == 1 or self.overflows % self.limits.buffer == 0:
                self._emit(SyncStep.OVERFLOW, reason=f"{self.overflows} updates dropped")
        self._buffer.append(update)
        if len(self._buffer) == 1 and self._on_wanted is not None:
            self._on_wanted()

    def _note_newest(self, update: BookUpdate) -> None:
        if update.last_seq > self._newest_seq:
            self._newest_seq, self._newest_ts = update.last_seq, update.ts_event

    # ---- anchoring ----------------------------------------------------------------------------

    def _anchor(self) -> None:
        snapshot = self._snapshot
        assert snapshot is not None
        buffer, at = self._buffer, snapshot.last_seq
        while buffer and buffer[0].last_seq < at:
            buffer.popleft()
        if not buffer:
            self._enter(BookState.ANCHORING)
            return
        first = buffer[0]
        if not (first.first_seq <= at <= first.last_seq or first.prev_seq == at):
            self._snapshot = None
            self._enter(BookState.BUFFERING)
            self._setback(SyncEvent(SyncStep.STALE_SNAPSHOT, at, first.first_seq), 0.0)
            return
        self._replay(snapshot)

    def _replay(self, snapshot: BookUpdate) -> None:
        """Apply the snapshot and all that is kept, first checking that it is one chain."""
        self._snapshot = None
        buffer, at = self._buffer, snapshot.last_seq
        fitting: list[BookUpdate] = []
        last = -1
        while buffer:
            update = buffer[0]
            if fitting and update.prev_seq != last and update.last_seq > last:
                self._enter(BookState.BUFFERING)
                event = SyncEvent(SyncStep.GAP_IN_BUFFER, last, update.prev_seq)
                self._setback(event, 0.0)
                return
            buffer.popleft()
            if fitting and update.last_seq <= last:
                continue
            fitting.append(update)
            last = update.last_seq
        try:
            self.chain.replace(snapshot, depth=self._depth)
            for update in fitting:
                if update.last_seq > at:
                    self.chain.apply(update)
        except (ConnectorError, ValueError) as error:
            self.chain.clear()
            self._enter(BookState.BUFFERING)
            self._setback(SyncEvent(SyncStep.SNAPSHOT_FAILED, reason=str(error)), 0.0)
            return
        self.chain.go_live(last)
        self._setbacks = 0
        self._not_before = 0.0
        self.syncs += 1
        self._synced_at = self._now()
        self._enter(BookState.LIVE)
        self._emit(SyncStep.SYNCED, -1, last)
        if self.is_live and self._on_change is not None:
            self._on_change(self.chain)

    def _setback(self, event: SyncEvent, retry_after_s: float) -> None:
        """Count a snapshot that did not help; give up for a while after too many."""
        limits = self.limits
        self._setbacks += 1
        failed = self._setbacks > limits.retries
        wait = limits.pause_s
        if not failed:
            wait = min(limits.wait_s * 2 ** (self._setbacks - 1), limits.max_wait_s)
        else:
            self._enter(BookState.FAILED)
        self._not_before = self._now() + max(wait, retry_after_s)
        self._on_event(event)
        if failed:
            last = event.reason or event.step.value.replace("_", " ")
            self._emit(
                SyncStep.FAILED, reason=f"{self._setbacks} snapshots did not help, last: {last}"
            )

    # ---- helpers ------------------------------------------------------------------------------

    def _restart(self) -> None:
        self.chain.live = False
        self.chain.clear()
        self._buffer.clear()
        self._snapshot = None
        self._newest_seq = -1
        self._newest_ts = 0
        self._in_flight = False
        self._not_before = 0.0
        self._setbacks = 0
        self.epoch += 1
        self._enter(BookState.BUFFERING)

    def _enter(self, state: BookState) -> None:
        self._state = state

    def _emit(self, step: SyncStep, expected: int = -1, got: int = -1, reason: str = "") -> None:
        self._on_event(SyncEvent(step, expected, got, reason))

    def __repr__(self) -> str:
        return f"<BookSync {self.instrument.id} {self._state} epoch {self.epoch}>"
