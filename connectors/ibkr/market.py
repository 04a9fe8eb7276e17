"""One line of market data: what its frames said, merged (sections 4.2 and 5 of the rules).

A frame holds only what changed; nothing is carried over a loss or a new request. The prices and
sizes of the first level also take the compiled way (`_speedups.ibkr`), which agrees with this
reading; what it leaves aside (statistics, marks, exchanges and combinations) is read here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ..model import Instrument, Trade
from .values import Availability, FieldValue, PriceMark, ValueKind, parse_value, time_ns

__all__ = ["Change", "Code", "FreshLast", "MarketLine", "MarketStats"]


class Code:
    """Codes of the fields a trading bot needs (5.1); 85 is the *ask* size."""

    LAST = "31"
    BID = "84"
    ASK = "86"
    ASK_SIZE = "85"
    BID_SIZE = "88"
    LAST_SIZE = "7059"
    VOLUME = "87"  # shortened: 12.3M
    FULL_VOLUME = "7762"
    HIGH = "70"
    LOW = "71"
    OPEN = "7295"
    CLOSE = "7296"
    PRIOR_CLOSE = "7741"
    CHANGE = "82"
    CHANGE_PERCENT = "83"
    MARK = "7635"
    AVAILABILITY = "6509"
    SERVER = "6119"
    PARAMETERS = "6508"


QUOTE_CODES = frozenset({Code.BID, Code.ASK, Code.ASK_SIZE, Code.BID_SIZE})
_TEXTS = frozenset({Code.AVAILABILITY, Code.SERVER, Code.PARAMETERS})
# Codes that hold words, kept as they are and never counted as unreadable.
_WORDS = frozenset({
    "55", "6008", "6070", "6457", "7051", "6004", "7221", "7094", "7219", "7220", "201", "7057",
    "7068", "7058", "7714", "7715", "7644", "7633", "7184", "7768", "58", "6072", "6073", "7280",
    "7281", "7285", "7286", "7655", "7704", "7705", "7706", "7707", "7708",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Change:
    """What a frame did.

    Attributes
    ----------
    codes : frozenset of str
        Fields that were in it.
    is_quote : bool
        It says something about the first level (V-09).
    is_last : bool
        ... about the last trade.
    halted : bool or None
        Trading was halted (True), goes on (False), or nothing of that changed.
    refused : bool
        From now on the venue says that there is no subscription (5.2); told once.
    """

    codes: frozenset[str]
    is_quote: bool = False
    is_last: bool = False
    halted: bool | None = None
    refused: bool = False


NOTHING = Change(frozenset())


class MarketLine:
    """What is known of one line.

    Attributes
    ----------
    last : Decimal or None
        Last traded price; None before the first trade of the day.
    previous_close : Decimal or None
        What stood in its place (V-06).
    halted : bool
    ts_event : int
        Venue's time of the newest frame, ns.
    unparsable, regressions, frames : int
        Counters: values that are no numbers, frames older than the one before (V-08).
    """

    __slots__ = (
        "_fields",
        "_refused",
        "frames",
        "halted",
        "last",
        "previous_close",
        "regressions",
        "ts_event",
        "unparsable",
    )

    def __init__(self) -> None:
        self.frames = self.regressions = self.unparsable = 0
        self.clear()

    def clear(self) -> None:
        """Know nothing: the line is asked for anew."""
        self._fields: dict[str, FieldValue] = {}
        self._refused = False
        self.halted = False
        self.last: Decimal | None = None
        self.previous_close: Decimal | None = None
        self.ts_event = 0

    # ---- looking ------------------------------------------------------------------------------

    def number(self, code: str) -> Decimal | None:
        """Return a field's number, None while it has none. Of 31 see `last`."""
        found = self._fields.get(code)
        return None if found is None else found.number

    def value(self, code: str) -> FieldValue | None:
        """Return a field as it came, None before it did."""
        return self._fields.get(code)

    @property
    def codes(self) -> frozenset[str]:
        """Fields that came."""
        return frozenset(self._fields)

    @property
    def availability(self) -> Availability:
        """What is said about the data (6509)."""
        found = self._fields.get(Code.AVAILABILITY)
        return Availability("" if found is None else found.text)

    @property
    def volume(self) -> Decimal | None:
        """Volume of the day: exact where 7762 is asked for, else as 87 shows it."""
        full = self.number(Code.FULL_VOLUME)
        return full if full is not None else self.number(Code.VOLUME)

    # ---- frames -------------------------------------------------------------------------------

    def apply(self, payload: Mapping[str, Any]) -> Change:
        """Merge a frame, in the order of arrival (V-08)."""
        self.frames += 1
        self._note_time(payload.get("_updated"))
        codes = frozenset(key for key in payload if key.isdecimal() and key.isascii())
        if not codes:
            return NOTHING  # W-15
        was_halted = self.halted
        for code in codes:
            self._fields[code] = self._read(code, payload[code])
        if Code.LAST in codes:
            self._take_last(self._fields[Code.LAST])
        was_refused, self._refused = (
            self._refused,
            self.availability.is_refused and (not self._has_price()),
        )
        return Change(
            codes,
            is_quote=not codes.isdisjoint(QUOTE_CODES),
            is_last=Code.LAST in codes or Code.LAST_SIZE in codes,
            halted=self.halted if self.halted != was_halted else None,
            refused=self._refused and not was_refused,
        )

    def _note_time(self, value: object) -> None:
        moment = time_ns(value)
        if not moment:
            return
        if moment < self.ts_event:
            self.regressions += 1  # another server, another clock
        self.ts_event = moment

    def _read(self, code: str, raw: object) -> FieldValue:
        if code in _TEXTS:
            return FieldValue(ValueKind.TEXT, text="" if raw is None else str(raw))
        found = parse_value(raw)
        if found.kind is ValueKind.TEXT and code not in _WORDS:
            self.unparsable += 1
        return found

    def _take_last(self, value: FieldValue) -> None:
        if value.kind is not ValueKind.NUMBER:
            self.last = None
            return
        if value.mark is PriceMark.PREVIOUS_CLOSE:
            self.previous_close, self.last, self.halted = value.number, None, False
            return
        self.last, self.halted = value.number, value.mark is PriceMark.HALTED

    def _has_price(self) -> bool:
        return any(self.number(code) is not None for code in (Code.LAST, Code.BID, Code.ASK))


@dataclass(frozen=True, slots=True, eq=False)
class MarketStats:
    """The fields of a contract after a frame that brought some.

    Attributes
    ----------
    instrument : Instrument
    codes : frozenset of str
        Those that were in the frame.
    line : MarketLine
        All that are known; it lives on, so read what you need in the callback. Of the first level
        it knows nothing: that comes as quotes and trades.
    ts_event, ts_init : int
        ns since the epoch.
    """

    instrument: Instrument
    codes: frozenset[str]
    line: MarketLine
    ts_event: int
    ts_init: int

    def number(self, code: str) -> Decimal | None:
        """Return the number of a field, None while it has none."""
        return self.line.number(code)


class FreshLast:
    """Tells a last trade from the same one shown again because the line was asked for anew.

    The venue answers every request, also the renewals, with all fields (W-12).
    """

    __slots__ = ("_is_asked", "_last")

    def __init__(self) -> None:
        self._is_asked = False
        self._last: tuple[int, int] | None = None

    def on_asked(self) -> None:
        """The line is being asked for."""
        self._is_asked = True

    def __call__(self, trade: Trade) -> bool:
        """Tell whether a trade is news."""
        last = trade.price_ticks, trade.size_lots
        is_same = self._is_asked and last == self._last
        self._is_asked = False
        self._last = last
        return not is_same
