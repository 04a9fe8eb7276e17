"""The `connectors` command.

connectors demo                          stream and trade on simulators, break them, check all
connectors watch VENUE INSTRUMENT...     live quotes, trades and latency
connectors sim VENUE                     run a venue's simulator on 127.0.0.1
connectors version                       versions of the package and of what it stands on
"""

from __future__ import annotations

import argparse
import importlib
import platform
import sys
from collections.abc import Callable, Sequence

from .errors import ConnectorError

__all__ = ["SIMULATORS", "WATCHABLE", "main"]

SIMULATORS = {
    "binance": "connectors.sim.binance.main",
    "dydx": "connectors.sim.dydx.main",
    "hyperliquid": "connectors.sim.hyperliquid.main",
    "ibkr": "connectors.sim.ibkr.main",
    "lighter": "connectors.sim.lighter.main",
}
WATCHABLE = ("binance", "dydx", "hyperliquid", "ibkr", "lighter")
STANDS_ON = ("picows", "uvloop", "orjson", "numpy", "aiohttp", "pycryptodome", "coincurve")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status: 0 done, 1 failed, 2 wrong usage."""
    arguments = _parser().parse_args(argv)
    run: Callable[[argparse.Namespace], int] = arguments.run
    try:
        return run(arguments)
    except ConnectorError as error:
        print(f"connectors: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="connectors", description=(__doc__ or "").partition("\n")[0]
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="stream and trade on simulators, break them, check all")
    demo.add_argument(
        "--symbols", type=int, default=300, help="instruments to stream (default 300)"
    )
    demo.add_argument("--seed", type=int, default=7, help="seed of the simulated market")
    demo.add_argument("--plain", action="store_true", help="no table, one line a second")
    demo.add_argument(
        "--within", type=float, default=28, metavar="S", help="give up after S seconds (default 28)"
    )
    demo.set_defaults(run=_demo)

    watch = commands.add_parser("watch", help="live quotes, trades and latency")
    watch.add_argument("venue", metavar="VENUE", help=", ".join(WATCHABLE))
    watch.add_argument("instruments", metavar="INSTRUMENT", nargs="+", help="such as BTCUSDT-PERP")
    watch.add_argument("--env", choices=("mainnet", "testnet", "sim"), default="mainnet")
    watch.add_argument("--sim", metavar="URL", help="a running simulator, in place of a new one")
    watch.add_argument("--for", dest="seconds", type=float, metavar="S", help="end after S seconds")
    watch.add_argument("--plain", action="store_true", help="no table, a line for each instrument")
    watch.set_defaults(run=_watch)

    sim = commands.add_parser(
        "sim", help="run a venue's simulator on 127.0.0.1", epilog="`connectors sim VENUE --help`"
    )
    sim.add_argument("venue", metavar="VENUE", help=", ".join(SIMULATORS))
    sim.add_argument("options", metavar="...", nargs=argparse.REMAINDER, help="the simulator's own")
    sim.set_defaults(run=_sim)

    version = commands.add_parser("version", help="versions of the package and what it stands on")
    version.set_defaults(run=_version)
    return parser


def _unknown(what: str, name: str, known: Sequence[str]) -> int:
    print(
        f"connectors: no {what} for {name!r}; there is one for: {', '.join(known)}", file=sys.stderr
    )
    return 2


def _demo(arguments: argparse.Namespace) -> int:
    from ._cli.demo import run_demo

    return run_demo(
        symbols=arguments.symbols,
        seed=arguments.seed,
        plain=arguments.plain,
        within_s=arguments.within,
    )


def _watch(arguments: argparse.Namespace) -> int:
    if arguments.venue not in WATCHABLE:
        return _unknown("live view", arguments.venue, WATCHABLE)
    from ._cli.watch import run_watch

    return run_watch(
        arguments.venue,
        arguments.instruments,
        env="sim" if arguments.sim else arguments.env,
        sim_url=arguments.sim,
        seconds=arguments.seconds,
        plain=arguments.plain,
    )


def _sim(arguments: argparse.Namespace) -> int:
    if arguments.venue not in SIMULATORS:
        return _unknown("simulator", arguments.venue, tuple(SIMULATORS))
    simulate: Callable[[Sequence[str]], int] = importlib.import_module(
        SIMULATORS[arguments.venue]
    ).main
    return simulate(arguments.options)


def _version(arguments: argparse.Namespace) -> int:
    from importlib.metadata import PackageNotFoundError, version

    print(f"tickwire {version('tickwire')}")
    print(
        f"{platform.python_implementation()} {platform.python_version()} on {platform.platform()}"
    )
    for name in STANDS_ON:
        try:
            print(f"{name} {version(name)}")
        except PackageNotFoundError:
            print(f"{name} is not installed")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
