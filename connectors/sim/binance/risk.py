"""What the venue does to positions by itself: funding, margin calls, liquidation, ADL."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from ..engine_order import DoneReason, Side
from . import user_events as events
from .account import Account, Position, bracket_for, notional
from .orders import Order
from .types import Product
from .user_events import Execution

if TYPE_CHECKING:
    from .exchange import Exchange

__all__ = ["Risk"]

ZERO = Decimal(0)
_EIGHT = Decimal("0.00000001")
MARGIN_CALL_AT = Decimal("0.8")  # maintenance margin / equity

_CLIENT_IDS = {
    "liquidation": "autoclose-{ns}",
    "adl": "adl_autoclose",
    "settlement": "settlement_autoclose-{ns}",
    "delivery": "delivery_autoclose-{ns}",
}
# Which venue orders end the account's own orders in the contract first.
_ENDS_ORDERS = {
    "liquidation": DoneReason.LIQUIDATED,
    "settlement": DoneReason.DELISTED,
    "delivery": DoneReason.DELISTED,
}


class Risk:
    """Funding, margin and venue-made orders of every account on one exchange."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._called: set[str] = set()  # accounts in margin call
        self.force_orders: list[Order] = []

    def apply_funding(self, symbol: str, rate: Decimal) -> None:
        """Settle a funding payment of every position in a contract; longs pay a positive rate."""
        rules = self._exchange.symbols[symbol]
        mark = self._exchange.mark(symbol)
        asset = rules.margin_asset
        for account in self._exchange.accounts:
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
            wallet.update_ms = self._exchange.now_ms()
            self._exchange.tell_account(
                account,
                rules,
                "FUNDING_FEE",
                {asset: change},
                with_positions=isolated,  # BN-U-21
                funding_symbol=symbol,
            )

    def check(self, symbols: set[str]) -> None:
        """Call and liquidate accounts whose equity no longer covers maintenance margin."""
        for account in self._exchange.accounts:
            touched = [p for p in account.active() if p.rules.symbol in symbols]
            for position in [p for p in touched if p.rules.symbol in account.isolated]:
                mark = self._exchange.mark(position.rules.symbol)
                equity = position.isolated_wallet + position.unrealized(mark)
                if equity <= _maintenance(position, mark):
                    self.close(account, position)
            for asset in {p.rules.margin_asset for p in touched}:
                self._check_cross(account, asset)

    def _check_cross(self, account: Account, asset: str) -> None:
        """Compare the cross equity of one asset with what its positions need."""
        cross = [
            (position, self._exchange.mark(position.rules.symbol))
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
                self.close(account, position)
            shortfall = -account.cross_balance(asset)
            if shortfall > 0:
                self._exchange.change_balance(account, asset, shortfall, "INSURANCE_CLEAR")
        elif needed > equity * MARGIN_CALL_AT and account.name not in self._called:
            self._called.add(account.name)
            for product in Product:
                ours = [item for item in items if item[0].rules.product is product]
                if ours:
                    event = events.margin_call_event(
                        account,
                        product,
                        self._exchange.now_ms(),
                        ours,
                        cross_wallet=account.cross_balance(asset),
                    )
                    self._exchange.user_stream.emit(account, product, event)
        elif needed < equity * MARGIN_CALL_AT:
            self._called.discard(account.name)

    def close(
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
        at = price or int(self._exchange.mark(rules.symbol).scaleb(rules.price_precision))
        if not size or not at:
            raise ValueError(f"nothing to close: {abs(position.amount)} units at price {at}")
        client_id = _CLIENT_IDS[kind].format(ns=self._exchange.now_ns())
        ending = _ENDS_ORDERS.get(kind)
        if ending is not None:
            for resting in account.open_of(rules.symbol):
                self._exchange.engine.cancel(rules.symbol, resting.order_id, ending)
        order = Order(
            account,
            rules,
            self._exchange.engine.next_order_id(),
            client_id,
            side,
            "LIMIT",
            "IOC",
            position.side,
            size,
            at,
            self._exchange.now_ms(),
            reduce_only=True,
            self_trade="NONE",
        )
        account.orders[order.order_id] = order
        if notice:
            self._exchange.tell(order, execution_type)
        fee = ZERO
        value = notional(rules, size, rules.price(at))
        order.filled, order.value, order.status = size, value, status or "FILLED"
        profit = self._exchange.book_fill(order, rules.price(at), size, fee)
        trade_id = self._exchange.engine.next_trade_id(rules.symbol)
        fill = Execution(at, size, trade_id, False, fee, profit)
        self._exchange.record(order, fill, value)
        self._exchange.tell(order, execution_type, fill)
        reason = "ADL" if kind == "adl" else "ORDER"
        self._exchange.tell_account(account, rules, reason, {rules.margin_asset: ZERO})
        self.force_orders.append(order)
        del self.force_orders[:-1000]
        if self._exchange.on_force_order is not None:
            self._exchange.on_force_order(order)
        self._exchange.settle()
        return order


def _maintenance(position: Position, mark: Decimal) -> Decimal:
    size = abs(position.notional(mark))
    bracket = bracket_for(position.rules.product, size)
    return max(ZERO, size * bracket.rate - bracket.cum)
