"""`connectors sim ibkr`: run one simulator until it is told to stop."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from ..process import option_parser, serve
from .config import SCENARIOS, SimConfig
from .server import start

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Start a simulator, print one line of JSON when it is ready, run until SIGINT or SIGTERM."""
    return serve(_parser(), argv, SimConfig, start)


def _parser() -> argparse.ArgumentParser:
    parser = option_parser(
        "ibkr", "IBKR's Client Portal gateway on 127.0.0.1, for tests and benchmarks.", SCENARIOS
    )
    parser.add_argument(
        "--tls", choices=("expired", "valid", "impostor"), help="https with a test certificate"
    )
    parser.add_argument("--levels", type=int, help="price levels per side at the start")
    parser.add_argument(
        "--opcodes", choices=("mixed", "text", "binary"), help="of the frames to clients"
    )
    parser.add_argument(
        "--md-interval-ms", type=float, help="time between two updates of a market data line"
    )
    parser.add_argument(
        "--oauth", action="store_true", default=None, help="be the cloud host: requests are signed"
    )
    parser.add_argument(
        "--query-signing", choices=("excluded", "params", "in_url"), help="in signed requests"
    )
    parser.add_argument("--pacing", action="store_true", default=None, help="enforce the limits")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
