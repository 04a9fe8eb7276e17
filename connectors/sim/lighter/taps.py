"""Faults of single channels (18.2.9)."""

from __future__ import annotations

from typing import ClassVar

from .. import taps

__all__ = ["Tap"]


class Tap(taps.Tap):
    """Spoils what a client counts with: sizes, positions and balances."""

    __slots__ = ()

    number_marks: ClassVar[tuple[bytes, ...]] = (
        *(b'"size":"', b'"position":"'),
        *(b'"initial_base_amount":"', b'"balance":"'),
    )

    def spoil(self, payload: bytes) -> bytes:
        """Return the frame with a spoilt number, or no longer JSON where there is none."""
        if any(mark in payload for mark in self.number_marks):
            return taps.Tap.spoil(self, payload)
        return payload.replace(b":", b":[", 1) if payload.count(b":[") else b"{}"
