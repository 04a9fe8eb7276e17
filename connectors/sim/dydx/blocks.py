"""What a block makes certain, what goes into it, and who is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..engine_order import Side
from . import ids
from .markets import Market
from .orders import Order, OrderId
from .subaccounts import Fill, Position, Subaccount, Transfer

__all__ = ["Block", "Listener", "Match"]


@dataclass(frozen=True, slots=True)
class Match:
    """What two orders agreed on, not yet in a block; without a taker order a liquidation.

    Parameters
    ----------
    fees
        In quote quantums, of taker and maker, if they are not what the rates say.
    """

    market: Market
    taker: Order | None
    maker: Order
    taker_account: Subaccount
    taker_is_buy: bool
    quantums: int
    subticks: int
    kind: str = "LIMIT"
    fees: tuple[int | None, int | None] = (None, None)


@dataclass(slots=True)
class Block:
    """What one block made certain.

    Attributes
    ----------
    fills
        By order (None for what was liquidated), in the order of their first fill, with the
        positions they touched.
    touched
        Subaccounts whose balance changed, and their positions that did.
    placed, triggered, ended
        Stateful orders that came, whose condition was met, that left.
    trades
        By market, as public rows.
    oracles
        Markets whose oracle price changed.
    """

    height: int
    ms: int
    transaction: str
    fills: dict[tuple[Subaccount, OrderId | None, str], list[Fill]] = field(default_factory=dict)
    touched: dict[Subaccount, dict[str, Position]] = field(default_factory=dict)
    placed: list[Order] = field(default_factory=list)
    triggered: list[Order] = field(default_factory=list)
    ended: list[Order] = field(default_factory=list)
    transfers: list[Transfer] = field(default_factory=list)
    trades: dict[Market, list[dict[str, Any]]] = field(default_factory=dict)
    values: list[tuple[Market, int, int]] = field(default_factory=list)
    oracles: list[Market] = field(default_factory=list)
    events: int = 0

    def next_event(self) -> str:
        """Return the id of one more event of the block."""
        self.events += 1
        return ids.event_id(self.height, self.events)


class Listener:
    """What the chain tells; the indexer listens."""

    def on_opened(self, order: Order) -> None:
        """A short-term order was taken by the node."""

    def on_removed(self, order: Order, reason: str) -> None:
        """A short-term order left the node's book, or so it says."""

    def on_unknown_removed(self, order: Order, reason: str) -> None:
        """An order was removed that nobody has seen."""

    def on_level(self, market: Market, side: Side, subticks: int, quantums: int) -> None:
        """A price level of the node's book has a new size."""

    def on_expired(self, order: Order) -> None:
        """A short-term order's last block has passed long ago."""

    def on_block(self, block: Block) -> None:
        """A block was committed."""
