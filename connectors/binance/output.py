"""The pool's own output: one ordered stream of market and control events (BN-S-70 to 73)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from ..net.stream import BufferOverflow

__all__ = ["Output"]

CONTROL_CAPACITY = 10_000


class Output:
    """Events for one consumer, in order of arrival.

    Market events are bounded by `capacity`: when it is full the oldest is dropped and counted,
    and where some are missing the consumer reads what `marker(count)` made. Control events are
    never dropped; if 10 000 of them are left unread the output ends with `BufferOverflow`.
    """

    __slots__ = (
        "_capacity",
        "_closed",
        "_control",
        "_error",
        "_lost",
        "_marker",
        "_market",
        "_number",
        "_waiter",
        "dropped",
    )

    def __init__(self, capacity: int, marker: Callable[[int], Any]) -> None:
        self._capacity = capacity
        self._marker = marker
        self._market: deque[tuple[int, Any]] = deque()
        self._control: deque[tuple[int, Any]] = deque()
        self._number = 0
        self._lost = 0
        self._closed = False
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self.dropped = 0

    @classmethod
    def finished(cls) -> Output:
        """Return an output without events that has ended."""
        output = cls(1, lambda count: None)
        output.close()
        return output

    def __len__(self) -> int:
        return len(self._market) + len(self._control)

    def push(self, event: Any) -> None:
        """Add a market event."""
        if self._closed:
            return
        if len(self._market) >= self._capacity:
            self._market.popleft()
            self._lost += 1
            self.dropped += 1
        self._number += 1
        self._market.append((self._number, event))
        if self._waiter is not None:
            self._wake()

    def push_control(self, event: Any) -> None:
        """Add an event that must not be dropped."""
        if self._closed:
            return
        if len(self._control) >= CONTROL_CAPACITY:
            self._error = BufferOverflow(
                f"{CONTROL_CAPACITY} control events were left unread; the output has ended: "
                "read it, or do not ask for it"
            )
            self.close()
            return
        self._number += 1
        self._control.append((self._number, event))
        self._wake()

    def close(self) -> None:
        """Take no more events; what is there can still be read."""
        self._closed = True
        self._wake()

    def __aiter__(self) -> Output:
        return self

    async def __anext__(self) -> Any:
        while True:
            market, control = self._market, self._control
            if control and (not market or control[0][0] < market[0][0]):
                return control.popleft()[1]
            if self._lost:
                lost, self._lost = self._lost, 0
                return self._marker(lost)
            if market:
                return market.popleft()[1]
            if self._closed:
                error, self._error = self._error, None
                raise error or StopAsyncIteration
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
