"""Script and faults: what only this venue does on command (18.4 "Transport" and "Indexer")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from .. import faults, taps
from ..engine_order import Side
from ..faults import COMMON_FAULTS
from ..replies import Reply, as_payload
from . import topics, views
from .ids import iso
from .orders import Order, Terms
from .taps import Tap

if TYPE_CHECKING:
    from .server import Simulator

__all__ = ["KINDS", "Faults"]

BAD_GATEWAY = "<html><head><title>502 Bad Gateway</title></head><body></body></html>"
BLOCKED = (
    "Because this address appears to be a resident of, or trading from, a jurisdiction that "
    "violates our terms of use, or has engaged in activity that violates our terms of use, this "
    "address has been blocked."
)
KINDS = (
    *COMMON_FAULTS, "block_address", "cross", "foreign_fill", "halt", "height_back", "next_reply",
    "proposer_fill", "repeat_fill", "skip_ids", "sparse_removal", "stale_height",
    "subscribe_error",
)  # fmt: skip
_TAPPED = (topics.ORDERBOOK, topics.TRADES, topics.SUBACCOUNTS, topics.BLOCK_HEIGHT)


class Faults(faults.Faults):
    """Adds answers of REST, subscribes that fail, books that cross, blocks that stand still.

    A tap's `prefix` is the beginning of `channel:id`, of `subscribed channel:id`, or of
    `connected`, `error` and `unsubscribed channel:id`.
    """

    _sim: Simulator
    kinds: ClassVar[tuple[str, ...]] = KINDS
    tap_type: ClassVar[type[taps.Tap]] = Tap

    def __init__(self, sim: Simulator) -> None:
        super().__init__(sim)
        self.blocked: set[str] = set()

    def make(self, kind: str) -> None:
        if kind in Tap.actions:
            prefix = self.random.choice(_TAPPED)
            self.apply({"fault": "tap", "prefix": prefix, "action": kind})
        elif kind == "cross":
            ticker = self.random.choice(list(self._sim.chain.markets))
            self.apply({"fault": "cross", "ticker": ticker, "ms": 1_500})
        elif kind == "subscribe_error":
            self.apply({"fault": "subscribe_error", "channel": topics.ORDERBOOK})
        else:
            super().make(kind)

    def clear(self) -> None:
        super().clear()
        self.blocked.clear()
        self._sim.indexer.stale_height = False

    # -- subscriptions -----------------------------------------------------------------------

    def subscribe_error(
        self,
        channel: str,
        id: str | None = None,
        *,
        text: str | None = None,
        never: bool = False,
        count: int | None = 1,
    ) -> None:
        """Let the next subscribes fail (`count` null: all), or with `never` stay unanswered."""
        if channel not in topics.CHANNELS:
            raise ValueError(f"unknown channel {channel!r}")
        if text is None:
            text = f"Internal error, could not fetch data for subscription: {channel}."
        name = topics.topic(channel, id)
        self.replies.append(Reply(f"subscribe {name}", body=text.encode(), drop=never, count=count))

    def take_subscribe(self, channel: str, name: str) -> Reply | None:
        """Return the fault that stands on a topic, or on its whole channel."""
        found: Reply | None = self.take_reply(f"subscribe {name}")
        if found is None and name != channel:
            found = self.take_reply(f"subscribe {channel}")
        return found

    def block_address(self, address: str) -> None:
        """Let compliance block an address: subscribes fail for good, REST answers 403."""
        self.blocked.add(address)

    def skip_ids(self, count: int = 1, connection: int | None = None) -> None:
        """Go on with other message ids: a real gap, or below zero ids that were there before."""
        for chosen in self.chosen(connection):
            chosen.skip_ids(count)

    # -- REST --------------------------------------------------------------------------------

    def next_reply(
        self,
        path: str = "*",
        *,
        status: int | None = None,
        body: Any = None,
        delay_s: float = 0.0,
        lose: bool = False,
        truncate: bool = False,
        probability: float = 1.0,
        count: int | None = 1,
    ) -> None:
        """Bend the next answers of a path behind `/v4/` (`orders`, `*` for any).

        429 and 403 have the venue's own bodies unless another is given, 5xx those of a balancer.
        """
        if body is None and status is not None:
            body = _BODIES.get(status, BAD_GATEWAY if status >= 500 else {"errors": []})
        self.replies.append(
            Reply(
                path, status, None if body is None else as_payload(body), delay_s, drop=lose,
                truncate=truncate, probability=probability, count=count,
                retry_after_s=1 if status == 429 else None,
            )
        )  # fmt: skip

    def take_path(self, path: str) -> Reply | None:
        """Return the fault that stands on a path of REST, or on all of them."""
        found: Reply | None = self.take_reply(path)
        return self.take_reply("*") if found is None else found

    # -- books and heights -------------------------------------------------------------------

    def cross(self, ticker: str, ms: float = 1_000, ticks: int = 2, side: str = "buy") -> str:
        """Let the nodes' books cross by a level nobody placed, for so long; return its price."""
        sim = self._sim
        market = sim.market(ticker)
        book = sim.chain.engine.book(ticker)
        of = Side.BUY if side == "buy" else Side.SELL
        best = book.best_ask if of is Side.BUY else book.best_bid
        if best is None:
            raise LookupError(f"{ticker} has no level to cross")
        price = best + int(of) * (ticks - 1) * market.subticks_per_tick
        sim.indexer.on_level(market, of, price, 10 * market.step_base_quantums)

        def restore() -> None:
            sim.indexer.on_level(market, of, price, book.size_at(of, price))

        self.after(ms, restore)
        return market.price(price)

    def stale_height(self, ms: float | None = None) -> None:
        """Tell of no more heights, for so long or until `clear`; blocks go on."""
        indexer = self._sim.indexer
        indexer.stale_height = True
        if ms is not None:

            def again() -> None:
                indexer.stale_height = False

            self.after(ms, again)

    def height_back(self, blocks: int = 5) -> int:
        """Tell a height that was there before; return it."""
        chain = self._sim.chain
        height = chain.height - blocks
        contents = {"blockHeight": str(height), "time": iso(chain.time_ms)}
        self._sim.indexer.tell(topics.BLOCK_HEIGHT, None, contents)
        return height

    def halt(self, ms: float) -> None:
        """Make no block for so long, as in an upgrade of the protocol."""
        self._sim.halt(ms)

    # -- accounts ----------------------------------------------------------------------------

    def sparse_removal(
        self,
        address: str,
        client_id: int,
        *,
        subaccount_number: int = 0,
        ticker: str = "BTC-USD",
        flags: int = 0,
        reason: str = "USER_CANCELED",
    ) -> None:
        """Tell the removal of an order nobody has seen (5.6.4)."""
        sim = self._sim
        account = sim.chain.subaccount(address, subaccount_number)
        ghost = Order(account, sim.market(ticker), Terms(client_id, True, 0, 0, flags))
        sim.indexer.on_unknown_removed(ghost, reason)

    def proposer_fill(self, order: str, size: str | None = None, price: str | None = None) -> None:
        """Let the next block fill an order (its id), canceled here or not: the proposer had it."""
        sim = self._sim
        found = sim.order(order)
        market = found.market
        quantums = found.open_quantums if size is None else market.quantums(size)
        subticks = found.terms.subticks if price is None else market.subticks(price)
        sim.fill(found, quantums, subticks)

    def foreign_fill(
        self,
        address: str,
        *,
        subaccount_number: int = 0,
        ticker: str = "BTC-USD",
        side: str = "buy",
        size: str,
        price: str,
        client_id: int | None = None,
        open_after: bool = False,
    ) -> str:
        """Let the next block fill an order that was never announced; return its id.

        With `open_after` it is told as opened behind its fill.
        """
        sim = self._sim
        account, market = sim.chain.subaccount(address, subaccount_number), sim.market(ticker)
        terms = Terms(
            self.random.getrandbits(32) if client_id is None else client_id, side == "buy",
            market.quantums(size), market.subticks(price),
            good_til_block=sim.chain.height + sim.config.short_block_window,
        )  # fmt: skip
        order = Order(account, market, terms)
        account.orders[order.order_id] = order
        sim.fill(order, terms.quantums, terms.subticks)
        if open_after:
            sim.after_block(lambda: sim.indexer.on_opened(order))
        return order.uuid

    def repeat_fill(self, address: str, subaccount_number: int = 0) -> str:
        """Tell the last fill of a subaccount again; return its id."""
        sim = self._sim
        account = sim.chain.subaccount(address, subaccount_number)
        if not account.fills:
            raise LookupError(f"{account.name} has no fill")
        last = account.fills[-1]
        contents = {"fills": [views.fill(last, account)], "blockHeight": str(sim.chain.height)}
        sim.indexer.tell_account(account, contents)
        return last.fill_id


_BODIES: dict[int, Any] = {
    429: {"errors": [{"msg": "Too many requests"}]},
    403: {
        "errors": [{"msg": "Forbidden by a rule about where you are", "code": "GEOBLOCKED"}],
    },
}
