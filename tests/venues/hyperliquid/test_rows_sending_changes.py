"""Cancels and modifications on their way, and several commands together: rows of 2.17, 7.4."""

from __future__ import annotations

from decimal import Decimal

import pytest
from venues.hyperliquid.sending_rig import (
    SHORT,
    SIZE,
    Rig,
    both,
    posted,
    sending,
)

from connectors.errors import (
    UnknownOutcome,
    VenueError,
)
from connectors.execution.identity import Shape
from connectors.hyperliquid import actions
from connectors.hyperliquid.orders import CancelPlan, Rules, plan_modify
from connectors.hyperliquid.replies import RefusalKind, State
from connectors.hyperliquid.sending import Command, Kind

# -- cancels ------------------------------------------------------------------------------------


@both
def test_g15_g16_by_cloid_or_by_oid(run, channel):
    async def main():
        async with sending(order_channel=channel, post_timeout_ms=SHORT) as rig:
            first, second = await rig.place(), await rig.place()
            oid = int(rig.owner.result(second).venue_order_id)
            cancels = [rig.cancel_of(first), rig.cancel_of(second, oid)]
            for cancel in cancels:
                rig.sender.cancels([cancel])
            assert await rig.done(*cancels) == ["accepted"] * 2
            assert [body["type"] for body in posted(rig)[2:]] == ["cancelByCloid", "cancel"]
            assert rig.account.live == {}

    run(main(), 60)


@both
def test_g17_g18_a_batch_of_cancels(run, channel):
    async def main():
        async with sending(order_channel=channel, post_timeout_ms=SHORT) as rig:
            placed = [await rig.place() for _ in range(3)]
            oid = int(rig.owner.result(placed[2]).venue_order_id)
            gone = Command(Kind.CANCEL, CancelPlan(0, "0x" + "77" * 16), subject=object())
            cancels = [
                rig.cancel_of(placed[2], oid),
                rig.cancel_of(placed[0]),
                gone,
                rig.cancel_of(placed[1]),
            ]
            rig.sender.cancels(cancels)
            assert await rig.done(*cancels) == ["accepted", "accepted", "refused", "accepted"]
            assert rig.owner.result(gone).code == RefusalKind.NOT_FOUND
            first, second = posted(rig)[3:]
            assert (first["type"], len(first["cancels"])) == ("cancelByCloid", 3)
            assert (second["type"], len(second["cancels"])) == ("cancel", 1)

    run(main(), 60)


def test_g19_too_few_statuses_are_unknown(run):
    async def main():
        async with sending(post_timeout_ms=SHORT) as rig:
            placed = [await rig.place() for _ in range(3)]
            statuses = {"statuses": ["success", "success"]}
            answer = {"status": "ok", "response": {"type": "cancel", "data": statuses}}
            rig.sim.faults.next_reply("post", body=answer, as_type="action")
            cancels = [rig.cancel_of(each) for each in placed]
            rig.sender.cancels(cancels)
            assert await rig.done(*cancels) == ["unknown"] * 3

    run(main(), 60)


# -- modifications ------------------------------------------------------------------------------


def modification(rig: Rig, command: Command, price: int, size: Decimal = SIZE) -> Command:
    oid = int(rig.owner.result(command).venue_order_id)
    plan = plan_modify(
        command.plan, rig.instruments["BTC-PERP"], oid=oid,
        target=Shape(size, Decimal(price), None), filled=Decimal(0), rules=Rules(),
    )  # fmt: skip
    return Command(Kind.MODIFY, plan, subject=command.subject)


@both
def test_2_8_the_reply_names_the_new_leg(run, channel):
    async def main():
        async with sending(order_channel=channel, post_timeout_ms=SHORT) as rig:
            placed = await rig.place()
            change = modification(rig, placed, 21_000)
            rig.sender.modify(change)
            assert await rig.done(change) == ["accepted"]
            taken = rig.owner.result(change)
            assert taken.state is State.RESTING
            assert taken.venue_order_id != rig.owner.result(placed).venue_order_id
            (order,) = rig.account.live.values()
            assert (str(order.oid), order.cloid) == (taken.venue_order_id, placed.plan.cloid)
            body = posted(rig)[1]
            assert body["type"] == "batchModify"
            assert "a" not in body

    run(main(), 60)


@both
def test_2_8_a_modification_the_venue_refuses(run, channel):
    async def main():
        async with sending(order_channel=channel, post_timeout_ms=SHORT) as rig:
            placed = await rig.place()
            rig.sender.cancels([cancel := rig.cancel_of(placed)])
            await rig.done(cancel)
            change = modification(rig, placed, 21_000)
            rig.sender.modify(change)
            assert await rig.done(change) == ["refused"]
            assert rig.owner.result(change).code == RefusalKind.NOT_MODIFIABLE

    run(main(), 60)


# -- together (7.4) -----------------------------------------------------------------------------


def test_7_4_commands_that_come_soon_leave_together(run):
    async def main():
        async with sending(coalesce_ms=50, post_timeout_ms=SHORT) as rig:
            gtc = [rig.command() for _ in range(3)]
            alo = [rig.command(post_only=True) for _ in range(2)]
            cancel = rig.cancel_of(gtc[0])
            for command in (*gtc, *alo):
                rig.sender.order(command)
            rig.sender.cancels([cancel])
            assert posted(rig) == []
            assert await rig.done(*gtc, *alo, cancel) == ["accepted"] * 6
            shapes = [
                (body["type"], len(body.get("orders") or body.get("cancels")))
                for body in posted(rig)
            ]
            assert shapes == [("order", 3), ("order", 2), ("cancelByCloid", 1)]

    run(main(), 60)


def test_7_4_what_waits_for_company_is_not_lost(run):
    async def main():
        async with sending(coalesce_ms=60_000) as rig:
            command = rig.command()
            rig.sender.order(command)
            rig.sender.connection_lost(rig.session.epoch, "gone")
            assert rig.owner.of(command) == ["not_sent"]
            waiting = rig.command()
            rig.sender.order(waiting)
            rig.sender.close("closed")
            assert rig.owner.of(waiting) == ["not_sent"]

    run(main(), 60)


def test_7_4_a_list_does_not_overtake_what_waits(run):
    async def main():
        async with sending(coalesce_ms=60_000, post_timeout_ms=SHORT) as rig:
            single, pair = rig.command(), [rig.command(), rig.command()]
            rig.sender.order(single)
            rig.sender.orders(pair)
            await rig.done(single, *pair)
            assert [len(body["orders"]) for body in posted(rig)] == [1, 2]

    run(main(), 60)


# -- what else an account does ------------------------------------------------------------------


@both
def test_actions_about_no_order(run, channel):
    async def main():
        async with sending(order_channel=channel, post_timeout_ms=SHORT) as rig:
            execute = rig.sender.execute
            assert await execute(actions.update_leverage(0, 7, isolated=True)) is None
            assert rig.account.leverage["BTC"] == (7, False)
            at_ms = rig.sim.clock.now_ms() + 600_000
            await execute(actions.schedule_cancel(at_ms))
            assert rig.account.cancel_at_ms == at_ms
            await execute(actions.schedule_cancel(None))
            assert rig.account.cancel_at_ms is None
            with pytest.raises(VenueError) as caught:
                await execute(actions.update_leverage(0, 1_000, isolated=False))
            assert caught.value.message == "Invalid leverage value 1000"
            with pytest.raises(VenueError):
                await execute(actions.twap_cancel(0, 99))
            data = await execute(
                actions.twap_order(
                    0, is_buy=True, size="0.05", reduce_only=False, minutes=5, randomize=False
                )
            )
            assert data["status"]["running"]["twapId"] >= 0
            assert rig.owner.told == []

    run(main(), 60)


@both
def test_actions_of_the_account_itself(run, channel):
    async def main():
        async with sending(order_channel=channel, post_timeout_ms=SHORT) as rig:
            other = (await rig.rest.clearinghouse_state(rig.signer.address))["withdrawable"]
            assert Decimal(other) > 10
            there = rig.sim.accounts[1]["address"]
            await rig.sender.execute(actions.usd_send(there, "12.50"), is_user_signed=True)
            state = await rig.rest.clearinghouse_state(rig.signer.address)
            assert Decimal(other) - Decimal(state["withdrawable"]) == Decimal("12.5")
            agent = "0x" + "5a" * 20
            await rig.sender.execute(actions.approve_agent(agent, "bot"), is_user_signed=True)
            assert rig.sim.exchange.owner_of(agent).address == rig.signer.address.lower()

    run(main(), 60)


def test_an_action_without_an_answer_raises(run):
    async def main():
        async with sending(post_timeout_ms=300) as rig:
            rig.sim.faults.next_reply("post", lose=True)
            with pytest.raises(UnknownOutcome, match="no answer within"):
                await rig.sender.execute({"type": "noop"})

    run(main(), 60)
