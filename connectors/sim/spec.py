"""The settings of one fault, checked as they are taken."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

__all__ = ["Spec"]


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
