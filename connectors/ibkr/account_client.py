"""The account as it is: orders, executions, positions, money.

The socket tells what changes; REST is the truth at the start, after every gap (D-30), and while
orders are open, because the socket's rows of orders may stay away without a word (W-36, D-31).
Nothing is counted twice: all of it goes through one feed.

What comes to `on_event`: `OrderStatusReport`, `FillReport` (once per execution),
`FillCorrection` (a commission became known, or an execution was replaced),
`PositionStatusReport`, `AccountState`, `AccountPnl`, and `Prompt`, a question of the venue about
an order.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any

import orjson

from ..data.control import ChannelOutcome
from ..errors import ClientError, ConnectorError, DecodeError, RequestTimeout, VenueError
from ..execution.account_client import AccountClient as AccountClientBase
from ..execution.fills import FillKey
from ..execution.telling import Event, OnEvent, OnStatus
from ..model import (
    AccountPnl,
    FillCorrection,
    FillReport,
    Instrument,
    PositionStatusReport,
    StreamState,
    SubscriptionStatus,
)
from ..model.ids import AccountId, InstrumentId
from ..net.clock import NS_PER_S, SYSTEM_CLOCK, Clock, to_ns
from ..net.session_events import Closed, Connected, Lost, SessionEvent
from ..net.tasks import OwnedTasks
from ..settings import config_from
from .account_feed import AccountFeed
from .account_queries import AccountReader, Queries
from .catalog import ContractCatalog
from .channels import Channel
from .config import VENUE, Config
from .keeper import SessionKeeper
from .orders import INACTIVE_S
from .stream import TopicStream
from .topics import Detail, Notification, Prompt, decode
from .wire import Message

__all__ = ["AccountClient"]

log = logging.getLogger("connectors.ibkr")

OPEN_TIMEOUT_S = 60.0
POLL_S = 5.0  # P-05
POSITIONS_S = 1.0  # after a fill, the positions are read again
POSITIONS_AGAIN_S = 10.0  # and once more: the first reading may be older than the fill
EMPTY_S = 1.0  # a list without any of the positions there were is asked for again after that
RETRY_S = 5.0
HISTORY_MARGIN_S = 60.0  # the venue's clock and ours differ
RANK = 0
READY_TIMEOUT_S = 30.0
UNKNOWN_MAX = 1_000


class AccountClient(AccountClientBase):
    """Shows one login's account.

    ::

        async with AccountClient(on_event=print) as account:
            print(account.orders(), account.positions(), account.balances())

    Parameters
    ----------
    config :
        Settings; or give them by name.
    on_event, on_status :
        See the module; `StatusEvent` of the session and its topics.
    keeper :
        The session to share with other clients of the same login; by default one of its own.
    instruments :
        Known without asking; contracts of orders, executions and positions are looked up.
    poll_orders :
        Read the live orders every 5 s while any is open, and every `timers.orders_idle_s` while
        none is. Without it an order whose row does not come stays as it was, or unseen.
    """

    def __init__(
        self,
        config: Config | None = None,
        *,
        on_event: OnEvent | None = None,
        on_status: OnStatus | None = None,
        keeper: SessionKeeper | None = None,
        instruments: Iterable[Instrument] = (),
        poll_orders: bool = True,
        clock: Clock = SYSTEM_CLOCK,
        **settings: Any,
    ) -> None:
        if keeper is not None and config is None and not settings:
            config = keeper.config
        self.config = config_from(Config, config, settings)
        super().__init__(VENUE, on_event=on_event, on_status=on_status, clock=clock)
        self.keeper = keeper if keeper is not None else SessionKeeper(self.config, clock=clock)
        self._catalog = ContractCatalog(instruments=instruments)
        self._poll_orders = poll_orders
        self.feed = AccountFeed(
            self,
            instrument_of=self._catalog.get,
            account_id=self._account_name,
            clock=clock,
        )
        self._reader = AccountReader(lambda: self.keeper.rest, self.feed, clock)
        self._stream: TopicStream | None = None
        self._tasks: OwnedTasks | None = None
        self._wake = asyncio.Event()
        self._unknown: dict[int, int] = {}  # conid -> when to look it up (monotonic)
        self._lost_ns: int | None = None  # since when news may have been missed (Unix)
        self._running: dict[str, asyncio.Task[None]] = {}
        self._positions_due: int | None = None
        self._positions_again: int | None = None
        self._reading = asyncio.Lock()
        self._is_doubtful = False  # a frame was lost, whatever it said
        self._polled_ns = 0
        self._opened = False
        self._account = ""

    # -- looking -----------------------------------------------------------------------

    @property
    def account(self) -> str:
        """The venue's name of the account, "" before it is known."""
        return self._account

    @property
    def account_id(self) -> AccountId | None:
        """Our name of it."""
        return self._account_name(self.account) if self.account else None

    @property
    def is_caught_up(self) -> bool:
        """Whether what is shown is complete: connected, and no gap that is not closed yet."""
        return self._connected and self._is_current

    @property
    def _is_current(self) -> bool:
        return self._lost_ns is None and self.keeper.is_ready

    @property
    def pnl(self) -> tuple[AccountPnl, ...]:
        """Profit and loss, as far as the venue told."""
        return self.feed.pnl.known

    def _account_name(self, account: str) -> AccountId:
        if self.config.account_id is not None and account == self._account:
            return self.config.account_id
        return f"{VENUE}-{account}"

    def _queries(self) -> Queries:
        if self._tasks is None:
            raise ClientError("the client is not connected: use `async with` or `connect()`")
        look_up = self._look_up_contracts
        return Queries(self._reader, self.feed, self._catalog, self.fills.is_new, look_up)

    # -- life --------------------------------------------------------------------------

    async def _open(self) -> None:
        self._tasks = OwnedTasks(f"{VENUE.lower()}-account", on_death=self._teller.task_died)
        await self.keeper.open(timeout_s=OPEN_TIMEOUT_S)
        self._opened = True
        self._account = self.keeper.account
        self._catalog.use(self.keeper.rest)
        first = self.feed.since_ns == 0
        if first:
            self.feed.since_ns = self._clock.wall_ns() - to_ns(HISTORY_MARGIN_S)
        else:
            self._note_gap()
        stream = self._stream = TopicStream(
            self, "ibkr/account", self.keeper, rank=RANK, on_message=self._on_message
        )
        account = self.account
        for channel in (Channel.orders(), Channel.trades(), Channel.pnl(),
                        Channel.summary(account), Channel.ledger(account)):  # fmt: skip
            stream.subscribe(channel.name)
        await stream.open()
        epoch = self.keeper.epoch
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                await self._read_all(is_first=first)
        except TimeoutError:
            raise RequestTimeout(
                f"the account was not read within {READY_TIMEOUT_S:.0f} s of the session"
            ) from None
        if self._is_whole_since(epoch):
            self._lost_ns = None
        self._tasks.spawn(self._mind(), "mind")

    async def _teardown(self, why: str) -> None:
        stream, self._stream = self._stream, None
        tasks, self._tasks = self._tasks, None
        self._running.clear()
        if tasks is not None:
            await tasks.close(timeout_s=2.0)
        if stream is not None:
            for name in list(stream.control.channels):
                stream.unsubscribe(name)  # others may use the session on
            await stream.close()
        if self._opened:
            self._opened = False
            await self.keeper.close()

    # -- what comes in -----------------------------------------------------------------

    def _on_message(self, message: Message, ts_init: int) -> None:
        topic = decode(message)
        try:
            if topic.detail is Detail.MALFORMED:
                raise DecodeError("it is not JSON", 0)
            if self.feed.take(topic):
                self._wake.set()
                return
        except Exception as error:
            log.warning("venue=%s a frame is lost", VENUE, exc_info=error)
            self.on_frame_problem(None, error)
            return
        if topic.detail in (Detail.NOTIFICATION, Detail.PROMPT):
            for note in topic.value:
                self._take_note(note, topic.payload)

    def _take_note(self, note: Notification | Prompt, payload: Any) -> None:
        if isinstance(note, Prompt):
            self.deliver(note)  # type: ignore[arg-type]  # this venue's own
        else:
            self._teller.venue_event(Detail.NOTIFICATION, orjson.dumps(payload), stream="ntf")

    def take_fill(self, report: FillReport, key: FillKey | None = None) -> bool:
        """Hand a trade on, and have the positions read again."""
        self._positions_soon()
        return super().take_fill(report, key)

    def deliver(self, report: Event) -> None:
        """Hand anything on; after a replaced execution the positions are others too."""
        if isinstance(report, FillCorrection) and report.is_replaced:
            self._positions_soon()
        super().deliver(report)

    def _positions_soon(self) -> None:
        now_ns = self._clock.monotonic_ns()
        soon_ns = now_ns + to_ns(POSITIONS_S)
        self._positions_again = now_ns + to_ns(POSITIONS_AGAIN_S)
        if self._positions_due is None or self._positions_due > soon_ns:
            self._positions_due = soon_ns
            self._wake.set()

    def unknown_contract(self, conid: int) -> None:
        """Look a contract up, once for all rows that name it."""
        if conid not in self._unknown and len(self._unknown) < UNKNOWN_MAX:
            self._unknown[conid] = self._clock.monotonic_ns()
            self._wake.set()

    # -- the session (StreamOwner) -----------------------------------------------------

    def on_outcomes(self, stream: TopicStream, outcomes: list[ChannelOutcome]) -> None:
        """Tell of topics that are not served."""
        for outcome in outcomes:
            if outcome.state is StreamState.REFUSED:
                self._teller.refused(outcome.channel, outcome.code, outcome.message)
                continue
            self._teller.status(
                SubscriptionStatus(
                    venue=VENUE,
                    ts_init=self._clock.wall_ns(),
                    stream=outcome.channel,
                    state=outcome.state,
                    code=outcome.code,
                    message=outcome.message,
                )
            )

    def on_session_event(self, stream: TopicStream, event: SessionEvent) -> None:
        """Note gaps; what was missed is read when the session is back."""
        if isinstance(event, Lost | Closed):
            self._note_gap()
        self._teller.session(stream.name, event, tell_reconnected=False)
        if isinstance(event, Connected):
            self._wake.set()

    def on_venue_error(self, stream: TopicStream, code: int | None, message: str) -> None:
        """Tell of an error that is about no topic."""
        self.on_problem(message, code, None)

    def on_frame_problem(self, stream: TopicStream | None, error: Exception) -> None:
        """Tell of a frame that could not be used, and have what it may have said read."""
        self.on_problem(f"a frame could not be used: {error}", None, error)
        self._is_doubtful = True
        self._wake.set()

    def on_unknown_frame(self, stream: TopicStream, name: str, data: bytes) -> None:
        """Of other topics somebody else takes care."""

    def _note_gap(self) -> None:
        if self._lost_ns is None:
            # Noted when it begins: the next connection may bring news before the old is read.
            # A loss may be noticed long after it (a machine that slept): not from now on.
            newest_ns = self.feed.newest_ns or self.feed.since_ns
            self._lost_ns = min(newest_ns, self._clock.wall_ns()) - to_ns(HISTORY_MARGIN_S)

    # -- reading -----------------------------------------------------------------------

    async def _read_all(self, *, is_first: bool = False) -> None:
        """Read everything over REST, through the feed (D-30)."""
        reader = self._reader
        since_ns = self._lost_ns
        reader.begin()
        await self._know_positions()
        await self._read_positions()  # first: the lists below wait for their turn (P-05)
        await reader.refresh_orders()
        await reader.trades(since_ns=since_ns)
        await self._look_up_contracts()
        self._polled_ns = self._clock.monotonic_ns()
        await reader.orders()  # late: the venue allows one list in 5 s
        await self._look_up_contracts()  # that no position and no trade names
        await self._read_positions()
        await reader.money(self.account)  # last: orders do not wait for it
        self.feed.trades_answered(self._clock.monotonic_ns(), is_first=is_first)

    async def _know_positions(self) -> None:
        """Look up the contracts that are held, before anything is told about them."""
        self.feed.name_contracts(await self._reader.positions(self.account))
        await self._look_up_contracts()

    def _replayed(self, conid: int) -> None:
        self._unknown.pop(conid, None)
        self.feed.replay(conid)
        self._positions_soon()  # rows of it could not be told

    async def _read_positions(self) -> None:
        async with self._reading:  # an answer to an older question must not come last
            await self._take_positions()

    async def _take_positions(self) -> None:
        again_ns = self._positions_again
        is_last = again_ns is None or again_ns <= self._clock.monotonic_ns()
        self._positions_due = self._positions_again = None if is_last else again_ns
        try:
            rows = await self._reader.positions(self.account)
            if not rows and len(self._positions):  # the venue may still be loading them
                await asyncio.sleep(EMPTY_S)
                rows = await self._reader.positions(self.account)
        except BaseException:
            self._positions_soon()  # what called for it is still unread
            raise
        account_id = self._account_name(self.account)
        present = self.feed.positions(self.account, rows)
        for report in self._positions.drop_others(
            present, self._clock.wall_ns(), account_id=account_id
        ):
            self.deliver(report)

    async def _look_up_contracts(self) -> None:
        now_ns = self._clock.monotonic_ns()
        for conid in [conid for conid, due_ns in self._unknown.items() if due_ns <= now_ns]:
            try:
                await self._catalog.find(conid)
            except (VenueError, DecodeError) as error:
                self._unknown[conid] = self._clock.monotonic_ns() + to_ns(60.0)
                self.on_problem(f"contract {conid} is not known: {error}", None, error)
                continue
            except ClientError as error:
                self._unknown[conid] = self._clock.monotonic_ns() + to_ns(600.0)
                self.on_problem(str(error), None, error)
                continue
            self._replayed(conid)

    # -- what has to be asked for, and when ----------------------------------------------

    async def _mind(self) -> None:
        """Have done what is due; ends by cancellation."""
        while True:
            self._wake.clear()
            if self._is_current:  # in a gap silence says nothing
                self.feed.settle()
            for name, call in self._due():
                self._start(name, call)
            try:
                async with asyncio.timeout(self._wait_s()):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _due(self) -> Iterator[tuple[str, Callable[[], Awaitable[object]]]]:
        """Go through what is to be done now."""
        if not self.keeper.is_ready:
            return
        if self._lost_ns is not None:
            yield "catch-up", self._catch_up
        now_ns = self._clock.monotonic_ns()
        if self._positions_due is not None and self._positions_due <= now_ns:
            yield "positions", self._read_positions
        if self._lost_ns is not None:
            return
        if any(due_ns <= now_ns for due_ns in self._unknown.values()):
            yield "contracts", self._look_up_contracts
        missing_ns = self.feed.missing_due_ns()
        if missing_ns is not None and missing_ns <= now_ns:
            yield "trades", self._reader.trades
        if self._is_doubtful:
            yield "doubt", self._read_doubtful
        poll_ns = self._poll_due_ns()
        if poll_ns is not None and poll_ns <= now_ns:
            yield "orders", self._poll

    def _start(self, name: str, call: Callable[[], Awaitable[object]]) -> None:
        """Begin something, unless it is under way: requests wait for their turn, and not in line.

        The venue allows some every five seconds only.
        """
        tasks, running = self._tasks, self._running.get(name)
        if tasks is not None and (running is None or running.done()):
            task = self._running[name] = tasks.spawn(self._do(call), name)
            task.add_done_callback(lambda _: self._wake.set())

    async def _do(self, call: Callable[[], Awaitable[object]]) -> None:
        try:
            await call()
        except Exception as error:
            if not isinstance(error, ConnectorError):  # nobody foresaw it: no reason for haste
                log.exception("venue=%s the account could not be read", VENUE)
            self.on_problem(f"account not read: {type(error).__name__}: {error}", None, error)
            # In the penalty box asking again only makes it worse (P-09).
            await asyncio.sleep(max(RETRY_S, getattr(error, "retry_after_s", 0.0)))

    async def _catch_up(self) -> None:
        """Close a gap (D-30); one that opens meanwhile stays open."""
        epoch = self.keeper.epoch
        await self._read_all()
        if self._is_whole_since(epoch):
            self._lost_ns = None
            self._teller.reconnected("ibkr/account")

    def _is_whole_since(self, epoch: int) -> bool:
        """Tell whether the session was there all the time since it was in that epoch."""
        return self.keeper.is_ready and self.keeper.epoch == epoch

    async def _read_doubtful(self) -> None:
        self._is_doubtful = False
        try:
            await self._reader.trades()
            await self._poll()
        except BaseException:
            self._is_doubtful = True
            raise

    async def _poll(self) -> None:
        self._polled_ns = self._clock.monotonic_ns()
        if not await self._reader.orders(patiently=self.feed.board.has_open):
            await self._reader.refresh_orders()  # for the next time

    def _poll_due_ns(self) -> int | None:
        board = self.feed.board
        if board.inactive or (self._poll_orders and board.has_open):
            return self._polled_ns + to_ns(POLL_S)
        if self._poll_orders:
            return self._polled_ns + to_ns(self.config.timers.orders_idle_s)
        return None

    def _wait_s(self) -> float | None:
        """Return the seconds until something is due, None: until something happens."""
        dues: list[int | None] = []
        if self._is_current:
            dues += [
                order.inactive_ns + to_ns(INACTIVE_S)
                for order in self.feed.board.inactive
                if order.inactive_ns is not None
            ]
        if self.keeper.is_ready:
            waiting: list[tuple[str, int | None]] = [("positions", self._positions_due)]
            if self._lost_ns is None:
                waiting += (
                    ("trades", self.feed.missing_due_ns()),
                    ("orders", self._poll_due_ns()),
                    ("contracts", min(self._unknown.values(), default=None)),
                )
            for name, due_ns in waiting:
                running = self._running.get(name)
                if running is None or running.done():  # its end wakes us
                    dues.append(due_ns)
        known = [due_ns for due_ns in dues if due_ns is not None]
        return max(min(known) - self._clock.monotonic_ns(), 0) / NS_PER_S if known else None

    async def generate_position_status_reports(
        self, instrument_id: InstrumentId | None = None
    ) -> list[PositionStatusReport]:
        """Return the open positions, read anew."""
        self._queries()
        await self._read_positions()
        return self.positions(instrument_id)
