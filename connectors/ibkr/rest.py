"""The REST interface: one request at a time per limit, judged by what is in its answer.

Reads are repeated on network failures and 5xx. Nothing else is, least of all what is about an
order (R-04, R-36).
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import orjson

from ..errors import (
    ClientError,
    ConnectorError,
    DecodeError,
    RateLimited,
    VenueError,
)
from ..net.backoff import BackoffPolicy, Jitter
from ..net.clock import SYSTEM_CLOCK, Clock
from ..net.http import HttpClient
from ..net.http_types import HttpRequest, HttpResponse, RetryPolicy
from .answers import classify_answer
from .config import VENUE, Config
from .errors import NoBridge, NotAuthenticated, is_retryable
from .pacing import (
    ALL,
    HISTORIES_MAX,
    SNAPSHOT_CONIDS_MAX,
    SNAPSHOT_FIELDS_MAX,
    Lane,
    Pacer,
    endpoint_key,
    shared_pacer,
)
from .tls import make_context
from .user_agent import USER_AGENT

__all__ = ["IbkrRest"]

log = logging.getLogger("connectors.ibkr")

CONIDS_MAX = 200  # of one request for definitions (P-14)
# Cookies of the edge in front of the venue: passed on, they cause a 401 (T-06).
FOREIGN_COOKIES = ("cf_", "__cf")


def _is_worth(error: ConnectorError) -> bool:
    return is_retryable(error) and not isinstance(error, RateLimited | NoBridge)


RETRY = RetryPolicy(
    tries=3,
    backoff=BackoffPolicy(
        initial_s=0.5,
        maximum_s=4.0,
        jitter=Jitter.SPREAD,
        jitter_amount=0.2,
        immediate_first=False,
    ),
    total_timeout_s=25.0,
    is_worth=_is_worth,
)


class IbkrRest:
    """Requests to one gateway, paced, with its cookies.

    Parameters
    ----------
    config : Config
    pacer : Pacer, optional
        By default that which all clients of the gateway share.
    on_penalty, on_refused : callable, optional
        `on_penalty(seconds)` when the venue sends us away for so long; `on_refused(error)` when
        a request was refused because the session may be gone.
    clock, rng :
        Time and chance, for tests.
    """

    def __init__(
        self,
        config: Config,
        *,
        pacer: Pacer | None = None,
        on_penalty: Callable[[float], object] | None = None,
        on_refused: Callable[[ConnectorError], object] | None = None,
        clock: Clock = SYSTEM_CLOCK,
        rng: random.Random | None = None,
    ) -> None:
        self.config = config
        self.pacer = pacer if pacer is not None else shared_pacer(config)
        self.on_penalty = on_penalty
        self.on_refused = on_refused
        self._clock = clock
        self._rng = rng or random.Random()
        self._http: HttpClient | None = None
        self._making = asyncio.Lock()
        self._histories = asyncio.Semaphore(HISTORIES_MAX)
        self._cookies: dict[str, str] = {}
        self._closed = False

    def open(self) -> None:
        """Take requests again after a `close`; a new one takes them from the start."""
        self._closed = False

    async def close(self) -> None:
        """Close all connections; idempotent."""
        self._closed = True
        http, self._http = self._http, None
        if http is not None:
            await http.close()

    # -- requests --------------------------------------------------------------------------

    async def get(self, path: str, **query: Any) -> Any:
        """Read; repeated on network failures and 5xx. Values that are None are left out."""
        return await self.call("GET", path, query=query)

    async def post(self, path: str, body: Any = None, *, lane: Lane = Lane.READ) -> Any:
        """Post something that does no harm twice; it is sent once all the same."""
        return await self.call("POST", path, body=body, lane=lane, tries=1)

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        lane: Lane = Lane.READ,
        tries: int | None = None,
    ) -> Any:
        """Make a request and return the JSON of its answer, or its text where that is none.

        `lane` ORDER or CANCEL: it changes an order, an unanswered one is an `UnknownOutcome`, and
        a penalty does not hold it.

        Raises
        ------
        NotAuthenticated, NoBridge, VenueError, RateLimited
            See the module's table.
        InPenalty, QuotaExceeded
            Our own limits; nothing was sent.
        TransportError, RequestTimeout, UnknownOutcome
            No answer.
        """
        pacer, config = self.pacer, self.config
        pacer.admit(lane)
        await pacer.wait(endpoint_key(method, path), lane, timeout_s=config.pacing.wait_s)
        if lane is Lane.READ:
            pacer.admit(lane)  # a penalty may have begun meanwhile
        http = await self._client()
        is_order = lane >= Lane.ORDER
        given = {name: value for name, value in (query or {}).items() if value is not None}
        request = HttpRequest(
            method=method,
            path=path,
            query=urlencode(given, safe=",:", quote_via=quote),
            body=b"" if body is None else orjson.dumps(body),
            headers={} if body is None else {"Content-Type": "application/json"},
            idempotent=not is_order,
            keys=(ALL,),
            priority=lane,
            timeout_s=config.order_timeout_s if is_order else None,
            tries=tries,
        )
        try:
            response = await http.request(request)
        except RateLimited as error:
            if pacer.began_penalty():
                log.warning("venue=%s too many requests: %s", VENUE, error)
                if self.on_penalty is not None:
                    self.on_penalty(pacer.penalty_left_s)
            raise
        except (NotAuthenticated, NoBridge) as error:
            if self.on_refused is not None and lane is not Lane.TICKLE:
                self.on_refused(error)
            raise
        try:
            return orjson.loads(response.body)
        except orjson.JSONDecodeError:
            return response.text

    async def _client(self) -> HttpClient:
        if self._closed:
            raise ClientError("the REST client is closed")
        async with self._making:
            if self._http is None:
                config = self.config
                context = await make_context(
                    config.tls, config.base_url, timeout_s=config.http_timeout_s
                )
                self._http = HttpClient(
                    base_url=config.base_url,
                    classifier=self._classify,
                    headers=self._headers,
                    limiter=self.pacer.limiter,
                    retry=RETRY,
                    timeout_s=config.http_timeout_s,
                    budget_timeout_s=config.pacing.wait_s,
                    ssl_context=context,
                    proxy=config.proxy,
                    allow_plaintext=config.allow_plaintext,
                    allow_unverified=True,  # the config lets loopback hosts only
                    rng=self._rng,
                )
        return self._http

    def _headers(self) -> dict[str, str]:
        headers = {"User-Agent": USER_AGENT}
        if self.config.origin:
            parts = urlsplit(self.config.base_url)
            headers["Origin"] = f"{parts.scheme}://{parts.netloc}"
            headers["Referer"] = headers["Origin"] + "/"
        if self._cookies:
            headers["Cookie"] = "; ".join(f"{name}={it}" for name, it in self._cookies.items())
        return headers

    def _classify(self, request: HttpRequest, response: HttpResponse) -> ConnectorError | None:
        for name, value in response.cookies.items():  # by name, the last one wins (T-06)
            if name.lower().startswith(FOREIGN_COOKIES):
                continue
            if value:
                self._cookies[name] = value
            else:
                self._cookies.pop(name, None)
        return classify_answer(request, response)

    # -- the session (section 3) -------------------------------------------------------------

    async def tickle(self) -> dict[str, Any]:
        """Keep both sessions alive; `session` of the answer opens the socket (N-06)."""
        return _object(await self.post("/tickle", lane=Lane.TICKLE), "tickle")

    async def auth_status(self) -> dict[str, Any]:
        """Return the state of the brokerage session (N-03)."""
        return _object(await self.post("/iserver/auth/status"), "auth/status")

    async def open_session(self, *, compete: bool) -> dict[str, Any]:
        """Open the brokerage session, taking it from others with `compete` (N-04)."""
        body = {"publish": True, "compete": compete}
        return _object(await self.post("/iserver/auth/ssodh/init", body), "auth/ssodh/init")

    async def validate(self) -> dict[str, Any]:
        """Return what the login is, and until when it lasts (N-13)."""
        return _object(await self.get("/sso/validate"), "sso/validate")

    async def logout(self) -> Any:
        """End the session and the login (N-14)."""
        return await self.post("/logout")

    async def accounts(self) -> dict[str, Any]:
        """Return the accounts and which is selected; orders and snapshots need it once (N-11)."""
        return _object(await self.get("/iserver/accounts"), "accounts")

    async def switch_account(self, account: str) -> dict[str, Any]:
        """Select an account (N-12); fine if it is selected already."""
        return _object(await self.post("/iserver/account", {"acctId": account}), "account")

    async def suppress(self, ids: Sequence[str]) -> Any:
        """Name the complete list of order questions not to be asked in this session (R-40)."""
        return await self.post("/iserver/questions/suppress", {"messageIds": list(ids)})

    async def reset_suppressions(self) -> Any:
        """Have all order questions asked again."""
        return await self.post("/iserver/questions/suppress/reset")

    # -- contracts (6.2) ---------------------------------------------------------------------

    async def stocks(self, *symbols: str) -> dict[str, Any]:
        """Return what each symbol may mean among stocks (R-10)."""
        return _object(await self.get("/trsrv/stocks", symbols=",".join(symbols)), "stocks")

    async def futures(self, *symbols: str) -> dict[str, Any]:
        """Return the futures of each symbol (R-11)."""
        return _object(await self.get("/trsrv/futures", symbols=",".join(symbols)), "futures")

    async def search(
        self, symbol: str, *, sec_type: str | None = None, name: bool | None = None
    ) -> list[Any]:
        """Search contracts; what strikes and option details need before (R-12)."""
        by_name = None if name is None else str(name).lower()
        return _rows(
            await self.get("/iserver/secdef/search", symbol=symbol, secType=sec_type, name=by_name),
            "secdef/search",
        )

    async def strikes(
        self, conid: int, sec_type: str, month: str, exchange: str | None = None
    ) -> dict[str, Any]:
        """Return the strikes of a month, after a `search` (R-13)."""
        path = "/iserver/secdef/strikes"
        more = {"sectype": sec_type, "month": month, "exchange": exchange}
        return _object(await self.get(path, conid=conid, **more), "secdef/strikes")

    async def option_details(
        self,
        conid: int,
        sec_type: str,
        month: str,
        *,
        strike: str | None = None,
        right: str | None = None,
    ) -> list[Any]:
        """Return the contracts of a month, after a `search` (R-13)."""
        more = {"sectype": sec_type, "month": month, "strike": strike, "right": right}
        return _rows(await self.get("/iserver/secdef/info", conid=conid, **more), "secdef/info")

    async def definitions(self, conids: Sequence[int]) -> list[Any]:
        """Return definitions of up to 200 contracts (R-14)."""
        if not 1 <= len(conids) <= CONIDS_MAX:
            raise ClientError(f"1 to {CONIDS_MAX} conids can be asked for at once (P-14)")
        answer = _object(await self.get("/trsrv/secdef", conids=_joined(conids)), "trsrv/secdef")
        return _rows(answer.get("secdef"), "trsrv/secdef")

    async def contract_rules(self, conid: int, *, is_buy: bool) -> dict[str, Any]:
        """Return what orders of a contract may look like (R-15, 5.4)."""
        body = {"conid": conid, "isBuy": is_buy}
        return _object(await self.post("/iserver/contract/rules", body), "contract/rules")

    async def contract_info(self, conid: int) -> dict[str, Any]:
        """Return details of a contract (R-16)."""
        return _object(await self.get(f"/iserver/contract/{int(conid)}/info"), "contract/info")

    async def info_and_rules(self, conid: int, *, is_buy: bool = True) -> dict[str, Any]:
        """Return details of a contract with the rules of its orders under `rules`."""
        path = f"/iserver/contract/{int(conid)}/info-and-rules"
        return _object(await self.get(path, isBuy=str(is_buy).lower()), "info-and-rules")

    async def schedule(self, asset_class: str, symbol: str, **more: Any) -> Any:
        """Return the trading hours of a symbol (R-16)."""
        return await self.get(
            "/trsrv/secdef/schedule", assetClass=asset_class, symbol=symbol, **more
        )

    # -- market data (6.3) -------------------------------------------------------------------

    async def snapshot(self, conids: Sequence[int | str], fields: Sequence[str]) -> list[Any]:
        """Return the fields known of each contract; the first time only opens its line (R-20)."""
        if not 1 <= len(conids) <= SNAPSHOT_CONIDS_MAX or len(fields) > SNAPSHOT_FIELDS_MAX:
            raise ClientError(
                f"a snapshot is of 1 to {SNAPSHOT_CONIDS_MAX} conids and up to "
                f"{SNAPSHOT_FIELDS_MAX} fields (P-13)"
            )
        query = {"conids": _joined(conids), "fields": ",".join(fields)}
        return _rows(await self.get("/iserver/marketdata/snapshot", **query), "snapshot")

    async def history(
        self,
        conid: int,
        *,
        period: str,
        bar: str,
        outside_rth: bool | None = None,
        start_time: str | None = None,
        exchange: str | None = None,
        source: str | None = None,
    ) -> dict[str, Any]:
        """Return bars (R-21); no more than five requests are under way at once."""
        query = {
            "conid": conid,
            "exchange": exchange,
            "period": period,
            "bar": bar,
            "outsideRth": None if outside_rth is None else str(outside_rth).lower(),
            "startTime": start_time,
            "source": source,
        }
        async with self._histories:
            return _object(await self.get("/iserver/marketdata/history", **query), "history")

    async def unsubscribe(self, conid: int) -> None:
        """Close a market data line; fine if it is not open (R-22)."""
        try:
            await self.post("/iserver/marketdata/unsubscribe", {"conid": conid})
        except VenueError as error:
            if error.status != 500 or "unknown" not in error.message.lower():
                raise

    async def unsubscribe_all(self) -> Any:
        """Close all market data lines (R-22)."""
        return await self.get("/iserver/marketdata/unsubscribeall")

    # -- orders, read only (6.5) -------------------------------------------------------------

    async def live_orders(self, *, force: bool = False, account: str | None = None) -> Any:
        """Return today's orders. The first and every forced call return none (R-51, F-06)."""
        forced = "true" if force else None
        return _object(
            await self.get("/iserver/account/orders", force=forced, accountId=account), "orders"
        )

    async def order_status(self, order_id: int | str) -> dict[str, Any]:
        """Return the state of one order of this session (R-53); VenueError 503 if not known."""
        path = f"/iserver/account/order/status/{int(order_id)}"
        answer = await self.call("GET", path, tries=1)  # a 503 here is an answer
        return _object(answer, "order/status")

    async def trades(self, *, days: int | None = None) -> list[Any]:
        """Return executions of up to seven days (R-54)."""
        return _rows(await self.get("/iserver/account/trades", days=days), "trades")

    # -- portfolio (6.6) ---------------------------------------------------------------------

    async def portfolio_accounts(self) -> list[Any]:
        """Return the accounts; what is below needs it once a session (N-11)."""
        return _rows(await self.get("/portfolio/accounts"), "portfolio/accounts")

    async def positions(self, account: str, page: int = 0) -> list[Any]:
        """Return a page of cached positions (R-61)."""
        path = f"/portfolio/{quote(account, safe='')}/positions/{int(page)}"
        return _rows(await self.get(path), "positions")

    async def invalidate_positions(self, account: str) -> Any:
        """Have positions read anew at the next request (R-61)."""
        return await self.post(f"/portfolio/{quote(account, safe='')}/positions/invalidate")

    async def positions_now(self, account: str) -> list[Any]:
        """Return the positions of this moment (R-62)."""
        path = f"/portfolio2/{quote(account, safe='')}/positions"
        return _rows(await self.get(path), "positions")

    async def summary(self, account: str) -> dict[str, Any]:
        """Return the account's figures (R-63)."""
        path = f"/portfolio/{quote(account, safe='')}/summary"
        return _object(await self.get(path), "summary")

    async def ledger(self, account: str) -> dict[str, Any]:
        """Return cash and values by currency (R-64)."""
        path = f"/portfolio/{quote(account, safe='')}/ledger"
        return _object(await self.get(path), "ledger")

    async def pnl(self) -> dict[str, Any]:
        """Return profit and loss by account and model; empty the first time (R-65)."""
        return _object(await self.get("/iserver/account/pnl/partitioned"), "pnl/partitioned")


def _object(answer: Any, what: str) -> dict[str, Any]:
    if not isinstance(answer, dict):
        raise DecodeError(f"{what}: the answer is not a JSON object", 0)
    return answer


def _rows(answer: Any, what: str) -> list[Any]:
    if not isinstance(answer, list):
        raise DecodeError(f"{what}: the answer is not a JSON list", 0)
    return answer


def _joined(conids: Sequence[int | str]) -> str:
    return ",".join(map(str, conids))
