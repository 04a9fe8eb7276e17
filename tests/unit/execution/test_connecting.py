"""Connecting once at a time, and never half."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from connectors.errors import ClientError, ConfigError
from connectors.execution.connecting import Connectable


class Client(Connectable):
    def __init__(self) -> None:
        super().__init__()
        self.done: list[str] = []
        self.fails: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    def _check(self) -> None:
        if self.fails is not None and isinstance(self.fails, ConfigError):
            raise self.fails

    async def _open(self) -> None:
        self.done.append("open")
        await self.gate.wait()
        if self.fails is not None:
            raise self.fails

    async def _teardown(self, why: str) -> None:
        self.done.append(f"teardown: {why}")

    def _wipe(self) -> None:
        self.done.append("wipe")


def test_connect_twice_opens_once(run: Any) -> None:
    async def scenario() -> None:
        client = Client()
        await asyncio.gather(client.connect(), client.connect())
        assert client.done == ["open"]
        await client.disconnect()
        await client.connect()
        assert client.done == ["open", "teardown: disconnected", "open"]

    run(scenario(), 60.0)


def test_what_was_opened_before_a_failure_is_closed(run: Any) -> None:
    async def scenario() -> None:
        client = Client()
        client.fails = ClientError("no")
        with pytest.raises(ClientError, match="no"):
            await client.connect()
        assert client.done == ["open", "teardown: connect failed"]
        client.fails = None
        await client.connect()
        assert client.done[-1] == "open"

    run(scenario(), 60.0)


def test_settings_that_cannot_work_open_nothing(run: Any) -> None:
    async def scenario() -> None:
        client = Client()
        client.fails = ConfigError("no key")
        with pytest.raises(ConfigError):
            await client.connect()
        assert client.done == []

    run(scenario(), 60.0)


def test_disconnect_ends_a_connect_under_way(run: Any) -> None:
    async def scenario() -> None:
        client = Client()
        client.gate.clear()
        connecting = asyncio.ensure_future(client.connect())
        while not client.done:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)
        await client.disconnect()
        with pytest.raises(ClientError, match="disconnected while connecting"):
            await connecting

    run(scenario(), 60.0)


def test_a_cancelled_connect_is_cancelled(run: Any) -> None:
    async def scenario() -> None:
        client = Client()
        client.gate.clear()
        connecting = asyncio.ensure_future(client.connect())
        while not client.done:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting
        assert client.done == ["open", "teardown: connect failed"]

    run(scenario(), 60.0)


def test_leaving_the_block_wipes(run: Any) -> None:
    async def scenario() -> None:
        async with Client() as client:
            pass
        assert client.done == ["open", "teardown: disconnected", "wipe"]

    run(scenario(), 60.0)
