"""What the tests of the WebSocket client share: clients, a stub behind them, reading on."""

from __future__ import annotations

import asyncio
import contextlib

from venues.dydx.indexer_stub import FRAMES, IndexerStub

from connectors.dydx.credential import Credential
from connectors.dydx.instruments import parse_market
from connectors.dydx.websocket import WebSocketClient
from connectors.net.attempts import AttemptBudget
from connectors.net.ratelimit import Quota

KEY = "4f3edf983ac636a65a842ce7c78d9aa706d3b113bce9c46f30d7d21715b23b1d"
URL = "wss://indexer.dydx.trade/v4/ws/?a=1"
BTC_RECORD = FRAMES["subscribed_markets"]["contents"]["markets"]["BTC-USD"]
BTC = parse_market(BTC_RECORD)
ETH = parse_market({**BTC_RECORD, "ticker": "ETH-USD", "clobPairId": "1"})
ACCOUNT = "dydx1n56z5fhmemtffzkt2eqyf9kuc7ycjfs86mvqy7"


def budget():
    return AttemptBudget((Quota(10_000, 1.0),))


def public(url, heartbeat=None, **options):
    return WebSocketClient.new_public(url, heartbeat, attempts=budget(), **options)


def private(url, **options):
    return WebSocketClient.new_private(
        url, Credential(KEY), "DYDX-001", attempts=budget(), **options
    )


@contextlib.asynccontextmanager
async def connected(*, answer=True, make=public, instruments=(BTC,), **options):
    """A stub, a client connected to it, and the client's receiver."""
    async with IndexerStub(answer=answer) as stub:
        client = make(stub.url, **options)
        client.cache_instruments(instruments)
        await client.connect()
        try:
            yield stub, client, client.take_receiver()
        finally:
            await client.disconnect()


async def next_of(receiver, kind):
    """Read on to the next message of a kind."""
    async with asyncio.timeout(30.0):
        async for message in receiver:
            if isinstance(message, kind):
                return message
    raise AssertionError(f"the receiver ended before a {kind}")


def pair(channel, about=""):
    return [f'{{"type":"{kind}","channel":"{channel}"{about}}}'
            for kind in ("subscribe", "unsubscribe")]  # fmt: skip
