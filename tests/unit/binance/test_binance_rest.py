"""Weights, snapshots and what HTTP answers mean (section 14)."""

from __future__ import annotations

import json
import pathlib

import pytest

from connectors.binance.config import Config
from connectors.binance.rest import (
    _query,
    depth_weight,
    klines_weight,
    parse_snapshot,
    shared_weights,
)
from connectors.binance.rest_errors import classify
from connectors.errors import (
    AuthenticationError,
    PrecisionError,
    ProtocolError,
    RateLimited,
    TransportError,
    UnknownOutcome,
    VenueError,
)
from connectors.model import Instrument, InstrumentKind

DATA = pathlib.Path(__file__).parents[2] / "data" / "binance"
SAMPLES = json.loads((DATA / "rest_samples.json").read_text())["samples"]

EXPECTED = {
    "listen_key_keepalive_gone": VenueError,
    "margin_type_noop": VenueError,
    "position_side_noop": VenueError,
    "open_order_gone": VenueError,
    "rate_429": RateLimited,
    "ban_418": RateLimited,
    "waf_403": VenueError,
    "unknown_503": UnknownOutcome,
    "unavailable_503": VenueError,
    "internal_503": VenueError,
    "throttled_503": VenueError,
    "bad_gateway_502": UnknownOutcome,
}


def answer(sample):
    if "text" in sample:
        return sample["text"].encode()
    return json.dumps(sample["body"]).encode()


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample["id"])
def test_bn_r_28_to_30_every_sample(sample):
    error = classify(
        sample["status"],
        sample.get("headers", {}),
        answer(sample),
        idempotent=sample["method"] == "GET",
    )
    wanted = EXPECTED.get(sample["id"])
    assert type(error) is (type(None) if wanted is None else wanted)


def sample_error(name, **changes):
    sample = next(s for s in SAMPLES if s["id"] == name)
    settings = {"idempotent": True, "headers": sample.get("headers", {}), **changes}
    return classify(sample["status"], settings.pop("headers"), answer(sample), **settings)


def test_bn_r_44_retry_after():
    limited = sample_error("rate_429")
    assert (limited.retry_after_s, limited.banned, limited.code) == (37.0, False, -1003)
    banned = sample_error("ban_418")
    assert (banned.retry_after_s, banned.banned) == (3600.0, True)
    by_text = sample_error("ban_418", headers={}, now_s=1795222800 - 90)
    assert by_text.retry_after_s == 90.0
    assert sample_error("rate_429", headers={}).retry_after_s == 60.0


def test_ambiguous_answers_to_reads_are_just_failures():
    assert type(sample_error("unknown_503")) is TransportError
    assert type(sample_error("bad_gateway_502")) is TransportError
    assert type(sample_error("unavailable_503")) is TransportError  # BN-R-32: tried again
    assert "web firewall" in str(sample_error("waf_403"))


@pytest.mark.parametrize("code", [-1021, -1022, -2014, -2015])
def test_bn_r_32_keys_and_clocks(code):
    body = json.dumps({"code": code, "msg": "x"}).encode()
    error = classify(400, {}, body, idempotent=True)
    assert isinstance(error, AuthenticationError)
    assert error.code == code


def test_bn_r_28_a_negative_code_fails_whatever_the_status():
    assert classify(200, {}, b'{"code":200,"msg":"ok"}', idempotent=False) is None
    assert classify(200, {}, b'{"code":"200"}', idempotent=False) is None
    assert isinstance(classify(200, {}, b'{"code":-2022,"msg":"x"}', idempotent=False), VenueError)
    assert classify(200, {}, b"[]", idempotent=True) is None


@pytest.mark.parametrize(("limit", "weight"), [(5, 2), (50, 2), (100, 5), (500, 10), (1000, 20)])
def test_snapshot_weights(limit, weight):
    assert depth_weight(limit) == weight


@pytest.mark.parametrize(
    ("limit", "weight"), [(99, 1), (100, 2), (499, 2), (500, 5), (1000, 5), (1001, 10)]
)
def test_kline_weights(limit, weight):
    assert klines_weight(limit) == weight


def test_bn_p_10_both_products_share_one_budget():
    assert shared_weights(Config()) is shared_weights(Config(product="coinm"))
    assert shared_weights(Config()) is not shared_weights(Config(environment="testnet"))
    one = Config(rest_url="http://127.0.0.1:1")
    assert shared_weights(one) is shared_weights(Config(rest_url="http://127.0.0.1:1"))
    assert shared_weights(one) is not shared_weights(Config(rest_url="http://127.0.0.1:2"))


def test_bn_c_11_queries_are_percent_encoded_once():
    query = _query({"symbol": "币USDT", "limit": 5, "fromId": None, "x": "a b&c"})
    assert query == "symbol=%E5%B8%81USDT&limit=5&x=a%20b%26c"
    assert _query({}) == ""


BTC = Instrument(
    id="BTCUSD-PERP",
    symbol="BTCUSD_PERP",
    venue="BINANCE",
    kind=InstrumentKind.PERPETUAL,
    base="BTC",
    quote="USD",
    tick_size="0.1",
    lot_size="1",
)


def test_snapshots_of_both_products():
    body = next(s for s in SAMPLES if s["id"] == "depth_cm")["body"]
    update = parse_snapshot(body, BTC)
    assert update.is_snapshot
    assert update.last_seq == 16769853
    assert update.ts_event == 1591250106368 * 10**6
    assert (update.bids, update.asks) == ([(96380, 431)], [(96382, 12)])


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {"lastUpdateId": 1, "bids": [["1"]], "asks": []},
        {"lastUpdateId": 1, "bids": [], "asks": None},
        {"lastUpdateId": "x", "bids": [], "asks": []},
        {"lastUpdateId": 1, "bids": [[None, "1"]], "asks": []},
    ],
)
def test_bn_b_25_a_broken_snapshot_is_rejected_whole(body):
    with pytest.raises(ProtocolError):
        parse_snapshot(body, BTC)


def test_a_snapshot_off_the_grid_is_rejected_whole():
    with pytest.raises(PrecisionError):
        parse_snapshot({"lastUpdateId": 1, "bids": [["1.05", "1"]], "asks": []}, BTC)
