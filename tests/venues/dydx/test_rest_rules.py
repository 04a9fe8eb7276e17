"""The indexer over HTTP: what its answers mean, what it is asked, at what pace (DX-R-*)."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest
from venues.dydx.account_rig import ADDRESS

from connectors.dydx.config import Config
from connectors.dydx.rest import CANDLES, READS, IndexerRest, classify, rest_limiter
from connectors.errors import (
    AuthenticationError,
    DecodeError,
    RateLimited,
    TransportError,
    VenueError,
)
from connectors.net.http_types import HttpRequest, HttpResponse
from connectors.net.ratelimit import RateLimiter

GET = HttpRequest(method="GET", path="/orders")


def answer(status: int, body: Any = b"", **headers: str) -> HttpResponse:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return HttpResponse(status, {k.replace("_", "-"): v for k, v in headers.items()}, raw)


def said(msg: str, **more: Any) -> dict[str, Any]:
    return {"errors": [{"msg": msg, **more}]}


def test_dx_r_01_retry_after_is_in_milliseconds() -> None:
    error = classify(GET, answer(429, said("Too many requests"), retry_after="2500"))
    assert isinstance(error, RateLimited)
    assert error.retry_after_s == 2.5
    assert "Too many requests" in str(error)
    bare = classify(GET, answer(429))
    assert isinstance(bare, RateLimited)
    assert bare.retry_after_s == 1.0


def test_dx_r_01_the_limits_are_the_hosts() -> None:
    config = Config.sim("http://127.0.0.1:9")
    limiter = rest_limiter(config)
    assert rest_limiter(Config.sim("http://127.0.0.1:9")) is limiter
    for _ in range(100):
        assert limiter.try_acquire(READS)
    assert not limiter.try_acquire(READS)
    assert 5.0 < limiter.time_until(READS) <= 10.0
    for _ in range(1_000):
        assert limiter.try_acquire(CANDLES)
    assert not limiter.try_acquire(CANDLES)


def test_dx_r_01_a_refusal_holds_all_that_would_follow() -> None:
    rest = IndexerRest(Config.sim("http://127.0.0.1:9"), limiter=RateLimiter())
    request = HttpRequest(method="GET", path="/orders", keys=(READS,))
    rest._classify(request, answer(429, retry_after="40000"))
    assert 30.0 < rest.limiter.time_until(READS) <= 40.0
    assert rest.limiter.time_until(CANDLES) == 0.0


@pytest.mark.parametrize("code", ["GEOBLOCKED", "COMPLIANCE_BLOCKED"])
def test_dx_r_02_a_blocked_address_is_an_authentication_error(code: str) -> None:
    error = classify(GET, answer(403, said("this address has been blocked", code=code)))
    assert isinstance(error, AuthenticationError)
    assert error.code == code
    assert "has been blocked" in str(error)


def test_dx_r_02_a_request_that_was_wrong() -> None:
    error = classify(GET, answer(400, said("limit must be a number", param="limit")))
    assert isinstance(error, VenueError)
    assert (error.status, error.code) == (400, 400)
    assert "limit must be a number" in error.message


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_dx_r_02_html_of_a_balancer_is_worth_another_try(status: int) -> None:
    error = classify(GET, answer(status, b"<html><title>502 Bad Gateway</title></html>"))
    assert isinstance(error, TransportError)


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"orders":'])
def test_dx_r_02_a_success_that_is_no_json(body: bytes) -> None:
    with pytest.raises(DecodeError):
        classify(GET, answer(200, body))


class Indexer:
    """Answers from a table, by path; keeps what it was asked."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                target = line.split()[1].decode()
                while (await reader.readline()).strip():
                    pass
                self.asked.append(target)
                given = self.answers[target.partition("?")[0]]
                if isinstance(given, list) and given and isinstance(given[0], HttpResponse):
                    given = given.pop(0) if len(given) > 1 else given[0]
                reply = given if isinstance(given, HttpResponse) else answer(200, given)
                head = [f"HTTP/1.1 {reply.status} X", f"Content-Length: {len(reply.body)}"]
                head += [f"{name}: {value}" for name, value in reply.headers.items()]
                writer.write("\r\n".join([*head, "", ""]).encode() + reply.body)
                await writer.drain()
        finally:
            writer.close()


def asked(run: Any, answers: dict[str, Any], ask: Any) -> tuple[Any, list[str]]:
    """Ask a server and return what came of it, and the targets of the requests."""

    async def main() -> tuple[Any, list[str]]:
        indexer = Indexer(answers)
        server = await asyncio.start_server(indexer.serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        rest = IndexerRest(Config.sim(f"http://127.0.0.1:{port}"))
        try:
            return await ask(rest), indexer.asked
        finally:
            await rest.close()
            server.close()
            await server.wait_closed()

    return run(main())


def test_dx_r_03_an_account_without_money_is_none(run: Any) -> None:
    missing = answer(404, said("No subaccount found"))
    path = f"/v4/addresses/{ADDRESS}"

    async def ask(rest: IndexerRest) -> list[Any]:
        return [
            await rest.subaccount(ADDRESS, 0),
            await rest.subaccount(ADDRESS, 3, is_parent=True),
            await rest.address(ADDRESS),
            await rest.order("an-order"),
        ]

    answers = {
        f"{path}/subaccountNumber/0": missing,
        f"{path}/parentSubaccountNumber/3": missing,
        path: missing,
        "/v4/orders/an-order": missing,
    }
    found, targets = asked(run, answers, ask)
    assert found == [None] * 4
    assert targets == list(answers)


def paged(run: Any, *heights: list[int]) -> tuple[list[int], list[str]]:
    """Go through pages of trades of some blocks; return these, and what was asked behind &."""
    given = [
        answer(200, {"fills": [{"createdAtHeight": str(h)} for h in page]}) for page in heights
    ]

    async def ask(rest: IndexerRest) -> list[Any]:
        pages = rest.fill_pages(ADDRESS, 0)
        return [int(row["createdAtHeight"]) async for page in pages for row in page]

    found, targets = asked(run, {"/v4/fills": given}, ask)
    return found, [target.partition("subaccountNumber=0&")[2] for target in targets]


def test_dx_r_05_a_page_begins_with_the_last_block_of_the_one_before(run: Any) -> None:
    """By number alone, a page of a replica that lags would begin further down."""
    first, second = [*range(300, 200, -1)], [*range(201, 101, -1)]
    found, asked_for = paged(run, first, second, [102, 101])
    assert found == [*first, *second, 102, 101]
    assert asked_for == [
        "limit=100&page=1",
        "createdBeforeOrAtHeight=201&limit=100&page=1",
        "createdBeforeOrAtHeight=102&limit=100&page=1",
    ]


def test_dx_r_04_a_block_longer_than_a_page_is_gone_through(run: Any) -> None:
    found, asked_for = paged(run, [9] * 100, [9] * 100, [9] * 1_000, [9] * 7 + [8])
    assert found[-1] == 8
    assert asked_for == [
        "limit=100&page=1",
        "createdBeforeOrAtHeight=9&limit=100&page=1",
        "createdBeforeOrAtHeight=9&limit=1000&page=1",
        "createdBeforeOrAtHeight=9&limit=1000&page=2",
    ]


def test_dx_r_04_orders_are_asked_for_from_the_end_of_the_last_one_on(run: Any) -> None:
    """Orders have no pages; the venue sorts them by their end, and cuts after a thousand."""
    made = [{"id": str(n), "goodTilBlock": str(9_000 - n)} for n in range(1_300)]
    given = [answer(200, made[:1_000]), answer(200, made[999:])]

    async def ask(rest: IndexerRest) -> list[Any]:
        pages = rest.short_term_order_pages(ADDRESS, 0, after_block=7_000)
        return [row["id"] async for page in pages for row in page]

    found, targets = asked(run, {"/v4/orders": given}, ask)
    assert list(dict.fromkeys(found)) == [str(n) for n in range(1_300)]
    first = (
        f"/v4/orders?address={ADDRESS}&subaccountNumber=0&returnLatestOrders=true&limit=1000"
        "&goodTilBlockAfter=7000"
    )
    assert targets == [first, f"{first}&goodTilBlockBeforeOrAt=8001"]


@pytest.mark.parametrize("last", [{"goodTilBlockTime": "2026-01-01T00:00:00.000Z"}, {}, "junk"])
def test_dx_r_04_orders_that_cannot_be_gone_through_are_told(
    run: Any, last: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A thousand of one end, or rows without any: it ends, and not in silence."""
    made = [answer(200, [last] * 1_000) for _ in range(3)]

    async def ask(rest: IndexerRest) -> int:
        pages = rest.stateful_order_pages(ADDRESS, 0, status=("OPEN", "UNTRIGGERED"))
        return sum([len(page) async for page in pages])

    found, targets = asked(run, {"/v4/orders": made}, ask)
    assert found == 1_000 * len(targets)
    assert len(targets) <= 2
    assert "stay unread" in caplog.text


def test_15_parameters_are_written_as_the_venue_wants_them(run: Any) -> None:
    ticker = "FARTCOIN,RAYDIUM,9BB6NFEcjBCtnNLFko2FqVQBq8HHM13kCyYcdQbgpump-USD"
    answers = {
        "/v4/orders": [],
        "/v4/orders/parentSubaccountNumber": [],
        "/v4/fills": {"fills": []},
        "/v4/transfers/parentSubaccountNumber": {"transfers": []},
        f"/v4/orderbooks/perpetualMarket/{ticker}": {"bids": [], "asks": []},
        f"/v4/candles/perpetualMarkets/{ticker}": {"candles": []},
        "/v4/perpetualMarkets": {"markets": {}},
        "/v4/height": {"height": "1", "time": "x"},
        "/v4/time": {"iso": "x", "epoch": 1.5},
        f"/v4/trades/perpetualMarket/{ticker}": {"trades": []},
        f"/v4/historicalFunding/{ticker}": {"historicalFunding": []},
        "/v4/perpetualPositions": {"positions": []},
        "/v4/assetPositions": {"positions": []},
    }

    async def ask(rest: IndexerRest) -> None:
        await rest.orders(ADDRESS, 0, status=("OPEN", "UNTRIGGERED"), latest_first=True)
        await rest.orders(ADDRESS, 1, is_parent=True, limit=5, goodTilBlockAfter=7)
        await rest.fills(ADDRESS, 0, ticker="BTC-USD", before_height=9)
        await rest.transfers(ADDRESS, 0, is_parent=True)
        await rest.orderbook(ticker)
        await rest.candles(ticker, "1MIN", start_ns=1_700_000_000_123_456_789)
        await rest.perpetual_markets("BTC-USD")
        await rest.height()
        await rest.time()
        await rest.trades(ticker, limit=3)
        await rest.historical_funding(ticker)
        await rest.positions(ADDRESS, 0, status=("OPEN",))
        await rest.asset_positions(ADDRESS, 0)

    _, targets = asked(run, answers, ask)
    assert targets == [
        f"/v4/orders?address={ADDRESS}&subaccountNumber=0&status=OPEN,UNTRIGGERED"
        "&returnLatestOrders=true",
        f"/v4/orders/parentSubaccountNumber?address={ADDRESS}&parentSubaccountNumber=1&limit=5"
        "&goodTilBlockAfter=7",
        f"/v4/fills?address={ADDRESS}&subaccountNumber=0&market=BTC-USD&marketType=PERPETUAL"
        "&createdBeforeOrAtHeight=9",
        f"/v4/transfers/parentSubaccountNumber?address={ADDRESS}&parentSubaccountNumber=0",
        f"/v4/orderbooks/perpetualMarket/{ticker}",
        f"/v4/candles/perpetualMarkets/{ticker}?resolution=1MIN&fromISO=2023-11-14T22%3A13%3A20.123Z",
        "/v4/perpetualMarkets?ticker=BTC-USD",
        "/v4/height",
        "/v4/time",
        f"/v4/trades/perpetualMarket/{ticker}?limit=3",
        f"/v4/historicalFunding/{ticker}",
        f"/v4/perpetualPositions?address={ADDRESS}&subaccountNumber=0&status=OPEN",
        f"/v4/assetPositions?address={ADDRESS}&subaccountNumber=0",
    ]


@pytest.mark.parametrize(
    ("path", "body", "call"),
    [
        ("/v4/orders", {"orders": []}, lambda rest: rest.orders(ADDRESS, 0)),
        ("/v4/fills", [], lambda rest: rest.fills(ADDRESS, 0)),
        ("/v4/fills", {"fills": {}}, lambda rest: rest.fills(ADDRESS, 0)),
        ("/v4/perpetualMarkets", {}, lambda rest: rest.perpetual_markets()),
        ("/v4/height", [], lambda rest: rest.height()),
    ],
)
def test_15_an_answer_of_another_shape_is_told(run: Any, path: str, body: Any, call: Any) -> None:
    async def ask(rest: IndexerRest) -> None:
        with pytest.raises(DecodeError):
            await call(rest)

    asked(run, {path: body}, ask)


def test_dx_r_01_and_02_are_tried_again(run: Any) -> None:
    given = [
        answer(502, b"<html>Bad Gateway</html>"),
        answer(429, said("Too many requests"), retry_after="20"),
        answer(200, {"height": "7", "time": "t"}),
    ]
    found, targets = asked(run, {"/v4/height": given}, lambda rest: rest.height())
    assert found["height"] == "7"
    assert len(targets) == 3


def test_dx_r_09_one_pool_that_keeps_connections_and_waits_five_seconds() -> None:
    http = IndexerRest(Config.sim("http://127.0.0.1:9")).http
    assert http.timeout_s == 5.0
    assert http.keepalive_s > 0
    assert http.connections_per_host == 8
