"""The indexer: turns what the chain tells into messages, for streams and for REST.

| what happened | message |
|---|---|
| short-term order taken, removed, expired | `orders` in the optimistic form, at once |
| fills of one order in one block | `fills`, `perpetualPositions`, `blockHeight`, `orders` |
| stateful order placed, triggered, ended | `orders`, with the block |
| balances and positions of a block | `perpetualPositions`, `assetPositions` |
| a transfer | `transfers` |
| book level | one level in one frame, at once |
| trades of a block | `trades` of one market |
| candles, oracle prices, height | with the block |
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson

from ..engine_order import Side
from . import ids, topics, views
from .blocks import Block, Listener
from .candles import RESOLUTIONS, Candles
from .chain import Chain
from .markets import Market
from .nodes import Node
from .orders import CONDITIONAL, Order
from .subaccounts import Subaccount

if TYPE_CHECKING:
    from .faults import Faults
    from .server import Simulator

__all__ = ["Indexer"]

LISTED = frozenset({"OPEN", "UNTRIGGERED", "BEST_EFFORT_OPENED"})
CANCELED_LISTED_BLOCKS = 20
SNAPSHOT_CANDLES = 1_000


class Indexer(Listener):
    """What the indexer knows and tells.

    Attributes
    ----------
    nodes
        Servers of the WebSocket; the first one's books are those of REST.
    candles
        By ticker.
    """

    chain: Chain

    def __init__(self, sim: Simulator, faults: Faults) -> None:
        self._sim = sim
        self._config = sim.config
        self._lags = sim.config.node_lags_ms
        self._faults = faults
        self.nodes: list[Node] = []
        self.candles: dict[str, Candles] = {}
        self._shown: dict[str, dict[str, Any]] = {}
        self.stale_height = False

    def attach(self, chain: Chain) -> None:
        """Listen to a chain; done once, before anything happens on it."""
        self.chain = chain
        later = self._sim.later
        self.nodes = [Node(lag, chain.markets, later, self._faults) for lag in self._lags]
        for node in self.nodes:
            node.height = (chain.height, chain.time_ms)
        self.candles = {ticker: Candles(market) for ticker, market in chain.markets.items()}
        self._shown = {ticker: market.row() for ticker, market in chain.markets.items()}

    # -- to the streams ----------------------------------------------------------------------

    def tell(
        self,
        channel: str,
        id_: str | None,
        contents: Any,
        *,
        number: int | None = None,
        effect: Callable[[Node], None] | None = None,
    ) -> None:
        """Tell all nodes."""
        encoded = orjson.dumps(contents)
        for node in self.nodes:
            node.tell(channel, id_, encoded, number=number, effect=effect)

    def tell_account(
        self, account: Subaccount, contents: dict[str, Any], *, parent: bool = True
    ) -> None:
        """Tell those who follow a subaccount, and those who follow its parent."""
        if account.house:
            return
        self.tell(topics.SUBACCOUNTS, account.name, contents)
        if parent:
            name = f"{account.address}/{account.parent}"
            self.tell(topics.PARENT_SUBACCOUNTS, name, contents, number=account.number)

    def tell_orders(self, account: Subaccount, rows: list[dict[str, Any]]) -> None:
        self.tell_account(account, {"orders": rows, "blockHeight": str(self.chain.height)})

    # -- told by the chain, ahead of blocks --------------------------------------------------

    def on_opened(self, order: Order) -> None:
        self._show(order, "BEST_EFFORT_OPENED")
        row = views.optimistic_order(order, "BEST_EFFORT_OPENED")
        self.tell_orders(order.account, [row])

    def on_removed(self, order: Order, reason: str) -> None:
        status = "BEST_EFFORT_CANCELED"
        if reason != "REPLACED":
            self._show(order, status, removal=reason)
        row = views.optimistic_order(order, status, removal=reason)
        self.tell_orders(order.account, [row])

    def on_unknown_removed(self, order: Order, reason: str) -> None:
        self.tell_orders(order.account, [views.sparse_order(order, reason)])

    def on_expired(self, order: Order) -> None:
        if order.account.orders.get(order.order_id) is not order:
            return
        if order.state == "expired":
            order.removal = "INDEXER_EXPIRED"
            row = views.optimistic_order(order, "CANCELED", removal="INDEXER_EXPIRED")
            self._show(order, "CANCELED", removal="INDEXER_EXPIRED")
            self.tell_orders(order.account, [row])
        if not order.committed:  # it never was in the database
            order.versions.append((self.chain.height, None))

    def on_level(self, market: Market, side: Side, subticks: int, quantums: int) -> None:
        market.offset += 1
        key = "bids" if side is Side.BUY else "asks"
        contents = {key: [[market.price(subticks), market.size(quantums)]]}
        effect = partial(_put_level, market.ticker, side, subticks, quantums)
        self.tell(topics.ORDERBOOK, market.ticker, contents, effect=effect)

    def _show(self, order: Order, status: str, *, removal: str = "") -> None:
        """Let REST show an order so from now on."""
        order.status = status
        if order.committed or not order.is_short_term:
            row = views.database_order(order, status, removal=removal)
        else:
            row = views.listed_order(order, status)
        order.versions.append((self.chain.height, row))

    # -- told by the chain, with a block -----------------------------------------------------

    def on_block(self, block: Block) -> None:
        if self._config.height_first:
            self._tell_height(block)
        self._tell_fills(block)
        self._tell_stateful(block)
        self._tell_balances(block)
        self._tell_trades(block)
        if block.oracles:
            prices = {market.ticker: _oracle(market, block) for market in block.oracles}
            self.tell(topics.MARKETS, None, {"oraclePrices": prices})
        if not self._config.height_first:
            self._tell_height(block)

    def _tell_height(self, block: Block) -> None:
        if self.stale_height:
            return
        contents = {"blockHeight": str(block.height), "time": ids.iso(block.ms)}
        effect = partial(_put_height, block.height, block.ms)
        self.tell(topics.BLOCK_HEIGHT, None, contents, effect=effect)

    def _tell_fills(self, block: Block) -> None:
        for (account, key, _), fills in block.fills.items():
            touched = block.touched[account].values()
            market = fills[0].market
            contents: dict[str, Any] = {
                "fills": [views.fill(item, account) for item in fills],
                "perpetualPositions": [
                    views.perpetual_position(position, account)
                    for position in touched
                    if position.market is market
                ],
                "blockHeight": str(block.height),
            }
            if key is not None:
                order = account.orders[key]
                status = _status(order)
                removal = order.removal if status == "CANCELED" and order.triggered else ""
                self._show(order, status, removal=removal)
                contents["orders"] = [views.database_order(order, status)]
            self.tell_account(account, contents)

    def _tell_stateful(self, block: Block) -> None:
        for order in block.placed:
            if order.terms.flags == CONDITIONAL:
                self._show(order, "UNTRIGGERED")
                row = views.database_order(order, "UNTRIGGERED")
            else:
                self._show(order, "OPEN")
                row = views.placed_order(order)
            self.tell_orders(order.account, [row])
        for order in block.triggered:
            self._show(order, "OPEN")
            self.tell_orders(order.account, [views.triggered_order(order)])
        for order in block.ended:
            self._show(order, "CANCELED", removal=order.removal)
            row = views.database_order(order, "CANCELED", removal=order.removal)
            self.tell_orders(order.account, [row])

    def _tell_balances(self, block: Block) -> None:
        height = str(block.height)
        for account, positions in block.touched.items():
            contents: dict[str, Any] = {}
            if positions:
                contents["perpetualPositions"] = [
                    views.perpetual_position(position, account) for position in positions.values()
                ]
            contents["assetPositions"] = [views.asset_position(account)]
            self.tell_account(account, {**contents, "blockHeight": height})
        for item in block.transfers:
            for party in {item.sender, item.recipient}:
                address, number = party
                if number is not None:
                    account = self.chain.subaccount(address, number)
                    contents = {
                        "transfers": views.transfer(item, account),
                        "blockHeight": height,
                    }
                    self.tell_account(account, contents, parent=not views.same_parent(item))

    def _tell_trades(self, block: Block) -> None:
        for market, rows in block.trades.items():
            market.trades.extend(rows)
            contents = {"trades": [_trade_update(row) for row in rows]}
            self.tell(topics.TRADES, market.ticker, contents)
        changed: dict[str, None] = {}
        for market, quantums, subticks in block.values:
            book = self.chain.engine.book(market.ticker)
            bid, ask = book.best_bid, book.best_ask
            middle = None if bid is None or ask is None else bid + ask
            self.candles[market.ticker].add(quantums, subticks, block.ms, middle)
            changed[market.ticker] = None
        for ticker in changed:
            for resolution in RESOLUTIONS:
                row = self.candles[ticker].current(resolution, block.ms)
                self.tell(topics.CANDLES, f"{ticker}/{resolution}", row)

    # -- markets -----------------------------------------------------------------------------

    def update_markets(self) -> None:
        """Tell what changed in the markets' records since the last time (5.4)."""
        trading = {}
        for ticker, market in self.chain.markets.items():
            row, shown = market.row(), self._shown[ticker]
            partial_row = {
                name: value
                for name, value in {"trades24H": row["trades24H"], **row}.items()
                if name != "oraclePrice" and value != shown.get(name)
            }
            self._shown[ticker] = row
            if partial_row:
                trading[ticker] = partial_row
        if trading:
            self.tell(topics.MARKETS, None, {"trading": trading})

    def tell_market(self, market: Market, contents: dict[str, Any]) -> None:
        """Tell a change by governance."""
        self._shown[market.ticker] = market.row()
        self.tell(topics.MARKETS, None, {"trading": {market.ticker: contents}})

    # -- what is listed ----------------------------------------------------------------------

    def listed_orders(self, account: Subaccount, height: int) -> list[dict[str, Any]]:
        """Return the orders a snapshot holds (5.6.1), as they stood at a height."""
        rows = []
        for order in account.orders.values():
            row = order.version(height)
            if row is None:
                continue
            status = row["status"]
            last = order.terms.good_til_block
            late = status == "BEST_EFFORT_CANCELED" and last > height - CANCELED_LISTED_BLOCKS
            if status in LISTED or late:
                rows.append({**row, "subaccountNumber": account.number})
        return rows

    def snapshot(self, node: Node, channel: str, id_: str | None) -> bytes:
        """Return the contents of a `subscribed` frame."""
        return orjson.dumps(self._snapshot(node, channel, id_))

    def _snapshot(self, node: Node, channel: str, id_: str | None) -> Any:
        chain = self.chain
        if channel == topics.MARKETS:
            return {"markets": {ticker: m.row() for ticker, m in chain.markets.items()}}
        if channel == topics.BLOCK_HEIGHT:
            height, ms = node.height
            return {"height": str(height), "time": ids.iso(ms)}
        assert id_ is not None
        if channel == topics.ORDERBOOK:
            return node.books[id_].rows(chain.markets[id_])
        if channel == topics.TRADES:
            return {"trades": list(reversed(chain.markets[id_].trades))}
        if channel == topics.CANDLES:
            ticker, _, resolution = id_.rpartition("/")
            return {"candles": self.candles[ticker].rows(resolution, 0, 2**62, SNAPSHOT_CANDLES)}
        parts = topics.split_subaccount(id_)
        assert parts is not None
        height = chain.height - self._config.snapshot_lag_blocks
        if channel == topics.SUBACCOUNTS:
            return self.subaccount_contents(*parts, height)
        return self.parent_contents(*parts, height)

    def subaccount_contents(self, address: str, number: int, height: int) -> dict[str, Any]:
        """Return the snapshot of a subaccount at a height; empty if it is not funded."""
        account = self.chain.subaccounts.get((address, number))
        state = None if account is None else account.state(height)
        if account is None or state is None:
            return {}
        return {
            "subaccount": views.subaccount(account, state, height),
            "orders": self.listed_orders(account, height),
            "blockHeight": str(height),
        }

    def children(self, address: str, parent: int) -> list[Subaccount]:
        """Return the subaccounts a parent owns, itself among them."""
        return [
            account
            for account in self.chain.subaccounts.values()
            if account.address == address and account.parent == parent
        ]

    def parent_contents(self, address: str, parent: int, height: int) -> dict[str, Any]:
        """Return the snapshot of a parent subaccount at a height; empty if it is not funded."""
        found = [(child, child.state(height)) for child in self.children(address, parent)]
        children = [(child, state) for child, state in found if state is not None]
        if not children:
            return {}
        return {
            "subaccount": views.parent_subaccount(address, parent, children, height),
            "orders": [row for child, _ in children for row in self.listed_orders(child, height)],
            "blockHeight": str(height),
        }


def _status(order: Order) -> str:
    """Return the status an order has after a block with fills of it (7.1)."""
    if order.committed >= order.terms.quantums:
        return "FILLED"
    if not order.removal or order.removal == "FULLY_FILLED":
        return "OPEN"
    if not order.is_short_term or order.terms.time_in_force == "IOC":
        return "CANCELED"
    return "OPEN" if order.removal == "EXPIRED" else "BEST_EFFORT_CANCELED"


def _oracle(market: Market, block: Block) -> dict[str, Any]:
    assert market.oracle is not None
    return {
        "oraclePrice": market.price(market.oracle),
        "effectiveAt": ids.iso(block.ms),
        "effectiveAtHeight": str(block.height),
        "marketId": market.market_id,
    }


def _trade_update(row: dict[str, Any]) -> dict[str, Any]:
    """Return a trade as the stream writes it: another order of keys, no height (5.2)."""
    return {name: row[name] for name in ("id", "size", "price", "side", "createdAt", "type")}


def _put_level(ticker: str, side: Side, subticks: int, quantums: int, node: Node) -> None:
    node.books[ticker].put(side, subticks, quantums)


def _put_height(height: int, ms: int, node: Node) -> None:
    node.height = (max(height, node.height[0]), ms)
