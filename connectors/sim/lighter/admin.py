"""The control endpoint `/_sim/...`: what tests in other processes use.

GET   state · connections[?open=true] · requests · txs · subscribes · config · faults
      accounts · orders?account=N[&live=true] · trades?account=N · book?market=N
POST  fault {"fault": ...} · push {"frame", "connection"?, "channel"?} · config {...}
      mark {"market", "price" | null} · order {"market", "side", "price", "size", "take"?}
      advance {"ms": n} (virtual clock) · liquidate {"account", "market"} · clear
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import orjson
from aiohttp import web

from .errors import Refused
from .faults import KINDS
from .views import book_levels

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
            "txs": lambda query: [asdict(item) for item in record.txs],
            "subscribes": lambda query: [asdict(item) for item in record.subscribes],
            "config": lambda query: _config(sim),
            "faults": lambda query: {"kinds": KINDS, "applied": sim.faults.applied},
            "accounts": lambda query: [a.rest_row() for a in sim.exchange.accounts.values()],
            "orders": self._orders,
            "trades": self._trades,
            "book": self._book,
        }
        self._post: dict[str, Callable[[Body], Awaitable[Any]]] = {
            "fault": self._fault,
            "push": self._push,
            "config": self._configure,
            "mark": self._mark,
            "order": self._order,
            "advance": self._advance,
            "liquidate": self._liquidate,
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
        except (ValueError, LookupError, TypeError, Refused) as error:
            return _json({"error": f"{type(error).__name__}: {error}"}, 400)

    # -- reading -----------------------------------------------------------------------------

    def _state(self, query: Values) -> dict[str, Any]:
        """Return clock, counters and books' nonces."""
        sim = self._sim
        record = sim.record
        return {
            **sim.describe(),
            "scenario": sim.config.scenario,
            "seed": sim.config.seed,
            "server_time_ms": sim.clock.now_ms(),
            "elapsed_ms": sim.clock.elapsed_ns() // 1_000_000,
            "open_connections": len(sim.connections),
            "opened": record.opened,
            "closed": record.closed,
            "hits": dict(record.hits),
            "accepted": record.accepted,
            "refused": record.refused,
            "published": sim.publisher.published,
            "held_acks": sim.transact.held,
            "waiting": sim.admission.waiting,
            "block": sim.exchange.block,
            "channels": sorted(sim.publisher.followers),
            "markets": {
                str(m.market_id): {"nonce": m.nonce, "mark": m.price(m.mark), "offset": m.offset}
                for m in sim.exchange.markets.values()
            },
        }

    def _connections(self, query: Values) -> list[dict[str, Any]]:
        found = [] if query.get("open") == "true" else list(self._sim.closed_connections)
        return [one.describe() for one in [*found, *self._sim.connections.values()]]

    def _orders(self, query: Values) -> list[dict[str, Any]]:
        account = self._sim.exchange.account(int(query["account"]))
        orders = list(account.live.values())
        if query.get("live") != "true":
            orders = [*account.inactive, *orders]
        return [order.row() for order in orders]

    def _trades(self, query: Values) -> list[dict[str, Any]]:
        account = self._sim.exchange.account(int(query["account"]))
        return [trade.row() for trade in account.trades]

    def _book(self, query: Values) -> dict[str, Any]:
        market = self._sim.exchange.market(int(query["market"]))
        book = self._sim.exchange.engine.book(market.key)
        return {
            "nonce": market.nonce,
            "asks": book_levels(market, book.asks()),
            "bids": book_levels(market, book.bids()),
        }

    # -- acting ------------------------------------------------------------------------------

    async def _fault(self, body: Body) -> Any:
        return self._sim.faults.apply(body)

    async def _push(self, body: Body) -> Any:
        sent = self._sim.faults.push(
            body["frame"], connection=body.get("connection"), channel=body.get("channel")
        )
        return {"sent": sent}

    async def _configure(self, body: Body) -> Any:
        self._sim.configure(**body)
        return _config(self._sim)

    async def _mark(self, body: Body) -> Any:
        self._sim.set_mark(int(body["market"]), body["price"])
        return {}

    async def _order(self, body: Body) -> Any:
        order = self._sim.house_order(
            int(body["market"]),
            str(body["side"]),
            price=str(body["price"]),
            size=str(body["size"]),
            take=bool(body.get("take", False)),
        )
        return order.row()

    async def _advance(self, body: Body) -> Any:
        if not self._sim.clock.virtual:
            raise ValueError("the clock follows the machine")
        await self._sim.advance(float(body["ms"]) / 1000)
        return {"server_time_ms": self._sim.clock.now_ms()}

    async def _liquidate(self, body: Body) -> Any:
        self._sim.liquidate(int(body["account"]), int(body["market"]))
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
