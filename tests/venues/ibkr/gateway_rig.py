"""A gateway of a few lines: what a test says it answers, and what it was asked."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web

DATA = Path(__file__).resolve().parents[2] / "data" / "ibkr"
SESSION = "bb665d0f55b6289d70bc7380089fc96f"


def table(name: str) -> dict[str, Any]:
    """Return a data file."""
    found: dict[str, Any] = json.loads((DATA / name).read_text())
    return found


class Link:
    """One WebSocket of the gateway."""

    def __init__(self, socket: web.WebSocketResponse, request: web.Request) -> None:
        self.socket = socket
        self.headers = request.headers
        self.path = request.path_qs
        self.texts: list[str] = []
        self.pongs: list[bytes] = []
        self.closed = asyncio.Event()
        self._transport = request.transport

    async def text(self, text: str) -> None:
        await self.socket.send_str(text)

    async def binary(self, data: bytes) -> None:
        await self.socket.send_bytes(data)

    async def frame(self, data: bytes, kind: WSMsgType) -> None:
        await self.socket.send_frame(data, kind)

    def abort(self) -> None:
        assert self._transport is not None
        self._transport.abort()


class ToyGateway:
    """HTTP answers by path, one WebSocket handler; everything is noted."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, Any] | Callable[[web.Request], Any]] = {
            "/tickle": (200, {"session": SESSION})
        }
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.links: list[Link] = []
        self.linked = asyncio.Event()
        self.ws_status = 101
        self.base_url = ""

    async def http(self, request: web.Request) -> web.StreamResponse:
        path = request.path.removeprefix("/v1/api")
        if path == "/ws":
            return await self.ws(request)
        body = await request.read()
        self.requests.append((request.method, request.path_qs, dict(request.headers), body))
        answer = self.answers.get(
            path, (404, "<html><body><h1>Resource not found</h1></body></html>")
        )
        if callable(answer):
            answer = answer(request)
        if inspect.isawaitable(answer):
            answer = await answer
        if isinstance(answer, web.StreamResponse):
            return answer
        status, content = answer
        if isinstance(content, str):
            return web.Response(status=status, text=content)
        return web.json_response(content, status=status)

    async def ws(self, request: web.Request) -> web.StreamResponse:
        if self.ws_status != 101:
            return web.Response(status=self.ws_status)
        socket = web.WebSocketResponse(autoping=False, autoclose=False)
        await socket.prepare(request)
        link = Link(socket, request)
        self.links.append(link)
        self.linked.set()
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    link.texts.append(message.data)
                elif message.type is WSMsgType.PONG:
                    link.pongs.append(bytes(message.data))
            await socket.close()
        finally:
            link.closed.set()
        return socket


@contextlib.asynccontextmanager
async def toy_gateway(*, tls: ssl.SSLContext | None = None) -> AsyncIterator[ToyGateway]:
    """Serve a `ToyGateway` on a port of its own."""
    gateway = ToyGateway()
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", gateway.http)
    runner = web.AppRunner(app, shutdown_timeout=0.2)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    assert runner.addresses
    scheme = "http" if tls is None else "https"
    gateway.base_url = f"{scheme}://127.0.0.1:{runner.addresses[0][1]}/v1/api"
    try:
        yield gateway
    finally:
        for link in gateway.links:
            link.abort()
        await runner.cleanup()
