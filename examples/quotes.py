"""Print the best bid and ask of one instrument and the trades of another, until interrupted."""

import connectors
from connectors import binance
from connectors.model import Quote


def on_quote(quote: Quote) -> None:
    print(quote.instrument.id, quote.bid, quote.ask)


async def main() -> None:
    async with binance.DataClient(product="usdm") as data:
        data.subscribe_quotes("BTCUSDT-PERP", on_quote)
        async for trade in data.trades("ETHUSDT-PERP"):
            print(trade.instrument.id, trade.price, trade.size, trade.aggressor.name)


connectors.run(main())
