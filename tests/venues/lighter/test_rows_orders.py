"""Rows L-09 to L-28 of the venue's rules: submitting, refusals, cancels and modifications."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from venues.lighter.trading_rig import (
    BATCH,
    ETH,
    ETH_SPOT,
    SINGLE,
    buy,
    quiet,
    sell,
    trading,
    until,
)

from connectors.lighter.execution import CancelOrder
from connectors.model import (
    Order,
    OrderCancelRejected,
    OrderDenied,
    OrderModifyRejected,
    OrderRejected,
    OrderStatus,
    OrderSubmitted,
    Side,
    TimeInForce,
    limit_if_touched_order,
    limit_order,
    market_if_touched_order,
    market_order,
    stop_limit_order,
    stop_market_order,
)
from patience import GRACE_S

CANCEL_REFUSED = {"code": 21727, "message": "order is not cancelable"}


async def _single(rig: Any) -> dict[str, Any]:
    """Return the one transaction sent, which must have gone over the WebSocket."""
    (sent,) = await rig.sent(1)
    assert (sent.kind, sent.transport) == (SINGLE, "ws")
    assert isinstance(sent.raw, dict | str)
    info: dict[str, Any] = {**sent.infos[0], "type": sent.types[0]}
    return info


async def _denied(order: Order, *words: str, connect: bool = False) -> None:
    """Submit an order and see it denied, with nothing sent and nothing else said."""
    async with trading(connect=connect, instruments=(ETH, ETH_SPOT)) as rig:
        rig.client.submit_order(order)
        denied = await rig.event(OrderDenied, order)
        for word in words:
            assert word in denied.reason
        await quiet(rig)
        assert rig.names == ["OrderDenied"]
        assert rig.sends == []


# -- submitting ------------------------------------------------------------------------


def test_l_09_limit_order(run_any: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            order = buy()
            rig.client.submit_order(order)
            await rig.event(OrderSubmitted, order)
            info = await _single(rig)
            assert info["type"] == 14
            assert (info["MarketIndex"], info["IsAsk"]) == (0, 0)
            assert (info["Price"], info["BaseAmount"]) == (236131, 50)
            assert info["Nonce"] == 9999
            await quiet(rig)
            assert len(rig.sends) == 1

    run_any(scenario())


def test_l_10_order_list_is_one_create_batch(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            first, second = buy(), sell("0.0100", "2400.00", post_only=True)
            rig.client.submit_order_list([first, second])
            await rig.event(OrderSubmitted, first)
            await rig.event(OrderSubmitted, second)
            (sent,) = await rig.sent(1)
            assert (sent.kind, sent.transport, sent.types) == (BATCH, "http", [14, 14])
            assert rig.hits("sendTxBatch") == 1
            one, other = sent.infos
            assert (one["MarketIndex"], one["IsAsk"]) == (0, 0)
            assert (other["MarketIndex"], other["IsAsk"], other["TimeInForce"]) == (0, 1, 2)
            assert other["Nonce"] == one["Nonce"] + 1
            await until(lambda: sent.code == 200)
            await quiet(rig)
            assert rig.names == ["OrderSubmitted"] * 2

    run(scenario())


def test_l_11_nonce_order_across_transports(run: Any) -> None:
    async def scenario() -> None:
        async with trading(sendtx_quota_per_min=24_000) as rig:
            hold = rig.sim.faults.hold("sendTxBatch")
            batch = [buy(), sell("0.0100", "2400.00", post_only=True)]
            rig.client.submit_order_list(batch)
            async with asyncio.timeout(GRACE_S):
                await hold.reached.wait()
            single = buy(price="2350.00")
            rig.client.submit_order(single)
            assert [e.client_order_id for e in rig.of(OrderSubmitted)] == [
                order.client_order_id for order in (*batch, single)
            ]
            await asyncio.sleep(0.1)
            assert [sent.types for sent in rig.sends] == [[14, 14]]
            hold.release()
            await rig.sent(2)
            assert [(s.kind, s.types) for s in rig.sends] == [(BATCH, [14, 14]), (SINGLE, [14])]
            nonces = [info["Nonce"] for sent in rig.sends for info in sent.infos]
            assert nonces == [9999, 10000, 10001]

    run(scenario())


def test_l_12_post_only(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            rig.client.submit_order(sell("0.0100", "2400.00", post_only=True))
            info = await _single(rig)
            assert (info["TimeInForce"], info["IsAsk"]) == (2, 1)

    run(scenario())


def test_l_13_reduce_only(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            rig.client.submit_order(sell(reduce_only=True))
            assert (await _single(rig))["ReduceOnly"] == 1

    run(scenario())


def test_l_14_stop_market(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            rig.client.submit_order(
                stop_market_order("ETH-PERP", Side.BUY, trigger_price="2400.00", size="0.0050")
            )
            info = await _single(rig)
            assert info["TimeInForce"] == 0
            assert info["OrderExpiry"] > 0
            assert (info["TriggerPrice"], info["Price"]) == (240000, 241200)

    run(scenario())


def test_l_15_market_order_without_a_quote(run: Any) -> None:
    order = market_order("ETH-PERP", Side.BUY, size="0.0050")
    run(_denied(order, "no cached quote", connect=True))


def test_l_16_fill_or_kill(run: Any) -> None:
    run(_denied(buy(time_in_force=TimeInForce.FOK), "fill-or-kill"))


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"quote_size": True}, "quote_quantity"),
        ({"display_size": Decimal("0.0010")}, "display_qty"),
    ],
)
def test_l_17_unsupported_quantity_options(run: Any, more: dict[str, Any], word: str) -> None:
    run(_denied(buy(**more), word))


def test_l_18_conditional_market_with_ioc(run: Any) -> None:
    order = stop_market_order(
        "ETH-PERP",
        Side.BUY,
        trigger_price="2400.00",
        size="0.0050",
        time_in_force=TimeInForce.IOC,
    )
    run(_denied(order, "positive expiry"))


@pytest.mark.parametrize(
    ("make", "price"),
    [
        (stop_market_order, None),
        (stop_limit_order, "2401.00"),
        (market_if_touched_order, None),
        (limit_if_touched_order, "2401.00"),
    ],
)
def test_l_19_spot_conditionals(run: Any, make: Callable[..., Order], price: str | None) -> None:
    more = {} if price is None else {"price": price}
    order = make("ETH/USDC-SPOT", Side.BUY, trigger_price="1.2000", size="1.00", **more)
    run(_denied(order, "spot markets"))


# -- refusals --------------------------------------------------------------------------


def test_l_20_refused_by_ack(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            rig.sim.faults.next_ack(code=21029, message="insufficient margin")
            order = buy()
            rig.client.submit_order(order)
            await rig.event(OrderSubmitted, order)
            rejected = await rig.event(OrderRejected, order)
            assert "insufficient margin" in rejected.reason
            assert "21029" in rejected.reason
            assert rejected.code == 21029
            await quiet(rig)
            assert rig.names == ["OrderSubmitted", "OrderRejected"]

    run(scenario())


def test_l_21_subscription_error_is_not_a_refusal(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            message = "Already Subscribed to : ticker:3"
            rig.sim.faults.next_ack(frame={"error": {"code": 30003, "message": message}})
            order = buy()
            rig.client.submit_order(order)
            await rig.event(OrderSubmitted, order)
            await quiet(rig, 1.0)
            assert rig.names == ["OrderSubmitted"]

    run(scenario())


# -- cancel and modify -----------------------------------------------------------------


def test_l_22_cancel(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            rig.client.cancel_order(
                "O-22", instrument_id="ETH-PERP", venue_order_id="281476929510110"
            )
            info = await _single(rig)
            assert (info["type"], info["MarketIndex"]) == (15, 0)
            assert info["Index"] == 281476929510110

    run(scenario())


def test_l_23_cancel_refused_while_pending_cancel(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            order = buy()
            venue_id = "281476929510112"
            rig.client.adopt_order(
                order, venue_order_id=venue_id, status=OrderStatus.PENDING_CANCEL
            )
            rig.sim.faults.next_ack(**CANCEL_REFUSED)
            rig.client.cancel_order(order.client_order_id)
            info = await _single(rig)
            assert (info["type"], info["Index"]) == (15, int(venue_id))
            refused = await rig.event(OrderCancelRejected, order)
            assert (refused.instrument_id, refused.venue_order_id) == ("ETH-PERP", venue_id)
            assert "code=21727" in refused.reason
            assert "order is not cancelable" in refused.reason
            await quiet(rig)
            assert rig.names == ["OrderCancelRejected"]

    run(scenario())


def test_l_24_modify(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            rig.client.modify_order(
                "O-24",
                instrument_id="ETH-PERP",
                venue_order_id="281476929510111",
                size="0.0100",
                price="2400.00",
            )
            info = await _single(rig)
            assert (info["type"], info["MarketIndex"]) == (17, 0)
            assert info["Index"] == 281476929510111
            assert (info["BaseAmount"], info["Price"]) == (100, 240000)

    run(scenario())


def test_l_25_modify_refused(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            order, _ = await rig.seed_open(281476929510113)
            rig.sim.faults.next_ack(code=21702, message="modify rejected by venue")
            rig.client.modify_order(order.client_order_id, size="0.0100", price="2400.00")
            sends = await rig.sent(2)
            assert sends[1].types == [17]
            assert sends[1].infos[0]["Index"] == 281476929510113
            refused = await rig.event(OrderModifyRejected, order)
            assert refused.instrument_id == "ETH-PERP"
            assert refused.venue_order_id == "281476929510113"
            assert "code=21702" in refused.reason
            assert "modify rejected by venue" in refused.reason
            await quiet(rig)
            assert rig.names == ["OrderSubmitted", "OrderAccepted", "OrderModifyRejected"]

    run(scenario())


def test_l_26_cancel_all(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            await rig.seed_open(281476929510120)
            await rig.seed_open(281476929510121)
            rig.client.cancel_all_orders("ETH-PERP")
            sends = await rig.sent(4)
            await quiet(rig)
            cancels = rig.sends[2:]
            assert [(c.kind, c.transport, c.types) for c in cancels] == [(SINGLE, "ws", [15])] * 2
            assert {c.infos[0]["Index"] for c in cancels} == {281476929510120, 281476929510121}
            assert len(sends) == 4

    run(scenario())


def test_l_27_cancel_all_refused_order_still_open(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            await rig.seed_open(281476929510122)
            rig.sim.faults.next_ack(**CANCEL_REFUSED)
            rig.client.cancel_all_orders("ETH-PERP")
            await rig.sent(2)
            await quiet(rig, 0.25)
            assert len(rig.sends) == 2

    run(scenario())


def test_l_28_batch_cancel(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            ids = [281476929510301, 281476929510302, 281476929510303]
            rig.client.batch_cancel_orders(
                [
                    CancelOrder(instrument_id="ETH-PERP", venue_order_id=str(venue_id))
                    for venue_id in ids
                ]
            )
            (sent,) = await rig.sent(1)
            assert (sent.kind, sent.transport, sent.types) == (BATCH, "http", [15, 15, 15])
            assert {info["Index"] for info in sent.infos} == set(ids)
            await until(lambda: sent.code == 200)
            await quiet(rig)
            assert rig.order_events == []

    run(scenario())


def test_the_rows_sign_with_the_real_key() -> None:
    """The simulator of these rows verifies every signature; a wrong one would be refused."""

    async def scenario() -> None:
        async with trading() as rig:
            assert rig.sim.config.verify
            rig.client.submit_order(limit_order("ETH-PERP", Side.BUY, size="1", price="2000"))
            (sent,) = await rig.sent(1)
            await until(lambda: sent.code == 200)

    asyncio.run(asyncio.wait_for(scenario(), 20 + GRACE_S))
