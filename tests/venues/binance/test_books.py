"""Local books against the simulator's own (section 10, BN-TC-21, BN-M-33, BN-M-51)."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import pathlib
import time

import pytest

from connectors.binance import Config, DataClient
from connectors.errors import ClientError
from connectors.model import BookGap, BookState, BookStatus, InstrumentUpdated, StreamState
from connectors.net.attempts import AttemptBudget
from connectors.net.ratelimit import Quota
from connectors.net.weights import WeightCounter, WeightWindow
from connectors.sim.binance.config import SimConfig
from connectors.sim.binance.server import start
from patience import until

DATA = pathlib.Path(__file__).parents[2] / "data" / "binance"
BTC = "BTCUSDT-PERP"


@contextlib.asynccontextmanager
async def trading(product="usdm", statuses=None, *, symbols=3, rate_per_s=400, **settings):
    """A simulator whose market moves, and a client on it."""
    sim = await start(SimConfig(symbols=symbols, coinm_symbols=1, rate_per_s=rate_per_s))
    base = "/ws" if product == "usdm" else "/dstream/ws"
    config = Config(
        product=product,
        rest_url=sim.http_url,
        stream_url=sim.ws_url + base,
        routed=product == "usdm",
        **settings,
    )
    data = DataClient(
        config,
        on_status=statuses.append if statuses is not None else None,
        attempts=AttemptBudget((Quota(1000, 1.0),)),
    )
    try:
        async with data:
            yield sim, data
    finally:
        await sim.stop()


async def assert_same_book(sim, data, instrument):
    """Still the market and compare level by level at the same update id (BN-M-51)."""
    found = data.instrument(instrument)
    sim.pause()
    try:
        wanted = sim.book(found.symbol)

        def caught_up():
            book = data.book(found)
            return book is not None and book.last_seq >= wanted.update_id

        await until(caught_up)
        book = data.book(found)
        rules = sim.symbols[found.symbol]
        for side, levels in ((0, wanted.bids), (1, wanted.asks)):
            expected = [
                (
                    found.price_scale.to_ticks(rules.price_text(price)),
                    found.size_scale.to_ticks(rules.qty_text(size)),
                )
                for price, size in levels
            ]
            assert book.levels(side) == expected
        book.check()
    finally:
        sim.resume()


def states(statuses, instrument=BTC):
    return [
        event.state
        for event in statuses
        if isinstance(event, BookStatus) and event.instrument_id == instrument
    ]


@pytest.mark.parametrize("product", ["usdm", "coinm"])
@pytest.mark.parametrize("speed_ms", [None, 100, 500])
def test_bn_m_51_the_book_equals_the_venues(run, product, speed_ms):
    async def main():
        statuses, seen = [], []
        async with trading(product, statuses) as (sim, data):
            first = next(iter(data.instruments))
            data.subscribe_book(
                first,
                lambda book: seen.append((book.last_seq, book.live, book.is_crossed)),
                speed_ms=speed_ms,
            )
            await until(lambda: len(seen) > 5)
            await assert_same_book(sim, data, first)
            assert states(statuses, first) == [BookState.LIVE]
            assert all(live and not crossed for _, live, crossed in seen)
            assert [seq for seq, _, _ in seen] == sorted({seq for seq, _, _ in seen})

    run(main(), timeout_s=30)


SEQUENCE_FAULTS = [
    {"fault": "sequence", "action": "skip", "symbol": "BTCUSDT", "count": 1},
    {"fault": "sequence", "action": "skip", "symbol": "BTCUSDT", "count": 7},
    {"fault": "sequence", "action": "duplicate", "symbol": "BTCUSDT", "count": 5},
    {"fault": "sequence", "action": "swap", "symbol": "BTCUSDT", "count": 2},
    {"fault": "depth_reset", "symbol": "BTCUSDT", "to": 1000},
    {"fault": "drop", "mode": "reset", "stream": "btcusdt@depth@0ms"},
    {"fault": "drop", "mode": "close", "code": 1001, "stream": "btcusdt@depth@0ms"},
    {"fault": "shape", "bytes_per_s": 0, "segment": 1, "duration_ms": 200},
    {"fault": "shape", "fragment": 10, "duration_ms": 300},
    {"fault": "shape", "shuffled_keys": True, "unknown_keys": True, "duration_ms": 300},
]
HARMLESS = {"duplicate", "shape"}


@pytest.mark.parametrize("fault", SEQUENCE_FAULTS, ids=lambda f: "-".join(map(str, f.values())))
def test_bn_tc_21_the_book_heals_from_stream_faults(run, fault):
    async def main():
        statuses, seen = [], []
        async with trading(statuses=statuses) as (sim, data):
            data.subscribe_book(BTC, lambda book: seen.append(book.last_seq))
            await until(lambda: len(seen) > 5)
            sim.faults.apply(fault)
            harmless = fault["fault"] in HARMLESS or fault.get("action") in HARMLESS
            if harmless:
                before = len(seen)
                await until(lambda: len(seen) > before + 20)
                assert states(statuses) == [BookState.LIVE]
            else:
                await until(lambda: BookState.BUFFERING in states(statuses))
                await until(lambda: states(statuses)[-1] is BookState.LIVE)
                gaps = [event for event in statuses if isinstance(event, BookGap)]
                assert bool(gaps) is (fault["fault"] != "drop")
            await assert_same_book(sim, data, BTC)

    run(main(), timeout_s=30)


SNAPSHOT_FAULTS = [
    {"action": "stale", "count": 2},
    {"action": "future", "count": 1},
    {"action": "error", "status": 500, "count": 2},
    {"action": "delay", "delay_ms": 300, "count": 1},
    {"action": "empty", "count": 1},
    {"action": "reset_ids", "count": 1},
]


@pytest.mark.parametrize("fault", SNAPSHOT_FAULTS, ids=lambda f: f["action"])
def test_bn_tc_21_the_book_heals_from_snapshot_faults(run, fault):
    async def main():
        statuses, seen = [], []
        async with trading(statuses=statuses) as (sim, data):
            sim.faults.apply({"fault": "snapshot", "symbol": "BTCUSDT", **fault})
            data.subscribe_book(BTC, lambda book: seen.append(book.last_seq))
            await until(lambda: len(seen) > 20)
            if fault["action"] == "empty":
                # Nothing in it is wrong: what it does not hold appears as it changes. A new
                # snapshot makes the book whole again.
                data.book_sync(BTC).on_reconnect()
                await until(lambda: data.book(BTC) is not None)
            await assert_same_book(sim, data, BTC)

    run(main(), timeout_s=30)


def test_bn_b_15_a_venue_without_snapshots_fails_the_book_aloud(run, monkeypatch):
    from connectors.books import SyncLimits

    async def main():
        seen, seen_at_failure = [], []

        class Statuses(list):
            def append(self, event):
                super().append(event)
                if getattr(event, "state", None) is BookState.FAILED:
                    seen_at_failure.append((list(seen), data.book(BTC)))

        statuses = Statuses()
        async with trading(statuses=statuses) as (sim, data):
            data._books._limits = SyncLimits(wait_s=0.01, max_wait_s=0.02, pause_s=0.5)
            sim.faults.apply(
                {"fault": "snapshot", "symbol": "BTCUSDT", "action": "stale", "count": 6,
                 "changes": 2000}
            )  # fmt: skip
            data.subscribe_book(BTC, seen.append)
            await until(lambda: states(statuses)[-1:] == [BookState.LIVE])
            assert seen_at_failure == [([], None)]
            assert states(statuses) == [BookState.FAILED, BookState.BUFFERING, BookState.LIVE]
            await assert_same_book(sim, data, BTC)

    run(main(), timeout_s=30)


def test_bn_b_17_only_the_books_of_the_lost_connection_start_over(run):
    async def main():
        statuses = []
        async with trading(statuses=statuses, max_streams_per_connection=1) as (sim, data):
            symbols = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
            for symbol in symbols:
                data.subscribe_book(symbol, lambda book: None)
            await until(lambda: all(data.book(symbol) for symbol in symbols))
            sim.faults.apply({"fault": "drop", "mode": "reset", "stream": "ethusdt@depth@0ms"})
            await until(lambda: len(states(statuses, "ETHUSDT-PERP")) == 3)
            assert states(statuses, "ETHUSDT-PERP") == [
                BookState.LIVE,
                BookState.BUFFERING,
                BookState.LIVE,
            ]
            for symbol in ("BTCUSDT", "SOLUSDT"):
                assert states(statuses, f"{symbol}-PERP") == [BookState.LIVE]
            for symbol in symbols:
                await assert_same_book(sim, data, symbol)

    run(main(), timeout_s=30)


def test_a_book_is_not_trusted_while_its_connection_is_down(run):
    async def main():
        async with trading() as (sim, data):
            data.subscribe_book(BTC, lambda book: None)
            await until(lambda: data.book(BTC) is not None)
            sim.faults.apply({"fault": "refuse", "mode": "status", "status": 500, "count": 1})
            sim.faults.apply({"fault": "drop", "mode": "reset", "stream": "btcusdt@depth@0ms"})
            await until(lambda: data.book(BTC) is None)
            assert not data.book_sync(BTC).is_live
            await until(lambda: data.book(BTC) is not None)
            await assert_same_book(sim, data, BTC)

    run(main(), timeout_s=30)


def depth_requests(sim):
    return [request for request in sim.requests if "/depth?" in request.target]


def test_bn_b_19_snapshots_by_priority_and_within_the_weight(run):
    async def main():
        statuses = []
        async with trading(statuses=statuses, symbols=10) as (sim, data):
            # A budget for four snapshots now; the others wait, and do not count as failed.
            data.rest.weights = WeightCounter(
                WeightWindow("weight", 90, 2.0, header="none"), reserve_share=0.1
            )
            await data.rest.close()
            symbols = [symbol for symbol in sim.symbols if symbol.endswith("USDT")][:10]
            data._books._wanted.clear()
            began = asyncio.get_running_loop().time()
            for number, symbol in enumerate(symbols):
                data.subscribe_book(symbol, lambda book: None, priority=10 - number)
            # Let every book have an update before the worker looks for the first time.
            gate, start_due = [], data._books._start_due

            def held_back():
                ready = [data._books.get(s) for s in symbols]
                if not gate and not all(sync and sync.buffered for sync in ready):
                    return None
                gate.append(True)
                return start_due()

            data._books._start_due = held_back
            await until(lambda: all(data.book(symbol) for symbol in symbols), 20)
            targets = [request.target for request in depth_requests(sim)]
            order = [target.partition("symbol=")[2].partition("&")[0] for target in targets]
            assert set(order[:4]) == set(symbols[-4:])
            assert len(order) == len(symbols)
            # Ten at four a window take three windows.
            assert asyncio.get_running_loop().time() - began > 1.9
            assert BookState.FAILED not in [s for x in symbols for s in states(statuses, x)]

    run(main(), timeout_s=40)


def test_bn_b_20_a_limit_stops_all_snapshots(run):
    async def main():
        statuses = []
        async with trading(statuses=statuses) as (sim, data):
            sim.faults.apply({"fault": "limits", "action": "429", "seconds": 3})
            for symbol in ("BTCUSDT", "ETHUSDT", "SOLUSDT"):
                data.subscribe_book(symbol, lambda book: None)
            await until(lambda: all(data.book(s) for s in ("BTCUSDT", "ETHUSDT", "SOLUSDT")), 15)
            answers = [request.status for request in depth_requests(sim)]
            refused = answers.count(429)
            assert 1 <= refused <= 3  # those under way together, and no other before the end
            assert answers[:refused] == [429] * refused
            assert BookState.FAILED not in states(statuses)

    run(main(), timeout_s=30)


def test_bn_i_17_a_finer_tick_rebuilds_the_book(run):
    async def main():
        statuses = []
        async with trading(statuses=statuses, symbols=6) as (sim, data):
            rules = next(
                r
                for r in sim.symbols.values()
                if r.product.value == "usdm"
                and r.tick_size > r.price(1)
                and r.symbol.endswith("USDT")
            )
            identity = data.instrument(rules.symbol).id
            data.subscribe_book(rules.symbol, lambda book: None)
            await until(lambda: data.book(rules.symbol) is not None)
            sim.faults.apply(
                {"fault": "instrument", "action": "tick", "symbol": rules.symbol,
                 "tick_size": str(rules.price(1))}
            )  # fmt: skip
            await until(
                lambda: any(
                    isinstance(e, InstrumentUpdated) and e.instrument_id == identity
                    for e in statuses
                ),
                15,
            )
            await until(lambda: data.book(rules.symbol) is not None)
            assert data.book(rules.symbol).instrument.tick_size == rules.price(1)
            await assert_same_book(sim, data, rules.symbol)

    run(main(), timeout_s=40)


def test_books_are_shared_and_dropped_with_the_last(run):
    async def main():
        async with trading() as (_sim, data):
            first, second = [], []
            one = data.subscribe_book(BTC, lambda book: first.append(book.last_seq))
            await until(lambda: first)
            two = data.subscribe_book(BTC, lambda book: second.append(book.last_seq))
            assert second  # a live book is shown at once
            with pytest.raises(ClientError, match="one book has one speed"):
                data.subscribe_book(BTC, print, speed_ms=500)
            one.cancel()
            before = len(first)
            await until(lambda: len(second) > 5)
            assert len(first) == before
            two.cancel()
            assert data.book_sync(BTC) is None
            (public,) = [pool for pool in data.pools if "public" in pool.url]
            await until(lambda: public.stream_names == [])
            # And again from the start.
            data.subscribe_book(BTC, lambda book: first.append(book.last_seq))
            await until(lambda: len(first) > before)

    run(main(), timeout_s=30)


def test_deltas_and_book_side_by_side(run):
    async def main():
        async with trading() as (sim, data):
            deltas, books = [], []
            data.subscribe_book_deltas(BTC, deltas.append)
            data.subscribe_book(BTC, lambda book: books.append(book.last_seq))
            await until(lambda: len(books) > 10)
            seqs = [delta.last_seq for delta in deltas]
            assert all(
                after.prev_seq == before.last_seq for before, after in itertools.pairwise(deltas)
            )
            assert set(books[1:]) <= set(seqs)
            await assert_same_book(sim, data, BTC)

    run(main(), timeout_s=30)


def test_partial_snapshots_are_the_top_of_the_book(run):
    async def main():
        async with trading() as (sim, data):
            snapshots = []
            data.subscribe_book_snapshots(BTC, snapshots.append, levels=5, speed_ms=100)
            await until(lambda: len(snapshots) > 3)
            sim.pause()
            try:
                last = sim.book("BTCUSDT")
                found = data.instrument(BTC)
                rules = sim.symbols["BTCUSDT"]
                await until(lambda: snapshots[-1].last_seq == last.update_id, 3)
                assert snapshots[-1].is_snapshot
                assert snapshots[-1].bids == [
                    (
                        found.price_scale.to_ticks(rules.price_text(price)),
                        found.size_scale.to_ticks(rules.qty_text(size)),
                    )
                    for price, size in last.bids[:5]
                ]
            finally:
                sim.resume()

    run(main(), timeout_s=30)


@pytest.mark.parametrize(
    ("seed", "seconds"),
    [(1, 4.0), *(pytest.param(n, 15.0, marks=pytest.mark.slow) for n in (2, 3))],
)
def test_bn_m_52_all_faults_at_random(run, seed, seconds):
    """What comes out of chaos is either right or marked as not to be trusted.

    A stream that is refused before it was ever confirmed stays refused until its user asks again
    (BN-S-54), whenever that strikes: here it begins so.
    """

    async def main():
        sim = await start(
            SimConfig.of("chaos", seed=seed, symbols=4, rate_per_s=300, fault_interval_s=0.0)
        )
        config = Config(
            rest_url=sim.http_url, stream_url=f"{sim.ws_url}/ws", routed=True, heartbeat_s=1.0
        )
        data = DataClient(config, attempts=AttemptBudget((Quota(1000, 1.0),)))
        wrong = []

        def on_book(book):
            if not book.live or book.is_crossed:
                wrong.append(repr(book))

        try:
            await data.connect()
            names = list(data.instruments)
            sim.faults.apply({"fault": "control", "action": "error"})
            books = {name: data.subscribe_book(name, on_book) for name in names}

            def refused():
                return [name for name in names if books[name].state is StreamState.REFUSED]

            def all_live():
                for name in refused():
                    books[name].cancel()
                    books[name] = data.subscribe_book(name, on_book)
                return all(data.book(name) for name in names)

            await until(refused)
            sim.config.set({"fault_interval_s": 0.25})
            chaos_ends = time.monotonic() + seconds
            while time.monotonic() < chaos_ends:
                all_live()
                await asyncio.sleep(0.05)
            sim.config.set({"fault_interval_s": 0.0})
            sim.faults.apply({"fault": "clear"})
            sim.lift_bans()
            await until(all_live, 45)
            for name in names:
                # An empty snapshot is a fault nobody can see: start over without one.
                data.book_sync(name).on_reconnect()
            await until(all_live, 45)
            for name in names:
                await assert_same_book(sim, data, name)
            assert not wrong
            assert data.callback_errors == 0
        finally:
            await data.close()
            await sim.stop()

    run(main(), timeout_s=seconds + 100)
