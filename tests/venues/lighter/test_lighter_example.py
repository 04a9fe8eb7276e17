"""The example trades on the simulator, from the command line, and ends by itself."""

from __future__ import annotations

import re

from venues.example_run import run_example


def test_market_maker_on_the_simulator() -> None:
    shown = run_example("lighter", "lighter_market_maker.py", 2)
    assert "OrderAccepted" in shown
    assert "OrderCanceled" in shown or "OrderFilled" in shown
    assert re.search(r"\d+ fills, position -?[\d.]+ ETH-PERP$", shown)
