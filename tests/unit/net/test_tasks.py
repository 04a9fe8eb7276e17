"""OwnedTasks: names, deaths, and an end that is waited for."""

from __future__ import annotations

import asyncio
import logging

import pytest

from connectors.errors import ClientError
from connectors.net.clock import SYSTEM_CLOCK, ManualClock
from connectors.net.tasks import OwnedTasks


def test_tasks_are_named_and_close_ends_them(run):
    async def main():
        tasks = OwnedTasks("pool")
        ended = []

        async def forever():
            try:
                await asyncio.sleep(3600)
            finally:
                ended.append(True)

        task = tasks.spawn(forever(), "reader")
        assert task.get_name() == "pool/reader"
        await asyncio.sleep(0)
        await tasks.close(timeout_s=1)
        assert ended == [True]
        assert len(tasks) == 0
        await tasks.close(timeout_s=1)
        coro = forever()
        with pytest.raises(ClientError):
            tasks.spawn(coro, "late")

    run(main())


def test_a_death_is_logged_counted_and_reported(run, caplog):
    async def main():
        deaths = []
        tasks = OwnedTasks("pool", on_death=lambda name, error: deaths.append((name, error)))

        async def die():
            raise LookupError("boom")

        tasks.spawn(die(), "reader")
        await asyncio.sleep(0.01)
        assert [(name, type(error)) for name, error in deaths] == [("pool/reader", LookupError)]
        assert tasks.deaths == 1
        await tasks.close(timeout_s=1)

    with caplog.at_level(logging.ERROR):
        run(main())
    assert "task=pool/reader died" in caplog.text


def test_a_task_that_closes_its_owner_is_not_cancelled(run):
    async def main():
        tasks = OwnedTasks("pool")

        async def closer():
            await tasks.close(timeout_s=1)
            return "done"

        assert await tasks.spawn(closer(), "closer") == "done"

    run(main())


def test_a_task_that_ignores_cancellation_is_reported_not_waited_for(run, caplog):
    async def main():
        tasks = OwnedTasks("pool")
        release = asyncio.Event()

        async def stubborn():
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                await release.wait()

        task = tasks.spawn(stubborn(), "stubborn")
        await asyncio.sleep(0)
        await tasks.close(timeout_s=0.05)
        release.set()
        await task

    run(main())
    assert "does not end after cancellation" in caplog.text


def test_manual_clock_moves_only_when_told():
    clock = ManualClock(monotonic_ns=1, wall_ns=2)
    clock.advance(1.5)
    assert (clock.monotonic_ns(), clock.wall_ns()) == (1_500_000_001, 1_500_000_002)
    clock.step_wall(-1)
    assert (clock.monotonic_ns(), clock.wall_ns()) == (1_500_000_001, 500_000_002)
    with pytest.raises(ValueError, match="step_wall"):
        clock.advance(-1)
    assert SYSTEM_CLOCK.monotonic_ns() <= SYSTEM_CLOCK.monotonic_ns()
    assert SYSTEM_CLOCK.wall_ns() > 1_600_000_000_000_000_000
