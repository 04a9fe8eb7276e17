"""The example and the view from the command line, against a simulator of their own."""

from __future__ import annotations

import re
import subprocess
import sys

from venues.example_run import run_example


def test_the_tape_of_the_simulator() -> None:
    shown = run_example("dydx", "dydx_tape.py", 3, "--rate", "100")
    for words in (r"\bLIVE\b", r" \| ", r"took [\d.]+ at", r"oracle [\d.]+, funding",
                  r"block 66624\d+", r"\d+ bids, \d+ asks, \d+ uncrossed$"):  # fmt: skip
        assert re.search(words, shown), (words, shown[-2_000:])


def test_watch_shows_the_markets_of_a_simulator() -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "connectors", "watch", "dydx", "BTC-USD-PERP", "ETH-USD-PERP",
         "--env", "sim", "--for", "2.5", "--plain"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    last = done.stdout.strip().splitlines()[-2:]
    assert [line.split()[0] for line in last] == ["BTC-USD-PERP", "ETH-USD-PERP"]
    assert all(re.search(r"[\d.]+ @ [\d.]+ \| [\d.]+ @ [\d.]+", line) for line in last)
