"""ExecutionClient: orders of one Lighter account.

Orders go out over the WebSocket (lists as one REST batch), in the order of their nonces. What the
venue says comes back as events of our orders and reports of everything else, see
`connectors.execution.dispatch`; `docs/lighter.md` tells the life of an order.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from types import TracebackType
from typing import Any, Self

from .._speedups.events import Quote
from .._speedups.lighter import AccountFrame
from ..errors import ClientError, ConfigError, ConnectorError
from ..execution.dispatch import DispatchRules, OrderDispatch
from ..execution.dispatch import OrderRow as DispatchRow
from ..execution.identity import DuplicateOrder, OrderRegistry, Shape, TrackedOrder
from ..execution.lookups import LookupSchedule
from ..execution.reconcile import Reconciler, gather_mass_status
from ..model._numbers import Number, exact, exact_or_none
from ..model.accounts import AccountState
from ..model.enums import ContingencyType, OrderStatus, OrderType, Side
from ..model.ids import ClientOrderId, InstrumentId, VenueOrderId
from ..model.instruments import Instrument
from ..model.order_events import OrderEvent
from ..model.orders import Order, OrderList
from ..model.reports import FillReport, MassStatus, OrderStatusReport, PositionStatusReport
from ..model.status_events import (
    ConnectionState,
    ConnectionStatus,
    ErrorEvent,
    Reconnected,
    StatusEvent,
    StreamState,
    SubscriptionStatus,
)
from ..net.attempts import AttemptBudget
from ..net.clock import NS_PER_S, SYSTEM_CLOCK, Clock, to_ns
from ..net.session_events import Closed, Closing, Connected, Connecting, Lost, SessionEvent
from ..net.tasks import OwnedTasks
from .account import Balances, Positions, balances_of
from .account_feed import AccountFeed, TxOutcome
from .approval import approve
from .config import VENUE, Config
from .instruments import market_index
from .limits import Tier
from .markets import Markets
from .orders import (
    MAX_CLIENT_INDEX,
    Denial,
    Plan,
    Rules,
    group_fields,
    plan_modify,
    plan_order,
)
from .outcomes import Outcomes
from .private_stream import PrivateStream
from .queries import Queries
from .recovery import Recovery
from .reports import Reporter
from .rest import LighterRest, SendResult
from .sending import Command, Kind, Sender, TxSigner
from .tokens import Tokens
from .transactions import (
    Attribute,
    CancelAllTimeInForce,
    GroupingType,
    MarginDirection,
    MarginMode,
    TxType,
)
from .wire import Frame

__all__ = ["CancelOrder", "ExecutionClient"]

log = logging.getLogger("connectors.lighter")

Event = OrderEvent | OrderStatusReport | FillReport | PositionStatusReport | AccountState
OnEvent = Callable[[Any], object]
OnStatus = Callable[[StatusEvent], object]

INDEX_EPOCH_MS = 1_735_689_600_000  # 2025-01-01: client indexes count from here
INDEXES_PER_MS = 64
RATE_LIMIT_PAUSE_S = 1.0
TIER_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 2.0
SCHEDULE_MIN_S, SCHEDULE_MAX_S = 300.0, 15 * 86_400.0
MS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelOrder:
    """One cancel of a batch; an order of this client needs its client order id only."""

    client_order_id: ClientOrderId | None = None
    instrument_id: InstrumentId | None = None
    venue_order_id: VenueOrderId | None = None


class ExecutionClient:
    """Trades for one account.

    ::

        async with ExecutionClient(Config.from_env("testnet"), on_event=on_event) as venue:
            venue.submit_order(limit_order("ETH-PERP", Side.BUY, size="0.0050", price="2361.31"))

    Commands return at once; what becomes of them arrives at `on_event`, some of it (a denial)
    within the call. All methods belong to the event loop `connect` ran on.

    Parameters
    ----------
    config : Config
    on_event : callable, optional
        Receives order events, and reports of what is not ours: `OrderStatusReport`,
        `FillReport`, `PositionStatusReport`, `AccountState`. What it raises is logged and
        counted; the event counts as delivered.
    on_status : callable, optional
        Receives `StatusEvent`s: connections, streams, errors.
    instruments : iterable of Instrument, optional
        Known before `connect` loads the venue's definitions.
    signer : optional
        In place of one made from the config's credentials.
    attempts, clock :
        Budget of connection attempts and time source.
    """

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
        self._on_event = on_event
        self._on_status = on_status
        self._attempts = attempts
        self._clock = clock
        self._signer = signer if signer is not None else _make_signer(config)
        self._owns_signer = signer is None
        self._rules = Rules(
            slippage_bps=config.market_order_slippage_bps,
            strict=config.strict_precision,
            integrator_index=config.integrator_account_index,
        )
        credentials = config.credentials
        self._account_index = credentials.account_index if credentials else -1
        self._api_key_index = credentials.api_key_index if credentials else -1
        self.markets = Markets(clock)
        self.markets.add(instruments)
        self.registry = OrderRegistry()
        self.dispatch = OrderDispatch(
            self.registry,
            on_event=self._deliver,
            on_report=self._deliver,
            on_error=self._callback_failed,
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
            instrument_of=self.markets.by_index,
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
        self._outcomes = Outcomes(
            self.dispatch,
            probe_delay_s=config.probe_delay_s,
            on_problem=self._problem,
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
        self._rest: LighterRest | None = None
        self._sender: Sender | None = None
        self._stream: PrivateStream | None = None
        self._recovery: Recovery | None = None
        self._tasks: OwnedTasks | None = None
        self._refreshing: asyncio.Task[None] | None = None
        self._quotes: dict[InstrumentId, tuple[int | None, int | None]] = {}
        self._last_index = 0
        self._held_until_ns = 0
        self._connected = False
        self._connecting = asyncio.Lock()
        self.callback_errors = 0
        self.tier: Tier | None = None

    # -- connecting --------------------------------------------------------------------

    @property
    def is_connected(self) -> bool:
        """Whether `connect` has succeeded and the private connection is up."""
        stream = self._stream
        return self._connected and stream is not None and stream.session.is_connected

    @property
    def has_credentials(self) -> bool:
        """Whether orders can be signed at all."""
        return self._signer is not None

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def connect(self) -> None:
        """Load what is needed, open the private streams, and wait until all have spoken.

        Raises
        ------
        ConfigError
            Without credentials; nothing was opened.
        VenueError
            The venue refused: a stream, or orders of an integrator it does not approve.
        TransportError, RequestTimeout
            It could not be reached, or streams stayed silent.
        """
        async with self._connecting:
            if self._connected:
                return
            if self._signer is None or self._tokens is None:
                raise ConfigError(
                    "Lighter execution requires credentials: set api_secret, account_index and "
                    "api_key_index in the config or the environment"
                )
            try:
                await self._connect(self._signer, self._tokens)
            except BaseException:
                await self._teardown("connect failed")
                raise
            self._connected = True

    async def _connect(self, signer: TxSigner, tokens: Tokens) -> None:
        config = self.config
        self._positions.clear()
        self._balances.reset()
        tasks = self._tasks = OwnedTasks("lighter/execution", on_death=self._task_died)
        rest = self._rest = LighterRest(config, auth=tokens.current, clock=self._clock)
        sender = self._sender = Sender(
            self._outcomes,
            config=config,
            signer=signer,
            rest=rest,
            tasks=tasks,
            clock=self._clock,
        )
        self._outcomes.sender = sender
        self._recovery = self._outcomes.recovery = Recovery(
            schedule=self._schedule,
            reconciler=self._reconciler,
            dispatch=self.dispatch,
            queries=self._queries(),
            sender=sender,
            feed=self._feed,
            tasks=tasks,
            clock=self._clock,
            on_problem=self.on_problem,
        )
        await self.markets.load(rest)
        await sender.refresh_nonce()
        await self._learn_tier(rest)
        if config.integrator_account_index is not None:
            await approve(
                sender,
                rest,
                integrator_index=config.integrator_account_index,
                api_key_index=self._api_key_index,
                wall_ns=self._clock.wall_ns,
            )
            with contextlib.suppress(ConnectorError):
                await sender.refresh_nonce()
        stream = self._stream = PrivateStream(
            self,
            config=config,
            tokens=tokens,
            account_index=self._account_index,
            clock=self._clock,
            attempts=self._attempts,
        )
        sender.attach(stream.session)
        await stream.open()

    async def _learn_tier(self, rest: LighterRest) -> None:
        """Log what the account is; nothing depends on it."""
        try:
            async with asyncio.timeout(TIER_TIMEOUT_S):
                account = await rest.account()
        except (ConnectorError, TimeoutError) as error:
            log.info("venue=LIGHTER account tier not known: %s", error)
            return
        self.tier = Tier.of(account.get("account_type"))
        log.info("venue=LIGHTER account tier %s", self.tier or account.get("account_type"))

    async def disconnect(self) -> None:
        """End the connection; what was on its way has an unknown outcome. Idempotent.

        The client can `connect` again, and then finds out about what was unknown.
        """
        async with self._connecting:
            self._connected = False
            await self._teardown("disconnected")

    async def close(self) -> None:
        """Disconnect for good and wipe the key."""
        await self.disconnect()
        if self._owns_signer and self._signer is not None:
            close = getattr(self._signer, "close", None)
            if close is not None:
                close()

    async def _teardown(self, why: str) -> None:
        self._connected = False
        stream, self._stream = self._stream, None
        sender, self._sender = self._sender, None
        recovery, self._recovery = self._recovery, None
        tasks, self._tasks = self._tasks, None
        rest, self._rest = self._rest, None
        self._outcomes.recovery = None
        self._outcomes.sender = None
        try:
            if recovery is not None:
                recovery.close()
            if sender is not None:
                sender.close(why)
            if tasks is not None:
                await tasks.close(timeout_s=CLOSE_TIMEOUT_S)
        finally:
            if stream is not None:
                await stream.close()
            if rest is not None:
                await rest.close()

    # -- what a market order needs ------------------------------------------------------

    def add_instruments(self, instruments: Iterable[Instrument]) -> None:
        """Make instruments known before, or besides, those `connect` loads."""
        self.markets.add(instruments)

    def update_quote(self, quote: Quote) -> None:
        """Remember the best prices; a handler for `DataClient.subscribe_quotes`.

        Market orders are protected by them: without the side they need they are denied.
        """
        bid = quote.bid_ticks if quote.bid_lots > 0 else None
        ask = quote.ask_ticks if quote.ask_lots > 0 else None
        self._quotes[quote.instrument.id] = (bid or None, ask or None)

    def set_quote(
        self,
        instrument_id: InstrumentId,
        *,
        bid: Number | None = None,
        ask: Number | None = None,
    ) -> None:
        """Remember best prices by hand; None: that side is empty."""
        instrument = self.markets.get(instrument_id)
        if instrument is None:
            raise ClientError(f"unknown instrument {instrument_id}")
        scale = instrument.price_scale
        self._quotes[instrument_id] = (
            None if bid is None else scale.to_ticks(exact(bid, "bid")),
            None if ask is None else scale.to_ticks(exact(ask, "ask")),
        )

    def _best_price(self, instrument_id: InstrumentId, side: Side) -> int | None:
        bid, ask = self._quotes.get(instrument_id, (None, None))
        return ask if side is Side.BUY else bid

    # -- submitting --------------------------------------------------------------------

    def submit_order(self, order: Order) -> None:
        """Send an order: `OrderSubmitted`, then what becomes of it; or `OrderDenied`.

        Options of an order: `client_order_index` (int), our number of it at the venue, which
        otherwise is made; `slippage_bps` (int), for this market order alone.

        Raises
        ------
        ConfigError
            Without credentials.
        DuplicateOrder
            The client order id, or index, belongs to an order that lives.
        """
        command = self._prepare(order)
        if command is None:
            return
        tracked = command.subject
        sender = self._sender
        assert sender is not None
        sender.send(command)
        if not tracked.is_submitted and not tracked.is_final:
            self.dispatch.submitted(tracked)  # it waits for its turn

    def submit_order_list(self, orders: OrderList | Sequence[Order]) -> None:
        """Send orders as one request; they are queued in order and succeed or fail alone.

        A denied member does not hold the others up. For orders that depend on each other
        see `submit_order_group`.
        """
        contingency = ContingencyType.NONE
        if isinstance(orders, OrderList):
            contingency, orders = orders.contingency, orders.orders
        self._need_credentials("submit")
        if contingency is not ContingencyType.NONE:
            self._deny_all(orders, "a list takes independent orders: use submit_order_group")
            return
        if len(orders) > self.config.max_batch:
            self._deny_all(orders, self._too_many(len(orders)))
            return
        commands = [command for order in orders if (command := self._prepare(order)) is not None]
        if len(commands) == 1:
            self._send_single(commands[0])
        elif commands:
            for command in commands:
                self.dispatch.submitted(command.subject)
            self._post(commands)

    def _send_single(self, command: Command) -> None:
        assert self._sender is not None
        self._sender.send(command)
        tracked = command.subject
        if not tracked.is_submitted and not tracked.is_final:
            self.dispatch.submitted(tracked)

    def submit_order_group(self, orders: Sequence[Order], contingency: ContingencyType) -> None:
        """Send up to three orders of one market that depend on each other (transaction 28).

        OTO and OTOCO: a parent, then one or two exits of the opposite side that take their size
        from it. OCO: two reduce-only exits, one a stop and one a take-profit.
        """
        self._need_credentials("submit")
        grouping = _GROUPINGS.get(contingency)
        now_ns = self._clock.wall_ns()  # the orders of a group must expire together
        commands = [
            command for order in orders if (command := self._prepare(order, now_ns)) is not None
        ]
        reason = None
        if grouping is None:
            reason = "a group needs a contingency: OTO, OCO or OTOCO"
        elif len(commands) != len(orders):
            reason = "another order of the group was denied"
        elif not 2 <= len(orders) <= 3:
            reason = f"a group has 2 or 3 orders, got {len(orders)}"
        if reason is not None or grouping is None:
            for command in commands:
                self.dispatch.denied(command.subject, reason or "")
            return
        fields = group_fields(grouping, [command.plan.fields for command in commands])
        plan = Plan(TxType.CREATE_GROUPED_ORDERS, fields, commands[0].plan.attributes)
        group = Command(Kind.CREATE, plan, subject=commands[0].subject)
        for command in commands[1:]:
            command.subject.tag = group
        commands[0].subject.tag = group
        for command in commands:
            self.dispatch.submitted(command.subject)
        rest = [command.subject for command in commands[1:]]
        group.on_done = _GroupEnd(self._outcomes, rest).done
        assert self._sender is not None
        self._sender.send(group)

    def _prepare(self, order: Order, now_ns: int | None = None) -> Command | None:
        """Return the transaction of an order and register that; None if it was denied."""
        self._need_credentials("submit")
        known = self.registry.by_client_id(order.client_order_id)
        if known is not None:
            if known.is_final:
                log.warning("order %s is over (%s): ignored", order.client_order_id, known.state)
                return None
            raise DuplicateOrder(f"client order id {order.client_order_id!r} was used before")
        instrument = self.markets.get(order.instrument_id)
        try:
            index = self._client_index(order)
            plan = plan_order(
                order,
                instrument,
                client_index=index,
                now_ns=self._clock.wall_ns() if now_ns is None else now_ns,
                best_price=lambda side: self._best_price(order.instrument_id, side),
                rules=self._rules,
            )
            self._check_can_send()
        except Denial as denial:
            self.dispatch.denied(TrackedOrder.of(order), denial.reason)
            return None
        assert instrument is not None
        tracked = self.registry.add(_tracked(order, plan, instrument, index))
        self.markets.active.add(plan.fields["MarketIndex"])
        command = Command(Kind.CREATE, plan, subject=tracked)
        tracked.tag = command
        return command

    def _check_can_send(self) -> None:
        """Deny what could not leave now: an order must not go out later than it was meant."""
        self._check_link()
        left_ns = self._held_until_ns - self._clock.monotonic_ns()
        if left_ns > 0:
            raise Denial(f"the venue asked to slow down: again in {left_ns / NS_PER_S:.2f} s")

    def _check_link(self) -> None:
        sender = self._sender
        if not self._connected or sender is None or not sender.is_running:
            raise Denial("not connected to the venue")

    def _client_index(self, order: Order) -> int:
        given = order.options.get("client_order_index")
        text = order.client_order_id
        if given is None and text.isascii() and text.isdecimal() and text[0] != "0":
            given = int(text)
        if given is None:
            now_ms = self._clock.wall_ns() // MS
            self._last_index = max(self._last_index + 1, (now_ms - INDEX_EPOCH_MS) * INDEXES_PER_MS)
            while self.registry.by_key(self._last_index) is not None:
                self._last_index += 1
            return self._last_index
        if not isinstance(given, int) or not 1 <= given <= MAX_CLIENT_INDEX:
            raise Denial(f"client order index must be 1 to 2**48 - 1, got {given!r}")
        if text.isdecimal() and text != str(given):
            raise Denial("a client order id of digits must equal the client_order_index")
        known = self.registry.by_key(given)
        if known is not None:
            raise Denial(f"client order index {given} belongs to {known.client_order_id}")
        return given

    def _deny_all(self, orders: Sequence[Order], reason: str) -> None:
        for order in orders:
            if order.client_order_id not in self.registry:
                self.dispatch.denied(TrackedOrder.of(order), reason)

    def _too_many(self, count: int) -> str:
        return f"at most {self.config.max_batch} orders in one batch, got {count}"

    def adopt_order(
        self,
        order: Order,
        *,
        venue_order_id: VenueOrderId,
        status: OrderStatus = OrderStatus.ACCEPTED,
        filled_size: Number = 0,
    ) -> None:
        """Treat an order of an earlier process as ours from now on; makes no event.

        `status` ACCEPTED, PARTIALLY_FILLED or PENDING_CANCEL. With the latter the refusal of a
        cancel is told.
        """
        index: int | None
        try:
            index = self._client_index(order) if _names_index(order) else None
        except Denial as denial:
            raise ClientError(denial.reason) from None
        tracked = TrackedOrder.of(order, client_key=index)
        tracked.is_submitted = tracked.is_accepted = True
        tracked.filled_size = tracked.reported_filled = exact(filled_size, "filled_size")
        tracked.is_pending_cancel = status is OrderStatus.PENDING_CANCEL
        tracked.venue_order_id = venue_order_id
        self.registry.add(tracked)

    # -- modifying and canceling -------------------------------------------------------

    def modify_order(
        self,
        client_order_id: ClientOrderId | None = None,
        *,
        size: Number | None = None,
        price: Number | None = None,
        trigger_price: Number | None = None,
        instrument_id: InstrumentId | None = None,
        venue_order_id: VenueOrderId | None = None,
        side: Side = Side.BUY,
    ) -> None:
        """Change an order: `OrderUpdated` when the venue shows it, else `OrderModifyRejected`.

        What is not given stays. `size` is the new total, what is filled included. For an order
        that is not ours, `instrument_id`, `venue_order_id`, `size` and `price` are needed.
        """
        self._need_credentials("modify")
        order = self._find(client_order_id, instrument_id, venue_order_id, side=side)
        is_known = order.client_order_id in self.registry
        try:
            instrument = self._instrument_of(order)
            index = _index_of(order)
            if not is_known and (size is None or price is None):
                raise Denial("the order is not known: give its size and price")
            self._check_can_send()
            shape = Shape(
                exact_or_none(size, "size") or order.size,
                exact_or_none(price, "price") or order.price,
                exact_or_none(trigger_price, "trigger_price") or order.trigger_price,
            )
            plan = plan_modify(
                instrument,
                index=index,
                side=order.side,
                order_type=order.order_type,
                size=shape.size,
                price=shape.price,
                trigger_price=shape.trigger_price,
                rules=self._rules,
            )
        except Denial as denial:
            self.dispatch.modify_refused(order, denial.reason)
            return
        if order.is_final:
            log.warning("order %s is over (%s): not modified", order.client_order_id, order.state)
            return
        self.dispatch.modify_sent(order, _shape_of(plan, instrument, order))
        assert self._sender is not None
        self._sender.send(Command(Kind.MODIFY, plan, subject=order))

    def cancel_order(
        self,
        client_order_id: ClientOrderId | None = None,
        *,
        instrument_id: InstrumentId | None = None,
        venue_order_id: VenueOrderId | None = None,
    ) -> None:
        """Cancel an order: `OrderCanceled` when the venue shows it, else `OrderCancelRejected`.

        An order the venue has not named yet is canceled by our number of it. For an order that
        is not ours, `instrument_id` and `venue_order_id` are needed.
        """
        self._need_credentials("cancel")
        wanted = CancelOrder(
            client_order_id=client_order_id,
            instrument_id=instrument_id,
            venue_order_id=venue_order_id,
        )
        command = self._prepare_cancel(wanted)
        if command is not None:
            assert self._sender is not None
            self._sender.send(command)

    def batch_cancel_orders(self, cancels: Sequence[CancelOrder | ClientOrderId]) -> None:
        """Cancel several orders with one request."""
        self._need_credentials("cancel")
        wanted = [
            CancelOrder(client_order_id=item) if isinstance(item, str) else item for item in cancels
        ]
        if len(wanted) > self.config.max_batch:
            for one in wanted:
                order = self._find(one.client_order_id, one.instrument_id, one.venue_order_id)
                self.dispatch.cancel_refused(order, self._too_many(len(wanted)), force=True)
            return
        commands = [command for one in wanted if (command := self._prepare_cancel(one)) is not None]
        if len(commands) == 1:
            assert self._sender is not None
            self._sender.send(commands[0])
        elif commands:
            self._post(commands)

    def cancel_all_orders(
        self, instrument_id: InstrumentId | None = None, *, side: Side | None = None
    ) -> None:
        """Cancel every order of ours that lives, one by one, of one instrument and side or all.

        A refusal makes no event: an order that fills meanwhile is no error here.
        """
        self._need_credentials("cancel")
        for order in self.registry.live_orders(instrument_id):
            if (side is not None and order.side is not side) or not order.is_submitted:
                continue
            command = self._prepare_cancel(
                CancelOrder(client_order_id=order.client_order_id), explicit=False
            )
            if command is not None:
                assert self._sender is not None
                self._sender.send(command)

    def _prepare_cancel(self, wanted: CancelOrder, *, explicit: bool = True) -> Command | None:
        """Return the transaction of a cancel; None if it was refused here or makes no sense."""
        order = self._find(wanted.client_order_id, wanted.instrument_id, wanted.venue_order_id)
        if order.is_final:
            log.warning("order %s is over (%s): not canceled", order.client_order_id, order.state)
            return None
        try:
            instrument = self._instrument_of(order)
            index = _index_of(order)
            self._check_link()
        except Denial as denial:
            self.dispatch.cancel_refused(order, denial.reason, force=explicit)
            return None
        if explicit:
            self.dispatch.cancel_sent(order)
        fields = {"MarketIndex": market_index(instrument), "Index": index}
        return Command(Kind.CANCEL, Plan(TxType.CANCEL_ORDER, fields), subject=order)

    def _find(
        self,
        client_order_id: ClientOrderId | None,
        instrument_id: InstrumentId | None,
        venue_order_id: VenueOrderId | None,
        *,
        side: Side = Side.BUY,
    ) -> TrackedOrder:
        """Return our order of an id, or a stand-in for one that is not ours."""
        found = self.registry.find(client_order_id=client_order_id, venue_order_id=venue_order_id)
        if found is not None:
            return found
        name = client_order_id if client_order_id is not None else venue_order_id
        if name is None:
            raise ClientError("an order is named by client_order_id or venue_order_id")
        return TrackedOrder(
            name,
            instrument_id or "",
            side,
            OrderType.LIMIT,
            size=Decimal(0),
            venue_order_id=venue_order_id,
        )

    def _instrument_of(self, order: TrackedOrder) -> Instrument:
        instrument = self.markets.get(order.instrument_id)
        if instrument is None:
            raise Denial(f"unknown order or instrument {order.instrument_id!r}")
        return instrument

    # -- what else the account can do --------------------------------------------------

    async def send_transaction(
        self,
        tx_type: int,
        fields: dict[str, Any],
        attributes: dict[int, int] | None = None,
    ) -> SendResult:
        """Sign any transaction, send it over REST in its turn, and return the answer.

        Code 200 means queued, not executed. Account and key index, nonce and expiry are filled in.

        Raises
        ------
        VenueError, UnknownOutcome, ClientError, TransportError
        """
        self._need_credentials("send")
        sender = self._sender
        if sender is None:
            raise ClientError("not connected to the venue")
        result = await sender.post([Command(Kind.OTHER, Plan(tx_type, fields, attributes))])
        assert result is not None
        return result

    async def update_leverage(
        self, instrument_id: InstrumentId, leverage: Number, *, isolated: bool = False
    ) -> SendResult:
        """Set the leverage of a market; the venue keeps it as a margin fraction of 1e-4."""
        value = exact(leverage, "leverage")
        if value < 1:
            raise ClientError(f"leverage must be at least 1, got {value}")
        return await self.send_transaction(
            TxType.UPDATE_LEVERAGE,
            {
                "MarketIndex": self._market(instrument_id),
                "InitialMarginFraction": int(10_000 / value),
                "MarginMode": int(MarginMode.ISOLATED if isolated else MarginMode.CROSS),
            },
        )

    async def update_margin(self, instrument_id: InstrumentId, amount: Number) -> SendResult:
        """Add USDC to the margin of an isolated position; a negative amount removes it."""
        units = int(exact(amount, "amount") * 1_000_000)
        if not units:
            raise ClientError("the amount is zero at a precision of 0.000001 USDC")
        direction = MarginDirection.ADD if units > 0 else MarginDirection.REMOVE
        return await self.send_transaction(
            TxType.UPDATE_MARGIN,
            {
                "MarketIndex": self._market(instrument_id),
                "USDCAmount": abs(units),
                "Direction": int(direction),
            },
        )

    async def cancel_all_native(self, instrument_id: InstrumentId | None = None) -> SendResult:
        """Let the venue cancel every order of the account, ours or not, of one market or all."""
        attributes = None
        if instrument_id is not None:
            attributes = {int(Attribute.CANCEL_ALL_MARKET_INDEX): self._market(instrument_id)}
        return await self._cancel_all(CancelAllTimeInForce.IMMEDIATE, 0, attributes)

    async def schedule_cancel_all(self, in_s: float) -> SendResult:
        """Let the venue cancel every order of the account later: a dead man's switch.

        5 minutes to 15 days ahead; replaces the one set before.
        """
        if not SCHEDULE_MIN_S <= in_s <= SCHEDULE_MAX_S:
            raise ClientError(f"needs 5 minutes to 15 days, got {in_s:g} s")
        at_ms = self._clock.wall_ns() // MS + round(in_s * 1_000)
        return await self._cancel_all(CancelAllTimeInForce.SCHEDULED, at_ms, None)

    async def abort_scheduled_cancel_all(self) -> SendResult:
        """Take `schedule_cancel_all` back."""
        return await self._cancel_all(CancelAllTimeInForce.ABORT_SCHEDULED, 0, None)

    async def _cancel_all(
        self, when: CancelAllTimeInForce, at_ms: int, attributes: dict[int, int] | None
    ) -> SendResult:
        fields = {"TimeInForce": int(when), "Time": at_ms}
        return await self.send_transaction(TxType.CANCEL_ALL_ORDERS, fields, attributes)

    def _market(self, instrument_id: InstrumentId) -> int:
        instrument = self.markets.get(instrument_id)
        if instrument is None:
            raise ClientError(f"unknown instrument {instrument_id}")
        return market_index(instrument)

    @property
    def volume_quota_remaining(self) -> int | None:
        """The volume quota the venue last told, None before."""
        return self._sender.volume_quota_remaining if self._sender is not None else None

    # -- asking ------------------------------------------------------------------------

    async def query_order(
        self,
        client_order_id: ClientOrderId | None = None,
        *,
        venue_order_id: VenueOrderId | None = None,
        instrument_id: InstrumentId | None = None,
    ) -> OrderStatusReport | None:
        """Ask for one order; None if the venue does not know it.

        What it says about an order of ours becomes events too, where it is news.
        """
        order = self.registry.find(client_order_id=client_order_id, venue_order_id=venue_order_id)
        key = order.client_key if order is not None else None
        if order is None and client_order_id is not None and client_order_id.isdecimal():
            key = int(client_order_id)
        rows, _ = await self._queries().find_order(
            client_index=key if isinstance(key, int) else None,
            venue_order_id=venue_order_id or (order.venue_order_id if order else None),
            instrument_id=instrument_id or (order.instrument_id if order else None),
        )
        if not rows:
            return None
        if order is not None:
            self.dispatch.status(rows[0])
            self.order_seen(rows[0])
        return rows[0].report

    async def query_account(self) -> AccountState:
        """Return balances and margin: the latest of the streams, else asked for over REST."""
        if self._balances.latest is not None and self.is_connected:
            return self._balances.latest
        account = await self._need_rest().account()
        return balances_of(account, self.config.account_name, self._clock.wall_ns())

    async def generate_order_status_reports(
        self,
        instrument_id: InstrumentId | None = None,
        *,
        open_only: bool = False,
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> list[OrderStatusReport]:
        """Return the state of orders, live and ended, of one instrument or all."""
        return await self._queries().order_reports(
            instrument_id, open_only=open_only, start_ns=start_ns, end_ns=end_ns
        )

    async def generate_fill_reports(
        self,
        instrument_id: InstrumentId | None = None,
        *,
        venue_order_id: VenueOrderId | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> list[FillReport]:
        """Return trades that were not handed out yet, oldest first."""
        return await self._queries().fill_reports(
            instrument_id, venue_order_id=venue_order_id, start_ns=start_ns, end_ns=end_ns
        )

    async def generate_position_status_reports(
        self, instrument_id: InstrumentId | None = None
    ) -> list[PositionStatusReport]:
        """Return the open positions as the stream told them last."""
        return self._positions.reports(instrument_id)

    async def generate_mass_status(self, *, lookback_s: float | None = None) -> MassStatus:
        """Return orders, fills and positions; a part that cannot be read is empty."""
        start_ns = None
        if lookback_s is not None:
            start_ns = self._clock.wall_ns() - to_ns(lookback_s)
        return await gather_mass_status(
            VENUE,
            self.config.account_name,
            orders=lambda: self.generate_order_status_reports(start_ns=start_ns),
            fills=lambda: self.generate_fill_reports(start_ns=start_ns),
            positions=self.generate_position_status_reports,
            wall_ns=self._clock.wall_ns,
        )

    def _queries(self) -> Queries:
        return Queries(
            self._need_rest(),
            reporter=self._reporter,
            markets=self.markets,
            dispatch=self.dispatch,
            clock=self._clock,
        )

    def _need_rest(self) -> LighterRest:
        if self._rest is None:
            raise ClientError("not connected to the venue")
        return self._rest

    def _need_credentials(self, what: str) -> None:
        if self._signer is None:
            raise ConfigError(
                f"cannot {what} without credentials: set api_secret, account_index and "
                "api_key_index in the config or the environment"
            )

    # -- what comes in (StreamOwner, FeedOwner) ----------------------------------------

    def on_rows(self, stream: str, frame: AccountFrame) -> None:
        """Take rows of a busy stream; see `account_feed`."""
        self._feed.take_rows(stream, frame)

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
        sender, recovery, tasks = self._sender, self._recovery, self._tasks
        if sender is None or recovery is None or tasks is None:
            return
        sender.resume()
        if is_reconnect:
            tasks.spawn(recovery.catch_up(), "catch-up")
        recovery.arm()

    def on_link_lost(self, epoch: int, why: str) -> None:
        """Settle what was on its way; caches stay until the next snapshots."""
        self._balances.reset()
        if self._sender is not None:
            self._sender.connection_lost(epoch, why)

    def on_stop_sending(self) -> None:
        """The venue is about to close the connection: start nothing more on it."""
        if self._sender is not None:
            self._sender.hold()

    def on_session_event(self, event: SessionEvent) -> None:
        """Translate for the status callback."""
        state, reason = _connection_state(event)
        if state is None:
            return
        now_ns = self._clock.wall_ns()
        name = f"private/{self._account_index}"
        self._tell(
            ConnectionStatus(
                venue=VENUE, ts_init=now_ns, connection=name, state=state, reason=reason
            )
        )
        if isinstance(event, Connected) and event.is_reconnect:
            self._tell(Reconnected(venue=VENUE, ts_init=now_ns, connection=name))

    def on_refused(self, channel: str, code: int | None, message: str) -> None:
        """A stream will not come."""
        log.error("venue=LIGHTER stream=%s refused: %s (code=%s)", channel, message, code)
        self._tell(
            SubscriptionStatus(
                venue=VENUE,
                ts_init=self._clock.wall_ns(),
                stream=channel,
                state=StreamState.REFUSED,
                code=code,
                message=message,
            )
        )

    def on_problem(self, message: str, code: int | None, error: Exception | None) -> None:
        """Tell of what no order or call stands for."""
        log.warning("venue=LIGHTER %s (code=%s)", message, code)
        self._tell(
            ErrorEvent(
                venue=VENUE,
                ts_init=self._clock.wall_ns(),
                message=message,
                code=code,
                where="private",
                error=error,
            )
        )

    def deliver(self, report: PositionStatusReport | AccountState) -> None:
        """Hand a report to the caller."""
        try:
            self._deliver(report)
        except Exception as error:  # noqa: BLE001 - a caller's callback
            self._callback_failed(report, error)

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
        """Read the definitions again, once, and then the rows that wait for them."""
        tasks, rest = self._tasks, self._rest
        if tasks is None or rest is None or not self.markets.may_refresh():
            return
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = tasks.spawn(self._refresh_markets(rest), "markets")

    async def _refresh_markets(self, rest: LighterRest) -> None:
        try:
            await self.markets.load(rest)
        except ConnectorError as error:
            self.on_problem(f"market definitions not read: {error}", None, error)
        self._feed.replay()

    # -- callbacks ---------------------------------------------------------------------

    def _deliver(self, event: Event) -> None:
        if self._on_event is not None:
            self._on_event(event)

    def _callback_failed(self, what: object, error: Exception) -> None:
        self.callback_errors += 1
        log.error("venue=LIGHTER on_event raised for %s", type(what).__name__, exc_info=error)
        self._problem(f"on_event raised {type(error).__name__} for {type(what).__name__}", None)

    def _tell(self, event: StatusEvent) -> None:
        if self._on_status is None:
            return
        try:
            self._on_status(event)
        except Exception:
            self.callback_errors += 1
            log.exception("venue=LIGHTER on_status raised for %s", type(event).__name__)

    def _problem(self, message: str, code: int | str | None) -> None:
        self._tell(
            ErrorEvent(
                venue=VENUE,
                ts_init=self._clock.wall_ns(),
                message=message,
                code=code,
                where="orders",
            )
        )

    def _slow_down(self) -> None:
        self._held_until_ns = self._clock.monotonic_ns() + to_ns(RATE_LIMIT_PAUSE_S)

    def _task_died(self, name: str, error: BaseException) -> None:
        self._problem(f"task {name} died: {type(error).__name__}", None)

    def _post(self, commands: Sequence[Command]) -> None:
        """Send a batch in the background; every member is told what became of it."""
        assert self._sender is not None
        assert self._tasks is not None
        sender = self._sender

        async def post() -> None:
            with contextlib.suppress(ConnectorError):  # told to each order already
                await sender.post(commands)

        self._tasks.spawn(post(), "batch")

    def __repr__(self) -> str:
        state = "connected" if self.is_connected else "not connected"
        return f"<ExecutionClient LIGHTER {self.config.account_name} {state}>"


class _GroupEnd:
    """Tells the other orders of a group what became of their transaction."""

    __slots__ = ("_orders", "_outcomes")

    def __init__(self, outcomes: Outcomes, orders: Sequence[TrackedOrder]) -> None:
        self._outcomes = outcomes
        self._orders = orders

    def done(self, command: Command, outcome: object) -> None:
        """Repeat the outcome of the first for each of the others."""
        for order in self._orders:
            self._outcomes.repeat(replace(command, subject=order, on_done=None), outcome)


_GROUPINGS = {
    ContingencyType.OTO: GroupingType.ONE_TRIGGERS_THE_OTHER,
    ContingencyType.OCO: GroupingType.ONE_CANCELS_THE_OTHER,
    ContingencyType.OTOCO: GroupingType.ONE_TRIGGERS_A_PAIR,
}


def _make_signer(config: Config) -> TxSigner | None:
    credentials = config.credentials
    if credentials is None:
        return None
    from .signing import Signer

    return Signer(
        credentials.api_secret,
        credentials.account_index,
        credentials.api_key_index,
        config.endpoints.chain_id,
        pool_capacity=config.signing_pool,
    )


def _tracked(order: Order, plan: Plan, instrument: Instrument, index: int) -> TrackedOrder:
    """Return the entry of an order with what really goes to the venue."""
    fields, scale = plan.fields, instrument.price_scale
    trigger = fields["TriggerPrice"]
    return TrackedOrder(
        order.client_order_id,
        order.instrument_id,
        order.side,
        order.order_type,
        size=instrument.size_scale.to_decimal(fields["BaseAmount"]),
        price=scale.to_decimal(fields["Price"]) if order.price is not None else None,
        trigger_price=scale.to_decimal(trigger) if trigger else None,
        client_key=index,
    )


def _shape_of(plan: Plan, instrument: Instrument, order: TrackedOrder) -> Shape:
    """Return what a modification really asks for."""
    fields, scale = plan.fields, instrument.price_scale
    trigger = fields["TriggerPrice"]
    return Shape(
        instrument.size_scale.to_decimal(fields["BaseAmount"]),
        scale.to_decimal(fields["Price"]) if order.order_type.has_price else order.price,
        scale.to_decimal(trigger) if trigger else order.trigger_price,
    )


def _index_of(order: TrackedOrder) -> int:
    """Return the number by which a cancel or modification names the order."""
    if order.venue_order_id is not None and order.venue_order_id.isdecimal():
        return int(order.venue_order_id)
    if isinstance(order.client_key, int):
        return order.client_key
    raise Denial(f"order {order.client_order_id!r} is not known: give its venue_order_id")


def _names_index(order: Order) -> bool:
    return "client_order_index" in order.options or order.client_order_id.isdecimal()


def _connection_state(event: SessionEvent) -> tuple[ConnectionState | None, str]:
    match event:
        case Connecting():
            return ConnectionState.CONNECTING, ""
        case Connected():
            return ConnectionState.LIVE, ""
        case Lost(error=error):
            return ConnectionState.RECONNECTING, str(error)
        case Closing():
            return ConnectionState.CLOSING, ""
        case Closed(error=error):
            return ConnectionState.CLOSED, "" if error is None else str(error)
    return None, ""
