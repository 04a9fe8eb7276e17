"""A dYdX account as it is: orders, trades, positions, balances.

::

    async with dydx.AccountClient(address="dydx1...", on_event=print) as account:
        account.orders(), account.positions(), account.balances()

`docs/dydx.md` tells when an order is over.
"""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

from ..errors import ClientError, ConfigError, ConnectorError, RequestTimeout
from ..execution import account_client
from ..execution.telling import OnEvent, OnStatus
from ..model.ids import AccountId, VenueOrderId
from ..model.reports import OrderStatusReport
from ..net.attempts import AttemptBudget
from ..net.clock import SYSTEM_CLOCK, Clock
from ..net.session_events import SessionEvent
from ..net.tasks import OwnedTasks
from ..settings import config_from
from .account import AccountFeed
from .account_queries import Queries
from .account_stream import AccountStream
from .config import VENUE, Config
from .heights import BlockHeights
from .holdings import Holding
from .members import Members
from .order_state import OrderState
from .orders import OrderStore
from .reconcile import Reconciliation
from .rest import IndexerRest
from .rows import height_of

__all__ = ["AccountClient"]

CLOSE_TIMEOUT_S = 2.0
FIRST_READ_TIMEOUT_S = 30.0


class AccountClient(account_client.AccountClient):
    """Looks at one subaccount, or at a parent with all its children.

    Needs an address and no key: whoever knows the address of an account can read it. All methods
    belong to the event loop `connect` ran on.

    Parameters
    ----------
    config : Config, optional
        Or its fields by name: `address` or `credential`, `subaccount_number`, `parent`, ...
    on_event : callable, optional
        Receives what is new: `OrderStatusReport`, `FillReport`, `PositionStatusReport`,
        `AccountState`, `Transfer`. What it raises is logged and counted.
    on_status : callable, optional
        Receives `StatusEvent`s: connections, streams, problems, and what has no place in the
        vocabulary (`VenueEvent`).
    attempts, clock :
        Budget of connection attempts and time source.

    Attributes
    ----------
    config : Config
    heights : BlockHeights
        The height of the chain, and how long a block takes.

    Raises
    ------
    ConfigError
        Without an address, or with one that is none.
    """

    def __init__(
        self,
        config: Config | None = None,
        *,
        on_event: OnEvent | None = None,
        on_status: OnStatus | None = None,
        attempts: AttemptBudget | None = None,
        clock: Clock = SYSTEM_CLOCK,
        **settings: Any,
    ) -> None:
        super().__init__(VENUE, on_event=on_event, on_status=on_status, clock=clock)
        self.config = config_from(Config, config, settings)
        if self.config.address is None:
            raise ConfigError(
                "a dYdX account is named by its address: set address, or DYDX_WALLET_ADDRESS"
            )
        self._members = Members(
            self.config.address,
            self.config.subaccount_number,
            is_parent=self.config.parent,
            account_id=self.config.account_id,
        )
        self._attempts = attempts
        self.heights = BlockHeights()
        self._store = OrderStore(window=self.config.short_block_window)
        self._feed = AccountFeed(
            self, members=self._members, store=self._store, heights=self.heights, clock=clock
        )
        self._rest: IndexerRest | None = None
        self._stream: AccountStream | None = None
        self._reconciliation: Reconciliation | None = None
        self._unread_since: int | None = None
        self._tasks: OwnedTasks | None = None
        self._restored = 0

    # -- looking -----------------------------------------------------------------------

    @property
    def account_id(self) -> AccountId:
        """Our name for the account: `DYDX-{address}-{number}` unless the config has another."""
        return self._members.own_id

    @property
    def address(self) -> str:
        """The account's address."""
        return self._members.address

    @property
    def is_connected(self) -> bool:
        """Whether `connect` has succeeded and the connection is up."""
        stream = self._stream
        return self._connected and stream is not None and stream.is_ready

    @property
    def is_caught_up(self) -> bool:
        """Whether nothing that happened while nobody listened is unread.

        False for some blocks after each `connect` and reconnect: orders end by height only then.
        """
        reconciliation = self._reconciliation
        return self.is_connected and reconciliation is not None and not reconciliation.is_open

    @property
    def is_funded(self) -> bool | None:
        """Whether the venue knows the account; None before it has said.

        It does once money has come in; until then there is nothing to see, and nothing is wrong.
        """
        return self._feed.is_funded

    def order_state(self, venue_order_id: VenueOrderId) -> OrderState | None:
        """Return what the venue's words amount to for an order, with its good-til block."""
        return self._store.get(venue_order_id)

    def orders_in_doubt(self) -> list[OrderStatusReport]:
        """Return the live orders of which nobody can say whether they still stand."""
        found = (self.order(state.order_id) for state in self._store.in_doubt)
        return [report for report in found if report is not None]

    def holding(self, subaccount_number: int | None = None) -> Holding:
        """Return equity and free collateral of a subaccount, as of its `height`.

        Raises
        ------
        ClientError
            If the subaccount is none of this account's.
        """
        number = self._members.number if subaccount_number is None else subaccount_number
        if not self._members.is_member(number):
            raise ClientError(f"subaccount {number} is not watched by {self!r}")
        return self._feed.holdings.get(number)

    @property
    def equity(self) -> Decimal | None:
        """Equity at the last reading, in USDC; of a parent with its children."""
        holdings = self._feed.holdings
        return holdings.parent.equity if self._members.is_parent else holdings.get().equity

    # -- connecting --------------------------------------------------------------------

    async def _open(self) -> None:
        config = self.config
        tasks = self._tasks = OwnedTasks("dydx/account", on_death=self._teller.task_died)
        rest = self._rest = IndexerRest(config)
        reconciliation = self._reconciliation = Reconciliation(
            self,
            rest=rest,
            feed=self._feed,
            store=self._store,
            heights=self.heights,
            members=self._members,
            tasks=tasks,
            lag_blocks=config.rest_lag_blocks,
            unread_since=self._unread_since,
        )
        reconciliation.open_gap()
        reconciliation.is_deaf = True
        stream = self._stream = AccountStream(
            self, config=config, members=self._members, attempts=self._attempts
        )
        await stream.open()
        try:
            async with asyncio.timeout(FIRST_READ_TIMEOUT_S):
                await reconciliation.has_read.wait()
        except TimeoutError:
            raise RequestTimeout(
                f"the account was not read within {FIRST_READ_TIMEOUT_S:g} s"
            ) from None
        if reconciliation.refusal is not None:
            raise reconciliation.refusal
        tasks.spawn(reconciliation.every(config.reconcile_interval_s), "reconcile")
        tasks.spawn(self._watch_heights(rest, stream), "watch-heights")

    async def _watch_heights(self, rest: IndexerRest, stream: AccountStream) -> None:
        """Replace a connection that tells no heights while the chain makes blocks.

        Without heights no short-term order ends, and no gap is closed.
        """
        patience_s = self.config.idle_timeout_s
        while True:
            await asyncio.sleep(patience_s)
            age_s = self.heights.age_s(self._clock.monotonic_ns())
            if not stream.is_ready or age_s is None or age_s < patience_s:
                continue
            try:
                there = height_of(await rest.height(), "height")
            except ConnectorError as error:
                self.on_problem(f"no blocks for {age_s:.0f} s: {error}", None, error)
                continue
            if there <= (self.heights.height or 0):
                self.on_problem(f"no blocks for {age_s:.0f} s: the chain stands", None, None)
            elif stream.is_ready:
                stream.session.reconnect(f"no heights for {age_s:.0f} s")

    async def _teardown(self, why: str) -> None:
        self._connected = False
        stream, self._stream = self._stream, None
        tasks, self._tasks = self._tasks, None
        rest, self._rest = self._rest, None
        if self._reconciliation is not None:
            self._unread_since = self._reconciliation.unread_since
        self._reconciliation = None
        self._store.is_held = True
        self._restored = 0
        try:
            if tasks is not None:
                await tasks.close(timeout_s=CLOSE_TIMEOUT_S)
        finally:
            if stream is not None:
                await stream.close()
            if rest is not None:
                await rest.close()

    def _queries(self) -> Queries:
        if self._rest is None:
            raise ClientError("not connected to the venue")
        height = self.heights.height or 0
        return Queries(self._rest, members=self._members, feed=self._feed, height=height)

    # -- what comes in (AccountOwner) ----------------------------------------------------

    def on_snapshot(self, contents: Any) -> None:
        """Take what a subscription begins with."""
        self._feed.snapshot(contents)

    def on_update(self, contents: Any, number: int | None) -> None:
        """Take a message of the account."""
        bad_rows = self._feed.bad_rows
        self._feed.update(contents, number)
        if self._feed.bad_rows != bad_rows:
            self.on_gap("a row could not be read")

    def on_height(self, contents: Any) -> None:
        """Take a block."""
        self._feed.block_height(contents)
        if self._reconciliation is not None:
            self._reconciliation.on_height()

    def on_gap(self, why: str) -> None:
        """Read what may be missing."""
        reconciliation = self._reconciliation
        if reconciliation is None:
            return
        if not reconciliation.is_open:  # one that is open is being read
            text = f"messages of {self._members.topic} may be missing: {why}; reading the account"
            self.on_problem(text, None, None)
        reconciliation.read_gap()

    def on_link_up(self, *, is_reconnect: bool) -> None:
        """Both topics have spoken: read what was missed."""
        self._restored += is_reconnect
        if self._reconciliation is not None:
            self._reconciliation.is_deaf = False
            self._reconciliation.read_gap()

    def on_link_lost(self, epoch: int, why: str) -> None:
        """Nothing is told until the next connection."""
        if self._reconciliation is not None:
            self._reconciliation.open_gap()
            self._reconciliation.is_deaf = True
        self._store.doubt()

    def on_session_event(self, event: SessionEvent) -> None:
        """Translate for the status callback."""
        self._teller.session("account", event, tell_reconnected=False)

    def on_read(self) -> None:
        """What was missed was read: tell it, once for each connection that was restored."""
        restored, self._restored = self._restored, 0
        for _ in range(restored):
            self._teller.reconnected("account")

    def venue_event(self, name: str, payload: bytes) -> None:
        """Hand on what has no place in the vocabulary."""
        self._teller.venue_event(name, payload, stream="account")
