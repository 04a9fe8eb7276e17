"""The venues `connectors demo` trades on: their clients, and what their simulators know and do.

Each class is one venue's half of `demo_trading`: it makes the clients, has the simulator's own
accounts trade with us, cuts the connection, and reads the simulator's account as a `Truth`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar

from .. import hyperliquid, lighter
from ..model import (
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    Side,
)
from .demo_base import OnEvent, OnStatus, SimulatedVenue
from .demo_ledger import Ends, Fill, TrueOrder, Truth

__all__ = ["HyperliquidVenue", "LighterVenue", "TradedVenue", "lighter_truth", "trading_config"]

Rows = Sequence[Mapping[str, Any]]

MILLION = 1_000_000
POOL = 128

# What Lighter's simulator calls the ends of orders, by ours; a post-only order that would have
# taken is refused if it never rested, else canceled.
LIGHTER_ENDS: Mapping[str, Ends] = {
    "filled": (OrderFilled,),
    "canceled": (OrderCanceled,),
    "canceled-post-only": (OrderRejected, OrderCanceled),
    "canceled-expired": (OrderExpired,),
}


class TradedVenue(SimulatedVenue):
    """What `TradingDemo` needs of a venue.

    Attributes
    ----------
    instrument : str
        What is quoted.
    size, hit, tick : Decimal
        Of our orders, of what the simulator's accounts take from them, of prices.
    execution :
        The client that trades.
    """

    instrument: ClassVar[str]
    size: ClassVar[Decimal]
    hit: ClassVar[Decimal]
    tick: ClassVar[Decimal]
    execution: Any

    @abstractmethod
    async def take(self, side: Side, price: Decimal, size: Decimal) -> None:
        """Have one of the simulator's own accounts trade with our order of a side."""

    @abstractmethod
    async def cut(self) -> None:
        """Reset the private connection, and keep the client from being back."""

    @abstractmethod
    async def let_back(self) -> None:
        """Let the client come back."""

    @abstractmethod
    async def live_orders(self) -> int:
        """Return how many orders of ours rest there."""

    @abstractmethod
    async def trade_ids(self) -> set[str]:
        """Return the ids of all our trades."""

    @abstractmethod
    async def truth(self) -> Truth:
        """Return our account."""


class LighterVenue(TradedVenue):
    """Lighter: orders signed with a nonce made ahead, all over one socket."""

    name = "Lighter"
    instrument = "ETH-PERP"
    size = Decimal("0.2000")
    hit = Decimal("0.0500")
    tick = Decimal("0.01")

    def _make_clients(self, ready: dict[str, Any], on_event: OnEvent, on_status: OnStatus) -> None:
        self._account = str(ready["accounts"][0]["account_index"])
        config = trading_config(
            ready, tier=lighter.Tier.PLUS, sendtx_quota_per_min=60_000, signing_pool=POOL
        )
        self.execution = lighter.ExecutionClient(config, on_event=on_event, on_status=on_status)
        self.data = lighter.DataClient(config, on_status=on_status)

    async def take(self, side: Side, price: Decimal, size: Decimal) -> None:
        await self._admin.post(
            "order", market=0, side=_other(side), price=str(price), size=str(size), take=True
        )

    async def cut(self) -> None:
        # Without its next nonce the client is not ready.
        await self._admin.post("fault", fault="hold", endpoint="nextNonce")
        for row in await self._opened():
            if any(name.startswith("account_all_orders") for name in row["channels"]):
                await self._abort(row)

    async def let_back(self) -> None:
        await self._admin.post("fault", fault="release_holds")

    async def live_orders(self) -> int:
        return len(await self._admin.get("orders", account=self._account, live="true"))

    async def trade_ids(self) -> set[str]:
        rows = await self._admin.get("trades", account=self._account)
        return {row["trade_id_str"] for row in rows}

    async def truth(self) -> Truth:
        admin, account = self._admin, self._account
        orders = await admin.get("orders", account=account)
        trades = await admin.get("trades", account=account)
        accounts = await admin.get("accounts")
        row = next(each for each in accounts if str(each["index"]) == account)
        return lighter_truth(orders, trades, row, "ETH")


class HyperliquidVenue(TradedVenue):
    """Hyperliquid: a modification is a cancel and a new order there, and one order here."""

    name = "Hyperliquid"
    instrument = "ETH-PERP"
    size = Decimal("0.2000")
    hit = Decimal("0.0500")
    tick = Decimal("0.1")
    coin = "ETH"

    def _make_clients(self, ready: dict[str, Any], on_event: OnEvent, on_status: OnStatus) -> None:
        account = ready["accounts"][0]
        self._user = account["address"]
        config = hyperliquid.Config.sim(ready["http"], account["private_key"], signing_pool=POOL)
        self.execution = hyperliquid.ExecutionClient(config, on_event=on_event, on_status=on_status)
        self.data = hyperliquid.DataClient(config, on_status=on_status)

    async def take(self, side: Side, price: Decimal, size: Decimal) -> None:
        await self._admin.post(
            "order", coin=self.coin, side=_other(side), price=str(price), size=str(size), take=True
        )

    async def cut(self) -> None:
        await self._admin.post("fault", fault="refuse", path="/ws", count=1_000)
        for row in await self._opened():
            if any(each["type"] == "orderUpdates" for each in row["subscriptions"]):
                await self._abort(row)

    async def let_back(self) -> None:
        await self._admin.post("fault", fault="clear")

    async def live_orders(self) -> int:
        return len(await self._admin.get("orders", user=self._user, live="true"))

    async def trade_ids(self) -> set[str]:
        return {str(row["tid"]) for row in await self._admin.get("fills", user=self._user)}

    async def truth(self) -> Truth:
        admin, user = self._admin, self._user
        legs: dict[str, list[Mapping[str, Any]]] = {}
        for row in await admin.get("orders", user=user):
            legs.setdefault(row["order"]["cloid"], []).append(row)
        trades = {
            str(row["tid"]): Fill(
                venue_order_id=str(row["oid"]),
                side=Side.BUY if row["side"] == "B" else Side.SELL,
                size=Decimal(row["sz"]),
                price=Decimal(row["px"]),
                commission=Decimal(row["fee"]),
                is_maker=not row["crossed"],
            )
            for row in await admin.get("fills", user=user)
        }
        accounts = await admin.get("accounts")
        account = next(each for each in accounts if each["address"].lower() == user.lower())
        balances = {token: Decimal(amount) for token, amount in account["spot"].items()}
        balances["USDC"] = balances.get("USDC", Decimal(0)) + Decimal(account["value"])
        return Truth(
            orders=[_replaced_order(each, trades) for each in legs.values()],
            trades=trades,
            position=Decimal(account["positions"].get(self.coin, 0)),
            balances=balances,
        )


def trading_config(ready: dict[str, Any], **settings: Any) -> lighter.Config:
    """Return the settings with which a client trades on a Lighter simulator.

    `ready` is the line the simulator printed; its first account is taken.
    """
    return lighter.Config.sim(ready["http"], ready["accounts"][0], **settings)


def lighter_truth(orders: Rows, trades: Rows, account: Mapping[str, Any], symbol: str) -> Truth:
    """Return a Lighter account from the simulator's rows of it; `symbol` is the market traded."""
    index = account["index"]
    return Truth(
        orders=[
            TrueOrder(
                venue_order_ids=frozenset((row["order_id"],)),
                ends=LIGHTER_ENDS.get(row["status"], ()),
                filled=Decimal(row["filled_base_amount"]),
                size=Decimal(row["initial_base_amount"]),
                # Moved to where it would have taken, a post-only order ends; the row then shows
                # a price at which it never rested.
                price=None if row["status"] == "canceled-post-only" else Decimal(row["price"]),
            )
            for row in orders
        ],
        trades={row["trade_id_str"]: _lighter_fill(row, index) for row in trades},
        position=sum(
            (row["sign"] * Decimal(row["position"]) for row in account["positions"]
             if row["symbol"] == symbol),
            Decimal(0),
        ),
        balances={
            row["symbol"]: Decimal(row["balance"]) + Decimal(row["margin_balance"])
            for row in account["assets"]
        },
    )  # fmt: skip


def _lighter_fill(row: Mapping[str, Any], account: int) -> Fill:
    is_buy = row["bid_account_id"] == account
    is_maker = row["is_maker_ask"] != is_buy
    rate = row.get("maker_fee" if is_maker else "taker_fee", 0)
    return Fill(
        venue_order_id=row["bid_id_str"] if is_buy else row["ask_id_str"],
        side=Side.BUY if is_buy else Side.SELL,
        size=Decimal(row["size"]),
        price=Decimal(row["price"]),
        commission=Decimal(row["usd_amount"]) * rate / MILLION,
        is_maker=is_maker,
    )


def _replaced_order(legs: Sequence[Mapping[str, Any]], trades: Mapping[str, Fill]) -> TrueOrder:
    """Return what became of the orders that were one for us: the last that was placed tells."""
    ids = [str(leg["order"]["oid"]) for leg in legs]
    placed = [leg for leg in legs if not leg["status"].endswith("Rejected")]
    filled = {name: Decimal(0) for name in ids}
    for fill in trades.values():
        if fill.venue_order_id in filled:
            filled[fill.venue_order_id] += fill.size
    total = sum(filled.values(), Decimal(0))
    ends: Ends = (OrderRejected,)
    size = price = None
    if placed:
        last = placed[-1]["order"]
        ends = (OrderFilled,) if placed[-1]["status"] == "filled" else (OrderCanceled,)
        size = total - filled[str(last["oid"])] + Decimal(last["origSz"])
        price = Decimal(last["limitPx"])
    return TrueOrder(frozenset(ids), ends, total, size, price)


def _other(side: Side) -> str:
    return "sell" if side is Side.BUY else "buy"
