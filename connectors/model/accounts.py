"""Balances, margins and positions of an account."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from .enums import MarginMode, PositionSide
from .ids import AccountId, InstrumentId

__all__ = ["AccountPnl", "AccountState", "Balance", "MarginBalance", "Position", "Transfer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """One currency of an account; `total` is `free` plus `locked`."""

    currency: str
    total: Decimal
    free: Decimal
    locked: Decimal

    @classmethod
    def of(cls, currency: str, *, total: Decimal, free: Decimal) -> Balance:
        """Return the balance whose locked part is what is not free."""
        return cls(currency=currency, total=total, free=free, locked=total - free)


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginBalance:
    """Margin in use, of one position or (without instrument) of the account."""

    currency: str
    initial: Decimal
    maintenance: Decimal
    instrument_id: InstrumentId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A position as it is now; `size` is unsigned, zero when flat."""

    instrument_id: InstrumentId
    side: PositionSide
    size: Decimal
    average_entry_price: Decimal | None = None
    break_even_price: Decimal | None = None
    unrealized_pnl: Decimal | None = None
    realized_pnl: Decimal | None = None
    margin_mode: MarginMode | None = None
    isolated_margin: Decimal | None = None
    hedge_mode: bool = False
    ts_event: int
    ts_init: int

    @property
    def signed_size(self) -> Decimal:
        """Positive for long, negative for short."""
        return -self.size if self.side is PositionSide.SHORT else self.size


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountState:
    """Balances after a change, or all of them with `is_snapshot`.

    Without `is_snapshot` only what changed is listed; what is missing stayed. `reason`
    is the venue's word for the cause.
    """

    venue: str
    account_id: AccountId | None
    balances: tuple[Balance, ...]
    margins: tuple[MarginBalance, ...] = ()
    positions: tuple[Position, ...] = ()
    reason: str | None = None
    is_snapshot: bool = False
    ts_event: int
    ts_init: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountPnl:
    """Profit and loss of an account, in its own currency, as the venue reckons it.

    `daily` is since the last close. What is None is not known. Where a venue splits an account
    into models, `model` says of which this is.
    """

    venue: str
    account_id: AccountId | None
    model: str = ""
    daily: Decimal | None = None
    unrealized: Decimal | None = None
    net_liquidation: Decimal | None = None
    excess_liquidity: Decimal | None = None
    uncertain_excess: Decimal | None = None
    market_value: Decimal | None = None
    ts_event: int
    ts_init: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """Money that came to an account, or left it, other than by trading.

    `amount` is positive for what came. `kind` is the venue's word; `counterparty` where it came
    from or went to, as the venue names it.
    """

    venue: str
    account_id: AccountId | None
    transfer_id: str
    currency: str
    amount: Decimal
    kind: str
    counterparty: str | None = None
    ts_event: int
    ts_init: int
