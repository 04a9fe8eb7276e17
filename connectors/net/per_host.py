"""One object per host, shared by all clients of this process: venues count by address."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Generic, TypeVar

from .attempts import attempt_key, is_loopback

__all__ = ["PerHost"]

T = TypeVar("T")


class PerHost(Generic[T]):
    """Objects by the host of a URL.

    Those of this machine live as long as somebody uses them: each port is another venue here, and
    may be used again for one soon.
    """

    __slots__ = ("_local", "_lock", "_shared")

    def __init__(self) -> None:
        self._shared: dict[str, T] = {}
        self._local: weakref.WeakValueDictionary[str, T] = weakref.WeakValueDictionary()
        self._lock = threading.Lock()

    def get(self, url: str, make: Callable[[], T]) -> T:
        """Return the object of a host; the one its first client made serves all."""
        key = attempt_key(url)
        is_local = is_loopback(key.partition(":")[0])
        table = self._local if is_local else self._shared
        with self._lock:
            found = table.get(key)
            if found is None:
                found = table[key] = make()
            return found
