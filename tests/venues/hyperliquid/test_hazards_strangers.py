"""What would cost money where an order of somebody else bears a cloid of ours (2.10, 6.4, 10.3)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from venues.hyperliquid.trading_rig import buy, sell, trading, until

from connectors.execution.identity import OrderRegistry, TrackedOrder
from connectors.hyperliquid.execution import ExecutionClient
from connectors.hyperliquid.lines import Line
from connectors.hyperliquid.orders import OrderPlan
from connectors.hyperliquid.reports import MARGIN_MS, Reporter
from connectors.hyperliquid.rows import fill_row, order_row
from connectors.model import (
    FillReport,
    Instrument,
    InstrumentKind,
    OrderFilled,
    OrderRejected,
    OrderStatusReport,
    OrderType,
    Side,
)
from connectors.net.clock import NS_PER_MS, NS_PER_S, SystemClock

CLOID = "0x" + "ab" * 16
SENT_MS = 1_700_000_000_000


def market(coin: str) -> Instrument:
    return Instrument(
        id=f"{coin}-PERP", symbol=coin, venue="HYPERLIQUID", kind=InstrumentKind.PERPETUAL,
        base=coin, quote="USDC", tick_size=Decimal("0.1"), lot_size=Decimal("0.001"),
    )  # fmt: skip


class Bench:
    """An order to buy 10 ETH, sent and not accepted yet; its client order id is its cloid."""

    def __init__(self, *, only_reduces: bool = False) -> None:
        self.registry = OrderRegistry()
        plan = OrderPlan({"r": only_reduces}, CLOID, Decimal(10), Decimal(100), None)
        self.order = self.registry.add(
            TrackedOrder(
                CLOID, "ETH-PERP", Side.BUY, OrderType.LIMIT,
                size=Decimal(10), price=Decimal(100), client_key=CLOID, tag=Line(plan),
            )
        )  # fmt: skip
        self.order.ts_submitted = SENT_MS * NS_PER_MS
        markets = {coin: market(coin) for coin in ("ETH", "BTC")}
        self.reporter = Reporter(
            self.registry,
            instrument_of=markets.get,
            on_unknown_coin=lambda coin: None,
            wall_ns=lambda: 5,
        )

    def is_ours(self, **changes: Any) -> bool:
        """Whether an order and a fill like this are ours; they agree, but for the size."""
        raw = {
            "coin": "ETH", "side": "B", "limitPx": "100.0", "px": "100.0", "sz": "10.0",
            "oid": 7, "timestamp": SENT_MS, "time": SENT_MS, "origSz": "10.0", "cloid": CLOID,
            "tid": 1, "fee": "0", **changes,
        }  # fmt: skip
        found = self.reporter.order(order_row(raw))
        own = self.reporter.fill(fill_row(raw))
        assert found is not None
        is_ours = found.report.client_order_id == CLOID
        assert (found.client_key == CLOID) is is_ours
        if "origSz" not in changes:
            assert (own.order is self.order) is is_ours
            assert (own.client_key == CLOID) is is_ours
            assert (own.report.client_order_id == CLOID) is is_ours
        return is_ours


def test_what_was_placed_before_ours_was_sent_is_not_ours() -> None:
    bench = Bench()
    late = {"timestamp": SENT_MS + 10_000_000, "time": SENT_MS + 10_000_000}
    assert bench.is_ours()
    assert bench.is_ours(**late)
    for before_ms, is_ours in ((MARGIN_MS, True), (MARGIN_MS + 1, False), (86_400_000, False)):
        at_ms = SENT_MS - before_ms
        assert bench.is_ours(timestamp=at_ms, time=at_ms) is is_ours


def test_time_is_that_of_the_venue() -> None:
    """Our clock is half a minute ahead; one that was behind may have been set right since."""
    for ahead_ms, behind_ms in ((30_000, 30_000), (-30_000, 0)):
        bench = Bench()
        bench.reporter.ahead_ms = ahead_ms
        for before_ms, is_ours in ((0, True), (MARGIN_MS, True), (MARGIN_MS + 1, False)):
            at_ms = SENT_MS - behind_ms - before_ms
            assert bench.is_ours(timestamp=at_ms, time=at_ms) is is_ours


def test_another_side_market_or_size_is_not_ours() -> None:
    bench = Bench()
    assert not bench.is_ours(side="A")
    assert not bench.is_ours(coin="BTC")
    assert bench.is_ours(coin="NEW")  # of a market nobody has read yet nothing is known
    assert not bench.is_ours(origSz="11.0")
    assert not bench.is_ours(origSz="9.0")


def test_what_only_reduces_may_have_been_made_smaller() -> None:
    bench = Bench(only_reduces=True)
    assert bench.is_ours(origSz="9.0")
    assert not bench.is_ours(origSz="11.0")


def test_a_leg_has_a_size_of_its_own_and_an_oid_that_is_ours_needs_no_proof() -> None:
    bench = Bench()
    bench.registry.bind(bench.order, "7")
    assert bench.is_ours(timestamp=1, time=1, side="A")
    bench.order.is_accepted = True
    assert bench.is_ours(oid=8, origSz="4.0")
    assert not bench.is_ours(oid=8, timestamp=1, time=1)


def test_an_order_of_yesterday_does_not_answer_for_one_whose_reply_was_lost(run: Any) -> None:
    """It was filled; ours never reached the venue: its nonce proves that, not the cloid."""

    async def scenario() -> None:
        async with trading(post_timeout_ms=50, submit_unresolved_ms=20) as rig:
            old = await rig.open_order(buy("1"))
            rig.house("sell", "2900", "1", take=True)
            await rig.event(OrderFilled, old)
            found = rig.venue_order(old)
            found.timestamp_ms -= 86_400_000
            for fill in rig.account.fills:
                fill["time"] -= 86_400_000
            await rig.client.close()
            events: list[Any] = []
            status: list[Any] = []
            client = ExecutionClient(rig.config, on_event=events.append, on_status=status.append)
            try:
                await client.connect()
                rig.sim.faults.next_reply("post", lose=True, execute=False)
                order = buy("1", client_order_id=old.client_order_id)
                client.submit_order(order)
                await until(lambda: [e for e in events if isinstance(e, OrderRejected)], "an end")
                assert not [e for e in events if isinstance(e, OrderFilled | FillReport)]
                told = [e for e in events if isinstance(e, OrderStatusReport)]
                assert all(e.client_order_id is None for e in told)
                texts = [str(getattr(event, "message", "")) for event in status]
                assert len([text for text in texts if "under its cloid" in text]) == 1
            finally:
                await client.close()

    run(scenario(), 60.0)


class Ahead(SystemClock):
    """Half a minute ahead."""

    def wall_ns(self) -> int:
        return super().wall_ns() + 30 * NS_PER_S


def test_fills_are_asked_for_by_the_clock_of_the_venue(run: Any) -> None:
    """Ours is ahead: the order was filled before it was submitted, by our own account."""

    async def scenario() -> None:
        async with trading() as rig:
            events: list[Any] = []
            client = ExecutionClient(rig.config, on_event=events.append, clock=Ahead())
            try:
                await client.connect()
                order = sell("1")
                client.submit_order(order)
                tracked = client.registry.by_client_id(order.client_order_id)
                assert tracked is not None
                await until(lambda: tracked.is_accepted)
                for channel in ("userFills", "userEvents", "orderUpdates"):
                    rig.sim.faults.tap(channel, "drop")
                rig.house("buy", "3100", "0.5", take=True)
                rig.sim.flush()
                fills = await client._queries().fills_of(tracked)
                assert [fill.last_size for fill in fills] == [Decimal("0.5")]
            finally:
                await client.close()

    run(scenario(), 60.0)


class Behind(SystemClock):
    """Half a minute behind, until somebody sets it right."""

    behind_s = 30

    def wall_ns(self) -> int:
        return super().wall_ns() - self.behind_s * NS_PER_S


def test_an_order_is_ours_when_the_clock_was_set_right_after_connect(run: Any) -> None:
    """Its reply is lost: what the streams say of it, and of its fill, is all there is."""

    async def scenario() -> None:
        async with trading() as rig:
            events: list[Any] = []
            clock = Behind()
            client = ExecutionClient(rig.config, on_event=events.append, clock=clock)
            try:
                await client.connect()
                clock.behind_s = 0
                rig.sim.faults.next_reply("post", lose=True)
                order = buy("1")
                client.submit_order(order)
                tracked = client.registry.by_client_id(order.client_order_id)
                assert tracked is not None
                await until(lambda: tracked.client_key in rig.account.by_cloid, "the order")
                rig.house("sell", "2900", "1", take=True)
                filled = await until(lambda: [e for e in events if isinstance(e, OrderFilled)])
                assert filled[0].client_order_id == order.client_order_id
                assert not [e for e in events if isinstance(e, FillReport)]
            finally:
                await client.close()

    run(scenario(), 60.0)


def test_an_answer_about_another_order_is_none(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            order = await rig.open_order(buy("1"))
            tracked = rig.tracked(order)
            oid, tracked.venue_order_id = tracked.venue_order_id, None
            rig.client.registry.tables[1].clear()
            tracked.ts_submitted += 3_600 * NS_PER_S
            told: list[Any] = []
            rows = await rig.client._queries().find_order(
                cloid=tracked.client_key, venue_order_id=None, on_stranger=told.append
            )
            assert (rows, [report.venue_order_id for report in told]) == ([], [oid])

    run(scenario(), 60.0)
