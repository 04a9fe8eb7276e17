"""The commands about orders, as far as venues share them.

Orders are checked, planned, registered and handed to the venue's sender; what cannot be done ends
in an event (a denial, a refusal), never in an exception. A venue says how its commands look.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar

from ..errors import ClientError
from ..model._numbers import Number, exact, exact_or_none
from ..model.enums import OrderStatus, Side
from ..model.ids import ClientOrderId, InstrumentId, VenueOrderId
from ..model.orders import Order
from .client import TradingClient
from .commands import CancelOrder, wanted_cancels
from .identity import DuplicateOrder, Shape, TrackedOrder
from .planning import Denial
from .sending import Command

__all__ = ["OrderEntry", "changed"]

C = TypeVar("C", bound=Command)


class OrderEntry(TradingClient, Generic[C]):
    """Submitting, adopting, modifying and canceling; `C` is the venue's command."""

    # -- what a venue says -------------------------------------------------------------

    @abstractmethod
    def _create(self, order: Order) -> C:
        """Return the command that places an order, its subject not registered yet.

        Raises
        ------
        Denial
            It cannot be placed.
        """

    @abstractmethod
    def _adopted(self, order: Order) -> TrackedOrder:
        """Return the entry of an order of an earlier process; Denial if there can be none."""

    @abstractmethod
    def _modify(
        self,
        order: TrackedOrder,
        size: Number | None,
        price: Number | None,
        trigger_price: Number | None,
    ) -> None:
        """Change an order; Denial if it cannot be."""

    @abstractmethod
    def _cancel_command(self, order: TrackedOrder) -> C:
        """Return the command that cancels an order; Denial if that cannot be sent."""

    @abstractmethod
    def _send_cancels(self, commands: Sequence[C]) -> None:
        """Send cancels in their turn."""

    def _registered(self, command: C) -> None:
        """An order will be sent, or is about to."""

    def _check_can_send(self) -> None:
        """Deny what could not leave now: an order must not go out later than it was meant."""
        self._check_link()

    def _check_link(self) -> None:
        sender = self._sender
        if not self._connected or sender is None or not sender.takes_commands:
            raise Denial("not connected to the venue")

    # -- submitting --------------------------------------------------------------------

    def _prepare(self, order: Order, create: Callable[[Order], C] | None = None) -> C | None:
        """Return the command of an order and register that; None if it was denied."""
        self._need_credentials("submit")
        known = self.registry.by_client_id(order.client_order_id)
        if known is not None:
            if known.is_final:
                self._log.warning(
                    "order %s is over (%s): ignored", order.client_order_id, known.state
                )
                return None
            raise DuplicateOrder(f"client order id {order.client_order_id!r} was used before")
        try:
            command = (create or self._create)(order)
            self._check_can_send()
        except Denial as denial:
            self.dispatch.denied(TrackedOrder.of(order), denial.reason)
            return None
        self.registry.add(command.subject)
        self._registered(command)
        return command

    def _prepare_all(
        self, orders: Iterable[Order], create: Callable[[Order], C] | None = None
    ) -> list[C]:
        """Prepare several; where that raises over one, none of them was ever there."""
        commands: list[C] = []
        try:
            for order in orders:
                command = self._prepare(order, create)
                if command is not None:
                    commands.append(command)
        except Exception:
            for command in commands:
                self.registry.discard(command.subject)
            raise
        return commands

    def _submitted(self, commands: Iterable[C]) -> None:
        """Tell of the orders that wait for their turn; after they took their place in the line."""
        for command in commands:
            order: TrackedOrder = command.subject
            if not order.is_submitted and not order.is_final:
                self.dispatch.submitted(order)

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
        try:
            tracked = self._adopted(order)
        except Denial as denial:
            raise ClientError(denial.reason) from None
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
        """Change an order: `OrderUpdated` when the venue shows it, else `OrderModifyRejected`.

        What is not given stays. `size` is the new total, what is filled included. For an order
        that is not ours, `instrument_id`, `venue_order_id`, `side`, `size` and `price` are needed.
        """
        self._need_credentials("modify")
        order = self._find(client_order_id, instrument_id, venue_order_id, side=side)
        try:
            self._modify(order, size, price, trigger_price)
        except Denial as denial:
            self.dispatch.modify_denied(order, denial.reason)

    # -- canceling ---------------------------------------------------------------------

    def cancel_order(
        self,
        client_order_id: ClientOrderId | None = None,
        *,
        instrument_id: InstrumentId | None = None,
        venue_order_id: VenueOrderId | None = None,
    ) -> None:
        """Cancel an order: `OrderCanceled` when the venue shows it, else `OrderCancelRejected`.

        For an order that is not ours, `instrument_id` and `venue_order_id` are needed.
        """
        self._need_credentials("cancel")
        wanted = CancelOrder(
            client_order_id=client_order_id,
            instrument_id=instrument_id,
            venue_order_id=venue_order_id,
        )
        self._cancel(self._prepare_cancel(wanted))

    def batch_cancel_orders(self, cancels: Sequence[CancelOrder | ClientOrderId]) -> None:
        """Cancel several orders with as few requests as the venue allows."""
        self._need_credentials("cancel")
        self._cancel(*[self._prepare_cancel(one) for one in wanted_cancels(cancels)])

    def cancel_all_orders(
        self, instrument_id: InstrumentId | None = None, *, side: Side | None = None
    ) -> None:
        """Cancel every order of ours that lives, of one instrument and side or all.

        A refusal makes no event: an order that fills meanwhile is no error here. A cancel that
        cannot be sent is told to `on_status` as an `ErrorEvent`.
        """
        self._need_credentials("cancel")
        self._cancel(
            *[
                self._prepare_cancel(
                    CancelOrder(client_order_id=order.client_order_id), explicit=False
                )
                for order in self.registry.live_orders(instrument_id)
                if (side is None or order.side is side) and order.is_submitted
            ]
        )

    def _cancel(self, *prepared: C | None) -> None:
        commands = [command for command in prepared if command is not None]
        if commands:
            self._send_cancels(commands)

    def _prepare_cancel(self, wanted: CancelOrder, *, explicit: bool = True) -> C | None:
        """Return the command of a cancel; None if it was refused here or makes no sense."""
        order = self._find(wanted.client_order_id, wanted.instrument_id, wanted.venue_order_id)
        name = order.client_order_id
        if order.is_final:
            self._log.warning("order %s is over (%s): not canceled", name, order.state)
            return None
        try:
            command = self._cancel_command(order)
        except Denial as denial:
            if not self.dispatch.cancel_refused(order, denial.reason, force=explicit):
                self._teller.problem(f"{name} is not canceled: {denial.reason}", None)
            return None
        if explicit:
            self.dispatch.cancel_sent(order)
        return command


def changed(
    base: Shape, size: Number | None, price: Number | None, trigger_price: Number | None
) -> Shape:
    """Return a shape with what is given in place of what was."""
    return Shape(
        exact_or_none(size, "size") or base.size,
        exact_or_none(price, "price") or base.price,
        exact_or_none(trigger_price, "trigger_price") or base.trigger_price,
    )
