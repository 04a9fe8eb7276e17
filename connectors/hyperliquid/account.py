"""Positions and balances as the venue shows them; sans-I/O (section 5.4).

Each answer or frame is the full set of one dex: a position of that dex which is not in it is flat
now. Margin is kept per dex; tokens, the collateral of unified accounts among them, stand in the
spot state.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from ..errors import DecodeError
from ..execution.members import Row, number, text, whole
from ..execution.positions import HeldPositions
from ..model.accounts import AccountState, Balance, MarginBalance
from ..model.enums import MarginMode, PositionSide
from ..model.ids import AccountId, InstrumentId
from ..model.reports import PositionStatusReport
from ..net.clock import NS_PER_MS
from .config import VENUE
from .rows import ZERO

__all__ = ["Balances", "Positions", "unwrapped"]

log = logging.getLogger("connectors.hyperliquid")

USD = "USDC"

InstrumentIdOf = Callable[[str], InstrumentId]


class Positions(HeldPositions):
    """The open positions of the account, of all dexes."""

    __slots__ = ("_dexes",)

    def __init__(self) -> None:
        super().__init__()
        self._dexes: dict[str, set[InstrumentId]] = {}

    def clear(self) -> None:
        """Forget everything, for a new `connect`."""
        super().clear()
        self._dexes.clear()

    def apply(
        self, dex: str, state: Row, instrument_id: InstrumentIdOf, now_ns: int
    ) -> list[PositionStatusReport]:
        """Take the positions of a dex over and return what changed by it.

        A row that cannot be read leaves its position, or if nobody knows whose it is all of them,
        as they were.
        """
        rows = state.get("assetPositions")
        if not isinstance(rows, list):
            raise DecodeError("clearinghouseState without its positions", 0)
        ts_event = whole(state, "time", 0) * NS_PER_MS or now_ns
        before = self._dexes.get(dex, set())
        present: set[InstrumentId] = set()
        changed: list[PositionStatusReport] = []
        for row in rows:
            position = row.get("position") if isinstance(row, Mapping) else None
            coin = text(position, "coin") if isinstance(position, Mapping) else ""
            if not isinstance(position, Mapping) or not coin:
                log.warning("venue=HYPERLIQUID a position without its coin: none is taken for gone")
                present |= before
                continue
            name = instrument_id(coin)
            present.add(name)
            try:
                report = _report(position, name, ts_event, now_ns)
            except DecodeError as error:
                log.warning("venue=HYPERLIQUID position of %s kept as it was: %s", coin, error)
                continue
            if self.take(report):
                changed.append(report)
        spared = self.instruments - before | present
        changed += self.drop_others(spared, now_ns)
        self._dexes[dex] = present & self.instruments
        return changed


def _report(row: Row, name: InstrumentId, ts_event: int, now_ns: int) -> PositionStatusReport:
    size = number(row, "szi")
    side = PositionSide.FLAT
    if size:
        side = PositionSide.LONG if size > 0 else PositionSide.SHORT
    leverage = row.get("leverage")
    leverage = leverage if isinstance(leverage, Mapping) else {}
    isolated = leverage.get("type") == "isolated"
    return PositionStatusReport(
        instrument_id=name,
        side=side,
        size=abs(size),
        average_entry_price=_optional(row, "entryPx"),
        unrealized_pnl=_optional(row, "unrealizedPnl"),
        liquidation_price=_optional(row, "liquidationPx"),
        leverage=_optional(leverage, "value"),
        margin_mode=MarginMode.ISOLATED if isolated else MarginMode.CROSS,
        isolated_margin=_optional(row, "marginUsed") if isolated else None,
        ts_event=ts_event,
        ts_init=now_ns,
    )


def _optional(row: Row, name: str) -> Decimal | None:
    return None if row.get(name) is None else number(row, name)


class Balances:
    """Tokens and margin, merged: nothing is told before the spot state and the first dex are known.

    The value of the perpetuals' account and the USDC of the spot wallet are one balance here. Of
    builder dexes only the margin counts: whether their money is their own or the same as that of
    the first dex depends on how the account is set up, and nothing may be counted twice. Margin
    in another token than USDC is no part of the USDC that is in use.

    Parameters
    ----------
    currency_of : callable
        Returns the token a dex is settled in.
    """

    __slots__ = ("_account_id", "_currency_of", "_margins", "_perp_usd", "_tokens", "latest")

    def __init__(
        self, account_id: AccountId | None, currency_of: Callable[[str], str] = lambda dex: USD
    ) -> None:
        self._account_id = account_id
        self._currency_of = currency_of
        self._perp_usd: Decimal | None = None
        self._margins: dict[str, MarginBalance] = {}
        self._tokens: dict[str, tuple[Decimal, Decimal]] | None = None
        self.latest: AccountState | None = None

    def reset(self) -> None:
        """Forget all parts, for a new `connect`; `latest` stays to be asked for."""
        self._perp_usd = None
        self._margins.clear()
        self._tokens = None

    def apply_margin(self, dex: str, state: Row, now_ns: int) -> AccountState | None:
        """Take the margin of a dex over; None if there is nothing new to tell, or not yet."""
        summary = state.get("marginSummary")
        if not isinstance(summary, Mapping):
            raise DecodeError("clearinghouseState without its marginSummary", 0)
        used = number(summary, "totalMarginUsed")
        if not dex:
            self._perp_usd = number(summary, "accountValue")
        self._margins[dex] = MarginBalance(
            currency=self._currency_of(dex),
            initial=used,
            maintenance=number(state, "crossMaintenanceMarginUsed", ZERO),
        )
        return self._merged(now_ns)

    def apply_spot(self, state: Row, now_ns: int) -> AccountState | None:
        """Take the tokens over; as `apply_margin`."""
        rows = state.get("balances")
        if not isinstance(rows, list):
            raise DecodeError("the spot state has no balances", 0)
        self._tokens = {
            text(row, "coin"): (number(row, "total"), number(row, "hold", ZERO))
            for row in rows
            if isinstance(row, Mapping)
        }
        return self._merged(now_ns)

    def _merged(self, now_ns: int) -> AccountState | None:
        if self._tokens is None or self._perp_usd is None:
            return None
        tokens = dict(self._tokens)
        total, hold = tokens.pop(USD, (ZERO, ZERO))
        margins = self._margin_by_currency()
        total += self._perp_usd
        hold += margins[0].initial
        balances = [Balance(currency=USD, total=total, free=total - hold, locked=hold)]
        balances += [
            Balance(currency=name, total=amount, free=amount - held, locked=held)
            for name, (amount, held) in sorted(tokens.items())
        ]
        state = AccountState(
            venue=VENUE,
            account_id=self._account_id,
            balances=tuple(balances),
            margins=margins,
            is_snapshot=True,
            ts_event=now_ns,
            ts_init=now_ns,
        )
        latest = self.latest
        if (
            latest is not None
            and latest.balances == state.balances
            and latest.margins == state.margins
        ):
            return None
        self.latest = state
        return state

    def _margin_by_currency(self) -> tuple[MarginBalance, ...]:
        """Return the margin in use of all dexes together, that in USDC first."""
        sums = {USD: (ZERO, ZERO)}
        for margin in self._margins.values():
            initial, maintenance = sums.get(margin.currency, (ZERO, ZERO))
            sums[margin.currency] = (initial + margin.initial, maintenance + margin.maintenance)
        return tuple(
            MarginBalance(currency=currency, initial=initial, maintenance=maintenance)
            for currency, (initial, maintenance) in sums.items()
        )


def unwrapped(data: Any, name: str) -> Mapping[str, Any]:
    """Return the state inside a frame of a stream, which REST answers bare; DecodeError if none."""
    inner = data.get(name) if isinstance(data, Mapping) else None
    if not isinstance(inner, Mapping):
        raise DecodeError(f"a frame without its {name}", 0)
    return inner
