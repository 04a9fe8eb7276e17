"""A small client for tests of the Lighter simulator, independent of the package's own.

Hashes and tx_info come from the oracle, so simulator and tests share none of the code that says
what is signed.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from connectors._speedups import lighter_core
from connectors.sim.lighter.config import SimConfig
from connectors.sim.lighter.server import Simulator, start
from oracle import lighter_tx
from patience import GRACE_S

__all__ = [
    "START_MS",
    "Client",
    "Trader",
    "Wire",
    "code_of",
    "connected",
    "limit",
    "running",
    "wired",
]

START_MS = 1_777_941_383_576  # of a virtual clock
DAY_MS = 86_400_000
LIMIT, MARKET, STOP, STOP_LIMIT, TAKE, TAKE_LIMIT = range(6)
IOC, GTT, POST_ONLY = range(3)


def limit(
    price: int,
    size: int,
    *,
    ask: bool = False,
    market: int = 0,
    now_ms: int | None = None,
    **more: int,
) -> dict[str, int]:
    """Return the members of a resting limit order; others are given by their wire names."""
    now_ms = int(time.time() * 1000) if now_ms is None else now_ms
    return {
        "MarketIndex": market, "ClientOrderIndex": 0, "BaseAmount": size, "Price": price,
        "IsAsk": int(ask), "Type": LIMIT, "TimeInForce": GTT, "ReduceOnly": 0, "TriggerPrice": 0,
        "OrderExpiry": now_ms + 28 * DAY_MS, **more,
    }  # fmt: skip


class Trader:
    """Signs for one key; `nonce` is the next one."""

    def __init__(
        self,
        account: Mapping[str, Any],
        *,
        nonce: int = 1,
        chain_id: int = 300,
        now_ms: Callable[[], int] = lambda: int(time.time() * 1000),
    ) -> None:
        self.account = int(account["account_index"])
        self.key = int(account["api_key_index"])
        self.private_key = bytes.fromhex(account["private_key"])
        self.nonce = nonce
        self.chain_id = chain_id
        self.now_ms = now_ms
        self._ks = _nonce_scalars(account["private_key"])

    def sign(
        self,
        tx_type: int,
        fields: Mapping[str, Any],
        attributes: Mapping[int, int] | None = None,
        **changes: Any,
    ) -> tuple[str, str]:
        """Return tx_info and hash; uses a nonce unless `changes` names one."""
        owner = lighter_tx.account_key(tx_type)
        values: dict[str, Any] = {
            owner: self.account, "ApiKeyIndex": self.key, "ExpiredAt": self.now_ms() + 300_000,
            **fields, **changes,
        }  # fmt: skip
        if "Nonce" not in values:
            values["Nonce"] = self.nonce
            self.nonce += 1
        digest = lighter_tx.tx_hash(self.chain_id, tx_type, values, attributes)
        signature = lighter_core.sign_with_nonce(self.private_key, next(self._ks), digest)
        return lighter_tx.tx_info(tx_type, values, attributes, signature), digest.hex()

    def token(self, deadline_s: int | None = None, *, account: int | None = None) -> str:
        deadline_s = self.now_ms() // 1000 + 3600 if deadline_s is None else deadline_s
        text = f"{deadline_s}:{self.account if account is None else account}:{self.key}"
        message = lighter_core.hash5(lighter_tx.auth_elements(text))
        data = b"".join(word.to_bytes(8, "little") for word in message)
        signature = lighter_core.sign_with_nonce(self.private_key, next(self._ks), data)
        return f"{text}:{signature.hex()}"


def _nonce_scalars(seed: str) -> Iterator[bytes]:
    """Give scalars for signatures: fresh enough for a test, and the same in every run."""
    number = 0
    while True:
        data = hashlib.sha512(f"{seed}/{number}".encode()).digest()[:39]
        yield data + b"\x01"
        number += 1


class Wire:
    """One websocket."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws
        self.others: list[Any] = []

    async def send(self, **frame: Any) -> None:
        await self.ws.send_str(json.dumps(frame))

    async def receive(self) -> Any:
        message = await self.ws.receive(timeout=GRACE_S)
        assert message.type is aiohttp.WSMsgType.TEXT, message
        return json.loads(message.data)

    async def until(self, kind: str) -> Any:
        """Return the next frame of a type; what came before it is kept in `others`."""
        while True:
            frame = await self.receive()
            if frame.get("type") == kind or (kind == "error" and "error" in frame):
                return frame
            self.others.append(frame)

    async def subscribe(self, channel: str, auth: str | None = None) -> Any:
        """Subscribe and return the typed first frame, or the error."""
        more = {} if auth is None else {"auth": auth}
        await self.send(type="subscribe", channel=channel, **more)
        kind = channel.split("/")[0]
        while True:
            frame = await self.receive()
            if "error" in frame or frame.get("type") == f"subscribed/{kind}":
                return frame
            self.others.append(frame)

    async def tx(self, tx_type: int, info: str, **more: Any) -> Any:
        """Send a transaction and return its answer."""
        data = {"tx_type": tx_type, "tx_info": json.loads(info), **more}
        await self.send(type="jsonapi/sendtx", data=data)
        return await self.until("jsonapi/sendtx")

    async def closed(self) -> None:
        """Read until the connection ends."""
        while True:
            message = await self.ws.receive(timeout=GRACE_S)
            if message.type is not aiohttp.WSMsgType.TEXT:
                return


class Client:
    """REST and websockets of one simulator."""

    def __init__(self, sim: Simulator, http: aiohttp.ClientSession) -> None:
        self.sim = sim
        self.http = http
        now_ms = sim.clock.now_ms
        self.traders = [Trader(account, now_ms=now_ms) for account in sim.accounts]
        self.tokens = [trader.token() for trader in self.traders]

    async def get(self, endpoint: str, *, token: str | None = None, **query: Any) -> Any:
        status, body = await self.get_raw(endpoint, token=token, **query)
        assert status == 200, body
        return body

    async def get_raw(
        self, endpoint: str, *, token: str | None = None, **query: Any
    ) -> tuple[int, Any]:
        headers = {} if token is None else {"Authorization": token}
        url = f"{self.sim.http_url}/api/v1/{endpoint}"
        params = {name: str(value) for name, value in query.items()}
        async with self.http.get(url, params=params, headers=headers) as response:
            return response.status, await response.json()

    async def post(
        self, endpoint: str, form: Mapping[str, str], *, multipart: bool = True
    ) -> tuple[int, Any]:
        data: Any = dict(form)
        if multipart:
            data = aiohttp.FormData(default_to_multipart=True)
            for name, value in form.items():
                data.add_field(name, value)
        url = f"{self.sim.http_url}/api/v1/{endpoint}"
        async with self.http.post(url, data=data) as response:
            return response.status, await response.json()

    async def send(
        self, tx_type: int, fields: Mapping[str, Any], *, trader: int = 0, **changes: Any
    ) -> tuple[int, Any]:
        """Sign and send by REST; return status and body."""
        attributes = changes.pop("attributes", None)
        info, _ = self.traders[trader].sign(tx_type, fields, attributes, **changes)
        return await self.post("sendTx", {"tx_type": str(tx_type), "tx_info": info})

    async def admin(self, name: str, **body: Any) -> Any:
        async with self.http.post(f"{self.sim.http_url}/_sim/{name}", json=body) as response:
            answer = await response.json()
            assert response.status == 200, answer
            return answer


@asynccontextmanager
async def running(scenario: str = "empty", **changes: Any) -> AsyncIterator[Client]:
    """Give a client of a fresh simulator."""
    sim = await start(SimConfig.of(scenario, **changes))
    try:
        async with aiohttp.ClientSession() as http:
            yield Client(sim, http)
    finally:
        await sim.stop()


@asynccontextmanager
async def connected(client: Client, query: str = "") -> AsyncIterator[Wire]:
    """Give a websocket that has been greeted."""
    async with client.http.ws_connect(client.sim.ws_url + query) as ws:
        wire = Wire(ws)
        assert (await wire.receive())["type"] == "connected"
        yield wire


@asynccontextmanager
async def wired(scenario: str = "empty", **changes: Any) -> AsyncIterator[tuple[Client, Wire]]:
    """Give a client and one websocket."""
    async with running(scenario, **changes) as client, connected(client) as wire:
        yield client, wire


async def code_of(client: Client, tx_type: Any, info: str) -> int:
    """Send a transaction over HTTP and return the code of the answer."""
    status, body = await client.post("sendTx", {"tx_type": str(tx_type), "tx_info": info})
    assert status == (200 if body["code"] == 200 else 400)
    return int(body["code"])
