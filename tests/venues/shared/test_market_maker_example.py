"""The example trades on each simulator, from the command line, and ends by itself."""

from __future__ import annotations

import re

import pytest
from venues.example_run import run_example


@pytest.mark.parametrize(("venue", "seconds"), [("lighter", 2), ("hyperliquid", 6)])
def test_market_maker_on_the_simulator(venue: str, seconds: float) -> None:
    shown = run_example(venue, "market_maker.py", seconds, names_venue=True)
    assert "OrderAccepted" in shown
    assert "OrderCanceled" in shown or "OrderFilled" in shown
    assert re.search(r"\d+ fills, position -?[\d.]+ ETH-PERP$", shown)
