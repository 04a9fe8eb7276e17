"""Load mode: many prebuilt frames per second for benchmarks (BN-M-16).

Every frame carries the send time in `E` (ms) and a sequence number without holes: `u` of book
tickers and depth (with `pu` = `u` - 1), `a` of aggregate trades. Prices repeat a short prebuilt
walk; nothing goes through the matching engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ..clock import SimClock
from ..pace import Pace
from .feed import Feed
from .frames import Frame, levels_text
from .streams import Hub

__all__ = ["LoadGenerator"]

VARIANTS = 32
LEVELS = 20
MAX_BURST_S = 0.05  # what a late turn of the loop makes up for


class _Source:
    """Frames of one stream: a few prebuilt texts in which only ids and times are new."""

    __slots__ = ("_build", "_sequence", "_variants", "stream")

    def __init__(
        self, stream: str, variants: Sequence[tuple[bytes, ...]], build: _Build, first: int
    ) -> None:
        self.stream = stream
        self._variants = variants
        self._build = build
        self._sequence = first

    def next(self, now_ms: int) -> Frame:
        self._sequence = sequence = self._sequence + 1
        parts = self._variants[sequence % VARIANTS]
        return Frame(self.stream, self._build(parts, sequence, now_ms))


_Build = Callable[[tuple[bytes, ...], int, int], bytes]


class LoadGenerator:
    """Publish `rate_per_s` messages per second, round robin over the streams of every feed.

    Streams nobody subscribed take their turn too, so that a client that follows one symbol of n
    sees 1/n of the rate.
    """

    def __init__(
        self,
        hub: Hub,
        clock: SimClock,
        feeds: Iterable[Feed],
        *,
        rate_per_s: float,
        kinds: Iterable[str],
    ) -> None:
        self._hub = hub
        self._clock = clock
        self.rate_per_s = rate_per_s
        self.sent = 0
        builders = {"bookTicker": _book_ticker, "aggTrade": _agg_trade, "depth": _depth}
        chosen = tuple(kinds)
        unknown = set(chosen) - builders.keys()
        if unknown:
            raise ValueError(f"load mode has no {sorted(unknown)}, only {sorted(builders)}")
        self._sources = [builders[kind](feed) for feed in feeds if feed.usdm for kind in chosen]
        self._turn = 0
        self._pace = Pace(clock, MAX_BURST_S)

    def advance(self) -> None:
        count = self._pace.due(self.rate_per_s)
        now_ms = self._clock.now_ms()
        channels, sources = self._hub.channels, self._sources
        turn, total = self._turn, len(self._sources)
        for _ in range(count):
            source = sources[turn]
            turn = turn + 1 if turn + 1 < total else 0
            channel = channels.get(source.stream)
            if channel is None:
                continue
            frame = source.next(now_ms)
            self.sent += 1
            for subscriber in channel.subscribers:
                subscriber.send_event(frame)
        self._turn = turn


def _book_ticker(feed: Feed) -> _Source:
    rules, tick, step = feed.rules, feed.tick_units, feed.step_units
    bid, _, _, _ = feed.best
    variants = [
        (
            f',"s":"{rules.symbol}","ps":"{rules.pair}","b":"{rules.price_text(bid + i * tick)}",'
            f'"B":"{rules.qty_text((i + 1) * step)}",'
            f'"a":"{rules.price_text(bid + (i + 1) * tick)}",'
            f'"A":"{rules.qty_text((2 * i + 1) * step)}","st":1}}'.encode(),
        )
        for i in range(VARIANTS)
    ]

    def build(parts: tuple[bytes, ...], sequence: int, now_ms: int) -> bytes:
        return b'{"e":"bookTicker","u":%d,"E":%d,"T":%d%b' % (sequence, now_ms, now_ms, parts[0])

    return _Source(f"{feed.name}@bookTicker", variants, build, feed.update_id)


def _agg_trade(feed: Feed) -> _Source:
    rules, tick, step = feed.rules, feed.tick_units, feed.step_units
    bid, _, _, _ = feed.best
    variants = []
    for i in range(VARIANTS):
        qty = rules.qty_text((i + 1) * step)
        variants.append(
            (
                f',"s":"{rules.symbol}","a":'.encode(),
                f',"p":"{rules.price_text(bid + i * tick)}","q":"{qty}","nq":"{qty}","f":'.encode(),
                f',"m":{"true" if i % 2 else "false"},"st":1}}'.encode(),
            )
        )

    def build(parts: tuple[bytes, ...], sequence: int, now_ms: int) -> bytes:
        return b'{"e":"aggTrade","E":%d%b%d%b%d,"l":%d,"T":%d%b' % (
            now_ms, parts[0], sequence, parts[1], sequence, sequence, now_ms, parts[2],
        )  # fmt: skip

    return _Source(f"{feed.name}@aggTrade", variants, build, feed.update_id)


def _depth(feed: Feed) -> _Source:
    rules, tick, step = feed.rules, feed.tick_units, feed.step_units
    bid, _, _, _ = feed.best
    variants = []
    for i in range(VARIANTS):
        bids = [(bid - n * tick, (n * 7 + i * 3) % 50 * step) for n in range(LEVELS)]
        asks = [(bid + (n + 1) * tick, (n * 5 + i * 11) % 50 * step) for n in range(LEVELS)]
        variants.append(
            (
                f',"s":"{rules.symbol}"'.encode(),
                f',"b":[{levels_text(rules, bids)}],"a":[{levels_text(rules, asks)}],'
                f'"ps":"{rules.pair}","st":1}}'.encode(),
            )
        )

    def build(parts: tuple[bytes, ...], sequence: int, now_ms: int) -> bytes:
        return b'{"e":"depthUpdate","E":%d,"T":%d%b,"U":%d,"u":%d,"pu":%d%b' % (
            now_ms, now_ms, parts[0], sequence, sequence, sequence - 1, parts[1],
        )  # fmt: skip

    return _Source(f"{feed.name}@depth@0ms", variants, build, feed.update_id)
