"""The venue's state: accounts, orders, books, and what one action does to them.

Everything here happens at once and in order. What users and the public are to see is put into
`Account.outbox` and `changed`, and sent when the block ends (`publisher`).
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any

from ..engine_order import DoneReason, EngineOrder, SelfTrade, Side, TimeInForce
from ..matching import EngineFill, EngineListener, MatchingEngine
from .accounts import Account, Agent, NonceSet
from .checks import check_funds, precheck
from .config import SimConfig, generated_accounts
from .crypto import address_of_key
from .errors import ActionError, OrderError
from .fills import fill_row
from .liquidation import liquidate_the_broke
from .markets import Market, make_markets
from .numbers import signed
from .orders import Order, Trigger
from .twaps import Twaps

if TYPE_CHECKING:
    from ..clock import SimClock

__all__ = ["Exchange"]

FIRST_OID = 2**38
TID_BITS = 50
YEAR_MS = 365 * 86_400_000
HOUSE = "0x" + "0" * 38 + "10"
MAX_ROUNDS = 100
_ENDS = {
    DoneReason.SELF_TRADE: "selfTradeCanceled",
    DoneReason.REDUCE_ONLY: "reduceOnlyCanceled",
    DoneReason.FILLED: "filled",
}
_BY_USER = frozenset({"canceled", "filled", "rejected"})


class Exchange(EngineListener):
    """Accounts and books of one simulator.

    Attributes
    ----------
    changed
        Coins whose book or price changed since the last block, and the trades of each.
    touched
        Accounts whose streams have something to send.
    """

    def __init__(self, config: SimConfig, clock: SimClock) -> None:
        self.config = config
        self.clock = clock
        self.markets = make_markets()
        self.by_asset = {market.asset: market for market in self.markets.values()}
        self.engine = MatchingEngine(self, clock.now_ns, reduce_limit=self._reduce_limit)
        self.accounts: dict[str, Account] = {}
        self.agent_owner: dict[str, Account] = {}
        self.nonces: dict[str, NonceSet] = {}
        self.armed: dict[str, dict[int, Order]] = {coin: {} for coin in self.markets}
        self.changed: dict[str, list[dict[str, Any]]] = {}
        self.touched: dict[str, Account] = {}
        self.fill_count = 0
        self.action_hash = ""
        self._oid = FIRST_OID
        self._hashes = 0
        self._after: deque[Callable[[], None]] = deque()
        self._settling = False
        self.twaps = Twaps(self)
        for coin in self.markets:
            self.engine.add_market(coin)
        self.house = self.open_account(HOUSE, house=True)
        self.nobody = Account("0x" + "0" * 40)
        for setup in generated_accounts(config):
            self._set_up(setup)

    # -- accounts ----------------------------------------------------------------------------

    def open_account(self, address: str, **values: Any) -> Account:
        account = self.accounts[address] = Account(address, **values)
        return account

    def _set_up(self, setup: Any) -> None:
        account = self.open_account(
            address_of_key(setup.private_key),
            usd=signed(setup.perp_usd),
            spot={token: signed(amount) for token, amount in setup.spot.items()},
            volume=signed(setup.volume_usd),
        )
        for name, key in setup.agents.items():
            self.add_agent(account, address_of_key(key), name)
        for role, addresses in (("subAccount", setup.sub_accounts), ("vault", setup.vaults)):
            for address in addresses:
                self.open_account(
                    address.lower(), leader=account.address, role=role,
                    usd=signed(setup.perp_usd), spot={"USDC": signed("100000")},
                )  # fmt: skip

    def add_agent(self, account: Account, address: str, name: str) -> None:
        """Approve an agent; one of the same name is replaced and forgotten."""
        old = next((a for a in account.agents.values() if a.name == name), None)
        if old is not None:
            self.prune_agent(old.address)
        account.agents[address] = Agent(address, name, self.clock.now_ms() + YEAR_MS)
        self.agent_owner[address] = account

    def prune_agent(self, address: str) -> None:
        owner = self.agent_owner.pop(address, None)
        if owner is not None:
            del owner.agents[address]
            self.nonces.pop(address, None)

    def account(self, address: str) -> Account:
        """Return an account. Raises LookupError if the venue does not know the address."""
        account = self.accounts.get(address.lower())
        if account is None:
            raise LookupError(f"no account {address}")
        return account

    def owner_of(self, signer: str) -> Account | None:
        """Return the master whose actions this address may sign."""
        account = self.accounts.get(signer)
        if account is not None and account.leader is None and not account.house:
            return account
        owner = self.agent_owner.get(signer)
        if owner is not None and owner.agents[signer].valid_until_ms <= self.clock.now_ms():
            self.prune_agent(signer)
            return None
        return owner

    # -- what is shown -----------------------------------------------------------------------

    def tell(self, account: Account, kind: str, payload: Any, oid: int = 0) -> None:
        """Put something into a user's streams."""
        if account.house:
            return
        account.outbox.append((kind, payload, oid))
        self.touched[account.address] = account

    def touch(self, account: Account) -> None:
        """Balances or positions changed."""
        if not account.house:
            self.touched[account.address] = account

    def show(self, order: Order, status: str) -> None:
        """Give an order a status, and stream it."""
        order.status = status
        order.status_ms = self.clock.now_ms()
        self.tell(order.account, "order", order.update(), order.oid)

    def new_oid(self) -> int:
        self._oid += 1
        return self._oid

    def new_event_id(self) -> int:
        self._hashes += 1
        return self._hashes

    def new_hash(self) -> str:
        self._hashes += 1
        text = f"{self.config.seed}/{self._hashes}"
        self.action_hash = "0x" + hashlib.sha256(text.encode()).hexdigest()
        return self.action_hash

    # -- placing -----------------------------------------------------------------------------

    def place(self, order: Order) -> None:
        """Arm, match or rest a new order.

        Raises
        ------
        OrderError
            It is refused; if it has a status it is in the history as such.
        """
        try:
            precheck(self, order)
            self._enter(order)
        except OrderError as error:
            self.refuse(order, error)
            raise

    def refuse(self, order: Order, error: OrderError) -> None:
        """Record an order that was refused, if the venue does."""
        if error.status is None or order.state == "done":
            return
        order.state = "done"
        order.account.remember(order)
        order.status, order.status_ms = error.status, self.clock.now_ms()
        if self.config.stream_rejections:
            self.tell(order.account, "order", order.update(), order.oid)

    def adopt(self, order: Order) -> None:
        """Take an order into the account's books."""
        account = order.account
        account.live[order.oid] = order
        if order.cloid is not None:
            account.by_cloid[order.cloid] = order
        if not account.house:
            account.remember(order)

    def _enter(self, order: Order) -> None:
        if order.trigger is not None:
            self.adopt(order)
            self.arm(order)
            return
        self.match(order)
        if order.state == "new":  # nothing matched after all, or a limit moved meanwhile
            text = "Order could not immediately match against any resting orders."
            raise OrderError(text, "iocCancelRejected")

    def arm(self, order: Order) -> None:
        """Let a trigger order wait for the mark price."""
        order.state = "armed"
        self.armed[order.market.coin][order.oid] = order
        self.show(order, "open")

    def wait_for(self, child: Order) -> None:
        """Let a TP/SL order wait for its parent's fill."""
        child.state = "waiting"
        self.adopt(child)

    def match(self, order: Order) -> None:
        """Send an order through the book and show how it came out."""
        market = order.market
        immediate = order.tif in ("Ioc", "FrontendMarket") or (
            order.triggered and order.trigger is not None and order.trigger.is_market
        )
        engine_order = EngineOrder(
            order.oid, market.coin, order.engine_side, order.open_lots, order.px,
            TimeInForce.IOC if immediate else TimeInForce.GTC,
            owner=None if order.account.house else order.account.address,
            post_only=order.tif == "Alo",
            reduce_only=order.reduce_only and not market.is_spot,
            self_trade=SelfTrade.EXPIRE_MAKER, tag=order,
        )  # fmt: skip
        order.engine = engine_order
        was = order.state
        self.engine.submit(engine_order)
        if engine_order.resting:
            if engine_order.open_lots < order.open_lots:  # cut down to the position
                order.lots = order.filled_lots + engine_order.open_lots
            order.state = "resting"
            self.adopt(order)
            self.show(order, "open")
        elif order.state == "done":
            return
        elif order.filled_lots:
            self.adopt(order)
            done = engine_order.done_reason
            self.finish(order, "filled" if _full(order, done) else self.config.ioc_remainder)
        else:
            order.state = was

    # -- ends --------------------------------------------------------------------------------

    def cancel(self, order: Order, status: str = "canceled") -> None:
        """End a live order."""
        if order.resting:
            order.cancel_status = status
            self.engine.cancel(order.market.coin, order.oid)
        else:
            self.finish(order, status)

    def finish(self, order: Order, status: str) -> None:
        """Close an order's books and let those that depend on it follow."""
        account = order.account
        order.state = "done"
        account.live.pop(order.oid, None)
        self.armed[order.market.coin].pop(order.oid, None)
        if order.cloid is not None and account.by_cloid.get(order.cloid) is order:
            del account.by_cloid[order.cloid]
        if account.house:
            return
        self.show(order, status)
        if status not in _BY_USER and not status.endswith("Rejected"):
            cancelled = {"coin": order.market.coin, "oid": order.oid}
            self.tell(account, "event", {"nonUserCancel": [cancelled]})
        for child in order.children:
            follow = self.arm if status == "filled" else self.cancel
            self._after.append(partial(_if_live, child, follow))
        if status == "filled":
            for sibling in order.group:
                if sibling is not order:
                    self._after.append(partial(_if_live, sibling, self._cancel_sibling))

    def _cancel_sibling(self, order: Order) -> None:
        self.cancel(order, "siblingFilledCanceled")

    # -- told by the engine ------------------------------------------------------------------

    def on_accepted(self, order: EngineOrder) -> None:
        tag: Order = order.tag
        if self.config.open_before_fill and self.engine.book(order.market).would_take(
            order.side, order.price_ticks
        ):
            self.show(tag, "open")

    def on_fill(self, fill: EngineFill) -> None:
        where = self.markets[fill.market]
        price_ticks, size_lots = fill.price_ticks, fill.size_lots
        taker: Order = fill.taker.tag
        maker: Order = fill.maker.tag
        buyer, seller = (taker, maker) if taker.is_buy else (maker, taker)
        tid = _tid(buyer.oid, seller.oid)
        now_ms = self.clock.now_ms()
        liquidation = taker.liquidation
        for order, crossed in ((taker, True), (maker, False)):
            row = fill_row(
                self, order, price_ticks, size_lots, crossed=crossed, tid=tid, now_ms=now_ms,
                liquidation=liquidation,
            )  # fmt: skip
            if not order.account.house:
                order.account.fills.append(row)
                self.tell(order.account, "fill", row, order.oid)
        self.fill_count += 1
        value = where.notional(price_ticks, size_lots)
        where.last = price_ticks
        where.volume += value
        where.base_volume += size_lots
        trade = {
            "coin": fill.market,
            "side": taker.side,
            "px": where.price(price_ticks),
            "sz": where.size(size_lots),
            "time": now_ms,
            "hash": self.action_hash,
            "tid": tid,
            "users": [buyer.account.address, seller.account.address],
        }
        where.trades.append(trade)
        self.changed.setdefault(fill.market, []).append(trade)
        if self.config.open_on_partial and fill.maker.open_lots:
            self.show(maker, "open")

    def on_done(self, order: EngineOrder, reason: DoneReason) -> None:
        tag: Order = order.tag
        if tag.state != "resting":
            if reason is DoneReason.FILLED:
                self.adopt(tag)
                self.finish(tag, "filled")
            return
        self.finish(tag, _ENDS.get(reason, tag.cancel_status))

    def on_level(self, market: str, side: Side, price_ticks: int, size_lots: int) -> None:
        self.changed.setdefault(market, [])

    def _reduce_limit(self, order: EngineOrder) -> int:
        lots: int = order.tag.account.lots(order.market)
        return max(-lots * int(order.side), 0)

    # -- settling ----------------------------------------------------------------------------

    def settle(self) -> None:
        """Let everything follow that the last action caused: children, triggers, liquidations."""
        if self._settling:
            return
        self._settling = True
        try:
            for _ in range(MAX_ROUNDS):
                while self._after:
                    self._after.popleft()()
                coins = list(self.changed)
                moved = [coin for coin in coins if self._move_mark(coin)]
                fired = [coin for coin in coins if self._fire(coin)]
                if not fired and not self._after:
                    if moved:
                        liquidate_the_broke(self)
                    if not self._after:
                        return
        finally:
            self._settling = False

    def _move_mark(self, coin: str) -> bool:
        market = self.markets[coin]
        if market.pinned:
            return False
        book = self.engine.book(coin)
        bid, ask = book.best_bid, book.best_ask
        mid = market.last if bid is None or ask is None else (bid + ask) // 2
        mark = market.round_price(int(median((market.reference, mid, market.last))))
        if mark == market.mark:
            return False
        market.mark = mark
        return True

    def set_mark(self, market: Market, px: int | None) -> None:
        """Pin the mark price, or let it follow the book again; triggers fire."""
        market.pinned = px is not None
        if px is not None:
            market.mark = px
        self.changed.setdefault(market.coin, [])
        liquidate_the_broke(self)
        self.settle()

    def _fire(self, coin: str) -> bool:
        """Fire what the mark price reached; true if anything did."""
        armed = self.armed[coin]
        if not armed:
            return False
        mark = self.markets[coin].mark
        fired = False
        for order in list(armed.values()):
            if order.position_tpsl and not order.account.lots(coin):
                self.finish(order, "reduceOnlyCanceled")
            elif (
                order.state == "armed"
                and order.trigger is not None
                and order.trigger.fires(mark, is_buy=order.is_buy)
            ):
                self._trigger(order)
                fired = True
        return fired

    def _trigger(self, order: Order) -> None:
        account, coin = order.account, order.market.coin
        del self.armed[coin][order.oid]
        lots = account.lots(coin)
        closable = max(-lots * (1 if order.is_buy else -1), 0)
        if order.position_tpsl:
            order.lots = closable
        order.triggered = True
        self.show(order, "triggered")
        if self.config.trigger_renames:
            self._rename(order)
        if order.reduce_only and not closable:
            self.finish(order, "reduceOnlyCanceled")
            return
        self.new_hash()
        try:
            if not order.reduce_only:
                check_funds(self, order)
        except OrderError as error:
            self.finish(order, error.status or "rejected")
            return
        order.state = "armed"
        self.match(order)
        if order.state == "armed":
            no_match = order.trigger is not None and order.trigger.is_market
            self.finish(order, "marketOrderNoLiquidityRejected" if no_match else "canceled")

    def _rename(self, order: Order) -> None:
        """Let what a trigger has set off be an order of its own."""
        account = order.account
        del account.live[order.oid]
        account.history[order.oid] = replace(order, state="done")
        order.oid = self.new_oid()
        order.timestamp_ms = self.clock.now_ms()
        self.adopt(order)

    def make(
        self, account: Account, market: Market, *, is_buy: bool, px: int, lots: int, tif: str,
        trigger: Trigger | None = None, reduce_only: bool = False,
    ) -> Order:  # fmt: skip
        """Return a new order, not placed yet."""
        now_ms = self.clock.now_ms()
        return Order(
            self.new_oid(), account, market, is_buy, px, lots, reduce_only, tif, now_ms,
            trigger=trigger, status_ms=now_ms,
        )  # fmt: skip

    # -- time --------------------------------------------------------------------------------

    def tick(self) -> None:
        """Do what is due by the clock: slices of TWAP orders, scheduled cancels."""
        now_ms = self.clock.now_ms()
        self.twaps.advance(now_ms)
        for account in self.accounts.values():
            if account.cancel_at_ms is None or account.cancel_at_ms > now_ms:
                continue
            account.cancel_at_ms = None
            day = now_ms // 86_400_000
            count = account.cancels_day[1] if account.cancels_day[0] == day else 0
            account.cancels_day = (day, count + 1)
            for order in list(account.live.values()):
                if order.is_live:
                    self.cancel(order, "scheduledCancel")
            self.settle()

    def market_of(self, asset: int) -> Market:
        """Return a market by its asset id. Raises ActionError if there is none."""
        market = self.by_asset.get(asset)
        if market is None:
            raise ActionError(f"Asset {asset} is not a valid asset")
        return market


def _full(order: Order, reason: DoneReason | None) -> bool:
    return order.open_lots <= 0 or reason is DoneReason.FILLED


def _if_live(order: Order, follow: Callable[[Order], None]) -> None:
    if order.is_live:
        follow(order)


def _tid(buyer_oid: int, seller_oid: int) -> int:
    data = buyer_oid.to_bytes(8, "big") + seller_oid.to_bytes(8, "big")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big") >> (64 - TID_BITS)
