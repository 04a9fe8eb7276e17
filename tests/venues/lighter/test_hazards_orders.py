"""Ways to believe a living order dead, a dead one alive, or to lose what it traded."""

from __future__ import annotations

import json
from typing import Any

import pytest
from venues.lighter.trading_rig import SINGLE, Rig, buy, quiet, trading, until

from connectors.errors import TransportError
from connectors.model import (
    OrderAccepted,
    OrderCanceled,
    OrderFilled,
    OrderModifyRejected,
    OrderRejected,
    OrderUpdated,
)

UNKNOWN_TX = {"code": 21500, "message": "transaction not found"}


def tx_row(sent: Any, **changes: Any) -> dict[str, Any]:
    """Return the frame in which the venue's log tells of a transaction, executed unless changed."""
    info = sent.infos[0]
    row = {
        "hash": sent.hashes[0],
        "type": sent.types[0],
        "status": 2,
        "nonce": info["Nonce"],
        "info": json.dumps(info),
        "event_info": "{}",
    }
    return {
        "type": "update/account_tx",
        "channel": "account_tx:12345",
        "txs": [{**row, **changes}],
    }


async def _create_in_doubt(rig: Rig) -> tuple[Any, Any]:
    """Submit an order whose answer is lost, disconnect and connect again."""
    rig.sim.faults.next_ack(drop=True)
    order = buy()
    rig.client.submit_order(order)
    (sent,) = await rig.sent(1)
    await rig.client.disconnect()
    rig.sim.faults.next_reply("tx", status=400, body=UNKNOWN_TX, count=None)
    await rig.client.connect()
    return order, sent


def test_log_row_of_an_order_sent_before_the_user_reconnected(run: Any) -> None:
    """It is about that order, so its nonce did not go to another transaction."""

    async def scenario() -> None:
        async with trading() as rig:
            order, sent = await _create_in_doubt(rig)
            rig.push(tx_row(sent))
            rig.push(rig.order_row(sent.infos[0]["ClientOrderIndex"], 281476929510300))
            await rig.event(OrderAccepted, order)
            assert rig.names == ["OrderSubmitted", "OrderAccepted"]

    run(scenario(), 30)


def test_failure_of_an_order_sent_before_the_user_reconnected(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            order, sent = await _create_in_doubt(rig)
            failure = json.dumps({"ae": json.dumps({"code": 21739, "message": "no margin"})})
            rig.push(tx_row(sent, status=0, event_info=failure))
            rejected = await rig.event(OrderRejected, order)
            assert rejected.code == 21739

    run(scenario(), 30)


def test_nonce_of_an_order_in_doubt_used_by_another_transaction(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            order, sent = await _create_in_doubt(rig)
            rig.push(tx_row(sent, hash="ab" * 40))
            rejected = await rig.event(OrderRejected, order)
            assert "nonce" in rejected.reason
            await quiet(rig)

    run(scenario(), 30)


def test_batch_under_way_when_the_user_disconnects(run: Any) -> None:
    """Its outcome is unknown, so it is looked up after the next connect."""

    async def scenario() -> None:
        async with trading(tx_lifetime_s=0.6, probe_delay_s=0.2) as rig:
            hold = rig.sim.faults.hold("sendTxBatch")
            found, lost = buy(), buy(price="2300.00")
            rig.client.submit_order_list([found, lost])
            (sent,) = await rig.sent(1)
            await rig.client.disconnect()
            hold.release()
            row = rig.order_row(sent.infos[0]["ClientOrderIndex"], 281476929510300)
            body = {"code": 200, "orders": row["orders"]["0"]}
            rig.sim.faults.next_reply("accountOrders", body=body, count=None)
            rig.sim.faults.next_reply("tx", status=400, body=UNKNOWN_TX, count=None)
            await rig.client.connect()
            await rig.event(OrderAccepted, found)
            rejected = await rig.event(OrderRejected, lost)
            assert "not found at venue" in rejected.reason

    run(scenario(), 40)


def test_filled_row_before_anything_else_and_a_lost_trade(run: Any) -> None:
    """The row names the order at the venue, by which its trades are asked for."""

    async def scenario() -> None:
        async with trading(probe_delay_s=0.2) as rig:
            order = buy(size="0.1336", price="2352.73")
            rig.client.submit_order(order)
            (sent,) = await rig.sent(1)
            index = sent.infos[0]["ClientOrderIndex"]
            (trade,) = rig.trade_frame(index)["trades"]["0"]
            rig.sim.faults.next_reply("trades", body={"code": 200, "trades": [trade]}, count=None)
            rig.push(
                rig.order_row(
                    index, trade["bid_id"], status="filled",
                    initial_base_amount="0.1336", filled_base_amount="0.1336",
                )
            )  # fmt: skip
            filled = await rig.event(OrderFilled, order)
            assert filled.trade_id == str(trade["trade_id"])
            assert rig.names == ["OrderSubmitted", "OrderAccepted", "OrderFilled"]
            assert rig.client.registry.live == 0

    run(scenario(), 30)


def test_order_canceled_while_the_connection_was_away(run: Any) -> None:
    """It is absent from the first frame of the next one: looked up, whatever else happens."""

    async def scenario() -> None:
        async with trading(probe_delay_s=0.2) as rig:
            order, index = await rig.seed_open(281476929510300)
            row = rig.order_row(index, 281476929510300, status="canceled")["orders"]["0"]
            body = {"code": 200, "orders": row}
            rig.sim.faults.next_reply("accountOrders", body=body, count=None)
            await until(lambda: not len(rig.client._schedule))  # no look-up of anything else
            rig.sim.faults.abort()
            await rig.reconnected()
            await rig.event(OrderCanceled, order)

    run(scenario(), 40)


def test_order_executed_between_two_questions(run: Any) -> None:
    """First the orders were asked for, then the transaction; it was executed in between."""

    async def scenario() -> None:
        async with trading(probe_delay_s=0.2) as rig:
            faults = rig.sim.faults
            order = buy()
            rig.client.submit_order(order)  # acknowledged, and no row comes
            (sent,) = await rig.sent(1)
            index = sent.infos[0]["ClientOrderIndex"]
            pending = {"code": 200, "hash": sent.hashes[0], "status": 1, "event_info": ""}
            faults.next_reply("accountOrders", body={"code": 200, "orders": []}, count=2)
            rows = rig.order_row(index, 281476929510300)["orders"]["0"]
            faults.next_reply("accountOrders", body={"code": 200, "orders": rows}, count=None)
            faults.next_reply("tx", body=pending)
            faults.next_reply("tx", body={**pending, "status": 2}, count=None)
            accepted = await rig.event(OrderAccepted, order)
            assert accepted.venue_order_id == "281476929510300"
            assert rig.names == ["OrderSubmitted", "OrderAccepted"]

    run(scenario(), 40)


def test_look_ups_that_failed_do_not_use_up_the_patience(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """REST is down for a while, and shows the trade a moment after it is up again."""
    monkeypatch.setattr("connectors.execution.recovery.RETRY_S", 0.02)

    async def scenario() -> None:
        async with trading(probe_delay_s=0.02, http_timeout_s=1.0) as rig:
            order, index = await rig.seed_open(281476929510300, size="0.1336", price="2352.73")
            bid = {"bid_id": 281476929510300, "bid_id_str": "281476929510300"}
            (trade,) = rig.trade_frame(index, **bid)["trades"]["0"]
            looked = 0

            async def trades_of(tracked: Any) -> list[Any]:
                nonlocal looked
                looked += 1
                if looked < 7:
                    raise TransportError("no connection")
                if looked == 7:
                    return []
                return await real(tracked)

            queries = rig.client._recovery._queries  # type: ignore[union-attr]
            real, queries.trades_of = queries.trades_of, trades_of
            rig.sim.faults.next_reply("trades", body={"code": 200, "trades": [trade]}, count=None)
            rig.push(
                rig.order_row(
                    index, 281476929510300, status="filled",
                    initial_base_amount="0.1336", filled_base_amount="0.1336",
                )
            )  # fmt: skip
            await until(lambda: rig.of(OrderFilled, order), 10.0)
            assert looked >= 8

    run(scenario(), 60)


def test_first_of_two_modifications_refused_while_the_old_size_fills(run: Any) -> None:
    """The second may have made the order larger: it is not over with the old size."""

    async def scenario() -> None:
        async with trading() as rig:
            order, index = await rig.seed_open(281476929510300)
            rig.sim.faults.hold_acks(2)
            rig.client.modify_order(order.client_order_id, size="0.0200")
            rig.client.modify_order(order.client_order_id, size="0.0300")
            sends = await rig.sent(3)
            venue_id = {"bid_id": 281476929510300, "bid_id_str": "281476929510300"}
            rig.push(rig.trade_frame(index, size="0.0050", **venue_id))
            await rig.event(OrderFilled, order)
            refusal = {
                "type": SINGLE,
                "code": 21702,
                "message": "no",
                "tx_hash": sends[1].hashes[0],
            }
            rig.push(refusal)
            await rig.event(OrderModifyRejected, order)
            assert rig.client.registry.live == 1
            larger = {"initial_base_amount": "0.0300", "filled_base_amount": "0.0050"}
            rig.push(rig.order_row(index, 281476929510300, price="2361.31", **larger))
            await until(lambda: rig.of(OrderUpdated, order))
            rig.client.cancel_order(order.client_order_id)
            await rig.sent(4)

    run(scenario(), 30)


# -- answers that leave it open --------------------------------------------------------


@pytest.mark.parametrize("code", [29500, 29501, "29501"])
@pytest.mark.parametrize("way", ["ack", "error", "batch", "batch 400"])
def test_internal_error_of_the_venue_is_no_refusal(run: Any, code: Any, way: str) -> None:
    """It says nothing about the transaction, which may have been taken."""

    async def scenario() -> None:
        async with trading(probe_delay_s=0.2, sim={"ack_mode": "id"}) as rig:
            orders = [buy(), buy(price="2300.00")]
            words = {"code": code, "message": "internal error"}
            if way.startswith("batch"):
                status = 400 if "400" in way else 200
                rig.sim.faults.next_reply("sendTxBatch", status=status, body=words, admit=True)
                rig.client.submit_order_list(orders)
            else:
                rig.sim.faults.hold_acks(2)
                rig.client.submit_order(orders[0])
                (sent,) = await rig.sent(1)
                words["tx_hash"] = sent.hashes[0]
                rig.push({"type": SINGLE, **words} if way == "ack" else {"error": words})
            (sent, *_) = await rig.sent(1)
            index = sent.infos[0]["ClientOrderIndex"]
            body = {"code": 200, "orders": rig.order_row(index, 281476929510300)["orders"]["0"]}
            rig.sim.faults.next_reply("accountOrders", body=body, count=None)
            await rig.event(OrderAccepted, orders[0])
            assert rig.of(OrderRejected) == []

    run(scenario(), 40)


@pytest.mark.parametrize("way", ["ack", "batch"])
def test_success_whose_code_is_text(run: Any, way: str) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            orders = [buy(), buy(price="2300.00")]
            if way == "batch":
                body = {"code": "200", "tx_hash": []}
                rig.sim.faults.next_reply("sendTxBatch", body=body, admit=True)
                rig.client.submit_order_list(orders)
            else:
                rig.sim.faults.next_ack(frame={"type": SINGLE, "code": "200"})
                rig.client.submit_order(orders[0])
            sender = rig.client._sender
            assert sender is not None
            await rig.sent(1)
            await until(lambda: not len(sender.inflight) and not sender.nonces.outstanding)
            await quiet(rig)
            assert rig.of(OrderRejected) == []

    run(scenario(), 30)


# -- a number that was used before -----------------------------------------------------

LONG_AGO_MS = 1_700_000_000_000
LONG_AGO = {
    "timestamp": LONG_AGO_MS,
    "created_at": LONG_AGO_MS,
    "updated_at": LONG_AGO_MS,
    "transaction_time": LONG_AGO_MS * 1_000,
}


@pytest.mark.parametrize("status", ["canceled", "filled"])
def test_ended_order_of_an_earlier_process_with_the_same_number(run: Any, status: str) -> None:
    async def scenario() -> None:
        async with trading(probe_delay_s=0.2) as rig:
            rig.sim.faults.next_ack(drop=True)
            order = buy(client_order_id="7")
            rig.client.submit_order(order)
            await rig.sent(1)
            row = rig.order_row(7, 281476929510001, status=status, **LONG_AGO)["orders"]["0"][0]
            body = {"code": 200, "orders": [row]}
            rig.sim.faults.next_reply("accountOrders", body=body, count=None)
            rig.sim.faults.next_reply("tx", status=400, body=UNKNOWN_TX, count=None)
            rig.sim.faults.abort()
            await rig.reconnected()
            asked = rig.hits("accountOrders")
            await until(lambda: rig.hits("accountOrders") >= asked + 2)
            assert rig.names == ["OrderSubmitted"]
            tracked = rig.client.registry.by_client_id("7")
            assert tracked is not None
            assert tracked.venue_order_id is None
            rig.push(rig.order_row(7, 281476929510300))
            await rig.event(OrderAccepted, order)

    run(scenario(), 40)


def test_trade_of_an_earlier_process_with_the_same_number(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            order = buy(client_order_id="seven", options={"client_order_index": 7})
            rig.client.submit_order(order)
            await rig.sent(1)
            (trade,) = rig.trade_frame(7, **LONG_AGO)["trades"]["0"]
            body = {"code": 200, "trades": [trade]}
            rig.sim.faults.next_reply("trades", body=body, count=None)
            (report,) = await rig.client.generate_fill_reports()
            assert report.client_order_id == "7"
            assert rig.names == ["OrderSubmitted"]
            assert order.client_order_id == "seven"

    run(scenario(), 30)
