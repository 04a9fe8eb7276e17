"""Rows of section 19 about orders and what becomes of them: X-02, X-13 to X-20, X-33 and on."""

from __future__ import annotations

import json
import time
from decimal import Decimal
from typing import Any

import pytest
from venues.lighter.trading_rig import (
    BATCH,
    DATA,
    SINGLE,
    Rig,
    buy,
    quiet,
    sell,
    trading,
    until,
)

from connectors.lighter.execution import CancelOrder
from connectors.lighter.statuses import ORDER_STATUS_TEXTS, order_status, order_type
from connectors.model import (
    OrderAccepted,
    OrderCanceled,
    OrderCancelRejected,
    OrderDenied,
    OrderExpired,
    OrderFilled,
    OrderModifyRejected,
    OrderRejected,
    OrderSubmitted,
    OrderTriggered,
    OrderType,
    OrderUpdated,
    Side,
    TimeInForce,
    market_order,
    stop_limit_order,
)

LIFECYCLE = json.loads((DATA / "account_orders_lifecycle.json").read_text())
DAY_MS = 86_400_000


async def _info(rig: Rig, order: Any) -> dict[str, Any]:
    """Submit an order and return its transaction."""
    count = len(rig.sends)
    rig.client.submit_order(order)
    sends = await rig.sent(count + 1)
    info: dict[str, Any] = sends[-1].infos[0]
    return info


async def _submit(rig: Rig, order: Any) -> int:
    """Submit an order; return its client index."""
    count = len(rig.sends)
    rig.client.submit_order(order)
    sends = await rig.sent(count + 1)
    index: int = sends[-1].infos[0]["ClientOrderIndex"]
    return index


def _describe(event: Any) -> str:
    name = type(event).__name__
    if isinstance(event, OrderFilled):
        return f"{name}(qty={event.last_size}, px={event.last_price}, {event.liquidity.lower()})"
    return name


def test_x_02_lifecycle_script(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            order = buy(client_order_id="77")  # digits: the index itself
            assert await _submit(rig, order) == 77
            for step in LIFECYCLE["steps"]:
                before = len(rig.order_events)
                rig.push(step["frame"])
                expected = step["events"]
                if expected:
                    await rig.event_count(before + len(expected))
                else:
                    await quiet(rig, 0.03)
                found = [_describe(event) for event in rig.order_events[before:]]
                assert found == expected, step["why"]

    run(scenario(), 20)


@pytest.mark.parametrize("variant", LIFECYCLE["variants"], ids=lambda v: v["status"])
def test_x_02_variants(run: Any, variant: dict[str, str]) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            order = buy()
            index = await _submit(rig, order)
            rig.push(rig.order_row(index, 281476929510300, status=variant["status"]))
            expected = variant["event"]
            if expected.startswith("none"):
                await quiet(rig)
                return
            await until(lambda: len(rig.order_events) >= 2)
            await quiet(rig, 0.03)
            last = rig.order_events[-1]
            assert type(last).__name__ == expected.partition("(")[0]
            if "reason=" in expected:
                assert isinstance(last, OrderCanceled)
                assert last.reason == expected.partition("reason=")[2].rstrip(")")
            if "due_post_only" in expected:
                assert isinstance(last, OrderRejected)
                assert last.due_post_only

    run(scenario())


def test_x_13_sixteen_cancels_in_one_request(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            ids = [str(281476929510300 + place) for place in range(16)]
            rig.client.batch_cancel_orders(
                [
                    CancelOrder(
                        client_order_id=f"O-{i}", instrument_id="ETH-PERP", venue_order_id=i
                    )
                    for i in ids
                ]
            )
            refused = rig.of(OrderCancelRejected)
            assert [event.venue_order_id for event in refused] == ids
            assert all("15" in event.reason and "16" in event.reason for event in refused)
            await quiet(rig)
            assert rig.sends == []

    run(scenario())


def test_x_14_list_with_one_invalid_member(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            good = [buy(), sell("0.0100", "2400.00")]
            bad = buy(size="0.00009")
            rig.client.submit_order_list([good[0], bad, good[1]])
            assert rig.of(OrderDenied, bad)
            (sent,) = await rig.sent(1)
            assert (sent.kind, sent.types) == (BATCH, [14, 14])
            assert [event.client_order_id for event in rig.of(OrderSubmitted)] == [
                order.client_order_id for order in good
            ]
            await until(lambda: sent.code == 200)

    run(scenario())


def test_a_list_that_is_too_long_and_one_that_depends(run: Any) -> None:
    """Section 8.2: more than 15 orders; contingent lists."""
    from connectors.model import ContingencyType, OrderList

    async def scenario() -> None:
        async with trading() as rig:
            orders = [buy() for _ in range(16)]
            rig.client.submit_order_list(orders)
            denied = rig.of(OrderDenied)
            assert len(denied) == 16
            assert all("15" in event.reason and "16" in event.reason for event in denied)
            pair = OrderList((buy(), sell()), ContingencyType.OCO)
            rig.client.submit_order_list(pair)
            assert "independent orders" in rig.of(OrderDenied)[-1].reason
            rig.client.submit_order_list([])
            await quiet(rig)
            assert rig.sends == []

    run(scenario())


def test_x_15_default_and_given_expiry(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            now_ms = time.time() * 1000
            gtc = await _info(rig, buy())
            assert abs(gtc["OrderExpiry"] - now_ms - 28 * DAY_MS) < 60_000
            assert gtc["TimeInForce"] == 1
            at_ms = int(now_ms) + DAY_MS + 7
            gtd = await _info(
                rig,
                buy(time_in_force=TimeInForce.GTD, expire_time=at_ms * 1_000_000 + 999_999),
            )
            assert gtd["OrderExpiry"] == at_ms
            soon = buy(
                time_in_force=TimeInForce.GTD, expire_time=(int(now_ms) + 60_000) * 1_000_000
            )
            rig.client.submit_order(soon)
            assert "expiry" in rig.of(OrderDenied, soon)[0].reason

    run(scenario())


@pytest.mark.parametrize("strict", [False, True])
def test_x_16_price_off_the_tick(run: Any, strict: bool) -> None:
    async def scenario() -> None:
        async with trading(strict_precision=strict) as rig:
            order = buy(price="2361.319")
            if strict:
                rig.client.submit_order(order)
                assert "2361.319" in rig.of(OrderDenied, order)[0].reason
                assert rig.sends == []
            else:
                assert (await _info(rig, order))["Price"] == 236131
                assert (await _info(rig, buy(price="2361.31")))["Price"] == 236131

    run(scenario())


@pytest.mark.parametrize(
    ("side", "quote", "price"),
    [(Side.SELL, {"bid": "2000.00"}, 199000), (Side.BUY, {"ask": "2000.01"}, 201002)],
)
def test_x_17_x_18_market_order(run: Any, side: Side, quote: dict[str, str], price: int) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            rig.client.set_quote("ETH-PERP", **quote)
            info = await _info(rig, market_order("ETH-PERP", side, size="0.0060"))
            assert info["Price"] == price
            assert info["IsAsk"] == (side is Side.SELL)
            assert (info["Type"], info["TimeInForce"], info["OrderExpiry"]) == (1, 0, 0)

    run(scenario())


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_x_45_market_order_on_an_empty_side(run: Any, side: Side) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            other = {"bid": "2000.00"} if side is Side.BUY else {"ask": "2000.00"}
            rig.client.set_quote("ETH-PERP", **other)
            order = market_order("ETH-PERP", side, size="0.0060")
            rig.client.submit_order(order)
            assert "no cached quote" in rig.of(OrderDenied, order)[0].reason
            assert rig.sends == []

    run(scenario())


@pytest.mark.parametrize(
    ("size", "price", "words"),
    [
        ("0.00009", "2361.31", ["quantity", "precision"]),
        ("0.0051", "1960.00", ["min_quote_amount"]),  # 9.996
        ("0.0049", "2361.31", ["min_base_amount"]),
        ("0.0050", "0.001", ["price"]),
        ("0.0050", "42949672.96", ["price"]),
        ("30000000000", "2361.31", ["quantity"]),
    ],
)
def test_x_19_x_20_values_the_venue_would_refuse(
    run: Any, size: str, price: str, words: list[str]
) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            order = buy(size=size, price=price)
            rig.client.submit_order(order)
            (denied,) = rig.of(OrderDenied, order)
            assert all(word in denied.reason for word in words), denied.reason
            await quiet(rig, 0.03)
            assert rig.sends == []

    run(scenario())


@pytest.mark.parametrize("known", [True, False])
def test_x_33_cancel_acknowledged_without_a_row(run: Any, known: bool) -> None:
    async def scenario() -> None:
        async with trading(probe_delay_s=0.2) as rig:
            order, index = await rig.seed_open(281476929510300)
            row = rig.order_row(index, 281476929510300)["orders"]["0"][0]
            if known:
                row["status"] = "canceled"
            body = {"code": 200, "orders": [row] if known else []}
            rig.sim.faults.next_reply("accountOrders", body=body, count=None)
            rig.client.cancel_order(order.client_order_id)
            if known:
                await rig.event(OrderCanceled, order)
                assert rig.of(OrderCancelRejected) == []
            else:
                refused = await rig.event(OrderCancelRejected, order)
                assert "order not found after venue ack" in refused.reason

    run(scenario())


def test_x_34_post_only_that_would_take(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            order = buy(post_only=True)
            index = await _submit(rig, order)
            rig.push(rig.order_row(index, 281476929510300, status="canceled-post-only"))
            rejected = await rig.event(OrderRejected, order)
            assert rejected.due_post_only
            assert rig.names == ["OrderSubmitted", "OrderRejected"]
            # Once accepted, the same word ends the order instead.
            other, index = await rig.seed_open(281476929510301, post_only=True)
            rig.push(rig.order_row(index, 281476929510301, status="canceled-post-only"))
            await rig.event(OrderCanceled, other)

    run(scenario())


def test_x_37_unknown_words(run: Any) -> None:
    assert order_status("brand-new") is None
    assert order_status(99) is None
    assert order_type("brand-new") is OrderType.UNKNOWN
    assert [order_status(number) for number in range(17)] == [
        order_status(word) for word in ORDER_STATUS_TEXTS
    ]

    async def scenario() -> None:
        async with trading() as rig:
            order, index = await rig.seed_open(281476929510300)
            rig.push(rig.order_row(index, 281476929510300, status="brand-new", type="odd"))
            await until(lambda: any("brand-new" in getattr(e, "message", "") for e in rig.status))
            await quiet(rig, 0.03)
            rig.push(rig.order_row(index, 281476929510300, status="canceled", type="odd"))
            await rig.event(OrderCanceled, order)

    run(scenario())


def test_x_49_echo_without_change_and_modify(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            order, index = await rig.seed_open(281476929510300)
            rig.client.modify_order(order.client_order_id, price="2400.00")
            sends = await rig.sent(2)
            assert sends[1].infos[0]["BaseAmount"] == 50  # what is not given stays
            rig.push(rig.order_row(index, 281476929510300))  # the echo of before
            await quiet(rig)
            rig.push(rig.order_row(index, 281476929510300, price="2400.00"))
            updated = await rig.event(OrderUpdated, order)
            assert (updated.size, updated.price) == (Decimal("0.0050"), Decimal("2400.00"))
            await quiet(rig, 0.03)
            assert len(rig.of(OrderUpdated)) == 1

    run(scenario())


def test_x_56_invalid_reduce_only_disappears(run: Any) -> None:
    """The sequencer drops it; only the transaction log says why."""

    async def scenario() -> None:
        async with trading(scenario="still") as rig:
            rig.sim.faults.fail_next(21740, "reduce only would increase the position")
            order = buy(price="2000.00", size="0.0060", reduce_only=True)
            rig.client.submit_order(order)
            rejected = await rig.event(OrderRejected, order)
            assert "reduce only would increase the position" in rejected.reason

    run(scenario())


def test_x_56_without_the_transaction_log(run: Any) -> None:
    async def scenario() -> None:
        async with trading(scenario="still", probe_delay_s=0.1) as rig:
            rig.sim.faults.tap("account_tx", "drop", 100)
            rig.sim.faults.fail_next(21740, "reduce only would increase the position")
            order = buy(price="2000.00", size="0.0060", reduce_only=True)
            rig.client.submit_order(order)
            rejected = await rig.event(OrderRejected, order)
            assert "reduce only" in rejected.reason or "not found" in rejected.reason

    run(scenario(), 20)


# -- more of section 8 -----------------------------------------------------------------


def test_cancel_before_the_venue_id_is_known(run: Any) -> None:
    """Section 8.6: our own index names the order; the venue takes either."""

    async def scenario() -> None:
        async with trading() as rig:
            order = buy()
            index = await _submit(rig, order)
            rig.client.cancel_order(order.client_order_id)
            sends = await rig.sent(2)
            assert (sends[1].types, sends[1].infos[0]["Index"]) == ([15], index)

    run(scenario())


def test_commands_for_orders_nobody_knows(run: Any) -> None:
    """Section 8.8: refused here, with an event and without a transaction."""

    async def scenario() -> None:
        async with trading() as rig:
            rig.client.modify_order("O-1", size="0.0100", price="2400.00")
            rig.client.cancel_order("O-2")
            assert [e.client_order_id for e in rig.of(OrderModifyRejected)] == ["O-1"]
            assert [e.client_order_id for e in rig.of(OrderCancelRejected)] == ["O-2"]
            await quiet(rig)
            assert rig.sends == []

    run(scenario())


def test_resting_stop_is_accepted_and_triggers(run: Any) -> None:
    """Section 8.7: pending means the venue has it; ready means triggered, once."""

    async def scenario() -> None:
        async with trading() as rig:
            order = stop_limit_order(
                "ETH-PERP", Side.BUY, trigger_price="2400.00", price="2401.00", size="0.0050"
            )
            index = await _submit(rig, order)
            shape = {"type": "stop-loss-limit", "trigger_price": "2400.00", "price": "2401.00"}
            rig.push(rig.order_row(index, 281476929510300, status="pending", **shape))
            await rig.event(OrderAccepted, order)
            ready = rig.order_row(index, 281476929510300, trigger_status="ready", **shape)
            rig.push(ready)
            await rig.event(OrderTriggered, order)
            rig.push(ready)
            rig.push(rig.order_row(index, 281476929510300, status="canceled-expired", **shape))
            await rig.event(OrderExpired, order)
            assert rig.names == [
                "OrderSubmitted", "OrderAccepted", "OrderTriggered", "OrderExpired"
            ]  # fmt: skip

    run(scenario())


def test_filled_row_without_trades_fetches_them(run: Any) -> None:
    """Section 8.7 (e)."""

    async def scenario() -> None:
        async with trading(probe_delay_s=0.2) as rig:
            order, index = await rig.seed_open(562947905631053, size="0.1336", price="2352.73")
            trade = rig.trade_frame(index)["trades"]["0"][0]
            body = {"code": 200, "trades": [trade]}
            rig.sim.faults.next_reply("trades", body=body, count=None)
            row = rig.order_row(
                index, 562947905631053, status="filled", initial_base_amount="0.1336",
                filled_base_amount="0.1336", price="2352.73",
            )  # fmt: skip
            rig.push(row)
            filled = await rig.event(OrderFilled, order)
            assert filled.trade_id == "19209006902"
            rig.push(rig.trade_frame(index))
            await quiet(rig)

    run(scenario())


def test_duplicate_and_closed_ids(run: Any) -> None:
    """Section 8.2: a closed order is ignored; a living id is a mistake of the caller."""
    from connectors.execution.identity import DuplicateOrder

    async def scenario() -> None:
        async with trading() as rig:
            order, index = await rig.seed_open(281476929510300)
            with pytest.raises(DuplicateOrder):
                rig.client.submit_order(order)
            rig.push(rig.order_row(index, 281476929510300, status="canceled"))
            await rig.event(OrderCanceled, order)
            rig.client.submit_order(order)
            await quiet(rig)
            assert len(rig.sends) == 1

    run(scenario())


def test_quotas_of_ours_hold_orders_back_without_losing_them(run: Any) -> None:
    """Section 15: one bucket for everything sent; waiting happens in line."""

    async def scenario() -> None:
        async with trading(sendtx_quota_per_min=3) as rig:
            orders = [buy(price=f"2361.{cents}") for cents in range(10, 14)]
            for order in orders:
                rig.client.submit_order(order)
            refused = await rig.event(OrderRejected, orders[3])
            assert "not sent" in refused.reason
            assert [sent.kind for sent in rig.sends] == [SINGLE] * 3
            assert rig.of(OrderRejected, orders[0]) == []

    run(scenario(), 20)


def test_group_goes_out_as_one_transaction(run: Any) -> None:
    """Section 8.11."""
    from connectors.model import ContingencyType, market_if_touched_order, stop_market_order

    async def scenario() -> None:
        async with trading() as rig:
            parent = buy("0.0100", "2300.00")
            exits = [
                stop_market_order(
                    "ETH-PERP", Side.SELL, trigger_price="2200.00", size="0.0100", reduce_only=True
                ),
                market_if_touched_order(
                    "ETH-PERP", Side.SELL, trigger_price="2500.00", size="0.0100", reduce_only=True
                ),
            ]
            rig.client.submit_order_group([parent, *exits], ContingencyType.OTOCO)
            (sent,) = await rig.sent(1)
            assert sent.types == [28]
            legs = sent.infos[0]["Orders"]
            assert [leg["BaseAmount"] for leg in legs] == [100, 0, 0]
            assert len({leg["OrderExpiry"] for leg in legs}) == 1
            assert len(rig.of(OrderSubmitted)) == 3
            assert sent.code == 200

    run(scenario())


def test_actions_of_the_account(run: Any) -> None:
    """Section 8.12: leverage, margin, native cancel-all with its dead man's switch."""

    async def scenario() -> None:
        async with trading() as rig:
            client = rig.client
            await client.update_leverage("ETH-PERP", 20, isolated=True)
            await client.update_margin("ETH-PERP", "-12.5")
            await client.cancel_all_native("ETH-PERP")
            await client.schedule_cancel_all(600)
            await client.abort_scheduled_cancel_all()
            sends = rig.sends
            assert [sent.types for sent in sends] == [[20], [29], [16], [16], [16]]
            leverage, margin, now, later, never = (sent.infos[0] for sent in sends)
            assert (leverage["InitialMarginFraction"], leverage["MarginMode"]) == (500, 1)
            assert (margin["USDCAmount"], margin["Direction"]) == (12_500_000, 0)
            assert (now["TimeInForce"], now["Time"]) == (0, 0)
            assert now["L2TxAttributes"] == {"5": 0}
            assert later["TimeInForce"] == 1
            assert abs(later["Time"] - time.time() * 1000 - 600_000) < 60_000
            assert (never["TimeInForce"], never["Time"]) == (2, 0)
            assert all(sent.code == 200 for sent in sends)

    run(scenario())


def test_modify_of_a_conditional_market_order_follows_its_trigger(run: Any) -> None:
    """Section 8.8."""
    from connectors.model import stop_market_order

    async def scenario() -> None:
        async with trading() as rig:
            order = stop_market_order("ETH-PERP", Side.BUY, trigger_price="2400", size="0.0050")
            index = await _submit(rig, order)
            rig.push(
                rig.order_row(
                    index, 281476929510300, status="pending", type="stop-loss",
                    trigger_price="2400.00", price="2412.00",
                )
            )  # fmt: skip
            await rig.event(OrderAccepted, order)
            rig.client.modify_order(order.client_order_id, trigger_price="2500.00")
            sends = await rig.sent(2)
            info = sends[1].infos[0]
            assert (info["TriggerPrice"], info["Price"]) == (250000, 251250)

    run(scenario())
