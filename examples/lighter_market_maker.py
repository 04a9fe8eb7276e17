"""Quote both sides of a Lighter market, follow the price, and cancel everything at the end.

    connectors sim lighter | python examples/lighter_market_maker.py sim [seconds]
    python examples/lighter_market_maker.py testnet                           # LIGHTER_TESTNET_*

One order a side, post-only, moved when the market has moved by three ticks; the position is kept
within a limit. Everything that happens to the orders is printed.
"""

import asyncio
import json
import sys
from decimal import Decimal

import connectors
from connectors import lighter
from connectors.model import OrderEvent, OrderFilled, Quote, Side, limit_order

MARKET = "ETH-PERP"
SIZE = Decimal("0.0200")
MAX_POSITION = Decimal("0.1000")
MOVE_TICKS = 3
RUN_S = float(sys.argv[2]) if len(sys.argv) > 2 else 20.0


class Maker:
    """One resting order a side; forgets an order when it is over."""

    def __init__(self) -> None:
        self.venue: lighter.ExecutionClient | None = None
        self.orders: dict[Side, tuple[str, int]] = {}  # client order id, price in ticks
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
                    self.orders[side] = (order.client_order_id, ticks)
                    self.venue.submit_order(order)
            elif abs(ticks - self.orders[side][1]) >= MOVE_TICKS:
                name = self.orders[side][0]
                self.orders[side] = (name, ticks)
                self.venue.modify_order(name, price=price)


def settings() -> lighter.Config:
    if sys.argv[1:2] == ["testnet"]:
        return lighter.Config.from_env("testnet")
    ready = json.loads(sys.stdin.readline())  # the line `connectors sim lighter` prints
    account = ready["accounts"][0]
    key = lighter.Credentials(
        account["private_key"], account["account_index"], account["api_key_index"]
    )
    return lighter.Config(
        environment="testnet",
        credentials=key,
        rest_url=ready["http"],
        stream_url=ready["ws"],
        sendtx_quota_per_min=4_000,
    )


async def main() -> None:
    config, maker = settings(), Maker()
    async with (
        lighter.ExecutionClient(config, on_event=maker.on_event) as venue,
        lighter.DataClient(config=config) as data,
    ):
        maker.venue = venue
        data.subscribe_quotes(MARKET, maker.on_quote)
        await asyncio.sleep(RUN_S)
        maker.venue = None  # no more quotes
        venue.cancel_all_orders(MARKET)
        await asyncio.sleep(1.0)
        print(f"{maker.fills} fills, position {maker.position} {MARKET}")


connectors.run(main())
