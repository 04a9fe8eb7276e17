"""What would cost money with orders that this process did not place."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from venues.hyperliquid.trading_rig import buy, trading, until

from connectors.hyperliquid.execution import ExecutionClient
from connectors.model import OrderFilled


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
