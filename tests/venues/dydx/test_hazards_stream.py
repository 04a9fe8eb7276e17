"""What would leave a trader with an account that stands still: topics that end, lost heights."""

from __future__ import annotations

from typing import Any

from venues.dydx.test_account_client import STEPPED, looking

from connectors.model import (
    ErrorEvent,
    FillReport,
    OrderStatus,
    OrderStatusReport,
    Reconnected,
    SubscriptionStatus,
)
from patience import until


def test_a_trade_of_the_time_the_venue_had_ended_the_topic_comes_before_the_order_ends(
    run: Any,
) -> None:
    """Its order is not told as expired without it: what is not served is a gap."""

    async def main() -> None:
        async with looking(venue=STEPPED) as rig:
            sim = rig.sim
            await rig.caught_up()
            order = rig.order(good_til_block=sim.chain.height + 8)
            await rig.status_of(order, OrderStatus.ACCEPTED)
            rig.cancel(order)
            await rig.status_of(order, OrderStatus.PENDING_CANCEL)
            sim.faults.subscribe_error("v4_subaccounts")  # it is served again later
            for connection in sim.connections.values():
                connection._unsubscribe("v4_subaccounts", f"{rig.address}/0")
            sim.faults.proposer_fill(order)
            rig.blocks(12)
            await until(lambda: rig.told(ErrorEvent), what="the end of the topic to be told")
            await rig.caught_up()
            await rig.status_of(order, OrderStatus.FILLED)
            ends = [each for each in rig.of(OrderStatusReport) if each.status.is_final]
            assert [each.status for each in ends] == [OrderStatus.FILLED]
            assert len(rig.of(FillReport)) == 1
            assert not rig.differences()

    run(main(), 30.0)


def test_heights_that_stop_while_the_chain_goes_on_cost_the_connection(run: Any) -> None:
    async def main() -> None:
        async with looking(heartbeat_s=1, idle_timeout_s=1.5) as rig:
            client, sim = rig.client, rig.sim
            await rig.caught_up()
            sim.faults.stale_height()
            order = rig.order(good_til_block=sim.chain.height + 15)
            await rig.status_of(order, OrderStatus.ACCEPTED)
            await until(lambda: rig.told(Reconnected), what="another connection")
            sim.faults.clear()
            await rig.status_of(order, OrderStatus.EXPIRED)
            assert client.is_connected

    run(main(), 60.0)


def test_an_account_whose_topic_is_refused_is_not_connected_and_is_asked_for_again(
    run: Any,
) -> None:
    async def main() -> None:
        async with looking() as rig:
            client, sim = rig.client, rig.sim
            await rig.caught_up()
            sim.faults.subscribe_error("v4_subaccounts", text="A word nobody knows.")
            sim.faults.abort()
            await until(lambda: rig.told(SubscriptionStatus), what="the refusal")
            assert not client.is_connected
            assert not client.is_caught_up
            sim.faults.abort()
            await until(lambda: client.is_connected, what="the next connection")
            order = rig.order(flags="long_term", size="0.02")
            await rig.status_of(order, OrderStatus.ACCEPTED)

    run(main(), 30.0)
