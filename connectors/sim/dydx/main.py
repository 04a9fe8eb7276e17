"""`connectors sim dydx`: run one simulator until it is told to stop."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from ..process import names, option_parser, serve
from .config import LIMITS, SCENARIOS, SimConfig
from .server import start

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Start a simulator, print one line of JSON when it is ready, run until SIGINT or SIGTERM."""
    return serve(_parser(), argv, SimConfig, start)


def _parser() -> argparse.ArgumentParser:
    parser = option_parser("dydx", "dYdX v4 on 127.0.0.1, for tests and benchmarks.", SCENARIOS)
    parser.add_argument("--markets", type=int, help="how many perpetual markets there are")
    parser.add_argument("--levels", type=int, help="price levels per side at the start")
    parser.add_argument("--block-ms", type=float, help="time between blocks, 0: only on command")
    parser.add_argument("--limits", type=names, metavar="NAMES", help=f"of: {', '.join(LIMITS)}")
    parser.add_argument(
        "--account-share", type=float, help="share of the traders' actions that accounts take"
    )
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
