"""Trading websocket of the simulator (section 13), on the same commands as REST.

One `TradingWs` belongs to one connection: texts in, replies out, no socket.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Any

import orjson

from .account import Account
from .account_commands import AccountCommands
from .algo_commands import AlgoCommands
from .commands import Command, Commands
from .exchange import Exchange
from .order_faults import FaultQueue, OrderFault
from .params import Params, missing
from .queries import Queries
from .signing import ws_payloads
from .trading import check_timestamp
from .types import ApiError, Charge, Cost, Product

__all__ = ["TradingWs"]

ORDER = Cost(0, 1, 1)
_SIGNING_FIELDS = frozenset({"apiKey", "signature", "timestamp", "recvWindow", "returnRateLimits"})
_COMMANDS = {"order.place": "place", "order.modify": "modify", "order.cancel": "cancel"}

Public = Callable[[str, Product, dict[str, Any]], tuple[Any, Cost]]


@dataclass(slots=True)
class _Turn:
    """What one request leaves for its reply besides the result."""

    with_limits: bool
    limits: list[dict[str, object]] = field(default_factory=list)
    fault: OrderFault | None = None


class TradingWs:
    """One connection of the trading websocket.

    Parameters
    ----------
    exchange
        Accounts and orders.
    charge
        Counts a request and returns the `rateLimits` of its reply; raises `ApiError` 429.
    product
        USDM for `/ws-fapi/v1`, COINM for `/ws-dapi/v1`.
    faults
        Order faults (BN-M-38), shared by all connections; None for none.
    public
        Answers `depth`, `ticker.price` and `ticker.book` with (result, cost); None refuses them.
    signature_form
        What a signature may cover: `plain`, `encoded` or `both` (BN-M-10).
    return_rate_limits
        The connection's default, from its query string (BN-W-03).
    """

    PUBLIC = frozenset({"depth", "ticker.price", "ticker.book"})

    def __init__(
        self,
        exchange: Exchange,
        charge: Charge,
        *,
        product: Product = Product.USDM,
        faults: FaultQueue | None = None,
        public: Public | None = None,
        signature_form: str = "both",
        return_rate_limits: bool = True,
    ) -> None:
        self._exchange = exchange
        self._charge = charge
        self._product = product
        self._public = public
        self._signature_form = signature_form
        self._return_rate_limits = return_rate_limits
        self._logged_on: tuple[str, Account, int] | None = None
        self._late: list[tuple[int, int, bytes]] = []  # heap of (due_ms, order, reply)
        self._late_count = 0
        self._methods = _methods(exchange, product)
        self.faults = faults if faults is not None else FaultQueue()

    def handle(self, text: str | bytes) -> list[bytes]:
        """Answer one message: its reply, or nothing if a fault loses or delays it."""
        try:
            request = orjson.loads(text)
        except orjson.JSONDecodeError:
            return [_dump({"id": None, "status": 400, "error": _error(-1000, "Invalid JSON")})]
        if not isinstance(request, dict) or not isinstance(request.get("method"), str):
            error = _error(-1000, "Request must be an object with id, method and params.")
            return [_dump({"id": None, "status": 400, "error": error})]
        request_id = request.get("id")
        if not _valid_id(request_id):
            error = _error(-1135, "Invalid id: expected an integer, a string or null.")
            return [_dump({"id": None, "status": 400, "error": error})]
        turn = _Turn(with_limits=self._return_rate_limits)
        reply: dict[str, Any] = {"id": request_id, "status": 200}
        try:
            reply["result"] = self._answer(request["method"], request.get("params", {}), turn)
        except ApiError as error:
            reply["status"] = error.status
            reply["error"] = _error(error.code, error.message)
            if error.status == 418:
                reply["error"]["data"] = self._ban_data(error)
        kind = turn.fault.kind if turn.fault is not None else None
        if kind in ("502_html", "no_result"):
            reply.pop("result", None)
            reply.pop("error", None)
            reply["status"] = 502 if kind == "502_html" else 200
        if turn.with_limits and turn.limits and kind != "headers_missing":
            reply["rateLimits"] = turn.limits
        return self._finish(_dump(reply), turn.fault)

    def _answer(self, method: str, params: Any, turn: _Turn) -> Any:
        """Return the result of a request, noting in `turn` what the reply needs besides."""
        if not isinstance(params, dict):
            raise ApiError(-1130, "Data sent for parameter 'params' is not valid.")
        wanted = str(params.get("returnRateLimits", turn.with_limits)).lower()
        turn.with_limits = wanted == "true"
        if method in self.PUBLIC and self._public is not None:
            result, cost = self._public(method, self._product, params)
            turn.limits = self._charge(None, cost)
            return result
        if method in ("ping", "time"):
            turn.limits = self._charge(None, Cost(1))
            return {} if method == "ping" else {"serverTime": self._exchange.now_ms()}
        if method.startswith("session."):
            turn.limits = self._charge(None, Cost(2 if method == "session.logon" else 1))
            return self._session(method, params)
        handler, cost = self._route(method)
        account, api_key = self._authenticate(method, params)
        turn.limits = self._charge(api_key, cost)
        if method in _COMMANDS:
            turn.fault = self.faults.take(_COMMANDS[method])
        fault = turn.fault
        result = None
        if fault is None or fault.executes:
            rest = {name: v for name, v in params.items() if name not in _SIGNING_FIELDS}
            result = handler(account, self._product, Params(rest))
        trouble = fault.error(self._exchange.now_ms()) if fault is not None else None
        if trouble is not None:
            raise trouble
        return result

    def poll(self) -> list[bytes]:
        """Return the replies that a fault held back and that are due now."""
        now = self._exchange.now_ms()
        due = []
        while self._late and self._late[0][0] <= now:
            due.append(heappop(self._late)[2])
        return due

    def _finish(self, reply: bytes, fault: OrderFault | None) -> list[bytes]:
        if fault is None or fault.kind not in ("lost", "late"):
            return [reply]
        if fault.kind == "late":
            self._late_count += 1
            due = self._exchange.now_ms() + round(fault.delay_s * 1000)
            heappush(self._late, (due, self._late_count, reply))
        return []

    def _ban_data(self, error: ApiError) -> dict[str, int]:
        now = self._exchange.now_ms()
        wait_s = int(error.headers.get("Retry-After", "0"))
        return {"serverTime": now, "retryAfter": now + wait_s * 1000}

    def _route(self, method: str) -> tuple[Command, Cost]:
        route = self._methods.get(method)
        if route is None:
            raise ApiError(-1000, f"Unknown method '{method}'.", status=404)
        return route

    def _authenticate(self, method: str, params: dict[str, Any]) -> tuple[Account, str]:
        """Check key, time and signature; a logged-on session needs only the time (BN-W-06)."""
        api_key = params.get("apiKey")
        if api_key is None and self._logged_on is not None:
            logged_on_key, account, _ = self._logged_on
            if "signature" not in params:
                if not method.startswith("userDataStream."):
                    self._check_time(params)
                return account, logged_on_key
            api_key = logged_on_key
        if not isinstance(api_key, str) or not api_key:
            raise missing("apiKey")
        known = self._exchange.keys.get(api_key)
        if known is None:
            raise ApiError(-2015, "Invalid API-key, IP, or permissions for action.", status=401)
        key, account = known
        if method.startswith("userDataStream."):  # BN-U-05: the key alone
            return account, api_key
        self._check_time(params)
        signature = params.get("signature")
        if not isinstance(signature, str) or not signature:
            raise missing("signature")
        payloads = ws_payloads(params, self._signature_form)
        if not any(key.verify(payload, signature) for payload in payloads):
            raise ApiError(-1022, "Signature for this request is not valid.")
        return account, api_key

    def _check_time(self, params: dict[str, Any]) -> None:
        window = params.get("recvWindow")
        check_timestamp(
            _digits(params.get("timestamp")),
            None if window is None else _digits(window),
            self._exchange.now_ms(),
        )

    def _session(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """Log on, tell or log off (BN-W-06); only Ed25519 keys may log on."""
        if method == "session.logon":
            account, api_key = self._authenticate(method, params)
            if self._exchange.keys[api_key][0].kind != "ed25519":
                raise ApiError(-4056, "Only Ed25519 API keys are supported for this operation.")
            self._logged_on = (api_key, account, self._exchange.now_ms())
        elif method == "session.logout":
            self._logged_on = None
        elif method != "session.status":
            raise ApiError(-1000, f"Unknown method '{method}'.", status=404)
        logged_on = self._logged_on
        return {
            "apiKey": logged_on[0] if logged_on else None,
            "authorizedSince": logged_on[2] if logged_on else None,
            "returnRateLimits": self._return_rate_limits,
            "serverTime": self._exchange.now_ms(),
        }


def _methods(exchange: Exchange, product: Product) -> dict[str, tuple[Command, Cost]]:
    """Return the methods with their costs (BN-W-04)."""
    orders = Commands(exchange)
    algos = AlgoCommands(exchange)
    accounts = AccountCommands(exchange)
    streams = exchange.user_stream
    usdm = product is Product.USDM
    five, one = Cost(5), Cost(1)

    def versioned(handler: Callable[..., Any], version: int) -> Command:
        return lambda account, product, params: handler(account, product, params, version)

    def start(account: Account, product: Product, params: Params) -> dict[str, str]:
        return {"listenKey": streams.open(account, product)}

    def ping(account: Account, product: Product, params: Params) -> dict[str, str]:
        return {"listenKey": streams.keep_alive(account, product)}

    def stop(account: Account, product: Product, params: Params) -> dict[str, str]:
        streams.close(account, product)
        return {}

    # Version 1 of these methods has the fields of version 2 of the REST reply.
    first = 2 if usdm else 1
    methods: dict[str, tuple[Command, Cost]] = {
        "order.place": (orders.place, ORDER),
        "order.modify": (orders.modify, ORDER),
        "order.cancel": (orders.cancel, one),
        "order.status": (Queries(exchange).query, one),
        "account.position": (versioned(accounts.position_risk, first), five),
        "account.balance": (versioned(accounts.balance, first), five),
        "account.status": (versioned(accounts.account, first), five),
        "userDataStream.start": (start, one),
        "userDataStream.ping": (ping, one),
        "userDataStream.stop": (stop, one),
    }
    if usdm:
        methods |= {
            "algoOrder.place": (algos.place, ORDER),
            "algoOrder.cancel": (algos.cancel, one),
            "v2/account.position": (versioned(accounts.position_risk, 3), five),
            "v2/account.balance": (versioned(accounts.balance, 3), five),
            "v2/account.status": (versioned(accounts.account, 3), five),
        }
    return methods


def _valid_id(request_id: object) -> bool:
    if request_id is None:
        return True
    if isinstance(request_id, str):
        return len(request_id) <= 36
    return isinstance(request_id, int) and not isinstance(request_id, bool)


def _digits(value: object) -> str | None:
    return None if value is None else str(value)


def _error(code: int, message: str) -> dict[str, Any]:
    return {"code": code, "msg": message}


def _dump(reply: dict[str, Any]) -> bytes:
    return orjson.dumps(reply)
