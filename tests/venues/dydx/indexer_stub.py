"""A WebSocket server that notes every byte it gets, and says what it is told."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web

from patience import until

WIRE = Path(__file__).resolve().parents[2] / "data" / "dydx" / "wire"
RAW = {
    each["name"]: each["raw"]
    for each in map(json.loads, (WIRE / "frames.jsonl").read_text().splitlines())
}
FRAMES = {name: json.loads(raw) for name, raw in RAW.items()}


def scenario(name: str) -> list[dict[str, Any]]:
    """Return the lines of a scenario behind its title."""
    lines = (WIRE / f"seq_{name}.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines[1:]]


class StubConnection:
    """One connection as the server sees it."""

    def __init__(self, request: web.Request, socket: web.WebSocketResponse) -> None:
        self.path = request.raw_path
        self.headers = dict(request.headers)
        self.socket = socket
        self.texts: list[str] = []
        self.pings = 0
        self.message_id = 0
        self.ended = asyncio.Event()

    async def say(self, name: str, **changes: Any) -> None:
        """Send a frame of the venue's, some of its members changed, with the next id."""
        frame = {**FRAMES[name], "message_id": self.message_id, **changes}
        self.message_id = frame["message_id"] + 1
        await self.socket.send_str(json.dumps(frame, separators=(",", ":")))

    async def send(self, text: str) -> None:
        """Send a text as it is."""
        await self.socket.send_str(text)

    def drop(self) -> None:
        """Cut the connection without a word."""
        transport = self.socket._req.transport  # type: ignore[union-attr]
        assert transport is not None
        transport.abort()


class IndexerStub:
    """The server.

    Attributes
    ----------
    refuse :
        HTTP statuses for the next upgrades.
    answer :
        Subscribes and unsubscribes are answered, with empty contents.
    """

    def __init__(self, *, answer: bool = True) -> None:
        self.connections: list[StubConnection] = []
        self.refuse: list[int] = []
        self.answer = answer
        self.port = 0
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v4/ws"

    @property
    def texts(self) -> list[str]:
        """All that was sent, connection by connection."""
        return [text for connection in self.connections for text in connection.texts]

    async def connection(self, number: int = 0) -> StubConnection:
        """Wait for a connection."""
        await until(lambda: len(self.connections) > number, what=f"connection {number}")
        return self.connections[number]

    async def heard(self, count: int) -> list[str]:
        """Wait until so many texts came, on all connections."""
        await until(lambda: len(self.texts) >= count, what=f"{count} texts")
        return self.texts

    async def __aenter__(self) -> IndexerStub:
        app = web.Application()
        app.router.add_get("/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *error: object) -> None:
        for connection in self.connections:
            if not connection.ended.is_set():
                connection.drop()
        assert self._runner is not None
        await self._runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if self.refuse:
            return web.Response(status=self.refuse.pop(0))
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        connection = StubConnection(request, socket)
        self.connections.append(connection)
        await connection.say("connected")
        try:
            async for message in socket:
                if message.type is WSMsgType.PING:
                    connection.pings += 1
                    await socket.pong(message.data)
                elif message.type is WSMsgType.TEXT:
                    connection.texts.append(message.data)
                    if self.answer:
                        await self._answer(connection, json.loads(message.data))
        except ConnectionError:
            pass
        finally:
            connection.ended.set()
        return socket

    async def _answer(self, connection: StubConnection, frame: dict[str, Any]) -> None:
        about = {key: frame[key] for key in ("channel", "id") if key in frame}
        if frame["type"] == "subscribe":
            contents: dict[str, Any] = {
                "v4_orderbook": {"bids": [], "asks": []},
                "v4_trades": {"trades": []},
                "v4_candles": {"candles": []},
                "v4_markets": {"markets": {}},
                "v4_block_height": FRAMES["subscribed_block_height"]["contents"],
            }.get(frame["channel"], {})
            if frame["channel"] == "v4_block_height":
                about["id"] = "v4_block_height"
            reply = {"type": "subscribed", **about, "contents": contents}
        elif frame["type"] == "unsubscribe":
            reply = {"type": "unsubscribed", **about}
        else:
            return
        reply |= {"connection_id": FRAMES["connected"]["connection_id"]}
        reply |= {"message_id": connection.message_id}
        connection.message_id += 1
        await connection.socket.send_str(json.dumps(reply, separators=(",", ":")))
