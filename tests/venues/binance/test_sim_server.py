"""The Binance simulator as a server: control protocol, limits, REST and process."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import itertools
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from venues.binance.sim_client import Client, connected, fault, get, listen_key, running, trade

from connectors.sim.binance.config import SimConfig
from connectors.sim.binance.control import ControlSession
from connectors.sim.binance.limits import Limits
from connectors.sim.binance.server import parse_stream_path
from connectors.sim.binance.types import ApiError, Cost, Product
from connectors.sim.clock import SimClock
from patience import GRACE_S

DATA = Path(__file__).parents[2] / "data" / "binance"

Run = Callable[..., Any]


# -- control protocol --------------------------------------------------------------------------


def control(**changes: Any) -> ControlSession:
    settings = {
        "combined": False,
        "on_subscribe": lambda names: None,
        "on_unsubscribe": lambda names: None,
        "may_subscribe": lambda name: True,
        "max_streams": lambda: 200,
        "flat_errors": lambda: False,
    }
    return ControlSession(**{**settings, **changes})


def test_bn_c_03_requests_of_the_samples_are_answered() -> None:
    requests = json.loads((DATA / "control_frames.json").read_text())["requests"]
    session = control()
    answers = {}
    for request in requests:
        reply = session.handle(request["text"])
        if reply.apply is not None:
            reply.apply()
        answers[request["id"]] = json.loads(reply.payload)
    assert answers == {
        "subscribe": {"result": None, "id": 1},
        "unsubscribe": {"result": None, "id": 312},
        "list": {"result": ["btcusdt@aggTrade"], "id": 3},
        "set_combined": {"result": None, "id": 5},
        "get_combined": {"result": True, "id": 2},
        "private_subscribe": {"result": None, "id": "e9d6b4349871b40611412680b3445fac"},
    }


@pytest.mark.parametrize(
    ("text", "code", "request_id"),
    [
        ("{", 3, None),
        ("", 3, None),
        ("[]", 2, None),
        ('{"id":4}', 2, 4),
        ('{"method":"FOO","id":4}', 2, 4),
        ('{"method":"SUBSCRIBE","params":["a"]}', 2, None),
        ('{"method":"SUBSCRIBE","params":["a"],"id":null}', 2, None),
        ('{"method":"SUBSCRIBE","params":["a"],"id":-1}', 2, None),
        ('{"method":"SUBSCRIBE","params":["a"],"id":1.5}', 2, None),
        ('{"method":"SUBSCRIBE","params":"a","id":"x"}', 2, "x"),
        ('{"method":"SUBSCRIBE","params":[1],"id":1}', 2, 1),
        ('{"method":"SET_PROPERTY","params":["foo",true],"id":5}', 0, 5),
        ('{"method":"SET_PROPERTY","params":["combined","yes"],"id":5}', 1, 5),
        ('{"method":"GET_PROPERTY","params":[],"id":5}', 0, 5),
        ('{"method":"SUBSCRIBE","params":["a","b","c"],"id":5}', 4, 5),
    ],
)
def test_bn_c_08_errors(text: str, code: int, request_id: Any) -> None:
    reply = control(max_streams=lambda: 2).handle(text)
    assert reply.apply is None
    value = json.loads(reply.payload)
    assert value["error"]["code"] == code
    assert value.get("id") == request_id
    assert ("id" in value) == (code != 3)
    flat = json.loads(control(max_streams=lambda: 2, flat_errors=lambda: True).handle(text).payload)
    assert flat == {"code": code, "msg": value["error"]["msg"]}


def test_bn_c_12_repeated_names_count_once() -> None:
    session = control(max_streams=lambda: 2)
    for _ in range(3):
        reply = session.handle('{"method":"SUBSCRIBE","params":["a","b","a"],"id":1}')
        assert reply.apply is not None
        reply.apply()
    assert list(session.names) == ["a", "b"]


@pytest.mark.parametrize(
    ("path", "query", "expected"),
    [
        ("/ws", "", (Product.USDM, None, False, ())),
        ("/ws/a/b", "", (Product.USDM, None, False, ("a", "b"))),
        ("/public/ws/0", "", (Product.USDM, "public", False, ("0",))),
        ("/market/stream", "streams=a/b", (Product.USDM, "market", True, ("a", "b"))),
        ("/stream", "streams=%E5%B8%81usdt%40trade", (Product.USDM, None, True, ("币usdt@trade",))),
        ("/public/ws/%E5%B8%81usdt@trade", "", (Product.USDM, "public", False, ("币usdt@trade",))),
        ("/dstream/ws/x", "", (Product.COINM, None, False, ("x",))),
        ("/dstream/stream", "streams=x", (Product.COINM, None, True, ("x",))),
        ("/pm/ws/key", "", None),
        ("/other", "", None),
        ("/", "", None),
    ],
)
def test_bn_m_02_stream_paths(path: str, query: str, expected: Any) -> None:
    address = parse_stream_path(path, query)
    if expected is None:
        assert address is None
    else:
        assert address is not None
        found = (address.product, address.route, address.combined, address.names)
        assert found == expected


def test_bn_l_12_events_belong_to_the_key_before_them() -> None:
    address = parse_stream_path("/private/stream", "listenKey=K1&events=A/B&listenKey=K2")
    assert address is not None
    assert address.listen_keys == {"K1": frozenset("AB"), "K2": None}


def test_a_stream_connection_from_start_to_end(run_any: Run) -> None:
    """BN-C-03 to BN-C-06: acknowledged, raw then combined, replies never wrapped."""

    async def body() -> None:
        async with running() as (sim, session), connected(sim, session, "/public/ws") as client:
            assert await client.call("SUBSCRIBE", "btcusdt@bookTicker", request_id=7) == {
                "result": None, "id": 7}  # fmt: skip
            assert client.events == [], "no data before the acknowledgement"
            event = await client.event("bookTicker")
            assert event["s"] == "BTCUSDT"
            assert await client.call("SET_PROPERTY", "combined", True) == {"result": None, "id": 1}
            while True:
                value = await client.receive()
                if "stream" in value:
                    break
            assert value["stream"] == "btcusdt@bookTicker"
            assert value["data"]["e"] == "bookTicker"
            assert await client.call("LIST_SUBSCRIPTIONS") == {
                "result": ["btcusdt@bookTicker"], "id": 1}  # fmt: skip
            await client.call("UNSUBSCRIBE", "btcusdt@bookTicker")
            client.events.clear()
            assert await client.call("LIST_SUBSCRIPTIONS") == {"result": [], "id": 1}
            assert client.events == [], "no data after the acknowledged unsubscribe"
            assert sim.hub.channels == {}

    run_any(body())


@pytest.mark.parametrize(
    ("check", "path", "name", "served", "refused"),
    [
        ("silent", "/public/ws", "btcusdt@bookTicker", True, False),
        ("silent", "/public/ws", "btcusdt@aggTrade", False, False),
        ("silent", "/market/ws", "btcusdt@aggTrade", True, False),
        ("silent", "/market/ws", "btcusdt@depth", False, False),
        ("silent", "/ws", "btcusdt@depth", True, False),
        ("silent", "/ws", "btcusdt@aggTrade", False, False),
        ("reject", "/public/ws", "btcusdt@aggTrade", False, True),
        ("reject", "/public/ws", "nope@nope", False, False),
        ("all", "/ws", "btcusdt@aggTrade", True, False),
        ("all", "/public/ws", "btcusdt@aggTrade", True, False),
        ("silent", "/dstream/ws", "btcusd_perp@aggTrade", True, False),
        ("silent", "/dstream/ws", "btcusd_perp@depth", True, False),
    ],
)
def test_bn_m_03_routes(
    run: Run, check: str, path: str, name: str, served: bool, refused: bool
) -> None:
    async def body() -> None:
        async with (
            running(route_check=check, rate_per_s=0) as (sim, session),
            connected(sim, session, path) as client,
        ):
            reply = await client.call("SUBSCRIBE", name)
            assert ("error" in reply) == refused
            assert (name in sim.hub.channels) == served

    run(body())


def test_bn_m_04_stream_limit(run: Run) -> None:
    async def body() -> None:
        async with (
            running(max_streams=3, rate_per_s=0) as (sim, session),
            connected(sim, session, "/public/ws/a/b") as client,
        ):
            refused = await client.call("SUBSCRIBE", "c", "d")
            assert refused == {"error": {"code": 4, "msg": "Too many subscriptions"}, "id": 1}
            assert await client.call("SUBSCRIBE", "c") == {"result": None, "id": 1}
            sim.configure(max_streams=4)
            assert await client.call("SUBSCRIBE", "d") == {"result": None, "id": 1}

    run(body())


def test_bn_m_05_too_many_messages_close_with_1008_and_ban(run: Run) -> None:
    async def body() -> None:
        async with running(rate_per_s=0, bans_after_violations=1) as (sim, session):
            for _ in range(2):
                async with connected(sim, session, "/public/ws") as client:
                    closed = asyncio.create_task(client.closed())
                    with contextlib.suppress(ConnectionError):
                        for number in itertools.count():  # until eleven arrive within a second
                            if number % 2:
                                await client.ws.ping()
                            else:
                                await client.send(method="LIST_SUBSCRIPTIONS", id=number)
                            if number % 11 == 10:
                                await asyncio.sleep(0.05)
                            if closed.done():
                                break
                    assert await closed == 1008
            assert (sim.violations, sim.bans) == (2, 1)
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(sim.ws_url + "/public/ws")
            assert refused.value.status == 418
            sim.lift_bans()
            async with connected(sim, session, "/public/ws") as client:
                for number in range(10):
                    await client.send(method="LIST_SUBSCRIPTIONS", id=number)
                for _ in range(10):
                    await client.reply()

    run(body())


def test_bn_m_06_too_many_handshakes(run: Run) -> None:
    async def body() -> None:
        async with running(rate_per_s=0, max_handshakes_per_5min=2) as (sim, session):
            for _ in range(2):
                async with connected(sim, session, "/public/ws"):
                    pass
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(sim.ws_url + "/public/ws")
            assert refused.value.status == 429
            assert refused.value.headers is not None
            assert 1 <= int(refused.value.headers["Retry-After"]) <= 300

    run(body())


def test_bn_m_07_pings_and_silent_clients(run_any: Run) -> None:
    async def body() -> None:
        settings = {"rate_per_s": 0, "ping_interval_s": 0.05, "pong_timeout_s": 0.25}
        async with running(**settings) as (sim, session):
            async with connected(sim, session, "/public/ws", autoping=False) as client:
                message = await client.ws.receive(timeout=GRACE_S)
                assert message.type is aiohttp.WSMsgType.PING
                assert abs(int(message.data) - sim.clock.now_ms()) < 60_000, "payload is ms"
                assert await client.closed() == 1008
            sim.configure(pong_timeout_s=GRACE_S)
            async with connected(sim, session, "/public/ws") as client:
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.6):
                        await client.ws.receive()
                assert next(iter(sim.connections.values())).open

    run_any(body())


def test_bn_m_08_life_time(run: Run) -> None:
    async def body() -> None:
        async with (
            running(rate_per_s=0, lifetime_s=0.1, lifetime_warning=True) as (sim, session),
            connected(sim, session, "/public/ws") as client,
        ):
            assert (await client.receive())["e"] == "serverShutdown"
            assert await client.closed() == 1001

    run(body())


def test_bn_m_16_a_client_that_does_not_read_is_cut_off(run: Run) -> None:
    async def body() -> None:
        settings = {"rate_per_s": 0, "slow_consumer_bytes": 200_000}
        async with (
            running(**settings) as (sim, session),
            connected(sim, session, "/public/ws") as client,
        ):
            await client.call("LIST_SUBSCRIPTIONS")
            connection = next(iter(sim.connections.values()))
            transport = client.ws._writer.transport  # type: ignore[union-attr]
            assert transport is not None
            transport.pause_reading()
            for _ in range(400):
                connection.send(b"x" * 100_000)
                await asyncio.sleep(0)
                if not connection.open:
                    break
            assert connection.close_sent == (1008, "slow consumer")
            assert sim.slow_consumers == 1
            transport.resume_reading()

    run(body())


def test_bn_m_17_connections_tell_what_they_got(run: Run) -> None:
    async def body() -> None:
        async with running(rate_per_s=0) as (sim, session):
            url = f"{sim.ws_url}/public/ws/btcusdt@bookTicker?x=1"
            async with session.ws_connect(url, headers={"X-MBX-APIKEY": "key"}) as ws:
                await Client(ws).call("SUBSCRIBE", "nope@nope")
                await ws.close(code=1000)
            async with session.get(f"{sim.http_url}/_sim/connections") as response:
                (seen,) = await response.json()
            assert seen["path"] == "/public/ws/btcusdt@bookTicker"
            assert seen["query"] == "x=1"
            assert seen["api_key_sent"] is True
            assert seen["subscriptions"] == ["btcusdt@bookTicker", "nope@nope"]
            assert json.loads(seen["received"][0]["text"])["method"] == "SUBSCRIBE"
            assert seen["close_received"] == 1000
            assert seen["open"] is False

    run(body())


# -- REST --------------------------------------------------------------------------------------


def test_rest_replies_have_the_keys_of_the_samples(run: Run) -> None:
    """Section 14.1 against rest_samples.json, in the order of the venue."""
    samples = {
        item["id"]: item for item in json.loads((DATA / "rest_samples.json").read_text())["samples"]
    }

    async def body() -> None:
        async with running(rate_per_s=0) as (sim, session):
            for name in ("depth_um", "depth_cm", "time", "exchange_info_um", "exchange_info_cm"):
                sample = samples[name]
                status, reply, headers = await get(sim, session, sample["path"])
                assert status == 200
                assert list(reply) == list(sample["body"])
                assert headers["Content-Type"].lower() == "application/json;charset=utf-8"
                assert "X-MBX-USED-WEIGHT-1M" in headers
                if "symbols" in reply:
                    wanted, found = sample["body"]["symbols"][0], reply["symbols"][0]
                    assert wanted.keys() <= found.keys()
                    filters = {item["filterType"]: item for item in found["filters"]}
                    for item in wanted["filters"]:
                        assert filters[item["filterType"]].keys() == item.keys()
                    assert reply["rateLimits"] == sample["body"]["rateLimits"]

    run(body())


@pytest.mark.parametrize(
    ("target", "status", "code"),
    [
        ("/fapi/v1/depth", 400, -1102),
        ("/fapi/v1/depth?symbol=", 400, -1102),
        ("/fapi/v1/depth?symbol=BTCUSD_PERP", 400, -1121),
        ("/dapi/v1/depth?symbol=BTCUSDT", 400, -1121),
        ("/fapi/v1/depth?symbol=BTCUSDT&limit=7", 400, -4021),
        ("/fapi/v1/depth?symbol=BTCUSDT&limit=x", 400, -1100),
        ("/fapi/v1/depth?symbol=BTCUSDT&foo=1", 400, -1104),
        ("/fapi/v1/klines?symbol=BTCUSDT&interval=2m", 400, -1120),
        ("/fapi/v1/klines?symbol=BTCUSDT", 400, -1102),
        ("/fapi/v1/aggTrades?symbol=BTCUSDT&fromId=1&startTime=1", 400, -1128),
        ("/fapi/v1/historicalTrades?symbol=BTCUSDT", 401, -2014),
        ("/fapi/v1/nope", 404, -5000),
        ("/dapi/v1/rpiDepth?symbol=BTCUSD_PERP", 404, -5000),
    ],
)
def test_rest_refusals(run: Run, target: str, status: int, code: int) -> None:
    """BN-R-29, section 14.4."""

    async def body() -> None:
        async with running(rate_per_s=0) as (sim, session):
            found, reply, _ = await get(sim, session, target)
            assert (found, reply["code"]) == (status, code)

    run(body())


def test_every_public_endpoint_answers_for_both_products(run: Run) -> None:
    async def body() -> None:
        async with running() as (sim, session):
            await asyncio.sleep(0.3)
            for target in (
                "/api/v3/ping", "/fapi/v1/ping", "/dapi/v1/ping",
                "/fapi/v1/rpiDepth?symbol=BTCUSDT",
                "/fapi/v1/ticker/24hr", "/dapi/v1/ticker/24hr", "/fapi/v2/ticker/price",
                "/fapi/v1/ticker/price?symbol=BTCUSDT", "/dapi/v1/ticker/price",
                "/fapi/v1/ticker/bookTicker", "/dapi/v1/ticker/bookTicker?symbol=BTCUSD_PERP",
                "/fapi/v1/premiumIndex", "/dapi/v1/premiumIndex?pair=BTCUSD",
                "/fapi/v1/fundingRate?limit=3", "/dapi/v1/fundingRate?symbol=BTCUSD_PERP",
                "/fapi/v1/fundingInfo", "/dapi/v1/fundingInfo",
                "/fapi/v1/openInterest?symbol=BTCUSDT", "/dapi/v1/openInterest?symbol=BTCUSD_PERP",
                "/fapi/v1/continuousKlines?pair=BTCUSDT&contractType=PERPETUAL&interval=1m",
                "/fapi/v1/indexPriceKlines?pair=BTCUSDT&interval=1m",
                "/dapi/v1/markPriceKlines?symbol=BTCUSD_PERP&interval=1m",
                "/fapi/v1/premiumIndexKlines?symbol=BTCUSDT&interval=1m",
                "/dapi/v1/klines?symbol=BTCUSD_PERP&interval=1h&limit=1500",
                "/fapi/v1/klines?symbol=BTCUSDT&interval=1d&startTime=1&endTime=9999999999999",
                "/dapi/v1/trades?symbol=BTCUSD_PERP", "/dapi/v1/aggTrades?symbol=BTCUSD_PERP",
                "/fapi/v1/indexInfo", "/fapi/v1/assetIndex?symbol=BTCUSD",
            ):  # fmt: skip
                status, reply, _ = await get(sim, session, target)
                assert status == 200, (target, reply)
                assert reply or target.endswith("/ping"), target

    run(body())


def test_bn_m_18_gzip_and_chunks(run: Run) -> None:
    async def body() -> None:
        async with running(rate_per_s=0) as (sim, session):
            _, plain, headers = await get(
                sim, session, "/fapi/v1/exchangeInfo", headers={"Accept-Encoding": "identity"}
            )
            assert "Content-Encoding" not in headers
            assert int(headers["Content-Length"]) > 1_000
            _, packed, headers = await get(
                sim, session, "/fapi/v1/exchangeInfo", headers={"Accept-Encoding": "gzip, deflate"}
            )
            assert headers["Content-Encoding"] == "gzip"
            sim.configure(chunked_bodies=True)
            _, chunked, headers = await get(sim, session, "/fapi/v1/exchangeInfo")
            assert headers["Transfer-Encoding"] == "chunked"
            for reply in (plain, packed, chunked):
                del reply["serverTime"]
            assert plain == packed == chunked

    run(body())


def test_bn_r_40_weights_are_counted(run: Run) -> None:
    async def body() -> None:
        async with running(rate_per_s=0, virtual_start_ms=1_795_219_200_000) as (sim, session):
            used = 0
            for target, weight in (
                ("/fapi/v1/time", 1),
                ("/fapi/v1/depth?symbol=BTCUSDT&limit=50", 2),
                ("/fapi/v1/depth?symbol=BTCUSDT&limit=100", 5),
                ("/fapi/v1/depth?symbol=BTCUSDT", 10),
                ("/dapi/v1/depth?symbol=BTCUSD_PERP&limit=1000", 20),
                ("/fapi/v1/klines?symbol=BTCUSDT&interval=1m&limit=99", 1),
                ("/fapi/v1/klines?symbol=BTCUSDT&interval=1m&limit=499", 2),
                ("/fapi/v1/klines?symbol=BTCUSDT&interval=1m&limit=1000", 5),
                ("/fapi/v1/klines?symbol=BTCUSDT&interval=1m&limit=1500", 10),
                ("/fapi/v1/ticker/24hr", 40),
                ("/fapi/v1/trades?symbol=BTCUSDT", 5),
                ("/fapi/v1/aggTrades?symbol=BTCUSDT", 20),
            ):
                used += weight
                _, _, headers = await get(sim, session, target)
                assert headers["X-MBX-USED-WEIGHT-1M"] == str(used), target

    run(body())


# -- limits ------------------------------------------------------------------------------------


def limits(start_ms: int = 1_795_219_200_000, **changes: Any) -> tuple[Limits, SimClock]:
    clock = SimClock(start_ms)
    return Limits(SimConfig(**changes), clock), clock


def refusal(made: Limits, *args: Any, **options: Any) -> ApiError:
    with pytest.raises(ApiError) as caught:
        made.admit(*args, **options)
    return caught.value


def test_bn_r_42_windows_are_fixed() -> None:
    made, clock = limits(weight_per_minute=100)
    clock.advance(59_000_000_000)
    made.count(None, Cost(100))
    error = refusal(made)
    assert (error.status, error.code, error.headers) == (429, -1003, {"Retry-After": "1"})
    assert "limit of IP(127.0.0.1) is 100 requests per minute" in error.message
    clock.advance(1_000_000_000)
    made.admit()
    assert made.used_weight == 0


def test_bn_r_40_order_limits_are_per_account() -> None:
    made, clock = limits(orders_per_10s=2, orders_per_minute=3)
    one = Cost(0, 1, 1)
    for _ in range(2):
        made.admit("a", places_orders=True)
        made.count("a", one)
    error = refusal(made, "a", places_orders=True)
    assert (error.status, error.code, error.headers) == (429, -1015, {"Retry-After": "10"})
    made.admit("b", places_orders=True)
    made.admit("a")
    clock.advance(10_000_000_000)
    made.admit("a", places_orders=True)
    made.count("a", one)
    assert refusal(made, "a", places_orders=True).headers == {"Retry-After": "50"}
    assert made.headers("a", one) == {
        "X-MBX-USED-WEIGHT-1M": "0",
        "X-MBX-ORDER-COUNT-10S": "1",
        "X-MBX-ORDER-COUNT-1M": "3",
    }
    assert made.headers("a", Cost(1)) == {"X-MBX-USED-WEIGHT-1M": "0"}


def test_bn_r_44_going_on_after_429_is_banned_longer_each_time() -> None:
    made, clock = limits(weight_per_minute=10, bans_after_429=2, ban_s=120)
    for ban_s in (120, 240):
        made.count(None, Cost(10))
        assert [refusal(made).status for _ in range(3)] == [429, 429, 418]
        error = refusal(made)
        assert error.headers == {"Retry-After": str(ban_s)}
        assert f"banned until {clock.now_ms() + ban_s * 1000}" in error.message
        clock.advance(ban_s * 1_000_000_000)
        made.admit()
    assert (made.bans, made.refusals) == (2, 6)


def test_bn_w_03_rate_limits_of_websocket_replies() -> None:
    made, _ = limits()
    assert [
        (item["rateLimitType"], item["interval"], item["count"])
        for item in made.charge("a", Cost(0, 1, 1))
    ] == [("REQUEST_WEIGHT", "MINUTE", 0), ("ORDERS", "MINUTE", 1), ("ORDERS", "SECOND", 1)]
    assert [item["count"] for item in made.charge(None, Cost(5))] == [5]


# -- the trading half behind the server --------------------------------------------------------


ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.002"}


@pytest.mark.parametrize(
    ("path", "events"),
    [
        ("/private/ws?listenKey={key}", None),
        ("/private/ws?listenKey={key}&events=ORDER_TRADE_UPDATE/ACCOUNT_UPDATE",
         {"ORDER_TRADE_UPDATE", "ACCOUNT_UPDATE"}),
        ("/private/stream?listenKey={key}", None),
        ("/ws/{key}", None),
    ],
)  # fmt: skip
def test_bn_l_12_an_order_is_seen_in_the_user_stream(
    run: Run, path: str, events: set[str] | None
) -> None:
    async def body() -> None:
        async with running(rate_per_s=0) as (sim, session):
            key = await listen_key(sim, session, "/fapi")
            async with connected(sim, session, path.format(key=key)) as client:
                await client.call("LIST_SUBSCRIPTIONS")
                status, order, headers = await trade(
                    sim, session, "POST", "/fapi/v1/order", **ORDER, newOrderRespType="RESULT"
                )
                assert (status, order["status"]) == (200, "FILLED")
                assert headers["X-MBX-ORDER-COUNT-10S"] == "1"
                names = []
                while "ACCOUNT_UPDATE" not in names:
                    value = await client.receive()
                    if "/stream" in path:
                        assert value["stream"] == key
                        value = value["data"]
                    names.append(value["e"])
                if events is None:
                    assert "TRADE_LITE" in names
                else:
                    assert set(names) == events
            _, error, headers = await trade(
                sim, session, "POST", "/fapi/v1/order", **{**ORDER, "symbol": "NOPE"}
            )
            assert error["code"] == -1121
            assert "X-MBX-ORDER-COUNT-10S" not in headers, "BN-R-43"

    run(body())


def test_bn_l_12_a_private_route_that_wants_a_filter(run: Run) -> None:
    async def body() -> None:
        async with running(rate_per_s=0, private_needs_events=True) as (sim, session):
            key = await listen_key(sim, session, "/fapi")
            async with (
                connected(sim, session, f"/private/ws?listenKey={key}") as without,
                connected(sim, session, f"/private/ws?listenKey={key}&events=TRADE_LITE") as having,
            ):
                for client in (without, having):
                    await client.call("LIST_SUBSCRIPTIONS")
                await trade(sim, session, "POST", "/fapi/v1/order", **ORDER)
                assert (await having.receive())["e"] == "TRADE_LITE"
                await without.call("LIST_SUBSCRIPTIONS")
                assert without.events == []

    run(body())


def test_bn_l_13_listen_keys_can_be_subscribed(run: Run) -> None:
    """Official client: SUBSCRIBE with the key; COIN-M: the key in the path; expiry ends both."""

    async def body() -> None:
        async with running(rate_per_s=0) as (sim, session):
            usdm = await listen_key(sim, session, "/fapi")
            coinm = await listen_key(sim, session, "/dapi")
            async with (
                connected(sim, session, "/private/stream") as one,
                connected(sim, session, f"/dstream/ws/{coinm}") as two,
            ):
                assert "result" in await one.call("SUBSCRIBE", usdm, request_id="x")
                await two.call("LIST_SUBSCRIPTIONS")
                assert await fault(sim, session, fault="listen_key", expire=True) == {"expired": 2}
                assert (await one.receive())["data"]["listenKey"] == usdm
                assert (await two.receive())["e"] == "listenKeyExpired"

    run(body())


def test_trading_websocket(run: Run) -> None:
    """Section 13 through the server: public methods, order placement, limits in the reply."""

    async def body() -> None:
        # Time stands still: a minute that ends in between would start the counts again.
        async with running(rate_per_s=0, virtual_start_ms=1_795_219_200_000) as (sim, session):
            account = sim.accounts[0]
            async with connected(sim, session, "/ws-fapi/v1") as client:
                book = {"symbol": "BTCUSDT", "limit": 5}
                await client.send(id="d", method="depth", params=book)
                depth = await client.receive()
                assert (depth["id"], depth["status"]) == ("d", 200)
                assert len(depth["result"]["bids"]) == 5
                assert depth["rateLimits"][0]["count"] == 7  # 5 for the connection, 2 for the book
                params: dict[str, Any] = {**ORDER, "apiKey": account["api_key"],
                                          "timestamp": sim.clock.now_ms()}  # fmt: skip
                payload = "&".join(f"{key}={params[key]}" for key in sorted(params))
                params["signature"] = hmac.new(
                    account["api_secret"].encode(), payload.encode(), hashlib.sha256
                ).hexdigest()
                await client.send(id=1, method="order.place", params=params)
                placed = await client.receive()
                assert placed["status"] == 200, placed
                assert placed["result"]["symbol"] == "BTCUSDT"
                assert [limit["count"] for limit in placed["rateLimits"]] == [7, 1, 1]
            async with connected(sim, session, "/ws-dapi/v1?returnRateLimits=false") as client:
                await client.send(id=2, method="ping")
                assert await client.receive() == {"id": 2, "status": 200, "result": {}}

    run(body())


def test_bn_m_11_a_liquidation_of_a_user_is_public(run: Run) -> None:
    async def body() -> None:
        async with (
            running(rate_per_s=0) as (sim, session),
            connected(sim, session, "/market/ws/btcusdt@forceOrder") as client,
        ):
            await trade(sim, session, "POST", "/fapi/v1/order", **ORDER)
            account = sim.exchange.accounts[0]
            (position,) = account.active()
            sim.exchange.risk.close(account, position)
            order = (await client.event("forceOrder"))["o"]
            assert (order["S"], order["q"], order["X"]) == ("SELL", "0.002", "FILLED")

    run(body())


def test_user_orders_move_the_public_book(run: Run) -> None:
    """One engine: a user's order shows in the depth stream at once, not at the next tick."""

    async def body() -> None:
        async with (
            running(rate_per_s=0) as (sim, session),
            connected(sim, session, "/public/ws/btcusdt@depth@0ms") as client,
        ):
            await client.call("LIST_SUBSCRIPTIONS")
            price = "95000.00"
            _, order, _ = await trade(
                sim, session, "POST", "/fapi/v1/order", symbol="BTCUSDT", side="BUY", type="LIMIT",
                timeInForce="GTC", quantity="0.123", price=price,
            )  # fmt: skip
            event = await client.event("depthUpdate")
            assert event["b"] == [[price, "0.123"]]
            await trade(sim, session, "DELETE", "/fapi/v1/order", symbol="BTCUSDT",
                        orderId=order["orderId"])  # fmt: skip
            event = await client.event("depthUpdate")
            assert event["b"] == [[price, "0.000"]]

    run(body())


# -- admin and process -------------------------------------------------------------------------


def test_admin_state_config_and_pause(run: Run) -> None:
    async def body() -> None:
        async with running() as (sim, session):
            _, state, _ = await get(sim, session, "/_sim/state")
            assert state["symbols"]["BTCUSDT"]["update_id"] > 0
            async with session.post(f"{sim.http_url}/_sim/pause") as reply:
                ids = (await reply.json())["update_ids"]
            await asyncio.sleep(0.1)
            _, book, _ = await get(sim, session, "/_sim/book?symbol=BTCUSDT")
            assert book["u"] == ids["BTCUSDT"]
            _, depth, _ = await get(sim, session, "/fapi/v1/depth?symbol=BTCUSDT&limit=1000")
            assert (depth["bids"], depth["asks"]) == (book["bids"], book["asks"])
            settings = {"route_check": "all"}
            async with session.post(f"{sim.http_url}/_sim/config", json=settings) as reply:
                assert (await reply.json())["route_check"] == "all"
            async with session.post(f"{sim.http_url}/_sim/config", json={"seed": 3}) as reply:
                assert reply.status == 400
            assert (await get(sim, session, "/_sim/book?symbol=NOPE"))[0] == 400
            assert (await get(sim, session, "/_sim/nope"))[0] == 404

    run(body())


def test_bn_m_14_virtual_time_moves_by_hand(run: Run) -> None:
    async def body() -> None:
        start_ms = 1_795_219_200_000
        async with (
            running(virtual_start_ms=start_ms) as (sim, session),
            connected(sim, session, "/market/ws/btcusdt@markPrice@1s") as client,
        ):
            async with session.post(f"{sim.http_url}/_sim/advance", json={"ms": 2_500}) as reply:
                assert (await reply.json())["server_time_ms"] == start_ms + 2_500
            assert [(await client.receive())["E"] - start_ms for _ in range(2)] == [1000, 2000]

    run(body())


def test_bn_m_16_load_mode_has_no_holes(run_any: Run) -> None:
    async def body() -> None:
        async with running(
            scenario="load", load_msgs_per_s=4_000.0, load_kinds=("bookTicker", "aggTrade", "depth")
        ) as (sim, session):
            names = ("btcusdt@bookTicker", "btcusdt@depth@0ms")
            async with connected(sim, session, f"/public/stream?streams={'/'.join(names)}") as c:
                events: dict[str, list[Any]] = {name: [] for name in names}
                while min(map(len, events.values())) < 300:
                    value = await c.receive()
                    events[value["stream"]].append(value["data"])
            for received in events.values():
                assert all(b["u"] == a["u"] + 1 for a, b in pairwise(received))
                assert all(abs(e["E"] - received[0]["E"]) < 10_000 for e in received)
            assert all(d["pu"] == d["u"] - 1 for d in events["btcusdt@depth@0ms"])

    run_any(body())


def test_bn_m_01_tls(run: Run, tmp_path: Path) -> None:
    """Clients that insist on https and wss, with a throw-away certificate."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl makes the certificate and is not installed")
    cert, key = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
         "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
        check=True, capture_output=True,
    )  # fmt: skip
    trusting = ssl.create_default_context(cafile=cert)

    async def body() -> None:
        async with running(rate_per_s=0, tls_cert=cert, tls_key=key) as (sim, session):
            assert sim.http_url.startswith("https://")
            assert (await get(sim, session, "/fapi/v1/time", ssl=trusting))[0] == 200
            async with connected(sim, session, "/public/ws", ssl=trusting) as client:
                await client.call("LIST_SUBSCRIPTIONS")
                sim.faults.apply({"fault": "drop", "mode": "reset"})
                assert await client.closed() == 1006

    run(body())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_prints_one_line_and_exits_cleanly(number: signal.Signals) -> None:
    """The contract of `connectors sim`: one line of JSON, runs until a signal, exits 0."""
    command = [sys.executable, "-m", "connectors.sim.binance.main", "--symbols", "2", "--seed", "5"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        ready = json.loads(process.stdout.readline())
        assert ready["venue"] == "binance"
        assert ready["pid"] == process.pid
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", ready["http"])
        assert re.fullmatch(r"ws://127\.0\.0\.1:\d+/ws", ready["ws"])
        assert ready["accounts"][0].keys() == {"api_key", "api_secret"}
        assert ready["streams"].keys() == {"public", "market", "private", "coinm"}
        assert ready["trading"].keys() == {"usdm", "coinm"}
        process.send_signal(number)
        assert process.wait(timeout=GRACE_S) == 0
        assert process.stdout.read() == ""
        assert process.stderr.read() == ""
