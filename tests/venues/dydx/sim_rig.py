"""The dYdX simulator without sockets: a virtual clock, blocks by hand, connections on paper."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from connectors.sim.dydx.config import SimConfig
from connectors.sim.dydx.connection import Connection
from connectors.sim.dydx.numbers import MONEY, count
from connectors.sim.dydx.server import Simulator

DATA = Path(__file__).resolve().parents[2] / "data" / "dydx"
START_MS = 1_765_210_320_000  # 2025-12-08T16:12:00.000Z, when the wire files' frames happen
ADDRESS = "dydx1n56z5fhmemtffzkt2eqyf9kuc7ycjfs86mvqy7"
NAME = f"{ADDRESS}/0"
CONNECTION_ID = "004a1efa-21bb-4b19-a2e9-a8ffadd6dc53"
HEIGHT = 66_624_150


def in_loop(test: Callable[..., None]) -> Callable[..., None]:
    """Let a test that waits for nothing run inside of a loop: connections want one."""

    @functools.wraps(test)
    def inner(*args: Any, **values: Any) -> None:
        async def body() -> None:
            test(*args, **values)

        asyncio.run(asyncio.wait_for(body(), 60))

    return inner


class _Transport:
    """A socket that takes everything."""

    def __init__(self) -> None:
        self.written = b""
        self.ended = ""

    def write(self, data: bytes) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return bool(self.ended)

    def get_write_buffer_size(self) -> int:
        return 0

    def get_extra_info(self, name: str) -> None:
        return None

    def close(self) -> None:
        self.ended = self.ended or "closed"

    def abort(self) -> None:
        self.ended = self.ended or "aborted"

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class _Request:
    raw_path = "/v4/ws"
    headers: dict[str, str] = {}  # noqa: RUF012 - never changed

    def __init__(self) -> None:
        self.transport = _Transport()


class Wire:
    """One connection: what is sent to it, and what it sends."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._read = 0

    def send(self, frame: Any) -> None:
        """Let the server read a frame: an object, or text as it is."""
        text = frame if isinstance(frame, str) else json.dumps(frame)
        if self.connection.open:
            self.connection.on_data(text)

    def subscribe(self, channel: str, id_: Any = None, **more: Any) -> None:
        self.send({"type": "subscribe", "channel": channel, **_id(id_), **more})

    def unsubscribe(self, channel: str, id_: Any = None) -> None:
        self.send({"type": "unsubscribe", "channel": channel, **_id(id_)})

    def raw(self) -> list[str]:
        """Return the frames that came since the last call, as text."""
        sent = [payload.decode() for payload in self.connection.sent]
        new, self._read = sent[self._read :], len(sent)
        return new

    def frames(self) -> list[dict[str, Any]]:
        """Return the frames that came since the last call."""
        return [json.loads(text) for text in self.raw()]

    def data(self, channel: str) -> list[Any]:
        """Return the contents of one channel's new data frames."""
        return [
            frame["contents"]
            for frame in self.frames()
            if frame.get("channel") == channel and frame["type"].startswith("channel_")
        ]

    @property
    def closed(self) -> tuple[int, str] | None:
        return self.connection.close_sent


def _id(id_: Any) -> dict[str, Any]:
    return {} if id_ is None else {"id": id_}


class Rig:
    """A simulator whose time and blocks the test moves."""

    def __init__(self, **changes: Any) -> None:
        settings = {"virtual_start_ms": START_MS, "markets": 3, **changes}
        self.sim = Simulator(SimConfig.of("stepped", **settings))
        self.chain = self.sim.chain
        account = self.chain.open_subaccount(ADDRESS, 0)
        account.usdc, account.funded = count("45201.296", MONEY), True
        account.keep_state(63_049_869)
        self.account = account
        self._number = 0

    def connect(self) -> Wire:
        """Return a new connection; its first frame has been read."""
        self._number += 1
        request: Any = _Request()
        connection = self.sim.accept(request, "/v4/ws", "", self._number)
        connection.connection_id = CONNECTION_ID
        self.sim.connections[self._number] = connection
        connection.on_open()
        wire = Wire(connection)
        assert wire.frames() == [
            {"type": "connected", "connection_id": CONNECTION_ID, "message_id": 0}
        ]
        return wire

    def advance(self, seconds: float) -> None:
        """Move the clock, in steps of 10 ms."""
        for _ in range(round(seconds * 100)):
            self.sim.clock.advance(10_000_000)
            self.sim.step()

    def block(self, heights: int = 1) -> int:
        """Make a block, half a second later for each height."""
        self.sim.clock.advance(500_000_000 * heights)
        return self.sim.block(heights)

    def act(self, name: str, **body: Any) -> Any:
        """Do what `POST /_sim/NAME` does."""
        return self.sim.admin.acts[name](body)

    def order(self, side: str, size: str, price: str, client_id: int, **more: Any) -> Any:
        """Place an order of the account."""
        asked = {"ticker": "BTC-USD", "side": side, "size": size, "price": price, **more}
        return self.act("order", address=ADDRESS, client_id=client_id, **asked)

    def cancel(self, client_id: int, **more: Any) -> Any:
        return self.act("cancel", address=ADDRESS, ticker="BTC-USD", client_id=client_id, **more)

    def house(self, side: str, size: str, price: str, **more: Any) -> Any:
        """Place an order of the house."""
        asked = {"ticker": "BTC-USD", "side": side, "size": size, "price": price, **more}
        return self.act("house", **asked)

    def fault(self, name: str, **values: Any) -> Any:
        return self.sim.faults.apply({"fault": name, **values})
