"""From the venue's rows to reports in our words, ready for the dispatch.

One row of a trade makes one fill, two where the account traded with itself (section 9 of the
venue's rules).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal

from .._speedups.fills import DirectFills
from .._speedups.lighter import AccountFills
from .._speedups.records import RecordMaker
from ..errors import DecodeError
from ..execution.dispatch import OrderRow as DispatchRow
from ..execution.identity import OrderRegistry
from ..execution.planning import CONDITIONAL
from ..model.enums import LiquiditySide, OrderStatus, Side
from ..model.instruments import Instrument
from ..model.reports import FillReport, OrderStatusReport
from ..net.clock import NS_PER_MS
from .rows import OrderLike, TradeLike
from .statuses import order_status, order_type, time_in_force

__all__ = ["FEE_UNIT", "OwnFill", "Reporter", "UnknownMarket"]

log = logging.getLogger("connectors.lighter")

# The integers of a trade's fees are rates in this unit of the traded value. The docs do not say
# so; the values fit the published rates and nothing else.
FEE_DECIMALS = 6
FEE_UNIT = Decimal(10**FEE_DECIMALS)
FEE_CURRENCY = "USDC"
_fill_report = RecordMaker(FillReport)  # by position: fills are what a bot waits for


class UnknownMarket(DecodeError):
    """A row of a market that is not in the catalog (yet)."""

    def __init__(self, market_index: int) -> None:
        super().__init__(f"row of unknown market {market_index}", 0)
        self.market_index = market_index


@dataclass(frozen=True, slots=True)
class OwnFill:
    """A fill, and what the venue echoes of our number of its order."""

    report: FillReport
    client_key: int | None


_own_fill = RecordMaker(OwnFill)


class Reporter:
    """Knows the account, the markets and our orders.

    Parameters
    ----------
    account_index : int
    registry : OrderRegistry
        To name orders of ours by their client order id.
    instrument_of : callable
        Returns the instrument of a market index, None if unknown.
    wall_ns : callable
        Unix time in ns.
    """

    __slots__ = ("_account_index", "_instrument_of", "_registry", "_wall_ns")

    def __init__(
        self,
        account_index: int,
        registry: OrderRegistry,
        *,
        instrument_of: Callable[[int], Instrument | None],
        wall_ns: Callable[[], int],
    ) -> None:
        self._account_index = account_index
        self._registry = registry
        self._instrument_of = instrument_of
        self._wall_ns = wall_ns

    def _instrument(self, market_index: int) -> Instrument:
        instrument = self._instrument_of(market_index)
        if instrument is None:
            raise UnknownMarket(market_index)
        return instrument

    def client_id(self, client_index: int, venue_order_id: str) -> str | None:
        """Return our id of an order; of one that is not ours its index as text."""
        order = self._registry.find(
            client_key=client_index or None, venue_order_id=venue_order_id or None
        )
        if order is not None:
            return order.client_order_id
        return str(client_index) if client_index else None

    def order(self, row: OrderLike) -> DispatchRow | None:
        """Return the report of an order; None for a status we do not know (logged).

        Raises
        ------
        UnknownMarket
        """
        instrument = self._instrument(row.market_index)
        meaning = order_status(row.status)
        if meaning is None:
            log.warning(
                "venue=LIGHTER order %s: unknown status %r, state unchanged",
                row.order_id,
                row.status,
            )
            return None
        kind = order_type(row.type)
        is_final = meaning.status.is_final
        status = meaning.status
        if status is OrderStatus.ACCEPTED and row.filled_size:
            status = OrderStatus.PARTIALLY_FILLED
        tif, post_only = time_in_force(row.time_in_force, expires=row.order_expiry_ms > 0)
        venue_order_id = row.order_id
        is_triggered = kind in CONDITIONAL and row.trigger_status == "ready"
        report = OrderStatusReport(
            instrument_id=instrument.id,
            client_order_id=self.client_id(row.client_index, venue_order_id),
            venue_order_id=venue_order_id,
            side=Side.SELL if row.is_ask else Side.BUY,
            order_type=kind,
            status=status,
            size=row.size,
            filled_size=row.filled_size,
            price=row.price or None,
            average_price=row.filled_quote / row.filled_size
            if row.filled_size and row.filled_quote
            else None,
            trigger_price=row.trigger_price or None,
            time_in_force=tif,
            expire_time=row.order_expiry_ms * NS_PER_MS if row.order_expiry_ms > 0 else None,
            post_only=post_only,
            reduce_only=row.reduce_only,
            reason=meaning.reason,
            venue_status=row.status,
            ts_accepted=row.ts_created,
            ts_last=row.ts_event,
            ts_init=self._wall_ns(),
        )
        return DispatchRow(
            report,
            client_key=row.client_index or None,
            sequence=row.sequence,
            is_triggered=is_triggered and not is_final,
            due_post_only=meaning.due_post_only,
        )

    def direct(self, fills: DirectFills) -> AccountFills:
        """Return the compiled way of a frame's trades, with the same meaning as `fills`."""
        return AccountFills(
            fills,
            self._account_index,
            instrument_of=self._instrument_of,
            wall_ns=self._wall_ns,
            maker=LiquiditySide.MAKER,
            taker=LiquiditySide.TAKER,
            currency=FEE_CURRENCY,
            fee_decimals=FEE_DECIMALS,
        )

    def fills(self, row: TradeLike) -> list[OwnFill]:
        """Return the account's fills of a trade: one, two of a self-trade, or none.

        Raises
        ------
        UnknownMarket
        """
        instrument = self._instrument(row.market_index)
        is_bid = row.bid_account == self._account_index
        is_ask = row.ask_account == self._account_index
        if not is_bid and not is_ask:
            log.warning("venue=LIGHTER trade %s is not of this account: dropped", row.trade_id)
            return []
        found = []
        if is_bid:
            found.append(self._fill(row, instrument, Side.BUY))
        if is_ask:
            found.append(self._fill(row, instrument, Side.SELL))
        if len(found) == 2:
            # One trade id, two fills: they would count as one.
            found = [
                OwnFill(
                    replace(own.report, trade_id=f"{row.trade_id}-{own.report.side.lower()}"),
                    own.client_key,
                )
                for own in found
            ]
        return found

    def _fill(self, row: TradeLike, instrument: Instrument, side: Side) -> OwnFill:
        is_ask = side is Side.SELL
        is_maker = is_ask == row.is_maker_ask
        client_index = row.ask_client_index if is_ask else row.bid_client_index
        venue_order_id = row.ask_id if is_ask else row.bid_id
        rate = row.maker_fee if is_maker else row.taker_fee
        report: FillReport = _fill_report(
            instrument.id,
            self.client_id(client_index, venue_order_id),
            venue_order_id,
            row.trade_id,
            side,
            row.size,
            row.price,
            LiquiditySide.MAKER if is_maker else LiquiditySide.TAKER,
            row.usd_amount * rate / FEE_UNIT,
            FEE_CURRENCY,
            None,
            None,
            row.ts_event,
            self._wall_ns(),
            None,
        )
        own: OwnFill = _own_fill(report, client_index or None)
        return own
