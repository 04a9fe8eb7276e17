"""The contracts the simulator lists, and their exchangeInfo entries (BN-I-10..12)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from .types import Product, SymbolRules

__all__ = ["Contract", "exchange_info", "list_contracts"]

PERPETUAL_DELIVERY_MS = 4_133_404_800_000


@dataclass(slots=True)
class Contract:
    """A listed contract: its trading rules and what only market data needs to know.

    Parameters
    ----------
    start_price
        Where the simulated market opens.
    activity
        Share of the simulated actions this symbol gets, relative to the others.
    """

    rules: SymbolRules
    contract_type: str
    delivery_ms: int
    onboard_ms: int
    start_price: Decimal
    activity: float = 1.0
    underlying: tuple[str, ...] = ()

    @property
    def symbol(self) -> str:
        return self.rules.symbol

    @property
    def perpetual(self) -> bool:
        return self.contract_type == "PERPETUAL"

    @property
    def stream_type(self) -> int:
        """`st` of the frames: 1 = USD-M, 2 = COIN-M (BN-P-09)."""
        return 1 if self.rules.product is Product.USDM else 2


# base, quote, price, price precision, tick, quantity precision, min notional, activity
_USDM: tuple[tuple[str, str, str, int, str, int, int, float], ...] = (
    ("BTC", "USDT", "97250.00", 2, "0.10", 3, 100, 10.0),
    ("ETH", "USDT", "3380.00", 2, "0.01", 3, 20, 6.0),
    ("SOL", "USDT", "212.500", 4, "0.0100", 2, 5, 3.0),
    ("BNB", "USDT", "651.20", 3, "0.010", 2, 5, 2.0),
    ("XRP", "USDT", "2.1430", 4, "0.0001", 1, 5, 2.0),
    ("DOGE", "USDT", "0.38120", 6, "0.000010", 0, 5, 2.0),
    ("ADA", "USDT", "0.91300", 5, "0.00010", 0, 5, 1.0),
    ("LINK", "USDT", "17.245", 3, "0.001", 2, 20, 1.0),
    ("LTC", "USDT", "98.10", 2, "0.01", 3, 20, 1.0),
    ("1000SHIB", "USDT", "0.024510", 7, "0.000001", 0, 5, 1.0),
    ("BTC", "USDC", "97245.0", 1, "0.1", 3, 100, 1.0),
    ("币安人生", "USDT", "0.12345", 7, "0.0000100", 0, 5, 1.0),
)

# base, price, precision of price, tick, contract size in USD
_COINM: tuple[tuple[str, str, int, str, int], ...] = (
    ("BTC", "97240.0", 1, "0.1", 100),
    ("ETH", "3379.50", 2, "0.01", 10),
    ("BNB", "651.100", 3, "0.001", 10),
    ("ADA", "0.91250", 5, "0.00010", 10),
)


def list_contracts(usdm: int, coinm: int, now_ms: int) -> list[Contract]:
    """Return the contracts listed at `now_ms`.

    `usdm` USD-M perpetuals, one USD-M quarterly contract if there is room for BTCUSDT, and
    `coinm` COIN-M contracts, perpetuals first, then the quarterly contract of the same pair.
    """
    delivery_ms = next_quarter_ms(now_ms)
    code = _day(delivery_ms).strftime("%y%m%d")
    contracts = [_usdm(index) for index in range(usdm)]
    if usdm:
        contracts.append(_quarterly(contracts[0], f"BTCUSDT_{code}", delivery_ms))
    perpetuals = [_coinm(*row) for row in _COINM[: (coinm + 1) // 2]]
    inverse = list(perpetuals)
    for perpetual in perpetuals[: coinm - len(perpetuals)]:
        symbol = f"{perpetual.rules.pair}_{code}"
        inverse.append(_quarterly(perpetual, symbol, delivery_ms))
    return contracts + inverse


def next_quarter_ms(now_ms: int) -> int:
    """Return the next quarterly delivery: 08:00 UTC on the last Friday of the quarter."""
    today = _day(now_ms)
    year, month = today.year, (today.month - 1) // 3 * 3 + 3
    while True:
        last = dt.datetime(year + month // 12, month % 12 + 1, 1, 8, tzinfo=dt.UTC)
        last -= dt.timedelta(days=1)
        last -= dt.timedelta(days=(last.weekday() - 4) % 7)
        if last > today:
            return int(last.timestamp() * 1000)
        year, month = (year + 1, 3) if month == 12 else (year, month + 3)


def _day(ms: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(ms / 1000, tz=dt.UTC)


def _usdm(index: int) -> Contract:
    if index < len(_USDM):
        base, quote, price, precision, tick, qty_precision, notional, activity = _USDM[index]
    else:
        base, quote, precision, tick, qty_precision = f"SIM{index:03d}", "USDT", 4, "0.0010", 1
        price, notional, activity = f"{5 + index * 7 % 90}.{index % 10}000", 5, 0.5
    return Contract(
        _rules(f"{base}{quote}", f"{base}{quote}", Product.USDM, base, quote, quote, price,
               precision, tick, qty_precision, notional=notional),
        "PERPETUAL", PERPETUAL_DELIVERY_MS, 1_569_398_400_000 + index * 86_400_000,
        Decimal(price), activity, ("Layer-1",) if index < 4 else ("Alt",),
    )  # fmt: skip


def _coinm(base: str, price: str, precision: int, tick: str, contract_size: int) -> Contract:
    rules = _rules(f"{base}USD_PERP", f"{base}USD", Product.COINM, base, "USD", base, price,
                   precision, tick, 0)  # fmt: skip
    rules.contract_size = Decimal(contract_size)
    return Contract(
        rules, "PERPETUAL", PERPETUAL_DELIVERY_MS, 1_597_042_800_000, Decimal(price), 1.5
    )


def _quarterly(perpetual: Contract, symbol: str, delivery_ms: int) -> Contract:
    of = perpetual.rules
    price = (perpetual.start_price * Decimal("1.004")).quantize(of.tick_size)
    rules = _rules(symbol, of.pair, of.product, of.base_asset, of.quote_asset, of.margin_asset,
                   str(price), of.price_precision, str(of.tick_size), of.quantity_precision,
                   notional=of.min_notional)  # fmt: skip
    rules.contract_size = of.contract_size
    onboard_ms = delivery_ms - 183 * 86_400_000
    return Contract(rules, "CURRENT_QUARTER", delivery_ms, onboard_ms, price, 0.5,
                    perpetual.underlying)  # fmt: skip


def _rules(
    symbol: str,
    pair: str,
    product: Product,
    base: str,
    quote: str,
    margin: str,
    price: str,
    price_precision: int,
    tick: str,
    quantity_precision: int,
    *,
    notional: Decimal | int | None = None,
) -> SymbolRules:
    step = Decimal(1).scaleb(-quantity_precision)
    tick_size = Decimal(tick)
    start = Decimal(price)
    value = Decimal(50_000_000)
    largest = Decimal(1_000_000) if product is Product.COINM else _round(value / start)
    return SymbolRules(
        symbol=symbol,
        pair=pair,
        product=product,
        base_asset=base,
        quote_asset=quote,
        margin_asset=margin,
        price_precision=price_precision,
        quantity_precision=quantity_precision,
        tick_size=tick_size,
        step_size=step,
        min_price=max(tick_size, (start / 100).quantize(tick_size)),
        max_price=(start * 40).quantize(tick_size),
        min_qty=step,
        max_qty=largest,
        market_min_qty=step,
        market_max_qty=largest / 5,
        market_step_size=step,
        min_notional=None if notional is None else Decimal(notional),
    )


def _round(value: Decimal) -> Decimal:
    """Return a value cut to its leading digit, for limits that look like limits."""
    return Decimal(10) ** value.adjusted() * int(value.scaleb(-value.adjusted()))


def exchange_info(
    product: Product, contracts: Iterable[Contract], limits: list[dict[str, Any]], now_ms: int
) -> dict[str, Any]:
    """Return the exchangeInfo reply of one product."""
    listed = [contract for contract in contracts if contract.rules.product is product]
    info: dict[str, Any] = {"timezone": "UTC", "serverTime": now_ms}
    if product is Product.USDM:
        info["futuresType"] = "U_MARGINED"
    info["rateLimits"] = limits
    info["exchangeFilters"] = []
    if product is Product.USDM:
        assets = dict.fromkeys(contract.rules.margin_asset for contract in listed)
        info["assets"] = [
            {"asset": asset, "marginAvailable": True, "autoAssetExchange": "-10000"}
            for asset in assets
        ]
    info["symbols"] = [_entry(contract) for contract in listed]
    return info


def _entry(contract: Contract) -> dict[str, Any]:
    rules = contract.rules
    usdm = rules.product is Product.USDM
    entry: dict[str, Any] = {
        "symbol": rules.symbol,
        "pair": rules.pair,
        "contractType": contract.contract_type,
        "deliveryDate": contract.delivery_ms,
        "onboardDate": contract.onboard_ms,
        "status" if usdm else "contractStatus": rules.status,
    }
    if not usdm:
        entry["contractSize"] = int(rules.contract_size)
    entry |= {
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": rules.base_asset,
        "quoteAsset": rules.quote_asset,
        "marginAsset": rules.margin_asset,
        "pricePrecision": rules.price_precision,
        "quantityPrecision": rules.quantity_precision,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
    }
    if not usdm:
        entry["equalQtyPrecision"] = 4
    entry |= {
        "underlyingType": "COIN",
        "underlyingSubType": list(contract.underlying),
        "triggerProtect": f"{rules.trigger_protect:.4f}",
        "liquidationFee": "0.012500",
        "marketTakeBound": f"{rules.market_take_bound:.2f}",
        "maxMoveOrderLimit": rules.max_modifications,
        "filters": _filters(rules),
        "orderTypes": ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT",
                       "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
    }  # fmt: skip
    if usdm:
        entry["permissionSets"] = ["GRID", "COPY"]
    return entry


def _filters(rules: SymbolRules) -> list[dict[str, Any]]:
    filters: list[dict[str, Any]] = [
        {"filterType": "PRICE_FILTER", "minPrice": f"{rules.min_price:f}",
         "maxPrice": f"{rules.max_price:f}", "tickSize": f"{rules.tick_size:f}"},
        {"filterType": "LOT_SIZE", "minQty": f"{rules.min_qty:f}",
         "maxQty": f"{rules.max_qty:f}", "stepSize": f"{rules.step_size:f}"},
        {"filterType": "MARKET_LOT_SIZE", "minQty": f"{rules.market_min_qty:f}",
         "maxQty": f"{rules.market_max_qty:f}", "stepSize": f"{rules.market_step_size:f}"},
        {"filterType": "MAX_NUM_ORDERS", "limit": rules.max_orders},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": rules.max_algo_orders},
    ]  # fmt: skip
    if rules.min_notional is not None:
        filters.append({"filterType": "MIN_NOTIONAL", "notional": f"{rules.min_notional:f}"})
    filters.append(
        {"filterType": "PERCENT_PRICE", "multiplierUp": f"{rules.multiplier_up:.4f}",
         "multiplierDown": f"{rules.multiplier_down:.4f}", "multiplierDecimal": "4"}
    )  # fmt: skip
    if rules.product is Product.USDM:
        filters.append({"filterType": "POSITION_RISK_CONTROL", "positionControlSide": "NONE"})
    return filters
