"""The instruments of one product, and what changes about them. Sans-I/O (BN-I-17, BN-I-18)."""

from __future__ import annotations

from ..data.catalog import Catalog as _Catalog
from ..data.catalog import Change
from .instruments import market_status
from .wire import ContractInfo

__all__ = ["Catalog", "Change"]


class Catalog(_Catalog):
    """Instruments whose status may also come from the stream of contract infos."""

    __slots__ = ()

    def on_contract_info(self, info: ContractInfo) -> Change | None:
        """Take the status from a `contractInfo` event; None if it says nothing new about it."""
        known = self._by_symbol.get(info.symbol)
        if known is None:
            return None
        status, previous = market_status(info.status), self._statuses[info.symbol]
        if status is previous:
            return None
        self._statuses[info.symbol] = status
        return Change(known, None, status, previous, info.status)
