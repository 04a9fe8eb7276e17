"""The pool's output is bounded, ordered, and honest about what is missing (BN-S-73)."""

from __future__ import annotations

import asyncio

import pytest

from connectors.binance import output as module
from connectors.binance.output import Output
from connectors.net.stream import BufferOverflow


async def drain(output):
    return [event async for event in output]


def make(capacity=3):
    return Output(capacity, lambda count: f"lost {count}")


def test_order_of_arrival_over_both_kinds(run):
    output = make()
    output.push(1)
    output.push_control("a")
    output.push(2)
    output.push_control("b")
    output.close()
    assert run(drain(output)) == [1, "a", 2, "b"]


def test_the_oldest_go_and_a_marker_stands_for_them(run):
    output = make()
    for number in range(7):
        output.push(number)
    output.push_control("kept")
    output.close()
    assert run(drain(output)) == ["lost 4", 4, 5, 6, "kept"]
    assert output.dropped == 4


def test_control_events_are_never_dropped_but_bounded(run, monkeypatch):
    monkeypatch.setattr(module, "CONTROL_CAPACITY", 5)
    output = make()
    for number in range(6):
        output.push_control(number)
    output.push("too late")

    async def main():
        got = []
        with pytest.raises(BufferOverflow):
            async for event in output:
                got.append(event)
        assert got == [0, 1, 2, 3, 4]
        assert await drain(output) == []

    run(main())


def test_a_waiting_consumer_is_woken(run):
    async def main():
        output = make()
        task = asyncio.create_task(drain(output))
        await asyncio.sleep(0)
        output.push(1)
        await asyncio.sleep(0)
        output.push_control(2)
        await asyncio.sleep(0)
        output.close()
        assert await task == [1, 2]

    run(main())


def test_a_finished_output(run):
    assert run(drain(Output.finished())) == []


def test_bn_tc_22_a_stopped_consumer_costs_no_memory():
    output = make(100)
    for number in range(100_000):
        output.push(number)
    assert len(output) == 100
