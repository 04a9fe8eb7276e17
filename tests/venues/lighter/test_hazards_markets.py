"""Orders on a grid the venue no longer has, or protected by a price nobody has any more."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

import pytest
from venues.lighter.trading_rig import Rig, trading, until

from connectors.lighter.instruments import parse_market
from connectors.model import InstrumentUpdated, OrderDenied, OrderSubmitted, Side, limit_order
from connectors.model import market_order as market
from connectors.net.clock import SystemClock


def updated(rig: Rig) -> list[Any]:
    return [event for event in rig.status if isinstance(event, InstrumentUpdated)]


def test_markets_are_read_again_after_a_reconnect(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ETH has a digit less of price and size since: as integers all orders would be ten times."""
    monkeypatch.setattr("connectors.execution.markets.REFRESH_PAUSE_S", 0.0)

    async def scenario() -> None:
        async with trading() as rig:
            body = copy.deepcopy(await rig.client._need(rig.client._rest).order_book_details())
            eth = next(row for row in body["order_book_details"] if row["symbol"] == "ETH")
            eth.update(price_decimals=1, size_decimals=3, min_base_amount="0.050")
            for row in body["order_book_details"]:
                row["last_trade_price"] = 1.0  # no definition: nothing is told of it
            rig.sim.faults.next_reply("orderBookDetails", body=body, count=None)
            assert rig.client.markets.get("ETH-PERP").tick_size == Decimal("0.01")  # type: ignore[union-attr]
            rig.sim.faults.abort()
            await until(lambda: updated(rig), 10.0, "an update")
            await rig.reconnected()
            (told,) = updated(rig)
            assert (told.instrument_id, told.is_new) == ("ETH-PERP", False)
            count = len(rig.sends)
            rig.client.submit_order(limit_order("ETH-PERP", Side.BUY, size="0.5", price="2300.5"))
            (info,) = (await rig.sent(count + 1))[-1].infos
            assert (info["BaseAmount"], info["Price"]) == (500, 23005)
            small = limit_order("ETH-PERP", Side.BUY, size="0.04", price="2300.5")
            rig.client.submit_order(small)
            assert rig.of(OrderDenied, small)

    run(scenario(), 60.0)


def test_an_answer_of_no_shape_at_all_does_not_end_the_reading_of_markets(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Orders would go by the old grid, and rows wait for a new market, until the next hour."""
    monkeypatch.setattr("connectors.execution.markets.REFRESH_PAUSE_S", 0.0)

    async def scenario() -> None:
        async with trading() as rig:
            body = copy.deepcopy(await rig.client._need(rig.client._rest).order_book_details())
            eth = next(row for row in body["order_book_details"] if row["symbol"] == "ETH")
            eth["min_base_amount"] = "0.0500"
            odd = {**body, "spot_order_book_details": 5}
            rig.sim.faults.next_reply("orderBookDetails", body=odd)
            rig.sim.faults.next_reply("orderBookDetails", body=body, count=None)
            rig.client._refresh_markets()
            await until(lambda: updated(rig), 10.0, "an update")
            texts = [str(getattr(event, "message", "")) for event in rig.status]
            assert len([text for text in texts if "definitions not read yet" in text]) == 1

    run(scenario(), 60.0)


def test_what_a_market_does_is_no_part_of_its_definition() -> None:
    entry = {
        "symbol": "ETH", "market_id": 0, "market_type": "perp", "status": "active",
        "price_decimals": 2, "size_decimals": 4, "min_base_amount": "0.0050",
        "min_quote_amount": "10", "last_trade_price": 2361.31, "daily_trades_count": 5,
        "daily_price_low": 2313.36, "open_interest": 27350.8981, "daily_chart": {},
    }  # fmt: skip
    later = {**entry, "last_trade_price": 2400.0, "daily_trades_count": 6, "open_interest": 1.0}
    assert parse_market(entry) == parse_market(later)
    assert parse_market(entry) != parse_market({**entry, "min_base_amount": "0.05"})


class Clock(SystemClock):
    """May be moved on."""

    def __init__(self) -> None:
        self.passed_ns = 0

    def monotonic_ns(self) -> int:
        return super().monotonic_ns() + self.passed_ns


def test_a_market_order_is_not_protected_by_an_old_quote(run: Any) -> None:
    async def scenario() -> None:
        async with trading(max_quote_age_s=30.0) as rig:
            clock = rig.client._prices._clock = Clock()
            rig.client.set_quote("ETH-PERP", bid="2000", ask="2001")
            fresh, stale = (market("ETH-PERP", Side.BUY, size="0.1") for _ in range(2))
            rig.client.submit_order(fresh)
            assert rig.of(OrderSubmitted, fresh)
            clock.passed_ns = 31 * 10**9
            rig.client.submit_order(stale)
            (denied,) = rig.of(OrderDenied, stale)
            assert "quote too old" in denied.reason

    run(scenario(), 60.0)
