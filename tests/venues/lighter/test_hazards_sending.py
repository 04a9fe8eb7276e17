"""Ways to send too late, in the wrong order, or not at all without a word."""

from __future__ import annotations

from typing import Any

import pytest
from venues.lighter.trading_rig import BATCH, SINGLE, Rig, buy, trading, until

from connectors.lighter import sending
from connectors.model import OrderDenied, OrderModifyRejected, OrderRejected, OrderSubmitted

CREATE, CANCEL = 14, 15


def kinds(rig: Rig) -> list[tuple[str, list[int]]]:
    """Return what was sent: which request, which transactions."""
    return [(sent.kind, list(sent.types)) for sent in rig.sends]


# -- the order of sending --------------------------------------------------------------


def test_nothing_overtakes_a_list_submitted_before_it(run: Any) -> None:
    """A cancel that arrives before its order is refused, and the order lives."""

    async def scenario() -> None:
        async with trading() as rig:
            rig.client.submit_order_list([buy(), buy(price="2000.00")])
            rig.client.cancel_all_orders()
            rig.client.submit_order(buy(price="2001.00"))
            await rig.sent(4)
            assert kinds(rig) == [
                (BATCH, [CREATE, CREATE]),
                (SINGLE, [CANCEL]),
                (SINGLE, [CANCEL]),
                (SINGLE, [CREATE]),
            ]
            nonces = [info["Nonce"] for sent in rig.sends for info in sent.infos]
            assert nonces == list(range(9999, 10004))

    run(scenario(), 30)


def test_cancel_from_within_submitted_follows_its_list(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            seen = rig.events.append

            def on_event(event: Any) -> None:
                seen(event)
                if isinstance(event, OrderSubmitted):
                    rig.client.cancel_order(event.client_order_id)

            rig.client._on_event = on_event
            rig.client.submit_order_list([buy(), buy(price="2000.00")])
            await rig.sent(3)
            assert kinds(rig) == [
                (BATCH, [CREATE, CREATE]), (SINGLE, [CANCEL]), (SINGLE, [CANCEL])
            ]  # fmt: skip

    run(scenario(), 30)


def test_list_submitted_right_before_the_end(run: Any) -> None:
    """Its task never gets to run: every order of it is told."""

    async def scenario() -> None:
        async with trading() as rig:
            orders = [buy(), buy(price="2000.00")]
            rig.client.submit_order_list(orders)
            await rig.client.close()
            for order in orders:
                assert rig.of(OrderRejected, order) or rig.of(OrderDenied, order)
            assert rig.sends == []

    run(scenario(), 30)


# -- too late --------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["single", "modify", "list"])
def test_order_does_not_wait_for_a_nonce_for_ever(
    run: Any, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """What could not leave for so long is told, and never leaves."""
    monkeypatch.setattr(sending, "ORDER_WAIT_S", 0.5)

    async def scenario() -> None:
        async with trading() as rig:
            standing, _ = await rig.seed_open(281476929510120)
            silence = rig.sim.faults.next_reply("nextNonce", status=500, count=None)
            rig.sim.faults.shift_nonce(12345, 5, 3)
            refused = buy()
            rig.client.submit_order(refused)
            await rig.event(OrderRejected, refused)  # 21104: the nonce has to be asked for
            late = [buy(), buy(price="2000.00")]
            if way == "single":
                rig.client.submit_order(late[0])
                told = await rig.event(OrderRejected, late[0])
            elif way == "modify":
                rig.client.modify_order(standing.client_order_id, price="2000.00")
                told = await rig.event(OrderModifyRejected, standing)
            else:
                rig.client.submit_order_list(late)
                told = await rig.event(OrderRejected, late[1])
            assert "within 0.5 s" in told.reason
            count = len(rig.sends)
            rig.sim.faults.remove_reply(silence)
            rig.client.cancel_order(standing.client_order_id)  # in line behind what was given up
            sends = await rig.sent(count + 1)
            assert list(sends[-1].types) == [CANCEL]
            await until(lambda: sends[-1].code == 200)
            assert len(rig.sends) == count + 1

    run(scenario(), 40)
