"""One thing at a time goes out, in the order it was asked for.

A venue that counts nonces refuses whatever overtakes. So everything signed with one key takes
its place in one line (Lighter, spec 7.4) and goes out only as the first of it. On a socket the
place is free again when the bytes are handed over; an HTTP request keeps it until the reply is
in, because what is sent elsewhere meanwhile could arrive first. Waiting for a rate limit happens
at the head of the line, never before it.

`SendLine` is the line, sans-I/O. `OrderedSender` adds waiting: for the turn, for the limit.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from enum import Enum
from typing import Any

from ..errors import ClientError
from ..net.ratelimit import RateLimiter
from ..net.tasks import OwnedTasks

__all__ = ["LineFull", "NotSent", "OrderedSender", "Place", "SendLine", "Turn", "TurnState"]


_log = logging.getLogger("connectors.execution.sequence")


class LineFull(ClientError):
    """Too many are waiting to be sent; nothing was sent."""


class NotSent(ClientError):
    """The turn to send never came; nothing was sent."""


class TurnState(Enum):
    """Where a place in the line stands."""

    WAITING = "waiting"
    ACTIVE = "active"  # its turn: it may send, everything behind it waits
    RELEASED = "released"  # sent, or given up while active
    DROPPED = "dropped"  # given up before its turn; nothing was sent


class Turn:
    """A place in the line. Release it when the bytes are out (or will never be)."""

    __slots__ = ("_line", "_on_drop", "_passes", "_start", "state", "tag")

    def __init__(
        self,
        line: SendLine,
        start: Callable[[Turn], None],
        on_drop: Callable[[Turn], None] | None,
        tag: Any,
        passes: frozenset[str] = frozenset(),
    ) -> None:
        self._line = line
        self._passes = passes
        self._start = start
        self._on_drop = on_drop
        self.tag = tag
        self.state = TurnState.WAITING

    def release(self) -> None:
        """Give up the place; the next one gets its turn. Idempotent."""
        self._line._release(self)


class Place:
    """A place in the line that a task waits in; `come` is False if the line was emptied."""

    __slots__ = ("come", "turn")

    def __init__(self, turn: Turn, come: asyncio.Future[bool]) -> None:
        self.turn = turn
        self.come = come


class SendLine:
    """The line.

    Parameters
    ----------
    capacity : int
        How many may stand in it.
    """

    __slots__ = ("_active", "_capacity", "_moving", "_paused", "_waiting")

    def __init__(self, *, capacity: int = 4096) -> None:
        self._capacity = capacity
        self._waiting: deque[Turn] = deque()
        self._active: Turn | None = None
        self._paused: set[str] = set()
        self._moving = False

    def __len__(self) -> int:
        """How many wait, the active one not counted."""
        return len(self._waiting)

    @property
    def active(self) -> Turn | None:
        """Whose turn it is."""
        return self._active

    @property
    def is_free(self) -> bool:
        """Whether the next `enter` starts at once."""
        return self._active is None and not self._waiting and not self._paused

    def enter(
        self,
        start: Callable[[Turn], None],
        *,
        on_drop: Callable[[Turn], None] | None = None,
        tag: Any = None,
        passes: frozenset[str] = frozenset(),
    ) -> Turn:
        """Take the last place; `start(turn)` is called when its turn comes, maybe at once.

        `start` must see to it that the turn is released: in the call, or later. If it raises,
        the turn is released; the error is raised here if that is in this very call, and
        logged otherwise. `on_drop(turn)` is called if `drop_waiting` ends the wait. `passes`
        are the reasons of a pause for which it need not wait.
        """
        turn = Turn(self, start, on_drop, tag, passes)
        is_next = self._active is None and not self._waiting and not self._moving
        if is_next and self._paused <= passes:
            self._begin(turn)
            return turn
        if len(self._waiting) >= self._capacity:
            raise LineFull(f"{self._capacity} transactions wait to be sent")
        self._waiting.append(turn)
        return turn

    def pause(self, reason: str) -> None:
        """Let nobody start until `resume` of every reason that was given."""
        self._paused.add(reason)

    def resume(self, reason: str) -> None:
        """Take back one reason; the line moves on when none is left."""
        self._paused.discard(reason)
        self._move_on()

    @property
    def pauses(self) -> frozenset[str]:
        """The reasons for which the line stands."""
        return frozenset(self._paused)

    def drop_waiting(self, *, held_only: bool = False) -> list[Turn]:
        """Drop everybody who waits and return them, first in line first.

        `held_only`: those whom a pause holds back now; the others move up.
        """
        dropped = [t for t in self._waiting if not held_only or not self._paused <= t._passes]
        for turn in dropped:
            self._waiting.remove(turn)
            turn.state = TurnState.DROPPED
        for turn in dropped:
            if turn._on_drop is not None:
                turn._on_drop(turn)
        self._move_on()
        return dropped

    # -- inside -------------------------------------------------------------------------

    def _release(self, turn: Turn) -> None:
        if turn.state is TurnState.WAITING:
            turn.state = TurnState.DROPPED
            self._waiting.remove(turn)
        elif turn.state is TurnState.ACTIVE:
            turn.state = TurnState.RELEASED
            self._active = None
            self._move_on()

    def _begin(self, turn: Turn) -> None:
        self._active = turn
        turn.state = TurnState.ACTIVE
        try:
            turn._start(turn)
        except BaseException:
            turn.release()
            raise

    def _move_on(self) -> None:
        """Start who is next; a loop, not a recursion: a start may release in its own call."""
        if self._moving:
            return
        self._moving = True
        try:
            while (
                self._active is None and self._waiting and self._paused <= self._waiting[0]._passes
            ):
                turn = self._waiting.popleft()
                try:
                    self._begin(turn)
                except Exception:  # noqa: BLE001 - the line goes on
                    _log.exception("a send failed in its turn: tag=%s", turn.tag)
        finally:
            self._moving = False


class OrderedSender:
    """Send in line, with a rate limit taken at its head.

    Parameters
    ----------
    tasks : OwnedTasks
        Who owns the waiting.
    limiter : RateLimiter, optional
    keys : tuple of str
        What the limiter counts by.
    limit_timeout_s : float
        How long one may wait for the limit; then it is given up, unsent.
    line : SendLine, optional
    """

    __slots__ = ("_keys", "_limit_timeout_s", "_limiter", "_tasks", "line")

    def __init__(
        self,
        tasks: OwnedTasks,
        *,
        limiter: RateLimiter | None = None,
        keys: tuple[str, ...] = (),
        limit_timeout_s: float = 60.0,
        line: SendLine | None = None,
    ) -> None:
        self._tasks = tasks
        self._limiter = limiter
        self._keys = keys
        self._limit_timeout_s = limit_timeout_s
        self.line = line if line is not None else SendLine()

    def send(
        self,
        write: Callable[[], None],
        *,
        on_error: Callable[[Exception], None],
        cost: int = 1,
        tag: Any = None,
        limit_timeout_s: float | None = None,
    ) -> Turn:
        """Call `write` in its turn, in this very call if nothing is in the way.

        `write` signs and hands the bytes over. What it raises, and a limit that does not come
        free in time, goes to `on_error`; the turn is released in any case. LineFull is raised.
        `limit_timeout_s` is for one that may wait longer for the limit than others.
        """

        def guarded(turn: Turn) -> None:
            try:
                write()
            except Exception as error:  # noqa: BLE001 - handed on
                on_error(error)
            finally:
                turn.release()

        async def when_free(turn: Turn) -> None:
            try:
                await self._limit(cost, limit_timeout_s)
            except Exception as error:  # noqa: BLE001 - handed on
                turn.release()
                on_error(error)
                return
            guarded(turn)

        def ended(turn: Turn, task: asyncio.Task[None]) -> None:
            if task.cancelled():  # before its first step, or in its wait
                turn.release()
                on_error(NotSent("the client was closed before this was sent"))

        def start(turn: Turn) -> None:
            if self._limiter is None or self._limiter.try_acquire(*self._keys, cost=cost):
                guarded(turn)
            else:
                task = self._tasks.spawn(when_free(turn), "rate-limit")
                task.add_done_callback(lambda task: ended(turn, task))

        def dropped(turn: Turn) -> None:
            on_error(NotSent("the line was emptied before this was sent"))

        return self.line.enter(start, on_drop=dropped, tag=tag)

    def place(self, *, tag: Any = None, passes: frozenset[str] = frozenset()) -> Place:
        """Take the last place now, for a task to wait in it; see `turn`. LineFull is raised."""
        come: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def start(turn: Turn) -> None:
            if come.done():  # nobody waits any more
                turn.release()
            else:
                come.set_result(True)

        def dropped(turn: Turn) -> None:
            if not come.done():
                come.set_result(False)

        return Place(self.line.enter(start, on_drop=dropped, tag=tag, passes=passes), come)

    @contextlib.asynccontextmanager
    async def turn(
        self,
        *,
        timeout_s: float,
        cost: int = 1,
        tag: Any = None,
        place: Place | None = None,
        limit_timeout_s: float | None = None,
    ) -> AsyncIterator[Turn]:
        """Hold the turn for the length of the block (an HTTP request and its reply).

        In the place that was taken before, or the last one.

        Raises
        ------
        TimeoutError
            When the turn does not come in time; nothing was sent.
        NotSent
            When the line was emptied.
        QuotaExceeded
            When the limit does not come free in time; nothing was sent.
        """
        if place is None:
            place = self.place(tag=tag)
        try:
            async with asyncio.timeout(timeout_s):
                if not await place.come:
                    raise NotSent("the line was emptied before this was sent")
            await self._limit(cost, limit_timeout_s)
            yield place.turn
        finally:
            place.turn.release()

    async def _limit(self, cost: int, timeout_s: float | None) -> None:
        if self._limiter is not None:
            wait_s = self._limit_timeout_s if timeout_s is None else timeout_s
            await self._limiter.acquire(*self._keys, cost=cost, timeout_s=wait_s)
