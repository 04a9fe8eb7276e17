"""Information over HTTP: what is repeated, what it weighs, and pages of fills (5.1, 5.4, 11.2)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from venues.hyperliquid.sending_rig import KEYS

from connectors.errors import (
    DecodeError,
    RateLimited,
    TransportError,
    UnknownOutcome,
    VenueError,
)
from connectors.hyperliquid import rest as rest_module
from connectors.hyperliquid.config import Config
from connectors.hyperliquid.limits import ACTION, INFO, IpLimits
from connectors.hyperliquid.rest import FILLS_PER_PAGE, HyperliquidRest
from connectors.net.backoff import BackoffPolicy
from connectors.net.http_types import RetryPolicy
from connectors.sim.hyperliquid.config import AccountSetup, SimConfig
from connectors.sim.hyperliquid.server import Simulator, start

QUICK = RetryPolicy(
    tries=3,
    backoff=BackoffPolicy(initial_s=0.01, maximum_s=0.02, immediate_first=False),
    total_timeout_s=60.0,
)


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch):
    monkeypatch.setattr(rest_module, "RETRY", QUICK)


@asynccontextmanager
async def reading(
    limits: IpLimits | None = None,
) -> AsyncIterator[tuple[Simulator, HyperliquidRest, str]]:
    setups = tuple(AccountSetup(f"0x{key}") for key in KEYS[:2])
    sim = await start(SimConfig(setups=setups, levels=5))
    config = Config.sim(sim.http_url, http_timeout_s=30.0)
    rest = HyperliquidRest(config, limits=limits or IpLimits())
    try:
        yield sim, rest, sim.accounts[0]["address"]
    finally:
        await rest.close()
        await sim.stop()


def test_5_4_every_request_is_answered(run):
    async def main():
        async with reading() as (_, rest, user):
            assert (await rest.meta())["universe"][0]["name"] == "BTC"
            assert (await rest.perp_dexs())[0] is None
            assert "tokens" in await rest.spot_meta()
            assert len(await rest.meta_and_asset_contexts()) == 2
            assert len(await rest.spot_meta_and_asset_contexts()) == 2
            assert await rest.all_perp_metas()
            assert "BTC" in await rest.all_mids()
            book = await rest.l2_book("BTC", n_sig_figs=5, mantissa=2)
            assert book is not None
            assert book["coin"] == "BTC"
            assert await rest.l2_book("NOBODY") is None
            assert isinstance(await rest.recent_trades("BTC"), list)
            now_ms = (await rest.exchange_status())["time"]
            candles = await rest.candles("BTC", "1m", start_ms=now_ms - 600_000, end_ms=now_ms)
            assert isinstance(candles, list)
            assert isinstance(await rest.funding_history("BTC", start_ms=now_ms - 1), list)
            assert await rest.open_orders(user) == []
            assert await rest.frontend_open_orders(user) == []
            assert await rest.order_status(user, 1) is None
            assert await rest.order_status(user, "0x" + "0" * 32) is None
            assert await rest.historical_orders(user) == []
            assert await rest.user_fills(user) == []
            assert "marginSummary" in await rest.clearinghouse_state(user)
            assert "balances" in await rest.spot_clearinghouse_state(user)
            assert (await rest.user_role(user))["role"] == "user"
            assert (await rest.user_rate_limit(user))["nRequestsCap"] == 10_000
            assert isinstance(await rest.user_fees(user), dict)
            assert isinstance(await rest.user_funding(user, start_ms=0), list)
            assert list(await rest.sub_accounts(user)) == []
            assert isinstance(await rest.extra_agents(user), list)
            assert await rest.max_builder_fee(user, user) == 0

    run(main(), 60)


@pytest.mark.parametrize(
    "fault",
    [{"status": 500, "body": "oops"}, {"status": 502}, {"lose": True}, {"truncate": True}],
)
def test_5_1_reads_are_repeated(run, fault):
    async def main():
        async with reading() as (sim, rest, user):
            sim.faults.next_reply("/info", count=2, **fault)
            assert (await rest.user_role(user))["role"] == "user"
            sim.faults.next_reply("/info", count=3, **fault)
            with pytest.raises(TransportError):
                await rest.user_role(user)

    run(main(), 60)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"status": 422, "body": "Failed to deserialize the JSON body"}, VenueError),
        ({"status": 400, "body": "malformed"}, VenueError),
        ({"status": 404, "body": None}, VenueError),
        ({"status": 200, "body": "<html>"}, DecodeError),
        ({"status": 200, "body": []}, DecodeError),
        ({"status": 200, "body": "7"}, DecodeError),
    ],
)
def test_5_1_what_is_no_use_to_repeat(run, fault, expected):
    async def main():
        async with reading() as (sim, rest, user):
            before = rest.http.counters.tries
            sim.faults.next_reply("/info", **fault)
            with pytest.raises(expected) as caught:
                await rest.user_role(user)
            assert rest.http.counters.tries == before + 1
            if expected is VenueError and fault["body"]:
                assert caught.value.message == fault["body"]
                assert caught.value.code == fault["status"]

    run(main(), 60)


def test_5_1_an_order_nobody_can_read(run):
    async def main():
        async with reading() as (sim, rest, user):
            sim.faults.next_reply("/info", status=200, body={"status": "order", "order": 7})
            with pytest.raises(DecodeError):
                await rest.order_status(user, 1)

    run(main(), 60)


def test_429_holds_information_and_not_commands(run):
    async def main():
        limits = IpLimits()
        async with reading(limits) as (sim, rest, user):
            rest.http.retry = RetryPolicy(tries=1)
            sim.faults.next_reply("/info", status=429)
            with pytest.raises(RateLimited):
                await rest.user_role(user)
            assert 5 < limits.limiter.time_until(INFO) <= 12
            assert limits.limiter.time_until(ACTION) == 0
            sim.faults.next_reply("/exchange", status=429)
            with pytest.raises(UnknownOutcome):
                await rest.exchange(b"{}")

    run(main(), 60)


def test_exchange_is_posted_once(run):
    async def main():
        async with reading() as (sim, rest, _):
            sim.faults.next_reply("/exchange", status=502)
            with pytest.raises(UnknownOutcome):
                await rest.exchange(b"{}")
            assert rest.http.counters.tries == 1
            with pytest.raises(VenueError) as caught:
                await rest.exchange(b"{}")
            assert caught.value.status == 422

    run(main(), 60)


def test_a_command_that_never_left(run):
    async def main():
        config = Config.sim("http://127.0.0.1:1", http_timeout_s=10.0)
        rest = HyperliquidRest(config, limits=IpLimits())
        try:
            with pytest.raises(TransportError):
                await rest.exchange(b"{}")
        finally:
            await rest.close()

    run(main(), 60)


class Counting(IpLimits):
    """Adds up what information weighed."""

    def __init__(self) -> None:
        super().__init__(weight_per_min=100_000)
        self.taken = 0

    def info_spent(self, weight: int) -> None:
        self.taken += weight


def test_11_2_weights_are_those_of_the_venue(run):
    """What our budget lost is what the simulator counted."""

    async def main():
        limits = Counting()
        async with reading(limits) as (sim, rest, user):
            sim.configure(limits=("weight",))
            before = sim.limits.weight_used
            await rest.meta()
            await rest.all_mids()
            await rest.user_role(user)
            await rest.order_status(user, 1)
            now_ms = (await rest.exchange_status())["time"]
            await rest.recent_trades("BTC")
            await rest.candles("BTC", "1m", start_ms=now_ms - 86_400_000, end_ms=now_ms)
            assert limits.taken == sim.limits.weight_used - before

    run(main(), 60)


# -- pages of fills --------------------------------------------------------------------------


class Paged(HyperliquidRest):
    """Answers from a list, oldest first, at most a page from the time asked for."""

    def __init__(self, fills: list[dict[str, Any]]) -> None:
        super().__init__(Config.sim("http://127.0.0.1:1"), limits=IpLimits())
        self.fills = fills
        self.calls = 0

    async def user_fills_by_time(
        self, user: str, *, start_ms: int, end_ms: int | None = None
    ) -> list[dict[str, Any]]:
        self.calls += 1
        found = [fill for fill in self.fills if fill["time"] >= start_ms]
        return list(reversed(found[:FILLS_PER_PAGE]))  # in any order


def pages(fills: list[dict[str, Any]], start_ms: int = 0) -> tuple[list[int], int]:
    async def main() -> tuple[list[int], int]:
        rest = Paged(fills)
        found: list[int] = []
        async for page in rest.fills_since("0x1", start_ms=start_ms):
            assert [row["time"] for row in page] == sorted(row["time"] for row in page)
            found += [row["tid"] for row in page]
        await rest.close()
        return found, rest.calls

    return asyncio.run(asyncio.wait_for(main(), 30))


def fills(count: int, *, per_ms: int = 1, first_ms: int = 1_000) -> list[dict[str, Any]]:
    return [{"tid": number, "time": first_ms + number // per_ms} for number in range(count)]


@pytest.mark.parametrize(
    ("count", "per_ms"),
    [(0, 1), (5, 1), (2_000, 1), (2_001, 1), (6_500, 1), (9_999, 7), (4_100, 3)],
)
def test_5_4_all_fills_once(count, per_ms):
    found, calls = pages(fills(count, per_ms=per_ms))
    assert sorted(found) == list(range(count))
    assert calls <= count // (FILLS_PER_PAGE - per_ms) + 2


def test_5_4_a_page_within_one_millisecond_is_no_endless_loop():
    same = [{"tid": number, "time": 1_000} for number in range(2_500)]
    after = [{"tid": 9_000, "time": 1_001}]
    found, calls = pages([*same, *after])
    assert len(found) == len(set(found))
    assert 9_000 in found
    assert calls < 5
