"""One connection of a session: picows' transport, its listener, and the epoch they belong to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from picows import WSCloseCode, WSListener, WSTransport

from .hangup import watch_hangup

__all__ = ["CountingListener", "Link", "LinkOwner"]


class CountingListener(Protocol):
    """What a session reads of a listener; `FeedListener` has it."""

    @property
    def frames(self) -> int:
        """Frames of any kind received."""

    @property
    def messages(self) -> int:
        """Complete data messages received."""

    @property
    def bytes_received(self) -> int:
        """Bytes of these messages."""

    @property
    def errors(self) -> int:
        """Messages the decoder refused, and violations of the protocol."""


class LinkOwner(Protocol):
    """Whom a link tells what happens on it."""

    def link_up(self, link: Link) -> None:
        """The upgrade is complete; no frame has been handled yet."""

    def link_down(self, link: Link, code: int, reason: str, *, clean: bool) -> None:
        """The socket is gone."""

    def link_pong(self, link: Link, payload: bytes) -> None:
        """A pong arrived."""

    def link_problem(self, link: Link, error: Exception, data: bytes | None) -> None:
        """A message was refused or the protocol violated."""


class Link:
    """Owner of one connection's listener; stamps its reports with the epoch."""

    __slots__ = ("_kill", "_owner", "_unwatch", "epoch", "listener", "transport")

    transport: WSTransport
    listener: WSListener

    def __init__(self, owner: LinkOwner, epoch: int) -> None:
        self._owner = owner
        self._kill: asyncio.TimerHandle | None = None
        self._unwatch: Callable[[], None] | None = None
        self.epoch = epoch

    @property
    def counts(self) -> CountingListener:
        """The listener's counters."""
        return self.listener  # type: ignore[return-value]

    @property
    def is_writable(self) -> bool:
        """Whether bytes written now can reach the peer; picows drops others silently."""
        transport = self.transport
        return not (
            transport.is_disconnected
            or transport.is_close_frame_sent
            or transport.underlying_transport.is_closing()
        )

    def drop(self, code: int | None, within_s: float) -> None:
        """Close with a code and abort if that takes longer than `within_s`; None: abort now."""
        transport = self.transport
        if code is None:
            transport.disconnect(graceful=False)
        elif self._kill is None:
            transport.send_close(WSCloseCode(code))
            self._kill = asyncio.get_running_loop().call_later(
                within_s, transport.disconnect, False
            )

    # What FeedListener calls:

    def on_feed_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        below = transport.underlying_transport
        self._unwatch = watch_hangup(below, below.get_extra_info("socket").fileno())
        self._owner.link_up(self)

    def on_feed_disconnected(self, code: int, reason: str, clean: bool) -> None:
        if self._kill is not None:
            self._kill.cancel()
            self._kill = None
        if self._unwatch is not None:
            self._unwatch()
            self._unwatch = None
        self._owner.link_down(self, code, reason, clean=clean)

    def on_feed_problem(self, error: Exception, data: bytes | None) -> None:
        self._owner.link_problem(self, error, data)

    def on_feed_pong(self, payload: bytes) -> None:
        self._owner.link_pong(self, payload)
