"""From synchronous callbacks to `async for`, through a buffer that cannot grow for ever."""

from __future__ import annotations

import asyncio
import enum
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any, Generic, TypeVar

from ..errors import ClientError, ConfigError

__all__ = ["BufferOverflow", "EventStream", "Overflow"]

T = TypeVar("T")


class Overflow(enum.Enum):
    """What happens to an item that finds the buffer full."""

    DROP_OLDEST = "drop_oldest"  # market data: the newest is worth more
    DROP_NEWEST = "drop_newest"  # what was first counts
    ERROR = "error"  # nothing may be lost: the stream ends with BufferOverflow


class BufferOverflow(ClientError):
    """The consumer was too slow for a stream that must not lose anything."""


class EventStream(Generic[T]):
    """A bounded buffer with one consumer.

    `push` is called on the socket's stack and never waits. The consumer takes
    buffered items without giving control away; it sleeps only when the buffer is
    empty, so a burst costs one wake-up, not one per item.

    Parameters
    ----------
    capacity : int
        Largest number of buffered items.
    overflow : Overflow
        Policy when full.
    gap_marker : callable, optional
        `gap_marker(lost)` makes an item that stands in the stream where `lost` items
        are missing, so that a consumer that keeps state can resync.
    """

    __slots__ = (
        "_buffer",
        "_capacity",
        "_closed",
        "_consumer",
        "_error",
        "_gap_marker",
        "_lost_after",
        "_lost_before",
        "_overflow",
        "_waiter",
        "dropped",
        "pushed",
    )

    def __init__(
        self,
        capacity: int,
        overflow: Overflow,
        *,
        gap_marker: Callable[[int], T] | None = None,
    ) -> None:
        if capacity < 1:
            raise ConfigError("a stream needs a capacity of at least 1")
        self._capacity = capacity
        self._overflow = overflow
        self._gap_marker = gap_marker
        self._buffer: deque[T] = deque()
        self._lost_before = 0  # lost ahead of the oldest buffered item
        self._lost_after = 0  # lost behind the newest buffered item
        self._waiter: asyncio.Future[None] | None = None
        self._consumer: asyncio.Task[Any] | None = None
        self._closed = False
        self._error: Exception | None = None
        self.dropped = 0
        self.pushed = 0

    def __len__(self) -> int:
        return len(self._buffer)

    @property
    def is_closed(self) -> bool:
        """Whether the stream takes no more items; buffered ones may still be there."""
        return self._closed

    def push(self, item: T) -> bool:
        """Add an item; False if it, or an older one in its place, was lost."""
        if self._closed:
            return False
        self.pushed += 1
        kept = self._make_room()
        if kept or self._overflow is Overflow.DROP_OLDEST:
            self._buffer.append(item)
        self._wake()
        return kept

    def close(self, error: Exception | None = None) -> None:
        """Take no more items; the consumer gets the buffered ones, then the end or the error."""
        if not self._closed:
            self._closed = True
            self._error = error
            self._wake()

    def __aiter__(self) -> AsyncIterator[T]:
        """Bind the stream to the running task; ClientError while another one consumes it."""
        task = asyncio.current_task()
        if self._consumer not in (None, task) and not self._consumer.done():
            raise ClientError(
                "this stream already has a consumer: two would each see half of the events; "
                "subscribe twice instead"
            )
        self._consumer = task
        return self

    async def __anext__(self) -> T:
        """Return the next item; StopAsyncIteration after `close`, or the error given to it."""
        while True:
            if self._lost_before and self._gap_marker is not None:
                lost, self._lost_before = self._lost_before, 0
                return self._gap_marker(lost)
            if self._buffer:
                return self._buffer.popleft()
            if self._lost_after and self._gap_marker is not None:
                lost, self._lost_after = self._lost_after, 0
                return self._gap_marker(lost)
            if self._closed:
                error, self._error = self._error, None  # raised once, then a plain end
                raise error if error is not None else StopAsyncIteration
            await self._wait()

    def _make_room(self) -> bool:
        """Apply the policy; False if something was lost."""
        marks = self._gap_marker is not None and self._lost_after > 0
        if len(self._buffer) + (2 if marks else 1) <= self._capacity:
            if marks and self._gap_marker is not None:
                self._buffer.append(self._gap_marker(self._lost_after))
                self._lost_after = 0
            return True
        if self._overflow is Overflow.ERROR:
            self.dropped += 1
            self.close(
                BufferOverflow(
                    f"the consumer left {self._capacity} events unread; this stream must not "
                    "lose any, so it ended: read faster, or reconcile and subscribe again"
                )
            )
            return False
        self.dropped += 1
        if self._overflow is Overflow.DROP_OLDEST:
            self._buffer.popleft()
            self._lost_before += 1
        else:
            self._lost_after += 1
        return False

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    async def _wait(self) -> None:
        if self._waiter is not None:
            raise ClientError("another task already waits for this stream")
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
