"""The contracts a client knows: found by name or number, read again when needed."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping

from ..errors import ClientError, ConnectorError, DecodeError
from ..execution.members import whole
from ..model import Instrument
from .errors import AmbiguousContract
from .instruments import conid_of, make_instrument
from .rest import IbkrRest

__all__ = ["ContractCatalog"]

log = logging.getLogger("connectors.ibkr")

_FUTURE = re.compile(r"([A-Z0-9]+)-([0-9]{6})")


class ContractCatalog:
    """Instruments by conid.

    Parameters
    ----------
    names :
        To be looked up by `load`: a conid as number or text, `ES-261218` for a future, else the
        symbol of a stock.
    instruments :
        Known without asking.
    """

    def __init__(
        self,
        *,
        names: Iterable[str | int] = (),
        instruments: Iterable[Instrument] = (),
    ) -> None:
        self._rest: IbkrRest | None = None
        self._wanted: list[str | int] = list(names)
        self._given = {conid_of(each): each for each in instruments}
        self._by_conid: dict[int, Instrument] = dict(self._given)

    def use(self, rest: IbkrRest) -> None:
        """Ask there from now on; a session that is opened again has a new one."""
        self._rest = rest

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        """All that are known."""
        return tuple(self._by_conid.values())

    def get(self, conid: int) -> Instrument | None:
        """Return a known instrument."""
        return self._by_conid.get(conid)

    async def load(self) -> tuple[Instrument, ...]:
        """Look up what is wanted, read all others again, and return them."""
        wanted, self._wanted = self._wanted, []
        try:
            for conid in [conid for conid in self._by_conid if conid not in self._given]:
                self._by_conid[conid] = await self._read(conid)
            for name in wanted:
                await self._find(name)
        except BaseException:
            self._wanted = wanted
            raise
        return self.instruments

    async def find(self, *names: str | int) -> list[Instrument]:
        """Look contracts up; those known already are not asked for again.

        Raises
        ------
        AmbiguousContract, ClientError
            A name means several contracts, or none.
        """
        return [await self._find(name) for name in names]

    async def _find(self, name: str | int) -> Instrument:
        conid = await self._conid(name)
        found = self._by_conid.get(conid)
        if found is None:
            found = self._by_conid[conid] = await self._read(conid)
        return found

    async def _conid(self, name: str | int) -> int:
        if isinstance(name, int) or name.isdecimal():
            return int(name)
        for instrument in self._by_conid.values():
            if instrument.id == name:
                return conid_of(instrument)
        future = _FUTURE.fullmatch(name)
        if future is not None:
            return await self._future(future[1], f"20{future[2]}")
        return await self._stock(name)

    def _asked(self) -> IbkrRest:
        if self._rest is None:
            raise ClientError("not connected to the venue")
        return self._rest

    async def _stock(self, symbol: str) -> int:
        """Return the conid of a stock: of the only one, or the only one in the United States."""
        found = (await self._asked().stocks(symbol)).get(symbol)
        rows = [row for row in found if isinstance(row, Mapping)] if isinstance(found, list) else []
        contracts = [
            {**contract, "name": row.get("name")}
            for row in rows
            for contract in row.get("contracts") or ()
        ]
        domestic = [each for each in contracts if each.get("isUS") is True]
        chosen = domestic or contracts
        if not chosen:
            raise ClientError(f"the venue knows no stock {symbol!r}: give its conid")
        if len(chosen) > 1:
            shown = ", ".join(f"{each.get('conid')} ({each.get('name')}, {each.get('exchange')})"
                              for each in chosen)  # fmt: skip
            raise AmbiguousContract(
                f"{symbol!r} means several contracts, give the conid of one: {shown}",
                tuple(each.get("conid") for each in chosen),
            )
        return whole(chosen[0], "conid")

    async def _future(self, symbol: str, expiry: str) -> int:
        found = (await self._asked().futures(symbol)).get(symbol)
        rows = [row for row in found if isinstance(row, Mapping)] if isinstance(found, list) else []
        for row in rows:
            if str(row.get("expirationDate")) == expiry:
                return whole(row, "conid")
        known = ", ".join(str(row.get("expirationDate")) for row in rows)
        raise ClientError(f"the venue has no {symbol} of {expiry}; it has: {known or 'none'}")

    async def _read(self, conid: int) -> Instrument:
        definitions = await self._asked().definitions([conid])
        if not definitions or not isinstance(definitions[0], Mapping):
            raise ClientError(f"the venue knows no contract {conid}")
        try:
            rules = await self._asked().contract_rules(conid, is_buy=True)
        except ConnectorError as error:
            # An index, or a contract we may not trade: it still has prices.
            log.warning("conid=%s comes without order rules: %s", conid, error)
            rules = None
        try:
            return make_instrument(definitions[0], rules)
        except DecodeError as error:
            raise ClientError(f"contract {conid} cannot be used: {error}") from error
