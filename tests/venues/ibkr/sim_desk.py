"""A client made of nothing but aiohttp, for looking at the IBKR simulator without ours."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
from aiohttp import WSMsgType

from connectors.sim.ibkr.server import Simulator, start

__all__ = ["ACCOUNT", "START_MS", "Desk", "Socket", "desk", "of_topic"]

START_MS = 1_783_031_090_000
ACCOUNT = "DU1234567"
WAIT_S = 30.0


class Socket:
    """One websocket; what came is in `kinds` and `texts`, in order.

    `frames` asks for a pong first, so that everything the simulator wrote before is there.
    """

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws
        self.kinds: list[WSMsgType] = []
        self.texts: list[str] = []
        self.close_code: int | None = None
        self._taken = 0
        self._pings = 0

    async def send(self, *texts: str) -> None:
        for text in texts:
            await self.ws.send_str(text)

    async def frames(self) -> list[Any]:
        """Return what came since the last time: objects, or text that is no JSON."""
        self._pings += 1
        payload = str(self._pings).encode()
        await self.ws.ping(payload)
        await self._read_until(payload)
        texts = self.texts[self._taken :]
        self._taken = len(self.texts)
        return [_parsed(text) for text in texts]

    async def to_the_end(self) -> list[Any]:
        """Read until the simulator closes; return what came since the last time."""
        await self._read_until(None)
        texts = self.texts[self._taken :]
        self._taken = len(self.texts)
        return [_parsed(text) for text in texts]

    async def _read_until(self, pong: bytes | None) -> None:
        while True:
            message = await self.ws.receive(timeout=WAIT_S)
            if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                self.kinds.append(message.type)
                data = message.data
                self.texts.append(
                    data if isinstance(data, str) else data.decode("utf-8", "replace")
                )
            elif message.type is WSMsgType.PONG and bytes(message.data) == pong:
                return
            elif message.type in (WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.ERROR):
                if message.type is WSMsgType.CLOSE:
                    self.close_code = message.data
                if pong is None:
                    return
                raise AssertionError(f"closed: {message}")


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def of_topic(frames: list[Any], topic: str) -> list[Any]:
    """Return the frames whose topic begins so."""
    return [
        one
        for one in frames
        if isinstance(one, dict) and str(one.get("topic", "")).startswith(topic)
    ]


class Desk:
    """A simulator and an HTTP client."""

    def __init__(self, sim: Simulator, http: aiohttp.ClientSession) -> None:
        self.sim = sim
        self.http = http

    async def call(
        self, method: str, path: str, body: Any = None, **options: Any
    ) -> tuple[int, Any]:
        """Return status and body, an object if it is JSON."""
        if body is not None:
            options["json"] = body
        async with self.http.request(
            method, self.sim.rest_url + path, allow_redirects=False, **options
        ) as answer:
            return answer.status, _parsed(await answer.text())

    async def ok(self, method: str, path: str, body: Any = None) -> Any:
        """Return the body of an answer that must be of status 200."""
        status, answer = await self.call(method, path, body)
        assert status == 200, (status, answer)
        return answer

    async def admin(self, name: str, **body: Any) -> Any:
        async with self.http.post(f"{self.sim.http_url}/_sim/{name}", json=body) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def look(self, name: str) -> Any:
        async with self.http.get(f"{self.sim.http_url}/_sim/{name}") as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def dial(self, cookie: str | None = "session") -> Socket:
        """Connect; with the session's cookie unless told otherwise."""
        headers = {}
        if cookie == "session":
            cookie = f'api={{"session":"{self.sim.session.session_id}"}}'
        if cookie is not None:
            headers["Cookie"] = cookie
        ws = await self.http.ws_connect(
            self.sim.ws_url, headers=headers, autoping=False, autoclose=False, max_msg_size=0
        )
        return Socket(ws)

    async def ready(self) -> Socket:
        """Connect and read the greeting."""
        socket = await self.dial()
        await self.advance(0.2)
        greeting = await socket.frames()
        assert [one["topic"] for one in greeting] == ["system", "act", "sts"]
        return socket

    async def advance(self, seconds: float) -> None:
        await self.sim.advance(seconds)

    async def accounts(self) -> None:
        await self.ok("GET", "/iserver/accounts")
        await self.ok("GET", "/portfolio/accounts")

    async def place(self, **ticket: Any) -> Any:
        """Send one order; return the answer."""
        order = {"conid": 265598, "orderType": "LMT", "side": "BUY", "tif": "DAY", "quantity": 5}
        return await self.ok(
            "POST", f"/iserver/account/{ACCOUNT}/orders", {"orders": [order | ticket]}
        )


@contextlib.asynccontextmanager
async def desk(**settings: Any) -> AsyncIterator[Desk]:
    """A still market on a virtual clock, unless told otherwise."""
    defaults: dict[str, Any] = {"rate_per_s": 0.0, "virtual_start_ms": START_MS}
    sim = await start(**(defaults | settings))
    jar = aiohttp.DummyCookieJar()
    try:
        async with aiohttp.ClientSession(cookie_jar=jar) as http:
            yield Desk(sim, http)
    finally:
        await sim.stop()
        await asyncio.sleep(0)
