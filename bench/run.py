"""Run benchmarks: `python -m bench [question...] [--quick]`.

Prints a table for each question, writes JSON, Markdown and PNG plots under bench/results/. A goal
that is missed is marked in the table and changes nothing else: the exit code says only whether the
benchmarks ran.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench import ROOT, machine, report
from bench.measure import QUICK, Group, Plan

__all__ = ["QUESTIONS", "main"]

QUESTIONS = {
    "decode": "a Binance frame to an event in a Python callback",
    "lighter": "a Lighter frame to an event, a frame of fills to events",
    "ticks": "decimal text to whole ticks",
    "dedup": "have I seen this id before?",
    "book": "an update applied to an order book",
    "execution": "fills and modifications to their events, ten thousand orders reconciled",
    "hyperliquid": "a Hyperliquid frame to an event, a row or a book",
    "dydx": "a dYdX frame to an event or a book",
    "ibkr": "a market data frame of IBKR merged, to quotes and trades",
    "hyperliquid_sign": "a Hyperliquid action signed",
    "hyperliquid_trade": "a Hyperliquid order from the call, or the quote, to the signed bytes",
    "lighter_trade": "a Lighter order from the call, or the quote, to the signed bytes",
    "flood": "CPU for each message of a flood, from the socket to the callback",
    "paced": "latency of single messages, from the sender to the callback",
    "lighter_sign": "a Lighter order to a signed transaction",
    "imports": "time and memory of an import",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run what the command line names; everything without names."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.split("\n")[0])
    parser.add_argument("questions", nargs="*", metavar="QUESTION", help=", ".join(QUESTIONS))
    parser.add_argument("--quick", action="store_true", help="few rounds: under a minute in all")
    parser.add_argument("--rounds", type=int, help="rounds of timed code")
    parser.add_argument("--results", type=Path, default=ROOT / "bench" / "results")
    parser.add_argument("--no-plots", action="store_true")
    options = parser.parse_args(argv)
    unknown = [name for name in options.questions if name not in QUESTIONS]
    if unknown:
        parser.error(f"no such question: {', '.join(unknown)}; there are {', '.join(QUESTIONS)}")
    plan = replace(QUICK if options.quick else Plan(), progress=Status())
    if options.rounds:
        plan = replace(plan, rounds=options.rounds, socket_rounds=options.rounds)
    started = time.monotonic()
    found = {name: ask(name, plan) for name in options.questions or QUESTIONS}
    write(found, options.results, quick=options.quick, plots=not options.no_plots)
    print(report.summary([group for groups in found.values() for group in groups]))
    print(f"\n{time.monotonic() - started:.0f} s; results in {options.results}")
    return 0


def ask(name: str, plan: Plan) -> list[Group]:
    """Answer one question and print the answer."""
    print(f"== {name}: {QUESTIONS[name]}\n", flush=True)
    groups: list[Group] = importlib.import_module(f"bench.{name}").run(plan)
    plan.progress("")
    for group in groups:
        print(report.table(group), end="\n\n", flush=True)
    return groups


def write(found: dict[str, list[Group]], folder: Path, *, quick: bool, plots: bool) -> None:
    """Write `results.json`, `results.md` and a PNG for each question into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    where = machine.describe()
    content = {
        "machine": where,
        "quick": quick,
        "questions": {name: [g.to_json() for g in groups] for name, groups in found.items()},
    }
    (folder / "results.json").write_text(json.dumps(content, indent=1) + "\n")
    foot = machine.one_line(where)
    body = "\n".join(
        f"## {name}: {QUESTIONS[name]}\n\n{report.markdown(groups)}"
        for name, groups in found.items()
    )
    (folder / "results.md").write_text(f"{body}\n{foot}\n")
    print(foot, end="\n\n")
    if not plots:
        return
    try:
        from bench import plot
    except ModuleNotFoundError as error:
        print(f"no plots: {error.name} is not installed (dependency group `bench`)\n")
        return
    for path in plot.draw(found, folder, foot):
        print(f"plot {path}")
    print()


class Status:
    """One line on a terminal that tells how far we are; silent elsewhere."""

    def __init__(self) -> None:
        self._width = 0

    def __call__(self, text: str) -> None:
        if not sys.stderr.isatty():
            return
        sys.stderr.write("\r" + text.ljust(self._width) + ("" if text else "\r"))
        sys.stderr.flush()
        self._width = len(text)
