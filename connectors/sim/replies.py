"""Faults of HTTP: refused handshakes, and answers that are wrong, late, lost or cut short."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web

__all__ = [
    "HandshakeFault",
    "Hold",
    "Reply",
    "as_payload",
    "cut",
    "cut_short",
    "handshake_action",
    "use_up",
]

HandshakeAction = Callable[[web.BaseRequest], Awaitable[web.StreamResponse | None]]
HANDSHAKE_MODES = ("status", "slow", "close", "garbage")


@dataclass(slots=True, eq=False)
class Reply:
    """What happens to the next requests of one kind.

    Parameters
    ----------
    endpoint
        The kind, as the venue names it.
    status, body
        In place of the true ones.
    drop, truncate
        Cut the TCP connection instead of answering, or in the middle of the answer.
    execute
        Whether the request is carried out.
    probability
        Below 1 not every request is hit.
    count
        Requests until it is over; None: until it is taken off.
    """

    endpoint: str
    status: int | None = None
    body: bytes | None = None
    delay_s: float = 0.0
    drop: bool = False
    truncate: bool = False
    execute: bool = True
    retry_after_s: int | None = None
    probability: float = 1.0
    count: int | None = 1

    def over(self, status: int, body: bytes) -> tuple[int, bytes]:
        """Return status and body as they leave, given the true ones."""
        return (
            status if self.status is None else self.status,
            body if self.body is None else self.body,
        )

    async def spoil(
        self,
        request: web.BaseRequest,
        body: bytes,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> web.StreamResponse | None:
        """Hold the answer up, then end it if that is the fault; None lets `body` go out."""
        if self.delay_s:
            await sleep(self.delay_s)
        if self.drop:
            return cut(request)
        return cut_short(request, body) if self.truncate else None


class Hold:
    """An answer kept back: the request has been carried out, the reply waits."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.reached = asyncio.Event()
        self._go = asyncio.Event()

    def release(self) -> None:
        self._go.set()

    @property
    def released(self) -> bool:
        return self._go.is_set()

    async def wait(self) -> None:
        await self._go.wait()


@dataclass(slots=True, eq=False)
class HandshakeFault:
    """What happens to the next `count` handshakes of a path; None continues the handshake."""

    act: HandshakeAction
    path: str | None
    count: int | None


def handshake_action(
    mode: str, *, status: int, retry_after_s: Any = None, delay_s: float = 0.0
) -> HandshakeAction:
    """Return what refuses a handshake: `mode` is status, slow, close or garbage."""

    async def act(request: web.BaseRequest) -> web.StreamResponse | None:
        transport = request.transport
        assert transport is not None
        if mode == "slow":
            await asyncio.sleep(delay_s)
            return None
        if mode == "status":
            headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
            return web.Response(status=status, headers=headers)
        if mode == "garbage":
            transport.write(b"\x16\x03\x01 this is not HTTP\r\n\r\n")
            transport.close()
            return web.Response(status=500)
        ws = web.WebSocketResponse(autoping=False, autoclose=False, compress=False)
        await ws.prepare(request)
        transport.close()
        return ws

    return act


def cut(request: web.BaseRequest) -> web.StreamResponse:
    """End the TCP connection instead of answering."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response(status=500)


def cut_short(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
    """Promise the whole body and send half of it."""
    assert request.transport is not None
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    request.transport.write(head.encode() + body[: len(body) // 2])
    request.transport.close()
    return web.Response(status=500)


def use_up(fault: Any, standing: list[Any]) -> None:
    """Count one use of a standing fault; forget it after the last."""
    if fault.count is not None:
        fault.count -= 1
        if fault.count <= 0:
            standing.remove(fault)


def as_payload(value: Any) -> bytes:
    """Return bytes and text as they are, anything else as JSON."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    return orjson.dumps(value)
