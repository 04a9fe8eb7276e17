"""What the bots of the trading benchmarks share: turns of so many orders, and what they cost.

A bot is a program of its own, asked on stdin. For each line with a number it sends that many orders
and answers with two numbers in JSON: µs of CPU for each order, of the process and of the thread of
the loop. This file is imported by such programs, some of which run in environments that have
nothing of ours: it needs the standard library alone.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable
from typing import Protocol

__all__ = ["Bot", "Turn", "serve"]

TIMEOUT_S = 120.0


class Turn:
    """Counts the orders of one turn; the clocks run from its first quote to its last answer."""

    def __init__(self, count: int) -> None:
        self.left = count
        self.begun: tuple[int, int] | None = None
        self.used = (0, 0)
        self.done = asyncio.Event()

    def begin(self) -> None:
        if self.begun is None:
            self.begun = (time.process_time_ns(), time.thread_time_ns())

    def end(self) -> None:
        self.left -= 1
        if self.left == 0:
            self.done.set()

    def stop(self) -> None:
        assert self.begun is not None
        self.used = (
            time.process_time_ns() - self.begun[0],
            time.thread_time_ns() - self.begun[1],
        )


class Bot(Protocol):
    """Answers quotes with orders."""

    async def open(self) -> None: ...
    async def trade(self, turn: Turn) -> None: ...
    async def close(self) -> None: ...


async def serve(make: Callable[[], Bot]) -> None:
    """Make a bot, on the running loop, and let it trade as long as it is asked to."""
    bot = make()
    await bot.open()
    print("ready", flush=True)
    loop = asyncio.get_running_loop()
    try:
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            turn = Turn(int(line))
            count = turn.left
            async with asyncio.timeout(TIMEOUT_S):
                await bot.trade(turn)
            process_ns, thread_ns = turn.used
            print(json.dumps([process_ns / count / 1e3, thread_ns / count / 1e3]), flush=True)
    finally:
        await bot.close()
