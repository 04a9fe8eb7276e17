"""What the three traders of `test_three_clients` agree on; imports nothing."""

from __future__ import annotations

__all__ = ["MARKET_ID", "MIDDLE", "PAUSE_S", "SIZES", "SWING"]

MARKET_ID = 0  # ETH
MIDDLE = 235_000  # ticks; each trader's idea of the price wanders around it, so that they cross
SWING = 40  # a distance of so many ticks is pulled back by one each time
SIZES = (50, 80, 130, 210, 340)  # lots
PAUSE_S = 0.01
