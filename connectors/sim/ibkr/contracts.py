"""The instruments: ids, increments, sizes, fees (5.4, X-36).

Prices are whole numbers of 10^-decimals, sizes of 10^-size_decimals. Section numbers and rule ids
in this package name the venue's rules.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

__all__ = ["CONTRACTS", "Contract", "NotAMultiple", "find"]

COMBO_OFFSET = 1_000_000  # the matching engine knows positive prices only


class NotAMultiple(ValueError):
    """A price or size that does not fit its increment."""


@dataclass(frozen=True, slots=True)
class Contract:
    """One instrument.

    Parameters
    ----------
    reference
        Close of the day before.
    rules
        Increments by price: pairs of a lower edge and the increment from there on.
    lot
        What the simulated traders trade at least, in sizes.
    offset
        What is added to prices inside the matching engine.
    fee, least_fee
        Commission per unit and per order.
    conidex
        Of a combination, with its legs.
    months
        Of options and futures on this contract, for the search.
    """

    conid: int
    symbol: str
    sec_type: str
    name: str
    decimals: int
    reference: int
    rules: tuple[tuple[int, int], ...]
    listing: str
    size_decimals: int = 0
    lot: int = 1
    multiplier: int = 1
    currency: str = "USD"
    offset: int = 0
    fee: Decimal = Decimal("0.005")
    least_fee: Decimal = Decimal("1.00")
    underlying: int = 0
    right: str = ""
    strike: str = "0"
    expiry: str = ""
    conidex: str = ""
    months: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """What streams call it: the conid, or the whole text of a combination."""
        return self.conidex or str(self.conid)

    # -- numbers -----------------------------------------------------------------------------

    def increment(self, price: int) -> int:
        """Return the increment at a price."""
        fits = [step for edge, step in self.rules if edge <= abs(price)]
        return fits[-1] if fits else self.rules[0][1]

    def price(self, price: int) -> str:
        """Return a price as text, with all its decimals."""
        return fixed(price, self.decimals)

    def decimal(self, price: int) -> Decimal:
        return Decimal(price).scaleb(-self.decimals)

    def parse_price(self, value: Any, *, any_sign: bool = False) -> int:
        """Return a price given as a number or text.

        Raises
        ------
        NotAMultiple
            It is no multiple of the increment there, or not positive where it must be.
        ValueError
            It is no number.
        """
        price = whole(value, self.decimals)
        if price % self.increment(price) or (price <= 0 and not any_sign and not self.offset):
            raise NotAMultiple(f"{value} is no price of {self.symbol}")
        return price

    def size(self, size: int) -> str:
        """Return a size as text: no needless zeros, no commas."""
        return trimmed(size, self.size_decimals)

    def quantity(self, size: int) -> Decimal:
        return Decimal(size).scaleb(-self.size_decimals)

    def parse_size(self, value: Any) -> int:
        """Return a size. Raises NotAMultiple or ValueError if it cannot be one."""
        size = whole(value, self.size_decimals)
        if size <= 0:
            raise NotAMultiple(f"{value} is no size of {self.symbol}")
        return size

    def value(self, price: int, size: int) -> Decimal:
        """Return what so many cost at a price, in the currency."""
        return self.decimal(price) * self.quantity(size) * self.multiplier

    def commission(self, size: int) -> Decimal:
        """Return what an order of this size costs in all."""
        return max(self.quantity(size) * self.fee, self.least_fee).quantize(Decimal("0.01"))

    def wire_rules(self) -> list[dict[str, float]]:
        return [
            {"lowerEdge": float(self.decimal(edge)), "increment": float(self.decimal(step))}
            for edge, step in self.rules
        ]


def fixed(value: int, decimals: int) -> str:
    """Return a whole number of 10^-decimals as text with all its decimals."""
    sign, rest = ("-", -value) if value < 0 else ("", value)
    if not decimals:
        return f"{sign}{rest}"
    whole_part, part = divmod(rest, 10**decimals)
    return f"{sign}{whole_part}.{part:0{decimals}d}"


def trimmed(value: int, decimals: int) -> str:
    """Return a whole number of 10^-decimals as text without needless zeros."""
    text = fixed(value, decimals)
    return text.rstrip("0").rstrip(".") if decimals else text


def whole(value: Any, decimals: int) -> int:
    """Return a number (JSON or text) as a count of 10^-decimals."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"{value!r} is not a number")
    try:
        scaled = Decimal(str(value).replace(",", "")).scaleb(decimals)
        count = int(scaled)
    except ArithmeticError:
        raise ValueError(f"{value!r} is not a number") from None
    if scaled != count:
        raise NotAMultiple(f"{value} has too many decimals")
    return count


def _stock(
    conid: int, symbol: str, name: str, reference: int, listing: str = "NASDAQ.NMS"
) -> Contract:
    return Contract(
        conid, symbol, "STK", name, 2, reference, ((0, 1),), listing, size_decimals=4,
        lot=100 * 10**4, months=("AUG26", "SEP26", "OCT26"),
    )  # fmt: skip


def _call(conid: int, strike: str, reference: int) -> Contract:
    return Contract(
        conid, "AAPL", "OPT", f"AAPL AUG 21 '26 {strike} Call", 2, reference,
        ((0, 1), (300, 5)), "CBOE", lot=10, multiplier=100, fee=Decimal("0.65"),
        underlying=265598, right="C", strike=strike, expiry="20260821",
    )  # fmt: skip


LEG_1, LEG_2 = _call(679289300, "200", 155), _call(679295546, "205", 180)

CONTRACTS: tuple[Contract, ...] = (
    _stock(265598, "AAPL", "APPLE INC", 19318),
    _stock(8314, "IBM", "INTL BUSINESS MACHINES CORP", 13983, "NYSE"),
    _stock(756733, "SPY", "SS SPDR S&P 500 ETF TRUST-US", 65589, "ARCA"),
    Contract(
        515416632, "ES", "FUT", "E-mini S&P 500", 2, 650000, ((0, 25),), "CME", lot=5,
        multiplier=50, fee=Decimal("2.25"), least_fee=Decimal("2.25"), underlying=11004968,
        expiry="20261218",
    ),
    Contract(
        12087792, "EUR", "CASH", "European Monetary Union Euro", 5, 108205, ((0, 5),), "IDEALPRO",
        lot=25_000, fee=Decimal("0.00002"), least_fee=Decimal("2.00"),
    ),
    _call(667629330, "195", 425),
    LEG_1,
    LEG_2,
    Contract(
        28812380, "AAPL", "BAG", "AAPL Combo", 2, -25, ((0, 1),), "SMART", lot=10, multiplier=100,
        offset=COMBO_OFFSET, fee=Decimal("1.30"),
        conidex=f"28812380;;;{LEG_1.conid}/1,{LEG_2.conid}/-1",
    ),
)  # fmt: skip


def find(contracts: Iterable[Contract], target: str) -> Contract | None:
    """Return what a stream's target names: `conid`, `conid@EXCHANGE` or a combination."""
    name, _, _exchange = target.partition("@")
    for contract in contracts:
        if contract.key == name:
            return contract
    return None
