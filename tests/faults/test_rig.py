"""What the soak and the chaos judge by: `Rig.still` excuses lost connections and nothing else."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from connectors.binance.streams import parse
from faults.proxy import Way
from faults.support import Rig, SimControl, SimProcess, until
from faults.support_mischief import client_port
from patience import GRACE_S


@contextlib.asynccontextmanager
async def stage(sim):
    async with (
        SimControl(sim.http_url) as control,
        Rig(control, sim.port, connections=2, symbols=4) as rig,
    ):
        await rig.settle(20)
        yield rig


def simulator():
    return SimProcess("--seed", "1", "--symbols", "6", "--coinm-symbols", "0", "--rate", "200")


def test_books_whose_connection_is_lost_as_the_market_stops_are_equal_in_the_end(run_any):
    """Found on a busy machine, 2026-11-21: what starts over needs updates, and none came."""

    async def main(sim):
        async with stage(sim) as rig:
            rig.streams.reset()
            await rig.still()
            await rig.verify()
            assert rig.losses >= 2
            assert rig.ledger.violations == []
            assert rig.ledger.compared_books == len(rig.symbols)

    with simulator() as sim:
        run_any(main(sim), 40)


def test_streams_that_are_confirmed_and_not_served_are_not_settled(run):
    """Found on a busy machine, 2026-11-21: nobody had told of their silence yet."""

    async def main(sim):
        async with stage(sim) as rig:
            await rig.control.fault("control", action="silent", count=1)
            await rig.control.fault("drop", mode="reset", route="market")
            await until(lambda: rig.watch.reconnects > 0, 15)
            await until(lambda: not rig.unsettled(), 15)
            with pytest.raises(AssertionError, match="only the client has a connection"):
                await rig.settle(0.1, grace_s=0)

    with simulator() as sim:
        run(main(sim), 60)


def test_a_live_book_that_is_behind_has_no_excuse(run):
    """The connection is there, and too short a time has passed to miss anything on it."""

    async def main(sim):
        async with stage(sim) as rig:
            symbol = rig.symbols[0]
            sync = rig.client.book_sync(symbol)
            stream = f"{symbol.lower()}@depth@0ms"
            carriers = {
                connection.name
                for pool in rig.client.pools
                for connection in pool._connections
                if any(parse(each, "usdm").name == stream for each in connection.slot.streams)
            }
            used = rig.links()
            for connection in rig.streams.connections:
                if used.get(client_port(connection)) in carriers:
                    connection.stall(Way.DOWN)

            async def venue_seq():
                return (await rig.control.get("book", symbol=symbol))["u"]

            before = await venue_seq()  # more than this cannot arrive
            async with asyncio.timeout(GRACE_S):
                while await venue_seq() == before:
                    pass
            await rig.still(0.3)  # long before the silence is noticed
            assert rig.losses == 0
            assert sync.is_live
            assert symbol in str(rig.ledger.violations)

    with simulator() as sim:
        run(main(sim), 40)
