"""The venue's two HTTP endpoints: typed answers, classified errors, no command sent twice.

`/info` is read with POST as well; it changes nothing, so it is repeated on network failures, server
errors and rate limits. A post to `/exchange` never is, and what a failed one means is decided by
type (sections 2.12 and 5.1 of the venue's rules):

=====================  ===========================  =============================================
answer                 info                         exchange
=====================  ===========================  =============================================
200, JSON              fine                         fine: its `status` and `statuses` decide
200, not JSON          DecodeError                  UnknownOutcome
429                    RateLimited, repeated        UnknownOutcome: nobody has seen what it means
408, 5xx               TransportError, repeated     UnknownOutcome
other 4xx              VenueError                   VenueError: it was not executed
no answer              TransportError, repeated     UnknownOutcome once it was written
=====================  ===========================  =============================================
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import orjson

from ..errors import ConnectorError, DecodeError, UnknownOutcome, VenueError
from ..net.backoff import BackoffPolicy, Jitter
from ..net.http import HttpClient
from ..net.http_types import HttpRequest, HttpResponse, RetryPolicy, classify_status
from ..net.redact import mask_text
from .config import Config
from .limits import ACTION, INFO, INFO_PAUSE_S, IpLimits, info_weight, ip_limits, item_weight

__all__ = ["FILLS_PER_PAGE", "HyperliquidRest", "classify"]

INFO_PATH = "/info"
EXCHANGE_PATH = "/exchange"
JSON = {"Content-Type": "application/json"}
FILLS_PER_PAGE = 2_000
MAX_PAGES = 20  # the venue lets no more than 10 000 fills be reached
RETRY = RetryPolicy(
    tries=3,
    backoff=BackoffPolicy(
        initial_s=0.1,
        maximum_s=5.0,
        factor=4.0,
        jitter=Jitter.SPREAD,
        jitter_amount=0.5,
        immediate_first=False,
    ),
    total_timeout_s=30.0,
)
EXCERPT = 200


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
    if status == 429 and not request.is_idempotent:
        return UnknownOutcome(f"{request.label}: HTTP 429; query before sending it again")
    if 400 <= status < 500 and status not in (408, 429):
        text = mask_text(response.text[:EXCERPT].strip())
        return VenueError(status, text or f"{request.label}: HTTP {status}", status=status)
    return classify_status(request, response)


class HyperliquidRest:
    """Calls of any account; what is public needs none.

    Parameters
    ----------
    config : Config
    limits : IpLimits, optional
        By default those that all clients of the host share.
    rng
        Chance, for tests.
    """

    def __init__(
        self,
        config: Config,
        *,
        limits: IpLimits | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self.limits = limits if limits is not None else ip_limits(config)
        self._rng = rng or random.Random()
        self.http = HttpClient(
            base_url=config.endpoints.rest,
            classifier=self._classify,
            headers=JSON,
            limiter=self.limits.limiter,
            retry=RETRY,
            timeout_s=config.http_timeout_s,
            budget_timeout_s=config.http_timeout_s,
            proxy=config.proxy,
            rng=self._rng,
        )

    async def close(self) -> None:
        """Close all connections; idempotent."""
        await self.http.close()

    def _classify(self, request: HttpRequest, response: HttpResponse) -> ConnectorError | None:
        if INFO in request.keys:
            self.limits.info_spent(request.key_cost)
        error = classify(request, response)
        if response.status == 429:
            self.limits.hold_info(INFO_PAUSE_S * self._rng.uniform(1.0, 1.2))
        return error

    # -- commands ----------------------------------------------------------------------

    async def exchange(
        self, body: bytes, *, weight: int | None = 1, timeout_s: float | None = None
    ) -> Any:
        """Post a signed action, at most once, and return what the venue answers.

        An answer may still be a refusal: see `replies`. A `weight` of None was taken already.

        Raises
        ------
        VenueError
            It was not executed.
        UnknownOutcome
            It may have been.
        TransportError, QuotaExceeded
            It never left.
        """
        keys = () if weight is None else (ACTION,)
        response = await self.http.post(
            EXCHANGE_PATH, body, keys=keys, key_cost=weight or 1, timeout_s=timeout_s
        )
        if weight is not None:
            self.limits.action_spent(weight)
        return response.json()

    # -- information -------------------------------------------------------------------

    async def info(self, kind: str, **fields: Any) -> Any:
        """Ask for information (`meta`, with `dex="xyz"`) and return the answer as it is.

        Fields that are None are left out.
        """
        body = {"type": kind}
        body.update((name, value) for name, value in fields.items() if value is not None)
        response = await self.http.post(
            INFO_PATH,
            orjson.dumps(body),
            idempotent=True,
            keys=(INFO,),
            key_cost=info_weight(kind),
        )
        answer = response.json()
        if isinstance(answer, list) and (more := item_weight(kind, len(answer))):
            self.limits.limiter.debit(INFO, more)
            self.limits.info_spent(more)
        return answer

    async def _object(self, kind: str, **fields: Any) -> dict[str, Any]:
        answer = await self.info(kind, **fields)
        if not isinstance(answer, dict):
            raise DecodeError(f"info {kind}: the answer is not an object", 0)
        return answer

    async def _list(self, kind: str, **fields: Any) -> list[Any]:
        answer = await self.info(kind, **fields)
        if not isinstance(answer, list):
            raise DecodeError(f"info {kind}: the answer is not a list", 0)
        return answer

    async def _rows(self, kind: str, **fields: Any) -> list[dict[str, Any]]:
        return [row for row in await self._list(kind, **fields) if isinstance(row, dict)]

    # -- markets -----------------------------------------------------------------------

    async def meta(self, dex: str = "") -> dict[str, Any]:
        """Return the perpetuals of a dex, "" for the first one."""
        return await self._object("meta", dex=dex)

    async def meta_and_asset_contexts(self, dex: str = "") -> list[Any]:
        """Return `meta` and the state of each of its markets."""
        return await self._list("metaAndAssetCtxs", dex=dex)

    async def all_perp_metas(self) -> list[Any]:
        """Return one `meta` for each dex."""
        return await self._list("allPerpMetas")

    async def perp_dexs(self) -> list[Any]:
        """Return the dexes, None for the first."""
        return await self._list("perpDexs")

    async def spot_meta(self) -> dict[str, Any]:
        """Return tokens and spot pairs."""
        return await self._object("spotMeta")

    async def spot_meta_and_asset_contexts(self) -> list[Any]:
        """Return `spot_meta` and the state of each pair."""
        return await self._list("spotMetaAndAssetCtxs")

    async def all_mids(self, dex: str = "") -> dict[str, Any]:
        """Return the middle price of each coin."""
        return await self._object("allMids", dex=dex)

    async def l2_book(
        self, coin: str, *, n_sig_figs: int | None = None, mantissa: int | None = None
    ) -> dict[str, Any] | None:
        """Return a book of twenty levels; None for a coin the venue does not know."""
        answer = await self.info("l2Book", coin=coin, nSigFigs=n_sig_figs, mantissa=mantissa)
        if answer is not None and not isinstance(answer, dict):
            raise DecodeError("info l2Book: the answer is not an object", 0)
        return answer

    async def recent_trades(self, coin: str) -> list[dict[str, Any]]:
        """Return the last trades of a market."""
        return await self._rows("recentTrades", coin=coin)

    async def candles(
        self, coin: str, interval: str, *, start_ms: int, end_ms: int
    ) -> list[dict[str, Any]]:
        """Return candles of an interval (`1m`), of the last 5 000 at most."""
        span = {"coin": coin, "interval": interval, "startTime": start_ms, "endTime": end_ms}
        return await self._rows("candleSnapshot", req=span)

    async def funding_history(
        self, coin: str, *, start_ms: int, end_ms: int | None = None
    ) -> list[dict[str, Any]]:
        """Return past funding rates of a market."""
        return await self._rows("fundingHistory", coin=coin, startTime=start_ms, endTime=end_ms)

    async def exchange_status(self) -> dict[str, Any]:
        """Return the venue's time (`time`, Unix ms) and special states."""
        return await self._object("exchangeStatus")

    # -- an account: always by the address of the master, sub-account or vault -----------

    async def open_orders(self, user: str, dex: str = "") -> list[dict[str, Any]]:
        """Return the live orders on a dex, in short."""
        return await self._rows("openOrders", user=user, dex=dex)

    async def frontend_open_orders(self, user: str, dex: str = "") -> list[dict[str, Any]]:
        """Return the live orders on a dex with type, trigger and cloid."""
        return await self._rows("frontendOpenOrders", user=user, dex=dex)

    async def order_status(self, user: str, oid: int | str) -> dict[str, Any] | None:
        """Look an order up by its oid (integer) or cloid (text); None if it is not known.

        Not known proves nothing: it may be on its way still (10.3).
        """
        answer = await self._object("orderStatus", user=user, oid=oid)
        order = answer.get("order")
        if answer.get("status") == "unknownOid":
            return None
        if not isinstance(order, dict):
            raise DecodeError("info orderStatus: the answer has no order", 0)
        return order

    async def historical_orders(self, user: str) -> list[dict[str, Any]]:
        """Return the newest 2 000 orders, live or ended."""
        return await self._rows("historicalOrders", user=user)

    async def user_fills(self, user: str) -> list[dict[str, Any]]:
        """Return the newest 2 000 fills."""
        return await self._rows("userFills", user=user)

    async def user_fills_by_time(
        self, user: str, *, start_ms: int, end_ms: int | None = None
    ) -> list[dict[str, Any]]:
        """Return up to 2 000 fills from a time on; see `fills_since` for all of them."""
        return await self._rows("userFillsByTime", user=user, startTime=start_ms, endTime=end_ms)

    async def fills_since(
        self, user: str, *, start_ms: int, end_ms: int | None = None
    ) -> AsyncIterator[list[dict[str, Any]]]:
        """Go through all fills from a time on, oldest page first, none of them twice.

        Pages go on from the last time of the one before, which is asked for again: fills of one
        millisecond may be on both sides of its end.
        """
        seen: set[bytes] = set()  # of the millisecond at which the last page ended
        for _ in range(MAX_PAGES):
            page = await self.user_fills_by_time(user, start_ms=start_ms, end_ms=end_ms)
            rows = sorted((row for row in page if isinstance(row.get("time"), int)), key=_time)
            fresh = [row for row in rows if orjson.dumps(row) not in seen]
            if fresh:
                yield fresh
            if len(page) < FILLS_PER_PAGE or not rows:
                return
            last_ms = _time(rows[-1])
            seen = {orjson.dumps(row) for row in rows if _time(row) == last_ms}
            # A whole page within one millisecond: there is no way to see more of it.
            start_ms = last_ms if last_ms > start_ms else start_ms + 1

    async def clearinghouse_state(self, user: str, dex: str = "") -> dict[str, Any]:
        """Return margin and positions on a dex."""
        return await self._object("clearinghouseState", user=user, dex=dex)

    async def spot_clearinghouse_state(self, user: str) -> dict[str, Any]:
        """Return the balances of tokens."""
        return await self._object("spotClearinghouseState", user=user)

    async def user_role(self, user: str) -> dict[str, Any]:
        """Return what an address is: user, agent (of whom), vault, subAccount or missing."""
        return await self._object("userRole", user=user)

    async def user_rate_limit(self, user: str) -> dict[str, Any]:
        """Return how many requests the account has made, and may make."""
        return await self._object("userRateLimit", user=user)

    async def user_fees(self, user: str) -> dict[str, Any]:
        """Return fee rates and volumes."""
        return await self._object("userFees", user=user)

    async def user_funding(
        self, user: str, *, start_ms: int, end_ms: int | None = None
    ) -> list[dict[str, Any]]:
        """Return funding paid and received."""
        return await self._rows("userFunding", user=user, startTime=start_ms, endTime=end_ms)

    async def sub_accounts(self, user: str) -> Sequence[Mapping[str, Any]]:
        """Return the sub-accounts of a master; the venue answers null for none."""
        answer = await self.info("subAccounts", user=user)
        return [row for row in answer or [] if isinstance(row, dict)]

    async def extra_agents(self, user: str) -> list[dict[str, Any]]:
        """Return the named agents, and until when they are valid."""
        return await self._rows("extraAgents", user=user)

    async def max_builder_fee(self, user: str, builder: str) -> int:
        """Return the fee the account lets a builder take, in tenths of a basis point."""
        answer = await self.info("maxBuilderFee", user=user, builder=builder)
        if not isinstance(answer, int):
            raise DecodeError("info maxBuilderFee: the answer is not a number", 0)
        return answer


def _time(row: Mapping[str, Any]) -> int:
    time: int = row["time"]
    return time
