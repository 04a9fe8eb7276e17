"""One order, and the forms in which the venue shows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from ..engine_order import Side

if TYPE_CHECKING:
    from ..engine_order import EngineOrder
    from .accounts import Account
    from .markets import Market

__all__ = ["Order", "OrderState", "Trigger"]

OrderState = Literal["new", "waiting", "armed", "resting", "done"]


@dataclass(frozen=True, slots=True)
class Trigger:
    px: int
    is_market: bool
    tpsl: Literal["tp", "sl"]

    def fires(self, mark: int, *, is_buy: bool) -> bool:
        """Whether it fires at this mark: a stop to buy at or above, a take-profit below (7.2)."""
        above = is_buy if self.tpsl == "sl" else not is_buy
        return mark >= self.px if above else mark <= self.px


@dataclass(slots=True, eq=False)
class Order:
    """An order from its acceptance on.

    Attributes
    ----------
    state
        `waiting` for its parent's fill, `armed` for its trigger, `resting` in the book.
    group
        The TP/SL orders it stands or falls with, itself included.
    position_tpsl
        Its size is that of the position when it fires.
    """

    oid: int
    account: Account
    market: Market
    is_buy: bool
    px: int
    lots: int
    reduce_only: bool
    tif: str
    timestamp_ms: int
    trigger: Trigger | None = None
    cloid: str | None = None
    position_tpsl: bool = False
    builder: tuple[str, int] | None = None
    twap_id: int | None = None
    liquidation: dict[str, Any] | None = None
    state: OrderState = "new"
    status: str = "open"
    status_ms: int = 0
    filled_lots: int = 0
    filled_value: int = 0
    triggered: bool = False
    cancel_status: str = "canceled"
    children: list[Order] = field(default_factory=list)
    group: list[Order] = field(default_factory=list)
    engine: EngineOrder | None = None

    @property
    def open_lots(self) -> int:
        return self.lots - self.filled_lots

    @property
    def resting(self) -> bool:
        return self.state == "resting"

    @property
    def is_live(self) -> bool:
        return self.state in ("waiting", "armed", "resting")

    @property
    def side(self) -> str:
        return "B" if self.is_buy else "A"

    @property
    def average(self) -> int:
        """Return the mean price of the fills in ticks, rounded to nearest."""
        unit = self.market.notional(1, 1) * self.filled_lots
        return (2 * self.filled_value + unit) // (2 * unit)

    @property
    def engine_side(self) -> Side:
        return Side.BUY if self.is_buy else Side.SELL

    # -- forms -------------------------------------------------------------------------------

    def basic(self) -> dict[str, Any]:
        """Return the form of `openOrders` and `orderUpdates`: optional keys only when set."""
        market = self.market
        row: dict[str, Any] = {
            "coin": market.coin,
            "side": self.side,
            "limitPx": market.price(self.px),
            "sz": market.size(self.open_lots if self.is_live else self._left()),
            "oid": self.oid,
            "timestamp": self.timestamp_ms,
            "origSz": market.size(self.lots),
        }
        if self.cloid is not None:
            row["cloid"] = self.cloid
        if self.reduce_only:
            row["reduceOnly"] = True
        return row

    def _left(self) -> int:
        return 0 if self.status == "filled" else self.open_lots

    def update(self) -> dict[str, Any]:
        """Return an entry of `orderUpdates`."""
        return {"order": self.basic(), "status": self.status, "statusTimestamp": self.status_ms}

    def frontend(self) -> dict[str, Any]:
        """Return the form of `frontendOpenOrders`, `orderStatus` and `historicalOrders`."""
        market = self.market
        trigger = self.trigger
        row = self.basic()
        row.update(
            {
                "triggerCondition": self._condition(),
                "isTrigger": trigger is not None and not self.triggered,
                "triggerPx": "0.0" if trigger is None else market.price(trigger.px),
                "children": [child.frontend() for child in self.children if child.is_live],
                "isPositionTpsl": self.position_tpsl,
                "reduceOnly": self.reduce_only,
                "orderType": self._type(),
                "tif": None if trigger is not None and trigger.is_market else self.tif,
                "cloid": self.cloid,
            }
        )
        return row

    def report(self) -> dict[str, Any]:
        """Return the entry of `historicalOrders`."""
        return {"order": self.frontend(), "status": self.status, "statusTimestamp": self.status_ms}

    def _type(self) -> str:
        if self.trigger is None:
            return "Market" if self.tif == "FrontendMarket" else "Limit"
        kind = "Stop" if self.trigger.tpsl == "sl" else "Take Profit"
        return f"{kind} {'Market' if self.trigger.is_market else 'Limit'}"

    def _condition(self) -> str:
        if self.trigger is None:
            return "N/A"
        if self.triggered:
            return "Triggered"
        above = self.is_buy if self.trigger.tpsl == "sl" else not self.is_buy
        return f"Price {'above' if above else 'below'} {self.market.price(self.trigger.px)}"
