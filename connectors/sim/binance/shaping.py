"""Faults of a connection's output: slow, split, fragmented, rewritten frames (BN-M-32, BN-M-41)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import orjson

from ..wsframes import CONTINUATION, PING, TEXT, encode

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
    segment
        Bytes per write, each in a TCP segment of its own; 1 for one-byte writes.
    fragment
        Payload bytes per websocket fragment.
    ping_between
        A ping between the first fragment and the next.
    merge_ms
        Frames of that long go out in one write.
    unknown_keys, shuffled_keys
        Text payloads get a key nobody knows, or their keys in another order (BN-F-01, BN-F-02).
    count
        Frames until it is over.
    """

    delay_ms: float = 0.0
    bytes_per_s: float = 0.0
    segment: int = 0
    fragment: int = 0
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
        self._ended = False
        self.task = asyncio.get_running_loop().create_task(self._run())

    def put(self, payload: bytes, opcode: int) -> bool:
        """Take a frame; False if too many wait already."""
        try:
            self._queue.put_nowait((payload, opcode))
        except asyncio.QueueFull:
            return False
        return True

    def end(self) -> None:
        """Stop bending; what waits is written at once and the connection is normal again."""
        self._ended = True
        self._queue.put_nowait((b"", -1))

    async def _run(self) -> None:
        while not (self._ended and self._queue.empty()) and self._left:
            payload, opcode = await self._queue.get()
            if opcode < 0:
                continue
            if self._ended:
                self._write(encode(payload, opcode))
                continue
            self._left -= 1
            await self._send(payload, opcode)
        while not self._queue.empty():
            payload, opcode = self._queue.get_nowait()
            if opcode >= 0:
                self._write(encode(payload, opcode))
        self._on_idle()

    async def _send(self, payload: bytes, opcode: int) -> None:
        shaping = self.shaping
        if shaping.delay_ms:
            await asyncio.sleep(shaping.delay_ms / 1000)
        data = b"".join(self._frames(payload, opcode))
        if shaping.merge_ms:
            await asyncio.sleep(shaping.merge_ms / 1000)
            while not self._queue.empty() and self._left:
                payload, opcode = self._queue.get_nowait()
                if opcode >= 0:
                    self._left -= 1
                    data += b"".join(self._frames(payload, opcode))
        size = shaping.segment or len(data)
        if shaping.bytes_per_s:
            size = min(size, max(1, int(shaping.bytes_per_s / 100)))
        for start in range(0, len(data), size):
            piece = data[start : start + size]
            if not self._write(piece):
                return
            # The pause lets the loop flush, so that the pieces are segments of their own.
            await asyncio.sleep(len(piece) / shaping.bytes_per_s if shaping.bytes_per_s else 0)

    def _frames(self, payload: bytes, opcode: int) -> Iterator[bytes]:
        shaping = self.shaping
        if opcode == TEXT and (shaping.unknown_keys or shaping.shuffled_keys):
            payload = self._rewrite(payload)
        size = shaping.fragment
        if not size or opcode != TEXT or len(payload) <= size:
            yield encode(payload, opcode)
            return
        for start in range(0, len(payload), size):
            last = start + size >= len(payload)
            yield encode(
                payload[start : start + size], TEXT if start == 0 else CONTINUATION, fin=last
            )
            if start == 0 and shaping.ping_between:
                self._on_ping()
                yield encode(b"between fragments", PING)

    def _rewrite(self, payload: bytes) -> bytes:
        try:
            value = orjson.loads(payload)
        except orjson.JSONDecodeError:
            return payload
        return orjson.dumps(self._changed(value))

    def _changed(self, value: object) -> object:
        if isinstance(value, list):
            return [self._changed(item) for item in value]
        if not isinstance(value, dict):
            return value
        items = [(key, self._changed(item)) for key, item in value.items()]
        if self.shaping.unknown_keys:
            items.insert(self._source.randrange(len(items) + 1), ("zz", {"new": [1, "2", None]}))
        if self.shaping.shuffled_keys:
            self._source.shuffle(items)
        return dict(items)
