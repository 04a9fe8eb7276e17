"""Sending on a session: now or not at all, or after a bounded wait."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque

from picows import WSMsgType

from ..errors import ClientError, RequestTimeout, TransportError
from .link import Link
from .policy import SessionPolicy
from .ratelimit import QuotaExceeded, RateLimiter

__all__ = ["Outbox"]


class Outbox:
    """Writes to the link that is attached, and lets senders wait for one.

    Whatever is raised here, nothing was written: a message is never lost halfway.

    Parameters
    ----------
    name : str
        For error texts.
    policy : SessionPolicy
        Bounds.
    limiter : RateLimiter, optional
        Limits by key.
    """

    __slots__ = (
        "_limiter",
        "_link",
        "_name",
        "_over",
        "_policy",
        "_waiting",
        "is_ready",
        "refused",
        "sent",
        "sent_bytes",
    )

    def __init__(self, name: str, policy: SessionPolicy, limiter: RateLimiter | None) -> None:
        self._name = name
        self._policy = policy
        self._limiter = limiter
        self._link: Link | None = None
        self._over = False
        self._waiting: deque[asyncio.Future[None]] = deque()
        self.is_ready = False
        self.sent = 0
        self.sent_bytes = 0
        self.refused = 0

    # -- the session's side ------------------------------------------------------------

    @property
    def link(self) -> Link | None:
        """The link that messages go to, None while there is none."""
        return self._link

    def attach(self, link: Link) -> None:
        """Send to this link from now on; those who wait do so until `mark_ready`."""
        self._link = link

    def detach(self) -> None:
        """The link is lost."""
        self._link = None
        self.is_ready = False

    def shut(self) -> None:
        """Nothing will ever be sent again: fail those who wait."""
        self.detach()
        self._over = True
        self._wake()

    def mark_ready(self) -> None:
        """Let those who wait send, in their order."""
        if self._link is None:
            raise ClientError(f"session {self._name} is not connected")
        self.is_ready = True
        self._wake()

    # -- the senders' side -------------------------------------------------------------

    def send(self, data: str | bytes, *, key: str | None, epoch: int | None, binary: bool) -> None:
        """See `Session.send`."""
        link = self._usable(epoch)
        if key is not None and self._limiter is not None and not self._limiter.try_acquire(key):
            self.refused += 1
            raise QuotaExceeded(
                f"session {self._name}: rate limit {key!r} is used up",
                retry_after_s=self._limiter.time_until(key),
            )
        self._write(link, data, binary=binary)

    async def send_wait(
        self,
        data: str | bytes,
        *,
        key: str | None,
        epoch: int | None,
        binary: bool,
        timeout_s: float,
    ) -> None:
        """See `Session.send_wait`."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + timeout_s
        limiter = self._limiter if key is not None else None
        while True:
            if epoch is not None and self._link is not None:
                self._usable(epoch)
            if not self.is_ready:
                await self._wait_change(deadline_s, timeout_s)
            elif limiter is not None and key is not None:
                await limiter.acquire(key, timeout_s=max(0.0, deadline_s - loop.time()))
                limiter = None  # paid
            else:
                self._write(self._usable(epoch), data, binary=binary)
                return

    async def wait_ready(self, *, timeout_s: float) -> None:
        """See `Session.wait_ready`."""
        deadline_s = asyncio.get_running_loop().time() + timeout_s
        while not self.is_ready:
            await self._wait_change(deadline_s, timeout_s)

    # -- inside ------------------------------------------------------------------------

    def _usable(self, epoch: int | None) -> Link:
        link = self._link
        if link is None:
            problem = "is closed" if self._over else "has no connection now"
        elif epoch is not None and epoch != link.epoch:
            problem = f"has replaced connection {epoch}"
        elif not link.is_writable:
            problem = "is losing its connection"
        else:
            return link
        self.refused += 1
        raise ClientError(f"session {self._name} {problem}: nothing was sent")

    def _write(self, link: Link, data: str | bytes, *, binary: bool) -> None:
        unsent = link.transport.underlying_transport.get_write_buffer_size()
        if unsent > self._policy.max_unsent_bytes:
            self.refused += 1
            raise TransportError(
                f"session {self._name}: the peer left {unsent} bytes unread, nothing was sent"
            )
        if isinstance(data, str):
            data = data.encode()
        link.transport.send(WSMsgType.BINARY if binary else WSMsgType.TEXT, data)
        self.sent += 1
        self.sent_bytes += len(data)

    async def _wait_change(self, deadline_s: float, timeout_s: float) -> None:
        """Wait until there may be a ready link, or never will be."""
        if self._over:
            raise ClientError(f"session {self._name} is closed: nothing was sent")
        if len(self._waiting) >= self._policy.max_waiting_sends:
            raise ClientError(f"session {self._name}: too many senders wait for a connection")
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        try:
            async with asyncio.timeout_at(deadline_s):
                await future
        except TimeoutError:
            raise RequestTimeout(
                f"session {self._name}: not ready within {timeout_s:g} s, nothing was sent"
            ) from None
        finally:
            with contextlib.suppress(ValueError):
                self._waiting.remove(future)

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, deque()
        for future in waiting:
            if not future.done():
                future.set_result(None)
