"""How much CPU does a message cost from the socket to the callback, when they come in a flood?"""

from __future__ import annotations

import time
from typing import Any

import uvloop

from bench.clients import CLIENTS, Client, serving
from bench.measure import Claim, Group, Plan, Series, interleave

__all__ = ["run"]

# Messages of a turn: a good quarter of a second for each client.
COUNTS = {
    "tickwire": 400_000,
    "picows + msgspec, floats": 250_000,
    "picows + msgspec, text": 250_000,
    "picows + orjson, floats": 120_000,
    "websockets + msgspec, floats": 20_000,
    "aiohttp + msgspec, floats": 100_000,
}


def run(plan: Plan) -> list[Group]:
    names = list(CLIENTS)
    counts = [max(2_000, int(COUNTS[name] * plan.socket_scale)) for name in names]
    with serving() as url:
        for name in names:
            cpu_us(CLIENTS[name], url, 2_000)
        samples = interleave(
            names,
            plan.socket_rounds,
            lambda i: cpu_us(CLIENTS[names[i]], url, counts[i]),
            plan.progress,
            "flood",
        )
    return [
        Group(
            "flood of bookTickers",
            "µs",
            [Series(name, s) for name, s in zip(names, samples, strict=True)],
            [Claim("picows + msgspec, floats", at_most=0.3)],
            "client CPU (user and system) per message, socket -> event -> Python callback",
        )
    ]


def cpu_us(client: Client, url: str, count: int) -> float:
    """Take `count` messages; return µs of this process's CPU time for each."""
    got = 0

    def callback(event: Any) -> None:
        nonlocal got
        got += 1

    start = 0

    def begin() -> str:
        nonlocal start
        start = time.process_time_ns()
        return f"flood {count}"

    async def work() -> float:
        await client(url, begin, callback)
        return (time.process_time_ns() - start) / count / 1000

    used = uvloop.run(work())
    if got != count:
        raise AssertionError(f"{got} of {count} messages reached the callback")
    return used
