"""What would cost money with orders that this process did not place."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import Any

from venues.hyperliquid.trading_rig import buy, sell, trading, until

from connectors.hyperliquid.execution import ExecutionClient
from connectors.model import OrderFilled, OrderModifyRejected, OrderUpdated, Side, stop_market_order


def test_fills_that_an_adopted_order_comes_with_are_not_told_again(run: Any) -> None:
    """The first snapshot has them too."""

    async def scenario() -> None:
        async with trading() as rig:
            order = await rig.open_order(buy("1"))
            rig.house("sell", "2900", "0.4", take=True)
            await rig.event(OrderFilled, order)
            events: list[Any] = []
            second = ExecutionClient(rig.config, on_event=events.append)
            try:
                second.add_instruments(rig.client.markets)
                second.adopt_order(
                    order, venue_order_id=rig.tracked(order).venue_order_id, filled_size="0.4"
                )
                await second.connect()
                rig.house("sell", "2900", "0.2", take=True)
                await until(lambda: [e for e in events if isinstance(e, OrderFilled)])
                rig.sim.flush()
                fills = [e for e in events if isinstance(e, OrderFilled)]
                assert [(e.last_size, e.filled_size) for e in fills] == [
                    (Decimal("0.2"), Decimal("0.6"))
                ]
            finally:
                await second.close()

    run(scenario(), 60.0)


def test_an_order_of_others_keeps_what_it_is_when_it_is_modified(run: Any) -> None:
    """Its size includes what is filled, and it goes on only reducing."""

    async def scenario() -> None:
        async with trading() as rig:
            rig.house("buy", "2800", "2")
            await rig.open_order(sell("2", "2800"))  # short 2
            order = await rig.open_order(buy("1", reduce_only=True, post_only=True))
            rig.house("sell", "2900", "0.4", take=True)
            await rig.event(OrderFilled, order)
            oid = rig.tracked(order).venue_order_id
            events: list[Any] = []
            second = ExecutionClient(rig.config, on_event=events.append)
            try:
                await second.connect()
                second.modify_order(
                    "theirs", instrument_id="ETH-PERP", venue_order_id=oid, side=Side.BUY,
                    size="1", price="2901",
                )  # fmt: skip
                await until(lambda: [e for e in events if isinstance(e, OrderUpdated)], str(events))
                (live,) = rig.account.live.values()
                assert rig.sim.exchange.markets["ETH"].size(live.lots) == "0.6"
                assert (live.reduce_only, live.tif) == (True, "Alo")
                rig.house("sell", "2901", "0.6", take=True)
                await until(lambda: second.registry.by_client_id("theirs").is_final)
            finally:
                await second.close()

    run(scenario(), 60.0)


def refused(events: list[Any]) -> list[Any]:
    return [event for event in events if isinstance(event, OrderModifyRejected)]


def test_a_trigger_or_another_side_of_others_is_not_replaced_by_a_limit_order(run: Any) -> None:
    """A stop that became a plain limit order would trade at once."""

    async def scenario() -> None:
        async with trading() as rig:
            stop = stop_market_order("ETH-PERP", Side.SELL, size="1", trigger_price="2000")
            for order, side in ((stop, Side.SELL), (sell("1", "3100"), Side.BUY)):
                await rig.open_order(order)
                oid = rig.tracked(order).venue_order_id
                events: list[Any] = []
                second = ExecutionClient(rig.config, on_event=events.append)
                try:
                    await second.connect()
                    second.modify_order(
                        "theirs", instrument_id="ETH-PERP", venue_order_id=oid, side=side,
                        size="1", price="2901",
                    )  # fmt: skip
                    await until(partial(refused, events))
                    assert rig.actions("batchModify") == []
                finally:
                    await second.close()

    run(scenario(), 60.0)
