"""The account client against the simulator: what it shows is what the venue has."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from connectors import dydx
from connectors.errors import (
    AuthenticationError,
    ClientError,
    ConfigError,
    ConnectorError,
    VenueError,
)
from connectors.model import (
    ConnectionStatus,
    ErrorEvent,
    FillReport,
    OrderStatus,
    OrderStatusReport,
    PositionSide,
    Reconnected,
    SubscriptionStatus,
    Transfer,
    VenueEvent,
)
from connectors.net.attempts import AttemptBudget
from connectors.net.ratelimit import Quota
from connectors.sim.dydx.config import AccountSetup
from connectors.sim.dydx.keys import random_mnemonic
from connectors.sim.dydx.server import Simulator, start
from patience import until

LAG = 3
STEPPED = {"block_ms": 0.0}  # blocks are made by the test: nothing expires while it waits


class Rig:
    """A simulator, a client of one of its accounts, and what they said."""

    def __init__(self, sim: Simulator, **settings: Any) -> None:
        self.sim = sim
        self.address = sim.accounts[0]["address"]
        self.events: list[Any] = []
        self.status: list[Any] = []
        settings.setdefault("address", self.address)
        self.client = dydx.AccountClient(
            dydx.Config.sim(
                sim.http_url, rest_lag_blocks=LAG, **{"reconnect_max_s": 0.5, **settings}
            ),
            on_event=self.events.append,
            on_status=self.status.append,
            attempts=AttemptBudget((Quota(1_000_000, 1.0),)),
        )

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def told(self, kind: type) -> list[Any]:
        return [event for event in self.status if isinstance(event, kind)]

    def order(self, side: str = "BUY", **body: Any) -> str:
        """Place an order of the account; return its id."""
        body = {"size": "0.01", "price": "80000", "ticker": "BTC-USD", **body}
        placed = self.sim.admin.acts["order"]({"address": self.address, "side": side, **body})
        assert placed["code"] == 0, placed
        return placed["id"]

    def cancel(self, order: str, **body: Any) -> None:
        assert self.sim.admin.acts["cancel"]({"id": order, **body})["code"] == 0

    def take(self, side: str, price: str, size: str) -> None:
        """Let the house trade with what rests."""
        self.sim.admin.acts["house"](
            {"ticker": "BTC-USD", "side": side, "price": price, "size": size, "take": True}
        )

    def venue(self) -> dict[str, Any]:
        """What the venue has of the account."""
        return self.sim.admin.reads["account"]({"address": self.address})

    async def status_of(self, order: str, status: OrderStatus) -> OrderStatusReport:
        """Wait until an order was told to have a status, and return that report."""

        def reached() -> list[OrderStatusReport]:
            return [
                report
                for report in self.of(OrderStatusReport)
                if report.venue_order_id == order and report.status is status
            ]

        await until(reached, what=f"{order} to be {status}, not {self.client.order(order)}")
        return reached()[-1]

    def blocks(self, count: int = 1) -> None:
        """Make blocks, where they are not made by themselves."""
        for _ in range(count):
            self.sim.block()

    async def caught_up(self) -> None:
        """Wait until nothing is unread; makes blocks as long as it takes."""
        while not self.client.is_caught_up:
            if not self.sim.config.block_ms:
                self.blocks()
            await asyncio.sleep(0.01)

    def differences(self) -> list[str]:
        """Where client and venue do not agree."""
        venue, client = self.venue(), self.client
        found = []
        held = {p.instrument_id: p.signed_size for p in client.positions()}
        has = {
            f"{row['market']}-PERP": (1 if row["side"] == "LONG" else -1)
            * abs(Decimal(row["size"]))
            for row in venue["positions"]
            if row["status"] == "OPEN"
        }
        if held != has:
            found.append(f"positions {held} {has}")
        usdc = {balance.currency: balance.total for balance in client.balances()}
        if usdc != {"USDC": Decimal(venue["usdc"])}:
            found.append(f"balances {usdc} {venue['usdc']}")
        fills = sorted(fill.trade_id for fill in self.of(FillReport))
        if fills != sorted(row["id"] for row in venue["fills"]):
            found.append(f"fills {len(fills)} {len(venue['fills'])}")
        for row in venue["orders"]:
            report = client.order(row["id"])
            if report is None:
                found.append(f"order {row['id']} is not known")
            elif report.filled_size != Decimal(row["filled"]):
                found.append(f"order {row['id']} filled {report.filled_size} {row['filled']}")
        return found


@asynccontextmanager
async def looking(
    *, connect: bool = True, venue: dict[str, Any] | None = None, **settings: Any
) -> AsyncIterator[Rig]:
    """Run a simulator of fast blocks and a client that looks at its first account."""
    sim = await start(**{"scenario": "still", "block_ms": 50.0, "levels": 0, **(venue or {})})
    rig = Rig(sim, **settings)
    try:
        if connect:
            await rig.client.connect()
        yield rig
    finally:
        await rig.client.close()
        await sim.stop()


# --- what is seen ---------------------------------------------------------------------------------


def test_an_account_at_work_is_what_the_venue_has(run: Any) -> None:
    async def main() -> None:
        async with looking(venue=STEPPED) as rig:
            client = rig.client
            await rig.caught_up()
            resting = rig.order(price="80000", flags="long_term", client_id=7)
            rig.blocks()
            report = await rig.status_of(resting, OrderStatus.ACCEPTED)
            assert report.client_order_id == "7"
            short = rig.order(good_til_block=rig.sim.chain.height + 19, size="0.02")
            await rig.status_of(short, OrderStatus.ACCEPTED)
            rig.blocks()
            rig.take("SELL", "80000", "0.015")
            rig.blocks()
            await until(lambda: rig.of(FillReport), what="trades")
            last = rig.sim.chain.height + 4
            gone = rig.order(price="70000", good_til_block=last)
            rig.blocks(4)
            await until(lambda: client.heights.height == last, what="its last block")
            assert client.order(gone).status is OrderStatus.ACCEPTED
            rig.blocks()
            await rig.status_of(gone, OrderStatus.EXPIRED)
            canceled = rig.order(price="70001", flags="long_term")
            rig.blocks()
            await rig.status_of(canceled, OrderStatus.ACCEPTED)
            rig.cancel(canceled)
            rig.blocks()
            assert (await rig.status_of(canceled, OrderStatus.CANCELED)).reason == "USER_CANCELED"
            rig.sim.admin.acts["transfer"]({"to": {"address": rig.address}, "amount": "250"})
            rig.blocks()
            await until(lambda: rig.of(Transfer), what="the transfer")
            assert rig.of(Transfer)[0].amount == 250
            rig.blocks(LAG)
            await until(lambda: not rig.differences(), what="the same as the venue")
            (position,) = client.positions("BTC-USD-PERP")
            assert (position.side, position.size) == (PositionSide.LONG, Decimal("0.015"))
            # Everything once more, asked for.
            reports = await client.generate_order_status_reports()
            assert {r.venue_order_id for r in reports} >= {resting, short, canceled}
            live = await client.generate_order_status_reports("BTC-USD-PERP", open_only=True)
            assert {report.venue_order_id for report in live} == {
                report.venue_order_id for report in client.orders()
            }
            assert await client.generate_fill_reports() == [], "all were handed out"
            mass = await client.generate_mass_status(lookback_s=600.0)
            assert mass.account_id == client.account_id
            assert mass.positions == tuple(client.positions())
            assert rig.told(ErrorEvent) == []
            assert client.equity is not None

    run(main(), 30.0)


def test_the_past_is_no_news_and_can_be_asked_for(run: Any) -> None:
    async def main() -> None:
        async with looking(connect=False) as rig:
            rig.order(price="80000", flags="long_term", size="0.02")
            await until(lambda: len(rig.sim.chain.matches) == 0 and rig.venue()["orders"])
            height = rig.sim.chain.height
            await until(lambda: rig.sim.chain.height > height + 1, what="two blocks")
            rig.take("SELL", "80000", "0.005")
            await until(lambda: rig.venue()["fills"], what="the trade")
            height = rig.sim.chain.height
            await until(lambda: rig.sim.chain.height > height + LAG, what="replicas to know it")
            client = rig.client
            await client.connect()
            await rig.caught_up()
            assert rig.of(FillReport) == []
            (order,) = client.orders()
            assert (order.status, order.filled_size) == (
                OrderStatus.PARTIALLY_FILLED,
                Decimal("0.005"),
            )
            (fill,) = await client.generate_fill_reports()
            assert fill.venue_order_id == order.venue_order_id
            assert await client.generate_fill_reports() == []
            rig.take("SELL", "80000", "0.015")
            await rig.status_of(order.venue_order_id, OrderStatus.FILLED)
            assert client.order(order.venue_order_id).filled_size == Decimal("0.02")
            assert len(rig.of(FillReport)) == 1
            assert rig.told(ErrorEvent) == []

    run(main(), 30.0)


def test_dx_w_19_an_account_nobody_has_funded(run: Any) -> None:
    async def main() -> None:
        setups = (AccountSetup(random_mnemonic(random.Random(5)), 0, "0"),)
        async with looking(venue={"setups": setups}) as rig:
            client = rig.client
            assert client.is_funded is False
            assert (client.orders(), client.positions(), client.balances()) == ([], [], ())
            rig.sim.admin.acts["transfer"]({"to": {"address": rig.address}, "amount": "250"})
            await until(lambda: client.balances(), what="money")
            assert rig.of(Transfer)[0].kind == "DEPOSIT"
            await rig.caught_up()
            await until(lambda: not rig.differences(), what="the same as the venue")

    run(main(), 30.0)


def test_5_7_a_parent_shows_its_children(run: Any) -> None:
    async def main() -> None:
        async with looking(parent=True) as rig:
            client = rig.client
            child = {"address": rig.address, "subaccount_number": 128}
            mine = {"address": rig.address, "subaccount_number": 0}
            rig.sim.admin.acts["transfer"]({"from": mine, "to": child, "amount": "5000"})
            name = f"{client.account_id.removesuffix('-0')}-128"
            await until(lambda: client.balances(name), what="the child's money")
            order = rig.order(subaccount_number=128, flags="long_term", size="0.01")
            report = await rig.status_of(order, OrderStatus.ACCEPTED)
            assert report.account_id == name
            rig.take("SELL", "80000", "0.01")
            await until(lambda: client.positions(), what="the position")
            (position,) = client.positions()
            assert (position.account_id, position.size) == (name, Decimal("0.01"))
            assert [fill.account_id for fill in rig.of(FillReport)] == [name]
            await rig.caught_up()
            assert client.positions() == [position]
            assert rig.told(ErrorEvent) == []

    run(main(), 30.0)


# --- what goes wrong ------------------------------------------------------------------------------


def test_dx_r_06_what_happened_while_the_connection_was_away(run: Any) -> None:
    """Several losses; trades, ends and positions of the gaps come, once; each is told once."""

    async def main() -> None:
        async with looking() as rig:
            _client, sim = rig.client, rig.sim
            await rig.caught_up()
            orders = []
            for number, fault in enumerate(("abort", "close", "abort")):
                resting = rig.order(flags="long_term", size="0.02")
                short = rig.order(good_til_block=sim.chain.height + 12, price="79000")
                orders.append(resting)
                await rig.status_of(resting, OrderStatus.ACCEPTED)
                await rig.status_of(short, OrderStatus.ACCEPTED)
                getattr(sim.faults, fault)()
                rig.take("SELL", "80000", "0.02")
                await until(lambda n=number: len(rig.told(Reconnected)) == n + 1, what="to be back")
                await rig.status_of(resting, OrderStatus.FILLED)
                await rig.status_of(short, OrderStatus.EXPIRED)
            await rig.caught_up()
            await until(lambda: not rig.differences(), what="the same as the venue")
            assert len(rig.told(Reconnected)) == 3
            assert rig.told(ErrorEvent) == []
            by_connection: dict[int, list[str]] = {}
            for asked in sim.record.subscribes:
                by_connection.setdefault(asked.connection, []).append(asked.channel)
            assert list(by_connection.values()) == [["v4_subaccounts", "v4_block_height"]] * 4
            for order in orders:
                ends = [
                    report
                    for report in rig.of(OrderStatusReport)
                    if report.venue_order_id == order and report.status.is_final
                ]
                assert len(ends) == 1

    run(main(), 60.0)


def test_dx_r_06_a_gap_is_read_by_the_next_connect_too(run: Any) -> None:
    """Who disconnects before replicas had what happened has not read it."""

    async def main() -> None:
        async with looking(venue={**STEPPED, "rest_lag_blocks": 2}) as rig:
            client = rig.client
            await rig.caught_up()
            resting = rig.order(flags="long_term")
            rig.blocks()
            await rig.status_of(resting, OrderStatus.ACCEPTED)
            rig.sim.faults.abort()
            rig.take("SELL", "80000", "0.01")
            rig.blocks()
            await until(lambda: rig.told(Reconnected), what="the first reading")
            assert rig.of(FillReport) == []
            rig.blocks(2)
            height = rig.sim.chain.height
            await until(lambda: client.heights.height == height, what="its blocks")
            assert not client.is_caught_up
            await client.disconnect()
            await client.connect()
            await rig.caught_up()
            assert len(rig.of(FillReport)) == 1
            assert client.order(resting).status is OrderStatus.FILLED

    run(main(), 30.0)


def test_4_5_a_snapshot_that_could_not_be_fetched_is_asked_for_again(run: Any) -> None:
    async def main() -> None:
        async with looking(connect=False) as rig:
            rig.sim.faults.subscribe_error("v4_subaccounts")
            await rig.client.connect()
            assert [b.total for b in rig.client.balances()] == [Decimal(1_000_000)]
            (problem,) = rig.told(ErrorEvent)
            assert "could not fetch data" in problem.message

    run(main(), 30.0)


def test_4_5_an_address_that_is_blocked_cannot_be_watched(run: Any) -> None:
    async def main() -> None:
        async with looking(connect=False) as rig:
            rig.sim.faults.block_address(rig.address)
            with pytest.raises(VenueError, match="has been blocked"):
                await rig.client.connect()
            assert not rig.client.is_connected
            rig.sim.faults.clear()
            await rig.client.connect()
            rig.sim.faults.block_address(rig.address)
            rig.sim.faults.abort()
            await until(lambda: rig.told(SubscriptionStatus), what="the refusal")
            assert "has been blocked" in rig.told(SubscriptionStatus)[0].message

    run(main(), 30.0)


def test_20_4_frames_that_cannot_be_used_are_told_and_the_account_is_read(run: Any) -> None:
    async def main() -> None:
        async with looking() as rig:
            client, sim = rig.client, rig.sim
            await rig.caught_up()
            gaps = client._reconciliation.gaps
            topic = f"{rig.address}/0"
            for frame in (
                b'{"type":"channel_data","cont',
                b"{}",
                b'{"type":"channel_data","connection_id":"x","message_id":9,"id":"%b",'
                b'"channel":"v4_subaccounts","version":"3.0.0","contents":17}' % topic.encode(),
                b'{"type":"channel_data","connection_id":"x","message_id":9,"id":"%b",'
                b'"channel":"v4_subaccounts","version":"3.0.0",'
                b'"contents":{"orders":[{}],"fills":{},"blockHeight":"x"}}' % topic.encode(),
                b'{"type":"something","connection_id":"x","message_id":9}',
            ):
                sim.faults.push(frame)
            await until(lambda: client._reconciliation.gaps > gaps, what="the account to be read")
            assert rig.told(VenueEvent) or rig.told(ErrorEvent)
            assert rig.told(Reconnected) == [], "the connection lives"
            order = rig.order(flags="long_term")
            await rig.status_of(order, OrderStatus.ACCEPTED)
            assert not rig.differences()

    run(main(), 30.0)


def test_18_4_heights_that_stand_still_or_go_back_end_nothing_early(run: Any) -> None:
    async def main() -> None:
        async with looking(venue=STEPPED) as rig:
            client, sim = rig.client, rig.sim
            await rig.caught_up()
            sim.faults.stale_height()
            last = sim.chain.height + 5
            order = rig.order(good_til_block=last)
            await rig.status_of(order, OrderStatus.ACCEPTED)
            rig.blocks(7)
            sim.faults.height_back(40)
            other = rig.order(flags="long_term")
            rig.blocks()
            await rig.status_of(other, OrderStatus.ACCEPTED)
            assert client.order(order).status is OrderStatus.ACCEPTED
            sim.faults.clear()
            rig.blocks()
            await rig.status_of(order, OrderStatus.EXPIRED)

    run(main(), 30.0)


def test_18_4_a_fill_the_proposer_had_after_the_cancel(run: Any) -> None:
    async def main() -> None:
        async with looking(venue=STEPPED) as rig:
            _client, sim = rig.client, rig.sim
            await rig.caught_up()
            order = rig.order(good_til_block=sim.chain.height + 19)
            await rig.status_of(order, OrderStatus.ACCEPTED)
            rig.cancel(order)
            await rig.status_of(order, OrderStatus.PENDING_CANCEL)
            sim.faults.proposer_fill(order)
            rig.blocks()
            await rig.status_of(order, OrderStatus.FILLED)
            sim.faults.repeat_fill(rig.address)
            foreign = sim.faults.foreign_fill(
                rig.address, size="0.01", price="80000", open_after=True
            )
            rig.blocks()
            await rig.status_of(foreign, OrderStatus.FILLED)
            sim.faults.sparse_removal(rig.address, 4_000)
            await until(lambda: rig.told(VenueEvent), what="the removal of an unknown order")
            await until(lambda: not rig.differences(), what="the same as the venue")
            assert len(rig.of(FillReport)) == 2

    run(main(), 30.0)


def test_the_rest_side_may_be_slow_to_come(run: Any) -> None:
    async def main() -> None:
        async with looking(connect=False) as rig:
            rig.sim.faults.next_reply("*", status=503, count=2)
            rig.sim.faults.next_reply("fills", status=429, count=1)
            await rig.client.connect()
            order = rig.order(flags="long_term")
            await rig.status_of(order, OrderStatus.ACCEPTED)
            await rig.caught_up()

    run(main(), 60.0)


def test_dx_r_02_a_country_that_is_blocked_cannot_look(run: Any) -> None:
    async def main() -> None:
        async with looking(connect=False) as rig:
            rig.sim.faults.next_reply("*", status=403, count=20)
            with pytest.raises(AuthenticationError) as caught:
                await rig.client.connect()
            assert caught.value.code == "GEOBLOCKED"
            rig.sim.faults.clear()
            await rig.client.connect()
            with pytest.raises(ClientError, match="subaccount 7 is not watched"):
                rig.client.holding(7)

    run(main(), 60.0)


def test_connect_and_disconnect_again_and_again(run: Any) -> None:
    async def main() -> None:
        async with looking(connect=False) as rig:
            client = rig.client
            for number in range(3):
                await client.connect()
                assert client.is_connected
                order = rig.order(flags="long_term", client_id=number)
                await rig.status_of(order, OrderStatus.ACCEPTED)
                await client.disconnect()
                assert not client.is_connected
                assert len(client.orders()) == number + 1, "what is known stays known"
            with pytest.raises(ClientError, match="not connected"):
                await client.generate_fill_reports()
            with pytest.raises(ClientError, match="not connected"):
                await client.generate_position_status_reports()
            states = [e.state.value for e in rig.told(ConnectionStatus)]
            assert states.count("LIVE") == 3
            assert rig.told(Reconnected) == []

    run(main(), 60.0)


def test_nobody_there(run: Any) -> None:
    async def main() -> None:
        sim = await start(scenario="empty")
        url, address = sim.http_url, sim.accounts[0]["address"]
        await sim.stop()
        client = dydx.AccountClient(dydx.Config.sim(url, address=address))
        with pytest.raises(ConnectorError):
            await client.connect()
        await client.close()

    run(main(), 30.0)


def test_an_account_needs_an_address_and_a_key_is_not_told(caplog: Any) -> None:
    with pytest.raises(ConfigError, match="set address"):
        dydx.AccountClient()
    key = "c4a48e2fce1481cd3294b4490f6678090ea98d3d0e5cd984558ab0968741b104"
    caplog.set_level(logging.DEBUG)
    client = dydx.AccountClient(credential=dydx.Credential(key), subaccount_number=3)
    logging.getLogger("test").warning("%r %r", client, client.config)
    assert client.account_id == "DYDX-dydx19rl4cm2hmr8afy4kldpxz3fka4jguq0a4erelz-3"
    assert key not in caplog.text
    asyncio.run(client.close())
    assert client.config.credential is not None
    assert client.config.credential.sign_digest(bytes(32)), "the key is its owner's to close"
