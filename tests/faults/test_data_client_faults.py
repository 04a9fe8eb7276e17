"""One test for each fault of BN-M-30 to 35 and 39 to 42 that market data can meet.

The procedure is the same each time: books, quotes, trades and mark prices of three symbols stream
from a moving market; the fault strikes; it must show (an event, a counter, a loss); then all
streams must be confirmed, all books live, and every level equal to the simulator's. What must
never happen meanwhile is checked on every event (`support_watch`).
"""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest

from connectors.binance import interest, slots
from connectors.model import MarketStatus
from connectors.sim.binance.server import start
from faults.support import Rig, SimControl, until

BTC = "BTCUSDT"


@contextlib.asynccontextmanager
async def stage(*, rate=300.0, symbols=3, settings=None, **more):
    """Give a simulator in this process and a settled rig."""
    sim = await start(symbols=symbols, coinm_symbols=0, rate_per_s=rate, book_levels=40)
    try:
        async with (
            SimControl(sim.http_url) as control,
            Rig(control, sim.port, connections=2, **more) as rig,
        ):
            await control.post("config", **(settings or {}))
            await rig.settle(10)
            yield sim, rig
    finally:
        await sim.stop()


async def all_is_well(rig, timeout_s=15.0):
    """Everything recovers, and every level of every book is equal to the simulator's."""
    await rig.settle(timeout_s)
    before = dict(rig.ledger.counts)
    await until(
        lambda: rig.ledger.counts["book changes"] > before["book changes"] + 10, 5, "changes go on"
    )
    await rig.still()
    await rig.verify()
    assert rig.ledger.violations == []
    assert rig.client.callback_errors == 0


def seen(rig, name, more_than=0):
    return lambda: rig.ledger.counts[name] > more_than


# ---- BN-M-30: drops ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        {"mode": "reset"},
        {"mode": "close", "code": 1001},
        {"mode": "close", "code": 1000},
        {"mode": "close", "code": 1011, "reason": "out of sorts"},
        {"mode": "half_open"},
    ],
    ids=lambda fault: "-".join(map(str, fault.values())),
)
def test_bn_m_30_drop(run_any, fault):
    async def main():
        async with stage() as (sim, rig):
            links = len(rig.links())
            sim.faults.apply({"fault": "drop", "kind": "stream", **fault})
            await until(lambda: rig.losses >= links, 10, "every loss is noticed")
            await until(lambda: rig.watch.reconnects >= links, 10, "every connection comes back")
            await all_is_well(rig)

    run_any(main(), 40)


def test_bn_t_13_a_close_for_too_many_messages_is_answered_slowly(run):
    async def main():
        async with stage() as (sim, rig):
            sim.faults.apply({"fault": "drop", "mode": "close", "code": 1008, "route": "public"})
            at = time.monotonic()
            await until(lambda: rig.losses >= 1, 5)
            await until(lambda: rig.watch.reconnects >= 1, 15)
            assert time.monotonic() - at >= 4.9
            await all_is_well(rig)

    run(main(), 40)


# ---- BN-M-31: refused handshakes --------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        *({"status": status} for status in (404, 500, 503)),
        *({"status": status, "retry_after_s": 1} for status in (403, 418, 429)),
        {"mode": "slow", "delay_ms": 400},
        {"mode": "close"},
        {"mode": "garbage"},
    ],
    ids=lambda fault: "-".join(map(str, fault.values())),
)
def test_bn_m_31_refused_while_reconnecting(run, fault):
    async def main():
        async with stage() as (sim, rig):
            sim.faults.apply({"fault": "refuse", "count": 2, **fault})
            sim.faults.apply({"fault": "drop", "mode": "reset", "route": "public"})
            await until(lambda: rig.losses >= 1, 5)
            await all_is_well(rig, 20)

    run(main(), 40)


# ---- BN-M-32: slow and split ------------------------------------------------------------------


@pytest.mark.parametrize(
    "shape",
    [
        {"delay_ms": 5, "count": 50},
        {"bytes_per_s": 40_000, "count": 60},
        {"segment": 1, "count": 15},
        {"segment": 7, "count": 60},
        {"fragment": 16, "ping_between": True, "count": 60},
        {"fragment": 1, "count": 15},
        {"merge_ms": 50, "count": 200},
        {"unknown_keys": True, "count": 200},
        {"shuffled_keys": True, "count": 200},
    ],
    ids=lambda shape: next(iter(shape)) + str(next(iter(shape.values()))),
)
def test_bn_m_32_41_bent_frames_lose_nothing(run, shape):
    async def main():
        async with stage() as (sim, rig):
            before = rig.ledger.counts["witnessed updates"]
            sim.faults.apply({"fault": "shape", "kind": "stream", **shape})
            await until(seen(rig, "witnessed updates", before + 100), 10)
            assert rig.losses == 0
            assert rig.ledger.counts["BookGap"] == 0
            assert sum(pool.frame_problems for pool in rig.client.pools) == 0
            await all_is_well(rig)

    run(main(), 40)


# ---- BN-M-33: depth ---------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["skip", "swap"])
@pytest.mark.parametrize("count", [1, 5])
def test_bn_m_33_lost_and_swapped_updates_are_gaps(run, action, count):
    async def main():
        async with stage() as (sim, rig):
            sim.faults.apply({"fault": "sequence", "action": action, "symbol": BTC, "count": count})
            await until(seen(rig, "BookGap"), 5, "the gap is told")
            await all_is_well(rig)

    run(main(), 40)


def test_bn_m_33_repeated_updates_are_no_gap(run):
    async def main():
        async with stage() as (sim, rig):
            before = rig.ledger.counts["witnessed updates"]
            sim.faults.apply(
                {"fault": "sequence", "action": "duplicate", "symbol": BTC, "count": 20}
            )
            await until(seen(rig, "witnessed updates", before + 60), 5)
            assert rig.ledger.counts["BookGap"] == 0
            await all_is_well(rig)

    run(main(), 40)


@pytest.mark.parametrize("action", ["stale", "future", "error", "delay", "empty", "reset_ids"])
@pytest.mark.parametrize("count", [1, 2])
def test_bn_m_33_bad_snapshots(run, action, count):
    async def main():
        async with stage() as (sim, rig):
            sim.faults.apply(
                {"fault": "snapshot", "action": action, "symbol": BTC, "count": count,
                 "delay_ms": 400, "hold_ms": 400}
            )  # fmt: skip
            sim.faults.apply({"fault": "sequence", "action": "skip", "symbol": BTC})
            await until(seen(rig, "BookGap"), 5)
            await all_is_well(rig)

    run(main(), 40)


def test_bn_m_33_the_chain_starts_again_lower(run):
    async def main():
        async with stage() as (sim, rig):
            sim.faults.apply({"fault": "depth_reset", "symbol": BTC})
            await until(seen(rig, "BookGap"), 5)
            await all_is_well(rig)

    run(main(), 40)


def test_bn_m_33_the_chain_starts_again_while_the_book_is_being_built(run):
    async def main():
        async with stage() as (sim, rig):
            sim.faults.apply(
                {"fault": "snapshot", "action": "delay", "symbol": BTC, "delay_ms": 500}
            )
            sim.faults.apply({"fault": "sequence", "action": "skip", "symbol": BTC})
            await until(seen(rig, "BookGap"), 5)
            await asyncio.sleep(0.2)
            sim.faults.apply({"fault": "depth_reset", "symbol": BTC})
            await all_is_well(rig)

    run(main(), 40)


# ---- BN-M-34: subscriptions -------------------------------------------------------------------


@pytest.fixture
def impatient(monkeypatch):
    """Wait less long for replies."""
    monkeypatch.setattr(slots, "REPLY_TIMEOUT_S", 0.5)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("action", ["early_data", "lost_ack", "late_ack", "wrong_id"])
def test_bn_m_34_odd_acknowledgements(run, action):
    """Whatever becomes of the reply, the stream ends confirmed, subscribed once, and served."""

    async def main():
        async with stage() as (sim, rig):
            sim.faults.apply({"fault": "control", "action": action, "delay_ms": 900, "count": 2})
            sim.faults.apply({"fault": "drop", "mode": "reset"})
            await until(lambda: rig.watch.reconnects >= 2, 5)
            await all_is_well(rig)

    run(main(), 40)


@pytest.mark.parametrize("action", ["error", "error_flat", "failed"])
def test_bn_m_34_a_refusal_after_a_reconnect_is_told_and_tried_again(run, monkeypatch, action):
    """The venue has served these streams before: the refusal is its trouble of the moment."""
    monkeypatch.setattr(interest, "REFUSED_RETRY_S", 0.5)

    async def main():
        async with stage() as (sim, rig):
            sim.faults.apply({"fault": "control", "action": action, "count": 1})
            sim.faults.apply({"fault": "drop", "mode": "reset", "route": "public"})
            await until(seen(rig, "refused"), 5, "the refusal is told")
            await all_is_well(rig)
            assert rig.resubscribed == 0

    run(main(), 40)


def test_bn_m_34_acknowledged_and_silent(run):
    async def main():
        async with stage(first_data_timeout_s=1.0) as (sim, rig):
            sim.faults.apply({"fault": "control", "action": "silent", "count": 1})
            sim.faults.apply({"fault": "drop", "mode": "reset", "route": "public"})
            await until(seen(rig, "StreamSilent"), 15, "the silence is told")
            await all_is_well(rig)
            assert rig.resubscribed > 0

    run(main(), 40)


@pytest.mark.usefixtures("impatient")
def test_bn_m_34_the_acknowledgement_comes_after_the_unsubscribe(run):
    async def main():
        async with stage() as (sim, rig):
            sim.faults.apply({"fault": "control", "action": "late_ack", "delay_ms": 300})
            extra = rig.client.subscribe_tickers(BTC, lambda ticker: None)
            await asyncio.sleep(0.05)
            extra.cancel()
            await asyncio.sleep(1.0)
            await all_is_well(rig)

    run(main(), 40)


# ---- BN-M-35: the venue ends everything -------------------------------------------------------


@pytest.mark.parametrize("warn", [True, False], ids=["warned", "unwarned"])
@pytest.mark.parametrize("mode", ["close", "reset"])
def test_bn_m_35_every_connection_ends_within_a_second(run, warn, mode):
    async def main():
        async with stage() as (sim, rig):
            links = len(rig.links())
            sim.faults.apply({"fault": "shutdown", "within_ms": 500, "warn": warn, "mode": mode})
            await until(lambda: rig.losses >= links, 5)
            await all_is_well(rig)

    run(main(), 40)


def test_bn_m_35_a_connection_that_is_gone_before_its_time_does_not_stop_the_market(run_any):
    async def main():
        async with stage() as (sim, rig):
            sim.faults.apply({"fault": "shutdown", "within_ms": 500, "mode": "reset"})
            rig.streams.reset()
            await asyncio.sleep(0.7)
            await all_is_well(rig)

    run_any(main(), 40)


def test_bn_t_15_a_warned_shutdown_is_answered_by_rotation(run):
    """The new connections are there before the old ones end: no book ever stops being live."""

    async def main():
        async with stage(rotate=True) as (sim, rig):
            links, told = len(rig.links()), rig.ledger.counts["BookStatus"]
            sim.faults.apply(
                {"fault": "frame", "text": '{"e":"serverShutdown","E":1}', "kind": "stream"}
            )
            await until(lambda: sum(p.rotations for p in rig.client.pools) == links, 20)
            assert rig.losses == 0
            assert rig.ledger.counts["BookStatus"] == told
            await all_is_well(rig)

    run(main(), 60)


# ---- BN-M-39, 40: clock and limits ------------------------------------------------------------


@pytest.mark.parametrize("offset_ms", [3_600_000, -3_600_000, 1_500, -1_500])
def test_bn_m_39_the_venues_clock_steps(run, offset_ms):
    async def main():
        async with stage() as (sim, rig):
            sim.faults.apply({"fault": "clock", "offset_ms": offset_ms})
            before = rig.ledger.counts["witnessed updates"]
            await until(seen(rig, "witnessed updates", before + 50), 5)
            assert rig.ledger.counts["BookGap"] == 0
            sim.faults.apply({"fault": "sequence", "action": "skip", "symbol": BTC})
            await until(seen(rig, "BookGap"), 5)
            assert rig.losses == 0
            await all_is_well(rig)

    run(main(), 40)


@pytest.mark.parametrize("action", ["429", "418"])
def test_bn_b_20_no_snapshot_is_asked_for_before_the_venue_allows(run, action):
    async def main():
        async with stage() as (sim, rig):
            sim.faults.apply({"fault": "limits", "action": action, "seconds": 2})
            asked = len(sim.requests)
            sim.faults.apply({"fault": "drop", "mode": "reset", "route": "public"})
            await all_is_well(rig)
            late = list(sim.requests)[asked:]
            refused = [each for each in late if each.status in (418, 429)]
            # Those under way together when the first refusal came back, and none after it.
            assert 1 <= len(refused) <= 4, [each.status for each in late]

    run(main(), 40)


def test_bn_m_40_headers_missing_and_counters_jump(run):
    async def main():
        async with stage() as (sim, rig):
            sim.faults.apply({"fault": "limits", "action": "no_headers"})
            sim.faults.apply({"fault": "drop", "mode": "reset", "route": "public"})
            await until(lambda: rig.losses >= 1, 5)
            await rig.settle(10)
            sim.faults.apply({"fault": "limits", "action": "headers"})
            sim.faults.apply({"fault": "limits", "action": "jump", "weight": 1_000_000})
            sim.faults.apply({"fault": "drop", "mode": "reset", "route": "public"})
            await all_is_well(rig)

    run(main(), 40)


# ---- BN-M-41: frames --------------------------------------------------------------------------


def frame(sim, send, **more):
    sim.faults.apply({"fault": "frame", "send": send, "kind": "stream", **more})


def test_bn_m_41_unknown_events_are_passed_on(run):
    async def main():
        async with stage() as (sim, rig):
            frame(sim, "unknown_event")
            frame(sim, "binary")
            frame(sim, "huge", route="public")
            links = len(rig.links())
            await until(seen(rig, "venue events", 2 * links), 5)
            assert rig.losses == 0
            await all_is_well(rig)

    run(main(), 40)


def test_bn_m_41_invalid_json_is_counted_and_told(run):
    async def main():
        async with stage() as (sim, rig):
            frame(sim, "invalid_json", count=20)
            links = len(rig.links())
            await until(lambda: sum(p.frame_problems for p in rig.client.pools) == 20 * links, 5)
            assert rig.ledger.counts["ErrorEvent"] >= len(rig.client.pools)
            assert rig.losses == 0
            await all_is_well(rig)

    run(main(), 40)


def test_bn_m_41_invalid_utf8_ends_the_connection_and_only_that(run):
    async def main():
        async with stage() as (sim, rig):
            links = len(rig.links())
            frame(sim, "invalid_utf8")
            await until(lambda: rig.losses >= links, 5)
            await all_is_well(rig)

    run(main(), 40)


def test_bn_m_41_a_ping_flood_is_answered(run):
    async def main():
        async with stage() as (sim, rig):
            frame(sim, "ping_flood", count=200)
            await asyncio.sleep(0.3)
            assert rig.losses == 0
            assert sim.violations == 0
            await all_is_well(rig)

    run(main(), 40)


# ---- BN-M-42: instruments ---------------------------------------------------------------------


def test_bn_m_42_the_tick_changes(run):
    async def main():
        async with stage() as (sim, rig):
            old = rig.client.instrument(BTC).price_scale.increment
            tick = sim.symbols[BTC].tick_size / 10
            if sim.symbols[BTC].price_units(tick) is None:
                tick = sim.symbols[BTC].tick_size * 5
            sim.faults.apply(
                {"fault": "instrument", "action": "tick", "symbol": BTC, "tick_size": str(tick)}
            )
            await until(seen(rig, "InstrumentUpdated"), 8)
            assert rig.client.instrument(BTC).price_scale.increment != old
            await all_is_well(rig)

    run(main(), 40)


def test_bn_m_42_a_symbol_settles_and_vanishes(run):
    async def main():
        async with stage() as (sim, rig):
            sim.faults.apply(
                {"fault": "instrument", "action": "status", "symbol": "ETHUSDT",
                 "status": "SETTLING"}
            )  # fmt: skip
            await until(seen(rig, "InstrumentStatus"), 5)
            assert rig.client.status("ETHUSDT") is not MarketStatus.TRADING
            sim.faults.apply({"fault": "instrument", "action": "remove", "symbol": "ETHUSDT"})
            await until(seen(rig, "InstrumentStatus", 1), 8)
            for each in list(rig.wishes):
                if "ETHUSDT" in each.name:
                    rig.drop_wish(each)
            rig.symbols.remove("ETHUSDT")
            await all_is_well(rig)

    run(main(), 40)


def test_bn_m_42_a_symbol_is_added(run):
    async def main():
        async with stage() as (sim, rig):
            done = sim.faults.apply({"fault": "instrument", "action": "add"})
            await until(seen(rig, "InstrumentUpdated"), 8)
            symbol = done["symbol"]
            rig.add_symbol(symbol)
            await all_is_well(rig)
            assert rig.client.book(symbol) is not None

    run(main(), 40)
