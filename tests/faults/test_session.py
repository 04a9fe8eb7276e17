"""Session against a real socket: every transition and every fault, on asyncio and uvloop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import ssl
import time

import picows
import pytest

from connectors._speedups.feed import Decoder
from connectors.errors import (
    ClientError,
    ConfigError,
    ConnectionLost,
    HandshakeError,
    RequestTimeout,
    TransportError,
)
from connectors.net.attempts import AttemptBudget
from connectors.net.backoff import BackoffPolicy
from connectors.net.endpoint import Endpoint
from connectors.net.policy import Heartbeat, SessionPolicy
from connectors.net.ratelimit import Quota, QuotaExceeded, RateLimiter
from connectors.net.session import Session
from connectors.net.session_events import (
    AttemptFailed,
    Closed,
    Closing,
    Connected,
    Connecting,
    FeedProblem,
    Lost,
    Recovered,
    RotationDue,
    SessionState,
    WentStale,
)
from faults.benches import on_both_loops
from faults.market import Market
from faults.proxy import FaultProxy, How, Way
from patience import GRACE_S

FAST = BackoffPolicy(initial_s=0.02, maximum_s=0.1, jitter_amount=0.005)


class Collect(Decoder):
    def __init__(self):
        self.messages = []

    def on_message(self, data, ts_init):
        self.messages.append(data)


class Bench:
    """A market, a proxy in front of it, and sessions that report here."""

    def __init__(self):
        self.market = Market()
        self.events = []
        self.decoder = Collect()
        self.sessions = []

    async def __aenter__(self):
        self.stack = contextlib.AsyncExitStack()
        await self.stack.enter_async_context(self.market)
        self.proxy = await self.stack.enter_async_context(FaultProxy("127.0.0.1", self.market.port))
        return self

    async def __aexit__(self, *exc):
        for session in self.sessions:
            await session.close()
        await self.stack.aclose()

    @property
    def url(self):
        return f"ws://127.0.0.1:{self.proxy.port}/ws"

    def session(self, *, url=None, headers=None, host=None, on_event=None, **more):
        policy = {"backoff": FAST, "attempt_timeout_s": 15.0, "close_timeout_s": 15.0}
        for name in list(more):
            if name in SessionPolicy.__dataclass_fields__:
                policy[name] = more.pop(name)
        more.setdefault("attempts", AttemptBudget((Quota(10_000, 1.0),)))
        session = Session(
            "test",
            Endpoint(url=url or self.url, headers=headers, host=host),
            self.decoder,
            on_event or self.events.append,
            policy=SessionPolicy(**policy),
            **more,
        )
        self.sessions.append(session)
        return session

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]

    async def until(self, condition, timeout_s=5.0):
        await self.market.until(condition, timeout_s=timeout_s)


bench_test = on_both_loops(Bench)


def names(events):
    return [type(event).__name__ for event in events]


# -- connect, receive, send, close -----------------------------------------------------


@bench_test
async def test_life_of_a_session(bench):
    bench.market.greeting = ["hello"]
    session = bench.session()
    assert session.state is SessionState.CLOSED
    assert not session.is_connected
    await session.open()
    assert session.state is SessionState.LIVE
    assert session.is_connected
    session.send("one")
    session.send(b"two")
    session.send(b"\x00three", binary=True)
    client = bench.market.clients[0]
    await bench.until(lambda: len(client.received) == 3)
    assert client.received == [b"one", b"two", b"\x00three"]
    await bench.until(lambda: bench.decoder.messages == [b"hello"])
    await session.close()
    assert session.state is SessionState.CLOSED
    assert client.close_code == 1000
    assert names(bench.events) == ["Connecting", "Connected", "Closing", "Closed"]
    assert bench.of(Connected) == [Connected(1, False, 1)]
    assert bench.of(Closed)[0].error is None
    counters = session.counters
    assert (counters.attempts, counters.connections, counters.losses) == (1, 1, 0)
    assert (counters.sent, counters.sent_bytes) == (3, 12)
    assert (counters.messages, counters.bytes_received) == (1, 5)


@bench_test
async def test_close_is_idempotent_and_a_session_is_opened_once(bench):
    never = bench.session()
    await never.close()
    session = bench.session()
    await session.open()
    await asyncio.gather(session.close(), session.close())
    await session.close()
    assert names(bench.events).count("Closed") == 1
    with pytest.raises(ClientError):
        await session.open()
    with pytest.raises(ClientError):
        session.send("x")
    with pytest.raises(ClientError):
        await session.send_wait("x")


@bench_test
async def test_frames_before_open_returns_are_not_lost(bench):
    bench.market.greeting = [f"m{n}" for n in range(100)]
    seen_at_connect = []

    def on_event(event):
        bench.events.append(event)
        if isinstance(event, Connected):
            seen_at_connect.append(len(bench.decoder.messages))

    session = bench.session(on_event=on_event)
    await session.open()
    await bench.until(lambda: len(bench.decoder.messages) == 100)
    assert seen_at_connect == [0], "Connected must come before the first message"


@bench_test
async def test_bn_s_31_failed_first_attempt_is_raised_and_closes(bench):
    await bench.proxy.close_port()
    session = bench.session()
    with pytest.raises(TransportError) as caught:
        await session.open()
    assert "127.0.0.1" in str(caught.value)
    assert session.state is SessionState.CLOSED
    assert names(bench.events) == ["Connecting", "Closed"]


@bench_test
async def test_open_with_retry_waits_until_the_venue_is_there(bench):
    await bench.proxy.close_port()
    session = bench.session()
    opening = asyncio.create_task(session.open(retry=True))
    await bench.until(lambda: len(bench.of(AttemptFailed)) >= 2)
    assert session.state is SessionState.CONNECTING
    await bench.proxy.open_port()
    await opening
    assert bench.of(Connected)[0].is_reconnect is False
    assert bench.of(Connected)[0].attempt >= 3


@bench_test
async def test_open_times_out_as_a_whole(bench):
    bench.proxy.hang_next()
    session = bench.session(attempt_timeout_s=0.05)
    with pytest.raises(RequestTimeout, match=r"no connection within 0\.05 s"):
        await session.open(timeout_s=30)
    await bench.proxy.close_port()
    session = bench.session()
    with pytest.raises(RequestTimeout, match=r"no connection within 0\.15 s"):
        await session.open(retry=True, timeout_s=0.15)
    assert session.state is SessionState.CLOSED


@bench_test
async def test_cancelled_open_leaves_nothing(bench):
    bench.proxy.hang_next()
    session = bench.session(attempt_timeout_s=5)
    opening = asyncio.create_task(session.open())
    await bench.proxy.wait_accepted(1)
    await asyncio.sleep(0.01)
    opening.cancel()
    await asyncio.gather(opening, return_exceptions=True)
    assert opening.cancelled()
    assert session.state is SessionState.CLOSED


# -- losing and reconnecting -----------------------------------------------------------


@pytest.mark.parametrize("fault", ["reset", "finish", "mid_frame", "close_frame", "bad_utf8"])
def test_bn_t_04_every_kind_of_loss_reconnects(run_any, fault):
    async def main():
        async with Bench() as bench:
            session = bench.session()
            await session.open()
            connection = await bench.proxy.wait_connection()
            client = bench.market.clients[0]
            if fault == "reset":
                connection.reset()
            elif fault == "finish":
                connection.finish()
            elif fault == "mid_frame":
                connection.cut_after(7, How.FIN)
                client.send("x" * 100)
            elif fault == "close_frame":
                client.close(1001, "going away")
            else:
                await connection.inject(b"\x81\x02\xc3\x28")
            await bench.until(lambda: len(bench.of(Connected)) == 2)
            (lost,) = bench.of(Lost)
            if fault == "close_frame":
                assert (lost.code, lost.reason, lost.clean) == (1001, "going away", True)
            elif fault != "bad_utf8":
                assert (lost.code, lost.clean) == (1006, False)
            else:
                assert "UTF-8" in str(bench.of(FeedProblem)[0].error)
            assert isinstance(lost.error, ConnectionLost)
            assert lost.retry_in_s == 0
            assert bench.of(Connected)[1] == Connected(2, True, 1)
            bench.market.clients[1].send("after")
            await bench.until(lambda: bench.decoder.messages == [b"after"])
            session.send("again")
            await bench.until(lambda: bench.market.clients[1].received == [b"again"])

    run_any(main())


@bench_test
async def test_bn_t_07_rapid_drops_end_in_a_live_session(bench):
    session = bench.session()
    await session.open()
    for number in range(1, 4):
        connection = await bench.proxy.wait_connection(number)
        await bench.until(lambda n=number: len(bench.of(Connected)) == n)
        connection.reset()
    await bench.until(lambda: len(bench.of(Connected)) == 4)
    assert session.state is SessionState.LIVE
    assert [event.epoch for event in bench.of(Connected)] == [1, 2, 3, 4]
    assert session.counters.losses == 3


@bench_test
async def test_bn_t_02_refused_attempts_back_off(bench):
    session = bench.session()
    await session.open()
    bench.proxy.drop_next(4)
    bench.proxy.reset()
    await bench.until(lambda: len(bench.of(Connected)) == 2)
    delays = [event.retry_in_s for event in bench.of(AttemptFailed)]
    assert len(delays) == 4
    assert bench.of(Lost)[0].retry_in_s == 0
    for delay, base in zip(delays, (0.02, 0.04, 0.08, 0.1), strict=True):
        assert base <= delay <= min(base + 0.005, 0.1)
    assert bench.of(Connected)[1].attempt == 5


@bench_test
async def test_bn_t_03_attempt_that_hangs_is_cut_off(bench):
    bench.proxy.hang_next(1)
    session = bench.session(attempt_timeout_s=0.3)
    await session.open(retry=True)
    assert bench.proxy.accepted >= 2
    assert isinstance(bench.of(AttemptFailed)[0].error, RequestTimeout)


@bench_test
async def test_hang_up_during_the_handshake_is_a_failed_attempt(bench):
    session = bench.session()
    await session.open()
    bench.proxy.refuse(200, body=b"not a websocket")
    bench.proxy.reset()
    await bench.until(lambda: len(bench.of(Connected)) == 2)
    (failed,) = bench.of(AttemptFailed)
    assert isinstance(failed.error, HandshakeError)
    assert failed.error.status == 200


@bench_test
async def test_bn_t_14_retry_after_is_obeyed_and_holds_the_host(bench):
    attempts = AttemptBudget((Quota(10_000, 1.0),))
    held_s = []

    def on_event(event):
        bench.events.append(event)
        if isinstance(event, AttemptFailed):
            held_s.append(attempts.time_until(f"127.0.0.1:{bench.proxy.port}"))

    session = bench.session(attempts=attempts, on_event=on_event)
    await session.open()
    bench.proxy.refuse(429, {"Retry-After": "0.2"})
    start = time.monotonic()
    bench.proxy.reset()
    await bench.until(lambda: len(bench.of(Connected)) == 2)
    assert time.monotonic() - start >= 0.2
    assert 0 < held_s[0] <= 0.2
    (failed,) = bench.of(AttemptFailed)
    assert failed.error.status == 429
    assert failed.error.retry_after_s == 0.2
    assert failed.retry_in_s == 0.2


@bench_test
async def test_bn_t_14_refusal_without_retry_after_is_not_retried_at_once(bench):
    session = bench.session(refused_delay_s=0.15)
    bench.proxy.refuse(403)
    await session.open(retry=True)
    assert [event.retry_in_s for event in bench.of(AttemptFailed)] == [0.15]


@bench_test
async def test_fatal_status_ends_the_session(bench):
    session = bench.session(fatal_statuses=frozenset({401}))
    await session.open()
    bench.proxy.refuse(401)
    bench.proxy.reset()
    await bench.until(lambda: bench.of(Closed))
    assert bench.of(Closed)[0].error.status == 401
    assert session.state is SessionState.CLOSED


@bench_test
async def test_redirects_are_not_followed(bench):
    bench.proxy.refuse(302, {"Location": f"ws://127.0.0.1:{bench.market.port}/elsewhere"})
    session = bench.session()
    with pytest.raises(HandshakeError) as caught:
        await session.open()
    assert caught.value.status == 302
    assert bench.market.clients == []


@bench_test
async def test_bn_t_13_close_code_1008_waits(bench):
    session = bench.session(close_delays_s={1008: 0.15})
    await session.open()
    start = time.monotonic()
    bench.market.clients[0].close(1008, "too many requests")
    await bench.until(lambda: len(bench.of(Connected)) == 2)
    assert time.monotonic() - start >= 0.15
    assert bench.of(Lost)[0].retry_in_s == 0.15


@bench_test
async def test_bn_t_08_dropped_connections_come_back_one_after_the_other(bench):
    attempts = AttemptBudget((Quota(20, 1.0, burst=2),))
    sessions = [bench.session(attempts=attempts) for _ in range(8)]
    await asyncio.gather(*(session.open() for session in sessions))
    start = time.monotonic()
    bench.proxy.reset()
    await bench.until(lambda: len(bench.of(Connected)) == 16)
    assert time.monotonic() - start >= 0.3, "eight connections at 20/s after a spent burst"
    assert all(session.state is SessionState.LIVE for session in sessions)


@bench_test
async def test_url_and_headers_are_made_fresh_for_each_attempt(bench):
    made = []

    async def url():
        made.append(len(made))
        return f"{bench.url}?listenKey=secret{len(made)}"

    def headers():
        return {"X-MBX-APIKEY": f"key{len(made)}"}

    session = bench.session(url=url, headers=headers, host="venue")
    await session.open()
    bench.proxy.reset()
    await bench.until(lambda: len(bench.market.clients) == 2)
    assert [client.path for client in bench.market.clients] == [
        "/ws?listenKey=secret1",
        "/ws?listenKey=secret2",
    ]
    assert [client.headers["X-MBX-APIKEY"] for client in bench.market.clients] == ["key1", "key2"]


@bench_test
async def test_url_callable_that_fails_is_a_failed_attempt_or_the_end(bench):
    answers = [bench.url, OSError("key service at https://x.example/?token=s3cret down"), bench.url]
    answers.append(ConfigError("no credentials"))

    def url():
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    session = bench.session(url=url, host="venue")
    await session.open()
    bench.proxy.reset()
    await bench.until(lambda: len(bench.of(Connected)) == 2)
    (failed,) = bench.of(AttemptFailed)
    assert "s3cret" not in str(failed.error)
    bench.proxy.reset()
    await bench.until(lambda: bench.of(Closed))
    assert isinstance(bench.of(Closed)[0].error, ConfigError)


# -- closing -----------------------------------------------------------------------------


@bench_test
async def test_bn_t_09_close_during_back_off_ends_at_once_and_nothing_returns(bench):
    session = bench.session(backoff=BackoffPolicy(initial_s=60, maximum_s=60))
    await session.open()
    await bench.proxy.close_port()
    bench.proxy.reset()
    await bench.until(lambda: bench.of(AttemptFailed))
    async with asyncio.timeout(GRACE_S):  # half of the delay
        await session.close()
    await bench.proxy.open_port()
    await asyncio.sleep(0.05)
    assert bench.proxy.accepted == 1
    assert names(bench.events)[-1] == "Closed"


@bench_test
async def test_close_during_a_hanging_attempt_ends_at_once(bench):
    session = bench.session(attempt_timeout_s=2 * GRACE_S)
    await session.open()
    bench.proxy.hang_next()
    bench.proxy.reset()
    await bench.proxy.wait_accepted(2)
    async with asyncio.timeout(GRACE_S):
        await session.close()
    assert session.state is SessionState.CLOSED


@bench_test
async def test_close_before_an_attempt_has_begun_ends_at_once(bench):
    """Found 2026-11-21: a task cancelled before its first step told nobody that it had ended."""
    session = bench.session(close_timeout_s=2 * GRACE_S)
    opening = asyncio.create_task(session.open())
    await asyncio.sleep(0)
    assert session.counters.attempts == 1
    async with asyncio.timeout(GRACE_S):
        await session.close()
    with pytest.raises(ClientError):
        await opening
    assert bench.proxy.accepted == 0


@bench_test
async def test_close_while_waiting_for_the_attempt_budget(bench):
    attempts = AttemptBudget((Quota(1, 3600.0),))
    session = bench.session(attempts=attempts, budget_timeout_s=7200)
    await session.open()
    bench.proxy.reset()
    await bench.until(lambda: session.counters.attempts == 2)
    await session.close()
    assert bench.proxy.accepted == 1


@bench_test
async def test_bn_s_36_close_is_bounded_when_the_peer_is_silent(bench):
    session = bench.session(close_timeout_s=0.15)
    await session.open()
    bench.proxy.half_open()
    start = time.monotonic()
    await session.close()
    assert 0.1 <= time.monotonic() - start < GRACE_S
    assert names(bench.events)[-1] == "Closed"


@bench_test
async def test_close_when_the_peer_ignores_the_close_frame(bench):
    bench.market.answer_close = False
    session = bench.session(close_timeout_s=0.1)
    await session.open()
    await session.close()
    await bench.until(lambda: bench.market.clients[0].close_code == 1000)
    assert session.state is SessionState.CLOSED


@bench_test
async def test_close_from_inside_an_event_never_reconnects(bench):
    closing = []

    def on_event(event):
        bench.events.append(event)
        if isinstance(event, Lost):
            closing.append(asyncio.get_running_loop().create_task(session.close()))
            session.reconnect("no effect")

    session = bench.session(on_event=on_event)
    await session.open()
    bench.proxy.reset()
    await bench.until(lambda: closing)
    await closing[0]
    await asyncio.sleep(0.05)
    assert bench.proxy.accepted <= 2
    assert len(bench.of(Connected)) == 1
    assert names(bench.events)[-1] == "Closed"


@bench_test
async def test_cancelled_close_still_drops_the_socket(bench):
    session = bench.session(close_timeout_s=3600)
    await session.open()
    bench.proxy.half_open()
    closing = asyncio.create_task(session.close())
    await asyncio.sleep(0.02)
    closing.cancel()
    await asyncio.gather(closing, return_exceptions=True)
    await bench.until(lambda: session.state is SessionState.CLOSED)


# -- watching ----------------------------------------------------------------------------


@bench_test
async def test_stale_then_recovered_then_data_timeout(bench):
    states = {}

    def on_event(event):
        bench.events.append(event)
        states.setdefault(type(event), (session.state, session.is_connected))

    session = bench.session(stale_after_s=0.1, data_timeout_s=2.0, on_event=on_event)
    await session.open()
    client = bench.market.clients[0]
    client.send("tick")
    await bench.until(lambda: bench.of(WentStale))
    assert states[WentStale] == (SessionState.STALE, True)
    client.send("tick")
    await bench.until(lambda: bench.of(Recovered))
    assert states[Recovered] == (SessionState.LIVE, True)
    while len(bench.of(Connected)) == 1:
        client.ping()  # pings are no data
        await asyncio.sleep(0.02)
    assert "no data" in str(bench.of(Lost)[0].error)


@bench_test
async def test_bn_t_11_silence_of_every_frame_reconnects_but_pings_keep_alive(bench):
    session = bench.session(silence_timeout_s=0.8)
    await session.open()
    for _ in range(50):
        bench.market.clients[0].ping()
        await asyncio.sleep(0.025)
    assert bench.of(Lost) == []
    await bench.until(lambda: len(bench.of(Connected)) == 2)
    assert "no frame of any kind" in str(bench.of(Lost)[0].error)


@bench_test
async def test_half_open_connection_is_found_by_the_ping_timeout(bench):
    heartbeat = Heartbeat(interval_s=0.6, reply_timeout_s=0.5)
    session = bench.session(heartbeat=heartbeat, silence_timeout_s=None)
    await session.open()
    await bench.until(lambda: bench.market.clients[0].pings >= 2)
    assert bench.of(Lost) == []
    await bench.until(lambda: session.last_rtt_ns)
    (await bench.proxy.wait_connection()).half_open()
    await bench.until(lambda: len(bench.of(Connected)) == 2)
    assert isinstance(bench.of(Lost)[0].error, RequestTimeout)


@bench_test
async def test_data_is_no_answer_to_a_ping(bench):
    bench.market.answer_pings = False
    heartbeat = Heartbeat(interval_s=0.06, reply_timeout_s=0.05)
    session = bench.session(heartbeat=heartbeat)
    await session.open()
    client = bench.market.clients[0]
    while not bench.of(Lost):
        client.send("tick")
        await asyncio.sleep(0.01)
    assert isinstance(bench.of(Lost)[0].error, RequestTimeout)


@bench_test
async def test_text_heartbeat_is_answered_by_any_frame(bench):
    """IBKR's `tic` and Hyperliquid's JSON ping."""
    bench.market.on_message = lambda client, payload: client.send('{"channel":"pong"}')
    count = iter(range(100))
    heartbeat = Heartbeat(interval_s=0.6, reply_timeout_s=0.5, message=lambda: f"tic{next(count)}")
    session = bench.session(heartbeat=heartbeat)
    await session.open()
    client = bench.market.clients[0]
    await bench.until(lambda: len(client.received) >= 3)
    assert client.received[:3] == [b"tic0", b"tic1", b"tic2"]
    assert bench.of(Lost) == []
    assert session.counters.heartbeats >= 3
    bench.market.on_message = None
    await bench.until(lambda: bench.of(Lost))


@bench_test
async def test_a_busy_process_does_not_blame_the_peer(bench):
    heartbeat = Heartbeat(interval_s=0.5, reply_timeout_s=0.5)
    session = bench.session(heartbeat=heartbeat, silence_timeout_s=0.6, stale_after_s=0.6)
    await session.open()
    client = bench.market.clients[0]
    await bench.until(lambda: client.pings >= 1)
    for _ in range(3):
        client.send("tick")
        await asyncio.sleep(0.02)
        time.sleep(1.0)  # noqa: ASYNC251 - a handler that blocks the loop
        client.send("tick")
        await asyncio.sleep(0.02)
    assert bench.of(Lost) == []
    assert bench.of(WentStale) == []


@bench_test
async def test_bn_t_12_rotation_is_announced_and_done_if_nobody_else_does_it(bench):
    session = bench.session(max_age_s=2.5, rotation_notice_s=2.0)
    await session.open()
    start = time.monotonic()
    await bench.until(lambda: bench.of(RotationDue))
    assert time.monotonic() - start >= 0.4
    due = bench.of(RotationDue)[0]
    assert due.age_s + due.left_s == pytest.approx(2.5)
    await bench.until(lambda: len(bench.of(Connected)) == 2)
    assert time.monotonic() - start >= 2.4
    await bench.until(lambda: bench.market.clients[0].close_code == 1000)


@bench_test
async def test_owner_can_ask_for_a_new_connection(bench):
    session = bench.session()
    await session.open()
    session.reconnect("greeting was wrong")
    await bench.until(lambda: len(bench.of(Connected)) == 2)
    assert "greeting was wrong" in str(bench.of(Lost)[0].error)
    await bench.until(lambda: bench.market.clients[0].close_code == 1000)


@bench_test
async def test_old_connection_cannot_disturb_the_new_one(bench):
    bench.market.answer_close = False
    session = bench.session(close_timeout_s=0.1)
    await session.open()
    first = bench.market.clients[0]
    session.reconnect("rotate")
    await bench.until(lambda: len(bench.of(Connected)) == 2)
    first.ping()
    await first.gone.wait()  # aborted after close_timeout_s
    await asyncio.sleep(0.05)
    assert session.state is SessionState.LIVE
    assert session.epoch == 2
    assert len(bench.of(Lost)) == 1


# -- sending -----------------------------------------------------------------------------


@bench_test
async def test_bn_t_05_send_waits_for_the_new_connection(bench):
    session = bench.session()
    await session.open()
    await bench.proxy.close_port()
    bench.proxy.reset()
    await bench.until(lambda: bench.of(AttemptFailed))
    with pytest.raises(ClientError):
        session.send("now")
    waiting = [asyncio.create_task(session.send_wait(f"w{n}")) for n in range(5)]
    await asyncio.sleep(0.01)
    await bench.proxy.open_port()
    await asyncio.gather(*waiting)
    await bench.until(lambda: len(bench.market.clients) == 2)
    await bench.until(lambda: len(bench.market.clients[1].received) == 5)
    assert bench.market.clients[1].received == [b"w0", b"w1", b"w2", b"w3", b"w4"]


@bench_test
async def test_bn_t_05_send_fails_when_the_wait_is_too_long_or_the_session_closes(bench):
    session = bench.session(send_timeout_s=0.05, max_waiting_sends=1)
    await session.open()
    await bench.proxy.close_port()
    bench.proxy.reset()
    await bench.until(lambda: bench.of(Lost))
    with pytest.raises(RequestTimeout, match="nothing was sent"):
        await session.send_wait("x")
    waiting = asyncio.create_task(session.send_wait("x", timeout_s=30))
    await asyncio.sleep(0)
    with pytest.raises(ClientError, match="too many"):
        await session.send_wait("y")
    await session.close()
    with pytest.raises(ClientError):
        await waiting


@bench_test
async def test_send_for_a_replaced_connection_is_refused(bench):
    session = bench.session()
    await session.open()
    session.send("one", epoch=1)
    bench.proxy.reset()
    await bench.until(lambda: len(bench.of(Connected)) == 2)
    with pytest.raises(ClientError, match="replaced"):
        session.send("two", epoch=1)
    with pytest.raises(ClientError, match="replaced"):
        await session.send_wait("two", epoch=1)
    session.send("three", epoch=2)
    await bench.until(lambda: bench.market.clients[1].received == [b"three"])


@bench_test
async def test_bn_s_12_keyed_quota(bench):
    limiter = RateLimiter({"subscription": Quota(4, 1.0, burst=2)})
    session = bench.session(limiter=limiter)
    await session.open()
    session.send("a", key="subscription")
    session.send("b", key="subscription")
    with pytest.raises(QuotaExceeded) as caught:
        session.send("c", key="subscription")
    assert 0 < caught.value.retry_after_s <= 0.25
    session.send("free")
    start = time.monotonic()
    for text in "cdef":
        await session.send_wait(text, key="subscription")
    assert time.monotonic() - start >= 0.4  # two wait, even if two are there by now
    client = bench.market.clients[0]
    await bench.until(lambda: len(client.received) == 7)
    assert client.received == [b"a", b"b", b"free", b"c", b"d", b"e", b"f"]


@bench_test
async def test_peer_that_does_not_read_is_noticed_before_memory_is(bench):
    session = bench.session(max_unsent_bytes=100_000, close_timeout_s=0.3)
    bench.proxy.slow_reader(1000)
    await session.open()
    bench.proxy.slow_reader(1000)
    sent = 0
    with pytest.raises(TransportError, match="unread"):
        for _ in range(10_000):
            session.send("x" * 10_000)
            sent += 10_000
    assert sent < 50_000_000
    assert session.counters.refused_sends == 1
    assert session.state is SessionState.LIVE


@bench_test
async def test_send_after_a_close_frame_is_refused_not_lost(bench):
    session = bench.session(close_timeout_s=0.3)
    await session.open()
    connection = await bench.proxy.wait_connection()
    connection.stall(Way.UP)
    bench.market.clients[0].transport.send_close(picows.WSCloseCode.GOING_AWAY)

    def is_refused():
        try:
            session.send("maybe")
        except ClientError:
            return True
        return False

    await bench.until(is_refused)


@bench_test
async def test_waiting_senders_are_held_until_the_owner_says_ready(bench):
    """Lighter, dYdX and IBKR drop what is sent before their greeting."""
    session = bench.session(ready_on_connect=False)
    await session.open()
    assert not session.is_ready
    waiting = asyncio.create_task(session.send_wait("after"))
    ready = asyncio.create_task(session.wait_ready(timeout_s=GRACE_S))
    session.send("greeting")
    client = bench.market.clients[0]
    await bench.until(lambda: client.received)
    await asyncio.sleep(0.02)
    assert client.received == [b"greeting"]
    session.mark_ready()
    await asyncio.gather(waiting, ready)
    await bench.until(lambda: client.received == [b"greeting", b"after"])
    bench.proxy.reset()
    await bench.until(lambda: len(bench.of(Connected)) == 2)
    assert not session.is_ready
    with pytest.raises(RequestTimeout):
        await session.wait_ready(timeout_s=0.02)


# -- safety ------------------------------------------------------------------------------


@bench_test
async def test_an_owner_that_raises_does_not_end_the_connection(bench):
    def on_event(event):
        bench.events.append(event)
        raise LookupError("bug")

    logging.getLogger("connectors.net.session").addFilter(silence := lambda record: False)
    try:
        session = bench.session(on_event=on_event)
        await session.open()
        bench.proxy.reset()
        await bench.until(lambda: len(bench.of(Connected)) == 2)
        assert session.counters.callback_errors >= 4
        await session.close()
    finally:
        logging.getLogger("connectors.net.session").removeFilter(silence)


@bench_test
async def test_a_message_the_decoder_refuses_is_reported_and_the_next_one_comes(bench):
    class Picky(Collect):
        def on_message(self, data, ts_init):
            if data == b"bad":
                raise ValueError("no")
            self.messages.append(data)

    bench.decoder = Picky()
    session = bench.session()
    await session.open()
    for text in ("good", "bad", "good"):
        bench.market.clients[0].send(text)
    await bench.until(lambda: len(bench.decoder.messages) == 2)
    (problem,) = bench.of(FeedProblem)
    assert problem.data == b"bad"
    assert "bad" not in repr(problem)
    assert session.state is SessionState.LIVE
    assert session.counters.errors == 1


def test_no_secret_in_logs_errors_or_repr(run_any, caplog):
    async def main():
        async with Bench() as bench:
            secret = "s3cr3tListenKey"
            session = bench.session(
                url=f"{bench.url}?listenKey={secret}&signature={secret}",
                headers={"X-MBX-APIKEY": secret, "Cookie": f"api={secret}"},
            )
            await session.open()
            bench.proxy.refuse(403)
            bench.proxy.drop_next()
            bench.proxy.reset()
            await bench.until(lambda: bench.of(AttemptFailed))
            texts = [repr(session), repr(session._endpoint), repr(bench.events)]
            texts += [str(event.error) for event in bench.of(AttemptFailed)]
            assert not [text for text in texts if secret in text]
            await session.close()

    with caplog.at_level(1):
        run_any(main())
    # The test's own server logs what it received; everything else must not.
    ours = [r.getMessage() for r in caplog.records if not r.name.startswith("picows.server")]
    assert any("epoch=1 connected" in text for text in ours)
    assert any("upgrade refused with HTTP 403" in text for text in ours)
    assert not [text for text in ours if "s3cr3t" in text]


def test_plaintext_and_unverified_tls_need_a_word():
    with pytest.raises(ConfigError, match="not encrypted"):
        Endpoint(url="ws://venue.example/ws")
    Endpoint(url="ws://venue.example/ws", allow_plaintext=True)
    Endpoint(url="ws://localhost:5000/ws")
    blind = ssl.create_default_context()
    blind.check_hostname = False
    blind.verify_mode = ssl.CERT_NONE
    with pytest.raises(ConfigError, match="verifies nothing"):
        Endpoint(url="wss://venue.example/ws", ssl_context=blind, allow_unverified=True)
    with pytest.raises(ConfigError, match="verifies nothing"):
        Endpoint(url="wss://127.0.0.1:5000/ws", ssl_context=blind)
    Endpoint(url="wss://127.0.0.1:5000/ws", ssl_context=blind, allow_unverified=True)
    with pytest.raises(ConfigError, match="needs a host"):
        Endpoint(url=lambda: "wss://venue.example")
    for bad in ("https://venue.example", "venue.example", "wss://"):
        with pytest.raises(ConfigError):
            Endpoint(url=bad)


@bench_test
async def test_many_reconnects_leave_nothing_behind(bench):
    session = bench.session()
    await session.open()
    for number in range(1, 30):
        await bench.until(lambda n=number: len(bench.of(Connected)) == n)
        bench.proxy.connections[-1].reset()
    await bench.until(lambda: len(bench.of(Connected)) == 30)
    gc.collect()
    await bench.until(lambda: len(session._links) == 1)
    await bench.until(lambda: len(session._tasks) <= 1)
    await bench.until(lambda: len(asyncio.all_tasks()) < 12)
    await session.close()
    assert len(session._tasks) == 0
    assert not session._driver.is_waiting
    assert isinstance(bench.events[0], Connecting)
    assert len(bench.of(Closing)) == 1
