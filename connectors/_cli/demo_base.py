"""What the demos of single venues share: what a client's statuses come to, the checks, waiting."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable

from ..errors import ConnectorError
from ..model import ConnectionState, ConnectionStatus, ErrorEvent, Reconnected, StatusEvent
from .demo_checks import Check, Story

__all__ = ["VenueDemo"]

POLL_S = 0.01


class VenueDemo(ABC):
    """One run on one venue: what its clients reported, and what was checked.

    Parameters
    ----------
    name : str
        The venue's, for the reader.
    story : Story
        Where it is told; one for all that is shown together.
    draw : callable
        Called whenever there may be something new to show.
    """

    def __init__(self, name: str, *, story: Story, draw: Callable[[], object]) -> None:
        self.name = name
        self.story = story
        self.draw = draw
        self.checks: list[Check] = []
        self.trouble: list[StatusEvent] = []
        self.losses = 0
        self.returns = 0

    @abstractmethod
    async def run(self) -> None:
        """Connect, and play."""

    @property
    @abstractmethod
    def state(self) -> str:
        """How it stands, in a few words."""

    @abstractmethod
    def rows(self) -> list[tuple[str, ...]]:
        """Return what there is to show, as the `HEADINGS` beside the class call the columns."""

    @abstractmethod
    def summary(self) -> list[str]:
        """Return what is printed of this venue besides its checks."""

    def on_status(self, event: StatusEvent) -> None:
        """Count and tell losses and returns of connections; keep errors."""
        if isinstance(event, ConnectionStatus) and event.state is ConnectionState.RECONNECTING:
            self.losses += 1
            self.note(f"{event.connection} lost: {event.reason or 'reset'}")
        elif isinstance(event, Reconnected):
            self.returns += 1
            self.note(f"{event.connection} is back")
        elif isinstance(event, ErrorEvent):
            self.trouble.append(event)

    def note(self, text: str) -> None:
        self.story.tell(f"{self.name}: {text}")

    def check(self, claim: str, held: bool, evidence: str) -> None:
        self.checks.append(Check(claim, held, evidence))

    async def until(
        self, condition: Callable[[], bool], timeout_s: float, needed: str = ""
    ) -> bool:
        """Draw until the condition holds; False after the time, or an error if it is `needed`."""
        end = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() >= end:
                if needed:
                    raise ConnectorError(f"not within {timeout_s:.0f} s: {needed}")
                return False
            self.draw()
            await asyncio.sleep(POLL_S)
        return True
