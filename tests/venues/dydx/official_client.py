"""What the official dydx-v4-client does with the simulator, told as one line of JSON.

A program of its own, started by `test_sim_official_client` with an interpreter that has the
client. Argument: the line the simulator printed.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from typing import Any

from dydx_v4_client.indexer.candles_resolution import CandlesResolution
from dydx_v4_client.indexer.rest.constants import OrderStatus, TimePeriod
from dydx_v4_client.indexer.rest.indexer_client import IndexerClient
from dydx_v4_client.indexer.socket.websocket import IndexerSocket
from dydx_v4_client.key_pair import KeyPair
from dydx_v4_client.wallet import Wallet

WAIT_S = 45.0
BTC = "BTC-USD"

Checks = dict[str, Any]


def act(http: str, name: str, **body: Any) -> Any:
    """Do what only the simulator can."""
    request = urllib.request.Request(f"{http}/_sim/{name}", json.dumps(body).encode())
    return json.load(urllib.request.urlopen(request, timeout=10))


def until(condition: Callable[[], Any]) -> Any:
    """Wait until something holds; return what it is then."""
    end = time.monotonic() + WAIT_S
    while not (found := condition()) and time.monotonic() < end:
        time.sleep(0.02)
    return found


class Stream:
    """The client's socket on a thread of its own, and every message it got."""

    def __init__(self, url: str, address: str, number: int) -> None:
        self.messages: list[dict[str, Any]] = []
        self._about = address, number
        self._socket = IndexerSocket(url, on_open=self._on_open, on_message=self._on_message)
        self._thread = threading.Thread(target=lambda: asyncio.run(self._socket.connect()))
        self._thread.start()

    def _on_open(self, ws: Any) -> None:
        ws.order_book.subscribe(id=BTC)
        ws.trades.subscribe(id=BTC, batched=False)
        ws.markets.subscribe()
        ws.candles.subscribe(id=BTC, resolution=CandlesResolution.ONE_MINUTE)
        ws.subaccounts.subscribe(address=self._about[0], subaccount_number=self._about[1])

    def _on_message(self, ws: Any, message: dict[str, Any]) -> None:
        self.messages.append(message)

    def of(self, kind: str, channel: str) -> list[dict[str, Any]]:
        return [m for m in self.messages if (m["type"], m.get("channel")) == (kind, channel)]

    def orders(self, client_id: int) -> list[dict[str, Any]]:
        """Return what was told of an order."""
        return [
            row
            for m in self.of("channel_data", "v4_subaccounts")
            for row in m["contents"].get("orders", ())
            if row["clientId"] == str(client_id)
        ]

    def fills(self, order: str) -> list[dict[str, Any]]:
        return [
            row
            for m in self.of("channel_data", "v4_subaccounts")
            for row in m["contents"].get("fills", ())
            if row["orderId"] == order
        ]

    def unsubscribe(self) -> None:
        self._socket.order_book.unsubscribe(id=BTC)
        self._socket.trades.unsubscribe(id=BTC)
        self._socket.markets.unsubscribe()
        self._socket.candles.unsubscribe(id=BTC, resolution=CandlesResolution.ONE_MINUTE)
        self._socket.subaccounts.unsubscribe(*self._about)

    def close(self) -> None:
        self._socket.close()
        self._thread.join(WAIT_S)


def trade(http: str, stream: Stream, address: str, checks: Checks) -> str:
    """Place an order, see it opened, let it be filled; return its id."""
    book = stream.of("subscribed", "v4_orderbook")[0]["contents"]
    price = str(int(book["asks"][0]["price"]) - 1)
    asked = {"address": address, "ticker": BTC, "side": "buy", "size": "0.0100", "price": price}
    placed = act(http, "order", **asked, client_id=4242, time_in_force="GTT")
    checks["placed"] = placed["code"] == 0 or placed
    checks["seen as opened"] = bool(
        until(lambda: [r for r in stream.orders(4242) if r["status"] == "BEST_EFFORT_OPENED"])
    )
    act(http, "house", ticker=BTC, side="sell", size="1", price=price, take=True)
    filled = until(lambda: [r for r in stream.orders(4242) if r["status"] == "FILLED"])
    checks["seen as filled"] = bool(filled) or stream.orders(4242)
    return str(placed["id"])


async def public(client: IndexerClient, checks: Checks) -> None:
    """Ask everything of the markets."""
    markets = client.markets
    rows = (await markets.get_perpetual_markets())["markets"]
    checks["markets"] = len(rows) == 5 and rows[BTC]["clobPairId"] == "0"
    one = await markets.get_perpetual_markets(BTC)
    checks["one market"] = list(one["markets"]) == [BTC]
    book = await markets.get_perpetual_market_orderbook(BTC)
    checks["book"] = float(book["bids"][0]["price"]) < float(book["asks"][0]["price"])
    trades = await markets.get_perpetual_market_trades(BTC, limit=3)
    checks["trades"] = 1 <= len(trades["trades"]) <= 3
    candles = await markets.get_perpetual_market_candles(BTC, CandlesResolution.ONE_MINUTE.value)
    checks["candles"] = candles["candles"][0]["resolution"] == "1MIN"
    funding = await markets.get_perpetual_market_historical_funding(BTC, limit=2)
    checks["funding"] = len(funding["historicalFunding"]) == 2
    lines = await markets.get_perpetual_market_sparklines(TimePeriod.ONE_DAY)
    checks["sparklines"] = bool(lines[BTC])
    checks["time"] = (await client.utility.get_time())["epoch"] > 1.7e9
    checks["height"] = int((await client.utility.get_height())["height"]) > 66_624_150


async def private(client: IndexerClient, address: str, order: str, checks: Checks) -> Any:
    """Ask everything of the account; return the fills of an order."""
    account = client.account
    screen = await client.utility.compliance_screen(address)
    checks["screen"] = screen["status"] == "COMPLIANT"
    checks["not restricted"] = (await client.utility.screen(address))["restricted"] is False
    rows = (await account.get_subaccounts(address))["subaccounts"]
    checks["subaccounts"] = [row["subaccountNumber"] for row in rows] == [0]
    row = (await account.get_subaccount(address, 0))["subaccount"]
    checks["subaccount"] = row["address"] == address and "USDC" in row["assetPositions"]
    parent = (await account.get_parent_subaccount(address, 0))["subaccount"]
    checks["parent"] = len(parent["childSubaccounts"]) == 1
    positions = await account.get_subaccount_perpetual_positions(address, 0)
    checks["positions"] = any(row["market"] == BTC for row in positions["positions"])
    of_parent = await account.get_parent_subaccount_positions(address, 0)
    checks["positions of the parent"] = len(of_parent["positions"]) >= 1
    assets = await account.get_subaccount_asset_positions(address, 0)
    checks["assets"] = assets["positions"][0]["symbol"] == "USDC"
    moved = await account.get_subaccount_transfers(address, 0)
    checks["transfers"] = moved["transfers"][0]["size"] == "12.5" or moved
    orders = await account.get_subaccount_orders(
        address, 0, ticker=BTC, status=OrderStatus.FILLED, return_latest_orders=True
    )
    checks["orders"] = order in [row["id"] for row in orders] or orders
    one = await account.get_order(order)
    checks["order"] = (one["status"], one["totalFilled"]) == ("FILLED", "0.01") or one
    parents = await account.list_parent_orders(address, 0)
    checks["orders of the parent"] = order in [row["id"] for row in parents]
    for name, ask in (
        ("pnl", account.get_subaccount_historical_pnls(address, 0)),
        ("rewards", account.get_historical_block_trading_rewards(address)),
        ("funding payments", account.get_funding_payments(address, 0)),
    ):
        checks[name] = isinstance(await ask, dict)
    fills = await account.get_subaccount_fills(address, 0, ticker=BTC, limit=1_000)
    return [row for row in fills["fills"] if row["orderId"] == order]


def compare(streamed: list[dict[str, Any]], asked: list[dict[str, Any]]) -> Any:
    """Return whether fills are the same on both ways, or both."""
    names = ("id", "side", "liquidity", "type", "price", "size", "fee", "createdAtHeight")
    first = sorted(tuple(row[name] for name in names) for row in streamed)
    second = sorted(tuple(row[name] for name in names) for row in asked)
    return (first == second and bool(first)) or [first, second]


def main(ready: dict[str, Any]) -> Checks:
    """Run everything; return what held."""
    http, account = ready["http"], ready["accounts"][0]
    address, number = account["address"], account["subaccount_number"]
    checks: Checks = {}
    pair = KeyPair.from_mnemonic(account["mnemonic"])
    checks["address of the mnemonic"] = Wallet(pair, 0, 0).address == address
    stream = Stream(ready["ws"], address, number)
    try:
        checks["five subscriptions"] = bool(
            until(lambda: sum(m["type"] == "subscribed" for m in stream.messages) == 5)
        )
        act(http, "transfer", to={"address": address}, amount="12.5")
        order = trade(http, stream, address, checks)
        height = int(act(http, "quiet")["height"])
        until(lambda: _height(http) > height + 2)
        client = IndexerClient(http)
        asyncio.run(public(client, checks))
        asked = asyncio.run(private(client, address, order, checks))
        checks["fills of the stream are those of REST"] = compare(stream.fills(order), asked)
        checks["batches of the book"] = len(stream.of("channel_batch_data", "v4_orderbook")) > 0
        checks["single trades"] = len(stream.of("channel_data", "v4_trades")) > 0
        stream.unsubscribe()
        checks["five ends"] = bool(
            until(lambda: sum(m["type"] == "unsubscribed" for m in stream.messages) == 5)
        )
        checks["no errors"] = [m for m in stream.messages if m["type"] == "error"] == []
    finally:
        stream.close()
    return checks


def _height(http: str) -> int:
    with urllib.request.urlopen(f"{http}/v4/height", timeout=10) as answer:
        return int(json.load(answer)["height"])


if __name__ == "__main__":
    print("CHECKS " + json.dumps(main(json.loads(sys.argv[1]))))
