"""A Lighter execution client and the simulator it talks to, with what the rows share (2.0)."""

from __future__ import annotations

import asyncio
import copy
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from connectors.lighter.config import Config, Credentials
from connectors.lighter.execution import ExecutionClient
from connectors.model import (
    Instrument,
    InstrumentKind,
    Order,
    OrderAccepted,
    OrderEvent,
    OrderSubmitted,
    Side,
    limit_order,
)
from connectors.sim.lighter.config import SimConfig
from connectors.sim.lighter.server import Simulator, start
from patience import GRACE_S

__all__ = ["ACCOUNT", "KEY", "PRIVATE_KEY", "Rig", "quiet", "trading", "until"]

DATA = Path(__file__).resolve().parents[2] / "data" / "lighter"
TEMPLATES: dict[str, Any] = json.loads((DATA / "order_templates.json").read_text())
FIRST_FRAMES: dict[str, Any] = json.loads((DATA / "frames_account_initial.json").read_text())
PRIVATE_KEY = TEMPLATES["constants"]["private_key_hex"]
ACCOUNT, KEY = 12345, 5
EVENT_S, COUNTER_S = 2.0, 5.0
QUIET_S = 0.1
BATCH, SINGLE = "jsonapi/sendtxbatch", "jsonapi/sendtx"
STREAMS = (
    "account_all_orders/12345",
    "account_all_trades/12345",
    "account_all_positions/12345",
    "account_all_assets/12345",
    "user_stats/12345",
)

ETH = Instrument(
    id="ETH-PERP",
    symbol="ETH",
    venue="LIGHTER",
    kind=InstrumentKind.PERPETUAL,
    base="ETH",
    quote="USDC",
    tick_size="0.01",
    lot_size="0.0001",
    min_notional=Decimal(10),
    info={"market_id": 0},
)
ETH_SPOT = Instrument(
    id="ETH/USDC-SPOT",
    symbol="ETH/USDC",
    venue="LIGHTER",
    kind=InstrumentKind.SPOT,
    base="ETH",
    quote="USDC",
    tick_size="0.0001",
    lot_size="0.01",
    min_size=Decimal("0.01"),
    min_notional=Decimal(1),
    info={"market_id": 2048},
)
# A position frame as the venue documents it; the channel names another account on purpose.
POSITION_FRAME: dict[str, Any] = {
    "type": "update/account_all_positions",
    "channel": "account_all_positions:1234",
    "positions": {
        "0": {
            "market_id": 0, "symbol": "ETH", "initial_margin_fraction": "0.0500",
            "open_order_count": 1, "pending_order_count": 0, "position_tied_order_count": 0,
            "sign": 1, "position": "1.5000", "avg_entry_price": "2350.10",
            "position_value": "3525.15", "unrealized_pnl": "3.45", "realized_pnl": "0.00",
            "liquidation_price": "1900.00", "total_funding_paid_out": "0.05", "margin_mode": 0,
            "allocated_margin": "176.25", "total_discount": "0.00",
        }
    },
    "shares": [],
    "last_funding_round": None,
    "last_funding_discount": None,
}  # fmt: skip


async def until(
    condition: Callable[[], Any], timeout_s: float = EVENT_S, what: str = "the condition"
) -> Any:
    """Wait for something to become true and return it."""
    deadline = time.monotonic() + timeout_s + GRACE_S
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come true within {timeout_s + GRACE_S:g} s")
        await asyncio.sleep(0.002)
    return found


async def quiet(rig: Rig, seconds: float = QUIET_S) -> None:
    """Let some time pass and assert that no order event came in it."""
    before = len(rig.order_events)
    await asyncio.sleep(seconds)
    assert rig.order_events[before:] == []


class Rig:
    """Client, simulator, and what they said."""

    def __init__(self, sim: Simulator, config: Config, instruments: tuple[Instrument, ...]) -> None:
        self.sim = sim
        self.events: list[Any] = []
        self.take: Callable[[Any], object] = self.events.append
        self.status: list[Any] = []
        self.client = ExecutionClient(
            config,
            on_event=lambda event: self.take(event),
            on_status=self.status.append,
            instruments=instruments,
        )

    @property
    def order_events(self) -> list[OrderEvent]:
        return [event for event in self.events if isinstance(event, OrderEvent)]

    @property
    def names(self) -> list[str]:
        """The kinds of the order events so far."""
        return [type(event).__name__ for event in self.order_events]

    def of(self, kind: type, order: Order | str | None = None) -> list[Any]:
        """Return the events of a kind, of one order."""
        name = order.client_order_id if isinstance(order, Order) else order
        return [
            event
            for event in self.events
            if isinstance(event, kind) and name in (None, getattr(event, "client_order_id", None))
        ]

    async def event(self, kind: type, order: Order | str | None = None) -> Any:
        """Wait for an event of a kind and return the first."""
        found = await until(lambda: self.of(kind, order), what=f"{kind.__name__} of {order}")
        return found[0]

    async def event_count(self, count: int) -> None:
        """Wait until so many order events have come."""
        await until(lambda: len(self.order_events) >= count, what=f"{count} order events")

    @property
    def sends(self) -> list[Any]:
        """What was sent, both transports in one list; approvals and the like included."""
        return list(self.sim.record.txs)

    async def sent(self, count: int) -> list[Any]:
        await until(lambda: len(self.sends) >= count, COUNTER_S, f"{count} sends")
        return self.sends

    def hits(self, endpoint: str) -> int:
        return self.sim.record.hits[endpoint]

    def push(self, frame: Any) -> None:
        """Send a frame to every connection."""
        assert self.sim.faults.push(frame) > 0

    def push_first(self, *names: str) -> None:
        for name in names:
            self.push(FIRST_FRAMES[name])

    async def subscribes(self, count: int = 1, channels: tuple[str, ...] = STREAMS) -> None:
        """Wait until each channel was asked for that often."""
        subscribed = self.sim.record.subscribed
        await until(
            lambda: all(len(subscribed(channel)) >= count for channel in channels),
            10.0,
            f"{count} subscribes",
        )

    async def reconnected(self, count: int = 2) -> None:
        """Wait until the client asked for its streams on a new connection."""
        await self.subscribes(count)
        await until(lambda: self.client.is_connected and self.client._sender.is_running)  # type: ignore[union-attr]

    def order_row(self, index: int, venue_id: int | str, **changes: Any) -> dict[str, Any]:
        """Return the frame of one order, open unless `changes` say otherwise."""
        frame = copy.deepcopy(TEMPLATES["order_open_ws"])
        row = frame["orders"]["0"][0]
        row.update(
            order_index=index,
            client_order_index=index,
            client_order_id=str(index),
            order_id=str(venue_id),
            **changes,
        )
        return frame

    def trade_frame(self, index: int = 77, **changes: Any) -> dict[str, Any]:
        """Return the frame of one trade in which our order bought."""
        frame = copy.deepcopy(TEMPLATES["trade_ws"])
        row = frame["trades"]["0"][0]
        row.update(bid_client_id=index, bid_client_id_str=str(index))
        row.update(changes)
        return frame

    async def seed_open(self, venue_id: int, **order: Any) -> tuple[Order, int]:
        """Submit an order and let the venue show it open; return it and its client index."""
        placed = buy(**order)
        count = len(self.sends)
        self.client.submit_order(placed)
        sends = await self.sent(count + 1)
        index = sends[-1].infos[0]["ClientOrderIndex"]
        await self.event(OrderSubmitted, placed)
        self.push(self.order_row(index, venue_id))
        await self.event(OrderAccepted, placed)
        return placed, index

    async def see_position(self) -> None:
        self.push(POSITION_FRAME)
        await until(lambda: self.client._positions.reports(), COUNTER_S, "the position")

    async def positions(self) -> list[Any]:
        return await self.client.generate_position_status_reports()


def buy(size: str = "0.0050", price: str = "2361.31", **more: Any) -> Order:
    return limit_order("ETH-PERP", Side.BUY, size=size, price=price, **more)


def sell(size: str = "0.0050", price: str = "2361.31", **more: Any) -> Order:
    return limit_order("ETH-PERP", Side.SELL, size=size, price=price, **more)


def settings(sim: Simulator | None, **changes: Any) -> Config:
    """Return the config of the rows; without a simulator it leads nowhere."""
    values: dict[str, Any] = {
        "environment": "testnet",
        "credentials": Credentials(PRIVATE_KEY, ACCOUNT, KEY),
        "rest_url": sim.http_url if sim is not None else "http://127.0.0.1:9",
        "stream_url": sim.ws_url if sim is not None else "ws://127.0.0.1:9/stream",
        "http_timeout_s": 5.0,
        "ws_timeout_s": 5.0,
        "market_order_slippage_bps": 50,
        "reconnect_min_s": 0.02,
    }
    return Config(**{**values, **changes})


@asynccontextmanager
async def trading(
    *,
    connect: bool = True,
    scenario: str = "mock",
    sim: dict[str, Any] | None = None,
    instruments: tuple[Instrument, ...] = (ETH,),
    **config: Any,
) -> AsyncIterator[Rig]:
    """Run a simulator and a client on it; the client is closed in the end."""
    simulator = await start(SimConfig.of(scenario, **(sim or {})))
    try:
        if scenario != "mock" and "credentials" not in config:
            account = simulator.accounts[0]
            config["credentials"] = Credentials(
                account["private_key"], account["account_index"], account["api_key_index"]
            )
        rig = Rig(simulator, settings(simulator, **config), instruments)
        try:
            if connect:
                await rig.client.connect()
            yield rig
        finally:
            await rig.client.close()
    finally:
        await simulator.stop()
