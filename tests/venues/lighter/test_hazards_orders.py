"""Ways to believe a living order dead, a dead one alive, or to lose what it traded."""

from __future__ import annotations

import json
from typing import Any

from venues.lighter.trading_rig import Rig, buy, quiet, trading

from connectors.model import OrderAccepted, OrderRejected

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
