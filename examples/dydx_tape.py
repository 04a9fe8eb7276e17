"""Print what happens in one market of dYdX: book, trades, oracle price, blocks.

connectors sim dydx | python examples/dydx_tape.py sim [seconds]
python examples/dydx_tape.py [seconds]                            # the main network
"""

import asyncio
import json
import sys

import connectors
from connectors import dydx
from connectors.model import BookStatus, MarkPrice, Quote, Reconnected, StatusEvent, Trade

MARKET = "BTC-USD-PERP"
IS_SIM = sys.argv[1:2] == ["sim"]
RUN_S = float(sys.argv[-1]) if sys.argv[-1].replace(".", "").isdigit() else 30.0


def on_status(event: StatusEvent) -> None:
    if isinstance(event, BookStatus | Reconnected):
        print(event)  # between BUFFERING and LIVE there is no book to go by


def on_quote(quote: Quote) -> None:
    print(f"{quote.bid_size:>10} {quote.bid} | {quote.ask} {quote.ask_size}")


def on_trade(trade: Trade) -> None:
    print(f"{'':>10} {trade.aggressor.name.lower()} took {trade.size} at {trade.price}")


def on_price(price: MarkPrice) -> None:
    print(f"{'':>10} oracle {price.mark}, funding {price.funding_rate} an hour")


def settings() -> dydx.Config:
    if not IS_SIM:
        return dydx.Config()
    return dydx.Config.sim(json.loads(sys.stdin.readline())["http"])  # what the simulator prints


async def main() -> None:
    async with dydx.DataClient(settings(), on_status=on_status) as data:
        data.subscribe_quotes(MARKET, on_quote)
        data.subscribe_trades(MARKET, on_trade)
        data.subscribe_mark_price(MARKET, on_price)
        data.subscribe_height(lambda height, at: print(f"block {height}"))
        await asyncio.sleep(RUN_S)
        book = data.book(MARKET)  # None while it cannot be trusted
        print(book and f"{book.n_bids} bids, {book.n_asks} asks, {book.uncrossings} uncrossed")


connectors.run(main())
