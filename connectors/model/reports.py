"""What the venue says stands, asked for or sent by itself about orders that are not ours.

Events tell what happened to an order of this client; reports tell what is. `account_id` is set
where one client sees several accounts.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from .enums import (
    LiquiditySide,
    MarginMode,
    OrderStatus,
    OrderType,
    PositionSide,
    Side,
    TimeInForce,
    TriggerType,
)
from .ids import AccountId, ClientOrderId, InstrumentId, TradeId, VenueOrderId

__all__ = [
    "FillCorrection",
    "FillReport",
    "MassStatus",
    "OrderStatusReport",
    "PositionStatusReport",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderStatusReport:
    """State of one order at the venue. `ts_last` is the time of its last change, ns."""

    instrument_id: InstrumentId
    client_order_id: ClientOrderId | None
    venue_order_id: VenueOrderId
    side: Side
    order_type: OrderType
    status: OrderStatus
    size: Decimal
    filled_size: Decimal
    price: Decimal | None = None
    average_price: Decimal | None = None
    trigger_price: Decimal | None = None
    trigger_type: TriggerType = TriggerType.DEFAULT
    trailing_offset: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    expire_time: int | None = None
    post_only: bool = False
    reduce_only: bool = False
    close_position: bool = False
    position_side: PositionSide | None = None
    reason: str | None = None
    venue_status: str | None = None
    ts_accepted: int = 0
    ts_last: int = 0
    ts_init: int
    account_id: AccountId | None = None

    @property
    def leaves_size(self) -> Decimal:
        """What may still fill: zero once the order is final."""
        if self.status.is_final:
            return Decimal(0)
        return max(self.size - self.filled_size, Decimal(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class FillReport:
    """One trade of an order."""

    instrument_id: InstrumentId
    client_order_id: ClientOrderId | None
    venue_order_id: VenueOrderId
    trade_id: TradeId
    side: Side
    last_size: Decimal
    last_price: Decimal
    liquidity: LiquiditySide = LiquiditySide.UNKNOWN
    commission: Decimal | None = None
    commission_currency: str | None = None
    position_side: PositionSide | None = None
    realized_pnl: Decimal | None = None
    ts_event: int
    ts_init: int
    account_id: AccountId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FillCorrection:
    """A trade that was reported, as it stands now; no second trade.

    `fill` has the trade id of the first report. With `is_replaced` the venue changed its size or
    price; else something became known, such as the commission.
    """

    fill: FillReport
    is_replaced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionStatusReport:
    """One position at the venue; flat positions have size zero. `size` is unsigned."""

    instrument_id: InstrumentId
    side: PositionSide
    size: Decimal
    average_entry_price: Decimal | None = None
    break_even_price: Decimal | None = None
    unrealized_pnl: Decimal | None = None
    liquidation_price: Decimal | None = None
    leverage: Decimal | None = None
    margin_mode: MarginMode | None = None
    isolated_margin: Decimal | None = None
    hedge_mode: bool = False
    ts_event: int
    ts_init: int
    account_id: AccountId | None = None

    @property
    def signed_size(self) -> Decimal:
        """Positive for long, negative for short."""
        return -self.size if self.side is PositionSide.SHORT else self.size


@dataclass(frozen=True, slots=True, kw_only=True)
class MassStatus:
    """Everything the venue says about an account at one time."""

    venue: str
    account_id: AccountId | None
    orders: tuple[OrderStatusReport, ...] = ()
    fills: tuple[FillReport, ...] = ()
    positions: tuple[PositionStatusReport, ...] = ()
    ts_init: int
