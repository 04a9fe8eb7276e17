"""When a client reads its instruments again."""

from __future__ import annotations

import asyncio
import contextlib

from connectors.data.desk import InstrumentDesk
from connectors.errors import TransportError
from connectors.model import Instrument, InstrumentKind

LONG_S = 3600.0


def instrument(symbol):
    return Instrument(
        id=f"{symbol}-PERP",
        symbol=symbol,
        venue="TEST",
        kind=InstrumentKind.PERPETUAL,
        base=symbol,
        quote="USD",
        tick_size="0.1",
        lot_size="0.1",
    )


class Venue:
    """A desk, what it reads, and what it tells."""

    def __init__(self, **settings):
        self.read = asyncio.Event()
        self.reads = 0
        self.failing = 0
        self.told = []
        self.errors = []
        self.desk = InstrumentDesk(
            "TEST",
            load=self.load,
            on_instrument=lambda each: self.told.append(each.symbol),
            emit=lambda event: None,
            on_callback_error=lambda error, event: None,
            on_error=lambda message, error: self.errors.append(message),
            settle_s=0.0,
            **settings,
        )

    async def load(self):
        self.reads += 1
        self.read.set()
        if self.failing:
            self.failing -= 1
            raise TransportError("the venue is away")
        return [instrument("BTC"), instrument("ETH")]

    async def until_read(self):
        async with asyncio.timeout(10):
            await self.read.wait()
        self.read.clear()

    @contextlib.asynccontextmanager
    async def running(self):
        await self.desk.load()
        self.read.clear()
        task = asyncio.create_task(self.desk.run())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


def test_the_first_wish_is_served_at_once_and_the_next_waits(run):
    async def main():
        venue = Venue(least_s=LONG_S)
        async with venue.running():
            assert venue.desk.refresh()
            assert not venue.desk.refresh()  # it comes already
            await venue.until_read()
            assert venue.desk.refresh()  # in an hour
            await asyncio.sleep(0.01)
            assert venue.reads == 2
            assert venue.desk.refresh(urgent=True)  # the venue announced something
            await venue.until_read()
            assert venue.reads == 3

    run(main())


def test_a_definition_that_was_asked_for_is_told_even_if_it_is_the_same(run):
    async def main():
        venue = Venue()
        async with venue.running():
            assert venue.told == ["BTC", "ETH"]
            venue.desk.refresh("ETH")
            await venue.until_read()
            assert venue.told == ["BTC", "ETH", "ETH"]

    run(main())


def test_from_time_to_time_without_being_asked(run):
    async def main():
        venue = Venue(every_s=0.01)
        async with venue.running():
            for _ in range(3):
                await venue.until_read()

    run(main())


def test_a_failure_is_told_and_the_next_refresh_is_made(run):
    async def main():
        venue = Venue(every_s=0.01)
        async with venue.running():
            venue.failing = 1
            await venue.until_read()
            await venue.until_read()
            assert venue.errors == ["instruments could not be refreshed: the venue is away"]

    run(main())


def test_a_wish_survives_a_failure(run):
    async def main():
        venue = Venue(least_s=0.01)
        async with venue.running():
            venue.failing = 2
            venue.desk.refresh("BTC")
            for _ in range(3):
                await venue.until_read()
            assert venue.told == ["BTC", "ETH", "BTC"]

    run(main())
