"""The indexer's REST (section 15): paths, parameters, pages, limits, lag."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from ..windows import RollingWindow
from . import ids, views
from .candles import RESOLUTIONS
from .markets import Market
from .numbers import money
from .orders import Order
from .subaccounts import Fill, Subaccount, Transfer

if TYPE_CHECKING:
    from .server import Simulator

__all__ = ["Mistake", "Rest"]

Parameters = Mapping[str, str]
MOST = 1_000
MAX_SUBACCOUNT, MAX_PARENT = 128_000, 127
HOUR_MS = 3_600_000
LIMITS = {"candles": 1_000}
LIMIT, LIMIT_SPAN_NS = 100, 10_000_000_000


class Mistake(Exception):
    """A request that is answered with a status of 400 or 404 (DX-R-02)."""

    def __init__(self, status: int, message: str, parameter: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        error = {"msg": message}
        if parameter is not None:
            error |= {"param": parameter, "location": "query"}
        self.body = {"errors": [error]}


class Limiter:
    """Counts the requests of one address (DX-R-01)."""

    def __init__(self) -> None:
        self._windows: dict[tuple[str, str], RollingWindow] = {}

    def count(self, peer: str, path: str, now_ns: int) -> tuple[bool, dict[str, str]]:
        """Count a request; return whether it is one too many, and the headers that tell."""
        kind = "candles" if path.startswith("candles/") else "other"
        window = self._windows.setdefault((peer, kind), RollingWindow(LIMIT_SPAN_NS))
        most = LIMITS.get(kind, LIMIT)
        over = window.used(now_ns) >= most
        used = window.used(now_ns) if over else window.add(now_ns)
        reset_s = window.retry_after_s(now_ns)
        headers = {
            "RateLimit-Limit": str(most),
            "RateLimit-Remaining": str(most - used),
            "RateLimit-Reset": str(reset_s),
        }
        if over:
            headers["Retry-After"] = str(reset_s * 1_000)  # in ms, contrary to what HTTP means
        return over, headers


class Rest:
    """Answers the paths of section 15."""

    def __init__(self, sim: Simulator) -> None:
        self._sim = sim
        self._chain = sim.chain
        self._indexer = sim.indexer
        self.limiter = Limiter()
        self._fixed: dict[str, Callable[[Parameters], Any]] = {
            "time": self._time,
            "height": self._height,
            "perpetualMarkets": self._markets,
            "sparklines": self._sparklines,
            "perpetualPositions": self._positions,
            "perpetualPositions/parentSubaccountNumber": self._positions,
            "assetPositions": self._assets,
            "assetPositions/parentSubaccountNumber": self._assets,
            "transfers": self._transfers,
            "transfers/parentSubaccountNumber": self._transfers,
            "transfers/between": self._transfers_between,
            "orders": self._orders,
            "orders/parentSubaccountNumber": self._orders,
            "fills": self._fills,
            "fills/parentSubaccountNumber": self._fills,
            "historical-pnl": self._pnl,
            "historical-pnl/parentSubaccountNumber": self._pnl,
            "fundingPayments": lambda given: {"fundingPayments": []},
            "fundingPayments/parentSubaccount": lambda given: {"fundingPayments": []},
            "screen": lambda given: {"restricted": False},
        }
        self._named: dict[str, Callable[[str, Parameters], Any]] = {
            "orderbooks/perpetualMarket": self._book,
            "trades/perpetualMarket": self._trades,
            "candles/perpetualMarkets": self._candles,
            "historicalFunding": self._funding,
            "orders": self._order,
            "historicalBlockTradingRewards": lambda name, given: {"rewards": []},
            "historicalTradingRewardAggregations": lambda name, given: {"rewards": []},
            "compliance/screen": self._screen,
        }

    @property
    def height(self) -> int:
        """Return the block accounts are shown at: REST reads replicas that are behind (DX-M-20)."""
        return self._chain.height - self._sim.config.rest_lag_blocks

    def answer(self, path: str, given: Parameters) -> Any:
        """Return the answer to a path behind `/v4/`. Raises Mistake."""
        if path in self._fixed:
            return self._fixed[path](given)
        parts = [unquote(part) for part in path.split("/")]
        if parts[0] == "addresses":
            return self._address(parts[1:])
        for size in (2, 1):
            found = self._named.get("/".join(parts[:size]))
            if found is not None and len(parts) == size + 1:
                return found(parts[size], given)
        raise Mistake(404, "Not Found")

    # -- market data -------------------------------------------------------------------------

    def _time(self, given: Parameters) -> Any:
        ms = self._sim.clock.now_ms()
        return {"iso": ids.iso(ms), "epoch": ms / 1000}

    def _height(self, given: Parameters) -> Any:
        height, ms = self._indexer.nodes[0].height
        if height < self.height:  # nodes that tell no heights are no reason for replicas to lag
            height, ms = self.height, self._chain.time_ms
        return {"height": str(height), "time": ids.iso(ms)}

    def _market(self, ticker: str, parameter: str = "ticker") -> Market:
        market = self._chain.markets.get(ticker)
        if market is None:
            raise Mistake(400, f"{parameter} must be a valid ticker ({ticker})", parameter)
        return market

    def _markets(self, given: Parameters) -> Any:
        ticker = given.get("ticker") or given.get("market")
        markets = self._chain.markets.values() if not ticker else [self._market(ticker)]
        limit = _whole(given, "limit", MOST, 1, MOST)
        return {"markets": {market.ticker: market.row() for market in list(markets)[:limit]}}

    def _book(self, ticker: str, given: Parameters) -> Any:
        market = self._market(ticker)
        return self._indexer.nodes[0].books[ticker].rows(market)

    def _trades(self, ticker: str, given: Parameters) -> Any:
        rows = list(reversed(self._market(ticker).trades))
        return _page("trades", _before(rows, given), given)

    def _candles(self, ticker: str, given: Parameters) -> Any:
        self._market(ticker)
        resolution = given.get("resolution", "")
        if resolution not in RESOLUTIONS:
            raise Mistake(400, "resolution must be a valid Candle Resolution", "resolution")
        from_ms = _iso_ms(given, "fromISO", 0)
        to_ms = _iso_ms(given, "toISO", 2**62)
        limit = _whole(given, "limit", 100, 1, MOST)
        return {"candles": self._indexer.candles[ticker].rows(resolution, from_ms, to_ms, limit)}

    def _funding(self, ticker: str, given: Parameters) -> Any:
        """Return made-up funding of the hours before the start: there is none while it runs."""
        market = self._market(ticker)
        rows = []
        if market.oracle is not None:
            hour = self._chain.time_ms // HOUR_MS
            blocks = int(HOUR_MS // (self._sim.config.block_ms or 500))
            for back in range(24):
                rows.append(
                    {
                        "ticker": ticker,
                        "rate": market.funding_rate,
                        "price": market.price(market.first_price),
                        "effectiveAt": ids.iso((hour - back) * HOUR_MS),
                        "effectiveAtHeight": str(self._sim.config.start_height - back * blocks - 1),
                    }
                )
        found = _before(rows, given, at="effectiveAt", prefix="effectiveBeforeOrAt")
        return {"historicalFunding": found[: _whole(given, "limit", MOST, 1, MOST)]}

    def _sparklines(self, given: Parameters) -> Any:
        period = given.get("timePeriod")
        known = {"ONE_DAY": ("1HOUR", 24), "SEVEN_DAYS": ("4HOURS", 42)}
        if period not in known:
            raise Mistake(400, "timePeriod must be a valid Time Period", "timePeriod")
        resolution, count = known[period]
        return {
            ticker: [row["close"] for row in candles.rows(resolution, 0, 2**62, count)]
            for ticker, candles in self._indexer.candles.items()
        }

    # -- accounts ----------------------------------------------------------------------------

    def _address(self, parts: list[str]) -> Any:
        if len(parts) == 1:
            return self._whole_address(parts[0])
        if len(parts) != 3 or not parts[2].isdecimal():
            raise Mistake(404, "Not Found")
        address, kind, number = parts[0], parts[1], int(parts[2])
        contents: Any = {}
        if kind == "subaccountNumber":
            contents = self._indexer.subaccount_contents(address, number, self.height)
        elif kind == "parentSubaccountNumber":
            contents = self._indexer.parent_contents(address, number, self.height)
        if not contents:
            raise Mistake(
                404,
                f"No subaccount found with address {address} and subaccountNumber {number}",
            )
        return {"subaccount": contents["subaccount"]}

    def _whole_address(self, address: str) -> Any:
        rows = []
        for account in self._chain.subaccounts.values():
            state = account.state(self.height)
            if account.address == address and state is not None:
                rows.append(views.subaccount(account, state, self.height))
        if not rows:
            raise Mistake(404, f"No subaccounts found for address {address}")
        return {"subaccounts": rows, "totalTradingRewards": "0"}

    def _accounts(self, given: Parameters) -> list[Subaccount]:
        """Return the subaccounts a request means: one, or the children of a parent."""
        address = given.get("address", "")
        if not address:
            raise Mistake(400, "address must be a valid dydx address", "address")
        if "parentSubaccountNumber" in given:
            number = _whole(given, "parentSubaccountNumber", 0, 0, MAX_PARENT)
            return self._indexer.children(address, number)
        number = _whole(given, "subaccountNumber", None, 0, MAX_SUBACCOUNT)
        account = self._chain.subaccounts.get((address, number))
        return [] if account is None else [account]

    def _positions(self, given: Parameters) -> Any:
        wanted = _names(given, "status")
        rows = []
        for account in self._accounts(given):
            state = account.state(self.height)
            if state is None:
                continue
            past = [p for p in account.past_positions if (p.closed_height or 0) <= self.height]
            for position in [*state.positions.values(), *reversed(past)]:
                row = views.perpetual_position_rest(position, account.number)
                if not wanted or row["status"] in wanted:
                    rows.append(row)
        found = _before(rows, given)
        return {"positions": found[: _whole(given, "limit", MOST, 1, MOST)]}

    def _assets(self, given: Parameters) -> Any:
        rows = []
        for account in self._accounts(given):
            state = account.state(self.height)
            if state is not None and state.usdc:
                rows.append(views.asset_position_rest(state.usdc, account.number))
        return {"positions": rows}

    def _transfers(self, given: Parameters) -> Any:
        rows = []
        for account in self._accounts(given):
            for item in account.transfers:
                if item.height <= self.height and not (
                    "parentSubaccountNumber" in given and views.same_parent(item)
                ):
                    rows.append(views.transfer_rest(item, account))
        rows.reverse()
        return _page("transfers", _before(rows, given), given)

    def _transfers_between(self, given: Parameters) -> Any:
        ends = [
            (given.get(f"{side}Address", ""), _whole(given, f"{side}SubaccountNumber", 0, 0, 2**31))
            for side in ("source", "recipient")
        ]
        account = self._chain.subaccounts.get(ends[0])
        items: list[Transfer] = [] if account is None else account.transfers
        both = [
            item for item in reversed(items)
            if {item.sender, item.recipient} == set(ends) and item.height <= self.height
        ]  # fmt: skip
        rows = [views.transfer_rest(item, account) for item in both if account is not None]
        total = sum(item.amount if item.sender == ends[0] else -item.amount for item in both)
        return {**_page("transfersSubset", rows, given), "totalNetTransfers": money(total)}

    def _orders(self, given: Parameters) -> Any:
        statuses, wanted = _names(given, "status"), _order_filter(given)
        if given.get("ticker"):
            self._market(given["ticker"])
        rows = []
        for account in self._accounts(given):
            for order in account.orders.values():
                row = order.version(self.height)
                if (
                    row is None
                    or not wanted(order, row)
                    or (statuses and row["status"] not in statuses)
                ):
                    continue
                rows.append({**row, "subaccountNumber": account.number})
        newest = given.get("returnLatestOrders", "true").lower() == "true"
        rows.sort(key=_end, reverse=newest)
        return rows[: _whole(given, "limit", MOST, 1, MOST)]

    def _order(self, uuid: str, given: Parameters) -> Any:
        for account in self._chain.subaccounts.values():
            for order in account.orders.values():
                if order.uuid == uuid:
                    row = order.version(self.height)
                    if row is not None:
                        return {**row, "subaccountNumber": account.number}
        raise Mistake(404, f"Unable to find order id {uuid}")

    def _fills(self, given: Parameters) -> Any:
        market = given.get("market")
        if market:
            self._market(market, "market")
        height = self.height
        if "createdBeforeOrAtHeight" in given:
            height = min(height, _whole(given, "createdBeforeOrAtHeight", None, 0, 2**62))
        last_ms = _iso_ms(given, "createdBeforeOrAt", 2**62)
        found: list[tuple[Fill, Subaccount]] = [
            (item, account)
            for account in self._accounts(given)
            for item in reversed(account.fills)
            if item.height <= height
            and item.ms <= last_ms
            and (not market or item.market.ticker == market)
        ]
        found.sort(key=lambda pair: pair[0].event, reverse=True)
        page = _page("fills", found, given)
        page["fills"] = [views.fill_rest(item, account) for item, account in page["fills"]]
        return page

    def _pnl(self, given: Parameters) -> Any:
        rows = []
        for account in self._accounts(given):
            state = account.state(self.height)
            if state is not None:
                rows.append(
                    {
                        "equity": money(account.equity()),
                        "totalPnl": "0",
                        "netTransfers": "0",
                        "createdAt": ids.iso(self._chain.time_ms),
                        "blockHeight": str(self.height),
                        "blockTime": ids.iso(self._chain.time_ms),
                    }
                )
        return {"historicalPnl": rows}

    def _screen(self, address: str, given: Parameters) -> Any:
        blocked = address in self._sim.faults.blocked
        status = "BLOCKED" if blocked else "COMPLIANT"
        return {"status": status, "updatedAt": ids.iso(self._chain.time_ms)}


# -- parameters ------------------------------------------------------------------------------


def _whole(given: Parameters, name: str, default: int | None, least: int, most: int) -> int:
    """Return a whole number. Raises Mistake; without a default it must be there."""
    text = given.get(name)
    if text is None and default is not None:
        return default
    if text is None or not text.isascii() or not text.isdecimal() or not least <= int(text) <= most:
        raise Mistake(400, f"{name} must be an integer between {least} and {most}", name)
    return int(text)


def _names(given: Parameters, name: str) -> frozenset[str]:
    return frozenset(part for part in given.get(name, "").split(",") if part)


def _iso_ms(given: Parameters, name: str, default: int) -> int:
    text = given.get(name)
    if text is None:
        return default
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        raise Mistake(400, f"{name} must be a valid ISO 8601 date", name) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return int(moment.timestamp() * 1000)


def _before(
    rows: list[Any],
    given: Parameters,
    *,
    at: str = "createdAt",
    prefix: str = "createdBeforeOrAt",
) -> list[Any]:
    """Return the rows not after a height or a time, if one is given."""
    if f"{prefix}Height" in given:
        height = _whole(given, f"{prefix}Height", None, 0, 2**62)
        rows = [row for row in rows if int(row[f"{at}Height"]) <= height]
    if prefix in given:
        last = ids.iso(_iso_ms(given, prefix, 0))
        rows = [row for row in rows if row[at] <= last]
    return rows


def _page(name: str, rows: list[Any], given: Parameters) -> dict[str, Any]:
    """Return the rows of one page (DX-R-04)."""
    limit = _whole(given, "limit", MOST, 1, MOST)
    if "page" not in given:
        return {name: rows[:limit]}
    page = _whole(given, "page", None, 1, 2**31)
    offset = (page - 1) * limit
    return {
        name: rows[offset : offset + limit],
        "pageSize": limit,
        "totalResults": len(rows),
        "offset": offset,
    }


def _order_filter(given: Parameters) -> Callable[[Order, Mapping[str, Any]], bool]:
    """Return what says whether an order is one of those a request means."""
    kinds = _names(given, "type")
    tests: list[Callable[[Order], bool]] = []
    for name, below in (("goodTilBlockBeforeOrAt", True), ("goodTilBlockAfter", False)):
        if name in given:
            tests.append(_block_test(_whole(given, name, None, 0, 2**62), below=below))
    for name, below in (("goodTilBlockTimeBeforeOrAt", True), ("goodTilBlockTimeAfter", False)):
        if name in given:
            tests.append(_time_test(_iso_ms(given, name, 0), below=below))

    def wanted(order: Order, row: Mapping[str, Any]) -> bool:
        return (
            given.get("ticker", order.market.ticker) == order.market.ticker
            and given.get("side", row["side"]) == row["side"]
            and (not kinds or row["type"] in kinds)
            and all(test(order) for test in tests)
        )

    return wanted


def _block_test(height: int, *, below: bool) -> Callable[[Order], bool]:
    return lambda order: order.is_short_term and (order.terms.good_til_block <= height) == below


def _time_test(ms: int, *, below: bool) -> Callable[[Order], bool]:
    return lambda order: (
        not order.is_short_term and (order.terms.good_til_block_time * 1000 <= ms) == below
    )


def _end(row: Mapping[str, Any]) -> tuple[str, int]:
    """Return what orders are sorted by: the last block, and behind all blocks the last time."""
    return row.get("goodTilBlockTime") or "", int(row.get("goodTilBlock") or 0)
