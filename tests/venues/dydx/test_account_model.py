"""An account through losses, in any order of events, becomes what the venue has; no socket.

The venue is the simulator on paper: its chain makes the history, its frames come over connections
that are lost, cut off or miss frames, its answers from replicas that lag, move on between two pages
and fail. Everything hangs on the seed.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any
from unittest.mock import patch

import orjson
import pytest
from venues.dydx.sim_rig import ADDRESS, NAME, Rig, Wire

from connectors.dydx import AccountClient, Config
from connectors.dydx.reconcile import Reconciliation
from connectors.dydx.rest import READS, IndexerRest, _written
from connectors.errors import TransportError, VenueError
from connectors.model import FillReport
from connectors.net.ratelimit import RateLimiter
from connectors.net.tasks import OwnedTasks
from connectors.sim.dydx.rest import Mistake
from faults.dydx_ledger import Ledger

SEEDS = range(1, 7)
STEPS = 120
LAG = 4  # blocks a replica may be behind, at most
TURNS = 200  # of the loop, in which all that can happen without a block has happened
ACCOUNT, BLOCKS = "v4_subaccounts", "v4_block_height"


class Replicas(IndexerRest):
    """REST of the simulator, each answer from another replica."""

    def __init__(self, rig: Rig, source: random.Random) -> None:
        super().__init__(Config.sim("http://127.0.0.1:9"), limiter=RateLimiter())
        self._rig = rig
        self._source = source
        self.failing = 0.0

    async def get(self, path: str, key: str = READS, **query: Any) -> Any:
        for _ in range(self._source.randrange(4)):
            await asyncio.sleep(0)  # frames come meanwhile
        if self._source.random() < self.failing:
            raise TransportError("no answer")
        given = {name: _written(value) for name, value in query.items() if value is not None}
        sim = self._rig.sim
        sim.config.rest_lag_blocks = self._source.randrange(LAG)
        try:
            answer = sim.rest.answer(path.removeprefix("/"), given)
        except Mistake as error:
            raise VenueError(error.status, str(error), status=error.status) from None
        return orjson.loads(orjson.dumps(answer))


class Model:
    """The account, its client, and the connection between them."""

    def __init__(self, seed: int) -> None:
        self.source = random.Random(f"dydx/account/{seed}")
        self.rig = Rig(
            seed=seed,
            levels=4,
            markets=2,
            announce_refused=self.source.random() < 0.5,
            height_first=self.source.random() < 0.3,
            indexer_expired_blocks=self.source.choice((0, 6)),
        )
        self.account = self.rig.account
        self.fills: dict[str, FillReport] = {}
        self.repeated: list[str] = []
        self.done: Counter[str] = Counter()
        self.client = AccountClient(
            Config.sim("http://127.0.0.1:9", address=ADDRESS), on_event=self._on_event
        )
        self.rest = Replicas(self.rig, self.source)
        self.tasks = OwnedTasks("model", on_death=self._died)
        self.deaths: list[str] = []
        self.client._reconciliation = self.reconciliation = Reconciliation(
            self.client,
            rest=self.rest,
            feed=self.client._feed,
            store=self.client._store,
            heights=self.client.heights,
            members=self.client._members,
            tasks=self.tasks,
            lag_blocks=LAG,
        )
        self.reconciliation.open_gap()
        self.reconciliation.is_deaf = True
        self.wire: Wire | None = None
        self.waiting: list[dict[str, Any]] = []  # sent, and not read yet
        self.silent: set[str] = set()  # topics that have not spoken on this connection
        self.was_connected = False

    def _on_event(self, event: Any) -> None:
        if isinstance(event, FillReport):
            if event.trade_id in self.fills:
                self.repeated.append(f"fill {event.trade_id}")
            self.fills[event.trade_id] = event

    def _died(self, name: str, error: BaseException) -> None:
        self.deaths.append(f"{name}: {error!r}")

    # -- the venue ---------------------------------------------------------------------------

    def act(self) -> None:
        """Let something happen at the venue."""
        rig, source = self.rig, self.source
        sim, chance = rig.sim, source.random()
        market = source.choice([*rig.chain.markets.values()])
        if chance < 0.5:
            sim.house.act_for(self.account, market)
        elif chance < 0.65:
            for _ in range(3):
                sim.house.take(market, is_buy=source.random() < 0.5)
        elif chance < 0.70:
            sim.house.quote(market, is_buy=source.random() < 0.5, distance=source.randint(1, 4))
        elif chance < 0.73:
            self._fill_canceled()
        elif chance < 0.76:
            rig.fault(
                "foreign_fill", address=ADDRESS, size="0.0003", price="89000",
                client_id=source.getrandbits(31), open_after=source.random() < 0.5,
            )  # fmt: skip
        elif chance < 0.78:
            rig.fault("sparse_removal", address=ADDRESS, client_id=source.getrandbits(31))
        elif chance < 0.80 and self.account.fills:
            rig.fault("repeat_fill", address=ADDRESS)
        else:
            rig.block()

    def _fill_canceled(self) -> None:
        """Let the proposer fill what its own node has canceled, while it may."""
        for order in islice(reversed([*self.account.orders.values()]), 50):
            may = order.is_short_term and order.terms.good_til_block > self.rig.chain.height
            if may and order.removal == "USER_CANCELED" and order.open_quantums:
                part = self.source.choice((1, 2))
                step = order.market.step_base_quantums
                size = max(order.open_quantums // part // step, 1) * step
                self.rig.sim.fill(order, size, order.terms.subticks)
                self.done["filled though canceled"] += 1
                return

    # -- the connection ----------------------------------------------------------------------

    def connect(self) -> None:
        self.rig.sim.config.snapshot_lag_blocks = self.source.randrange(3)
        self.wire = self.rig.connect()
        self.waiting.clear()
        self.silent = {ACCOUNT, BLOCKS}
        topics = [(ACCOUNT, NAME), (BLOCKS, None)]
        self.source.shuffle(topics)
        for channel, id_ in topics:
            self.wire.subscribe(channel, id_)
            self.waiting += self.wire.frames()
            self._race()

    def _race(self) -> None:
        """Let things happen that are in no snapshot and come in no frame (DX-W-14)."""
        if self.was_connected and self.source.random() < 0.5:
            for _ in range(self.source.randint(1, 4)):
                self.act()
            assert self.wire is not None
            self.waiting += [f for f in self.wire.frames() if f["channel"] == BLOCKS]

    def lose(self) -> None:
        """Lose the connection, with what was not read, or only a part of it."""
        assert self.wire is not None
        self.wire.connection.on_closed()
        self.wire = None
        self.waiting.clear()
        self.client.on_link_lost(0, "lost")
        self.done["lost"] += 1

    def read(self, most: int) -> None:
        """Let the client read some of what was sent."""
        if self.wire is None:
            return
        self.waiting += self.wire.frames()
        for _ in range(min(most, len(self.waiting))):
            frame = self.waiting.pop(0)
            if self.source.random() < 0.01 and frame["type"] == "channel_data" and self.waiting:
                self.client.on_gap("1 frames are missing")
                self.done["frames lost"] += 1
                continue
            self._take(frame)

    def _take(self, frame: dict[str, Any]) -> None:
        channel, contents = frame["channel"], frame["contents"]
        if channel == BLOCKS:
            self.client.on_height(contents)
        elif frame["type"] == "subscribed":
            self.client.on_snapshot(contents)
        else:
            self.client.on_update(contents, frame.get("subaccountNumber"))
        if frame["type"] == "subscribed":
            self.silent.discard(channel)
            if not self.silent:
                self.client.on_link_up(is_reconnect=self.was_connected)
                self.was_connected = True

    # -- a run -------------------------------------------------------------------------------

    async def run(self, steps: int) -> None:
        """Live through a history, then let it become quiet."""
        source = self.source
        try:
            self.rest.failing = source.choice((0.0, 0.1))
            self.connect()
            self.read(100)  # what is older than the first snapshot is no news
            for _ in range(steps):
                self.act()
                if self.wire is None:
                    if source.random() < 0.15:
                        self.connect()
                elif source.random() < 0.03:
                    if source.random() < 0.3:  # dead for a while, and nobody says so
                        for _ in range(source.randint(1, 40)):
                            self.act()
                            await asyncio.sleep(0)
                    self.lose()
                self.read(source.choice((0, 1, 2, 100)))
                for _ in range(source.randrange(8)):
                    await asyncio.sleep(0)
            await self._settle()
        finally:
            await self.tasks.close(timeout_s=5.0)

    async def _settle(self) -> None:
        self.rest.failing = 0.0
        if self.wire is None:
            self.connect()
        for _ in range(2 * self.rig.sim.config.short_block_window + 3 * LAG):
            self.rig.block()
            while self.wire is not None and (self.waiting or self.wire.connection.sent):
                self.waiting += self.wire.frames()
                if not self.waiting:
                    break
                self._take(self.waiting.pop(0))
            for _ in range(TURNS):
                await asyncio.sleep(0)

    def differences(self) -> list[str]:
        """Return where client and venue do not agree."""
        ledger: Any = Ledger()
        ledger.sim = self.rig.sim
        bad = [*self.repeated, *self.deaths]
        if self.reconciliation.is_open:
            bad.append("the gap is open")
        bad += ledger._compare_fills(self)
        for order in self.account.orders.values():
            bad += ledger._compare_order(self, order)
        known = {order.uuid for order in self.account.orders.values()}
        bad += [
            f"{report.venue_order_id} lives, the venue has none"
            for report in self.client.orders()
            if report.venue_order_id not in known
        ]
        held = {f"{t}-PERP": p.quantums for t, p in self.account.positions.items()}
        told = {r.instrument_id for r in self.client.positions() if r.size}
        if told != held.keys():
            bad.append(f"positions {told}, at the venue {held}")
        self.done.update(ledger.compared)
        return bad


@contextmanager
def small() -> Iterator[None]:
    """Make pages and lists so short that they matter, and waits none."""
    with (
        patch("connectors.dydx.reconcile.RETRY_S", 0.0),
        patch("connectors.dydx.reconcile.PAUSE_S", 0.0),
        patch("connectors.dydx.reconcile.LATEST_MAX", 2),
        patch("connectors.dydx.pages.ANSWER_MAX", 30),
        patch("connectors.dydx.pages.PAGE_SIZE", 3),
    ):
        yield


def live(seed: int, steps: int = STEPS) -> Model:
    async def main() -> Model:
        model = Model(seed)
        await model.run(steps)
        return model

    with small():
        return asyncio.run(asyncio.wait_for(main(), 60))


@pytest.mark.parametrize("seed", SEEDS)
def test_dx_r_06_an_account_becomes_what_the_venue_has(seed: int) -> None:
    """Every order that traded is known as it ended, and no trade is missing or told twice."""
    model = live(seed)
    assert model.differences() == []
    assert model.done["fills"] > 0
    assert model.done["orders"] > 0


if __name__ == "__main__":  # FIRST LAST [STEPS]: many of them, by hand
    first, last, *more = map(int, sys.argv[1:])
    totals: Counter[str] = Counter()
    for number in range(first, last):
        found = live(number, *more)
        for text in found.differences()[:6]:
            print(number, text)
        totals.update(found.done)
    print(dict(totals))
