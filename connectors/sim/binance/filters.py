"""Filters of exchangeInfo with the venue's codes (BN-I-12 to BN-I-16, BN-R-09)."""

from __future__ import annotations

from decimal import Decimal

from ..book import Book
from ..engine_order import Side
from .types import ApiError, SymbolRules

__all__ = ["check_band", "check_notional", "check_price", "check_quantity", "matched_price"]

PRICE_MATCH = {
    f"{kind}{suffix}": (kind, level)
    for kind in ("OPPONENT", "QUEUE")
    for suffix, level in (("", 1), ("_5", 5), ("_10", 10), ("_20", 20))
}


def _precision() -> ApiError:
    return ApiError(-1111, "Precision is over the maximum defined for this asset.")


def check_price(rules: SymbolRules, price: Decimal, *, name: str = "Price") -> int:
    """Check a price against PRICE_FILTER and return it in engine units."""
    if price < 0 or (price == 0 and not rules.min_price):
        raise ApiError(-4001, f"{name} less than 0.")
    units = rules.price_units(price)
    if units is None:
        raise _precision()
    if rules.max_price and price > rules.max_price:
        raise ApiError(-4002, f"{name} greater than max price.")
    if rules.min_price and price < rules.min_price:
        raise ApiError(-4013, f"{name} less than min price.")
    if rules.tick_size and price % rules.tick_size:
        raise ApiError(-4014, f"{name} not increased by tick size.")
    return units


def check_quantity(rules: SymbolRules, qty: Decimal, *, market: bool) -> int:
    """Check a size against LOT_SIZE or MARKET_LOT_SIZE and return it in engine units."""
    lowest, highest, step = (
        (rules.market_min_qty, rules.market_max_qty, rules.market_step_size)
        if market
        else (rules.min_qty, rules.max_qty, rules.step_size)
    )
    if qty <= 0:
        raise ApiError(-4003, "Quantity less than or equal to zero.")
    units = rules.qty_units(qty)
    if units is None:
        raise _precision()
    if qty < lowest:
        raise ApiError(-4004, "Quantity less than min quantity.")
    if highest and qty > highest:
        raise ApiError(-4005, "Quantity greater than max quantity.")
    if step and qty % step:
        raise ApiError(-4023, "Qty not increased by step size.")
    return units


def check_band(rules: SymbolRules, side: Side, price: Decimal, mark: Decimal) -> None:
    """PERCENT_PRICE: a buy not too far above the mark price, a sell not too far below."""
    if side is Side.BUY:
        highest = mark * rules.multiplier_up
        if price > highest:
            raise ApiError(-4016, f"Limit price can't be higher than {_cut(rules, highest)}.")
    else:
        lowest = mark * rules.multiplier_down
        if price < lowest:
            raise ApiError(-4024, f"Limit price can't be lower than {_cut(rules, lowest)}.")


def _cut(rules: SymbolRules, price: Decimal) -> str:
    return rules.price_text(int(price.scaleb(rules.price_precision)))


def market_bound(rules: SymbolRules, side: Side, book: Book, mark: Decimal) -> int:
    """Return the protection price of a market order; -4131 if the best price is beyond it."""
    factor = 1 + rules.market_take_bound * side
    bound = max(1, int((mark * factor).scaleb(rules.price_precision)))
    best = book.best_ask if side is Side.BUY else book.best_bid
    if best is not None and (best - bound) * side > 0:
        raise ApiError(
            -4131,
            "The counterparty's best price does not meet the PERCENT_PRICE filter limit.",
        )
    return bound


def check_notional(rules: SymbolRules, units: int, price: Decimal, *, reduce_only: bool) -> None:
    """MIN_NOTIONAL, which closing orders need not meet (BN-I-15)."""
    if rules.min_notional is None or reduce_only:
        return
    if rules.qty(units) * price < rules.min_notional:
        raise ApiError(
            -4164,
            f"Order's notional must be no smaller than {rules.min_notional:f} "
            "(unless you choose reduce only).",
        )


def matched_price(book: Book, side: Side, mode: str) -> int:
    """Return the price BN-R-09 stands for: the n-th level of the other or of the own side."""
    kind, level = PRICE_MATCH[mode]
    levels = book.levels(side.opposite if kind == "OPPONENT" else side, level)
    if len(levels) < level:
        raise ApiError(-5041, "No depth matches this BBO order.")
    return levels[-1][0]
