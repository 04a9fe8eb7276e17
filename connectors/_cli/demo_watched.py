"""The venues `connectors demo` only looks at: their clients, and what their simulators do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, ClassVar, Protocol

from .. import dydx, ibkr
from ..model import FillCorrection, FillReport, Quote, Side, StatusEvent, Trade
from .demo_checks import Check
from .simulator import SimulatorAdmin

__all__ = ["DydxVenue", "Seen", "WatchedTruth", "WatchedVenue", "compare_account"]

OnEvent = Callable[[Any], object]
OnStatus = Callable[[StatusEvent], object]
Level = tuple[Decimal, Decimal]
Levels = list[Level]

CONIDS = {"AAPL": 265598, "IBM": 8314, "SPY": 756733}


@dataclass(slots=True)
class Seen:
    """What reached the callbacks."""

    quotes: dict[str, Quote] = field(default_factory=dict)
    trades: dict[str, Trade] = field(default_factory=dict)
    fills: dict[str, FillReport] = field(default_factory=dict)
    repeated_fills: int = 0
    book_updates: int = 0

    def fill(self, report: FillReport) -> None:
        self.repeated_fills += report.trade_id in self.fills
        self.fills[report.trade_id] = report

    def correct(self, correction: FillCorrection) -> None:
        if correction.fill.trade_id in self.fills:
            self.fills[correction.fill.trade_id] = correction.fill

    def on_book(self, book: object) -> None:
        self.book_updates += 1

    def positions(self) -> dict[str, Decimal]:
        """Return what the fills add up to."""
        sums: dict[str, Decimal] = {}
        for fill in self.fills.values():
            size = fill.side.sign * fill.last_size
            sums[fill.instrument_id] = sums.get(fill.instrument_id, Decimal(0)) + size
        return sums


@dataclass(frozen=True, slots=True)
class WatchedTruth:
    """What the simulator has: per instrument, and of the account.

    Attributes
    ----------
    books :
        Bids and asks, best first.
    quotes :
        Bid and ask, where the venue sends them by themselves.
    fills :
        By id: instrument, side, size, price.
    orders :
        By id: whether it is over, and how much of it is filled.
    positions :
        Those that are not flat.
    """

    books: Mapping[str, tuple[Levels, Levels]]
    quotes: Mapping[str, tuple[Level, Level]]
    fills: Mapping[str, tuple[str, Side, Decimal, Decimal]]
    orders: Mapping[str, tuple[bool, Decimal]]
    positions: Mapping[str, Decimal]

    def since(self, before: WatchedTruth) -> WatchedTruth:
        """Return what has happened since then; what stands, books and positions, is as it is."""
        return replace(
            self,
            fills={name: row for name, row in self.fills.items() if name not in before.fills},
            orders={name: row for name, row in self.orders.items() if name not in before.orders},
        )


class WatchedVenue(Protocol):
    """What `WatchingDemo` needs of a venue."""

    name: ClassVar[str]
    options: ClassVar[tuple[str, ...]]
    instruments: ClassVar[tuple[str, ...]]
    with_books: ClassVar[tuple[str, ...]]
    currency: ClassVar[str]
    data: Any
    account: Any

    def __init__(
        self,
        admin: SimulatorAdmin,
        ready: dict[str, Any],
        *,
        on_event: OnEvent,
        on_status: OnStatus,
    ) -> None:
        """Make the clients; `ready` is the line the simulator printed."""

    async def prepare(self) -> WatchedTruth:
        """Let nobody but us trade for the account, and return how it stands."""

    @property
    def has_caught_up(self) -> bool:
        """Whether the account client has read all it may have missed."""

    async def trade(self, side: Side, price: Decimal) -> None:
        """Have an order of the account trade at a price, in the first instrument."""

    async def subscribed(self) -> list[str]:
        """Return what the clients are subscribed to, by the simulator's account, sorted."""

    async def cut(self) -> int:
        """Reset every connection; return how many there were."""

    async def quiet(self) -> None:
        """End the trading, and everything that is on its way."""

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

    def __init__(
        self,
        admin: SimulatorAdmin,
        ready: dict[str, Any],
        *,
        on_event: OnEvent,
        on_status: OnStatus,
    ) -> None:
        self._admin = admin
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

    async def subscribed(self) -> list[str]:
        return await _subscribed(self._admin)

    async def cut(self) -> int:
        return await _cut(self._admin)

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

    def __init__(
        self,
        admin: SimulatorAdmin,
        ready: dict[str, Any],
        *,
        on_event: OnEvent,
        on_status: OnStatus,
    ) -> None:
        self._admin = admin
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

    async def subscribed(self) -> list[str]:
        return await _subscribed(self._admin)

    async def cut(self) -> int:
        return await _cut(self._admin)

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


def compare_markets(venue: WatchedVenue, seen: Seen, truth: WatchedTruth) -> Check:
    """Compare every level of every book, and the quotes that come by themselves."""
    levels, wrong = 0, []
    for name, (bids, asks) in truth.books.items():
        book = venue.data.book(name)
        levels += len(bids) + len(asks)
        if book is None or (_shown(book, bid=True), _shown(book, bid=False)) != (bids, asks):
            wrong.append(f"book of {name}")
    for name, sides in truth.quotes.items():
        quote = seen.quotes.get(name)
        if quote is None or sides != ((quote.bid, quote.bid_size), (quote.ask, quote.ask_size)):
            wrong.append(f"quote of {name}")
    quotes = f", {len(truth.quotes)} quotes" if truth.quotes else ""
    return Check(
        "market data is the simulator's, level by level",
        not wrong,
        f"{len(truth.books)} books, {levels} levels{quotes}, {len(wrong)} different"
        + (f": {', '.join(wrong)}" if wrong else ""),
    )


def compare_account(
    venue: WatchedVenue, seen: Seen, before: WatchedTruth, truth: WatchedTruth
) -> list[Check]:
    """Compare what happened since `before`: fills, orders and positions."""
    now = truth.since(before)
    told = {
        trade_id: (fill.instrument_id, fill.side, fill.last_size, fill.last_price)
        for trade_id, fill in seen.fills.items()
    }
    wrong = {
        trade_id
        for trade_id in told.keys() | now.fills.keys()
        if told.get(trade_id) != now.fills.get(trade_id)
    }
    unlike = [
        name
        for name, (is_over, filled) in now.orders.items()
        if (report := venue.account.order(name)) is None
        or report.status.is_final != is_over
        or report.filled_size != filled
    ]
    held = {report.instrument_id: report.signed_size for report in venue.account.positions()}
    follows = seen.positions()
    for name, size in before.positions.items():
        follows[name] = follows.get(name, Decimal(0)) + size
    follows, held = _open(follows), _open(held)
    return [
        Check(
            "no fill of the account was lost, repeated or different",
            bool(told) and not wrong and not seen.repeated_fills,
            f"{len(told)} fills, {len(now.fills)} at the simulator, {len(wrong)} different, "
            f"{seen.repeated_fills} repeated",
        ),
        Check(
            "every order of the account stands as the simulator says",
            bool(now.orders) and not unlike,
            f"{len(now.orders)} orders, {len(unlike)} different"
            + (f": {', '.join(unlike[:2])}" if unlike else ""),
        ),
        Check(
            "the positions follow from the fills and are the simulator's",
            follows == held == _open(truth.positions),
            f"{_sizes(follows)} from the fills, {_sizes(held)} reported, "
            f"{_sizes(truth.positions)} there",
        ),
    ]


def _open(positions: Mapping[str, Decimal]) -> dict[str, Decimal]:
    return {name: size for name, size in positions.items() if size}


def _sizes(positions: Mapping[str, Decimal]) -> str:
    return ", ".join(f"{name} {size:f}" for name, size in sorted(positions.items())) or "none"


def _levels(rows: Sequence[Sequence[str]]) -> Levels:
    return [(Decimal(price), Decimal(size)) for price, size in rows]


def _shown(book: Any, *, bid: bool) -> Levels:
    from .._speedups.book import BookSide

    price, size = book.instrument.price_scale, book.instrument.size_scale
    return [
        (price.to_decimal(ticks), size.to_decimal(lots))
        for ticks, lots in book.levels(BookSide.BID if bid else BookSide.ASK)
    ]


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


async def _subscribed(admin: SimulatorAdmin) -> list[str]:
    opened = await admin.get("connections", open="true")
    return sorted(topic for row in opened for topic in row["subscriptions"])


async def _cut(admin: SimulatorAdmin) -> int:
    opened = await admin.get("connections", open="true")
    for row in opened:
        await admin.post("fault", fault="abort", connection=row["number"])
    return len(opened)


def _ticker(instrument_id: str) -> str:
    return instrument_id.removesuffix("-PERP")
