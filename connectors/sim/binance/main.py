"""`connectors sim binance`: run one simulator until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence

import orjson

from .config import SCENARIOS, SimConfig
from .server import start

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Start a simulator, print one line of JSON when it is ready, run until SIGINT or SIGTERM."""
    arguments = _parser().parse_args(argv)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    changes = {
        name: value
        for name, value in vars(arguments).items()
        if value is not None and name not in ("scenario", "load")
    }
    scenario = "load" if arguments.load else arguments.scenario
    if "load_kinds" in changes:
        changes["load_kinds"] = tuple(changes["load_kinds"].split(","))
    if scenario == "load" and "rate_per_s" in changes:
        changes["load_msgs_per_s"] = changes.pop("rate_per_s")
    config = SimConfig.of(scenario, **changes)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(config))
    return 0


async def _serve(config: SimConfig) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    simulator = await start(config)
    try:
        ready = {"venue": "binance", "pid": os.getpid(), **simulator.describe()}
        sys.stdout.write(orjson.dumps(ready).decode() + "\n")
        sys.stdout.flush()
        await simulator.wait(stopped)
    finally:
        await simulator.stop()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    with contextlib.suppress(ImportError):
        import uvloop

        return uvloop.new_event_loop
    return None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="connectors sim binance",
        description="Binance Futures (USD-M and COIN-M) on 127.0.0.1, for tests and benchmarks.",
    )
    parser.add_argument("--port", type=int, help="port to listen on (default: a free one)")
    parser.add_argument("--tls-cert", metavar="PEM", help="certificate: speak https and wss")
    parser.add_argument("--tls-key", metavar="PEM", help="its private key")
    parser.add_argument("--scenario", choices=sorted(SCENARIOS), default="calm")
    parser.add_argument("--seed", type=int, help="seed of market, accounts and faults")
    parser.add_argument("--symbols", type=int, help="number of USD-M perpetuals")
    parser.add_argument("--coinm-symbols", type=int, help="number of COIN-M contracts")
    parser.add_argument("--accounts", type=int, help="number of trading accounts")
    parser.add_argument(
        "--rate",
        dest="rate_per_s",
        type=float,
        help="simulated actions per second; with --load: messages per second",
    )
    parser.add_argument("--levels", dest="book_levels", type=int, help="price levels per side")
    parser.add_argument(
        "--routes",
        dest="route_check",
        choices=("silent", "reject", "all"),
        help="what a stream of another route gets",
    )
    parser.add_argument("--max-streams", type=int, help="streams per connection")
    parser.add_argument("--load", action="store_true", help="same as --scenario load")
    parser.add_argument("--load-kinds", help="bookTicker, aggTrade, depth; comma separated")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
