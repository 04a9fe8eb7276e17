"""What the settings and credentials of all venues have in common."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any, NoReturn, Self, TypeVar

from .errors import ClientError, ConfigError

__all__ = ["Secrets", "Settings", "Variables", "config_from", "member"]

E = TypeVar("E", bound=StrEnum)
C = TypeVar("C", bound="Settings")


class Settings:
    """Base of a venue's `Config`, which is a frozen dataclass; the rest is for `__post_init__`."""

    __slots__ = ()

    def with_changes(self, **changes: Any) -> Self:
        """Return a copy with some settings changed."""
        copy: Self = replace(self, **changes)  # type: ignore[type-var]
        return copy

    def _take_text(self, **kinds: type[StrEnum]) -> None:
        """Turn settings given as text into the members they name; ConfigError for others."""
        for name, kind in kinds.items():
            object.__setattr__(self, name, member(kind, getattr(self, name), name))

    def _require_positive(self, *names: str) -> None:
        for name in names:
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} must be greater than 0")

    def _require_not_negative(self, *names: str) -> None:
        for name in names:
            if not getattr(self, name) >= 0:
                raise ConfigError(f"{name} must not be negative")


def member(kind: type[E], given: E | str, name: str) -> E:
    """Return the member of an enumeration, given as such or as text.

    Raises
    ------
    ConfigError
        There is none; the text says which there are.
    """
    try:
        return kind(given)
    except ValueError:
        known = ", ".join(kind)
        raise ConfigError(f"unknown {name} {given!r}: one of {known}") from None


def config_from(kind: Callable[..., C], config: C | None, settings: Mapping[str, Any]) -> C:
    """Return `config`, or one made of `settings`; ClientError where both are given."""
    if config is None:
        return kind(**settings)
    if settings:
        raise ClientError(f"give a config or settings, not both: {', '.join(settings)}")
    return config


class Secrets:
    """Base of a venue's credentials: `SECRET` is in no text form, and nothing is pickled.

    The text form shows the other `__slots__` of the class, in their order.
    """

    __slots__ = ()

    SECRET = ""

    def __repr__(self) -> str:
        names: Iterable[str] = type(self).__slots__
        shown = [f"{name}={getattr(self, name)!r}" for name in names if name != self.SECRET]
        return f"{type(self).__name__}({', '.join((*shown, f'{self.SECRET}=***'))})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("credentials are not pickled: the secret would leave the process")


class Variables:
    """The environment variables of a venue: `LIGHTER_API_SECRET` for its field `api_secret`.

    Parameters
    ----------
    venue : str
        As texts write it.
    test : bool
        Those of its test network: `LIGHTER_TESTNET_API_SECRET`.
    env : mapping, optional
        In place of the process's variables.
    """

    __slots__ = ("_env", "_stem", "_venue")

    def __init__(self, venue: str, *, test: bool, env: Mapping[str, str] | None = None) -> None:
        self._venue = venue
        self._stem = venue.upper() + ("_TESTNET_" if test else "_")
        self._env = os.environ if env is None else env

    def name(self, field: str) -> str:
        """Return the name of the variable of a field."""
        return self._stem + field.upper()

    def get(self, field: str, given: object = None) -> str | None:
        """Return `given` as text, else the variable's value; None where both are blank."""
        text = "" if given is None else str(given).strip()
        return text or self._env.get(self.name(field), "").strip() or None

    def incomplete(self, *missing: str) -> ConfigError:
        """Return the error for fields that are missing while others are set."""
        hints = ", ".join(f"{field} ({self.name(field)})" for field in missing)
        return ConfigError(f"{self._venue} credentials are incomplete, missing: {hints}")
