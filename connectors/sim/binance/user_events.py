"""User data events in the key order of the venue's frames (section 11.2, BN-M-12)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from .account import Account, Position, money, plain
from .types import Product

if TYPE_CHECKING:
    from .algo import AlgoOrder
    from .orders import Order

__all__ = [
    "Execution",
    "account_event",
    "algo_event",
    "leverage_event",
    "margin_call_event",
    "multi_assets_event",
    "order_event",
    "trade_lite_event",
]

Event = dict[str, Any]


def _envelope(name: str, now_ms: int, account: Account, product: Product) -> Event:
    event: Event = {"e": name, "T": now_ms, "E": now_ms}
    if product is Product.COINM:
        event["i"] = account.alias
    return event


@dataclass(frozen=True, slots=True)
class Execution:
    """One fill of one order, as the events and the trade list show it."""

    price: int
    size: int
    trade_id: int
    maker: bool
    fee: Decimal
    profit: Decimal


def order_event(
    order: Order,
    execution_type: str,
    now_ms: int,
    *,
    fill: Execution | None = None,
    bids: Decimal = Decimal(0),
    asks: Decimal = Decimal(0),
) -> Event:
    """Build ORDER_TRADE_UPDATE; `bids` and `asks` are the open values of the symbol."""
    rules = order.rules
    product = rules.product
    event = _envelope("ORDER_TRADE_UPDATE", now_ms, order.account, product)
    body: Event = {
        "s": rules.symbol,
        "c": order.client_id,
        "S": order.side_text,
        "o": order.type,
        "f": order.time_in_force,
        "q": rules.qty_text(order.size),
        "p": rules.price_text(order.price) if order.price else "0",
        "ap": order.average_text if order.filled else "0",
        "sp": rules.price_text(order.stop_price) if order.stop_price else "0",
        "x": execution_type,
        "X": order.status,
        "i": order.order_id,
        "l": rules.qty_text(fill.size) if fill else "0",
        "z": rules.qty_text(order.filled) if order.filled else "0",
        "L": rules.price_text(fill.price) if fill else "0",
    }
    if execution_type == "AMENDMENT" and order.modify_id is not None:
        body["M"] = order.modify_id
    if product is Product.COINM:
        body["ma"] = rules.margin_asset
    body |= {
        "n": money(fill.fee) if fill else "0",
        "N": rules.margin_asset,
        "T": now_ms,
        "t": fill.trade_id if fill else 0,
        "b": plain(bids),
        "a": plain(asks),
        "m": fill.maker if fill else False,
        "R": order.reduce_only,
        "wt": order.working_type,
        "ot": order.orig_type,
        "ps": order.position_side,
        "cp": order.close_position,
    }
    if order.algo is not None and order.algo.callback_rate is not None:
        body["AP"] = rules.price_text(order.algo.activate_price)
        body["cr"] = plain(order.algo.callback_rate)
    body |= {
        "rp": money(fill.profit) if fill and fill.profit else "0",
        "pP": order.price_protect,
        "si": 0,
        "ss": 0,
        "V": order.self_trade,
        "pm": order.price_match,
        "gtd": order.good_till_ms,
        "er": order.expiry_reason,
    }
    event["o"] = body
    return event


def trade_lite_event(order: Order, fill: Execution, now_ms: int) -> Event:
    """Build TRADE_LITE: a fill without fee and sums, sent first (BN-U-26)."""
    rules = order.rules
    return {
        "e": "TRADE_LITE",
        "E": now_ms,
        "T": now_ms,
        "s": rules.symbol,
        "q": rules.qty_text(order.size),
        "p": rules.price_text(order.price) if order.price else "0",
        "m": fill.maker,
        "c": order.client_id,
        "S": order.side_text,
        "L": rules.price_text(fill.price),
        "l": rules.qty_text(fill.size),
        "t": fill.trade_id,
        "i": order.order_id,
    }


def account_event(
    account: Account,
    product: Product,
    now_ms: int,
    *,
    reason: str,
    changes: dict[str, Decimal],
    positions: list[tuple[Position, Decimal]],
    funding_symbol: str | None = None,
) -> Event:
    """Build ACCOUNT_UPDATE from changed assets and touched (position, mark price) pairs."""
    event = _envelope("ACCOUNT_UPDATE", now_ms, account, product)
    body: Event = {
        "B": [
            {
                "a": asset,
                "wb": money(account.wallet(asset).balance),
                "cw": money(account.cross_balance(asset)),
                "bc": money(change),
            }
            for asset, change in changes.items()
        ],
        "P": [_position_item(account, position, mark) for position, mark in positions],
        "m": reason,
    }
    if funding_symbol is not None:
        body["S"] = funding_symbol
    event["a"] = body
    return event


def _position_item(account: Account, position: Position, mark: Decimal) -> Event:
    rules = position.rules
    item: Event = {
        "s": rules.symbol,
        "pa": rules.qty_text(position.amount) if position.amount else "0",
        "ep": plain(position.entry),
        "cr": plain(position.realized),
        "up": money(position.unrealized(mark)) if position.amount else "0",
        "mt": "isolated" if rules.symbol in account.isolated else "cross",
        "iw": money(position.isolated_wallet),
        "ps": position.side,
    }
    if not rules.inverse:
        item["ma"] = rules.margin_asset
    item["bep"] = plain(position.break_even())
    return item


def margin_call_event(
    account: Account,
    product: Product,
    now_ms: int,
    items: list[tuple[Position, Decimal, Decimal]],
    *,
    cross_wallet: Decimal | None,
) -> Event:
    """Build MARGIN_CALL from (position, mark price, maintenance margin) items (BN-U-25)."""
    event: Event = {"e": "MARGIN_CALL", "E": now_ms}
    if product is Product.COINM:
        event["i"] = account.alias
    if cross_wallet is not None:
        event["cw"] = money(cross_wallet)
    event["p"] = [
        {
            "s": position.rules.symbol,
            "ps": position.side,
            "pa": position.rules.qty_text(position.amount),
            "mt": "ISOLATED" if position.rules.symbol in account.isolated else "CROSSED",
            "iw": money(position.isolated_wallet),
            "mp": plain(mark),
            "up": money(position.unrealized(mark)),
            "mm": money(maintenance),
        }
        for position, mark, maintenance in items
    ]
    return event


def leverage_event(symbol: str, leverage: int, now_ms: int) -> Event:
    """Build ACCOUNT_CONFIG_UPDATE for a change of leverage."""
    return {
        "e": "ACCOUNT_CONFIG_UPDATE",
        "E": now_ms,
        "T": now_ms,
        "ac": {"s": symbol, "l": leverage},
    }


def multi_assets_event(now_ms: int, *, enabled: bool) -> Event:
    """Build ACCOUNT_CONFIG_UPDATE for a change of the multi-assets mode."""
    return {"e": "ACCOUNT_CONFIG_UPDATE", "E": now_ms, "T": now_ms, "ai": {"j": enabled}}


def algo_event(algo: AlgoOrder, now_ms: int) -> Event:
    """Build ALGO_UPDATE."""
    rules = algo.rules
    event = _envelope("ALGO_UPDATE", now_ms, algo.account, rules.product)
    child = algo.child
    body: Event = {
        "caid": algo.client_id,
        "aid": algo.algo_id,
        "at": "CONDITIONAL",
        "o": algo.type,
        "s": rules.symbol,
        "S": algo.side.name,
        "ps": algo.position_side,
        "f": algo.time_in_force,
        "q": rules.qty_text(algo.size) if algo.size else "0",
        "X": algo.status,
        "ai": str(child.order_id) if child else "",
        "ap": child.average_text if child else rules.price_text(0),
        "aq": rules.qty_text(child.filled) if child else rules.qty_text(0),
        "act": child.type if child else "0",
        "tp": rules.price_text(algo.trigger_price) if algo.trigger_price else "0",
        "p": rules.price_text(algo.price) if algo.price else "0",
        "V": algo.self_trade,
        "wt": algo.working_type,
        "pm": algo.price_match,
        "cp": algo.close_position,
        "pP": algo.price_protect,
        "R": algo.reduce_only,
        "tt": algo.triggered_ms,
        "gtd": algo.good_till_ms,
        "rm": algo.reject_text,
    }
    if algo.callback_rate is not None:
        body["cr"] = plain(algo.callback_rate)
    body["ia"] = algo.activated
    event["o"] = body
    return event
