"""Which streams the subscriptions of a client need, brought to a pool by one task.

Subscriptions are counted by stream (BN-SS-09): the first one subscribes it, the last one
unsubscribes it. Wishes of one turn of the loop reach the pool together.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from ..errors import ClientError, ConnectorError, VenueError
from ..model import StreamState, Subscription
from ..net.backoff import Backoff
from ..net.ratelimit import QuotaExceeded
from .pool import StreamPool

__all__ = ["Interest"]

REFUSED_RETRY_S = 5.0

log = logging.getLogger("connectors.binance")


class Interest:
    """The wanted streams of one pool.

    Parameters
    ----------
    pool :
        Connected when the first stream is wanted.
    on_error : callable
        `on_error(error)` when the pool could not be brought in line; it is tried again.
    backoff :
        Waits between those tries.
    """

    def __init__(
        self, pool: StreamPool, on_error: Callable[[ConnectorError], None], backoff: Backoff
    ) -> None:
        self.pool = pool
        self._on_error = on_error
        self._backoff = backoff
        self._wanted: dict[str, list[Subscription]] = {}
        self._active: set[str] = set()
        self._refused: set[str] = set()
        self._paused: set[str] = set()
        self._silent: set[str] = set()
        self._renewed: set[str] = set()  # silent ones, given up: a new wish starts from nothing
        self._proven: set[str] = set()  # confirmed once, so the venue does serve them
        self._changed = asyncio.Event()
        self._retry: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._wanted)

    def __contains__(self, name: str) -> bool:
        return name in self._wanted

    @property
    def names(self) -> tuple[str, ...]:
        """The wanted streams."""
        return tuple(self._wanted)

    def is_active(self, name: str) -> bool:
        """Whether the venue has confirmed a stream."""
        return name in self._active

    def is_refused(self, name: str) -> bool:
        """Whether the venue has refused a stream for good."""
        return name in self._refused

    def add(self, names: Iterable[str], subscription: Subscription) -> None:
        """Want streams for a subscription.

        Raises
        ------
        ClientError
            The pool has no room for them; nothing changed.
        """
        names = list(names)
        new = [name for name in names if name not in self._wanted]
        if len(self._wanted) + len(new) > self.pool.capacity:
            raise self.pool.exhausted()
        for name in names:
            self._wanted.setdefault(name, []).append(subscription)
            self._refused.discard(name)  # a later wish is asked for again (BN-S-54)
        self._changed.set()
        self._show(subscription)

    def remove(self, subscription: Subscription) -> list[str]:
        """Want nothing any more for a subscription; return the streams nobody wants now."""
        ended = []
        for name in subscription.streams:
            others = [each for each in self._wanted.get(name, ()) if each is not subscription]
            if others:
                self._wanted[name] = others
            elif self._wanted.pop(name, None) is not None:
                ended.append(name)
                # Still served until the pool has been told, which a new wish may forestall.
                self._refused.discard(name)
                self._proven.discard(name)
                if name in self._silent:
                    self._silent.discard(name)
                    self._renewed.add(name)
        if ended:
            self._changed.set()
        return ended

    def pause(self, names: Iterable[str]) -> None:
        """Do not carry these streams while others bring the same events (BN-MD-15)."""
        self._paused.update(names)
        self._changed.set()

    def resume(self, names: Iterable[str]) -> None:
        """Carry them again."""
        self._paused.difference_update(names)
        self._changed.set()

    # ---- what the pool says -------------------------------------------------------------------

    def on_stream(self, name: str, state: StreamState, code: object, message: str) -> None:
        """Take note of the venue's answer about a stream.

        A refusal is final for a stream that was never confirmed. One that was, and is refused
        when a new connection asks for it again, is asked for once more after a while.
        """
        if state is StreamState.ACTIVE:
            self._active.add(name)
        else:
            self._active.discard(name)
        if name not in self._wanted:
            return
        error: ConnectorError | None = None
        if state is StreamState.ACTIVE:
            self._proven.add(name)
        elif state is StreamState.REFUSED:
            error = VenueError(code if isinstance(code, int) else 0, message)
            if name in self._proven:
                self._retry_later()
            else:
                self._refused.add(name)
        for subscription in self._wanted[name]:
            if name in self._refused:
                subscription.advance(StreamState.REFUSED, error)
            elif error is not None:
                subscription.advance(StreamState.PENDING, error)
            else:
                self._show(subscription)

    def on_lost(self, names: Iterable[str]) -> None:
        """Take note that the connection that carried these streams is gone."""
        for name in names:
            self._active.discard(name)
            self._silent.discard(name)
            for subscription in self._wanted.get(name, ()):
                self._show(subscription)

    def on_silent(self, name: str) -> None:
        """Take note that a stream was confirmed and says nothing (BN-C-09).

        When it is given up and wanted again it is unsubscribed and subscribed, even if both
        happen in one turn.
        """
        self._silent.add(name)

    def close(self) -> None:
        """Ask for nothing again."""
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None

    def _retry_later(self) -> None:
        if self._retry is None:
            loop = asyncio.get_running_loop()
            self._retry = loop.call_later(REFUSED_RETRY_S, self._retry_now)

    def _retry_now(self) -> None:
        self._retry = None
        self._changed.set()

    def _show(self, subscription: Subscription) -> None:
        if any(name in self._refused for name in subscription.streams):
            return
        served = all(name in self._active or name in self._paused for name in subscription.streams)
        if served:
            subscription.advance(StreamState.ACTIVE)
        else:
            subscription.advance(StreamState.PENDING, subscription.error)

    # ---- the task -----------------------------------------------------------------------------

    async def run(self) -> None:
        """Bring the pool in line, again whenever something changed; ends by cancellation."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self._apply()
            except ConnectorError as error:
                self._on_error(error)
                if isinstance(error, ClientError) and not isinstance(error, QuotaExceeded):
                    # No room, or a connection that is being replaced: new wishes need not wait
                    # for it, but what is wanted must not be forgotten either.
                    self._retry_later()
                    continue
                delay_s = self._backoff.next_delay_s()
                log.warning("streams could not be changed, again in %.1f s: %s", delay_s, error)
                await asyncio.sleep(delay_s)
                self._changed.set()
            else:
                self._backoff.reset()

    async def _apply(self) -> None:
        pool = self.pool
        wanted = [
            name
            for name in self._wanted
            if name not in self._refused and name not in self._paused
        ]
        keep = set(wanted) - self._renewed
        self._renewed.clear()
        gone = [name for name in pool.stream_names if name not in keep]
        if gone:
            self._active.difference_update(gone)
            await pool.unsubscribe(gone)
        if wanted:
            await pool.connect()
            await pool.subscribe(wanted)
