"""Our client and the official SDK trade with each other on one simulator; all books agree (Q4)."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from faults.hyperliquid_ledger import COIN, Plan, Venue
from oracle.hyperliquid_official import find

SCRIPT = Path(__file__).with_name("official_trader.py")
ACTIONS, SEED = 120, 5
BOUND_S = 240.0


async def line_of(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), BOUND_S)
    assert line, "the SDK's trader ended; what it said stands above"
    return line.decode()


async def trade(python: str) -> tuple[Venue, Any, dict[str, Any], list[str]]:
    """Let both trade; return the venue, our bot, the SDK's books, and what of ours is wrong."""
    venue = Venue()
    with venue.shortened():
        await venue.start(Plan(seed=SEED, bots=2, pause_s=0.01))
        ours, spare = venue.bots
        theirs = venue.sim.accounts[1]
        await spare.client.close()  # the SDK has that account
        process = await asyncio.create_subprocess_exec(
            python, str(SCRIPT), venue.sim.http_url, theirs["private_key"], str(ACTIONS), str(SEED),
            stdout=asyncio.subprocess.PIPE, limit=1 << 24,
        )  # fmt: skip
        try:
            assert await line_of(process) == "trading\n"
            stopped = asyncio.Event()
            async with ours.client:
                trading = asyncio.create_task(ours.trade(stopped))
                books = json.loads(await line_of(process))
                stopped.set()
                await trading
                deadline = asyncio.get_running_loop().time() + 60
                while not venue.is_still(ours):
                    assert asyncio.get_running_loop().time() < deadline, "never still"
                    ours.client.cancel_all_orders()
                    await asyncio.sleep(0.2)
                await asyncio.sleep(0.3)
                wrong = venue.compare(ours)
            await asyncio.wait_for(process.wait(), 30)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            await venue.sim.stop()
    return venue, ours, books, wrong


def test_q4_two_clients_trade_with_each_other() -> None:
    python = find()
    if python is None:
        pytest.skip("the official SDK is not installed (make hyperliquid-sdk)")
    venue, ours, books, wrong = asyncio.run(asyncio.wait_for(trade(python), BOUND_S))
    assert wrong == []
    assert ours.repeated == []
    assert ours.strangers == []
    mine, his = (venue.sim.exchange.account(each["address"]) for each in venue.sim.accounts)
    # The SDK was shown what is in the venue's books, by REST and by its socket.
    booked = sorted(f"{row['tid']}/{row['oid']}" for row in his.fills)
    assert books["fills"] == booked
    assert books["shown"] == booked
    # Every trade stands in two places, with opposite sides and one id (only ours trade here).
    sides: Counter[int] = Counter()
    for account in (mine, his):
        for row in account.fills:
            sides[row["tid"]] += 1 if row["side"] == "B" else -1
    assert set(sides.values()) == {0}
    between = {row["tid"] for row in mine.fills} & {row["tid"] for row in his.fills}
    assert between, "the two never met"
    assert mine.lots(COIN) + his.lots(COIN) == 0
    market = venue.sim.exchange.markets[COIN]
    assert Decimal(books["position"]) == Decimal(market.size(his.lots(COIN)))
    assert books["modified"] > 0
