"""Commands on their way to the simulator and back: rows of 2.12, 2.17, 4.6, 10 and 11."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest
from venues.hyperliquid.sending_rig import (
    CROSSING,
    HTTP,
    KEYS,
    SHORT,
    SIZE,
    WS,
    both,
    lost,
    posted,
    sending,
    settings,
    until,
)

from connectors.errors import ClientError
from connectors.hyperliquid import actions
from connectors.hyperliquid.config import Credentials
from connectors.hyperliquid.limits import INFO
from connectors.hyperliquid.orders import OrderPlan
from connectors.hyperliquid.replies import RefusalKind, State
from connectors.hyperliquid.sending import Command, Kind
from connectors.model import TimeInForce

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
        async with sending(
            sim_config=settings(prevalidate_batch=True), post_timeout_ms=SHORT
        ) as rig:
            commands = [rig.command(), rig.command(size=Decimal("0.00001")), rig.command()]
            rig.sender.orders(commands)
            assert await rig.done(*commands) == ["refused"] * 3
            assert len({rig.owner.result(each).text for each in commands}) == 1

    run(main(), 60)


@pytest.mark.parametrize("once", [False, True])
def test_g08_a_group_with_exits(run, once):
    async def main():
        async with sending(
            sim_config=settings(grouped_reply_once=once), post_timeout_ms=SHORT
        ) as rig:
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
