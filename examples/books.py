"""Keep local order books and say out loud when one of them may not be trusted."""

import asyncio

import connectors
from connectors import binance
from connectors.model import BookGap, BookStatus, Reconnected, StatusEvent

INSTRUMENTS = ("BTCUSDT-PERP", "ETHUSDT-PERP", "SOLUSDT-PERP")


def on_status(event: StatusEvent) -> None:
    if isinstance(event, BookGap | BookStatus | Reconnected):
        print(event)


async def main() -> None:
    async with binance.DataClient(product="usdm", on_status=on_status) as data:
        for name in INSTRUMENTS:
            data.subscribe_book(name, lambda book: None)
        while True:
            await asyncio.sleep(1)
            for name in INSTRUMENTS:
                book = data.book(name)  # None while it cannot be trusted
                if book is not None:
                    print(name, book.bid, book.ask, "mid", book.mid, "levels", len(book))


connectors.run(main())
