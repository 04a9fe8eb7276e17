"""Waiting for what must come, on a machine that may be busy with something else.

A process may stand still for a second at any place. So tests wait for states, and what they wait
for may come late: only a test that fails waits to the end of its bound.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

__all__ = ["GRACE_S", "until"]

GRACE_S = 30.0
"""What is added to the time a wait should take."""


async def until(
    condition: Callable[[], object],
    timeout_s: float = 5.0,
    what: str = "",
    *,
    every_s: float = 0.005,
    grace_s: float = GRACE_S,
) -> None:
    """Wait until the condition holds; AssertionError naming `what` when it takes too long."""
    give_up = time.monotonic() + timeout_s + grace_s
    while not condition():
        if time.monotonic() > give_up:
            raise AssertionError(f"not within {timeout_s + grace_s:g} s: {what or condition}")
        await asyncio.sleep(every_s)
