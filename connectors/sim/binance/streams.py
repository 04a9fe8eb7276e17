"""Who gets which stream: subscriptions of all connections, and publishing to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from .frames import Frame
from .names import StreamName, parse_stream_name
from .types import Product

__all__ = ["Channel", "Hub", "Subscriber"]


class Subscriber(Protocol):
    """What the hub needs of a connection."""

    def send_event(self, frame: Frame) -> None: ...


Tap = Callable[[Frame], Iterable[Frame]]
"""A fault on a channel: gets each frame, returns the frames that go out in its place."""


class Channel:
    """One stream that somebody subscribed."""

    __slots__ = ("name", "product", "subscribers", "taps")

    def __init__(self, name: StreamName, product: Product) -> None:
        self.name = name
        self.product = product
        # Insertion order, so that the same script sends in the same order (BN-M-14).
        self.subscribers: dict[Subscriber, None] = {}
        self.taps: list[Tap] = []


class Hub:
    """All channels by stream name.

    `on_open` and `on_close` tell the market when a channel gets its first and loses its last
    subscriber; `serves` decides whether a name carries anything at all (an unknown symbol does
    not, and is silent: BN-C-09).
    """

    def __init__(self) -> None:
        self.channels: dict[str, Channel] = {}
        self.on_open: Callable[[Channel], None] = lambda channel: None
        self.on_close: Callable[[Channel], None] = lambda channel: None
        self.serves: Callable[[StreamName, Product], bool] = lambda name, product: True
        self.taps: dict[str, list[Tap]] = {}
        self.muted: set[str] = set()
        self.published = 0

    def route_of(self, text: str, product: Product) -> str | None:
        """Return `public` or `market`, None for a name no stream has."""
        name = parse_stream_name(text, product)
        return None if name is None else name.route

    def add(self, subscriber: Subscriber, text: str, product: Product) -> bool:
        """Deliver a stream to a connection from now on; False if the name carries nothing."""
        channel = self.channels.get(text)
        if channel is None:
            name = parse_stream_name(text, product)
            if name is None or not self.serves(name, product):
                return False
            channel = self.channels[text] = Channel(name, product)
            channel.taps = self.taps.get(text, [])
            self.on_open(channel)
        elif channel.name.subject and channel.product is not product:
            return False
        channel.subscribers[subscriber] = None
        return True

    def remove(self, subscriber: Subscriber, text: str) -> None:
        channel = self.channels.get(text)
        if channel is None or subscriber not in channel.subscribers:
            return
        del channel.subscribers[subscriber]
        if not channel.subscribers:
            del self.channels[text]
            self.on_close(channel)

    def tap(self, text: str, tap: Tap) -> Callable[[], None]:
        """Put a fault on a stream, subscribed or not; the returned function takes it off."""
        taps = self.taps.setdefault(text, [])
        taps.append(tap)
        if text in self.channels:
            self.channels[text].taps = taps

        def off() -> None:
            if tap in taps:
                taps.remove(tap)

        return off

    def publish(self, text: str, payload: str | bytes) -> None:
        """Send one event to everybody who subscribed the stream."""
        channel = self.channels.get(text)
        if channel is None or text in self.muted:
            return
        if isinstance(payload, str):
            payload = payload.encode()
        frames: Iterable[Frame] = (Frame(text, payload),)
        for tap in tuple(channel.taps):
            frames = [out for frame in frames for out in tap(frame)]
        self.deliver(text, frames)

    def deliver(self, text: str, frames: Iterable[Frame]) -> None:
        """Send ready frames to the subscribers of a stream, past its taps."""
        channel = self.channels.get(text)
        if channel is None:
            return
        for frame in frames:
            self.published += 1
            for subscriber in tuple(channel.subscribers):
                subscriber.send_event(frame)
