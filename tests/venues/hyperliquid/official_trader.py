"""A trader on the official Python SDK: quotes, takes, modifies and cancels, and keeps its books.

A program of its own in the SDK's environment, started by `test_two_traders`. Arguments: address
of the simulator, private key, how many actions, a seed. Says `trading` when it begins; its books
follow as one line of JSON: the fills it was shown by REST and by its WebSocket, and its position.
"""

from __future__ import annotations

import json
import random
import sys
import time
from typing import Any

from eth_account import Account
from hyperliquid.exchange import Exchange
from hyperliquid.info import Info

COIN = "ETH"
MIDDLE, TICK, LOT = 30_000, 0.1, 0.0001
PAUSE_S = 0.01
WAIT_S = 60.0


class Trader:
    """Keeps a few orders in the book, and takes what others keep there."""

    def __init__(self, url: str, key: str, seed: int) -> None:
        wallet = Account.from_key(key)
        self.address = wallet.address
        self.exchange = Exchange(wallet, url)
        self.info = Info(url)
        self.random = random.Random(seed)
        self.resting: list[int] = []
        self.shown: dict[str, Any] = {}
        self.errors: dict[str, int] = {}
        self.modified = 0
        subscription = {"type": "userFills", "user": self.address}
        self.info.subscribe(subscription, self.on_fills)

    def on_fills(self, message: Any) -> None:
        for fill in message["data"]["fills"]:
            self.shown[f"{fill['tid']}/{fill['oid']}"] = fill

    def act(self) -> None:
        choice = self.random.random()
        if choice < 0.5 or not self.resting:
            self.place()
        elif choice < 0.85:
            self.modify(self.resting.pop(self.random.randrange(len(self.resting))))
        else:
            oid = self.resting.pop(self.random.randrange(len(self.resting)))
            self.note(self.exchange.cancel(COIN, oid))

    def terms(self) -> tuple[bool, float, float]:
        ticks = MIDDLE + self.random.randint(-6, 6)
        size = round(LOT * self.random.randint(60, 400), 4)
        return self.random.random() < 0.5, size, round(ticks * TICK, 1)

    def place(self) -> None:
        tif = self.random.choice(("Gtc", "Gtc", "Ioc", "Alo"))
        is_buy, size, price = self.terms()
        self.note(self.exchange.order(COIN, is_buy, size, price, {"limit": {"tif": tif}}))

    def modify(self, oid: int) -> None:
        is_buy, size, price = self.terms()
        terms = {"limit": {"tif": "Gtc"}}
        self.note(self.exchange.modify_order(oid, COIN, is_buy, size, price, terms))
        self.modified += 1

    def note(self, answer: Any) -> None:
        for status in answer["response"]["data"]["statuses"]:
            if "resting" in status:
                self.resting.append(status["resting"]["oid"])
            elif "error" in status:
                text = status["error"].partition(",")[0]
                self.errors[text] = self.errors.get(text, 0) + 1

    def end(self) -> dict[str, Any]:
        """Cancel everything, wait until the WebSocket has shown all fills, return the books."""
        for order in self.info.open_orders(self.address):
            self.exchange.cancel(order["coin"], order["oid"])
        deadline = time.monotonic() + WAIT_S
        while True:
            fills = self.info.user_fills(self.address)
            keys = {f"{fill['tid']}/{fill['oid']}" for fill in fills}
            if keys <= self.shown.keys() or time.monotonic() > deadline:
                break
            time.sleep(0.05)
        positions = self.info.user_state(self.address)["assetPositions"]
        return {
            "fills": sorted(keys),
            "shown": sorted(self.shown),
            "position": positions[0]["position"]["szi"] if positions else "0",
            "modified": self.modified,
            "errors": self.errors,
        }


def main(url: str, key: str, count: str, seed: str) -> None:
    trader = Trader(url, key, int(seed))
    print("trading", flush=True)
    for _ in range(int(count)):
        trader.act()
        time.sleep(PAUSE_S)
    print(json.dumps(trader.end()), flush=True)
    trader.info.disconnect_websocket()


if __name__ == "__main__":
    main(*sys.argv[1:])
