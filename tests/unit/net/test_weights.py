"""WeightCounter: BN-R-41 to BN-R-45."""

from __future__ import annotations

import pytest

from connectors.errors import ClientError, ConfigError
from connectors.net.clock import NS_PER_S, ManualClock
from connectors.net.ratelimit import QuotaExceeded
from connectors.net.weights import WeightCounter, WeightWindow

MINUTE = WeightWindow("weight", 100, 60, "X-MBX-USED-WEIGHT-1M")
ORDERS = WeightWindow("orders", 10, 10, "X-MBX-ORDER-COUNT-10S")


def make(*windows, start_s=0.0, **more):
    clock = ManualClock(monotonic_ns=5 * NS_PER_S, wall_ns=round((6_000 + start_s) * NS_PER_S))
    return WeightCounter(*(windows or (MINUTE, ORDERS)), clock=clock, **more), clock


def test_bn_r_42_windows_are_fixed_and_start_at_second_zero():
    counter, clock = make(start_s=59, reserve_share=0)
    assert counter.try_take({"weight": 100})
    assert counter.time_until({"weight": 1}) == pytest.approx(1)
    clock.advance(1)
    assert counter.used("weight") == 0
    assert counter.try_take({"weight": 100})
    assert counter.time_until({"weight": 1}) == pytest.approx(60)


def test_windows_count_independently_and_all_must_agree():
    counter, clock = make(reserve_share=0)
    assert counter.try_take({"weight": 1, "orders": 10})
    assert not counter.try_take({"weight": 1, "orders": 1})
    assert counter.used("weight") == 1  # a refused request spends nothing anywhere
    assert counter.try_take({"weight": 1})
    clock.advance(10)
    assert counter.try_take({"weight": 1, "orders": 1})


def test_bn_r_43_the_larger_count_wins_whatever_the_letter_case():
    counter, _ = make()
    mark = counter.mark()
    counter.try_take({"weight": 20})
    counter.observe({"x-mbx-used-weight-1m": "15"}, mark)
    assert counter.used("weight") == 20
    counter.observe({"X-Mbx-Used-Weight-1M": "77"}, mark)
    assert counter.used("weight") == 77
    counter.observe({"X-MBX-USED-WEIGHT-1M": "lots"}, mark)
    counter.observe({}, mark)  # failed orders may come without the headers
    assert counter.used("weight") == 77


def test_a_late_answer_does_not_fill_the_next_window():
    counter, clock = make(start_s=59)
    mark = counter.mark()
    clock.advance(2)
    counter.observe({"X-MBX-USED-WEIGHT-1M": "99"}, mark)
    assert counter.used("weight") == 0


def test_bn_r_44_retry_after_stops_everything():
    counter, clock = make()
    counter.hold(30)
    assert not counter.try_take({"weight": 1})
    assert not counter.try_take({"weight": 1}, reserved=True)
    clock.advance(30)
    assert counter.try_take({"weight": 1})


def test_bn_r_45_ten_percent_is_kept_for_cancels():
    counter, _ = make()
    assert counter.try_take({"weight": 90})
    assert not counter.try_take({"weight": 1})
    assert counter.try_take({"weight": 10}, reserved=True)
    assert not counter.try_take({"weight": 1}, reserved=True)


def test_a_step_of_the_host_clock_opens_no_second_window():
    counter, clock = make(reserve_share=0)
    assert counter.try_take({"weight": 100})
    clock.step_wall(-3600)
    assert not counter.try_take({"weight": 1})
    clock.step_wall(7200)
    assert not counter.try_take({"weight": 1})


def test_sync_moves_the_window_to_the_venues_time():
    counter, _ = make(reserve_share=0)
    counter.sync(round(6_059.5 * NS_PER_S))
    assert counter.try_take({"weight": 100})
    assert counter.time_until({"weight": 1}) == pytest.approx(0.5)


def test_bn_r_41_limits_can_be_replaced():
    counter, _ = make(reserve_share=0)
    counter.set_limit("weight", 7)
    with pytest.raises(ClientError, match="above the limit 7"):
        counter.try_take({"weight": 8})
    assert counter.try_take({"weight": 7})


def test_impossible_settings_are_refused():
    for bad in (0, 60), (5, 0):
        with pytest.raises(ConfigError):
            WeightWindow("w", *bad)
    with pytest.raises(ConfigError):
        WeightCounter(MINUTE, reserve_share=1.0)
    counter, _ = make()
    with pytest.raises(ConfigError):
        counter.set_limit("weight", 0)


def test_take_waits_for_the_next_window_or_fails_at_once(run):
    async def main():
        counter = WeightCounter(WeightWindow("w", 2, 0.05), reserve_share=0)
        for _ in range(6):
            await counter.take({"w": 1}, timeout_s=1)
        slow = WeightCounter(WeightWindow("w", 1, 3600), reserve_share=0)
        slow.hold(3600)
        with pytest.raises(QuotaExceeded) as caught:
            await slow.take({"w": 1}, timeout_s=1)
        assert caught.value.retry_after_s > 1

    run(main())
