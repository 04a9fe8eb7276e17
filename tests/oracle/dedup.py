"""The last `capacity` keys as a plain list that is searched from front to back."""

from __future__ import annotations

from typing import Any


class SlowDedup:
    """Keys of different types are different: the list holds (type names, key)."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.keys: list[tuple[Any, Any]] = []

    @staticmethod
    def typed(key: Any) -> tuple[Any, Any]:
        if isinstance(key, tuple):
            return tuple(type(item).__name__ for item in key), key
        return type(key).__name__, key

    def __contains__(self, key: Any) -> bool:
        return self.typed(key) in self.keys

    def insert(self, key: Any) -> bool:
        if key in self:
            return True
        if len(self.keys) == self.capacity:
            self.keys.pop(0)
        self.keys.append(self.typed(key))
        return False

    def clear(self) -> None:
        self.keys.clear()

    def __iter__(self) -> Any:
        return iter([key for _, key in self.keys])

    def __len__(self) -> int:
        return len(self.keys)
