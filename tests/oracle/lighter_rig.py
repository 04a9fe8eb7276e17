"""The compiled decoder with everything it delivers written down as the oracle does."""

from __future__ import annotations

from typing import Any

from connectors._speedups.events import EventFlag, EventKind, InstrumentBase, Router
from connectors._speedups.lighter import AccountHandler, LighterDecoder
from connectors._speedups.symbols import SymbolTable
from connectors._speedups.ticks import TickScale
from oracle.lighter_frames import MARKETS


def instrument(market: str) -> InstrumentBase:
    name, price, size = MARKETS[market]

    def scale(places: int) -> TickScale:
        return TickScale(str(10**-places) if places == 0 else f"{10**-places:.{places}f}")

    return InstrumentBase(name, name.partition("-")[0], "LIGHTER", scale(price), scale(size))


class Rig(AccountHandler):
    """`decode(data)` returns what was delivered, in the oracle's form."""

    def __init__(self) -> None:
        self.seen: list[tuple[Any, ...]] = []
        self.symbols = SymbolTable()
        for market in MARKETS:
            self.symbols.add(instrument(market), alias=market)
        router = Router(on_error=self._broken)
        for kind, take in (
            (EventKind.BOOK_DELTA, self._book),
            (EventKind.BOOK_SNAPSHOT, self._book),
            (EventKind.QUOTE, self._quote),
            (EventKind.TRADE, self._trade),
            (EventKind.LIQUIDATION, self._liquidation),
            (EventKind.BAR, self._bar),
            (EventKind.MARK_PRICE, self._mark),
            (EventKind.INDEX_PRICE, self._index),
            (EventKind.TICKER, self._ticker),
        ):
            router.route(kind, -1, take)
        note = self.seen.append
        self.decoder = LighterDecoder(
            self.symbols,
            router,
            account=self,
            on_control=lambda kind, channel, data: note(("control", kind)),
            on_venue_event=lambda kind, channel, data: note(("venue", kind)),
            on_problem=self._problem,
            on_unknown_market=lambda market: note(("unknown", market)),
            on_empty_side=lambda on, bid, ask: note(("empty", on.id, bid, ask)),
            on_stats=self._stats,
            on_height=lambda height, ts: note(("height", height, ts)),
        )

    def decode(self, data: bytes) -> list[tuple[Any, ...]]:
        self.seen.clear()
        problems = self.decoder.decode_errors
        self.decoder.feed(data)
        if self.decoder.decode_errors > problems:
            self.seen[:] = [each for each in self.seen if each != ("row problem",)]
            self.seen.append(("problem",))
        return list(self.seen)

    def _broken(self, error: BaseException, kind: int, event: Any) -> None:
        raise error

    def _problem(self, error: Exception, data: bytes) -> None:
        self.seen.append(("row problem",))

    def _book(self, e: Any) -> None:
        assert e.n_bids == len(e.bids)
        self.seen.append(
            ("book", e.instrument.id, e.is_snapshot, tuple(e.bids_decimal()),
             tuple(e.asks_decimal()), e.last_seq, e.prev_seq, e.ts_event,
             bool(e.flags & EventFlag.OFF_SCALE))
        )  # fmt: skip

    def _quote(self, e: Any) -> None:
        self.seen.append(
            ("quote", e.instrument.id, e.bid, e.bid_size, e.ask, e.ask_size, e.seq, e.ts_event,
             bool(e.flags & EventFlag.OFF_SCALE))
        )  # fmt: skip

    def _trade(self, e: Any) -> None:
        self.seen.append(
            ("trade", e.instrument.id, e.price, e.size, e.aggressor.name == "BUYER", e.trade_id,
             e.ts_event, bool(e.flags & EventFlag.HISTORY), e.is_market,
             bool(e.flags & EventFlag.OFF_SCALE))
        )  # fmt: skip

    def _liquidation(self, e: Any) -> None:
        self.seen.append(("liquidation", e.instrument.id, e.price, e.size, e.side.name == "BUYER"))

    def _bar(self, e: Any) -> None:
        assert e.ts_event == e.ts_open + e.interval_s * 10**9 - 10**6
        self.seen.append(
            ("bar", e.instrument.id, e.interval_s, bool(e.flags & EventFlag.MARK), e.ts_open,
             e.open, e.high, e.low, e.close, e.volume, e.quote_volume,
             bool(e.flags & EventFlag.OFF_SCALE))
        )  # fmt: skip

    def _mark(self, e: Any) -> None:
        self.seen.append(
            ("mark", e.instrument.id, e.mark, e.index, e.funding_rate, e.ts_next_funding,
             e.ts_event)
        )  # fmt: skip

    def _index(self, e: Any) -> None:
        self.seen.append(("index", e.instrument.id, e.index, e.ts_event))

    def _ticker(self, e: Any) -> None:
        self.seen.append(
            ("ticker", e.instrument.id, e.last, e.high, e.volume, e.change_percent, e.ts_event)
        )

    def _stats(self, e: Any) -> None:
        self.seen.append(
            ("stats", e.instrument.id, e.index, e.mark, e.mid, e.last, e.open_interest,
             e.open_interest_limit, e.funding_rate, e.current_funding_rate, e.funding_clamp_small,
             e.funding_clamp_big, e.base_interest_rate, e.daily_volume, e.daily_quote_volume,
             e.daily_low, e.daily_high, e.daily_change_percent, e.ts_funding)
        )  # fmt: skip

    def on_orders(self, frame: Any) -> None:
        self._rows(frame, lambda r: (
            r.order_index, r.client_index, r.market_index, r.is_ask, r.reduce_only, r.size,
            r.remaining_size, r.filled_size, r.filled_quote, r.price, r.trigger_price, r.status,
            r.status_code, r.type, r.time_in_force, r.trigger_status, *r.sequence, r.ts_event,
            r.ts_created,
        ))  # fmt: skip

    def on_trades(self, frame: Any) -> None:
        self._rows(frame, lambda r: (
            r.id, r.market_index, r.price, r.size, r.ask_index, r.bid_index, r.ask_client_index,
            r.bid_client_index, r.is_maker_ask, r.type, r.taker_fee, r.maker_fee, r.ts_event,
            r.tx_hash,
        ))  # fmt: skip

    def on_positions(self, frame: Any) -> None:
        self._rows(frame, lambda r: (
            r.market_index, r.signed_size, r.avg_entry_price, r.position_value, r.unrealized_pnl,
            r.realized_pnl, r.liquidation_price, r.initial_margin_fraction, r.allocated_margin,
            r.total_funding_paid_out,
        ))  # fmt: skip

    def _rows(self, frame: Any, key: Any) -> None:
        what = frame.type.partition("/")[2]
        rows = tuple(key(row) for row in frame.rows)
        self.seen.append(("rows", what, rows, len(frame.problems)))

    def on_ack(self, ack: Any) -> None:
        self.seen.append(("ack", ack.type))
