"""The best prices a trading client knows: what protects market orders."""

from __future__ import annotations

from .._speedups.events import Quote
from ..model._numbers import Number, exact
from ..model.enums import Side
from ..model.ids import InstrumentId
from ..model.instruments import Instrument

__all__ = ["BestPrices"]


class BestPrices:
    """Best bid and ask of instruments, in ticks; None for an empty side."""

    __slots__ = ("_quotes",)

    def __init__(self) -> None:
        self._quotes: dict[InstrumentId, tuple[int | None, int | None]] = {}

    def update(self, quote: Quote) -> None:
        """Remember a quote of the market."""
        bid = quote.bid_ticks if quote.bid_lots > 0 else None
        ask = quote.ask_ticks if quote.ask_lots > 0 else None
        self._quotes[quote.instrument.id] = (bid or None, ask or None)

    def set(self, instrument: Instrument, bid: Number | None, ask: Number | None) -> None:
        """Remember prices given by hand; None: that side is empty."""
        scale = instrument.price_scale
        self._quotes[instrument.id] = (
            None if bid is None else scale.to_ticks(exact(bid, "bid")),
            None if ask is None else scale.to_ticks(exact(ask, "ask")),
        )

    def against(self, instrument_id: InstrumentId, side: Side) -> int | None:
        """Return the best price an order of this side would trade against, None if unknown."""
        bid, ask = self._quotes.get(instrument_id, (None, None))
        return ask if side is Side.BUY else bid
