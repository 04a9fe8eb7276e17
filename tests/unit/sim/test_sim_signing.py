"""Signature checks of the simulator: every vector accepted, every altered text refused."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote, unquote

import pytest
from Crypto.Signature import eddsa
from unit.sim.trading_desk import TradingDesk

from connectors.sim.binance.signing import (
    deterministic_key,
    hmac_key,
    public_key,
    split_signature,
    ws_payloads,
)
from connectors.sim.binance.trading import Security
from connectors.sim.binance.types import ApiError, Cost

VECTORS = json.loads(
    (Path(__file__).parents[2] / "data" / "binance" / "signing_vectors.json").read_text()
)


def _api_key(name, key):
    if name == "hmac":
        return hmac_key(key["api_key"], key["secret"])
    if name == "ed25519":
        public = eddsa.import_public_key(bytes.fromhex(key["public_hex"]))
        return public_key(key["api_key"], public.export_key(format="PEM"))
    return public_key(key["api_key"], key["public_pem"])


KEYS = {name: _api_key(name, key) for name, key in VECTORS["keys"].items()}
REST = pytest.mark.parametrize("vector", VECTORS["rest"], ids=lambda v: v["id"])
WS = pytest.mark.parametrize("vector", VECTORS["ws_api"], ids=lambda v: v["id"])


def parts(vector):
    return vector["query_string"].encode(), vector["body"].encode()


def accepted(vector, query, body):
    payload, signature = split_signature(query, body)
    return signature is not None and KEYS[vector["key"]].verify(payload, signature)


@pytest.fixture(scope="module")
def desk():
    desk = TradingDesk()
    account = desk.exchange.accounts[0]
    for name, key in KEYS.items():
        desk.exchange.keys[key.api_key] = (key, account)
        assert key.kind == name
    return desk


@REST
def test_bn_g_01_rest_vector_is_accepted_as_sent(desk, vector):
    assert accepted(vector, *parts(vector))
    sent = dict(vector["params"])
    desk.now_ns = int(sent.get("timestamp") or _timestamp(vector)) * 1_000_000
    account, params = desk.rest.authenticate(
        Security.SIGNED, KEYS[vector["key"]].api_key, *parts(vector)
    )
    assert account is desk.exchange.accounts[0]
    for name, value in vector["params"]:
        if name not in ("timestamp", "recvWindow"):
            assert params.text(name) == str(value)


def _timestamp(vector):
    return dict(vector.get("body_params", []))["timestamp"]


@REST
def test_bn_m_10_altered_rest_vector_is_refused(vector):
    query, body = parts(vector)
    variants = {
        "parameter added in front": (b"x=1&" + query, body) if query else (query, b"x=1&" + body),
        "one digit changed": (
            (_bump(query), body) if b"timestamp=" in query else (query, _bump(body))
        ),
        "signature of another payload": _resign(vector, query, body),
        "parts swapped": (body, query) if query and body else (query + b"&", body),
        "signature first": _signature_first(query, body),
    }
    for part, text in enumerate((query, body)):
        recoded = _recode(text)
        if recoded != text:
            both = [query, body]
            both[part] = recoded
            variants[f"re-encoded part {part}"] = tuple(both)
    for name, (changed_query, changed_body) in variants.items():
        assert not accepted(vector, changed_query, changed_body), name


def _bump(text):
    head, _, tail = text.partition(b"timestamp=")
    digit = (tail[0] - ord("0") + 1) % 10
    return head + b"timestamp=" + str(digit).encode() + tail[1:]


def _resign(vector, query, body):
    other = next(
        v for v in VECTORS["rest"] if v["key"] == vector["key"] and v["id"] != vector["id"]
    )
    old, new = vector["signature_urlencoded"].encode(), other["signature_urlencoded"].encode()
    return query.replace(old, new), body.replace(old, new)


def _signature_first(query, body):
    def move(part):
        head, found, signature = part.rpartition(b"&signature=")
        return b"signature=" + signature + b"&" + head if found else part

    return move(query), move(body)


def _recode(text):
    """The same values, encoded as form libraries like to do it."""
    head, found, signature = text.rpartition(b"&signature=")
    pairs = [pair.partition("=") for pair in head.decode().split("&")]
    again = "&".join(f"{k}={quote(unquote(v), safe=chr(34) + '[]{}:,@/')}" for k, _, v in pairs)
    return again.encode() + found + signature


@REST
def test_upper_case_escapes_and_blanks_as_plus_are_other_texts(vector):
    query, body = parts(vector)
    lower = [_lower_escapes(part) for part in (query, body)]
    if lower != [query, body]:
        assert not accepted(vector, *lower)


def _lower_escapes(part):
    head, found, signature = part.rpartition(b"&signature=")
    out = bytearray(head)
    for i, byte in enumerate(head):
        if byte == ord("%"):
            out[i : i + 3] = head[i : i + 3].lower()
    return bytes(out) + found + signature


@WS
def test_bn_w_05_ws_vector_is_accepted_in_each_form(desk, vector):
    request = json.loads(vector["request_text"])
    key = KEYS[vector["key"]]
    for form in ("plain", "encoded", "both"):
        payloads = ws_payloads(request["params"], form)
        assert any(key.verify(p, request["params"]["signature"]) for p in payloads)
    assert vector["payload"].encode() in ws_payloads(request["params"], "both")


@WS
def test_altered_ws_vector_is_refused(vector):
    params = json.loads(vector["request_text"])["params"]
    key = KEYS[vector["key"]]
    changed = [
        params | {"timestamp": params["timestamp"] + 1},
        params | {"extra": "1"},
        {name: value for name, value in params.items() if name != "apiKey"},
    ]
    for variant in changed:
        payloads = ws_payloads(variant, "both")
        assert not any(key.verify(p, params["signature"]) for p in payloads)
    encoded = quote(params["signature"], safe="")
    if encoded != params["signature"]:  # BN-G-08: percent-encoding inside JSON is wrong
        assert not any(key.verify(p, encoded) for p in ws_payloads(params, "both"))


@WS
def test_ws_vector_passes_the_whole_check(desk, vector):
    desk.now_ns = vector["timestamp"] * 1_000_000
    session = desk.session()
    (reply,) = session.handle(vector["request_text"])
    answer = json.loads(reply)
    assert answer["id"] == vector["request"]["id"]
    code = answer.get("error", {}).get("code")
    assert code not in (-1021, -1022, -2014, -2015)
    spoilt = json.loads(vector["request_text"])
    spoilt["params"]["timestamp"] += 1
    (reply,) = session.handle(json.dumps(spoilt))
    assert json.loads(reply)["error"]["code"] == -1022
    assert all(cost == desk.charged[0][1] for _, cost in desk.charged)
    desk.charged.clear()


@pytest.mark.parametrize("vector", VECTORS["hmac_edge"])
def test_bn_g_16_hmac_edge(vector):
    key = hmac_key("k" * 64, vector["secret"])
    payload = vector["payload"].encode()
    assert key.verify(payload, vector["signature"])
    assert not key.verify(payload + b" ", vector["signature"])


def test_bn_g_03_raw_non_ascii_text_is_refused_even_if_signed(desk):
    desk.now_ns = 1_795_219_200_000_000_000
    payload = f"symbol=币USDT&timestamp={desk.now_ms()}"
    query = f"{payload}&signature={desk.sign(payload)}".encode()
    response = desk.send("GET", "/fapi/v1/openOrders", query)
    assert json.loads(response.body)["code"] == -1022


def test_signature_must_be_in_one_place_and_last():
    assert split_signature(b"a=1&signature=ff", b"b=2") == (b"a=1b=2", "ff")
    assert split_signature(b"a=1", b"b=2&signature=ff") == (b"a=1b=2", "ff")
    assert split_signature(b"signature=ff", b"") == (b"", "ff")
    assert split_signature(b"a=1&signature=ff&b=2", b"") == (b"a=1&signature=ff&b=2", None)
    assert split_signature(b"xsignature=ff", b"") == (b"xsignature=ff", None)
    assert split_signature(b"signature=%FF", b"")[1] is None


def test_base64_must_be_the_exact_text():
    vector = next(v for v in VECTORS["rest"] if v["key"] == "ed25519")
    key = KEYS["ed25519"]
    payload = vector["payload"].encode()
    good = vector["signature"]
    assert key.verify(payload, good)
    for bad in ("", "!", good[:-1], good + "=", good.replace("+", "-"), " " + good, good[:-4]):
        if bad != good:
            assert not key.verify(payload, bad)


def test_deterministic_keys_and_no_secret_in_text():
    pair = deterministic_key(7, 0)
    assert pair == deterministic_key(7, 0)
    assert pair != deterministic_key(7, 1)
    assert pair[0] != pair[1]
    assert len(pair[0]) == len(pair[1]) == 64
    assert pair[1] not in repr(hmac_key(*pair))


def test_public_key_refuses_what_is_no_key():
    with pytest.raises(ValueError, match=r".+"):
        public_key("k" * 64, "not a key")


def test_error_text_and_cost_are_plain_values():
    error = ApiError(-1022, "Signature for this request is not valid.")
    assert str(error) == "-1022: Signature for this request is not valid."
    assert Cost() == Cost(0, 0, 0)
