"""The instruments of one client, and what changes about them. Sans-I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ..errors import ClientError
from ..model import Instrument, MarketStatus

__all__ = ["Catalog", "Change"]


@dataclass(frozen=True, slots=True)
class Change:
    """What is different about one instrument.

    Attributes
    ----------
    old, new :
        Its definitions; `old` is None for a new one, `new` for one that vanished.
    status, previous :
        The status now and before; equal when it did not change.
    """

    old: Instrument | None
    new: Instrument | None
    status: MarketStatus
    previous: MarketStatus | None
    venue_status: str

    @property
    def instrument(self) -> Instrument:
        """The definition to show: the new one where there is one."""
        found = self.new or self.old
        assert found is not None
        return found

    @property
    def is_redefined(self) -> bool:
        """Whether there is a definition that was not there before."""
        return self.new is not None and self.new != self.old

    @property
    def status_changed(self) -> bool:
        """Whether the trading status is another one."""
        return self.status != self.previous


class Catalog:
    """Instruments by our id and by the venue's symbol."""

    __slots__ = ("_by_id", "_by_symbol", "_statuses", "loaded")

    def __init__(self) -> None:
        self._by_id: dict[str, Instrument] = {}
        self._by_symbol: dict[str, Instrument] = {}
        self._statuses: dict[str, MarketStatus] = {}
        self.loaded = False

    @property
    def by_id(self) -> Mapping[str, Instrument]:
        """All instruments by our id, as a live read-only view."""
        return MappingProxyType(self._by_id)

    @property
    def by_symbol(self) -> Mapping[str, Instrument]:
        """All instruments by the venue's symbol, as a live read-only view."""
        return MappingProxyType(self._by_symbol)

    def add(self, instrument: Instrument) -> None:
        """Insert or replace one."""
        self._by_id[instrument.id] = instrument
        self._by_symbol[instrument.symbol] = instrument
        self._statuses[instrument.symbol] = instrument.status

    def find(self, instrument: Instrument | str) -> Instrument:
        """Return the current definition by id, symbol (any case) or an older definition.

        Raises
        ------
        ClientError
            There is none.
        """
        name = instrument if isinstance(instrument, str) else instrument.id
        found = self._by_id.get(name) or self._by_symbol.get(name)
        if found is None and isinstance(instrument, str):
            found = self._by_symbol.get(name.upper()) or self._by_id.get(name.upper())
        if found is None:
            raise ClientError(
                f"no instrument {name!r}: neither an id such as BTCUSDT-PERP nor a symbol "
                f"of the venue is called that ({len(self._by_id)} instruments are known)"
            )
        return found

    def update(self, instruments: Iterable[Instrument], *, complete: bool = True) -> list[Change]:
        """Take a new set of definitions and return what changed; the first load is silent.

        With `complete` an instrument that is missing has vanished: it becomes NOT_AVAILABLE and
        stays known.
        """
        silent = not self.loaded
        self.loaded = True
        changes: list[Change] = []
        seen = set()
        for new in instruments:
            seen.add(new.symbol)
            old = self._by_symbol.get(new.symbol)
            previous = self._statuses.get(new.symbol)
            self.add(new)
            change = Change(old, new, new.status, previous, new.venue_status)
            if change.is_redefined or change.status_changed:
                changes.append(change)
        if complete:
            for symbol, old in self._by_symbol.items():
                gone = MarketStatus.NOT_AVAILABLE
                if symbol not in seen and self._statuses[symbol] is not gone:
                    previous = self._statuses[symbol]
                    self._statuses[symbol] = gone
                    changes.append(Change(old, None, gone, previous, str(gone)))
        return [] if silent else changes

    def set_status(self, symbol: str, status: MarketStatus, venue_status: str) -> Change | None:
        """Take a status that came without a definition; None if it says nothing new."""
        known = self._by_symbol.get(symbol)
        if known is None:
            return None
        previous = self._statuses[symbol]
        if status is previous:
            return None
        self._statuses[symbol] = status
        return Change(known, None, status, previous, venue_status)

    def status(self, instrument: Instrument | str) -> MarketStatus:
        """Return the latest status known, which may be newer than the definition's."""
        return self._statuses[self.find(instrument).symbol]

    def __len__(self) -> int:
        return len(self._by_symbol)
