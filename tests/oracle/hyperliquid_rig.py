"""The compiled Hyperliquid decoder with everything it delivers written down as the oracle does."""

from __future__ import annotations

from typing import Any

from connectors._speedups.events import EventFlag, EventKind, InstrumentBase, Router
from connectors._speedups.hyperliquid import HyperliquidDecoder, UserHandler
from connectors._speedups.symbols import SymbolTable
from connectors._speedups.ticks import TickScale
from oracle.hyperliquid_frames import COINS, NOW, PLACES, ROW_PROBLEM


def instrument(coin: str) -> InstrumentBase:
    name, price, size = COINS[coin]

    def scale(places: int) -> TickScale:
        return TickScale(f"{10**-places:.{places}f}" if places else "1")

    return InstrumentBase(name, coin, "HYPERLIQUID", scale(price), scale(size))


class Rig(UserHandler):
    """`decode(data)` returns what was delivered, in the oracle's form."""

    def __init__(self) -> None:
        self.seen: list[tuple[Any, ...]] = []
        self.symbols = SymbolTable()
        for coin in COINS:
            self.symbols.add(instrument(coin))
        self.assets = {
            dex: {place: self.symbols.find(coin) for place, coin in places.items()}
            for dex, places in PLACES.items()
        }
        router = Router(on_error=self._broken)
        for kind, take in (
            (EventKind.BOOK_SNAPSHOT, self._book),
            (EventKind.QUOTE, self._quote),
            (EventKind.TRADE, self._trade),
            (EventKind.BAR, self._bar),
            (EventKind.MARK_PRICE, self._mark),
            (EventKind.TICKER, self._ticker),
        ):
            router.route(kind, -1, take)
        note = self.seen.append
        self.decoder = HyperliquidDecoder(
            self.symbols,
            router,
            user=self,
            assets=self.assets,
            on_control=lambda channel, data: note(("control", channel)),
            on_venue_event=lambda channel, data: note(("venue", channel)),
            on_problem=lambda error, data: note(ROW_PROBLEM),
            on_unknown_coin=lambda coin: note(("unknown", coin)),
            on_empty_side=lambda on, bid, ask: note(("empty", on.id, bid, ask)),
            on_context=self._context,
            on_mids=lambda dex, prices: note(("mids", dex, dict(prices))),
        )

    def decode(self, data: bytes) -> list[tuple[Any, ...]]:
        self.seen.clear()
        problems = self.decoder.decode_errors
        self.decoder.feed(data, NOW)
        if self.decoder.decode_errors > problems:
            self.seen[:] = [each for each in self.seen if each != ROW_PROBLEM]
            self.seen.append(("problem",))
        return list(self.seen)

    def _broken(self, error: BaseException, kind: int, event: Any) -> None:
        raise error

    def _off(self, e: Any) -> bool:
        return bool(e.flags & EventFlag.OFF_SCALE)

    def _book(self, e: Any) -> None:
        assert e.flags & EventFlag.PARTIAL
        assert e.prev_seq == -1
        assert e.first_seq == e.last_seq
        self.seen.append(
            ("book", e.instrument.id, tuple(e.bids_decimal()), tuple(e.asks_decimal()), e.last_seq,
             e.ts_event, self._off(e))
        )  # fmt: skip

    def _quote(self, e: Any) -> None:
        self.seen.append(
            ("quote", e.instrument.id, e.bid, e.bid_size, e.ask, e.ask_size, e.seq, e.ts_event,
             self._off(e))
        )  # fmt: skip

    def _trade(self, e: Any) -> None:
        self.seen.append(
            ("trade", e.instrument.id, e.price, e.size, e.aggressor.name == "BUYER", e.trade_id,
             e.ts_event, self._off(e))
        )  # fmt: skip

    def _bar(self, e: Any) -> None:
        self.seen.append(
            ("bar", e.instrument.id, e.interval_s, e.ts_open, e.ts_event, e.open, e.high, e.low,
             e.close, e.volume, e.trade_count, self._off(e))
        )  # fmt: skip

    def _mark(self, e: Any) -> None:
        assert e.ts_event == NOW
        self.seen.append(
            ("mark", e.instrument.id, e.mark, e.index, e.funding_rate, e.ts_next_funding or 0)
        )

    def _ticker(self, e: Any) -> None:
        self.seen.append(("ticker", e.instrument.id, e.open, e.volume, e.quote_volume))

    def _context(self, e: Any) -> None:
        self.seen.append(
            ("context", e.instrument.id, e.mark, e.oracle, e.mid, e.funding, e.premium,
             e.open_interest, e.previous_day, e.day_quote_volume, e.day_base_volume,
             e.circulating_supply, e.total_supply, e.impact_bid, e.impact_ask)
        )  # fmt: skip

    def on_orders(self, frame: Any) -> None:
        rows = tuple(
            (r.coin, r.instrument and r.instrument.id, r.oid, r.is_buy, r.limit_px, r.sz,
             r.orig_sz, r.cloid, r.reduce_only, r.status, r.timestamp_ms, r.status_ms,
             r.trigger_px)
            for r in frame.rows
        )  # fmt: skip
        assert frame.channel == "orderUpdates"
        self.seen.append(("orders", rows, len(frame.problems)))

    def on_fills(self, frame: Any) -> None:
        rows = tuple(
            (r.coin, r.instrument and r.instrument.id, r.oid, r.tid, r.time_ms, r.is_buy, r.px,
             r.sz, r.crossed, r.fee, r.fee_token, r.builder_fee, r.start_position, r.closed_pnl,
             r.dir, r.hash, r.cloid, r.is_liquidation, r.twap_id)
            for r in frame.rows
        )  # fmt: skip
        self.seen.append(
            ("fills", frame.channel, frame.user, frame.is_snapshot, rows, len(frame.problems))
        )
