"""What the demos of single venues share: clients and simulator, statuses, checks, waiting."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from ..errors import ConnectorError
from ..model import ConnectionState, ConnectionStatus, ErrorEvent, Reconnected, StatusEvent
from .demo_checks import Check, Story
from .screen import Picture
from .simulator import SimulatorAdmin

__all__ = ["OnEvent", "OnStatus", "SimulatedVenue", "VenueDemo", "side_by_side"]

OnEvent = Callable[[Any], object]
OnStatus = Callable[[StatusEvent], object]

POLL_S = 0.01


class SimulatedVenue(ABC):
    """A venue's half of a demo: its clients, and what its simulator knows and does.

    Parameters
    ----------
    ready : dict
        The line the simulator printed.

    Attributes
    ----------
    name : str
        For the reader.
    options :
        Of its simulator.
    data :
        The client of market data.
    """

    name: ClassVar[str]
    options: ClassVar[tuple[str, ...]] = ()
    data: Any

    def __init__(
        self,
        admin: SimulatorAdmin,
        ready: dict[str, Any],
        *,
        on_event: OnEvent,
        on_status: OnStatus,
    ) -> None:
        self._admin = admin
        self._make_clients(ready, on_event, on_status)

    @abstractmethod
    def _make_clients(self, ready: dict[str, Any], on_event: OnEvent, on_status: OnStatus) -> None:
        """Make the clients, and note which account of the simulator is ours."""

    async def _opened(self) -> Sequence[Mapping[str, Any]]:
        """Return the simulator's rows of the connections that are open."""
        rows: Sequence[Mapping[str, Any]] = await self._admin.get("connections", open="true")
        return rows

    async def _abort(self, row: Mapping[str, Any]) -> None:
        """Reset a connection."""
        await self._admin.post("fault", fault="abort", connection=row["number"])


V = TypeVar("V", bound=SimulatedVenue)


class VenueDemo(ABC, Generic[V]):
    """One run on one venue: what its clients reported, and what was checked.

    Parameters
    ----------
    kind : type
        The venue.
    ready : dict
        The line the simulator printed.
    story : Story
        Where it is told; one for all that is shown together.
    draw : callable
        Called whenever there may be something new to show.
    """

    def __init__(
        self,
        kind: type[V],
        admin: SimulatorAdmin,
        ready: dict[str, Any],
        *,
        story: Story,
        draw: Callable[[], object],
    ) -> None:
        self.name = kind.name
        self.admin = admin
        self.story = story
        self.draw = draw
        self.checks: list[Check] = []
        self.trouble: list[StatusEvent] = []
        self.losses = 0
        self.returns = 0
        self.venue = kind(admin, ready, on_event=self.on_event, on_status=self.on_status)
        self.data = self.venue.data

    @abstractmethod
    def on_event(self, event: Any) -> None:
        """Take what the account's client tells."""

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


def side_by_side(
    demos: Sequence[VenueDemo[Any]], headings: tuple[str, ...], notes: Sequence[str] = ()
) -> Picture:
    """Return what there is to see of several venues."""
    states = [demo.state for demo in demos]
    return Picture(
        title="; ".join(states),
        headings=headings,
        rows=[row for demo in demos for row in demo.rows()],
        notes=tuple(notes),
        lines=[f"         {state}" for state in states],
    )
