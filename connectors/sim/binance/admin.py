"""The control endpoint `/_sim/...`: what tests in other processes use.

GET   state · connections[?open=true] · requests · book?symbol=S[&at=u] · faults · config
POST  fault {"fault": ...} · script {"steps": [...]} · pause · resume · config {...}
      advance {"ms": n} (virtual clock) · mark {"symbol", "price"}
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import orjson

from .. import admin
from ..admin import Body, Query, rows
from .fault_kinds import catalogue

if TYPE_CHECKING:
    from .server import Simulator

__all__ = ["Admin"]


class Admin(admin.Admin):
    """Adds the venue's market, its requests and scripts."""

    _sim: Simulator

    def __init__(self, sim: Simulator) -> None:
        super().__init__(sim)
        self.reads |= {
            "requests": lambda query: rows(sim.requests),
            "book": self._book,
            "faults": lambda query: {"catalogue": catalogue(), "applied": sim.faults.applied},
        }
        self.acts |= {
            "script": self._script,
            "pause": self._pause,
            "resume": self._resume,
            "mark": self._mark,
        }

    # -- reading ---------------------------------------------------------------------------

    def state(self, query: Query) -> dict[str, Any]:
        sim = self._sim
        return {
            **super().state(query),
            "clock_offset_ms": sim.clock.offset_ns // 1_000_000,
            "paused": sim.market.paused,
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

    def _script(self, body: Body) -> Any:
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

    def _resume(self, body: Body) -> Any:
        self._sim.resume()
        return {}

    def _mark(self, body: Body) -> Any:
        symbol = str(body["symbol"])
        if symbol not in self._sim.market.feeds:
            raise LookupError(f"unknown symbol {symbol!r}")
        self._sim.set_mark_price(symbol, Decimal(str(body["price"])))
        return {}


def _ignore(value: object) -> None:
    """Drop the result of an action that runs later."""
