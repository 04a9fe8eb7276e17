"""A venue that does what a test tells it to, for public data: REST details and one stream."""

from __future__ import annotations

import asyncio
import contextlib
import json
import pathlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from aiohttp import WSMsgType, web

from connectors.lighter.config import Config
from connectors.lighter.data import DataClient
from connectors.net.attempts import AttemptBudget
from connectors.net.ratelimit import Quota

DATA = pathlib.Path(__file__).parents[2] / "data" / "lighter"
FRAMES: dict[str, Any] = json.loads((DATA / "public_frames.json").read_text())


class Venue:
    """Attributes: what the client sent on its sockets, as dicts, with times beside them."""

    def __init__(self) -> None:
        self.frames: list[dict[str, Any]] = []
        self.times: list[float] = []
        self.sockets: list[web.WebSocketResponse] = []
        self.details: Any = FRAMES["details"]
        self.details_asked = 0
        self.greets = True
        self.answers: Callable[[dict[str, Any]], list[Any]] = self.acknowledge
        self.changed = asyncio.Condition()
        self.port = 0

    @staticmethod
    def acknowledge(frame: dict[str, Any]) -> list[Any]:
        """Answer as the `mock` scenario does: bare acknowledgements."""
        if frame["type"] in ("subscribe", "unsubscribe"):
            return [{"type": frame["type"] + "d", "channel": frame["channel"].replace("/", ":")}]
        if frame["type"] == "ping":
            return [{"type": "pong"}]
        return []

    async def _stream(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(autoping=True)
        await socket.prepare(request)
        self.sockets.append(socket)
        if self.greets:
            await socket.send_json({"type": "connected", "session_id": "1"})
        async with self.changed:
            self.changed.notify_all()
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                continue
            frame = json.loads(message.data)
            self.frames.append(frame)
            self.times.append(time.monotonic())
            for answer in self.answers(frame):
                await self.send(answer, socket)
            async with self.changed:
                self.changed.notify_all()
        return socket

    async def _details(self, request: web.Request) -> web.Response:
        self.details_asked += 1
        async with self.changed:
            self.changed.notify_all()
        return web.json_response(self.details)

    async def send(self, frame: Any, socket: web.WebSocketResponse | None = None) -> None:
        """Send a frame, an object or text as it is, on the newest socket."""
        text = frame if isinstance(frame, str) else json.dumps(frame, separators=(",", ":"))
        await (socket or self.sockets[-1]).send_str(text)

    def commands(self) -> list[str]:
        """Return what was subscribed and unsubscribed, as `subscribe order_book/0`."""
        return [
            f"{f['type']} {f['channel']}" for f in self.frames if f["type"].endswith("subscribe")
        ]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something that the client causes here is so."""
        async with self.changed:
            await self.changed.wait_for(condition)


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something of the client is so; the test's own bound ends it otherwise."""
    while not condition():  # noqa: ASYNC110 - it may become true by anybody's doing
        await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def venue() -> AsyncIterator[Venue]:
    """Run a venue on a free port."""
    stand_in = Venue()
    app = web.Application()
    app.router.add_get("/stream", stand_in._stream)
    app.router.add_get("/api/v1/orderBookDetails", stand_in._details)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    stand_in.port = runner.addresses[0][1]
    try:
        yield stand_in
    finally:
        for socket in stand_in.sockets:
            if not socket.closed:
                await socket.close()
        await runner.cleanup()


def config(stand_in: Venue, **settings: Any) -> Config:
    """Return the settings of a client of that venue."""
    return Config(
        environment="testnet",
        rest_url=f"http://127.0.0.1:{stand_in.port}",
        stream_url=f"ws://127.0.0.1:{stand_in.port}/stream",
        **settings,
    )


@contextlib.asynccontextmanager
async def client(stand_in: Venue, **options: Any) -> AsyncIterator[DataClient]:
    """Run a client of that venue, with attempts enough for any test."""
    settings = options.pop("settings", {})
    attempts = AttemptBudget((Quota(1000, 1.0),))
    async with DataClient(config(stand_in, **settings), attempts=attempts, **options) as data:
        yield data
