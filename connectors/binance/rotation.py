"""Replace a pool's connection by another one: planned and without a gap, or because it ended."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from ..errors import ConnectorError
from ..model import ConnectionState
from .connection import Connection
from .slots import Outcome, Slot, StreamOutcome

if TYPE_CHECKING:
    from .pool import StreamPool

__all__ = ["Rotation"]

CONFIRM_TIMEOUT_S = 60.0
OVERLAP_TAIL_S = 5.0
REPLACE_DELAY_S = 5.0

log = logging.getLogger("connectors.binance")


class Rotation:
    """Puts new connections in place of old ones; works on the insides of one pool.

    Attributes
    ----------
    done, given_up :
        Planned rotations that ended either way; they only grow.
    """

    __slots__ = ("_overlaps", "_pool", "_running", "_settled", "done", "given_up")

    def __init__(self, pool: StreamPool) -> None:
        self._pool = pool
        self._running: set[Connection] = set()
        self._settled: dict[Connection, asyncio.Event] = {}
        self._overlaps = 0
        self.done = 0
        self.given_up = 0

    async def rotate(self, old: Connection) -> None:
        """Open a second connection, subscribe there, switch when all is confirmed (BN-T-12).

        If that does not work out in time the old connection stays: it then ends by the venue's
        hand and is replaced as any lost one. While both are up each event is delivered once
        (`on_overlap`).
        """
        if old in self._running:
            return
        self._running.add(old)
        try:
            if not await self._switch(old):
                self.given_up += 1
        finally:
            self._running.discard(old)

    async def _switch(self, old: Connection) -> bool:
        pool = self._pool
        async with pool._lock:
            if old.slot is None or old not in pool._connections:
                return False
            index = old.slot.index
            new = pool._make_connection(index)
            self._begin_overlap()
            try:
                await new.open()
                spare = pool._core.spare(old.slot)
                confirmed = await self._confirm(new, spare)
            except ConnectorError as error:
                log.warning("conn=%s rotation given up: %s", old.name, error)
                confirmed = False
            except BaseException:
                await new.close()
                self._end_overlap()
                raise
            if not confirmed or old not in pool._connections:  # replaced meanwhile, as lost
                await new.close()
                self._end_overlap()
                return False
            pool._core.install(spare)
            pool._connections[index] = new
            self.done += 1
        log.info("conn=%s rotated, streams=%d", old.name, len(spare.streams))
        pool._reporter.connection(new.name, ConnectionState.LIVE, "rotated as planned")
        self._report_confirmed(old, spare)
        try:
            await old.close()
            # What the old connection had delivered may still be on its way on the new one.
            await asyncio.sleep(OVERLAP_TAIL_S)
        finally:
            self._end_overlap()
        return True

    def _report_confirmed(self, old: Connection, spare: Slot) -> None:
        """Tell of streams that were not confirmed on the old connection, if that was lost."""
        before = old.slot.state if old.slot is not None else None
        for name in spare.streams:
            if before is None or not before.is_confirmed(name):
                outcome = StreamOutcome(name, Outcome.ACTIVE)
                self._pool.on_outcomes(self._pool._connections[spare.index], [outcome])

    async def _confirm(self, new: Connection, spare: Slot) -> bool:
        """Subscribe everything on the new connection; whether all of it was confirmed."""
        settled = self._settled[new] = asyncio.Event()
        wanted = len(spare.streams)
        try:
            new.use(spare)
            spare.on_connected()
            new.pump()
            async with asyncio.timeout(CONFIRM_TIMEOUT_S):
                # A refused stream leaves the spare slot: then the old connection is the better one.
                while spare.confirmed < len(spare.streams) == wanted:
                    settled.clear()
                    await settled.wait()
        except TimeoutError:
            return False
        finally:
            del self._settled[new]
        return len(spare.streams) == wanted > 0 and new.is_active

    def on_outcomes(self, connection: Connection) -> None:
        """Look again whether a new connection is complete; called for every connection."""
        settled = self._settled.get(connection)
        if settled is not None:
            settled.set()

    def _begin_overlap(self) -> None:
        self._overlaps += 1
        if self._overlaps == 1 and self._pool._on_overlap is not None:
            self._pool._on_overlap(True)

    def _end_overlap(self) -> None:
        self._overlaps -= 1
        if self._overlaps == 0 and self._pool._on_overlap is not None:
            self._pool._on_overlap(False)

    async def replace(self, dead: Connection) -> None:
        """Put a new connection in place of one whose session gave up (BN-S-86)."""
        pool = self._pool
        slot = dead.slot
        while slot is not None and dead in pool._connections:
            new = pool._make_connection(slot.index)
            try:
                await new.open()
            except ConnectorError as error:
                log.warning("conn=%s not replaced yet: %s", dead.name, error)
                await new.close()
                await asyncio.sleep(REPLACE_DELAY_S)
                continue
            except BaseException:
                await new.close()
                raise
            if dead not in pool._connections:  # a rotation was faster
                await new.close()
                return
            pool._connections[slot.index] = new
            new.use(slot)
            slot.on_connected()
            new.pump()
            pool.reconnected(new)
            return
