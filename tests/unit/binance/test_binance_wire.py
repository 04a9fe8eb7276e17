"""Control frames and rare events (sections 4, 6, 8)."""

from __future__ import annotations

import json
import pathlib
from decimal import Decimal

import pytest

from connectors.binance import wire
from connectors.errors import DecodeError

DATA = pathlib.Path(__file__).parents[2] / "data" / "binance"
CONTROL = json.loads((DATA / "control_frames.json").read_text())
FRAMES = {f["id"]: f for f in json.loads((DATA / "market_frames.json").read_text())["frames"]}


@pytest.mark.parametrize("case", CONTROL["requests"], ids=lambda case: case["id"])
def test_bn_h_01_requests(case):
    frame = json.loads(case["text"])
    text = wire.encode_command(frame["method"], frame.get("params"), frame["id"])
    assert text == case["text"].encode()


@pytest.mark.parametrize(
    "case", [c for c in CONTROL["replies"] if "text" in c], ids=lambda case: case["id"]
)
def test_bn_h_06_to_10_replies(case):
    parsed = wire.parse_control(case["text"].encode())
    frame = json.loads(case["text"])
    problem = frame.get("error") or (frame if "code" in frame else None)
    if problem is None:
        assert parsed == wire.Reply(frame["id"], True, frame["result"])
    elif "id" in frame:
        assert parsed == wire.Reply(frame["id"], False, None, problem["code"], problem["msg"])
    else:
        assert parsed == wire.VenueProblem(problem["code"], problem["msg"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"code":-1}', wire.VenueProblem(-1, "Unknown error")),
        ('{"error":"broken"}', wire.VenueProblem(None, "broken")),
        ('{"error":{"code":3,"msg":"x"},"id":null}', wire.VenueProblem(3, "x")),
        (
            '{"error":{"code":"x","msg":1},"id":7}',
            wire.Reply(7, False, None, None, "Unknown error"),
        ),
        ('{"id":3}', wire.Reply(3, True, None)),
        ('{"id":true,"result":null}', wire.Reply(None, True, None)),
        ("[1]", None),
        ("null", None),
        ("{}", None),
        ('{"e":"trade"}', None),
    ],
)
def test_odd_control_frames(text, expected):
    assert wire.parse_control(text.encode()) == expected


def test_bn_h_13_what_does_not_parse():
    with pytest.raises(DecodeError):
        wire.parse_control(b'{"id":')
    with pytest.raises(DecodeError):
        wire.parse_cold_event(b"")


def test_bn_s_55_names_are_split_by_bytes():
    names = ["币安人生usdt@bookTicker"] * 400
    parts = list(wire.split_names(names))
    assert [name for part in parts for name in part] == names
    for part in parts:
        assert len(wire.encode_command("UNSUBSCRIBE", part, 10**19)) <= wire.MAX_COMMAND_BYTES
    assert list(wire.split_names([])) == []
    assert list(wire.split_names(["x" * 9000, "y"])) == [["x" * 9000], ["y"]]


def cold(name):
    return wire.parse_cold_event(json.dumps(FRAMES[name]["frame"]).encode())


def test_contract_info():
    event = cold("contract_info")
    assert (event.symbol, event.status) == ("IOTAUSDT", "TRADING")
    assert event.brackets[1].maintenance_margin_rate == Decimal("0.025")  # BN-F-10
    assert event.ts_event == 1669356423908 * 10**6
    assert cold("contract_info_no_bks").brackets is None
    assert cold("contract_info_no_bks").symbol_type == 2


def test_composite_index():
    event = cold("composite_index")
    assert event.price == Decimal("554.41604065")
    assert event.components[0][0] == "BAL"


def test_asset_index():
    item = FRAMES["asset_index_arr"]["frame"][0]
    event = wire.parse_cold_event(json.dumps(item).encode())
    assert event.index == Decimal("0.27462452")
    assert event.bid == Decimal("0.24716207")


def test_trading_session():
    event = cold("trading_session")
    assert (event.market, event.session) == ("Equity", "OVERNIGHT")
    assert event.ts_end > event.ts_start


@pytest.mark.parametrize("name", ["server_shutdown", "server_shutdown_wrapped"])
def test_bn_t_15_server_shutdown(name):
    assert cold(name) == wire.ServerShutdown(1780000000000 * 10**6)


def test_unknown_events_have_no_type():
    assert cold("unknown_event") is None


@pytest.mark.parametrize(
    "text",
    [
        '{"e":"contractInfo"}',
        '{"e":"contractInfo","s":1,"ct":"","cs":"","dt":"x","ot":1,"E":1}',
        '{"e":"compositeIndex","s":"X","p":"nope","c":[],"E":1}',
        '{"e":"EquityUpdate","S":"X","t":1}',
        '{"e":5}',
        "[]",
    ],
)
def test_broken_rare_events_are_decode_errors(text):
    with pytest.raises(DecodeError):
        wire.parse_cold_event(text.encode())
