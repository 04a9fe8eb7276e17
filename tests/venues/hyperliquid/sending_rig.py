"""A sender of Hyperliquid commands on a simulator, without the rest of an execution client."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from connectors._speedups.feed import Decoder
from connectors.hyperliquid.config import Config, OrderChannel
from connectors.hyperliquid.instruments import load_instruments
from connectors.hyperliquid.limits import IpLimits
from connectors.hyperliquid.orders import CancelPlan, Rules, cloid_of, plan_order
from connectors.hyperliquid.rest import HyperliquidRest
from connectors.hyperliquid.sending import Command, Kind, Sender
from connectors.hyperliquid.signing import Signer
from connectors.model import Instrument, Order, Side, limit_order
from connectors.net.clock import SYSTEM_CLOCK
from connectors.net.endpoint import Endpoint
from connectors.net.session import Session
from connectors.net.session_events import Connected, Lost
from connectors.net.tasks import OwnedTasks
from connectors.sim.hyperliquid.config import AccountSetup, SimConfig
from connectors.sim.hyperliquid.server import Simulator, start

KEYS = [f"{number:02x}" * 32 for number in range(0x31, 0x39)]
PRICE = Decimal(20_000)  # far below every market: rests
SIZE = Decimal("0.001")
CROSSING = Decimal(100_000)
SHORT = 60_000  # of a post that must not time out while the machine is busy
HTTP, WS = OrderChannel.HTTP, OrderChannel.WS
CHANNELS = (WS, HTTP)
both = pytest.mark.parametrize("channel", CHANNELS)


async def until(condition: Callable[[], Any], what: str = "the condition") -> Any:
    """Wait for something to become true and return it."""
    deadline = time.monotonic() + 20.0
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what} did not come true"
        await asyncio.sleep(0.002)
    return found


class Frames(Decoder):
    """Keeps what the venue says; hands posts and errors on."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.take: Callable[[dict[str, Any]], None] = self.bodies.append

    def on_message(self, data: bytes, ts_init: int) -> None:
        if not data.startswith(b"{"):
            return
        body = json.loads(data)
        self.bodies.append(body)
        self.take(body)


class Owner:
    """Keeps what the sender tells: (what, command, how)."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Command, Any]] = []
        self.problems: list[tuple[str, Any]] = []

    def tx_sent(self, command: Command) -> None:
        self.told.append(("sent", command, None))

    def tx_accepted(self, command: Command, result: Any) -> None:
        self.told.append(("accepted", command, result))

    def tx_refused(self, command: Command, refusal: Any) -> None:
        self.told.append(("refused", command, refusal))

    def tx_not_sent(self, command: Command, error: Exception) -> None:
        self.told.append(("not_sent", command, error))

    def tx_unknown(self, command: Command, why: str) -> None:
        self.told.append(("unknown", command, why))

    def send_problem(self, message: str, code: Any) -> None:
        self.problems.append((message, code))

    def of(self, command: Command) -> list[str]:
        return [what for what, about, _ in self.told if about is command]

    def result(self, command: Command) -> Any:
        """How the last thing told of a command was, None if it was only sent."""
        last = [(what, how) for what, about, how in self.told if about is command][-1]
        return last[1]


class Rig:
    """Sender, its connection, and the venue."""

    def __init__(self, sim: Simulator, config: Config, key: str) -> None:
        self.sim, self.config = sim, config
        self.owner = Owner()
        self.signer = Signer(key)
        self.tasks = OwnedTasks("sending-rig")
        self.limits = IpLimits(
            weight_per_min=config.rest_weight_per_min,
            messages_per_min=config.messages_per_min,
            posts_max=config.inflight_posts_max,
        )
        self.rest = HyperliquidRest(config, limits=self.limits)
        self.sender = Sender(
            self.owner,
            config=config,
            signer=self.signer,
            rest=self.rest,
            tasks=self.tasks,
            clock=SYSTEM_CLOCK,
        )
        self.frames = Frames()
        self.frames.take = self._take
        self.session = Session(
            "rig",
            Endpoint(url=config.endpoints.ws),
            self.frames,
            self._on_event,
        )
        self.instruments: dict[str, Instrument] = {}
        self.names = 0

    def _take(self, body: dict[str, Any]) -> None:
        epoch = self.session.epoch
        if body.get("channel") == "post":
            self.sender.on_post(body["data"], epoch)
        elif body.get("channel") == "error":
            self.sender.on_error(body["data"], epoch)

    def _on_event(self, event: Any) -> None:
        if isinstance(event, Connected):
            self.sender.resume()
        elif isinstance(event, Lost):
            self.sender.connection_lost(event.epoch, "the connection was lost")

    # -- commands ----------------------------------------------------------------------

    def command(self, order: Order | None = None, **changes: Any) -> Command:
        """A command that places a resting bid, or another order."""
        if order is None:
            self.names += 1
            fields: dict[str, Any] = {"size": SIZE, "price": PRICE, **changes}
            name = fields.pop("client_order_id", f"order-{self.names}")
            side = fields.pop("side", Side.BUY)
            coin = fields.pop("instrument_id", "BTC-PERP")
            order = limit_order(coin, side, client_order_id=name, **fields)
        plan = plan_order(
            order,
            self.instruments[order.instrument_id],
            cloid=cloid_of(order.client_order_id),
            best_price=lambda side: None,
            rules=Rules(),
        )
        return Command(Kind.CREATE, plan, subject=order)

    def cancel_of(self, command: Command, oid: int | None = None) -> Command:
        plan = command.plan
        cloid = plan.cloid if oid is None else None
        return Command(Kind.CANCEL, CancelPlan(plan.asset, cloid, oid), subject=command.subject)

    async def done(self, *commands: Command) -> list[str]:
        """Wait until each command has an outcome; return them."""

        def last(command: Command) -> str:
            told = [what for what in self.owner.of(command) if what != "sent"]
            return told[-1] if told else ""

        await until(lambda: all(map(last, commands)), "an outcome of each command")
        return [last(command) for command in commands]

    async def place(self, **changes: Any) -> Command:
        command = self.command(**changes)
        self.sender.order(command)
        await self.done(command)
        return command

    @property
    def account(self) -> Any:
        return self.sim.exchange.accounts[self.signer.address.lower()]


@asynccontextmanager
async def sending(
    *,
    sim_config: SimConfig | None = None,
    key: str = KEYS[0],
    connect: bool = True,
    **settings: Any,
) -> AsyncIterator[Rig]:
    """Start a simulator with eight wallets and a sender of the first."""
    config = sim_config or SimConfig(
        setups=tuple(AccountSetup(f"0x{one}") for one in KEYS), levels=5, block_ms=0
    )
    sim = await start(config)
    rig = Rig(sim, Config.sim(sim.http_url, key, **settings), key)
    try:
        found = await load_instruments(rig.rest)
        rig.instruments = {instrument.id: instrument for instrument in found}
        rig.sender.attach(rig.session)
        if connect:
            await rig.session.open()
        yield rig
    finally:
        rig.sender.close("the test is over")
        await rig.tasks.close(timeout_s=5.0)
        await rig.session.close()
        await rig.rest.close()
        await sim.stop()
        rig.signer.close()


def posted(rig: Rig) -> list[Any]:
    """Return the bodies the venue has seen."""
    return [record.action for record in rig.sim.record.actions]


def settings(**changes: Any) -> SimConfig:
    """Return the settings of a venue that knows all `KEYS`."""
    setups = tuple(AccountSetup(f"0x{key}") for key in KEYS)
    return SimConfig(**{"setups": setups, "levels": 5, "block_ms": 0, **changes})


def lost(where: OrderChannel) -> str:
    """Return the kind of reply that is lost when a command gets no answer."""
    return "post" if where is WS else "/exchange"
