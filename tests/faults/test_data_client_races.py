"""Subscribe and cancel at the wrong moment: what is wanted last is what counts."""

from __future__ import annotations

import asyncio
import contextlib
import random

import pytest

from connectors.binance import Config, DataClient
from connectors.binance.pool_core import PoolCore
from connectors.net.attempts import AttemptBudget
from connectors.net.ratelimit import Quota
from connectors.sim.binance.server import start
from faults.support import Rig, SimControl, until
from patience import GRACE_S

BTC = "BTCUSDT"


@contextlib.asynccontextmanager
async def stage(*, rate=300.0, symbols=3, **settings):
    """Give a simulator and a client, connected straight to it."""
    sim = await start(
        symbols=symbols, coinm_symbols=0, rate_per_s=rate, max_handshakes_per_5min=10**6
    )
    config = Config(rest_url=sim.http_url, stream_url=sim.ws_url, routed=True, **settings)
    data = DataClient(config, attempts=AttemptBudget((Quota(1000, 1.0),)))
    try:
        async with data:
            yield sim, data
    finally:
        await sim.stop()


def on_the_wire(sim):
    """Return every stream name the venue serves, with repetitions."""
    return sorted(
        name
        for connection in sim.connections.values()
        for name in connection.control.names
        if name != "!contractInfo"
    )


def test_cancel_and_subscribe_in_one_turn(run_any):
    """The stream never left the wire, so no confirmation comes: it must not be waited for."""

    async def main():
        async with stage() as (sim, data):
            first = data.subscribe_quotes(BTC, lambda quote: None)
            await first.active()
            first.cancel()
            got = []
            second = data.subscribe_quotes(BTC, got.append)
            await second.active(timeout_s=GRACE_S)
            await until(lambda: got, 2)
            assert on_the_wire(sim) == ["btcusdt@bookTicker"]

    run_any(main())


def test_subscribe_again_before_the_unsubscribe_is_answered(run):
    """Not active before the venue has confirmed the NEW wish."""

    async def main():
        async with stage() as (sim, data):
            first = data.subscribe_quotes(BTC, lambda quote: None)
            await first.active()
            sim.faults.apply(
                {"fault": "control", "action": "late_ack", "method": "UNSUBSCRIBE", "delay_ms": 200}
            )
            first.cancel()
            await until(lambda: on_the_wire(sim) == [], 2)
            second = data.subscribe_quotes(BTC, lambda quote: None)
            assert not second.is_active
            await second.active(timeout_s=GRACE_S)
            await asyncio.sleep(0.3)
            assert second.is_active
            assert on_the_wire(sim) == ["btcusdt@bookTicker"]

    run(main())


def test_a_stream_goes_back_to_where_its_end_is_pending():
    """On another connection it would be served twice until the unsubscribe has arrived."""
    core = PoolCore(max_streams=2, max_connections=2)
    for _ in range(2):
        core.add_slot()
    for batch in core.stage(["a@trade", "b@trade", "c@trade", "d@trade"]):
        core.subscribe(batch)
    for batch in core.stage_unsubscribe(["a@trade", "d@trade"]):
        core.unsubscribe(batch)
    (batch,) = core.stage(["d@trade"])
    assert batch.slot is core.slots[1]
    core.subscribe(batch)
    (batch,) = core.stage(["e@trade"])
    assert batch.slot is core.slots[0]


def test_the_late_end_on_one_connection_does_not_end_it_on_another(run):
    """The stream could not go back, as its place was taken: the old end says nothing of the new."""

    async def main():
        async with stage(symbols=5, max_streams_per_connection=2) as (sim, data):
            symbols = [name for name in sim.market.feeds if name.endswith("USDT")]
            quotes = [data.subscribe_quotes(each, lambda quote: None) for each in symbols[:4]]
            for each in quotes:
                await each.active()
            sim.faults.apply(
                {"fault": "control", "action": "late_ack", "method": "UNSUBSCRIBE",
                 "delay_ms": 300, "count": 2}
            )  # fmt: skip
            quotes[0].cancel()
            quotes[3].cancel()
            await until(lambda: len(on_the_wire(sim)) == 2, 2)
            more = [data.subscribe_quotes(each, lambda quote: None) for each in (symbols[4],) * 2]
            again = data.subscribe_quotes(symbols[0], lambda quote: None)
            await again.active()
            await asyncio.sleep(0.5)
            assert again.is_active
            assert all(each.is_active for each in more)

    run(main())


def test_a_book_given_up_and_asked_for_in_one_turn_is_built_anew(run):
    async def main():
        async with stage() as (_, data):
            first = data.subscribe_book(BTC, lambda book: None)
            await until(lambda: data.book(BTC), 3)
            first.cancel()
            assert data.book(BTC) is None
            second = data.subscribe_book(BTC, lambda book: None)
            assert data.book(BTC) is None
            await second.active(timeout_s=GRACE_S)
            await until(lambda: data.book(BTC), 3)

    run(main())


def test_cancel_before_the_connection_is_there(run):
    async def main():
        async with stage() as (sim, data):
            data.subscribe_quotes(BTC, lambda quote: None).cancel()
            subscription = data.subscribe_trades(BTC, lambda trade: None)
            await subscription.active(timeout_s=GRACE_S)
            assert on_the_wire(sim) == ["btcusdt@aggTrade"]

    run(main())


def test_subscribe_and_cancel_from_within_callbacks(run_any):
    """A callback runs on the socket's stack; it may still use the client."""

    async def main():
        async with stage() as (sim, data):
            got = {"first": 0, "second": 0}
            made = []

            def first(quote):
                got["first"] += 1
                subscription.cancel()
                made.append(data.subscribe_quotes("ETHUSDT", second))
                made.append(data.subscribe_book("ETHUSDT", lambda book: None))

            def second(quote):
                got["second"] += 1
                if got["second"] == 3:
                    made[0].cancel()

            subscription = data.subscribe_quotes(BTC, first)
            await until(lambda: got["second"] == 3 and data.book("ETHUSDT"), 5)
            await until(lambda: on_the_wire(sim) == ["ethusdt@depth@0ms"], 5)
            assert got == {"first": 1, "second": 3}

    run_any(main())


def test_close_while_connections_are_coming_back(run_any):
    """Nothing is left: `run` fails for a task or socket that outlives the test (BN-T-09)."""

    async def main():
        async with stage() as (sim, data):
            data.subscribe_book(BTC, lambda book: None)
            await until(lambda: data.book(BTC), 3)
            sim.faults.apply({"fault": "refuse", "mode": "slow", "delay_ms": 600, "count": 4})
            sim.faults.apply({"fault": "drop", "mode": "reset"})
            await asyncio.sleep(0.1)
            async with asyncio.timeout(GRACE_S):
                await data.close()
            await data.close()

    run_any(main())


def test_connect_again_after_close(run):
    async def main():
        async with stage() as (sim, data):
            for _ in range(3):
                got = []
                subscription = data.subscribe_quotes(BTC, got.append)
                await subscription.active()
                await until(lambda: got, 3)  # noqa: B023 - awaited here
                await data.close()
                await until(lambda: not sim.connections, 3)
                await data.connect()

    run(main())


@pytest.mark.parametrize("seed", range(3))
def test_random_wishes_under_random_drops_end_in_what_was_wanted(run, seed):
    """Confirmed, wanted and served are one and the same set in the end; nothing is served twice."""

    async def main():
        source = random.Random(seed)
        async with stage(symbols=8, max_streams_per_connection=6) as (sim, data):
            symbols = [name for name in sim.market.feeds if name.endswith("USDT")]
            ways = [
                lambda symbol: data.subscribe_quotes(symbol, lambda quote: None),
                lambda symbol: data.subscribe_trades(symbol, lambda trade: None),
                lambda symbol: data.subscribe_book(symbol, lambda book: None),
                lambda symbol: data.subscribe_mark_price(symbol, lambda mark: None),
            ]
            wishes = []
            for _ in range(120):
                for _ in range(source.randrange(1, 5)):
                    if wishes and source.random() < 0.5:
                        wishes.pop(source.randrange(len(wishes))).cancel()
                    elif len(wishes) < 40:
                        wishes.append(source.choice(ways)(source.choice(symbols)))
                if source.random() < 0.1:
                    numbers = [n for n, c in sim.connections.items() if c.open]
                    if numbers:
                        sim.faults.apply(
                            {"fault": "drop", "mode": source.choice(("reset", "close")),
                             "connection": source.choice(numbers)}
                        )  # fmt: skip
                await asyncio.sleep(source.choice((0, 0, 0.001, 0.01, 0.05)))
            wanted = sorted({name for wish in wishes for name in wish.streams})
            await until(lambda: all(wish.is_active for wish in wishes), 25, "all active")
            await until(lambda: on_the_wire(sim) == wanted, 10, "served is wanted")
            names = sorted(n for p in data.pools for n in p.stream_names if n != "!contractInfo")
            assert names == wanted
            assert sum(p.subscription_count for p in data.pools) == len(wanted) + 1

    run(main(), 60)


def test_a_silent_stream_is_asked_for_again_by_cancel_and_subscribe(run):
    """BN-C-09: `StreamSilent`, and the user does the obvious thing."""

    async def main():
        sim = await start(symbols=2, coinm_symbols=0, rate_per_s=300)
        try:
            async with SimControl(sim.http_url) as control:
                sim.faults.apply({"fault": "control", "action": "silent", "count": 1})
                async with Rig(control, sim.port, connections=1, first_data_timeout_s=0.5) as rig:
                    await rig.settle(10)
                    assert rig.ledger.counts["StreamSilent"] > 0
        finally:
            await sim.stop()

    run(main(), 30)
