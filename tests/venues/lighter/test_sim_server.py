"""The Lighter simulator as a server: admission, the mock, its process (sections 2, 18.2)."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from venues.lighter.sim_client import (
    START_MS,
    Trader,
    code_of,
    limit,
    running,
    wired,
)

from patience import GRACE_S

Run = Callable[..., Any]
SEED_PUBLIC_KEY = "2c4fbfa7d45258fb02da89eaaf8a3af8eb62106ddd86cd98886e0fadcd7fcacf6f8fd2af3ca004f5"


# -- admission (18.2.3) --------------------------------------------------------------------------


def test_admission_refuses_and_changes_nothing(run: Run) -> None:
    """Each refusal has its code, uses no nonce and leaves no trace but in the record."""

    async def body() -> None:
        async with running() as client:
            trader = client.traders[0]
            order = limit(230_000, 100)
            info, _ = trader.sign(14, order, Nonce=1)
            values = json.loads(info)

            def changed(**change: Any) -> str:
                return json.dumps({**values, **change})

            past = client.sim.clock.now_ms() - 1
            wrong_chain = Trader(client.sim.accounts[0], chain_id=302)
            cases = [
                (21501, 14, "{"),
                (21501, 14, changed(Price="x")),
                (21505, 77, info),
                (21102, 14, changed(AccountIndex=99)),
                (21109, 14, changed(ApiKeyIndex=6)),
                (21501, 14, trader.sign(14, order, Nonce=1, ExpiredAt=past)[0]),
                (21104, 14, trader.sign(14, order, Nonce=0)[0]),
                (21104, 14, trader.sign(14, order, Nonce=2)[0]),
                (21120, 14, changed(Price=230_001)),
                (21120, 14, changed(AccountIndex=client.traders[1].account)),
                (21120, 14, wrong_chain.sign(14, order, Nonce=1)[0]),
                (21706, 14, trader.sign(14, limit(230_000, 10), Nonce=1)[0]),
            ]
            for code, tx_type, text in cases:
                assert await code_of(client, tx_type, text) == code, (code, text)
            assert not client.sim.exchange.txs
            nonce = await client.get("nextNonce", account_index=trader.account, api_key_index=5)
            assert nonce["nonce"] == 1
            assert await code_of(client, 14, info) == 200
            assert await code_of(client, 14, info) == 21104  # the same again

    run(body())


def test_first_fault_wins(run: Run) -> None:
    """Wrong nonce and wrong signature: the nonce is looked at first; and so on up the list."""

    async def body() -> None:
        async with running() as client:
            trader = client.traders[0]
            values = json.loads(trader.sign(14, limit(230_000, 100), Nonce=5)[0])
            values["Price"] = 1
            assert await code_of(client, 14, json.dumps(values)) == 21104
            values["ExpiredAt"] = 1
            assert await code_of(client, 14, json.dumps(values)) == 21501
            values["ApiKeyIndex"] = 9
            assert await code_of(client, 14, json.dumps(values)) == 21109
            values["AccountIndex"] = 9
            assert await code_of(client, 14, json.dumps(values)) == 21102
            assert await code_of(client, 78, json.dumps(values)) == 21505

    run(body())


@pytest.mark.parametrize("multipart", [True, False])
def test_both_form_encodings_and_the_true_hash(run: Run, *, multipart: bool) -> None:
    async def body() -> None:
        async with running() as client:
            info, digest = client.traders[0].sign(14, limit(230_000, 100))
            form = {"tx_type": "14", "tx_info": info, "price_protection": "true"}
            status, answer = await client.post("sendTx", form, multipart=multipart)
            assert (status, answer["code"], answer["tx_hash"]) == (200, 200, digest)
            tx = await client.get("tx", by="hash", value=digest)
            assert (tx["status"], tx["type"], tx["nonce"]) == (2, 14, 1)
            assert json.loads(tx["info"])["Price"] == 230_000
            assert (await client.get_raw("tx", by="hash", value="00"))[1]["code"] == 21500

    run(body())


def test_both_chains_fit_unless_only_one_may(run: Run) -> None:
    async def body() -> None:
        for chains, code in (((300, 304), 200), ((304,), 21120)):
            async with running(chain_ids=chains) as client:
                trader = client.traders[0]
                assert await code_of(client, 14, trader.sign(14, limit(230_000, 100))[0]) == code

    run(body())


def batch_form(txs: list[tuple[int, str]]) -> dict[str, str]:
    types, infos = [kind for kind, _ in txs], [info for _, info in txs]
    return {"tx_types": json.dumps(types), "tx_infos": json.dumps(infos)}


@pytest.mark.parametrize("multipart", [True, False])
def test_batches_are_taken_whole_and_executed_one_by_one(run: Run, *, multipart: bool) -> None:
    async def body() -> None:
        async with running() as client:
            trader = client.traders[0]
            signed = [
                trader.sign(14, limit(230_000 + n, 100, ClientOrderIndex=1)) for n in range(3)
            ]
            signed.append(trader.sign(15, {"MarketIndex": 0, "Index": 1}))
            form = batch_form([(14, info) for info, _ in signed[:3]] + [(15, signed[3][0])])
            status, answer = await client.post("sendTxBatch", form, multipart=multipart)
            assert status == 200
            assert answer["tx_hash"] == [digest for _, digest in signed]
            outcomes = [
                (await client.get("tx", by="hash", value=digest))["status"]
                for digest in answer["tx_hash"]
            ]
            assert outcomes == [2, 0, 0, 2]  # the client index was taken, then cancelled
            assert trader.nonce == client.sim.exchange.accounts[trader.account].keys[5].nonce

    run(body())


def test_batch_refusals(run: Run) -> None:
    async def body() -> None:
        async with running() as client:
            mine, other = client.traders

            async def code(txs: list[tuple[int, str]], **change: str) -> int:
                answer = await client.post("sendTxBatch", {**batch_form(txs), **change})
                return int(answer[1]["code"])

            def signed(trader: Trader, *nonces: int) -> list[tuple[int, str]]:
                return [(14, trader.sign(14, limit(230_000, 50), Nonce=n)[0]) for n in nonces]

            assert await code(signed(mine, 2, 3)) == 21104
            assert await code(signed(mine, 1, 1)) == 21105
            assert await code(signed(mine, 1, 3)) == 21105
            assert await code(signed(mine, 1) + signed(other, 1)) == 21121
            assert await code(signed(mine, *range(1, 52))) == 21514
            assert await code(signed(mine, 1), tx_types="[14,14]") == 21513
            assert await code([]) == 21513
            assert await code([], tx_infos="x") == 21501
            tampered = signed(mine, 1, 2)
            tampered[1] = (14, tampered[1][1].replace('"Price":230000', '"Price":230001'))
            assert await code(tampered) == 21120
            assert not client.sim.exchange.txs
            assert await code(signed(mine, *range(1, 51))) == 200

    run(body())


def test_nonces_may_jump_with_the_attribute(run: Run) -> None:
    async def body() -> None:
        async with running() as client:
            status, _ = await client.send(14, limit(230_000, 100), Nonce=40, attributes={4: 1})
            assert status == 200
            status, answer = await client.send(14, limit(230_000, 100), Nonce=40)
            assert (status, answer["code"]) == (400, 21104)
            assert (await client.send(14, limit(230_000, 100), Nonce=41))[0] == 200
            back = await client.send(14, limit(230_000, 100), Nonce=9, attributes={4: 1})
            assert back[0] == 400

    run(body())


def test_signatures_can_be_switched_off(run: Run) -> None:
    async def body() -> None:
        async with running(verify=False) as client:
            values = json.loads(client.traders[0].sign(14, limit(230_000, 100))[0])
            values["Price"] = 231_000
            assert await code_of(client, 14, json.dumps(values)) == 200

    run(body())


def test_change_of_key(run: Run) -> None:
    async def body() -> None:
        async with running() as client:
            old, other = client.traders[0], client.sim.accounts[1]
            fields = {"PubKey": other["public_key"], "L1Sig": "0x00"}
            assert (await client.send(8, fields))[0] == 200
            new = Trader({**other, "account_index": old.account}, nonce=2)
            assert await code_of(client, 14, old.sign(14, limit(230_000, 100))[0]) == 21120
            assert await code_of(client, 14, new.sign(14, limit(230_000, 100))[0]) == 200

    run(body())


def test_limits_of_sends_and_quota(run: Run) -> None:
    async def body() -> None:
        async with running(limits=True, quota=2, virtual_start_ms=START_MS) as client:
            for expected in (200, 200, 429):
                order = limit(230_000, 100, now_ms=START_MS, ClientOrderIndex=expected)
                status, answer = await client.send(14, {**order, "ClientOrderIndex": 0})
                assert status == expected
            assert (answer["code"], "volume quota" in answer["message"]) == (23000, True)
            client.traders[0].nonce -= 1
            assert (await client.send(16, {"TimeInForce": 0, "Time": 0}))[0] == 429
            client.traders[0].nonce -= 1
            account = client.sim.exchange.accounts[client.traders[0].account]
            order_index = next(iter(account.live))
            cancel = {"MarketIndex": 0, "Index": order_index}
            assert (await client.send(15, cancel))[0] == 200  # cancels cost nothing

    run(body())


# -- the `mock` scenario (2.0) ---------------------------------------------------------------------


def test_mock_takes_and_does_nothing(run: Run) -> None:
    async def body() -> None:
        async with wired("mock") as (client, wire):
            (account,) = client.sim.accounts
            assert (account["account_index"], account["api_key_index"]) == (12345, 5)
            assert account["public_key"] == SEED_PUBLIC_KEY
            nonce = await client.get("nextNonce", account_index=12345, api_key_index=5)
            assert nonce["nonce"] == 9_999
            trader = Trader(account, nonce=9_999)
            await wire.send(
                type="subscribe", channel="account_all_orders/12345", auth=trader.token()
            )
            assert await wire.receive() == {
                "type": "subscribed", "channel": "account_all_orders:12345"
            }  # fmt: skip
            assert (await wire.receive())["type"] == "subscribed/account_all_orders"
            for kind, fields in (
                (14, limit(236_131, 50)), (15, {"MarketIndex": 0, "Index": 281476929510110}),
            ):  # fmt: skip
                answer = await wire.tx(kind, trader.sign(kind, fields)[0])
                assert answer == {"type": "jsonapi/sendtx", "code": 200}
            assert [tx.types for tx in client.sim.record.sends("jsonapi/sendtx", "ws")] == [
                [14], [15],
            ]  # fmt: skip
            assert client.sim.record.txs[0].infos[0]["Price"] == 236_131
            assert not client.sim.exchange.orders

    run(body())


def test_typed_frames_can_be_off(run: Run) -> None:
    async def body() -> None:
        async with wired("mock", typed_frames=False) as (client, wire):
            await wire.send(type="subscribe", channel="user_stats/12345", auth=client.tokens[0])
            assert (await wire.receive())["type"] == "subscribed"
            frame = {"type": "subscribed/user_stats", "channel": "user_stats:12345", "stats": {}}
            assert client.sim.faults.push(frame, channel="user_stats:12345") == 1
            assert await wire.receive() == frame

    run(body())


# -- process ---------------------------------------------------------------------------------------


def test_command_prints_one_line_and_ends_on_sigterm() -> None:
    command = [sys.executable, "-P", "-m", "connectors", "sim", "lighter", "--seed", "3"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        assert (ready["venue"], ready["pid"]) == ("lighter", process.pid)
        assert ready["http"].startswith("http://127.0.0.1:")
        assert ready["ws"].startswith("ws://127.0.0.1:")
        assert ready["ws"].endswith("/stream")
        account = ready["accounts"][0]
        assert set(account) == {"account_index", "api_key_index", "private_key", "public_key"}
        assert len(account["private_key"]) == len(account["public_key"]) == 80
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=GRACE_S)
        assert (process.returncode, rest) == (0, "")
