"""A simulated exchange without sockets, with a settable clock and two ready accounts."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from connectors.sim.binance.exchange import Exchange
from connectors.sim.binance.trading import TradingRest
from connectors.sim.binance.types import Cost, Product, SymbolRules
from connectors.sim.binance.wsapi import TradingWs
from connectors.sim.engine_order import EngineOrder, Side
from connectors.sim.matching import ListenerGroup, MatchingEngine

START_NS = 1_795_219_200_000_000_000


def linear(symbol: str = "BTCUSDT", **changes: Any) -> SymbolRules:
    rules = {
        "symbol": symbol,
        "pair": symbol,
        "product": Product.USDM,
        "base_asset": symbol.removesuffix("USDT"),
        "quote_asset": "USDT",
        "margin_asset": "USDT",
        "price_precision": 2,
        "quantity_precision": 3,
        "tick_size": Decimal("0.10"),
        "step_size": Decimal("0.001"),
        "min_price": Decimal("556.80"),
        "max_price": Decimal(4529764),
        "min_qty": Decimal("0.001"),
        "max_qty": Decimal(1000),
        "market_min_qty": Decimal("0.001"),
        "market_max_qty": Decimal(120),
        "market_step_size": Decimal("0.001"),
        "min_notional": Decimal(100),
    }
    return SymbolRules(**(rules | changes))


def inverse(symbol: str = "BTCUSD_PERP", **changes: Any) -> SymbolRules:
    rules = {
        "symbol": symbol,
        "pair": "BTCUSD",
        "product": Product.COINM,
        "base_asset": "BTC",
        "quote_asset": "USD",
        "margin_asset": "BTC",
        "price_precision": 1,
        "quantity_precision": 0,
        "tick_size": Decimal("0.1"),
        "step_size": Decimal(1),
        "min_price": Decimal(1000),
        "max_price": Decimal(4520958),
        "min_qty": Decimal(1),
        "max_qty": Decimal(1000000),
        "market_min_qty": Decimal(1),
        "market_max_qty": Decimal(60000),
        "market_step_size": Decimal(1),
        "contract_size": Decimal(100),
    }
    return SymbolRules(**(rules | changes))


class TradingDesk:
    """An exchange with BTCUSDT, ETHUSDT and BTCUSD_PERP, everything marked at 43000."""

    def __init__(self, **options: Any) -> None:
        self.now_ns = START_NS
        self.group = ListenerGroup()
        self.engine = MatchingEngine(self.group, lambda: self.now_ns)
        self.symbols = {rules.symbol: rules for rules in (linear(), linear("ETHUSDT"), inverse())}
        for symbol in self.symbols:
            self.engine.add_market(symbol)
        self.exchange = Exchange(self.engine, self.symbols, lambda: self.now_ns, **options)
        self.group.listeners.append(self.exchange)
        for symbol in self.symbols:
            self.exchange.set_mark_price(symbol, Decimal(43000))
        self.rest = TradingRest(self.exchange)
        self.frames: list[dict[str, Any]] = []
        self.exchange.user_stream.subscribe(lambda f: self.frames.append(json.loads(f.data)))
        self.charged: list[tuple[str | None, Cost]] = []

    # -- requests --------------------------------------------------------------------------

    def now_ms(self) -> int:
        return self.now_ns // 1_000_000

    def sign(self, payload: str, account: int = 0) -> str:
        secret = self.exchange.credentials[account]["api_secret"]
        return hmac.new(secret.encode(), payload.encode(), hashlib.sha256).hexdigest()

    def send(self, method, path, query=b"", body=b"", *, account=0, headers=None):
        """Send exactly these bytes; returns the Response."""
        if headers is None:
            headers = {"X-MBX-APIKEY": self.exchange.credentials[account]["api_key"]}
        return asyncio.run(self.rest.handle(method, path, query, body, headers))

    def raw(self, method, path, account=0, **params):
        """Sign and send, parameters in the body for POST and PUT; returns the Response."""
        if not path.startswith("/"):
            path = f"/fapi/v1/{path}"
        params = {**params, "timestamp": self.now_ms()}
        payload = "&".join(f"{k}={quote(str(v), safe='')}" for k, v in params.items())
        signed = f"{payload}&signature={self.sign(payload, account)}".encode()
        in_body = method in ("POST", "PUT")
        query, body = (b"", signed) if in_body else (signed, b"")
        return self.send(method, path, query, body, account=account)

    def ok(self, method, path, account=0, **params):
        response = self.raw(method, path, account, **params)
        assert response.status == 200, response.body
        return json.loads(response.body)

    def refused(self, method, path, account=0, **params) -> int:
        """Return the code of a request that must be refused with HTTP 400."""
        response = self.raw(method, path, account, **params)
        assert response.status == 400, response.body
        return json.loads(response.body)["code"]

    def limit(self, side="BUY", price="43000.0", quantity="0.010", account=0, **more):
        values = {
            "symbol": "BTCUSDT",
            "side": side,
            "type": "LIMIT",
            "timeInForce": "GTC",
            "quantity": quantity,
            "price": price,
        }
        return self.ok("POST", "order", account, **(values | more))

    def refused_limit(self, side="BUY", price="43000.0", quantity="0.010", account=0, **more):
        values = {
            "symbol": "BTCUSDT",
            "side": side,
            "type": "LIMIT",
            "timeInForce": "GTC",
            "quantity": quantity,
            "price": price,
        }
        values = {k: v for k, v in (values | more).items() if v is not None}
        return self.refused("POST", "order", account, **values)

    def market(self, side="BUY", quantity="0.010", account=0, **more):
        values = {"symbol": "BTCUSDT", "side": side, "type": "MARKET", "quantity": quantity}
        return self.ok("POST", "order", account, **(values | more))

    def bot(self, side: Side, units: int, price_units: int, symbol: str = "BTCUSDT") -> EngineOrder:
        """Rest an order of nobody in the book."""
        order = EngineOrder(self.engine.next_order_id(), symbol, side, units, price_units)
        self.engine.submit(order)
        return order

    # -- streams and time ------------------------------------------------------------------

    def listen(self, account: int = 0, product: str = "fapi") -> str:
        response = self.send("POST", f"/{product}/v1/listenKey", account=account)
        return json.loads(response.body)["listenKey"]

    def names(self) -> list[str]:
        """Return event names, order updates with their execution type."""
        return [
            f"{f['e']}:{f['o']['x']}" if f["e"] == "ORDER_TRADE_UPDATE" else f["e"]
            for f in self.frames
        ]

    def updates(self) -> list[dict[str, Any]]:
        return [f["o"] for f in self.frames if f["e"] == "ORDER_TRADE_UPDATE"]

    def advance(self, seconds: float) -> None:
        self.now_ns += round(seconds * 1e9)
        self.exchange.tick()

    def mark(self, price: str, symbol: str = "BTCUSDT") -> None:
        self.exchange.set_mark_price(symbol, Decimal(price))
        self.exchange.tick()

    # -- trading websocket -----------------------------------------------------------------

    def session(self, **options: Any) -> TradingWs:
        def charge(api_key, cost):
            self.charged.append((api_key, cost))
            return [{"rateLimitType": "REQUEST_WEIGHT", "count": len(self.charged)}]

        return TradingWs(self.exchange, charge, **options)

    def ws_request(self, method, params, *, account=0, request_id="req-1") -> str:
        key = self.exchange.credentials[account]["api_key"]
        params = {**params, "apiKey": key, "timestamp": self.now_ms()}
        payload = "&".join(f"{k}={params[k]}" for k in sorted(params))
        params["signature"] = self.sign(payload, account)
        return json.dumps({"id": request_id, "method": method, "params": params})

    def ws(self, session, method, params, **options):
        (reply,) = session.handle(self.ws_request(method, params, **options))
        return json.loads(reply)
