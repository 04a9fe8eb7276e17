"""What every kind of order request has in common: parsing and the checks of its fields."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..engine_order import Side
from .account import Account
from .exchange import Exchange
from .filters import PRICE_MATCH
from .params import Params, missing
from .types import ApiError, Product, SymbolRules

__all__ = ["Intent", "parse_intent", "time_in_force"]

CLIENT_ID = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")  # BN-I-01
TIMES_IN_FORCE = frozenset({"GTC", "IOC", "FOK", "GTX", "GTD", "RPI"})
SELF_TRADE_MODES = frozenset({"EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "NONE"})
LAST_GOOD_TILL_MS = 253402300799000


@dataclass(frozen=True, slots=True)
class Intent:
    """What plain and conditional orders have in common, parsed and checked."""

    rules: SymbolRules
    side: Side
    position_side: str
    reduce_only: bool
    client_id: str
    self_trade: str
    price_match: str
    good_till_ms: int
    working_type: str
    price_protect: bool


def parse_intent(
    exchange: Exchange,
    account: Account,
    product: Product,
    params: Params,
    id_name: str,
    time_in_force: str | None,
) -> Intent:
    """Parse and check what plain and conditional orders share; `id_name` names the client id."""
    rules = _tradable(exchange, product, params)
    side_text = params.require("side")
    if side_text not in ("BUY", "SELL"):
        raise ApiError(-1117, "Invalid side.")
    side = Side[side_text]
    position_side, reduce_only = _position_side(account, side, params)
    client_id = params.text(id_name) or exchange.random_id()
    if not CLIENT_ID.fullmatch(client_id):
        raise ApiError(-4015, "Client order id is not valid.")
    self_trade = params.choice(
        "selfTradePreventionMode",
        SELF_TRADE_MODES,
        ApiError(-5039, "Invalid self trade prevention mode."),
    )
    price_match = params.choice(
        "priceMatch", {"NONE", *PRICE_MATCH}, ApiError(-5037, "Invalid price match.")
    )
    if price_match not in (None, "NONE") and "price" in params:
        raise ApiError(-1128, "Combination of optional parameters invalid.")
    working_type = params.choice(
        "workingType",
        ("CONTRACT_PRICE", "MARK_PRICE"),
        ApiError(-1130, "Data sent for parameter 'workingType' is not valid."),
    )
    good_till = _good_till(exchange, params, time_in_force)
    return Intent(
        rules,
        side,
        position_side,
        reduce_only,
        client_id,
        self_trade or "EXPIRE_MAKER",
        price_match or "NONE",
        good_till,
        working_type or "CONTRACT_PRICE",
        params.boolean("priceProtect") or False,
    )


def _tradable(exchange: Exchange, product: Product, params: Params) -> SymbolRules:
    rules = exchange.rules(params.require("symbol"), product)
    if not rules.trading:
        raise ApiError(-4141, "Symbol is closed.")
    return rules


def _good_till(exchange: Exchange, params: Params, time_in_force: str | None) -> int:
    """BN-R-11: whole seconds, more than 600 s ahead, below the end of year 9999."""
    good_till = params.integer("goodTillDate")
    if time_in_force != "GTD":
        return 0
    if good_till is None:
        raise missing("goodTillDate")
    if not exchange.now_ms() + 600_000 < good_till < LAST_GOOD_TILL_MS:
        raise ApiError(
            -5040,
            "The goodTillDate timestamp must be greater than the current time plus 600 "
            "seconds and smaller than 253402300799000",
        )
    return good_till // 1000 * 1000


def _position_side(account: Account, side: Side, params: Params) -> tuple[str, bool]:
    """Return position side and whether the order can only reduce (BN-R-08)."""
    sent = params.choice(
        "positionSide", ("BOTH", "LONG", "SHORT"), ApiError(-4060, "Invalid position side.")
    )
    reduce_only = params.boolean("reduceOnly")
    if account.dual_side:
        if sent not in ("LONG", "SHORT"):
            raise ApiError(-4061, "Order's position side does not match user's setting.")
        if reduce_only is not None:
            raise ApiError(-1106, "Parameter 'reduceonly' sent when not required.")
        opens = Side.BUY if sent == "LONG" else Side.SELL
        return sent, side is not opens
    if sent not in (None, "BOTH"):
        raise ApiError(-4061, "Order's position side does not match user's setting.")
    return "BOTH", reduce_only or False


def time_in_force(params: Params) -> str | None:
    """Return the time in force if one was sent. Raises -1115 for an unknown one."""
    return params.choice("timeInForce", TIMES_IN_FORCE, ApiError(-1115, "Invalid timeInForce."))
