"""The example trades on each simulator, from the command line, and ends by itself."""

from __future__ import annotations

import pytest
from venues.example_run import example_shows


@pytest.mark.parametrize("venue", ["lighter", "hyperliquid"])
def test_market_maker_on_the_simulator(venue: str) -> None:
    example_shows(
        ("OrderAccepted", "OrderCanceled|OrderFilled", r"\d+ fills, position -?[\d.]+ ETH-PERP$"),
        venue, "market_maker.py", seconds=2, names_venue=True,
    )  # fmt: skip
