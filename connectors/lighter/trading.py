"""Orders of the execution client: submitting, modifying, canceling."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace

from ..errors import ClientError
from ..execution.commands import CancelOrder, wanted_cancels
from ..execution.identity import DuplicateOrder, Shape, TrackedOrder
from ..model._numbers import Number, exact, exact_or_none
from ..model.enums import ContingencyType, OrderStatus, Side
from ..model.ids import ClientOrderId, InstrumentId, VenueOrderId
from ..model.instruments import Instrument
from ..model.orders import Order, OrderList
from ..net.clock import NS_PER_S
from .client_core import ClientCore
from .instruments import market_index
from .orders import (
    INDEX_EPOCH_MS,
    INDEXES_PER_MS,
    MAX_CLIENT_INDEX,
    Denial,
    Plan,
    group_fields,
    plan_modify,
    plan_order,
)
from .outcomes import Outcomes
from .sending import Command, Kind
from .transactions import (
    GroupingType,
    TxType,
)

__all__ = ["CancelOrder", "Trading"]

log = logging.getLogger("connectors.lighter")

MS = 1_000_000


class Trading(ClientCore):
    """The commands about orders."""

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
        self._send_single(command)

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
        commands = self._prepare_all(orders)
        if len(commands) == 1:
            self._send_single(commands[0])
        elif commands:
            assert self._sender is not None
            self._sender.post_soon(commands)
            self._submitted(commands)

    def _send_single(self, command: Command) -> None:
        assert self._sender is not None
        self._sender.send(command)
        self._submitted([command])

    def _submitted(self, commands: Iterable[Command]) -> None:
        """Tell of the orders that wait for their turn; after they took their place in the line."""
        for command in commands:
            order = command.subject
            if not order.is_submitted and not order.is_final:
                self.dispatch.submitted(order)

    def submit_order_group(self, orders: Sequence[Order], contingency: ContingencyType) -> None:
        """Send up to three orders of one market that depend on each other (transaction 28).

        OTO and OTOCO: a parent, then one or two exits of the opposite side that take their size
        from it. OCO: two reduce-only exits, one a stop and one a take-profit.
        """
        self._need_credentials("submit")
        grouping = _GROUPINGS.get(contingency)
        now_ns = self._clock.wall_ns()  # the orders of a group must expire together
        commands = self._prepare_all(orders, now_ns)
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
        rest = [command.subject for command in commands[1:]]
        group.on_done = _GroupEnd(self._outcomes, rest).done
        assert self._sender is not None
        self._sender.send(group)
        self._submitted(commands)

    def _prepare_all(self, orders: Sequence[Order], now_ns: int | None = None) -> list[Command]:
        """Prepare several; where that raises over one, none of them was ever there."""
        commands: list[Command] = []
        try:
            for order in orders:
                command = self._prepare(order, now_ns)
                if command is not None:
                    commands.append(command)
        except Exception:
            for command in commands:
                self.registry.discard(command.subject)
            raise
        return commands

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
                best_price=lambda side: self._prices.against(order.instrument_id, side),
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
        requested = _shape_of(plan, instrument, order)
        self.dispatch.modify_sent(order, requested)
        assert self._sender is not None
        self._sender.send(Command(Kind.MODIFY, plan, subject=order, requested=requested))

    def cancel_order(
        self,
        client_order_id: ClientOrderId | None = None,
        *,
        instrument_id: InstrumentId | None = None,
        venue_order_id: VenueOrderId | None = None,
    ) -> None:
        """Cancel an order: `OrderCanceled` when the venue shows it, else `OrderCancelRejected`.

        An order the venue has not named yet is canceled by our number of it. For an order that
        is not ours, `instrument_id` and `venue_order_id` are needed. While the WebSocket is being
        replaced all cancels go over HTTP; new orders and modifications are denied.
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
            self._sender.cancel([command])

    def batch_cancel_orders(self, cancels: Sequence[CancelOrder | ClientOrderId]) -> None:
        """Cancel several orders with one request."""
        self._need_credentials("cancel")
        wanted = wanted_cancels(cancels)
        if len(wanted) > self.config.max_batch:
            for one in wanted:
                order = self._find(one.client_order_id, one.instrument_id, one.venue_order_id)
                self.dispatch.cancel_refused(order, self._too_many(len(wanted)), force=True)
            return
        commands = [command for one in wanted if (command := self._prepare_cancel(one)) is not None]
        if len(commands) == 1:
            assert self._sender is not None
            self._sender.cancel(commands)
        elif commands:
            assert self._sender is not None
            self._sender.post_soon(commands)

    def cancel_all_orders(
        self, instrument_id: InstrumentId | None = None, *, side: Side | None = None
    ) -> None:
        """Cancel every order of ours that lives, one by one, of one instrument and side or all.

        A refusal makes no event: an order that fills meanwhile is no error here. A cancel that
        was refused or not sent for another reason is told to `on_status` as an `ErrorEvent`.
        """
        self._need_credentials("cancel")
        commands: list[Command] = []
        for order in self.registry.live_orders(instrument_id):
            if (side is not None and order.side is not side) or not order.is_submitted:
                continue
            wanted = CancelOrder(client_order_id=order.client_order_id)
            command = self._prepare_cancel(wanted, explicit=False)
            if command is not None:
                commands.append(command)
        if commands:
            assert self._sender is not None
            self._sender.cancel(commands)

    def _prepare_cancel(self, wanted: CancelOrder, *, explicit: bool = True) -> Command | None:
        """Return the transaction of a cancel; None if it was refused here or makes no sense."""
        order = self._find(wanted.client_order_id, wanted.instrument_id, wanted.venue_order_id)
        if order.is_final:
            log.warning("order %s is over (%s): not canceled", order.client_order_id, order.state)
            return None
        try:
            instrument = self._instrument_of(order)
            index = _index_of(order)
            if not self._connected or self._sender is None:
                raise Denial("not connected to the venue")
        except Denial as denial:
            if not self.dispatch.cancel_refused(order, denial.reason, force=explicit):
                text = f"{order.client_order_id} is not canceled: {denial.reason}"
                self._teller.problem(text, None)
            return None
        if explicit:
            self.dispatch.cancel_sent(order)
        fields = {"MarketIndex": market_index(instrument), "Index": index}
        return Command(Kind.CANCEL, Plan(TxType.CANCEL_ORDER, fields), subject=order)


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
