"""Limits of section 11: off unless asked for, and each on its own."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import pytest
from venues.hyperliquid.sim_wallet import ETH, KEYS, limit, venue

from connectors.sim.hyperliquid.config import AccountSetup, SimConfig


def test_nothing_is_limited_by_itself():
    assert SimConfig.of().limits == ()
    with pytest.raises(ValueError, match="unknown limit"):
        SimConfig.of(limits=("speed",))


def test_weight_by_request(run):
    """meta costs 20, l2Book 2, userRole 60; 1 200 a minute."""

    async def main():
        async with venue(limits=("weight",)) as at:
            for _ in range(19):
                await at.me.info("userRole")
            assert at.sim.limits.weight_used == 19 * 60
            for kind in ("meta", "perpDexs"):
                assert (await at.me.raw("/info", {"type": kind}))[0] == 200
            assert await at.me.info("allMids")
            assert at.sim.limits.weight_used == 1182
            assert await at.me.raw("/info", {"type": "meta"}) == (429, "null")
            for _ in range(9):
                await at.me.info("l2Book", coin="ETH")
            status, _ = await at.me.raw("/exchange", at.me.l1({"type": "noop"}))
            assert status == 429
            await at.sim.advance(60.1)
            assert (await at.me.act({"type": "noop"}))["status"] == "ok"
            assert at.sim.limits.weight_used == 1

    run(main())


def test_big_batches_and_long_answers_weigh_more(run):
    async def main():
        async with venue(limits=("weight",)) as at:
            orders = [limit(ETH, False, "3000", "0.1") for _ in range(80)]
            await at.other.order(*orders)
            assert at.sim.limits.weight_used == 3  # 1 + floor(80 / 40)
            await at.me.order(limit(ETH, True, "3000", "8"))
            before = at.sim.limits.weight_used
            assert len(await at.me.info("userFills")) == 80
            assert at.sim.limits.weight_used - before == 24

    run(main())


def test_a_websocket_post_over_the_weight(run):
    async def main():
        async with venue(limits=("weight",)) as at, at.listen() as ear:
            at.sim.limits.add_weight(1_200)
            request = {"type": "info", "payload": {"type": "meta"}}
            await ear.send({"method": "post", "id": 1, "request": request})
            reply = await ear.channel("post")
            assert reply["response"] == {"type": "error", "payload": "429 Too Many Requests"}
            request = {"type": "action", "payload": at.me.l1({"type": "noop"})}
            await ear.send({"method": "post", "id": 2, "request": request})
            reply = await ear.channel("post")
            assert reply["response"] == {"type": "error", "payload": "429 Too Many Requests"}
            assert not at.sim.record.actions

    run(main())


def test_connections(run):
    async def main():
        async with venue(limits=("connections",), max_connections=2) as at:
            async with at.listen(), at.listen():
                with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                    await at.session.ws_connect(at.sim.ws_url)
                assert refused.value.status == 429
            await at.all_gone()
            async with at.listen():
                pass
        async with venue(limits=("new_connections",)) as at:
            for _ in range(30):
                async with at.listen():
                    pass
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await at.session.ws_connect(at.sim.ws_url)
            await at.sim.advance(60.1)
            async with at.listen():
                pass

    run(main())


def test_users_subscriptions_and_messages(run):
    async def main():
        limits = ("users", "subscriptions", "messages")
        async with venue(limits=limits) as at, at.listen() as ear:
            for number in range(10):
                await ear.subscribe("orderUpdates", user=f"0x{number:040x}")
            await ear.subscribe("userEvents", user="0x" + "0" * 40)
            eleventh = {"type": "orderUpdates", "user": "0x" + "f" * 40}
            await ear.send({"method": "subscribe", "subscription": eleventh})
            assert await ear.channel("error") == "Cannot track more than 10 total users."
            for _ in range(2_000 - 12):
                await ear.ws.send_str('{"method":"ping"}')
            await ear.send({"method": "ping"})
            text = await ear.channel("error")
            assert text == "Cannot send more than 2000 messages per minute."

    run(main())


def test_subscriptions(run):
    async def main():
        async with venue(limits=("subscriptions",)) as at, at.listen() as ear:
            for number in range(1_000):
                channel = {"type": "userFundings", "user": f"0x{number:040x}"}
                await ear.ws.send_str(json.dumps({"method": "subscribe", "subscription": channel}))
            await ear.send({"method": "subscribe", "subscription": {"type": "bbo", "coin": "ETH"}})
            text = await ear.channel("error")
            assert text == "Cannot subscribe to more than 1000 channels."

    run(main())


def test_posts_in_flight(run):
    async def main():
        async with venue(limits=("posts",)) as at, at.listen() as ear:
            at.sim.faults.next_reply("post", lose=True, count=100)
            for number in range(101):
                request = {"type": "action", "payload": at.me.l1({"type": "noop"})}
                await ear.send({"method": "post", "id": number, "request": request})
            assert await ear.channel("error") == "too many pending post requests id=100"

    run(main())


def test_the_addresss_budget(run):
    async def main():
        async with venue(limits=("address",)) as at:
            account = at.sim.exchange.account(at.me.address)
            resting = await at.me.rest(ETH, True, "2900", "1")
            account.requests = 9_999
            await at.me.order(*(limit(ETH, True, "2900", "1"),))
            action = {"type": "order", "orders": [limit(ETH, True, "2900", "1")], "grouping": "na"}
            account.last_spare_ms = at.sim.clock.now_ms()
            answer = await at.me.act(action)
            assert answer["response"].startswith(
                "Too many cumulative requests sent (10001 > 10000) for cumulative volume traded $0."
            )
            assert await at.me.cancel(ETH, resting) == ["success"]  # cancels have their own cap
            await at.sim.advance(10.1)
            assert (await at.me.act(action))["status"] == "ok"  # one every ten seconds
            assert (await at.me.act(action))["status"] == "err"
            reserve = {"type": "reserveRequestWeight", "weight": 100}
            await at.sim.advance(10.1)
            assert (await at.me.act(reserve))["status"] == "ok"
            assert (await at.me.act(action))["status"] == "ok"
            assert (await at.me.info("userRateLimit"))["nRequestsCap"] == 10_100

    run(main())


def test_a_batch_counts_by_its_entries(run):
    async def main():
        async with venue() as at:
            await at.me.order(*(limit(ETH, True, "2900", "1") for _ in range(7)))
            assert (await at.me.info("userRateLimit"))["nRequestsUsed"] == 7

    run(main())


def test_open_orders(run):
    async def main():
        setups = (AccountSetup(KEYS[0], perp_usd="100000000"), AccountSetup(KEYS[1]))
        async with venue(limits=("open_orders",), setups=setups) as at:
            await at.me.order(*(limit(ETH, True, "2900", "0.01") for _ in range(1_000)))
            (status,) = await at.me.order(limit(ETH, True, "2900", "0.01"))
            assert "Too many open orders" in status["error"]

    run(main())


def test_a_slow_consumer_is_cut(run):
    async def main():
        async with venue(slow_consumer_bytes=1_000) as at, at.listen() as ear:
            (connection,) = at.sim.connections.values()
            transport = ear.ws._response.connection.transport
            transport.pause_reading()  # the client takes nothing any more
            for _ in range(20_000):
                connection.send(b'"' + b"x" * 1_000 + b'"')
                await asyncio.sleep(0)
                if connection.closing:
                    break
            assert connection.closing
            transport.resume_reading()

    run(main())
