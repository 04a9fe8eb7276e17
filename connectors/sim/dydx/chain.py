"""The chain: blocks, order books matched ahead of them, and what each block makes certain.

Orders match when they arrive, in the books of one node; that is only its opinion. The next block
commits the matches: fills, positions and balances exist from then on (DX-M-07). What is to be
seen of both goes to a `Listener`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..engine_order import DoneReason, EngineOrder, SelfTrade, Side, TimeInForce
from ..matching import EngineFill, EngineListener, MatchingEngine
from . import ids
from .blocks import Block, Listener, Match
from .config import SimConfig, generated_accounts
from .keys import address_of, private_key_of
from .markets import PPM, Market, make_markets
from .numbers import MONEY, count
from .orders import CONDITIONAL, SHORT_TERM, Order, OrderId, Terms
from .rules import BlockLimits, can_afford, check_cancel, check_place
from .subaccounts import Fill, Subaccount, Transfer

if TYPE_CHECKING:
    from ..clock import SimClock

__all__ = ["Chain"]

HOUSE_ADDRESS = "dydx1house0000000000000000000000000000000000"
WALLET_NUMBER = None
FUNDED_BEFORE = 100_000  # blocks before the first; further back than any replica
_REMOVALS = {
    DoneReason.IOC_REMAINDER: "IMMEDIATE_OR_CANCEL_WOULD_REST_ON_BOOK",
    DoneReason.POST_ONLY_WOULD_TAKE: "POST_ONLY_WOULD_CROSS_MAKER_ORDER",
    DoneReason.SELF_TRADE: "SELF_TRADE_ERROR",
    DoneReason.REDUCE_ONLY: "REDUCE_ONLY_RESIZE",
    DoneReason.FILLED: "FULLY_FILLED",
}


class Chain(EngineListener):
    """Subaccounts, orders and blocks of one simulator.

    Attributes
    ----------
    height, time_ms
        Of the last block.
    matches
        What the next block will commit.
    stateful_cancels
        Cancels the next block will bring, by subaccount and order id.
    """

    def __init__(self, config: SimConfig, clock: SimClock, listener: Listener) -> None:
        self.config = config
        self.clock = clock
        self.listener = listener
        self.markets = make_markets(config.markets)
        self.by_pair = {market.clob_pair_id: market for market in self.markets.values()}
        self.engine = MatchingEngine(self, clock.now_ns, reduce_limit=self._reduce_limit)
        self.subaccounts: dict[tuple[str, int], Subaccount] = {}
        self.height = config.start_height
        self.time_ms = clock.now_ms()
        self.matches: list[Match] = []
        self.fill_count = 0
        self.stateful_cancels: dict[Subaccount, dict[OrderId, int]] = {}
        self.block_limits = BlockLimits()
        self._pending: dict[tuple[Subaccount, str], int] = {}
        self._incoming: list[Order] = []
        self._waiting: dict[tuple[Subaccount, OrderId], Order] = {}  # untriggered
        self._ending: list[Order] = []
        self._transfers: list[tuple[Subaccount | None, Subaccount | None, int, str]] = []
        self._last_block: dict[int, list[Order]] = {}  # by good-til-block
        self._last_word: dict[int, list[Order]] = {}  # by the height of INDEXER_EXPIRED
        self._stateful: dict[tuple[Subaccount, OrderId], Order] = {}
        self._set_oracles: set[str] = set()
        for ticker in self.markets:
            self.engine.add_market(ticker)
        self.house = self.open_subaccount(HOUSE_ADDRESS, 0, house=True)
        for setup in generated_accounts(config):
            address = address_of(private_key_of(setup.mnemonic))
            account = self.open_subaccount(address, setup.subaccount_number)
            self._fund(account, count(setup.usdc, MONEY))

    # -- subaccounts -------------------------------------------------------------------------

    def open_subaccount(self, address: str, number: int, *, house: bool = False) -> Subaccount:
        """Return a subaccount, making it if there is none; it has no money yet."""
        account = self.subaccounts.get((address, number))
        if account is None:
            account = Subaccount(address, number, house=house)
            self.subaccounts[address, number] = account
        return account

    def subaccount(self, address: str, number: int) -> Subaccount:
        """Return a subaccount. Raises LookupError if there is none."""
        account = self.subaccounts.get((address, number))
        if account is None:
            raise LookupError(f"no subaccount {address}/{number}")
        return account

    def _fund(self, account: Subaccount, amount: int) -> None:
        if amount:
            account.usdc += amount
            account.funded = True
            account.keep_state(max(self.height - FUNDED_BEFORE, 0))

    def transfer(
        self,
        sender: Subaccount | None,
        recipient: Subaccount | None,
        amount: int,
        *,
        wallet: str = "",
    ) -> None:
        """Let the next block move USDC; None is a wallet, the owner's unless it is named."""
        if amount <= 0 or sender is recipient:
            raise ValueError("a transfer moves something from one to another")
        if sender is not None and sender.free_collateral() < amount:
            raise ValueError(f"{sender.name} has not so much to give")
        owner = sender or recipient
        assert owner is not None
        self._transfers.append((sender, recipient, amount, wallet or owner.address))

    # -- orders ------------------------------------------------------------------------------

    def place(self, account: Subaccount, market: Market, terms: Terms) -> Order:
        """Take an order; a stateful one comes with the next block.

        Raises
        ------
        Refused
            The chain does not take it. What is refused in matching is not: see `Order.removal`.
        """
        if not account.house:
            check_place(self, account, market, terms)
        order = Order(account, market, terms)
        if terms.flags == SHORT_TERM:
            self._place_short_term(order)
        else:
            account.orders[order.order_id] = order
            self._incoming.append(order)
        return order

    def _place_short_term(self, order: Order) -> None:
        account, terms = order.account, order.terms
        if account.house:
            self._match(order)
            return
        old = account.orders.get(order.order_id)
        if old is not None and old.state != "expired":
            order.filled, order.committed, order.versions = old.filled, old.committed, old.versions
            order.updated_height, order.updated_ms = old.updated_height, old.updated_ms
            if old.resting:
                self._take_out(old, "REPLACED")
                self.listener.on_removed(old, "REPLACED")
        account.orders[order.order_id] = order
        self._last_block.setdefault(terms.good_til_block, []).append(order)
        crosses = self.engine.book(order.market.ticker).would_take(
            order.engine_side, terms.subticks
        )
        if self.config.announce_refused or not (terms.post_only and crosses):
            self.listener.on_opened(order)
        self._match(order)

    def _match(self, order: Order) -> None:
        """Let an order meet the book of the node."""
        terms, account = order.terms, order.account
        if not account.house and not can_afford(account, order.market, terms):
            self._left(order, "UNDERCOLLATERALIZED")
            return
        order.engine = EngineOrder(
            self.engine.next_order_id(), order.market.ticker, order.engine_side,
            order.open_quantums, terms.subticks,
            TimeInForce.IOC if terms.time_in_force == "IOC" else TimeInForce.GTC,
            owner=None if account.house else account.uuid,
            post_only=terms.post_only, reduce_only=terms.reduce_only,
            self_trade=SelfTrade.EXPIRE_MAKER, tag=order,
        )  # fmt: skip
        self.engine.submit(order.engine)

    def cancel(self, account: Subaccount, key: OrderId, until: int) -> None:
        """Take a cancel; `until` is its good-til-block, or its time in s for stateful orders.

        Raises
        ------
        Refused
            The chain does not take it.
        """
        check_cancel(self, account, key, until)
        if key[0] != SHORT_TERM:
            self.stateful_cancels.setdefault(account, {})[key] = until
            return
        account.cancels[key] = until
        order = account.orders.get(key)
        if order is None:
            ghost = Order(account, self.by_pair[key[1]], _ghost(key))
            self.listener.on_unknown_removed(ghost, "USER_CANCELED")
            return
        order.cancel_good_til_block = max(order.cancel_good_til_block, until)
        if not order.is_live:
            return  # what is filled or gone already is not told again
        if until >= order.terms.good_til_block:
            self._take_out(order, "USER_CANCELED")
            order.state = "canceled"
        # With a smaller one it stays in the book, and is told as canceled all the same (DX-V-19).
        self.listener.on_removed(order, "USER_CANCELED")

    def cancel_house(self, order: Order) -> None:
        self._take_out(order, "USER_CANCELED")

    def remove(self, order: Order, reason: str) -> None:
        """Take a live order out of the node's book for any reason of 5.6.4."""
        self._take_out(order, reason)
        if order.is_short_term:
            order.state = "canceled"
            self.listener.on_removed(order, reason)
        else:
            self._ending.append(order)

    def _take_out(self, order: Order, reason: str) -> None:
        order.removal = reason
        self._waiting.pop((order.account, order.order_id), None)
        if order.engine is not None:
            self.engine.cancel(order.market.ticker, order.engine.order_id)

    def _left(self, order: Order, reason: str) -> None:
        """An order left the book by itself."""
        order.removal = reason
        if order.account.house or reason == "FULLY_FILLED":
            return
        if order.is_short_term:
            order.state = "canceled"
            self.listener.on_removed(order, reason)
        else:
            self._ending.append(order)

    # -- told by the engine ------------------------------------------------------------------

    def on_fill(self, fill: EngineFill) -> None:
        taker: Order = fill.taker.tag
        self.agree(
            Match(
                self.markets[fill.market], taker, fill.maker.tag, taker.account,
                taker.terms.is_buy, fill.size_lots, fill.price_ticks,
            )
        )  # fmt: skip

    def agree(self, match: Match) -> None:
        """Let the next block commit a match."""
        match.market.last = match.subticks
        self.matches.append(match)
        sign = 1 if match.taker_is_buy else -1
        sides = ((match.taker_account, sign), (match.maker.account, -sign))
        for order in (match.taker, match.maker):
            if order is not None:
                order.filled += match.quantums
        for account, side in sides:
            if not account.house:
                key = (account, match.market.ticker)
                self._pending[key] = self._pending.get(key, 0) + side * match.quantums

    def on_done(self, order: EngineOrder, reason: DoneReason) -> None:
        tag: Order = order.tag
        if reason is not DoneReason.CANCELED:
            self._left(tag, _REMOVALS[reason])

    def on_level(self, market: str, side: Side, price_ticks: int, size_lots: int) -> None:
        self.listener.on_level(self.markets[market], side, price_ticks, size_lots)

    def _reduce_limit(self, order: EngineOrder) -> int:
        account: Subaccount = order.tag.account
        held = account.quantums(order.market) + self._pending.get((account, order.market), 0)
        return max(-held * int(order.side), 0)

    # -- blocks ------------------------------------------------------------------------------

    def commit(self, heights: int = 1) -> Block:
        """Make a block; with `heights` above 1 the height jumps."""
        self.height += heights
        self.time_ms = self.clock.now_ms()
        text = f"{self.config.seed}/{self.height}"
        block = Block(self.height, self.time_ms, ids.transaction_hash(text))
        matches, self.matches = self.matches, []
        self._pending.clear()
        for match in matches:
            self._commit_match(block, match)
        self._commit_transfers(block)
        self._commit_stateful(block)
        self._move_oracles(block)
        self._trigger(block)
        self._expire()
        for account in block.touched:
            account.keep_state(self.height)
        self.listener.on_block(block)
        for order in [*block.placed, *block.triggered]:
            if order.is_live and order.state == "open":
                self._match(order)
        for order in self._last_word.pop(self.height, ()):
            self.listener.on_expired(order)
        return block

    def _commit_match(self, block: Block, match: Match) -> None:
        market, event = match.market, block.next_event()
        value = market.value(match.quantums, match.subticks)
        sides = (
            (match.taker, match.taker_account, match.taker_is_buy, "TAKER"),
            (match.maker, match.maker.account, not match.taker_is_buy, "MAKER"),
        )
        for (order, account, is_buy, liquidity), fee in zip(sides, match.fees, strict=True):
            if account.house:
                continue
            self._commit_side(block, match, order, account, is_buy, liquidity, event, fee)
        market.volume += value
        market.trade_count += 1
        self.fill_count += 1
        block.values.append((market, match.quantums, match.subticks))
        block.trades.setdefault(market, []).append(
            {
                "id": event,
                "side": "BUY" if match.taker_is_buy else "SELL",
                "size": market.size(match.quantums),
                "price": market.price(match.subticks),
                "type": match.kind,
                "createdAt": ids.iso(block.ms),
                "createdAtHeight": str(block.height),
            }
        )

    def _commit_side(
        self,
        block: Block,
        match: Match,
        order: Order | None,
        account: Subaccount,
        is_buy: bool,
        liquidity: str,
        event: str,
        fee: int | None,
    ) -> None:
        market = match.market
        if fee is None:
            config = self.config
            rate = config.taker_fee_ppm if liquidity == "TAKER" else config.maker_fee_ppm
            fee = -(-market.value(match.quantums, match.subticks) * rate // PPM)
        kind = match.kind
        if kind == "LIQUIDATED" and liquidity == "MAKER":
            kind = "LIQUIDATION"
        held = account.positions.get(market.ticker)
        before = (0, 0, 0) if held is None else (held.quantums, held.opened, held.opened_value)
        key = None if order is None else order.order_id
        if order is not None:
            order = account.orders[order.order_id]  # the one that replaced it, if any
            order.committed += match.quantums
            order.updated_height, order.updated_ms = block.height, block.ms
        item = Fill(
            order, market, is_buy, liquidity, kind, match.quantums, match.subticks, fee, event,
            block.transaction, block.height, block.ms, before,
        )  # fmt: skip
        sign = 1 if is_buy else -1
        touched = account.trade(
            market, sign * match.quantums, match.subticks, event=event, height=block.height,
            ms=block.ms,
        )  # fmt: skip
        market.open_interest += max(account.quantums(market.ticker), 0) - max(before[0], 0)
        market.base_open_interest = market.open_interest
        account.usdc -= sign * market.value(match.quantums, match.subticks) + fee
        account.fills.append(item)
        block.fills.setdefault((account, key, market.ticker), []).append(item)
        block.touched.setdefault(account, {}).update(
            {position.position_id: position for position in touched}
        )

    def _commit_transfers(self, block: Block) -> None:
        transfers, self._transfers = self._transfers, []
        for sender, recipient, amount, address in transfers:
            wallet = address, WALLET_NUMBER
            event = block.next_event()
            transaction = ids.transaction_hash(f"{self.config.seed}/{event}")  # of its own
            item = Transfer(
                wallet if sender is None else (sender.address, sender.number),
                wallet if recipient is None else (recipient.address, recipient.number),
                amount, event, transaction, block.height, block.ms,
            )  # fmt: skip
            for account, change in ((sender, -amount), (recipient, amount)):
                if account is not None:
                    account.usdc += change
                    account.funded = True
                    account.transfers.append(item)
                    block.touched.setdefault(account, {})
            block.transfers.append(item)

    def _commit_stateful(self, block: Block) -> None:
        for account, cancels in self.stateful_cancels.items():
            for key in cancels:
                order = account.orders[key]
                if order.is_live:
                    self._take_out(order, "USER_CANCELED")
                    self._ending.append(order)
        self.stateful_cancels.clear()
        now_s = block.ms // 1000
        for order in list(self._stateful.values()):
            if order.is_live and order.terms.good_til_block_time <= now_s:
                self._take_out(order, "EXPIRED")
                self._ending.append(order)
        incoming, self._incoming = self._incoming, []
        for order in incoming:
            order.created_height = order.updated_height = block.height
            order.updated_ms = block.ms
            if order.removal:
                continue  # canceled before it came
            self._stateful[order.account, order.order_id] = order
            if order.terms.flags == CONDITIONAL:
                order.state = "untriggered"
                self._waiting[order.account, order.order_id] = order
            block.placed.append(order)
        ending, self._ending = self._ending, []
        for order in ending:
            order.state = "expired" if order.removal == "EXPIRED" else "canceled"
            order.updated_height, order.updated_ms = block.height, block.ms
            self._stateful.pop((order.account, order.order_id), None)
            block.ended.append(order)
        for account, filled, _ in block.fills:
            done = None if filled is None else account.orders[filled]
            if done is not None and done.committed >= done.terms.quantums:
                done.state = "filled"
                self._stateful.pop((account, done.order_id), None)

    def set_oracle(self, market: Market, subticks: int | None, *, pinned: bool = True) -> None:
        """Set an oracle price; the next block tells it."""
        market.pinned = pinned
        if subticks is not None:
            market.oracle = subticks
            self._set_oracles.add(market.ticker)

    def _move_oracles(self, block: Block) -> None:
        for market in self.markets.values():
            if market.ticker in self._set_oracles:
                block.oracles.append(market)
                continue
            if market.pinned or not self.config.oracle_follows:
                continue
            book = self.engine.book(market.ticker)
            if book.best_bid is None or book.best_ask is None:
                continue
            middle = (book.best_bid + book.best_ask) // 2
            if middle != market.oracle:
                market.oracle = middle
                block.oracles.append(market)
        self._set_oracles.clear()

    def _trigger(self, block: Block) -> None:
        """Let the oracle prices meet the conditions (10.1a)."""
        for (account, key), order in list(self._waiting.items()):
            oracle, terms = order.market.oracle, order.terms
            if oracle is None or order in block.placed:
                continue
            falls = terms.is_buy == (terms.condition == "TAKE_PROFIT")
            if oracle <= terms.trigger if falls else oracle >= terms.trigger:
                del self._waiting[account, key]
                order.state, order.triggered = "open", True
                block.triggered.append(order)

    def _expire(self) -> None:
        """Let go of short-term orders that no later block may hold."""
        for last in [height for height in self._last_block if height <= self.height]:
            for order in self._last_block.pop(last):
                if order.account.orders.get(order.order_id) is not order:
                    continue  # replaced
                if order.resting:
                    self._take_out(order, "EXPIRED")
                if order.state == "open":
                    order.state = "expired"
                if told_after := self.config.indexer_expired_blocks:
                    self._last_word.setdefault(self.height + told_after, []).append(order)
        for account in self.subaccounts.values():
            if account.cancels:
                account.cancels = {
                    key: until for key, until in account.cancels.items() if until > self.height
                }


def _ghost(key: OrderId) -> Terms:
    """Return terms of an order of which only the id is known."""
    return Terms(key[2], is_buy=True, quantums=0, subticks=0, flags=key[0])
