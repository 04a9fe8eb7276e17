"""What the end-to-end fault tests share: a simulator, a client behind a proxy, a comparison.

`SimProcess` is a simulator in a process of its own, `SimControl` talks to its `/_sim`
endpoint, and `Rig` is a `DataClient` whose streams and REST calls pass a `FaultProxy`, with
everything it subscribes checked as it arrives (`support_watch`). Nothing here knows the
client's insides except to count what it holds: connections, tasks, timers.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Self

import aiohttp

from connectors._speedups.book import BookSide, OrderBook
from connectors.binance.config import Config
from connectors.binance.data import DataClient
from connectors.model import StreamState, Subscription
from connectors.net.attempts import AttemptBudget
from connectors.net.ratelimit import Quota
from faults.proxy import FaultProxy
from faults.support_watch import Ledger, Watch
from patience import GRACE_S, until

__all__ = ["FAST_SIM", "Rig", "SimControl", "SimProcess", "book_differences", "until"]

# The venue's limits, out of the way: hundreds of reconnects in minutes are the point here.
FAST_SIM: dict[str, Any] = {
    "max_handshakes_per_5min": 1_000_000,
    "weight_per_minute": 10_000_000,
    "bans_after_violations": 0,
    "ping_interval_s": 0.5,
    "pong_timeout_s": 4.0,
}
# Silence after which the client must give a connection up; the simulator pings far more often.
IDLE_TIMEOUT_S = 2.0


class SimProcess:
    """A simulator started by the command line, ended by SIGTERM; a context manager."""

    def __init__(self, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "connectors.sim.binance.main", *arguments],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the simulator ended with {self._process.wait(10)}")
        ready = json.loads(line)
        self.http_url: str = ready["http"]
        self.port = int(self.http_url.rpartition(":")[2])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.terminate()
        try:
            code = self._process.wait(10 + GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait(10)
        assert self._process.stdout is not None
        self._process.stdout.close()
        if not any(exc):
            assert code == 0, f"the simulator ended with {code}"


class SimControl:
    """The control endpoint of a simulator; an async context manager."""

    def __init__(self, http_url: str) -> None:
        self._base = f"{http_url}/_sim/"
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=15 + GRACE_S))
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._session.close()

    async def get(self, name: str, **query: str | int) -> Any:
        """Read; LookupError with the simulator's reason when it refuses."""
        async with self._session.get(self._base + name, params=query) as answer:
            return await self._checked(answer)

    async def post(self, name: str, **body: Any) -> Any:
        """Act; LookupError with the simulator's reason when it refuses."""
        async with self._session.post(self._base + name, json=body) as answer:
            return await self._checked(answer)

    async def fault(self, name: str, **settings: Any) -> Any:
        """Carry a fault out."""
        return await self.post("fault", fault=name, **settings)

    @staticmethod
    async def _checked(answer: aiohttp.ClientResponse) -> Any:
        value = await answer.json()
        if answer.status != 200:
            raise LookupError(value["error"])
        return value


def book_differences(book: OrderBook, truth: dict[str, Any]) -> list[str]:
    """Compare EVERY level of a local book with the simulator's; empty when they are equal."""
    instrument = book.instrument
    price, size = instrument.price_scale.to_ticks, instrument.size_scale.to_ticks
    found: list[str] = []
    if book.horizon != (None, None):
        found.append(f"{instrument.id} is not complete: horizon {book.horizon}")
    for side, name in ((BookSide.BID, "bids"), (BookSide.ASK, "asks")):
        ours = book.levels(side)
        theirs = [(price(level[0]), size(level[1])) for level in truth[name]]
        if ours != theirs:
            missing = sorted(set(theirs) - set(ours))[:3]
            wrong = sorted(set(ours) - set(theirs))[:3]
            found.append(
                f"{instrument.id} {name}: {len(ours)} levels, {len(theirs)} at the venue; "
                f"missing {missing}, wrong {wrong}"
            )
    book.check()
    return found


class Rig:
    """A client behind two proxies, and what it is asked to stream; an async context manager.

    Parameters
    ----------
    control :
        Of the simulator at `port`.
    connections :
        Public connections to spread the streams over.
    symbols :
        How many instruments, the most active first; None for all.
    contiguous :
        Whether trades within one connection must follow each other without a hole; not when
        streams are muted on purpose.
    """

    def __init__(
        self,
        control: SimControl,
        port: int,
        *,
        connections: int = 6,
        symbols: int | None = None,
        contiguous: bool = True,
        request_timeout_s: float = 2.0,
        first_data_timeout_s: float | None = None,
        rotate: bool = False,
    ) -> None:
        self.control = control
        self.streams = FaultProxy("127.0.0.1", port)
        self.rest = FaultProxy("127.0.0.1", port)
        self.ledger = Ledger()
        self.watch = Watch(self.ledger, contiguous=contiguous)
        self.client: DataClient
        self.symbols: list[str] = []
        self.resubscribed = 0
        self._settled_losses = 0
        self._wanted_connections = connections
        self._wanted_symbols = symbols
        self._settings = {
            "request_timeout_s": request_timeout_s,
            "first_data_timeout_s": first_data_timeout_s,
            "rotate": rotate,
        }
        self._wishes: dict[Subscription, Callable[[], Subscription]] = {}
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self.streams)
        await self._stack.enter_async_context(self.rest)
        try:
            await self._open()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    async def _open(self) -> None:
        await self.control.post("config", **FAST_SIM)
        state = await self.control.get("state")
        count = sum(name.endswith("USDT") for name in state["symbols"])
        count = min(count, self._wanted_symbols or count)
        config = Config(
            product="usdm",
            rest_url=f"http://127.0.0.1:{self.rest.port}",
            stream_url=f"ws://127.0.0.1:{self.streams.port}",
            routed=True,
            # Two public streams a symbol and two on the market route.
            max_streams_per_connection=-(-2 * count // self._wanted_connections) + 1,
            idle_timeout_s=IDLE_TIMEOUT_S,
            instrument_refresh_s=3600.0,
            **self._settings,
        )
        self.client = DataClient(
            config,
            on_status=self.watch.on_status,
            on_venue_event=self.watch.on_venue_event,
            attempts=AttemptBudget((Quota(200, 1.0),)),
        )
        await self._stack.enter_async_context(self.client)
        self.watch.client = self.client
        for instrument in list(self.client.instruments.values()):
            if instrument.symbol.endswith("USDT") and len(self.symbols) < count:
                self.add_symbol(instrument.symbol)

    def add_symbol(self, symbol: str) -> None:
        """Ask for book, quotes, trades and mark price; every third book has two witnesses."""
        client, watch = self.client, self.watch
        book = watch.book(symbol)
        self.symbols.append(symbol)
        if len(self.symbols) % 3 == 1:
            self._wish(lambda: client.subscribe_book_deltas(symbol, book.before))
            self._wish(lambda: client.subscribe_book(symbol, book.on_change))
            self._wish(lambda: client.subscribe_book_deltas(symbol, book.after))
        else:
            self._wish(lambda: client.subscribe_book(symbol, book.on_change))
        trades, quotes = watch.trades(symbol), watch.quotes(symbol)
        self._wish(lambda: client.subscribe_trades(symbol, trades))
        self._wish(lambda: client.subscribe_quotes(symbol, quotes))
        self._wish(lambda: client.subscribe_mark_price(symbol, watch.on_mark_price))

    def _wish(self, make: Callable[[], Subscription]) -> None:
        self._wishes[make()] = make

    # ---- acting as a user would -----------------------------------------------------------

    @property
    def wishes(self) -> list[Subscription]:
        """All subscriptions made."""
        return list(self._wishes)

    def drop_wish(self, subscription: Subscription) -> None:
        """Cancel one for good."""
        del self._wishes[subscription]
        subscription.cancel()

    def subscribe_again(self) -> int:
        """Ask again for what the venue refused or left silent; return how much that was."""
        silent, self.watch.silent = self.watch.silent, set()
        again = [
            subscription
            for subscription in self._wishes
            if subscription.state is StreamState.REFUSED
            or silent.intersection(subscription.streams)
        ]
        makers = [self._wishes.pop(subscription) for subscription in again]
        for subscription in again:
            subscription.cancel()
            for name in subscription.streams:
                if "@depth" in name:
                    self.watch.book(name.partition("@")[0].upper()).given_up()
        for make in makers:
            self._wish(make)
        self.resubscribed += len(again)
        return len(again)

    # ---- looking --------------------------------------------------------------------------

    @property
    def losses(self) -> int:
        """Connections the client has lost so far."""
        return self.watch.losses

    def links(self) -> dict[int, str]:
        """Return the client's connections that are up: local port to name."""
        found = {}
        for pool in self.client.pools:
            for connection in pool._connections:
                for link in connection.session._links:
                    name = link.transport.underlying_transport.get_extra_info("sockname")
                    if name:
                        found[name[1]] = connection.name
        return found

    def unsettled(self) -> list[str]:
        """Return what is not as it should be in quiet times: subscriptions, books, connections."""
        found = [f"{each.name} is {each.state}" for each in self._wishes if not each.is_active]
        for symbol in self.symbols:
            sync = self.client.book_sync(symbol)
            if sync is None or not sync.is_live:
                found.append(f"book {symbol}: {sync}")
        for pool in self.client.pools:
            found += [repr(c) for c in pool._connections if not c.is_active]
            if pool.subscription_count != pool.stream_count:
                found.append(f"{pool.subscription_count} of {pool.stream_count} confirmed: {pool}")
        return found

    async def settle(self, timeout_s: float, *, grace_s: float = GRACE_S) -> None:
        """Wait until every stream is confirmed and served, and every book is live."""
        give_up = time.monotonic() + timeout_s + grace_s
        # One that is confirmed and not served is told as silent later, and asked for again here.
        while unsettled := self.unsettled() or await self._misserved():
            if time.monotonic() > give_up:
                rest = f" and {len(unsettled) - 8} more" if len(unsettled) > 8 else ""
                raise AssertionError(
                    f"not settled after {timeout_s + grace_s:g} s: {'; '.join(unsettled[:8])}{rest}"
                )
            self.subscribe_again()
            await asyncio.sleep(0.05)
        self._settled_losses = self.losses

    # ---- verifying ------------------------------------------------------------------------

    async def audit(self, symbol: str) -> bool:
        """Compare a live book with the simulator's at the same update id; False if not live."""
        sync = self.client.book_sync(symbol)
        if sync is None or not sync.is_live:
            return False
        copy, seq = sync.chain.copy(), sync.chain.last_seq
        try:
            truth = await self.control.get("book", symbol=symbol, at=seq)
        except LookupError:
            return False  # the ids have started again since, or it is too long ago
        for difference in book_differences(copy, truth):
            self.ledger.fail(f"at update {seq}: {difference}")
        return True

    async def still(self, timeout_s: float = 15.0) -> None:
        """Stop the simulated market and wait until every book has its last update.

        A connection lost since `settle` (this machine was too busy to read for a while) leaves
        books that start over, which takes updates: then, and only then, the market goes on until
        all is well, and is stilled again.
        """
        for _ in range(3):
            ids = (await self.control.post("pause"))["update_ids"]
            with contextlib.suppress(AssertionError):
                await until(
                    lambda ids=ids: not self._behind(ids) or self._lost_since, timeout_s, grace_s=0
                )
            if not self._lost_since:
                break
            await self.control.post("resume")
            await self.settle(60.0)
        for each in self._behind(ids):
            self.ledger.fail(f"does not reach the venue's last update: {each}")

    @property
    def _lost_since(self) -> bool:
        """Whether a connection was lost since all was well."""
        return self.losses != self._settled_losses

    def _behind(self, ids: dict[str, int]) -> list[str]:
        found = []
        for symbol in self.symbols:
            sync = self.client.book_sync(symbol)
            if sync is None or sync.chain.last_seq != ids[symbol]:
                found.append(f"{symbol}: {sync} {sync and sync.chain.last_seq} {ids[symbol]}")
        return found

    async def verify(self) -> None:
        """Compare everything with the simulator; call after `settle` and `still`."""
        for symbol in self.symbols:
            sync = self.client.book_sync(symbol)
            assert sync is not None
            truth = await self.control.get("book", symbol=symbol)
            if not sync.is_live or sync.chain.last_seq != truth["u"]:
                self.ledger.fail(f"{sync} at {sync.chain.last_seq}, venue at {truth['u']}")
            for difference in book_differences(sync.chain, truth):
                self.ledger.fail(f"at the end: {difference}")
            self.watch.book(symbol).check_totals(sync)
        await self._verify_streams()
        self.ledger.compared_books += len(self.symbols)

    async def _streams(self) -> tuple[list[list[str]], list[list[str]]]:
        """Return the streams of each connection as the simulator and as the client sees them."""
        theirs = [
            sorted(each["subscriptions"])
            for each in await self.control.get("connections", open="true")
            if each["open"] and not each["frozen"] and each["kind"] == "stream"
        ]
        ours = [
            sorted(connection.slot.streams)
            for pool in self.client.pools
            for connection in pool._connections
        ]
        return sorted(theirs), sorted(ours)

    async def _misserved(self) -> list[str]:
        """Return what the simulator serves and the client does not believe, or the reverse."""
        theirs, ours = (Counter(map(tuple, lists)) for lists in await self._streams())
        return [
            f"only the {side} has a connection with {list(names[:4])}..."
            for side, more in (("venue", theirs - ours), ("client", ours - theirs))
            for names in more.elements()
        ]

    def _confirmed(self) -> int:
        return sum(pool.subscription_count for pool in self.client.pools)

    async def _verify_streams(self) -> None:
        """No ghost, no orphan: the simulator serves exactly what the client believes."""
        misserved = await self._misserved()
        # A connection that died last, without a word, is noticed when it has been silent long
        # enough; one without books keeps nothing else waiting.
        give_up = time.monotonic() + IDLE_TIMEOUT_S + 8.0
        while misserved and time.monotonic() < give_up:
            await asyncio.sleep(0.05)
            misserved = await self._misserved()
        for each in misserved:
            self.ledger.fail(each)
        theirs, ours = await self._streams()
        for name, count in Counter(name for names in theirs for name in names).items():
            if count > 1:
                self.ledger.fail(f"{name} is subscribed {count} times at the venue")
        with contextlib.suppress(AssertionError):  # the last answer may be on its way
            await until(lambda: self._confirmed() == sum(map(len, ours)), 5.0)
        confirmed = self._confirmed()
        if confirmed != sum(map(len, ours)):
            self.ledger.fail(f"{confirmed} confirmed, {sum(map(len, ours))} assigned")
