"""What is known of one instrument's market, and how market data writes it (section 5)."""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from .contracts import Contract, fixed, trimmed

if TYPE_CHECKING:
    from ..book import Book

__all__ = ["Market", "Value", "commas", "short"]

Value = str | float
SERVERS = 32
KEPT_TRADES = 5_000


class Market:
    """Prices of one instrument, in units of its contract.

    Attributes
    ----------
    version
        Grows with every change that market data shows.
    server
        Which of the venue's servers delivers it; may change at any time.
    availability
        Letters of field 6509.
    """

    def __init__(self, contract: Contract, book: Book, volume: int, *, traded: bool) -> None:
        self.contract = contract
        self.book = book
        self.prior_close = contract.reference
        self.last = contract.reference
        self.last_size = contract.lot
        self.open = self.high = self.low = contract.reference
        self.volume = volume if traded else 0
        self.traded = traded
        self.halted = False
        self.availability = "RpB"
        self.server = contract.conid % SERVERS + 1
        self.version = 1
        self.updated_ms = 0
        self.trades: deque[tuple[int, int, int]] = deque(maxlen=KEPT_TRADES)
        self._fields: dict[str, Value] = {}
        self._fields_version = 0

    @property
    def key(self) -> str:
        return self.contract.key

    def changed(self, now_ms: int) -> None:
        """Remember that market data has something new."""
        self.version += 1
        self.updated_ms = max(now_ms, self.updated_ms)

    def trade(self, price: int, size: int, now_ms: int) -> None:
        """Take a trade into the day's figures."""
        if not self.traded:
            self.traded = True
            self.open = self.high = self.low = price
        self.last, self.last_size = price, size
        self.high, self.low = max(self.high, price), min(self.low, price)
        self.volume += size
        self.trades.append((now_ms, price, size))
        self.changed(now_ms)

    @property
    def bid(self) -> int | None:
        best = self.book.best_bid
        return None if best is None else best - self.contract.offset

    @property
    def ask(self) -> int | None:
        best = self.book.best_ask
        return None if best is None else best - self.contract.offset

    @property
    def mark(self) -> int:
        """Return what positions are worth: the middle, else the last price."""
        bid, ask = self.bid, self.ask
        return self.last if bid is None or ask is None else (bid + ask) // 2

    def depth(self, *, is_bid: bool, count: int | None = None) -> list[tuple[int, int]]:
        """Return levels (price, size), best first."""
        levels = self.book.bids(count) if is_bid else self.book.asks(count)
        offset = self.contract.offset
        return [(price - offset, size) for price, size in levels]

    # -- market data -------------------------------------------------------------------------

    def fields(self) -> dict[str, Value]:
        """Return every field there is, as a stream writes it; one without a value is `""`."""
        if self._fields_version != self.version:
            self._fields = self._write()
            self._fields_version = self.version
        return self._fields

    def _write(self) -> dict[str, Value]:
        contract = self.contract
        bids, asks = self.depth(is_bid=True, count=1), self.depth(is_bid=False, count=1)
        flag = "H" if self.halted else "" if self.traded else "C"
        change = self.last - self.prior_close if self.traded else 0
        share = round(100 * change / abs(self.prior_close), 2)
        price, decimals = contract.price, contract.size_decimals
        return {
            "31": flag + price(self.last),
            "84": price(bids[0][0]) if bids else "",
            "86": price(asks[0][0]) if asks else "",
            "85": commas(asks[0][1], decimals) if asks else "",
            "88": commas(bids[0][1], decimals) if bids else "",
            "87": short(self.volume, decimals),
            "7059": commas(self.last_size, decimals) if self.traded else "",
            "7762": trimmed(self.volume, decimals),
            "70": price(self.high),
            "71": price(self.low),
            "82": price(change),
            "83": share,
            "7295": price(self.open) if self.traded else "",
            "7296": price(self.prior_close),
            "7741": price(self.prior_close),
            "7635": price(self.mark),
            "7057": "KNPZ" if asks else "",
            "7068": "KNQZ" if bids else "",
            "7058": "D" if self.traded else "",
            "55": contract.symbol,
            "6004": "SMART" if contract.sec_type != "CASH" else contract.listing,
            "6008": str(contract.conid),
            "6070": contract.sec_type,
            "6457": str(contract.underlying) if contract.underlying else "",
            "7051": contract.name,
            "7094": f"{contract.key}@SMART",
            "7184": "0" if self.halted else "1",
            "7219": contract.symbol,
            "7220": "",
            "7221": contract.listing,
            "7768": "1",
            "201": contract.right,
            "6509": self.availability,
        }

    def meta(self, conidex: str) -> dict[str, Any]:
        """Return the keys every frame of a line begins with."""
        return {
            "server_id": f"q{self.server}",
            "conidEx": conidex,
            "conid": self.contract.conid,
            "_updated": self.updated_ms,
            "6119": f"q{self.server}",
        }


def commas(size: int, decimals: int) -> str:
    """Return a size with a comma between thousands."""
    text, dot, rest = trimmed(size, decimals).partition(".")
    return f"{int(text):,}{dot}{rest}"


def short(size: int, decimals: int) -> str:
    """Return a size as field 87 shows it: at most one decimal, with K, M or B."""
    amount = Decimal(size).scaleb(-decimals)
    for limit, letter in ((9, "B"), (6, "M"), (4, "K")):
        if amount >= 10**limit:
            divisor = 3 if letter == "K" else limit
            return fixed(int(amount.scaleb(1 - divisor)), 1) + letter
    return str(int(amount))
