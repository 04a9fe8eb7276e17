"""Each trade once, whatever brings it: streams, REST, replays after a reconnect.

A trade is marked only after its fill was applied and handed out, so that a copy that could not
be used (it did not parse, nobody knew the order) leaves the way free for the next one.
"""

from __future__ import annotations

from typing import TypeAlias

from .._speedups.fills import SeenFills

__all__ = ["FillKey", "SeenFills"]

FillKey: TypeAlias = int | str | bytes | tuple[int | str | bytes, ...]
