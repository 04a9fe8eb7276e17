"""What faults of streams, commands and requests are carried out with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..taps import rearranged
from .frames import Frame
from .types import Response

if TYPE_CHECKING:
    from .connection import StreamConnection
    from .control import Reply

__all__ = ["ControlFault", "FrameSequence", "HttpFault"]


class FrameSequence:
    """Skip, duplicate, swap or hold the next frames of a stream."""

    def __init__(self, action: str, count: int, on_done: Callable[[], None]) -> None:
        self.action = action
        self.left = count
        self.held: list[Frame] = []
        self._on_done = on_done

    def __call__(self, frame: Frame) -> list[Frame]:
        out = rearranged("drop" if self.action == "skip" else self.action, frame, self.held)
        if self.held:
            return out
        self.left -= 1
        if self.left <= 0:
            self._on_done()
        return out


@dataclass(slots=True)
class ControlFault:
    """What happens to the next `count` commands of a method, on some connections or all."""

    act: Callable[[StreamConnection, Reply], None]
    method: str | None
    connections: frozenset[int] | None
    count: int


@dataclass(slots=True)
class HttpFault:
    """What happens to the next `count` REST requests whose path starts with `path`.

    `response` is the reply in place of the true one; None only delays that.
    """

    response: Response | None
    method: str | None
    path: str
    delay_s: float
    count: int
