"""Which connection carries a topic (DX-N-01 to DX-N-06)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from .channels import POOLED, Channel
from .public_stream import PublicStream

__all__ = ["stream_for"]

S = TypeVar("S", bound=PublicStream)


def stream_for(name: str, streams: Sequence[S], most: int, make: Callable[[], S]) -> S | None:
    """Return the connection that is to carry a topic, made if need be; None without room.

    A topic that a connection has not quite ended yet goes back there: never may frames of two
    connections meet in one book (DX-W-22). Others go to the first connection that has room for
    their kind; what is not pooled always to the first.
    """
    channel = Channel.parse(name)
    assert channel is not None
    for stream in streams:
        if stream.channels.holds(name):
            return stream
    if channel.kind not in POOLED:
        first = streams[0] if streams else make()
        return first if first.channels.has_room(channel.kind) else None
    for stream in streams:
        if stream.channels.has_room(channel.kind):
            return stream
    return make() if len(streams) < most else None
