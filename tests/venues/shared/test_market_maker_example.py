"""The example trades on each simulator, from the command line, and ends by itself."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "market_maker.py"


@pytest.mark.skipif(not EXAMPLE.exists(), reason="the examples are not part of this install")
@pytest.mark.parametrize(("venue", "seconds"), [("lighter", 2), ("hyperliquid", 6)])
def test_market_maker_on_the_simulator(venue: str, seconds: int) -> None:
    assert len(EXAMPLE.read_text().splitlines()) < 100
    simulator = subprocess.Popen(
        [sys.executable, "-P", "-m", "connectors", "sim", venue],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert simulator.stdout is not None
        done = subprocess.run(
            [sys.executable, "-P", str(EXAMPLE), venue, "sim", str(seconds)],
            stdin=simulator.stdout,
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "OrderAccepted" in done.stdout
        assert "OrderCanceled" in done.stdout or "OrderFilled" in done.stdout
        assert re.search(r"\d+ fills, position -?[\d.]+ ETH-PERP$", done.stdout.strip())
    finally:
        simulator.terminate()
        assert simulator.wait(60) == 0
        simulator.stdout.close()  # type: ignore[union-attr]
