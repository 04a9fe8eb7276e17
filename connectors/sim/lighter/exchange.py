"""The venue's state and what orders do to it: books, fills, balances, triggers, expiry.

No sockets, no JSON. Everything that changed gathers in `changes` until the publisher takes it.
"""

from __future__ import annotations

import random
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any

import orjson

from ..clock import NS_PER_MS, SimClock
from ..engine_order import DoneReason, EngineOrder, SelfTrade, Side, TimeInForce
from ..matching import EngineFill, EngineListener, MatchingEngine
from .accounts import MICRO, Account, ApiKey
from .changes import EXECUTED, FAILED, Changes, TxRow
from .config import SimConfig, generated_accounts
from .errors import Refused
from .fills import book_fill, fee_rate, position_before
from .markets import Market, default_markets
from .orders import (
    GTT,
    IOC,
    LIMIT,
    LIQUIDATION,
    POST_ONLY,
    STOP,
    STOP_LIMIT,
    Order,
    is_limit_kind,
)
from .trades import Trade
from .tx import Tx

__all__ = ["Exchange"]

FIRST_ASK, FIRST_BID = 1 << 48, 1 << 49
FIRST_TRADE = 19_209_000_000
FIRST_NONCE = 9_182_390_000
FIRST_BLOCK = 227_535_000
KEPT_TXS = 30_000
KEPT_MARKET_TRADES = 100_000
_SELF_TRADE = {
    0: SelfTrade.EXPIRE_MAKER,
    1: SelfTrade.EXPIRE_TAKER,
    2: SelfTrade.EXPIRE_BOTH,
}
_DONE_STATUS = {
    DoneReason.FILLED: "filled",
    DoneReason.CANCELED: "canceled",
    DoneReason.EXPIRED: "canceled-expired",
    DoneReason.IOC_REMAINDER: "canceled",
    DoneReason.POST_ONLY_WOULD_TAKE: "canceled-post-only",
    DoneReason.SELF_TRADE: "canceled-self-trade",
    DoneReason.REDUCE_ONLY: "canceled-reduce-only",
    DoneReason.LIQUIDATED: "canceled-liquidation",
}


class Exchange(EngineListener):
    """Accounts, markets and books, and the commands that change them."""

    def __init__(self, config: SimConfig, clock: SimClock) -> None:
        self.config = config
        self.clock = clock
        self.random = random.Random(f"lighter-sim/exchange/{config.seed}")
        self.engine = MatchingEngine(self, clock.now_ns, reduce_limit=_reduce_limit)
        self.markets: dict[int, Market] = {}
        self.market_trades: dict[int, deque[Trade]] = {}
        for market in default_markets():
            market.nonce = market.sent_nonce = FIRST_NONCE
            self.markets[market.market_id] = market
            self.market_trades[market.market_id] = deque(maxlen=KEPT_MARKET_TRADES)
            self.engine.add_market(market.key)
        self.accounts: dict[int, Account] = {}
        for index in (1, 2):
            self.accounts[index] = Account(index, house=True)
        for setup in generated_accounts(config):
            self.accounts[setup.account_index] = Account.of(setup, config.quota)
        self.orders: OrderedDict[int, Order] = OrderedDict()
        self.txs: OrderedDict[str, TxRow] = OrderedDict()
        self.changes = Changes()
        self.sequence = FIRST_NONCE
        self.block = FIRST_BLOCK
        self.trade_id = FIRST_TRADE
        self.tx_count = 0
        self.trades: dict[int, Trade] = {}
        self._next_ask = FIRST_ASK
        self._next_bid = FIRST_BID
        self._waiting: dict[int, dict[int, Order]] = {market: {} for market in self.markets}
        self._ended: list[Order] = []
        self._marked: set[int] = set()
        self._caused: list[Trade] = []

    # -- lookups -----------------------------------------------------------------------------

    def account(self, index: int) -> Account:
        found = self.accounts.get(index)
        if found is None:
            raise Refused(21102)
        return found

    def key(self, account: Account, index: int) -> ApiKey:
        found = account.keys.get(index)
        if found is None:
            raise Refused(21109)
        return found

    def market(self, index: int) -> Market:
        found = self.markets.get(index)
        if found is None:
            raise Refused(21602)
        return found

    def live_order(self, account: Account, market_id: int, index: int) -> Order:
        """Find a live order by either of its ids. Raises Refused, 21700."""
        by_client = index < FIRST_ASK
        order = account.by_client.get(index) if by_client else self.orders.get(index)
        if order is None or not order.is_live or order.market.market_id != market_id:
            raise Refused(21700)
        if order.account is not account:
            raise Refused(21707)
        return order

    def now_us(self) -> int:
        return self.clock.now_ns() // 1_000

    # -- commands ----------------------------------------------------------------------------

    def new_order(
        self,
        account: Account,
        market: Market,
        *,
        is_ask: bool,
        price: int,
        size: int,
        client_index: int = 0,
        order_type: int = LIMIT,
        tif: int = GTT,
        reduce_only: bool = False,
        trigger: int = 0,
        expiry_ms: int = 0,
        tx_hash: str = "",
    ) -> Order:
        """Make an order with the next id of its side; asks count up, bids down."""
        if is_ask:
            index = self._next_ask
            self._next_ask += 1
        else:
            self._next_bid -= 1
            index = self._next_bid
        now_us = self.now_us()
        order = Order(
            index, client_index, account, market, is_ask, order_type, tif, reduce_only,
            price, size, trigger, expiry_ms, now_us, tx_hash=tx_hash, updated_us=now_us,
        )  # fmt: skip
        self.orders[index] = order
        account.order_count += 1
        account.live[index] = order
        if client_index:
            account.by_client[client_index] = order
            account.client_history.pop(client_index, None)  # the newest one is found
            account.client_history[client_index] = order
            if len(account.client_history) > 20_000:
                del account.client_history[next(iter(account.client_history))]
        return order

    def place(self, order: Order) -> None:
        """Send an order to its book, or let it wait for its trigger or its parent."""
        if order.parent is not None:
            self._wait(order, "parent-order")
        elif order.trigger and not self._triggered(order):
            self._wait(order, "mark-price")
        else:
            if order.trigger:
                self._trigger(order)
            self._activate(order)

    def _wait(self, order: Order, why: str) -> None:
        order.status = "pending"
        order.trigger_status = why
        self._waiting[order.market.market_id][order.index] = order
        self.touch(order)

    def _trigger(self, order: Order) -> None:
        order.trigger_status = "ready"
        order.trigger_ms = self.now_us() // 1_000

    def _activate(self, order: Order) -> None:
        """Hand an order to the matching engine."""
        rests = is_limit_kind(order.type) and order.tif != IOC
        engine_order = EngineOrder(
            order.index,
            order.market.key,
            order.side,
            order.size,
            order.price,
            TimeInForce.GTD if rests and order.expiry_ms else TimeInForce.IOC,
            owner=order.account.owner,
            is_market=not is_limit_kind(order.type),
            post_only=order.tif == POST_ONLY,
            reduce_only=order.reduce_only,
            self_trade=_SELF_TRADE[order.self_trade],
            expire_ns=order.expiry_ms * NS_PER_MS if rests and order.expiry_ms else None,
            tag=order,
        )
        if rests and not order.expiry_ms:
            engine_order.time_in_force = TimeInForce.GTC
        order.engine = engine_order
        order.status = "open"
        self._hold(order)
        self.engine.submit(engine_order)
        if order.is_live:
            order.size = engine_order.size_lots
            self._hold(order)
            self.touch(order)

    def cancel(self, order: Order, status: str = "canceled") -> None:
        """End a live order."""
        if order.waits or order.engine is None:
            self._end(order, status)
        else:
            self.engine.cancel(order.market.key, order.index)
            if status != "canceled":
                order.status = status
                self.touch(order)

    def modify(self, order: Order, *, size: int, price: int, trigger: int) -> None:
        """Give an order a new total size, price and trigger; it keeps its id."""
        order.version += 1
        if order.waits or order.engine is None:
            order.size, order.price, order.trigger = size, price, trigger
            self.touch(order)
            if order.trigger_status == "mark-price":
                self._marked.add(order.market.market_id)
            return
        order.size, order.price = size, price
        self._hold(order)
        self.engine.replace(order.market.key, order.index, price_ticks=price, size_lots=size)
        if order.is_live:
            self._hold(order)
            self.touch(order)

    def set_mark(self, market: Market, ticks: int | None) -> None:
        """Pin a market's mark price, or let it follow the trades again (None)."""
        market.pinned = ticks is not None
        market.mark = market.last_price if ticks is None else ticks
        self._marked.add(market.market_id)
        for account in self.accounts.values():
            if account.size_in(market):
                self.touch_account(account)

    def liquidate(self, account: Account, market: Market) -> None:
        """Close a position against the book, as the venue's liquidation would."""
        size = account.size_in(market)
        if not size:
            raise Refused(21614)
        for order in [o for o in account.live.values() if o.market is market]:
            self.cancel(order, "canceled-liquidation")
        price = 1 if size > 0 else (1 << 32) - 1
        order = self.new_order(
            account, market, is_ask=size > 0, price=price, size=abs(size),
            order_type=LIQUIDATION, tif=IOC, reduce_only=True,
        )  # fmt: skip
        self.place(order)

    def tick(self) -> None:
        """Expire orders and carry out scheduled cancel-alls that are due."""
        now_ns = self.clock.now_ns()
        self.engine.expire(now_ns)
        now_ms = now_ns // NS_PER_MS
        for waiting in self._waiting.values():
            due = [o for o in waiting.values() if o.expiry_ms and o.expiry_ms <= now_ms]
            for order in due:
                self._end(order, "canceled-expired")
        for account in self.accounts.values():
            if account.cancel_all_ms and account.cancel_all_ms <= now_ms:
                account.cancel_all_ms = 0
                for order in list(account.live.values()):
                    self.cancel(order)
        self.settle()

    # -- consequences ------------------------------------------------------------------------

    def settle(self) -> None:
        """Follow up until nothing is left: triggers, children of parents, rivals."""
        while self._ended or self._marked:
            ended, self._ended = self._ended, []
            for order in ended:
                self._after_end(order)
            marked, self._marked = self._marked, set()
            for market_id in sorted(marked):
                for order in list(self._waiting[market_id].values()):
                    if order.trigger_status == "mark-price" and self._triggered(order):
                        self._unwait(order)
                        self._trigger(order)
                        if order.rival is not None and order.rival.is_live:
                            self.cancel(order.rival, "canceled-oco")
                        self._activate(order)

    def _after_end(self, order: Order) -> None:
        for child in order.children:
            if not child.is_live:
                continue
            if order.filled:
                child.size = order.filled
                child.parent = None
                self._unwait(child)
                self.place(child)
            else:
                self._end(child, "canceled-child")

    def _triggered(self, order: Order) -> bool:
        """Whether the mark price has reached a conditional order's trigger."""
        rises = (order.type in (STOP, STOP_LIMIT)) is not order.is_ask
        mark = order.market.mark
        return mark >= order.trigger if rises else mark <= order.trigger

    def _unwait(self, order: Order) -> None:
        self._waiting[order.market.market_id].pop(order.index, None)

    def _end(self, order: Order, status: str) -> None:
        self._unwait(order)
        order.status = status
        account = order.account
        account.live.pop(order.index, None)
        if account.by_client.get(order.client_index) is order:
            del account.by_client[order.client_index]
        self._hold(order)
        self.touch(order)
        self._ended.append(order)
        if account.house:
            self.orders.pop(order.index, None)
            return
        if len(account.inactive) == account.inactive.maxlen:
            self.orders.pop(account.inactive[0].index, None)
        account.inactive.append(order)
        account.ended += 1

    def _hold(self, order: Order) -> None:
        """Set what an order keeps of its account's margin or balance."""
        account, market = order.account, order.market
        if account.house:
            return
        lots = order.remaining if order.status == "open" else 0
        quote = market.quote(order.price, lots)
        if market.is_spot:
            if order.is_ask:
                asset, units = market.base_asset, market.base_units(lots)
            else:
                asset = market.quote_asset
                units = quote + -(-quote * account.taker_fee // MICRO)
            account.locked[asset] = account.locked.get(asset, 0) + units - order.locked
            if units != order.locked:
                self.changes.balances[account.index] = account
            order.locked = units
            return
        need = 0
        if not order.reduce_only and is_limit_kind(order.type):
            need = quote * account.position(market).fraction // 10_000
        if need != order.reserved:
            account.reserved += need - order.reserved
            order.reserved = need
            self.changes.balances[account.index] = account

    def touch(self, order: Order) -> None:
        """Stamp an order's change and have it published."""
        self.sequence += 1
        order.nonce = self.sequence
        order.block = self.block
        order.updated_us = self.now_us()
        if not order.account.house:
            self.changes.orders.setdefault(order.account.index, {})[order.index] = order

    def touch_account(self, account: Account) -> None:
        self.changes.positions[account.index] = account
        self.changes.balances[account.index] = account

    # -- EngineListener ------------------------------------------------------------------------

    def on_fill(self, fill: EngineFill) -> None:
        where = self.markets[int(fill.market)]
        price_ticks, size_lots = fill.price_ticks, fill.size_lots
        self.trade_id += 1
        us = fill.ts_ns // 1_000
        before, fees, pnls = [], [], []
        for engine_order, is_taker in ((fill.taker, True), (fill.maker, False)):
            order: Order = engine_order.tag
            order.filled += size_lots
            quote = where.quote(price_ticks, size_lots)
            order.filled_quote += quote
            before.append(position_before(order))
            fees.append(fee_rate(order, is_taker=is_taker))
            pnls.append(
                book_fill(self.changes, order, price_ticks, size_lots, quote, is_taker=is_taker)
            )
            if engine_order.open_lots or is_taker:
                self._hold(order)
                self.touch(order)
        taking: Order = fill.taker.tag
        making: Order = fill.maker.tag
        kind = "liquidation" if taking.type == LIQUIDATION else "trade"
        trade = Trade(
            self.trade_id, where, taking, making, price_ticks, size_lots, us, self.block,
            taking.tx_hash or making.tx_hash, kind, fees[0], fees[1], before[0], before[1],
            pnls[0], pnls[1],
        )  # fmt: skip
        where.note_trade(us // 1_000, price_ticks, size_lots, trade.trade_id)
        self._marked.add(where.market_id)
        self.market_trades[where.market_id].append(trade)
        self.trades[trade.trade_id] = trade
        if len(self.trades) > KEPT_MARKET_TRADES:
            del self.trades[next(iter(self.trades))]
        taking.account.trades.append(trade)
        if making.account is not taking.account:
            making.account.trades.append(trade)
        self.changes.trades.append(trade)
        self._caused.append(trade)

    def on_done(self, order: EngineOrder, reason: DoneReason) -> None:
        mine: Order = order.tag
        mine.size = max(order.size_lots, mine.filled) if reason is DoneReason.FILLED else mine.size
        status = _DONE_STATUS[reason]
        if reason is DoneReason.IOC_REMAINDER and mine.type != LIMIT and order.is_market:
            other = self.engine.book(order.market).levels(mine.side.opposite, 1)
            status = "canceled-too-much-slippage" if other else "canceled-not-enough-liquidity"
        self._end(mine, status)

    def on_level(self, market: str, side: Side, price_ticks: int, size_lots: int) -> None:
        where = self.markets[int(market)]
        self.sequence += 1
        where.nonce = self.sequence
        where.changed_us = self.now_us()
        levels = self.changes.levels.setdefault(where.market_id, {})
        levels[side, price_ticks] = size_lots

    # -- transactions ----------------------------------------------------------------------------

    def record(self, tx: Tx, digest: str) -> TxRow:
        """Keep an accepted transaction."""
        self.tx_count += 1
        row = TxRow(digest, tx, self.now_us(), self.tx_count)
        self.txs[digest] = row
        if len(self.txs) > KEPT_TXS:
            self.txs.popitem(last=False)
        return row

    def run(self, row: TxRow, action: Callable[[TxRow], Order | None]) -> None:
        """Execute one transaction; what it could not do is told in its `event_info`."""
        self.block += 1
        self._caused = []
        event: dict[str, Any] = {}
        try:
            order = action(row)
            self.settle()
            row.status = EXECUTED
            if order is not None:
                event["m"] = order.market.market_id
                event["to"] = order.event()
            if self._caused:
                event["t"] = self._caused[-1].event()
                event["mo"] = self._caused[-1].maker.event()
            event["ae"] = ""
        except Refused as refused:
            row.status = FAILED
            failure = {"code": refused.code, "message": refused.message}
            event["ae"] = orjson.dumps(failure).decode()
        row.event_info = orjson.dumps(event).decode()
        row.executed_us = self.now_us()
        row.block = self.block
        self.changes.txs.append(row)


def _reduce_limit(order: EngineOrder) -> int:
    """Return how many lots a reduce-only order may still trade."""
    mine: Order = order.tag
    size = mine.account.size_in(mine.market)
    return max(-size * int(mine.side), 0)
