"""What one fill does to a position and its wallet, and the row that shows it."""

from __future__ import annotations

from decimal import Decimal

from ..engine_order import Side
from .account import money, notional, plain
from .orders import Order
from .user_events import Execution

__all__ = ["EIGHT", "book", "trade_row"]

EIGHT = Decimal("0.00000001")


def book(
    order: Order, price: Decimal, units: int, fee: Decimal, now_ms: int
) -> tuple[Decimal, bool]:
    """Change position and wallet; return the realised profit, and whether the position closed."""
    account, rules = order.account, order.rules
    position = account.position(rules, order.position_side)
    before = position.amount
    profit = position.apply(order.side * units, price, fee).quantize(EIGHT)
    after = position.amount
    position.update_ms = now_ms
    wallet = account.wallet(rules.margin_asset)
    wallet.balance += profit - fee
    wallet.update_ms = now_ms
    if rules.symbol in account.isolated:
        leverage = account.leverage(rules.symbol)
        if before * after > 0 and abs(after) < abs(before):
            share = position.isolated_wallet * abs(after) / abs(before)
        elif before * after > 0:
            opened = notional(rules, abs(after) - abs(before), price)
            share = position.isolated_wallet + opened / leverage
        else:
            share = notional(rules, abs(after), price) / leverage
        position.isolated_wallet = share.quantize(EIGHT)
    return profit, bool(before and not after)


def trade_row(order: Order, fill: Execution, value: Decimal, now_ms: int) -> dict[str, object]:
    """Return a trade of an account as REST shows it."""
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
        "time": now_ms,
    }
    if rules.inverse:
        trade["pair"] = rules.pair
        trade["marginAsset"] = rules.margin_asset
    return trade
