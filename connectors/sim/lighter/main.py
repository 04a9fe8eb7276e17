"""`connectors sim lighter`: run one simulator until it is told to stop."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from ..process import add_no_verify, names, option_parser, serve
from .config import SCENARIOS, SimConfig
from .server import start

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Start a simulator, print one line of JSON when it is ready, run until SIGINT or SIGTERM."""
    return serve(_parser(), argv, SimConfig, start)


def _parser() -> argparse.ArgumentParser:
    parser = option_parser(
        "lighter", "Lighter (zkLighter) on 127.0.0.1, for tests and benchmarks.", SCENARIOS
    )
    parser.add_argument("--levels", type=int, help="price levels per side at the start")
    parser.add_argument(
        "--chain-ids", type=_numbers, help="chains signatures may be for, comma separated"
    )
    add_no_verify(parser)
    parser.add_argument("--ack-mode", help="shape of answers to websocket transactions")
    parser.add_argument("--taker-latency-ms", type=float, help="acceptance to execution, takers")
    parser.add_argument("--maker-latency-ms", type=float, help="acceptance to execution, others")
    return parser


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in names(text))


if __name__ == "__main__":
    raise SystemExit(main())
