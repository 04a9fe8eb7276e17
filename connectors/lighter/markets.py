"""The instruments by our id and by the venue's number, loaded when a row names a new one."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator

from ..model.ids import InstrumentId
from ..model.instruments import Instrument
from ..net.clock import NS_PER_S, Clock
from .instruments import market_index, parse_instruments
from .rest import LighterRest

__all__ = ["Markets"]

log = logging.getLogger("connectors.lighter")

REFRESH_PAUSE_S = 10.0


class Markets:
    """A catalog that only grows; a changed definition replaces the old one."""

    __slots__ = ("_by_id", "_by_index", "_clock", "_refreshed_ns", "active")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._by_id: dict[InstrumentId, Instrument] = {}
        self._by_index: dict[int, Instrument] = {}
        self._refreshed_ns: int | None = None
        self.active: set[int] = set()  # markets the account was seen in

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Instrument]:
        return iter(list(self._by_id.values()))

    def add(self, instruments: Iterable[Instrument]) -> None:
        """Add or replace instruments."""
        for instrument in instruments:
            self._by_id[instrument.id] = instrument
            self._by_index[market_index(instrument)] = instrument

    def get(self, instrument_id: InstrumentId) -> Instrument | None:
        """Return the instrument of an id of ours."""
        return self._by_id.get(instrument_id)

    def by_index(self, index: int) -> Instrument | None:
        """Return the instrument of a number of the venue's, and note that it is in use."""
        found = self._by_index.get(index)
        if found is not None:
            self.active.add(index)
        return found

    async def load(self, rest: LighterRest) -> None:
        """Read all definitions; ConnectorError if the venue does not give them."""
        self._refreshed_ns = self._clock.monotonic_ns()
        self.add(parse_instruments(await rest.order_book_details()))

    def refresh_in_s(self) -> float:
        """Return the seconds until the last load is long enough ago for another one."""
        if self._refreshed_ns is None:
            return 0.0
        age_s = (self._clock.monotonic_ns() - self._refreshed_ns) / NS_PER_S
        return max(REFRESH_PAUSE_S - age_s, 0.0)
