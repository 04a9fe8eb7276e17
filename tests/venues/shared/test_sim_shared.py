"""What every simulator can do, shown on the smallest one there can be."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from venues.shared import toy_venue

from connectors.sim.replies import Reply

TEXT, BINARY, CLOSED = aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.CLOSED
BOUND_S = 20


class Toy:
    """One venue, one HTTP client."""

    def __init__(self, sim, http):
        self.sim, self.http = sim, http

    @asynccontextmanager
    async def ear(self, **options):
        async with self.http.ws_connect(f"{self.sim.ws_origin}/ws", **options) as ws:
            await until(lambda: self.sim.connections)
            yield ws

    async def admin(self, name, body=None):
        url = f"{self.sim.http_url}/_sim/{name}"
        async with self.http.request("GET" if body is None else "POST", url, json=body) as answer:
            return answer.status, await answer.json()


@asynccontextmanager
async def toy(**settings):
    sim = await toy_venue.start(**settings)
    try:
        async with aiohttp.ClientSession() as http:
            yield Toy(sim, http)
    finally:
        await sim.stop()


async def until(true):
    async with asyncio.timeout(BOUND_S):
        while not true():  # noqa: ASYNC110 - of the simulator, which has no event for tests
            await asyncio.sleep(0.005)


async def text(ws):
    message = await ws.receive(timeout=BOUND_S)
    assert message.type is TEXT, message
    return message.data


async def end(ws):
    """Read until the connection ends; return the texts before and the close code."""
    texts = []
    while True:
        message = await ws.receive(timeout=BOUND_S)
        if message.type in (aiohttp.WSMsgType.CLOSE, CLOSED, aiohttp.WSMsgType.ERROR):
            return texts, ws.close_code
        texts.append(message.data)


def test_echo_and_what_is_recorded(run):
    async def main():
        async with toy() as at, at.ear() as ws:
            await ws.send_str("hello")
            assert await text(ws) == "hello"
            (connection,) = at.sim.connections.values()
            assert [frame.text for frame in at.sim.record.frames] == ["hello"]
            assert [entry[1:] for entry in connection.received] == [("text", "hello")]
            assert list(connection.sent) == [b"hello"]
            _, (shown,) = await at.admin("connections?open=true")
            assert (shown["open"], shown["received"], shown["sent"]) == (True, 1, 1)
            await ws.close(code=1000)
            await until(lambda: not at.sim.connections)
            _, state = await at.admin("state")
            assert (state["open_connections"], state["opened"], state["closed"]) == (0, 1, 1)

    run(main(), 60)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"fault": "close", "code": 4321, "reason": "why"}, 4321),
        ({"fault": "abort"}, 1006),
        ({"fault": "close_after_next_frame", "kind": "last"}, 1000),
        ({"fault": "close_after_next_frame", "silently": True, "kind": "last"}, 1006),
    ],
)
def test_how_a_connection_ends(run, fault, code):
    async def main():
        async with toy() as at, at.ear() as ws:
            assert (await at.admin("fault", fault))[0] == 200
            if "after" in fault["fault"]:
                await ws.send_str("not yet")
                await ws.send_str("last")
                texts, found = await end(ws)
                assert texts == ["not yet", "last"]  # both answered before the end
            else:
                _, found = await end(ws)
            assert found == code

    run(main(), 60)


def test_frozen_is_open_and_dead(run):
    async def main():
        async with toy() as at, at.ear() as ws:
            at.sim.faults.freeze()
            (connection,) = at.sim.connections.values()
            await ws.send_str("anybody?")
            assert connection.quiet
            assert connection.open
            connection.send(b"nothing")
            assert connection.sent_count == 0
            at.sim.faults.abort()
            assert await end(ws) == ([], 1006)

    run(main(), 60)


def test_a_stall_holds_back_and_lets_go_in_order(run):
    async def main():
        async with toy() as at, at.ear() as ws:
            at.sim.faults.stall()
            await ws.send_str("one")
            await ws.send_str("two")
            (connection,) = at.sim.connections.values()
            await until(lambda: connection.sent_count == 2)
            with pytest.raises(asyncio.TimeoutError):
                await ws.receive(timeout=0.05)
            at.sim.faults.resume()
            assert [await text(ws), await text(ws)] == ["one", "two"]

    run(main(), 60)


def test_a_stalled_output_is_bounded(run):
    async def main():
        async with toy(slow_consumer_bytes=10_000) as at, at.ear() as ws:
            at.sim.faults.stall()
            (connection,) = at.sim.connections.values()
            for _ in range(20):
                connection.send(b"x" * 1_000)
            await until(lambda: connection.closing)
            assert await end(ws) == ([], 1006)

    run(main(), 60)


def test_slow_is_late_by_simulated_time_and_in_order(run):
    async def main():
        async with toy(virtual_start_ms=0) as at, at.ear() as ws:
            at.sim.faults.slow(500)
            for word in ("one", "two"):
                await ws.send_str(word)
            await until(lambda: len(at.sim.record.frames) == 2)
            (connection,) = at.sim.connections.values()
            await at.sim.advance(0.49)
            assert connection.sent_count == 0
            await at.sim.advance(0.01)
            assert [await text(ws), await text(ws)] == ["one", "two"]

    run(main(), 60)


@pytest.mark.parametrize(
    "shape",
    [
        {"segment": 1},
        {"writes": 3},
        {"fragment": 3},
        {"fragments": 4, "ping_between": True},
        {"merge_ms": 1},
        {"delay_ms": 1, "bytes_per_s": 20_000},
    ],
    ids=str,
)
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_bent_output_loses_nothing(run, shape, loop):
    async def main():
        async with toy() as at, at.ear() as ws:
            status, numbers = await at.admin("fault", {"fault": "shape", "count": 20, **shape})
            assert (status, numbers) == (200, [1])
            words = [f"word {number}" for number in range(40)]
            for word in words:
                await ws.send_str(word)
            assert [await text(ws) for _ in words] == words

    run(main(), 60, loop=loop)


def test_rewritten_keys(run):
    async def main():
        async with toy() as at, at.ear() as ws:
            at.sim.faults.shape(unknown_keys=True, shuffled_keys=True)
            value = {"a": 1, "b": {"c": [{"d": 2}]}}
            await ws.send_str(json.dumps(value))
            found = json.loads(await text(ws))
            unknown = {"new": [1, "2", None]}
            assert found == {
                "a": 1, "zz": unknown,
                "b": {"c": [{"d": 2, "zz": unknown}], "zz": unknown},
            }  # fmt: skip

    run(main(), 60)


def test_a_close_never_lands_inside_of_a_bent_frame(run):
    async def main():
        async with toy() as at, at.ear() as ws:
            at.sim.faults.shape(bytes_per_s=200)  # two bytes at a time, for a second
            (connection,) = at.sim.connections.values()
            words = ["x" * 50, "y" * 50]
            for word in words:
                connection.send(word.encode())
            await asyncio.sleep(0.03)  # some way into the first frame, or not begun: both hold
            at.sim.faults.close(code=1001)
            assert await end(ws) == (words, 1001)

    run(main(), 60)


@pytest.mark.parametrize(
    ("what", "kind"),
    [("unknown_event", TEXT), ("invalid_json", TEXT), ("binary", BINARY), ("huge", TEXT)],
)
def test_stray_frames(run, what, kind):
    async def main():
        async with toy() as at, at.ear(max_msg_size=0) as ws:
            assert at.sim.faults.stray(what, count=2) == 1
            for _ in range(2):
                message = await ws.receive(timeout=BOUND_S)
                assert message.type is kind
                assert (len(message.data) > 5_000_000) == (what == "huge")

    run(main(), 60)


def test_invalid_text_and_floods_of_pings(run):
    async def main():
        async with toy() as at:
            async with at.ear() as ws:
                at.sim.faults.stray("ping_flood", count=5)
                await ws.send_str("still here")
                assert await text(ws) == "still here"
                (connection,) = at.sim.connections.values()
                await until(lambda: [e[1] for e in connection.received].count("pong") == 5)
            async with at.ear() as ws:
                await until(lambda: 2 in at.sim.connections)
                at.sim.faults.stray("invalid_utf8", connection=2)
                assert (await end(ws))[1] == 1007

    run(main(), 60)


@pytest.mark.parametrize(
    ("action", "found"),
    [
        ("drop", ["3", "4"]),
        ("duplicate", ["1", "1", "2", "2", "3", "4"]),
        ("swap", ["2", "1", "3", "4"]),
        ("hold", ["3", "4", "1", "2"]),
    ],
)
def test_taps(run, action, found):
    async def main():
        async with toy() as at, at.ear() as ws:
            at.sim.faults.tap("ec", action, count=2)
            for word in ("1", "2", "3", "4"):
                await ws.send_str(word)
            await until(lambda: len(at.sim.record.frames) == 4)
            assert at.sim.faults.release_all() == (action == "hold")
            assert [await text(ws) for _ in found] == found
            assert not at.sim.faults.taps

    run(main(), 60)


def test_a_tap_may_spare_some(run):
    async def main():
        async with toy() as at, at.ear() as ws:
            at.sim.faults.tap("echo", "drop", after=1)
            at.sim.faults.tap("echo", "drop", connection=99)
            at.sim.faults.tap("other", "drop")
            for word in ("1", "2", "3"):
                await ws.send_str(word)
            assert [await text(ws), await text(ws)] == ["1", "3"]

    run(main(), 60)


@pytest.mark.parametrize(
    ("refusal", "status"),
    [({"status": 429, "retry_after_s": 7}, 429), ({}, 503), ({"path": "/other"}, 101)],
)
def test_refused_handshakes(run, refusal, status):
    async def main():
        async with toy() as at:
            at.sim.faults.refuse(**refusal)
            url = f"{at.sim.ws_origin}/ws"
            if status != 101:
                with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                    await at.http.ws_connect(url)
                assert caught.value.status == status
                if "retry_after_s" in refusal:
                    assert caught.value.headers["Retry-After"] == "7"
            async with at.ear():  # used up, or for another path
                pass

    run(main(), 60)


@pytest.mark.parametrize("mode", ["garbage", "close", "slow"])
def test_odd_handshakes(run, mode):
    async def main():
        async with toy() as at:
            at.sim.faults.refuse(mode, delay_ms=20)
            if mode == "garbage":
                with pytest.raises(aiohttp.ClientError):
                    await at.http.ws_connect(f"{at.sim.ws_origin}/ws")
                return
            async with at.http.ws_connect(f"{at.sim.ws_origin}/ws") as ws:
                if mode == "slow":
                    await ws.send_str("late")
                    assert await text(ws) == "late"
                else:
                    assert await end(ws) == ([], 1006)

    run(main(), 60)


def test_answers_replaced_lost_cut_short_and_held(run):
    async def main():
        async with toy() as at:

            async def get():
                # aiohttp asks again by itself when a GET is lost.
                async with at.http.post(f"{at.sim.http_url}/what") as answer:
                    return answer.status, await answer.read()

            usual = (200, b'{"path":"/what"}')
            replies = at.sim.faults.replies
            replies.append(Reply("/what", status=502, body=b"<html>", count=2))
            assert [await get() for _ in range(3)] == [(502, b"<html>")] * 2 + [usual]
            replies.append(Reply("/what", drop=True))
            with pytest.raises(aiohttp.ClientError):
                await get()
            replies.append(Reply("/what", truncate=True))
            with pytest.raises(aiohttp.ClientError):
                await get()
            standing = Reply("/what", status=418, count=None)
            replies.append(standing)
            assert [status for status, _ in (await get(), await get())] == [418, 418]
            at.sim.faults.remove_reply(standing)
            hold = at.sim.faults.hold("/what")
            waiting = asyncio.ensure_future(get())
            async with asyncio.timeout(BOUND_S):
                await hold.reached.wait()
            assert not waiting.done()
            assert at.sim.faults.release_holds() == 1
            assert await waiting == usual

    run(main(), 60)


def test_clear_takes_every_fault_off(run):
    async def main():
        async with toy(virtual_start_ms=0) as at, at.ear() as ws:
            faults = at.sim.faults
            faults.tap("echo", "hold", count=9)
            await ws.send_str("held")
            await until(lambda: at.sim.record.frames)
            faults.refuse(count=5)
            faults.replies.append(Reply("/x", status=500, count=None))
            faults.clock_offset(5_000)
            done = []
            faults.after(1_000_000, lambda: done.append("ended early"))
            faults.shape(delay_ms=1_000_000)
            faults.slow(1_000_000)
            faults.stall()
            assert await at.admin("clear", {}) == (200, {})
            assert await text(ws) == "held"
            await ws.send_str("free")
            assert await text(ws) == "free"
            assert done == ["ended early"]
            assert (faults.taps, faults.handshakes, faults.replies) == ([], [], [])
            assert at.sim.clock.now_ms() == 0

    run(main(), 60)


def test_faults_of_a_scenario_come_from_the_seed(run):
    async def main():
        applied = []
        for _ in range(2):
            async with (
                toy(
                    virtual_start_ms=0, fault_interval_s=1.0, fault_kinds=("stall", "resume")
                ) as at,
                at.ear(),
                at.ear(),
            ):
                await until(lambda at=at: len(at.sim.connections) == 2)
                await at.sim.advance(5.1)
                applied.append(list(at.sim.faults.applied))
        assert applied[0] == applied[1]
        assert len(applied[0]) == 5

    run(main(), 60)


def test_pings_are_a_duty_and_their_answers_known(run):
    async def main():
        settings = {"virtual_start_ms": 0, "ping_interval_s": 10}
        async with toy(**settings) as at, at.ear(autoping=False) as ws:
            (connection,) = at.sim.connections.values()
            await at.sim.advance(10.1)
            message = await ws.receive(timeout=BOUND_S)
            assert (message.type, message.data) == (aiohttp.WSMsgType.PING, b"there?")
            assert connection.unanswered_since_ns is not None
            await ws.pong(message.data)
            await until(lambda: connection.unanswered_since_ns is None)

    run(main(), 60)


@pytest.mark.parametrize(
    ("name", "body", "status", "error"),
    [
        ("nonsense", None, 404, "unknown: GET /_sim/nonsense"),
        ("nonsense", {}, 404, "unknown: POST /_sim/nonsense"),
        ("fault", [], 400, "TypeError: the body must be a JSON object"),
        ("fault", {"fault": "nonsense"}, 400, "ValueError: unknown fault 'nonsense', known: abort"),
        ("fault", {"fault": "abort", "x": 1}, 400, "TypeError: "),
        ("fault", {"fault": "shape", "x": 1}, 400, "ValueError: unknown settings ['x'], known: "),
        ("fault", {"fault": "shape", "segment": "1"}, 400, "TypeError: 'segment' must be like 0"),
        ("fault", {"fault": "stray", "what": "x"}, 400, "ValueError: a stray frame is one of"),
        ("fault", {"fault": "refuse", "mode": "x"}, 400, "ValueError: mode is one of status"),
        ("fault", {"fault": "tap", "prefix": "", "action": "x"}, 400, "ValueError: unknown action"),
        ("config", {"seed": 2}, 400, "ValueError: 'seed' cannot be changed while the simulator"),
        ("config", {"nonsense": 2}, 400, "ValueError: 'nonsense' cannot be changed while"),
        ("advance", {"ms": 5}, 400, "ValueError: the clock follows the machine"),
    ],
)
def test_mistakes_of_the_caller(run, name, body, status, error):
    async def main():
        async with toy() as at, at.ear():
            found, answer = await at.admin(name, body)
            assert found == status
            assert answer["error"].startswith(error)

    run(main(), 60)


def test_a_broken_market_ends_the_simulator_and_says_why(run, caplog):
    async def main():
        sim = await toy_venue.start()
        sim.fails = True
        async with asyncio.timeout(BOUND_S):
            await sim.wait(asyncio.Event())
        with pytest.raises(ArithmeticError, match="the toy broke"):
            await sim.stop()

    run(main(), 60)
    assert "the simulated market stopped" in caplog.text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_line_of_json_then_until_a_signal(number):
    script = Path(toy_venue.__file__)
    process = subprocess.Popen(
        [sys.executable, "-P", str(script), "--seed", "5"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        assert list(ready) == ["venue", "pid", "http", "ws", "accounts"]
        assert (ready["venue"], ready["pid"]) == ("toy", process.pid)
        os.kill(process.pid, number)
        rest, _ = process.communicate(timeout=60)
        assert (rest, process.returncode) == ("", 0)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        assert process.stdout is not None
        process.stdout.close()


def test_a_stop_is_bounded_while_clients_hold_on(run):
    async def main():
        async with aiohttp.ClientSession() as http:
            sim = await toy_venue.start()
            ws = await http.ws_connect(f"{sim.ws_origin}/ws")
            await until(lambda: sim.connections)
            sim.faults.freeze()
            hold = sim.faults.hold("/held")
            held = asyncio.ensure_future(http.get(f"{sim.http_url}/held"))
            async with asyncio.timeout(BOUND_S):
                await hold.reached.wait()
                await sim.stop()
            assert await end(ws) == ([], 1006)
            for answer in await asyncio.gather(held, return_exceptions=True):
                if not isinstance(answer, BaseException):
                    answer.close()
            await ws.close()

    run(main(), 60)
