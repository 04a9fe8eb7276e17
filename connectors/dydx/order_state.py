"""One order: its terms, what became of it so far, and the report of that."""

from __future__ import annotations

from decimal import Decimal

from ..model.enums import OrderStatus, Side
from ..model.ids import AccountId, InstrumentId
from ..model.reports import OrderStatusReport
from .rows import ZERO, OrderRow, instrument_id_of
from .statuses import Flags, VenueStatus, order_type, time_in_force

__all__ = ["OrderState"]


class OrderState:
    """What is known of an order; only `OrderStore` changes it.

    Attributes
    ----------
    order_id, client_id, clob_pair_id, flags, ticker :
        What it is called.
    subaccount_number : int or None
    side, size, price, trigger_price, kind, time_in_force, post_only, reduce_only :
        Its terms; None where no row has said.
    good_til_block, expire_ns :
        The last block of a short-term order; the Unix time (ns) at which another one ends.
    status : VenueStatus
        The last word that counted, and `reason` with it.
    final : OrderStatus or None
        How it ended; `is_end_said`: by the venue's word, not by height alone.
    total_filled, optimistic_filled : Decimal
        The largest certain filled size a row has shown; the last hint, which may shrink.
    fill_sum : Decimal
        Sum of the trades that came, each once.
    filled_before, before_height : Decimal, int
        What was filled up to the block at which this client began to look: of that no trades
        come.
    height : int
        Block of the newest row that counted; -1 before the first.
    seen_height : int
        Height of the chain when the order was first heard of.
    canceled_block, is_canceled :
        Good-til block of the terms a node has taken off its book; whether one did.
    cancel_til_block : int
        The largest good-til block of cancels of ours.
    is_replaced : bool
        Its terms were replaced, by some that have not come yet.
    is_triggered : bool
        The trigger price of a conditional order was reached.
    is_doubtful : bool
        Something may have happened to it that nobody told: ask.
    """

    __slots__ = (
        "before_height",
        "cancel_til_block",
        "canceled_block",
        "client_id",
        "clob_pair_id",
        "expire_ns",
        "fill_sum",
        "filled_before",
        "final",
        "flags",
        "good_til_block",
        "height",
        "is_canceled",
        "is_doubtful",
        "is_end_said",
        "is_replaced",
        "is_triggered",
        "kind",
        "optimistic_filled",
        "order_id",
        "post_only",
        "price",
        "reason",
        "reduce_only",
        "seen_height",
        "side",
        "size",
        "status",
        "subaccount_number",
        "ticker",
        "time_in_force",
        "total_filled",
        "trigger_price",
        "ts_last",
    )

    def __init__(self, row: OrderRow, *, seen_height: int) -> None:
        self.order_id = row.order_id
        self.client_id = row.client_id
        self.clob_pair_id = row.clob_pair_id
        self.flags = row.flags
        self.ticker = row.ticker
        self.subaccount_number: int | None = None
        self.side: Side | None = None
        self.size: Decimal | None = None
        self.price: Decimal | None = None
        self.trigger_price: Decimal | None = None
        self.kind: str | None = None
        self.time_in_force: str | None = None
        self.post_only: bool | None = None
        self.reduce_only: bool | None = None
        self.good_til_block: int | None = None
        self.expire_ns: int | None = None
        self.status = VenueStatus.BEST_EFFORT_OPENED
        self.reason: str | None = None
        self.final: OrderStatus | None = None
        self.is_end_said = False
        self.total_filled = ZERO
        self.optimistic_filled = ZERO
        self.fill_sum = ZERO
        self.filled_before = ZERO
        self.before_height = 0
        self.height = -1
        self.seen_height = seen_height
        self.canceled_block = 0
        self.is_canceled = False
        self.cancel_til_block = 0
        self.is_replaced = False
        self.is_triggered = False
        self.is_doubtful = False
        self.ts_last = 0

    def __repr__(self) -> str:
        return (
            f"<OrderState {self.order_id} {self.final or self.status} {self.filled:f}"
            f"/{self.size} {self.ticker} good_til_block={self.good_til_block}>"
        )

    @property
    def is_short_term(self) -> bool:
        """Whether the height of the chain ends it."""
        return self.flags == Flags.SHORT_TERM

    @property
    def is_conditional(self) -> bool:
        """Whether it waits for its trigger price."""
        return self.flags == Flags.CONDITIONAL

    @property
    def filled(self) -> Decimal:
        """What is filled for certain."""
        return max(self.total_filled, self.filled_before + self.fill_sum)

    @property
    def missing(self) -> Decimal:
        """How much was filled in trades that have not come."""
        return max(self.total_filled - self.filled_before - self.fill_sum, ZERO)

    @property
    def is_known(self) -> bool:
        """Whether enough was said of it for a report: the thinnest rows do not say the side."""
        return self.side is not None and self.size is not None

    def terms_of(self, row: OrderRow) -> int:
        """Return 1 for a row with later terms than those known, -1 for earlier ones, else 0."""
        for mine, theirs in (
            (self.good_til_block, row.good_til_block),
            (self.expire_ns, row.expire_ns),
        ):
            if mine is not None and theirs is not None and mine != theirs:
                return 1 if theirs > mine else -1
        return 0

    def learn(self, row: OrderRow, *, is_newer: bool) -> None:
        """Take the terms of a row: all it has if it is newer, else what nobody has said yet."""
        for name in _TERMS:
            value = getattr(row, name)
            if value is not None and (is_newer or getattr(self, name) is None):
                setattr(self, name, value)
        if row.total_filled is not None and row.total_filled > self.total_filled:
            self.total_filled = row.total_filled
        if row.optimistic_filled is not None and is_newer:
            self.optimistic_filled = row.optimistic_filled
        if row.updated_ns is not None and row.updated_ns > self.ts_last:
            self.ts_last = row.updated_ns

    def report_status(self) -> OrderStatus:
        """Return where it stands, in our words."""
        if self.final is not None:
            return self.final
        if self.status is VenueStatus.BEST_EFFORT_CANCELED:
            return OrderStatus.PENDING_CANCEL
        if self.filled:
            return OrderStatus.PARTIALLY_FILLED
        return OrderStatus.TRIGGERED if self.is_triggered else OrderStatus.ACCEPTED

    def report(self, account_id: AccountId | None, now_ns: int) -> OrderStatusReport | None:
        """Return the report of it, None as long as not even its side is known."""
        if self.side is None or self.size is None:
            return None
        instrument_id: InstrumentId = instrument_id_of(self.ticker)
        return OrderStatusReport(
            instrument_id=instrument_id,
            client_order_id=self.client_id,
            venue_order_id=self.order_id,
            side=self.side,
            order_type=order_type(self.kind),
            status=self.report_status(),
            size=self.size,
            filled_size=self.filled,
            price=self.price,
            trigger_price=self.trigger_price or None,
            time_in_force=time_in_force(self.time_in_force),
            expire_time=self.expire_ns,
            post_only=bool(self.post_only),
            reduce_only=bool(self.reduce_only),
            reason=self.reason,
            venue_status=self.status.value,
            ts_last=self.ts_last or now_ns,
            ts_init=now_ns,
            account_id=account_id,
        )


_TERMS = (
    "subaccount_number",
    "side",
    "size",
    "price",
    "trigger_price",
    "kind",
    "time_in_force",
    "post_only",
    "reduce_only",
    "good_til_block",
    "expire_ns",
)
