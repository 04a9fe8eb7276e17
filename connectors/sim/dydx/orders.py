"""Orders: what was asked for, and how it stands on the chain and in the indexer."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..engine_order import EngineOrder, Side
from . import ids
from .markets import Market

if TYPE_CHECKING:
    from .subaccounts import Subaccount

__all__ = [
    "CONDITIONAL",
    "LONG_TERM",
    "SHORT_TERM",
    "Order",
    "OrderId",
    "Terms",
]

SHORT_TERM, CONDITIONAL, LONG_TERM, TWAP = 0, 32, 64, 128
KEPT_VERSIONS = 64

OrderId = tuple[int, int, int]
"""Flags, clob pair, client id: what names an order within a subaccount."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What an order asks for.

    Parameters
    ----------
    time_in_force
        GTT, IOC or FOK.
    good_til_block, good_til_block_time
        One of them, as the flags want; the time in seconds.
    condition
        STOP_LOSS or TAKE_PROFIT, with `trigger` in subticks.
    """

    client_id: int
    is_buy: bool
    quantums: int
    subticks: int
    flags: int = SHORT_TERM
    time_in_force: str = "GTT"
    post_only: bool = False
    reduce_only: bool = False
    good_til_block: int = 0
    good_til_block_time: int = 0
    client_metadata: int = 0
    condition: str = ""
    trigger: int = 0

    @property
    def side(self) -> str:
        return "BUY" if self.is_buy else "SELL"

    @property
    def type(self) -> str:
        """Return the type as the indexer names it."""
        return {"STOP_LOSS": "STOP_LIMIT", "TAKE_PROFIT": "TAKE_PROFIT"}.get(
            self.condition, "LIMIT"
        )


@dataclass(slots=True, eq=False)
class Order:
    """One order under its id; a replacement is another one with the same id.

    Attributes
    ----------
    filled
        Quantums matched, committed or not.
    committed
        Quantums of it that are in blocks.
    status
        As the indexer last told it; empty while it told nothing.
    removal
        Why it left the book (5.6.4), without the prefix; empty while it has not.
    state
        What became of it in truth: open, untriggered, filled, canceled or expired.
    engine
        The order in the book, None before it gets there.
    versions
        Rows as REST shows them, by the height from which on they hold.
    """

    account: Subaccount
    market: Market
    terms: Terms
    filled: int = 0
    committed: int = 0
    status: str = ""
    removal: str = ""
    state: str = "open"
    triggered: bool = False
    created_height: int | None = None
    updated_height: int = 0
    updated_ms: int = 0
    cancel_good_til_block: int = 0
    engine: EngineOrder | None = None
    versions: deque[tuple[int, dict[str, Any] | None]] = field(
        default_factory=lambda: deque(maxlen=KEPT_VERSIONS)
    )

    @property
    def order_id(self) -> OrderId:
        return self.terms.flags, self.market.clob_pair_id, self.terms.client_id

    @property
    def uuid(self) -> str:
        flags, pair, client_id = self.order_id
        return ids.order_id(self.account.uuid, client_id, pair, flags)

    @property
    def is_short_term(self) -> bool:
        return self.terms.flags == SHORT_TERM

    @property
    def open_quantums(self) -> int:
        return self.terms.quantums - self.filled

    @property
    def resting(self) -> bool:
        return self.engine is not None and self.engine.resting

    @property
    def is_live(self) -> bool:
        """Whether it may still trade, as far as its own node knows."""
        return self.state in ("open", "untriggered") and not self.removal

    @property
    def engine_side(self) -> Side:
        return Side.BUY if self.terms.is_buy else Side.SELL

    def version(self, height: int) -> dict[str, Any] | None:
        """Return the row that held at a height, None if there was none."""
        found = None
        for since, row in self.versions:
            if since > height:
                break
            found = row
        return found
