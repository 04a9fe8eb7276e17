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

from ..matching import (
    DoneReason,
    EngineListener,
    EngineOrder,
    MatchingEngine,
    SelfTrade,
    Side,
    TimeInForce,
)
from . import userstream as events
from .account import Account, Position, Wallet, bracket_for, money, notional, plain
from .algo import AlgoOrder
from .filters import market_bound, matched_price
from .orders import Order
from .signing import ApiKey, deterministic_key, hmac_key, public_key
from .types import ApiError, Product, SymbolRules
from .userstream import Execution, UserStream

__all__ = ["Exchange", "ExchangeFaults"]

ZERO = Decimal(0)
_EIGHT = Decimal("0.00000001")
_ALPHABET = string.ascii_letters + string.digits
DEFAULT_BALANCES = {
    "USDT": Decimal(1_000_000),
    "USDC": Decimal(1_000_000),
    "BTC": Decimal(100),
    "ETH": Decimal(1_000),
}
KEPT_ORDERS = 20_000  # finished orders and fills an account remembers
MARGIN_CALL_AT = Decimal("0.8")  # maintenance margin / equity

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

_VENUE_CLIENT_IDS = {
    "liquidation": "autoclose-{ns}",
    "adl": "adl_autoclose",
    "settlement": "settlement_autoclose-{ns}",
    "delivery": "delivery_autoclose-{ns}",
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
        self.on_force_order: Callable[[Order], None] = lambda order: None
        self.force_orders: list[Order] = []
        self._next_algo_id = 2_000_000
        self._dirty: set[str] = set()  # symbols whose last or mark price moved
        self._closed: list[tuple[Account, str]] = []  # positions that went to zero
        self._called: set[str] = set()  # accounts in margin call
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

    def register_secret(self, account: Account, api_key: str, secret: str) -> None:
        """Let an HMAC secret sign for an account too."""
        self.keys[api_key] = (hmac_key(api_key, secret), account)

    def now_ms(self) -> int:
        return self._clock_ns() // 1_000_000

    def random_id(self) -> str:
        """Return a client id as the venue makes it for orders that came without one."""
        return "".join(self._random.choices(_ALPHABET, k=22))

    def next_algo_id(self) -> int:
        self._next_algo_id += 1
        return self._next_algo_id

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
        rules = self.symbols[symbol]
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
        self.engine.replace(
            order.rules.symbol, order.order_id, price_ticks=price, size_lots=size
        )
        self.settle()

    def cancel_all(self, account: Account, symbol: str) -> int:
        """Cancel the open orders of a symbol, conditional ones not included (BN-R-21)."""
        count = sum(
            self.engine.cancel(symbol, order.order_id) for order in account.open_of(symbol)
        )
        self.settle()
        return count

    # -- conditional orders ----------------------------------------------------------------

    def working_price(self, algo: AlgoOrder) -> Decimal:
        symbol = algo.rules.symbol
        last = self.last_prices.get(symbol)
        if algo.working_type == "MARK_PRICE" or last is None:
            return self.mark(symbol)
        return algo.rules.price(last)

    def add_algo(self, algo: AlgoOrder) -> None:
        """Keep a checked conditional order until its price comes."""
        algo.account.algo_orders[algo.algo_id] = algo
        self._tell_algo(algo)

    def end_algo(self, algo: AlgoOrder, status: str, text: str = "") -> None:
        """Move a conditional order to another status and tell its account."""
        algo.status = status
        algo.reject_text = text
        algo.updated_ms = self.now_ms()
        self._tell_algo(algo)

    def _tell_algo(self, algo: AlgoOrder) -> None:
        event = events.algo_event(algo, self.now_ms())
        self.user_stream.emit(algo.account, algo.rules.product, event)

    def _run_triggers(self, symbols: set[str]) -> None:
        for account in self.accounts:
            for algo in list(account.algo_orders.values()):
                if algo.open and algo.rules.symbol in symbols:
                    price = self.working_price(algo)
                    if price and algo.observe(price) and not self._protected(algo):
                        self._trigger(algo)

    def _protected(self, algo: AlgoOrder) -> bool:
        """Whether last and mark price are too far apart for an order with price protection."""
        last = self.last_prices.get(algo.rules.symbol)
        mark = self.mark(algo.rules.symbol)
        if not algo.price_protect or last is None or not mark:
            return False
        return abs(algo.rules.price(last) - mark) > mark * algo.rules.trigger_protect

    def _trigger(self, algo: AlgoOrder) -> None:
        algo.triggered_ms = self.now_ms()
        self.end_algo(algo, "TRIGGERING")
        size = algo.size
        if algo.close_position:
            size = self._closable(algo.account, algo.rules.symbol, algo.position_side, algo.side)
            if not size:
                self.end_algo(algo, "EXPIRED", "No position to close")
                return
        symbol = algo.rules.symbol
        price = algo.price
        if algo.price_match != "NONE":
            try:
                price = matched_price(self.engine.book(symbol), algo.side, algo.price_match)
            except ApiError as error:
                self.end_algo(algo, "REJECTED", error.message)
                return
        child = Order(
            algo.account,
            algo.rules,
            self.engine.next_order_id(),
            algo.client_id,
            algo.side,
            "MARKET" if algo.is_market else "LIMIT",
            algo.time_in_force,
            algo.position_side,
            size,
            price,
            algo.triggered_ms,
            reduce_only=algo.reduce_only or algo.close_position,
            close_position=algo.close_position,
            self_trade=algo.self_trade,
            price_match=algo.price_match,
            good_till_ms=algo.good_till_ms,
            orig_type=algo.type,
            stop_price=algo.trigger_price,
            working_type=algo.working_type,
            price_protect=algo.price_protect,
            algo=algo,
        )
        algo.child = child
        self.end_algo(algo, "TRIGGERED")
        try:
            self.submit(child)
        except ApiError as error:
            algo.child = None
            text = "Reduce Only reject" if error.code == -2022 else error.message
            self.end_algo(algo, "REJECTED", text)

    def _closable(self, account: Account, symbol: str, position_side: str, side: Side) -> int:
        position = account.positions.get((symbol, position_side))
        return max(0, -position.amount * side) if position is not None else 0

    # -- what the engine tells -------------------------------------------------------------

    def _reduce_limit(self, order: EngineOrder) -> int:
        if not isinstance(order.tag, Order):
            return order.open_lots
        tag = order.tag
        return self._closable(tag.account, tag.rules.symbol, tag.position_side, tag.side)

    def on_accepted(self, order: EngineOrder) -> None:
        tag = order.tag
        if isinstance(tag, Order):
            tag.size = order.size_lots  # reduce-only orders shrink to the position
            account = tag.account
            account.orders[tag.order_id] = tag
            account.open_orders[tag.order_id] = tag
            if len(account.orders) > 2 * KEPT_ORDERS:
                _forget_oldest(account)
            self._tell(tag, "NEW")

    def on_replaced(self, order: EngineOrder) -> None:
        tag = order.tag
        if isinstance(tag, Order):
            assert order.price_ticks is not None
            tag.price, tag.size = order.price_ticks, order.size_lots
            self._tell(tag, "AMENDMENT")

    def on_fill(
        self,
        market: str,
        taker: EngineOrder,
        maker: EngineOrder,
        price_ticks: int,
        size_lots: int,
        trade_id: int,
        ts_ns: int,
    ) -> None:
        self.last_prices[market] = price_ticks
        self._dirty.add(market)
        for order, is_maker in ((taker, False), (maker, True)):
            if isinstance(order.tag, Order):
                self._fill(order.tag, price_ticks, size_lots, trade_id, is_maker)

    def on_done(self, order: EngineOrder, reason: DoneReason) -> None:
        tag = order.tag
        if not isinstance(tag, Order) or tag.order_id not in tag.account.open_orders:
            return  # not ours, or refused on entry: nothing was recorded
        del tag.account.open_orders[tag.order_id]
        if reason is not DoneReason.FILLED:
            tag.status, tag.expiry_reason = _ENDINGS[reason]
            if reason is DoneReason.IOC_REMAINDER and tag.type == "MARKET":
                tag.expiry_reason = "9"
            self._tell(tag, "CANCELED" if tag.status == "CANCELED" else "EXPIRED")
        if tag.algo is not None:
            self.end_algo(tag.algo, "FINISHED")

    # -- bookkeeping of fills --------------------------------------------------------------

    def _fill(
        self, order: Order, price_units: int, units: int, trade_id: int, is_maker: bool
    ) -> None:
        account, rules = order.account, order.rules
        price = rules.price(price_units)
        value = notional(rules, units, price)
        fee = (value * (account.maker_rate if is_maker else account.taker_rate)).quantize(_EIGHT)
        order.filled += units
        order.value += value
        order.status = "FILLED" if order.filled == order.size else "PARTIALLY_FILLED"
        profit = self._book(order, price, units, fee)
        order.realized += profit
        fill = Execution(price_units, units, trade_id, is_maker, fee, profit)
        self._record(order, fill, value)
        now = self.now_ms()
        if rules.product is Product.USDM:
            lite = events.trade_lite_event(order, fill, now)
            self.user_stream.emit(account, rules.product, lite)
        self._tell(order, "TRADE", fill)
        self._tell_account(account, rules, "ORDER", {rules.margin_asset: ZERO})

    def _book(self, order: Order, price: Decimal, units: int, fee: Decimal) -> Decimal:
        """Change position and wallet by a fill; return the realised profit."""
        account, rules = order.account, order.rules
        position = account.position(rules, order.position_side)
        before = position.amount
        profit = position.apply(order.side * units, price, fee).quantize(_EIGHT)
        after = position.amount
        position.update_ms = self.now_ms()
        wallet = account.wallet(rules.margin_asset)
        wallet.balance += profit - fee
        wallet.update_ms = position.update_ms
        if rules.symbol in account.isolated:
            leverage = account.leverage(rules.symbol)
            if before * after > 0 and abs(after) < abs(before):
                share = position.isolated_wallet * abs(after) / abs(before)
            elif before * after > 0:
                opened = notional(rules, abs(after) - abs(before), price)
                share = position.isolated_wallet + opened / leverage
            else:
                share = notional(rules, abs(after), price) / leverage
            position.isolated_wallet = share.quantize(_EIGHT)
        if before and not after:
            self._closed.append((account, rules.symbol))
        return profit

    def _record(self, order: Order, fill: Execution, value: Decimal) -> None:
        rules = order.rules
        trade: dict[str, object] = {
            "buyer": order.side is Side.BUY,
            "commission": money(fill.fee),
            "commissionAsset": rules.margin_asset,
            "id": fill.trade_id,
            "maker": fill.maker,
            "orderId": order.order_id,
            "price": rules.price_text(fill.price),
            "qty": rules.qty_text(fill.size),
            "baseQty" if rules.inverse else "quoteQty": plain(value),
            "realizedPnl": money(fill.profit),
            "side": order.side_text,
            "positionSide": order.position_side,
            "symbol": rules.symbol,
            "time": self.now_ms(),
        }
        if rules.inverse:
            trade["pair"] = rules.pair
            trade["marginAsset"] = rules.margin_asset
        order.account.trades.append(trade)
        if len(order.account.trades) > 2 * KEPT_ORDERS:
            del order.account.trades[:KEPT_ORDERS]

    def _tell(self, order: Order, execution_type: str, fill: Execution | None = None) -> None:
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

    def _tell_account(
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

    def tell_margin_type(self, account: Account, rules: SymbolRules) -> None:
        self._tell_account(account, rules, "MARGIN_TYPE_CHANGE", {})

    def move_isolated_margin(self, account: Account, position: Position, amount: Decimal) -> None:
        """Move margin from the cross wallet into an isolated position, or back if negative."""
        position.isolated_wallet += amount
        asset = position.rules.margin_asset
        self._tell_account(account, position.rules, "MARGIN_TRANSFER", {asset: ZERO})

    # -- time ------------------------------------------------------------------------------

    def settle(self) -> None:
        """Do what had to wait until the engine was free."""
        while self._closed:
            account, symbol = self._closed.pop()
            for order in account.open_of(symbol):
                limit = self._closable(account, symbol, order.position_side, order.side)
                if order.reduce_only and not limit:
                    self.engine.cancel(symbol, order.order_id, DoneReason.REDUCE_ONLY)

    def tick(self) -> None:
        """Let time pass: expiries, countdowns, triggers, liquidations, held-back events."""
        now_ns = self._clock_ns()
        self.engine.expire(now_ns)
        for account in self.accounts:
            for symbol, (_, due_ns) in list(account.countdowns.items()):
                if due_ns <= now_ns:
                    del account.countdowns[symbol]
                    self.cancel_all(account, symbol)
        self.settle()
        if self._dirty:
            dirty, self._dirty = self._dirty, set()
            self._run_triggers(dirty)
            self._check_margins(dirty)
        self.user_stream.tick()

    # -- funding, liquidation, ADL ---------------------------------------------------------

    def apply_funding(self, symbol: str, rate: Decimal) -> None:
        """Settle a funding payment of every position in a contract; longs pay a positive rate."""
        rules = self.symbols[symbol]
        mark = self.mark(symbol)
        asset = rules.margin_asset
        for account in self.accounts:
            held = [position for position in account.positions_of(symbol) if position.amount]
            if not held:
                continue
            change = ZERO
            isolated = symbol in account.isolated
            for position in held:
                payment = (-position.notional(mark) * rate).quantize(_EIGHT)
                change += payment
                if isolated:
                    position.isolated_wallet += payment
            wallet = account.wallet(asset)
            wallet.balance += change
            wallet.update_ms = self.now_ms()
            self._tell_account(
                account,
                rules,
                "FUNDING_FEE",
                {asset: change},
                with_positions=isolated,  # BN-U-21
                funding_symbol=symbol,
            )

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

    def _check_margins(self, symbols: set[str]) -> None:
        """Call and liquidate accounts whose equity no longer covers maintenance margin."""
        for account in self.accounts:
            touched = [p for p in account.active() if p.rules.symbol in symbols]
            for position in [p for p in touched if p.rules.symbol in account.isolated]:
                mark = self.mark(position.rules.symbol)
                equity = position.isolated_wallet + position.unrealized(mark)
                if equity <= _maintenance(position, mark):
                    self.close_by_venue(account, position)
            for asset in {p.rules.margin_asset for p in touched}:
                self._check_cross(account, asset)

    def _check_cross(self, account: Account, asset: str) -> None:
        cross = [
            (position, self.mark(position.rules.symbol))
            for position in account.active()
            if position.rules.margin_asset == asset
            and position.rules.symbol not in account.isolated
        ]
        if not cross:
            return
        equity = account.cross_balance(asset) + sum(
            (position.unrealized(mark) for position, mark in cross), ZERO
        )
        items = [(position, mark, _maintenance(position, mark)) for position, mark in cross]
        needed = sum((item[2] for item in items), ZERO)
        if equity <= needed:
            for position, _ in cross:
                self.close_by_venue(account, position)
            shortfall = -account.cross_balance(asset)
            if shortfall > 0:
                self.change_balance(account, asset, shortfall, "INSURANCE_CLEAR")
        elif needed > equity * MARGIN_CALL_AT and account.name not in self._called:
            self._called.add(account.name)
            for product in Product:
                ours = [item for item in items if item[0].rules.product is product]
                if ours:
                    event = events.margin_call_event(
                        account,
                        product,
                        self.now_ms(),
                        ours,
                        cross_wallet=account.cross_balance(asset),
                    )
                    self.user_stream.emit(account, product, event)
        elif needed < equity * MARGIN_CALL_AT:
            self._called.discard(account.name)

    def close_by_venue(
        self,
        account: Account,
        position: Position,
        kind: str = "liquidation",
        *,
        units: int | None = None,
        price: int | None = None,
        execution_type: str = "CALCULATED",
        status: str | None = None,
        notice: bool = False,
    ) -> Order:
        """Close a position, or part of it, by an order the venue makes (section 11.3).

        Parameters
        ----------
        kind
            `liquidation`, `adl`, `settlement` or `delivery`: decides the special client id.
        units, price
            Size and price in engine units; default all of it at the mark price.
        execution_type, status
            CALCULATED or TRADE (BN-U-31), and the status shown if not FILLED: NEW_ADL and
            NEW_INSURANCE are the venue's other ones (BN-U-33).
        notice
            First tell of the order with nothing filled (BN-U-32).
        """
        rules = position.rules
        side = Side.SELL if position.amount > 0 else Side.BUY
        size = min(units or abs(position.amount), abs(position.amount))
        at = price or int(self.mark(rules.symbol).scaleb(rules.price_precision))
        if not size or not at:
            raise ValueError(f"nothing to close: {abs(position.amount)} units at price {at}")
        client_id = _VENUE_CLIENT_IDS[kind].format(ns=self._clock_ns())
        for order in account.open_of(rules.symbol):
            self.engine.cancel(rules.symbol, order.order_id, DoneReason.LIQUIDATED)
        order = Order(
            account,
            rules,
            self.engine.next_order_id(),
            client_id,
            side,
            "LIMIT",
            "IOC",
            position.side,
            size,
            at,
            self.now_ms(),
            reduce_only=True,
            self_trade="NONE",
        )
        account.orders[order.order_id] = order
        if notice:
            self._tell(order, execution_type)
        fee = ZERO
        value = notional(rules, size, rules.price(at))
        order.filled, order.value, order.status = size, value, status or "FILLED"
        profit = self._book(order, rules.price(at), size, fee)
        trade_id = self.engine.next_trade_id(rules.symbol)
        fill = Execution(at, size, trade_id, False, fee, profit)
        self._record(order, fill, value)
        self._tell(order, execution_type, fill)
        reason = "ADL" if kind == "adl" else "ORDER"
        self._tell_account(account, rules, reason, {rules.margin_asset: ZERO})
        self.force_orders.append(order)
        del self.force_orders[:-1000]
        self.on_force_order(order)
        self.settle()
        return order


_GTC = TimeInForce.GTC


def _maintenance(position: Position, mark: Decimal) -> Decimal:
    size = abs(position.notional(mark))
    bracket = bracket_for(position.rules.product, size)
    return max(ZERO, size * bracket.rate - bracket.cum)


def _forget_oldest(account: Account) -> None:
    for order_id in list(account.orders)[:KEPT_ORDERS]:
        if order_id not in account.open_orders:
            del account.orders[order_id]
