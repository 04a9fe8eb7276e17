"""A bot in a process of its own: one order for each quote, and what it cost.

Started by `lighter_trade.py` with what to be, the number of an account, and the line the simulator
printed; asked on stdin, see `turns`.

`ours-N` is `lighter.DataClient` and `lighter.ExecutionClient` with a pool of N nonces; one of the
size of `POOL` is filled before each turn, a smaller one while it trades. `official` signs and sends
with `SignerClient.create_order` of `lighter-sdk`; since its `WsClient` has no tickers, it
reads them with the `websockets` it comes with, and `json`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import uvloop

# A program's own folder is not on its path.
sys.path.append(str(Path(__file__).resolve().parent))
from turns import Turn, serve

__all__ = ["main"]

POOL = 4_096
AWAY = 1_000  # ticks behind the best bid
LOTS = 50
ANSWERS_S = 0.02  # how often it is looked whether all answers are in
SIZE = Decimal(LOTS) / 10_000


class Ours:
    """A bot on our clients."""

    def __init__(self, ready: dict[str, Any], number: int, pool: int) -> None:
        from connectors import lighter
        from connectors.model import Side, limit_order

        self._side, self._limit_order = Side.BUY, limit_order
        config = lighter.Config.sim(
            ready["http"],
            ready["accounts"][number],
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


def main(kind: str, number: str, ready: str) -> None:
    described = json.loads(ready)

    def make() -> Ours | Official:
        if kind == "official":
            return Official(described, int(number))
        return Ours(described, int(number), int(kind.removeprefix("ours-")))

    uvloop.run(serve(make))


if __name__ == "__main__":
    main(*sys.argv[1:])
