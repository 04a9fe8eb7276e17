"""Faults of the Binance simulator (section 20.2), over sockets."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from venues.binance.sim_client import connected, fault, get, listen_key, running, trade

from connectors.sim.binance.config import SCENARIOS
from patience import GRACE_S

DATA = Path(__file__).parents[2] / "data" / "binance"

Run = Callable[..., Any]


ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.002"}
START_MS = 1_795_219_200_000


@pytest.mark.parametrize(("mode", "code"), [("reset", 1006), ("close", 4321)])
def test_bn_m_30_drops(run_any: Run, mode: str, code: int) -> None:
    async def body() -> None:
        async with (
            running(rate_per_s=0) as (sim, session),
            connected(sim, session, "/public/ws") as dropped,
            connected(sim, session, "/market/ws") as kept,
        ):
            done = await fault(sim, session, fault="drop", mode=mode, route="public", code=4321)
            assert done == {"connections": [1]}
            assert await dropped.closed() == code
            assert await kept.call("LIST_SUBSCRIPTIONS") == {"result": [], "id": 1}

    run_any(body())


def test_bn_m_30_half_open(run: Run) -> None:
    async def body() -> None:
        async with running() as (sim, session), connected(sim, session, "/public/ws") as client:
            await client.call("SUBSCRIBE", "btcusdt@bookTicker")
            await client.event("bookTicker")
            await fault(sim, session, fault="drop", mode="half_open")
            await client.ws.ping()
            with pytest.raises(TimeoutError):
                while True:
                    await client.ws.receive(timeout=0.3)
            assert not client.ws.closed
            assert sim.connections[1].received_count == 1, "nothing was read after the fault"

    run(body())


@pytest.mark.parametrize("status", [403, 404, 418, 429, 500, 503])
def test_bn_m_31_refused_handshakes(run: Run, status: int) -> None:
    async def body() -> None:
        async with running(rate_per_s=0) as (sim, session):
            await fault(sim, session, fault="refuse", status=status, retry_after_s=7)
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(sim.ws_url + "/public/ws")
            assert refused.value.status == status
            assert refused.value.headers is not None
            assert refused.value.headers["Retry-After"] == "7"
            async with connected(sim, session, "/public/ws") as client:
                await client.call("LIST_SUBSCRIPTIONS")

    run(body())


def test_bn_m_31_odd_handshakes(run: Run) -> None:
    async def body() -> None:
        async with running(rate_per_s=0) as (sim, session):
            await fault(sim, session, fault="refuse", mode="garbage")
            with pytest.raises(aiohttp.ClientError):
                await session.ws_connect(sim.ws_url + "/public/ws")
            await fault(sim, session, fault="refuse", mode="close")
            async with connected(sim, session, "/public/ws") as client:
                assert await client.closed() in (1006, 1000)
            await fault(sim, session, fault="refuse", mode="slow", delay_ms=200)
            began = asyncio.get_running_loop().time()
            async with connected(sim, session, "/public/ws") as client:
                assert asyncio.get_running_loop().time() - began >= 0.19
                await client.call("LIST_SUBSCRIPTIONS")

    run(body())


@pytest.mark.parametrize(
    "shape",
    [
        {"delay_ms": 1},
        {"bytes_per_s": 20_000},
        {"segment": 1},
        {"segment": 7},
        {"fragment": 10, "ping_between": True},
        {"merge_ms": 20},
        {"unknown_keys": True},
        {"shuffled_keys": True},
    ],
    ids=str,
)
def test_bn_m_32_bent_output_loses_nothing(run_any: Run, shape: dict[str, Any]) -> None:
    async def body() -> None:
        async with running() as (sim, session), connected(sim, session, "/public/ws") as client:
            await fault(sim, session, fault="shape", count=15, **shape)
            await client.call("SUBSCRIBE", "btcusdt@depth@0ms")
            events = client.events
            while len(events) < 30:
                value = await client.receive()
                if value.get("e") == "depthUpdate":
                    events.append(value)
            assert all(later["pu"] == earlier["u"] for earlier, later in pairwise(events))
            if "unknown_keys" in shape:
                assert sum("zz" in event for event in events) == 14  # the reply was bent too
            if "shuffled_keys" in shape:
                assert len({tuple(event) for event in events}) > 1

    run_any(body())


@pytest.mark.parametrize(
    ("action", "missing", "repeated", "swapped"),
    [("skip", 2, 0, 0), ("duplicate", 0, 2, 0), ("swap", 0, 0, 2)],
)
def test_bn_m_33_depth_sequences(
    run: Run, action: str, missing: int, repeated: int, swapped: int
) -> None:
    async def body() -> None:
        async with running() as (sim, session), connected(sim, session, "/public/ws") as client:
            await client.call("SUBSCRIBE", "btcusdt@depth@0ms")
            events = [await client.event("depthUpdate")]
            done = await fault(
                sim, session, fault="sequence", action=action, symbol="BTCUSDT", count=2
            )
            assert done == {"streams": ["btcusdt@depth@0ms"]}
            events += [await client.event("depthUpdate") for _ in range(25)]
            ids = [event["u"] for event in events]
            in_order = sorted({event["u"]: event for event in events}.items())
            gaps = sum(b["pu"] != a["u"] for (_, a), (_, b) in pairwise(in_order))
            assert gaps == (1 if missing else 0)
            assert len(ids) - len(set(ids)) == repeated
            assert sum(b < a for a, b in pairwise(ids)) == swapped

    run(body())


def test_bn_m_33_sequence_on_one_connection_only(run: Run) -> None:
    async def body() -> None:
        async with (
            running() as (sim, session),
            connected(sim, session, "/public/ws/btcusdt@depth@0ms") as hurt,
            connected(sim, session, "/public/ws/btcusdt@depth@0ms") as healthy,
        ):
            before = [await client.event("depthUpdate") for client in (hurt, healthy)]
            done = await fault(sim, session, fault="sequence", symbol="BTCUSDT", count=3,
                               connection=1)  # fmt: skip
            assert done == {"streams": ["btcusdt@depth@0ms"]}
            for client, first, gaps in zip((hurt, healthy), before, (1, 0), strict=True):
                events = [first] + [await client.event("depthUpdate") for _ in range(30)]
                assert sum(b["pu"] != a["u"] for a, b in pairwise(events)) == gaps
            assert sim.connections[1].taps == [], "the fault ended by itself"

    run(body())


def test_bn_m_33_snapshots(run: Run) -> None:
    async def body() -> None:
        async with running(rate_per_s=2_000) as (sim, session):
            await asyncio.sleep(0.3)
            sim.pause()
            target = "/fapi/v1/depth?symbol=BTCUSDT&limit=1000"
            _, now, _ = await get(sim, session, target)
            await fault(sim, session, fault="snapshot", symbol="BTCUSDT", action="stale",
                        changes=50)  # fmt: skip
            _, stale, _ = await get(sim, session, target)
            assert stale["lastUpdateId"] < now["lastUpdateId"]
            async with session.get(
                f"{sim.http_url}/_sim/book?symbol=BTCUSDT&at={stale['lastUpdateId']}"
            ) as response:
                book = await response.json()
            assert (book["bids"], book["asks"]) == (stale["bids"], stale["asks"])
            await fault(sim, session, fault="snapshot", symbol="BTCUSDT", action="empty")
            _, empty, _ = await get(sim, session, target)
            assert (empty["bids"], empty["asks"]) == ([], [])
            await fault(sim, session, fault="snapshot", symbol="BTCUSDT", action="error", count=2)
            assert [(await get(sim, session, target))[0] for _ in range(3)] == [503, 503, 200]
            await fault(sim, session, fault="snapshot", symbol="BTCUSDT", action="delay",
                        delay_ms=150)  # fmt: skip
            began = asyncio.get_running_loop().time()
            _, late, _ = await get(sim, session, target)
            assert asyncio.get_running_loop().time() - began >= 0.14
            assert late["bids"] == now["bids"]
            done = await fault(sim, session, fault="depth_reset", symbol="BTCUSDT", to=5_000)
            assert done == {"update_id": 5_000}
            _, reset, _ = await get(sim, session, target)
            assert reset["lastUpdateId"] == 5_000

    run(body())


def test_bn_m_33_snapshot_from_the_future(run: Run) -> None:
    """The stream lags: REST is ahead of every event, and later the events catch up unbroken."""

    async def body() -> None:
        async with running() as (sim, session), connected(sim, session, "/public/ws") as client:
            await client.call("SUBSCRIBE", "btcusdt@depth@0ms")
            last = await client.event("depthUpdate")
            await fault(sim, session, fault="snapshot", symbol="BTCUSDT", action="future",
                        hold_ms=300)  # fmt: skip
            await asyncio.sleep(0.2)
            _, snapshot, _ = await get(sim, session, "/fapi/v1/depth?symbol=BTCUSDT")
            events = [last]
            while events[-1]["u"] < snapshot["lastUpdateId"]:
                events.append(await client.event("depthUpdate"))
            assert len(events) > 2
            assert all(b["pu"] == a["u"] for a, b in pairwise(events))

    run(body())


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("error", {"error": {"code": 2, "msg": "Forced subscription failure"}, "id": 9}),
        ("error_flat", {"code": -1, "msg": "Forced subscription failure", "id": 9}),
        ("failed", {"result": {"failed": ["btcusdt@bookTicker"]}, "id": 9}),
        ("wrong_id", {"result": None, "id": 999_999}),
        ("silent", {"result": None, "id": 9}),
        ("lost_ack", None),
    ],
)
def test_bn_m_34_control_faults(run: Run, action: str, expected: Any) -> None:
    async def body() -> None:
        async with running() as (sim, session), connected(sim, session, "/public/ws") as client:
            await fault(sim, session, fault="control", action=action)
            await client.send(method="SUBSCRIBE", params=["btcusdt@bookTicker"], id=9)
            delivers = action in ("wrong_id", "lost_ack")
            if expected is not None:
                assert await client.reply() == expected
            if delivers:
                await client.event("bookTicker")
            assert ("btcusdt@bookTicker" in sim.hub.channels) == delivers

    run(body())


def test_bn_m_34_early_data_and_late_acknowledgement(run: Run) -> None:
    async def body() -> None:
        async with (
            running(rate_per_s=0) as (sim, session),
            connected(sim, session, "/public/ws") as client,
        ):
            await fault(sim, session, fault="control", action="early_data")
            assert await client.call("SUBSCRIBE", "btcusdt@bookTicker") == {"result": None, "id": 1}
            assert [event["e"] for event in client.events] == ["bookTicker"]
            await fault(sim, session, fault="control", action="late_ack", delay_ms=200)
            await client.send(method="SUBSCRIBE", params=["ethusdt@bookTicker"], id=2)
            await client.send(method="UNSUBSCRIBE", params=["ethusdt@bookTicker"], id=3)
            assert [(await client.reply())["id"] for _ in range(2)] == [3, 2]

    run(body())


def test_bn_m_34_silence(run: Run) -> None:
    async def body() -> None:
        async with running() as (sim, session), connected(sim, session, "/public/ws") as client:
            await client.call("SUBSCRIBE", "btcusdt@bookTicker", "ethusdt@bookTicker")
            hour = {"duration_ms": 3_600_000}
            done = await fault(sim, session, fault="silence", symbol="BTCUSDT", **hour)
            assert done == {"streams": ["btcusdt@bookTicker"]}
            await client.call("LIST_SUBSCRIPTIONS")
            client.events.clear()
            for _ in range(20):
                assert (await client.event("bookTicker"))["s"] == "ETHUSDT"
            await fault(sim, session, fault="clear")
            while (await client.event("bookTicker"))["s"] != "BTCUSDT":
                pass

    run(body())


def test_bn_m_35_everybody_goes_within_a_second(run: Run) -> None:
    async def body() -> None:
        async with (
            running(rate_per_s=0) as (sim, session),
            connected(sim, session, "/public/ws") as a,
            connected(sim, session, "/dstream/ws") as b,
        ):
            await fault(sim, session, fault="shutdown", within_ms=200, wrapped=True)
            for client in (a, b):
                assert (await client.receive())["event"]["e"] == "serverShutdown"
                assert await client.closed() == 1001

    run(body())


def test_bn_m_39_clock(run: Run) -> None:
    async def body() -> None:
        async with running() as (sim, session), connected(sim, session, "/public/ws") as client:
            await client.call("SUBSCRIBE", "btcusdt@bookTicker")
            _, before, _ = await get(sim, session, "/fapi/v1/time")
            await fault(sim, session, fault="clock", offset_ms=-60_000)
            _, after, _ = await get(sim, session, "/fapi/v1/time")
            assert -60_000 <= after["serverTime"] - before["serverTime"] < -55_000
            event = await client.event("bookTicker")
            while event["E"] > before["serverTime"] - 50_000:
                event = await client.event("bookTicker")
            await fault(sim, session, fault="clock", step_ms=120_000)
            _, ahead, _ = await get(sim, session, "/fapi/v1/time")
            assert ahead["serverTime"] > before["serverTime"] + 59_000
            await client.event("bookTicker")

    run(body())


@pytest.mark.parametrize(
    ("send", "kind"),
    [
        ("unknown_event", aiohttp.WSMsgType.TEXT),
        ("invalid_json", aiohttp.WSMsgType.TEXT),
        ("binary", aiohttp.WSMsgType.BINARY),
        ("huge", aiohttp.WSMsgType.TEXT),
        ("ping_flood", aiohttp.WSMsgType.PING),
        ("invalid_utf8", aiohttp.WSMsgType.ERROR),
    ],
)
def test_bn_m_41_odd_frames(run: Run, send: str, kind: aiohttp.WSMsgType) -> None:
    async def body() -> None:
        async with running(rate_per_s=0) as (sim, session):
            options = {"max_msg_size": 8 << 20, "autoping": False}
            async with connected(sim, session, "/public/ws", **options) as client:
                await fault(sim, session, fault="frame", send=send)
                message = await client.ws.receive(timeout=GRACE_S)
                assert message.type is kind
                if send == "huge":
                    assert len(message.data) > 5_000_000
                if send == "ping_flood":
                    for _ in range(49):
                        assert (await client.ws.receive(timeout=GRACE_S)).type is kind

    run(body())


def test_bn_m_42_instruments(run: Run) -> None:
    async def body() -> None:
        async with running() as (sim, session), connected(sim, session, "/market/ws") as client:
            await client.call("SUBSCRIBE", "!contractInfo")
            await fault(sim, session, fault="instrument", action="tick", symbol="BTCUSDT",
                        tick_size="0.50")  # fmt: skip
            assert (await client.event("contractInfo"))["s"] == "BTCUSDT"
            added = (await fault(sim, session, fault="instrument", action="add"))["symbol"]
            assert (await client.event("contractInfo"))["s"] == added
            await fault(sim, session, fault="instrument", action="status", symbol="ETHUSDT")
            assert (await client.event("contractInfo"))["cs"] == "SETTLING"
            await fault(sim, session, fault="instrument", action="remove", symbol="SOLUSDT")
            assert (await client.event("contractInfo"))["s"] == "SOLUSDT"
            _, info, _ = await get(sim, session, "/fapi/v1/exchangeInfo")
            listed = {item["symbol"]: item for item in info["symbols"]}
            assert listed["BTCUSDT"]["filters"][0]["tickSize"] == "0.50"
            assert listed["ETHUSDT"]["status"] == "SETTLING"
            assert "SOLUSDT" not in listed
            assert (await get(sim, session, f"/fapi/v1/depth?symbol={added}"))[0] == 200
            assert (await get(sim, session, "/fapi/v1/depth?symbol=SOLUSDT"))[1]["code"] == -1121
            await asyncio.sleep(0.3)  # the market goes on with the changed list

    run(body())


def test_bn_m_42_a_removed_contract_settles_and_falls_silent(run: Run) -> None:
    async def body() -> None:
        async with running(rate_per_s=500) as (sim, session):
            key = await listen_key(sim, session, "/fapi")
            await trade(sim, session, "POST", "/fapi/v1/order", **ORDER)
            async with (
                connected(sim, session, f"/private/ws?listenKey={key}") as user,
                connected(sim, session, "/market/ws") as market,
            ):
                await user.call("LIST_SUBSCRIPTIONS")
                names = ("btcusdt@forceOrder", "btcusdt@markPrice@1s", "ethusdt@markPrice@1s")
                await market.call("SUBSCRIBE", *names)
                await fault(sim, session, fault="instrument", action="remove", symbol="BTCUSDT")
                settled = await user.event("ORDER_TRADE_UPDATE")
                assert settled["o"]["c"].startswith("settlement_autoclose-")
                account = await user.event("ACCOUNT_UPDATE")
                assert [p["pa"] for p in account["a"]["P"]] == ["0"]
                await market.event("markPriceUpdate")
                later = [await market.event("markPriceUpdate") for _ in range(2)]
                assert {event["s"] for event in later} == {"ETHUSDT"}

    run(body())


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"fault": "nope"},
        {"fault": "drop", "mode": "nope"},
        {"fault": "drop", "typo": 1},
        {"fault": "sequence"},
        {"fault": "sequence", "symbol": "NOPE"},
        {"fault": "shape", "delay": 1},
        {"fault": "shape", "delay_ms": "x"},
        {"fault": "order", "kind": "nope"},
        {"fault": "instrument", "action": "tick", "symbol": "BTCUSDT", "tick_size": "0.001"},
    ],
    ids=str,
)
def test_mistaken_faults_are_refused(run: Run, spec: dict[str, Any]) -> None:
    async def body() -> None:
        async with (
            running(rate_per_s=0) as (sim, session),
            connected(sim, session, "/public/ws"),
            session.post(f"{sim.http_url}/_sim/fault", json=spec) as response,
        ):
            assert response.status == 400
            assert "error" in await response.json()

    run(body())


def test_bn_m_38_lost_and_late_replies(run: Run) -> None:
    async def body() -> None:
        async with running(rate_per_s=0) as (sim, session):
            await fault(sim, session, fault="order", kind="lost")
            with pytest.raises(aiohttp.ClientError):
                await trade(sim, session, "POST", "/fapi/v1/order", **ORDER)
            await fault(sim, session, fault="order", kind="503_unknown")
            status, reply, _ = await trade(sim, session, "POST", "/fapi/v1/order", **ORDER)
            assert (status, reply["code"]) == (503, -1007)
            await fault(sim, session, fault="order", kind="late", delay_s=0.2)
            began = asyncio.get_running_loop().time()
            await trade(sim, session, "POST", "/fapi/v1/order", **ORDER)
            assert asyncio.get_running_loop().time() - began >= 0.19
            _, positions, _ = await trade(sim, session, "GET", "/fapi/v3/positionRisk")
            assert [p["positionAmt"] for p in positions] == ["0.006"], "all three were executed"

    run(body())


def test_bn_m_40_limit_faults(run: Run) -> None:
    async def body() -> None:
        # Time stands still: a minute that ends in between would start the weights again.
        async with running(rate_per_s=0, virtual_start_ms=START_MS) as (sim, session):
            await fault(sim, session, fault="limits", action="429", seconds=30)
            status, reply, headers = await get(sim, session, "/fapi/v1/time")
            assert (status, reply["code"]) == (429, -1003)
            assert 29 <= int(headers["Retry-After"]) <= 30
            await fault(sim, session, fault="limits", action="418", seconds=60)
            status, reply, _ = await get(sim, session, "/fapi/v1/time")
            assert status == 418
            assert re.search(r"banned until \d{13}\.", reply["msg"])
            await fault(sim, session, fault="limits", action="lift")
            await fault(sim, session, fault="limits", action="jump", weight=1_000)
            _, _, headers = await get(sim, session, "/fapi/v1/time")
            assert int(headers["X-MBX-USED-WEIGHT-1M"]) >= 1_000
            await fault(sim, session, fault="limits", action="no_headers")
            _, _, headers = await get(sim, session, "/fapi/v1/time")
            assert "X-MBX-USED-WEIGHT-1M" not in headers

    run(body())


def test_bn_r_29_http_faults(run: Run) -> None:
    async def body() -> None:
        async with running(rate_per_s=0) as (sim, session):
            target = "/fapi/v1/time"
            await fault(sim, session, fault="http", path=target, count=2, code=-1008, msg="x")
            for _ in range(2):
                status, reply, _ = await get(sim, session, target)
                assert (status, reply) == (503, {"code": -1008, "msg": "x"})
            assert (await get(sim, session, target))[0] == 200
            await fault(sim, session, fault="http", path=target, mode="html", status=502)
            async with session.get(sim.http_url + target) as response:
                assert (response.status, response.content_type) == (502, "text/html")
            # Twice: aiohttp repeats a GET by itself when a kept connection breaks.
            await fault(sim, session, fault="http", path=target, mode="lost", method="GET", count=2)
            with pytest.raises(aiohttp.ClientError):
                await get(sim, session, target)
            await fault(sim, session, fault="http", path=target, mode="delay", delay_ms=150)
            began = asyncio.get_running_loop().time()
            status, reply, _ = await get(sim, session, target)
            assert status == 200
            assert "serverTime" in reply
            assert asyncio.get_running_loop().time() - began >= 0.14

    run(body())


def test_bn_m_36_listen_key_faults(run: Run) -> None:
    async def body() -> None:
        async with running(rate_per_s=0) as (sim, session):
            key = await listen_key(sim, session, "/fapi")
            async with connected(sim, session, f"/private/ws?listenKey={key}") as client:
                await client.call("LIST_SUBSCRIPTIONS")
                await fault(sim, session, fault="listen_key", expire=True, expiry_as_text=True)
                event = await client.receive()
                assert event["e"] == "listenKeyExpired"
                assert event["E"].isdecimal()
            await fault(sim, session, fault="listen_key", fail_posts=1)
            headers = {"X-MBX-APIKEY": sim.accounts[0]["api_key"]}
            url = f"{sim.http_url}/fapi/v1/listenKey"
            async with session.post(url, headers=headers) as response:
                assert response.status == 503
            async with session.put(url, headers=headers) as response:
                assert (await response.json())["code"] == -1125

    run(body())


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"drop": 2}, ["ORDER_TRADE_UPDATE", "ACCOUNT_UPDATE"]),
        ({"only": "TRADE_LITE"}, ["ORDER_TRADE_UPDATE", "TRADE_LITE", "ACCOUNT_UPDATE"]),
        ({"repeat": 1}, ["ORDER_TRADE_UPDATE"] * 2
         + ["TRADE_LITE", "ORDER_TRADE_UPDATE", "ACCOUNT_UPDATE"]),
        ({"swap": 1}, ["TRADE_LITE", "ORDER_TRADE_UPDATE", "ORDER_TRADE_UPDATE",
                       "ACCOUNT_UPDATE"]),
    ],
)  # fmt: skip
def test_bn_m_37_user_stream_faults(run: Run, settings: dict[str, Any], names: list[str]) -> None:
    """A market order that fills at once: new, trade lite, trade, account, bent in four ways."""

    async def body() -> None:
        async with running(rate_per_s=0) as (sim, session):
            key = await listen_key(sim, session, "/fapi")
            async with connected(sim, session, f"/private/ws?listenKey={key}") as client:
                await client.call("LIST_SUBSCRIPTIONS")
                await fault(sim, session, fault="user_stream", **settings)
                await trade(sim, session, "POST", "/fapi/v1/order", **ORDER)
                assert [(await client.receive())["e"] for _ in names] == names
                assert await client.call("LIST_SUBSCRIPTIONS") == {"result": [], "id": 1}
                assert client.events == []

    run(body())


def test_bn_m_15_scripts_play_frames_and_faults(run: Run) -> None:
    frames = json.loads((DATA / "market_frames.json").read_text())["frames"]
    sample = next(item["frame"] for item in frames if item["id"] == "agg_trade")

    async def body() -> None:
        async with (
            running(rate_per_s=0) as (sim, session),
            connected(sim, session, "/market/ws/btcusdt@aggTrade") as client,
        ):
            steps = [
                {"at_ms": 120, "stream": "btcusdt@aggTrade", "text": '{"e":"odd"'},
                {"at_ms": 60, "stream": "btcusdt@aggTrade", "frame": sample},
                {"at_ms": 180, "fault": {"fault": "drop", "mode": "close", "code": 4000}},
            ]
            async with session.post(f"{sim.http_url}/_sim/script", json={"steps": steps}) as reply:
                assert await reply.json() == {"steps": 3}
            assert await client.receive() == sample
            assert (await client.ws.receive(timeout=GRACE_S)).data == '{"e":"odd"'
            assert await client.closed() == 4000

    run(body())


@pytest.mark.parametrize("scenario", sorted(SCENARIOS))
def test_scenarios_start_and_stop(run: Run, scenario: str) -> None:
    async def body() -> None:
        settings = {"fault_interval_s": 0.02} if SCENARIOS[scenario].get("fault_kinds") else {}
        async with running(scenario=scenario, **settings) as (sim, session):
            for _ in range(6):
                try:
                    async with connected(sim, session, "/public/ws/btcusdt@depth@100ms") as client:
                        await client.ws.receive(timeout=0.1)
                except (aiohttp.ClientError, TimeoutError, ConnectionError):
                    pass
            assert bool(sim.faults.applied) == bool(settings)

    run(body(), timeout_s=20)


def test_every_scenario_fault_can_be_applied(run: Run) -> None:
    """No kind in a scenario's list is a typo, and the simulator survives all of them."""

    async def body() -> None:
        async with running() as (sim, session):
            kinds = {kind for s in SCENARIOS.values() for kind in s.get("fault_kinds", ())}
            for kind in sorted(kinds):
                sim.faults.clear()
                impatient = {"timeout": aiohttp.ClientWSTimeout(ws_close=0.1)}
                async with connected(sim, session, "/public/ws/btcusdt@depth@100ms", **impatient):
                    count = len(sim.faults.applied)
                    sim.faults.make(kind)
                    assert len(sim.faults.applied) == count + 1, kind
                    await asyncio.sleep(0.02)

    run(body(), timeout_s=20)
