"""Commands of one kind that are given soon after each other, sent as one action."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from ..execution.sending import Command, Kind
from .orders import CancelPlan, ModifyPlan

__all__ = ["Coalescing"]


class Coalescing:
    """What waits for company.

    Parameters
    ----------
    wait_s : float
        How long; 0: nothing waits.
    send : callable
        Sends commands that leave together.
    """

    def __init__(self, wait_s: float, send: Callable[[Sequence[Command]], None]) -> None:
        self._wait_s = wait_s
        self._send = send
        self._waiting: list[Command] = []
        self._timer: asyncio.TimerHandle | None = None

    def give(self, command: Command) -> None:
        """Send one command, at once or together with those of its kind that come soon."""
        if not self._wait_s:
            self._send([command])
            return
        if self._waiting and _group(self._waiting[0]) != _group(command):
            self.flush()
        self._waiting.append(command)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._wait_s, self.flush)

    def flush(self) -> None:
        """Send what waits."""
        waiting = self.take()
        if waiting:
            self._send(waiting)

    def take(self) -> list[Command]:
        """Return what waits, and forget it."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting, self._waiting = self._waiting, []
        return waiting


def _group(command: Command) -> tuple[Kind, bool]:
    """Return what commands must share to leave together; post-only orders go before others."""
    plan = command.plan
    if isinstance(plan, CancelPlan):
        return command.kind, plan.cloid is not None
    order = plan.order if isinstance(plan, ModifyPlan) else plan
    return command.kind, order.is_post_only
