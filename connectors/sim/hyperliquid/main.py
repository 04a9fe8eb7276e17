"""`connectors sim hyperliquid`: run one simulator until it is told to stop."""

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

from .config import LIMITS, SCENARIOS, SimConfig
from .server import start

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Start a simulator, print one line of JSON when it is ready, run until SIGINT or SIGTERM."""
    arguments = _parser().parse_args(argv)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    changes = {
        name: value
        for name, value in vars(arguments).items()
        if value is not None and name != "scenario"
    }
    for name in ("modify_sequence", "limits"):
        if name in changes:
            changes[name] = tuple(part for part in changes[name].split(",") if part)
    config = SimConfig.of(arguments.scenario, **changes)
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
        ready = {"venue": "hyperliquid", "pid": os.getpid(), **simulator.describe()}
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
        prog="connectors sim hyperliquid",
        description="Hyperliquid on 127.0.0.1, for tests and benchmarks.",
    )
    parser.add_argument("--port", type=int, help="port to listen on (default: a free one)")
    parser.add_argument("--scenario", choices=sorted(SCENARIOS), default="calm")
    parser.add_argument("--seed", type=int, help="seed of market, accounts and faults")
    parser.add_argument("--accounts", type=int, help="number of wallets")
    parser.add_argument(
        "--network", choices=("mainnet", "testnet"), help="what signatures must be for"
    )
    parser.add_argument("--levels", type=int, help="price levels per side at the start")
    parser.add_argument(
        "--rate", dest="rate_per_s", type=float, help="the house's actions per second"
    )
    parser.add_argument("--block-ms", type=float, help="time between blocks, 0 for none")
    parser.add_argument(
        "--modify-sequence", metavar="STEPS", help="such as canceled,open,fills,reply"
    )
    parser.add_argument("--limits", metavar="NAMES", help=f"of: {', '.join(LIMITS)}")
    parser.add_argument(
        "--no-verify",
        dest="verify",
        action="store_false",
        default=None,
        help="take signatures unchecked (load only)",
    )
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
