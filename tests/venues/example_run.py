"""Run an example as a user does: fed by a simulator of its own, from the command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

__all__ = ["run_example"]

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def run_example(
    venue: str, name: str, seconds: float, *options: str, names_venue: bool = False
) -> str:
    """Return what an example prints with `connectors sim VENUE OPTIONS` in front of it.

    `names_venue` is for one that is told which venue it trades on.
    """
    example = EXAMPLES / name
    if not example.exists():
        pytest.skip("the examples are not part of this install")
    assert len(example.read_text().splitlines()) < 100
    simulator = subprocess.Popen(
        [sys.executable, "-P", "-m", "connectors", "sim", venue, *options],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert simulator.stdout is not None
        done = subprocess.run(
            [sys.executable, "-P", str(example), *(venue,) * names_venue, "sim", f"{seconds:g}"],
            stdin=simulator.stdout,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()
    finally:
        simulator.terminate()
        assert simulator.wait(60) == 0
        simulator.stdout.close()  # type: ignore[union-attr]
