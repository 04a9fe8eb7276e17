"""The stream pool against the simulator (section 2, checklist BN-TC-01 to BN-TC-13)."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json

import pytest

from connectors.binance import StreamPool
from connectors.binance.connection import SUBSCRIPTION_KEY, SUBSCRIPTION_QUOTA
from connectors.errors import ClientError, ConfigError, TransportError, VenueError
from connectors.model import (
    ConnectionState,
    ConnectionStatus,
    DataDropped,
    Reconnected,
    Trade,
    VenueEvent,
)
from connectors.net.attempts import AttemptBudget
from connectors.net.clock import ManualClock
from connectors.net.ratelimit import Quota, RateLimiter
from connectors.sim.binance.config import SimConfig
from connectors.sim.binance.server import start
from patience import GRACE_S, until


@contextlib.asynccontextmanager
async def simulator(**settings):
    sim = await start(SimConfig(**{"symbols": 3, "coinm_symbols": 1, "rate_per_s": 0, **settings}))
    try:
        yield sim
    finally:
        await sim.stop()


def make_pool(sim, **settings):
    """A pool on the simulator that need not wait for the venue's attempt budget."""
    return StreamPool(
        url=f"{sim.ws_url}/market/ws",
        attempts=AttemptBudget((Quota(1000, 1.0),)),
        **settings,
    )


@contextlib.asynccontextmanager
async def connected(sim, **settings):
    pool = make_pool(sim, **settings)
    await pool.connect()
    try:
        yield pool
    finally:
        await pool.close()


def names(start, stop):
    return [f"s{i}usdt@aggTrade" for i in range(start, stop)]


def sent_commands(sim):
    """Every command the simulator received, by connection, in order of arrival."""
    connections = [*sim.closed_connections, *sim.connections.values()]
    return {
        connection.number: [
            (each["ms"], json.loads(each["text"]))
            for each in connection.describe()["received"]
            if each["type"] == "text"
        ]
        for connection in connections
    }


# ---- construction and inspection --------------------------------------------------------------


@pytest.mark.parametrize("product", ["spot", "margin", "options"])
def test_bn_tc_01_only_futures(product):
    with pytest.raises(ConfigError, match="UsdM or CoinM"):
        StreamPool(product)


def test_bn_s_23_nothing_happens_before_connect():
    pool = StreamPool()
    assert pool.product_type == "usdm"
    assert not pool.is_active
    assert pool.is_closed
    assert pool.subscription_count == 0
    assert pool.url == "wss://fstream.binance.com/market/ws"


def test_bn_tc_03_debug_text():
    pool = StreamPool(api_key="KEYKEYKEY", api_secret="SECRET", heartbeat_s=20)
    text = repr(pool)
    assert "<redacted>" in text
    assert "KEYKEY" not in text
    assert "SECRET" not in text
    assert "UsdM" in text
    assert "heartbeat=20" in text
    assert "credential=None" in repr(StreamPool())
    listen = repr(StreamPool(url="wss://fstream.binance.com/private/ws?listenKey=HIDDEN"))
    assert "HIDDEN" not in listen


def test_bn_s_21_one_credential_alone():
    with pytest.raises(ConfigError, match="api_secret is missing"):
        StreamPool(api_key="key")


def test_bn_s_74_instrument_cache(run):
    from connectors.binance.instruments import index_instrument

    pool = StreamPool()
    one = index_instrument("BTCUSDT")
    pool.cache_instruments([one, index_instrument("ETHUSDT")])
    assert pool.get_instrument("BTCUSDT") is one
    assert pool.get_instrument("btcusdt") is None
    assert pool.get_instrument("NOPE") is None
    two = index_instrument("BTCUSDT")
    view = pool.instruments
    pool.cache_instrument(two)
    assert view["BTCUSDT"] is two
    run(pool.close())
    assert pool.get_instrument("BTCUSDT") is two


def test_bn_tc_02_states(run_any):
    async def main():
        async with simulator() as sim:
            pool = make_pool(sim)
            assert (pool.is_active, pool.is_closed, pool.subscription_count) == (False, True, 0)
            await pool.connect()
            assert (pool.is_active, pool.is_closed, pool.subscription_count) == (True, False, 0)
            await pool.connect()  # BN-S-32
            assert pool.connection_count == 1
            await pool.close()
            assert (pool.is_active, pool.is_closed, pool.subscription_count) == (False, True, 0)
            await pool.close()

    run_any(main())


def test_bn_s_31_a_failed_connect_leaves_the_pool_closed(run):
    async def main():
        async with simulator() as sim:
            sim.faults.apply({"fault": "refuse", "mode": "status", "status": 500, "count": 1})
            pool = make_pool(sim)
            with pytest.raises(TransportError):
                await pool.connect()
            assert pool.is_closed
            assert pool.connection_count == 0
            await pool.connect()
            assert pool.is_active
            await pool.close()

    run(main())


@pytest.mark.parametrize(("key", "secret"), [("k", "s"), (None, None)])
def test_bn_tc_04_api_key_header(run, key, secret):
    async def main():
        async with simulator() as sim, connected(sim, api_key=key, api_secret=secret):
            (connection,) = sim.connections.values()
            assert connection.describe()["api_key_sent"] is (key is not None)

    run(main())


def test_bn_s_36_close_sends_a_close_frame(run):
    async def main():
        async with simulator() as sim:
            async with connected(sim) as pool:
                await pool.subscribe(names(0, 201))
            await until(lambda: not sim.connections)
            codes = [c.describe()["close_received"] for c in sim.closed_connections]
            assert len(codes) == 2
            assert all("1000" in str(code) for code in codes)

    run(main())


# ---- subscribe --------------------------------------------------------------------------------


def test_bn_s_46_subscribe_before_connect(run):
    async def main():
        pool = StreamPool()
        with pytest.raises(ClientError, match=r"^Output channel not initialized$"):
            await pool.subscribe(["btcusdt@aggTrade"])

    run(main())


@pytest.mark.parametrize(
    ("calls", "connections"),
    [([200], 1), ([201], 2), ([150, 100], 2), ([200, 0], 1)],
)
def test_bn_tc_05_connections_grow_with_the_streams(run, calls, connections):
    async def main():
        async with simulator() as sim, connected(sim) as pool:
            first = 0
            for count in calls:
                confirmation = await pool.subscribe(names(first, first + count))
                assert not await confirmation.wait()
                first += count
            assert pool.connection_count == connections
            assert pool.subscription_count == sum(calls)
            assert len(sim.connections) == connections

    run(main())


def test_bn_tc_05_full_pool_and_one_more(run):
    async def main():
        async with simulator() as sim, connected(sim) as pool:
            confirmation = await pool.subscribe(names(0, 4000))
            assert not await confirmation.wait(timeout_s=20)
            assert pool.connection_count == 20
            assert pool.subscription_count == 4000
            before = sum(map(len, sent_commands(sim).values()))
            with pytest.raises(ClientError) as caught:
                await pool.subscribe(["onemoreusdt@aggTrade"])
            assert str(caught.value) == (
                "Pool exhausted: 4000 total subscriptions (20 connections x 200 streams)"
            )
            assert sum(map(len, sent_commands(sim).values())) == before
            # BN-TC-07: one counter for all connections.
            ids = sorted(c["id"] for list_ in sent_commands(sim).values() for _, c in list_)
            assert ids == list(range(1, len(ids) + 1))

    run(main(), timeout_s=60)


def test_bn_tc_06_duplicates_unknown_names_and_reuse(run):
    async def main():
        async with simulator() as sim, connected(sim) as pool:
            await pool.subscribe(names(0, 200))
            await pool.subscribe(names(0, 200))
            assert not await (await pool.subscribe([])).wait()
            await pool.unsubscribe(["unknownusdt@aggTrade"])
            await pool.unsubscribe(names(0, 10))
            confirmation = await pool.subscribe(names(300, 310))
            await confirmation.wait()
            assert pool.connection_count == 1
            await until(lambda: pool.subscription_count == 200)
            (commands,) = sent_commands(sim).values()
            methods = [command["method"] for _, command in commands]
            assert methods == ["SUBSCRIBE", "UNSUBSCRIBE", "SUBSCRIBE"]

    run(main())


def test_bn_tc_08_a_refused_stream_can_be_asked_for_again(run):
    async def main():
        async with simulator() as sim, connected(sim) as pool:
            sim.faults.apply(
                {
                    "fault": "control",
                    "action": "error_flat",
                    "code": -1,
                    "msg": "Forced subscription failure",
                    "count": 1,
                }
            )
            confirmation = await pool.subscribe(["btcusdt@aggTrade"])
            failed = await confirmation.wait()
            error = failed["btcusdt@aggTrade"]
            assert isinstance(error, VenueError)
            assert (error.code, error.message) == (-1, "Forced subscription failure")
            assert (pool.subscription_count, pool.stream_count) == (0, 0)
            assert not await (await pool.subscribe(["btcusdt@aggTrade"])).wait()
            assert pool.subscription_count == 1

    run(main())


def test_bn_s_54_a_refusal_comes_out_of_the_stream(run):
    async def main():
        async with simulator() as sim, connected(sim) as pool:
            sim.faults.apply({"fault": "control", "action": "error", "code": 2, "count": 1})
            output = pool.stream()
            await pool.subscribe(["btcusdt@aggTrade"])
            async with asyncio.timeout(GRACE_S):
                event = await anext(output)
            assert event.stream == "btcusdt@aggTrade"
            assert event.code == 2

    run(main())


@pytest.mark.parametrize("heartbeat_s", [None, 1.0, 20.0])
@pytest.mark.parametrize("late_s", [0.0, 0.3, 1.0])
def test_bn_tc_11_l_07_never_more_than_ten_messages_a_second(heartbeat_s, late_s):
    """Commands that leave as soon as they may, and pings: also where a delay bunches them."""
    clock = ManualClock()
    limiter = RateLimiter({SUBSCRIPTION_KEY: SUBSCRIPTION_QUOTA}, clock=clock)
    sent, commands = [], 0
    beat_s = heartbeat_s or float("inf")
    for _ in range(10_000):
        now_s = clock.advance(0.01) / 1e9
        if now_s >= beat_s:  # just before a command could leave
            limiter.debit(SUBSCRIPTION_KEY)
            sent.append(now_s)
            beat_s += heartbeat_s
        while limiter.try_acquire(SUBSCRIPTION_KEY):
            sent.append(now_s)
            commands += 1
    assert commands >= 190
    for index, first in enumerate(sent):
        # All that leaves within `late_s` of the first arrives together with it.
        assert sum(each < first + 1 + late_s for each in sent[index : index + 20]) <= 10


def test_bn_tc_13_two_tasks_at_once(run):
    async def main():
        async with simulator() as sim, connected(sim) as pool:
            confirmations = await asyncio.gather(
                pool.subscribe(names(0, 150)), pool.subscribe(names(150, 300))
            )
            for confirmation in confirmations:
                assert not await confirmation.wait()
            assert pool.connection_count == 2
            assert pool.subscription_count == 300

    run(main())


def test_bn_s_45_a_connection_that_cannot_be_opened(run):
    async def main():
        async with simulator() as sim, connected(sim) as pool:
            sim.faults.apply({"fault": "refuse", "mode": "status", "status": 503, "count": 1})
            with pytest.raises(TransportError):
                await pool.subscribe(names(0, 201))
            assert pool.stream_count == 0
            assert not await (await pool.subscribe(names(0, 201))).wait()
            assert pool.connection_count == 2

    run(main())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("btcusdt@depth", "served by route public, this pool is on route market"),
        ("btcusdt@aggtrade", "did you mean"),
        ("nonsense", "does not exist"),
    ],
)
def test_bn_l_05_names_that_would_stay_silent(run, name, text):
    async def main():
        async with simulator() as sim, connected(sim) as pool:
            with pytest.raises(ClientError, match=text):
                await pool.subscribe(["ethusdt@aggTrade", name])
            assert pool.stream_count == 0

    run(main())


def test_bn_f_06_depth_kinds_of_one_symbol_do_not_mix(run):
    async def main():
        async with simulator() as sim:
            pool = StreamPool(url=f"{sim.ws_url}/public/ws")
            await pool.connect()
            try:
                await pool.subscribe(["btcusdt@depth@100ms", "ethusdt@depth5"])
                with pytest.raises(ClientError, match="cannot be told from"):
                    await pool.subscribe(["btcusdt@depth5@100ms"])
                with pytest.raises(ClientError, match="cannot be told from"):
                    await pool.subscribe(["solusdt@depth", "solusdt@rpiDepth@500ms"])
                await pool.subscribe(["btcusdt@depth"])
            finally:
                await pool.close()

    run(main())


# ---- control races ----------------------------------------------------------------------------


def test_bn_d_05_late_acknowledgement_after_unsubscribe(run):
    async def main():
        async with simulator() as sim, connected(sim) as pool:
            sim.faults.apply(
                {"fault": "control", "action": "late_ack", "method": "SUBSCRIBE",
                 "delay_ms": 300, "count": 1}
            )  # fmt: skip
            await pool.subscribe(["btcusdt@aggTrade"])
            await pool.unsubscribe(["btcusdt@aggTrade"])
            await until(lambda: len(next(iter(sent_commands(sim).values()))) == 2)
            await asyncio.sleep(0.5)
            assert pool.subscription_count == 0
            sim.faults.apply({"fault": "drop", "mode": "reset"})
            # The venue knows of the end before we do.
            await until(lambda: sim.closed_connections and sim.connections and pool.is_active)
            await (await pool.subscribe(["ethusdt@aggTrade"])).wait()
            (connection,) = sim.connections.values()
            assert connection.describe()["subscriptions"] == ["ethusdt@aggTrade"]

    run(main())


def test_an_acknowledgement_that_never_comes_is_asked_for_again(run, monkeypatch):
    monkeypatch.setattr("connectors.binance.slots.REPLY_TIMEOUT_S", 0.1)

    async def main():
        async with simulator() as sim, connected(sim) as pool:
            sim.faults.apply({"fault": "control", "action": "lost_ack", "count": 1})
            confirmation = await pool.subscribe(["btcusdt@aggTrade"])
            assert not await confirmation.wait(timeout_s=5)
            assert pool.subscription_count == 1
            (commands,) = sent_commands(sim).values()
            assert [command["method"] for _, command in commands] == ["SUBSCRIBE"] * 2

    run(main())


def test_bn_h_10_an_error_nobody_asked_for(run):
    async def main():
        statuses = []
        async with simulator() as sim, connected(sim, on_status=statuses.append) as pool:
            text = '{"code":2,"msg":"Invalid request"}'
            sim.faults.apply({"fault": "frame", "text": text})
            await until(lambda: pool.venue_problems == 1)
            assert statuses[-1].code == 2
            assert statuses[-1].message == "Invalid request"

    run(main())


def test_bn_h_13_bad_frames_never_stop_a_connection(run):
    async def main():
        async with simulator(rate_per_s=200) as sim, connected(sim) as pool:
            output = pool.stream()
            await (await pool.subscribe(["btcusdt@aggTrade"])).wait()
            sim.faults.apply({"fault": "frame", "send": "invalid_json", "count": 3})
            sim.faults.apply({"fault": "frame", "send": "unknown_event", "count": 3})
            sim.faults.apply({"fault": "frame", "send": "huge"})
            await until(lambda: pool.frame_problems >= 3)
            assert pool.is_active
            assert len(sim.connections) == 1
            async for event in output:
                if isinstance(event, Trade):
                    break

    run(main())


# ---- reconnect --------------------------------------------------------------------------------


def test_bn_tc_09_a_drop_brings_everything_back(run_any):
    async def main():
        statuses, while_down = [], []

        def on_status(event):
            statuses.append(event)
            if getattr(event, "state", None) is ConnectionState.RECONNECTING:
                while_down.append((pool.is_active, pool.is_closed, pool.subscription_count))

        async with simulator() as sim, connected(sim, on_status=on_status) as pool:
            await (await pool.subscribe(names(0, 250))).wait()
            await pool.unsubscribe(names(5, 10))
            await until(lambda: pool.subscription_count == 245)
            sim.faults.apply({"fault": "drop", "mode": "reset"})
            await until(lambda: len(while_down) == 2)
            assert (False, False, 0) in while_down
            await until(lambda: pool.subscription_count == 245)
            back = [event for event in statuses if isinstance(event, Reconnected)]
            assert sorted(event.connection for event in back) == [
                "usdm/market/0",
                "usdm/market/1",
            ]
            # BN-S-85: in the order they were assigned.
            first = min(sim.connections.values(), key=lambda c: c.number)
            subscribed = {tuple(c.describe()["subscriptions"]) for c in sim.connections.values()}
            kept = (*names(0, 5), *names(10, 200))
            assert kept in subscribed, first

    run_any(main())


def test_bn_t_11_a_dead_connection_is_told_from_a_quiet_one(run):
    async def main():
        statuses = []
        async with (
            simulator() as sim,
            connected(sim, on_status=statuses.append, heartbeat_s=1.0) as pool,
        ):
            await (await pool.subscribe(names(0, 3))).wait()
            session = pool._connections[0].session
            await until(lambda: session.counters.heartbeats >= 3, 15)  # quiet, but all are answered
            assert not any(isinstance(event, Reconnected) for event in statuses)
            sim.faults.apply({"fault": "drop", "mode": "half_open"})
            await until(lambda: any(isinstance(event, Reconnected) for event in statuses), 15)
            await until(lambda: pool.subscription_count == 3, 15)

    run(main(), timeout_s=60)


def test_bn_t_06_a_reconnect_is_a_type_that_no_frame_can_imitate(run):
    """And it stands in the output where it happened, between what came before and after."""

    async def main():
        async with simulator() as sim, connected(sim) as pool:
            await (await pool.subscribe(["btcusdt@aggTrade"])).wait()
            for text in ("__RECONNECTED__", '"reconnected"', '{"e":"reconnected"}'):
                frame = {"fault": "frame", "text": text, "stream": "btcusdt@aggTrade"}
                sim.faults.apply(frame)
            output, got = pool.stream(), []
            async for event in output:
                got.append(event)
                if isinstance(event, VenueEvent):  # what the last of them is
                    break
            assert not any(isinstance(event, Reconnected) for event in got), got
            sim.faults.apply({"fault": "drop", "mode": "reset"})
            async for event in output:
                if isinstance(event, Reconnected):
                    assert event.connection == "usdm/market/0"
                    break

    run(main())


def test_bn_t_10_l_07_pings_leave_less_room_for_commands(run, monkeypatch):
    monkeypatch.setattr("connectors.binance.connection.SUBSCRIPTION_QUOTA", Quota(1, 3600.0, 2))

    async def main():
        async with simulator() as sim, connected(sim, heartbeat_s=1.0) as pool:
            (connection,) = pool._connections
            await until(lambda: connection.session.counters.heartbeats >= 2, 10)
            await pool.subscribe(names(0, 1))
            assert connection.slot.backlog == 1
            await until(lambda: connection.session.counters.heartbeats >= 4, 10)  # they do not wait
            assert connection.is_active

    run(main(), timeout_s=30)


def test_bn_l_07_the_venue_does_not_mind_pings_and_changes_without_a_pause(run):
    """It closes a connection for the eleventh message in a second."""

    async def main():
        async with simulator() as sim, connected(sim, heartbeat_s=1.0) as pool:
            for _ in range(6):
                await pool.subscribe(names(0, 1))
                await pool.unsubscribe(names(0, 1))
            assert not await (await pool.subscribe(names(0, 1))).wait(timeout_s=20)
            (commands,) = sent_commands(sim).values()
            methods = [command["method"] for _, command in commands]
            assert methods == ["SUBSCRIBE", "UNSUBSCRIBE"] * 6 + ["SUBSCRIBE"]
            assert pool._connections[0].session.counters.heartbeats > 0
            assert sim.violations == 0

    run(main(), timeout_s=30)


def test_bn_s_91_the_log_tells_of_connections_by_index_and_shows_no_secret(run, caplog):
    async def main():
        async with simulator() as sim:
            back = []
            pool = StreamPool(
                url=f"{sim.ws_url}/market/ws?listenKey=VERYSECRET",
                attempts=AttemptBudget((Quota(1000, 1.0),)),
                on_status=lambda event: back.append(isinstance(event, Reconnected)),
            )
            await pool.connect()
            await (await pool.subscribe(names(0, 250))).wait()
            sim.faults.apply({"fault": "drop", "mode": "reset"})
            await until(lambda: sum(back) == 2)
            await pool.close()

    with caplog.at_level("DEBUG", logger="connectors"):
        run(main())
    lines = [(r.levelname, r.getMessage()) for r in caplog.records]
    (line,) = [text for level, text in lines if level == "INFO" and "connected url=" in text]
    assert line.startswith("conn=usdm/market connected url=ws://")
    assert "listenKey=" in line
    assert ("DEBUG", "conn=usdm/market/1 opened") in lines
    assert ("INFO", "conn=usdm/market/1 is back, subscribing 50 streams again") in lines
    assert ("INFO", "conn=usdm/market disconnected") in lines
    assert not any("VERYSECRET" in text for _, text in lines)


def test_bn_t_07_three_drops_in_a_row(run):
    async def main():
        statuses = []
        async with simulator() as sim, connected(sim, on_status=statuses.append) as pool:
            await (await pool.subscribe(names(0, 20))).wait()
            for number in range(1, 4):
                sim.faults.apply({"fault": "drop", "mode": "close", "code": 1001})
                await until(
                    lambda n=number: sum(isinstance(e, Reconnected) for e in statuses) == n, 15
                )
            await until(lambda: pool.subscription_count == 20)
            assert pool.is_active

    run(main(), timeout_s=40)


def test_bn_h_05_wishes_during_a_reconnect_are_kept(run):
    async def main():
        async with simulator() as sim, connected(sim) as pool:
            await (await pool.subscribe(["btcusdt@aggTrade", "ethusdt@aggTrade"])).wait()
            sim.faults.apply({"fault": "refuse", "mode": "status", "status": 500, "count": 1})
            sim.faults.apply({"fault": "drop", "mode": "reset"})
            await until(lambda: not pool.is_active)
            confirmation = await pool.subscribe(["solusdt@aggTrade"])
            await pool.unsubscribe(["btcusdt@aggTrade"])
            assert not await confirmation.wait()
            (connection,) = sim.connections.values()
            assert connection.describe()["subscriptions"] == [
                "ethusdt@aggTrade",
                "solusdt@aggTrade",
            ]

    run(main())


def test_bn_t_09_close_during_backoff_ends_at_once(run):
    async def main():
        async with simulator() as sim:
            pool = make_pool(sim)
            await pool.connect()
            sim.faults.apply({"fault": "refuse", "mode": "status", "status": 503, "count": 100})
            sim.faults.apply({"fault": "drop", "mode": "reset"})
            await until(lambda: not pool.is_active)
            await asyncio.sleep(0.1)
            async with asyncio.timeout(GRACE_S):
                await pool.close()
            assert pool.is_closed

    run(main())


def test_bn_s_86_an_ended_session_is_replaced(run, caplog):
    async def main():
        statuses = []
        async with simulator() as sim, connected(sim, on_status=statuses.append) as pool:
            await (await pool.subscribe(names(0, 3))).wait()
            await pool._connections[0].session.close()
            with pytest.raises(ClientError, match=r"^Handler not available for pool slot 0: "):
                await pool.subscribe(["btcusdt@aggTrade"])
            await until(lambda: pool.subscription_count == 3)
            assert any(isinstance(event, Reconnected) for event in statuses)
            await (await pool.subscribe(["btcusdt@aggTrade"])).wait()
        assert "Handler loop ended unexpectedly" in caplog.text

    run(main())


def test_bn_t_12_rotation_switches_without_a_lost_connection(run):
    async def main():
        statuses, overlaps = [], []
        async with (
            simulator() as sim,
            connected(
                sim,
                on_status=statuses.append,
                on_overlap=overlaps.append,
                rotation_age_s=6.0,
            ) as pool,
        ):
            await (await pool.subscribe(names(0, 30))).wait()
            first = next(iter(sim.connections.values())).number
            await until(lambda: first not in sim.connections)
            assert pool.subscription_count == 30
            assert pool.rotations >= 1
            assert overlaps[0] is True
            assert not any(isinstance(event, Reconnected) for event in statuses)
            assert not any(
                isinstance(event, ConnectionStatus) and event.state is ConnectionState.RECONNECTING
                for event in statuses
            )
            await (await pool.subscribe(["btcusdt@aggTrade"])).wait()
            assert pool.subscription_count == 31

    run(main())


def test_bn_t_15_a_server_that_announces_its_end_is_left_at_once(run):
    async def main():
        async with simulator() as sim, connected(sim) as pool:
            await (await pool.subscribe(names(0, 5))).wait()
            first = next(iter(sim.connections.values())).number
            sim.faults.apply({"fault": "frame", "text": '{"e":"serverShutdown","E":1}'})
            await until(lambda: first not in sim.connections)
            assert pool.subscription_count == 5

    run(main())


def test_bn_tc_19_no_secret_in_any_log_line(run, caplog):
    async def main():
        async with simulator() as sim:
            sim.faults.apply({"fault": "refuse", "mode": "status", "status": 500, "count": 1})
            pool = StreamPool(
                url=f"{sim.ws_url}/private/ws?listenKey=LISTENKEYSECRET&signature=SIGNSECRET",
                api_key="APIKEYSECRET",
                api_secret="APISECRETSECRET",
                attempts=AttemptBudget((Quota(1000, 1.0),)),
            )
            statuses = []
            pool._on_status = statuses.append
            with pytest.raises(TransportError) as caught:
                await pool.connect()
            await pool.connect()
            sim.faults.apply({"fault": "drop", "mode": "reset"})
            await until(lambda: any(isinstance(event, Reconnected) for event in statuses))
            texts = [str(caught.value), repr(pool), *map(repr, statuses)]
            await pool.close()
            return texts

    with caplog.at_level("DEBUG"):
        texts = run(main())
    ours = [r.getMessage() for r in caplog.records if r.name.startswith("connectors")]
    assert ours
    for text in (*texts, *ours):
        for secret in ("LISTENKEYSECRET", "SIGNSECRET", "APIKEYSECRET", "APISECRETSECRET"):
            assert secret not in text


# ---- output -----------------------------------------------------------------------------------


def test_bn_tc_12_stream_is_handed_out_once_per_connect(run):
    async def main():
        async with simulator(rate_per_s=200) as sim:
            pool = make_pool(sim)
            assert [event async for event in pool.stream()] == []
            for _ in range(2):
                await pool.connect()
                output = pool.stream()
                assert [event async for event in pool.stream()] == []
                await pool.subscribe(["btcusdt@aggTrade"])
                async for event in output:
                    if isinstance(event, Trade):
                        break
                await pool.close()
                assert all([event is not None async for event in output])  # it ends

    run(main())


def test_bn_s_73_a_slow_consumer_loses_the_oldest_and_is_told(run):
    async def main():
        async with simulator() as sim, connected(sim, output_capacity=10) as pool:
            output = pool.stream()
            for number in range(30):
                sim.faults.apply(
                    {
                        "fault": "frame",
                        "text": json.dumps(
                            {"e": "aggTrade", "E": 1, "s": "BTCUSDT", "a": number, "p": "1",
                             "q": "1", "f": 1, "l": 1, "T": 1, "m": True}
                        ),
                    }
                )  # fmt: skip
            await until(lambda: pool.decoders[0].events == 30)
            sim.faults.apply({"fault": "drop", "mode": "reset"})
            await until(lambda: output._control)
            events = [await anext(output) for _ in range(12)]
            assert isinstance(events[0], DataDropped)
            assert events[0].count == output.dropped == 20
            assert [event.trade_id for event in events[1:11]] == list(range(20, 30))
            assert isinstance(events[11], Reconnected)

    run(main())


def test_bn_s_72_order_within_a_connection(run):
    async def main():
        async with simulator(rate_per_s=500) as sim, connected(sim) as pool:
            output = pool.stream()
            await pool.subscribe(["btcusdt@aggTrade"])
            ids = []
            async for event in output:
                if isinstance(event, Trade):
                    ids.append(event.trade_id)
                    if len(ids) >= 30:
                        break
            assert all(b == a + 1 for a, b in itertools.pairwise(ids))

    run(main())
