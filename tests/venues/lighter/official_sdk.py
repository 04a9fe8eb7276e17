"""What the official Python SDK does with the simulator, told as one line of JSON.

A program of its own, started by `test_sim_official_sdk`: the SDK brings a Go runtime into the
process and warns about its own dependencies. Argument: the line the simulator printed.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
import urllib.request
from typing import Any

import lighter

ETH_KEY = "0x" + "11" * 32  # signs the L1 message of an approval; any key does
WAIT_S = 45.0

Result = dict[str, Any]


def fault(http: str, **body: Any) -> None:
    request = urllib.request.Request(
        f"{http}/_sim/fault", data=json.dumps(body).encode(), method="POST"
    )
    urllib.request.urlopen(request, timeout=10).read()


def outcome(answer: tuple[Any, Any, Any]) -> Result:
    """Return what one call of the signer client gave: a code and a hash, or an error."""
    _, response, error = answer
    return {
        "code": None if response is None else response.code,
        "hash": None if response is None else response.tx_hash,
        "error": error,
    }


class Session:
    """Two signer clients of the SDK at one simulator."""

    def __init__(self, ready: Result) -> None:
        self.http = ready["http"]
        self.ws = ready["ws"]
        self.accounts = ready["accounts"]
        self.clients = [self.signer(account) for account in self.accounts[:2]]
        self.one, self.two = self.clients
        self.orders_api = lighter.OrderApi(self.one.api_client)
        self.account_api = lighter.AccountApi(self.one.api_client)

    def signer(self, account: Result, key: str | None = None) -> lighter.SignerClient:
        return lighter.SignerClient(
            self.http,
            account["account_index"],
            {account["api_key_index"]: account["private_key"] if key is None else key},
        )

    def token(self, number: int) -> str:
        token, error = self.clients[number].create_auth_token_with_expiry()
        assert error is None, error
        return str(token)

    async def close(self) -> None:
        for client in self.clients:
            await client.close()

    # -- steps -------------------------------------------------------------------------------

    async def check(self) -> Result:
        return {"errors": [client.check_client() for client in self.clients]}

    async def markets(self) -> Result:
        details = await self.orders_api.order_book_details()
        books = await self.orders_api.order_books()
        orders = await self.orders_api.order_book_orders(0, 20)
        return {
            "perps": [row.symbol for row in details.order_book_details],
            "spot": [row.symbol for row in details.spot_order_book_details],
            "books": len(books.order_books),
            "asks": len(orders.asks),
            "best_ask": await self.one.get_best_price(0, False),
        }

    async def limit(self, client: Any, index: int, price: int, **more: Any) -> Any:
        return await client.create_order(
            more.get("market", 0), index, more.get("size", 100), price, more.get("ask", False),
            client.ORDER_TYPE_LIMIT, client.ORDER_TIME_IN_FORCE_GOOD_TILL_TIME,
        )  # fmt: skip

    async def active(self, number: int) -> list[Result]:
        found = await self.orders_api.account_active_orders(
            account_index=self.accounts[number]["account_index"],
            market_id=0,
            authorization=self.token(number),
        )
        return [
            {"index": row.client_order_index, "price": row.price, "size": row.initial_base_amount}
            for row in found.orders
        ]

    async def order_life(self) -> Result:
        """Create, see it, modify, cancel by client index, see it gone."""
        created = outcome(await self.limit(self.one, 77, 200_000))
        after_create = await self.active(0)
        modified = outcome(await self.one.modify_order(0, 77, 200, 201_000))
        after_modify = await self.active(0)
        cancelled = outcome(await self.one.cancel_order(0, 77))
        after_cancel = await self.active(0)
        inactive = await self.orders_api.account_inactive_orders(
            account_index=self.accounts[0]["account_index"],
            limit=10,
            authorization=self.token(0),
        )
        tx = await self.one.tx_api.tx(by="hash", value=created["hash"])
        return {
            "created": created, "modified": modified, "cancelled": cancelled,
            "active": [after_create, after_modify, after_cancel],
            "inactive": [(row.client_order_index, row.status) for row in inactive.orders],
            "tx_status": tx.status,
        }  # fmt: skip

    async def refusal(self) -> Result:
        too_small = outcome(await self.limit(self.one, 78, 200_000, size=10))
        return {"too_small": too_small, "next": outcome(await self.limit(self.one, 79, 200_000))}

    async def trade(self) -> Result:
        """Account two rests an ask inside the spread, account one takes it at market."""
        best = await self.one.get_best_price(0, False)
        resting = outcome(await self.limit(self.two, 501, best - 1, ask=True))
        taken = outcome(await self.one.create_market_order(0, 502, 100, best + 1_000, False))
        sides = []
        for number in (0, 1):
            found = await self.orders_api.trades(
                sort_by="timestamp",
                limit=10,
                account_index=self.accounts[number]["account_index"],
                authorization=self.token(number),
            )
            sides.append([(t.bid_client_id, t.ask_client_id, t.size) for t in found.trades])
        positions = []
        for account in self.accounts[:2]:
            row = await self.account_api.account(by="index", value=str(account["account_index"]))
            positions.append([(p.symbol, p.sign, p.position) for p in row.accounts[0].positions])
        return {"resting": resting, "taken": taken, "trades": sides, "positions": positions}

    async def batch(self) -> Result:
        types, infos, hashes = [], [], []
        for number in range(3):
            key, nonce = await self.one.nonce_manager.async_next_nonce()
            tx_type, info, digest, error = self.one.sign_create_order(
                0, 600 + number, 100, 200_000 + number, 0, self.one.ORDER_TYPE_LIMIT,
                self.one.ORDER_TIME_IN_FORCE_POST_ONLY, nonce=nonce, api_key_index=key,
            )  # fmt: skip
            assert error is None, error
            types.append(tx_type)
            infos.append(info)
            hashes.append(digest)
        answer = await self.one.send_tx_batch(tx_types=types, tx_infos=infos)
        return {
            "code": answer.code,
            "same_hashes": answer.tx_hash == hashes,
            "active": await self.active(0),
        }

    async def parallel(self) -> Result:
        answers = await asyncio.gather(
            *(self.limit(self.one, 700 + number, 200_000) for number in range(2))
        )
        return {"outcomes": [outcome(answer) for answer in answers]}

    async def lost_nonce(self) -> Result:
        """Somebody else uses the key: one refusal, then the SDK has the right nonce again."""
        account = self.accounts[0]
        fault(self.http, fault="shift_nonce", account=account["account_index"],
              key=account["api_key_index"], by=5)  # fmt: skip
        refused = outcome(await self.limit(self.one, 800, 200_000))
        again = outcome(await self.limit(self.one, 801, 200_000))
        return {"refused": refused, "again": again}

    async def account_settings(self) -> Result:
        expiry_ms = int(time.time() * 1000) + 86_400_000
        approved = await self.one.approve_integrator(
            eth_private_key=ETH_KEY, integrator_account_index=6, max_perps_taker_fee=1000,
            max_perps_maker_fee=1000, max_spot_taker_fee=1000, max_spot_maker_fee=1000,
            approval_expiry=expiry_ms,
        )  # fmt: skip
        leverage = await self.one.update_leverage(0, self.one.CROSS_MARGIN_MODE, 10)
        row = await self.account_api.account(by="index", value=str(self.one.account_index))
        lists = []
        for keys in ("[5]", "[]"):
            await self.account_api.set_maker_only_api_keys(
                account_index=self.one.account_index, api_key_indexes=keys,
                authorization=self.token(0),
            )  # fmt: skip
            found = await self.account_api.get_maker_only_api_keys(
                account_index=self.one.account_index, authorization=self.token(0)
            )
            lists.append(found.api_key_indexes)
        limits = await self.account_api.account_limits(
            account_index=self.one.account_index, authorization=self.token(0)
        )
        integrators = row.accounts[0].approved_integrators or []
        return {
            "approved": outcome(approved),
            "leverage": outcome(leverage),
            "integrators": [item.account_index for item in integrators],
            "margin": [p.initial_margin_fraction for p in row.accounts[0].positions],
            "taker_fee": limits.current_taker_fee_tick,
            "maker_only": lists,
        }

    async def with_integrator(self) -> Result:
        answer = await self.one.create_order(
            0, 900, 100, 200_000, False, self.one.ORDER_TYPE_LIMIT,
            self.one.ORDER_TIME_IN_FORCE_GOOD_TILL_TIME, integrator_account_index=6,
            integrator_taker_fee=100, integrator_maker_fee=50,
        )  # fmt: skip
        stop = await self.one.create_sl_order(0, 901, 100, 190_000, 189_000, True, reduce_only=True)
        return {"order": outcome(answer), "stop": outcome(stop)}

    async def cancel_all(self) -> Result:
        answer = await self.one.cancel_all_orders(self.one.CANCEL_ALL_TIF_IMMEDIATE, 0)
        return {"outcome": outcome(answer), "active": await self.active(0)}

    async def ws_sync(self) -> Result:
        """The blocking websocket client in a thread; a trade moves book and account."""
        return await self._watch(blocking=True)

    async def ws_async(self) -> Result:
        return await self._watch(blocking=False)

    async def _watch(self, *, blocking: bool) -> Result:
        books: list[int] = []
        accounts: list[int] = []
        lock = threading.Lock()

        def on_book(market_id: str, book: Result) -> None:
            with lock:
                books.append(len(book["asks"]) + len(book["bids"]))

        def on_account(account_id: str, state: Result) -> None:
            with lock:
                accounts.append(len(state["trades"]))

        watcher = lighter.WsClient(
            ws_url=self.ws,
            order_book_ids=[0],
            account_ids=[self.one.account_index],
            on_order_book_update=on_book,
            on_account_update=on_account,
        )
        task: Any = None
        if blocking:
            threading.Thread(target=watcher.run, daemon=True).start()
        else:
            task = asyncio.create_task(watcher.run_async())
        await _until(lambda: bool(books) and bool(accounts))
        first_books, first_accounts = len(books), len(accounts)
        best = await self.one.get_best_price(0, False)
        answer = await self.one.create_market_order(0, 950 + blocking, 100, best + 1_000, False)
        await _until(lambda: len(books) > first_books and len(accounts) > first_accounts)
        if blocking:
            watcher.ws.close()
        else:
            await watcher.ws.close()
            await asyncio.wait([task], timeout=WAIT_S)
        return {
            "order": outcome(answer),
            "books": len(books) - first_books,
            "trades": max(accounts),
        }


async def _until(reached: Any) -> None:
    async with asyncio.timeout(WAIT_S):
        while not reached():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


STEPS = (
    "check", "markets", "order_life", "refusal", "trade", "batch", "parallel", "lost_nonce",
    "account_settings", "with_integrator", "ws_sync", "ws_async", "cancel_all",
)  # fmt: skip


async def wrong_key(ready: Result) -> Result:
    """Ask the SDK whether a key that is not the account's fits."""
    account, other = ready["accounts"][:2]
    client = lighter.SignerClient(
        ready["http"], account["account_index"], {account["api_key_index"]: other["private_key"]}
    )
    try:
        return {"error": client.check_client()}
    finally:
        await client.close()


async def main(ready: Result) -> Result:
    results: Result = {"wrong_key": await wrong_key(ready)}
    session = Session(ready)
    try:
        for name in STEPS:
            results[name] = await getattr(session, name)()
    finally:
        await session.close()
    return results


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(json.loads(sys.argv[1])))))
