"""FirstData: which silence is told, and when (BN-C-09)."""

from __future__ import annotations

import asyncio
import time

from connectors.binance.streams import parse
from connectors.binance.watchdog import FirstData
from patience import until


class NoData:
    """A dispatch through which nothing comes."""

    def on_first(self, kind, number, call):
        self.call = call

    def forget_first(self, kind, number):
        pass


def test_a_stream_without_data_is_told_once(run_any):
    async def main():
        told = []
        first = FirstData(NoData(), 0.1, lambda *silence: told.append(silence))
        first.confirmed(parse("btcusdt@bookTicker", "usdm"), 0)
        await until(lambda: told)
        await asyncio.sleep(0.3)
        assert told == [("btcusdt@bookTicker", 0.1)]
        first.close()

    run_any(main())


def test_a_process_that_stood_still_blames_no_stream(run_any):
    """Found 2026-11-21: the first data stood unread in the socket when the timer came."""

    async def main():
        told, dispatch = [], NoData()
        first = FirstData(dispatch, 1.0, lambda *silence: told.append(silence))
        first.confirmed(parse("btcusdt@bookTicker", "usdm"), 0)
        asyncio.get_running_loop().call_later(0.01, time.sleep, 1.6)
        await asyncio.sleep(0.05)
        await asyncio.sleep(0.05)
        assert told == []
        dispatch.call()
        await asyncio.sleep(1.2)
        assert told == []
        first.close()

    run_any(main())
