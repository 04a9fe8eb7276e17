"""The market's own traders (see `connectors.sim.house`), and orders in the accounts' names."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING

from .. import house
from ..engine_order import Side
from .markets import Market
from .orders import CONDITIONAL, LONG_TERM, SHORT_TERM, Order, Terms
from .rules import Refused

if TYPE_CHECKING:
    from .chain import Chain
    from .subaccounts import Subaccount

__all__ = ["House", "side_of"]

LEAST_VALUE = 20_000_000  # 20 USDC
SPACING = 20_000  # a level every so-many-th of the price
ACCOUNT_ORDERS = 12  # live orders an account may have before one is canceled
NEWEST = 500  # orders of an account that are looked at
DAY_S = 86_400


class House(house.House[Market, Order]):
    """Trades on a subaccount that has neither margin nor fees, and moves the accounts too.

    Parameters
    ----------
    chain
        Its books are filled at once.
    """

    def __init__(self, chain: Chain) -> None:
        config = chain.config
        super().__init__(chain.clock, f"dydx-sim/house/{config.seed}", config.levels)
        self._chain = chain
        self._client_id = 0
        self.fill_books()

    def markets(self) -> Sequence[Market]:
        return [market for market in self._chain.markets.values() if market.status == "ACTIVE"]

    def quotes(self, market: Market) -> Sequence[Order]:
        orders = self._chain.engine.book(market.ticker).orders()
        return [item.tag for item in orders if item.tag.account.house]

    def quote(self, market: Market, *, is_buy: bool, distance: int) -> None:
        sign = -1 if is_buy else 1
        wanted = market.last + sign * distance * self._spacing(market)
        self.order(
            market, is_buy=is_buy, subticks=market.round_price(wanted), quantums=self._size(market)
        )

    def take(self, market: Market, *, is_buy: bool) -> None:
        book = self._chain.engine.book(market.ticker)
        best = book.best_ask if is_buy else book.best_bid
        if best is not None:
            step = market.step_base_quantums
            quantums = max(self._size(market) // 4 // step, 1) * step
            self.order(market, is_buy=is_buy, subticks=best, quantums=quantums, take=True)

    def cancel(self, order: Order) -> None:
        self._chain.cancel_house(order)

    def order(
        self, market: Market, *, is_buy: bool, subticks: int, quantums: int, take: bool = False
    ) -> Order:
        """Place an order of the house: resting, or `take` what is there (IOC)."""
        self._client_id += 1
        terms = Terms(
            self._client_id, is_buy, quantums, subticks,
            time_in_force="IOC" if take else "GTT",
        )  # fmt: skip
        return self._chain.place(self._chain.house, market, terms)

    def _spacing(self, market: Market) -> int:
        """Return the distance between the levels of the house, in subticks."""
        return market.round_price((market.oracle or market.last) // SPACING)

    def _size(self, market: Market) -> int:
        step = market.step_base_quantums
        least = -(-LEAST_VALUE // max(market.value(step, market.oracle or market.last), 1))
        return least * step * self._random.randint(5, 100)

    # -- in the name of accounts -------------------------------------------------------------

    def _act(self, market: Market) -> None:
        chain = self._chain
        if self._random.random() < chain.config.account_share:
            accounts = [a for a in chain.subaccounts.values() if a.funded]
            if accounts:
                self.act_for(self._random.choice(accounts), market)
                return
        super()._act(market)

    def act_for(self, account: Subaccount, market: Market) -> None:
        """Place, replace or cancel an order of an account."""
        newest = islice(reversed(account.orders.values()), NEWEST)
        live = [order for order in newest if order.is_live]
        chance = self._random.random()
        try:
            if live and (len(live) > ACCOUNT_ORDERS or chance < 0.25):
                self._cancel_for(account, self._random.choice(live))
            elif chance < 0.35:
                self._replace_for(account, live)
            else:
                self._place_for(account, market)
        except Refused:
            return  # as anybody else's would be

    def _cancel_for(self, account: Subaccount, order: Order) -> None:
        terms = order.terms
        until = terms.good_til_block if order.is_short_term else terms.good_til_block_time
        self._chain.cancel(account, order.order_id, until)

    def _replace_for(self, account: Subaccount, live: list[Order]) -> None:
        for order in live:
            terms = order.terms
            if order.is_short_term and order.resting:
                until = self._chain.height + self._chain.config.short_block_window
                tick = order.market.subticks_per_tick
                new = Terms(
                    terms.client_id, terms.is_buy, terms.quantums,
                    max(terms.subticks - tick if terms.is_buy else terms.subticks + tick, tick),
                    good_til_block=until, post_only=terms.post_only,
                    client_metadata=terms.client_metadata,
                )  # fmt: skip
                self._chain.place(account, order.market, new)
                return

    def _place_for(self, account: Subaccount, market: Market) -> None:
        chain, pick = self._chain, self._random
        self._client_id += 1
        held = account.quantums(market.ticker)
        is_buy = pick.random() < (0.5 if not held else 0.3 if held > 0 else 0.7)
        quantums = max(self._size(market) // 8, 1)
        step = market.step_base_quantums
        quantums = max(quantums // step, 1) * step
        book = chain.engine.book(market.ticker)
        near = (book.best_bid if is_buy else book.best_ask) or market.last
        kind = pick.random()
        until_s = chain.time_ms // 1000 + DAY_S
        flags, tif, condition, trigger = SHORT_TERM, "GTT", "", 0
        if kind < 0.2:
            tif = "IOC"
            far = near // 1_000
            near = near + far if is_buy else near - far
        elif kind < 0.35:
            flags = LONG_TERM
        elif kind < 0.45:
            flags, condition = CONDITIONAL, "STOP_LOSS"
            away = near // 2_000
            trigger = market.round_price(near + away if is_buy else near - away)
            near = trigger + away if is_buy else trigger - away
        terms = Terms(
            self._client_id, is_buy, quantums, market.round_price(near), flags, tif,
            post_only=0.45 <= kind < 0.5,
            good_til_block=chain.height + pick.randint(3, chain.config.short_block_window)
            if flags == SHORT_TERM
            else 0,
            good_til_block_time=0 if flags == SHORT_TERM else until_s,
            condition=condition, trigger=trigger,
        )  # fmt: skip
        chain.place(account, market, terms)


def side_of(text: str) -> Side:
    """Return the side of `buy` or `sell`. Raises ValueError for anything else."""
    if text.lower() not in ("buy", "sell"):
        raise ValueError(f"side is buy or sell, not {text!r}")
    return Side.BUY if text.lower() == "buy" else Side.SELL
