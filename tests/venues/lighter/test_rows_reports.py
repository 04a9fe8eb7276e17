"""Rows L-30 to L-33 of the venue's rules: reconciliation, and fills that come twice."""

from __future__ import annotations

import asyncio
from typing import Any

from venues.lighter.trading_rig import TEMPLATES, Rig, buy, trading, until

from connectors.model import FillReport, OrderFilled, OrderStatus, OrderSubmitted

ACTIVE, INACTIVE = "accountActiveOrders", "accountInactiveOrders"
NO_ORDERS = {"code": 200, "orders": []}
NO_TRADES = {"code": 200, "trades": []}


def _serve(rig: Rig, **bodies: Any) -> None:
    for endpoint, body in bodies.items():
        rig.sim.faults.next_reply(endpoint, body=body, count=None)


def test_l_30_mass_status(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            _serve(
                rig,
                accountActiveOrders=TEMPLATES["http_active_open"],
                accountInactiveOrders=TEMPLATES["http_inactive_canceled"],
                trades=NO_TRADES,
            )
            await rig.see_position()
            status = await rig.client.generate_mass_status()
            assert {order.status for order in status.orders} == {
                OrderStatus.ACCEPTED,
                OrderStatus.CANCELED,
            }
            canceled = next(o for o in status.orders if o.status is OrderStatus.CANCELED)
            assert canceled.venue_order_id == "281476929510201"
            assert canceled.filled_size == canceled.size  # and canceled all the same
            assert [position.instrument_id for position in status.positions] == ["ETH-PERP"]
            assert status.fills == ()
            for endpoint in (ACTIVE, INACTIVE, "trades"):
                assert rig.hits(endpoint) >= 1

    run(scenario())


def test_l_31_fan_out_seeded_from_history(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            _serve(
                rig,
                accountActiveOrders=NO_ORDERS,
                accountInactiveOrders=TEMPLATES["http_inactive_canceled"],
                trades=NO_TRADES,
            )
            status = await rig.client.generate_mass_status()
            assert rig.hits(INACTIVE) >= 2
            assert rig.hits(ACTIVE) >= 1
            scopes = [
                request.query.get("market_id")
                for request in rig.sim.record.requests
                if request.endpoint == INACTIVE
            ]
            assert scopes == [None, "0"]
            assert [order.status for order in status.orders] == [OrderStatus.CANCELED]

    run(scenario())


def test_l_32_fill_dedup_across_reconnect(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            order = buy("0.1336", "2352.73")
            rig.client.submit_order(order)
            (sent,) = await rig.sent(1)
            await rig.event(OrderSubmitted, order)
            frame = rig.trade_frame(sent.infos[0]["ClientOrderIndex"])
            rig.push(frame)
            filled = await rig.event(OrderFilled, order)
            assert filled.trade_id == "19209006902"
            rig.sim.faults.close()
            await rig.reconnected()
            rig.push(frame)
            await asyncio.sleep(2.0)
            assert len(rig.of(OrderFilled)) == 1
            assert rig.names == ["OrderSubmitted", "OrderAccepted", "OrderFilled"]

    run(scenario(), 30)


def test_l_33_rest_fills_skip_what_the_socket_delivered(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            trade = TEMPLATES["trade_http"]["trades"][0]
            frame = rig.trade_frame(
                42, trade_id=trade["trade_id"], trade_id_str=trade["trade_id_str"]
            )
            rig.push(frame)
            report = await until(lambda: rig.of(FillReport))
            assert [r.trade_id for r in report] == ["19209006903"]
            _serve(rig, trades=TEMPLATES["trade_http"])
            assert await rig.client.generate_fill_reports() == []
            assert rig.hits("trades") == 1

    run(scenario())
