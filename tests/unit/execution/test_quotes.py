"""Best prices that protect market orders: their age, and the grid they were counted on."""

from __future__ import annotations

from decimal import Decimal

import pytest

from connectors.execution.planning import Denial
from connectors.execution.quotes import BestPrices, StaleQuote
from connectors.model import Instrument, InstrumentKind, Side
from connectors.net.clock import ManualClock


def market(tick: str) -> Instrument:
    return Instrument(
        id="ETH-PERP", symbol="ETH", venue="V", kind=InstrumentKind.PERPETUAL,
        base="ETH", quote="USDC", tick_size=Decimal(tick), lot_size=Decimal("0.001"),
    )  # fmt: skip


def test_a_quote_that_is_too_old_protects_nothing() -> None:
    """A feed that has stopped leaves its last quote behind."""
    clock = ManualClock()
    prices = BestPrices(clock, 60.0)
    prices.set(market("0.1"), bid="2000", ask=None)
    clock.advance(60)
    assert prices.against(market("0.1"), Side.SELL) == 20_000
    clock.advance(0.001)
    with pytest.raises(StaleQuote, match=r"quote too old.*max_quote_age_s=60"):
        prices.against(market("0.1"), Side.SELL)
    assert prices.against(market("0.1"), Side.SELL, any_age=True) == 20_000
    assert issubclass(StaleQuote, Denial)
    assert prices.against(market("0.1"), Side.BUY) is None  # no age makes an empty side a price
    prices.set(market("0.1"), bid="2001", ask=None)
    assert prices.against(market("0.1"), Side.SELL) == 20_010


def test_without_a_limit_no_quote_is_too_old() -> None:
    clock = ManualClock()
    prices = BestPrices(clock, None)
    prices.set(market("0.1"), bid="2000", ask="2001")
    clock.advance(10**8)
    assert prices.against(market("0.1"), Side.BUY) == 20_010


def test_ticks_are_those_of_the_market_as_it_is_now() -> None:
    """Its step was changed since: the same ticks would be ten times the price."""
    prices = BestPrices(ManualClock(), 60.0)
    prices.set(market("0.1"), bid="2000.3", ask="2000.7")
    assert prices.against(market("0.01"), Side.BUY) == 200_070
    assert prices.against(market("1"), Side.BUY) == 2_001  # away from the market
    assert prices.against(market("1"), Side.SELL) == 2_000
