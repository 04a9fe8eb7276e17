"""Streams that are wanted are asked for until they are there."""

from __future__ import annotations

import asyncio
import random

import pytest

from connectors.binance.interest import Interest
from connectors.errors import ClientError
from connectors.model import Subscription
from connectors.net.backoff import Backoff, BackoffPolicy
from connectors.net.ratelimit import QuotaExceeded
from patience import GRACE_S


class FakePool:
    """Refuses to subscribe with the given errors, one after the other."""

    capacity = 10

    def __init__(self, *errors):
        self.errors = list(errors)
        self.stream_names = []

    async def connect(self):
        pass

    async def unsubscribe(self, names):
        self.stream_names = [name for name in self.stream_names if name not in names]

    async def subscribe(self, names):
        if self.errors:
            raise self.errors.pop(0)
        self.stream_names = list(dict.fromkeys([*self.stream_names, *names]))


@pytest.mark.parametrize(
    "error",
    [
        QuotaExceeded("rate limit venue: not free within 120 s", retry_after_s=300.0),
        ClientError("Handler not available for pool slot 0: the session ended"),
    ],
    ids=["attempt budget", "connection being replaced"],
)
def test_a_wish_survives_errors_that_pass(run, monkeypatch, error):
    """The budget of BN-S-14 and a connection of BN-S-86 come back without a new wish."""
    monkeypatch.setattr("connectors.binance.interest.REFUSED_RETRY_S", 0.01)

    async def main():
        pool, errors = FakePool(error), []
        interest = Interest(
            pool,
            errors.append,
            Backoff(BackoffPolicy(initial_s=0.01, maximum_s=0.02), random.Random(1)),
        )
        task = asyncio.create_task(interest.run())
        try:
            name = "btcusdt@aggTrade"
            interest.add([name], Subscription("trades", (name,), lambda each: None))
            async with asyncio.timeout(GRACE_S):
                while not pool.stream_names:  # noqa: ASYNC110 - it may become true by anybody's doing
                    await asyncio.sleep(0.005)
            assert errors == [error]
        finally:
            interest.close()
            task.cancel()
            await asyncio.wait([task])

    run(main())
