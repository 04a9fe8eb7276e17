"""What the dispatch of one order must say, computed the slow and obvious way.

`expected_events` looks at the whole list of what was delivered so far, once per delivery, with
plain lists and no state of its own. `Script` makes the true history of one order at a venue and
the rows and trades that tell it; `row` and `trade` make single ones.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from connectors.execution.dispatch import OrderRow
from connectors.model import (
    FillReport,
    OrderStatus,
    OrderStatusReport,
    OrderType,
    Side,
)

INSTRUMENT = "ETH-PERP"
ENDS = {
    OrderStatus.CANCELED: "OrderCanceled",
    OrderStatus.EXPIRED: "OrderExpired",
    OrderStatus.REJECTED: "OrderRejected",
}


def row(
    status: OrderStatus,
    *,
    seq: int | tuple[int, ...] = (),
    size: str | Decimal = "10",
    filled: str | Decimal = "0",
    price: str | Decimal | None = "100",
    trigger: str | Decimal | None = None,
    kind: OrderType = OrderType.LIMIT,
    venue_id: str = "v1",
    key: Any = 77,
    client_id: str | None = None,
    reason: str | None = None,
    is_triggered: bool = False,
    due_post_only: bool = False,
) -> OrderRow:
    """Return a row of the order with client key 77."""
    return OrderRow(
        OrderStatusReport(
            instrument_id=INSTRUMENT,
            client_order_id=client_id,
            venue_order_id=venue_id,
            side=Side.BUY,
            order_type=kind,
            status=status,
            size=Decimal(size),
            filled_size=Decimal(filled),
            price=None if price is None else Decimal(price),
            trigger_price=None if trigger is None else Decimal(trigger),
            reason=reason,
            ts_last=1_000,
            ts_init=2_000,
        ),
        client_key=key,
        sequence=(seq,) if isinstance(seq, int) else seq,
        is_triggered=is_triggered,
        due_post_only=due_post_only,
    )


def trade(
    trade_id: str,
    size: str | Decimal,
    *,
    venue_id: str = "v1",
    client_id: str | None = None,
    price: str = "100",
    ts: int = 1_000,
) -> FillReport:
    """Return a trade of that order."""
    return FillReport(
        instrument_id=INSTRUMENT,
        client_order_id=client_id,
        venue_order_id=venue_id,
        trade_id=trade_id,
        side=Side.BUY,
        last_size=Decimal(size),
        last_price=Decimal(price),
        ts_event=ts,
        ts_init=2_000,
    )


def expected_events(size: Decimal, delivered: list[OrderRow | FillReport]) -> list[tuple[Any, ...]]:
    """Return (kind, detail...) of every event that these deliveries make, in order.

    For one limit order of this size at 100, submitted, that we do not modify.
    """
    said: list[tuple[Any, ...]] = []
    looked_at: list[OrderRow] = []  # rows that were neither stale nor behind the end
    is_over = False
    for count, item in enumerate(delivered):
        kinds = [event[0] for event in said]
        accepted = [] if "OrderAccepted" in kinds else [("OrderAccepted",)]
        if isinstance(item, FillReport):
            trades = [old for old in delivered[:count] if isinstance(old, FillReport)]
            if item.trade_id in [old.trade_id for old in trades]:
                continue
            total = sum({old.trade_id: old.last_size for old in (*trades, item)}.values())
            if not is_over:
                said += accepted
            said.append(("OrderFilled", item.trade_id, item.last_size, total))
            is_over = is_over or total >= size
            continue
        if is_over or any(item.sequence < old.sequence for old in looked_at):
            continue
        looked_at.append(item)
        status = item.report.status
        if status is OrderStatus.REJECTED:
            said.append(("OrderCanceled" if not accepted else "OrderRejected",))
            is_over = True
        elif status in ENDS:
            said += [*accepted, (ENDS[status],)]
            is_over = True
        elif status.is_open:
            said += accepted
    return said


@dataclass
class Script:
    """The true life of one order and everything the venue sends about it, in true order."""

    size: Decimal
    sent: list[OrderRow | FillReport]
    trades: dict[str, Decimal]
    ends_by: OrderStatus


def make_script(rng: random.Random) -> Script:
    """Make a life: perhaps modified, partly or wholly filled, ended."""
    size = Decimal(rng.randint(1, 6))
    sent: list[OrderRow | FillReport] = []
    trades: dict[str, Decimal] = {}
    seq = 1
    if rng.random() < 0.1:
        sent.append(row(OrderStatus.REJECTED, seq=seq, size=size, due_post_only=True))
        return Script(size, sent, trades, OrderStatus.REJECTED)
    if rng.random() < 0.3:
        sent.append(row(OrderStatus.SUBMITTED, seq=seq, size=size))
        seq += 1
    sent.append(row(OrderStatus.ACCEPTED, seq=seq, size=size))
    filled = Decimal(0)
    while filled < size and rng.random() < 0.75:
        part = Decimal(rng.randint(1, int(size - filled)))
        filled += part
        name = f"t{len(trades)}"
        trades[name] = part
        seq += 1
        sent.append(trade(name, part))
        if filled < size:
            sent.append(row(OrderStatus.PARTIALLY_FILLED, seq=seq, size=size, filled=filled))
    seq += 1
    if filled == size:
        ends_by = OrderStatus.FILLED
    else:
        ends_by = rng.choice((OrderStatus.CANCELED, OrderStatus.EXPIRED))
    sent.append(row(ends_by, seq=seq, size=size, filled=filled))
    return Script(size, sent, trades, ends_by)
