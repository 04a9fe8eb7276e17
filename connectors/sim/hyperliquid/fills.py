"""What one fill does to an account, and how the venue shows it (4.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .numbers import MONEY, money, show

if TYPE_CHECKING:
    from .exchange import Exchange
    from .orders import Order

__all__ = ["fill_row"]

MILLION = 10**6
FEE_UNIT = 100  # fees in USDC have six decimals
BUILDER_UNIT = 10**5  # builder fees are in tenths of a basis point


def fill_row(
    exchange: Exchange,
    order: Order,
    px: int,
    lots: int,
    *,
    crossed: bool,
    tid: int,
    now_ms: int,
    liquidation: dict[str, Any] | None,
) -> dict[str, Any]:
    """Book a fill of an order and return its row."""
    market = order.market
    value = market.notional(px, lots)
    order.filled_lots += lots
    order.filled_value += value
    order.account.volume += value
    book = _spot if market.is_spot else _perp
    start, direction, gain, fee, token, extra = book(exchange, order, px, lots, value, crossed)
    row: dict[str, Any] = {
        "coin": market.coin,
        "px": market.price(px),
        "sz": market.size(lots),
        "side": order.side,
        "time": now_ms,
        "startPosition": start,
        "dir": direction,
        "closedPnl": gain,
        "hash": exchange.action_hash,
        "oid": order.oid,
        "crossed": crossed,
        "fee": money(fee),
        "tid": tid,
        "feeToken": token,
        "twapId": order.twap_id,
    }
    if order.cloid is not None:
        row["cloid"] = order.cloid
    if extra:
        row["builderFee"] = money(extra)
    if liquidation is not None:
        row["liquidation"] = liquidation
    return row


def _perp(
    exchange: Exchange, order: Order, px: int, lots: int, value: int, crossed: bool
) -> tuple[str, str, str, int, str, int]:
    account, market = order.account, order.market
    config = exchange.config
    position = account.position(market.coin)
    start = position.lots
    signed_lots = lots if order.is_buy else -lots
    gain = position.apply(market, signed_lots, px)
    fee = extra = 0
    if not account.house:
        fee = _share(value, config.taker_fee if crossed else config.maker_fee)
        extra = _builder_fee(exchange, order, value)
        fee += extra
    account.usd += gain - fee
    return market.size(start), _direction(start, signed_lots), money(gain), fee, "USDC", extra


def _spot(
    exchange: Exchange, order: Order, px: int, lots: int, value: int, crossed: bool
) -> tuple[str, str, str, int, str, int]:
    account, market = order.account, order.market
    config = exchange.config
    assert market.base is not None
    assert market.quote is not None
    base, quote = market.base.name, market.quote.name
    amount = market.base_amount(lots)
    start = show(account.spot.get(base, 0), MONEY)
    rate = 0 if account.house else (config.spot_taker_fee if crossed else config.spot_maker_fee)
    if order.is_buy:
        fee, token = amount * rate // MILLION, base
        _add(account.spot, base, amount - fee)
        _add(account.spot, quote, -value)
    else:
        fee, token = _share(value, rate), quote
        _add(account.spot, base, -amount)
        _add(account.spot, quote, value - fee)
    return start, "Buy" if order.is_buy else "Sell", "0.0", fee, token, 0


def _builder_fee(exchange: Exchange, order: Order, value: int) -> int:
    if order.builder is None:
        return 0
    address, tenths = order.builder
    fee = value * tenths // BUILDER_UNIT // FEE_UNIT * FEE_UNIT
    builder = exchange.accounts.get(address)
    if builder is not None:
        builder.usd += fee
    return fee


def _share(value: int, millionths: int) -> int:
    return value * millionths // MILLION // FEE_UNIT * FEE_UNIT


def _add(balances: dict[str, int], token: str, amount: int) -> None:
    balances[token] = balances.get(token, 0) + amount


def _direction(start: int, signed_lots: int) -> str:
    if start * signed_lots >= 0:
        return "Open Long" if signed_lots > 0 else "Open Short"
    if abs(signed_lots) > abs(start):
        return "Long > Short" if start > 0 else "Short > Long"
    return "Close Long" if start > 0 else "Close Short"
