"""python-binance against the simulator, unmodified but for its URL settings (section 20.3).

The library is not a dependency of this package: install `python-binance` to run these.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest
from venues.binance.sim_client import running

from connectors.sim.binance.server import Simulator
from patience import GRACE_S, until

pytest.importorskip("binance", reason="python-binance is not installed")

from binance import AsyncClient, BinanceSocketManager, FuturesType
from binance.exceptions import BinanceAPIException

Run = Callable[..., Any]

# websockets and aiohttp of the library's choice may warn about themselves.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@asynccontextmanager
async def client_of(sim: Simulator) -> AsyncIterator[AsyncClient]:
    """Give a client of the first account; only class attributes point it at the simulator."""
    http = sim.http_url

    class Client(AsyncClient):  # type: ignore[misc]
        API_URL = f"{http}/api"
        FUTURES_URL = f"{http}/fapi"
        FUTURES_DATA_URL = f"{http}/futures/data"
        FUTURES_COIN_URL = f"{http}/dapi"
        FUTURES_COIN_DATA_URL = f"{http}/futures/data"
        WS_FUTURES_URL = f"{sim.ws_url}/ws-fapi/v1"

    account = sim.accounts[0]
    client = await Client.create(account["api_key"], account["api_secret"])
    client.ws_future.TIMEOUT = 0.5  # how often its reader notices that it shall end
    try:
        yield client
    finally:
        if client.ws_future.ws is not None:  # close_connection leaves its reader running
            await client.ws_future.close()
        await client.close_connection()


def sockets_of(sim: Simulator, client: AsyncClient) -> BinanceSocketManager:
    class Manager(BinanceSocketManager):  # type: ignore[misc]
        FSTREAM_URL = f"{sim.ws_url}/"
        DSTREAM_URL = f"{sim.ws_url}/dstream/"

    return Manager(client)


async def take(socket: Any, count: int) -> list[Any]:
    async with asyncio.timeout(GRACE_S):
        return [await socket.recv() for _ in range(count)]


def test_market_streams(run: Run) -> None:
    """Book tickers, aggregate trades and depth of both products, raw and combined."""

    async def body() -> None:
        async with running(rate_per_s=600) as (sim, _), client_of(sim) as client:
            manager = sockets_of(sim, client)
            async with manager.futures_multiplex_socket(
                ["btcusdt@bookTicker", "ethusdt@bookTicker"], category="public"
            ) as socket:
                events = await take(socket, 10)
                assert {e["data"]["e"] for e in events} == {"bookTicker"}
            async with manager.aggtrade_futures_socket("BTCUSDT") as socket:
                for event in await take(socket, 5):
                    data = event.get("data", event)
                    assert (data["e"], data["s"]) == ("aggTrade", "BTCUSDT")
            async with manager.futures_depth_socket("BTCUSDT") as socket:
                for event in await take(socket, 3):
                    assert len(event["data"]["b"]) == 10
            async with manager.kline_futures_socket("BTCUSDT") as socket:
                (event,) = await take(socket, 1)
                assert event["e"] == "continuous_kline"
            async with manager.all_mark_price_socket() as socket:
                (event,) = await take(socket, 1)
                assert {item["e"] for item in event["data"]} == {"markPriceUpdate"}
            async with manager.futures_multiplex_socket(
                ["btcusd_perp@bookTicker"], futures_type=FuturesType.COIN_M, category="public"
            ) as socket:
                (event,) = await take(socket, 1)
                assert event["data"]["st"] == 2

    run(body(), timeout_s=30)


def test_book_equals_the_simulators(run: Run) -> None:
    """BN-M-50, BN-M-51: snapshot and diffs through the library, compared at the same id."""

    async def body() -> None:
        async with running(rate_per_s=600) as (sim, _), client_of(sim) as client:
            manager = sockets_of(sim, client)
            async with manager.futures_multiplex_socket(
                ["btcusdt@depth@100ms"], category="public"
            ) as socket:
                events = [event["data"] for event in await take(socket, 2)]
                snapshot = await client.futures_order_book(symbol="BTCUSDT", limit=1000)
                while events[-1]["u"] <= snapshot["lastUpdateId"]:
                    events += [event["data"] for event in await take(socket, 1)]
                events += [event["data"] for event in await take(socket, 3)]
            assert all(b["pu"] == a["u"] for a, b in pairwise(events))
            book = {side: dict(snapshot[name]) for side, name in (("b", "bids"), ("a", "asks"))}
            last = snapshot["lastUpdateId"]
            for event in events:
                if event["u"] < last:
                    continue
                for side in ("b", "a"):
                    for price, qty in event[side]:
                        if float(qty):
                            book[side][price] = qty
                        else:
                            book[side].pop(price, None)
            rules, view = sim.symbols["BTCUSDT"], sim.book("BTCUSDT", events[-1]["u"])
            for side, levels in (("b", view.bids), ("a", view.asks)):
                expected = {rules.price_text(p): rules.qty_text(q) for p, q in levels}
                assert book[side] == expected

    run(body(), timeout_s=20)


def test_a_dropped_connection_is_made_again(run: Run) -> None:
    async def body() -> None:
        async with running(rate_per_s=600) as (sim, _), client_of(sim) as client:
            manager = sockets_of(sim, client)
            async with manager.futures_multiplex_socket(
                ["btcusdt@bookTicker"], category="public"
            ) as socket:
                await take(socket, 2)
                dropped = sim.faults.apply({"fault": "drop", "mode": "reset"})
                assert dropped == {"connections": [1]}
                async with asyncio.timeout(GRACE_S):
                    while 2 not in sim.connections:
                        await socket.recv()
                    while "data" not in await socket.recv():
                        pass

    run(body(), timeout_s=20)


def test_orders_and_user_stream(run: Run) -> None:
    """Place, modify and cancel an order, see a fill in the user stream (BN-M-50)."""

    async def body() -> None:
        async with running(rate_per_s=0) as (sim, _), client_of(sim) as client:
            user_socket = sockets_of(sim, client).futures_user_socket()
            user_socket.TIMEOUT = 0.5
            async with user_socket as socket:
                await until(
                    lambda: any(getattr(c, "listen_keys", None) for c in sim.connections.values())
                )
                order = await client.futures_create_order(
                    symbol="BTCUSDT", side="BUY", type="LIMIT", timeInForce="GTC",
                    quantity="0.010", price="95000.0",
                )  # fmt: skip
                assert order["status"] == "NEW"
                modified = await client.futures_modify_order(
                    symbol="BTCUSDT", side="BUY", orderId=order["orderId"], quantity="0.020",
                    price="95100.0",
                )  # fmt: skip
                assert modified["origQty"] == "0.020"
                canceled = await client.futures_cancel_order(
                    symbol="BTCUSDT", orderId=order["orderId"]
                )
                assert canceled["status"] == "CANCELED"
                await client.futures_create_order(
                    symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.003"
                )
                names: list[str] = []
                statuses = []
                while "ACCOUNT_UPDATE" not in names:
                    (event,) = await take(socket, 1)
                    names.append(event["e"])
                    if event["e"] == "ORDER_TRADE_UPDATE":
                        statuses.append((event["o"]["x"], event["o"]["X"]))
                assert statuses[:3] == [("NEW", "NEW"), ("AMENDMENT", "NEW"),
                                        ("CANCELED", "CANCELED")]  # fmt: skip
                assert "TRADE_LITE" in names
            (position,) = await client.futures_position_information(symbol="BTCUSDT")
            assert position["positionAmt"] == "0.003"
            batch = await client.futures_place_batch_order(
                batchOrders=[
                    {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC",
                     "quantity": "0.002", "price": price}
                    for price in ("95000.0", "95000.03")
                ]
            )  # fmt: skip
            assert batch[0]["status"] == "NEW"
            assert batch[1]["code"] < 0
            assert len(await client.futures_get_open_orders(symbol="BTCUSDT")) == 1
            await client.futures_cancel_all_open_orders(symbol="BTCUSDT")
            assert await client.futures_get_open_orders(symbol="BTCUSDT") == []
            with pytest.raises(BinanceAPIException) as refused:
                await client.futures_create_order(symbol="NOPE", side="BUY", type="MARKET",
                                                  quantity="1")  # fmt: skip
            assert refused.value.code == -1121

    run(body(), timeout_s=30)


def test_rest_market_data_and_trading_websocket(run: Run) -> None:
    async def body() -> None:
        async with running(rate_per_s=300) as (sim, _), client_of(sim) as client:
            info = await client.futures_exchange_info()
            assert {item["symbol"] for item in info["symbols"]} >= {"BTCUSDT", "ETHUSDT"}
            assert (await client.futures_coin_exchange_info())["symbols"]
            assert len(await client.futures_klines(symbol="BTCUSDT", interval="1m", limit=5)) == 5
            assert await client.futures_aggregate_trades(symbol="BTCUSDT") is not None
            assert (await client.futures_mark_price(symbol="BTCUSDT"))["symbol"] == "BTCUSDT"
            assert (await client.futures_coin_orderbook_ticker(symbol="BTCUSD_PERP"))[0]["pair"]
            book = await client.ws_futures_get_order_book(symbol="BTCUSDT", limit=5)
            assert len(book["bids"]) == 5
            order = await client.ws_futures_create_order(
                symbol="BTCUSDT", side="SELL", type="LIMIT", timeInForce="GTC", quantity="0.002",
                price="99000.0",
            )  # fmt: skip
            assert order["status"] == "NEW"
            canceled = await client.ws_futures_cancel_order(
                symbol="BTCUSDT", orderId=order["orderId"]
            )
            assert canceled["status"] == "CANCELED"

    run(body(), timeout_s=30)
