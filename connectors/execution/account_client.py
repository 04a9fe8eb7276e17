"""What a client that only looks at an account holds, whatever the venue.

Venues send states of orders again and again, and parts of balances; what goes out is what is new.
A trade goes out once, whatever brings it: streams, REST, replays after a reconnect.

================  =====================================================  =======================
what              goes to `on_event` as                                  and is held in
================  =====================================================  =======================
an order          `OrderStatusReport`, when anything but its time is new  `orders`, `order`
a trade           `FillReport`, once                                     nowhere: ask for them
a position        `PositionStatusReport`, flat ones included             `positions`
balances          `AccountState`                                         `balances`
money moved       `Transfer`, once                                       nowhere
a trade's         `FillCorrection`                                       nowhere
correction
profit and loss   `AccountPnl`                                           the venue's client
================  =====================================================  =======================
"""

from __future__ import annotations

from abc import abstractmethod
from collections import OrderedDict
from dataclasses import replace

from ..model.accounts import AccountState, Balance, Transfer
from ..model.ids import AccountId, InstrumentId, VenueOrderId
from ..model.reports import FillReport, OrderStatusReport, PositionStatusReport
from ..net.clock import Clock
from .fills import FillKey, SeenFills
from .positions import HeldPositions
from .reporting import ReportingClient
from .telling import OnEvent, OnStatus

__all__ = ["AccountClient", "HeldBalances", "HeldOrders"]

ENDED_KEPT = 10_000


class HeldOrders:
    """The newest report of each order: of those that live, and of the last ones that ended.

    Parameters
    ----------
    capacity : int
        How many that ended are kept; a live one always is.
    """

    __slots__ = ("_capacity", "_ended", "_live")

    def __init__(self, capacity: int = ENDED_KEPT) -> None:
        self._capacity = capacity
        self._live: dict[VenueOrderId, OrderStatusReport] = {}
        self._ended: OrderedDict[VenueOrderId, OrderStatusReport] = OrderedDict()

    def __len__(self) -> int:
        return len(self._live) + len(self._ended)

    def clear(self) -> None:
        """Forget everything."""
        self._live.clear()
        self._ended.clear()

    def get(self, venue_order_id: VenueOrderId) -> OrderStatusReport | None:
        """Return the newest report of an order."""
        return self._live.get(venue_order_id) or self._ended.get(venue_order_id)

    def reports(
        self, instrument_id: InstrumentId | None = None, *, open_only: bool = True
    ) -> list[OrderStatusReport]:
        """Return the live orders, of one instrument or of all; else those that ended as well."""
        held = (
            [*self._live.values()] if open_only else [*self._ended.values(), *self._live.values()]
        )
        return [report for report in held if instrument_id in (None, report.instrument_id)]

    def take(self, report: OrderStatusReport) -> bool:
        """Keep a report; False if it says nothing new but the time."""
        name = report.venue_order_id
        held = self.get(name)
        if report.status.is_final:
            self._live.pop(name, None)
            self._ended[name] = report
            if len(self._ended) > self._capacity:
                self._ended.popitem(last=False)
        else:
            self._ended.pop(name, None)
            self._live[name] = report
        return held is None or _timeless(held) != _timeless(report)


def _timeless(report: OrderStatusReport) -> OrderStatusReport:
    return replace(report, ts_last=0, ts_init=0)


class HeldBalances:
    """Balances by account and currency, put together from whole sets and from changes."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: dict[AccountId | None, AccountState] = {}

    def clear(self) -> None:
        """Forget everything."""
        self._held.clear()

    @property
    def states(self) -> list[AccountState]:
        """The newest whole state of each account."""
        return list(self._held.values())

    def get(self, account_id: AccountId | None) -> AccountState | None:
        """Return the newest whole state of an account."""
        return self._held.get(account_id)

    def take(self, state: AccountState) -> bool:
        """Keep a state, or a change of one; False if it says nothing new."""
        held = self._held.get(state.account_id)
        whole = state
        if held is not None and not state.is_snapshot:
            balances = {balance.currency: balance for balance in held.balances}
            balances.update((balance.currency, balance) for balance in state.balances)
            whole = replace(
                state,
                balances=tuple(balances.values()),
                margins=state.margins or held.margins,
                positions=state.positions or held.positions,
                is_snapshot=held.is_snapshot,
            )
        self._held[state.account_id] = whole
        return (
            held is None
            or set(held.balances) != set(whole.balances)
            or set(held.margins) != set(whole.margins)
            or set(held.positions) != set(whole.positions)
        )


class AccountClient(ReportingClient):
    """The venue-independent half of a client that looks at an account.

    Parameters
    ----------
    venue, on_event, on_status, clock :
        As in `ReportingClient`.
    fills : SeenFills, optional
        To share the memory of trades.
    """

    def __init__(
        self,
        venue: str,
        *,
        on_event: OnEvent | None,
        on_status: OnStatus | None,
        clock: Clock,
        fills: SeenFills | None = None,
    ) -> None:
        super().__init__(venue, on_event=on_event, on_status=on_status, clock=clock)
        self.fills = fills if fills is not None else SeenFills()
        self._orders = HeldOrders()
        self._positions = HeldPositions()
        self._balances = HeldBalances()

    # -- looking -----------------------------------------------------------------------

    @property
    @abstractmethod
    def is_caught_up(self) -> bool:
        """Whether the client is connected, and nothing that happened before is unread."""

    def orders(
        self, instrument_id: InstrumentId | None = None, *, open_only: bool = True
    ) -> list[OrderStatusReport]:
        """Return the live orders as they are known now; else the last that ended as well."""
        return self._orders.reports(instrument_id, open_only=open_only)

    def order(self, venue_order_id: VenueOrderId) -> OrderStatusReport | None:
        """Return an order, None if it is not known, or ended long ago."""
        return self._orders.get(venue_order_id)

    def positions(self, instrument_id: InstrumentId | None = None) -> list[PositionStatusReport]:
        """Return the open positions as they are known now."""
        return self._positions.reports(instrument_id)

    def balances(self, account_id: AccountId | None = None) -> tuple[Balance, ...]:
        """Return the balances of an account as they are known now; by default of our own."""
        state = self._balances.get(self.account_id if account_id is None else account_id)
        return () if state is None else state.balances

    async def generate_position_status_reports(
        self, instrument_id: InstrumentId | None = None
    ) -> list[PositionStatusReport]:
        """Return the open positions."""
        self._queries()  # a client without a connection does not know
        return self.positions(instrument_id)

    # -- what a venue's half brings --------------------------------------------------------

    def take_order(self, report: OrderStatusReport) -> bool:
        """Keep the state of an order, and hand it on if it is new."""
        if not self._orders.take(report):
            return False
        self.deliver(report)
        return True

    def take_fill(self, report: FillReport, key: FillKey | None = None) -> bool:
        """Hand a trade on, unless that was done before; `key` is its id where that is not enough.

        It counts as handed on before the callback is entered.
        """
        if not self.fills.is_new(report.trade_id if key is None else key):
            return False
        self.fills.mark(report.trade_id if key is None else key)
        self.deliver(report)
        return True

    def is_new_fill(self, trade_id: FillKey) -> bool:
        """Whether a trade was not handed on yet."""
        return self.fills.is_new(trade_id)

    def remember_fill(self, trade_id: FillKey) -> None:
        """Note a trade that was handed on by other ways: it is no news from now on."""
        self.fills.mark(trade_id)

    def take_position(self, report: PositionStatusReport) -> bool:
        """Keep a position, and hand it on if it is new."""
        if not self._positions.take(report):
            return False
        self.deliver(report)
        return True

    def take_account(self, state: AccountState) -> bool:
        """Keep balances, and hand them on if they are new."""
        if not self._balances.take(state):
            return False
        self.deliver(state)
        return True

    def take_transfer(self, transfer: Transfer) -> bool:
        """Hand a transfer on, unless that was done before."""
        key = ("transfer", transfer.transfer_id)
        if not self.fills.is_new(key):
            return False
        self.fills.mark(key)
        self.deliver(transfer)
        return True
