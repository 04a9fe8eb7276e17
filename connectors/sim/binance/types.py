"""Values the two halves of the simulator hand to each other.

The market half owns the sockets, the clock and the counters; the trading half owns accounts and
orders. They meet in one matching engine and in the types below::

    group = ListenerGroup()
    engine = MatchingEngine(group, clock_ns)
    exchange = Exchange(engine, symbols, clock_ns, seed=7)      # connectors.sim.binance.exchange
    group.listeners += [market, exchange]
    rest = TradingRest(exchange)                                # ... .trading
    response = await rest.handle(method, path, query, body, headers)
    exchange.user_stream.subscribe(on_user_frame)               # ... .userstream
    session = TradingWs(exchange, charge, product=Product.USDM) # ... .wsapi, one per connection
    exchange.set_mark_price("BTCUSDT", Decimal("43000.10"))
    exchange.tick()                                             # every 10 ms: GTD, triggers, timers
    exchange.apply_funding("BTCUSDT", Decimal("0.0001"))        # exchange.risk.close(...) for ADL

Engine prices count units of 10**-price_precision and engine sizes units of
10**-quantity_precision; `tick_size` and `step_size` are filters on top, so they can change while
orders rest (BN-M-42).
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

__all__ = [
    "ApiError",
    "Charge",
    "Cost",
    "Product",
    "Response",
    "SymbolRules",
    "UserFrame",
]


class Product(enum.Enum):
    """Product family; the value is the name used in paths and settings of the simulator."""

    USDM = "usdm"
    COINM = "coinm"

    @property
    def rest_prefix(self) -> str:
        return "/fapi" if self is Product.USDM else "/dapi"


@dataclass(slots=True)
class SymbolRules:
    """Trading rules of one contract, as exchangeInfo publishes them (BN-I-11, BN-I-12).

    Mutable: filters and status change while the simulator runs (BN-M-42). The precisions must
    not change, they are the scale of the matching engine. A zero `min_price`, `max_price` or
    `tick_size` switches that part of the check off (BN-I-13).
    """

    symbol: str
    pair: str
    product: Product
    base_asset: str
    quote_asset: str
    margin_asset: str
    price_precision: int
    quantity_precision: int
    tick_size: Decimal
    step_size: Decimal
    min_price: Decimal
    max_price: Decimal
    min_qty: Decimal
    max_qty: Decimal
    market_min_qty: Decimal
    market_max_qty: Decimal
    market_step_size: Decimal
    min_notional: Decimal | None = None
    multiplier_up: Decimal = Decimal("1.05")
    multiplier_down: Decimal = Decimal("0.95")
    market_take_bound: Decimal = Decimal("0.05")
    trigger_protect: Decimal = Decimal("0.05")
    max_orders: int = 200
    max_algo_orders: int = 10
    max_modifications: int = 10_000
    contract_size: Decimal = Decimal(1)  # quote currency per contract, COIN-M only
    status: str = "TRADING"
    max_leverage: int = 125

    @property
    def inverse(self) -> bool:
        return self.product is Product.COINM

    @property
    def trading(self) -> bool:
        return self.status == "TRADING"

    def price_text(self, units: int) -> str:
        """Return an engine price as the venue prints it, with `price_precision` decimals."""
        return fixed_text(units, self.price_precision)

    def qty_text(self, units: int) -> str:
        """Return an engine size as the venue prints it, with `quantity_precision` decimals."""
        return fixed_text(units, self.quantity_precision)

    def price(self, units: int) -> Decimal:
        return Decimal(units).scaleb(-self.price_precision)

    def qty(self, units: int) -> Decimal:
        return Decimal(units).scaleb(-self.quantity_precision)

    def price_units(self, price: Decimal) -> int | None:
        """Return a price as engine units, None if it has more decimals than the precision."""
        return _whole(price.scaleb(self.price_precision))

    def qty_units(self, qty: Decimal) -> int | None:
        """Return a size as engine units, None if it has more decimals than the precision."""
        return _whole(qty.scaleb(self.quantity_precision))


def fixed_text(units: int, decimals: int) -> str:
    """Return `units` x 10**-decimals in plain notation with exactly that many decimals."""
    if decimals == 0:
        return str(units)
    sign = "-" if units < 0 else ""
    digits = str(abs(units)).rjust(decimals + 1, "0")
    return f"{sign}{digits[:-decimals]}.{digits[-decimals:]}"


def _whole(value: Decimal) -> int | None:
    whole = value.to_integral_value()
    return int(whole) if whole == value else None


@dataclass(frozen=True, slots=True)
class Cost:
    """What a request counts on the limits: IP weight and orders per 10 s and per minute."""

    weight: int = 0
    orders_10s: int = 0
    orders_1m: int = 0


@dataclass(slots=True)
class Response:
    """HTTP reply of the trading half; the server adds the limit headers from `cost`."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    cost: Cost = Cost()
    api_key: str | None = None
    drop: bool = False  # close the connection in place of answering (BN-M-38, reply lost)
    delay_s: float = 0.0  # answer that much later (BN-M-38)
    count_headers: bool = True  # False: leave the limit headers out (BN-M-40)


@dataclass(frozen=True, slots=True)
class UserFrame:
    """One user data event, ready to send to every connection of the listen key.

    `data` is the frame of a raw connection; a combined connection wraps it in
    `{"stream": listen_key, "data": ...}`. `event` is the event's name for the `events=` filter.
    """

    listen_key: str
    product: Product
    event: str
    data: bytes


class ApiError(Exception):
    """A refusal with the venue's code and text; `status` is the HTTP or websocket status."""

    def __init__(
        self,
        code: int,
        message: str,
        *,
        status: int = 400,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.headers = dict(headers or {})


Charge = Callable[[str | None, Cost], list[dict[str, object]]]
"""Count a websocket request of an API key; returns the `rateLimits` array for its reply.

Raises `ApiError` with status 429 or 418 when a limit is exceeded.
"""
