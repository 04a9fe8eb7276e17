"""A small client for the simulator's tests: signs with its own few lines, posts, listens."""

from __future__ import annotations

import asyncio
import itertools
import json
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from coincurve import PrivateKey

from connectors.sim.hyperliquid.config import AccountSetup, SimConfig
from connectors.sim.hyperliquid.crypto import address_of_key
from connectors.sim.hyperliquid.server import Simulator, start
from connectors.sim.hyperliquid.signing import action_hash, l1_digest, user_signed_digest
from patience import GRACE_S

START_MS = 1_700_000_000_000
KEYS = ["0x" + f"{number:02x}" * 32 for number in range(1, 9)]
BTC, ETH, ATOM, KPEPE, SOL = 0, 1, 2, 3, 5


def sign(digest: bytes, key: str) -> dict[str, Any]:
    raw = PrivateKey(bytes.fromhex(key[2:])).sign_recoverable(digest, hasher=None)
    return {"r": "0x" + raw[:32].hex(), "s": "0x" + raw[32:64].hex(), "v": 27 + raw[64]}


def limit(asset, is_buy, px, sz, tif="Gtc", *, reduce_only=False, cloid=None):
    order = {"a": asset, "b": is_buy, "p": px, "s": sz, "r": reduce_only}
    order["t"] = {"limit": {"tif": tif}}
    return order | ({"c": cloid} if cloid else {})


def trigger(asset, is_buy, px, sz, trigger_px, tpsl, *, market=True, reduce_only=True):
    order = {"a": asset, "b": is_buy, "p": px, "s": sz, "r": reduce_only}
    order["t"] = {"trigger": {"isMarket": market, "triggerPx": trigger_px, "tpsl": tpsl}}
    return order


def cloid(number: int) -> str:
    return f"0x{number:032x}"


class Wallet:
    """Signs for one key; nonces grow from the simulator's start."""

    def __init__(self, sim: Simulator, session: aiohttp.ClientSession, key: str) -> None:
        self.sim, self.session, self.key = sim, session, key
        self.address = address_of_key(key)
        self.nonces = itertools.count(sim.clock.now_ms())

    def l1(self, action, *, nonce=None, vault=None, expires=None, mainnet=False):
        nonce = next(self.nonces) if nonce is None else nonce
        digest = l1_digest(action_hash(action, nonce, vault, expires), mainnet=mainnet)
        return {
            "action": action,
            "nonce": nonce,
            "signature": sign(digest, self.key),
            "vaultAddress": vault,
            "expiresAfter": expires,
        }

    def user_signed(self, action, primary, fields):
        action = {"signatureChainId": "0x66eee", "hyperliquidChain": "Testnet", **action}
        nonce = action.get("nonce", action.get("time"))
        digest = user_signed_digest(primary, fields, action, 0x66EEE)
        return {"action": action, "nonce": nonce, "signature": sign(digest, self.key)}

    async def raw(self, path, body):
        async with self.session.post(self.sim.http_url + path, json=body) as response:
            text = await response.text()
            return response.status, text

    async def send(self, body):
        status, text = await self.raw("/exchange", body)
        assert status == 200, (status, text)
        return json.loads(text)

    async def act(self, action, **options):
        return await self.send(self.l1(action, **options))

    async def statuses(self, action, **options):
        answer = await self.act(action, **options)
        assert answer["status"] == "ok", answer
        return answer["response"]["data"]["statuses"]

    async def order(self, *orders, grouping="na", **options):
        action = {"type": "order", "orders": list(orders), "grouping": grouping}
        return await self.statuses(action, **options)

    async def rest(self, *args, **options) -> int:
        """Place one order that rests; return its oid."""
        (status,) = await self.order(limit(*args, **options))
        return status["resting"]["oid"]

    async def cancel(self, asset, *oids):
        cancels = [{"a": asset, "o": oid} for oid in oids]
        return await self.statuses({"type": "cancel", "cancels": cancels})

    async def modify(self, oid, order, **extra):
        modifies = [{"oid": oid, "order": order}]
        action = {"type": "batchModify", "modifies": modifies, **extra}
        (status,) = await self.statuses(action)
        return status

    async def info(self, kind, **values):
        status, text = await self.raw("/info", {"type": kind, "user": self.address, **values})
        assert status == 200, (status, text)
        return json.loads(text)

    async def order_status(self, oid):
        return (await self.info("orderStatus", oid=oid))["order"]["status"]


class Listener:
    """One websocket; keeps the frames that came."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws
        self.frames: list[Any] = []

    async def send(self, frame) -> None:
        await self.ws.send_str(frame if isinstance(frame, str) else json.dumps(frame))

    async def subscribe(self, kind, **values) -> None:
        await self.send({"method": "subscribe", "subscription": {"type": kind, **values}})
        await self.until(lambda frame: frame.get("channel") == "subscriptionResponse")

    async def next(self, timeout_s=GRACE_S):
        """Return the next frame, or None when the socket ended."""
        message = await asyncio.wait_for(self.ws.receive(), timeout_s)
        if message.type is not aiohttp.WSMsgType.TEXT:
            return None
        try:
            frame = json.loads(message.data)
        except ValueError:
            frame = {"text": message.data}
        self.frames.append(frame)
        return frame

    async def until(self, found, timeout_s=GRACE_S):
        """Return the first frame that satisfies a condition."""
        async with asyncio.timeout(timeout_s):
            while True:
                frame = await self.next(timeout_s)
                assert frame is not None, "the socket ended"
                if found(frame):
                    return frame

    async def channel(self, name, timeout_s=GRACE_S):
        return (await self.until(lambda frame: frame.get("channel") == name, timeout_s))["data"]

    async def quiet(self) -> list[Any]:
        """Return everything that comes until a ping is answered: what was sent before it."""
        before = len(self.frames)
        await self.send({"method": "ping"})
        await self.until(lambda frame: frame.get("channel") == "pong")
        return self.frames[before:-1]

    async def ended(self, timeout_s=GRACE_S) -> int | None:
        """Wait for the end; return the close code."""
        async with asyncio.timeout(timeout_s):
            while await self.next(timeout_s) is not None:
                pass
        return self.ws.close_code


class Venue:
    """A simulator with a still market, wallets and sockets."""

    def __init__(self, sim: Simulator, session: aiohttp.ClientSession) -> None:
        self.sim, self.session = sim, session
        self.wallets = [Wallet(sim, session, account["private_key"]) for account in sim.accounts]
        self.me, self.other = self.wallets[:2]

    @asynccontextmanager
    async def listen(self, *subscriptions):
        async with self.session.ws_connect(self.sim.ws_url, autoping=False) as ws:
            listener = Listener(ws)
            for subscription in subscriptions:
                await listener.subscribe(**subscription)
            yield listener

    async def all_gone(self) -> None:
        """Wait until the simulator has noticed that every socket ended."""
        async with asyncio.timeout(GRACE_S):
            while self.sim.connections:  # noqa: ASYNC110 - the simulator tells nobody
                await asyncio.sleep(0.01)

    async def admin(self, path, body=None):
        url = f"{self.sim.http_url}/_sim/{path}"
        call = self.session.get(url) if body is None else self.session.post(url, json=body)
        async with call as response:
            return response.status, await response.json()


@asynccontextmanager
async def venue(scenario="instant", **changes):
    changes.setdefault("virtual_start_ms", START_MS)
    changes.setdefault("levels", 0)
    changes.setdefault("setups", tuple(AccountSetup(key) for key in KEYS[:2]))
    sim = await start(SimConfig.of(scenario, **changes))
    try:
        async with aiohttp.ClientSession() as session:
            yield Venue(sim, session)
    finally:
        await sim.stop()


def mine(wallet: Wallet, *kinds: str) -> list[dict[str, Any]]:
    return [{"kind": kind, "user": wallet.address} for kind in kinds]


def updates(frames) -> list[tuple[str, int]]:
    """Return (status, oid) of every order update in frames."""
    return [
        (entry["status"], entry["order"]["oid"])
        for frame in frames
        if frame.get("channel") == "orderUpdates"
        for entry in frame["data"]
    ]
