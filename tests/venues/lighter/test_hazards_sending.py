"""Ways to send too late, in the wrong order, or not at all without a word."""

from __future__ import annotations

from typing import Any

import pytest
from venues.lighter.trading_rig import BATCH, SINGLE, Rig, buy, quiet, trading, until

from connectors.execution.identity import DuplicateOrder
from connectors.lighter import sending
from connectors.lighter.rest import LighterRest
from connectors.model import (
    ContingencyType,
    Order,
    OrderAccepted,
    OrderCancelRejected,
    OrderDenied,
    OrderModifyRejected,
    OrderRejected,
    OrderSubmitted,
)
from connectors.net.ratelimit import QuotaExceeded, WindowQuota

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

            rig.take = on_event
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


@pytest.mark.parametrize("way", ["list", "group"])
def test_list_with_an_id_that_was_used_before(run: Any, way: str) -> None:
    """None of it was sent, so that the others may be sent in a better list."""

    async def scenario() -> None:
        async with trading() as rig:
            used, _ = await rig.seed_open(281476929510120)
            fresh = [buy(), buy(price="2000.00")]
            with pytest.raises(DuplicateOrder):
                if way == "list":
                    rig.client.submit_order_list([fresh[0], used])
                else:
                    rig.client.submit_order_group([fresh[0], used], ContingencyType.OTO)
            assert rig.client.registry.live == 1
            rig.client.submit_order_list(fresh)
            for order in fresh:
                await rig.event(OrderSubmitted, order)
            await rig.sent(2)

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


# -- cancels ---------------------------------------------------------------------------


async def _open_orders(rig: Rig, count: int) -> list[Order]:
    """Submit orders and let the venue show them open."""
    orders = [buy(price=f"{2000 + number}.00") for number in range(count)]
    for number, order in enumerate(orders):
        rig.client.submit_order(order)
        if number % 10 == 9:
            await until(lambda: len(rig.client._sender.inflight) == 0, 10.0)  # type: ignore[union-attr]
    for number, sent in enumerate(await rig.sent(count)):
        rig.push(rig.order_row(sent.infos[0]["ClientOrderIndex"], 281476929510000 + number))
    await until(lambda: len(rig.of(OrderAccepted)) == count, 10.0)
    return orders


def test_cancel_all_of_more_orders_than_the_nonce_window(run: Any) -> None:
    async def scenario() -> None:
        async with trading(sendtx_quota_per_min=24_000, nonce_window=16) as rig:
            await _open_orders(rig, 40)
            rig.client.cancel_all_orders()
            sends = await rig.sent(80)
            assert [list(sent.types) for sent in sends[40:]] == [[CANCEL]] * 40
            await until(lambda: all(sent.code == 200 for sent in sends))

    run(scenario(), 60)


def test_batch_cancel_of_more_orders_than_the_nonce_window(run: Any) -> None:
    async def scenario() -> None:
        async with trading(sendtx_quota_per_min=24_000, nonce_window=5) as rig:
            rig.sim.faults.hold_acks(5)
            orders = [buy(price=f"{2000 + number}.00") for number in range(5)]
            for order in orders:
                rig.client.submit_order(order)
            rig.client.batch_cancel_orders([order.client_order_id for order in orders])
            sends = await rig.sent(6)
            assert kinds(rig)[5] == (BATCH, [CANCEL] * 5)
            await until(lambda: sends[5].code == 200)
            assert rig.of(OrderCancelRejected) == []

    run(scenario(), 30)


def test_cancels_wait_for_the_limit_of_the_minute(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit is used up by orders: canceling them takes long, and is done."""
    monkeypatch.setattr(sending, "quota", lambda limit: WindowQuota(limit, 3.0))
    monkeypatch.setattr("connectors.execution.sending.LIMIT_TIMEOUT_S", 0.2)

    async def scenario() -> None:
        async with trading(sendtx_quota_per_min=10) as rig:
            await _open_orders(rig, 10)
            rig.client.cancel_all_orders()
            sends = await until(lambda: rig.sends if len(rig.sends) == 20 else None, 10.0)
            assert [list(sent.types) for sent in sends[10:]] == [[CANCEL]] * 10

    run(scenario(), 90)


@pytest.mark.parametrize("way", ["one", "all", "batch"])
def test_cancel_behind_a_refused_order(run: Any, way: str) -> None:
    """The refusal makes a hole, so the venue refuses the cancels behind it for their nonce."""

    async def scenario() -> None:
        async with trading(sim={"ack_mode": "id"}) as rig:
            orders = await _open_orders(rig, 3)
            rig.sim.faults.next_ack(code=21733, message="price too far from the mark")
            refused = buy()
            rig.client.submit_order(refused)
            if way == "one":
                rig.client.cancel_order(orders[0].client_order_id)
            elif way == "all":
                rig.client.cancel_all_orders()
            else:
                rig.client.batch_cancel_orders([order.client_order_id for order in orders])
            await rig.event(OrderRejected, refused)
            wanted = {281476929510000 + number for number in range(1 if way == "one" else 3)}

            def canceled() -> set[int]:
                done = [sent for sent in rig.sends if sent.code == 200]
                return {i["Index"] for sent in done for i in sent.infos if CANCEL in sent.types}

            await until(lambda: wanted <= canceled(), 10.0)
            assert rig.of(OrderCancelRejected) == []

    run(scenario(), 60)


def test_cancel_refused_for_its_nonce_again_and_again(run: Any) -> None:
    """It is not repeated without end."""

    async def scenario() -> None:
        async with trading() as rig:
            order, _ = await rig.seed_open(281476929510120)
            rig.sim.faults.next_ack(code=21104, message="invalid nonce", count=100)
            rig.client.cancel_order(order.client_order_id)
            rejected = await rig.event(OrderCancelRejected, order)
            assert rejected.code == 21104
            await quiet(rig)
            assert len(rig.sends) == 1 + 1 + sending.RESENDS

    run(scenario(), 30)


def test_cancel_all_that_is_refused_is_told(run: Any) -> None:
    """It makes no order event (L-27); that the order lives must be known all the same."""

    async def scenario() -> None:
        async with trading() as rig:
            order, _ = await rig.seed_open(281476929510120)
            rig.sim.faults.next_ack(code=21120, message="invalid signature")
            rig.client.cancel_all_orders()
            told = f"{order.client_order_id} is not canceled"
            await until(lambda: [s for s in rig.status if told in getattr(s, "message", "")])
            await quiet(rig)

    run(scenario(), 30)


# -- REST ------------------------------------------------------------------------------


def test_look_ups_do_not_keep_the_nonce_waiting(run: Any) -> None:
    """Reports and look-ups have used the minute up when the nonce has to be asked for."""

    async def scenario() -> None:
        async with trading(rest_quota_per_min=20, http_timeout_s=1.0) as rig:
            order, _ = await rig.seed_open(281476929510120)
            with pytest.raises(QuotaExceeded):
                for _ in range(20):
                    await rig.client.generate_fill_reports()
            rig.sim.faults.shift_nonce(12345, 5, 3)
            rig.client.submit_order(buy())
            await rig.event(OrderRejected)  # 21104
            rig.client.cancel_order(order.client_order_id)
            sends = await rig.sent(3)
            await until(lambda: sends[2].code == 200)
            rig.client.batch_cancel_orders([order.client_order_id] * 2)
            sends = await rig.sent(4)
            assert kinds(rig)[3] == (BATCH, [CANCEL, CANCEL])

    run(scenario(), 40)


def test_the_nonce_is_asked_for_again_whatever_was_answered(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until it is known nothing goes out: the question must not end by an error of any kind."""
    ask = LighterRest.next_nonce
    broken = [0]

    async def answer(self: LighterRest) -> int:
        if broken[0]:
            broken[0] -= 1
            raise TypeError("an answer of no shape at all")
        return await ask(self)

    monkeypatch.setattr(LighterRest, "next_nonce", answer)

    async def scenario() -> None:
        async with trading() as rig:
            broken[0] = 2
            rig.sim.faults.shift_nonce(12345, 5, 3)
            refused = buy()
            rig.client.submit_order(refused)
            await rig.event(OrderRejected, refused)  # 21104: the nonce has to be asked for
            count = len(rig.sends)
            rig.client.submit_order(buy())
            sends = await rig.sent(count + 1)
            await until(lambda: sends[-1].code == 200)
            assert broken == [0]

    run(scenario(), 40)
