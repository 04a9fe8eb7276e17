"""The sending line (lighter.md 7.4)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from connectors.execution.sequence import (
    LineFull,
    NotSent,
    OrderedSender,
    SendLine,
    Turn,
    TurnState,
)
from connectors.net.ratelimit import Quota, QuotaExceeded, RateLimiter
from connectors.net.tasks import OwnedTasks


def test_a_free_line_starts_at_once() -> None:
    line = SendLine()
    started: list[Turn] = []
    turn = line.enter(started.append, tag="a")
    assert started == [turn]
    assert line.active is turn
    assert not line.is_free
    turn.release()
    turn.release()
    assert turn.state is TurnState.RELEASED
    assert line.is_free


def test_l_11_nobody_overtakes_who_holds_the_turn() -> None:
    line = SendLine()
    log: list[str] = []
    batch = line.enter(lambda turn: log.append("batch"))
    single = line.enter(lambda turn: (log.append("single"), turn.release()))  # type: ignore[func-returns-value, return-value]
    assert log == ["batch"]
    assert len(line) == 1
    batch.release()
    assert log == ["batch", "single"]
    assert single.state is TurnState.RELEASED


def test_a_place_can_be_given_up_before_its_turn() -> None:
    line = SendLine()
    log: list[str] = []
    first = line.enter(lambda turn: None)
    second = line.enter(lambda turn: log.append("second"))
    third = line.enter(lambda turn: log.append("third"))
    second.release()
    assert second.state is TurnState.DROPPED
    first.release()
    assert log == ["third"]
    assert line.active is third


def test_a_long_line_moves_on_without_recursion() -> None:
    line = SendLine(capacity=20_000)
    first = line.enter(lambda turn: None)
    done: list[int] = []

    def starter(number: int) -> Callable[[Turn], None]:
        def start(turn: Turn) -> None:
            done.append(number)
            turn.release()

        return start

    for number in range(10_000):
        line.enter(starter(number))
    first.release()
    assert done == list(range(10_000))
    assert line.is_free


def test_who_enters_from_a_start_comes_last() -> None:
    line = SendLine()
    log: list[str] = []

    def first(turn: Turn) -> None:
        log.append("first")
        line.enter(lambda turn: log.append("third"))
        turn.release()

    holder = line.enter(lambda turn: None)
    line.enter(first)
    line.enter(lambda turn: (log.append("second"), turn.release()))  # type: ignore[func-returns-value, return-value]
    holder.release()
    assert log == ["first", "second", "third"]


def test_a_start_that_raises_frees_the_line(caplog: pytest.LogCaptureFixture) -> None:
    line = SendLine()

    def bad(turn: Turn) -> None:
        raise RuntimeError("signing failed")

    with pytest.raises(RuntimeError):
        line.enter(bad)
    assert line.is_free
    holder = line.enter(lambda turn: None)
    line.enter(bad, tag="x1")
    log: list[str] = []
    line.enter(lambda turn: log.append("next"))
    holder.release()
    assert log == ["next"]
    assert "x1" in caplog.text


def test_a_paused_line_stands_until_every_reason_is_gone() -> None:
    line = SendLine()
    log: list[str] = []
    line.pause("nonce")
    line.pause("reconnect")
    line.enter(lambda turn: log.append("a"))
    line.resume("nonce")
    assert log == []
    assert line.pauses == {"reconnect"}
    line.resume("reconnect")
    assert log == ["a"]


def test_the_line_is_bounded_and_can_be_emptied() -> None:
    line = SendLine(capacity=2)
    line.enter(lambda turn: None)
    told: list[Any] = []
    turns = [
        line.enter(lambda turn: None, on_drop=lambda turn: told.append(turn.tag), tag=tag)
        for tag in "ab"
    ]
    with pytest.raises(LineFull):
        line.enter(lambda turn: None)
    assert line.drop_waiting() == turns
    assert told == ["a", "b"]
    assert {turn.state for turn in turns} == {TurnState.DROPPED}


def with_sender(
    run: Callable[..., Any],
    body: Callable[[OrderedSender], Any],
    limiter: RateLimiter | None = None,
    **more: Any,
) -> None:
    async def main() -> None:
        tasks = OwnedTasks("test")
        sender = OrderedSender(tasks, limiter=limiter, keys=("tx",) if limiter else (), **more)
        try:
            await body(sender)
        finally:
            await tasks.close(timeout_s=1)

    run(main())


def never(error: Exception) -> None:
    raise AssertionError(error)


def test_send_writes_in_the_call_when_nothing_is_in_the_way(run_any: Callable[..., Any]) -> None:
    async def body(sender: OrderedSender) -> None:
        log: list[str] = []
        sender.send(lambda: log.append("a"), on_error=never)
        assert log == ["a"]

    with_sender(run_any, body, RateLimiter({"tx": Quota(10, 1.0)}))


def test_l_11_a_socket_send_waits_for_the_http_reply(run_any: Callable[..., Any]) -> None:
    async def body(sender: OrderedSender) -> None:
        log: list[str] = []
        async with sender.turn(timeout_s=1):
            sender.send(lambda: log.append("single"), on_error=never)
            await asyncio.sleep(0)
            assert log == []
            log.append("reply")
        assert log == ["reply", "single"]

    with_sender(run_any, body)


def test_waiting_for_the_limit_holds_the_turn(run_any: Callable[..., Any]) -> None:
    async def body(sender: OrderedSender) -> None:
        log: list[str] = []
        for name in "abc":
            sender.send(lambda name=name: log.append(name), on_error=never)  # type: ignore[misc]
        assert log == ["a"], "the quota holds one"
        async with sender.turn(timeout_s=5):
            assert log == ["a", "b", "c"]

    with_sender(run_any, body, RateLimiter({"tx": Quota(50, 1.0, burst=1)}))


def test_a_limit_that_does_not_come_free_sends_nothing(run_any: Callable[..., Any]) -> None:
    async def body(sender: OrderedSender) -> None:
        log: list[Any] = []
        sender.send(lambda: log.append("a"), on_error=never)
        sender.send(lambda: log.append("b"), on_error=log.append)
        sender.send(lambda: log.append("c"), on_error=log.append)
        with pytest.raises(QuotaExceeded):
            async with sender.turn(timeout_s=1):
                pass
        assert log[0] == "a"
        assert [type(item) for item in log[1:]] == [QuotaExceeded, QuotaExceeded]
        assert sender.line.is_free

    with_sender(run_any, body, RateLimiter({"tx": Quota(1, 1000.0, burst=1)}), limit_timeout_s=0.01)


def test_closing_while_the_limit_is_awaited_says_not_sent(run_any: Callable[..., Any]) -> None:
    async def main() -> None:
        tasks = OwnedTasks("test")
        limiter = RateLimiter({"tx": Quota(1, 1000.0, burst=1)})
        sender = OrderedSender(tasks, limiter=limiter, keys=("tx",))
        errors: list[Exception] = []
        sender.send(lambda: None, on_error=never)
        sender.send(lambda: errors.append(AssertionError("sent")), on_error=errors.append)
        await tasks.close(timeout_s=1)
        await asyncio.sleep(0)
        assert [type(error) for error in errors] == [NotSent]

    run_any(main())


def test_a_failed_write_goes_to_its_own_error(run_any: Callable[..., Any]) -> None:
    async def body(sender: OrderedSender) -> None:
        errors: list[Exception] = []

        def bad() -> None:
            raise ValueError("cannot sign")

        sender.send(bad, on_error=errors.append)
        assert [str(error) for error in errors] == ["cannot sign"]
        assert sender.line.is_free

    with_sender(run_any, body)


def test_a_turn_that_never_comes(run_any: Callable[..., Any]) -> None:
    async def body(sender: OrderedSender) -> None:
        async with sender.turn(timeout_s=1):
            with pytest.raises(TimeoutError):
                async with sender.turn(timeout_s=0.01):
                    raise AssertionError("not our turn")
            waiting = asyncio.ensure_future(sender.turn(timeout_s=1).__aenter__())
            await asyncio.sleep(0)
            errors: list[Exception] = []
            sender.send(lambda: None, on_error=errors.append)
            assert len(sender.line.drop_waiting()) == 2
            with pytest.raises(NotSent):
                await waiting
            assert [type(error) for error in errors] == [NotSent]
        assert sender.line.is_free

    with_sender(run_any, body)
