"""What is true of each order, out of rows that come twice, late, or not at all; sans-I/O (7).

The stream tells what one node of the indexer believes. Certain are: trades, `FILLED`, `CANCELED`,
and for a short-term order the height of the chain. Not certain: `BEST_EFFORT_OPENED` (another node
may not have it) and above all `BEST_EFFORT_CANCELED`, which says that one node took the order off
its book, and nothing about the block that is being made elsewhere.

=============================  ==================================================================
an order is                    when
=============================  ==================================================================
FILLED                         the venue says so, or its trades add up to its size
CANCELED, EXPIRED              the venue says CANCELED (by the reason); or a short-term order's
                               good-til block, and that of every cancel of ours, has passed: then
                               it was canceled if a node said so at its present terms (DX-O-01);
                               or the chain's time has passed that of a stateful order
pending cancel                 BEST_EFFORT_CANCELED: it may still fill
accepted, triggered, in part   anything else the venue says
=============================  ==================================================================

Rows are put together so that their order hardly matters (DX-O-09): what is final wins, then the
later terms (a larger good-til block: a replacement, 7.3), then the larger filled size, then the
larger height. Of one height the row that came last counts.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from decimal import Decimal

from ..model.enums import OrderStatus
from .order_state import OrderState
from .rows import ZERO, FillRow, OrderRow
from .statuses import EXPIRY_REASONS, REPLACED, VenueStatus, venue_status

__all__ = ["SHORT_BLOCK_WINDOW", "OrderStore"]

SHORT_BLOCK_WINDOW = 20
ENDED_KEPT = 10_000
EARLY_KEPT = 1_000
EXPIRY_GRACE_NS = 10_000_000_000  # of chain time, in which the venue says it itself


class OrderStore:
    """All orders of an account: the live ones, and the last that ended.

    Parameters
    ----------
    window : int
        How many blocks a short-term order can live at most: bounds one whose good-til block
        nobody has said.
    extra_blocks : int
        Blocks to wait beyond the good-til block where heights and orders come on different
        connections (DX-O-02).
    capacity : int
        How many orders that ended are kept.

    Attributes
    ----------
    is_held : bool
        Height ends nothing: trades of blocks that have passed may still be unread.
    unknown_words : int
        Rows with a status we do not know; they change nothing but terms and filled sizes.
    """

    def __init__(
        self,
        *,
        window: int = SHORT_BLOCK_WINDOW,
        extra_blocks: int = 0,
        capacity: int = ENDED_KEPT,
    ) -> None:
        self._window = window
        self._extra_blocks = extra_blocks
        self._capacity = capacity
        self._live: dict[str, OrderState] = {}
        self._ended: OrderedDict[str, OrderState] = OrderedDict()
        self._early_fills: dict[str, Decimal] = {}  # of orders nobody has named yet
        self._height = 0
        self._block_ns = 0
        self.is_held = False
        self.unknown_words = 0

    def __len__(self) -> int:
        return len(self._live) + len(self._ended)

    @property
    def live(self) -> list[OrderState]:
        """The orders that may still fill, oldest first."""
        return list(self._live.values())

    @property
    def in_doubt(self) -> list[OrderState]:
        """The orders somebody has to ask for: what is known of them may be out of date."""
        return [state for state in self._live.values() if state.is_doubtful]

    def get(self, order_id: str | None) -> OrderState | None:
        """Return an order, None if it is not known or ended long ago."""
        if order_id is None:
            return None
        return self._live.get(order_id) or self._ended.get(order_id)

    # -- what the venue says -----------------------------------------------------------

    def identify(self, row: OrderRow, height: int = 0) -> OrderState:
        """Return the order of a row; one that was not known is from now on."""
        state = self.get(row.order_id)
        if state is None:
            state = OrderState(row, seen_height=max(self._height, height))
            state.fill_sum = self._early_fills.pop(state.order_id, ZERO)
            self._live[state.order_id] = state
        return state

    def take(self, row: OrderRow, *, height: int, is_asked: bool = False) -> OrderState:
        """Put a row to what is known, and return its order.

        Parameters
        ----------
        height : int
            Block of the message. 0: not known, anything else is newer.
        is_asked : bool
            Somebody asked for it: a replica may have answered that lags behind the stream
            (DX-W-20), so only what is newer than the last word on the order is news.
        """
        state = self.identify(row, height)
        word = venue_status(row.status)
        if word is None:
            self.unknown_words += 1
        is_old_terms = state.terms_of(row) < 0
        is_new_terms = state.terms_of(row) > 0
        if is_new_terms and state.final is not None and self._lives_again(state, row, word):
            self._revive(state)
        is_behind = height < state.height or (is_asked and height == state.height)
        is_stale = is_old_terms or (is_behind and not is_new_terms)
        state.learn(row, is_newer=not is_stale)
        if is_new_terms:
            state.is_replaced = False
        if word is VenueStatus.FILLED and not is_old_terms:
            self._end(state, OrderStatus.FILLED, row, is_word=True)
        elif word is VenueStatus.CANCELED and not is_old_terms:
            is_expiry = row.reason in EXPIRY_REASONS
            final = OrderStatus.EXPIRED if is_expiry else OrderStatus.CANCELED
            self._end(state, final, row, is_word=True)
        elif word is not None and word is not VenueStatus.ERROR:
            self._take_open(state, row, word, is_stale=is_stale, is_old_terms=is_old_terms)
        if not is_stale and height > state.height:
            state.height = height
        if not (is_stale and is_asked):
            state.is_doubtful = False
        return state

    def _take_open(
        self,
        state: OrderState,
        row: OrderRow,
        word: VenueStatus,
        *,
        is_stale: bool,
        is_old_terms: bool,
    ) -> None:
        """Take a state that is not final."""
        if word is VenueStatus.BEST_EFFORT_CANCELED:
            if row.reason == REPLACED:
                if not is_old_terms:
                    state.is_replaced = True
                    state.seen_height = max(state.seen_height, self._height)
                return
            block = row.good_til_block or state.good_til_block or 0
            state.canceled_block = max(state.canceled_block, block)
            state.is_canceled = True
        if state.final is not None or is_stale:
            return
        if word is VenueStatus.UNTRIGGERED and state.is_triggered:
            return
        if word is VenueStatus.OPEN and state.is_conditional:
            state.is_triggered = True
        state.status = word
        state.reason = row.reason

    def fill(self, row: FillRow) -> None:
        """Count a trade that is new to the order it is of (DX-O-05)."""
        state = self.get(row.order_id)
        if state is None:
            if row.order_id is not None:
                early = self._early_fills
                early[row.order_id] = early.get(row.order_id, ZERO) + row.size
                if len(early) > EARLY_KEPT:
                    del early[next(iter(early))]
        elif row.height > state.before_height:
            state.fill_sum += row.size
            state.ts_last = max(state.ts_last, row.created_ns)

    def settle(self, state: OrderState) -> None:
        """End an order whose trades add up to its size. Call it when a message was taken whole."""
        size = state.size
        if size and state.filled >= size and not state.is_replaced:
            self._end(state, OrderStatus.FILLED, None)

    # -- what height says ---------------------------------------------------------------

    def advance(self, height: int, block_ns: int | None = None) -> list[OrderState]:
        """Take the height of the chain, and its time; return the orders that ended by it."""
        if height <= self._height:
            return []
        self._height = height
        self._block_ns = max(self._block_ns, block_ns or 0)
        return self.expire()

    def expire(self) -> list[OrderState]:
        """Return the orders that no block can fill any more; they end here.

        Of stateful orders the venue says so itself; where it does not, the chain's time counts.
        """
        if self.is_held:
            return []
        over = [state for state in self._live.values() if self._is_over(state)]
        for state in over:
            was_canceled = (
                state.is_short_term
                and state.is_canceled
                and state.canceled_block >= (state.good_til_block or 0)
            )
            self._end(state, OrderStatus.CANCELED if was_canceled else OrderStatus.EXPIRED, None)
        return over

    def _is_over(self, state: OrderState) -> bool:
        if state.is_short_term or not state.is_known:
            return self._height > self._last_block(state) + self._extra_blocks
        return state.expire_ns is not None and self._block_ns > state.expire_ns + EXPIRY_GRACE_NS

    def _last_block(self, state: OrderState) -> int:
        """Return the last block that may hold a trade of a short-term, or unknown, order."""
        last = max(state.good_til_block or 0, state.cancel_til_block)
        if state.good_til_block is None or state.is_replaced:
            state.seen_height = state.seen_height or self._height
            last = max(last, state.seen_height + self._window)
        return last

    def cancel_sent(self, order_id: str, good_til_block: int) -> None:
        """Note a cancel of ours that the chain took: its block counts as well (DX-O-01)."""
        state = self._live.get(order_id)
        if state is not None:
            state.cancel_til_block = max(state.cancel_til_block, good_til_block)

    # -- doubt ---------------------------------------------------------------------------

    def doubt(self, but: Iterable[str] = ()) -> list[OrderState]:
        """Doubt the live orders, but those a full list has shown; return them."""
        shown = set(but)
        doubted = [state for state in self._live.values() if state.order_id not in shown]
        for state in doubted:
            state.is_doubtful = True
        return doubted

    # -- inside --------------------------------------------------------------------------

    def _end(
        self, state: OrderState, final: OrderStatus, row: OrderRow | None, *, is_word: bool = False
    ) -> None:
        """End an order. Of two ends FILLED counts, then a cancel that was said, then the first."""
        if state.size and state.filled >= state.size:
            final = OrderStatus.FILLED
        was = state.final
        if was is OrderStatus.FILLED:
            return
        if was is not None and final is not OrderStatus.FILLED:
            is_guess = was is OrderStatus.EXPIRED and not state.is_end_said
            if not (is_guess and is_word and final is OrderStatus.CANCELED):
                return
        if row is not None:
            state.status = VenueStatus(row.status)
            state.reason = row.reason
        if final is OrderStatus.FILLED:
            state.reason = None
            if is_word and row is not None and row.total_filled is None and state.size:
                state.total_filled = max(state.total_filled, state.size)
        state.final = final
        state.is_end_said = is_word
        state.is_doubtful = False
        if self._live.pop(state.order_id, None) is not None:
            self._ended[state.order_id] = state
            if len(self._ended) > self._capacity:
                self._ended.popitem(last=False)

    def _lives_again(self, state: OrderState, row: OrderRow, word: VenueStatus | None) -> bool:
        """Whether a row with later terms means that an order which ended was placed anew."""
        is_alive = word in (VenueStatus.BEST_EFFORT_OPENED, VenueStatus.OPEN)
        if word is VenueStatus.BEST_EFFORT_CANCELED:  # by one node
            is_alive = (row.good_til_block or 0) >= self._height
        return is_alive and (row.size or state.size or ZERO) > state.filled

    def _revive(self, state: OrderState) -> None:
        self._ended.pop(state.order_id, None)
        self._live[state.order_id] = state
        state.final = None
        state.is_end_said = False
        state.seen_height = max(state.seen_height, self._height)
