"""The control endpoint `/_sim/...`: what tests in other processes use.

GET   state · connections[?open=true] · requests · actions · subscribes · config · faults
      accounts · orders?user=0x..[&live=true] · fills?user=0x.. · book?coin=C
POST  fault {"fault": ...} · push {"frame", "connection"?} · config {...}
      mark {"coin", "price" | null} · order {"coin", "side", "price", "size", "take"?}
      funding {"coin"?, "rate"?} · liquidate {"user", "coin"?} · advance {"ms"} (virtual clock)
      flush · clear
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import orjson
from aiohttp import web

from . import views
from .faults import KINDS
from .numbers import money

if TYPE_CHECKING:
    from .server import Simulator

__all__ = ["Admin"]

Values = Mapping[str, str]
Body = Mapping[str, Any]


class Admin:
    """Answers `/_sim/...`; a mistake of the caller is status 400 with its reason."""

    def __init__(self, sim: Simulator) -> None:
        self._sim = sim
        record = sim.record
        self._get: dict[str, Callable[[Values], Any]] = {
            "state": self._state,
            "connections": self._connections,
            "requests": lambda query: [
                {**asdict(item), "body": item.body.decode("utf-8", "replace")}
                for item in record.requests
            ],
            "actions": lambda query: [asdict(item) for item in record.actions],
            "subscribes": lambda query: [asdict(item) for item in record.subscribes],
            "config": lambda query: _config(sim),
            "faults": lambda query: {"kinds": KINDS, "applied": sim.faults.applied},
            "accounts": self._accounts,
            "orders": self._orders,
            "fills": lambda query: list(sim.exchange.account(query["user"]).fills),
            "book": self._book,
        }
        self._post: dict[str, Callable[[Body], Awaitable[Any]]] = {
            "fault": self._fault,
            "push": self._push,
            "config": self._configure,
            "mark": self._mark,
            "order": self._order,
            "funding": self._funding,
            "liquidate": self._liquidate,
            "advance": self._advance,
            "flush": self._flush,
            "clear": self._clear,
        }

    async def handle(self, request: web.BaseRequest, path: str, query: str) -> web.Response:
        name = path.removeprefix("/_sim/")
        known = self._get if request.method == "GET" else self._post
        if name not in known:
            return _json({"error": f"unknown: {request.method} {path}"}, 404)
        try:
            if request.method == "GET":
                return _json(self._get[name](dict(parse_qsl(query))))
            body = await request.read()
            values = orjson.loads(body) if body else {}
            if not isinstance(values, dict):
                raise TypeError("the body must be a JSON object")
            return _json(await self._post[name](values))
        except (ValueError, LookupError, TypeError, ArithmeticError) as error:
            return _json({"error": f"{type(error).__name__}: {error}"}, 400)

    # -- reading -----------------------------------------------------------------------------

    def _state(self, query: Values) -> dict[str, Any]:
        """Return clock, counters and prices."""
        sim = self._sim
        return {
            **sim.describe(),
            "scenario": sim.config.scenario,
            "seed": sim.config.seed,
            "server_time_ms": sim.clock.now_ms(),
            "elapsed_ms": sim.clock.elapsed_ns() // 1_000_000,
            "open_connections": len(sim.connections),
            "opened": sim.record.opened,
            "closed": sim.record.closed,
            "hits": dict(sim.record.hits),
            "published": sim.publisher.published,
            "fills": sim.exchange.fill_count,
            "weight_used": sim.limits.weight_used,
            "refusals": sim.limits.refusals,
            "marks": {m.coin: m.price(m.mark) for m in sim.exchange.markets.values()},
        }

    def _connections(self, query: Values) -> list[dict[str, Any]]:
        found = [] if query.get("open") == "true" else list(self._sim.closed_connections)
        return [one.describe() for one in [*found, *self._sim.connections.values()]]

    def _accounts(self, query: Values) -> list[dict[str, Any]]:
        markets = self._sim.exchange.markets
        return [
            {
                "address": account.address,
                "role": "house" if account.house else account.role,
                "usd": money(account.usd),
                "value": money(account.value(markets)),
                "spot": {token: money(amount) for token, amount in account.spot.items()},
                "positions": {
                    market.coin: market.size(position.lots)
                    for market, position in account.open_positions(markets)
                },
                "agents": [agent.address for agent in account.agents.values()],
                "live_orders": len(account.live),
                "fills": len(account.fills),
                "volume": money(account.volume),
                "requests": account.requests,
            }
            for account in self._sim.exchange.accounts.values()
        ]

    def _orders(self, query: Values) -> list[dict[str, Any]]:
        account = self._sim.exchange.account(query["user"])
        orders = account.live if query.get("live") == "true" else account.history
        return [{**order.report(), "state": order.state} for order in orders.values()]

    def _book(self, query: Values) -> dict[str, Any]:
        return views.book(self._sim.exchange, self._sim.market(query["coin"]))

    # -- acting ------------------------------------------------------------------------------

    async def _fault(self, body: Body) -> Any:
        return self._sim.faults.apply(body)

    async def _push(self, body: Body) -> Any:
        return {"sent": self._sim.faults.push(body["frame"], connection=body.get("connection"))}

    async def _configure(self, body: Body) -> Any:
        self._sim.configure(**body)
        return _config(self._sim)

    async def _mark(self, body: Body) -> Any:
        self._sim.set_mark(str(body["coin"]), body["price"])
        return {}

    async def _order(self, body: Body) -> Any:
        order = self._sim.house_order(
            str(body["coin"]),
            str(body["side"]),
            price=str(body["price"]),
            size=str(body["size"]),
            take=bool(body.get("take", False)),
        )
        if order is None:
            return {"filled": "0.0"}
        return {"oid": order.oid, "filled": order.market.size(order.filled_lots)}

    async def _funding(self, body: Body) -> Any:
        self._sim.publisher.pay_funding(body.get("coin"), body.get("rate"))
        self._sim.after_action()
        return {}

    async def _liquidate(self, body: Body) -> Any:
        self._sim.liquidate(str(body["user"]), body.get("coin"))
        return {}

    async def _advance(self, body: Body) -> Any:
        if not self._sim.clock.virtual:
            raise ValueError("the clock follows the machine")
        await self._sim.advance(float(body["ms"]) / 1000)
        return {"server_time_ms": self._sim.clock.now_ms()}

    async def _flush(self, body: Body) -> Any:
        self._sim.flush()
        return {}

    async def _clear(self, body: Body) -> Any:
        self._sim.faults.clear()
        self._sim.record.clear()
        return {}


def _config(sim: Simulator) -> dict[str, Any]:
    values = asdict(sim.config)
    del values["setups"]  # holds private keys; `describe` hands out those of the accounts
    return values


def _json(value: Any, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/json")
