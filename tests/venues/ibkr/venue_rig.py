"""A simulator and clients of it, without the venue's five seconds between two lists."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from connectors.ibkr.account_client import AccountClient
from connectors.ibkr.config import Config, Timers
from connectors.ibkr.keeper import SessionKeeper
from connectors.ibkr.pacing import _QUOTAS, ALL, Pacer
from connectors.ibkr.rest import IbkrRest
from connectors.net.ratelimit import RateLimiter, WindowQuota
from connectors.sim.ibkr.server import Simulator, start

__all__ = ["TIMERS", "login", "owned", "venue"]

MANY = WindowQuota(10_000, 1.0)
TIMERS = Timers(reconnect_min_s=0.05, reconnect_max_s=0.5)


@contextlib.asynccontextmanager
async def venue(**changes: Any) -> AsyncIterator[Simulator]:
    """Run a simulator with a still market."""
    settings: dict[str, Any] = {"rate_per_s": 0.0, "questions": False, "md_interval_ms": 20.0}
    sim = await start(**(settings | changes))
    try:
        yield sim
    finally:
        await sim.stop()


@contextlib.asynccontextmanager
async def login(sim: Simulator, **settings: Any) -> AsyncIterator[SessionKeeper]:
    """Give a session to be shared by clients."""
    config = Config.sim(sim.rest_url, **({"timers": TIMERS} | settings))
    pacer = Pacer(config.pacing)
    pacer.limiter = RateLimiter({ALL: MANY, **dict.fromkeys(_QUOTAS, MANY)})
    rest = IbkrRest(config, pacer=pacer)
    try:
        yield SessionKeeper(config, rest=rest)
    finally:
        await rest.close()


@contextlib.asynccontextmanager
async def owned(sim: Simulator, told: list[Any], **settings: Any) -> AsyncIterator[AccountClient]:
    """Run a client of the account that tells everything to one list."""
    async with (
        login(sim) as keeper,
        AccountClient(keeper=keeper, on_event=told.append, on_status=told.append, **settings) as it,
    ):
        yield it
