"""The venue's REST interface: typed answers, classified errors, nothing sent twice.

Reads are repeated on network failures, server errors and rate limits; a POST never is. What a
failed POST means is decided by type: `VenueError`, `RateLimited` and `AuthenticationError` prove
that nothing was executed, `UnknownOutcome` leaves it open (section 4.3 of the rules).

=================  ===========================  ===========================
answer             GET                          POST
=================  ===========================  ===========================
2xx, code 200/0    fine                         fine
2xx, other code    VenueError                   VenueError
429, 405           RateLimited, repeated        RateLimited
5xx                TransportError, repeated     UnknownOutcome
4xx with a code    VenueError                   VenueError
not JSON           DecodeError                  UnknownOutcome
=================  ===========================  ===========================
"""

from __future__ import annotations

import random
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ..errors import ConnectorError, DecodeError, RateLimited, UnknownOutcome, VenueError
from ..model.instruments import Instrument
from ..net.backoff import BackoffPolicy
from ..net.clock import SYSTEM_CLOCK, Clock
from ..net.http import HttpClient
from ..net.http_types import HttpRequest, HttpResponse, RetryPolicy, classify_status
from ..net.ratelimit import Quota, RateLimiter, WindowQuota
from .config import Config
from .instruments import parse_instruments

__all__ = ["RATE_KEY", "LighterRest", "SendResult", "classify", "multipart"]

RATE_KEY = "rest"
TRADING_KEY = "rest-trading"  # a tenth of the limit, for what trading waits for
BASE_PATH = "/api/v1/"
OK_CODES = (200, 0, None)
LIMIT_CODES = (405, 429)
OPEN_CODES = (29500, 29501)  # internal error, time-out: a transaction may have been taken
BLOCKED_S = 60.0  # after a 405 of the edge firewall; how long it lasts is not documented
MAX_PAGES = 1_000
PAGE_SIZE = 100
RETRY = RetryPolicy(
    tries=3,
    backoff=BackoffPolicy(
        initial_s=0.25, maximum_s=10.0, factor=2.0, jitter_amount=0.1, immediate_first=False
    ),
    total_timeout_s=30.0,
)

Params = Mapping[str, int | str | bool | None]


@dataclass(frozen=True, slots=True)
class SendResult:
    """The API node's answer to a transaction: taken and queued, not executed.

    `message` may say anything, also on success. `volume_quota_remaining` is None where the
    venue does not tell.
    """

    tx_hashes: tuple[str, ...]
    message: str = ""
    predicted_execution_time_ms: int | None = None
    volume_quota_remaining: int | None = None


def classify(request: HttpRequest, response: HttpResponse) -> ConnectorError | None:
    """Say what is wrong with an answer, None if nothing is; see the module's table.

    Raises
    ------
    DecodeError
        A success that is not a JSON object.
    """
    status = response.status
    if status >= 500 or status == 408:
        return classify_status(request, response)
    if status in LIMIT_CODES:
        return _limited(request, response, status, _message(response))
    if 200 <= status < 300:
        body = response.json()
        if not isinstance(body, dict):
            raise DecodeError(f"{request.label}: the answer is not a JSON object", 0)
        code = _code(body)
        if code in OK_CODES:
            return None
        if code in LIMIT_CODES:
            return _limited(request, response, code, str(body.get("message", "")))
        return _refused(request, response, body)
    if status >= 400:
        body = _body(response)
        if body is not None and _code(body) not in OK_CODES:
            return _refused(request, response, body)
    error = classify_status(request, response)
    if error is not None and status < 400 and not request.is_idempotent:
        return UnknownOutcome(f"{error}; query before sending it again")
    return error


def _limited(request: HttpRequest, response: HttpResponse, code: int, message: str) -> RateLimited:
    blocked = code == 405
    given_s = response.retry_after_s
    retry_after_s = max(given_s or 0.0, BLOCKED_S if blocked else 0.0)
    text = message or ("blocked by the venue's firewall" if blocked else "too many requests")
    return RateLimited(
        code,
        f"{request.label}: {text}",
        retry_after_s=retry_after_s,
        status=response.status,
    )


def _refused(
    request: HttpRequest, response: HttpResponse, body: Mapping[str, Any]
) -> ConnectorError:
    code = _code(body)
    known = code if isinstance(code, int | str) else response.status
    text = str(body.get("message") or "refused")
    if code in OPEN_CODES and not request.is_idempotent:
        return UnknownOutcome(f"{request.label}: {text} (code={code}); query before sending again")
    return VenueError(known, text, status=response.status)


def _code(body: Mapping[str, Any]) -> object:
    """Return the code of an answer; numbers may come as text."""
    code = body.get("code")
    return int(code) if isinstance(code, str) and code.isdecimal() else code


def _body(response: HttpResponse) -> dict[str, Any] | None:
    try:
        body = response.json()
    except DecodeError:
        return None
    return body if isinstance(body, dict) else None


def _message(response: HttpResponse) -> str:
    return str((_body(response) or {}).get("message", ""))


def multipart(parts: Mapping[str, str]) -> tuple[bytes, str]:
    """Encode form parts; return the body and its content type."""
    boundary = f"tickwire-{secrets.token_hex(12)}"
    lines: list[str] = []
    for name, value in parts.items():
        lines += [f"--{boundary}", f'Content-Disposition: form-data; name="{name}"', "", value]
    lines += [f"--{boundary}--", ""]
    return "\r\n".join(lines).encode(), f"multipart/form-data; boundary={boundary}"


def batch_parts(tx_types: Sequence[int], tx_infos: Sequence[str]) -> dict[str, str]:
    """Return the two texts that carry a batch, the same over REST and WebSocket."""
    import orjson

    return {
        "tx_types": orjson.dumps(list(tx_types)).decode(),
        "tx_infos": orjson.dumps(list(tx_infos)).decode(),
    }


class LighterRest:
    """Calls of one account, or public ones.

    Parameters
    ----------
    config : Config
    auth : callable, optional
        Returns an auth token for private reads; without it they are refused by the venue.
    clock, rng
        Time and chance, for tests.
    """

    def __init__(
        self,
        config: Config,
        *,
        auth: Callable[[], str] | None = None,
        clock: Clock = SYSTEM_CLOCK,
        rng: random.Random | None = None,
    ) -> None:
        self._limits = config.limits
        self._auth = auth
        credentials = config.credentials
        self._account_index = credentials.account_index if credentials else None
        self._api_key_index = credentials.api_key_index if credentials else None
        limit = self._limits.rest_per_min
        kept = max(limit // 10, 1)
        self._limiter = RateLimiter(
            {RATE_KEY: quota(max(limit - kept, 1)), TRADING_KEY: quota(kept)}, clock=clock
        )
        self.http = HttpClient(
            base_url=config.endpoints.rest,
            classifier=self._classify,
            limiter=self._limiter,
            retry=RETRY,
            timeout_s=config.http_timeout_s,
            budget_timeout_s=config.http_timeout_s,
            proxy=config.proxy,
            rng=rng or random.Random(),
        )

    async def close(self) -> None:
        """Close all connections; idempotent."""
        await self.http.close()

    def _classify(self, request: HttpRequest, response: HttpResponse) -> ConnectorError | None:
        error = classify(request, response)
        if isinstance(error, RateLimited) and error.retry_after_s > 0:
            for key in (RATE_KEY, TRADING_KEY):
                self._limiter.hold(key, error.retry_after_s)
        return error

    # -- reads -------------------------------------------------------------------------

    async def get(
        self,
        endpoint: str,
        params: Params | None = None,
        *,
        private: bool = False,
        trading: bool = False,
    ) -> dict[str, Any]:
        """Read an endpoint (`trades`) and return its answer.

        `private` sends the auth token, in the header: it must not end up in logs of URLs.
        `trading`: orders wait for it, so it does not queue behind reports and look-ups.
        """
        query = "&".join(
            f"{name}={quote(_text(value), safe='')}"
            for name, value in (params or {}).items()
            if value is not None
        )
        response = await self.http.get(
            BASE_PATH + endpoint,
            query,
            headers=self._auth_header if private else {},
            keys=self._trading_keys(endpoint) if trading else (RATE_KEY,),
            key_cost=self._limits.weight(endpoint),
        )
        body: dict[str, Any] = response.json()
        return body

    def _trading_keys(self, endpoint: str) -> tuple[str, ...]:
        """Return what a request still has to be paid from: nothing, or what is kept for trading."""
        cost = self._limits.weight(endpoint)
        return () if self._limiter.try_acquire(RATE_KEY, cost=cost) else (TRADING_KEY,)

    def _auth_header(self) -> dict[str, str]:
        return {"Authorization": self._auth()} if self._auth is not None else {}

    async def pages(
        self, endpoint: str, params: Params, member: str, *, private: bool = True
    ) -> AsyncIterator[list[dict[str, Any]]]:
        """Read page after page of rows, as long as the venue gives a new cursor."""
        cursor: str | None = None
        seen: set[str] = set()
        for _ in range(MAX_PAGES):
            body = await self.get(endpoint, {**params, "cursor": cursor}, private=private)
            rows = rows_of(body, member)
            if rows:
                yield rows
            cursor = body.get("next_cursor") or None
            if not rows or not isinstance(cursor, str) or cursor in seen:
                return
            seen.add(cursor)

    async def order_book_details(self, market_index: int | None = None) -> dict[str, Any]:
        """Return the definitions of the markets, perpetual and spot."""
        return await self.get("orderBookDetails", {"market_id": market_index})

    async def instruments(
        self, on_problem: Callable[[str, str], object] | None = None
    ) -> tuple[Instrument, ...]:
        """Return the markets as instruments; see `parse_instruments`."""
        return parse_instruments(await self.order_book_details(), on_problem)

    async def account(self) -> dict[str, Any]:
        """Return the account as REST shows it: type, collateral, positions, assets."""
        body = await self.get("account", {"by": "index", "value": self._account_index})
        accounts = rows_of(body, "accounts")
        if not accounts:
            raise VenueError(21100, f"account {self._account_index} not found")
        return accounts[0]

    async def account_limits(self) -> dict[str, Any]:
        """Return tier and fee rates; an answer also proves that the key works."""
        return await self.get("accountLimits", {"account_index": self._account_index}, private=True)

    async def next_nonce(self) -> int:
        """Return the nonce the venue expects next of our key."""
        body = await self.get(
            "nextNonce",
            {"account_index": self._account_index, "api_key_index": self._api_key_index},
            trading=True,
        )
        nonce = body.get("nonce")
        if not isinstance(nonce, int) or nonce < 0:
            raise DecodeError("GET nextNonce: the answer has no usable nonce", 0)
        return nonce

    async def api_keys(self) -> list[dict[str, Any]]:
        """Return the registered keys of the account with their public keys and nonces."""
        body = await self.get(
            "apikeys", {"account_index": self._account_index, "api_key_index": 255}
        )
        return rows_of(body, "api_keys")

    async def maker_only_api_keys(self) -> list[int]:
        """Return the indexes of keys that may only make; needs the token in the header."""
        body = await self.get(
            "getMakerOnlyApiKeys", {"account_index": self._account_index}, private=True
        )
        found = body.get("api_key_indexes") or []
        return [index for index in found if isinstance(index, int)]

    async def active_orders(self, market_index: int | None = None) -> list[dict[str, Any]]:
        """Return the live orders, of one market or of all."""
        params = {"account_index": self._account_index, "market_id": market_index}
        found: list[dict[str, Any]] = []
        async for rows in self.pages("accountActiveOrders", params, "orders"):
            found += rows
        return found

    def inactive_orders(
        self,
        market_index: int | None = None,
        *,
        start_s: int | None = None,
        end_s: int | None = None,
    ) -> AsyncIterator[list[dict[str, Any]]]:
        """Return the ended orders page by page, newest first; the span in Unix seconds."""
        params = {
            "account_index": self._account_index,
            "market_id": market_index,
            "limit": PAGE_SIZE,
            "between_timestamps": None if start_s is None else f"{start_s}-{end_s}",
        }
        return self.pages("accountInactiveOrders", params, "orders")

    async def orders_by_client_index(self, indexes: Sequence[int]) -> list[dict[str, Any]]:
        """Look up to 20 orders up by our own index, live or lately ended."""
        body = await self.get(
            "accountOrders",
            {
                "account_index": self._account_index,
                "client_order_indexes": ",".join(map(str, indexes)),
            },
            private=True,
        )
        return rows_of(body, "orders")

    def trades(
        self,
        market_index: int | None = None,
        *,
        order_index: str | None = None,
        limit: int = PAGE_SIZE,
    ) -> AsyncIterator[list[dict[str, Any]]]:
        """Return the account's trades page by page, newest first."""
        params = {
            "account_index": self._account_index,
            "market_id": market_index,
            "order_index_str": order_index,
            "sort_by": "timestamp",
            "sort_dir": "desc",
            "limit": limit,
        }
        return self.pages("trades", params, "trades")

    async def transaction(self, tx_hash: str) -> dict[str, Any] | None:
        """Look a transaction up by its hash; None if the venue does not know it."""
        try:
            body = await self.get("tx", {"by": "hash", "value": tx_hash})
        except VenueError as error:
            if isinstance(error, RateLimited):
                raise
            return None
        return body

    async def recent_trades(self, market_index: int, *, limit: int = 100) -> list[dict[str, Any]]:
        """Return the last trades of a market; order not guaranteed."""
        body = await self.get("recentTrades", {"market_id": market_index, "limit": limit})
        return rows_of(body, "trades")

    async def order_book_orders(self, market_index: int, *, limit: int = 250) -> dict[str, Any]:
        """Return the orders of a book, single orders and not levels."""
        return await self.get("orderBookOrders", {"market_id": market_index, "limit": limit})

    async def candles(
        self, market_index: int, resolution: str, *, start_ms: int, end_ms: int, count_back: int
    ) -> list[dict[str, Any]]:
        """Return up to 500 candles; `end_ms` is exclusive."""
        body = await self.get(
            "candles",
            {
                "market_id": market_index,
                "resolution": resolution,
                "start_timestamp": start_ms,
                "end_timestamp": end_ms,
                "count_back": count_back,
            },
        )
        return rows_of(body, "c")

    # -- transactions ------------------------------------------------------------------

    async def send_tx(self, tx_type: int, tx_info: str) -> SendResult:
        """Hand one signed transaction in; sent at most once."""
        return await self._post("sendTx", {"tx_type": str(tx_type), "tx_info": tx_info})

    async def send_tx_batch(self, tx_types: Sequence[int], tx_infos: Sequence[str]) -> SendResult:
        """Hand several in as one request; they are queued in order, not as one."""
        return await self._post("sendTxBatch", batch_parts(tx_types, tx_infos))

    async def _post(self, endpoint: str, parts: Mapping[str, str]) -> SendResult:
        body, content_type = multipart(parts)
        response = await self.http.post(
            BASE_PATH + endpoint,
            body,
            headers={"Content-Type": content_type},
            keys=self._trading_keys(endpoint),
            key_cost=self._limits.weight(endpoint),
        )
        return send_result(response.json())


def send_result(body: Mapping[str, Any]) -> SendResult:
    """Read the answer to a transaction, of REST or of WebSocket."""
    hashes = body.get("tx_hash")
    if isinstance(hashes, str):
        hashes = [hashes]
    elif not isinstance(hashes, list):
        hashes = []
    return SendResult(
        tx_hashes=tuple(str(tx_hash) for tx_hash in hashes),
        message=str(body.get("message") or ""),
        predicted_execution_time_ms=_whole(body.get("predicted_execution_time_ms")),
        volume_quota_remaining=_whole(body.get("volume_quota_remaining")),
    )


def rows_of(body: Mapping[str, Any], member: str) -> list[dict[str, Any]]:
    """Return a list of objects; null, missing and other things are empty."""
    found = body.get(member)
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(value: int | str | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def quota(limit: int) -> WindowQuota | Quota:
    """Return what never lets more than `limit` units through in any minute."""
    if limit <= 1_000:
        return WindowQuota(limit, 60.0)
    return Quota(limit - limit // 4, 60.0, burst=limit // 4)
