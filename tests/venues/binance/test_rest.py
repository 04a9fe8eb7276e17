"""Public REST reads against the simulator (BN-R-03, BN-R-32, BN-R-40 to BN-R-44)."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from connectors.binance import BinanceRest, Config
from connectors.errors import ClientError, RateLimited, TransportError, Unsupported, VenueError
from connectors.net.weights import WeightCounter, WeightWindow
from connectors.sim.binance.config import SimConfig
from connectors.sim.binance.server import start

SYMBOLS = {"usdm": "BTCUSDT", "coinm": "BTCUSD_PERP"}


@contextlib.asynccontextmanager
async def reading(product="usdm", **settings):
    defaults = {"symbols": 3, "coinm_symbols": 1, "rate_per_s": 300}
    sim = await start(SimConfig(**{**defaults, **settings}))
    window = WeightWindow("weight", 2400, 60.0, header="x-mbx-used-weight-1m")
    rest = BinanceRest(
        Config(product=product, rest_url=sim.http_url), weights=WeightCounter(window)
    )
    try:
        yield sim, rest
    finally:
        await rest.close()
        await sim.stop()


@pytest.mark.parametrize("product", ["usdm", "coinm"])
def test_every_read(run_any, product):
    symbol = SYMBOLS[product]

    async def main():
        async with reading(product) as (sim, rest):
            minute = sim.clock.now_ms() // 60_000
            await asyncio.sleep(0.3)  # let something trade
            await rest.ping()
            info = await rest.exchange_info()
            assert not info.problems
            (instrument,) = [i for i in info.instruments if i.symbol == symbol]
            for limit in (5, 10, 20, 50, 100, 500, 1000):
                snapshot = await rest.book_snapshot(instrument, limit)
                assert snapshot.is_snapshot
                assert 0 < snapshot.n_bids <= limit
            assert await rest.trades(symbol, limit=5)
            aggregates = await rest.aggregate_trades(symbol, limit=5)
            again = await rest.aggregate_trades(symbol, from_id=aggregates[0]["a"], limit=5)
            assert again[0]["a"] == aggregates[0]["a"]
            assert await rest.klines(symbol, "1m", limit=5)
            assert (await rest.klines(symbol, "1m", source="mark", limit=5)) is not None
            assert await rest.premium_index(symbol)
            assert await rest.funding_rates(symbol) is not None
            assert await rest.book_tickers(symbol)
            assert await rest.price_tickers(symbol)
            assert await rest.day_tickers(symbol)
            # Our own count of the weight is the venue's, unless a minute ended in between.
            if sim.clock.now_ms() // 60_000 == minute:
                assert rest.weights.used("weight") == sim.limits.used_weight

    run_any(main(), timeout_s=20)


def test_mistakes_are_local(run):
    async def main():
        async with reading() as (sim, rest), reading("coinm") as (_, coin):
            info = await rest.exchange_info()
            before = len(sim.requests)
            with pytest.raises(ClientError, match="no snapshot of 25 levels"):
                await rest.book_snapshot(info.instruments[0], 25)
            with pytest.raises(ClientError, match="not both"):
                await rest.aggregate_trades("BTCUSDT", from_id=1, start_ms=1)
            with pytest.raises(ClientError, match="no source"):
                await rest.klines("BTCUSDT", "1m", source="x")
            with pytest.raises(Unsupported, match="by symbol only"):
                await coin.funding_rates()
            assert len(sim.requests) == before
            with pytest.raises(VenueError) as caught:
                await rest.trades("NOPE")
            assert caught.value.code == -1121

    run(main())


def test_bn_r_03_the_venues_clock(run):
    async def main():
        async with reading() as (sim, rest):
            sim.faults.apply({"fault": "clock", "offset_ms": 7000})
            offset_ms = await rest.sync_clock() / 1e6
            assert 6_000 < offset_ms < 8_000  # half of a slow answer is uncertain
            assert rest.clock_offset_ns == offset_ms * 1e6

    run(main())


def test_bn_r_32_reads_are_tried_again(run):
    async def main():
        async with reading() as (sim, rest):
            info = await rest.exchange_info()
            sim.faults.apply(
                {"fault": "snapshot", "symbol": "BTCUSDT", "action": "error", "status": 500,
                 "count": 1}
            )  # fmt: skip
            instrument = next(i for i in info.instruments if i.symbol == "BTCUSDT")
            assert (await rest.book_snapshot(instrument, 5)).n_bids == 5

    run(main())


def test_bn_r_44_a_limit_stops_what_follows(run):
    async def main():
        async with reading() as (sim, rest):
            sim.faults.apply({"fault": "limits", "action": "418", "seconds": 100})
            with pytest.raises(RateLimited) as caught:
                await rest.ping()
            assert caught.value.banned
            assert caught.value.retry_after_s > 50
            before = len(sim.requests)
            assert rest.weights.time_until({"weight": 1}) > 50
            task = asyncio.create_task(rest.ping())
            await asyncio.sleep(0.2)
            assert len(sim.requests) == before
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, ClientError):
                await task

    run(main())


def test_no_venue(run):
    async def main():
        rest = BinanceRest(Config(rest_url="http://127.0.0.1:9"))
        with pytest.raises(TransportError):
            await rest.ping()
        await rest.close()

    run(main(), timeout_s=20)
