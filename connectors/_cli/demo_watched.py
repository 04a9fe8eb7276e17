"""The venues `connectors demo` only looks at: their clients, and what their simulators do."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar

from .. import dydx, ibkr
from ..model import Side
from .demo_base import OnEvent, OnStatus, SimulatedVenue
from .demo_seen import Level, Levels, WatchedTruth

__all__ = ["DydxVenue", "IbkrVenue", "WatchedVenue"]

CONIDS = {"AAPL": 265598, "IBM": 8314, "SPY": 756733}


class WatchedVenue(SimulatedVenue):
    """What `WatchingDemo` needs of a venue."""

    instruments: ClassVar[tuple[str, ...]]
    with_books: ClassVar[tuple[str, ...]]
    currency: ClassVar[str]
    account: Any

    @abstractmethod
    async def prepare(self) -> WatchedTruth:
        """Let nobody but us trade for the account, and return how it stands."""

    @property
    @abstractmethod
    def has_caught_up(self) -> bool:
        """Whether the account client has read all it may have missed."""

    @abstractmethod
    async def trade(self, side: Side, price: Decimal) -> None:
        """Have an order of the account trade at a price, in the first instrument."""

    async def subscribed(self) -> list[str]:
        """Return what the clients are subscribed to, by the simulator's account, sorted."""
        return sorted(topic for row in await self._opened() for topic in row["subscriptions"])

    async def cut(self) -> int:
        """Reset every connection; return how many there were."""
        opened = await self._opened()
        for row in opened:
            await self._abort(row)
        return len(opened)

    @abstractmethod
    async def quiet(self) -> None:
        """End the trading, and everything that is on its way."""

    @abstractmethod
    async def truth(self) -> WatchedTruth:
        """Return what the simulator has."""


class DydxVenue(WatchedVenue):
    """dYdX: blocks, an indexer that lags behind the chain, books that may cross."""

    name = "dYdX"
    options: ClassVar[tuple[str, ...]] = ("--block-ms", "200")
    instruments = ("BTC-USD-PERP", "ETH-USD-PERP", "SOL-USD-PERP")
    with_books = instruments
    currency = "USDC"
    size = "0.01"

    def _make_clients(self, ready: dict[str, Any], on_event: OnEvent, on_status: OnStatus) -> None:
        self._address = ready["accounts"][0]["address"]
        config = dydx.Config.sim(ready["http"], address=self._address)
        self.data = dydx.DataClient(config, on_status=on_status)
        self.account = dydx.AccountClient(config, on_event=on_event, on_status=on_status)

    async def prepare(self) -> WatchedTruth:
        admin = self._admin
        rate = (await admin.get("config"))["rate_per_s"]
        await admin.post("config", account_share=0)
        height = (await admin.post("quiet", cancel=True))["height"]
        while (await admin.get("state"))["height"] < height + 2:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        before = await self.truth()
        await admin.post("config", rate_per_s=rate)
        return before

    @property
    def has_caught_up(self) -> bool:
        return bool(self.account.is_caught_up)

    async def trade(self, side: Side, price: Decimal) -> None:
        await self._admin.post(
            "order",
            address=self._address,
            ticker=_ticker(self.instruments[0]),
            side=side.name,
            size=self.size,
            price=f"{price:f}",
            time_in_force="IOC",
        )

    async def quiet(self) -> None:
        await self._admin.post("quiet", cancel=True)

    async def truth(self) -> WatchedTruth:
        state = await self._admin.get("state")
        account = next(
            row for row in state["subaccounts"]
            if row["address"] == self._address and row["subaccount_number"] == 0
        )  # fmt: skip
        return WatchedTruth(
            books={
                name: (_levels(book["bids"]), _levels(book["asks"]))
                for name in self.instruments
                for book in (state["books"][_ticker(name)],)
            },
            quotes={},
            fills={
                row["id"]: (
                    f"{row['ticker']}-PERP",
                    Side[row["side"]],
                    Decimal(row["size"]),
                    Decimal(row["price"]),
                )
                for row in account["fills"]
            },
            orders={
                row["id"]: (row["state"] not in ("open", "untriggered"), Decimal(row["filled"]))
                for row in account["orders"]
            },
            positions={
                f"{row['market']}-PERP": Decimal(row["size"]).copy_abs()
                * (1 if row["side"] == "LONG" else -1)
                for row in account["positions"]
                if row["status"] == "OPEN"
            },
        )


class IbkrVenue(WatchedVenue):
    """IBKR: one session of a gateway for market data and account; one book at a time."""

    name = "IBKR"
    options: ClassVar[tuple[str, ...]] = ("--md-interval-ms", "100")
    instruments = ("AAPL", "IBM", "SPY")
    with_books = ("AAPL",)
    currency = "USD"
    size = 5

    def _make_clients(self, ready: dict[str, Any], on_event: OnEvent, on_status: OnStatus) -> None:
        self._account = ready["accounts"][0]["account_id"]
        config = ibkr.Config.sim(ready["http"], self._account)
        keeper = ibkr.SessionKeeper(config)
        self.data = ibkr.DataClient(
            config, symbols=self.instruments, keeper=keeper, on_status=on_status
        )
        self.account = ibkr.AccountClient(
            config, keeper=keeper, on_event=on_event, on_status=on_status
        )

    async def prepare(self) -> WatchedTruth:
        return await self.truth()

    @property
    def has_caught_up(self) -> bool:
        return True  # the venue gives a list every five seconds: they are compared at the end

    async def trade(self, side: Side, price: Decimal) -> None:
        await self._admin.post(
            "order",
            account=self._account,
            conid=CONIDS[self.instruments[0]],
            side=side.name,
            orderType="LMT",
            price=float(price),
            tif="IOC",
            quantity=self.size,
        )

    async def quiet(self) -> None:
        await self._admin.post("quiesce")

    async def truth(self) -> WatchedTruth:
        state = await self._admin.get("state")
        account = state["accounts_state"][self._account]
        conids = {str(conid): name for name, conid in CONIDS.items()}
        return WatchedTruth(
            books={
                name: _ladder(state["markets"][str(CONIDS[name])]["ladder"])
                for name in self.with_books
            },
            quotes={
                name: _top(state["markets"][conid]["fields"]) for conid, name in conids.items()
            },
            fills={
                # The last part of an id counts corrections.
                row["execution_id"].rpartition(".")[0]: (
                    row["symbol"],
                    Side.BUY if row["side"] == "B" else Side.SELL,
                    Decimal(str(row["size"])),
                    Decimal(row["price"]),
                )
                for row in account["executions"]
            },
            orders={
                str(row["orderId"]): (
                    row["status"] in ("Filled", "Cancelled"),
                    Decimal(str(row["filledQuantity"])),
                )
                for row in account["orders"]
            },
            positions={
                conids[conid]: Decimal(size.replace(",", ""))
                for conid, size in account["positions"].items()
            },
        )


def _levels(rows: Sequence[Sequence[str]]) -> Levels:
    return [(Decimal(price), Decimal(size)) for price, size in rows]


def _top(fields: Mapping[str, str]) -> tuple[Level, Level]:
    bid, bid_size, ask, ask_size = (
        Decimal(fields[code].replace(",", "")) for code in ("84", "88", "86", "85")
    )
    return (bid, bid_size), (ask, ask_size)


def _ladder(rows: Sequence[Mapping[str, Any]]) -> tuple[Levels, Levels]:
    """Return the two sides of a ladder, whose rows go from the highest price to the lowest."""
    bids, asks = (
        # The row of the last trade has its size before the price: "5 @ 193.17".
        [
            (Decimal(row["price"].rpartition("@")[2]), Decimal(row[side].replace(",", "")))
            for row in rows
            if side in row
        ]
        for side in ("bid", "ask")
    )
    return bids, asks[::-1]


def _ticker(instrument_id: str) -> str:
    return instrument_id.removesuffix("-PERP")
