"""Background tasks that have an owner, a name, and a death that is logged."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from ..errors import ClientError

__all__ = ["OwnedTasks"]

_log = logging.getLogger("connectors.net.tasks")


class OwnedTasks:
    """All background tasks of one object; closing the object ends them.

    An exception that ends a task is logged with the task's name, counted in
    `deaths` and handed to `on_death`; it is never lost.

    Parameters
    ----------
    owner : str
        Prefix of the task names, for logs and debuggers.
    on_death : callable, optional
        Called as `on_death(name, exception)` when a task ends by an exception.
    """

    __slots__ = ("_closed", "_on_death", "_owner", "_tasks", "deaths")

    def __init__(
        self, owner: str, *, on_death: Callable[[str, BaseException], None] | None = None
    ) -> None:
        self._owner = owner
        self._on_death = on_death
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False
        self.deaths = 0

    def __len__(self) -> int:
        return len(self._tasks)

    def spawn(self, coro: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Start a task named `owner/name`; ClientError after `close`."""
        if self._closed:
            coro.close()
            raise ClientError(f"{self._owner} is closed and starts no task {name!r}")
        task = asyncio.get_running_loop().create_task(coro, name=f"{self._owner}/{name}")
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def cancel(self) -> None:
        """Cancel every task without waiting, except the calling one."""
        current = _current_task()
        for task in self._tasks:
            if task is not current:
                task.cancel()

    async def close(self, *, timeout_s: float) -> None:
        """Cancel every task and wait until they have ended; idempotent.

        A task that calls this (directly or through its owner) is left to end by
        itself. Tasks that ignore the cancellation beyond `timeout_s` are logged.
        """
        self._closed = True
        self.cancel()
        waiting = self._tasks - {_current_task()}
        if not waiting:
            return
        _, stuck = await asyncio.wait(waiting, timeout=timeout_s)
        for task in stuck:
            _log.error("task=%s does not end after cancellation", task.get_name())

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            return
        self.deaths += 1
        _log.error("task=%s died: %s", task.get_name(), type(error).__name__, exc_info=error)
        if self._on_death is not None:
            self._on_death(task.get_name(), error)


def _current_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:  # no running loop
        return None
