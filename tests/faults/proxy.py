"""A TCP proxy on 127.0.0.1 that breaks connections in every way a network can.

::

    async with FaultProxy("127.0.0.1", venue_port) as proxy:
        session = Session(..., url=f"ws://127.0.0.1:{proxy.port}/ws")
        ...
        proxy.reset()                      # RST on every connection
        conn = await proxy.wait_connection(2)
        conn.stall()                       # this one only: nothing passes, nothing closes

Faults of `FaultProxy` act on all present connections, and those that set a condition
(`stall`, `half_open`, `delay`, `chunk`, `slow_reader`) on future ones too, until `heal()`.
Faults of a `Connection` act on that one. `Way.DOWN` is towards the client.

==================  ===========================================================
fault               what the client sees
==================  ===========================================================
reset()             RST: ECONNRESET
finish()            FIN, even in the middle of a frame
cut_after(n, how)   the next n bytes, then RST, FIN or silence
stall(way)          bytes stop, both sockets stay open; resume() delivers them
half_open()         the peer is gone without a word: bytes are swallowed both ways
delay(seconds)      every chunk arrives that much later, in order
chunk(size)         bytes arrive in pieces of at most that size, each a packet
slow_reader(rate)   the peer reads `rate` bytes per second: the client's buffer fills
refuse(...)         HTTP answer instead of the upgrade, for the next n connections
hang_next(n)        connection accepted, then nothing at all, for the next n
drop_next(n)        connection accepted and reset at once, for the next n
close_port()        connection refused, until open_port()
inject(data)        bytes the venue never sent
==================  ===========================================================

Nothing here waits longer than the test lets it: `close()` ends everything.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import socket
import struct
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Self

from patience import GRACE_S

__all__ = ["Connection", "FaultProxy", "How", "Way"]

CHUNK = 65_536


class Way(enum.Enum):
    """A direction."""

    UP = "up"  # client to venue
    DOWN = "down"  # venue to client
    BOTH = "both"

    def covers(self, other: Way) -> bool:
        return self is Way.BOTH or self is other


class How(enum.Enum):
    """How a connection ends."""

    RST = "rst"
    FIN = "fin"
    SILENCE = "silence"


@dataclass
class _Conditions:
    """What is done to the bytes of one direction."""

    delay_s: float = 0.0
    chunk: int = CHUNK
    rate: float | None = None
    swallow: bool = False
    open: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.open.set()


class Connection:
    """One client connection and the one to the venue behind it."""

    def __init__(self, number: int, client: socket.socket, venue: socket.socket) -> None:
        self.number = number
        self.bytes_up = 0
        self.bytes_down = 0
        self.bytes_swallowed = 0
        self._client = client
        self._venue = venue
        self._conditions = {Way.UP: _Conditions(), Way.DOWN: _Conditions()}
        self._cut: tuple[int, How] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._outgoing = asyncio.Lock()
        self.closed = asyncio.Event()

    @property
    def is_open(self) -> bool:
        """Whether the client's socket is still open on our side."""
        return not self.closed.is_set()

    def reset(self) -> None:
        """Send RST to the client and drop the venue's connection."""
        self._end(How.RST)

    def finish(self) -> None:
        """Send FIN to the client now, wherever the byte stream stands."""
        self._end(How.FIN)

    def cut_after(self, count: int, how: How = How.FIN) -> None:
        """Let `count` more bytes through to the client, then end: FIN in mid-frame."""
        self._cut = (count, how)
        if count == 0:
            self._end(how)

    def stall(self, way: Way = Way.BOTH) -> None:
        """Let nothing through; both sockets stay open and what is sent waits in them."""
        for conditions in self._of(way):
            conditions.open.clear()

    def resume(self, way: Way = Way.BOTH) -> None:
        """End a stall; what was held back is delivered."""
        for conditions in self._of(way):
            conditions.open.set()

    def half_open(self, way: Way = Way.BOTH) -> None:
        """Swallow all bytes; the client is not told that the venue is gone."""
        for conditions in self._of(way):
            conditions.swallow = True

    def delay(self, seconds: float, way: Way = Way.BOTH) -> None:
        """Hold each chunk back that long."""
        for conditions in self._of(way):
            conditions.delay_s = seconds

    def chunk(self, size: int, way: Way = Way.BOTH) -> None:
        """Write at most `size` bytes at a time, each in a packet of its own."""
        for conditions in self._of(way):
            conditions.chunk = size

    def slow_reader(self, rate: float) -> None:
        """Take only `rate` bytes per second from the client."""
        self._client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._conditions[Way.UP].rate = rate

    def heal(self) -> None:
        """End all conditions; what was swallowed stays lost."""
        for conditions in self._conditions.values():
            conditions.delay_s, conditions.chunk = 0.0, CHUNK
            conditions.rate, conditions.swallow = None, False
            conditions.open.set()

    async def inject(self, data: bytes) -> None:
        """Send bytes to the client that the venue never sent."""
        async with self._outgoing:
            await asyncio.get_running_loop().sock_sendall(self._client, data)

    def _of(self, way: Way) -> list[_Conditions]:
        return [c for side, c in self._conditions.items() if way.covers(side)]

    def _start(self) -> None:
        self._tasks = [
            asyncio.create_task(self._pump(Way.UP), name=f"proxy-{self.number}-up"),
            asyncio.create_task(self._pump(Way.DOWN), name=f"proxy-{self.number}-down"),
        ]

    async def _pump(self, way: Way) -> None:
        loop = asyncio.get_running_loop()
        source, sink = (self._client, self._venue) if way is Way.UP else (self._venue, self._client)
        conditions = self._conditions[way]
        try:
            while True:
                await conditions.open.wait()
                size = CHUNK
                if conditions.rate is not None:
                    size = max(1, round(conditions.rate / 20))
                    await asyncio.sleep(size / conditions.rate)
                data = await loop.sock_recv(source, size)
                await conditions.open.wait()
                if not data:
                    break
                if conditions.delay_s:
                    await asyncio.sleep(conditions.delay_s)
                if conditions.swallow:
                    self.bytes_swallowed += len(data)
                    continue
                await self._forward(way, sink, data, conditions)
        except OSError:
            if not conditions.swallow:
                self._end(How.RST)
            return
        if not conditions.swallow:
            with contextlib.suppress(OSError):
                sink.shutdown(socket.SHUT_WR)
            if way is Way.DOWN:
                self._end(How.FIN)

    async def _forward(
        self, way: Way, sink: socket.socket, data: bytes, conditions: _Conditions
    ) -> None:
        loop = asyncio.get_running_loop()
        position = 0
        while position < len(data):
            piece = data[position : position + conditions.chunk]
            if way is Way.DOWN and self._cut is not None:
                count, how = self._cut
                piece = piece[:count]
                self._cut = (count - len(piece), how)
            async with self._outgoing if way is Way.DOWN else contextlib.nullcontext():
                await loop.sock_sendall(sink, piece)
            if way is Way.DOWN:
                self.bytes_down += len(piece)
                if self._cut is not None and self._cut[0] == 0:
                    self._end(self._cut[1])
                    if self._cut[1] is How.SILENCE:
                        return
                    await asyncio.sleep(3600)  # cancelled by _end
            else:
                self.bytes_up += len(piece)
            position += len(piece)
            if conditions.chunk < CHUNK:
                await asyncio.sleep(0)  # let the other side read this piece alone

    def _end(self, how: How) -> None:
        if self.closed.is_set():
            return
        if how is How.SILENCE:
            self.half_open()
            return
        self.closed.set()
        current = asyncio.current_task()
        loop = asyncio.get_running_loop()
        for task in self._tasks:
            if task is not current:
                task.cancel()
            else:
                loop.call_soon(task.cancel)
        if how is How.RST:
            _reset(self._client)
        else:
            with contextlib.suppress(OSError):
                self._client.shutdown(socket.SHUT_WR)  # before close: unread bytes would reset
        # Closed a turn later: the cancelled pumps must let go of the descriptors first.
        loop.call_soon(self._close_sockets)

    def _close_sockets(self) -> None:
        for sock in (self._client, self._venue):
            _unwatch(sock)
            sock.close()

    async def _closed_down(self) -> None:
        self._end(How.RST)
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._close_sockets()


class FaultProxy:
    """Listens on a free port and forwards to one venue; an async context manager.

    Parameters
    ----------
    host, port : str, int
        The venue.
    """

    def __init__(self, host: str, port: int) -> None:
        self.port = 0
        self.connections: list[Connection] = []
        self.accepted = 0
        self._target = (host, port)
        self._listening: socket.socket | None = None
        self._held: socket.socket | None = None  # bound and deaf
        self._accepting: asyncio.Task[None] | None = None
        self._starting: set[asyncio.Task[None]] = set()
        self._conditions: dict[str, Callable[[Connection], None]] = {}
        self._specials: list[Callable[[socket.socket], Coroutine[Any, Any, None]]] = []
        self._changed = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self.open_port()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def open_port(self) -> None:
        """Listen, on the same port as before if there was one."""
        listening = self._held or _bound(self.port)
        self._held = None
        listening.listen(128)
        listening.setblocking(False)
        self.port = listening.getsockname()[1]
        self._listening = listening
        self._accepting = asyncio.create_task(self._accept(listening), name="proxy-accept")

    async def close_port(self) -> None:
        """Stop listening: new connections are refused. Present ones go on.

        The port stays ours, or another process could be given it until `open_port`.
        """
        if self._accepting is not None:
            self._accepting.cancel()
            await asyncio.gather(self._accepting, return_exceptions=True)
            self._accepting = None
        if self._listening is not None:
            self._held = _bound(self.port)
            self._listening.close()
            self._listening = None

    async def close(self) -> None:
        """End everything."""
        await self.close_port()
        if self._held is not None:
            self._held.close()
            self._held = None
        for task in list(self._starting):
            task.cancel()
        await asyncio.gather(*self._starting, return_exceptions=True)
        await asyncio.gather(*(c._closed_down() for c in self.connections))

    async def wait_connection(self, count: int = 1, *, timeout_s: float = 5.0) -> Connection:
        """Wait until `count` connections have been made in all; return the last of them."""
        async with asyncio.timeout(timeout_s + GRACE_S):
            while len(self.connections) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.connections[count - 1]

    async def wait_accepted(self, count: int, *, timeout_s: float = 5.0) -> None:
        """Wait until `count` clients have been accepted, also those treated badly."""
        async with asyncio.timeout(timeout_s + GRACE_S):
            while self.accepted < count:
                self._changed.clear()
                await self._changed.wait()

    # -- faults of every connection ------------------------------------------------

    def reset(self) -> None:
        """Reset all present connections."""
        for connection in self.connections:
            connection.reset()

    def finish(self) -> None:
        """Send FIN on all present connections."""
        for connection in self.connections:
            connection.finish()

    def stall(self, way: Way = Way.BOTH) -> None:
        """Stall all connections, future ones too."""
        self._set("stall", lambda connection: connection.stall(way))

    def resume(self, way: Way = Way.BOTH) -> None:
        """End a stall."""
        self._conditions.pop("stall", None)
        for connection in self.connections:
            connection.resume(way)

    def half_open(self, way: Way = Way.BOTH) -> None:
        """Swallow the bytes of all connections, future ones too."""
        self._set("half_open", lambda connection: connection.half_open(way))

    def delay(self, seconds: float, way: Way = Way.BOTH) -> None:
        """Delay the bytes of all connections, future ones too."""
        self._set("delay", lambda connection: connection.delay(seconds, way))

    def chunk(self, size: int, way: Way = Way.BOTH) -> None:
        """Cut the bytes of all connections into pieces, of future ones too."""
        self._set("chunk", lambda connection: connection.chunk(size, way))

    def slow_reader(self, rate: float) -> None:
        """Read slowly from all clients, future ones too."""
        self._set("slow_reader", lambda connection: connection.slow_reader(rate))

    def heal(self) -> None:
        """End all conditions and planned refusals."""
        self._conditions.clear()
        self._specials.clear()
        for connection in self.connections:
            connection.heal()

    def _set(self, name: str, apply: Callable[[Connection], None]) -> None:
        self._conditions[name] = apply
        for connection in self.connections:
            if connection.is_open:
                apply(connection)

    # -- faults of the handshake -----------------------------------------------------

    def refuse(
        self,
        status: int,
        headers: dict[str, str] | None = None,
        body: bytes = b"",
        *,
        times: int = 1,
    ) -> None:
        """Answer the next `times` connections with an HTTP status instead of passing them on."""
        lines = [f"HTTP/1.1 {status} Refused", f"Content-Length: {len(body)}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        answer = ("\r\n".join(lines) + "\r\n\r\n").encode() + body
        self._specials += [lambda sock: self._answer(sock, answer)] * times

    def hang_next(self, times: int = 1) -> None:
        """Accept the next connections and never answer."""
        self._specials += [self._hang] * times

    def drop_next(self, times: int = 1) -> None:
        """Accept the next connections and reset them at once."""
        self._specials += [self._drop] * times

    async def _answer(self, sock: socket.socket, answer: bytes) -> None:
        loop = asyncio.get_running_loop()
        try:
            request = b""
            while b"\r\n\r\n" not in request:
                data = await loop.sock_recv(sock, CHUNK)
                if not data:
                    return
                request += data
            await loop.sock_sendall(sock, answer)
            sock.shutdown(socket.SHUT_WR)
            while await loop.sock_recv(sock, CHUNK):
                pass  # closing with unread bytes would reset the answer away
        except OSError:
            pass
        finally:
            sock.close()

    async def _hang(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            while await loop.sock_recv(sock, CHUNK):
                pass
        except OSError:
            pass
        finally:
            sock.close()

    async def _drop(self, sock: socket.socket) -> None:
        _reset(sock)
        sock.close()

    # -- forwarding --------------------------------------------------------------------

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            client, _ = await loop.sock_accept(listening)
            client.setblocking(False)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.accepted += 1
            handle = self._specials.pop(0) if self._specials else self._connect
            task = asyncio.create_task(handle(client), name="proxy-start")
            self._starting.add(task)
            task.add_done_callback(self._starting.discard)
            self._changed.set()

    async def _connect(self, client: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        venue = socket.socket()
        venue.setblocking(False)
        venue.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            await loop.sock_connect(venue, self._target)
        except OSError:
            venue.close()
            await self._drop(client)
            return
        except BaseException:
            venue.close()
            client.close()
            raise
        connection = Connection(len(self.connections) + 1, client, venue)
        for apply in self._conditions.values():
            apply(connection)
        self.connections.append(connection)
        connection._start()
        self._changed.set()


def _bound(port: int) -> socket.socket:
    """Return a socket bound to a port of 127.0.0.1, beside another of ours if need be."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind(("127.0.0.1", port))
    return sock


def _reset(sock: socket.socket) -> None:
    """Make closing the socket send RST instead of FIN."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _unwatch(sock: socket.socket) -> None:
    """Forget the readiness callbacks a cancelled operation may have left on the loop."""
    if sock.fileno() < 0:
        return
    loop = asyncio.get_running_loop()
    for remove in (loop.remove_reader, loop.remove_writer):
        with contextlib.suppress(NotImplementedError, OSError, ValueError, RuntimeError):
            remove(sock)
