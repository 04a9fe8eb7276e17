"""What stands between a state machine and the event loop: its commands in order, and one timer."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from .clock import NS_PER_S, Clock

__all__ = ["MachineDriver"]

C = TypeVar("C")


class MachineDriver(Generic[C]):
    """Executes a machine's commands, and looks at it again when its deadline comes.

    Parameters
    ----------
    execute : callable
        Carries out one command; what that brings about is executed after what was there before.
    deadline : callable
        Returns when to look next, in monotonic ns, None for never.
    look : callable
        Looks at the machine, and runs what it wants done.
    clock : Clock
    """

    __slots__ = (
        "_clock",
        "_commands",
        "_deadline",
        "_execute",
        "_look",
        "_running",
        "_timer",
        "_timer_at",
    )

    def __init__(
        self,
        execute: Callable[[C], None],
        *,
        deadline: Callable[[], int | None],
        look: Callable[[], None],
        clock: Clock,
    ) -> None:
        self._execute = execute
        self._deadline = deadline
        self._look = look
        self._clock = clock
        self._commands: deque[C] = deque()
        self._running = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at: int | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether its timer is set."""
        return self._timer is not None

    def run(self, commands: Iterable[C]) -> None:
        """Execute commands in order, also those that executing them brings about.

        Outside an event loop nothing is waited for.
        """
        self._commands.extend(commands)
        if self._running:
            return
        self._running = True
        try:
            while self._commands:
                self._execute(self._commands.popleft())
        finally:
            self._running = False
            self._arm()

    def stop(self) -> None:
        """Look no more, until something is run again."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        """Set the one timer to the machine's next deadline."""
        at = self._deadline()
        if at == self._timer_at and self._timer is not None:
            return
        self.stop()
        self._timer_at = at
        if at is None:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        delay_s = max(0.0, (at - self._clock.monotonic_ns()) / NS_PER_S)
        self._timer = loop.call_later(delay_s, self._due)

    def _due(self) -> None:
        self._timer = None
        self._look()
