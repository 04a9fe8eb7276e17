"""`connectors demo`: stream and trade on the simulators, break what can break, check everything.

First market data of Binance Futures (`demo_streaming`); then, all at the same time, trading on
Lighter and Hyperliquid (`demo_trading`), and markets and an account of dYdX and IBKR
(`demo_watching`). Each simulator runs in a process of its own. Nothing here is staged: the client
does not know which connection will be reset nor which updates will be withheld, and what it shows
at the end is held against the simulator's own books and accounts. The exit status is 0 only if all
of it is true.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

from .._loop import run
from ..errors import ConnectorError
from .demo_base import VenueDemo
from .demo_checks import Check, Story
from .demo_streaming import StreamingDemo
from .demo_trading import TradingDemo
from .demo_trading import picture_of as trading_picture
from .demo_venues import HyperliquidVenue, LighterVenue, TradedVenue
from .demo_watched import DydxVenue, IbkrVenue, WatchedVenue
from .demo_watching import WatchingDemo
from .demo_watching import picture_of as watching_picture
from .screen import open_screen
from .simulator import SimulatorAdmin, SimulatorProcess

__all__ = ["run_demo"]

STREAM_RATE_PER_S = 2_500
BOOK_LEVELS = 40
TRADE_RATE_PER_S = 100
TRADED: tuple[type[TradedVenue], ...] = (LighterVenue, HyperliquidVenue)
WATCHED: tuple[type[WatchedVenue], ...] = (DydxVenue, IbkrVenue)


async def _stream(symbols: int, seed: int, plain: bool) -> list[Check]:
    print(f"starting the Binance simulator with {symbols} instruments in its own process")
    options = {"symbols": symbols, "seed": seed, "rate": STREAM_RATE_PER_S, "levels": BOOK_LEVELS}
    arguments = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    async with (
        SimulatorProcess("binance", *arguments) as simulator,
        SimulatorAdmin(simulator.root_url) as admin,
    ):
        with open_screen(plain=plain) as screen:
            demo = StreamingDemo(admin, simulator.http_url, screen)
            async with demo.client:
                await demo.play()
                screen.show(demo.picture())
    print("\n".join(["", "summary", *shown(demo.checks), "", *demo.summary()]))
    return demo.checks


async def _trade_and_watch(seed: int, plain: bool) -> list[Check]:
    kinds: tuple[type[TradedVenue | WatchedVenue], ...] = (*TRADED, *WATCHED)
    names = [kind.name for kind in kinds]
    print(f"\nstarting the simulators of {', '.join(names[:-1])} and {names[-1]}")
    async with AsyncExitStack() as stack:
        story = Story()
        traders: list[TradingDemo] = []
        watchers: list[WatchingDemo] = []

        def draw() -> None:
            screen.show(trading_picture(traders, story), watching_picture(watchers))

        options = ("--seed", str(seed), "--rate", str(TRADE_RATE_PER_S))
        processes = [SimulatorProcess(k.name.lower(), *options, *k.options) for k in kinds]
        await asyncio.gather(*(stack.enter_async_context(process) for process in processes))
        screen = stack.enter_context(open_screen(plain=plain))
        admins = [
            await stack.enter_async_context(SimulatorAdmin(process.root_url))
            for process in processes
        ]
        given = iter(zip(admins, processes, strict=True))
        for trader in TRADED:
            admin, process = next(given)
            traders.append(TradingDemo(trader, admin, process.ready, story=story, draw=draw))
        for watcher in WATCHED:
            admin, process = next(given)
            watchers.append(WatchingDemo(watcher, admin, process.ready, story=story, draw=draw))
        demos: tuple[VenueDemo[Any], ...] = (*traders, *watchers)
        try:
            async with asyncio.TaskGroup() as tasks:
                for demo in demos:
                    tasks.create_task(demo.run())
        except ExceptionGroup as failed:  # the first has ended the others
            raise failed.exceptions[0] from None
        draw()
    print("\nsummary")
    for name, demo in zip(names, demos, strict=True):
        print("\n".join([f" {name}", *shown(demo.checks), "", *demo.summary(), ""]))
    return [check for demo in demos for check in demo.checks]


def shown(checks: Sequence[Check]) -> list[str]:
    """Return two lines for each check: the claim, and the numbers behind it."""
    lines = []
    for check in checks:
        lines.append(f"  {'ok    ' if check.held else 'FAILED'} {check.claim}")
        lines.append(f"         {check.evidence}")
    return lines


async def _demo(symbols: int, seed: int, plain: bool, within_s: float) -> int:
    try:
        async with asyncio.timeout(within_s):
            checks = await _stream(symbols, seed, plain)
            checks += await _trade_and_watch(seed, plain)
    except TimeoutError:
        text = f"the demo did not end within {within_s:g} s; give a busy machine more: --within"
        raise ConnectorError(text) from None
    failed = [check for check in checks if not check.held]
    print(f"{len(checks) - len(failed)} of {len(checks)} checks held")
    return 1 if failed else 0


def run_demo(
    *, symbols: int = 300, seed: int = 7, plain: bool = False, within_s: float = 28.0
) -> int:
    """Run the demo; return 0 if everything it showed really happened, else 1.

    Raises
    ------
    ConnectorError
        It did not end within `within_s` seconds.
    """
    return run(_demo(symbols, seed, plain, within_s))
