"""Faults of a connection's output: slow, split, merged, fragmented, rewritten frames."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .rewriting import rewritten
from .wsframes import CONTINUATION, PING, TEXT, encode

__all__ = ["Shaper", "Shaping"]


@dataclass(slots=True)
class Shaping:
    """How the frames of one connection are bent. Zero switches a property off.

    Parameters
    ----------
    delay_ms
        Held back before each frame; frames behind it wait too.
    bytes_per_s
        Bandwidth.
    segment, writes
        Bytes per write, each in a TCP segment of its own, 1 for one-byte writes; or into how many
        writes every frame is split.
    fragment, fragments
        Payload bytes per websocket fragment; or how many fragments a text frame is sent in.
    ping_between
        A ping between the first fragment and the next.
    merge_ms
        Frames of that long go out in one write.
    unknown_keys, shuffled_keys
        Text payloads get a key nobody knows, or their keys in another order.
    count
        Frames until it is over.
    """

    delay_ms: float = 0.0
    bytes_per_s: float = 0.0
    segment: int = 0
    writes: int = 0
    fragment: int = 0
    fragments: int = 0
    ping_between: bool = False
    merge_ms: float = 0.0
    unknown_keys: bool = False
    shuffled_keys: bool = False
    count: int = 0


class Shaper:
    """Writes the frames of one connection as a `Shaping` says, in order, on its own task.

    Parameters
    ----------
    write
        Takes bytes to the socket; false when the connection is gone.
    on_idle
        Called once, when the shaping is over and everything has been written.
    on_ping
        Called for each ping put between fragments.
    limit
        Frames that may wait; more is a consumer that is too slow.
    """

    def __init__(
        self,
        shaping: Shaping,
        write: Callable[[bytes], bool],
        on_idle: Callable[[], None],
        on_ping: Callable[[], None],
        *,
        source: random.Random,
        limit: int = 100_000,
    ) -> None:
        self.shaping = shaping
        self._write = write
        self._on_idle = on_idle
        self._on_ping = on_ping
        self._source = source
        self._queue: asyncio.Queue[tuple[bytes, int]] = asyncio.Queue(limit)
        self._left = shaping.count or -1
        self._begun = b""  # bytes of frames that were taken from the queue
        self._written = 0  # how many of them have left
        self._task = asyncio.get_running_loop().create_task(self._run())

    def put(self, payload: bytes, opcode: int) -> bool:
        """Take a frame; False if too many wait already."""
        try:
            self._queue.put_nowait((payload, opcode))
        except asyncio.QueueFull:
            return False
        return True

    def finish(self) -> None:
        """Write what waits at once, unbent; the connection is normal again."""
        self._task.cancel()
        self._drain()

    def cancel(self) -> None:
        """End with the connection; what waits is lost."""
        self._task.cancel()

    def _drain(self) -> None:
        rest = self._begun[self._written :]
        while not self._queue.empty():
            rest += encode(*self._queue.get_nowait())
        if rest:
            self._write(rest)
        self._on_idle()

    async def _run(self) -> None:
        while self._left:
            self._begun, self._written = self._frame(*await self._queue.get()), 0
            shaping = self.shaping
            if shaping.delay_ms:
                await asyncio.sleep(shaping.delay_ms / 1000)
            if shaping.merge_ms:
                await asyncio.sleep(shaping.merge_ms / 1000)
                while self._left and not self._queue.empty():
                    self._begun += self._frame(*self._queue.get_nowait())
            await self._write_begun()
        self._drain()

    async def _write_begun(self) -> None:
        shaping, total = self.shaping, len(self._begun)
        size = shaping.segment or (-(-total // shaping.writes) if shaping.writes else total)
        if shaping.bytes_per_s:
            size = min(size, max(1, int(shaping.bytes_per_s / 100)))
        while self._written < total:
            piece = self._begun[self._written : self._written + size]
            self._written += len(piece)
            if not self._write(piece):
                self._written = total
                return
            # The pause lets the loop flush, so that the pieces are segments of their own.
            await asyncio.sleep(len(piece) / shaping.bytes_per_s if shaping.bytes_per_s else 0)

    def _frame(self, payload: bytes, opcode: int) -> bytes:
        """Return the bytes of one frame, which counts as bent from here on."""
        self._left -= 1
        shaping = self.shaping
        if opcode != TEXT:
            return encode(payload, opcode)
        if shaping.unknown_keys or shaping.shuffled_keys:
            payload = rewritten(
                payload,
                self._source,
                unknown_key="zz" if shaping.unknown_keys else "",
                shuffled_keys=shaping.shuffled_keys,
            )
        size = shaping.fragment
        if shaping.fragments:
            size = max(-(-len(payload) // shaping.fragments), 1)
        return b"".join(self._fragments(payload, size or len(payload)))

    def _fragments(self, payload: bytes, size: int) -> Iterator[bytes]:
        if len(payload) <= size:
            yield encode(payload, TEXT)
            return
        for start in range(0, len(payload), size):
            last = start + size >= len(payload)
            yield encode(
                payload[start : start + size], TEXT if start == 0 else CONTINUATION, fin=last
            )
            if start == 0 and self.shaping.ping_between:
                self._on_ping()
                yield encode(b"between fragments", PING)
