"""Replay mode: prepared book and trade frames, as many per second as asked for (18.2.12)."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from .markets import Market, fixed

if TYPE_CHECKING:
    from .exchange import Exchange
    from .publisher import Publisher

__all__ = ["LoadGenerator"]

MAX_BURST = 5_000


class LoadGenerator:
    """Streams order book updates of market 0 whose nonce chain is whole; the book is not real.

    The levels it sends lie on an otherwise empty book, so a client that keeps a book of its own
    gets one that never crosses.
    """

    def __init__(self, exchange: Exchange, publisher: Publisher) -> None:
        self._exchange = exchange
        self._publisher = publisher
        self._random = random.Random(f"lighter-sim/load/{exchange.config.seed}")
        self._owed = 0.0
        self._last_ns = exchange.clock.elapsed_ns()
        self.sent = 0

    def advance(self) -> None:
        exchange = self._exchange
        now_ns = exchange.clock.elapsed_ns()
        rate = exchange.config.load_frames_per_s
        self._owed = min(self._owed + (now_ns - self._last_ns) * rate / 1e9, MAX_BURST)
        self._last_ns = now_ns
        market = exchange.markets[0]
        name = f"order_book:{market.market_id}"
        if name not in self._publisher.followers:
            self._owed = 0.0
            return
        while self._owed >= 1:
            self._owed -= 1
            self.sent += 1
            self._publisher.deliver(name, self._frame(market))

    def _frame(self, market: Market) -> bytes:
        exchange = self._exchange
        source = self._random
        begin = market.nonce
        exchange.sequence += source.randint(1, 20)
        market.nonce = market.sent_nonce = exchange.sequence
        market.offset += source.randint(1, 6)
        us = exchange.now_us()
        sides = []
        for sign in (1, -1):
            first = market.reference + sign * source.randint(1, 40)
            sides.append(
                ",".join(
                    f'{{"price":"{fixed(first + sign * step, market.price_decimals)}",'
                    f'"size":"{fixed(source.randint(0, 99_999), market.size_decimals)}"}}'
                    for step in range(4)
                )
            )
        return (
            f'{{"channel":"order_book:{market.market_id}","last_updated_at":{us},'
            f'"offset":{market.offset},"order_book":{{"code":0,"asks":[{sides[0]}],'
            f'"bids":[{sides[1]}],"offset":{market.offset},"nonce":{market.nonce},'
            f'"last_updated_at":{us},"begin_nonce":{begin}}},"timestamp":{us // 1_000},'
            f'"type":"update/order_book"}}'
        ).encode()
