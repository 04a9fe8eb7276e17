"""A tiny WebSocket venue on 127.0.0.1 for the fault tests: it echoes, ticks and misbehaves."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from http import HTTPStatus
from typing import Self

import picows

from patience import GRACE_S

__all__ = ["Market", "MarketClient"]


class MarketClient(picows.WSListener):
    """The server's view of one client."""

    def __init__(self, market: Market, request: picows.WSUpgradeRequest) -> None:
        self.market = market
        self.path = request.path.decode()
        self.headers = dict(request.headers)
        self.received: list[bytes] = []
        self.pings = 0
        self.close_code: int | None = None
        self.gone = asyncio.Event()
        self.transport: picows.WSTransport | None = None

    def on_ws_connected(self, transport):
        self.transport = transport
        self.market.clients.append(self)
        self.market.changed.set()
        for text in self.market.greeting:
            self.send(text)

    def on_ws_frame(self, transport, frame):
        kind = frame.msg_type
        payload = frame.get_payload_as_bytes()
        if kind == picows.WSMsgType.PING:
            self.pings += 1
            if self.market.answer_pings:
                transport.send_pong(payload)
        elif kind == picows.WSMsgType.CLOSE:
            self.close_code = int(frame.get_close_code())
            if self.market.answer_close:
                transport.send_close(frame.get_close_code())
                transport.disconnect()
        elif kind in (picows.WSMsgType.TEXT, picows.WSMsgType.BINARY):
            self.received.append(payload)
            if self.market.on_message is not None:
                self.market.on_message(self, payload)
        self.market.changed.set()

    def on_ws_disconnected(self, transport):
        self.gone.set()
        self.market.changed.set()

    def send(self, text: str | bytes) -> None:
        self.transport.send(picows.WSMsgType.TEXT, text)

    def ping(self, payload: bytes = b"venue") -> None:
        self.transport.send_ping(payload)

    def close(self, code: int = 1000, reason: str = "") -> None:
        self.transport.send_close(picows.WSCloseCode(code), reason)
        self.transport.disconnect()


class Market:
    """The server; an async context manager.

    Attributes
    ----------
    clients : list of MarketClient
        Every client ever connected, in order.
    greeting : list of str
        Sent to each client on connecting.
    on_message : callable, optional
        `on_message(client, payload)` for each data message.
    answer_pings, answer_close : bool
        Whether the protocol is kept.
    """

    def __init__(self) -> None:
        self.clients: list[MarketClient] = []
        self.greeting: list[str] = []
        self.on_message: Callable[[MarketClient, bytes], object] | None = None
        self.answer_pings = True
        self.answer_close = True
        self.refuse_status: int | None = None
        self.changed = asyncio.Event()
        self.port = 0
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await picows.ws_create_server(
            self._accept,
            "127.0.0.1",
            0,
            enable_auto_pong=False,
            websocket_handshake_timeout=GRACE_S,
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def _accept(self, request):
        if self.refuse_status is not None:
            response = picows.WSUpgradeResponse.create_error_response(
                HTTPStatus(self.refuse_status), b"no"
            )
            return picows.WSUpgradeResponseWithListener(response, None)
        return MarketClient(self, request)

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        for client in self.clients:
            if not client.gone.is_set():
                client.transport.disconnect(graceful=False)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GRACE_S):
                for client in self.clients:
                    await client.gone.wait()
        await self._server.wait_closed()

    async def until(self, condition: Callable[[], object], *, timeout_s: float = 5.0) -> None:
        """Wait until the condition holds; looked at whenever something happens, and often."""
        async with asyncio.timeout(timeout_s + GRACE_S):
            while not condition():
                self.changed.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.005):
                        await self.changed.wait()
