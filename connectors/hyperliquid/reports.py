"""From the venue's rows to reports in our words, ready for the dispatch (section 2.1)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal

from .._speedups.fills import DirectFills
from .._speedups.hyperliquid import UserFills
from .._speedups.records import RecordMaker
from ..execution.dispatch import OrderRow as DispatchRow
from ..execution.identity import OrderRegistry, TrackedOrder
from ..model.enums import (
    LiquiditySide,
    OrderStatus,
    OrderType,
    Side,
    TimeInForce,
    TriggerType,
)
from ..model.ids import InstrumentId
from ..model.instruments import Instrument
from ..model.reports import FillReport, OrderStatusReport
from ..net.clock import NS_PER_MS
from .lines import Line
from .rows import ZERO, FillLike, OrderLike, OrderRow
from .statuses import order_status, order_type, time_in_force

__all__ = ["MARGIN_MS", "OwnFill", "Reporter", "shown"]

log = logging.getLogger("connectors.hyperliquid")

MARGIN_MS = 5_000  # how far the venue's clock and ours may be apart beyond what was measured

# By position, in the order of their fields: a bot waits for these.
_fill_report = RecordMaker(FillReport)
_order_report = RecordMaker(OrderStatusReport)


@dataclass(frozen=True, slots=True)
class OwnFill:
    """A fill, what the venue echoes of our id of its order, and the order if it is ours."""

    report: FillReport
    client_key: str | None
    order: TrackedOrder | None


_own_fill = RecordMaker(OwnFill)


def shown(report: OrderStatusReport) -> OrderStatusReport:
    """Return a report as callers see it: the venue has no word of its own for partly filled."""
    if report.status is OrderStatus.ACCEPTED and report.filled_size:
        return replace(report, status=OrderStatus.PARTIALLY_FILLED)
    return report


class Reporter:
    """Knows the markets and our orders.

    A cloid alone does not make a row one of ours: another process, or yesterday's run, may have
    used it. What cannot be ours by its market, side, size or time is reported as anybody's.

    Parameters
    ----------
    registry : OrderRegistry
        To name orders of ours by their client order id.
    instrument_of : callable
        Returns the instrument of a coin, None if unknown.
    on_unknown_coin : callable
        Told of a coin that is not in the definitions. What is said of it is not held up: where
        nothing else is known its reports carry the coin in place of our id.
    wall_ns : callable
        Unix time in ns.

    Attributes
    ----------
    ahead_ms : int
        How far our clock is ahead of the venue's.
    """

    __slots__ = ("_instrument_of", "_on_unknown_coin", "_registry", "_wall_ns", "ahead_ms")

    def __init__(
        self,
        registry: OrderRegistry,
        *,
        instrument_of: Callable[[str], Instrument | None],
        on_unknown_coin: Callable[[str], object],
        wall_ns: Callable[[], int],
    ) -> None:
        self._registry = registry
        self._instrument_of = instrument_of
        self._on_unknown_coin = on_unknown_coin
        self._wall_ns = wall_ns
        self.ahead_ms = 0

    def venue_ms(self, ts_ns: int) -> int:
        """Return the earliest time the venue's clock may have shown at a time of ours.

        That ours was behind counts for nothing: it may have been set right since.
        """
        return max(ts_ns // NS_PER_MS - max(self.ahead_ms, 0) - MARGIN_MS, 0)

    def find(self, cloid: str | None, venue_order_id: str) -> TrackedOrder | None:
        """Return our order of a row."""
        registry = self._registry
        return registry.by_key(cloid) or registry.by_venue_id(venue_order_id)

    def _own(
        self,
        row: OrderLike | FillLike,
        cloid: str | None,
        time_ms: int,
        size: Decimal | None = None,
    ) -> TrackedOrder | None:
        """Return our order of a row; None too if it only bears the cloid of one.

        `time_ms` is when the venue took the order, or when it traded; `size` that of an order.
        """
        order = self._registry.by_key(cloid)
        of_oid = self._registry.by_venue_id(row.order_id)
        if order is None or order is of_oid:
            return order or of_oid
        if row.is_buy is not (order.side is Side.BUY):
            return None
        instrument = self._instrument_of(row.coin)
        if instrument is not None and instrument.id != order.instrument_id:
            return None
        if order.ts_submitted and 0 < time_ms < self.venue_ms(order.ts_submitted):
            return None
        if size is None or order.is_accepted or order.order_type.has_trigger:
            return order
        # A first leg is as large as it was sent, unless it only reduces.
        is_less = size < order.size and isinstance(order.tag, Line) and order.tag.only_reduces
        return order if size == order.size or is_less else None

    def _key(self, cloid: str | None, order: TrackedOrder | None) -> str | None:
        """Return the cloid of a row, None if it is that of an order of ours which it is not."""
        is_taken = order is None and self._registry.by_key(cloid) is not None
        return None if is_taken else cloid

    def _names(
        self, coin: str, cloid: str | None, order: TrackedOrder | None
    ) -> tuple[InstrumentId, str | None]:
        if order is not None:
            return order.instrument_id, order.client_order_id
        return self.instrument_id(coin), cloid

    def instrument_id(self, coin: str) -> InstrumentId:
        """Return our id of a coin; of one that is not known the coin itself."""
        instrument = self._instrument_of(coin)
        if instrument is not None:
            return instrument.id
        self._on_unknown_coin(coin)
        return coin

    def order(self, row: OrderLike) -> DispatchRow | None:
        """Return the report of an order; None for a status that means nothing to us (logged)."""
        meaning = order_status(row.status)
        if meaning is None:
            log.warning(
                "venue=HYPERLIQUID order %s: unknown status %r, state unchanged",
                row.order_id,
                row.status,
            )
            return None
        cloid = None if row.cloid is None else row.cloid.lower()
        order = self._own(row, cloid, row.timestamp_ms, row.orig_sz)
        key = self._key(cloid, order)
        instrument_id, client_order_id = self._names(row.coin, key, order)
        filled = max(row.orig_sz - row.sz, ZERO)
        if meaning.status is OrderStatus.FILLED:
            filled = row.orig_sz
        kind, tif, post_only = OrderType.UNKNOWN, TimeInForce.GTC, False
        is_triggered = False
        if isinstance(row, OrderRow):
            kind = order_type(row.order_type)
            tif, post_only = time_in_force(row.tif)
            is_triggered = kind.has_trigger and not row.is_trigger
        if order is not None:
            kind = order.order_type
        report: OrderStatusReport = _order_report(
            instrument_id,
            client_order_id,
            row.order_id,
            Side.BUY if row.is_buy else Side.SELL,
            kind,
            meaning.status,
            row.orig_sz,
            filled,
            row.limit_px,
            None,
            row.trigger_px,
            TriggerType.DEFAULT,
            None,
            tif,
            None,
            post_only,
            row.reduce_only,
            False,
            None,
            meaning.reason,
            row.status,
            row.timestamp_ms * NS_PER_MS,
            row.ts_event,
            self._wall_ns(),
            None,
        )
        return DispatchRow(
            report if order is not None else shown(report),
            client_key=key,
            is_triggered=is_triggered and not meaning.status.is_final,
            due_post_only=meaning.due_post_only,
        )

    def fill(self, row: FillLike) -> OwnFill:
        """Return the report of a fill."""
        cloid = None if row.cloid is None else row.cloid.lower()
        order = self._own(row, cloid, row.time_ms)
        key = self._key(cloid, order)
        instrument_id, client_order_id = self._names(row.coin, key, order)
        report: FillReport = _fill_report(
            instrument_id,
            client_order_id,
            row.order_id,
            str(row.tid) if row.tid else _made_id(row),
            Side.BUY if row.is_buy else Side.SELL,
            row.sz,
            row.px,
            LiquiditySide.TAKER if row.crossed else LiquiditySide.MAKER,
            row.fee,
            row.fee_token or None,
            None,
            row.closed_pnl,
            row.ts_event,
            self._wall_ns(),
            None,
        )
        own: OwnFill = _own_fill(report, key, order)
        return own

    def direct(self, fills: DirectFills, on_gap: Callable[[int], object]) -> UserFills:
        """Return the compiled way of a frame's fills, with the same meaning as `fill`.

        It is told the other fills as well, and calls `on_gap` where some did not come.
        """
        return UserFills(
            fills,
            on_gap=on_gap,
            wall_ns=self._wall_ns,
            maker=LiquiditySide.MAKER,
            taker=LiquiditySide.TAKER,
        )


def _made_id(row: FillLike) -> str:
    """Return an id for a fill to which the venue gave none (dust, settlements)."""
    parts = (row.hash, row.coin, row.time_ms, row.px, row.sz, row.start_position)
    return "0:" + ":".join(map(str, parts))
