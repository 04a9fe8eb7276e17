"""The compiled IBKR decoder with everything it delivers written down as the oracle does."""

from __future__ import annotations

from typing import Any

from connectors._speedups.events import EventFlag, EventKind, InstrumentBase, Router
from connectors._speedups.ibkr import IbkrDecoder
from connectors._speedups.symbols import SymbolTable
from connectors._speedups.ticks import TickScale
from oracle.ibkr_frames import LINES, NOW


def names(flags: int) -> set[str]:
    return {flag.name for flag in EventFlag if flags & flag}


class Rig:
    """`decode(data)` returns what was told, in the oracle's form; lines are open as in LINES."""

    def __init__(self) -> None:
        self.seen: list[tuple[Any, ...]] = []
        self.symbols = SymbolTable()
        router = Router(on_error=self._broken)
        router.route(EventKind.QUOTE, -1, self._quote)
        router.route(EventKind.TRADE, -1, self._trade)
        note = self.seen.append
        self.decoder = IbkrDecoder(
            self.symbols,
            router,
            on_cold=self._cold,
            on_fields=self._fields,
            on_line=lambda number: note(("line", number)),
            on_halted=lambda on, is_halted: note(("halted", on.id, is_halted)),
            on_empty_side=lambda on, bid, ask: note(("empty", on.id, bid, ask)),
            on_problem=lambda error, data: note(("problem",)),
        )
        for name, (id, tick, step, is_open, want_fields) in LINES.items():
            instrument = InstrumentBase(id, id, "IBKR", TickScale(tick), TickScale(step))
            number = self.symbols.add(instrument, alias=name)
            if is_open:
                self.decoder.open_line(number, want_fields=want_fields)
        self._data = b""

    def number(self, name: str) -> int:
        return int(self.symbols.find(name))

    def decode(self, data: bytes) -> list[tuple[Any, ...]]:
        self.seen.clear()
        self._data = data
        self.decoder.feed(data, NOW)
        return list(self.seen)

    def _broken(self, error: BaseException, kind: int, event: Any) -> None:
        raise error

    def _cold(self, data: bytes, ts_init: int) -> None:
        assert (data, ts_init) == (self._data, NOW)
        self.seen.append(("cold",))

    def _fields(self, number: int, data: bytes, ts_init: int) -> None:
        assert (data, ts_init) == (self._data, NOW)
        self.seen.append(("fields", number))

    def _quote(self, e: Any) -> None:
        assert e.ts_init == NOW
        self.seen.append(
            ("quote", e.instrument.id, e.bid, e.bid_size, e.ask, e.ask_size, e.seq, e.ts_event,
             names(e.flags))
        )  # fmt: skip

    def _trade(self, e: Any) -> None:
        assert e.trade_id == -1
        assert e.aggressor.name == "NO_AGGRESSOR"
        self.seen.append(("trade", e.instrument.id, e.price, e.size, e.ts_event, names(e.flags)))
