"""Cancels while the WebSocket is being replaced: over HTTP, in the order of the nonces."""

from __future__ import annotations

from typing import Any

import pytest
from venues.lighter.trading_rig import Rig, buy, quiet, trading, until

from connectors.lighter.trading import CancelOrder
from connectors.model import (
    Order,
    OrderAccepted,
    OrderCanceled,
    OrderCancelRejected,
    OrderDenied,
    OrderRejected,
    Side,
    limit_order,
)

CANCEL = 15
LONG_S = 30.0  # until the first attempt to connect again: longer than any test


async def _rest(rig: Rig, count: int, price: str = "2{:03d}.00", size: str = "0.1") -> list[Order]:
    """Place orders that rest."""
    orders = [
        limit_order("ETH-PERP", Side.BUY, size=size, price=price.format(number))
        for number in range(count)
    ]
    for order in orders:
        rig.client.submit_order(order)
    await until(lambda: len(rig.of(OrderAccepted)) == count, 10.0)
    return orders


async def _lose_the_socket(rig: Rig) -> None:
    rig.sim.faults.abort()
    await until(lambda: not rig.client.is_connected, 10.0)


def _over_http(rig: Rig) -> list[Any]:
    return [sent for sent in rig.sends if sent.transport != "ws"]


@pytest.mark.parametrize("way", ["one", "all", "batch"])
def test_cancels_go_over_http(run: Any, way: str) -> None:
    """What becomes of them is found out over REST; new orders are denied."""

    async def scenario() -> None:
        async with trading(
            scenario="empty", reconnect_min_s=LONG_S, probe_delay_s=0.2, max_batch=4,
            sendtx_quota_per_min=24_000, rest_quota_per_min=24_000,
        ) as rig:  # fmt: skip
            orders = await _rest(rig, 6)
            await _lose_the_socket(rig)
            if way == "one":
                wanted = orders[:1]
                rig.client.cancel_order(orders[0].client_order_id)
            elif way == "batch":
                wanted = orders[:4]
                rig.client.batch_cancel_orders([order.client_order_id for order in wanted])
            else:
                wanted = orders
                rig.client.cancel_all_orders()
            denied = buy()
            rig.client.submit_order(denied)
            assert "not connected" in rig.of(OrderDenied, denied)[0].reason
            sizes = {"one": [1], "batch": [4], "all": [4, 2]}[way]
            await until(lambda: [sent.code for sent in _over_http(rig)] == [200] * len(sizes))
            assert [len(sent.types) for sent in _over_http(rig)] == sizes
            if way != "all":  # of a cancel-all the next connection tells
                for order in wanted:
                    await rig.event(OrderCanceled, order)
            assert not rig.client.is_connected
            nonces = [info["Nonce"] for sent in rig.sends for info in sent.infos]
            assert nonces == list(range(nonces[0], nonces[0] + len(nonces)))
            assert rig.of(OrderCancelRejected) == []

    run(scenario(), 60)


def test_cancel_all_offline_is_told_by_the_next_connection(run: Any) -> None:
    async def scenario() -> None:
        async with trading(
            scenario="empty", reconnect_min_s=0.5, probe_delay_s=0.2,
            sendtx_quota_per_min=24_000, rest_quota_per_min=24_000,
        ) as rig:  # fmt: skip
            orders = await _rest(rig, 3)
            await _lose_the_socket(rig)
            rig.client.cancel_all_orders()
            for order in orders:
                await rig.event(OrderCanceled, order)
            await until(lambda: rig.client.is_connected and rig.client._sender.is_running, 10.0)  # type: ignore[union-attr]
            (after,) = await _rest_more(rig, 1)
            assert {sent.code for sent in rig.sends} == {200}
            rig.client.cancel_order(after.client_order_id)
            await rig.event(OrderCanceled, after)

    run(scenario(), 60)


async def _rest_more(rig: Rig, count: int) -> list[Order]:
    before = len(rig.of(OrderAccepted))
    orders = [buy(size="0.1", price="2000.00") for _ in range(count)]
    for order in orders:
        rig.client.submit_order(order)
    await until(lambda: len(rig.of(OrderAccepted)) == before + count, 10.0)
    return orders


def test_the_nonce_is_asked_for_once_and_what_was_in_flight_keeps_its_own(run: Any) -> None:
    async def scenario() -> None:
        async with trading(reconnect_min_s=LONG_S) as rig:
            order, _ = await rig.seed_open(281476929510120)
            rig.sim.faults.next_ack(drop=True)
            rig.client.submit_order(buy())  # the venue has it, and its answer is lost
            await rig.sent(2)
            asked = rig.hits("nextNonce")
            await _lose_the_socket(rig)
            rig.client.cancel_order(order.client_order_id)
            rig.client.cancel_order(
                venue_order_id="281476929510121", instrument_id=order.instrument_id
            )
            sends = await rig.sent(4)
            await until(lambda: sends[3].code == 200)
            assert [sent.infos[0]["Nonce"] for sent in sends] == [9999, 10000, 10001, 10002]
            assert rig.hits("nextNonce") == asked + 1

    run(scenario(), 60)


def test_nothing_overtakes_an_offline_cancel_on_the_new_socket(run: Any) -> None:
    """L-11, across the reconnect."""

    async def scenario() -> None:
        async with trading(reconnect_min_s=0.5, http_timeout_s=20.0) as rig:
            order, _ = await rig.seed_open(281476929510120)
            hold = rig.sim.faults.hold("sendTx")
            await _lose_the_socket(rig)
            rig.client.cancel_order(order.client_order_id)
            await until(hold.reached.is_set, 10.0)
            await until(lambda: rig.client._sender.is_running, 10.0)  # type: ignore[union-attr]
            rig.client.cancel_order(
                venue_order_id="281476929510121", instrument_id=order.instrument_id
            )
            await quiet(rig)
            assert len(rig.sends) == 2
            hold.release()
            sends = await rig.sent(3)
            await until(lambda: sends[2].code == 200)
            assert [sent.transport for sent in sends] == ["ws", "http", "ws"]
            assert [sent.infos[0]["Nonce"] for sent in sends] == [9999, 10000, 10001]

    run(scenario(), 60)


def test_cancels_in_the_line_when_the_socket_is_lost(run: Any) -> None:
    """An order in the line is given up, a cancel goes the other way."""

    async def scenario() -> None:
        async with trading(reconnect_min_s=LONG_S) as rig:
            order, _ = await rig.seed_open(281476929510120)
            sender = rig.client._sender
            assert sender is not None
            sender.ordered.line.pause("test")
            late = buy()
            rig.client.submit_order(late)
            rig.client.cancel_order(order.client_order_id)
            await _lose_the_socket(rig)
            rejected = await rig.event(OrderRejected, late)
            assert "not sent" in rejected.reason
            sender.ordered.line.resume("test")
            sends = await rig.sent(2)
            assert (sends[1].transport, list(sends[1].types)) == ("http", [CANCEL])
            await until(lambda: sends[1].code == 200)
            assert rig.of(OrderCancelRejected) == []

    run(scenario(), 60)


def test_offline_cancel_refused_for_its_nonce_goes_again(run: Any) -> None:
    """Bytes of the lost socket may still reach the venue after it was asked for the nonce."""

    async def scenario() -> None:
        async with trading(reconnect_min_s=LONG_S) as rig:
            order, _ = await rig.seed_open(281476929510120)
            await _lose_the_socket(rig)
            body = {"code": 21104, "message": "invalid nonce"}
            rig.sim.faults.next_reply("sendTx", status=400, body=body)
            rig.client.cancel_order(order.client_order_id)
            await until(lambda: [s.code for s in _over_http(rig)][-1:] == [200], 10.0)
            assert rig.of(OrderCancelRejected) == []

    run(scenario(), 60)


def test_neither_socket_nor_rest(run: Any) -> None:
    async def scenario() -> None:
        async with trading(reconnect_min_s=LONG_S) as rig:
            order, _ = await rig.seed_open(281476929510120)
            await _lose_the_socket(rig)
            body = {"code": 20558, "message": "no"}
            rig.sim.faults.next_reply("sendTx", status=403, body=body, count=None)
            rig.client.cancel_order(order.client_order_id)
            rejected = await rig.event(OrderCancelRejected, order)
            assert rejected.code == 20558
            rig.client.cancel_all_orders()
            told = f"{order.client_order_id} is not canceled"
            await until(lambda: [s for s in rig.status if told in getattr(s, "message", "")])

    run(scenario(), 60)


def test_cancel_without_a_session_is_refused_at_once(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            order, _ = await rig.seed_open(281476929510120)
            await rig.client.disconnect()
            rig.client.cancel_order(order.client_order_id)
            assert "not connected" in rig.of(OrderCancelRejected, order)[0].reason
            rig.client.batch_cancel_orders(
                [CancelOrder(client_order_id=order.client_order_id), order.client_order_id]
            )
            assert len(rig.of(OrderCancelRejected, order)) == 3
            count = len(rig.status)
            rig.client.cancel_all_orders()
            assert "is not canceled" in rig.status[count].message
            assert _over_http(rig) == []

    run(scenario(), 30)


def test_question_for_the_nonce_that_hangs_is_asked_again_by_the_next_connection(
    run: Any,
) -> None:
    """It went out while the whole network was away, and its time-out is long."""

    async def scenario() -> None:
        async with trading(reconnect_min_s=0.5, http_timeout_s=60.0) as rig:
            order, _ = await rig.seed_open(281476929510120)
            hold = rig.sim.faults.hold("nextNonce")
            await _lose_the_socket(rig)
            rig.client.cancel_order(order.client_order_id)
            await until(hold.reached.is_set, 10.0)
            sends = await rig.sent(2)
            await until(lambda: sends[1].code == 200)
            assert not hold.released
            hold.release()
            late = buy()
            await until(lambda: rig.client._sender.is_running, 10.0)  # type: ignore[union-attr]
            rig.client.submit_order(late)
            sends = await rig.sent(3)
            await until(lambda: sends[2].code == 200)
            assert [sent.infos[0]["Nonce"] for sent in sends] == [9999, 10000, 10001]

    run(scenario(), 60)
