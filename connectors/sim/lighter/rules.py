"""What makes an order acceptable: checks without effect (sections 8.2 to 8.6, 5, 9.3).

`precheck` is what the API node can see before it takes a transaction; the sequencer runs the same
checks again when the transaction is executed, and those that only it can make.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .accounts import MICRO, Account, ApiKey
from .errors import Refused
from .exchange import Exchange
from .markets import Market
from .orders import (
    CONDITIONAL,
    GTT,
    IOC,
    LIMIT,
    MARKET,
    POST_ONLY,
    STOP,
    STOP_LIMIT,
    TAKE,
    TAKE_LIMIT,
    is_limit_kind,
)
from .tx import CANCEL, CREATE, GROUP, LEVERAGE, MODIFY, Tx

__all__ = ["check_create", "check_group", "check_margin", "check_sender", "precheck"]

MAX_PRICE = (1 << 32) - 1
MAX_CLIENT_INDEX = (1 << 48) - 1
MAX_EXPIRY_MS = 30 * 86_400_000
EXPIRY_SLACK_MS = 5_000
MAX_ACTIVE, MAX_ACTIVE_MARKET = 1_500, 1_000
MAX_PENDING, MAX_PENDING_MARKET = 500, 16
OTO, OCO, OTOCO = 1, 2, 3

Fields = Mapping[str, int]


def check_sender(exchange: Exchange, account: Account, key: ApiKey, tx: Tx) -> None:
    """Check what the key may send, and in whose name (62007, 21149)."""
    if key.maker_only:
        maker = tx.tx_type in (CANCEL, 16) or (
            tx.tx_type == CREATE and tx["TimeInForce"] == POST_ONLY
        )
        if not (maker or tx.tx_type == MODIFY):
            raise Refused(62007)
    integrator = tx.attributes.get(1, 0)
    if integrator and tx.tx_type in (CREATE, GROUP, MODIFY):
        terms = account.integrators.get(integrator)
        now_ms = exchange.clock.now_ms()
        if integrator != account.index and (terms is None or terms["ApprovalExpiry"] <= now_ms):
            raise Refused(21149)


def check_create(
    exchange: Exchange, account: Account, fields: Fields, *, child: bool = False
) -> Market:
    """Check one order's own members; return its market. Raises Refused."""
    market = exchange.market(fields["MarketIndex"])
    if market.status != "active":
        raise Refused(21605)
    client_index = fields["ClientOrderIndex"]
    if not 0 <= client_index <= MAX_CLIENT_INDEX:
        raise Refused(21727)
    if client_index and client_index in account.by_client:
        raise Refused(21728)
    if fields["IsAsk"] not in (0, 1):
        raise Refused(21703)
    if fields["TimeInForce"] not in (IOC, GTT, POST_ONLY):
        raise Refused(21705)
    if not 1 <= fields["Price"] <= MAX_PRICE:
        raise Refused(21702)
    _check_kind(exchange, market, fields)
    _check_size(market, fields, child=child)
    return market


def _check_kind(exchange: Exchange, market: Market, fields: Fields) -> None:
    """Check type against time in force, trigger and expiry (9.3)."""
    kind, tif = fields["Type"], fields["TimeInForce"]
    trigger, expiry_ms = fields["TriggerPrice"], fields["OrderExpiry"]
    if kind not in (LIMIT, MARKET) and kind not in CONDITIONAL:
        raise Refused(21710 if kind in (6, 7, 8) else 21704)
    if kind in CONDITIONAL and market.is_spot:
        raise Refused(21618)
    if kind in (MARKET, STOP, TAKE) and tif != IOC:
        raise Refused(21705)
    if (kind in CONDITIONAL) is not (1 <= trigger <= MAX_PRICE):
        raise Refused(21729)
    rests = kind in CONDITIONAL or (kind == LIMIT and tif != IOC)
    if rests is (expiry_ms == 0):
        raise Refused(21711)
    if rests:
        ahead_ms = expiry_ms - exchange.clock.now_ms()
        least_ms = exchange.config.min_expiry_ms - EXPIRY_SLACK_MS
        if not least_ms <= ahead_ms <= MAX_EXPIRY_MS + EXPIRY_SLACK_MS:
            raise Refused(21711)


def _check_size(market: Market, fields: Fields, *, child: bool) -> None:
    size, price = fields["BaseAmount"], fields["Price"]
    if fields["ReduceOnly"] not in (0, 1) or (fields["ReduceOnly"] and market.is_spot):
        raise Refused(21732)
    if size == 0:
        if child or fields["ReduceOnly"]:
            return
        raise Refused(21701)
    if not 0 < size < 1 << 48:
        raise Refused(21701)
    if fields["ReduceOnly"]:
        return
    if size < market.min_base or market.quote(price, size) < market.min_quote:
        raise Refused(21706)


def check_margin(account: Account, market: Market, fields: Fields) -> None:
    """Check margin (21739) or balance (21304) for a new order."""
    size, price = fields["BaseAmount"], fields["Price"]
    if account.house or fields["ReduceOnly"] or not size:
        return
    if market.is_spot:
        if fields["IsAsk"]:
            short = account.free_spot(market.base_asset) < market.base_units(size)
        else:
            quote = market.quote(price, size)
            need = quote + -(-quote * account.taker_fee // MICRO)
            short = account.free_spot(market.quote_asset) < need
        if short:
            raise Refused(21304)
        return
    sign = -1 if fields["IsAsk"] else 1
    opening = size - min(size, max(-sign * account.size_in(market), 0))
    if not opening:
        return
    if not is_limit_kind(fields["Type"]) and sign < 0:
        price = market.mark  # a sale's protection price says little about its worth
    need = market.quote(price, opening) * account.position(market).fraction // 10_000
    if need > account.available:
        raise Refused(21739)


def check_counts(account: Account, market: Market, *, pending: bool) -> None:
    """Check the venue's limits of live orders (15)."""
    live = [o for o in account.live.values() if o.waits is pending]
    here = sum(o.market is market for o in live)
    most, most_here = (
        (MAX_PENDING, MAX_PENDING_MARKET) if pending else (MAX_ACTIVE, MAX_ACTIVE_MARKET)
    )
    if len(live) >= most:
        raise Refused(21719 if pending else 21717)
    if here >= most_here:
        raise Refused(21720 if pending else 21718)


def check_group(grouping: int, orders: Sequence[Fields]) -> None:
    """Check that the orders form a group of the named kind (9.4)."""
    if grouping not in (OTO, OCO, OTOCO) or len(orders) != (3 if grouping == OTOCO else 2):
        raise Refused(21740)
    if len({order["MarketIndex"] for order in orders}) != 1:
        raise Refused(21740)
    exits = orders if grouping == OCO else orders[1:]
    for order in exits:
        if order["Type"] not in CONDITIONAL or not order["ReduceOnly"]:
            raise Refused(21740)
    if len({(order["IsAsk"], order["OrderExpiry"]) for order in exits}) != 1:
        raise Refused(21740)
    if len(exits) == 2:
        stops = sum(order["Type"] in (STOP, STOP_LIMIT) for order in exits)
        takes = sum(order["Type"] in (TAKE, TAKE_LIMIT) for order in exits)
        if (stops, takes) != (1, 1):
            raise Refused(21740)
    if grouping == OCO:
        if exits[0]["BaseAmount"] != exits[1]["BaseAmount"]:
            raise Refused(21740)
        return
    parent = orders[0]
    if parent["Type"] not in (LIMIT, MARKET) or parent["IsAsk"] == exits[0]["IsAsk"]:
        raise Refused(21740)
    if any(order["BaseAmount"] for order in exits):
        raise Refused(21740)
    if parent["OrderExpiry"] not in (0, exits[0]["OrderExpiry"]):
        raise Refused(21740)


def precheck(
    exchange: Exchange, account: Account, key: ApiKey, tx: Tx, *, lookups: bool = True
) -> None:
    """Refuse what the API node can see to be wrong with a transaction."""
    check_sender(exchange, account, key, tx)
    if tx.tx_type == CREATE:
        market = check_create(exchange, account, tx.fields)
        check_margin(account, market, tx.fields)
        if exchange.config.limits:
            check_counts(account, market, pending=bool(tx["TriggerPrice"]))
    elif tx.tx_type == GROUP:
        orders = tx.fields["Orders"]
        check_group(tx["GroupingType"], orders)
        for number, order in enumerate(orders):
            child = number > 0 and tx["GroupingType"] != OCO
            check_create(exchange, account, order, child=child)
    elif tx.tx_type == CANCEL and lookups:
        exchange.live_order(account, tx["MarketIndex"], tx["Index"])
    elif tx.tx_type == MODIFY and lookups:
        check_modify(exchange, account, tx)
    elif tx.tx_type == LEVERAGE:
        exchange.market(tx["MarketIndex"])


def check_modify(exchange: Exchange, account: Account, tx: Tx) -> None:
    """Check the new members of an order; size and price are absolute."""
    order = exchange.live_order(account, tx["MarketIndex"], tx["Index"])
    market = order.market
    if not 1 <= tx["Price"] <= MAX_PRICE:
        raise Refused(21702)
    if not order.filled < tx["BaseAmount"] < 1 << 48:
        raise Refused(21701)
    if bool(tx["TriggerPrice"]) is not (order.type in CONDITIONAL):
        raise Refused(21729)
    if order.reduce_only:
        return
    size = tx["BaseAmount"]
    if size < market.min_base or market.quote(tx["Price"], size) < market.min_quote:
        raise Refused(21706)
    more = market.quote(tx["Price"], size) - market.quote(order.price, order.size)
    if more > 0 and not market.is_spot:
        need = more * account.position(market).fraction // 10_000
        if need > account.available:
            raise Refused(21739)
