"""The contracts a client knows: found by name or number, read again when needed."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable

from ..errors import ClientError, DecodeError, PrecisionError, RateLimited, VenueError
from ..model import Instrument
from .contracts import Contracts
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
        self._contracts: Contracts | None = None
        self._wanted: list[str | int] = list(names)
        self._given = {conid_of(each): each for each in instruments}
        self._by_conid: dict[int, Instrument] = dict(self._given)

    def use(self, rest: IbkrRest) -> None:
        """Ask there from now on; a session that is opened again has a new one."""
        self._contracts = Contracts(rest)

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
        self._asked().forget()
        try:
            known = [conid for conid in self._by_conid if conid not in self._given]
            await self._asked().definitions(known)  # in one request
            for conid in known:
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
            return (await self._asked().future(future[1], f"20{future[2]}")).conid
        listed = await self._asked().stocks(name)
        # A symbol with one listing in the United States means that one.
        is_us = True if sum(each.is_us for each in listed) == 1 else None
        return (await self._asked().stock(name, is_us=is_us)).conid

    def _asked(self) -> Contracts:
        if self._contracts is None:
            raise ClientError("not connected to the venue")
        return self._contracts

    async def _read(self, conid: int) -> Instrument:
        definition = await self._asked().definition(conid)
        try:
            rules = await self._asked().rules(conid)
        except RateLimited:
            raise
        except VenueError as error:
            # An index, or a contract we may not trade: it still has prices.
            log.warning("conid=%s comes without order rules: %s", conid, error)
            rules = None
        try:
            found = make_instrument(definition, rules)
            if any(it.id == found.id for other, it in self._by_conid.items() if other != conid):
                # Weekly and monthly options, say: as one, their positions would be one.
                found = make_instrument(definition, rules, name=f"{found.id}#{conid}")
                log.warning("conid=%s has the name of another contract: %s", conid, found.id)
        except (DecodeError, PrecisionError, ValueError) as error:
            raise ClientError(f"contract {conid} cannot be used: {error}") from error
        return found
