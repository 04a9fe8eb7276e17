"""Orders of the execution client: submitting, modifying, canceling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from ..execution.commands import CancelOrder, wanted_cancels
from ..execution.identity import Shape, TrackedOrder
from ..execution.order_entry import OrderEntry, changed
from ..execution.sending import Kind
from ..model._numbers import Number
from ..model.enums import ContingencyType
from ..model.ids import ClientOrderId
from ..model.instruments import Instrument
from ..model.orders import Order, OrderList
from ..net.clock import NS_PER_MS, NS_PER_S
from .client_core import ClientCore
from .commands import Command
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
from .transactions import (
    GroupingType,
    TxType,
)

__all__ = ["CancelOrder", "Trading"]


class Trading(ClientCore, OrderEntry[Command]):
    """The commands about orders.

    An order the venue has not named yet is canceled by our number of it. While the WebSocket is
    being replaced all cancels go over HTTP; new orders and modifications are denied. `cancel_all`
    cancels one by one.
    """

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
        if command is not None:
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
            self._need(self._sender).post_soon(commands)
            self._submitted(commands)

    def _send_single(self, command: Command) -> None:
        self._need(self._sender).send(command)
        self._submitted([command])

    def submit_order_group(self, orders: Sequence[Order], contingency: ContingencyType) -> None:
        """Send up to three orders of one market that depend on each other (transaction 28).

        OTO and OTOCO: a parent, then one or two exits of the opposite side that take their size
        from it. OCO: two reduce-only exits, one a stop and one a take-profit.
        """
        self._need_credentials("submit")
        grouping = _GROUPINGS.get(contingency)
        now_ns = self._clock.wall_ns()  # the orders of a group must expire together
        commands = self._prepare_all(orders, partial(self._create, now_ns=now_ns))
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
        self._need(self._sender).send(group)
        self._submitted(commands)

    def _create(self, order: Order, now_ns: int | None = None) -> Command:
        instrument = self.markets.get(order.instrument_id)
        index = self._client_index(order)
        plan = plan_order(
            order,
            instrument,
            client_index=index,
            now_ns=self._clock.wall_ns() if now_ns is None else now_ns,
            best_price=partial(self._best_price, order),
            rules=self._rules,
        )
        assert instrument is not None
        tracked = _tracked(order, plan, instrument, index)
        command = tracked.tag = Command(Kind.CREATE, plan, subject=tracked)
        return command

    def _registered(self, command: Command) -> None:
        self.markets.active.add(command.plan.fields["MarketIndex"])

    def _check_can_send(self) -> None:
        super()._check_can_send()
        left_ns = self._held_until_ns - self._clock.monotonic_ns()
        if left_ns > 0:
            raise Denial(f"the venue asked to slow down: again in {left_ns / NS_PER_S:.2f} s")

    def _client_index(self, order: Order) -> int:
        given = order.options.get("client_order_index")
        text = order.client_order_id
        if given is None and text.isascii() and text.isdecimal() and text[0] != "0":
            given = int(text)
        if given is None:
            now_ms = self._clock.wall_ns() // NS_PER_MS
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

    def _adopted(self, order: Order) -> TrackedOrder:
        index = self._client_index(order) if _names_index(order) else None
        return TrackedOrder.of(order, client_key=index)

    # -- modifying and canceling -------------------------------------------------------

    def _modify(
        self,
        order: TrackedOrder,
        size: Number | None,
        price: Number | None,
        trigger_price: Number | None,
    ) -> None:
        if order.is_final:
            name = order.client_order_id
            self._log.warning("order %s is over (%s): not modified", name, order.state)
            return
        instrument = self._instrument_of(order)
        index = _index_of(order)
        if order.client_order_id not in self.registry and (size is None or price is None):
            raise Denial("the order is not known: give its size and price")
        self._check_can_send()
        shape = changed(order.shape, size, price, trigger_price)
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
        requested = _shape_of(plan, instrument, order)
        self.dispatch.modify_sent(order, requested)
        command = Command(Kind.MODIFY, plan, subject=order, requested=requested)
        self._need(self._sender).send(command)

    def batch_cancel_orders(self, cancels: Sequence[CancelOrder | ClientOrderId]) -> None:
        """Cancel several orders with one request, up to `Config.max_batch` of them."""
        self._need_credentials("cancel")
        wanted = wanted_cancels(cancels)
        if len(wanted) > self.config.max_batch:
            for one in wanted:
                order = self._find(one.client_order_id, one.instrument_id, one.venue_order_id)
                self.dispatch.cancel_refused(order, self._too_many(len(wanted)), force=True)
            return
        commands = [command for one in wanted if (command := self._prepare_cancel(one)) is not None]
        if len(commands) == 1:
            self._send_cancels(commands)
        elif commands:
            self._need(self._sender).post_soon(commands)

    def _send_cancels(self, commands: Sequence[Command]) -> None:
        self._need(self._sender).cancel(commands)

    def _cancel_command(self, order: TrackedOrder) -> Command:
        fields = {
            "MarketIndex": market_index(self._instrument_of(order)),
            "Index": _index_of(order),
        }
        if not self._connected or self._sender is None:
            raise Denial("not connected to the venue")
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
