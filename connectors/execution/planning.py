"""From an order to a command: what every venue's way there shares.

A venue's own part is `orders` in its folder. What it would certainly refuse is a `Denial`, found
before anything is sent.
"""

from __future__ import annotations

from collections.abc import Callable

from ..errors import ConnectorError
from ..model.enums import MarketStatus, OrderType, Side, TimeInForce, TriggerType
from ..model.instruments import Instrument
from ..model.orders import Order

__all__ = [
    "BPS",
    "CONDITIONAL",
    "CONDITIONAL_MARKET",
    "BestPrice",
    "Denial",
    "base_ticks",
    "check_expressible",
    "check_tradable",
    "protection_ticks",
    "slippage_of",
]

BPS = 10_000

CONDITIONAL_MARKET = frozenset({OrderType.STOP_MARKET, OrderType.MARKET_IF_TOUCHED})
CONDITIONAL = CONDITIONAL_MARKET | {OrderType.STOP_LIMIT, OrderType.LIMIT_IF_TOUCHED}
_TAKEN_TRIGGERS = (TriggerType.DEFAULT, TriggerType.MARK)

# Best price in ticks that an order of this side would trade against, None if there is none.
BestPrice = Callable[[Side], int | None]


class Denial(ConnectorError):
    """The order must not be sent; the text says why. Never reaches the caller as an error."""

    @property
    def reason(self) -> str:
        """The text."""
        return str(self)


def check_expressible(order: Order) -> None:
    """Deny what no venue of one-way positions and mark-price triggers can express."""
    if order.quote_size:
        raise Denial("quote_quantity is not supported: give the size in base currency")
    if order.display_size is not None:
        raise Denial("display_qty is not supported: the venue has no iceberg orders")
    if order.size is None or order.close_position:
        raise Denial("close_position is not supported: give a size and reduce_only")
    if order.position_side is not None:
        raise Denial("position_side is not supported: the venue has one-way positions")
    if order.time_in_force is TimeInForce.FOK:
        raise Denial("fill-or-kill (FOK) is not supported by the venue")
    if order.time_in_force in (TimeInForce.AT_OPEN, TimeInForce.AT_CLOSE):
        raise Denial(f"time in force {order.time_in_force} is not supported by the venue")
    if order.trigger_type not in _TAKEN_TRIGGERS:
        raise Denial(f"trigger_type {order.trigger_type}: the venue triggers on the mark price")


def check_tradable(order: Order, instrument: Instrument | None) -> Instrument:
    """Return the order's instrument; deny an unknown one, and one that cannot be traded."""
    if instrument is None:
        raise Denial(f"unknown instrument {order.instrument_id}")
    if instrument.status is not MarketStatus.TRADING:
        raise Denial(f"{instrument.id} cannot be traded: its status is {instrument.venue_status}")
    return instrument


def slippage_of(order: Order, default_bps: int) -> int:
    """Return the slippage of an order in basis points: its own, else the default."""
    own = order.options.get("slippage_bps", default_bps)
    if not isinstance(own, int) or not 0 <= own < BPS:
        raise Denial(f"option slippage_bps must be 0 to 9 999, got {own!r}")
    return own


def base_ticks(order: Order, best: BestPrice) -> int:
    """Return the price a market order would trade at; deny the order if nobody knows it."""
    found = best(order.side)
    if found is None:
        side = "ask" if order.side is Side.BUY else "bid"
        raise Denial(
            f"no cached quote: a market order needs the {side} of {order.instrument_id}; "
            "feed update_quote"
        )
    return found


def protection_ticks(base_ticks: int, side: Side, slippage_bps: int) -> int:
    """Return the worst price a market order may trade at: rounded away from `base_ticks`."""
    if side is Side.BUY:
        return -(-base_ticks * (BPS + slippage_bps) // BPS)
    return base_ticks * (BPS - slippage_bps) // BPS
