"""Nonces, expiry, signers and limits of commands on their way: rows of 10 and 11."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from decimal import Decimal

import pytest
from venues.hyperliquid.sending_rig import (
    KEYS,
    SHORT,
    both,
    lost,
    posted,
    sending,
    settings,
    until,
)

from connectors.errors import AuthenticationError
from connectors.execution.nonces import Nonce
from connectors.hyperliquid import actions
from connectors.hyperliquid.config import Credentials
from connectors.hyperliquid.limits import ACTION
from connectors.hyperliquid.replies import RefusalKind, State
from connectors.hyperliquid.sending import Command
from connectors.model import Side
from connectors.sim.hyperliquid.config import AccountSetup

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
        async with sending(sim_config=settings(nonces_kept=3), post_timeout_ms=SHORT) as rig:
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
        async with sending(sim_config=settings(nonces_kept=5), post_timeout_ms=300) as rig:
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
        async with sending(sim_config=settings(limits=("address",)), post_timeout_ms=SHORT) as rig:
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
        async with sending(
            sim_config=settings(post_only_window=True), post_timeout_ms=SHORT
        ) as rig:
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
        config = replace(settings(), limits=("weight",))
        async with sending(sim_config=config, order_channel=channel, post_timeout_ms=SHORT) as rig:
            await until(lambda: rig.sender.address.cap)  # it was asked for: 20
            before = rig.sim.limits.weight_used
            rig.sender.orders(commands := [rig.command() for _ in range(80)])
            assert await rig.done(*commands) == ["accepted"] * 80
            assert rig.sim.limits.weight_used - before == 3

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
            sim_config=settings(setups=setups), credentials=credentials, post_timeout_ms=SHORT
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
            sim_config=settings(setups=setups), key=KEYS[5], post_timeout_ms=SHORT
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
