"""The example and the view from the command line, against a simulator of their own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "dydx_tape.py"


@pytest.mark.skipif(not EXAMPLE.exists(), reason="the examples are not part of this install")
def test_the_tape_of_the_simulator() -> None:
    simulator = subprocess.Popen(
        [sys.executable, "-P", "-m", "connectors", "sim", "dydx", "--rate", "100"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert simulator.stdout is not None
        done = subprocess.run(
            [sys.executable, "-P", str(EXAMPLE), "sim", "3"],
            stdin=simulator.stdout,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        for words in (r"\bLIVE\b", r" \| ", r"took [\d.]+ at", r"oracle [\d.]+, funding",
                      r"block 66624\d+", r"\d+ bids, \d+ asks, \d+ uncrossed$"):  # fmt: skip
            assert re.search(words, done.stdout.strip()), (words, done.stdout[-2_000:])
    finally:
        simulator.terminate()
        assert simulator.wait(60) == 0
        simulator.stdout.close()  # type: ignore[union-attr]


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
