"""Instruments and integers of the chain: section 8, rows DX-I-01 to DX-I-06, and 5.4."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.dydx.instruments import (
    Scaler,
    clob_pair_id,
    merge_record,
    parse_instruments,
    parse_market,
)
from connectors.errors import PrecisionError, ProtocolError
from connectors.model import MarketStatus

DATA = Path(__file__).resolve().parents[2] / "data" / "dydx"
VECTORS = json.loads((DATA / "signing_vectors.json").read_text())["quantize"]
FRAMES = {
    each["name"]: json.loads(each["raw"])
    for each in map(json.loads, (DATA / "wire" / "frames.jsonl").read_text().splitlines())
}
BTC = FRAMES["subscribed_markets"]["contents"]["markets"]["BTC-USD"]
ROWS = [
    (market["params"], kind, row)
    for market in VECTORS
    for kind in ("prices", "sizes")
    for row in market[kind]
]


def converted(params, kind, human, **options):
    scaler = Scaler.of(params)
    return (scaler.to_subticks if kind == "prices" else scaler.to_quantums)(human, **options)


@pytest.mark.parametrize(("params", "kind", "row"), ROWS)
def test_dx_i_01_every_row_of_the_vectors(params, kind, row):
    unit = "subticks" if kind == "prices" else "quantums"
    floor, ceiling = row[f"floor_{unit}"], row[f"ceil_{unit}"]
    assert converted(params, kind, row["human"], rounding="floor") == floor
    assert converted(params, kind, row["human"], rounding="ceiling") == ceiling
    if row["on_grid"]:
        assert converted(params, kind, row["human"]) == row[unit]
        back = Scaler.of(params).price if kind == "prices" else Scaler.of(params).size
        assert back(row[unit]) == Decimal(row["human"])
    else:
        with pytest.raises(PrecisionError, match="not a multiple"):
            converted(params, kind, row["human"])


@pytest.mark.parametrize("market", VECTORS, ids=lambda market: market["market"])
def test_dx_i_02_tick_and_step_of_the_formulas(market):
    scaler = Scaler.of(market["params"])
    assert scaler.tick_size == Decimal(market["tick_size"])
    assert scaler.lot_size == Decimal(market["step_size"])


def test_dx_i_02_the_integers_win_over_texts_that_contradict_them(caplog):
    instrument = parse_market({**BTC, "tickSize": "0.5"})
    assert instrument.tick_size == 1
    assert "tickSize is 0.5, its integers say 1" in caplog.text


def test_dx_i_03_what_the_official_client_gets_wrong():
    params = VECTORS[0]["params"]
    assert converted(params, "sizes", "2.9313") == 29_313_000_000
    eth = next(each["params"] for each in VECTORS if each["market"] == "ETH-USD")
    assert converted(eth, "prices", "4291.4") == 4_291_400_000


def test_8_2_worked_example_and_notional():
    scaler = Scaler.of(BTC)
    quantums, subticks = scaler.to_quantums("0.001"), scaler.to_subticks("89947")
    assert (quantums, subticks) == (10_000_000, 8_994_700_000)
    assert scaler.notional_micro(quantums, subticks) == Decimal("89947000")  # 89.947 USDC


@pytest.mark.parametrize(
    "bad", ["", "x", "NaN", "Infinity", "-1", "0", "1e100000", "1" * 90, 0.1, True, "1e30"]
)
def test_dx_i_01_what_is_no_amount_is_refused(bad):
    for convert in (Scaler.of(BTC).to_quantums, Scaler.of(BTC).to_subticks):
        with pytest.raises(PrecisionError):
            convert(bad)


@given(st.integers(1, 2**63), st.sampled_from(VECTORS))
def test_dx_i_04_there_and_back_is_exact(count, market):
    scaler = Scaler.of(market["params"])
    subticks = count % 10**9 * scaler.tick_subticks + scaler.tick_subticks
    assert scaler.to_subticks(str(scaler.price(subticks))) == subticks
    quantums = count % 10**9 * scaler.step_quantums + scaler.step_quantums
    assert scaler.to_quantums(scaler.size(quantums)) == quantums


def test_8_1_a_record_becomes_an_instrument():
    instrument = parse_market(BTC)
    assert (instrument.id, instrument.symbol, instrument.venue) == (
        "BTC-USD-PERP",
        "BTC-USD",
        "DYDX",
    )
    assert (instrument.base, instrument.quote, instrument.settle) == ("BTC", "USD", "USDC")
    assert (instrument.tick_size, instrument.lot_size) == (1, Decimal("0.0001"))
    assert instrument.min_size == Decimal("0.0001")
    assert (instrument.margin_initial, instrument.max_leverage) == (Decimal("0.02"), 50)
    assert clob_pair_id(instrument) == 0
    assert "oraclePrice" not in instrument.info  # a price is no definition
    assert parse_market({**BTC, "oraclePrice": None}) == instrument


def test_8_1_the_base_is_what_stands_before_the_last_hyphen():
    assert parse_market({**BTC, "ticker": "A,B-C,9BB6N-USD"}).base == "A,B-C,9BB6N"


@pytest.mark.parametrize(
    ("word", "status", "tradable"),
    [
        ("ACTIVE", MarketStatus.TRADING, True),
        ("PAUSED", MarketStatus.PAUSED, False),
        ("CANCEL_ONLY", MarketStatus.PAUSED, False),
        ("POST_ONLY", MarketStatus.POST_ONLY, False),
        ("INITIALIZING", MarketStatus.PRE_OPEN, False),
        ("FINAL_SETTLEMENT", MarketStatus.SETTLING, False),
        ("SOMETHING_NEW", MarketStatus.UNKNOWN, False),
    ],
)
def test_dx_i_05_statuses(word, status, tradable):
    instrument = parse_market({**BTC, "status": word})
    assert (instrument.status, instrument.venue_status) == (status, word)
    assert instrument.is_tradable is tradable


def test_a_market_that_cannot_be_read_does_not_hold_up_the_others():
    problems = []
    bad = [
        {**BTC, "ticker": "NOPE"},
        {**BTC, "ticker": 5},
        {**BTC, "atomicResolution": None},
        {**BTC, "subticksPerTick": 0},
        {**BTC, "stepBaseQuantums": True},
        {**BTC, "clobPairId": "x"},
        {**BTC, "initialMarginFraction": "x"},
        {**BTC, "tickSize": []},
        {**BTC, "atomicResolution": 10**9},
        {},
        None,
        [],
        "text",
    ]
    markets = {str(number): record for number, record in enumerate(bad)} | {"BTC-USD": BTC}
    found = parse_instruments(markets, lambda *problem: problems.append(problem))
    assert [each.symbol for each in found] == ["BTC-USD"]
    assert [ticker for ticker, _ in problems] == [str(number) for number in range(len(bad))]
    for body in ([], None, "text"):
        with pytest.raises(ProtocolError):
            parse_instruments(body)


def test_5_4_a_partial_update_changes_what_it_names():
    partial = FRAMES["data_markets_trading_partial"]["contents"]["trading"]["BTC-USD"]
    merged = merge_record(BTC, partial)
    assert merged["volume24H"] == "247501000.1"
    assert merged["oraclePrice"] == BTC["oraclePrice"]
    assert parse_market(merged) == parse_market(BTC)


def test_5_4_zeros_of_a_full_record_overwrite_no_statistics():
    full = FRAMES["data_markets_status"]["contents"]["trading"]["BTC-USD"]
    merged = merge_record(BTC, full)
    assert merged["status"] == "CANCEL_ONLY"
    names = ("volume24H", "openInterest", "trades24H", "nextFundingRate", "priceChange24H")
    assert [merged[name] for name in names] == [BTC[name] for name in names]
    assert merge_record({}, full)["volume24H"] == "0"  # a market nobody knew


def test_dx_i_06_tick_and_step_change_at_run_time():
    change = FRAMES["data_markets_tick_change"]["contents"]["trading"]["BTC-USD"]
    instrument = parse_market(merge_record(BTC, change))
    assert (instrument.tick_size, instrument.lot_size) == (10, Decimal("0.001"))
    assert instrument != parse_market(BTC)
