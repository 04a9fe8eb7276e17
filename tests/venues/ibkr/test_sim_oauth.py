"""The IBKR simulator as the cloud host: tokens and signatures (X-15, section 8)."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from venues.ibkr.sim_desk import desk

from connectors.sim.clock import SimClock
from connectors.sim.ibkr.config import SimConfig
from connectors.sim.ibkr.oauth import OAuth, Refused, parse_header, secret_bytes

VECTORS = Path(__file__).resolve().parents[3].parent / "shared/data/ibkr/oauth_vectors.json"


@pytest.fixture(scope="module")
def vectors() -> dict[str, Any]:
    if not VECTORS.exists():
        pytest.skip("no data folder beside the checkout")
    return json.loads(VECTORS.read_text())


def venue(seconds: int | str, **settings: Any) -> OAuth:
    start_ms = int(seconds) * 1000
    return OAuth(SimConfig(oauth=True, **settings), SimClock(start_ms))


def test_o_05_to_o_11_tokens_are_those_of_the_vectors(vectors):
    cases = {case["case"]: case for case in vectors["dh"]}
    for request in vectors["lst_request"]:
        case = cases[request["dh_case"]]
        oauth = venue(request["oauth_timestamp"])
        oauth.private = int(case["server_private_hex"], 16)
        answer = oauth.give_token(request["authorization"], request["url"])
        assert answer["diffie_hellman_response"] == case["dh_response_hex"]
        assert answer["live_session_token_signature"] == case["live_session_token_signature"]
        assert base64.b64encode(oauth.token).decode() == case["live_session_token"]
        oauth.wrong_signatures, oauth._nonces = 1, type(oauth._nonces)()
        bad = oauth.give_token(request["authorization"], request["url"])
        assert bad["live_session_token_signature"] != case["live_session_token_signature"]
        with pytest.raises(Refused, match="nonce"):
            oauth.give_token(request["authorization"], request["url"])
        for wrong in (request["url"] + "x", request["url"].replace("https", "http")):
            with pytest.raises(Refused, match="RSA"):
                venue(request["oauth_timestamp"]).give_token(request["authorization"], wrong)
        with pytest.raises(Refused, match="timestamp"):
            venue(int(request["oauth_timestamp"]) + 301).give_token(
                request["authorization"], request["url"]
            )


def test_o_09_integers_as_java_writes_them(vectors):
    for case in vectors["big_integer_bytes"]:
        assert secret_bytes(int(case["int_hex"], 16)).hex() == case["bytes_hex"]


@pytest.mark.parametrize("number", range(10))
def test_o_13_to_o_16_requests_of_the_vectors_are_verified(vectors, number):
    request = vectors["signed_requests"][number]
    url, in_url, _ = request["url_in_base_string"].partition("?")
    params = request["params_in_base_string"]
    query = urlencode(params) if params else request.get("query_sent_on_wire", "")
    mode = "in_url" if in_url else "params" if params else "excluded"

    def verify(header: str, url: str) -> None:
        oauth = venue(request["oauth_timestamp"], query_signing=mode)
        oauth.token = base64.b64decode(request["live_session_token"])
        oauth._expires_ms = 1 << 60
        oauth.verify(request["method"], url, query, header)

    header = request["authorization"]
    verify(header, url)
    with pytest.raises(Refused, match="signature"):
        verify(header, f"{url}/")
    with pytest.raises(Refused, match="signature"):
        verify(header.replace('oauth_nonce="', 'oauth_nonce="x'), url)
    with pytest.raises(Refused, match="consumer"):
        verify(header.replace("TESTKEY01", "TESTKEY02"), url)


def test_x_15_headers_in_any_order_and_spelling(vectors):
    forms = vectors["authorization_parse"]
    first, second = parse_header(forms["ibind_form"]), parse_header(forms["realm_sorted_form"])
    assert first == second
    assert parse_header('OAuth a=1, b=2,c="3"') == {"a": "1", "b": "2", "c": "3"}
    for bad in ("Bearer x", "OAuth a", "OAuth a=1, a=2"):
        with pytest.raises(Refused):
            parse_header(bad)


def test_x_15_nothing_passes_unsigned_and_tokens_end(run, vectors):
    async def scenario() -> None:
        async with desk(oauth=True) as table:
            oauth = table.sim.oauth
            assert set(table.sim.describe()["oauth"]) >= {"consumer_key", "signature_key"}
            for method, path in (("POST", "/tickle"), ("GET", "/iserver/accounts")):
                status, body = await table.call(method, path)
                assert (status, body["title"]) == (401, "Unauthorized")
            socket = await table.dial()  # no oauth_token in its address
            assert await socket.frames() == [{"message": "waiting for session"}]
            oauth.token, oauth._expires_ms = b"x", table.sim.clock.now_ms() + 1_000
            assert oauth.is_valid
            await table.advance(1.1)
            assert not oauth.is_valid
            table.sim.faults.oauth_expired()
            assert oauth.token is None

    run(scenario())
