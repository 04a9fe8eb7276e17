"""From symbols to conids: never the first of several (R-10 to R-16, F-29)."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from ..errors import ClientError, DecodeError
from .errors import AmbiguousContract

__all__ = ["Contracts", "FoundContract", "FutureContract", "StockContract"]

DEFINITIONS_MAX = 200  # P-14
KEPT_MAX = 10_000

T = TypeVar("T")


class ContractRest(Protocol):
    """What is asked; `IbkrRest` has it."""

    async def stocks(self, *symbols: str) -> dict[str, Any]: ...
    async def futures(self, *symbols: str) -> dict[str, Any]: ...
    async def search(
        self, symbol: str, *, sec_type: str | None = None, name: bool | None = None
    ) -> list[Any]: ...
    async def definitions(self, conids: Sequence[int]) -> list[Any]: ...
    async def contract_rules(self, conid: int, *, is_buy: bool) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class StockContract:
    """A stock at one listing."""

    conid: int
    symbol: str
    exchange: str
    is_us: bool
    name: str


@dataclass(frozen=True, slots=True)
class FutureContract:
    """A future; `expiry` is YYYYMMDD, `last_trading_day` too."""

    conid: int
    symbol: str
    expiry: int
    last_trading_day: int
    underlying_conid: int


@dataclass(frozen=True, slots=True)
class FoundContract:
    """What a search found: the underlying, and what kinds of contracts there are on it."""

    conid: int
    symbol: str
    name: str
    exchange: str
    sec_types: tuple[str, ...]
    months: tuple[str, ...]


class Contracts:
    """Looks contracts up, and keeps what it has found.

    Parameters
    ----------
    rest : IbkrRest
    """

    def __init__(self, rest: ContractRest) -> None:
        self._rest = rest
        self._stocks: dict[str, tuple[StockContract, ...]] = {}
        self._futures: dict[str, tuple[FutureContract, ...]] = {}
        self._definitions: dict[int, Mapping[str, Any]] = {}
        self._rules: dict[tuple[int, bool], Mapping[str, Any]] = {}

    def forget(self) -> None:
        """Ask for everything anew; definitions and rules change from day to day."""
        for kept in (self._stocks, self._futures, self._definitions, self._rules):
            kept.clear()

    # -- stocks ------------------------------------------------------------------------------

    async def stocks(self, symbol: str) -> tuple[StockContract, ...]:
        """Return every listing of a symbol."""
        if symbol not in self._stocks:
            answer = await self._rest.stocks(symbol)
            _keep(self._stocks, symbol, tuple(_stocks(symbol, answer.get(symbol))))
        return self._stocks[symbol]

    async def stock(
        self, symbol: str, *, exchange: str | None = None, is_us: bool | None = None
    ) -> StockContract:
        """Return the one listing of a symbol at an exchange, or in or outside the US.

        Raises
        ------
        AmbiguousContract
            There are several; its `choices` are they.
        ClientError
            There is none.
        """
        listed = await self.stocks(symbol)
        found = [each for each in listed if exchange in (None, each.exchange)
                 and is_us in (None, each.is_us)]  # fmt: skip
        asked = symbol + (f" at {exchange}" if exchange else "")
        return _only(found, asked, listed)

    # -- futures -----------------------------------------------------------------------------

    async def futures(self, symbol: str) -> tuple[FutureContract, ...]:
        """Return the futures of a symbol, the nearest expiry first."""
        if symbol not in self._futures:
            answer = await self._rest.futures(symbol)
            found = sorted(_futures(answer.get(symbol)), key=lambda each: each.expiry)
            _keep(self._futures, symbol, tuple(found))
        return self._futures[symbol]

    async def future(self, symbol: str, expiry: int | str | None = None) -> FutureContract:
        """Return the one future of a symbol that expires on a day or in a month.

        `expiry` is `20261218` or `202612`. Raises like `stock`: without an expiry, unless there is
        only one.
        """
        listed = await self.futures(symbol)
        wanted = "" if expiry is None else str(expiry)
        found = [each for each in listed if str(each.expiry).startswith(wanted)]
        return _only(found, f"{symbol} {wanted}".strip(), listed)

    # -- any ---------------------------------------------------------------------------------

    async def search(self, text: str, *, sec_type: str | None = None) -> tuple[FoundContract, ...]:
        """Return what the venue finds for a symbol; what option chains need before (N-11)."""
        answer = await self._rest.search(text, sec_type=sec_type)
        return tuple(_found(answer))

    async def find(
        self, symbol: str, *, sec_type: str | None = None, exchange: str | None = None
    ) -> FoundContract:
        """Return the one contract a search finds for exactly this symbol; raises like `stock`."""
        listed = await self.search(symbol, sec_type=sec_type)
        found = [each for each in listed if each.symbol == symbol
                 and exchange in (None, each.exchange)]  # fmt: skip
        return _only(found, symbol, listed)

    async def definitions(self, conids: Iterable[int]) -> dict[int, Mapping[str, Any]]:
        """Return the definitions of contracts by conid; those unknown to the venue are left out."""
        wanted = list(dict.fromkeys(conids))
        missing = [conid for conid in wanted if conid not in self._definitions]
        for start in range(0, len(missing), DEFINITIONS_MAX):
            for row in await self._rest.definitions(missing[start : start + DEFINITIONS_MAX]):
                if isinstance(row, Mapping) and (conid := conid_of(row.get("conid"))) is not None:
                    _keep(self._definitions, conid, row)
        return {conid: self._definitions[conid] for conid in wanted if conid in self._definitions}

    async def definition(self, conid: int) -> Mapping[str, Any]:
        """Return the definition of a contract; ClientError if the venue has none."""
        found = (await self.definitions((conid,))).get(conid)
        if found is None:
            raise ClientError(f"the venue does not know the contract {conid}")
        return found

    async def rules(self, conid: int, *, is_buy: bool = True) -> Mapping[str, Any]:
        """Return what orders of a contract may look like (R-15)."""
        key = (conid, is_buy)
        if key not in self._rules:
            _keep(self._rules, key, await self._rest.contract_rules(conid, is_buy=is_buy))
        return self._rules[key]


def conid_of(value: object) -> int | None:
    """Return a conid, which is a number in some answers and text in others (R-05)."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else None


def _stocks(symbol: str, companies: object) -> Iterable[StockContract]:
    for company in _rows(companies):
        name = html.unescape(str(company.get("name") or ""))
        for listing in _rows(company.get("contracts")):
            conid = conid_of(listing.get("conid"))
            if conid is not None:
                exchange = str(listing.get("exchange") or "")
                yield StockContract(conid, symbol, exchange, listing.get("isUS") is True, name)


def _futures(rows: object) -> Iterable[FutureContract]:
    for row in _rows(rows):
        conid, expiry = conid_of(row.get("conid")), conid_of(row.get("expirationDate"))
        if conid is not None and expiry is not None:
            yield FutureContract(
                conid,
                str(row.get("symbol") or ""),
                expiry,
                conid_of(row.get("ltd")) or expiry,
                conid_of(row.get("underlyingConid")) or 0,
            )


def _found(rows: object) -> Iterable[FoundContract]:
    for row in _rows(rows):
        conid = conid_of(row.get("conid"))
        if conid is None:
            continue
        sections = list(_rows(row.get("sections")))
        months = [month for each in sections for month in str(each.get("months") or "").split(";")]
        yield FoundContract(
            conid,
            str(row.get("symbol") or ""),
            html.unescape(str(row.get("companyName") or row.get("companyHeader") or "")),
            str(row.get("description") or ""),
            tuple(dict.fromkeys(str(each.get("secType")) for each in sections)),
            tuple(dict.fromkeys(month for month in months if month)),
        )


def _rows(value: object) -> Iterable[Mapping[str, Any]]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise DecodeError("contracts: the answer holds no list", 0)
    return [row for row in value if isinstance(row, Mapping)]


def _only(found: Sequence[T], asked: str, listed: Sequence[T]) -> T:
    if len(found) == 1:
        return found[0]
    if not found:
        shown = ", ".join(map(str, listed[:8])) or "nothing"
        raise ClientError(f"no contract for {asked}; the venue has: {shown}")
    shown = "; ".join(map(str, found[:8]))
    raise AmbiguousContract(
        f"{asked} may be any of {len(found)} contracts, say which: {shown}", tuple(found)
    )


def _keep(kept: dict[Any, Any], key: Any, value: Any) -> None:
    if len(kept) >= KEPT_MAX:
        kept.pop(next(iter(kept)))
    kept[key] = value
