"""What every part of the execution client shares: state, what comes in, and the callbacks."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from .._speedups.hyperliquid import UserFrame
from ..execution.client import TradingClient
from ..execution.dispatch import trade_of_order
from ..execution.identity import TrackedOrder
from ..execution.legs import CANCEL_REPLACE_RULES, LegDispatch
from ..execution.lookups import LookupSchedule, Why
from ..execution.markets import Markets
from ..execution.reconcile import Reconciler
from ..execution.sending import Command, Kind
from ..execution.telling import OnEvent, OnStatus
from ..model.instruments import Instrument
from ..model.reports import FillReport
from ..net.attempts import AttemptBudget
from ..net.clock import NS_PER_MS, SYSTEM_CLOCK, Clock, to_ns
from ..net.session_events import Connected, SessionEvent
from .account import Balances, Positions
from .account_feed import AccountFeed
from .config import VENUE, Config, FillPolicy
from .instruments import ALL_DEXES, USD, dex_of, is_spot, load_instruments
from .lines import Line
from .modifying import Modifications
from .orders import Rules
from .outcomes import Outcomes
from .private_stream import PrivateStream
from .queries import Queries
from .recovery import Recovery
from .reports import Reporter
from .rest import HyperliquidRest
from .sending import ActionSigner, Sender
from .signing import Signer

__all__ = ["ClientCore"]

log = logging.getLogger("connectors.hyperliquid")

NON_USER_CANCEL_GRACE_S = 0.25  # in which the row comes that says how an order ended
_RULES = replace(CANCEL_REPLACE_RULES, fill_key=trade_of_order)


class ClientCore(TradingClient):
    """State of one account's client; the other halves of `ExecutionClient` build on it."""

    NAME = "Hyperliquid"
    NEEDS = "private_key"

    dispatch: LegDispatch
    _signer: ActionSigner | None
    _rest: HyperliquidRest | None
    _sender: Sender | None
    _stream: PrivateStream | None
    _recovery: Recovery | None

    def __init__(
        self,
        config: Config,
        *,
        on_event: OnEvent | None = None,
        on_status: OnStatus | None = None,
        instruments: Iterable[Instrument] = (),
        signer: ActionSigner | None = None,
        attempts: AttemptBudget | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.config = config
        super().__init__(
            VENUE,
            on_event=on_event,
            on_status=on_status,
            clock=clock,
            signer=signer if signer is not None else _make_signer(config),
            owns_signer=signer is None,
            attempts=attempts,
            max_quote_age_s=config.max_quote_age_s,
        )
        self._user = _user(config, self._signer)
        self._dexes: tuple[str, ...] = ("",)
        self._collateral: dict[str, str] = {}  # by dex
        self._ahead_ms = 0  # our clock of the venue's
        self._rules = Rules(
            slippage_bps=config.market_slippage_bps, normalize_prices=config.normalize_prices
        )
        self.markets: Markets[str] = Markets(clock, lambda instrument: instrument.symbol)
        self.markets.add(instruments)
        self.dispatch = LegDispatch(
            self.registry,
            on_event=self._teller.on_event,
            on_report=self._teller.on_event,
            on_late_fill=self._late_fill,
            on_error=self._teller.callback_failed,
            wall_ns=clock.wall_ns,
            rules=_RULES,
            hold_fills=config.fill_policy is FillPolicy.BUFFER,
        )
        self._schedule = LookupSchedule(
            pause_ns=config.submit_unresolved_ms * NS_PER_MS,
            max_pause_ns=to_ns(config.unresolved_max_pause_s),
        )
        self._reconciler = Reconciler(self.dispatch, self._schedule, wall_ns=clock.wall_ns)
        self._reporter = Reporter(
            self.registry,
            instrument_of=self.markets.by_key,
            on_unknown_coin=self._unknown_coin,
            wall_ns=clock.wall_ns,
        )
        self._positions = Positions()
        self._balances = Balances(self.account_id, self._collateral_of)
        self._feed = AccountFeed(
            self,
            dispatch=self.dispatch,
            reporter=self._reporter,
            positions=self._positions,
            balances=self._balances,
            clock=clock,
            emit_history=config.emit_fill_history,
        )
        self._outcomes = Outcomes(
            self.dispatch, config=config, wall_ns=clock.wall_ns, on_problem=self._teller.problem
        )
        self._modifications = Modifications(self.dispatch, self.markets, self._rules)

    # -- looking -----------------------------------------------------------------------

    @property
    def user(self) -> str | None:
        """Address of the account whose orders these are; None without credentials."""
        return self._user

    @property
    def account_id(self) -> str | None:
        """Our name for the account, None without credentials."""
        if self.config.account_id is not None or self._user is None:
            return self.config.account_id
        return f"{VENUE}-{self._user}"

    # -- what the parts need -----------------------------------------------------------

    def _queries(self) -> Queries:
        self._need_credentials("ask")
        assert self._user is not None
        return Queries(
            self._need(self._rest),
            user=self._user,
            dexes=self._dexes,
            reporter=self._reporter,
            dispatch=self.dispatch,
            feed=self._feed,
            clock=self._clock,
        )

    async def _load_markets(self) -> None:
        rest = self._need(self._rest)
        found = await self.markets.load(lambda: load_instruments(rest, self.config.dexes))
        self._tell_markets(found)
        wanted = dict.fromkeys(self.config.dexes)
        if ALL_DEXES in wanted:
            wanted = dict.fromkeys(dex_of(instrument) for instrument in self.markets)
        # The venue cuts a connection that asks for a dex it does not have.
        self._dexes = ("", *(dex for dex in wanted if dex))
        for each in self.markets:
            if each.settle and not is_spot(each):
                self._collateral[each.info.get("dex", "")] = each.settle

    def _collateral_of(self, dex: str) -> str:
        return self._collateral.get(dex, USD)

    # -- what comes in (StreamOwner) -----------------------------------------------------

    def on_orders(self, frame: UserFrame) -> None:
        """Take rows of orders; see `account_feed`."""
        rows: list[Any] = frame.rows
        self._feed.orders(rows)
        self.settled()

    def on_fills(self, frame: UserFrame) -> None:
        """Take rows of fills."""
        if frame.user and frame.user.lower() != self._user:
            self.on_problem(f"fills of another account ({frame.user}) not used", None, None)
            return
        self._feed.fills(frame)
        self.settled()

    def on_data(self, channel: str, data: Any) -> None:
        """Take a frame of another channel."""
        self._feed.data(channel, data)

    def on_post(self, data: Any, epoch: int) -> bool:
        """Take the answer to a command."""
        taken = self._sender is not None and self._sender.on_post(data, epoch)
        self.settled()
        return taken

    def on_post_error(self, text: str, epoch: int) -> bool:
        """Take an error that may be about a command."""
        return self._sender is not None and self._sender.on_error(text, epoch)

    def on_link_up(self, *, is_reconnect: bool) -> None:
        """Send again; after a gap read what was missed."""
        sender, recovery, tasks = self._sender, self._recovery, self._tasks
        if sender is None or recovery is None or tasks is None:
            return
        sender.resume()
        if is_reconnect:
            tasks.spawn(self._catch_up(recovery), "catch-up")
            self._refresh_markets()  # a venue that was away may be back with other markets
        recovery.arm()
        self.settled()

    async def _catch_up(self, recovery: Recovery) -> None:
        await recovery.catch_up()
        if self._recovery is recovery:
            self._teller.reconnected("private")

    def on_link_lost(self, epoch: int, why: str) -> None:
        """Settle what was on its way; caches stay until the next reading."""
        self._feed.forget_positions()
        if self._recovery is not None:
            self._recovery.gap_began()
        if self._sender is not None:
            self._sender.connection_lost(epoch, why)

    def on_session_event(self, event: SessionEvent) -> None:
        """Translate for the status callback."""
        if isinstance(event, Connected) and event.is_reconnect:
            log.info("venue=HYPERLIQUID connected again: reading what was missed")
        self._teller.session("private", event, tell_reconnected=False)

    # -- of the feed and of recovery -----------------------------------------------------

    def _late_fill(self, report: FillReport, order: TrackedOrder) -> None:
        """Hand out a fill of an order that is over, as a report: there is no event for it."""
        log.warning("venue=HYPERLIQUID fill %s after the end of %s", report.trade_id, order)
        self._teller.event(report)

    def order_seen(self, order: TrackedOrder) -> None:
        """Fetch fills that a row speaks of, unless they come by themselves."""
        if order.missing_since_ns is not None and self._recovery is not None:
            in_s = self.config.submit_unresolved_ms / 1_000
            self._recovery.note_missing(order, in_s=in_s)

    def order_ended_by_venue(self, order: TrackedOrder) -> None:
        """Look the order up unless a row comes that says how it ended."""
        if self._recovery is not None:
            self._recovery.ask(order, Why.ABSENT, in_s=NON_USER_CANCEL_GRACE_S)

    def fills_missing(self, since_ms: int) -> None:
        """Read the fills that did not come."""
        if self._recovery is not None and self._recovery.fetch_fills(since_ms):
            log.warning("venue=HYPERLIQUID a fill does not continue the one before: reading fills")

    def venue_event(self, name: str, payload: bytes) -> None:
        """Hand on what has no place in the vocabulary."""
        self._teller.venue_event(name, payload, stream="private")

    def settled(self) -> None:
        """Send what waited for something to be settled."""
        if self._modifications.is_wanted:
            self._modifications.pump()

    def command_of(self, order: TrackedOrder, kind: Kind) -> Command | None:
        """Return the newest command of a kind to an order that lives."""
        line = order.tag
        return line.commands.get(kind) if isinstance(line, Line) else None

    def is_waiting(self, order: TrackedOrder) -> bool:
        """Return whether the venue has taken an order that lives without giving it an id."""
        line = order.tag
        return isinstance(line, Line) and line.is_waiting and not order.is_accepted

    def _unknown_coin(self, coin: str) -> None:
        self._refresh_markets()


def _make_signer(config: Config) -> ActionSigner | None:
    if config.credentials is None:
        return None
    return Signer(config.credentials.private_key, pool_capacity=config.signing_pool)


def _user(config: Config, signer: ActionSigner | None) -> str | None:
    if signer is None:
        return None
    if config.credentials is None:
        return signer.address.lower()
    return config.credentials.user(signer.address)
