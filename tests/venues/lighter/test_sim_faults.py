"""Faults and scripting of the Lighter simulator (18.2.8, 18.2.9), and that runs repeat (18.3)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from venues.lighter.sim_client import START_MS, Client, Wire, connected, limit, running, wired

from connectors.sim.lighter.config import SimConfig
from connectors.sim.lighter.server import Simulator
from patience import GRACE_S

Run = Callable[..., Any]


async def quiet(wire: Wire) -> None:
    """Check that nothing more was sent before the answer to a ping."""
    await wire.send(type="ping")
    assert await wire.receive() == {"type": "pong"}


def order(client: Client, **more: Any) -> tuple[str, str]:
    return client.traders[0].sign(14, limit(230_000, 100, **more))


async def post(client: Client, info: str) -> tuple[int, Any]:
    return await client.post("sendTx", {"tx_type": "14", "tx_info": info})


# -- answers ---------------------------------------------------------------------------------------


def test_an_injected_refusal_uses_no_nonce(run: Run) -> None:
    """L-20: a refusing code is not admitted; anything else is."""

    async def body() -> None:
        async with wired() as (client, wire):
            faults = client.sim.faults
            faults.next_ack(code=21029, message="insufficient margin")
            info, _ = order(client)
            answer = await wire.tx(14, info)
            assert answer == {
                "type": "jsonapi/sendtx", "code": 21029, "message": "insufficient margin"
            }  # fmt: skip
            assert not client.sim.exchange.txs
            assert [tx.code for tx in client.sim.record.txs] == [21029]
            assert (await wire.tx(14, info))["code"] == 200

    run(body())


def test_an_error_frame_in_place_of_the_answer(run: Run) -> None:
    """L-21: 30003 says nothing about the transaction, which is taken."""

    async def body() -> None:
        async with wired() as (client, wire):
            error = {"error": {"code": 30003, "message": "Already Subscribed to : ticker:3"}}
            client.sim.faults.next_ack(frame=error)
            info, digest = order(client)
            data = {"tx_type": 14, "tx_info": json.loads(info)}
            await wire.send(type="jsonapi/sendtx", data=data)
            assert await wire.receive() == error
            assert client.sim.exchange.txs[digest].status == 2

    run(body())


def test_answers_dropped_doubled_late_and_out_of_order(run: Run) -> None:
    async def body() -> None:
        async with wired(virtual_start_ms=START_MS) as (client, wire):
            faults = client.sim.faults

            async def send(name: str) -> None:
                info, _ = client.traders[0].sign(14, limit(230_000, 100, now_ms=START_MS))
                data = {"tx_type": 14, "tx_info": json.loads(info), "id": name}
                await wire.send(type="jsonapi/sendtx", data=data)

            async def ids(count: int) -> list[str]:
                return [(await wire.until("jsonapi/sendtx"))["id"] for _ in range(count)]

            faults.next_ack(drop=True)
            await send("lost")
            faults.next_ack(duplicate=True)
            await send("twice")
            assert await ids(2) == ["twice", "twice"]
            faults.hold_acks(3)
            for name in "abc":
                await send(name)
            await quiet(wire)
            assert faults.release_acks(reverse=True) == 3
            assert await ids(3) == ["c", "b", "a"]
            faults.next_ack(delay_ms=30)
            await send("late")
            await send("prompt")
            assert await ids(1) == ["prompt"]
            await client.sim.advance(0.03)
            assert await ids(1) == ["late"]
            assert len(client.sim.exchange.txs) == 7

    run(body())


def test_bent_rest_replies(run: Run) -> None:
    async def body() -> None:
        async with running() as client:
            faults, sim = client.sim.faults, client.sim
            info, digest = order(client)
            body = {"code": 21149, "message": "integrator is not approved"}
            faults.next_reply("sendTx", body=body)
            assert await post(client, info) == (200, body)  # L-04: the status can be chosen
            assert not sim.exchange.txs
            faults.next_reply("sendTx", status=502, body={"code": 29500}, admit=True)
            assert (await post(client, info))[0] == 502
            assert sim.exchange.txs[digest].status == 2  # taken all the same
            faults.next_reply("nextNonce", status=429, body={"code": 23000}, retry_after_s=2)
            url = f"{sim.http_url}/api/v1/nextNonce"
            async with client.http.get(url) as response:
                assert (response.status, response.headers["Retry-After"]) == (429, "2")
            standing = faults.next_reply("trades", body={"code": 200, "trades": []}, count=None)
            for _ in range(2):
                assert (await client.get("trades"))["trades"] == []
            faults.remove_reply(standing)
            assert (await client.get_raw("trades"))[0] == 400
            faults.next_reply("sendTx", drop=True, admit=True)
            info, digest = order(client)
            with pytest.raises(aiohttp.ClientError):
                await post(client, info)
            assert digest in sim.exchange.txs
            faults.next_reply("stream", status=503)
            with pytest.raises(aiohttp.WSServerHandshakeError):
                async with client.http.ws_connect(sim.ws_url):
                    pass
            assert sim.record.hits["trades"] == 3

    run(body())


def test_a_held_reply(run: Run) -> None:
    """L-11: the batch is recorded and executed, its reply waits."""

    async def body() -> None:
        async with running() as client:
            hold = client.sim.faults.hold("sendTxBatch")
            info, digest = order(client)
            form = {"tx_types": "[14]", "tx_infos": json.dumps([info])}
            sending = asyncio.create_task(client.post("sendTxBatch", form))
            await hold.reached.wait()
            sends = client.sim.record.sends("jsonapi/sendtxbatch")
            assert [tx.types for tx in sends] == [[14]]
            await asyncio.sleep(0.02)
            assert client.sim.exchange.txs[digest].status == 2
            assert not sending.done()
            hold.release()
            assert (await sending)[1]["tx_hash"] == [digest]
            await client.admin("fault", fault="hold", endpoint="nextNonce")
            asking = asyncio.create_task(
                client.get("nextNonce", account_index=12345, api_key_index=5)
            )
            async with asyncio.timeout(GRACE_S):
                while not client.sim.record.hits["nextNonce"]:  # noqa: ASYNC110
                    await asyncio.sleep(0.001)
            assert not asking.done()
            assert await client.admin("fault", fault="release_holds") == 1
            assert (await asking)["nonce"] == 2

    run(body())


def test_failing_in_the_sequencer_on_demand(run: Run) -> None:
    async def body() -> None:
        async with running() as client:
            client.sim.faults.fail_next(21739)
            _, answer = await client.send(14, limit(230_000, 100))
            row = await client.get("tx", by="hash", value=answer["tx_hash"])
            assert (row["status"], "21739" in row["event_info"]) == (0, True)

    run(body())


# -- connections -----------------------------------------------------------------------------------


def test_ends_of_connections(run_any: Run) -> None:
    async def body() -> None:
        async with running() as client:
            sim, faults = client.sim, client.sim.faults
            async with connected(client) as wire:
                faults.close_after_next_frame(kind="subscribe")
                await quiet(wire)
                faults.close_after_next_frame()
                await wire.send(type="ping")
                assert await wire.receive() == {"type": "pong"}
                await wire.closed()
            async with connected(client) as one, connected(client) as two:
                first, second = sorted(sim.connections)
                faults.close(first, 1001, "bye")
                await one.closed()
                assert one.ws.close_code == 1001
                await quiet(two)
                faults.abort(second)
                await two.closed()
                assert two.ws.close_code in (None, 1006)
            async with connected(client) as wire:
                faults.shutdown(close_in_ms=20)
                assert await wire.receive() == {"type": "shutdown", "close_in_ms": 20}
                await wire.closed()
            async with connected(client) as wire:
                faults.freeze()
                await wire.send(type="ping")
                with pytest.raises(TimeoutError):
                    await wire.ws.receive(timeout=0.05)
                faults.abort()
            async with connected(client) as wire:
                faults.ping()
                assert await wire.receive() == {"type": "ping"}
            assert sim.record.opened == 6
            async with asyncio.timeout(GRACE_S):
                while sim.connections:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)

    run_any(body())


def test_a_client_not_read(run: Run) -> None:
    async def body() -> None:
        async with wired() as (client, wire):
            client.sim.faults.stop_reading()
            await wire.send(type="ping")
            with pytest.raises(TimeoutError):
                await wire.ws.receive(timeout=0.05)
        async with wired() as (client, wire):
            client.sim.faults.stop_reading()
            await wire.send(type="ping")
            client.sim.faults.resume_reading()
            assert await wire.receive() == {"type": "pong"}

    run(body())


# -- channels --------------------------------------------------------------------------------------


def test_a_gap_in_a_book(run: Run) -> None:
    async def body() -> None:
        async with wired(book_batch_ms=0.0) as (client, wire):
            nonce = (await wire.subscribe("order_book/0"))["order_book"]["nonce"]
            client.sim.faults.book_gap(0)
            for number in range(2):
                client.sim.house_order(0, "buy", price=f"230{number}.00", size="1.0000")
            update = (await wire.until("update/order_book"))["order_book"]
            assert update["begin_nonce"] > nonce
            assert update["bids"] == [{"price": "2301.00", "size": "1.0000"}]
            client.sim.faults.replay("order_book:0")
            again = (await wire.until("update/order_book"))["order_book"]
            assert again == update

    run(body())


async def private(client: Client, wire: Wire, name: str) -> None:
    account = client.traders[0].account
    assert "error" not in await wire.subscribe(f"{name}/{account}", client.tokens[0])


async def fill(client: Client) -> None:
    await client.send(14, limit(230_000, 100))
    client.sim.house_order(0, "sell", price="2300.00", size="0.0100", take=True)


def test_trades_doubled_first_held_and_lost(run: Run) -> None:
    async def body() -> None:
        async with wired() as (client, wire):
            faults = client.sim.faults
            await private(client, wire, "account_all_orders")
            await private(client, wire, "account_all_trades")
            faults.tap("account_all_trades", "duplicate")
            await fill(client)
            one = await wire.until("update/account_all_trades")
            assert await wire.until("update/account_all_trades") == one
            faults.trade_first()
            wire.others.clear()
            await fill(client)
            assert (await wire.until("update/account_all_orders"))["orders"]["0"][0]["status"] == (
                "open"
            )
            await wire.until("update/account_all_trades")
            frame = await wire.until("update/account_all_orders")
            assert frame["orders"]["0"][0]["status"] == "filled"
            tap = faults.tap("account_all_trades", "hold")
            await fill(client)
            await quiet_after_orders(wire)
            faults.release(tap)
            await wire.until("update/account_all_trades")
            faults.tap("account_all_trades", "drop")
            await fill(client)
            await quiet_after_orders(wire)
            account = client.traders[0].account
            assert faults.replay(f"account_all_trades:{account}") == 1
            await wire.until("update/account_all_trades")
            assert not client.sim.publisher.taps

    run(body())


async def quiet_after_orders(wire: Wire) -> None:
    """Read both order rows of a fill; no trade comes."""
    for status in ("open", "filled"):
        frame = await wire.receive()
        assert frame["orders"]["0"][0]["status"] == status
    await quiet(wire)


def test_swapped_and_spoilt_frames(run: Run) -> None:
    async def body() -> None:
        async with wired() as (client, wire):
            faults = client.sim.faults
            await private(client, wire, "account_all_orders")
            faults.tap("account_all_orders", "swap")
            await fill(client)
            statuses = [(await wire.receive())["orders"]["0"][0]["status"] for _ in range(2)]
            assert statuses == ["filled", "open"]
            faults.tap("account_all_orders", "malformed")
            await client.send(14, limit(230_000, 100))
            assert (await wire.receive())["orders"]["0"][0]["initial_base_amount"].startswith("-x")
            faults.tap("account_all_orders", "truncate")
            await client.send(14, limit(230_000, 100))
            message = await wire.ws.receive(timeout=GRACE_S)
            with pytest.raises(json.JSONDecodeError):
                json.loads(message.data)

    run(body())


# -- accounts --------------------------------------------------------------------------------------


def test_foreign_use_of_the_key(run: Run) -> None:
    async def body() -> None:
        async with running() as client:
            account = client.traders[0].account
            client.sim.faults.shift_nonce(account, 5, 3)
            info, _ = order(client)
            status, answer = await post(client, info)
            assert (status, answer["code"], answer["message"]) == (400, 21104, "invalid nonce")
            fresh = await client.get("nextNonce", account_index=account, api_key_index=5)
            assert fresh["nonce"] == 4

    run(body())


def test_tokens_that_run_out(run: Run) -> None:
    async def body() -> None:
        async with wired() as (client, wire):
            account, token = client.traders[0].account, client.tokens[0]
            channel = f"account_all_orders/{account}"
            await wire.subscribe(channel, token)
            client.sim.faults.expire_tokens(account)
            await client.send(14, limit(230_000, 100))
            await quiet(wire)
            refused = await wire.subscribe(channel, token)
            assert (refused["error"]["code"], "expired" in refused["error"]["message"]) == (
                20001, True,
            )  # fmt: skip
            fresh = client.traders[0].token(client.sim.clock.now_ms() // 1000 + 7000)
            assert (await wire.subscribe(channel, fresh))["orders"]["0"]

    run(body())


def test_quota_and_clock(run: Run) -> None:
    async def body() -> None:
        async with running(limits=True) as client:
            account = client.traders[0].account
            client.sim.faults.exhaust_quota(account)
            assert (await client.send(14, limit(230_000, 100)))[1]["code"] == 23000
            client.traders[0].nonce -= 1
            info, _ = order(client)
            client.sim.faults.clock_offset(400_000)
            assert (await post(client, info))[1]["code"] == 21501

    run(body())


def test_faults_from_outside(run: Run) -> None:
    async def body() -> None:
        async with wired() as (client, wire):
            await client.admin("fault", fault="next_ack", code=21702, message="no")
            assert (await wire.tx(14, order(client)[0]))["code"] == 21702
            assert (await client.admin("push", frame={"type": "x"}))["sent"] == 1
            assert await wire.receive() == {"type": "x"}
            row = await client.admin("order", market=0, side="sell", price="2400.00", size="1")
            assert (row["price"], row["is_ask"]) == ("2400.00", True)
            await client.admin("mark", market=0, price="2500.00")
            await client.admin("config", ack_mode="bare")
            for name, body in (
                ("fault", {"fault": "what"}), ("fault", {"fault": "tap", "prefix": "x"}),
                ("config", {"port": 1}), ("order", {}), ("advance", {"ms": 5}),
            ):  # fmt: skip
                url = f"{client.sim.http_url}/_sim/{name}"
                async with client.http.post(url, json=body) as response:
                    assert response.status == 400, name
            names = ("state", "connections", "requests", "txs", "subscribes", "config", "faults",
                     "accounts", "book?market=0", "orders?account=12345",
                     "trades?account=12345")  # fmt: skip
            for name in names:
                async with client.http.get(f"{client.sim.http_url}/_sim/{name}") as response:
                    assert response.status == 200, name
                    text = await response.text()
                    secret = client.sim.accounts[0]["private_key"]
                    assert (secret in text) is (name == "state")
            async with client.http.get(f"{client.sim.http_url}/_sim/nothing") as response:
                assert response.status == 404

    run(body())


def test_faults_of_a_scenario(run: Run) -> None:
    """`drops` cuts connections at simulated times that the seed decides."""

    async def body() -> list[Any]:
        async with running("drops", virtual_start_ms=START_MS, seed=5) as client:
            for _ in range(3):
                async with client.http.ws_connect(client.sim.ws_url) as ws:
                    await ws.receive()
                    while client.sim.connections:
                        await client.sim.advance(0.5)
            return [(fault["fault"], fault["ms"]) for fault in client.sim.faults.applied]

    first = run(body())
    assert len(first) >= 3
    assert run(body())[:3] == first[:3]


# -- determinism -----------------------------------------------------------------------------------


def session(seed: int, run: Run) -> list[bytes]:
    """Trade on a clock moved by hand; return every frame a follower was sent."""

    async def body() -> list[bytes]:
        changes = {"virtual_start_ms": START_MS, "seed": seed, "rate_per_s": 500.0}
        async with wired("calm", **changes) as (client, wire):
            sim: Simulator = client.sim
            for channel in ("order_book/0", "trade/0", "ticker/1", "market_stats/all", "height"):
                await wire.subscribe(channel)
            for name in ("account_all_orders", "account_all_trades", "user_stats", "account_tx"):
                await private(client, wire, name)
            for number in range(20):
                price = sim.exchange.markets[0].last_price + number - 10
                fields = limit(price, 100, ask=number % 2 == 0, now_ms=sim.clock.now_ms())
                info, _ = client.traders[0].sign(14, fields)
                assert (await wire.tx(14, info))["code"] == 200
                await sim.advance(0.1)
            (connection,) = sim.connections.values()
            return list(connection.sent)

    frames: list[bytes] = run(body(), timeout_s=20)
    return frames


def test_same_seed_same_frames(run: Run) -> None:
    first = session(7, run)
    assert len(first) > 100
    assert session(7, run) == first
    assert session(8, run) != first


def test_settings() -> None:
    with pytest.raises(ValueError, match="unknown scenario"):
        SimConfig.of("nothing")
    with pytest.raises(TypeError):
        SimConfig.of("calm", nothing=1)
    with pytest.raises(ValueError, match="cannot be changed"):
        SimConfig().set({"seed": 2})
    assert "private" not in repr(SimConfig.of("mock"))
    assert "0b8e0f63" not in repr(SimConfig.of("mock"))
