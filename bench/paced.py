"""How long does a single message take from its sender to the callback?"""

from __future__ import annotations

import time
from typing import Any

import uvloop

from bench.clients import CLIENTS, Client, serving
from bench.measure import Group, Plan, Series, interleave, order

__all__ = ["run"]

PERIOD_US = 1_000
COUNT = 1_000


def run(plan: Plan) -> list[Group]:
    names = list(CLIENTS)
    count = max(200, int(COUNT * plan.socket_scale))
    rounds = max(3, plan.socket_rounds // 2)
    latencies: list[list[list[int]]] = [[] for _ in names]

    with serving() as url:
        for name in names:
            latency_ns(CLIENTS[name], url, 50)

        def turn(i: int) -> float:
            latencies[i].append(sorted(latency_ns(CLIENTS[names[i]], url, count)))
            return 0.0

        interleave(names, rounds, turn, plan.progress, "paced")
    rate = 1_000_000 // PERIOD_US
    note = (
        f"{rate} bookTickers/s, sender's clock to callback on loopback, the loop waiting in epoll"
    )
    return [
        Group(
            f"latency of paced messages, {label}",
            "µs",
            [
                Series(name, [order(turn, share) / 1000 for turn in turns], whole(turns))
                for name, turns in zip(names, latencies, strict=True)
            ],
            note=f"{note}; {label} of {count} messages, by round",
        )
        for label, share in (("p50", 0.5), ("p99", 0.99))
    ]


def whole(turns: list[list[int]]) -> str:
    """Say what all rounds together show."""
    ordered = sorted(value for turn in turns for value in turn)
    shown = [f"{label} {order(ordered, share) / 1000:.0f}" for label, share in SHARES]
    return f"all rounds: {', '.join(shown)}"


SHARES = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)]


def latency_ns(client: Client, url: str, count: int) -> list[int]:
    """Take `count` messages; return what each took."""
    times: list[int] = []
    clock = time.monotonic_ns

    def ours(event: Any) -> None:
        times.append(clock() - event.seq)

    def theirs(event: Any) -> None:
        times.append(clock() - event.u)

    async def work() -> None:
        callback = ours if client is CLIENTS["tickwire"] else theirs
        await client(url, lambda: f"paced {count} {PERIOD_US}", callback)

    uvloop.run(work())
    if len(times) != count:
        raise AssertionError(f"{len(times)} of {count} messages reached the callback")
    return times
