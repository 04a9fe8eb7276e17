"""Commands on their way to the simulator and back: rows of 2.12, 2.17, 4.6, 10 and 11."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from venues.hyperliquid.sending_rig import CHANNELS, KEYS, SIZE, Rig, sending, until

from connectors.errors import (
    AuthenticationError,
    ClientError,
    UnknownOutcome,
    VenueError,
)
from connectors.execution.identity import Shape
from connectors.execution.nonces import Nonce
from connectors.hyperliquid import actions
from connectors.hyperliquid.config import Credentials, OrderChannel
from connectors.hyperliquid.limits import ACTION, INFO
from connectors.hyperliquid.orders import CancelPlan, OrderPlan, Rules, plan_modify
from connectors.hyperliquid.replies import RefusalKind, State
from connectors.hyperliquid.sending import Command, Kind
from connectors.model import Side, TimeInForce
from connectors.sim.hyperliquid.config import AccountSetup, SimConfig

HTTP, WS = OrderChannel.HTTP, OrderChannel.WS
CROSSING = Decimal(100_000)
both = pytest.mark.parametrize("channel", CHANNELS)
SHORT = 60_000  # of a post that must not time out while the machine is busy


def posted(rig: Rig) -> list[Any]:
    """The bodies the venue has seen."""
    return [record.action for record in rig.sim.record.actions]


def sim(**changes: Any) -> SimConfig:
    setups = tuple(AccountSetup(f"0x{key}") for key in KEYS)
    return SimConfig(**{"setups": setups, "levels": 5, "block_ms": 0, **changes})


def lost(where: OrderChannel) -> str:
    return "post" if where is WS else "/exchange"


# -- orders -------------------------------------------------------------------------------------


@both
def test_g01_taken_and_resting(run, channel):
    async def main():
        async with sending(order_channel=channel, post_timeout_ms=SHORT) as rig:
            command = await rig.place()
            assert rig.owner.of(command) == ["sent", "accepted"]
            taken = rig.owner.result(command)
            assert taken.state is State.RESTING
            (order,) = rig.account.live.values()
            assert str(order.oid) == taken.venue_order_id
            assert order.cloid == command.plan.cloid

    run(main(), 60)


@both
def test_g03_filled_at_once(run, channel):
    async def main():
        async with sending(order_channel=channel, post_timeout_ms=SHORT) as rig:
            ioc = {"time_in_force": TimeInForce.IOC, "price": CROSSING}
            command = await rig.place(**ioc)
            taken = rig.owner.result(command)
            assert taken.state is State.FILLED
            assert Decimal(taken.filled_size) == SIZE

    run(main(), 60)


@both
def test_g05_refused_by_itself(run, channel):
    async def main():
        async with sending(order_channel=channel, post_timeout_ms=SHORT) as rig:
            command = await rig.place(price=CROSSING, post_only=True)
            refusal = rig.owner.result(command)
            assert rig.owner.of(command) == ["sent", "refused"]
            assert refusal.due_post_only
            assert refusal.text.startswith("Post only order would have immediately matched")
            assert refusal.text.endswith("asset=0")

    run(main(), 60)


@both
def test_g06_a_list_with_one_bad_order(run_any, channel):
    async def main():
        async with sending(order_channel=channel, post_timeout_ms=SHORT) as rig:
            bad = rig.command(price=CROSSING, post_only=True)
            commands = [rig.command(), bad, rig.command()]
            rig.sender.orders(commands)
            assert await rig.done(*commands) == ["accepted", "refused", "accepted"]
            assert [c for what, c, _ in rig.owner.told if what != "sent"] == commands
            assert len(posted(rig)) == 1

    run_any(main(), 60)


def test_g07_one_error_for_the_whole_batch(run):
    async def main():
        async with sending(sim_config=sim(prevalidate_batch=True), post_timeout_ms=SHORT) as rig:
            commands = [rig.command(), rig.command(size=Decimal("0.00001")), rig.command()]
            rig.sender.orders(commands)
            assert await rig.done(*commands) == ["refused"] * 3
            assert len({rig.owner.result(each).text for each in commands}) == 1

    run(main(), 60)


@pytest.mark.parametrize("once", [False, True])
def test_g08_a_group_with_exits(run, once):
    async def main():
        async with sending(sim_config=sim(grouped_reply_once=once), post_timeout_ms=SHORT) as rig:
            commands = [rig.command()]
            for tpsl, at in (("tp", "90000"), ("sl", "10000")):
                wire = {
                    "a": 0, "b": False, "p": at, "s": "0.001", "r": True,
                    "t": {"trigger": {"isMarket": True, "triggerPx": at, "tpsl": tpsl}},
                }  # fmt: skip
                plan = OrderPlan(wire, None, SIZE, None, Decimal(at))
                commands.append(Command(Kind.CREATE, plan, subject=object()))
            rig.sender.orders(commands, actions.Grouping.WITH_EXITS)
            assert await rig.done(*commands) == ["accepted"] * 3
            states = [rig.owner.result(each).state for each in commands]
            assert states == [State.RESTING, State.WAITING, State.WAITING]
            assert posted(rig)[0]["grouping"] == "normalTpsl"

    run(main(), 60)


@both
def test_g09_an_action_refused_as_a_whole(run, channel):
    async def main():
        vault = Credentials(KEYS[0], vault_address="0x" + "99" * 20)
        async with sending(order_channel=channel, credentials=vault, post_timeout_ms=SHORT) as rig:
            commands = [rig.command() for _ in range(3)]
            rig.sender.orders(commands)
            assert await rig.done(*commands) == ["refused"] * 3
            assert rig.owner.result(commands[0]).code == RefusalKind.VAULT

    run(main(), 60)


# -- nobody knows -------------------------------------------------------------------------------


@both
def test_g10_no_answer_is_unknown_and_a_late_one_still_counts(run, channel):
    async def main():
        async with sending(order_channel=channel, post_timeout_ms=300) as rig:
            rig.sim.faults.next_reply(lost(channel), delay_s=1.0)
            command = await rig.place()
            assert rig.owner.of(command) == ["sent", "unknown"]
            assert rig.limits.posts.used <= 1  # its place is free again
            if channel is WS:
                await until(lambda: rig.owner.of(command)[-1] == "accepted", "the late answer")

    run(main(), 60)


@both
def test_an_answer_that_never_comes(run, channel):
    async def main():
        async with sending(order_channel=channel, post_timeout_ms=300) as rig:
            rig.sim.faults.next_reply(lost(channel), lose=True)
            command = await rig.place()
            assert rig.owner.of(command) == ["sent", "unknown"]
            assert len(rig.account.live) == 1  # it was executed all the same
            assert await rig.sender.void(command) is False

    run(main(), 60)


def test_g11_a_lost_connection_leaves_five_unknown(run_any):
    async def main():
        async with sending(post_timeout_ms=SHORT) as rig:
            rig.sim.faults.next_reply("post", lose=True, count=5)
            commands = [rig.command() for _ in range(5)]
            for command in commands:
                rig.sender.order(command)
            await until(lambda: len(posted(rig)) == 5)
            rig.sim.faults.abort()
            assert await rig.done(*commands) == ["unknown"] * 5
            assert {rig.owner.result(each) for each in commands} == {"the connection was lost"}
            await until(lambda: rig.session.is_connected and rig.sender.is_running)
            assert rig.limits.posts.used == 1  # that of the next post alone
            assert rig.owner.of(await rig.place()) == ["sent", "accepted"]

    run_any(main(), 60)


def test_answers_to_an_older_connection_settle_nothing(run):
    async def main():
        async with sending(post_timeout_ms=SHORT) as rig:
            rig.sim.faults.next_reply("post", lose=True)
            command = rig.command()
            rig.sender.order(command)
            await until(lambda: posted(rig))
            (pending,) = rig.sender.inflight
            rig.sim.faults.abort()
            await rig.done(command)
            answer = {"id": int(pending.id), "response": {"type": "action", "payload": {}}}
            assert not rig.sender.on_post(answer, rig.session.epoch)
            assert rig.sender.unmatched == 1
            assert rig.owner.of(command) == ["sent", "unknown"]

    run(main(), 60)


@pytest.mark.parametrize(
    "data",
    [None, {}, {"id": 12345, "response": {"type": "action", "payload": {}}}, {"id": "1"}, [1]],
)
def test_answers_to_nothing(run, data):
    async def main():
        async with sending() as rig:
            assert not rig.sender.on_post(data, rig.session.epoch)
            assert not rig.sender.on_error("Already subscribed: {}", rig.session.epoch)
            assert not rig.sender.on_error(
                "too many pending post requests id=99", rig.session.epoch
            )
            assert rig.owner.told == []

    run(main(), 60)


@pytest.mark.parametrize(
    ("body", "as_type", "told"),
    [
        ("429 Too Many Requests", "error", "unknown"),
        ("503 Service Unavailable", "error", "unknown"),
        ("something else", "error", "unknown"),
        ({"odd": 1}, "error", "unknown"),
        ("422 Unprocessable Entity: Failed to deserialize", "error", "refused"),
        ({"status": "ok", "response": {"type": "order"}}, "action", "unknown"),
        ({"status": "ok", "response": {"type": "order", "data": {"statuses": []}}}, "action",
         "unknown"),
        ("<html>", "action", "unknown"),
        ({"status": "ok"}, "info", "unknown"),
    ],
)  # fmt: skip
def test_2_12_strange_answers_on_the_websocket(run, body, as_type, told):
    async def main():
        async with sending(post_timeout_ms=SHORT) as rig:
            rig.sim.faults.next_reply("post", body=body, as_type=as_type)
            command = await rig.place()
            assert rig.owner.of(command) == ["sent", told]
            held = rig.limits.limiter.time_until(INFO) > 0  # for ten seconds
            assert held == str(body).startswith("429")

    run(main(), 60)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ({"status": 429}, "unknown"),
        ({"status": 500, "body": "oops"}, "unknown"),
        ({"status": 502}, "unknown"),
        ({"status": 408, "body": "slow"}, "unknown"),
        ({"status": 400, "body": "malformed"}, "refused"),
        ({"status": 422, "body": "Failed to deserialize"}, "refused"),
        ({"truncate": True}, "unknown"),
        ({"lose": True}, "unknown"),
        ({"status": 200, "body": "<html>"}, "unknown"),
    ],
)
def test_5_1_answers_over_http(run, fault, told):
    async def main():
        async with sending(order_channel=HTTP, post_timeout_ms=SHORT) as rig:
            rig.sim.faults.next_reply("/exchange", **fault)
            command = await rig.place()
            assert rig.owner.of(command) == ["sent", told]
            assert len(posted(rig)) <= 1  # never sent again
            assert rig.owner.of(await rig.place()) == ["sent", "accepted"]

    run(main(), 60)


def test_4_6_too_many_posts_is_unknown_at_once(run):
    async def main():
        async with sending(post_timeout_ms=SHORT) as rig:
            rig.sim.faults.next_reply("post", lose=True)
            command = rig.command()
            rig.sender.order(command)
            await until(lambda: posted(rig))
            (pending,) = rig.sender.inflight
            rig.sim.faults.error(f"too many pending post requests id={pending.id}")
            assert await rig.done(command) == ["unknown"]

    run(main(), 60)


def test_4_6_never_more_posts_than_places(run_any):
    async def main():
        async with sending(inflight_posts_max=3, post_timeout_ms=SHORT) as rig:
            rig.sim.faults.next_reply("post", delay_s=0.05, count=1_000)
            commands = [rig.command() for _ in range(20)]
            most = 0
            for command in commands:
                rig.sender.order(command)
                most = max(most, len(rig.sender.inflight))
            assert len(rig.sender.ordered.line) == 17
            assert await rig.done(*commands) == ["accepted"] * 20
            assert most == 3
            assert len(posted(rig)) == 20
            sent = [record.nonce for record in rig.sim.record.actions]
            assert sent == sorted(sent)

    run_any(main(), 60)


def test_two_senders_share_the_places_of_their_host(run):
    async def main():
        async with sending(inflight_posts_max=2, post_timeout_ms=SHORT) as rig:
            assert rig.limits.posts.try_take()  # another client's
            rig.sim.faults.next_reply("post", lose=True)
            first, second = rig.command(), rig.command()
            rig.sender.order(first)
            rig.sender.order(second)
            await until(lambda: posted(rig))
            assert rig.owner.of(second) == []
            rig.limits.posts.give_back()
            assert await rig.done(second) == ["accepted"]

    run(main(), 60)


def test_the_line_is_bounded(run):
    async def main():
        async with sending(inflight_posts_max=1, post_queue_max=2, post_timeout_ms=SHORT) as rig:
            rig.sim.faults.next_reply("post", lose=True)
            commands = [rig.command() for _ in range(4)]
            for command in commands:
                rig.sender.order(command)
            assert rig.owner.of(commands[3]) == ["not_sent"]
            rig.sender.connection_lost(rig.session.epoch, "gone")
            assert await rig.done(*commands) == ["unknown", "not_sent", "not_sent", "not_sent"]

    run(main(), 60)


def test_4_6_failing_fast_instead_of_waiting(run):
    async def main():
        async with sending(inflight_posts_max=1, post_queue_max=0, post_timeout_ms=SHORT) as rig:
            rig.sim.faults.next_reply("post", delay_s=0.2)
            first, second = rig.command(), rig.command()
            rig.sender.order(first)
            rig.sender.order(second)
            assert rig.owner.of(second) == ["not_sent"]
            assert await rig.done(first) == ["accepted"]
            assert rig.owner.of(await rig.place()) == ["sent", "accepted"]

    run(main(), 60)


# -- not sent -----------------------------------------------------------------------------------


def test_nothing_is_sent_without_a_connection(run):
    async def main():
        async with sending(connect=False) as rig:
            command = rig.command()
            rig.sender.order(command)
            assert rig.owner.of(command) == []  # it waits for its turn
            rig.sender.connection_lost(0, "no connection")
            assert rig.owner.of(command) == ["not_sent"]
            with pytest.raises(ClientError, match="not connected"):
                await rig.sender.execute({"type": "noop"})
            assert posted(rig) == []

    run(main(), 60)


def test_12_3_commands_wait_for_the_connection_only_if_told(run):
    async def main():
        async with sending(post_timeout_ms=SHORT) as rig:
            assert rig.sender.takes_commands
            rig.sender.connection_lost(rig.session.epoch, "gone")
            assert not rig.sender.takes_commands
        async with sending(command_queue_ms=60_000, post_timeout_ms=SHORT) as rig:
            rig.sender.connection_lost(rig.session.epoch, "gone")
            assert rig.sender.takes_commands
            command = rig.command()
            rig.sender.order(command)
            assert rig.owner.of(command) == []
            rig.sender.resume()
            assert await rig.done(command) == ["accepted"]

    run(main(), 60)


def test_12_3_a_connection_that_stays_away(run):
    async def main():
        async with sending(connect=False, command_queue_ms=50) as rig:
            rig.sender.connection_lost(0, "gone")
            commands = [rig.command(), rig.command()]
            for command in commands:
                rig.sender.order(command)
            assert await rig.done(*commands) == ["not_sent"] * 2
            assert not rig.sender.takes_commands
            assert posted(rig) == []

    run(main(), 60)


@both
def test_a_signer_that_fails_is_not_sent(run, channel):
    async def main():
        async with sending(order_channel=channel) as rig:
            rig.signer.close()
            command = rig.command()
            rig.sender.order(command)
            assert await rig.done(command) == ["not_sent"]
            assert rig.owner.of(command) == ["not_sent"]
            assert rig.limits.posts.used <= 1
            assert posted(rig) == []

    run(main(), 60)


@both
def test_closing_in_the_middle(run, channel):
    async def main():
        async with sending(order_channel=channel, post_timeout_ms=SHORT) as rig:
            rig.sim.faults.next_reply(lost(channel), delay_s=1.0)
            first = rig.command()
            rig.sender.order(first)
            await until(lambda: posted(rig))
            rig.sender.close("closed")
            await rig.tasks.close(timeout_s=5.0)
            assert await rig.done(first) == ["unknown"]
            assert rig.limits.posts.used == 0
            if channel is HTTP:
                await asyncio.sleep(1.2)  # until the venue's own wait for its answer is over

    run(main(), 60)


def test_http_closed_before_the_first_step(run):
    async def main():
        async with sending(order_channel=HTTP) as rig:
            command = rig.command()
            rig.sender.order(command)
            await rig.tasks.close(timeout_s=5.0)
            await rig.done(command)
            assert rig.owner.of(command) == ["not_sent"]
            assert posted(rig) == []

    run(main(), 60)


def test_http_commands_about_one_order_keep_their_order(run):
    async def main():
        async with sending(order_channel=HTTP, post_timeout_ms=SHORT) as rig:
            rig.sim.faults.next_reply("/exchange", delay_s=0.5)
            create = rig.command()
            other = rig.command()
            cancel = rig.cancel_of(create)
            rig.sender.order(create)
            rig.sender.cancels([cancel])
            rig.sender.order(other)
            assert await rig.done(create, other, cancel) == ["accepted"] * 3
            named = {id(create): "create", id(other): "other", id(cancel): "cancel"}
            told = [(what, named[id(about)]) for what, about, _ in rig.owner.told]
            # The cancel waits for the reply to its order, and nothing else does.
            assert told.index(("accepted", "create")) < told.index(("sent", "cancel"))
            assert told.index(("sent", "other")) < told.index(("accepted", "create"))
            kinds = [body["type"] for body in posted(rig)]
            assert kinds == ["order", "order", "cancelByCloid"]

    run(main(), 60)


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


# -- nonces (10) --------------------------------------------------------------------------------


@both
def test_n1_a_burst_has_nonces_of_its_own(run, channel):
    async def main():
        async with sending(order_channel=channel, post_timeout_ms=SHORT) as rig:
            commands = [rig.command() for _ in range(120)]
            for command in commands:
                rig.sender.order(command)
            assert await rig.done(*commands) == ["accepted"] * 120
            nonces = [record.nonce for record in rig.sim.record.actions]
            assert len(set(nonces)) == 120

    run(main(), 60)


def test_n1_several_tasks_at_once(run):
    async def main():
        async with sending(post_timeout_ms=SHORT) as rig:
            commands: list[Command] = []

            async def trade():
                for _ in range(10):
                    commands.append(command := rig.command())
                    rig.sender.order(command)
                    await asyncio.sleep(0)

            await asyncio.gather(*(trade() for _ in range(8)))
            assert await rig.done(*commands) == ["accepted"] * 80
            nonces = [record.nonce for record in rig.sim.record.actions]
            assert nonces == sorted(set(nonces))

    run(main(), 60)


@both
def test_n3_a_nonce_that_somebody_else_used(run, channel):
    """Refused for certain, told as what it is, and the next one goes through."""

    async def main():
        async with sending(order_channel=channel, post_timeout_ms=SHORT) as rig:
            first = await rig.place()
            rig.sender.sealer.nonces._last = first.nonce.value + 5_000  # ahead of the clock
            second = await rig.place()
            rig.sender.sealer.nonces._last = second.nonce.value - 1
            third = await rig.place()
            assert third.nonce.value == second.nonce.value
            assert rig.owner.of(third) == ["sent", "refused"]
            assert rig.owner.result(third).code == RefusalKind.DUPLICATE_NONCE
            assert [code for _, code in rig.owner.problems] == [RefusalKind.DUPLICATE_NONCE]
            assert rig.owner.of(await rig.place()) == ["sent", "accepted"]

    run(main(), 60)


def test_n4_n5_nonces_outside_the_venues_window(run):
    async def main():
        async with sending(sim_config=sim(nonces_kept=3), post_timeout_ms=SHORT) as rig:
            placed = [await rig.place() for _ in range(4)]
            for value in (placed[0].nonce.value - 1, 1_500_000_000_000):
                action = actions.orders([command := rig.command()])
                action.nonce = Nonce(value)
                rig.sender.send(action)
                assert await rig.done(command) == ["refused"]
                assert rig.owner.result(command).code == RefusalKind.NONCE

    run(main(), 60)


def test_n6_two_keys_may_use_one_nonce(run):
    async def main():
        async with sending(post_timeout_ms=SHORT) as one:
            nonce = Nonce(one.sim.clock.now_ms())
            for key in KEYS[:2]:
                action = actions.other({"type": "noop"})
                action.nonce = nonce
                from connectors.hyperliquid.signing import Signer

                with Signer(key) as signer:
                    one.sender.sealer.signer = signer
                    outcome = await one.sender._outcome_of(action)
                assert outcome.refusal is None

    run(main(), 60)


@both
def test_10_3_the_nonce_of_a_lost_command_is_used_up(run, channel):
    """Never executed: the probe takes its number, and what was lost can never come any more."""

    async def main():
        async with sending(order_channel=channel, post_timeout_ms=300) as rig:
            rig.sim.faults.next_reply(lost(channel), lose=True, execute=False)
            command = await rig.place()
            assert rig.owner.of(command) == ["sent", "unknown"]
            assert await rig.sender.void(command) is True
            assert await rig.sender.void(command) is False  # now its number is used
            assert rig.owner.problems == []

    run(main(), 60)


def test_10_3_a_nonce_that_many_have_overtaken(run):
    """The venue takes it no more, whether or not it ever saw it: a look-up can be believed."""

    async def main():
        async with sending(sim_config=sim(nonces_kept=5), post_timeout_ms=300) as rig:
            rig.sim.faults.next_reply("post", lose=True, execute=False)
            command = await rig.place()
            assert rig.owner.of(command) == ["sent", "unknown"]
            for _ in range(6):
                await rig.sender.execute({"type": "noop"})
            assert await rig.sender.void(command) is False
            assert rig.owner.problems == []

    run(main(), 60)


def test_10_3_a_probe_without_an_answer_says_nothing(run):
    async def main():
        async with sending(post_timeout_ms=300) as rig:
            rig.sim.faults.next_reply("post", lose=True, count=2)
            command = await rig.place()
            assert await rig.sender.void(command) is None
            assert await rig.sender.void(rig.command()) is True  # it was never signed

    run(main(), 60)


# -- expiry, signer, account --------------------------------------------------------------------


@both
def test_9_4_a_command_that_comes_too_late(run, channel):
    async def main():
        async with sending(
            order_channel=channel, expires_after_ms=600_000, post_timeout_ms=SHORT
        ) as rig:
            command = await rig.place()
            assert rig.owner.of(command) == ["sent", "accepted"]
            assert abs(command.expires_ms - rig.sim.clock.now_ms() - 600_000) < 120_000
            rig.sim.faults.clock_offset(700_000)
            late = await rig.place()
            assert rig.owner.of(late) == ["sent", "refused"]
            assert rig.owner.result(late).code == RefusalKind.EXPIRED
            assert rig.sender.address.counted == 1 + 5

    run(main(), 60)


@pytest.mark.parametrize("environment", ["testnet", "mainnet"])
def test_a_signer_the_venue_does_not_know(run, environment):
    """Its own address: an agent that is gone. Another: the signature is of something else."""

    async def main():
        key = "aa" * 32 if environment == "testnet" else KEYS[0]
        async with sending(key=key, environment=environment, post_timeout_ms=SHORT) as rig:
            command = await rig.place()
            assert rig.owner.result(command).code == RefusalKind.SIGNER
            ((message, code),) = rig.owner.problems
            assert code == RefusalKind.SIGNER
            if environment == "testnet":
                assert rig.signer.address.lower() in message
                assert "approve a new one" in message
            else:
                assert "network" in message
            with pytest.raises(AuthenticationError):
                await rig.sender.execute({"type": "noop"})

    run(main(), 60)


def test_11_3_an_account_out_of_requests(run):
    async def main():
        async with sending(sim_config=sim(limits=("address",)), post_timeout_ms=SHORT) as rig:
            user = rig.signer.address.lower()
            rig.account.requests = 10_000
            commands = [await rig.place() for _ in range(2)]
            assert [rig.owner.of(each)[-1] for each in commands] == ["accepted", "refused"]
            assert rig.owner.result(commands[1]).code == RefusalKind.ADDRESS_LIMIT
            assert 0 < rig.sender.address.wait_s <= 10
            assert rig.owner.problems[-1][1] == RefusalKind.ADDRESS_LIMIT
            cancel = rig.cancel_of(commands[0])
            rig.sender.cancels([cancel])  # has a cap of its own
            assert await rig.done(cancel) == ["accepted"]
            rig.sender.address.learn(await rig.rest.user_rate_limit(user))
            assert rig.sender.address.used is not None
            assert rig.sender.address.used >= 10_000

    run(main(), 60)


def test_11_3_every_entry_counts(run):
    async def main():
        async with sending(post_timeout_ms=SHORT) as rig:
            rig.sender.orders(commands := [rig.command() for _ in range(5)])
            await rig.done(*commands)
            await rig.sender.execute({"type": "noop"})
            assert rig.sender.address.counted == rig.account.requests == 6

    run(main(), 60)


def test_11_3_the_budget_is_asked_for(run):
    async def main():
        async with sending(post_timeout_ms=SHORT) as rig:
            await until(lambda: rig.sender.address.cap == 10_000)
            used = rig.sender.address.used
            await rig.place()
            assert rig.sender.address.used == used + 1

    run(main(), 60)


def test_post_only_window_is_named(run):
    async def main():
        async with sending(sim_config=sim(post_only_window=True), post_timeout_ms=SHORT) as rig:
            assert rig.owner.result(await rig.place()).code == RefusalKind.POST_ONLY_WINDOW
            assert rig.owner.of(await rig.place(post_only=True)) == ["sent", "accepted"]

    run(main(), 60)


# -- limits of the address of the network (11.1, 11.2) ------------------------------------------


def test_11_2_the_line_waits_for_weight_and_then_gives_up(run, monkeypatch):
    monkeypatch.setattr("connectors.execution.sending.LIMIT_TIMEOUT_S", 0.2)

    async def main():
        async with sending(rest_weight_per_min=60, post_timeout_ms=SHORT) as rig:
            rig.limits.limiter.debit(ACTION, 10_000)
            command = await rig.place()
            assert rig.owner.of(command) == ["not_sent"]
            assert "rate limit" in str(rig.owner.result(command))
            assert posted(rig) == []

    run(main(), 60)


@both
def test_11_2_a_large_batch_weighs_more(run, channel):
    async def main():
        config = replace(sim(), limits=("weight",))
        async with sending(sim_config=config, order_channel=channel, post_timeout_ms=SHORT) as rig:
            await until(lambda: rig.sender.address.cap)  # it was asked for: 20
            before = rig.sim.limits.weight_used
            rig.sender.orders(commands := [rig.command() for _ in range(80)])
            assert await rig.done(*commands) == ["accepted"] * 80
            assert rig.sim.limits.weight_used - before == 3

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


# -- odds and ends ------------------------------------------------------------------------------


def test_an_order_from_within_the_answer_to_another(run):
    """The owner may send in the very call that tells it something."""

    async def main():
        async with sending(inflight_posts_max=2, post_timeout_ms=SHORT) as rig:
            first, second, third = rig.command(), rig.command(), rig.command()
            plain_sent, plain_accepted = rig.owner.tx_sent, rig.owner.tx_accepted

            def tx_sent(command):
                plain_sent(command)
                if command is first:
                    rig.sender.order(second)

            def tx_accepted(command, result):
                plain_accepted(command, result)
                if command is first:
                    rig.sender.order(third)

            rig.owner.tx_sent, rig.owner.tx_accepted = tx_sent, tx_accepted
            rig.sender.order(first)
            await until(lambda: "accepted" in rig.owner.of(third))
            counts = Counter(what for what, _, _ in rig.owner.told)
            assert counts == {"sent": 3, "accepted": 3}

    run(main(), 60)


def test_signatures_ahead(run):
    async def main():
        async with sending(signing_pool=8, post_timeout_ms=SHORT) as rig:
            commands = [rig.command() for _ in range(20)]
            for command in commands:
                rig.sender.order(command)
            assert await rig.done(*commands) == ["accepted"] * 20

    run(main(), 60)


def test_a_vault_trades_for_itself(run):
    async def main():
        vault = "0x" + "ba" * 20
        setups = (AccountSetup(f"0x{KEYS[0]}", vaults=(vault,)),)
        credentials = Credentials(KEYS[0], vault_address=vault)
        async with sending(
            sim_config=sim(setups=setups), credentials=credentials, post_timeout_ms=SHORT
        ) as rig:
            assert credentials.user(rig.signer.address) == vault
            command = await rig.place(reduce_only=False)
            told = rig.owner.of(command)[-1]
            live = rig.sim.exchange.accounts[vault].live
            assert told == ("accepted" if live else "refused")
            assert rig.account.live == {}

    run(main(), 60)


def test_an_agent_signs_for_its_account(run):
    async def main():
        setups = (AccountSetup(f"0x{KEYS[0]}", agents={"bot": f"0x{KEYS[5]}"}),)
        async with sending(
            sim_config=sim(setups=setups), key=KEYS[5], post_timeout_ms=SHORT
        ) as rig:
            assert rig.owner.of(await rig.place()) == ["sent", "accepted"]
            (record,) = rig.sim.record.actions
            assert record.signer == rig.signer.address.lower()
            rig.sim.faults.prune_agent(rig.signer.address)
            assert rig.owner.result(await rig.place()).code == RefusalKind.SIGNER

    run(main(), 60)


def test_neither_key_nor_signature_is_logged(run, caplog):
    async def main():
        async with sending(post_timeout_ms=300) as rig:
            await rig.place()
            rig.sim.faults.next_reply("post", lose=True)
            await rig.place()
            rig.signer.close()
            rig.sender.order(command := rig.command())
            await rig.done(command)
            return " ".join(repr(each) for each in rig.owner.told)

    with caplog.at_level("DEBUG"):
        told = run(main(), 60)
    for text in (caplog.text, told):
        assert KEYS[0] not in text
        assert "signature" not in text


def test_sides(run):
    async def main():
        async with sending(post_timeout_ms=SHORT) as rig:
            command = await rig.place(side=Side.SELL, price=Decimal(90_000))
            assert rig.owner.result(command).state is State.RESTING
            (order,) = rig.account.live.values()
            assert not order.is_buy

    run(main(), 60)
