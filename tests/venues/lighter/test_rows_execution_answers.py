"""Rows of section 19 about answers to transactions: X-03 to X-12, X-39, X-47, X-50 to X-53."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from venues.lighter.trading_rig import SINGLE, Rig, buy, quiet, trading, until

from connectors.model import (
    OrderAccepted,
    OrderDenied,
    OrderRejected,
    OrderSubmitted,
)
from patience import GRACE_S


async def _two_unanswered(rig: Rig) -> tuple[Any, Any, list[str]]:
    """Submit two orders whose answers are lost; return them and their hashes."""
    rig.sim.faults.next_ack(drop=True, count=2)
    first, second = buy(), buy(price="2361.32")
    rig.client.submit_order(first)
    rig.client.submit_order(second)
    sends = await rig.sent(2)
    return first, second, [sent.hashes[0] for sent in sends]


def _pending(rig: Rig) -> list[str]:
    """Return the client order ids of what waits for an answer, oldest first."""
    sender = rig.client._sender
    assert sender is not None
    return [pending.item.subject.client_order_id for pending in sender.inflight]


def test_x_03_hash_of_the_second_settles_the_second(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            first, second, hashes = await _two_unanswered(rig)
            rig.push({"type": SINGLE, "code": 21702, "message": "price", "tx_hash": hashes[1]})
            await rig.event(OrderRejected, second)
            assert _pending(rig) == [first.client_order_id]

    run(scenario())


def test_x_04_unknown_hash_settles_nothing(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            first, second, _ = await _two_unanswered(rig)
            rig.push({"type": SINGLE, "code": 21702, "message": "price", "tx_hash": "ab" * 40})
            await quiet(rig)
            assert _pending(rig) == [first.client_order_id, second.client_order_id]

    run(scenario())


def test_x_05_hash_in_upper_case_with_prefix(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            first, second, hashes = await _two_unanswered(rig)
            rig.push({"type": SINGLE, "code": 200, "tx_hash": "0x" + hashes[1].upper()})
            await until(lambda: _pending(rig) == [first.client_order_id])
            assert rig.of(OrderSubmitted, second)

    run(scenario())


def test_x_06_bare_error_long_after_the_send(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            rig.sim.faults.next_ack(drop=True)
            rig.client.submit_order(buy())
            await rig.sent(1)
            asked = rig.hits("nextNonce")
            await asyncio.sleep(1.2)
            rig.push({"error": {"code": 21104, "message": "invalid nonce"}})
            await until(lambda: rig.hits("nextNonce") == asked + 1)
            await quiet(rig)
            assert rig.names == ["OrderSubmitted"]

    run(scenario())


@pytest.mark.parametrize("mode", ["error_bare", "error_flat", "error_id", "bare", "id", "nested"])
def test_x_07_nonce_refused(run: Any, mode: str) -> None:
    """Also failure mode 17.4: recovery on every shape of the refusal."""

    async def scenario() -> None:
        async with trading(sim={"ack_mode": mode}) as rig:
            rig.sim.faults.shift_nonce(12345, 5, 3)
            asked = rig.hits("nextNonce")
            order = buy()
            rig.client.submit_order(order)
            rejected = await rig.event(OrderRejected, order)
            assert rejected.code == 21104
            rig.client.submit_order(buy())  # waits for the venue's count
            sends = await rig.sent(2)
            assert sends[1].infos[0]["Nonce"] == 10002
            await until(lambda: sends[1].code == 200)
            assert rig.hits("nextNonce") == asked + 1

    run(scenario())


def test_x_08_error_without_code(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            rig.sim.faults.next_ack(frame={"error": {"message": "something odd"}})
            rig.client.submit_order(buy())
            await rig.sent(1)
            await quiet(rig)
            assert rig.names == ["OrderSubmitted"]
            assert len(_pending(rig)) == 1

    run(scenario())


def test_x_09_json_ping_with_a_blocked_queue(run_any: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            sender = rig.client._sender
            assert sender is not None
            sender.ordered.line.pause("test")
            rig.client.submit_order(buy())
            rig.sim.faults.ping()
            await until(lambda: '{"type":"pong"}' in [f.text for f in rig.sim.record.frames])
            assert rig.sends == []

    run_any(scenario())


@pytest.mark.parametrize("found", [True, False])
def test_x_10_socket_lost_with_a_pending_create(run: Any, found: bool) -> None:
    async def scenario() -> None:
        async with trading(tx_lifetime_s=0.6, probe_delay_s=0.2) as rig:
            rig.sim.faults.next_ack(drop=True)
            order = buy()
            rig.client.submit_order(order)
            (sent,) = await rig.sent(1)
            index = sent.infos[0]["ClientOrderIndex"]
            rows = rig.order_row(index, 281476929510300)["orders"]["0"] if found else []
            body = {"code": 200, "orders": rows}
            rig.sim.faults.next_reply("accountOrders", body=body, count=None)
            rig.sim.faults.next_reply(
                "tx", status=400, body={"code": 21500, "message": "not found"}, count=None
            )
            rig.sim.faults.abort()
            if found:
                accepted = await rig.event(OrderAccepted, order)
                assert accepted.venue_order_id == "281476929510300"
            else:
                rejected = await rig.event(OrderRejected, order)
                assert "not found at venue" in rejected.reason
            await rig.reconnected()
            await quiet(rig)
            assert len(rig.names) == 2
            assert len(rig.sends) == 1  # never sent again

    run(scenario(), 30)


@pytest.mark.parametrize("failure", ["502", "timeout", "reset", "not json"])
def test_x_11_batch_with_unknown_outcome(run: Any, failure: str) -> None:
    async def scenario() -> None:
        timeout_s = 2.0 if failure == "timeout" else 5.0
        async with trading(http_timeout_s=timeout_s, probe_delay_s=0.2) as rig:
            faults, hold = rig.sim.faults, None
            if failure == "502":
                faults.next_reply("sendTxBatch", status=502, body="<html>", admit=True)
            elif failure == "timeout":
                hold = faults.hold("sendTxBatch")
            elif failure == "reset":
                faults.next_reply("sendTxBatch", drop=True, admit=True)
            else:
                faults.next_reply("sendTxBatch", status=200, body="not json", admit=True)
            orders = [buy(), buy(price="2300.00")]
            rig.client.submit_order_list(orders)
            (sent,) = await rig.sent(1)
            rows = [
                rig.order_row(info["ClientOrderIndex"], 281476929510300 + place)["orders"]["0"][0]
                for place, info in enumerate(sent.infos)
            ]
            faults.next_reply("accountOrders", body={"code": 200, "orders": rows}, count=None)
            for order in orders:
                await rig.event(OrderAccepted, order)
            assert rig.of(OrderRejected) == []
            rig.client.submit_order(buy())
            sends = await rig.sent(2)
            await until(lambda: sends[1].code == 200)
            assert sends[1].infos[0]["Nonce"] == 10001  # asked for, not rolled back
            if hold is not None:
                hold.release()

    run(scenario(), 30)


def test_x_12_batch_refused_for_its_nonce(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            body = {"code": 21104, "message": "invalid nonce"}
            rig.sim.faults.next_reply("sendTxBatch", status=400, body=body)
            asked = rig.hits("nextNonce")
            orders = [buy(), buy(price="2300.00")]
            rig.client.submit_order_list(orders)
            for order in orders:
                assert (await rig.event(OrderRejected, order)).code == 21104
            rig.client.submit_order(buy())
            sends = await rig.sent(2)
            assert sends[1].infos[0]["Nonce"] == 9999
            assert rig.hits("nextNonce") == asked + 1

    run(scenario())


def test_x_39_two_tasks_submit_at_once(run_any: Any) -> None:
    async def scenario() -> None:
        async with trading(sendtx_quota_per_min=24_000, nonce_window=1_000, signing_pool=64) as rig:

            async def submit(count: int) -> None:
                for _ in range(count):
                    rig.client.submit_order(buy())
                    await asyncio.sleep(0)

            await asyncio.gather(submit(250), submit(250))
            sends = await rig.sent(500)
            nonces = [sent.infos[0]["Nonce"] for sent in sends]
            assert nonces == list(range(9999, 10499))
            assert {sent.code for sent in sends} == {200}
            assert rig.of(OrderRejected) == []

    run_any(scenario(), 30)


def test_x_47_shutdown_frame(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            rig.sim.faults.next_ack(drop=True)
            order = buy()
            rig.client.submit_order(order)
            (sent,) = await rig.sent(1)
            row = rig.order_row(sent.infos[0]["ClientOrderIndex"], 281476929510300)
            body = {"code": 200, "orders": row["orders"]["0"]}
            rig.sim.faults.next_reply("accountOrders", body=body, count=None)
            rig.sim.faults.shutdown(close_in_ms=200)
            await until(lambda: not rig.client._sender.is_running)  # type: ignore[union-attr]
            late = buy()
            rig.client.submit_order(late)  # told at once, not lost
            assert "not connected" in rig.of(OrderDenied, late)[0].reason
            await rig.reconnected()
            await rig.event(OrderAccepted, order)
            assert len(rig.sends) == 1

    run(scenario(), 20)


def test_x_50_late_answer_of_an_old_socket(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            rig.sim.faults.next_ack(drop=True, count=2)
            rig.client.submit_order(buy())
            (first,) = await rig.sent(1)
            rig.sim.faults.abort()
            await rig.reconnected()
            second = buy()
            rig.client.submit_order(second)
            await rig.sent(2)
            rig.push({"type": SINGLE, "code": 21702, "message": "x", "tx_hash": first.hashes[0]})
            await quiet(rig)
            assert _pending(rig) == [second.client_order_id]

    run(scenario(), 20)


def test_x_51_cascade_asks_for_the_nonce_once(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            rig.sim.faults.next_ack(code=21702, message="price")
            asked = rig.hits("nextNonce")
            orders = [buy(price=f"2361.{cents}") for cents in range(10, 15)]
            for order in orders:
                rig.client.submit_order(order)
            codes = [(await rig.event(OrderRejected, order)).code for order in orders]
            assert codes == [21702, 21104, 21104, 21104, 21104]
            after = buy()
            rig.client.submit_order(after)
            sends = await rig.sent(6)
            await until(lambda: sends[5].code == 200)
            assert sends[5].infos[0]["Nonce"] == 9999
            assert rig.hits("nextNonce") == asked + 1
            assert len(rig.of(OrderRejected)) == 5

    run(scenario())


def test_x_52_ack_200_with_a_message(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            message = '{"ratelimit": "didn\'t use volume quota"}'
            rig.sim.faults.next_ack(
                frame={
                    "type": SINGLE, "code": 200, "message": message, "volume_quota_remaining": 7
                }
            )  # fmt: skip
            rig.client.submit_order(buy())
            await rig.sent(1)
            await until(lambda: _pending(rig) == [])
            await quiet(rig)
            assert rig.names == ["OrderSubmitted"]
            assert rig.client.volume_quota_remaining == 7

    run(scenario())


def test_x_53_volume_quota_used_up(run: Any) -> None:
    async def scenario() -> None:
        async with trading(sim={"ack_mode": "error_id", "limits": True}) as rig:
            standing, _ = await rig.seed_open(281476929510300)
            assert isinstance(rig.client.volume_quota_remaining, int)
            rig.sim.faults.exhaust_quota(12345)
            # The venue lets one transaction pass now and then without quota.
            refused = None
            for _ in range(3):
                order = buy()
                rig.client.submit_order(order)
                await until(lambda: _pending(rig) == [])
                refused = refused or next(iter(rig.of(OrderRejected, order)), None)
                if refused:
                    break
            assert refused is not None
            assert refused.code == 23000
            assert "volume quota" in refused.reason
            count = len(rig.sends)
            rig.client.cancel_order(standing.client_order_id)
            sends = await rig.sent(count + 1)
            await until(lambda: sends[-1].code == 200)  # cancels are free
            denied = buy()
            rig.client.submit_order(denied)
            assert "slow down" in rig.of(OrderDenied, denied)[0].reason

    run(scenario())


def test_order_sent_from_within_the_refusal(run: Any) -> None:
    """A bot that answers a refusal by the next order: it waits for the nonce and is not lost."""

    async def scenario() -> None:
        async with trading() as rig:
            rig.sim.faults.shift_nonce(12345, 5, 3)
            again: list[Any] = []

            def on_event(event: Any) -> None:
                rig.events.append(event)
                if isinstance(event, OrderRejected) and not again:
                    again.append(buy())
                    rig.client.submit_order(again[0])

            rig.take = on_event
            rig.client.submit_order(buy())
            sends = await rig.sent(2)
            await until(lambda: sends[1].code == 200)
            assert sends[1].infos[0]["Nonce"] == 10002
            assert rig.names == ["OrderSubmitted", "OrderRejected", "OrderSubmitted"]

    run(scenario())


def test_orders_behind_a_batch_of_unknown_outcome(run: Any) -> None:
    """They wait for the venue's count instead of failing for want of it."""

    async def scenario() -> None:
        async with trading() as rig:
            rig.sim.faults.next_reply("sendTxBatch", status=502, body="<html>", admit=True)
            hold = rig.sim.faults.hold("sendTxBatch")
            rig.client.submit_order_list([buy(), buy(price="2300.00")])
            async with asyncio.timeout(GRACE_S):
                await hold.reached.wait()
            late = buy(price="2301.00")
            rig.client.submit_order(late)
            hold.release()
            sends = await rig.sent(2)
            await until(lambda: sends[1].code == 200)
            assert sends[1].infos[0]["Nonce"] == 10001
            assert rig.of(OrderRejected) == []

    run(scenario())


def test_nonce_window_used_up(run: Any) -> None:
    """Section 8.2: denied with the nonce in the reason; answers make room again."""

    async def scenario() -> None:
        async with trading(nonce_window=2) as rig:
            rig.sim.faults.hold_acks(2)
            first = [buy(), buy()]
            for order in first:
                rig.client.submit_order(order)
            third = buy()
            rig.client.submit_order(third)
            assert "nonce" in rig.of(OrderDenied, third)[0].reason
            await rig.sent(2)
            rig.sim.faults.release_acks()
            await until(lambda: _pending(rig) == [])
            rig.client.submit_order(buy())
            sends = await rig.sent(3)
            assert [sent.infos[0]["Nonce"] for sent in sends] == [9999, 10000, 10001]

    run(scenario())
