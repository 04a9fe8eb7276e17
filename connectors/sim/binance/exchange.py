"""The trading state of the simulator: accounts on one matching engine, and what they are told.

`Exchange` listens to the engine, books fills into positions and wallets, and emits the user
events. Requests are checked in `commands` and arrive here as finished orders. Everything that
must happen after a match (reduce-only orders of a closed position, triggers, liquidations) is
done in `settle`, which every command and `tick` call, because the engine refuses calls from
inside its callbacks.
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from ..engine_order import DoneReason, EngineOrder, SelfTrade, Side, TimeInForce
from ..matching import EngineFill, EngineListener, MatchingEngine
from . import fills
from . import user_events as events
from .account import Account, Position, Wallet, notional
from .conditional import AlgoService
from .fills import EIGHT
from .filters import market_bound
from .orders import Order
from .risk import Risk
from .signing import ApiKey, deterministic_key, hmac_key, public_key
from .types import ApiError, Product, SymbolRules
from .user_events import Execution
from .userstream import UserStream

__all__ = ["Exchange", "ExchangeFaults"]

ZERO = Decimal(0)
_ALPHABET = string.ascii_letters + string.digits
DEFAULT_BALANCES = {
    "USDT": Decimal(1_000_000),
    "USDC": Decimal(1_000_000),
    "BTC": Decimal(100),
    "ETH": Decimal(1_000),
}
KEPT_ORDERS = 20_000  # finished orders and fills an account remembers

_TIMES_IN_FORCE = {
    "IOC": TimeInForce.IOC,
    "FOK": TimeInForce.FOK,
    "GTD": TimeInForce.GTD,
}
_POST_ONLY = frozenset({"GTX", "RPI"})

# How an order ended: status and expiry reason (`er`, section 11.2).
_ENDINGS = {
    DoneReason.CANCELED: ("CANCELED", "0"),
    DoneReason.POST_ONLY_WOULD_TAKE: ("CANCELED", "0"),  # only by a modification (BN-R-16)
    DoneReason.REPLACED_BELOW_FILLED: ("CANCELED", "0"),
    DoneReason.EXPIRED: ("EXPIRED", "0"),
    DoneReason.SELF_TRADE: ("EXPIRED_IN_MATCH", "1"),
    DoneReason.IOC_REMAINDER: ("EXPIRED", "2"),
    DoneReason.REDUCE_ONLY: ("EXPIRED", "4"),
    DoneReason.LIQUIDATED: ("EXPIRED", "5"),
    DoneReason.DELISTED: ("EXPIRED", "7"),
}


def refusal(reason: DoneReason) -> ApiError:
    """Return the error of an order the engine refused on entry."""
    if reason is DoneReason.POST_ONLY_WOULD_TAKE:
        return ApiError(
            -5022,
            "Due to the order could not be executed as maker, the Post Only order will be "
            "rejected. The order will not be recorded in the order history",
        )
    if reason is DoneReason.FOK_UNFILLABLE:
        return ApiError(
            -5021,
            "Due to the order could not be filled immediately, the FOK order has been rejected. "
            "The order will not be recorded in the order history",
        )
    return ApiError(-2022, "ReduceOnly Order is rejected.")


@dataclass(slots=True)
class ExchangeFaults:
    """Faults of order state (BN-M-38)."""

    hide_open_orders_ms: int = 0  # new orders stay out of openOrders that long
    finish_algo_early: bool = False  # ALGO_UPDATE FINISHED before the last fill (BN-X-20)


class Exchange(EngineListener):
    """Accounts, their orders and positions, and the events they cause.

    Parameters
    ----------
    engine
        The engine of the simulated market. The caller puts this object among its listeners and
        adds every symbol as a market.
    symbols
        Rules by symbol; may grow, shrink and change while the simulator runs.
    clock_ns
        Simulated wall clock.
    seed, accounts
        `accounts` accounts with keys derived from the seed: `credentials` lists them.
    balances
        Start balance by asset of each account.

    Attributes
    ----------
    on_force_order
        Called with every order the venue makes to close a position, if set.
    """

    def __init__(
        self,
        engine: MatchingEngine,
        symbols: Mapping[str, SymbolRules],
        clock_ns: Callable[[], int],
        *,
        seed: int = 1,
        accounts: int = 2,
        balances: Mapping[str, Decimal] | None = None,
    ) -> None:
        self.engine = engine
        self.symbols = symbols
        self._clock_ns = clock_ns
        self._random = random.Random(f"binance-sim/exchange/{seed}")
        self.balances = dict(DEFAULT_BALANCES if balances is None else balances)
        self.accounts: list[Account] = []
        self.credentials: list[dict[str, str]] = []
        self.keys: dict[str, tuple[ApiKey, Account]] = {}
        self.user_stream = UserStream(self.now_ms, seed=seed)
        self.faults = ExchangeFaults()
        self.mark_prices: dict[str, Decimal] = {}
        self.last_prices: dict[str, int] = {}
        self.algos = AlgoService(self)
        self.risk = Risk(self)
        self.on_force_order: Callable[[Order], None] | None = None
        self._dirty: set[str] = set()  # symbols whose last or mark price moved
        self._closed: list[tuple[Account, str]] = []  # positions that went to zero
        engine.reduce_limit = self._reduce_limit
        for index in range(accounts):
            api_key, secret = deterministic_key(seed, index)
            account = self.add_account(f"account-{index + 1}")
            self.keys[api_key] = (hmac_key(api_key, secret), account)
            self.credentials.append({"api_key": api_key, "api_secret": secret})

    # -- accounts and keys -----------------------------------------------------------------

    def add_account(self, name: str, balances: Mapping[str, Decimal] | None = None) -> Account:
        """Open an account with its own wallets."""
        alias = "".join(self._random.choices("ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijk", k=4))
        start = self.balances if balances is None else balances
        wallets = {asset: Wallet(Decimal(amount)) for asset, amount in start.items()}
        account = Account(name, alias, wallets)
        self.accounts.append(account)
        return account

    def register_key(self, account: Account, api_key: str, pem: str) -> None:
        """Let an RSA or Ed25519 public key (PEM) sign for an account too."""
        self.keys[api_key] = (public_key(api_key, pem), account)

    def now_ns(self) -> int:
        return self._clock_ns()

    def now_ms(self) -> int:
        return self._clock_ns() // 1_000_000

    def random_id(self) -> str:
        """Return a client id as the venue makes it for orders that came without one."""
        return "".join(self._random.choices(_ALPHABET, k=22))

    def rules(self, symbol: str, product: Product) -> SymbolRules:
        """Return a symbol's rules. Raises -1121 if the product has no such symbol."""
        rules = self.symbols.get(symbol)
        if rules is None or rules.product is not product:
            raise ApiError(-1121, "Invalid symbol.")
        return rules

    # -- prices ----------------------------------------------------------------------------

    def mark(self, symbol: str) -> Decimal:
        """Return the mark price, else the last price, else the middle of the book, else 0."""
        price = self.mark_prices.get(symbol)
        if price is not None:
            return price
        rules = self.symbols.get(symbol)
        if rules is None:
            return ZERO
        last = self.last_prices.get(symbol)
        if last is not None:
            return rules.price(last)
        book = self.engine.book(symbol)
        sides = [price for price in (book.best_bid, book.best_ask) if price is not None]
        return rules.price(sum(sides)) / len(sides) if sides else ZERO

    def set_mark_price(self, symbol: str, price: Decimal) -> None:
        """Take the next mark price; triggers and liquidations follow at the next `tick`."""
        self.mark_prices[symbol] = price
        self._dirty.add(symbol)

    def contracts(self, asset: str) -> list[tuple[SymbolRules, Decimal]]:
        """Return (rules, mark price) of the contracts margined in an asset."""
        return [
            (rules, self.mark(rules.symbol))
            for rules in self.symbols.values()
            if rules.margin_asset == asset
        ]

    def used_contracts(self, account: Account, asset: str) -> list[tuple[SymbolRules, Decimal]]:
        """Return (rules, mark price) of the contracts an account holds or has orders in."""
        used = {position.rules.symbol: position.rules for position in account.active()}
        used |= {order.rules.symbol: order.rules for order in account.open_orders.values()}
        return [
            (rules, self.mark(symbol))
            for symbol, rules in used.items()
            if rules.margin_asset == asset
        ]

    def available(
        self, account: Account, asset: str, extra: tuple[SymbolRules, str, Side, Decimal] | None
    ) -> Decimal:
        """Return an account's free margin, counting one order (rules, side, value) to come."""
        contracts = self.used_contracts(account, asset)
        if extra is not None and all(rules is not extra[0] for rules, _ in contracts):
            contracts.append((extra[0], self.mark(extra[0].symbol)))
        return account.available(asset, contracts, extra)

    # -- orders ----------------------------------------------------------------------------

    def submit(self, order: Order) -> None:
        """Give a checked order to the engine. Raises the venue's code if it is refused."""
        rules = order.rules
        market = order.type == "MARKET"
        price: int | None = order.price
        if market:
            book = self.engine.book(rules.symbol)
            price = market_bound(rules, order.side, book, self.mark(rules.symbol))
        exempt = order.time_in_force in ("FOK", "GTX")  # BN-R-12
        engine_order = EngineOrder(
            order.order_id,
            rules.symbol,
            order.side,
            order.size,
            price,
            TimeInForce.GTC if market else _TIMES_IN_FORCE.get(order.time_in_force, _GTC),
            owner=order.account.name,
            is_market=market,
            post_only=order.time_in_force in _POST_ONLY,
            reduce_only=order.reduce_only,
            self_trade=SelfTrade.NONE if exempt else SelfTrade(order.self_trade),
            expire_ns=order.good_till_ms * 1_000_000 if order.good_till_ms else None,
            tag=order,
        )
        order.engine = engine_order
        self.engine.submit(engine_order)
        if order.order_id not in order.account.orders:
            assert engine_order.done_reason is not None
            raise refusal(engine_order.done_reason)
        self.settle()

    def cancel(self, order: Order, reason: DoneReason = DoneReason.CANCELED) -> bool:
        """Take an order out of the book; False if it is not there any more."""
        done = self.engine.cancel(order.rules.symbol, order.order_id, reason)
        self.settle()
        return done

    def replace(self, order: Order, *, price: int, size: int) -> None:
        """Change price and size of a resting order (BN-R-15, BN-R-16)."""
        order.modifications += 1
        self.engine.replace(order.rules.symbol, order.order_id, price_ticks=price, size_lots=size)
        self.settle()

    def cancel_all(self, account: Account, symbol: str) -> int:
        """Cancel the open orders of a symbol, conditional ones not included (BN-R-21)."""
        count = sum(self.engine.cancel(symbol, order.order_id) for order in account.open_of(symbol))
        self.settle()
        return count

    def delist(self, symbol: str) -> None:
        """End trading in a contract: orders expire, positions settle at the mark price (BN-M-42).

        The rules stay in `symbols` with status CLOSE; take them out to make the symbol unknown.
        """
        rules = self.symbols[symbol]
        rules.status = "CLOSE"
        for resting in self.engine.book(symbol).orders():
            self.engine.cancel(symbol, resting.order_id, DoneReason.DELISTED)
        self.algos.delist(symbol)
        for account in self.accounts:
            for position in account.positions_of(symbol):
                if position.amount:
                    self.risk.close(account, position, "settlement", execution_type="TRADE")

    # -- what the engine asks and tells ----------------------------------------------------

    def closable(self, account: Account, symbol: str, position_side: str, side: Side) -> int:
        """Return the units an order of this side can close of a position."""
        position = account.positions.get((symbol, position_side))
        return max(0, -position.amount * side) if position is not None else 0

    def _reduce_limit(self, order: EngineOrder) -> int:
        if not isinstance(order.tag, Order):
            return order.open_lots
        tag = order.tag
        return self.closable(tag.account, tag.rules.symbol, tag.position_side, tag.side)

    def on_accepted(self, order: EngineOrder) -> None:
        tag = order.tag
        if isinstance(tag, Order):
            tag.size = order.size_lots  # reduce-only orders shrink to the position
            account = tag.account
            account.orders[tag.order_id] = tag
            account.open_orders[tag.order_id] = tag
            if len(account.orders) > 2 * KEPT_ORDERS:
                _forget_oldest(account)
            self.tell(tag, "NEW")

    def on_replaced(self, order: EngineOrder) -> None:
        tag = order.tag
        if isinstance(tag, Order):
            assert order.price_ticks is not None
            tag.price, tag.size = order.price_ticks, order.size_lots
            self.tell(tag, "AMENDMENT")

    def on_fill(self, fill: EngineFill) -> None:
        self.last_prices[fill.market] = fill.price_ticks
        self._dirty.add(fill.market)
        for order, is_maker in ((fill.taker, False), (fill.maker, True)):
            if isinstance(order.tag, Order):
                self._fill(order.tag, fill.price_ticks, fill.size_lots, fill.trade_id, is_maker)

    def on_done(self, order: EngineOrder, reason: DoneReason) -> None:
        tag = order.tag
        if not isinstance(tag, Order) or tag.order_id not in tag.account.open_orders:
            return  # not ours, or refused on entry: nothing was recorded
        del tag.account.open_orders[tag.order_id]
        if reason is not DoneReason.FILLED:
            tag.status, tag.expiry_reason = _ENDINGS[reason]
            if reason is DoneReason.IOC_REMAINDER and tag.type == "MARKET":
                tag.expiry_reason = "9"
            elif reason is DoneReason.SELF_TRADE and tag.time_in_force == "IOC":
                tag.expiry_reason = "3"
            self.tell(tag, "CANCELED" if tag.status == "CANCELED" else "EXPIRED")
        if tag.algo is not None and tag.algo.status == "TRIGGERED":
            self.algos.end(tag.algo, "FINISHED")

    # -- bookkeeping of fills --------------------------------------------------------------

    def _fill(
        self, order: Order, price_units: int, units: int, trade_id: int, is_maker: bool
    ) -> None:
        account, rules = order.account, order.rules
        price = rules.price(price_units)
        value = notional(rules, units, price)
        fee = (value * (account.maker_rate if is_maker else account.taker_rate)).quantize(EIGHT)
        order.filled += units
        order.value += value
        order.status = "FILLED" if order.filled == order.size else "PARTIALLY_FILLED"
        profit = self.book_fill(order, price, units, fee)
        order.realized += profit
        fill = Execution(price_units, units, trade_id, is_maker, fee, profit)
        self.record(order, fill, value)
        if order.algo is not None and order.done and self.faults.finish_algo_early:
            self.algos.end(order.algo, "FINISHED")
        now = self.now_ms()
        if rules.product is Product.USDM:
            lite = events.trade_lite_event(order, fill, now)
            self.user_stream.emit(account, rules.product, lite)
        self.tell(order, "TRADE", fill)
        self.tell_account(account, rules, "ORDER", {rules.margin_asset: ZERO})

    def book_fill(self, order: Order, price: Decimal, units: int, fee: Decimal) -> Decimal:
        """Change position and wallet by a fill; return the realised profit."""
        profit, is_closed = fills.book(order, price, units, fee, self.now_ms())
        if is_closed:
            self._closed.append((order.account, order.rules.symbol))
        return profit

    def record(self, order: Order, fill: Execution, value: Decimal) -> None:
        """Keep a trade of an account."""
        order.account.trades.append(fills.trade_row(order, fill, value, self.now_ms()))
        if len(order.account.trades) > 2 * KEPT_ORDERS:
            del order.account.trades[:KEPT_ORDERS]

    def tell(self, order: Order, execution_type: str, fill: Execution | None = None) -> None:
        now = self.now_ms()
        order.updated_ms = now
        bids = asks = ZERO
        for other in order.account.open_of(order.rules.symbol):
            value = other.open_notional(self.mark(order.rules.symbol))
            if other.side is Side.BUY:
                bids += value
            else:
                asks += value
        event = events.order_event(order, execution_type, now, fill=fill, bids=bids, asks=asks)
        self.user_stream.emit(order.account, order.rules.product, event)

    def tell_account(
        self,
        account: Account,
        rules: SymbolRules,
        reason: str,
        changes: dict[str, Decimal],
        *,
        with_positions: bool = True,
        funding_symbol: str | None = None,
    ) -> None:
        positions: list[tuple[Position, Decimal]] = []
        if with_positions:
            mark = self.mark(rules.symbol)
            sides = ("LONG", "SHORT") if account.dual_side else ("BOTH",)  # BN-U-22
            positions = [(account.position(rules, side), mark) for side in sides]
        event = events.account_event(
            account,
            rules.product,
            self.now_ms(),
            reason=reason,
            changes=changes,
            positions=positions,
            funding_symbol=funding_symbol,
        )
        self.user_stream.emit(account, rules.product, event)

    def change_balance(self, account: Account, asset: str, amount: Decimal, reason: str) -> None:
        """Deposit, withdraw or adjust: change a wallet and tell the account's streams."""
        wallet = account.wallet(asset)
        wallet.balance += amount
        wallet.update_ms = self.now_ms()
        for product in Product:
            event = events.account_event(
                account,
                product,
                self.now_ms(),
                reason=reason,
                changes={asset: amount},
                positions=[],
            )
            self.user_stream.emit(account, product, event)

    def apply_funding(self, symbol: str, rate: Decimal) -> None:
        """Settle a funding payment of every position in a contract; longs pay a positive rate."""
        self.risk.apply_funding(symbol, rate)

    def tell_margin_type(self, account: Account, rules: SymbolRules) -> None:
        self.tell_account(account, rules, "MARGIN_TYPE_CHANGE", {})

    def move_isolated_margin(self, account: Account, position: Position, amount: Decimal) -> None:
        """Move margin from the cross wallet into an isolated position, or back if negative."""
        position.isolated_wallet += amount
        asset = position.rules.margin_asset
        self.tell_account(account, position.rules, "MARGIN_TRANSFER", {asset: ZERO})

    # -- time ------------------------------------------------------------------------------

    def settle(self) -> None:
        """Do what had to wait until the engine was free."""
        while self._closed:
            account, symbol = self._closed.pop()
            for order in account.open_of(symbol):
                limit = self.closable(account, symbol, order.position_side, order.side)
                if order.reduce_only and not limit:
                    self.engine.cancel(symbol, order.order_id, DoneReason.REDUCE_ONLY)

    def tick(self) -> None:
        """Let time pass: expiries, countdowns, triggers, liquidations, held-back events."""
        now_ns = self._clock_ns()
        self.engine.expire(now_ns)
        self.algos.expire(now_ns // 1_000_000)
        for account in self.accounts:
            for symbol, (_, due_ns) in list(account.countdowns.items()):
                if due_ns <= now_ns:
                    del account.countdowns[symbol]
                    self.cancel_all(account, symbol)
        self.settle()
        if self._dirty:
            dirty, self._dirty = self._dirty, set()
            self.algos.run(dirty)
            self.risk.check(dirty)
        self.user_stream.tick()


_GTC = TimeInForce.GTC


def _forget_oldest(account: Account) -> None:
    for order_id in list(account.orders)[:KEPT_ORDERS]:
        if order_id not in account.open_orders:
            del account.orders[order_id]
