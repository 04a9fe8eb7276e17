"""Orders that live and are shown as over, and the reverse."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from venues.ibkr.ibkr_rig import order_row, topic
from venues.ibkr.test_account_client import place, status_of
from venues.ibkr.venue_rig import owned, venue

from connectors.ibkr import account_client, orders
from connectors.model import OrderStatus, OrderStatusReport
from patience import until

Run = Callable[..., Any]


def test_w_32_nobody_is_given_up_in_a_gap(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """`Inactive` right before a loss: silence says nothing while nothing can be heard."""
    for module in (orders, account_client):
        monkeypatch.setattr(module, "INACTIVE_S", 0.1)

    async def scenario() -> None:
        told: list[Any] = []
        async with venue(sor_snapshot="never") as sim, owned(sim, told) as client:
            order = place(sim, "gap-1")
            await until(lambda: status_of(client, order) is OrderStatus.ACCEPTED)
            go_on = asyncio.Event()

            async def wait(**_: Any) -> None:
                await go_on.wait()

            monkeypatch.setattr(client._reader, "refresh_orders", wait)
            sim.faults.apply({"fault": "abort"})
            await until(lambda: not client.is_caught_up, what="the loss is noticed")
            row = order_row("Inactive", sparse=True, orderId=order.order_id)
            client.feed.take(topic({"topic": "sor", "args": [row]}))
            client._wake.set()
            await asyncio.sleep(0.5)
            assert status_of(client, order) is OrderStatus.SUBMITTED
            go_on.set()
            await until(lambda: client.is_caught_up)
            await until(lambda: status_of(client, order) is OrderStatus.ACCEPTED)
            seen = {each.status for each in told if isinstance(each, OrderStatusReport)}
            assert OrderStatus.REJECTED not in seen

    run(scenario())
