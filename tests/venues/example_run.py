"""Run an example as a user does: fed by a simulator of its own, from the command line."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

__all__ = ["example_shows"]

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def example_shows(
    words: Sequence[str],
    venue: str,
    name: str,
    *options: str,
    seconds: float,
    names_venue: bool = False,
) -> None:
    """See that an example with `connectors sim VENUE OPTIONS` in front of it shows these patterns.

    It runs for so many seconds. Where the machine was busy with something else in them, and
    something is missing, it runs again, and longer.
    """
    for longer in (1, 5, 20):
        shown = _run(venue, name, seconds * longer, options, names_venue=names_venue)
        missing = [each for each in words if not re.search(each, shown)]
        if not missing:
            return
    raise AssertionError(f"{name} does not show {missing}: {shown[-2_000:]}")


def _run(
    venue: str, name: str, seconds: float, options: Sequence[str], *, names_venue: bool
) -> str:
    """Return what an example prints; `names_venue` is for one that is told where it trades."""
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
