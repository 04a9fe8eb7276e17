"""Positions and balances of an account's subaccounts, each as of a block; sans-I/O.

Snapshots and answers are full sets: what is not in one is flat, unless the stream spoke of it at a
later block. Updates are single rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Protocol

from ..errors import DecodeError
from ..execution.members import Row, number
from ..model.accounts import AccountState, Balance
from ..model.enums import MarginMode, PositionSide
from ..model.reports import PositionStatusReport
from ..net.clock import Clock
from .config import VENUE
from .members import CHILDREN_STEP, Members
from .rows import (
    ZERO,
    PositionRow,
    RowReader,
    asset_row,
    instrument_id_of,
    object_of,
    optional_height,
    position_row,
)

__all__ = ["Holding", "Holdings"]


class HoldingSink(Protocol):
    """Whom positions and balances are handed to."""

    def take_position(self, report: PositionStatusReport) -> bool: ...
    def take_account(self, state: AccountState) -> bool: ...


class Holding:
    """A subaccount. Each of its positions and assets has the block it was last heard of.

    Attributes
    ----------
    number : int
        Of the subaccount.
    equity, free_collateral : Decimal or None
        In USDC, at block `height`: the stream does not carry them, snapshots do.
    open_tickers, assets : set of str
        What is held.
    """

    __slots__ = (
        "_heights",
        "assets",
        "equity",
        "free_collateral",
        "height",
        "number",
        "open_tickers",
    )

    def __init__(self, subaccount_number: int) -> None:
        self.number = subaccount_number
        self.equity: Decimal | None = None
        self.free_collateral: Decimal | None = None
        self.height = -1
        self.open_tickers: set[str] = set()
        self.assets: set[str] = set()
        self._heights: dict[str, int] = {}

    def take_collateral(self, row: Row, height: int) -> bool:
        """Take equity and free collateral; False if a later block was heard of before."""
        if height < self.height:
            return False
        self.height = height
        if row.get("equity") not in (None, ""):
            self.equity = number(row, "equity")
        if row.get("freeCollateral") not in (None, ""):
            self.free_collateral = number(row, "freeCollateral")
        return True

    def is_news(self, name: str, height: int) -> bool:
        """Note the block of something that is held; False if a later one was heard of before."""
        if height < self._heights.get(name, -1):
            return False
        self._heights[name] = height
        return True


class Holdings:
    """What the subaccounts of an account hold.

    Parameters
    ----------
    sink, members, reader, clock :
        What it works with.
    """

    __slots__ = ("_clock", "_held", "_members", "_reader", "_sink", "parent")

    def __init__(
        self, sink: HoldingSink, members: Members, reader: RowReader, *, clock: Clock
    ) -> None:
        self._sink = sink
        self._members = members
        self._reader = reader
        self._clock = clock
        self._held: dict[int, Holding] = {}
        self.parent = Holding(members.number)  # equity of all children together

    def get(self, child: int | None = None) -> Holding:
        """Return a subaccount; by default the account itself. DecodeError if it is no member."""
        if child is None:
            child = self._members.number
        found = self._held.get(child)
        if found is None:
            if not self._members.is_member(child):
                raise DecodeError(f"subaccount {child} was not asked for")
            found = self._held[child] = Holding(child)
            self._members.note(child)
        return found

    # -- full sets -----------------------------------------------------------------------

    def snapshot(self, account: Any, height: int) -> None:
        """Take an account, or a parent with its children; `height` where they name no block."""
        row = object_of(account, "a subaccount")
        children = row.get("childSubaccounts")
        if not isinstance(children, list):
            self._whole(row, height)
            return
        heights = [
            self._reader.readable(lambda child=child: self._whole(child, height))  # type: ignore[misc]
            for child in self._reader.read(_subaccount, children)
        ]
        # The parent names no block: it is as new as its children.
        named = [at for at in heights if at is not None]
        self.parent.take_collateral(row, max(named, default=height))

    def _whole(self, row: Row, height: int) -> int:
        """Take one subaccount; return the block it is of."""
        child = row.get("subaccountNumber", self._members.number)
        if isinstance(child, bool) or not isinstance(child, int):
            raise DecodeError("subaccountNumber is not a whole number")
        holding = self.get(child)
        named = optional_height(row, "latestProcessedBlockHeight")
        at = height if named is None else named
        if not holding.take_collateral(row, at):
            return at  # a replica that lags behind (DX-W-20)
        positions = row.get("openPerpetualPositions")
        assets = row.get("assetPositions")
        if not isinstance(positions, Mapping) or not isinstance(assets, Mapping):
            raise DecodeError("a subaccount without its positions or assets")
        self._all_positions(holding, positions, at)
        self._all_assets(holding, assets, at)
        return at

    def _all_positions(self, holding: Holding, rows: Row, height: int) -> None:
        for ticker, raw in rows.items():
            # One that cannot be read is not taken for gone.
            for row in self._reader.read(position_row, [raw]):
                if holding.is_news(ticker, height):
                    self._position(holding, row)
        for ticker in holding.open_tickers - rows.keys():
            if holding.is_news(ticker, height):
                self._flat(holding, ticker)

    def _all_assets(self, holding: Holding, rows: Row, height: int) -> None:
        read = self._reader.read(asset_row, rows.values())
        names = {row.symbol for row in read}
        if len(read) != len(rows):
            return  # one that cannot be read is not taken for gone
        news = [holding.is_news(f"asset/{name}", height) for name in names | holding.assets]
        if not all(news):
            return  # the stream is ahead of this set
        holding.assets = names
        balances = [Balance.of(row.symbol, total=row.size, free=row.size) for row in read]
        self._tell_balances(holding, balances, is_snapshot=True)

    # -- single rows ---------------------------------------------------------------------

    def update(self, message: Row, child: int | None, height: int) -> None:
        """Take the positions and assets of a message of the stream."""
        positions = self._reader.member(position_row, message, "perpetualPositions")
        # Closed ones first: another of the same market may have followed, and counts.
        for position in sorted(positions, key=lambda row: bool(row.size)):
            holding = self._of(position.subaccount_number, child)
            if holding is not None and holding.is_news(position.ticker, height):
                self._position(holding, position)
        changed: dict[int, list[Balance]] = {}
        for asset in self._reader.member(asset_row, message, "assetPositions"):
            holding = self._of(asset.subaccount_number, child)
            if holding is not None and holding.is_news(f"asset/{asset.symbol}", height):
                holding.assets.add(asset.symbol)
                balance = Balance.of(asset.symbol, total=asset.size, free=asset.size)
                changed.setdefault(holding.number, []).append(balance)
        for child_number, balances in changed.items():
            self._tell_balances(self.get(child_number), balances, is_snapshot=False)

    def _of(self, named: int | None, child: int | None) -> Holding | None:
        return self._reader.readable(lambda: self.get(child if named is None else named))

    # -- what is told --------------------------------------------------------------------

    def _position(self, holding: Holding, row: PositionRow) -> None:
        if not row.size:
            self._flat(holding, row.ticker)
            return
        holding.open_tickers.add(row.ticker)
        side = PositionSide.LONG if row.is_long else PositionSide.SHORT
        self._tell_position(holding, row.ticker, side, row)

    def _flat(self, holding: Holding, ticker: str) -> None:
        holding.open_tickers.discard(ticker)
        self._tell_position(holding, ticker, PositionSide.FLAT, None)

    def _tell_position(
        self, holding: Holding, ticker: str, side: PositionSide, row: PositionRow | None
    ) -> None:
        now_ns = self._clock.wall_ns()
        is_isolated = holding.number >= CHILDREN_STEP
        self._sink.take_position(
            PositionStatusReport(
                instrument_id=instrument_id_of(ticker),
                side=side,
                size=ZERO if row is None else row.size,
                average_entry_price=None if row is None else row.entry_price,
                unrealized_pnl=None if row is None else row.unrealized_pnl,
                margin_mode=MarginMode.ISOLATED if is_isolated else MarginMode.CROSS,
                ts_event=now_ns,
                ts_init=now_ns,
                account_id=self._members.account_id(holding.number),
            )
        )

    def _tell_balances(
        self, holding: Holding, balances: list[Balance], *, is_snapshot: bool
    ) -> None:
        now_ns = self._clock.wall_ns()
        self._sink.take_account(
            AccountState(
                venue=VENUE,
                account_id=self._members.account_id(holding.number),
                balances=tuple(balances),
                is_snapshot=is_snapshot,
                ts_event=now_ns,
                ts_init=now_ns,
            )
        )


def _subaccount(value: Any) -> Row:
    return object_of(value, "a subaccount")
