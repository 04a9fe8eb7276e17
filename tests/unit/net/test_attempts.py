"""AttemptBudget: BN-S-14."""

from __future__ import annotations

import pytest

from connectors.net.attempts import AttemptBudget, attempt_key, is_loopback, shared_attempts
from connectors.net.clock import ManualClock


def test_bn_s_14_one_per_second_burst_five():
    clock = ManualClock()
    budget = AttemptBudget(clock=clock)
    assert [budget.try_acquire("h") for _ in range(6)] == [True] * 5 + [False]
    assert budget.time_until("h") == pytest.approx(1.0)
    assert budget.try_acquire("other")
    clock.advance(1)
    assert budget.try_acquire("h")
    assert not budget.try_acquire("h")


def test_bn_s_14_never_more_than_250_in_any_five_minutes():
    clock = ManualClock()
    budget = AttemptBudget(clock=clock)
    taken = []
    for _ in range(7_200):
        if budget.try_acquire("h"):
            taken.append(clock.monotonic_ns())
        clock.advance(0.1)
    window = 300_000_000_000
    most = max(sum(t <= other < t + window for other in taken) for t in taken)
    assert most == 250


def test_bn_t_14_hold_stops_one_host_only():
    clock = ManualClock()
    budget = AttemptBudget(clock=clock)
    budget.hold("h", 30)
    assert not budget.try_acquire("h")
    assert budget.try_acquire("other")
    clock.advance(30)
    assert budget.try_acquire("h")


def test_key_is_the_host_and_on_loopback_the_port_too():
    assert attempt_key("wss://fstream.binance.com/ws") == "fstream.binance.com"
    assert attempt_key("wss://fstream.binance.com:9443/ws") == "fstream.binance.com"
    assert attempt_key("ws://127.0.0.1:5000/x") == "127.0.0.1:5000"
    assert is_loopback("::1")
    assert is_loopback("localhost")
    assert not is_loopback("10.0.0.1")
    assert not is_loopback("localhost.example.com")


def test_the_process_has_one_budget():
    assert shared_attempts() is shared_attempts()
