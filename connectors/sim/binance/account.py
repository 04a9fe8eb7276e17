"""Accounts of the simulator: wallets, positions and margin, in exact decimals.

One account trades both products from the same wallets (BN-P-09). A wallet's balance includes what
is set aside for isolated positions; the cross balance is the rest. Each margin asset stands for
itself, multi-assets mode is only a setting here. Maintenance margin follows one bracket table per
product.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from ..engine_order import Side
from .types import Product, SymbolRules

if TYPE_CHECKING:
    from .algo import AlgoOrder
    from .orders import Order

__all__ = ["BRACKETS", "Account", "Bracket", "MarginUse", "Position", "Wallet", "money", "plain"]

ZERO = Decimal(0)
_CENT = Decimal("0.00000001")


def money(value: Decimal) -> str:
    """Return an amount with eight decimals in plain notation."""
    text = f"{value.quantize(_CENT):f}"
    return text[1:] if text == "-0.00000000" else text


def plain(value: Decimal) -> str:
    """Return a number in plain notation without trailing zeros."""
    text = f"{value.quantize(_CENT):f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


@dataclass(frozen=True, slots=True)
class Bracket:
    """Margin rules up to a notional (quote currency; base currency for COIN-M)."""

    number: int
    floor: Decimal
    cap: Decimal
    max_leverage: int
    rate: Decimal
    cum: Decimal


def _brackets(rows: list[tuple[str, int, str]]) -> tuple[Bracket, ...]:
    """Build brackets so that maintenance margin is continuous at every border."""
    brackets: list[Bracket] = []
    floor, cum, rate_before = ZERO, ZERO, ZERO
    for number, (cap, leverage, rate_text) in enumerate(rows, 1):
        rate = Decimal(rate_text)
        cum += floor * (rate - rate_before)
        brackets.append(Bracket(number, floor, Decimal(cap), leverage, rate, cum))
        floor, rate_before = Decimal(cap), rate
    return tuple(brackets)


BRACKETS = {
    Product.USDM: _brackets(
        [
            ("50000", 125, "0.004"),
            ("600000", 100, "0.005"),
            ("3000000", 75, "0.0065"),
            ("12000000", 50, "0.01"),
            ("70000000", 20, "0.02"),
            ("500000000", 5, "0.1"),
        ]
    ),
    Product.COINM: _brackets(
        [
            ("5", 125, "0.004"),
            ("10", 100, "0.005"),
            ("20", 50, "0.01"),
            ("50", 20, "0.025"),
            ("100", 10, "0.05"),
            ("1000", 5, "0.1"),
        ]
    ),
}


def bracket_for(product: Product, notional: Decimal) -> Bracket:
    table = BRACKETS[product]
    return next((row for row in table if notional < row.cap), table[-1])


def notional(rules: SymbolRules, units: int, price: Decimal) -> Decimal:
    """Return the value of a size in the margin currency: quote, or base for COIN-M (BN-I-11)."""
    qty = rules.qty(units)
    if not rules.inverse:
        return qty * price
    return qty * rules.contract_size / price if price else ZERO


@dataclass(slots=True)
class Wallet:
    balance: Decimal = ZERO
    update_ms: int = 0


@dataclass(slots=True)
class Position:
    """What an account holds of one contract on one position side; `amount` is signed units."""

    rules: SymbolRules
    side: str  # BOTH, LONG or SHORT
    amount: int = 0
    entry: Decimal = ZERO
    realized: Decimal = ZERO  # since the position was first opened, before fees
    fees: Decimal = ZERO  # paid for what is still open, for the break-even price
    isolated_wallet: Decimal = ZERO
    update_ms: int = 0

    def notional(self, price: Decimal) -> Decimal:
        """Return the signed value at a price, in the margin currency."""
        return notional(self.rules, self.amount, price)

    def profit(self, units: int, price: Decimal) -> Decimal:
        """Return what closing `units` (signed like the position) at a price would realise."""
        if not units:
            return ZERO
        entry, now = notional(self.rules, units, self.entry), notional(self.rules, units, price)
        return entry - now if self.rules.inverse else now - entry

    def unrealized(self, mark: Decimal) -> Decimal:
        return self.profit(self.amount, mark)

    def break_even(self) -> Decimal:
        """Return the price at which the open amount pays for its own fees."""
        if not self.amount:
            return ZERO
        value = notional(self.rules, self.amount, self.entry)
        if self.rules.inverse:
            value -= self.fees
            return self.rules.qty(self.amount) * self.rules.contract_size / value
        return (value + self.fees) / self.rules.qty(self.amount)

    def apply(self, units: int, price: Decimal, fee: Decimal) -> Decimal:
        """Add a signed fill; return the profit it realised, before the fee."""
        closing = -units if units * self.amount < 0 else 0
        if abs(closing) > abs(self.amount):
            closing = self.amount
        profit = self.profit(closing, price)
        opening = units + closing
        if closing:
            self.fees -= self.fees * closing / self.amount
            self.amount -= closing
        if opening:
            value = notional(self.rules, self.amount, self.entry) if self.amount else ZERO
            value += notional(self.rules, opening, price)
            self.amount += opening
            qty = self.rules.qty(self.amount)
            self.entry = (
                qty * self.rules.contract_size / value if self.rules.inverse else value / qty
            )
            self.fees += fee * abs(opening) / abs(units)
        elif not self.amount:
            self.entry = ZERO
            self.fees = ZERO
        self.realized += profit
        return profit


@dataclass(slots=True)
class MarginUse:
    """Margin of one contract, or the sum of several, in the margin currency."""

    position: Decimal = ZERO  # initial margin of what is held
    orders: Decimal = ZERO  # initial margin that open orders need on top
    maintenance: Decimal = ZERO
    bid_notional: Decimal = ZERO
    ask_notional: Decimal = ZERO

    @property
    def initial(self) -> Decimal:
        return self.position + self.orders


@dataclass(slots=True, eq=False)
class Account:
    """One trading account: settings, wallets, positions, orders and fills."""

    name: str
    alias: str
    wallets: dict[str, Wallet]
    maker_rate: Decimal = Decimal("0.0002")
    taker_rate: Decimal = Decimal("0.0004")
    dual_side: bool = False
    multi_assets: bool = False
    leverages: dict[str, int] = field(default_factory=dict)
    isolated: set[str] = field(default_factory=set)
    positions: dict[tuple[str, str], Position] = field(default_factory=dict)
    orders: dict[int, Order] = field(default_factory=dict)
    open_orders: dict[int, Order] = field(default_factory=dict)
    algo_orders: dict[int, AlgoOrder] = field(default_factory=dict)
    trades: list[dict[str, object]] = field(default_factory=list)
    countdowns: dict[str, tuple[int, int]] = field(default_factory=dict)  # ms, due ns

    DEFAULT_LEVERAGE = 20

    def leverage(self, symbol: str) -> int:
        return self.leverages.get(symbol, self.DEFAULT_LEVERAGE)

    def wallet(self, asset: str) -> Wallet:
        return self.wallets.setdefault(asset, Wallet())

    def position(self, rules: SymbolRules, side: str) -> Position:
        """Return the position, making an empty one on first use."""
        key = (rules.symbol, side)
        found = self.positions.get(key)
        if found is None:
            found = self.positions[key] = Position(rules, side)
        return found

    def positions_of(self, symbol: str) -> list[Position]:
        return [p for (name, _), p in self.positions.items() if name == symbol]

    def open_of(self, symbol: str) -> list[Order]:
        return [order for order in self.open_orders.values() if order.rules.symbol == symbol]

    def cross_balance(self, asset: str) -> Decimal:
        """Return the balance that is not set aside for isolated positions."""
        set_aside = sum(
            (p.isolated_wallet for p in self.positions.values() if p.rules.margin_asset == asset),
            ZERO,
        )
        return self.wallet(asset).balance - set_aside

    def margin_of(
        self,
        rules: SymbolRules,
        mark: Decimal,
        extra: tuple[str, Side, Decimal] | None = None,
    ) -> MarginUse:
        """Return the margin one contract uses, with an order (side and value) still to come.

        One-way mode counts the larger exposure that can result, max(|held + bids|,
        |held - asks|). In hedge mode each side counts what is held plus what opens it.
        """
        leverage = self.leverage(rules.symbol)
        use = MarginUse()
        opening = {"BOTH": [ZERO, ZERO], "LONG": [ZERO, ZERO], "SHORT": [ZERO, ZERO]}
        for order in self.open_of(rules.symbol):
            value = order.open_notional(mark)
            if order.side is Side.BUY:
                use.bid_notional += value
            else:
                use.ask_notional += value
            if not order.reduce_only:
                opening[order.position_side][order.side is Side.SELL] += value
        if extra is not None:
            position_side, side, value = extra
            opening[position_side][side is Side.SELL] += value
        held = dict.fromkeys(opening, ZERO)
        for position in self.positions_of(rules.symbol):
            held[position.side] = position.notional(mark)
            size = abs(held[position.side])
            bracket = bracket_for(rules.product, size)
            use.maintenance += max(ZERO, size * bracket.rate - bracket.cum)
            use.position += size / leverage
        both, (bids, asks) = held["BOTH"], opening["BOTH"]
        exposure = max(abs(both + bids), abs(both - asks))
        exposure += held["LONG"] + opening["LONG"][0]
        exposure += abs(held["SHORT"]) + opening["SHORT"][1]
        use.orders = max(ZERO, exposure / leverage - use.position)
        return use

    def available(
        self,
        asset: str,
        contracts: list[tuple[SymbolRules, Decimal]],
        extra: tuple[SymbolRules, str, Side, Decimal] | None = None,
    ) -> Decimal:
        """Return the margin still free in an asset; `contracts` are (rules, mark) of that asset.

        Losses of cross positions count, an order that is still to come may be added.
        """
        free = self.cross_balance(asset)
        for rules, mark in contracts:
            new = extra[1:] if extra is not None and extra[0] is rules else None
            use = self.margin_of(rules, mark, new)
            if rules.symbol in self.isolated:
                free -= use.orders
            else:
                free -= use.initial
                free += sum((p.unrealized(mark) for p in self.positions_of(rules.symbol)), ZERO)
        return free

    def active(self) -> Iterator[Position]:
        return (p for p in self.positions.values() if p.amount)
