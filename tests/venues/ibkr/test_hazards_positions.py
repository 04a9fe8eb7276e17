"""Positions that are known to be wrong are read at once, and until that worked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from venues.ibkr.ibkr_rig import AAPL
from venues.ibkr.test_account_client import ACCOUNT, of, place
from venues.ibkr.venue_rig import owned, venue

from connectors.errors import ClientError, DecodeError, VenueError
from connectors.ibkr import account_client
from connectors.model import ErrorEvent, FillReport
from patience import until

Run = Callable[..., Any]


def held(client: account_client.AccountClient) -> list[int]:
    return [int(report.signed_size) for report in client.positions()]


@pytest.mark.parametrize("stuck", ["refresh_orders", "trades"])
def test_d_30_positions_do_not_wait_for_lists(
    run: Run, monkeypatch: pytest.MonkeyPatch, stuck: str
) -> None:
    """Lists may stand in line for seconds after a gap (P-05): its fills show in the position."""

    async def scenario() -> None:
        told: list[Any] = []
        async with venue() as sim, owned(sim, told) as client:
            order = place(sim, "gap-1")
            await until(lambda: client.orders())
            go_on = asyncio.Event()

            async def wait(**_: Any) -> None:
                await go_on.wait()

            with monkeypatch.context() as patch:
                patch.setattr(client._reader, stuck, wait)
                sim.faults.apply({"fault": "abort"})
                sim.fill(order, "2")
                await until(lambda: not client.is_caught_up, what="the loss is noticed")
                await until(lambda: held(client) == [2], what="the position of the gap")
                await until(lambda: of(told, FillReport), what="the fill, by the socket")
                sim.fill(order, "1")
                await until(lambda: held(client) == [3], what="a fill while catching up")
                assert not client.is_caught_up
                go_on.set()
            await until(lambda: client.is_caught_up)

    run(scenario())


def test_r_62_positions_that_could_not_be_read_are_read_again(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account_client, "POSITIONS_S", 0.05)
    monkeypatch.setattr(account_client, "RETRY_S", 0.05)

    async def scenario() -> None:
        told: list[Any] = []
        async with venue() as sim, owned(sim, told) as client:
            read, failures = client._reader.positions, 0

            async def fail_once(account: str) -> list[Any]:
                nonlocal failures
                failures += 1
                if failures == 1:
                    raise VenueError(503, "upstream", status=503)
                return await read(account)

            monkeypatch.setattr(client._reader, "positions", fail_once)
            place(sim, "filled-1", 200.0)
            await until(lambda: failures, what="the first reading fails")
            await until(lambda: held(client) == [5], what="the second one")
            assert sim.exchange.accounts[ACCOUNT].positions

    run(scenario())


def test_r_62_a_position_that_lags_behind_its_fill_is_read_once_more(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list is only nearly of this moment: it may not have the fill yet that called for it."""
    monkeypatch.setattr(account_client, "POSITIONS_S", 0.05)
    monkeypatch.setattr(account_client, "POSITIONS_AGAIN_S", 0.2)

    async def scenario() -> None:
        told: list[Any] = []
        async with venue() as sim, owned(sim, told) as client:
            read, readings = client._reader.positions, 0

            async def lagging(account: str) -> list[Any]:
                nonlocal readings
                readings += 1
                return [] if readings == 1 else await read(account)

            monkeypatch.setattr(client._reader, "positions", lagging)
            place(sim, "filled-1", 200.0)
            await until(lambda: readings, what="the first reading")
            await until(lambda: held(client) == [5], what="the second one")

    run(scenario())


def test_r_62_a_question_soon_after_a_fill_does_not_call_off_the_later_reading(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is asked in between may be older than the fill as well."""
    monkeypatch.setattr(account_client, "POSITIONS_S", 0.0)
    monkeypatch.setattr(account_client, "POSITIONS_AGAIN_S", 600.0)

    async def scenario() -> None:
        client = account_client.AccountClient(account="DU1", instruments=(AAPL,))

        async def positions(account: str) -> list[Any]:
            return []

        monkeypatch.setattr(client._reader, "positions", positions)
        client._positions_soon()
        due_ns = client._positions_again
        for _ in range(3):  # the one that is due soon, and two that somebody asks for
            await client._read_positions()
            assert client._positions_due == due_ns
        monkeypatch.setattr(account_client, "POSITIONS_AGAIN_S", 0.0)
        client._positions_soon()
        await client._read_positions()
        assert client._positions_due is None, "it is read once more, and not for ever"

    run(scenario())


@pytest.mark.parametrize("is_flat", [False, True])
def test_r_62_an_empty_list_is_asked_for_twice_before_all_is_flat(
    run: Run, monkeypatch: pytest.MonkeyPatch, is_flat: bool
) -> None:
    """A venue that is still loading the portfolio has no positions for a moment."""
    monkeypatch.setattr(account_client, "EMPTY_S", 0.01)

    async def scenario() -> None:
        told: list[Any] = []
        client = account_client.AccountClient(instruments=(AAPL,), on_event=told.append)
        held_row = {"conid": "265598", "position": 2.0}
        answers = [[held_row], [], [] if is_flat else [held_row]]

        async def positions(account: str) -> list[Any]:
            return answers.pop(0)

        monkeypatch.setattr(client._reader, "positions", positions)
        await client._read_positions()
        await client._read_positions()
        assert answers == []
        assert held(client) == ([] if is_flat else [2])
        assert [int(each.signed_size) for each in told] == ([2, 0] if is_flat else [2])

    run(scenario())


def test_r_62_of_two_readings_that_overlap_the_younger_counts(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fill while the positions are being read, and the answer to the older question is slow."""

    async def scenario() -> None:
        client = account_client.AccountClient(account="DU1", instruments=(AAPL,))
        slow, questions, size = asyncio.Event(), 0, 2.0

        async def positions(account: str) -> list[Any]:
            nonlocal questions
            questions += 1
            rows = [{"conid": "265598", "position": size}]
            if questions == 1:
                await slow.wait()
            return rows

        monkeypatch.setattr(client._reader, "positions", positions)
        older = asyncio.create_task(client._read_positions())
        await until(lambda: questions == 1)
        size = 7.0
        younger = asyncio.create_task(client._read_positions())
        for _ in range(10):
            await asyncio.sleep(0)
        slow.set()
        await asyncio.gather(older, younger)
        assert held(client) == [7]

    run(scenario())


def test_d_30_a_contract_nobody_knows_hides_no_flat_position(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account_client, "POSITIONS_S", 0.05)

    async def scenario() -> None:
        told: list[Any] = []
        async with venue() as sim, owned(sim, told) as client:
            place(sim, "filled-1", 200.0)
            await until(lambda: held(client) == [5])
            read, find = client._reader.positions, client._catalog.find
            calls = 0

            async def with_another(account: str) -> list[Any]:
                nonlocal calls
                calls += 1
                rows = [row for row in await read(account) if float(row["position"])]
                return [*rows, {"conid": "999", "position": 1.0}]

            async def refuse(*names: str | int) -> Any:
                if 999 in names:
                    raise ClientError("what kind of contract is that?")
                return await find(*names)

            monkeypatch.setattr(client._reader, "positions", with_another)
            monkeypatch.setattr(client._catalog, "find", refuse)
            place(sim, "sold-1", 1.0, side="SELL")
            await until(lambda: held(client) == [], what="what is gone from the list is flat")
            calls_then = calls
            await asyncio.sleep(0.5)
            assert calls <= calls_then + 2, "and nobody asks all the time"

    run(scenario())


def test_a_reading_that_breaks_is_told_and_tried_again_without_haste(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nobody foresaw in an answer is no reason to ask for it without a pause."""
    monkeypatch.setattr(account_client, "POSITIONS_S", 0.0)

    async def scenario() -> None:
        told: list[Any] = []
        async with venue() as sim, owned(sim, told) as client:
            calls = 0

            async def broken(account: str) -> list[Any]:
                nonlocal calls
                calls += 1
                raise TypeError("what is that?")

            monkeypatch.setattr(client._reader, "positions", broken)
            place(sim, "filled-1", 200.0)
            await until(lambda: any("TypeError" in each.message for each in of(told, ErrorEvent)))
            for _ in range(100):
                await asyncio.sleep(0)
            assert calls <= 2

    run(scenario())


@pytest.mark.parametrize(
    "error", [DecodeError("no list", 0), VenueError(500, "x", status=500), ClientError("no")]
)
def test_one_contract_that_cannot_be_looked_up_keeps_nothing_from_being_read(
    run: Run, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    told: list[Any] = []
    client = account_client.AccountClient(on_status=told.append)

    async def refuse(*names: str | int) -> Any:
        raise error

    monkeypatch.setattr(client._catalog, "find", refuse)
    client.unknown_contract(7)
    run(client._look_up_contracts())
    run(client._look_up_contracts())
    assert len(told) == 1, "and it is not asked for again at once"
