"""`connectors watch`: live quotes, trades and latency of some instruments."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Protocol

from .. import binance, dydx, hyperliquid, ibkr, lighter
from .._loop import run
from ..errors import ClientError, TransportError
from ..lighter.config import Config as LighterConfig
from ..lighter.config import Environment
from ..model import (
    BookGap,
    ConnectionStatus,
    DataDropped,
    ErrorEvent,
    Instrument,
    Quote,
    Reconnected,
    StatusEvent,
    StreamSilent,
    Subscription,
    Trade,
)
from .latency import Latencies, microseconds
from .screen import Picture, Screen, open_screen
from .simulator import SimulatorProcess, sim_config

__all__ = ["product_of", "run_watch"]

REFRESH_S = 0.25
CONFIRM_S = 15.0
HEADINGS = ("instrument", "bid size", "bid", "ask", "ask size", "last", "size", "quotes", "trades",
            "venue to here p50", "p99")  # fmt: skip
SHOWN_NOTES = 8


TITLES = {
    "binance": "Binance Futures",
    "dydx": "dYdX",
    "hyperliquid": "Hyperliquid",
    "ibkr": "IBKR",
    "lighter": "Lighter",
}
CASE_COUNTS = frozenset({"dydx", "hyperliquid"})  # venues with names such as kPEPE


OnStatus = Callable[[StatusEvent], object]


class Client(Protocol):
    """What a data client of any venue offers this view."""

    async def __aenter__(self) -> object: ...

    async def __aexit__(self, *error: object) -> None: ...

    def instrument(self, instrument: Instrument | str) -> Instrument: ...

    def subscribe_quotes(
        self, instrument: Instrument | str, callback: Callable[[Quote], object]
    ) -> Subscription: ...

    def subscribe_trades(
        self, instrument: Instrument | str, callback: Callable[[Trade], object]
    ) -> Subscription: ...


Served = tuple[Client, list[str]]  # a client and the instruments it is to show


def product_of(instrument: str) -> binance.Product:
    """Return the product family an instrument id belongs to: COIN-M contracts are in USD."""
    symbol = instrument.upper().partition("-")[0].partition("_")[0]
    return binance.Product.COINM if symbol.endswith("USD") else binance.Product.USDM


class Row:
    """What is known of one instrument."""

    def __init__(self, instrument: str) -> None:
        self.instrument = instrument
        self.quote: Quote | None = None
        self.trade: Trade | None = None
        self.quotes = 0
        self.trades = 0
        self.latency = Latencies(capacity=1_000)

    def on_quote(self, quote: Quote) -> None:
        self.quote = quote
        self.quotes += 1
        if quote.ts_event != quote.ts_init:  # some venues do not say when a book changed
            self.latency.add(quote.ts_init - quote.ts_event)

    def on_trade(self, trade: Trade) -> None:
        self.trade = trade
        self.trades += 1

    def cells(self) -> tuple[str, ...]:
        quote, trade = self.quote, self.trade
        latency = [microseconds(ns) for ns in self.latency.percentiles((0.5, 0.99))] or ["", ""]
        return (
            self.instrument,
            *((str(quote.bid_size), str(quote.bid), str(quote.ask), str(quote.ask_size))
              if quote else ("", "", "", "")),
            *((str(trade.price), str(trade.size)) if trade else ("", "")),
            str(self.quotes),
            str(self.trades),
            *latency,
        )  # fmt: skip

    def line(self) -> str:
        quote, trade = self.quote, self.trade
        prices = (
            f"{quote.bid_size} @ {quote.bid} | {quote.ask} @ {quote.ask_size}"
            if quote
            else "no quote"
        )
        last = f", last {trade.price} x {trade.size}" if trade else ""
        latency = self.latency.percentiles((0.5, 0.99))
        took = f", {microseconds(latency[0])} p50 {microseconds(latency[1])} p99" if latency else ""
        return f"{self.instrument}  {prices}{last}, {self.quotes} quotes {self.trades} trades{took}"


class Watch:
    """The rows of one view and what happened to their connections."""

    def __init__(self, instruments: Sequence[str], title: str) -> None:
        self._rows = {name: Row(name) for name in instruments}
        self._title = title
        self._notes: list[str] = []

    def on_status(self, event: StatusEvent) -> None:
        if isinstance(event, ConnectionStatus):
            self._note(f"{event.connection} {event.state.lower()} {event.reason}".rstrip())
        elif isinstance(event, Reconnected):
            self._note(f"{event.connection} reconnected: what was sent meanwhile is lost")
        elif isinstance(event, BookGap | DataDropped | ErrorEvent | StreamSilent):
            self._note(str(event))

    def _note(self, text: str) -> None:
        self._notes.append(f"{time.strftime('%H:%M:%S')} {text}")

    async def run(self, clients: Sequence[Served], screen: Screen, seconds: float | None) -> None:
        """Subscribe, then show what comes until `seconds` have passed, or for ever."""
        subscriptions = [
            subscription
            for client, names in clients
            for name in names
            for subscription in self._subscribe(client, self._rows[name])
        ]
        try:
            async with asyncio.timeout(CONFIRM_S):
                for subscription in subscriptions:
                    await subscription.active(timeout_s=CONFIRM_S)
        except TimeoutError:
            pending = ", ".join(s.name for s in subscriptions if not s.is_active)
            raise TransportError(
                f"not confirmed within {CONFIRM_S:.0f} s: {pending}; what happened: {self._notes}"
            ) from None
        end = None if seconds is None else time.monotonic() + seconds
        while end is None or time.monotonic() < end:
            screen.show(self._picture())
            await asyncio.sleep(REFRESH_S)

    @staticmethod
    def _subscribe(client: Client, row: Row) -> tuple[Subscription, Subscription]:
        instrument = client.instrument(row.instrument)
        return (
            client.subscribe_quotes(instrument, row.on_quote),
            client.subscribe_trades(instrument, row.on_trade),
        )

    def _picture(self) -> Picture:
        rows = self._rows.values()
        return Picture(
            title=self._title,
            headings=HEADINGS,
            rows=[row.cells() for row in rows],
            notes=self._notes[-SHOWN_NOTES:],
            lines=[row.line() for row in rows],
        )


def _binance(
    names: Sequence[str], env: str, sim_url: str | None, on_status: OnStatus
) -> list[Served]:
    """Make a client for each product that is asked for."""
    served: list[Served] = []
    for product in sorted({product_of(name) for name in names}):
        if sim_url is not None:
            config = sim_config(sim_url, product)
        else:
            environment = binance.Environment("live" if env == "mainnet" else env)
            config = binance.Config(product=product, environment=environment)
        client = binance.DataClient(config, on_status=on_status)
        served.append((client, [name for name in names if product_of(name) is product]))
    return served


def _lighter(
    names: Sequence[str], env: str, sim_url: str | None, on_status: OnStatus
) -> list[Served]:
    if sim_url is None:
        config = LighterConfig(environment=Environment(env))
    else:
        config = LighterConfig.sim(sim_url)
    return [(lighter.DataClient(config, on_status=on_status), list(names))]


def _hyperliquid(
    names: Sequence[str], env: str, sim_url: str | None, on_status: OnStatus
) -> list[Served]:
    """Make one client that knows the dexes of the instruments."""
    dexes = tuple({name.partition(":")[0] for name in names if ":" in name})
    if sim_url is not None:
        config = hyperliquid.Config.sim(sim_url, dexes=dexes)
    else:
        config = hyperliquid.Config(environment=hyperliquid.Environment(env), dexes=dexes)
    return [(hyperliquid.DataClient(config, on_status=on_status), list(names))]


def _ibkr(names: Sequence[str], env: str, sim_url: str | None, on_status: OnStatus) -> list[Served]:
    """Make one client of the gateway of `IBKR_BASE_URL`; a test network is a paper account."""
    if sim_url is not None:
        config = ibkr.Config.sim(sim_url)
    else:
        config = ibkr.Config.from_env(expect_paper=True if env == "testnet" else None)
    return [(ibkr.DataClient(config, symbols=names, on_status=on_status), list(names))]


def _dydx(names: Sequence[str], env: str, sim_url: str | None, on_status: OnStatus) -> list[Served]:
    if sim_url is not None:
        config = dydx.Config.sim(sim_url)
    else:
        config = dydx.Config(environment=dydx.Environment(env))
    return [(dydx.DataClient(config, on_status=on_status), list(names))]


# Of each venue: its clients, not opened yet. A simulator is a test network.
CLIENTS: Mapping[str, Callable[[Sequence[str], str, str | None, OnStatus], list[Served]]] = {
    "binance": _binance,
    "dydx": _dydx,
    "hyperliquid": _hyperliquid,
    "ibkr": _ibkr,
    "lighter": _lighter,
}


async def _watch(
    venue: str,
    instruments: Sequence[str],
    env: str,
    sim_url: str | None,
    seconds: float | None,
    plain: bool,
) -> None:
    watch = Watch(instruments, f"{TITLES[venue]}, {sim_url or env}")
    async with AsyncExitStack() as stack:
        if env == "sim" and sim_url is None:
            simulator = await stack.enter_async_context(SimulatorProcess(venue))
            sim_url = simulator.http_url
        clients = CLIENTS[venue](instruments, env, sim_url, watch.on_status)
        for client, _ in clients:
            await stack.enter_async_context(client)
        screen = stack.enter_context(open_screen(plain=plain))
        await watch.run(clients, screen, seconds)


def run_watch(
    venue: str,
    instruments: Sequence[str],
    *,
    env: str,
    sim_url: str | None = None,
    seconds: float | None = None,
    plain: bool = False,
) -> int:
    """Show instruments live until interrupted or `seconds` have passed; return 0.

    Raises
    ------
    ConnectorError
        An instrument does not exist, or the venue cannot be reached.
    """
    if not instruments:
        raise ClientError("name at least one instrument, such as BTCUSDT-PERP or ETH-PERP")
    names = [name if venue in CASE_COUNTS else name.upper() for name in instruments]
    run(_watch(venue, names, env, sim_url, seconds, plain))
    return 0
