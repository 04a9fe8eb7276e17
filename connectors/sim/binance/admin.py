"""The control endpoint `/_sim/...`: what tests in other processes use.

GET   state · connections[?open=true] · requests · book?symbol=S[&at=u] · faults · config
POST  fault {"fault": ...} · script {"steps": [...]} · pause · resume · config {...}
      advance {"ms": n} (virtual clock) · mark {"symbol", "price"}
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import orjson
from aiohttp import web

from .fault_kinds import catalogue

if TYPE_CHECKING:
    from .server import Simulator

__all__ = ["Admin"]

Query = Mapping[str, str]
Body = Mapping[str, Any]


class Admin:
    """Answers `/_sim/...`; a mistake of the caller is status 400 with its reason."""

    def __init__(self, sim: Simulator) -> None:
        self._sim = sim
        self._get: dict[str, Callable[[Query], Any]] = {
            "state": self.state,
            "connections": self._connections,
            "requests": self._requests,
            "book": self._book,
            "faults": lambda query: {"catalogue": catalogue(), "applied": sim.faults.applied},
            "config": lambda query: asdict(sim.config),
        }
        self._post: dict[str, Callable[[Body], Awaitable[Any]]] = {
            "fault": self._fault,
            "script": self._script,
            "pause": self._pause,
            "resume": self._resume,
            "config": self._config,
            "advance": self._advance,
            "mark": self._mark,
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
        except (ValueError, LookupError, TypeError, InvalidOperation) as error:
            return _json({"error": f"{type(error).__name__}: {error}"}, 400)

    # -- reading ---------------------------------------------------------------------------

    def state(self, query: Query) -> dict[str, Any]:
        """Return clock, counters and per-symbol ids."""
        sim = self._sim
        return {
            **sim.describe(),
            "scenario": sim.config.scenario,
            "seed": sim.config.seed,
            "server_time_ms": sim.clock.now_ms(),
            "elapsed_ms": sim.clock.elapsed_ns() // 1_000_000,
            "clock_offset_ms": sim.clock.offset_ns // 1_000_000,
            "paused": sim.market.paused,
            "open_connections": len(sim.connections),
            "channels": sorted(sim.hub.channels),
            "published": sim.hub.published,
            "load_sent": sim.load.sent if sim.load is not None else 0,
            "violations": sim.violations,
            "bans": sim.bans,
            "slow_consumers": sim.slow_consumers,
            "used_weight": sim.limits.used_weight,
            "refusals_429": sim.limits.refusals,
            "bans_418": sim.limits.bans,
            "symbols": {
                symbol: {
                    "status": feed.rules.status,
                    "update_id": feed.update_id,
                    "oldest_update_id": feed.kept_from,
                    "last_trade_id": feed.trades[-1].trade_id if feed.trades else None,
                    "last_agg_id": feed.aggs[-1].agg_id if feed.aggs else None,
                }
                for symbol, feed in sim.market.feeds.items()
            },
        }

    def _connections(self, query: Query) -> list[dict[str, Any]]:
        """List connections, closed ones first unless `open=true`."""
        found = [] if query.get("open") == "true" else list(self._sim.closed_connections)
        found += self._sim.connections.values()
        return [connection.describe() for connection in found]

    def _requests(self, query: Query) -> list[dict[str, Any]]:
        return [
            {
                "ms": request.ms,
                "method": request.method,
                "target": request.target,
                "body": request.body.decode("utf-8", "replace"),
                "api_key_sent": request.api_key_sent,
                "status": request.status,
            }
            for request in self._sim.requests
        ]

    def _book(self, query: Query) -> dict[str, Any]:
        symbol = query.get("symbol", "")
        feed = self._sim.market.feeds.get(symbol)
        if feed is None:
            raise LookupError(f"unknown symbol {symbol!r}")
        view = self._sim.book(symbol, int(query["at"]) if "at" in query else None)
        rules = feed.rules
        return {
            "symbol": symbol,
            "u": view.update_id,
            "bids": [[rules.price_text(p), rules.qty_text(q)] for p, q in view.bids],
            "asks": [[rules.price_text(p), rules.qty_text(q)] for p, q in view.asks],
        }

    # -- acting ----------------------------------------------------------------------------

    async def _fault(self, body: Body) -> Any:
        return self._sim.faults.apply(body)

    async def _script(self, body: Body) -> Any:
        """Play steps at given times after now (BN-M-15).

        A step has `at_ms` and one of: `stream` with `text` (or `frame`, an object), to everybody
        who subscribed it; `fault`, a fault; `set`, settings.
        """
        steps = body["steps"]
        if not isinstance(steps, list):
            raise TypeError("'steps' must be a list")
        for step in steps:
            self._sim.faults.after(float(step.get("at_ms", 0)), self._action(step))
        return {"steps": len(steps)}

    def _action(self, step: Body) -> Callable[[], None]:
        sim = self._sim
        if "fault" in step:
            fault = step["fault"]
            return lambda: _ignore(sim.faults.apply(fault))
        if "set" in step:
            settings = step["set"]
            return lambda: sim.configure(**settings)
        stream = str(step["stream"])
        payload = step["text"].encode() if "text" in step else orjson.dumps(step["frame"])
        return lambda: sim.hub.publish(stream, payload)

    async def _pause(self, body: Body) -> Any:
        self._sim.pause()
        await asyncio.sleep(0)  # what was published leaves before the answer
        symbols = self._sim.market.feeds.items()
        return {"update_ids": {symbol: feed.update_id for symbol, feed in symbols}}

    async def _resume(self, body: Body) -> Any:
        self._sim.resume()
        return {}

    async def _config(self, body: Body) -> Any:
        self._sim.configure(**body)
        return asdict(self._sim.config)

    async def _advance(self, body: Body) -> Any:
        if not self._sim.clock.virtual:
            raise ValueError("the clock follows the machine")
        await self._sim.advance(float(body["ms"]) / 1000)
        return {"server_time_ms": self._sim.clock.now_ms()}

    async def _mark(self, body: Body) -> Any:
        symbol = str(body["symbol"])
        if symbol not in self._sim.market.feeds:
            raise LookupError(f"unknown symbol {symbol!r}")
        self._sim.set_mark_price(symbol, Decimal(str(body["price"])))
        return {}


def _json(value: Any, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/json")


def _ignore(value: object) -> None:
    """Drop the result of an action that runs later."""
