"""What the subscriptions of all venues have in common: callbacks, and iterating over them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from ..errors import ClientError
from ..model import EventFeed, Subscription
from ..net.stream import EventStream, Overflow

__all__ = ["check_callback", "iterate", "show_to_all"]

T = TypeVar("T")


def check_callback(callback: object) -> None:
    """Refuse what cannot be called on the socket's stack.

    Raises
    ------
    ClientError
        It is not callable, or a coroutine function.
    """
    if not callable(callback):
        raise ClientError(f"a callback must be callable, got {type(callback).__name__}")
    if inspect.iscoroutinefunction(callback):
        raise ClientError(
            "a callback is a plain function, it is called before the next message is read; "
            "to await things, iterate: `async for quote in data.quotes(...)`"
        )


def iterate(
    subscribe: Callable[..., Subscription],
    capacity: int,
    overflow: Overflow,
    *arguments: Any,
    gap_marker: Callable[[int], Any] | None = None,
    **options: Any,
) -> EventFeed[Any]:
    """Return a feed over `subscribe(*arguments, callback, **options)`."""
    source: EventStream[Any] = EventStream(capacity, overflow, gap_marker=gap_marker)
    return EventFeed(source, subscribe(*arguments, source.push, **options))


def show_to_all(
    callbacks: tuple[Callable[[T], object], ...],
    failed: Callable[[BaseException, T], None],
) -> Callable[[T], None]:
    """Return one callable for all `callbacks`: one that raises does not keep it from the others.

    Made anew when the callbacks change, not for each event.
    """

    def show(shown: T) -> None:
        for callback in callbacks:
            try:
                callback(shown)
            except Exception as error:  # noqa: BLE001 - reported; the others go on
                failed(error, shown)

    return show
