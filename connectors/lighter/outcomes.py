"""What became of a transaction, told to the order it was for (section 7.5 of the venue's rules).

==========  =====================  ==============================  ============================
outcome     create                 cancel                          modification
==========  =====================  ==============================  ============================
accepted    look up in 3 s         look up in 2 s                  look up in 2 s
refused     Rejected               CancelRejected if pending       ModifyRejected
not sent    Denied, or Rejected    the same                        the same
            after Submitted
unknown     nothing; look up       nothing; look up                nothing; look up
==========  =====================  ==============================  ============================
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable

from ..errors import UnknownOutcome
from ..execution.dispatch import OrderDispatch
from ..execution.identity import TrackedOrder
from ..execution.inflight import same_hash
from ..execution.lifecycle import Doubt
from ..execution.lookups import Why
from ..execution.sending import Kind
from ..net.clock import NS_PER_MS
from .account_feed import TxOutcome
from .commands import Command, Refusal, is_rate_limit
from .recovery import Recovery
from .rest import SendResult
from .sending import Sender

__all__ = ["Outcomes"]

log = logging.getLogger("connectors.lighter")

CREATE_EXTRA_S = 1.0  # a create gets this much longer than a cancel to show an effect
TOO_LATE_CODES = frozenset({21700, 21709, 21715})
KEPT_DOUBTS = 1_000
HELP = {
    21120: "check private key, account, key index and chain id",
    21108: "check private key and key index",
    21109: "the key is not registered for this account",
    21136: "the signer is outdated: upgrade tickwire",
    21149: "approve the integrator: connect with integrator_account_index set",
}
_DOUBTS = {
    Kind.CREATE: (Doubt.CREATE, Why.CREATE_IN_DOUBT),
    Kind.CANCEL: (Doubt.CANCEL, Why.CANCEL_IN_DOUBT),
    Kind.MODIFY: (Doubt.MODIFY, Why.MODIFY_IN_DOUBT),
}


class Outcomes:
    """Tells orders what became of their transactions.

    Parameters
    ----------
    dispatch : OrderDispatch
    probe_delay_s : float
        When an accepted cancel or modification without effect is looked up.
    on_problem : callable
        For what concerns no order alone.
    on_rate_limit : callable
        Called when the venue asks to slow down.
    """

    def __init__(
        self,
        dispatch: OrderDispatch,
        *,
        probe_delay_s: float,
        on_problem: Callable[[str, int | str | None], None],
        on_rate_limit: Callable[[], None],
    ) -> None:
        self._dispatch = dispatch
        self._probe_delay_s = probe_delay_s
        self._on_problem = on_problem
        self._on_rate_limit = on_rate_limit
        self._in_doubt: OrderedDict[int, Command] = OrderedDict()  # by nonce
        self.recovery: Recovery | None = None
        self.sender: Sender | None = None

    # -- of the sender -----------------------------------------------------------------

    def tx_sent(self, command: Command) -> None:
        """Take note that the bytes are out."""
        order = command.subject
        if command.kind is Kind.CREATE and isinstance(order, TrackedOrder):
            order.expires_at = command.expires_ms * NS_PER_MS
            if not order.is_submitted and not order.is_final:
                self._dispatch.submitted(order)

    def tx_accepted(self, command: Command, result: SendResult | None) -> None:
        """Expect an effect, and look when there is none."""
        order = command.subject
        if not isinstance(order, TrackedOrder) or self.recovery is None:
            return
        self._forget(command)
        delay_s = self._probe_delay_s
        if command.kind is Kind.CREATE:
            if not order.is_accepted and not order.is_final:
                in_s = delay_s + CREATE_EXTRA_S
                self._ask(order, Why.CREATE_UNSEEN, in_s, command)
        elif order.is_final or order.client_order_id not in self._dispatch.registry:
            return
        elif command.kind is Kind.CANCEL and order.is_pending_cancel:
            self._ask(order, Why.CANCEL_UNSEEN, delay_s, command)
        elif command.kind is Kind.MODIFY and order.requested is not None:
            self._ask(order, Why.MODIFY_UNSEEN, delay_s, command)

    def tx_refused(self, command: Command, refusal: Refusal) -> None:
        """Tell the order of the refusal."""
        self._forget(command)
        hint = HELP.get(refusal.code) if isinstance(refusal.code, int) else None
        if hint is not None:
            log.error("venue=LIGHTER code=%s %s: %s", refusal.code, refusal.message, hint)
            self._on_problem(f"{refusal.message}: {hint}", refusal.code)
        if is_rate_limit(refusal):
            self._on_rate_limit()
        self._refuse(command, refusal.text, refusal.code, refusal.message)

    def tx_not_sent(self, command: Command, error: Exception) -> None:
        """Tell the order that nothing left."""
        order = command.subject
        is_create = isinstance(order, TrackedOrder) and command.kind is Kind.CREATE
        if is_create and not order.is_submitted:
            self._dispatch.denied(order, f"not sent: {error}")
            return
        self._refuse(command, f"not sent: {error}", None, "")

    def tx_unknown(self, command: Command, why: str) -> None:
        """Leave the order in doubt and find out."""
        order = command.subject
        if not isinstance(order, TrackedOrder):
            self._on_problem(f"transaction {command.tx_hash}: outcome unknown ({why})", None)
            return
        log.warning(
            "venue=LIGHTER %s of %s: outcome unknown (%s)",
            command.kind.value,
            order.client_order_id,
            why,
        )
        doubt, reason = _DOUBTS[command.kind]
        if command.nonce is not None:
            self._in_doubt[command.nonce.value] = command
            if len(self._in_doubt) > KEPT_DOUBTS:
                self._in_doubt.popitem(last=False)
        if order.client_order_id in self._dispatch.registry:
            self._dispatch.in_doubt(order, doubt)
            self._ask(order, reason, 0.05, command)
        else:
            self._on_problem(
                f"{command.kind.value} of {order.client_order_id}: outcome unknown ({why})", None
            )

    def repeat(self, command: Command, outcome: object) -> None:
        """Tell another order of the same transaction what became of it."""
        if isinstance(outcome, Refusal):
            self._refuse(command, outcome.text, outcome.code, outcome.message)
        elif isinstance(outcome, UnknownOutcome):
            self.tx_unknown(command, str(outcome))
        elif isinstance(outcome, Exception):
            self.tx_not_sent(command, outcome)
        else:
            self.tx_accepted(command, None)

    def send_problem(self, message: str, code: int | str | None) -> None:
        """Pass on what concerns sending as such."""
        self._on_problem(message, code)

    # -- of the transaction log --------------------------------------------------------

    def tx_outcome(self, outcome: TxOutcome, api_key_index: int) -> None:
        """Take a row of the log: the only word about a transaction the sequencer dropped."""
        sender = self.sender
        is_ours = outcome.api_key_index in (None, api_key_index)
        if sender is None or not is_ours or outcome.is_pending:
            return
        command = sender.find(outcome.tx_hash)
        if outcome.nonce is not None and outcome.api_key_index is not None:
            sender.observed(outcome.nonce)
            doubted = self._in_doubt.get(outcome.nonce)
            if doubted is not None and doubted.tx_hash == same_hash(outcome.tx_hash):
                command = doubted  # perhaps sent by the sender of an earlier `connect`
            elif doubted is not None:
                # Its number went to another transaction: it can never be executed any more.
                self._forget(doubted)
                self._refuse(doubted, "its nonce was used by another transaction", None, "")
        if command is not None and outcome.is_failed:
            self._forget(command)
            refusal = Refusal(outcome.code or 0, outcome.message)
            self._refuse(command, refusal.text, outcome.code, outcome.message)

    # -- inside ------------------------------------------------------------------------

    def _ask(self, order: TrackedOrder, why: Why, in_s: float, command: Command) -> None:
        if self.recovery is not None:
            expires_at = command.expires_ms * NS_PER_MS
            self.recovery.ask(order, why, in_s=in_s, expires_at=expires_at)

    def _forget(self, command: Command) -> None:
        if command.nonce is not None and self._in_doubt.get(command.nonce.value) is command:
            del self._in_doubt[command.nonce.value]

    def _refuse(self, command: Command, reason: str, code: int | str | None, message: str) -> None:
        order = command.subject
        if not isinstance(order, TrackedOrder):
            if command.kind is not Kind.OTHER:
                self._on_problem(reason, code)
            return
        if command.kind is Kind.CREATE:
            due_post_only = "post" in message.lower() and "only" in message.lower()
            self._dispatch.rejected(order, reason, code=code, due_post_only=due_post_only)
        elif command.kind is Kind.MODIFY:
            self._dispatch.modify_refused(order, reason, code=code, requested=command.requested)
        elif not self._dispatch.cancel_refused(order, reason, code=code):
            log.info("venue=LIGHTER cancel of %s: %s", order.client_order_id, reason)
            if not order.is_final and code not in TOO_LATE_CODES:
                # One of a cancel-all, which makes no event: whoever sent it must know.
                self._on_problem(f"{order.client_order_id} is not canceled: {reason}", code)
        is_known = order.client_order_id in self._dispatch.registry
        is_late = code in TOO_LATE_CODES and order.is_accepted and not order.is_final
        if is_late and is_known and self.recovery is not None:
            self.recovery.ask(order, Why.ABSENT)
