"""Public REST endpoints of both products, answered from the same feeds as the streams (14.1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import orjson

from ..clock import SimClock
from .feed import AggTrade, BookView, Feed, Trade
from .frames import levels_text
from .limits import Limits
from .market import FUNDING_MS, Market
from .params import Params, missing, parse_form
from .rest_candles import CandleRest, find_feed, page_limit
from .symbols import exchange_info
from .types import ApiError, Cost, Product, Response, fixed_text

__all__ = ["PublicRest", "SnapshotFault"]

JSON = "application/json;charset=UTF-8"
DEPTH_WEIGHTS = {5: 2, 10: 2, 20: 2, 50: 2, 100: 5, 500: 10, 1_000: 20}
MAX_PAGE = 1_000

Answer = tuple[Any, Cost]
Handler = Callable[[Product, Params], Answer]


@dataclass(slots=True)
class SnapshotFault:
    """What is wrong with the next snapshots of a symbol (BN-M-33).

    Parameters
    ----------
    action
        `stale`: the book of `changes` level changes ago. `empty`: no levels. `error`: `status`
        and code -1000 in place of a book. `delay`: only late. `reset_ids`: the ids start again
        lower before the snapshot is taken.
    count
        How many snapshots it is good for.
    """

    action: str
    count: int = 1
    changes: int = 200
    status: int = 503
    delay_s: float = 0.0


@dataclass(slots=True)
class _Route:
    handler: Handler
    needs_key: bool = False
    prefixes: tuple[str, ...] = ("/fapi/v1", "/dapi/v1")
    methods: frozenset[str] = field(default=frozenset({"GET"}))


class PublicRest:
    """Market data over REST.

    `snapshot_faults` holds the faults of the depth endpoint by symbol, oldest first.
    """

    def __init__(self, market: Market, clock: SimClock, limits: Limits) -> None:
        self._market = market
        self._clock = clock
        self._limits = limits
        self.snapshot_faults: dict[str, list[SnapshotFault]] = {}
        self._candles = CandleRest(market, clock)
        self._routes = self._table()

    def serves(self, path: str) -> bool:
        return path in self._routes

    def handle(
        self, method: str, path: str, query: bytes, body: bytes, api_key: str | None
    ) -> Response:
        """Answer one request; a refusal is a `Response` too."""
        headers = {"Content-Type": JSON}
        cost = Cost(1)
        delay_s = 0.0
        try:
            route = self._routes[path]
            if method not in route.methods:
                raise ApiError(-1099, "Method not allowed.", status=405)
            if route.needs_key and not api_key:
                raise ApiError(-2014, "API-key format invalid.", status=401)
            params = Params(parse_form(query, body))
            product = Product.COINM if path.startswith("/dapi/") else Product.USDM
            if path.endswith("/depth"):
                delay_s = self._snapshot_delay(params)
            result, cost = route.handler(product, params)
            params.finish()
            payload = result if isinstance(result, bytes) else orjson.dumps(result)
            return Response(200, payload, headers, cost, api_key, delay_s=delay_s)
        except ApiError as error:
            payload = orjson.dumps({"code": error.code, "msg": error.message})
            headers |= error.headers
            return Response(error.status, payload, headers, cost, api_key, delay_s=delay_s)

    def ws_public(self, method: str, product: Product, params: dict[str, Any]) -> Answer:
        """Answer `depth`, `ticker.price` and `ticker.book` of the trading websocket (BN-W-04)."""
        handler = {
            "depth": self._depth,
            "ticker.price": self._price,
            "ticker.book": self._book,
        }[method]
        read = Params(params)
        result, cost = handler(product, read)
        return orjson.loads(result) if isinstance(result, bytes) else result, cost

    # -- routing ---------------------------------------------------------------------------

    def _table(self) -> dict[str, _Route]:
        usdm = ("/fapi/v1",)
        table = {
            "ping": _Route(self._ping, prefixes=("/fapi/v1", "/dapi/v1", "/api/v3")),
            "time": _Route(self._time, prefixes=("/fapi/v1", "/dapi/v1", "/api/v3")),
            "exchangeInfo": _Route(self._exchange_info),
            "depth": _Route(self._depth),
            "rpiDepth": _Route(self._rpi_depth, prefixes=usdm),
            "trades": _Route(self._trades),
            "historicalTrades": _Route(self._old_trades, needs_key=True),
            "aggTrades": _Route(self._agg_trades),
            **{name: _Route(handler) for name, handler in self._candles.handlers().items()},
            "premiumIndex": _Route(self._premium_index),
            "fundingRate": _Route(self._funding_rate),
            "fundingInfo": _Route(self._funding_info),
            "ticker/24hr": _Route(self._day),
            "ticker/price": _Route(
                self._price, prefixes=("/fapi/v1", "/fapi/v2", "/dapi/v1")
            ),
            "ticker/bookTicker": _Route(self._book),
            "openInterest": _Route(self._open_interest),
            "indexInfo": _Route(self._index_info, prefixes=usdm),
            "assetIndex": _Route(self._asset_index, prefixes=usdm),
        }
        return {
            f"{prefix}/{name}": route for name, route in table.items() for prefix in route.prefixes
        }

    def _feed(self, product: Product, params: Params) -> Feed:
        return self._find(product, params.require("symbol"))

    def _find(self, product: Product, symbol: str) -> Feed:
        return find_feed(self._market, product, symbol)

    def _listed(self, product: Product) -> list[Feed]:
        return [feed for feed in self._market.feeds.values() if feed.rules.product is product]

    def _chosen(self, product: Product, params: Params) -> tuple[list[Feed], bool]:
        """Return the feeds meant by `symbol` (COIN-M: or `pair`), and whether it is just one."""
        symbol = params.text("symbol")
        pair = params.text("pair") if product is Product.COINM else None
        if symbol is not None:
            return [self._find(product, symbol)], True
        feeds = self._listed(product)
        if pair is not None:
            feeds = [feed for feed in feeds if feed.rules.pair == pair]
        return feeds, False

    # -- general ---------------------------------------------------------------------------

    def _ping(self, product: Product, params: Params) -> Answer:
        return {}, Cost(1)

    def _time(self, product: Product, params: Params) -> Answer:
        return {"serverTime": self._clock.now_ms()}, Cost(1)

    def _exchange_info(self, product: Product, params: Params) -> Answer:
        contracts = [feed.contract for feed in self._market.feeds.values()]
        rules = self._limits.rules()
        return exchange_info(product, contracts, rules, self._clock.now_ms()), Cost(1)

    # -- book ------------------------------------------------------------------------------

    def _snapshot_delay(self, params: Params) -> float:
        faults = self.snapshot_faults.get(params.require("symbol"))
        return faults[0].delay_s if faults else 0.0

    def _depth(self, product: Product, params: Params) -> Answer:
        feed = self._feed(product, params)
        limit = params.integer("limit") or 500
        if limit not in DEPTH_WEIGHTS:
            raise ApiError(-4021, f"{limit} is not valid depth limit.")
        fault = self._take_fault(feed.rules.symbol)
        if fault is not None and fault.action == "error":
            raise ApiError(-1000, "Service Unavailable.", status=fault.status)
        view = self._view(feed, limit, fault)
        return self._snapshot(feed, view, limit), Cost(DEPTH_WEIGHTS[limit])

    def _take_fault(self, symbol: str) -> SnapshotFault | None:
        faults = self.snapshot_faults.get(symbol)
        if not faults:
            return None
        fault = faults[0]
        fault.count -= 1
        if fault.count <= 0:
            faults.pop(0)
        return fault

    def _view(self, feed: Feed, limit: int, fault: SnapshotFault | None) -> BookView:
        if fault is not None and fault.action == "stale":
            old = feed.view_at(feed.older_id(fault.changes))
            assert old is not None
            return old
        if fault is not None and fault.action == "empty":
            return BookView(feed.update_id, [], [])
        if fault is not None and fault.action == "reset_ids":
            feed.restart_ids(max(1, feed.update_id // 2))
        return feed.view(limit)

    def _snapshot(self, feed: Feed, view: BookView, limit: int) -> bytes:
        rules = feed.rules
        names = "" if feed.usdm else f'"symbol":"{rules.symbol}","pair":"{rules.pair}",'
        return (
            f'{{"lastUpdateId":{view.update_id},{names}"E":{self._clock.now_ms()},'
            f'"T":{feed.changed_ms},"bids":[{levels_text(rules, view.bids[:limit])}],'
            f'"asks":[{levels_text(rules, view.asks[:limit])}]}}'
        ).encode()

    def _rpi_depth(self, product: Product, params: Params) -> Answer:
        feed = self._feed(product, params)
        limit = params.integer("limit") or 1_000
        if limit != 1_000:
            raise ApiError(-4021, f"{limit} is not valid depth limit.")
        view = feed.view(limit)
        bids = [(price, feed.rpi_lots(1, price)) for price, _ in view.bids]
        asks = [(price, feed.rpi_lots(-1, price)) for price, _ in view.asks]
        return self._snapshot(feed, BookView(view.update_id, bids, asks), limit), Cost(20)

    def _book(self, product: Product, params: Params) -> Answer:
        feeds, one = self._chosen(product, params)
        items = []
        for feed in feeds:
            bid, bid_qty, ask, ask_qty = feed.best_texts()
            item: dict[str, Any] = {"symbol": feed.rules.symbol}
            if not feed.usdm:
                item["pair"] = feed.rules.pair
            item |= {"bidPrice": bid, "bidQty": bid_qty, "askPrice": ask, "askQty": ask_qty,
                     "time": feed.changed_ms, "lastUpdateId": feed.update_id}  # fmt: skip
            items.append(item)
        return _one_or_all(items, one and product is Product.USDM), Cost(2 if one else 5)

    # -- trades ----------------------------------------------------------------------------

    def _trades(self, product: Product, params: Params) -> Answer:
        feed = self._feed(product, params)
        limit = page_limit(params, 500, MAX_PAGE)
        return [_trade_item(feed, item) for item in list(feed.trades)[-limit:]], Cost(5)

    def _old_trades(self, product: Product, params: Params) -> Answer:
        feed = self._feed(product, params)
        limit = page_limit(params, 100, 500)
        from_id = params.integer("fromId")
        found = [item for item in feed.trades if from_id is None or item.trade_id >= from_id]
        page = found[-limit:] if from_id is None else found[:limit]
        return [_trade_item(feed, item) for item in page], Cost(200)

    def _agg_trades(self, product: Product, params: Params) -> Answer:
        feed = self._feed(product, params)
        limit = page_limit(params, 500, MAX_PAGE)
        from_id = params.integer("fromId")
        start, end = params.integer("startTime"), params.integer("endTime")
        if from_id is not None and (start is not None or end is not None):
            raise ApiError(-1128, "Combination of optional parameters invalid.")
        found = [
            item
            for item in feed.aggs
            if (from_id is None or item.agg_id >= from_id)
            and (start is None or item.ts_ms >= start)
            and (end is None or item.ts_ms <= end)
        ]
        page = found[-limit:] if from_id is None and start is None else found[:limit]
        return [_agg_item(feed, item) for item in page], Cost(20)

    # -- prices ----------------------------------------------------------------------------

    def _premium_index(self, product: Product, params: Params) -> Answer:
        feeds, one = self._chosen(product, params)
        now_ms = self._clock.now_ms()
        items = []
        for feed in feeds:
            item: dict[str, Any] = {"symbol": feed.rules.symbol}
            if not feed.usdm:
                item["pair"] = feed.rules.pair
            funded = feed.perpetual
            item |= {
                "markPrice": fixed_text(feed.mark_e8, 8),
                "indexPrice": fixed_text(feed.index_e8, 8),
                "estimatedSettlePrice": fixed_text(feed.mark_e8, 8),
                "lastFundingRate": feed.funding_text if funded else "",
                "interestRate": "0.00010000" if funded else "",
                "nextFundingTime": feed.next_funding_ms if funded else 0,
                "time": now_ms,
            }
            items.append(item)
        cost = Cost(1 if one and product is Product.USDM else 10)
        return _one_or_all(items, one and product is Product.USDM), cost

    def _funding_rate(self, product: Product, params: Params) -> Answer:
        """Past funding: what this run settled, and the base rate for the times before it."""
        symbol = params.text("symbol")
        if symbol is None and product is Product.COINM:
            raise missing("symbol")
        feeds = [self._find(product, symbol)] if symbol else self._listed(product)
        limit = page_limit(params, 100, MAX_PAGE)
        start, end = params.integer("startTime"), params.integer("endTime")
        rows: list[dict[str, Any]] = []
        for feed in feeds:
            if not feed.perpetual:
                continue
            name = feed.rules.symbol
            settled = [row for row in self._market.funding_history if row[0] == name]
            newest = settled[0][1] if settled else feed.next_funding_ms
            made_up = [
                (name, newest - back * FUNDING_MS, 10_000, feed.e8(feed.last_price))
                for back in range(limit, 0, -1)
            ]
            for _, time_ms, rate, mark in (*made_up, *settled):
                if (start is None or time_ms >= start) and (end is None or time_ms <= end):
                    rows.append({"symbol": name, "fundingTime": time_ms,
                                 "fundingRate": fixed_text(rate, 8),
                                 "markPrice": fixed_text(mark, 8)})  # fmt: skip
        rows.sort(key=lambda row: row["fundingTime"])
        return (rows[:limit] if start is not None else rows[-limit:]), Cost(1)

    def _funding_info(self, product: Product, params: Params) -> Answer:
        items = [
            {"symbol": feed.rules.symbol, "adjustedFundingRateCap": "0.02000000",
             "adjustedFundingRateFloor": "-0.02000000", "fundingIntervalHours": 8,
             "disclaimer": False}
            for feed in self._listed(product)
            if feed.perpetual
        ]  # fmt: skip
        return items, Cost(0 if product is Product.USDM else 1)

    def _day(self, product: Product, params: Params) -> Answer:
        feeds, one = self._chosen(product, params)
        now_ms = self._clock.now_ms()
        items = []
        for feed in feeds:
            day, rules = feed.day(now_ms), feed.rules
            price = rules.price_text
            item: dict[str, Any] = {"symbol": rules.symbol}
            if not feed.usdm:
                item["pair"] = rules.pair
            item |= {
                "priceChange": price(day.change),
                "priceChangePercent": day.percent_text,
                "weightedAvgPrice": price(day.average),
                "lastPrice": price(day.close),
                "lastQty": rules.qty_text(day.last_lots),
                "openPrice": price(day.open),
                "highPrice": price(day.high),
                "lowPrice": price(day.low),
                "volume": rules.qty_text(day.lots),
                "quoteVolume" if feed.usdm else "baseVolume": feed.value_text(day.value),
                "openTime": day.open_ms,
                "closeTime": day.close_ms,
                "firstId": day.first_id,
                "lastId": day.last_id,
                "count": day.trades,
            }
            items.append(item)
        return _one_or_all(items, one and product is Product.USDM), Cost(1 if one else 40)

    def _price(self, product: Product, params: Params) -> Answer:
        feeds, one = self._chosen(product, params)
        now_ms = self._clock.now_ms()
        items = []
        for feed in feeds:
            item: dict[str, Any] = {"symbol": feed.rules.symbol}
            if not feed.usdm:
                item["ps"] = feed.rules.pair
            item |= {"price": feed.rules.price_text(feed.last_price), "time": now_ms}
            items.append(item)
        return _one_or_all(items, one and product is Product.USDM), Cost(1 if one else 2)

    def _open_interest(self, product: Product, params: Params) -> Answer:
        """Open interest: a fixed multiple of the day's volume, nobody's positions are counted."""
        feed = self._feed(product, params)
        now_ms = self._clock.now_ms()
        item: dict[str, Any] = {"symbol": feed.rules.symbol}
        if not feed.usdm:
            item |= {"pair": feed.rules.pair, "contractType": feed.contract.contract_type}
        lots = feed.day(now_ms).lots * 3
        item |= {"openInterest": feed.rules.qty_text(lots), "time": now_ms}
        return item, Cost(1)

    def _index_info(self, product: Product, params: Params) -> Answer:
        parts = self._market.composite_parts()
        weight = f"{Decimal(1) / max(len(parts), 1):.8f}"
        item = {
            "symbol": "DEFIUSDT",
            "time": self._clock.now_ms(),
            "component": "baseAsset",
            "baseAssetList": [
                {"baseAsset": base, "quoteAsset": "USDT", "weightInQuantity": "1.00000000",
                 "weightInPercentage": weight}
                for base, _ in parts
            ],
        }  # fmt: skip
        return _one_or_all([item], params.text("symbol") is not None), Cost(1)

    def _asset_index(self, product: Product, params: Params) -> Answer:
        now_ms = self._clock.now_ms()
        wanted = params.text("symbol")
        items = [
            {"symbol": f"{asset}USD", "time": now_ms, "index": fixed_text(price, 8),
             "bidBuffer": "0.10000000", "askBuffer": "0.10000000",
             "bidRate": fixed_text(price * 9 // 10, 8), "askRate": fixed_text(price * 11 // 10, 8),
             "autoExchangeBidBuffer": "0.05000000", "autoExchangeAskBuffer": "0.05000000",
             "autoExchangeBidRate": fixed_text(price * 95 // 100, 8),
             "autoExchangeAskRate": fixed_text(price * 105 // 100, 8)}
            for asset, price in self._market.asset_prices().items()
            if wanted in (None, f"{asset}USD")
        ]  # fmt: skip
        if wanted is not None and not items:
            raise ApiError(-1121, "Invalid symbol.")
        return _one_or_all(items, wanted is not None), Cost(1 if wanted else 10)


def _one_or_all(items: list[dict[str, Any]], one: bool) -> Any:
    return items[0] if one else items


def _trade_item(feed: Feed, item: Trade) -> dict[str, Any]:
    value = feed.value_text(feed.value_of(item.price, item.lots))
    return {
        "id": item.trade_id,
        "price": feed.rules.price_text(item.price),
        "qty": feed.rules.qty_text(item.lots),
        "quoteQty" if feed.usdm else "baseQty": value,
        "time": item.ts_ms,
        "isBuyerMaker": item.buyer_is_maker,
    }


def _agg_item(feed: Feed, item: AggTrade) -> dict[str, Any]:
    qty = feed.rules.qty_text(item.lots)
    row: dict[str, Any] = {"a": item.agg_id, "p": feed.rules.price_text(item.price), "q": qty}
    if feed.usdm:
        row["nq"] = qty
    return row | {"f": item.first_id, "l": item.last_id, "T": item.ts_ms, "m": item.buyer_is_maker}

