"""What every part of the execution client shares: state, what comes in, and the callbacks."""

from __future__ import annotations

from collections.abc import Iterable

from ..execution.client import TradingClient
from ..execution.dispatch import DispatchRules, OrderDispatch
from ..execution.dispatch import OrderRow as DispatchRow
from ..execution.lookups import LookupSchedule
from ..execution.markets import Markets
from ..execution.reconcile import Reconciler
from ..execution.telling import OnEvent, OnStatus
from ..model.ids import AccountId
from ..model.instruments import Instrument
from ..net.attempts import AttemptBudget
from ..net.clock import SYSTEM_CLOCK, Clock, to_ns
from ..net.session_events import SessionEvent
from .account import Balances, Positions
from .account_feed import AccountFeed, TxOutcome
from .commands import TxSigner
from .config import VENUE, Config
from .instruments import market_index
from .limits import Tier
from .orders import Rules
from .outcomes import Outcomes
from .private_stream import PrivateStream
from .queries import Queries
from .recovery import Recovery
from .reports import Reporter
from .rest import LighterRest
from .sending import Sender
from .signing import Signer
from .tokens import Tokens
from .wire import Frame

__all__ = ["ClientCore"]

RATE_LIMIT_PAUSE_S = 1.0


class ClientCore(TradingClient):
    """State of one account's client; the other halves of `ExecutionClient` build on it."""

    NAME = "Lighter"
    NEEDS = "api_secret, account_index and api_key_index"

    _signer: TxSigner | None
    _rest: LighterRest | None
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
        signer: TxSigner | None = None,
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
        self._rules = Rules(
            slippage_bps=config.market_order_slippage_bps,
            strict=config.strict_precision,
            integrator_index=config.integrator_account_index,
        )
        credentials = config.credentials
        self._account_index = credentials.account_index if credentials else -1
        self._api_key_index = credentials.api_key_index if credentials else -1
        self.markets: Markets[int] = Markets(clock, market_index)
        self.markets.add(instruments)
        self.dispatch = OrderDispatch(
            self.registry,
            on_event=self._teller.on_event,
            on_report=self._teller.on_event,
            on_error=self._teller.callback_failed,
            wall_ns=clock.wall_ns,
            rules=DispatchRules(),
        )
        self._schedule = LookupSchedule(
            pause_ns=to_ns(config.probe_delay_s), max_pause_ns=to_ns(15.0)
        )
        self._reconciler = Reconciler(self.dispatch, self._schedule, wall_ns=clock.wall_ns)
        self._reporter = Reporter(
            self._account_index,
            self.registry,
            instrument_of=self.markets.by_key,
            wall_ns=clock.wall_ns,
        )
        self._positions = Positions()
        self._balances = Balances(config.account_name)
        self._feed = AccountFeed(
            self,
            dispatch=self.dispatch,
            reconciler=self._reconciler,
            reporter=self._reporter,
            markets=self.markets,
            positions=self._positions,
            balances=self._balances,
            clock=clock,
        )
        self.on_rows = self._feed.take_rows  # of a busy stream, for `PrivateStream`
        self._outcomes = Outcomes(
            self.dispatch,
            probe_delay_s=config.probe_delay_s,
            on_problem=self._teller.problem,
            on_rate_limit=self._slow_down,
        )
        self._tokens: Tokens | None = None
        if self._signer is not None:
            self._tokens = Tokens(
                self._signer.auth_token,
                lifetime_s=config.token_lifetime_s,
                given=config.read_only_token,
                clock=clock,
            )
        self._last_index = 0
        self._held_until_ns = 0
        self.tier: Tier | None = None

    # -- looking -----------------------------------------------------------------------

    @property
    def account_id(self) -> AccountId | None:
        """Our name for the account, None without credentials."""
        return self.config.account_name

    # -- what the parts need -----------------------------------------------------------

    def _queries(self) -> Queries:
        return Queries(
            self._need(self._rest),
            reporter=self._reporter,
            markets=self.markets,
            dispatch=self.dispatch,
            clock=self._clock,
        )

    async def _load_markets(self) -> None:
        self._tell_markets(await self.markets.load(self._need(self._rest).instruments))
        self._feed.replay()  # rows that waited for definitions

    # -- what comes in (StreamOwner, FeedOwner) ----------------------------------------

    def on_snapshot(self, stream: str) -> None:
        """A busy stream has begun, perhaps anew."""
        recovery = self._recovery
        if recovery is not None:
            if stream == "account_all_trades":
                recovery.trades_subscribed()
            recovery.arm()  # for the orders that are absent from it

    def on_stream(self, frame: Frame) -> None:
        """Take a frame of another stream."""
        self._feed.take(frame)

    def on_answer(self, frame: Frame) -> bool:
        """Take the answer to a transaction."""
        sender, stream = self._sender, self._stream
        if sender is None or stream is None:
            return False
        return sender.on_answer(frame, stream.session.epoch)

    def on_link_up(self, *, is_reconnect: bool) -> None:
        """Send again; after a gap fetch what was missed."""
        sender, recovery = self._sender, self._recovery
        if sender is None or recovery is None:
            return
        sender.resume()
        if is_reconnect:
            self._refresh_markets()  # a venue that was away may be back with other grids
        recovery.link_up()

    def on_link_lost(self, epoch: int, why: str) -> None:
        """Settle what was on its way; caches stay until the next snapshots."""
        self._balances.reset()
        if self._recovery is not None:
            self._recovery.link_lost()
        if self._sender is not None:
            self._sender.connection_lost(epoch, why)

    def on_stop_sending(self) -> None:
        """The venue is about to close the connection: start nothing more on it."""
        if self._sender is not None:
            self._sender.hold()

    def on_session_event(self, event: SessionEvent) -> None:
        """Translate for the status callback."""
        self._teller.session(f"private/{self._account_index}", event)

    def order_seen(self, row: DispatchRow) -> None:
        """Fetch trades that the row speaks of, unless they come by themselves."""
        recovery = self._recovery
        order = self.registry.find(
            client_key=row.client_key, venue_order_id=row.report.venue_order_id
        )
        if order is not None and recovery is not None:
            recovery.note_missing(order, in_s=self.config.probe_delay_s)

    def tx_outcome(self, outcome: TxOutcome) -> None:
        """Take a row of the transaction log."""
        self._outcomes.tx_outcome(outcome, self._api_key_index)

    def unknown_market(self, market_index: int) -> None:
        """Read the definitions again, and then the rows that wait for them."""
        self._refresh_markets()

    def _slow_down(self) -> None:
        self._held_until_ns = self._clock.monotonic_ns() + to_ns(RATE_LIMIT_PAUSE_S)


def _make_signer(config: Config) -> TxSigner | None:
    credentials = config.credentials
    if credentials is None:
        return None
    return Signer(
        credentials.api_secret,
        credentials.account_index,
        credentials.api_key_index,
        config.endpoints.chain_id,
        pool_capacity=config.signing_pool,
    )
