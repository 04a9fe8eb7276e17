"""Quote both sides of a Hyperliquid market, follow the price, and cancel everything at the end.

    connectors sim hyperliquid | python examples/hyperliquid_market_maker.py sim [seconds]
    python examples/hyperliquid_market_maker.py testnet                     # HYPERLIQUID_TESTNET_*

One order a side, post-only, moved when the market has moved by five hundredths of a percent: the
venue replaces it then, and for us it stays one order. The position is kept within a limit.
Everything that happens to the orders is printed.
"""

import asyncio
import json
import sys
from decimal import Decimal

import connectors
from connectors import hyperliquid
from connectors.model import OrderEvent, OrderFilled, Quote, Side, limit_order

MARKET = "ETH-PERP"
SIZE = Decimal("0.0200")
MAX_POSITION = Decimal("0.1000")
MOVE = Decimal("0.0005")
RUN_S = float(sys.argv[2]) if len(sys.argv) > 2 else 20.0


class Maker:
    """One resting order a side; forgets an order when it is over."""

    def __init__(self) -> None:
        self.venue: hyperliquid.ExecutionClient | None = None
        self.orders: dict[Side, tuple[str, Decimal]] = {}  # client order id, price
        self.position = Decimal(0)
        self.fills = 0

    def on_event(self, event: object) -> None:
        if not isinstance(event, OrderEvent):
            return
        print(type(event).__name__, event.client_order_id, getattr(event, "reason", None) or "")
        if isinstance(event, OrderFilled):
            self.position += event.side.sign * event.last_size
            self.fills += 1
        order = self.venue.registry.by_client_id(event.client_order_id) if self.venue else None
        if order is None or order.is_final:  # a denied order was never registered
            for side, (name, _) in list(self.orders.items()):
                if name == event.client_order_id:
                    del self.orders[side]

    def on_quote(self, quote: Quote) -> None:
        if self.venue is None:
            return
        for side, ticks in ((Side.BUY, quote.bid_ticks), (Side.SELL, quote.ask_ticks)):
            price = quote.instrument.price_scale.to_decimal(ticks)
            if side not in self.orders:
                if side.sign * self.position < MAX_POSITION:
                    order = limit_order(MARKET, side, size=SIZE, price=price, post_only=True)
                    self.orders[side] = (order.client_order_id, price)
                    self.venue.submit_order(order)
            elif abs(price / self.orders[side][1] - 1) >= MOVE:
                name = self.orders[side][0]
                self.orders[side] = (name, price)
                self.venue.modify_order(name, price=price)


def settings() -> hyperliquid.Config:
    if sys.argv[1:2] == ["testnet"]:
        return hyperliquid.Config.from_env("testnet")
    ready = json.loads(sys.stdin.readline())  # the line `connectors sim hyperliquid` prints
    return hyperliquid.Config.sim(ready["http"], ready["accounts"][0]["private_key"])


async def main() -> None:
    config, maker = settings(), Maker()
    async with (
        hyperliquid.ExecutionClient(config, on_event=maker.on_event) as venue,
        hyperliquid.DataClient(config=config) as data,
    ):
        maker.venue = venue
        data.subscribe_quotes(MARKET, maker.on_quote)
        await asyncio.sleep(RUN_S)
        maker.venue = None  # no more quotes
        venue.cancel_all_orders(MARKET)
        for _ in range(100):
            if venue.registry.live:
                await asyncio.sleep(0.1)
        print(f"{maker.fills} fills, position {maker.position} {MARKET}")


connectors.run(main())
