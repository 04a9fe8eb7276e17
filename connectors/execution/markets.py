"""The instruments by our id and by the venue's name, loaded when a row names a new one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Generic, TypeVar

from ..model.ids import InstrumentId
from ..model.instruments import Instrument
from ..net.clock import NS_PER_S, Clock

__all__ = ["Markets"]

REFRESH_PAUSE_S = 10.0

K = TypeVar("K")


class Markets(Generic[K]):
    """A catalog that only grows; a changed definition replaces the old one.

    Parameters
    ----------
    clock : Clock
    key : callable
        What rows of the venue call an instrument: its number, its coin.

    Attributes
    ----------
    active : set
        Keys of the markets the account was seen in.
    """

    __slots__ = (
        "_by_id",
        "_by_key",
        "_clock",
        "_is_loaded",
        "_key",
        "_refreshed_ns",
        "active",
    )

    def __init__(self, clock: Clock, key: Callable[[Instrument], K]) -> None:
        self._clock = clock
        self._key = key
        self._by_id: dict[InstrumentId, Instrument] = {}
        self._by_key: dict[K, Instrument] = {}
        self._refreshed_ns: int | None = None
        self._is_loaded = False
        self.active: set[K] = set()

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Instrument]:
        return iter(list(self._by_id.values()))

    def add(self, instruments: Iterable[Instrument]) -> None:
        """Add or replace instruments."""
        for instrument in instruments:
            self._by_id[instrument.id] = instrument
            self._by_key[self._key(instrument)] = instrument

    def get(self, instrument_id: InstrumentId) -> Instrument | None:
        """Return the instrument of an id of ours."""
        return self._by_id.get(instrument_id)

    def by_key(self, key: K) -> Instrument | None:
        """Return the instrument a row names, and note that it is in use."""
        found = self._by_key.get(key)
        if found is not None:
            self.active.add(key)
        return found

    async def load(
        self, read: Callable[[], Awaitable[Iterable[Instrument]]]
    ) -> list[tuple[Instrument, bool]]:
        """Read all definitions; ConnectorError if the venue does not give them.

        Returns
        -------
        list of (Instrument, bool)
            What an earlier reading had not, or had otherwise, and whether it is new; of the
            first reading nothing.
        """
        self._refreshed_ns = self._clock.monotonic_ns()
        found = tuple(await read())
        held = dict(self._by_id) if self._is_loaded else {each.id: each for each in found}
        self.add(found)
        self._is_loaded = True
        return [(each, each.id not in held) for each in found if held.get(each.id) != each]

    def refresh_in_s(self) -> float:
        """Return the seconds until the last load is long enough ago for another one."""
        if self._refreshed_ns is None:
            return 0.0
        age_s = (self._clock.monotonic_ns() - self._refreshed_ns) / NS_PER_S
        return max(REFRESH_PAUSE_S - age_s, 0.0)
