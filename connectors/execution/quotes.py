"""The best prices a trading client knows: what protects market orders."""

from __future__ import annotations

from .._speedups.events import Quote
from .._speedups.ticks import TickScale
from ..model._numbers import Number, exact
from ..model.enums import Side
from ..model.ids import InstrumentId
from ..model.instruments import Instrument
from ..net.clock import NS_PER_S, Clock, to_ns
from .planning import Denial

__all__ = ["BestPrices", "StaleQuote"]


class StaleQuote(Denial):
    """The best price that is known is too old to protect an order: feed `update_quote`."""


class BestPrices:
    """Best bid and ask of instruments; None for an empty side.

    Parameters
    ----------
    clock : Clock
    max_age_s : float or None
        A price that was told longer ago protects nothing; None: however old it is.
    """

    __slots__ = ("_clock", "_max_age_ns", "_quotes")

    def __init__(self, clock: Clock, max_age_s: float | None) -> None:
        self._clock = clock
        self._max_age_ns = None if max_age_s is None else to_ns(max_age_s)
        # Ticks are counted on the scale they came with: a market's may change.
        self._quotes: dict[InstrumentId, tuple[TickScale, int | None, int | None, int]] = {}

    def update(self, quote: Quote) -> None:
        """Remember a quote of the market."""
        bid = quote.bid_ticks if quote.bid_lots > 0 else None
        ask = quote.ask_ticks if quote.ask_lots > 0 else None
        instrument = quote.instrument
        now_ns = self._clock.monotonic_ns()
        self._quotes[instrument.id] = (instrument.price_scale, bid or None, ask or None, now_ns)

    def set(self, instrument: Instrument, bid: Number | None, ask: Number | None) -> None:
        """Remember prices given by hand; None: that side is empty."""
        scale = instrument.price_scale
        self._quotes[instrument.id] = (
            scale,
            None if bid is None else scale.to_ticks(exact(bid, "bid")),
            None if ask is None else scale.to_ticks(exact(ask, "ask")),
            self._clock.monotonic_ns(),
        )

    def against(self, instrument: Instrument, side: Side, *, any_age: bool = False) -> int | None:
        """Return the best price an order of this side would trade against, in ticks.

        None if it is not known. With `any_age` none is too old. On another grid than that of the
        quote it is rounded away from it.

        Raises
        ------
        StaleQuote
            It is too old.
        """
        held = self._quotes.get(instrument.id)
        if held is None:
            return None
        scale, bid, ask, at_ns = held
        ticks = ask if side is Side.BUY else bid
        if ticks is None:
            return None
        age_ns = self._clock.monotonic_ns() - at_ns
        if self._max_age_ns is not None and not any_age and age_ns > self._max_age_ns:
            raise StaleQuote(
                f"quote too old: the last of {instrument.id} came {age_ns / NS_PER_S:.1f} s ago, "
                f"more than max_quote_age_s={self._max_age_ns / NS_PER_S:g}; feed update_quote"
            )
        now = instrument.price_scale
        if scale is now or scale == now:
            return ticks
        return now.to_ticks(
            scale.to_decimal(ticks), rounding="ceiling" if side is Side.BUY else "floor"
        )
