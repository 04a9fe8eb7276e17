"""The indexer over HTTP: only reads, from replicas that lag behind the streams (section 15).

=============================  ==================================================================
answer                         becomes
=============================  ==================================================================
200, JSON                      what it holds
200, not JSON                  DecodeError
400                            VenueError
403                            AuthenticationError, its code GEOBLOCKED or COMPLIANCE_BLOCKED
404                            VenueError; None for an account without money, an unknown order
429                            RateLimited, repeated when it allows; nothing else leaves until then
5xx (a balancer's HTML too)    TransportError, repeated
no answer                      TransportError, RequestTimeout, repeated
=============================  ==================================================================

What an answer does not hold proves nothing: it is cached for seconds, and another replica may have
it (DX-R-05). Rows come as the venue sends them; `rows` and `markets` read them.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode

from ..errors import AuthenticationError, ConnectorError, DecodeError, RateLimited, VenueError
from ..net.backoff import BackoffPolicy, Jitter
from ..net.http import HttpClient
from ..net.http_types import HttpRequest, HttpResponse, RetryPolicy, classify_status
from ..net.per_host import PerHost
from ..net.ratelimit import RateLimiter, WindowQuota
from ..net.redact import mask_text
from .config import Config
from .pages import order_pages, pages

__all__ = ["CANDLES", "READS", "IndexerRest", "classify", "rest_limiter"]

READS = "reads"  # keys of the limiter (DX-R-01)
CANDLES = "candles"
WINDOW_S = 10.0
PER_WINDOW = {READS: 100, CANDLES: 1_000}
BEGINNING = "1970-01-01T00:00:00.000Z"
RETRY_AFTER_S = 1.0  # where the venue does not say
RETRY = RetryPolicy(
    tries=3,
    backoff=BackoffPolicy(
        initial_s=0.25,
        maximum_s=2.0,
        jitter=Jitter.SPREAD,
        jitter_amount=0.5,
        immediate_first=False,
    ),
    total_timeout_s=20.0,
)

_hosts: PerHost[RateLimiter] = PerHost()


def rest_limiter(config: Config) -> RateLimiter:
    """Return the limits of the config's host, which all clients of this process share."""
    return _hosts.get(config.endpoints.rest, _make_limiter)


def _make_limiter() -> RateLimiter:
    return RateLimiter({key: (WindowQuota(n, WINDOW_S),) for key, n in PER_WINDOW.items()})


def classify(request: HttpRequest, response: HttpResponse) -> ConnectorError | None:
    """Say what is wrong with an answer, None if nothing is; see the module's table.

    Raises
    ------
    DecodeError
        A success that is not JSON.
    """
    status = response.status
    if status == 200:
        response.json()
        return None
    message, code = _said(response)
    text = f"{request.label}: HTTP {status}{f': {message}' if message else ''}"
    if status == 403:
        return AuthenticationError(text, code=code or status)
    if status == 429:
        return RateLimited(status, text, retry_after_s=_retry_after_s(response), status=status)
    if 400 <= status < 500 and status != 408:
        return VenueError(code or status, text, status=status)
    return classify_status(request, response)


def _said(response: HttpResponse) -> tuple[str, str | None]:
    """Return the text and code of the first of an answer's errors, as far as it has any."""
    try:
        body = response.json()
    except DecodeError:
        return mask_text(response.text[:200].strip()), None
    errors = body.get("errors") if isinstance(body, dict) else None
    first = errors[0] if isinstance(errors, list) and errors else body
    if not isinstance(first, dict):
        return "", None
    code = first.get("code")
    return str(first.get("msg") or first.get("message") or ""), code if code else None


def _retry_after_s(response: HttpResponse) -> float:
    """Return the seconds of `Retry-After`, in which this venue writes milliseconds (DX-R-01)."""
    after_ms = response.retry_after_s
    return RETRY_AFTER_S if after_ms is None else after_ms / 1_000


class IndexerRest:
    """The indexer's reads.

    Parameters
    ----------
    config : Config
    limiter : RateLimiter, optional
        By default the one all clients of the host share.
    rng
        Chance, for tests.
    """

    def __init__(
        self,
        config: Config,
        *,
        limiter: RateLimiter | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self.limiter = limiter if limiter is not None else rest_limiter(config)
        self.http = HttpClient(
            base_url=f"{config.endpoints.rest}/v4",
            classifier=self._classify,
            limiter=self.limiter,
            retry=RETRY,
            timeout_s=config.http_timeout_s,
            proxy=config.proxy,
            rng=rng or random.Random(),
        )

    async def close(self) -> None:
        """Close all connections; idempotent."""
        await self.http.close()

    def _classify(self, request: HttpRequest, response: HttpResponse) -> ConnectorError | None:
        error = classify(request, response)
        if isinstance(error, RateLimited):
            for key in request.keys:
                self.limiter.hold(key, error.retry_after_s)
        return error

    # -- asking ------------------------------------------------------------------------

    async def get(self, path: str, key: str = READS, **query: Any) -> Any:
        """Ask a path below `/v4`; parameters that are None are left out.

        Booleans and lists are written as the venue wants them.
        """
        written = [(name, _written(value)) for name, value in query.items() if value is not None]
        response = await self.http.get(path, urlencode(written, safe=","), keys=(key,))
        return response.json()

    async def _object(self, path: str, key: str = READS, **query: Any) -> dict[str, Any]:
        answer = await self.get(path, key, **query)
        if not isinstance(answer, dict):
            raise DecodeError(f"{path}: the answer is not an object")
        return answer

    async def _list(self, path: str, member: str, key: str = READS, **query: Any) -> list[Any]:
        found = (await self._object(path, key, **query)).get(member)
        if not isinstance(found, list):
            raise DecodeError(f"{path}: the answer has no {member}")
        return found

    # -- the chain ---------------------------------------------------------------------

    async def time(self) -> dict[str, Any]:
        """Return the venue's time: `iso`, and `epoch` in seconds."""
        return await self._object("/time")

    async def height(self) -> dict[str, Any]:
        """Return the newest block this replica has: `height` and `time`."""
        return await self._object("/height")

    # -- markets -----------------------------------------------------------------------

    async def perpetual_markets(
        self, ticker: str | None = None, *, limit: int | None = None
    ) -> dict[str, Any]:
        """Return the records of all markets, or of one, by ticker."""
        answer = await self._object("/perpetualMarkets", ticker=ticker, limit=limit)
        markets = answer.get("markets")
        if not isinstance(markets, dict):
            raise DecodeError("/perpetualMarkets: the answer has no markets")
        return markets

    async def orderbook(self, ticker: str) -> dict[str, Any]:
        """Return a book, `bids` and `asks`, which the venue has uncrossed in its own way."""
        return await self._object(f"/orderbooks/perpetualMarket/{_part(ticker)}")

    async def trades(
        self,
        ticker: str,
        *,
        before_height: int | None = None,
        limit: int | None = None,
        page: int | None = None,
    ) -> list[Any]:
        """Return trades of a market up to a block, newest first."""
        return await self._list(
            f"/trades/perpetualMarket/{_part(ticker)}",
            "trades",
            createdBeforeOrAtHeight=before_height,
            limit=limit,
            page=page,
        )

    async def candles(
        self,
        ticker: str,
        resolution: str,
        *,
        start_ns: int | None = None,
        end_ns: int | None = None,
        limit: int | None = None,
    ) -> list[Any]:
        """Return candles that start from `start_ns` to before `end_ns`, newest first."""
        return await self._list(
            f"/candles/perpetualMarkets/{_part(ticker)}",
            "candles",
            CANDLES,
            resolution=resolution,
            fromISO=_iso(start_ns),
            toISO=_iso(end_ns),
            limit=limit,
        )

    async def historical_funding(
        self, ticker: str, *, before_height: int | None = None, limit: int | None = None
    ) -> list[Any]:
        """Return past funding rates of a market, newest first."""
        return await self._list(
            f"/historicalFunding/{_part(ticker)}",
            "historicalFunding",
            effectiveBeforeOrAtHeight=before_height,
            limit=limit,
        )

    # -- an account --------------------------------------------------------------------

    async def address(self, address: str) -> dict[str, Any] | None:
        """Return all subaccounts of an address; None for one nobody has funded (DX-R-03)."""
        return await self._or_none(f"/addresses/{_part(address)}")

    async def subaccount(
        self, address: str, number: int, *, is_parent: bool = False
    ) -> dict[str, Any] | None:
        """Return positions and assets; None where there is no money yet (DX-R-03)."""
        name = "parentSubaccountNumber" if is_parent else "subaccountNumber"
        answer = await self._or_none(f"/addresses/{_part(address)}/{name}/{number}")
        if answer is None:
            return None
        found = answer.get("subaccount")
        if not isinstance(found, dict):
            raise DecodeError("/addresses: the answer has no subaccount")
        return found

    async def _or_none(self, path: str) -> dict[str, Any] | None:
        try:
            return await self._object(path)
        except VenueError as error:
            if error.status != 404:
                raise
            return None

    async def order(self, order_id: str) -> dict[str, Any] | None:
        """Look an order up by its id; None if this replica does not know it."""
        return await self._or_none(f"/orders/{_part(order_id)}")

    async def orders(
        self,
        address: str,
        number: int,
        *,
        is_parent: bool = False,
        ticker: str | None = None,
        status: Iterable[str] | None = None,
        latest_first: bool | None = None,
        limit: int | None = None,
        **more: Any,
    ) -> list[Any]:
        """Return orders; `more` are further parameters by the venue's names.

        They are sorted by their end, not by age, and then cut: with `latest_first`, the default,
        those that end by time come before all that end by height, whatever became of them.
        """
        answer = await self.get(
            "/orders/parentSubaccountNumber" if is_parent else "/orders",
            **_whose(address, number, is_parent=is_parent),
            ticker=ticker,
            status=status,
            returnLatestOrders=latest_first,
            limit=limit,
            **more,
        )
        if not isinstance(answer, list):
            raise DecodeError("/orders: the answer is not a list")
        return answer

    async def short_term_order_pages(
        self,
        address: str,
        number: int,
        *,
        is_parent: bool = False,
        ticker: str | None = None,
        after_block: int,
    ) -> AsyncIterator[list[Any]]:
        """Go through the orders whose good-til block is behind one, however they stand."""
        ask = partial(
            self.orders,
            address,
            number,
            is_parent=is_parent,
            ticker=ticker,
            latest_first=True,
            goodTilBlockAfter=max(after_block, 1),
        )
        async for rows in order_pages(ask, "goodTilBlock"):
            yield rows

    async def stateful_order_pages(
        self,
        address: str,
        number: int,
        *,
        is_parent: bool = False,
        ticker: str | None = None,
        status: Iterable[str],
    ) -> AsyncIterator[list[Any]]:
        """Go through the orders that end by time, of some states."""
        ask = partial(
            self.orders,
            address,
            number,
            is_parent=is_parent,
            ticker=ticker,
            status=status,
            latest_first=True,
            goodTilBlockTimeAfter=BEGINNING,
        )
        async for rows in order_pages(ask, "goodTilBlockTime"):
            yield rows

    async def fills(
        self,
        address: str,
        number: int,
        *,
        is_parent: bool = False,
        ticker: str | None = None,
        before_height: int | None = None,
        limit: int | None = None,
        page: int | None = None,
    ) -> list[Any]:
        """Return trades of an account up to a block, newest first."""
        return await self._list(
            "/fills/parentSubaccountNumber" if is_parent else "/fills",
            "fills",
            **_whose(address, number, is_parent=is_parent),
            market=ticker,
            marketType=None if ticker is None else "PERPETUAL",
            createdBeforeOrAtHeight=before_height,
            limit=limit,
            page=page,
        )

    async def fill_pages(
        self, address: str, number: int, *, is_parent: bool = False, ticker: str | None = None
    ) -> AsyncIterator[list[Any]]:
        """Go through the trades of an account, newest page first; stop when you have enough."""
        ask = partial(self.fills, address, number, is_parent=is_parent, ticker=ticker)
        async for rows in pages(ask):
            yield rows

    async def transfer_pages(
        self, address: str, number: int, *, is_parent: bool = False
    ) -> AsyncIterator[list[Any]]:
        """Go through the transfers of an account, newest page first; stop when you have enough."""
        ask = partial(self.transfers, address, number, is_parent=is_parent)
        async for rows in pages(ask):
            yield rows

    async def positions(
        self,
        address: str,
        number: int,
        *,
        is_parent: bool = False,
        status: Iterable[str] | None = None,
        limit: int | None = None,
    ) -> list[Any]:
        """Return perpetual positions, open ones or of another status."""
        path = "/perpetualPositions" + ("/parentSubaccountNumber" if is_parent else "")
        whose = _whose(address, number, is_parent=is_parent)
        return await self._list(path, "positions", **whose, status=status, limit=limit)

    async def asset_positions(
        self, address: str, number: int, *, is_parent: bool = False
    ) -> list[Any]:
        """Return what is held of each asset."""
        path = "/assetPositions" + ("/parentSubaccountNumber" if is_parent else "")
        return await self._list(path, "positions", **_whose(address, number, is_parent=is_parent))

    async def transfers(
        self,
        address: str,
        number: int,
        *,
        is_parent: bool = False,
        before_height: int | None = None,
        limit: int | None = None,
        page: int | None = None,
    ) -> list[Any]:
        """Return money that came and went, newest first."""
        return await self._list(
            "/transfers/parentSubaccountNumber" if is_parent else "/transfers",
            "transfers",
            **_whose(address, number, is_parent=is_parent),
            createdBeforeOrAtHeight=before_height,
            limit=limit,
            page=page,
        )

    async def compliance(self, address: str) -> dict[str, Any]:
        """Return whether the venue lets an address trade."""
        return await self._object(f"/compliance/screen/{_part(address)}")


def _whose(address: str, number: int, *, is_parent: bool) -> dict[str, Any]:
    name = "parentSubaccountNumber" if is_parent else "subaccountNumber"
    return {"address": address, name: number}


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int):
        return str(value)
    return ",".join(str(each) for each in value)


def _part(text: str) -> str:
    """Return a text as one part of a path; isolated markets have commas in their tickers."""
    return quote(text, safe=",")


def _iso(ns: int | None) -> str | None:
    """Return a Unix time in ns as the venue writes times, to the millisecond."""
    if ns is None:
        return None
    moment = datetime.fromtimestamp(ns // 1_000_000_000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ns // 1_000_000 % 1_000:03d}Z"
