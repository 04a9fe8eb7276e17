"""RateLimiter: rates, windows, order of waiting, and what a venue may impose."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import ClientError, ConfigError
from connectors.net.clock import ManualClock
from connectors.net.ratelimit import Quota, QuotaExceeded, RateLimiter, WindowQuota
from patience import GRACE_S


def limiter(quota, **more):
    clock = ManualClock(monotonic_ns=7_000_000_000)
    return RateLimiter({"k": quota}, clock=clock, **more), clock


def test_bn_s_12_five_per_second_burst_five():
    limit, clock = limiter(Quota(5, 1.0))
    assert [limit.try_acquire("k") for _ in range(6)] == [True] * 5 + [False]
    assert limit.time_until("k") == pytest.approx(0.2)
    clock.advance(0.199)
    assert not limit.try_acquire("k")
    clock.advance(0.001)
    assert limit.try_acquire("k")
    assert not limit.try_acquire("k")
    clock.advance(100)
    assert [limit.try_acquire("k") for _ in range(6)] == [True] * 5 + [False]


def test_keys_do_not_share_and_unknown_keys_get_their_own_default():
    clock = ManualClock()
    limit = RateLimiter({"a": Quota(1, 1.0)}, default=(Quota(2, 1.0),), clock=clock)
    assert limit.try_acquire("a")
    assert not limit.try_acquire("a")
    for key in ("x", "y"):
        assert [limit.try_acquire(key) for _ in range(3)] == [True, True, False]
    free = RateLimiter(clock=clock)
    assert all(free.try_acquire("anything") for _ in range(1000))


def test_several_keys_are_taken_together_or_not_at_all():
    clock = ManualClock()
    limit = RateLimiter({"all": Quota(10, 1.0), "slow": Quota(1, 5.0)}, clock=clock)
    assert limit.try_acquire("all", "slow")
    assert not limit.try_acquire("all", "slow")
    assert sum(limit.try_acquire("all") for _ in range(20)) == 9
    assert limit.time_until("all", "slow") == pytest.approx(5.0)


@given(st.lists(st.floats(0, 2), max_size=200))
def test_window_quota_never_exceeds_its_limit_in_any_span(gaps):
    limit, clock = limiter(WindowQuota(5, 3.0))
    taken = []
    for gap in gaps:
        now = clock.advance(gap)
        if limit.try_acquire("k"):
            taken.append(now)
        else:
            assert limit.time_until("k") > 0
    for index, start in enumerate(taken):
        assert sum(start <= other < start + 3_000_000_000 for other in taken[index:]) <= 5


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(1, 4)), max_size=200))
def test_gcra_agrees_with_a_leaking_bucket(steps):
    limit, clock = limiter(Quota(4, 1.0, burst=4))
    level, last = 0.0, clock.monotonic_ns()
    for gap, cost in steps:
        now = clock.advance(gap)
        level, last = max(0.0, level - (now - last) * 4 / 1e9), now
        if abs(level + cost - 4) < 1e-6:
            continue  # both right at the edge, where rounding decides
        fits = level + cost <= 4
        assert limit.try_acquire("k", cost=cost) is fits
        level += cost if fits else 0


def test_hold_and_slow_down():
    limit, clock = limiter(Quota(5, 1.0, burst=1))
    limit.hold("k", 60)
    limit.hold("k", 1)  # a shorter hold does not lift a longer one
    assert limit.time_until("k") == pytest.approx(60)
    clock.advance(60)
    assert limit.try_acquire("k")
    limit.slow_down("k", factor=2, for_s=60)  # BN-T-13
    clock.advance(0.2)
    assert limit.try_acquire("k")
    assert limit.time_until("k") == pytest.approx(0.4)
    clock.advance(60)
    assert limit.try_acquire("k")
    assert limit.time_until("k") == pytest.approx(0.2)


@pytest.mark.parametrize("quota", [Quota(4, 1.0, burst=2), WindowQuota(2, 0.5)])
def test_what_is_sent_without_asking_makes_others_wait(quota):
    limit, clock = limiter(quota)
    assert limit.try_acquire("k")
    for _ in range(3):
        limit.debit("k")  # the last two are not there
    clock.advance(0.49)
    assert not limit.try_acquire("k")
    clock.advance(0.26)
    assert limit.try_acquire("k")


def test_impossible_requests_are_refused_at_once():
    limit, _ = limiter(Quota(5, 1.0))
    with pytest.raises(ClientError, match="split"):
        limit.try_acquire("k", cost=6)
    with pytest.raises(ClientError):
        limit.try_acquire("k", cost=0)
    for bad in ((0, 1), (1, 0)):
        with pytest.raises(ConfigError):
            Quota(*bad)
        with pytest.raises(ConfigError):
            WindowQuota(*bad)


def test_acquire_serves_in_order_of_arrival_and_nobody_overtakes(run):
    async def main():
        limit = RateLimiter({"k": Quota(5, 1.0, burst=1)})
        order = []

        async def one(number):
            await limit.acquire("k", timeout_s=GRACE_S)
            order.append(number)

        tasks = [asyncio.create_task(one(number)) for number in range(6)]
        await asyncio.sleep(0)
        assert order == [0]
        await asyncio.sleep(0.025)
        assert not limit.try_acquire("k")  # even though a unit may be free, others wait
        await asyncio.gather(*tasks)
        assert order == list(range(6))
        assert limit.waited == 5

    run(main())


def test_a_higher_priority_goes_before_those_who_wait_and_behind_its_own(run):
    async def main():
        limit = RateLimiter({"k": Quota(20, 1.0, burst=1)})
        order = []

        async def one(name, priority):
            await limit.acquire("k", timeout_s=GRACE_S, priority=priority)
            order.append(name)

        asked = [("taken", 0), ("poll", 0), ("poll again", 0), ("order", 2), ("tickle", 1),
                 ("second order", 2)]  # fmt: skip
        tasks = [asyncio.create_task(one(*each)) for each in asked]
        await asyncio.gather(*tasks)
        assert order == ["taken", "order", "second order", "tickle", "poll", "poll again"]

    run(main())


def test_cancelled_waiter_costs_nothing_and_lets_the_next_one_through(run):
    async def main():
        limit, clock = limiter(Quota(1, 0.02, burst=1))
        assert limit.try_acquire("k")
        tasks = [asyncio.create_task(limit.acquire("k", timeout_s=GRACE_S)) for _ in range(3)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        tasks[1].cancel()
        clock.advance(0.02)  # one interval, not three
        await tasks[2]
        await asyncio.gather(*tasks, return_exceptions=True)
        assert tasks[0].cancelled()

    run(main())


def test_a_waiter_behind_a_slow_key_does_not_block_other_keys(run):
    async def main():
        limit = RateLimiter({"all": Quota(1000, 1.0), "slow": Quota(1, 60.0)})
        assert limit.try_acquire("slow")
        waiting = asyncio.create_task(limit.acquire("slow", timeout_s=120))
        await asyncio.sleep(0)
        await limit.acquire("all", timeout_s=GRACE_S)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

    run(main())


def test_acquire_fails_at_once_when_the_wait_would_be_too_long(run):
    async def main():
        limit = RateLimiter({"k": Quota(1, 3600.0)})
        await limit.acquire("k", timeout_s=0)
        start = asyncio.get_running_loop().time()
        with pytest.raises(QuotaExceeded) as caught:
            await limit.acquire("k", timeout_s=3000)
        assert asyncio.get_running_loop().time() - start < GRACE_S
        assert 3500 < caught.value.retry_after_s <= 3600

    run(main())


def test_time_is_up_while_waiting_in_line(run):
    async def main():
        limit = RateLimiter({"k": Quota(1, 60.0)})
        limit.try_acquire("k")
        first = asyncio.create_task(limit.acquire("k", timeout_s=100))
        await asyncio.sleep(0)
        with pytest.raises(QuotaExceeded):
            await limit.acquire("k", timeout_s=0.05)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        assert limit._queues == {}

    run(main())
