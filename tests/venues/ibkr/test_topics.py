"""Topics: every frame of ws_server_frames.json, and the W-rows about reading one."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from venues.ibkr.ibkr_rig import Listener, execution_row, order_row

from connectors.ibkr.books import DepthLevel
from connectors.ibkr.topics import (
    AccountInfo,
    Bulletin,
    Detail,
    ErrorText,
    Notification,
    Prompt,
    Ready,
    ServerHeartbeat,
    SessionStatus,
    Tic,
    decode,
    read_topic,
)
from connectors.ibkr.wire import classify

DATA = json.loads((Path(__file__).parents[2] / "data/ibkr/ws_server_frames.json").read_text())
FRAMES = {frame["id"]: frame for frame in DATA["frames"]}


def topic(name: str) -> Any:
    return decode(classify(FRAMES[name]["text"]))


@pytest.mark.parametrize("frame", DATA["frames"], ids=lambda frame: frame["id"])
def test_d_10_every_frame_has_its_label_and_its_detail(frame: dict[str, Any]) -> None:
    message = classify(frame["text"].encode())
    assert message.label == frame["label"]
    assert message.conid == frame["conid"]
    assert decode(message).detail == frame["detail"]


def test_w_01_ready() -> None:
    assert topic("system_ready").value == Ready("simuser", True)


def test_w_02_server_heartbeat() -> None:
    assert topic("system_hb").value == ServerHeartbeat(1783031090123 * 10**6)


def test_w_03_a_partial_status_leaves_the_rest_unsaid() -> None:
    assert topic("sts_auth_false").value == SessionStatus(authenticated=False)
    assert topic("sts_competing_true").value == SessionStatus(competing=True)
    assert topic("sts_message_empty").value == SessionStatus(message="")
    assert topic("sts_full").value == SessionStatus(True, True, True, False, "", "")


def test_w_04_account() -> None:
    assert topic("act").value == AccountInfo(("DU1234567",), "DU1234567", True, "64c2a9f1.00000017")


def test_w_05_tic() -> None:
    assert topic("tic_reply").value == Tic(True, "bb665d0f55b6289d70bc7380089fc96f", 1783031090555)


def test_w_06_echo_is_taken_and_says_nothing() -> None:
    assert topic("ech").detail is Detail.ECHO


def test_w_07_waiting_for_a_session() -> None:
    assert topic("waiting_for_session").detail is Detail.WAITING_FOR_SESSION
    assert read_topic({"topic": "x", "message": "waiting for session"}).detail is Detail.UNKNOWN


@pytest.mark.parametrize("frame", [b"", b"{}"])
def test_w_09_filler_is_a_heartbeat(frame: bytes) -> None:
    assert decode(classify(frame)).detail is Detail.HEARTBEAT


def test_w_08_an_error_wins_over_any_topic() -> None:
    assert topic("error_topic_unknown").value == ErrorText("Topic unknown '{\"s'", 0)
    assert topic("error_topic").value == ErrorText("bad subscription", None)
    found = read_topic({"topic": "smd+1", "error": "no", "code": 7})
    assert (found.detail, found.value) == (Detail.ERROR, ErrorText("no", 7))


@pytest.mark.parametrize("nothing", [None, "", 0])
def test_w_08_an_error_that_is_none_is_no_error(nothing: object) -> None:
    assert read_topic({"topic": "sor", "args": [], "error": nothing}).detail is Detail.ORDERS


def test_w_10_d_11_targets_of_lines() -> None:
    assert topic("smd_full").targets == ("265598",)
    assert topic("smd_exchange").targets == ("265598@ISLAND",)
    assert topic("smd_negative").targets == ("28812380;;;679289300/1,679295546/-1",)


def test_w_20_history() -> None:
    found = topic("smh_first").value
    assert (found.server_id, found.interval_s, len(found.bars), found.bad) == ("20477", 3600, 2, 0)
    assert found.bars[0].open == Decimal("190.5")
    assert found.bars[0].volume == Decimal("472117.45")
    assert found.bars[1].ts_open == 1783002600000 * 10**6


def test_w_20_the_answer_to_umh_names_the_server_id() -> None:
    assert topic("umh_ack").value == "20477"


def test_w_21_depth() -> None:
    found = topic("sbd").value
    assert (found.account, found.conid, found.exchange) == ("DU1234567", 265598, "")
    assert found.levels == (
        DepthLevel(0, Decimal("193.20"), ask=Decimal(200)),
        DepthLevel(1, Decimal("193.15"), last_size=Decimal(100), is_focus=True),
        DepthLevel(2, Decimal("193.10"), bid=Decimal(300)),
    )
    assert topic("sbd_exchange").value.exchange == "ISLAND"


def test_w_24_pnl_keys_that_are_missing_are_unchanged() -> None:
    (row,) = topic("spl").value
    assert (row.account, row.model, row.daily) == ("DU1234567", "Core", Decimal("-58.28"))
    (row,) = topic("spl_partial").value
    assert (row.daily, row.unrealized) == (Decimal("-59.01"), None)


def test_w_25_summary() -> None:
    rows = topic("ssd_account").value
    assert rows[0].text == "DU1234567"
    assert (rows[1].key, rows[1].amount, rows[1].currency) == ("netliquidation", 1006128, "USD")
    assert read_topic({"topic": "ssd+DU1", "result": [{"key": "X", "timestamp": 1}]}).value == ()


def test_w_26_ledger() -> None:
    (row,) = topic("sld").value
    assert (row.account, row.currency) == ("DU1234567", "BASE")
    assert row.values["cashbalance"] == Decimal("202013117.91131118")
    assert topic("sld_blank_rows").value == ()


def test_w_27_f_23_notifications_in_both_forms() -> None:
    note = Notification("20260702-1", "Notice", "A sample notification.", "")
    assert topic("ntf_object").value == (note,)
    assert [each.id for each in topic("ntf_list").value] == ["20260702-2"]
    (prompt,) = topic("ntf_prompt").value
    assert isinstance(prompt, Prompt)
    assert (prompt.order_id, prompt.request_id, prompt.message_id) == ("1370093239", "46562", "p12")
    assert prompt.options == ("Use on this order", "Always use", "Do not use")


def test_w_28_bulletin() -> None:
    assert topic("blt").value == Bulletin("16411", "Exchange XYZ reports a delay.")


def test_w_29_what_is_not_known_is_passed_on() -> None:
    assert topic("inp").payload["MID"] == "7"
    assert topic("unknown_topic").payload == {"topic": "zzz+1", "args": {}}


def test_w_38_a_bad_row_costs_itself() -> None:
    found = topic("sor_two_rows_one_bad").value
    assert [row.order_id for row in found.rows] == ["1370093239"]
    assert found.bad == 1


KEYS = ["topic", "args", "result", "data", "error", "message", "orderId", "status", "side",
        "execution_id", "account", "price", "size", "conid", "order_id", "key", "hb", "options",
        "reqId", "t", "o", "h", "l", "c", "lastExecutionTime_r", "trade_time_r", "row"]  # fmt: skip
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)
TOPICS = ["smd+1", "smh+1", "sbd+DU1+1", "sor", "str", "spl", "ssd+DU1", "sld+DU1", "ntf", "blt",
          "sts", "act", "tic", "system", "ech+hb", "shs+exercise", "error", ""]  # fmt: skip


@given(st.sampled_from(TOPICS), st.dictionaries(st.sampled_from(KEYS), json_values, max_size=6))
def test_d_13_nothing_that_a_frame_says_raises(name: str, payload: dict[str, Any]) -> None:
    found = read_topic(payload | {"topic": name})
    assert found.detail in Detail


@given(st.sampled_from(sorted(FRAMES)), st.data())
def test_d_13_frames_cut_and_mixed_up(name: str, data: st.DataObject) -> None:
    """Section 13 item 2: whatever comes is a topic of one of the details."""
    raw = bytearray(FRAMES[name]["text"].encode())
    for _ in range(data.draw(st.integers(0, 3))):
        if raw:
            raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    raw = raw[: data.draw(st.integers(0, len(raw)))]
    found = decode(classify(bytes(raw)))
    assert found.detail in Detail


good = st.sampled_from([
    order_row("Submitted"), order_row("Filled", filledQuantity=5.0), order_row("Inactive"),
    execution_row(), execution_row(commission="1.01"), {"orderId": 1, "status": "Cancelled"},
    {"secondKey": "USD", "cashbalance": 1.5}, {"key": "InitMarginReq", "monetaryValue": 2},
])  # fmt: skip


@given(st.lists(st.tuples(
    st.sampled_from(["sor", "str", "spl", "ssd+DU1", "sld+DU1", "ssd", "sld"]),
    st.sampled_from(["args", "result"]),
    st.lists(good | json_values, max_size=3) | json_values,
), max_size=8))  # fmt: skip
def test_d_13_nothing_raises_in_the_feed_of_an_account(
    frames: list[tuple[str, str, Any]],
) -> None:
    """Whatever rows hold, in whatever mixture: good ones apply, bad ones are counted."""
    user = Listener()
    for name, key, rows in frames:
        assert user.feed.take(read_topic({"topic": name, key: rows}))
        user.wait(1.0)
        user.feed.settle()
    user.feed.positions("DU1", frames[0][2] if frames else None)
    user.feed.live_orders({"orders": frames[0][2] if frames else None}, 0)
    user.feed.trade_list(frames[0][2] if frames else None)
