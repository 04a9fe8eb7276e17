"""Faults of single channels: frames dropped, doubled, held, swapped, late, spoilt."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, TypeVar

from .rewriting import rewritten

__all__ = ["Tap", "Taps", "rearranged"]

T = TypeVar("T")
Send = Callable[[bytes], None]
Later = Callable[[float, Callable[[], None]], None]


def rearranged(action: str, item: T, held: list[T]) -> list[T]:
    """Return what goes out in place of an item: action drop, duplicate, hold or swap.

    `held` is what the fault keeps between calls.
    """
    if action == "drop":
        return []
    if action == "duplicate":
        return [item, item]
    if action == "hold" or not held:
        held.append(item)
        return []
    return [item, held.pop()]


@dataclass(slots=True, eq=False)
class Tap:
    """Stands on the channels whose names begin with `prefix`, for the next `count` frames.

    `hold` keeps them until released, `swap` lets the next two change places, `delay` lets them go
    `delay_ms` later. The first `after` frames pass; with a `probability` below 1 not every frame
    is hit. A venue adds actions of its own in `bend`, and says in `number_marks` where a number
    begins that `malformed` can spoil.
    """

    prefix: str
    action: str
    count: int = 1
    connection: int | None = None
    delay_ms: float = 0.0
    probability: float = 1.0
    after: int = 0
    held: list[tuple[Send, bytes]] = field(default_factory=list)
    holder: int | None = None  # the connection of what is held

    actions: ClassVar[tuple[str, ...]] = (
        *("drop", "duplicate", "hold", "swap", "delay"),
        *("malformed", "truncate", "extra_keys", "shuffle"),
    )
    number_marks: ClassVar[tuple[bytes, ...]] = ()

    @property
    def spent(self) -> bool:
        return self.count <= 0 and not self.held

    def applies(self, name: str, connection: int | None, source: random.Random) -> bool:
        """Whether it hits a frame; a fault with a probability asks the seeded source."""
        if self.count <= 0 or not name.startswith(self.prefix):
            return False
        if self.connection is not None and self.connection != connection:
            return False
        if self.after > 0:
            self.after -= 1
            return False
        return self.probability >= 1 or source.random() < self.probability

    def put(
        self,
        payload: bytes,
        send: Send,
        later: Later,
        source: random.Random,
        connection: int | None = None,
    ) -> list[bytes]:
        """Return what goes out in place of a frame; what is late or held goes to `send`."""
        action = self.action
        if action == "swap" and self.held and self.holder != connection:
            return [payload]  # only frames of one connection change places
        self.count -= 1
        self.holder = connection
        if action in ("drop", "duplicate", "hold", "swap"):
            out = rearranged(action, (send, payload), self.held)
            if action == "swap" and self.held:
                self.count = 1
            return [item[1] for item in out]
        if action == "delay":
            later(self.delay_ms, lambda: send(payload))
            return []
        if action == "truncate":
            return [payload[: len(payload) // 2]]
        if action == "malformed":
            return [self.spoil(payload)]
        if action == "extra_keys":
            return [rewritten(payload, source, unknown_key="simUnknown")]
        if action == "shuffle":
            return [rewritten(payload, source, shuffled_keys=True)]
        return [self.bend(payload, source)]

    def bend(self, payload: bytes, source: random.Random) -> bytes:
        """Return a frame changed by an action of the venue's own."""
        raise NotImplementedError

    def spoil(self, payload: bytes) -> bytes:
        """Return the frame, still JSON, with one number or text that cannot be one."""
        for mark in self.number_marks:
            if mark in payload:
                return payload.replace(mark, mark + b"-x", 1)
        return b"{}"


class Taps(list[Tap]):
    """The taps that stand, oldest first.

    Parameters
    ----------
    later
        Does something after so many ms.
    source
        Decides what is left to chance.
    """

    def __init__(self, later: Later, source: random.Random) -> None:
        super().__init__()
        self._later = later
        self._source = source

    def through(
        self, name: str, payload: bytes, send: Send, connection: int | None = None
    ) -> list[bytes]:
        """Return what is left of a channel's frame behind all taps; `send` is past them."""
        payloads = [payload]
        for tap in tuple(self):
            payloads = [
                out for item in payloads for out in self._put(tap, name, item, send, connection)
            ]
            if tap.spent and tap in self:
                self.remove(tap)
        return payloads

    def _put(
        self, tap: Tap, name: str, payload: bytes, send: Send, connection: int | None
    ) -> list[bytes]:
        if not tap.applies(name, connection, self._source):
            return [payload]
        return tap.put(payload, send, self._later, self._source, connection)
