from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol, TypeAlias, TypeVar, final

from connectors.model.enums import OrderType, PositionSide, Side  # seen by type checkers only

from .dedup import BoundedDedup
from .words import LiquiditySide

__all__ = ["DirectFills", "OrderCore", "OrderEvent", "OrderFilled", "SeenFills", "order_filled"]

_Key: TypeAlias = int | str | bytes | tuple[int | str | bytes, ...]
_Exact: TypeAlias = Decimal | str | int

class _HasTradeId(Protocol):
    @property
    def trade_id(self) -> str: ...

_R = TypeVar("_R", bound=_HasTradeId)

@dataclass(frozen=True, slots=True, kw_only=True)
class OrderEvent:
    instrument_id: str
    client_order_id: str
    venue_order_id: str | None = None
    ts_event: int
    ts_init: int

@final
@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFilled(OrderEvent):
    instrument_id: str
    client_order_id: str
    venue_order_id: str | None = None
    ts_event: int
    ts_init: int
    trade_id: str
    side: Side
    order_type: OrderType
    last_size: Decimal
    last_price: Decimal
    filled_size: Decimal
    leaves_size: Decimal
    liquidity: LiquiditySide
    commission: Decimal | None = None
    commission_currency: str | None = None
    position_side: PositionSide | None = None
    realized_pnl: Decimal | None = None
    def __init__(
        self,
        *,
        instrument_id: str,
        client_order_id: str,
        venue_order_id: str | None = None,
        ts_event: int,
        ts_init: int,
        trade_id: str,
        side: Side,
        order_type: OrderType,
        last_size: Decimal,
        last_price: Decimal,
        filled_size: Decimal,
        leaves_size: Decimal,
        liquidity: LiquiditySide | None = None,
        commission: Decimal | None = None,
        commission_currency: str | None = None,
        position_side: PositionSide | None = None,
        realized_pnl: Decimal | None = None,
    ) -> None: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

def order_filled(
    instrument_id: str,
    client_order_id: str,
    venue_order_id: str | None,
    ts_event: int,
    ts_init: int,
    trade_id: str,
    side: Side,
    order_type: OrderType,
    last_size: Decimal,
    last_price: Decimal,
    filled_size: Decimal,
    leaves_size: Decimal,
    liquidity: LiquiditySide,
    commission: Decimal | None,
    commission_currency: str | None,
    position_side: PositionSide | None,
    realized_pnl: Decimal | None,
    /,
) -> OrderFilled: ...

class OrderCore:
    client_order_id: str
    instrument_id: str
    side: Side
    order_type: OrderType
    size: Decimal
    filled_size: Decimal
    reported_filled: Decimal
    venue_order_id: str | None
    requested: Any
    final: Any
    missing_since_ns: int | None
    is_accepted: bool
    def __init__(
        self,
        client_order_id: str,
        instrument_id: str,
        side: Side,
        order_type: OrderType,
        size: Decimal,
        venue_order_id: str | None = None,
    ) -> None: ...

class SeenFills:
    duplicates: int
    _seen: BoundedDedup
    def __init__(self, capacity: int = 200_000) -> None: ...
    def __contains__(self, key: object, /) -> bool: ...
    def __len__(self) -> int: ...
    def is_new(self, key: _Key) -> bool: ...
    def mark(self, key: _Key) -> None: ...
    def take_new(self, reports: Iterable[_R]) -> list[_R]: ...
    def clear(self) -> None: ...

@final
class DirectFills:
    def __init__(
        self,
        by_key: dict[Any, Any],
        by_venue: dict[str, Any],
        missing: dict[str, Any],
        seen: SeenFills,
        *,
        on_event: Callable[[OrderFilled], object],
        on_error: Callable[[OrderFilled, Exception], object],
        end: Callable[[Any], object],
        aside: dict[str, Any] | None = None,
        with_order: bool = False,
    ) -> None: ...
    @property
    def taken(self) -> int: ...
    def offer(
        self,
        client_key: Hashable | None,
        venue_order_id: int,
        trade_id: int,
        size: _Exact,
        price: _Exact,
        *,
        liquidity: LiquiditySide,
        commission: _Exact | None = None,
        commission_currency: str | None = None,
        realized_pnl: _Exact | None = None,
        ts_event: int,
        ts_init: int,
    ) -> bool: ...
