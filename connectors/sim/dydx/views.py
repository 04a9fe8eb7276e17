"""Orders, fills, positions and subaccounts as the indexer shows them (section 5.6, 15)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from . import ids
from .numbers import decimals, money, quotient, show
from .orders import Order
from .subaccounts import (
    PARENTS,
    Fill,
    Position,
    State,
    Subaccount,
    Transfer,
    equity,
    free_collateral,
)

__all__ = [
    "asset_position",
    "database_order",
    "fill",
    "fill_rest",
    "listed_order",
    "optimistic_order",
    "parent_subaccount",
    "perpetual_position",
    "perpetual_position_rest",
    "placed_order",
    "sparse_order",
    "subaccount",
    "transfer",
    "transfer_rest",
    "triggered_order",
]

USDC, USDC_ID = "USDC", 0
REASON = "ORDER_REMOVAL_REASON_"


# -- orders: three densities (5.6.4) ---------------------------------------------------------


def _time(seconds: int) -> str | None:
    return ids.iso(seconds * 1000) if seconds else None


def _block(height: int) -> str | None:
    return str(height) if height else None


def _head(order: Order) -> dict[str, Any]:
    return {
        "id": order.uuid,
        "subaccountId": order.account.uuid,
        "clientId": str(order.terms.client_id),
        "clobPairId": str(order.market.clob_pair_id),
    }


def _asked(order: Order, status: str) -> dict[str, Any]:
    """Return what the optimistic forms have in common."""
    terms = order.terms
    until: dict[str, Any] = {"goodTilBlock": str(terms.good_til_block)}
    if not order.is_short_term:
        until = {"goodTilBlockTime": _time(terms.good_til_block_time)}
    return {
        **_head(order),
        "side": terms.side,
        "size": order.market.size(terms.quantums),
        "price": order.market.price(terms.subticks),
        "status": status,
        "type": terms.type,
        "timeInForce": terms.time_in_force,
        "postOnly": terms.post_only,
        "reduceOnly": terms.reduce_only,
        "orderFlags": str(terms.flags),
        **until,
        "ticker": order.market.ticker,
    }


def optimistic_order(order: Order, status: str, *, removal: str = "") -> dict[str, Any]:
    """Return the form of short-term orders that were placed or removed on a node."""
    row = _asked(order, status)
    if removal:
        row["totalOptimisticFilled"] = order.market.size(order.filled)
        row["removalReason"] = REASON + removal
    row["clientMetadata"] = str(order.terms.client_metadata)
    return row


def placed_order(order: Order) -> dict[str, Any]:
    """Return the form of a long-term order that a block brought."""
    return {
        **_asked(order, "OPEN"),
        "createdAtHeight": str(order.created_height),
        "updatedAt": ids.iso(order.updated_ms),
        "updatedAtHeight": str(order.updated_height),
        "clientMetadata": str(order.terms.client_metadata),
    }


def triggered_order(order: Order) -> dict[str, Any]:
    """Return the form of a conditional order whose condition was met."""
    return {
        **_asked(order, "OPEN"),
        "clientMetadata": str(order.terms.client_metadata),
        "triggerPrice": order.market.price(order.terms.trigger),
    }


def database_order(order: Order, status: str, *, removal: str = "") -> dict[str, Any]:
    """Return the form of the indexer's database."""
    terms, market = order.terms, order.market
    created = order.created_height
    row = {
        **_head(order),
        "side": terms.side,
        "size": market.size(terms.quantums),
        "totalFilled": market.size(order.committed),
        "price": market.price(terms.subticks),
        "type": terms.type,
        "status": status,
        "timeInForce": terms.time_in_force,
        "reduceOnly": terms.reduce_only,
        "orderFlags": str(terms.flags),
        "goodTilBlock": _block(terms.good_til_block),
        "goodTilBlockTime": _time(terms.good_til_block_time),
        "createdAtHeight": None if created is None else str(created),
        "clientMetadata": str(terms.client_metadata),
        "triggerPrice": market.price(terms.trigger) if terms.trigger else None,
        "updatedAt": ids.iso(order.updated_ms),
        "updatedAtHeight": str(order.updated_height),
        "orderRouterAddress": "",
        "postOnly": terms.post_only,
        "ticker": market.ticker,
    }
    if removal:
        row["removalReason"] = REASON + removal
    return row


def sparse_order(order: Order, removal: str) -> dict[str, Any]:
    """Return the form of a removal of an order the indexer never saw."""
    return {
        **_head(order),
        "status": "BEST_EFFORT_CANCELED",
        "orderFlags": str(order.terms.flags),
        "ticker": order.market.ticker,
        "removalReason": REASON + removal,
    }


def listed_order(order: Order, status: str) -> dict[str, Any]:
    """Return an order no block knows of as REST and snapshots list it."""
    terms, market = order.terms, order.market
    return {
        **_head(order),
        "side": terms.side,
        "size": market.size(terms.quantums),
        "totalFilled": "0",
        "price": market.price(terms.subticks),
        "type": terms.type,
        "status": status,
        "timeInForce": terms.time_in_force,
        "postOnly": terms.post_only,
        "reduceOnly": terms.reduce_only,
        "goodTilBlock": str(terms.good_til_block),
        "ticker": market.ticker,
        "orderFlags": str(terms.flags),
        "clientMetadata": str(terms.client_metadata),
    }


# -- fills -----------------------------------------------------------------------------------


def fill(item: Fill, account: Subaccount) -> dict[str, Any]:
    """Return a fill as streamed (5.6.3)."""
    market, order = item.market, item.order
    size, price = market.size(item.quantums), market.price(item.subticks)
    quantums, opened, opened_value = item.before
    places = decimals(size) + decimals(price)
    value = item.quantums * item.subticks
    exponent = market.atomic_resolution + market.price_exponent
    return {
        "id": item.fill_id,
        "subaccountId": account.uuid,
        "side": "BUY" if item.is_buy else "SELL",
        "liquidity": item.liquidity,
        "type": item.type,
        "clobPairId": str(market.clob_pair_id),
        "orderId": None if order is None else order.uuid,
        "size": size,
        "price": price,
        "quoteAmount": _padded(show(value, exponent), places),
        "eventId": item.event,
        "transactionHash": item.transaction,
        "createdAt": ids.iso(item.ms),
        "createdAtHeight": str(item.height),
        "clientMetadata": None if order is None else str(order.terms.client_metadata),
        "fee": money(item.fee),
        "affiliateRevShare": "0",
        "builderFee": None,
        "builderAddress": None,
        "orderRouterAddress": None,
        "orderRouterFee": None,
        "positionSizeBefore": market.size(abs(quantums)),
        "entryPriceBefore": quotient(opened_value, opened, market.price_exponent)
        if opened
        else "0",
        "positionSideBefore": ("LONG" if quantums > 0 else "SHORT") if quantums else None,
        "ticker": market.ticker,
    }


def _padded(text: str, places: int) -> str:
    """Return a number's text with so many decimals: a product keeps those of its factors."""
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction.ljust(places, '0')}" if places else whole


def fill_rest(item: Fill, account: Subaccount) -> dict[str, Any]:
    """Return a fill as REST shows it."""
    market, order = item.market, item.order
    row = {
        "id": item.fill_id,
        "side": "BUY" if item.is_buy else "SELL",
        "liquidity": item.liquidity,
        "type": item.type,
        "market": market.ticker,
        "marketType": "PERPETUAL",
        "price": market.price(item.subticks),
        "size": market.size(item.quantums),
        "fee": money(item.fee),
        "affiliateRevShare": "0",
        "createdAt": ids.iso(item.ms),
        "createdAtHeight": str(item.height),
    }
    if order is not None:
        row["orderId"] = order.uuid
        row["clientMetadata"] = str(order.terms.client_metadata)
    return {**row, "subaccountNumber": account.number}


# -- positions and balances ------------------------------------------------------------------


def _prices(position: Position) -> dict[str, Any]:
    market = position.market
    prices = {"entryPrice": quotient(position.opened_value, position.opened, market.price_exponent)}
    if position.closed:
        prices["exitPrice"] = quotient(
            position.closed_value, position.closed, market.price_exponent
        )
    return prices


def _pnl(position: Position) -> dict[str, str]:
    """Return profit so far, and what the rest would bring at the oracle price."""
    market = position.market
    sign = 1 if position.is_long else -1
    exponent = market.atomic_resolution + market.price_exponent
    realized = position.closed_value * position.opened - position.opened_value * position.closed
    oracle = market.oracle or 0
    left = abs(position.quantums)
    unrealized = (oracle * position.opened - position.opened_value) * left
    return {
        "realizedPnl": quotient(sign * realized, position.opened, exponent),
        "unrealizedPnl": quotient(sign * unrealized, position.opened, exponent),
    }


def perpetual_position(position: Position, account: Subaccount) -> dict[str, Any]:
    """Return a position as streamed."""
    market = position.market
    return {
        "address": account.address,
        "subaccountNumber": account.number,
        "positionId": position.position_id,
        "market": market.ticker,
        "side": "LONG" if position.is_long else "SHORT",
        "status": position.status,
        "size": market.size(position.quantums),
        "maxSize": market.size(position.max_quantums),
        "netFunding": "0",
        **_prices(position),
        "sumOpen": market.size(position.opened),
        "sumClose": market.size(position.closed),
        **_pnl(position),
    }


def perpetual_position_rest(position: Position, number: int) -> dict[str, Any]:
    """Return a position as REST and snapshots show it."""
    market = position.market
    prices = _prices(position)
    closed_height = position.closed_height
    row = {
        "market": market.ticker,
        "status": position.status,
        "side": "LONG" if position.is_long else "SHORT",
        "size": market.size(position.quantums),
        "maxSize": market.size(position.max_quantums),
        "entryPrice": prices["entryPrice"],
        "exitPrice": prices.get("exitPrice"),
        **_pnl(position),
        "createdAt": ids.iso(position.created_ms),
        "createdAtHeight": str(position.created_height),
        "closedAt": None if position.closed_ms is None else ids.iso(position.closed_ms),
        "sumOpen": market.size(position.opened),
        "sumClose": market.size(position.closed),
        "netFunding": "0",
        "subaccountNumber": number,
    }
    if closed_height is not None:
        row["closedAtHeight"] = str(closed_height)
    return row


def asset_position(account: Subaccount) -> dict[str, Any]:
    """Return the USDC of a subaccount as streamed."""
    return {
        "address": account.address,
        "subaccountNumber": account.number,
        "positionId": ids.asset_position_id(account.uuid, USDC_ID),
        "assetId": str(USDC_ID),
        "symbol": USDC,
        "side": "LONG" if account.usdc >= 0 else "SHORT",
        "size": money(abs(account.usdc)),
    }


def asset_position_rest(usdc: int, number: int) -> dict[str, Any]:
    """Return the USDC of a subaccount as REST and snapshots show it."""
    return {
        "symbol": USDC,
        "side": "LONG" if usdc >= 0 else "SHORT",
        "size": money(abs(usdc)),
        "assetId": str(USDC_ID),
        "subaccountNumber": number,
    }


def subaccount(account: Subaccount, state: State, height: int) -> dict[str, Any]:
    """Return a subaccount as it stood at a height."""
    positions: Mapping[str, Position] = state.positions
    held = list(positions.values())
    return {
        "address": account.address,
        "subaccountNumber": account.number,
        "equity": money(equity(state.usdc, held)),
        "freeCollateral": money(free_collateral(state.usdc, held)),
        "openPerpetualPositions": {
            ticker: perpetual_position_rest(position, account.number)
            for ticker, position in positions.items()
        },
        "assetPositions": {USDC: asset_position_rest(state.usdc, account.number)}
        if state.usdc
        else {},
        "marginEnabled": True,
        "updatedAtHeight": str(state.height),
        "latestProcessedBlockHeight": str(height),
    }


def parent_subaccount(
    address: str, number: int, children: Iterable[tuple[Subaccount, State]], height: int
) -> dict[str, Any]:
    """Return a parent with its children as they stood at a height."""
    rows = list(children)
    equities = [equity(state.usdc, state.positions.values()) for _, state in rows]
    free = [free_collateral(state.usdc, state.positions.values()) for _, state in rows]
    return {
        "address": address,
        "parentSubaccountNumber": number,
        "equity": money(sum(equities)),
        "freeCollateral": money(sum(free)),
        "childSubaccounts": [subaccount(account, state, height) for account, state in rows],
    }


# -- transfers -------------------------------------------------------------------------------


def _party(party: tuple[str, int | None]) -> dict[str, Any]:
    address, number = party
    return {"address": address} if number is None else {
        "address": address, "subaccountNumber": number,
    }  # fmt: skip


def _kind(item: Transfer, account: Subaccount) -> str:
    incoming = item.recipient == (account.address, account.number)
    if incoming:
        return "DEPOSIT" if item.sender[1] is None else "TRANSFER_IN"
    return "WITHDRAWAL" if item.recipient[1] is None else "TRANSFER_OUT"


def transfer(item: Transfer, account: Subaccount) -> dict[str, Any]:
    """Return a transfer as streamed to one of the two."""
    return {
        "sender": _party(item.sender),
        "recipient": _party(item.recipient),
        "symbol": USDC,
        "size": money(item.amount),
        "type": _kind(item, account),
        "createdAt": ids.iso(item.ms),
        "createdAtHeight": str(item.height),
        "transactionHash": item.transaction,
    }


def transfer_rest(item: Transfer, account: Subaccount) -> dict[str, Any]:
    """Return a transfer as REST shows it to one of the two."""
    sender = "/".join(str(part) for part in item.sender)
    recipient = "/".join(str(part) for part in item.recipient)
    return {"id": ids.transfer_id(item.event, sender, recipient), **transfer(item, account)}


def same_parent(item: Transfer) -> bool:
    """Whether both ends belong to one parent subaccount: such a transfer is not told it (5.7)."""
    (sender, first), (recipient, second) = item.sender, item.recipient
    if first is None or second is None:
        return False
    return sender == recipient and first % PARENTS == second % PARENTS
