"""Who follows which channel, first frames, and updates (sections 6.3 to 6.5)."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson

from ..clock import NS_PER_MS
from ..engine_order import Side
from ..taps import Taps
from .accounts import Account
from .channels import Channel
from .exchange import Exchange
from .markets import Market, fixed
from .orders import Order
from .trades import Trade
from .views import book_levels, candles, market_stats, spot_stats, ticker

if TYPE_CHECKING:
    from .connection import Connection

__all__ = ["Publisher"]

STATS_EVERY_NS = 500_000_000
RECENT_TRADES = 50
KEPT_FRAMES = 16


class Publisher:
    """Turns what changed at the exchange into frames for those who follow it."""

    def __init__(self, exchange: Exchange, taps: Taps | None = None) -> None:
        self.exchange = exchange
        self.followers: dict[str, dict[Connection, Channel]] = {}
        self.taps = taps
        self.recent: dict[str, deque[bytes]] = {}
        self.published = 0
        self._random = random.Random(f"lighter-sim/publisher/{exchange.config.seed}")
        self._levels: dict[int, dict[tuple[Side, int], int]] = {}
        self._book_due_ns: dict[int, int] = {}
        self._tops: dict[int, tuple[Any, Any]] = {}
        self._active: set[int] = set()  # markets with something new for stats and candles
        self._stats_due_ns = 0
        self._sent_block = 0

    # -- subscriptions -----------------------------------------------------------------------

    def follow(self, connection: Connection, channel: Channel) -> None:
        self.followers.setdefault(channel.name, {})[connection] = channel

    def unfollow(self, connection: Connection, name: str) -> None:
        followers = self.followers.get(name)
        if followers is not None:
            followers.pop(connection, None)
            if not followers:
                del self.followers[name]

    def first(self, channel: Channel) -> dict[str, Any]:
        """Return the first typed frame of a channel: the whole present state."""
        build = getattr(self, f"_first_{channel.kind}")
        frame: dict[str, Any] = build(channel)
        return frame

    # -- first frames ------------------------------------------------------------------------

    def _market(self, channel: Channel) -> Market:
        assert channel.market is not None
        return self.exchange.markets[channel.market]

    def _account(self, channel: Channel) -> Account:
        assert channel.account is not None
        return self.exchange.accounts[channel.account]

    def _now_ms(self) -> int:
        return self.exchange.clock.now_ms()

    def _first_order_book(self, channel: Channel) -> dict[str, Any]:
        market = self._market(channel)
        self._send_book(market)  # those who follow already must not get it twice
        book = self.exchange.engine.book(market.key)
        levels = (
            book_levels(market, book.asks()),
            book_levels(market, book.bids()),
        )
        return self._book_frame("subscribed", market, levels, begin=0)

    def _book_frame(
        self, word: str, market: Market, levels: tuple[list[Any], list[Any]], *, begin: int
    ) -> dict[str, Any]:
        return {
            "channel": f"order_book:{market.market_id}",
            "last_updated_at": market.changed_us,
            "offset": market.offset,
            "order_book": {
                "code": 0,
                "asks": levels[0],
                "bids": levels[1],
                "offset": market.offset,
                "nonce": market.nonce,
                "last_updated_at": market.changed_us,
                "begin_nonce": begin,
            },
            "timestamp": self._now_ms(),
            "type": f"{word}/order_book",
        }

    def _first_ticker(self, channel: Channel) -> dict[str, Any]:
        return self._ticker_frame("subscribed", self._market(channel))

    def _ticker_frame(self, word: str, market: Market) -> dict[str, Any]:
        return {
            "channel": f"ticker:{market.market_id}",
            "last_updated_at": market.changed_us,
            "nonce": market.nonce,
            "ticker": ticker(market, self.exchange.engine.book(market.key)),
            "timestamp": self._now_ms(),
            "type": f"{word}/ticker",
        }

    def _first_trade(self, channel: Channel) -> dict[str, Any]:
        market = self._market(channel)
        trades = list(self.exchange.market_trades[market.market_id])[-RECENT_TRADES:]
        return self._trade_frame("subscribed", market, trades)

    def _trade_frame(self, word: str, market: Market, trades: list[Trade]) -> dict[str, Any]:
        newest_first = trades[::-1]
        return {
            "channel": f"trade:{market.market_id}",
            "liquidation_trades": [t.json() for t in newest_first if t.kind == "liquidation"],
            "nonce": self.exchange.sequence,
            "trades": [t.json() for t in newest_first if t.kind != "liquidation"],
            "type": f"{word}/trade",
        }

    def _first_market_stats(self, channel: Channel) -> dict[str, Any]:
        return self._stats_frame("subscribed", channel, self._kind_of_stats(channel))

    _first_spot_market_stats = _first_market_stats

    def _kind_of_stats(self, channel: Channel) -> list[Market]:
        if channel.market is not None:
            return [self._market(channel)]
        spot = channel.kind == "spot_market_stats"
        return [m for m in self.exchange.markets.values() if m.is_spot is spot]

    def _stats_frame(
        self, word: str, channel: Channel, markets: Iterable[Market]
    ) -> dict[str, Any]:
        now_ms = self._now_ms()
        rows = {}
        for market in markets:
            book = self.exchange.engine.book(market.key)
            spot = channel.kind == "spot_market_stats"
            row = spot_stats(market, book) if spot else market_stats(market, book, now_ms)
            rows[str(market.market_id)] = row
        members: Any = rows if channel.market is None else next(iter(rows.values()))
        return {
            "channel": channel.name,
            channel.kind: members,
            "timestamp": now_ms,
            "type": f"{word}/{channel.kind}",
        }

    def _first_candle(self, channel: Channel) -> dict[str, Any]:
        return self._candle_frame("subscribed", channel)

    _first_mark_price_candle = _first_candle

    def _candle_frame(self, word: str, channel: Channel) -> dict[str, Any]:
        assert channel.resolution is not None
        return {
            "candles": candles(self._market(channel), channel.resolution)[-1:],
            "channel": channel.name,
            "timestamp": self._now_ms(),
            "type": f"{word}/{channel.kind}",
        }

    def _first_height(self, channel: Channel) -> dict[str, Any]:
        return self._height_frame("subscribed")

    def _height_frame(self, word: str) -> dict[str, Any]:
        return {
            "channel": "height",
            "height": self.exchange.block,
            "timestamp": self._now_ms(),
            "type": f"{word}/height",
        }

    def _first_account_all_orders(self, channel: Channel) -> dict[str, Any]:
        return self._orders_frame("subscribed", channel, self._account(channel).live.values())

    def _first_account_orders(self, channel: Channel) -> dict[str, Any]:
        return self._first_account_all_orders(channel)

    def _orders_frame(self, word: str, channel: Channel, orders: Iterable[Order]) -> dict[str, Any]:
        rows: dict[str, list[orjson.Fragment]] = {}
        for order in orders:
            if channel.market in (None, order.market.market_id):
                rows.setdefault(str(order.market.market_id), []).append(order.json())
        frame: dict[str, Any] = {"type": f"{word}/{channel.kind}", "channel": channel.name}
        if channel.kind == "account_orders":
            frame |= {"account": channel.account, "nonce": self.exchange.sequence}
        return frame | {"orders": rows}

    def _first_account_all_trades(self, channel: Channel) -> dict[str, Any]:
        account = self._account(channel)
        rows = [trade.json() for trade in list(account.trades)[-RECENT_TRADES:]][::-1]
        return self._trades_frame("subscribed", account, rows)

    def _trades_frame(self, word: str, account: Account, trades: Any) -> dict[str, Any]:
        volume = fixed(account.volume, 6)
        return {
            "type": f"{word}/account_all_trades",
            "channel": f"account_all_trades:{account.index}",
            "trades": trades,
            "total_volume": volume,
            "monthly_volume": volume,
            "weekly_volume": volume,
            "daily_volume": volume,
        }

    def _first_account_all_positions(self, channel: Channel) -> dict[str, Any]:
        return self._positions_frame("subscribed", self._account(channel))

    def _positions_frame(self, word: str, account: Account) -> dict[str, Any]:
        return {
            "type": f"{word}/account_all_positions",
            "channel": f"account_all_positions:{account.index}",
            "positions": account.position_rows(),
            "shares": [],
            "last_funding_round": None,
            "last_funding_discount": None,
        }

    def _first_account_all_assets(self, channel: Channel) -> dict[str, Any]:
        return self._assets_frame("subscribed", self._account(channel))

    def _assets_frame(self, word: str, account: Account) -> dict[str, Any]:
        return {
            "assets": account.asset_rows(),
            "channel": f"account_all_assets:{account.index}",
            "timestamp": self._now_ms(),
            "type": f"{word}/account_all_assets",
        }

    def _first_user_stats(self, channel: Channel) -> dict[str, Any]:
        return self._user_stats_frame("subscribed", self._account(channel))

    def _user_stats_frame(self, word: str, account: Account) -> dict[str, Any]:
        return {
            "channel": f"user_stats:{account.index}",
            "stats": account.stats(),
            "timestamp": self._now_ms(),
            "type": f"{word}/user_stats",
        }

    def _first_account_all(self, channel: Channel) -> dict[str, Any]:
        return self._account_all_frame("subscribed", self._account(channel), [])

    def _account_all_frame(
        self, word: str, account: Account, trades: list[Trade]
    ) -> dict[str, Any]:
        return {
            "type": f"{word}/account_all",
            "channel": f"account_all:{account.index}",
            "account": account.index,
            "assets": account.asset_rows(),
            "positions": account.position_rows(),
            "shares": [],
            "trades": _by_market(trades),
            "funding_histories": {},
            "daily_trades_count": len(account.trades),
            "weekly_trades_count": len(account.trades),
            "monthly_trades_count": len(account.trades),
            "total_trades_count": len(account.trades),
            "daily_volume": float(fixed(account.volume, 6)),
            "weekly_volume": float(fixed(account.volume, 6)),
            "monthly_volume": float(fixed(account.volume, 6)),
            "total_volume": float(fixed(account.volume, 6)),
        }

    def _first_account_market(self, channel: Channel) -> dict[str, Any]:
        return self._account_market_frame("subscribed", channel, None, [])

    def _account_market_frame(
        self,
        word: str,
        channel: Channel,
        orders: Iterable[Order] | None,
        trades: list[Trade],
    ) -> dict[str, Any]:
        account, market = self._account(channel), self._market(channel)
        shown = account.live.values() if orders is None else orders
        return {
            "type": f"{word}/account_market",
            "channel": channel.name,
            "account": account.index,
            "orders": [order.json() for order in shown if order.market is market],
            "position": account.position_row(account.position(market), percent=False),
            "trades": [trade.json() for trade in trades if trade.market is market],
            "funding_history": {},
        }

    def _first_account_tx(self, channel: Channel) -> dict[str, Any]:
        return {"type": "subscribed/account_tx", "channel": channel.name, "txs": []}

    # -- updates -----------------------------------------------------------------------------

    def flush(self) -> None:
        """Publish what has changed since the last call."""
        exchange = self.exchange
        changes = exchange.changes
        if not changes:
            return
        exchange.changes = type(changes)()
        now_ns = exchange.clock.elapsed_ns()
        batch_ns = int(exchange.config.book_batch_ms * NS_PER_MS)
        for market_id, levels in changes.levels.items():
            self._levels.setdefault(market_id, {}).update(levels)
            self._book_due_ns.setdefault(market_id, now_ns + batch_ns)
            self._active.add(market_id)
            if not batch_ns:
                self._send_book(exchange.markets[market_id])
            self._send_ticker(exchange.markets[market_id])
        trades_by_market: dict[int, list[Trade]] = {}
        trades_by_account: dict[int, list[Trade]] = {}
        for trade in changes.trades:
            trades_by_market.setdefault(trade.market.market_id, []).append(trade)
            for account in set(trade.accounts()):
                trades_by_account.setdefault(account, []).append(trade)
        for market_id, trades in trades_by_market.items():
            name = f"trade:{market_id}"
            if name in self.followers:
                market = exchange.markets[market_id]
                self.send(name, self._trade_frame("update", market, trades))
        touched = dict.fromkeys(
            [*changes.orders, *trades_by_account, *changes.positions, *changes.balances]
        )
        for row in changes.txs:
            touched[row.tx.account_index] = None
        for index in touched:
            self._send_account(exchange.accounts[index], changes, trades_by_account.get(index, []))

    def _send_account(self, account: Account, changes: Any, trades: list[Trade]) -> None:
        """Send the frames one account gets for one execution, in the configured order."""
        index = account.index
        orders = changes.orders.get(index, {}).values()
        for what in self.exchange.config.frame_order:
            if what == "orders" and orders:
                name = f"account_all_orders:{index}"
                if name in self.followers:
                    channel = Channel("account_all_orders", name, account=index)
                    self.send(name, self._orders_frame("update", channel, orders))
            elif what == "trades" and trades:
                name = f"account_all_trades:{index}"
                if name in self.followers:
                    rows = _by_market(trades)
                    self.send(name, self._trades_frame("update", account, rows))
            elif what == "positions" and index in changes.positions:
                name = f"account_all_positions:{index}"
                if name in self.followers:
                    self.send(name, self._positions_frame("update", account))
            elif what == "assets" and index in changes.balances:
                name = f"account_all_assets:{index}"
                if name in self.followers:
                    self.send(name, self._assets_frame("update", account))
            elif what == "stats" and (index in changes.balances or index in changes.positions):
                name = f"user_stats:{index}"
                if name in self.followers:
                    self.send(name, self._user_stats_frame("update", account))
            elif what == "tx":
                name = f"account_tx:{index}"
                rows_of_txs = [r.row() for r in changes.txs if r.tx.account_index == index]
                if rows_of_txs and name in self.followers:
                    frame = {"type": "update/account_tx", "channel": name, "txs": rows_of_txs}
                    self.send(name, frame)
        self._send_overviews(account, orders, trades)

    def _send_overviews(
        self, account: Account, orders: Iterable[Order], trades: list[Trade]
    ) -> None:
        index = account.index
        name = f"account_all:{index}"
        if name in self.followers:
            self.send(name, self._account_all_frame("update", account, trades))
        markets = {o.market.market_id for o in orders} | {t.market.market_id for t in trades}
        for market_id in sorted(markets):
            name = f"account_orders:{market_id}:{index}"
            if name in self.followers and orders:
                channel = Channel("account_orders", name, market=market_id, account=index)
                self.send(name, self._orders_frame("update", channel, orders))
            name = f"account_market/{market_id}/{index}"
            if name in self.followers:
                channel = Channel("account_market", name, market=market_id, account=index)
                frame = self._account_market_frame("update", channel, orders, trades)
                self.send(name, frame)

    def advance(self) -> None:
        """Publish what is due by time: gathered books, statistics, candles, height."""
        now_ns = self.exchange.clock.elapsed_ns()
        for market_id, due_ns in list(self._book_due_ns.items()):
            if due_ns <= now_ns:
                self._send_book(self.exchange.markets[market_id])
        if now_ns < self._stats_due_ns:
            return
        self._stats_due_ns = now_ns + STATS_EVERY_NS
        active, self._active = self._active, set()
        for name, followers in list(self.followers.items()):
            channel = next(iter(followers.values()))
            if channel.kind in ("market_stats", "spot_market_stats"):
                markets = [m for m in self._kind_of_stats(channel) if m.market_id in active]
                if markets:
                    self.send(name, self._stats_frame("update", channel, markets))
            elif channel.kind in ("candle", "mark_price_candle") and channel.market in active:
                self.send(name, self._candle_frame("update", channel))
        if "height" in self.followers and self.exchange.block != self._sent_block:
            self.send("height", self._height_frame("update"))
        self._sent_block = self.exchange.block

    def _send_book(self, market: Market) -> None:
        """Send the changes of a book gathered so far; its nonce chain goes on."""
        self._book_due_ns.pop(market.market_id, None)
        gathered = self._levels.pop(market.market_id, None)
        if not gathered:
            return
        begin, market.sent_nonce = market.sent_nonce, market.nonce
        market.offset += self._random.randint(1, 6)  # never contiguous (6.4.5)
        name = f"order_book:{market.market_id}"
        if name not in self.followers:
            return
        sides: dict[Side, list[tuple[int, int]]] = {Side.SELL: [], Side.BUY: []}
        for (side, ticks), lots in gathered.items():
            sides[side].append((ticks, lots))
        sides[Side.SELL].sort()
        sides[Side.BUY].sort(reverse=True)
        levels = (book_levels(market, sides[Side.SELL]), book_levels(market, sides[Side.BUY]))
        self.send(name, self._book_frame("update", market, levels, begin=begin))

    def _send_ticker(self, market: Market) -> None:
        book = self.exchange.engine.book(market.key)
        top = (book.levels(Side.SELL, 1), book.levels(Side.BUY, 1))
        if self._tops.get(market.market_id) == top:
            return
        self._tops[market.market_id] = top
        name = f"ticker:{market.market_id}"
        if name in self.followers:
            self.send(name, self._ticker_frame("update", market))

    # -- output ------------------------------------------------------------------------------

    def send(self, name: str, frame: dict[str, Any]) -> None:
        """Send one frame to everybody who follows the channel, through the taps on it."""
        self.send_bytes(name, orjson.dumps(frame))

    def send_bytes(self, name: str, payload: bytes) -> None:
        send = partial(self.deliver, name)
        for item in self.taps.through(name, payload, send) if self.taps else (payload,):
            send(item)

    def deliver(self, name: str, payload: bytes) -> None:
        """Send a payload to the followers of a channel, past the taps."""
        self.published += 1
        kept = self.recent.get(name)
        if kept is None:
            kept = self.recent[name] = deque(maxlen=KEPT_FRAMES)
        kept.append(payload)
        for connection in list(self.followers.get(name, ())):
            connection.send(payload)


def _by_market(trades: Iterable[Trade]) -> dict[str, list[orjson.Fragment]]:
    """Return trades as a map from market to rows, newest first."""
    rows: dict[str, list[orjson.Fragment]] = {}
    for trade in trades:
        rows.setdefault(str(trade.market.market_id), []).insert(0, trade.json())
    return rows
