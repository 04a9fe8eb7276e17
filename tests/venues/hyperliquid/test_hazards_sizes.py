"""What would cost money where an order could trade more than was asked for (2.11)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from venues.hyperliquid.trading_rig import Rig, buy, trading, until

from connectors.model import OrderCanceled, OrderFilled, OrderUpdated


async def raced(rig: Rig, traded: str) -> Any:
    """Ask for 0.6 in place of 1 while the old leg trades, which is told after the reply."""
    order = await rig.open_order(buy("1"))
    for channel in ("userFills", "userEvents"):
        rig.sim.faults.tap(channel, "drop")
    rig.house("sell", "2900", traded, take=True)
    await rig.settle()
    rig.client.modify_order(order.client_order_id, size="0.6")
    await rig.event(OrderUpdated, order)
    rig.sim.faults.clear()
    assert rig.kinds(order) == ["Submitted", "Accepted", "Updated"]
    rig.push_fills(*rig.account.fills)
    await rig.event(OrderFilled, order)
    return order


def test_a_leg_that_is_too_big_is_made_smaller(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            await raced(rig, "0.4")
            await rig.taken("batchModify", 2)
            await until(lambda: [o.open_lots for o in rig.account.live.values()] == [2_000])

    run(scenario(), 60.0)


def test_a_leg_that_is_too_small_to_be_made_smaller_is_canceled(run: Any) -> None:
    """0.003 ETH are left, worth less than 10 USD: the venue refuses, and 0.6 would trade."""

    async def scenario() -> None:
        async with trading() as rig:
            order = await raced(rig, "0.597")
            end = await rig.event(OrderCanceled, order)
            assert "minimum value" in end.reason
            assert rig.kinds(order) == ["Submitted", "Accepted", "Updated", "Filled", "Canceled"]
            assert rig.account.live == {}
            assert rig.tracked(order).filled_size == Decimal("0.597")

    run(scenario(), 60.0)


def test_a_cancel_of_a_leg_that_is_too_big_is_tried_again(run: Any) -> None:
    """It never reached the venue: each reading of what is open shows that the leg rests."""

    async def scenario() -> None:
        async with trading() as rig:
            real = rig.client._modifications._cancel_stray
            lost: list[Any] = []
            rig.client._modifications._cancel_stray = lost.append  # type: ignore[method-assign]
            order = await raced(rig, "0.597")
            await until(lambda: len(lost) == 1)
            recovery = rig.client._recovery
            assert recovery is not None
            await recovery.read_all()
            assert len(lost) == 2
            rig.client._modifications._cancel_stray = real  # type: ignore[method-assign]
            await recovery.read_all()
            await rig.event(OrderCanceled, order)

    run(scenario(), 60.0)
