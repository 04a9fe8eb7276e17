"""Quote both sides of a market, follow the price, and cancel everything at the end.

    connectors sim lighter | python examples/market_maker.py lighter sim [seconds]
    connectors sim hyperliquid | python examples/market_maker.py hyperliquid sim [seconds]
    python examples/market_maker.py lighter testnet       # LIGHTER_TESTNET_* of the environment

One order a side, post-only, moved when the market has moved by five hundredths of a percent; the
position is kept within a limit. Everything that happens to the orders is printed. The bot is the
same on both venues: what differs is where the settings come from.
"""

import asyncio
import json
import sys
from decimal import Decimal

import connectors
from connectors import hyperliquid, lighter
from connectors.model import OrderEvent, OrderFilled, Quote, Side, limit_order

VENUES = {"lighter": lighter, "hyperliquid": hyperliquid}
VENUE, NETWORK = VENUES[sys.argv[1]], sys.argv[2]
RUN_S = float(sys.argv[3]) if len(sys.argv) > 3 else 20.0
MARKET = "ETH-PERP"
SIZE = Decimal("0.0200")
MAX_POSITION = Decimal("0.1000")
MOVE = Decimal("0.0005")


class Maker:
    """One resting order a side; forgets an order when it is over."""

    def __init__(self) -> None:
        self.venue = None  # the execution client, while there are quotes to answer
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


def settings() -> lighter.Config | hyperliquid.Config:
    if NETWORK == "testnet":
        return VENUE.Config.from_env("testnet")
    ready = json.loads(sys.stdin.readline())  # the line `connectors sim` prints
    account = ready["accounts"][0]
    if VENUE is lighter:
        return lighter.Config.sim(ready["http"], account, sendtx_quota_per_min=4_000)
    return hyperliquid.Config.sim(ready["http"], account["private_key"])


async def main() -> None:
    config, maker = settings(), Maker()
    async with (
        VENUE.ExecutionClient(config, on_event=maker.on_event) as venue,
        VENUE.DataClient(config=config) as data,
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
