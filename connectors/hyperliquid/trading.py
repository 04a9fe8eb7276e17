"""Orders of the execution client: submitting, modifying, canceling."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from ..errors import ConnectorError
from ..execution.dispatch import OrderRow
from ..execution.identity import TrackedOrder
from ..execution.order_entry import OrderEntry, changed
from ..execution.planning import Denial
from ..execution.sending import Command, Kind
from ..model._numbers import Number
from ..model.enums import ContingencyType
from ..model.orders import Order, OrderList
from .actions import Grouping
from .client_core import ClientCore
from .instruments import asset_id
from .lines import Line
from .orders import CancelPlan, cloid_of, is_cloid, plan_external, plan_order

__all__ = ["Trading"]

MAX_GROUP = 3  # an entry, a take-profit and a stop
_GROUPINGS = {
    ContingencyType.OTO: Grouping.WITH_EXITS,
    ContingencyType.OTOCO: Grouping.WITH_EXITS,
    ContingencyType.OCO: Grouping.OF_POSITION,
}


class Trading(ClientCore, OrderEntry[Command]):
    """The commands about orders.

    A modification replaces the order, which has another venue order id afterwards and a new place
    in the queue: `OrderUpdated` comes when the replacement is known. One modification of an order
    is on its way at a time; of those given meanwhile the newest is sent when that is settled. An
    order that is not ours is from its modification on.

    A cancel names an order of ours by its cloid: that hits it also while it is being modified, and
    before the venue has named it.
    """

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
            self._need(self._sender).order(command)
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
        commands = self._prepare_all(orders)
        if commands:
            self._need(self._sender).orders(commands)
            self._submitted(commands)

    def submit_order_group(self, orders: Sequence[Order], contingency: ContingencyType) -> None:
        """Send orders of one market that depend on each other.

        OTO and OTOCO: an entry, then one or two exits that trigger; they wait for the entry to
        fill, and of two the second is canceled when the first fills. OCO: exits alone, whose size
        follows the position: more or less than they were given may trade, and they are filled when
        the venue says so. Exits have `reduce_only`, and the side that the entry has not.
        """
        self._need_credentials("submit")
        grouping = _GROUPINGS.get(contingency)
        commands = self._prepare_all(orders)
        reason = _group_problem(orders, contingency)
        if reason is None and len(commands) != len(orders):
            reason = "another order of the group was denied"
        if reason is not None or grouping is None:
            for command in commands:
                self.dispatch.denied(command.subject, reason or "")
            return
        if grouping is Grouping.OF_POSITION:
            for command in commands:
                self.dispatch.sized_by_venue(command.subject)
        self._need(self._sender).orders(commands, grouping)
        self._submitted(commands)

    def _create(self, order: Order) -> Command:
        tracked = self._adopted(order)
        return Command(Kind.CREATE, tracked.tag.plan, subject=tracked)

    def _adopted(self, order: Order) -> TrackedOrder:
        cloid = self._cloid(order)
        plan = plan_order(
            order,
            self.markets.get(order.instrument_id),
            cloid=cloid,
            best_price=partial(self._best_price, order),
            rules=self._rules,
        )
        return TrackedOrder(
            order.client_order_id,
            order.instrument_id,
            order.side,
            order.order_type,
            size=plan.size,
            price=plan.price,
            trigger_price=plan.trigger_price,
            client_key=cloid,
            tag=Line(plan),
        )

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
        super()._check_can_send()
        wait_s = self._need(self._sender).address.wait_s
        if wait_s > 0:
            raise Denial(
                f"the account's requests are used up: again in {wait_s:.1f} s (the venue takes one "
                "in 10 s)"
            )

    def adopt_order(self, order: Order, *, has_cloid: bool = True, **state: Any) -> None:
        """Treat an order of an earlier process as ours from now on; makes no event.

        `has_cloid` is False for an order that was placed without one: it gets one when it is
        modified. `state` is `venue_order_id`, `status` and `filled_size`, as on other venues.
        """
        super().adopt_order(order, **state)
        line = self.registry.by_client_id(order.client_order_id)
        assert line is not None
        line.tag.has_cloid = has_cloid

    # -- modifying ---------------------------------------------------------------------

    def _modify(
        self,
        order: TrackedOrder,
        size: Number | None,
        price: Number | None,
        trigger_price: Number | None,
    ) -> None:
        if order.is_final:
            raise Denial(f"the order is over ({order.state})")
        if order.client_order_id not in self.registry:
            self._check_link()
            self._check_external(order, size, price)
            asked = self._modify_external(order, size, price, trigger_price)
            self._need(self._tasks).spawn(asked, "modify-external")
            return
        base = self._modifications.waiting(order) or order.requested or order.shape
        target = changed(base, size, price, trigger_price)
        self._check_can_send()
        self._modifications.ask(order, target)

    def _check_external(
        self, order: TrackedOrder, size: Number | None, price: Number | None
    ) -> None:
        self._instrument_of(order)
        if size is None or price is None or order.venue_order_id is None:
            raise Denial("the order is not known: give its venue_order_id, size and price")

    async def _modify_external(
        self,
        order: TrackedOrder,
        size: Number | None,
        price: Number | None,
        trigger_price: Number | None,
    ) -> None:
        """Modify an order that is not ours by what the venue says it is: filled in part, maybe."""
        try:
            rows = await self._queries().find_order(cloid=None, venue_order_id=order.venue_order_id)
            known = self.registry.find(
                client_order_id=order.client_order_id, venue_order_id=order.venue_order_id
            )  # of another modification meanwhile
            self._modify(known or self._adopt_external(order, rows), size, price, trigger_price)
        except Denial as denial:
            self.dispatch.modify_denied(order, denial.reason)
        except ConnectorError as error:
            self.dispatch.modify_denied(order, f"the order could not be looked up: {error}")

    def _adopt_external(self, order: TrackedOrder, rows: Sequence[OrderRow]) -> TrackedOrder:
        """Return an order that is not ours as one of ours, as the venue shows it."""
        if not rows or not rows[0].report.status.is_open:
            raise Denial("the venue does not show the order as open")
        found = rows[0].report
        if found.side is not order.side or found.order_type.has_trigger:
            raise Denial(f"it is a {found.order_type} order to {found.side}: nothing was sent")
        cloid = cloid_of(order.client_order_id)
        plan = plan_external(
            self._instrument_of(order),
            order.side,
            cloid=cloid,
            reduce_only=found.reduce_only,
            post_only=found.post_only,
        )
        order.size, order.price = found.size, found.price
        order.filled_size = order.reported_filled = found.filled_size
        order.client_key = cloid
        order.tag = Line(plan, has_cloid=False)
        order.is_submitted = order.is_accepted = True
        return self.registry.add(order)

    # -- canceling ---------------------------------------------------------------------

    def _send_cancels(self, commands: Sequence[Command]) -> None:
        self._need(self._sender).cancels(commands)

    def _cancel_command(self, order: TrackedOrder) -> Command:
        plan = self._cancel_plan(order)
        self._check_link()
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
    if not all(order.reduce_only for order in exits):
        return "the exits of a group can only reduce: give reduce_only"
    sides = {order.side for order in exits}
    if len(sides) > 1 or (exits is not orders and orders[0].side in sides):
        return "the exits of a group are of one side, which the entry has not"
    return None
