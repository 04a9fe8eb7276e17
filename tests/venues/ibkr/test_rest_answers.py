"""What an answer means, and how requests leave (R-01 to R-06, T-04 to T-07, N-, P- rows)."""

from __future__ import annotations

import asyncio
import json

import orjson
import pytest
from aiohttp import web
from venues.ibkr.gateway_rig import SESSION, table, toy_gateway

from connectors import ibkr
from connectors.errors import (
    ClientError,
    DecodeError,
    RateLimited,
    UnknownOutcome,
    VenueError,
)
from connectors.ibkr.answers import classify_answer, session_of
from connectors.ibkr.config import Pacing
from connectors.ibkr.pacing import Lane, Pacer
from connectors.ibkr.rest import IbkrRest
from connectors.net.http_types import HttpRequest, HttpResponse
from patience import until

SAMPLES = {each["id"]: each for each in table("rest_samples.json")["samples"]}
EXPECTED = {
    "tickle_failed": (VenueError, "failed to process request"),
    "tickle_401": (ibkr.NotAuthenticated, "401"),
    "login_redirect": (ibkr.NotAuthenticated, "login"),
    "ssodh_init_publish_false": (VenueError, "publish must be true"),
    "secdef_search_none": (VenueError, "No symbol found"),
    "contract_rules_error": (VenueError, ""),
    "snapshot_no_accounts_call": (VenueError, "Please query /accounts first"),
    "history_429": (RateLimited, "Too many"),
    "history_500": (VenueError, "Chart data unavailable"),
    "md_unsubscribe_not_open": (VenueError, "unknown"),
    "order_status_unknown": (VenueError, "503"),
    "error_no_bridge": (ibkr.NoBridge, "no bridge"),
    "error_init_first": (ibkr.NoBridge, "Init session first"),
    "error_no_bridge_json": (ibkr.NoBridge, "no bridge"),
    "error_unauthorized": (ibkr.NotAuthenticated, "not authenticated"),
    "error_forbidden_html": (ibkr.NotAuthenticated, "403"),
    "error_not_found_html": (VenueError, "404"),
    "error_gone": (ibkr.NotAuthenticated, "gone"),
    "error_length_required": (VenueError, "411"),
    "error_too_many": (RateLimited, "Too many requests"),
    "error_server_error": (VenueError, "Please query /accounts first"),
    "error_unavailable": (VenueError, "Service Unavailable"),
    "error_error_200": (VenueError, "some reason"),
    "error_problem_401": (ibkr.NotAuthenticated, "Access token expired"),
    "error_problem_400": (VenueError, "Input validation failed"),
    "error_problem_403": (ibkr.NotAuthenticated, "Permission denied"),
    "error_bad_account": (VenueError, "accountId is not valid"),
    "error_query_accounts": (VenueError, "Please query /accounts first"),
    "switch_account_unknown": (VenueError, "Invalid account ID"),
    "cancel_unknown": (VenueError, "doesn't exist"),
}


def response_of(sample):
    body = sample["text"].encode() if "text" in sample else orjson.dumps(sample["body"])
    headers = {"content-type": sample["content_type"], **sample.get("headers", {})}
    return HttpResponse(sample["status"], headers, body)


@pytest.mark.parametrize("name", SAMPLES)
def test_r_01_r_02_r_03_every_sample_is_judged_by_its_content(name):
    sample = SAMPLES[name]
    request = HttpRequest(method=sample["method"], path=sample["path"], idempotent=True)
    error = classify_answer(request, response_of(sample))
    family, text = EXPECTED.get(name, (type(None), ""))
    assert type(error) is family
    if error is not None:
        assert text in str(error)
        if isinstance(error, VenueError):
            assert error.status == sample["status"]


def test_r_36_an_order_without_an_answer_may_have_been_executed():
    order = HttpRequest(method="POST", path="/iserver/account/DU1/orders", idempotent=False)
    assert isinstance(classify_answer(order, HttpResponse(503, {}, b"")), UnknownOutcome)
    assert isinstance(classify_answer(order, HttpResponse(500, {}, b"<html>")), UnknownOutcome)
    refused = HttpResponse(400, {}, b'{"error":"Invalid account ID"}')
    assert type(classify_answer(order, refused)) is VenueError


def test_session_of():
    assert session_of({"session": SESSION}) == SESSION
    for other in ({}, {"session": None}, {"session": ""}, {"session": 7}, [], None, "x"):
        assert session_of(other) is None


# -- on the wire -------------------------------------------------------------------------------


def rest_test(body):
    def test(run):
        async def scene():
            async with toy_gateway() as gateway:
                config = ibkr.Config(base_url=gateway.base_url)
                rest = IbkrRest(config, pacer=Pacer(Pacing(per_second=1_000)))
                try:
                    await body(gateway, rest)
                finally:
                    await rest.close()

        run(scene())

    test.__name__ = test.__qualname__ = body.__name__
    return test


@rest_test
async def test_t_04_t_05_headers_and_bodies(gateway, rest):
    gateway.answers["/iserver/auth/ssodh/init"] = (200, {"authenticated": True})
    await rest.tickle()
    await rest.open_session(compete=True)
    (_, _, empty, nothing), (_, _, full, body) = gateway.requests
    assert (empty["Content-Length"], nothing) == ("0", b"")
    assert full["Content-Type"] == "application/json"
    assert json.loads(body) == {"publish": True, "compete": True}
    assert full["User-Agent"].startswith("connectors/")
    assert "Origin" not in full
    more = IbkrRest(ibkr.Config(base_url=gateway.base_url, origin=True), pacer=rest.pacer)
    gateway.answers["/iserver/auth/status"] = (200, {})
    await more.auth_status()
    assert gateway.base_url.startswith(gateway.requests[-1][2]["Origin"])
    await more.close()


@rest_test
async def test_t_06_cookies_by_name_and_no_foreign_ones(gateway, rest):
    gateway.answers["/sso/validate"] = (200, {})
    said = iter(("first", "second", "third"))

    def accounts(request):
        answer = web.json_response({})
        answer.set_cookie("x-sess-uuid", next(said), path="/v1/api", httponly=True)
        answer.set_cookie("CF_Edge", "foreign")
        return answer

    gateway.answers["/iserver/accounts"] = accounts
    await rest.accounts()
    await rest.accounts()
    await rest.accounts()
    cookies = [headers.get("Cookie") for _, _, headers, _ in gateway.requests]
    assert cookies == [None, "x-sess-uuid=first", "x-sess-uuid=second"]


@rest_test
async def test_t_07_redirects_are_not_followed(gateway, rest):
    gateway.answers["/iserver/accounts"] = lambda _: web.Response(
        status=302, headers={"Location": "/sso/Login?forwardTo=22"}
    )
    with pytest.raises(ibkr.NotAuthenticated):
        await rest.accounts()
    assert len(gateway.requests) == 1


@rest_test
async def test_r_04_only_reads_are_repeated(gateway, rest):
    refused = iter([(503, ""), (500, ""), (200, {"accounts": []})])
    gateway.answers["/iserver/accounts"] = lambda _: web.json_response(
        status=(answer := next(refused))[0], data=answer[1]
    )
    assert await rest.accounts() == {"accounts": []}
    gateway.answers["/iserver/auth/status"] = (503, "")
    with pytest.raises(VenueError) as caught:
        await rest.auth_status()
    assert caught.value.status == 503
    gateway.answers["/iserver/account/DU1/order/7"] = (503, "")
    with pytest.raises(UnknownOutcome):
        await rest.call("DELETE", "/iserver/account/DU1/order/7", lane=Lane.CANCEL)
    assert len(gateway.requests) == 3 + 1 + 1


@rest_test
async def test_answers_that_are_no_json_are_text_or_an_error(gateway, rest):
    gateway.answers["/iserver/notification"] = (200, "Success")
    assert await rest.post("/iserver/notification", {"orderId": 1}) == "Success"
    gateway.answers["/iserver/accounts"] = (200, "<html></html>")
    with pytest.raises(DecodeError, match="accounts"):
        await rest.accounts()


@rest_test
async def test_r_22_unsubscribing_what_is_not_open_is_fine(gateway, rest):
    gateway.answers["/iserver/marketdata/unsubscribe"] = (500, {"error": "unknown"})
    await rest.unsubscribe(265598)
    assert json.loads(gateway.requests[0][3]) == {"conid": 265598}  # F-18: a body
    gateway.answers["/iserver/marketdata/unsubscribe"] = (500, {"error": "down"})
    with pytest.raises(VenueError):
        await rest.unsubscribe(265598)


@rest_test
async def test_p_13_p_14_sizes_of_requests(gateway, rest):
    with pytest.raises(ClientError, match="P-13"):
        await rest.snapshot(range(101), ["31"])
    with pytest.raises(ClientError, match="P-13"):
        await rest.snapshot([1], [str(code) for code in range(51)])
    with pytest.raises(ClientError, match="P-14"):
        await rest.definitions(range(201))
    assert not gateway.requests


@rest_test
async def test_queries_are_written_as_the_venue_reads_them(gateway, rest):
    gateway.answers["/iserver/marketdata/history"] = (200, {"data": []})
    await rest.history(265598, period="1d", bar="1h", outside_rth=False)
    path = gateway.requests[0][1]
    assert path.endswith("history?conid=265598&period=1d&bar=1h&outsideRth=false")  # F-31
    gateway.answers["/iserver/marketdata/snapshot"] = (200, [])
    await rest.snapshot([1, 2], ["31", "84"])
    assert gateway.requests[1][1].endswith("snapshot?conids=1,2&fields=31,84")


@rest_test
async def test_f_20_a_refusal_is_told_so_that_somebody_can_look(gateway, rest):
    told = []
    rest.on_refused = told.append
    gateway.answers["/iserver/accounts"] = (400, "Bad Request: no bridge")
    with pytest.raises(ibkr.NoBridge):
        await rest.accounts()
    gateway.answers["/tickle"] = (401, "")
    with pytest.raises(ibkr.NotAuthenticated):
        await rest.tickle()
    assert [type(error) for error in told] == [ibkr.NoBridge]  # a tickle tells by itself


@rest_test
async def test_p_04_five_histories_at_once(gateway, rest):
    gate = asyncio.Event()

    async def held(request):
        await gate.wait()
        return 200, {"data": []}

    gateway.answers["/iserver/marketdata/history"] = held
    tasks = [asyncio.create_task(rest.history(n, period="1d", bar="1h")) for n in range(7)]
    await until(lambda: len(gateway.requests) == 5)
    await asyncio.sleep(0.02)
    assert len(gateway.requests) == 5
    gate.set()
    await asyncio.gather(*tasks)
    assert len(gateway.requests) == 7
