"""Nonces of a key and limits of addresses, on a clock of the test's (sections 10 and 11)."""

from __future__ import annotations

import asyncio
import gc
import threading
from typing import Any

import pytest

from connectors.errors import ClientError
from connectors.execution.nonces import NonceUnavailable
from connectors.hyperliquid.config import Config
from connectors.hyperliquid.limits import (
    ACTION,
    INFO,
    MESSAGE,
    AddressBudget,
    IpLimits,
    PostSlots,
    action_weight,
    info_weight,
    ip_limits,
    item_weight,
)
from connectors.hyperliquid.nonces import KeyNonces, check_clock, key_nonces
from connectors.net.clock import ManualClock, SystemClock

MS = 1_000_000
NOW_MS = 1_700_000_000_000
DAY_MS = 86_400_000


def clock_at(ms: int = NOW_MS) -> ManualClock:
    return ManualClock(monotonic_ns=1_000_000_000_000, wall_ns=ms * MS)


# -- nonces (10.2) -------------------------------------------------------------------------


def test_n1_a_thousand_in_one_millisecond() -> None:
    nonces = KeyNonces(clock_at())
    taken = [nonces.allocate().value for _ in range(1_000)]
    assert taken == list(range(NOW_MS, NOW_MS + 1_000))


def test_n2_the_clock_steps_back(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([NOW_MS, NOW_MS - 10_000, NOW_MS - 9_999, NOW_MS + 5])

    class Stepping(ManualClock):
        def wall_ns(self) -> int:
            return next(times) * MS

    nonces = KeyNonces(Stepping())
    assert [nonces.allocate().value - NOW_MS for _ in range(4)] == [0, 1, 2, 5]


def test_a_burst_ahead_of_the_clock_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    clock = clock_at()
    nonces = KeyNonces(clock)
    for _ in range(1_500):
        nonces.allocate()
    assert nonces.ahead_ms == 1_499
    assert len([r for r in caplog.records if "ahead of the clock" in r.message]) == 1


def test_nonces_the_venue_would_refuse_are_not_given_out() -> None:
    clock = clock_at()
    nonces = KeyNonces(clock)
    nonces._last = NOW_MS + DAY_MS
    with pytest.raises(NonceUnavailable, match="a day ahead"):
        nonces.allocate()


def test_all_clients_of_a_key_share_its_counter() -> None:
    one = key_nonces("0x" + "aB" * 20)
    two = key_nonces("0x" + "Ab" * 20)
    assert one is two
    assert key_nonces("0x" + "cd" * 20) is not one
    assert key_nonces("0x" + "ab" * 20, clock_at()) is not one  # another time: another counter
    taken = [nonces.allocate().value for _ in range(50) for nonces in (one, two)]
    assert taken == sorted(set(taken))


def test_threads_share_a_counter() -> None:
    nonces = KeyNonces(SystemClock())
    taken: list[list[int]] = [[] for _ in range(4)]

    def draw(into: list[int]) -> None:
        for _ in range(2_000):
            into.append(nonces.allocate().value)

    threads = [threading.Thread(target=draw, args=(each,)) for each in taken]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len({value for each in taken for value in each}) == 8_000
    assert all(each == sorted(each) for each in taken)


def test_10_2_clocks_compared(caplog: pytest.LogCaptureFixture) -> None:
    clock = clock_at()
    assert check_clock(NOW_MS - 500, clock) == pytest.approx(0.5)
    assert not caplog.records
    assert check_clock(NOW_MS + 2_000, clock) == pytest.approx(-2)
    assert len(caplog.records) == 1
    for off_ms in (-3_601_000, 3_601_000):
        with pytest.raises(ClientError, match="clock"):
            check_clock(NOW_MS + off_ms, clock)


# -- weights (11.2) ------------------------------------------------------------------------


def test_11_2_weights() -> None:
    assert [action_weight(n) for n in (1, 39, 40, 79, 80)] == [1, 1, 2, 2, 3]
    assert info_weight("l2Book") == info_weight("orderStatus") == 2
    assert info_weight("userRole") == 60
    assert info_weight("meta") == info_weight("something new") == 20
    assert [item_weight("userFills", n) for n in (0, 19, 20, 2_000)] == [0, 0, 1, 100]
    assert item_weight("candleSnapshot", 5_000) == 83
    assert item_weight("openOrders", 5_000) == 0


def test_11_2_information_leaves_a_fifth_to_commands() -> None:
    limits = IpLimits(clock=clock_at())
    taken = 0
    while limits.limiter.try_acquire(INFO, cost=20):
        limits.info_spent(20)
        taken += 20
    assert taken == 960
    commands = 0
    while limits.limiter.try_acquire(ACTION):
        limits.action_spent(1)
        commands += 1
    assert commands == 240


def test_11_2_commands_count_against_information() -> None:
    clock = clock_at()
    limits = IpLimits(clock=clock)
    for _ in range(960):
        assert limits.limiter.try_acquire(ACTION)
        limits.action_spent(1)
    assert not limits.limiter.try_acquire(INFO, cost=2)
    assert limits.limiter.try_acquire(ACTION)
    limits.action_spent(1)
    clock.advance(1.2)
    assert limits.limiter.try_acquire(INFO, cost=20)  # 24 came back, of which one was spent


def test_11_2_a_long_answer_is_paid_afterwards() -> None:
    clock = clock_at()
    limits = IpLimits(clock=clock)
    limits.limiter.debit(INFO, 980)
    assert not limits.limiter.try_acquire(INFO)
    clock.advance(1.5)
    assert limits.limiter.try_acquire(INFO)


def test_429_stops_information_but_no_command() -> None:
    clock = clock_at()
    limits = IpLimits(clock=clock)
    limits.hold_info()
    assert not limits.limiter.try_acquire(INFO)
    assert limits.limiter.try_acquire(ACTION, MESSAGE)
    clock.advance(10.1)
    assert limits.limiter.try_acquire(INFO)


def test_messages_stay_below_the_venues_in_any_minute() -> None:
    """Half of them may leave at once; with what comes back the count of a minute is never more."""
    clock = clock_at()
    limits = IpLimits(messages_per_min=2_000, clock=clock)
    sent: list[float] = []
    now_s = 0.0
    while now_s < 180:
        while limits.limiter.try_acquire(MESSAGE):
            sent.append(now_s)
        clock.advance(0.05)
        now_s += 0.05
    most = max(sum(1 for at in sent if start <= at < start + 60) for start in range(0, 120, 5))
    assert 1_500 < most <= 2_000


# -- places of posts (4.6) -----------------------------------------------------------------


def test_4_6_places_of_posts() -> None:
    async def main() -> None:
        slots = PostSlots(2)
        calls: list[str] = []
        assert slots.try_take()
        assert slots.try_take()
        assert not slots.try_take()
        slots.on_free(lambda: calls.append("first"))
        slots.on_free(lambda: calls.append("second"))
        await asyncio.sleep(0)
        assert calls == []
        slots.give_back()
        await asyncio.sleep(0)
        assert calls == ["first"]
        slots.pass_on()  # the first has no use for it
        await asyncio.sleep(0)
        assert calls == ["first", "second"]
        assert slots.used == 1
        slots.on_free(lambda: calls.append("third"))
        await asyncio.sleep(0)
        assert calls[-1] == "third"

    asyncio.run(asyncio.wait_for(main(), 20))


def test_a_loop_that_is_gone_does_not_keep_a_place() -> None:
    slots = PostSlots(1)
    assert slots.try_take()

    async def wait() -> None:
        slots.on_free(lambda: None)

    asyncio.run(wait())
    calls: list[int] = []

    async def main() -> None:
        slots.on_free(lambda: calls.append(1))
        slots.give_back()
        await asyncio.sleep(0)

    asyncio.run(asyncio.wait_for(main(), 20))
    assert calls == [1]


# -- shared by host ------------------------------------------------------------------------


def test_clients_of_a_host_share_its_limits() -> None:
    main = ip_limits(Config())
    assert ip_limits(Config(rest_weight_per_min=7)) is main
    assert ip_limits(Config(environment="testnet")) is not main  # type: ignore[arg-type]


def test_limits_of_this_machine_end_with_their_last_client() -> None:
    """A port may be used again, for another simulator."""
    here = Config.sim("http://127.0.0.1:1")
    limits = ip_limits(here)
    limits.limiter.debit(ACTION, 1_000_000)
    assert ip_limits(here) is limits
    assert ip_limits(Config.sim("http://127.0.0.1:2")) is not limits
    del limits
    gc.collect()
    assert ip_limits(here).limiter.try_acquire(ACTION)


# -- the account (11.3) --------------------------------------------------------------------


def budget() -> tuple[AddressBudget, list[str], ManualClock]:
    clock, told = clock_at(), list[str]()
    return AddressBudget(clock=clock, on_problem=told.append), told, clock


def test_11_3_nine_tenths_are_told_once() -> None:
    address, told, _ = budget()
    address.spend(50)
    assert (address.counted, address.used) == (50, None)
    address.learn({"nRequestsUsed": 8_990, "nRequestsCap": 10_000, "cumVlm": "0.0"})
    address.spend(9)
    assert told == []
    address.spend(3)
    address.spend(3)
    assert len(told) == 1
    assert "9002 of 10000" in told[0]
    address.learn({"nRequestsUsed": 9_005, "nRequestsCap": 20_000})  # it traded
    address.spend(10_000)
    assert len(told) == 2


@pytest.mark.parametrize("answer", [{}, {"nRequestsUsed": "7", "nRequestsCap": 7}, {"odd": []}])
def test_a_strange_answer_teaches_nothing(answer: dict[str, Any]) -> None:
    address, told, _ = budget()
    address.learn(answer)
    address.spend(1_000_000)
    assert (address.used, address.cap, told) == (None, None, [])


def test_11_3_used_up_means_one_request_in_ten_seconds() -> None:
    address, told, clock = budget()
    assert address.wait_s == 0
    address.exhausted()
    assert address.wait_s == pytest.approx(10)
    assert len(told) == 1
    clock.advance(10)
    assert address.wait_s == 0
