"""Accounts: balances, positions, agents, nonces, and what each one has done."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .errors import ActionError

if TYPE_CHECKING:
    from .markets import Market
    from .multisig import Signers
    from .orders import Order

__all__ = ["Account", "Agent", "NonceSet", "Position"]

KEPT = 10_000
DAY_MS = 86_400_000
FREE_REQUESTS = 10_000
USD = 10**8


class NonceSet:
    """The highest nonces one signing key has used (10.1)."""

    __slots__ = ("_kept", "_used")

    def __init__(self, kept: int) -> None:
        self._kept = kept
        self._used: list[int] = []

    def take(self, nonce: int, now_ms: int) -> None:
        """Use a nonce. Raises ActionError if it cannot be used."""
        if not now_ms - 2 * DAY_MS < nonce < now_ms + DAY_MS:
            raise ActionError(f"Invalid nonce: nonce {nonce} is outside the allowed time window")
        used = self._used
        at = bisect_left(used, nonce)
        if at < len(used) and used[at] == nonce:
            raise ActionError(f"Invalid nonce: duplicate nonce {nonce}")
        if len(used) >= self._kept and at == 0:
            raise ActionError(f"Invalid nonce: nonce {nonce} is too low, smallest is {used[0]}")
        insort(used, nonce)
        if len(used) > self._kept:
            del used[0]


@dataclass(slots=True, eq=False)
class Position:
    """A perp position; `entry` is what its open lots were worth when they came, in money."""

    lots: int = 0
    entry: int = 0
    funding: int = 0
    extra_margin: int = 0

    def apply(self, market: Market, signed_lots: int, px: int) -> int:
        """Take a fill in; return the profit it realised."""
        start, size = self.lots, abs(signed_lots)
        self.lots = start + signed_lots
        if start * signed_lots >= 0:
            self.entry += market.notional(px, size)
            return 0
        closed = min(abs(start), size)
        cost = self.entry * closed // abs(start)
        gain = market.notional(px, closed) - cost
        self.entry -= cost
        if size > closed:
            self.entry = market.notional(px, size - closed)
        if self.lots == 0:
            self.entry = self.extra_margin = 0
        return gain if start > 0 else -gain

    def profit(self, market: Market) -> int:
        """Return the unrealised profit at the mark price."""
        value = market.notional(market.mark, abs(self.lots))
        return value - self.entry if self.lots > 0 else self.entry - value


@dataclass(slots=True, eq=False)
class Agent:
    address: str
    name: str
    valid_until_ms: int


@dataclass(slots=True, eq=False)
class Account:
    """One address the venue knows.

    Attributes
    ----------
    usd
        Perp balance without unrealised profit, in money.
    spot
        Amounts of tokens, in 10^-8.
    live
        Orders that may still do something, by oid: resting, armed, waiting for their parent.
    outbox
        What the user's streams have not sent yet.
    """

    address: str
    house: bool = False
    leader: str | None = None  # of a sub-account or vault
    role: str = "user"
    name: str = ""
    usd: int = 0
    spot: dict[str, int] = field(default_factory=dict)
    positions: dict[str, Position] = field(default_factory=dict)
    leverage: dict[str, tuple[int, bool]] = field(default_factory=dict)
    agents: dict[str, Agent] = field(default_factory=dict)
    builder_fees: dict[str, int] = field(default_factory=dict)
    live: dict[int, Order] = field(default_factory=dict)
    by_cloid: dict[str, Order] = field(default_factory=dict)
    history: dict[int, Order] = field(default_factory=dict)
    last_named: dict[str, Order] = field(default_factory=dict)
    fills: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=KEPT))
    fundings: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=KEPT))
    ledger: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=KEPT))
    twap_history: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=KEPT))
    twap_fills: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=KEPT))
    volume: int = 0
    requests: int = 0
    reserved: int = 0
    last_spare_ms: int = 0
    cancel_at_ms: int | None = None
    cancels_day: tuple[int, int] = (0, 0)  # day number, how many scheduled cancels fired
    outbox: list[Any] = field(default_factory=list)
    frozen_budget: bool = False
    multi_sig: Signers | None = None

    def position(self, coin: str) -> Position:
        return self.positions.setdefault(coin, Position())

    def lots(self, coin: str) -> int:
        position = self.positions.get(coin)
        return 0 if position is None else position.lots

    def leverage_of(self, market: Market) -> tuple[int, bool]:
        """Return leverage and whether it is cross."""
        return self.leverage.get(market.coin, (min(20, market.max_leverage), True))

    def remember(self, order: Order) -> None:
        """Keep an order for `orderStatus` and `historicalOrders`; the oldest ended one goes."""
        history = self.history
        history[order.oid] = order
        if order.cloid is not None:
            self.last_named[order.cloid] = order
        if len(history) > 2 * KEPT:
            for old in [old for old in history.values() if not old.is_live][:KEPT]:
                if old is order:
                    continue
                del history[old.oid]
                if old.cloid is not None and self.last_named.get(old.cloid) is old:
                    del self.last_named[old.cloid]

    # -- margin ------------------------------------------------------------------------------

    def open_positions(
        self, markets: dict[str, Market], dex: str | None = None
    ) -> Iterator[tuple[Market, Position]]:
        for coin, position in self.positions.items():
            if position.lots and (dex is None or markets[coin].dex == dex):
                yield markets[coin], position

    def margin_of(self, market: Market, position: Position) -> int:
        leverage, _ = self.leverage_of(market)
        value = market.notional(market.mark, abs(position.lots))
        return value // leverage + position.extra_margin

    def value(self, markets: dict[str, Market]) -> int:
        """Return the account value."""
        return self.usd + sum(p.profit(m) for m, p in self.open_positions(markets))

    def margin_used(self, markets: dict[str, Market]) -> int:
        return sum(self.margin_of(m, p) for m, p in self.open_positions(markets))

    def order_margin(self) -> int:
        """Return what resting perp orders that may open a position hold back."""
        held = 0
        for order in self.live.values():
            market = order.market
            if order.resting and not order.reduce_only and not market.is_spot:
                leverage, _ = self.leverage_of(market)
                held += market.notional(order.px, order.open_lots) // leverage
        return held

    def free(self, markets: dict[str, Market]) -> int:
        """Return what is free for new orders."""
        return self.value(markets) - self.margin_used(markets) - self.order_margin()

    def maintenance(self, markets: dict[str, Market]) -> int:
        return sum(
            market.notional(market.mark, abs(position.lots)) // (2 * market.max_leverage)
            for market, position in self.open_positions(markets)
        )

    # -- spot --------------------------------------------------------------------------------

    def hold(self, token: str) -> int:
        """Return how much of a token resting orders hold back, in 10^-8."""
        held = 0
        for order in self.live.values():
            market = order.market
            if not (market.is_spot and order.resting):
                continue
            assert market.base is not None
            assert market.quote is not None
            if order.is_buy and market.quote.name == token:
                held += market.notional(order.px, order.open_lots)
            elif not order.is_buy and market.base.name == token:
                held += market.base_amount(order.open_lots)
        return held

    def available(self, token: str) -> int:
        return self.spot.get(token, 0) - self.hold(token)

    # -- budget (11.3) -----------------------------------------------------------------------

    @property
    def requests_cap(self) -> int:
        if self.frozen_budget:
            return 0
        return FREE_REQUESTS + self.volume // USD + self.reserved
