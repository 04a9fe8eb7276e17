"""The simulator: one port for `GET /v4/...`, `GET /v4/ws`, and `/_sim/...`."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import orjson
from aiohttp import web

from ..server import VenueServer
from .admin import Admin
from .blocks import Match
from .chain import Chain
from .config import SimConfig, generated_accounts
from .connection import Connection
from .faults import Faults
from .house import House
from .indexer import Indexer
from .keys import address_of, private_key_of
from .markets import STATUSES, Market
from .orders import Order, Terms
from .record import Record, Request
from .rest import Mistake, Rest

__all__ = ["Simulator", "start"]

BASE = "/v4/"
WS_PATHS = ("/v4/ws", "/v4/ws/", "/", "")


class Simulator(VenueServer[Connection]):
    """A running dYdX simulator; make one with `start`.

    Attributes
    ----------
    accounts
        `mnemonic`, `address` and `subaccount_number` of every wallet.
    chain, indexer, house, rest
        The venue's parts, for tests in the same process.
    """

    venue = "dydx"
    config: SimConfig
    record: Record
    faults: Faults

    def __init__(self, config: SimConfig) -> None:
        super().__init__(config)
        self.random = random.Random(f"dydx-sim/connections/{config.seed}")
        self.record = Record()
        self.faults = Faults(self)
        self.indexer = Indexer(self, self.faults)
        self.chain = Chain(config, self.clock, self.indexer)
        self.indexer.attach(self.chain)
        self.house = House(self.chain)
        self.rest = Rest(self)
        self.admin = Admin(self)
        self.accounts = [
            {
                "mnemonic": setup.mnemonic,
                "address": address_of(private_key_of(setup.mnemonic)),
                "subaccount_number": setup.subaccount_number,
            }
            for setup in generated_accounts(config)
        ]
        self._next_block_ns = int(config.block_ms * 1e6)
        self._next_batch_ns = 0
        self._next_markets_ns = int(config.markets_interval_s * 1e9)
        self._halted = 0
        self._after_block: list[Callable[[], None]] = []

    # -- addresses ---------------------------------------------------------------------------

    @property
    def ws_url(self) -> str:
        return f"{self.ws_origin}/v4/ws"

    def describe(self) -> dict[str, Any]:
        """Return the addresses and accounts a client needs; REST paths begin with `/v4`."""
        return {"http": self.http_url, "ws": self.ws_url, "accounts": self.accounts}

    # -- time --------------------------------------------------------------------------------

    def tick(self, now_ns: int) -> None:
        config = self.config
        self.house.advance(config.rate_per_s)
        if config.block_ms and now_ns >= self._next_block_ns and not self._halted:
            self._next_block_ns = max(self._next_block_ns + int(config.block_ms * 1e6), now_ns)
            self.block()
        if now_ns >= self._next_batch_ns:
            self._next_batch_ns = now_ns + int(config.batch_ms * 1e6)
            for node in self.indexer.nodes:
                node.flush_batches()
        if now_ns >= self._next_markets_ns:
            self._next_markets_ns = now_ns + int(config.markets_interval_s * 1e9)
            self.indexer.update_markets()

    def block(self, heights: int = 1) -> int:
        """Make a block now; return its height. With `heights` above 1 it is not the next one."""
        if heights < 1:
            raise ValueError(f"heights only grow, not by {heights}")
        self.chain.commit(heights)
        waiting, self._after_block = self._after_block, []
        for act in waiting:
            act()
        return self.chain.height

    def after_block(self, act: Callable[[], None]) -> None:
        """Do something behind the next block."""
        self._after_block.append(act)

    def halt(self, ms: float) -> None:
        """Make no block for so long."""
        self._halted += 1

        def go_on() -> None:
            self._halted -= 1

        self.faults.after(ms, go_on)

    # -- by hand -----------------------------------------------------------------------------

    def market(self, ticker: str) -> Market:
        """Return a market. Raises LookupError if there is none of this name."""
        market = self.chain.markets.get(ticker)
        if market is None:
            raise LookupError(f"no market {ticker!r}, there are: {', '.join(self.chain.markets)}")
        return market

    def order(self, uuid: str) -> Order:
        """Return an order by its id. Raises LookupError if there is none."""
        for account in self.chain.subaccounts.values():
            for order in account.orders.values():
                if order.uuid == uuid:
                    return order
        raise LookupError(f"no order {uuid!r}")

    def set_oracle(self, ticker: str, price: str | None) -> None:
        """Pin an oracle price (decimal text), or let it follow the book again (None)."""
        market = self.market(ticker)
        subticks = None if price is None else market.subticks(price)
        self.chain.set_oracle(market, subticks, pinned=price is not None)

    def set_market(
        self,
        ticker: str,
        *,
        status: str | None = None,
        subticks_per_tick: int | None = None,
        step_base_quantums: int | None = None,
    ) -> None:
        """Change a market as governance does, and tell it (5.4)."""
        market = self.market(ticker)
        if subticks_per_tick is not None or step_base_quantums is not None:
            market.subticks_per_tick = subticks_per_tick or market.subticks_per_tick
            market.step_base_quantums = step_base_quantums or market.step_base_quantums
            self.indexer.tell_market(market, market.grid_update())
        if status is not None:
            if status not in STATUSES:
                raise ValueError(f"status is one of {', '.join(STATUSES)}, not {status!r}")
            market.status = status
            self.indexer.tell_market(market, market.full_update())
            if status == "FINAL_SETTLEMENT":
                self._settle(market)

    def _settle(self, market: Market) -> None:
        """Take every order out of a market that ends."""
        for item in self.chain.engine.book(market.ticker).orders():
            order: Order = item.tag
            if order.account.house:
                self.chain.cancel_house(order)
            else:
                self.chain.remove(order, "FINAL_SETTLEMENT")

    def fill(self, order: Order, quantums: int, subticks: int, *, fee: int | None = None) -> None:
        """Let the next block fill an order as maker, against the house."""
        if not 0 < quantums <= order.open_quantums:
            raise ValueError(f"{order.open_quantums} quantums are open, not {quantums}")
        house = self.chain.house
        terms = Terms(0, not order.terms.is_buy, quantums, subticks, time_in_force="IOC")
        taker = Order(house, order.market, terms)
        self.chain.agree(
            Match(
                order.market, taker, order, house, terms.is_buy, quantums, subticks,
                fees=(None, fee),
            )
        )  # fmt: skip

    def liquidate(
        self,
        address: str,
        number: int,
        ticker: str,
        price: str | None = None,
        *,
        fee: int | None = None,
    ) -> None:
        """Let the next block close a position as a liquidation, against the house."""
        account, market = self.chain.subaccount(address, number), self.market(ticker)
        held = account.quantums(ticker)
        if not held:
            raise LookupError(f"{account.name} has no position in {ticker}")
        subticks = market.oracle if price is None else market.subticks(price)
        assert subticks is not None
        terms = Terms(0, held > 0, abs(held), subticks)
        maker = Order(self.chain.house, market, terms)
        self.chain.agree(
            Match(
                market, None, maker, account, held < 0, abs(held), subticks, "LIQUIDATED",
                fees=(fee, None),
            )
        )  # fmt: skip

    # -- requests ----------------------------------------------------------------------------

    async def answer(self, request: web.BaseRequest, path: str, query: str) -> web.StreamResponse:
        if not path.startswith(BASE):
            return web.Response(status=404, text="Not Found")
        if request.method != "GET":
            return _json(404, {"errors": [{"msg": "Not Found"}]})
        name = path.removeprefix(BASE).rstrip("/")
        self.record.hits[name.partition("/")[0]] += 1
        fault = self.faults.take_path(name)
        status, body, headers = self._carry_out(request, name, query)
        if fault is not None:
            status, body = fault.over(status, body)
            if fault.retry_after_s is not None:
                headers["Retry-After"] = str(fault.retry_after_s * 1_000)
            spoilt = await fault.spoil(request, body)
            if spoilt is not None:
                return spoilt
        self.record.requests.append(Request(self.clock.now_ms(), path, query, status))
        kind = "text/html" if body.startswith(b"<") else "application/json"
        return web.Response(body=body, status=status, content_type=kind, headers=headers)

    def _carry_out(
        self, request: web.BaseRequest, name: str, query: str
    ) -> tuple[int, bytes, dict[str, str]]:
        """Carry a request out; return status, body and headers."""
        headers = {"Cache-Control": "public, max-age=1"}
        given = dict(parse_qsl(query, keep_blank_values=True))
        if "rest" in self.config.limits:
            peer = request.remote or ""
            over, told = self.rest.limiter.count(peer, name, self.clock.elapsed_ns())
            headers |= told
            if over:
                return 429, orjson.dumps({"errors": [{"msg": "Too many requests"}]}), headers
        if self._is_blocked(name, given):
            error = {"msg": "This address has been blocked", "code": "COMPLIANCE_BLOCKED"}
            return 403, orjson.dumps({"errors": [error]}), headers
        try:
            return 200, orjson.dumps(self.rest.answer(name, given)), headers
        except Mistake as mistake:
            return mistake.status, orjson.dumps(mistake.body), headers

    def _is_blocked(self, name: str, given: dict[str, str]) -> bool:
        blocked = self.faults.blocked
        if not blocked or name.startswith("compliance/"):
            return False
        return given.get("address") in blocked or not blocked.isdisjoint(name.split("/"))

    # -- websockets --------------------------------------------------------------------------

    def refusal(self, request: web.BaseRequest, path: str, query: str) -> web.Response | None:
        return None if path in WS_PATHS else web.Response(status=404, text="Not Found")

    def accept(self, request: web.BaseRequest, path: str, query: str, number: int) -> Connection:
        nodes = self.indexer.nodes
        return Connection(self, request, number, nodes[(number - 1) % len(nodes)])


def _json(status: int, body: Any) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json")


async def start(config: SimConfig | None = None, **changes: Any) -> Simulator:
    """Start a simulator on the loopback address; it runs until `Simulator.stop`.

    Either a whole `config`, or changes to that of the calm scenario.
    """
    simulator = Simulator(config if config is not None else SimConfig.of(**changes))
    await simulator.start()
    return simulator
