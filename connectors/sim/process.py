"""The life of a simulator's process: options, one line of JSON, signals, exit status."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeVar

import orjson

from .server import VenueServer
from .settings import Settings

__all__ = ["add_no_verify", "changes", "names", "option_parser", "run", "serve"]

S = TypeVar("S", bound=Settings)


def option_parser(
    venue: str, description: str, scenarios: Iterable[str]
) -> argparse.ArgumentParser:
    """Return a parser with the options every simulator has; a venue adds its own."""
    parser = argparse.ArgumentParser(prog=f"connectors sim {venue}", description=description)
    parser.add_argument("--port", type=int, help="port to listen on (default: a free one)")
    parser.add_argument("--scenario", choices=sorted(scenarios), default="calm")
    parser.add_argument("--seed", type=int, help="seed of market, accounts and faults")
    parser.add_argument("--accounts", type=int, help="number of trading accounts")
    parser.add_argument(
        "--rate", dest="rate_per_s", type=float, help="the simulated traders' actions per second"
    )
    parser.add_argument("--speed", type=float, help="how much faster than real time passes")
    parser.add_argument("--tls-cert", metavar="PEM", help="certificate: speak https and wss")
    parser.add_argument("--tls-key", metavar="PEM", help="its private key")
    return parser


def add_no_verify(parser: argparse.ArgumentParser) -> None:
    """Add the switch of venues that verify signatures (`verify` in their settings)."""
    parser.add_argument(
        "--no-verify",
        dest="verify",
        action="store_false",
        default=None,
        help="take signatures unchecked (load only)",
    )


def names(text: str) -> tuple[str, ...]:
    """Take a comma-separated option apart."""
    return tuple(part for part in text.split(",") if part)


def changes(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the settings that were given on the command line."""
    given = {name: value for name, value in vars(arguments).items() if value is not None}
    del given["scenario"]
    return given


def serve(
    parser: argparse.ArgumentParser,
    argv: Sequence[str] | None,
    settings: type[S],
    start: Callable[[S], Awaitable[VenueServer[Any]]],
) -> int:
    """Be `connectors sim VENUE`: settings from the command line, then `run`."""
    arguments = parser.parse_args(argv)
    config = settings.of(arguments.scenario, **changes(arguments))
    return run(lambda: start(config))


def run(start: Callable[[], Awaitable[VenueServer[Any]]]) -> int:
    """Start a simulator, print one line of JSON when it is ready, run until SIGINT or SIGTERM.

    Returns the exit status. What made the market stop by itself is raised.
    """
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(start))
    return 0


async def _serve(start: Callable[[], Awaitable[VenueServer[Any]]]) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    simulator = await start()
    try:
        ready = {"venue": simulator.venue, "pid": os.getpid(), **simulator.describe()}
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
