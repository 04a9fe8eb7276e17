"""Faults of single channels: frames dropped, doubled, held, swapped, spoilt (18.2.9)."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["TAP_ACTIONS", "Tap"]

TAP_ACTIONS = ("drop", "duplicate", "hold", "swap", "malformed", "truncate")


@dataclass(slots=True, eq=False)
class Tap:
    """Stands on the channels whose names begin with `prefix`, for the next `count` frames.

    `hold` keeps them until released; `swap` lets the next two change places.
    """

    prefix: str
    action: str
    count: int = 1
    held: list[tuple[str, bytes]] = field(default_factory=list)

    @property
    def spent(self) -> bool:
        return self.count <= 0 and self.action != "hold"

    def put(self, name: str, payload: bytes) -> list[bytes]:
        """Return what goes out in place of a frame."""
        if self.count <= 0:
            return [payload]
        self.count -= 1
        if self.action == "drop":
            return []
        if self.action == "duplicate":
            return [payload, payload]
        if self.action == "hold":
            self.held.append((name, payload))
            return []
        if self.action == "swap":
            if not self.held:
                self.held.append((name, payload))
                self.count = 1
                return []
            return [payload, self.held.pop()[1]]
        if self.action == "truncate":
            return [payload[: len(payload) // 2]]
        return [_spoil(payload)]


def _spoil(payload: bytes) -> bytes:
    """Return the frame, still JSON, with one number or text that cannot be one."""
    for good in (b'"size":"', b'"position":"', b'"initial_base_amount":"', b'"balance":"'):
        if good in payload:
            return payload.replace(good, good + b"-x", 1)
    return payload.replace(b":", b":[", 1) if payload.count(b":[") else b"{}"
