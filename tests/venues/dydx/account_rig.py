"""An account fed by hand: frames in, reports out; no socket."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from connectors.dydx.account import AccountFeed
from connectors.dydx.heights import BlockHeights
from connectors.dydx.members import Members
from connectors.dydx.orders import OrderStore
from connectors.errors import ClientError, DecodeError
from connectors.execution.account_client import AccountClient
from connectors.execution.reporting import AccountQueries
from connectors.model import FillReport, OrderStatusReport
from connectors.net.clock import SYSTEM_CLOCK

DATA = Path(__file__).parents[2] / "data" / "dydx"
ADDRESS = "dydx1n56z5fhmemtffzkt2eqyf9kuc7ycjfs86mvqy7"
HEIGHT = 66_624_150  # of the snapshots in the wire files
SUBACCOUNT_UUID = "5113b9c6-885f-5f80-a2cc-ae0d93795419"


def scenario(name: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the frames the server sends in a wire scenario, and what is expected after them."""
    lines = (DATA / "wire" / f"seq_{name}.jsonl").read_text("utf-8").splitlines()
    steps = [json.loads(line) for line in lines]
    frames = [json.loads(s["raw"]) for s in steps if s.get("dir") == "s2c" and "raw" in s]
    return frames, steps[-1]["expect"]


def frame(name: str) -> dict[str, Any]:
    """Return one of the single frames."""
    for line in (DATA / "wire" / "frames.jsonl").read_text("utf-8").splitlines():
        entry = json.loads(line)
        if entry["name"] == name:
            return json.loads(entry["raw"])
    raise KeyError(name)


class Account(AccountClient):
    """The held half of an account client, fed by `feed`; keeps all it was told."""

    def __init__(
        self, number: int = 0, *, is_parent: bool = False, store: OrderStore | None = None
    ) -> None:
        self.told: list[Any] = []
        self.problems: list[str] = []
        self.others: list[tuple[str, bytes]] = []
        super().__init__("DYDX", on_event=self.told.append, on_status=None, clock=SYSTEM_CLOCK)
        self.members = Members(ADDRESS, number, is_parent=is_parent)
        self.store = store if store is not None else OrderStore()
        self.heights = BlockHeights()
        self.feed = AccountFeed(
            self,
            members=self.members,
            store=self.store,
            heights=self.heights,
            clock=SYSTEM_CLOCK,
        )

    @property
    def account_id(self) -> str:
        return self.members.own_id

    def _queries(self) -> AccountQueries:
        raise ClientError("not connected")

    def venue_event(self, name: str, payload: bytes) -> None:
        self.others.append((name, payload))

    def on_problem(self, message: str, code: int | None, error: Exception | None) -> None:
        self.problems.append(message)

    # -- feeding -----------------------------------------------------------------------

    def frame(self, frame: dict[str, Any]) -> None:
        """Take a frame as the stream would."""
        kind, contents = frame["type"], frame.get("contents")
        if frame.get("channel") == "v4_block_height":
            self.feed.block_height(contents)
        elif kind == "subscribed":
            self.feed.snapshot(contents)
        elif kind in ("channel_data", "channel_batch_data"):
            self.feed.update(contents, frame.get("subaccountNumber"))

    def try_frame(self, frame: dict[str, Any]) -> None:
        """Take a frame of which nothing is certain."""
        try:
            self.frame(frame)
        except DecodeError as error:
            self.problems.append(str(error))

    def start(self, height: int = HEIGHT, orders: tuple[dict[str, Any], ...] = ()) -> None:
        """Begin with an empty account at a height."""
        self.snapshot(height, orders)
        self.block(height)

    def snapshot(self, height: int, orders: tuple[dict[str, Any], ...] = ()) -> None:
        """Take what a subscription of an empty account begins with."""
        snapshot = json.loads(json.dumps(frame("subscribed_subaccounts")))
        snapshot["contents"]["orders"] = list(orders)
        snapshot["contents"]["blockHeight"] = str(height)
        snapshot["contents"]["subaccount"]["latestProcessedBlockHeight"] = str(height)
        self.frame(snapshot)

    def answered(self, *rows: dict[str, Any], since_height: int = HEIGHT) -> None:
        """Take trades that were asked for."""
        self.feed.fills(self.feed.read_fills(rows), since_height=since_height)

    def block(self, height: int) -> None:
        """Take a block."""
        self.feed.block_height({"blockHeight": str(height), "time": "2025-12-08T16:12:00.000Z"})

    def message(self, height: int = HEIGHT, **members: Any) -> None:
        """Take a message of the stream."""
        self.feed.update({**members, "blockHeight": str(height)})

    # -- looking -----------------------------------------------------------------------

    def reports(self, order_id: str) -> list[OrderStatusReport]:
        """What was told of one order."""
        return [
            event
            for event in self.told
            if isinstance(event, OrderStatusReport) and event.venue_order_id == order_id
        ]

    def trades(self, order_id: str | None = None) -> list[FillReport]:
        """The trades that were told, of one order or of all."""
        return [
            event
            for event in self.told
            if isinstance(event, FillReport) and order_id in (None, event.venue_order_id)
        ]


ORDER = "778795c8-ef33-5de4-9bbf-2989e568d755"


def placed(
    status: str = "BEST_EFFORT_OPENED",
    *,
    order_id: str = ORDER,
    size: str = "0.02",
    price: str = "89000",
    good_til_block: int = HEIGHT + 3,
    tif: str = "GTT",
    **more: Any,
) -> dict[str, Any]:
    """Return a short-term order in optimistic form."""
    return {
        "id": order_id,
        "subaccountId": SUBACCOUNT_UUID,
        "clientId": "14",
        "clobPairId": "0",
        "side": "BUY",
        "size": size,
        "price": price,
        "status": status,
        "type": "LIMIT",
        "timeInForce": tif,
        "postOnly": False,
        "reduceOnly": False,
        "orderFlags": "0",
        "goodTilBlock": str(good_til_block),
        "ticker": "BTC-USD",
        "clientMetadata": "0",
        **more,
    }


def canceled(reason: str = "USER_CANCELED", optimistic: str = "0", **more: Any) -> dict[str, Any]:
    """Return the best-effort removal of one."""
    return placed(
        "BEST_EFFORT_CANCELED",
        totalOptimisticFilled=optimistic,
        removalReason=f"ORDER_REMOVAL_REASON_{reason}",
        **more,
    )


def stateful(status: str, height: int, *, filled: str = "0", **more: Any) -> dict[str, Any]:
    """Return a long-term order in database form."""
    row = placed(status, **more)
    row.update(
        orderFlags=more.get("orderFlags", "64"),
        goodTilBlock=None,
        goodTilBlockTime="2026-03-08T16:12:00.000Z",
        totalFilled=filled,
        createdAtHeight=str(height),
        updatedAt="2025-12-08T16:12:00.500Z",
        updatedAtHeight=str(height),
    )
    return row


def trade(
    name: str = "f1",
    *,
    size: str = "0.01",
    height: int = HEIGHT + 1,
    order_id: str | None = ORDER,
    kind: str = "LIMIT",
    **more: Any,
) -> dict[str, Any]:
    """Return a fill as the stream carries it."""
    return {
        "id": name,
        "subaccountId": SUBACCOUNT_UUID,
        "side": "BUY",
        "liquidity": "MAKER",
        "type": kind,
        "clobPairId": "0",
        "orderId": order_id,
        "size": size,
        "price": "89000",
        "quoteAmount": "890.00",
        "eventId": "03f89a970000000200000004",
        "transactionHash": "A" * 64,
        "createdAt": "2025-12-08T16:12:00.500Z",
        "createdAtHeight": str(height),
        "clientMetadata": "0",
        "fee": "-0.01",
        "ticker": "BTC-USD",
        **more,
    }


def filled_row(total: str, status: str = "OPEN", height: int = HEIGHT + 1, **more: Any) -> dict:
    """Return the order of a fill message: a short-term order in database form."""
    row = placed(status, **more)
    row.update(totalFilled=total, updatedAtHeight=str(height), updatedAt="2025-12-08T16:12:00.500Z")
    return row


def decimals(*texts: str) -> list[Decimal]:
    """Return exact numbers."""
    return [Decimal(text) for text in texts]
