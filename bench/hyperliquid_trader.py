"""A bot in a process of its own: one order for each quote, and what it cost.

Started by `hyperliquid_trade.py` with what to be, the number of an account, and the line the
simulator printed; asked on stdin, see `turns`. Orders rest a tenth of a percent behind the best
bid; when a turn is over the bot cancels them, unmeasured.

`ours-N` is `hyperliquid.DataClient` and `hyperliquid.ExecutionClient` with a pool of N signatures;
one of the size of `POOL` is filled before each turn, a smaller one while it trades. `official` is
`Info` and `Exchange` of hyperliquid-python-sdk, in an environment of its own: its `bbo` callback
calls `order`, which posts over HTTP and waits for the answer.
"""

from __future__ import annotations

import asyncio
import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

# A program's own folder is not on its path.
sys.path.append(str(Path(__file__).resolve().parent))
from turns import Turn, serve

__all__ = ["main"]

POOL = 4_096
COIN = "ETH"
SIZE = Decimal("0.0100")
BEHIND = Decimal("3")
ANSWERS_S = 0.02  # how often it is looked whether all answers are in
NEVER = 1_000_000


class Ours:
    """A bot on our clients."""

    def __init__(self, ready: dict[str, Any], number: int, pool: int) -> None:
        from connectors import hyperliquid
        from connectors.model import Side, limit_order

        self._side, self._limit_order = Side.BUY, limit_order
        config = hyperliquid.Config.sim(
            ready["http"],
            ready["accounts"][number]["private_key"],
            signing_pool=pool,
            rest_weight_per_min=NEVER,
            messages_per_min=NEVER,
            reconcile_interval_s=NEVER,
            post_queue_max=10_000,
        )
        self.turn: Turn | None = None
        self.unexpected: list[object] = []
        self.venue = hyperliquid.ExecutionClient(config, on_event=self.on_event)
        self.data = hyperliquid.DataClient(config)

    async def open(self) -> None:
        await self.venue.connect()
        await self.data.connect()

    def on_event(self, event: Any) -> None:
        turn = self.turn
        if turn is None:
            return
        name = type(event).__name__
        if name == "OrderAccepted":
            turn.end()
        elif name != "OrderSubmitted" and hasattr(event, "client_order_id"):
            self.unexpected.append(event)

    def on_quote(self, quote: Any) -> None:
        turn = self.turn
        if turn is None or not self.left:
            return
        turn.begin()
        self.left -= 1
        bid = quote.instrument.price_scale.to_decimal(quote.bid_ticks)
        self.venue.submit_order(
            self._limit_order("ETH-PERP", self._side, size=SIZE, price=bid - BEHIND, post_only=True)
        )

    async def trade(self, turn: Turn) -> None:
        if self.venue.config.signing_pool == POOL:
            self.venue._signer.precompute()  # type: ignore[union-attr]  # as an idle bot does
        self.left = turn.left
        self.turn = turn
        subscription = self.data.subscribe_quotes("ETH-PERP", self.on_quote)
        await turn.done.wait()  # the last order is accepted
        turn.stop()
        self.turn = None
        subscription.cancel()
        if self.unexpected:
            raise AssertionError(f"{len(self.unexpected)} events: {self.unexpected[0]}")
        self.venue.cancel_all_orders()
        while self.venue.registry.live:  # noqa: ASYNC110
            await asyncio.sleep(ANSWERS_S)

    async def close(self) -> None:
        await self.venue.close()
        await self.data.close()


class Official:
    """The same bot on the official SDK, whose callbacks run on a thread of its own."""

    def __init__(self, ready: dict[str, Any], number: int) -> None:
        from eth_account import Account
        from hyperliquid.exchange import Exchange
        from hyperliquid.info import Info

        wallet = Account.from_key(ready["accounts"][number]["private_key"])
        self.exchange = Exchange(wallet, ready["http"])
        self.info = Info(ready["http"])
        self.turn: Turn | None = None
        self.left = 0
        self.resting: list[dict[str, Any]] = []
        self.loop: asyncio.AbstractEventLoop | None = None
        self.failure: Exception | None = None

    async def open(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.info.subscribe({"type": "bbo", "coin": COIN}, self.on_quote)

    def on_quote(self, message: Any) -> None:
        turn = self.turn
        if turn is None or not self.left:
            return
        assert self.loop is not None
        turn.begin()
        self.left -= 1
        try:
            price = float(message["data"]["bbo"][0]["px"]) - float(BEHIND)
            answer = self.exchange.order(
                COIN, True, float(SIZE), round(price, 1), {"limit": {"tif": "Alo"}}
            )
            status = answer["response"]["data"]["statuses"][0]
            self.resting.append({"coin": COIN, "oid": status["resting"]["oid"]})
        except Exception as error:  # noqa: BLE001 - raised on the loop
            self.failure = error
        if not self.left or self.failure is not None:
            turn.stop()
            self.turn = None
            self.loop.call_soon_threadsafe(turn.done.set)

    async def trade(self, turn: Turn) -> None:
        self.left = turn.left
        self.turn = turn
        await turn.done.wait()
        if self.failure is not None:
            raise self.failure
        resting, self.resting = self.resting, []
        self.exchange.bulk_cancel(resting)

    async def close(self) -> None:
        self.info.disconnect_websocket()


def main(kind: str, number: str, ready: str) -> None:
    described = json.loads(ready)

    def make() -> Ours | Official:
        if kind == "official":
            return Official(described, int(number))
        return Ours(described, int(number), int(kind.removeprefix("ours-")))

    if kind == "official":
        asyncio.run(serve(make))
    else:
        import uvloop

        uvloop.run(serve(make))


if __name__ == "__main__":
    main(*sys.argv[1:])
