"""What the benchmarks of `submit_order` share: a client whose transport only takes the bytes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from bench.measure import Case
from connectors.model import Order, OrderSubmitted

__all__ = ["Submitting", "submitting_cases"]


class Wire:
    """A session whose connection takes everything."""

    epoch = 1

    def __init__(self) -> None:
        self.frames = 0
        self.last = b""

    def send(self, payload: bytes) -> None:
        self.frames += 1
        self.last = payload


class Submitting(ABC):
    """An execution client that is connected to nothing, renewed before each batch.

    Parameters
    ----------
    calls : int
        Orders of a batch.
    make_order : callable
    signer
        The venue's.
    """

    def __init__(self, calls: int, make_order: Callable[[], Order], signer: Any) -> None:
        self.calls = calls
        self.make_order = make_order
        self.signer = signer
        self.orders: list[Order] = []
        self.events = 0
        self.wire = Wire()
        self.venue: Any = None
        self.renew()

    @abstractmethod
    def connected(self) -> tuple[Any, Any]:
        """Return a new execution client of the venue, and its sender."""

    def renew(self) -> None:
        """Begin anew, with orders that were made before."""
        self.wire = Wire()
        self.events = 0
        venue, sender = self.connected()
        sender.attach(self.wire)
        sender.resume()
        venue._sender, venue._connected = sender, True
        if self.venue is not None:
            self.venue._sender.close("renewed")
        self.venue = venue
        self.orders = [self.make_order() for _ in range(self.calls)]
        if self.signer.pool_capacity:
            self.signer.precompute()

    def count(self, event: object) -> None:
        """Count what the callback gets."""
        self.events += isinstance(event, OrderSubmitted)

    def submit(self) -> None:
        """Submit the orders that were made before."""
        call = self.venue.submit_order
        for order in self.orders:
            call(order)

    def make_and_submit(self) -> None:
        """Make orders and submit them."""
        call, make = self.venue.submit_order, self.make_order
        for _ in range(self.calls):
            call(make())

    def proven(self) -> bytes:
        """Submit a batch that is not measured; return its last frame."""
        self.submit()
        if (self.wire.frames, self.events) != (self.calls, self.calls):
            raise AssertionError(f"{self.wire.frames} frames, {self.events} events")
        last = self.wire.last
        self.renew()
        return last


def submitting_cases(pooled: Submitting, plain: Submitting) -> list[Case]:
    """Return the cases of the call itself, with and without signatures made ahead."""
    return [
        Case("nonce from the pool", pooled.submit, pooled.calls, pooled.renew),
        Case("no pool", plain.submit, plain.calls, plain.renew),
        Case(
            "nonce from the pool, and `limit_order`",
            pooled.make_and_submit,
            pooled.calls,
            pooled.renew,
        ),
    ]
