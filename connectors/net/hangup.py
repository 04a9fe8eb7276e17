"""Notice connections that were reset while the event loop looked away.

A reset that comes together with data makes epoll report an error beside the data. libuv, under
uvloop, takes that for a bad descriptor (UV_EBADF): it calls the reader once more and watches the
descriptor no longer. A reader that takes the data and waits for the next call, as
aiofastnet's under picows does, is never called again: what is left in the socket is lost, and so
is the news that the connection is dead. Here every connection is also watched by an epoll of our
own, which only ends and errors make ready, so it costs nothing while data flows.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import select
import weakref
from collections.abc import Callable
from typing import Protocol

__all__ = ["ReadingTransport", "watch_hangup"]

log = logging.getLogger("connectors.net.hangup")

# Times in which a dead socket must have been read to its end: each reads 64 KiB or more, and a
# receive buffer holds a few MiB.
MOST_TURNS = 1_000
PAUSED_S = 0.05


class ReadingTransport(Protocol):
    """What is needed of a transport."""

    def is_closing(self) -> bool:
        """Whether its end is known."""

    def is_reading(self) -> bool:
        """Whether it reads; not while it is closing or its owner has paused it."""

    def pause_reading(self) -> None:
        """Take the socket off the event loop."""

    def resume_reading(self) -> None:
        """Put the socket on the event loop."""

    def abort(self) -> None:
        """Close at once."""


class _HangupWatch:
    """The epoll of one event loop; there as long as it watches something."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._epoll = select.epoll()
        self._watched: dict[int, ReadingTransport] = {}
        loop.add_reader(self._epoll.fileno(), self._ready)

    def add(self, number: int, transport: ReadingTransport) -> None:
        # No event is asked for: ends and errors are always told. Once, or a transport that takes
        # its time to close would keep the loop busy.
        self._epoll.register(number, select.EPOLLONESHOT)
        self._watched[number] = transport

    def remove(self, number: int, transport: ReadingTransport) -> None:
        if self._watched.get(number) is not transport:
            return
        del self._watched[number]
        with contextlib.suppress(OSError):  # closed by now, and so forgotten
            self._epoll.unregister(number)
        if not self._watched:
            _watches.pop(id(self._loop), None)
            if not self._loop.is_closed():
                self._loop.remove_reader(self._epoll.fileno())
            self._epoll.close()

    def _ready(self) -> None:
        for number, _ in self._epoll.poll(0):
            transport = self._watched.get(number)
            if transport is not None:
                self._let_read(number, transport, MOST_TURNS)

    def _let_read(self, number: int, transport: ReadingTransport, turns: int) -> None:
        """Look again when the loop has had a turn to read by itself.

        asyncio would call a read off if the transport were paused in the same turn.
        """
        self._loop.call_soon(self._loop.call_soon, self._read_on, number, transport, turns)

    def _read_on(self, number: int, transport: ReadingTransport, turns: int) -> None:
        """Have the transport read until it has seen the end itself."""
        if transport.is_closing() or self._watched.get(number) is not transport:
            return
        if not transport.is_reading():
            self._loop.call_later(PAUSED_S, self._read_on, number, transport, turns)
        elif turns:
            transport.pause_reading()
            transport.resume_reading()
            self._let_read(number, transport, turns - 1)
        else:
            log.warning("a connection that was reset could not be read to its end")
            transport.abort()


# By the id of the loop, which its watch keeps. The loop keeps the watch: both go together, also
# when it was closed before its connections were.
_watches: weakref.WeakValueDictionary[int, _HangupWatch] = weakref.WeakValueDictionary()


def watch_hangup(transport: ReadingTransport, number: int) -> Callable[[], None]:
    """See to it that a transport learns of the end of its connection.

    Parameters
    ----------
    transport :
        An open one, on the running loop.
    number : int
        The descriptor of its socket.

    Returns
    -------
    callable
        Ends the watch; to be called before the descriptor is closed.

    Notes
    -----
    Does nothing where there is no epoll; whether other systems' loops have the flaw is not known.
    """
    if not hasattr(select, "epoll"):
        return _nothing
    loop = asyncio.get_running_loop()
    watch = _watches.get(id(loop))
    if watch is None:
        watch = _watches[id(loop)] = _HangupWatch(loop)
    watch.add(number, transport)

    def end() -> None:
        watch.remove(number, transport)

    return end


def _nothing() -> None:
    """End a watch that never was."""
