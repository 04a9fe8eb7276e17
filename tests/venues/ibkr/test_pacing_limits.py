"""Limits and the penalty box (section 7), with a clock of their own."""

from __future__ import annotations

import pytest
from venues.ibkr.gateway_rig import toy_gateway

from connectors import ibkr
from connectors.errors import RateLimited
from connectors.ibkr.config import Pacing
from connectors.ibkr.pacing import ALL, Lane, Pacer, endpoint_key, shared_pacer
from connectors.ibkr.rest import IbkrRest
from connectors.net.clock import ManualClock
from connectors.net.ratelimit import QuotaExceeded


def pacer(**pacing):
    clock = ManualClock(monotonic_ns=10**12)
    return Pacer(Pacing(**pacing), clock=clock), clock


def test_p_01_never_more_than_nine_in_any_second():
    limits, clock = pacer()
    taken = []
    for _ in range(400):
        if limits.limiter.try_acquire(ALL):
            taken.append(clock.monotonic_ns())
        clock.advance(0.013)
    for start in taken:
        assert sum(start <= at < start + 10**9 for at in taken) <= 9
    assert len(taken) >= 40


ROWS = {
    "p_05 orders": ("GET", "/iserver/account/orders", 5.0),
    "p_05 trades": ("GET", "/iserver/account/trades", 5.0),
    "p_05 pnl": ("GET", "/iserver/account/pnl/partitioned", 5.0),
    "p_05 accounts": ("GET", "/portfolio/accounts", 5.0),
    "p_05 subaccounts": ("GET", "/portfolio/subaccounts", 5.0),
    "p_06 tickle": ("POST", "/tickle", 1.0),
    "p_06 scanner": ("POST", "/iserver/scanner/run", 1.0),
    "p_06 fyi": ("GET", "/fyi/unreadnumber", 1.0),
    "p_07 validate": ("GET", "/sso/validate", 60.0),
    "p_08 scanner": ("GET", "/iserver/scanner/params", 900.0),
    "p_08 pa": ("POST", "/pa/performance", 900.0),
}


@pytest.mark.parametrize("row", ROWS)
def test_p_05_to_p_08_spacing(run, row):
    method, path, every_s = ROWS[row]
    limits, clock = pacer()
    key = endpoint_key(method, path)

    async def scene():
        await limits.wait(key, Lane.READ, timeout_s=0.0)
        clock.advance(every_s)  # the venue counts arrivals: a moment more is waited
        with pytest.raises(QuotaExceeded):
            await limits.wait(key, Lane.READ, timeout_s=0.0)
        clock.advance(0.06)
        await limits.wait(key, Lane.READ, timeout_s=0.0)

    run(scene())


def test_p_06_fyi_endpoints_have_a_limit_each(run):
    limits, _ = pacer()

    async def scene():
        for path in ("/fyi/settings", "/fyi/unreadnumber"):
            await limits.wait(endpoint_key("GET", path), Lane.READ, timeout_s=0.0)
            with pytest.raises(QuotaExceeded):
                await limits.wait(endpoint_key("GET", path), Lane.READ, timeout_s=0.0)

    run(scene())


def test_p_03_p_04_bursts(run):
    limits, clock = pacer()

    async def scene():
        for path, burst in (("snapshot", 10), ("history", 10)):
            key = endpoint_key("GET", f"/iserver/marketdata/{path}")
            for _ in range(burst):
                await limits.wait(key, Lane.READ, timeout_s=0.0)
            with pytest.raises(QuotaExceeded):
                await limits.wait(key, Lane.READ, timeout_s=0.0)
        for _ in range(4):
            clock.advance(1.1)
            for _ in range(10):
                await limits.wait(key, Lane.READ, timeout_s=0.0)
        clock.advance(1.1)
        with pytest.raises(QuotaExceeded):  # fifty a minute
            await limits.wait(key, Lane.READ, timeout_s=0.0)

    run(scene())


def test_orders_have_no_limit_of_their_own():
    assert endpoint_key("POST", "/iserver/account/DU1/orders") is None
    assert endpoint_key("POST", "/iserver/reply/7") is None
    assert endpoint_key("GET", "/iserver/accounts") is None


def test_p_09_p_10_the_penalty_box():
    limits, clock = pacer()
    limits.admit(Lane.READ)
    assert limits.began_penalty()
    assert not limits.began_penalty()
    for _ in range(9):
        with pytest.raises(ibkr.InPenalty) as caught:
            limits.admit(Lane.READ)
        assert 0 < caught.value.retry_after_s <= 600
        limits.admit(Lane.ORDER)
        limits.admit(Lane.CANCEL)
        limits.admit(Lane.TICKLE)
        clock.advance(30)
        with pytest.raises(ibkr.InPenalty):  # a tickle a minute
            limits.admit(Lane.TICKLE)
        clock.advance(30)
    clock.advance(61)
    limits.admit(Lane.READ)
    assert limits.penalty_left_s == 0
    assert limits.penalties == 1
    assert limits.began_penalty()


def test_p_09_no_request_leaves_during_a_penalty(run):
    async def scene():
        async with toy_gateway() as gateway:
            gateway.answers["/iserver/accounts"] = (429, {"error": "Too many requests"})
            gateway.answers["/iserver/reply/1"] = (200, [])
            told = []
            rest = IbkrRest(ibkr.Config(base_url=gateway.base_url), on_penalty=told.append)
            with pytest.raises(RateLimited):
                await rest.accounts()
            assert len(gateway.requests) == 1  # and is not repeated
            assert [round(for_s) for for_s in told] == [600]
            for call in (rest.accounts, rest.auth_status, rest.trades, rest.unsubscribe_all):
                with pytest.raises(ibkr.InPenalty):
                    await call()
            assert len(gateway.requests) == 1
            await rest.call("POST", "/iserver/reply/1", body={"confirmed": True}, lane=Lane.ORDER)
            await rest.tickle()
            with pytest.raises(ibkr.InPenalty):
                await rest.tickle()
            assert [path for _, path, _, _ in gateway.requests[1:]] == [
                "/v1/api/iserver/reply/1", "/v1/api/tickle"
            ]  # fmt: skip
            await rest.close()

    run(scene())


def test_clients_of_one_gateway_share_the_limits():
    config = ibkr.Config(base_url="http://127.0.0.1:1/v1/api")
    one = shared_pacer(config)
    assert shared_pacer(ibkr.Config(base_url="http://127.0.0.1:1/v1/api/")) is one
    assert shared_pacer(ibkr.Config(base_url="http://127.0.0.1:2/v1/api")) is not one


def test_p_10_what_waited_for_its_turn_does_not_leave_in_a_penalty(run, monkeypatch):
    """The 429 of another request came meanwhile: a list of orders may wait for half a minute."""

    async def scene():
        async with toy_gateway() as gateway:
            gateway.answers["/iserver/account/trades"] = (200, [])
            rest = IbkrRest(ibkr.Config(base_url=gateway.base_url), pacer=Pacer(Pacing()))

            async def wait(key, lane, *, timeout_s):
                rest.pacer.began_penalty()

            monkeypatch.setattr(rest.pacer, "wait", wait)
            with pytest.raises(ibkr.InPenalty):
                await rest.trades()
            assert gateway.requests == []
            await rest.tickle()
            await rest.close()
            assert len(gateway.requests) == 1

    run(scene())
