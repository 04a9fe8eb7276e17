"""A trader on the official Python SDK: quotes, takes, modifies and cancels, and keeps its books.

A program of its own, started by `test_three_clients`. Arguments: the line the simulator printed,
the number of the account, how many seconds, a seed. Says `trading` when it begins; its books follow
as one line of JSON: what its calls were answered, and what its WebSocket client showed it.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from pathlib import Path
from typing import Any

import lighter

# Where the test itself runs with PYTHONSAFEPATH, a program's own folder is not on the path.
sys.path.append(str(Path(__file__).resolve().parent))
from three_traders import MARKET_ID, MIDDLE, PAUSE_S, SIZES, SWING

WAIT_S = 45.0

Row = dict[str, Any]


class Trader:
    """At most one resting order a side, by client order index; prices in ticks, sizes in lots."""

    def __init__(self, ready: Row, number: int, seed: int) -> None:
        account = ready["accounts"][number]
        self.index = account["account_index"]
        self.client = lighter.SignerClient(
            ready["http"], self.index, {account["api_key_index"]: account["private_key"]}
        )
        self.orders_api = lighter.OrderApi(self.client.api_client)
        self.watcher = lighter.WsClient(
            ws_url=ready["ws"], account_ids=[self.index], on_account_update=self.on_account
        )
        self.random = random.Random(seed)
        self.fair = MIDDLE
        self.orders: dict[int, Row] = {}
        self.resting: dict[bool, int] = {}  # is_ask: client order index
        self.trades: dict[int, Row] = {}
        self.repeated = 0
        self.positions: Row = {}
        self.assets: Row = {}
        self.frames = 0
        self.refused: dict[str, int] = {}
        self.modified = self.canceled = 0

    def on_account(self, account: str, state: Row) -> None:
        self.frames += 1
        self.positions = state["positions"]
        self.assets = state["assets"]
        for rows in state["trades"].values():
            for trade in rows:
                self.repeated += trade["trade_id"] in self.trades
                self.trades[trade["trade_id"]] = trade
                is_ask = trade["ask_account_id"] == self.index
                index = trade["ask_client_id" if is_ask else "bid_client_id"]
                lots = int(trade["size"].replace(".", ""))
                order = self.orders[index]
                order["filled"] += lots
                if order["filled"] >= order["size"] and self.resting.get(is_ask) == index:
                    del self.resting[is_ask]

    async def act(self) -> None:
        """Do one thing on one side."""
        draw = self.random
        self.fair += draw.randint(-2, 2) + (MIDDLE - self.fair) // SWING
        is_ask = draw.random() < 0.5
        price = self.fair + draw.randint(0, 4) * (1 if is_ask else -1)
        index = self.resting.get(is_ask)
        if index is None or draw.random() < 0.15:
            await self.place(is_ask, price, rests=index is None)
        elif draw.random() < 0.2:
            self.canceled += await self.change(self.client.cancel_order(MARKET_ID, index), index)
            self.resting.pop(is_ask, None)
        else:
            price = self.clear_of_own(is_ask, price)
            size = self.orders[index]["size"]
            call = self.client.modify_order(MARKET_ID, index, size, price)
            if await self.change(call, index):
                self.modified += 1
                self.orders[index]["price"] = price
            else:
                self.resting.pop(is_ask, None)

    def clear_of_own(self, is_ask: bool, price: int) -> int:
        """Move a price to where it does not meet our own order on the other side."""
        other = self.orders.get(self.resting.get(not is_ask, 0))
        if other is None:
            return price
        return max(price, other["price"] + 1) if is_ask else min(price, other["price"] - 1)

    async def place(self, is_ask: bool, price: int, *, rests: bool) -> None:
        client, index = self.client, len(self.orders) + 1
        size = self.random.choice(SIZES)
        times = (
            client.ORDER_TIME_IN_FORCE_POST_ONLY,
            client.ORDER_TIME_IN_FORCE_GOOD_TILL_TIME,
            client.ORDER_TIME_IN_FORCE_IMMEDIATE_OR_CANCEL,
        )
        time_in_force = times[self.random.randrange(2) if rests else 2]
        expiry = client.DEFAULT_28_DAY_ORDER_EXPIRY if rests else client.DEFAULT_IOC_EXPIRY
        price = self.clear_of_own(is_ask, price)
        order = {"is_ask": is_ask, "size": size, "price": price, "filled": 0}
        self.orders[index] = order  # its first trade may be shown before the call returns
        if rests:
            self.resting[is_ask] = index
        call = client.create_order(
            MARKET_ID, index, size, price, is_ask, client.ORDER_TYPE_LIMIT, time_in_force,
            order_expiry=expiry,
        )  # fmt: skip
        if not await self.change(call, index):
            order["refused"] = True
            self.resting.pop(is_ask, None)

    async def change(self, call: Any, index: int) -> bool:
        _, answer, error = await call
        if answer is not None and answer.code == 200:
            return True
        self.refused[str(error)[:60]] = self.refused.get(str(error)[:60], 0) + 1
        return False

    async def inactive(self) -> list[Row]:
        """Return all orders that are over, as the SDK's order API reads them."""
        found: list[Row] = []
        cursor: Any = None
        token, error = self.client.create_auth_token_with_expiry()
        assert error is None, error
        while True:
            more = {} if cursor is None else {"cursor": cursor}
            page = await self.orders_api.account_inactive_orders(
                account_index=self.index, limit=100, authorization=token, **more
            )
            found += [
                {
                    "index": row.client_order_index,
                    "id": row.order_id,
                    "status": row.status,
                    "filled": int(row.filled_base_amount.replace(".", "")),
                }
                for row in page.orders
            ]
            cursor = page.next_cursor
            if not cursor:
                return found

    async def has_seen_all(self) -> bool:
        """Whether the WebSocket client has shown all that the order API knows was traded."""
        return all(
            self.orders[row["index"]]["filled"] >= row["filled"] for row in await self.inactive()
        )

    async def trade(self, seconds: float) -> None:
        watching = asyncio.create_task(self.watcher.run_async())
        try:
            async with asyncio.timeout(WAIT_S):
                while not self.frames:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            print("trading", flush=True)
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                await self.act()
                await asyncio.sleep(PAUSE_S)
            _, answer, error = await self.client.cancel_all_orders(
                self.client.CANCEL_ALL_TIF_IMMEDIATE, 0
            )
            assert answer is not None, error
            async with asyncio.timeout(WAIT_S):
                while not await self.has_seen_all():  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        finally:
            if self.watcher.ws is not None:
                await self.watcher.ws.close()
            await asyncio.wait([watching], timeout=WAIT_S)

    async def books(self) -> Row:
        return {
            "orders": self.orders,
            "over": await self.inactive(),
            "trades": list(self.trades.values()),
            "repeated": self.repeated,
            "positions": self.positions,
            "assets": self.assets,
            "modified": self.modified,
            "canceled": self.canceled,
            "refused": self.refused,
        }


async def main(ready: str, number: str, seconds: str, seed: str) -> None:
    trader = Trader(json.loads(ready), int(number), int(seed))
    try:
        await trader.trade(float(seconds))
        print(json.dumps(await trader.books()), flush=True)
    finally:
        await trader.client.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
