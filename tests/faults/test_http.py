"""HttpClient against a real server and a faulty network, on asyncio and uvloop."""

from __future__ import annotations

import asyncio
import contextlib
import random
import subprocess
import sys
import time
from collections import deque
from dataclasses import replace

import pytest
from aiohttp import web

from connectors.errors import (
    AuthenticationError,
    ClientError,
    ConfigError,
    ConnectorError,
    DecodeError,
    ProtocolError,
    RateLimited,
    RequestTimeout,
    TransportError,
    UnknownOutcome,
    VenueError,
)
from connectors.net.backoff import BackoffPolicy
from connectors.net.http import HttpClient
from connectors.net.http_types import HttpRequest, RetryPolicy, classify_status
from connectors.net.ratelimit import Quota, QuotaExceeded, RateLimiter
from connectors.net.weights import WeightCounter, WeightWindow
from faults.benches import on_both_loops
from faults.proxy import FaultProxy, How
from patience import GRACE_S, until

FAST = RetryPolicy(
    tries=3,
    backoff=BackoffPolicy(initial_s=0.01, maximum_s=0.02, jitter_amount=0.0, immediate_first=False),
    total_timeout_s=GRACE_S,
)


class Bench:
    """A server with scripted answers, a proxy in front, and clients."""

    def __init__(self):
        self.answers = deque()
        self.requests = []
        self.handled = asyncio.Event()
        self.peak = self.busy = 0
        self.clients = []

    async def __aenter__(self):
        self.stack = contextlib.AsyncExitStack()
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        self.stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        self.proxy = await self.stack.enter_async_context(FaultProxy("127.0.0.1", port))
        return self

    async def __aexit__(self, *exc):
        for client in self.clients:
            await client.close()
        async with asyncio.timeout(GRACE_S):
            # aiohttp lets a handler run on when its client is gone.
            while self.busy:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await self.stack.aclose()

    async def handle(self, request):
        body = await request.read()
        self.requests.append((request.method, request.raw_path, body, dict(request.headers)))
        self.handled.set()
        self.busy += 1
        self.peak = max(self.peak, self.busy)
        try:
            answer = self.answers.popleft() if self.answers else {"ok": True}
            if callable(answer):
                answer = await answer()
            return web.json_response(answer) if isinstance(answer, (dict, list)) else answer
        finally:
            self.busy -= 1

    def client(self, **more):
        more.setdefault("retry", FAST)
        more.setdefault("timeout_s", GRACE_S)
        base = f"http://127.0.0.1:{self.proxy.port}"
        client = HttpClient(base_url=base, rng=random.Random(1), **more)
        self.clients.append(client)
        return client


bench_test = on_both_loops(Bench)


def status(code, text="", **headers):
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return web.Response(status=code, text=text, headers=names)


def held():
    """Return an answer that waits, and the event it waits for."""
    event = asyncio.Event()

    async def answer():
        await event.wait()
        return {"late": True}

    return answer, event


# -- what goes out and comes in ----------------------------------------------------------


@bench_test
async def test_bn_g_03_query_and_body_go_out_byte_for_byte(bench):
    client = bench.client(headers={"X-MBX-APIKEY": "k"})
    query = "orderIdList=%5B1%2C2%5D&sym=%E5%B8%81&plus=a+b&eq=%3D%26&t=1&signature=AbC%2B%2F%3D"
    await client.get("/fapi/v1/batchOrders", query)
    await client.post("/x%2Fy", b"a=1&b=%7E&raw=~", headers={"Content-Type": "text/plain"})
    (get, post) = bench.requests
    assert get[:3] == ("GET", f"/fapi/v1/batchOrders?{query}", b"")
    assert get[3]["X-MBX-APIKEY"] == "k"
    assert get[3]["User-Agent"] == "tickwire"
    assert post[:3] == ("POST", "/x%2Fy", b"a=1&b=%7E&raw=~")
    assert post[3]["Content-Type"] == "text/plain"


@bench_test
async def test_empty_post_has_a_content_length(bench):
    """IBKR's edge answers 411 without one."""
    client = bench.client()
    await client.post("/tickle")
    headers = bench.requests[0][3]
    assert headers["Content-Length"] == "0"
    assert "Content-Type" not in headers


@bench_test
async def test_answer_headers_cookies_and_json(bench):
    answer = status(200, '{"a": 1}', X_MBX_USED_WEIGHT_1M="5")
    answer.set_cookie("x-sess-uuid", "0.abc", path="/v1/api")
    bench.answers += [answer, status(200, "<html>not json</html>")]
    client = bench.client()
    response = await client.get("/a")
    assert response.json() == {"a": 1}
    assert response.headers["x-mbx-used-weight-1m"] == "5"
    assert response.cookies == {"x-sess-uuid": "0.abc"}
    assert "a" not in repr(response).partition("body")[2]
    with pytest.raises(DecodeError, match="not JSON"):
        (await client.get("/b")).json()


@bench_test
async def test_no_cookie_is_sent_back_by_itself(bench):
    answer = status(200, "{}")
    answer.set_cookie("CF_edge", "1")
    bench.answers.append(answer)
    client = bench.client()
    await client.get("/a")
    await client.get("/b")
    assert "Cookie" not in bench.requests[1][3]


@bench_test
async def test_bn_r_35_connections_are_reused_and_bounded(bench):
    client = bench.client(connections_per_host=3)
    for _ in range(5):
        await client.get("/a")
    assert len(bench.proxy.connections) == 1

    async def crowded():
        while bench.peak < 3:  # noqa: ASYNC110 - if three are never there, nothing is answered
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.02)
        return {}

    bench.answers += [crowded] * 12
    await asyncio.gather(*(client.get(f"/{n}") for n in range(12)))
    assert len(bench.proxy.connections) <= 3
    assert bench.peak == 3


@bench_test
async def test_redirects_are_not_followed(bench):
    bench.answers.append(status(302, Location="/sso/Login"))
    client = bench.client()
    with pytest.raises(ProtocolError):
        await client.get("/a")
    assert len(bench.requests) == 1


@bench_test
async def test_answer_beyond_the_bound_is_refused(bench):
    bench.answers += [status(200, "x" * 5_000), status(200, "x" * 5_000), status(200, "x" * 900)]
    client = bench.client(max_body_bytes=1_000)
    with pytest.raises(ProtocolError, match="larger than 1000"):
        await client.get("/a")
    with pytest.raises(UnknownOutcome):
        await client.post("/a")
    assert len((await client.get("/a")).body) == 900


# -- what answers mean -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "method", "error"),
    [
        (400, "GET", VenueError),
        (400, "POST", VenueError),
        (401, "GET", AuthenticationError),
        (403, "POST", AuthenticationError),
        (404, "DELETE", VenueError),
        (408, "POST", UnknownOutcome),
        (418, "GET", RateLimited),
        (429, "POST", RateLimited),
        (500, "POST", UnknownOutcome),
        (503, "PUT", UnknownOutcome),
        (503, "DELETE", UnknownOutcome),
    ],
)
def test_errors_by_class_and_sent_once(run, code, method, error):
    async def main():
        async with Bench() as bench:
            bench.answers.append(status(code, "text", Retry_After="0.05"))
            client = bench.client(retry=RetryPolicy(tries=1))
            with pytest.raises(error) as caught:
                await client.request(HttpRequest(method=method, path="/a"))
            assert type(caught.value) is error
            assert len(bench.requests) == 1
            if isinstance(caught.value, RateLimited):
                assert caught.value.retry_after_s == 0.05
                assert caught.value.banned is (code == 418)

    run(main())


@bench_test
async def test_a_venues_classifier_comes_first(bench):
    def classify(request, response):
        body = response.json()
        if isinstance(body, dict) and body.get("code", 0) < 0:
            return VenueError(body["code"], body["msg"], status=response.status)
        return classify_status(request, response)

    client = bench.client(classifier=classify)
    bench.answers.append({"code": -2011, "msg": "Unknown order sent."})
    with pytest.raises(VenueError) as caught:
        await client.request(HttpRequest(method="DELETE", path="/order"))
    assert caught.value.code == -2011
    bench.answers.append(status(502, "<html>bad gateway</html>"))
    with pytest.raises(UnknownOutcome):
        await client.post("/order")
    assert (await client.get("/fine")).json() == {"ok": True}


# -- retries -----------------------------------------------------------------------------


@bench_test
async def test_bn_r_32_reads_are_retried(bench):
    bench.answers += [status(500), status(503)]
    client = bench.client()
    assert (await client.get("/a")).json() == {"ok": True}
    assert len(bench.requests) == 3
    bench.answers += [status(500) for _ in range(3)]
    with pytest.raises(TransportError, match="HTTP 500"):
        await client.get("/a")
    assert client.counters.tries == 6
    assert client.counters.requests == 2


@bench_test
async def test_bn_r_32_retry_after_is_obeyed_unless_too_long(bench):
    bench.answers.append(status(429, Retry_After="0.15"))
    client = bench.client()
    start = time.monotonic()
    await client.get("/a")
    assert time.monotonic() - start >= 0.15
    bench.answers.append(status(429, Retry_After="3600"))
    with pytest.raises(RateLimited):
        await client.get("/a")


@bench_test
async def test_a_request_may_be_tried_less_often_and_a_policy_may_judge_for_itself(bench):
    client = bench.client()
    bench.answers += [status(500), status(500), status(404)]
    with pytest.raises(TransportError):
        await client.get("/a", tries=1)
    assert client.counters.tries == 1
    whatever = bench.client(retry=replace(FAST, is_worth=lambda error: True))
    assert (await whatever.get("/a")).json() == {"ok": True}
    assert whatever.counters.tries == 3


@pytest.mark.parametrize("code", [401, 403, 404, 418])
def test_bn_r_32_never_retried(run, code):
    async def main():
        async with Bench() as bench:
            bench.answers.append(status(code, Retry_After="0"))
            client = bench.client()
            with pytest.raises((AuthenticationError, VenueError)):
                await client.get("/a")
            assert len(bench.requests) == 1

    run(main())


@bench_test
async def test_each_try_is_signed_anew(bench):
    bench.answers += [status(500), status(500)]
    count = iter(range(10))
    client = bench.client()
    await client.get("/a", lambda: f"timestamp={next(count)}")
    assert [r[1] for r in bench.requests] == [f"/a?timestamp={n}" for n in range(3)]


@bench_test
async def test_bn_r_31_a_change_is_never_repeated(bench):
    """Also not by aiohttp, which would send PUT and DELETE again on a closed connection."""
    for method in ("POST", "PUT", "DELETE"):
        client = bench.client()
        await client.get("/warm")  # a kept connection
        connection = bench.proxy.connections[-1]
        connection.cut_after(0, How.SILENCE)
        before, swallowed = len(bench.requests), connection.bytes_swallowed
        pending = asyncio.create_task(client.request(HttpRequest(method=method, path="/order")))
        await until(lambda c=connection, n=swallowed: c.bytes_swallowed > n)
        connection.reset()
        with pytest.raises(UnknownOutcome):
            await pending
        await asyncio.sleep(0.02)
        assert len(bench.requests) == before, "sent again on a new connection"


@bench_test
async def test_a_read_survives_a_kept_connection_that_was_closed(bench):
    client = bench.client()
    await client.get("/warm")
    bench.proxy.reset()
    assert (await client.get("/a")).json() == {"ok": True}


# -- what is known about a failure -------------------------------------------------------


@bench_test
async def test_failure_before_writing_is_no_unknown_outcome(bench):
    client = bench.client()
    await bench.proxy.close_port()
    with pytest.raises(TransportError):
        await client.post("/order")
    with pytest.raises(TransportError):
        await client.get("/a")
    assert client.counters.unknown_outcomes == 0


@bench_test
async def test_waiting_for_a_free_connection_is_no_unknown_outcome(bench):
    client = bench.client(connections_per_host=1, timeout_s=0.1)
    answer, event = held()
    bench.answers.append(answer)
    first = asyncio.create_task(client.get("/a", timeout_s=GRACE_S))
    await bench.handled.wait()
    with pytest.raises(RequestTimeout):
        await client.post("/order")
    event.set()
    await first
    assert [r[0] for r in bench.requests] == ["GET"]


@bench_test
async def test_timeouts(bench):
    client = bench.client(timeout_s=1.5, retry=RetryPolicy(tries=1))
    answer, event = held()
    bench.answers += [answer, answer]
    with pytest.raises(RequestTimeout):
        await client.get("/a")
    with pytest.raises(UnknownOutcome, match=r"no answer within 1\.5 s"):
        await client.post("/order")
    event.set()


@pytest.mark.parametrize("how", [How.FIN, How.RST])
def test_connection_cut_in_the_answer(run_any, how):
    async def main():
        async with Bench() as bench:
            client = bench.client(retry=RetryPolicy(tries=1))
            for method, error in (("GET", TransportError), ("POST", UnknownOutcome)):
                ready = asyncio.Event()

                async def answer(ready=ready):
                    await ready.wait()
                    return status(200, "x" * 1000)

                bench.answers.append(answer)
                pending = asyncio.create_task(client.request(HttpRequest(method=method, path="/a")))
                connection = await bench.proxy.wait_connection(len(bench.proxy.connections) + 1)
                connection.cut_after(300, how)
                ready.set()
                with pytest.raises(error):
                    await pending

    run_any(main())


@bench_test
async def test_hanging_and_dropped_connections(bench):
    backoff = BackoffPolicy(initial_s=0.01, maximum_s=0.02, jitter_amount=0.0)
    patient = RetryPolicy(tries=50, backoff=backoff, total_timeout_s=2 * GRACE_S)
    client = bench.client(timeout_s=0.3, retry=patient)
    bench.proxy.hang_next()
    bench.proxy.drop_next()
    assert (await client.get("/a")).json() == {"ok": True}
    assert bench.proxy.accepted >= 3


@bench_test
async def test_cancelled_request_and_closed_client(bench):
    client = bench.client()
    answer, event = held()
    bench.answers.append(answer)
    pending = asyncio.create_task(client.get("/a"))
    await bench.handled.wait()
    pending.cancel()
    await asyncio.gather(pending, return_exceptions=True)
    assert pending.cancelled()
    event.set()
    await client.close()
    await client.close()
    with pytest.raises(ClientError, match="closed"):
        await client.get("/a")


# -- budgets -----------------------------------------------------------------------------


@bench_test
async def test_weight_is_spent_observed_and_stopped(bench):
    weights = WeightCounter(WeightWindow("w", 100, 3600, "X-MBX-USED-WEIGHT-1M"))
    client = bench.client(weights=weights, budget_timeout_s=0.05)
    bench.answers.append(status(200, "{}", X_Mbx_Used_Weight_1m="60"))
    await client.get("/a", costs={"w": 5})
    assert weights.used("w") == 60
    with pytest.raises(QuotaExceeded):
        await client.get("/a", costs={"w": 31})
    await client.get("/a", costs={"w": 31}, reserved=True)
    assert len(bench.requests) == 2
    bench.answers.append(status(429, Retry_After="30"))
    with pytest.raises(RateLimited):
        await client.post("/a", costs={"w": 1}, reserved=True)
    with pytest.raises(QuotaExceeded):
        await client.get("/free")
    assert len(bench.requests) == 3


@bench_test
async def test_keys_pass_the_rate_limiter(bench):
    client = bench.client(limiter=RateLimiter({"tickle": Quota(1, 60)}), budget_timeout_s=0.05)
    await client.post("/tickle", keys=("tickle",))
    with pytest.raises(QuotaExceeded):
        await client.post("/tickle", keys=("tickle",))
    await client.post("/other")


# -- safety ------------------------------------------------------------------------------


def test_no_secret_in_errors_logs_or_repr(run, caplog):
    async def main():
        async with Bench() as bench:
            secret = "s3cr3t"
            client = bench.client(headers={"X-MBX-APIKEY": secret})
            request = HttpRequest(
                method="POST",
                path="/order",
                query=f"signature={secret}",
                body=secret.encode(),
                headers={"Cookie": secret},
            )
            texts = [repr(client), repr(request)]
            for fault in ("status", "drop", "refused"):
                if fault == "status":
                    bench.answers.append(status(500, f"see http://x.example/?token={secret}"))
                elif fault == "drop":
                    bench.proxy.reset()
                    bench.proxy.drop_next()
                else:
                    bench.proxy.reset()
                    await bench.proxy.close_port()
                try:
                    await client.request(request)
                except ConnectorError as error:
                    texts += [str(error), repr(error), repr(error.__cause__)]
            assert len(texts) == 11
            assert not [text for text in texts if secret in text]

    with caplog.at_level(1):
        run(main())
    ours = [r.getMessage() for r in caplog.records if r.name.startswith("connectors")]
    assert not [text for text in ours if "s3cr3t" in text]


@pytest.mark.parametrize(
    "bad",
    [
        {"base_url": "http://venue.example"},
        {"base_url": "ws://127.0.0.1"},
        {"base_url": "https://venue.example/"},
        {"base_url": "https://venue.example?x=1"},
        {"base_url": "venue.example"},
        {"base_url": "https://venue.example", "timeout_s": 0},
    ],
)
def test_impossible_settings_are_refused(bad):
    with pytest.raises(ConfigError):
        HttpClient(**bad)


def test_aiohttp_is_imported_on_first_use():
    code = (
        "import sys, connectors.net.http as h; h.HttpClient(base_url='https://venue.example'); "
        "sys.exit('aiohttp' in sys.modules or 'yarl' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
