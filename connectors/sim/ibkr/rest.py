"""The REST interface: which path is answered by what (12.5)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .accounts import Account
from .answers import (
    LOGIN,
    NO_BRIDGE,
    NOT_FOUND,
    Answer,
    Call,
    Refusal,
    as_answer,
    error,
    plain,
)
from .history import BadHistory, history
from .markets import Market
from .portfolio import Portfolio

if TYPE_CHECKING:
    from .server import Simulator

__all__ = ["Rest"]

SNAPSHOT_MS = 300.0
MOST_SUPPRESSED = 51
MOST_DEFINITIONS = 200
Handler = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Route:
    """One path; `needs` names the call that must have been made before (N-11)."""

    method: str
    pattern: re.Pattern[str]
    name: str
    needs: str


def _routes() -> list[Route]:
    found = []
    for line in _TABLE.strip().splitlines():
        methods, path, name, *needs = line.split()
        pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path))
        for method in methods.split("|"):
            found.append(Route(method, pattern, name, needs[0] if needs else ""))
    return found


_TABLE = """
POST|GET /tickle tickle
POST|GET /iserver/auth/status auth_status
POST|GET /iserver/auth/ssodh/init ssodh_init
POST|GET /iserver/reauthenticate reauthenticate
GET /sso/validate validate
POST /logout logout
GET /iserver/accounts accounts
POST /iserver/account switch
GET /iserver/account/pnl/partitioned pnl
GET /iserver/account/orders live_orders accounts
GET /iserver/account/order/status/{order} order_status
GET /iserver/account/trades trades
POST /iserver/account/{account}/orders place accounts
POST /iserver/account/{account}/orders/whatif preview accounts
POST /iserver/account/{account}/order/{order} modify accounts
DELETE /iserver/account/{account}/order/{order} cancel accounts
POST /iserver/reply/{reply} reply
POST /iserver/notification notification
POST /iserver/questions/suppress suppress
POST /iserver/questions/suppress/reset suppress_reset
GET|POST /iserver/secdef/search search
GET /iserver/secdef/strikes strikes
GET /iserver/secdef/info secdef_info
POST /iserver/contract/rules rules
GET /iserver/contract/{conid}/info contract_info
GET /iserver/contract/{conid}/info-and-rules contract_info_and_rules
GET /iserver/contract/{conid}/algos algos
GET /iserver/marketdata/snapshot snapshot accounts
GET /iserver/marketdata/history history
POST /iserver/marketdata/unsubscribe unsubscribe
GET /iserver/marketdata/unsubscribeall unsubscribe_all
GET /trsrv/stocks stocks
GET /trsrv/futures futures
GET /trsrv/secdef definitions
GET /trsrv/secdef/schedule schedule
GET /trsrv/all-conids all_conids
GET /portfolio/accounts portfolio_accounts
GET /portfolio/subaccounts portfolio_accounts
GET /portfolio/positions/{conid} positions_of portfolio
GET /portfolio/{account}/meta portfolio_meta portfolio
GET /portfolio/{account}/positions/{page} positions portfolio
POST /portfolio/{account}/positions/invalidate positions_invalidate portfolio
GET /portfolio/{account}/position/{conid} position portfolio
GET /portfolio/{account}/summary summary portfolio
GET /portfolio/{account}/ledger ledger portfolio
GET /portfolio/{account}/allocation allocation portfolio
GET /portfolio2/{account}/positions positions2 portfolio
"""
ROUTES = _routes()
ENDPOINTS = tuple(dict.fromkeys(route.name for route in ROUTES))
_OUTER = ("auth_status", "ssodh_init", "reauthenticate")


class Rest:
    """Answers requests below the base path."""

    def __init__(self, sim: Simulator) -> None:
        self._sim = sim
        self._portfolio = Portfolio(sim)

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """Return what a path means; None if nothing."""
        for route in ROUTES:
            found = route.pattern.fullmatch(path)
            if found is not None and route.method == method:
                return route, found.groupdict()
        return None

    def answer(self, route: Route, parts: dict[str, str], call: Call) -> Answer:
        """Carry a request out."""
        refused = self._refusal(route, call.path)
        if refused is not None:
            return refused
        try:
            if "account" in parts:
                account = self._account(parts.pop("account"))
                return as_answer(getattr(self, f"_{route.name}")(call, account=account, **parts))
            return as_answer(getattr(self, f"_{route.name}")(call, **parts))
        except Refusal as refusal:
            return refusal.answer

    def _refusal(self, route: Route, path: str) -> Answer | None:
        session, config = self._sim.session, self._sim.config
        if not session.login:
            if route.name == "auth_status":
                return None
            return LOGIN if config.logged_out_as == "302" else plain(401)
        if path.startswith("/iserver") and route.name not in _OUTER and not session.has_bridge:
            return NO_BRIDGE
        if config.preconditions and route.needs and route.needs not in session.asked:
            if route.needs == "accounts":
                status = 500 if route.method in ("POST", "DELETE") else 400
                return error(status, "Please query /accounts first")
            return error(400, "Bad Request: Please query /portfolio/accounts first")
        return None

    def _account(self, name: str) -> Account:
        account = self._sim.exchange.accounts.get(name)
        if account is None:
            raise Refusal(error(400, f"Bad Request: accountId is not valid: {name}"))
        return account

    def _market(self, conid: Any) -> Market:
        try:
            return self._sim.exchange.market(str(conid))
        except LookupError:
            raise Refusal(error(400, f"Bad Request: no contract {conid}")) from None

    # -- session -----------------------------------------------------------------------------

    def _tickle(self, call: Call) -> Any:
        if self._sim.faults.take("tickle_failed"):
            return {"error": "failed to process request"}
        return Answer(
            body=as_answer(self._sim.session.tickle()).body,
            headers={"Set-Cookie": "x-sess-uuid=0.1a2b3c4d.1783031090.5e6f7a8b; Path=/v1/api; "
                     "HttpOnly"},
        )  # fmt: skip

    def _auth_status(self, call: Call) -> Any:
        return self._sim.session.status()

    def _ssodh_init(self, call: Call) -> Any:
        if call.body is not None and str(call.field("publish", True)).lower() != "true":
            return error(500, "publish must be true")
        compete = str(call.value("compete", "false")).lower() == "true"
        self._sim.session.open_brokerage(compete=compete)
        return self._sim.session.status()

    def _reauthenticate(self, call: Call) -> Any:
        self._sim.session.open_brokerage(compete=False)
        return {"message": "triggered"}

    def _validate(self, call: Call) -> Any:
        return self._sim.session.validated()

    def _logout(self, call: Call) -> Any:
        self._sim.session.log_out()
        return {"status": True}

    def _accounts(self, call: Call) -> Any:
        self._sim.session.asked.add("accounts")
        return self._sim.views.accounts()

    def _switch(self, call: Call) -> Any:
        session = self._sim.session
        name = call.field("acctId")
        if name not in self._sim.exchange.accounts:
            return error(500, "Invalid account ID", with_status=False)
        if name == session.selected:
            return {"success": "Account already set"}
        session.selected = str(name)
        return {"set": True, "acctId": name}

    def _pnl(self, call: Call) -> Any:
        session, exchange = self._sim.session, self._sim.exchange
        if "pnl" not in session.asked:
            session.asked.add("pnl")
            return {"upnl": {}}
        accounts = exchange.accounts.values()
        return {"upnl": {f"{a.account_id}.Core": a.pnl(exchange.markets) for a in accounts}}

    # -- orders ------------------------------------------------------------------------------

    def _place(self, call: Call, account: Account) -> Any:
        return self._sim.trading.place(call, account)

    def _preview(self, call: Call, account: Account) -> Any:
        return self._sim.trading.preview(call, account)

    def _modify(self, call: Call, account: Account, order: str) -> Any:
        return self._sim.trading.modify(call, account, order)

    def _cancel(self, call: Call, account: Account, order: str) -> Any:
        return self._sim.trading.cancel(account, order)

    def _reply(self, call: Call, reply: str) -> Any:
        return self._sim.trading.reply(call, reply)

    def _live_orders(self, call: Call) -> Any:
        return self._sim.trading.live_orders(call)

    def _order_status(self, call: Call, order: str) -> Any:
        return self._sim.trading.status(order)

    def _trades(self, call: Call) -> Any:
        return self._sim.trading.trades(call)

    def _notification(self, call: Call) -> Any:
        return plain(200, "Success")

    def _suppress(self, call: Call) -> Any:
        ids = call.field("messageIds")
        if not isinstance(ids, list) or len(ids) > MOST_SUPPRESSED:
            return error(400, "Bad Request: messageIds must be at most 51 ids")
        self._sim.session.suppressed = {str(one) for one in ids}
        return {"status": "submitted"}

    def _suppress_reset(self, call: Call) -> Any:
        self._sim.session.suppressed = set()
        return {"status": "submitted"}

    # -- contracts ---------------------------------------------------------------------------

    def _search(self, call: Call) -> Any:
        symbol = str(call.value("symbol", "")).upper()
        found = self._sim.views.search(symbol, str(call.value("secType", "")).upper())
        if not found:
            return {"error": "No symbol found"}
        self._sim.session.asked.update(f"search {row['conid']}" for row in found)
        return found

    def _searched(self, call: Call) -> int:
        conid = call.value("conid", "")
        if self._sim.config.preconditions and f"search {conid}" not in self._sim.session.asked:
            raise Refusal(error(500, "Please query /secdef/search first"))
        return int(conid)

    def _strikes(self, call: Call) -> Any:
        options = self._sim.views.options(self._searched(call))
        strikes = sorted(float(one.strike) for one in options)
        return {"call": strikes, "put": []}

    def _secdef_info(self, call: Call) -> Any:
        strike = call.value("strike")
        views = self._sim.views
        found = views.options(
            self._searched(call),
            strike=None if strike in (None, "") else float(strike),
            right=str(call.value("right", "")),
        )
        return [views.option(one) for one in found]

    def _rules(self, call: Call) -> Any:
        return self._sim.views.rules(self._market(call.field("conid")))

    def _contract_info(self, call: Call, conid: str) -> Any:
        return self._sim.views.info(self._market(conid).contract)

    def _contract_info_and_rules(self, call: Call, conid: str) -> Any:
        market = self._market(conid)
        views = self._sim.views
        return {**views.info(market.contract), "rules": views.rules(market)}

    def _algos(self, call: Call, conid: str) -> Any:
        self._market(conid)
        return {"algos": [{"name": "Adaptive", "id": "Adaptive"}]}

    def _stocks(self, call: Call) -> Any:
        symbols = str(call.query.get("symbols", "")).upper().split(",")
        return {symbol: self._sim.views.stocks(symbol) for symbol in symbols if symbol}

    def _futures(self, call: Call) -> Any:
        symbols = str(call.query.get("symbols", "")).upper().split(",")
        return {symbol: self._sim.views.futures(symbol) for symbol in symbols if symbol}

    def _definitions(self, call: Call) -> Any:
        conids = str(call.query.get("conids", "")).split(",")
        if len(conids) > MOST_DEFINITIONS:
            return error(400, "Bad Request: too many conids")
        views = self._sim.views
        return {"secdef": [views.definition(self._market(conid).contract) for conid in conids]}

    def _schedule(self, call: Call) -> Any:
        symbol = str(call.query.get("symbol", "")).upper()
        for market in self._sim.exchange.markets.values():
            if market.contract.symbol == symbol:
                return self._sim.views.schedule(market.contract)
        return []

    def _all_conids(self, call: Call) -> Any:
        return [
            {"ticker": one.contract.symbol, "conid": one.contract.conid,
             "exchange": one.contract.listing.split(".")[0]}
            for one in self._sim.exchange.markets.values()
            if one.contract.sec_type == "STK"
        ]  # fmt: skip

    # -- market data -------------------------------------------------------------------------

    def _snapshot(self, call: Call) -> Any:
        conids = [one for one in call.query.get("conids", "").split(",") if one]
        codes = [one for one in call.query.get("fields", "").split(",") if one]
        if not conids or len(conids) > 100 or len(codes) > 50:
            return error(400, "Bad Request: conids or fields")
        return [self._snapshot_of(conid, codes) for conid in conids]

    def _snapshot_of(self, conid: str, codes: list[str]) -> dict[str, Any]:
        sim, market = self._sim, self._market(conid.partition("@")[0])
        now_ns = sim.clock.elapsed_ns()
        opened_ns = sim.session.snapshots.get(market.key)
        empty = {"conidEx": conid, "conid": market.contract.conid}
        if opened_ns is None:
            if sim.open_lines() < sim.config.market_lines:
                sim.session.snapshots[market.key] = now_ns
            return empty
        if not sim.clock.virtual and now_ns - opened_ns < SNAPSHOT_MS * 1e6:
            return empty
        values = market.fields()
        shown = {code: values[code] for code in (*codes, "6509") if code in values}
        if "83" in shown:
            shown["83"] = f"{shown['83']}%"
        return {**market.meta(conid), **shown}

    def _history(self, call: Call) -> Any:
        sim = self._sim
        market = self._market(call.query.get("conid"))
        try:
            found = history(
                market, str(20_477 + sim.next_history()), sim.clock.now_ms(),
                period=call.query.get("period", "1d"), bar=call.query.get("bar", "1h"),
                outside=call.flag("outsideRth"),
            )  # fmt: skip
        except BadHistory as bad:
            return error(500, str(bad), with_status=False)
        return {**found, "travelTime": 48}

    def _unsubscribe(self, call: Call) -> Any:
        conid = call.field("conid")
        for key in list(self._sim.session.snapshots):
            if key == str(conid):
                del self._sim.session.snapshots[key]
                return {"success": True}
        return error(500, "unknown", with_status=False)

    def _unsubscribe_all(self, call: Call) -> Any:
        self._sim.session.snapshots.clear()
        return {"unsubscribed": True}

    # -- portfolio ---------------------------------------------------------------------------

    def _portfolio_accounts(self, call: Call) -> Any:
        self._sim.session.asked.add("portfolio")
        return [self._sim.views.portfolio_account(name) for name in self._sim.exchange.accounts]

    def _portfolio_meta(self, call: Call, account: Account) -> Any:
        return self._sim.views.portfolio_account(account.account_id)

    def _positions(self, call: Call, account: Account, page: str) -> Any:
        return self._portfolio.page(account, int(page)) if page.isdigit() else NOT_FOUND

    def _positions_invalidate(self, call: Call, account: Account) -> Any:
        return {"message": "success"}

    def _position(self, call: Call, account: Account, conid: str) -> Any:
        return self._portfolio.of_contract(account, conid)

    def _positions_of(self, call: Call, conid: str) -> Any:
        accounts = self._sim.exchange.accounts.values()
        return {a.account_id: self._portfolio.of_contract(a, conid) for a in accounts}

    def _positions2(self, call: Call, account: Account) -> Any:
        return self._portfolio.rows2(account)

    def _summary(self, call: Call, account: Account) -> Any:
        return self._portfolio.summary(account)

    def _ledger(self, call: Call, account: Account) -> Any:
        return self._portfolio.ledger(account)

    def _allocation(self, call: Call, account: Account) -> Any:
        return self._portfolio.allocation(account)
