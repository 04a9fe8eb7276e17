"""The smallest simulator there can be: it says back what it is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aiohttp import web

from connectors.sim.admin import Admin
from connectors.sim.connection import Connection
from connectors.sim.faults import Faults
from connectors.sim.process import changes, option_parser, run
from connectors.sim.record import Record
from connectors.sim.replies import cut, cut_short
from connectors.sim.server import VenueServer
from connectors.sim.settings import Settings

__all__ = ["ToySettings", "ToyVenue", "start"]


@dataclass(slots=True)
class ToySettings(Settings):
    ping_interval_s: float = 0.0


class ToyConnection(Connection):
    """Sends every frame back, as the channel `echo`."""

    def on_data(self, data: str | bytes) -> None:
        text = data if isinstance(data, str) else data.decode()
        for one in self.sim.faults.taps.through("echo", text.encode(), self.send, self.number):
            self.send(one)
        self.handled(text)

    def check(self, now_ns: int) -> None:
        every_s = self.sim.config.ping_interval_s
        if not self.quiet and every_s and self.ping_due(now_ns, every_s):
            self.ping(b"there?")


class ToyVenue(VenueServer[ToyConnection]):
    venue = "toy"

    def __init__(self, config: Settings) -> None:
        super().__init__(config)
        self.record = Record()
        self.faults = Faults(self)
        self.admin = Admin(self)
        self.ticks = 0
        self.fails = False

    def describe(self) -> dict[str, Any]:
        return {"http": self.http_url, "ws": f"{self.ws_origin}/ws", "accounts": []}

    def tick(self, now_ns: int) -> None:
        self.ticks += 1
        if self.fails:
            raise ArithmeticError("the toy broke")

    async def answer(self, request: web.BaseRequest, path: str, query: str) -> web.StreamResponse:
        self.record.hits[path] += 1
        reply, hold = self.faults.take_reply(path), self.faults.take_hold(path)
        status, body = 200, b'{"path":"%b"}' % path.encode()
        if hold is not None:
            await hold.wait()
        if reply is not None:
            if reply.drop:
                return cut(request)
            status, body = reply.over(status, body)
            if reply.truncate:
                return cut_short(request, body)
        return web.Response(status=status, body=body)

    def refusal(self, request: web.BaseRequest, path: str, query: str) -> web.Response | None:
        return None if path == "/ws" else web.Response(status=404)

    def accept(self, request: web.BaseRequest, path: str, query: str, number: int) -> ToyConnection:
        return ToyConnection(self, request, number)


async def start(**settings: Any) -> ToyVenue:
    venue = ToyVenue(ToySettings.of(**settings))
    await venue.start()
    return venue


if __name__ == "__main__":
    parser = option_parser("toy", "A toy.", ToySettings.scenarios)
    given = changes(parser.parse_args())
    raise SystemExit(run(lambda: start(**given)))
