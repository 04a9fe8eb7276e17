"""Replay mode: prepared book, trade and ticker frames, so many per second (18.2.12)."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from ..pace import Pace
from .markets import Market, fixed

if TYPE_CHECKING:
    from .exchange import Exchange
    from .publisher import Publisher

__all__ = ["LoadGenerator"]

MOST_S = 0.5  # what a late turn of the loop makes up for


class LoadGenerator:
    """Streams frames of market 0 that look like the venue's; nothing behind them is real.

    The nonce chain of the book frames is whole. Their levels lie on an otherwise empty book whose
    sides are apart, so a client that keeps a book of its own gets one that never crosses.
    """

    def __init__(self, exchange: Exchange, publisher: Publisher) -> None:
        self._exchange = exchange
        self._publisher = publisher
        self._random = random.Random(f"lighter-sim/load/{exchange.config.seed}")
        self._pace = Pace(exchange.clock, MOST_S)
        self.sent = 0

    def advance(self) -> None:
        exchange = self._exchange
        config = exchange.config
        due = self._pace.due(config.load_frames_per_s)
        market = exchange.markets[0]
        followers = self._publisher.followers
        kinds = [kind for kind in config.load_kinds if f"{kind}:{market.market_id}" in followers]
        for _ in range(due if kinds else 0):
            kind = kinds[self.sent % len(kinds)]
            self.sent += 1
            frame: str = getattr(self, f"_{kind}")(market)
            self._publisher.deliver(f"{kind}:{market.market_id}", frame.encode())

    def _move(self, market: Market) -> None:
        """Move the market's nonce on."""
        self._exchange.sequence += self._random.randint(1, 20)
        market.nonce = self._exchange.sequence

    def _level(self, market: Market, ticks: int) -> str:
        lots = self._random.randint(0, 99_999)
        return f'{{"price":"{market.price(ticks)}","size":"{market.size(lots)}"}}'

    def _order_book(self, market: Market) -> str:
        self._move(market)
        begin, us = market.sent_nonce, self._exchange.now_us()
        market.sent_nonce = market.nonce
        market.offset += self._random.randint(1, 6)
        sides = []
        for sign in (1, -1):
            first = market.reference + sign * self._random.randint(1, 40)
            levels = (self._level(market, first + sign * step) for step in range(4))
            sides.append(",".join(levels))
        return (
            f'{{"channel":"order_book:{market.market_id}","last_updated_at":{us},'
            f'"offset":{market.offset},"order_book":{{"code":0,"asks":[{sides[0]}],'
            f'"bids":[{sides[1]}],"offset":{market.offset},"nonce":{market.nonce},'
            f'"last_updated_at":{us},"begin_nonce":{begin}}},"timestamp":{us // 1_000},'
            f'"type":"update/order_book"}}'
        )

    def _ticker(self, market: Market) -> str:
        self._move(market)
        us, far = self._exchange.now_us(), self._random.randint(1, 40)
        ask = self._level(market, market.reference + far)
        bid = self._level(market, market.reference - far)
        return (
            f'{{"channel":"ticker:{market.market_id}","last_updated_at":{us},'
            f'"nonce":{market.nonce},"ticker":{{"s":"{market.symbol}","a":{ask},"b":{bid},'
            f'"last_updated_at":{us}}},"timestamp":{us // 1_000},"type":"update/ticker"}}'
        )

    def _trade(self, market: Market) -> str:
        exchange, source = self._exchange, self._random
        self._move(market)
        exchange.trade_id += 1
        us, lots = exchange.now_us(), source.randint(1, 9_999)
        ticks = market.reference + source.randint(-40, 40)
        quote = fixed(market.quote(ticks, lots), 6)
        ask, bid = (1 << 48) + exchange.trade_id, (1 << 49) - exchange.trade_id
        return (
            f'{{"channel":"trade:{market.market_id}","liquidation_trades":[],'
            f'"nonce":{market.nonce},"trades":[{{"trade_id":{exchange.trade_id},'
            f'"trade_id_str":"{exchange.trade_id}","tx_hash":"{exchange.trade_id:080x}",'
            f'"type":"trade","market_id":{market.market_id},"size":"{market.size(lots)}",'
            f'"price":"{market.price(ticks)}","usd_amount":"{quote}","ask_id":{ask},'
            f'"ask_id_str":"{ask}","bid_id":{bid},"bid_id_str":"{bid}","ask_client_id":0,'
            f'"ask_client_id_str":"0","bid_client_id":0,"bid_client_id_str":"0",'
            f'"ask_account_id":1,"bid_account_id":2,'
            f'"is_maker_ask":{"true" if source.random() < 0.5 else "false"},'
            f'"block_height":{exchange.block},"timestamp":{us // 1_000},"taker_fee":196,'
            f'"maker_fee":28,"transaction_time":{us}}}],"type":"update/trade"}}'
        )
