"""Auth tokens when the clock of the host is set."""

from __future__ import annotations

import pytest

from connectors.lighter.tokens import Tokens
from connectors.net.clock import ManualClock

LIFETIME_S = 7 * 3_600


def made(clock: ManualClock) -> Tokens:
    return Tokens(lambda deadline_s: f"{deadline_s}:1:2:ab", lifetime_s=LIFETIME_S, clock=clock)


@pytest.mark.parametrize("step_s", [-7_200.0, -61.0, 61.0, 7_200.0])
def test_a_new_token_after_a_step_of_the_clock(step_s: float) -> None:
    """Two hours back make it live for nine, which the venue refuses every read for."""
    clock = ManualClock(wall_ns=1_795_000_000 * 10**9)
    tokens = made(clock)
    tokens.current()
    clock.step_wall(step_s)
    deadline_s = int(tokens.current().partition(":")[0])
    assert deadline_s == clock.wall_ns() // 10**9 + LIFETIME_S
    assert tokens.minted == 2
    assert tokens.current() == tokens.current()
    assert tokens.minted == 2


def test_a_small_step_changes_nothing() -> None:
    clock = ManualClock(wall_ns=1_795_000_000 * 10**9)
    tokens = made(clock)
    first = tokens.current()
    clock.advance(600.0)
    clock.step_wall(-5.0)
    assert tokens.current() == first
