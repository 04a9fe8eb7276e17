"""What the execution clients of all venues share beyond `reporting`: orders, and their needs."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar, Protocol, TypeVar

from .._speedups.events import Quote
from ..errors import ClientError, ConfigError, ConnectorError
from ..model._numbers import Number
from ..model.enums import Side
from ..model.ids import ClientOrderId, InstrumentId, VenueOrderId
from ..model.instruments import Instrument
from ..model.orders import Order
from ..model.status_events import InstrumentUpdated
from ..net.attempts import AttemptBudget
from ..net.clock import Clock
from ..net.tasks import OwnedTasks
from ..signer_stats import SignerStats
from .commands import find_or_stand_in
from .dispatch import OrderDispatch
from .identity import OrderRegistry, TrackedOrder
from .markets import Markets
from .planning import Denial
from .private import GatedStream
from .quotes import BestPrices
from .recovery import LookupRunner
from .reporting import AccountQueries, ReportingClient
from .sending import SenderBase
from .telling import OnEvent, OnStatus

__all__ = ["AccountQueries", "TradingClient"]

CLOSE_TIMEOUT_S = 2.0

T = TypeVar("T")


class Rest(Protocol):
    """What a client closes with its connection."""

    async def close(self) -> None: ...


class TradingClient(ReportingClient):
    """The venue-independent half of an execution client.

    `_open` makes the parts of a connection, and `_teardown` closes those that are there.

    Parameters
    ----------
    venue : str
        For events and logs.
    on_event, on_status :
        The caller's callbacks.
    signer : object or None
        None: nothing can be signed.
    owns_signer : bool
        Whether `close` closes it.
    attempts : AttemptBudget or None
        Of connections.
    max_quote_age_s : float or None
        See `BestPrices`.
    """

    NAME: ClassVar[str] = ""  # of the venue, in texts
    NEEDS: ClassVar[str] = ""  # settings without which nothing can be signed

    markets: Markets[Any]
    dispatch: OrderDispatch
    _signer: object | None
    _tasks: OwnedTasks | None
    _rest: Rest | None
    _sender: SenderBase[Any] | None
    _stream: GatedStream | None
    _recovery: LookupRunner | None

    def __init__(
        self,
        venue: str,
        *,
        on_event: OnEvent | None,
        on_status: OnStatus | None,
        clock: Clock,
        signer: object | None,
        owns_signer: bool,
        attempts: AttemptBudget | None = None,
        max_quote_age_s: float | None = None,
    ) -> None:
        super().__init__(venue, on_event=on_event, on_status=on_status, clock=clock)
        self._tasks = self._rest = self._sender = self._stream = self._recovery = None
        self._refreshing: asyncio.Task[None] | None = None
        self._attempts = attempts
        self._signer = signer
        self._owns_signer = owns_signer
        self._prices = BestPrices(clock, max_quote_age_s)
        self.registry = OrderRegistry()

    # -- what a venue says -------------------------------------------------------------

    @abstractmethod
    async def _load_markets(self) -> None:
        """Read the definitions of the markets; ConnectorError if the venue does not give them."""

    def _parted(self) -> None:
        """Forget the parts of the connection: they are closed, but for stream and REST."""

    # -- looking -----------------------------------------------------------------------

    @property
    def has_credentials(self) -> bool:
        """Whether orders can be signed at all."""
        return self._signer is not None

    @property
    def signer_stats(self) -> SignerStats | None:
        """Counters of our own signer; None without one, or with one that keeps none."""
        stats = getattr(self._signer, "stats", None)
        return stats if isinstance(stats, SignerStats) else None

    @property
    def is_connected(self) -> bool:
        """Whether `connect` has succeeded and the private connection is up."""
        stream = self._stream
        return self._connected and stream is not None and stream.session.is_connected

    # -- what a command needs ----------------------------------------------------------

    def _check(self) -> None:
        if self._signer is None:
            raise ConfigError(
                f"{self.NAME} execution requires credentials: set {self.NEEDS} in the config or "
                "the environment"
            )

    def _need_credentials(self, what: str) -> None:
        if self._signer is None:
            raise ConfigError(
                f"cannot {what} without credentials: set {self.NEEDS} in the config or the "
                "environment"
            )

    @staticmethod
    def _need(part: T | None) -> T:
        """Return a part of the connection; ClientError where there is none."""
        if part is None:
            raise ClientError("not connected to the venue")
        return part

    # -- markets -----------------------------------------------------------------------

    def _refresh_markets(self) -> None:
        """Read the definitions again, once for all rows that name new markets meanwhile."""
        if self._tasks is not None and (self._refreshing is None or self._refreshing.done()):
            self._refreshing = self._tasks.spawn(self._load_until_known(), "markets")

    async def _load_until_known(self) -> None:
        while True:
            await asyncio.sleep(self.markets.refresh_in_s())
            try:
                await self._load_markets()
                return
            except Exception as error:  # noqa: BLE001 - an answer of any shape must not end this
                if not isinstance(error, ConnectorError):
                    self._log.error("market definitions cannot be read", exc_info=error)
                self.on_problem(f"market definitions not read yet: {error}", None, error)

    async def _keep_markets(self, every_s: float) -> None:
        """Read the definitions again from time to time; ends by cancellation."""
        while True:
            await asyncio.sleep(every_s)
            self._refresh_markets()

    def _tell_markets(self, changed: Iterable[tuple[Instrument, bool]]) -> None:
        """Tell of definitions that are new or different; orders go by them from now on."""
        for instrument, is_new in changed:
            self._teller.status(
                InstrumentUpdated(
                    venue=self._venue,
                    ts_init=self._clock.wall_ns(),
                    instrument_id=instrument.id,
                    is_new=is_new,
                )
            )

    # -- what is known -----------------------------------------------------------------

    def _best_price(self, order: Order, side: Side) -> int | None:
        """Return the best price an order would trade against, in ticks; None: nobody knows."""
        instrument = self.markets.get(order.instrument_id)
        if instrument is None:
            return None
        # To hold an exit back costs more than an old price, which only limits what it trades at.
        return self._prices.against(instrument, side, any_age=order.reduce_only)

    def add_instruments(self, instruments: Iterable[Instrument]) -> None:
        """Make instruments known before, or besides, those `connect` loads."""
        self.markets.add(instruments)

    def update_quote(self, quote: Quote) -> None:
        """Remember the best prices; a handler for `DataClient.subscribe_quotes`.

        Market orders are protected by them: without the side they need, or when that was told
        longer than `Config.max_quote_age_s` ago and they do not only reduce, they are denied.
        """
        self._prices.update(quote)

    def set_quote(
        self,
        instrument_id: InstrumentId,
        *,
        bid: Number | None = None,
        ask: Number | None = None,
    ) -> None:
        """Remember best prices by hand; None: that side is empty."""
        instrument = self.markets.get(instrument_id)
        if instrument is None:
            raise ClientError(f"unknown instrument {instrument_id}")
        self._prices.set(instrument, bid, ask)

    def _find(
        self,
        client_order_id: ClientOrderId | None,
        instrument_id: InstrumentId | None,
        venue_order_id: VenueOrderId | None,
        *,
        side: Side = Side.BUY,
    ) -> TrackedOrder:
        return find_or_stand_in(
            self.registry, client_order_id, instrument_id, venue_order_id, side=side
        )

    def _instrument_of(self, order: TrackedOrder) -> Instrument:
        instrument = self.markets.get(order.instrument_id)
        if instrument is None:
            raise Denial(f"unknown order or instrument {order.instrument_id!r}")
        return instrument

    # -- the end -----------------------------------------------------------------------

    async def _teardown(self, why: str) -> None:
        self._connected = False
        stream, self._stream = self._stream, None
        sender, self._sender = self._sender, None
        recovery, self._recovery = self._recovery, None
        tasks, self._tasks = self._tasks, None
        rest, self._rest = self._rest, None
        try:
            if recovery is not None:
                recovery.close()
            if sender is not None:
                sender.close(why)  # what is unknown now is looked up after the next connect
            if tasks is not None:
                await tasks.close(timeout_s=CLOSE_TIMEOUT_S)  # a request under way: the same
        finally:
            self._parted()
            if stream is not None:
                await stream.close()
            if rest is not None:
                await rest.close()

    def _wipe(self) -> None:
        close = getattr(self._signer, "close", None)
        if self._owns_signer and close is not None:
            close()
