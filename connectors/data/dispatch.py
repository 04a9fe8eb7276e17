"""From decoded events to the callbacks that asked for them.

The compiled `Router` calls one target per kind and symbol. Most of the time that is the
caller's own callback; when several want the same events, or some need a filter, the target is
a closure over all of them, made anew whenever they change, so that the path of an event never
searches anything.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import Any

from .._speedups.dedup import BoundedDedup
from .._speedups.events import EventHandler, EventKind, Router

__all__ = ["EVERY_SYMBOL", "Consumer", "Dispatch"]

Callback = Callable[[Any], object]

log = logging.getLogger("connectors.data")

EVERY_SYMBOL = -1
TRADES_KEPT = 65_536  # of all symbols: more than one connection may be behind the other


class Consumer:
    """One callback for the events of a kind.

    Parameters
    ----------
    kind :
        Whose events.
    number :
        Symbol number, -1 for all symbols.
    callback :
        Called with the event.
    wants :
        Filter; None takes every event.
    optional_filter :
        The filter only tells events of another stream apart: it is left out while all who want
        this kind and symbol have the same stream.
    stream :
        Name of the stream that brings the events.
    native :
        In place of the callback, a handler that takes book updates without event objects; the
        callback then hands it an event object where they must share.
    """

    __slots__ = (
        "callback",
        "kind",
        "native",
        "number",
        "optional_filter",
        "stream",
        "wants",
    )

    def __init__(
        self,
        kind: EventKind,
        number: int,
        callback: Callback,
        *,
        wants: Callable[[Any], bool] | None = None,
        optional_filter: bool = False,
        native: EventHandler | None = None,
        stream: str = "",
    ) -> None:
        self.kind = kind
        self.number = number
        self.callback = callback
        self.wants = wants
        self.optional_filter = optional_filter
        self.native = native
        self.stream = stream


class Dispatch:
    """Who gets what.

    Parameters
    ----------
    on_error : callable
        `on_error(error, kind, event)` for a callback that raised. The others are still called
        and the stream goes on.
    """

    def __init__(self, on_error: Callable[[BaseException, int, Any], None]) -> None:
        self.router = Router(on_error=on_error)
        self._on_error = on_error
        self._consumers: dict[tuple[EventKind, int], list[Consumer]] = {}
        self._firsts: dict[tuple[EventKind, int], Callable[[], None]] = {}
        self._targets: dict[tuple[EventKind, int], Callback | EventHandler] = {}
        self._newest: _Newest | None = None

    def add(self, consumer: Consumer) -> None:
        """Begin to call a consumer: once for each event, however often it was added."""
        self._consumers.setdefault((consumer.kind, consumer.number), []).append(consumer)
        self._rebuild_around(consumer.kind, consumer.number)

    def remove(self, consumer: Consumer) -> None:
        """Stop calling a consumer that was added as often as removed; others are ignored."""
        key = (consumer.kind, consumer.number)
        consumers = self._consumers.get(key, [])
        if consumer in consumers:
            consumers.remove(consumer)
            if not consumers:
                del self._consumers[key]
            self._rebuild_around(*key)

    def deliver(self, kind: EventKind, number: int, event: Any) -> None:
        """Hand on an event that no decoder made, as the router does with the others."""
        target = self._targets.get((kind, number)) or self._targets.get((kind, EVERY_SYMBOL))
        if target is not None:
            try:
                self._plain(target)(event)
            except Exception as error:  # noqa: BLE001 - reported; the stream goes on
                self._on_error(error, kind, event)

    def on_first(self, kind: EventKind, number: int, call: Callable[[], None]) -> None:
        """Call `call()` once, before the next event of that kind and symbol is delivered."""
        self._firsts[kind, number] = call
        self._rebuild(kind, number)

    def forget_first(self, kind: EventKind, number: int) -> None:
        """Take an `on_first` back."""
        if self._firsts.pop((kind, number), None) is not None:
            self._rebuild(kind, number)

    def begin_overlap(self) -> None:
        """Two connections carry the same streams for a while: deliver each event once."""
        if self._newest is None:
            self._newest = _Newest()
            self._rebuild_all()

    def end_overlap(self) -> None:
        """Only one connection carries each stream again."""
        if self._newest is not None:
            self._newest = None
            self._rebuild_all()

    # ---- targets ------------------------------------------------------------------------------

    def _rebuild_all(self) -> None:
        for kind, number in [*self._consumers, *self._firsts]:
            self._rebuild(kind, number)

    def _rebuild_around(self, kind: EventKind, number: int) -> None:
        self._rebuild(kind, number)
        if number == EVERY_SYMBOL:
            for other, each in list(self._consumers):
                if other == kind and each != EVERY_SYMBOL:
                    self._rebuild(kind, each)

    def _rebuild(self, kind: EventKind, number: int) -> None:
        consumers = list(dict.fromkeys(self._consumers.get((kind, number), ())))
        if number != EVERY_SYMBOL and (consumers or (kind, number) in self._firsts):
            consumers += dict.fromkeys(self._consumers.get((kind, EVERY_SYMBOL), ()))
        target = self._target(consumers, kind)
        if self._newest is not None and target is not None:
            target = self._newest.filter(kind, self._plain(target))
        first = self._firsts.get((kind, number))
        if first is not None:
            target = self._with_first(kind, number, target)
        self.router.route(kind, number, target)
        if target is None:
            self._targets.pop((kind, number), None)
        else:
            self._targets[kind, number] = target

    def _target(self, consumers: list[Consumer], kind: EventKind) -> Callback | EventHandler | None:
        if not consumers:
            return None
        mixed = len({each.stream for each in consumers}) > 1
        filters = [None if each.optional_filter and not mixed else each.wants for each in consumers]
        if len(consumers) == 1 and filters[0] is None:
            return consumers[0].native or consumers[0].callback
        calls = tuple(
            (each.callback, wants) for each, wants in zip(consumers, filters, strict=True)
        )
        on_error = self._on_error

        def fan_out(event: Any) -> None:
            for callback, wants in calls:
                try:
                    if wants is None or wants(event):
                        callback(event)
                except Exception as error:  # noqa: BLE001 - reported; the others go on
                    on_error(error, kind, event)

        return fan_out

    def _with_first(
        self, kind: EventKind, number: int, target: Callback | EventHandler | None
    ) -> Callback:
        plain = None if target is None else self._plain(target)

        def first(event: Any) -> None:
            call = self._firsts.pop((kind, number), None)
            self._rebuild(kind, number)
            if call is not None:
                call()
            if plain is not None:
                plain(event)

        return first

    def _plain(self, target: Callback | EventHandler) -> Callback:
        """Return a Python callable that does what a native target does."""
        if not isinstance(target, EventHandler):
            return target
        for consumers in self._consumers.values():
            for each in consumers:
                if each.native is target:
                    return each.callback
        raise LookupError("a native target without a consumer")


class _Newest:
    """Lets each event pass once while two connections carry the same streams (BN-T-12)."""

    def __init__(self) -> None:
        self._last: dict[object, tuple[int, int]] = {}
        self._recent: deque[Any] = deque(maxlen=256)
        self._trades = BoundedDedup(TRADES_KEPT)

    def filter(self, kind: EventKind, target: Callback) -> Callback:
        """Return `target` behind the test that fits the kind."""
        if kind == EventKind.BAR:
            return target  # closed bars are made unique for every consumer anyway

        def once(event: Any) -> None:
            if self._is_new(kind, event):
                target(event)

        return once

    def _is_new(self, kind: EventKind, event: Any) -> bool:
        if kind == EventKind.LIQUIDATION:  # no number of its own
            if event in self._recent:
                return False
            self._recent.append(event)
            return True
        if kind == EventKind.TRADE:
            # Not by the highest number: the older connection may be behind, and none may be lost.
            return not self._trades.insert((event.instrument.symbol, event.flags, event.trade_id))
        number, flags = event.ts_event, 0
        if kind == EventKind.QUOTE:
            number = event.seq
        elif kind in (EventKind.BOOK_DELTA, EventKind.BOOK_SNAPSHOT):
            number = event.last_seq
        elif kind == EventKind.TICKER:
            flags = event.flags
        key = (kind, event.instrument.symbol, flags)
        last_number, last_ts = self._last.get(key, (-1, -1))
        # Repeated by both: numbers that start again lower must not silence the stream.
        if number <= last_number and event.ts_event <= last_ts:
            return False
        self._last[key] = (number, event.ts_event)
        return True
