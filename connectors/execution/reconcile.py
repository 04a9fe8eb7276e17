"""What the venue says stands, against what we believe.

Found orders and trades go through the dispatch like anything else, so that reconciling twice, or
against the stream, makes no second event. What is *not* found proves something only with a
reason: the search was complete and the command can no longer be executed.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ..errors import ConnectorError
from ..model.ids import AccountId, InstrumentId
from ..model.reports import FillReport, MassStatus, OrderStatusReport, PositionStatusReport
from .dispatch import OrderDispatch, OrderRow
from .identity import TrackedOrder
from .lifecycle import Doubt
from .lookups import Lookup, LookupSchedule, Why

__all__ = [
    "Found",
    "Reconciler",
    "gather_mass_status",
    "merge_order_reports",
    "oldest_first",
]

_log = logging.getLogger("connectors.execution.reconcile")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Found:
    """What a look-up of one order brought.

    Attributes
    ----------
    rows, fills :
        About this order only.
    is_complete : bool
        Every place where the order could be was searched, and answered.
    failure : str or None
        Proof that the command was not executed, in the venue's words.
    failure_code : int or str or None
    as_of_ns : int or None
        Unix time at which the search began: what it did not find may have come since. None:
        now.
    """

    rows: Sequence[OrderRow] = ()
    fills: Sequence[FillReport] = ()
    is_complete: bool = True
    failure: str | None = None
    failure_code: int | str | None = None
    as_of_ns: int | None = None


class Reconciler:
    """Brings orders whose state is in doubt to an end.

    Parameters
    ----------
    dispatch : OrderDispatch
    schedule : LookupSchedule
    wall_ns : callable
        Unix time in ns.
    grace_ns : int
        How long after a command's expiry it may still turn up (clocks differ).
    patience : int
        Attempts after which an acknowledged cancel or modification without any effect
        counts as refused, and missing fills or an absent order are given up with an error
        in the log.

    Attributes
    ----------
    given_up : int
        How many look-ups ended without an answer.
    grace_ns : int
        As above; to be raised where our clock is found to be ahead of the venue's.
    """

    __slots__ = ("_dispatch", "_patience", "_schedule", "_wall_ns", "given_up", "grace_ns")

    def __init__(
        self,
        dispatch: OrderDispatch,
        schedule: LookupSchedule,
        *,
        wall_ns: Callable[[], int],
        grace_ns: int = 1_000_000_000,
        patience: int = 5,
    ) -> None:
        self._dispatch = dispatch
        self._schedule = schedule
        self._wall_ns = wall_ns
        self.grace_ns = grace_ns
        self._patience = patience
        self.given_up = 0

    # -- a whole picture ----------------------------------------------------------------

    def open_orders(
        self,
        rows: Iterable[OrderRow],
        *,
        now_ns: int,
        instrument_id: InstrumentId | None = None,
        believed_open: Iterable[TrackedOrder] | None = None,
    ) -> list[TrackedOrder]:
        """Take a list of everything that is open now (of one instrument, or of all).

        The orders we believe open that are not in it are returned and scheduled for a
        look-up. `believed_open` are the candidates; for a list that was asked for, take
        them before asking (the default, now, is right for a snapshot on a stream).
        """
        if believed_open is None:
            believed_open = self._dispatch.registry.live_orders(instrument_id)
        # Who was accepted before the list was made: what the list itself brings is no candidate.
        candidates = [order for order in believed_open if order.state.is_working]
        find = self._dispatch.registry.find
        present: set[str] = set()
        for row in rows:
            order = find(
                client_order_id=row.report.client_order_id,
                client_key=row.client_key,
                venue_order_id=row.report.venue_order_id,
            )
            if order is not None:
                present.add(order.client_order_id)
            self._dispatch.status(row)
        absent = [
            order
            for order in candidates
            if order.client_order_id not in present and not order.is_final
        ]
        for order in absent:
            self._schedule.ask(order, Why.ABSENT, now_ns)
        return absent

    # -- one order ----------------------------------------------------------------------

    def resolve(self, lookup: Lookup, found: Found, *, now_ns: int) -> bool:
        """Take what a look-up brought; True if the matter is settled.

        If not, the look-up stays scheduled. Fills go first, oldest first: whatever the row
        says, they belong before it.
        """
        order = lookup.order
        for fill in oldest_first(found.fills):
            self._dispatch.fill(fill, client_key=order.client_key)
        for row in found.rows:
            self._dispatch.answer(row)
        settled = self._settle(lookup, found)
        if settled:
            self._schedule.done(order, lookup.why)
        else:
            self._schedule.again(lookup, now_ns)
        return settled

    def _settle(self, lookup: Lookup, found: Found) -> bool:
        order = lookup.order
        why = lookup.why
        if why is Why.MISSING_FILLS:
            return order.missing_since_ns is None or self._give_up(lookup, "fills are missing")
        if order.is_final:
            return True
        if why in (Why.CREATE_IN_DOUBT, Why.CREATE_UNSEEN):
            return self._settle_create(lookup, found)
        if why in (Why.CANCEL_IN_DOUBT, Why.CANCEL_UNSEEN):
            return self._settle_cancel(lookup, found)
        if why in (Why.MODIFY_IN_DOUBT, Why.MODIFY_UNSEEN):
            return self._settle_modify(lookup, found)
        if found.rows:
            return True
        return self._give_up(lookup, "believed open, and nowhere to be found")

    def _settle_create(self, lookup: Lookup, found: Found) -> bool:
        order = lookup.order
        if order.is_accepted:
            return True
        if found.failure is not None:
            self._dispatch.rejected(order, found.failure, code=found.failure_code)
            return True
        if (
            found.rows
            or found.fills
            or not found.is_complete
            or not self._has_expired(lookup, found)
        ):
            return False
        self._dispatch.not_found(order)
        return True

    def _settle_cancel(self, lookup: Lookup, found: Found) -> bool:
        return self._settle_change(
            lookup, found, self._dispatch.cancel_refused, "cancel", "still open"
        )

    def _settle_modify(self, lookup: Lookup, found: Found) -> bool:
        order = lookup.order
        if order.requested is None and not order.doubt & Doubt.MODIFY:
            return True
        return self._settle_change(
            lookup, found, self._dispatch.modify_refused, "modification", "unchanged"
        )

    def _settle_change(
        self,
        lookup: Lookup,
        found: Found,
        refused: Callable[..., object],
        what: str,
        without_effect: str,
    ) -> bool:
        """Tell by `refused` that a command did nothing to an order; False if it still may."""
        if found.failure is not None:
            refused(lookup.order, found.failure, code=found.failure_code)
        elif lookup.why in (Why.CANCEL_UNSEEN, Why.MODIFY_UNSEEN):
            if not found.rows and found.is_complete:
                refused(lookup.order, "no-op: order not found after venue ack")
            elif found.rows and lookup.attempt >= self._patience:
                refused(lookup.order, f"no-op: order {without_effect} after venue ack")
            else:
                return False
        elif found.rows and self._has_expired(lookup, found):
            refused(lookup.order, f"{what} was not executed before it expired")
        else:
            return False
        return True

    def _has_expired(self, lookup: Lookup, found: Found) -> bool:
        """Tell whether nothing could be executed any more when the search began."""
        expires_at = lookup.expires_at
        if expires_at is None:
            expires_at = lookup.order.expires_at
        as_of_ns = self._wall_ns() if found.as_of_ns is None else found.as_of_ns
        return expires_at is not None and as_of_ns > expires_at + self.grace_ns

    def _give_up(self, lookup: Lookup, text: str) -> bool:
        if lookup.attempt < self._patience:
            return False
        self.given_up += 1
        _log.error("order %s: %s after %d look-ups", lookup.order, text, lookup.attempt)
        if lookup.why is Why.MISSING_FILLS:
            self._dispatch.stop_missing(lookup.order)
        return True


def merge_order_reports(
    active: Iterable[OrderStatusReport], inactive: Iterable[OrderStatusReport]
) -> list[OrderStatusReport]:
    """Return one report per venue order id; of two the active one.

    Ask for the active orders first: one that ends between the two questions is in both.
    """
    merged: dict[str, OrderStatusReport] = {}
    for report in active:
        merged.setdefault(report.venue_order_id, report)
    for report in inactive:
        merged.setdefault(report.venue_order_id, report)
    return list(merged.values())


def oldest_first(fills: Iterable[FillReport]) -> list[FillReport]:
    """Return trades in the order they happened; of one time, numbers as trade ids by size."""
    return sorted(fills, key=_age)


def _age(fill: FillReport) -> tuple[int, int, str]:
    trade_id = fill.trade_id
    return fill.ts_event, len(trade_id), trade_id  # of numbers the longer one is the larger


async def gather_mass_status(
    venue: str,
    account_id: AccountId | None,
    *,
    orders: Callable[[], Awaitable[Sequence[OrderStatusReport]]],
    fills: Callable[[], Awaitable[Sequence[FillReport]]],
    positions: Callable[[], Awaitable[Sequence[PositionStatusReport]]],
    wall_ns: Callable[[], int],
) -> MassStatus:
    """Ask for all three, one after the other; a part that fails is empty, with a warning.

    Orders come first and fills after them: a fill between the two questions is reported then,
    where the other way round it would be missing from the fills and counted in the order.
    """
    ts_init = wall_ns()
    return MassStatus(
        venue=venue,
        account_id=account_id,
        orders=tuple(await _or_empty(orders, venue, "order")),
        fills=tuple(await _or_empty(fills, venue, "fill")),
        positions=tuple(await _or_empty(positions, venue, "position")),
        ts_init=ts_init,
    )


async def _or_empty(
    ask: Callable[[], Awaitable[Sequence[T]]], venue: str, what: str
) -> Sequence[T]:
    try:
        return await ask()
    except ConnectorError as error:
        _log.warning("venue=%s mass status without %s reports: %s", venue, what, error)
        return ()
