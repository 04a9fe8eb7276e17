"""Bots of the trading benchmarks, and the simulators they trade on: each a process of its own."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.measure import Claim, Group, Plan, Series, interleave

__all__ = ["BotProcess", "configure", "simulator", "tick_to_trade"]

WAIT_S = 10
FIRST_TURN = 40  # orders nobody measures


class BotProcess:
    """A process that speaks as `turns` says.

    Parameters
    ----------
    script : str
        In this folder.
    python : str
        The interpreter of the bot's environment.
    """

    def __init__(
        self,
        script: str,
        kind: str,
        number: int,
        ready: dict[str, Any],
        python: str = sys.executable,
    ) -> None:
        path = Path(__file__).with_name(script)
        program = [python, "-P", "-W", "ignore", str(path)]
        self._process = subprocess.Popen(
            [*program, kind, str(number), json.dumps(ready)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._answer()

    def turn(self, orders: int) -> tuple[float, float]:
        """Trade; return µs of CPU for each order, of the process and of the loop's thread."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{orders}\n")
        self._process.stdin.flush()
        process, thread = json.loads(self._answer())
        return process, thread

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("a bot ended; what it said stands above")
        return line

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(WAIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


@contextlib.contextmanager
def simulator(arguments: Sequence[str], **changes: Any) -> Iterator[dict[str, Any]]:
    """Run `connectors sim` with these arguments; `changes` are made to its settings."""
    command = [sys.executable, "-P", "-m", "connectors", "sim", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            ready: dict[str, Any] = json.loads(process.stdout.readline())
            if changes:
                configure(ready, **changes)
            yield ready
        finally:
            process.terminate()


def configure(ready: dict[str, Any], **changes: Any) -> None:
    """Change settings of a running simulator."""
    request = urllib.request.Request(
        f"{ready['http']}/_sim/config", json.dumps(changes).encode(), method="POST"
    )
    urllib.request.urlopen(request, timeout=WAIT_S).read()


def tick_to_trade(
    title: str,
    bots: Mapping[str, BotProcess],
    rates: Sequence[tuple[float, int, str]],
    set_rate: Callable[[float], object],
    plan: Plan,
    *,
    note: str,
    claims: Sequence[Claim],
) -> list[Group]:
    """Let bots answer quotes, at each rate (quotes a second, orders of a turn, what it is).

    A claim about a bot that does not run is left out.
    """
    kept = [claim for claim in claims if claim.peer in bots]
    names = list(bots)
    for bot in bots.values():
        bot.turn(FIRST_TURN)
    found = []
    for rate, turn, what in rates:
        set_rate(rate)
        orders = max(30, int(turn * plan.socket_scale))
        here = f"{title}, {what}, {rate:g} quotes a second"
        samples = interleave(
            names,
            plan.socket_rounds,
            lambda i, orders=orders: bots[names[i]].turn(orders)[0],  # type: ignore[misc]
            plan.progress,
            here,
        )
        series = [Series(name, each) for name, each in zip(names, samples, strict=True)]
        found.append(Group(here, "µs", series, kept, note))
    return found
