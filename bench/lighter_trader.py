"""A bot in a process of its own: one order for each quote, and what it cost.

Started by `lighter_trade.py` with what to be, the number of an account, and the line the simulator
printed; asked on stdin. For each line with a number it sends that many orders and answers with two
numbers in JSON: µs of CPU for each order, of the process and of the thread of the loop.

`ours-N` is `lighter.DataClient` and `lighter.ExecutionClient` with a pool of N nonces; one of the
size of `POOL` is filled before each turn, a smaller one while it trades. `official` signs and sends
with `SignerClient.create_order` of `lighter-sdk`; since its `WsClient` has no tickers, it
reads them with the `websockets` it comes with, and `json`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from decimal import Decimal
from typing import Any

import uvloop

__all__ = ["main"]

TIMEOUT_S = 120.0
POOL = 4_096
AWAY = 1_000  # ticks behind the best bid
LOTS = 50
ANSWERS_S = 0.02  # how often it is looked whether all answers are in
SIZE = Decimal(LOTS) / 10_000


class Turn:
    """Counts the orders of one turn; the clocks run from its first quote to its last answer."""

    def __init__(self, count: int) -> None:
        self.left = count
        self.begun: tuple[int, int] | None = None
        self.used = (0, 0)
        self.done = asyncio.Event()

    def begin(self) -> None:
        if self.begun is None:
            self.begun = (time.process_time_ns(), time.thread_time_ns())

    def end(self) -> None:
        self.left -= 1
        if self.left == 0:
            self.done.set()

    def stop(self) -> None:
        assert self.begun is not None
        self.used = (
            time.process_time_ns() - self.begun[0],
            time.thread_time_ns() - self.begun[1],
        )


class Ours:
    """A bot on our clients."""

    def __init__(self, ready: dict[str, Any], number: int, pool: int) -> None:
        from connectors import lighter
        from connectors.model import Side, limit_order

        self._side, self._limit_order = Side.BUY, limit_order
        account = ready["accounts"][number]
        config = lighter.Config(
            environment="testnet",
            rest_url=ready["http"],
            stream_url=ready["ws"],
            credentials=lighter.Credentials(
                account["private_key"], account["account_index"], account["api_key_index"]
            ),
            tier=lighter.Tier.PLUS,
            sendtx_quota_per_min=1_000_000,
            nonce_window=1_024,  # the simulator, held up, sends its quotes in one go
            signing_pool=pool,
            probe_delay_s=600.0,  # nothing is executed, so nothing must be looked for
        )
        self.turn: Turn | None = None
        self.unexpected: list[object] = []
        self.venue = lighter.ExecutionClient(config, on_event=self.on_event)
        self.data = lighter.DataClient(config)

    async def open(self) -> None:
        await self.venue.connect()
        await self.data.connect()

    def on_event(self, event: Any) -> None:
        """Count what was written; the simulator executes nothing, so nothing else may come."""
        turn = self.turn
        if turn is not None and type(event).__name__ == "OrderSubmitted":
            turn.end()
        elif hasattr(event, "client_order_id"):
            self.unexpected.append(event)

    def on_quote(self, quote: Any) -> None:
        turn = self.turn
        if turn is None or not turn.left:
            return
        turn.begin()
        price = quote.instrument.price_scale.to_decimal(quote.bid_ticks - AWAY)
        self.venue.submit_order(
            self._limit_order("ETH-PERP", self._side, size=SIZE, price=price, post_only=True)
        )

    async def trade(self, turn: Turn) -> None:
        if self.venue.config.signing_pool == POOL:
            self.venue._signer.precompute()  # type: ignore[union-attr]  # as an idle bot does
        subscription = self.data.subscribe_quotes("ETH-PERP", self.on_quote)
        self.turn = turn
        await turn.done.wait()
        sender: Any = self.venue._sender
        # What the answers cost belongs to it.
        while len(sender.inflight):  # noqa: ASYNC110
            await asyncio.sleep(ANSWERS_S)
        turn.stop()
        self.turn = None
        subscription.cancel()
        if self.unexpected:
            raise AssertionError(f"{len(self.unexpected)} events: {self.unexpected[0]}")

    async def close(self) -> None:
        await self.venue.close()
        await self.data.close()


class Official:
    """The same bot on the official SDK."""

    def __init__(self, ready: dict[str, Any], number: int) -> None:
        import lighter

        account = ready["accounts"][number]
        self.ws = ready["ws"]
        self.client = lighter.SignerClient(
            ready["http"],
            account["account_index"],
            {account["api_key_index"]: account["private_key"]},
        )
        self.orders = 0

    async def open(self) -> None:
        error = self.client.check_client()
        if error is not None:
            raise AssertionError(error)

    async def trade(self, turn: Turn) -> None:
        from websockets.asyncio.client import connect

        client = self.client
        async with connect(self.ws, compression=None, close_timeout=0.2) as socket:
            await socket.send(json.dumps({"type": "subscribe", "channel": "ticker/0"}))
            async for message in socket:
                frame = json.loads(message)
                if frame["type"] != "update/ticker":
                    continue
                turn.begin()
                ticks = int(frame["ticker"]["b"]["price"].replace(".", ""))
                self.orders += 1
                _, answer, error = await client.create_order(
                    0, self.orders, LOTS, ticks - AWAY, False, client.ORDER_TYPE_LIMIT,
                    client.ORDER_TIME_IN_FORCE_POST_ONLY,
                )  # fmt: skip
                if answer is None or answer.code != 200:
                    raise AssertionError(f"refused: {error}")
                turn.end()
                if not turn.left:
                    turn.stop()
                    return

    async def close(self) -> None:
        await self.client.close()


async def serve(kind: str, number: int, ready: dict[str, Any]) -> None:
    bot: Ours | Official
    if kind == "official":
        bot = Official(ready, number)
    else:
        bot = Ours(ready, number, int(kind.removeprefix("ours-")))
    await bot.open()
    print("ready", flush=True)
    loop = asyncio.get_running_loop()
    try:
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            turn = Turn(int(line))
            count = turn.left
            async with asyncio.timeout(TIMEOUT_S):
                await bot.trade(turn)
            process_ns, thread_ns = turn.used
            print(json.dumps([process_ns / count / 1e3, thread_ns / count / 1e3]), flush=True)
    finally:
        await bot.close()


def main(kind: str, number: str, ready: str) -> None:
    uvloop.run(serve(kind, int(number), json.loads(ready)))


if __name__ == "__main__":
    main(*sys.argv[1:])
