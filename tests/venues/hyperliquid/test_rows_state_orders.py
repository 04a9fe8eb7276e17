"""Rows G01 to G35 of the rules (2.17): commands, replies and streams against the simulator."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from venues.hyperliquid.trading_rig import Rig, buy, sell, trading, until

from connectors.execution.lifecycle import OrderState
from connectors.model import (
    FillReport,
    OrderAccepted,
    OrderCanceled,
    OrderCancelRejected,
    OrderDenied,
    OrderFilled,
    OrderModifyRejected,
    OrderRejected,
    OrderStatusReport,
    OrderUpdated,
    Side,
    TimeInForce,
    limit_order,
    market_order,
    stop_limit_order,
    stop_market_order,
)
from connectors.model.enums import ContingencyType

REPLY_LATE = {"reply_first": False}


def test_g01_reply_first(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            order = buy()
            rig.client.submit_order(order)
            await rig.told(order, "Submitted", "Accepted")
            oid = rig.of(OrderAccepted)[0].venue_order_id
            assert oid == str(rig.venue_order(order).oid)

    run(scenario(), 60.0)


def test_g02_stream_first(run: Any) -> None:
    async def scenario() -> None:
        async with trading(sim=REPLY_LATE) as rig:
            order = buy()
            rig.client.submit_order(order)
            await rig.told(order, "Submitted", "Accepted")

    run(scenario(), 60.0)


def test_g03_ioc_filled_by_the_reply_and_the_stream(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            rig.house("sell", "2900", "0.1")
            rig.house("sell", "2900", "0.2")
            order = buy("0.3", "2900", time_in_force=TimeInForce.IOC)
            rig.client.submit_order(order)
            await rig.told(order, "Submitted", "Accepted", "Filled", "Filled")
            assert [event.last_size for event in rig.of(OrderFilled)] == [
                Decimal("0.1"),
                Decimal("0.2"),
            ]
            assert rig.tracked(order).state is OrderState.FILLED

    run(scenario(), 60.0)


def test_g04_fills_before_the_reply(run: Any) -> None:
    async def scenario() -> None:
        async with trading(sim=REPLY_LATE) as rig:
            rig.house("sell", "2900", "0.1")
            rig.house("sell", "2900", "0.2")
            order = buy("0.3", "2900")
            rig.client.submit_order(order)
            await rig.told(order, "Submitted", "Accepted", "Filled", "Filled")

    run(scenario(), 60.0)


def test_g05_inner_error(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            rig.house("sell", "2900", "1")
            order = buy(post_only=True)
            rig.client.submit_order(order)
            await rig.told(order, "Submitted", "Rejected")
            event = rig.of(OrderRejected)[0]
            assert event.reason.endswith(" asset=1")
            assert "Post only" in event.reason
            assert event.due_post_only

    run(scenario(), 60.0)


def test_g06_a_list_of_which_one_is_refused(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            rig.house("sell", "2900", "1")
            orders = [buy(price="2800"), buy(price="2900", post_only=True), buy(price="2700")]
            rig.client.submit_order_list(orders)
            await until(lambda: len(rig.order_events) >= 6)
            names = [type(event).__name__ for event in rig.order_events]
            assert names[:3] == ["OrderSubmitted"] * 3
            assert names[3:] == ["OrderAccepted", "OrderRejected", "OrderAccepted"]
            assert [e.client_order_id for e in rig.order_events[3:]] == [
                order.client_order_id for order in orders
            ]
            assert len(rig.actions("order")) == 1

    run(scenario(), 60.0)


def test_g07_one_error_for_the_whole_list(run: Any) -> None:
    async def scenario() -> None:
        async with trading(sim={"prevalidate_batch": True}) as rig:
            orders = [buy(), buy("0.001"), buy()]  # the second is below the least value
            rig.client.submit_order_list(orders)
            for order in orders:
                await rig.told(order, "Submitted", "Rejected")
            assert len({event.reason for event in rig.of(OrderRejected)}) == 1

    run(scenario(), 60.0)


def _bracket() -> list[Any]:
    return [
        buy("1", "2900"),
        stop_market_order("ETH-PERP", Side.SELL, trigger_price="2500", size="1", reduce_only=True),
        stop_limit_order(
            "ETH-PERP", Side.SELL, trigger_price="2400", price="2390", size="1", reduce_only=True
        ),
    ]


def test_g08_a_group_is_answered_once_or_by_member(run: Any) -> None:
    async def scenario() -> None:
        for once in (True, False):
            async with trading(sim={"grouped_reply_once": once}) as rig:
                orders = _bracket()
                rig.client.submit_order_group(orders, ContingencyType.OTOCO)
                await rig.told(orders[0], "Submitted", "Accepted")
                await rig.told(orders[1], "Submitted")
                await rig.told(orders[2], "Submitted")
                action = (await rig.taken("order")).action
                assert action["grouping"] == "normalTpsl"

    run(scenario(), 60.0)


def test_g09_status_err_for_a_list(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            answer = {"status": "err", "response": "Vault not registered"}
            rig.sim.faults.next_reply("post", body=answer, as_type="action", execute=False)
            orders = [buy(), buy(), buy()]
            rig.client.submit_order_list(orders)
            for order in orders:
                await rig.told(order, "Submitted", "Rejected")
            assert {event.reason for event in rig.of(OrderRejected)} == {"Vault not registered"}

    run(scenario(), 60.0)


def test_g10_no_reply_and_the_order_is_there(run: Any) -> None:
    async def scenario() -> None:
        async with trading(post_timeout_ms=50, submit_unresolved_ms=50) as rig:
            rig.sim.faults.next_reply("post", lose=True)
            rig.sim.faults.tap("orderUpdates", "drop", count=1)
            order = buy()
            rig.client.submit_order(order)
            await rig.told(order, "Submitted", "Accepted")
            assert rig.sim.record.hits["orderStatus"] >= 1

    run(scenario(), 60.0)


def test_g10_no_reply_and_the_order_expired(run: Any) -> None:
    async def scenario() -> None:
        async with trading(
            post_timeout_ms=50, submit_unresolved_ms=50, expires_after_ms=300
        ) as rig:
            rig.sim.faults.next_reply("post", lose=True, execute=False)
            order = buy()
            rig.client.submit_order(order)
            await rig.event(OrderRejected, order)
            assert rig.kinds(order) == ["Submitted", "Rejected"]

    run(scenario(), 60.0)


def test_g11_a_lost_connection_leaves_posts_unknown(run: Any) -> None:
    async def scenario() -> None:
        async with trading(submit_unresolved_ms=50) as rig:
            rig.sim.faults.next_reply("post", lose=True, count=5)
            orders = [buy(price=str(2800 + n)) for n in range(5)]
            for order in orders:
                rig.client.submit_order(order)
            await rig.taken("order", 5)
            rig.cut()
            await rig.lost()
            for order in orders:
                assert rig.kinds(order)[0] == "Submitted"
                assert "Rejected" not in rig.kinds(order)
            await rig.back()
            for order in orders:
                await rig.told(order, "Submitted", "Accepted")

    run(scenario(), 60.0)


def test_g12_an_order_that_is_over_is_not_sent_again(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            order = await rig.open_order()
            rig.client.cancel_order(order.client_order_id)
            await rig.event(OrderCanceled, order)
            before, count = len(rig.events), len(rig.actions("order"))
            rig.client.submit_order(order)
            await rig.settle()
            assert len(rig.actions("order")) == count
            assert [e for e in rig.events[before:] if hasattr(e, "client_order_id")] == []

    run(scenario(), 60.0)


def test_g13_what_is_denied(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            orders = [
                buy(price="2900.123"),  # too many figures
                buy("0.00001"),  # too fine
                market_order("ETH-PERP", Side.BUY, size="1"),  # no reference price
                market_order("NOPE-PERP", Side.BUY, size="1"),
                buy(time_in_force=TimeInForce.FOK),
            ]
            for order in orders:
                rig.client.submit_order(order)
                assert rig.kinds(order) == ["Denied"]
                assert rig.of(OrderDenied, order)[0].reason
            await rig.settle()
            assert rig.actions("order") == []

    run(scenario(), 60.0)


def test_g14_a_denied_member_does_not_hold_the_list_up(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            orders = [buy(), buy(price="2900.123"), buy()]
            rig.client.submit_order_list(orders)
            await rig.told(orders[0], "Submitted", "Accepted")
            await rig.told(orders[1], "Denied")
            await rig.told(orders[2], "Submitted", "Accepted")
            assert len(rig.actions("order")[0].action["orders"]) == 2

    run(scenario(), 60.0)


def test_g15_cancel_by_cloid(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            order = await rig.open_order()
            rig.client.cancel_order(order.client_order_id)
            await rig.told(order, "Submitted", "Accepted", "Canceled")
            assert len(rig.actions("cancelByCloid")) == 1

    run(scenario(), 60.0)


async def _place_external(rig: Rig, price: str = "2700") -> int:
    """Place an order as another program would: without a cloid."""
    order = {"a": 1, "b": True, "p": price, "s": "1", "r": False, "t": {"limit": {"tif": "Gtc"}}}
    answer = await rig.client.send_action({"type": "order", "orders": [order], "grouping": "na"})
    oid: int = answer["statuses"][0]["resting"]["oid"]
    return oid


def test_g16_cancel_of_an_external_order(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            oid = await _place_external(rig)
            rig.client.cancel_order(venue_order_id=str(oid), instrument_id="ETH-PERP")
            action = (await rig.taken("cancel")).action
            assert action["cancels"] == [{"a": 1, "o": oid}]
            await until(
                lambda: [r.venue_status for r in rig.of(OrderStatusReport)] == ["open", "canceled"]
            )

    run(scenario(), 60.0)


def test_g17_a_mixed_batch_of_cancels(run: Any) -> None:
    async def scenario() -> None:
        from connectors.hyperliquid import CancelOrder

        async with trading() as rig:
            oid = await _place_external(rig)
            order = await rig.open_order()
            rig.client.batch_cancel_orders(
                [
                    CancelOrder(venue_order_id=str(oid), instrument_id="ETH-PERP"),
                    order.client_order_id,
                ]
            )
            await rig.event(OrderCanceled, order)
            await rig.taken("cancel")
            kinds = [item.kind for item in rig.actions() if item.kind.startswith("cancel")]
            assert kinds == ["cancelByCloid", "cancel"]

    run(scenario(), 60.0)


def test_g18_one_cancel_of_a_batch_is_refused(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            orders = [await rig.open_order(buy(price=str(2800 + n))) for n in range(3)]
            statuses = [
                "success",
                {"error": "Order was never placed, already canceled."},
                "success",
            ]
            body = {
                "status": "ok",
                "response": {"type": "cancel", "data": {"statuses": statuses}},
            }
            rig.sim.faults.next_reply("post", body=body, as_type="action", execute=False)
            rig.client.batch_cancel_orders([order.client_order_id for order in orders])
            await rig.event(OrderCancelRejected)
            await rig.settle()
            assert [e.client_order_id for e in rig.of(OrderCancelRejected)] == [
                orders[1].client_order_id
            ]
            assert not rig.tracked(orders[1]).is_final

    run(scenario(), 60.0)


def test_g19_fewer_cancel_statuses_than_cancels(run: Any) -> None:
    async def scenario() -> None:
        async with trading(cancel_unresolved_ms=50) as rig:
            orders = [await rig.open_order(buy(price=str(2800 + n))) for n in range(3)]
            body = {
                "status": "ok",
                "response": {"type": "cancel", "data": {"statuses": ["success", "success"]}},
            }
            rig.sim.faults.next_reply("post", body=body, as_type="action", execute=True)
            rig.sim.faults.tap("orderUpdates", "drop", count=1)
            rig.client.batch_cancel_orders([order.client_order_id for order in orders])
            for order in orders:  # by asking
                await rig.told(order, "Submitted", "Accepted", "Canceled")
            assert rig.of(OrderCancelRejected) == []

    run(scenario(), 60.0)


def test_g20_a_cancel_without_an_answer_is_asked_about(run: Any) -> None:
    async def scenario() -> None:
        async with trading(cancel_unresolved_ms=50, post_timeout_ms=50) as rig:
            order = await rig.open_order()
            rig.sim.faults.next_reply("post", lose=True)
            rig.sim.faults.tap("orderUpdates", "drop", count=1)
            rig.client.cancel_order(order.client_order_id)
            await rig.told(order, "Submitted", "Accepted", "Canceled")

    run(scenario(), 60.0)


def test_g20_a_cancel_that_never_came_is_refused_by_its_nonce(run: Any) -> None:
    async def scenario() -> None:
        async with trading(
            cancel_unresolved_ms=50, submit_unresolved_ms=50, post_timeout_ms=50
        ) as rig:
            order = await rig.open_order()
            rig.sim.faults.next_reply("post", lose=True, execute=False)
            rig.client.cancel_order(order.client_order_id)
            await rig.event(OrderCancelRejected, order)
            assert len(rig.actions("noop")) == 1
            assert not rig.tracked(order).is_final

    run(scenario(), 60.0)


def test_g21_a_cancel_of_an_order_that_is_not_there_yet(run: Any) -> None:
    async def scenario() -> None:
        async with trading(post_timeout_ms=60_000) as rig:
            rig.sim.faults.next_reply("post", lose=True, execute=False)
            order = buy()
            rig.client.submit_order(order)
            rig.client.cancel_order(order.client_order_id)
            await rig.told(order, "Submitted", "CancelRejected")
            assert rig.tracked(order).state is OrderState.SUBMITTED
            rig.push("orderUpdates", [rig.update(order, 999, "open")])
            await rig.told(order, "Submitted", "CancelRejected", "Accepted")

    run(scenario(), 60.0)


def test_g22_a_target_that_is_filled_already(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            order = await rig.open_order()
            rig.house("sell", "2900", "0.4", take=True)
            await rig.event(OrderFilled, order)
            rig.client.modify_order(order.client_order_id, size="0.4")
            event = rig.of(OrderModifyRejected)[0]
            assert "not greater than filled" in event.reason
            await rig.settle()
            assert rig.actions("batchModify") == []

    run(scenario(), 60.0)


def test_g23_nothing_to_modify_yet(run: Any) -> None:
    async def scenario() -> None:
        async with trading(post_timeout_ms=60_000) as rig:
            rig.sim.faults.next_reply("post", lose=True, execute=False)
            order = buy()
            rig.client.submit_order(order)
            rig.client.modify_order(order.client_order_id, price="2901")
            await rig.told(order, "Submitted", "ModifyRejected")
            assert rig.actions("batchModify") == []

    run(scenario(), 60.0)


def test_g24_the_wire_has_what_is_left_and_the_event_the_total(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            order = await rig.open_order()
            rig.house("sell", "2900", "0.4", take=True)
            await rig.event(OrderFilled, order)
            rig.client.modify_order(order.client_order_id, price="2901")
            event = await rig.event(OrderUpdated, order)
            assert event.size == Decimal(1)
            assert event.price == Decimal(2901)
            (modify,) = rig.actions("batchModify")[0].action["modifies"]
            assert modify["order"]["s"] == "0.6"
            assert modify["order"]["c"] == rig.tracked(order).client_key

    run(scenario(), 60.0)


def test_g25_of_modifications_in_a_row_the_newest_counts(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            order = await rig.open_order()
            for price in ("2901", "2902", "2903", "2904"):
                rig.client.modify_order(order.client_order_id, price=price)
            await until(lambda: rig.tracked(order).price == Decimal(2904))
            await rig.told(
                order,
                "Submitted", "Accepted", "ModifyRejected", "ModifyRejected", "Updated", "Updated",
            )  # fmt: skip
            assert {e.reason for e in rig.of(OrderModifyRejected)} == {
                "superseded by a newer modification"
            }
            assert len(rig.actions("batchModify")) == 2
            assert rig.sim.exchange.markets["ETH"].price(rig.venue_order(order).px) == "2904.0"

    run(scenario(), 60.0)


def test_g26_a_fill_on_both_streams_is_one(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            order = await rig.open_order()
            rig.house("sell", "2900", "0.4", take=True)
            await rig.event(OrderFilled, order)
            await rig.settle()
            assert len(rig.of(OrderFilled)) == 1

    run(scenario(), 60.0)


def test_g27_a_snapshot_brings_the_fill_that_was_missed(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            order = await rig.open_order(buy("4"))
            oid = rig.venue_order(order).oid
            rows = [rig.fill_row(order, oid, 10 + n, "0.5") for n in range(4)]
            rig.push_fills(*rows[:3])
            await rig.event(OrderFilled, order, 3)
            rig.push_fills(*reversed(rows), isSnapshot=True)
            await rig.event(OrderFilled, order, 4)
            await rig.settle()
            assert [e.trade_id for e in rig.of(OrderFilled)] == ["10", "11", "12", "13"]

    run(scenario(), 60.0)


def test_g28_history_is_told_only_if_it_is_wanted(run: Any) -> None:
    async def scenario() -> None:
        for wanted in (False, True):
            async with trading() as rig:
                rig.client.submit_order(buy("1", "2900"))
                await rig.event(OrderAccepted)
                rig.house("sell", "2900", "1", take=True)
                await rig.event(OrderFilled)
                config = rig.config.with_changes(emit_fill_history=wanted)
                clients: list[Any] = []
                other = Rig(rig.sim, config, clients)
                try:
                    await other.client.connect()
                    await other.settle()
                    assert len(other.of(FillReport)) == int(wanted)
                    assert other.order_events == []
                finally:
                    await other.client.close()

    run(scenario(), 60.0)


def test_g29_a_fill_without_a_cloid_finds_its_order(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            order = await rig.open_order()
            row = rig.fill_row(order, rig.venue_order(order).oid, 5, "0.5")
            del row["cloid"]
            rig.push_fills(row)
            await rig.told(order, "Submitted", "Accepted", "Filled")

    run(scenario(), 60.0)


def test_g30_orders_of_others_are_reports(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            oid = await _place_external(rig)
            rig.house("sell", "2700", "0.5", take=True)
            await until(lambda: rig.of(FillReport))
            assert rig.of(OrderStatusReport)[0].venue_order_id == str(oid)
            assert rig.of(FillReport)[0].venue_order_id == str(oid)
            assert rig.of(FillReport)[0].client_order_id is None
            assert rig.order_events == []

    run(scenario(), 60.0)


def test_g31_fills_without_an_id_do_not_collapse(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            order = await rig.open_order()
            oid = rig.venue_order(order).oid
            rows = [rig.fill_row(order, oid, 0, "0.1", px=px) for px in ("2900.0", "2900.1")]
            rig.push_fills(*rows)
            rig.push_fills(*rows)
            await rig.told(order, "Submitted", "Accepted", "Filled", "Filled")

    run(scenario(), 60.0)


def test_g32_a_cancel_of_the_venue_whose_row_was_lost(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            order = await rig.open_order()
            rig.sim.faults.tap("orderUpdates", "drop", count=1)
            rig.sim.faults.cancel_order(
                rig.client.user, rig.venue_order(order).oid, "marginCanceled"
            )
            await rig.told(order, "Submitted", "Accepted", "Canceled")
            assert rig.of(OrderCanceled)[0].reason == "marginCanceled"

    run(scenario(), 60.0)


def test_g33_a_self_trade_cancels_the_resting_order(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            order = await rig.open_order()
            rig.client.submit_order(sell("1", "2900"))
            await rig.told(order, "Submitted", "Accepted", "Canceled")
            assert rig.of(OrderCanceled)[0].reason == "selfTradeCanceled"

    run(scenario(), 60.0)


def test_g34_unknown_words_are_sorted_by_their_ending(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            orders = [await rig.open_order(buy(price=str(2800 + n))) for n in range(3)]
            oids = [rig.venue_order(order).oid for order in orders]
            words = ("fooBarCanceled", "fooBarRejected", "fooBar")
            rig.push(
                "orderUpdates",
                [rig.update(*each) for each in zip(orders, oids, words, strict=True)],
            )
            await rig.told(orders[0], "Submitted", "Accepted", "Canceled")
            await rig.told(orders[1], "Submitted", "Accepted", "Rejected")
            await rig.told(orders[2], "Submitted", "Accepted")
            assert any("fooBar" in getattr(event, "message", "") for event in rig.status)

    run(scenario(), 60.0)


def test_g35_a_malformed_entry_costs_only_itself(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            order = await rig.open_order(buy("4"))
            oid = rig.venue_order(order).oid
            rows = [rig.fill_row(order, oid, 20 + n, "0.5") for n in range(3)]
            rows[1]["px"] = "dear"
            rig.push_fills(*rows)
            await rig.told(order, "Submitted", "Accepted", "Filled", "Filled")
            assert [e.trade_id for e in rig.of(OrderFilled)] == ["20", "22"]
            await until(lambda: any(type(e).__name__ == "ErrorEvent" for e in rig.status))

    run(scenario(), 60.0)


@pytest.mark.parametrize("dexes", [("*",), ("test",)])
def test_a_builder_dex(run: Any, dexes: tuple[str, ...]) -> None:
    """Positions and orders of a dex are asked for by its name, and `*` is not one."""

    async def scenario() -> None:
        async with trading(dexes=dexes) as rig:
            instrument = next(i for i in rig.client.markets if i.symbol.startswith("test:"))
            market = rig.sim.exchange.markets[instrument.symbol]
            price = market.price(market.mark)
            order = limit_order(instrument.id, Side.BUY, size="100", price=price)
            rig.client.submit_order(order)
            await rig.event(OrderAccepted, order)
            asked = {item.subscription.get("dex") for item in rig.sim.record.subscribes}
            assert {"", "test"} <= asked | {""}
            assert "*" not in asked
            (report,) = await rig.client.generate_order_status_reports(open_only=True)
            assert report.instrument_id == instrument.id

    run(scenario(), 60.0)
