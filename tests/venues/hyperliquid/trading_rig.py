"""A Hyperliquid execution client and the simulator it talks to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

from connectors.hyperliquid.config import Config
from connectors.hyperliquid.execution import ExecutionClient
from connectors.model import (
    FillReport,
    Order,
    OrderAccepted,
    OrderEvent,
    Side,
    limit_order,
)
from connectors.net.attempts import AttemptBudget
from connectors.net.ratelimit import Quota
from connectors.sim.hyperliquid.config import SimConfig
from connectors.sim.hyperliquid.server import Simulator, start

__all__ = ["Rig", "buy", "sell", "trading", "until"]

PATIENCE_S = 20.0  # the machine may be busy


async def until(condition: Callable[[], Any], what: str = "the condition") -> Any:
    """Wait for something to become true and return it."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come true within {PATIENCE_S:g} s")
        await asyncio.sleep(0.002)
    return found


def buy(size: str = "1", price: str = "2900", **more: Any) -> Order:
    return limit_order("ETH-PERP", Side.BUY, size=size, price=price, **more)


def sell(size: str = "1", price: str = "3100", **more: Any) -> Order:
    return limit_order("ETH-PERP", Side.SELL, size=size, price=price, **more)


class Rig:
    """Client, simulator, and what they said."""

    def __init__(self, sim: Simulator, config: Config, clients: list[ExecutionClient]) -> None:
        self.sim = sim
        self.config = config
        self.events: list[Any] = []
        self.take: Callable[[Any], object] = self.events.append
        self.status: list[Any] = []
        self.client = ExecutionClient(
            config,
            on_event=lambda event: self.take(event),
            on_status=self.status.append,
            attempts=AttemptBudget((Quota(1_000_000, 1.0),)),
        )
        clients.append(self.client)

    # -- what came ---------------------------------------------------------------------

    @property
    def order_events(self) -> list[OrderEvent]:
        return [event for event in self.events if isinstance(event, OrderEvent)]

    def kinds(self, order: Order | str | None = None) -> list[str]:
        """Return the kinds of order events so far, in short, of one order."""
        name = order.client_order_id if isinstance(order, Order) else order
        return [
            type(event).__name__.removeprefix("Order")
            for event in self.order_events
            if name in (None, event.client_order_id)
        ]

    def of(self, kind: type, order: Order | None = None) -> list[Any]:
        name = None if order is None else order.client_order_id
        return [
            event
            for event in self.events
            if isinstance(event, kind) and name in (None, getattr(event, "client_order_id", None))
        ]

    async def event(self, kind: type, order: Order | None = None, count: int = 1) -> Any:
        """Wait for so many events of a kind and return the last of them."""
        await until(
            lambda: len(self.of(kind, order)) >= count, f"{count} {kind.__name__}: {self.kinds()}"
        )
        return self.of(kind, order)[count - 1]

    async def told(self, order: Order, *kinds: str) -> None:
        """Wait until exactly these events of an order have come, and nothing else of it."""
        wanted = list(kinds)
        await until(lambda: len(self.kinds(order)) >= len(wanted), f"{wanted}: {self.kinds(order)}")
        assert self.kinds(order) == wanted
        await self.settle()
        assert self.kinds(order) == wanted

    async def settle(self) -> None:
        """Wait until everything that was sent before now has been dealt with on both sides."""
        self.sim.flush()
        stream = self.client._stream
        if stream is None or not stream.session.is_connected:
            return
        before = stream.session.counters.messages
        stream.session.send('{"method":"ping"}')
        await until(
            lambda: not stream.session.is_connected or stream.session.counters.messages > before,
            "a pong",
        )

    # -- what is sent ------------------------------------------------------------------

    def actions(self, kind: str | None = None) -> list[Any]:
        """Return the actions the simulator has taken, of one type."""
        return [item for item in self.sim.record.actions if kind in (None, item.kind)]

    async def taken(self, kind: str, count: int = 1) -> Any:
        await until(lambda: len(self.actions(kind)) >= count, f"{count} {kind}")
        return self.actions(kind)[count - 1]

    async def open_order(self, order: Order | None = None) -> Order:
        """Place an order that rests, and wait until it is accepted."""
        order = order or buy()
        self.client.submit_order(order)
        await self.event(OrderAccepted, order)
        return order

    def tracked(self, order: Order) -> Any:
        return self.client.registry.by_client_id(order.client_order_id)

    # -- the venue ---------------------------------------------------------------------

    @property
    def account(self) -> Any:
        return self.sim.exchange.account(self.client.user or "")

    def venue_order(self, order: Order) -> Any:
        """Return the venue's newest order under an order's cloid."""
        key = self.tracked(order).client_key
        return self.account.by_cloid.get(key) or self.account.last_named.get(key)

    def house(self, side: str, price: str, size: str, *, take: bool = False) -> None:
        self.sim.house_order("ETH", side, price=price, size=size, take=take)

    def push(self, channel: str, data: Any) -> None:
        """Send a frame that the venue never meant."""
        assert self.sim.faults.push({"channel": channel, "data": data}) > 0

    def update(self, order: Order, oid: int, status: str, **changes: Any) -> dict[str, Any]:
        """Return an entry of orderUpdates about an order."""
        row = {
            "coin": "ETH", "side": "B", "limitPx": "2900.0", "sz": "1.0", "oid": oid,
            "timestamp": self.sim.clock.now_ms(), "origSz": "1.0",
            "cloid": self.tracked(order).client_key,
        }  # fmt: skip
        row.update(changes)
        return {"order": row, "status": status, "statusTimestamp": self.sim.clock.now_ms()}

    def fill_row(self, order: Order, oid: int, tid: int, size: str, **changes: Any) -> Any:
        """Return a fill of an order."""
        row = {
            "coin": "ETH", "px": "2900.0", "sz": size, "side": "B",
            "time": self.sim.clock.now_ms(), "startPosition": "0.0", "dir": "Open Long",
            "closedPnl": "0.0", "hash": "0x" + "0" * 64, "oid": oid, "crossed": False,
            "fee": "0.01", "tid": tid, "feeToken": "USDC", "twapId": None,
            "cloid": self.tracked(order).client_key,
        }  # fmt: skip
        row.update(changes)
        return row

    def push_fills(self, *rows: Any, **more: Any) -> None:
        self.push("userFills", {"user": self.client.user, "fills": list(rows), **more})

    def cut(self) -> None:
        """Cut every connection."""
        for connection in list(self.sim.connections.values()):
            connection.abort()

    async def lost(self) -> None:
        await until(lambda: not self.client.is_connected, "the loss")

    async def back(self, count: int = 1) -> None:
        """Wait until so many reconnects have been told: what a gap hid has been read then."""
        await until(
            lambda: len([e for e in self.status if type(e).__name__ == "Reconnected"]) >= count,
            f"{count} reconnects",
        )

    @property
    def late(self) -> list[FillReport]:
        return [event for event in self.events if isinstance(event, FillReport)]


@asynccontextmanager
async def trading(
    *,
    scenario: str = "instant",
    connect: bool = True,
    sim: dict[str, Any] | None = None,
    account: int = 0,
    orders: Iterable[Order] = (),
    **config: Any,
) -> AsyncIterator[Rig]:
    """Run a simulator with empty books and a client on it; the client is closed in the end."""
    settings: dict[str, Any] = {"levels": 0, **(sim or {})}
    simulator = await start(SimConfig.of(scenario, **settings))
    clients: list[ExecutionClient] = []
    config.setdefault("reconnect_min_s", 0.02)
    config.setdefault("reconnect_max_s", 0.1)
    try:
        key = simulator.accounts[account]["private_key"]
        rig = Rig(simulator, Config.sim(simulator.http_url, key, **config), clients)
        if connect:
            await rig.client.connect()
        for order in orders:
            await rig.open_order(order)
        yield rig
    finally:
        for client in clients:
            await client.close()
        await simulator.stop()
