"""`connectors.run`."""

from __future__ import annotations

import asyncio
import sys
import time

import pytest

import connectors
from patience import GRACE_S


async def answer():
    await asyncio.sleep(0)
    return type(asyncio.get_running_loop()).__module__


@pytest.mark.parametrize("spin", [False, True])
def test_run_returns_the_result_on_uvloop(spin):
    module = connectors.run(answer(), spin=spin)
    assert module.startswith("asyncio" if sys.platform == "win32" else "uvloop")


@pytest.mark.parametrize("spin", [False, True])
def test_errors_come_out(spin):
    async def fails():
        raise ValueError("out")

    with pytest.raises(ValueError, match="out"):
        connectors.run(fails(), spin=spin)


def test_spinning_does_not_starve_and_ends():
    async def main():
        loop = asyncio.get_running_loop()
        turns = 0

        def count():
            nonlocal turns
            turns += 1

        start = loop.time()
        for _ in range(5):
            await asyncio.sleep(0.002)
            loop.call_soon(count)
        return turns, loop.time() - start

    turns, took = connectors.run(main(), spin=True)
    assert turns >= 4
    assert took < GRACE_S


def test_a_spinning_loop_polls_instead_of_sleeping():
    async def main():
        # While asleep in epoll the process uses no time of the processor; others may use it.
        before = time.process_time()
        for _ in range(20):
            await asyncio.sleep(0.01)
        return time.process_time() - before

    assert connectors.run(main(), spin=True) > 5 * max(connectors.run(main()), 0.001)
