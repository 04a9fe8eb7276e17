"""A small client for tests of the Binance simulator, independent of the package's own."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import aiohttp
from yarl import URL

from connectors.sim.binance.server import Simulator, start
from patience import GRACE_S

__all__ = ["Client", "connected", "fault", "get", "listen_key", "running", "trade"]


class Client:
    """A websocket client that keeps control replies and events apart."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws
        self.events: list[Any] = []

    async def send(self, **request: Any) -> None:
        await self.ws.send_str(json.dumps(request))

    async def receive(self) -> Any:
        message = await self.ws.receive(timeout=GRACE_S)
        assert message.type is aiohttp.WSMsgType.TEXT, message
        return json.loads(message.data)

    async def call(self, method: str, *params: Any, request_id: Any = 1) -> Any:
        """Send a command and return its reply; events before it are kept."""
        request = {"method": method, "id": request_id}
        if params:
            request["params"] = list(params)
        await self.send(**request)
        return await self.reply()

    async def reply(self) -> Any:
        while True:
            value = await self.receive()
            if isinstance(value, dict) and not value.keys() & {"e", "stream"}:
                return value
            self.events.append(value)

    async def event(self, name: str) -> Any:
        while True:
            value = await self.receive()
            if isinstance(value, dict) and value.get("e") == name:
                return value

    async def closed(self) -> int | None:
        """Read until the connection ends; return the close code, 1006 for a lost one."""
        async with asyncio.timeout(GRACE_S):
            while True:
                message = await self.ws.receive()
                if message.type in (
                    aiohttp.WSMsgType.CLOSE,
                    aiohttp.WSMsgType.CLOSING,
                    aiohttp.WSMsgType.CLOSED,
                    aiohttp.WSMsgType.ERROR,
                ):
                    return self.ws.close_code


@asynccontextmanager
async def running(**changes: Any) -> AsyncIterator[tuple[Simulator, aiohttp.ClientSession]]:
    settings = {"symbols": 3, "coinm_symbols": 2, "book_levels": 30}
    sim = await start(**{**settings, **changes})
    try:
        async with aiohttp.ClientSession() as session:
            yield sim, session
    finally:
        await sim.stop()


@asynccontextmanager
async def connected(
    sim: Simulator, session: aiohttp.ClientSession, path: str, **options: Any
) -> AsyncIterator[Client]:
    async with session.ws_connect(sim.ws_url + path, **options) as ws:
        yield Client(ws)


async def fault(sim: Simulator, session: aiohttp.ClientSession, **spec: Any) -> Any:
    async with session.post(f"{sim.http_url}/_sim/fault", json=spec) as response:
        body = await response.json()
        assert response.status == 200, body
        return body


async def get(
    sim: Simulator, session: aiohttp.ClientSession, target: str, **options: Any
) -> tuple[int, Any, Any]:
    async with session.get(sim.http_url + target, **options) as response:
        return response.status, await response.json(content_type=None), response.headers


def signed(sim: Simulator, **params: Any) -> str:
    """Return a query string signed with the first account's secret."""
    query = urlencode({**params, "timestamp": sim.clock.now_ms()})
    secret = sim.accounts[0]["api_secret"].encode()
    return f"{query}&signature={hmac.new(secret, query.encode(), hashlib.sha256).hexdigest()}"


async def trade(
    sim: Simulator, session: aiohttp.ClientSession, method: str, path: str, **params: Any
) -> tuple[int, Any, Any]:
    headers = {"X-MBX-APIKEY": sim.accounts[0]["api_key"]}
    url = URL(f"{sim.http_url}{path}?{signed(sim, **params)}", encoded=True)
    async with session.request(method, url, headers=headers) as response:
        return response.status, await response.json(content_type=None), response.headers


async def listen_key(sim: Simulator, session: aiohttp.ClientSession, prefix: str) -> str:
    headers = {"X-MBX-APIKEY": sim.accounts[0]["api_key"]}
    async with session.post(f"{sim.http_url}{prefix}/v1/listenKey", headers=headers) as response:
        return str((await response.json())["listenKey"])
