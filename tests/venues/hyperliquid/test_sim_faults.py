"""Faults on command, the control endpoint, the command line, and sameness from one seed (15.3)."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys

import aiohttp
import pytest
from venues.hyperliquid.sim_wallet import (
    BTC,
    ETH,
    START_MS,
    Listener,
    Wallet,
    cloid,
    limit,
    mine,
    updates,
    venue,
)

from connectors.sim.hyperliquid.config import SCENARIOS, SimConfig
from connectors.sim.hyperliquid.server import start

NOOP = {"type": "noop"}


def order_action(px="2900"):
    return {"type": "order", "orders": [limit(ETH, True, px, "1")], "grouping": "na"}


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("drop", [2, 3]),
        ("duplicate", [1, 1, 2, 3]),
        ("swap", [2, 1, 3]),
    ],
)
def test_frames_dropped_doubled_swapped(run, action, expected):
    async def main():
        async with venue() as at, at.listen(*mine(at.me, "orderUpdates")) as ear:
            at.sim.faults.tap("orderUpdates", action)
            oids = []
            for px in ("2900", "2901", "2902"):
                oids.append(await at.me.rest(ETH, True, px, "1"))
                await ear.quiet()
            came = [oid for _, oid in updates(ear.frames)]
            assert [oids.index(oid) + 1 for oid in came] == expected

    run(main())


def test_a_fault_after_so_many_frames_and_by_chance(run):
    async def main():
        async with venue() as at, at.listen(*mine(at.me, "orderUpdates")) as ear:
            at.sim.faults.tap("orderUpdates", "drop", after=2)
            for _ in range(4):
                await at.me.rest(ETH, True, "2900", "1")
            assert len(await ear.quiet()) == 3
            at.sim.faults.tap("orderUpdates", "drop", count=100, probability=0.5)
            for _ in range(60):
                await at.me.rest(ETH, True, "2900", "1")
            assert 15 < len(await ear.quiet()) < 45

    run(main())


def test_frames_held_and_late(run):
    async def main():
        async with venue() as at, at.listen(*mine(at.me, "orderUpdates", "userFills")) as ear:
            await ear.quiet()
            tap = at.sim.faults.tap("orderUpdates", "hold", count=2)
            first = await at.me.rest(ETH, True, "2900", "1")
            await at.me.cancel(ETH, first)
            assert await ear.quiet() == []
            at.sim.faults.release(tap)
            assert updates(await ear.quiet()) == [("open", first), ("canceled", first)]
            at.sim.faults.tap("orderUpdates", "delay", delay_ms=100)
            second = await at.me.rest(ETH, True, "2901", "1")
            assert await ear.quiet() == []
            await at.sim.advance(0.15)
            assert updates(await ear.quiet()) == [("open", second)]

    run(main())


def test_spoilt_frames(run):
    async def main():
        async with venue() as at, at.listen(*mine(at.me, "orderUpdates")) as ear:
            received = {}
            for action in (
                "malformed", "truncate", "extra_keys", "shuffle", "exponent", "unknown_status",
                "bad_entry",
            ):  # fmt: skip
                at.sim.faults.tap("orderUpdates", action)
                await at.me.rest(ETH, True, "2900", "1")
                (received[action],) = await ear.quiet()
            assert received["malformed"]["data"][0]["order"]["sz"] == "-x1.0"
            assert "text" in received["truncate"]
            assert "simUnknown" in received["extra_keys"]["data"][0]["order"]
            assert received["shuffle"]["data"][0]["order"]["limitPx"] == "2900.0"
            assert received["exponent"]["data"][0]["order"]["limitPx"] == "2900.0000e0"
            assert received["unknown_status"]["data"][0]["status"] == "fooBarCanceled"
            assert len(received["bad_entry"]["data"]) == 2

    run(main())


def test_one_connection_can_suffer_alone(run):
    async def main():
        async with venue() as at:
            channels = mine(at.me, "orderUpdates")
            async with at.listen(*channels) as first, at.listen(*channels) as second:
                number = min(at.sim.connections)
                at.sim.faults.tap("orderUpdates", "drop", connection=number)
                await at.me.rest(ETH, True, "2900", "1")
                assert await first.quiet() == []
                assert len(await second.quiet()) == 1
                at.sim.faults.abort(connection=number)
                assert await first.ended() in (None, 1006)
                assert await second.quiet() == []

    run(main())


def test_duplicate_fills_and_replays(run):
    async def main():
        async with venue() as at, at.listen(*mine(at.me, "userFills")) as ear:
            await ear.quiet()
            await at.other.rest(ETH, False, "3000", "1")
            await at.me.order(limit(ETH, True, "3000", "1"))
            (frame,) = await ear.quiet()
            assert at.sim.faults.replay("userFills") == 1
            assert await ear.quiet() == [frame]

    run(main())


@pytest.mark.parametrize("mode", ["split", "fragment"])
def test_frames_in_pieces(run, mode):
    async def main():
        async with venue() as at, at.listen(*mine(at.me, "orderUpdates")) as ear:
            at.sim.faults.write_mode(mode)
            oids = [await at.me.rest(ETH, True, px, "1") for px in ("2900", "2901", "2902")]
            assert [oid for _, oid in updates(await ear.quiet())] == oids

    run(main())


def test_closed_frozen_and_cut_after_a_frame(run):
    async def main():
        async with venue() as at:
            async with at.listen() as ear:
                at.sim.faults.close(code=1012, reason="maintenance")
                assert await ear.ended() == 1012
            async with at.listen() as ear:
                at.sim.faults.close_after_next_frame()
                await ear.send({"method": "ping"})
                assert await ear.next() == {"channel": "pong"}
                assert await ear.ended() == 1000
            async with at.listen(*mine(at.me, "orderUpdates")) as ear:
                at.sim.configure(block_ms=70)
                at.sim.faults.close_after_next_frame(silently=True)
                request = {"type": "action", "payload": at.me.l1(order_action())}
                await ear.send({"method": "post", "id": 1, "request": request})
                assert (await ear.next())["channel"] == "post"  # and not the order's frame
                assert await ear.ended() in (None, 1006)
                assert len(await at.me.info("openOrders")) == 1
            async with at.listen() as ear:
                at.sim.faults.freeze()
                await ear.send({"method": "ping"})
                with pytest.raises(TimeoutError):
                    await ear.next(0.1)
                at.sim.faults.abort()

    run(main())


def test_stalled_and_slow_connections(run):
    async def main():
        async with venue() as at:
            channels = mine(at.me, "orderUpdates")
            async with at.listen(*channels) as ear, at.listen(*channels) as other:
                number = min(at.sim.connections)
                at.sim.faults.stall(number, ms=500)
                oids = [await at.me.rest(ETH, True, px, "1") for px in ("2900", "2901")]
                assert len(updates(await other.quiet())) == 2
                with pytest.raises(TimeoutError):
                    await ear.next(0.1)
                await at.sim.advance(0.6)
                assert [oid for _, oid in updates(await ear.quiet())] == oids
                at.sim.faults.slow(300, number)
                await at.me.cancel(ETH, *oids)
                assert len(updates(await other.quiet())) == 2
                with pytest.raises(TimeoutError):
                    await ear.next(0.1)
                await at.sim.advance(0.4)
                assert updates([await ear.next()]) == [("canceled", oid) for oid in oids]

    run(main())


# -- replies ---------------------------------------------------------------------------------


def test_http_replies(run):
    async def main():
        async with venue() as at:
            faults, wallet = at.sim.faults, at.me
            faults.next_reply(status=502)
            status, text = await wallet.raw("/exchange", wallet.l1(order_action()))
            assert (status, "<html>" in text) == (502, True)
            faults.next_reply(status=429)
            assert (await wallet.raw("/exchange", wallet.l1(order_action())))[0] == 429
            faults.next_reply(status=500, execute=True)
            assert (await wallet.raw("/exchange", wallet.l1(order_action())))[0] == 500
            assert len(await wallet.info("openOrders")) == 1  # only the last was carried out
            for fault in ({"lose": True}, {"truncate": True}):
                faults.next_reply(**fault)
                with pytest.raises(aiohttp.ClientError):
                    await wallet.raw("/exchange", wallet.l1(order_action()))
            assert len(await wallet.info("openOrders")) == 3
            faults.next_reply("/info", body={"code": -1, "msg": "no"}, status=400)
            status, text = await wallet.raw("/info", {"type": "meta"})
            assert (status, json.loads(text)["code"]) == (400, -1)

    run(main())


def test_post_replies(run):
    async def main():
        async with venue() as at, at.listen() as ear:

            async def post(number):
                request = {"type": "action", "payload": at.me.l1(order_action())}
                await ear.send({"method": "post", "id": number, "request": request})

            at.sim.faults.next_reply("post", lose=True)
            await post(1)
            assert await ear.quiet() == []
            assert len(await at.me.info("openOrders")) == 1
            at.sim.faults.next_reply("post", lose=True, execute=False)
            await post(2)
            assert await ear.quiet() == []
            assert len(await at.me.info("openOrders")) == 1
            at.sim.faults.next_reply("post", delay_s=0.1)
            await post(3)
            await post(4)
            assert [f["data"]["id"] for f in await ear.quiet()] == [4]
            await at.sim.advance(0.2)
            assert [f["data"]["id"] for f in await ear.quiet()] == [3]
            at.sim.faults.next_reply("post", body="429 Too Many Requests")
            await post(5)
            reply = await ear.channel("post")
            assert reply["response"] == {"type": "error", "payload": "429 Too Many Requests"}
            assert len(await at.me.info("openOrders")) == 3
            at.sim.faults.tap("post", "swap")
            await post(6)
            await post(7)
            assert [f["data"]["id"] for f in await ear.quiet()] == [7, 6]

    run(main())


def test_the_venue_ends_an_order(run):
    async def main():
        async with venue() as at, at.listen(*mine(at.me, "orderUpdates", "userEvents")) as ear:
            oid = await at.me.rest(ETH, True, "2900", "1")
            at.sim.faults.cancel_order(at.me.address, oid, "marginCanceled")
            frames = await ear.quiet()
            assert updates(frames) == [("open", oid), ("marginCanceled", oid)]
            assert frames[-1]["data"] == {"nonUserCancel": [{"coin": "ETH", "oid": oid}]}

    run(main())


def test_budget_clock_and_error_frames(run):
    async def main():
        async with venue() as at, at.listen() as ear:
            at.sim.faults.exhaust_budget(at.me.address)
            account = at.sim.exchange.account(at.me.address)
            account.last_spare_ms = at.sim.clock.now_ms()
            assert "Too many cumulative requests" in (await at.me.act(NOOP))["response"]
            at.sim.faults.clear()
            assert (await at.me.act(NOOP))["status"] == "ok"
            at.sim.faults.clock_offset(3 * 86_400_000)
            assert "nonce" in (await at.me.act(NOOP))["response"]
            status = await at.me.info("exchangeStatus")
            assert status["time"] == START_MS + 3 * 86_400_000
            at.sim.faults.error("too many pending post requests id=1234")
            assert await ear.channel("error") == "too many pending post requests id=1234"

    run(main())


# -- the control endpoint --------------------------------------------------------------------


def test_the_control_endpoint(run):
    async def main():
        async with venue() as at, at.listen(*mine(at.me, "orderUpdates")) as ear:
            status, state = await at.admin("state")
            assert (status, state["open_connections"]) == (200, 1)
            tap = {"fault": "tap", "prefix": "orderUpdates", "action": "drop"}
            assert await at.admin("fault", tap) == (200, {})
            await at.me.rest(ETH, True, "2900", "1", cloid=cloid(1))
            assert await ear.quiet() == []
            status, placed = await at.admin(
                "order", {"coin": "ETH", "side": "sell", "price": "2900", "size": "0.4"}
            )
            assert (status, placed["filled"]) == (200, "0.4")
            (fill,) = (await at.admin(f"fills?user={at.me.address}"))[1]
            assert fill["sz"] == "0.4"
            (order,) = (await at.admin(f"orders?user={at.me.address}&live=true"))[1]
            assert order["state"] == "resting"
            _, book = await at.admin("book?coin=ETH")
            assert book["levels"][0][0]["sz"] == "0.6"
            _, accounts = await at.admin("accounts")
            positions = {a["role"]: a["positions"] for a in accounts if a["positions"]}
            assert positions == {"user": {"ETH": "0.4"}, "house": {"ETH": "-0.4"}}
            (action,) = (await at.admin("actions"))[1]
            assert (action["kind"], action["signer"]) == ("order", at.me.address)
            assert (await at.admin("mark", {"coin": "ETH", "price": "2999"}))[0] == 200
            assert (await at.admin("advance", {"ms": 50}))[0] == 200
            assert (await at.admin("push", {"frame": {"channel": "x"}}))[1] == {"sent": 1}
            _, config = await at.admin("config", {"modify_sequence": ["canceled", "open"]})
            assert config["modify_sequence"] == ["canceled", "open"]
            assert "setups" not in config
            for path in ("requests", "subscribes", "connections", "faults", "config"):
                assert (await at.admin(path))[0] == 200
            assert (await at.admin("clear", {}))[0] == 200

    run(main())


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("fault", {"fault": "nonsense"}),
        ("fault", {"fault": "tap", "prefix": "x", "action": "nonsense"}),
        ("fault", {"fault": "abort", "nonsense": 1}),
        ("config", {"seed": 4}),
        ("config", {"modify_sequence": ["nonsense"]}),
        ("config", {"frame_order": ["user"]}),
        ("mark", {"coin": "NOPE", "price": "1"}),
        ("mark", {"coin": "ETH", "price": "x"}),
        ("order", {"coin": "ETH", "side": "up", "price": "1", "size": "1"}),
        ("fills?user=0x0", None),
    ],
)
def test_mistakes_of_the_caller_are_told(run, path, body):
    async def main():
        async with venue() as at:
            before = at.sim.config.modify_sequence
            status, answer = await at.admin(path, body)
            assert status == 400
            assert answer["error"]
            assert at.sim.config.modify_sequence == before
            assert (await at.admin("nowhere"))[0] == 404

    run(main())


# -- sameness --------------------------------------------------------------------------------


async def watch_a_run(seed: int) -> list[str]:
    """Return every frame of a busy minute: bots, orders, faults."""
    config = SimConfig.of(
        "busy", seed=seed, virtual_start_ms=START_MS, rate_per_s=200.0,
        fault_interval_s=0.7, fault_kinds=("duplicate", "drop", "swap"),
    )  # fmt: skip
    sim = await start(config)
    frames: list[str] = []
    try:
        async with aiohttp.ClientSession() as session:
            wallet = Wallet(sim, session, sim.accounts[0]["private_key"])
            async with session.ws_connect(sim.ws_url, autoping=False) as ws:
                ear = Listener(ws)
                for subscription in (
                    *mine(wallet, "orderUpdates", "userFills", "userEvents", "openOrders"),
                    {"kind": "bbo", "coin": "ETH"},
                    {"kind": "trades", "coin": "ETH"},
                    {"kind": "l2Book", "coin": "ETH"},
                ):
                    await ear.subscribe(**subscription)
                for step in range(20):
                    await sim.advance(0.5)
                    await wallet.order(
                        limit(ETH, step % 2 == 0, "3100" if step % 2 == 0 else "2900", "0.5")
                    )
                    await ear.quiet()
                frames = [json.dumps(frame) for frame in ear.frames]
    finally:
        await sim.stop()
    return frames


def test_q7_one_seed_one_story(run):
    async def main():
        first, second = await watch_a_run(5), await watch_a_run(5)
        assert len(first) > 100
        assert first == second
        assert await watch_a_run(6) != first

    run(main(), timeout_s=60)


@pytest.mark.parametrize("scenario", sorted(SCENARIOS))
def test_every_scenario_runs(run, scenario):
    async def main():
        sim = await start(SimConfig.of(scenario, virtual_start_ms=START_MS))
        try:
            await sim.advance(2)
            async with (
                aiohttp.ClientSession() as session,
                session.post(sim.http_url + "/info", json={"type": "meta"}) as response,
            ):
                assert response.status == 200
        finally:
            await sim.stop()

    run(main(), timeout_s=30)


def test_the_bots_move_the_market(run):
    async def main():
        sim = await start(SimConfig.of("busy", virtual_start_ms=START_MS, rate_per_s=300.0))
        try:
            await sim.advance(10)
            assert sim.exchange.fill_count > 100
            for coin in ("BTC", "ETH", "PURR/USDC", "xyz:TSLA"):
                book = sim.exchange.engine.book(coin)
                assert book.best_bid is not None
                assert book.best_ask is not None
                assert book.best_bid < book.best_ask
                for side in (book.bids(), book.asks()):
                    for px, _ in side:
                        market = sim.exchange.markets[coin]
                        assert px % market.step(px) == 0
            assert all(market.mark > 0 for market in sim.exchange.markets.values())
        finally:
            await sim.stop()

    run(main(), timeout_s=30)


# -- the command line ------------------------------------------------------------------------


def test_the_command_line():
    command = [sys.executable, "-m", "connectors", "sim", "hyperliquid", "--port", "0"]
    options = ["--seed", "3", "--accounts", "3", "--modify-sequence", "canceled,open,reply"]
    process = subprocess.Popen(command + options, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        assert ready["venue"] == "hyperliquid"
        assert ready["pid"] == process.pid
        assert ready["ws"] == ready["http"].replace("http", "ws", 1) + "/ws"
        assert len(ready["accounts"]) == 3
        for account in ready["accounts"]:
            assert set(account) == {"address", "private_key"}
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
        rest = process.stdout.read() if process.stdout else ""
        if process.stdout:
            process.stdout.close()
    assert rest == ""


def test_one_seed_one_set_of_keys(run_any):
    async def main():
        addresses = []
        for seed in (1, 1, 2):
            sim = await start(seed=seed, scenario="still")
            addresses.append(sim.accounts[0]["address"])
            await sim.stop()
        assert addresses[0] == addresses[1] != addresses[2]

    run_any(main())


def test_real_time_orders(run_any):
    """By the machine's clock a block comes by itself."""

    async def main():
        sim = await start(rate_per_s=0.0, levels=0)
        try:
            async with aiohttp.ClientSession() as session:
                wallet = Wallet(sim, session, sim.accounts[0]["private_key"])
                async with session.ws_connect(sim.ws_url, autoping=False) as ws:
                    ear = Listener(ws)
                    await ear.subscribe("orderUpdates", user=wallet.address)
                    oid = await wallet.rest(BTC, True, "60000", "0.01")
                    assert updates([await ear.until(updates_frame)]) == [("open", oid)]
        finally:
            await sim.stop()
        await asyncio.sleep(0)

    run_any(main())


def updates_frame(frame) -> bool:
    return frame.get("channel") == "orderUpdates"
