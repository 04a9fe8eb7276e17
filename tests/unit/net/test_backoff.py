"""Backoff: BN-T-02 and the jitter other venues ask for."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import ConfigError
from connectors.net.backoff import Backoff, BackoffPolicy, Jitter


def test_bn_t_02_delays_without_jitter():
    backoff = Backoff(BackoffPolicy(jitter_amount=0.0), random.Random(1))
    assert [backoff.next_delay_s() for _ in range(8)] == [0, 0.5, 1, 2, 4, 5, 5, 5]
    backoff.reset()
    assert [backoff.next_delay_s() for _ in range(3)] == [0, 0.5, 1]


@given(st.integers())
def test_bn_t_02_jitter_keeps_within_bounds(seed):
    backoff = Backoff(BackoffPolicy(), random.Random(seed))
    assert backoff.next_delay_s() == 0
    for base in (0.5, 1, 2, 4, 5, 5):
        delay = backoff.next_delay_s()
        assert base <= delay <= min(base + 0.25, 5.0)


def test_bn_t_02_jitter_differs_between_clients_and_repeats_with_the_seed():
    def first(seed):
        backoff = Backoff(BackoffPolicy(immediate_first=False), random.Random(seed))
        return backoff.next_delay_s()

    assert first(1) != first(2)
    assert first(1) == first(1)


@given(st.integers())
def test_dx_s_23_the_largest_delay_leaves_room_for_the_jitter(seed):
    policy = BackoffPolicy(initial_s=0.25, jitter=Jitter.ROOM, jitter_amount=0.2)
    backoff = Backoff(policy, random.Random(seed))
    for nominal in (0.25, 0.5, 1, 2, 4, 4.8, 4.8):
        if nominal == 0.25:
            assert backoff.next_delay_s() == 0
        assert nominal <= backoff.next_delay_s() <= nominal + 0.2
    narrow = BackoffPolicy(initial_s=4, jitter=Jitter.ROOM, jitter_amount=3, immediate_first=False)
    assert 4 <= Backoff(narrow, random.Random(seed)).next_delay_s() <= 5


@given(st.integers())
def test_full_and_spread_jitter(seed):
    rng = random.Random(seed)
    full = BackoffPolicy(initial_s=0.25, jitter=Jitter.FULL, immediate_first=False)
    assert 0 <= Backoff(full, rng).next_delay_s() <= 0.25
    spread = BackoffPolicy(
        initial_s=1, maximum_s=60, jitter=Jitter.SPREAD, jitter_amount=0.2, immediate_first=False
    )
    assert 0.8 <= Backoff(spread, rng).next_delay_s() <= 1.2


@pytest.mark.parametrize(
    "bad",
    [
        {"initial_s": 0},
        {"initial_s": 6, "maximum_s": 5},
        {"factor": 0.5},
        {"jitter_amount": -1},
        {"jitter": Jitter.SPREAD, "jitter_amount": 1.5},
    ],
)
def test_impossible_policies_are_refused(bad):
    with pytest.raises(ConfigError):
        BackoffPolicy(**bad)
