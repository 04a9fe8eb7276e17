"""The Hyperliquid simulator with a quote so many times a second: what the bench's bots answer.

Started by `hyperliquid_trade.py` with the number of accounts. Prints the line `connectors sim`
would print, then obeys stdin: each line is a number of quotes a second. Everything else is the
simulator's own: signatures and nonces are checked, orders rest in its book, the streams tell of
them.
"""

from __future__ import annotations

import asyncio
import json
import sys

import uvloop

from connectors.sim.hyperliquid.channels import Channel
from connectors.sim.hyperliquid.config import SimConfig
from connectors.sim.hyperliquid.server import Simulator, start

COIN = "ETH"
BID, ASK = 2_500.0, 2_500.5  # below the market, so that what is bid behind it rests
START_RATE = 100.0


class Quotes:
    """Sends the best prices of one market, never the same twice in a row."""

    def __init__(self, sim: Simulator) -> None:
        self.sim = sim
        self.rate = START_RATE
        self.sent = 0

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due = max(due + 1.0 / self.rate, loop.time() - 0.1)
            await asyncio.sleep(max(0.0, due - loop.time()))
            self.send()

    def send(self) -> None:
        self.sent += 1
        step = (self.sent % 7) / 10
        sides = [
            {"px": f"{price + step:.1f}", "sz": f"{1 + self.sent % 3}.25", "n": 3}
            for price in (BID, ASK)
        ]
        now_ms = self.sim.clock.now_ms()
        data = {"coin": COIN, "time": now_ms, "bbo": sides}
        self.sim.publisher.deliver(Channel("bbo", COIN), data)


async def serve(accounts: int) -> None:
    sim = await start(SimConfig(accounts=accounts, rate_per_s=0.0, block_ms=0.0))
    quotes = Quotes(sim)
    running = asyncio.create_task(quotes.run())
    print(json.dumps(sim.describe()), flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        quotes.rate = float(line)
        print("ok", flush=True)
    running.cancel()
    await sim.stop()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
