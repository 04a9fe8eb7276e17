"""The account's own connection: it is ready once each stream that matters has spoken on it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Protocol

from ..errors import ConnectorError, RequestTimeout
from ..net.session import Session
from ..net.session_events import Connected, FeedProblem, Lost, SessionEvent
from ..net.tasks import OwnedTasks

__all__ = ["GatedStream", "LinkOwner"]

CLOSE_TIMEOUT_S = 2.0


class LinkOwner(Protocol):
    """Whom the connection tells what becomes of it; everything synchronously."""

    def on_link_up(self, *, is_reconnect: bool) -> None:
        """A connection can be used."""

    def on_link_lost(self, epoch: int, why: str) -> None:
        """The connection is gone; another follows."""

    def on_session_event(self, event: SessionEvent) -> None:
        """Anything of the session, for the status callback."""

    def on_refused(self, channel: str, code: int | None, message: str) -> None:
        """A subscription was refused for good."""

    def on_problem(self, message: str, code: int | None, error: Exception | None) -> None:
        """A frame that could not be used, or an error that belongs nowhere."""


class GatedStream:
    """One connection of an account, replaced when it is lost.

    Made for each `connect`: what belongs to an earlier one cannot reach a later one.

    Parameters
    ----------
    venue : str
        For the log.
    owner : LinkOwner
    gates : mapping of str to str
        The streams that must speak, and their names in texts.
    timeout_s, warning_s : float
        How long they may take; how often the wait is logged.

    Attributes
    ----------
    session : Session
        Set by the venue's class, with `_on_event` for its events.
    bad_frames : int
        Frames that could not be read.
    """

    session: Session

    def __init__(
        self,
        venue: str,
        owner: LinkOwner,
        *,
        gates: Mapping[str, str],
        timeout_s: float,
        warning_s: float,
    ) -> None:
        self._venue = venue
        self._link_owner = owner
        self._gates = dict(gates)
        self._timeout_s = timeout_s
        self._warning_s = warning_s
        self._log = logging.getLogger(f"connectors.{venue.lower()}")
        self._tasks = OwnedTasks(f"{venue.lower()}/private", on_death=self._task_died)
        self._missing: dict[str, str] = {}
        self._gate: asyncio.Future[None] | None = None
        self._timers: set[asyncio.TimerHandle] = set()
        self._closing = False
        self.bad_frames = 0

    # -- what a venue says -------------------------------------------------------------

    async def _establish(self, epoch: int, *, is_reconnect: bool) -> None:
        """Ask for everything on a new connection, and tell the owner when it may be used."""
        raise NotImplementedError

    def _on_lost(self) -> None:
        """Forget what was true of the connection only."""

    # -- opening and closing -----------------------------------------------------------

    async def open(self) -> None:
        """Connect, subscribe, and wait until every gate stream has spoken.

        Raises
        ------
        TransportError, HandshakeError, RequestTimeout
            No connection, or streams that stay silent; the text names them.
        VenueError
            A stream was refused; the text is the venue's.
        """
        self._missing = dict(self._gates)
        self._gate = asyncio.get_running_loop().create_future()
        try:
            await self.session.open()
            await self._wait_ready()
        except BaseException:
            await self.close()
            raise
        finally:
            gate, self._gate = self._gate, None
            if not gate.done():
                gate.cancel()
            elif not gate.cancelled():
                gate.exception()  # seen, if nobody awaited it

    async def _wait_ready(self) -> None:
        gate = self._gate
        assert gate is not None
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + self._timeout_s
        while not gate.done():
            left_s = deadline_s - loop.time()
            if left_s <= 0:
                missing = ", ".join(self._missing.values())
                raise RequestTimeout(f"no data of: {missing} within {self._timeout_s:g} s")
            await asyncio.wait([gate], timeout=min(left_s, self._warning_s))
            if not gate.done() and loop.time() < deadline_s:
                waiting = ", ".join(self._missing.values())
                self._log.warning("venue=%s waiting for %s", self._venue, waiting)
        gate.result()

    async def close(self) -> None:
        """End for good: no task, timer or socket is left."""
        self._closing = True
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        try:
            await self._tasks.close(timeout_s=CLOSE_TIMEOUT_S)
        finally:
            await self.session.close()

    @property
    def is_ready(self) -> bool:
        """Whether the connection is up and every gate stream has spoken on it."""
        return self.session.is_connected and not self._missing

    # -- the gate ----------------------------------------------------------------------

    def _spoke(self, stream: str) -> None:
        """A stream has spoken, and what it said was understood."""
        self._missing.pop(stream, None)
        if not self._missing and self._gate is not None and not self._gate.done():
            self._gate.set_result(None)

    def _fail_gate(self, error: ConnectorError) -> None:
        """`open` cannot succeed any more."""
        if self._gate is not None and not self._gate.done():
            self._gate.set_exception(error)

    async def _expect_gates(self, epoch: int) -> None:
        """Replace a connection on which not all have spoken in time."""
        await asyncio.sleep(self._timeout_s)
        if self.session.epoch == epoch and self._missing:
            missing = ", ".join(self._missing.values())
            self.session.reconnect(f"no data of: {missing} after reconnecting")

    # -- the session -------------------------------------------------------------------

    def _on_event(self, event: SessionEvent) -> None:
        if isinstance(event, Connected):
            self._on_connected()
            self._spawn(self._establish(event.epoch, is_reconnect=event.is_reconnect), "establish")
        elif isinstance(event, Lost):
            self._missing = dict(self._gates)
            self._on_lost()
            self._link_owner.on_link_lost(event.epoch, str(event.error))
        if isinstance(event, FeedProblem):
            self.bad_frames += 1
            self._link_owner.on_problem(f"frame not used: {event.error}", None, event.error)
        else:
            self._link_owner.on_session_event(event)

    def _on_connected(self) -> None:
        """Be ready for the first frame, which may come before `_establish` starts."""

    def _is_current(self, epoch: int) -> bool:
        return self.session.epoch == epoch and self.session.is_connected

    def _task_died(self, name: str, error: BaseException) -> None:
        """Something of a connection stayed undone (a signer that raises): the next does it all."""
        self._link_owner.on_problem(f"task {name} died: {type(error).__name__}", None, None)
        if not self._closing:
            self.session.reconnect(f"task {name} died")

    def _spawn(self, coro: Coroutine[Any, Any, None], name: str) -> None:
        if self._closing:
            coro.close()
        else:
            self._tasks.spawn(coro, name)

    def _later(self, delay_s: float, call: Callable[[], None]) -> None:
        if self._closing:
            return

        def run() -> None:
            self._timers.discard(handle)
            call()

        handle = asyncio.get_running_loop().call_later(delay_s, run)
        self._timers.add(handle)
