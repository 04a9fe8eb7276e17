"""Trading and account REST of the simulator: security, routing, faults (section 14).

`TradingRest.handle` takes one request as received and returns the reply; sockets, limit counters
and public endpoints belong to the server.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from .account import Account
from .account_commands import AccountCommands
from .algo_commands import AlgoCommands
from .commands import Command, Commands
from .exchange import Exchange
from .order_faults import FaultQueue, OrderFault
from .params import Params, missing, parse_form
from .queries import Queries
from .signing import split_signature
from .types import ApiError, Cost, Product, Response

__all__ = ["Security", "TradingRest", "check_timestamp"]

JSON = "application/json;charset=utf-8"
MAX_RECV_WINDOW_MS = 60_000
DEFAULT_RECV_WINDOW_MS = 5_000
_SIGNING_FIELDS = frozenset({"timestamp", "recvWindow", "signature"})

ONE = Cost(1)


class Security(enum.Enum):
    """What a request must carry (BN-R-01)."""

    KEY = "key"
    SIGNED = "signed"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One route: its handler, security and cost."""

    handler: Command
    security: Security = Security.SIGNED
    cost: Cost = ONE
    cost_without_symbol: Cost | None = None
    order_command: bool = False  # order faults apply


def check_timestamp(timestamp: str | None, recv_window: str | None, now_ms: int) -> None:
    """Check a request's time against the window (BN-R-02)."""
    if not timestamp:
        raise missing("timestamp")
    window = DEFAULT_RECV_WINDOW_MS
    if recv_window is not None:
        if not recv_window.isdecimal():
            raise missing("recvWindow")
        window = int(recv_window)
        if window > MAX_RECV_WINDOW_MS:
            raise ApiError(-1131, "recvWindow must be less than 60000")
    if not timestamp.isdecimal() or len(timestamp) > 19:
        raise missing("timestamp")
    sent = int(timestamp)
    if sent >= now_ms + 1000:
        raise ApiError(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    if now_ms - sent > window:
        raise ApiError(-1021, "Timestamp for this request is outside of the recvWindow.")


class TradingRest:
    """Signed and key-only endpoints of `/fapi` and `/dapi`.

    `faults` is the queue of order faults. `strict` refuses parameters an endpoint does not
    know; switch it off for a client that sends more than it has to.
    """

    def __init__(self, exchange: Exchange, *, strict: bool = True) -> None:
        self.exchange = exchange
        self.strict = strict
        self.faults = FaultQueue()
        self._routes = _routes(exchange)

    def serves(self, method: str, path: str) -> bool:
        """Whether this object and not the public part answers a request."""
        return (method, path) in self._routes

    def cost(self, method: str, path: str, query: bytes) -> Cost:
        """Return what a request will count, so the server can refuse it before it is done."""
        endpoint = self._routes.get((method, path))
        if endpoint is None:
            return Cost(1)
        without = endpoint.cost_without_symbol
        if without is not None and b"symbol=" not in b"&" + query:
            return without
        return endpoint.cost

    async def handle(
        self,
        method: str,
        path: str,
        query: bytes,
        body: bytes,
        headers: Mapping[str, str],
    ) -> Response:
        """Answer one request.

        Parameters
        ----------
        path
            Without the query string, for example `/fapi/v1/order`.
        query, body
            The bytes as received, not decoded: the signature covers exactly these (BN-M-10).
        headers
            Names in any letter case.
        """
        cost = self.cost(method, path, query)
        api_key = _header(headers, "x-mbx-apikey")
        fault: OrderFault | None = None
        try:
            endpoint = self._routes.get((method, path))
            if endpoint is None:
                raise self._unrouted(path)
            account, params = self.authenticate(endpoint.security, api_key, query, body)
            if endpoint.order_command:
                fault = self.faults.take(_command_name(method))
            if fault is None or fault.executes:
                reply = endpoint.handler(account, _product(path), params)
            error = fault.error(self.exchange.now_ms()) if fault is not None else None
            if error is not None:
                raise error
            response = Response(200, orjson.dumps(reply), {"Content-Type": JSON})
        except ApiError as error:
            text = orjson.dumps({"code": error.code, "msg": error.message})
            response = Response(error.status, text, {"Content-Type": JSON, **error.headers})
        response.cost = cost
        response.api_key = api_key
        if fault is not None:
            _apply(fault, response)
        return response

    def authenticate(
        self, security: Security, api_key: str | None, query: bytes, body: bytes
    ) -> tuple[Account, Params]:
        """Check key, time and signature; return the account and the remaining parameters."""
        if not api_key or not 10 <= len(api_key) <= 128 or not api_key.isalnum():
            raise ApiError(-2014, "API-key format invalid.", status=401)
        known = self.exchange.keys.get(api_key)
        if known is None:
            raise ApiError(-2015, "Invalid API-key, IP, or permissions for action.", status=401)
        key, account = known
        form = parse_form(query, body)
        if security is Security.SIGNED:
            if "signature" not in form:
                raise missing("signature")
            now_ms = self.exchange.now_ms()
            check_timestamp(form.get("timestamp"), form.get("recvWindow"), now_ms)
            payload, signature = split_signature(query, body)
            plain_ascii = payload.isascii()  # BN-G-03: anything else must come percent-encoded
            if signature is None or not plain_ascii or not key.verify(payload, signature):
                raise ApiError(-1022, "Signature for this request is not valid.")
        values = {name: text for name, text in form.items() if name not in _SIGNING_FIELDS}
        return account, Params(values, strict=self.strict)

    def _unrouted(self, path: str) -> ApiError:
        if any(path == known for _, known in self._routes):
            return ApiError(-1099, "Method not allowed.", status=405)
        return ApiError(-5000, f"Path {path}, Method is invalid", status=404)


def _header(headers: Mapping[str, str], name: str) -> str | None:
    return next((text for key, text in headers.items() if key.lower() == name), None)


def _product(path: str) -> Product:
    return Product.COINM if path.startswith("/dapi/") else Product.USDM


def _command_name(method: str) -> str:
    return {"POST": "place", "PUT": "modify", "DELETE": "cancel"}.get(method, "query")


def _apply(fault: OrderFault, response: Response) -> None:
    if fault.kind == "lost":
        response.drop = True
    elif fault.kind == "late":
        response.delay_s = fault.delay_s
    elif fault.kind == "headers_missing":
        response.count_headers = False
    elif fault.kind == "no_result":
        response.body = b""
    elif fault.kind == "502_html":
        response.status = 502
        response.body = b"<html>502 Bad Gateway</html>"
        response.headers = {"Content-Type": "text/html"}


def _routes(exchange: Exchange) -> dict[tuple[str, str], Endpoint]:
    """Return every endpoint by (method, path), with the weights of 14.1."""
    orders = Commands(exchange)
    queries = Queries(exchange)
    algos = AlgoCommands(exchange)
    accounts = AccountCommands(exchange)
    streams = exchange.user_stream
    one_order = Cost(0, 1, 1)
    batch = Cost(5, 5, 1)

    def versioned(handler: Callable[..., Any], version: int) -> Command:
        return lambda account, product, params: handler(account, product, params, version)

    def open_key(account: Account, product: Product, params: Params) -> dict[str, str]:
        return {"listenKey": streams.open(account, product)}

    def keep_key(account: Account, product: Product, params: Params) -> dict[str, str]:
        key = streams.keep_alive(account, product)
        return {} if streams.key_faults.empty_put_reply else {"listenKey": key}

    def close_key(account: Account, product: Product, params: Params) -> dict[str, str]:
        streams.close(account, product)
        return {}

    def placing(handler: Command, cost: Cost) -> Endpoint:
        return Endpoint(handler, cost=cost, order_command=True)

    both: dict[tuple[str, str], Endpoint] = {
        ("POST", "order"): placing(orders.place, one_order),
        ("POST", "batchOrders"): placing(orders.place_batch, batch),
        ("PUT", "order"): placing(orders.modify, one_order),
        ("PUT", "batchOrders"): placing(orders.modify_batch, batch),
        ("DELETE", "order"): placing(orders.cancel, Cost(1)),
        ("DELETE", "batchOrders"): placing(orders.cancel_batch, Cost(1)),
        ("DELETE", "allOpenOrders"): placing(orders.cancel_all, Cost(1)),
        ("POST", "countdownCancelAll"): Endpoint(orders.countdown, cost=Cost(10)),
        ("GET", "order"): Endpoint(queries.query),
        ("GET", "openOrder"): Endpoint(queries.open_order),
        ("GET", "openOrders"): Endpoint(queries.open_orders, cost_without_symbol=Cost(40)),
        ("GET", "allOrders"): Endpoint(queries.all_orders, cost=Cost(5)),
        ("GET", "userTrades"): Endpoint(queries.user_trades, cost=Cost(5)),
        ("POST", "algoOrder"): placing(algos.place, one_order),
        ("DELETE", "algoOrder"): placing(algos.cancel, Cost(1)),
        ("GET", "algoOrder"): Endpoint(algos.query),
        ("GET", "openAlgoOrders"): Endpoint(algos.open_orders, cost_without_symbol=Cost(40)),
        ("GET", "allAlgoOrders"): Endpoint(algos.all_orders, cost=Cost(5)),
        ("DELETE", "algoOpenOrders"): placing(algos.cancel_all, Cost(1)),
        ("GET", "accountConfig"): Endpoint(accounts.account_config, cost=Cost(5)),
        ("GET", "symbolConfig"): Endpoint(accounts.symbol_config, cost=Cost(5)),
        ("GET", "positionSide/dual"): Endpoint(accounts.position_mode, cost=Cost(30)),
        ("POST", "positionSide/dual"): Endpoint(accounts.set_position_mode),
        ("GET", "multiAssetsMargin"): Endpoint(accounts.multi_assets, cost=Cost(30)),
        ("POST", "multiAssetsMargin"): Endpoint(accounts.set_multi_assets),
        ("GET", "leverageBracket"): Endpoint(versioned(accounts.leverage_brackets, 1)),
        ("GET", "commissionRate"): Endpoint(accounts.commission_rate, cost=Cost(20)),
        ("GET", "rateLimit/order"): Endpoint(accounts.order_limits),
        ("POST", "leverage"): Endpoint(accounts.set_leverage),
        ("POST", "marginType"): Endpoint(accounts.set_margin_type),
        ("POST", "positionMargin"): Endpoint(accounts.set_position_margin),
        ("GET", "forceOrders"): Endpoint(
            accounts.force_orders, cost=Cost(20), cost_without_symbol=Cost(50)
        ),
        ("POST", "listenKey"): Endpoint(open_key, Security.KEY),
        ("PUT", "listenKey"): Endpoint(keep_key, Security.KEY),
        ("DELETE", "listenKey"): Endpoint(close_key, Security.KEY),
    }
    routes = {
        (method, f"/{prefix}/v1/{name}"): endpoint
        for (method, name), endpoint in both.items()
        for prefix in ("fapi", "dapi")
    }
    routes["POST", "/fapi/v1/order/test"] = Endpoint(orders.test)
    for name, handler in (
        ("positionRisk", accounts.position_risk),
        ("balance", accounts.balance),
        ("account", accounts.account),
    ):
        for version in (2, 3):
            path = f"/fapi/v{version}/{name}"
            routes["GET", path] = Endpoint(versioned(handler, version), cost=Cost(5))
        weight = Cost(5 if name == "account" else 1)
        routes["GET", f"/dapi/v1/{name}"] = Endpoint(versioned(handler, 1), cost=weight)
    routes["GET", "/dapi/v2/leverageBracket"] = Endpoint(versioned(accounts.leverage_brackets, 2))
    return routes
