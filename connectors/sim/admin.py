"""The control endpoint `/_sim/...` of every simulator: what tests in other processes use.

GET   state · connections[?open=true] · faults · config
POST  fault {"fault": ...} · push {"frame", "connection"?} · config {...}
      advance {"ms": n} (virtual clock) · clear

A venue's `Admin` adds its own names to `reads` and `acts`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qsl

import orjson
from aiohttp import web

if TYPE_CHECKING:
    from .server import VenueServer

__all__ = ["Admin", "Body", "Query", "rows"]

Query = Mapping[str, str]
Body = Mapping[str, Any]


class Admin:
    """Answers `/_sim/...`; a mistake of the caller is status 400 with its reason.

    Attributes
    ----------
    reads, acts
        What GET and POST know, by name. An act may be a coroutine function.
    mistakes
        Exceptions that are the caller's mistake.
    """

    mistakes: ClassVar[tuple[type[Exception], ...]] = (
        ValueError,
        LookupError,
        TypeError,
        ArithmeticError,
    )

    def __init__(self, sim: VenueServer[Any]) -> None:
        self._sim = sim
        self.reads: dict[str, Callable[[Query], Any]] = {
            "state": self.state,
            "connections": self._connections,
            "config": lambda query: sim.config.shown(),
            "faults": lambda query: {"kinds": sim.faults.kinds, "applied": sim.faults.applied},
        }
        self.acts: dict[str, Callable[[Body], Any]] = {
            "fault": sim.faults.apply,
            "push": lambda body: {"sent": sim.faults.push(**body)},
            "config": self._configure,
            "advance": self._advance,
            "clear": self._clear,
        }

    async def handle(self, request: web.BaseRequest, path: str, query: str) -> web.Response:
        name = path.removeprefix("/_sim/")
        reading = request.method == "GET"
        if name not in (self.reads if reading else self.acts):
            return _json({"error": f"unknown: {request.method} {path}"}, 404)
        try:
            if reading:
                return _json(self.reads[name](dict(parse_qsl(query))))
            body = await request.read()
            values = orjson.loads(body) if body else {}
            if not isinstance(values, dict):
                raise TypeError("the body must be a JSON object")
            done = self.acts[name](values)
            return _json(await done if inspect.isawaitable(done) else done)
        except self.mistakes as error:
            return _json({"error": f"{type(error).__name__}: {error}"}, 400)

    def state(self, query: Query) -> dict[str, Any]:
        """Return addresses, clock and counters."""
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
        }

    def _connections(self, query: Query) -> list[dict[str, Any]]:
        """List connections, closed ones first unless `open=true`."""
        found = [] if query.get("open") == "true" else list(self._sim.closed_connections)
        return [one.describe() for one in [*found, *self._sim.connections.values()]]

    def _configure(self, body: Body) -> Any:
        self._sim.configure(**body)
        return self._sim.config.shown()

    async def _advance(self, body: Body) -> Any:
        if not self._sim.clock.virtual:
            raise ValueError("the clock follows the machine")
        await self._sim.advance(float(body["ms"]) / 1000)
        return {"server_time_ms": self._sim.clock.now_ms()}

    def _clear(self, body: Body) -> Any:
        """Take every standing fault off and forget what came in."""
        self._sim.faults.clear()
        self._sim.record.clear()
        return {}


def rows(log: Iterable[Any]) -> list[dict[str, Any]]:
    """Return what a record keeps (dataclasses) as JSON shows it: bytes are text."""
    return [
        {
            name: value.decode("utf-8", "replace") if isinstance(value, bytes) else value
            for name, value in asdict(item).items()
        }
        for item in log
    ]


def _json(value: Any, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/json")
