"""A modify is a cancel and a new order; what is seen of it comes in any order (15.2 Modify, Q6)."""

from __future__ import annotations

import asyncio
from itertools import permutations

import pytest
from venues.hyperliquid.sim_wallet import (
    ETH,
    START_MS,
    cloid,
    limit,
    mine,
    trigger,
    updates,
    venue,
)

STEPS = ("open", "canceled", "fills", "reply")


def seen(frames, old, new) -> list[str]:
    """Return the steps of a modify in the order in which frames told of them."""
    steps = []
    for frame in frames:
        if frame["channel"] == "post":
            steps.append("reply")
        elif frame["channel"] == "userFills":
            steps += ["fills" for fill in frame["data"]["fills"] if fill["oid"] == new]
        else:
            names = {new: "open", old: "canceled"}
            steps += [names[oid] for _, oid in updates([frame])]
    return steps


async def post_modify(at, ear, old, order, **extra):
    """Send a batchModify over the websocket."""
    modifies = [{"oid": old, "order": order}]
    body = at.me.l1({"type": "batchModify", "modifies": modifies, **extra})
    request = {"type": "action", "payload": body}
    await ear.send({"method": "post", "id": 7, "request": request})


@pytest.mark.parametrize("sequence", list(permutations(STEPS)), ids="-".join)
@pytest.mark.parametrize("split", [False, True], ids=["joined", "split"])
def test_q6_every_order_of_a_modify(run, sequence, split):
    async def main():
        async with venue(modify_sequence=sequence, modify_split=split) as at:
            old = await at.me.rest(ETH, True, "2900", "1", cloid=cloid(1))
            await at.other.rest(ETH, False, "3000", "0.4")
            async with at.listen(*mine(at.me, "orderUpdates", "userFills")) as ear:
                await ear.quiet()
                replacement = limit(ETH, True, "3000", "1", cloid=cloid(1))
                await post_modify(at, ear, old, replacement)
                count = len(ear.frames)
                await ear.until(lambda frame: frame["channel"] == "post")
                (reply,) = (f for f in ear.frames[count:] if f["channel"] == "post")
                await ear.quiet()
                frames = [f for f in ear.frames[count:] if f["channel"] != "pong"]
                (status,) = reply["data"]["response"]["payload"]["response"]["data"]["statuses"]
                new = status["resting"]["oid"]
                assert new > old
                assert status["resting"]["cloid"] == cloid(1)
                assert seen(frames, old, new) == list(sequence)
                order_frames = [f for f in frames if f["channel"] == "orderUpdates"]
                neighbours = abs(sequence.index("open") - sequence.index("canceled")) == 1
                assert len(order_frames) == (1 if neighbours and not split else 2)

    run(main())


@pytest.mark.parametrize("dropped", STEPS)
def test_a_step_that_never_comes(run, dropped):
    sequence = tuple(step for step in STEPS if step != dropped)

    async def main():
        async with venue(modify_sequence=sequence) as at:
            old = await at.me.rest(ETH, True, "2900", "1", cloid=cloid(1))
            await at.other.rest(ETH, False, "3000", "0.4")
            async with at.listen(*mine(at.me, "orderUpdates", "userFills")) as ear:
                await ear.quiet()
                count = len(ear.frames)
                await post_modify(at, ear, old, limit(ETH, True, "3000", "1", cloid=cloid(1)))
                await ear.quiet()
                await ear.quiet()
                frames = [f for f in ear.frames[count:] if f["channel"] != "pong"]
                (new,) = (o["oid"] for o in await at.me.info("openOrders"))
                assert seen(frames, old, new) == list(sequence)

    run(main())


def test_a_script_for_the_next_modify_only(run):
    async def main():
        async with venue() as at, at.listen(*mine(at.me, "orderUpdates")) as ear:
            oid = await at.me.rest(ETH, True, "2900", "1")
            script = {"fault": "next_modify", "sequence": ["canceled", "open", "reply"]}
            assert (await at.admin("fault", script))[0] == 200
            await ear.quiet()
            expected = [["canceled", "open"], ["open", "canceled"]]
            for statuses, px in zip(expected, ("2901", "2902"), strict=True):
                oid = (await at.me.modify(oid, limit(ETH, True, px, "1")))["resting"]["oid"]
                assert [status for status, _ in updates(await ear.quiet())] == statuses
            script["sequence"] = ["nonsense"]
            assert (await at.admin("fault", script))[0] == 400

    run(main())


def test_a_lost_http_reply_cuts_the_connection(run):
    import aiohttp

    async def main():
        async with venue(modify_sequence=("open", "canceled", "fills")) as at:
            old = await at.me.rest(ETH, True, "2900", "1")
            with pytest.raises(aiohttp.ClientError):
                await at.me.modify(old, limit(ETH, True, "2901", "1"))
            (left,) = await at.me.info("openOrders")
            assert left["limitPx"] == "2901.0"

    run(main())


def test_fills_of_the_new_leg_overtake_late_statuses(run):
    """The gap keeps the pair back; a fill in a later block comes before it (D01, D10, D11)."""

    async def main():
        sequence = ("reply", "canceled", "open", "fills")
        async with venue(modify_sequence=sequence, modify_gap_ms=50) as at:
            old = await at.me.rest(ETH, True, "2900", "1")
            async with at.listen(*mine(at.me, "orderUpdates", "userFills")) as ear:
                await ear.quiet()
                new = (await at.me.modify(old, limit(ETH, True, "2901", "1")))["resting"]["oid"]
                await at.other.order(limit(ETH, False, "2901", "0.5"))
                frames = await ear.quiet()
                await at.sim.advance(0.2)
                frames += await ear.quiet()
                assert seen(frames, old, new) == ["canceled", "fills", "open"]

    run(main())


def test_a_modify_of_what_is_gone(run):
    async def main():
        async with venue() as at:
            old = await at.me.rest(ETH, True, "2900", "1")
            await at.me.cancel(ETH, old)
            gone = "Cannot modify canceled or filled order asset=1"
            order = limit(ETH, True, "2901", "1")
            assert await at.me.modify(old, order) == {"error": gone}
            answer = await at.me.act({"type": "modify", "oid": old, "order": order})
            assert answer == {"status": "err", "response": gone}
            status = await at.me.modify(old, order, a=True)  # place it even so (7.6)
            assert "resting" in status
            action = {"type": "modify", "oid": status["resting"]["oid"], "order": order}
            answer = await at.me.act(action)
            assert answer == {"status": "ok", "response": {"type": "default"}}

    run(main())


@pytest.mark.parametrize("survives", [True, False])
def test_a_refused_replacement(run, survives):
    async def main():
        mode = "survives" if survives else "gone"
        async with venue(modify_refused=mode) as at:
            await at.other.rest(ETH, False, "3000", "1")
            old = await at.me.rest(ETH, True, "2900", "1", cloid=cloid(1))
            refused = await at.me.modify(old, limit(ETH, True, "3000", "1", "Alo", cloid=cloid(1)))
            assert "Post only" in refused["error"]
            assert await at.me.order_status(old) == ("open" if survives else "canceled")
            refused = await at.me.modify(old, limit(ETH, True, "3000.001", "1"))
            assert "error" in refused  # off the grid: nothing was touched, whatever the mode
            assert await at.me.order_status(old) == ("open" if survives else "canceled")

    run(main())


def test_strict_modifies_do_not_cross(run):
    async def main():
        async with venue(strict_modify=True) as at:
            await at.other.rest(ETH, False, "3000", "1")
            old = await at.me.rest(ETH, True, "2900", "1")
            for order in (
                limit(ETH, True, "3000", "1"),
                limit(ETH, True, "3000", "1", "Ioc"),
                trigger(ETH, True, "3100", "1", "3050", "sl"),
            ):
                assert "error" in await at.me.modify(old, order)
            old = (await at.me.modify(old, limit(ETH, True, "2901", "1")))["resting"]["oid"]
            assert "filled" in await at.me.modify(old, limit(ETH, True, "3000", "1"), a=True)

    run(main())


def test_a_modified_order_starts_from_nothing_filled(run):
    async def main():
        async with venue() as at:
            old = await at.me.rest(ETH, True, "2900", "1", cloid=cloid(1))
            await at.other.order(limit(ETH, False, "2900", "0.4"))
            await at.me.modify(cloid(1), limit(ETH, True, "2900", "0.6", cloid=cloid(1)))
            (now,) = await at.me.info("openOrders")
            assert (now["sz"], now["origSz"], now["cloid"]) == ("0.6", "0.6", cloid(1))
            assert now["oid"] != old
            found = await at.me.info("orderStatus", oid=old)
            assert found["order"]["order"]["sz"] == "0.6"
            assert found["order"]["status"] == "canceled"

    run(main())


def test_a_reply_waits_for_its_block(run):
    """With `reply_first` off the answer leaves when the block has been streamed."""

    async def main():
        async with venue(block_ms=70, reply_first=False) as at:
            await at.sim.advance(0.01)
            sending = asyncio.ensure_future(at.me.rest(ETH, True, "2900", "1"))
            while not at.sim.record.actions:  # noqa: ASYNC110 - the simulator tells nobody
                await asyncio.sleep(0.001)
            assert not sending.done()
            await at.sim.advance(0.2)
            assert await sending > 2**38

    run(main())


@pytest.mark.parametrize("sequence", list(permutations(STEPS[:2] + STEPS[3:])), ids="-".join)
def test_several_modifies_in_one_action_have_one_reply(run, sequence):
    async def main():
        async with venue(modify_sequence=sequence) as at:
            first, second = [await at.me.rest(ETH, True, px, "1") for px in ("2900", "2901")]
            async with at.listen(*mine(at.me, "orderUpdates")) as ear:
                entries = [
                    {"oid": oid, "order": limit(ETH, True, "2800", "1")} for oid in (first, second)
                ]
                body = at.me.l1({"type": "batchModify", "modifies": entries})
                request = {"type": "action", "payload": body}
                await ear.send({"method": "post", "id": 1, "request": request})
                reply = await ear.channel("post")
                await ear.quiet()
                answer = reply["response"]["payload"]["response"]["data"]
                new = [status["resting"]["oid"] for status in answer["statuses"]]
                assert len([f for f in ear.frames if f["channel"] == "post"]) == 1
                came = updates(ear.frames)
                assert sorted(came) == sorted(
                    [("canceled", first), ("canceled", second), *(("open", oid) for oid in new)]
                )

    run(main())


def test_modified_children_keep_their_family(run):
    async def main():
        async with venue() as at:
            statuses = await at.me.order(
                limit(ETH, True, "3000", "1"),
                trigger(ETH, False, "2700", "1", "2750", "sl"),
                grouping="normalTpsl",
            )
            parent = statuses[0]["resting"]["oid"]
            await at.me.modify(parent, limit(ETH, True, "2990", "1"))
            (shown,) = await at.me.info("frontendOpenOrders")
            assert len(shown["children"]) == 1
            await at.other.order(limit(ETH, False, "2990", "1"))
            (stop,) = await at.me.info("frontendOpenOrders")
            assert stop["orderType"] == "Stop Market"

    run(main())


def test_one_frame_tells_of_one_block(run):
    async def main():
        async with venue(block_ms=70) as at:
            await at.sim.advance(0.08)
            async with at.listen(*mine(at.me, "orderUpdates")) as ear:
                oids = [await at.me.rest(ETH, True, px, "1") for px in ("2900", "2901")]
                await at.me.cancel(ETH, oids[0])
                assert updates(await ear.quiet()) == []
                await at.sim.advance(0.08)
                (frame,) = await ear.quiet()
                expected = [("open", oids[0]), ("open", oids[1]), ("canceled", oids[0])]
                assert updates([frame]) == expected
                stamps = [entry["statusTimestamp"] for entry in frame["data"]]
                assert stamps == [START_MS + 80] * 3

    run(main())
