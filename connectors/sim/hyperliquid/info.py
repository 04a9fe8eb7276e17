"""`/info`: every request of section 5.4, answered from the venue's state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from . import views
from .actions import address, is_address
from .candles import INTERVALS
from .errors import Malformed
from .markets import DEXES, meta, perp_dexs, spot_meta
from .numbers import money

if TYPE_CHECKING:
    from .accounts import Account
    from .server import Simulator

__all__ = ["Info", "aggregate", "base_weight", "extra_weight"]

MOST = 2_000
REACHABLE = 10_000
LIGHT = frozenset(
    {
        "l2Book", "allMids", "clearinghouseState", "orderStatus", "spotClearinghouseState",
        "exchangeStatus",
    }
)  # fmt: skip
PER_20 = frozenset(
    {
        "recentTrades", "historicalOrders", "userFills", "userFillsByTime", "fundingHistory",
        "userFunding", "userNonFundingLedgerUpdates", "twapHistory", "userTwapSliceFills",
    }
)  # fmt: skip
Body = Mapping[str, Any]


def base_weight(kind: str) -> int:
    """Return what a request costs before its answer is known (11.2)."""
    return 2 if kind in LIGHT else 60 if kind == "userRole" else 20


def extra_weight(kind: str, answer: Any) -> int:
    """Return what the items of an answer cost on top."""
    if not isinstance(answer, list):
        return 0
    if kind in PER_20:
        return len(answer) // 20
    return len(answer) // 60 if kind == "candleSnapshot" else 0


def aggregate(fills: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Merge the crossing fills an order got in one block (`aggregateByTime`)."""
    merged: dict[tuple[Any, ...], dict[str, Any]] = {}
    for fill in fills:
        key = (fill["oid"], fill["time"]) if fill["crossed"] else (fill["oid"], fill["tid"])
        into = merged.get(key)
        if into is None:
            merged[key] = dict(fill)
            continue
        sizes = Decimal(into["sz"]), Decimal(fill["sz"])
        value = sizes[0] * Decimal(into["px"]) + sizes[1] * Decimal(fill["px"])
        into["px"] = _plain(round(value / sum(sizes), 8))
        into["sz"] = _plain(sum(sizes))
        for name in ("fee", "closedPnl"):
            into[name] = _plain(Decimal(into[name]) + Decimal(fill[name]))
    return list(merged.values())


def _plain(value: Decimal | int) -> str:
    text = f"{Decimal(value):f}"
    if "." not in text:
        return text + ".0"
    text = text.rstrip("0")
    return text + "0" if text.endswith(".") else text


class Info:
    """Answers requests; raises Malformed for one the venue could not read."""

    def __init__(self, sim: Simulator) -> None:
        self._sim = sim
        self._exchange = exchange = sim.exchange
        self._public: dict[str, Callable[[Body], Any]] = {
            "meta": self._meta,
            "metaAndAssetCtxs": self._meta_and_ctxs,
            "allPerpMetas": lambda body: [meta(exchange.markets, dex) for dex in DEXES],
            "perpDexs": lambda body: perp_dexs(),
            "spotMeta": lambda body: spot_meta(exchange.markets),
            "spotMetaAndAssetCtxs": lambda body: [
                spot_meta(exchange.markets),
                views.spot_ctxs(exchange),
            ],
            "allMids": lambda body: views.mids(exchange, _text(body, "dex")),
            "l2Book": self._book,
            "recentTrades": self._trades,
            "candleSnapshot": self._candles,
            "fundingHistory": self._funding_history,
            "predictedFundings": lambda body: [],
            "exchangeStatus": lambda body: {
                "time": exchange.clock.now_ms(),
                "specialStatuses": None,
            },
        }
        self._private: dict[str, Callable[[Account | None, Body], Any]] = {
            "openOrders": self._open_orders,
            "frontendOpenOrders": self._frontend_open_orders,
            "orderStatus": self._order_status,
            "historicalOrders": self._historical_orders,
            "userFills": self._fills,
            "userFillsByTime": self._fills_by_time,
            "clearinghouseState": self._clearinghouse,
            "spotClearinghouseState": self._spot,
            "userFees": self._fees,
            "userRateLimit": self._rate_limit,
            "userRole": self._role,
            "subAccounts": self._sub_accounts,
            "extraAgents": self._agents,
            "maxBuilderFee": self._builder_fee,
            "userFunding": self._funding,
            "userNonFundingLedgerUpdates": self._ledger,
            "userTwapSliceFills": lambda account, body: list(account.twap_fills) if account else [],
            "twapHistory": lambda account, body: list(account.twap_history) if account else [],
            "activeAssetData": self._active_asset_data,
            "userVaultEquities": lambda account, body: [],
            "delegations": lambda account, body: [],
            "portfolio": lambda account, body: [],
            "referral": lambda account, body: {"referredBy": None, "cumVlm": "0.0"},
            "webData2": lambda account, body: (
                views.web_data(exchange, account) if account else None
            ),
        }

    def answer(self, body: Any) -> Any:
        """Return the answer to a request. Raises Malformed if it is none."""
        if not isinstance(body, Mapping):
            raise Malformed("not an object")
        kind = body.get("type")
        if not isinstance(kind, str):
            raise Malformed("a request needs a type")
        if kind in self._public:
            return self._public[kind](body)
        if kind not in self._private:
            raise Malformed(f"unknown request {kind!r}")
        if not is_address(body.get("user")):
            raise Malformed("a request of a user needs an address")
        # An address the venue does not know gets empty answers, not errors (section 3).
        return self._private[kind](self._exchange.accounts.get(address(body["user"])), body)

    # -- public ------------------------------------------------------------------------------

    def _meta(self, body: Body) -> Any:
        found = meta(self._exchange.markets, _text(body, "dex"))
        if found is None:
            raise Malformed("unknown dex")
        return found

    def _meta_and_ctxs(self, body: Body) -> Any:
        return [self._meta(body), views.ctxs(self._exchange, _text(body, "dex"))]

    def _book(self, body: Body) -> Any:
        figures, mantissa = body.get("nSigFigs"), body.get("mantissa")
        if figures not in (None, 2, 3, 4, 5) or mantissa not in (None, 1, 2, 5):
            raise Malformed("nSigFigs is 2 to 5, mantissa 1, 2 or 5")
        market = self._exchange.markets.get(_text(body, "coin"))
        if market is None:
            return None
        return views.book(self._exchange, market, figures=figures, mantissa=mantissa)

    def _trades(self, body: Body) -> Any:
        market = self._exchange.markets.get(_text(body, "coin"))
        return [] if market is None else list(market.trades)[:-11:-1]

    def _candles(self, body: Body) -> Any:
        request = body.get("req")
        if not isinstance(request, Mapping) or _text(request, "interval") not in INTERVALS:
            raise Malformed("req needs an interval")
        start_ms, end_ms = _period(request, self._exchange.clock.now_ms())
        candles = self._sim.publisher.candles.get(_text(request, "coin"))
        return [] if candles is None else candles.range(request["interval"], start_ms, end_ms)

    def _funding_history(self, body: Body) -> Any:
        start, end = _period(body, self._exchange.clock.now_ms())
        return [
            row
            for row in self._sim.publisher.fundings.get(_text(body, "coin"), ())
            if start <= row["time"] <= end
        ]

    # -- orders and fills --------------------------------------------------------------------

    def _open_orders(self, account: Account | None, body: Body) -> Any:
        if account is None:
            return []
        return views.open_orders(self._exchange, account, _text(body, "dex"))

    def _frontend_open_orders(self, account: Account | None, body: Body) -> Any:
        if account is None:
            return []
        dex = _text(body, "dex")
        return views.open_orders(self._exchange, account, dex, frontend=True)

    def _order_status(self, account: Account | None, body: Body) -> Any:
        oid = body.get("oid")
        order = None
        if account is not None and isinstance(oid, int):
            order = account.history.get(oid)
        elif account is not None and isinstance(oid, str):
            order = account.by_cloid.get(oid) or account.last_named.get(oid)
        elif not isinstance(oid, int | str):
            raise Malformed("oid is an integer or a cloid")
        if order is None:
            return {"status": "unknownOid"}
        return {"status": "order", "order": order.report()}

    def _historical_orders(self, account: Account | None, body: Body) -> Any:
        if account is None:
            return []
        return [order.report() for order in list(account.history.values())[: -MOST - 1 : -1]]

    def _fills(self, account: Account | None, body: Body) -> Any:
        if account is None:
            return []
        rows = list(account.fills)[-MOST:][::-1]
        return aggregate(rows) if body.get("aggregateByTime") else rows

    def _fills_by_time(self, account: Account | None, body: Body) -> Any:
        """Return fills of a period, oldest first, a page at most."""
        if account is None:
            return []
        start, end = _period(body, self._exchange.clock.now_ms())
        rows = [row for row in list(account.fills)[-REACHABLE:] if start <= row["time"] <= end]
        if body.get("reversed"):
            rows.reverse()
        rows = rows[:MOST]
        return aggregate(rows) if body.get("aggregateByTime") else rows

    # -- accounts ----------------------------------------------------------------------------

    def _clearinghouse(self, account: Account | None, body: Body) -> Any:
        dex = _text(body, "dex")
        if dex not in DEXES:
            raise Malformed("unknown dex")
        exchange = self._exchange
        return views.clearinghouse(exchange, account or exchange.nobody, dex)

    def _spot(self, account: Account | None, body: Body) -> Any:
        return views.balances(account or self._exchange.nobody)

    def _active_asset_data(self, account: Account | None, body: Body) -> Any:
        market = self._exchange.markets.get(_text(body, "coin"))
        if market is None or market.is_spot:
            return None
        return views.active_asset_data(self._exchange, account or self._exchange.nobody, market)

    def _fees(self, account: Account | None, body: Body) -> Any:
        config = self._exchange.config
        rates = {
            "cross": config.taker_fee,
            "add": config.maker_fee,
            "spotCross": config.spot_taker_fee,
            "spotAdd": config.spot_maker_fee,
        }
        texts = {name: _plain(Decimal(rate).scaleb(-6)) for name, rate in rates.items()}
        return {
            "dailyUserVlm": [],
            "feeSchedule": {**texts, "tiers": {"vip": [], "mm": []}, "referralDiscount": "0.04"},
            "userCrossRate": texts["cross"],
            "userAddRate": texts["add"],
            "userSpotCrossRate": texts["spotCross"],
            "userSpotAddRate": texts["spotAdd"],
            "activeReferralDiscount": "0.0",
            "trial": None,
            "feeTrialReward": "0.0",
            "nextTrialAvailableTimestamp": None,
        }

    def _rate_limit(self, account: Account | None, body: Body) -> Any:
        who = account or self._exchange.nobody
        return {
            "cumVlm": money(who.volume),
            "nRequestsUsed": who.requests,
            "nRequestsCap": who.requests_cap,
            "nRequestsSurplus": max(who.requests_cap - who.requests, 0),
        }

    def _role(self, account: Account | None, body: Body) -> Any:
        if account is None:
            owner = self._exchange.agent_owner.get(address(body["user"]))
            if owner is None:
                return {"role": "missing"}
            return {"role": "agent", "data": {"user": owner.address}}
        if account.role == "subAccount":
            return {"role": "subAccount", "data": {"master": account.leader}}
        return {"role": account.role}

    def _sub_accounts(self, account: Account | None, body: Body) -> Any:
        exchange = self._exchange
        if account is None:
            return None
        rows = [
            {
                "name": other.name,
                "subAccountUser": other.address,
                "master": account.address,
                "clearinghouseState": views.clearinghouse(exchange, other),
                "spotState": views.balances(other),
            }
            for other in exchange.accounts.values()
            if other.leader == account.address and other.role == "subAccount"
        ]
        return rows or None

    def _agents(self, account: Account | None, body: Body) -> Any:
        if account is None:
            return []
        return [
            {"name": agent.name, "address": agent.address, "validUntil": agent.valid_until_ms}
            for agent in account.agents.values()
            if agent.name
        ]

    def _builder_fee(self, account: Account | None, body: Body) -> Any:
        builder = address(body.get("builder"))
        return 0 if account is None else account.builder_fees.get(builder, 0)

    def _funding(self, account: Account | None, body: Body) -> Any:
        if account is None:
            return []
        start, end = _period(body, self._exchange.clock.now_ms())
        return [
            {
                "time": row["time"],
                "hash": "0x" + "0" * 64,
                "delta": {
                    "type": "funding",
                    **{name: value for name, value in row.items() if name != "time"},
                },
            }
            for row in account.fundings
            if start <= row["time"] <= end
        ][:500]

    def _ledger(self, account: Account | None, body: Body) -> Any:
        if account is None:
            return []
        start, end = _period(body, self._exchange.clock.now_ms())
        return [row for row in account.ledger if start <= row["time"] <= end]


def _text(body: Body, name: str) -> str:
    """Return a text of a request, empty if it lacks. Raises Malformed if it is none."""
    value = body.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Malformed(f"{name} is a text")
    return value


def _period(body: Body, now_ms: int) -> tuple[int, int]:
    start, end = body.get("startTime", 0), body.get("endTime")
    for value in (start, *(() if end is None else (end,))):
        if not isinstance(value, int) or isinstance(value, bool):
            raise Malformed("times are integers")
    return start, now_ms if end is None else end
