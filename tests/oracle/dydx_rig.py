"""The compiled dYdX decoder with everything it delivers written down as the oracle does."""

from __future__ import annotations

from typing import Any

from connectors._speedups.dydx import DydxDecoder
from connectors._speedups.events import EventFlag, EventKind, InstrumentBase, Router
from connectors._speedups.symbols import SymbolTable
from connectors._speedups.ticks import TickScale
from oracle.dydx_frames import MARKETS, PROBLEM, ROW_PROBLEM

NOW = 1_790_232_237_123_456_789


def instrument(ticker: str) -> InstrumentBase:
    name, price, size = MARKETS[ticker]

    def scale(places: int) -> TickScale:
        return TickScale(f"{10**-places:.{places}f}" if places else "1")

    return InstrumentBase(name, ticker, "DYDX", scale(price), scale(size))


class Rig:
    """`decode(data)` returns what was told, in the oracle's form."""

    def __init__(self) -> None:
        self.seen: list[tuple[Any, ...]] = []
        self.symbols = SymbolTable()
        for ticker in MARKETS:
            self.symbols.add(instrument(ticker))
        router = Router(on_error=self._broken)
        for kind, take in (
            (EventKind.BOOK_SNAPSHOT, self._book),
            (EventKind.BOOK_DELTA, self._book),
            (EventKind.TRADE, self._trade),
            (EventKind.LIQUIDATION, self._liquidation),
        ):
            router.route(kind, -1, take)
        self.decoder = DydxDecoder(
            self.symbols,
            router,
            on_control=self._take("control"),
            on_data=self._take("data"),
            on_id=lambda *found: self.seen.append(("id", *found)),
            on_lost=lambda *found: self.seen.append(("lost", *found)),
            on_version=lambda *found: self.seen.append(("version", *found)),
            on_problem=self._problem,
            on_unknown_market=lambda ticker: self.seen.append(("unknown", ticker)),
        )
        self._refused = 0
        self._data = b""

    def decode(self, data: bytes) -> list[tuple[Any, ...]]:
        self.seen.clear()
        self._data = data
        self.decoder.feed(data, NOW)
        return list(self.seen)

    def _take(self, what: str) -> Any:
        def take(kind: str, channel: str, key: str, number: int, data: bytes) -> None:
            assert data == self._data
            self.seen.append((what, kind, channel, key, number))

        return take

    def _problem(self, error: Exception, data: bytes) -> None:
        is_row = self.decoder.decode_errors == self._refused
        self._refused = self.decoder.decode_errors
        assert data in self._data
        self.seen.append(ROW_PROBLEM if is_row else PROBLEM)

    def _broken(self, error: BaseException, kind: int, event: Any) -> None:
        raise error

    def _off(self, e: Any) -> bool:
        return bool(e.flags & EventFlag.OFF_SCALE)

    def _book(self, e: Any) -> None:
        assert e.prev_seq == -1
        assert e.first_seq == e.last_seq
        assert e.ts_event == e.ts_init == NOW
        self.seen.append(
            ("book", e.instrument.id, e.is_snapshot, tuple(e.bids_decimal()),
             tuple(e.asks_decimal()), e.last_seq, self._off(e))
        )  # fmt: skip

    def _trade(self, e: Any) -> None:
        assert e.ts_init == NOW
        self.seen.append(
            ("trade", e.instrument.id, e.price, e.size, e.aggressor.name == "BUYER", e.trade_id,
             e.ts_event, bool(e.flags & EventFlag.HISTORY), bool(e.flags & EventFlag.NOT_MARKET),
             self._off(e))
        )  # fmt: skip

    def _liquidation(self, e: Any) -> None:
        assert e.average_price == e.price
        self.seen.append(
            ("liquidation", e.instrument.id, e.price, e.size, e.side.name == "BUYER", e.ts_event,
             bool(e.flags & EventFlag.HISTORY), self._off(e))
        )  # fmt: skip
