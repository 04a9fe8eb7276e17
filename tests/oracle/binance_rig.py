"""The compiled decoder with everything it says written down in the oracle's words."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from connectors._speedups.binance import BinanceDecoder
from connectors._speedups.errors import DecodeError
from connectors._speedups.events import EventKind, InstrumentBase, Router
from connectors._speedups.symbols import SymbolTable
from connectors._speedups.ticks import TickScale
from oracle import binance_frames
from oracle.binance_frames import Grid, Outcome, SlowDecoder, told


@dataclass(frozen=True)
class Market:
    """A symbol on the wire and the grids of its instrument."""

    symbol: str
    tick: str
    lot: str
    depth_flags: int = 0


class Rig:
    """Feeds one message to the decoder and to the oracle."""

    def __init__(self, markets: list[Market], *, auto_register: bool = False) -> None:
        self.outcomes: list[Outcome] = []
        self.refreshes: list[InstrumentBase] = []
        self.symbols = SymbolTable()
        for market in markets:
            instrument = InstrumentBase(
                market.symbol,
                market.symbol,
                "BINANCE",
                TickScale(market.tick),
                TickScale(market.lot),
            )
            number = self.symbols.add(instrument)
            self.symbols.set_depth_mode(
                number,
                partial=bool(market.depth_flags & binance_frames.PARTIAL),
                rpi=bool(market.depth_flags & binance_frames.RPI),
            )
        self.router = Router()
        for kind in EventKind:
            if kind != EventKind.KIND_COUNT:
                self.router.route(kind, -1, lambda event: self.outcomes.append(told(event)))
        self.decoder = BinanceDecoder(
            self.symbols,
            self.router,
            on_control=lambda data: self.outcomes.append(("control", data)),
            on_venue_event=lambda *what: self.outcomes.append(("venue", *what)),
            on_problem=self.on_problem,
            on_off_scale=self.refreshes.append,
            auto_register=auto_register,
        )
        self.slow = SlowDecoder(
            {
                market.symbol: binance_frames.Instrument(
                    market.symbol,
                    Grid.of(Decimal(market.tick)),
                    Grid.of(Decimal(market.lot)),
                    market.depth_flags,
                )
                for market in markets
            },
            auto_register=auto_register,
        )

    def on_problem(self, error: DecodeError, data: bytes) -> None:
        assert isinstance(error, DecodeError)
        assert error.reason
        self.outcomes.append(("problem", data))

    def feed(self, data: bytes) -> list[Outcome]:
        """Return what the decoder delivers, ("unknown symbol",) last, once for each."""
        self.outcomes = []
        before = self.decoder.unknown_symbols
        self.decoder.feed(data)
        assert self.router.errors == 0
        unknown = self.decoder.unknown_symbols - before
        return self.outcomes + [("unknown symbol",)] * unknown

    def expected(self, data: bytes) -> list[Outcome]:
        """Return what the oracle says, in the same form."""
        outcomes = self.slow.feed(data)
        known = [outcome for outcome in outcomes if outcome[0] != "unknown symbol"]
        return known + [("unknown symbol",)] * (len(outcomes) - len(known))

    def check(self, data: bytes) -> list[Outcome]:
        """Feed both and compare; return what came out."""
        found, expected = self.feed(data), self.expected(data)
        assert found == expected, f"{data!r}\n decoder: {found}\n oracle:  {expected}"
        return found
