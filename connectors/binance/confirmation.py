"""What became of the streams of one subscribe call."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from ..errors import ConnectorError, RequestTimeout

__all__ = ["Confirmation"]


class Confirmation:
    """What became of the streams of one `subscribe` call (BN-S-52)."""

    __slots__ = ("_waiters", "failed", "pending")

    def __init__(self, names: Iterable[str]) -> None:
        self.pending = set(names)
        self.failed: dict[str, ConnectorError] = {}
        self._waiters: list[asyncio.Future[None]] = []

    @property
    def is_done(self) -> bool:
        """Whether every stream is confirmed or failed."""
        return not self.pending

    async def wait(self, *, timeout_s: float = 10.0) -> Mapping[str, ConnectorError]:
        """Wait for the venue's answers; return the streams that failed, with the reasons.

        Raises
        ------
        RequestTimeout
            Some are still unanswered.
        """
        if self.pending:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            try:
                async with asyncio.timeout(timeout_s):
                    await waiter
            except TimeoutError:
                some = ", ".join(sorted(self.pending)[:3])
                raise RequestTimeout(
                    f"{len(self.pending)} streams unanswered after {timeout_s:g} s: {some}"
                ) from None
            finally:
                self._waiters.remove(waiter)
        return MappingProxyType(self.failed)

    def settle(self, name: str, error: ConnectorError | None) -> None:
        """Note the answer about one stream; for the pool."""
        if name not in self.pending:
            return
        self.pending.discard(name)
        if error is not None:
            self.failed[name] = error
        if not self.pending:
            for waiter in self._waiters:
                if not waiter.done():
                    waiter.set_result(None)
