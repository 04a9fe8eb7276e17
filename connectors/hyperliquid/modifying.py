"""Modifications: one of an order at a time, the newest waits, correctives in between (2.8, 2.11).

The venue replaces an order by a new one. Two replacements of the same leg cannot both succeed, so
the next is sent when the one before it is settled; of several that wait only the newest counts.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from ..execution.identity import Shape, TrackedOrder
from ..execution.legs import Corrective, LegDispatch
from ..execution.markets import Markets
from ..execution.planning import Denial
from ..execution.sending import Command, Kind
from ..model.instruments import Instrument
from .instruments import asset_id
from .lines import Line
from .orders import CancelPlan, ModifyPlan, Rules, plan_modify
from .sending import Sender

__all__ = ["Modifications"]

log = logging.getLogger("connectors.hyperliquid")

SUPERSEDED = "superseded by a newer modification"


class Modifications:
    """What is asked of orders, and when it may be sent.

    Parameters
    ----------
    dispatch, markets, rules :
        What it works with.

    Attributes
    ----------
    sender : Sender or None
        None while there is no connection: nothing is sent then.
    """

    def __init__(self, dispatch: LegDispatch, markets: Markets[str], rules: Rules) -> None:
        self._dispatch = dispatch
        self._markets = markets
        self._rules = rules
        self._waiting: dict[str, tuple[TrackedOrder, Shape]] = {}
        self._pumping = False
        self.sender: Sender | None = None

    @property
    def is_wanted(self) -> bool:
        """Whether anything waits to be sent."""
        return bool(self._waiting) or bool(self._dispatch.work)

    def ask(self, order: TrackedOrder, target: Shape) -> None:
        """Change an order, now or after the modification that is on its way.

        Raises
        ------
        Denial
            It cannot be sent.
        """
        name = order.client_order_id
        if self._dispatch.marker(order) is None and name not in self._waiting:
            self._send(order, target)
            return
        self._plan(order, target)  # what cannot be sent at all is denied at once
        older = self._waiting.pop(name, None)
        self._waiting[name] = order, target
        if older is not None:
            self._dispatch.modify_denied(order, SUPERSEDED)

    def waiting(self, order: TrackedOrder) -> Shape | None:
        """Return what an order is to become after the modification on its way."""
        found = self._waiting.get(order.client_order_id)
        return None if found is None else found[1]

    def pump(self) -> None:
        """Send what has become possible; called after everything that settles something."""
        if self._pumping:
            return
        self._pumping = True
        try:
            if self._can_send:
                for corrective in self._dispatch.work.take_correctives():
                    self._correct(corrective)
            for name in list(self._waiting):
                order, target = self._waiting[name]
                if order.is_final:
                    del self._waiting[name]
                    self._dispatch.modify_denied(order, f"the order is over ({order.state})")
                elif self._dispatch.marker(order) is None:
                    del self._waiting[name]
                    self._try(order, target)
            if self._can_send:
                for order in self._dispatch.work.take_strays():
                    self._cancel_stray(order)
        finally:
            self._pumping = False

    def _try(self, order: TrackedOrder, target: Shape) -> None:
        try:
            self._send(order, target)
        except Denial as denial:
            self._dispatch.modify_denied(order, denial.reason)

    # -- sending -----------------------------------------------------------------------

    @property
    def _can_send(self) -> bool:
        return self.sender is not None and self.sender.is_running

    def _send(self, order: TrackedOrder, target: Shape) -> None:
        plan = self._plan(order, target)
        if self.sender is None or not self._can_send:
            raise Denial("not connected to the venue")
        self._dispatch.replace_sent(order, plan.target, sent_size=plan.sent_size)
        self._give(self.sender, Command(Kind.MODIFY, plan, order))

    def _plan(self, order: TrackedOrder, target: Shape) -> ModifyPlan:
        line, venue_order_id = order.tag, order.venue_order_id
        if not isinstance(line, Line) or venue_order_id is None:
            raise Denial("the venue has not named the order yet: there is nothing to modify")
        return plan_modify(
            line.plan,
            self._instrument(order),
            oid=int(venue_order_id),
            target=target,
            filled=order.filled_size,
            rules=self._rules,
        )

    def _instrument(self, order: TrackedOrder) -> Instrument:
        instrument = self._markets.get(order.instrument_id)
        if instrument is None:
            raise Denial(f"unknown instrument {order.instrument_id!r}")
        return instrument

    def _correct(self, corrective: Corrective) -> None:
        """Bring a leg that is too big down to what is left; its marker is set already."""
        order = corrective.order
        target = Shape(order.size, corrective.price or order.price, order.trigger_price)
        assert self.sender is not None
        try:
            plan = self._plan(order, target)
        except Denial as denial:
            log.warning("order %s: not corrected: %s", order.client_order_id, denial)
            self._dispatch.replace_refused(order, denial.reason)
            return
        plan = replace(plan, oid=int(corrective.venue_order_id))
        self._give(self.sender, Command(Kind.MODIFY, plan, order))

    @staticmethod
    def _give(sender: Sender, command: Command) -> None:
        line = command.subject.tag
        if isinstance(line, Line):
            line.commands[Kind.MODIFY] = command  # whose answer counts from now on
        sender.modify(command)

    def _cancel_stray(self, order: TrackedOrder) -> None:
        """Cancel a leg that may trade more than was asked for; nobody waits for the answer."""
        assert self.sender is not None
        cloid = order.client_key
        instrument = self._markets.get(order.instrument_id)
        if instrument is None or not isinstance(cloid, str):
            return
        if not order.is_final and (order.is_pending_cancel or self._dispatch.marker(order)):
            return  # what was given meanwhile ends the leg; if it does not, this comes again
        log.warning(
            "order %s: its last leg is larger than what is left of it, and is canceled",
            order.client_order_id,
        )
        plan = CancelPlan(asset_id(instrument), cloid=cloid)
        self.sender.cancels([Command(Kind.CANCEL, plan, order)])
