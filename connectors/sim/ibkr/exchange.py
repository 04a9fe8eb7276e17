"""The venue behind the gateway: matching, orders that wait, positions, executions (12.4)."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from functools import partial

from ..clock import SimClock
from ..engine_order import DoneReason, EngineOrder, Side, TimeInForce
from ..matching import EngineFill, EngineListener, MatchingEngine
from .accounts import Account, Execution
from .config import SimConfig
from .contracts import CONTRACTS
from .markets import Market
from .orders import Order

__all__ = ["Exchange", "Watcher"]

FIRST_ORDER_ID = 1_370_093_239
FIRST_ACCOUNT = 1_234_567
MAX_ROUNDS = 100
NO_LIQUIDITY = "Order Cancelled: no liquidity for the remainder"


class Watcher:
    """What the venue tells whoever shows it to clients; every method may be left out."""

    def on_new(self, order: Order) -> None:
        """An order was taken."""

    def on_status(self, order: Order) -> None:
        """Its status changed."""

    def on_changed(self, order: Order) -> None:
        """Its price or size changed."""

    def on_execution(self, execution: Execution) -> None:
        """A part of it was filled."""


class Exchange(EngineListener):
    """Orders in, fills out.

    Attributes
    ----------
    accounts
        By id, in the order of the JSON line.
    markets
        By key (see `Contract.key`).
    orders
        Everybody's but the house's, by order id.
    watcher
        Who is told; set by whoever publishes.
    """

    def __init__(self, config: SimConfig, clock: SimClock) -> None:
        self.config = config
        self.clock = clock
        self.watcher = Watcher()
        self.engine = MatchingEngine(self, clock.now_ns)
        self.accounts = {
            name: Account(name)
            for name in (f"DU{FIRST_ACCOUNT + number}" for number in range(config.accounts))
        }
        source = random.Random(f"ibkr-sim/markets/{config.seed}")
        self.markets: dict[str, Market] = {}
        for contract in CONTRACTS:
            volume = source.randint(10_000, 20_000) * contract.lot
            book = self.engine.add_market(contract.key)
            self.markets[contract.key] = Market(contract, book, volume, traded=config.traded)
            self.markets[contract.key].changed(clock.now_ms())
        self.orders: dict[int, Order] = {}
        self.held: dict[str, dict[int, Order]] = {key: {} for key in self.markets}
        self._next_order_id = FIRST_ORDER_ID
        self._next_execution = source.randint(0x65000000, 0x66000000)
        self._after: deque[Callable[[], None]] = deque()
        self._moved: set[str] = set()
        self._settling = False

    def account(self, name: str) -> Account:
        """Return an account. Raises LookupError for a name the user does not have."""
        account = self.accounts.get(name)
        if account is None:
            raise LookupError(f"no account {name}")
        return account

    def market(self, conid: int | str) -> Market:
        """Return a market by conid or key. Raises LookupError if there is none."""
        for market in self.markets.values():
            if str(conid) in (market.key, str(market.contract.conid)):
                return market
        raise LookupError(f"no contract {conid}")

    def order_id(self) -> int:
        self._next_order_id += 1
        return self._next_order_id - 1

    # -- placing -----------------------------------------------------------------------------

    def place(self, order: Order) -> None:
        """Take an order that has passed all checks and questions."""
        account = order.account
        account.orders[order.order_id] = order
        self.orders[order.order_id] = order
        if order.ref:
            account.by_ref[order.ref] = order
        parent = order.parent
        waits = parent is not None and parent.state != "done"
        if parent is not None:
            parent.children.append(order)
        if waits or order.tif == "OPG" or order.stop is not None or order.trail is not None:
            self._hold(order)
        else:
            order.status = "Submitted"
        self.watcher.on_new(order)
        if order.state == "new":
            self._match(order)
        self.settle()

    def _hold(self, order: Order) -> None:
        order.state, order.status = "held", "PreSubmitted"
        self.held[order.contract.key][order.order_id] = order
        self._moved.add(order.contract.key)  # it may be reached already

    def _match(self, order: Order) -> None:
        contract = order.contract
        is_market = order.kind in ("MKT", "STP", "TRAIL")
        price = None if is_market else self._limit(order)
        immediate = order.tif == "IOC" or is_market
        engine = EngineOrder(
            self.engine.next_order_id(), contract.key, order.side, order.open_size,
            None if price is None else price + contract.offset,
            TimeInForce.IOC if immediate else TimeInForce.GTC,
            is_market=is_market, tag=order,
        )  # fmt: skip
        order.engine = engine
        order.state = "resting"
        self.engine.submit(engine)

    def _limit(self, order: Order) -> int:
        """Return the price an order enters the book with."""
        market = self.markets[order.contract.key]
        if order.kind == "MIDPRICE":
            step = order.contract.increment(market.mark)
            middle = market.mark // step * step
            if order.price is None:
                return middle
            return min(order.price, middle) if order.is_buy else max(order.price, middle)
        assert order.price is not None
        return order.price

    # -- changes -----------------------------------------------------------------------------

    def modify(self, order: Order, *, price: int | None, aux: int | None, size: int) -> None:
        """Change a live order; its new size counts what is filled."""
        order.size = size
        order.price, order.aux = price, aux
        self.watcher.on_changed(order)
        engine = order.engine
        if engine is not None and engine.resting:
            limit = self._limit(order) + order.contract.offset
            was = order.filled
            self.engine.replace(
                order.contract.key, engine.order_id, price_ticks=limit,
                size_lots=engine.filled_lots + size - was,
            )  # fmt: skip
        self._moved.add(order.contract.key)
        self.settle()

    def cancel(self, order: Order, reason: str = "", *, rejected: bool = False) -> None:
        """End a live order, for a reason of the system's; or reject it after all."""
        if not order.is_live:
            return
        order.reason = reason
        order.is_rejected = rejected
        engine = order.engine
        if engine is not None and engine.resting:
            self.engine.cancel(order.contract.key, engine.order_id)
        else:
            self._finish(order, "Cancelled")
        self.settle()

    def _finish(self, order: Order, status: str) -> None:
        order.state, order.status = "done", status
        self.held[order.contract.key].pop(order.order_id, None)
        self.watcher.on_status(order)
        for child in order.children:
            follow = self._activate if status == "Filled" else self._drop
            self._after.append(partial(follow, child))
        if status == "Filled":
            for sibling in order.group:
                if sibling is not order:
                    self._after.append(partial(self._drop, sibling))

    def _drop(self, order: Order) -> None:
        if order.is_live:
            self.cancel(order)

    def _activate(self, order: Order) -> None:
        """Let a child live whose parent is filled."""
        if order.state == "held" and order.stop is None and order.trail is None:
            self._release(order)

    def _release(self, order: Order) -> None:
        del self.held[order.contract.key][order.order_id]
        order.status = "Submitted"
        self.watcher.on_status(order)
        self._match(order)

    def correct(self, execution: Execution, execution_id: str, price: str) -> None:
        """Give an execution another price, and its cost too (W-43)."""
        order = execution.order
        contract = order.contract
        now = contract.parse_price(price, any_sign=True)
        change = contract.value(now - execution.price, execution.size)
        execution.execution_id, execution.price = execution_id, now
        order.traded_value += change
        order.account.position(contract).cost += change * int(order.side)
        order.account.cash -= change * int(order.side)

    # -- the house ---------------------------------------------------------------------------

    def house_order(
        self, market: Market, *, is_buy: bool, price: int, size: int, take: bool
    ) -> EngineOrder:
        """Place an order of the house: resting, or taking what is there."""
        order = EngineOrder(
            self.engine.next_order_id(), market.key, Side.BUY if is_buy else Side.SELL, size,
            max(price + market.contract.offset, 1),
            TimeInForce.IOC if take else TimeInForce.GTC,
        )  # fmt: skip
        self.engine.submit(order)
        self.settle()
        return order

    # -- told by the engine ------------------------------------------------------------------

    def on_fill(self, fill: EngineFill) -> None:
        where = self.markets[fill.market]
        now_ms = self.clock.now_ms()
        price = fill.price_ticks - where.contract.offset
        where.trade(price, fill.size_lots, now_ms)
        self._moved.add(fill.market)
        for engine_order in (fill.taker, fill.maker):
            order: Order | None = engine_order.tag
            if order is not None:
                self._execute(order, price, fill.size_lots, now_ms)

    def _execute(self, order: Order, price: int, size: int, now_ms: int) -> None:
        account, contract = order.account, order.contract
        value = contract.value(price, size)
        order.filled += size
        order.traded_value += value
        order.last_ms = now_ms
        fee = contract.commission(order.filled) - order.charged
        order.charged += fee
        position = account.position(contract)
        position.trade(price, size, int(order.side))
        account.cash -= value * int(order.side) + fee
        account.fees += fee
        self._next_execution += 1
        execution = Execution(
            f"0000e0d5.{self._next_execution:08x}.01.01",
            order, price, size, now_ms, position.size, fee,
        )  # fmt: skip
        account.executions.append(execution)
        self.watcher.on_execution(execution)

    def on_done(self, order: EngineOrder, reason: DoneReason) -> None:
        tag: Order | None = order.tag
        if tag is None or not tag.is_live:
            return
        if reason is DoneReason.FILLED and tag.open_size == 0:
            self._finish(tag, "Filled")
            return
        if reason is DoneReason.IOC_REMAINDER and tag.tif != "IOC":
            tag.reason = NO_LIQUIDITY
        self._finish(tag, "Cancelled")

    def on_level(self, market: str, side: Side, price_ticks: int, size_lots: int) -> None:
        self.markets[market].changed(self.clock.now_ms())

    # -- what follows ------------------------------------------------------------------------

    def settle(self) -> None:
        """Let everything follow: children, groups, stops that were reached."""
        if self._settling:
            return
        self._settling = True
        try:
            for _ in range(MAX_ROUNDS):
                while self._after:
                    self._after.popleft()()
                moved, self._moved = self._moved, set()
                for key in sorted(moved):
                    self._fire(self.markets[key])
                if not self._after and not self._moved:
                    return
        finally:
            self._settling = False

    def _fire(self, market: Market) -> None:
        """Release the stops that the last price reached."""
        last = market.last
        for order in list(self.held[market.key].values()):
            if order.parent is not None and order.parent.status != "Filled":
                continue
            if order.trail is not None:
                self._follow(order, last)
            stop = order.stop
            if stop is None or order.state != "held":
                continue
            if last >= stop if order.is_buy else last <= stop:
                order.triggered = True
                self._release(order)

    def _follow(self, order: Order, last: int) -> None:
        """Move the stop of a trailing order behind the last price."""
        assert order.trail is not None
        better = min if order.is_buy else max
        order.best = last if order.best is None else better(order.best, last)
        stop = order.best + order.trail if order.is_buy else order.best - order.trail
        order.aux = stop if order.aux is None else better(order.aux, stop)
