"""The statistical test of bench/lighter_timing.py sees what it is there to see.

What it says of the signer is for a quiet machine and a long run, not for a test.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))  # last, so that an installed package wins

from bench import lighter_timing as timing  # noqa: E402


def test_t_of_two_known_samples():
    """Means 2 and 5, variances 1 and 4 of three and four values."""
    assert timing.welch([1, 2, 3], [3, 4, 6, 7]) == pytest.approx(-3 / (1 / 3 + 10 / 12) ** 0.5)
    assert timing.welch([5, 5], [5, 5]) == 0


def test_classes_drawn_alike_do_not_differ_and_shifted_ones_do():
    draw = random.Random(5)
    a, b = ([round(draw.gauss(1000, 30)) for _ in range(5_000)] for _ in range(2))
    assert abs(timing.welch(a, b)) < timing.LIMIT
    assert abs(timing.welch(a, [value + 4 for value in b])) > timing.LIMIT


def test_an_operation_that_depends_on_its_input_is_told_apart():
    found = timing.measure("sqrt", 4, 20_000)
    assert found.differs
    assert found.count >= 10_000


@pytest.mark.parametrize("operation", timing.OPERATIONS)
def test_every_operation_is_measured(operation):
    found = timing.measure(operation, 1, 4_000, "one")
    assert found.median > 0
    assert (found.operation, found.fixed) == (operation, "one")
