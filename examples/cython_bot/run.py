"""Feed the Cython bot from a pool of stream connections. Compile it first, see setup.py."""

import asyncio

from bot import SpreadWatcher

import connectors
from connectors import binance


async def main() -> None:
    rest = binance.BinanceRest(binance.Config(product="usdm"))
    info = await rest.exchange_info()
    await rest.close()
    watcher = SpreadWatcher()
    async with binance.StreamPool("usdm", route=binance.Route.PUBLIC, handler=watcher) as pool:
        pool.cache_instruments(info.instruments)
        await pool.subscribe(["btcusdt@bookTicker", "ethusdt@bookTicker"])
        while True:
            await asyncio.sleep(1)
            print(watcher.quotes, "quotes, widest spread", watcher.widest_ticks, "ticks")


connectors.run(main())
