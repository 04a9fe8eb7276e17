"""Subaccounts: USDC, positions, fills and transfers, all in integers."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from . import ids
from .markets import PPM, Market

if TYPE_CHECKING:
    from .orders import Order, OrderId

__all__ = ["PARENTS", "Fill", "Position", "State", "Subaccount", "Transfer"]

PARENTS = 128
KEPT = 200_000
KEPT_STATES = 64


@dataclass(slots=True)
class Position:
    """A perpetual position from its first open to its close; a flip begins another.

    Attributes
    ----------
    quantums
        Above zero it is long.
    max_quantums
        The largest it was, with its sign.
    opened, closed
        Quantums so far, and what they were worth: quantums times subticks.
    """

    market: Market
    position_id: str
    quantums: int = 0
    max_quantums: int = 0
    opened: int = 0
    opened_value: int = 0
    closed: int = 0
    closed_value: int = 0
    is_long: bool = True
    created_height: int = 0
    created_ms: int = 0
    closed_height: int | None = None
    closed_ms: int | None = None

    def open(self, quantums: int, subticks: int) -> None:
        """Add to it; `quantums` has the sign of the position."""
        self.quantums += quantums
        self.opened += abs(quantums)
        self.opened_value += abs(quantums) * subticks
        if abs(self.quantums) > abs(self.max_quantums):
            self.max_quantums = self.quantums

    def close(self, quantums: int, subticks: int) -> None:
        """Take from it; `quantums` has the other sign, and is no more than there is."""
        self.quantums += quantums
        self.closed += abs(quantums)
        self.closed_value += abs(quantums) * subticks

    @property
    def status(self) -> str:
        return "OPEN" if self.quantums else "CLOSED"


@dataclass(frozen=True, slots=True)
class Fill:
    """One side of a match, as committed.

    Parameters
    ----------
    fee
        Quote quantums; below zero it was paid to the account.
    before
        The position before it: its signed quantums, opened quantums and their value.
    """

    order: Order | None
    market: Market
    is_buy: bool
    liquidity: str
    type: str
    quantums: int
    subticks: int
    fee: int
    event: str
    transaction: str
    height: int
    ms: int
    before: tuple[int, int, int]

    @property
    def fill_id(self) -> str:
        return ids.fill_id(self.event, self.liquidity)


@dataclass(frozen=True, slots=True)
class Transfer:
    """USDC from a subaccount or wallet to another; a wallet has no number."""

    sender: tuple[str, int | None]
    recipient: tuple[str, int | None]
    amount: int
    event: str
    transaction: str
    height: int
    ms: int


@dataclass(frozen=True, slots=True)
class State:
    """Balance and open positions of a subaccount as they were after a block."""

    height: int
    usdc: int
    positions: Mapping[str, Position]


@dataclass(slots=True, eq=False)
class Subaccount:
    """One subaccount.

    Attributes
    ----------
    funded
        Whether the indexer knows it: there was money in it once.
    orders
        Every order by its id, replaced ones excluded.
    cancels
        Good-til-block of the newest cancel of an order id.
    positions, past_positions
        Open ones by ticker, and those that ended.
    states
        After the last blocks that touched it; the newest last.
    """

    address: str
    number: int
    usdc: int = 0
    house: bool = False
    funded: bool = False
    orders: dict[OrderId, Order] = field(default_factory=dict)
    cancels: dict[OrderId, int] = field(default_factory=dict)
    positions: dict[str, Position] = field(default_factory=dict)
    past_positions: list[Position] = field(default_factory=list)
    fills: deque[Fill] = field(default_factory=lambda: deque(maxlen=KEPT))
    transfers: list[Transfer] = field(default_factory=list)
    states: deque[State] = field(default_factory=lambda: deque(maxlen=KEPT_STATES))
    uuid: str = ""

    def __post_init__(self) -> None:
        self.uuid = ids.subaccount_id(self.address, self.number)

    @property
    def name(self) -> str:
        """Return the id of its channel."""
        return f"{self.address}/{self.number}"

    @property
    def parent(self) -> int:
        return self.number % PARENTS

    def quantums(self, ticker: str) -> int:
        """Return the signed size of its position."""
        position = self.positions.get(ticker)
        return 0 if position is None else position.quantums

    def trade(
        self, market: Market, quantums: int, subticks: int, *, event: str, height: int, ms: int
    ) -> list[Position]:
        """Change a position by signed quantums; return it, and the one it closed if it flipped."""
        touched = []
        position = self.positions.get(market.ticker)
        if position is not None and (position.quantums > 0) != (quantums > 0):
            part = quantums
            if abs(quantums) > abs(position.quantums):
                part = -position.quantums
            position.close(part, subticks)
            quantums -= part
            touched.append(position)
            if not position.quantums:
                position.closed_height, position.closed_ms = height, ms
                self.past_positions.append(self.positions.pop(market.ticker))
                position = None
        if quantums:
            if position is None:
                position = Position(
                    market, ids.perpetual_position_id(self.uuid, event), is_long=quantums > 0,
                    created_height=height, created_ms=ms,
                )  # fmt: skip
                self.positions[market.ticker] = position
                touched.append(position)
            elif position not in touched:
                touched.append(position)
            position.open(quantums, subticks)
        return touched

    def equity(self) -> int:
        """Return USDC and what the positions are worth at the oracle prices."""
        return equity(self.usdc, self.positions.values())

    def free_collateral(self) -> int:
        """Return the equity that no position needs as initial margin."""
        return free_collateral(self.usdc, self.positions.values())

    def keep_state(self, height: int) -> None:
        """Remember how things stand after a block."""
        positions = {ticker: replace(position) for ticker, position in self.positions.items()}
        self.states.append(State(height, self.usdc, positions))

    def state(self, height: int) -> State | None:
        """Return how things stood at a height, None if it was not funded yet."""
        found = None
        for state in self.states:
            if state.height > height:
                break
            found = state
        return found


def equity(usdc: int, positions: Iterable[Position]) -> int:
    return usdc + sum(
        position.market.value(position.quantums, position.market.oracle or 0)
        for position in positions
    )


def free_collateral(usdc: int, positions: Iterable[Position]) -> int:
    held = list(positions)
    needed = sum(
        position.market.value(abs(position.quantums), position.market.oracle or 0)
        * position.market.initial_margin_ppm
        // PPM
        for position in held
    )
    return equity(usdc, held) - needed
