"""Memory that must not grow, each scenario in a process of its own.

`CONNECTORS_LEAK_FRAMES=10000000` decodes as many frames as BN-TC-22 asks for.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("scenarios.py")
# The suite runs with PYTHONSAFEPATH, under which the current folder is not looked into.
FIND = f"import sys; sys.path.insert(0, {str(SCRIPT.parent)!r})\n"
FRAMES = int(os.environ.get("CONNECTORS_LEAK_FRAMES", "300000"))
# Rounds of the other scenarios cost more than a frame.
ROUNDS = {
    "decode": FRAMES, "consumer_that_stopped": FRAMES, "native_handler": FRAMES // 6,
    "raising": FRAMES // 6, "without_on_problem": FRAMES // 10, "off_scale": FRAMES // 3,
    "big_books": FRAMES // 40, "listener": FRAMES // 20, "ticks": FRAMES // 40,
    "scanner": FRAMES // 6, "symbols": FRAMES // 60, "lighter_signer": FRAMES // 75,
    "hyperliquid_signer": FRAMES // 100, "hyperliquid_frames": FRAMES // 3,
    "dydx_frames": FRAMES // 3, "ibkr_frames": FRAMES // 3,
}  # fmt: skip
# One leaked object of the smallest kind in every round would be far beyond both.
MOST_BYTES = 2 << 20
MOST_BLOCKS = 1000

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")


def run(name: str, rounds: int) -> dict[str, int]:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), name, str(rounds)],
        capture_output=True,
        text=True,
        timeout=3600,
        cwd=SCRIPT.parent,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, int] = json.loads(done.stdout)
    return result


@pytest.mark.parametrize("name", ROUNDS)
def test_memory_stays_flat(name):
    """BN-TC-22 for `consumer_that_stopped`."""
    growth = run(name, ROUNDS[name])
    assert growth["blocks"] < MOST_BLOCKS, growth
    assert growth["resident_bytes"] < MOST_BYTES, growth


def test_every_scenario_is_run():
    names = subprocess.run(
        [sys.executable, "-c", FIND + "import scenarios; print(*scenarios.SCENARIOS)"],
        capture_output=True,
        text=True,
        check=True,
        cwd=SCRIPT.parent,
        timeout=60,
    )
    assert set(names.stdout.split()) == set(ROUNDS)


@pytest.mark.parametrize("leak", ["kept.append(object())", "kept.append(bytes(1000))"])
def test_a_leak_would_be_seen(leak):
    """The bounds are tight enough for what they are there for."""
    script = (
        FIND + "import json, scenarios\n"
        "kept = []\n"
        f"scenarios.SCENARIOS['leak'] = lambda: lambda i: {leak}\n"
        "print(json.dumps(scenarios.measure('leak', 5000)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        cwd=SCRIPT.parent,
        timeout=60,
    )
    growth = json.loads(done.stdout)
    assert growth["blocks"] >= MOST_BLOCKS or growth["resident_bytes"] >= MOST_BYTES
