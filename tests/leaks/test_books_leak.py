"""What a client holds does not grow: with its events, its losses, or a consumer that stopped.

BN-TC-22, in small: memory is measured after a warm-up and again after many more events.
"""

from __future__ import annotations

import contextlib
import gc

import pytest

from connectors._speedups.book import BookSide
from connectors.binance import Config, DataClient
from connectors.model import DataDropped, Trade
from connectors.net.attempts import AttemptBudget
from connectors.net.ratelimit import Quota
from connectors.sim.binance.server import start
from faults.support import until
from faults.support_holdings import Holdings

BTC = "BTCUSDT"
PLENTY = (Quota(1000, 1.0),)


@contextlib.asynccontextmanager
async def stage(*, rate=500.0, symbols=3, **settings):
    sim = await start(
        symbols=symbols,
        coinm_symbols=0,
        rate_per_s=rate,
        book_levels=40,
        max_handshakes_per_5min=10**6,
        weight_per_minute=10**7,
    )
    config = Config(rest_url=sim.http_url, stream_url=sim.ws_url, routed=True, **settings)
    data = DataClient(config, attempts=AttemptBudget(PLENTY))
    try:
        async with data:
            yield sim, data
    finally:
        await sim.stop()


def flood(sim, stream, numbers, make):
    """Let the venue send a frame of a stream for each number, past its market."""
    for number in numbers:
        sim.hub.publish(stream, make(number))


def trade_frame(number):
    return (
        f'{{"e":"aggTrade","E":1,"s":"BTCUSDT","a":{number},"p":"60000.0","q":"0.001",'
        f'"f":{number},"l":{number},"T":{number},"m":true}}'
    )


def test_bn_tc_22_memory_is_flat_with_a_stopped_consumer(run_any):
    """The buffer stays at its bound, what is dropped is counted, the newest is kept."""

    async def main():
        async with stage(rate=0.0) as (sim, data):
            feed = data.trades(BTC, capacity=100)
            await feed.subscription.active()
            total = 0

            def events():
                return sum(each.events for pool in data.pools for each in pool.decoders)

            async def pour(count):
                nonlocal total
                for first in range(total, total + count, 1_000):
                    last = total = first + 1_000
                    flood(sim, "btcusdt@aggTrade", range(first, last), trade_frame)
                    await until(lambda wanted=last: events() >= wanted, 5, every_s=0)

            await pour(20_000)
            before = Holdings.now()
            await pour(200_000)
            after = Holdings.now()
            assert feed.dropped == total - 100
            grown = after.grown_since(before, sockets=0, timers=2, rss_mb=2.0, objects=50)
            assert grown == []
            first = await anext(feed)
            assert isinstance(first, Trade)
            assert first.trade_id == total - 100
            feed.close()

    run_any(main(), 60)


def test_a_stopped_consumer_of_book_changes_finds_a_mark_where_some_are_missing(run):
    async def main():
        async with stage() as (_, data):
            feed = data.book_deltas(BTC, capacity=10)
            await until(lambda: feed.dropped > 50, 10)
            mark = await anext(feed)
            assert isinstance(mark, DataDropped)
            assert mark.count == feed.dropped
            first = await anext(feed)
            second = await anext(feed)
            assert second.prev_seq == first.last_seq
            feed.close()

    run(main(), 30)


def test_a_pool_output_nobody_reads_is_bounded(run):
    """The pool's own `stream()`: the same, and its control events are kept."""
    from connectors.binance import StreamPool

    async def main():
        sim = await start(symbols=1, coinm_symbols=0, rate_per_s=0)
        try:
            async with StreamPool(url=f"{sim.ws_url}/market/ws", output_capacity=100) as pool:
                output = pool.stream()
                await (await pool.subscribe(["btcusdt@aggTrade"])).wait()
                flood(sim, "btcusdt@aggTrade", range(5_000), trade_frame)
                await until(lambda: output.dropped == 4_900, 5)
                assert len(output) == 100
                mark = await anext(output)
                assert isinstance(mark, DataDropped)
                assert mark.count == 4_900
                assert (await anext(output)).trade_id == 4_900
        finally:
            await sim.stop()

    run(main(), 30)


@pytest.mark.parametrize("reconnects", [24])
def test_lost_connections_and_rebuilt_books_leave_nothing(run_any, reconnects):
    """Books that start over again and again: same objects, same tasks, same timers."""

    async def main():
        async with stage(rate=300.0) as (sim, data):
            symbols = [name for name in sim.market.feeds if name.endswith("USDT")]
            for symbol in symbols:
                data.subscribe_book(symbol, lambda book: None)
                data.subscribe_quotes(symbol, lambda quote: None)

            async def all_live():
                await until(lambda: all(data.book(symbol) for symbol in symbols), 10)

            async def lose(times):
                for _ in range(times):
                    syncs = [data.book_sync(symbol).syncs for symbol in symbols]
                    sim.faults.apply({"fault": "drop", "mode": "reset", "route": "public"})
                    await until(
                        lambda old=syncs: all(
                            data.book_sync(symbol).syncs > count
                            for symbol, count in zip(symbols, old, strict=True)
                        ),
                        10,
                    )

            await all_live()
            await lose(reconnects // 3)
            before = Holdings.now()
            await lose(reconnects)
            after = Holdings.now()
            # The simulator shares this process, and remembers connections and their messages.
            grown = after.grown_since(before, sockets=8, timers=10, rss_mb=20.0, objects=300)
            assert grown == []

    run_any(main(), 90)


def test_books_come_and_go(run):
    """Subscribed and canceled many times: what was made for it is gone each time."""

    async def main():
        # What other tests of this process have left is none of ours.
        strangers = Holdings.now().objects
        async with stage(rate=300.0) as (sim, data):
            symbols = [name for name in sim.market.feeds if name.endswith("USDT")]

            async def once():
                made = [data.subscribe_book(each, lambda book: None) for each in symbols]
                await until(lambda: all(data.book(each) for each in symbols), 10)
                book = data.book(BTC)
                assert book.levels(BookSide.BID, 1)
                for each in made:
                    each.cancel()
                await until(lambda: sum(p.stream_count for p in data.pools) == 1, 5)
                await until(lambda: not any(p.ending_names for p in data.pools), 5)

            for _ in range(4):
                await once()
            before = Holdings.now()
            for _ in range(12):
                await once()
            gc.collect()
            after = Holdings.now()
            grown = after.grown_since(before, sockets=8, timers=5, rss_mb=10.0, objects=30)
            assert grown == []
            names = ("BookSync", "_Chain", "ManagedBook")
            ours = after.objects - strangers
            left = {n: c for n, c in ours.items() if n.rpartition(".")[2] in names}
            assert left == {}

    run(main(), 90)
