"""Orders of the execution client: submitting, modifying, canceling."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any

from ..errors import ClientError
from ..execution.commands import CancelOrder, wanted_cancels
from ..execution.identity import DuplicateOrder, Shape, TrackedOrder
from ..execution.planning import Denial
from ..execution.sending import Command, Kind
from ..model._numbers import Number, exact, exact_or_none
from ..model.enums import ContingencyType, OrderStatus, Side
from ..model.ids import ClientOrderId, InstrumentId, VenueOrderId
from ..model.orders import Order, OrderList
from .actions import Grouping
from .client_core import ClientCore
from .instruments import asset_id
from .orders import CancelPlan, OrderPlan, cloid_of, is_cloid, plan_external, plan_order
from .outcomes import Line
from .sending import Sender

__all__ = ["Trading"]

log = logging.getLogger("connectors.hyperliquid")

MAX_GROUP = 3  # an entry, a take-profit and a stop
_GROUPINGS = {
    ContingencyType.OTO: Grouping.WITH_EXITS,
    ContingencyType.OTOCO: Grouping.WITH_EXITS,
    ContingencyType.OCO: Grouping.OF_POSITION,
}


class Trading(ClientCore):
    """The commands about orders."""

    # -- submitting --------------------------------------------------------------------

    def submit_order(self, order: Order) -> None:
        """Send an order: `OrderSubmitted`, then what becomes of it; or `OrderDenied`.

        Options of an order: `cloid` (0x and 32 hex digits), our id of it at the venue, which
        otherwise is made of the client order id; `slippage_bps` (int), for this market order
        alone.

        Raises
        ------
        ConfigError
            Without credentials.
        DuplicateOrder
            The client order id, or cloid, belongs to an order that lives.
        """
        command = self._prepare(order)
        if command is not None:
            self._need_sender().order(command)
            self._submitted([command])

    def submit_order_list(self, orders: OrderList | Sequence[Order]) -> None:
        """Send orders as one action; they are placed in order and succeed or fail alone.

        A denied member does not hold the others up. Orders that depend on each other go to
        `submit_order_group`, also from here if the list says so.
        """
        if isinstance(orders, OrderList):
            if orders.contingency is not ContingencyType.NONE:
                self.submit_order_group(orders.orders, orders.contingency)
                return
            orders = orders.orders
        self._need_credentials("submit")
        commands = [command for order in orders if (command := self._prepare(order)) is not None]
        if commands:
            self._need_sender().orders(commands)
            self._submitted(commands)

    def submit_order_group(self, orders: Sequence[Order], contingency: ContingencyType) -> None:
        """Send orders of one market that depend on each other.

        OTO and OTOCO: an entry, then one or two exits that trigger; they wait for the entry to
        fill, and of two the second is canceled when the first fills. OCO: exits alone, whose size
        follows the position.
        """
        self._need_credentials("submit")
        grouping = _GROUPINGS.get(contingency)
        prepared = [self._prepare(order) for order in orders]
        commands = [command for command in prepared if command is not None]
        reason = _group_problem(orders, contingency)
        if reason is None and len(commands) != len(orders):
            reason = "another order of the group was denied"
        if reason is not None or grouping is None:
            for command in commands:
                self.dispatch.denied(command.subject, reason or "")
            return
        self._need_sender().orders(commands, grouping)
        self._submitted(commands)

    def _submitted(self, commands: Iterable[Command]) -> None:
        """Tell of what waits for its turn to be sent."""
        for command in commands:
            tracked: TrackedOrder = command.subject
            if not tracked.is_submitted and not tracked.is_final:
                self.dispatch.submitted(tracked)

    def _prepare(self, order: Order) -> Command | None:
        """Return the command of an order and register that; None if it was denied."""
        self._need_credentials("submit")
        known = self.registry.by_client_id(order.client_order_id)
        if known is not None:
            if known.is_final:
                log.warning("order %s is over (%s): ignored", order.client_order_id, known.state)
                return None
            raise DuplicateOrder(f"client order id {order.client_order_id!r} was used before")
        try:
            cloid = self._cloid(order)
            plan = plan_order(
                order,
                self.markets.get(order.instrument_id),
                cloid=cloid,
                best_price=lambda side: self._prices.against(order.instrument_id, side),
                rules=self._rules,
            )
            self._check_can_send()
        except Denial as denial:
            self.dispatch.denied(TrackedOrder.of(order), denial.reason)
            return None
        tracked = self.registry.add(_tracked(order, plan, cloid))
        return Command(Kind.CREATE, plan, subject=tracked)

    def _cloid(self, order: Order) -> str:
        given: Any = order.options.get("cloid")
        if given is None:
            cloid = cloid_of(order.client_order_id)
        elif isinstance(given, str) and is_cloid(given):
            cloid = given.lower()
        else:
            raise Denial(f"option cloid must be 0x and 32 hex digits, got {given!r}")
        known = self.registry.by_key(cloid)
        if known is not None:
            raise Denial(f"cloid {cloid} belongs to {known.client_order_id}")
        return cloid

    def _check_can_send(self) -> None:
        """Deny what could not leave now: an order must not go out later than it was meant."""
        self._check_link()
        sender = self._need_sender()
        if sender.address.wait_s > 0:
            raise Denial(
                "the account's requests are used up: again in "
                f"{sender.address.wait_s:.1f} s (the venue takes one in 10 s)"
            )

    def _check_link(self) -> None:
        sender = self._sender
        if not self._connected or sender is None or not sender.takes_commands:
            raise Denial("not connected to the venue")

    def _need_sender(self) -> Sender:
        if self._sender is None:
            raise ClientError("not connected to the venue")
        return self._sender

    def adopt_order(
        self,
        order: Order,
        *,
        venue_order_id: VenueOrderId,
        status: OrderStatus = OrderStatus.ACCEPTED,
        filled_size: Number = 0,
        has_cloid: bool = True,
    ) -> None:
        """Treat an order of an earlier process as ours from now on; makes no event.

        `status` ACCEPTED, PARTIALLY_FILLED or PENDING_CANCEL. With the latter the refusal of a
        cancel is told. `has_cloid` is False for an order that was placed without one: it gets
        one when it is modified.
        """
        try:
            cloid = self._cloid(order)
            plan = plan_order(
                order,
                self.markets.get(order.instrument_id),
                cloid=cloid,
                best_price=lambda side: self._prices.against(order.instrument_id, side),
                rules=self._rules,
            )
        except Denial as denial:
            raise ClientError(denial.reason) from None
        tracked = _tracked(order, plan, cloid, has_cloid=has_cloid)
        tracked.is_submitted = tracked.is_accepted = True
        tracked.filled_size = tracked.reported_filled = exact(filled_size, "filled_size")
        tracked.is_pending_cancel = status is OrderStatus.PENDING_CANCEL
        tracked.venue_order_id = venue_order_id
        self.registry.add(tracked)

    # -- modifying ---------------------------------------------------------------------

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
        """Change an order: `OrderUpdated` when its replacement is known, else
        `OrderModifyRejected`.

        What is not given stays. `size` is the new total, what is filled included. The venue
        replaces the order, which has another venue order id afterwards and a new place in the
        queue. One modification of an order is on its way at a time; of those given meanwhile the
        newest is sent when that is settled.

        For a limit order that is not ours, `instrument_id`, `venue_order_id`, `side`, `size` and
        `price` are needed; it is ours from then on.
        """
        self._need_credentials("modify")
        order = self._find(client_order_id, instrument_id, venue_order_id, side=side)
        try:
            if order.is_final:
                raise Denial(f"the order is over ({order.state})")
            if order.client_order_id not in self.registry:
                self._check_link()
                order = self._adopt_external(order, size, price)
            base = self._modifications.waiting(order) or order.requested or order.shape
            target = Shape(
                exact_or_none(size, "size") or base.size,
                exact_or_none(price, "price") or base.price,
                exact_or_none(trigger_price, "trigger_price") or base.trigger_price,
            )
            self._check_can_send()
            self._modifications.ask(order, target)
        except Denial as denial:
            self.dispatch.modify_denied(order, denial.reason)

    def _adopt_external(
        self, order: TrackedOrder, size: Number | None, price: Number | None
    ) -> TrackedOrder:
        """Return an order that is not ours as one of ours, with what is known of it."""
        instrument = self._instrument_of(order)
        if size is None or price is None or order.venue_order_id is None:
            raise Denial("the order is not known: give its venue_order_id, size and price")
        cloid = cloid_of(order.client_order_id)
        plan = plan_external(instrument, order.side, cloid=cloid)
        order.size, order.price = exact(size, "size"), exact(price, "price")
        order.client_key = cloid
        order.tag = Line(plan, has_cloid=False)
        order.is_submitted = order.is_accepted = True
        return self.registry.add(order)

    # -- canceling ---------------------------------------------------------------------

    def cancel_order(
        self,
        client_order_id: ClientOrderId | None = None,
        *,
        instrument_id: InstrumentId | None = None,
        venue_order_id: VenueOrderId | None = None,
    ) -> None:
        """Cancel an order: `OrderCanceled` when the venue shows it, else `OrderCancelRejected`.

        An order of ours is named by its cloid: that hits it also while it is being modified, and
        before the venue has named it. For an order that is not ours, `instrument_id` and
        `venue_order_id` are needed.
        """
        wanted = CancelOrder(
            client_order_id=client_order_id,
            instrument_id=instrument_id,
            venue_order_id=venue_order_id,
        )
        self.batch_cancel_orders([wanted])

    def batch_cancel_orders(self, cancels: Sequence[CancelOrder | ClientOrderId]) -> None:
        """Cancel several orders with one action, or two where some are not ours."""
        self._need_credentials("cancel")
        self._cancel(self._prepare_cancel(one) for one in wanted_cancels(cancels))

    def cancel_all_orders(
        self, instrument_id: InstrumentId | None = None, *, side: Side | None = None
    ) -> None:
        """Cancel every order of ours that lives, of one instrument and side or all.

        A refusal makes no event: an order that fills meanwhile is no error here.
        """
        self._need_credentials("cancel")
        self._cancel(
            self._prepare_cancel(CancelOrder(client_order_id=order.client_order_id), explicit=False)
            for order in self.registry.live_orders(instrument_id)
            if (side is None or order.side is side) and order.is_submitted
        )

    def _cancel(self, prepared: Iterable[Command | None]) -> None:
        commands = [command for command in prepared if command is not None]
        if commands:
            self._need_sender().cancels(commands)

    def _prepare_cancel(self, wanted: CancelOrder, *, explicit: bool = True) -> Command | None:
        """Return the command of a cancel; None if it was refused here or makes no sense."""
        order = self._find(wanted.client_order_id, wanted.instrument_id, wanted.venue_order_id)
        if order.is_final:
            log.warning("order %s is over (%s): not canceled", order.client_order_id, order.state)
            return None
        try:
            plan = self._cancel_plan(order)
            self._check_link()
        except Denial as denial:
            self.dispatch.cancel_refused(order, denial.reason, force=explicit)
            return None
        if explicit:
            self.dispatch.cancel_sent(order)
        return Command(Kind.CANCEL, plan, subject=order)

    def _cancel_plan(self, order: TrackedOrder) -> CancelPlan:
        asset = asset_id(self._instrument_of(order))
        line, cloid, oid = order.tag, order.client_key, order.venue_order_id
        has_cloid = isinstance(line, Line) and (line.has_cloid or order.former_venue_order_ids)
        if has_cloid and isinstance(cloid, str):
            return CancelPlan(asset, cloid=cloid)
        if oid is None or not oid.isdecimal():
            raise Denial(f"order {order.client_order_id!r} is not known: give its venue_order_id")
        return CancelPlan(asset, oid=int(oid))


def _tracked(order: Order, plan: OrderPlan, cloid: str, *, has_cloid: bool = True) -> TrackedOrder:
    """Return the entry of an order with what really goes to the venue."""
    return TrackedOrder(
        order.client_order_id,
        order.instrument_id,
        order.side,
        order.order_type,
        size=plan.size,
        price=plan.price,
        trigger_price=plan.trigger_price,
        client_key=cloid,
        tag=Line(plan, has_cloid=has_cloid),
    )


def _group_problem(orders: Sequence[Order], contingency: ContingencyType) -> str | None:
    """Say what is wrong with a group, None if nothing is."""
    if contingency not in _GROUPINGS:
        return "a group needs a contingency: OTO, OCO or OTOCO"
    least = 1 if contingency is ContingencyType.OCO else 2
    if not least <= len(orders) <= MAX_GROUP:
        return f"a group has {least} to {MAX_GROUP} orders, got {len(orders)}"
    if len({order.instrument_id for order in orders}) > 1:
        return "the orders of a group are of one instrument"
    exits = orders if contingency is ContingencyType.OCO else orders[1:]
    if not all(order.order_type.has_trigger for order in exits):
        return "the exits of a group need a trigger_price"
    return None
