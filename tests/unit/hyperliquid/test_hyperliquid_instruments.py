"""meta, spotMeta and perpDexs to instruments, and the grid of prices (section 6)."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from connectors.errors import PrecisionError, ProtocolError
from connectors.hyperliquid.instruments import (
    asset_id,
    dex_indexes,
    dex_of,
    is_spot,
    load_instruments,
    parse_instruments,
    size_decimals,
)
from connectors.model import InstrumentKind, MarketStatus, OrderType, Side, limit_order
from connectors.sim.hyperliquid.markets import make_markets, meta, perp_dexs, spot_meta

MARKETS = make_markets()
DEXS = [None, {"name": "test"}, {"name": "xyz"}]
META = {
    "universe": [
        {"name": "BTC", "szDecimals": 5, "maxLeverage": 40, "isDelisted": None},
        {"name": "ETH", "szDecimals": 4, "maxLeverage": 25},
        {"name": "MATIC", "szDecimals": 1, "maxLeverage": 20, "isDelisted": True},
        {"name": "kPEPE", "szDecimals": 0, "maxLeverage": 10},
    ],
    "collateralToken": 0,
}
SPOT = {
    "tokens": [
        {"name": "HYPE", "szDecimals": 2, "index": 150},
        {"name": "USDC", "szDecimals": 8, "index": 0},
        {"name": "PURR", "szDecimals": 0, "index": 1},
        {"name": "USDH", "szDecimals": 2, "index": 360},
    ],
    "universe": [
        {"tokens": [1, 0], "name": "PURR/USDC", "index": 0, "isCanonical": True},
        {"tokens": [150, 0], "name": "@107", "index": 107, "isCanonical": False},
        {"tokens": [150, 0], "name": "@300", "index": 300, "isCanonical": False},
    ],
}
BUILDER = {
    "universe": [{"name": "xyz:TSLA", "szDecimals": 3, "maxLeverage": 10}],
    "collateralToken": 360,
}


def by_id(*args, **kwargs):
    return {each.id: each for each in parse_instruments(*args, **kwargs)}


def load():
    return by_id(SPOT, {"": META, "xyz": BUILDER}, dex_indexes(DEXS))


def test_a_perpetual():
    btc = load()["BTC-PERP"]
    assert (btc.symbol, btc.venue, btc.base, btc.quote) == ("BTC", "HYPERLIQUID", "BTC", "USDC")
    assert btc.kind is InstrumentKind.PERPETUAL
    assert (btc.tick_size, btc.lot_size) == (Decimal("0.1"), Decimal("0.00001"))
    assert (btc.max_leverage, btc.min_notional) == (40, 10)
    assert (asset_id(btc), size_decimals(btc), dex_of(btc), is_spot(btc)) == (0, 5, "", False)
    assert btc.is_tradable
    assert OrderType.STOP_LIMIT in btc.order_types


def test_a_delisted_market_keeps_its_number():
    found = load()
    assert found["MATIC-PERP"].status is MarketStatus.CLOSED
    assert asset_id(found["MATIC-PERP"]) == 2
    assert asset_id(found["kPEPE-PERP"]) == 3


def test_a_builder_dex():
    tsla = load()["xyz:TSLA-PERP"]
    assert (tsla.symbol, tsla.base, dex_of(tsla)) == ("xyz:TSLA", "TSLA", "xyz")
    assert asset_id(tsla) == 120_000  # dex 2, the leading null counted
    assert (tsla.quote, tsla.settle) == ("USDH", "USDH")


def test_spot_pairs_are_looked_up_by_index():
    found = load()
    purr, hype = found["PURR/USDC-SPOT"], found["HYPE/USDC-SPOT"]
    assert (purr.symbol, asset_id(purr)) == ("PURR/USDC", 10_000)
    assert (hype.symbol, hype.base, hype.quote) == ("@107", "HYPE", "USDC")
    assert (asset_id(hype), size_decimals(hype), is_spot(hype)) == (10_107, 2, True)
    assert (hype.tick_size, hype.lot_size) == (Decimal("0.000001"), Decimal("0.01"))
    assert found["HYPE/USDC@300-SPOT"].symbol == "@300"


def test_a_market_that_cannot_be_read_holds_up_nobody():
    problems = []
    broken = {**META, "universe": [{"name": "X"}, 7, {"name": "Y", "szDecimals": 9}]}
    broken["universe"] += META["universe"]
    spot = {**SPOT, "universe": [{"tokens": [9, 0], "name": "@1", "index": 1}, *SPOT["universe"]]}
    found = by_id(spot, {"": broken}, on_problem=lambda *what: problems.append(what[0]))
    assert problems == ["X", "?", "Y", "@1"]
    assert asset_id(found["BTC-PERP"]) == 3  # the place in the list is the number
    assert len(found) == 4 + 3


@pytest.mark.parametrize("answer", [None, [], {}, {"universe": {}}, "x"])
def test_what_is_no_metadata_is_refused(answer):
    with pytest.raises(ProtocolError):
        parse_instruments(SPOT, {"": answer})
    with pytest.raises(ProtocolError):
        parse_instruments(answer, {"": META})


class Source:
    def __init__(self):
        self.asked = []

    async def meta(self, dex=""):
        self.asked.append(dex)
        return meta(MARKETS, dex)

    async def spot_meta(self):
        return spot_meta(MARKETS)

    async def perp_dexs(self):
        self.asked.append("perpDexs")
        return perp_dexs()


@pytest.mark.parametrize(
    ("dexes", "asked"),
    [
        ((), [""]),
        (("xyz",), ["perpDexs", "", "xyz"]),
        (("*",), ["perpDexs", "", "test", "xyz"]),
    ],
)
def test_loading_asks_for_what_is_needed(dexes, asked):
    source = Source()
    found = asyncio.run(load_instruments(source, dexes))
    assert source.asked == asked
    for each in found:
        assert asset_id(each) == MARKETS[each.symbol].asset


def test_a_dex_that_does_not_exist():
    with pytest.raises(ProtocolError, match="no dex 'abc'"):
        asyncio.run(load_instruments(Source(), ("abc",)))


# ---- the grid of prices (6.2) ----------------------------------------------------------------


def instrument(decimals, *, spot=False):
    if spot:
        tokens = [{"name": "A", "szDecimals": decimals, "index": 1}, SPOT["tokens"][1]]
        meta = {"tokens": tokens, "universe": [{"tokens": [1, 0], "name": "@1", "index": 1}]}
        return parse_instruments(meta, {})[0]
    universe = [{"name": "A", "szDecimals": decimals}]
    return parse_instruments({"tokens": [], "universe": []}, {"": {"universe": universe}})[0]


GRID = [
    ("P1", "1234.5", 1, False, True),
    ("P2", "1234.56", 1, False, False),
    ("P3", "123456", 0, False, True),
    ("P4", "0.001234", 0, False, True),
    ("P5", "0.0012345", 0, False, False),
    ("P6", "0.01234", 1, False, True),
    ("P6b", "0.012345", 1, False, False),
    ("P7", "0.0001234", 0, True, True),
    ("P8", "0.0001234", 2, True, False),
    ("P9", "100000.5", 0, False, False),
    ("P10", "0", 0, False, False),
]


@pytest.mark.parametrize(("row", "px", "decimals", "spot", "valid"), GRID, ids=lambda x: str(x))
def test_p_rows_of_the_price_grid(row, px, decimals, spot, valid):
    found = instrument(decimals, spot=spot)
    if valid:
        assert found.make_price(px) == Decimal(px)
    else:
        with pytest.raises(PrecisionError):
            found.make_price(px)


def test_the_refusal_names_the_neighbours():
    with pytest.raises(PrecisionError, match=r"84143\.5 .*; use 84143 or 84144"):
        load()["BTC-PERP"].make_price("84143.5")


@pytest.mark.parametrize(
    ("value", "rounding", "price"),
    [
        ("84143.57", "floor", "84143"),
        ("84143.57", "ceiling", "84144"),
        ("84143.5", "half_even", "84144"),
        ("99999.96", "ceiling", "100000"),
        ("9999.96", "ceiling", "10000"),
        ("123456", "floor", "123456"),
        ("9999.54", "half_even", "9999.5"),
    ],
)
def test_rounding_goes_to_the_grid_around_the_price(value, rounding, price):
    assert load()["BTC-PERP"].make_price(value, rounding=rounding) == Decimal(price)


def test_rounding_to_zero_is_refused():
    with pytest.raises(PrecisionError, match="rounds to 0"):
        load()["BTC-PERP"].make_price("0.04", rounding="floor")


def test_an_order_off_the_grid_is_a_problem():
    btc = load()["BTC-PERP"]

    def problem(price):
        order = limit_order("BTC-PERP", Side.BUY, size="0.01", price=price)
        return btc.order_problem(order)

    assert problem("84143") is None
    assert "84143.5" in problem("84143.5")
    assert "minimum of 10" in problem("999")
