"""What `subscribe_*` hands back, and what `async for` runs over; the same for every venue."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from .._speedups.errors import ConnectorError
from .status_events import StreamState

if TYPE_CHECKING:
    import asyncio

__all__ = ["EventFeed", "Subscription"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Subscription:
    """One wish of the caller for events, until it is canceled.

    Made by a client's `subscribe_*`; the client moves its state.

    Attributes
    ----------
    name : str
        What it is about: `quotes BTCUSDT-PERP`.
    streams : tuple of str
        The venue's streams that serve it.
    error : ConnectorError or None
        Why it was refused; of a pending one, why it was set back since it was last active.
    """

    __slots__ = ("_cancel", "_endings", "_state", "_waiters", "error", "name", "streams")

    def __init__(
        self, name: str, streams: tuple[str, ...], cancel: Callable[[Subscription], None]
    ) -> None:
        self.name = name
        self.streams = streams
        self.error: ConnectorError | None = None
        self._state = StreamState.PENDING
        self._cancel = cancel
        self._waiters: list[asyncio.Future[None]] = []
        self._endings: list[Callable[[ConnectorError | None], object]] = []

    @property
    def state(self) -> StreamState:
        """Where it stands; ACTIVE only while the venue has confirmed all its streams."""
        return self._state

    @property
    def is_active(self) -> bool:
        """Whether the venue has confirmed it."""
        return self._state is StreamState.ACTIVE

    def cancel(self) -> None:
        """End it: the callback is not called any more. Idempotent."""
        if self._state is not StreamState.CANCELED:
            self._cancel(self)
            self.advance(StreamState.CANCELED)

    async def active(self, *, timeout_s: float = 10.0) -> None:
        """Wait until the venue has confirmed it.

        Raises
        ------
        ConnectorError
            The venue refused it (`error`), or it was canceled.
        TimeoutError
            No answer in time; it stays pending.
        """
        import asyncio

        if self._state is StreamState.PENDING:
            # An error of a pending one says why it was set back, not how it ends.
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            try:
                async with asyncio.timeout(timeout_s):
                    await waiter
            finally:
                self._waiters.remove(waiter)
        if self.error is not None:
            raise self.error
        if self._state is StreamState.CANCELED:
            raise ConnectorError(f"subscription {self.name} was canceled")

    def on_end(self, call: Callable[[ConnectorError | None], object]) -> None:
        """Call `call(error)` once when it is canceled (None) or refused."""
        self._endings.append(call)

    def advance(self, state: StreamState, error: ConnectorError | None = None) -> None:
        """Move to `state`; for the client that made it. A canceled one stays canceled."""
        if self._state is StreamState.CANCELED:
            return
        self._state = state
        self.error = error
        if state in (StreamState.CANCELED, StreamState.REFUSED):
            endings, self._endings = self._endings, []
            for call in endings:
                call(error)
        if state is not StreamState.PENDING:
            for waiter in self._waiters:
                if not waiter.done():
                    waiter.set_result(None)

    def __repr__(self) -> str:
        return f"<Subscription {self.name} {self._state}>"


class _Source(Protocol[T_co]):
    dropped: int

    def __aiter__(self) -> AsyncIterator[T_co]: ...
    async def __anext__(self) -> T_co: ...
    def close(self, error: Exception | None = None) -> None: ...


class EventFeed(Generic[T]):
    """Events to iterate over; the subscription behind it ends with the iteration.

    ::

        async for trade in data.trades("ETHUSDT-PERP"):
            ...

    Leaving the loop drops the feed, and dropping it, or `close()`, cancels the subscription. When
    the venue refuses it, or the client is closed, the iteration ends; a refusal is raised.
    """

    __slots__ = ("__weakref__", "_source", "subscription")

    def __init__(self, source: _Source[T], subscription: Subscription) -> None:
        self._source = source
        self.subscription = subscription
        subscription.on_end(source.close)

    @property
    def dropped(self) -> int:
        """Events that were lost because the consumer was too slow."""
        return self._source.dropped

    def __aiter__(self) -> EventFeed[T]:
        self._source.__aiter__()
        return self

    async def __anext__(self) -> T:
        return await self._source.__anext__()

    def close(self) -> None:
        """Cancel the subscription; what is buffered can still be read. Idempotent."""
        self.subscription.cancel()

    def __enter__(self) -> EventFeed[T]:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.subscription.cancel()

    def __repr__(self) -> str:
        return f"<EventFeed {self.subscription.name} dropped={self.dropped}>"
