"""The contract without a socket: URL, frames, classification, values (S-01 to S-99)."""

from __future__ import annotations

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from venues.ibkr.gateway_rig import SESSION, table

from connectors import ibkr
from connectors.errors import (
    AuthenticationError,
    ConfigError,
    ConnectorError,
    DecodeError,
    HandshakeError,
    ProtocolError,
    RateLimited,
    RequestTimeout,
    TransportError,
    UnknownOutcome,
    VenueError,
)
from connectors.ibkr.socket_client import cookie
from connectors.ibkr.wire import (
    CANCEL_ORDERS,
    CANCEL_PNL,
    ORDERS,
    PNL,
    TIC,
    cancel_market_data,
    market_data,
    session_login,
)
from connectors.net.dial import translate_dial_error

URLS = table("ws_url_cases.json")
EDGES = table("ws_classify_edge.json")["cases"]
SERVER = table("ws_server_frames.json")["frames"]
CLIENT = table("ws_client_frames.json")


def url(base):
    return ibkr.ws_url(base)


# -- 1.1 the URL -------------------------------------------------------------------------------


@pytest.mark.parametrize("case", URLS["cases"], ids=lambda case: case["base"] or "empty")
def test_url_cases(case):
    refused = case.get("error") or case.get("error_kind")
    if not refused and not case["strict"] and "our_url" not in case:
        # Where the table leaves it open, we refuse, or say something a socket can use.
        said = ""
        try:
            derived = url(case["base"])
        except ConfigError as error:
            derived, said = "wss://refused", str(error)
        assert derived.startswith(("ws://", "wss://"))
        assert "p@" not in said
    elif refused:
        with pytest.raises(ConfigError) as caught:
            url(case["base"])
        assert case.get("error", "") in str(caught.value)
    else:
        assert url(case["base"]) == case.get("our_url", case.get("seed_url"))


def test_s_01_scheme():
    assert url("https://h/a") == "wss://h/a/ws"
    assert url("http://h/a") == "ws://h/a/ws"


def test_s_02_other_schemes():
    with pytest.raises(ConfigError) as caught:
        url("FTP://h/v1/api")
    assert str(caught.value) == "unsupported WebSocket base scheme 'ftp' (expected http/https)"
    with pytest.raises(ConfigError, match="'localhost'"):
        url("localhost:5000/v1/api")


def test_s_03_the_scheme_is_checked_first():
    with pytest.raises(ConfigError, match="unsupported WebSocket base scheme 'mailto'"):
        url("mailto:a@b")


def test_s_04_one_segment_is_appended():
    assert url("https://localhost:5000/v1/api") == "wss://localhost:5000/v1/api/ws"
    assert url("http://localhost:8080/v1/api") == "ws://localhost:8080/v1/api/ws"


def test_s_05_empty_path():
    assert url("http://localhost:8080") == url("http://localhost:8080/") == "ws://localhost:8080/ws"


def test_s_06_host_port_query_and_escapes_are_kept():
    assert url("https://H:443/v1%2Fapi?x=1") == "wss://h/v1%2Fapi/ws?x=1"
    assert url("http://[::1]:443/a b") == "ws://[::1]:443/a%20b/ws"


@pytest.mark.parametrize("base", ["/v1/api", "", "https://", "https://h:99999", "https:///v1"])
def test_s_07_not_an_absolute_url(base):
    with pytest.raises(ConfigError):
        url(base)
    with pytest.raises(ConfigError):
        ibkr.Config(base_url=base)


def test_s_08_our_deviations():
    assert url("https://h/v1/api/") == "wss://h/v1/api/ws"
    assert url("https://h/v1/api#frag") == "wss://h/v1/api/ws"


# -- 1.2 the cookie ----------------------------------------------------------------------------


@pytest.mark.parametrize("case", URLS["cookie"], ids=lambda case: repr(case["session"]))
def test_s_13_and_s_15_cookie(case):
    if case["ok"]:
        assert cookie(case["session"]) == case["header"]
    else:
        with pytest.raises(ConfigError, match="cookie"):
            cookie(case["session"])


def test_s_13_cookie_is_json_without_spaces():
    assert cookie(SESSION) == CLIENT["handshake"]["gateway"]["headers"]["Cookie"]


@given(st.text())
def test_s_15_no_session_can_add_a_header(session):
    try:
        header = cookie(session)
    except ConfigError:
        header = ""
    assert not set("\r\n\0\x7f") & set(header)


# -- 1.3 fields --------------------------------------------------------------------------------


def test_s_20_default_level_one():
    assert list(ibkr.FieldSet.default_l1()) == ["31", "84", "86", "85", "88", "87"]
    assert list(ibkr.FieldSet.default_l1()) == CLIENT["default_l1"]


def test_s_21_any_codes_in_order_with_duplicates():
    assert ibkr.FieldSet(str(code) for code in (86, 31, 86)).as_slice() == ("86", "31", "86")
    assert ibkr.FieldSet([]).as_slice() == ()


def test_s_22_a_field_set_is_a_value():
    fields = ibkr.FieldSet(["31"])
    assert copy.copy(fields) == copy.deepcopy(fields) == fields
    assert hash(fields) == hash(ibkr.FieldSet(["31"]))
    assert repr(fields) == "FieldSet(['31'])"


# -- 1.4 frames out ----------------------------------------------------------------------------

L1 = ibkr.FieldSet.default_l1()
CALLS = {
    "subscribe_market_data(265598, default_l1)": lambda: market_data(265598, L1),
    'subscribe_market_data(265598, ["31","84","86"])': lambda: market_data(
        265598, ["31", "84", "86"]
    ),
    "subscribe_market_data(265598, [])": lambda: market_data(265598, []),
    'subscribe_market_data(-1, ["31"])': lambda: market_data(-1, ["31"]),
    'subscribe_market_data(1, ["a\\"b","\\u20ac"])': lambda: market_data(1, ['a"b', "\u20ac"]),
    "unsubscribe_market_data(265598)": lambda: cancel_market_data(265598),
    "subscribe_orders()": lambda: ORDERS,
    "subscribe_pnl()": lambda: PNL,
    'send_text("tic")': lambda: TIC,
    "market data on one exchange": lambda: market_data("265598@ISLAND", ["31", "84", "86"]),
    "market data of a combination": lambda: market_data(
        "28812380;;;679289300/1,679295546/-1", ["31", "84", "86"]
    ),
    "session JSON": lambda: session_login(SESSION),
}


@pytest.mark.parametrize(
    "frame", [each for each in CLIENT["frames"] if each["call"] in CALLS], ids=lambda f: f["call"]
)
def test_s_30_to_s_35_frames_byte_for_byte(frame):
    assert CALLS[frame["call"]]() == frame["frame"]


def test_every_frame_of_the_reference_is_in_the_table_above():
    seed = {each["call"] for each in CLIENT["frames"] if each["source"] == "seed"}
    assert seed <= set(CALLS)


def test_s_30_s_31_market_data_with_and_without_fields():
    assert market_data(265598, ["31", "84"]) == 'smd+265598+{"fields":["31","84"]}'
    assert market_data(265598, []) == 'smd+265598+{"fields":[]}'


def test_s_32_s_33_s_34_the_other_frames():
    assert cancel_market_data(265598) == "umd+265598+{}"
    assert (ORDERS, CANCEL_ORDERS, PNL, CANCEL_PNL) == ("sor+{}", "uor+{}", "spl+{}", "upl+{}")


def test_s_36_conid_is_not_checked():
    assert market_data(-(2**63), []) == 'smd+-9223372036854775808+{"fields":[]}'


def test_s_98_fields_that_cannot_be_written():
    with pytest.raises(ProtocolError, match="cannot be written"):
        market_data(1, ["\ud800"])


class Sink:
    def __init__(self):
        self.sent = []

    def send_text(self, text):
        self.sent.append(text)


def test_s_38_a_handle_returns_what_it_was_made_with():
    handle = ibkr.Subscription("orders", CANCEL_ORDERS)
    assert (handle.name, handle.cancel_payload()) == ("orders", "uor+{}")
    assert "uor+{}" in repr(handle)


def test_s_39_cancel_uses_the_handle_up_and_a_clone_stands_for_itself():
    sink, handle = Sink(), ibkr.Subscription("pnl", CANCEL_PNL)
    clone = handle.clone()
    handle.cancel(sink)
    handle.cancel(sink)
    assert sink.sent == ["upl+{}"]
    clone.cancel(sink)
    assert sink.sent == ["upl+{}", "upl+{}"]


def test_s_41_the_payload_can_go_through_another_sink():
    sink = Sink()
    sink.send_text(ibkr.Subscription("orders", CANCEL_ORDERS).cancel_payload())
    assert sink.sent == ["uor+{}"]


# -- 1.6 classification ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "case", [each for each in EDGES if not each.get("transport_error")], ids=lambda c: c["id"]
)
def test_s_60_to_s_69_edge_cases(case):
    data = bytes.fromhex(case["hex"])
    message = ibkr.classify(data)
    assert message.label == case["label"]
    assert message.conid == case["conid"]
    if case["label"] == "malformed":
        assert message.text == case["malformed_text"]
        assert message.error
    elif "lossy_text" in case:
        assert message.payload == json.loads(case["lossy_text"])


@pytest.mark.parametrize("frame", SERVER, ids=lambda frame: frame["id"])
def test_s_60_to_s_70_server_frames(frame):
    for data in (frame["text"], frame["text"].encode()):
        message = ibkr.classify(data)
        assert (message.label, message.conid) == (frame["label"], frame["conid"])


def test_s_52_binary_is_no_kind_of_its_own():
    whole = ibkr.classify(b'{"topic":"sor","x":"\xff\xfe"}')
    assert whole.label == "order"
    assert whole.payload["x"] == "\ufffd\ufffd"


def test_s_61_a_malformed_message_carries_text_and_reason():
    message = ibkr.classify("tic")
    assert (message.label, message.text) == ("malformed", "tic")
    assert message.error


def test_s_62_the_decoded_topic_counts_and_the_last_key_wins():
    assert ibkr.classify('{"\\u0074opic":"smd\\u002b1"}').conid == 1
    assert ibkr.classify('{"topic":"system","topic":"sor"}').label == "order"
    assert ibkr.classify('{"a":{"topic":"system"}}').label == "other"


def test_s_63_market_data_by_topic():
    message = ibkr.classify('{"topic":"smd+265598","31":"150.25"}')
    assert (message.label, message.conid) == ("market_data", 265598)
    assert message.as_value() == {"topic": "smd+265598", "31": "150.25"}


@pytest.mark.parametrize(
    ("row", "topics", "label"),
    [
        ("s_65", ["system"], "system"),
        ("s_66", ["sor", "ortd", "ord"], "order"),
        ("s_67", ["spl", "pnl", "ssd", "ssl"], "pnl"),
        ("s_68", ["str", "smd+x", "", "systems"], "other"),
    ],
)
def test_s_65_s_66_s_67_s_68_labels_by_topic(row, topics, label):
    for topic in topics:
        assert ibkr.classify(json.dumps({"topic": topic})).label == label


def test_s_64_integers():
    assert ibkr.classify('{"topic":"smd++7"}').conid == 7
    assert ibkr.classify(json.dumps({"topic": "smd+" + "0" * 5_000 + "7"})).conid == 7
    assert ibkr.classify(json.dumps({"topic": "smd+" + "9" * 5_000})).label == "other"
    for text in ("", " 1", "1_0", "1.0", "1e5", "0x1", "1+1", "1@SMART", "\u0661", str(2**63)):
        assert ibkr.classify(json.dumps({"topic": f"smd+{text}"})).label == "other", text


def test_s_69_topics_with_a_target_are_other():
    for topic in ("ssd+DU1", "system ", "SYSTEM", "smd", "str", "sts", "act", "tic", "sbd+A+1"):
        assert ibkr.classify(json.dumps({"topic": topic})).label == "other"


def test_s_70_and_s_71_conid_of_the_topic_and_the_whole_payload():
    message = ibkr.classify('{"conid":2,"new":[1],"topic":"smd+1"}')
    assert message.conid == 1
    assert message.payload == {"conid": 2, "new": [1], "topic": "smd+1"}


@given(st.binary() | st.text(alphabet=st.characters(exclude_categories=[])))
def test_classify_never_raises(data):
    message = ibkr.classify(data)
    assert message.label in {kind.value for kind in ibkr.MessageKind}
    assert (message.label == "malformed") == bool(message.error)


@given(st.sampled_from(SERVER), st.data())
def test_classify_takes_any_mutation_of_a_frame(frame, data):
    text = bytearray(frame["text"].encode())
    for _ in range(data.draw(st.integers(1, 4))):
        if text:
            place = data.draw(st.integers(0, len(text) - 1))
            text[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    message = ibkr.classify(bytes(text))
    assert message.as_value() is message.payload
    if message.label == "market_data":
        assert message.topic.startswith("smd+")


def test_nesting_beyond_all_limits_is_malformed():
    assert ibkr.classify("[" * 100_000 + "]" * 100_000).label == "malformed"
    assert ibkr.classify('{"topic":"sor","x":' + "[" * 100 + "]" * 100 + "}").label == "order"


# -- 1.7 the value -----------------------------------------------------------------------------

SEVEN = {
    "heartbeat": "{}",
    "system": '{"topic":"system","msg":"ready"}',
    "market_data": '{"topic":"smd+265598","31":"150.25","_updated":1700000000}',
    "order": '{"topic":"sor"}',
    "pnl": '{"topic":"spl"}',
    "other": '{"topic":"act"}',
    "malformed": "not-json",
}


@pytest.mark.parametrize(("label", "text"), SEVEN.items())
def test_s_80_labels(label, text):
    assert ibkr.classify(text).label == label
    assert ibkr.classify(text).kind == label


def test_nine_basic_cases():
    """Section 1.9, in its order."""
    assert url("https://localhost:5000/v1/api").startswith("wss://")
    assert url("http://localhost:8080/v1/api") == "ws://localhost:8080/v1/api/ws"
    assert ibkr.classify(SEVEN["market_data"]).conid == 265598
    assert ibkr.classify("{}").label == "heartbeat"
    assert ibkr.classify('{"topic":"system","msg":"ready"}').label == "system"
    assert ibkr.classify("not-json").label == "malformed"
    assert [ibkr.classify(text).label for text in SEVEN.values()] == list(SEVEN)
    for label in ("order", "market_data"):
        assert ibkr.classify(SEVEN[label]).as_value() == json.loads(SEVEN[label])
    for label in ("heartbeat", "malformed"):
        assert ibkr.classify(SEVEN[label]).as_value() is None
    handle = ibkr.Subscription("orders", "uor+{}")
    assert (handle.cancel_payload(), handle.name) == ("uor+{}", "orders")


def test_s_81_as_value():
    for label, text in SEVEN.items():
        value = ibkr.classify(text).as_value()
        assert value == (None if label in ("heartbeat", "malformed") else json.loads(text))


def test_s_82_messages_are_values():
    message = ibkr.classify(SEVEN["market_data"])
    assert message == copy.deepcopy(message)
    assert "market_data" in repr(message)
    with pytest.raises(AttributeError):
        message.conid = 1


def test_s_83_keepalive():
    assert ibkr.WsClient.recommended_keepalive() == 60.0


# -- 1.8 errors --------------------------------------------------------------------------------

ERRORS = {
    "test_s_90": (ConfigError("header"), ConfigError, False),
    "test_s_91": (ibkr.NoSession("gateway has no active session"), AuthenticationError, True),
    "test_s_92": (ibkr.NotAuthenticated("401", code=401), AuthenticationError, False),
    "test_s_93_404": (VenueError(404, "tickle", status=404), VenueError, False),
    "test_s_93_503": (VenueError(503, "tickle", status=503), VenueError, True),
    "test_s_93_429": (RateLimited(429, "x", retry_after_s=1, status=429), VenueError, True),
    "test_s_94": (DecodeError("not JSON", 0), ProtocolError, False),
    "test_s_95": (RequestTimeout("tickle"), TransportError, True),
    "test_s_96": (HandshakeError("refused"), TransportError, True),
    "test_s_97": (TransportError("reset"), TransportError, True),
    "test_s_98": (ProtocolError("fields"), ProtocolError, False),
    "unknown outcome": (UnknownOutcome("order"), ConnectorError, False),
    "no bridge": (ibkr.NoBridge(400, "no bridge", status=400), VenueError, True),
}


@pytest.mark.parametrize("row", ERRORS)
def test_s_90_to_s_99_errors_tell_whether_retrying_may_help(row):
    error, family, retry = ERRORS[row]
    assert isinstance(error, family)
    assert isinstance(error, ConnectorError)
    assert ibkr.is_retryable(error) is retry


def test_s_16_and_s_99_no_token_in_texts():
    error = translate_dial_error(OSError("x"), "wss://h/ws?oauth_token=abcdef0123456789abcd")
    assert "abcdef" not in str(error)
    message = ibkr.classify(json.dumps({"topic": "tic", "id": SESSION}))
    assert SESSION not in repr(message)
