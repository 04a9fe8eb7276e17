"""Slow matching by the book: one flat list of resting orders, searched again for every match.

Prices cross, best price first, among equals the one that rested first. Nothing is indexed and
nothing is cached, so there is little to get wrong; fill-or-kill is decided by trying on a copy.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field


@dataclass
class Order:
    id: int
    owner: str
    side: int  # +1 buy, -1 sell
    size: int
    price: int | None  # None: market
    tif: str = "GTC"  # GTC, IOC, FOK, GTD
    post_only: bool = False
    reduce_only: bool = False
    stp: str = "NONE"
    expire_ns: int | None = None
    filled: int = 0

    @property
    def open(self) -> int:
        return self.size - self.filled


@dataclass
class Market:
    """`events` gets ("accepted", id), ("replaced", id), ("fill", taker, maker, price, size),
    ("done", id, reason) in order. `positions` is by owner and limits reduce-only orders."""

    resting: list[Order] = field(default_factory=list)
    positions: dict[str, int] = field(default_factory=dict)
    events: list[tuple] = field(default_factory=list)

    def submit(self, order: Order) -> None:
        if order.reduce_only:
            limit = self.reducible(order)
            if limit == 0:
                self.events.append(("done", order.id, "reduce_only"))
                return
            order.size = min(order.size, limit)
        if order.post_only and self.next_maker(order) is not None:
            self.events.append(("done", order.id, "post_only_would_take"))
            return
        if order.tif == "FOK":
            trial = copy.deepcopy(self)
            twin = copy.deepcopy(order)
            trial.match(twin)
            if twin.open:
                self.events.append(("done", order.id, "fok_unfillable"))
                return
        self.events.append(("accepted", order.id))
        self.match_then_rest(order)

    def cancel(self, order_id: int, reason: str = "canceled") -> bool:
        for order in self.resting:
            if order.id == order_id:
                self.resting.remove(order)
                self.events.append(("done", order_id, reason))
                return True
        return False

    def replace(self, order_id: int, price: int, size: int) -> bool:
        for order in self.resting:
            if order.id != order_id:
                continue
            self.resting.remove(order)
            trial = copy.copy(order)
            trial.price = price
            if size <= order.filled:
                self.events.append(("done", order_id, "replaced_below_filled"))
            elif order.post_only and self.next_maker(trial) is not None:
                self.events.append(("done", order_id, "post_only_would_take"))
            else:
                order.price, order.size = price, size
                self.events.append(("replaced", order_id))
                self.match_then_rest(order)
            return True
        return False

    def expire(self, now_ns: int) -> None:
        due = [o for o in self.resting if o.expire_ns is not None and o.expire_ns <= now_ns]
        for order in sorted(due, key=lambda o: (o.expire_ns, o.id)):
            self.cancel(order.id, "expired")

    def match_then_rest(self, order: Order) -> None:
        stopped = self.match(order)
        if stopped:
            self.events.append(("done", order.id, stopped))
        elif order.open == 0:
            self.events.append(("done", order.id, "filled"))
        elif order.price is None or order.tif in ("IOC", "FOK"):
            self.events.append(("done", order.id, "ioc_remainder"))
        else:
            self.resting.append(order)

    def match(self, taker: Order) -> str | None:
        """Trade until nothing crosses; the reason if the taker has to stop before that."""
        while taker.open:
            maker = self.next_maker(taker)
            if maker is None:
                return None
            if maker.owner == taker.owner and taker.stp != "NONE":
                if taker.stp in ("EXPIRE_MAKER", "EXPIRE_BOTH"):
                    self.resting.remove(maker)
                    self.events.append(("done", maker.id, "self_trade"))
                if taker.stp in ("EXPIRE_TAKER", "EXPIRE_BOTH"):
                    return "self_trade"
                continue
            size = min(taker.open, maker.open)
            if maker.reduce_only:
                size = min(size, self.reducible(maker))
                if size == 0:
                    self.resting.remove(maker)
                    self.events.append(("done", maker.id, "reduce_only"))
                    continue
            if taker.reduce_only:
                size = min(size, self.reducible(taker))
                if size == 0:
                    return "reduce_only"
            for order in (taker, maker):
                order.filled += size
                held = self.positions.get(order.owner, 0)
                self.positions[order.owner] = held + order.side * size
            self.events.append(("fill", taker.id, maker.id, maker.price, size))
            if maker.open == 0:
                self.resting.remove(maker)
                self.events.append(("done", maker.id, "filled"))
        return None

    def next_maker(self, taker: Order) -> Order | None:
        """The resting order this one trades with next: best price, then longest in the list."""
        found = None
        for order in self.resting:
            if order.side == taker.side:
                continue
            if taker.price is not None and (taker.price - order.price) * taker.side < 0:
                continue
            if found is None or (found.price - order.price) * taker.side > 0:
                found = order
        return found

    def reducible(self, order: Order) -> int:
        return max(0, -self.positions.get(order.owner, 0) * order.side)

    def levels(self, side: int) -> list[tuple[int, int]]:
        sizes: dict[int, int] = {}
        for order in self.resting:
            if order.side == side:
                sizes[order.price] = sizes.get(order.price, 0) + order.open
        return sorted(sizes.items(), key=lambda level: -side * level[0])
