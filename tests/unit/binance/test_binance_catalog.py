"""Instruments that come, change and go (BN-I-17, BN-I-18)."""

from __future__ import annotations

import pytest

from connectors.binance.instruments import market_status, symbol_id
from connectors.data.catalog import Catalog
from connectors.errors import ClientError
from connectors.model import Instrument, InstrumentKind, MarketStatus


def make(symbol="BTCUSDT", status="TRADING", tick="0.1"):
    return Instrument(
        id=symbol_id(symbol),
        symbol=symbol,
        venue="BINANCE",
        kind=InstrumentKind.PERPETUAL,
        base=symbol[:-4],
        quote="USDT",
        tick_size=tick,
        lot_size="0.001",
        status=market_status(status),
        venue_status=status,
    )


@pytest.fixture
def catalog():
    catalog = Catalog()
    assert catalog.update([make(), make("ETHUSDT")]) == []  # the first load is silent
    return catalog


def test_nothing_new(catalog):
    assert catalog.update([make(), make("ETHUSDT")]) == []
    assert len(catalog) == 2


def test_a_new_status(catalog):
    (change,) = catalog.update([make(status="SETTLING"), make("ETHUSDT")])
    assert change.status_changed
    assert (change.previous, change.status) == (MarketStatus.TRADING, MarketStatus.SETTLING)
    assert change.venue_status == "SETTLING"
    assert catalog.status("BTCUSDT") is MarketStatus.SETTLING


def test_a_new_grid(catalog):
    (change,) = catalog.update([make(tick="0.01"), make("ETHUSDT")])
    assert change.is_redefined
    assert not change.status_changed
    assert catalog.find("BTCUSDT").tick_size == change.instrument.tick_size


def test_a_new_symbol(catalog):
    (change,) = catalog.update([make(), make("ETHUSDT"), make("SOLUSDT")])
    assert change.old is None
    assert change.is_redefined
    assert catalog.find("SOLUSDT-PERP").symbol == "SOLUSDT"


def test_a_vanished_symbol_is_told_once_and_stays_known(catalog):
    (change,) = catalog.update([make()])
    assert change.status is MarketStatus.NOT_AVAILABLE
    assert change.instrument.symbol == "ETHUSDT"
    assert catalog.update([make()]) == []
    assert catalog.find("ETHUSDT").symbol == "ETHUSDT"
    (back,) = catalog.update([make(), make("ETHUSDT")])
    assert back.previous is MarketStatus.NOT_AVAILABLE


def test_a_status_without_a_definition_is_told_once(catalog):
    settling = ("BTCUSDT", MarketStatus.SETTLING, "SETTLING")
    change = catalog.set_status(*settling)
    assert change.status is MarketStatus.SETTLING
    assert change.venue_status == "SETTLING"
    assert catalog.set_status(*settling) is None
    assert catalog.set_status("NEWUSDT", MarketStatus.TRADING, "TRADING") is None
    # The refresh that follows brings the definition, not the news again.
    (change,) = catalog.update([make(status="SETTLING"), make("ETHUSDT")])
    assert not change.status_changed
    assert change.is_redefined


def test_finding(catalog):
    btc = catalog.by_id["BTCUSDT-PERP"]
    for name in ("BTCUSDT-PERP", "btcusdt-perp", "BTCUSDT", "btcusdt", btc):
        assert catalog.find(name) is btc
    with pytest.raises(ClientError, match=r"no instrument 'XYZ'.*2 instruments"):
        catalog.find("XYZ")
