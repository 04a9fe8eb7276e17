"""The instruments of a client that stay up to date, and who is told about changes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from ..errors import ConnectorError
from ..model import (
    Instrument,
    InstrumentStatus,
    InstrumentUpdated,
    StatusEvent,
    StreamState,
    Subscription,
)
from .catalog import Catalog, Change

__all__ = ["InstrumentDesk"]

log = logging.getLogger("connectors.data")

StatusCallback = Callable[[InstrumentStatus], object]


class InstrumentDesk:
    """Loads instruments, again when asked to, and tells what changed.

    Parameters
    ----------
    venue :
        For the events.
    load : callable
        Reads all definitions from the venue.
    on_instrument : callable
        `on_instrument(instrument)` for each new or changed definition, the first load included,
        and with `again` for those that were asked for by `refresh` and did not change.
    emit :
        Receives the status events.
    on_callback_error : callable
        `on_callback_error(error, event)`.
    on_error : callable
        `on_error(message, error)` when a refresh failed.
    every_s :
        Time between refreshes; 0: only when asked for.
    least_s :
        Time between two refreshes that were asked for without urgency.
    settle_s :
        Time between asking and reading: what changes together is asked for together.
    """

    def __init__(
        self,
        venue: str,
        *,
        load: Callable[[], Awaitable[Iterable[Instrument]]],
        on_instrument: Callable[[Instrument], object],
        emit: Callable[[StatusEvent], object],
        on_callback_error: Callable[[BaseException, Any], object],
        on_error: Callable[[str, ConnectorError], object],
        every_s: float = 0.0,
        least_s: float = 60.0,
        settle_s: float = 1.0,
    ) -> None:
        self.catalog = Catalog()
        self.refreshes = 0
        self._venue = venue
        self._load = load
        self._on_instrument = on_instrument
        self._emit = emit
        self._on_callback_error = on_callback_error
        self._on_error = on_error
        self._every_s = every_s
        self._least_s = least_s
        self._settle_s = settle_s
        self._due_s = float("inf")  # of the refresh asked for
        self._answered_s = float("-inf")  # when one was last made because of that
        self._asked = asyncio.Event()
        self._again: set[str] = set()  # symbols whose definition is wanted even if unchanged
        self._watchers: list[tuple[str | None, StatusCallback, Subscription]] = []

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """All instruments by our id, as a live read-only view."""
        return self.catalog.by_id

    async def load(self) -> Mapping[str, Instrument]:
        """Read all definitions now; ConnectorError if the venue does not give them."""
        self.take(await self._load())
        self.refreshes += 1
        return self.instruments

    def take(self, instruments: Iterable[Instrument], *, complete: bool = True) -> None:
        """Take a set of definitions; what is missing of a complete one has vanished."""
        instruments = tuple(instruments)
        first = not self.catalog.loaded
        changes = self.catalog.update(instruments, complete=complete)
        again = self._again.intersection(each.symbol for each in instruments)
        self._again = set() if complete else self._again - again
        redefined = {each.instrument.symbol for each in changes if each.is_redefined}
        for instrument in instruments:
            if first or instrument.symbol in redefined or instrument.symbol in again:
                self._on_instrument(instrument)
        for change in changes:
            self.tell(change)

    def refresh(self, symbol: str | None = None, *, urgent: bool = False) -> bool:
        """Have everything read again soon; of `symbol` the definition is told in any case.

        An urgent refresh (the venue announced a change) does not wait for `least_s`. Returns
        False if one that was asked for before comes as soon.
        """
        if symbol is not None:
            self._again.add(symbol)
        due_s = time.monotonic() + self._settle_s
        if not urgent:
            due_s = max(due_s, self._answered_s + self._least_s)
        if due_s >= self._due_s:
            return False
        self._due_s = due_s
        self._asked.set()
        return True

    async def run(self) -> None:
        """Refresh when asked to and from time to time; ends by cancellation."""
        while True:
            routine_s = time.monotonic() + (self._every_s or float("inf"))
            while (wait_s := min(self._due_s, routine_s) - time.monotonic()) > 0:
                self._asked.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(None if math.isinf(wait_s) else wait_s):
                        await self._asked.wait()
            asked = self._due_s <= time.monotonic()
            if asked:
                self._due_s, self._answered_s = float("inf"), time.monotonic()
            try:
                await self.load()
            except ConnectorError as error:
                log.warning("venue=%s instruments could not be refreshed: %s", self._venue, error)
                self._on_error(f"instruments could not be refreshed: {error}", error)
                if asked:
                    self.refresh()

    # ---- statuses -----------------------------------------------------------------------------

    def watch(
        self,
        instrument: Instrument | None,
        callback: StatusCallback,
        cancel: Callable[[Subscription], None],
    ) -> tuple[Subscription, Callable[[], None]]:
        """Tell a callback about statuses; return its subscription and what ends it."""
        wanted = None if instrument is None else instrument.id
        subscription = Subscription(f"status {wanted or 'of all'}", (), cancel)
        entry = (wanted, callback, subscription)
        self._watchers.append(entry)
        subscription.advance(StreamState.ACTIVE)
        return subscription, lambda: self._watchers.remove(entry)

    def tell(self, change: Change) -> None:
        """Tell everybody about a change."""
        now_ns = time.time_ns()
        identity = change.instrument.id
        if change.is_redefined:
            self._emit(
                InstrumentUpdated(
                    venue=self._venue,
                    ts_init=now_ns,
                    instrument_id=identity,
                    is_new=change.old is None,
                )
            )
        if not change.status_changed:
            return
        event = InstrumentStatus(
            venue=self._venue,
            ts_init=now_ns,
            instrument_id=identity,
            status=change.status,
            venue_status=change.venue_status,
            previous=change.previous,
        )
        self._emit(event)
        for wanted, callback, _ in tuple(self._watchers):
            if wanted in (None, identity):
                try:
                    callback(event)
                except Exception as error:  # noqa: BLE001 - reported; the others go on
                    self._on_callback_error(error, event)
