"""A pool that changes connections: nothing is lost on the way, and nothing is believed in vain."""

from __future__ import annotations

import asyncio
import contextlib

from connectors.binance import StreamPool
from connectors.net.attempts import AttemptBudget
from connectors.net.ratelimit import Quota
from connectors.sim.binance.config import SimConfig
from connectors.sim.binance.server import start
from patience import GRACE_S


@contextlib.asynccontextmanager
async def stage(**settings):
    sim = await start(SimConfig(symbols=3, coinm_symbols=1, rate_per_s=0))
    pool = StreamPool(
        url=f"{sim.ws_url}/market/ws", attempts=AttemptBudget((Quota(1000, 1.0),)), **settings
    )
    try:
        await pool.connect()
        yield sim, pool
    finally:
        await pool.close()
        await sim.stop()


def test_bn_t_12_no_switch_to_a_connection_that_refuses_streams(run):
    """The refused ones would be gone with the old connection, and nobody would know."""

    async def main():
        async with stage() as (sim, pool):
            names = [f"s{'x' * 40}{i}usdt@aggTrade" for i in range(180)]  # two commands (BN-S-55)
            await (await pool.subscribe(names)).wait()
            (old,) = pool._connections
            sim.faults.apply({"fault": "control", "action": "error", "code": 2, "count": 1})
            await pool._rotation.rotate(old)
            assert (pool._rotation.done, pool._rotation.given_up) == (0, 1)
            assert pool._connections == [old]
            assert (pool.stream_count, pool.subscription_count) == (180, 180)
            await pool._rotation.rotate(old)  # this time nothing is refused
            assert pool.rotations == 1
            assert pool._connections != [old]
            assert (pool.stream_count, pool.subscription_count) == (180, 180)

    run(main(), timeout_s=30)


def test_bn_s_35_connect_while_close_is_still_at_work(run):
    async def main():
        async with stage() as (_sim, pool):
            await (await pool.subscribe(["btcusdt@aggTrade"])).wait()
            closing = asyncio.create_task(pool.close())
            while pool._connections:  # noqa: ASYNC110 - it may become true by anybody's doing
                await asyncio.sleep(0)
            await pool.connect()
            await closing
            assert not await (await pool.subscribe(["btcusdt@aggTrade"])).wait()
            assert pool.subscription_count == 1

    run(main())


def test_bn_s_86_a_connection_lost_and_replaced_while_it_rotates(run, monkeypatch):
    """Whichever is first, the pool ends with one connection that serves every stream."""

    async def main():
        async with stage() as (_sim, pool):
            await (await pool.subscribe(["btcusdt@aggTrade"])).wait()
            (old,) = pool._connections
            rotation = asyncio.create_task(pool._rotation.rotate(old))
            await asyncio.gather(pool._rotation.replace(old), pool._rotation.replace(old))
            await rotation
            (left,) = pool._connections
            assert left is not old
            async with asyncio.timeout(GRACE_S):
                while pool.subscription_count != 1:  # noqa: ASYNC110
                    await asyncio.sleep(0.005)
            assert left.is_active
            assert old.slot is not None
            await old.close()

    monkeypatch.setattr("connectors.binance.rotation.OVERLAP_TAIL_S", 0.0)
    run(main())
