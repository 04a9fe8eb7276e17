"""What one fill does to an account: fees, quota, money and position."""

from __future__ import annotations

from .accounts import MICRO
from .changes import Changes
from .markets import USDC
from .orders import Order

__all__ = ["book_fill", "fee_rate", "position_before"]

QUOTA_STEP = 7 * MICRO  # one more transaction per 7 USD traded (15)
MAX_QUOTA = 5_000_000


def position_before(order: Order) -> tuple[int, int, int]:
    """Return lots, entry quote and margin fraction of the position an order trades on."""
    position = order.account.positions.get(order.market.market_id)
    if position is None:
        return 0, 0, order.market.default_imf
    return position.size, position.entry, position.fraction


def fee_rate(order: Order, *, is_taker: bool) -> int:
    """Return the venue's fee in millionths."""
    return order.account.taker_fee if is_taker else order.account.maker_fee


def book_fill(
    changes: Changes, order: Order, ticks: int, lots: int, quote: int, *, is_taker: bool
) -> int:
    """Move money and position of one side; return the profit it realised."""
    account, market = order.account, order.market
    earned = (account.volume + quote) // QUOTA_STEP - account.volume // QUOTA_STEP
    account.quota = min(account.quota + earned, MAX_QUOTA)
    account.volume += quote
    rate = fee_rate(order, is_taker=is_taker) + order.integrator[1 if is_taker else 2]
    fee = quote * rate // MICRO
    sign = int(order.side)
    changes.balances[account.index] = account
    if market.is_spot:
        base = market.base_asset
        account.spot[base] = account.spot.get(base, 0) + sign * market.base_units(lots)
        account.spot[USDC] = account.spot.get(USDC, 0) - sign * quote - fee
        return 0
    position = account.position(market)
    held = abs(position.size)
    realized = position.apply(sign, ticks, lots)
    market.open_interest += abs(position.size) - held
    account.collateral += realized - fee
    changes.positions[account.index] = account
    return realized
