"""`connectors sim binance`: run one simulator until it is told to stop."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from ..process import changes, names, option_parser, run
from .config import SCENARIOS, SimConfig
from .server import start

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Start a simulator, print one line of JSON when it is ready, run until SIGINT or SIGTERM."""
    arguments = _parser().parse_args(argv)
    given = changes(arguments)
    scenario = "load" if given.pop("load") else arguments.scenario
    if scenario == "load" and "rate_per_s" in given:
        given["load_msgs_per_s"] = given.pop("rate_per_s")
    config = SimConfig.of(scenario, **given)
    return run(lambda: start(config))


def _parser() -> argparse.ArgumentParser:
    parser = option_parser(
        "binance",
        "Binance Futures (USD-M and COIN-M) on 127.0.0.1, for tests and benchmarks.",
        SCENARIOS,
    )
    parser.add_argument("--symbols", type=int, help="number of USD-M perpetuals")
    parser.add_argument("--coinm-symbols", type=int, help="number of COIN-M contracts")
    parser.add_argument("--levels", dest="book_levels", type=int, help="price levels per side")
    parser.add_argument(
        "--routes",
        dest="route_check",
        choices=("silent", "reject", "all"),
        help="what a stream of another route gets",
    )
    parser.add_argument("--max-streams", type=int, help="streams per connection")
    parser.add_argument(
        "--load", action="store_true", help="same as --scenario load; --rate is messages per second"
    )
    parser.add_argument(
        "--load-kinds", type=names, help="bookTicker, aggTrade, depth; comma separated"
    )
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
