"""What faults are described and carried out with: settings, standing faults, stray frames."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from aiohttp import web

from .frames import Frame
from .types import Response

if TYPE_CHECKING:
    from .connection import StreamConnection
    from .control import Reply

__all__ = ["ControlFault", "FrameSequence", "HandshakeFault", "HttpFault", "Spec"]


class Spec:
    """The settings of one fault; `finish` refuses those nobody asked for."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = dict(values)

    def take(self, name: str, default: Any = None) -> Any:
        return self._values.pop(name, default)

    def number(self, name: str, default: float) -> float:
        value = self._values.pop(name, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise TypeError(f"{name!r} must be a number, was {value!r}")
        return value

    def choice(self, name: str, choices: Iterable[str], default: str | None = None) -> str:
        value = self._values.pop(name, default)
        known = tuple(choices)
        if value not in known:
            raise ValueError(f"{name!r} must be one of {', '.join(known)}, was {value!r}")
        return str(value)

    def rest(self, kind: type) -> dict[str, Any]:
        """Take what is left; it must be fields of a dataclass, of the type of their defaults."""
        known = {item.name: item.default for item in fields(kind)}
        unknown = self._values.keys() - known.keys()
        if unknown:
            raise ValueError(f"unknown settings {sorted(unknown)}, known: {sorted(known)}")
        for name, value in self._values.items():
            if isinstance(known[name], bool) != isinstance(value, bool) or (
                isinstance(known[name], (int, float)) and not isinstance(value, (int, float))
            ):
                raise TypeError(f"{name!r} must be like {known[name]!r}, was {value!r}")
        rest, self._values = self._values, {}
        return rest

    def finish(self) -> None:
        if self._values:
            raise ValueError(f"unknown settings {sorted(self._values)}")


class FrameSequence:
    """Skip, duplicate, swap or hold the next frames of a stream."""

    def __init__(self, action: str, count: int, on_done: Callable[[], None]) -> None:
        self.action = action
        self.left = count
        self.held: list[Frame] = []
        self._on_done = on_done

    def __call__(self, frame: Frame) -> list[Frame]:
        if self.action == "hold":
            self.held.append(frame)
            return []
        if self.action == "swap":
            if not self.held:
                self.held.append(frame)
                return []
            out = [frame, self.held.pop()]
        else:
            out = [] if self.action == "skip" else [frame, frame]
        self.left -= 1
        if self.left <= 0:
            self._on_done()
        return out


@dataclass(slots=True)
class HandshakeFault:
    """What happens to the next `count` handshakes of a path; None continues the handshake."""

    act: Callable[[web.BaseRequest], Awaitable[web.StreamResponse | None]]
    path: str | None
    count: int


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
